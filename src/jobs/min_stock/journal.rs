//! What a push did to the tab, told by the sheet itself.
//!
//! People sort, move, insert and delete at any moment, also between our reading and our writing; a request that names rows
//! and columns by numbers then does its work in other places than was meant. So every request that could do harm makes two
//! hidden copies of the tab, the first before and the last after everything else in it. Google does the whole request at
//! one moment, so the two copies differ by nothing but that request, and they say so also when its answer is lost or the
//! run is killed. What stands in the second copy and should not, by the ids beside it, is put right, unless somebody has
//! changed that very cell since.

use super::{
    arrangement::Levels,
    pull::Place,
    sheet::{GONE, HEADER_ROWS, Sheet},
};
use crate::upstreams::google_sheets::{Cell, Change, Grid, Tab};
use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

/// A cell by its place, min or max.
pub(super) type Spot = (Place, usize);

/// The copies' titles: before and after.
pub(super) fn titles(title: &str) -> [String; 2] {
    [format!("{title} (копия)"), format!("{title} (проверка)")]
}

/// The copies.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The number of the copy before.
    pub(super) before: Option<i32>,
    /// The number of the copy after. It is there until its request was found to have done no harm.
    pub(super) after: Option<i32>,
    /// What both hold. Nothing where one is missing, or holds no levels that anybody could tell.
    images: Option<(Sheet, Sheet)>,
}

/// What a request was to write into cells that were there before.
#[derive(Debug, Default)]
pub(super) struct Meant {
    /// By place.
    spots: HashMap<Spot, Repair>,
    /// All that it was to write anywhere.
    values: HashSet<Cell>,
}

/// What a request was to write over, and with what.
#[derive(Debug)]
struct Repair {
    wrong: Cell,
    right: Cell,
}

impl Meant {
    /// What `changes` are to write, which put `wounds` right among other things.
    pub(super) fn by(wounds: &[Wound], changes: &[Change]) -> Self {
        let spots = wounds.iter().filter_map(|Wound { spot, wrong, right, .. }| {
            Some(((*spot)?, Repair { wrong: wrong.clone(), right: right.clone() }))
        });
        let values = changes.iter().filter_map(|change| match change {
            Change::Write { cells, .. } => Some(cells.iter().flatten().cloned()),
            _ => None,
        });
        Self { spots: spots.collect(), values: values.flatten().collect() }
    }
}

/// A cell that a push has filled wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wound {
    /// Nothing where it stands beside no product or under no department.
    pub(super) spot: Option<Spot>,
    /// Where it stands now.
    pub(super) row: usize,
    pub(super) column: usize,
    /// What stands there.
    pub(super) wrong: Cell,
    /// What belongs there.
    pub(super) right: Cell,
}

impl Journal {
    pub(super) fn new(before: Option<Tab>, after: Option<Tab>) -> Self {
        let ids = [&before, &after].map(|tab| tab.as_ref().map(|tab| tab.id));
        let parse = |tab: Option<Tab>| Sheet::parse("", tab?.grid).ok();
        Self { before: ids[0], after: ids[1], images: parse(before).zip(parse(after)) }
    }

    /// The cells of `now` that the request has filled wrongly and that nobody has changed since. `filled` is what it was
    /// to fill new cells with, and `meant` what it was to write into old ones; nobody knows the latter of a run that was
    /// killed.
    pub(super) fn wounds(
        &self,
        now: &Sheet,
        filled: &HashMap<Place, Levels>,
        meant: Option<&Meant>,
    ) -> Vec<Wound> {
        let Some((before, after)) = &self.images else { return Vec::new() };
        let mut wounds = Vec::new();
        for place in after.places() {
            let (was, is) = (before.levels(place), after.levels(place));
            for side in 0..2 {
                let Some(written) = is[side] else { continue };
                let repair = meant.and_then(|meant| meant.spots.get(&(place, side)));
                let right = match (meant, was[side], repair) {
                    // What somebody has typed over the wrong cell, after it was looked at, is what belongs there.
                    (_, was, Some(repair)) => {
                        let typed = was.filter(|was| **was != repair.wrong);
                        typed.unwrap_or(&repair.right).clone()
                    }
                    (Some(_), Some(was), None) => was.clone(),
                    (None, Some(_), None) => continue,
                    (_, None, None) => {
                        filled.get(&place).map(|cells| cells[side].clone()).unwrap_or_default()
                    }
                };
                if *written == right {
                    continue;
                }
                if let Some((row, column)) = now.at(place)[side]
                    && now.grid.get(row, column) == written
                {
                    let wrong = written.clone();
                    wounds.push(Wound { spot: Some((place, side)), row, column, wrong, right });
                }
            }
        }
        wounds
    }

    /// The products and departments over whose names the request has written although these were not to change, because
    /// the nomenclature does not have them, and what it has written.
    pub(super) fn labels(&self, is_known: impl Fn(Uuid) -> bool) -> HashMap<Uuid, Cell> {
        type At = fn(&Sheet, Uuid) -> Option<(usize, usize)>;
        let Some((before, after)) = &self.images else { return HashMap::new() };
        let products = after.rows.keys().map(|id| (*id, Sheet::row_label as At));
        let departments = after.pairs.iter().map(|pair| (pair.department, Sheet::column_label as At));
        let gone = products.chain(departments).filter(|(id, _)| !is_known(*id));
        let written = gone.filter_map(|(id, at)| {
            let cell = |sheet: &Sheet| at(sheet, id).map(|(row, column)| sheet.grid.get(row, column).clone());
            let (was, is) = (cell(before)?, cell(after)?);
            (was != is).then_some((id, is))
        });
        written.collect()
    }

    /// What the request has written beside no product or under no department. Where it met what an earlier one had left
    /// (`known`), that is what it should have been rid of.
    pub(super) fn strays(&self, meant: Option<&Meant>, known: &[Stray]) -> Vec<Stray> {
        let Some((before, after)) = &self.images else { return Vec::new() };
        let mut strays = in_foreign_rows(before, after, meant);
        strays.extend(in_foreign_columns(before, after, meant));
        for stray in &mut strays {
            let is_it = |known: &&Stray| known.line == stray.line && known.written == stray.right;
            if let Some(known) = known.iter().find(is_it) {
                stray.right.clone_from(&known.right);
            }
        }
        strays.retain(|stray| stray.written != stray.right);
        strays
    }

    /// What stood in rows and columns that the request has removed although they held something.
    pub(super) fn lost(&self, now: &Sheet) -> Vec<(Place, Levels)> {
        let Some((before, after)) = &self.images else { return Vec::new() };
        let is_lost = |place: &Place| {
            before.levels(*place).into_iter().flatten().any(|cell| !cell.is_empty())
                && !after.holds(*place)
                && !now.holds(*place)
        };
        let cells = |place: Place| before.levels(place).map(|cell| cell.cloned().unwrap_or_default());
        before.places().filter(is_lost).map(|place| (place, cells(place))).collect()
    }

    /// The first cells of the rows without a product's id that the request has removed.
    pub(super) fn lost_notes(&self) -> Vec<&str> {
        let Some((before, after)) = &self.images else { return Vec::new() };
        let mut left = after.notes();
        let is_lost = |note: &&str| match left.iter().position(|other| other == note) {
            Some(place) => {
                left.swap_remove(place);
                false
            }
            None => true,
        };
        before.notes().into_iter().filter(is_lost).collect()
    }
}

/// A cell beside no product or under no department into which a push has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stray {
    line: StrayLine,
    written: Cell,
    right: Cell,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum StrayLine {
    /// A department's min or max, in a row that has no product's id and begins with this cell.
    Row(Uuid, usize, Cell),
    /// The name of a row that has no product's id.
    Name,
    /// A product's row, in a column that is no department's.
    Column(Uuid),
    /// A row of the headers, in a column that is no department's.
    Header(usize),
}

impl Stray {
    /// Where it stands now, if it still does and is not among `wounds` already.
    pub(super) fn find(&self, now: &Sheet, wounds: &[Wound]) -> Option<Wound> {
        let is_it = |(row, column): &(usize, usize)| {
            *now.grid.get(*row, *column) == self.written
                && wounds.iter().all(|wound| (wound.row, wound.column) != (*row, *column))
        };
        let (row, column) = match &self.line {
            StrayLine::Row(department, side, name) => {
                let column = now.side(*department, *side)?;
                let rows = now.foreign_rows().filter(|row| now.grid.get(*row, 0) == name);
                rows.map(|row| (row, column)).find(is_it)
            }
            StrayLine::Name => now.foreign_rows().map(|row| (row, 0)).find(is_it),
            StrayLine::Header(row) => now.foreign_columns().map(|column| (*row, column)).find(is_it),
            StrayLine::Column(product) => {
                let rows = now.rows.get(product).into_iter().flatten();
                let mut cells = rows.flat_map(|row| now.foreign_columns().map(|column| (*row, column)));
                cells.find(is_it)
            }
        }?;
        Some(Wound { spot: None, row, column, wrong: self.written.clone(), right: self.right.clone() })
    }
}

/// Whether the request has written this: new cells hold nothing else, old ones what it put right elsewhere.
fn is_ours(meant: Option<&Meant>, is_new: bool, was: &Cell, is: &Cell) -> bool {
    was != is && (is_new || meant.is_some_and(|meant| meant.values.contains(is)))
}

fn in_foreign_rows(before: &Sheet, after: &Sheet, meant: Option<&Meant>) -> Vec<Stray> {
    let mut strays = Vec::new();
    for (row, partner) in partners(before, after) {
        let name = after.grid.get(row, 0);
        let was = partner.map_or(&Cell::Empty, |row| before.grid.get(row, 0));
        // The heading above what is gone is written nowhere but into a row that is inserted for it.
        if name.text() != GONE && is_ours(meant, false, was, name) {
            strays.push(Stray { line: StrayLine::Name, written: name.clone(), right: was.clone() });
        }
        for (department, side, column) in after.sides() {
            let was = before.side(department, side);
            let right = was.zip(partner).map_or(&Cell::Empty, |(was, row)| before.grid.get(row, was));
            let written = after.grid.get(row, column);
            if is_ours(meant, was.is_none(), right, written) {
                let line = StrayLine::Row(department, side, name.clone());
                strays.push(Stray { line, written: written.clone(), right: right.clone() });
            }
        }
    }
    strays
}

/// The rows of no product after a request, each with what it was before: a row that has no id is known by its name, and
/// by what else is in it.
fn partners(before: &Sheet, after: &Sheet) -> Vec<(usize, Option<usize>)> {
    let mut left: Vec<usize> = before.foreign_rows().collect();
    let mut partners: Vec<(usize, Option<usize>)> = after.foreign_rows().map(|row| (row, None)).collect();
    for by_name in [true, false] {
        for (row, partner) in partners.iter_mut().filter(|(_, partner)| partner.is_none()) {
            let likeness = |other: &usize| {
                let alike = after.sides().filter(|(department, side, column)| {
                    let was = before.side(*department, *side);
                    was.is_some_and(|was| before.grid.get(*other, was) == after.grid.get(*row, *column))
                });
                alike.count()
            };
            // The heading above what is gone was never anything else.
            let name = after.grid.get(*row, 0);
            let by_name = by_name || name.text() == GONE;
            let is_it = |other: &usize| !by_name || before.grid.get(*other, 0) == name;
            *partner = left.iter().copied().filter(is_it).max_by_key(likeness);
            left.retain(|other| Some(*other) != *partner);
        }
    }
    partners
}

fn in_foreign_columns(before: &Sheet, after: &Sheet, meant: Option<&Meant>) -> Vec<Stray> {
    let mut strays = Vec::new();
    for (place, column) in after.foreign_columns().enumerate() {
        let was = before.foreign_columns().nth(place);
        for row in 0..HEADER_ROWS {
            let right = was.map_or(&Cell::Empty, |column| before.grid.get(row, column));
            let written = after.grid.get(row, column);
            if is_ours(meant, false, right, written) {
                let line = StrayLine::Header(row);
                strays.push(Stray { line, written: written.clone(), right: right.clone() });
            }
        }
        for (product, rows) in &after.rows {
            let row_before = before.rows.get(product).and_then(|rows| rows.first());
            let right =
                was.zip(row_before).map_or(&Cell::Empty, |(column, row)| before.grid.get(*row, column));
            let written = after.grid.get(rows[0], column);
            if is_ours(meant, row_before.is_none(), right, written) {
                let line = StrayLine::Column(*product);
                strays.push(Stray { line, written: written.clone(), right: right.clone() });
            }
        }
    }
    strays
}

/// Whether all that a tab holds was written by a push into a tab that somebody had just cleared.
pub(super) fn is_debris(before: Option<&Tab>, after: Option<&Tab>, grid: &Grid) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    before.grid.is_blank() && grid.filled().all(|(row, column, cell)| after.grid.get(row, column) == cell)
}
