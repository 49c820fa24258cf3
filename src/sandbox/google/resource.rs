//! `spreadsheets.get`: a spreadsheet as the API writes it (`Spreadsheet`).

use serde_json::{Map, Value, json};

use super::{
    a1::{self, Region},
    error::Outcome,
    grid::{Axis, Block, Cell, Line, Spreadsheet, Tab},
    mask::Mask,
};

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// The ranges; none for everything.
    pub(super) ranges: Vec<&'a str>,
    /// Whether cells are wanted, if there is no mask.
    pub(super) cells: bool,
    /// The field mask.
    pub(super) mask: Option<Mask>,
}

/// The spreadsheet. The mask only spares work: what else it leaves out is left out of the whole answer later.
pub(super) fn spreadsheet(spreadsheet: &Spreadsheet, wanted: &Wanted<'_>) -> Outcome<Value> {
    let regions: Vec<Region> =
        wanted.ranges.iter().map(|range| a1::find(spreadsheet, range)).collect::<Result<_, _>>()?;
    let mask = wanted.mask.as_ref().unwrap_or(&Mask::All);
    let sheets = mask.of("sheets");
    let data = match (&wanted.mask, sheets) {
        (None, _) => wanted.cells.then_some(&Mask::All),
        (Some(_), sheets) => sheets.and_then(|mask| mask.of("data")),
    };
    let mut answer = json!({
        "spreadsheetId": spreadsheet.id,
        "properties": {
            "title": spreadsheet.title,
            "locale": spreadsheet.locale,
            "autoRecalc": "ON_CHANGE",
            "timeZone": spreadsheet.time_zone,
        },
        "spreadsheetUrl": format!("https://docs.google.com/spreadsheets/d/{}/edit", spreadsheet.id),
    });
    let mut all = Vec::new();
    for (index, tab) in spreadsheet.tabs.iter().enumerate().filter(|_| sheets.is_some()) {
        let mut blocks: Vec<Block> =
            regions.iter().filter(|region| region.tab == index).map(|region| region.block).collect();
        if regions.is_empty() {
            blocks.push(tab.block());
        } else if blocks.is_empty() {
            continue;
        }
        let mut sheet = json!({"properties": properties(tab, index)});
        let merges = tab.merges.iter().filter(|merge| blocks.iter().any(|block| block.meets(merge)));
        let merges: Vec<_> = merges.map(|merge| merge.json(tab.sheet_id)).collect();
        if !merges.is_empty() {
            sheet["merges"] = merges.into();
        }
        if let Some(mask) = data {
            sheet["data"] = blocks.iter().map(|block| grid(spreadsheet, index, *block, mask)).collect();
        }
        all.push(sheet);
    }
    answer["sheets"] = all.into();
    Ok(answer)
}

/// `SheetProperties`; what is false or no frozen rows is left out, as Google does.
pub(super) fn properties(tab: &Tab, index: usize) -> Value {
    let mut grid = tab.properties.get("gridProperties").cloned().unwrap_or_else(|| json!({}));
    grid["rowCount"] = tab.rows.len().into();
    grid["columnCount"] = tab.columns.len().into();
    for (name, frozen) in [("frozenRowCount", tab.frozen_rows), ("frozenColumnCount", tab.frozen_columns)] {
        if frozen > 0 {
            grid[name] = frozen.into();
        }
    }
    let mut properties = tab.properties.clone();
    for (name, value) in [
        ("sheetId", json!(tab.sheet_id)),
        ("title", json!(tab.title)),
        ("index", json!(index)),
        ("sheetType", json!("GRID")),
        ("gridProperties", grid),
    ] {
        properties.insert(name.to_owned(), value);
    }
    if tab.hidden {
        properties.insert("hidden".to_owned(), true.into());
    }
    Value::Object(properties)
}

/// `GridData` of a block; empty rows and cells at the end are left out.
fn grid(spreadsheet: &Spreadsheet, index: usize, block: Block, mask: &Mask) -> Value {
    let tab = &spreadsheet.tabs[index];
    let mut data = Map::new();
    for (name, start) in [("startRow", block.top), ("startColumn", block.left)] {
        if start > 0 {
            data.insert(name.to_owned(), start.into());
        }
    }
    if let Some(mask) = mask.of("rowData") {
        let cells = mask.of("values");
        let used = tab.used(block, |cell| *cell != Cell::default());
        let row = |row: usize| {
            let Some(mask) = cells else { return json!({}) };
            let last =
                (used.left..used.right).rev().find(|column| *tab.cell(row, *column) != Cell::default());
            let Some(last) = last else { return json!({}) };
            let cells = (used.left..=last).map(|column| tab.cell(row, column).data(spreadsheet, index, mask));
            json!({"values": cells.collect::<Vec<_>>()})
        };
        let rows: Vec<_> = (used.top..used.bottom).map(row).collect();
        if !rows.is_empty() {
            data.insert("rowData".to_owned(), rows.into());
        }
    }
    for (name, axis) in [("rowMetadata", Axis::Rows), ("columnMetadata", Axis::Columns)] {
        if mask.of(name).is_some() {
            let (start, end) = block.span(axis);
            let lines: Vec<_> = (start..end).map(|index| line(tab.line(axis, index))).collect();
            data.insert(name.to_owned(), lines.into());
        }
    }
    Value::Object(data)
}

/// `DimensionProperties`.
fn line(line: Line) -> Value {
    if line.hidden {
        json!({"hiddenByUser": true, "pixelSize": line.pixel_size})
    } else {
        json!({"pixelSize": line.pixel_size})
    }
}
