//! Which row and which column belongs where, as a value: the nomenclature in its order, below it what is gone but has
//! numbers, then whatever else people keep in the tab.

use super::{
    ordering::Origin,
    pull::Place,
    sheet::{HEADER_ROWS, LABEL_COLUMNS, Line, MAX, MIN, Pair, Sheet},
};
use crate::{
    jobs::nomenclature::{Item, sort_key},
    upstreams::google_sheets::Cell,
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
    /// What was last seen at each place, in the sheet or else in the database: for rows and columns that are not there.
    pub(super) levels: HashMap<Place, Levels>,
    /// The products and departments of which the database holds levels: where somebody has emptied their cells, the next
    /// pull has to see these empty.
    pub(super) stored: HashSet<Uuid>,
    /// Products that are not in the nomenclature and need a row for their numbers.
    pub(super) lost_products: Vec<Item>,
    /// Departments that are gone and need columns for their numbers.
    pub(super) lost_departments: Vec<Item>,
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
    pub(super) department: &'a Item,
    pub(super) is_max: bool,
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

/// How many cells one request fills at most; what is left over comes with the next one. A cell takes 3 kB on its way into
/// google-sheets4's requests.
const CELLS: usize = 20_000;

/// Says where every row and column belongs.
pub(super) fn arrangement<'a>(sheet: &Sheet, wanted: &'a Wanted<'_>) -> Arrangement<'a> {
    let Rows { order: rows, used: used_rows, heading, partial: more_rows } = rows(sheet, wanted);
    let Columns { order: columns, pairs, partial: more_columns } = columns(sheet, wanted);
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
            Some(lines) => rows.extend(distinct_rows(sheet, &lines).into_iter().map(Origin::Here)),
        }
    }
    let gone = by_product.into_values().flat_map(|lines| distinct_rows(sheet, &lines));
    let is_needed = |line: usize| {
        let Line::Product(product) = sheet.lines[line] else { return false };
        sheet.has_numbers(line)
            || wanted.stored.contains(&product)
            || wanted.lost_products.iter().any(|item| item.id == product)
    };
    let gone = gone.filter(|line| is_needed(*line));
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
    // Rows that somebody has cleared make room for as many new ones.
    let new = rows.iter().filter(|row| row.place().is_none()).count();
    rows.extend(of_kind(Line::Blank).skip(new).map(Origin::Here));
    Rows { order: rows, used, heading, partial }
}

/// Of a product's rows those that say something that no other one says; at least one.
fn distinct_rows(sheet: &Sheet, lines: &[usize]) -> Vec<usize> {
    let numbers = |line: usize| {
        let cells = sheet.grid.rows.get(HEADER_ROWS + line).map(Vec::as_slice).unwrap_or_default();
        cells.get(LABEL_COLUMNS..).unwrap_or_default()
    };
    let mut kept: Vec<usize> = Vec::new();
    for line in lines.iter().copied().filter(|line| sheet.has_numbers(*line)) {
        if kept.iter().all(|other| numbers(*other) != numbers(line)) {
            kept.push(line);
        }
    }
    if kept.is_empty() { lines[..1].to_vec() } else { kept }
}

/// The columns behind the labels, in order.
struct Columns<'a> {
    order: Vec<Origin<NewColumn<'a>>>,
    pairs: Vec<(Uuid, usize, usize)>,
    partial: bool,
}

impl<'a> Columns<'a> {
    fn push(&mut self, department: Uuid, columns: [Origin<NewColumn<'a>>; 2]) {
        let min = LABEL_COLUMNS + self.order.len();
        self.pairs.push((department, min, min + 1));
        self.order.extend(columns);
    }

    fn push_new(&mut self, department: &'a Item) {
        let columns = [false, true].map(|is_max| Origin::New(NewColumn { department, is_max }));
        self.push(department.id, columns);
    }

    fn push_here(&mut self, pair: &Pair, department: &'a Item) {
        let columns = pair.columns().map(|column| match column {
            Some(column) => Origin::Here(column - LABEL_COLUMNS),
            None => Origin::New(NewColumn { department, is_max: true }),
        });
        self.push(department.id, columns);
    }
}

fn columns<'a>(sheet: &Sheet, wanted: &'a Wanted<'_>) -> Columns<'a> {
    let mut columns = Columns { order: Vec::new(), pairs: Vec::new(), partial: false };
    let mut left = CELLS;
    for item in wanted.departments {
        let pairs = distinct_pairs(sheet, item.id);
        for pair in &pairs {
            columns.push_here(pair, item);
        }
        if pairs.is_empty() && left == 0 {
            columns.partial = true;
        } else if pairs.is_empty() {
            let levels = wanted.levels.keys().filter(|(_, department)| *department == item.id);
            left = left.saturating_sub(2 * levels.count());
            columns.push_new(item);
        }
    }
    let mut gone: Vec<(&Item, Vec<Pair>)> =
        wanted.lost_departments.iter().map(|item| (item, distinct_pairs(sheet, item.id))).collect();
    gone.sort_by_cached_key(|(item, pairs)| (sort_key(&item.name), pairs.first().map(|pair| pair.min)));
    for (item, pairs) in gone {
        if pairs.is_empty() {
            columns.push_new(item);
        }
        for pair in &pairs {
            columns.push_here(pair, item);
        }
    }
    let foreign = sheet.foreign_columns().filter(|column| !is_left_over(sheet, wanted, *column));
    columns.order.extend(foreign.map(|column| Origin::Here(column - LABEL_COLUMNS)));
    columns
}

/// Of a department's pairs of columns those that say something that no other one says; the first one in any case.
fn distinct_pairs(sheet: &Sheet, department: Uuid) -> Vec<Pair> {
    let cells = |pair: &Pair, row: usize| {
        pair.columns().map(|column| column.map_or(&Cell::Empty, |column| sheet.grid.get(row, column)))
    };
    let says_more = |pair: &Pair, other: &Pair| {
        let mut rows = HEADER_ROWS..sheet.grid.rows.len();
        rows.any(|row| cells(pair, row) != cells(other, row) && cells(pair, row) != [&Cell::Empty; 2])
    };
    let mut kept: Vec<Pair> = Vec::new();
    for pair in sheet.pairs.iter().filter(|pair| pair.department == department) {
        if kept.iter().all(|other| says_more(pair, other)) {
            kept.push(*pair);
        }
    }
    kept
}

/// Whether a column is one of two that were torn apart and says nothing that is not known: its department has got another.
fn is_left_over(sheet: &Sheet, wanted: &Wanted<'_>, column: usize) -> bool {
    let Some(side) = [MIN, MAX].iter().position(|kind| sheet.grid.get(2, column).text().trim() == *kind)
    else {
        return false;
    };
    let is_headless = sheet.grid.get(0, column).is_empty();
    let says = |row: &usize| !sheet.grid.get(*row, column).is_empty();
    let departments = wanted.departments.iter().chain(&wanted.lost_departments);
    is_headless
        && !sheet.foreign_rows().any(|row| says(&row))
        && departments.map(|item| item.id).any(|department| {
            sheet.rows.iter().all(|(product, rows)| {
                let known = wanted.levels.get(&(*product, department)).map(|cells| &cells[side]);
                rows.iter().filter(|row| says(row)).all(|row| known == Some(sheet.grid.get(*row, column)))
            })
        })
}
