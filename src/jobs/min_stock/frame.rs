//! Where the headers and the labels stand: in the first three rows and two columns, unless somebody has inserted, moved or
//! deleted some of them. Then the tab is read as if everything stood where it belongs, and the next push puts it there.

use super::{
    ordering::{self, Origin, Step},
    sheet::{HEADER_ROWS, LABEL_COLUMNS, LABELS, MAX, MIN},
};
use crate::upstreams::google_sheets::{Axis, Cell, Change, Grid, Tab};
use uuid::Uuid;

/// How far down headers are looked for.
const DEPTH: usize = 20;

/// The rows and columns of a tab in the order in which they belong; new are those that somebody has deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Torn {
    rows: Vec<Origin<()>>,
    columns: Vec<Origin<()>>,
}

impl Torn {
    /// Nothing where everything stands where it belongs, or where nobody could tell.
    pub(super) fn find(grid: &Grid) -> Option<Self> {
        let finder = Finder { grid, width: grid.width(), depth: grid.rows.len().min(DEPTH) };
        let id_column = finder.id_column();
        let ids = finder.ids(id_column)?;
        let names = finder.names(ids, id_column);
        let kinds = finder.kinds(id_column, [Some(ids), names]);
        let name_column = finder.name_column(ids, names, id_column);
        let is_blank_row = |row: usize| grid.rows[row].iter().all(Cell::is_empty);
        let is_blank_column =
            |column: usize| (0..grid.rows.len()).all(|row| grid.get(row, column).is_empty());
        let torn = Self {
            rows: in_order(&[Some(ids), names, kinds], grid.rows.len(), is_blank_row),
            columns: in_order(&[name_column, Some(id_column)], finder.width, is_blank_column),
        };
        let is_whole =
            |order: &[Origin<()>]| order.iter().enumerate().all(|(at, from)| *from == Origin::Here(at));
        (!is_whole(&torn.rows) || !is_whole(&torn.columns)).then_some(torn)
    }

    /// The cells as if they stood where they belong.
    pub(super) fn straightened(&self, grid: &Grid) -> Grid {
        let row = |row: &Origin<()>| match row.place() {
            Some(row) => self.columns.iter().map(|from| cell(grid, row, from)).collect(),
            None => Vec::new(),
        };
        Grid { rows: self.rows.iter().map(row).collect() }
    }

    /// Where a cell really stands.
    pub(super) fn really(&self, row: usize, column: usize) -> Option<(usize, usize)> {
        let place = |order: &[Origin<()>], at: usize| order.get(at).map_or(Some(at), Origin::place);
        Some((place(&self.rows, row)?, place(&self.columns, column)?))
    }

    /// The changes that put rows and columns where they belong. Nothing stays merged or frozen on the way: Google moves no
    /// part of merged cells, and no row between the frozen ones and the others.
    pub(super) fn changes(&self, tab: &Tab) -> Vec<Change> {
        let mut changes: Vec<Change> = vec![Change::Freeze { tab: tab.id, rows: 0 }];
        changes.extend(tab.merges.iter().map(|merge| Change::Unmerge(tab.id, *merge)));
        for (axis, order, size) in
            [(Axis::Columns, &self.columns, tab.columns), (Axis::Rows, &self.rows, tab.rows)]
        {
            let length = order.iter().filter_map(Origin::place).max().map_or(0, |last| last + 1);
            changes.extend(of_steps(tab.id, axis, 0, size, &ordering::steps(length, order)));
        }
        changes
    }
}

/// The steps as changes of a tab whose rows or columns begin at `offset`, of a grid of so many.
pub(super) fn of_steps(tab: i32, axis: Axis, offset: usize, size: usize, steps: &[Step]) -> Vec<Change> {
    let mut size = size;
    let change = |step: &Step| match *step {
        Step::Move { from, count, to } => {
            Change::Move { tab, axis, from: offset + from, count, to: offset + to }
        }
        Step::Insert { at, count } => {
            let at = offset + at;
            size += count;
            Change::Insert { tab, axis, at, count, at_end: at + count == size }
        }
        Step::Delete { at, count } => {
            size -= count;
            Change::Delete { tab, axis, at: offset + at, count }
        }
    };
    steps.iter().map(change).collect()
}

fn cell(grid: &Grid, row: usize, column: &Origin<()>) -> Cell {
    column.place().map_or(Cell::Empty, |column| grid.get(row, column).clone())
}

/// First these, then the others as they are, without the blank ones among the first.
fn in_order(first: &[Option<usize>], count: usize, is_blank: impl Fn(usize) -> bool) -> Vec<Origin<()>> {
    let end = first.iter().flatten().max().map_or(0, |last| last + 1);
    let others = (0..count).filter(|at| !first.contains(&Some(*at)) && (*at >= end || !is_blank(*at)));
    let first = first.iter().map(|at| at.map_or(Origin::New(()), Origin::Here));
    first.chain(others.map(Origin::Here)).collect()
}

struct Finder<'a> {
    grid: &'a Grid,
    width: usize,
    depth: usize,
}

impl Finder<'_> {
    fn text(&self, row: usize, column: usize) -> &str {
        self.grid.get(row, column).text().trim()
    }

    fn is_id(&self, row: usize, column: usize) -> bool {
        Uuid::try_parse(self.text(row, column)).is_ok()
    }

    /// The column with the most ids.
    fn id_column(&self) -> usize {
        let ids = |column: usize| (0..self.grid.rows.len()).filter(|row| self.is_id(*row, column)).count();
        let belongs = LABEL_COLUMNS - 1;
        (0..self.width).map(|column| (ids(column), column == belongs, column)).max().map_or(
            belongs,
            |(count, _, column)| {
                if count > 1 { column } else { belongs }
            },
        )
    }

    /// The row of the departments' ids.
    fn ids(&self, id_column: usize) -> Option<usize> {
        let is_it = |row: &usize| {
            !self.is_id(*row, id_column) && (0..self.width).any(|column| self.is_id(*row, column))
        };
        (0..self.depth).find(is_it)
    }

    /// The row of the names: the one with the labels, else the one below the ids, where it is no product's.
    fn names(&self, ids: usize, id_column: usize) -> Option<usize> {
        let is_it = |row: &usize| (0..self.width).any(|column| LABELS.contains(&self.text(*row, column)));
        let below = ids + 1;
        let is_free = !self.is_id(below, id_column) && !self.is_kind(below) && below < self.grid.rows.len();
        (0..self.depth).find(is_it).or(is_free.then_some(below))
    }

    /// The row of МИН and МАКС, else the one below the names, where it is no product's.
    fn kinds(&self, id_column: usize, others: [Option<usize>; 2]) -> Option<usize> {
        let is_it = |row: &usize| !others.contains(&Some(*row)) && self.is_kind(*row);
        let below = others.iter().flatten().max().map_or(0, |last| last + 1);
        let is_free = !self.is_id(below, id_column) && below < self.grid.rows.len() && below < HEADER_ROWS;
        (0..self.depth).find(is_it).or(is_free.then_some(below))
    }

    fn is_kind(&self, row: usize) -> bool {
        (0..self.width).any(|column| [MIN, MAX].contains(&self.text(row, column).to_uppercase().as_str()))
    }

    /// The column of the products' names: the one with the label, else the one before the ids, where it is no department's.
    fn name_column(&self, ids: usize, names: Option<usize>, id_column: usize) -> Option<usize> {
        let labelled =
            (0..self.width).find(|column| names.is_some_and(|row| self.text(row, *column) == LABELS[0]));
        labelled.or_else(|| id_column.checked_sub(1).filter(|column| !self.is_id(ids, *column)))
    }
}
