//! Whatever is wrong outside: one sentence says what and where, a hint says what to do, nobody is asked in vain and the
//! database is as before.

use super::{
    harness::{Engine, Outcome, World, on_both},
    process::{Blocker, until},
};
use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};
use zerkalo::sandbox::{Action, Fault};

on_both!(
    a_database_that_another_program_holds_is_named,
    a_newer_schema_is_refused,
    an_older_schema_is_refused_by_a_dry_run,
    an_upstream_that_is_not_there_or_not_itself_is_named,
    a_reader_that_leaves_stops_nothing,
    a_log_that_nobody_reads_holds_up_nothing,
);

/// Runs a command that must fail with this code, one sentence and one hint, and neither ask nor create anything.
#[track_caller]
fn refuse(world: &World, command: Command, code: i32, says: &str, hint: &str) {
    let outcome = fails(command, code, says, hint);
    assert!(world.sandbox.journal().is_empty(), "nobody is asked: {}", outcome.stderr);
}

/// Runs a command that must fail with this code, one sentence and one hint.
#[track_caller]
fn fails(mut command: Command, code: i32, says: &str, hint: &str) -> Outcome {
    let outcome: Outcome = command.arg("-q").output().unwrap().into();
    let told = &outcome.stderr;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{told}");
    let lines: Vec<&str> = told.lines().filter(|line| !line.contains(" WARN ")).collect();
    assert_eq!(lines.len(), 2, "a sentence and a hint: {told}");
    assert!(lines[0].starts_with("error: ") && lines[0].contains(says), "{told}\nexpected: {says}");
    assert!(lines[1].starts_with("  hint: ") && lines[1].contains(hint), "{told}\nexpected: {hint}");
    assert!(lines[0].len() < 400 && !lines[0].ends_with('.'), "{told}");
    outcome
}

#[test]
fn a_settings_file_is_refused_at_its_place() {
    let world = World::new(Engine::Sqlite);
    let file = world.home.path().join("zerkalo.toml");
    let secret = "[fintablo]\ntoken = \"a-token-that-others-see\"\n";
    for (text, mode, says, hint) in [
        (
            "[iiko]\n  base_ulr = \"x\"\n",
            0o600,
            ":2:3: unknown key `iiko.base_ulr`",
            "[iiko] takes: base_url, login,",
        ),
        (
            "[iiko]\nallow_http = \"yes\"\n",
            0o600,
            ":2:1: iiko.allow_http must be true or false, not a string",
            "what it is for: Accept plain http",
        ),
        (
            "[limits]\nrun = [1]\n",
            0o600,
            ":2:1: limits.run must be a number of seconds, not an array",
            "what it is for: Seconds for the whole run",
        ),
        (
            "[iiko\n",
            0o600,
            ":1:6: not valid TOML: unclosed table",
            "`zerkalo config init OTHER-FILE` writes a valid file",
        ),
        (secret, 0o644, "zerkalo.toml holds a secret and can be read by others", "run: chmod 600 "),
        ("", 0o000, "zerkalo.toml cannot be read: Permission denied", "run: chmod 600 "),
    ] {
        fs::write(&file, text).unwrap();
        for arguments in [
            &["sync", "iiko"][..],
            &["full-morning"],
            &["migrate"],
            &["config", "check"],
            &["config", "show"],
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let mut command = world.as_nobody(world.command(arguments));
            command.arg("--config").arg(&file);
            refuse(&world, command, 2, says, hint);
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut command = world.command(&["sync", "iiko", "--config", "nosuch.toml"]);
    refuse(
        &world,
        command,
        2,
        "there is no settings file nosuch.toml",
        "write one: zerkalo config init nosuch.toml",
    );
    command = world.command(&["sync", "iiko", "--env-file", "nosuch.env"]);
    refuse(
        &world,
        command,
        2,
        "the env-file nosuch.env cannot be read: No such file",
        "check the path after --env-file",
    );
    command = world.command(&["config", "init", "/proc/nosuch/zerkalo.toml"]);
    refuse(
        &world,
        command,
        2,
        "/proc/nosuch/zerkalo.toml cannot be written",
        "name another place: zerkalo config init",
    );
    assert!(!world.file().exists(), "no database is made");
}

/// A setting, a wrong value of it, what is said and what is advised.
const WRONG: [[&str; 4]; 19] = [
    ["IIKO_BASE_URL", "", "IIKO_BASE_URL is not set", "set it in the environment or in zerkalo.toml"],
    ["IIKO_PASSWORD", "", "IIKO_PASSWORD is not set", "set it in the environment or in zerkalo.toml"],
    ["IIKO_LOGIN", "", "is set, but there is no login", "set IIKO_LOGIN (iiko.login)"],
    ["FINTABLO_TOKEN", "", "FINTABLO_TOKEN is not set", "set it in the environment or in zerkalo.toml"],
    [
        "IIKO_BASE_URL",
        "chain.iiko.it",
        "IIKO_BASE_URL from the environment must begin with `https://`",
        "such as `https://chain.iiko.it:443`",
    ],
    ["IIKO_BASE_URL", "ftp://chain.iiko.it", "must begin with `https://`", "such as"],
    [
        "IIKO_BASE_URL",
        "https://u:p@chain.iiko.it",
        "must not hold a login or password",
        "IIKO_LOGIN and IIKO_PASSWORD",
    ],
    [
        "IIKO_BASE_URL",
        "https://chain.iiko.it/?x=1",
        "must end before any `?` or `#`",
        "what it is for: The iiko server",
    ],
    [
        "IIKO_BASE_URL",
        "http://chain.iiko.it",
        "must begin with `https://`",
        "plain http is possible only in a private network",
    ],
    [
        "IIKO_BASE_URL",
        "http://10.0.0.7:8080",
        "must begin with `https://`",
        "IIKO_ALLOW_HTTP=1 allows plain http in a private network",
    ],
    [
        "FINTABLO_BASE_URL",
        "http://api.fintablo.ru",
        "FINTABLO_BASE_URL from the environment must begin with `https://`",
        "the token would travel unencrypted",
    ],
    [
        "TIMEZONE",
        "Mars/Olympus",
        "TIMEZONE from the environment must be the IANA name of a time zone",
        "such as `Europe/Kaliningrad`",
    ],
    [
        "DATABASE_URL",
        "mysql://host/name",
        "DATABASE_URL from the environment must be `postgres://…`, `sqlite:PATH`",
        "other databases are not supported",
    ],
    [
        "DATABASE_SCHEMA",
        "A-b",
        "DATABASE_SCHEMA from the environment must be",
        "what it is for: The PostgreSQL schema",
    ],
    [
        "ZERKALO_BUSY_TIMEOUT",
        "0",
        "ZERKALO_BUSY_TIMEOUT from the environment must be a number of seconds above 0",
        "another program",
    ],
    [
        "IIKO_SHA1_PASSWORD",
        "short",
        "must be the 40 hex digits of a SHA-1",
        "a password as it is typed goes into IIKO_PASSWORD",
    ],
    [
        "FINTABLO_TOKEN_FILE",
        "/nosuch/token",
        "/nosuch/token (for FINTABLO_TOKEN) cannot be read: No such file",
        "check that path",
    ],
    [
        "IIKO_CA_FILE",
        "/nosuch/ca.pem",
        "the CA file /nosuch/ca.pem cannot be read: No such file",
        "IIKO_CA_FILE names a PEM file",
    ],
    ["ZERKALO_LOG", "[[", "ZERKALO_LOG is not a log filter", "such as `info`"],
];

#[test]
fn a_wrong_setting_is_named_with_its_source() {
    let world = World::new(Engine::Sqlite);
    for [name, value, says, hint] in WRONG {
        let mut command = world.command(&["full-morning"]);
        command.env(name, value);
        if name == "IIKO_CA_FILE" {
            command.env("IIKO_BASE_URL", "https://127.0.0.1:1");
        }
        refuse(&world, command, 2, says, hint);
    }
    for url in ["postgres://role:word@127.0.0.1/name", "postgres://127.0.0.1/name?password=word"] {
        let command = world.command(&["sync", "iiko", "--database", url]);
        refuse(&world, command, 2, "--database must not hold a password", "put the address into a 0600 file");
    }
    let command = world.command(&["sync", "iiko", "--only", "iiko_shop"]);
    refuse(&world, command, 2, "--only: `iiko_shop` is no table of `sync iiko`", "its tables: iiko_entity,");
    assert!(!world.file().exists(), "no database is made");
}

#[test]
fn a_postgres_that_does_not_let_us_in_says_why() {
    let Some(server) = super::postgres::server() else { return };
    let world = World::new(Engine::Postgres);
    let closed = format!("127.0.0.1:{}", closed_port());
    // Whether a machine may start it again.
    for (url, code, says) in [
        (format!("postgres://zerkalo@{closed}/x"), 8, "PostgreSQL at 127.0.0.1:".to_owned()),
        (format!("postgres://zerkalo@{closed}/x"), 8, "Connection refused".to_owned()),
        (server.url("no_such_database"), 2, "database \"no_such_database\" does not exist".to_owned()),
        (
            server.url("postgres").replace("zerkalo@", "nobody_here@"),
            2,
            "role \"nobody_here\" does not exist".to_owned(),
        ),
    ] {
        for arguments in [&["sync", "iiko"][..], &["full-morning", "--dry-run"], &["migrate"]] {
            let mut command = world.command(arguments);
            command.env("DATABASE_URL", &url);
            refuse(
                &world,
                command,
                code,
                &says,
                "check that it runs, and DATABASE_URL: host, port, role, password, database",
            );
        }
    }
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_file_that_cannot_be_a_database_is_named() {
    let world = World::new(Engine::Sqlite);
    let home = world.home.path().to_owned();
    let hint = "check that the path is a SQLite file and that this user may write to it and its folder";
    let run = |place: &str| {
        let mut command = world.as_nobody(world.command(&["sync", "iiko"]));
        command.env("DATABASE_URL", home.join(place));
        command
    };
    fs::create_dir(home.join("folder")).unwrap();
    let only_files = "DATABASE_URL names an SQLite file, and only SQLite's own files are beside it";
    refuse(&world, run("folder"), 2, "it is a folder and is not a regular file", only_files);
    let text = "this is a letter, not a database. ".repeat(100);
    fs::write(home.join("letter.txt"), &text).unwrap();
    refuse(&world, run("letter.txt"), 8, "file is not a database", hint);
    assert_eq!(fs::read_to_string(home.join("letter.txt")).unwrap(), text);

    fs::create_dir(home.join("shut")).unwrap();
    fs::set_permissions(home.join("shut"), fs::Permissions::from_mode(0o500)).unwrap();
    refuse(&world, run("shut/new.db"), 2, "cannot use the lock file", "check DATABASE_URL");
    fs::set_permissions(home.join("shut"), fs::Permissions::from_mode(0o700)).unwrap();

    world.expect(0, &["sync", "iiko"]);
    world.sandbox.clear_journal();
    let before = world.evidence();
    let mut read_only = run("mirror.db");
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o400)).unwrap();
    read_only.arg("--only=iiko_store");
    let hint = "check the owner and mode of the file and of its folder";
    refuse(&world, read_only, 2, "mirror.db cannot be written to: Permission denied", hint);
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o500)).unwrap();
    let says = format!("{} cannot be written to: Permission denied", home.display());
    refuse(&world, world.as_nobody(world.command(&["sync", "iiko"])), 2, &says, hint);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(world.evidence(), before);
}

fn a_database_that_another_program_holds_is_named(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    world.sandbox.edit(|world| {
        for product in &mut world.products {
            product["name"] = "changed".into();
        }
    });
    world.set("ZERKALO_BUSY_TIMEOUT", "0.3");
    let before = world.evidence();
    let blocker = Blocker::new(&world);
    let hint = "another program has been writing for longer than ZERKALO_BUSY_TIMEOUT";
    let says = if engine == Engine::Sqlite { "database is locked" } else { "due to lock timeout" };
    fails(world.command(&["sync", "iiko", "--only", "iiko_product"]), 8, says, hint);
    assert_eq!(world.evidence(), before);
    blocker.go();
    world.assert_polite();
    world.expect(0, &["sync", "iiko", "--only", "iiko_product"]);
}

fn a_newer_schema_is_refused(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    world.execute("update zerkalo_migration set version = 9999 where version = (select max(version) from zerkalo_migration)");
    let before = world.evidence();
    for arguments in [&["sync", "iiko"][..], &["full-morning", "--dry-run"], &["migrate"]] {
        let says = "the database has schema version 9999, and this zerkalo knows only up to ";
        refuse(
            &world,
            world.command(arguments),
            2,
            says,
            "install the newer zerkalo that has been used on it",
        );
    }
    assert_eq!((world.evidence(), world.count("iiko_sync_log")), (before, 0));
}

fn an_older_schema_is_refused_by_a_dry_run(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    world.undo_last_migration();
    let says = "the database has schema version ";
    refuse(&world, world.command(&["full-morning", "--dry-run"]), 2, says, "run `zerkalo migrate`");
    world.expect(0, &["full-morning"]);
}

fn an_upstream_that_is_not_there_or_not_itself_is_named(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    world.sandbox.edit(|world| world.stores[0]["name"] = "changed".into());
    world.set("ZERKALO_RETRY_DELAYS", "none");
    let before = world.evidence();
    let store = ["sync", "iiko", "--only", "iiko_store"];
    for (on, action, code, says, hint) in [
        ("auth", Action::Html, 7, "iiko auth: the answer is text/html", "check IIKO_BASE_URL: a proxy"),
        (
            "stores",
            Action::Html,
            7,
            "iiko corporation/stores: the answer is text/html",
            "check the base URL: a proxy",
        ),
        (
            "stores",
            Action::Redirect { location: "http://127.0.0.1:1/".to_owned(), code: 302 },
            6,
            "iiko corporation/stores: the server redirects, which is not followed",
            "set IIKO_BASE_URL to the address that it redirects to",
        ),
        (
            "auth",
            Action::LicenceFull,
            6,
            "iiko refuses the login (403): License enhancement is required",
            "a licence slot frees itself",
        ),
        (
            "stores",
            Action::Close,
            5,
            "iiko corporation/stores: the connection was closed without an answer",
            "this request changed nothing",
        ),
        (
            "stores",
            Action::Cut { at: 100 },
            5,
            "iiko corporation/stores: the answer breaks off",
            "this request changed nothing",
        ),
    ] {
        world.sandbox.fault(Fault::new(on, action).times(9));
        fails(world.command(&store), code, says, hint);
        world.sandbox.clear_faults();
        assert_eq!(world.evidence(), before);
        assert_eq!(world.log().last().unwrap()["status"].as_deref(), Some("error"));
    }
    let mut wrong = world.command(&store);
    wrong.env("IIKO_PASSWORD", "wrong");
    fails(
        wrong,
        6,
        "iiko refuses the login (401): Wrong login or password",
        "check IIKO_LOGIN and IIKO_PASSWORD",
    );
    let mut nobody = world.command(&["sync", "iiko", "--only", "iiko_store", "--adopt-source"]);
    let place = format!("127.0.0.1:{}", closed_port());
    nobody.env("IIKO_BASE_URL", format!("http://{place}"));
    let text = format!("iiko auth: cannot connect ({place}): Connection refused");
    fails(nobody, 5, &text, "check the network and the base URL");
    assert_eq!(world.evidence(), before);
    world.assert_polite();
    world.expect(0, &store);
}

/// What the operator's shell, cron and systemd may take away.
fn a_reader_that_leaves_stops_nothing(engine: Engine) {
    let world = World::new(engine);
    for arguments in [
        &["full-morning"][..],
        &["full-morning", "--json"],
        &["sync", "iiko", "-vvv"],
        &["config", "check"],
        &["migrate"],
    ] {
        let mut command = world.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
    super::expected::assert_same(&world.dump(), &super::expected::mirror(&world.sandbox.world()));
    world.assert_polite();
}

fn a_log_that_nobody_reads_holds_up_nothing(engine: Engine) {
    let world = World::new(engine);
    // A pipe that is full already, and at its other end nobody who reads.
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    writer.write_all(&[b'.'; 4096]).unwrap();
    let mut command = world.command(&["full-morning", "-v"]);
    let mut child = command.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    drop(command);
    until("the run has ended", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::io::read_to_string(reader).unwrap().len(), 4096);
    super::expected::assert_same(&world.dump(), &super::expected::mirror(&world.sandbox.world()));
}

#[test]
fn cron_may_take_the_environment_away() {
    let mut world = World::new(Engine::Sqlite);
    world.expect(0, &["full-morning"]);
    // No HOME: everything that is needed is named.
    let mut command = world.command(&["full-morning", "-q"]);
    let outcome: Outcome = command.env_remove("HOME").output().unwrap().into();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    // A home that cannot be written to.
    let home = world.home.path().join("home");
    fs::create_dir(&home).unwrap();
    let mut command = world.as_nobody(world.command(&["full-morning", "-q"]));
    fs::set_permissions(&home, fs::Permissions::from_mode(0o500)).unwrap();
    let outcome: Outcome = command.env("HOME", &home).output().unwrap().into();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    world.sandbox.clear_journal();
    for (missing, what) in [("DATABASE_URL", "the database"), ("ZERKALO_STATE_DIR", "locks and spools")] {
        let mut command = world.command(&["full-morning"]);
        command.env_remove("HOME").env_remove(missing);
        let says = format!("there is no home directory (HOME is not set) for {what}");
        refuse(&world, command, 2, &says, &format!("set {missing}"));
        let mut command = world.as_nobody(world.command(&["full-morning"]));
        command.env("HOME", &home).env_remove(missing);
        refuse(&world, command, 2, "Permission denied", "check DATABASE_URL and ZERKALO_STATE_DIR");
    }
    // Nothing at all.
    let mut command = world.command(&["full-morning"]);
    command.env_clear();
    refuse(&world, command, 2, "there is no home directory", "set DATABASE_URL");
    // A machine without certificates speaks plain HTTP all the same, and says what is missing for the rest.
    world.set("SSL_CERT_FILE", "/nosuch");
    world.set("SSL_CERT_DIR", "/nosuch");
    world.expect(0, &["full-morning"]);
}

#[test]
fn a_full_disk_leaves_the_old_rows() {
    let permitted =
        Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|made| made.status.success());
    if !permitted {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), "skipped: no user namespaces, so no small disk to fill");
        return;
    }
    let script = r#"set -e
mount -t tmpfs -o size="$1" tmpfs "$2"
cd "$2"
export DATABASE_URL=mirror.db
"$4" sync iiko -q --only iiko_store
code=0; "$4" full-morning -q || code=$?
cp mirror.db* "$3/" 2>/dev/null || true
mount -o remount,size=64m "$2"
"$4" full-morning -q
"$4" full-morning -q --verify
echo "code $code""#;
    for size in ["1000k", "1200k", "1500k"] {
        let world = World::new(Engine::Sqlite);
        let disk = world.home.path().join("disk");
        fs::create_dir(&disk).unwrap();
        let own = world.command(&[]);
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["-rm", "sh", "-c", script, "sh", size]).arg(&disk).arg(world.home.path());
        let outcome: Outcome = command.arg(env!("CARGO_BIN_EXE_zerkalo")).output().unwrap().into();
        assert_eq!(outcome.stdout, "code 8\n", "{size}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("hint: the disk is full; free some space"), "{}", outcome.stderr);
        // As it was on the full disk: every table is whole or as before.
        assert_eq!(world.query("pragma integrity_check"), [[Some("ok".to_owned())]]);
        let (dump, expected) = (world.dump(), super::expected::mirror(&world.sandbox.world()));
        assert_eq!(dump["iiko_store"], expected["iiko_store"], "{size}");
        for (table, rows) in &dump {
            assert!(rows.is_empty() || *rows == expected[table], "{size}: {table} is half written");
        }
        let missing = dump.iter().any(|(table, rows)| rows.is_empty() && !expected[table].is_empty());
        assert!(missing, "{size}: the disk was full");
        world.assert_polite();
    }
}
