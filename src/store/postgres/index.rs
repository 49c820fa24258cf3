//! Reading what a table holds.

use crate::{
    decimal,
    engine::{
        Column, Index, Kind, Table,
        row::{RowHash, Value, push},
    },
    store::{quoting::quoted, stored},
};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

/// A table's keys and hashes; with `verify` also its columns and records.
pub(super) fn query(table: &'static Table, verify: bool) -> String {
    let columns = stored::read_columns(table, verify).into_iter().map(|column| quoted(column.name));
    let record = verify.then(|| "raw_json".to_owned());
    let list: Vec<String> = columns
        .chain(["row_hash".to_owned()])
        .chain(record)
        .map(|column| format!("{column}::text"))
        .collect();
    format!("select {} from {};\n", list.join(", "), quoted(table.name))
}

/// Takes the rows of that query into an index.
pub(super) struct Reader {
    table: &'static Table,
    read: Vec<&'static Column>,
    verify: bool,
    pushed: Vec<u8>,
}

impl Reader {
    pub(super) fn new(table: &'static Table, verify: bool) -> Self {
        Self { table, read: stored::read_columns(table, verify), verify, pushed: Vec::new() }
    }

    pub(super) fn add(&mut self, index: &mut Index, row: &PgRow) -> Result<(), sqlx::Error> {
        self.pushed.clear();
        for (position, column) in self.read.iter().enumerate() {
            push_stored(&mut self.pushed, column.kind, row.try_get(position)?);
        }
        let hash: Option<&str> = row.try_get(self.read.len())?;
        let hash = hash.and_then(|text| text.strip_prefix("\\x")).and_then(|text| {
            let mut hash = RowHash::default();
            hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
        });
        let record: Option<&str> = if self.verify { row.try_get(self.read.len() + 1)? } else { None };
        stored::add(index, self.table, &self.read, &self.pushed, hash, record);
        Ok(())
    }
}

/// Pushes a stored value in the very form in which the planner pushes a fetched one.
fn push_stored(out: &mut Vec<u8>, kind: Kind, text: Option<&str>) {
    let normalised;
    let value = match (kind, text) {
        (_, None) => Value::Null,
        (Kind::Uuid, Some(text)) => Uuid::try_parse(text).map_or(Value::Null, Value::Uuid),
        (Kind::Int, Some(text)) => text.parse().map_or(Value::Null, Value::Int),
        (Kind::Bool, Some(text)) => Value::Bool(text == "true"),
        (Kind::Text, Some(text)) => Value::Text(text),
        (Kind::Decimal, Some(text)) => {
            normalised = decimal::normalise(text);
            normalised.as_deref().map_or(Value::Null, Value::Decimal)
        }
    };
    push(out, value);
}
