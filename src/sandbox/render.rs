//! Records as the bytes that the upstreams send.

use std::{
    fmt::{self, Write as _},
    io,
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, ser::Formatter};

/// JSON with small numbers written as real answers write them: `-5e-05`.
struct Upstream;

impl Formatter for Upstream {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value == 0.0 || value.abs() >= 1e-4 {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        match text.split_once("e-") {
            Some((digits, exponent)) => write!(writer, "{digits}e-{exponent:0>2}"),
            None => writer.write_all(text.as_bytes()),
        }
    }
}

/// A JSON list of `records`.
pub(super) fn json(records: &[&Value]) -> Bytes {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Upstream);
    records.serialize(&mut serializer).expect("records are plain JSON and memory takes every write");
    out.into()
}

/// How a list of the XML interface is written.
pub(super) struct Document {
    /// The root element.
    pub(super) root: &'static str,
    /// The element of a record.
    pub(super) record: &'static str,
    /// The order of the fields that come first; the others follow by name.
    pub(super) first: &'static [&'static str],
}

/// The XML document of `records`; without records an empty root.
pub(super) fn xml(document: &Document, records: &[&Value]) -> Bytes {
    let mut out = String::from(r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#);
    out.push('\n');
    let nillable = records.iter().any(|record| has_attributes(record));
    let namespace = if nillable { r#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance""# } else { "" };
    if records.is_empty() {
        put(&mut out, format_args!("<{}{namespace}/>", document.root));
        return out.into();
    }
    put(&mut out, format_args!("<{}{namespace}>", document.root));
    for record in records {
        element(&mut out, document.record, record, document.first);
    }
    put(&mut out, format_args!("</{}>", document.root));
    out.into()
}

/// Whether an `xsi` attribute stands somewhere in the record.
fn has_attributes(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.starts_with('@') || has_attributes(value))
        }
        Value::Array(items) => items.iter().any(has_attributes),
        _ => false,
    }
}

/// One element, or several of the same name for an array.
fn element(out: &mut String, name: &str, value: &Value, first: &[&str]) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| element(out, name, item, first)),
        Value::Object(fields) => {
            out.push('<');
            out.push_str(name);
            for (attribute, value) in
                fields.iter().filter_map(|(key, value)| Some((key.strip_prefix('@')?, value)))
            {
                put(out, format_args!(" {attribute}=\""));
                escape(out, &plain(value));
                out.push('"');
            }
            let children = fields.keys().filter(|key| !key.starts_with('@')).count();
            if children == 0 {
                out.push_str("/>");
                return;
            }
            out.push('>');
            for field in first.iter().filter(|field| fields.contains_key(**field)) {
                element(out, field, &fields[*field], first);
            }
            for (field, value) in fields {
                if !field.starts_with('@') && !first.contains(&field.as_str()) {
                    element(out, field, value, first);
                }
            }
            put(out, format_args!("</{name}>"));
        }
        scalar => {
            put(out, format_args!("<{name}>"));
            escape(out, &plain(scalar));
            put(out, format_args!("</{name}>"));
        }
    }
}

/// Appends to a string, which cannot fail.
fn put(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A scalar as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Text with what XML reserves escaped.
pub(super) fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

/// What an answer of the same kind without records looks like: an empty list, or the root element alone.
pub(super) fn emptied(content_type: &str, body: &Bytes) -> Bytes {
    if !content_type.contains("xml") {
        return Bytes::from_static(b"[]");
    }
    let text = String::from_utf8_lossy(body);
    let declaration = text.find("?>").map_or(0, |end| end + 2);
    let Some(open) = text[declaration..].find('<').map(|open| declaration + open) else {
        return Bytes::new();
    };
    let name: String =
        text[open + 1..].chars().take_while(|character| !" />\r\n".contains(*character)).collect();
    format!("{}<{name}/>", &text[..open]).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_look_like_real_ones() {
        let record = json!([-0.000_05, -1.3158e-5, 0.123_456_789, 20, 1e-10]);
        assert_eq!(json(&[&record]), "[[-5e-05,-1.3158e-05,0.123456789,20,1e-10]]");
    }

    #[test]
    fn xml_repeats_nests_and_escapes() {
        let document = Document { root: "employees", record: "employee", first: &["id", "name"] };
        let record = json!({"name": "A & <B>", "id": "1", "codes": ["1", "2"], "note": null, "email": "",
            "fireDate": {"@xsi:nil": "true"}, "employee": true, "box": {"i": ["x"]}});
        let expected = concat!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
            "\n",
            r#"<employees xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><employee><id>1</id>"#,
            "<name>A &amp; &lt;B&gt;</name><box><i>x</i></box><codes>1</codes><codes>2</codes><email></email>",
            r#"<employee>true</employee><fireDate xsi:nil="true"/></employee></employees>"#,
        );
        let body = xml(&document, &[&record]);
        assert_eq!(body, expected);
        assert_eq!(emptied("application/xml", &body), xml(&document, &[]));
    }
}
