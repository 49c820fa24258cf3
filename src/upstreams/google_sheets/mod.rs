//! Google Sheets: reading tabs and changing them in one step.
//!
//! - [`api`]: the client: one way for every request
//! - [`account`]: the service account
//! - `token`: its access tokens
//! - `refusal`: what Google's refusals mean
//! - [`change`]: what can be done to a tab, and how it goes over the wire
//! - `wire`: what comes back
//! - `a1`: addresses
//!
//! Facts are those of the Google Sheets API v4 documentation: a `batchUpdate` is done as a whole or not at all, its
//! requests in their order; rows and columns move with what is in them; titles are compared without case; 60 reads and
//! 60 writes a minute and user.

pub mod a1;
pub mod account;
pub mod api;
pub mod change;
mod refusal;
mod token;
mod wire;

use crate::{
    config::Retries,
    error::{Failure, Result},
};
use hashbrown::HashMap;
use std::time::Duration;

#[cfg(feature = "fuzzing")]
pub(crate) use wire::fuzzed::tabs as fuzzed_tabs;

pub use api::{Client, Possible};
pub use change::{Axis, Border, Change, Format, Look, Rectangle};

/// What a cell holds, as it is computed and not as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Cell {
    /// Nothing, or the empty text.
    #[default]
    Empty,
    /// A number, as an exact decimal of at most 15 digits: Sheets computes with no more.
    Number(String),
    /// A number that is shown as something else: `1.5` typed by a Russian hand is the 1st of May.
    Formatted(String, NumberKind),
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
}

/// How a number is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NumberKind {
    /// As a number.
    #[default]
    Plain,
    /// As a day, with or without a time: days since 30 December 1899.
    Date,
    /// As a time: a part of a day.
    Time,
    /// In hundredths.
    Percent,
}

impl Cell {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// A number as Sheets keeps it; the empty cell for what is none.
    pub fn number(text: &str) -> Self {
        text.parse().ok().and_then(wire::decimal).map_or(Self::Empty, Self::Number)
    }

    /// The text in it; nothing for the empty cell, a number's digits for a number.
    pub fn text(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Number(text) | Self::Formatted(text, _) | Self::Text(text) => text,
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
        }
    }
}

/// The cells of a tab, row by row; rows end where nothing follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grid {
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// The cell at a row and column, from 0; everything outside is empty.
    pub fn get(&self, row: usize, column: usize) -> &Cell {
        const EMPTY: &Cell = &Cell::Empty;
        self.rows.get(row).and_then(|cells| cells.get(column)).unwrap_or(EMPTY)
    }

    /// How many columns its longest row has.
    pub fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Whether no cell holds anything.
    pub fn is_blank(&self) -> bool {
        self.rows.iter().flatten().all(Cell::is_empty)
    }

    /// The cells that hold something: row, column, cell.
    pub fn filled(&self) -> impl Iterator<Item = (usize, usize, &Cell)> {
        self.rows.iter().enumerate().flat_map(|(row, cells)| {
            let filled = cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
            filled.map(move |(column, cell)| (row, column, cell))
        })
    }

    fn put(&mut self, row: usize, column: usize, cell: Cell) {
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        let cells = &mut self.rows[row];
        if cells.len() <= column {
            cells.resize(column + 1, Cell::Empty);
        }
        cells[column] = cell;
    }

    /// Takes away what is empty at the ends.
    fn trim(&mut self) {
        for cells in &mut self.rows {
            cells.truncate(cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1));
        }
        self.rows.truncate(self.rows.iter().rposition(|cells| !cells.is_empty()).map_or(0, |last| last + 1));
    }
}

/// A tab of a spreadsheet, and what is in it where that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tab {
    /// Google's number for it; titles change, numbers do not.
    pub id: i32,
    /// Its title.
    pub title: String,
    /// Whether it is hidden.
    pub hidden: bool,
    /// Rows of its grid.
    pub rows: usize,
    /// Columns of its grid.
    pub columns: usize,
    /// Rows that stay in view.
    pub frozen_rows: usize,
    /// Merged cells.
    pub merges: Vec<Rectangle>,
    /// The cells of the ranges asked for.
    pub grid: Grid,
    /// Hidden rows among those asked for.
    pub hidden_rows: Vec<usize>,
    /// Width in pixels and whether hidden, of each column asked for.
    pub column_looks: Vec<(usize, bool)>,
    /// How the cells asked for look, by row and column. Cells that look like nothing special are left out.
    pub looks: HashMap<(usize, usize), Look>,
    /// The ranges of the drop-downs among the cells asked for: row, column, range.
    pub drop_downs: Vec<(usize, usize, String)>,
}

impl Tab {
    /// Whether this is its title: Google tells titles apart without case.
    pub fn is_called(&self, title: &str) -> bool {
        self.title.trim().to_lowercase() == title.trim().to_lowercase()
    }
}

/// A number for a new tab that is not among those `taken`, which it joins.
pub fn free_number(taken: &mut Vec<i32>, title: &str) -> i32 {
    let free = (a1::tab_number(title)..=i32::MAX).find(|number| !taken.contains(number));
    let free = free.expect("there are fewer tabs than numbers");
    taken.push(free);
    free
}

/// What became of a change.
#[derive(Debug)]
pub enum Written {
    /// It is done.
    Done,
    /// It is not done: Google finds that it cannot be, as when somebody has changed the tab since it was read. The
    /// reason, in Google's words.
    Refused(Failure),
    /// It may or may not be done; the reason. Look before doing anything else.
    Unknown(Failure),
}

/// The waits before another look at what a change of unknown outcome has left.
#[derive(Debug)]
pub struct Pauses<'a>(std::slice::Iter<'a, Duration>);

impl<'a> Pauses<'a> {
    /// As many waits, and as long ones, as an upstream's retries have.
    pub fn new(retries: &'a Retries) -> Self {
        Self(retries.delays.iter())
    }

    /// Waits because of `failure`, which it gives back when it has waited often enough.
    pub async fn rest(&mut self, failure: Failure) -> Result<()> {
        let Some(wait) = self.0.next() else { return Err(failure) };
        tracing::info!("{failure}; looking at the sheet again");
        tokio::time::sleep(*wait).await;
        Ok(())
    }
}
