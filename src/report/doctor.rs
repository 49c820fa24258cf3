//! What the doctor found, for people and for machines.

use super::{Status, table::painted};
use crate::doctor::{Diagnosis, Finding, State};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The one object that `--json` prints.
pub fn to_json(diagnosis: &Diagnosis) -> Value {
    let mut report = json!({
        "command": "doctor",
        "exit_code": diagnosis.exit_code(),
        "checks": diagnosis.findings,
    });
    if let Some(failure) = &diagnosis.failure {
        report["error"] = failure.to_string().into();
        report["hint"] = failure.hint.clone().into();
    }
    report
}

/// A line for each finding and its remedy, and one closing line. Lines are not broken, so that a command in a hint can be
/// copied. With `quiet` only what is not well.
pub fn text(diagnosis: &Diagnosis, colour: bool, quiet: bool) -> String {
    let mut out = String::new();
    let mut last = "";
    for finding in diagnosis.findings.iter().filter(|finding| !quiet || is_bad(finding)) {
        let name = if finding.check == last { "" } else { finding.check };
        let state = finding.state.name();
        let gap = " ".repeat(9usize.saturating_sub(state.len()));
        let _ =
            writeln!(out, "{}{gap}{name:<18}{}", painted(state, shade(finding.state), colour), finding.text);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(out, "{:27}hint: {hint}", "");
        }
        last = finding.check;
    }
    if let Some(failure) = &diagnosis.failure {
        let _ = writeln!(out, "{}: {failure}", painted("error", Status::Error, colour));
        if let Some(hint) = &failure.hint {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    if !quiet {
        let _ = write!(out, "\n{}", closing(diagnosis));
    }
    out
}

fn is_bad(finding: &Finding) -> bool {
    matches!(finding.state, State::Warning | State::Problem(_))
}

const fn shade(state: State) -> Status {
    match state {
        State::Ok => Status::Success,
        State::Warning => Status::Warning,
        State::Problem(_) => Status::Error,
        State::Unset | State::Skipped => Status::Skipped,
    }
}

fn closing(diagnosis: &Diagnosis) -> String {
    let count = |is: fn(State) -> bool| diagnosis.findings.iter().filter(|finding| is(finding.state)).count();
    let problems = count(|state| matches!(state, State::Problem(_)));
    let warnings = count(|state| state == State::Warning);
    let several = |count: usize, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    let told = match (problems, warnings) {
        (0, 0) => "all is well".to_owned(),
        _ => format!("{}, {}", several(problems, "problem"), several(warnings, "warning")),
    };
    format!("{told}, exit {}", diagnosis.exit_code())
}
