//! The `SQLite` side: one file, one writer, full synchronisation.
//!
//! The index is read in a transaction of its own; a plan is applied in `begin immediate`, so nobody writes between
//! counting and committing. Tables are strict; decimals are bound by value, because numeric affinity would turn more
//! than 15 digits into a float.

mod batch;
mod examine;
mod index;
mod operator;
mod outbox;
pub(super) mod slot;
mod stoplist;

use self::batch::{BATCH, Batch, Change};
use super::{
    Access, Applied, LogRow, Prepared, Receipt, Store, WriteError, failure, hold, labels, lock,
    migrate::{self, Dialect, Found, HISTORY},
    quoting::{label_query, quoted},
};
use crate::{
    engine::{
        Column, Index, Kind, Plan, Table,
        plan::Rows,
        row::{Key, key_texts},
    },
    error::{Failure, Kind as FailureKind, Result},
};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use hashbrown::HashMap;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder, Row as _, Sqlite as Driver,
    SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use std::{
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// A connection to one file; none in a dry run on a file that does not exist.
#[derive(Debug)]
pub struct Sqlite {
    connection: Option<SqliteConnection>,
    path: PathBuf,
    patience: Duration,
    access: Access,
}

impl Sqlite {
    /// Opens the file, creating it and its folder on first use, and waiting so long for other writers.
    pub async fn connect(path: &Path, access: Access, patience: Duration) -> Result<Self> {
        if access == Access::DryRun && !path.exists() {
            return Ok(Self { connection: None, path: path.to_owned(), patience, access });
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
        if access == Access::Write {
            check_writable(path)?;
            if !path.exists() {
                // The mirror may hold personal data: a new file is for its owner alone.
                // Also where a link names a file that is not there yet.
                let mut options = std::fs::File::options();
                let file = options.write(true).create(true).truncate(false).mode(0o600).open(path);
                if let Err(error) = file {
                    tracing::debug!(%error, "opening the database will say why it cannot be made");
                }
            }
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(access == Access::Write)
            .read_only(access == Access::DryRun)
            .busy_timeout(patience)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let connection = SqliteConnection::connect_with(&options).await.map_err(|error| {
            failure(&format!("opening {}", path.display()), error).hint(
                "check that the path is a SQLite file and that this user may write to it and its folder",
            )
        })?;
        Ok(Self { connection: Some(connection), path: path.to_owned(), patience, access })
    }

    /// Migrates as far as this access allows and says where the schema stands then.
    pub async fn migrate(&mut self, by_command: bool) -> Result<Found> {
        let found = self.look().await?;
        let must =
            |found| migrate::must_migrate(found, Dialect::Sqlite, self.access == Access::DryRun, by_command);
        let must_now = must(&found)?;
        if self.access == Access::DryRun {
            return Ok(found);
        }
        // Only now, when the file is known to be ours or new, is anything in it changed.
        sqlx::query("pragma journal_mode = wal")
            .execute(self.connection())
            .await
            .map_err(|error| failure("preparing the file", error))?;
        if !must_now {
            return Ok(found);
        }
        // The driver does not serialise migrations of a file, so two first runs would meet half-way.
        let _alone = self.alone().await?;
        if migrate::must_migrate(&self.look().await?, Dialect::Sqlite, false, by_command)? {
            Dialect::Sqlite
                .migrator()
                .run_direct(None, self.connection(), false)
                .await
                .map_err(migrate::failure)?;
        }
        self.look().await
    }

    /// Waits until no other process migrates the file. The lock goes with the returned file.
    async fn alone(&self) -> Result<std::fs::File> {
        let file = lock::schema_file(&self.path)?;
        let until = tokio::time::Instant::now() + self.patience;
        while let Err(error) = file.try_lock() {
            if tokio::time::Instant::now() > until {
                return Err(Failure::new(FailureKind::Database, "another zerkalo is migrating the database")
                    .hint("start this again when it has ended")
                    .source(std::io::Error::from(error)));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(file)
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

    async fn write(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<(), WriteError> {
        let connection = self.connection.as_mut().expect("only a dry run has no connection");
        let mut transaction = connection.begin_with("begin immediate").await?;
        let table = plan.table;
        let (inserted, updated, deleted) = plan.totals();
        let verify = plan.verify;
        let done = Done {
            deleted: delete(&mut transaction, plan, receipt).await?,
            inserted: {
                let mut batch = Batch::new(table, Change::Insert, receipt.now);
                write_rows(&mut transaction, &mut batch, plan.inserts()?).await?
            },
            updated: {
                let mut batch = Batch::new(table, Change::Update { verify }, receipt.now);
                write_rows(&mut transaction, &mut batch, plan.updates()?).await?
            },
        };
        if done != (Done { inserted, updated, deleted }) {
            // Dropping the transaction rolls it back.
            return Err(WriteError::Moved);
        }
        for row in receipt.log {
            log_query(row, false).execute(&mut *transaction).await?;
        }
        if let Some(reading) = receipt.reading {
            stoplist::follow(&mut transaction, reading).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a dry run writes nothing")
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn try_exclude(&mut self, _names: &[&str]) -> Result<()> {
        Ok(())
    }

    fn exclude_session(&mut self, _session: &lock::Name) {}

    async fn reconnect(&mut self) -> Result<bool> {
        Ok(false)
    }

    async fn is_logged(&mut self, run: Uuid, entity: &str) -> Result<bool> {
        sqlx::query_scalar("select exists (select 1 from iiko_sync_log where run_id = ? and entity_type = ?)")
            .bind(run.hyphenated().to_string())
            .bind(entity)
            .fetch_one(self.connection())
            .await
            .map_err(|error| failure("reading the log", error))
    }

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
        let held = sqlx::query(AssertSqlSafe(hold::query("since")))
            .fetch_all(&mut *transaction)
            .await
            .map_err(|error| failure(doing, error))?;
        let holds = held.iter().map(hold::read).collect::<Result<_, _>>();
        let holds = holds.map_err(|error| failure(doing, error))?;
        hold::put(tables, &mut prepared.indexes, holds);
        for (table, index) in tables.iter().zip(&mut prepared.indexes) {
            index::read(&mut transaction, table, verify, index)
                .await
                .map_err(|error| failure(doing, error))?;
        }
        transaction.rollback().await.map_err(|error| failure(doing, error))?;
        Ok(prepared)
    }

    async fn apply(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<Applied> {
        match self.write(plan, receipt).await {
            Ok(()) => Ok(Applied::Done),
            Err(WriteError::Moved) => Ok(Applied::Conflict),
            Err(WriteError::Spool(failure)) => Err(failure),
            Err(WriteError::Sql(error))
                if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) =>
            {
                Ok(Applied::Conflict)
            }
            Err(WriteError::Sql(error)) => Err(failure(&format!("writing {}", plan.table.name), error)),
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

    async fn select(
        &mut self,
        table: &'static Table,
        columns: &[&'static str],
    ) -> Result<Vec<Vec<Option<String>>>> {
        if self.look().await? == Found::Nothing {
            return Ok(Vec::new());
        }
        let doing = format!("reading {}", table.name);
        let texts: Vec<String> =
            columns.iter().map(|column| format!("cast({} as text)", quoted(column))).collect();
        let sql = format!("select {} from {}", texts.join(", "), quoted(table.name));
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(self.connection())
            .await
            .map_err(|error| failure(&doing, error))?;
        rows.iter()
            .map(|row| (0..columns.len()).map(|place| row.try_get(place)).collect())
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| failure(&doing, error))
    }

    async fn describe(&mut self, table: &'static Table, keys: &[Key]) -> Result<Vec<String>> {
        let mut query = QueryBuilder::<Driver>::new(format!("{} where ", label_query(table, "t")));
        push_keys(&mut query, table, keys);
        let rows = query
            .build()
            .fetch_all(self.connection())
            .await
            .map_err(|error| failure("naming rows", error))?;
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

    /// A transaction that was given up holds the write lock until it is rolled back, so the next one waits for it.
    async fn end_run(&mut self, _run: Uuid) -> Result<()> {
        Ok(())
    }

    async fn is_there(&mut self) -> Result<bool> {
        Ok(self.look().await? != Found::Nothing)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        match self.connection {
            Some(connection) => connection.close().await.map_err(|error| failure("closing the file", error)),
            None => Ok(()),
        }
    }
}

/// `SQLite` opens a file that it may not write to for reading, and would say so only after the upstreams were read. It
/// needs the folder, too, for the files beside the database.
fn check_writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [folder, path] {
        match rustix::fs::access(place, rustix::fs::Access::WRITE_OK) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => {
                let text = format!("{} cannot be written to", place.display());
                return Err(Failure::new(FailureKind::Database, text)
                    .hint("check the owner and mode of the file and of its folder, or set DATABASE_URL to another place")
                    .source(std::io::Error::from(error)));
            }
        }
    }
    Ok(())
}

/// What was really written.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    inserted: u64,
    updated: u64,
    deleted: u64,
}

/// Writes rows batch by batch and returns how many were written.
async fn write_rows(
    connection: &mut SqliteConnection,
    batch: &mut Batch,
    mut rows: Rows<'_>,
) -> Result<u64, WriteError> {
    let mut written = 0;
    while rows.next_with(&mut |row| batch.push(&row))? {
        if batch.is_full() {
            written += batch.write(connection).await?;
        }
    }
    Ok(written + batch.write(connection).await?)
}

/// Deletes a plan's rows, keeping them as tombstones first.
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
                .map(|column| format!("'{}', {}", column.name, as_text(column)))
                .collect();
            pairs.extend(["'raw_json', raw_json", HASH_AS_TEXT, "'synced_at', synced_at"].map(str::to_owned));
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
    Ok(deleted)
}

/// A column as a tombstone keeps it: as text, as `PostgreSQL` spells it.
fn as_text(column: &Column) -> String {
    let name = quoted(column.name);
    match column.kind {
        Kind::Bool => format!("case {name} when 0 then 'false' when 1 then 'true' end"),
        _ => format!("cast({name} as text)"),
    }
}

/// `hex` makes an empty text of NULL.
const HASH_AS_TEXT: &str = "'row_hash', case when row_hash is not null then lower(hex(row_hash)) end";

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
