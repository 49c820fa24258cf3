//! What the database itself can do: the same rows into the same table, without zerkalo.

use anyhow::Result;
use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, PgConnection, Row as _, SqliteConnection, TypeInfo as _,
    ValueRef as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const TABLE: &str = "iiko_product";

/// The rows of a loaded table in `COPY`'s binary format.
pub(crate) async fn copy_out(connection: &mut PgConnection, schema: &str) -> Result<Vec<u8>> {
    let sql = format!("copy {schema}.{TABLE} to stdout (format binary)");
    let mut stream = connection.copy_out_raw(&sql).await?;
    let mut rows = Vec::new();
    while let Some(bytes) = stream.try_next().await? {
        rows.extend_from_slice(&bytes);
    }
    Ok(rows)
}

/// How long a plain binary `COPY` of the rows takes.
pub(crate) async fn copy_in(connection: &mut PgConnection, schema: &str, rows: &[u8]) -> Result<Duration> {
    let started = Instant::now();
    let sql = format!("copy {schema}.{TABLE} from stdin (format binary)");
    let mut copy = connection.copy_in_raw(&sql).await?;
    for bytes in rows.chunks(1 << 17) {
        copy.send(bytes).await?;
    }
    copy.finish().await?;
    Ok(started.elapsed())
}

/// A value of a row in an SQLite file.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(Arc<str>),
    Blob(Arc<Vec<u8>>),
}

async fn open(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// The rows of a loaded table.
pub(crate) async fn rows(path: &Path) -> Result<Vec<Vec<Cell>>> {
    let mut connection = open(path).await?;
    let sql = format!("select * from {TABLE}");
    let mut rows = Vec::new();
    let mut stream = sqlx::query(AssertSqlSafe(sql)).fetch(&mut connection);
    while let Some(row) = stream.try_next().await? {
        let mut cells = Vec::new();
        for column in row.columns() {
            let place = column.ordinal();
            let kind = row.try_get_raw(place)?.type_info().name().to_owned();
            cells.push(match kind.as_str() {
                "NULL" => Cell::Null,
                "INTEGER" => Cell::Int(row.try_get_unchecked(place)?),
                "REAL" => Cell::Real(row.try_get_unchecked(place)?),
                "BLOB" => Cell::Blob(Arc::new(row.try_get_unchecked(place)?)),
                _ => Cell::Text(row.try_get_unchecked::<String, _>(place)?.into()),
            });
        }
        rows.push(cells);
    }
    Ok(rows)
}

/// How long a bare prepared insert of the rows takes, 500 at a time, in one transaction.
pub(crate) async fn insert(path: &Path, rows: &[Vec<Cell>]) -> Result<Duration> {
    let mut connection = open(path).await?;
    let width = rows.first().map_or(0, Vec::len);
    let tuple = format!("({})", vec!["?"; width].join(", "));
    let text =
        |count: usize| format!("insert into {TABLE} values {}", vec![tuple.as_str(); count].join(", "));
    let full = text(500);
    let started = Instant::now();
    let mut transaction = connection.begin_with("begin immediate").await?;
    for batch in rows.chunks(500) {
        let sql = if batch.len() == 500 { full.clone() } else { text(batch.len()) };
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for cell in batch.iter().flatten() {
            query = match cell {
                Cell::Null => query.bind(None::<i64>),
                Cell::Int(value) => query.bind(*value),
                Cell::Real(value) => query.bind(*value),
                Cell::Text(value) => query.bind(Arc::clone(value)),
                Cell::Blob(value) => query.bind(Arc::clone(value)),
            };
        }
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    let elapsed = started.elapsed();
    connection.close().await?;
    Ok(elapsed)
}
