//! What operators ask the database and decide in it: the log, the state of everything, tombstones, holds, pruning.

mod overview;
mod prune;
mod tombstone;

use super::{
    LogRow,
    speak::{Answer, Columns, Speak, moment, text},
};
use crate::{error::Result, model::report::Status};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use self::{
    overview::{Blocked, Fresh, Latest, Overview, Remote, SlotSeen},
    prune::{Expired, Keep},
    tombstone::{Grave, PAGE},
};

/// Which log rows are asked for. What is none does not count.
#[derive(Debug, Clone, Default)]
pub struct WhichLog {
    /// Of this table, scope or job.
    pub entity: Option<String>,
    /// That ended at this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Only of runs that failed.
    pub failed: bool,
    /// So many at most, the latest ones.
    pub limit: usize,
}

/// The operator's side of a [`super::Store`], of a database that is there: see [`super::Database::connect_existing`].
#[async_trait]
pub trait OperatorStore: Send {
    /// Reads the log, the latest rows first.
    async fn log_rows(&mut self, which: &WhichLog) -> Result<Vec<LogRow>>;

    /// Reads the state of everything.
    async fn overview(&mut self) -> Result<Overview>;

    /// What deleted rows there are, by table and run, the latest first.
    async fn graves(&mut self) -> Result<Vec<Grave>>;

    /// Deleted rows of a table, the latest first, [`PAGE`] at a time: those before `before`, if that is given, with their
    /// numbers. Of one run, if that is given.
    async fn tombstones(
        &mut self,
        table: &str,
        run: Option<Uuid>,
        before: Option<i64>,
    ) -> Result<Vec<(i64, crate::engine::restore::Texts)>>;

    /// Keeps deletion off for tables, until they are released. Those that are held already stay as they are.
    async fn hold(&mut self, tables: &[&str], by: &str, run: Uuid, now: DateTime<Utc>) -> Result<()>;

    /// Lets the next good answer decide again; how many of the tables were held.
    async fn release(&mut self, tables: &[&str]) -> Result<u64>;

    /// Counts what is older than is kept.
    async fn expired(&mut self, keep: &Keep) -> Result<Expired>;

    /// Deletes what is older than is kept, in one transaction.
    async fn prune(&mut self, keep: &Keep) -> Result<Expired>;
}

#[async_trait]
impl<T: Speak> OperatorStore for T {
    async fn log_rows(&mut self, which: &WhichLog) -> Result<Vec<LogRow>> {
        self.is_ready().await?;
        let words = self.words();
        let (mut conditions, mut parameters) = (vec!["1 = 1".to_owned()], Vec::new());
        if let Some(entity) = &which.entity {
            parameters.push(entity.clone());
            conditions.push("(entity_type = $1 or scope = $1)".to_owned());
        }
        if let Some(since) = which.since {
            parameters.push(text(since));
            conditions.push(format!("finished_at >= {}", words.moment(parameters.len())));
        }
        if which.failed {
            conditions.push("status = 'error'".to_owned());
        }
        let sql = format!(
            "select run_id, entity_type, scope, status, {}, {}, duration_ms, records_synced, inserted, updated, unchanged,
                 deleted, rejected, delete_blocked, error_message, triggered_by, host
             from iiko_sync_log where {} order by id desc limit {}",
            words.stamp("started_at"),
            words.stamp("finished_at"),
            conditions.join(" and "),
            which.limit,
        );
        let answers = self.ask("reading the log", (sql, parameters)).await?;
        answers.into_iter().map(log_row).collect()
    }

    async fn overview(&mut self) -> Result<Overview> {
        self.is_ready().await?;
        overview::read(self).await
    }

    async fn graves(&mut self) -> Result<Vec<Grave>> {
        self.is_ready().await?;
        tombstone::graves(self).await
    }

    async fn tombstones(
        &mut self,
        table: &str,
        run: Option<Uuid>,
        before: Option<i64>,
    ) -> Result<Vec<(i64, crate::engine::restore::Texts)>> {
        tombstone::page(self, table, run, before).await
    }

    async fn hold(&mut self, tables: &[&str], by: &str, run: Uuid, now: DateTime<Utc>) -> Result<()> {
        let words = self.words();
        let sql = format!(
            "insert into mirror_hold (table_name, since, run_id, held_by) values ($1, {}, {}, $4)
             on conflict (table_name) do nothing",
            words.moment(2),
            words.uuid(3),
        );
        let of = |table: &&str| vec![(*table).to_owned(), text(now), run.to_string(), by.to_owned()];
        let statements = tables.iter().map(|table| (sql.clone(), of(table))).collect();
        self.tell("holding deletion off", statements).await.map(|_| ())
    }

    async fn release(&mut self, tables: &[&str]) -> Result<u64> {
        let sql = "delete from mirror_hold where table_name = $1";
        let statements = tables.iter().map(|table| (sql.to_owned(), vec![(*table).to_owned()])).collect();
        Ok(self.tell("releasing tables", statements).await?.into_iter().sum())
    }

    async fn expired(&mut self, keep: &Keep) -> Result<Expired> {
        self.is_ready().await?;
        prune::count(self, keep).await
    }

    async fn prune(&mut self, keep: &Keep) -> Result<Expired> {
        prune::delete(self, keep).await
    }
}

fn log_row(answer: Answer) -> Result<LogRow> {
    let mut columns = Columns::new("iiko_sync_log", answer);
    Ok(LogRow {
        run_id: columns.read(|text| text.parse().ok())?,
        entity_type: columns.text()?,
        scope: columns.text()?,
        status: columns.read(Status::of)?.name(),
        started_at: columns.read(moment)?,
        finished_at: columns.read(moment)?,
        duration_ms: columns.count()?,
        records_synced: columns.count()?,
        inserted: columns.count()?,
        updated: columns.count()?,
        unchanged: columns.count()?,
        deleted: columns.count()?,
        rejected: columns.count()?,
        delete_blocked: columns.count()?,
        error_message: columns.optional(),
        triggered_by: columns.text()?,
        host: columns.text()?,
    })
}
