use super::{
    check::{Form, line},
    *,
};
use crate::{
    error::Failure,
    model::report::Status,
    registry::{FULL_MORNING, NEGATIVE_TRANSFER},
    schedule::SlotRow,
    store::{
        lock::Holder,
        operator::{Fresh, Latest, SlotSeen},
    },
};
use chrono::TimeDelta;
use secrecy::SecretString;
use std::time::Duration;
use unicode_width::UnicodeWidthStr as _;
use uuid::Uuid;

/// 12:00 in Kaliningrad.
fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-22T10:00:00Z").unwrap().to_utc()
}

fn config() -> Config {
    let mut config = Config::default();
    config.iiko.base_url = Some("https://iiko.example/resto".to_owned());
    config.iiko.login = Some("mirror".to_owned());
    config.iiko.sha1_password = Some(SecretString::from("x"));
    config
}

fn fresh(entity: &str, scope: &str, hours: i64) -> Fresh {
    Fresh {
        entity: entity.to_owned(),
        scope: scope.to_owned(),
        at: now() - TimeDelta::hours(hours),
        rows: 1234,
    }
}

fn latest(entity: &str, scope: &str, status: Status, hours: i64, message: &str) -> Latest {
    let at = now() - TimeDelta::hours(hours);
    Latest {
        entity: entity.to_owned(),
        scope: scope.to_owned(),
        status,
        at,
        message: Some(message.to_owned()),
    }
}

/// Every table of iiko was mirrored five hours ago.
fn morning() -> Overview {
    let names = ["iiko", "stock"].into_iter().flat_map(|prefix| {
        crate::tables::all().map(|entity| entity.table.name).filter(move |name| name.starts_with(prefix))
    });
    let fresh: Vec<Fresh> = names.map(|name| fresh(name, "", 5)).collect();
    let latest = fresh.iter().map(|fresh| latest(&fresh.entity, "", Status::Success, 5, "")).collect();
    Overview { fresh, latest, ..Overview::default() }
}

fn judged(config: &Config, overview: Overview, locks: Vec<Told>) -> StatusReport {
    StatusReport::of(found(config, overview, locks))
}

fn found(config: &Config, overview: Overview, locks: Vec<Told>) -> Found<'_> {
    Found {
        config,
        database: "/var/lib/zerkalo/mirror.db".to_owned(),
        overview,
        documents: Vec::new(),
        locks,
        sessions: vec![RememberedSession { name: "0a1b".to_owned(), since: now(), is_login_alone: false }],
        disks: Vec::new(),
        by_hand: &|job, slot, _| format!("zerkalo {job} of {slot}"),
        now: now(),
    }
}

fn texts(report: &StatusReport) -> Vec<&str> {
    report.problems.iter().map(|problem| problem.text.as_str()).collect()
}

fn told(lock: &str, held: bool) -> Told {
    let run_id = Uuid::from_u128(7);
    let holder = Holder { pid: 708, run_id, command: "sync iiko".to_owned(), since: now() };
    Told { lock: lock.to_owned(), holder, held }
}

#[test]
fn a_session_of_a_run_that_works_is_not_left_over() {
    let report = judged(&config(), morning(), vec![told("iiko-0a1b", true)]);
    assert_eq!(texts(&report), Vec::<&str>::new());
    let report = judged(&config(), morning(), vec![told("iiko-0a1b", false)]);
    let expected = [
        "`zerkalo sync iiko` (process 708, run 00000000-0000-0000-0000-000000000007) of 2026-11-22 12:00 ended without \
         a word",
        "an iiko session is left over since 2026-11-22 12:00",
    ];
    assert_eq!(texts(&report), expected);
}

#[test]
fn a_run_that_holds_its_locks_for_too_long_hangs() {
    let since = |minutes: i64| {
        let mut told = told("iiko_store", true);
        told.holder.since = now() - TimeDelta::minutes(minutes);
        let report = judged(&config(), morning(), vec![told, self::told("iiko-0a1b", true)]);
        (texts(&report).concat(), report.severity(), report.exit_code())
    };
    assert_eq!(since(30), (String::new(), Severity::Ok, 0));
    let expected = "`zerkalo sync iiko` (process 708, run 00000000-0000-0000-0000-000000000007, since 2026-11-22 \
                    04:17) holds an iiko session, iiko_store for 7 h 43 min, and a run may take 30 min";
    assert_eq!(since(7 * 60 + 43), (expected.to_owned(), Severity::Warning, 4));
    let mut config = config();
    config.limits.run = Duration::from_hours(8);
    let mut told = told("iiko-0a1b", true);
    told.holder.since = now() - TimeDelta::hours(7);
    assert_eq!(judged(&config, morning(), vec![told]).severity(), Severity::Ok, "its limit says so");
}

#[test]
fn a_disk_that_is_full_or_will_be_is_told() {
    let with = |free: u64| {
        let config = config();
        let mut found = found(&config, morning(), vec![told("iiko-0a1b", true)]);
        found.disks = vec![Room { folder: "/var/lib/zerkalo".into(), free }];
        let report = StatusReport::of(found);
        let data = line(Ok(&report), Form::Nagios).text;
        assert!(data.ends_with(&format!(" disk_free={free}B;268435456:;16777216:;0")), "{data}");
        (texts(&report).concat(), report.severity(), report.exit_code())
    };
    assert_eq!(with(300 << 20), (String::new(), Severity::Ok, 0));
    let little = "the disk of /var/lib/zerkalo has only 200 MiB free".to_owned();
    assert_eq!(with(200 << 20), (little, Severity::Warning, 4));
    let full = "the disk of /var/lib/zerkalo is full: 1 MiB free".to_owned();
    assert_eq!(with(1 << 20), (full, Severity::Critical, 8));
}

#[test]
fn a_root_type_that_the_server_has_forgotten_does_not_age() {
    let mut overview = morning();
    overview.fresh.push(fresh("iiko_entity", "Conception", 500));
    overview.latest.push(latest("iiko_entity", "Conception", Status::Skipped, 5, "not known to this server"));
    let held = || vec![told("iiko-0a1b", true)];
    assert_eq!(texts(&judged(&config(), overview.clone(), held())), Vec::<&str>::new());
    overview.latest.pop();
    let report = judged(&config(), overview, held());
    assert_eq!(
        texts(&report),
        ["iiko_entity: the last good run is 20 d 20 h old, and 26 h 00 min are allowed"]
    );
    assert_eq!((report.severity(), report.exit_code()), (Severity::Critical, 13));
}

#[test]
fn a_failure_counts_until_a_later_good_run() {
    let mut overview = morning();
    overview.problems.push(latest("iiko_store", "", Status::Error, 6, "iiko is away"));
    let held = || vec![told("iiko-0a1b", true)];
    assert_eq!(texts(&judged(&config(), overview.clone(), held())), Vec::<&str>::new());
    overview.latest.retain(|run| run.entity != "iiko_store");
    overview.latest.push(latest("iiko_store", "", Status::Error, 1, "iiko is away"));
    overview.problems[0].at = now() - TimeDelta::hours(1);
    let report = judged(&config(), overview, held());
    let expected =
        "iiko_store: failed at 2026-11-22 11:00: iiko is away; the last good run is 5 h 00 min old";
    assert_eq!(texts(&report), [expected]);
    let line = line(Ok(&report), Form::Nagios);
    assert_eq!(line.exit_code, 1);
    assert!(line.text.starts_with(&format!("ZERKALO WARNING - {expected} | oldest=18000s;93600;187200;0 ")));
}

#[test]
fn a_bar_in_a_message_does_not_begin_the_performance_data() {
    let mut overview = morning();
    overview.latest.push(latest("iiko_store", "", Status::Error, 1, ""));
    overview.problems.push(latest("iiko_store", "", Status::Error, 1, "a|b\n\u{1b}[31m"));
    let report = judged(&config(), overview, Vec::new());
    let text = line(Ok(&report), Form::Nagios).text;
    assert_eq!(text.matches('|').count(), 1, "{text}");
    assert!(text.contains("a/b \\u{1b}[31m") && !text.contains('\n'), "{text}");
}

#[test]
fn the_slot_of_a_job_is_missed_once_its_grace_has_ended() {
    let slot = |state, exit_code: Option<i64>, finished: bool| {
        let at = DateTime::parse_from_rfc3339("2026-11-21T21:00:00Z").unwrap().to_utc();
        let finished_at = finished.then_some(at);
        let row = SlotRow {
            state,
            run_id: Uuid::from_u128(7),
            started_at: Some(at),
            finished_at,
            exit_code,
            attempts: 1,
        };
        let job = NEGATIVE_TRANSFER.name.to_owned();
        Overview { slots: vec![SlotSeen { job, at, row, grace: None }], ..morning() }
    };
    let held = || vec![told("iiko-0a1b", true)];
    let said = |overview| texts(&judged(&config(), overview, held())).concat();
    assert_eq!(said(slot(SlotState::Done, Some(4), true)), "");
    assert_eq!(
        said(slot(SlotState::Running, Some(8), true)),
        "negative-transfer of 2026-11-21 23:00 was missed: its last run ended with exit 8"
    );
    assert!(said(slot(SlotState::Running, None, false)).ends_with("began with it and did not finish"));
    assert!(said(slot(SlotState::Misfired, Some(12), true)).ends_with("it was begun too late and skipped"));
}

#[test]
fn a_slot_is_missed_by_the_grace_that_was_given_last() {
    let yesterday = DateTime::parse_from_rfc3339("2026-11-21T05:00:00Z").unwrap().to_utc();
    let said = |job: &str, grace: Option<Duration>| {
        let row = SlotRow {
            state: SlotState::Done,
            run_id: Uuid::from_u128(7),
            started_at: Some(yesterday),
            finished_at: Some(yesterday),
            exit_code: Some(0),
            attempts: 1,
        };
        let slots = vec![SlotSeen { job: job.to_owned(), at: yesterday, row, grace }];
        let overview = Overview { slots, ..morning() };
        texts(&judged(&config(), overview, vec![told("iiko-0a1b", true)])).concat()
    };
    // It is 12:00, five hours after the slot. One of ours, and one that is somebody's own.
    for job in [FULL_MORNING.name, "sync stock"] {
        let missed = format!("{job} of 2026-11-22 07:00 was missed: nobody began with it");
        let hours = |hours| Some(Duration::from_hours(hours));
        let just_not = Some(Duration::from_secs(5 * 3600 - 1));
        for (grace, text) in [
            (None, missed.as_str()),
            (hours(3), &missed),
            (just_not, &missed),
            (hours(5), ""),
            (hours(20), ""),
        ] {
            assert_eq!(said(job, grace), text, "{job} {grace:?}");
        }
    }
}

#[test]
fn the_screen_fits_its_terminal() {
    let mut overview = morning();
    overview.fresh.extend((0..16).map(|number| fresh("iiko_entity", &format!("Тип {number}"), 5)));
    overview.problems.push(latest("stock_balance", "", Status::Warning, 5, "«Кофе «Бразилия», 1 кг»"));
    for width in [40, 60, 80, 140] {
        let report = judged(&config(), overview.clone(), Vec::new());
        let screen = report.table(width, false);
        let (tables, _) = screen.split_once("\nwarning: ").unwrap();
        for text in tables.lines().skip(2) {
            assert!(text.width() <= usize::from(width), "{width}: {text}");
        }
        assert!(tables.contains("iiko_product") && tables.contains("negative-transfer"), "{tables}");
        assert_eq!(width >= 140, tables.contains("2026-11-22 07:00 warning"), "{width}: {tables}");
    }
}

#[test]
fn an_age_is_told_in_two_parts() {
    for (seconds, text) in [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7500, "2 h 05 min"),
        (172_799, "47 h 59 min"),
        (172_800, "2 d 00 h"),
    ] {
        assert_eq!(table::age(seconds), text);
    }
}

#[test]
fn an_age_over_its_limit_reads_longer() {
    assert_eq!(table::apart(93_608, 93_600), ["26 h 00 min 08 s", "26 h 00 min 00 s"]);
    assert_eq!(table::apart(93_660, 93_600), ["26 h 01 min", "26 h 00 min"]);
}

#[test]
fn what_cannot_be_read_is_unknown_or_critical() {
    let failure = Failure::new(Kind::Database, "the database failed").hint("look at it");
    let said = line(Err(&failure), Form::Nagios);
    assert_eq!(
        (said.text.as_str(), said.exit_code),
        ("ZERKALO CRITICAL - the database failed (look at it)", 2)
    );
    let failure = Failure::new(Kind::Usage, "no settings");
    assert_eq!(line(Err(&failure), Form::Nagios).exit_code, 3);
    assert_eq!(line(Err(&failure), Form::Plain).text, "unknown: no settings");
}
