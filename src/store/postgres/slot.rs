//! Slots of scheduled jobs.

use super::{Postgres, statement::inline};
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
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

/// Begins with a slot, in whatever transaction the connection is in. False when the claim came second.
pub(in crate::store) async fn claim(
    connection: &mut PgConnection,
    claim: &Claim,
) -> Result<bool, sqlx::Error> {
    let sql = "insert into job_slot as s (job, slot_utc, business_date, state, run_id, started_at, attempts, grace_s)
         select $1, $2::timestamptz, $3::date, 'running', $4::uuid, $5::timestamptz, $6::bigint + 1,
             nullif($7, '')::bigint
         where $6::bigint = 0 or exists (select from job_slot where job = $1 and slot_utc = $2::timestamptz)
         on conflict (job, slot_utc) do update set state = 'running', run_id = excluded.run_id,
             started_at = excluded.started_at, finished_at = null, exit_code = null, attempts = excluded.attempts,
             grace_s = coalesce(excluded.grace_s, s.grace_s)
         where s.attempts = $6::bigint and s.state <> 'done'";
    let parameters = [
        claim.slot.job.clone(),
        claim.slot.at.to_rfc3339(),
        claim.slot.business_date().to_string(),
        claim.run.to_string(),
        claim.now.to_rfc3339(),
        claim.seen.to_string(),
        claim.slot.grace_seconds().map_or_else(String::new, |grace| grace.to_string()),
    ];
    let done = sqlx::raw_sql(AssertSqlSafe(inline(sql, &parameters))).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

#[async_trait]
impl SlotStore for Postgres {
    async fn slot(&mut self, slot: &Slot) -> Result<Option<SlotRow>> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(None);
        }
        let doing = "reading the slot";
        let sql = "select state, run_id, started_at, finished_at, exit_code, attempts from job_slot
             where job = $1 and slot_utc = $2::timestamptz";
        let sql = inline(sql, &[slot.job.clone(), slot.at.to_rfc3339()]);
        let row = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|error| failure(doing, error))?;
        let Some(row) = row else { return Ok(None) };
        let read = || -> Result<(String, SlotRow), sqlx::Error> {
            let slot = SlotRow {
                state: SlotState::Running,
                run_id: row.try_get(1)?,
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
        claim(&mut self.connection, wanted).await.map_err(|error| failure("claiming the slot", error))
    }

    async fn finish_slot(
        &mut self,
        slot: &Slot,
        run: Uuid,
        exit_code: u8,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let sql = "update job_slot set state = $4, exit_code = $5::bigint, finished_at = $6::timestamptz
             where job = $1 and slot_utc = $2::timestamptz and run_id = $3::uuid and state = 'running'";
        let parameters = [
            slot.job.clone(),
            slot.at.to_rfc3339(),
            run.to_string(),
            SlotState::after(exit_code).name().to_owned(),
            exit_code.to_string(),
            now.to_rfc3339(),
        ];
        let done = sqlx::raw_sql(AssertSqlSafe(inline(sql, &parameters)))
            .execute(&mut self.connection)
            .await
            .map_err(|error| failure("finishing the slot", error))?;
        Ok(done.rows_affected() == 1)
    }

    async fn misfire_slot(&mut self, slot: &Slot, run: Uuid, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "insert into job_slot as s (job, slot_utc, business_date, state, run_id, finished_at, exit_code, grace_s)
             values ($1, $2, $3, 'misfired', $4, $5, $6, $7)
             on conflict (job, slot_utc) do update set state = 'misfired', finished_at = excluded.finished_at,
                 exit_code = excluded.exit_code, grace_s = coalesce(excluded.grace_s, s.grace_s)
             where s.state = 'running'",
        )
        .bind(&slot.job)
        .bind(slot.at)
        .bind(slot.business_date())
        .bind(run)
        .bind(now)
        .bind(i64::from(Kind::Misfire.exit_code()))
        .bind(slot.grace_seconds())
        .execute(&mut self.connection)
        .await
        .map(|_| ())
        .map_err(|error| failure("writing down a misfire", error))
    }
}
