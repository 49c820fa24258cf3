//! A stored row as the index takes it, from either database.

use crate::engine::{
    Column, Index, Table, hash, record,
    row::{RowHash, Value, Values, encode_key},
};

/// The columns that an index is read from: the key, or with `verify` all of them.
pub(super) fn read_columns(table: &'static Table, verify: bool) -> Vec<&'static Column> {
    if verify { table.columns.iter().collect() } else { table.key_columns().collect() }
}

/// Adds a row to the index. `pushed` are the values of `read`, in the very form in which the planner pushes fetched
/// ones; `record` is the stored record where the columns themselves are to be compared.
pub(super) fn add(
    index: &mut Index,
    table: &Table,
    read: &[&Column],
    pushed: &[u8],
    row_hash: Option<RowHash>,
    record: Option<&str>,
) {
    let values: smallvec::SmallVec<[Value<'_>; 24]> = Values::of(pushed).collect();
    let value_of = |name: &str| {
        let position = read.iter().position(|column| column.name == name).expect("keys are always read");
        values[position]
    };
    let key = encode_key(table.key.iter().map(|name| value_of(name)));
    let scope = match table.scope.map(value_of) {
        Some(Value::Text(scope)) => scope,
        _ => "",
    };
    let hash = match (row_hash, record) {
        // A record that does not read back was written by somebody else: it differs from everything.
        (Some(row_hash), Some(text)) => {
            record::canonical(text).ok().map(|record| hash::verified(&row_hash, pushed, &record))
        }
        (row_hash, _) => row_hash,
    };
    index.add_stored(key, scope, hash);
}
