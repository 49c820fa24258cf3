//! What can be done to a tab, as values that can be planned, printed and counted, and how they go over the wire.
//!
//! Text is written as text, whatever it begins with: no cell is ever parsed as if it had been typed. Nothing here can
//! write a null cell, which google-sheets4 drops, so that the cells behind it move to the left.

use google_sheets4::{
    FieldMask,
    api::{
        AddSheetRequest, AppendDimensionRequest, BooleanCondition, Border as WireBorder, CellData,
        CellFormat, Color, ConditionValue, DataValidationRule, DeleteDimensionRequest, DeleteSheetRequest,
        DimensionProperties, DimensionRange, DuplicateSheetRequest, ExtendedValue, GridCoordinate,
        GridProperties, GridRange, InsertDimensionRequest, MergeCellsRequest, MoveDimensionRequest,
        NumberFormat, RepeatCellRequest, Request, RowData, SetDataValidationRequest, SheetProperties,
        TextFormat, UnmergeCellsRequest, UpdateBordersRequest, UpdateCellsRequest,
        UpdateDimensionPropertiesRequest, UpdateSheetPropertiesRequest,
    },
};

use super::Cell;

/// Rows or columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Rows.
    Rows,
    /// Columns.
    Columns,
}

impl Axis {
    fn wire(self) -> String {
        if self == Self::Rows { "ROWS" } else { "COLUMNS" }.to_owned()
    }
}

/// Cells of a tab, from 0, ends excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rectangle {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// The row behind the last.
    pub bottom: usize,
    /// The column behind the last.
    pub right: usize,
}

/// A line beside a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// On its left.
    Left,
    /// On its right.
    Right,
}

/// How a cell looks, as far as anybody here cares.
#[expect(clippy::struct_excessive_bools, reason = "four things that a cell has or has not")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Whether the text is bold.
    pub bold: bool,
    /// Whether it is centred.
    pub centred: bool,
    /// Whether there is a medium line on the left.
    pub line_left: bool,
    /// Whether there is a medium line on the right.
    pub line_right: bool,
}

/// A format for many cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Bold and centred: headers.
    Header,
    /// Bold: the heading of a block.
    Heading,
    /// As a new cell is.
    Plain,
}

/// One change of a spreadsheet. Tabs are meant by Google's number, rows and columns count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a tab.
    AddTab {
        /// Its number.
        tab: i32,
        /// Its title.
        title: String,
        /// Whether it is hidden.
        hidden: bool,
        /// Rows of its grid.
        rows: usize,
        /// Columns of its grid.
        columns: usize,
    },
    /// Copies a tab with everything in it to a hidden one behind the others.
    CopyTab {
        /// The tab.
        tab: i32,
        /// The copy's number.
        copy: i32,
        /// The copy's title.
        title: String,
    },
    /// Removes a tab.
    DeleteTab(i32),
    /// Shows or hides a tab.
    HideTab(i32, bool),
    /// Sets how many rows stay in view.
    Freeze {
        /// The tab.
        tab: i32,
        /// The rows.
        rows: usize,
    },
    /// Inserts rows or columns.
    Insert {
        /// The tab.
        tab: i32,
        /// Which.
        axis: Axis,
        /// Before which one.
        at: usize,
        /// How many.
        count: usize,
        /// Whether they take after the one before them: at the end of the grid there is none behind.
        at_end: bool,
    },
    /// Adds rows or columns at the end of the grid.
    Append {
        /// The tab.
        tab: i32,
        /// Which.
        axis: Axis,
        /// How many.
        count: usize,
    },
    /// Moves rows or columns with everything in them.
    Move {
        /// The tab.
        tab: i32,
        /// Which.
        axis: Axis,
        /// The first one.
        from: usize,
        /// How many.
        count: usize,
        /// Before which one, counted before the move.
        to: usize,
    },
    /// Removes rows or columns with everything in them.
    Delete {
        /// The tab.
        tab: i32,
        /// Which.
        axis: Axis,
        /// The first one.
        at: usize,
        /// How many.
        count: usize,
    },
    /// Takes what is in all cells; how they look stays.
    Clear(i32),
    /// Writes cells as they are: text stays text, numbers are numbers, an empty cell is cleared. What was typed as a
    /// number is shown as one afterwards, whatever the cell showed before.
    Write {
        /// The tab.
        tab: i32,
        /// The first row.
        row: usize,
        /// The first column.
        column: usize,
        /// Row by row.
        cells: Vec<Vec<Cell>>,
    },
    /// Merges cells into one.
    Merge(i32, Rectangle),
    /// Takes merged cells apart.
    Unmerge(i32, Rectangle),
    /// Sets how cells look.
    Format(i32, Rectangle, Format),
    /// Draws a medium line along one side of each cell's column.
    Line(i32, Rectangle, Border),
    /// Sets the width and visibility of columns, or the visibility of rows.
    Dimension {
        /// The tab.
        tab: i32,
        /// Which.
        axis: Axis,
        /// The first one.
        at: usize,
        /// How many.
        count: usize,
        /// The width in pixels, if it is to change.
        pixels: Option<usize>,
        /// Whether they are hidden, if that is to change.
        hidden: Option<bool>,
    },
    /// Gives cells a drop-down over a range; other values are accepted too.
    DropDown {
        /// The tab.
        tab: i32,
        /// The cells.
        cells: Rectangle,
        /// The range, such as `='Маппинг Справочник'!$A$1:$A$9`.
        range: String,
    },
}

/// Grids have far fewer rows than this; more is a bug, not a sheet.
fn index(value: usize) -> i32 {
    i32::try_from(value).expect("rows and columns of a sheet fit into 32 bits")
}

fn span(tab: i32, axis: Axis, at: usize, count: usize) -> DimensionRange {
    DimensionRange {
        sheet_id: Some(tab),
        dimension: Some(axis.wire()),
        start_index: Some(index(at)),
        end_index: Some(index(at + count)),
    }
}

fn range(tab: i32, cells: Rectangle) -> GridRange {
    GridRange {
        sheet_id: Some(tab),
        start_row_index: Some(index(cells.top)),
        end_row_index: Some(index(cells.bottom)),
        start_column_index: Some(index(cells.left)),
        end_column_index: Some(index(cells.right)),
    }
}

fn mask(fields: &str) -> FieldMask {
    fields.parse().expect("a field mask of this file")
}

fn value(cell: &Cell) -> CellData {
    let value = match cell {
        Cell::Empty => None,
        Cell::Number(text) | Cell::Formatted(text, _) => {
            Some(ExtendedValue { number_value: text.parse().ok(), ..ExtendedValue::default() })
        }
        Cell::Text(text) => {
            Some(ExtendedValue { string_value: Some(text.clone()), ..ExtendedValue::default() })
        }
        Cell::Bool(value) => Some(ExtendedValue { bool_value: Some(*value), ..ExtendedValue::default() }),
    };
    let format = match cell {
        Cell::Formatted(_, kind) => CellFormat {
            number_format: Some(NumberFormat { type_: kind.wire(), ..NumberFormat::default() }),
            ..CellFormat::default()
        },
        _ => CellFormat::default(),
    };
    // What is left out is cleared, because the field mask names it.
    CellData { user_entered_value: value, user_entered_format: Some(format), ..CellData::default() }
}

impl Change {
    /// Whether it changes how something looks, and nothing else.
    pub fn is_look(&self) -> bool {
        matches!(
            self,
            Self::Freeze { .. }
                | Self::Merge(..)
                | Self::Unmerge(..)
                | Self::Format(..)
                | Self::Line(..)
                | Self::Dimension { .. }
        )
    }

    /// Whether no value can be lost by it or come to stand elsewhere, whatever the tab looks like when it is done. Of cells
    /// that are merged all but the first lose theirs.
    pub fn is_harmless(&self) -> bool {
        self.is_look() && !matches!(self, Self::Merge(..))
            || matches!(self, Self::Append { .. } | Self::AddTab { .. })
    }

    /// The change as Google takes it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::AddTab { .. }
            | Self::CopyTab { .. }
            | Self::DeleteTab(_)
            | Self::HideTab(..)
            | Self::Freeze { .. } => self.tab_request(),
            Self::Insert { .. }
            | Self::Append { .. }
            | Self::Move { .. }
            | Self::Delete { .. }
            | Self::Dimension { .. } => self.dimension_request(),
            _ => self.cell_request(),
        }
    }

    fn tab_request(&self) -> Request {
        let mut request = Request::default();
        match self {
            Self::AddTab { tab, title, hidden, rows, columns } => {
                let grid_properties = GridProperties {
                    row_count: Some(index(*rows)),
                    column_count: Some(index(*columns)),
                    ..GridProperties::default()
                };
                let properties = SheetProperties {
                    sheet_id: Some(*tab),
                    title: Some(title.clone()),
                    hidden: Some(*hidden),
                    grid_properties: Some(grid_properties),
                    ..SheetProperties::default()
                };
                request.add_sheet = Some(AddSheetRequest { properties: Some(properties) });
            }
            Self::CopyTab { tab, copy, title } => {
                request.duplicate_sheet = Some(DuplicateSheetRequest {
                    source_sheet_id: Some(*tab),
                    new_sheet_id: Some(*copy),
                    new_sheet_name: Some(title.clone()),
                    insert_sheet_index: None,
                });
            }
            Self::DeleteTab(tab) => request.delete_sheet = Some(DeleteSheetRequest { sheet_id: Some(*tab) }),
            Self::HideTab(tab, hidden) => {
                let properties = SheetProperties {
                    sheet_id: Some(*tab),
                    hidden: Some(*hidden),
                    ..SheetProperties::default()
                };
                request.update_sheet_properties = Some(UpdateSheetPropertiesRequest {
                    properties: Some(properties),
                    fields: Some(mask("hidden")),
                });
            }
            Self::Freeze { tab, rows } => {
                let grid =
                    GridProperties { frozen_row_count: Some(index(*rows)), ..GridProperties::default() };
                let properties = SheetProperties {
                    sheet_id: Some(*tab),
                    grid_properties: Some(grid),
                    ..SheetProperties::default()
                };
                request.update_sheet_properties = Some(UpdateSheetPropertiesRequest {
                    properties: Some(properties),
                    fields: Some(mask("gridProperties.frozenRowCount")),
                });
            }
            _ => unreachable!("only changes of tabs come here"),
        }
        request
    }

    fn dimension_request(&self) -> Request {
        let mut request = Request::default();
        match *self {
            Self::Insert { tab, axis, at, count, at_end } => {
                request.insert_dimension = Some(InsertDimensionRequest {
                    range: Some(span(tab, axis, at, count)),
                    // A row below the headers must not look like them.
                    inherit_from_before: Some(at_end),
                });
            }
            Self::Append { tab, axis, count } => {
                request.append_dimension = Some(AppendDimensionRequest {
                    sheet_id: Some(tab),
                    dimension: Some(axis.wire()),
                    length: Some(index(count)),
                });
            }
            Self::Move { tab, axis, from, count, to } => {
                request.move_dimension = Some(MoveDimensionRequest {
                    source: Some(span(tab, axis, from, count)),
                    destination_index: Some(index(to)),
                });
            }
            Self::Delete { tab, axis, at, count } => {
                request.delete_dimension =
                    Some(DeleteDimensionRequest { range: Some(span(tab, axis, at, count)) });
            }
            Self::Dimension { tab, axis, at, count, pixels, hidden } => {
                let properties = DimensionProperties {
                    pixel_size: pixels.map(index),
                    hidden_by_user: hidden,
                    ..DimensionProperties::default()
                };
                let fields = match (pixels, hidden) {
                    (Some(_), Some(_)) => "pixelSize,hiddenByUser",
                    (Some(_), None) => "pixelSize",
                    (None, _) => "hiddenByUser",
                };
                request.update_dimension_properties = Some(UpdateDimensionPropertiesRequest {
                    range: Some(span(tab, axis, at, count)),
                    properties: Some(properties),
                    fields: Some(mask(fields)),
                    ..UpdateDimensionPropertiesRequest::default()
                });
            }
            _ => unreachable!("only changes of rows and columns come here"),
        }
        request
    }

    fn cell_request(&self) -> Request {
        let mut request = Request::default();
        match self {
            Self::Write { tab, row, column, cells } => {
                let rows = cells
                    .iter()
                    .map(|row| RowData { values: Some(row.iter().map(value).collect()) })
                    .collect();
                request.update_cells = Some(UpdateCellsRequest {
                    start: Some(GridCoordinate {
                        sheet_id: Some(*tab),
                        row_index: Some(index(*row)),
                        column_index: Some(index(*column)),
                    }),
                    rows: Some(rows),
                    fields: Some(mask("userEnteredValue,userEnteredFormat.numberFormat")),
                    range: None,
                });
            }
            Self::Clear(tab) => {
                request.update_cells = Some(UpdateCellsRequest {
                    range: Some(GridRange { sheet_id: Some(*tab), ..GridRange::default() }),
                    fields: Some(mask("userEnteredValue")),
                    ..UpdateCellsRequest::default()
                });
            }
            Self::Merge(tab, cells) => {
                request.merge_cells = Some(MergeCellsRequest {
                    range: Some(range(*tab, *cells)),
                    merge_type: Some("MERGE_ALL".to_owned()),
                });
            }
            Self::Unmerge(tab, cells) => {
                request.unmerge_cells = Some(UnmergeCellsRequest { range: Some(range(*tab, *cells)) });
            }
            Self::Format(tab, cells, format) => {
                request.repeat_cell = Some(RepeatCellRequest {
                    range: Some(range(*tab, *cells)),
                    cell: Some(CellData { user_entered_format: Some(format.wire()), ..CellData::default() }),
                    fields: Some(mask(
                        "userEnteredFormat.textFormat.bold,userEnteredFormat.horizontalAlignment",
                    )),
                });
            }
            Self::Line(tab, cells, side) => {
                let line = Some(WireBorder {
                    style: Some("SOLID_MEDIUM".to_owned()),
                    color: Some(Color::default()),
                    ..WireBorder::default()
                });
                let (left, right) = if *side == Border::Left { (line, None) } else { (None, line) };
                request.update_borders = Some(UpdateBordersRequest {
                    range: Some(range(*tab, *cells)),
                    left,
                    right,
                    ..UpdateBordersRequest::default()
                });
            }
            Self::DropDown { tab, cells, range: values } => {
                let value =
                    ConditionValue { user_entered_value: Some(values.clone()), ..ConditionValue::default() };
                let condition =
                    BooleanCondition { type_: Some("ONE_OF_RANGE".to_owned()), values: Some(vec![value]) };
                request.set_data_validation = Some(SetDataValidationRequest {
                    range: Some(range(*tab, *cells)),
                    rule: Some(DataValidationRule {
                        condition: Some(condition),
                        show_custom_ui: Some(true),
                        strict: Some(false),
                        ..DataValidationRule::default()
                    }),
                    ..SetDataValidationRequest::default()
                });
            }
            _ => unreachable!("only changes of cells come here"),
        }
        request
    }
}

impl Format {
    fn wire(self) -> CellFormat {
        let (bold, alignment) = match self {
            Self::Header => (Some(true), Some("CENTER".to_owned())),
            Self::Heading => (Some(true), None),
            Self::Plain => (None, None),
        };
        CellFormat {
            text_format: bold.map(|bold| TextFormat { bold: Some(bold), ..TextFormat::default() }),
            horizontal_alignment: alignment,
            ..CellFormat::default()
        }
    }
}
