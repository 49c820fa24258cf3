//! Tabs.

use serde_json::{Map, Value, json};

use super::{Reply, count, fields, int, object, tab};
use crate::sandbox::google::{
    grid::{Axis, Spreadsheet, Tab},
    mask::Mask,
    resource,
};

/// `addSheet`
pub(super) fn add(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let wanted = &request["properties"];
    let id = id(spreadsheet, wanted, "sheetId")?;
    let title = match wanted["title"].as_str() {
        Some(title) => title.to_owned(),
        None => free_title(spreadsheet),
    };
    check_title(spreadsheet, &title, None)?;
    let place = place(spreadsheet, count(wanted, "index")?)?;
    spreadsheet.tabs.insert(place, Tab::new(id, &title));
    let mut properties = object(wanted);
    for name in ["sheetId", "title", "index", "sheetType"] {
        properties.remove(name);
    }
    change(spreadsheet, place, &Mask::All, &properties)?;
    Ok(json!({"properties": resource::properties(&spreadsheet.tabs[place], place)}))
}

/// `deleteSheet`
pub(super) fn delete(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let place = known(spreadsheet, request, "sheetId")?;
    spreadsheet.tabs.remove(place);
    some_visible(spreadsheet, "remove")?;
    Ok(Value::Null)
}

/// `duplicateSheet`
pub(super) fn duplicate(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let source = known(spreadsheet, request, "sourceSheetId")?;
    let id = id(spreadsheet, request, "newSheetId")?;
    let title = match request["newSheetName"].as_str() {
        Some(title) => title.to_owned(),
        None => copy_title(spreadsheet, source),
    };
    check_title(spreadsheet, &title, None)?;
    let place = place(spreadsheet, Some(count(request, "insertSheetIndex")?.unwrap_or(0)))?;
    let copy = Tab { sheet_id: id, title, ..spreadsheet.tabs[source].clone() };
    spreadsheet.tabs.insert(place, copy);
    Ok(json!({"properties": resource::properties(&spreadsheet.tabs[place], place)}))
}

/// `updateSheetProperties`
pub(super) fn update(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let mask = fields(request, "SheetProperties")?;
    let properties = object(&request["properties"]);
    let place = known(spreadsheet, &request["properties"], "sheetId")?;
    if let Mask::Fields(fields) = &mask
        && let Some(name) = ["sheetId", "sheetType"].iter().find(|name| fields.contains_key(**name))
    {
        return Err(format!("Field {name} cannot be changed."));
    }
    if mask.of("title").is_some() {
        let title = request["properties"]["title"].as_str().unwrap_or_default();
        check_title(spreadsheet, title, Some(place))?;
        title.clone_into(&mut spreadsheet.tabs[place].title);
    }
    change(spreadsheet, place, &mask, &properties)?;
    if mask.of("index").is_some()
        && let Some(to) = count(&request["properties"], "index")?
    {
        if to > spreadsheet.tabs.len() {
            return Err(format!("index[{to}] is too high: there are {} sheets.", spreadsheet.tabs.len()));
        }
        // "Before the move" coordinates: its own place and the next one mean the same.
        let moved = spreadsheet.tabs.remove(place);
        spreadsheet.tabs.insert(if to > place { to - 1 } else { to }, moved);
    }
    some_visible(spreadsheet, "hide")?;
    Ok(Value::Null)
}

/// `updateSpreadsheetProperties`
pub(super) fn update_spreadsheet(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let mask = fields(request, "SpreadsheetProperties")?;
    for (name, field) in [
        ("title", &mut spreadsheet.title),
        ("locale", &mut spreadsheet.locale),
        ("timeZone", &mut spreadsheet.time_zone),
    ] {
        if mask.of(name).is_some()
            && let Some(text) = request["properties"][name].as_str()
        {
            text.clone_into(field);
        }
    }
    Ok(Value::Null)
}

/// Sets the properties that `mask` means, but title and index.
fn change(
    spreadsheet: &mut Spreadsheet,
    place: usize,
    mask: &Mask,
    from: &Map<String, Value>,
) -> Result<(), String> {
    let tab = &mut spreadsheet.tabs[place];
    if mask.of("hidden").is_some() {
        tab.hidden = from.get("hidden") == Some(&Value::Bool(true));
    }
    for name in ["tabColor", "tabColorStyle", "rightToLeft"] {
        if mask.of(name).is_some() {
            match from.get(name) {
                Some(value) => drop(tab.properties.insert(name.to_owned(), value.clone())),
                None => drop(tab.properties.remove(name)),
            }
        }
    }
    let Some(mask) = mask.of("gridProperties") else { return Ok(()) };
    let grid = from.get("gridProperties").cloned().unwrap_or_default();
    for (name, frozen, axis) in
        [("rowCount", "frozenRowCount", Axis::Rows), ("columnCount", "frozenColumnCount", Axis::Columns)]
    {
        if mask.of(name).is_some()
            && let Some(size) = count(&grid, name)?
        {
            if size == 0 {
                return Err(format!("You can't delete all the {} on the sheet.", axis.name()));
            }
            tab.size(axis, size)?;
        }
        if mask.of(frozen).is_some() && (matches!(mask, Mask::Fields(_)) || grid.get(frozen).is_some()) {
            *tab.frozen(axis) = count(&grid, frozen)?.unwrap_or(0);
        }
        let edge = *tab.frozen(axis);
        if edge >= tab.count(axis) {
            return Err(format!("You can't freeze all visible {} on the sheet.", axis.name()));
        }
        if tab.merges.iter().map(|merge| merge.span(axis)).any(|(from, to)| from < edge && edge < to) {
            return Err(format!(
                "You can't freeze {} which contain only part of a merged cell.",
                axis.name()
            ));
        }
    }
    if mask.of("hideGridlines").is_some() {
        let shown = grid.get("hideGridlines") != Some(&Value::Bool(true));
        let kept = (!shown).then(|| json!({"hideGridlines": true}));
        match kept {
            Some(kept) => drop(tab.properties.insert("gridProperties".to_owned(), kept)),
            None => drop(tab.properties.remove("gridProperties")),
        }
    }
    Ok(())
}

/// The tab that field `name` names.
fn known(spreadsheet: &Spreadsheet, value: &Value, name: &str) -> Result<usize, String> {
    tab(spreadsheet, value, name)
        .map_err(|_| format!("No sheet with id: {}", int(value, name).unwrap_or_default()))
}

/// A free id, or the one that is wanted if it is free.
fn id(spreadsheet: &mut Spreadsheet, value: &Value, name: &str) -> Result<i64, String> {
    let Some(id) = int(value, name) else { return Ok(spreadsheet.free_id()) };
    if id < 0 || spreadsheet.tabs.iter().any(|tab| tab.sheet_id == id) {
        return Err(format!("Sheet with ID {id} already exists or is not allowed. Please enter another ID."));
    }
    Ok(id)
}

/// Where a new tab goes: at the end unless said.
fn place(spreadsheet: &Spreadsheet, index: Option<usize>) -> Result<usize, String> {
    let end = spreadsheet.tabs.len();
    match index {
        Some(index) if index > end => Err(format!("index[{index}] is too high: there are {end} sheets.")),
        index => Ok(index.unwrap_or(end)),
    }
}

fn check_title(spreadsheet: &Spreadsheet, title: &str, own: Option<usize>) -> Result<(), String> {
    if title.is_empty() || title.chars().count() > 100 {
        return Err("A sheet's title has 1 to 100 characters.".to_owned());
    }
    if spreadsheet.position(title).is_some_and(|place| Some(place) != own) {
        return Err(format!("A sheet with the name \"{title}\" already exists. Please enter another name."));
    }
    Ok(())
}

fn free_title(spreadsheet: &Spreadsheet) -> String {
    let titles = (1_usize..).map(|number| format!("Лист{number}"));
    titles.into_iter().find(|title| spreadsheet.position(title).is_none()).unwrap_or_default()
}

fn copy_title(spreadsheet: &Spreadsheet, source: usize) -> String {
    let source = &spreadsheet.tabs[source].title;
    let numbered = (1_usize..).map(|number| format!("Копия {source} {number}"));
    let titles = std::iter::once(format!("{source} (копия)")).chain(numbered);
    titles.into_iter().find(|title| spreadsheet.position(title).is_none()).unwrap_or_default()
}

fn some_visible(spreadsheet: &Spreadsheet, what: &str) -> Result<(), String> {
    if spreadsheet.tabs.iter().all(|tab| tab.hidden) {
        return Err(format!("You can't {what} all the visible sheets in a document."));
    }
    Ok(())
}
