//! Reading what a table holds: stored rows as the index takes them, from either database.
//!
//! Every row of every table is read on every run, so these columns are read by their places, and text is not copied.

use super::{migrate::Dialect, quoting::quoted, sql::Cells};
use crate::{
    decimal,
    engine::{
        Column, Index, Kind, Table, hash, record,
        row::{RowHash, Value, Values, encode_key, push},
    },
};
use sqlx::Row as _;
use uuid::Uuid;

/// Takes stored rows into an index.
pub(super) struct Reader {
    table: &'static Table,
    /// The columns that are read: the key, or with `verify` all of them.
    read: Vec<&'static Column>,
    verify: bool,
    /// The values of `read`, in the very form in which the planner pushes fetched ones.
    pushed: Vec<u8>,
}

impl Reader {
    /// For a table's keys and hashes; with `verify` also its columns and records.
    pub(super) fn new(table: &'static Table, verify: bool) -> Self {
        let read = if verify { table.columns.iter().collect() } else { table.key_columns().collect() };
        Self { table, read, verify, pushed: Vec::new() }
    }

    /// The query for what it reads. A simple query answers text, so `PostgreSQL` is asked for it in its own form; `SQLite`
    /// keeps decimals in several.
    pub(super) fn query(&self, dialect: Dialect) -> String {
        let text = |name: &str, is_decimal: bool| match dialect {
            Dialect::Sqlite if !is_decimal => quoted(name),
            _ => format!("cast({} as text)", quoted(name)),
        };
        let columns = self.read.iter().map(|column| text(column.name, column.kind == Kind::Decimal));
        let record = self.verify.then(|| text("raw_json", false));
        let list: Vec<String> = columns.chain([text("row_hash", false)]).chain(record).collect();
        format!("select {} from {}", list.join(", "), quoted(self.table.name))
    }

    /// Adds a row of that query.
    pub(super) fn add(&mut self, index: &mut Index, row: &Cells) -> Result<(), sqlx::Error> {
        self.pushed.clear();
        for (place, column) in self.read.iter().enumerate() {
            let is_there = push_stored(&mut self.pushed, column.kind, row, place)?;
            // SQLite takes any text for a uuid.
            if !is_there && self.table.key.contains(&column.name) {
                let text = format!(
                    "{} holds a row whose key is no key; only zerkalo may insert rows: delete it",
                    self.table.name
                );
                return Err(sqlx::Error::Decode(text.into()));
            }
        }
        let hash = read_hash(row, self.read.len())?;
        let record: Option<&str> = match row {
            _ if !self.verify => None,
            Cells::Sqlite(row) => row.try_get(self.read.len() + 1)?,
            Cells::Postgres(row) => row.try_get(self.read.len() + 1)?,
        };
        self.add_pushed(index, hash, record);
        Ok(())
    }

    fn add_pushed(&self, index: &mut Index, row_hash: Option<RowHash>, record: Option<&str>) {
        let values: smallvec::SmallVec<[Value<'_>; 24]> = Values::of(&self.pushed).collect();
        let value_of = |name: &str| {
            let position = self.read.iter().position(|column| column.name == name);
            values[position.expect("keys are always read")]
        };
        let key = encode_key(self.table.key.iter().map(|name| value_of(name)));
        let scope = match self.table.scope.map(value_of) {
            Some(Value::Text(scope)) => scope,
            _ => "",
        };
        let hash = match (row_hash, record) {
            // A record that does not read back was written by somebody else: it differs from everything.
            (Some(row_hash), Some(text)) => {
                record::canonical(text).ok().map(|record| hash::verified(&row_hash, &self.pushed, &record))
            }
            (row_hash, _) => row_hash,
        };
        index.add_stored(key, scope, hash);
    }
}

/// A stored hash; none for what is none.
fn read_hash(row: &Cells, place: usize) -> Result<Option<RowHash>, sqlx::Error> {
    Ok(match row {
        Cells::Sqlite(row) => {
            let bytes: Option<&[u8]> = row.try_get(place)?;
            bytes.and_then(|bytes| RowHash::try_from(bytes).ok())
        }
        Cells::Postgres(row) => {
            let text: Option<&str> = row.try_get(place)?;
            text.and_then(|text| text.strip_prefix("\\x")).and_then(|text| {
                let mut hash = RowHash::default();
                hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
            })
        }
    })
}

/// Pushes a stored value in the very form in which the planner pushes a fetched one. Whether there is one.
fn push_stored(out: &mut Vec<u8>, kind: Kind, row: &Cells, place: usize) -> Result<bool, sqlx::Error> {
    let normalised;
    let value = match (row, kind) {
        (Cells::Sqlite(row), Kind::Int) => row.try_get::<Option<i64>, _>(place)?.map(Value::Int),
        (Cells::Sqlite(row), Kind::Bool) => row.try_get::<Option<bool>, _>(place)?.map(Value::Bool),
        _ => {
            let text: Option<&str> = match row {
                Cells::Sqlite(row) => row.try_get(place)?,
                Cells::Postgres(row) => row.try_get(place)?,
            };
            match kind {
                Kind::Text => text.map(Value::Text),
                Kind::Uuid => text.and_then(|text| Uuid::try_parse(text).ok()).map(Value::Uuid),
                Kind::Int => text.and_then(|text| text.parse().ok()).map(Value::Int),
                Kind::Bool => text.map(|text| Value::Bool(text == "true")),
                Kind::Decimal => {
                    normalised = text.and_then(decimal::normalise);
                    normalised.as_deref().map(Value::Decimal)
                }
            }
        }
    };
    push(out, value.unwrap_or(Value::Null));
    Ok(value.is_some())
}
