//! Brings deleted rows back: what a restored row is made of, and the plan that inserts it.
//!
//! A row comes back as it was deleted, column by column, with its hash, so that an answer that holds it again leaves it
//! alone. It is not made from its record anew: looked-up names and members that are not stored are not in the record.

use super::{
    index::Index,
    plan::{Plan, ScopePlan},
    row::{Key, Row, RowHash, Value, Values, encode_key, push},
    spool::Spool,
    table::{Column, Kind, Table},
};
use crate::{
    decimal,
    error::{Failure, Kind as FailureKind, Result, quote},
    model::Counts,
};
use hashbrown::HashSet;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A deleted row: column → text, as a tombstone keeps it.
pub type Texts = BTreeMap<String, Option<String>>;

/// The hash of a row that has none: it differs from every real one, so the next run that sees the row repairs it.
const NO_HASH: RowHash = [0; 16];

/// How many rows are named.
const NAMED: usize = 20;

/// Collects the deleted rows of one table, the latest of each key first.
#[derive(Debug)]
pub struct Restorer {
    table: &'static Table,
    index: Index,
    inserts: Spool,
    seen: HashSet<Key>,
    there_again: u64,
    named: Named,
}

/// The first of a table's deleted rows, as a person knows them: `name (key)`.
#[derive(Debug, Default)]
pub struct Named {
    /// Those that come back.
    pub back: Vec<String>,
    /// Those that are there again.
    pub there: Vec<String>,
}

impl Restorer {
    /// A restorer for `table`, of which the database holds `index`; rows wait in `spool`.
    pub fn new(table: &'static Table, index: Index, spool: Spool) -> Self {
        Self { table, index, inserts: spool, seen: HashSet::new(), there_again: 0, named: Named::default() }
    }

    /// Takes a deleted row. One that is there again stays as it is, and an earlier one of the same key is passed over.
    pub fn add(&mut self, row: &Texts) -> Result<()> {
        let mut values = Vec::new();
        for column in self.table.columns {
            let text = row.get(column.name).and_then(Option::as_deref);
            push_text(&mut values, column, text).map_err(|()| self.unreadable(column.name))?;
        }
        let key = self.key(&values)?;
        if !self.seen.insert(key.clone()) {
            return Ok(());
        }
        if self.index.has(&key) {
            self.there_again += 1;
            if self.named.there.len() < NAMED {
                self.named.there.push(name(self.table, row));
            }
            return Ok(());
        }
        if self.named.back.len() < NAMED {
            self.named.back.push(name(self.table, row));
        }
        let record = row.get("raw_json").and_then(Option::as_deref);
        push(&mut values, Value::Text(record.ok_or_else(|| self.unreadable("raw_json"))?));
        let hash = match row.get("row_hash").and_then(Option::as_deref) {
            None => NO_HASH,
            Some(text) => hash_of(text).ok_or_else(|| self.unreadable("row_hash"))?,
        };
        let mut bytes = Vec::new();
        Row::encode(&mut bytes, &hash, &values);
        self.inserts.push(&bytes)
    }

    /// The plan: its only part says how many deleted rows there are, how many come back, and how many are there again.
    pub fn finish(self) -> (Plan, Named) {
        let scope = ScopePlan {
            scope: None,
            skipped: None,
            failure: None,
            counts: Counts {
                fetched: self.seen.len() as u64,
                inserted: self.inserts.rows(),
                unchanged: self.there_again,
                ..Counts::default()
            },
            missing: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            hint: None,
        };
        (Plan::of_inserts(self.table, self.inserts, scope), self.named)
    }

    fn key(&self, values: &[u8]) -> Result<Key> {
        let part = |position: usize| {
            let value = Values::of(values).nth(position);
            value.filter(|value| *value != Value::Null).ok_or_else(|| self.unreadable("key"))
        };
        let parts: Vec<Value<'_>> =
            self.table.key_positions().into_iter().map(part).collect::<Result<_>>()?;
        Ok(encode_key(parts))
    }

    fn unreadable(&self, column: &str) -> Failure {
        let text = format!("a tombstone of {} cannot be read: `{}`", self.table.name, quote(column, 60));
        Failure::new(FailureKind::Database, text)
            .hint("somebody else has written to mirror_tombstone; nothing was restored")
    }
}

fn name(table: &Table, row: &Texts) -> String {
    table.row_name(|column| row.get(column.name).cloned().flatten())
}

/// Pushes a column's value from its text.
fn push_text(out: &mut Vec<u8>, column: &Column, text: Option<&str>) -> Result<(), ()> {
    let Some(text) = text else {
        push(out, Value::Null);
        return Ok(());
    };
    match column.kind {
        Kind::Text => push(out, Value::Text(text)),
        Kind::Uuid => push(out, Value::Uuid(Uuid::try_parse(text).map_err(drop)?)),
        Kind::Int => push(out, Value::Int(text.parse().map_err(drop)?)),
        Kind::Decimal => push(out, Value::Decimal(&decimal::normalise(text).ok_or(())?)),
        Kind::Bool => match text {
            "true" | "1" => push(out, Value::Bool(true)),
            "false" | "0" => push(out, Value::Bool(false)),
            _ => return Err(()),
        },
    }
    Ok(())
}

/// A hash as it is spelled: hexadecimal digits, in tombstones of older versions behind `\x`.
fn hash_of(text: &str) -> Option<RowHash> {
    let mut hash = RowHash::default();
    hex::decode_to_slice(text.strip_prefix("\\x").unwrap_or(text), &mut hash).ok().map(|()| hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Column;

    const TABLE: Table = Table::keyed_by_id(
        "thing",
        "вещи",
        &[Column::uuid("id", "id"), Column::decimal("amount", "amount"), Column::bool("deleted", "deleted")],
    );

    fn texts(id: u128, amount: &str, hash: Option<&str>) -> Texts {
        let text = |value: &str| Some(value.to_owned());
        [
            ("id", text(&Uuid::from_u128(id).to_string())),
            ("amount", text(amount)),
            ("deleted", text("1")),
            ("raw_json", text("{}")),
            ("row_hash", hash.map(str::to_owned)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    fn restorer() -> Restorer {
        let mut index = Index::default();
        index.add_stored(encode_key([Value::Uuid(Uuid::from_u128(7))]), "", Some([7; 16]));
        Restorer::new(&TABLE, index, Spool::new(1 << 20, std::env::temp_dir()))
    }

    #[test]
    fn the_latest_row_of_a_key_comes_back_and_one_that_is_there_does_not() {
        let mut restorer = restorer();
        let hash = "0a".repeat(16);
        restorer.add(&texts(1, "12345678901234567890.123456789", Some(&hash))).unwrap();
        restorer.add(&texts(1, "1", Some(&hash))).unwrap();
        restorer.add(&texts(7, "1", Some(&hash))).unwrap();
        restorer.add(&texts(2, "1e3", None)).unwrap();
        let (mut plan, named) = restorer.finish();
        assert_eq!((named.back.len(), named.there.len()), (2, 1));
        assert_eq!(plan.totals(), (2, 0, 0));
        assert_eq!((plan.scopes[0].counts.fetched, plan.scopes[0].counts.unchanged), (3, 1));
        let mut rows = Vec::new();
        let mut read = plan.inserts().unwrap();
        while read
            .next_with(&mut |row| {
                let texts: Vec<_> =
                    row.values().map(|v| v.to_text().map(std::borrow::Cow::into_owned)).collect();
                rows.push((*row.hash(), texts[1].clone(), texts[2].clone()));
            })
            .unwrap()
        {}
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(rows[0], ([10; 16], text("12345678901234567890.123456789"), text("true")));
        assert_eq!(rows[1], (NO_HASH, text("1000"), text("true")));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (column, value) in [("amount", "many"), ("id", "x"), ("deleted", "2"), ("row_hash", "0a")] {
            let mut row = texts(1, "1", None);
            row.insert(column.to_owned(), Some(value.to_owned()));
            let failure = restorer().add(&row).unwrap_err();
            assert!(failure.message.contains(column), "{failure}");
        }
        let mut row = texts(1, "1", None);
        row.remove("raw_json");
        assert!(restorer().add(&row).is_err());
        row.remove("id");
        assert!(restorer().add(&row).unwrap_err().message.contains("key"));
        assert_eq!(hash_of(&format!("\\x{}", "0A".repeat(16))), Some([10; 16]));
    }
}
