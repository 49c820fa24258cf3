//! Answers that come to harm on their way while HTTP sees nothing wrong, and those that are cut or foreign. What any reader
//! can tell changes nothing; what nobody can tell does no more harm than stands at the damaged place; and the next run
//! that is not disturbed makes all of it good. Bodies by `ZERKALO_TEST_DAMAGES`.

use super::{
    damages_oracle::{self as oracle, Class, Fate, Figures, Hit, Judge, Snapshot},
    desk::Desk,
    expected::assert_same,
    harness::{Engine, Outcome, World, on_both},
    kills::{change, expected},
    process::{Dice, number_from},
    rows::Dump,
    stoplist::{BAR, HALL, PIER, assert_the_history_follows, edit, product, stop, world as stoplist_world},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    any::Any,
    collections::BTreeSet,
    env,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};
use zerkalo::sandbox::{self, Action, Fault};

on_both!(
    mornings_with_damaged_answers_lose_nothing,
    stoplists_with_damaged_answers_lose_nothing,
    sheets_with_damaged_answers_lose_nothing,
);

/// The lists of a morning: the end of a path, its table, and fewer bytes than such an answer has.
const LISTS: [(&str, &str, usize); 23] = [
    ("/v2/entities/list$", "iiko_entity", 4_000),
    ("/corporation/departments$", "iiko_department", 400),
    ("/corporation/stores$", "iiko_store", 400),
    ("/corporation/groups$", "iiko_group", 200),
    ("/products/group/list$", "iiko_product_group", 400),
    ("/products/list$", "iiko_product", 50_000),
    ("/suppliers$", "iiko_supplier", 400),
    ("/api/employees$", "iiko_employee", 4_000),
    ("/api/employees/roles$", "iiko_employee_role", 400),
    ("/balance/stores$", "stock_balance", 50_000),
    ("/v1/category$", "ft_category", 40),
    ("/v1/moneybag$", "ft_moneybag", 40),
    ("/v1/partner$", "ft_partner", 40),
    ("/v1/direction$", "ft_direction", 40),
    ("/v1/moneybag-group$", "ft_moneybag_group", 40),
    ("/v1/goods$", "ft_goods", 40),
    ("/v1/obtaining$", "ft_obtaining", 40),
    ("/v1/job$", "ft_job", 40),
    ("/v1/deal$", "ft_deal", 20),
    ("/v1/obligation-status$", "ft_obligation_status", 40),
    ("/v1/obligation$", "ft_obligation", 40),
    ("/v1/pnl-category$", "ft_pnl_category", 40),
    ("/v1/employees$", "ft_employee", 40),
];

/// How many runs a world lives through, and after how many a run is undisturbed.
const RUNS: u64 = 24;
const STRETCH: u64 = 4;

/// One world's life.
struct Chapter<'a> {
    dice: Dice,
    /// Its number and seed, to play it again.
    name: String,
    figures: &'a mut Figures,
    /// How many bodies there are to be in all.
    wanted: u64,
}

impl Chapter<'_> {
    fn is_over(&self) -> bool {
        self.figures.bodies >= self.wanted
    }

    fn check(&mut self, what: &str, found: Result<(), String>) {
        if let Err(wrong) = found {
            let wrong = format!("{}, {what}: {wrong}", self.name);
            let _ = writeln!(std::io::stderr().lock(), "WRONG: {wrong}");
            self.figures.wrong.push(wrong);
        }
    }
}

/// Plays chapters until so many damaged bodies have come, of a share of all in a hundred.
fn play(engine: Engine, what: &str, share: u64, chapter: fn(Engine, &mut Chapter<'_>)) {
    let seed = number_from("ZERKALO_TEST_SEED", 20_261_122);
    let wanted = (number_from("ZERKALO_TEST_DAMAGES", 60) * share / 100).max(1);
    let alone = env::var("ZERKALO_TEST_DAMAGE").ok().map(|number| number.parse::<u64>().unwrap());
    let mut figures = Figures::default();
    for number in alone.unwrap_or(1).. {
        if figures.bodies >= wanted || figures.wrong.len() > 20 || alone.is_some_and(|alone| number > alone) {
            break;
        }
        let dice = Dice(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9)));
        let name = format!("{what} {number} of seed {seed}");
        let mut played = Chapter { dice, name: name.clone(), figures: &mut figures, wanted };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| chapter(engine, &mut played))) {
            figures.wrong.push(format!("{name}: {}", told(panic.as_ref())));
        }
        // A long run that is ended has told what it had come to.
        let _ =
            writeln!(std::io::stderr().lock(), "{engine:?}, {what}s 1 to {number} of seed {seed}: {figures}");
    }
    assert!(figures.wrong.is_empty(), "{}", figures.wrong.join("\n\n"));
}

fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// How often paths that end so were asked for since the journal was cleared.
fn asked(world: &World, end: &str) -> usize {
    world.sandbox.journal().iter().filter(|entry| entry.path.ends_with(end)).count()
}

/// Nothing is left over.
fn left_alone(world: &World) -> Result<(), String> {
    let (violations, holders) = (world.sandbox.violations(), world.holders());
    let writes: Vec<_> = world
        .sandbox
        .journal()
        .into_iter()
        .filter(|entry| entry.write && entry.upstream != "google")
        .collect();
    let (sessions, files) = (world.sandbox.open_sessions(), world.session_files().len());
    if violations.is_empty() && holders.is_empty() && writes.is_empty() && sessions == 0 && files == 0 {
        return Ok(());
    }
    Err(format!("{violations:?} {holders:?} {writes:?}, {sessions} sessions, {files} session files"))
}

/// An undisturbed run makes all good. What it must not delete by itself, because damaged answers had put it there and the
/// list is as long as a page might be, goes by the flag that the run names.
fn assert_made_good(world: &World, expected: &Dump) {
    let outcome = world.run(&["full-morning"]);
    if outcome.code == Some(4) {
        let mut arguments = vec!["full-morning".to_owned()];
        for step in outcome.steps().iter().filter(|step| step["status"] == "warning") {
            let hint = step["hint"].as_str().unwrap_or_default();
            let flag = hint
                .split_once("--allow-delete ")
                .map(|(_, flag)| flag.split([' ', ';', ',']).next().unwrap());
            let flag = flag.unwrap_or_else(|| panic!("no way out: {step}"));
            arguments.extend(["--allow-delete".to_owned(), flag.to_owned()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        world.expect(0, &arguments);
    } else {
        assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
    }
    assert_same(&world.dump(), expected);
    left_alone(world).unwrap();
    world.assert_polite();
}

fn mornings_with_damaged_answers_lose_nothing(engine: Engine) {
    play(engine, "morning", 94, mornings);
}

/// A world for mornings, with its mirror filled.
fn morning_world(engine: Engine) -> World {
    let world =
        World::with(engine, sandbox::Options { fintablo_limit: 1_000_000, ..sandbox::Options::default() });
    world.expect(0, &["full-morning"]);
    world
}

fn mornings(engine: Engine, chapter: &mut Chapter<'_>) {
    let mut world = morning_world(engine);
    let mut before = Snapshot::of(&world);
    for run in 1..=RUNS {
        change(&world, &mut chapter.dice);
        let again = chapter.dice.below(6) == 0;
        world.set("ZERKALO_RETRY_BUDGET", if again { "20" } else { "0" });
        before = damaged_morning(&world, chapter, run, again, &before);
        if run % STRETCH == 0 || chapter.is_over() {
            assert_made_good(&world, &expected(&world));
            chapter.figures.good += 1;
            before = Snapshot::of(&world);
        }
        if chapter.is_over() {
            break;
        }
    }
    world.set("ZERKALO_RETRY_BUDGET", "0");
    change(&world, &mut chapter.dice);
    damaged_login(&world, chapter, &before);
    assert_made_good(&world, &expected(&world));
    chapter.figures.good += 1;
}

/// What is to happen to the answers of a run.
fn hits(dice: &mut Dice) -> Vec<Hit> {
    let mut hits = Vec::new();
    let share = 5 + dice.below(4);
    for (path, table, least) in LISTS {
        if dice.below(8) >= share {
            continue;
        }
        // A list in pages: two with deals, and two that show its end.
        let skip = if table == "ft_deal" { usize::try_from(dice.below(4)).unwrap() } else { 0 };
        let (action, class) = oracle::any(dice, least);
        if table == "ft_deal" && class == Class::Emptied {
            continue;
        }
        hits.push(Hit { table, fault: Fault::new(path, action).skip(skip), class });
    }
    hits
}

/// A morning of which many answers are damaged; what the database holds afterwards.
fn damaged_morning(
    world: &World,
    chapter: &mut Chapter<'_>,
    run: u64,
    again: bool,
    before: &Snapshot,
) -> Snapshot {
    let mut hits = hits(&mut chapter.dice);
    world.sandbox.clear_journal();
    for hit in &hits {
        world.sandbox.fault(hit.fault.clone());
    }
    let outcome = world.run(&["full-morning"]);
    world.sandbox.clear_faults();
    hits.retain(|hit| asked(world, hit.fault.on.trim_end_matches('$')) > hit.fault.skip);
    chapter.figures.bodies += hits.len() as u64;
    chapter.figures.runs += 1;
    let (after, truth, log) = (Snapshot::of(world), expected(world), world.log_of(outcome.run_id()));
    let judge = Judge { before, after: &after, hits: &hits, truth: &truth, outcome: &outcome, log: &log };
    for hit in &hits {
        let found = judge.damaged(hit, again);
        if let Ok(fate) = found {
            chapter.figures.count(fate);
            chapter.figures.again += u64::from(again && fate == Fate::Harmless);
        }
        chapter.check(&format!("run {run}, {:?}", hit.fault), found.map(|_| ()));
    }
    let harmed: BTreeSet<&str> = hits.iter().map(|hit| hit.table).collect();
    for (_, table, _) in LISTS.iter().filter(|(_, table, _)| !harmed.contains(table)) {
        chapter.check(&format!("run {run}, beside {harmed:?}"), judge.undamaged(table));
    }
    let what = format!("run {run}, {hits:#?}");
    chapter.check(&what, judge.ended_well());
    chapter.check(&what, left_alone(world));
    after
}

/// The answer to a login or to a log-out comes to harm: what needs the session is left alone where there is none, and the
/// others are mirrored.
fn damaged_login(world: &World, chapter: &mut Chapter<'_>, before: &Snapshot) {
    let path = if chapter.dice.below(3) == 0 { "/logout$" } else { "/auth$" };
    let (action, class) = oracle::any(&mut chapter.dice, 20);
    let what = format!("{path} {action:?} {class:?}");
    world.sandbox.fault(Fault::new(path, action));
    let outcome = world.run(&["full-morning"]);
    world.sandbox.clear_faults();
    chapter.figures.bodies += 1;
    chapter.figures.runs += 1;
    let (after, truth, log) = (Snapshot::of(world), expected(world), world.log_of(outcome.run_id()));
    let judge = Judge { before, after: &after, hits: &[], truth: &truth, outcome: &outcome, log: &log };
    let is_out = path == "/auth$" && outcome.code != Some(0);
    for (_, table, _) in LISTS {
        let untouched =
            || judge.is_untouched(table).then_some(()).ok_or_else(|| format!("{table} was touched"));
        let needs_login = !table.starts_with("ft_");
        chapter.check(&what, if is_out && needs_login { untouched() } else { judge.undamaged(table) });
    }
    let codes: &[i32] = if path == "/auth$" { &[0, 5, 6, 7] } else { &[0, 4] };
    let ended =
        outcome.code.is_some_and(|code| codes.contains(&code)) && !outcome.stderr.contains("panicked");
    let ended = ended
        .then_some(())
        .ok_or_else(|| format!("exit {:?} {} {}", outcome.code, outcome.stdout, outcome.stderr));
    chapter.check(&what, ended);
    chapter.figures.count(if outcome.code == Some(0) { Fate::Harmless } else { Fate::Refused });
    // An hour passes: the server forgets a session whose token nobody heard.
    world.sandbox.fault(Fault::new("/auth", Action::ExpireToken));
}

fn stoplists_with_damaged_answers_lose_nothing(engine: Engine) {
    play(engine, "stop-list", 4, stoplists);
}

/// What enters, leaves and changes between two readings.
fn change_stops(world: &World, dice: &mut Dice) {
    for group in [HALL, BAR, PIER] {
        for number in 1..8 {
            match dice.below(6) {
                0 | 1 => stop(world, group, number, json!(dice.below(3))),
                2 => edit(world, group, |group| group.release(&product(number))),
                _ => {}
            }
        }
    }
}

/// What is in stop: terminal group, product and balance.
fn stopped(world: &World) -> BTreeSet<(String, String, String)> {
    let sandbox = world.sandbox.world();
    let groups = sandbox.cloud.organizations.iter().flat_map(|organization| &organization.groups);
    let stops = groups.flat_map(|group| group.stops.iter().map(|item| (group.id.clone(), item)));
    let text = |item: &Value| item["productId"].as_str().unwrap().to_owned();
    stops.map(|(group, item)| (group, text(item), item["balance"].to_string())).collect()
}

/// Refused for the sake of `place`, and told in the log.
fn is_refused(world: &World, outcome: &Outcome, class: Class, places: &[&str]) -> Result<(), String> {
    let codes: &[i32] = if class == Class::Cut { &[5, 7] } else { &[7] };
    if !outcome.code.is_some_and(|code| codes.contains(&code)) || outcome.stderr.contains("panicked") {
        return Err(format!(
            "exit {:?} in place of {codes:?}: {} {}",
            outcome.code, outcome.stdout, outcome.stderr
        ));
    }
    let said = outcome.steps().iter().find_map(|step| step["error"].as_str()).unwrap_or_default();
    if !places.iter().any(|place| said.contains(place)) {
        return Err(format!("nobody can see that `{said}` is about one of {places:?}"));
    }
    let log = world.log_of(outcome.run_id());
    if log.iter().any(|row| row["status"].as_deref() == Some("error") && row["error_message"].is_some()) {
        return Ok(());
    }
    Err(format!("no log row tells of it: {log:?}"))
}

fn stoplists(engine: Engine, chapter: &mut Chapter<'_>) {
    let mut world = stoplist_world(engine);
    let mut now: DateTime<Utc> = "2026-11-22T08:00:00Z".parse().unwrap();
    let tables = |world: &World| -> Vec<_> {
        let names = ["active_stoplist", "stoplist_history", "stoplist_sample", "stoplist_organization"];
        names.iter().map(|name| world.tables_evidence(name)).collect()
    };
    world.set("ZERKALO_TEST_NOW", now.to_rfc3339());
    world.expect(0, &["sync", "stoplist"]);
    for run in 1..=RUNS {
        change_stops(&world, &mut chapter.dice);
        now += TimeDelta::minutes(5);
        world.set("ZERKALO_TEST_NOW", now.to_rfc3339());
        let methods = ["access_token", "organizations", "terminal_groups", "stop_lists"];
        let method = methods[usize::try_from(chapter.dice.below(4)).unwrap()];
        let (action, class) = oracle::sure(&mut chapter.dice, 20);
        let what = format!("run {run}, {method} {action:?}");
        world.set("ZERKALO_RETRY_BUDGET", "0");
        world.sandbox.fault(Fault::new(format!("{method}$"), action));
        let before = tables(&world);
        let outcome = world.run(&["sync", "stoplist"]);
        world.sandbox.clear_faults();
        chapter.figures.bodies += 1;
        chapter.figures.runs += 1;
        chapter.check(&what, is_refused(&world, &outcome, class, &[method, "token"]));
        chapter.check(
            &what,
            (tables(&world) == before).then_some(()).ok_or_else(|| "a row was touched".to_owned()),
        );
        chapter.check(&what, left_alone(&world));
        chapter.figures.count(Fate::Refused);
        if run % STRETCH == 0 || chapter.is_over() {
            now += TimeDelta::minutes(5);
            world.set("ZERKALO_TEST_NOW", now.to_rfc3339());
            world.expect(0, &["sync", "stoplist"]);
            let rows = world.rows("active_stoplist");
            let text = |row: &super::rows::Row, column: &str| row[column].clone().unwrap();
            let held = rows.iter().map(|row| {
                (
                    text(row, "terminal_group_id"),
                    text(row, "product_id"),
                    super::rows::decimal(&text(row, "balance")),
                )
            });
            assert_eq!(held.collect::<BTreeSet<_>>(), stopped(&world), "{what}");
            assert_the_history_follows(&world);
            chapter.figures.good += 1;
        }
        if chapter.is_over() {
            break;
        }
    }
}

fn sheets_with_damaged_answers_lose_nothing(engine: Engine) {
    play(engine, "sheet", 2, sheets);
}

/// Types some numbers, each pair of them in order.
fn type_some(desk: &Desk, dice: &mut Dice) {
    desk.hands(|tab| {
        let rows = tab.rows();
        let (products, departments) = super::desk::ids(&rows);
        for _ in 0..5 {
            let product = &products[usize::try_from(dice.below(products.len() as u64)).unwrap()];
            let department = &departments[usize::try_from(dice.below(departments.len() as u64)).unwrap()];
            let (min, max) = super::desk::cells(&rows, product, department);
            let least = dice.below(100);
            tab.type_in(&min, &least.to_string()).type_in(&max, &(least + 1 + dice.below(100)).to_string());
        }
    });
}

fn sheets(engine: Engine, chapter: &mut Chapter<'_>) {
    let mut desk = Desk::laid_out(engine);
    for run in 1..=RUNS {
        type_some(&desk, &mut chapter.dice);
        let changed = usize::try_from(chapter.dice.below(200)).unwrap();
        desk.iiko(|world| world.products[changed]["name"] = json!(format!("Товар {run}")));
        desk.world.expect(0, &["sync", "iiko", "--only", "iiko_product"]);
        let (typed, before) = (desk.sheet(), desk.world.tables_evidence("min_stock_level"));
        let (action, class) = oracle::sure(&mut chapter.dice, 20);
        let skip = usize::try_from(chapter.dice.below(3)).unwrap();
        desk.world.set("ZERKALO_RETRY_BUDGET", "0");
        desk.world.sandbox.clear_journal();
        desk.world.sandbox.fault(Fault::new("GET /google/v4", action.clone()).skip(skip));
        let outcome = desk.world.run(&["sync", "min-stock"]);
        let met = desk.world.sandbox.faults_waiting() == 0;
        desk.world.sandbox.clear_faults();
        let what = format!("run {run}, request {skip}, {action:?}");
        chapter.figures.runs += 1;
        if met {
            chapter.figures.bodies += 1;
            let refused = is_refused(&desk.world, &outcome, class, &["sheet", "Sheet"]);
            chapter.check(&what, refused);
            let pulled = outcome.step("min_stock_level", None)["status"] == "success";
            let held = if pulled {
                desk.database() == typed
            } else {
                desk.world.tables_evidence("min_stock_level") == before
            };
            chapter.check(
                &what,
                held.then_some(()).ok_or_else(|| format!("levels are wrong: {}", outcome.stdout)),
            );
            chapter.figures.count(Fate::Refused);
        }
        chapter.check(&what, left_alone(&desk.world));
        assert_eq!(desk.sheet(), typed, "{what}");
        desk.sync(0);
        assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed), "{what}");
        chapter.figures.good += 1;
        if chapter.is_over() {
            break;
        }
    }
}
