//! A host with the package: its settings in `/etc` are the services' and an operator's alike, and what a hint says to do
//! helps.
//!
//! The binary sees an `/etc` of the test's, mounted in a name space of its own. Where that cannot be, the stories are left
//! out, and say so; those of several users need root.

use super::{
    doctor::assert_found,
    harness::{Engine, Outcome, World},
    process::{may_mount, skip},
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Command, Stdio},
};

/// The package's user, which only the `/etc` of these stories knows.
const ZERKALO: u32 = 47_110;
/// Somebody else there.
const OPERATOR: u32 = 47_111;

const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nzerkalo:x:47110:47110::/var/lib/zerkalo:/usr/sbin/nologin\n\
                     op:x:47111:47111::/home/op:/bin/sh\n";

/// A host with its own `/etc`.
struct Host {
    world: World,
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Host {
    /// None, said aloud, where nothing can be mounted.
    fn new() -> Option<Self> {
        if !may_mount() {
            skip("no user namespaces, so no /etc is mounted, and no story of the package's settings did run");
            return None;
        }
        let mut world = World::new(Engine::Sqlite);
        world.unset("DATABASE_URL");
        let host = Self { world };
        host.write("passwd", USERS, 0, 0o644);
        fs::create_dir(host.etc().join("zerkalo")).unwrap();
        Some(host)
    }

    /// The same where there are several users.
    fn of_users() -> Option<Self> {
        if !is_root() {
            skip("not root, so there is one user, and no story of several did run");
            return None;
        }
        let host = Self::new()?;
        let package = host.etc().join("zerkalo");
        chown(&package, Some(0), Some(ZERKALO)).unwrap();
        fs::set_permissions(&package, fs::Permissions::from_mode(0o750)).unwrap();
        for folder in [host.world.home.path().to_owned(), host.home()] {
            fs::create_dir_all(&folder).unwrap();
            chown(&folder, Some(ZERKALO), Some(ZERKALO)).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(host)
    }

    fn etc(&self) -> PathBuf {
        self.world.home.path().join("etc")
    }

    fn home(&self) -> PathBuf {
        self.world.home.path().join("home")
    }

    /// Writes a file below `/etc`.
    fn write(&self, path: &str, text: &str, owner: u32, mode: u32) {
        let file = self.etc().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            chown(&file, Some(owner), Some(owner)).unwrap();
        }
    }

    /// What a user starts on this host, with its own `/etc`.
    fn start(&self, user: u32, program: &[&str]) -> Outcome {
        let mut command = Command::new("unshare");
        command.args(if is_root() { &["-m"][..] } else { &["-rm"] });
        let own = self.world.command(&[]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["sh", "-c", r#"mount --bind "$1" /etc && shift && exec "$@""#, "sh"]).arg(self.etc());
        if is_root() && user != 0 {
            let user = user.to_string();
            command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"]);
        }
        command.args(program).output().unwrap().into()
    }

    /// Runs the binary as a user.
    fn zerkalo(&self, user: u32, arguments: &[&str]) -> Outcome {
        self.start(user, &[&[env!("CARGO_BIN_EXE_zerkalo")], arguments, &["--json"]].concat())
    }

    /// Runs the binary as a user, which must end with this code.
    #[track_caller]
    fn expect(&self, code: i32, user: u32, arguments: &[&str]) -> Outcome {
        let outcome = self.zerkalo(user, arguments);
        assert_eq!(outcome.code, Some(code), "{user} {arguments:?}\n{}\n{}", outcome.stdout, outcome.stderr);
        outcome
    }

    /// Does what hints say, as the user whom they name, until there are none; how many there were.
    #[track_caller]
    fn obey(&self, mut user: u32, arguments: &[&str]) -> Vec<String> {
        let mut hints = Vec::new();
        loop {
            let outcome = self.zerkalo(user, arguments);
            if outcome.code == Some(0) {
                return hints;
            }
            let hint =
                outcome.json["hint"].as_str().unwrap_or_else(|| panic!("{}", outcome.stdout)).to_owned();
            assert!(!hint.contains("chown 0 ") && !hint.contains("chown root"), "{hint}");
            assert!(hints.len() < 3, "{hints:?} {hint}");
            let mut done = false;
            for part in hint.split("; then ") {
                if let Some((who, command)) = part.split_once("run: ") {
                    let who = if who.contains("as root") { 0 } else { user };
                    let made = self.start(who, &["sh", "-c", command]);
                    assert_eq!(made.code, Some(0), "{command}: {}", made.stderr);
                    done = true;
                }
                if let Some((_, name)) = part.split_once("sudo -u ") {
                    user = match name.split(' ').next().unwrap() {
                        "zerkalo" => ZERKALO,
                        "op" => OPERATOR,
                        other => panic!("{other} in {hint}"),
                    };
                    done = true;
                }
            }
            assert!(done, "nothing to do: {hint}");
            hints.push(hint);
        }
    }

    fn database(&self, name: &str) -> String {
        format!("sqlite:{}", self.world.home.path().join(name).display())
    }
}

/// A setting's value and source, as `config check` has them.
fn setting(checked: &Outcome, key: &str) -> [String; 2] {
    let rows = checked.json["settings"].as_array().unwrap_or_else(|| panic!("{}", checked.stdout));
    let row = rows.iter().find(|row| row["key"] == key).unwrap();
    ["value", "source"].map(|name| row[name].as_str().unwrap().to_owned())
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn the_units_environment_is_everybodys() {
    let Some(mut host) = Host::new() else { return };
    let (file, environment) = (host.database("of-file.db"), host.database("of-environment.db"));
    host.write("zerkalo/zerkalo.toml", &format!("[database]\nurl = \"{file}\"\n"), 0, 0o600);
    host.write("zerkalo/environment", &format!("DATABASE_URL={environment}\nIIKO_VERIFY_SSL=0\n"), 0, 0o600);
    let by_hand = host.expect(0, 0, &["config", "check"]);
    assert_eq!(setting(&by_hand, "database.url"), [environment.clone(), "env-file".to_owned()]);
    let files = ["/etc/zerkalo/environment", "/etc/zerkalo/zerkalo.toml"];
    assert_eq!(strings(&by_hand.json["files"]), files);
    let warned = by_hand.json["warnings"].to_string();
    assert!(warned.contains("/etc/zerkalo/environment:2: IIKO_VERIFY_SSL is not honoured"), "{warned}");
    let screen = host.start(0, &[env!("CARGO_BIN_EXE_zerkalo"), "config", "check"]);
    assert!(screen.stdout.contains("\nalso read: /etc/zerkalo/environment\n"), "{}", screen.stdout);
    // Both work on the same database, the unit having it from systemd.
    host.expect(0, 0, &["migrate"]);
    host.world.set("DATABASE_URL", environment.clone());
    let of_unit = host.expect(0, 0, &["status"]);
    host.world.unset("DATABASE_URL");
    assert_eq!(host.expect(0, 0, &["status"]).json["database"], of_unit.json["database"]);
    // What is named comes first, as ever; and who has settings of his own has these alone.
    let named = host.world.home.path().join("x.env");
    fs::write(&named, "DATABASE_SCHEMA=named\nDATABASE_URL=sqlite:/named.db\n").unwrap();
    let checked = host.expect(0, 0, &["config", "check", "--env-file", named.to_str().unwrap()]);
    assert_eq!(setting(&checked, "database.url")[0], "sqlite:/named.db");
    let own = host.world.home.path().join("own.toml");
    fs::write(&own, format!("[database]\nurl = \"{file}\"\n")).unwrap();
    let checked = host.expect(0, 0, &["config", "check", "--config", own.to_str().unwrap()]);
    assert_eq!(setting(&checked, "database.url"), [file, "file".to_owned()]);
    assert_eq!(strings(&checked.json["files"]), [own.to_str().unwrap()]);
}

#[test]
fn what_only_the_units_have_is_told() {
    let Some(host) = Host::new() else { return };
    let file = host.database("of-file.db");
    host.write("zerkalo/zerkalo.toml", &format!("[database]\nurl = \"{file}\"\n"), 0, 0o600);
    assert_eq!(host.expect(0, 0, &["config", "check"]).json["only_units"]["settings"], json!([]));
    host.write("credstore/zerkalo.DATABASE_URL", "sqlite:/var/lib/zerkalo/other.db", 0, 0o600);
    let drop_in = "systemd/system/zerkalo-.service.d/50-local.conf";
    host.write(drop_in, "[Service]\nEnvironment=DATABASE_SCHEMA=other\n", 0, 0o644);
    let checked = host.expect(0, 0, &["config", "check"]);
    let place = |name: &str, place: &str| json!({ "environment": name, "place": place });
    assert_eq!(
        checked.json["only_units"]["settings"],
        json!([
            place("DATABASE_URL", "/etc/credstore/zerkalo.DATABASE_URL"),
            place("DATABASE_SCHEMA", &format!("/etc/{drop_in}")),
        ])
    );
    let screen = host.start(0, &[env!("CARGO_BIN_EXE_zerkalo"), "config", "check"]);
    let said = "only the units have: DATABASE_URL (/etc/credstore/zerkalo.DATABASE_URL)\n";
    assert!(screen.stdout.contains(said), "{}", screen.stdout);
    let examined = host.zerkalo(0, &["doctor", "--offline"]);
    assert_found(
        &examined,
        "settings",
        "warning",
        "only the units have DATABASE_URL",
        "/etc/zerkalo/environment",
    );
    assert_eq!(examined.code, Some(4), "it is not all well: {}", examined.stdout);
}

/// The package's settings, with a secret in them.
const SECRET: &str = "[fintablo]\ntoken = \"c4n4ry\"\n";

#[test]
fn root_is_told_to_become_the_services_user() {
    let Some(host) = Host::of_users() else { return };
    for text in [SECRET, "timezone = \"Europe/Moscow\"\n"] {
        host.write("zerkalo/zerkalo.toml", text, ZERKALO, 0o600);
        host.expect(0, ZERKALO, &["config", "check"]);
        for arguments in [&["config", "check"][..], &["sync", "iiko"], &["doctor"]] {
            let refused = host.zerkalo(0, arguments);
            assert_eq!(refused.code, Some(2), "{arguments:?} {}", refused.stdout);
            assert!(refused.stdout.contains("sudo -u zerkalo zerkalo …"), "{}", refused.stdout);
            assert!(!refused.stdout.contains("chown"), "{}", refused.stdout);
        }
        let hints = host.obey(0, &["config", "check"]);
        assert_eq!(hints, ["run it as that user: sudo -u zerkalo zerkalo …"]);
        host.expect(0, ZERKALO, &["config", "check"]);
    }
}

#[test]
fn what_root_writes_for_the_services_is_theirs() {
    let Some(mut host) = Host::of_users() else { return };
    host.world.set("ZERKALO_CONFIG", "/etc/zerkalo/zerkalo.toml");
    let refused = host.expect(2, 0, &["config", "check"]);
    assert_eq!(refused.json["hint"], "write one: zerkalo config init /etc/zerkalo/zerkalo.toml");
    host.expect(0, 0, &["config", "init", "/etc/zerkalo/zerkalo.toml"]);
    host.expect(0, ZERKALO, &["config", "check"]);
}

#[test]
fn a_stranger_is_told_to_become_the_services_user() {
    let Some(host) = Host::of_users() else { return };
    host.write("zerkalo/zerkalo.toml", SECRET, ZERKALO, 0o600);
    host.write("zerkalo/environment", "TIMEZONE=Europe/Moscow\n", ZERKALO, 0o600);
    assert_eq!(host.obey(OPERATOR, &["config", "check"]), ["run it as that user: sudo -u zerkalo zerkalo …"]);
    // The environment alone is closed.
    fs::set_permissions(host.etc().join("zerkalo"), fs::Permissions::from_mode(0o755)).unwrap();
    host.write("zerkalo/zerkalo.toml", "timezone = \"Europe/Moscow\"\n", ZERKALO, 0o644);
    let refused = host.expect(2, OPERATOR, &["config", "check"]);
    let said = refused.json["error"].as_str().unwrap();
    assert!(said.starts_with("the env-file /etc/zerkalo/environment cannot be read: "), "{said}");
    assert_eq!(host.obey(OPERATOR, &["config", "check"]), ["run it as that user: sudo -u zerkalo zerkalo …"]);
}

#[test]
fn what_a_hint_says_to_do_helps() {
    let Some(mut host) = Host::of_users() else { return };
    host.world.set("IIKO_PASSWORD", "");
    host.write("zerkalo/zerkalo.toml", SECRET, ZERKALO, 0o600);
    let check = ["config", "check"];
    // Whoever has written the package's files: they are the services' in the end, and these can read them.
    for (owner, mode) in [(0, 0o600), (0, 0o644), (ZERKALO, 0o644), (0, 0o640)] {
        for name in ["zerkalo/environment", "zerkalo/zerkalo.toml"] {
            for user in [ZERKALO, OPERATOR, 0] {
                host.write("zerkalo/zerkalo.toml", SECRET, ZERKALO, 0o600);
                host.write("zerkalo/environment", "IIKO_PASSWORD=c4n4ry\n", ZERKALO, 0o600);
                let text = if name.ends_with("toml") { SECRET } else { "IIKO_PASSWORD=c4n4ry\n" };
                host.write(name, text, owner, mode);
                host.obey(user, &check);
                host.expect(0, ZERKALO, &check);
            }
        }
    }
    // A file of somebody's own, named by a flag or in the environment.
    let file = host.world.home.path().join("home/it's my.env");
    let path = file.display().to_string();
    for (owner, mode, user) in [
        (OPERATOR, 0o644, OPERATOR),
        (OPERATOR, 0o600, 0),
        (OPERATOR, 0o644, 0),
        (0, 0o644, OPERATOR),
        (OPERATOR, 0o400, ZERKALO),
    ] {
        chown(host.home(), Some(OPERATOR), Some(OPERATOR)).unwrap();
        host.world.set("ZERKALO_CONFIG", host.home().join("none.toml").display().to_string());
        fs::write(host.home().join("none.toml"), "").unwrap();
        for form in ["--env-file", "FINTABLO_TOKEN_FILE"] {
            fs::write(&file, "FINTABLO_TOKEN=c4n4ry\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            chown(&file, Some(owner), Some(owner)).unwrap();
            let flagged = ["config", "check", "--env-file", path.as_str()];
            let arguments: &[&str] = if form == "--env-file" { &flagged } else { &check };
            host.world.set("FINTABLO_TOKEN_FILE", if form == "--env-file" { "" } else { path.as_str() });
            host.world.set("FINTABLO_TOKEN", "");
            let hints = host.obey(user, arguments);
            assert!(!hints.is_empty(), "{form} {owner} {mode:o} {user}");
        }
    }
}
