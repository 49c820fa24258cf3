//! Settings as an operator meets them: which layer wins, what is refused, and that no secret is ever shown.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono_tz::Tz;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use super::*;
use crate::error::{Failure, Kind};

/// Stands for every secret in these tests; must never appear in anything that is shown.
const CANARY: &str = "c4n4ry-Pa55";
const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

struct House {
    directory: TempDir,
    environment: Vec<(String, String)>,
    flags: Flags,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().display().to_string();
        Self { directory, environment: vec![("HOME".to_owned(), home)], flags: Flags::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn set(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().display().to_string()));
        self
    }

    fn file(mut self, text: &str) -> Self {
        self.flags.config = Some(self.write("zerkalo.toml", text, 0o600));
        self
    }

    fn env_file(mut self, text: &str) -> Self {
        self.flags.env_file = Some(self.write("old.env", text, 0o600));
        self
    }

    fn load(&self) -> Result<Loaded, Failure> {
        let pairs = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        load(&self.flags, &pairs.collect())
    }

    fn refusal(&self) -> String {
        let failure = self.load().expect_err("these settings should be refused");
        assert_eq!(failure.kind, Kind::Usage);
        let text = format!("{failure}\nhint: {}", failure.hint.clone().unwrap_or_default());
        assert!(!failure.message.ends_with('.'), "{text}");
        for shown in [&text, &format!("{failure:?}")] {
            assert!(!shown.contains(CANARY), "{shown}");
        }
        text
    }
}

#[track_caller]
fn refused(house: &House, expected: &[&str]) {
    let text = house.refusal();
    for part in expected {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn defaults_need_only_a_home() {
    let house = House::new();
    let Loaded { config, origins, warnings, file, .. } = house.load().unwrap();
    assert_eq!(config.database.sqlite_path(), Some(house.path(".local/share/zerkalo/zerkalo.db")));
    assert_eq!(config.state_dir, house.path(".local/state/zerkalo"));
    assert_eq!((config.timezone, config.database.schema.as_str()), (Tz::Europe__Kaliningrad, "public"));
    assert!(origins.is_empty() && warnings.is_empty() && file.is_none());

    let moved =
        House::new().set("XDG_DATA_HOME", "/data").set("XDG_STATE_HOME", "/state").load().unwrap().config;
    assert_eq!(moved.database.sqlite_path(), Some("/data/zerkalo/zerkalo.db".into()));
    assert_eq!(moved.state_dir, PathBuf::from("/state/zerkalo"));
    let unit = House::new().set("STATE_DIRECTORY", "/var/lib/zerkalo:/var/lib/b").load().unwrap().config;
    assert_eq!(unit.state_dir, PathBuf::from("/var/lib/zerkalo"));
}

#[test]
fn each_tab_of_the_sheet_has_a_title_of_its_own() {
    for (name, title) in [
        ("MIN_STOCK_MAPPING_TAB", "мин остатки"),
        ("MIN_STOCK_MAPPING_TAB", "Маппинг Импорт "),
        ("MIN_STOCK_IMPORT_TAB", "Мин остатки"),
        ("MIN_STOCK_TAB", "Маппинг Справочник"),
    ] {
        refused(&House::new().set(name, title), &["is the title of another tab of the settings, too"]);
    }
}

#[test]
fn a_watched_job_is_one_that_can_have_a_slot() {
    for wrong in ["negative_transfer", "full-morning, doctor", "sync"] {
        let expected = ["ZERKALO_STATUS_JOBS from the environment names no job", "negative-transfer, "];
        refused(&House::new().set("ZERKALO_STATUS_JOBS", wrong), &expected);
    }
    let loaded = House::new().set("ZERKALO_STATUS_JOBS", "full-morning, sync iiko,").load().unwrap();
    assert_eq!(loaded.config.status.jobs, ["full-morning", "sync iiko"]);
}

#[test]
fn a_store_is_no_target_of_itself() {
    let house = House::new().set("NEGATIVE_TRANSFER_TARGET_PREFIXES", "Бар, хоз.Товары");
    let expected =
        ["NEGATIVE_TRANSFER_TARGET_PREFIXES from the environment names `хоз.Товары`", "source_prefix"];
    refused(&house, &expected);
    refused(
        &House::new().set("NEGATIVE_TRANSFER_SOURCE_PREFIX", " кухня"),
        &["transfer.target_prefixes names `Кухня`"],
    );
}

#[test]
fn declared_defaults_are_the_real_ones() {
    let defaults = Config::default();
    for setting in SETTINGS.iter().filter(|setting| !setting.default.starts_with('~')) {
        let mut config = Config::default();
        if !setting.default.is_empty() {
            (setting.set)(&mut config, setting.default).unwrap();
        }
        assert_eq!((setting.get)(&config), (setting.get)(&defaults), "{}", setting.key);
    }
}

#[test]
fn the_stronger_layer_wins() {
    let house = House::new()
        .file("timezone = \"Europe/Moscow\"\n[iiko]\nlogin = \"file\"\n[limits]\nconnect = 1.5\n");
    let loaded = house.load().unwrap();
    assert_eq!(loaded.config.iiko.login.as_deref(), Some("file"));
    assert_eq!(loaded.config.limits.connect, Duration::from_millis(1500));
    assert_eq!(loaded.file, Some(house.path("zerkalo.toml")));

    let house = house.env_file("IIKO_LOGIN=env file\nTELEGRAM_CHAT_IDS=1 2\nWHATEVER=x\n");
    assert_eq!(house.load().unwrap().config.iiko.login.as_deref(), Some("env file"));
    let house = house.set("IIKO_LOGIN", "environment").set("TIMEZONE", "");
    let loaded = house.load().unwrap();
    assert_eq!(loaded.config.iiko.login.as_deref(), Some("environment"));
    assert_eq!(loaded.config.timezone, Tz::Europe__Moscow, "an empty variable is an unset one");
    assert_eq!(loaded.origins["iiko.login"], Origin::Environment);
    let expected = Origin::File { path: house.path("zerkalo.toml"), line: 1, column: 1 };
    assert_eq!(loaded.origins["timezone"], expected);

    let mut house = house.set("DATABASE_URL", "postgres://h/d");
    house.flags.database = Some(SecretString::from("sqlite:/flag.db"));
    let loaded = house.load().unwrap();
    assert_eq!(loaded.config.database.sqlite_path(), Some("/flag.db".into()));
    assert_eq!(loaded.origins["database.url"], Origin::Flag("--database"));
}

#[test]
fn a_name_that_nobody_reads_is_told_with_the_one_that_is_meant() {
    let house = House::new().env_file(&format!(
        "IIKO_PASWORD={CANARY}\nORG_ID=1\nIIKO_VERIFY_SSL=false\nREDIS_URL=x\nIIKO_LOGIN=reader\n"
    ));
    let mut warnings = house.load().unwrap().warnings;
    warnings.sort();
    let said = |line: usize, text: &str| format!("{}:{line}: {text}", house.path("old.env").display());
    let expected = [
        said(1, "IIKO_PASWORD is no setting and is not read; IIKO_PASSWORD is"),
        said(2, "ORG_ID is not honoured any more: set IIKO_CLOUD_ORG_ID"),
        said(
            3,
            "IIKO_VERIFY_SSL is not honoured any more: certificates are always checked; IIKO_CA_FILE or IIKO_TLS_PIN lets \
             a self-signed server in",
        ),
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn the_bot_and_its_chats_are_read_and_the_token_is_not_shown() {
    let token = "123456:c4n4ry-Pa55_x";
    let house = House::new()
        .set("TELEGRAM_BOT_TOKEN", token)
        .set("TELEGRAM_CHAT_IDS", "-1001234567890, 5,5 @zerkalo_report")
        .set("TELEGRAM_ADMIN_CHAT_IDS", "42");
    let loaded = house.load().unwrap();
    assert_eq!(loaded.config.telegram.chat_ids, ["-1001234567890", "5", "@zerkalo_report"]);
    assert_eq!(loaded.config.telegram.admin_chat_ids, ["42"]);
    assert!(!format!("{loaded:?}{:?}{}", rows(&loaded), toml(&loaded.config)).contains("c4n4ry"));
    assert!(!loaded.warnings.iter().any(|warning| warning.contains("Telegram")));
    let warned = house.set("TELEGRAM_BOT_TOKEN", "").load().unwrap();
    assert!(warned.warnings.iter().any(|warning| warning.contains("no bot")), "{:?}", warned.warnings);
    for (name, wrong, said) in [
        ("TELEGRAM_BOT_TOKEN", "c4n4ry-Pa55", "is no bot token"),
        ("TELEGRAM_BOT_TOKEN", "bot123456:c4n4ry", "is no bot token"),
        ("TELEGRAM_BOT_TOKEN", "123456:c4n4ry/../x", "is no bot token"),
        ("TELEGRAM_CHAT_IDS", "5;6", "must be ids of chats"),
        ("TELEGRAM_ADMIN_CHAT_IDS", "channel", "must be ids of chats"),
        ("TELEGRAM_ADMIN_CHAT_IDS", "0", "must be ids of chats"),
        ("TELEGRAM_BASE_URL", "http://api.telegram.org", "must begin with `https://`"),
    ] {
        refused(&House::new().set(name, wrong), &[said]);
    }
    assert!(House::new().set("TELEGRAM_BASE_URL", "http://127.0.0.1:1/telegram").load().is_ok());
}

#[test]
fn the_settings_file_is_found_where_it_is_said_to_be() {
    let house = House::new();
    house.write(".config/zerkalo/zerkalo.toml", "trigger = \"home\"", 0o644);
    assert_eq!(house.load().unwrap().config.trigger.as_deref(), Some("home"));
    house.write("xdg/zerkalo/zerkalo.toml", "trigger = \"xdg\"", 0o644);
    let house = {
        let path = house.path("xdg");
        house.set("XDG_CONFIG_HOME", path)
    };
    assert_eq!(house.load().unwrap().config.trigger.as_deref(), Some("xdg"));
    let named = house.write("named.toml", "trigger = \"named\"", 0o644);
    let mut house = house.set("ZERKALO_CONFIG", named);
    assert_eq!(house.load().unwrap().config.trigger.as_deref(), Some("named"));
    house.flags.config = Some(house.path("absent.toml"));
    refused(&house, &["there is no settings file", "absent.toml", "zerkalo config init"]);
}

#[test]
fn secrets_come_from_the_safest_place() {
    let token = |house: &House| {
        let loaded = house.load().unwrap();
        let name = loaded.origins["fintablo.token"]
            .name(SETTINGS.iter().find(|s| s.key == "fintablo.token").unwrap());
        (loaded.config.fintablo.token.unwrap().expose_secret().to_owned(), name)
    };
    let pair = |value: &str, name: &str| (value.to_owned(), name.to_owned());
    let house = House::new().file("[fintablo]\ntoken = \"toml\"");
    assert_eq!(token(&house), pair("toml", "file"));
    let house = house.env_file("FINTABLO_TOKEN=env-file");
    assert_eq!(token(&house), pair("env-file", "env-file"));
    let house = house.set("FINTABLO_TOKEN", "environment");
    assert_eq!(token(&house), pair("environment", "environment"));
    let path = house.write("token", "from-file\r\n", 0o400);
    let house = house.set("FINTABLO_TOKEN_FILE", path);
    assert_eq!(token(&house), pair("from-file", "FINTABLO_TOKEN_FILE"));
    house.write("credentials/fintablo_token", "credential\n", 0o440);
    let path = house.path("credentials");
    let house = house.set("CREDENTIALS_DIRECTORY", path);
    assert_eq!(token(&house), pair("credential", "credential"));
}

#[test]
fn a_file_with_a_secret_is_private() {
    let chmod = "can be read by others\nhint: run: chmod 600";
    let house = House::new().file(&format!("[fintablo]\ntoken = \"{CANARY}\""));
    house.load().unwrap();
    house.write("zerkalo.toml", &format!("[fintablo]\ntoken = \"{CANARY}\""), 0o640);
    refused(&house, &["zerkalo.toml holds a secret and", chmod]);
    house.write("zerkalo.toml", &format!("[database]\nurl = \"postgres://u:{CANARY}@h/d\""), 0o604);
    refused(&house, &[chmod]);
    house.write("zerkalo.toml", "[database]\nurl = \"postgres://u@h/d\"", 0o644);
    house.load().unwrap();

    let house = House::new().env_file("");
    house.write("old.env", &format!("IIKO_PASSWORD={CANARY}"), 0o644);
    refused(&house, &["old.env", chmod]);
    house.write("old.env", "IIKO_LOGIN=x\nIIKO_PASSWORD=\n", 0o644);
    house.load().unwrap();

    // A link is followed, and what is asked is asked of the file.
    let mut house = House::new();
    let real = house.write("real.toml", "[fintablo]\ntoken = \"x\"", 0o600);
    symlink(&real, house.path("link.toml")).unwrap();
    house.flags.config = Some(house.path("link.toml"));
    house.load().unwrap();
    fs::set_permissions(real, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&house, &["link.toml holds a secret and", "can be read by others"]);
}

#[test]
fn a_secret_file_is_a_private_regular_file() {
    let named = |name: &str| {
        let house = House::new();
        let path = house.path(name);
        house.set("FINTABLO_TOKEN_FILE", path)
    };
    let house = named("token");
    refused(&house, &["token (for FINTABLO_TOKEN) cannot be read: No such file"]);
    house.write("token", CANARY, 0o644);
    refused(&house, &["can be read by others", "chmod 600"]);
    house.write("token", "\n", 0o600);
    refused(&house, &["is empty"]);
    house.write("token", "a b\u{e9}", 0o600);
    refused(&house, &["FINTABLO_TOKEN from ", "no token has"]);
    fs::remove_file(house.path("token")).unwrap();
    fs::create_dir(house.path("token")).unwrap();
    refused(&house, &["is not a regular file"]);
    fs::remove_dir(house.path("token")).unwrap();
    house.write("token", &"x".repeat((64 << 10) + 1), 0o600);
    refused(&house, &["it is longer than 65536 bytes"]);
}

#[test]
fn a_wrong_settings_file_is_refused_at_its_place() {
    let file = |text: &str| House::new().file(text);
    refused(
        &file("[iiko]\n  base_ulr = \"x\""),
        &["zerkalo.toml:2:3: unknown key `iiko.base_ulr`", "[iiko] takes: base_url, login"],
    );
    refused(
        &file("colour = 1"),
        &[":1:1: unknown key `colour`", "the top level takes: timezone, state_dir, trigger, database"],
    );
    refused(&file("iiko = 3"), &["unknown key `iiko`"]);
    refused(
        &file("[limits]\nconnect = \"10\""),
        &[":2:1: limits.connect must be a number of seconds, not a string"],
    );
    refused(&file("[iiko]\nallow_http = 1"), &["must be true or false, not an integer"]);
    refused(&file("[retries]\ndelays = [1, \"x\"]"), &["must be a list of seconds"]);
    refused(&file("[iiko]\nlogin = \"a\"\nlogin = \"b\""), &["zerkalo.toml:3:1: not valid TOML"]);
    refused(
        &file("timezone = \"Narnia\""),
        &["zerkalo.toml:1:1: timezone must be the IANA name", "timedatectl"],
    );
    let loaded = file("[retries]\ndelays = []\nlicence_wait = [0.5]\n[limits]\nmax_answer = 1048576\n")
        .load()
        .unwrap();
    assert!(loaded.config.retries.delays.is_empty());
    assert_eq!(loaded.config.retries.licence_wait, [Duration::from_millis(500)]);
    assert_eq!(loaded.config.limits.max_answer, 1 << 20);
}

#[test]
fn every_wrong_value_has_its_sentence() {
    for (name, value, expected) in [
        (
            "TIMEZONE",
            "Moscow",
            "TIMEZONE from the environment must be the IANA name of a time zone\nhint: write it as `Europe/Moscow`",
        ),
        ("DATABASE_SCHEMA", "Public", "must be lower-case letters"),
        ("DATABASE_URL", "mysql://h/d", "must be `postgres://…`, `sqlite:PATH`"),
        ("IIKO_BASE_URL", "iiko.ru", "must begin with `https://`"),
        ("IIKO_BASE_URL", "https://u:c4n4ry-Pa55@iiko.ru", "must not hold a login or password"),
        ("IIKO_BASE_URL", "https://iiko.ru/?key=c4n4ry-Pa55", "must end before any `?`"),
        ("IIKO_BASE_URL", "http://iiko.ru", "must begin with `https://`"),
        ("IIKO_BASE_URL", "http://10.0.0.5:8080", "IIKO_ALLOW_HTTP=1"),
        ("IIKO_BASE_URL", "https://iiko.ru", "there is no login\nhint: set IIKO_LOGIN"),
        ("FINTABLO_BASE_URL", "http://10.0.0.5", "must begin with `https://`"),
        (
            "IIKO_SHA1_PASSWORD",
            CANARY,
            "must be the 40 hex digits of a SHA-1\nhint: a password as it is typed goes into IIKO_PASSWORD",
        ),
        ("IIKO_TLS_PIN", "sha256:12", "64 hex digits"),
        ("IIKO_ALLOW_HTTP", "maybe", "must be true or false"),
        ("IIKO_TOKEN_IN", "header", "must be one of: cookie, query"),
        ("IIKO_MAX_CONCURRENCY", "0", "at least 1"),
        ("IIKO_PERSONAL_DATA", "some", "must be one of: minimal, full"),
        ("FINTABLO_TOKEN", "c4n4ry-Pa55 x", "no token has"),
        ("ZERKALO_RETRY_DELAYS", "1;3", "such as `1,3,7`"),
        ("ZERKALO_RETRY_JITTER", "NaN", "from 0 to 1"),
        ("ZERKALO_CONNECT_TIMEOUT", "0", "above 0"),
        ("ZERKALO_TOTAL_TIMEOUT", "inf", "number of seconds"),
        ("ZERKALO_MAX_ANSWER", "2 parsecs", "such as `16 MiB`"),
        ("ZERKALO_STATE_DIR", "~/state", "without `~`"),
    ] {
        refused(&House::new().set(name, value), &[name, expected]);
    }
    let both = House::new().set("IIKO_PASSWORD", CANARY).set("IIKO_SHA1_PASSWORD", SHA1);
    refused(&both, &["IIKO_PASSWORD from the environment is set, and so is IIKO_SHA1_PASSWORD"]);
    let mut homeless = House::new();
    homeless.environment.clear();
    refused(&homeless, &["HOME is not set", "set DATABASE_URL"]);
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let mut house = House::new();
    for url in ["postgres://u:c4n4ry-Pa55@h/d", "postgres://h/d?password=c4n4ry-Pa55"] {
        house.flags.database = Some(SecretString::from(url));
        refused(&house, &["--database must not hold a password", "DATABASE_URL_FILE", "~/.pgpass"]);
        assert!(!format!("{:?}", house.flags).contains(CANARY));
    }
    house.flags.database = Some(SecretString::from("postgres://u@h/d"));
    house.load().unwrap();
}

#[test]
fn a_private_network_may_go_without_tls_with_a_warning() {
    let house = House::new().set("IIKO_BASE_URL", "http://10.0.0.5:8080/").set("IIKO_LOGIN", "reader");
    let house = house.set("IIKO_ALLOW_HTTP", "1").set("IIKO_PASSWORD", "resto#test");
    let loaded = house.load().unwrap();
    assert_eq!(loaded.config.iiko.base_url.as_deref(), Some("http://10.0.0.5:8080/resto"));
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("plain http"));
    let hash = loaded.config.iiko.sha1_password.unwrap();
    assert_eq!(hash.expose_secret(), "2155245b2c002a1986d3f384af93be813537a476");
    let public = House::new()
        .set("IIKO_BASE_URL", "http://iiko.ru")
        .set("IIKO_ALLOW_HTTP", "1")
        .set("IIKO_LOGIN", "x");
    refused(&public, &["plain http is possible only in a private network"]);
}

#[test]
fn test_servers_need_no_delays() {
    let house = House::new()
        .set("IIKO_BASE_URL", "http://127.0.0.1:4000")
        .set("IIKO_LOGIN", "reader")
        .set("IIKO_SHA1_PASSWORD", SHA1.to_uppercase())
        .set("ZERKALO_RETRY_DELAYS", "0,0,0")
        .set("ZERKALO_LICENCE_WAIT", "none")
        .set("ZERKALO_SPOOL_MEMORY", "64 KiB");
    let loaded = house.load().unwrap();
    assert_eq!(loaded.config.retries.delays, [Duration::ZERO; 3]);
    assert!(loaded.config.retries.licence_wait.is_empty() && loaded.warnings.is_empty());
    assert_eq!(loaded.config.limits.spool_memory, 64 << 10);
    assert_eq!(loaded.config.iiko.sha1_password.unwrap().expose_secret(), SHA1);
}

#[test]
fn no_secret_is_ever_shown() {
    let house = House::new().set("IIKO_PASSWORD", CANARY).set("FINTABLO_TOKEN", CANARY).set(
        "DATABASE_URL",
        format!("postgresql+asyncpg://zerkalo:{CANARY}@db:5433/mirror?password={CANARY}"),
    );
    let loaded = house.load().unwrap();
    let hash = value::sha1_of(CANARY);
    let environment: Environment = [("IIKO_PASSWORD", CANARY)].into_iter().collect();
    for shown in [
        format!("{loaded:?}"),
        format!("{:?}", loaded.config),
        format!("{environment:?}"),
        toml(&loaded.config),
        format!("{:?}", rows(&loaded)),
        serde_json::to_string(&rows(&loaded)).unwrap(),
    ] {
        assert!(!shown.contains(CANARY) && !shown.contains(&hash), "{shown}");
    }
    let value = |key: &str| rows(&loaded).into_iter().find(|row| row.key == key).unwrap().value;
    assert_eq!(value("fintablo.token"), "set (hidden)");
    assert_eq!(
        (value("iiko.password"), value("iiko.sha1_password")),
        ("set (hidden)".to_owned(), String::new())
    );
    assert_eq!((value("limits.connect").as_str(), value("retries.delays").as_str()), ("10 s", "1, 3, 7 s"));
    let bare = rows(&House::new().load().unwrap());
    assert!(bare.iter().any(|row| row.key == "iiko.password" && row.value == "missing"));
    assert_eq!(value("database.url"), "postgres://zerkalo:<hidden>@db:5433/mirror");
}

#[test]
fn a_broken_file_does_not_show_its_secrets() {
    for text in [
        format!("[iiko]\npassword = \"{CANARY}"),
        format!("IIKO_PASSWORD={CANARY}"),
        format!("[fintablo]\ntoken = \"{CANARY}\" \"{CANARY}\""),
        format!("[fintablo]\ntoken = {CANARY}"),
        format!("[fintablo]\ntoken = \"\\{CANARY}\""),
        format!("[fintablo]\ntokne = \"{CANARY}\""),
        format!("[fintablo]\ntoken = [\"{CANARY}\"]"),
        format!("{CANARY}\n"),
        format!("\"{CANARY}\" = 1"),
        format!("[iiko]\npassword.{CANARY} = 1"),
        format!("[database]\nurl = \"postgres://u:{CANARY}#1@h/d\""),
        format!("[database]\nurl = \"postgres://u:1/{CANARY}@h/d\""),
    ] {
        House::new().file(&text).refusal();
    }
}

#[test]
fn the_template_and_the_shown_settings_read_back() {
    let template = template();
    House::new().file(&template).load().unwrap();
    let mut live = String::new();
    for line in template.lines() {
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
        live.push_str(setting.unwrap_or(line));
        live.push('\n');
    }
    let house = House::new().file(&live);
    let plain = House { directory: house.directory, ..House::new() };
    let plain = House { environment: house.environment, ..plain };
    let live = load(&house.flags, &plain.environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect())
        .unwrap();
    assert_eq!(toml(&live.config), toml(&plain.load().unwrap().config));
    assert!(live.origins.contains_key("limits.spool_memory"));
    for setting in SETTINGS {
        assert!(template.contains(setting.environment) && setting.doc.ends_with('.'), "{}", setting.key);
    }
    let shown = toml(&House::new().set("IIKO_LOGIN", "a \"b\"").load().unwrap().config);
    let again = House::new().file(&shown).load().unwrap();
    assert_eq!(again.config.iiko.login.as_deref(), Some("a \"b\""));
}

/// `ZERKALO_UPDATE_README=1 cargo test --lib reference` writes the table anew.
#[test]
fn the_reference_in_the_readme_is_that_of_the_code() {
    const BEGIN: &str =
        "<!-- settings: written by `ZERKALO_UPDATE_README=1 cargo test --lib reference` -->\n";
    const END: &str = "<!-- end of settings -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once(BEGIN).expect("the beginning of the table is marked");
    let (table, tail) = rest.split_once(END).expect("the end of the table is marked");
    if std::env::var_os("ZERKALO_UPDATE_README").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{}{END}{tail}", super::render::reference())).unwrap();
        return;
    }
    assert_eq!(
        table,
        super::render::reference(),
        "write it anew: ZERKALO_UPDATE_README=1 cargo test --lib reference"
    );
}
