//! What the migrations have made, and whether it is still there: the ledger tells only that they ran.

use super::{
    ddl,
    migrate::{Dialect, our_names},
};
use crate::tables;
use std::collections::{BTreeSet, HashSet};

/// The tool's own objects at our version, a line each; a test holds them, and those of the mirrored tables, to what the
/// migrations really make. `SQLite` has neither functions nor named keys.
const OWN: &str = include_str!("objects.txt");

/// What there is at our version, in the order in which it is told.
fn expected() -> BTreeSet<String> {
    let mirrored = tables::all().flat_map(|entity| ddl::objects(&entity.table));
    OWN.lines().map(str::to_owned).chain(mirrored).collect()
}

/// The query for what is there, a row each, as [`expected`] spells it. A trigger that is switched off is not there.
pub(super) fn query(dialect: Dialect, schema: &str) -> String {
    let names: Vec<String> = our_names().into_iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    match dialect {
        Dialect::Sqlite => format!(
            "select 'column ' || m.name || '.' || c.name as object from sqlite_master m, pragma_table_info(m.name) c
             where m.type = 'table' and m.name in ({names})
             union all select type || ' ' || name from sqlite_master
             where type in ('index', 'trigger') and tbl_name in ({names}) and sql is not null
             union all select 'view ' || name from sqlite_master where type = 'view' and name = 'mirror_freshness'"
        ),
        Dialect::Postgres => format!(
            "with ours as (
                 select c.oid, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = {schema} and c.relkind in ('r', 'p') and c.relname in ({names})
             )
             select 'column ' || relname || '.' || attname as object from ours join pg_attribute on attrelid = ours.oid
             where attnum > 0 and not attisdropped
             union all
             select case when k.oid is null then 'index ' else 'key ' end || c.relname
             from ours join pg_index i on i.indrelid = ours.oid join pg_class c on c.oid = i.indexrelid
             left join pg_constraint k on k.conindid = c.oid and k.contype in ('p', 'u')
             where i.indisvalid
             union all
             select 'trigger ' || tgname from ours join pg_trigger on tgrelid = ours.oid
             where not tgisinternal and tgenabled <> 'D'
             union all
             select 'view ' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = {schema} and c.relkind = 'v' and c.relname = 'mirror_freshness'
             union all
             select 'function ' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = {schema} and left(p.proname, 8) = 'zerkalo_'"
        ),
    }
}

/// What is missing of our version, in words: a table that is not there instead of its columns.
pub(super) fn missing(dialect: Dialect, there: &HashSet<String>) -> Vec<String> {
    let counts = |line: &String| {
        dialect == Dialect::Postgres || !(line.starts_with("function ") || line.starts_with("key "))
    };
    let column = |line: &str| {
        line.strip_prefix("column ").and_then(|name| name.split_once('.')).map(|(table, _)| table.to_owned())
    };
    let tables: HashSet<String> = there.iter().filter_map(|line| column(line)).collect();
    let mut missing = Vec::new();
    for line in expected().into_iter().filter(counts).filter(|line| !there.contains(line)) {
        let told = match column(&line) {
            Some(table) if !tables.contains(&table) => format!("table {table}"),
            _ => line,
        };
        if !missing.contains(&told) {
            missing.push(told);
        }
    }
    // What was dropped together with its table goes without saying.
    let gone: Vec<String> = missing
        .iter()
        .filter_map(|told| told.strip_prefix("table "))
        .map(|table| format!("{table}_"))
        .collect();
    missing.retain(|told| {
        let name = told.split_once(' ').map_or("", |(_, name)| name);
        told.starts_with("table ") || !gone.iter().any(|table| name.starts_with(table.as_str()))
    });
    missing
}
