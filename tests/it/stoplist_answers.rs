//! What else can happen to a reading of the stop-list: tokens, refusals, faults of every kind, kills, secrets, dry runs.

use super::{
    harness::{Engine, World, on_both},
    process::{Dice, number_from},
    rows::{Dump, Row},
    stoplist::{
        BAR, HALL, MOSCOW, PIER, SHORE, assert_the_history_follows, edit, history, product, release, sample,
        stop, world,
    },
};
use serde_json::{Value, json};
use std::{thread, time::Duration};
use zerkalo::sandbox::{self, Action, Fault};

on_both!(
    a_token_of_either_kind,
    half_a_login_is_a_mistake,
    a_token_that_ends_is_renewed_once,
    a_login_that_is_refused_is_a_refusal,
    no_bad_answer_changes_anything,
    what_may_pass_is_asked_again,
    a_dry_run_writes_nothing,
    another_account_is_refused,
    a_run_that_is_killed_leaves_all_or_nothing,
    killed_at_any_moment,
    no_secret_is_told_or_stored,
);

const SYNC: &[&str] = &["sync", "stoplist"];
const LOGIN: &str = "c4n4ry-api-login";
const KEY: &str = "c4n4ry-api-key";
const CLIENT_SECRET: &str = "c4n4ry-client-secret";

/// The stop-list's tables.
fn tables(world: &World) -> Dump {
    let names = ["active_stoplist", "stoplist_history", "stoplist_sample"];
    names.iter().map(|name| ((*name).to_owned(), world.rows(name))).collect()
}

/// How often each method was asked, by the end of its path.
fn asked(world: &World, end: &str) -> usize {
    world.sandbox.journal().iter().filter(|entry| entry.path.ends_with(end)).count()
}

fn error(outcome: &super::harness::Outcome) -> String {
    outcome.step("active_stoplist", None)["error"].as_str().unwrap_or_default().to_owned()
}

fn a_token_of_either_kind(engine: Engine) {
    let mut world = world(engine);
    sample(&mut world, "08:00", 0);
    assert_eq!((asked(&world, "api/1/access_token"), asked(&world, "v2/access_token")), (1, 0));
    world.sandbox.clear_journal();
    let options = sandbox::Options::default();
    world.set("IIKO_CLOUD_API_KEY", options.cloud_api_key);
    world.set("IIKO_CLOUD_APP_ID", options.cloud_app_id);
    world.set("IIKO_CLOUD_CLIENT_SECRET", options.cloud_client_secret);
    // Another key is another account until somebody says that it is not.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T08:05:00Z");
    world.expect(13, SYNC);
    assert_eq!(asked(&world, "v2/access_token"), 1, "it is no mistyped one");
    world.sandbox.clear_journal();
    world.expect(0, &["sync", "stoplist", "--adopt-source"]);
    assert_eq!((asked(&world, "api/1/access_token"), asked(&world, "v2/access_token")), (0, 1));
    assert_eq!(world.asked().len(), 3, "organizations, terminal groups, stop-lists: {:?}", world.asked());
    world.assert_polite();
}

fn half_a_login_is_a_mistake(engine: Engine) {
    let mut world = world(engine);
    for (name, missing) in [
        ("IIKO_CLOUD_API_KEY", ["iiko_cloud.app_id", "iiko_cloud.client_secret"]),
        ("IIKO_CLOUD_APP_ID", ["iiko_cloud.api_key", "iiko_cloud.client_secret"]),
        ("IIKO_CLOUD_CLIENT_SECRET", ["iiko_cloud.api_key", "iiko_cloud.app_id"]),
    ] {
        world.set(name, "demo");
        let refused = world.expect(2, SYNC);
        let text = refused.json["error"].as_str().unwrap().to_owned();
        assert!(missing.iter().all(|key| text.contains(key)), "{text}");
        world.set(name, "");
    }
    world.set("IIKO_CLOUD_API_LOGIN", "");
    assert!(world.expect(2, SYNC).stdout.contains("iiko_cloud.api_login"));
    world.set("IIKO_CLOUD_API_LOGIN", "demo-api-login");
    for base in ["http://192.168.1.5", "http://iiko.example"] {
        world.set("IIKO_CLOUD_BASE_URL", base);
        assert!(world.expect(2, SYNC).stdout.contains("https://"));
    }
    assert_eq!(world.sandbox.journal().len(), 0);
}

fn a_token_that_ends_is_renewed_once(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    for (method, time) in [("organizations", "08:00"), ("terminal_groups", "08:05"), ("stop_lists", "08:10")]
    {
        world.sandbox.clear_journal();
        world.sandbox.fault(Fault::new(method, Action::ExpireToken));
        sample(&mut world, time, 0);
        assert_eq!((asked(&world, "access_token"), asked(&world, method)), (2, 2));
        world.sandbox.clear_journal();
        world.sandbox.fault(Fault::new(method, Action::ExpireToken).times(2));
        let before = tables(&world);
        let refused = sample(&mut world, &time.replace('0', "1").replace("18:", "08:"), 6);
        assert!(
            error(&refused).contains("401") && error(&refused).contains("correlationId"),
            "{}",
            error(&refused)
        );
        assert_eq!((asked(&world, "access_token"), asked(&world, method)), (2, 2));
        assert_eq!(tables(&world), before);
    }
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…"]);
}

fn a_login_that_is_refused_is_a_refusal(engine: Engine) {
    let mut world = world(engine);
    world.set("IIKO_CLOUD_API_LOGIN", LOGIN);
    let refused = sample(&mut world, "08:00", 6);
    let text = error(&refused);
    assert!(text.contains("Login <hidden> is not authorized.") && text.contains("correlationId"), "{text}");
    assert_eq!(asked(&world, "access_token"), 1, "a wrong login is tried once");
    let row: Row = world.log().pop().unwrap();
    assert_eq!(row["status"].as_deref(), Some("error"));
}

/// Answers of a form that would only be half understood: a place that nobody asked for, none, or two for one item.
fn half_understood() -> impl Iterator<Item = (&'static str, Action, i32)> {
    let item = |more: Value| {
        let mut item = json!({"productId": product(7), "balance": 0});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let groups =
        json!([{"organizationId": MOSCOW, "items": [{"id": HALL, "organizationId": SHORE, "name": "Зал"}]}]);
    let lists = [
        json!({"items": [{"terminalGroupId": PIER, "items": []}]}),
        json!({"terminalGroupId": PIER, "items": [item(json!({}))]}),
        json!({"terminalGroupId": HALL, "items": [{"terminalGroupId": BAR, "items": []}]}),
        json!({"terminalGroupId": HALL, "items": [item(json!({"organizationId": SHORE}))]}),
        json!({"items": [{"terminalGroupId": HALL, "items": [item(json!({"terminalGroupId": BAR}))]}]}),
        json!({"items": [{"items": [item(json!({}))]}]}),
        json!({"items": [item(json!({}))]}),
        json!({"items": [item(json!({"terminalGroupId": HALL, "items": []}))]}),
    ];
    let lists = lists.into_iter().map(|mut list| {
        list["organizationId"] = json!(MOSCOW);
        ("stop_lists", json!({ "terminalGroupStopLists": [list] }))
    });
    lists.chain([("terminal_groups", json!({ "terminalGroups": groups }))]).map(|(method, body)| {
        let content_type = "application/json".to_owned();
        (method, Action::Body { content_type, body: body.to_string().into() }, 7)
    })
}

/// Answers that are not iikoCloud's, or not good: the fault, and the exit code.
fn bad_answers() -> Vec<(&'static str, Action, i32)> {
    let json = |body: Value| Action::Body {
        content_type: "application/json".to_owned(),
        body: body.to_string().into(),
    };
    let status = |code, body: Value| Action::Status {
        code,
        content_type: "application/json".to_owned(),
        body: body.to_string().into(),
        headers: Vec::new(),
    };
    let words = |text: &str| {
        json!({"correlationId": "13000000-0000-4000-8000-000000000009",
        "errorDescription": text, "error": "Common_OrganizationNotFound"})
    };
    let mut bad = Vec::new();
    for method in ["access_token", "organizations", "terminal_groups", "stop_lists"] {
        bad.extend([
            (method, Action::Cut { at: 20 }, 5),
            (method, Action::CutClose { at: 20 }, 7),
            (method, Action::Close, 5),
            (method, Action::Garbage, 5),
            (method, Action::Html, 7),
            (method, Action::Empty, 7),
            (method, Action::LicenceFull, 6),
            (method, Action::TooMany { retry_after: "100000".to_owned() }, 5),
            (method, Action::Redirect { location: "http://127.0.0.1:1/".to_owned(), code: 307 }, 6),
            (method, status(400, words("bad")), 6),
            (method, status(404, words("not found")), 6),
            (method, status(408, words("the front does not answer")), 5),
            (method, status(500, words("oops")), 5),
            (method, status(503, words("later")), 5),
            (method, json(json!({})), 7),
            (method, json(json!([])), 7),
            (
                method,
                json(json!({"token": null, "organizations": null, "terminalGroups": null,
                "terminalGroupStopLists": null})),
                7,
            ),
        ]);
    }
    let stranger = "14000000-0000-4000-8000-0000000000ff";
    let list = |items: Value| json(json!({"terminalGroupStopLists": items}));
    bad.extend([
        ("organizations", json(json!({"organizations": [{"name": "no id"}]})), 7),
        ("organizations", json(json!({"organizations": []})), 7),
        ("terminal_groups", json(json!({"terminalGroups": [], "terminalGroupsInSleep": []})), 7),
        (
            "terminal_groups",
            json(json!({"terminalGroups": [{"organizationId": stranger,
            "items": [{"id": HALL, "name": "Зал"}]}]})),
            7,
        ),
        ("stop_lists", list(json!([{"organizationId": stranger, "items": []}])), 7),
        ("stop_lists", list(json!([{"organizationId": MOSCOW, "items": null}])), 7),
        ("stop_lists", list(json!([{"organizationId": MOSCOW}])), 7),
        ("stop_lists", list(json!([{"organizationId": MOSCOW, "items": [{"terminalGroupId": HALL}]}])), 7),
        (
            "stop_lists",
            list(json!([{"organizationId": MOSCOW, "items": [{"terminalGroupId": HALL,
            "items": ["text"]}]}])),
            7,
        ),
        ("access_token", json(json!({"token": ""})), 7),
        ("access_token", json(json!({"token": "two\nlines"})), 7),
    ]);
    bad
}

fn no_bad_answer_changes_anything(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, PIER, 2, json!(1.5));
    sample(&mut world, "08:00", 0);
    let before = tables(&world);
    // Whatever is missed now is missed in each of them.
    release(&world, HALL, 1);
    stop(&world, BAR, 3, 0);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T08:05:00Z");
    for (method, action, code) in bad_answers().into_iter().chain(half_understood()) {
        world.sandbox.fault(Fault::new(format!("{method}$"), action.clone()).times(5));
        let outcome = world.run(SYNC);
        assert_eq!(outcome.code, Some(code), "{method} {action:?}\n{}", outcome.stdout);
        assert_eq!(tables(&world), before, "{method} {action:?}");
        let text = error(&outcome);
        assert!(text.contains(method) || text.contains("token"), "{method} {action:?}: {text}");
        if matches!(&action, Action::Status { .. }) {
            assert!(text.contains("13000000-0000-4000-8000-000000000009"), "{text}");
        }
        world.sandbox.clear_faults();
    }
    sample(&mut world, "08:10", 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–08:10", "pier 2 - 1.5 08:00–…", "bar 3 - 0 08:10–…"]);
}

fn what_may_pass_is_asked_again(engine: Engine) {
    let mut world = world(engine);
    world.set("ZERKALO_RETRY_DELAYS", "0,0,0");
    stop(&world, HALL, 1, 0);
    for method in ["access_token", "organizations", "terminal_groups", "stop_lists"] {
        for action in [Action::Close, Action::Html, Action::TooMany { retry_after: "0".to_owned() }] {
            world.sandbox.fault(Fault::new(format!("{method}$"), action));
        }
    }
    sample(&mut world, "08:00", 0);
    assert_eq!(world.sandbox.faults_waiting(), 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…"]);
}

fn a_dry_run_writes_nothing(engine: Engine) {
    let mut world = world(engine);
    let dry = &["sync", "stoplist", "--dry-run"];
    stop(&world, HALL, 1, 0);
    let planned = world.expect(0, dry);
    assert_eq!(planned.counts("active_stoplist"), [1, 0, 0]);
    assert_eq!(planned.step("active_stoplist", None)["stoplist"]["entered"][0]["balance"], "0");
    assert!(engine == Engine::Postgres || !world.file().exists(), "an absent database stays absent");
    sample(&mut world, "08:00", 0);
    let before = (tables(&world), world.log());
    release(&world, HALL, 1);
    stop(&world, BAR, 1, 2);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T08:05:00Z");
    let planned = world.expect(0, dry);
    assert_eq!(planned.counts("active_stoplist"), [1, 0, 1]);
    assert_eq!((tables(&world), world.log()), before);
    let real = sample(&mut world, "08:10", 0);
    assert_eq!(
        planned.step("active_stoplist", None)["stoplist"],
        real.step("active_stoplist", None)["stoplist"]
    );
    world.set("ZERKALO_TEST_NOW", "2026-11-22T08:15:00Z");
    let shown = world.command(dry).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("stayed") && shown.contains("Московский") && shown.contains("Бар"), "{shown}");
    world.assert_polite();
}

fn another_account_is_refused(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    stop(&world, PIER, 1, 0);
    sample(&mut world, "08:00", 0);
    // One organization in place of all would close the stop-lists of the others.
    world.set("IIKO_CLOUD_ORG_ID", MOSCOW);
    sample(&mut world, "08:05", 13);
    world.set("IIKO_CLOUD_ORG_ID", "all");
    sample(&mut world, "08:10", 2);
    world.set("IIKO_CLOUD_ORG_ID", MOSCOW);
    for time in ["08:15", "08:20"] {
        world.set("ZERKALO_TEST_NOW", format!("2026-11-22T{time}:00Z"));
        world.expect(0, &["sync", "stoplist", "--adopt-source"]);
    }
    assert_eq!(history(&world), ["hall 1 - 0 08:00–…", "pier 1 - 0 08:00–08:15"]);
}

/// Puts the stop-lists into another state.
fn change(world: &World, dice: &mut Dice) {
    for group in [HALL, BAR, PIER] {
        for number in 1..6 {
            match dice.below(4) {
                0 => release(world, group, number),
                1 => stop(world, group, number, dice.below(3)),
                _ => {}
            }
        }
        edit(world, group, |group| group.asleep = dice.below(4) == 0);
    }
}

fn a_run_that_is_killed_leaves_all_or_nothing(engine: Engine) {
    let mut world = world(engine);
    stop(&world, HALL, 1, 0);
    sample(&mut world, "08:00", 0);
    let before = tables(&world);
    release(&world, HALL, 1);
    stop(&world, BAR, 2, 0);
    for (method, time) in [("access_token", "08:05"), ("terminal_groups", "08:10"), ("stop_lists", "08:15")] {
        world.set("ZERKALO_TEST_NOW", format!("2026-11-22T{time}:00Z"));
        let gate = world.gate(method);
        let running = world.start(SYNC);
        gate.wait();
        assert!(running.kill());
        drop(gate);
        assert_eq!(tables(&world), before);
    }
    sample(&mut world, "08:20", 0);
    assert_eq!(history(&world), ["hall 1 - 0 08:00–08:20", "bar 2 - 0 08:20–…"]);
    let killed = world.log().iter().filter(|row| super::process::ended_without_a_word(row)).count();
    assert_eq!(killed, 3, "each killed run is told by the next");
}

fn killed_at_any_moment(engine: Engine) {
    let seed = number_from("ZERKALO_TEST_SEED", 20_261_122);
    let mut dice = Dice(seed);
    let mut world = world(engine);
    sample(&mut world, "06:00", 0);
    let rounds = number_from("ZERKALO_TEST_KILLS", 10);
    for round in 0..rounds {
        change(&world, &mut dice);
        let day = 23 + round / 600;
        let minute = round % 600;
        let moment = |second: u64| {
            format!(
                "2026-{:02}-{:02}T{:02}:{:02}:{second:02}Z",
                11,
                day.min(29),
                8 + minute / 60,
                minute % 60
            )
        };
        world.set("ZERKALO_TEST_NOW", moment(0));
        let running = world.start(SYNC);
        thread::sleep(Duration::from_micros(dice.below(160_000)));
        running.kill();
        // Committed or not, the history is that of the table.
        assert_the_history_follows(&world);
        sample(&mut world, &moment(30), 0);
    }
    // Of each place the stretches follow one another, and none is empty or turned around.
    let mut rows = world.rows("stoplist_history");
    let place = |row: &Row| ["terminal_group_id", "product_id", "size_id"].map(|column| row[column].clone());
    let moment = |row: &Row, column: &str| row[column].clone().map(|text| text.replace(' ', "T"));
    rows.sort_by_key(|row| (place(row), moment(row, "started_at")));
    for row in &rows {
        assert!(moment(row, "ended_at").is_none_or(|end| Some(end) > moment(row, "started_at")), "{row:?}");
    }
    for pair in rows.windows(2).filter(|pair| place(&pair[0]) == place(&pair[1])) {
        let end = moment(&pair[0], "ended_at");
        assert!(end.is_some() && end <= moment(&pair[1], "started_at"), "seed {seed}: {pair:?}");
        let same_balance = pair[0]["balance"] == pair[1]["balance"];
        assert!(
            !(same_balance && end == moment(&pair[1], "started_at")),
            "seed {seed}: one stretch in two: {pair:?}"
        );
    }
    assert!(rounds == 0 || !rows.is_empty());
}

fn no_secret_is_told_or_stored(engine: Engine) {
    let options = sandbox::Options {
        cloud_api_login: LOGIN.to_owned(),
        cloud_api_key: KEY.to_owned(),
        cloud_client_secret: CLIENT_SECRET.to_owned(),
        ..sandbox::Options::default()
    };
    let mut world = World::with(engine, options);
    world.set("ZERKALO_RETRY_DELAYS", "0");
    world.set("ZERKALO_LOG", "trace,hyper=trace,reqwest=trace,sqlx=trace,rustls=trace");
    let clean = |what: &str, text: &str| {
        for canary in [LOGIN, KEY, CLIENT_SECRET, "c4n4ry-token"] {
            assert!(!text.contains(canary), "{what} holds {canary}: {text}");
        }
    };
    // A token that can be told from others.
    let token = Action::PatchAnswer { patch: json!({"token": "c4n4ry-token"}) };
    let mut faults = bad_answers();
    faults.push(("access_token", token, 6));
    let run = |world: &World, own: &str| {
        let echo = json!({"errorDescription": format!("Login {own} is not authorized"), "error": own});
        let echo = |code| Action::Status {
            code,
            content_type: "application/json".to_owned(),
            body: echo.to_string().into(),
            headers: Vec::new(),
        };
        let echoes = [("access_token", echo(401), 6), ("stop_lists", echo(500), 5)];
        for (method, action, _) in faults.iter().chain(&echoes) {
            world.sandbox.fault(Fault::new(format!("{method}$"), action.clone()).times(3));
            let said = world.command(&["sync", "stoplist", "-vvv"]).output().unwrap();
            clean("what it said", &String::from_utf8_lossy(&said.stdout));
            clean("what it said", &String::from_utf8_lossy(&said.stderr));
            world.sandbox.clear_faults();
        }
        world.expect(0, &["sync", "stoplist", "--adopt-source"]);
    };
    run(&world, LOGIN);
    // From files, as systemd and an operator hand them in.
    world.set("IIKO_CLOUD_APP_ID", "15");
    for (name, secret) in [("IIKO_CLOUD_API_KEY", KEY), ("IIKO_CLOUD_CLIENT_SECRET", CLIENT_SECRET)] {
        use std::os::unix::fs::PermissionsExt as _;
        let path = world.home.path().join(name);
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        world.set(&format!("{name}_FILE"), path.display().to_string());
    }
    world.sandbox.clear_journal();
    run(&world, &format!("{KEY} {CLIENT_SECRET}"));
    assert_eq!(asked(&world, "api/1/access_token"), 0, "the newer kind is used");
    for table in
        ["active_stoplist", "stoplist_history", "stoplist_sample", "iiko_sync_log", "source_identity"]
    {
        clean(table, &format!("{:?}", world.rows(table)));
    }
    clean("the journal", &format!("{:?}", world.sandbox.journal()));
    for command in [&["config", "check"][..], &["config", "show"]] {
        let said = world.command(command).output().unwrap();
        clean("the settings", &String::from_utf8_lossy(&said.stdout));
    }
    assert!(!world.rows("active_stoplist").is_empty());
}
