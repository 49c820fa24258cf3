//! `PostgreSQL` goes away while a run works: nothing is lost, nothing is there twice, and what became of a commit whose
//! answer was lost is found out. Sizes by `ZERKALO_TEST_OUTAGES`.

use super::{
    harness::{Engine, Outcome, World},
    kills::{assert_made_good, change, expected},
    nights::Street,
    postgres::{self, Server},
    process::{Dice, number_from},
    proxy::{Proxy, When, Where},
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};
use zerkalo::sandbox;

/// A server of its own, which a story may stop; none where `PostgreSQL` is not installed.
fn server() -> Option<Server> {
    postgres::server().map(|_| Server::own())
}

fn rounds(default: u64) -> u64 {
    number_from("ZERKALO_TEST_OUTAGES", default)
}

fn dice() -> Dice {
    Dice(number_from("ZERKALO_TEST_SEED", 20_261_122))
}

/// No run has logged a table twice, whatever it believed of its commits.
#[track_caller]
fn assert_logged_once(world: &World) {
    let mut seen = BTreeMap::new();
    for row in world.log() {
        let text = |name: &str| row[name].clone().unwrap_or_default();
        *seen.entry([text("run_id"), text("entity_type"), text("scope")]).or_insert(0) += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// What a run that lost its connection said of each table is so.
#[track_caller]
fn assert_true_to_its_word(world: &World, outcome: &Outcome) {
    assert!(matches!(outcome.code, Some(0 | 8)), "{:?}: {}{}", outcome.code, outcome.stdout, outcome.stderr);
    let log = world.log_of(outcome.run_id());
    for step in outcome.json["steps"].as_array().into_iter().flatten() {
        let name = step["entity"].as_str().unwrap();
        let row = log.iter().find(|row| row["entity_type"].as_deref() == Some(name));
        if step["status"] == "success" {
            let row = row.unwrap_or_else(|| panic!("{name} is a success and not in the log"));
            assert_eq!(row["status"].as_deref(), Some("success"), "{name}: {row:?}");
            assert_eq!(row["updated"], Some(step["updated"].to_string()), "{name}");
        } else if let Some(row) = row {
            assert_eq!(row["status"].as_deref(), Some("error"), "{step}: {row:?}\n{}", outcome.stderr);
        }
    }
}

#[test]
fn a_server_that_is_stopped_or_loses_a_process_costs_a_run_at_most() {
    let Some(server) = server() else { return };
    let world = World::on(&server);
    world.expect(0, &["full-morning"]);
    let mut dice = dice();
    let started = Instant::now();
    change(&world, &mut dice);
    world.expect(0, &["full-morning"]);
    let usual = started.elapsed();
    let (mut survived, mut failed) = (0, 0);
    for round in 0..rounds(4) {
        change(&world, &mut dice);
        world.sandbox.clear_journal();
        let run = world.start(&["full-morning"]);
        thread::sleep(usual.mul_f64(dice.below(1000) as f64 / 1000.0));
        match round % 4 {
            0 => server.restart("fast"),
            1 => server.restart("immediate"),
            2 => drop(world.query(
                "select cast(pg_terminate_backend(pid) as text) from pg_stat_activity
                 where application_name like 'zerkalo%' and pid <> pg_backend_pid()",
            )),
            // The server kills every other process when one of them has died so.
            _ => server.crash(),
        }
        let outcome = run.finish_within(Duration::from_secs(40));
        server.wait_until_up();
        assert_true_to_its_word(&world, &outcome);
        if outcome.code == Some(0) {
            survived += 1;
        } else {
            failed += 1;
        }
        assert_logged_once(&world);
        assert_made_good(&world, &expected(&world));
    }
    assert_eq!(world.expect(0, &["full-morning", "--verify"]).totals(), [0, 0, 0]);
    let told = format!("{} outages: {survived} runs went on, {failed} ended with 8", survived + failed);
    let _ = writeln!(std::io::stderr().lock(), "{told}");
}

#[test]
fn a_commit_whose_answer_is_lost_is_looked_up_and_not_repeated() {
    let Some(server) = postgres::server() else { return };
    let mut world = World::new(Engine::Postgres);
    world.expect(0, &["sync", "fintablo"]);
    let deals = |world: &World| world.asked().iter().filter(|path| path.contains("/deal")).count();
    let pages = deals(&world);
    let proxy = Proxy::before(server);
    world.set("DATABASE_URL", proxy.url(&world.database));
    for (number, when) in [When::Unsent, When::Unanswered, When::Unheard].into_iter().enumerate() {
        for bulk in ["2000", "1"] {
            world.set("ZERKALO_BULK_THRESHOLD", bulk);
            world.sandbox.edit(|world| {
                for deal in world.fintablo.get_mut("deal").unwrap() {
                    deal["name"] = format!("{number} {bulk}").into();
                }
            });
            world.sandbox.clear_journal();
            proxy.cut(Where::Text("zerkalo_expect"), when);
            let run = world.expect(0, &["sync", "fintablo", "--only", "ft_deal"]);
            assert_eq!(proxy.rest().1, 1, "{when:?}, {bulk}: nothing was cut");
            assert!(run.stderr.contains("the connection was lost and is made again"), "{}", run.stderr);
            // Read once more only where nothing had been committed.
            let read = deals(&world);
            match when {
                When::Unsent => assert_eq!(read, 2 * pages, "{bulk}"),
                When::Unanswered => assert!(read == pages || read == 2 * pages, "{bulk}: {read}"),
                When::Unheard => assert_eq!(read, pages, "{bulk}"),
            }
            assert_eq!(run.counts("ft_deal")[1], world.count("ft_deal") as u64);
            assert_true_to_its_word(&world, &run);
            assert_logged_once(&world);
            let names = world.query("select distinct name from ft_deal");
            assert_eq!(names, [[Some(format!("{number} {bulk}"))]]);
        }
    }
    // A server that does not come back is exit 8, once, and the next run makes it good.
    world.sandbox.edit(|world| world.fintablo.get_mut("deal").unwrap()[0]["name"] = "last".into());
    proxy.cut_for_good(Where::Text("zerkalo_expect"), When::Unheard);
    let lost = world.expect(8, &["sync", "fintablo", "--only", "ft_deal"]);
    assert_eq!(lost.step("ft_deal", None)["status"], "error");
    proxy.rest();
    world.expect(0, &["sync", "fintablo"]);
    assert_logged_once(&world);
}

#[test]
fn a_morning_that_is_cut_anywhere_is_whole_in_the_end() {
    let Some(server) = postgres::server() else { return };
    let mut world = World::new(Engine::Postgres);
    let proxy = Proxy::before(server);
    world.set("DATABASE_URL", proxy.url(&world.database));
    world.expect(0, &["full-morning"]);
    let mut dice = dice();
    change(&world, &mut dice);
    proxy.rest();
    world.expect(0, &["full-morning"]);
    let (turns, _) = proxy.rest();
    let (mut survived, mut failed, mut missed) = (0, 0, 0);
    for round in 0..rounds(6) {
        change(&world, &mut dice);
        world.sandbox.clear_journal();
        let when = [When::Unsent, When::Unanswered, When::Unheard][usize::try_from(round % 3).unwrap()];
        proxy.cut(Where::Turn(1 + usize::try_from(dice.below(turns as u64)).unwrap()), when);
        let outcome = world.run(&["full-morning"]);
        let (_, cuts) = proxy.rest();
        missed += usize::from(cuts == 0);
        assert_true_to_its_word(&world, &outcome);
        if outcome.code == Some(0) {
            survived += 1;
        } else {
            failed += 1;
        }
        assert_logged_once(&world);
        assert_made_good(&world, &expected(&world));
    }
    assert_eq!(world.expect(0, &["full-morning", "--verify"]).totals(), [0, 0, 0]);
    let told = format!(
        "cut at one of {turns} turns: {survived} went on, {failed} ended with 8, {missed} were not cut"
    );
    let _ = writeln!(std::io::stderr().lock(), "{told}");
}

#[test]
fn a_night_that_is_cut_anywhere_moves_everything_once() {
    let Some(server) = postgres::server() else { return };
    let options = sandbox::Options { licences: 100_000, ..sandbox::Options::default() };
    let mut street = Street::with(Engine::Postgres, options);
    let proxy = Proxy::before(server);
    street.world.set("DATABASE_URL", proxy.url(&street.world.database));
    let mut dice = dice();
    let night = ["negative-transfer", "--scheduled", "23:00", "--grace", "55m"];
    street.next_evening();
    street.set_clock(0);
    street.world.expect(0, &night);
    let (turns, _) = proxy.rest();
    let (mut whole, mut resumed) = (0, 0);
    for round in 0..rounds(9) {
        street.next_evening();
        let when = [When::Unsent, When::Unanswered, When::Unheard][usize::try_from(round % 3).unwrap()];
        proxy.cut(Where::Turn(1 + usize::try_from(dice.below(turns as u64)).unwrap()), when);
        let mut codes = Vec::new();
        for start in 0..4 {
            street.set_clock(10 * start);
            let outcome = street.world.run(&night);
            codes.push(outcome.code);
            if outcome.code == Some(0) {
                break;
            }
            assert_eq!(outcome.code, Some(8), "{when:?}: {} {}", outcome.stdout, outcome.stderr);
        }
        proxy.rest();
        assert_eq!(codes.last(), Some(&Some(0)), "round {round}, {when:?}: {codes:?}");
        assert_eq!(street.moved(), 9, "round {round}, {when:?}: every line has moved once: {codes:?}");
        street.assert_sound();
        if codes.len() == 1 { whole += 1 } else { resumed += 1 }
    }
    let told =
        format!("nights cut at one of {turns} turns: {whole} went on, {resumed} were resumed after exit 8");
    let _ = writeln!(std::io::stderr().lock(), "{told}");
}
