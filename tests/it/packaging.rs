//! What the package brings: units that systemd accepts, and that start what this binary understands.

use super::crontab::Crontab;
use clap::Parser as _;
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};
use zerkalo::cli::Cli;

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd")
}

/// The files of a kind: their names and their text.
fn files(end: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(units()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|found| found == end) {
            files.push((
                entry.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(&entry).unwrap(),
            ));
        }
    }
    files.sort();
    files
}

/// What the jobs' services start.
fn starts() -> Vec<(String, String)> {
    let jobs = files("service").into_iter().filter(|(name, _)| name.starts_with("zerkalo-"));
    let line = |text: &str| {
        text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/zerkalo -q ").map(str::to_owned))
    };
    jobs.map(|(name, text)| (name.clone(), line(&text).unwrap_or_else(|| panic!("{name}: {text}")))).collect()
}

#[test]
fn units_and_crontab_start_the_same_and_this_binary_understands_it() {
    let crontab = Crontab::read();
    let by_cron: BTreeSet<String> = crontab.entries.iter().map(super::crontab::Entry::subcommand).collect();
    let by_systemd: BTreeSet<String> = starts().into_iter().map(|(_, line)| line).collect();
    assert_eq!(by_cron, by_systemd);
    for line in by_systemd {
        Cli::try_parse_from(format!("zerkalo -q {line}").split(' ')).unwrap();
    }
}

#[test]
fn every_job_has_a_timer_at_the_time_of_its_slot() {
    let timers = files("timer");
    let starts = starts();
    let names = |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&timers), names(&starts));
    for ((name, timer), (_, line)) in timers.iter().zip(&starts) {
        if let Some((_, slot)) = line.split_once("--scheduled ") {
            let slot = slot.split(' ').next().unwrap();
            assert!(
                timer.contains(&format!("OnCalendar=*-*-* {slot}:00 Europe/Kaliningrad\n")),
                "{name}: {timer}"
            );
            assert!(timer.contains("Persistent=true\n"), "a slot is made up for within its grace: {name}");
        }
    }
}

#[test]
fn systemd_accepts_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        let _ = writeln!(std::io::stderr().lock(), "skipped: no systemd-analyze to verify the units with");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let common = home.path().join("zerkalo-.service.d");
    fs::create_dir(&common).unwrap();
    fs::copy(units().join("zerkalo-.service.d/10-common.conf"), common.join("10-common.conf")).unwrap();
    let mut paths = Vec::new();
    for end in ["service", "timer"] {
        for (name, text) in files(end) {
            // Where the package will have put them is nothing yet.
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/failed");
            let text = text.replace("/usr/bin/zerkalo", env!("CARGO_BIN_EXE_zerkalo"));
            let text = text.replace("/usr/lib/zerkalo/failed", &script.display().to_string());
            let path = home.path().join(format!("{name}.{end}"));
            fs::write(&path, text).unwrap();
            paths.push(path);
        }
    }
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It also loads what the units depend on; only what it says of ours counts.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("zerkalo")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    assert!(output.status.success(), "{said}");
}
