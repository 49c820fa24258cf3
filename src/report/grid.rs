//! Tables as this program draws them: no frame, a rule under the head, numbers to the right.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use std::fmt::Write as _;

/// A table narrower than this cannot show a name and a count.
const NARROWEST: u16 = 40;

/// One column of padding and the one that the style puts between two cells.
const GAP: usize = 2;

/// A column of a table that fits its terminal.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// Its head.
    pub(super) title: &'static str,
    /// How it stands.
    pub(super) alignment: CellAlignment,
    /// When a narrow terminal does without it: the highest goes first, 0 never.
    pub(super) dispensable: u8,
    /// So many columns are enough for it; what is longer is broken.
    pub(super) enough: u16,
}

impl Column {
    /// A column of text, as wide as its content.
    pub(super) const fn text(title: &'static str, dispensable: u8) -> Self {
        Self { title, alignment: CellAlignment::Left, dispensable, enough: u16::MAX }
    }

    /// A column of numbers.
    pub(super) const fn number(title: &'static str, dispensable: u8) -> Self {
        Self { alignment: CellAlignment::Right, ..Self::text(title, dispensable) }
    }

    /// The same column, broken where it is longer than this and there is no more room.
    pub(super) const fn enough(self, enough: u16) -> Self {
        Self { enough, ..self }
    }
}

/// Rows as a table no wider than `width`, without the columns that do not fit.
pub(super) fn fitting(columns: &[Column], rows: &[Vec<Cell>], width: u16, colour: bool) -> String {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    loop {
        let (mut table, fits) = arranged(columns, rows, &kept, width, colour);
        let last = kept.iter().copied().filter(|at| columns[*at].dispensable > 0);
        let last = last.max_by_key(|at| columns[*at].dispensable);
        if let Some(last) = last.filter(|_| !fits) {
            kept.retain(|at| *at != last);
        } else {
            table.set_width(width.max(NARROWEST));
            return lines_of(&table, "");
        }
    }
}

/// A table of these columns, and whether they fit side by side.
fn arranged(
    columns: &[Column],
    rows: &[Vec<Cell>],
    kept: &[usize],
    width: u16,
    colour: bool,
) -> (Table, bool) {
    let mut table = plain(width);
    if colour {
        table.enforce_styling();
    }
    table.set_header(kept.iter().map(|at| Cell::new(columns[*at].title)));
    for row in rows {
        table.add_row(kept.iter().map(|at| row[*at].clone()));
    }
    let right: Vec<usize> =
        (0..kept.len()).filter(|place| columns[kept[*place]].alignment == CellAlignment::Right).collect();
    align(&mut table, &right);
    let widths = table.column_max_content_widths();
    let needed: usize =
        kept.iter().zip(&widths).map(|(at, widest)| usize::from(columns[*at].enough.min(*widest))).sum();
    let fits = needed + GAP * kept.len().saturating_sub(1) <= usize::from(width.max(NARROWEST));
    for (shape, (at, widest)) in table.column_iter_mut().zip(kept.iter().zip(&widths)) {
        if fits && *widest <= columns[*at].enough {
            shape.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    (table, fits)
}

/// An empty table.
pub(super) fn plain(width: u16) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width.max(NARROWEST));
    table.style_mut().header_separator.fill = Some('─');
    table.style_mut().header_separator.junction = Some('─');
    table.force_no_tty();
    table
}

/// Puts these columns to the right.
pub(super) fn align(table: &mut Table, right: &[usize]) {
    let columns = table.column_iter_mut().count();
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(at + 1 < columns)));
        if right.contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A table's lines, each behind a margin.
pub(super) fn lines_of(table: &Table, margin: &str) -> String {
    let mut out = String::new();
    for line in table.lines() {
        let _ = writeln!(out, "{margin}{}", line.trim_end());
    }
    out
}
