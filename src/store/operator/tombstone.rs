//! Deleted rows, as they are kept.

use super::{Execute, Row, Sql, Values};
use crate::{engine::restore::Texts, error::Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

/// How many deleted rows are read at once.
pub const PAGE: usize = 2_000;

/// What one run deleted of one table and can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grave {
    /// The table.
    pub table: String,
    /// The run that deleted them.
    pub run_id: Uuid,
    /// How many rows.
    pub rows: i64,
    /// When, UTC.
    pub deleted_at: DateTime<Utc>,
}

pub(super) async fn graves(store: &mut impl Execute) -> Result<Vec<Grave>> {
    let sql = "select table_name, run_id, count(*) as graves, max(deleted_at) as last from mirror_tombstone
         group by table_name, run_id order by max(id) desc";
    let grave = |row: &Row| {
        Ok(Grave {
            table: row.get("table_name")?,
            run_id: row.get("run_id")?,
            rows: row.get("graves")?,
            deleted_at: row.get("last")?,
        })
    };
    store.fetch("reading the tombstones", "mirror_tombstone", Sql::new(sql), grave).await
}

pub(super) async fn page(
    store: &mut impl Execute,
    table: &str,
    run: Option<Uuid>,
    before: Option<i64>,
) -> Result<Vec<(i64, Texts)>> {
    let mut values = Values::default();
    let mut conditions = vec![format!("table_name = {}", values.add(table))];
    conditions.extend(run.map(|run| format!("run_id = {}", values.add(run))));
    conditions.extend(before.map(|before| format!("id < {}", values.add(before))));
    let text = format!(
        "select id, cast(\"row\" as text) as texts from mirror_tombstone where {} order by id desc limit {PAGE}",
        conditions.join(" and ")
    );
    let row = |row: &Row| Ok((row.get("id")?, row.read("texts", |text| serde_json::from_str(text).ok())?));
    store.fetch("reading the tombstones", "mirror_tombstone", Sql::with(text, values), row).await
}
