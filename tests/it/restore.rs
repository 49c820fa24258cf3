//! Deleted rows come back as they were, and stay as long as an operator wants them.

use super::{
    harness::{Engine, Outcome, World, on_both},
    rows::Row,
    shelf::{Item, Shelf, counts},
};
use serde_json::{Value, json};
use uuid::Uuid;

on_both!(
    restored_rows_are_equal_to_the_deleted_ones,
    a_morning_brings_back_every_kind_of_table,
    a_row_that_is_there_again_is_not_touched,
    the_next_good_answer_decides_again,
    a_hold_keeps_what_was_restored_until_it_is_released,
    a_run_brings_back_what_it_deleted_and_no_more,
    of_two_tombstones_of_a_key_the_later_one_comes_back,
    many_rows_come_back_by_copy,
    a_dry_run_restores_nothing,
    what_cannot_be_restored_is_said,
    a_restoration_does_not_make_a_table_fresh,
    tombstones_of_an_older_version_come_back,
);

/// A row without what says only when it was written.
fn content(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        row.remove("synced_at");
    }
    rows
}

/// The shelves whose tables the binary knows.
fn each(engine: Engine, story: impl Fn(&World, Shelf)) {
    for shelf in Shelf::all().into_iter().filter(|shelf| shelf.name() != super::widget::WIDGET.table.name) {
        story(&World::new(engine), shelf);
    }
}

/// Items with numbers that no float holds, and names that are no plain ASCII.
fn odd_items() -> Vec<Item> {
    let numbers = [
        "12345678901234567890.123456789",
        "-0.00005",
        "100000000000000000000",
        "0.1",
        "0",
        "9007199254740993",
    ];
    let item = |(id, number): (usize, &&str)| Item {
        id,
        name: format!("«Ёж» \"\\ \u{1f980} {id}"),
        number: (*number).to_owned(),
    };
    numbers.iter().enumerate().map(item).collect()
}

/// Item 6 and more, so that a few rows may be deleted.
fn others() -> Vec<Item> {
    Item::many(6..20)
}

fn restore(world: &World, code: i32, arguments: &[&str]) -> Outcome {
    world.expect(code, &[&["restore"], arguments].concat())
}

/// The notes of a restoration, as one text.
fn notes(outcome: &Outcome) -> String {
    let notes = outcome.json["notes"].as_array().unwrap_or_else(|| panic!("{}", outcome.stdout));
    notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

fn restored_rows_are_equal_to_the_deleted_ones(engine: Engine) {
    each(engine, |world, shelf| {
        let (odd, others) = (odd_items(), others());
        let all = [odd.clone(), others.clone()].concat();
        shelf.put(world, &all);
        shelf.sync(world, 0);
        let before = content(world.rows(shelf.name()));
        shelf.put(world, &others);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 14, 6]);
        for tombstone in world.rows("mirror_tombstone") {
            // One form on both databases: every column as text.
            let row: Value = serde_json::from_str(tombstone["row"].as_deref().unwrap()).unwrap();
            let row = row.as_object().unwrap();
            assert!(row.values().all(|value| value.is_string() || value.is_null()), "{row:?}");
            assert!(row["row_hash"].as_str().is_some_and(|hash| hash.len() == 32), "{row:?}");
            assert!(
                row["synced_at"].as_str().is_some_and(|at| at.len() == 27 && at.ends_with('Z')),
                "{row:?}"
            );
        }

        let outcome = restore(world, 0, &[shelf.name()]);
        assert_eq!(outcome.counts(shelf.name()), [6, 0, 0]);
        assert_eq!(content(world.rows(shelf.name())), before);
        assert_eq!(shelf.stored(world), shelf.rows(&all));

        // An answer that holds them again has nothing to write, also where the columns themselves are compared.
        let evidence = world.tables_evidence(shelf.name());
        shelf.put(world, &all);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 20, 0]);
        let verify = zerkalo::jobs::Options { verify: true, ..Default::default() };
        assert_eq!(counts(&shelf.sync_with(world, 0, &verify)), [0, 0, 20, 0]);
        assert_eq!(world.tables_evidence(shelf.name()), evidence);
    });
}

fn a_morning_brings_back_every_kind_of_table(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let full = world.sandbox.world().clone();
    let tables: Vec<String> = world.dump().into_keys().filter(|table| table != "stock_balance").collect();
    let before: Vec<Vec<Row>> = tables.iter().map(|table| content(world.rows(table))).collect();
    world.sandbox.edit(|world| {
        world.products.retain(|product| product["num"] != "00007");
        let unit = world.entities.iter().position(|entity| entity["rootType"] == "MeasureUnit").unwrap();
        world.entities.remove(unit);
        for list in [&mut world.suppliers, &mut world.stores, &mut world.roles, &mut world.product_groups] {
            list.pop();
        }
        for list in world.fintablo.values_mut().filter(|list| list.len() > 2) {
            list.remove(list.len() / 2);
        }
    });
    let gone = world.run(&["full-morning"]);
    let deleted: u64 = gone.steps().iter().map(|step| step["deleted"].as_u64().unwrap()).sum();
    let stock = gone.step("stock_balance", None)["deleted"].as_u64().unwrap();
    assert!(deleted - stock >= 14, "{deleted} {}", gone.stdout);

    let outcome = restore(&world, 0, &[gone.run_id()]);
    assert_eq!(outcome.totals(), [deleted - stock, 0, 0]);
    for (table, before) in tables.iter().zip(&before) {
        assert_eq!(&content(world.rows(table)), before, "{table}");
    }
    world.sandbox.edit(|world| *world = full);
    world.expect(0, &["sync", "stock"]);
    let evidence = world.evidence();
    assert_eq!(world.expect(0, &["full-morning", "--verify"]).totals(), [0, 0, 0]);
    assert_eq!(world.evidence(), evidence);
}

fn a_row_that_is_there_again_is_not_touched(engine: Engine) {
    each(engine, |world, shelf| {
        shelf.put(world, &Item::many(0..20));
        shelf.sync(world, 0);
        shelf.put(world, &Item::many(3..20));
        shelf.sync(world, 0);
        let renamed = Item { name: "Другое имя".to_owned(), ..Item::new(1) };
        let now = [vec![renamed], Item::many(3..20)].concat();
        shelf.put(world, &now);
        shelf.sync(world, 0);

        let outcome = restore(world, 0, &[shelf.name()]);
        let step = outcome.step(shelf.name(), None);
        assert_eq!(
            (&step["fetched"], &step["inserted"], &step["unchanged"]),
            (&json!(3), &json!(2), &json!(1))
        );
        let notes = notes(&outcome);
        assert!(notes.contains("came back: 2"), "{notes}");
        assert!(notes.contains("there again, and left as they are: 1\n  Предмет 1 ("), "{notes}");
        let expected = [now, vec![Item::new(0), Item::new(2)]].concat();
        assert_eq!(shelf.stored(world), shelf.rows(&expected));
    });
}

fn the_next_good_answer_decides_again(engine: Engine) {
    each(engine, |world, shelf| {
        shelf.put(world, &Item::many(0..20));
        shelf.sync(world, 0);
        shelf.put(world, &Item::many(2..20));
        shelf.sync(world, 0);
        let outcome = restore(world, 0, &[shelf.name()]);
        assert!(notes(&outcome).contains("the next good answer decides again"), "{}", notes(&outcome));
        assert_eq!(world.count(shelf.name()), 20);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 18, 2]);
        assert_eq!(world.count("mirror_tombstone"), 4, "and they can be brought back once more");
        assert_eq!(restore(world, 0, &[shelf.name()]).counts(shelf.name()), [2, 0, 0]);
    });
}

fn a_hold_keeps_what_was_restored_until_it_is_released(engine: Engine) {
    each(engine, |world, shelf| {
        let name = shelf.name();
        shelf.put(world, &Item::many(0..20));
        shelf.sync(world, 0);
        shelf.put(world, &Item::many(2..20));
        shelf.sync(world, 0);
        let outcome = restore(world, 0, &[name, "--hold"]);
        let words = notes(&outcome);
        assert!(words.contains(&format!("{name}: deletion is off until it is released")), "{words}");
        assert!(!words.contains("decides again"), "{words}");

        // Neither an answer nor a leave to delete takes them away.
        for report in [shelf.sync(world, 4), shelf.sync_allowing(world, 4, 2)] {
            assert_eq!((counts(&report), report.counts.delete_blocked), ([0, 0, 18, 0], 2));
            let warning = report.warnings.concat();
            assert!(
                warning.contains("2 of 20 rows are not in the answer and are not deleted: story on "),
                "{warning}"
            );
            assert!(warning.contains(" holds deletion off since "), "{warning}");
            let hint = report.hint.unwrap();
            assert!(hint.contains(&format!("zerkalo restore {name} --release")), "{hint}");
        }
        assert_eq!(world.count(name), 20);
        // Who held it first is who holds it.
        let held = world.rows("mirror_hold");
        restore(world, 0, &[name, "--hold"]);
        assert_eq!(world.rows("mirror_hold"), held);

        assert!(notes(&restore(world, 0, &[name, "--release", "--dry-run"])).contains("would be released"));
        assert_eq!(world.rows("mirror_hold"), held);
        assert!(notes(&restore(world, 0, &[name, "--release"])).contains("released (story on "));
        assert_eq!(world.count("mirror_hold"), 0);
        assert_eq!(world.count(name), 20, "a release deletes nothing");
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 18, 2]);
        let again = restore(world, 2, &[name, "--release"]);
        assert!(
            again.json["error"].as_str().unwrap().contains("nobody holds deletion off"),
            "{}",
            again.stdout
        );
    });
}

fn a_run_brings_back_what_it_deleted_and_no_more(engine: Engine) {
    each(engine, |world, shelf| {
        shelf.put(world, &Item::many(0..20));
        shelf.sync(world, 0);
        shelf.put(world, &Item::many(2..20));
        let first = shelf.run(world, &zerkalo::jobs::Options::default()).run_id.to_string();
        shelf.put(world, &Item::many(3..20));
        shelf.sync(world, 0);
        assert_eq!(restore(world, 0, &[&first]).counts(shelf.name()), [2, 0, 0]);
        assert_eq!(shelf.stored(world), shelf.rows(&[Item::many(0..2), Item::many(3..20)].concat()));
        let listed = world.expect(0, &["restore"]).json["tombstones"].clone();
        let rows: Vec<i64> =
            listed.as_array().unwrap().iter().map(|grave| grave["rows"].as_i64().unwrap()).collect();
        assert_eq!(rows, [1, 2], "the latest first: {listed}");
        assert_eq!(listed[1]["run_id"], first);
    });
}

fn of_two_tombstones_of_a_key_the_later_one_comes_back(engine: Engine) {
    each(engine, |world, shelf| {
        let named = |name: &str| Item { name: name.to_owned(), ..Item::new(0) };
        for name in ["раньше", "позже"] {
            shelf.put(world, &[vec![named(name)], Item::many(1..20)].concat());
            shelf.sync(world, 0);
            shelf.put(world, &Item::many(1..20));
            shelf.sync(world, 0);
        }
        assert_eq!(world.count("mirror_tombstone"), 2);
        assert_eq!(restore(world, 0, &[shelf.name()]).counts(shelf.name()), [1, 0, 0]);
        assert_eq!(shelf.stored(world), shelf.rows(&[vec![named("позже")], Item::many(1..20)].concat()));
    });
}

fn many_rows_come_back_by_copy(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_BULK_THRESHOLD", "500");
    let shelf = Shelf::all()[0];
    shelf.put(&world, &Item::many(0..5000));
    shelf.sync(&world, 0);
    let before = content(world.rows(shelf.name()));
    shelf.put(&world, &Item::many(2500..5000));
    assert_eq!(shelf.sync(&world, 4).counts.deleted, 2500);
    assert_eq!(restore(&world, 0, &[shelf.name()]).counts(shelf.name()), [2500, 0, 0]);
    assert_eq!(content(world.rows(shelf.name())), before);
}

fn a_dry_run_restores_nothing(engine: Engine) {
    each(engine, |world, shelf| {
        shelf.put(world, &Item::many(0..20));
        shelf.sync(world, 0);
        shelf.put(world, &Item::many(2..20));
        shelf.sync(world, 0);
        let (evidence, log) = (world.tables_evidence(shelf.name()), world.log());
        let outcome = restore(world, 0, &[shelf.name(), "--dry-run", "--hold"]);
        assert_eq!(outcome.counts(shelf.name()), [2, 0, 0]);
        let words = notes(&outcome);
        assert!(
            words.contains("would come back: 2\n  Предмет 1 (") && words.contains("would be off"),
            "{words}"
        );
        assert_eq!((world.tables_evidence(shelf.name()), world.log()), (evidence, log));
        assert_eq!(world.count("mirror_hold"), 0);
    });
}

fn what_cannot_be_restored_is_said(engine: Engine) {
    let world = World::new(engine);
    let says = |arguments: &[&str], code: i32, words: &str| {
        let outcome = restore(&world, code, arguments);
        assert!(outcome.stdout.contains(words), "{arguments:?}: {}", outcome.stdout);
    };
    world.expect(0, &["sync", "iiko"]);
    says(&["iiko_product"], 2, "no deleted rows of iiko_product are kept");
    says(&[], 0, "\"tombstones\":[]");
    let run = Uuid::from_u128(7).to_string();
    says(&[&run], 2, "no rows that run 00000000-0000-0000-0000-000000000007 deleted are kept");
    says(&["iiko_produkt"], 2, "neither a run nor a mirrored table");
    says(&["stock_balance"], 2, "deleted rows of stock_balance are not kept");
    says(&[&run, "--release"], 2, "--release wants a table");

    // Somebody has spoilt a tombstone: nothing comes back, and it is logged.
    world.sandbox.edit(|world| drop(world.suppliers.pop()));
    world.expect(0, &["sync", "iiko", "--only", "iiko_supplier"]);
    let left = world.rows("iiko_supplier");
    world.execute("update mirror_tombstone set \"row\" = '{\"id\": \"x\"}'");
    says(&["iiko_supplier"], 8, "a tombstone of iiko_supplier cannot be read: `id`");
    assert_eq!(world.rows("iiko_supplier"), left);
    let row = world.log().pop().unwrap();
    assert_eq!(
        (row["entity_type"].as_deref(), row["scope"].as_deref()),
        (Some("restore"), Some("iiko_supplier"))
    );
    assert_eq!(row["status"].as_deref(), Some("error"));
}

fn a_restoration_does_not_make_a_table_fresh(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    world.sandbox.edit(|world| drop(world.suppliers.pop()));
    world.expect(0, &["sync", "iiko"]);
    let fresh = |world: &World| {
        let rows = world.rows("mirror_freshness");
        rows.into_iter()
            .filter(|row| row["table_name"].as_deref() == Some("iiko_supplier"))
            .collect::<Vec<_>>()
    };
    let before = fresh(&world);
    let outcome = restore(&world, 0, &["iiko_supplier"]);
    assert_eq!(fresh(&world), before);
    let log = world.log_of(outcome.run_id());
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["inserted"].as_deref(), Some("1"));
    let shown = world.expect(0, &["log", "iiko_supplier", "--limit", "1"]).json["rows"][0].clone();
    assert_eq!((&shown["entity_type"], &shown["scope"]), (&json!("restore"), &json!("iiko_supplier")));
}

fn tombstones_of_an_older_version_come_back(engine: Engine) {
    each(engine, |world, shelf| {
        let (odd, others) = (odd_items(), others());
        shelf.put(world, &[odd.clone(), others.clone()].concat());
        shelf.sync(world, 0);
        let before = content(world.rows(shelf.name()));
        // What the versions before wrote, and the migration that turns it into one form.
        world.undo_migrations_from(10);
        let (name, items) = (shelf.name(), odd.len());
        let ids: Vec<String> = odd.iter().map(|item| format!("'{}'", shelf.id(item.id))).collect();
        let which = format!("cast(id as text) in ({})", ids.join(", "));
        let old = match engine {
            Engine::Postgres => "to_jsonb(t)".to_owned(),
            Engine::Sqlite => {
                let columns = world.columns(&[name]).remove(name).unwrap();
                let pairs: Vec<String> = columns
                    .iter()
                    .map(|column| match column.name.as_str() {
                        "row_hash" => "'row_hash', hex(row_hash)".to_owned(),
                        name => format!("'{name}', cast(\"{name}\" as text)"),
                    })
                    .collect();
                format!("json_object({})", pairs.join(", "))
            }
        };
        let (run, key) = match engine {
            Engine::Postgres => (format!("'{}'::uuid", Uuid::from_u128(7)), "to_jsonb(array[id::text])"),
            Engine::Sqlite => (format!("'{}'", Uuid::from_u128(7)), "json_array(cast(id as text))"),
        };
        world.execute(&format!(
            "insert into mirror_tombstone (table_name, key, \"row\", run_id, deleted_at)
             select '{name}', {key}, {old}, {run}, '2026-11-22T00:00:00.000000Z' from {name} t where {which}"
        ));
        assert_eq!(world.execute(&format!("delete from {name} where {which}")), items as u64);
        world.expect(0, &["migrate"]);
        assert_eq!(restore(world, 0, &[name]).counts(name), [items as u64, 0, 0]);
        assert_eq!(content(world.rows(name)), before);
    });
}
