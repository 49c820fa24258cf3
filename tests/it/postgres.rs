//! A private `PostgreSQL` server for the tests of this process, from the binaries that are installed.
//!
//! A watchdog shell is its parent. It waits for the end of a pipe that this process holds, so the server ends and its
//! directory goes however this process ends.

use std::{
    env, fs,
    io::Write as _,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where its socket is.
    directory: PathBuf,
    /// Its standard input is the pipe that keeps the server alive.
    _watchdog: Child,
}

/// What the tests of this machine do about `PostgreSQL`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Use the binaries in this directory.
    Use(PathBuf),
    /// Leave the stories out, and say so.
    Skip(String),
    /// Fail: it was required.
    Fail(String),
}

/// The role of the tests.
const ROLE: &str = "zerkalo";

/// Waits for the end of its input, then stops the server and removes its directory.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
"$1/postgres" -D "$2/data" -k "$2" >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$2""#;

const SETTINGS: &str = "
listen_addresses = ''
unix_socket_permissions = 0777
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
shared_buffers = 32MB
max_connections = 60
";

/// Where server binaries may be: what `pg_config` says, Debian's directories from the newest on, the search path.
pub(crate) fn search_path() -> Vec<PathBuf> {
    let mut path = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        path.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    path.extend(versions.into_iter().rev());
    path.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    path
}

/// Decides whether stories run on `PostgreSQL`.
pub(crate) fn decide(search_path: &[PathBuf], required: bool) -> Decision {
    let complete =
        |directory: &&PathBuf| ["initdb", "postgres"].iter().all(|program| directory.join(program).is_file());
    let nothing = "no PostgreSQL binaries (initdb, postgres) are installed";
    match search_path.iter().find(complete) {
        Some(directory) => Decision::Use(directory.clone()),
        None if required => Decision::Fail(format!("REQUIRE_PG is set, and {nothing}")),
        None => Decision::Skip(format!("skipped: {nothing}; the stories run on SQLite only")),
    }
}

/// The server of this process, started by the first test that needs it.
pub(crate) fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let start = || {
        let required = env::var_os("REQUIRE_PG").is_some_and(|value| !value.is_empty() && value != "0");
        match decide(&search_path(), required) {
            Decision::Use(binaries) => Some(Server::start(&binaries)),
            Decision::Skip(line) => {
                say(&line);
                None
            }
            Decision::Fail(line) => panic!("{line}"),
        }
    };
    SERVER.get_or_init(start).as_ref()
}

/// Past the capture of test output: somebody must see that half of the stories did not run.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

impl Server {
    fn start(binaries: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("zpg").tempdir().unwrap().keep();
        let user = server_user(&directory);
        chown(&directory, user.map(|(uid, _)| uid), user.map(|(_, gid)| gid)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let as_server = |program: PathBuf| {
            let mut command = Command::new(program);
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command.current_dir(&directory).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
            command
        };
        let made = as_server(binaries.join("initdb"))
            .args(["--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C", "-U", ROLE, "-D"])
            .arg(directory.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = directory.join("data/postgresql.conf");
        fs::OpenOptions::new().append(true).open(settings).unwrap().write_all(SETTINGS.as_bytes()).unwrap();
        let watchdog = as_server(PathBuf::from("/bin/sh"))
            .args(["-c", WATCHDOG, "watchdog"])
            .args([binaries, &directory])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { directory, _watchdog: watchdog };
        server.wait();
        server
    }

    /// Waits until the server takes connections.
    fn wait(&self) {
        let patience = Instant::now() + Duration::from_mins(1);
        let log = self.directory.join("log");
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("ready to accept connections") {
                return;
            }
            assert!(Instant::now() < patience, "PostgreSQL does not start: {said}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@localhost/{database}?host={}", self.directory.display())
    }
}

/// Whom the server runs as: it refuses root.
fn server_user(directory: &Path) -> Option<(u32, u32)> {
    if fs::metadata(directory).unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    Some(user("postgres").or_else(|| user("nobody")).expect("a user that is not root"))
}

#[test]
fn without_binaries_the_stories_are_skipped_aloud_and_fail_where_they_are_required() {
    let Decision::Skip(line) = decide(&[], false) else { panic!("not skipped") };
    assert!(line.starts_with("skipped: no PostgreSQL binaries"), "{line}");
    let Decision::Fail(line) = decide(&[], true) else { panic!("not failed") };
    assert!(line.contains("REQUIRE_PG"), "{line}");
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(decide(&[empty.path().to_owned()], false), Decision::Skip(_)));
    for program in ["initdb", "postgres"] {
        fs::write(empty.path().join(program), "").unwrap();
    }
    assert_eq!(decide(&[empty.path().to_owned()], true), Decision::Use(empty.path().to_owned()));
}
