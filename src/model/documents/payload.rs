//! What a document says: frozen when it is planned, compared with what iiko holds ever after.

use crate::decimal::amount;
use chrono::NaiveDateTime;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The kinds of documents that are posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An internal transfer: from store to store.
    Transfer,
    /// A write-off act: from a store to an account.
    Writeoff,
}

impl Kind {
    /// The name in the database and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Writeoff => "writeoff",
        }
    }

    /// The kind that the database calls so.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Transfer, Self::Writeoff].into_iter().find(|kind| kind.name() == name)
    }

    /// The letter that its numbers begin with.
    pub const fn letter(self) -> char {
        match self {
            Self::Transfer => 'T',
            Self::Writeoff => 'W',
        }
    }

    /// The command that goes on with it.
    pub const fn command(self) -> &'static str {
        match self {
            Self::Transfer => "negative-transfer",
            Self::Writeoff => "writeoff",
        }
    }

    /// Its endpoint below `/resto/api` (iiko REST API documentation, documents).
    pub const fn path(self) -> &'static str {
        match self {
            Self::Transfer => "v2/documents/internalTransfer",
            Self::Writeoff => "v2/documents/writeoff",
        }
    }

    /// The wire names of where the goods come from and where they go to.
    pub const fn places(self) -> (&'static str, &'static str) {
        match self {
            Self::Transfer => ("storeFromId", "storeToId"),
            Self::Writeoff => ("storeId", "accountId"),
        }
    }
}

/// A line of a document: one product and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub product: Uuid,
    /// How much, in the product's main unit; more than nothing.
    #[serde(with = "amount::text")]
    pub amount: Decimal,
    /// The unit, where it is known: iiko only reads it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Uuid>,
    /// The product's article, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num: Option<String>,
    /// The product's name, for people.
    pub name: String,
    /// The unit's name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_name: Option<String>,
    /// What the balances must show once the document is processed: for a transfer where the goods arrive, for a
    /// write-off where they leave.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "amount::optional_text")]
    pub expected: Option<Decimal>,
}

/// A document as it is sent, whole but for its id and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// What it is.
    pub kind: Kind,
    /// `documentNumber`: our own, and the key in the outbox; empty until the document is written down there.
    pub number: String,
    /// `dateIncoming`, the business's local time, whole minutes.
    pub date_incoming: NaiveDateTime,
    /// `comment`, in the staff's language.
    pub comment: String,
    /// The store that gives.
    pub from: Uuid,
    /// The store that takes, or the account of a write-off.
    pub to: Uuid,
    /// What is moved, a product at most once.
    pub lines: Vec<Line>,
}

/// How far a document is in iiko.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `NEW`: a draft, which moves nothing.
    New,
    /// `PROCESSED`: it has moved what it lists.
    Processed,
    /// `DELETED`: it moves nothing any more.
    Deleted,
}

impl Status {
    /// iiko's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Processed => "PROCESSED",
            Self::Deleted => "DELETED",
        }
    }

    /// What iiko's word means.
    pub fn of(word: &str) -> Option<Self> {
        [Self::New, Self::Processed, Self::Deleted].into_iter().find(|status| status.name() == word)
    }
}

/// A document as iiko shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: Uuid,
    /// `documentNumber`.
    pub number: String,
    /// How far it is.
    pub status: Status,
    /// `dateIncoming`, to the minute.
    pub date_incoming: NaiveDateTime,
    /// Where the goods come from.
    pub from: Uuid,
    /// Where they go to.
    pub to: Uuid,
    /// Product and amount of each line, the amount as a normalised decimal; sorted.
    pub lines: Vec<(Uuid, String)>,
}

impl Payload {
    /// The body of a request: an edit of the document `id`, or a new one. Amounts are JSON numbers with every digit
    /// that they have.
    pub fn body(&self, id: Option<Uuid>, status: Status) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Item<'a> {
            product_id: Uuid,
            amount: &'a RawValue,
            #[serde(skip_serializing_if = "Option::is_none")]
            measure_unit_id: Option<Uuid>,
        }
        let (from, to) = self.kind.places();
        let amounts: Vec<Box<RawValue>> = self.lines.iter().map(|line| amount::number(line.amount)).collect();
        let items: Vec<Item<'_>> = self
            .lines
            .iter()
            .zip(&amounts)
            .map(|(line, amount)| Item { product_id: line.product, amount, measure_unit_id: line.unit })
            .collect();
        let mut body = json!({
            "dateIncoming": self.date_incoming.format(MINUTES).to_string(),
            "documentNumber": self.number,
            "status": status.name(),
            "comment": self.comment,
            from: self.from,
            to: self.to,
        });
        if let Some(id) = id {
            body["id"] = json!(id);
        }
        // Through a `Value` an amount would be read as a float.
        let mut text = body.to_string();
        let items = serde_json::to_string(&items).expect("plain data");
        text.pop();
        text.push_str(",\"items\":");
        text.push_str(&items);
        text.push('}');
        text
    }

    /// The lines as the outbox keeps them.
    pub fn items_json(&self) -> String {
        serde_json::to_string(&self.lines).expect("plain data")
    }

    /// The digest of all that is sent, so that a row that somebody edited is noticed.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.body(None, Status::New).as_bytes()))
    }

    /// The lines that the outbox kept; none when they cannot be read.
    pub fn read_items(text: &str) -> Option<Vec<Line>> {
        serde_json::from_str(text).ok()
    }

    /// The subject of a transfer's row: its two stores.
    pub fn pair(&self) -> String {
        format!("{} {}", self.from.hyphenated(), self.to.hyphenated())
    }

    /// Product and amount of each line, sorted.
    fn amounts(&self) -> Vec<(Uuid, String)> {
        let mut lines: Vec<(Uuid, String)> =
            self.lines.iter().map(|line| (line.product, amount::show(line.amount))).collect();
        lines.sort();
        lines
    }

    /// Whether another document moves the same from and to the same places, whatever its number and its time.
    pub fn moves_the_same(&self, other: &Self) -> bool {
        (self.kind, self.from, self.to) == (other.kind, other.from, other.to)
            && self.amounts() == other.amounts()
    }

    /// What a document in iiko has that this one has not; none when it is this one, whatever its status and number: a
    /// server may give numbers of its own.
    pub fn difference(&self, found: &Document) -> Option<String> {
        let lines = self.amounts();
        if (found.from, found.to) != (self.from, self.to) {
            Some("it is about other stores".to_owned())
        } else if found.date_incoming != self.date_incoming {
            Some(format!("its date is {}", found.date_incoming.format(MINUTES)))
        } else if found.lines != lines {
            Some(format!("its lines differ: {} there, {} planned", found.lines.len(), lines.len()))
        } else {
            None
        }
    }

    /// The sum of the amounts; units differ, so it only tells large from small.
    pub fn total(&self) -> Decimal {
        self.lines.iter().map(|line| line.amount).sum()
    }
}

/// The documented form of `dateIncoming` (iiko REST API documentation, internal transfer).
pub(crate) const MINUTES: &str = "%Y-%m-%dT%H:%M";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn payload() -> Payload {
        let line = |product: u128, text: &str| Line {
            product: Uuid::from_u128(product),
            amount: amount::parse(text).unwrap(),
            unit: None,
            num: None,
            name: format!("Товар {product}"),
            unit_name: None,
            expected: None,
        };
        Payload {
            kind: Kind::Transfer,
            number: "T261122-0e3c77a1".to_owned(),
            date_incoming: NaiveDateTime::parse_from_str("2026-11-22T23:00", MINUTES).unwrap(),
            comment: "Авто-перемещение".to_owned(),
            from: Uuid::from_u128(1),
            to: Uuid::from_u128(2),
            lines: vec![line(7, "0.000847058"), line(8, "12345678901234.123456789")],
        }
    }

    #[test]
    fn a_body_holds_every_digit_and_no_id_unless_it_is_an_edit() {
        let body = payload().body(None, Status::New);
        assert!(body.contains(r#""amount":0.000847058"#), "{body}");
        assert!(body.contains(r#""amount":12345678901234.123456789"#), "{body}");
        assert!(body.contains(r#""dateIncoming":"2026-11-22T23:00""#) && body.contains(r#""status":"NEW""#));
        assert!(!body.contains(r#""id""#) && !body.contains("measureUnitId"));
        let edit = payload().body(Some(Uuid::from_u128(9)), Status::Processed);
        assert!(
            edit.contains(r#""id":"00000000-0000-0000-0000-000000000009""#) && edit.contains("PROCESSED")
        );
    }

    #[test]
    fn lines_read_back_as_they_were_kept() {
        let payload = payload();
        assert_eq!(Payload::read_items(&payload.items_json()).unwrap(), payload.lines);
        let mut other = payload.clone();
        other.lines[0].amount = amount::parse("0.000847059").unwrap();
        assert_ne!(other.sha256(), payload.sha256());
    }
}
