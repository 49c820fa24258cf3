//! What the doctor found, for people and for machines.

use super::table::painted;
use crate::model::{
    diagnosis::{Diagnosis, Finding, State},
    report::Status,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr as _;

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

/// Where the words of a finding begin.
const MARGIN: usize = 27;

/// A line for each finding and its remedy, broken between words at `width`, and one closing line. With `quiet` only what
/// is not well.
pub fn text(diagnosis: &Diagnosis, width: u16, colour: bool, quiet: bool) -> String {
    let width = usize::from(width).saturating_sub(MARGIN);
    let mut out = String::new();
    let mut last = "";
    for finding in diagnosis.findings.iter().filter(|finding| !quiet || is_bad(finding)) {
        let name = if finding.check == last { "" } else { finding.check };
        let state = finding.state.name();
        let gap = " ".repeat(9usize.saturating_sub(state.len()));
        let text = wrapped(&finding.text, width, MARGIN);
        let _ = writeln!(out, "{}{gap}{name:<18}{text}", painted(state, shade(finding.state), colour));
        if let Some(hint) = &finding.hint {
            let label = "hint: ";
            let hint = wrapped(hint, width.saturating_sub(label.len()), MARGIN + label.len());
            let _ = writeln!(out, "{:MARGIN$}{label}{hint}", "");
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

/// A text in lines of `width` columns, the second and all later ones behind a margin. It is broken at blanks, and not
/// between backticks: a command is copied in one piece. A word that is longer than a line stays whole.
fn wrapped(text: &str, width: usize, margin: usize) -> String {
    let (mut out, mut column, mut in_command) = (String::new(), 0, false);
    for word in text.split_inclusive(|sign| {
        in_command ^= sign == '`';
        sign == ' ' && !in_command
    }) {
        if column > 0 && column + word.trim_end().width() > width {
            out.truncate(out.trim_end().len());
            let _ = write!(out, "\n{:margin$}", "");
            column = 0;
        }
        out.push_str(word);
        column += word.width();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_between_words_and_never_in_a_command() {
        assert_eq!(wrapped("short", 10, 4), "short");
        assert_eq!(wrapped("не более десяти", 10, 4), "не более\n    десяти");
        assert_eq!(wrapped("run `zerkalo migrate` now", 12, 2), "run\n  `zerkalo migrate`\n  now");
        assert_eq!(wrapped("https://a.very.long.address then", 8, 0), "https://a.very.long.address\nthen");
        let finding = |text: &str, hint: Option<&str>| Finding {
            check: "time zone",
            state: State::Warning,
            text: text.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let findings = vec![finding(&"слово word ".repeat(20), Some(&"do this ".repeat(20)))];
        let diagnosis = Diagnosis { findings, failure: None };
        for width in [80_u16, 120] {
            let shown = text(&diagnosis, width, false, true);
            let lines: Vec<&str> = shown.lines().collect();
            assert!(lines.len() > 2, "{shown}");
            for line in &lines {
                assert!(line.width() <= usize::from(width), "{width}: {line}");
            }
            assert!(lines[1..].iter().all(|line| line.starts_with(&" ".repeat(MARGIN))), "{shown}");
        }
    }
}
