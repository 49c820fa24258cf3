//! No secret leaves by any way but the one it is for: every command, every fault, as loud as can be.

use super::{
    harness::{Engine, Outcome, World, on_both},
    process::until,
};
use rustix::process::Signal;
use serde_json::json;
use sha1::{Digest as _, Sha1};
use std::{fs, io::ErrorKind, os::unix::fs::PermissionsExt as _, path::Path, thread, time::Duration};
use zerkalo::sandbox::{self, Action, Fault};

on_both!(
    no_secret_is_said_written_or_sent_where_it_does_not_belong,
    a_broken_setting_does_not_show_its_value
);

/// Looks otherwise in an address and in JSON.
const PASSWORD: &str = r#"c4n4ry-iiko"pass\word"#;
const TOKEN: &str = "c4n4ry-fintablo-token";
const BOT_TOKEN: &str = "123456:c4n4ry-telegram-token";
const DATABASE_PASSWORD: &str = "c4n4ry-database-password";

fn world(engine: Engine) -> World {
    let options = sandbox::Options {
        iiko_password: PASSWORD.to_owned(),
        fintablo_token: TOKEN.to_owned(),
        telegram_token: BOT_TOKEN.to_owned(),
        ..sandbox::Options::default()
    };
    let mut world = World::with(engine, options);
    if engine == Engine::Postgres {
        let url = world.database.replace("zerkalo@", &format!("zerkalo:{DATABASE_PASSWORD}@"));
        world.set("DATABASE_URL", url);
    }
    world.set("ZERKALO_RETRY_DELAYS", "0");
    world.set("TELEGRAM_BASE_URL", world.sandbox.telegram_url());
    world.set("TELEGRAM_BOT_TOKEN", BOT_TOKEN);
    world.set("TELEGRAM_ADMIN_CHAT_IDS", sandbox::ADMIN_CHAT);
    world
}

fn sha1() -> String {
    hex::encode(Sha1::digest(PASSWORD))
}

/// The secrets, and the password as a server may repeat it.
fn canaries() -> Vec<String> {
    let in_address = r"c4n4ry-iiko%22pass%5cword";
    let in_json = r#"c4n4ry-iiko\"pass\\word"#;
    [PASSWORD, in_address, in_json, &sha1(), TOKEN, BOT_TOKEN, DATABASE_PASSWORD].map(str::to_owned).to_vec()
}

#[track_caller]
fn assert_clean(what: &str, text: &[u8], canaries: &[String]) {
    for canary in canaries {
        let found = text.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()));
        assert!(!found, "{what} holds a secret: {}", String::from_utf8_lossy(text));
    }
}

/// Everything that lies about: files but those of settings and sessions, the database, the journal.
#[track_caller]
fn assert_nothing_lies_about(world: &World, canaries: &[String]) {
    let sessions = world.session_files();
    for path in world.files() {
        if path.starts_with(world.home.path().join("private")) {
            continue;
        }
        if sessions.contains(&path) {
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
            continue;
        }
        let known = path.starts_with(world.home.path().join("mirror.db.locks"))
            || path.starts_with(world.state().join("locks"))
            || path.starts_with(world.state().join("alarms"))
            || path.starts_with(world.home.path().join("config"))
            || path.file_name().unwrap().to_string_lossy().starts_with("mirror.db");
        assert!(known, "{} is left over", path.display());
        match fs::read(&path) {
            Ok(text) => assert_clean(&path.display().to_string(), &text, canaries),
            // SQLite's own, which goes when a run that works has ended a connection.
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{}", path.display()),
        }
    }
    let tables = [world.evidence(), [("log".to_owned(), world.log())].into()];
    assert_clean("the database", format!("{tables:?}").as_bytes(), canaries);
    for table in ["source_identity", "mirror_tombstone", "zerkalo_migration", "job_slot", "message_delivery"]
    {
        assert_clean(table, format!("{:?}", world.rows(table)).as_bytes(), canaries);
    }
    let journal = world.sandbox.journal();
    assert_clean("the journal", format!("{journal:?}").as_bytes(), canaries);
    for entry in journal {
        let named = ["key=", "pass=", "login=", "token="].iter().any(|name| entry.query.contains(name));
        assert!(!named, "a secret has no business in an address: {} {}", entry.path, entry.query);
    }
}

/// Everything that an upstream can do to a client.
fn faults(engine: Engine) -> Vec<(&'static str, Action)> {
    let text = |code, body: &str| Action::Status {
        code,
        content_type: "text/plain".to_owned(),
        body: body.to_owned().into(),
        headers: Vec::new(),
    };
    // What the process knows it can recognise: on SQLite there is no database's password.
    let known = if engine == Engine::Sqlite { 6 } else { 7 };
    let repeated = canaries()[..known].join(" ");
    let json = Action::Body {
        content_type: "application/json".to_owned(),
        body: json!({"status": 400, "statusText": repeated, "ok": false, "description": repeated})
            .to_string()
            .into(),
    };
    let elsewhere = Action::Redirect { location: "http://127.0.0.1:1/elsewhere".to_owned(), code: 307 };
    let mut faults = Vec::new();
    for on in ["/auth", "products/list", "/v1/deal", "/logout", "/sendMessage"] {
        faults.extend([
            (on, text(400, "bad")),
            (on, text(400, &repeated)),
            (on, text(409, &repeated)),
            (on, json.clone()),
            (on, text(401, "who")),
            (on, text(403, "no")),
            (on, text(404, "gone")),
            (on, text(500, "oops")),
            (on, Action::Cut { at: 3 }),
            (on, Action::Close),
            (on, Action::CloseAfterEffect),
            (on, Action::Garbage),
            (on, Action::Html),
            (on, Action::Empty),
            (on, Action::ExpireToken),
            (on, Action::LicenceFull),
            (on, Action::TooMany { retry_after: "100000".to_owned() }),
            (on, elsewhere.clone()),
        ]);
    }
    faults
}

fn no_secret_is_said_written_or_sent_where_it_does_not_belong(engine: Engine) {
    let mut world = world(engine);
    let canaries = canaries();
    let run = |world: &World, arguments: &[&str], canaries: &[String]| {
        let outcome: Outcome = world.command(arguments).output().unwrap().into();
        assert_clean(&format!("{arguments:?}"), outcome.stdout.as_bytes(), canaries);
        assert_clean(&format!("{arguments:?}"), outcome.stderr.as_bytes(), canaries);
        outcome
    };
    for arguments in [
        &["config", "check"][..],
        &["config", "check", "--json"],
        &["config", "show"],
        &["config", "show", "--json", "-vvv"],
        &["config", "init", "config/new.toml"],
        &["full-morning", "--dry-run", "-vvv"],
        &["migrate", "-vvv"],
        &["sync", "iiko", "-vvv"],
        &["sync", "fintablo", "-vvv", "--json"],
        &["sync", "stock", "-vvv"],
        &["full-morning", "--verify", "-vvv"],
    ] {
        let outcome = run(&world, arguments, &canaries);
        assert_eq!(outcome.code, Some(0), "{arguments:?} {}", outcome.stderr);
    }
    world.set("ZERKALO_LOG", "trace,hyper=trace,reqwest=trace,sqlx=trace,rustls=trace");
    for (on, action) in faults(engine) {
        world.sandbox.fault(Fault::new(format!("{on}$"), action.clone()).times(2));
        let only = match on {
            "/v1/deal" => &["sync", "fintablo", "--only", "ft_deal"][..],
            "/sendMessage" => &["full-morning", "--skip", "iiko", "--skip", "fintablo", "--notify", "always"],
            _ => &["sync", "iiko", "--only", "iiko_product"],
        };
        run(&world, only, &canaries);
        world.sandbox.clear_faults();
        // A session that a fault on the log-out left open is not the next fault's affair.
        world.sandbox.fault(Fault::new("/auth", Action::ExpireToken));
    }
    assert_nothing_lies_about(&world, &canaries);
    let telegram = world.rows("message_delivery");
    assert!(telegram.iter().any(|row| row["last_error"].is_some()), "{telegram:?}");
    let chat = world.sandbox.world().telegram.messages(sandbox::ADMIN_CHAT);
    assert!(!chat.is_empty());
    assert_clean("the chat", chat.join("\n").as_bytes(), &canaries);
    // Nobody listens, and a name that is nobody's.
    for base in ["http://127.0.0.1:9/telegram", "https://telegram.invalid"] {
        world.set("TELEGRAM_BASE_URL", base);
        let arguments =
            ["full-morning", "--skip", "iiko", "--skip", "fintablo", "--notify", "always", "-vvv"];
        let outcome = run(&world, &arguments, &canaries);
        assert!(
            outcome.stderr.contains("was not sent: telegram sendMessage: cannot connect"),
            "{}",
            outcome.stderr
        );
    }
    world.set("TELEGRAM_BASE_URL", world.sandbox.telegram_url());
    world.sandbox.clear_faults();

    // The token of a session lives in its file, while it is needed.
    world.sandbox.edit(|world| world.products[0]["name"] = "changed".into());
    world.set("ZERKALO_SPOOL_MEMORY", "1 KiB");
    run(&world, &["sync", "iiko", "--only", "iiko_store"], &canaries);
    world.sandbox.clear_journal();
    let held = world.start_and_hold(&["sync", "iiko", "-vvv"], "products/list", Duration::from_mins(1));
    until("the token is written", || world.session_files().len() == 1);
    let command_line = fs::read(format!("/proc/{}/cmdline", held.pid())).unwrap_or_default();
    assert_clean("the command line", &command_line, &canaries);
    let mut all = canaries.clone();
    all.push(fs::read_to_string(&world.session_files()[0]).unwrap());
    assert!(all.last().unwrap().len() > 20, "a token");
    assert_nothing_lies_about(&world, &all);
    held.signal(Signal::KILL);
    let killed = held.finish();
    assert_clean("what it said", format!("{}{}", killed.stdout, killed.stderr).as_bytes(), &all);
    thread::sleep(Duration::from_millis(50));
    run(&world, &["sync", "iiko", "-vvv"], &all);
    assert_eq!(world.session_files().len(), 0);
    assert_nothing_lies_about(&world, &all);
}

fn a_broken_setting_does_not_show_its_value(engine: Engine) {
    let mut world = world(engine);
    let private = world.home.path().join("private");
    fs::create_dir(&private).unwrap();
    let write = |name: &str, text: &str| {
        let path = private.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let canaries = canaries();
    let wrong = [
        ("IIKO_SHA1_PASSWORD", PASSWORD.to_owned()),
        ("IIKO_BASE_URL", format!("https://demo:{PASSWORD}@iiko.example")),
        ("IIKO_BASE_URL", format!("https://iiko.example/?key={TOKEN}")),
        ("FINTABLO_TOKEN", format!("{TOKEN} {TOKEN}")),
        ("DATABASE_URL", format!("postgres://u:{DATABASE_PASSWORD}#@127.0.0.1:1/x")),
        ("DATABASE_URL", format!("postgres://u:{DATABASE_PASSWORD}@127.0.0.1:1/x")),
        ("DATABASE_URL", format!("mysql://u:{DATABASE_PASSWORD}@127.0.0.1:1/x")),
        ("DATABASE_URL", format!("host=x password={DATABASE_PASSWORD}")),
        ("DATABASE_URL", format!("postgres://u@127.0.0.1:1/x?passwrd={DATABASE_PASSWORD}")),
        ("DATABASE_URL", format!("postgres://u@127.0.0.1:1/x?sslpassword={DATABASE_PASSWORD}")),
        ("DATABASE_URL", format!("u:{DATABASE_PASSWORD}@127.0.0.1/x")),
        ("DATABASE_URL", format!("postgres:u:{DATABASE_PASSWORD}@127.0.0.1/x")),
        ("TELEGRAM_BOT_TOKEN", format!("bot{BOT_TOKEN}")),
        ("TELEGRAM_BASE_URL", format!("https://api.telegram.example/?token={BOT_TOKEN}")),
        ("TELEGRAM_CHAT_IDS", BOT_TOKEN.to_owned()),
        ("TIMEZONE", TOKEN.to_owned()),
        ("ZERKALO_RETRY_DELAYS", TOKEN.to_owned()),
        ("ZERKALO_LOG", format!("[[{TOKEN}")),
        ("FINTABLO_TOKEN_FILE", write("two-lines", &format!("{TOKEN}\n{TOKEN}"))),
        ("ZERKALO_CONFIG", write("broken.toml", &format!("[fintablo]\ntoken = \"{TOKEN}\nurl = 1"))),
        ("ZERKALO_CONFIG", write("wrong-place.toml", &format!("[iiko]\n\"{}\" = 1", sha1()))),
        ("ZERKALO_CONFIG", write("wrong-type.toml", &format!("[limits]\nrun = \"{TOKEN}\""))),
    ];
    for (name, value) in wrong {
        for arguments in [&["sync", "iiko", "-vvv"][..], &["full-morning", "--json"], &["config", "check"]] {
            let mut command = world.command(arguments);
            let outcome: Outcome = command.env(name, &value).output().unwrap().into();
            let what = format!("{arguments:?} with a wrong {name}");
            assert_clean(&what, format!("{}{}", outcome.stdout, outcome.stderr).as_bytes(), &canaries);
        }
    }
    for address in ["postgres://u:", "u:", "postgres:u:"] {
        let password = format!("--database={address}{DATABASE_PASSWORD}@h/d");
        let refused: Outcome = world.command(&["sync", "fintablo", &password]).output().unwrap().into();
        assert_eq!(refused.code, Some(2), "{address} {}", refused.stderr);
        assert_clean("a refusal", format!("{}{}", refused.stdout, refused.stderr).as_bytes(), &canaries);
    }
    assert_clean("a name of a file", format!("{:?}", world.files()).as_bytes(), &canaries);

    // From files, as systemd and an operator hand them in.
    let (iiko, fintablo) = (write("password", PASSWORD), write("token", TOKEN));
    for name in ["IIKO_PASSWORD", "FINTABLO_TOKEN"] {
        world.set(name, "");
    }
    world.set("IIKO_PASSWORD_FILE", iiko);
    world.set("FINTABLO_TOKEN_FILE", fintablo);
    let outcome = world.expect(0, &["full-morning", "-vvv"]);
    assert_clean("a run", format!("{}{}", outcome.stdout, outcome.stderr).as_bytes(), &canaries);
    assert_nothing_lies_about(&world, &canaries);
}
