//! What runs did before: rows of the log, and what they deleted.

use super::{
    grid::{Column, fitting},
    painted_cell,
};
use crate::{
    error::quote,
    humanize::{duration, number},
    model::{Counts, report::Status},
    store::{LogRow, operator::Grave},
    tables,
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use comfy_table::Cell;
use std::{fmt::Write as _, time::Duration};

/// The entity with a row for each root type; as many equal lines would hide the rest.
const FOLDED: &str = tables::DIRECTORIES.table.name;

/// A line of the table: a row of the log, or the equal ones of one run.
struct Line<'a> {
    row: &'a LogRow,
    scopes: usize,
    counts: Counts,
}

impl<'a> Line<'a> {
    fn of(row: &'a LogRow) -> Self {
        Self { row, scopes: 1, counts: row.counts }
    }

    fn name(&self) -> String {
        let name = quote(&self.row.entity_type, 60);
        match self.row.scope.as_str() {
            _ if self.scopes > 1 => format!("{name} ({} types)", self.scopes),
            "" => name,
            scope => format!("{name} ({})", quote(scope, 60)),
        }
    }

    /// Whether another row is of the same run and says nothing that this one does not.
    fn takes(&self, other: &LogRow) -> bool {
        let calm = |row: &LogRow| row.entity_type == FOLDED && row.status == Status::Success.name();
        self.row.run_id == other.run_id && calm(self.row) && calm(other)
    }
}

/// How many rows of the log are needed for so many lines at worst.
pub const fn rows_for(lines: usize) -> usize {
    lines.saturating_mul(tables::ROOT_TYPES.len())
}

/// Log rows, the latest first, as a table of `limit` lines at most, and what they said.
pub fn log(rows: &[LogRow], limit: usize, zone: Tz, width: u16, colour: bool) -> String {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in rows {
        match lines.iter_mut().find(|line| line.takes(row)) {
            Some(line) => {
                line.counts += row.counts;
                line.scopes += 1;
            }
            None => lines.push(Line::of(row)),
        }
    }
    lines.truncate(limit);
    let cells: Vec<Vec<Cell>> = lines.iter().map(|line| cells(line, zone)).collect();
    let mut out = fitting(&LOG, &cells, width, colour);
    for line in &lines {
        let row = line.row;
        let at = local(row.finished_at, zone);
        if let Some(message) = &row.error_message {
            let _ = writeln!(out, "{at} {}: {}", line.name(), quote(message, 1000));
        }
        if row.counts.deleted > 0 && is_kept(&row.entity_type) {
            let deleted = number(row.counts.deleted);
            let _ = writeln!(
                out,
                "{at} {}: deleted {deleted}; to undo: zerkalo restore {}",
                line.name(),
                row.run_id
            );
        }
    }
    out
}

const LOG: [Column; 11] = [
    Column::text("ended", 0),
    Column::text("entity", 0).enough(26),
    Column::text("status", 0),
    Column::number("fetched", 5),
    Column::number("inserted", 2),
    Column::number("updated", 1),
    Column::number("deleted", 0),
    Column::number("kept", 4),
    Column::number("time", 6),
    Column::text("by", 7),
    Column::text("run", 8),
];

fn cells(line: &Line<'_>, zone: Tz) -> Vec<Cell> {
    let row = line.row;
    let status = Status::of(row.status).unwrap_or(Status::Error);
    let millis = u64::try_from(row.duration_ms).unwrap_or_default();
    let Counts { fetched, inserted, updated, deleted, delete_blocked, .. } = line.counts;
    let counts = [fetched, inserted, updated, deleted, delete_blocked].map(|count| Cell::new(number(count)));
    [Cell::new(local(row.finished_at, zone)), Cell::new(line.name()), painted_cell(status)]
        .into_iter()
        .chain(counts)
        .chain([
            Cell::new(duration(Duration::from_millis(millis))),
            Cell::new(quote(&row.triggered_by, 20)),
            Cell::new(row.run_id),
        ])
        .collect()
}

/// What can be brought back, as a table.
pub fn graves(graves: &[Grave], zone: Tz, width: u16) -> String {
    let columns = [
        Column::text("deleted", 0),
        Column::text("table", 0),
        Column::number("rows", 0),
        Column::text("run", 0),
    ];
    let cells = |grave: &Grave| {
        let rows = number(grave.rows.unsigned_abs());
        let (at, table) = (local(grave.deleted_at, zone), quote(&grave.table, 60));
        vec![Cell::new(at), Cell::new(table), Cell::new(rows), Cell::new(grave.run_id)]
    };
    fitting(&columns, &graves.iter().map(cells).collect::<Vec<_>>(), width, false)
}

/// A moment on the business's wall clock.
pub(super) fn local(moment: DateTime<Utc>, zone: Tz) -> String {
    moment.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}

/// Whether deleted rows of that table can be brought back.
fn is_kept(name: &str) -> bool {
    tables::named(name).is_some_and(|table| table.tombstones)
}
