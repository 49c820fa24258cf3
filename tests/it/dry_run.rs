//! A dry run asks, plans and prints; the real run that follows does just that.

use super::{
    expected::{assert_same, mirror},
    harness::{Engine, Outcome, World, counts, on_both},
    rows::{Dump, Row},
};
use std::fs;
use zerkalo::tables;

on_both!(
    a_dry_run_on_nothing_creates_nothing_and_plans_what_the_real_run_does,
    a_dry_run_on_a_mirror_changes_nothing_and_plans_what_the_real_run_does,
    a_dry_morning_on_nothing_knows_the_names_of_balances,
    a_dry_run_on_an_older_schema_asks_for_the_migration,
    a_dry_run_that_fails_leaves_no_trace,
);

const COMMANDS: [&[&str]; 4] =
    [&["sync", "iiko"], &["sync", "fintablo"], &["sync", "stock"], &["full-morning"]];

fn dry(command: &[&'static str]) -> Vec<&'static str> {
    [command, &["--dry-run"]].concat()
}

/// Everything in the database, the tool's own tables included.
fn everything(world: &World) -> (Dump, Vec<Vec<Row>>, Option<Vec<u8>>) {
    let own = ["iiko_sync_log", "mirror_tombstone", "source_identity", "zerkalo_migration"];
    let file = (world.engine == Engine::Sqlite).then(|| fs::read(world.file()).unwrap());
    (world.evidence(), own.iter().map(|table| world.rows(table)).collect(), file)
}

/// How many tables and other things the database has.
fn relations(world: &World) -> usize {
    match world.engine {
        Engine::Sqlite if !world.file().exists() => 0,
        Engine::Sqlite => world.query("select name from sqlite_master").len(),
        Engine::Postgres => {
            let sql = "select relname::text from pg_class where relnamespace = 'public'::regnamespace
                union all select nspname::text from pg_namespace where nspname not like 'pg\\_%'
                and nspname not in ('public', 'information_schema')";
            world.query(sql).len()
        }
    }
}

/// Each step's place, status and counts.
fn plan(outcome: &Outcome) -> Vec<String> {
    let line = |step: &serde_json::Value| {
        let rest = ["unchanged", "fetched", "delete_blocked", "rejected"].map(|name| step[name].as_u64());
        format!(
            "{} {} {} {:?} {rest:?} {}",
            step["entity"],
            step["scope"],
            step["status"],
            counts(step),
            step["hint"]
        )
    };
    outcome.steps().iter().map(line).collect()
}

fn a_dry_run_on_nothing_creates_nothing_and_plans_what_the_real_run_does(engine: Engine) {
    for command in COMMANDS {
        let world = World::new(engine);
        // Balances alone lack the names of their stores, which is told.
        let code = if command == ["sync", "stock"] { 4 } else { 0 };
        let planned = world.expect(code, &dry(command));
        assert_eq!(planned.json["dry_run"], true);
        assert_eq!(relations(&world), 0, "{command:?}");
        assert!(!world.file().exists() && !world.home.path().join("mirror.db.locks").exists());
        world.assert_polite();
        let done = world.expect(code, command);
        assert_eq!(plan(&planned), plan(&done), "{command:?}");
        assert_ne!(done.totals(), [0, 0, 0]);
    }
    let world = World::new(engine);
    let listed = world.expect(0, &["migrate", "--dry-run"]);
    let migrations = listed.json["migrations"].as_array().unwrap().clone();
    assert!(migrations.len() >= 4 && migrations.iter().all(|migration| migration["state"] == "missing"));
    assert_eq!(relations(&world), 0);
    let applied = world.expect(0, &["migrate"]);
    let states = applied.json["migrations"].as_array().unwrap();
    assert!(states.iter().all(|migration| migration["state"] == "applied now"));
    assert_eq!(world.sandbox.journal(), []);
}

fn a_dry_run_on_a_mirror_changes_nothing_and_plans_what_the_real_run_does(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    for command in COMMANDS {
        world.sandbox.edit(|world| {
            world.products[1]["name"] = format!("{command:?}").into();
            world.products.remove(2);
            world.employees.pop();
            world.entities.retain(|entity| entity["rootType"] != "OrderType");
            world.balances.remove(40);
            world.balances[50]["amount"] = world.balances.len().into();
            let partner = world.fintablo.get_mut("partner").unwrap();
            partner.remove(0);
            world.fintablo.get_mut("deal").unwrap().remove(100);
        });
        let before = everything(&world);
        world.sandbox.clear_journal();
        let planned = world.run(&dry(command));
        assert_eq!(everything(&world), before, "{command:?}");
        world.assert_polite();
        let done = world.run(command);
        assert_eq!((plan(&planned), planned.code), (plan(&done), done.code), "{command:?}");
        assert_ne!(done.totals(), [0, 0, 0]);
        assert_ne!(everything(&world), before);
    }
    let before = everything(&world);
    world.execute("select 1");
    let listed = world.expect(0, &["migrate", "--dry-run"]);
    assert!(listed.stdout.contains("applied before"), "{}", listed.stdout);
    assert_eq!(everything(&world), before);
}

fn a_dry_morning_on_nothing_knows_the_names_of_balances(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning", "--dry-run"]);
    let named = |world: &World| {
        let ids: Vec<String> = world
            .sandbox
            .journal()
            .into_iter()
            .filter(|entry| entry.query.contains("ids="))
            .map(|entry| entry.query)
            .collect();
        ids
    };
    let asked = named(&world);
    assert_eq!(asked.len(), 1, "only deleted and forgotten products are asked for: {asked:?}");
    world.sandbox.clear_journal();
    world.expect(0, &["full-morning"]);
    assert_eq!(named(&world), asked, "the same as in the real run");
    assert_same(&world.dump(), &mirror(&world.sandbox.world()));
    world.sandbox.clear_journal();
    let again = world.expect(0, &["sync", "stock", "--dry-run"]);
    assert_eq!((again.totals(), named(&world)), ([0, 0, 0], asked), "names come from the database as well");
}

fn a_dry_run_on_an_older_schema_asks_for_the_migration(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    world.undo_last_migration();
    let tables = relations(&world);
    world.sandbox.clear_journal();
    for command in COMMANDS {
        let outcome = world.expect(2, &dry(command));
        assert!(outcome.stdout.contains("zerkalo migrate"), "{}", outcome.stdout);
    }
    assert_eq!(relations(&world), tables);
    assert_eq!(world.sandbox.journal(), [], "nothing is asked upstream");
    world.expect(0, &["full-morning"]);
    assert_same(&world.dump(), &mirror(&world.sandbox.world()));
}

fn a_dry_run_that_fails_leaves_no_trace(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let before = everything(&world);
    world.set("IIKO_PASSWORD", "wrong");
    world.set("FINTABLO_TOKEN", "wrong");
    // A token that opens nothing is a mistyped one, not another source.
    let outcome = world.expect(6, &["full-morning", "--dry-run"]);
    assert!(outcome.stdout.contains("check FINTABLO_TOKEN"), "{}", outcome.stdout);
    let outcome = world.expect(6, &["full-morning", "--dry-run", "--adopt-source"]);
    let (of_the_sheet, of_the_stoplist) = (1, 1);
    assert_eq!(outcome.steps().len(), tables::all().count() - of_the_sheet - of_the_stoplist);
    assert_eq!(everything(&world), before);
}
