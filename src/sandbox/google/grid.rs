//! Spreadsheets: tabs of rows of cells.
//!
//! Rows are shared between copies until one of them is written to, so that the copy on which a batch is tried
//! out costs little.

use std::{collections::BTreeMap, iter, sync::Arc};

use serde_json::{Map, Value, json};

/// What Google's side knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Google {
    /// The spreadsheets by their id.
    pub spreadsheets: BTreeMap<String, Spreadsheet>,
    /// Whether a `batchUpdate` whose `responseRanges` name what is not there is refused after it was carried out. The
    /// documents say that a request that is not valid changes nothing, but not whether this one counts as such.
    pub late_refusals: bool,
}

/// What the service account may do with a spreadsheet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rights {
    /// Read and write.
    #[default]
    Writer,
    /// Read.
    Reader,
    /// Nothing: it is not shared with the account (any more).
    None,
}

/// A spreadsheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Spreadsheet {
    /// Its id, as in its address.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How numbers are typed and shown: `ru_RU` has a decimal comma.
    pub locale: String,
    /// Its time zone.
    pub time_zone: String,
    /// What the service account may do with it.
    pub rights: Rights,
    /// The tabs, in their order.
    pub(super) tabs: Vec<Tab>,
    /// How many tabs it ever had; the next id is made of it.
    ids: i64,
}

/// A tab: what the API calls a sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Tab {
    /// Its id, which stays when it is renamed or moved.
    pub sheet_id: i64,
    /// Its title.
    pub title: String,
    /// Whether people do not see it.
    pub hidden: bool,
    /// How many rows at the top do not scroll.
    pub frozen_rows: usize,
    /// How many columns on the left do not scroll.
    pub frozen_columns: usize,
    pub(super) rows: Vec<Arc<Row>>,
    pub(super) columns: Vec<Line>,
    pub(super) merges: Vec<Block>,
    /// Further properties that were set, as the API writes them (`tabColor`, `rightToLeft`).
    pub(super) properties: Map<String, Value>,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) line: Line,
    /// Its cells up to the last one that was touched.
    pub(super) cells: Vec<Cell>,
}

/// What is true of a whole row or column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) pixel_size: i64,
    pub(super) hidden: bool,
}

impl Line {
    /// A row as it is in a new tab.
    pub(super) const ROW: Self = Self { pixel_size: 21, hidden: false };
    /// A column as it is in a new tab.
    pub(super) const COLUMN: Self = Self { pixel_size: 100, hidden: false };
}

/// What was typed into a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// A number; dates are numbers too.
    Number(f64),
    /// A text, not empty.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A formula with its `=`.
    Formula(String),
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// What was typed into it; none if it is empty.
    pub entered: Option<Entered>,
    /// The format that it was given, as the API writes it.
    pub format: Option<Arc<Map<String, Value>>>,
    /// The rule that it was given for what may be typed.
    pub validation: Option<Arc<Value>>,
    /// What else it was given: `note`, `textFormatRuns`.
    pub other: Option<Arc<Map<String, Value>>>,
}

/// A cell that was never touched.
pub(super) static EMPTY: Cell = Cell { entered: None, format: None, validation: None, other: None };

/// Rows or columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// From top to bottom.
    Rows,
    /// From left to right.
    Columns,
}

impl Axis {
    /// "row" or "column".
    pub(super) fn one(self) -> &'static str {
        match self {
            Self::Rows => "row",
            Self::Columns => "column",
        }
    }

    /// "rows" or "columns".
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Columns => "columns",
        }
    }
}

/// A rectangle of cells: the first row and column and those after the last, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) top: usize,
    pub(super) bottom: usize,
    pub(super) left: usize,
    pub(super) right: usize,
}

impl Block {
    /// The first and the one after the last of its rows or columns.
    pub(super) fn span(&self, axis: Axis) -> (usize, usize) {
        match axis {
            Axis::Rows => (self.top, self.bottom),
            Axis::Columns => (self.left, self.right),
        }
    }

    /// The same block with other rows or columns.
    pub(super) fn with_span(self, axis: Axis, (start, end): (usize, usize)) -> Self {
        match axis {
            Axis::Rows => Self { top: start, bottom: end, ..self },
            Axis::Columns => Self { left: start, right: end, ..self },
        }
    }

    /// How many rows it has.
    pub(super) fn height(&self) -> usize {
        self.bottom - self.top
    }

    /// How many columns it has.
    pub(super) fn width(&self) -> usize {
        self.right - self.left
    }

    /// Whether the two share a cell.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.top < other.bottom
            && other.top < self.bottom
            && self.left < other.right
            && other.left < self.right
    }

    /// Whether the whole of `other` lies in it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.top <= other.top
            && other.bottom <= self.bottom
            && self.left <= other.left
            && other.right <= self.right
    }

    /// Its cells, row by row.
    pub(super) fn cells(self) -> impl Iterator<Item = (usize, usize)> {
        (self.top..self.bottom).flat_map(move |row| (self.left..self.right).map(move |column| (row, column)))
    }

    /// As the API writes it; Google leaves out the sheet id 0.
    pub(super) fn json(&self, sheet_id: i64) -> Value {
        let mut range = json!({
            "startRowIndex": self.top,
            "endRowIndex": self.bottom,
            "startColumnIndex": self.left,
            "endColumnIndex": self.right,
        });
        if sheet_id != 0 {
            range["sheetId"] = sheet_id.into();
        }
        range
    }
}

impl Google {
    /// Adds a spreadsheet with one empty tab «Лист1», shared for writing, unless there is one of this id.
    pub fn add(&mut self, id: &str) -> &mut Spreadsheet {
        self.spreadsheets.entry(id.to_owned()).or_insert_with(|| Spreadsheet {
            id: id.to_owned(),
            title: "Песочница".to_owned(),
            locale: "ru_RU".to_owned(),
            time_zone: "Europe/Kaliningrad".to_owned(),
            rights: Rights::Writer,
            tabs: vec![Tab::new(0, "Лист1")],
            ids: 0,
        })
    }
}

impl Spreadsheet {
    /// An id for a further tab: like Google's, neither small nor in order.
    pub(super) fn free_id(&mut self) -> i64 {
        loop {
            self.ids += 1;
            let id = self.ids * 1_500_450_271 % 2_147_483_647;
            if self.tabs.iter().all(|tab| tab.sheet_id != id) {
                return id;
            }
        }
    }

    /// The place of the tab called `title`; Google compares titles without case.
    pub(super) fn position(&self, title: &str) -> Option<usize> {
        let title = title.to_lowercase();
        self.tabs.iter().position(|tab| tab.title.to_lowercase() == title)
    }
}

impl Tab {
    /// An empty tab of 1,000 rows and 26 columns.
    pub(super) fn new(sheet_id: i64, title: &str) -> Self {
        Self {
            sheet_id,
            title: title.to_owned(),
            hidden: false,
            frozen_rows: 0,
            frozen_columns: 0,
            rows: iter::repeat_n(Arc::new(Row::EMPTY), 1000).collect(),
            columns: vec![Line::COLUMN; 26],
            merges: Vec::new(),
            properties: Map::new(),
        }
    }

    /// The whole of it.
    pub(super) fn block(&self) -> Block {
        Block { top: 0, bottom: self.rows.len(), left: 0, right: self.columns.len() }
    }

    /// How many rows or columns it has.
    pub(super) fn count(&self, axis: Axis) -> usize {
        match axis {
            Axis::Rows => self.rows.len(),
            Axis::Columns => self.columns.len(),
        }
    }

    /// How many of its rows or columns are frozen.
    pub(super) fn frozen(&mut self, axis: Axis) -> &mut usize {
        match axis {
            Axis::Rows => &mut self.frozen_rows,
            Axis::Columns => &mut self.frozen_columns,
        }
    }

    /// What is true of a row or column that exists.
    pub(super) fn line(&self, axis: Axis, index: usize) -> Line {
        match axis {
            Axis::Rows => self.rows[index].line,
            Axis::Columns => self.columns[index],
        }
    }

    /// The same to be changed.
    pub(super) fn line_mut(&mut self, axis: Axis, index: usize) -> &mut Line {
        match axis {
            Axis::Rows => &mut Arc::make_mut(&mut self.rows[index]).line,
            Axis::Columns => &mut self.columns[index],
        }
    }

    /// A cell, from 0; one that was never touched is empty.
    pub(super) fn cell(&self, row: usize, column: usize) -> &Cell {
        self.rows.get(row).and_then(|row| row.cells.get(column)).unwrap_or(&EMPTY)
    }

    /// A cell to be changed; it must lie in the grid.
    pub(super) fn cell_mut(&mut self, row: usize, column: usize) -> &mut Cell {
        assert!(column < self.columns.len(), "column {column} is in the grid");
        let cells = &mut Arc::make_mut(&mut self.rows[row]).cells;
        if cells.len() <= column {
            cells.resize_with(column + 1, Cell::default);
        }
        &mut cells[column]
    }

    /// How many cells hold something.
    pub(super) fn filled(&self) -> usize {
        self.rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.entered.is_some()).count()
    }

    /// The block from A1 to the last cell that `counts`.
    pub(super) fn used(&self, within: Block, counts: impl Fn(&Cell) -> bool) -> Block {
        let mut used = Block { bottom: within.top, right: within.left, ..within };
        for row in within.top..within.bottom {
            let cells = &self.rows[row].cells;
            let end = cells.len().min(within.right);
            let last = (within.left..end).rev().find(|column| counts(&cells[*column]));
            if let Some(last) = last {
                used.bottom = row + 1;
                used.right = used.right.max(last + 1);
            }
        }
        used
    }

    /// Whether `block` would cut a merge in two.
    pub(super) fn cut_by(&self, block: &Block) -> bool {
        self.merges.iter().any(|merge| block.meets(merge) && !block.holds(merge))
    }
}

impl Row {
    /// A row of a new tab.
    pub(super) const EMPTY: Self = Self { line: Line::ROW, cells: Vec::new() };
}
