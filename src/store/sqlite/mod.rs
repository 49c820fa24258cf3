//! The `SQLite` side: one file, one writer, full synchronisation.
//!
//! The index is read in a transaction of its own; a plan is applied in `begin immediate`, so nobody writes between
//! counting and committing. Tables are strict; decimals are bound by value, because numeric affinity would turn more
//! than 15 digits into a float.

mod batch;
mod examine;
mod open;

use self::batch::{BATCH, Batch, Change};
pub(super) use self::open::{check_fit, real_path};
use super::{
    Access, Applied, Prepared, Receipt, Store, WriteError,
    condition::Condition,
    failure,
    faults::{self, Fault},
    hold,
    index::Reader,
    journal, labels, lock,
    migrate::{self, Dialect, Found, HISTORY},
    objects,
    quoting::{label_query, quoted, text_query},
    sql::{Cells, Execute, Link, Row, Sql, stamp},
    stoplist, texts,
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
use futures_util::TryStreamExt as _;
use hashbrown::HashMap;
use sqlx::{
    AssertSqlSafe, Connection as _, QueryBuilder, Sqlite as Driver, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use std::{collections::HashSet, path::PathBuf, time::Duration};
use uuid::Uuid;

/// A connection to one file; none in a dry run on a file that does not exist.
#[derive(Debug)]
pub struct Sqlite {
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    path: PathBuf,
    patience: Duration,
    access: Access,
    condition: Condition,
}

impl Sqlite {
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
            .execute(self.live().await?)
            .await
            .map_err(|error| self.failed("preparing the file", error))?;
        if !must_now {
            return Ok(found);
        }
        // The driver does not serialise migrations of a file, so two first runs would meet half-way.
        let _alone = self.alone().await?;
        if migrate::must_migrate(&self.look().await?, Dialect::Sqlite, false, by_command)? {
            Dialect::Sqlite
                .migrator()
                .run_direct(None, self.live().await?, false)
                .await
                .map_err(faults::migration)?;
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
        if self.connection.is_none() {
            return Ok(Found::Nothing);
        }
        let connection = self.live().await?;
        let names: Vec<String> =
            sqlx::query_scalar("select name from sqlite_master where type in ('table', 'view')")
                .fetch_all(&mut *connection)
                .await
                .map_err(|error| failure(doing, error))?;
        if !names.iter().any(|name| name == HISTORY) {
            let ours = migrate::our_names();
            let foreign: Vec<String> =
                names.into_iter().filter(|name| ours.contains(&name.as_str())).collect();
            return Ok(if foreign.is_empty() { Found::Nothing } else { Found::Foreign(foreign) });
        }
        let version: Option<i64> = sqlx::query_scalar("select max(version) from zerkalo_migration")
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| failure(doing, error))?;
        if version == Some(Dialect::Sqlite.known()) {
            let there: Vec<String> = sqlx::query_scalar(AssertSqlSafe(objects::query(Dialect::Sqlite, "")))
                .fetch_all(connection)
                .await
                .map_err(|error| failure(doing, error))?;
            let missing = objects::missing(Dialect::Sqlite, &HashSet::from_iter(there));
            if !missing.is_empty() {
                return Ok(Found::Damaged(missing));
            }
        }
        Ok(version.map_or(Found::Nothing, Found::Version))
    }

    async fn write(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<(), WriteError> {
        let table = plan.table;
        let mut transaction = self.begin(&format!("writing {}", table.name)).await?;
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
        let history = receipt.reading.map(stoplist::follow).unwrap_or_default();
        for sql in history.iter().chain(&journal::insert(receipt.log)) {
            Link::Sqlite(&mut transaction).execute(sql).await?;
        }
        transaction.commit().await?;
        Ok(self.condition.check_file(&self.path)?)
    }
}

#[async_trait]
impl Execute for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn is_ready(&mut self) -> Result<bool> {
        Ok(self.migrate(false).await? != Found::Nothing)
    }

    async fn link(&mut self) -> Result<Link<'_>> {
        Ok(Link::Sqlite(self.live().await?))
    }

    /// When the file is held by another program it is the last one that was waited for.
    fn failed(&self, doing: &str, error: sqlx::Error) -> Failure {
        self.condition.failure_of_file(doing, error)
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

    async fn prepare(&mut self, tables: &[&'static Table], verify: bool) -> Result<Prepared> {
        let found = self.migrate(false).await?;
        let mut prepared =
            Prepared { indexes: tables.iter().map(|_| Index::default()).collect(), identity: HashMap::new() };
        if found == Found::Nothing {
            return Ok(prepared);
        }
        let doing = "reading what the tables hold";
        let mut transaction = self.live().await?.begin().await.map_err(|error| failure(doing, error))?;
        let mut link = Link::Sqlite(&mut transaction);
        let identity = link.rows("source_identity", &Sql::new(journal::IDENTITY)).await;
        let held = link.rows("mirror_hold", &Sql::new(hold::QUERY)).await;
        let identity = identity.map_err(|error| failure(doing, error))?;
        prepared.identity = identity.iter().map(journal::identity_row).collect::<Result<_>>()?;
        let holds = held.map_err(|error| failure(doing, error))?;
        hold::put(tables, &mut prepared.indexes, holds.iter().map(hold::read).collect::<Result<_>>()?);
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
            Ok(()) => Ok(Applied::Done),
            Err(WriteError::Moved) => Ok(Applied::Conflict),
            Err(WriteError::Spool(failure)) => Err(failure),
            Err(WriteError::Sql(error)) if faults::is_same_key(&error) => Ok(Applied::Conflict),
            Err(WriteError::Sql(error)) => {
                let in_the_way = Fault::of(&error) == Fault::InTheWay;
                let failure = self.failed(&format!("writing {}", plan.table.name), error);
                Err(if in_the_way { self.naming_indexes(plan.table, failure).await } else { failure })
            }
        }
    }

    async fn select(
        &mut self,
        table: &'static Table,
        columns: &[&'static str],
    ) -> Result<Vec<Vec<Option<String>>>> {
        if self.look().await? == Found::Nothing {
            return Ok(Vec::new());
        }
        let rows = self.link().await?.rows(table.name, &Sql::new(text_query(table, columns))).await;
        texts(columns, &rows.map_err(|error| failure(&format!("reading {}", table.name), error))?)
    }

    async fn describe(&mut self, table: &'static Table, keys: &[Key]) -> Result<Vec<String>> {
        let mut query = QueryBuilder::<Driver>::new(format!("{} where ", label_query(table, "t")));
        push_keys(&mut query, table, keys);
        let rows = query
            .build()
            .fetch_all(self.live().await?)
            .await
            .map_err(|error| failure("naming rows", error))?;
        labels(table, keys, &Row::all(table.name, rows, Cells::Sqlite))
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

/// Reads what a table holds.
async fn read_index(
    connection: &mut SqliteConnection,
    table: &'static Table,
    verify: bool,
    index: &mut Index,
) -> Result<(), sqlx::Error> {
    let mut reader = Reader::new(table, verify);
    let sql = reader.query(Dialect::Sqlite);
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        reader.add(index, &Cells::Sqlite(row))?;
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
        let mut kept = None;
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
            kept = Some(query.build().execute(&mut *connection).await?.rows_affected());
        }
        let mut query = QueryBuilder::<Driver>::new(format!("delete from {} where ", quoted(table.name)));
        push_keys(&mut query, table, keys);
        let gone = query.build().execute(&mut *connection).await?.rows_affected();
        // Somebody's trigger may let nothing be kept.
        if kept.is_some_and(|kept| kept != gone) {
            return Err(WriteError::Moved);
        }
        deleted += gone;
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
