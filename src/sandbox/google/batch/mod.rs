//! `spreadsheets.batchUpdate`: requests in their order, all of them or none.

mod cells;
mod lines;
mod merges;
mod paste;
mod sheets;

pub(super) use self::{merges::merge_block, paste::sort_rows};

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    error::{Outcome, Refusal},
    grid::{Axis, Block, Spreadsheet},
    mask::Mask,
    resource,
};

/// What a request comes to: what stands in `replies`, or Google's sentence.
type Reply = Result<Value, String>;

/// A kind of request.
type Work = fn(&mut Spreadsheet, &Value) -> Reply;

/// The kinds that are played; the schema refuses others.
const KINDS: [(&str, Work); 21] = [
    ("addSheet", sheets::add),
    ("deleteSheet", sheets::delete),
    ("duplicateSheet", sheets::duplicate),
    ("updateSheetProperties", sheets::update),
    ("updateSpreadsheetProperties", sheets::update_spreadsheet),
    ("insertDimension", lines::insert),
    ("appendDimension", lines::append),
    ("deleteDimension", lines::delete),
    ("moveDimension", lines::shuffle),
    ("updateDimensionProperties", lines::update),
    ("autoResizeDimensions", lines::fit),
    ("updateCells", cells::update),
    ("repeatCell", cells::repeat),
    ("updateBorders", cells::borders),
    ("setDataValidation", cells::validation),
    ("mergeCells", merges::merge),
    ("unmergeCells", merges::unmerge),
    ("copyPaste", paste::copy),
    ("cutPaste", paste::cut),
    ("sortRange", paste::sort),
    ("findReplace", paste::replace),
];

/// Applies a `BatchUpdateSpreadsheetRequest` that keeps to the schema. `mask` is the mask of the whole answer.
///
/// The ranges of the answer are looked for when the requests have been carried out: only then do the tabs and the grid
/// exist that they speak of.
pub(super) fn update(spreadsheet: &mut Spreadsheet, body: &Value, mask: Option<&Mask>) -> Outcome<Value> {
    let requests = body["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
    if requests.is_empty() {
        return Err(Refusal::invalid("Must specify at least one request."));
    }
    let mut replies = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let kinds: Vec<_> = KINDS.iter().filter(|(kind, _)| request[*kind].is_object()).collect();
        let [(kind, work)] = kinds.as_slice() else {
            return Err(Refusal::invalid(format!("Invalid requests[{index}]: No request set.")));
        };
        let reply = work(spreadsheet, &request[*kind])
            .map_err(|error| Refusal::invalid(format!("Invalid requests[{index}].{kind}: {error}")))?;
        replies.push(if reply.is_null() { json!({}) } else { json!({*kind: reply}) });
    }
    let mut answer = json!({"spreadsheetId": spreadsheet.id, "replies": replies});
    if body["includeSpreadsheetInResponse"] == true {
        let ranges = body["responseRanges"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let nothing = || Mask::Fields(BTreeMap::new());
        let wanted = resource::Wanted {
            ranges: ranges.collect(),
            cells: body["responseIncludeGridData"] == true,
            mask: mask.map(|mask| mask.of("updatedSpreadsheet").cloned().unwrap_or_else(nothing)),
        };
        answer["updatedSpreadsheet"] =
            resource::spreadsheet(spreadsheet, &wanted).map_err(Refusal::after_the_effect)?;
    }
    Ok(answer)
}

/// The whole number in field `name`, if there is one.
fn int(value: &Value, name: &str) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the schema lets only whole numbers pass")]
    value[name].as_f64().map(|number| number as i64)
}

/// The number of a row, column, tab, … in field `name`.
fn count(value: &Value, name: &str) -> Result<Option<usize>, String> {
    let Some(number) = int(value, name) else { return Ok(None) };
    usize::try_from(number).map(Some).map_err(|_| format!("{name}[{number}] must not be negative."))
}

/// The place of the tab that `sheetId` names; without one it is 0.
fn tab(spreadsheet: &Spreadsheet, value: &Value, name: &str) -> Result<usize, String> {
    let id = int(value, name).unwrap_or_default();
    let place = spreadsheet.tabs.iter().position(|tab| tab.sheet_id == id);
    place.ok_or_else(|| format!("No grid with id: {id}"))
}

/// The tab and the cells of a `GridRange`; absent ends are the grid's.
fn block(spreadsheet: &Spreadsheet, range: &Value) -> Result<(usize, Block), String> {
    if !range.is_object() {
        return Err("A range is needed.".to_owned());
    }
    let tab = tab(spreadsheet, range, "sheetId")?;
    let whole = spreadsheet.tabs[tab].block();
    let (top, left) = (count(range, "startRowIndex")?, count(range, "startColumnIndex")?);
    let (bottom, right) = (count(range, "endRowIndex")?, count(range, "endColumnIndex")?);
    let block = Block {
        top: top.unwrap_or(0),
        left: left.unwrap_or(0),
        bottom: bottom.unwrap_or(whole.bottom),
        right: right.unwrap_or(whole.right),
    };
    for (end, last, name, what) in [
        (block.bottom, whole.bottom, "endRowIndex", "row"),
        (block.right, whole.right, "endColumnIndex", "column"),
    ] {
        if end > last {
            return Err(format!("range.{name}[{end}] is after last {what} in grid[{last}]"));
        }
    }
    if block.top >= block.bottom || block.left >= block.right {
        return Err("The range is empty: its end must lie after its start.".to_owned());
    }
    Ok((tab, block))
}

/// The tab and the rows or columns of a `DimensionRange`; absent ends are the grid's.
fn lines(spreadsheet: &Spreadsheet, range: &Value) -> Result<(usize, Axis, usize, usize), String> {
    let axis = axis(range)?;
    let tab = tab(spreadsheet, range, "sheetId")?;
    let start = count(range, "startIndex")?.unwrap_or(0);
    let end = count(range, "endIndex")?.unwrap_or_else(|| spreadsheet.tabs[tab].count(axis));
    if start >= end {
        return Err(format!("range.endIndex[{end}] must be after range.startIndex[{start}]"));
    }
    Ok((tab, axis, start, end))
}

/// Rows or columns, as `dimension` says; it must be said.
fn axis(range: &Value) -> Result<Axis, String> {
    match range["dimension"].as_str() {
        Some("ROWS") => Ok(Axis::Rows),
        Some("COLUMNS") => Ok(Axis::Columns),
        _ => Err("No dimension specified.".to_owned()),
    }
}

/// The mask in `fields`, which must be given.
fn fields(value: &Value, message: &'static str) -> Result<Mask, String> {
    match value["fields"].as_str() {
        None | Some("") => {
            Err("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)".to_owned())
        }
        Some(text) => Mask::parse(text, message).map_err(|_| format!("Invalid field: {text}")),
    }
}

/// The fields of a message; none of an absent one.
fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
