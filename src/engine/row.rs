//! Values, keys and encoded rows: the form in which changed rows wait in the spool for their store.

use super::table::{Kind, Table};
use smallvec::SmallVec;
use std::borrow::Cow;
use uuid::Uuid;

/// A column's value, borrowed from an encoded row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// SQL's NULL: the member is missing, `null`, or an empty XML element.
    Null,
    /// Text.
    Text(&'a str),
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A normalised decimal ([`crate::decimal`]).
    Decimal(&'a str),
    /// A uuid.
    Uuid(Uuid),
}

impl<'a> Value<'a> {
    /// The value as text, as both stores accept it; `None` for NULL.
    pub fn to_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) | Self::Decimal(text) => Some(text.into()),
            Self::Bool(value) => Some(if value { "true" } else { "false" }.into()),
            Self::Int(value) => Some(value.to_string().into()),
            Self::Uuid(value) => Some(value.hyphenated().to_string().into()),
        }
    }
}

/// The 128-bit content hash of a row, stored beside it.
pub type RowHash = [u8; 16];

/// An encoded primary key; one uuid is held without an allocation.
pub type Key = SmallVec<[u8; 16]>;

const NULL: u8 = 0;
const TEXT: u8 = 1;
const BOOL: u8 = 2;
const INT: u8 = 3;
const DECIMAL: u8 = 4;
const UUID: u8 = 5;

/// Appends `value` to an encoded row.
pub fn push(out: &mut Vec<u8>, value: Value<'_>) {
    let mut sized = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(&u32::try_from(bytes.len()).expect("a value is under 4 GiB").to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Text(text) => sized(TEXT, text.as_bytes()),
        Value::Decimal(text) => sized(DECIMAL, text.as_bytes()),
        Value::Null => out.push(NULL),
        Value::Bool(value) => out.extend_from_slice(&[BOOL, u8::from(value)]),
        Value::Int(value) => {
            out.push(INT);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Uuid(value) => {
            out.push(UUID);
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// An encoded row: its hash, its columns in the table's order, then the canonical record.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    hash: &'a RowHash,
    values: &'a [u8],
}

impl<'a> Row<'a> {
    /// Reads the row that [`Row::encode`] wrote.
    pub fn decode(bytes: &'a [u8]) -> Self {
        let (hash, values) = bytes.split_first_chunk().expect("an encoded row starts with its hash");
        Self { hash, values }
    }

    /// Writes a row: `values` are the pushed columns, then the record as text.
    pub fn encode(out: &mut Vec<u8>, hash: &RowHash, values: &[u8]) {
        out.extend_from_slice(hash);
        out.extend_from_slice(values);
    }

    /// The content hash.
    pub fn hash(&self) -> &'a RowHash {
        self.hash
    }

    /// The columns in the table's order, then the record.
    pub fn values(&self) -> Values<'a> {
        Values { rest: self.values }
    }

    /// The primary key.
    pub fn key(&self, key_positions: &[usize]) -> Key {
        let values: SmallVec<[Value<'a>; 24]> = self.values().collect();
        encode_key(key_positions.iter().map(|position| values[*position]))
    }
}

/// Iterates over an encoded row's values.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    /// Over pushed values without a hash before them.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    fn text(&mut self) -> &'a str {
        let length = u32::from_le_bytes(self.take(4).try_into().expect("four bytes")) as usize;
        std::str::from_utf8(self.take(length)).expect("texts are pushed as str")
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        Some(match self.take(1)[0] {
            NULL => Value::Null,
            TEXT => Value::Text(self.text()),
            DECIMAL => Value::Decimal(self.text()),
            BOOL => Value::Bool(self.take(1)[0] != 0),
            INT => Value::Int(i64::from_le_bytes(self.take(8).try_into().expect("eight bytes"))),
            UUID => Value::Uuid(Uuid::from_slice(self.take(16)).expect("sixteen bytes")),
            tag => unreachable!("no value is pushed with tag {tag}"),
        })
    }
}

/// Encodes a key: uuids as 16 bytes, integers as 8, texts with their length, so that no two keys share bytes.
pub fn encode_key<'a>(values: impl IntoIterator<Item = Value<'a>>) -> Key {
    let mut key = Key::new();
    for value in values {
        match value {
            Value::Uuid(value) => key.extend_from_slice(value.as_bytes()),
            Value::Int(value) => key.extend_from_slice(&value.to_be_bytes()),
            Value::Text(text) => {
                key.extend_from_slice(
                    &u32::try_from(text.len()).expect("a key is under 4 GiB").to_be_bytes(),
                );
                key.extend_from_slice(text.as_bytes());
            }
            Value::Null | Value::Bool(_) | Value::Decimal(_) => {
                unreachable!("keys are uuids, integers or texts")
            }
        }
    }
    key
}

/// The key's values as text, in key order: what a delete statement binds and what a person reads.
pub fn key_texts(table: &Table, key: &[u8]) -> Vec<String> {
    let mut rest = key;
    let mut take = |count: usize| {
        let (taken, tail) = rest.split_at(count);
        rest = tail;
        taken
    };
    table
        .key_columns()
        .map(|column| match column.kind {
            Kind::Uuid => Uuid::from_slice(take(16)).expect("sixteen bytes").hyphenated().to_string(),
            Kind::Int => i64::from_be_bytes(take(8).try_into().expect("eight bytes")).to_string(),
            Kind::Text => {
                let length = u32::from_be_bytes(take(4).try_into().expect("four bytes")) as usize;
                String::from_utf8(take(length).to_vec()).expect("keys are encoded from str")
            }
            Kind::Bool | Kind::Decimal => unreachable!("keys are uuids, integers or texts"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_row_reads_back() {
        let id = Uuid::from_u128(7);
        let values = [
            Value::Uuid(id),
            Value::Null,
            Value::Text("т "),
            Value::Bool(true),
            Value::Int(-3),
            Value::Decimal("0.5"),
        ];
        let mut pushed = Vec::new();
        for value in values {
            push(&mut pushed, value);
        }
        let mut bytes = Vec::new();
        Row::encode(&mut bytes, &[9; 16], &pushed);
        let row = Row::decode(&bytes);
        assert_eq!(row.hash(), &[9; 16]);
        assert_eq!(row.values().collect::<Vec<_>>(), values);
        assert_eq!(row.key(&[0]), encode_key([Value::Uuid(id)]));
    }
}
