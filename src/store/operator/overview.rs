//! The state of everything, as the database tells it.

use super::{Answer, Columns, Speak, moment};
use crate::{
    engine::Hold,
    error::Result,
    model::report::Status,
    schedule::{SlotRow, SlotState},
    store::migrate::Dialect,
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

pub(super) async fn read<S: Speak + ?Sized>(store: &mut S) -> Result<Overview> {
    let any = "1 = 1";
    Ok(Overview {
        fresh: fresh(store).await?,
        latest: latest(store, any).await?,
        problems: latest(store, "status in ('error', 'warning')").await?,
        blocked: blocked(store).await?,
        holds: holds(store).await?,
        slots: slots(store).await?,
        tombstones: tombstones(store).await?,
        remote: remote(store).await?,
    })
}

/// Asks, and reads each row of the answer.
async fn rows<S: Speak + ?Sized, R>(
    store: &mut S,
    table: &'static str,
    sql: String,
    read: impl Fn(&mut Columns) -> Result<R>,
) -> Result<Vec<R>> {
    let answers = store.ask(&format!("reading {table}"), (sql, Vec::new())).await?;
    let row = |answer: Answer| read(&mut Columns::new(table, answer));
    answers.into_iter().map(row).collect()
}

async fn fresh<S: Speak + ?Sized>(store: &mut S) -> Result<Vec<Fresh>> {
    let sql = format!(
        "select table_name, scope, {}, rows from mirror_freshness order by table_name, scope",
        store.words().stamp("last_good_run")
    );
    rows(store, "mirror_freshness", sql, |columns| {
        let (entity, scope) = (columns.text()?, columns.text()?);
        Ok(Fresh { entity, scope, at: columns.read(moment)?, rows: columns.count()? })
    })
    .await
}

async fn latest<S: Speak + ?Sized>(store: &mut S, condition: &str) -> Result<Vec<Latest>> {
    let sql = format!(
        "select entity_type, scope, status, {}, error_message from (
             select entity_type, scope, status, finished_at, error_message,
                 row_number() over (partition by entity_type, scope order by finished_at desc, id desc) as n
             from iiko_sync_log where {condition}) runs
         where n = 1 order by entity_type, scope",
        store.words().stamp("finished_at")
    );
    rows(store, "iiko_sync_log", sql, |columns| {
        let (entity, scope) = (columns.text()?, columns.text()?);
        let (status, at) = (columns.read(Status::of)?, columns.read(moment)?);
        Ok(Latest { entity, scope, status, at, message: columns.optional() })
    })
    .await
}

/// Since the last good run that kept nothing back, or ever.
async fn blocked<S: Speak + ?Sized>(store: &mut S) -> Result<Vec<Blocked>> {
    let sql = format!(
        "select entity_type, scope, {}, max(case when n = 1 then delete_blocked end) from (
             select entity_type, scope, finished_at, delete_blocked,
                 row_number() over (partition by entity_type, scope order by finished_at desc, id desc) as n
             from iiko_sync_log l
             where status in ('success', 'warning') and delete_blocked > 0 and not exists (
                 select 1 from iiko_sync_log later
                 where later.entity_type = l.entity_type and later.scope = l.scope
                     and later.finished_at > l.finished_at and later.status in ('success', 'warning')
                     and later.delete_blocked = 0)) runs
         group by entity_type, scope order by entity_type, scope",
        store.words().stamp("min(finished_at)")
    );
    rows(store, "iiko_sync_log", sql, |columns| {
        let (entity, scope) = (columns.text()?, columns.text()?);
        Ok(Blocked { entity, scope, since: columns.read(moment)?, rows: columns.count()? })
    })
    .await
}

async fn holds<S: Speak + ?Sized>(store: &mut S) -> Result<Vec<Hold>> {
    let sql = crate::store::hold::query(&store.words().stamp("since"));
    rows(store, "mirror_hold", sql, |columns| {
        Ok(Hold { table: columns.text()?, since: columns.read(moment)?, by: columns.text()? })
    })
    .await
}

async fn slots<S: Speak + ?Sized>(store: &mut S) -> Result<Vec<SlotSeen>> {
    let words = store.words();
    let sql = format!(
        "select job, {}, state, run_id, {}, {}, exit_code, attempts,
             (select grace_s from job_slot g where g.job = slots.job and g.grace_s is not null
              order by g.slot_utc desc limit 1)
         from (
             select job, slot_utc, state, run_id, started_at, finished_at, exit_code, attempts,
                 row_number() over (partition by job order by slot_utc desc) as n
             from job_slot) slots
         where n = 1 order by job",
        words.stamp("slot_utc"),
        words.stamp("started_at"),
        words.stamp("finished_at"),
    );
    rows(store, "job_slot", sql, |columns| {
        let (job, at) = (columns.text()?, columns.read(moment)?);
        let row = SlotRow {
            state: columns.read(SlotState::of)?,
            run_id: columns.read(|text| text.parse().ok())?,
            started_at: columns.read_optional(moment)?,
            finished_at: columns.read_optional(moment)?,
            exit_code: columns.read_optional(|text| text.parse().ok())?,
            attempts: columns.count()?,
        };
        let grace = columns.read_optional(|text| text.parse().ok().map(Duration::from_secs))?;
        Ok(SlotSeen { job, at, row, grace })
    })
    .await
}

async fn tombstones<S: Speak + ?Sized>(store: &mut S) -> Result<(i64, Option<DateTime<Utc>>)> {
    let sql = format!("select count(*), {} from mirror_tombstone", store.words().stamp("min(deleted_at)"));
    let read = |columns: &mut Columns| Ok((columns.count()?, columns.read_optional(moment)?));
    Ok(rows(store, "mirror_tombstone", sql, read).await?.pop().unwrap_or_default())
}

/// Connections that hold an advisory lock and are called after a run. An `SQLite` file has no other hosts.
async fn remote<S: Speak + ?Sized>(store: &mut S) -> Result<Vec<Remote>> {
    let words = store.words();
    if words.0 == Dialect::Sqlite {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select substr(application_name, 9), host(min(client_addr)), {} from pg_stat_activity
         where datname = current_database() and application_name like 'zerkalo %' and exists (
             select from pg_locks l where l.pid = pg_stat_activity.pid and l.locktype = 'advisory' and l.granted)
         group by application_name order by 1",
        words.stamp("min(backend_start)")
    );
    let read = |columns: &mut Columns| {
        let run_id = columns.read(|text| text.parse().ok())?;
        Ok(Remote { run_id, address: columns.optional(), since: columns.read(moment)? })
    };
    rows(store, "pg_stat_activity", sql, read).await
}
