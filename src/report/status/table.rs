//! The screen.

use super::{EntityStatus, JobStatus, Problem, Severity, State, StatusReport};
use crate::{
    error::quote,
    humanize::number,
    report::{
        grid::{Column, fitting},
        history::local,
    },
    schedule::SlotState,
    store::lock::Holder,
};
use chrono_tz::Tz;
use comfy_table::{Cell, Color};
use std::fmt::{self, Write as _};

/// `59 s`, `12 min`, `2 h 05 min`, `3 d 04 h`.
pub(super) fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min"),
        (1..48, _) => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{} d {:02} h", hours / 24, hours % 24),
    }
}

/// Two ages that stand in one sentence: to the second where [`age`] would tell them alike.
pub(super) fn apart(one: i64, other: i64) -> [String; 2] {
    let told = [one, other].map(age);
    if one == other || told[0] != told[1] {
        return told;
    }
    [one, other]
        .map(|seconds| format!("{} h {:02} min {:02} s", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

pub(super) fn render(report: &StatusReport, width: u16, colour: bool) -> String {
    let now = local(report.now, report.zone);
    let mut out = format!("{}\nnow {now} ({})\n\n", report.database, report.zone.name());
    let rows: Vec<Vec<Cell>> = report.entities.iter().map(|entity| entity_cells(entity, report)).collect();
    out += &fitting(&ENTITIES, &rows, width, colour);
    let rows: Vec<Vec<Cell>> = report.jobs.iter().map(|job| job_cells(job, report)).collect();
    let _ = write!(out, "\n{}", fitting(&JOBS, &rows, width, colour));
    let rest = rest(report);
    if !rest.is_empty() {
        let _ = write!(out, "\n{rest}");
    }
    let problems = problems(report, colour);
    let _ = write!(out, "\n{}", if problems.is_empty() { "all is well\n" } else { &problems });
    out
}

const ENTITIES: [Column; 6] = [
    Column::text("table", 0).enough(26),
    Column::text("state", 0),
    Column::text("last good run", 1),
    Column::number("age", 0),
    Column::number("rows", 0),
    Column::text("last problem", 2),
];

fn entity_cells(entity: &EntityStatus, report: &StatusReport) -> Vec<Cell> {
    let name = quote(&entity.entity, 60);
    let name = if entity.scopes > 1 { format!("{name} ({} types)", entity.scopes) } else { name };
    let dash = || "-".to_owned();
    let at = |moment| local(moment, report.zone);
    let problem = entity.last_problem.as_ref();
    vec![
        Cell::new(name),
        Cell::new(entity.state.name()).fg(match entity.state {
            State::Ok => Color::DarkGreen,
            State::Warning | State::Never => Color::DarkYellow,
            State::Failed | State::Old => Color::DarkRed,
            State::Off => Color::DarkGrey,
        }),
        Cell::new(entity.last_good_run.map_or_else(dash, at)),
        Cell::new(entity.age_s.map_or_else(dash, age)),
        Cell::new(entity.rows.map_or_else(dash, |rows| number(rows.unsigned_abs()))),
        Cell::new(problem.map_or_else(dash, |problem| format!("{} {}", at(problem.at), problem.status))),
    ]
}

const JOBS: [Column; 4] = [
    Column::text("job", 0),
    Column::text("last slot", 2),
    Column::text("how", 1),
    Column::text("next slot", 0),
];

fn job_cells(job: &JobStatus, report: &StatusReport) -> Vec<Cell> {
    let how = match (job.state, job.exit_code) {
        (None, _) => "never scheduled".to_owned(),
        (Some(SlotState::Running), Some(code)) => format!("not done, exit {code}"),
        (Some(SlotState::Running), None) => "begun".to_owned(),
        (Some(SlotState::Done), Some(code)) if code != 0 => format!("done, exit {code}"),
        (Some(state), _) => state.name().to_owned(),
    };
    let colour = match job.state {
        Some(SlotState::Done) => Color::DarkGreen,
        Some(SlotState::Running) => Color::DarkYellow,
        Some(SlotState::Misfired) => Color::DarkRed,
        None => Color::DarkGrey,
    };
    let last = job.last_slot.map_or_else(|| "-".to_owned(), |slot| local(slot, report.zone));
    vec![
        Cell::new(quote(&job.job, 40)),
        Cell::new(last),
        Cell::new(how).fg(colour),
        Cell::new(local(job.next_slot, report.zone)),
    ]
}

/// How many locks of a run are named.
const NAMED: usize = 4;

/// A run that works here, with the locks that it holds.
pub(super) struct Running<'a> {
    /// Who it is.
    pub(super) holder: &'a Holder,
    locks: Vec<&'a str>,
    zone: Tz,
}

/// Every run that holds locks here.
pub(super) fn runs(report: &StatusReport) -> Vec<Running<'_>> {
    let mut runs: Vec<Running<'_>> = Vec::new();
    for told in &report.locks {
        match runs.iter_mut().find(|run| run.holder.run_id == told.holder.run_id) {
            Some(run) => run.locks.push(&told.lock),
            None => runs.push(Running { holder: &told.holder, locks: vec![&told.lock], zone: report.zone }),
        }
    }
    runs
}

impl fmt::Display for Running<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self.holder;
        let (sessions, tables): (Vec<&str>, Vec<&str>) =
            self.locks.iter().partition(|lock| lock.starts_with("iiko-"));
        let mut locks: Vec<String> = sessions.iter().map(|_| "an iiko session".to_owned()).collect();
        locks.extend(tables.iter().take(NAMED).map(|lock| (*lock).to_owned()));
        if tables.len() > NAMED {
            locks.push(format!("{} more", tables.len() - NAMED));
        }
        write!(
            formatter,
            "`zerkalo {}` (process {}, run {}, since {}) holds {}",
            quote(&holder.command, 80),
            holder.pid,
            holder.run_id,
            local(holder.since, self.zone),
            locks.join(", ")
        )
    }
}

/// What is there now and is no problem by itself.
fn rest(report: &StatusReport) -> String {
    let mut out = String::new();
    let at = |moment| local(moment, report.zone);
    for run in runs(report) {
        let _ = writeln!(out, "running: {run}");
    }
    for remote in &report.remote {
        let place = remote.address.as_deref().unwrap_or("this host");
        let _ = writeln!(
            out,
            "running on the database: run {} from {place}, since {}",
            remote.run_id,
            at(remote.since)
        );
    }
    if let (rows @ 1.., Some(since)) = report.tombstones {
        let rows = number(rows.unsigned_abs());
        let _ = writeln!(
            out,
            "tombstones: {rows} deleted rows since {}; `zerkalo restore` lists them",
            at(since)
        );
    }
    out
}

/// What is wrong, a line each with its hint.
pub(super) fn problems(report: &StatusReport, colour: bool) -> String {
    let mut out = String::new();
    let mut problems = report.problems.iter().peekable();
    while let Some(Problem { severity, text, hint, .. }) = problems.next() {
        let label = match (severity, colour) {
            (Severity::Critical, true) => "\u{1b}[31mcritical\u{1b}[0m",
            (Severity::Warning, true) => "\u{1b}[33mwarning\u{1b}[0m",
            (severity, _) => severity.name(),
        };
        let _ = writeln!(out, "{label}: {text}");
        // One hint for all that want the same.
        let repeated = problems.peek().is_some_and(|next| next.hint == *hint);
        if let Some(hint) = hint.as_ref().filter(|_| !repeated) {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    out
}
