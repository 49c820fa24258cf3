//! Whose mirror a database is, whose tables they are, and what the log says of runs that did not happen.

use super::{
    expected::{assert_same, mirror},
    harness::{Engine, Outcome, World, on_both},
    postgres,
    rows::Row,
};
use zerkalo::{
    sandbox::{Action, Fault, Options},
    tables,
};

on_both!(
    another_server_or_account_is_refused_by_name_until_it_is_adopted,
    a_mistyped_token_is_no_other_account,
    a_source_that_never_answered_is_not_taken_for_the_owner,
    tables_of_another_program_are_not_touched,
    a_newer_schema_is_left_alone,
    failed_runs_are_logged_and_runs_that_did_not_begin_are_not,
);

fn identities(world: &World) -> Vec<Row> {
    world.select("source_identity", ["upstream", "identity"])
}

#[track_caller]
fn assert_names(outcome: &Outcome, both: [&str; 2]) {
    let error = outcome.json["error"].as_str().unwrap();
    assert!(both.iter().all(|name| error.contains(name)), "{error} does not name {both:?}");
    assert!(outcome.json["hint"].as_str().unwrap().contains("--adopt-source"), "{}", outcome.stdout);
}

fn another_server_or_account_is_refused_by_name_until_it_is_adopted(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let before = (world.evidence(), identities(&world));
    let logged = world.log().len();
    let mine = world.sandbox.addr().to_string();

    let other = World::with(
        Engine::Sqlite,
        Options { fintablo_token: "other-token".to_owned(), ..Options::default() },
    );
    let theirs = other.sandbox.addr().to_string();
    world.set("IIKO_BASE_URL", other.sandbox.iiko_url());
    for command in
        [&["sync", "iiko"][..], &["sync", "stock"], &["full-morning"], &["sync", "iiko", "--dry-run"]]
    {
        assert_names(&world.expect(13, command), [&mine, &theirs]);
    }
    world.expect(0, &["sync", "fintablo", "--dry-run"]);
    world.set("FINTABLO_BASE_URL", other.sandbox.fintablo_url());
    world.set("FINTABLO_TOKEN", "other-token");
    let outcome = world.expect(13, &["sync", "fintablo"]);
    assert_names(&outcome, [&mine, &theirs]);
    assert!(!outcome.stdout.contains("other-token"));
    assert_eq!((world.evidence(), identities(&world)), before);
    assert_eq!(other.sandbox.journal(), [], "nobody is asked anything");
    let refused = world.log().split_off(logged);
    let [iiko, stock, fintablo] = [tables::IIKO, tables::STOCK, tables::FINTABLO].map(<[_]>::len);
    let morning = iiko + stock + fintablo;
    assert_eq!(
        refused.len(),
        iiko + stock + morning + fintablo,
        "each table of each refused run, dry runs aside"
    );
    assert!(refused.iter().all(|row| row["status"].as_deref() == Some("error")), "{refused:?}");
    let logged = world.log().len();

    // The same chain under a new name: a dry run shows that nothing changes, then it is adopted.
    let planned = world.expect(0, &["full-morning", "--adopt-source", "--dry-run"]);
    assert_eq!(planned.totals(), [0, 0, 0]);
    assert_eq!(
        (world.evidence(), identities(&world), world.log().len()),
        (before.0.clone(), before.1, logged)
    );
    assert_eq!(world.expect(0, &["full-morning", "--adopt-source"]).totals(), [0, 0, 0]);
    assert_eq!(world.evidence(), before.0);
    let adopted = identities(&world);
    assert!(adopted.iter().all(|row| row["identity"].as_deref().unwrap().contains(&theirs)), "{adopted:?}");
    world.expect(0, &["full-morning"]);
    world.set("FINTABLO_TOKEN", "demo-token");
    world.expect(6, &["sync", "fintablo"]);
}

fn a_mistyped_token_is_no_other_account(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["sync", "fintablo"]);
    world.expect(0, &["sync", "stoplist"]);
    let before = (world.evidence(), identities(&world));
    for (name, right, wrong, command, table) in [
        ("FINTABLO_TOKEN", "demo-token", "demo-tokne", "fintablo", "ft_category"),
        ("IIKO_CLOUD_API_LOGIN", "demo-api-login", "demo-api-logni", "stoplist", "active_stoplist"),
    ] {
        world.set(name, wrong);
        for arguments in [&["sync", command][..], &["sync", command, "--dry-run"]] {
            let refused = world.expect(6, arguments);
            let (said, hint) =
                (refused.json["error"].as_str().unwrap(), refused.json["hint"].as_str().unwrap());
            assert!(said.contains("status 401") && hint.contains(name), "{said}\n{hint}");
            assert!(!format!("{said}{hint}").contains("adopt"), "{hint}");
        }
        let row = world.log().pop().unwrap();
        assert_eq!((row["status"].as_deref(), world.count(table) > 0), (Some("error"), true), "{row:?}");
        let examined = world.expect(6, &["doctor"]);
        assert!(!examined.stdout.contains("adopt-source"), "{}", examined.stdout);
        world.set(name, right);
    }
    assert_eq!((world.evidence(), identities(&world)), before);
    world.expect(0, &["sync", "fintablo"]);
    // With no answer nobody can tell whose it is: that is neither of the two.
    world.set("FINTABLO_TOKEN", "demo-tokne");
    world.sandbox.fault(Fault::new("/v1/category", Action::Close).times(usize::MAX));
    let unheard = world.expect(5, &["sync", "fintablo"]);
    assert!(!unheard.stdout.contains("adopt-source"), "{}", unheard.stdout);
}

fn a_source_that_never_answered_is_not_taken_for_the_owner(engine: Engine) {
    let mut world = World::new(engine);
    world.sandbox.fault(Fault::new("", Action::Close).times(usize::MAX));
    world.expect(5, &["full-morning"]);
    assert_eq!(identities(&world), Vec::<Row>::new());
    let other = World::new(Engine::Sqlite);
    world.set("IIKO_BASE_URL", other.sandbox.iiko_url());
    world.set("FINTABLO_BASE_URL", other.sandbox.fintablo_url());
    world.expect(0, &["full-morning"]);
    assert_same(&world.dump(), &mirror(&other.sandbox.world()));
}

fn tables_of_another_program_are_not_touched(engine: Engine) {
    let mut world = World::new(engine);
    world.execute("create table iiko_product (x integer); insert into iiko_product values (7)");
    for command in [
        &["full-morning"][..],
        &["full-morning", "--dry-run"],
        &["sync", "fintablo"],
        &["migrate"],
        &["migrate", "--dry-run"],
    ] {
        let outcome = world.expect(2, command);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("iiko_product"), "{said}");
        let advice = if engine == Engine::Postgres { "DATABASE_SCHEMA=zerkalo" } else { "DATABASE_URL" };
        assert!(said.contains(advice), "{said}");
    }
    assert_eq!(world.query("select cast(x as text) from iiko_product"), [[Some("7".to_owned())]]);
    let tables = match engine {
        Engine::Postgres => {
            "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        }
        Engine::Sqlite => "select name from sqlite_master",
    };
    assert_eq!(world.query(tables).len(), 1);
    assert_eq!(world.sandbox.journal(), []);
    if engine == Engine::Postgres {
        world.set("DATABASE_SCHEMA", "zerkalo");
        world.expect(0, &["full-morning"]);
        assert_eq!(
            world.query("select cast(count(*) as text) from zerkalo.ft_deal"),
            [[Some("620".to_owned())]]
        );
        assert_eq!(world.query(tables).len(), 1);
    }
}

fn a_newer_schema_is_left_alone(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    world.execute("update zerkalo_migration set version = 9999 where version = 1");
    let before = (world.evidence(), world.log().len());
    world.sandbox.clear_journal();
    for command in [&["full-morning"][..], &["sync", "stock", "--dry-run"], &["migrate"]] {
        let outcome = world.expect(2, command);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("9999"), "{said}");
    }
    assert_eq!((world.evidence(), world.log().len()), before);
    assert_eq!(world.sandbox.journal(), []);
}

fn failed_runs_are_logged_and_runs_that_did_not_begin_are_not(engine: Engine) {
    let mut world = World::new(engine);
    world.sandbox.fault(Fault::new("", Action::Close).times(usize::MAX));
    let outcome = world.expect(5, &["full-morning"]);
    let log = world.log();
    assert_eq!(log.len(), outcome.steps().len());
    for row in &log {
        // Nothing of the mirror is there for the balances' names, so they are skipped.
        let expected =
            if row["entity_type"].as_deref() == Some("stock_balance") { "skipped" } else { "error" };
        assert_eq!(row["status"].as_deref(), Some(expected), "{row:?}");
        assert!(row["error_message"].is_some() && row["run_id"].as_deref() == Some(outcome.run_id()));
        assert!(row["started_at"] <= row["finished_at"]);
        assert!(!row["host"].as_deref().unwrap().is_empty());
    }
    world.sandbox.clear_faults();
    world.set("IIKO_LOGIN", "");
    world.expect(2, &["full-morning"]);
    world.expect(2, &["sync", "iiko", "--only", "no_such_table"]);
    world.expect(2, &["sync", "iiko", "--allow-delete", "no_such_table=1"]);
    assert_eq!(world.log(), log);
}

#[test]
fn two_servers_share_a_database_in_a_schema_each() {
    if postgres::server().is_none() {
        return;
    }
    let mut world = World::new(Engine::Postgres);
    let other = World::with(Engine::Sqlite, Options { seed: 2, ..Options::default() });
    world.set("DATABASE_SCHEMA", "first");
    world.expect(0, &["full-morning"]);
    world.set("DATABASE_SCHEMA", "second");
    world.set("IIKO_BASE_URL", other.sandbox.iiko_url());
    world.set("FINTABLO_BASE_URL", other.sandbox.fintablo_url());
    world.expect(0, &["full-morning"]);
    for schema in ["first", "second"] {
        let sql = format!("select cast(count(*) as text) from {schema}.ft_deal");
        assert_eq!(world.query(&sql), [[Some("620".to_owned())]]);
    }
    let both = "select cast(count(*) as text) from second.iiko_product s
        join first.iiko_product f on f.id = s.id";
    assert_eq!(world.query(both), [[Some("0".to_owned())]]);
    assert_eq!(world.expect(0, &["full-morning"]).totals(), [0, 0, 0]);
}
