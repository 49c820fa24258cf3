//! Slots of scheduled jobs.

use super::{Sqlite, stamp};
use crate::{
    error::{Kind, Result},
    schedule::{Slot, SlotRow, SlotState},
    store::{
        failure,
        migrate::Found,
        slot::{Claim, SlotStore, state_of},
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection};
use uuid::Uuid;

/// Begins with a slot, in whatever transaction the connection is in. False when the claim came second.
pub(in crate::store) async fn claim(
    connection: &mut SqliteConnection,
    claim: &Claim,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "insert into job_slot as s (job, slot_utc, business_date, state, run_id, started_at, attempts, grace_s)
         select ?1, ?2, ?3, 'running', ?4, ?5, ?6 + 1, ?7
         where ?6 = 0 or exists (select 1 from job_slot where job = ?1 and slot_utc = ?2)
         on conflict (job, slot_utc) do update set state = 'running', run_id = excluded.run_id,
             started_at = excluded.started_at, finished_at = null, exit_code = null, attempts = excluded.attempts,
             grace_s = coalesce(excluded.grace_s, s.grace_s)
         where s.attempts = ?6 and s.state <> 'done'",
    )
    .bind(&claim.slot.job)
    .bind(stamp(claim.slot.at))
    .bind(claim.slot.business_date().to_string())
    .bind(claim.run.hyphenated().to_string())
    .bind(stamp(claim.now))
    .bind(claim.seen)
    .bind(claim.slot.grace_seconds())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

#[async_trait]
impl SlotStore for Sqlite {
    async fn slot(&mut self, slot: &Slot) -> Result<Option<SlotRow>> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(None);
        }
        let doing = "reading the slot";
        let row = sqlx::query(
            "select state, run_id, started_at, finished_at, exit_code, attempts from job_slot
             where job = ? and slot_utc = ?",
        )
        .bind(&slot.job)
        .bind(stamp(slot.at))
        .fetch_optional(self.live().await?)
        .await
        .map_err(|error| failure(doing, error))?;
        let Some(row) = row else { return Ok(None) };
        let read = || -> Result<(String, SlotRow), sqlx::Error> {
            let run: String = row.try_get(1)?;
            let slot = SlotRow {
                state: SlotState::Running,
                run_id: Uuid::try_parse(&run).map_err(|error| sqlx::Error::Decode(error.into()))?,
                started_at: row.try_get(2)?,
                finished_at: row.try_get(3)?,
                exit_code: row.try_get(4)?,
                attempts: row.try_get(5)?,
            };
            Ok((row.try_get(0)?, slot))
        };
        let (state, slot) = read().map_err(|error| failure(doing, error))?;
        Ok(Some(SlotRow { state: state_of(&state)?, ..slot }))
    }

    async fn claim_slot(&mut self, wanted: &Claim) -> Result<bool> {
        claim(self.live().await?, wanted).await.map_err(|error| self.failed("claiming the slot", error))
    }

    async fn finish_slot(
        &mut self,
        slot: &Slot,
        run: Uuid,
        exit_code: u8,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update job_slot set state = ?4, exit_code = ?5, finished_at = ?6
             where job = ?1 and slot_utc = ?2 and run_id = ?3 and state = 'running'",
        )
        .bind(&slot.job)
        .bind(stamp(slot.at))
        .bind(run.hyphenated().to_string())
        .bind(SlotState::after(exit_code).name())
        .bind(i64::from(exit_code))
        .bind(stamp(now))
        .execute(self.live().await?)
        .await
        .map_err(|error| self.failed("finishing the slot", error))?;
        Ok(done.rows_affected() == 1)
    }

    async fn misfire_slot(&mut self, slot: &Slot, run: Uuid, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "insert into job_slot as s (job, slot_utc, business_date, state, run_id, finished_at, exit_code, grace_s)
             values (?1, ?2, ?3, 'misfired', ?4, ?5, ?6, ?7)
             on conflict (job, slot_utc) do update set state = 'misfired', finished_at = excluded.finished_at,
                 exit_code = excluded.exit_code, grace_s = coalesce(excluded.grace_s, s.grace_s)
             where s.state = 'running'",
        )
        .bind(&slot.job)
        .bind(stamp(slot.at))
        .bind(slot.business_date().to_string())
        .bind(run.hyphenated().to_string())
        .bind(stamp(now))
        .bind(i64::from(Kind::Misfire.exit_code()))
        .bind(slot.grace_seconds())
        .execute(self.live().await?)
        .await
        .map(|_| ())
        .map_err(|error| self.failed("writing down a misfire", error))
    }
}
