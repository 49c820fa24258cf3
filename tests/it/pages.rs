//! FinTablo's deals come in pages, and pages are a snapshot only where they prove it.

use super::{
    expected::mirror,
    harness::{Engine, Outcome, World, on_both},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use zerkalo::sandbox::{Action, Beyond, Fault, Options, Paging, Total};

on_both!(
    every_page_of_deals_is_stored,
    whatever_the_server_does_with_pages,
    a_server_that_pages_by_less_than_it_says_loses_no_deal,
    a_deal_that_is_gone_is_deleted_after_two_readings,
    a_deal_that_goes_while_pages_are_read_takes_no_other_with_it,
    a_deal_that_comes_while_pages_are_read_takes_no_other_with_it,
    an_id_on_two_pages_deletes_nothing,
    the_second_reading_has_to_be_a_snapshot_too,
    a_page_that_fails_changes_nothing,
    a_server_that_always_answers_something_new_is_left,
    an_unpaged_list_of_a_round_length_deletes_nothing_and_warns,
    what_a_list_of_a_round_length_lacks_may_be_allowed_to_the_row,
    an_unpaged_list_that_is_shorter_than_the_server_says_deletes_nothing_and_warns,
    an_end_that_the_server_denies_deletes_nothing_and_warns,
);

const DEALS: [&str; 4] = ["sync", "fintablo", "--only", "ft_deal"];

fn deal(id: usize) -> Value {
    json!({"id": id, "name": format!("Сделка {id}"), "amount": id * 10, "nds": "0.5"})
}

fn deals(ids: impl IntoIterator<Item = usize>) -> Vec<Value> {
    ids.into_iter().map(deal).collect()
}

fn set(world: &World, deals: Vec<Value>) {
    world.sandbox.edit(|world| world.fintablo.insert("deal".to_owned(), deals));
}

/// A mirror of so many deals, with an empty journal.
fn with_deals(engine: Engine, count: usize) -> World {
    let world = World::new(engine);
    set(&world, deals(1..=count));
    world.expect(0, &DEALS);
    assert_eq!(world.count("ft_deal"), count);
    world.sandbox.clear_journal();
    world
}

/// A world in which nobody counts the requests of a minute: its stories ask more often than a morning does.
fn unhurried(engine: Engine) -> World {
    let mut world = World::with(engine, Options { fintablo_limit: usize::MAX, ..Options::default() });
    world.set("FINTABLO_PER_MINUTE", "1000000");
    world
}

fn ids(world: &World) -> BTreeSet<usize> {
    let id = |row: super::rows::Row| row["id"].as_deref().unwrap().parse().unwrap();
    world.select("ft_deal", ["id"]).into_iter().map(id).collect()
}

fn blocked(outcome: &Outcome) -> u64 {
    outcome.step("ft_deal", None)["delete_blocked"].as_u64().unwrap()
}

#[track_caller]
fn assert_mirrored(world: &World) {
    assert_eq!(world.dump()["ft_deal"], mirror(&world.sandbox.world())["ft_deal"]);
    world.assert_polite();
}

fn every_page_of_deals_is_stored(engine: Engine) {
    let world = World::new(engine);
    // The end is two pages without a deal.
    for (count, pages) in [(0, 2), (499, 3), (500, 3), (501, 4), (1_730, 6), (8_300, 19)] {
        set(&world, deals(1..=count));
        world.sandbox.clear_journal();
        world.expect(0, &DEALS);
        assert_eq!(world.asked().len(), pages, "{count} deals");
        assert_mirrored(&world);
    }
    world.sandbox.clear_journal();
    assert_eq!(world.expect(0, &DEALS).totals(), [0, 0, 0]);
    assert_eq!(world.asked().len(), 19, "a reading that would delete nothing is not repeated");
}

/// What a server does with pages: how many deals it has, which of them its pages show, and what the reading must make of
/// that.
struct Server {
    what: &'static str,
    count: usize,
    paging: Paging,
    /// Why the reading is no snapshot; nothing where it is one.
    doubt: Option<&'static str>,
}

impl Server {
    /// The ids that come at all.
    fn shown(&self) -> BTreeSet<usize> {
        let Paging { size, ignores_page, holes, .. } = &self.paging;
        let page = |id: &usize| (id - 1) / size + 1;
        let comes = |id: &usize| !holes.contains(&page(id)) && (!ignores_page || page(id) == 1);
        (1..=self.count).filter(comes).collect()
    }
}

/// The table of servers. What none of them is told to do otherwise is as described: 500 a page, then nothing.
fn servers() -> Vec<Server> {
    let plain = Paging::default;
    let by = |size: usize| Paging { size, ..plain() };
    let then = |size: usize, beyond: Beyond| Paging { beyond, ..by(size) };
    let deaf = |size: usize| Paging { ignores_page: true, ..by(size) };
    let told = |paging: Paging, total: Total| Paging { total, ..paging };
    let holed = |size: usize, holes: &[usize]| Paging { holes: holes.to_vec(), ..by(size) };
    let (head, body) = (Total::Header("X-Total-Count"), Total::Body("total"));
    let seen = |what, count, paging| Server { what, count, paging, doubt: None };
    let unseen = |what, count, paging, doubt| Server { what, count, paging, doubt: Some(doubt) };
    vec![
        seen("as described", 1_730, plain()),
        seen("as described, one full page", 500, plain()),
        seen("by 100", 1_730, by(100)),
        seen("by 250", 550, by(250)),
        seen("by 2", 7, by(2)),
        seen("by 1,000", 1_730, by(1_000)),
        seen("404 behind the end", 1_730, then(500, Beyond::NotFound)),
        seen("404 behind a full page", 1_500, then(500, Beyond::NotFound)),
        seen("clamps to a short page", 1_730, then(500, Beyond::Last)),
        seen("clamps to the only page", 499, then(500, Beyond::Last)),
        unseen("clamps to a full page", 1_500, then(500, Beyond::Last), "as long as the first"),
        unseen("clamps to the only page, of a round length", 300, then(500, Beyond::Last), "may be all"),
        unseen("clamps to the only page, which is full", 500, then(500, Beyond::Last), "may be all"),
        seen("wraps around to the only page", 37, then(500, Beyond::Around)),
        unseen("wraps around", 1_730, then(500, Beyond::Around), "page 5 repeats page 1"),
        seen("ignores the page and shows all", 37, deaf(usize::MAX)),
        seen("ignores the page and shows many", 1_730, deaf(usize::MAX)),
        unseen("ignores the page", 1_730, deaf(500), "page 2 repeats page 1"),
        unseen("ignores the page, by 250", 550, deaf(250), "250 records may be all"),
        unseen("ignores the page, by 20", 30, deaf(20), "20 records may be all"),
        unseen("ignores the page, by 256", 300, deaf(256), "256 records may be all"),
        seen("tells the total in the head", 1_730, told(by(100), head)),
        seen("tells the total beside the list", 1_730, told(plain(), body)),
        unseen("the total of the head is not reached", 70, told(deaf(37), head), "of 70 records and 37 came"),
        unseen("the total of the body is not reached", 70, told(deaf(37), body), "of 70 records and 37 came"),
        unseen(
            "the last page is lost, and the total says so",
            70,
            told(holed(37, &[2]), head),
            "of 70 records",
        ),
        unseen("a hole", 1_730, holed(500, &[2]), "page 2 is empty and page 3 is not"),
        unseen("the first page is a hole", 1_730, holed(500, &[1]), "page 1 is empty and page 2 is not"),
        unseen("two holes", 37, holed(5, &[3, 6]), "page 3 is empty and page 4 is not"),
    ]
}

fn whatever_the_server_does_with_pages(engine: Engine) {
    let world = unhurried(engine);
    world.expect(0, &["migrate"]);
    for server in servers() {
        for gone in [None, Some(3)] {
            world.execute("delete from ft_deal");
            world.sandbox.edit(|world| world.deal_pages = Paging::default());
            let shown = server.shown();
            let mut stored = BTreeSet::new();
            if let Some(gone) = gone {
                // Of what there is the first are not stored and one is stored otherwise; some that are stored are gone.
                let new = 10.min(server.count / 3);
                let ids: Vec<usize> = (1..=server.count).skip(new).chain(9_001..9_001 + gone).collect();
                stored.extend(ids.iter().copied());
                set(&world, deals(ids));
                world.expect(0, &DEALS);
                world.execute("update ft_deal set name = 'edited' where id = (select min(id) from ft_deal)");
            }
            set(&world, deals(1..=server.count));
            world.sandbox.edit(|world| world.deal_pages = server.paging.clone());
            let context = format!("{}, {} stored", server.what, stored.len());
            let outcome = world.run(&DEALS);
            let said = format!("{context}\n{}\n{}", outcome.stdout, outcome.stderr);
            assert_eq!(outcome.code, Some(if server.doubt.is_some() { 4 } else { 0 }), "{said}");
            if let Some(doubt) = server.doubt {
                assert!(outcome.stdout.contains(doubt), "{said}");
                assert_eq!(outcome.counts("ft_deal")[2], 0, "{said}");
                let expected: BTreeSet<usize> = stored.union(&shown).copied().collect();
                assert_eq!(ids(&world), expected, "{said}");
                assert_eq!(blocked(&outcome), (expected.len() - shown.len()) as u64, "{said}");
            } else {
                assert_eq!(outcome.counts("ft_deal")[2], gone.unwrap_or_default() as u64, "{said}");
                assert_eq!(world.dump()["ft_deal"], mirror(&world.sandbox.world())["ft_deal"], "{context}");
            }
            // What came is inserted and updated in any case.
            let inserted = shown.difference(&stored).count() as u64;
            let edited = stored.first().is_some_and(|first| shown.contains(first));
            assert_eq!(outcome.counts("ft_deal")[..2], [inserted, u64::from(edited)], "{said}");
        }
    }
    world.assert_polite();
}

fn a_server_that_pages_by_less_than_it_says_loses_no_deal(engine: Engine) {
    // First everything on each page; then two on the first page and one on the second.
    let world = World::new(engine);
    set(&world, deals(1..=3));
    world.sandbox.edit(|world| world.deal_pages.ignores_page = true);
    world.expect(0, &DEALS);
    world.sandbox.edit(|world| world.deal_pages = Paging { size: 2, ..Paging::default() });
    world.sandbox.clear_journal();
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [0, 0, 0]);
    assert_eq!(world.asked().len(), 4, "two pages, and two that are empty");
    assert_mirrored(&world);
}

fn a_deal_that_is_gone_is_deleted_after_two_readings(engine: Engine) {
    let world = with_deals(engine, 1_200);
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().remove(77));
    let outcome = world.expect(0, &DEALS);
    assert_eq!(outcome.counts("ft_deal"), [0, 0, 1]);
    assert_eq!(world.asked().len(), 10, "three pages and the end, twice");
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
    assert_eq!(world.asked().len(), 10);
    assert_eq!(world.evidence(), before);
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [0, 0, 1], "the next run finds it gone");
    assert_mirrored(&world);

    // In the second reading as well: the two do not hold the same deals, so what both lack stays. An edit between the
    // readings is no conflict.
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().remove(300));
    world
        .sandbox
        .on("v1/deal", 6, |world| world.fintablo.get_mut("deal").unwrap()[5]["name"] = "edited".into());
    world.sandbox.on("v1/deal", 7, |world| drop(world.fintablo.get_mut("deal").unwrap().remove(20)));
    let outcome = world.expect(4, &DEALS);
    assert_eq!((outcome.counts("ft_deal"), blocked(&outcome)), ([0, 1, 0], 1));
    assert!(outcome.stdout.contains("hold different records"), "{}", outcome.stdout);
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [0, 0, 2]);
    assert_mirrored(&world);
}

fn a_deal_that_comes_while_pages_are_read_takes_no_other_with_it(engine: Engine) {
    let world = with_deals(engine, 1_200);
    // A new deal at the head pushes one of the first page onto the second, in either reading of a run that would delete.
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().truncate(1_150));
    world.sandbox.on("v1/deal", 2, |world| world.fintablo.get_mut("deal").unwrap().insert(0, deal(5_001)));
    let outcome = world.expect(4, &DEALS);
    assert_eq!((outcome.counts("ft_deal"), blocked(&outcome)), ([0, 0, 0], 50));
    assert!(outcome.stdout.contains("id 500 is on page 1 and on page 2"), "{}", outcome.stdout);
    world.sandbox.clear_journal();
    world.sandbox.on("v1/deal", 7, |world| world.fintablo.get_mut("deal").unwrap().insert(0, deal(5_002)));
    let outcome = world.expect(4, &DEALS);
    assert_eq!((outcome.counts("ft_deal"), blocked(&outcome)), ([1, 0, 0], 50));
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [1, 0, 50]);
    assert_mirrored(&world);
}

/// Answers page `number` with these deals, as often as it is asked for.
fn answer(world: &World, number: usize, ids: &[usize]) {
    let body = json!({"status": 200, "items": deals(ids.iter().copied())}).to_string();
    let body = Action::Body { content_type: "application/json".to_owned(), body: body.into() };
    world.sandbox.fault(Fault::new(format!("v1/deal?page={number}"), body).times(usize::MAX));
}

fn an_id_on_two_pages_deletes_nothing(engine: Engine) {
    let world = with_deals(engine, 5);
    let before = world.evidence();
    // The second deal comes twice, and its neighbour never.
    answer(&world, 1, &[1, 2]);
    answer(&world, 2, &[2, 4]);
    answer(&world, 3, &[5]);
    answer(&world, 4, &[]);
    answer(&world, 5, &[]);
    let outcome = world.expect(4, &DEALS);
    assert_eq!((outcome.counts("ft_deal"), blocked(&outcome)), ([0, 0, 0], 1));
    assert!(outcome.stdout.contains("id 2 is on page 1 and on page 2"), "{}", outcome.stdout);
    assert_eq!(world.asked().len(), 5, "what is no snapshot is not read a second time");
    assert_eq!(world.evidence(), before);
    let log = world.log().pop().unwrap();
    assert_eq!((log["status"].as_deref(), log["delete_blocked"].as_deref()), (Some("warning"), Some("1")));

    // A page of nothing but what came before ends the reading.
    world.sandbox.clear_faults();
    for (page, ids) in [(1, [1, 2]), (2, [3, 4]), (3, [2, 3])] {
        answer(&world, page, &ids);
    }
    let outcome = world.expect(4, &DEALS);
    assert!(outcome.stdout.contains("page 3 brings nothing new"), "{}", outcome.stdout);
    assert_eq!(world.evidence(), before);
}

fn the_second_reading_has_to_be_a_snapshot_too(engine: Engine) {
    let world = with_deals(engine, 1_200);
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().truncate(1_190));
    let before = world.evidence();
    for (paging, doubt) in [
        (Paging { holes: vec![2], ..Paging::default() }, "page 2 is empty and page 3 is not"),
        (Paging { ignores_page: true, ..Paging::default() }, "page 2 repeats page 1"),
        (Paging { beyond: Beyond::Around, ..Paging::default() }, "page 4 repeats page 1"),
        (Paging { size: 119, beyond: Beyond::Last, ..Paging::default() }, "page 11 repeats page 10"),
    ] {
        world.sandbox.edit(|world| world.deal_pages = Paging::default());
        // The first reading asks for five pages.
        world.sandbox.on("v1/deal", 6, move |world| world.deal_pages = paging);
        let outcome = world.expect(4, &DEALS);
        assert_eq!((outcome.counts("ft_deal"), blocked(&outcome)), ([0, 0, 0], 10));
        assert!(outcome.stdout.contains(doubt), "{doubt}: {}", outcome.stdout);
    }
    assert_eq!(world.evidence(), before);
    world.sandbox.edit(|world| world.deal_pages = Paging::default());
    assert_eq!(world.expect(0, &DEALS).counts("ft_deal"), [0, 0, 10]);
    assert_mirrored(&world);
}

fn a_page_that_fails_changes_nothing(engine: Engine) {
    let world = with_deals(engine, 1_200);
    let before = world.evidence();
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap().truncate(1_100));
    let missing = |content_type: &str, body: &'static str| Action::Status {
        code: 404,
        content_type: content_type.to_owned(),
        body: body.into(),
        headers: Vec::new(),
    };
    for (page, action, code) in [
        ("?page=2", Action::Close, 5),
        ("?page=3", Action::CutClose { at: 200 }, 7),
        ("?page=1", Action::Html, 7),
        // A page behind the end, too.
        ("?page=5", Action::Close, 5),
        // Somebody else's 404 is no end, and without its first page the list itself is not there.
        ("?page=3", missing("text/html", "<html>not found</html>"), 7),
        ("?page=3", missing("text/plain", "no route"), 6),
        ("?page=1", missing("application/json", r#"{"status":404,"statusText":"Page not found."}"#), 6),
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

fn a_server_that_always_answers_something_new_is_left(engine: Engine) {
    let world = unhurried(engine);
    set(&world, deals(1..=3));
    world.expect(0, &DEALS);
    let before = world.evidence();
    world.sandbox.edit(|world| world.deal_pages.beyond = Beyond::Endless);
    world.sandbox.clear_journal();
    let refused = world.expect(7, &DEALS);
    assert!(refused.stdout.contains("more than 2000 pages"), "{}", refused.stdout);
    assert_eq!((world.asked().len(), world.evidence()), (2_000, before));
    world.assert_polite();
}

fn an_unpaged_list_of_a_round_length_deletes_nothing_and_warns(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let command = ["sync", "fintablo", "--only", "ft_partner"];
    let partners = |ids: std::ops::Range<usize>| -> Vec<Value> {
        ids.map(|id| json!({"id": id, "name": "П"})).collect()
    };
    let set =
        |list: Vec<Value>| world.sandbox.edit(|world| world.fintablo.insert("partner".to_owned(), list));
    let cut = [
        (510, 500),
        (110, 100),
        (57, 50),
        (261, 250),
        (1_240, 1_200),
        (17, 10),
        (26, 20),
        (35, 30),
        (31, 25),
        (23, 16),
        (262, 256),
        (520, 512),
        (1_030, 1_024),
    ];
    for (before, after) in cut {
        world.execute("delete from ft_partner");
        set(partners(0..before));
        world.expect(0, &command);
        set(partners(5..after + 5));
        let gone = before as u64 - after as u64;
        let outcome = world.expect(4, &command);
        assert_eq!(outcome.counts("ft_partner"), [0, 0, 0]);
        assert_eq!(outcome.step("ft_partner", None)["delete_blocked"], gone);
        assert!(outcome.stdout.contains(&format!("exactly {after} rows")), "{}", outcome.stdout);
        assert_eq!(world.count("ft_partner"), before);
        // Neither is it deleted by the next run, to which this is the last one's count.
        assert_eq!(world.expect(4, &command).counts("ft_partner"), [0, 0, 0]);
        set(partners(5..after + 4));
        assert_eq!(world.expect(0, &command).counts("ft_partner"), [0, 0, gone + 1], "{after}");
    }
    // A round length that nothing was cut from, and numbers that nobody sets as a limit, say nothing.
    for (before, after) in [(90, 100), (100, 100), (10, 10), (38, 35), (12, 8), (1_260, 1_250)] {
        world.execute("delete from ft_partner");
        set(partners(0..before));
        world.expect(0, &command);
        set(partners(0..after));
        world.expect(0, &command);
        assert_eq!(world.count("ft_partner"), after);
    }
    // The one length that the description knows is always suspect.
    set(partners(0..500));
    world.expect(4, &command);
}

fn what_a_list_of_a_round_length_lacks_may_be_allowed_to_the_row(engine: Engine) {
    let world = World::new(engine);
    let sync = ["sync", "fintablo", "--only", "ft_partner"];
    let set = |count: usize| {
        let list = (0..count).map(|id| json!({"id": id, "name": "П"})).collect();
        world.sandbox.edit(|world| world.fintablo.insert("partner".to_owned(), list));
    };
    let allowing = |code: i32, rows: usize| {
        world.expect(code, &[&sync[..], &["--allow-delete", &format!("ft_partner={rows}")]].concat())
    };
    // A few rows, and more than half of them.
    for (before, after) in [(57, 50), (510, 500), (700, 50), (45, 40), (80, 16)] {
        let gone = before - after;
        set(before);
        world.expect(0, &sync);
        set(after);
        let outcome = world.expect(4, &sync);
        let refused = outcome.step("ft_partner", None);
        let told = format!(
            "{gone} of {before} rows are not in the answer and are not deleted: the list has exactly"
        );
        assert!(refused["warnings"][0].as_str().unwrap().starts_with(&told), "{refused}");
        let hint = format!("if they are really gone, allow it once: --allow-delete ft_partner={gone}");
        assert_eq!(refused["hint"], hint);
        assert_eq!(allowing(4, gone + 1).counts("ft_partner"), [0, 0, 0], "another number");
        let allowed = allowing(0, gone);
        assert_eq!(allowed.counts("ft_partner"), [0, 0, gone as u64]);
        assert_eq!(world.count("ft_partner"), after);
    }
}

fn an_unpaged_list_that_is_shorter_than_the_server_says_deletes_nothing_and_warns(engine: Engine) {
    let world = World::new(engine);
    let command = ["sync", "fintablo", "--only", "ft_partner"];
    let partners: Vec<Value> = (0..40).map(|id| json!({"id": id, "name": "П"})).collect();
    world.sandbox.edit(|world| world.fintablo.insert("partner".to_owned(), partners.clone()));
    world.expect(0, &command);
    let json = "application/json".to_owned();
    let cut = json!({"status": 200, "items": partners[..37], "_meta": {"totalCount": 40}}).to_string();
    let in_the_head = Action::Status {
        code: 200,
        content_type: json.clone(),
        body: json!({"status": 200, "items": partners[..37]}).to_string().into(),
        headers: vec![("X-Pagination-Total-Count".to_owned(), "40".to_owned())],
    };
    for action in [Action::Body { content_type: json, body: cut.into() }, in_the_head] {
        world.sandbox.fault(Fault::new("v1/partner", action));
        let outcome = world.expect(4, &command);
        assert_eq!(outcome.counts("ft_partner"), [0, 0, 0]);
        assert_eq!(outcome.step("ft_partner", None)["delete_blocked"], 3);
        assert!(outcome.stdout.contains("the server speaks of 40 records and 37 came"), "{}", outcome.stdout);
    }
    world.expect(0, &command);
}

fn an_end_that_the_server_denies_deletes_nothing_and_warns(engine: Engine) {
    let world = with_deals(engine, 40);
    let before = world.evidence();
    for more in [json!({"hasMore": true}), json!({"has_more": true}), json!({"meta": {"hasMore": true}})] {
        let mut body = json!({"status": 200, "items": deals(1..=37)});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body =
            Action::Body { content_type: "application/json".to_owned(), body: body.to_string().into() };
        world.sandbox.fault(Fault::new("v1/deal?page=1", body).times(usize::MAX));
        answer(&world, 2, &[]);
        answer(&world, 3, &[]);
        let outcome = world.expect(4, &DEALS);
        assert_eq!((outcome.counts("ft_deal"), blocked(&outcome)), ([0, 0, 0], 3));
        assert!(outcome.stdout.contains("there are more records"), "{}", outcome.stdout);
        world.sandbox.clear_faults();
    }
    assert_eq!(world.evidence(), before);
}
