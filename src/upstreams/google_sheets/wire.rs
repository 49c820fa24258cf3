//! What Google answers, as little of it as is needed: google-sheets4's own types take 3 kB for each cell.

use super::{Cell, Look, NumberKind, Rectangle, Tab};
use crate::decimal;
use serde::{Deserialize, Deserializer, de::Error as _};

/// A `Spreadsheet`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Spreadsheet {
    #[serde(default)]
    pub(super) sheets: Vec<Sheet>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sheet {
    properties: Properties,
    #[serde(default)]
    merges: Vec<Range>,
    #[serde(default)]
    data: Vec<Data>,
}

#[expect(clippy::struct_field_names, reason = "Google's names")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default)]
    sheet_id: i32,
    #[serde(default)]
    title: String,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    grid_properties: GridProperties,
}

#[expect(clippy::struct_field_names, reason = "Google's names")]
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GridProperties {
    row_count: usize,
    column_count: usize,
    frozen_row_count: usize,
}

#[expect(clippy::struct_field_names, reason = "Google's names")]
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Range {
    start_row_index: usize,
    end_row_index: usize,
    start_column_index: usize,
    end_column_index: usize,
}

#[expect(clippy::struct_field_names, reason = "Google's names")]
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Data {
    #[serde(deserialize_with = "within::<10_000_000, _>")]
    start_row: usize,
    #[serde(deserialize_with = "within::<18_278, _>")]
    start_column: usize,
    row_data: Vec<Row>,
    row_metadata: Vec<Dimension>,
    column_metadata: Vec<Dimension>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    values: Vec<CellData>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Dimension {
    pixel_size: usize,
    hidden_by_user: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CellData {
    effective_value: Option<Box<ExtendedValue>>,
    /// How a number in it is shown.
    #[serde(deserialize_with = "number_kind")]
    effective_format: NumberKind,
    #[serde(deserialize_with = "cell_look")]
    user_entered_format: Look,
    /// The range that a drop-down chooses from.
    #[serde(deserialize_with = "drop_down")]
    data_validation: Option<Box<str>>,
}

fn number_kind<'de, D: Deserializer<'de>>(from: D) -> Result<NumberKind, D::Error> {
    let format = Option::<CellFormat>::deserialize(from)?.unwrap_or_default();
    Ok(kind(&format.number_format.kind))
}

fn cell_look<'de, D: Deserializer<'de>>(from: D) -> Result<Look, D::Error> {
    Ok(look(&Option::<CellFormat>::deserialize(from)?.unwrap_or_default()))
}

fn drop_down<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<str>>, D::Error> {
    let Validation { condition } = Option::<Validation>::deserialize(from)?.unwrap_or_default();
    let of_range = || condition.values.into_iter().next().unwrap_or_default().user_entered_value.into();
    Ok((condition.kind == "ONE_OF_RANGE").then(of_range))
}

/// Exactly one of them is there; a formula only in what a person entered, never in what it comes to.
#[derive(Debug, Deserialize)]
enum ExtendedValue {
    #[serde(rename = "numberValue")]
    Number(f64),
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Bool(bool),
    #[serde(rename = "errorValue")]
    Error(ErrorValue),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorValue {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CellFormat {
    number_format: NumberFormat,
    text_format: TextFormat,
    horizontal_alignment: String,
    borders: Borders,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NumberFormat {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TextFormat {
    bold: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Borders {
    left: Border,
    right: Border,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Border {
    style: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Validation {
    condition: Condition,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    values: Vec<ConditionValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConditionValue {
    user_entered_value: String,
}

/// A place before the end of the largest sheet that Google allows: everything before it is held, filled or not.
fn within<'de, const END: usize, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let place = usize::deserialize(deserializer)?;
    if place < END { Ok(place) } else { Err(D::Error::custom("a cell lies beyond the end of every sheet")) }
}

impl From<Sheet> for Tab {
    fn from(sheet: Sheet) -> Self {
        let Properties { sheet_id, title, hidden, grid_properties: grid } = sheet.properties;
        let mut tab = Self {
            id: sheet_id,
            title,
            hidden,
            rows: grid.row_count,
            columns: grid.column_count,
            frozen_rows: grid.frozen_row_count,
            ..Self::default()
        };
        tab.merges = sheet.merges.into_iter().map(Rectangle::from).collect();
        for data in sheet.data {
            see(&mut tab, data);
        }
        tab.grid.trim();
        tab
    }
}

impl From<Range> for Rectangle {
    fn from(range: Range) -> Self {
        Self {
            top: range.start_row_index,
            left: range.start_column_index,
            bottom: range.end_row_index,
            right: range.end_column_index,
        }
    }
}

fn see(tab: &mut Tab, data: Data) {
    let (top, left) = (data.start_row, data.start_column);
    let hidden = data.row_metadata.iter().enumerate().filter(|(_, row)| row.hidden_by_user);
    tab.hidden_rows.extend(hidden.map(|(row, _)| top + row));
    if left == 0 && data.column_metadata.len() > tab.column_looks.len() {
        let look = |column: &Dimension| (column.pixel_size, column.hidden_by_user);
        tab.column_looks = data.column_metadata.iter().map(look).collect();
    }
    for (row, cells) in data.row_data.into_iter().enumerate() {
        for (column, cell) in cells.values.into_iter().enumerate() {
            see_cell(tab, top + row, left + column, cell);
        }
    }
}

fn see_cell(tab: &mut Tab, row: usize, column: usize, data: CellData) {
    if data.user_entered_format != Look::default() {
        tab.looks.insert((row, column), data.user_entered_format);
    }
    if let Some(range) = data.data_validation {
        tab.drop_downs.push((row, column, range.into()));
    }
    if let Some(value) = data.effective_value {
        tab.grid.put(row, column, cell(*value, data.effective_format));
    }
}

fn look(format: &CellFormat) -> Look {
    let is_medium = |border: &Border| border.style == "SOLID_MEDIUM";
    Look {
        bold: format.text_format.bold,
        centred: format.horizontal_alignment == "CENTER",
        line_left: is_medium(&format.borders.left),
        line_right: is_medium(&format.borders.right),
    }
}

/// How a number is shown, by Google's `NumberFormatType`.
fn kind(name: &str) -> NumberKind {
    match name {
        "DATE" | "DATE_TIME" => NumberKind::Date,
        "TIME" => NumberKind::Time,
        "PERCENT" => NumberKind::Percent,
        _ => NumberKind::Plain,
    }
}

fn cell(value: ExtendedValue, kind: NumberKind) -> Cell {
    match value {
        ExtendedValue::Text(text) if text.is_empty() => Cell::Empty,
        ExtendedValue::Text(text) => Cell::Text(text),
        ExtendedValue::Number(number) => match (decimal(number), kind) {
            (Some(text), NumberKind::Plain) => Cell::Number(text),
            (Some(text), kind) => Cell::Formatted(text, kind),
            (None, _) => Cell::Text(number.to_string()),
        },
        ExtendedValue::Bool(value) => Cell::Bool(value),
        ExtendedValue::Error(error) => Cell::Text(format!("#{}", error.kind)),
    }
}

/// A number of a cell, of which 15 digits mean something: `0.1 + 0.2` is 0.3 to whoever looks at the sheet.
pub(super) fn decimal(number: f64) -> Option<String> {
    decimal::normalise(&format!("{number:.14e}"))
}

impl NumberKind {
    /// Google's name of the format.
    pub(super) fn wire(self) -> Option<String> {
        let name = match self {
            Self::Plain => return None,
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Percent => "PERCENT",
        };
        Some(name.to_owned())
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{Cell, Spreadsheet, Tab};

    /// The tabs of an answer; none where it is no spreadsheet.
    pub(crate) fn tabs(bytes: &[u8]) -> Vec<Tab> {
        let spreadsheet = serde_json::from_slice::<Spreadsheet>(bytes).unwrap_or_default();
        let tabs: Vec<Tab> = spreadsheet.sheets.into_iter().map(Tab::from).collect();
        for tab in &tabs {
            let last = tab.grid.rows.last();
            assert!(last.is_none_or(|row| row.last().is_some_and(|cell| !cell.is_empty())), "trimmed");
            for (row, column, cell) in tab.grid.filled() {
                assert_eq!(tab.grid.get(row, column), cell);
                if let Cell::Number(text) | Cell::Formatted(text, _) = cell {
                    assert_eq!(
                        crate::decimal::normalise(text).as_ref(),
                        Some(text),
                        "a number is normalised"
                    );
                    assert_eq!(&Cell::number(text), &Cell::Number(text.clone()), "15 digits stay");
                }
            }
        }
        tabs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_see_them() {
        for (number, text) in [
            (5.0, "5"),
            (1.5, "1.5"),
            (0.1 + 0.2, "0.3"),
            (-0.5, "-0.5"),
            (1e6, "1000000"),
            (123_456_789_012_345.0, "123456789012345"),
            (0.000_000_123, "0.000000123"),
            (1e3, "1000"),
        ] {
            assert_eq!(decimal(number).as_deref(), Some(text), "{number}");
        }
    }

    #[test]
    fn a_tab_is_read_with_the_kind_of_its_numbers() {
        let json = r#"{"sheets": [{
            "properties": {"sheetId": 7, "title": "Т", "gridProperties": {"rowCount": 9, "columnCount": 4}},
            "merges": [{"sheetId": 7, "endRowIndex": 1, "startColumnIndex": 1, "endColumnIndex": 3}],
            "data": [{"startRow": 1, "startColumn": 1, "rowMetadata": [{"hiddenByUser": true}, {}], "rowData": [
                {},
                {"values": [
                    {"effectiveValue": {"numberValue": 46143}, "effectiveFormat": {"numberFormat": {"type": "DATE"}}},
                    {"effectiveValue": {"numberValue": 3}, "userEnteredFormat": {"textFormat": {"bold": true}}},
                    {"effectiveValue": {"stringValue": ""}}
                ]},
                {"values": [{}, {}]}
            ]}]
        }]}"#;
        let spreadsheet: Spreadsheet = serde_json::from_str(json).unwrap();
        let tab: Tab = spreadsheet.sheets.into_iter().next().unwrap().into();
        assert_eq!((tab.id, tab.rows, tab.columns, tab.hidden_rows.clone()), (7, 9, 4, vec![1]));
        assert_eq!(tab.merges, [Rectangle { top: 0, left: 1, bottom: 1, right: 3 }]);
        let date = Cell::Formatted("46143".to_owned(), NumberKind::Date);
        assert_eq!(tab.grid.rows.len(), 3);
        assert_eq!(tab.grid.rows[2], [Cell::Empty, date, Cell::Number("3".to_owned())]);
        assert!(tab.looks[&(2, 2)].bold);
    }
}
