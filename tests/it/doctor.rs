//! The doctor: every broken set-up is named with its remedy, one does not hide another, and nothing is written.

use super::{
    desk::{Desk, SHEET},
    harness::{Engine, Outcome, World, block_on, on_both},
    process::{may_mount, skip},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};
use zerkalo::sandbox::{ADMIN_CHAT, Action, Fault, READERS_CHAT, Rights, SessionEvent};

on_both!(
    all_is_well_and_nothing_is_written,
    nothing_but_a_database_is_not_well,
    every_broken_set_up_is_named_with_its_remedy,
    broken_settings_leave_the_rest_untried,
    everything_broken_at_once_is_told_at_once,
    the_mirror_of_another_source,
    an_old_schema_a_newer_and_a_foreign_one,
    offline_asks_nobody,
    no_secret_is_shown,
    a_run_that_works_is_not_disturbed,
    a_run_on_another_host_is_not_disturbed,
    a_database_that_cannot_be_used_does_not_keep_from_iiko,
);

const PASSWORD: &str = "c4n4ry-password";

/// A world in which everything that can be set is set, with a mirror.
fn world(engine: Engine) -> Desk {
    let mut desk = Desk::new(engine);
    let world = &mut desk.world;
    world.set("TELEGRAM_BASE_URL", world.sandbox.telegram_url());
    world.set("TELEGRAM_BOT_TOKEN", "123456:demo-token");
    world.set("TELEGRAM_CHAT_IDS", READERS_CHAT);
    world.set("TELEGRAM_ADMIN_CHAT_IDS", ADMIN_CHAT);
    world.set("HEARTBEAT_URL", "https://hc-ping.invalid/c4n4ry/{job}");
    world.set("ZERKALO_METRICS_FILE", world.home.path().join("zerkalo.prom").display().to_string());
    world.expect(0, &["sync", "fintablo", "--only", "ft_category"]);
    world.expect(0, &["sync", "iiko", "--only", "iiko_store"]);
    world.sandbox.clear_journal();
    desk
}

/// What was found by a check.
fn found<'a>(outcome: &'a Outcome, check: &str) -> Vec<&'a Value> {
    let checks = outcome.json["checks"].as_array().unwrap_or_else(|| panic!("{}", outcome.stderr));
    checks.iter().filter(|finding| finding["check"] == check).collect()
}

fn states(outcome: &Outcome) -> BTreeSet<&str> {
    let checks = outcome.json["checks"].as_array().unwrap();
    checks.iter().map(|finding| finding["state"].as_str().unwrap()).collect()
}

/// A check has found this, with this remedy.
#[track_caller]
pub(super) fn assert_found(outcome: &Outcome, check: &str, state: &str, text: &str, hint: &str) {
    let is = |finding: &&Value| {
        let says = |field: &str, part: &str| finding[field].as_str().unwrap_or_default().contains(part);
        says("state", state) && says("text", text) && says("hint", hint)
    };
    let findings = found(outcome, check);
    assert!(findings.iter().any(is), "{check}: no {state} `{text}` with `{hint}` in {findings:#?}");
}

fn all_is_well_and_nothing_is_written(engine: Engine) {
    let desk = world(engine);
    let world = &desk.world;
    let (before, files, google) = (world.evidence(), world.files(), world.sandbox.world().google.clone());
    let outcome = world.expect(0, &["doctor"]);
    assert_eq!(
        states(&outcome),
        BTreeSet::from(["ok"]).union(&BTreeSet::from(["not set"])).copied().collect()
    );
    assert_eq!(found(&outcome, "iiko certificate")[0]["text"], "plain http: there is none");
    assert_found(&outcome, "iiko", "ok", "version 9.1.7015.0 (STARTED_SUCCESSFULLY), login demo reads", "");
    assert_found(&outcome, "iiko", "ok", "licence slots of the API left while logged in: 0", "");
    assert_found(&outcome, "Google Sheets", "ok", "it may edit it", "");
    assert_found(&outcome, "Telegram", "ok", &format!("may write to {ADMIN_CHAT}"), "");
    assert_found(&outcome, "database", "ok", "it mirrors 127.0.0.1", "");
    assert_found(&outcome, "clock", "ok", "agrees with the iiko server's", "");
    assert_found(&outcome, "metrics file", "ok", "zerkalo.prom", "");
    // Nothing is different here or there, and nobody is logged in.
    assert_eq!(world.evidence(), before);
    assert_eq!(world.files(), files);
    assert_eq!(world.sandbox.world().google, google);
    assert_eq!(world.sandbox.world().telegram.messages(ADMIN_CHAT), Vec::<String>::new());
    assert_eq!(world.sandbox.violations(), Vec::<String>::new());
    assert_eq!(world.sandbox.open_sessions(), 0);
    let writes: Vec<_> = world.sandbox.journal().into_iter().filter(|entry| entry.write).collect();
    assert_eq!(writes.len(), 1, "the edit that cannot be done: {writes:?}");
    assert_eq!(writes[0].status, Some(400));
    // For people: a line for each, and the closing one.
    let text = world.command(&["doctor"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("ok       Telegram          the bot is @zerkalo_demo_bot"), "{text}");
    assert!(text.ends_with("\nall is well, exit 0\n"), "{text}");
    let quiet = world.command(&["doctor", "-q"]).output().unwrap();
    assert_eq!(String::from_utf8(quiet.stdout).unwrap(), "");
}

fn nothing_but_a_database_is_not_well(engine: Engine) {
    let mut world = World::new(engine);
    let unset = ["IIKO_BASE_URL", "IIKO_LOGIN", "IIKO_PASSWORD", "FINTABLO_BASE_URL", "FINTABLO_TOKEN"];
    for name in unset.into_iter().chain(["IIKO_CLOUD_BASE_URL", "IIKO_CLOUD_API_LOGIN"]) {
        world.set(name, "");
    }
    let outcome = world.expect(2, &["doctor"]);
    assert_found(
        &outcome,
        "jobs",
        "problem",
        "no job can run with these settings yet",
        "zerkalo config init",
    );
    for check in
        ["iiko", "iikoCloud", "FinTablo", "Google Sheets", "Telegram", "heartbeat", "metrics file", "secrets"]
    {
        assert_found(&outcome, check, "not set", "", "");
    }
    assert_found(&outcome, "database", "ok", "the first run makes", "");
    assert!(!world.file().exists() && !world.state().exists(), "nothing is made");
    assert_eq!(world.asked(), Vec::<String>::new());
}

/// A set-up that is broken in one way.
struct Broken {
    breaks: fn(&mut Desk),
    check: &'static str,
    code: i32,
    text: &'static str,
    hint: &'static str,
}

const BROKEN: &[Broken] = &[
    Broken {
        breaks: |desk| desk.world.set("IIKO_PASSWORD", PASSWORD),
        check: "iiko",
        code: 6,
        text: "iiko refuses the login (401): Wrong login or password",
        hint: "check IIKO_LOGIN and IIKO_PASSWORD",
    },
    Broken {
        breaks: |desk| desk.world.sandbox.fault(Fault::new("auth", Action::LicenceFull)),
        check: "iiko",
        code: 6,
        text: "License enhancement is required",
        hint: "a licence slot frees itself",
    },
    Broken {
        breaks: |desk| desk.world.sandbox.fault(Fault::new("group/list", Action::Html)),
        check: "iiko",
        code: 7,
        text: "the answer is text/html",
        hint: "check the base URL",
    },
    Broken {
        breaks: |desk| {
            desk.world.set("IIKO_BASE_URL", "http://127.0.0.1:9/resto");
            // What is there is the mirror of another server.
            let other = format!("sqlite:{}", desk.world.home.path().join("other.db").display());
            desk.world.set("DATABASE_URL", other);
        },
        check: "iiko",
        code: 5,
        text: "cannot connect",
        hint: "check the network and the base URL",
    },
    Broken {
        breaks: |desk| desk.world.set("IIKO_CLOUD_API_LOGIN", "of-another-chain"),
        check: "iikoCloud",
        code: 6,
        text: "",
        hint: "",
    },
    Broken {
        breaks: |desk| desk.world.set("FINTABLO_TOKEN", "of-another-account"),
        check: "FinTablo",
        code: 6,
        text: "status 401",
        hint: "check FINTABLO_TOKEN",
    },
    Broken {
        breaks: |desk| desk.world.sandbox.fault(Fault::new("/v1/category", Action::Html)),
        check: "FinTablo",
        code: 7,
        text: "the answer is text/html",
        hint: "check the base URL",
    },
    Broken {
        breaks: |desk| desk.iiko(|world| world.google.sheet(SHEET).rights = Rights::Reader),
        check: "Google Sheets",
        code: 6,
        text: "may not use the spreadsheet",
        hint: "as an editor",
    },
    Broken {
        breaks: |desk| desk.iiko(|world| world.google.sheet(SHEET).rights = Rights::None),
        check: "Google Sheets",
        code: 6,
        text: "The caller does not have permission",
        hint: "share the sheet with",
    },
    Broken {
        breaks: |desk| desk.world.set("MIN_STOCK_SHEET_ID", "another-sheet"),
        check: "Google Sheets",
        code: 2,
        text: "there is no spreadsheet another-sheet",
        hint: "check MIN_STOCK_SHEET_ID",
    },
    Broken {
        breaks: |desk| desk.world.set("TELEGRAM_BOT_TOKEN", "123456:another-token"),
        check: "Telegram",
        code: 6,
        text: "status 401",
        hint: "check TELEGRAM_BOT_TOKEN",
    },
    Broken {
        breaks: |desk| {
            desk.world.sandbox.edit(|world| world.telegram.chats.get_mut(ADMIN_CHAT).unwrap().blocked = true);
        },
        check: "Telegram",
        code: 6,
        text: "100200300, an admin: telegram sendChatAction: status 403: Forbidden: bot was blocked by the user",
        hint: "the chat's owner has to unblock the bot",
    },
    Broken {
        breaks: |desk| desk.world.set("TELEGRAM_CHAT_IDS", "555"),
        check: "Telegram",
        code: 6,
        text: "555, a reader: telegram getChat: status 400: Bad Request: chat not found",
        hint: "check the chat's id",
    },
    Broken {
        breaks: |desk| desk.world.sandbox.fault(Fault::new("getMe", Action::Html)),
        check: "Telegram",
        code: 7,
        text: "without an answer of Telegram's",
        hint: "check TELEGRAM_BASE_URL",
    },
    Broken {
        breaks: |desk| desk.iiko(|world| world.clock_offset_seconds = 15 * 60),
        check: "clock",
        code: 13,
        text: "this host's clock is 1",
        hint: "timedatectl",
    },
    Broken {
        breaks: |desk| desk.iiko(|world| world.clock_offset_seconds = -180),
        check: "clock",
        code: 4,
        text: "ahead of the iiko server's",
        hint: "timedatectl",
    },
    Broken {
        breaks: |desk| desk.world.set("ZERKALO_STATE_DIR", "/proc/zerkalo"),
        check: "state directory",
        code: 2,
        text: "/proc cannot be written to",
        hint: "set ZERKALO_STATE_DIR",
    },
    Broken {
        breaks: |desk| desk.world.set("ZERKALO_METRICS_FILE", "/nowhere/x.prom"),
        check: "metrics file",
        code: 4,
        text: "there is no folder /nowhere",
        hint: "make it, or set ZERKALO_METRICS_FILE",
    },
    Broken {
        breaks: |desk| desk.world.set("ZERKALO_METRICS_FILE", "/proc/x.prom"),
        check: "metrics file",
        code: 4,
        text: "/proc cannot be written to",
        hint: "check its owner and mode, or set ZERKALO_METRICS_FILE",
    },
    Broken {
        breaks: |desk| {
            let home = desk.world.home.path().display().to_string();
            desk.world.set("ZERKALO_METRICS_FILE", home);
        },
        check: "metrics file",
        code: 4,
        text: "is not a regular file",
        hint: "set ZERKALO_METRICS_FILE to a file",
    },
];

fn every_broken_set_up_is_named_with_its_remedy(engine: Engine) {
    let well = {
        let desk = world(engine);
        let outcome = desk.world.expect(0, &["doctor"]);
        outcome.json["checks"].as_array().unwrap().len()
    };
    for Broken { breaks, check, code, text, hint } in BROKEN {
        let mut desk = world(engine);
        breaks(&mut desk);
        let outcome = desk.world.run(&["doctor"]);
        let state = if *code == 4 { "warning" } else { "problem" };
        assert_found(&outcome, check, state, text, hint);
        assert_eq!(outcome.code, Some(*code), "{check} {text}: {}", outcome.stdout);
        assert_eq!(outcome.json["exit_code"], *code);
        // The other checks were made all the same, and nobody is left logged in.
        let others = outcome.json["checks"].as_array().unwrap().iter();
        let well_ones =
            others.filter(|finding| finding["check"] != *check && finding["state"] == "ok").count();
        assert!(well_ones >= 8 && well_ones < well, "{check} {text}: {}", outcome.stdout);
        assert_eq!(desk.world.sandbox.open_sessions(), 0, "{check} {text}");
        assert!(!outcome.stdout.contains("c4n4ry"), "{}", outcome.stdout);
    }
}

fn broken_settings_leave_the_rest_untried(engine: Engine) {
    let mut world = World::new(engine);
    let file = world.home.path().join("zerkalo.toml");
    let path = file.display().to_string();
    fs::write(&file, "[fintablo]\ntoken = \"c4n4ry\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = world.expect(2, &["doctor", "--config", &path]);
    assert_found(&outcome, "settings", "problem", "holds a secret and can be read by others", "chmod 600");
    assert_found(&outcome, "iiko", "skipped", "the settings cannot be used", "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let outcome = world.expect(0, &["doctor", "--config", &path]);
    assert_found(&outcome, "settings", "ok", "zerkalo.toml (mode 0600", "");
    world.set("TIMEZONE", "Europe/Kaliningard");
    let outcome = world.expect(2, &["doctor"]);
    assert_found(&outcome, "settings", "problem", "TIMEZONE from the environment", "");
    assert_eq!(world.sandbox.open_sessions(), 0);
}

fn everything_broken_at_once_is_told_at_once(engine: Engine) {
    let mut desk = world(engine);
    for broken in BROKEN.iter().filter(|broken| [5, 2].contains(&broken.code)) {
        (broken.breaks)(&mut desk);
    }
    let outcome = desk.world.expect(2, &["doctor"]);
    for check in ["iiko", "Google Sheets", "state directory"] {
        assert_found(&outcome, check, "problem", "", "");
    }
    assert_found(&outcome, "FinTablo", "ok", "", "");
}

fn the_mirror_of_another_source(engine: Engine) {
    let mut desk = world(engine);
    let url = desk.world.sandbox.iiko_url().replace("127.0.0.1", "localhost");
    desk.world.set("IIKO_BASE_URL", url);
    let outcome = desk.world.expect(13, &["doctor"]);
    assert_found(&outcome, "database", "problem", "this database mirrors iiko 127.0.0.1", "--adopt-source");
    assert_found(&outcome, "iiko", "ok", "localhost", "");
}

fn an_old_schema_a_newer_and_a_foreign_one(engine: Engine) {
    let desk = world(engine);
    let world = &desk.world;
    world.undo_last_migration();
    let outcome = world.expect(4, &["doctor"]);
    assert_found(&outcome, "database", "warning", "the next run migrates it", "run `zerkalo migrate`");
    let outcome = world.expect(4, &["doctor"]);
    assert_found(&outcome, "database", "warning", "schema version", "");
    world.expect(0, &["migrate"]);
    world.expect(0, &["doctor"]);
    world.execute("update zerkalo_migration set version = 9999 where version = 1");
    let outcome = world.expect(2, &["doctor"]);
    assert_found(&outcome, "database", "problem", "schema version 9999", "install the newer zerkalo");
    world.execute("drop table zerkalo_migration");
    let outcome = world.expect(2, &["doctor"]);
    assert_found(&outcome, "database", "problem", "that zerkalo did not make", "nothing was touched");
}

fn offline_asks_nobody(engine: Engine) {
    let mut desk = world(engine);
    desk.world.set("DATABASE_URL", "postgres://nobody@127.0.0.1:9/nothing");
    let outcome = desk.world.expect(0, &["doctor", "--offline"]);
    for check in ["database", "iiko", "iikoCloud", "FinTablo", "Google Sheets", "Telegram", "clock"] {
        assert_found(&outcome, check, "skipped", "--offline", "");
    }
    assert_found(&outcome, "state directory", "ok", "free", "");
    assert_eq!(desk.world.asked(), Vec::<String>::new());
    let outcome = desk.world.expect(8, &["doctor"]);
    assert_found(&outcome, "database", "problem", "127.0.0.1:9", "check that it runs, and DATABASE_URL");
}

fn no_secret_is_shown(engine: Engine) {
    let mut desk = world(engine);
    desk.world.set("IIKO_PASSWORD", PASSWORD);
    desk.world.set("FINTABLO_TOKEN", "c4n4ry-token");
    desk.world.set("TELEGRAM_BOT_TOKEN", "123456:c4n4ry-bot");
    for arguments in [&["doctor", "-vvv"][..], &["doctor", "--json"]] {
        let mut command = desk.world.command(arguments);
        let output = command.env("ZERKALO_LOG", "trace").output().unwrap();
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains("c4n4ry"), "{text}");
        }
    }
    let outcome = desk.world.run(&["doctor"]);
    assert_found(&outcome, "secrets", "ok", "FINTABLO_TOKEN from environment", "");
}

fn a_run_that_works_is_not_disturbed(engine: Engine) {
    let desk = world(engine);
    let running = desk.world.start_and_hold(&["sync", "iiko"], "suppliers", Duration::from_secs(8));
    let outcome = desk.world.start(&["doctor"]).finish();
    assert_found(
        &outcome,
        "iiko",
        "problem",
        "is being used by `zerkalo sync iiko`",
        "wait until it has ended",
    );
    assert_eq!(outcome.code, Some(11), "{}", outcome.stdout);
    assert_eq!(running.finish().code, Some(0));
    assert_eq!(desk.world.sandbox.violations(), Vec::<String>::new());
    assert!(desk.world.sandbox.most_sessions_at_once() <= 1);
}

fn a_run_on_another_host_is_not_disturbed(engine: Engine) {
    if engine == Engine::Sqlite {
        return; // A file has one host.
    }
    let mut desk = world(engine);
    let here = desk.world.state().display().to_string();
    let there = desk.world.home.path().join("other-host").display().to_string();
    let running = desk.world.start_and_hold(&["sync", "iiko"], "suppliers", Duration::from_secs(8));
    desk.world.set("ZERKALO_STATE_DIR", there.as_str());
    let logins = || {
        let opened = |event| event == Some(SessionEvent::Opened);
        desk.world.sandbox.journal().into_iter().filter(|entry| opened(entry.event)).count()
    };
    // Another schema is another mirror, and the login is the same one.
    for schema in ["public", "second"] {
        let mut command = desk.world.command(&["doctor", "--json"]);
        let outcome: Outcome = command.env("DATABASE_SCHEMA", schema).output().unwrap().into();
        let said = "the iiko session of demo is being used by zerkalo 01";
        assert_found(&outcome, "iiko", "problem", said, "wait until it has ended");
        assert_eq!(outcome.code, Some(11), "{}", outcome.stdout);
        assert_eq!(logins(), 1, "the run's own");
    }
    assert_eq!(running.finish().code, Some(0));
    assert_eq!(desk.world.sandbox.violations(), Vec::<String>::new());
    // The other way round: a run is kept out while the doctor is logged in, and no longer.
    desk.world.sandbox.clear_journal();
    let doctor = desk.world.start_and_hold(&["doctor"], "group/list", Duration::from_secs(8));
    desk.world.set("ZERKALO_STATE_DIR", here.as_str());
    let refused = desk.world.expect(11, &["sync", "iiko"]);
    let said = refused.json["error"].as_str().unwrap();
    assert!(said.starts_with("the iiko session of demo is being used by zerkalo 01"), "{said}");
    assert_eq!(doctor.finish().code, Some(0));
    desk.world.expect(0, &["sync", "iiko"]);
    assert!(desk.world.sandbox.most_sessions_at_once() <= 1);
}

fn a_database_that_cannot_be_used_does_not_keep_from_iiko(engine: Engine) {
    let mut desk = world(engine);
    let broken = match engine {
        Engine::Postgres => "postgres://nobody@127.0.0.1:9/nothing".to_owned(),
        Engine::Sqlite => {
            let file = desk.world.home.path().join("broken.db");
            fs::write(&file, "no database, and longer than the header of one. ".repeat(40)).unwrap();
            format!("sqlite:{}", file.display())
        }
    };
    desk.world.set("DATABASE_URL", broken);
    let outcome = desk.world.expect(8, &["doctor"]);
    assert_found(&outcome, "database", "problem", "", "");
    assert_found(&outcome, "iiko", "ok", "login demo reads", "");
    assert_found(&outcome, "iiko", "ok", "logged out", "");
}

/// Runs SQL as the owner of the story's database.
fn query(world: &World, sql: &str) {
    block_on(async {
        let mut connection = PgConnection::connect(&world.database).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    });
}

/// The story's database, as another role sees it.
pub(super) fn as_role(world: &World, role: &str) -> String {
    let (head, tail) = world.database.split_once('@').unwrap();
    format!("{}{role}@{tail}", &head[..=head.rfind('/').unwrap()])
}

#[test]
fn a_role_without_rights_is_told_which() {
    if super::postgres::server().is_none() {
        return;
    }
    let mut desk = world(Engine::Postgres);
    query(
        &desk.world,
        "do $$ begin create role story_reader login; exception when duplicate_object then null; end $$;
         grant usage on schema public to story_reader;
         grant select on all tables in schema public to story_reader;
         grant insert, update, delete on ft_deal to story_reader",
    );
    desk.world.set("DATABASE_URL", as_role(&desk.world, "story_reader"));
    let outcome = desk.world.run(&["doctor"]);
    query(&desk.world, "drop owned by story_reader");
    assert_eq!(outcome.code, Some(2), "{} {}", outcome.stdout, outcome.stderr);
    assert_found(&outcome, "database", "problem", "insert on iiko_product", "grant them");
    let text =
        found(&outcome, "database").iter().map(|finding| finding["text"].to_string()).collect::<String>();
    assert!(text.contains("create on the schema") && !text.contains("on ft_deal"), "{text}");
}

#[test]
fn a_role_that_may_not_look_into_the_schema_is_told_so() {
    if super::postgres::server().is_none() {
        return;
    }
    let mut desk = world(Engine::Postgres);
    query(
        &desk.world,
        "do $$ begin create role story_stranger login; exception when duplicate_object then null; end $$;
         revoke all on schema public from public;",
    );
    desk.world.set("DATABASE_URL", as_role(&desk.world, "story_stranger"));
    let said = "the role story_stranger may not look into the schema public";
    let hint = "grant usage on schema public to story_stranger";
    let outcome = desk.world.expect(2, &["doctor"]);
    assert_found(&outcome, "database", "problem", said, hint);
    for command in
        [&["status"][..], &["sync", "iiko"], &["sync", "iiko", "--dry-run"], &["log"], &["migrate"]]
    {
        let refused = desk.world.expect(2, command);
        let told = (refused.json["error"].as_str(), refused.json["hint"].as_str());
        assert!(
            told.0.is_some_and(|text| text.contains(said)) && told.1.is_some_and(|text| text.contains(hint)),
            "{command:?}: {}",
            refused.stdout
        );
    }
}

#[test]
fn a_full_disk_is_told() {
    let mut world = World::new(Engine::Sqlite);
    let disk = world.home.path().join("disk");
    world.set("ZERKALO_STATE_DIR", disk.join("state").display().to_string());
    world.set("DATABASE_URL", disk.join("mirror.db").display().to_string());
    let Some(outcome) = on_a_full_disk(&world, &disk, &["doctor", "--json"]) else { return };
    assert_eq!(outcome.code, Some(8), "{} {}", outcome.stdout, outcome.stderr);
    assert_found(&outcome, "state directory", "problem", "is full", "free some space");
    assert_found(&outcome, "database", "problem", "is full", "free some space");
    assert_found(&outcome, "iiko", "problem", "lock file", "the disk is full");
    assert_found(&outcome, "FinTablo", "ok", "", "");
}

/// Runs the binary where a full disk is mounted at this place; none where there can be no such disk.
pub(super) fn on_a_full_disk(world: &World, disk: &Path, arguments: &[&str]) -> Option<Outcome> {
    if !may_mount() {
        skip("no user namespaces, so no small disk to fill");
        return None;
    }
    fs::create_dir(disk).unwrap();
    let script = r#"set -e
mount -t tmpfs -o size=1m tmpfs "$1"
dd if=/dev/zero of="$1/fill" bs=1k count=2000 2>/dev/null || true
shift
exec "$@""#;
    let mut command = world.shell_that_mounts(script);
    command.arg(disk).arg(env!("CARGO_BIN_EXE_zerkalo")).args(arguments);
    Some(command.output().unwrap().into())
}

#[test]
fn a_clock_that_is_set_for_tests_is_told() {
    let mut world = World::new(Engine::Sqlite);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:00:00Z");
    let outcome = world.run(&["doctor", "--offline"]);
    assert_eq!(outcome.code, Some(4), "{}", outcome.stdout);
    assert_found(&outcome, "time zone", "warning", "ZERKALO_TEST_NOW is set", "unset");
    // Also where only what is wrong is told, as under cron.
    let output = world.command(&["sync", "fintablo", "-q"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ZERKALO_TEST_NOW is set") && said.contains("2026-11-22"), "{said}");
}
