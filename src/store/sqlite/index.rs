//! Reading what a table holds.

use crate::{
    decimal,
    engine::{
        Index, Kind, Table,
        row::{RowHash, Value, Values, push},
    },
    store::{quoting::quoted, stored},
};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

/// Reads a table's keys and hashes; with `verify` also its columns and records.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    table: &'static Table,
    verify: bool,
    index: &mut Index,
) -> Result<(), sqlx::Error> {
    let read = stored::read_columns(table, verify);
    let columns = read.iter().map(|column| match column.kind {
        Kind::Decimal => format!("cast({} as text)", quoted(column.name)),
        _ => quoted(column.name),
    });
    let record = verify.then(|| "raw_json".to_owned());
    let list: Vec<String> = columns.chain(["row_hash".to_owned()]).chain(record).collect();
    let sql = format!("select {} from {}", list.join(", "), quoted(table.name));
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    let mut pushed = Vec::new();
    while let Some(row) = rows.try_next().await? {
        pushed.clear();
        for (position, column) in read.iter().enumerate() {
            push_stored(&mut pushed, column.kind, &row, position)?;
        }
        if table.key_columns().any(|key| is_unreadable(&read, key.name, &pushed)) {
            let text = format!(
                "{} holds a row whose key is no key; only zerkalo may insert rows: delete it",
                table.name
            );
            return Err(sqlx::Error::Decode(text.into()));
        }
        let hash: Option<&[u8]> = row.try_get(read.len())?;
        let hash = hash.and_then(|bytes| RowHash::try_from(bytes).ok());
        let record: Option<&str> = if verify { row.try_get(read.len() + 1)? } else { None };
        stored::add(index, table, &read, &pushed, hash, record);
    }
    Ok(())
}

/// Whether a key column holds what no upstream sends: `SQLite` takes any text for a uuid.
fn is_unreadable(read: &[&crate::engine::Column], name: &str, pushed: &[u8]) -> bool {
    let position = read.iter().position(|column| column.name == name);
    position.and_then(|position| Values::of(pushed).nth(position)) == Some(Value::Null)
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
            let normalised = text.and_then(decimal::normalise);
            push(out, normalised.as_deref().map_or(Value::Null, Value::Decimal));
        }
    }
    Ok(())
}
