//! What runs write down of themselves: the log, and whose mirror this is.

use super::{
    LogRow,
    sql::{Execute, Row, Sql, Value, Values},
};
use crate::{
    error::Result,
    model::{Counts, report::Status},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serializer;
use std::collections::HashMap;
use uuid::Uuid;

/// The journal's side of a [`super::Store`].
#[async_trait]
pub trait JournalStore: Send {
    /// Whether a run has logged an entity, and so has committed what it did to it.
    async fn is_logged(&mut self, run: Uuid, entity: &str) -> Result<bool>;

    /// Writes log rows, all of them or none, over this connection as it is.
    async fn insert_log(&mut self, rows: &[LogRow]) -> Result<()>;

    /// Writes one log row unless that run has already logged that entity: for a run that was killed.
    async fn log_if_missing(&mut self, row: &LogRow) -> Result<()>;

    /// Stores whose mirror this is.
    async fn adopt(&mut self, upstream: &str, identity: &str, now: DateTime<Utc>) -> Result<()>;
}

#[async_trait]
impl<T: Execute> JournalStore for T {
    async fn is_logged(&mut self, run: Uuid, entity: &str) -> Result<bool> {
        let sql =
            "select exists (select 1 from iiko_sync_log where run_id = $1 and entity_type = $2) as found";
        let sql = Sql::new(sql).bind(run).bind(entity);
        let found =
            self.fetch("reading the log", "iiko_sync_log", sql, |row| row.get::<bool>("found")).await?;
        Ok(found == [true])
    }

    async fn insert_log(&mut self, rows: &[LogRow]) -> Result<()> {
        match insert(rows) {
            Some(sql) => write(self, sql).await,
            None => Ok(()),
        }
    }

    async fn log_if_missing(&mut self, row: &LogRow) -> Result<()> {
        let mut values = Values::default();
        let places = COLUMNS.map(|(_, value)| values.add(value(row))).join(", ");
        let (run, entity) = (values.add(row.run_id), values.add(row.entity_type.as_str()));
        let text = format!(
            "{} select {places}
             where not exists (select 1 from iiko_sync_log where run_id = {run} and entity_type = {entity})",
            insert_into()
        );
        write(self, Sql::with(text, values)).await
    }

    async fn adopt(&mut self, upstream: &str, identity: &str, now: DateTime<Utc>) -> Result<()> {
        let row = [("upstream", upstream.into()), ("identity", identity.into()), ("adopted_at", now.into())];
        let sql = Sql::insert("source_identity", row).and(
            " on conflict (upstream) do update set identity = excluded.identity, adopted_at = excluded.adopted_at",
        );
        self.execute("storing whose mirror this is", sql).await.map(drop)
    }
}

async fn write(store: &mut impl Execute, sql: Sql) -> Result<()> {
    let doing = "writing the log";
    store.hurry().await.map_err(|error| store.failed(doing, error))?;
    store.execute(doing, sql).await.map(drop)
}

/// What the log calls the records that were fetched.
const FETCHED: &str = "records_synced";

/// Writes counts by the names of the log's columns.
pub(super) fn as_columns<S: Serializer>(
    counts: &Counts,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let log = |name| if name == "fetched" { FETCHED } else { name };
    serializer.collect_map(counts.named().map(|(name, count)| (log(name), count)))
}

/// A column of the log, and its value in a row.
type Column = (&'static str, fn(&LogRow) -> Value);

/// The columns of the log, but for its number.
const COLUMNS: [Column; 17] = [
    ("run_id", |row| row.run_id.into()),
    ("entity_type", |row| row.entity_type.as_str().into()),
    ("scope", |row| row.scope.as_str().into()),
    ("status", |row| row.status.into()),
    ("started_at", |row| row.started_at.into()),
    ("finished_at", |row| row.finished_at.into()),
    ("duration_ms", |row| row.duration_ms.into()),
    (FETCHED, |row| row.counts.fetched.into()),
    ("inserted", |row| row.counts.inserted.into()),
    ("updated", |row| row.counts.updated.into()),
    ("unchanged", |row| row.counts.unchanged.into()),
    ("deleted", |row| row.counts.deleted.into()),
    ("rejected", |row| row.counts.rejected.into()),
    ("delete_blocked", |row| row.counts.delete_blocked.into()),
    ("error_message", |row| row.error_message.clone().into()),
    ("triggered_by", |row| row.triggered_by.as_str().into()),
    ("host", |row| row.host.as_str().into()),
];

/// The names of the columns of the log.
pub(super) fn columns() -> String {
    COLUMNS.map(|(name, _)| name).join(", ")
}

fn insert_into() -> String {
    format!("insert into iiko_sync_log ({})", columns())
}

/// The statement that writes log rows, in one turn: every run ends with it. None for no rows.
pub(super) fn insert(rows: &[LogRow]) -> Option<Sql> {
    let mut values = Values::default();
    let row = |row| format!("({})", COLUMNS.map(|(_, value)| values.add(value(row))).join(", "));
    let places: Vec<String> = rows.iter().map(row).collect();
    let text = format!("{} values {}", insert_into(), places.join(", "));
    (!rows.is_empty()).then(|| Sql::with(text, values).in_one_turn())
}

/// Reads a row of the log.
pub(super) fn log_row(row: &Row) -> Result<LogRow> {
    let count = |column| Ok(row.get::<i64>(column)?.unsigned_abs());
    Ok(LogRow {
        run_id: row.get("run_id")?,
        entity_type: row.get("entity_type")?,
        scope: row.get("scope")?,
        status: row.read("status", Status::of)?.name(),
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        duration_ms: row.get("duration_ms")?,
        counts: Counts {
            fetched: count(FETCHED)?,
            inserted: count("inserted")?,
            updated: count("updated")?,
            unchanged: count("unchanged")?,
            deleted: count("deleted")?,
            delete_blocked: count("delete_blocked")?,
            rejected: count("rejected")?,
        },
        error_message: row.optional("error_message")?,
        triggered_by: row.get("triggered_by")?,
        host: row.get("host")?,
    })
}

/// Asks whose mirror a database of ours is.
pub(super) const IDENTITY: &str = "select upstream, identity from source_identity";

/// An upstream, and the identity of what is mirrored of it.
pub(super) fn identity_row(row: &Row) -> Result<(String, String)> {
    Ok((row.get("upstream")?, row.get("identity")?))
}

/// Whose mirror a database of ours is: upstream → identity.
pub(super) async fn identity(store: &mut impl Execute) -> Result<HashMap<String, String>> {
    let sql = Sql::new(IDENTITY);
    let pairs = store.fetch("reading whose mirror this is", "source_identity", sql, identity_row).await?;
    Ok(pairs.into_iter().collect())
}
