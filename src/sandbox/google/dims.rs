//! Rows and columns that come, go and move, with everything that lies in them. People and the API do it the
//! same way; an error is the sentence that Google says.

use std::{mem, sync::Arc};

use super::grid::{Axis, Block, Cell, Line, Row, Tab};

impl Tab {
    /// Inserts `count` rows or columns at `at`, formatted like the ones before or after.
    pub(super) fn insert(
        &mut self,
        axis: Axis,
        at: usize,
        count: usize,
        like_before: bool,
    ) -> Result<(), String> {
        let size = self.count(axis);
        if like_before && at == 0 {
            return Err("inheritFromBefore cannot be true if the insertion is at the first index".to_owned());
        }
        if at > size || at == size && !like_before {
            return Err(format!(
                "range.startIndex[{at}] must be less than the grid size ({size}) if inheritFromBefore is false."
            ));
        }
        self.limit(axis, size + count)?;
        let model = if like_before { at - 1 } else { at };
        let line = Line { hidden: false, ..self.line(axis, model) };
        match axis {
            Axis::Rows => {
                let mut cells: Vec<_> = self.rows[model].cells.iter().map(dressed).collect();
                trim(&mut cells);
                let row = Arc::new(Row { line, cells });
                self.rows.splice(at..at, vec![row; count]);
            }
            Axis::Columns => {
                self.columns.splice(at..at, vec![line; count]);
                for row in &mut self.rows {
                    let dress = row.cells.get(model).map(dressed).unwrap_or_default();
                    if row.cells.len() < at && dress == Cell::default() || row.cells.is_empty() {
                        continue;
                    }
                    let cells = &mut Arc::make_mut(row).cells;
                    if cells.len() < at {
                        cells.resize_with(at, Cell::default);
                    }
                    cells.splice(at..at, vec![dress; count]);
                    trim(cells);
                }
            }
        }
        self.shift(axis, |(start, end)| {
            let moved = |index: usize, inclusive: bool| {
                if index > at || inclusive && index == at { index + count } else { index }
            };
            Some((moved(start, true), moved(end, false)))
        });
        let frozen = self.frozen(axis);
        if at < *frozen {
            *frozen += count;
        }
        Ok(())
    }

    /// Adds `count` empty rows or columns at the end.
    pub(super) fn append(&mut self, axis: Axis, count: usize) -> Result<(), String> {
        self.size(axis, self.count(axis) + count)
    }

    /// Makes the grid so many rows or columns large; what lies outside is lost.
    pub(super) fn size(&mut self, axis: Axis, size: usize) -> Result<(), String> {
        self.limit(axis, size)?;
        match axis {
            Axis::Rows => self.rows.resize_with(size, || Arc::new(Row::EMPTY)),
            Axis::Columns => {
                self.columns.resize(size, Line::COLUMN);
                for row in &mut self.rows {
                    if row.cells.len() > size {
                        Arc::make_mut(row).cells.truncate(size);
                    }
                }
            }
        }
        self.shift(axis, |(start, end)| (start < size).then(|| (start, end.min(size))));
        Ok(())
    }

    /// Removes the rows or columns from `start` up to `end`.
    pub(super) fn delete(&mut self, axis: Axis, start: usize, end: usize) -> Result<(), String> {
        let (size, name) = (self.count(axis), axis.name());
        if end > size {
            let (one, index) = (axis.one(), start.max(size));
            return Err(format!(
                "Cannot delete a {one} that doesn't exist. Tried to delete {one} index {index} but there are only \
                 {size} {name}."
            ));
        }
        let gone = end - start;
        if gone == size {
            return Err(format!("You can't delete all the {name} on the sheet."));
        }
        let frozen = *self.frozen(axis);
        let frozen_left = frozen - frozen.min(end).saturating_sub(start.min(frozen));
        if frozen_left >= size - gone {
            return Err(format!("Sorry, it is not possible to delete all non-frozen {name}."));
        }
        match axis {
            Axis::Rows => drop(self.rows.drain(start..end)),
            Axis::Columns => {
                self.columns.drain(start..end);
                for row in self.rows.iter_mut().filter(|row| row.cells.len() > start) {
                    let cells = &mut Arc::make_mut(row).cells;
                    cells.drain(start..end.min(cells.len()));
                    trim(cells);
                }
            }
        }
        self.shift(axis, |(from, to)| {
            let moved = |index: usize| if index >= end { index - gone } else { index.min(start) };
            Some((moved(from), moved(to))).filter(|(from, to)| from < to)
        });
        *self.frozen(axis) = frozen_left;
        Ok(())
    }

    /// Moves the rows or columns from `start` up to `end` so that they stand before the one that is now at
    /// `to`.
    pub(super) fn shuffle(&mut self, axis: Axis, start: usize, end: usize, to: usize) -> Result<(), String> {
        let (size, name) = (self.count(axis), axis.name());
        if end > size || to > size {
            return Err(format!("Cannot move {name} beyond the grid, which has {size}."));
        }
        if start < to && to < end {
            return Err(format!("Cannot move {name} into themselves."));
        }
        let cuts = |merge: &Block| {
            let (from, until) = merge.span(axis);
            let apart = until <= start || end <= from;
            let whole = start <= from && until <= end;
            !apart && !whole || from < to && to < until
        };
        if self.merges.iter().any(cuts) {
            return Err(format!(
                "Sorry, it is not possible to move a {} to a position that crosses a merged cell. Please unmerge \
                 and try again.",
                axis.one()
            ));
        }
        let frozen = *self.frozen(axis);
        let crosses = start < frozen && (end > frozen || to > frozen) || start >= frozen && to < frozen;
        if crosses {
            return Err(format!(
                "Sorry, it is not possible to move {name} between the frozen and the other ones."
            ));
        }
        if to == start || to == end {
            return Ok(());
        }
        // Two neighbouring spans change places.
        let (low, middle, high) = if to < start { (to, start, end) } else { (start, end, to) };
        match axis {
            Axis::Rows => self.rows[low..high].rotate_left(middle - low),
            Axis::Columns => {
                self.columns[low..high].rotate_left(middle - low);
                for row in self.rows.iter_mut().filter(|row| row.cells.len() > low) {
                    let cells = &mut Arc::make_mut(row).cells;
                    if cells.len() < high {
                        cells.resize_with(high, Cell::default);
                    }
                    cells[low..high].rotate_left(middle - low);
                    trim(cells);
                }
            }
        }
        self.shift(axis, |(from, until)| {
            let offset = |index| {
                if index < low || index >= high {
                    index
                } else if index < middle {
                    index + high - middle
                } else {
                    index - (middle - low)
                }
            };
            Some((offset(from), offset(until - 1) + 1))
        });
        Ok(())
    }

    /// Gives every merge its new rows or columns; one that shrinks to a single cell is none.
    fn shift(&mut self, axis: Axis, moved: impl Fn((usize, usize)) -> Option<(usize, usize)>) {
        let merges = mem::take(&mut self.merges).into_iter();
        let merges = merges.filter_map(|merge| Some(merge.with_span(axis, moved(merge.span(axis))?)));
        self.merges = merges.filter(|merge| merge.height() * merge.width() > 1).collect();
    }

    /// Google keeps at most ten million cells and 18,278 columns.
    fn limit(&self, axis: Axis, size: usize) -> Result<(), String> {
        let (rows, columns) = match axis {
            Axis::Rows => (size, self.columns.len()),
            Axis::Columns => (self.rows.len(), size),
        };
        if rows * columns > 10_000_000 || columns > 18_278 {
            return Err("This action would increase the number of cells in the workbook above the limit of \
                        10000000 cells."
                .to_owned());
        }
        Ok(())
    }
}

/// An empty cell that looks like this one.
fn dressed(cell: &Cell) -> Cell {
    Cell { format: cell.format.clone(), validation: cell.validation.clone(), ..Cell::default() }
}

/// Lets go of untouched cells at the end of a row.
fn trim(cells: &mut Vec<Cell>) {
    let used = cells.iter().rposition(|cell| *cell != Cell::default()).map_or(0, |last| last + 1);
    cells.truncate(used);
}
