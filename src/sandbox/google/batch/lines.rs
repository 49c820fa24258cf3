//! Rows and columns.

use serde_json::Value;

use super::{Reply, axis, count, fields, lines, tab};
use crate::sandbox::google::{
    cells::Render,
    grid::{Axis, Line, Spreadsheet},
};

/// `insertDimension`
pub(super) fn insert(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let range = &request["range"];
    if range["startIndex"].is_null() || range["endIndex"].is_null() {
        return Err("Both startIndex and endIndex are needed.".to_owned());
    }
    let (tab, axis, start, end) = lines(spreadsheet, range)?;
    let like_before = request["inheritFromBefore"] == true;
    spreadsheet.tabs[tab].insert(axis, start, end - start, like_before).map(|()| Value::Null)
}

/// `appendDimension`
pub(super) fn append(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let axis = axis(request)?;
    let tab = tab(spreadsheet, request, "sheetId")?;
    match count(request, "length")? {
        Some(length) if length > 0 => spreadsheet.tabs[tab].append(axis, length).map(|()| Value::Null),
        _ => Err("length must be positive.".to_owned()),
    }
}

/// `deleteDimension`
pub(super) fn delete(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (tab, axis, start, end) = lines(spreadsheet, &request["range"])?;
    spreadsheet.tabs[tab].delete(axis, start, end).map(|()| Value::Null)
}

/// `moveDimension`; `destinationIndex` counts as before the move.
pub(super) fn shuffle(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (tab, axis, start, end) = lines(spreadsheet, &request["source"])?;
    let to = count(request, "destinationIndex")?.unwrap_or(0);
    spreadsheet.tabs[tab].shuffle(axis, start, end, to).map(|()| Value::Null)
}

/// `updateDimensionProperties`
pub(super) fn update(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let mask = fields(request, "DimensionProperties")?;
    let (tab, axis, start, end) = existing(spreadsheet, &request["range"])?;
    let properties = &request["properties"];
    let size = count(properties, "pixelSize")?;
    let default = if axis == Axis::Rows { Line::ROW } else { Line::COLUMN };
    for index in start..end {
        let line = spreadsheet.tabs[tab].line_mut(axis, index);
        if mask.of("pixelSize").is_some() {
            let size = size.and_then(|size| i64::try_from(size).ok());
            line.pixel_size = size.unwrap_or(default.pixel_size);
        }
        if mask.of("hiddenByUser").is_some() {
            line.hidden = properties["hiddenByUser"] == true;
        }
    }
    Ok(Value::Null)
}

/// `autoResizeDimensions`: columns become as wide as their longest text, rows as high as a line.
pub(super) fn fit(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    const PER_LETTER: i64 = 7;
    const MARGIN: i64 = 10;
    let (tab, axis, start, end) = existing(spreadsheet, &request["dimensions"])?;
    for index in start..end {
        let sheet = &spreadsheet.tabs[tab];
        let size = match axis {
            Axis::Rows => Line::ROW.pixel_size,
            Axis::Columns => {
                let cells = (0..sheet.rows.len()).map(|row| sheet.cell(row, index));
                let texts = cells.map(|cell| cell.render(Render::Formatted, spreadsheet, tab));
                let length = |text: Value| text.as_str().map_or(0, |text| text.chars().count());
                let longest = texts.map(length).max().unwrap_or_default();
                // An empty column keeps its width.
                if longest == 0 {
                    continue;
                }
                i64::try_from(longest).unwrap_or_default() * PER_LETTER + MARGIN
            }
        };
        spreadsheet.tabs[tab].line_mut(axis, index).pixel_size = size;
    }
    Ok(Value::Null)
}

/// The rows or columns of a `DimensionRange`, all of which must exist.
fn existing(spreadsheet: &Spreadsheet, range: &Value) -> Result<(usize, Axis, usize, usize), String> {
    let (tab, axis, start, end) = lines(spreadsheet, range)?;
    let size = spreadsheet.tabs[tab].count(axis);
    if end > size {
        return Err(format!("range.endIndex[{end}] is after the last of {size} {}", axis.name()));
    }
    Ok((tab, axis, start, end))
}
