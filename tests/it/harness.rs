//! The world of one story: a sandbox, a temporary home, a database of its own, and the binary.

use super::postgres;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::TempDir;
use zerkalo::{
    cli::printer::{Colour, Printer, Verbosity},
    clock::Clock,
    config::{self, Environment, Flags},
    jobs::{
        self,
        context::Context,
        lanes::{self, Lane},
        run,
    },
    model::report::RunReport,
    sandbox::{self, Sandbox},
    store::Access,
};

/// Which database a story runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A file.
    Sqlite,
    /// The private server.
    Postgres,
}

/// Makes two tests of each story, `story::sqlite` and `story::postgres`. A story is a function of an [`Engine`].
macro_rules! on_both {
    ($($story:ident),* $(,)?) => {$(
        mod $story {
            #[test]
            fn sqlite() {
                super::$story($crate::it::harness::Engine::Sqlite);
            }

            #[test]
            fn postgres() {
                if $crate::it::postgres::server().is_some() {
                    super::$story($crate::it::harness::Engine::Postgres);
                }
            }
        }
    )*};
}
pub(crate) use on_both;

/// The runtime of all sandboxes and of the tests' own queries.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // A run in this process listens for signals; without this, Ctrl-C would end the run and not the tests.
    runtime.spawn(async {
        run::stopped().await;
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    });
    runtime
});

/// Waits for a future, which may use the network.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// What the binary said and returned.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// The object that it printed; null when it printed something else.
    pub(crate) json: Value,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// A sandbox, a database and a home.
pub(crate) struct World {
    /// The upstreams.
    pub(crate) sandbox: Sandbox,
    /// Which database.
    pub(crate) engine: Engine,
    /// The database's address.
    pub(crate) database: String,
    /// Home, with state directory and, on `SQLite`, the database.
    pub(crate) home: TempDir,
    settings: BTreeMap<String, String>,
}

impl World {
    /// A world on an empty database.
    pub(crate) fn new(engine: Engine) -> Self {
        Self::with(engine, sandbox::Options::default())
    }

    /// A world whose database is on this server.
    pub(crate) fn on(server: &postgres::Server) -> Self {
        let mut world = Self::new(Engine::Sqlite);
        world.engine = Engine::Postgres;
        world.database = create_database(server);
        world.set("DATABASE_URL", world.database.clone());
        world
    }

    /// A world whose sandbox is set up otherwise.
    pub(crate) fn with(engine: Engine, options: sandbox::Options) -> Self {
        let home = tempfile::Builder::new().prefix("zerkalo").tempdir().unwrap();
        let database = match engine {
            Engine::Sqlite => format!("sqlite:{}", home.path().join("mirror.db").display()),
            Engine::Postgres => create_database(postgres::server().expect("asked for by the test")),
        };
        let sandbox = block_on(Sandbox::start(options.clone())).unwrap();
        let mut world = Self { sandbox, engine, database, home, settings: BTreeMap::new() };
        for (name, value) in [
            ("HOME", world.home.path().display().to_string()),
            ("DATABASE_URL", world.database.clone()),
            ("ZERKALO_STATE_DIR", world.home.path().join("state").display().to_string()),
            ("ZERKALO_RETRY_DELAYS", "0,0,0".to_owned()),
            ("ZERKALO_LICENCE_WAIT", "0,0".to_owned()),
            ("ZERKALO_TRIGGER", "story".to_owned()),
            ("IIKO_BASE_URL", world.sandbox.iiko_url()),
            ("IIKO_LOGIN", options.iiko_login),
            ("IIKO_PASSWORD", options.iiko_password),
            ("FINTABLO_BASE_URL", world.sandbox.fintablo_url()),
            ("FINTABLO_TOKEN", options.fintablo_token),
            ("IIKO_CLOUD_BASE_URL", world.sandbox.cloud_url()),
            ("IIKO_CLOUD_API_LOGIN", options.cloud_api_login),
        ] {
            world.set(name, value);
        }
        world
    }

    /// Sets an environment variable of the runs to come.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    /// Unsets an environment variable of the runs to come.
    pub(crate) fn unset(&mut self, name: &str) {
        self.settings.remove(name);
    }

    /// The binary with these arguments and no other environment than the settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zerkalo"));
        command.args(arguments).env_clear().envs(&self.settings).current_dir(self.home.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs the binary with `--json`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).arg("--json").output().unwrap().into()
    }

    /// Runs the binary, which must end with this code.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(code), "{arguments:?}\n{}\n{}", outcome.stdout, outcome.stderr);
        outcome
    }

    /// Runs steps in this process: for many runs, and for tables that only the tests declare.
    pub(crate) fn run_here(&self, lanes: Vec<Lane>, options: &jobs::Options, access: Access) -> RunReport {
        let environment: Environment =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let config = config::load(&Flags::default(), &environment).unwrap().config;
        let printer = Printer::new(Verbosity { quiet: true, verbose: 0 }, false, Colour::Never);
        let clock = Clock::system(config.timezone);
        let ctx = Context::new(config, clock, printer, "story".to_owned(), access);
        block_on(lanes::run(&ctx, lanes, options))
    }

    /// Makes the schema one version older: what the last migration made is gone.
    pub(crate) fn undo_last_migration(&self) {
        let (last, _) = migrations().pop().unwrap();
        self.undo_migrations_from(last);
    }

    /// Makes the schema older: the tables and columns that this migration and the later ones made are gone. What they did
    /// to rows and to columns that were there before stays done.
    pub(crate) fn undo_migrations_from(&self, first: u32) {
        let migrations = migrations();
        let made = |version: &u32, line: &str| {
            let earlier = migrations.iter().filter(|(number, _)| number < version);
            earlier.flat_map(|(_, text)| text.lines()).any(|earlier| earlier == line)
        };
        for (version, text) in migrations.iter().rev().filter(|(version, _)| *version >= first) {
            let undone: Vec<String> =
                text.lines().filter(|line| !made(version, line)).filter_map(undoing).collect();
            for sql in undone.iter().rev() {
                self.execute(sql);
            }
            let forgotten = self.execute(&format!("delete from zerkalo_migration where version = {version}"));
            assert_eq!(forgotten, 1, "migration {version}");
        }
    }

    /// The directory of locks, sessions and spools.
    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// Where the `SQLite` file is.
    pub(crate) fn file(&self) -> PathBuf {
        self.home.path().join("mirror.db")
    }

    /// Asserts that the client kept the upstreams' rules, wrote nothing there and left no session behind.
    #[track_caller]
    pub(crate) fn assert_polite(&self) {
        assert_eq!(self.sandbox.violations(), Vec::<String>::new());
        let writes: Vec<_> = self.sandbox.journal().into_iter().filter(|entry| entry.write).collect();
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(self.sandbox.open_sessions(), 0, "a session was left open");
        assert!(self.sandbox.most_sessions_at_once() <= 1);
    }

    /// The paths that were asked for since the journal was cleared, logins aside.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.sandbox.journal().into_iter().filter(|entry| !entry.session).map(|entry| entry.path).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.engine == Engine::Postgres {
            let name = database_name(&self.database);
            // A server of a story's own takes its databases with it.
            let server = postgres::server().expect("a server");
            if server.url(name) == self.database {
                block_on(administer(server, &format!("drop database if exists \"{name}\" with (force)")));
            }
        }
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let stdout = String::from_utf8(output.stdout).unwrap();
        Self {
            code: output.status.code(),
            json: serde_json::from_str(&stdout).unwrap_or_default(),
            stdout,
            stderr: without_our_clock(&String::from_utf8(output.stderr).unwrap()),
        }
    }
}

/// What was said, but for the warning of the clock that a story has set.
fn without_our_clock(said: &str) -> String {
    said.split_inclusive('\n').filter(|line| !line.contains("ZERKALO_TEST_NOW is set, ")).collect()
}

impl Outcome {
    /// The only step of a table, or of one of its scopes; or the step of this name that has no table.
    #[track_caller]
    pub(crate) fn step(&self, table: &str, scope: Option<&str>) -> &Value {
        let name = |step: &Value| step["entity"].as_str().or(step["step"].as_str()).map(str::to_owned);
        let is_it = |step: &&Value| name(step).as_deref() == Some(table) && step["scope"].as_str() == scope;
        let mut steps = self.steps().iter().filter(is_it);
        let step = steps.next().unwrap_or_else(|| panic!("no step of {table} {scope:?} in {}", self.json));
        assert!(steps.next().is_none(), "{table} {scope:?} twice");
        step
    }

    /// All steps.
    #[track_caller]
    pub(crate) fn steps(&self) -> &[Value] {
        self.json["steps"].as_array().unwrap_or_else(|| panic!("no report: {} {}", self.stdout, self.stderr))
    }

    /// Inserted, updated, deleted rows of one step.
    #[track_caller]
    pub(crate) fn counts(&self, table: &str) -> [u64; 3] {
        counts(self.step(table, None))
    }

    /// Inserted, updated, deleted rows of all steps.
    #[track_caller]
    pub(crate) fn totals(&self) -> [u64; 3] {
        self.steps().iter().map(counts).fold([0; 3], |sum, step| [0, 1, 2].map(|part| sum[part] + step[part]))
    }

    /// The run's id.
    pub(crate) fn run_id(&self) -> &str {
        self.json["run_id"].as_str().unwrap_or_default()
    }
}

/// Inserted, updated and deleted rows of a step.
pub(crate) fn counts(step: &Value) -> [u64; 3] {
    ["inserted", "updated", "deleted"].map(|name| step[name].as_u64().unwrap())
}

/// Each migration's number and text, in their order.
fn migrations() -> Vec<(u32, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (name.split('_').next().unwrap().parse().unwrap(), fs::read_to_string(&path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// What undoes a line of a migration that makes a table or a column.
fn undoing(line: &str) -> Option<String> {
    if let Some(table) = line.strip_prefix("create table ") {
        return Some(format!("drop table {}", table.split(' ').next()?));
    }
    let (table, column) = line.strip_prefix("alter table ")?.split_once(" add column ")?;
    Some(format!("alter table {table} drop column {}", column.split(' ').next()?))
}

fn create_database(server: &postgres::Server) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let name = format!("story_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    block_on(administer(server, &format!("create database \"{name}\"")));
    server.url(&name)
}

fn database_name(url: &str) -> &str {
    let tail = url.split_once("localhost/").map_or(url, |(_, tail)| tail);
    tail.split('?').next().unwrap_or_default()
}

async fn administer(server: &postgres::Server, sql: &str) {
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
