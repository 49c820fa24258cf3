//! No answer, however complete it looks, empties a table by itself.

use super::{
    harness::{Engine, Outcome, World, on_both},
    shelf::{Item, Shelf, counts},
};
use serde_json::json;
use zerkalo::{
    model::report::Status,
    sandbox::{Action, Fault},
};

on_both!(
    a_full_swap_of_ids_inserts_and_deletes_nothing,
    exactly_the_allowed_number_may_go,
    what_was_allowed_is_told_and_is_no_warning,
    an_answer_cut_to_49_percent_deletes_nothing,
    an_answer_cut_to_51_percent_deletes_aloud,
    one_row_of_two_may_go_and_the_only_one_may_not,
    an_empty_answer_over_a_filled_table_deletes_nothing,
    an_empty_answer_over_an_empty_table_is_fine,
    a_list_that_has_lost_every_name_changes_nothing,
    each_root_type_has_a_guard_of_its_own,
    stock_balances_are_replaced_under_the_guard_and_without_tombstones,
);

/// The run that a story begins with: a hundred rows.
fn hundred(world: &World, shelf: Shelf) {
    shelf.put(world, &Item::many(0..100));
    shelf.sync(world, 0);
}

fn a_full_swap_of_ids_inserts_and_deletes_nothing(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        hundred(world, shelf);
        shelf.put(world, &Item::many(200..300));
        let report = shelf.sync(world, 4);
        assert_eq!(counts(&report), [100, 0, 0, 0]);
        assert_eq!((report.counts.delete_blocked, report.status), (100, Status::Warning));
        let flag = format!("--allow-delete {}=100", shelf.name());
        assert!(report.hint.as_deref().unwrap().contains(&flag), "{report:?}");
        let mut both = Item::many(0..100);
        both.extend(Item::many(200..300));
        assert_eq!(shelf.stored(world), shelf.rows(&both));
        let log = world.log().pop().unwrap();
        assert_eq!(
            (log["status"].as_deref(), log["delete_blocked"].as_deref()),
            (Some("warning"), Some("100"))
        );
        assert!(log["error_message"].as_deref().unwrap().contains("more than half"), "{log:?}");
        assert_eq!(world.count("mirror_tombstone"), 0);
    });
}

fn exactly_the_allowed_number_may_go(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        hundred(world, shelf);
        shelf.put(world, &Item::many(90..110));
        for other in [1, 89, 91, 100] {
            let report = shelf.sync_allowing(world, 4, other);
            assert_eq!(
                (report.counts.deleted, report.counts.delete_blocked),
                (0, 90),
                "{other} is another number"
            );
            assert_eq!(world.count(shelf.name()), 110);
        }
        let report = shelf.sync_allowing(world, 0, 90);
        assert_eq!((report.counts.deleted, report.counts.delete_blocked), (90, 0));
        assert_eq!(report.status, Status::Success, "what was allowed was done");
        assert_eq!(report.warnings, Vec::<String>::new());
        assert!(report.notes[0].starts_with("deletes 90 of 110 rows, as allowed"), "and it is said aloud");
        assert_eq!(world.log().pop().unwrap()["status"].as_deref(), Some("success"));
        assert_eq!(shelf.stored(world), shelf.rows(&Item::many(90..110)));
        assert_eq!(world.count("mirror_tombstone"), 90);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 20, 0]);
    });
}

fn what_was_allowed_is_told_and_is_no_warning(engine: Engine) {
    let world = World::new(engine);
    let sync = ["sync", "fintablo", "--only", "ft_direction"];
    world.expect(0, &sync);
    world.sandbox.edit(|world| world.fintablo.get_mut("direction").unwrap().truncate(1));
    let dry = [&sync[..], &["--allow-delete", "ft_direction=3", "--dry-run"]].concat();
    assert_eq!(world.expect(0, &dry).counts("ft_direction"), [0, 0, 3]);
    let allowed = [&sync[..], &["--allow-delete", "ft_direction=3"]].concat();
    let screen: Outcome = world.command(&allowed).output().unwrap().into();
    assert_eq!(screen.code, Some(0), "{}{}", screen.stdout, screen.stderr);
    let said = "note: ft_direction: deletes 3 of 4 rows, as allowed; they are kept as tombstones for 30 days";
    assert!(screen.stdout.contains(said), "{}", screen.stdout);
    assert!(screen.stdout.contains("ft_direction: deleted: 3\n"), "{}", screen.stdout);
    assert!(!screen.stdout.contains("warning"), "{}", screen.stdout);
    let logged = world.log().pop().unwrap()["error_message"].clone().unwrap();
    assert!(logged.starts_with("deletes 3 of 4 rows, as allowed"), "{logged}");
    assert_eq!(
        world.expect(0, &allowed).counts("ft_direction"),
        [0, 0, 0],
        "a leave that is needless by now"
    );
    world.sandbox.edit(|world| world.fintablo.get_mut("direction").unwrap().clear());
    let last = [&sync[..], &["--allow-delete", "ft_direction=1", "-q"]].concat();
    let quiet: Outcome = world.command(&last).output().unwrap().into();
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""), "no trouble");
    assert_eq!(world.count("ft_direction"), 0);
}

fn an_answer_cut_to_49_percent_deletes_nothing(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        hundred(world, shelf);
        let before = world.rows(shelf.name());
        shelf.put(world, &Item::many(0..49));
        let report = shelf.sync(world, 4);
        assert_eq!((counts(&report), report.counts.delete_blocked), ([0, 0, 49, 0], 51));
        assert_eq!(world.rows(shelf.name()), before);
    });
}

fn an_answer_cut_to_51_percent_deletes_aloud(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        hundred(world, shelf);
        shelf.put(world, &Item::many(0..51));
        let report = shelf.sync(world, 4);
        assert_eq!((counts(&report), report.counts.delete_blocked), ([0, 0, 51, 49], 0));
        assert!(report.warnings.concat().contains("deletes 49 of 100"), "{report:?}");
        assert_eq!(shelf.stored(world), shelf.rows(&Item::many(0..51)));
        assert_eq!(world.count("mirror_tombstone"), 49);
    });
}

fn one_row_of_two_may_go_and_the_only_one_may_not(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        shelf.put(world, &Item::many(0..2));
        shelf.sync(world, 0);
        shelf.put(world, &Item::many(0..1));
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 1, 1]);
        shelf.put(world, &Item::many(7..8));
        let report = shelf.sync(world, 4);
        assert_eq!((counts(&report), report.counts.delete_blocked), ([1, 0, 0, 0], 1));
    });
}

fn an_empty_answer_over_a_filled_table_deletes_nothing(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        hundred(world, shelf);
        let before = world.rows(shelf.name());
        shelf.put(world, &[]);
        let report = shelf.sync(world, 4);
        assert_eq!((counts(&report), report.counts.delete_blocked), ([0; 4], 100));
        assert!(report.warnings.concat().contains("the answer is empty"), "{report:?}");
        assert_eq!(world.rows(shelf.name()), before);
        assert_eq!(shelf.sync_allowing(world, 0, 100).counts.deleted, 100, "unless that is said to be right");
        assert_eq!(world.count(shelf.name()), 0);
    });
}

fn an_empty_answer_over_an_empty_table_is_fine(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        shelf.put(world, &[]);
        assert_eq!(counts(&shelf.sync(world, 0)), [0; 4]);
        assert_eq!(world.log().pop().unwrap()["status"].as_deref(), Some("success"));
    });
}

fn a_list_that_has_lost_every_name_changes_nothing(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let mut items = Item::many(1..8);
        shelf.put(world, &items);
        shelf.sync(world, 0);
        let before = shelf.stored(world);
        let nameless: Vec<Item> = items
            .iter()
            .map(|item| Item { name: String::new(), number: "3.5".to_owned(), ..item.clone() })
            .collect();
        shelf.put(world, &nameless);
        let refused = shelf.sync(world, 7);
        assert!(
            refused.error.unwrap().contains("no record of the answer has a name, and 7 of the stored rows")
        );
        assert_eq!(shelf.stored(world), before);
        // Other names, and a single one that is left, are what an upstream may say.
        items[0].name.clear();
        items[1].name = "другое".to_owned();
        shelf.put(world, &items);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 2, 5, 0]);
        // The way out that the refusal names.
        world.execute(&format!("update {} set name = null", shelf.name()));
        shelf.put(world, &nameless);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 7, 0, 0]);
        // A list that never had names is taken as it is.
        shelf.put(world, &nameless[1..]);
        assert_eq!(shelf.sync(world, 0).counts.deleted, 1);
    });
}

fn each_root_type_has_a_guard_of_its_own(engine: Engine) {
    let world = World::new(engine);
    let sync = ["sync", "iiko", "--only", "iiko_entity"];
    world.expect(0, &sync);
    let before = world.dump()["iiko_entity"].clone();
    let of =
        |root_type: &str| before.iter().filter(|row| row["root_type"].as_deref() == Some(root_type)).count();
    let (accounts, units) = (of("Account"), of("MeasureUnit"));
    world.sandbox.edit(|world| {
        world.entities.retain(|entity| entity["rootType"] != "Account");
        let unit = world.entities.iter().position(|entity| entity["rootType"] == "MeasureUnit").unwrap();
        world.entities.remove(unit);
    });
    let outcome = world.expect(4, &sync);
    let account = outcome.step("iiko_entity", Some("Account"));
    assert_eq!(
        (account["deleted"].as_u64(), account["delete_blocked"].as_u64()),
        (Some(0), Some(accounts as u64))
    );
    assert_eq!(
        outcome.step("iiko_entity", Some("MeasureUnit"))["deleted"],
        1,
        "another type is not held back"
    );
    assert_eq!(world.count("iiko_entity"), before.len() - 1);

    // The flag that the hint names is the one that works, and only for its scope.
    let flag = format!("iiko_entity:Account={accounts}");
    let hint = account["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("--allow-delete {flag}")), "{hint}");
    world.expect(
        4,
        &[&sync[..], &["--allow-delete", &format!("iiko_entity:MeasureUnit={accounts}")]].concat(),
    );
    assert_eq!(world.count("iiko_entity"), before.len() - 1);
    world.expect(2, &[&sync[..], &["--allow-delete", &format!("iiko_entity={accounts}")]].concat());
    let twice = world.expect(2, &[&sync[..], &["--allow-delete", &flag, "--allow-delete", &flag]].concat());
    assert!(twice.json["error"].as_str().unwrap().contains("is given twice"), "{}", twice.stdout);
    world.expect(0, &[&sync[..], &["--allow-delete", &flag]].concat());
    assert_eq!(world.count("iiko_entity"), before.len() - 1 - accounts);
    assert_eq!(world.count("mirror_tombstone"), 1 + accounts);
    let left = world.dump()["iiko_entity"]
        .iter()
        .filter(|row| row["root_type"].as_deref() == Some("MeasureUnit"))
        .count();
    assert_eq!(left, units - 1);
}

fn stock_balances_are_replaced_under_the_guard_and_without_tombstones(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning", "--skip", "fintablo"]);
    let before = world.dump()["stock_balance"].clone();
    world.sandbox.fault(Fault::new("balance/stores", Action::EmptyList));
    let outcome = world.expect(4, &["sync", "stock"]);
    assert_eq!(outcome.step("stock_balance", None)["delete_blocked"], before.len());
    assert_eq!(world.dump()["stock_balance"], before);

    world.sandbox.edit(|world| {
        world.balances.truncate(600);
        world.balances[0]["amount"] = json!(0);
        world.balances[1]["amount"] = json!(4321.5);
    });
    let outcome = world.expect(4, &["sync", "stock"]);
    let [inserted, updated, deleted] = outcome.counts("stock_balance");
    assert_eq!((inserted, updated), (0, 1));
    assert_eq!(world.count("stock_balance") as u64, before.len() as u64 - deleted);
    assert_eq!(
        world.dump()["stock_balance"],
        super::expected::mirror(&world.sandbox.world())["stock_balance"],
        "a balance that becomes zero goes, too"
    );
    assert_eq!(world.count("mirror_tombstone"), 0);
}
