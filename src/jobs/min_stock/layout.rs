//! How the tab looks: applied once, and repaired when somebody broke it.
//!
//! Looked at are the header rows, the first product's row and the first department's column: a few cells. Whatever of them
//! is not as it should be, its format is applied anew to the whole tab.

use super::{
    arrangement::Arrangement,
    draft::Draft,
    sheet::{HEADER_ROWS, LABEL_COLUMNS, Sheet},
};
use crate::{
    jobs::nomenclature::Item,
    upstreams::google_sheets::{Axis, Border, Change, Format, Rectangle, Tab},
};

/// The width of a department's columns, in pixels.
const PAIR_PIXELS: usize = 60;
/// The width of a character of column A, in pixels, and its bounds.
const CHARACTER_PIXELS: usize = 7;
const NAME_PIXELS: (usize, usize) = (100, 600);

/// The pixels that the longest name needs.
pub(super) fn name_pixels(products: &[Item]) -> usize {
    let longest = products.iter().map(|item| item.name.chars().count()).max().unwrap_or(0);
    (longest * CHARACTER_PIXELS + 20).clamp(NAME_PIXELS.0, NAME_PIXELS.1)
}

/// What has to be taken apart before rows or columns may move: Google moves no part of merged cells. The name over a
/// department's two columns stays merged: should somebody have moved the columns meanwhile, Google refuses to tear two
/// that belong together apart.
pub(super) fn before(tab: &Tab, sheet: &Sheet, draft: &Draft) -> Vec<Change> {
    let in_the_way = |merge: &&Rectangle| {
        let is_pair = sheet.pairs.iter().any(|pair| title_cells(pair.min, pair.max) == Some(**merge));
        (draft.moves_columns && merge.right - merge.left > 1 && !is_pair)
            || (draft.moves_rows && merge.bottom > HEADER_ROWS && merge.bottom - merge.top > 1)
    };
    tab.merges.iter().filter(in_the_way).map(|merge| Change::Unmerge(tab.id, *merge)).collect()
}

/// The cells over which a department's name stands, where its two columns are neighbours.
fn title_cells(min: usize, max: Option<usize>) -> Option<Rectangle> {
    (max == Some(min + 1)).then_some(Rectangle { top: 1, left: min, bottom: 2, right: min + 2 })
}

/// What has to be done to the looks when rows and columns are where they belong. `tab` is as it was before.
pub(super) fn after(
    tab: &Tab,
    draft: &Draft,
    arrangement: &Arrangement<'_>,
    name_pixels: usize,
) -> Vec<Change> {
    let room = Room { tab, draft, arrangement, bottom: HEADER_ROWS + arrangement.used_rows };
    let mut changes = Vec::new();
    room.frame(&mut changes, name_pixels);
    room.widths(&mut changes);
    room.merges(&mut changes);
    room.headers(&mut changes);
    room.lines(&mut changes);
    changes
}

struct Room<'a> {
    tab: &'a Tab,
    draft: &'a Draft,
    arrangement: &'a Arrangement<'a>,
    bottom: usize,
}

impl Room<'_> {
    /// Frozen and hidden rows, the hidden column, the width of the names.
    fn frame(&self, changes: &mut Vec<Change>, name_pixels: usize) {
        let tab = self.tab.id;
        if self.tab.frozen_rows != HEADER_ROWS {
            changes.push(Change::Freeze { tab, rows: HEADER_ROWS });
        }
        if !self.tab.hidden_rows.contains(&0) {
            changes.push(Change::Dimension {
                tab,
                axis: Axis::Rows,
                at: 0,
                count: 1,
                pixels: None,
                hidden: Some(true),
            });
        }
        let look = |column: usize| self.tab.column_looks.get(column).copied().unwrap_or_default();
        // Wider is somebody's wish.
        if look(0).0 < name_pixels {
            let pixels = Some(name_pixels);
            changes.push(Change::Dimension {
                tab,
                axis: Axis::Columns,
                at: 0,
                count: 1,
                pixels,
                hidden: None,
            });
        }
        if !look(1).1 {
            changes.push(Change::Dimension {
                tab,
                axis: Axis::Columns,
                at: 1,
                count: 1,
                pixels: None,
                hidden: Some(true),
            });
        }
    }

    /// The widths of the departments' columns, neighbours together.
    fn widths(&self, changes: &mut Vec<Change>) {
        let pixels_of = |column: usize| {
            let place = self.arrangement.columns[column - LABEL_COLUMNS].place()?;
            self.tab.column_looks.get(place + LABEL_COLUMNS).map(|look| look.0)
        };
        let mut columns: Vec<usize> =
            self.arrangement.pairs.iter().flat_map(|(_, min, max)| [*min, *max]).collect();
        columns.sort_unstable();
        columns.retain(|column| pixels_of(*column) != Some(PAIR_PIXELS));
        for run in columns.chunk_by(|one, next| one + 1 == *next) {
            changes.push(Change::Dimension {
                tab: self.tab.id,
                axis: Axis::Columns,
                at: run[0],
                count: run.len(),
                pixels: Some(PAIR_PIXELS),
                hidden: None,
            });
        }
    }

    /// A department's name stands over its two columns.
    fn merges(&self, changes: &mut Vec<Change>) {
        let was =
            |column: usize| Some(self.arrangement.columns[column - LABEL_COLUMNS].place()? + LABEL_COLUMNS);
        let mut kept = Vec::new();
        for (_, min, max) in &self.arrangement.pairs {
            let before = was(*min).and_then(|min| title_cells(min, was(*max)));
            if let Some(before) = before.filter(|cells| self.tab.merges.contains(cells)) {
                kept.push(before);
            } else {
                changes.extend(title_cells(*min, Some(*max)).map(|cells| Change::Merge(self.tab.id, cells)));
            }
        }
        // Where columns move, what is merged otherwise was taken apart before.
        let foreign = self.tab.merges.iter().filter(|merge| merge.top < HEADER_ROWS && !kept.contains(merge));
        let is_there = |merge: &&Rectangle| !self.draft.moves_columns || merge.right - merge.left == 1;
        let foreign: Vec<Change> =
            foreign.filter(is_there).map(|merge| Change::Unmerge(self.tab.id, *merge)).collect();
        changes.splice(0..0, foreign);
    }

    fn width(&self) -> usize {
        self.arrangement.pairs.iter().map(|(_, _, max)| max + 1).max().unwrap_or(LABEL_COLUMNS)
    }

    /// Bold, centred headers.
    fn headers(&self, changes: &mut Vec<Change>) {
        let (looks, width) = (&self.tab.looks, self.width());
        let is_header = |row: usize, column: usize| {
            looks.get(&(row, column)).is_some_and(|look| look.bold && look.centred)
        };
        let whole = (1..HEADER_ROWS).all(|row| (0..width).all(|column| is_header(row, column)));
        if self.draft.moves_columns || !whole {
            let cells = Rectangle { top: 1, left: 0, bottom: HEADER_ROWS, right: width };
            changes.push(Change::Format(self.tab.id, cells, Format::Header));
        }
        // A new row takes after the one below it, which may be the heading of the block at the bottom.
        if self.draft.moves_rows && self.bottom > HEADER_ROWS {
            let cells = Rectangle { top: HEADER_ROWS, left: 0, bottom: self.bottom, right: width };
            changes.push(Change::Format(self.tab.id, cells, Format::Plain));
            if let Some(heading) = self.arrangement.heading {
                let row = HEADER_ROWS + heading;
                let cells = Rectangle { top: row, left: 0, bottom: row + 1, right: 1 };
                changes.push(Change::Format(self.tab.id, cells, Format::Heading));
            }
        }
    }

    /// Lines between the departments.
    fn lines(&self, changes: &mut Vec<Change>) {
        let Some(last) = self.arrangement.pairs.iter().map(|(_, _, max)| *max).max() else { return };
        let looks = &self.tab.looks;
        let is_left =
            |row: usize, column: usize| looks.get(&(row, column)).is_some_and(|look| look.line_left);
        let is_right =
            |row: usize, column: usize| looks.get(&(row, column)).is_some_and(|look| look.line_right);
        let rows = 1..self.bottom.min(HEADER_ROWS + 1);
        let mut whole =
            rows.clone().all(|row| self.arrangement.pairs.iter().all(|(_, min, _)| is_left(row, *min)));
        whole &= rows.clone().all(|row| is_right(row, last));
        whole &= (HEADER_ROWS..self.bottom).all(|row| is_left(row, LABEL_COLUMNS));
        if whole && !self.draft.moves_columns && !self.draft.moves_rows {
            return;
        }
        let cells =
            |column: usize| Rectangle { top: 1, left: column, bottom: self.bottom, right: column + 1 };
        for (_, min, _) in &self.arrangement.pairs {
            changes.push(Change::Line(self.tab.id, cells(*min), Border::Left));
        }
        changes.push(Change::Line(self.tab.id, cells(last), Border::Right));
    }
}
