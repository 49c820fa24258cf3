//! `spreadsheets.values`: plain values in and out.

use serde_json::{Map, Value, json};

use super::{
    a1,
    cells::Render,
    error::{Outcome, Refusal},
    grid::{Axis, Block, Entered, Spreadsheet},
};

/// How values are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Formatted, plain, or as formulas.
    pub(super) render: Render,
    /// Whether days and times come as they are shown, though numbers come plain.
    pub(super) dates_shown: bool,
    /// Whether the inner lists are columns.
    pub(super) columns: bool,
}

impl Wanted {
    /// Reads the three options; an unknown word is refused.
    pub(super) fn parse(render: Option<&str>, dates: Option<&str>, major: Option<&str>) -> Outcome<Self> {
        let invalid = |name: &str, word: &str| {
            Refusal::invalid(format!("Invalid value at '{name}' (TYPE_ENUM), \"{word}\""))
        };
        let render = match render {
            None | Some("FORMATTED_VALUE") => Render::Formatted,
            Some("UNFORMATTED_VALUE") => Render::Unformatted,
            Some("FORMULA") => Render::Formula,
            Some(word) => return Err(invalid("value_render_option", word)),
        };
        if let Some(word) = dates.filter(|word| !["SERIAL_NUMBER", "FORMATTED_STRING"].contains(word)) {
            return Err(invalid("date_time_render_option", word));
        }
        let columns = match major {
            None | Some("ROWS") => false,
            Some("COLUMNS") => true,
            Some(word) => return Err(invalid("major_dimension", word)),
        };
        Ok(Self { render, dates_shown: dates == Some("FORMATTED_STRING"), columns })
    }
}

/// The values of a range as a `ValueRange`: without empty cells and rows at the end, and without `values` if
/// there are none.
pub(super) fn read(spreadsheet: &Spreadsheet, range: &str, wanted: Wanted) -> Outcome<Value> {
    let region = a1::find(spreadsheet, range)?;
    Ok(values(spreadsheet, region.tab, region.block, wanted))
}

fn values(spreadsheet: &Spreadsheet, index: usize, block: Block, wanted: Wanted) -> Value {
    let tab = &spreadsheet.tabs[index];
    let used = tab.used(block, |cell| cell.entered.is_some());
    let value = |row: usize, column: usize| {
        let cell = tab.cell(row, column);
        let shown = wanted.dates_shown && cell.is_dated();
        cell.render(if shown { Render::Formatted } else { wanted.render }, spreadsheet, index)
    };
    let filled = |row: usize, column: usize| tab.cell(row, column).entered.is_some();
    let lists: Vec<Value> = if wanted.columns {
        let list = |column| {
            let last = (used.top..used.bottom).rev().find(|row| filled(*row, column));
            (used.top..last.map_or(used.top, |last| last + 1)).map(|row| value(row, column)).collect()
        };
        (used.left..used.right).map(list).collect()
    } else {
        let list = |row| {
            let last = (used.left..used.right).rev().find(|column| filled(row, *column));
            (used.left..last.map_or(used.left, |last| last + 1)).map(|column| value(row, column)).collect()
        };
        (used.top..used.bottom).map(list).collect()
    };
    let mut range = json!({
        "range": a1::write(tab, &block),
        "majorDimension": if wanted.columns { "COLUMNS" } else { "ROWS" },
    });
    if !lists.is_empty() {
        range["values"] = lists.into();
    }
    range
}

/// Writes a `ValueRange` and says what was written: an `UpdateValuesResponse`.
pub(super) fn write(
    spreadsheet: &mut Spreadsheet,
    range: &str,
    data: &Value,
    raw: bool,
    echo: Option<Wanted>,
) -> Outcome<Value> {
    let region = a1::find(spreadsheet, range)?;
    let tab = &spreadsheet.tabs[region.tab];
    if region.beyond {
        return Err(a1::exceeds(tab, range));
    }
    let by_columns = data["majorDimension"] == "COLUMNS";
    let empty = Vec::new();
    let lists = data["values"].as_array().unwrap_or(&empty);
    let (height, width) = extent(lists, by_columns);
    let mut block =
        Block { bottom: region.block.top + height, right: region.block.left + width, ..region.block };
    let fits = region.block.bottom >= block.bottom && region.block.right >= block.right;
    if !fits && !region.corner {
        let (what, number) = if block.bottom > region.block.bottom {
            ("row", format!("[{}]", region.block.bottom + 1))
        } else {
            ("column", format!("[{}]", region.block.right + 1))
        };
        return Err(Refusal::invalid(format!(
            "Requested writing within range [{}], but tried writing to {what} {number}",
            a1::write(tab, &region.block)
        )));
    }
    if !tab.block().holds(&block) {
        return Err(a1::exceeds(tab, &a1::write(tab, &block)));
    }
    let (mut cells, mut rows, mut columns) = (0, vec![false; height], vec![false; width]);
    for (outer, list) in lists.iter().enumerate() {
        for (inner, value) in list.as_array().unwrap_or(&empty).iter().enumerate() {
            // A null leaves the cell as it is.
            if value.is_null() {
                continue;
            }
            let (row, column) = if by_columns { (inner, outer) } else { (outer, inner) };
            (rows[row], columns[column]) = (true, true);
            cells += 1;
            put(spreadsheet, region.tab, (block.top + row, block.left + column), value, raw);
        }
    }
    let tab = &spreadsheet.tabs[region.tab];
    let mut response = json!({"spreadsheetId": spreadsheet.id});
    if height * width == 0 {
        block = Block { bottom: block.top + 1, right: block.left + 1, ..block };
    }
    response["updatedRange"] = a1::write(tab, &block).into();
    if cells > 0 {
        response["updatedRows"] = rows.iter().filter(|touched| **touched).count().into();
        response["updatedColumns"] = columns.iter().filter(|touched| **touched).count().into();
        response["updatedCells"] = cells.into();
    }
    if let Some(echo) = echo {
        response["updatedData"] = values(spreadsheet, region.tab, block, echo);
    }
    Ok(response)
}

/// How many rows and columns the lists of a `ValueRange` cover.
fn extent(lists: &[Value], by_columns: bool) -> (usize, usize) {
    let longest = lists.iter().map(|list| list.as_array().map_or(0, Vec::len)).max().unwrap_or_default();
    if by_columns { (longest, lists.len()) } else { (lists.len(), longest) }
}

/// Enters one value, as it is or as if it were typed.
fn put(spreadsheet: &mut Spreadsheet, tab: usize, (row, column): (usize, usize), value: &Value, raw: bool) {
    let cell = spreadsheet.tabs[tab].cell_mut(row, column);
    cell.entered = match value {
        Value::String(text) if !raw => return cell.type_text(text, &spreadsheet.locale),
        Value::String(text) => (!text.is_empty()).then(|| Entered::Text(text.clone())),
        Value::Bool(value) => Some(Entered::Bool(*value)),
        value => value.as_f64().map(Entered::Number),
    };
}

/// `values.batchUpdate`.
pub(super) fn batch_update(spreadsheet: &mut Spreadsheet, body: &Value) -> Outcome<Value> {
    let raw = raw(body["valueInputOption"].as_str())?;
    let echo = echo(body, body["includeValuesInResponse"] == true)?;
    let (mut responses, mut total) = (Vec::new(), Map::new());
    for data in body["data"].as_array().unwrap_or(&Vec::new()) {
        let range = data["range"].as_str().unwrap_or_default();
        responses.push(write(spreadsheet, range, data, raw, echo)?);
    }
    for (name, sum) in [("Rows", "updatedRows"), ("Columns", "updatedColumns"), ("Cells", "updatedCells")] {
        let sum: i64 = responses.iter().filter_map(|response| response[sum].as_i64()).sum();
        if sum > 0 {
            total.insert(format!("totalUpdated{name}"), sum.into());
        }
    }
    let mut tabs: Vec<_> = responses
        .iter()
        .filter(|response| response["updatedCells"].is_number())
        .filter_map(|response| response["updatedRange"].as_str()?.rsplit_once('!'))
        .map(|(title, _)| title)
        .collect();
    tabs.sort_unstable();
    tabs.dedup();
    if !tabs.is_empty() {
        total.insert("totalUpdatedSheets".to_owned(), tabs.len().into());
    }
    total.insert("spreadsheetId".to_owned(), spreadsheet.id.as_str().into());
    total.insert("responses".to_owned(), responses.into());
    Ok(Value::Object(total))
}

/// Whether values are entered as they are; the option must be given.
pub(super) fn raw(option: Option<&str>) -> Outcome<bool> {
    match option {
        Some("RAW") => Ok(true),
        Some("USER_ENTERED") => Ok(false),
        None => Err(Refusal::invalid("'valueInputOption' is required but not specified")),
        Some(word) => {
            Err(Refusal::invalid(format!("Invalid value at 'value_input_option' (TYPE_ENUM), \"{word}\"")))
        }
    }
}

/// How the written values are wanted back, if they are.
fn echo(body: &Value, wanted: bool) -> Outcome<Option<Wanted>> {
    let option = |name: &str| body[name].as_str();
    let echo =
        Wanted::parse(option("responseValueRenderOption"), option("responseDateTimeRenderOption"), None)?;
    Ok(wanted.then_some(echo))
}

/// Empties the cells of a range, leaving how they look, and gives the range.
pub(super) fn clear(spreadsheet: &mut Spreadsheet, range: &str) -> Outcome<Value> {
    let region = a1::find(spreadsheet, range)?;
    let tab = &mut spreadsheet.tabs[region.tab];
    let used = tab.used(region.block, |cell| cell.entered.is_some());
    for (row, column) in used.cells() {
        if tab.cell(row, column).entered.is_some() {
            tab.cell_mut(row, column).entered = None;
        }
    }
    Ok(a1::write(tab, &region.block).into())
}

/// The rows of a tab as people see them in a dump: numbers as numbers, formulas by their value.
pub(super) fn rows(spreadsheet: &Spreadsheet, tab: usize) -> Vec<Vec<Value>> {
    let block = spreadsheet.tabs[tab].block();
    let dump = values(
        spreadsheet,
        tab,
        block,
        Wanted { render: Render::Unformatted, dates_shown: false, columns: false },
    );
    let lists = dump["values"].as_array().cloned().unwrap_or_default();
    lists.into_iter().map(|list| if let Value::Array(cells) = list { cells } else { Vec::new() }).collect()
}

/// Where `append` writes `data`, and the table below which that is: below the first table in a range, at its top if there
/// is none. A table ends at an empty row; a grid that is full grows.
pub(super) fn after(
    spreadsheet: &mut Spreadsheet,
    range: &str,
    data: &Value,
) -> Outcome<(String, Option<String>)> {
    let region = a1::find(spreadsheet, range)?;
    let block = region.block;
    let tab = &mut spreadsheet.tabs[region.tab];
    let last = |row: usize| tab.rows[row].cells.iter().rposition(|cell| cell.entered.is_some());
    let top = (block.top..block.bottom).find(|row| last(*row).is_some());
    let end = |top| (top..tab.rows.len()).find(|row| last(*row).is_none()).unwrap_or(tab.rows.len());
    let row = top.map_or(block.top, end);
    let table = top.map(|top| {
        let right = (top..row).filter_map(last).max().map_or(block.left, |column| column.max(block.left));
        a1::write(tab, &Block { top, bottom: row, right: right + 1, ..block })
    });
    let lists = data["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (height, _) = extent(lists, data["majorDimension"] == "COLUMNS");
    let missing = (row + height.max(1)).saturating_sub(tab.rows.len());
    if missing > 0 {
        tab.append(Axis::Rows, missing).map_err(Refusal::invalid)?;
    }
    let cell = Block { top: row, bottom: row + 1, right: block.left + 1, ..block };
    Ok((a1::write(tab, &cell), table))
}
