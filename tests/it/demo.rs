//! `zerkalo demo`, held against what its stand-in servers wrote down.

use super::{harness::Outcome, process::until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// The demonstration, played into a directory.
fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zerkalo"));
    command.args(["demo", "--json", "--keep"]).arg(folder).env_clear();
    command
}

/// What is printed, without what differs from run to run: durations, dates, ids, the port, and the widths of columns.
fn shape(text: &str) -> Vec<String> {
    let shaped = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_unit = |word: &str| matches!(word.trim_end_matches(':'), "ms" | "s");
        let is_time = |at: usize| words.get(at + 1).is_some_and(|word| is_unit(word));
        let long = |word: &str| word.chars().filter(char::is_ascii_digit).count() >= 8;
        let kept = words.iter().enumerate().map(|(at, word)| match *word {
            word if is_time(at) || is_unit(word) || long(word) => "#",
            word if word.starts_with('─') => "─",
            word => word,
        });
        kept.collect::<Vec<_>>().join(" ")
    };
    text.trim().lines().map(shaped).collect()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What iiko's ledger shows: how many lines were moved, and how many of them once more.
fn moved(folder: &Path) -> (usize, usize) {
    let ledger = lines(&folder.join("ledger.jsonl"));
    let distinct: BTreeSet<String> =
        ledger.iter().map(|line| json!([line["to"], line["product"]]).to_string()).collect();
    (ledger.len(), ledger.len() - distinct.len())
}

#[test]
fn the_night_moves_goods_once_though_an_answer_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let outcome: Outcome = demo(home.path()).output().unwrap().into();
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
    assert_eq!(moved(home.path()), (5, 0));
    let requests = lines(&home.path().join("requests.jsonl"));
    assert_eq!(requests.iter().filter(|request| !request["violation"].is_null()).count(), 0);
    let sent: Vec<&Value> = requests
        .iter()
        .filter(|request| {
            request["method"] == "POST" && request["path"].as_str().unwrap().ends_with("Transfer")
        })
        .map(|request| &request["status"])
        .collect();
    assert_eq!(sent, [&json!(200), &Value::Null, &json!(200), &json!(200)], "one answer was lost");
    // Two mornings and one night asked iiko; the second start of the night did not.
    let logins = requests.iter().filter(|request| request["event"] == "opened").count();
    assert_eq!(logins, 3);

    let runs = outcome.json["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["exit_code"] == 0));
    let commands: Vec<&str> = runs.iter().map(|run| run["command"].as_str().unwrap()).collect();
    let readings = commands.iter().filter(|command| **command == "sync stoplist").count();
    assert_eq!(commands[..2], ["full-morning"; 2]);
    assert_eq!(commands[2 + readings..], ["stoplist-report", "negative-transfer", "negative-transfer"]);
    let [.., night, again] = runs.as_slice() else { panic!("{commands:?}") };
    assert_eq!(night["documents"].as_array().unwrap().len(), 2);
    assert_eq!((&night["slot"]["found"], &again["slot"]["found"]), (&json!("fresh"), &json!("done")));

    // A line that had moved once more would have been noticed.
    let ledger = home.path().join("ledger.jsonl");
    let first = fs::read_to_string(&ledger).unwrap().lines().next().unwrap().to_owned();
    writeln!(fs::File::options().append(true).open(&ledger).unwrap(), "{first}").unwrap();
    assert_eq!(moved(home.path()), (6, 1));
}

#[test]
fn a_signal_ends_the_whole_demonstration() {
    let home = tempfile::tempdir().unwrap();
    let child = demo(home.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let requests = home.path().join("requests.jsonl");
    until("the first morning asks", || fs::metadata(&requests).is_ok_and(|file| file.len() > 0));
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let outcome: Outcome = child.wait_with_output().unwrap().into();
    let runs = outcome.json["runs"].as_array().unwrap();
    let codes: Vec<&Value> = runs.iter().map(|run| &run["exit_code"]).collect();
    assert_eq!((outcome.code, codes), (Some(130), vec![&json!(130)]), "{}", outcome.stderr);
}

#[test]
fn the_readme_shows_what_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let from = readme.find("Stand-in servers of iiko").expect("the README has it");
    let shown = readme[from..].split("```").next().unwrap();
    let printed = Command::new(env!("CARGO_BIN_EXE_zerkalo")).arg("demo").env_clear().output().unwrap();
    let is_well = printed.status.success();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(is_well, "{printed}");
    if std::env::var_os("ZERKALO_UPDATE_README").is_some() {
        let (head, tail) = (&readme[..from], &readme[from + shown.len()..]);
        fs::write(path, format!("{head}{}\n{tail}", printed.trim())).unwrap();
        return;
    }
    let (expected, found) = (shape(shown), shape(&printed));
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found, "write it anew: ZERKALO_UPDATE_README=1 cargo test --test main readme");
    }
    assert_eq!(expected.len(), found.len());
}

#[test]
fn a_folder_whose_name_is_no_text_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(OsStr::from_bytes(b"\xff"));
    let outcome: Outcome = demo(&folder).output().unwrap().into();
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("is not UTF-8 text"), "{}", outcome.stdout);
    assert!(!folder.exists());
}
