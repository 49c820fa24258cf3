//! What the package brings: units that systemd accepts, that start what this binary understands, and whose settings
//! taken together do what each job needs.

use super::{
    crontab::{Crontab, Entry},
    units::{self, Unit, seconds},
};
use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Europe::Kaliningrad;
use clap::Parser as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use zerkalo::{cli::Cli, error::Kind, schedule};

/// The names of the package's unit files that end so, without the end.
fn names(end: &str) -> Vec<String> {
    let paths = fs::read_dir(units::folder()).unwrap().map(|entry| entry.unwrap().path());
    let of_kind = paths.filter(|path| path.extension().is_some_and(|found| found == end));
    let mut names: Vec<_> =
        of_kind.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The package's drop-ins: folder and file.
fn drop_ins() -> Vec<PathBuf> {
    let paths = fs::read_dir(units::folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    files.map(|path| path.strip_prefix(units::folder()).unwrap().to_owned()).collect()
}

/// A job as systemd has it.
struct Job {
    name: String,
    service: Unit,
    timer: Unit,
}

impl Job {
    /// All of them. Each has a timer, and no timer is without a job.
    fn all() -> Vec<Self> {
        let mut jobs = names("service");
        jobs.retain(|name| name.starts_with("zerkalo-"));
        assert_eq!(jobs, names("timer"));
        let read = |name: &str, end: &str| Unit::read(&units::folder(), &format!("{name}.{end}"));
        jobs.into_iter()
            .map(|name| Self { service: read(&name, "service"), timer: read(&name, "timer"), name })
            .collect()
    }

    /// The subcommand that it starts.
    fn subcommand(&self) -> String {
        let arguments = self.service.arguments();
        assert_eq!(arguments[0], "-q", "{}", self.name);
        arguments[1..].join(" ")
    }

    /// The word after an option of the subcommand.
    fn option(&self, name: &str) -> Option<String> {
        self.service.arguments().iter().skip_while(|word| *word != name).nth(1).cloned()
    }

    /// Its slot and how long after it the job may begin; none for a job without a slot.
    fn slot(&self) -> Option<(NaiveTime, TimeDelta)> {
        let at = NaiveTime::parse_from_str(&self.option("--scheduled")?, "%H:%M").unwrap();
        let grace = schedule::duration(&self.option("--grace").unwrap()).unwrap();
        Some((at, TimeDelta::from_std(grace).unwrap()))
    }

    /// Whether a failed run is started again by systemd itself.
    fn is_retried(&self) -> bool {
        self.service.value("Service.Restart") == Some("on-failure")
    }

    /// Whether systemd takes this exit code for a success.
    fn is_success(&self, code: u8) -> bool {
        code == 0 || self.service.list("Service.SuccessExitStatus").contains(&code.to_string().as_str())
    }
}

/// Whether systemd's tools are there; says aloud when they are not.
fn has_systemd() -> bool {
    let found = Command::new("systemd-analyze").arg("--version").output().is_ok();
    if !found {
        let _ = writeln!(std::io::stderr().lock(), "skipped: no systemd-analyze to ask");
    }
    found
}

/// The moments at which a timer fires from 2026-11-23 00:00 UTC on.
fn moments(timer: &Unit, count: usize) -> Vec<DateTime<Utc>> {
    let mut command = Command::new("systemd-analyze");
    command.env("TZ", "UTC").arg("calendar").arg(format!("--iterations={count}"));
    command.args(["--base-time=2026-11-23 00:00:00", timer.value("Timer.OnCalendar").unwrap()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines =
        said.lines().filter(|line| line.contains("Next elapse:") || line.trim().starts_with("Iter. #"));
    let moment = |line: &str| {
        let (_, text) = line.split_once(": ").unwrap();
        NaiveDateTime::parse_from_str(text, "%a %Y-%m-%d %H:%M:%S UTC").unwrap().and_utc()
    };
    let moments: Vec<_> = lines.map(moment).collect();
    assert_eq!(moments.len(), count, "{said}");
    moments
}

/// The most moments within a span of this length.
fn most_within(moments: &[DateTime<Utc>], span: TimeDelta) -> usize {
    let from =
        |first: &DateTime<Utc>| moments.iter().filter(|at| *at >= first && **at - first <= span).count();
    moments.iter().map(from).max().unwrap()
}

/// The units as the package brings them, on a disk of their own and with every timer enabled.
struct Installed(tempfile::TempDir);

impl Installed {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let installed = Self(root);
        let folder = installed.folder();
        for path in drop_ins() {
            fs::create_dir_all(folder.join(path.parent().unwrap())).unwrap();
            fs::copy(units::folder().join(&path), folder.join(&path)).unwrap();
        }
        // Where the package will have put them is nothing yet.
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/failed").display().to_string();
        for path in Self::files() {
            let text = fs::read_to_string(units::folder().join(&path)).unwrap();
            let text = text.replace("/usr/bin/zerkalo", env!("CARGO_BIN_EXE_zerkalo"));
            fs::write(folder.join(&path), text.replace("/usr/lib/zerkalo/failed", &script)).unwrap();
        }
        let mut command = Command::new("systemctl");
        command.arg(format!("--root={}", installed.0.path().display())).arg("enable");
        let output =
            command.args(names("timer").iter().map(|name| format!("{name}.timer"))).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        installed
    }

    /// The names of the unit files.
    fn files() -> Vec<String> {
        let of = |end: &str| names(end).into_iter().map(|name| format!("{name}.{end}")).collect::<Vec<_>>();
        [of("service"), of("timer")].concat()
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("usr/lib/systemd/system")
    }

    /// What `systemd-analyze verify` says of these units; at the level `debug` it shows what it made of them.
    fn verify(&self, level: &str, units: &[String]) -> Output {
        let enabled = self.0.path().join("etc/systemd/system");
        let mut command = Command::new("systemd-analyze");
        command.env("SYSTEMD_LOG_LEVEL", level);
        // The colon at the end stands for the host's own units.
        command.env("SYSTEMD_UNIT_PATH", format!("{}:{}:", enabled.display(), self.folder().display()));
        command.args(["verify", "--man=no"]).args(units).output().unwrap()
    }

    /// What systemd made of these units: of each one every `name: value` that it shows, in order.
    fn seen(&self, units: &[String]) -> BTreeMap<String, Vec<(String, String)>> {
        let said = String::from_utf8(self.verify("debug", units).stdout).unwrap();
        let mut seen = BTreeMap::<_, Vec<_>>::new();
        let mut unit = String::new();
        for line in said.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("-> Unit ") {
                name.trim_end_matches(':').clone_into(&mut unit);
            } else if let Some((name, value)) = line.split_once(": ") {
                let value = value.split(" (origin-").next().unwrap().split(" (destination-").next().unwrap();
                seen.entry(unit.clone()).or_default().push((name.to_owned(), value.to_owned()));
            }
        }
        seen
    }
}

#[test]
fn units_and_crontab_start_the_same_and_this_binary_understands_it() {
    let started: BTreeSet<String> = Crontab::read().entries.iter().map(Entry::subcommand).collect();
    // What cron starts at boot waits besides: systemd would start it again.
    let by_cron = started.iter().map(|line| line.trim_end_matches(" --lock-wait 5m").to_owned()).collect();
    let by_systemd: BTreeSet<String> = Job::all().iter().map(Job::subcommand).collect();
    assert_eq!(by_systemd, by_cron);
    for line in started {
        Cli::try_parse_from(format!("zerkalo -q {line}").split(' ')).unwrap();
    }
}

#[test]
fn a_timer_fires_within_the_grace_of_its_slot_and_not_after_it() {
    if !has_systemd() {
        return;
    }
    for job in Job::all() {
        let Some((slot, grace)) = job.slot() else { continue };
        assert_eq!(job.timer.value("Timer.Persistent"), Some("true"), "{}: a slot is made up for", job.name);
        let moments = moments(&job.timer, 30);
        let local: Vec<_> = moments.iter().map(|at| at.with_timezone(&Kaliningrad).naive_local()).collect();
        for at in &local {
            let late = at.time() - slot;
            assert!(late >= TimeDelta::zero() && late < grace, "{}: {at} is exit 12", job.name);
        }
        let days: BTreeSet<_> = local.iter().map(NaiveDateTime::date).collect();
        assert!(local.iter().any(|at| at.time() == slot), "{}", job.name);
        // Restart= repeats what failed, by its exit code. Repeats of the timer would not look at that.
        assert_eq!(days.len(), local.len(), "{}: once a day", job.name);
    }
}

#[test]
fn no_job_runs_into_its_limit_of_starts_while_it_may_still_succeed() {
    if !has_systemd() {
        return;
    }
    for job in Job::all() {
        let name = job.name.as_str();
        let span = |setting: &str| job.service.seconds(setting);
        // systemd's defaults: 5 starts in 10 seconds.
        let interval = span("Unit.StartLimitIntervalSec").unwrap_or(10);
        let burst = span("Unit.StartLimitBurst").unwrap_or(5);
        let moments = moments(&job.timer, 400);
        let by_timer = most_within(&moments, TimeDelta::seconds(interval));
        if !job.is_retried() {
            assert!(interval == 0 || by_timer <= usize::try_from(burst).unwrap(), "{name}: {by_timer}");
            assert!(most_within(&moments, TimeDelta::hours(1)) > 1, "{name}: the next start is near");
            continue;
        }
        assert_eq!(by_timer, 1, "{name}: the timer and Restart= do not do each other's work");
        let again = span("Service.RestartSec").unwrap();
        if let Some((_, grace)) = job.slot() {
            // From the slot to the end of the grace, the one after it that says so, and a few at boot and by hand.
            let needed = grace.num_seconds() / again + 2;
            assert!(burst >= needed + 5, "{name}: {needed} starts");
        }
        // What fails for ever is given up: the limit is reached however long each run takes.
        let longest =
            again + span("Service.TimeoutStartSec").unwrap() + span("Service.TimeoutStopSec").unwrap();
        assert!(burst * longest < interval, "{name}: {longest} s a start");
        assert!(interval < 24 * 3600, "{name}: today's starts do not count tomorrow");
    }
}

#[test]
fn each_job_is_retried_and_told_of_by_its_exit_code() {
    let mut retried = Vec::new();
    for job in Job::all() {
        let name = job.name.as_str();
        assert_eq!(job.service.value("Service.Type"), Some("oneshot"), "{name}");
        assert_eq!(job.service.dependencies("Unit.OnFailure"), ["failed-zerkalo@%n.service"], "{name}");
        let refused = job.service.list("Service.RestartPreventExitStatus");
        let once = |kind: Kind| refused.contains(&kind.exit_code().to_string().as_str());
        for kind in [
            Kind::Internal,
            Kind::Usage,
            Kind::Refused,
            Kind::InvalidAnswer,
            Kind::Unknown,
            Kind::Misfire,
            Kind::Safety,
        ] {
            assert!(once(kind) && !job.is_success(kind.exit_code()), "{name}: {kind:?}");
        }
        for kind in [Kind::Partial, Kind::Unreachable, Kind::Database, Kind::Locked] {
            assert!(!once(kind) && !job.is_success(kind.exit_code()), "{name}: {kind:?}");
        }
        // Warnings are what the check is there to tell of, and to a job they are an end.
        let is_check = name == "zerkalo-check";
        assert_eq!(job.is_success(Kind::Warning.exit_code()), !is_check, "{name}");
        for signal in [1, 2, 15] {
            assert!(job.is_success(Kind::Signal(signal).exit_code()), "{name}: stopped in order");
        }
        if job.is_retried() {
            retried.push(job.name);
        } else {
            assert_eq!(job.service.value("Service.Restart"), Some("no"), "{name}");
        }
    }
    let of_a_slot = ["zerkalo-full-morning", "zerkalo-negative-transfer", "zerkalo-stoplist-report"];
    assert_eq!(retried, [&of_a_slot[..], &["zerkalo-verify"]].concat());
}

#[test]
fn what_is_given_up_is_told_and_the_stop_list_not_every_five_minutes() {
    let tell = |job: &str| Unit::read(&units::folder(), &format!("failed-zerkalo@{job}.service.service"));
    for job in Job::all() {
        let limit = tell(&job.name).value("Unit.StartLimitBurst").map(str::to_owned);
        assert_eq!(limit.as_deref(), (job.name == "zerkalo-stoplist").then_some("2"), "{}", job.name);
    }
    assert_eq!(tell("zerkalo-stoplist").seconds("Unit.StartLimitIntervalSec"), Some(6 * 3600));
}

#[test]
fn a_job_that_is_still_being_retried_is_not_told_of() {
    let home = tempfile::tempdir().unwrap();
    let said = home.path().join("said");
    let tool = |name: &str, script: &str| {
        let path = home.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    tool("logger", "echo \"logger $*\" >>\"$SAID\"");
    tool("sendmail", "cat >>\"$SAID\"");
    for (state, is_told) in [
        ("failed-before-auto-restart", false),
        ("auto-restart", false),
        ("auto-restart-queued", false),
        ("failed", true),
    ] {
        tool("systemctl", &format!("case $1 in show) echo {state} ;; *) echo the log ;; esac"));
        fs::write(&said, "").unwrap();
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/failed"));
        command.arg("zerkalo-check.service").env("SAID", &said);
        command.env("PATH", format!("{}:/usr/bin:/bin", home.path().display()));
        assert!(command.status().unwrap().success());
        let said = fs::read_to_string(&said).unwrap();
        assert_eq!(said.contains("logger -t zerkalo -p user.err zerkalo-check.service has failed"), is_told);
        assert_eq!(said.contains("Subject: zerkalo-check.service has failed on"), is_told, "{state}: {said}");
        assert!(is_told || said.is_empty(), "{state}: {said}");
    }
}

#[test]
fn the_package_brings_every_drop_in() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let found = drop_ins();
    assert_eq!(found.len(), 2, "{found:?}");
    for path in found {
        let (path, folder) = (path.display(), path.parent().unwrap().display());
        let asset = format!("[\"packaging/systemd/{path}\", \"usr/lib/systemd/system/{folder}/\", \"644\"]");
        assert!(manifest.contains(&asset), "{asset}");
    }
}

#[test]
fn systemd_accepts_the_units() {
    if !has_systemd() {
        return;
    }
    let installed = Installed::new();
    let paths: Vec<_> =
        Installed::files().iter().map(|file| installed.folder().join(file).display().to_string()).collect();
    for units in [paths, vec!["multi-user.target".to_owned()]] {
        let output = installed.verify("info", &units);
        let said = String::from_utf8_lossy(&output.stderr);
        // It also loads what the units depend on; only what it says of ours counts.
        let ours: Vec<&str> =
            said.lines().filter(|line| line.contains("zerkalo") || line.contains("cycle")).collect();
        assert!(ours.is_empty(), "{ours:#?}");
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn systemd_sees_the_settings_that_are_read_here() {
    if !has_systemd() {
        return;
    }
    let installed = Installed::new();
    let services: Vec<String> = Job::all().into_iter().map(|job| format!("{}.service", job.name)).collect();
    let tell = "failed-zerkalo@zerkalo-stoplist.service.service".to_owned();
    let seen = installed.seen(&[&services[..], std::slice::from_ref(&tell)].concat());
    let drop_in = Unit::read(&installed.folder(), &tell).drop_ins[0].display().to_string();
    assert!(seen[&tell].contains(&("DropIn Path".to_owned(), drop_in)), "{:?}", seen[&tell]);
    for service in services {
        let unit = Unit::read(&installed.folder(), &service);
        let all = |name: &str| {
            let found = seen[&service].iter().filter(|(found, _)| found == name);
            found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        let drop_ins: Vec<_> = unit.drop_ins.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(all("DropIn Path"), drop_ins, "{service}");
        assert_eq!(all("Restart"), [unit.value("Service.Restart").unwrap()], "{service}");
        assert_eq!(all("Type"), [unit.value("Service.Type").unwrap()], "{service}");
        for span in ["RestartSec", "TimeoutStartSec", "TimeoutStopSec"] {
            let ours = unit.seconds(&format!("Service.{span}")).unwrap();
            assert_eq!(all(span).into_iter().map(seconds).collect::<Vec<_>>(), [ours], "{service} {span}");
        }
        let told: Vec<_> =
            unit.dependencies("Unit.OnFailure").iter().map(|name| name.replace("%n", &service)).collect();
        assert_eq!(all("OnFailure"), told, "{service}");
    }
}

#[test]
fn a_job_with_a_slot_is_started_at_boot_and_no_boot_waits_for_it() {
    if !has_systemd() {
        return;
    }
    let installed = Installed::new();
    let boot = "multi-user.target".to_owned();
    let seen = installed.seen(std::slice::from_ref(&boot));
    let started = |name: &str| {
        let of_target = seen[&boot].iter().filter(|(found, _)| found == name);
        of_target
            .map(|(_, unit)| unit.trim_end_matches(".service").to_owned())
            .filter(|unit| unit.contains("zerkalo"))
            .collect::<BTreeSet<_>>()
    };
    let with_slot: BTreeSet<_> =
        Job::all().into_iter().filter(|job| job.slot().is_some()).map(|job| job.name).collect();
    assert_eq!(started("Wants"), with_slot);
    assert_eq!(started("Before"), with_slot);
    assert_eq!(started("After"), BTreeSet::new());
}
