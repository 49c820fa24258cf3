//! Cells that are copied, moved, sorted and searched.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{Reply, block, count, int, tab};
use crate::sandbox::google::grid::{Block, Cell, Entered, Spreadsheet};

/// `copyPaste`: the source fills the destination, which counts as large as the source where it is smaller.
pub(super) fn copy(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (from, source) = block(spreadsheet, &request["source"])?;
    let (to, mut target) = block(spreadsheet, &request["destination"])?;
    let turned = request["pasteOrientation"] == "TRANSPOSE";
    let (height, width) =
        if turned { (source.width(), source.height()) } else { (source.height(), source.width()) };
    let times = |size: usize, by: usize| size.max(by) / by * by;
    target.bottom = target.top + times(target.height(), height);
    target.right = target.left + times(target.width(), width);
    inside(spreadsheet, to, &target)?;
    unmerged(spreadsheet, [(from, &source), (to, &target)])?;
    let kind = kind(request)?;
    let cells: Vec<Cell> = source
        .cells()
        .map(|(row, column)| spreadsheet.tabs[from].cell(row, column))
        .map(|cell| if kind == "PASTE_VALUES" { cell.settled(spreadsheet, from) } else { cell.clone() })
        .collect();
    let tab = &mut spreadsheet.tabs[to];
    for (row, column) in target.cells() {
        let (down, over) = ((row - target.top) % height, (column - target.left) % width);
        let (down, over) = if turned { (over, down) } else { (down, over) };
        paste(tab.cell_mut(row, column), &cells[down * source.width() + over], kind);
    }
    Ok(Value::Null)
}

/// `cutPaste`: the source is emptied of what is pasted.
pub(super) fn cut(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (from, source) = block(spreadsheet, &request["source"])?;
    let corner = &request["destination"];
    let to = tab(spreadsheet, corner, "sheetId")?;
    let (top, left) = (count(corner, "rowIndex")?.unwrap_or(0), count(corner, "columnIndex")?.unwrap_or(0));
    let target = Block { top, left, bottom: top + source.height(), right: left + source.width() };
    inside(spreadsheet, to, &target)?;
    unmerged(spreadsheet, [(from, &source), (to, &target)])?;
    let kind = kind(request)?;
    let mut cells = Vec::new();
    for (row, column) in source.cells() {
        let cell = spreadsheet.tabs[from].cell(row, column);
        cells.push(if kind == "PASTE_VALUES" { cell.settled(spreadsheet, from) } else { cell.clone() });
        paste(spreadsheet.tabs[from].cell_mut(row, column), &Cell::default(), kind);
    }
    for ((row, column), cell) in target.cells().zip(&cells) {
        paste(spreadsheet.tabs[to].cell_mut(row, column), cell, kind);
    }
    Ok(Value::Null)
}

/// What is pasted.
fn kind(request: &Value) -> Result<&str, String> {
    match request["pasteType"].as_str().unwrap_or("PASTE_NORMAL") {
        kind @ ("PASTE_NORMAL"
        | "PASTE_VALUES"
        | "PASTE_FORMAT"
        | "PASTE_FORMULA"
        | "PASTE_DATA_VALIDATION") => Ok(kind),
        kind => Err(format!("The sandbox does not play {kind}.")),
    }
}

/// Pastes what `kind` means of a cell into another one.
fn paste(to: &mut Cell, from: &Cell, kind: &str) {
    let all = kind == "PASTE_NORMAL";
    if all || kind == "PASTE_VALUES" || kind == "PASTE_FORMULA" {
        to.entered.clone_from(&from.entered);
    }
    if all || kind == "PASTE_FORMAT" {
        to.format.clone_from(&from.format);
    }
    if all || kind == "PASTE_DATA_VALIDATION" {
        to.validation.clone_from(&from.validation);
    }
    if all {
        to.other.clone_from(&from.other);
    }
}

/// Pasted merges would have to be merged again, which is not played.
fn unmerged(spreadsheet: &Spreadsheet, blocks: [(usize, &Block); 2]) -> Result<(), String> {
    let merged =
        |(tab, block): (usize, &Block)| spreadsheet.tabs[tab].merges.iter().any(|merge| merge.meets(block));
    if blocks.into_iter().any(merged) {
        return Err("The sandbox does not paste merged cells.".to_owned());
    }
    Ok(())
}

fn inside(spreadsheet: &Spreadsheet, tab: usize, block: &Block) -> Result<(), String> {
    if spreadsheet.tabs[tab].block().holds(block) {
        return Ok(());
    }
    Err("The destination lies beyond the grid.".to_owned())
}

/// `sortRange`
pub(super) fn sort(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (place, area) = block(spreadsheet, &request["range"])?;
    let mut keys = Vec::new();
    for key in request["sortSpecs"].as_array().into_iter().flatten() {
        let column = count(key, "dimensionIndex")?.unwrap_or(0);
        if !(area.left..area.right).contains(&column) {
            return Err(format!("dimensionIndex[{column}] is not within the range."));
        }
        keys.push((column, key["sortOrder"] == "DESCENDING"));
    }
    sort_rows(spreadsheet, place, area, &keys).map(|()| Value::Null)
}

/// Sorts the rows of a block by columns, each from the lowest or (`true`) the highest; empty cells come last. The
/// cells travel, the rows' heights do not.
pub(in crate::sandbox::google) fn sort_rows(
    spreadsheet: &mut Spreadsheet,
    place: usize,
    area: Block,
    keys: &[(usize, bool)],
) -> Result<(), String> {
    if spreadsheet.tabs[place].merges.iter().any(|merge| merge.meets(&area)) {
        return Err("You can't sort a range that contains merged cells.".to_owned());
    }
    let sheet = &*spreadsheet;
    let value = |row: usize, column: usize| sheet.tabs[place].cell(row, column).value(sheet, place);
    let mut order: Vec<(Vec<Value>, usize)> = (area.top..area.bottom)
        .map(|row| (keys.iter().map(|(column, _)| value(row, *column)).collect(), row))
        .collect();
    order.sort_by(|(left, _), (right, _)| {
        let pairs = left.iter().zip(right).zip(keys);
        pairs
            .map(|((left, right), (_, descending))| compare(left, right, *descending))
            .fold(Ordering::Equal, Ordering::then)
    });
    let tab = &mut spreadsheet.tabs[place];
    let old = tab.rows.clone();
    for (row, (_, source)) in (area.top..area.bottom).zip(order) {
        for column in area.left..area.right {
            let cell = old[source].cells.get(column).cloned().unwrap_or_default();
            if *tab.cell(row, column) != cell {
                *tab.cell_mut(row, column) = cell;
            }
        }
    }
    Ok(())
}

/// Numbers before texts before booleans; empty cells last in either direction.
fn compare(left: &Value, right: &Value, descending: bool) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        _ => 3,
    };
    match (left.is_null(), right.is_null()) {
        (false, false) => {}
        (left, right) => return left.cmp(&right),
    }
    let order = rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Value::String(left), Value::String(right)) => left.to_lowercase().cmp(&right.to_lowercase()),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
    });
    if descending { order.reverse() } else { order }
}

/// `findReplace` in texts, numbers and, if wanted, formulas; no regular expressions.
pub(super) fn replace(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let (find, with) = (text("find"), text("replacement"));
    if find.is_empty() || request["searchByRegex"] == true {
        return Err("The sandbox searches for a plain text.".to_owned());
    }
    let areas: Vec<(usize, Block)> = if request["range"].is_object() {
        vec![block(spreadsheet, &request["range"])?]
    } else if int(request, "sheetId").is_some() {
        let place = tab(spreadsheet, request, "sheetId")?;
        vec![(place, spreadsheet.tabs[place].block())]
    } else if request["allSheets"] == true {
        spreadsheet.tabs.iter().enumerate().map(|(place, tab)| (place, tab.block())).collect()
    } else {
        return Err("One of range, sheetId and allSheets is needed.".to_owned());
    };
    let search = Search {
        find: if request["matchCase"] == true { find.to_owned() } else { find.to_lowercase() },
        with,
        case: request["matchCase"] == true,
        whole: request["matchEntireCell"] == true,
    };
    let locale = spreadsheet.locale.clone();
    let (mut occurrences, mut values, mut formulas, mut rows, mut tabs) = (0, 0, 0, Vec::new(), Vec::new());
    for (place, area) in areas {
        let used = spreadsheet.tabs[place].used(area, |cell| cell.entered.is_some());
        for (row, column) in used.cells() {
            let (old, formula) = match &spreadsheet.tabs[place].cell(row, column).entered {
                Some(Entered::Text(text)) => (text.clone(), false),
                Some(Entered::Number(number)) => (number.to_string(), false),
                Some(Entered::Formula(text)) if request["includeFormulas"] == true => (text.clone(), true),
                _ => continue,
            };
            let (new, found) = search.replace(&old);
            if found == 0 {
                continue;
            }
            occurrences += found;
            *(if formula { &mut formulas } else { &mut values }) += 1;
            rows.push((place, row));
            tabs.push(place);
            spreadsheet.tabs[place].cell_mut(row, column).type_text(&new, &locale);
        }
    }
    rows.dedup();
    tabs.dedup();
    Ok(json!({
        "occurrencesChanged": occurrences,
        "valuesChanged": values,
        "formulasChanged": formulas,
        "rowsChanged": rows.len(),
        "sheetsChanged": tabs.len(),
    }))
}

/// What is searched for.
struct Search<'a> {
    find: String,
    with: &'a str,
    case: bool,
    whole: bool,
}

impl Search<'_> {
    /// The text with everything found replaced, and how often.
    fn replace(&self, text: &str) -> (String, usize) {
        let subject = if self.case { text.to_owned() } else { text.to_lowercase() };
        if self.whole {
            return if subject == self.find { (self.with.to_owned(), 1) } else { (text.to_owned(), 0) };
        }
        // Letters that change their length with their case are not found rather than cut in two.
        if subject.len() != text.len() {
            return (text.to_owned(), 0);
        }
        let places: Vec<usize> = subject.match_indices(&self.find).map(|(at, _)| at).collect();
        let mut new = String::new();
        let mut end = 0;
        for at in &places {
            new.push_str(&text[end..*at]);
            new.push_str(self.with);
            end = at + self.find.len();
        }
        new.push_str(&text[end..]);
        (new, places.len())
    }
}
