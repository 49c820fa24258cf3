//! The outbox: what iiko surely did not do, rows that somebody has damaged, and the numbers of documents.

use super::{
    documents::{NIGHT, expect, street},
    harness::{Engine, Outcome, World, on_both},
    nights::Street,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, time::Instant};
use zerkalo::sandbox::{self, Action, Fault, Status};

on_both!(
    what_iiko_surely_did_not_do_is_tried_again_and_costs_no_draft,
    drafts_that_may_exist_are_three_for_life,
    a_damaged_row_is_unknown_and_the_others_go_on,
    a_migration_names_the_rows_that_break_its_check,
    numbers_are_short_and_tell_documents_apart,
    a_number_that_is_taken_takes_the_next_digits,
    a_number_of_iikos_own_is_kept_beside_ours,
    an_act_of_another_content_is_another_one_whatever_its_digest,
);

const POST: &str = "POST /resto/api/v2/documents/internalTransfer";

fn busy(code: u16, content_type: &str, headers: &[(&str, &str)]) -> Action {
    Action::Status {
        code,
        content_type: content_type.to_owned(),
        body: "Service is temporarily unavailable".into(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

fn column(world: &World, sql: &str) -> Vec<String> {
    world.query(sql).into_iter().map(|mut row| row[0].take().unwrap_or_default()).collect()
}

fn states(world: &World) -> Vec<String> {
    column(world, "select state from document_outbox order by title")
}

#[track_caller]
fn assert_all_moved(street: &Street) {
    assert_eq!(street.world.sandbox.world().ledger().len(), street.missing.len());
}

fn what_iiko_surely_did_not_do_is_tried_again_and_costs_no_draft(engine: Engine) {
    for mode in ["two-phase", "single"] {
        let mut street = street(engine, 0);
        street.world.set("ZERKALO_POST_MODE", mode);
        street.world.set("ZERKALO_RETRY_DELAYS", "0.2,0.2,0.2");
        // Three times, and then well: one start is enough, and it has waited.
        street.world.sandbox.fault(Fault::new(POST, busy(503, "text/plain", &[])).times(2));
        street.world.sandbox.fault(Fault::new(POST, busy(429, "text/plain", &[("Retry-After", "1")])));
        let began = Instant::now();
        expect(&street.world, 0, &NIGHT);
        assert!(began.elapsed().as_millis() > 1300, "{mode}: {:?}", began.elapsed());
        assert_all_moved(&street);

        // Longer than a start waits: the row stays open, whatever it has cost, and a later start goes on.
        let mut street = self::street(engine, 0);
        street.world.set("ZERKALO_POST_MODE", mode);
        for start in 0..4 {
            street.world.sandbox.fault(Fault::new(POST, busy(503, "text/plain", &[])).times(100));
            let night = expect(&street.world, 5, &NIGHT);
            assert!(!states(&street.world).contains(&"failed".to_owned()), "{mode}: {}", night.stdout);
            street.world.sandbox.clear_faults();
            street.set_clock(10 * (start + 1));
        }
        assert_eq!(street.world.sandbox.world().documents().len(), 0);
        expect(&street.world, 0, &NIGHT);
        assert_all_moved(&street);
    }
    // The step that processes waits in the same way.
    let street = street(engine, 0);
    street.world.sandbox.fault(Fault::new(POST, busy(503, "text/plain", &[])).skip(1).times(3));
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
    // A run that is waiting looks at the clock before it sends.
    let mut street = self::street(engine, 0);
    street.world.set("NEGATIVE_TRANSFER_DEADLINE", "23:00");
    expect(&street.world, 3, &NIGHT);
    assert_eq!(street.world.sandbox.world().documents().len(), 0);
}

fn drafts_that_may_exist_are_three_for_life(engine: Engine) {
    // A page is a proxy's: it may have passed the request on.
    for action in [Action::Close, busy(503, "text/html", &[]), busy(502, "text/plain", &[])] {
        let street = street(engine, 0);
        street.world.sandbox.fault(Fault::new(POST, action.clone()).times(3));
        let night = expect(&street.world, 3, &NIGHT);
        assert!(night.stdout.contains("the answers to 3 drafts were lost"), "{action:?}: {}", night.stdout);
        assert_eq!(states(&street.world).iter().filter(|state| *state == "failed").count(), 1);
        assert_eq!(street.world.sandbox.world().ledger().len(), 6);
    }
}

/// A night that was planned, and of which nothing was sent.
fn planned(engine: Engine) -> Street {
    let mut street = street(engine, 0);
    street.world.set("ZERKALO_TEST_STOP_AT", "planned");
    assert_eq!(street.world.run(&NIGHT).code, None);
    street.world.unset("ZERKALO_TEST_STOP_AT");
    assert_eq!(states(&street.world), ["planned", "planned", "planned"]);
    street.set_clock(10);
    street
}

/// Writes to the outbox as somebody does who has put the schema's check out of the way.
fn tamper(world: &World, change: &str) {
    let around = match world.engine {
        Engine::Sqlite => "pragma ignore_check_constraints = on;".to_owned(),
        Engine::Postgres => ["sound", "state_check"]
            .map(|name| {
                format!("alter table document_outbox drop constraint if exists document_outbox_{name};")
            })
            .concat(),
    };
    world.execute(&format!(
        "{around} update document_outbox set {change}
         where key = (select key from document_outbox order by title limit 1)"
    ));
}

fn a_damaged_row_is_unknown_and_the_others_go_on(engine: Engine) {
    let only_sqlite = ["store_from = 'x'", "iiko_id = 'x'", "business_date = 'x'", "created_at = 'x'"];
    let changes = [
        ("state = 'drafted'", "drafted without iiko's id"),
        ("state = 'done'", "done without iiko's id"),
        ("state = 'sent'", "`state`"),
        ("items_json = '[{'", "`items_json`"),
        ("items_json = '[]'", "it has no lines"),
        ("comment = 'x'", "is not what was planned"),
        ("date_incoming = '2026-13-45T99:99'", "`date_incoming`"),
        ("attempts = -1", "`attempts`"),
        ("seq = 0", "`seq`"),
        ("subject = 'x'", "its subject is not its pair of stores"),
        ("business_date = '2026-01-02'", "it is dated otherwise than it says"),
    ];
    let changes =
        changes.into_iter().chain(only_sqlite.map(|change| (change, change.split(' ').next().unwrap())));
    for (change, words) in changes.take(if engine == Engine::Sqlite { 99 } else { 11 }) {
        let street = planned(engine);
        let world = &street.world;
        tamper(world, change);
        let key = column(world, "select key from document_outbox order by title limit 1").remove(0);
        let night = expect(world, 9, &NIGHT);
        assert!(night.stdout.contains(&key) && night.stdout.contains(words), "{change}: {}", night.stdout);
        assert_eq!(states(world), ["unknown", "done", "done"], "{change}");
        assert_eq!(world.sandbox.world().ledger().len(), 6, "{change}: the night goes on with the others");
        // It stays named until a person has taken care of it; nothing is planned for its pair meanwhile.
        let again = expect(world, 9, &["negative-transfer", "--again"]);
        assert_eq!(world.sandbox.world().ledger().len(), 6, "{change}: {}", again.stdout);
        let list = expect(world, 0, &["documents", "list"]);
        assert_eq!(list.json["documents"][0]["state"], "unknown", "{change}: {}", list.json);
        assert!(list.stdout.contains(words), "{change}: {}", list.stdout);
        let all = expect(world, 0, &["documents", "list", "--all"]);
        assert_eq!(all.json["documents"].as_array().unwrap().len(), 3);
        world.expect(9, &["status", "--check"]);
        let looked = expect(world, 9, &["documents", "reconcile"]);
        assert!(looked.stdout.contains(words), "{change}: {}", looked.stdout);
        expect(world, 0, &["documents", "abandon", &key]);
        assert_eq!(states(world), ["abandoned", "done", "done"], "{change}");
        let quiet = expect(world, 0, &["documents", "list"]);
        assert_eq!(quiet.json["documents"], json!([]), "{change}");
    }
}

fn a_migration_names_the_rows_that_break_its_check(engine: Engine) {
    let street = planned(engine);
    let world = &street.world;
    world.undo_migrations_from(13);
    tamper(world, "state = 'drafted'");
    let key = column(world, "select key from document_outbox order by title limit 1").remove(0);
    let migrated = world.command(&["migrate"]).output().unwrap();
    let said = String::from_utf8(migrated.stdout).unwrap() + &String::from_utf8(migrated.stderr).unwrap();
    assert_eq!(migrated.status.code(), Some(0), "{said}");
    assert!(said.contains(&key) && said.contains("unknown"), "{said}");
    assert_eq!(states(world), ["unknown", "planned", "planned"]);
    let log = column(world, "select error_message from iiko_sync_log where entity_type = 'document_outbox'");
    assert!(log.iter().any(|text| text.contains(&key)), "{log:?}");
    let errors = column(world, "select last_error from document_outbox order by title limit 1");
    assert!(errors[0].contains("drafted"), "{errors:?}");
    // From now on the database itself refuses such a row.
    for change in [
        "state = 'drafted'",
        "state = 'done'",
        "attempts = -1, state = 'planned'",
        "seq = 0, state = 'planned'",
    ] {
        let sql = format!("update document_outbox set iiko_id = null, {change}");
        assert!(!world.takes(&sql), "{change}");
    }
    expect(world, 9, &NIGHT);
    assert_eq!(states(world), ["unknown", "done", "done"]);
}

/// Whether a number has the form of ours: 16 characters, `T` or `W`, the day, eight hex digits.
#[track_caller]
fn assert_form(number: &str, kind: char, day: &str) {
    let digits = number.strip_prefix(&format!("{kind}{day}-")).unwrap_or_else(|| panic!("{number}"));
    assert_eq!((number.len(), digits.len()), (16, 8), "{number}");
    assert!(digits.chars().all(|sign| sign.is_ascii_digit() || ('a'..='f').contains(&sign)), "{number}");
}

fn act(street: &Street, amount: &str) -> String {
    let account = street.account();
    let world = street.world.sandbox.world();
    let ((store, product), _) = street.missing.iter().next().unwrap();
    let date = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).format("%Y-%m-%d");
    let num = world.products.iter().find(|record| record["id"] == product.as_str()).unwrap()["num"].clone();
    let text = format!(
        r#"{{"store":"{store}","account":"{account}","date":"{date}","items":[{{"num":{num},"amount":{amount}}}]}}"#
    );
    let file = street.world.home.path().join("act.json");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn numbers_are_short_and_tell_documents_apart(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let day = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).format("%y%m%d").to_string();
    expect(world, 0, &NIGHT);
    for amount in ["1", "2"] {
        let file = act(&street, amount);
        expect(world, 0, &["writeoff", &file]);
        expect(world, 0, &["writeoff", &file, "--again"]);
    }
    let documents = world.sandbox.world().documents().to_vec();
    assert_eq!(documents.len(), 7);
    for document in &documents {
        let kind = if document.kind == sandbox::DocumentKind::Writeoff { 'W' } else { 'T' };
        assert_form(&document.number, kind, &day);
    }
    let numbers: BTreeSet<&str> = documents.iter().map(|document| document.number.as_str()).collect();
    assert_eq!(numbers.len(), 7);
}

fn a_number_that_is_taken_takes_the_next_digits(engine: Engine) {
    let mut street = street(engine, 0);
    let dry = expect(&street.world, 0, &["negative-transfer", "--dry-run"]);
    let keys = |outcome: &Outcome| -> Vec<String> {
        let documents = outcome.json["documents"].as_array().unwrap().iter();
        documents.map(|document| document["key"].as_str().unwrap().to_owned()).collect()
    };
    let wanted = keys(&dry);
    // Another document has the number that the first one would get.
    let file = act(&street, "1");
    expect(&street.world, 0, &["writeoff", &file]);
    street.world.execute(&format!(
        "update document_outbox set key = '{}', state = 'abandoned' where kind = 'writeoff'",
        wanted[0]
    ));
    street.set_clock(1);
    let dry = keys(&expect(&street.world, 0, &["negative-transfer", "--dry-run"]));
    let night = keys(&expect(&street.world, 0, &NIGHT));
    assert_eq!(dry, night, "a dry run shows what the real one does");
    assert_ne!(night[0], wanted[0]);
    assert_eq!(night[1..], wanted[1..]);
    assert_eq!((night[0].len(), &night[0][..8]), (16, &wanted[0][..8]));
    assert_eq!(street.world.sandbox.world().ledger().len(), street.missing.len() + 1);
}

fn shown<'a>(outcome: &'a Outcome, number: &str) -> Vec<&'a Value> {
    let documents = outcome.json["documents"].as_array().unwrap().iter();
    documents.filter(|document| document["iiko_number"] == number).collect()
}

fn a_number_of_iikos_own_is_kept_beside_ours(engine: Engine) {
    for mode in ["two-phase", "single"] {
        let options = sandbox::Options { own_numbers: true, licences: 100, ..sandbox::Options::default() };
        let mut street = Street::with(engine, options);
        street.world.set("ZERKALO_POST_MODE", mode);
        street.world.set("TELEGRAM_BASE_URL", street.world.sandbox.telegram_url());
        street.world.set("TELEGRAM_BOT_TOKEN", sandbox::Options::default().telegram_token);
        street.world.set("TELEGRAM_ADMIN_CHAT_IDS", sandbox::ADMIN_CHAT);
        street.set_clock(0);
        let night = expect(&street.world, 4, &NIGHT);
        assert_all_moved(&street);
        let documents = street.world.sandbox.world().documents().to_vec();
        assert_eq!(documents.len(), 3, "{mode}: one document a pair");
        assert!(documents.iter().all(|document| document.status == Status::Processed));
        let stored = column(&street.world, "select iiko_number from document_outbox order by iiko_number");
        assert_eq!(stored, ["0001", "0002", "0003"], "{mode}");
        assert_eq!(shown(&night, "0001").len(), 1, "{mode}: {}", night.json);
        assert!(night.stdout.contains("iiko calls it №0001"), "{mode}: {}", night.stdout);
        let telegram =
            street.world.sandbox.world().telegram.chats[sandbox::ADMIN_CHAT].messages[0].text.clone();
        assert!(telegram.contains("№0001"), "{mode}: {telegram}");
        let key =
            column(&street.world, "select key from document_outbox where iiko_number = '0002'").remove(0);
        let told = street.world.command(&["documents", "show", &key]).output().unwrap();
        assert!(String::from_utf8(told.stdout).unwrap().contains("iiko calls it №0002"));
        // A further look finds them by their ids.
        let again = expect(&street.world, 0, &["documents", "reconcile", &key]);
        assert_eq!(again.json["documents"][0]["state"], "done", "{}", again.json);
        let file = act(&street, "1");
        let posted = expect(&street.world, 4, &["writeoff", &file]);
        assert!(posted.stdout.contains("iiko calls it №0004"), "{mode}: {}", posted.stdout);
        let again = expect(&street.world, 0, &["writeoff", &file]);
        assert!(again.json["notes"].to_string().contains("№0004"), "{}", again.json);
        assert_eq!(street.world.sandbox.world().documents().len(), 4, "{mode}");
    }
    // It was only the answer that had another number: what iiko shows counts.
    let street = street(engine, 0);
    let patch = json!({"response": {"documentNumber": "0042"}});
    street.world.sandbox.fault(Fault::new(POST, Action::PatchAnswer { patch }));
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
    assert_eq!(
        column(&street.world, "select iiko_number from document_outbox where iiko_number is not null"),
        [""; 0]
    );
    // A run that dies after the draft goes on by the id.
    let mut street = Street::with(
        engine,
        sandbox::Options { own_numbers: true, licences: 100, ..sandbox::Options::default() },
    );
    street.set_clock(0);
    street.world.set("ZERKALO_TEST_STOP_AT", "drafted");
    assert_eq!(street.world.run(&NIGHT).code, None);
    street.world.unset("ZERKALO_TEST_STOP_AT");
    street.set_clock(10);
    expect(&street.world, 4, &NIGHT);
    assert_all_moved(&street);
    assert_eq!(street.world.sandbox.world().documents().len(), 3);
}

fn an_act_of_another_content_is_another_one_whatever_its_digest(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let second = act(&street, "2");
    expect(world, 0, &["writeoff", &second]);
    let digest = column(world, "select subject from document_outbox").remove(0);
    world.execute("delete from document_outbox");
    let first = act(&street, "1");
    expect(world, 0, &["writeoff", &first]);
    // The digests of the two are made the same.
    world.execute(&format!("update document_outbox set subject = '{digest}'"));
    let second = act(&street, "2");
    let posted = expect(world, 0, &["writeoff", &second]);
    assert!(!posted.json["notes"].to_string().contains("already posted"), "{}", posted.json);
    assert_eq!((world.count("document_outbox"), world.sandbox.world().documents().len()), (2, 3));
    let again = expect(world, 0, &["writeoff", &second]);
    assert!(again.json["notes"].to_string().contains("already posted"), "{}", again.json);
}
