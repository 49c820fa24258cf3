//! The `PostgreSQL` side.
//!
//! Every turn counts on a slow link: one plain connection, the schema's version, whose mirror it is and all indexes in
//! one simple query, and a table's inserts, updates, deletes, tombstones and log rows in one data-modifying statement
//! that rolls itself back when it touched another number of rows than was planned. Larger changes go by `COPY` first,
//! in the same transaction.

mod copy;
mod direct;
mod examine;
mod exclusion;
mod index;
mod operator;
mod outbox;
pub(super) mod slot;
mod statement;
mod stoplist;
mod write;

pub(super) use self::statement::stamp;
use self::{
    direct::{RECONNECT, Second, application, dial},
    exclusion::Exclusion,
    statement::{end_array, inline, key_arrays, push_element},
    write::key_texts_arrays,
};
use super::{
    Access, Applied, LogRow, Prepared, Receipt, Store, WriteError, failure, hold, labels,
    lock::Name,
    migrate::{self, Dialect, Found, HISTORY},
    quoting::{label_query, quoted},
};
use crate::{
    engine::{Index, Plan, Table, row::Key},
    error::{Failure, Kind as FailureKind, Result, quote},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use hashbrown::HashMap;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, PgConnection, Row as _,
    postgres::PgConnectOptions,
};
use std::{
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

/// How a connection behaves.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How long others who write are waited for.
    pub patience: Duration,
    /// More rows than these are written with `COPY`.
    pub bulk_threshold: usize,
    /// Whose connection it is.
    pub run: Option<Uuid>,
    /// Whether this run has looked already whether its connections are direct.
    pub is_direct: Arc<AtomicBool>,
}

/// A connection to one schema.
#[derive(Debug)]
pub struct Postgres {
    connection: PgConnection,
    options: PgConnectOptions,
    /// The server process behind the connection, once known.
    backend: Option<i32>,
    /// What nobody else may work on while the connection lasts.
    excluded: Vec<Exclusion>,
    /// Tells this connection from others.
    id: Uuid,
    /// A second connection, until it is known that the first one is direct.
    second: Option<Second>,
    /// Whether the schema was seen to be at our version.
    is_current: bool,
    schema: String,
    access: Access,
    bulk_threshold: usize,
}

impl Postgres {
    /// Connects. Fails in one sentence that holds no password.
    pub async fn connect(
        url: &SecretString,
        schema: &str,
        access: Access,
        Connection { patience, bulk_threshold, run, is_direct }: Connection,
    ) -> Result<Self> {
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| {
                Failure::new(FailureKind::Usage, "DATABASE_URL is not a valid PostgreSQL address")
                    .hint("it looks like postgres://user@host:5432/database")
            })?
            .application_name(&application(run))
            .options([
                ("search_path", quoted(schema)),
                ("timezone", "UTC".to_owned()),
                ("standard_conforming_strings", "on".to_owned()),
                ("lock_timeout", format!("{}ms", patience.as_millis())),
                ("idle_in_transaction_session_timeout", "60s".to_owned()),
                // The outbox counts on it: what is committed is on disk before the next request is sent.
                ("synchronous_commit", "on".to_owned()),
                (
                    "default_transaction_read_only",
                    if access == Access::DryRun { "on" } else { "off" }.to_owned(),
                ),
            ])
            .disable_statement_logging();
        let look = access == Access::Write && !is_direct.swap(true, Ordering::Relaxed);
        let second = async { if look { direct::second(&options).await } else { None } };
        let (connection, second) = tokio::join!(dial(&options), second);
        Ok(Self {
            connection: connection?,
            options,
            backend: None,
            excluded: Vec::new(),
            id: Uuid::now_v7(),
            second: second.map(Second::Open),
            is_current: false,
            schema: schema.to_owned(),
            access,
            bulk_threshold,
        })
    }

    /// Migrates as far as this access allows and says where the schema stands then.
    pub async fn migrate(&mut self, by_command: bool) -> Result<Found> {
        self.check_direct().await?;
        let found = self.look().await?;
        if migrate::must_migrate(&found, Dialect::Postgres, self.access == Access::DryRun, by_command)?
            && self.access == Access::Write
        {
            let mut migrator = Dialect::Postgres.migrator();
            // Creating needs a right on the database, also where the schema exists.
            if !self.has_schema().await? {
                migrator.create_schema(self.schema.clone());
            }
            migrator.run_direct(None, &mut self.connection, false).await.map_err(migrate::failure)?;
            return self.look().await;
        }
        Ok(found)
    }

    async fn has_schema(&mut self) -> Result<bool> {
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
        let sql = "select current_user::text, has_schema_privilege(oid, 'usage') from pg_namespace where nspname = $1;
             select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f')
                 and (c.relname = any($2::text[]) or c.relname = $3) order by 1";
        let mut ours = String::new();
        for name in migrate::our_names() {
            push_element(&mut ours, Some(name));
        }
        end_array(&mut ours);
        let sql = inline(sql, &[self.schema.clone(), ours, HISTORY.to_owned()]);
        let sql = format!("{sql};\nselect max(version) from {HISTORY}");
        let (mut names, mut version) = (Vec::<String>::new(), None::<i64>);
        let (mut statement, mut stranger) = (0, None);
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut self.connection);
        loop {
            let next = match results.try_next().await {
                // There is no history, and so there are no tables of ours.
                Err(error) if code(&error).as_deref() == Some("42P01") => break,
                next => next.map_err(|error| failure(doing, error))?,
            };
            let read = match next {
                None => break,
                Some(Either::Left(_)) => {
                    statement += 1;
                    continue;
                }
                Some(Either::Right(row)) => match statement {
                    0 => row.try_get(1).and_then(|may: bool| {
                        stranger = if may { None } else { Some(row.try_get::<String, _>(0)?) };
                        Ok(())
                    }),
                    1 => row.try_get(0).map(|name| names.push(name)),
                    _ => row.try_get(0).map(|latest| version = latest),
                },
            };
            read.map_err(|error| failure(doing, error))?;
        }
        drop(results);
        if let Some(role) = stranger {
            return Err(not_let_in(&role, &self.schema));
        }
        let found = match (names.iter().any(|name| name == HISTORY), version) {
            (true, version) => version.map_or(Found::Nothing, Found::Version),
            (false, _) if names.is_empty() => Found::Nothing,
            (false, _) => Found::Foreign(names),
        };
        self.is_current = found == Found::Version(Dialect::Postgres.known());
        Ok(found)
    }

    /// Reads version, identity and indexes; `None` when the schema is not there or not at our version.
    async fn read(&mut self, tables: &[&'static Table], verify: bool) -> Result<Option<Prepared>> {
        self.check_direct().await?;
        let mut sql = format!(
            "{};\nselect max(version) from {HISTORY};\nselect upstream, identity from source_identity;\n",
            self.look_at_session()
        );
        sql.push_str(&hold::query(&stamp("since")));
        for table in tables {
            sql.push_str(&index::query(table, verify));
        }
        let mut prepared =
            Prepared { indexes: tables.iter().map(|_| Index::default()).collect(), identity: HashMap::new() };
        let mut readers: Vec<_> = tables.iter().map(|table| index::Reader::new(table, verify)).collect();
        let mut statement = 0;
        let mut session = None;
        let mut current = true;
        let mut holds = Vec::new();
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut self.connection);
        loop {
            let next = match results.try_next().await {
                Ok(next) => next,
                Err(error) if code(&error).as_deref() == Some("42P01") => {
                    // Where our settings did not arrive it is another schema that was looked into.
                    drop(results);
                    return session.map_or(Ok(()), |row| self.check_session(&row)).map(|()| None);
                }
                Err(error) => return Err(failure("reading what the tables hold", error)),
            };
            let Some(next) = next else { break };
            let row = match next {
                Either::Left(_) => {
                    statement += 1;
                    continue;
                }
                Either::Right(row) => row,
            };
            let read = match statement {
                0 => {
                    session = Some(row);
                    Ok(())
                }
                1 => row
                    .try_get::<Option<i64>, _>(0)
                    .map(|version| current = version == Some(Dialect::Postgres.known())),
                2 => row.try_get(0).and_then(|upstream| Ok((upstream, row.try_get(1)?))).map(
                    |(upstream, identity): (String, String)| {
                        prepared.identity.insert(upstream, identity);
                    },
                ),
                3 => hold::read(&row).map(|hold| holds.push(hold)),
                _ => readers[statement - 4].add(&mut prepared.indexes[statement - 4], &row),
            };
            read.map_err(|error| failure("reading what the tables hold", error))?;
        }
        drop(results);
        if let Some(row) = session {
            self.check_session(&row)?;
        }
        hold::put(tables, &mut prepared.indexes, holds);
        self.is_current = current;
        Ok(current.then_some(prepared))
    }

    /// Ends server processes of ours whose client is gone, and waits until they are. The server notices only after a
    /// while that a client has gone, and may commit by then.
    async fn end_backends(&mut self, which: &'static str, application: String, pid: i32) -> Result<()> {
        let doing = "ending what a stopped run was doing";
        let sql = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where application_name = $1 and usename = current_user and pid <> pg_backend_pid() and {which}"
        );
        for _ in 0..100 {
            let left: i64 = sqlx::query_scalar(AssertSqlSafe(sql.as_str()))
                .bind(&application)
                .bind(pid)
                .fetch_one(&mut self.connection)
                .await
                .map_err(|error| failure(doing, error))?;
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Failure::new(FailureKind::Database, format!("the database failed while {doing}: it goes on")))
    }
}

#[async_trait]
impl Store for Postgres {
    async fn try_exclude(&mut self, names: &[&str]) -> Result<()> {
        let added: Vec<Exclusion> = names.iter().map(|name| Exclusion::of(&self.schema, name)).collect();
        for exclusion in added {
            if !self.excluded.contains(&exclusion) {
                self.excluded.push(exclusion);
            }
        }
        self.lock().await
    }

    fn exclude_session(&mut self, session: &Name) {
        self.excluded.push(Exclusion::session(session));
    }

    async fn reconnect(&mut self) -> Result<bool> {
        if self.connection.ping().await.is_ok() {
            return Ok(false);
        }
        let mut tries = RECONNECT.iter();
        self.connection = loop {
            match (dial(&self.options).await, tries.next()) {
                (Ok(connection), _) => break connection,
                (Err(failure), None) => return Err(failure),
                (Err(_), Some(wait)) => tokio::time::sleep(*wait).await,
            }
        };
        if let Some(lost) = self.backend.take() {
            self.end_backends(
                "pid = $2",
                self.options.get_application_name().unwrap_or_default().to_owned(),
                lost,
            )
            .await?;
        }
        self.lock().await?;
        Ok(true)
    }

    async fn is_logged(&mut self, run: Uuid, entity: &str) -> Result<bool> {
        sqlx::query_scalar("select exists (select from iiko_sync_log where run_id = $1 and entity_type = $2)")
            .bind(run)
            .bind(entity)
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| failure("reading the log", error))
    }

    async fn prepare(&mut self, tables: &[&'static Table], verify: bool) -> Result<Prepared> {
        if let Some(prepared) = self.read(tables, verify).await? {
            return Ok(prepared);
        }
        if self.migrate(false).await? == Found::Nothing {
            let indexes = tables.iter().map(|_| Index::default()).collect();
            return Ok(Prepared { indexes, identity: HashMap::new() });
        }
        self.read(tables, verify).await?.ok_or_else(|| {
            Failure::new(FailureKind::Database, "the schema is not at our version after migrating it")
                .hint("`zerkalo migrate` shows where it stands")
        })
    }

    async fn apply(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<Applied> {
        let Err(error) = self.write_plan(plan, receipt).await else { return Ok(Applied::Done) };
        match error {
            WriteError::Moved => Ok(Applied::Conflict),
            WriteError::Spool(failure) => Err(failure),
            WriteError::Sql(error) if matches!(code(&error).as_deref(), Some("ZK001" | "23505")) => {
                Ok(Applied::Conflict)
            }
            WriteError::Sql(error) => Err(failure(&format!("writing {}", plan.table.name), error)),
        }
    }

    async fn insert_log(&mut self, rows: &[LogRow]) -> Result<()> {
        self.write_log(rows, "").await
    }

    async fn log_if_missing(&mut self, row: &LogRow) -> Result<()> {
        let condition = "where not exists (select from iiko_sync_log l
             where l.run_id = x.run_id and l.entity_type = x.entity_type)";
        self.write_log(std::slice::from_ref(row), condition).await
    }

    async fn select(
        &mut self,
        table: &'static Table,
        columns: &[&'static str],
    ) -> Result<Vec<Vec<Option<String>>>> {
        let doing = format!("reading {}", table.name);
        let texts: Vec<String> = columns.iter().map(|column| format!("{}::text", quoted(column))).collect();
        let sql = format!("select {} from {}", texts.join(", "), quoted(table.name));
        let rows = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await {
            Ok(rows) => rows,
            Err(error) if self.access == Access::DryRun && code(&error).as_deref() == Some("42P01") => {
                Vec::new()
            }
            Err(error) => return Err(failure(&doing, error)),
        };
        rows.iter()
            .map(|row| (0..columns.len()).map(|place| row.try_get(place)).collect())
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| failure(&doing, error))
    }

    async fn describe(&mut self, table: &'static Table, keys: &[Key]) -> Result<Vec<String>> {
        let sql = format!("{}, {}", label_query(table, "t"), key_arrays(table, &mut 1));
        let sql = inline(&sql, &key_texts_arrays(table, keys.iter()));
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|error| failure("naming rows", error))?;
        let names = rows.iter().map(|row| {
            let texts =
                (0..table.key.len()).map(|position| row.try_get(position)).collect::<Result<Vec<_>, _>>()?;
            Ok((texts, row.try_get(table.key.len())?))
        });
        let names =
            names.collect::<Result<_, sqlx::Error>>().map_err(|error| failure("naming rows", error))?;
        Ok(labels(table, keys, &names))
    }

    async fn adopt(&mut self, upstream: &str, identity: &str, now: DateTime<Utc>) -> Result<()> {
        let sql = "insert into source_identity (upstream, identity, adopted_at) values ($1, $2, $3::timestamptz)
             on conflict (upstream) do update set identity = excluded.identity, adopted_at = excluded.adopted_at";
        let parameters = [upstream.to_owned(), identity.to_owned(), now.to_rfc3339()];
        sqlx::raw_sql(AssertSqlSafe(inline(sql, &parameters)))
            .execute(&mut self.connection)
            .await
            .map(|_| ())
            .map_err(|error| failure("storing whose mirror this is", error))
    }

    async fn end_run(&mut self, run: Uuid) -> Result<()> {
        self.end_backends("$2 = 0", application(Some(run)), 0).await
    }

    async fn is_there(&mut self) -> Result<bool> {
        Ok(self.look().await? != Found::Nothing)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().await.map_err(|error| failure("closing the connection", error))
    }
}

/// That a role lacks `usage` on the schema: to it, tables that are there look as if they were not.
fn not_let_in(role: &str, schema: &str) -> Failure {
    Failure::new(
        FailureKind::Usage,
        format!("the role {} may not look into the schema {schema}", quote(role, 63)),
    )
    .hint(format!("its owner has to: grant usage on schema {schema} to {}", quote(role, 63)))
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}
