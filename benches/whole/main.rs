//! Whole processes, measured: the tables of `benches/README.md`.
//!
//! ```text
//! cargo bench --bench whole                      all of them, W1 with 10,000 and 100,000 rows
//! cargo bench --bench whole -- W1 1000000        W1 with so many rows
//! cargo bench --bench whole -- W2 | link | start one of the others
//! ```
//!
//! Only ratios inside one run mean anything elsewhere; each figure is the median of three.

mod answers;
mod limit;
mod link;
mod postgres;
mod process;
mod products;

use self::{
    answers::Answers,
    limit::Cell,
    link::Link,
    postgres::Server,
    process::{Run, median, middle},
    products::{Day, products},
};
use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, PgConnection};
use std::{io::Write as _, path::PathBuf, process::Command, time::Duration};
use tempfile::TempDir;
use zerkalo::sandbox::{Options, Sandbox};

const REPEATS: usize = 3;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let wants = |name: &str| arguments.is_empty() || arguments[0] == name;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start()?;
        if server.is_none() {
            say("No PostgreSQL is installed (initdb, postgres): its tables are SKIPPED.");
        }
        if wants("W1") {
            let asked: Vec<u64> =
                arguments.iter().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
            let sizes = if asked.is_empty() { vec![10_000, 100_000] } else { asked };
            for rows in sizes {
                w1(server.as_ref(), rows).await?;
            }
        }
        if wants("W2") {
            w2(server.as_ref()).await?;
        }
        if let Some(server) = server.as_ref().filter(|_| wants("link")) {
            slow_link(server).await?;
        }
        if wants("start") {
            start_up()?;
        }
        Ok(())
    })
}

/// A place for a database file and a state directory, and the upstreams.
struct Bench {
    folder: TempDir,
    answers: Answers,
    database: String,
    schema: String,
}

impl Bench {
    fn new(answers: Answers, server: Option<&Server>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = match server {
            Some(server) => server.url(),
            None => format!("sqlite:{}", folder.path().join("zerkalo.db").display()),
        };
        Ok(Self { folder, answers, database, schema: "bench".to_owned() })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("zerkalo.db")
    }

    fn zerkalo(&self, arguments: &[&str]) -> Result<Run> {
        let address = self.answers.address;
        process::run(
            Command::new(env!("CARGO_BIN_EXE_zerkalo"))
                .args(arguments)
                .env_clear()
                .env("HOME", self.folder.path())
                .env("DATABASE_URL", &self.database)
                .env("DATABASE_SCHEMA", &self.schema)
                .env("ZERKALO_STATE_DIR", self.folder.path().join("state"))
                .env("ZERKALO_TOTAL_TIMEOUT", "900")
                .env("IIKO_BASE_URL", format!("http://{address}/resto"))
                .env("IIKO_LOGIN", "demo")
                .env("IIKO_PASSWORD", "demo")
                .env("FINTABLO_BASE_URL", format!("http://{address}"))
                .env("FINTABLO_TOKEN", "demo-token"),
        )
    }

    /// An empty database with the schema in place.
    async fn fresh(&mut self, admin: Option<&mut PgConnection>, schema: &str) -> Result<()> {
        schema.clone_into(&mut self.schema);
        match admin {
            Some(admin) => {
                let sql = format!("drop schema if exists {schema} cascade");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *admin).await?;
            }
            None => drop(std::fs::remove_file(self.file())),
        }
        self.zerkalo(&["migrate"])?;
        Ok(())
    }
}

/// The rows for the limit, taken from the first load.
enum Rows {
    Copy(Vec<u8>),
    Cells(Vec<Vec<Cell>>),
}

async fn w1(server: Option<&Server>, rows: u64) -> Result<()> {
    say(&format!("\n## W1: {rows} products\n"));
    say("| database | what | wall | of the limit | CPU | peak memory | WAL |");
    say("|---|---|---|---|---|---|---|");
    if let Some(server) = server {
        w1_on("PostgreSQL", Some(server), rows).await?;
    }
    w1_on("SQLite", None, rows).await
}

async fn w1_on(name: &str, server: Option<&Server>, rows: u64) -> Result<()> {
    let mut admin = match server {
        Some(server) => Some(server.connect().await?),
        None => None,
    };
    let path = "/resto/api/v2/entities/products/list";
    let (first, second) = (products(rows, Day::First), products(rows, Day::Second));
    let (changed, gone) = second_day(rows);
    let mut bench = Bench::new(Answers::start(None)?, server)?;
    let sync = ["sync", "iiko", "--only", "iiko_product", "--json"];
    let mut runs: [Vec<Run>; 3] = Default::default();
    let (mut limits, mut logged) = (Vec::new(), Vec::new());
    let mut copied: Option<Rows> = None;
    for _ in 0..REPEATS {
        bench.answers.put(path, &first);
        bench.fresh(admin.as_mut(), "bench").await?;
        let a = bench.zerkalo(&sync)?;
        a.expect(rows, 0, 0)?;
        let source = match (copied.take(), admin.as_mut()) {
            (Some(rows), _) => rows,
            (None, Some(admin)) => Rows::Copy(limit::copy_out(admin, "bench").await?),
            (None, None) => Rows::Cells(limit::rows(&bench.file()).await?),
        };
        let before = wal(admin.as_mut()).await?;
        let b = bench.zerkalo(&sync)?;
        b.expect(0, 0, 0)?;
        logged.push(wal(admin.as_mut()).await? - before);
        bench.answers.put(path, &second);
        let c = bench.zerkalo(&sync)?;
        c.expect(0, changed, gone)?;
        bench.fresh(admin.as_mut(), "bench").await?;
        limits.push(match &source {
            Rows::Copy(rows) => limit::copy_in(admin.as_mut().context("connected")?, "bench", rows).await?,
            Rows::Cells(rows) => limit::insert(&bench.file(), rows).await?,
        });
        copied = Some(source);
        runs.iter_mut().zip([a, b, c]).for_each(|(runs, run)| runs.push(run));
    }
    let limit = middle(limits);
    let what = if server.is_some() { "plain binary COPY" } else { "bare prepared insert" };
    say(&format!("| {name} | limit: {what} | {} | 1.00 | | | |", seconds(limit)));
    for (letter, runs) in ["a: first load", "b: unchanged", "c: 1 % changed, 1 % gone"].iter().zip(&runs) {
        let run = median(runs);
        let wal = if letter.starts_with('b') && server.is_some() {
            format!("{} kB", middle(logged.clone()) / 1000)
        } else {
            String::new()
        };
        say(&format!(
            "| {name} | {letter} | {} | {:.2} | {} | {} MB | {wal} |",
            seconds(run.wall),
            run.wall.as_secs_f64() / limit.as_secs_f64(),
            seconds(run.cpu),
            run.memory / 1024,
        ));
    }
    Ok(())
}

/// How many products of `count` the second day changes, and how many it lacks.
fn second_day(count: u64) -> (u64, u64) {
    ((count + 92) / 100, (count + 86) / 100)
}

/// How many bytes of WAL were written so far.
async fn wal(admin: Option<&mut PgConnection>) -> Result<i64> {
    let Some(admin) = admin else { return Ok(0) };
    let sql = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
    Ok(sqlx::query_scalar(sql).fetch_one(admin).await?)
}

/// A morning of a real size, as answers that the sandbox rendered once.
async fn morning(server: Option<&Server>) -> Result<(Sandbox, Bench)> {
    let sandbox = Sandbox::start(Options { latency: Duration::ZERO, scale: 10, ..Options::default() })
        .await
        .map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let bench = Bench::new(Answers::start(Some(sandbox.addr()))?, server)?;
    Ok((sandbox, bench))
}

async fn w2(server: Option<&Server>) -> Result<()> {
    say("\n## W2: a morning of a real size, loopback\n");
    say("| database | what | wall | CPU | peak memory |");
    say("|---|---|---|---|---|");
    for server in [server, None].into_iter().take(if server.is_some() { 2 } else { 1 }) {
        let (_sandbox, mut bench) = morning(server).await?;
        let mut admin = match server {
            Some(server) => Some(server.connect().await?),
            None => None,
        };
        let name = if server.is_some() { "PostgreSQL" } else { "SQLite" };
        let mut runs: [Vec<Run>; 2] = Default::default();
        for repeat in 0..=REPEATS {
            bench.fresh(admin.as_mut(), "bench").await?;
            let pair =
                [bench.zerkalo(&["full-morning", "--json"])?, bench.zerkalo(&["full-morning", "--json"])?];
            pair[1].expect(0, 0, 0)?;
            let rows = pair[1].report["steps"].as_array().into_iter().flatten();
            let rows: u64 = rows.filter_map(|step| step["unchanged"].as_u64()).sum();
            ensure!(rows > 13_000, "a morning of a real size has more than {rows} rows");
            // The first time the answers are still being rendered.
            if repeat > 0 {
                runs.iter_mut().zip(pair).for_each(|(runs, run)| runs.push(run));
            }
        }
        for (what, runs) in ["first morning", "nothing changed"].iter().zip(&runs) {
            let run = median(runs);
            say(&format!(
                "| {name} | {what} | {} | {} | {} MB |",
                seconds(run.wall),
                seconds(run.cpu),
                run.memory / 1024
            ));
        }
    }
    Ok(())
}

async fn slow_link(server: &Server) -> Result<()> {
    say("\n## W2 over 400 ms: SCRAM, no TLS, schema in place\n");
    say("| what | wall | connections | most turns on one | sent | received |");
    say("|---|---|---|---|---|---|");
    let mut admin = server.connect().await?;
    let role = "drop role if exists bench; create role bench login superuser password 'bench'";
    sqlx::raw_sql(role).execute(&mut admin).await?;
    let (_sandbox, mut bench) = morning(Some(server)).await?;
    let link = Link::start(server.port, Duration::from_millis(200))?;
    // Once over the short way, so that the answers are rendered.
    bench.fresh(Some(&mut admin), "bench").await?;
    bench.zerkalo(&["full-morning", "--json"])?;
    bench.fresh(Some(&mut admin), "bench").await?;
    bench.database = format!("postgres://bench:bench@127.0.0.1:{}/postgres?sslmode=disable", link.port);
    // A slot that is always open, and is new in a fresh database.
    let slot = ["full-morning", "--json", "--scheduled", "00:00", "--grace", "1439m"];
    let starts = [
        ("first morning", &slot[..2]),
        ("nothing changed", &slot[..2]),
        ("nothing changed, in its slot", &slot[..]),
        ("slot done already", &slot[..]),
    ];
    for (what, arguments) in starts {
        link.take();
        let run = bench.zerkalo(arguments)?;
        let traffic = link.take();
        let kilobytes = |bytes: u64| format!("{} kB", bytes / 1000);
        say(&format!(
            "| {what} | {} | {} | {} | {} | {} |",
            seconds(run.wall),
            traffic.len(),
            traffic.iter().map(|traffic| traffic.turns).max().unwrap_or(0),
            kilobytes(traffic.iter().map(|traffic| traffic.sent).sum()),
            kilobytes(traffic.iter().map(|traffic| traffic.received).sum()),
        ));
    }
    Ok(())
}

fn start_up() -> Result<()> {
    say("\n## Start-up\n");
    say("| what | wall | peak memory |");
    say("|---|---|---|");
    for argument in ["--help", "--version"] {
        let run = || process::run(Command::new(env!("CARGO_BIN_EXE_zerkalo")).arg(argument).env_clear());
        let runs = (0..21).map(|_| run()).collect::<Result<Vec<Run>>>()?;
        let run = median(&runs);
        say(&format!("| {argument} | {:.1} ms | {} MB |", run.wall.as_secs_f64() * 1e3, run.memory / 1024));
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "a bench prints its table")]
fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}
