//! Other writers: people with a SQL prompt, and programs that do not know whose tables these are.

use super::{
    doctor::{as_role, assert_found},
    harness::{Engine, World, on_both},
    postgres,
    rows::execute,
    shelf::{Item, Shelf, counts},
};
use std::thread;
use zerkalo::jobs::{Options, notify::Notify};

on_both!(
    a_column_changed_by_hand_is_repaired_by_the_next_run,
    a_column_changed_behind_the_triggers_back_is_repaired_by_verify,
    a_row_that_another_program_inserted_goes_and_one_that_it_deleted_comes_back,
    a_row_whose_hash_was_damaged_is_written_again,
    a_write_between_planning_and_applying_is_planned_once_more,
    somebody_who_writes_all_the_time_is_reported_and_nothing_is_changed,
    nothing_is_deleted_that_somebody_lets_not_be_kept,
);

const VERIFY: Options = Options {
    verify: true,
    adopt_source: false,
    allow_delete: Vec::new(),
    notify: Notify::Never,
    prune: false,
};

/// Twenty rows are stored.
fn stock_up(world: &World, shelf: Shelf) -> Vec<Item> {
    let items = Item::many(1..21);
    shelf.put(world, &items);
    shelf.sync(world, 0);
    items
}

fn a_column_changed_by_hand_is_repaired_by_the_next_run(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let items = stock_up(world, shelf);
        let (table, number) = (shelf.name(), shelf.number.0);
        let before = world.rows(table);
        for (set, touched) in [
            ("name = 'by hand'", 3),
            ("raw_json = '{}'", 3),
            (&format!("{number} = {number} + 1")[..], 3),
            ("name = name", 3),
            ("synced_at = synced_at", 3),
        ] {
            let ids = [2, 5, 20].map(|id| format!("'{}'", shelf.id(id))).join(", ");
            assert_eq!(world.execute(&format!("update {table} set {set} where id in ({ids})")), touched);
            assert_eq!(counts(&shelf.sync(world, 0)), [0, 3, 17, 0], "{table}: {set}");
            assert_eq!(shelf.stored(world), shelf.rows(&items));
        }
        let after = world.rows(table);
        let same = after.iter().filter(|row| before.contains(row)).count();
        assert_eq!(same, 17, "the rows that nobody touched were not written");
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 20, 0]);
    });
}

fn a_column_changed_behind_the_triggers_back_is_repaired_by_verify(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let items = stock_up(world, shelf);
        let (table, number) = (shelf.name(), shelf.number.0);
        // Only while it is gone: a run without its triggers is refused.
        let (off, on) = match engine {
            Engine::Postgres => (
                format!("alter table {table} disable trigger user"),
                format!("alter table {table} enable trigger user"),
            ),
            Engine::Sqlite => {
                let made =
                    world.query(&format!("select sql from sqlite_master where name = '{table}_touched'"));
                (format!("drop trigger {table}_touched"), made[0][0].clone().unwrap())
            }
        };
        let id = shelf.id(7);
        for set in
            ["name = 'by hand'", "name = null", "raw_json = '{\"a\":1}'", &format!("{number} = 7.250000001")]
        {
            world.execute(&off);
            assert_eq!(world.execute(&format!("update {table} set {set} where id = '{id}'")), 1);
            world.execute(&on);
            assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 20, 0], "the hash alone does not show it");
            assert_eq!(counts(&shelf.sync_with(world, 0, &VERIFY)), [0, 1, 19, 0], "{table}: {set}");
            assert_eq!(shelf.stored(world), shelf.rows(&items));
            assert_eq!(counts(&shelf.sync_with(world, 0, &VERIFY)), [0, 0, 20, 0]);
        }
        if engine == Engine::Postgres {
            world.execute(&format!("{off}; update {table} set name = 'x' where id = '{id}'; {on}"));
            assert_eq!(
                counts(&shelf.sync_with(world, 0, &VERIFY)),
                [0, 1, 19, 0],
                "with the trigger there, too"
            );
            assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 20, 0], "and the repaired row keeps its hash");
        }
    });
}

fn a_row_that_another_program_inserted_goes_and_one_that_it_deleted_comes_back(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let items = stock_up(world, shelf);
        let (table, id) = (shelf.name(), shelf.id(900));
        world.execute(&format!("insert into {table} (id, name, raw_json, synced_at) values ('{id}', 'x', '{{}}', '2026-01-01T00:00:00Z')"));
        world.execute(&format!("delete from {table} where id = '{}'", shelf.id(3)));
        assert_eq!(counts(&shelf.sync(world, 0)), [1, 0, 19, 1]);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
        assert_eq!(
            world.rows("mirror_tombstone")[0]["key"],
            Some(format!("[\"{id}\"]")),
            "what went can be seen"
        );
        world.execute(&format!("delete from {table}"));
        assert_eq!(counts(&shelf.sync(world, 0)), [20, 0, 0, 0]);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
    });
}

fn a_row_whose_hash_was_damaged_is_written_again(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let items = stock_up(world, shelf);
        let table = shelf.name();
        let hash = match engine {
            Engine::Postgres => ["null", "'\\x00'", "decode(repeat('00', 16), 'hex')"],
            Engine::Sqlite => ["null", "x'00'", "zeroblob(16)"],
        };
        for hash in hash {
            world.execute(&format!("update {table} set row_hash = {hash} where id = '{}'", shelf.id(4)));
            assert_eq!(counts(&shelf.sync(world, 0)), [0, 1, 19, 0], "{table}: {hash}");
        }
        world.execute(&format!("update {table} set row_hash = {}", hash[0]));
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 20, 0, 0]);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
    });
}

/// Executes `sql` when the list is asked for the `nth` time: after the index was read, before the plan is applied.
fn meanwhile(world: &World, shelf: Shelf, nth: usize, sql: &str) {
    let (engine, database, sql) = (world.engine, world.database.clone(), sql.to_owned());
    world.sandbox.on(&format!("{}$", shelf.path), nth, move |_| {
        // A thread and a runtime of its own: this closure runs on the runtime that all sandboxes share.
        let write = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(execute(engine, &database, &sql));
        };
        thread::spawn(write).join().unwrap();
    });
}

fn a_write_between_planning_and_applying_is_planned_once_more(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        stock_up(world, shelf);
        let table = shelf.name();
        let row = |id: usize| format!("('{}', 'theirs', '{{}}', '2026-01-01T00:00:00Z')", shelf.id(id));
        // One more than the last deletion leaves a round number of rows, of which none may be deleted.
        let mut items = Item::many(1..23);
        items[4].name = "renamed".to_owned();
        for (number, sql) in [
            format!("insert into {table} (id, name, raw_json, synced_at) values {}", row(21)),
            format!("delete from {table} where id = '{}'", shelf.id(5)),
        ]
        .into_iter()
        .enumerate()
        {
            items[4].name.push('!');
            shelf.put(world, &items);
            meanwhile(world, shelf, 1, &sql);
            let report = shelf.sync(world, 0);
            assert_eq!(
                report.counts.inserted + report.counts.updated,
                if number == 0 { 3 } else { 1 },
                "{table}: {report:?}"
            );
            assert_eq!(shelf.stored(world), shelf.rows(&items), "{table}: {sql}");
        }
        // A row that both want to delete.
        items.remove(8);
        shelf.put(world, &items);
        meanwhile(world, shelf, 1, &format!("delete from {table} where id = '{}'", shelf.id(9)));
        assert_eq!(counts(&shelf.sync(world, 0))[3], 0, "it is gone already");
        assert_eq!(shelf.stored(world), shelf.rows(&items));
        assert_eq!(world.count("iiko_sync_log"), 4, "one log row a run, whatever it took");
    });
}

fn somebody_who_writes_all_the_time_is_reported_and_nothing_is_changed(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let mut items = stock_up(world, shelf);
        items.extend(Item::many(21..25));
        items[0].name = "new".to_owned();
        shelf.put(world, &items);
        for (nth, id) in [(1, 22), (2, 23)] {
            let id = shelf.id(id);
            let sql = format!(
                "insert into {} (id, name, raw_json, synced_at) values ('{id}', 'theirs', '{{}}', '2026-01-01T00:00:00Z')",
                shelf.name()
            );
            meanwhile(world, shelf, nth, &sql);
        }
        let report = shelf.sync(world, 8);
        assert!(report.error.as_deref().unwrap().contains("keeps writing"), "{report:?}");
        assert_eq!(world.log().pop().unwrap()["status"].as_deref(), Some("error"));
        let mut expected = Item::many(1..21);
        let stored = world.select(shelf.name(), ["id", "name"]);
        expected.extend([22, 23].map(|id| Item { name: "theirs".to_owned(), ..Item::new(id) }));
        assert_eq!(stored.len(), expected.len(), "only their rows are new");
        assert!(stored.iter().all(|row| row["name"].as_deref() != Some("new")));
        shelf.sync(world, 0);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
    });
}

fn nothing_is_deleted_that_somebody_lets_not_be_kept(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let mut items = stock_up(world, shelf);
        world.execute(match engine {
            Engine::Sqlite => {
                "create trigger theirs before insert on mirror_tombstone begin select raise(ignore); end"
            }
            Engine::Postgres => {
                "create function theirs() returns trigger language plpgsql as 'begin return null; end';
                 create trigger theirs before insert on mirror_tombstone for each row execute function theirs()"
            }
        });
        items.pop();
        shelf.put(world, &items);
        let report = shelf.sync(world, 8);
        assert!(report.error.as_deref().unwrap().contains("nothing was changed"), "{report:?}");
        assert_eq!(world.count(shelf.name()), 20, "what cannot be restored is not deleted");
        world.execute(match engine {
            Engine::Sqlite => "drop trigger theirs",
            Engine::Postgres => "drop function theirs() cascade",
        });
        assert_eq!(counts(&shelf.sync(world, 0))[3], 1);
        assert_eq!(world.count("mirror_tombstone"), 1);
    });
}

#[test]
fn row_level_security_is_told_by_run_and_doctor_alike() {
    if postgres::server().is_none() {
        return;
    }
    let mut world = World::new(Engine::Postgres);
    let role = format!("story_rows_{}", std::process::id());
    world.execute(&format!("create role {role} login; grant create on schema public to {role}"));
    world.set("DATABASE_URL", as_role(&world, &role));
    world.expect(0, &["sync", "iiko"]);
    world.execute(
        "alter table iiko_store enable row level security; alter table iiko_store force row level security",
    );
    let mend = "alter table public.iiko_store disable row level security";
    let refused = world.expect(2, &["sync", "iiko"]);
    let hint = refused.step("iiko_store", None)["hint"].as_str().unwrap();
    assert!(hint.contains(mend), "{hint}");
    let failed = refused.steps().iter().filter(|step| step["status"] == "error").count();
    assert_eq!(failed, 1, "the rest is committed");
    assert_found(&world.expect(2, &["doctor"]), "database", "problem", "row-level security", mend);
    world.execute(mend);
    world.expect(0, &["sync", "iiko"]);
    world.execute(&format!(
        "reassign owned by {role} to current_user; drop owned by {role}; drop role {role}"
    ));
}
