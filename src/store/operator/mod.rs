//! What operators ask the database and decide in it: the log, the state of everything, tombstones, holds, pruning.

mod overview;
mod prune;
mod tombstone;

use super::{
    LogRow, journal,
    sql::{Execute, Row, Sql, Values},
};
use crate::error::Result;
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
impl<T: Execute> OperatorStore for T {
    async fn log_rows(&mut self, which: &WhichLog) -> Result<Vec<LogRow>> {
        self.is_ready().await?;
        let (mut conditions, mut values) = (vec!["1 = 1".to_owned()], Values::default());
        if let Some(entity) = &which.entity {
            let entity = values.add(entity.as_str());
            conditions.push(format!("(entity_type = {entity} or scope = {entity})"));
        }
        if let Some(since) = which.since {
            conditions.push(format!("finished_at >= {}", values.add(since)));
        }
        if which.failed {
            conditions.push("status = 'error'".to_owned());
        }
        let text = format!(
            "select {} from iiko_sync_log where {} order by id desc limit {}",
            journal::columns(),
            conditions.join(" and "),
            which.limit,
        );
        self.fetch("reading the log", "iiko_sync_log", Sql::with(text, values), journal::log_row).await
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
        let held = |table: &&str| {
            let row = [
                ("table_name", (*table).into()),
                ("since", now.into()),
                ("run_id", run.into()),
                ("held_by", by.into()),
            ];
            Sql::insert("mirror_hold", row).and(" on conflict (table_name) do nothing")
        };
        self.transact("holding deletion off", tables.iter().map(held).collect(), None).await.map(drop)
    }

    async fn release(&mut self, tables: &[&str]) -> Result<u64> {
        let released = |table: &&str| Sql::new("delete from mirror_hold where table_name = $1").bind(*table);
        let statements = tables.iter().map(released).collect();
        let touched = self.transact("releasing tables", statements, None).await?;
        Ok(touched.into_iter().flatten().sum())
    }

    async fn expired(&mut self, keep: &Keep) -> Result<Expired> {
        self.is_ready().await?;
        prune::count(self, keep).await
    }

    async fn prune(&mut self, keep: &Keep) -> Result<Expired> {
        prune::delete(self, keep).await
    }
}
