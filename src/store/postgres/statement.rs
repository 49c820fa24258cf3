//! The one statement that writes a plan.
//!
//! It goes as a simple query: a statement with parameters takes two turns (it is prepared, then executed), and no two
//! tables share a text. What would be a parameter is written into the text as hex digits, in which nothing can be read
//! as SQL.

use crate::{
    engine::{Kind, Table},
    store::{
        quoting::{all_columns, assignments, key_equals, quoted},
        sql,
    },
};

/// The one statement that writes a plan. Parameters, all of them texts: 1 now, 2 run, 3–5 the planned numbers of rows, then
/// a text array for each inserted column, each updated column and each key column.
pub(super) struct Statement {
    pub(super) table: &'static Table,
    /// The server process that holds the connection's locks: no other one may commit.
    pub(super) backend: Option<i32>,
    pub(super) inserts: bool,
    pub(super) updates: bool,
    pub(super) deletes: bool,
    /// What writes the log, if there is something to log.
    pub(super) log: Option<String>,
}

impl Statement {
    pub(super) fn sql(&self) -> String {
        let name = quoted(self.table.name);
        let mut next = 6;
        let mut parts = Vec::new();
        let nothing = "select 1 where false".to_owned();
        let inserted = if self.inserts {
            let (from, select) = self.unnest(&mut next);
            format!(
                "insert into {name} ({}) select {select}, $1::timestamptz from {from} returning 1",
                all_columns(self.table).join(", ")
            )
        } else {
            nothing.clone()
        };
        let updated = if self.updates {
            let (from, select) = self.unnest(&mut next);
            let rows = format!(
                "(select {select}, $1::timestamptz from {from}) as v({})",
                all_columns(self.table).join(", ")
            );
            let key = key_equals(self.table, "t", |column| format!("v.{}", quoted(column)));
            format!("update {name} t set {} from {rows} where {key} returning 1", assignments(self.table))
        } else {
            nothing.clone()
        };
        let deleted = if self.deletes {
            let from = key_arrays(self.table, &mut next);
            let keys: Vec<String> = (0..self.table.key.len()).map(|n| format!("v.k{n}")).collect();
            let (using, condition) = from.split_once(" where ").expect("made of both");
            format!(
                "delete from {name} t using {using} where {condition}
                 returning to_jsonb(array[{}]) as key, {} as deleted_row",
                keys.join(", "),
                row_as_texts(self.table),
            )
        } else {
            "select null::jsonb as key, null::jsonb as deleted_row where false".to_owned()
        };
        parts.push(format!("inserted as ({inserted})"));
        parts.push(format!("updated as ({updated})"));
        parts.push(format!("deleted as ({deleted})"));
        if self.deletes && self.table.tombstones {
            parts.push(format!(
                "buried as (insert into mirror_tombstone (table_name, key, \"row\", run_id, deleted_at)
                 select '{}', key, deleted_row, $2::uuid, $1::timestamptz from deleted returning 1)",
                self.table.name
            ));
        }
        parts.extend(self.log.iter().map(|log| format!("logged as ({log})")));
        // Somebody's trigger may let nothing be kept.
        let kept = if self.deletes && self.table.tombstones {
            ",\n zerkalo_expect('keep', $5::bigint, (select count(*) from buried))"
        } else {
            ""
        };
        let backend = self.backend.map_or_else(String::new, |backend| {
            format!(",\n zerkalo_expect('connection', {backend}, pg_backend_pid())")
        });
        format!(
            "with {}\nselect zerkalo_expect('insert', $3::bigint, (select count(*) from inserted)),
             zerkalo_expect('update', $4::bigint, (select count(*) from updated)),
             zerkalo_expect('delete', $5::bigint, (select count(*) from deleted)){kept}{backend}",
            parts.join(",\n")
        )
    }

    /// `unnest($6::text[], …) as u(c0, …)` and the casts of its columns.
    fn unnest(&self, next: &mut usize) -> (String, String) {
        let kinds = self.table.columns.iter().map(|column| Some(column.kind)).chain([None, None]);
        let mut arrays = Vec::new();
        let mut names = Vec::new();
        let mut casts = Vec::new();
        let record = self.table.columns.len();
        for (position, kind) in kinds.enumerate() {
            arrays.push(format!("${}::text[]", *next));
            names.push(format!("c{position}"));
            casts.push(match kind {
                Some(kind) => format!("c{position}::{}", sql_type(kind)),
                None if position == record => format!("c{position}::jsonb"),
                None => format!("decode(c{position}, 'hex')"),
            });
            *next += 1;
        }
        (format!("unnest({}) as u({})", arrays.join(", "), names.join(", ")), casts.join(", "))
    }
}

/// Writes the parameters `$1`, `$2`, … into a statement's text.
pub(super) fn inline(sql: &str, parameters: &[String]) -> String {
    let length = parameters.iter().map(|parameter| parameter.len() * 2 + 40).sum();
    sql::inline(sql, length, |out, number| sql::push_text(out, &parameters[number - 1]))
}

/// Appends an element to the text of an array, which begins empty and ends without its closing brace.
pub(super) fn push_element(array: &mut String, element: Option<&str>) {
    array.push(if array.is_empty() { '{' } else { ',' });
    let Some(text) = element else { return array.push_str("null") };
    array.push('"');
    for part in text.split_inclusive(['"', '\\']) {
        let clean = part.strip_suffix(['"', '\\']).unwrap_or(part);
        array.push_str(clean);
        if clean.len() < part.len() {
            array.push('\\');
            array.push_str(&part[clean.len()..]);
        }
    }
    array.push('"');
}

/// Ends the text of an array, also of one without elements.
pub(super) fn end_array(array: &mut String) {
    array.push_str(if array.is_empty() { "{}" } else { "}" });
}

/// `unnest($n::text[], …) as v(k0, …) where t.key = v.k0::type and …`
pub(super) fn key_arrays(table: &Table, next: &mut usize) -> String {
    let mut arrays = Vec::new();
    let mut names = Vec::new();
    let mut equal = Vec::new();
    for (position, column) in table.key_columns().enumerate() {
        arrays.push(format!("${}::text[]", *next));
        names.push(format!("k{position}"));
        equal.push(format!("t.{} = v.k{position}::{}", quoted(column.name), sql_type(column.kind)));
        *next += 1;
    }
    format!("unnest({}) as v({}) where {}", arrays.join(", "), names.join(", "), equal.join(" and "))
}

/// A row as its tombstone keeps it: every column as text, as `SQLite` keeps it too.
fn row_as_texts(table: &Table) -> String {
    let texts = table.columns.iter().map(|column| (column.name, format!("t.{}::text", quoted(column.name))));
    let common = [
        ("raw_json", "t.raw_json::text".to_owned()),
        ("row_hash", "encode(t.row_hash, 'hex')".to_owned()),
        ("synced_at", stamp("t.synced_at")),
    ];
    let (names, texts): (Vec<String>, Vec<String>) =
        texts.chain(common).map(|(name, text)| (format!("'{name}'"), text)).unzip();
    format!("jsonb_object(array[{}], array[{}])", names.join(", "), texts.join(", "))
}

/// A moment as `SQLite` stores it: UTC with microseconds.
fn stamp(moment: &str) -> String {
    format!(r#"to_char({moment} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#)
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "uuid",
        Kind::Text => "text",
        Kind::Bool => "boolean",
        Kind::Int => "bigint",
        Kind::Decimal => "numeric",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_of_a_parameter_can_be_read_as_sql() {
        let sql = inline("select $2::text, $1::uuid", &["'; drop".to_owned(), "я$1".to_owned()]);
        let expected = "select convert_from('\\xd18f2431', 'UTF8')::text, \
                        convert_from('\\x273b2064726f70', 'UTF8')::uuid";
        assert_eq!(sql, expected);
    }

    #[test]
    fn an_array_keeps_quotes_backslashes_and_nulls() {
        let mut array = String::new();
        for element in [Some(r#"a"b\c"#), None, Some(""), Some("null"), Some("{,}")] {
            push_element(&mut array, element);
        }
        end_array(&mut array);
        assert_eq!(array, r#"{"a\"b\\c",null,"","null","{,}"}"#);
    }
}
