//! The `PostgreSQL` side.
//!
//! Every turn counts on a slow link: one plain connection, the schema's version, whose mirror it is and all indexes in
//! one simple query, and a table's inserts, updates, deletes, tombstones and log rows in one data-modifying statement
//! that rolls itself back when it touched another number of rows than was planned. Larger changes go by `COPY` first,
//! in the same transaction.

mod copy;
mod delivery;
mod direct;
mod examine;
mod exclusion;
mod index;
mod outbox;
pub(super) mod slot;
mod statement;
mod stoplist;

use self::{
    exclusion::Exclusion,
    statement::{LOG_INSERT, LOG_RECORD, Statement, end_array, inline, key_arrays, push_element},
};
use super::{
    Access, Applied, LogRow, Prepared, Receipt, Store, TOMBSTONE_DAYS, WriteError, failure, labels,
    lock::Name,
    migrate::{self, Dialect, Found, HISTORY},
    quoting::{all_columns, assignments, key_equals, label_query, quoted},
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
    second: Option<PgConnection>,
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
            second,
            schema: schema.to_owned(),
            access,
            bulk_threshold,
        })
    }

    /// Migrates as far as this access allows and says where the schema stands then.
    pub async fn migrate(&mut self, by_command: bool) -> Result<Found> {
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
        let mut sql = format!(
            "{};\nselect max(version) from {HISTORY};\nselect upstream, identity from source_identity;\n",
            self.look_at_session()
        );
        for table in tables {
            sql.push_str(&index::query(table, verify));
        }
        let mut prepared =
            Prepared { indexes: tables.iter().map(|_| Index::default()).collect(), identity: HashMap::new() };
        let mut readers: Vec<_> = tables.iter().map(|table| index::Reader::new(table, verify)).collect();
        let mut statement = 0;
        let mut session = None;
        let mut current = true;
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
                _ => readers[statement - 3].add(&mut prepared.indexes[statement - 3], &row),
            };
            read.map_err(|error| failure("reading what the tables hold", error))?;
        }
        drop(results);
        if let Some(row) = session {
            self.check_session(&row)?;
        }
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
        let statement = self.statement(plan, receipt, bulk)?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// The statement that writes what is left of a plan.
    fn statement(&self, plan: &mut Plan, receipt: Receipt<'_>, bulk: Bulk) -> Result<String> {
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
        let backend = self.backend;
        let mut add = |arrays: Vec<String>| {
            let any = !arrays.is_empty();
            parameters.extend(arrays);
            any
        };
        let statement = Statement {
            table,
            backend,
            inserts: !bulk.inserted && add(arrays(plan, Change::Insert)?),
            updates: !bulk.updated && add(arrays(plan, Change::Update)?),
            deletes: !plan.deletes().is_empty() && add(key_texts_arrays(table, plan.deletes().iter())),
        };
        Ok(inline(&statement.sql(), &parameters))
    }

    /// Several statements in one transaction: for what `COPY` writes, for verified updates, and for a history.
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
        let history = receipt.reading.map(stoplist::follow).unwrap_or_default();
        let statement = format!("{};\n{history}commit", self.statement(plan, receipt, bulk)?);
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
    async fn exclude(&mut self, names: &[&str]) -> Result<()> {
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
        let (inserted, updated, _) = plan.totals();
        let (insert_bytes, update_bytes) = plan.spooled_bytes();
        let over = |rows: u64, bytes: u64| rows > 0 && (rows > self.bulk_threshold as u64 || bytes > ARRAYS);
        let bulk = Bulk { inserted: over(inserted, insert_bytes), updated: over(updated, update_bytes) };
        let in_steps =
            bulk.inserted || bulk.updated || (plan.verify && updated > 0) || receipt.reading.is_some();
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

    async fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().await.map_err(|error| failure("closing the connection", error))
    }
}

/// What the server calls a run's connections.
fn application(run: Option<Uuid>) -> String {
    run.map_or_else(|| "zerkalo".to_owned(), |run| format!("zerkalo {run}"))
}

/// Settings that not every server takes: none of them is needed for a right result. A client that is gone is noticed
/// sooner, a link that is dead as well, and no statement runs for ever.
const SESSION: &str = "do $$ begin
 perform set_config('statement_timeout', '15min', false);
 perform set_config('client_connection_check_interval', '500ms', false);
 perform set_config('tcp_keepalives_idle', '30', false);
exception when others then null; end $$";

/// The waits before each further try to reach a server that was lost in mid-run: it may be restarting.
const RECONNECT: [Duration; 4] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

async fn dial(options: &PgConnectOptions) -> Result<PgConnection> {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    match tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) if error.to_string().contains("unsupported startup parameter") => {
            Err(direct::pooled("it does not take this connection's settings"))
        }
        Ok(Err(error)) => Err(failure(&format!("connecting to PostgreSQL at {place}"), error)
            .hint("check that it runs, and DATABASE_URL: host, port, role, password, database")),
        Err(_) => Err(Failure::new(
            FailureKind::Database,
            format!("PostgreSQL at {place} does not answer within {} s", CONNECT.as_secs()),
        )
        .hint("check that it runs, and DATABASE_URL: host and port")),
    }
}

/// Rows of more than this many bytes go by `COPY`, however few they are: they are streamed, not held.
const ARRAYS: u64 = 4 << 20;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(15);

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
