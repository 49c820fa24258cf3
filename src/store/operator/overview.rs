//! The state of everything, as the database tells it.

use super::{Execute, Row, Sql};
use crate::{
    engine::Hold,
    error::Result,
    model::report::Status,
    schedule::SlotRow,
    store::{hold, migrate::Dialect, slot::slot_row},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// What the database tells of everything. Entities are tables, jobs and what else has log rows; most have one scope, whose
/// name is empty.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// The last good run of each entity and scope.
    pub fresh: Vec<Fresh>,
    /// The latest run of each entity and scope, whatever came of it.
    pub latest: Vec<Latest>,
    /// The latest run of each entity and scope that failed or warned.
    pub problems: Vec<Latest>,
    /// Where rows are kept that answers lack.
    pub blocked: Vec<Blocked>,
    /// Tables of which an operator keeps deletion off.
    pub holds: Vec<Hold>,
    /// The latest slot of each job.
    pub slots: Vec<SlotSeen>,
    /// How many deleted rows can be brought back, and since when they are kept.
    pub tombstones: (i64, Option<DateTime<Utc>>),
    /// Runs that hold locks of the database, here or on other hosts.
    pub remote: Vec<Remote>,
}

/// The last good run of an entity's scope: a row of `mirror_freshness`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The entity.
    pub entity: String,
    /// The scope.
    pub scope: String,
    /// When it ended, UTC.
    pub at: DateTime<Utc>,
    /// The rows that it left.
    pub rows: i64,
}

/// A run of an entity's scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The entity.
    pub entity: String,
    /// The scope.
    pub scope: String,
    /// How it ended.
    pub status: Status,
    /// When it ended, UTC.
    pub at: DateTime<Utc>,
    /// What it said.
    pub message: Option<String>,
}

/// Rows that answers lack and that stay all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// The entity.
    pub entity: String,
    /// The scope.
    pub scope: String,
    /// When it was so for the first time of all the good runs since, UTC.
    pub since: DateTime<Utc>,
    /// How many rows the last good run kept.
    pub rows: i64,
}

/// The latest slot of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSeen {
    /// The job.
    pub job: String,
    /// The slot's moment, UTC.
    pub at: DateTime<Utc>,
    /// What is known of it.
    pub row: SlotRow,
    /// How late the job may begin, as the last of its slots says that knows it.
    pub grace: Option<Duration>,
}

/// A run that holds locks of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remote {
    /// The run.
    pub run_id: Uuid,
    /// The address that it connects from; none for this host.
    pub address: Option<String>,
    /// Since when it is connected, UTC.
    pub since: DateTime<Utc>,
}

pub(super) async fn read(store: &mut impl Execute) -> Result<Overview> {
    let any = "1 = 1";
    Ok(Overview {
        fresh: fresh(store).await?,
        latest: latest(store, any).await?,
        problems: latest(store, "status in ('error', 'warning')").await?,
        blocked: blocked(store).await?,
        holds: rows(store, "mirror_hold", hold::QUERY, hold::read).await?,
        slots: slots(store).await?,
        tombstones: tombstones(store).await?,
        remote: remote(store).await?,
    })
}

/// Asks, and reads each row of the answer.
async fn rows<R: Send>(
    store: &mut impl Execute,
    table: &'static str,
    text: &str,
    read: impl Fn(&Row) -> Result<R> + Send,
) -> Result<Vec<R>> {
    store.fetch(&format!("reading {table}"), table, Sql::new(text), read).await
}

async fn fresh(store: &mut impl Execute) -> Result<Vec<Fresh>> {
    let sql =
        "select table_name, scope, last_good_run, rows from mirror_freshness order by table_name, scope";
    rows(store, "mirror_freshness", sql, |row| {
        Ok(Fresh {
            entity: row.get("table_name")?,
            scope: row.get("scope")?,
            at: row.get("last_good_run")?,
            rows: row.get("rows")?,
        })
    })
    .await
}

async fn latest(store: &mut impl Execute, condition: &str) -> Result<Vec<Latest>> {
    let sql = format!(
        "select entity_type, scope, status, finished_at, error_message from (
             select entity_type, scope, status, finished_at, error_message,
                 row_number() over (partition by entity_type, scope order by finished_at desc, id desc) as n
             from iiko_sync_log where {condition}) runs
         where n = 1 order by entity_type, scope"
    );
    rows(store, "iiko_sync_log", &sql, |row| {
        Ok(Latest {
            entity: row.get("entity_type")?,
            scope: row.get("scope")?,
            status: row.read("status", Status::of)?,
            at: row.get("finished_at")?,
            message: row.optional("error_message")?,
        })
    })
    .await
}

/// Since the last good run that kept nothing back, or ever.
async fn blocked(store: &mut impl Execute) -> Result<Vec<Blocked>> {
    let sql = "select entity_type, scope, min(finished_at) as since,
             max(case when n = 1 then delete_blocked end) as blocked from (
             select entity_type, scope, finished_at, delete_blocked,
                 row_number() over (partition by entity_type, scope order by finished_at desc, id desc) as n
             from iiko_sync_log l
             where status in ('success', 'warning') and delete_blocked > 0 and not exists (
                 select 1 from iiko_sync_log later
                 where later.entity_type = l.entity_type and later.scope = l.scope
                     and later.finished_at > l.finished_at and later.status in ('success', 'warning')
                     and later.delete_blocked = 0)) runs
         group by entity_type, scope order by entity_type, scope";
    rows(store, "iiko_sync_log", sql, |row| {
        Ok(Blocked {
            entity: row.get("entity_type")?,
            scope: row.get("scope")?,
            since: row.get("since")?,
            rows: row.get("blocked")?,
        })
    })
    .await
}

async fn slots(store: &mut impl Execute) -> Result<Vec<SlotSeen>> {
    let sql = "select job, slot_utc, state, run_id, started_at, finished_at, exit_code, attempts,
             (select grace_s from job_slot g where g.job = slots.job and g.grace_s is not null
              order by g.slot_utc desc limit 1) as grace
         from (
             select job, slot_utc, state, run_id, started_at, finished_at, exit_code, attempts,
                 row_number() over (partition by job order by slot_utc desc) as n
             from job_slot) slots
         where n = 1 order by job";
    rows(store, "job_slot", sql, |row| {
        let grace = row.optional::<i64>("grace")?.map(u64::try_from).transpose();
        Ok(SlotSeen {
            job: row.get("job")?,
            at: row.get("slot_utc")?,
            row: slot_row(row, row.read("state", |state| state.parse().ok())?)?,
            grace: grace.map_err(|_| row.unreadable())?.map(Duration::from_secs),
        })
    })
    .await
}

async fn tombstones(store: &mut impl Execute) -> Result<(i64, Option<DateTime<Utc>>)> {
    let sql = "select count(*) as graves, min(deleted_at) as since from mirror_tombstone";
    let read = |row: &Row| Ok((row.get("graves")?, row.optional("since")?));
    Ok(rows(store, "mirror_tombstone", sql, read).await?.pop().unwrap_or_default())
}

/// Connections that hold an advisory lock and are called after a run. An `SQLite` file has no other hosts.
async fn remote(store: &mut impl Execute) -> Result<Vec<Remote>> {
    if store.dialect() == Dialect::Sqlite {
        return Ok(Vec::new());
    }
    let sql = "select substr(application_name, 9) as run, host(min(client_addr)) as address, min(backend_start) as since
         from pg_stat_activity
         where datname = current_database() and application_name like 'zerkalo %' and exists (
             select from pg_locks l where l.pid = pg_stat_activity.pid and l.locktype = 'advisory' and l.granted)
         group by application_name order by application_name";
    rows(store, "pg_stat_activity", sql, |row| {
        Ok(Remote {
            run_id: row.read("run", |text| text.parse().ok())?,
            address: row.optional("address")?,
            since: row.get("since")?,
        })
    })
    .await
}
