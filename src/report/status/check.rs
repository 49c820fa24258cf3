//! One line for monitoring.

use super::{Severity, StatusReport};
use crate::{
    error::{Failure, Kind, quote},
    store::filesystem::{LITTLE_ROOM, NO_ROOM},
};
use serde_json::{Value, json};

/// In whose form the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Ours: the exit code says what is wrong.
    Plain,
    /// That of Nagios plugins: `OK`, `WARNING`, `CRITICAL`, `UNKNOWN`, with exit codes 0 to 3, and performance data
    /// (the Monitoring Plugins' Development Guidelines).
    Nagios,
}

/// A check's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is printed.
    pub text: String,
    /// The exit code.
    pub exit_code: u8,
    state: &'static str,
}

/// Checks what was found, or says why nothing could be found.
pub fn line(found: Result<&StatusReport, &Failure>, form: Form) -> Line {
    let (state, exit_code, words, data) = match found {
        Ok(report) => (report.severity().name(), report.exit_code(), words(report), performance(report)),
        Err(failure) => {
            let state = if failure.kind == Kind::Database { "critical" } else { "unknown" };
            let hint = failure.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
            (state, failure.kind.exit_code(), format!("{failure}{hint}"), String::new())
        }
    };
    match form {
        Form::Plain => Line { text: format!("{state}: {words}"), exit_code, state },
        Form::Nagios => {
            // A bar begins the performance data.
            let words = words.replace('|', "/");
            let text = format!("ZERKALO {} - {words}{data}", state.to_uppercase());
            Line { text, exit_code: nagios(state), state }
        }
    }
}

/// The same as the one object that `--json` prints.
pub fn to_json(found: Result<&StatusReport, &Failure>, form: Form) -> (Value, u8) {
    let line = line(found, form);
    let problems = found.map(|report| json!(report.problems)).unwrap_or_default();
    let report = json!({
        "command": "status --check",
        "state": line.state,
        "exit_code": line.exit_code,
        "text": line.text,
        "problems": problems,
    });
    (report, line.exit_code)
}

fn nagios(state: &str) -> u8 {
    ["ok", "warning", "critical"]
        .iter()
        .position(|name| *name == state)
        .map_or(3, |code| u8::try_from(code).unwrap_or(3))
}

/// How many problems a line tells of; the screen has them all.
const TOLD: usize = 3;

fn words(report: &StatusReport) -> String {
    if report.severity() == Severity::Ok {
        let ran = report.entities.iter().filter(|entity| entity.last_good_run.is_some());
        let oldest = ran.clone().max_by_key(|entity| entity.age_s);
        return oldest.map_or_else(
            || "nothing was ever run".to_owned(),
            |entity| {
                let age = super::table::age(entity.age_s.unwrap_or_default());
                format!("{} tables and steps, the oldest is {} with {age}", ran.count(), entity.entity)
            },
        );
    }
    let told: Vec<String> =
        report.problems.iter().take(TOLD).map(|problem| quote(&problem.text, 300)).collect();
    let more = report.problems.len().saturating_sub(TOLD);
    let more = if more > 0 { format!("; and {more} more: zerkalo status") } else { String::new() };
    format!("{}{more}", told.join("; "))
}

/// `'label'=value[unit];[warn];[crit];[min]`
fn performance(report: &StatusReport) -> String {
    let limited =
        report.entities.iter().filter(|entity| entity.max_age_s.is_some() && entity.age_s.is_some());
    let oldest = limited.max_by_key(|entity| entity.age_s);
    let mut data = Vec::new();
    if let Some((age, limit)) = oldest.and_then(|entity| entity.age_s.zip(entity.max_age_s)) {
        data.push(format!("oldest={age}s;{limit};{};0", 2 * limit));
    }
    let documents = |uncertain: bool| {
        report.documents.iter().filter(|document| document.state.is_uncertain() == uncertain).count()
    };
    let blocked: i64 = report.blocked.iter().map(|blocked| blocked.rows).sum();
    data.extend([
        format!("problems={};0;;0", report.problems.len()),
        format!("open_documents={};0;;0", documents(false)),
        format!("uncertain_documents={};;0;0", documents(true)),
        format!("rows_kept={blocked};0;;0"),
        format!("tombstones={};;;0", report.tombstones.0),
    ]);
    if let Some(free) = report.disks.iter().map(|room| room.free).min() {
        data.push(format!("disk_free={free}B;{LITTLE_ROOM}:;{NO_ROOM}:;0"));
    }
    format!(" | {}", data.join(" "))
}
