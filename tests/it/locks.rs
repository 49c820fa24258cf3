//! One entity is never synced twice at the same time, one iiko login never has two sessions, and no lock is stale.

use super::{
    harness::{Engine, Outcome, World, on_both},
    process::{Running, ended_without_a_word, until},
    stoplist_report::{readings, with_readers},
};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};
use zerkalo::tables::FINTABLO;

on_both!(
    a_second_start_is_told_who_works_and_leaves_no_trace,
    tables_apart_still_share_the_one_iiko_session,
    the_two_upstreams_are_mirrored_side_by_side,
    what_stands_in_a_lock_file_blocks_nobody,
    a_killed_run_is_not_forgotten_by_a_run_that_could_not_log_it,
    a_killed_holder_frees_its_locks_at_once,
    lock_files_that_cannot_be_used_are_one_sentence,
    of_sixteen_starts_exactly_one_works,
    a_start_waits_for_the_holder_as_long_as_it_is_told,
    whatever_is_started_by_hand_waits_too,
    a_lock_file_that_is_deleted_while_held_stops_its_holder,
    another_host_is_kept_from_the_same_iiko_session,
);

/// What cron and the operator are told, in both forms.
#[track_caller]
fn assert_names_the_holder(world: &World, arguments: &[&str], what: &str, holder: &Running, command: &str) {
    let before = Instant::now();
    let json = world.expect(11, arguments);
    assert!(before.elapsed() < Duration::from_secs(1), "a loser leaves at once: {:?}", before.elapsed());
    let said = json.json["error"].as_str().unwrap();
    let begin = format!("{what} is being used by `zerkalo {command}` (process {}, run ", holder.pid());
    assert!(said.starts_with(&begin), "{said}");
    let since = said.split(", since ").nth(1).unwrap().trim_end_matches(" UTC)");
    chrono::NaiveDateTime::parse_from_str(since, "%Y-%m-%d %H:%M:%S").unwrap();
    assert_eq!(json.json["hint"], "wait until it has ended, then start this again");
    assert_eq!((json.json["exit_code"].as_u64(), json.steps().len()), (Some(11), 0));

    let text: Outcome = world.command(arguments).arg("-q").output().unwrap().into();
    assert_eq!((text.code, text.stdout.as_str()), (Some(11), ""));
    assert!(text.stderr.contains(said) && text.stderr.contains("hint: wait until"), "{}", text.stderr);
}

fn a_second_start_is_told_who_works_and_leaves_no_trace(engine: Engine) {
    let world = World::new(engine);
    let gate = world.gate("products/list");
    let first = world.start(&["sync", "iiko"]);
    gate.wait();
    for (arguments, what) in [
        (&["sync", "iiko"][..], "iiko_department"),
        (&["full-morning"], "iiko_department"),
        // A dry run writes nothing, but it would be a second session of the same login.
        (&["sync", "iiko", "--dry-run"], "the iiko session of demo"),
        (&["sync", "stock"], "the iiko session of demo"),
    ] {
        assert_names_the_holder(&world, arguments, what, &first, "sync iiko");
    }
    drop(gate);
    let first = first.finish();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(world.log().len(), world.log_of(first.run_id()).len(), "a loser is not logged");
    world.assert_polite();
}

fn tables_apart_still_share_the_one_iiko_session(engine: Engine) {
    let world = World::new(engine);
    let gate = world.gate("corporation/stores");
    let first = world.start(&["sync", "iiko", "--only", "iiko_store"]);
    gate.wait();
    let arguments = ["sync", "iiko", "--only", "iiko_product"];
    assert_names_the_holder(&world, &arguments, "the iiko session of demo", &first, "sync iiko");
    drop(gate);
    assert_eq!(first.finish().code, Some(0));
    world.expect(0, &arguments);
    world.assert_polite();
}

fn the_two_upstreams_are_mirrored_side_by_side(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let hold = Duration::from_secs(2);
    let iiko = world.start_and_hold(&["sync", "iiko"], "products/list", hold);
    let fintablo = world.expect(0, &["sync", "fintablo"]);
    assert!(world.log_of(fintablo.run_id()).iter().all(|row| row["status"].as_deref() == Some("success")));
    assert_eq!(iiko.finish().code, Some(0));
    world.assert_polite();
}

fn what_stands_in_a_lock_file_blocks_nobody(engine: Engine) {
    let world = World::new(engine);
    let finished = world.expect(0, &["sync", "fintablo"]);
    let locks = world.lock_files();
    let tables = FINTABLO.len();
    assert_eq!(locks.len(), tables, "one a table");
    for path in &locks {
        assert_eq!(fs::metadata(path).unwrap().len(), 0, "a run that ends in order leaves nothing behind");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let holder = |run: &str, pid: u32| {
        let since = "2026-01-02T03:04:05Z";
        json!({ "pid": pid, "run_id": run, "command": "sync fintablo", "since": since }).to_string()
    };
    let unknown = "01900000-0000-7000-8000-000000000001";
    for (content, logged) in [
        (String::new(), 0),
        ("12345\n".to_owned(), 0),
        ("\u{0}\u{1}{\"pid\":".repeat(20_000), 0),
        (holder(finished.run_id(), 1), 0),
        (holder(unknown, u32::MAX), tables),
        // A process of that number lives, but it holds nothing.
        (holder("01900000-0000-7000-8000-000000000002", std::process::id()), tables),
    ] {
        for path in &locks {
            fs::write(path, &content).unwrap();
        }
        let before = world.log().len();
        let run = world.expect(0, &["sync", "fintablo"]);
        let new = world.log().len() - before - world.log_of(run.run_id()).len();
        assert_eq!(new, logged, "{:?}", content.chars().take(80).collect::<String>());
        for path in &locks {
            assert_eq!(fs::metadata(path).unwrap().len(), 0);
        }
    }
    for row in world.log_of(unknown) {
        assert_eq!((row["status"].as_deref(), row["inserted"].as_deref()), (Some("error"), Some("0")));
        let said = row["error_message"].as_deref().unwrap();
        assert_eq!(said, "process ended without a word (`zerkalo sync fintablo`, process 4294967295)");
    }
}

fn a_killed_run_is_not_forgotten_by_a_run_that_could_not_log_it(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["migrate"]);
    let killed = world.start_and_hold(&["sync", "fintablo"], "/v1/deal", Duration::from_secs(30));
    assert!(killed.kill());
    let killed = world.holders();
    assert_eq!(killed.len(), FINTABLO.len());
    // Refused before the log of the killed run is written.
    world.set("FINTABLO_TOKEN", "");
    let refused = world.expect(2, &["sync", "fintablo"]);
    assert_eq!(refused.json["error"], "FINTABLO_TOKEN is not set");
    assert_eq!(world.holders(), killed, "it is still told of");
    world.set("FINTABLO_TOKEN", "demo-token");
    for _ in 0..2 {
        world.expect(0, &["sync", "fintablo"]);
        assert_eq!(world.holders(), Vec::new());
        let logged = world.log_of(&killed[0].0);
        assert_eq!(logged.len(), FINTABLO.len(), "every table has its row of the killed run, once");
        assert!(logged.iter().any(ended_without_a_word));
    }
}

fn a_killed_holder_frees_its_locks_at_once(engine: Engine) {
    let world = World::new(engine);
    let first = world.start_and_hold(&["sync", "iiko"], "products/list", Duration::from_mins(1));
    world.expect(11, &["sync", "iiko"]);
    assert_eq!(world.sandbox.open_sessions(), 1);
    assert!(first.kill());
    world.expect(0, &["sync", "iiko"]);
    let closed = world.sandbox.journal().into_iter().filter(|entry| entry.path.ends_with("/logout")).count();
    assert_eq!(closed, 2, "the left-over session and its own");
    assert!(world.log().iter().any(ended_without_a_word));
    world.assert_polite();
}

fn lock_files_that_cannot_be_used_are_one_sentence(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    world.sandbox.clear_journal();
    let (log, locks) = (world.log(), world.lock_files());
    let folder = locks[0].parent().unwrap();
    let run =
        || -> Outcome { world.as_nobody(world.command(&["sync", "iiko", "-q"])).output().unwrap().into() };
    let assert_refused = |outcome: &Outcome, cause: &str| {
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{}", outcome.stderr);
        let said = format!("cannot use the lock file {}: {cause}", locks[0].display());
        assert_eq!(outcome.stderr.matches("error:").count(), 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("hint: check DATABASE_URL and ZERKALO_STATE_DIR"),
            "{}",
            outcome.stderr
        );
        assert_eq!(world.asked(), Vec::<String>::new());
    };
    fs::set_permissions(&locks[0], fs::Permissions::from_mode(0o000)).unwrap();
    assert_refused(&run(), "Permission denied");
    fs::remove_file(&locks[0]).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o500)).unwrap();
    assert_refused(&run(), "Permission denied");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_dir_all(folder).unwrap();
    fs::write(folder, "").unwrap();
    let outcome = run();
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("cannot use the lock file"), "{}", outcome.stderr);
    assert_eq!(world.log(), log);
    assert!(world.sandbox.journal().is_empty(), "nobody was asked, nobody logged in");
}

fn of_sixteen_starts_exactly_one_works(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    for round in 1..=3 {
        let gate = world.gate("corporation/stores");
        let mut starts: Vec<Running> =
            (0..16).map(|_| world.start(&["sync", "iiko", "--only", "iiko_store"])).collect();
        gate.wait();
        until("all but one have left", || {
            starts.iter_mut().map(Running::is_running).filter(|runs| *runs).count() <= 1
        });
        drop(gate);
        let mut codes: Vec<Option<i32>> = starts.into_iter().map(|start| start.finish().code).collect();
        codes.sort_unstable();
        assert_eq!(codes[0], Some(0), "round {round}: one works");
        assert_eq!(codes[1..], [Some(11); 15], "round {round}: the others leave");
        assert_eq!(world.log().len(), round, "one run is logged a round");
    }
    world.assert_polite();
}

fn a_start_waits_for_the_holder_as_long_as_it_is_told(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["migrate"]);
    for host in ["state", "other-host"] {
        if engine == Engine::Sqlite && host == "other-host" {
            continue;
        }
        let gate = world.gate("/v1/deal");
        let first = world.start(&["sync", "fintablo"]);
        gate.wait();
        world.set("ZERKALO_STATE_DIR", world.home.path().join(host).display().to_string());
        let before = Instant::now();
        let outwaited = world.expect(11, &["sync", "fintablo", "--lock-wait", "1s"]);
        assert!(before.elapsed() >= Duration::from_secs(1), "{:?}", before.elapsed());
        let said = outwaited.json["error"].as_str().unwrap();
        assert!(
            outwaited.stderr.starts_with(&format!("{said}; waiting for it for up to ")),
            "{}",
            outwaited.stderr
        );
        assert_eq!(outwaited.stderr.matches("waiting for it").count(), 1, "{}", outwaited.stderr);
        let mut waits = world.start(&["sync", "fintablo", "--lock-wait", "1m"]);
        let stopped = world.start(&["sync", "fintablo", "--lock-wait", "1m"]);
        std::thread::sleep(Duration::from_millis(1200));
        assert!(waits.is_running());
        stopped.signal(rustix::process::Signal::TERM);
        assert_eq!(stopped.finish_within(Duration::from_secs(2)).code, Some(143));
        drop(gate);
        assert_eq!(first.finish().code, Some(0));
        assert_eq!(waits.finish_within(Duration::from_secs(20)).code, Some(0));
        world.set("ZERKALO_STATE_DIR", world.state().display().to_string());
    }
    // Nobody waits for a slot past its grace: it is judged when the work begins.
    let late =
        ["full-morning", "--skip", "iiko", "--skip", "stock", "--scheduled", "07:00", "--lock-wait", "1m"];
    world.set("ZERKALO_TEST_NOW", "2026-11-22T06:00:00Z");
    let gate = world.gate("/v1/deal");
    let first = world.start(&["sync", "fintablo"]);
    gate.wait();
    let waits = world.start(&late);
    std::thread::sleep(Duration::from_millis(2500));
    drop(gate);
    assert_eq!(first.finish().code, Some(0));
    assert_eq!(waits.finish_within(Duration::from_secs(20)).code, Some(12));
}

fn whatever_is_started_by_hand_waits_too(engine: Engine) {
    let mut world = with_readers(World::new(engine));
    world.expect(0, &["sync", "fintablo"]);
    world.sandbox.edit(|world| drop(world.fintablo.get_mut("direction").unwrap().pop()));
    world.expect(0, &["sync", "fintablo"]);
    readings(&world, "2026-11-22T05:00:00Z", "2026-11-22T20:00:00Z", 20);
    for host in ["state", "other-host"] {
        if engine == Engine::Sqlite && host == "other-host" {
            continue;
        }
        // The third holder is told of what the second one has left: deletion is off.
        for (holder, code, path, other) in [
            (&["sync", "fintablo"][..], 0, "/v1/deal", &["restore", "ft_direction"][..]),
            (&["sync", "fintablo"], 0, "/v1/deal", &["restore", "ft_direction", "--hold"]),
            (&["sync", "fintablo"], 4, "/v1/deal", &["restore", "ft_direction", "--release"]),
            (&["stoplist-report"], 0, "/sendMessage", &["stoplist-report"]),
        ] {
            world.set("ZERKALO_STATE_DIR", world.state().display().to_string());
            let gate = world.gate(path);
            let first = world.start(holder);
            gate.wait();
            world.set("ZERKALO_STATE_DIR", world.home.path().join(host).display().to_string());
            world.expect(11, other);
            let waits = world.start(&[other, &["--lock-wait", "1m"]].concat());
            std::thread::sleep(Duration::from_millis(1500));
            drop(gate);
            assert_eq!(first.finish().code, Some(code), "{holder:?}");
            let waited = waits.finish_within(Duration::from_secs(20));
            assert_eq!(waited.code, Some(0), "{other:?} {host}: {} {}", waited.stdout, waited.stderr);
            assert!(waited.stderr.contains("; waiting for it for up to "), "{}", waited.stderr);
            world.execute("delete from message_delivery");
        }
        world.set("ZERKALO_STATE_DIR", world.state().display().to_string());
    }
}

fn a_lock_file_that_is_deleted_while_held_stops_its_holder(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "fintablo"]);
    world.sandbox.edit(|world| {
        for deal in world.fintablo.get_mut("deal").unwrap() {
            deal["name"] = "renamed".into();
        }
    });
    let before = world.evidence();
    let gate = world.gate("/v1/deal");
    let first = world.start(&["sync", "fintablo", "--only", "ft_deal"]);
    gate.wait();
    let deleted = world.lock_files().into_iter().find(|path| path.ends_with("entity-ft_deal.lock")).unwrap();
    fs::remove_file(&deleted).unwrap();
    drop(gate);
    let first = first.finish();
    assert_eq!(first.code, Some(8), "{} {}", first.stdout, first.stderr);
    let said = first.step("ft_deal", None)["error"].as_str().unwrap().to_owned();
    assert!(said.contains("entity-ft_deal.lock was deleted while this run held it"), "{said}");
    assert_eq!(world.evidence(), before, "it wrote nothing");
    world.expect(0, &["sync", "fintablo"]);
    assert_ne!(world.evidence()["ft_deal"], before["ft_deal"]);
    world.assert_polite();
}

fn another_host_is_kept_from_the_same_iiko_session(engine: Engine) {
    if engine == Engine::Sqlite {
        return; // A file has one host.
    }
    let mut world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    let here = world.state().display().to_string();
    let there = world.home.path().join("other-host").display().to_string();
    for holder in [&["sync", "iiko"][..], &["sync", "iiko", "--dry-run"]] {
        let gate = world.gate("products/list");
        world.set("ZERKALO_STATE_DIR", here.as_str());
        let first = world.start(holder);
        gate.wait();
        world.set("ZERKALO_STATE_DIR", there.as_str());
        // Other tables, another schema, a plan: it is one login, and its licence may have one slot.
        for (schema, other) in [
            ("public", &["sync", "stock"][..]),
            ("public", &["sync", "stock", "--dry-run"]),
            ("second", &["sync", "stock"]),
        ] {
            world.set("DATABASE_SCHEMA", schema);
            let refused = world.expect(11, other);
            let said = refused.json["error"].as_str().unwrap();
            assert!(said.starts_with("the iiko session of demo is being used by zerkalo 01"), "{said}");
        }
        world.set("DATABASE_SCHEMA", "public");
        drop(gate);
        assert_eq!(first.finish().code, Some(0));
    }
    world.set("IIKO_LOGIN", "demo");
    world.expect(0, &["sync", "stock"]);
    world.assert_polite();
}
