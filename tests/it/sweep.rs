//! The N-th write, fsync, creation of a file, connection, request or answer fails, for every N: nothing is half written,
//! posted twice or lost, the exit code is one that is documented, and the next undisturbed run makes it good.
//!
//! The oracle is what is mirrored and the stand-in's ledger, never what the run said of itself.

use super::{
    expected::mirror,
    harness::{Engine, Outcome, World, on_both},
    inject::{Call, Failing, KINDS, can_inject},
    nights::Street,
    process::{program, skip},
    rows::Dump,
};
use serde_json::Value;
use std::{
    collections::BTreeSet, env, fmt::Write as _, fs, io::Write as _, process::Command, time::Duration,
};
use zerkalo::sandbox;

on_both!(
    a_night_survives_the_failure_of_any_call,
    a_table_survives_the_failure_of_any_call,
    a_morning_survives_the_failure_of_any_call,
);

/// The codes with which a run may end whose calls of a kind fail: never 1, and never with a word that only a person may
/// answer where a machine may simply start again.
fn may_end_with(kind: &str) -> &'static [i32] {
    match kind {
        "write" | "sync" | "create" => &[0, 8],
        "say" => &[0],
        "connect" => &[0, 3, 4, 5, 8],
        _ => &[0, 3, 4, 5, 8, 9],
    }
}

/// Whether the whole sweep is played: each call with each error, alone and with all later ones.
fn is_whole() -> bool {
    env::var("ZERKALO_TEST_SWEEP").is_ok_and(|asked| asked == "all")
}

/// The failures to play in a job that makes these calls: in the ordinary run one of each `stride` calls of a kind.
fn failures(calls: &[Call], stride: usize) -> Vec<Failing> {
    let mut failures = Vec::new();
    for (kind, errors) in KINDS {
        let count = calls.iter().filter(|call| call.kind == kind).count();
        let stride = if is_whole() { 1 } else { stride };
        // From the first call on, and beyond the last one: a failure may make more of them.
        for (round, at) in (1..=count + 2).step_by(stride).enumerate() {
            for (number, error) in errors.into_iter().enumerate() {
                for lasts in [false, true] {
                    if is_whole() || round % 4 == number * 2 + usize::from(lasts) {
                        failures.push(Failing { kind, at, lasts, error });
                    }
                }
            }
        }
    }
    failures
}

/// What came of a sweep.
#[derive(Default)]
struct Figures {
    played: usize,
    hit: usize,
    codes: BTreeSet<i32>,
    wrong: Vec<String>,
}

impl Figures {
    /// Counts one failure that was played.
    fn add(&mut self, failing: Failing, calls: &[Call], outcome: &Outcome, verdict: Result<(), String>) {
        self.played += 1;
        self.hit += usize::from(calls.iter().any(|call| call.failed));
        self.codes.extend(outcome.code);
        let code = outcome.code.unwrap_or(-1);
        let verdict = verdict.and_then(|()| {
            let expected = may_end_with(failing.kind);
            if expected.contains(&code) {
                Ok(())
            } else {
                Err(format!("exit {code} is none of {expected:?}"))
            }
        });
        if let Err(wrong) = verdict {
            let on = calls.iter().find(|call| call.failed).map_or("nothing", |call| call.on.as_str());
            let told = outcome.stderr.lines().take(6).collect::<Vec<_>>().join("\n  ");
            self.wrong.push(format!("{failing}, on {on}: exit {code}; {wrong}\n  {told}"));
        }
    }

    /// Tells what was played, and fails with all that went wrong.
    #[track_caller]
    fn end(self, engine: Engine, job: &str) {
        let Self { played, hit, codes, wrong } = self;
        let told = format!("{engine:?}, {job}: {played} failures, {hit} met a call, exit codes {codes:?}");
        let _ = writeln!(std::io::stderr().lock(), "{told}, {} wrong", wrong.len());
        assert!(hit * 2 > played, "{told}");
        let mut all = String::new();
        for wrong in &wrong {
            let _ = writeln!(all, "{wrong}");
        }
        assert!(wrong.is_empty(), "{told}\n{all}");
    }
}

const NIGHT: [&str; 5] = ["negative-transfer", "--scheduled", "23:00", "--grace", "55m"];

fn a_night_survives_the_failure_of_any_call(engine: Engine) {
    if !can_inject() {
        return;
    }
    let mut street = Street::new(engine);
    let documents = if is_whole() { 2 } else { 1 };
    street.trim(documents, 1);
    street.next_evening();
    street.set_clock(0);
    let (outcome, calls) = street.world.run_failing(&NIGHT, None);
    assert_eq!((outcome.code, street.moved()), (Some(0), documents), "{}", outcome.stderr);
    let mut figures = Figures::default();
    for failing in failures(&calls, 1) {
        street.next_evening();
        street.set_clock(0);
        let (outcome, calls) = street.world.run_failing(&NIGHT, Some(failing));
        let verdict = after_a_night(&mut street, &outcome);
        figures.add(failing, &calls, &outcome, verdict);
    }
    assert_eq!(street.world.sandbox.violations(), Vec::<String>::new());
    assert_sound(&street.world);
    figures.end(engine, "night");
}

/// Nothing moved twice or half, and the next run moves the rest.
fn after_a_night(street: &mut Street, outcome: &Outcome) -> Result<(), String> {
    let all = street.missing.len();
    street.sound()?;
    if outcome.code == Some(0) && street.moved() != all {
        return Err(format!("{} of {all} lines moved", street.moved()));
    }
    if outcome.code == Some(0) && !is_whole() {
        return Ok(());
    }
    street.set_clock(10);
    let next = street.world.run(&NIGHT);
    street.sound()?;
    match (next.code, street.moved()) {
        (Some(0), moved) if moved == all => Ok(()),
        (code, moved) => Err(format!("then {code:?}, {moved} of {all} lines moved: {}", next.stderr)),
    }
}

fn assert_sound(world: &World) {
    if world.engine == Engine::Sqlite {
        assert_eq!(world.query("pragma integrity_check"), [[Some("ok".to_owned())]]);
    }
}

/// A world of few records, mirrored.
fn small(engine: Engine) -> World {
    let options = sandbox::Options {
        // A login whose answer is lost holds a licence.
        licences: 100_000,
        latency: Duration::ZERO,
        fintablo_limit: usize::MAX,
        ..sandbox::Options::default()
    };
    let world = World::with(engine, options);
    world.sandbox.edit(|world| {
        world.balances.truncate(5);
        let products: Vec<Value> = world.balances.iter().map(|row| row["product"].clone()).collect();
        world.products.retain(|product| products.contains(&product["id"]));
        let lists = [&mut world.departments, &mut world.stores, &mut world.groups, &mut world.product_groups];
        let more = [&mut world.suppliers, &mut world.employees, &mut world.roles];
        for list in lists.into_iter().chain(more).chain(world.fintablo.values_mut()) {
            list.truncate(5);
        }
    });
    world.expect(0, &["full-morning"]);
    world
}

/// Changes a record of every table that is mirrored.
fn change(world: &World, round: usize) {
    world.sandbox.edit(|world| {
        let lists = [&mut world.departments, &mut world.stores, &mut world.groups, &mut world.product_groups];
        let more = [&mut world.products, &mut world.suppliers, &mut world.employees, &mut world.roles];
        for list in lists.into_iter().chain(more).chain(world.fintablo.values_mut()) {
            let place = round % list.len();
            list[place]["name"] = format!("name {round}").into();
        }
        for row in &mut world.balances {
            row["amount"] = (round + 1).into();
        }
    });
}

fn a_table_survives_the_failure_of_any_call(engine: Engine) {
    sweep_of_mornings(engine, &["sync", "iiko", "--only", "iiko_group"], 1);
}

fn a_morning_survives_the_failure_of_any_call(engine: Engine) {
    sweep_of_mornings(engine, &["full-morning"], 40);
}

fn sweep_of_mornings(engine: Engine, job: &[&str], stride: usize) {
    if !can_inject() {
        return;
    }
    let world = small(engine);
    change(&world, 0);
    let before = world.evidence();
    let (outcome, calls) = world.run_failing(job, None);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let after = world.evidence();
    let touched: BTreeSet<String> = after
        .iter()
        .filter(|(table, rows)| **rows != before[*table])
        .map(|(table, _)| table.clone())
        .collect();
    assert!(!touched.is_empty());
    let mut figures = Figures::default();
    for (round, failing) in failures(&calls, stride).into_iter().enumerate() {
        change(&world, round + 1);
        let before = world.evidence();
        let (outcome, calls) = world.run_failing(job, Some(failing));
        let verdict = after_a_morning(&world, job, &touched, &before, &outcome);
        figures.add(failing, &calls, &outcome, verdict);
    }
    assert_eq!(world.sandbox.violations(), Vec::<String>::new());
    assert_sound(&world);
    figures.end(engine, job[0]);
}

/// Each table is as it was or as it is to be, and the next run brings the rest.
fn after_a_morning(
    world: &World,
    job: &[&str],
    touched: &BTreeSet<String>,
    before: &Dump,
    outcome: &Outcome,
) -> Result<(), String> {
    let expected = mirror(&world.sandbox.world());
    let (evidence, now) = (world.evidence(), world.dump());
    let is_old = |table: &String| evidence[table] == before[table];
    let is_new = |table: &String| now[table] == expected[table];
    if let Some(table) = now.keys().find(|table| !is_old(table) && !is_new(table)) {
        return Err(format!("{table} is half written"));
    }
    if outcome.code == Some(0) {
        let old: Vec<_> = touched.iter().filter(|table| !is_new(table)).collect();
        return if old.is_empty() { Ok(()) } else { Err(format!("{old:?} were not written")) };
    }
    let next = world.run(job);
    let now = world.dump();
    let old: Vec<_> = touched.iter().filter(|table| now[*table] != expected[*table]).collect();
    if next.code == Some(0) && old.is_empty() {
        return Ok(());
    }
    Err(format!("then {:?}, {old:?} were not written: {}", next.code, next.stderr))
}

/// A rename is asked of the kernel itself, where only `strace` can make it fail.
#[test]
fn a_file_that_cannot_be_replaced_stays_as_it_was() {
    const RENAMES: &str = "rename,renameat,renameat2";
    let strace = program("strace").filter(|strace| {
        let tried = Command::new(strace).args(["-f", "-qq", "-e", "trace=none", "true"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    });
    let Some(strace) = strace else {
        return skip("no strace that may trace, so no rename fails");
    };
    let mut world = World::new(Engine::Sqlite);
    let folder = world.home.path().join("metrics");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("zerkalo.prom");
    world.set("ZERKALO_METRICS_FILE", file.display().to_string());
    let job = ["sync", "iiko", "--only", "iiko_group"];
    world.expect(0, &job);
    let before = fs::read_to_string(&file).unwrap();
    for error in ["ENOSPC", "EIO"] {
        let own = world.command(&job);
        let mut traced = Command::new(&strace);
        traced.args(["-f", "-qq", "-o"]).arg(world.home.path().join("trace"));
        traced.args(["-e", &format!("trace={RENAMES}"), "-e", &format!("inject={RENAMES}:error={error}")]);
        traced.arg(own.get_program()).args(own.get_args()).arg("--json").env_clear();
        traced.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let outcome: Outcome = traced.current_dir(world.home.path()).output().unwrap().into();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("the metrics file"), "{error}: {}", outcome.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    }
    let outcome = world.expect(0, &job);
    assert!(!outcome.stderr.contains("the metrics file"), "{}", outcome.stderr);
    assert_ne!(fs::read_to_string(&file).unwrap(), before);
}
