//! The run as a table for people.

use crate::{
    humanize::{duration, number},
    model::report::{RunReport, Status, StepReport},
};
use std::{fmt::Write as _, iter, time::Duration};

use comfy_table::{
    Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, presets::NOTHING,
};

/// The entity with a scope for each root type; as many equal lines would hide the rest.
const FOLDED: &str = crate::tables::DIRECTORIES.table.name;

/// A table narrower than this cannot show a name and a count.
const NARROWEST: u16 = 40;

/// `iiko_product: success, 1 200 fetched, 3 inserted, 1.2 s`; counts of zero are left out.
pub fn finished(report: &StepReport) -> String {
    let mut line = format!("{}: {}, {} fetched", report.name(), report.status, number(report.counts.fetched));
    for (count, name) in [
        (report.counts.inserted, "inserted"),
        (report.counts.updated, "updated"),
        (report.counts.deleted, "deleted"),
        (report.counts.delete_blocked, "not deleted (guard)"),
        (report.counts.rejected, "rejected"),
    ] {
        if count > 0 {
            let _ = write!(line, ", {} {name}", number(count));
        }
    }
    let _ = write!(line, ", {}", duration(Duration::from_millis(report.duration_ms)));
    line
}

/// A line of the table: a step, or several folded into one.
struct Line {
    step: String,
    name: String,
    status: Status,
    counts: [u64; 5],
    millis: u64,
}

impl Line {
    fn of(step: &StepReport) -> Self {
        Self {
            step: step.step.clone(),
            name: step.name(),
            status: step.status,
            counts: [
                step.counts.fetched,
                step.counts.inserted,
                step.counts.updated,
                step.counts.unchanged,
                step.counts.deleted,
            ],
            millis: step.duration_ms,
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum = sum.saturating_add(count);
        }
        // The scopes of a table come in one answer and are written together.
        self.millis = self.millis.max(other.millis);
    }
}

fn lines(report: &RunReport, full: bool) -> Vec<Line> {
    let folds = |step: &StepReport| step.entity.as_deref() == Some(FOLDED) && step.scope.is_some();
    let scopes = report.steps.iter().filter(|step| folds(step)).count();
    let calm = report.steps.iter().filter(|step| folds(step)).all(|step| step.status == Status::Success);
    let fold = !full && calm && scopes > 1;
    let mut lines: Vec<Line> = Vec::new();
    let mut folded: Option<usize> = None;
    for step in &report.steps {
        let mut line = Line::of(step);
        match folded {
            Some(at) if fold && folds(step) => lines[at].add(&line),
            None if fold && folds(step) => {
                line.name = format!("{FOLDED} ({scopes} types)");
                folded = Some(lines.len());
                lines.push(line);
            }
            _ => lines.push(line),
        }
    }
    lines
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Step,
    Entity,
    Status,
    Count(usize),
    Time,
}

const COLUMNS: [(Column, &str); 9] = [
    (Column::Step, "step"),
    (Column::Entity, "entity"),
    (Column::Status, "status"),
    (Column::Count(0), "fetched"),
    (Column::Count(1), "inserted"),
    (Column::Count(2), "updated"),
    (Column::Count(3), "unchanged"),
    (Column::Count(4), "deleted"),
    (Column::Time, "time"),
];

/// What a narrow terminal does without, least important first.
const DISPENSABLE: [Column; 6] =
    [Column::Step, Column::Count(3), Column::Count(0), Column::Time, Column::Count(2), Column::Status];

pub(super) fn render(report: &RunReport, width: u16, colour: bool, full: bool) -> String {
    let lines = lines(report, full);
    let mut out = String::new();
    for stoplist in report.steps.iter().filter_map(|step| step.stoplist.as_ref()) {
        let table = stoplist.table(width, full);
        if !table.is_empty() {
            out.push_str(&table);
            out.push('\n');
        }
    }
    if !lines.is_empty() {
        out.push_str(&grid(&lines, width.max(NARROWEST), colour));
        out.push('\n');
    }
    let notes = remarks(report, colour) + &notes(report, colour);
    if !notes.is_empty() {
        out.push_str(&notes);
        out.push('\n');
    }
    if let Some(note) = report.slot.as_ref().and_then(|slot| slot.note.as_ref()) {
        let _ = writeln!(out, "{note}");
    }
    out.push_str(&closing(report));
    out
}

fn grid(lines: &[Line], width: u16, colour: bool) -> String {
    let mut columns: Vec<_> = COLUMNS.to_vec();
    if lines.iter().all(|line| line.step == lines[0].step && line.name != line.step) {
        columns.retain(|(column, _)| *column != Column::Step);
    }
    let mut table = build(lines, &columns, colour);
    for column in DISPENSABLE {
        if fits(&table, &columns, width) {
            break;
        }
        columns.retain(|(kept, _)| *kept != column);
        table = build(lines, &columns, colour);
    }
    if fits(&table, &columns, width) {
        for ((column, _), shape) in columns.iter().zip(table.column_iter_mut()) {
            if *column != Column::Entity {
                shape.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table.set_width(width);
    let mut rows: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    // The last row is the total; the style at hand draws a rule only under the head.
    let rule = rows.get(1).cloned().unwrap_or_default();
    rows.insert(rows.len().saturating_sub(1), rule);
    rows.join("\n") + "\n"
}

/// Whether all columns fit side by side, with an entity's name cut to a readable length at worst.
fn fits(table: &Table, columns: &[(Column, &str)], width: u16) -> bool {
    let mut needed = 0;
    for (widest, (column, _)) in table.column_max_content_widths().into_iter().zip(columns) {
        needed += if *column == Column::Entity { widest.min(26) } else { widest };
    }
    usize::from(needed) + GAP * columns.len().saturating_sub(1) <= usize::from(width)
}

/// One column of padding and the one that the style puts between two cells.
const GAP: usize = 2;

fn build(lines: &[Line], columns: &[(Column, &str)], colour: bool) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.style_mut().header_separator.fill = Some('─');
    table.style_mut().header_separator.junction = Some('─');
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(columns.iter().map(|(_, title)| Cell::new(title)));
    let mut total = Line {
        step: "total".to_owned(),
        name: "total".to_owned(),
        status: Status::Success,
        counts: [0; 5],
        millis: 0,
    };
    let has_step = columns.iter().any(|(column, _)| *column == Column::Step);
    for line in lines {
        total.add(line);
        table.add_row(columns.iter().map(|(column, _)| match column {
            // A step that mirrors no table.
            Column::Entity if has_step && line.name == line.step => Cell::new("-"),
            other => cell(line, *other),
        }));
    }
    // Entities are read side by side, so the sum of their times is nobody's time.
    table.add_row(columns.iter().map(|(column, _)| match column {
        Column::Entity if has_step => Cell::new(""),
        Column::Status | Column::Time => Cell::new(""),
        other => cell(&total, *other),
    }));
    for (at, (column, _)) in columns.iter().enumerate() {
        let Some(shape) = table.column_mut(at) else { continue };
        shape.set_padding((0, u16::from(at + 1 < columns.len())));
        if matches!(column, Column::Count(_) | Column::Time) {
            shape.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cell(line: &Line, column: Column) -> Cell {
    match column {
        Column::Step => Cell::new(&line.step),
        Column::Entity => Cell::new(&line.name),
        Column::Status => painted_cell(line.status),
        Column::Count(at) => Cell::new(number(line.counts[at])),
        Column::Time => Cell::new(duration(Duration::from_millis(line.millis))),
    }
}

/// A status in its colour.
pub(super) fn painted_cell(status: Status) -> Cell {
    let cell = Cell::new(status);
    match status {
        Status::Success => cell.fg(Color::DarkGreen),
        Status::Warning => cell.fg(Color::DarkYellow),
        Status::Error => cell.fg(Color::DarkRed),
        Status::Skipped => cell.fg(Color::DarkGrey),
    }
}

/// `text` in the colour of `status`.
pub(super) fn painted(text: &str, status: Status, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match status {
        Status::Success => 32,
        Status::Warning => 33,
        Status::Error => 31,
        Status::Skipped => 90,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// What the operator should read, once: entities that failed for the same reason share a line.
pub(super) fn notes(report: &RunReport, colour: bool) -> String {
    let mut notes: Vec<(Status, &str, Option<&str>, Vec<String>)> = Vec::new();
    for step in &report.steps {
        let status = if step.status == Status::Skipped { Status::Skipped } else { Status::Error };
        let sentences = step.warnings.iter().map(|warning| (Status::Warning, warning));
        for (status, sentence) in sentences.chain(step.error.iter().map(|error| (status, error))) {
            let hint = step.hint.as_deref();
            let same = |note: &&mut (Status, &str, Option<&str>, Vec<String>)| {
                (note.0, note.1, note.2) == (status, sentence.as_str(), hint)
            };
            match notes.iter_mut().find(same) {
                Some(note) => note.3.push(step.name()),
                None => notes.push((status, sentence, hint, vec![step.name()])),
            }
        }
    }
    let failure = report.failure.as_ref().map(|failure| (failure.to_string(), failure.hint.as_deref()));
    if let Some((sentence, hint)) = &failure {
        notes.push((Status::Error, sentence, *hint, Vec::new()));
    }
    let mut out = missing(report, |step| lists_missing(report, step)) + &planned(report);
    for (position, (status, sentence, hint, names)) in notes.iter().enumerate() {
        let label = painted(status.name(), *status, colour);
        let names = if names.is_empty() { String::new() } else { format!("{}: ", names.join(", ")) };
        let _ = writeln!(out, "{label}: {names}{sentence}");
        // A step's hint belongs under the last of its sentences.
        let repeated = notes.get(position + 1).is_some_and(|next| next.2 == *hint);
        if let Some(hint) = hint.filter(|_| !repeated) {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    out
}

/// What is told and needs no look, once: entities of which the same is told share a line.
pub(super) fn remarks(report: &RunReport, colour: bool) -> String {
    let mut out = missing(report, |step| !step.notes.is_empty() && !lists_missing(report, step));
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for step in &report.steps {
        for note in &step.notes {
            match told.iter_mut().find(|(sentence, _)| *sentence == note.as_str()) {
                Some((_, names)) => names.push(step.name()),
                None => told.push((note, vec![step.name()])),
            }
        }
    }
    let label = painted("note", Status::Success, colour);
    for (sentence, names) in told {
        let _ = writeln!(out, "{label}: {}: {sentence}", names.join(", "));
    }
    out
}

/// Whether an operator has to look at the rows that the upstream no longer has: those that a dry run would delete, and
/// those that a run kept or deleted loudly.
fn lists_missing(report: &RunReport, step: &StepReport) -> bool {
    report.dry_run || !step.warnings.is_empty()
}

/// Which rows the upstream no longer has, of the steps that `tells` chooses.
fn missing(report: &RunReport, tells: impl Fn(&StepReport) -> bool) -> String {
    let mut out = String::new();
    for step in report.steps.iter().filter(|step| tells(step)) {
        if step.missing.is_empty() {
            continue;
        }
        let word = match (step.counts.deleted > 0, report.dry_run) {
            (true, true) => "would delete",
            (true, false) => "deleted",
            (false, _) => "not in the answer, kept",
        };
        let total = step.counts.deleted.max(step.counts.delete_blocked);
        let _ = writeln!(out, "{}: {word}: {}", step.name(), number(total));
        for name in &step.missing {
            let _ = writeln!(out, "  {name}");
        }
        let more = total.saturating_sub(step.missing.len() as u64);
        if more > 0 {
            let _ = writeln!(out, "  … and {} more", number(more));
        }
    }
    out
}

/// How many lines of what a dry run would do to a sheet are shown; `--json` has them all.
const PLANNED: usize = 20;

/// What a dry run would do to a sheet.
fn planned(report: &RunReport) -> String {
    let mut out = String::new();
    for step in report.steps.iter().filter(|step| report.dry_run && !step.details.is_empty()) {
        let _ = writeln!(out, "{}: would do in the sheet:", step.name());
        for detail in step.details.iter().take(PLANNED) {
            let _ = writeln!(out, "  {detail}");
        }
        let more = step.details.len().saturating_sub(PLANNED);
        if more > 0 {
            let _ = writeln!(out, "  … and {more} more; --json shows all");
        }
    }
    out
}

/// The closing line.
pub(super) fn closing(report: &RunReport) -> String {
    let sum = |count: fn(&StepReport) -> u64| report.steps.iter().map(count).fold(0, u64::saturating_add);
    let mut entities: Vec<&str> = report.steps.iter().filter_map(|step| step.entity.as_deref()).collect();
    entities.sort_unstable();
    entities.dedup();
    let code = report.exit_code();
    let word = match code {
        0 => "done in",
        4 => "done with warnings in",
        _ if report.steps.iter().any(|step| matches!(step.status, Status::Success | Status::Warning)) => {
            "failed in part after"
        }
        _ => "failed after",
    };
    let mut parts = Vec::new();
    if !report.steps.is_empty() {
        parts.push(if entities.len() == 1 {
            "1 entity".to_owned()
        } else {
            format!("{} entities", entities.len())
        });
        for (count, name) in [
            (sum(|step| step.counts.inserted), "inserted"),
            (sum(|step| step.counts.updated), "updated"),
            (sum(|step| step.counts.unchanged), "unchanged"),
            (sum(|step| step.counts.deleted), "deleted"),
        ] {
            parts.push(format!("{} {name}", number(count)));
        }
        for (count, name) in [
            (sum(|step| step.counts.delete_blocked), "not deleted (guard)"),
            (sum(|step| step.counts.rejected), "rejected"),
        ] {
            parts.extend((count > 0).then(|| format!("{} {name}", number(count))));
        }
    }
    parts.extend(iter::once(format!("exit {code}")));
    let dry = if report.dry_run { "dry run: nothing was written\n" } else { "" };
    format!("{dry}{word} {}: {}", duration(report.duration), parts.join(", "))
}
