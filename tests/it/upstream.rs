//! Upstreams that are slow to anger or angry: sessions, licences, limits, refusals, silence.

use super::{
    expected::{assert_same, mirror},
    harness::{Engine, Outcome, World, on_both},
    rows::Row,
};
use std::time::Instant;
use zerkalo::{
    sandbox::{Action, Entry, Fault, Options, SessionEvent},
    tables,
};

on_both!(
    a_session_that_ends_at_any_request_is_renewed_once,
    a_session_that_is_refused_again_is_a_refusal,
    a_full_licence_is_waited_for_and_then_a_refusal,
    a_wrong_password_is_tried_once,
    a_wrong_fintablo_token_is_a_refusal,
    retry_after_is_obeyed_within_reason,
    an_upstream_that_fails_three_times_is_asked_a_fourth_and_last_time,
    a_redirect_is_not_followed,
    a_root_type_that_the_server_does_not_know_is_skipped,
    a_server_that_takes_one_root_type_at_once_is_asked_one_by_one,
    one_table_that_fails_holds_up_no_other,
);

/// A world whose mirror is up to date, with an empty journal.
fn settled(engine: Engine) -> World {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    world.sandbox.clear_journal();
    world
}

/// How many entries of the journal `is` so.
fn many(world: &World, is: impl Fn(&Entry) -> bool) -> usize {
    world.sandbox.journal().iter().filter(|entry| is(entry)).count()
}

fn requests(world: &World, end: &str) -> usize {
    many(world, |entry| entry.path.ends_with(end))
}

/// The run that failed has said so in the log, table by table as in its report.
fn assert_logged(world: &World, outcome: &Outcome) {
    let log = world.log_of(outcome.run_id());
    assert_eq!(log.len(), outcome.steps().len());
    for step in outcome.steps() {
        let row = log.iter().find(|row| {
            row["entity_type"].as_deref() == step["entity"].as_str()
                && row["scope"].as_deref() == Some(step["scope"].as_str().unwrap_or_default())
        });
        let row = row.unwrap_or_else(|| panic!("no log row of {step}"));
        assert_eq!(row["status"].as_deref(), step["status"].as_str());
        assert_eq!(row["error_message"].is_some(), step["status"] != "success");
    }
}

fn a_session_that_ends_at_any_request_is_renewed_once(engine: Engine) {
    let world = settled(engine);
    let before = world.evidence();
    let command = ["full-morning", "--skip", "fintablo"];
    world.expect(0, &command);
    let reads = world.asked().len();
    assert!(reads >= tables::IIKO.len() + 2, "each list, the balances and the names that they lack: {reads}");
    for skip in 0..reads {
        world.sandbox.clear_journal();
        world.sandbox.fault(Fault::new("GET /resto/api", Action::ExpireToken).skip(skip));
        let outcome = world.expect(0, &command);
        assert_eq!(outcome.totals(), [0, 0, 0]);
        assert_eq!(world.sandbox.faults_waiting(), 0);
        assert_eq!(many(&world, |entry| entry.event == Some(SessionEvent::Opened)), 2, "request {skip}");
        assert_eq!(world.asked().len(), reads + 1, "only the refused request is repeated");
        world.assert_polite();
    }
    assert_eq!(world.evidence(), before);
}

fn a_session_that_is_refused_again_is_a_refusal(engine: Engine) {
    let world = settled(engine);
    let before = world.evidence();
    world.sandbox.fault(Fault::new("employees/roles", Action::ExpireToken).times(2));
    let outcome = world.expect(6, &["sync", "iiko"]);
    assert_eq!(outcome.step("iiko_employee_role", None)["status"], "error");
    assert_eq!(requests(&world, "employees/roles"), 2);
    assert_eq!(world.evidence(), before);
    assert_logged(&world, &outcome);
}

fn a_full_licence_is_waited_for_and_then_a_refusal(engine: Engine) {
    let mut world = settled(engine);
    let before = world.evidence();
    world.sandbox.fault(Fault::new("POST /resto/api/auth", Action::LicenceFull).times(2));
    world.expect(0, &["sync", "iiko"]);
    assert_eq!(requests(&world, "/auth"), 3);

    world.sandbox.clear_journal();
    world.set("ZERKALO_LICENCE_WAIT", "1,0");
    world.sandbox.fault(Fault::new("POST /resto/api/auth", Action::LicenceFull).times(usize::MAX));
    let begun = Instant::now();
    let outcome = world.expect(6, &["sync", "iiko"]);
    assert!(begun.elapsed().as_secs() >= 1, "it waits as long as it is told");
    assert_eq!(requests(&world, "/auth"), 3, "and not once more for every table");
    assert!(outcome.stdout.contains("License enhancement is required"), "{}", outcome.stdout);
    assert_eq!(world.evidence(), before);
    assert_logged(&world, &outcome);
    world.sandbox.clear_faults();
    world.assert_polite();
}

fn a_wrong_password_is_tried_once(engine: Engine) {
    let mut world = settled(engine);
    let before = world.evidence();
    world.set("IIKO_PASSWORD", "wrong");
    let outcome = world.expect(6, &["full-morning"]);
    assert_eq!(requests(&world, "/auth"), 1, "servers lock a login after a few wrong passwords");
    assert!(outcome.stdout.contains("401"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("wrong\""), "{}", outcome.stdout);
    assert_eq!(outcome.step("ft_deal", None)["status"], "success", "the other upstream is not to blame");
    assert_eq!(world.evidence(), before);
    assert_logged(&world, &outcome);
}

fn a_wrong_fintablo_token_is_a_refusal(engine: Engine) {
    let world = settled(engine);
    let before = world.evidence();
    world.sandbox.fault(Fault::new("GET /v1/", Action::ExpireToken).times(usize::MAX));
    let outcome = world.expect(6, &["sync", "fintablo"]);
    assert!(outcome.steps().iter().all(|step| step["status"] == "error"));
    assert!(outcome.stdout.contains("X-Request-Id sandbox-"), "{}", outcome.stdout);
    assert!(world.asked().len() <= 4, "those in flight, and no more: {:?}", world.asked());
    assert_eq!(world.evidence(), before);
    assert_logged(&world, &outcome);
}

fn retry_after_is_obeyed_within_reason(engine: Engine) {
    let world = settled(engine);
    let before = world.evidence();
    let too_many = |retry_after: &str| Action::TooMany { retry_after: retry_after.to_owned() };
    for (path, command) in [
        ("v1/goods", &["sync", "fintablo", "--only", "ft_goods"][..]),
        ("corporation/groups", &["sync", "iiko", "--only", "iiko_group"]),
    ] {
        world.sandbox.fault(Fault::new(path, too_many("1")));
        let begun = Instant::now();
        world.expect(0, command);
        assert!(begun.elapsed().as_millis() >= 1_000, "{path}");

        for form in ["", "-5", "soon", "0"] {
            world.sandbox.clear_journal();
            world.sandbox.fault(Fault::new(path, too_many(form)).times(3));
            world.expect(0, command);
            assert_eq!(requests(&world, path), 4, "`{form}`");
            world.sandbox.fault(Fault::new(path, too_many(form)).times(4));
            world.expect(5, command);
        }

        world.sandbox.clear_journal();
        world.sandbox.fault(Fault::new(path, too_many("86400")));
        let outcome = world.expect(5, command);
        assert_eq!(requests(&world, path), 1, "a day is not waited");
        assert!(outcome.stdout.contains("86400 s"), "{}", outcome.stdout);
        assert_logged(&world, &outcome);
    }
    assert_eq!(world.evidence(), before);
}

fn an_upstream_that_fails_three_times_is_asked_a_fourth_and_last_time(engine: Engine) {
    let world = settled(engine);
    let before = world.evidence();
    let status = |code: u16| Action::Status {
        code,
        content_type: "text/plain".to_owned(),
        body: "java.lang.NullPointerException \u{1b}[31m".into(),
        headers: Vec::new(),
    };
    let faults =
        [status(500), status(502), status(503), Action::Close, Action::Garbage, Action::Cut { at: 20 }];
    for (path, command) in [
        ("v1/deal", &["sync", "fintablo", "--only", "ft_deal"][..]),
        ("products/list", &["sync", "iiko", "--only", "iiko_product"]),
        ("api/suppliers", &["sync", "iiko", "--only", "iiko_supplier"]),
    ] {
        for fault in &faults {
            world.sandbox.clear_journal();
            world.sandbox.fault(Fault::new(path, fault.clone()).times(3));
            world.expect(0, command);
            world.sandbox.clear_journal();
            world.sandbox.fault(Fault::new(path, fault.clone()).times(4));
            let outcome = world.expect(5, command);
            assert_eq!(requests(&world, path), 4, "{path} {fault:?}");
            assert!(!outcome.stdout.contains('\u{1b}') && !outcome.stderr.contains('\u{1b}'));
            assert_logged(&world, &outcome);
            world.assert_polite();
        }
    }
    assert_eq!(world.evidence(), before);
}

fn a_redirect_is_not_followed(engine: Engine) {
    let world = settled(engine);
    let before = world.evidence();
    let elsewhere = World::new(Engine::Sqlite);
    for (code, path, command) in [
        (301, "products/list", "iiko"),
        (302, "api/auth", "iiko"),
        (307, "api/auth", "iiko"),
        (308, "balance/stores", "stock"),
        (302, "v1/goods", "fintablo"),
    ] {
        let location = format!("{}/api/auth", elsewhere.sandbox.iiko_url());
        world.sandbox.fault(Fault::new(path, Action::Redirect { location, code }).times(usize::MAX));
        world.expect(6, &["sync", command]);
        world.sandbox.clear_faults();
    }
    assert_eq!(elsewhere.sandbox.journal(), []);
    assert_eq!(world.evidence(), before);
    world.assert_polite();
}

fn a_root_type_that_the_server_does_not_know_is_skipped(engine: Engine) {
    let unknown = ["AlcoholClass", "ProductScale"];
    let options = Options { unknown_root_types: unknown.map(str::to_owned).to_vec(), ..Options::default() };
    let world = World::with(engine, options);
    let outcome = world.expect(0, &["sync", "iiko"]);
    let mut expected = mirror(&world.sandbox.world())["iiko_entity"].clone();
    expected.retain(|row| !unknown.contains(&row["root_type"].as_deref().unwrap()));
    assert_eq!(world.dump()["iiko_entity"], expected);
    for root_type in tables::ROOT_TYPES {
        let status = if unknown.contains(root_type) { "skipped" } else { "success" };
        assert_eq!(outcome.step("iiko_entity", Some(root_type))["status"], status, "{root_type}");
    }
    assert_logged(&world, &outcome);
    let before = world.evidence();
    assert_eq!(world.expect(0, &["sync", "iiko"]).totals(), [0, 0, 0]);
    assert_eq!(world.evidence(), before);
    world.assert_polite();
}

fn a_server_that_takes_one_root_type_at_once_is_asked_one_by_one(engine: Engine) {
    let world = World::with(engine, Options { many_root_types: false, ..Options::default() });
    let command = ["sync", "iiko", "--only", "iiko_entity"];
    world.expect(0, &command);
    let dump = world.dump();
    assert_eq!(dump["iiko_entity"], mirror(&world.sandbox.world())["iiko_entity"]);
    assert_eq!(world.asked().len(), 1 + tables::ROOT_TYPES.len());
    assert_eq!(world.expect(0, &command).totals(), [0, 0, 0]);

    // One that fails then fails alone.
    world.sandbox.edit(|world| {
        for entity in &mut world.entities {
            entity["name"] = "renamed".into();
        }
    });
    let last = |root_type: &str| format!("entities/list?includeDeleted=true&rootType={root_type}$");
    world.sandbox.fault(Fault::new(last("MeasureUnit"), Action::Close).times(4));
    world.sandbox.fault(Fault::new(last("Account"), Action::EmptyList));
    let outcome = world.expect(5, &command);
    assert_eq!(outcome.step("iiko_entity", Some("MeasureUnit"))["status"], "error");
    assert_eq!(outcome.step("iiko_entity", Some("Account"))["status"], "warning");
    let renamed = |rows: &[Row]| -> Vec<Row> {
        let mut rows = rows.to_vec();
        rows.retain(|row| !["MeasureUnit", "Account"].contains(&row["root_type"].as_deref().unwrap()));
        rows
    };
    let after = world.dump();
    assert_eq!(renamed(&after["iiko_entity"]), renamed(&mirror(&world.sandbox.world())["iiko_entity"]));
    assert_eq!(after["iiko_entity"].len(), dump["iiko_entity"].len());
    assert_logged(&world, &outcome);
    world.assert_polite();
}

fn one_table_that_fails_holds_up_no_other(engine: Engine) {
    let world = World::new(engine);
    let status = Action::Status {
        code: 403,
        content_type: "text/plain".to_owned(),
        body: "Permission denied".into(),
        headers: Vec::new(),
    };
    world.sandbox.fault(Fault::new("api/suppliers", status));
    let outcome = world.expect(6, &["full-morning"]);
    assert_eq!(outcome.step("iiko_supplier", None)["status"], "error");
    let mut expected = mirror(&world.sandbox.world());
    expected.get_mut("iiko_supplier").unwrap().clear();
    assert_same(&world.dump(), &expected);
    assert_logged(&world, &outcome);
    world.expect(0, &["full-morning"]);
    assert_same(&world.dump(), &mirror(&world.sandbox.world()));
    world.assert_polite();
}
