//! What cells hold and look like.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Reply, block, count, fields, tab};
use crate::sandbox::google::{
    a1,
    grid::{Block, Cell, Spreadsheet},
};

/// `updateCells`: rows of cells into a range, whose other cells lose what the mask means, or from a cell on.
pub(super) fn update(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let mask = fields(request, "CellData")?;
    let none = Vec::new();
    let rows = request["rows"].as_array().unwrap_or(&none);
    let cells = |row: &Value| row["values"].as_array().map_or(0, Vec::len);
    let width = rows.iter().map(cells).max().unwrap_or_default();
    let (place, area, all) = match (&request["start"], &request["range"]) {
        (Value::Object(_), Value::Null) => {
            let start = &request["start"];
            let place = tab(spreadsheet, start, "sheetId")?;
            let top = count(start, "rowIndex")?.unwrap_or(0);
            let left = count(start, "columnIndex")?.unwrap_or(0);
            (place, Block { top, left, bottom: top + rows.len(), right: left + width }, false)
        }
        (Value::Null, Value::Object(_)) => {
            let (place, area) = block(spreadsheet, &request["range"])?;
            (place, area, true)
        }
        _ => return Err("Either start or range is needed.".to_owned()),
    };
    let whole = spreadsheet.tabs[place].block();
    let (bottom, right) = (area.bottom.min(whole.bottom), area.right.min(whole.right));
    if area.top + rows.len() > bottom {
        return Err(format!(
            "Attempting to write row: {bottom}, beyond the last requested row of: {}",
            bottom - 1
        ));
    }
    if area.left + width > right {
        return Err(format!(
            "Attempting to write column: {right}, beyond the last requested column of: {}",
            right - 1
        ));
    }
    let empty = Map::new();
    for row in area.top..area.bottom {
        let values = rows.get(row - area.top).and_then(|row| row["values"].as_array()).unwrap_or(&none);
        let end = if all { area.right } else { area.left + values.len() };
        for column in area.left..end {
            let from = values.get(column - area.left).and_then(Value::as_object).unwrap_or(&empty);
            // Clearing what was never touched touches nothing.
            if from.is_empty() && *spreadsheet.tabs[place].cell(row, column) == Cell::default() {
                continue;
            }
            spreadsheet.tabs[place].cell_mut(row, column).update(&mask, from)?;
        }
    }
    Ok(Value::Null)
}

/// `repeatCell`
pub(super) fn repeat(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let mask = fields(request, "CellData")?;
    let (place, area) = block(spreadsheet, &request["range"])?;
    let empty = Map::new();
    let from = request["cell"].as_object().unwrap_or(&empty);
    for (row, column) in area.cells() {
        spreadsheet.tabs[place].cell_mut(row, column).update(&mask, from)?;
    }
    Ok(Value::Null)
}

/// `updateBorders`: a border that is not named stays, one of style `NONE` goes.
pub(super) fn borders(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (place, area) = block(spreadsheet, &request["range"])?;
    for (row, column) in area.cells() {
        let sides = [
            ("top", if row == area.top { "top" } else { "innerHorizontal" }),
            ("bottom", if row + 1 == area.bottom { "bottom" } else { "innerHorizontal" }),
            ("left", if column == area.left { "left" } else { "innerVertical" }),
            ("right", if column + 1 == area.right { "right" } else { "innerVertical" }),
        ];
        for (side, name) in sides {
            if request[name].is_object() {
                border(spreadsheet.tabs[place].cell_mut(row, column), side, &request[name]);
            }
        }
    }
    Ok(Value::Null)
}

/// Gives a cell a border on one side, or takes it away.
fn border(cell: &mut Cell, side: &str, border: &Value) {
    let mut format = cell.format.take().map(Arc::unwrap_or_clone).unwrap_or_default();
    let mut borders = super::object(&format.remove("borders").unwrap_or_default());
    if border["style"].is_null() || border["style"] == "NONE" {
        borders.remove(side);
    } else {
        borders.insert(side.to_owned(), border.clone());
    }
    if !borders.is_empty() {
        format.insert("borders".to_owned(), borders.into());
    }
    cell.format = (!format.is_empty()).then(|| Arc::new(format));
}

/// `setDataValidation`; without a rule it takes the rules away.
pub(super) fn validation(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (place, area) = block(spreadsheet, &request["range"])?;
    let rule = &request["rule"];
    if rule.is_object() {
        check(rule)?;
    }
    let rule = rule.is_object().then(|| Arc::new(rule.clone()));
    for (row, column) in area.cells() {
        if rule.is_some() || spreadsheet.tabs[place].cell(row, column).validation.is_some() {
            spreadsheet.tabs[place].cell_mut(row, column).validation.clone_from(&rule);
        }
    }
    Ok(Value::Null)
}

/// Whether a condition has the values that it needs. A range stands as it is typed, with `=`.
fn check(rule: &Value) -> Result<(), String> {
    let condition = &rule["condition"];
    let kind = condition["type"].as_str().ok_or("A rule needs a condition with a type.")?;
    let values: Vec<_> = condition["values"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| value["userEnteredValue"].as_str().unwrap_or_default())
        .collect();
    if kind == "ONE_OF_LIST" && values.is_empty() {
        return Err("ONE_OF_LIST needs at least one value.".to_owned());
    }
    if kind != "ONE_OF_RANGE" {
        return Ok(());
    }
    let [range] = values.as_slice() else { return Err("ONE_OF_RANGE needs exactly one value.".to_owned()) };
    let corners = range.strip_prefix('=').map(|range| range.rsplit('!').next().unwrap_or_default());
    let named = |corners: &str| corners.split(':').all(|corner| a1::cell(corner).is_some());
    if corners.is_some_and(named) {
        Ok(())
    } else {
        Err(format!("ONE_OF_RANGE: \"{range}\" is not a valid range."))
    }
}
