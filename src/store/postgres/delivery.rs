//! What was sent to whom.

use super::Postgres;
use crate::{
    error::Result,
    store::{
        delivery::{ABANDONED, DeliveryStore, Outcome, Outgoing},
        failure,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

#[async_trait]
impl DeliveryStore for Postgres {
    async fn abandon_deliveries(
        &mut self,
        job: &str,
        run: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>> {
        self.migrate(false).await?;
        sqlx::query_as(
            "update message_delivery set state = 'unknown', last_error = $3, updated_at = $4
             where job = $1 and state = 'sending' and run_id <> $2 returning key, chat",
        )
        .bind(job)
        .bind(run)
        .bind(ABANDONED)
        .bind(now)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| failure("reading what was being sent", error))
    }

    async fn plan_deliveries(
        &mut self,
        outgoing: &Outgoing<'_>,
        chats: &[String],
        now: DateTime<Utc>,
    ) -> Result<()> {
        sqlx::query(
            "insert into message_delivery (key, chat, job, kind, body_sha256, state, run_id, created_at, updated_at)
             select $1, chat, $3, $4, $5, 'planned', $6, $7, $7 from unnest($2::text[]) as chats(chat)
             on conflict (key, chat) do nothing",
        )
        .bind(outgoing.key)
        .bind(chats)
        .bind(outgoing.job)
        .bind(outgoing.kind)
        .bind(&outgoing.body_sha256)
        .bind(outgoing.run)
        .bind(now)
        .execute(&mut self.connection)
        .await
        .map(|_| ())
        .map_err(|error| failure("planning a message", error))
    }

    async fn begin_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update message_delivery set state = 'sending', attempts = attempts + 1, kind = $3, body_sha256 = $4,
                 run_id = $5, updated_at = $6, last_error = null
             where key = $1 and chat = $2
               and (state in ('planned', 'failed') or (state in ('sent', 'unknown') and updated_at <= $7))",
        )
        .bind(outgoing.key)
        .bind(chat)
        .bind(outgoing.kind)
        .bind(&outgoing.body_sha256)
        .bind(outgoing.run)
        .bind(now)
        .bind(outgoing.repeatable(now))
        .execute(&mut self.connection)
        .await
        .map_err(|error| failure("beginning to send a message", error))?;
        Ok(done.rows_affected() == 1)
    }

    async fn end_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let (message_id, error) = outcome.parts();
        // Another run may have given this one up meanwhile; this one knows better.
        let done = sqlx::query(
            "update message_delivery set state = $4, message_id = $5, last_error = $6, updated_at = $7
             where key = $1 and chat = $2 and run_id = $3 and state in ('sending', 'unknown')",
        )
        .bind(outgoing.key)
        .bind(chat)
        .bind(outgoing.run)
        .bind(outcome.state().name())
        .bind(message_id)
        .bind(error)
        .bind(now)
        .execute(&mut self.connection)
        .await
        .map_err(|error| failure("writing down what was sent", error))?;
        Ok(done.rows_affected() == 1)
    }

    async fn release_deliveries(&mut self, key: &str, now: DateTime<Utc>) -> Result<u64> {
        let done = sqlx::query(
            "update message_delivery set state = 'planned', updated_at = $2 where key = $1 and state = 'unknown'",
        )
        .bind(key)
        .bind(now)
        .execute(&mut self.connection)
        .await
        .map_err(|error| failure("releasing a message", error))?;
        Ok(done.rows_affected())
    }
}
