//! Holds: tables of which an operator keeps deletion off.

use super::sql::Row;
use crate::{
    engine::{Hold, Index, Table},
    error::Result,
};

/// The query for all holds.
pub(super) const QUERY: &str = "select table_name, since, held_by from mirror_hold order by table_name";

/// Reads a hold.
pub(super) fn read(row: &Row) -> Result<Hold> {
    Ok(Hold { table: row.get("table_name")?, since: row.get("since")?, by: row.get("held_by")? })
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
