//! Field masks: `sheets(properties(sheetId,title),merges),spreadsheetId`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    error::{Outcome, Refusal},
    schema::{self, Step},
};

/// Which fields of a message are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mask {
    /// All of them.
    All,
    /// These, and what of them.
    Fields(BTreeMap<String, Mask>),
}

impl Mask {
    /// Reads a mask of `message`, whose fields must exist.
    pub(super) fn parse(text: &str, message: &'static str) -> Outcome<Self> {
        let mut reader = Reader { text, at: 0 };
        let mask = reader.list(Step::Message(message))?;
        if reader.at < text.len() || mask == Self::Fields(BTreeMap::new()) {
            return Err(reader.invalid());
        }
        Ok(mask)
    }

    /// What is meant of field `name`; none if it is not meant.
    pub(super) fn of(&self, name: &str) -> Option<&Self> {
        match self {
            Self::All => Some(&Self::All),
            Self::Fields(fields) => fields.get(name),
        }
    }

    /// Adds another mask of the same message.
    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::All, _) => {}
            (this, Self::All) => *this = Self::All,
            (Self::Fields(fields), Self::Fields(others)) => {
                for (name, mask) in others {
                    match fields.get_mut(&name) {
                        Some(known) => known.add(mask),
                        None => drop(fields.insert(name, mask)),
                    }
                }
            }
        }
    }

    /// Leaves only the fields that are meant.
    pub(super) fn prune(&self, value: &mut Value) {
        let Self::Fields(fields) = self else { return };
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.prune(item)),
            Value::Object(object) => object.retain(|name, value| {
                let Some(mask) = fields.get(name) else { return false };
                mask.prune(value);
                true
            }),
            _ => {}
        }
    }

    /// A copy of the fields that are meant.
    pub(super) fn pick(&self, object: &Map<String, Value>) -> Map<String, Value> {
        let Self::Fields(fields) = self else { return object.clone() };
        let pick = |(name, value): (&String, &Value)| {
            let mask = fields.get(name)?;
            Some((
                name.clone(),
                value.as_object().map_or_else(|| value.clone(), |object| mask.pick(object).into()),
            ))
        };
        object.iter().filter_map(pick).collect()
    }

    /// Makes the fields that are meant in `to` what they are in `from`: absent ones are removed.
    pub(super) fn copy(&self, from: &Map<String, Value>, to: &mut Map<String, Value>) {
        let Self::Fields(fields) = self else {
            to.clone_from(from);
            return;
        };
        for (name, mask) in fields {
            match (mask, from.get(name)) {
                (Self::All, Some(value)) => drop(to.insert(name.clone(), value.clone())),
                (Self::All, None) => drop(to.remove(name)),
                (Self::Fields(_), value) => {
                    let empty = Map::new();
                    let inner = to.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(inner) = inner {
                        mask.copy(value.and_then(Value::as_object).unwrap_or(&empty), inner);
                        if inner.is_empty() {
                            to.remove(name);
                        }
                    }
                }
            }
        }
    }
}

/// Reads a mask from left to right.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn invalid(&self) -> Refusal {
        Refusal::invalid(format!(
            "Request contains an invalid argument. Invalid field selection {}",
            &self.text[self.at.min(self.text.len())..]
        ))
    }

    /// `a,b(c,d),e.f` up to the end or a closing bracket.
    fn list(&mut self, of: Step) -> Outcome<Mask> {
        let mut mask = Mask::Fields(BTreeMap::new());
        loop {
            mask.add(self.path(of)?);
            if self.peek() != Some(b',') {
                return Ok(mask);
            }
            self.at += 1;
        }
    }

    /// `a`, `*`, `a.b`, `a/b`, `a(…)`.
    fn path(&mut self, of: Step) -> Outcome<Mask> {
        let length =
            self.text[self.at..].find([',', '.', '/', '(', ')']).unwrap_or_else(|| self.text.len() - self.at);
        let name = self.text[self.at..self.at + length].trim();
        if name == "*" {
            self.at += length;
            return Ok(Mask::All);
        }
        let Step::Message(message) = of else { return Err(self.invalid()) };
        let next = schema::step(message, name).ok_or_else(|| self.invalid())?;
        self.at += length;
        let inner = match self.peek() {
            Some(b'.' | b'/') => {
                self.at += 1;
                self.path(next)?
            }
            Some(b'(') => {
                self.at += 1;
                let inner = self.list(next)?;
                if self.peek() != Some(b')') {
                    return Err(self.invalid());
                }
                self.at += 1;
                inner
            }
            _ => Mask::All,
        };
        Ok(Mask::Fields([(name.to_owned(), inner)].into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pruned(mask: &str) -> Value {
        let mut value = json!({
            "spreadsheetId": "x",
            "properties": {"title": "T", "locale": "ru_RU"},
            "sheets": [
                {"properties": {"sheetId": 0, "title": "A", "index": 0}, "merges": [{"endRowIndex": 1}]},
                {"properties": {"sheetId": 5, "title": "B", "index": 1}},
            ],
        });
        Mask::parse(mask, "Spreadsheet").unwrap().prune(&mut value);
        value
    }

    #[test]
    fn masks_nest_with_brackets_and_dots() {
        let ids = json!({"sheets": [{"properties": {"sheetId": 0}}, {"properties": {"sheetId": 5}}]});
        assert_eq!(pruned("sheets.properties.sheetId"), ids);
        assert_eq!(pruned("sheets/properties(sheetId)"), ids);
        assert_eq!(pruned("sheets(properties(sheetId))"), ids);
        assert_eq!(
            pruned("sheets(properties(title),merges),sheets.properties.sheetId,properties.title"),
            json!({
                "properties": {"title": "T"},
                "sheets": [
                    {"properties": {"sheetId": 0, "title": "A"}, "merges": [{"endRowIndex": 1}]},
                    {"properties": {"sheetId": 5, "title": "B"}},
                ],
            })
        );
        assert_eq!(pruned("*"), pruned("spreadsheetId,properties,sheets"));
    }

    #[test]
    fn what_no_message_has_is_no_mask() {
        for mask in
            ["", "title", "sheets(properties", "sheets)", "sheets.properties.name", "sheets,,properties"]
        {
            assert!(Mask::parse(mask, "Spreadsheet").is_err(), "{mask}");
        }
    }

    #[test]
    fn copying_removes_what_is_meant_and_absent() {
        let mask = Mask::parse("textFormat.bold,borders", "CellFormat").unwrap();
        let object = |value: Value| value.as_object().unwrap().clone();
        let mut to = object(json!({"textFormat": {"bold": true, "italic": true}, "borders": {"top": {}}}));
        mask.copy(&object(json!({"wrapStrategy": "WRAP"})), &mut to);
        assert_eq!(Value::Object(to), json!({"textFormat": {"italic": true}}));
    }
}
