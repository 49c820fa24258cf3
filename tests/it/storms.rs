//! Many starts at once: one works, and the others leave at once. Rounds by `ZERKALO_TEST_STARTS`.

use super::{
    harness::{Engine, World, block_on, on_both},
    process::{Running, number_from, until},
};
use std::{
    io::Write as _,
    thread,
    time::{Duration, Instant},
};
use zerkalo::{store::migrate::Dialect, tables::FINTABLO};

on_both!(of_64_starts_one_works_and_the_others_leave_within_a_second, first_runs_at_once_make_one_schema);

const STARTS: usize = 64;

fn rounds() -> u64 {
    number_from("ZERKALO_TEST_STARTS", 3)
}

/// What the losers of a round took: by their own clock, and from before they were started to after their end, which on a
/// busy machine is mostly the waiting for a processor.
#[derive(Default)]
struct Times {
    own: Vec<u64>,
    whole: Vec<u64>,
}

fn of_64_starts_one_works_and_the_others_leave_within_a_second(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["migrate"]);
    let mut times = Times::default();
    let other = world.home.path().join("other-host").display().to_string();
    let here = world.state().display().to_string();
    for round in 1..=rounds() {
        let gate = world.gate("/v1/category");
        let mut starts: Vec<(Instant, Running)> = Vec::new();
        for number in 0..STARTS {
            // Two state directories are two hosts.
            world.set("ZERKALO_STATE_DIR", if number % 2 == 0 { &here } else { &other }.as_str());
            starts.push((Instant::now(), world.start(&["sync", "fintablo"])));
        }
        gate.wait();
        let mut ended = vec![None; STARTS];
        until("all but one have left", || {
            for (at, (_, run)) in starts.iter_mut().enumerate() {
                if ended[at].is_none() && !run.is_running() {
                    ended[at] = Some(Instant::now());
                }
            }
            ended.iter().flatten().count() == STARTS - 1
        });
        drop(gate);
        let mut worked = 0;
        for ((began, run), ended) in starts.into_iter().zip(ended) {
            let outcome = run.finish();
            let Some(ended) = ended else {
                assert_eq!(outcome.code, Some(0), "round {round}: {}", outcome.stderr);
                worked += 1;
                continue;
            };
            assert_eq!(outcome.code, Some(11), "round {round}: {} {}", outcome.stdout, outcome.stderr);
            assert!(outcome.json["error"].as_str().unwrap().contains("is being used by"), "{}", outcome.json);
            times.own.push(outcome.json["duration_ms"].as_u64().unwrap());
            times.whole.push(u64::try_from((ended - began).as_millis()).unwrap());
        }
        assert_eq!(worked, 1, "round {round}");
        let log = world.query("select cast(count(distinct run_id) as text) from iiko_sync_log");
        assert_eq!(log, [[Some(round.to_string())]], "one run a round is logged");
    }
    times.own.sort_unstable();
    times.whole.sort_unstable();
    let (own, whole) = (&times.own, &times.whole);
    let at = |times: &[u64], share: usize| times[(times.len() - 1) * share / 100];
    let told = format!(
        "{engine:?}: {STARTS} starts at once, {} times: one worked each time; the others left after {} ms (99 %: {}, last: \
         {}) by their own clock, {} ms (99 %: {}, last: {}) as processes",
        rounds(),
        at(own, 50),
        at(own, 99),
        at(own, 100),
        at(whole, 50),
        at(whole, 99),
        at(whole, 100),
    );
    let _ = writeln!(std::io::stderr().lock(), "{told}");
    assert!(at(own, 50) < 1000, "{told}");
    assert_eq!(world.sandbox.violations(), Vec::<String>::new());
}

fn first_runs_at_once_make_one_schema(engine: Engine) {
    for round in 0..rounds() {
        let world = World::new(engine);
        // Tables apart, so that none of them is kept out by another's lock.
        let tables: Vec<&str> = FINTABLO.iter().map(|entity| entity.table.name).take(8).collect();
        let starts: Vec<Running> =
            tables.iter().map(|table| world.start(&["sync", "fintablo", "--only", table])).collect();
        for (table, start) in tables.iter().zip(starts) {
            let outcome = start.finish_within(Duration::from_secs(60));
            assert_eq!(
                outcome.code,
                Some(0),
                "round {round}, {table}: {} {}",
                outcome.stdout,
                outcome.stderr
            );
        }
        let versions = world.query("select cast(version as text) from zerkalo_migration order by version");
        let dialect = if engine == Engine::Sqlite { Dialect::Sqlite } else { Dialect::Postgres };
        assert_eq!(versions.len(), dialect.steps(0).len(), "each migration ran once");
        for table in tables {
            assert!(world.count(table) > 0, "{table}");
        }
        // Nobody is still ending when the world goes.
        block_on(async { tokio::task::yield_now().await });
        thread::sleep(Duration::from_millis(10));
    }
}
