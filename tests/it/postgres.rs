//! A private `PostgreSQL` server for the tests of this process, from the binaries that are installed.
//!
//! A watchdog shell is its parent. It waits for the end of a pipe that this process holds, so the server ends and its
//! directory goes however this process ends.

use super::harness::block_on;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};
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
    /// Where its programs are.
    binaries: PathBuf,
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
cat >/dev/null
server=$(head -n1 "$2/data/postmaster.pid")
kill -QUIT $server
wait
while kill -0 $server 2>/dev/null; do sleep 0.1; done
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
        let user = server_user();
        chown(&directory, user.map(|(uid, _)| uid), user.map(|(_, gid)| gid)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let as_server = |program: PathBuf| as_server(&directory, program);
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
        let server = Self { directory, binaries: binaries.to_owned(), _watchdog: watchdog };
        server.wait();
        server
    }

    /// A server of a story of its own, which may be stopped.
    pub(crate) fn own() -> Self {
        let Decision::Use(binaries) = decide(&search_path(), true) else { panic!("no PostgreSQL") };
        Self::start(&binaries)
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(".s.PGSQL.5432")
    }

    /// Whom it runs as: user and group.
    pub(crate) fn user(&self) -> (u32, u32) {
        let data = fs::metadata(self.directory.join("data")).unwrap();
        (data.uid(), data.gid())
    }

    /// Stops it, in the mode `fast` or `immediate`, and starts it again.
    pub(crate) fn restart(&self, mode: &str) {
        let options = format!("-k {}", self.directory.display());
        for arguments in [&["stop", "-m", mode][..], &["start", "-o", &options, "-l", "log"]] {
            let done = as_server(&self.directory, self.binaries.join("pg_ctl"))
                .args(["-D", "data", "-w", "-s"])
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert!(done.success(), "pg_ctl {arguments:?}");
        }
    }

    /// Starts it again as a standby, which takes no changes.
    pub(crate) fn become_standby(&self) {
        fs::write(self.directory.join("data/standby.signal"), "").unwrap();
        self.restart("fast");
        self.wait_until_up();
    }

    /// Kills one of its processes that serve a zerkalo, as a defect would; without one, the writer of its log.
    pub(crate) fn crash(&self) {
        let main = fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        let main = main.lines().next().unwrap().to_owned();
        let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
        let names = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let victims: Vec<&str> = children.split_whitespace().collect();
        let serves = victims.iter().find(|pid| names(pid).contains("zerkalo story"));
        let victim = serves.or_else(|| victims.iter().find(|pid| names(pid).contains("walwriter")));
        if let Some(pid) = victim.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Waits until it takes connections again.
    pub(crate) fn wait_until_up(&self) {
        let patience = Instant::now() + Duration::from_mins(1);
        let url = self.url("postgres");
        while block_on(async { PgConnection::connect(&url).await.is_err() }) {
            assert!(Instant::now() < patience, "PostgreSQL does not come back");
            thread::sleep(Duration::from_millis(50));
        }
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

/// A program run as the server's user, in its directory.
fn as_server(directory: &Path, program: PathBuf) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command.current_dir(directory).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    command
}

/// Lets others read what is in a folder.
pub(crate) fn open_up(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whom the server runs as: it refuses root.
fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
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
