//! What is old enough to go.

use super::{Columns, Speak, text};
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

/// What goes, as `table where condition`, and before when. The latest good run of everything stays, because it says how old
/// the mirror is; the latest slot of a job stays, because it says when the job was due last; so does the latest sample of
/// the stop-list. Documents never go, nor does the history of the stop-list.
const OLD: [(&str, Cutoff); 5] = [
    (
        "iiko_sync_log where finished_at < $cutoff and id not in (select id from (
             select id, row_number() over (partition by entity_type, scope order by finished_at desc, id desc) as n
             from iiko_sync_log where status in ('success', 'warning')) good where n = 1)",
        |keep| keep.log,
    ),
    ("mirror_tombstone where deleted_at < $cutoff", |keep| keep.tombstones),
    (
        "job_slot where slot_utc < $cutoff and exists (
             select 1 from job_slot later where later.job = job_slot.job and later.slot_utc > job_slot.slot_utc)",
        |keep| keep.log,
    ),
    ("message_delivery where updated_at < $cutoff", |keep| keep.log),
    (
        "stoplist_sample where taken_at < $cutoff and exists (
             select 1 from stoplist_sample later where later.organization_id = stoplist_sample.organization_id
                 and later.taken_at > stoplist_sample.taken_at)",
        |keep| keep.log,
    ),
];

/// Counts all of it in one statement: a morning that has nothing to delete looks once.
pub(super) async fn count(store: &mut (impl Speak + ?Sized), keep: &Keep) -> Result<Expired> {
    let words = store.words();
    let (counts, cutoffs): (Vec<String>, Vec<String>) = OLD
        .iter()
        .enumerate()
        .map(|(position, (what, cutoff))| {
            let what = what.replace("$cutoff", &words.moment(position + 1));
            (format!("(select count(*) from {what})"), text(cutoff(keep)))
        })
        .unzip();
    let sql = format!("select {}", counts.join(", "));
    let mut answers = store.ask("looking for what is old", (sql, cutoffs)).await?;
    let mut columns = Columns::new("a count", answers.pop().unwrap_or_default());
    let counts: Vec<u64> =
        OLD.iter().map(|_| columns.count().map(i64::unsigned_abs)).collect::<Result<_>>()?;
    Ok(expired(&counts))
}

/// Deletes it in one transaction.
pub(super) async fn delete(store: &mut (impl Speak + ?Sized), keep: &Keep) -> Result<Expired> {
    let words = store.words();
    let statements = OLD.map(|(what, cutoff)| {
        let what = what.replace("$cutoff", &words.moment(1));
        (format!("delete from {what}"), vec![text(cutoff(keep))])
    });
    store.tell("deleting what is old", statements.into()).await.map(|counts| expired(&counts))
}

fn expired(counts: &[u64]) -> Expired {
    let count = |position: usize| counts.get(position).copied().unwrap_or_default();
    Expired { log: count(0), tombstones: count(1), slots: count(2), deliveries: count(3), samples: count(4) }
}
