//! The tab «Мин остатки» as it was read: which row belongs to which product and which columns to which department.
//!
//! Row 1, hidden, holds the departments' ids above their first columns; row 2 `Товар`, `ID товара` and the departments'
//! names; row 3 `МИН` and `МАКС`. From row 4 on: a product's name, its id in the hidden column B, then its numbers.
//! Ids are what counts: people may sort, move and rename as they like.

use crate::{
    error::{Failure, Kind, Result, quote},
    sheets::{Grid, a1},
};
use hashbrown::HashSet;
use uuid::Uuid;

/// The rows above the products.
pub(super) const HEADER_ROWS: usize = 3;
/// The columns before the departments.
pub(super) const LABEL_COLUMNS: usize = 2;
/// The heading of the block of products that the nomenclature no longer has.
pub(super) const GONE: &str = "Нет в номенклатуре";
/// Row 2's first cells.
pub(super) const LABELS: [&str; LABEL_COLUMNS] = ["Товар", "ID товара"];
/// Row 3's cells.
pub(super) const MIN: &str = "МИН";
/// Row 3's cells.
pub(super) const MAX: &str = "МАКС";

/// What a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A product's.
    Product(Uuid),
    /// The heading of the block of products that are gone.
    Heading,
    /// Something without a product's id: kept, never touched.
    Stray,
    /// Nothing is in it.
    Blank,
}

/// A department's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) department: Uuid,
    pub(super) min: usize,
    pub(super) max: usize,
}

/// The tab as it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    /// Its cells.
    pub(super) grid: Grid,
    /// What the rows below the headers are, from the first one.
    pub(super) lines: Vec<Line>,
    /// The departments' columns, from left to right.
    pub(super) pairs: Vec<Pair>,
    /// How many columns hold anything.
    pub(super) width: usize,
}

impl Sheet {
    /// The products of its rows by their names there. One that stands with its numbers among those that are gone stays there
    /// whatever it is.
    pub(super) fn products(&self) -> impl Iterator<Item = (Uuid, &str)> {
        let heading = self.lines.iter().position(|line| *line == Line::Heading).unwrap_or(self.lines.len());
        self.lines.iter().enumerate().filter_map(move |(line, kind)| match kind {
            Line::Product(id) if line < heading || !self.has_numbers(line) => {
                Some((*id, self.grid.get(HEADER_ROWS + line, 0).text()))
            }
            _ => None,
        })
    }

    /// The departments of its columns by their names there.
    pub(super) fn departments(&self) -> impl Iterator<Item = (Uuid, &str)> {
        self.pairs.iter().map(|pair| (pair.department, self.grid.get(1, pair.min).text()))
    }

    /// Reads a tab. A blank one is a sheet without rows; one that is not laid out like ours is refused, because nobody
    /// can tell what its numbers mean.
    pub(super) fn parse(tab: &str, grid: Grid) -> Result<Self> {
        if grid.is_blank() {
            return Ok(Self::default());
        }
        let width = grid.width().max(LABEL_COLUMNS);
        let id = |row: usize, column: usize| Uuid::try_parse(grid.get(row, column).text().trim()).ok();
        let heads: Vec<(usize, Uuid)> =
            (LABEL_COLUMNS..width).filter_map(|column| Some((column, id(0, column)?))).collect();
        if heads.is_empty() {
            check_without_departments(tab, &grid, width)?;
        }
        let pairs = heads
            .iter()
            .enumerate()
            .map(|(place, (column, department))| {
                let end = heads.get(place + 1).map_or(width.max(column + 2), |(next, _)| *next);
                pair(tab, &grid, *department, *column, end)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        if let Some(twin) = pairs.iter().find(|pair| !seen.insert(pair.department)) {
            let name = quote(grid.get(1, twin.min).text(), 60);
            return Err(foreign(
                tab,
                &format!("«{name}» has two pairs of columns, the second one in {}", a1::column(twin.min)),
            )
            .hint("delete one of the two pairs in the sheet, then start this again"));
        }
        let lines = (HEADER_ROWS..grid.rows.len())
            .map(|row| {
                let cells = &grid.rows[row];
                match id(row, 1) {
                    Some(product) => Line::Product(product),
                    None if cells.iter().all(crate::sheets::Cell::is_empty) => Line::Blank,
                    None if grid.get(row, 0).text().trim() == GONE && grid.get(row, 1).is_empty() => {
                        Line::Heading
                    }
                    None => Line::Stray,
                }
            })
            .collect();
        Ok(Self { grid, lines, pairs, width })
    }

    /// The columns of a department.
    pub(super) fn pair(&self, department: Uuid) -> Option<Pair> {
        self.pairs.iter().find(|pair| pair.department == department).copied()
    }

    /// Whether anything stands behind the labels of a line.
    pub(super) fn has_numbers(&self, line: usize) -> bool {
        let row = HEADER_ROWS + line;
        (LABEL_COLUMNS..self.width).any(|column| !self.grid.get(row, column).is_empty())
    }

    /// Whether anything stands below the headers of a column.
    pub(super) fn column_has_numbers(&self, column: usize) -> bool {
        (HEADER_ROWS..self.grid.rows.len()).any(|row| !self.grid.get(row, column).is_empty())
    }
}

/// A tab without any department's id is ours only with the labels where they belong and nothing beside them.
fn check_without_departments(tab: &str, grid: &Grid, width: usize) -> Result<()> {
    let labelled =
        LABELS.iter().enumerate().all(|(column, label)| grid.get(1, column).text().trim() == *label);
    let is_bare =
        (LABEL_COLUMNS..width).all(|column| grid.get(1, column).is_empty() && grid.get(2, column).is_empty());
    if labelled && is_bare {
        return Ok(());
    }
    Err(foreign(tab, "row 1 holds no department's id"))
}

fn pair(tab: &str, grid: &Grid, department: Uuid, min: usize, end: usize) -> Result<Pair> {
    let is_max = |column: &usize| grid.get(2, *column).text().trim().to_uppercase() == MAX;
    let max = match (min + 1..end).find(is_max) {
        Some(max) => max,
        None if end - min == 2 => min + 1,
        None => {
            let name = quote(grid.get(1, min).text(), 60);
            return Err(foreign(
                tab,
                &format!("the column {MAX} of «{name}» ({}) is missing", a1::column(min)),
            ));
        }
    };
    Ok(Pair { department, min, max })
}

fn foreign(tab: &str, what: &str) -> Failure {
    Failure::new(Kind::InvalidAnswer, format!("the tab «{tab}» is not laid out as expected: {what}")).hint(
        "undo the last changes in the sheet (File, Version history), or clear the whole tab: the next run lays it out \
         anew, with the numbers from the database",
    )
}
