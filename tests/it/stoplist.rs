//! Days of samples: what the history of the stop-list holds, row for row.

use super::{
    harness::{Engine, Outcome, World, on_both},
    rows::{Row, decimal},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use zerkalo::sandbox::{Action, Cloud, CloudForm, CloudGroup, CloudOrganization, Fault};

on_both!(
    a_day_of_samples,
    a_terminal_group_that_vanishes_leaves_with_the_second_sample,
    an_organization_that_vanishes_leaves_with_the_second_sample,
    without_terminal_groups_nothing_leaves,
    an_organization_without_terminal_groups_holds_up_no_other,
    an_empty_answer_needs_a_second_one,
    an_item_without_a_product_keeps_everything,
    an_item_without_a_balance_keeps_what_is_known_of_it,
    whatever_the_form_of_the_answer,
    items_of_which_nobody_says_where_they_are_are_refused,
    of_repeated_items_the_least_counts,
    names_come_from_the_mirror,
    a_clock_that_is_set_back_is_refused,
    times_are_right_on_days_when_the_zone_changes,
    edits_by_hand_are_repaired_and_told,
);

pub(super) const MOSCOW: &str = "14000000-0000-4000-8000-00000000000a";
pub(super) const SHORE: &str = "14000000-0000-4000-8000-00000000000b";
pub(super) const HALL: &str = "15000000-0000-4000-8000-000000000001";
pub(super) const BAR: &str = "15000000-0000-4000-8000-000000000002";
pub(super) const PIER: &str = "15000000-0000-4000-8000-000000000003";
const SMALL: &str = "16000000-0000-4000-8000-000000000001";
const LARGE: &str = "16000000-0000-4000-8000-000000000002";
const SYNC: &[&str] = &["sync", "stoplist"];

/// The id of product `number`.
pub(super) fn product(number: u32) -> String {
    format!("0b000000-0000-4000-8000-{number:012}")
}

/// Two organizations: one with a hall and a bar, one with a pier.
pub(super) fn world(engine: Engine) -> World {
    let mut world = World::new(engine);
    // A day is long enough for the retries of a reading that is lost.
    world.set("ZERKALO_RETRY_DELAYS", "0");
    world.sandbox.edit(|world| {
        let mut moscow = CloudOrganization::new(MOSCOW, "Московский");
        moscow.groups = vec![CloudGroup::new(HALL, "Зал"), CloudGroup::new(BAR, "Бар")];
        let mut shore = CloudOrganization::new(SHORE, "Набережная");
        shore.groups = vec![CloudGroup::new(PIER, "Причал")];
        world.cloud = Cloud { organizations: vec![moscow, shore], form: CloudForm::Whole };
    });
    world
}

/// Edits a terminal group.
pub(super) fn edit(world: &World, group: &str, edit: impl FnOnce(&mut CloudGroup)) {
    world.sandbox.edit(|world| {
        let mut groups =
            world.cloud.organizations.iter_mut().flat_map(|organization| &mut organization.groups);
        edit(groups.find(|known| known.id == group).expect("a terminal group"));
    });
}

pub(super) fn stop(world: &World, group: &str, number: u32, balance: impl Into<Value>) {
    edit(world, group, |group| group.stop(&product(number), balance));
}

pub(super) fn release(world: &World, group: &str, number: u32) {
    edit(world, group, |group| group.release(&product(number)));
}

/// Takes a sample at a moment of 22 November 2026, UTC.
#[track_caller]
pub(super) fn sample(world: &mut World, time: &str, code: i32) -> Outcome {
    let moment = if time.len() > 5 { time.to_owned() } else { format!("2026-11-22T{time}:00Z") };
    world.set("ZERKALO_TEST_NOW", moment);
    let outcome = world.expect(code, SYNC);
    assert_the_history_follows(world);
    outcome
}

/// A place's short name, and its last digits.
fn short(id: &str) -> String {
    match id {
        HALL => "hall".to_owned(),
        BAR => "bar".to_owned(),
        PIER => "pier".to_owned(),
        SMALL => "small".to_owned(),
        LARGE => "large".to_owned(),
        id if id.starts_with("00000000") => "-".to_owned(),
        id => id.rsplit('-').next().unwrap().trim_start_matches('0').to_owned(),
    }
}

/// A column as text, a balance in its plain form.
fn spelled(row: &Row, column: &str) -> String {
    let text = text(row, column);
    if column == "balance" { decimal(text) } else { text.to_owned() }
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row[column].as_deref().unwrap_or_default()
}

/// `2026-11-22T08:05:00.123456Z` or its like → `08:05`; `…` for what lasts.
fn minute(row: &Row, column: &str) -> String {
    let text = text(row, column);
    text.get(11..16).unwrap_or("…").to_owned()
}

/// `group product size balance from–to`, in the order of beginnings.
pub(super) fn history(world: &World) -> Vec<String> {
    let mut rows = world.rows("stoplist_history");
    rows.sort_by_key(|row| {
        (
            text(row, "started_at").to_owned(),
            text(row, "terminal_group_id").to_owned(),
            text(row, "id").len(),
            text(row, "id").to_owned(),
        )
    });
    let line = |row: &Row| {
        let id = |column: &str| short(text(row, column));
        format!(
            "{} {} {} {} {}–{}",
            id("terminal_group_id"),
            id("product_id"),
            id("size_id"),
            spelled(row, "balance"),
            minute(row, "started_at"),
            minute(row, "ended_at")
        )
    };
    rows.iter().map(line).collect()
}

/// When each organization was sampled.
fn samples(world: &World, organization: &str) -> Vec<String> {
    let mut rows = world.rows("stoplist_sample");
    rows.retain(|row| text(row, "organization_id") == organization);
    let mut times: Vec<String> = rows.iter().map(|row| minute(row, "taken_at")).collect();
    times.sort();
    times
}

/// The terminal groups of rows that are marked, with the sample since which they are.
fn unconfirmed(world: &World) -> Vec<String> {
    let mut rows = world.rows("active_stoplist");
    rows.retain(|row| row["unconfirmed_since"].is_some());
    let mut lines: Vec<String> = (rows.iter())
        .map(|row| format!("{} {}", short(text(row, "terminal_group_id")), minute(row, "unconfirmed_since")))
        .collect();
    lines.sort();
    lines
}

/// The open stretches are the rows of the table, whatever has happened.
#[track_caller]
pub(super) fn assert_the_history_follows(world: &World) {
    let columns = ["organization_id", "terminal_group_id", "product_id", "size_id", "balance", "name"];
    let of = |table: &str, keep: &dyn Fn(&Row) -> bool| -> BTreeSet<Vec<String>> {
        let rows = world.rows(table);
        let kept = rows.iter().filter(|row| keep(row));
        kept.map(|row| columns.iter().map(|column| spelled(row, column)).collect()).collect()
    };
    assert_eq!(of("stoplist_history", &|row| row["ended_at"].is_none()), of("active_stoplist", &|_| true));
}

/// What the report tells: `word product` for each that did not just stay.
fn told(outcome: &Outcome) -> Vec<String> {
    let changes = &outcome.step("active_stoplist", None)["stoplist"];
    let mut lines = Vec::new();
    for word in ["entered", "left", "changed", "unconfirmed"] {
        for line in changes[word].as_array().unwrap() {
            let was = line["was"].as_str().map(|was| format!("{was} ")).unwrap_or_default();
            lines.push(format!(
                "{word} {} {} {was}{}",
                line["terminal_group"].as_str().unwrap(),
                short(line["product_id"].as_str().unwrap()),
                line["balance"].as_str().unwrap()
            ));
        }
    }
    lines
}

fn a_day_of_samples(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, HALL, 2, json!(3.5));
    assert_eq!(told(&sample(&mut world, "08:00", 0)), ["entered Зал 1 0", "entered Зал 2 3.5"]);
    let again = sample(&mut world, "08:05", 0);
    assert_eq!((told(&again), again.counts("active_stoplist")), (vec![], [0, 0, 0]));
    stop(&world, BAR, 1, -1);
    stop(&world, HALL, 2, 2);
    assert_eq!(told(&sample(&mut world, "08:10", 0)), ["entered Бар 1 -1", "changed Зал 2 3.5 2"]);
    release(&world, HALL, 1);
    assert_eq!(told(&sample(&mut world, "08:15", 0)), ["left Зал 1 0"]);
    stop(&world, HALL, 1, 0);
    edit(&world, BAR, |bar| {
        for (size, balance) in [(SMALL, 0), (LARGE, 1)] {
            bar.stops.push(json!({"productId": product(3), "sizeId": size, "balance": balance}));
        }
    });
    sample(&mut world, "08:20", 0);
    // A reading that is lost while one leaves and comes back: nobody has seen it.
    world.sandbox.fault(Fault::new("stop_lists", Action::Close).times(2));
    release(&world, HALL, 1);
    edit(&world, BAR, |bar| bar.stops.retain(|item| item["sizeId"] != LARGE));
    let before = history(&world);
    sample(&mut world, "08:25", 5);
    assert_eq!(history(&world), before);
    stop(&world, HALL, 1, 0);
    sample(&mut world, "08:30", 0);
    // A terminal group that the answer shows as empty is empty.
    edit(&world, HALL, |hall| hall.stops.clear());
    assert_eq!(told(&sample(&mut world, "08:35", 0)), ["left Зал 1 0", "left Зал 2 2"]);
    assert_eq!(
        history(&world),
        [
            "hall 1 - 0 08:00–08:15",
            "hall 2 - 3.5 08:00–08:10",
            "hall 2 - 2 08:10–08:35",
            "bar 1 - -1 08:10–…",
            "hall 1 - 0 08:20–08:35",
            "bar 3 small 0 08:20–…",
            "bar 3 large 1 08:20–08:30",
        ]
    );
    for organization in [MOSCOW, SHORE] {
        let times = ["08:00", "08:05", "08:10", "08:15", "08:20", "08:30", "08:35"];
        assert_eq!(samples(&world, organization), times);
    }
    let log: Vec<Row> = world.log();
    let statuses: Vec<&str> = log.iter().map(|row| text(row, "status")).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "success").count(), 7, "{statuses:?}");
    assert_eq!(world.count("mirror_tombstone"), 0, "the history is the archive");
    world.assert_polite();
}

fn a_terminal_group_that_vanishes_leaves_with_the_second_sample(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, BAR, 1, 0);
    stop(&world, BAR, 2, 1);
    let vanish = |world: &World| {
        world.sandbox.edit(|world| world.cloud.organizations[0].groups.retain(|group| group.id != BAR));
    };
    let bar = world.sandbox.world().cloud.organizations[0].groups[1].clone();
    let come_back = |world: &World| {
        let bar = bar.clone();
        world.sandbox.edit(|world| world.cloud.organizations[0].groups.push(bar));
    };
    sample(&mut world, "08:00", 0);
    vanish(&world);
    let marked = sample(&mut world, "08:05", 0);
    let id = format!("unconfirmed {BAR}");
    assert_eq!(told(&marked), [format!("{id} 1 0"), format!("{id} 2 1")]);
    assert_eq!(unconfirmed(&world), ["bar 08:05", "bar 08:05"]);
    come_back(&world);
    assert_eq!(told(&sample(&mut world, "08:10", 0)), Vec::<String>::new());
    assert_eq!(unconfirmed(&world), Vec::<String>::new());
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…", "bar 1 - 0 08:00–…", "bar 2 - 1 08:00–…"]);

    vanish(&world);
    sample(&mut world, "08:15", 0);
    // What could not be read is no sample, and does not count as the second.
    world.sandbox.fault(Fault::new("stop_lists", Action::Html).times(2));
    sample(&mut world, "08:20", 7);
    assert_eq!(unconfirmed(&world), ["bar 08:15", "bar 08:15"]);
    sample(&mut world, "08:25", 0);
    come_back(&world);
    sample(&mut world, "08:30", 0);
    assert_eq!(
        history(&world),
        [
            "hall 1 - 0 08:00–…",
            "bar 1 - 0 08:00–08:15",
            "bar 2 - 1 08:00–08:15",
            "bar 1 - 0 08:30–…",
            "bar 2 - 1 08:30–…"
        ]
    );
    // A group that falls asleep has not vanished.
    edit(&world, BAR, |bar| bar.asleep = true);
    sample(&mut world, "08:35", 0);
    assert_eq!(unconfirmed(&world), Vec::<String>::new());
    assert_eq!(samples(&world, MOSCOW), ["08:00", "08:05", "08:10", "08:15", "08:25", "08:30", "08:35"]);
}

fn an_organization_that_vanishes_leaves_with_the_second_sample(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, PIER, 1, 0);
    let switch = |world: &World, disabled: bool| {
        world.sandbox.edit(|world| world.cloud.organizations[1].disabled = disabled);
    };
    sample(&mut world, "08:00", 0);
    switch(&world, true);
    sample(&mut world, "08:05", 0);
    assert_eq!(unconfirmed(&world), ["pier 08:05"]);
    switch(&world, false);
    sample(&mut world, "08:10", 0);
    switch(&world, true);
    sample(&mut world, "08:15", 0);
    sample(&mut world, "08:20", 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…", "pier 1 - 0 08:00–08:15"]);
    assert_eq!(samples(&world, SHORE), ["08:00", "08:10"], "who is not there was not sampled");
    switch(&world, false);
    sample(&mut world, "08:25", 0);
    assert_eq!(history(&world).last().unwrap(), "pier 1 - 0 08:25–…");
}

fn without_terminal_groups_nothing_leaves(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, PIER, 1, 0);
    sample(&mut world, "08:00", 0);
    world.sandbox.edit(|world| {
        world.cloud.organizations.iter_mut().for_each(|organization| organization.groups.clear());
    });
    let before =
        (world.rows("active_stoplist"), world.rows("stoplist_history"), world.rows("stoplist_sample"));
    for time in ["08:05", "08:10", "08:15"] {
        let refused = sample(&mut world, time, 7);
        let error = refused.step("active_stoplist", None)["error"].as_str().unwrap().to_owned();
        assert!(error.contains("no terminal group") && error.contains("correlationId"), "{error}");
    }
    let after =
        (world.rows("active_stoplist"), world.rows("stoplist_history"), world.rows("stoplist_sample"));
    assert_eq!(before, after);
}

fn an_organization_without_terminal_groups_holds_up_no_other(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, PIER, 1, 0);
    sample(&mut world, "08:00", 0);
    world.sandbox.edit(|world| world.cloud.organizations[1].groups.clear());
    release(&world, HALL, 1);
    for time in ["08:05", "08:10", "08:15"] {
        let warned = sample(&mut world, time, 4);
        let warnings = &warned.step("active_stoplist", None)["warnings"];
        assert!(warnings[0].as_str().unwrap().contains(SHORE), "{warnings}");
    }
    assert_eq!(history(&world), ["hall 1 - 0 08:00–08:05", "pier 1 - 0 08:00–…"]);
    assert_eq!(unconfirmed(&world), Vec::<String>::new());
    assert_eq!(samples(&world, SHORE), ["08:00"]);
    assert_eq!(samples(&world, MOSCOW), ["08:00", "08:05", "08:10", "08:15"]);
    // One of which nothing is known is nobody's concern.
    world.execute(
        "delete from active_stoplist where terminal_group_id = '15000000-0000-4000-8000-000000000003'",
    );
    world.execute("delete from stoplist_history where ended_at is null");
    sample(&mut world, "08:20", 0);
}

fn an_empty_answer_needs_a_second_one(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    sample(&mut world, "08:00", 0);
    let empty = || Fault::new("stop_lists", Action::EmptyList);
    world.sandbox.fault(empty());
    sample(&mut world, "08:05", 0);
    sample(&mut world, "08:10", 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…"]);
    world.sandbox.fault(empty().times(2));
    sample(&mut world, "08:15", 0);
    sample(&mut world, "08:20", 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–08:15"]);
    // No organization at all is an answer of somebody else's.
    for time in ["08:25", "08:30"] {
        world.sandbox.fault(Fault::new("organizations", Action::EmptyList));
        sample(&mut world, time, 7);
    }
}

fn an_item_without_a_product_keeps_everything(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, PIER, 1, 0);
    sample(&mut world, "08:00", 0);
    release(&world, HALL, 1);
    stop(&world, HALL, 2, 0);
    edit(&world, PIER, |pier| pier.stops.push(json!({"productId": null, "balance": 0})));
    let warned = sample(&mut world, "08:05", 4);
    assert_eq!(warned.step("active_stoplist", None)["rejected"], 1);
    assert_eq!(warned.step("active_stoplist", None)["delete_blocked"], 1);
    assert_eq!(told(&warned), ["entered Зал 2 0", "unconfirmed Зал 1 0"]);
    assert_eq!(samples(&world, MOSCOW), ["08:00"], "nobody knows whether something has left");
    edit(&world, PIER, |pier| pier.stops.retain(|item| !item["productId"].is_null()));
    sample(&mut world, "08:10", 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–08:10", "pier 1 - 0 08:00–…", "hall 2 - 0 08:05–…"]);
}

fn an_item_without_a_balance_keeps_what_is_known_of_it(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 2);
    stop(&world, HALL, 2, 0);
    sample(&mut world, "08:00", 0);
    let bad = [("08:05", Value::Null), ("08:10", json!("many")), ("08:15", json!({"a": 1}))];
    for (time, balance) in bad {
        stop(&world, HALL, 1, balance.clone());
        stop(&world, HALL, 3, balance);
        release(&world, HALL, 2);
        let warned = sample(&mut world, time, 4);
        assert_eq!(warned.step("active_stoplist", None)["rejected"], 2);
    }
    assert_eq!(history(&world), ["hall 1 - 2 08:00–…", "hall 2 - 0 08:00–08:05"]);
}

fn whatever_the_form_of_the_answer(engine: Engine) {
    for form in [CloudForm::WithoutEmpty, CloudForm::FlatNamed, CloudForm::ByGroup] {
        let mut world = world(engine);
        world.sandbox.edit(|world| world.cloud.form = form);
        stop(&world, HALL, 1, 0);
        // The same product in two terminal groups is two rows, each with its own balance.
        stop(&world, BAR, 1, 3);
        stop(&world, HALL, 2, json!(0.000_000_001));
        stop(&world, PIER, 1, json!(123_456_789_012_345_680_u64));
        sample(&mut world, "08:00", 0);
        assert_eq!(world.count("active_stoplist"), 4);
        release(&world, HALL, 2);
        release(&world, PIER, 1);
        // The pier is not in the answer any more, which may or may not mean that nothing is stopped there.
        sample(&mut world, "08:05", 0);
        assert_eq!(unconfirmed(&world), ["pier 08:05"]);
        sample(&mut world, "08:10", 0);
        let mut actual = history(&world);
        actual.sort();
        let expected = [
            "bar 1 - 3 08:00–…",
            "hall 1 - 0 08:00–…",
            "hall 2 - 0.000000001 08:00–08:05",
            "pier 1 - 123456789012345680 08:00–08:05",
        ];
        assert_eq!(actual, expected, "{form:?}");
        assert_eq!(samples(&world, SHORE), ["08:00", "08:05", "08:10"]);
    }
}

fn items_of_which_nobody_says_where_they_are_are_refused(engine: Engine) {
    let mut world = world(engine);
    world.sandbox.edit(|world| world.cloud.form = CloudForm::Flat);
    // Where there is only one terminal group, an item has its place.
    stop(&world, PIER, 1, 2);
    sample(&mut world, "08:00", 0);
    let before = world.rows("active_stoplist");
    stop(&world, HALL, 1, 0);
    stop(&world, BAR, 1, 3);
    release(&world, PIER, 1);
    let refused = sample(&mut world, "08:05", 7);
    let error = refused.step("active_stoplist", None)["error"].as_str().unwrap().to_owned();
    assert!(error.contains("names no terminal group") && error.contains(MOSCOW), "{error}");
    assert_eq!(world.rows("active_stoplist"), before);
    world.sandbox.edit(|world| world.cloud.form = CloudForm::Whole);
    sample(&mut world, "08:10", 0);
    assert_eq!(history(&world), ["pier 1 - 2 08:00–08:10", "hall 1 - 0 08:10–…", "bar 1 - 3 08:10–…"]);
}

fn of_repeated_items_the_least_counts(engine: Engine) {
    let mut world = world(engine);
    for (order, time) in [([3, 0, 2], "08:00"), ([0, 2, 3], "08:05"), ([2, 3, 0], "08:10")] {
        edit(&world, HALL, |hall| {
            let item = |balance: &i32| json!({"productId": product(1), "sizeId": null, "balance": balance});
            hall.stops = order.iter().map(item).collect();
        });
        sample(&mut world, time, 0);
    }
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…"]);
}

fn names_come_from_the_mirror(engine: Engine) {
    let mut world = world(engine);
    let known =
        world.sandbox.world().products.iter().find(|product| product["deleted"] != true).cloned().unwrap();
    let (id, name) = (known["id"].as_str().unwrap().to_owned(), known["name"].as_str().unwrap().to_owned());
    edit(&world, HALL, |hall| hall.stop(&id, 0));
    stop(&world, HALL, 1, 0);
    sample(&mut world, "08:00", 0);
    let names = |world: &World| -> BTreeSet<String> {
        world.rows("stoplist_history").iter().map(|row| text(row, "name").to_owned()).collect()
    };
    let unknown = format!("unknown:{}", product(1));
    assert_eq!(names(&world), BTreeSet::from([unknown.clone(), format!("unknown:{id}")]));
    world.expect(0, &["sync", "iiko", "--only", "iiko_product"]);
    sample(&mut world, "08:05", 0);
    assert_eq!(names(&world), BTreeSet::from([unknown.clone(), name.clone()]), "one stretch, by its name");
    // A product that leaves the nomenclature keeps the name that it entered with.
    world.execute("delete from iiko_product");
    sample(&mut world, "08:10", 0);
    assert_eq!(names(&world), BTreeSet::from([unknown, name]));
    assert_eq!(world.count("stoplist_history"), 2);
}

fn a_clock_that_is_set_back_is_refused(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    sample(&mut world, "08:10", 0);
    release(&world, HALL, 1);
    sample(&mut world, "08:00", 13);
    assert_eq!(history(&world), ["hall 1 - 0 08:10–…"]);
    sample(&mut world, "08:15", 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:10–08:15"]);
}

fn times_are_right_on_days_when_the_zone_changes(engine: Engine) {
    // Europe/Kaliningrad went from +02 to +03 on 27 March 2011 at 00:00 UTC, and back on 26 October 2014 at 23:00 UTC
    // of the day before.
    for (first, second, third) in [
        ("2011-03-26T23:50:00Z", "2011-03-27T00:05:00Z", "2011-03-27T00:20:00Z"),
        ("2014-10-25T22:50:00Z", "2014-10-25T23:05:00Z", "2014-10-25T23:20:00Z"),
    ] {
        let mut world = world(engine);
        stop(&world, HALL, 1, 0);
        sample(&mut world, first, 0);
        stop(&world, HALL, 1, 2);
        sample(&mut world, second, 0);
        release(&world, HALL, 1);
        sample(&mut world, third, 0);
        let mut rows = world.rows("stoplist_history");
        rows.sort_by_key(|row| text(row, "started_at").to_owned());
        // Spelled alike on both databases: `2011-03-26T23:50` and what follows.
        let moment = |row: &Row, column: &str| text(row, column).replace(' ', "T")[..16].to_owned() + ":00Z";
        let times: Vec<[String; 2]> =
            rows.iter().map(|row| [moment(row, "started_at"), moment(row, "ended_at")]).collect();
        assert_eq!(times, [[first.to_owned(), second.to_owned()], [second.to_owned(), third.to_owned()]]);
    }
}

fn edits_by_hand_are_repaired_and_told(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, BAR, 2, 1);
    sample(&mut world, "08:00", 0);
    world.execute("update active_stoplist set balance = 7 where balance = 0");
    world.execute("delete from stoplist_history where balance = 1");
    world.set("ZERKALO_TEST_NOW", "2026-11-22T08:05:00Z");
    let repaired = world.expect(0, SYNC);
    assert_eq!(told(&repaired), ["changed Зал 1 7 0"]);
    assert_the_history_follows(&world);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…", "bar 2 - 1 08:05–…"]);
}
