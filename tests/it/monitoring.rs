//! Who notices a job that did not run: the heartbeat, and the file of metrics. Neither changes what a job does.

use super::{
    harness::{Engine, World, on_both},
    postgres,
    process::until,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use zerkalo::sandbox::{Action, Fault};

on_both!(
    a_job_tells_that_it_begins_and_how_it_ended,
    a_heartbeat_that_fails_changes_nothing_and_is_not_shown,
    every_command_keeps_the_others_samples,
    a_metrics_file_that_cannot_be_written_changes_nothing,
    whoever_holds_the_metrics_does_not_hold_up_a_job,
);

/// A listener in the place of healthchecks.io.
struct Checks {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Checks {
    /// Answers every request so, after a while.
    fn start(answer: &'static str, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = Arc::clone(&known);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut line = String::new();
                    let _ = reader.read_line(&mut line);
                    let mut header = String::new();
                    while reader.read_line(&mut header).is_ok_and(|length| length > 2) {
                        header.clear();
                    }
                    known.lock().unwrap().push(line.trim_end().to_owned());
                    thread::sleep(delay);
                    let _ = (&stream).write_all(answer.as_bytes());
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
const GONE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found";
const STOCK: [&str; 4] = ["sync", "fintablo", "--only", "ft_category"];

fn a_job_tells_that_it_begins_and_how_it_ended(engine: Engine) {
    let checks = Checks::start(GOOD, Duration::ZERO);
    let mut world = World::new(engine);
    world.set("HEARTBEAT_URL", format!("{}/c4n4ry/{{job}}", checks.url));
    let run = world.expect(0, &STOCK).run_id().to_owned();
    let ping = |what: &str, run: &str| format!("GET /c4n4ry/sync-fintablo/{what}?rid={run} HTTP/1.1");
    assert_eq!(checks.asked(), [ping("start", &run), ping("0", &run)]);
    // A failed run tells its code.
    let action = Action::TooMany { retry_after: String::new() };
    world.sandbox.fault(Fault::new("/v1/category", action).times(4));
    let run = world.expect(5, &STOCK).run_id().to_owned();
    assert_eq!(checks.asked()[2..], [ping("start", &run), ping("5", &run)]);
    // A stopped one, too.
    world.sandbox.clear_journal();
    let running = world.start_and_hold(&STOCK, "/v1/category", Duration::from_secs(20));
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.finish().code, Some(143));
    let asked = checks.asked();
    assert!(asked[4].contains("/start?rid=") && asked[5].contains("/143?rid="), "{asked:?}");
    // A dry run does no work, a second run is told of by the first one, and nothing waits for handwork.
    world.expect(0, &["sync", "fintablo", "--only", "ft_category", "--dry-run"]);
    world.sandbox.clear_journal();
    let running = world.start_and_hold(&STOCK, "/v1/category", Duration::from_secs(3));
    until("the run has told", || checks.asked().len() == 7);
    world.start(&STOCK).finish();
    assert_eq!(running.finish().code, Some(0));
    world.expect(0, &["documents", "list"]);
    assert_eq!(checks.asked().len(), 8, "{:?}", checks.asked());
    // One address for all jobs.
    world.set("HEARTBEAT_URL", format!("{}/one/", checks.url));
    world.expect(0, &STOCK);
    assert!(checks.asked()[8].starts_with("GET /one/start?rid="), "{:?}", checks.asked());
}

fn a_heartbeat_that_fails_changes_nothing_and_is_not_shown(engine: Engine) {
    let quiet = Checks::start(GOOD, Duration::from_mins(1));
    let gone = Checks::start(GONE, Duration::ZERO);
    let mut world = World::new(engine);
    for (url, says) in [
        (format!("{}/c4n4ry", quiet.url), "no answer within 10 s"),
        (format!("{}/c4n4ry", gone.url), "status 404"),
        ("http://127.0.0.1:9/c4n4ry".to_owned(), "cannot connect"),
    ] {
        world.set("HEARTBEAT_URL", url);
        let since = Instant::now();
        let mut command = world.command(&STOCK);
        command.arg("-vvv").env("ZERKALO_LOG", "trace");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(says) && said.contains("the job is not touched by that"), "{said}");
        assert!(!said.contains("c4n4ry"), "{said}");
        assert!(since.elapsed() < Duration::from_secs(25), "10 s for each of two pings at most");
    }
    assert_eq!(gone.asked().len(), 2, "a check that is not there is not asked again");
    // The address is a setting like any other secret.
    world.set("HEARTBEAT_URL", "");
    let file = world.home.path().join("heartbeat");
    fs::write(&file, format!("{}/c4n4ry", gone.url)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    world.set("HEARTBEAT_URL_FILE", file.display().to_string());
    world.expect(0, &STOCK);
    assert_eq!(gone.asked().len(), 4);
    let shown = world.command(&["config", "show"]).output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains("heartbeat_url = \"<hidden>\""));
    world.set("HEARTBEAT_URL_FILE", "");
    world.set("HEARTBEAT_URL", "http://hc.example.org/c4n4ry");
    let refused = world.expect(2, &STOCK);
    let said = refused.json["error"].as_str().unwrap_or_default();
    assert!(
        said.contains("HEARTBEAT_URL from the environment must begin with `https://`"),
        "{}",
        refused.stdout
    );
    assert!(!refused.stdout.contains("c4n4ry") && !refused.stderr.contains("c4n4ry"), "{}", refused.stderr);
}

/// The samples of a metrics file.
fn samples(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn every_command_keeps_the_others_samples(engine: Engine) {
    let mut world = World::new(engine);
    let path = world.home.path().join("zerkalo.prom");
    let place = path.display().to_string();
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:00:00Z");
    world.expect(0, &[&STOCK[..], &["--metrics-file", &place]].concat());
    world.set("ZERKALO_METRICS_FILE", place);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644,
        "the collector is another user"
    );
    let first = samples(&fs::read_to_string(&path).unwrap());
    world.set("ZERKALO_TEST_NOW", "2026-11-22T06:00:00Z");
    world.expect(0, &["sync", "iiko", "--only", "iiko_store"]);
    world.expect(0, &["sync", "iiko", "--only", "iiko_store", "--dry-run"]);
    let second = samples(&fs::read_to_string(&path).unwrap());
    for (name, value) in first.iter().filter(|(name, _)| name.contains("sync fintablo")) {
        assert_eq!(second.get(name), Some(value), "{name}");
    }
    let five = 1_795_323_600.0;
    let at = |samples: &BTreeMap<String, String>, name: &str| {
        let found = samples.get(name).unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
        found.parse::<f64>().unwrap() - five
    };
    assert!(at(&second, r#"zerkalo_run_timestamp_seconds{command="sync iiko"}"#) - 3600.0 < 60.0);
    assert_eq!(second[r#"zerkalo_run_exit_code{command="sync iiko"}"#], "0");
    let rows =
        r#"zerkalo_step_rows{command="sync iiko",step="iiko",entity="iiko_store",scope="",rows="inserted"}"#;
    assert_eq!(second[rows], "12");
    // A run that fails: its code, and the success that was before.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T07:00:00Z");
    world.sandbox.fault(Fault::new("/v1/category", Action::TooMany { retry_after: String::new() }).times(4));
    world.expect(5, &STOCK);
    let third = samples(&fs::read_to_string(&path).unwrap());
    assert_eq!(third[r#"zerkalo_run_exit_code{command="sync fintablo"}"#], "5");
    for name in [
        r#"zerkalo_run_success_timestamp_seconds{command="sync fintablo"}"#,
        r#"zerkalo_entity_success_timestamp_seconds{entity="ft_category",scope=""}"#,
    ] {
        let since = at(&third, name);
        assert!((0.0..60.0).contains(&since), "{name}: {since}");
    }
    assert_eq!(
        third[r#"zerkalo_step_failed{command="sync fintablo",step="fintablo",entity="ft_category",scope=""}"#],
        "1"
    );
    // Side by side none loses the other's, and nothing else is left in the folder.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T08:00:00Z");
    let iiko = ["sync", "iiko", "--only", "iiko_store"];
    let running = [world.start(&STOCK), world.start(&iiko)];
    for run in running {
        assert_eq!(run.finish().code, Some(0));
    }
    let fourth = samples(&fs::read_to_string(&path).unwrap());
    for command in ["sync fintablo", "sync iiko"] {
        let name = format!("zerkalo_run_timestamp_seconds{{command=\"{command}\"}}");
        assert!((at(&fourth, &name) - 10800.0).abs() < 60.0, "{name}");
    }
    let names = fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with(".zerkalo-")));
}

fn whoever_holds_the_metrics_does_not_hold_up_a_job(engine: Engine) {
    let mut world = World::new(engine);
    let path = world.home.path().join("zerkalo.prom");
    world.set("ZERKALO_METRICS_FILE", path.display().to_string());
    world.expect(0, &STOCK);
    let lock = fs::File::options().write(true).open(world.state().join("metrics.lock")).unwrap();
    lock.lock().unwrap();
    let late = world.start(&STOCK).finish_within(Duration::from_secs(20));
    assert_eq!(late.code, Some(0), "{}", late.stderr);
    assert!(late.stderr.contains("the metrics file was not written within 5 s"), "{}", late.stderr);
    drop(lock);
    // What is there and is no file is neither read nor replaced.
    let pipe = world.home.path().join("pipe.prom");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    world.set("ZERKALO_METRICS_FILE", pipe.display().to_string());
    let refused = world.start(&STOCK).finish_within(Duration::from_secs(20));
    assert_eq!(refused.code, Some(0), "{}", refused.stderr);
    assert!(refused.stderr.contains("is not a regular file"), "{}", refused.stderr);
    assert!(!fs::metadata(&pipe).unwrap().is_file());
}

#[test]
fn a_job_that_runs_on_another_host_is_told_of_by_that_one() {
    if postgres::server().is_none() {
        return;
    }
    let checks = Checks::start(GOOD, Duration::ZERO);
    let mut world = World::new(Engine::Postgres);
    world.set("HEARTBEAT_URL", format!("{}/c4n4ry", checks.url));
    let metrics = world.home.path().join("zerkalo.prom");
    let running = world.start_and_hold(&STOCK, "/v1/category", Duration::from_secs(5));
    until("the run has told that it begins", || checks.asked().len() == 1);
    world.set("ZERKALO_STATE_DIR", world.home.path().join("other-host").display().to_string());
    world.set("ZERKALO_METRICS_FILE", metrics.display().to_string());
    world.expect(11, &STOCK);
    assert_eq!((checks.asked().len(), metrics.exists()), (1, false), "{:?}", checks.asked());
    assert_eq!(running.finish().code, Some(0));
    assert_eq!(checks.asked().len(), 2);
}

fn a_metrics_file_that_cannot_be_written_changes_nothing(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_METRICS_FILE", "/proc/zerkalo.prom");
    let outcome = world.expect(0, &STOCK);
    assert!(
        outcome.stderr.contains("the metrics file /proc/zerkalo.prom cannot be written"),
        "{}",
        outcome.stderr
    );
}
