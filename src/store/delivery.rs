//! What was sent to whom: one row for a message and a chat, written before the message goes out.

use super::speak::{Answer, Columns, Speak, text};
use crate::error::{Failure, Kind, Result};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

/// How far a message to a chat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
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
    /// The state that the database calls so.
    pub fn of(name: &str) -> Option<Self> {
        let all = [Self::Planned, Self::Sending, Self::Sent, Self::Failed, Self::Unknown];
        all.into_iter().find(|state| state.name() == name)
    }

    /// The word for it in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
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

#[async_trait]
impl<T: Speak> DeliveryStore for T {
    async fn abandon_deliveries(
        &mut self,
        job: &str,
        run: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>> {
        self.is_ready().await?;
        let words = self.words();
        let sql = format!(
            "update message_delivery set state = 'unknown', last_error = $3, updated_at = {}
             where job = $1 and state = 'sending' and run_id <> {} returning key, chat",
            words.moment(4),
            words.uuid(2),
        );
        let parameters = vec![job.to_owned(), run.to_string(), ABANDONED.to_owned(), text(now)];
        let pair = |answer: Answer| {
            let mut columns = Columns::new("message_delivery", answer);
            Ok((columns.text()?, columns.text()?))
        };
        let answers = self.ask("reading what was being sent", (sql, parameters)).await?;
        answers.into_iter().map(pair).collect()
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
        let mut parameters = about(outgoing, now);
        parameters.push(outgoing.job.to_owned());
        let (run, at) = (self.words().uuid(4), self.words().moment(5));
        let first = parameters.len() + 1;
        let row = |number| format!("($1, ${number}, $6, $2, $3, 'planned', {run}, {at}, {at})");
        let rows: Vec<String> = (first..first + chats.len()).map(row).collect();
        parameters.extend_from_slice(chats);
        let sql = format!(
            "insert into message_delivery (key, chat, job, kind, body_sha256, state, run_id, created_at, updated_at)
             values {} on conflict (key, chat) do nothing",
            rows.join(", ")
        );
        self.change("planning a message", (sql, parameters)).await.map(|_| ())
    }

    async fn begin_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let words = self.words();
        let mut parameters = about(outgoing, now);
        parameters.push(chat.to_owned());
        let again = outgoing.again_after.map_or_else(String::new, |time| {
            parameters.push(text(now - time));
            let before = words.moment(parameters.len());
            format!("or (state in ('sent', 'unknown') and updated_at <= {before})")
        });
        let sql = format!(
            "update message_delivery set state = 'sending', attempts = attempts + 1, kind = $2, body_sha256 = $3,
                 run_id = {}, updated_at = {}, last_error = null
             where key = $1 and chat = $6 and (state in ('planned', 'failed') {again})",
            words.uuid(4),
            words.moment(5),
        );
        Ok(self.change("beginning to send a message", (sql, parameters)).await? == 1)
    }

    async fn end_delivery(
        &mut self,
        outgoing: &Outgoing<'_>,
        chat: &str,
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let words = self.words();
        let (what, said) = match outcome {
            Outcome::Sent(id) => ("message_id = cast($6 as bigint), last_error = null", id.to_string()),
            Outcome::Failed(why) | Outcome::Unknown(why) => {
                ("message_id = null, last_error = $6", why.clone())
            }
        };
        // Another run may have given this one up meanwhile; this one knows better.
        let sql = format!(
            "update message_delivery set state = $5, updated_at = {}, {what}
             where key = $1 and chat = $2 and run_id = {} and state in ('sending', 'unknown')",
            words.moment(4),
            words.uuid(3),
        );
        let (key, chat) = (outgoing.key.to_owned(), chat.to_owned());
        let parameters =
            vec![key, chat, outgoing.run.to_string(), text(now), outcome.state().name().to_owned(), said];
        Ok(self.change("writing down what was sent", (sql, parameters)).await? == 1)
    }

    async fn was_told(&mut self, beginning: &str) -> Result<bool> {
        self.is_ready().await?;
        let sql = "select count(*) from message_delivery
             where substr(key, 1, length($1)) = $1 and state in ('sending', 'sent', 'unknown')";
        let answers = self.ask("reading what was sent", (sql.to_owned(), vec![beginning.to_owned()])).await?;
        let answer = answers.into_iter().next().unwrap_or_default();
        Ok(Columns::new("message_delivery", answer).count()? > 0)
    }

    async fn deliveries(&mut self, key: &str) -> Result<Vec<Delivery>> {
        let sql = "select chat, kind, state, cast(run_id as text), last_error from message_delivery
             where key = $1 order by chat";
        let answers = self.ask("reading what was sent", (sql.to_owned(), vec![key.to_owned()])).await?;
        answers.into_iter().map(delivery).collect()
    }

    async fn release_deliveries(
        &mut self,
        key: &str,
        states: &[DeliveryState],
        now: DateTime<Utc>,
    ) -> Result<usize> {
        let states: Vec<&str> = states.iter().map(|state| state.name()).collect();
        let sql = format!(
            "update message_delivery set state = 'planned', updated_at = {} where key = $1 and state in ('{}')",
            self.words().moment(2),
            states.join("', '"),
        );
        self.change("releasing a message", (sql, vec![key.to_owned(), text(now)])).await
    }
}

/// The first five parameters of what a run writes of a message: key, kind, digest, run, moment.
fn about(outgoing: &Outgoing<'_>, now: DateTime<Utc>) -> Vec<String> {
    let (key, kind) = (outgoing.key.to_owned(), outgoing.kind.to_owned());
    vec![key, kind, outgoing.body_sha256.clone(), outgoing.run.to_string(), text(now)]
}

fn delivery(answer: Answer) -> Result<Delivery> {
    let mut columns = Columns::new("message_delivery", answer);
    let (chat, kind, state) = (columns.text()?, columns.text()?, columns.text()?);
    let state = DeliveryState::of(&state).ok_or_else(|| {
        Failure::new(Kind::Database, format!("message_delivery: `{state}` is no state of a message"))
            .hint("somebody else has written to message_delivery; put the state right by hand")
    })?;
    Ok(Delivery { chat, kind, state, run_id: columns.text()?, error: columns.optional() })
}
