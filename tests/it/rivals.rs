//! Who else may be there: another host on the same database, a login that was heard although nobody answered, a server
//! that knows nothing, a connection that is cut from the other side.

use super::harness::{Engine, World, on_both};
use serde_json::json;
use std::time::Duration;
use zerkalo::sandbox::{Action, Fault};

on_both!(
    another_state_directory_is_kept_out_too,
    a_login_whose_answer_is_lost_is_not_sent_again,
    a_login_that_was_not_surely_refused_is_sent_once_and_told,
    a_login_that_was_surely_refused_leaves_nothing,
    a_session_that_would_not_end_is_ended_by_the_next_run,
    a_server_that_refuses_every_root_type_is_a_refusal,
    a_token_in_the_query_serves_servers_that_insist,
    a_conflict_that_ends_on_the_stored_content_writes_nothing,
);

fn another_state_directory_is_kept_out_too(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["sync", "fintablo"]);
    world.sandbox.clear_journal();
    let first = world.start_and_hold(&["sync", "fintablo"], "/deal", Duration::from_secs(4));
    world.set("ZERKALO_STATE_DIR", world.home.path().join("other-host").display().to_string());
    let second = world.expect(11, &["sync", "fintablo"]);
    let error = second.json["error"].as_str().unwrap();
    assert!(error.contains("is being used by"), "{error}");
    assert_eq!(first.finish().code, Some(0));
    world.expect(0, &["sync", "fintablo"]);
}

fn a_login_whose_answer_is_lost_is_not_sent_again(engine: Engine) {
    let world = World::new(engine);
    world.sandbox.fault(Fault::new("/auth$", Action::CloseAfterEffect));
    let outcome = world.expect(5, &["sync", "iiko"]);
    let hint = outcome.step("iiko_product", None)["hint"].as_str().unwrap();
    assert!(hint.contains("licence slot"), "{hint}");
    assert_eq!(logins(&world), 1);
    assert_eq!(world.count("iiko_product"), 0);
    // What nobody can end the next run does not end.
    let status = world.expect(0, &["status"]);
    let problems = status.json["problems"].as_array().unwrap();
    let told = |problem: &&serde_json::Value| {
        let says = |field: &str, part: &str| problem[field].as_str().unwrap().contains(part);
        says("text", "the answer to an iiko login of ") && says("hint", "nobody can end it")
    };
    assert!(problems.iter().any(|problem| told(&problem)), "{}", status.stdout);
    assert!(!status.stdout.contains("the next run with iiko ends it"), "{}", status.stdout);
}

fn logins(world: &World) -> usize {
    world.sandbox.journal().iter().filter(|entry| entry.path.ends_with("/auth")).count()
}

const TOLD: &str = "the answer to the iiko login of ";

const STORES: [&str; 4] = ["sync", "iiko", "--only", "iiko_store"];

fn answer(code: u16, content_type: &str, body: &str) -> Action {
    Action::Status {
        code,
        content_type: content_type.to_owned(),
        body: body.to_owned().into(),
        headers: Vec::new(),
    }
}

fn a_login_that_was_not_surely_refused_is_sent_once_and_told(engine: Engine) {
    // A slot is free for the next run, whatever this one leaves.
    let world = World::with(engine, zerkalo::sandbox::Options { licences: 99, ..Default::default() });
    world.expect(0, &["migrate"]);
    let page = "<html><body><h1>504 Gateway Time-out</h1></body></html>";
    for (action, code, hint) in [
        (answer(504, "text/html", page), 5, "check IIKO_BASE_URL: a proxy"),
        (answer(502, "text/plain", "upstream prematurely closed connection"), 5, ""),
        (answer(500, "text/plain", "java.lang.NullPointerException"), 5, ""),
        (answer(401, "text/html", page), 7, "check IIKO_BASE_URL"),
        (Action::Html, 7, "check IIKO_BASE_URL"),
        (Action::Empty, 7, "check IIKO_BASE_URL"),
        (Action::Cut { at: 3 }, 5, ""),
        (Action::CloseAfterEffect, 5, ""),
        (Action::Garbage, 5, ""),
        (
            Action::Redirect { location: "http://127.0.0.1:9/elsewhere".to_owned(), code: 302 },
            6,
            "set IIKO_BASE_URL to the address that it redirects to",
        ),
    ] {
        world.sandbox.clear_journal();
        world.sandbox.fault(Fault::new("/auth$", action.clone()));
        let outcome = world.expect(code, &STORES);
        assert_eq!(logins(&world), 1, "{action:?}");
        let said = outcome.step("iiko_store", None)["hint"].as_str().unwrap();
        assert!(
            said.contains(hint) && said.contains("may have opened a session that nobody can end"),
            "{said}"
        );
        assert!(!said.contains("changed nothing"), "{said}");
        assert_eq!(world.session_files().len(), 1, "{action:?}");
        let status = world.run(&["status"]);
        assert_eq!(status.json["left_over_sessions"].as_array().unwrap().len(), 1, "{action:?}");
        let next = world.expect(0, &STORES);
        assert_eq!(next.stderr.matches(TOLD).count(), 1, "{action:?} {}", next.stderr);
        assert!(!world.expect(0, &STORES).stderr.contains(TOLD), "it is told once");
        assert_eq!(world.session_files().len(), 0);
    }
}

fn a_login_that_was_surely_refused_leaves_nothing(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    for (action, code, sent) in [
        (answer(401, "text/plain", "Wrong login or password"), 6, 1),
        (answer(403, "text/plain", "Permission denied"), 0, 2),
        (answer(404, "text/plain", "nothing here"), 6, 1),
        (answer(503, "text/plain", "starting"), 0, 2),
        (answer(429, "text/plain", "later"), 0, 2),
    ] {
        world.sandbox.clear_journal();
        world.sandbox.fault(Fault::new("/auth$", action.clone()));
        world.expect(code, &STORES);
        assert_eq!(logins(&world), sent, "{action:?}");
        assert_eq!(world.session_files().len(), 0, "{action:?}");
        assert!(!world.expect(0, &STORES).stderr.contains(TOLD), "{action:?}");
    }
    world.assert_polite();
}

fn a_session_that_would_not_end_is_ended_by_the_next_run(engine: Engine) {
    let world = World::with(engine, zerkalo::sandbox::Options { licences: 2, ..Default::default() });
    world.expect(0, &["migrate"]);
    let page = answer(502, "text/html", "<html></html>");
    for action in [Action::Html, page, answer(401, "text/html", "<html></html>"), Action::Close] {
        // Of this run, and of the next one, which cannot end either of them.
        world.sandbox.fault(Fault::new("/logout$", action.clone()).times(3));
        for sessions in 1..=2 {
            let outcome = world.expect(0, &STORES);
            assert!(outcome.stderr.contains("could not log out of iiko"), "{action:?} {}", outcome.stderr);
            assert_eq!(world.sandbox.open_sessions(), sessions, "{action:?}");
        }
        assert!(world.session_files().len() == 1);
        world.expect(0, &STORES);
        assert_eq!(world.sandbox.open_sessions(), 0, "{action:?}: each was remembered, and ended");
        assert_eq!(world.session_files().len(), 0);
    }
}

fn a_server_that_refuses_every_root_type_is_a_refusal(engine: Engine) {
    let world = World::new(engine);
    let refused = Action::Status {
        code: 400,
        content_type: "text/plain".to_owned(),
        body: "Unknown parameter".into(),
        headers: Vec::new(),
    };
    world.sandbox.fault(Fault::new("entities/list", refused).times(17));
    let outcome = world.expect(6, &["sync", "iiko", "--only", "iiko_entity"]);
    assert_eq!(outcome.step("iiko_entity", None)["status"], "error");
}

fn a_token_in_the_query_serves_servers_that_insist(engine: Engine) {
    let options = zerkalo::sandbox::Options { token_in_query_only: true, ..Default::default() };
    let mut world = World::with(engine, options);
    world.set("IIKO_TOKEN_IN", "query");
    world.expect(0, &["sync", "iiko"]);
    world.assert_polite();
}

fn a_conflict_that_ends_on_the_stored_content_writes_nothing(engine: Engine) {
    let world = World::new(engine);
    world.sandbox.edit(|world| {
        let mut twin = world.products[0].clone();
        twin["name"] = json!("the last one counts");
        world.products.push(twin);
    });
    let products = ["sync", "iiko", "--only", "iiko_product"];
    world.expect(4, &products);
    for _ in 0..2 {
        let before = world.evidence();
        assert_eq!(world.expect(4, &products).totals(), [0, 0, 0]);
        assert_eq!(world.evidence(), before);
    }
    let unhashed = world.query("select cast(count(*) as text) from iiko_product where row_hash is null");
    assert_eq!(unhashed, [[Some("0".to_owned())]]);
}
