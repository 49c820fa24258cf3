//! A person at a sheet: what tests type, sort and delete between two requests of the client.

use serde_json::Value;

use super::{
    a1,
    batch::{merge_block, sort_rows},
    cells::Render,
    grid::{Axis, Block, Cell, Entered, Google, Spreadsheet, Tab},
    values,
};

/// A person with one tab open. Cells are named as people name them (`C5`), rows and columns as the sheet shows
/// them, rows from 1. What cannot be done panics: it is the test that is wrong.
#[derive(Debug)]
pub struct Hands<'a> {
    sheet: &'a mut Spreadsheet,
    place: usize,
}

impl Google {
    /// A spreadsheet that exists.
    pub fn sheet(&mut self, id: &str) -> &mut Spreadsheet {
        self.spreadsheets.get_mut(id).unwrap_or_else(|| panic!("there is no spreadsheet {id}"))
    }
}

impl Spreadsheet {
    /// Opens a tab that exists.
    pub fn tab(&mut self, title: &str) -> Hands<'_> {
        let place = self.position(title).unwrap_or_else(|| panic!("there is no tab «{title}»"));
        Hands { sheet: self, place }
    }

    /// Opens the tab of this number, whatever it is called by now; none if it was deleted.
    pub fn tab_numbered(&mut self, sheet_id: i64) -> Option<Hands<'_>> {
        let place = self.tabs.iter().position(|tab| tab.sheet_id == sheet_id)?;
        Some(Hands { sheet: self, place })
    }

    /// Opens a tab, which is added at the end if there is none of this title.
    pub fn open(&mut self, title: &str) -> Hands<'_> {
        let place = self.position(title).unwrap_or_else(|| {
            let id = self.free_id();
            self.tabs.push(Tab::new(id, title));
            self.tabs.len() - 1
        });
        Hands { sheet: self, place }
    }

    /// The titles of the tabs, in their order.
    pub fn titles(&self) -> Vec<&str> {
        self.tabs.iter().map(|tab| tab.title.as_str()).collect()
    }

    /// Deletes a tab that exists.
    pub fn delete_tab(&mut self, title: &str) {
        let place = self.tab(title).place;
        self.tabs.remove(place);
    }

    /// Gives a tab that exists another title.
    pub fn rename_tab(&mut self, title: &str, new: &str) {
        new.clone_into(&mut self.tab(title).state_mut().title);
    }
}

impl Hands<'_> {
    /// The tab itself.
    pub fn state(&self) -> &Tab {
        &self.sheet.tabs[self.place]
    }

    /// The tab itself, to change what has no method here.
    pub fn state_mut(&mut self) -> &mut Tab {
        &mut self.sheet.tabs[self.place]
    }

    /// How many rows and columns the grid has.
    pub fn size(&self) -> (usize, usize) {
        (self.state().count(Axis::Rows), self.state().count(Axis::Columns))
    }

    /// Types into a cell: in a Russian sheet `1,5` is a number, `1.5` a day, `10:30` a time, `10%` a tenth, `=…` a formula,
    /// `'5` a text, and nothing empties the cell. The cell keeps the number format that it has.
    pub fn type_in(&mut self, cell: &str, text: &str) -> &mut Self {
        let locale = self.sheet.locale.clone();
        self.at_mut(cell).type_text(text, &locale);
        self
    }

    /// Puts a text into a cell, whatever it looks like.
    pub fn put_text(&mut self, cell: &str, text: &str) -> &mut Self {
        self.at_mut(cell).entered = (!text.is_empty()).then(|| Entered::Text(text.to_owned()));
        self
    }

    /// Puts a number into a cell.
    pub fn put_number(&mut self, cell: &str, number: f64) -> &mut Self {
        self.at_mut(cell).entered = Some(Entered::Number(number));
        self
    }

    /// A cell as it is.
    pub fn cell(&self, cell: &str) -> &Cell {
        let (row, column) = corner(cell);
        self.state().cell(row, column)
    }

    /// What a cell comes to: a number, a boolean, a text, or null if it is empty.
    pub fn value(&self, cell: &str) -> Value {
        self.cell(cell).value(self.sheet, self.place)
    }

    /// What a cell shows.
    pub fn shown(&self, cell: &str) -> String {
        let shown = self.cell(cell).render(Render::Formatted, self.sheet, self.place);
        shown.as_str().unwrap_or_default().to_owned()
    }

    /// All rows up to the last one that holds something; an empty cell between others is an empty text.
    pub fn rows(&self) -> Vec<Vec<Value>> {
        values::rows(self.sheet, self.place)
    }

    /// The merged blocks, as `A1:B2`, in order.
    pub fn merges(&self) -> Vec<String> {
        let cells = |text: String| text.rsplit('!').next().unwrap_or_default().to_owned();
        let mut merges: Vec<_> = self.state().merges.clone();
        merges.sort_by_key(|merge| (merge.top, merge.left));
        merges.iter().map(|merge| cells(a1::write(self.state(), merge))).collect()
    }

    /// The width of a column (`B`) in pixels and whether it is hidden.
    pub fn column(&self, column: &str) -> (i64, bool) {
        let line = self.state().line(Axis::Columns, letters(column));
        (line.pixel_size, line.hidden)
    }

    /// The height of a row (from 1) in pixels and whether it is hidden.
    pub fn row(&self, row: usize) -> (i64, bool) {
        let line = self.state().line(Axis::Rows, row - 1);
        (line.pixel_size, line.hidden)
    }

    /// Sorts the rows of a range (`A4:F20`) from the lowest to the highest value of a column (`C`).
    pub fn sort_rows(&mut self, range: &str, column: &str) -> &mut Self {
        let done = self.sort(range, column, false);
        self.did(done)
    }

    /// Sorts the rows of a range by a column from the lowest or (`down`) from the highest value. What Google refuses is not
    /// done; so it is with everything here that gives a result.
    pub fn sort(&mut self, range: &str, column: &str, down: bool) -> Result<(), String> {
        let named = format!("{}!{range}", a1::title(&self.state().title));
        let block = a1::find(self.sheet, &named).map_err(|_| format!("{range} is not in the grid"))?.block;
        sort_rows(self.sheet, self.place, block, &[(letters(column), down)])
    }

    /// "Sort sheet": all rows that are not frozen, to the last one of the grid.
    pub fn sort_sheet(&mut self, column: &str, down: bool) -> Result<(), String> {
        let block = Block { top: self.state().frozen_rows, ..self.state().block() };
        sort_rows(self.sheet, self.place, block, &[(letters(column), down)])
    }

    /// Drags a row so that it becomes the `to`th, both from 1.
    pub fn move_row(&mut self, from: usize, to: usize) -> &mut Self {
        let done = self.move_rows(from, 1, if to > from { to + 1 } else { to });
        self.did(done)
    }

    /// Drags so many rows from the `first` on so that they stand before row `before`, both from 1.
    pub fn move_rows(&mut self, first: usize, count: usize, before: usize) -> Result<(), String> {
        self.state_mut().shuffle(Axis::Rows, first - 1, first - 1 + count, before - 1)
    }

    /// Drags a column (`C`) to where another one (`E`) is.
    pub fn move_column(&mut self, from: &str, to: &str) -> &mut Self {
        let (from, to) = (letters(from), letters(to));
        let before = if to > from { to + 1 } else { to };
        let done = self.state_mut().shuffle(Axis::Columns, from, from + 1, before);
        self.did(done)
    }

    /// Drags so many columns from the `first` on (`C`) so that they stand before another one (`G`).
    pub fn move_columns(&mut self, first: &str, count: usize, before: &str) -> Result<(), String> {
        let first = letters(first);
        self.state_mut().shuffle(Axis::Columns, first, first + count, letters(before))
    }

    /// Deletes a row, from 1.
    pub fn delete_row(&mut self, row: usize) -> &mut Self {
        let done = self.delete_rows(row, 1);
        self.did(done)
    }

    /// Deletes so many rows from the `first` on, from 1.
    pub fn delete_rows(&mut self, first: usize, count: usize) -> Result<(), String> {
        self.state_mut().delete(Axis::Rows, first - 1, first - 1 + count)
    }

    /// Deletes a column (`C`).
    pub fn delete_column(&mut self, column: &str) -> &mut Self {
        let done = self.delete_columns(column, 1);
        self.did(done)
    }

    /// Deletes so many columns from the `first` on (`C`).
    pub fn delete_columns(&mut self, first: &str, count: usize) -> Result<(), String> {
        let first = letters(first);
        self.state_mut().delete(Axis::Columns, first, first + count)
    }

    /// Inserts an empty row that becomes the `row`th, from 1; it looks like the one above.
    pub fn insert_row(&mut self, row: usize) -> &mut Self {
        let done = self.insert_rows(row, 1);
        self.did(done)
    }

    /// Inserts so many empty rows, the first of which becomes the `row`th, from 1.
    pub fn insert_rows(&mut self, row: usize, count: usize) -> Result<(), String> {
        self.state_mut().insert(Axis::Rows, row - 1, count, row > 1)
    }

    /// Inserts an empty column that becomes `column` (`C`); it looks like the one on the left.
    pub fn insert_column(&mut self, column: &str) -> &mut Self {
        let done = self.insert_columns(column, 1);
        self.did(done)
    }

    /// Inserts so many empty columns, the first of which becomes `column` (`C`).
    pub fn insert_columns(&mut self, column: &str, count: usize) -> Result<(), String> {
        let column = letters(column);
        self.state_mut().insert(Axis::Columns, column, count, column > 0)
    }

    /// Makes one cell of a range (`F21:F22`): the first cell keeps what it holds.
    pub fn merge(&mut self, range: &str) -> Result<(), String> {
        let named = format!("{}!{range}", a1::title(&self.state().title));
        let block = a1::find(self.sheet, &named).map_err(|_| format!("{range} is not in the grid"))?.block;
        merge_block(self.state_mut(), block, "MERGE_ALL")
    }

    /// Makes the grid so many rows and columns large, from the end: what lies outside is lost.
    pub fn resize(&mut self, rows: usize, columns: usize) -> Result<(), String> {
        for (axis, size) in [(Axis::Rows, rows), (Axis::Columns, columns)] {
            let tab = self.state_mut();
            match tab.count(axis) {
                old if old > size => tab.delete(axis, size, old)?,
                old => tab.append(axis, size - old)?,
            }
        }
        Ok(())
    }

    /// Selects everything and presses Delete: values go, formats stay.
    pub fn clear(&mut self) -> &mut Self {
        let title = a1::title(&self.state().title);
        values::clear(self.sheet, &title).expect("the tab exists");
        self
    }

    /// Takes all merged cells apart.
    pub fn unmerge(&mut self) -> &mut Self {
        self.state_mut().merges.clear();
        self
    }

    /// Clears a cell's format.
    pub fn unformat(&mut self, cell: &str) -> &mut Self {
        self.at_mut(cell).format = None;
        self
    }

    fn at_mut(&mut self, cell: &str) -> &mut Cell {
        let (row, column) = corner(cell);
        self.state_mut().cell_mut(row, column)
    }

    fn did(&mut self, done: Result<(), String>) -> &mut Self {
        done.unwrap_or_else(|error| panic!("{error}"));
        self
    }
}

/// The row and column of `C5`.
fn corner(cell: &str) -> (usize, usize) {
    match a1::cell(cell) {
        Some((Some(column), Some(row))) => (row, column),
        _ => panic!("{cell} is no cell"),
    }
}

/// The number of column `C`.
fn letters(column: &str) -> usize {
    match a1::cell(column) {
        Some((Some(column), None)) => column,
        _ => panic!("{column} is no column"),
    }
}
