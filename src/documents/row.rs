//! A row of the outbox: a frozen document and how far it is.

use super::payload::{Kind, Payload};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

/// How far a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing was sent.
    Planned,
    /// A draft may have been sent; it moves nothing.
    Drafting,
    /// iiko has the draft.
    Drafted,
    /// It may have been processed.
    Processing,
    /// iiko has it as processed, with our lines.
    Done,
    /// It has moved nothing, and is not tried again.
    Failed,
    /// iiko has something else than was sent, or nobody knows.
    Unknown,
    /// A person took care of it.
    Abandoned,
}

impl State {
    /// Every state, in the order in which a document goes through them.
    pub const ALL: [Self; 8] = [
        Self::Planned,
        Self::Drafting,
        Self::Drafted,
        Self::Processing,
        Self::Done,
        Self::Failed,
        Self::Unknown,
        Self::Abandoned,
    ];

    /// The name in the database and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Drafting => "drafting",
            Self::Drafted => "drafted",
            Self::Processing => "processing",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Abandoned => "abandoned",
        }
    }

    /// The state that the database calls so.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a run may go on with it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Planned | Self::Drafting | Self::Drafted | Self::Processing)
    }

    /// Whether it may have moved something that nobody has read back.
    pub const fn is_uncertain(self) -> bool {
        matches!(self, Self::Processing | Self::Unknown)
    }
}

/// A row of `document_outbox`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The document; its number is the row's key.
    pub payload: Payload,
    /// What it is about, for its uniqueness: a pair of stores, or a digest of a write-off.
    pub subject: String,
    /// The same for people.
    pub title: String,
    /// The day that it belongs to.
    pub business_date: NaiveDate,
    /// The slot that it was planned for; none by hand.
    pub slot: Option<DateTime<Utc>>,
    /// Which one of its day and subject it is, from 1.
    pub sequence: u32,
    /// How far it is.
    pub state: State,
    /// The document's id in iiko, once known.
    pub iiko_id: Option<Uuid>,
    /// How many drafts were sent, or may have been.
    pub attempts: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When the balances showed what it has moved.
    pub seen_at: Option<DateTime<Utc>>,
    /// The run that touched it last.
    pub run_id: Uuid,
    /// When it was planned, UTC.
    pub created_at: DateTime<Utc>,
    /// When it was touched last, UTC.
    pub updated_at: DateTime<Utc>,
    /// Whether the row is what was frozen, by its digest.
    pub is_intact: bool,
}

impl Row {
    /// The key, which is the document's number.
    pub fn key(&self) -> &str {
        &self.payload.number
    }
}

/// A step of a row from one state to another. It counts only if the row is in the state that it starts from, so that two
/// processes never both take it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The state that the row must be in.
    pub from: State,
    /// The state that it goes to.
    pub to: State,
    /// The document's id in iiko, if it has become known.
    pub iiko_id: Option<Uuid>,
    /// How many further drafts are about to be sent; negative for one that was not sent after all.
    pub attempts: i32,
    /// What went wrong, if something did.
    pub error: Option<String>,
    /// The run.
    pub run: Uuid,
    /// When, UTC.
    pub now: DateTime<Utc>,
}

/// Which rows are asked for. What is none does not count.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// One document.
    pub key: Option<String>,
    /// One kind.
    pub kind: Option<Kind>,
    /// One business date.
    pub date: Option<NaiveDate>,
    /// Only those that are open or unknown.
    pub unsettled: bool,
    /// One state.
    pub state: Option<State>,
}
