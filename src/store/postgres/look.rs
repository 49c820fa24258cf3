//! What the server is, where the schema stands, and which rights the role lacks.

use super::{
    Postgres,
    direct::{RECONNECT, RECONNECT_TIME, dial},
    statement::{end_array, inline, push_element},
};
use crate::{
    error::{Failure, Kind, Result, quote},
    store::{
        Access, failure,
        faults::Fault,
        migrate::{self, Dialect, Found, HISTORY},
        objects,
    },
};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Either, PgConnection, Row as _, postgres::PgRow};
use std::collections::HashSet;

/// Columns that tell what the server is: its encoding, whether it is a standby, whether triggers are switched off.
pub(super) const WHAT_IT_IS: &str = "current_setting('server_encoding') as encoding, \
     pg_is_in_recovery() as is_standby, current_setting('session_replication_role') as replication";

/// How long a connection waits for other programs after one of the run has waited as long as it may: it is not nothing, so
/// that what is held only for a moment is no failure.
pub(super) const SHORTLY: &str = "set lock_timeout = '100ms'";

/// The rights that a run needs and that the role lacks: in words, and the grant that gives each. Whoever owns the schema has
/// them all.
const MISSING_RIGHTS: &str = "with one as (
         select n.oid, $1::text as schema, quote_ident($1::text) as name, quote_ident(current_user) as role
         from (select) one left join pg_namespace n on n.nspname = $1::text
     )
     select 1 as rank, 'create on the database, to make the schema' as words,
         'grant create on database ' || quote_ident(current_database()) || ' to ' || role as given
     from one where oid is null and not has_database_privilege(current_database(), 'create')
     union all select 2, 'usage on the schema', 'grant usage on schema ' || name || ' to ' || role
     from one where oid is not null and not has_schema_privilege(oid, 'usage')
     union all select 3, 'create on the schema', 'grant create on schema ' || name || ' to ' || role
     from one where oid is not null and not has_schema_privilege(oid, 'create')
     union all
     select 4, r.right || ' on ' || c.relname,
         'grant select, insert, update, delete on all tables in schema ' || name || ' to ' || role
     from one, pg_class c, unnest(array['select', 'insert', 'update', 'delete']) r (\"right\")
     where c.relnamespace = one.oid and c.relkind in ('r', 'p') and c.relname = any($2::text[])
         and not has_table_privilege(c.oid, r.right)
     union all
     select 5, 'every row of ' || c.relname || ', which row-level security hides',
         'alter table ' || name || '.' || quote_ident(c.relname) || ' disable row level security'
     from one, pg_class c
     where c.relnamespace = one.oid and c.relkind in ('r', 'p') and c.relname = any($2::text[])
         and row_security_active(c.oid)
     order by 1";

/// What a role lacks.
#[derive(Debug, Default)]
pub(super) struct MissingRights {
    /// In words.
    pub(super) words: Vec<String>,
    /// What its owner has to execute.
    pub(super) grants: Vec<String>,
}

impl Postgres {
    /// Refuses a server on which a run would go wrong, by the columns of [`WHAT_IT_IS`].
    pub(super) fn check_server(&self, row: &PgRow) -> Result<()> {
        let read =
            (|| Ok((row.try_get("encoding")?, row.try_get("is_standby")?, row.try_get("replication")?)))();
        let (encoding, is_standby, replication): (String, bool, String) =
            read.map_err(|error| failure("looking at the connection", error))?;
        if encoding != "UTF8" {
            return Err(Failure::new(
                Kind::Usage,
                format!("the PostgreSQL database has the encoding {}, which cannot hold every name", quote(&encoding, 20)),
            )
            .hint("make a database with the encoding UTF8 (`create database … encoding 'UTF8' template template0`) and name it in DATABASE_URL"));
        }
        if self.access == Access::Write && is_standby {
            return Err(standby_failure());
        }
        if self.access == Access::Write && replication != "origin" {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "session_replication_role is {}, which switches triggers off",
                    quote(&replication, 20)
                ),
            )
            .hint("reset it: `alter role … reset session_replication_role`, or the same of the database"));
        }
        Ok(())
    }

    pub(super) async fn has_schema(&mut self) -> Result<bool> {
        sqlx::query_scalar("select exists (select from pg_namespace where nspname = $1)")
            .bind(&self.schema)
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| failure("looking for the schema", error))
    }

    /// Where the schema stands, in one turn. That it is at our version is asked once a connection.
    pub async fn look(&mut self) -> Result<Found> {
        if self.is_current {
            return Ok(Found::Version(Dialect::Postgres.known()));
        }
        let doing = "looking at the schema";
        let sql = format!(
            "select current_user::text as role, coalesce(has_schema_privilege(n.oid, 'usage'), true) as may_look, {WHAT_IT_IS}
             from (select) one left join pg_namespace n on n.nspname = $1;
             select c.relname::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f')
                 and (c.relname = any($2::text[]) or c.relname = $3) order by name;
             {}",
            objects::query(Dialect::Postgres, "$1")
        );
        let mut ours = String::new();
        for name in migrate::our_names() {
            push_element(&mut ours, Some(name));
        }
        end_array(&mut ours);
        let sql = inline(&sql, &[self.schema.clone(), ours, HISTORY.to_owned()]);
        let sql = format!("{sql};\nselect max(version) as version from {HISTORY}");
        let (mut names, mut there, mut version) = (Vec::<String>::new(), HashSet::new(), None::<i64>);
        let (mut statement, mut server) = (0, None);
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut self.connection);
        loop {
            let next = match results.try_next().await {
                // There is no history, and so there are no tables of ours.
                Err(error) if Fault::of(&error) == Fault::Missing => break,
                next => next.map_err(|error| failure(doing, error))?,
            };
            let read = match next {
                None => break,
                Some(Either::Left(_)) => {
                    statement += 1;
                    continue;
                }
                Some(Either::Right(row)) => match statement {
                    0 => {
                        server = Some(row);
                        Ok(())
                    }
                    1 => row.try_get("name").map(|name| names.push(name)),
                    2 => row.try_get("object").map(|object| {
                        there.insert(object);
                    }),
                    _ => row.try_get("version").map(|latest| version = latest),
                },
            };
            read.map_err(|error| failure(doing, error))?;
        }
        drop(results);
        if let Some(row) = server {
            self.check_let_in(&row).map_err(|error| failure(doing, error))??;
            self.check_server(&row)?;
        }
        let found = match (names.iter().any(|name| name == HISTORY), version) {
            (true, version) => version.map_or(Found::Nothing, Found::Version),
            (false, _) if names.is_empty() => Found::Nothing,
            (false, _) => Found::Foreign(names),
        };
        if found != Found::Version(Dialect::Postgres.known()) {
            return Ok(found);
        }
        let missing = objects::missing(Dialect::Postgres, &there);
        if !missing.is_empty() {
            return Ok(Found::Damaged(missing));
        }
        self.is_current = true;
        Ok(found)
    }

    /// Refuses a role that lacks `usage` on the schema: to it, tables that are there look as if they were not.
    fn check_let_in(&self, row: &PgRow) -> Result<Result<()>, sqlx::Error> {
        if row.try_get("may_look")? {
            return Ok(Ok(()));
        }
        let (role, schema) = (quote(&row.try_get::<String, _>("role")?, 63), &self.schema);
        let text = format!("the role {role} may not look into the schema {schema}");
        Ok(Err(Failure::new(Kind::Usage, text)
            .hint(format!("its owner has to: grant usage on schema {schema} to {role}"))))
    }

    /// Which rights the role lacks.
    pub(super) async fn missing_rights(&mut self) -> Result<MissingRights> {
        let rows: Vec<(i32, String, String)> = sqlx::query_as(MISSING_RIGHTS)
            .bind(&self.schema)
            .bind(migrate::our_names())
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| failure("looking at the schema and its rights", error))?;
        let mut missing = MissingRights::default();
        for (_, words, grant) in rows {
            missing.words.push(words);
            if !missing.grants.contains(&grant) {
                missing.grants.push(grant);
            }
        }
        Ok(missing)
    }

    /// A failure; where a right is missing, with the grant that gives it.
    pub(super) async fn refused(&mut self, doing: &str, error: sqlx::Error) -> Failure {
        let fault = Fault::of(&error);
        let failure = self.condition.failure(doing, error);
        if fault == Fault::Rights { self.naming_grants(failure).await } else { failure }
    }

    /// The same failure with the grants that the role lacks, where it lacks any.
    pub(super) async fn naming_grants(&mut self, failure: Failure) -> Failure {
        if failure.kind != Kind::Usage {
            return failure;
        }
        match self.missing_rights().await {
            Ok(missing) if !missing.grants.is_empty() => {
                failure.hint(format!("the owner has to: {}", missing.grants.join("; ")))
            }
            _ => failure,
        }
    }

    /// Makes the connection anew; a server that is starting again is waited for.
    pub(super) async fn dial_again(&self) -> Result<PgConnection> {
        let until = tokio::time::Instant::now() + RECONNECT_TIME;
        let mut tries = RECONNECT.iter();
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let dialled = tokio::time::timeout(left, dial(&self.options)).await;
            let failure = match dialled {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::new(Kind::Database, "PostgreSQL went away and does not answer any more")
                    .hint("nothing was half written; start this again when the database is well"),
            };
            let Some(wait) = tries.next().filter(|_| !left.is_zero()) else { return Err(failure) };
            tokio::time::sleep(*wait).await;
        }
    }
}

/// That the server cannot be written to.
pub(in crate::store) fn standby_failure() -> Failure {
    Failure::new(Kind::Database, "PostgreSQL is a read-only standby at the moment, which takes no changes")
        .hint("name the primary in DATABASE_URL, or start this again when the standby has been promoted")
}
