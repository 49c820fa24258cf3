//! Slots of scheduled jobs: who has begun with one, and how it ended.

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

/// The `job_slot` side of a [`super::Store`]. Each dialect has the claim as a statement of its own, too, for a job that
/// writes its plan in the same transaction.
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

/// The state that a row holds.
pub(super) fn state_of(name: &str) -> Result<SlotState> {
    SlotState::of(name).ok_or_else(|| {
        Failure::new(Kind::Database, format!("job_slot: `{name}` is no state of a slot"))
            .hint("somebody else has written to job_slot; put the state right by hand")
    })
}
