//! Database → sheet: what has to be changed so that the tab holds the nomenclature, as a value.
//!
//! No cell of a level is ever written, with one exception: a row or column that is inserted brings the numbers that the
//! database holds for it, because somebody deleted it by hand. Ids are written only into what the same request inserts,
//! so that no number can come to stand beside another product's id, whoever sorts the sheet at the same moment.

use super::{
    arrange::{self, Origin, Step},
    pull::Place,
    sheet::{GONE, HEADER_ROWS, LABEL_COLUMNS, LABELS, Line, MAX, MIN, Sheet},
};
use crate::{
    error::quote,
    jobs::nomenclature::{Item, sort_key},
    sheets::{Axis, Cell, Change, Tab, a1},
};
use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

/// What stands at a place: min and max.
pub(super) type Levels = [Cell; 2];

/// What should be in the tab.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// The nomenclature's products, in order.
    pub(super) products: &'a [Item],
    /// Its departments, in order.
    pub(super) departments: &'a [Item],
    /// The numbers of the database, for rows and columns that are not in the sheet.
    pub(super) levels: HashMap<Place, Levels>,
    /// Products without a row that are not in the nomenclature and need one for their numbers.
    pub(super) lost_products: Vec<Item>,
    /// Departments without columns that are gone and need them for their numbers.
    pub(super) lost_departments: Vec<Item>,
    /// Places that were filled before the sheet turned out to have been changed by somebody else at that moment.
    pub(super) repair: HashSet<Place>,
}

/// A new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewRow<'a> {
    Product(&'a Item),
    Heading,
}

/// A new column: a department's, and whether it is the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewColumn<'a> {
    department: &'a Item,
    is_max: bool,
}

/// The tab as it will be.
#[derive(Debug)]
pub(super) struct Arrangement<'a> {
    pub(super) rows: Vec<Origin<NewRow<'a>>>,
    pub(super) columns: Vec<Origin<NewColumn<'a>>>,
    /// How many rows from the first belong to products or say something, blank ones excluded.
    pub(super) used_rows: usize,
    /// The columns of departments, first and second.
    pub(super) pairs: Vec<(Uuid, usize, usize)>,
    /// The place of the heading above the products that are gone.
    pub(super) heading: Option<usize>,
    /// Whether more is to be inserted than one request may carry.
    pub(super) partial: bool,
}

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

/// Changes of one tab. Those of one group belong into one request.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) groups: Vec<Vec<Change>>,
    pub(super) summary: Summary,
    /// Whether rows or columns are removed.
    pub(super) removes: bool,
    /// Whether rows or columns are removed, moved or inserted.
    pub(super) moves_columns: bool,
    /// The same for rows.
    pub(super) moves_rows: bool,
    /// The places that are filled from the database.
    pub(super) filled: HashSet<Place>,
    /// The products of the rows and the departments of the columns, as they will be.
    pub(super) order: (Vec<Option<Uuid>>, Vec<Option<Uuid>>),
}

/// How many cells one request fills at most; what is left over comes with the next one. A cell takes 3 kB on its way into
/// google-sheets4's requests.
const CELLS: usize = 20_000;

/// Says where every row and column belongs.
pub(super) fn arrangement<'a>(sheet: &Sheet, wanted: &'a Wanted<'_>) -> Arrangement<'a> {
    let Rows { order: rows, used: used_rows, heading, partial: more_rows } = rows(sheet, wanted);
    let (columns, more_columns) = columns(sheet, wanted);
    let department = |origin: &Origin<NewColumn<'_>>| match origin {
        Origin::New(new) => Some((new.department.id, new.is_max)),
        Origin::Here(place) => sheet.pairs.iter().find_map(|pair| {
            let column = place + LABEL_COLUMNS;
            (column == pair.min || column == pair.max).then_some((pair.department, column == pair.max))
        }),
    };
    let known: Vec<_> = columns.iter().map(department).collect();
    let place = |id: Uuid, is_max: bool| {
        known.iter().position(|known| *known == Some((id, is_max))).map(|place| place + LABEL_COLUMNS)
    };
    let pairs = known
        .iter()
        .flatten()
        .filter(|(_, is_max)| !is_max)
        .filter_map(|(id, _)| Some((*id, place(*id, false)?, place(*id, true)?)))
        .collect();
    Arrangement { rows, columns, used_rows, pairs, heading, partial: more_rows || more_columns }
}

/// The rows below the headers, in order.
struct Rows<'a> {
    order: Vec<Origin<NewRow<'a>>>,
    used: usize,
    heading: Option<usize>,
    partial: bool,
}

fn rows<'a>(sheet: &Sheet, wanted: &'a Wanted<'_>) -> Rows<'a> {
    let mut by_product: HashMap<Uuid, Vec<usize>> = HashMap::new();
    for (line, kind) in sheet.lines.iter().enumerate() {
        if let Line::Product(product) = kind {
            by_product.entry(*product).or_default().push(line);
        }
    }
    let (mut rows, mut heading, mut partial) = (Vec::new(), None, false);
    let mut left = CELLS;
    for item in wanted.products {
        match by_product.remove(&item.id) {
            None if left == 0 => partial = true,
            None => {
                let levels =
                    wanted.departments.iter().filter(|it| wanted.levels.contains_key(&(item.id, it.id)));
                left = left.saturating_sub(LABEL_COLUMNS + 2 * levels.count());
                rows.push(Origin::New(NewRow::Product(item)));
            }
            Some(lines) => {
                let filled: Vec<usize> =
                    lines.iter().copied().filter(|line| sheet.has_numbers(*line)).collect();
                let kept = if filled.is_empty() { &lines[..1] } else { &filled[..] };
                rows.extend(kept.iter().map(|line| Origin::Here(*line)));
            }
        }
    }
    let gone = by_product.into_values().flatten().filter(|line| sheet.has_numbers(*line));
    let mut gone: Vec<(String, usize, Origin<NewRow<'a>>)> = gone
        .map(|line| (sort_key(sheet.grid.get(HEADER_ROWS + line, 0).text()), line, Origin::Here(line)))
        .collect();
    let lost = wanted
        .lost_products
        .iter()
        .filter(|item| sheet.lines.iter().all(|line| *line != Line::Product(item.id)));
    gone.extend(lost.map(|item| (sort_key(&item.name), usize::MAX, Origin::New(NewRow::Product(item)))));
    gone.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let of_kind = |wanted: Line| {
        sheet.lines.iter().enumerate().filter(move |(_, kind)| **kind == wanted).map(|(line, _)| line)
    };
    let mut headings = of_kind(Line::Heading);
    if !gone.is_empty() {
        heading = Some(rows.len());
        rows.push(headings.next().map_or(Origin::New(NewRow::Heading), Origin::Here));
        rows.extend(gone.into_iter().map(|(.., origin)| origin));
    }
    // A heading with something beside it is somebody's note.
    rows.extend(headings.filter(|line| sheet.has_numbers(*line)).map(Origin::Here));
    rows.extend(of_kind(Line::Stray).map(Origin::Here));
    let used = rows.len();
    rows.extend(of_kind(Line::Blank).map(Origin::Here));
    Rows { order: rows, used, heading, partial }
}

fn columns<'a>(sheet: &Sheet, wanted: &'a Wanted<'_>) -> (Vec<Origin<NewColumn<'a>>>, bool) {
    let (mut columns, mut partial) = (Vec::new(), false);
    let new =
        |department: &'a Item| [false, true].map(|is_max| Origin::New(NewColumn { department, is_max }));
    let here =
        |pair: &super::sheet::Pair| [pair.min, pair.max].map(|column| Origin::Here(column - LABEL_COLUMNS));
    let mut left = CELLS;
    for item in wanted.departments {
        match sheet.pair(item.id) {
            Some(pair) => columns.extend(here(&pair)),
            None if left == 0 => partial = true,
            None => {
                let levels = wanted.levels.keys().filter(|(_, department)| *department == item.id);
                left = left.saturating_sub(2 * levels.count());
                columns.extend(new(item));
            }
        }
    }
    let is_wanted = |id: Uuid| wanted.departments.iter().any(|item| item.id == id);
    let mut gone: Vec<_> = sheet.pairs.iter().filter(|pair| !is_wanted(pair.department)).collect();
    gone.retain(|pair| sheet.column_has_numbers(pair.min) || sheet.column_has_numbers(pair.max));
    gone.sort_by_cached_key(|pair| (sort_key(sheet.grid.get(1, pair.min).text()), pair.min));
    columns.extend(gone.into_iter().flat_map(here));
    let lost = wanted.lost_departments.iter().filter(|item| sheet.pair(item.id).is_none());
    columns.extend(lost.flat_map(new));
    let in_pair = |column: usize| sheet.pairs.iter().any(|pair| pair.min == column || pair.max == column);
    let others = (LABEL_COLUMNS..sheet.width).filter(|column| !in_pair(*column));
    columns.extend(others.map(|column| Origin::Here(column - LABEL_COLUMNS)));
    (columns, partial)
}

/// The changes of rows, columns and cells; how the tab looks is another matter.
pub(super) fn draft(tab: &Tab, sheet: &Sheet, wanted: &Wanted<'_>, arrangement: &Arrangement<'_>) -> Draft {
    let mut drafter = Drafter { tab: tab.id, sheet, wanted, arrangement, draft: Draft::default() };
    drafter.order();
    let columns = sheet.width.saturating_sub(LABEL_COLUMNS);
    drafter.draft.moves_columns =
        drafter.move_along(Axis::Columns, tab.columns, LABEL_COLUMNS, columns, &arrangement.columns);
    drafter.draft.moves_rows =
        drafter.move_along(Axis::Rows, tab.rows, HEADER_ROWS, sheet.lines.len(), &arrangement.rows);
    drafter.headers();
    drafter.new_rows();
    drafter.names();
    drafter.new_columns();
    drafter.repairs();
    drafter.draft.groups.retain(|group| !group.is_empty());
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
    fn order(&mut self) {
        let rows = self.arrangement.rows[..self.arrangement.used_rows].iter().map(|row| self.product(row));
        let mut columns = vec![None; self.arrangement.columns.len()];
        for (department, min, _) in &self.arrangement.pairs {
            columns[min - LABEL_COLUMNS] = Some(*department);
        }
        self.draft.order = (rows.collect(), columns);
    }

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

    /// Removes, moves and inserts rows or columns; whether there was anything to do. `size` is the grid's.
    fn move_along<T>(
        &mut self,
        axis: Axis,
        size: usize,
        offset: usize,
        length: usize,
        wanted: &[Origin<T>],
    ) -> bool {
        let steps = arrange::steps(length, wanted);
        let tab = self.tab;
        let mut size = size;
        let mut changes = Vec::new();
        for step in &steps {
            let summary = &mut self.draft.summary;
            changes.push(match *step {
                Step::Delete { at, count } => {
                    summary.removed += count as u64;
                    size -= count;
                    self.draft.removes = true;
                    Change::Delete { tab, axis, at: offset + at, count }
                }
                Step::Move { from, count, to } => {
                    summary.moved += count as u64;
                    Change::Move { tab, axis, from: offset + from, count, to: offset + to }
                }
                Step::Insert { at, count } => {
                    summary.inserted += count as u64;
                    let at = offset + at;
                    let change = if at < size {
                        Change::Insert { tab, axis, at, count }
                    } else {
                        Change::Append { tab, axis, count: at + count - size }
                    };
                    size = size.max(at) + count;
                    change
                }
            });
        }
        self.tell(axis, &steps);
        if axis == Axis::Columns || self.draft.groups.is_empty() {
            self.draft.groups.push(changes);
        } else {
            // Rows are labelled in the request that inserts them, see `new_rows`.
            self.draft.groups[0].extend(changes);
        }
        !steps.is_empty()
    }

    /// Names what is removed and inserted.
    fn tell(&mut self, axis: Axis, steps: &[Step]) {
        let what = if axis == Axis::Rows { "row" } else { "column" };
        let sheet = self.sheet;
        let name = |place: usize| {
            let cell = match axis {
                Axis::Rows => sheet.grid.get(HEADER_ROWS + place, 0),
                Axis::Columns => sheet.grid.get(1, LABEL_COLUMNS + place),
            };
            quote(cell.text(), 60)
        };
        for step in steps {
            match *step {
                Step::Delete { at, count } => {
                    self.draft
                        .summary
                        .details
                        .extend((at..at + count).map(|place| format!("remove {what} «{}»", name(place))));
                }
                Step::Move { count, to, .. } => {
                    let to = match axis {
                        Axis::Rows => (HEADER_ROWS + to + 1).to_string(),
                        Axis::Columns => a1::column(LABEL_COLUMNS + to),
                    };
                    self.draft.summary.details.push(format!("move {count} {what}s to {what} {to}"));
                }
                Step::Insert { .. } => {}
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

    /// Writes cells into the last group.
    fn write(&mut self, row: usize, column: usize, cells: Vec<Vec<Cell>>) {
        self.draft.summary.cells += cells.iter().map(|row| row.len() as u64).sum::<u64>();
        let change = Change::Write { tab: self.tab, row, column, cells };
        self.draft.groups.last_mut().expect("a group is begun first").push(change);
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
        self.write(row, column, vec![run.into_iter().map(|(.., cell)| cell).collect()]);
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
                self.write(HEADER_ROWS + place - rows.len(), 0, rows);
            }
        }
    }

    fn new_row(&mut self, item: &Item) -> Vec<Cell> {
        let mut row = vec![text(&item.name), text(&item.id.hyphenated().to_string())];
        for (department, min, max) in &self.arrangement.pairs {
            let place = (item.id, *department);
            self.draft.filled.insert(place);
            if let Some([least, most]) = self.wanted.levels.get(&place).cloned() {
                row.resize(row.len().max(max + 1), Cell::Empty);
                (row[*min], row[*max]) = (least, most);
            }
        }
        row
    }

    /// Names that changed in iiko.
    fn names(&mut self) {
        self.draft.groups.push(Vec::new());
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
                self.write(HEADER_ROWS + place, 0, run);
            }
            place += length.max(1);
        }
    }

    /// Numbers of columns that are inserted, for the rows that were there. They come with the columns' request.
    fn new_columns(&mut self) {
        let is_new = |column: usize| self.arrangement.columns[column - LABEL_COLUMNS].place().is_none();
        let new: Vec<_> = self.arrangement.pairs.iter().filter(|(_, min, _)| is_new(*min)).copied().collect();
        let mut writes = Vec::new();
        for (department, min, _) in new {
            let mut run: Vec<Vec<Cell>> = Vec::new();
            for place in 0..=self.arrangement.rows.len() {
                let row = self.arrangement.rows.get(place).filter(|row| row.place().is_some());
                let product = row.and_then(|row| self.product(row));
                self.draft.filled.extend(product.map(|product| (product, department)));
                match product.and_then(|product| self.wanted.levels.get(&(product, department))) {
                    Some(cells) => run.push(cells.to_vec()),
                    None if run.is_empty() => {}
                    None => {
                        let rows = std::mem::take(&mut run);
                        writes.push((HEADER_ROWS + place - rows.len(), min, rows));
                    }
                }
            }
        }
        for (row, column, cells) in writes {
            self.draft.summary.cells += cells.len() as u64 * 2;
            self.draft.groups[0].push(Change::Write { tab: self.tab, row, column, cells });
        }
    }

    /// Cells that were filled a moment ago, when somebody moved rows or columns under the hand that wrote.
    fn repairs(&mut self) {
        self.draft.groups.push(Vec::new());
        let mut repairs = Vec::new();
        for (line, kind) in self.sheet.lines.iter().enumerate() {
            let Line::Product(product) = kind else { continue };
            for pair in &self.sheet.pairs {
                let place = (*product, pair.department);
                if !self.wanted.repair.contains(&place) {
                    continue;
                }
                let [min, max] = self.wanted.levels.get(&place).cloned().unwrap_or_default();
                let row = HEADER_ROWS + line;
                for (column, cell) in [(pair.min, min), (pair.max, max)] {
                    if *self.sheet.grid.get(row, column) != cell {
                        repairs.push((row, column, cell));
                    }
                }
            }
        }
        for (row, column, cell) in repairs {
            self.write(row, column, vec![vec![cell]]);
        }
    }
}

fn text(text: &str) -> Cell {
    if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned()) }
}
