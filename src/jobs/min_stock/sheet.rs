//! The tab «Мин остатки» as it was read: which row belongs to which product and which columns to which department.
//!
//! Row 1, hidden, holds the departments' ids above their first columns; row 2 `Товар`, `ID товара` and the departments'
//! names; row 3 `МИН` and `МАКС`. From row 4 on: a product's name, its id in the hidden column B, then its numbers.
//! Ids are what counts: people may sort, move and rename as they like.

use super::{frame::Torn, pull::Place};
use crate::{
    error::{Failure, Kind, Result},
    upstreams::google_sheets::{Cell, Grid, a1},
};
use hashbrown::HashMap;
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
    /// Nothing where somebody deleted it.
    pub(super) max: Option<usize>,
}

impl Pair {
    /// The columns of min and max.
    pub(super) fn columns(&self) -> [Option<usize>; 2] {
        [Some(self.min), self.max]
    }

    /// Whether this column is one of the two.
    pub(super) fn has(&self, column: usize) -> bool {
        self.min == column || self.max == Some(column)
    }
}

/// The tab as it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    /// Its cells.
    pub(super) grid: Grid,
    /// What the rows below the headers are, from the first one.
    pub(super) lines: Vec<Line>,
    /// The rows of each product, from 0 of the tab.
    pub(super) rows: HashMap<Uuid, Vec<usize>>,
    /// The departments' columns, from left to right. A department has two pairs where somebody copied one.
    pub(super) pairs: Vec<Pair>,
    /// How many columns hold anything.
    pub(super) width: usize,
    /// Where rows and columns really stand, if not here.
    pub(super) torn: Option<Torn>,
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
        let torn = Torn::find(&grid);
        let grid = match &torn {
            Some(torn) => torn.straightened(&grid),
            None => grid,
        };
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
                Pair { department: *department, min: *column, max: max_column(&grid, *column, end) }
            })
            .collect();
        let lines = (HEADER_ROWS..grid.rows.len())
            .map(|row| {
                let cells = &grid.rows[row];
                match id(row, 1) {
                    Some(product) => Line::Product(product),
                    None if cells.iter().all(Cell::is_empty) => Line::Blank,
                    None if grid.get(row, 0).text().trim() == GONE && grid.get(row, 1).is_empty() => {
                        Line::Heading
                    }
                    None => Line::Stray,
                }
            })
            .collect::<Vec<_>>();
        let mut rows: HashMap<Uuid, Vec<usize>> = HashMap::new();
        for (line, kind) in lines.iter().enumerate() {
            if let Line::Product(product) = kind {
                rows.entry(*product).or_default().push(HEADER_ROWS + line);
            }
        }
        if rows.is_empty() && lines.contains(&Line::Stray) {
            return Err(foreign(tab, "no column holds the products' ids"));
        }
        Ok(Self { grid, lines, rows, pairs, width, torn })
    }

    /// Where min and max of a place stand: nothing where the row or the column is not there. Of two rows or pairs of
    /// columns the one that holds something counts.
    pub(super) fn at(&self, (product, department): Place) -> [Option<(usize, usize)>; 2] {
        let rows = self.rows.get(&product).map(Vec::as_slice).unwrap_or_default();
        [0, 1].map(|side| {
            let pairs = self.pairs.iter().filter(|pair| pair.department == department);
            let columns = pairs.filter_map(|pair| pair.columns()[side]);
            let mut cells = columns.flat_map(|column| rows.iter().map(move |row| (*row, column)));
            let first = cells.clone().next();
            cells.find(|(row, column)| !self.grid.get(*row, *column).is_empty()).or(first)
        })
    }

    /// The address under which people see a cell.
    pub(super) fn address(&self, row: usize, column: usize) -> String {
        let (row, column) =
            self.torn.as_ref().and_then(|torn| torn.really(row, column)).unwrap_or((row, column));
        a1::cell(row, column)
    }

    /// Whether a place has its row and both its columns.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.at(place).iter().all(Option::is_some)
    }

    /// What stands at a place.
    pub(super) fn levels(&self, place: Place) -> [Option<&Cell>; 2] {
        self.at(place).map(|at| at.map(|(row, column)| self.grid.get(row, column)))
    }

    /// All places that have at least one cell, each once.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let departments: Vec<Uuid> = self
            .pairs
            .iter()
            .map(|pair| pair.department)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        self.rows.keys().flat_map(move |product| {
            let product = *product;
            departments.clone().into_iter().map(move |department| (product, department))
        })
    }

    /// The columns of a department.
    pub(super) fn pair(&self, department: Uuid) -> Option<Pair> {
        self.pairs.iter().find(|pair| pair.department == department).copied()
    }

    /// Where a product's name stands.
    pub(super) fn row_label(&self, product: Uuid) -> Option<(usize, usize)> {
        Some((*self.rows.get(&product)?.first()?, 0))
    }

    /// Where a department's name stands.
    pub(super) fn column_label(&self, department: Uuid) -> Option<(usize, usize)> {
        Some((1, self.pair(department)?.min))
    }

    /// The departments' columns, each department's min and max once: department, 0 or 1, column.
    pub(super) fn sides(&self) -> impl Iterator<Item = (Uuid, usize, usize)> {
        let sides = |pair: &Pair| [(pair.department, 0, Some(pair.min)), (pair.department, 1, pair.max)];
        let first = |pair: &&Pair| self.pair(pair.department).as_ref() == Some(*pair);
        let sides = self.pairs.iter().filter(first).flat_map(sides);
        sides.filter_map(|(department, side, column)| Some((department, side, column?)))
    }

    /// The column of a department's min or max.
    pub(super) fn side(&self, department: Uuid, side: usize) -> Option<usize> {
        self.pair(department)?.columns()[side]
    }

    /// The rows below the headers that are no product's.
    pub(super) fn foreign_rows(&self) -> impl Iterator<Item = usize> {
        let lines = self.lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Product(_)));
        lines.map(|(line, _)| HEADER_ROWS + line)
    }

    /// The columns behind the labels that are no department's.
    pub(super) fn foreign_columns(&self) -> impl Iterator<Item = usize> {
        (LABEL_COLUMNS..self.width).filter(|column| !self.pairs.iter().any(|pair| pair.has(*column)))
    }

    /// The first cells of the rows that hold something and no product's id.
    pub(super) fn notes(&self) -> Vec<&str> {
        let stray = self.lines.iter().enumerate().filter(|(_, line)| **line == Line::Stray);
        stray.map(|(line, _)| self.grid.get(HEADER_ROWS + line, 0).text()).collect()
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

/// Whether a tab's first rows are those of a tab of levels, whatever its title.
pub(super) fn is_laid_out(grid: &Grid) -> bool {
    let is_id = |column: usize| Uuid::try_parse(grid.get(0, column).text().trim()).is_ok();
    is_labelled(grid) && (LABEL_COLUMNS..grid.width()).any(is_id)
}

fn is_labelled(grid: &Grid) -> bool {
    LABELS.iter().enumerate().all(|(column, label)| grid.get(1, column).text().trim() == *label)
}

/// A tab without any department's id is ours only with the labels where they belong and nothing beside them.
fn check_without_departments(tab: &str, grid: &Grid, width: usize) -> Result<()> {
    let is_bare =
        (LABEL_COLUMNS..width).all(|column| grid.get(1, column).is_empty() && grid.get(2, column).is_empty());
    if is_labelled(grid) && is_bare {
        return Ok(());
    }
    Err(foreign(tab, "row 1 holds no department's id"))
}

fn max_column(grid: &Grid, min: usize, end: usize) -> Option<usize> {
    let is_max = |column: &usize| grid.get(2, *column).text().trim().to_uppercase() == MAX;
    (min + 1..end).find(is_max).or((end - min == 2).then_some(min + 1))
}

fn foreign(tab: &str, what: &str) -> Failure {
    Failure::new(Kind::InvalidAnswer, format!("the tab «{tab}» is not laid out as expected: {what}")).hint(
        "undo the last changes in the sheet (File, Version history), or give this tab another title: the next run makes \
         a new one, with the numbers from the database",
    )
}
