//! Google Sheets: reading tabs and changing them in one step.
//!
//! - [`api`]: the client, google-sheets4 with every guard around it
//! - [`account`]: the service account
//! - [`change`]: what can be done to a tab, and how it goes over the wire
//! - `a1`: addresses
//!
//! Facts are those of the Google Sheets API v4 documentation: a `batchUpdate` is done as a whole or not at all, rows and
//! columns move with what is in them, 60 reads and 60 writes a minute and user.

pub mod a1;
pub mod account;
pub mod api;
pub mod change;

use crate::{
    config::Retries,
    error::{Failure, Result},
};
use async_trait::async_trait;
use std::time::Duration;

pub use api::Client;
pub use change::{Axis, Border, Change, Format, Look, Rectangle};

/// What a cell holds, as it is computed and not as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cell {
    /// Nothing, or the empty text.
    #[default]
    Empty,
    /// A number, as an exact decimal of at most 15 digits: Sheets computes with no more.
    Number(String),
    /// Text; also a date, as it is shown, so that `1.5` typed by a Russian hand is not taken for a day's number.
    Text(String),
    /// True or false.
    Bool(bool),
}

impl Cell {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// The text in it; nothing for the empty cell, a number's digits for a number.
    pub fn text(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Number(text) | Self::Text(text) => text,
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
        }
    }
}

/// The cells of a range, row by row; rows end where nothing follows.
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
}

/// A tab of a spreadsheet, and how it looks where that was asked for.
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
    /// Hidden rows among those asked for.
    pub hidden_rows: Vec<usize>,
    /// Width in pixels and whether hidden, of each column asked for.
    pub column_looks: Vec<(usize, bool)>,
    /// The formats of the cells asked for: row, column, look. Cells without any are left out.
    pub looks: Vec<(usize, usize, Look)>,
    /// The ranges of the drop-downs among the cells asked for: row, column, range.
    pub drop_downs: Vec<(usize, usize, String)>,
}

/// What became of a change.
#[derive(Debug)]
pub enum Written {
    /// It is done.
    Done,
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

/// One spreadsheet. Everything that could damage it or mislead the reader is guarded behind this trait: null cells,
/// scopes, titles, time limits, retries and tokens.
#[async_trait(?Send)]
pub trait Sheets {
    /// The tabs; with the looks of `ranges`, which must lie in tabs that are there.
    async fn tabs(&self, ranges: &[String]) -> Result<Vec<Tab>>;

    /// The cells of each range, in the order asked for. A tab that is not there is an error.
    async fn read(&self, ranges: &[String]) -> Result<Vec<Grid>>;

    /// Does all changes or none, in one request that is sent again only when it was surely not executed.
    async fn change(&self, changes: &[Change]) -> Result<Written>;
}
