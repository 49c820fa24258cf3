//! Holds: tables of which an operator keeps deletion off.

use crate::engine::{Hold, Index, Table};
use chrono::DateTime;
use sqlx::{ColumnIndex, Decode, Row, Type};

/// The query for all holds; `since` is the column as an RFC 3339 text.
pub(super) fn query(since: &str) -> String {
    format!("select table_name, {since}, held_by from mirror_hold order by table_name;\n")
}

/// Reads a hold.
pub(super) fn read<R>(row: &R) -> Result<Hold, sqlx::Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    String: for<'r> Decode<'r, R::Database> + Type<R::Database>,
{
    let since: String = row.try_get(1)?;
    let since = DateTime::parse_from_rfc3339(&since).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Hold { table: row.try_get(0)?, since: since.to_utc(), by: row.try_get(2)? })
}

/// Notes the holds in the tables' indexes.
pub(super) fn put(tables: &[&'static Table], indexes: &mut [Index], holds: Vec<Hold>) {
    for hold in holds {
        let held = tables.iter().zip(&mut *indexes).find(|(table, _)| table.name == hold.table);
        if let Some((_, index)) = held {
            index.set_hold(hold);
        }
    }
}
