//! A run that is killed loses nothing, leaves no table half written and stands in nobody's way.

use super::{
    expected::{assert_same, mirror},
    harness::{Engine, World, on_both},
    process::{Blocker, Dice, ended_without_a_word, number_from},
    rows::Dump,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};
use zerkalo::sandbox::{self, Action, Fault, SessionEvent};

on_both!(
    killed_at_any_moment_a_morning_is_made_good_by_the_next,
    a_kill_during_the_login_is_told_by_the_next_run,
    a_kill_in_the_middle_of_an_answer_changes_nothing,
    a_kill_while_writing_leaves_all_or_nothing,
    a_kill_during_the_log_out_is_made_good,
);

/// Changes a part of everything that is mirrored.
pub(super) fn change(world: &World, dice: &mut Dice) {
    let large = dice.below(5) == 0;
    world.sandbox.edit(|world| {
        let lists = [&mut world.departments, &mut world.stores, &mut world.groups, &mut world.product_groups];
        let more = [&mut world.products, &mut world.suppliers, &mut world.employees, &mut world.roles];
        let all = lists.into_iter().chain(more).chain(world.fintablo.values_mut());
        for list in all {
            for record in list.iter_mut() {
                if large || dice.below(20) == 0 {
                    record["name"] = format!("name {}", dice.below(1000)).into();
                }
            }
            let len = list.len() as u64;
            // A list that shrank to a round length may be a page of it, so nothing of it is deleted.
            let left = len.saturating_sub(1);
            let round = left.is_multiple_of(5) || left.is_power_of_two();
            if len > 20 && !round && dice.below(3) == 0 {
                list.remove(usize::try_from(dice.below(len)).unwrap());
            }
        }
        for row in &mut world.balances {
            if large || dice.below(10) == 0 {
                row["amount"] = json!(dice.below(100_000));
            }
        }
        let mut copy: Value = world.products[usize::try_from(dice.below(200)).unwrap()].clone();
        copy["id"] = format!("{:08x}-0000-4000-8000-000000000000", dice.below(1 << 32)).into();
        world.products.push(copy);
    });
}

/// Whether the killed run's session can be ended by nobody. It may be so in one case only: the server answered the
/// login, and the run was killed before it had written the token down.
fn leaked(world: &World) -> bool {
    // A request that was sent before the kill may be handled after it.
    thread::sleep(Duration::from_millis(30));
    let token = |path: &PathBuf| !["", "logging in"].contains(&fs::read_to_string(path).unwrap().as_str());
    let known = world.session_files().iter().any(token);
    if known || world.sandbox.open_sessions() == 0 {
        return false;
    }
    let journal = world.sandbox.journal();
    // A run that was killed before it asked anything has opened none: it is that of the run before, and has its hour.
    let Some(last) = journal.iter().rfind(|entry| entry.upstream == "iiko") else { return false };
    assert_eq!(
        last.event,
        Some(SessionEvent::Opened),
        "its token was used, but is written nowhere: {last:?}"
    );
    true
}

/// An hour passes: the server forgets the session when the next login comes.
fn pass_an_hour(world: &World) {
    world.sandbox.fault(Fault::new("/auth", Action::ExpireToken));
}

/// Every table is as it was or as it is to be; how many are as they are to be.
#[track_caller]
fn assert_each_table_is_whole(world: &World, before: &Dump, after: &Dump) -> usize {
    let now = world.evidence();
    let written =
        now.iter().filter(|(table, rows)| **rows != before[*table]).map(|(table, _)| table.as_str());
    let written: Vec<&str> = written.collect();
    for table in &written {
        let mut rows = world.rows(table);
        for row in &mut rows {
            row.retain(|name, _| !["synced_at", "row_hash"].contains(&name.as_str()));
        }
        rows.sort();
        assert!(
            rows == after[*table],
            "{table} is half written: {} rows of {}",
            rows.len(),
            after[*table].len()
        );
    }
    written.len()
}

fn assert_sound(world: &World) {
    if world.engine == Engine::Sqlite {
        assert_eq!(world.query("pragma integrity_check"), [[Some("ok".to_owned())]]);
    }
}

/// What the mirror is to hold. The world is locked no longer than this takes: the next run must be answered.
pub(super) fn expected(world: &World) -> Dump {
    mirror(&world.sandbox.world())
}

/// The run after a kill: it succeeds, and all is as if nobody had been killed.
#[track_caller]
pub(super) fn assert_made_good(world: &World, expected: &Dump) {
    let killed = world.holders();
    world.expect(0, &["full-morning"]);
    assert_same(&world.dump(), expected);
    let log = world.log();
    for (run, table) in &killed {
        let row = log.iter().find(|row| {
            row["run_id"].as_deref() == Some(run) && row["entity_type"].as_deref() == Some(table)
        });
        let row = row.unwrap_or_else(|| panic!("the log does not tell of {run}, {table}"));
        assert!(row["status"].as_deref() == Some("success") || ended_without_a_word(row), "{row:?}");
    }
    assert_eq!(world.holders(), [], "the locks are free and told of");
    assert_eq!(world.session_files().len(), 0);
    assert_sound(world);
    world.assert_polite();
}

fn killed_at_any_moment_a_morning_is_made_good_by_the_next(engine: Engine) {
    let seed = number_from("ZERKALO_TEST_SEED", 20_261_122);
    let rounds = number_from("ZERKALO_TEST_KILLS", 10);
    let mut dice = Dice(seed);
    // A second licence, so that a second session would be seen.
    let world = World::with(engine, sandbox::Options { licences: 2, ..sandbox::Options::default() });
    world.expect(0, &["full-morning"]);
    change(&world, &mut dice);
    let usual = Instant::now();
    world.expect(0, &["full-morning"]);
    let usual = usual.elapsed();
    let (mut kills, mut late, mut leaks, mut half) = (0, 0, 0, 0);
    for round in 0..rounds {
        change(&world, &mut dice);
        let before = world.evidence();
        let after = mirror(&world.sandbox.world());
        for _ in 0..=dice.below(5) / 4 {
            world.sandbox.clear_journal();
            let run = world.start(&["full-morning"]);
            let moment = usual.mul_f64(dice.below(1000) as f64 / 1000.0);
            thread::sleep(moment);
            if !run.kill() {
                late += 1;
                continue;
            }
            kills += 1;
            let written = assert_each_table_is_whole(&world, &before, &after);
            half += u64::from(written > 0 && written < before.len());
            assert_sound(&world);
            if leaked(&world) {
                leaks += 1;
                pass_an_hour(&world);
            }
        }
        let told = format!("round {round} of seed {seed}");
        assert_eq!(world.sandbox.violations(), Vec::<String>::new(), "{told}");
        assert_made_good(&world, &after);
    }
    assert_eq!(world.expect(0, &["full-morning", "--verify"]).totals(), [0, 0, 0]);
    let told = format!(
        "{engine:?}: {kills} kills of seed {seed} ({late} came too late), {half} between two tables, {leaks} sessions lost in the login"
    );
    let _ = writeln!(std::io::stderr().lock(), "{told}");
}

fn a_kill_during_the_login_is_told_by_the_next_run(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let run = world.start_and_hold(&["sync", "iiko"], "/auth", Duration::from_mins(1));
    assert!(run.kill());
    assert!(leaked(&world), "nobody heard the token");
    let next = world.expect(6, &["sync", "iiko"]);
    let step = next.step("iiko_product", None);
    let said = step["error"].as_str().unwrap();
    assert!(said.starts_with("iiko refuses the login (403): License enhancement is required"), "{said}");
    assert!(step["hint"].as_str().unwrap().contains("killed while it was logging in"), "{step}");
    assert!(world.dump().values().all(Vec::is_empty));
    pass_an_hour(&world);
    assert_made_good(&world, &expected(&world));
}

fn a_kill_in_the_middle_of_an_answer_changes_nothing(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let before = world.dump();
    let drip = Action::Drip { bytes_per_second: 20_000, head: false };
    change(&world, &mut Dice(1));
    world.sandbox.fault(Fault::new("products/list", drip));
    world.sandbox.clear_journal();
    let run = world.start(&["full-morning"]);
    world.until_asked("products/list");
    thread::sleep(Duration::from_millis(500));
    assert!(run.kill());
    assert!(!leaked(&world) && world.sandbox.open_sessions() == 1);
    assert_eq!(world.dump()["iiko_product"], before["iiko_product"]);
    assert_made_good(&world, &expected(&world));
}

fn a_kill_while_writing_leaves_all_or_nothing(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["full-morning"]);
    for bulk in ["2000", "10"] {
        world.set("ZERKALO_BULK_THRESHOLD", bulk);
        let before = world.evidence();
        world.sandbox.edit(|world| {
            for product in &mut world.products {
                product["description"] = format!("bulk {bulk}").into();
            }
        });
        let blocker = Blocker::new(&world);
        world.sandbox.clear_journal();
        let run = world.start_and_hold(&["sync", "iiko"], "/employees", Duration::from_mins(1));
        thread::sleep(Duration::from_millis(300));
        assert!(run.kill());
        blocker.go();
        assert_each_table_is_whole(&world, &before, &mirror(&world.sandbox.world()));
        assert!(!leaked(&world));
        assert_made_good(&world, &expected(&world));
    }
}

fn a_kill_during_the_log_out_is_made_good(engine: Engine) {
    let world = World::new(engine);
    let run = world.start_and_hold(&["full-morning"], "/logout", Duration::from_mins(1));
    thread::sleep(Duration::from_millis(100));
    assert!(run.kill());
    assert_eq!(world.session_files().len(), 1, "whether the server heard it is not known");
    assert_same(&world.dump(), &mirror(&world.sandbox.world()));
    assert_made_good(&world, &expected(&world));
}
