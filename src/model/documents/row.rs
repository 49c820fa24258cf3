//! A row of the outbox: a frozen document and how far it is.

use super::payload::{Kind, Payload};
use crate::error::quote;
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
    /// The number that iiko shows, where it is not ours.
    pub iiko_number: Option<String>,
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
    /// Why the row cannot be worked with, if it cannot: somebody else has written to it. Its state is `unknown` then, unless
    /// it was given up.
    pub damage: Option<String>,
}

impl Row {
    /// The key, which is the document's number.
    pub fn key(&self) -> &str {
        &self.payload.number
    }

    /// What in a row contradicts the rest of it, if something does; `digest` is what was kept of the payload.
    pub fn contradiction(&self, digest: &str) -> Option<String> {
        let Self { payload, subject, business_date, state, iiko_id, .. } = self;
        if payload.lines.is_empty() {
            Some("it has no lines".to_owned())
        } else if payload.sha256() != digest {
            Some("it is not what was planned".to_owned())
        } else if payload.kind == Kind::Transfer && *subject != payload.pair() {
            Some("its subject is not its pair of stores".to_owned())
        } else if payload.date_incoming.date() != *business_date {
            Some("it is dated otherwise than it says".to_owned())
        } else if matches!(state, State::Drafted | State::Done) && iiko_id.is_none() {
            Some(format!("it is {} without iiko's id", state.name()))
        } else {
            None
        }
    }

    /// The number for people who look for it in iiko.
    pub fn called(&self) -> String {
        match &self.iiko_number {
            Some(number) => format!("{} (here {})", quote(number, 40), self.key()),
            None => self.key().to_owned(),
        }
    }

    /// Takes down the number that iiko shows.
    pub fn shown_as(&mut self, number: &str) {
        self.iiko_number = Some(number.to_owned()).filter(|number| number != self.key());
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
    /// The number that iiko shows, where it is not ours.
    pub iiko_number: Option<String>,
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
    /// Only those that are open or unknown, damaged ones among them.
    pub unsettled: bool,
    /// One state.
    pub state: Option<State>,
}
