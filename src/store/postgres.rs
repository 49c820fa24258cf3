//! The `PostgreSQL` side.
//!
//! Every turn counts on a slow link: one plain connection, the schema's version, whose mirror it is and all indexes in
//! one simple query, and a table's inserts, updates, deletes, tombstones and log rows in one data-modifying statement
//! that rolls itself back when it touched another number of rows than was planned. Larger changes go by `COPY` first,
//! in the same transaction.

use super::{
    Access, Applied, LogRow, Prepared, Receipt, Store, TOMBSTONE_DAYS, failure,
    migrate::{self, Dialect, Found, HISTORY},
    quoting::{columns, key_equals, quoted},
};
use crate::{
    engine::{
        Index, Kind, Plan, Table, hash, record,
        row::{RowHash, Value, encode_key, key_texts, push},
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
    postgres::{PgConnectOptions, PgRow},
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
            sql.push_str(&index_query(table, verify));
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
                _ => add_row(&mut prepared.indexes[statement - 2], tables[statement - 2], &row, verify),
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
        while rows.next_with(&mut |row| push_copy_row(&mut buffer, &row, &stamp))? {
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

/// The one statement that writes a plan. Parameters: 1 log rows, 2 now, 3 run, 4–6 the planned numbers of rows, 7 the
/// age of tombstones to prune, then a text array for each inserted column, each updated column and each key column.
struct Statement {
    table: &'static Table,
    inserts: bool,
    updates: bool,
    deletes: bool,
}

impl Statement {
    fn sql(&self) -> String {
        let name = quoted(self.table.name);
        let mut next = 8;
        let mut parts = Vec::new();
        let nothing = "select 1 where false".to_owned();
        let inserted = if self.inserts {
            let (from, select) = self.unnest(&mut next);
            format!(
                "insert into {name} ({}) select {select}, $2 from {from} returning 1",
                all_columns(self.table).join(", ")
            )
        } else {
            nothing.clone()
        };
        let updated = if self.updates {
            let (from, select) = self.unnest(&mut next);
            let rows =
                format!("(select {select}, $2 from {from}) as v({})", all_columns(self.table).join(", "));
            let key = key_equals(self.table, "t", |column| format!("v.{}", quoted(column)));
            format!("update {name} t set {} from {rows} where {key} returning 1", assignments(self.table))
        } else {
            nothing.clone()
        };
        let deleted = if self.deletes {
            let from = key_arrays(self.table, &mut next);
            let keys: Vec<String> = (0..self.table.key.len()).map(|n| format!("v.k{n}")).collect();
            let (using, condition) = from.split_once(" where ").expect("made of both");
            format!(
                "delete from {name} t using {using} where {condition}
                 returning to_jsonb(array[{}]) as key, to_jsonb(t) as deleted_row",
                keys.join(", "),
            )
        } else {
            "select null::jsonb as key, null::jsonb as deleted_row where false".to_owned()
        };
        parts.push(format!("inserted as ({inserted})"));
        parts.push(format!("updated as ({updated})"));
        parts.push(format!("deleted as ({deleted})"));
        if self.deletes && self.table.tombstones {
            parts.push(format!(
                "buried as (insert into mirror_tombstone (table_name, key, \"row\", run_id, deleted_at)
                 select '{}', key, deleted_row, $3, $2 from deleted)",
                self.table.name
            ));
            parts.push("pruned as (delete from mirror_tombstone where deleted_at < $7)".to_owned());
        }
        parts.push(format!("logged as ({LOG_INSERT} from jsonb_to_recordset($1::jsonb) as x({LOG_RECORD}))"));
        format!(
            "with {}\nselect zerkalo_expect('insert', $4, (select count(*) from inserted)),
             zerkalo_expect('update', $5, (select count(*) from updated)),
             zerkalo_expect('delete', $6, (select count(*) from deleted)), $2::timestamptz, $3::uuid, $7::timestamptz",
            parts.join(",\n")
        )
    }

    /// `unnest($8::text[], …) as u(c0, …)` and the casts of its columns.
    fn unnest(&self, next: &mut usize) -> (String, String) {
        let kinds = self.table.columns.iter().map(|column| Some(column.kind)).chain([None, None]);
        let mut arrays = Vec::new();
        let mut names = Vec::new();
        let mut casts = Vec::new();
        let record = self.table.columns.len();
        for (position, kind) in kinds.enumerate() {
            arrays.push(format!("${}::text[]", *next));
            names.push(format!("c{position}"));
            casts.push(match kind {
                Some(kind) => format!("c{position}::{}", sql_type(kind)),
                None if position == record => format!("c{position}::jsonb"),
                None => format!("decode(c{position}, 'hex')"),
            });
            *next += 1;
        }
        (format!("unnest({}) as u({})", arrays.join(", "), names.join(", ")), casts.join(", "))
    }
}

/// `unnest($n::text[], …) as v(k0, …) where t.key = v.k0::type and …`
fn key_arrays(table: &Table, next: &mut usize) -> String {
    let mut arrays = Vec::new();
    let mut names = Vec::new();
    let mut equal = Vec::new();
    for (position, column) in table.key_columns().enumerate() {
        arrays.push(format!("${}::text[]", *next));
        names.push(format!("k{position}"));
        equal.push(format!("t.{} = v.k{position}::{}", quoted(column.name), sql_type(column.kind)));
        *next += 1;
    }
    format!("unnest({}) as v({}) where {}", arrays.join(", "), names.join(", "), equal.join(" and "))
}

fn assignments(table: &Table) -> String {
    all_columns(table)
        .into_iter()
        .filter(|column| !table.key.iter().any(|key| quoted(key) == *column))
        .map(|column| format!("{column} = v.{column}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The table's columns and the three that all tables have.
fn all_columns(table: &Table) -> Vec<String> {
    let mut all = columns(table);
    all.extend(["raw_json", "row_hash", "synced_at"].map(str::to_owned));
    all
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "uuid",
        Kind::Text => "text",
        Kind::Bool => "boolean",
        Kind::Int => "bigint",
        Kind::Decimal => "numeric",
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

/// One line of `COPY`'s text format.
fn push_copy_row(out: &mut Vec<u8>, row: &crate::engine::row::Row<'_>, stamp: &str) {
    for value in row.values() {
        match value {
            Value::Null => out.extend_from_slice(b"\\N"),
            Value::Text(text) | Value::Decimal(text) => push_copy_text(out, text),
            Value::Bool(value) => out.push(if value { b't' } else { b'f' }),
            Value::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Uuid(value) => {
                out.extend_from_slice(value.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            }
        }
        out.push(b'\t');
    }
    out.extend_from_slice(b"\\\\x");
    out.extend_from_slice(hex::encode(row.hash()).as_bytes());
    out.push(b'\t');
    out.extend_from_slice(stamp.as_bytes());
    out.push(b'\n');
}

fn push_copy_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (position, byte) in bytes.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'\\' => b"\\\\",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => continue,
        };
        out.extend_from_slice(&bytes[clean..position]);
        out.extend_from_slice(escaped);
        clean = position + 1;
    }
    out.extend_from_slice(&bytes[clean..]);
}

/// A table's keys and hashes; with `verify` also its columns and records.
fn index_query(table: &Table, verify: bool) -> String {
    let mut list: Vec<String> =
        if verify { columns(table) } else { table.key.iter().map(|key| quoted(key)).collect() };
    list.push("row_hash".to_owned());
    if verify {
        list.push("raw_json".to_owned());
    }
    format!(
        "select {} from {};\n",
        list.iter().map(|column| format!("{column}::text")).collect::<Vec<_>>().join(", "),
        quoted(table.name)
    )
}

fn add_row(index: &mut Index, table: &'static Table, row: &PgRow, verify: bool) -> Result<(), sqlx::Error> {
    let read: Vec<(&crate::engine::Column, usize)> = if verify {
        table.columns.iter().enumerate().map(|(position, column)| (column, position)).collect()
    } else {
        table.key_columns().enumerate().map(|(position, column)| (column, position)).collect()
    };
    let texts: Vec<Option<&str>> =
        read.iter().map(|(_, position)| row.try_get(*position)).collect::<Result<_, _>>()?;
    let values: Vec<Value<'_>> =
        read.iter().zip(&texts).map(|((column, _), text)| parse(column.kind, *text)).collect();
    let value_of = |name: &str| {
        let position = read.iter().position(|(column, _)| column.name == name).expect("keys are always read");
        values[position]
    };
    let key = encode_key(table.key.iter().map(|name| value_of(name)));
    let scope = match table.scope.map(value_of) {
        Some(Value::Text(scope)) => scope,
        _ => "",
    };
    let stored: Option<&str> = row.try_get(read.len())?;
    let mut hash = stored.and_then(|text| text.strip_prefix("\\x")).and_then(|text| {
        let mut hash = RowHash::default();
        hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
    });
    if verify && let Some(row_hash) = hash {
        let text: &str = row.try_get(read.len() + 1)?;
        let mut pushed = Vec::new();
        for ((column, _), text) in read.iter().zip(&texts) {
            push_stored(&mut pushed, column.kind, *text);
        }
        hash = record::canonical(text).ok().map(|record| hash::verified(&row_hash, &pushed, &record));
    }
    index.add_stored(key, scope, hash);
    Ok(())
}

fn parse(kind: Kind, text: Option<&str>) -> Value<'_> {
    let Some(text) = text else { return Value::Null };
    match kind {
        Kind::Uuid => Uuid::try_parse(text).map_or(Value::Null, Value::Uuid),
        Kind::Int => text.parse().map_or(Value::Null, Value::Int),
        Kind::Bool => Value::Bool(text == "true" || text == "t"),
        Kind::Text => Value::Text(text),
        Kind::Decimal => Value::Decimal(text),
    }
}

/// Pushes a stored value in the very form in which the planner pushes a fetched one.
fn push_stored(out: &mut Vec<u8>, kind: Kind, text: Option<&str>) {
    match (kind, text) {
        (Kind::Decimal, Some(text)) => {
            let normalised = crate::engine::number::normalise(text);
            push(out, normalised.as_deref().map_or(Value::Null, Value::Decimal));
        }
        _ => push(out, parse(kind, text)),
    }
}

const LOG_INSERT: &str = "insert into iiko_sync_log (run_id, entity_type, scope, status, started_at, finished_at, duration_ms,
 records_synced, inserted, updated, unchanged, deleted, rejected, delete_blocked, error_message, triggered_by, host)
 select run_id, entity_type, scope, status, started_at, finished_at, duration_ms, records_synced, inserted, updated, unchanged,
 deleted, rejected, delete_blocked, error_message, triggered_by, host";

const LOG_RECORD: &str = "run_id uuid, entity_type text, scope text, status text, started_at timestamptz, finished_at timestamptz,
 duration_ms bigint, records_synced bigint, inserted bigint, updated bigint, unchanged bigint, deleted bigint, rejected bigint,
 delete_blocked bigint, error_message text, triggered_by text, host text";

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}

/// Why a plan could not be written.
enum WriteError {
    /// The database's own error.
    Sql(sqlx::Error),
    /// The spool could not be read.
    Spool(Failure),
    /// Another number of rows than was planned.
    Moved,
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Failure> for WriteError {
    fn from(failure: Failure) -> Self {
        Self::Spool(failure)
    }
}
