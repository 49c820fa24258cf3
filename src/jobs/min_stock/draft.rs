//! Database → sheet: what has to be changed so that the tab holds the nomenclature, as a value.
//!
//! No cell of a level is ever written, but for two: a row or column that is inserted brings the numbers that were beside
//! its product and department before somebody deleted it, and what an earlier request has filled wrongly is put right
//! ([`super::journal`]). Ids are written only into what the same request inserts, so that no number can come to stand beside
//! another product's id, whoever sorts the sheet at the same moment.

use super::{
    arrangement::{Arrangement, NewRow, Wanted},
    frame,
    journal::Wound,
    ordering::{self, Origin, Step},
    sheet::{GONE, HEADER_ROWS, LABEL_COLUMNS, LABELS, Line, MAX, MIN, Sheet},
};
use crate::{
    error::quote,
    jobs::nomenclature::Item,
    upstreams::google_sheets::{Axis, Cell, Change, Tab, a1},
};
use hashbrown::HashMap;
use uuid::Uuid;

/// What the changes do, for people.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) inserted: u64,
    pub(super) moved: u64,
    pub(super) removed: u64,
    pub(super) cells: u64,
    /// Formats, widths, merges.
    pub(super) looks: u64,
    pub(super) details: Vec<String>,
}

/// Changes of one tab.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What is put right where it stands, before anything moves.
    pub(super) repairs: Vec<Change>,
    /// What moves, and what is written into what is new: nothing of it makes sense without the rest.
    pub(super) structure: Vec<Change>,
    /// Names that differ. Their places are those after the structure's changes.
    pub(super) names: Vec<Change>,
    pub(super) summary: Summary,
    /// Whether columns are removed, moved or inserted.
    pub(super) moves_columns: bool,
    /// The same for rows.
    pub(super) moves_rows: bool,
}

/// The changes of rows, columns and cells; how the tab looks is another matter.
pub(super) fn draft(
    tab: &Tab,
    sheet: &Sheet,
    wanted: &Wanted<'_>,
    arrangement: &Arrangement<'_>,
    wounds: &[Wound],
) -> Draft {
    let mut drafter = Drafter { tab: tab.id, sheet, wanted, arrangement, draft: Draft::default() };
    drafter.repairs(wounds);
    let columns = sheet.width.saturating_sub(LABEL_COLUMNS);
    drafter.draft.moves_columns =
        drafter.move_along(Axis::Columns, tab.columns, LABEL_COLUMNS, columns, &arrangement.columns);
    drafter.draft.moves_rows =
        drafter.move_along(Axis::Rows, tab.rows, HEADER_ROWS, sheet.lines.len(), &arrangement.rows);
    drafter.headers();
    drafter.new_rows();
    drafter.new_columns();
    drafter.names();
    drafter.draft
}

struct Drafter<'a> {
    tab: i32,
    sheet: &'a Sheet,
    wanted: &'a Wanted<'a>,
    arrangement: &'a Arrangement<'a>,
    draft: Draft,
}

impl Drafter<'_> {
    fn product(&self, row: &Origin<NewRow<'_>>) -> Option<Uuid> {
        match row {
            Origin::New(NewRow::Product(item)) => Some(item.id),
            Origin::New(NewRow::Heading) => None,
            Origin::Here(line) => match self.sheet.lines[*line] {
                Line::Product(id) => Some(id),
                _ => None,
            },
        }
    }

    /// Removes, moves and inserts rows or columns; whether there was anything to do. `tab_size` is the grid's.
    fn move_along<T>(
        &mut self,
        axis: Axis,
        tab_size: usize,
        offset: usize,
        length: usize,
        wanted: &[Origin<T>],
    ) -> bool {
        let steps = ordering::steps(length, wanted);
        self.draft.structure.extend(frame::of_steps(self.tab, axis, offset, tab_size, &steps));
        for step in &steps {
            match *step {
                Step::Move { count, .. } => self.draft.summary.moved += count as u64,
                Step::Insert { count, .. } => self.draft.summary.inserted += count as u64,
                Step::Delete { count, .. } => self.draft.summary.removed += count as u64,
            }
        }
        if self.sheet.rows.is_empty() {
            let blank = tab_size - offset - length;
            self.shorten(axis, blank, offset + wanted.len() + blank, wanted);
        }
        self.tell(axis, length, wanted, &steps);
        !steps.is_empty()
    }

    /// Removes as many blank rows or columns at the end of the grid as are inserted into a tab that somebody has cleared: it
    /// does not grow each time. One is left.
    fn shorten<T>(&mut self, axis: Axis, blank: usize, size: usize, wanted: &[Origin<T>]) {
        let inserted = wanted.iter().filter(|origin| origin.place().is_none()).count();
        let count = inserted.min(blank.saturating_sub(1));
        if count > 0 {
            let at = size - count;
            self.draft.structure.push(Change::Delete { tab: self.tab, axis, at, count });
        }
    }

    /// Names what is removed and inserted.
    fn tell<T>(&mut self, axis: Axis, length: usize, wanted: &[Origin<T>], steps: &[Step]) {
        let what = if axis == Axis::Rows { "row" } else { "column" };
        let sheet = self.sheet;
        let mut removed = vec![true; length];
        wanted.iter().filter_map(Origin::place).for_each(|place| removed[place] = false);
        for place in (0..length).filter(|place| removed[*place]) {
            let cell = match axis {
                Axis::Rows => sheet.grid.get(HEADER_ROWS + place, 0),
                Axis::Columns => sheet.grid.get(1, LABEL_COLUMNS + place),
            };
            self.draft.summary.details.push(format!("remove {what} «{}»", quote(cell.text(), 60)));
        }
        for step in steps {
            if let Step::Move { count, to, .. } = *step {
                let to = match axis {
                    Axis::Rows => (HEADER_ROWS + to + 1).to_string(),
                    Axis::Columns => a1::column(LABEL_COLUMNS + to),
                };
                self.draft.summary.details.push(format!("move {count} {what}s to {what} {to}"));
            }
        }
        if axis == Axis::Rows {
            let new = self.arrangement.rows.iter().filter_map(|row| match row {
                Origin::New(NewRow::Product(item)) => Some(format!("insert row «{}»", quote(&item.name, 60))),
                Origin::New(NewRow::Heading) => Some(format!("insert row «{GONE}»")),
                Origin::Here(_) => None,
            });
            self.draft.summary.details.extend(new);
        } else {
            let new = self.arrangement.columns.iter().filter_map(|column| match column {
                Origin::New(new) if !new.is_max => {
                    Some(format!("insert columns «{}»", quote(&new.department.name, 60)))
                }
                _ => None,
            });
            self.draft.summary.details.extend(new);
        }
    }

    /// A change that writes cells.
    fn write(&mut self, row: usize, column: usize, cells: Vec<Vec<Cell>>) -> Change {
        self.draft.summary.cells += cells.iter().map(|row| row.len() as u64).sum::<u64>();
        Change::Write { tab: self.tab, row, column, cells }
    }

    /// What was filled wrongly, at the places where it was just seen.
    fn repairs(&mut self, wounds: &[Wound]) {
        for Wound { row, column, right, .. } in wounds {
            self.draft.summary.details.push(format!("put {} right", a1::cell(*row, *column)));
            let change = self.write(*row, *column, vec![vec![right.clone()]]);
            self.draft.repairs.push(change);
        }
    }

    /// What a header cell holds when everything is in its place.
    fn carried(&self, row: usize, column: usize) -> &Cell {
        const EMPTY: &Cell = &Cell::Empty;
        if column < LABEL_COLUMNS {
            return self.sheet.grid.get(row, column);
        }
        match &self.arrangement.columns[column - LABEL_COLUMNS] {
            Origin::Here(place) => self.sheet.grid.get(row, place + LABEL_COLUMNS),
            Origin::New(_) => EMPTY,
        }
    }

    /// The three rows above the products, where they differ. They belong to the columns' request: ids of new columns.
    fn headers(&mut self) {
        let wanted_names: HashMap<Uuid, &str> = self
            .wanted
            .departments
            .iter()
            .chain(&self.wanted.lost_departments)
            .map(|item| (item.id, item.name.as_str()))
            .collect();
        let mut cells: Vec<(usize, usize, Cell)> = Vec::new();
        for (column, label) in LABELS.iter().enumerate() {
            cells.push((1, column, text(label)));
        }
        for (id, min, max) in self.arrangement.pairs.clone() {
            cells.push((0, min, text(&id.hyphenated().to_string())));
            if let Some(name) = wanted_names.get(&id) {
                cells.push((1, min, text(name)));
            }
            cells.push((1, max, Cell::Empty));
            cells.push((2, min, text(MIN)));
            cells.push((2, max, text(MAX)));
        }
        cells.retain(|(row, column, cell)| {
            let carried = self.carried(*row, *column);
            // An id is the same in any spelling.
            carried != cell && !(*row == 0 && carried.text().trim().eq_ignore_ascii_case(cell.text()))
        });
        cells.sort_by_key(|(row, column, _)| (*row, *column));
        let mut run: Vec<(usize, usize, Cell)> = Vec::new();
        for cell in cells {
            if let Some((row, column, _)) = run.last()
                && (*row, column + 1) != (cell.0, cell.1)
            {
                self.write_run(std::mem::take(&mut run));
            }
            run.push(cell);
        }
        self.write_run(run);
    }

    fn write_run(&mut self, run: Vec<(usize, usize, Cell)>) {
        let Some((row, column, _)) = run.first() else { return };
        let (row, column) = (*row, *column);
        let change = self.write(row, column, vec![run.into_iter().map(|(.., cell)| cell).collect()]);
        self.draft.structure.push(change);
    }

    /// Labels and numbers of the rows that are inserted, in the request that inserts them.
    fn new_rows(&mut self) {
        let mut run: Vec<Vec<Cell>> = Vec::new();
        for place in 0..=self.arrangement.rows.len() {
            let row = match self.arrangement.rows.get(place) {
                Some(Origin::New(NewRow::Heading)) => Some(vec![text(GONE)]),
                Some(Origin::New(NewRow::Product(item))) => Some(self.new_row(item)),
                _ => None,
            };
            if let Some(row) = row {
                run.push(row);
            } else if !run.is_empty() {
                let rows = std::mem::take(&mut run);
                let change = self.write(HEADER_ROWS + place - rows.len(), 0, rows);
                self.draft.structure.push(change);
            }
        }
    }

    fn new_row(&self, item: &Item) -> Vec<Cell> {
        let mut row = vec![text(&item.name), text(&item.id.hyphenated().to_string())];
        for (department, min, max) in &self.arrangement.pairs {
            let place = (item.id, *department);
            if let Some([least, most]) = self.wanted.levels.get(&place).cloned() {
                row.resize(row.len().max(max + 1), Cell::Empty);
                (row[*min], row[*max]) = (least, most);
            }
        }
        row
    }

    /// Names that changed in iiko.
    fn names(&mut self) {
        let names: HashMap<Uuid, &str> =
            self.wanted.products.iter().map(|item| (item.id, item.name.as_str())).collect();
        let differs = |row: &Origin<NewRow<'_>>| {
            let Origin::Here(line) = row else { return None };
            let Line::Product(id) = self.sheet.lines[*line] else { return None };
            let (name, shown) = (text(names.get(&id)?), self.sheet.grid.get(HEADER_ROWS + line, 0));
            (*shown != name).then_some(name)
        };
        let changed: Vec<Option<Cell>> = self.arrangement.rows.iter().map(differs).collect();
        let mut place = 0;
        while place < changed.len() {
            let run: Vec<Vec<Cell>> =
                changed[place..].iter().map_while(Clone::clone).map(|name| vec![name]).collect();
            let length = run.len();
            if length > 0 {
                self.draft.summary.details.extend(
                    run.iter().map(|name| format!("rename a row to «{}»", quote(name[0].text(), 60))),
                );
                let change = self.write(HEADER_ROWS + place, 0, run);
                self.draft.names.push(change);
            }
            place += length.max(1);
        }
    }

    /// Numbers of columns that are inserted, for the rows that were there.
    fn new_columns(&mut self) {
        let is_new = |column: &usize| self.arrangement.columns[column - LABEL_COLUMNS].place().is_none();
        let sides =
            |(department, min, max): &(Uuid, usize, usize)| [(*department, *min, 0), (*department, *max, 1)];
        let new: Vec<_> =
            self.arrangement.pairs.iter().flat_map(sides).filter(|(_, column, _)| is_new(column)).collect();
        for (department, column, side) in new {
            let mut run: Vec<Vec<Cell>> = Vec::new();
            for place in 0..=self.arrangement.rows.len() {
                let row = self.arrangement.rows.get(place).filter(|row| row.place().is_some());
                let product = row.and_then(|row| self.product(row));
                let cells = product.and_then(|product| self.wanted.levels.get(&(product, department)));
                match cells.map(|cells| &cells[side]).filter(|cell| !cell.is_empty()) {
                    Some(cell) => run.push(vec![cell.clone()]),
                    None if run.is_empty() => {}
                    None => {
                        let cells = std::mem::take(&mut run);
                        let change = self.write(HEADER_ROWS + place - cells.len(), column, cells);
                        self.draft.structure.push(change);
                    }
                }
            }
        }
    }
}

/// A cell with a name.
pub(super) fn text(text: &str) -> Cell {
    if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned()) }
}
