//! FinTablo's deals come in pages, and pages are no snapshot.

use super::{
    expected::mirror,
    harness::{Engine, World, on_both},
};
use serde_json::{Value, json};
use zerkalo::sandbox::{Action, Fault};

on_both!(
    every_page_of_deals_is_stored,
    a_deal_that_is_gone_is_deleted_after_two_readings,
    a_deal_that_goes_while_pages_are_read_takes_no_other_with_it,
    a_page_that_fails_changes_nothing,
    an_upstream_that_ignores_the_page_number_ends_the_reading,
    another_list_of_exactly_500_rows_deletes_nothing_and_warns,
);

const DEALS: [&str; 4] = ["sync", "fintablo", "--only", "ft_deal"];

fn deals(count: usize) -> Vec<Value> {
    (1..=count)
        .map(|id| json!({"id": id, "name": format!("Сделка {id}"), "amount": id * 10, "nds": "0.5"}))
        .collect()
}

fn set(world: &World, deals: Vec<Value>) {
    world.sandbox.edit(|world| world.fintablo.insert("deal".to_owned(), deals));
}

/// A mirror of so many deals, with an empty journal.
fn with_deals(engine: Engine, count: usize) -> World {
    let world = World::new(engine);
    set(&world, deals(count));
    world.expect(0, &DEALS);
    assert_eq!(world.count("ft_deal"), count);
    world.sandbox.clear_journal();
    world
}

fn assert_mirrored(world: &World) {
    assert_eq!(world.dump()["ft_deal"], mirror(&world.sandbox.world())["ft_deal"]);
    world.assert_polite();
}

fn every_page_of_deals_is_stored(engine: Engine) {
    let world = World::new(engine);
    for (count, pages) in [(0, 1), (499, 1), (500, 2), (501, 2), (1_730, 4), (8_300, 17)] {
        set(&world, deals(count));
        world.sandbox.clear_journal();
        world.expect(0, &DEALS);
        assert_eq!(world.asked().len(), pages, "{count} deals");
        assert_mirrored(&world);
    }
    world.sandbox.clear_journal();
    assert_eq!(world.expect(0, &DEALS).totals(), [0, 0, 0]);
    assert_eq!(world.asked().len(), 17, "a reading that would delete nothing is not repeated");
}

fn a_deal_that_is_gone_is_deleted_after_two_readings(engine: Engine) {
    let world = with_deals(engine, 1_200);
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().remove(77));
    let outcome = world.expect(0, &DEALS);
    assert_eq!(outcome.counts("ft_deal"), [0, 0, 1]);
    assert_eq!(world.asked().len(), 6, "three pages, twice");
    assert_mirrored(&world);
    assert_eq!(world.rows("mirror_tombstone")[0]["key"].as_deref(), Some("[\"78\"]"));
}

fn a_deal_that_goes_while_pages_are_read_takes_no_other_with_it(engine: Engine) {
    let world = with_deals(engine, 1_200);
    let before = world.evidence();
    // Between the first page and the second a deal of the first goes: the 501st slips onto the page that was read.
    world.sandbox.on("v1/deal", 2, |world| drop(world.fintablo.get_mut("deal").unwrap().remove(10)));
    let outcome = world.expect(0, &DEALS);
    assert_eq!(outcome.counts("ft_deal"), [0, 0, 0], "either reading has seen what the other lacks");
    assert_eq!(world.asked().len(), 6);
    assert_eq!(world.evidence(), before);
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [0, 0, 1], "the next run finds it gone");
    assert_mirrored(&world);

    // In the second reading as well, and an edit between the readings is no conflict.
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().remove(300));
    world
        .sandbox
        .on("v1/deal", 4, |world| world.fintablo.get_mut("deal").unwrap()[5]["name"] = "edited".into());
    world.sandbox.on("v1/deal", 5, |world| drop(world.fintablo.get_mut("deal").unwrap().remove(20)));
    let outcome = world.expect(0, &DEALS);
    assert_eq!(outcome.counts("ft_deal"), [0, 1, 1]);
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [0, 0, 1]);
    assert_mirrored(&world);
}

fn a_page_that_fails_changes_nothing(engine: Engine) {
    let world = with_deals(engine, 1_200);
    let before = world.evidence();
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().truncate(1_100));
    for (page, action, code) in [
        ("?page=2", Action::Close, 5),
        ("?page=3", Action::CutClose { at: 200 }, 7),
        ("?page=1", Action::Html, 7),
    ] {
        // The second reading fails as well as the first.
        for skip in [0, 1] {
            world.sandbox.fault(Fault::new(format!("v1/deal{page}"), action.clone()).skip(skip).times(4));
            world.expect(code, &DEALS);
            world.sandbox.clear_faults();
        }
    }
    assert_eq!(world.evidence(), before);
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [0, 0, 100]);
    assert_mirrored(&world);
}

fn an_upstream_that_ignores_the_page_number_ends_the_reading(engine: Engine) {
    let world = World::new(engine);
    set(&world, deals(500));
    let body = json!({"status": 200, "items": deals(500)}).to_string();
    let answer = Action::Body { content_type: "application/json".to_owned(), body: body.into() };
    world.sandbox.fault(Fault::new("v1/deal", answer).times(usize::MAX));
    world.expect(0, &DEALS);
    assert_eq!(world.asked().len(), 2);
    assert_mirrored(&world);
}

fn another_list_of_exactly_500_rows_deletes_nothing_and_warns(engine: Engine) {
    let world = World::new(engine);
    let command = ["sync", "fintablo", "--only", "ft_partner"];
    let partners = |ids: std::ops::Range<usize>| -> Vec<Value> {
        ids.map(|id| json!({"id": id, "name": "П"})).collect()
    };
    let set =
        |list: Vec<Value>| world.sandbox.edit(|world| world.fintablo.insert("partner".to_owned(), list));
    set(partners(0..510));
    world.expect(0, &command);
    set(partners(5..505));
    let outcome = world.expect(4, &command);
    assert_eq!(outcome.counts("ft_partner"), [0, 0, 0]);
    assert_eq!(outcome.step("ft_partner", None)["delete_blocked"], 10);
    assert!(outcome.stdout.contains("exactly 500"), "{}", outcome.stdout);
    assert_eq!(world.count("ft_partner"), 510);
    set(partners(5..504));
    assert_eq!(world.expect(0, &command).counts("ft_partner"), [0, 0, 11]);
}
