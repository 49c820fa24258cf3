//! Identifiers in SQL texts. They come from declarations in this crate, never from data; quoting is for words like
//! `group`.

use crate::engine::Table;

/// One identifier, quoted.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The table's own columns, quoted, in order.
pub(super) fn columns(table: &Table) -> Vec<String> {
    table.columns.iter().map(|column| quoted(column.name)).collect()
}

/// `<alias>.key = <other>.key and …` for a table's whole key.
pub(super) fn key_equals(table: &Table, left: &str, right: impl Fn(&str) -> String) -> String {
    table
        .key
        .iter()
        .map(|name| format!("{left}.{} = {}", quoted(name), right(name)))
        .collect::<Vec<_>>()
        .join(" and ")
}
