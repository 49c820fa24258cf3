//! What was sent to whom: one row for a message and a chat, written before the message goes out.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// How far a message to a chat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Outgoing<'_> {
    /// A chat that got it at this moment or before may get it again.
    pub(super) fn repeatable(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.again_after.map(|time| now - time)
    }
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

    /// The message's number and the failure, as they are stored.
    pub(super) fn parts(&self) -> (Option<i64>, Option<&str>) {
        match self {
            Self::Sent(id) => (Some(*id), None),
            Self::Failed(text) | Self::Unknown(text) => (None, Some(text)),
        }
    }
}

/// What a delivery says whose run ended before the answer came.
pub(super) const ABANDONED: &str = "the run ended before the answer came";

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

    /// Makes the `unknown` deliveries of a key planned ones again; how many they are.
    async fn release_deliveries(&mut self, key: &str, now: DateTime<Utc>) -> Result<u64>;
}
