//! Deleted rows, as they are kept.

use super::{Answer, Columns, Speak, moment};
use crate::{engine::restore::Texts, error::Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fmt::Write as _;
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

pub(super) async fn graves(store: &mut (impl Speak + ?Sized)) -> Result<Vec<Grave>> {
    let sql = format!(
        "select table_name, run_id, count(*), {} from mirror_tombstone
         group by table_name, run_id order by max(id) desc",
        store.words().stamp("max(deleted_at)")
    );
    let grave = |answer: Answer| {
        let mut columns = Columns::new("mirror_tombstone", answer);
        Ok(Grave {
            table: columns.text()?,
            run_id: columns.read(|text| text.parse().ok())?,
            rows: columns.count()?,
            deleted_at: columns.read(moment)?,
        })
    };
    store.ask("reading the tombstones", (sql, Vec::new())).await?.into_iter().map(grave).collect()
}

pub(super) async fn page(
    store: &mut (impl Speak + ?Sized),
    table: &str,
    run: Option<Uuid>,
    before: Option<i64>,
) -> Result<Vec<(i64, Texts)>> {
    let mut parameters = vec![table.to_owned()];
    let mut conditions = "table_name = $1".to_owned();
    if let Some(run) = run {
        parameters.push(run.to_string());
        let _ = write!(conditions, " and run_id = {}", store.words().uuid(2));
    }
    if let Some(before) = before {
        let _ = write!(conditions, " and id < {before}");
    }
    let sql =
        format!("select id, \"row\" from mirror_tombstone where {conditions} order by id desc limit {PAGE}");
    let row = |answer: Answer| {
        let mut columns = Columns::new("mirror_tombstone", answer);
        Ok((columns.count()?, columns.read(|text| serde_json::from_str(text).ok())?))
    };
    store.ask("reading the tombstones", (sql, parameters)).await?.into_iter().map(row).collect()
}
