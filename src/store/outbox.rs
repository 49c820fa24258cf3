//! The outbox of documents: every step of one is committed before the next.

use super::slot::Claim;
use crate::{
    documents::{
        Kind as DocumentKind, Payload,
        row::{Change, Row, State, Which},
    },
    error::{Failure, Kind, Result},
};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use uuid::Uuid;

/// What the mirror knows of what documents are made of.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Stores that are not deleted.
    pub stores: Vec<Named>,
    /// Products that are not deleted.
    pub products: Vec<Product>,
    /// Measure units, deleted ones too: a product may still have one.
    pub units: Vec<Named>,
    /// Accounts that are not deleted.
    pub accounts: Vec<Named>,
    /// When the stores and the products were last mirrored well: the older of the two; none when one never was.
    pub mirrored_at: Option<DateTime<Utc>>,
}

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: Uuid,
    /// Its name as it stands in iiko.
    pub name: String,
    /// Its code; empty where it has none.
    pub code: String,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: Uuid,
    /// Its name as it stands in iiko.
    pub name: String,
    /// Its article; empty where it has none.
    pub num: String,
    /// Its type: `GOODS`, `DISH`, ….
    pub kind: String,
    /// Its main unit.
    pub unit: Option<Uuid>,
}

/// The `document_outbox` side of a [`super::Store`].
#[async_trait]
pub trait OutboxStore: Send {
    /// Reads rows, in the order of their dates and keys, migrating first where that loses nothing.
    async fn documents(&mut self, which: &Which) -> Result<Vec<Row>>;

    /// Reads what documents are made of.
    async fn catalogue(&mut self) -> Result<Catalogue>;

    /// Begins with a slot, if there is one, and writes the rows planned for it, in one transaction. False, and nothing is
    /// written, when another run has begun with the slot meanwhile or has one of the rows.
    async fn plan_documents(&mut self, claim: Option<&Claim>, rows: &[Row]) -> Result<bool>;

    /// Takes a row one step further; durable when this returns. False when the row is not where the step starts from.
    async fn advance(&mut self, key: &str, change: &Change) -> Result<bool>;

    /// Writes down that the balances show what a document has moved.
    async fn mark_seen(&mut self, key: &str, now: DateTime<Utc>) -> Result<()>;
}

/// The columns of a row in the order in which they are read and written.
pub(super) const COLUMNS: &str = "key, kind, subject, title, business_date, slot_utc, store_from, store_to, account_id, \
     seq, date_incoming, comment, items_json, payload_sha256, state, iiko_id, attempts, last_error, seen_at, run_id, \
     created_at, updated_at";

/// A row as it was read, before it is understood.
pub(super) struct Read {
    pub(super) key: String,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) title: String,
    pub(super) business_date: NaiveDate,
    pub(super) slot: Option<DateTime<Utc>>,
    pub(super) from: Uuid,
    pub(super) to: Uuid,
    pub(super) sequence: i64,
    pub(super) date_incoming: String,
    pub(super) comment: String,
    pub(super) items_json: String,
    pub(super) sha256: String,
    pub(super) state: String,
    pub(super) iiko_id: Option<Uuid>,
    pub(super) attempts: i64,
    pub(super) last_error: Option<String>,
    pub(super) seen_at: Option<DateTime<Utc>>,
    pub(super) run_id: Uuid,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl Read {
    /// What the row says.
    pub(super) fn understand(self) -> Result<Row> {
        let wrong = |what: &str| {
            Failure::new(Kind::Database, format!("document {}: `{what}` cannot be read", self.key))
                .hint("somebody else has written to document_outbox; put the row right by hand")
        };
        let payload = Payload {
            kind: DocumentKind::of(&self.kind).ok_or_else(|| wrong("kind"))?,
            lines: Payload::read_items(&self.key, &self.items_json)?,
            date_incoming: NaiveDateTime::parse_from_str(&self.date_incoming, DATE_INCOMING)
                .map_err(|_| wrong("date_incoming"))?,
            comment: self.comment.clone(),
            from: self.from,
            to: self.to,
            number: self.key.clone(),
        };
        Ok(Row {
            state: State::of(&self.state).ok_or_else(|| wrong("state"))?,
            sequence: u32::try_from(self.sequence).map_err(|_| wrong("seq"))?,
            attempts: u32::try_from(self.attempts).map_err(|_| wrong("attempts"))?,
            is_intact: payload.sha256() == self.sha256,
            payload,
            subject: self.subject,
            title: self.title,
            business_date: self.business_date,
            slot: self.slot,
            iiko_id: self.iiko_id,
            last_error: self.last_error,
            seen_at: self.seen_at,
            run_id: self.run_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// How `date_incoming` is kept: as it is sent.
pub(super) const DATE_INCOMING: &str = "%Y-%m-%dT%H:%M";

/// The names of the states that a filter wants.
pub(super) fn wanted_states(which: &Which) -> Vec<&'static str> {
    State::ALL
        .into_iter()
        .filter(|state| !which.unsettled || state.is_open() || *state == State::Unknown)
        .filter(|state| which.state.is_none_or(|wanted| wanted == *state))
        .map(State::name)
        .collect()
}

/// The tables whose age decides whether the mirror is fresh enough to plan with.
pub(super) const NEEDED: [&str; 2] = ["iiko_store", "iiko_product"];

/// Reads stores, units and accounts: id, name, code.
pub(super) const LISTS: [&str; 3] = [
    "select id, coalesce(name, ''), coalesce(code, '') from iiko_store where deleted is not true order by id",
    "select id, coalesce(name, ''), coalesce(code, '') from iiko_entity where root_type = 'MeasureUnit' order by id",
    "select id, coalesce(name, ''), coalesce(code, '') from iiko_entity
     where root_type = 'Account' and deleted is not true order by id",
];

/// Reads products: id, name, article, type, unit.
pub(super) const PRODUCTS: &str =
    "select id, coalesce(name, ''), coalesce(num, ''), coalesce(product_type, ''), main_unit
     from iiko_product where deleted is not true order by id";
