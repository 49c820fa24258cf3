//! The `PostgreSQL` side.
//!
//! Every turn counts on a slow link: one plain connection, the schema's version, whose mirror it is and all indexes in
//! one simple query, and a table's inserts, updates, deletes, tombstones and log rows in one data-modifying statement
//! that rolls itself back when it touched another number of rows than was planned. Larger changes go by `COPY` first,
//! in the same transaction.

mod copy;
mod index;
mod statement;

use self::statement::{LOG_INSERT, LOG_RECORD, Statement, key_arrays};
use super::{
    Access, Applied, LogRow, Prepared, Receipt, Store, TOMBSTONE_DAYS, WriteError, failure,
    migrate::{self, Dialect, Found, HISTORY},
    quoting::{all_columns, assignments, key_equals, quoted},
};
use crate::{
    engine::{
        Index, Plan, Table,
        row::{Value, key_texts},
    },
    error::{Failure, Kind as FailureKind, Result},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use hashbrown::HashMap;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, PgConnection, Row as _,
    postgres::PgConnectOptions,
};
use std::{str::FromStr as _, time::Duration};
use uuid::Uuid;

/// How a connection behaves.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// How long others who write are waited for.
    pub patience: Duration,
    /// More rows than these are written with `COPY`.
    pub bulk_threshold: usize,
    /// Whose connection it is.
    pub run: Option<Uuid>,
}

/// A connection to one schema.
#[derive(Debug)]
pub struct Postgres {
    connection: PgConnection,
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
        Connection { patience, bulk_threshold, run }: Connection,
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
                ("lock_timeout", format!("{}ms", patience.as_millis())),
                ("idle_in_transaction_session_timeout", "60s".to_owned()),
                ("client_connection_check_interval", "500ms".to_owned()),
                (
                    "default_transaction_read_only",
                    if access == Access::DryRun { "on" } else { "off" }.to_owned(),
                ),
            ])
            .disable_statement_logging();
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let connect = tokio::time::timeout(Duration::from_secs(15), PgConnection::connect_with(&options));
        let connection = match connect.await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                return Err(failure(&format!("connecting to PostgreSQL at {place}"), error)
                    .hint("check that it runs, and DATABASE_URL: host, port, role, password, database"));
            }
            Err(_) => {
                return Err(Failure::new(
                    FailureKind::Database,
                    format!("PostgreSQL at {place} does not answer within 15 s"),
                )
                .hint("check that it runs and that no firewall stands between"));
            }
        };
        Ok(Self { connection, schema: schema.to_owned(), access, bulk_threshold })
    }

    /// Migrates as far as this access allows and says where the schema stands then.
    pub async fn migrate(&mut self, by_command: bool) -> Result<Found> {
        let found = self.look().await?;
        if migrate::must_migrate(&found, Dialect::Postgres, self.access == Access::DryRun, by_command)?
            && self.access == Access::Write
        {
            let mut migrator = Dialect::Postgres.migrator();
            if self.schema != "public" {
                migrator.create_schema(self.schema.clone());
            }
            migrator.run_direct(None, &mut self.connection, false).await.map_err(migrate::failure)?;
            return self.look().await;
        }
        Ok(found)
    }

    /// Where the schema stands.
    pub async fn look(&mut self) -> Result<Found> {
        let doing = "looking at the schema";
        let names: Vec<String> = sqlx::query_scalar(
            "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f') and (c.relname = any($2) or c.relname = $3)
             order by 1",
        )
        .bind(&self.schema)
        .bind(migrate::our_names())
        .bind(HISTORY)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| failure(doing, error))?;
        if names.iter().any(|name| name == HISTORY) {
            let version: Option<i64> = sqlx::query_scalar("select max(version) from zerkalo_migration")
                .fetch_one(&mut self.connection)
                .await
                .map_err(|error| failure(doing, error))?;
            return Ok(version.map_or(Found::Nothing, Found::Version));
        }
        Ok(if names.is_empty() { Found::Nothing } else { Found::Foreign(names) })
    }

    /// Reads version, identity and indexes; `None` when the schema is not there or not at our version.
    async fn read(&mut self, tables: &[&'static Table], verify: bool) -> Result<Option<Prepared>> {
        let mut sql =
            format!("select max(version) from {HISTORY};\nselect upstream, identity from source_identity;\n");
        for table in tables {
            sql.push_str(&index::query(table, verify));
        }
        let mut prepared =
            Prepared { indexes: tables.iter().map(|_| Index::default()).collect(), identity: HashMap::new() };
        let mut statement = 0;
        let mut current = true;
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut self.connection);
        loop {
            let next = match results.try_next().await {
                Ok(next) => next,
                Err(error) if code(&error).as_deref() == Some("42P01") => return Ok(None),
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
                0 => row
                    .try_get::<Option<i64>, _>(0)
                    .map(|version| current = version == Some(Dialect::Postgres.known())),
                1 => row.try_get(0).and_then(|upstream| Ok((upstream, row.try_get(1)?))).map(
                    |(upstream, identity): (String, String)| {
                        prepared.identity.insert(upstream, identity);
                    },
                ),
                _ => index::add(&mut prepared.indexes[statement - 2], tables[statement - 2], &row, verify),
            };
            read.map_err(|error| failure("reading what the tables hold", error))?;
        }
        Ok(current.then_some(prepared))
    }

    /// Copies all of a plan's inserts, or its updates by way of a temporary table.
    async fn copy(&mut self, plan: &mut Plan, what: Change, now: DateTime<Utc>) -> Result<u64, WriteError> {
        let table = plan.table;
        let target = match what {
            Change::Insert => quoted(table.name),
            Change::Update => {
                let create = format!(
                    "create temporary table zerkalo_update (like {} including defaults) on commit drop",
                    quoted(table.name)
                );
                sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut self.connection).await?;
                "zerkalo_update".to_owned()
            }
        };
        let list = all_columns(table).join(", ");
        let mut copy = self.connection.copy_in_raw(&format!("copy {target} ({list}) from stdin")).await?;
        let stamp = now.to_rfc3339();
        let mut buffer = Vec::with_capacity(1 << 17);
        let mut rows = what.rows(plan)?;
        while rows.next_with(&mut |row| copy::push_row(&mut buffer, &row, &stamp))? {
            if buffer.len() >= 1 << 16 {
                copy.send(buffer.as_slice()).await?;
                buffer.clear();
            }
        }
        copy.send(buffer.as_slice()).await?;
        let copied = copy.finish().await?;
        if what == Change::Insert {
            return Ok(copied);
        }
        let sql = format!(
            "update {name} t set {set} from zerkalo_update v where {key}",
            name = quoted(table.name),
            set = assignments(table),
            key = key_equals(table, "t", |name| format!("v.{}", quoted(name))),
        );
        Ok(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await?.rows_affected())
    }

    /// Writes what is left of a plan, its tombstones and its log in one statement.
    async fn write(&mut self, plan: &mut Plan, receipt: Receipt<'_>, bulk: Bulk) -> Result<(), WriteError> {
        let table = plan.table;
        let inserts = if bulk.inserted { Vec::new() } else { arrays(plan, Change::Insert)? };
        let updates = if bulk.updated { Vec::new() } else { arrays(plan, Change::Update)? };
        let statement = Statement {
            table,
            inserts: !inserts.is_empty(),
            updates: !updates.is_empty(),
            deletes: !plan.deletes().is_empty(),
        };
        let planned = plan.totals();
        let mut query = sqlx::query(AssertSqlSafe(statement.sql()))
            .bind(serde_json::to_value(receipt.log).expect("log rows are plain data").to_string())
            .bind(receipt.now)
            .bind(receipt.run_id)
            .bind(i64::try_from(if bulk.inserted { 0 } else { planned.0 }).unwrap_or(i64::MAX))
            .bind(i64::try_from(if bulk.updated { 0 } else { planned.1 }).unwrap_or(i64::MAX))
            .bind(i64::try_from(planned.2).unwrap_or(i64::MAX))
            .bind(receipt.now - TimeDelta::days(TOMBSTONE_DAYS));
        for array in inserts.into_iter().chain(updates) {
            query = query.bind(array);
        }
        if !plan.deletes().is_empty() {
            let mut keys: Vec<Vec<String>> = table.key.iter().map(|_| Vec::new()).collect();
            for key in plan.deletes() {
                keys.iter_mut().zip(key_texts(table, key)).for_each(|(array, text)| array.push(text));
            }
            for array in keys {
                query = query.bind(array);
            }
        }
        query.execute(&mut self.connection).await?;
        Ok(())
    }

    /// Several statements in one transaction: for what `COPY` writes, and for verified updates.
    async fn write_in_steps(
        &mut self,
        plan: &mut Plan,
        receipt: Receipt<'_>,
        bulk: Bulk,
    ) -> Result<(), WriteError> {
        let (inserted, updated, _) = plan.totals();
        sqlx::raw_sql("begin").execute(&mut self.connection).await?;
        if bulk.inserted && self.copy(plan, Change::Insert, receipt.now).await? != inserted {
            return Err(WriteError::Moved);
        }
        if plan.verify {
            self.clear_hashes(plan).await?;
        }
        if bulk.updated && self.copy(plan, Change::Update, receipt.now).await? != updated {
            return Err(WriteError::Moved);
        }
        self.write(plan, receipt, bulk).await?;
        sqlx::raw_sql("commit").execute(&mut self.connection).await?;
        Ok(())
    }

    /// A verified row may hold the right hash beside wrong columns. The touch trigger takes an update that leaves the
    /// hash as it was for a hand edit, so the hash goes first.
    async fn clear_hashes(&mut self, plan: &mut Plan) -> Result<(), WriteError> {
        let table = plan.table;
        let positions = table.key_positions();
        let mut keys: Vec<Vec<String>> = table.key.iter().map(|_| Vec::new()).collect();
        let mut rows = plan.updates()?;
        while rows.next_with(&mut |row| {
            let texts = key_texts(table, &row.key(&positions));
            keys.iter_mut().zip(texts).for_each(|(array, text)| array.push(text));
        })? {}
        let mut next = 1;
        let from = key_arrays(table, &mut next);
        let sql = format!("update {} t set row_hash = null from {from}", quoted(table.name));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for array in keys {
            query = query.bind(array);
        }
        query.execute(&mut self.connection).await?;
        Ok(())
    }
}

#[async_trait]
impl Store for Postgres {
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
        let (inserted, updated, _) = plan.totals();
        let over = |rows: u64| rows > self.bulk_threshold as u64;
        let bulk = Bulk { inserted: over(inserted), updated: over(updated) };
        let in_steps = bulk.inserted || bulk.updated || (plan.verify && updated > 0);
        let outcome = if in_steps {
            self.write_in_steps(plan, receipt, bulk).await
        } else {
            self.write(plan, receipt, bulk).await
        };
        let Err(error) = outcome else { return Ok(Applied::Done) };
        if in_steps {
            // The connection may be what failed; then there is nothing left to roll back.
            if let Err(error) = sqlx::raw_sql("rollback").execute(&mut self.connection).await {
                tracing::debug!(%error, "rollback after a failure");
            }
        }
        match error {
            WriteError::Moved => Ok(Applied::Conflict),
            WriteError::Spool(failure) => Err(failure),
            WriteError::Sql(error) if matches!(code(&error).as_deref(), Some("ZK001" | "23505")) => {
                Ok(Applied::Conflict)
            }
            WriteError::Sql(error) => Err(failure(&format!("writing {}", plan.table.name), error)),
        }
    }

    async fn log(&mut self, rows: &[LogRow]) -> Result<()> {
        let text = serde_json::to_value(rows).expect("log rows are plain data").to_string();
        sqlx::query(AssertSqlSafe(format!(
            "{LOG_INSERT} from jsonb_to_recordset($1::jsonb) as x({LOG_RECORD})"
        )))
        .bind(text)
        .execute(&mut self.connection)
        .await
        .map(|_| ())
        .map_err(|error| failure("writing the log", error))
    }

    async fn log_if_missing(&mut self, row: &LogRow) -> Result<()> {
        let text = serde_json::to_value([row]).expect("log rows are plain data").to_string();
        sqlx::query(AssertSqlSafe(format!(
            "{LOG_INSERT} from jsonb_to_recordset($1::jsonb) as x({LOG_RECORD}) where not exists
             (select from iiko_sync_log l where l.run_id = x.run_id and l.entity_type = x.entity_type)"
        )))
        .bind(text)
        .execute(&mut self.connection)
        .await
        .map(|_| ())
        .map_err(|error| failure("writing the log", error))
    }

    async fn names(&mut self, table: &'static Table, column: &'static str) -> Result<HashMap<Uuid, String>> {
        let sql = format!("select {}, {} from {}", quoted(table.key[0]), quoted(column), quoted(table.name));
        let rows = match sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await {
            Ok(rows) => rows,
            Err(error) if self.access == Access::DryRun && code(&error).as_deref() == Some("42P01") => {
                Vec::new()
            }
            Err(error) => return Err(failure("reading names", error)),
        };
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get::<Option<String>, _>(1)?.unwrap_or_default())))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| failure("reading names", error))
    }

    async fn adopt(&mut self, upstream: &str, identity: &str, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "insert into source_identity (upstream, identity, adopted_at) values ($1, $2, $3)
             on conflict (upstream) do update set identity = excluded.identity, adopted_at = excluded.adopted_at",
        )
        .bind(upstream)
        .bind(identity)
        .bind(now)
        .execute(&mut self.connection)
        .await
        .map(|_| ())
        .map_err(|error| failure("storing whose mirror this is", error))
    }

    async fn end_run(&mut self, run: Uuid) -> Result<()> {
        let doing = "ending what a stopped run was doing";
        // The server notices only after a while that a client has gone, and may have committed by then.
        let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where application_name = $1 and usename = current_user and pid <> pg_backend_pid()";
        for _ in 0..100 {
            let left: i64 = sqlx::query_scalar(end)
                .bind(application(Some(run)))
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

    async fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().await.map_err(|error| failure("closing the connection", error))
    }
}

/// What the server calls a run's connections.
fn application(run: Option<Uuid>) -> String {
    run.map_or_else(|| "zerkalo".to_owned(), |run| format!("zerkalo {run}"))
}

/// Which parts of a plan went by `COPY`.
#[derive(Debug, Clone, Copy)]
struct Bulk {
    inserted: bool,
    updated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Insert,
    Update,
}

impl Change {
    fn rows(self, plan: &mut Plan) -> Result<crate::engine::plan::Rows<'_>> {
        match self {
            Self::Insert => plan.inserts(),
            Self::Update => plan.updates(),
        }
    }
}

/// A plan's rows as one text array a column, for `unnest`.
fn arrays(plan: &mut Plan, what: Change) -> Result<Vec<Vec<Option<String>>>> {
    let width = plan.table.columns.len() + 2;
    let mut arrays: Vec<Vec<Option<String>>> = Vec::new();
    let mut rows = what.rows(plan)?;
    while rows.next_with(&mut |row| {
        arrays.resize_with(width, Vec::new);
        let texts = row.values().map(Value::to_text).chain([Some(hex::encode(row.hash()))]);
        arrays.iter_mut().zip(texts).for_each(|(array, text)| array.push(text));
    })? {}
    Ok(arrays)
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}
