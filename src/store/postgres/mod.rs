//! The `PostgreSQL` side.
//!
//! Every turn counts on a slow link: one plain connection, the schema's version, whose mirror it is and all indexes in
//! one simple query, and a table's inserts, updates, deletes, tombstones and log rows in one data-modifying statement
//! that rolls itself back when it touched another number of rows than was planned. Larger changes go by `COPY` first,
//! in the same transaction.

mod copy;
mod index;
mod statement;

use self::statement::{LOG_INSERT, LOG_RECORD, Statement, end_array, inline, key_arrays, push_element};
use super::{
    Access, Applied, LogRow, Prepared, Receipt, Store, TOMBSTONE_DAYS, WriteError, failure,
    migrate::{self, Dialect, Found, HISTORY},
    quoting::{all_columns, assignments, key_equals, quoted},
};
use crate::{
    engine::{
        Index, Plan, Table,
        row::{Key, Value, key_texts},
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
use std::str::FromStr as _;
use uuid::Uuid;

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
        bulk_threshold: usize,
    ) -> Result<Self> {
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| {
                Failure::new(FailureKind::Usage, "DATABASE_URL is not a valid PostgreSQL address")
                    .hint("it looks like postgres://user@host:5432/database")
            })?
            .application_name("zerkalo")
            .options([
                ("search_path", quoted(schema)),
                ("timezone", "UTC".to_owned()),
                ("standard_conforming_strings", "on".to_owned()),
                ("lock_timeout", "30s".to_owned()),
                ("idle_in_transaction_session_timeout", "60s".to_owned()),
                ("client_connection_check_interval", "500ms".to_owned()),
                (
                    "default_transaction_read_only",
                    if access == Access::DryRun { "on" } else { "off" }.to_owned(),
                ),
            ])
            .disable_statement_logging();
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let connect =
            tokio::time::timeout(std::time::Duration::from_secs(15), PgConnection::connect_with(&options));
        let connection = match connect.await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                return Err(Failure::new(
                    FailureKind::Database,
                    format!("cannot connect to PostgreSQL at {place}"),
                )
                .hint("check that it runs, and DATABASE_URL: host, port, role, password, database")
                .source(error));
            }
            Err(_) => {
                return Err(Failure::new(
                    FailureKind::Database,
                    format!("PostgreSQL at {place} does not answer within 15 s"),
                ));
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
        let mut readers: Vec<_> = tables.iter().map(|table| index::Reader::new(table, verify)).collect();
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
                _ => readers[statement - 2].add(&mut prepared.indexes[statement - 2], &row),
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
        let sql = format!("copy {target} ({list}) from stdin (format binary)");
        let mut copy = self.connection.copy_in_raw(&sql).await?;
        let stamp = now.timestamp_micros() - copy::EPOCH;
        let mut buffer = Vec::with_capacity(1 << 17);
        buffer.extend_from_slice(copy::HEADER);
        let mut rows = what.rows(plan)?;
        while rows.next_with(&mut |row| copy::push_row(&mut buffer, table, &row, stamp))? {
            if buffer.len() >= 1 << 16 {
                copy.send(buffer.as_slice()).await?;
                buffer.clear();
            }
        }
        buffer.extend_from_slice(&copy::TRAILER);
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
        let statement = Self::statement(plan, receipt, bulk)?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// The statement that writes what is left of a plan.
    fn statement(plan: &mut Plan, receipt: Receipt<'_>, bulk: Bulk) -> Result<String> {
        let table = plan.table;
        let planned = plan.totals();
        let mut parameters = vec![
            log_text(receipt.log),
            receipt.now.to_rfc3339(),
            receipt.run_id.to_string(),
            if bulk.inserted { 0 } else { planned.0 }.to_string(),
            if bulk.updated { 0 } else { planned.1 }.to_string(),
            planned.2.to_string(),
            (receipt.now - TimeDelta::days(TOMBSTONE_DAYS)).to_rfc3339(),
        ];
        let mut add = |arrays: Vec<String>| {
            let any = !arrays.is_empty();
            parameters.extend(arrays);
            any
        };
        let statement = Statement {
            table,
            inserts: !bulk.inserted && add(arrays(plan, Change::Insert)?),
            updates: !bulk.updated && add(arrays(plan, Change::Update)?),
            deletes: !plan.deletes().is_empty() && add(key_texts_arrays(table, plan.deletes().iter())),
        };
        Ok(inline(&statement.sql(), &parameters))
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
        // In one turn; when the statement fails, the server does not get as far as the commit.
        let statement = format!("{};\ncommit", Self::statement(plan, receipt, bulk)?);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Writes log rows, those that fulfil a condition.
    async fn write_log(&mut self, rows: &[LogRow], condition: &str) -> Result<()> {
        let sql = format!("{LOG_INSERT} from jsonb_to_recordset($1::jsonb) as x({LOG_RECORD}) {condition}");
        let sql = inline(&sql, &[log_text(rows)]);
        let outcome = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        outcome.map(|_| ()).map_err(|error| failure("writing the log", error))
    }

    /// A verified row may hold the right hash beside wrong columns. The touch trigger takes an update that leaves the
    /// hash as it was for a hand edit, so the hash goes first.
    async fn clear_hashes(&mut self, plan: &mut Plan) -> Result<(), WriteError> {
        let table = plan.table;
        let positions = table.key_positions();
        let mut keys = Vec::new();
        let mut rows = plan.updates()?;
        while rows.next_with(&mut |row| keys.push(row.key(&positions)))? {}
        let from = key_arrays(table, &mut 1);
        let sql = format!("update {} t set row_hash = null from {from}", quoted(table.name));
        let sql = inline(&sql, &key_texts_arrays(table, keys.iter()));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await?;
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
        self.write_log(rows, "").await
    }

    async fn log_if_missing(&mut self, row: &LogRow) -> Result<()> {
        let condition = "where not exists (select from iiko_sync_log l
             where l.run_id = x.run_id and l.entity_type = x.entity_type)";
        self.write_log(std::slice::from_ref(row), condition).await
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
        let sql = "insert into source_identity (upstream, identity, adopted_at) values ($1, $2, $3::timestamptz)
             on conflict (upstream) do update set identity = excluded.identity, adopted_at = excluded.adopted_at";
        let parameters = [upstream.to_owned(), identity.to_owned(), now.to_rfc3339()];
        sqlx::raw_sql(AssertSqlSafe(inline(sql, &parameters)))
            .execute(&mut self.connection)
            .await
            .map(|_| ())
            .map_err(|error| failure("storing whose mirror this is", error))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().await.map_err(|error| failure("closing the connection", error))
    }
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

/// A plan's rows as the text of one array a column, for `unnest`; nothing when there are none.
fn arrays(plan: &mut Plan, what: Change) -> Result<Vec<String>> {
    let width = plan.table.columns.len() + 2;
    let mut arrays: Vec<String> = Vec::new();
    let mut rows = what.rows(plan)?;
    while rows.next_with(&mut |row| {
        arrays.resize_with(width, String::new);
        let texts = row.values().map(Value::to_text).chain([Some(hex::encode(row.hash()).into())]);
        arrays.iter_mut().zip(texts).for_each(|(array, text)| push_element(array, text.as_deref()));
    })? {}
    arrays.iter_mut().for_each(end_array);
    Ok(arrays)
}

/// Keys as the text of one array a key column.
fn key_texts_arrays<'a>(table: &Table, keys: impl Iterator<Item = &'a Key>) -> Vec<String> {
    let mut arrays = vec![String::new(); table.key.len()];
    for key in keys {
        arrays
            .iter_mut()
            .zip(key_texts(table, key))
            .for_each(|(array, text)| push_element(array, Some(&text)));
    }
    arrays.iter_mut().for_each(end_array);
    arrays
}

fn log_text(rows: &[LogRow]) -> String {
    serde_json::to_string(rows).expect("log rows are plain data")
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}
