//! Identifiers in SQL texts. They come from declarations in this crate, never from data; quoting is for words like
//! `group`.

use crate::engine::Table;

/// One identifier, quoted.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The table's own columns and the three that all tables have, quoted, in the order in which rows are written.
pub(super) fn all_columns(table: &Table) -> Vec<String> {
    let common = ["raw_json", "row_hash", "synced_at"].map(str::to_owned);
    table.columns.iter().map(|column| quoted(column.name)).chain(common).collect()
}

/// `column = v.column, …` for everything but the key.
pub(super) fn assignments(table: &Table) -> String {
    let is_key = |column: &String| table.key.iter().any(|key| quoted(key) == *column);
    let assigned = all_columns(table).into_iter().filter(|column| !is_key(column));
    assigned.map(|column| format!("{column} = v.{column}")).collect::<Vec<_>>().join(", ")
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

/// The query for these columns as text, under their own names.
pub(super) fn text_query(table: &Table, columns: &[&str]) -> String {
    let text = |name: &&str| format!("cast({} as text) as {}", quoted(name), quoted(name));
    let columns: Vec<String> = columns.iter().map(text).collect();
    format!("select {} from {}", columns.join(", "), quoted(table.name))
}

/// The key's columns as text under their own names, then the label's, joined, as `shown_label`: what `describe` selects.
pub(super) fn label_query(table: &Table, alias: &str) -> String {
    let key = |name: &&str| format!("cast({alias}.{} as text) as {}", quoted(name), quoted(name));
    let keys: Vec<String> = table.key.iter().map(key).collect();
    let labels: Vec<String> = table
        .label_columns()
        .iter()
        .map(|column| format!("coalesce({alias}.{}, '')", quoted(column.name)))
        .collect();
    let label = if labels.is_empty() { "''".to_owned() } else { labels.join(" || ' / ' || ") };
    format!("select {}, {label} as shown_label from {} {alias}", keys.join(", "), quoted(table.name))
}
