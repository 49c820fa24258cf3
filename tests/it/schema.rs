//! The declarations, the migrated schema of either database, and the two against each other.

use super::{
    harness::{Engine, World, on_both},
    postgres,
};
use std::collections::{BTreeMap, BTreeSet};
use zerkalo::{engine::Kind, tables};

on_both!(
    every_declared_table_is_there_as_declared,
    what_people_look_up_by_has_an_index,
    the_freshness_view_answers
);

/// The columns that every mirrored table has beside its own.
const COMMON: [&str; 3] = ["raw_json", "row_hash", "synced_at"];

/// What a declared kind is stored as.
fn stored_as(engine: Engine, kind: Kind) -> &'static str {
    match (engine, kind) {
        (Engine::Postgres, Kind::Uuid) => "uuid",
        (Engine::Postgres, Kind::Bool) => "boolean",
        (Engine::Postgres, Kind::Int) => "bigint",
        (Engine::Postgres, Kind::Decimal) => "numeric",
        (Engine::Sqlite, Kind::Bool | Kind::Int) => "integer",
        (Engine::Sqlite, Kind::Decimal) => "any",
        (_, Kind::Text | Kind::Uuid) => "text",
    }
}

/// Tables and a column of each.
type Pairs = BTreeSet<(String, String)>;

/// The first column of each index by table, and the columns of each primary key in key order.
fn indexes(world: &World) -> (Pairs, BTreeMap<String, Vec<String>>) {
    let (first, keys) = match world.engine {
        Engine::Postgres => (
            "select c.relname::text, a.attname::text from pg_index i join pg_class c on c.oid = i.indrelid
             join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
             where c.relnamespace = 'public'::regnamespace",
            "select c.relname::text, a.attname::text from pg_index i join pg_class c on c.oid = i.indrelid
             cross join unnest(i.indkey::int[]) with ordinality k(number, place)
             join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
             where i.indisprimary and c.relnamespace = 'public'::regnamespace order by c.relname, k.place",
        ),
        Engine::Sqlite => (
            "select m.name, c.name from sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
             where m.type = 'table' and c.seqno = 0",
            "select m.name, c.name from sqlite_master m, pragma_table_info(m.name) c
             where m.type = 'table' and c.pk > 0 order by m.name, c.pk",
        ),
    };
    let pairs = |sql: &str| {
        let pair = |row: Vec<Option<String>>| -> (String, String) {
            let [table, column] = row.try_into().unwrap();
            (table.unwrap(), column.unwrap())
        };
        world.query(sql).into_iter().map(pair).collect::<Vec<_>>()
    };
    let mut primary: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in pairs(keys) {
        primary.entry(table).or_default().push(column);
    }
    (pairs(first).into_iter().collect(), primary)
}

fn migrated(engine: Engine) -> World {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    world
}

fn every_declared_table_is_there_as_declared(engine: Engine) {
    let world = migrated(engine);
    let (_, keys) = indexes(&world);
    let common = match engine {
        Engine::Postgres => ["jsonb", "bytea", "timestamp with time zone"],
        Engine::Sqlite => ["text", "blob", "text"],
    };
    for entity in tables::all() {
        let table = entity.table.name;
        let declared = entity.table.columns.iter().map(|column| {
            let nullable = !entity.table.key.contains(&column.name);
            (column.name.to_owned(), stored_as(engine, column.kind).to_owned(), nullable)
        });
        let common = COMMON
            .iter()
            .zip(common)
            .map(|(name, kind)| ((*name).to_owned(), kind.to_owned(), *name == "row_hash"));
        let expected: BTreeSet<_> = declared.chain(common).collect();
        let columns = world.columns(&[table]).remove(table).unwrap_or_default();
        let stored: BTreeSet<_> =
            columns.into_iter().map(|column| (column.name, column.kind, column.nullable)).collect();
        assert_eq!(stored, expected, "{table}");
        assert_eq!(keys[table], entity.table.key, "{table}");
    }
    let triggers = world.query(match engine {
        Engine::Postgres => "select tgname::text from pg_trigger where not tgisinternal",
        Engine::Sqlite => "select name from sqlite_master where type = 'trigger'",
    });
    let triggers: BTreeSet<String> = triggers.into_iter().map(|mut row| row[0].take().unwrap()).collect();
    let expected = tables::all().map(|entity| format!("{}_touched", entity.table.name)).collect();
    assert_eq!(triggers, expected, "every table notices a hand edit");
}

fn what_people_look_up_by_has_an_index(engine: Engine) {
    let world = migrated(engine);
    let (first, _) = indexes(&world);
    let looked_up = ["parent_id", "name", "num", "product_id", "store_id", "root_type"];
    for entity in tables::all() {
        let table = entity.table.name;
        for column in entity.table.columns {
            // FinTablo's users, who are responsible for deals, are not mirrored.
            let foreign =
                table.starts_with("ft_") && column.name.ends_with("_id") && column.name != "responsible_id";
            if foreign || looked_up.contains(&column.name) {
                let pair = (table.to_owned(), column.name.to_owned());
                assert!(first.contains(&pair), "{table}.{} has no index", column.name);
            }
        }
    }
}

fn the_freshness_view_answers(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let rows = world.query("select table_name, scope, cast(rows as text) from mirror_freshness");
    let read = |entity: &&tables::Entity| entity.table.scope.is_none() && world.count(entity.table.name) > 0;
    for entity in tables::all().filter(read) {
        let table = entity.table.name;
        let fresh = rows.iter().find(|row| row[0].as_deref() == Some(table)).unwrap();
        assert_eq!(fresh[2], Some(world.count(table).to_string()), "{table}");
    }
}

#[test]
fn both_dialects_have_the_same_tables_columns_and_indexes() {
    if postgres::server().is_none() {
        return;
    }
    let shape = |engine: Engine| {
        let world = migrated(engine);
        let (first, keys) = indexes(&world);
        let names: Vec<String> = keys.keys().filter(|name| !name.starts_with("zerkalo_")).cloned().collect();
        let columns = world.columns(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let columns: BTreeMap<String, Vec<String>> = columns
            .into_iter()
            .map(|(table, columns)| (table, columns.into_iter().map(|column| column.name).collect()))
            .collect();
        // SQLite needs no index for a key that is the row's number.
        let first: BTreeSet<_> = first
            .into_iter()
            .filter(|(table, column)| names.contains(table) && keys[table].first() != Some(column))
            .collect();
        (
            columns,
            first,
            keys.into_iter().filter(|(name, _)| names.contains(name)).collect::<BTreeMap<_, _>>(),
        )
    };
    assert_eq!(shape(Engine::Sqlite), shape(Engine::Postgres));
}
