//! What an operator sees of a set-up that is well, and of one that is broken; and what prune takes away.

use super::{
    doctor::on_a_full_disk,
    harness::{Engine, Outcome, World, on_both},
    nights::Street,
    process::{ended_without_a_word, until},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use zerkalo::{
    sandbox::{Action, Fault},
    tables,
};

on_both!(
    where_there_is_no_database_none_is_made,
    an_older_schema_is_said,
    what_is_well_is_said_in_one_line,
    a_stale_mirror_is_told_by_its_age,
    a_failed_run_is_told_until_it_is_made_good,
    a_killed_run_is_seen_with_its_locks_and_its_session,
    a_run_that_hangs_is_told,
    a_blocked_deletion_is_told_since_its_first_day,
    a_hold_is_told,
    an_unknown_document_is_critical,
    a_missed_transfer_is_critical,
    a_slot_is_missed_by_the_grace_that_its_job_is_started_with,
    a_job_that_is_watched_may_not_be_forgotten,
    the_log_is_filtered,
    prune_takes_what_is_old_and_no_more,
    the_morning_prunes_by_itself,
    a_database_that_is_gone_is_critical,
);

fn status(world: &World) -> Value {
    world.expect(0, &["status"]).json
}

/// The line of a check, which must end with this code.
#[track_caller]
fn check(world: &World, code: i32) -> String {
    line(world, code, &["status", "--check"])
}

/// The line of a Nagios check, which must end with this code.
#[track_caller]
fn nagios(world: &World, code: i32) -> String {
    line(world, code, &["status", "--check", "--nagios"])
}

#[track_caller]
fn line(world: &World, code: i32, arguments: &[&str]) -> String {
    let outcome: Outcome = world.command(arguments).output().unwrap().into();
    assert_eq!(outcome.code, Some(code), "{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
    outcome.stdout.trim_end().to_owned()
}

/// What is wrong, a sentence each.
fn problems(status: &Value) -> Vec<String> {
    let problems = status["problems"].as_array().unwrap();
    problems.iter().map(|problem| problem["text"].as_str().unwrap().to_owned()).collect()
}

fn entity<'s>(status: &'s Value, name: &str) -> &'s Value {
    let entities = status["entities"].as_array().unwrap();
    entities.iter().find(|entity| entity["entity"] == name).unwrap_or_else(|| panic!("no {name}"))
}

fn job<'s>(status: &'s Value, name: &str) -> &'s Value {
    status["jobs"].as_array().unwrap().iter().find(|job| job["job"] == name).unwrap()
}

fn where_there_is_no_database_none_is_made(engine: Engine) {
    let world = World::new(engine);
    let files = world.files();
    assert!(check(&world, 2).starts_with("unknown: there is no database yet at "));
    assert!(nagios(&world, 3).starts_with("ZERKALO UNKNOWN - there is no database yet at "));
    assert_eq!(world.files(), files);
    assert_eq!(world.asked(), Vec::<String>::new());
}

fn an_older_schema_is_said(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko", "--only", "iiko_store"]);
    world.undo_last_migration();
    for command in ["status", "log"] {
        let refused = world.expect(2, &[command]);
        assert!(
            refused.json["error"].as_str().unwrap().contains("and this zerkalo needs"),
            "{}",
            refused.stdout
        );
        assert_eq!(refused.json["hint"], "run `zerkalo migrate`");
    }
    assert!(
        check(&world, 2).contains("and this zerkalo needs") && check(&world, 2).contains("zerkalo migrate")
    );
    assert!(nagios(&world, 3).starts_with("ZERKALO UNKNOWN - the database has schema version "));
}

/// How many tables a morning without a sheet reads.
fn tables_of_a_morning() -> usize {
    tables::IIKO.len() + tables::STOCK.len() + tables::FINTABLO.len()
}

fn what_is_well_is_said_in_one_line(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let (log, evidence) = (world.log(), world.evidence());
    world.sandbox.clear_journal();
    let shown = status(&world);
    assert_eq!((&shown["state"], &shown["problems"]), (&json!("ok"), &json!([])));
    let (products, types) = (entity(&shown, "iiko_product"), entity(&shown, "iiko_entity"));
    assert_eq!(products["state"], "ok");
    assert_eq!(products["rows"].as_u64(), Some(world.count("iiko_product") as u64));
    assert_eq!(
        (types["scopes"].as_u64(), types["rows"].as_u64()),
        (Some(tables::ROOT_TYPES.len() as u64), Some(world.count("iiko_entity") as u64))
    );
    assert_eq!(entity(&shown, "min_stock_level")["state"], "off", "no sheet is configured");
    let said = check(&world, 0);
    let tables = tables_of_a_morning();
    assert!(said.starts_with(&format!("ok: {tables} tables and steps, the oldest is ")), "{said}");
    let said = nagios(&world, 0);
    assert!(said.starts_with(&format!("ZERKALO OK - {tables} tables and steps")), "{said}");
    let (_, data) = said.split_once(" | oldest=").unwrap();
    assert!(
        data.contains("s;93600;187200;0 problems=0;0;;0 open_documents=0;0;;0 uncertain_documents=0;;0;0"),
        "{data}"
    );
    assert_eq!((world.log(), world.evidence()), (log, evidence), "nothing is written");
    assert_eq!(world.asked(), Vec::<String>::new(), "and nobody is asked");
    assert_eq!(world.sandbox.journal().len(), 0);
}

fn a_stale_mirror_is_told_by_its_age(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:00:00Z");
    world.expect(0, &["full-morning"]);
    world.set("ZERKALO_TEST_NOW", "2026-11-23T06:59:50Z");
    check(&world, 0);
    world.set("ZERKALO_TEST_NOW", "2026-11-23T08:00:00Z");
    let said = check(&world, 13);
    let old = format!(
        "warning: iiko_entity, iiko_department, iiko_store, iiko_group, {} more: the last good run is 2",
        tables_of_a_morning() - 4
    );
    assert!(said.starts_with(&old), "{said}");
    assert!(said.contains("and 26 h 00 min are allowed"), "{said}");
    assert!(nagios(&world, 1).starts_with("ZERKALO WARNING - "));
    let shown = status(&world);
    assert_eq!(entity(&shown, "iiko_product")["state"], "old");
    assert_eq!(entity(&shown, "iiko_product")["age_s"].as_u64().unwrap() / 3600, 26);
    world.set("ZERKALO_TEST_NOW", "2026-11-24T12:00:00Z");
    assert!(nagios(&world, 2).starts_with("ZERKALO CRITICAL - "));
    // A table may have a limit of its own, or none.
    world.set("ZERKALO_STATUS_MAX_AGE", "72h, stock_balance=2h");
    assert!(check(&world, 13).starts_with("critical: stock_balance: the last good run is 2 d 0"));
    world.set("ZERKALO_STATUS_MAX_AGE", "none");
    check(&world, 0);
    world.set("ZERKALO_STATUS_MAX_AGE", "iiko_produkt=2h");
    assert!(check(&world, 2).contains("names a table that is not mirrored"));
}

fn a_failed_run_is_told_until_it_is_made_good(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    world.sandbox.fault(Fault::new("GET /v1/", Action::Close).times(usize::MAX));
    world.expect(5, &["sync", "fintablo"]);
    let shown = status(&world);
    let deal = entity(&shown, "ft_deal");
    assert_eq!((&deal["state"], &deal["last_problem"]["status"]), (&json!("failed"), &json!("error")));
    assert_eq!(deal["rows"], 620, "what was mirrored is there");
    assert_eq!(entity(&shown, "iiko_product")["state"], "ok");
    let told = problems(&shown);
    assert!(
        told.iter().any(|text| text.contains("failed at 20") && text.contains("the last good run is")),
        "{told:?}"
    );
    assert!(check(&world, 4).starts_with("warning: ft_"));
    nagios(&world, 1);
    world.sandbox.clear_faults();
    world.expect(0, &["sync", "fintablo"]);
    check(&world, 0);
    assert_eq!(
        entity(&status(&world), "ft_deal")["last_problem"]["status"],
        "error",
        "it stays on the screen"
    );
}

fn a_killed_run_is_seen_with_its_locks_and_its_session(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let gate = world.gate("v2/entities/products/list");
    let running = world.start(&["sync", "iiko"]);
    gate.wait();
    // A run that works is no problem, and a look does not stand in its way.
    let shown = status(&world);
    assert_eq!(shown["problems"], json!([]), "{shown}");
    let locks = shown["locks"].as_array().unwrap();
    let lock = locks.iter().find(|lock| lock["lock"] == "iiko_product").unwrap();
    assert_eq!((&lock["pid"], &lock["command"]), (&json!(running.pid()), &json!("sync iiko")));
    assert_eq!(shown["left_over_sessions"], json!([]));
    assert_eq!(shown["remote_runs"], json!([]), "it is known from its lock files");
    let screen: Outcome = world.command(&["status"]).output().unwrap().into();
    assert!(
        screen.stdout.contains(&format!("running: `zerkalo sync iiko` (process {}, run ", running.pid()))
    );
    running.kill();
    drop(gate);

    let shown = status(&world);
    let told = problems(&shown);
    assert!(
        told.iter().any(|text| text.starts_with("`zerkalo sync iiko` (process ")
            && text.ends_with("ended without a word")),
        "{told:?}"
    );
    assert!(told.iter().any(|text| text.starts_with("an iiko session is left over since ")), "{told:?}");
    assert_eq!((&shown["locks"], told.len()), (&json!([]), 2));
    check(&world, 4);
    until("the sandbox has let the request go", || world.sandbox.journal().len() > 1);
    world.expect(0, &["sync", "iiko"]);
    assert!(world.log().iter().any(ended_without_a_word));
    check(&world, 0);
    assert_eq!(entity(&status(&world), "iiko_store")["last_problem"]["status"], "error");
}

fn a_run_that_hangs_is_told(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:00:00Z");
    world.expect(0, &["full-morning"]);
    let gate = world.gate("v2/entities/products/list");
    let running = world.start(&["sync", "iiko"]);
    gate.wait();
    running.signal(Signal::STOP);
    // As long as the limit of a run allows, it may be at work.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:30:00Z");
    check(&world, 0);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T12:43:00Z");
    let said = check(&world, 4);
    assert!(
        said.starts_with(&format!("warning: `zerkalo sync iiko` (process {}, run ", running.pid()))
            && said.contains(", since 2026-11-22 07:00) holds an iiko session, ")
            && said.contains(" for 7 h 4"),
        "{said}"
    );
    assert!(said.contains("30 min"), "{said}");
    let shown = status(&world);
    let hint = shown["problems"][0]["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("kill -KILL {}", running.pid())), "{hint}");
    running.signal(Signal::CONT);
    drop(gate);
    assert_eq!(running.finish().code, Some(0));
}

fn a_blocked_deletion_is_told_since_its_first_day(engine: Engine) {
    let mut world = World::new(engine);
    let sync = ["sync", "fintablo", "--only", "ft_direction"];
    world.set("ZERKALO_TEST_NOW", "2026-11-20T05:00:00Z");
    world.expect(0, &["full-morning"]);
    world.sandbox.edit(|world| world.fintablo.get_mut("direction").unwrap().truncate(1));
    for (day, hour) in [(20, 6), (21, 5), (22, 5)] {
        world.set("ZERKALO_TEST_NOW", format!("2026-11-{day}T{hour:02}:00:00Z"));
        world.expect(4, &sync);
    }
    // A failure in between has decided nothing.
    world.sandbox.fault(Fault::new("GET /v1/direction", Action::Close).times(4));
    world.expect(5, &sync);
    let shown = status(&world);
    let blocked = &shown["deletion_blocked"];
    assert_eq!(blocked.as_array().unwrap().len(), 1, "{blocked}");
    assert_eq!((&blocked[0]["entity"], &blocked[0]["rows"]), (&json!("ft_direction"), &json!(3)));
    assert!(blocked[0]["since"].as_str().unwrap().starts_with("2026-11-20T06:00:0"), "{blocked}");
    let told = problems(&shown).join("\n");
    let expected =
        "deletion is off for ft_direction since 2026-11-20 08:00: 3 rows are not in the answers and are kept";
    assert!(told.contains(expected), "the business's wall clock: {told}");
    world.expect(0, &[&sync[..], &["--allow-delete", "ft_direction=3"]].concat());
    world.set("ZERKALO_TEST_NOW", "2026-11-22T06:00:00Z");
    world.expect(0, &sync);
    let shown = status(&world);
    assert_eq!(shown["deletion_blocked"], json!([]));
    assert_eq!(shown["tombstones"]["rows"], 3);
}

fn a_hold_is_told(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    world.sandbox.edit(|world| drop(world.suppliers.pop()));
    world.expect(0, &["sync", "iiko"]);
    world.expect(0, &["restore", "iiko_supplier", "--hold"]);
    let shown = status(&world);
    assert_eq!(shown["holds"][0]["table"], "iiko_supplier");
    let told = problems(&shown);
    assert!(told[0].starts_with("deletion is off for iiko_supplier: held by story on "), "{told:?}");
    assert_eq!(told.len(), 1);
    assert!(check(&world, 4).starts_with("warning: deletion is off for iiko_supplier: held by story on "));
    world.expect(4, &["sync", "iiko"]);
    assert_eq!(problems(&status(&world)).len(), 2, "the hold, and what the run said of it");
    world.expect(0, &["restore", "iiko_supplier", "--release"]);
    world.expect(0, &["sync", "iiko"]);
    check(&world, 0);
}

/// What cron runs at night.
const NIGHT: [&str; 5] = ["negative-transfer", "--scheduled", "23:00", "--grace", "55m"];

fn an_unknown_document_is_critical(engine: Engine) {
    let mut street = Street::new(engine);
    street.set_clock(0);
    let patch = json!({"dateIncoming": "2026-01-02T03:04"});
    let post = "POST /resto/api/v2/documents/internalTransfer";
    street.world.sandbox.fault(Fault::new(post, Action::PatchRequest { patch }));
    street.world.expect(9, &NIGHT);
    let shown = status(&street.world);
    let key = shown["documents"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(shown["documents"].as_array().unwrap().len(), 1);
    let said = check(&street.world, 9);
    assert!(
        said.starts_with(&format!("critical: document {key} (")) && said.contains(" is unknown since "),
        "{said}"
    );
    // People read the business's wall clock, and machines UTC.
    let (day, _) = said.split_once(" is unknown since ").unwrap().1.split_at(10);
    assert!(said.contains(&format!(" is unknown since {day} 23:00; ")), "{said}");
    assert_eq!(shown["documents"][0]["updated_at"].as_str().unwrap()[10..17], *"T21:00:");
    for (arguments, tells) in [
        (&["documents", "list"][..], format!("{day} 23:00")),
        (&["documents", "show", &key], format!("touched {day} 23:00\n")),
    ] {
        let screen: Outcome = street.world.command(arguments).output().unwrap().into();
        assert!(screen.stdout.contains(&tells), "{arguments:?}: {}", screen.stdout);
    }
    let said = nagios(&street.world, 2);
    assert!(
        said.starts_with("ZERKALO CRITICAL - document T") && said.contains(" uncertain_documents=1;;0;0"),
        "{said}"
    );
    let screen: Outcome = street.world.command(&["status"]).output().unwrap().into();
    assert!(screen.stdout.contains("hint: zerkalo documents reconcile"), "{}", screen.stdout);

    // A draft that a killed run left has moved nothing.
    let mut street = Street::new(engine);
    street.set_clock(0);
    street.world.set("ZERKALO_TEST_STOP_AT", "drafted");
    assert_eq!(street.world.run(&NIGHT).code, None);
    let said = check(&street.world, 4);
    assert!(said.starts_with("warning: document T"), "{said}");
    assert!(nagios(&street.world, 1).contains("uncertain_documents=0;;0;0"));
}

fn a_missed_transfer_is_critical(engine: Engine) {
    let mut street = Street::new(engine);
    street.world.set("ZERKALO_STATUS_MAX_AGE", "none");
    // Nobody has ever scheduled it here.
    street.set_clock(59);
    check(&street.world, 0);
    street.set_clock(0);
    street.world.expect(0, &NIGHT);
    let evening = |street: &mut Street, days: i64, minutes: i64| street.set_clock(days * 24 * 60 + minutes);
    for (days, minutes) in [(0, 59), (1, 0), (1, 54)] {
        evening(&mut street, days, minutes);
        check(&street.world, 0);
    }
    evening(&mut street, 1, 56);
    let said = check(&street.world, 12);
    assert!(said.starts_with("critical: negative-transfer of 20"), "{said}");
    assert!(said.ends_with(" 23:00 was missed: nobody began with it"), "{said}");
    assert!(nagios(&street.world, 2).starts_with("ZERKALO CRITICAL - negative-transfer of 20"));
    // The start that came too late says so, and it stays critical until the next one is done.
    street.world.expect(12, &NIGHT);
    assert!(check(&street.world, 12).ends_with("it was begun too late and skipped"));
    evening(&mut street, 2, 0);
    street.world.expect(0, &["sync", "iiko"]);
    street.world.expect(0, &NIGHT);
    check(&street.world, 0);
    assert_eq!(job(&status(&street.world), "negative-transfer")["state"], "done");
    // A run that was killed may be resumed until its grace has ended.
    evening(&mut street, 3, 0);
    street.world.expect(0, &["sync", "iiko"]);
    street.world.set("ZERKALO_TEST_STOP_AT", "entered");
    assert_eq!(street.world.run(&NIGHT).code, None);
    let shown = problems(&status(&street.world));
    assert!(!shown.iter().any(|text| text.contains("was missed")), "{shown:?}");
}

fn a_slot_is_missed_by_the_grace_that_its_job_is_started_with(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_STATUS_MAX_AGE", "none");
    let job = ["sync", "fintablo", "--only", "ft_category", "--scheduled", "07:00"];
    let at = |world: &mut World, moment: &str| world.set("ZERKALO_TEST_NOW", format!("2026-11-{moment}:00Z"));
    let start = |world: &World, code: i32, more: &[&str]| drop(world.expect(code, &[&job, more].concat()));
    // 07:00 in Kaliningrad is 05:00.
    at(&mut world, "20T05:00");
    start(&world, 0, &["--grace", "3h"]);
    for (moment, code) in [("21T07:30", 0), ("21T08:00", 0), ("21T08:01", 12)] {
        at(&mut world, moment);
        check(&world, code);
    }
    // The line of the crontab is changed: what was started last counts, also where it came too late.
    start(&world, 12, &["--not-later-than", "07:30"]);
    for (moment, code) in [("22T05:30", 12), ("22T05:31", 12)] {
        at(&mut world, moment);
        let of = if moment == "22T05:30" { "21" } else { "22" };
        assert!(check(&world, code).contains(&format!("of 2026-11-{of} 07:00 was missed")), "{moment}");
    }
    // A person's leave for one slot, however late, is no rule for the others.
    at(&mut world, "22T12:00");
    start(&world, 0, &["--date", "2026-11-22", "--late-ok"]);
    for (moment, code) in [("23T05:30", 0), ("23T05:31", 12)] {
        at(&mut world, moment);
        check(&world, code);
    }
    let graces = world.query("select cast(grace_s as text) from job_slot order by slot_utc");
    assert_eq!(graces, [[Some("10800".to_owned())], [Some("1800".to_owned())], [None]]);
    // Slots of an earlier version have none: an hour.
    world.execute("update job_slot set grace_s = null");
    for (moment, code) in [("23T06:00", 0), ("23T06:01", 12)] {
        at(&mut world, moment);
        check(&world, code);
    }
}

fn a_job_that_is_watched_may_not_be_forgotten(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T12:00:00Z");
    world.expect(0, &["full-morning"]);
    check(&world, 0);
    world.set("ZERKALO_STATUS_JOBS", "full-morning, negative-transfer");
    let told = problems(&status(&world));
    let missed = |job: &str, at: &str| format!("{job} of {at} was missed: nobody began with it");
    assert_eq!(
        told,
        [missed("negative-transfer", "2026-11-21 23:00"), missed("full-morning", "2026-11-22 07:00")],
        "what moves goods is worse"
    );
    let shown = status(&world);
    assert_eq!(job(&shown, "negative-transfer")["next_slot"], "2026-11-22T21:00:00Z");
    assert_eq!(job(&shown, "full-morning")["next_slot"], "2026-11-23T05:00:00Z");
    check(&world, 12);
    // A name that is no job's would watch nothing.
    world.set("ZERKALO_STATUS_JOBS", "negative_transfer");
    let said = check(&world, 2);
    assert!(said.contains("names no job") && said.contains("negative-transfer"), "{said}");
    assert_eq!(world.command(&["config", "check"]).output().unwrap().status.code(), Some(2));
}

fn the_log_is_filtered(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", "2026-11-21T05:00:00Z");
    let first = world.expect(0, &["full-morning"]);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:00:00Z");
    world.sandbox.fault(Fault::new("GET /v1/deal", Action::Close).times(4));
    world.sandbox.edit(|world| drop(world.suppliers.pop()));
    let second = world.expect(5, &["full-morning"]);
    let rows = |arguments: &[&str]| {
        let outcome = world.expect(0, &[&["log"], arguments].concat());
        outcome.json["rows"].as_array().unwrap().clone()
    };
    assert_eq!(rows(&["--limit", "1000"]).len(), world.count("iiko_sync_log"));
    assert_eq!(rows(&["--limit", "3"]).len(), 3);
    let of_deal = rows(&["ft_deal"]);
    assert_eq!(
        (of_deal.len(), &of_deal[0]["status"], &of_deal[1]["status"]),
        (2, &json!("error"), &json!("success"))
    );
    assert_eq!(of_deal[0]["run_id"], second.run_id());
    assert_eq!(of_deal[1]["records_synced"], 620);
    assert_eq!(rows(&["--failed"]), of_deal[..1]);
    assert_eq!(rows(&["Account"]).len(), 2, "a root type");
    let day = rows(&["--since", "2026-11-22", "--limit", "1000"]);
    assert!(!day.is_empty() && day.iter().all(|row| row["run_id"] == second.run_id()));
    assert_eq!(rows(&["--since", "12h", "--limit", "1000"]), day);
    assert!(rows(&["--since", "7d", "--limit", "1000"]).iter().any(|row| row["run_id"] == first.run_id()));
    world.expect(2, &["log", "--since", "2026-11-23"]);
    let refused = world.expect(2, &["log", "ft_deel"]);
    let hint = refused.json["hint"].as_str().unwrap();
    for name in ["ft_deal", "min-stock-push", "push-mapping", "document_outbox", "restore", "prune"] {
        assert!(hint.contains(name), "{name}: {hint}");
    }
    // For people: one line for the equal root types, and how to undo what was deleted.
    let screen: Outcome = world.command(&["log", "--since", "2026-11-22"]).output().unwrap().into();
    let types = format!("iiko_entity ({} types)  success", tables::ROOT_TYPES.len());
    assert!(screen.stdout.contains(&types), "{}", screen.stdout);
    assert!(
        screen
            .stdout
            .contains(&format!("iiko_supplier: deleted 1; to undo: zerkalo restore {}", second.run_id()))
    );
    assert!(screen.stdout.contains("2026-11-22 07:00 ft_deal: "), "{}", screen.stdout);
}

fn prune_takes_what_is_old_and_no_more(engine: Engine) {
    let mut street = Street::new(engine);
    street.set_clock(0);
    street.world.expect(0, &NIGHT);
    let world = &mut street.world;
    world.sandbox.edit(|world| drop(world.suppliers.pop()));
    world.expect(0, &["sync", "iiko"]);
    world.sandbox.edit(|world| drop(world.suppliers.pop()));
    world.expect(0, &["sync", "iiko"]);
    // A day in the year after next: all of it is older than is kept, except what has to stay.
    world.execute(
        "insert into message_delivery (key, chat, job, kind, body_sha256, state, attempts, run_id, created_at, updated_at)
         select 'k', '1', 'full-morning', 'text', 'x', 'sent', 1, run_id, min_at, min_at from
             (select run_id, started_at as min_at from iiko_sync_log where id = 1) s",
    );
    world.execute(
        "insert into job_slot (job, slot_utc, business_date, state, run_id, attempts)
         select job, '2020-01-01T21:00:00.000000Z', '2020-01-01', 'done', run_id, 1 from job_slot",
    );
    for (organization, year) in [("a", 2020), ("a", 2021), ("b", 2020)] {
        world.execute(&format!(
            "insert into stoplist_sample (organization_id, taken_at)
             values ('{}-0000-4000-8000-000000000000', '{year}-01-01T10:00:00.000000Z')",
            organization.repeat(8)
        ));
    }
    world.set("ZERKALO_TEST_NOW", "2028-06-01T12:00:00Z");
    let fresh = world.rows("mirror_freshness");
    let (log, documents) = (world.count("iiko_sync_log"), world.rows("document_outbox"));
    assert!(documents.len() > 1);
    let planned = world.expect(0, &["prune", "--dry-run"]).json["deleted"].clone();
    assert_eq!(
        (&planned["tombstones"], &planned["slots"], &planned["deliveries"], &planned["samples"]),
        (&json!(2), &json!(1), &json!(1), &json!(1))
    );
    assert_eq!((world.count("iiko_sync_log"), world.count("mirror_tombstone")), (log, 2));
    let done = world.expect(0, &["prune"]);
    assert_eq!(done.json["deleted"], planned);
    let mut left = world.rows("mirror_freshness");
    left.retain(|row| row["table_name"].as_deref() != Some("prune"));
    assert_eq!(left, fresh, "how old the mirror is stays known");
    assert_eq!(world.rows("document_outbox"), documents, "documents never go");
    assert_eq!(
        (world.count("mirror_tombstone"), world.count("job_slot"), world.count("message_delivery")),
        (0, 1, 0)
    );
    let rows = world.log_of(done.run_id());
    assert_eq!((rows.len(), rows[0]["entity_type"].as_deref()), (1, Some("prune")));
    // The second time of a day there is nothing to do, and nothing is written.
    let again = world.expect(0, &["prune"]);
    assert_eq!(
        again.json["deleted"],
        json!({"log": 0, "tombstones": 0, "slots": 0, "deliveries": 0, "samples": 0})
    );
    assert_eq!(world.log_of(again.run_id()).len(), 0);
}

fn the_morning_prunes_by_itself(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["full-morning"]);
    world.sandbox.edit(|world| drop((world.suppliers.pop(), world.roles.pop())));
    world.expect(0, &["sync", "iiko"]);
    assert_eq!(world.count("mirror_tombstone"), 2);
    world.execute("update mirror_tombstone set deleted_at = '2026-01-01T00:00:00.000000Z' where table_name = 'iiko_supplier'");
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:00:00Z");
    world.execute("update mirror_tombstone set deleted_at = '2026-11-01T00:00:00.000000Z' where table_name <> 'iiko_supplier'");
    world.expect(0, &["full-morning", "--dry-run"]);
    world.expect(0, &["sync", "iiko"]);
    assert_eq!(world.count("mirror_tombstone"), 2, "one way only");
    world.expect(0, &["full-morning"]);
    assert_eq!(world.select("mirror_tombstone", ["table_name"]).len(), 1);
    let pruned = world.log().into_iter().filter(|row| row["entity_type"].as_deref() == Some("prune"));
    assert_eq!(pruned.map(|row| row["deleted"].clone()).collect::<Vec<_>>(), [Some("1".to_owned())]);
    check(&world, 0);
}

fn a_database_that_is_gone_is_critical(engine: Engine) {
    let mut world = World::new(engine);
    if engine == Engine::Postgres {
        world.set("DATABASE_URL", "postgres://zerkalo@127.0.0.1:1/mirror");
    } else {
        world.expect(0, &["sync", "iiko"]);
        std::fs::write(world.file(), "no database, but long enough to be looked into as if it were one")
            .unwrap();
    }
    assert!(check(&world, 8).starts_with("critical: the database failed while "));
    assert!(nagios(&world, 2).starts_with("ZERKALO CRITICAL - the database failed while "));
    world.expect(8, &["status"]);
}

#[test]
fn a_full_disk_is_critical() {
    let mut world = World::new(Engine::Sqlite);
    world.expect(0, &["full-morning"]);
    check(&world, 0);
    let disk = world.home.path().join("disk");
    world.set("ZERKALO_STATE_DIR", disk.join("state").display().to_string());
    let Some(outcome) = on_a_full_disk(&world, &disk, &["status", "--check"]) else { return };
    assert_eq!(outcome.code, Some(8), "{} {}", outcome.stdout, outcome.stderr);
    let expected = format!("critical: the disk of {} is full: 0 MiB free\n", disk.display());
    assert_eq!(outcome.stdout, expected);
}
