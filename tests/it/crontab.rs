//! `crontab.example`: a day of it, minute by minute, as cron would start it.

use super::{
    desk::Desk,
    harness::{Engine, Outcome, on_both},
};
use chrono::{
    DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Timelike as _,
    Utc,
};
use chrono_tz::Europe::Kaliningrad;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
};
use zerkalo::{
    sandbox::{self, ADMIN_CHAT, Action, Fault, READERS_CHAT},
    schedule::duration,
};

on_both!(
    a_good_day_mails_nothing_and_does_everything_once,
    a_machine_that_was_off_all_night_tells_of_it_when_it_boots,
    what_starts_at_boot_waits_for_the_others,
);

/// A crontab: its environment, and what it starts when.
#[derive(Debug, Default)]
pub(crate) struct Crontab {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    /// Minute, hour, day, month, day of the week; none for `@reboot`.
    when: Option<[String; 5]>,
    pub(crate) command: String,
}

impl Crontab {
    /// The file's lines, as crontab(5) has them.
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crontab.example");
        let mut crontab = Self::default();
        for line in fs::read_to_string(path).unwrap().lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(command) = line.strip_prefix("@reboot") {
                crontab.entries.push(Entry { when: None, command: command.trim().to_owned() });
            } else if line.starts_with(|first: char| first == '*' || first.is_ascii_digit()) {
                let mut words = line.splitn(6, char::is_whitespace).map(str::to_owned);
                let when = [(); 5].map(|()| words.next().unwrap());
                crontab
                    .entries
                    .push(Entry { when: Some(when), command: words.next().unwrap().trim().to_owned() });
            } else {
                let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no crontab line: {line}"));
                crontab.environment.push((name.to_owned(), value.to_owned()));
            }
        }
        crontab
    }

    /// The subcommands that are started when the machine has booted.
    fn at_boot(&self) -> impl Iterator<Item = String> {
        self.entries.iter().filter(|entry| entry.when.is_none()).map(Entry::subcommand)
    }
}

impl Entry {
    /// Whether cron starts it at this minute of the host's clock.
    pub(crate) fn is_due(&self, at: NaiveDateTime) -> bool {
        let Some([minute, hour, day, month, weekday]) = &self.when else { return false };
        fits(minute, at.minute())
            && fits(hour, at.hour())
            && fits(day, at.day())
            && fits(month, at.month())
            && (fits(weekday, at.weekday().num_days_from_sunday())
                || (at.weekday().num_days_from_sunday() == 0 && fits(weekday, 7)))
    }

    /// The subcommand that it starts.
    pub(crate) fn subcommand(&self) -> String {
        let arguments = self.command.replace("--env-file \"$SETTINGS\"", "");
        let arguments = arguments.split(" >>").next().unwrap();
        let words = arguments.split_whitespace().skip(1).filter(|word| !word.starts_with("-q"));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Whether a number is meant by a field: `*`, `*/n`, `a`, `a-b`, `a-b/n`, and lists of these.
fn fits(field: &str, number: u32) -> bool {
    field.split(',').any(|part| {
        let (range, step) =
            part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap()));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, u32::MAX),
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        (first..=last).contains(&number) && (number - first).is_multiple_of(step)
    })
}

#[test]
fn fields_are_read_as_cron_reads_them() {
    let minutes = |field: &str| (0..60).filter(|minute| fits(field, *minute)).collect::<Vec<_>>();
    assert_eq!(minutes("*/20"), [0, 20, 40]);
    assert_eq!(minutes("5"), [5]);
    assert_eq!(minutes("1-3,50"), [1, 2, 3, 50]);
    assert_eq!(minutes("10-20/5"), [10, 15, 20]);
    assert_eq!(minutes("*").len(), 60);
}

#[test]
fn a_job_with_a_slot_is_started_within_its_grace_and_at_boot() {
    let crontab = Crontab::read();
    let at_boot: BTreeSet<_> = crontab.at_boot().collect();
    let mut by_the_clock = BTreeSet::new();
    for entry in crontab.entries.iter().filter(|entry| entry.when.is_some()) {
        let line = entry.subcommand();
        let option = |name: &str| line.split(' ').skip_while(|word| *word != name).nth(1);
        let Some(slot) = option("--scheduled") else { continue };
        let slot = NaiveTime::parse_from_str(slot, "%H:%M").unwrap();
        let grace = i64::try_from(duration(option("--grace").unwrap()).unwrap().as_secs() / 60).unwrap();
        let midnight = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap().and_time(NaiveTime::MIN);
        let late: Vec<i64> = (0..24 * 60)
            .map(|minute| midnight + TimeDelta::minutes(minute))
            .filter(|at| entry.is_due(*at))
            .map(|at| (at.time() - slot).num_minutes())
            .collect();
        assert_eq!((late.first(), late.len()), (Some(&0), 6), "{line}");
        assert!(late.iter().all(|late| (0..grace).contains(late)), "{line}: one later is exit 12");
        by_the_clock.insert(line);
    }
    let waiting = by_the_clock.into_iter().map(|line| format!("{line} --lock-wait 5m"));
    assert_eq!(at_boot, waiting.collect());
}

/// All of them start at once, and there is one iiko session: the one that has work must not be kept out by those that have
/// none.
fn what_starts_at_boot_waits_for_the_others(engine: Engine) {
    let mut desk = Desk::new(engine);
    desk.world.set("TELEGRAM_CHAT_IDS", READERS_CHAT);
    desk.world.set("TELEGRAM_BOT_TOKEN", sandbox::Options::default().telegram_token);
    desk.world.expect(0, &["migrate"]);
    desk.world.set("ZERKALO_TEST_NOW", "2026-11-22T07:30:00+02:00");
    desk.world.sandbox.fault(Fault::new("suppliers", Action::Slow { delay_ms: 2000 }));
    let crontab = Crontab::read();
    let running: Vec<_> = crontab
        .at_boot()
        .map(|line| {
            let running = desk.world.start(&line.split(' ').collect::<Vec<_>>());
            (line, running)
        })
        .collect();
    for (line, running) in running {
        let outcome = running.finish();
        let expected = if line.starts_with("full-morning") { 0 } else { 12 };
        assert_eq!(outcome.code, Some(expected), "{line}: {}", outcome.stderr);
    }
    assert_eq!(desk.world.sandbox.violations(), Vec::<String>::new());
}

/// Off from 22:50 to 01:00: the morning was done, the evening was not.
fn a_machine_that_was_off_all_night_tells_of_it_when_it_boots(engine: Engine) {
    let mut desk = Desk::new(engine);
    desk.world.set("TELEGRAM_BASE_URL", desk.world.sandbox.telegram_url());
    desk.world.set("TELEGRAM_BOT_TOKEN", sandbox::Options::default().telegram_token);
    desk.world.set("TELEGRAM_CHAT_IDS", READERS_CHAT);
    desk.world.set("TELEGRAM_ADMIN_CHAT_IDS", ADMIN_CHAT);
    let start = |desk: &mut Desk, line: &str, now: &str| {
        desk.world.set("ZERKALO_TEST_NOW", now);
        let words: Vec<&str> = line.split(' ').collect();
        desk.world.run(&words).code.unwrap()
    };
    assert_eq!(start(&mut desk, "full-morning --scheduled 07:00 --grace 1h", "2026-11-22T07:00:00+02:00"), 0);
    let told = |desk: &Desk| desk.world.sandbox.world().telegram.messages(ADMIN_CHAT).len();
    let before = told(&desk);
    for boot in ["2026-11-23T01:00:00+02:00", "2026-11-23T01:20:00+02:00"] {
        let ends: BTreeMap<_, _> = Crontab::read()
            .at_boot()
            .map(|line| (line.split(' ').next().unwrap().to_owned(), start(&mut desk, &line, boot)))
            .collect();
        let expected = [("full-morning", 0), ("negative-transfer", 12), ("stoplist-report", 12)];
        assert_eq!(ends, expected.map(|(job, code)| (job.to_owned(), code)).into());
        assert_eq!(told(&desk) - before, 2, "each missed slot is told once, however often it boots");
    }
}

fn a_good_day_mails_nothing_and_does_everything_once(engine: Engine) {
    let mut desk = Desk::new(engine);
    desk.world.set("TELEGRAM_BASE_URL", desk.world.sandbox.telegram_url());
    desk.world.set("TELEGRAM_BOT_TOKEN", sandbox::Options::default().telegram_token);
    desk.world.set("TELEGRAM_CHAT_IDS", READERS_CHAT);
    let world = &desk.world;
    world.expect(0, &["migrate"]);
    let crontab = Crontab::read();
    let bin = world.home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_zerkalo"), bin.join("zerkalo")).unwrap();
    let (settings, log) = (world.home.path().join("environment"), world.home.path().join("stock.log"));
    fs::write(&settings, "ZERKALO_POST_MODE=two-phase\n").unwrap();
    // A Sunday, on a host in the business's zone.
    let midnight = Kaliningrad.with_ymd_and_hms(2026, 11, 22, 0, 0, 0).unwrap().to_utc();
    let mut started = Vec::new();
    for minute in 0..24 * 60 {
        let at: DateTime<Utc> = midnight + TimeDelta::minutes(minute);
        let local = at.with_timezone(&Kaliningrad).naive_local();
        for entry in crontab.entries.iter().filter(|entry| entry.is_due(local)) {
            let line = entry.subcommand();
            #[expect(clippy::disallowed_methods, reason = "the upstreams' clock is set off the host's")]
            let ahead = (at - Utc::now()).num_seconds();
            world.sandbox.edit(|world| world.clock_offset_seconds = ahead);
            let own = world.command(&[]);
            let mut command = Command::new("sh");
            command.env_clear().current_dir(world.home.path()).args(["-c", &entry.command]);
            command.envs(crontab.environment.iter().map(|(name, value)| (name, value)));
            command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
            command.env("ZERKALO_TRIGGER", "cron").env("SETTINGS", &settings).env("LOG", &log);
            command.env("ZERKALO_TEST_NOW", at.to_rfc3339());
            let output = Outcome::from(command.output().unwrap());
            let said = output.stdout + &output.stderr;
            let code = output.code;
            // Before the first morning there is nothing to be fresh.
            if line.starts_with("status") && local.hour() < 7 {
                assert!(matches!(code, Some(0 | 4)), "{local} {line}: {code:?} {said}");
            } else {
                assert_eq!((code, said.as_str()), (Some(0), ""), "{local} {line}");
            }
            started.push(line);
        }
    }
    let count = |name: &str| started.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(count("full-morning --scheduled"), 6);
    assert_eq!(count("negative-transfer"), 6);
    assert_eq!(count("stoplist-report"), 6);
    assert_eq!(count("sync stock"), 30);
    assert_eq!(count("sync stoplist"), 15 * 12);
    assert_eq!(count("full-morning --verify"), 1);
    // Six starts a slot, and one did the work.
    let slots = world.rows("job_slot");
    for job in ["full-morning", "stoplist-report", "negative-transfer"] {
        let of_it: Vec<_> = slots.iter().filter(|slot| slot["job"].as_deref() == Some(job)).collect();
        assert_eq!(of_it.len(), 1, "{slots:?}");
        assert_eq!(
            (of_it[0]["state"].as_deref(), of_it[0]["attempts"].as_deref()),
            (Some("done"), Some("1"))
        );
    }
    let documents = world.rows("document_outbox");
    assert!(
        !documents.is_empty() && documents.iter().all(|row| row["state"].as_deref() == Some("done")),
        "{documents:?}"
    );
    let chat = world.sandbox.world().telegram.messages(READERS_CHAT);
    assert!(chat[0].starts_with("📊 Отчёт по стоп-листу за 22.11.2026\n▫️ "), "{chat:?}");
    assert!(!chat[0].contains("Нет данных"), "{chat:?}");
    let triggers = world.query("select distinct triggered_by from iiko_sync_log");
    assert_eq!(triggers, [[Some("cron".to_owned())]]);
    assert!(fs::read_to_string(log).unwrap().contains("stock_balance: success"));
    assert_eq!(world.sandbox.violations(), Vec::<String>::new());
    assert_eq!(world.sandbox.open_sessions(), 0);
}
