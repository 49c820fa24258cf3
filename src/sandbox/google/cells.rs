//! Cells as the API writes them (`CellData`).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    formula,
    grid::{Cell, Entered, Spreadsheet},
    mask::Mask,
    typed::{json_number, pattern, shown},
};

/// The fields of a cell that nobody can write.
const READ_ONLY: [&str; 4] = ["effectiveValue", "effectiveFormat", "formattedValue", "hyperlink"];

/// How values are read: `ValueRenderOption`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Render {
    /// As they are shown.
    Formatted,
    /// As numbers, booleans and texts.
    Unformatted,
    /// Formulas as they were typed.
    Formula,
}

impl Cell {
    /// Makes what `mask` means of it what it is in `from`, a `CellData`.
    pub(super) fn update(&mut self, mask: &Mask, from: &Map<String, Value>) -> Result<(), String> {
        let wanted =
            |name: &str| mask.of(name).map(|mask| (mask, from.get(name).filter(|value| !value.is_null())));
        if let Mask::Fields(fields) = mask
            && let Some(name) = READ_ONLY.iter().find(|name| fields.contains_key(**name))
        {
            return Err(format!("Field {name} is read-only."));
        }
        if let Some((_, value)) = wanted("userEnteredValue") {
            self.entered = value.map_or(Ok(None), entered)?;
        }
        if let Some((mask, format)) = wanted("userEnteredFormat") {
            let empty = Map::new();
            let mut merged = self.format.take().map(Arc::unwrap_or_clone).unwrap_or_default();
            mask.copy(format.and_then(Value::as_object).unwrap_or(&empty), &mut merged);
            self.format = (!merged.is_empty()).then(|| Arc::new(merged));
        }
        if let Some((_, rule)) = wanted("dataValidation") {
            self.validation = rule.cloned().map(Arc::new);
        }
        for name in ["note", "textFormatRuns", "pivotTable"] {
            if let Some((_, value)) = wanted(name)
                && (value.is_some() || self.other.is_some())
            {
                let mut other = self.other.take().map(Arc::unwrap_or_clone).unwrap_or_default();
                match value {
                    Some(value) => drop(other.insert(name.to_owned(), value.clone())),
                    None => drop(other.remove(name)),
                }
                self.other = (!other.is_empty()).then(|| Arc::new(other));
            }
        }
        Ok(())
    }

    /// The cell as `CellData`, as far as `mask` wants it.
    pub(super) fn data(&self, spreadsheet: &Spreadsheet, tab: usize, mask: &Mask) -> Value {
        let mut data = Map::new();
        let mut put = |name: &str, value: &dyn Fn() -> Value| {
            if mask.of(name).is_some() {
                data.insert(name.to_owned(), value());
            }
        };
        if let Some(entered) = &self.entered {
            put("userEnteredValue", &|| match entered {
                Entered::Formula(formula) => json!({"formulaValue": formula}),
                _ => extended(&self.value(spreadsheet, tab)),
            });
            put("effectiveValue", &|| extended(&self.value(spreadsheet, tab)));
            put("formattedValue", &|| self.render(Render::Formatted, spreadsheet, tab));
        }
        if let Some(format) = &self.format {
            let pick = |name: &str, format: &Map<String, Value>| -> Value {
                mask.of(name).map_or_else(Map::new, |mask| mask.pick(format)).into()
            };
            put("userEnteredFormat", &|| pick("userEnteredFormat", format));
            put("effectiveFormat", &|| pick("effectiveFormat", &effective(format, &spreadsheet.locale)));
        }
        if let Some(rule) = &self.validation {
            put("dataValidation", &|| (**rule).clone());
        }
        for (name, value) in self.other.iter().flat_map(|other| other.iter()) {
            put(name, &|| value.clone());
        }
        Value::Object(data)
    }

    /// What it comes to: a number, a boolean, a text, or null; the error of a formula as a text like `#REF!`.
    pub(super) fn value(&self, spreadsheet: &Spreadsheet, tab: usize) -> Value {
        match &self.entered {
            None => Value::Null,
            Some(Entered::Number(number)) => json_number(*number),
            Some(Entered::Text(text)) => text.as_str().into(),
            Some(Entered::Bool(value)) => (*value).into(),
            Some(Entered::Formula(text)) => formula::value(spreadsheet, tab, text),
        }
    }

    /// The cell with the value of its formula in the place of the formula.
    pub(super) fn settled(&self, spreadsheet: &Spreadsheet, tab: usize) -> Self {
        let entered = match self.value(spreadsheet, tab) {
            Value::Number(number) => number.as_f64().map(Entered::Number),
            Value::String(text) if matches!(self.entered, Some(Entered::Formula(_))) => {
                Some(Entered::Text(text))
            }
            _ => self.entered.clone(),
        };
        Self { entered, ..self.clone() }
    }

    /// What the values endpoints say of it; empty text for an empty cell.
    pub(super) fn render(&self, render: Render, spreadsheet: &Spreadsheet, tab: usize) -> Value {
        match (render, &self.entered) {
            (_, None) => "".into(),
            (Render::Formula, Some(Entered::Formula(text))) => text.as_str().into(),
            (Render::Formatted, Some(_)) => {
                shown(&self.value(spreadsheet, tab), self, &spreadsheet.locale).into()
            }
            _ => self.value(spreadsheet, tab),
        }
    }
}

/// A format as it has effect: a number format without a pattern has the locale's.
fn effective(format: &Map<String, Value>, locale: &str) -> Map<String, Value> {
    let mut format = format.clone();
    if let Some(number) = format.get_mut("numberFormat").and_then(Value::as_object_mut)
        && !number.contains_key("pattern")
        && let Some(pattern) = number["type"].as_str().and_then(|kind| pattern(kind, locale))
    {
        number.insert("pattern".to_owned(), pattern.into());
    }
    format
}

/// A value as `ExtendedValue`.
fn extended(value: &Value) -> Value {
    match value {
        Value::Number(_) => json!({"numberValue": value}),
        Value::Bool(_) => json!({"boolValue": value}),
        Value::String(text) if formula::ERRORS.contains(&text.as_str()) => {
            json!({"errorValue": {"type": "ERROR", "message": text}})
        }
        _ => json!({"stringValue": value}),
    }
}

/// What an `ExtendedValue` enters.
fn entered(value: &Value) -> Result<Option<Entered>, String> {
    let fields = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let fields: Vec<_> = fields.collect();
    let [(name, value)] = fields.as_slice() else {
        return if fields.is_empty() {
            Ok(None)
        } else {
            Err("ExtendedValue holds one value only.".to_owned())
        };
    };
    let text = value.as_str().unwrap_or_default();
    Ok(match name.as_str() {
        "numberValue" => value.as_f64().map(Entered::Number),
        "boolValue" => value.as_bool().map(Entered::Bool),
        "stringValue" => (!text.is_empty()).then(|| Entered::Text(text.to_owned())),
        "formulaValue" if text.starts_with('=') => Some(Entered::Formula(text.to_owned())),
        "formulaValue" => return Err("A formula must begin with '='.".to_owned()),
        _ => return Err(format!("Field {name} is read-only.")),
    })
}
