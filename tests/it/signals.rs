//! A run that is told to stop ends in order: what was finished stays, what was not is as before, nobody stays logged in.

use super::{
    harness::{Engine, Outcome, World, on_both},
    process::{Blocker, Running, until},
    rows::Dump,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{io::Write as _, process::Stdio, thread, time::Duration};
use zerkalo::sandbox::{Action, Fault};

on_both!(
    a_signal_while_reading_keeps_what_is_finished_and_nothing_else,
    a_signal_while_writing_leaves_no_half_of_it,
    a_signal_during_the_login_still_logs_out,
    a_signal_to_a_dry_run_writes_nothing,
    a_second_signal_ends_a_log_out_that_hangs,
    a_second_signal_ends_what_waits_for_nobody,
);

const SIGNALS: [(Signal, i32, &str); 3] =
    [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT"), (Signal::HUP, 129, "SIGHUP")];

/// How long the end may take.
const SOON: Duration = Duration::from_secs(2);

/// Changes something in every list of iiko.
fn rename_all(world: &World, to: &str) {
    world.sandbox.edit(|world| {
        let lists = [&mut world.departments, &mut world.stores, &mut world.groups, &mut world.product_groups];
        let more = [&mut world.products, &mut world.suppliers, &mut world.employees, &mut world.roles];
        for record in lists.into_iter().chain(more).chain([&mut world.entities]).flatten() {
            record["name"] = to.into();
        }
    });
}

/// Asserts that a stopped run's report, its log and the database tell the same story, and returns how many tables it
/// finished.
#[track_caller]
fn assert_true_to_its_word(world: &World, outcome: &Outcome, name: &str, before: &Dump) -> usize {
    let words = format!("stopped by {name}");
    assert_eq!(outcome.json["error"].as_str(), Some(words.as_str()));
    let hint = outcome.json["hint"].as_str().unwrap();
    assert_eq!(hint, "what was not finished was rolled back; start it again when you like");
    let (log, after) = (world.log_of(outcome.run_id()), world.evidence());
    let mut finished = 0;
    for step in outcome.steps() {
        let table = step["entity"].as_str().unwrap();
        let logged = |row: &&super::rows::Row| {
            row["entity_type"].as_deref() == Some(table)
                && row["scope"].as_deref().unwrap_or_default() == step["scope"].as_str().unwrap_or_default()
        };
        let row = log.iter().find(logged).unwrap_or_else(|| panic!("{table} is not in the log"));
        assert_eq!(row["status"].as_deref(), step["status"].as_str(), "{table}");
        if step["status"] == "error" {
            assert_eq!(
                (row["error_message"].as_deref(), step["error"].as_str()),
                (Some(&*words), Some(&*words))
            );
            assert_eq!(after[table], before[table], "{table} is as before");
        } else {
            assert_ne!(after[table], before[table], "{table} is done");
            finished += 1;
        }
    }
    let reported: Vec<_> = outcome.steps().iter().filter_map(|step| step["entity"].as_str()).collect();
    for (table, rows) in before.iter().filter(|(table, _)| !reported.contains(&table.as_str())) {
        assert_eq!(&after[table], rows, "{table} was not begun");
    }
    assert_eq!(log.len(), outcome.steps().len());
    finished
}

fn a_signal_while_reading_keeps_what_is_finished_and_nothing_else(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    for (signal, code, name) in SIGNALS {
        rename_all(&world, name);
        let before = world.evidence();
        world.sandbox.clear_journal();
        let run = world.start_and_hold(&["sync", "iiko"], "products/list", Duration::from_mins(1));
        // What was read before is being written meanwhile.
        until("a table is written", || world.evidence() != before);
        thread::sleep(Duration::from_millis(300));
        run.signal(signal);
        let outcome = run.finish_within(SOON);
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert!(assert_true_to_its_word(&world, &outcome, name, &before) > 0);
        assert_eq!(outcome.step("iiko_product", None)["status"], "error");
        world.assert_polite();
    }
    world.expect(0, &["sync", "iiko"]);
}

fn a_signal_while_writing_leaves_no_half_of_it(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    // By one statement, and in steps with COPY.
    for (bulk, (signal, code, name)) in ["2000", "2000", "10"].into_iter().zip(SIGNALS) {
        world.set("ZERKALO_BULK_THRESHOLD", bulk);
        rename_all(&world, name);
        let before = world.evidence();
        world.sandbox.clear_journal();
        let blocker = Blocker::new(&world);
        // The writer waits for its turn: on SQLite from the first table on, on PostgreSQL at the products. Few answers
        // are read ahead of it.
        let (held, unfinished) = match engine {
            Engine::Sqlite => ("corporation/groups", "iiko_group"),
            Engine::Postgres => ("/employees", "iiko_product"),
        };
        let run = world.start_and_hold(&["sync", "iiko"], held, Duration::from_mins(1));
        thread::sleep(Duration::from_millis(650));
        run.signal(signal);
        let outcome = if engine == Engine::Sqlite {
            thread::sleep(Duration::from_millis(100));
            blocker.go();
            run.finish_within(SOON)
        } else {
            let outcome = run.finish_within(SOON);
            blocker.go();
            thread::sleep(Duration::from_millis(100));
            outcome
        };
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert_true_to_its_word(&world, &outcome, name, &before);
        assert_eq!(outcome.step(unfinished, None)["status"], "error");
        world.assert_polite();
    }
    world.expect(0, &["sync", "iiko"]);
}

fn a_signal_during_the_login_still_logs_out(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    for (signal, code, name) in SIGNALS {
        world.sandbox.clear_journal();
        let run = world.start_and_hold(&["sync", "iiko"], "/auth", Duration::from_secs(1));
        assert_eq!(
            world.sandbox.open_sessions(),
            1,
            "the server has opened it, and we do not know its name yet"
        );
        run.signal(signal);
        let outcome = run.finish_within(SOON);
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert_eq!(outcome.json["error"], format!("stopped by {name}"));
        assert_eq!(world.session_files().len(), 0);
        world.assert_polite();
    }
}

fn a_signal_to_a_dry_run_writes_nothing(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let (before, log) = (world.evidence(), world.log());
    let arguments = ["full-morning", "--dry-run"];
    let run = world.start_and_hold(&arguments, "products/list", Duration::from_mins(1));
    run.signal(Signal::TERM);
    assert_eq!(run.finish_within(SOON).code, Some(143));
    assert_eq!((world.evidence(), world.log()), (before, log));
    world.assert_polite();
}

fn a_second_signal_ends_a_log_out_that_hangs(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    world.sandbox.fault(Fault::new("/logout", Action::Slow { delay_ms: 60_000 }));
    let run = world.start_and_hold(&["sync", "iiko"], "products/list", Duration::from_mins(1));
    run.signal(Signal::TERM);
    world.until_asked("/logout");
    thread::sleep(Duration::from_millis(300));
    run.signal(Signal::INT);
    let outcome = Running::finish_within(run, Duration::from_millis(500));
    assert_eq!(outcome.code, Some(143), "the first one counts");
    assert!(
        outcome.stderr.contains("stopped a second time; the next run ends the iiko session"),
        "{}",
        outcome.stderr
    );
    assert_eq!(world.session_files().len(), 1, "the token is kept for the next run");

    world.sandbox.clear_journal();
    let next = world.expect(0, &["sync", "iiko"]);
    assert!(next.stderr.contains("ending the iiko session that was open before"), "{}", next.stderr);
    let calls: Vec<String> = world.sandbox.journal().into_iter().map(|entry| entry.path).collect();
    assert!(calls[0].ends_with("/logout") && calls[1].ends_with("/auth"), "{calls:?}");
    assert_eq!(world.session_files().len(), 0);
    let stopped = world.log_of(outcome.run_id());
    assert!(stopped.iter().any(|row| row["entity_type"].as_deref() == Some("iiko_product")));
    world.assert_polite();
}

fn a_second_signal_ends_what_waits_for_nobody(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let before = world.log().len();
    // A result that is longer than what its reader takes: printing it waits for ever.
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    writer.write_all(&[b'.'; 4096]).unwrap();
    let mut command = world.command(&["sync", "fintablo", "--only", "ft_category", "--json"]);
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    until("its work is logged", || world.log().len() > before);
    thread::sleep(Duration::from_millis(500));
    let signal = |signal| kill_process(Pid::from_child(&child), signal).unwrap();
    signal(Signal::TERM);
    thread::sleep(Duration::from_millis(500));
    signal(Signal::INT);
    until("it has ended", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(143), "the first one counts");
    drop(reader);
}
