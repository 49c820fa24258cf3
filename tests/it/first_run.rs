//! The first run makes the database exactly the world; the second writes nothing but its log.

use super::{
    expected::{assert_same, mirror, sizes},
    harness::{Engine, World, on_both},
};
use std::collections::BTreeMap;
use zerkalo::tables;

on_both!(
    the_first_run_makes_the_database_exactly_the_world,
    the_second_run_writes_nothing_but_its_log,
    a_table_by_itself_is_idempotent,
    personal_data_never_reaches_the_database_unless_it_is_wanted,
    a_long_list_goes_in_by_copy_as_a_short_one_does_by_insert,
    a_renamed_product_and_store_rename_their_balances,
);

fn the_first_run_makes_the_database_exactly_the_world(engine: Engine) {
    let world = World::new(engine);
    let outcome = world.expect(0, &["full-morning"]);
    let expected = mirror(&world.sandbox.world());
    let dump = world.dump();
    assert_same(&dump, &expected);
    assert_eq!(dump["ft_deal"].len(), 620, "two pages");
    let unknown = |column: &str| {
        let is_unknown =
            |text: &Option<String>| text.as_deref().is_some_and(|text| text.starts_with("unknown:"));
        dump["stock_balance"].iter().filter(|row| is_unknown(&row[column])).count()
    };
    assert_eq!((unknown("store_name"), unknown("product_name")), (1, 1));

    let rows: usize = sizes(&dump).values().sum();
    assert_eq!(outcome.totals(), [rows as u64, 0, 0]);
    let mut logged: BTreeMap<String, usize> = BTreeMap::new();
    for row in world.log_of(outcome.run_id()) {
        assert_eq!(row["status"].as_deref(), Some("success"), "{row:?}");
        assert_eq!(row["triggered_by"].as_deref(), Some("story"));
        assert_eq!((row["error_message"].as_deref(), row["updated"].as_deref()), (None, Some("0")));
        assert_eq!(row["records_synced"], row["inserted"]);
        *logged.entry(row["entity_type"].clone().unwrap()).or_default() +=
            row["inserted"].as_deref().unwrap().parse::<usize>().unwrap();
    }
    let mut expected = sizes(&dump);
    expected.remove("min_stock_level").expect("the sheet is not configured here");
    expected.remove("active_stoplist").expect("the stop-list is not the morning's");
    assert_eq!(logged, expected, "one log row a table or more, and together they count every row");
    let scopes =
        world.log().iter().filter(|row| row["entity_type"].as_deref() == Some("iiko_entity")).count();
    assert_eq!(scopes, tables::ROOT_TYPES.len());
    assert_eq!(world.count("source_identity"), 2);
    assert_eq!(world.count("mirror_tombstone"), 0);
    world.assert_polite();
}

fn the_second_run_writes_nothing_but_its_log(engine: Engine) {
    let world = World::new(engine);
    let first = world.expect(0, &["full-morning"]);
    let before = world.evidence();
    for flags in [&["full-morning"][..], &["full-morning", "--verify"]] {
        let second = world.expect(0, flags);
        assert_eq!(second.totals(), [0, 0, 0]);
        assert_eq!(world.evidence(), before);
        let log = world.log_of(second.run_id());
        assert_eq!(log.len(), world.log_of(first.run_id()).len());
        for row in &log {
            assert_eq!(row["status"].as_deref(), Some("success"));
            assert_eq!(row["unchanged"], row["records_synced"]);
        }
    }
    world.assert_polite();
}

fn a_table_by_itself_is_idempotent(engine: Engine) {
    let world = World::new(engine);
    let expected = mirror(&world.sandbox.world());
    for (step, entities) in [("iiko", tables::IIKO), ("fintablo", tables::FINTABLO)] {
        for entity in entities {
            let table = entity.table.name;
            let first = world.expect(0, &["sync", step, "--only", table]);
            assert_eq!(first.totals(), [expected[table].len() as u64, 0, 0], "{table}");
            let before = world.evidence();
            let second = world.expect(0, &["sync", step, "--only", table]);
            assert_eq!(second.totals(), [0, 0, 0], "{table}");
            assert_eq!(world.evidence()[table], before[table], "{table}");
        }
    }
    world.expect(0, &["sync", "stock"]);
    assert_eq!(world.expect(0, &["sync", "stock"]).totals(), [0, 0, 0]);
    assert_same(&world.dump(), &expected);
}

fn personal_data_never_reaches_the_database_unless_it_is_wanted(engine: Engine) {
    let mut world = World::new(engine);
    world.sandbox.edit(|world| {
        for (number, person) in world.employees.iter_mut().chain(&mut world.suppliers).enumerate() {
            for field in ["password", "pinCode", "login", "phone", "cellPhone", "address"] {
                person[field] = format!("canary {field} {number}").into();
            }
        }
    });
    world.expect(0, &["sync", "iiko", "--only", "iiko_employee,iiko_supplier"]);
    let held = || format!("{:?}{:?}", world.rows("iiko_employee"), world.rows("iiko_supplier"));
    assert!(!held().contains("canary"));
    let minimal = world.dump();

    world.set("IIKO_PERSONAL_DATA", "full");
    let full = world.expect(0, &["sync", "iiko", "--only", "iiko_employee,iiko_supplier"]);
    let rows = (minimal["iiko_employee"].len() + minimal["iiko_supplier"].len()) as u64;
    assert_eq!(full.totals(), [0, rows, 0], "the records of every row grow, by updates");
    let held = format!("{:?}{:?}", world.rows("iiko_employee"), world.rows("iiko_supplier"));
    assert!(held.contains("canary login") && held.contains("canary address"));
    assert!(!held.contains("canary password") && !held.contains("canary pinCode"));

    world.set("IIKO_PERSONAL_DATA", "minimal");
    world.expect(0, &["sync", "iiko", "--only", "iiko_employee,iiko_supplier"]);
    assert_same(&world.dump(), &minimal);
}

fn a_long_list_goes_in_by_copy_as_a_short_one_does_by_insert(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_BULK_THRESHOLD", "100");
    world.set("ZERKALO_SPOOL_MEMORY", "64KiB");
    world.expect(0, &["full-morning"]);
    assert_same(&world.dump(), &mirror(&world.sandbox.world()));
    world.sandbox.edit(|world| {
        for product in &mut world.products {
            product["description"] = "\\N \t\"\\\\ перечёркнут\r\n".into();
        }
    });
    let updated = world.expect(0, &["full-morning"]);
    assert_eq!(updated.counts("iiko_product"), [0, world.count("iiko_product") as u64, 0]);
    assert_same(&world.dump(), &mirror(&world.sandbox.world()));
    assert_eq!(world.expect(0, &["full-morning", "--verify"]).totals(), [0, 0, 0]);
}

fn a_renamed_product_and_store_rename_their_balances(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning", "--skip", "fintablo"]);
    let before = world.dump()["stock_balance"].clone();
    world.sandbox.edit(|world| {
        world.stores[3]["name"] = "Новый склад".into();
        let product = world.balances[0]["product"].clone();
        world.products.iter_mut().find(|record| record["id"] == product).unwrap()["name"] =
            "Новое имя".into();
    });
    let outcome = world.expect(0, &["full-morning", "--skip", "fintablo"]);
    let expected = &mirror(&world.sandbox.world())["stock_balance"];
    assert_eq!(&world.dump()["stock_balance"], expected);
    let renamed = expected.iter().filter(|row| !before.contains(row)).count();
    assert!(renamed > 1);
    assert_eq!(
        outcome.counts("stock_balance"),
        [0, renamed as u64, 0],
        "the balances' own records are the same"
    );
}
