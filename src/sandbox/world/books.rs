//! Documents and what they move: the store keeper's half of the iiko server.
//!
//! A document that is processed writes its moves to the ledger, to which lines are only ever added; taking it
//! back adds the same moves the other way round. Balances are the opening ones and the ledger.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{World, amount::Amount, dice::id, text};

/// The kinds of documents that the stand-in keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DocumentKind {
    /// `v2/documents/internalTransfer`.
    InternalTransfer,
    /// `v2/documents/writeoff`.
    Writeoff,
}

/// How far a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// A draft, which moves nothing.
    New,
    /// It has moved what it lists.
    Processed,
    /// It moves nothing any more.
    Deleted,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// Its id, made by the server.
    pub id: String,
    /// What it is.
    pub kind: DocumentKind,
    /// `documentNumber`; several documents may have the same.
    pub number: String,
    /// `dateIncoming`, local time: from when on it counts.
    #[serde(serialize_with = "moment")]
    pub date: NaiveDateTime,
    /// How far it is.
    pub status: Status,
    /// `conceptionId`.
    pub conception: Option<String>,
    /// `comment`.
    pub comment: Option<String>,
    /// The id of the store that gives.
    pub from: String,
    /// The id of the store that takes, or of a write-off's account.
    pub to: String,
    /// What is moved.
    pub items: Vec<Item>,
    /// Fields that the server only keeps and gives back.
    pub kept: Map<String, Value>,
    /// Grows with every change of any document.
    pub revision: u64,
}

/// A line of a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// The product's id.
    pub product: String,
    /// How much of it, in its main unit.
    pub amount: Amount,
    /// `containerId`.
    pub container: Option<String>,
    /// Fields that the server only keeps and gives back.
    pub kept: Map<String, Value>,
}

/// A line of the ledger: one product goes from one place to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Move {
    /// Its number, from 1.
    pub seq: u64,
    /// The id of the document.
    pub document: String,
    /// The number of the document.
    pub number: String,
    /// The kind of the document.
    pub kind: DocumentKind,
    /// The store that gives.
    pub from: String,
    /// The store that takes, or a write-off's account.
    pub to: String,
    /// The product.
    pub product: String,
    /// How much.
    pub amount: Amount,
    /// The document's `dateIncoming`.
    #[serde(serialize_with = "moment")]
    pub date: NaiveDateTime,
    /// When it was done, by the server's clock, local time.
    #[serde(serialize_with = "moment")]
    pub at: NaiveDateTime,
}

/// Local time as the server writes it: without seconds where there are none (iiko REST API documentation,
/// internal transfer).
pub(in crate::sandbox) fn local(time: &NaiveDateTime) -> String {
    let millis = time.and_utc().timestamp_millis().rem_euclid(60_000);
    let format = match (millis, millis % 1000) {
        (0, _) => "%Y-%m-%dT%H:%M",
        (_, 0) => "%Y-%m-%dT%H:%M:%S",
        _ => "%Y-%m-%dT%H:%M:%S%.3f",
    };
    time.format(format).to_string()
}

/// [`local`] for the control interface.
fn moment<S: Serializer>(time: &NaiveDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&local(time))
}

/// All documents and moves.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Books {
    seed: u64,
    documents: Vec<Document>,
    ledger: Vec<Move>,
    revision: u64,
}

/// The revision of a server on which no document was touched yet.
const FIRST_REVISION: u64 = 244_600;

impl Books {
    /// Empty books; the ids of documents come from the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, revision: FIRST_REVISION, ..Self::default() }
    }
}

/// The sign of an item on its way into or out of the ledger.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    There,
    Back,
}

impl World {
    /// All documents, in the order in which they were made.
    pub fn documents(&self) -> &[Document] {
        &self.books.documents
    }

    /// All moves, in the order in which they were made.
    pub fn ledger(&self) -> &[Move] {
        &self.books.ledger
    }

    /// How much of a product all documents moved from one store to another, as a decimal. What was moved and
    /// taken back counts in both directions.
    pub fn moved(&self, from: &str, to: &str, product: &str) -> String {
        let moves = self.ledger().iter();
        let moves = moves.filter(|line| line.from == from && line.to == to && line.product == product);
        moves.map(|line| line.amount).sum::<Amount>().to_string()
    }

    /// How much of a product a store holds, as a decimal: its opening balance and all moves.
    pub fn balance(&self, store: &str, product: &str) -> String {
        let opening = self.balances.iter();
        let opening = opening.filter(|row| text(row, "store") == store && text(row, "product") == product);
        let moved = self.stock_moves(None).remove(&(store.to_owned(), product.to_owned()));
        let amounts = opening.map(|row| Amount::of(&row["amount"])).chain(moved);
        amounts.sum::<Amount>().to_string()
    }

    /// What all moves that count at `until` have added to each store and product (or taken from it).
    pub(in crate::sandbox) fn stock_moves(
        &self,
        until: Option<NaiveDateTime>,
    ) -> BTreeMap<(String, String), Amount> {
        let mut moves: BTreeMap<_, Amount> = BTreeMap::new();
        let counts = |line: &&Move| until.is_none_or(|until| line.date <= until);
        for line in self.ledger().iter().filter(counts) {
            for (place, amount) in [(&line.from, -line.amount), (&line.to, line.amount)] {
                let sum = moves.entry((place.clone(), line.product.clone())).or_default();
                *sum = *sum + amount;
            }
        }
        moves
    }

    /// Edits the first document of this number, as somebody in the back office would, with its effect on the
    /// stores; false if there is none.
    pub fn edit_document(&mut self, number: &str, edit: impl FnOnce(&mut Document)) -> bool {
        let Some(mut document) = self.documents().iter().find(|document| document.number == number).cloned()
        else {
            return false;
        };
        edit(&mut document);
        self.put_document(document);
        true
    }

    /// Deletes the first document of this number, as somebody in the back office would; false if there is
    /// none.
    pub fn delete_document(&mut self, number: &str) -> bool {
        self.edit_document(number, |document| document.status = Status::Deleted)
    }

    /// The highest revision of any document.
    pub(in crate::sandbox) fn documents_revision(&self) -> u64 {
        self.books.revision
    }

    /// An id for a new document. Ids do not grow with time, as on a real server.
    pub(in crate::sandbox) fn document_id(&self) -> String {
        id(self.books.seed, "document", self.books.documents.len())
    }

    /// A number for a document that was sent without one.
    pub(in crate::sandbox) fn document_number(&self) -> String {
        let taken = |number: &String| self.documents().iter().any(|document| document.number == *number);
        let mut numbers = (self.books.documents.len() + 1..).map(|number| format!("{number:04}"));
        numbers.find(|number| !taken(number)).expect("a number is free")
    }

    /// Keeps a document, a new one or in place of the one of its id, and moves what it moves.
    pub(in crate::sandbox) fn put_document(&mut self, mut document: Document) {
        self.books.revision += 1;
        document.revision = self.books.revision;
        let place = self.documents().iter().position(|known| known.id == document.id);
        let before = place.map(|place| self.books.documents[place].clone());
        let effect = |document: &Document| {
            (document.status == Status::Processed).then(|| {
                let Document { from, to, items, date, .. } = document;
                (from.clone(), to.clone(), items.clone(), *date)
            })
        };
        if before.as_ref().and_then(effect) != effect(&document) {
            if let Some(before) = &before {
                self.post(before, Way::Back);
            }
            self.post(&document, Way::There);
        }
        match place {
            Some(place) => self.books.documents[place] = document,
            None => self.books.documents.push(document),
        }
    }

    /// Writes a processed document's moves to the ledger.
    fn post(&mut self, document: &Document, way: Way) {
        if document.status != Status::Processed {
            return;
        }
        let (from, to) = match way {
            Way::There => (&document.from, &document.to),
            Way::Back => (&document.to, &document.from),
        };
        let at = self.local_time();
        for item in &document.items {
            let line = Move {
                seq: self.books.ledger.len() as u64 + 1,
                document: document.id.clone(),
                number: document.number.clone(),
                kind: document.kind,
                from: from.clone(),
                to: to.clone(),
                product: item.product.clone(),
                amount: item.amount,
                date: document.date,
                at,
            };
            self.books.ledger.push(line);
        }
    }
}
