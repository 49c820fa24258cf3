//! Documents: a night of transfers from its plan to the ledger, what stops it, and what an operator can do.

use super::{
    harness::{Engine, Outcome, World, block_on, on_both},
    nights::Street,
    process::until,
};
use serde_json::{Value, json};
use std::{fs, thread, time::Duration};
use zerkalo::sandbox::{self, Action, Fault, Status};

on_both!(
    a_night_moves_what_is_missing_and_a_repeat_moves_nothing,
    two_starts_at_once_make_one_document_a_pair,
    a_start_after_midnight_sends_nothing,
    the_deadline_stops_a_run_half_way,
    an_answer_that_is_no_success_is_never_one,
    a_draft_that_somebody_touched_is_not_processed,
    a_read_that_fails_beside_a_draft_does_not_say_that_nothing_was_changed,
    what_is_unknown_blocks_its_pair_until_iiko_was_read,
    a_server_that_refuses_the_edit_is_served_in_one_step,
    what_is_not_safe_is_refused,
    a_report_that_is_cut_plans_nothing,
    a_dry_run_with_every_fault_sends_nothing,
    a_further_document_follows_only_what_was_seen,
    needless_drafts_are_listed,
    a_write_off_is_posted_once,
    a_bad_line_posts_nothing,
    a_line_that_names_two_products_posts_nothing,
    a_signal_finishes_the_document_in_flight,
);

pub(super) const NIGHT: [&str; 5] = ["negative-transfer", "--scheduled", "23:00", "--grace", "55m"];
const POST: &str = "POST /resto/api/v2/documents/internalTransfer";

/// A street at some minutes after 23:00.
pub(super) fn street(engine: Engine, minutes: i64) -> Street {
    let mut street = Street::new(engine);
    street.set_clock(minutes);
    street.world.sandbox.clear_journal();
    street
}

fn moves(world: &World) -> usize {
    world.sandbox.world().ledger().len()
}

fn writes(world: &World) -> usize {
    world.sandbox.journal().iter().filter(|entry| entry.write).count()
}

/// The states of the outbox by key.
fn states(world: &World) -> Vec<(String, String)> {
    let rows = world.query("select key, state from document_outbox order by key");
    rows.into_iter().map(|mut row| (row[0].take().unwrap(), row[1].take().unwrap())).collect()
}

fn count(world: &World, state: &str) -> usize {
    states(world).iter().filter(|(_, found)| found == state).count()
}

#[track_caller]
pub(super) fn expect(world: &World, code: i32, arguments: &[&str]) -> Outcome {
    let outcome = world.expect(code, arguments);
    assert_eq!(world.sandbox.violations(), Vec::<String>::new());
    outcome
}

/// Every line of the street was moved once, and nothing else was.
#[track_caller]
fn assert_all_moved(street: &Street) {
    let world = street.world.sandbox.world();
    assert_eq!(world.ledger().len(), street.missing.len());
    for ((store, product), amount) in &street.missing {
        let lines: Vec<_> =
            world.ledger().iter().filter(|line| line.to == *store && line.product == *product).collect();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].amount, *amount);
        assert_eq!(world.balance(store, product), "0");
    }
}

fn error_of(outcome: &Outcome) -> &str {
    let steps = outcome.json["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let step = steps.iter().find_map(|step| step["error"].as_str());
    step.or(outcome.json["error"].as_str()).unwrap_or_default()
}

fn a_night_moves_what_is_missing_and_a_repeat_moves_nothing(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let dry = expect(world, 0, &["negative-transfer", "--scheduled", "23:00", "--dry-run"]);
    assert_eq!((writes(world), moves(world), states(world).len()), (0, 0, 0));
    let night = expect(world, 0, &NIGHT);
    assert_all_moved(&street);
    let planned = |outcome: &Outcome| -> Vec<Value> {
        let documents = outcome.json["documents"].as_array().unwrap().iter();
        documents.map(|document| json!([document["key"], document["lines"], document["comment"]])).collect()
    };
    assert_eq!(planned(&dry), planned(&night), "a dry run shows what the real one does");
    let comment = night.json["documents"][0]["comment"].as_str().unwrap();
    assert!(comment.starts_with("Авто-перемещение расх.мат. ("), "{comment}");
    let documents = world.sandbox.world().documents().to_vec();
    assert!(documents.iter().all(|document| document.status == Status::Processed
        && document.date.format("%H:%M").to_string() == "23:00"
        && document.comment.as_deref().is_some_and(|text| text.starts_with("Авто-перемещение"))));
    let seen = world.query("select key from document_outbox where seen_at is not null");
    assert_eq!(seen.len(), documents.len(), "the balances showed them all");
    // Within the slot, by hand, and with a plan on paper: nothing more.
    for arguments in [&NIGHT[..], &["negative-transfer"], &["negative-transfer", "--dry-run"]] {
        world.sandbox.clear_journal();
        expect(world, 0, arguments);
        assert_eq!((writes(world), world.sandbox.world().documents().len()), (0, documents.len()));
    }
    let mut log =
        world.log().into_iter().filter(|row| row["entity_type"].as_deref() == Some("document_outbox"));
    assert_eq!(log.next_back().unwrap()["status"].as_deref(), Some("success"));
    let list = expect(world, 0, &["documents", "list", "--all"]);
    assert_eq!(list.json["documents"].as_array().unwrap().len(), documents.len());
    let key = &documents[0].number;
    let shown = world.command(&["documents", "show", key]).output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains("dateIncoming"));
    expect(world, 2, &["documents", "show", "T1"]);
}

fn two_starts_at_once_make_one_document_a_pair(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let first = world.start_and_hold(&NIGHT, "/byNumber", Duration::from_millis(2500));
    let rival = world.expect(11, &NIGHT);
    assert!(error_of(&rival).contains("is being used by"), "{}", rival.json);
    // A rival on another host shares only the database server.
    if engine == Engine::Postgres {
        let mut command = world.command(&NIGHT);
        command.env("ZERKALO_STATE_DIR", world.home.path().join("elsewhere")).arg("--json");
        let rival: Outcome = command.output().unwrap().into();
        assert_eq!(rival.code, Some(11), "{}", rival.stdout);
    }
    assert_eq!(first.finish().code, Some(0));
    assert_all_moved(&street);
}

fn a_start_after_midnight_sends_nothing(engine: Engine) {
    let mut street = street(engine, 65);
    let late = expect(&street.world, 12, &NIGHT);
    assert!(error_of(&late).contains("late"), "{}", late.json);
    // A longer grace begins, but no document is back-dated.
    let patient = ["negative-transfer", "--scheduled", "23:00", "--grace", "3h"];
    let night = expect(&street.world, 3, &patient);
    assert!(error_of(&night).contains("is over, and no document is back-dated"), "{}", night.json);
    assert_eq!((writes(&street.world), moves(&street.world), count(&street.world, "planned")), (0, 0, 3));
    // The next night is planned anew, and tells of what was left.
    street.set_clock(24 * 60);
    expect(&street.world, 0, &["sync", "iiko"]);
    let next = expect(&street.world, 4, &NIGHT);
    assert_all_moved(&street);
    assert_eq!(next.json["earlier"].as_array().unwrap().len(), 3);
    expect(&street.world, 0, &["documents", "reconcile"]);
    assert_eq!((count(&street.world, "abandoned"), count(&street.world, "done")), (3, 3));
}

fn the_deadline_stops_a_run_half_way(engine: Engine) {
    let mut street = street(engine, 54);
    street.world.set("NEGATIVE_TRANSFER_DEADLINE", "23:55");
    // 23:54:05 now; the second document's draft takes a minute by the clock of the business.
    street.set_clock(54);
    let moment = street.moment(54) + chrono::TimeDelta::seconds(53);
    street.world.set("ZERKALO_TEST_NOW", moment.to_rfc3339());
    let slow = Action::Slow { delay_ms: 3_000 };
    street.world.sandbox.fault(Fault::new(POST, slow).skip(2));
    let night = expect(&street.world, 3, &NIGHT);
    assert_eq!((count(&street.world, "done"), moves(&street.world)), (1, 3), "{}", night.json);
    assert!(error_of(&night).contains("it is after 23:55"), "{}", night.json);
    let late: Vec<_> = night.steps().iter().filter(|step| step["status"] == "error").collect();
    assert_eq!(late.len(), 2, "the rest is told of by pair");
    street.set_clock(56);
    let again = expect(&street.world, 3, &["negative-transfer", "--scheduled", "23:00", "--grace", "58m"]);
    assert_eq!(moves(&street.world), 3, "{}", again.json);
}

fn an_answer_that_is_no_success_is_never_one(engine: Engine) {
    let number = Action::PatchAnswer { patch: json!({"response": {"documentNumber": "0042"}}) };
    let error = Action::Body {
        content_type: "application/json".to_owned(),
        body: r#"{"result":"ERROR","errors":[{"value":"x","code":"STORE_DELETED"}],"response":null}"#.into(),
    };
    let renumbered = Action::PatchRequest { patch: json!({"documentNumber": "0042"}) };
    let other_items = Action::PatchRequest { patch: json!({"items": []}) };
    let refused = Action::Status {
        code: 409,
        content_type: "text/plain".to_owned(),
        body: "У вас нет права изменять документы задним числом.".into(),
        headers: Vec::new(),
    };
    // What the draft's answer is, the exit code, and the state of the first document.
    for (action, code, state) in [
        (number, 0, "done"),
        (error.clone(), 3, "failed"),
        (renumbered, 0, "done"),
        (other_items, 3, "failed"),
        (refused.clone(), 3, "failed"),
        (Action::Empty, 0, "done"),
    ] {
        let mut street = street(engine, 0);
        street.world.sandbox.fault(Fault::new(POST, action.clone()));
        let night = expect(&street.world, code, &NIGHT);
        let first = states(&street.world)
            .into_iter()
            .find(|(key, _)| night.json["documents"][0]["key"] == key.as_str());
        let known = night.json["earlier"].as_array().unwrap().len()
            + night.json["documents"].as_array().unwrap().len();
        assert_eq!(known, 3, "every document is told of");
        assert!(states(&street.world).iter().any(|(_, found)| found == state), "{action:?}: {first:?}");
        let moved = if state == "done" { 9 } else { 6 };
        assert_eq!(moves(&street.world), moved, "{action:?}");
        street.set_clock(10);
        expect(&street.world, code, &NIGHT);
        assert_eq!(moves(&street.world), moved, "a repeat tells the same: {action:?}");
    }
    // The same of the answer that processes: what iiko shows decides.
    for (action, code, moved) in [(error, 3, 6), (refused, 3, 6), (Action::Empty, 4, 9)] {
        let street = street(engine, 0);
        street.world.sandbox.fault(Fault::new(POST, action.clone()).skip(1));
        expect(&street.world, code, &NIGHT);
        assert_eq!(moves(&street.world), moved, "{action:?}");
    }
}

fn a_draft_that_somebody_touched_is_not_processed(engine: Engine) {
    for (code, state, removed) in [(9, "unknown", false), (3, "failed", true)] {
        let street = street(engine, 0);
        street.world.sandbox.on("byId", 1, move |world| {
            let number = world.documents()[0].number.clone();
            if removed {
                assert!(world.delete_document(&number));
            } else {
                assert!(world.edit_document(&number, |document| drop(document.items.pop())));
            }
        });
        expect(&street.world, code, &NIGHT);
        assert_eq!(
            (count(&street.world, state), count(&street.world, "done"), moves(&street.world)),
            (1, 2, 6)
        );
    }
}

fn a_read_that_fails_beside_a_draft_does_not_say_that_nothing_was_changed(engine: Engine) {
    let street = street(engine, 0);
    street.world.sandbox.fault(Fault::new("byId", Action::Close).times(usize::MAX));
    street.world.sandbox.fault(Fault::new("byNumber", Action::Close).times(usize::MAX));
    let night = street.world.run(&NIGHT);
    assert_ne!(night.code, Some(0), "{}", night.stdout);
    assert!(count(&street.world, "drafted") + count(&street.world, "drafting") > 0, "{}", night.stdout);
    assert!(!night.stdout.contains("nothing was changed"), "{}", night.stdout);
}

fn what_is_unknown_blocks_its_pair_until_iiko_was_read(engine: Engine) {
    let mut street = street(engine, 0);
    let patch = json!({"dateIncoming": "2026-01-02T03:04"});
    street.world.sandbox.fault(Fault::new(POST, Action::PatchRequest { patch }));
    expect(&street.world, 9, &NIGHT);
    assert_eq!((moves(&street.world), count(&street.world, "unknown")), (6, 1));
    let key = states(&street.world).into_iter().find(|(_, state)| state == "unknown").unwrap().0;
    // The next night leaves the pair alone.
    street.set_clock(24 * 60);
    expect(&street.world, 0, &["sync", "iiko"]);
    let next = expect(&street.world, 9, &NIGHT);
    assert_eq!(moves(&street.world), 6, "{}", next.json);
    let warnings = next.steps()[0]["warnings"].to_string();
    assert!(warnings.contains("nothing is planned") && warnings.contains(&key), "{warnings}");
    // iiko has the draft with another date: a person removes it, and only then it is settled.
    expect(&street.world, 9, &["documents", "reconcile"]);
    street.world.sandbox.edit(|world| assert!(world.delete_document(&key)));
    let settled = expect(&street.world, 0, &["documents", "reconcile"]);
    assert_eq!(settled.json["documents"][0]["state"], "abandoned", "{}", settled.json);
    expect(&street.world, 0, &["negative-transfer"]);
    assert_all_moved(&street);
    expect(&street.world, 2, &["documents", "abandon", &key]);
}

fn a_server_that_refuses_the_edit_is_served_in_one_step(engine: Engine) {
    let options = sandbox::Options { refuse_edit: true, licences: 100, ..sandbox::Options::default() };
    let mut street = Street::with(engine, options);
    street.set_clock(0);
    expect(&street.world, 3, &NIGHT);
    assert_eq!(
        (moves(&street.world), count(&street.world, "failed")),
        (0, 3),
        "the edit is refused, nothing moved"
    );
    street.next_evening();
    street.world.set("ZERKALO_POST_MODE", "single");
    street.set_clock(0);
    // The first answer is lost, the second request: both wait for a person, or are found by a look.
    street.world.sandbox.fault(Fault::new(POST, Action::CloseAfterEffect));
    street.world.sandbox.fault(Fault::new(POST, Action::Close));
    expect(&street.world, 9, &NIGHT);
    assert_eq!(
        (count(&street.world, "done"), count(&street.world, "unknown"), moves(&street.world)),
        (2, 1, 6)
    );
    street.set_clock(10);
    expect(&street.world, 9, &NIGHT);
    assert_eq!(moves(&street.world), 6, "it is never sent again");
    let key = states(&street.world).into_iter().find(|(_, state)| state == "unknown").unwrap().0;
    let told = expect(&street.world, 9, &["documents", "reconcile", &key]);
    assert!(told.stdout.contains("documents abandon"), "{}", told.stdout);
    let given_up = expect(&street.world, 0, &["documents", "abandon", &key]);
    assert_eq!(given_up.json["documents"][0]["state"], "abandoned");
}

fn what_is_not_safe_is_refused(engine: Engine) {
    let mut street = street(engine, 0);
    let refused = |street: &Street, words: &str| {
        let outcome = expect(&street.world, 13, &NIGHT);
        assert!(error_of(&outcome).contains(words), "{}", outcome.json);
        assert!(outcome.stdout.contains("hint"), "{}", outcome.stdout);
        assert_eq!((writes(&street.world), states(&street.world).len()), (0, 0));
    };
    street.world.sandbox.edit(|world| world.clock_offset_seconds += 12 * 60);
    refused(&street, "behind the iiko server's");
    street.world.sandbox.edit(|world| world.clock_offset_seconds -= 24 * 60);
    refused(&street, "ahead of the iiko server's");
    street.set_clock(0);
    street.world.set("NEGATIVE_TRANSFER_MAX_LINES", "2");
    refused(&street, "3 lines, and no more than 2 are believed");
    street.world.set("NEGATIVE_TRANSFER_MAX_LINES", "300");
    street.world.set("NEGATIVE_TRANSFER_MAX_QUANTITY", "1");
    refused(&street, "and no more than 1 is believed");
    street.world.set("NEGATIVE_TRANSFER_MAX_QUANTITY", "10000");
    street.set_clock(24 * 60 + 30);
    refused(&street, "the mirror of stores and products is");
    street.set_clock(0);
    street
        .world
        .execute("update source_identity set identity = 'other.example/resto' where upstream = 'iiko'");
    refused(&street, "this database mirrors iiko other.example/resto");
}

fn a_report_that_is_cut_plans_nothing(engine: Engine) {
    let street = street(engine, 0);
    let row = |amount: &str| {
        let world = street.world.sandbox.world();
        let ((store, product), _) = street.missing.iter().next().unwrap();
        let name = |list: &[Value], id: &str, field: &str| {
            list.iter().find(|record| record["id"] == id).unwrap()[field].as_str().unwrap().to_owned()
        };
        let (account, num) = (name(&world.stores, store, "name"), name(&world.products, product, "num"));
        format!(
            "<r><Account.Name>{account}</Account.Name><Product.TopParent>Расходные материалы</Product.TopParent>\
             <Product.Name>x</Product.Name><Product.Num>{num}</Product.Num><Product.MeasureUnit/>\
             <FinalBalance.Amount>{amount}</FinalBalance.Amount><FinalBalance.Money/></r>"
        )
    };
    let (good, lacking) = (row("-1"), row("-1").replace("<FinalBalance.Money/>", ""));
    let answers = [
        format!("<report>{good}"),
        format!("<report>{lacking}</report>"),
        format!("<report>{good}{good}</report>"),
        format!("<report>{}</report>", row("-1,5")),
        "<html><body>login</body></html>".to_owned(),
        "<error/>".to_owned(),
        "Permission denied".to_owned(),
    ];
    for text in &answers {
        let answer = Action::Body { content_type: "application/xml".to_owned(), body: text.clone().into() };
        street.world.sandbox.fault(Fault::new("reports/olap", answer).times(4));
        let outcome = expect(&street.world, 7, &NIGHT);
        assert_eq!((writes(&street.world), states(&street.world).len()), (0, 0), "{text}: {}", outcome.json);
        street.world.sandbox.clear_faults();
    }
    // What whoever takes the cut report for a short one would read: it would be seen.
    let closed = format!("{}</report>", answers[0]);
    let answer = Action::Body { content_type: "application/xml".to_owned(), body: closed.into() };
    street.world.sandbox.fault(Fault::new("reports/olap", answer));
    expect(&street.world, 4, &NIGHT);
    assert_eq!(moves(&street.world), 1, "the mistake would have been seen");
}

fn a_dry_run_with_every_fault_sends_nothing(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let file = world.home.path().join("act.json");
    fs::write(&file, act(&street, "1.5")).unwrap();
    let file = file.display().to_string();
    let faults = [
        Action::Close,
        Action::CloseAfterEffect,
        Action::Late { delay_ms: 20, hold: true },
        Action::Doubled,
        Action::Html,
        Action::Empty,
        Action::EmptyList,
        Action::Cut { at: 40 },
        Action::TooMany { retry_after: String::new() },
        Action::ExpireToken,
        Action::LicenceFull,
        Action::Status {
            code: 500,
            content_type: "text/plain".to_owned(),
            body: "x".into(),
            headers: Vec::new(),
        },
    ];
    for fault in faults {
        for on in ["reports/olap", "/auth"] {
            for arguments in
                [&["negative-transfer", "--dry-run"][..], &["writeoff", file.as_str(), "--dry-run"]]
            {
                world.sandbox.fault(Fault::new(on, fault.clone()));
                world.run(arguments);
                world.sandbox.clear_faults();
            }
        }
    }
    block_on(world.sandbox.settle());
    assert_eq!((writes(world), moves(world), states(world).len()), (0, 0, 0));
}

fn a_further_document_follows_only_what_was_seen(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    // The balances cannot be read after the first documents.
    world.sandbox.fault(Fault::new("balance/stores", Action::Html).times(8));
    expect(world, 4, &NIGHT);
    assert_all_moved(&street);
    let sold = |world: &World| {
        world.sandbox.edit(|world| {
            for row in &mut world.balances {
                let more = row["amount"].as_f64().unwrap().floor() - 5.0;
                row["amount"] = json!(more);
            }
        });
    };
    sold(world);
    // What was posted was never seen, and what is there now does not show it.
    world.sandbox.clear_faults();
    let again = expect(world, 4, &["negative-transfer", "--again"]);
    assert_eq!(moves(world), 9, "{}", again.json);
    assert!(again.steps()[0]["warnings"].to_string().contains("the balances do not show"), "{}", again.json);
    world.execute("update document_outbox set seen_at = updated_at");
    let again = expect(world, 0, &["negative-transfer", "--again"]);
    assert_eq!(moves(world), 18, "{}", again.json);
    assert_eq!(world.query("select key from document_outbox where seq = 2").len(), 3);
    expect(world, 2, &["negative-transfer", "--again", "--scheduled", "23:00"]);
    world.execute("update document_outbox set seen_at = updated_at");
    let nothing = expect(world, 0, &["negative-transfer", "--again"]);
    assert_eq!(moves(world), 18, "{}", nothing.json);
    let said = nothing.json.to_string();
    assert!(said.contains("--again: nothing is to be moved, so no further document is made"), "{said}");
}

fn needless_drafts_are_listed(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    world.sandbox.fault(Fault::new(POST, Action::Doubled));
    let night = expect(world, 4, &NIGHT);
    assert_all_moved(&street);
    assert!(night.stdout.contains("needless drafts"), "{}", night.stdout);
}

/// An act over the first product of the street.
fn act(street: &Street, amount: &str) -> String {
    let account = street.account();
    let world = street.world.sandbox.world();
    let ((store, product), _) = street.missing.iter().next().unwrap();
    let date = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).format("%Y-%m-%d");
    let num = world.products.iter().find(|record| record["id"] == product.as_str()).unwrap()["num"].clone();
    format!(
        r#"{{"store":"{store}","account":"{account}","date":"{date}","items":[{{"num":{num},"amount":{amount}}}]}}"#
    )
}

fn a_write_off_is_posted_once(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let file = world.home.path().join("act.json");
    fs::write(&file, act(&street, "1.000000001")).unwrap();
    let file = file.display().to_string();
    let dry = expect(world, 0, &["writeoff", &file, "--dry-run"]);
    assert_eq!((writes(world), moves(world)), (0, 0));
    // Its answer is lost; the same file again finds it.
    world.sandbox.fault(Fault::new("POST /resto/api/v2/documents/writeoff", Action::CloseAfterEffect));
    let posted = expect(world, 0, &["writeoff", &file]);
    let key = posted.json["documents"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(dry.json["documents"][0]["key"], key.as_str());
    assert!(key.starts_with('W') && key.len() == 16, "{key}");
    assert_eq!(moves(world), 1);
    assert_eq!(world.sandbox.world().ledger()[0].amount.to_string(), "1.000000001");
    assert_eq!(world.query("select key from document_outbox where seen_at is not null").len(), 1);
    for arguments in [&["writeoff", file.as_str()][..], &["writeoff", file.as_str(), "--dry-run"]] {
        let again = expect(world, 0, arguments);
        assert!(
            again.json["notes"].to_string().contains(&format!("already posted as №{key}")),
            "{}",
            again.json
        );
        assert_eq!(moves(world), 1);
    }
    expect(world, 0, &["writeoff", &file, "--again"]);
    assert_eq!((moves(world), states(world).len()), (2, 2));
    assert_eq!(states(world).iter().filter(|(other, _)| *other == key).count(), 1, "another number");
}

fn a_bad_line_posts_nothing(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let account = street.account();
    let ((store, _), _) = street.missing.iter().next().unwrap();
    let date = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).format("%Y-%m-%d");
    let file = world.home.path().join("act.csv");
    for (line, words) in [
        ("никто;1", "line 2: `никто`: the mirror has no such product"),
        ("Трубочка;x", "line 2: the amount `x` is no number above 0"),
    ] {
        fs::write(&file, format!("store;account;date;product;amount\n{store};{account};{date};{line}\n"))
            .unwrap();
        let outcome = expect(world, 2, &["writeoff", &file.display().to_string()]);
        assert!(error_of(&outcome).contains(words), "{}", outcome.json);
    }
    assert_eq!((writes(world), states(world).len()), (0, 0));
}

fn a_line_that_names_two_products_posts_nothing(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let account = street.account();
    let date = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).format("%Y-%m-%d");
    let ((store, id), _) = street.missing.iter().next().unwrap();
    let (one, other) = {
        let world = world.sandbox.world();
        let text =
            |record: &Value| ["id", "num", "name"].map(|key| record[key].as_str().unwrap().trim().to_owned());
        let one = text(world.products.iter().find(|record| record["id"] == id.as_str()).unwrap());
        let other = street.missing.keys().find(|(_, product)| product != id).unwrap();
        (one, text(world.products.iter().find(|record| record["id"] == other.1.as_str()).unwrap()))
    };
    let file = world.home.path().join("act");
    let name = file.display().to_string();
    let refused = |text: String, words: &str| {
        fs::write(&file, text).unwrap();
        let outcome = expect(world, 2, &["writeoff", &name]);
        assert!(error_of(&outcome).contains(words), "{words}: {}", outcome.json);
    };
    let csv = |header: &str, cells: &str| {
        format!("store;account;date;amount;{header}\n{store};{account};{date};1;{cells}\n")
    };
    for names in [
        [(0, &one), (1, &other)],
        [(0, &one), (2, &other)],
        [(1, &one), (2, &other)],
        [(2, &other), (1, &one)],
    ] {
        let [first, second] = names.map(|(which, product)| (["id", "num", "name"][which], &product[which]));
        let text = csv(&format!("{};{}", first.0, second.0), &format!("\"{}\";\"{}\"", first.1, second.1));
        refused(text, "line 2: ");
        refused(fs::read_to_string(&file).unwrap(), "are not of one product");
        let json = json!({"store": store, "account": account, "date": date.to_string(),
            "items": [{first.0: first.1, second.0: second.1, "amount": 1}]});
        refused(json.to_string(), "line 1: ");
        refused(json.to_string(), "are not of one product");
    }
    refused(csv("num;product", &format!("{};{}", one[1], other[0])), "are not of one product");
    refused(csv("num;Num", &format!("{};{}", one[1], one[1])), "its header has the column `num` twice");
    let comments = csv("num;comment", &format!("{};бой", one[1])) + &format!(";;;1;{};порча\n", other[1]);
    refused(comments, "line 3: an act has one comment");
    assert_eq!((writes(world), states(world).len()), (0, 0));
    // All the names of one product are its names.
    let all = csv("id;num;name;product", &format!("{};{};\"{}\";{}", one[0], one[1], one[2], one[1]));
    fs::write(&file, all).unwrap();
    expect(world, 0, &["writeoff", &name]);
    assert_eq!(moves(world), 1);
}

fn a_signal_finishes_the_document_in_flight(engine: Engine) {
    let mut street = street(engine, 0);
    let slow = Action::Late { delay_ms: 500, hold: true };
    street.world.sandbox.fault(Fault::new(POST, slow));
    let run = street.world.start(&NIGHT);
    until("a document is drafting", || states(&street.world).iter().any(|(_, state)| state == "drafting"));
    thread::sleep(Duration::from_millis(100));
    run.signal(rustix::process::Signal::TERM);
    let outcome = run.finish_within(Duration::from_secs(10));
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
    assert_eq!(street.world.sandbox.open_sessions(), 0);
    assert_eq!(moves(&street.world), 0);
    street.set_clock(10);
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
}
