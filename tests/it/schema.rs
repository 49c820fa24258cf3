//! The declarations, the migrated schema of either database, and the two against each other.

use super::{
    expected::mirror,
    harness::{Engine, World, on_both},
    postgres,
    widget::dialect,
};
use std::collections::{BTreeMap, BTreeSet};
use zerkalo::{engine::Kind, store::ddl, tables};

on_both!(
    every_declared_table_is_there_as_declared,
    what_is_printed_of_the_declarations_is_what_the_migrations_have_made,
    what_people_look_up_by_has_an_index,
    the_freshness_view_answers,
    a_direction_that_is_stored_as_text_becomes_a_number,
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

/// What the catalogue says of tables and of all that hangs on them, a line each, but for what their columns hold in words.
fn catalogue(world: &World) -> BTreeSet<String> {
    let names = tables::all().map(|entity| format!("'{}'", entity.table.name)).collect::<Vec<_>>().join(", ");
    let sql = match world.engine {
        Engine::Sqlite => format!(
            "select concat_ws(' ', m.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden)
             from sqlite_master m, pragma_table_xinfo(m.name) c where m.type = 'table' and m.name in ({names})
             union all select concat_ws(' ', name, type, strict, wr) from pragma_table_list where name in ({names})
             union all select sql from sqlite_master
             where type in ('index', 'trigger') and sql is not null and tbl_name in ({names})"
        ),
        Engine::Postgres => format!(
            "with ours as (select oid, relname from pg_class where relname in ({names})
                 and relnamespace = 'public'::regnamespace)
             select concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
                 pg_get_expr(adbin, adrelid))
             from ours join pg_attribute on attrelid = ours.oid
             left join pg_attrdef on adrelid = attrelid and adnum = attnum where attnum > 0 and not attisdropped
             union all select pg_get_indexdef(indexrelid) from ours join pg_index on indrelid = ours.oid
             union all select concat_ws(' ', relname, conname, pg_get_constraintdef(pg_constraint.oid))
             from ours join pg_constraint on conrelid = ours.oid
             union all select pg_get_triggerdef(pg_trigger.oid) from ours join pg_trigger on tgrelid = ours.oid"
        ),
    };
    let line = |mut row: Vec<Option<String>>| {
        let text = row[0].take().unwrap().replace('"', "");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    world.query(&sql).into_iter().map(line).collect()
}

fn what_is_printed_of_the_declarations_is_what_the_migrations_have_made(engine: Engine) {
    let printed = World::new(engine);
    printed.execute(match engine {
        Engine::Postgres => include_str!("../../migrations/postgres/0001_core.sql"),
        Engine::Sqlite => include_str!("../../migrations/sqlite/0001_core.sql"),
    });
    for entity in tables::all() {
        printed.execute(&ddl::create(&entity.table, dialect(engine)));
    }
    let (declared, made) = (catalogue(&printed), catalogue(&migrated(engine)));
    let (unmade, undeclared): (Vec<_>, Vec<_>) =
        (declared.difference(&made).collect(), made.difference(&declared).collect());
    assert!(
        unmade.is_empty() && undeclared.is_empty(),
        "not made: {unmade:#?}\nnot declared: {undeclared:#?}"
    );
    let objects: usize = tables::all().map(|entity| ddl::objects(&entity.table).len()).sum();
    assert!(declared.len() >= objects, "{} lines of {objects} objects", declared.len());
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

/// `ft_job` as it was before its direction became a number.
fn with_directions_as_text(world: &World) {
    let version = world
        .query("select cast(version as text) from zerkalo_migration where description = 'job direction'")[0]
        [0]
    .clone()
    .unwrap();
    world.undo_migrations_from(version.parse().unwrap());
    if world.engine == Engine::Postgres {
        world.execute("alter table ft_job alter column direction_id type text");
        return;
    }
    let before = include_str!("../../migrations/sqlite/0003_fintablo.sql");
    let made =
        &before[before.find("create table ft_job (").unwrap()..before.find("create table ft_deal").unwrap()];
    world.execute(&format!(
        "create temp table kept as select * from ft_job; drop table ft_job; {made}; insert into ft_job select * from kept"
    ));
}

fn a_direction_that_is_stored_as_text_becomes_a_number(engine: Engine) {
    let world = World::new(engine);
    let sync = ["sync", "fintablo", "--only", "ft_job"];
    let long = "1234567890123456789.25";
    world.sandbox.edit(|world| {
        let jobs = world.fintablo.get_mut("job").unwrap();
        *jobs = (1..=6)
            .map(|id| serde_json::json!({"id": id, "name": "Услуга", "cost": long, "directionId": id * 100}))
            .collect();
    });
    world.expect(0, &sync);
    with_directions_as_text(&world);
    let hash = match engine {
        Engine::Postgres => "decode(repeat('ab', 16), 'hex')",
        Engine::Sqlite => "x'abababababababababababababababab'",
    };
    let stored =
        ["'100'", "'Розница'", "null", "''", "'99999999999999999999'", "'-7'"].into_iter().enumerate();
    for (place, text) in stored {
        let id = place + 1;
        world.execute(&format!("update ft_job set direction_id = {text}, row_hash = {hash} where id = {id}"));
    }
    world.execute("create view services as select name, direction_id from ft_job where id > 0");
    // An operator's own view on PostgreSQL holds the column's type fast: what is in the way is named, and nothing is done.
    if engine == Engine::Postgres {
        let refused = world.expect(2, &["migrate"]);
        assert!(refused.stdout.contains("view services"), "{}", refused.stdout);
        world.execute("drop view services");
    }
    world.expect(0, &["migrate"]);
    let rows = world.select("ft_job", ["id", "cost", "direction_id", "row_hash"]);
    let kept = Some("ab".repeat(16));
    let row = |id: &str, direction: Option<&str>, hash: &Option<String>| {
        super::rows::row([
            ("id", Some(id.to_owned())),
            ("cost", Some(long.to_owned())),
            ("direction_id", direction.map(str::to_owned)),
            ("row_hash", hash.clone()),
        ])
    };
    let mut expected = vec![
        row("1", Some("100"), &kept),
        row("2", None, &None),
        row("3", None, &kept),
        row("4", None, &None),
        row("5", None, &None),
        row("6", Some("-7"), &kept),
    ];
    expected.sort();
    assert_eq!(rows, expected);
    assert_eq!(world.expect(0, &sync).counts("ft_job"), [0, 6, 0], "the next run fills what is missing");
    assert_eq!(world.dump()["ft_job"], mirror(&world.sandbox.world())["ft_job"]);
    assert_eq!(world.expect(0, &sync).counts("ft_job"), [0, 0, 0]);
    world.execute("update ft_job set direction_id = 8 where id = 1");
    assert_eq!(world.expect(0, &sync).counts("ft_job"), [0, 1, 0], "a hand edit is still noticed");
    // Joined with the directions without a cast.
    world.query("select d.name from ft_job j join ft_direction d on d.id = j.direction_id");

    // A word in place of an id is told, and what is stored stays.
    world.sandbox.edit(|world| world.fintablo.get_mut("job").unwrap()[1]["directionId"] = "Розница".into());
    let told = world.expect(4, &sync);
    assert_eq!((told.counts("ft_job"), &told.step("ft_job", None)["rejected"]), ([0, 0, 0], &1.into()));
    assert!(told.stdout.contains("directionId is «Розница»"), "{}", told.stdout);
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
