//! The binary while it runs: held at a chosen request, signalled, killed.

use super::harness::{Engine, Outcome, World, block_on};
use super::rows::Row;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use zerkalo::sandbox::{Action, Fault};

/// A run that has begun. It is killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// What it says goes to files: a pipe that nobody reads would stop it.
    said: [File; 2],
}

/// A request that is not answered until this is dropped. The world is locked meanwhile.
#[must_use]
pub(crate) struct Gate {
    reached: mpsc::Receiver<()>,
    _hold: mpsc::Sender<()>,
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < patience, "never came true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A number from the environment, to repeat or to lengthen a test.
pub(crate) fn number_from(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: `{text}`")))
}

/// Pseudo-random numbers from a seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Where a program is that not every machine has.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    found.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Says that a story is left out, past the capture of test output: somebody must see that it did not run.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "skipped: {why}");
}

/// Whether a shell may mount in name spaces of its own.
pub(crate) fn may_mount() -> bool {
    Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|made| made.status.success())
}

impl World {
    /// A shell that may mount, in name spaces of its own, with the world's settings; what it starts ends with it. The
    /// script's arguments are still to be added.
    pub(crate) fn shell_that_mounts(&self, script: &str) -> Command {
        let own = self.command(&[]);
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["-rm", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"]);
        command
    }

    /// Starts the binary with `--json`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let said = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let [stdout, stderr] = said.each_ref().map(|file| file.try_clone().unwrap());
        let child = command.arg("--json").stdout(stdout).stderr(stderr).spawn().unwrap();
        Running { child, said }
    }

    /// Starts the binary and waits until it has asked for a path that ends so, which is answered late.
    pub(crate) fn start_and_hold(&self, arguments: &[&str], path: &str, delay: Duration) -> Running {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap();
        self.sandbox.fault(Fault::new(format!("{path}$"), Action::Slow { delay_ms }));
        let running = self.start(arguments);
        self.until_asked(path);
        running
    }

    /// Waits until a path that ends so is asked for.
    #[track_caller]
    pub(crate) fn until_asked(&self, path: &str) {
        let asked = || self.sandbox.journal().iter().any(|entry| entry.path.ends_with(path));
        until(&format!("{path} is asked for"), asked);
    }

    /// Holds the next request for this path.
    pub(crate) fn gate(&self, path: &str) -> Gate {
        let (reach, reached) = mpsc::channel();
        let (hold, opened) = mpsc::channel::<()>();
        self.sandbox.on(&format!("{path}$"), 1, move |_| {
            let _ = reach.send(());
            // The sandboxes share their threads: another takes this one's place.
            tokio::task::block_in_place(|| opened.recv().unwrap_err());
        });
        Gate { reached, _hold: hold }
    }

    /// Every file below the home, databases aside.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        collect(self.home.path(), &mut files);
        files
    }

    /// The lock files of the entities.
    pub(crate) fn lock_files(&self) -> Vec<PathBuf> {
        let is_lock = |path: &PathBuf| {
            let name = path.file_stem().unwrap().to_string_lossy();
            name.starts_with("entity-") && path.extension().is_some_and(|end| end == "lock")
        };
        self.files().into_iter().filter(is_lock).collect()
    }

    /// The runs that lock files tell of, with their tables.
    pub(crate) fn holders(&self) -> Vec<(String, String)> {
        let mut holders = Vec::new();
        for path in self.lock_files() {
            let name = path.file_stem().unwrap().to_string_lossy().replacen("entity-", "", 1);
            for line in fs::read_to_string(path).unwrap().lines() {
                if let Ok(Value::Object(holder)) = serde_json::from_str(line) {
                    holders.push((holder["run_id"].as_str().unwrap().to_owned(), name.clone()));
                }
            }
        }
        holders
    }

    /// The files that remember a session.
    pub(crate) fn session_files(&self) -> Vec<PathBuf> {
        let folder = self.state().join("sessions");
        self.files().into_iter().filter(|path| path.starts_with(&folder)).collect()
    }

    /// The same command as a user who is not root, and so minds modes; owner of the world's home.
    pub(crate) fn as_nobody(&self, mut command: Command) -> Command {
        if rustix::process::geteuid().is_root() {
            const NOBODY: u32 = 65534;
            give(self.home.path(), NOBODY);
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Gate {
    /// Waits until the request has come.
    #[track_caller]
    pub(crate) fn wait(&self) {
        self.reached.recv_timeout(Duration::from_secs(30)).expect("the request comes");
    }
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a power cut would: it cannot say a word. Whether it was still running.
    pub(crate) fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().code().is_none()
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Outcome {
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = self.said.each_mut().map(|file| {
            let mut text = Vec::new();
            file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).unwrap();
            text
        });
        Output { status, stdout, stderr }.into()
    }

    /// Waits for its end, which must come within this time from now on.
    #[track_caller]
    pub(crate) fn finish_within(self, time: Duration) -> Outcome {
        let since = Instant::now();
        let outcome = self.finish();
        assert!(since.elapsed() < time, "took {:?}: {}", since.elapsed(), outcome.stderr);
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another writer, who lets nobody else write to `iiko_product`.
pub(crate) enum Blocker {
    /// The whole file.
    Sqlite(SqliteConnection),
    /// The table.
    Postgres(PgConnection),
}

impl Blocker {
    /// Locks the others out.
    pub(crate) fn new(world: &World) -> Self {
        block_on(async {
            if world.engine == Engine::Postgres {
                let mut connection = PgConnection::connect(&world.database).await.unwrap();
                let sql = "begin; lock table iiko_product in share row exclusive mode";
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                return Self::Postgres(connection);
            }
            let mut connection = SqliteConnection::connect(&world.database).await.unwrap();
            sqlx::raw_sql("begin immediate").execute(&mut connection).await.unwrap();
            Self::Sqlite(connection)
        })
    }

    /// Lets the others write.
    pub(crate) fn go(self) {
        block_on(async {
            match self {
                Self::Sqlite(mut connection) => {
                    sqlx::raw_sql("rollback").execute(&mut connection).await.unwrap();
                    connection.close().await.unwrap();
                }
                Self::Postgres(mut connection) => {
                    sqlx::raw_sql("rollback").execute(&mut connection).await.unwrap();
                    connection.close().await.unwrap();
                }
            }
        });
    }
}

/// Whether a log row tells of a killed run.
pub(crate) fn ended_without_a_word(row: &Row) -> bool {
    row["error_message"].as_deref().is_some_and(|text| text.starts_with("process ended without a word"))
}

fn collect(folder: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), files);
        } else {
            files.insert(entry.path());
        }
    }
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            give(&entry.path(), user);
        }
    }
}
