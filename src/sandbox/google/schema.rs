//! The API's messages as data, and requests checked against them.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use serde_json::Value;

use super::error::{Outcome, Refusal};

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Int,
    Number,
    Bool,
    /// A row of plain values, as in `ValueRange.values`.
    Values,
    Any,
    /// The API has it, the stand-in does not play it.
    Unplayed,
    OneOf(Vec<&'static str>),
    List(Box<Kind>),
    Message(&'static str),
}

/// The fields of a message.
type Message = BTreeMap<&'static str, Kind>;

/// All messages by name.
static SCHEMA: LazyLock<BTreeMap<&'static str, Message>> = LazyLock::new(|| {
    let lines = include_str!("schema.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(':')).map(|(name, fields)| (name, message(fields))).collect()
});

fn message(fields: &'static str) -> Message {
    let fields = fields.split_whitespace().filter_map(|field| field.split_once('='));
    fields.map(|(name, kind)| (name, parse(kind))).collect()
}

fn parse(kind: &'static str) -> Kind {
    if let Some(inner) = kind.strip_prefix('[') {
        return Kind::List(Box::new(parse(inner.trim_end_matches(']'))));
    }
    if let Some(words) = kind.strip_prefix('{') {
        return Kind::OneOf(words.trim_end_matches('}').split('|').collect());
    }
    match kind {
        "text" | "mask" => Kind::Text,
        "int" => Kind::Int,
        "number" => Kind::Number,
        "bool" => Kind::Bool,
        "values" => Kind::Values,
        "any" => Kind::Any,
        "unplayed" => Kind::Unplayed,
        message => Kind::Message(message),
    }
}

/// Where a field leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// To something without fields.
    Plain,
    /// To a message, or a list of them.
    Message(&'static str),
}

/// Where field `name` of `message` leads; none without such a field.
pub(super) fn step(message: &str, name: &str) -> Option<Step> {
    let mut kind = SCHEMA.get(message)?.get(name)?;
    while let Kind::List(inner) = kind {
        kind = inner;
    }
    Some(if let Kind::Message(message) = kind { Step::Message(message) } else { Step::Plain })
}

/// Refuses what is not a `message` as the API describes it.
pub(super) fn check(message: &str, value: &Value) -> Outcome<()> {
    fields(message, value, &mut String::new())
}

/// Checks the fields of a message that stands at `path`.
fn fields(message: &str, value: &Value, path: &mut String) -> Outcome<()> {
    let Some(object) = value.as_object() else { return Err(wrong(path, message, value)) };
    for (name, value) in object {
        let Some(kind) = SCHEMA[message].get(name.as_str()) else {
            let at = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
            return Err(Refusal::invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            )));
        };
        if value.is_null() {
            continue;
        }
        let end = path.len();
        if end > 0 {
            path.push('.');
        }
        snake(name, path);
        one(kind, value, path)?;
        path.truncate(end);
    }
    Ok(())
}

/// Checks one value that stands at `path`.
fn one(kind: &Kind, value: &Value, path: &mut String) -> Outcome<()> {
    match kind {
        Kind::Message(message) => return fields(message, value, path),
        Kind::Unplayed => return Err(Refusal::unplayed(path)),
        Kind::List(inner) => {
            let items = value.as_array().ok_or_else(|| wrong(path, "a list", value))?;
            for (index, item) in items.iter().enumerate() {
                let end = path.len();
                // Writing to a string cannot fail.
                let _ = write!(path, "[{index}]");
                one(inner, item, path)?;
                path.truncate(end);
            }
            return Ok(());
        }
        Kind::Values => {
            let cells = value.as_array().ok_or_else(|| wrong(path, "a list", value))?;
            return match cells.iter().position(|cell| cell.is_array() || cell.is_object()) {
                Some(index) => {
                    Err(Refusal::invalid(format!("Invalid {path}[{index}]: {}", short(&cells[index]))))
                }
                None => Ok(()),
            };
        }
        _ => {}
    }
    let (fits, name) = match kind {
        Kind::Text => (value.is_string(), "TYPE_STRING"),
        Kind::Int => (value.as_f64().is_some_and(|number| number.fract() == 0.0), "TYPE_INT32"),
        Kind::Number => (value.is_number(), "TYPE_DOUBLE"),
        Kind::Bool => (value.is_boolean(), "TYPE_BOOL"),
        Kind::OneOf(words) => (value.as_str().is_some_and(|word| words.contains(&word)), "TYPE_ENUM"),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(wrong(path, name, value)) }
}

fn wrong(path: &str, expected: &str, value: &Value) -> Refusal {
    Refusal::invalid(format!("Invalid value at '{path}' ({expected}), {}", short(value)))
}

/// The beginning of a value.
fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

/// Google names fields in errors as its own code does: `add_sheet`.
fn snake(name: &str, out: &mut String) {
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
}
