//! The one statement that writes a plan, and the log's.

use crate::{
    engine::{Kind, Table},
    store::quoting::{all_columns, assignments, key_equals, quoted},
};

/// The one statement that writes a plan. Parameters: 1 log rows, 2 now, 3 run, 4–6 the planned numbers of rows, 7 the
/// age of tombstones to prune, then a text array for each inserted column, each updated column and each key column.
pub(super) struct Statement {
    pub(super) table: &'static Table,
    pub(super) inserts: bool,
    pub(super) updates: bool,
    pub(super) deletes: bool,
}

impl Statement {
    pub(super) fn sql(&self) -> String {
        let name = quoted(self.table.name);
        let mut next = 8;
        let mut parts = Vec::new();
        let nothing = "select 1 where false".to_owned();
        let inserted = if self.inserts {
            let (from, select) = self.unnest(&mut next);
            format!(
                "insert into {name} ({}) select {select}, $2 from {from} returning 1",
                all_columns(self.table).join(", ")
            )
        } else {
            nothing.clone()
        };
        let updated = if self.updates {
            let (from, select) = self.unnest(&mut next);
            let rows =
                format!("(select {select}, $2 from {from}) as v({})", all_columns(self.table).join(", "));
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
                 returning to_jsonb(array[{}]) as key, to_jsonb(t) as deleted_row",
                keys.join(", "),
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
                 select '{}', key, deleted_row, $3, $2 from deleted)",
                self.table.name
            ));
            parts.push("pruned as (delete from mirror_tombstone where deleted_at < $7)".to_owned());
        }
        parts.push(format!("logged as ({LOG_INSERT} from jsonb_to_recordset($1::jsonb) as x({LOG_RECORD}))"));
        format!(
            "with {}\nselect zerkalo_expect('insert', $4, (select count(*) from inserted)),
             zerkalo_expect('update', $5, (select count(*) from updated)),
             zerkalo_expect('delete', $6, (select count(*) from deleted)), $2::timestamptz, $3::uuid, $7::timestamptz",
            parts.join(",\n")
        )
    }

    /// `unnest($8::text[], …) as u(c0, …)` and the casts of its columns.
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

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "uuid",
        Kind::Text => "text",
        Kind::Bool => "boolean",
        Kind::Int => "bigint",
        Kind::Decimal => "numeric",
    }
}

pub(super) const LOG_INSERT: &str = "insert into iiko_sync_log (run_id, entity_type, scope, status, started_at, finished_at, duration_ms,
 records_synced, inserted, updated, unchanged, deleted, rejected, delete_blocked, error_message, triggered_by, host)
 select run_id, entity_type, scope, status, started_at, finished_at, duration_ms, records_synced, inserted, updated, unchanged,
 deleted, rejected, delete_blocked, error_message, triggered_by, host";

pub(super) const LOG_RECORD: &str = "run_id uuid, entity_type text, scope text, status text, started_at timestamptz, finished_at timestamptz,
 duration_ms bigint, records_synced bigint, inserted bigint, updated bigint, unchanged bigint, deleted bigint, rejected bigint,
 delete_blocked bigint, error_message text, triggered_by text, host text";
