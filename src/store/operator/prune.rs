//! What is old enough to go.

use super::{Execute, Row, Sql, Values};
use crate::error::Result;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// How old what is kept may be: whatever is older goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Rows of the log, slots, deliveries and samples since then.
    pub log: DateTime<Utc>,
    /// Tombstones since then.
    pub tombstones: DateTime<Utc>,
}

/// How many rows are old enough to go, or went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Of the log.
    pub log: u64,
    /// Deleted rows.
    pub tombstones: u64,
    /// Slots of jobs.
    pub slots: u64,
    /// Messages to chats.
    pub deliveries: u64,
    /// Samples of the stop-list.
    pub samples: u64,
}

impl Expired {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.log + self.tombstones + self.slots + self.deliveries + self.samples
    }
}

/// The moment before which something is old.
type Cutoff = fn(&Keep) -> DateTime<Utc>;

/// What goes, by what it is called, as `table where condition`, and before when. The latest good run of everything stays,
/// because it says how old the mirror is; the latest slot of a job stays, because it says when the job was due last; so does
/// the latest sample of the stop-list. Documents never go, nor does the history of the stop-list.
const OLD: [(&str, &str, Cutoff); 5] = [
    (
        "log",
        "iiko_sync_log where finished_at < $1 and id not in (select id from (
             select id, row_number() over (partition by entity_type, scope order by finished_at desc, id desc) as n
             from iiko_sync_log where status in ('success', 'warning')) good where n = 1)",
        |keep| keep.log,
    ),
    ("tombstones", "mirror_tombstone where deleted_at < $1", |keep| keep.tombstones),
    (
        "slots",
        "job_slot where slot_utc < $1 and exists (
             select 1 from job_slot later where later.job = job_slot.job and later.slot_utc > job_slot.slot_utc)",
        |keep| keep.log,
    ),
    ("deliveries", "message_delivery where updated_at < $1", |keep| keep.log),
    (
        "samples",
        "stoplist_sample where taken_at < $1 and exists (
             select 1 from stoplist_sample later where later.organization_id = stoplist_sample.organization_id
                 and later.taken_at > stoplist_sample.taken_at)",
        |keep| keep.log,
    ),
];

/// Counts all of it in one statement and in one turn: a morning that has nothing to delete looks once.
pub(super) async fn count(store: &mut impl Execute, keep: &Keep) -> Result<Expired> {
    let mut values = Values::default();
    let counts = OLD.map(|(name, what, cutoff)| {
        let what = what.replace("$1", &values.add(cutoff(keep)));
        format!("(select count(*) from {what}) as {name}")
    });
    let sql = Sql::with(format!("select {}", counts.join(", ")), values).in_one_turn();
    let read = |row: &Row| {
        let count = |name| Ok(row.get::<i64>(name)?.unsigned_abs());
        OLD.iter().map(|(name, _, _)| count(name)).collect::<Result<Vec<_>>>()
    };
    let counts = store.fetch("looking for what is old", "a count", sql, read).await?;
    Ok(expired(&counts.concat()))
}

/// Deletes it in one transaction.
pub(super) async fn delete(store: &mut impl Execute, keep: &Keep) -> Result<Expired> {
    let delete =
        |(_, what, cutoff): (_, &str, Cutoff)| Sql::new(format!("delete from {what}")).bind(cutoff(keep));
    let deleted = store.transact("deleting what is old", OLD.map(delete).into(), None).await?;
    Ok(expired(&deleted.unwrap_or_default()))
}

fn expired(counts: &[u64]) -> Expired {
    let count = |position: usize| counts.get(position).copied().unwrap_or_default();
    Expired { log: count(0), tombstones: count(1), slots: count(2), deliveries: count(3), samples: count(4) }
}
