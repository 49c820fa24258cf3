//! Slots of scheduled jobs: who has begun with one, and how it ended.

use super::sql::{Execute, Row, Sql};
use crate::{
    error::{Failure, Kind, Result},
    schedule::{Slot, SlotRow, SlotState},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A run's claim on a slot, made of what it has seen of it.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The slot.
    pub slot: Slot,
    /// How many runs had begun with it when this one looked: the claim fails when another one has begun since.
    pub seen: i64,
    /// The run that claims it.
    pub run: Uuid,
    /// When, UTC.
    pub now: DateTime<Utc>,
}

impl Claim {
    /// Begins with the slot, in whatever transaction the connection is in. Touches no row when the claim came second.
    pub(super) fn sql(&self) -> Sql {
        Sql::new(
            "insert into job_slot as s (job, slot_utc, business_date, state, run_id, started_at, attempts, grace_s)
             select $1, $2, $3, 'running', $4, $5, $6 + 1, $7
             where $6 = 0 or exists (select 1 from job_slot where job = $1 and slot_utc = $2)
             on conflict (job, slot_utc) do update set state = 'running', run_id = excluded.run_id,
                 started_at = excluded.started_at, finished_at = null, exit_code = null, attempts = excluded.attempts,
                 grace_s = coalesce(excluded.grace_s, s.grace_s)
             where s.attempts = $6 and s.state <> 'done'",
        )
        .bind(self.slot.job.as_str())
        .bind(self.slot.at)
        .bind(self.slot.business_date())
        .bind(self.run)
        .bind(self.now)
        .bind(self.seen)
        .bind(self.slot.grace_seconds())
        .in_one_turn()
    }
}

/// The `job_slot` side of a [`super::Store`]. What every scheduled start asks goes in one turn each.
#[async_trait]
pub trait SlotStore: Send {
    /// Reads a slot, migrating first where that loses nothing.
    async fn slot(&mut self, slot: &Slot) -> Result<Option<SlotRow>>;

    /// Begins with a slot. False when another run has begun with it since it was looked at, or it is done: of two starts
    /// at once exactly one begins.
    async fn claim_slot(&mut self, claim: &Claim) -> Result<bool>;

    /// Writes down how the run ended that has claimed the slot: [`SlotState::after`] says whether it is done now. False
    /// when the slot is no longer that run's.
    async fn finish_slot(
        &mut self,
        slot: &Slot,
        run: Uuid,
        exit_code: u8,
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// Writes down that a start came too late; a slot that is done stays done.
    async fn misfire_slot(&mut self, slot: &Slot, run: Uuid, now: DateTime<Utc>) -> Result<()>;
}

#[async_trait]
impl<T: Execute> SlotStore for T {
    async fn slot(&mut self, slot: &Slot) -> Result<Option<SlotRow>> {
        if !self.is_ready().await? {
            return Ok(None);
        }
        let sql = Sql::new(
            "select state, run_id, started_at, finished_at, exit_code, attempts from job_slot
             where job = $1 and slot_utc = $2",
        );
        let sql = sql.bind(slot.job.as_str()).bind(slot.at).in_one_turn();
        let found = self.fetch("reading the slot", "job_slot", sql, |row| {
            let state: String = row.get("state")?;
            let state = state.parse().map_err(|_| {
                Failure::new(Kind::Database, format!("job_slot: `{state}` is no state of a slot"))
                    .hint("somebody else has written to job_slot; put the state right by hand")
            })?;
            slot_row(row, state)
        });
        Ok(found.await?.pop())
    }

    async fn claim_slot(&mut self, claim: &Claim) -> Result<bool> {
        Ok(self.execute("claiming the slot", claim.sql()).await? == 1)
    }

    async fn finish_slot(
        &mut self,
        slot: &Slot,
        run: Uuid,
        exit_code: u8,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let sql = Sql::new(
            "update job_slot set state = $4, exit_code = $5, finished_at = $6
             where job = $1 and slot_utc = $2 and run_id = $3 and state = 'running'",
        )
        .bind(slot.job.as_str())
        .bind(slot.at)
        .bind(run)
        .bind(SlotState::after(exit_code).name())
        .bind(i64::from(exit_code))
        .bind(now)
        .in_one_turn();
        Ok(self.execute("finishing the slot", sql).await? == 1)
    }

    async fn misfire_slot(&mut self, slot: &Slot, run: Uuid, now: DateTime<Utc>) -> Result<()> {
        let sql = Sql::new(
            "insert into job_slot as s (job, slot_utc, business_date, state, run_id, finished_at, exit_code, grace_s)
             values ($1, $2, $3, 'misfired', $4, $5, $6, $7)
             on conflict (job, slot_utc) do update set state = 'misfired', finished_at = excluded.finished_at,
                 exit_code = excluded.exit_code, grace_s = coalesce(excluded.grace_s, s.grace_s)
             where s.state = 'running'",
        )
        .bind(slot.job.as_str())
        .bind(slot.at)
        .bind(slot.business_date())
        .bind(run)
        .bind(now)
        .bind(i64::from(Kind::Misfire.exit_code()))
        .bind(slot.grace_seconds());
        self.execute("writing down a misfire", sql).await.map(drop)
    }
}

/// What a row of `job_slot` says beside its state.
pub(super) fn slot_row(row: &Row, state: SlotState) -> Result<SlotRow> {
    Ok(SlotRow {
        state,
        run_id: row.get("run_id")?,
        started_at: row.optional("started_at")?,
        finished_at: row.optional("finished_at")?,
        exit_code: row.optional("exit_code")?,
        attempts: row.get("attempts")?,
    })
}
