//! What was sent to whom: one row for a message and a chat, written before the message goes out.

use super::sql::{Execute, Row, Sql, Value, Values};
use crate::error::{Failure, Kind, Result};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

/// How far a message to a chat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum DeliveryState {
    /// It is to be sent.
    Planned,
    /// A request is out, or its run is gone.
    Sending,
    /// It is in the chat.
    Sent,
    /// It surely is not in the chat.
    Failed,
    /// It may be in the chat.
    Unknown,
}

impl DeliveryState {
    /// The word for it in the database.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A message on its way, without what it says.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// What it is about: a chat gets at most one message of a key.
    pub key: &'a str,
    /// The job that sends it.
    pub job: &'a str,
    /// `text` or `photo`.
    pub kind: &'static str,
    /// The SHA-256 of what it says.
    pub body_sha256: String,
    /// The run that sends it.
    pub run: Uuid,
    /// For an alarm that may be repeated: how long after a chat has got it, or may have.
    pub again_after: Option<TimeDelta>,
}

/// What became of a message to a chat; a failure in one sentence without a secret.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is in the chat, under this number.
    Sent(i64),
    /// It surely is not in the chat.
    Failed(String),
    /// It may be in the chat.
    Unknown(String),
}

impl Outcome {
    /// The state that it leads to.
    pub const fn state(&self) -> DeliveryState {
        match self {
            Self::Sent(_) => DeliveryState::Sent,
            Self::Failed(_) => DeliveryState::Failed,
            Self::Unknown(_) => DeliveryState::Unknown,
        }
    }
}

/// How far a message to a chat is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The chat.
    pub chat: String,
    /// `text` or `photo`.
    pub kind: String,
    /// How far it is.
    pub state: DeliveryState,
    /// The run that has sent it, or tried to last.
    pub run_id: String,
    /// What went wrong.
    pub error: Option<String>,
}

/// What a delivery says whose run ended before the answer came.
const ABANDONED: &str = "the run ended before the answer came";

/// The `message_delivery` side of a [`super::Store`].
#[async_trait]
pub trait DeliveryStore: Send {
    /// Turns what other runs of a job left as `sending` into `unknown`, migrating first where that loses nothing; keys
    /// and chats of those.
    async fn abandon_deliveries(
        &mut self,
        job: &str,
        run: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>>;

    /// Plans a message for each chat that has no row of its key.
    async fn plan_deliveries(
        &mut self,
        outgoing: &Outgoing<'_>,
        chats: &[String],
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Begins to send to a chat: committed when this returns. False when the message was sent to it, or may have been,
    /// too lately for sending it again.
    async fn begin_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// Writes down what became of a message that this run has begun to send. False when it has no such row.
    async fn end_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// Whether some chat has got a message whose key begins so, or may have.
    async fn was_told(&mut self, beginning: &str) -> Result<bool>;

    /// The deliveries of a key, by chat.
    async fn deliveries(&mut self, key: &str) -> Result<Vec<Delivery>>;

    /// Makes the deliveries of a key that are in one of these states planned ones again; how many they are.
    async fn release_deliveries(
        &mut self,
        key: &str,
        states: &[DeliveryState],
        now: DateTime<Utc>,
    ) -> Result<usize>;
}

/// What deliveries are read from.
const TABLE: &str = "message_delivery";

#[async_trait]
impl<T: Execute> DeliveryStore for T {
    async fn abandon_deliveries(
        &mut self,
        job: &str,
        run: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>> {
        self.is_ready().await?;
        let sql = Sql::new(
            "update message_delivery set state = 'unknown', last_error = $3, updated_at = $4
             where job = $1 and state = 'sending' and run_id <> $2 returning key, chat",
        );
        let sql = sql.bind(job).bind(run).bind(ABANDONED).bind(now);
        let pair = |row: &Row| Ok((row.get("key")?, row.get("chat")?));
        self.fetch("reading what was being sent", TABLE, sql, pair).await
    }

    async fn plan_deliveries(
        &mut self,
        outgoing: &Outgoing<'_>,
        chats: &[String],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if chats.is_empty() {
            return Ok(());
        }
        let mut values = Values::default();
        let about: [Value; 6] = [
            outgoing.key.into(),
            outgoing.job.into(),
            outgoing.kind.into(),
            outgoing.body_sha256.as_str().into(),
            outgoing.run.into(),
            now.into(),
        ];
        let [key, job, kind, digest, run, at] = about.map(|value| values.add(value));
        let row = |chat: &String| {
            let chat = values.add(chat.as_str());
            format!("({key}, {chat}, {job}, {kind}, {digest}, 'planned', {run}, {at}, {at})")
        };
        let rows: Vec<String> = chats.iter().map(row).collect();
        let text = format!(
            "insert into message_delivery (key, chat, job, kind, body_sha256, state, run_id, created_at, updated_at)
             values {} on conflict (key, chat) do nothing",
            rows.join(", ")
        );
        self.execute("planning a message", Sql::with(text, values)).await.map(drop)
    }

    async fn begin_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        // Nothing is before null, so what is not repeated is never sent again.
        let before = outgoing.again_after.map(|time| now - time);
        let sql = Sql::new(
            "update message_delivery set state = 'sending', attempts = attempts + 1, kind = $3, body_sha256 = $4,
                 run_id = $5, updated_at = $6, last_error = null
             where key = $1 and chat = $2
                 and (state in ('planned', 'failed') or (state in ('sent', 'unknown') and updated_at <= $7))",
        )
        .bind(outgoing.key)
        .bind(chat)
        .bind(outgoing.kind)
        .bind(outgoing.body_sha256.as_str())
        .bind(outgoing.run)
        .bind(now)
        .bind(before);
        Ok(self.execute("beginning to send a message", sql).await? == 1)
    }

    async fn end_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let (id, error) = match outcome {
            Outcome::Sent(id) => (Some(*id), None),
            Outcome::Failed(why) | Outcome::Unknown(why) => (None, Some(why.clone())),
        };
        // Another run may have given this one up meanwhile; this one knows better.
        let sql = Sql::new(
            "update message_delivery set state = $4, updated_at = $5, message_id = $6, last_error = $7
             where key = $1 and chat = $2 and run_id = $3 and state in ('sending', 'unknown')",
        )
        .bind(outgoing.key)
        .bind(chat)
        .bind(outgoing.run)
        .bind(outcome.state().name())
        .bind(now)
        .bind(id)
        .bind(error);
        Ok(self.execute("writing down what was sent", sql).await? == 1)
    }

    async fn was_told(&mut self, beginning: &str) -> Result<bool> {
        self.is_ready().await?;
        let sql = "select count(*) > 0 as told from message_delivery
             where substr(key, 1, length($1)) = $1 and state in ('sending', 'sent', 'unknown')";
        let sql = Sql::new(sql).bind(beginning);
        Ok(self.fetch("reading what was sent", TABLE, sql, |row| row.get::<bool>("told")).await? == [true])
    }

    async fn deliveries(&mut self, key: &str) -> Result<Vec<Delivery>> {
        let sql =
            "select chat, kind, state, run_id, last_error from message_delivery where key = $1 order by chat";
        self.fetch("reading what was sent", TABLE, Sql::new(sql).bind(key), delivery).await
    }

    async fn release_deliveries(
        &mut self,
        key: &str,
        states: &[DeliveryState],
        now: DateTime<Utc>,
    ) -> Result<usize> {
        let mut values = Values::default();
        let (key, at) = (values.add(key), values.add(now));
        let states: Vec<String> = states.iter().map(|state| values.add(state.name())).collect();
        let text = format!(
            "update message_delivery set state = 'planned', updated_at = {at} where key = {key} and state in ({})",
            states.join(", "),
        );
        let released = self.execute("releasing a message", Sql::with(text, values)).await?;
        Ok(usize::try_from(released).unwrap_or(usize::MAX))
    }
}

fn delivery(row: &Row) -> Result<Delivery> {
    let state: String = row.get("state")?;
    let state = state.parse().map_err(|_| {
        Failure::new(Kind::Database, format!("message_delivery: `{state}` is no state of a message"))
            .hint("somebody else has written to message_delivery; put the state right by hand")
    })?;
    Ok(Delivery {
        chat: row.get("chat")?,
        kind: row.get("kind")?,
        state,
        run_id: row.get::<Uuid>("run_id")?.to_string(),
        error: row.optional("last_error")?,
    })
}
