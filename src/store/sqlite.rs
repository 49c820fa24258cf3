//! The `SQLite` side: one file, one writer, full synchronisation.
//!
//! The index is read in a transaction of its own; a plan is applied in `begin immediate`, so nobody writes between
//! counting and committing. Tables are strict; decimals are bound by value, because numeric affinity would turn more
//! than 15 digits into a float.

use super::{
    Access, Applied, LogRow, Prepared, Receipt, Store, TOMBSTONE_DAYS, failure,
    migrate::{self, Dialect, Found, HISTORY},
    quoting::{columns, key_equals, quoted},
};
use crate::{
    engine::{
        Index, Kind, Plan, Table, hash, number, record,
        row::{Key, Row, RowHash, Value, encode_key, key_texts, push},
    },
    error::{Failure, Kind as FailureKind, Result},
};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use hashbrown::HashMap;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder, Row as _, Sqlite as Driver,
    SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};
use std::{os::unix::fs::DirBuilderExt as _, path::Path, time::Duration};
use uuid::Uuid;

/// Rows of one insert or update statement. Wider than 60 columns there would be too many bound values.
const BATCH: usize = 500;

/// How long another writer is waited for.
const BUSY: Duration = Duration::from_secs(30);

/// A connection to one file; none in a dry run on a file that does not exist.
#[derive(Debug)]
pub struct Sqlite {
    connection: Option<SqliteConnection>,
    access: Access,
}

impl Sqlite {
    /// Opens the file, creating it and its folder on first use.
    pub async fn connect(path: &Path, access: Access) -> Result<Self> {
        if access == Access::DryRun && !path.exists() {
            return Ok(Self { connection: None, access });
        }
        if let Some(folder) =
            path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
                Failure::new(FailureKind::Database, format!("cannot create the folder {}", folder.display()))
                    .hint("set DATABASE_URL to a place that this user may write to")
                    .source(error)
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(access == Access::Write)
            .read_only(access == Access::DryRun)
            .busy_timeout(BUSY)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let options = match access {
            Access::Write => options.journal_mode(SqliteJournalMode::Wal),
            Access::DryRun => options,
        };
        let connection = SqliteConnection::connect_with(&options).await.map_err(|error| {
            failure(&format!("opening {}", path.display()), error).hint(
                "check that the path is a SQLite file and that this user may write to it and its folder",
            )
        })?;
        Ok(Self { connection: Some(connection), access })
    }

    /// Migrates as far as this access allows and says where the schema stands then.
    pub async fn migrate(&mut self, by_command: bool) -> Result<Found> {
        let found = self.look().await?;
        let must = migrate::must_migrate(&found, Dialect::Sqlite, self.access == Access::DryRun, by_command)?;
        if let Some(connection) = self.connection.as_mut().filter(|_| must) {
            Dialect::Sqlite.migrator().run_direct(None, connection, false).await.map_err(migrate::failure)?;
            return self.look().await;
        }
        Ok(found)
    }

    /// Where the schema stands.
    pub async fn look(&mut self) -> Result<Found> {
        let doing = "looking at the schema";
        let Some(connection) = self.connection.as_mut() else { return Ok(Found::Nothing) };
        let names: Vec<String> =
            sqlx::query_scalar("select name from sqlite_master where type in ('table', 'view')")
                .fetch_all(&mut *connection)
                .await
                .map_err(|error| failure(doing, error))?;
        if names.iter().any(|name| name == HISTORY) {
            let version: Option<i64> = sqlx::query_scalar("select max(version) from zerkalo_migration")
                .fetch_one(connection)
                .await
                .map_err(|error| failure(doing, error))?;
            return Ok(version.map_or(Found::Nothing, Found::Version));
        }
        let ours = migrate::our_names();
        let foreign: Vec<String> = names.into_iter().filter(|name| ours.contains(&name.as_str())).collect();
        Ok(if foreign.is_empty() { Found::Nothing } else { Found::Foreign(foreign) })
    }

    async fn write(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<Applied, WriteError> {
        let connection = self.connection.as_mut().expect("only a dry run has no connection");
        let mut transaction = connection.begin_with("begin immediate").await?;
        let table = plan.table;
        let (inserted, updated, deleted) = plan.totals();
        let positions = table.key_positions();
        let verify = plan.verify;
        let done = Done {
            deleted: delete(&mut transaction, plan, receipt).await?,
            inserted: {
                let mut batch = Batch::new(table);
                let mut rows = plan.inserts()?;
                let mut written = 0;
                while rows.next_with(&mut |row| batch.push(&row))? {
                    if batch.is_full() {
                        written += batch.insert(&mut transaction, receipt.now).await?;
                    }
                }
                written + batch.insert(&mut transaction, receipt.now).await?
            },
            updated: {
                let mut batch = Batch::new(table);
                let mut rows = plan.updates()?;
                let mut written = 0;
                while rows.next_with(&mut |row| batch.push(&row))? {
                    if batch.is_full() {
                        written += batch.update(&mut transaction, receipt.now, verify, &positions).await?;
                    }
                }
                written + batch.update(&mut transaction, receipt.now, verify, &positions).await?
            },
        };
        if done != (Done { inserted, updated, deleted }) {
            transaction.rollback().await?;
            return Ok(Applied::Conflict);
        }
        for row in receipt.log {
            log_query(row, false).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(Applied::Done)
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a dry run writes nothing")
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn prepare(&mut self, tables: &[&'static Table], verify: bool) -> Result<Prepared> {
        let found = self.migrate(false).await?;
        let mut prepared =
            Prepared { indexes: tables.iter().map(|_| Index::default()).collect(), identity: HashMap::new() };
        let Some(connection) = self.connection.as_mut().filter(|_| found != Found::Nothing) else {
            return Ok(prepared);
        };
        let doing = "reading what the tables hold";
        let mut transaction = connection.begin().await.map_err(|error| failure(doing, error))?;
        let identity: Vec<(String, String)> =
            sqlx::query_as("select upstream, identity from source_identity")
                .fetch_all(&mut *transaction)
                .await
                .map_err(|error| failure(doing, error))?;
        prepared.identity.extend(identity);
        for (table, index) in tables.iter().zip(&mut prepared.indexes) {
            read_index(&mut transaction, table, verify, index)
                .await
                .map_err(|error| failure(doing, error))?;
        }
        transaction.rollback().await.map_err(|error| failure(doing, error))?;
        Ok(prepared)
    }

    async fn apply(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<Applied> {
        match self.write(plan, receipt).await {
            Ok(applied) => Ok(applied),
            Err(WriteError::Spool(failure)) => Err(failure),
            Err(WriteError::Sql(error)) => match error.as_database_error() {
                Some(database) if database.is_unique_violation() => Ok(Applied::Conflict),
                _ => Err(failure(&format!("writing {}", plan.table.name), error)),
            },
        }
    }

    async fn log(&mut self, rows: &[LogRow]) -> Result<()> {
        let doing = "writing the log";
        let mut transaction =
            self.connection().begin_with("begin immediate").await.map_err(|error| failure(doing, error))?;
        for row in rows {
            log_query(row, false).execute(&mut *transaction).await.map_err(|error| failure(doing, error))?;
        }
        transaction.commit().await.map_err(|error| failure(doing, error))
    }

    async fn log_if_missing(&mut self, row: &LogRow) -> Result<()> {
        log_query(row, true)
            .execute(self.connection())
            .await
            .map(|_| ())
            .map_err(|error| failure("writing the log", error))
    }

    async fn names(&mut self, table: &'static Table, column: &'static str) -> Result<HashMap<Uuid, String>> {
        if self.look().await? == Found::Nothing {
            return Ok(HashMap::new());
        }
        let connection = self.connection();
        let sql = format!("select {}, {} from {}", quoted(table.key[0]), quoted(column), quoted(table.name));
        let rows: Vec<(String, Option<String>)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(connection)
            .await
            .map_err(|error| failure("reading names", error))?;
        Ok(rows
            .into_iter()
            .filter_map(|(id, name)| Some((Uuid::try_parse(&id).ok()?, name.unwrap_or_default())))
            .collect())
    }

    async fn adopt(&mut self, upstream: &str, identity: &str, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "insert into source_identity (upstream, identity, adopted_at) values (?, ?, ?)
             on conflict (upstream) do update set identity = excluded.identity, adopted_at = excluded.adopted_at",
        )
        .bind(upstream)
        .bind(identity)
        .bind(stamp(now))
        .execute(self.connection())
        .await
        .map(|_| ())
        .map_err(|error| failure("storing whose mirror this is", error))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        match self.connection {
            Some(connection) => connection.close().await.map_err(|error| failure("closing the file", error)),
            None => Ok(()),
        }
    }
}

/// What was really written.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    inserted: u64,
    updated: u64,
    deleted: u64,
}

/// Rows that are written by one statement.
struct Batch {
    table: &'static Table,
    rows: Vec<Vec<Bound>>,
    keys: Vec<Key>,
    positions: Vec<usize>,
}

/// A value as it is bound.
#[derive(Debug, Clone)]
enum Bound {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Batch {
    fn new(table: &'static Table) -> Self {
        Self { table, rows: Vec::with_capacity(BATCH), keys: Vec::new(), positions: table.key_positions() }
    }

    fn push(&mut self, row: &Row<'_>) {
        let mut bound: Vec<Bound> = row.values().map(Bound::of).collect();
        bound.push(Bound::Blob(row.hash().to_vec()));
        self.keys.push(row.key(&self.positions));
        self.rows.push(bound);
    }

    fn is_full(&self) -> bool {
        self.rows.len() == BATCH
    }

    async fn insert(
        &mut self,
        connection: &mut SqliteConnection,
        now: DateTime<Utc>,
    ) -> Result<u64, WriteError> {
        if self.rows.is_empty() {
            return Ok(0);
        }
        let list = all_columns(self.table).join(", ");
        let mut query =
            QueryBuilder::<Driver>::new(format!("insert into {} ({list}) ", quoted(self.table.name)));
        let stamp = stamp(now);
        query.push_values(self.rows.drain(..), |mut values, row| {
            for bound in row {
                bound.push_bind(&mut values);
            }
            values.push_bind(stamp.clone());
        });
        self.keys.clear();
        Ok(query.build().execute(connection).await?.rows_affected())
    }

    /// Updates, as one statement. With `verify` the hash is cleared first: the row may hold the right hash beside
    /// wrong columns, and the touch trigger takes an update that leaves the hash as it was for a hand edit.
    async fn update(
        &mut self,
        connection: &mut SqliteConnection,
        now: DateTime<Utc>,
        verify: bool,
        positions: &[usize],
    ) -> Result<u64, WriteError> {
        if self.rows.is_empty() {
            return Ok(0);
        }
        debug_assert_eq!(positions, self.positions);
        let name = quoted(self.table.name);
        if verify {
            let mut query = QueryBuilder::<Driver>::new(format!("update {name} set row_hash = null where "));
            push_keys(&mut query, self.table, &self.keys);
            query.build().execute(&mut *connection).await?;
        }
        let all = all_columns(self.table);
        let set: Vec<String> = all
            .iter()
            .filter(|column| !self.table.key.iter().any(|key| quoted(key) == **column))
            .map(|column| format!("{column} = v.{column}"))
            .collect();
        let key = key_equals(self.table, "t", |name| format!("v.{}", quoted(name)));
        let mut query = QueryBuilder::<Driver>::new(format!("with v({}) as (", all.join(", ")));
        let stamp = stamp(now);
        query.push_values(self.rows.drain(..), |mut values, row| {
            for bound in row {
                bound.push_bind(&mut values);
            }
            values.push_bind(stamp.clone());
        });
        self.keys.clear();
        query.push(format!(") update {name} as t set {} from v where {key}", set.join(", ")));
        Ok(query.build().execute(connection).await?.rows_affected())
    }
}

impl Bound {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Bool(value) => Self::Int(i64::from(value)),
            Value::Int(value) => Self::Int(value),
            Value::Uuid(value) => Self::Text(value.hyphenated().to_string()),
            Value::Decimal(text) => Self::decimal(text),
        }
    }

    /// A whole number as such, up to 15 significant digits as a float (which reads back as the very same decimal),
    /// anything longer as text.
    fn decimal(text: &str) -> Self {
        if let Ok(whole) = text.parse::<i64>() {
            return Self::Int(whole);
        }
        if number::significant_digits(text) <= 15
            && let Ok(real) = text.parse::<f64>()
            && real != 0.0
            && real.is_finite()
        {
            return Self::Real(real);
        }
        Self::Text(text.to_owned())
    }

    fn push_bind(self, values: &mut sqlx::query_builder::Separated<'_, Driver, &'static str>) {
        match self {
            Self::Null => values.push("null"),
            Self::Int(value) => values.push_bind(value),
            Self::Real(value) => values.push_bind(value),
            Self::Text(value) => values.push_bind(value),
            Self::Blob(value) => values.push_bind(value),
        };
    }
}

/// Deletes a plan's rows, keeping them as tombstones first, and prunes old tombstones.
async fn delete(
    connection: &mut SqliteConnection,
    plan: &Plan,
    receipt: Receipt<'_>,
) -> Result<u64, WriteError> {
    let table = plan.table;
    let mut deleted = 0;
    for keys in plan.deletes().chunks(BATCH) {
        if table.tombstones {
            let texts = |columns: &[String]| {
                columns.iter().map(|column| format!("cast({column} as text)")).collect::<Vec<_>>()
            };
            let key = texts(&table.key.iter().map(|name| quoted(name)).collect::<Vec<_>>()).join(", ");
            let mut pairs: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("'{}', cast({} as text)", column.name, quoted(column.name)))
                .collect();
            pairs.extend(
                ["'raw_json', raw_json", "'row_hash', hex(row_hash)", "'synced_at', synced_at"]
                    .map(str::to_owned),
            );
            let mut query = QueryBuilder::<Driver>::new(
                "insert into mirror_tombstone (table_name, key, \"row\", run_id, deleted_at) select ",
            );
            query.push_bind(table.name);
            query.push(format!(", json_array({key}), json_object({}), ", pairs.join(", ")));
            query.push_bind(receipt.run_id.hyphenated().to_string()).push(", ");
            query.push_bind(stamp(receipt.now)).push(format!(" from {} where ", quoted(table.name)));
            push_keys(&mut query, table, keys);
            query.build().execute(&mut *connection).await?;
        }
        let mut query = QueryBuilder::<Driver>::new(format!("delete from {} where ", quoted(table.name)));
        push_keys(&mut query, table, keys);
        deleted += query.build().execute(&mut *connection).await?.rows_affected();
    }
    if deleted > 0 && table.tombstones {
        sqlx::query("delete from mirror_tombstone where deleted_at < ?")
            .bind(stamp(receipt.now - TimeDelta::days(TOMBSTONE_DAYS)))
            .execute(connection)
            .await?;
    }
    Ok(deleted)
}

/// `(key, …) in (values (?, …), …)`
fn push_keys(query: &mut QueryBuilder<Driver>, table: &Table, keys: &[Key]) {
    let names: Vec<String> = table.key.iter().map(|name| quoted(name)).collect();
    query.push(format!("({}) in (", names.join(", ")));
    query.push_values(keys, |mut values, key| {
        for (text, column) in key_texts(table, key).into_iter().zip(table.key_columns()) {
            match column.kind {
                Kind::Int => {
                    values.push_bind(text.parse::<i64>().expect("integer keys are encoded from integers"))
                }
                _ => values.push_bind(text),
            };
        }
    });
    query.push(")");
}

async fn read_index(
    connection: &mut SqliteConnection,
    table: &'static Table,
    verify: bool,
    index: &mut Index,
) -> Result<(), sqlx::Error> {
    let read: Vec<&crate::engine::Column> =
        if verify { table.columns.iter().collect() } else { table.key_columns().collect() };
    let mut list: Vec<String> = read
        .iter()
        .map(|column| match column.kind {
            Kind::Decimal => format!("cast({} as text)", quoted(column.name)),
            _ => quoted(column.name),
        })
        .collect();
    list.push("row_hash".to_owned());
    if verify {
        list.push("raw_json".to_owned());
    }
    let sql = format!("select {} from {}", list.join(", "), quoted(table.name));
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        add_row(index, table, &read, &row, verify)?;
    }
    Ok(())
}

fn add_row(
    index: &mut Index,
    table: &'static Table,
    read: &[&crate::engine::Column],
    row: &SqliteRow,
    verify: bool,
) -> Result<(), sqlx::Error> {
    let mut pushed = Vec::new();
    for (position, column) in read.iter().enumerate() {
        push_stored(&mut pushed, column.kind, row, position)?;
    }
    let values: Vec<Value<'_>> = crate::engine::row::Values::of(&pushed).collect();
    let value_of = |name: &str| {
        let position = read.iter().position(|column| column.name == name).expect("keys are always read");
        values[position]
    };
    let key = encode_key(table.key.iter().map(|name| value_of(name)));
    let scope = match table.scope.map(value_of) {
        Some(Value::Text(scope)) => scope,
        _ => "",
    };
    let stored: Option<&[u8]> = row.try_get(read.len())?;
    let mut hash = stored.and_then(|bytes| RowHash::try_from(bytes).ok());
    if verify && let Some(row_hash) = hash {
        let text: &str = row.try_get(read.len() + 1)?;
        hash = record::canonical(text).ok().map(|record| hash::verified(&row_hash, &pushed, &record));
    }
    index.add_stored(key, scope, hash);
    Ok(())
}

/// Pushes a stored value in the very form in which the planner pushes a fetched one.
fn push_stored(out: &mut Vec<u8>, kind: Kind, row: &SqliteRow, position: usize) -> Result<(), sqlx::Error> {
    match kind {
        Kind::Int => push(out, row.try_get::<Option<i64>, _>(position)?.map_or(Value::Null, Value::Int)),
        Kind::Bool => push(out, row.try_get::<Option<bool>, _>(position)?.map_or(Value::Null, Value::Bool)),
        Kind::Text => push(out, row.try_get::<Option<&str>, _>(position)?.map_or(Value::Null, Value::Text)),
        Kind::Uuid => {
            let text: Option<&str> = row.try_get(position)?;
            push(out, text.and_then(|text| Uuid::try_parse(text).ok()).map_or(Value::Null, Value::Uuid));
        }
        Kind::Decimal => {
            let text: Option<&str> = row.try_get(position)?;
            let normalised = text.and_then(number::normalise);
            push(out, normalised.as_deref().map_or(Value::Null, Value::Decimal));
        }
    }
    Ok(())
}

fn all_columns(table: &Table) -> Vec<String> {
    let mut all = columns(table);
    all.extend(["raw_json", "row_hash", "synced_at"].map(str::to_owned));
    all
}

/// A moment as it is stored: UTC with microseconds, so that texts sort as times do.
fn stamp(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn log_query(
    row: &LogRow,
    only_if_missing: bool,
) -> sqlx::query::Query<'_, Driver, sqlx::sqlite::SqliteArguments> {
    let sql = if only_if_missing { LOG_IF_MISSING } else { LOG };
    sqlx::query(sql)
        .bind(row.run_id.hyphenated().to_string())
        .bind(&row.entity_type)
        .bind(&row.scope)
        .bind(row.status)
        .bind(stamp(row.started_at))
        .bind(stamp(row.finished_at))
        .bind(row.duration_ms)
        .bind(row.records_synced)
        .bind(row.inserted)
        .bind(row.updated)
        .bind(row.unchanged)
        .bind(row.deleted)
        .bind(row.rejected)
        .bind(row.delete_blocked)
        .bind(&row.error_message)
        .bind(&row.triggered_by)
        .bind(&row.host)
}

const LOG: &str = "insert into iiko_sync_log (run_id, entity_type, scope, status, started_at, finished_at, duration_ms,
 records_synced, inserted, updated, unchanged, deleted, rejected, delete_blocked, error_message, triggered_by, host)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

const LOG_IF_MISSING: &str = "insert into iiko_sync_log (run_id, entity_type, scope, status, started_at, finished_at,
 duration_ms, records_synced, inserted, updated, unchanged, deleted, rejected, delete_blocked, error_message, triggered_by,
 host)
 select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17
 where not exists (select 1 from iiko_sync_log where run_id = ?1 and entity_type = ?2)";

/// Why a plan could not be written.
enum WriteError {
    /// The database's own error.
    Sql(sqlx::Error),
    /// The spool could not be read.
    Spool(Failure),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_bound_only_where_it_reads_back_exactly() {
        assert!(matches!(Bound::decimal("-0.000847058"), Bound::Real(_)));
        assert!(matches!(Bound::decimal("9600"), Bound::Int(9600)));
        assert!(matches!(Bound::decimal("9223372036854775808"), Bound::Text(_)));
        assert!(matches!(Bound::decimal("12345678901234.123456789"), Bound::Text(_)));
        assert!(matches!(Bound::decimal("100000000000000000000"), Bound::Real(_)));
    }
}
