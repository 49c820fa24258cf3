//! What is not there is never shown as if it were empty, and who only looks or mends makes none.

use super::{
    documents::{NIGHT, street},
    harness::{Engine, Outcome, World, on_both},
};
use std::fs;

on_both!(
    what_looks_at_no_database_says_so_and_makes_none,
    a_job_and_migrate_make_the_database,
    a_number_that_nobody_knows_is_told_once_and_not_logged,
    what_is_settled_is_not_given_up_and_that_is_told_once,
);

const RUN: &str = "00000000-0000-0000-0000-000000000007";

/// What looks at a database, or mends what is in it.
const LOOKS: [&[&str]; 19] = [
    &["status"],
    &["log"],
    &["log", "iiko_product", "--failed"],
    &["documents", "list"],
    &["documents", "list", "--all"],
    &["documents", "show", "T261122-0a1b2c3d"],
    &["documents", "reconcile"],
    &["documents", "reconcile", "T261122-0a1b2c3d"],
    &["documents", "abandon", "T261122-0a1b2c3d"],
    &["restore"],
    &["restore", "--dry-run"],
    &["restore", "iiko_product"],
    &["restore", "iiko_product", "--dry-run"],
    &["restore", "iiko_product", "--hold"],
    &["restore", "iiko_product", "--release"],
    &["restore", RUN],
    &["prune"],
    &["prune", "--dry-run"],
    &["status", "-q"],
];

/// What lies in the home, and the tables of a server's database.
fn made(world: &World) -> (Vec<String>, usize) {
    let entries = fs::read_dir(world.home.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let sql = "select relname::text from pg_class where relnamespace = 'public'::regnamespace";
    let tables = if world.engine == Engine::Postgres { world.query(sql).len() } else { 0 };
    (names, tables)
}

fn what_looks_at_no_database_says_so_and_makes_none(engine: Engine) {
    let world = World::new(engine);
    let refused = |arguments: &[&str]| {
        let before = made(&world);
        let outcome = world.expect(2, arguments);
        let said =
            outcome.json["error"].as_str().unwrap_or_else(|| panic!("{arguments:?} {}", outcome.stdout));
        assert!(said.starts_with("there is no database yet at "), "{arguments:?}: {said}");
        let hint = outcome.json["hint"].as_str().unwrap();
        assert!(hint.contains("zerkalo full-morning") && hint.contains("DATABASE_URL"), "{hint}");
        assert_eq!(made(&world), before, "{arguments:?}");
    };
    for arguments in LOOKS {
        refused(arguments);
    }
    assert_eq!(made(&world), (Vec::new(), 0));
    let line: Outcome = world.command(&["status", "--check"]).output().unwrap().into();
    assert_eq!(line.code, Some(2));
    assert!(line.stdout.starts_with("unknown: there is no database yet at "), "{}", line.stdout);
    if engine == Engine::Sqlite {
        // Nor is a file without a table in it one.
        fs::write(world.file(), "").unwrap();
        for arguments in LOOKS {
            refused(arguments);
        }
        assert_eq!(fs::read(world.file()).unwrap(), b"");
    }
    assert_eq!(world.sandbox.journal(), [], "nobody is asked for what is not there");
}

fn a_job_and_migrate_make_the_database(engine: Engine) {
    for makes in [&["migrate"][..], &["sync", "iiko", "--only", "iiko_store"]] {
        let world = World::new(engine);
        world.expect(2, &["log"]);
        world.expect(0, makes);
        world.expect(0, &["log"]);
        world.expect(0, &["status"]);
        world.expect(0, &["documents", "list"]);
        world.expect(0, &["restore"]);
        world.expect(0, &["prune"]);
    }
}

fn a_number_that_nobody_knows_is_told_once_and_not_logged(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let logged = world.log().len();
    for arguments in
        [["documents", "abandon", "T000000-00000000"], ["documents", "reconcile", "T000000-00000000"]]
    {
        let refused = world.expect(2, &arguments);
        assert_eq!(refused.json["error"], "there is no document T000000-00000000", "{}", refused.stdout);
        assert!(refused.stdout.contains("`zerkalo documents list --all`"), "{}", refused.stdout);
        let screen: Outcome = world.command(&arguments).output().unwrap().into();
        let said = format!("{}{}", screen.stdout, screen.stderr);
        assert_eq!(said.matches("there is no document").count(), 1, "{said}");
    }
    assert_eq!(world.log().len(), logged, "no run has begun");
    assert_eq!(world.sandbox.journal(), []);
}

fn what_is_settled_is_not_given_up_and_that_is_told_once(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    world.expect(0, &NIGHT);
    let key = world.query("select min(key) from document_outbox")[0][0].clone().unwrap();
    world.sandbox.clear_journal();
    for state in ["done", "abandoned"] {
        world.execute(&format!("update document_outbox set state = '{state}' where key = '{key}'"));
        let logged = world.log().len();
        let arguments = ["documents", "abandon", &key];
        let refused = world.expect(2, &arguments);
        let said = format!("it is {state} already");
        assert_eq!(refused.json["error"], format!("document {key}: {said}"), "{}", refused.stdout);
        let screen: Outcome = world.command(&arguments).output().unwrap().into();
        let screen = format!("{}{}", screen.stdout, screen.stderr);
        assert_eq!(screen.matches(&said).count(), 1, "{screen}");
        assert_eq!(world.log().len(), logged, "no run has begun");
    }
    assert_eq!(world.sandbox.journal(), []);
}
