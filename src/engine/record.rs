//! One record of an answer in canonical form.
//!
//! Canonical means: members sorted by name, insignificant white space gone, numbers as normalised decimals, strings
//! with one spelling for each character, array order kept, no Unicode normalisation. Two records are equal exactly
//! when their canonical bytes are, whatever the server's formatting; the canonical bytes are also what `raw_json`
//! holds.

use super::number;
use jiter::{Jiter, JiterError, Peek};
use std::ops::Range;

/// Nesting beyond this is refused; real records have three levels.
const MAX_DEPTH: usize = 64;

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// Not JSON.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// A record must be an object.
    #[error("a record is {0} where an object is expected")]
    NotAnObject(&'static str),
    /// A number longer than a thousand digits.
    #[error("a number has more than a thousand digits")]
    Number,
    /// Nested too deeply.
    #[error("nested more than {MAX_DEPTH} levels deep")]
    Depth,
}

/// A reusable buffer that holds one record in canonical form.
#[derive(Debug, Default)]
pub struct Record {
    text: Vec<u8>,
    members: Vec<Member>,
    scratch: Vec<u8>,
    /// How many NUL characters were replaced, which PostgreSQL cannot store.
    replaced_nuls: u64,
}

#[derive(Debug, Clone)]
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

/// A member's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `null`, or no such member.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number in normalised form.
    Number(&'a str),
    /// The inside of a string, still escaped; without a backslash it is the string itself.
    Escaped(&'a str),
    /// An object or an array.
    Nested,
}

impl Record {
    /// Reads `bytes` as one JSON object.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), BadRecord> {
        self.text.clear();
        self.members.clear();
        let mut json = Jiter::new(bytes);
        let peek = json.peek().map_err(|error| syntax(&error))?;
        if peek != Peek::Object {
            return Err(BadRecord::NotAnObject(describe(peek)));
        }
        let mut members = std::mem::take(&mut self.members);
        let outcome = self.object(&mut json, 0, &mut members);
        self.members = members;
        outcome?;
        json.finish().map_err(|error| syntax(&error))
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text).expect("written from str and ASCII only")
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Scalar<'_> {
        match self.find(name) {
            Some(member) => scalar(&self.text()[member.value.clone()]),
            None => Scalar::Null,
        }
    }

    /// The canonical text of each member as `"name":value`, in order, with its unescaped-looking name.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = self.text();
        self.members
            .iter()
            .map(move |member| (&text[member.key.clone()], &text[member.key.start - 1..member.value.end]))
    }

    /// Removes members by name, as if the upstream had not sent them.
    pub fn drop_members(&mut self, names: &[&str]) {
        if !self.members.iter().any(|member| names.contains(&self.name_of(member))) {
            return;
        }
        let kept: Vec<Member> =
            self.members.iter().filter(|member| !names.contains(&self.name_of(member))).cloned().collect();
        self.arrange(0, kept);
    }

    /// How many NUL characters were replaced by U+FFFD since the last call.
    pub fn take_replaced_nuls(&mut self) -> u64 {
        std::mem::take(&mut self.replaced_nuls)
    }

    fn name_of(&self, member: &Member) -> &str {
        &self.text()[member.key.clone()]
    }

    fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| self.text[member.key.clone()] == *name.as_bytes())
    }

    /// Writes an object's members as they come, then puts them in order.
    fn object(
        &mut self,
        json: &mut Jiter<'_>,
        depth: usize,
        members: &mut Vec<Member>,
    ) -> Result<(), BadRecord> {
        if depth == MAX_DEPTH {
            return Err(BadRecord::Depth);
        }
        let start = self.text.len();
        let mut key = json.known_object().map_err(|error| syntax(&error))?.map(|key| self.push_key(key));
        while let Some(range) = key {
            let value_start = self.text.len();
            self.value(json, depth + 1)?;
            members.push(Member { key: range, value: value_start..self.text.len() });
            key = json.next_key().map_err(|error| syntax(&error))?.map(|key| self.push_key(key));
        }
        let arranged = std::mem::take(members);
        *members = self.arrange_from(start, arranged);
        Ok(())
    }

    /// Writes `"name":` and returns where the name stands.
    fn push_key(&mut self, name: &str) -> Range<usize> {
        let mut nuls = 0;
        self.text.push(b'"');
        let start = self.text.len();
        push_escaped(&mut self.text, name, &mut nuls);
        self.replaced_nuls += nuls;
        let end = self.text.len();
        self.text.extend_from_slice(b"\":");
        start..end
    }

    fn arrange(&mut self, start: usize, members: Vec<Member>) {
        self.members = self.arrange_from(start, members);
    }

    /// Rewrites the text from `start` as one object of `members`, sorted by name; of equal names the last one wins.
    fn arrange_from(&mut self, start: usize, mut members: Vec<Member>) -> Vec<Member> {
        members.sort_by(|one, other| self.text[one.key.clone()].cmp(&self.text[other.key.clone()]));
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let mut arranged: Vec<Member> = Vec::with_capacity(members.len());
        scratch.push(b'{');
        for (position, member) in members.iter().enumerate() {
            let superseded = members
                .get(position + 1)
                .is_some_and(|next| self.text[next.key.clone()] == self.text[member.key.clone()]);
            if superseded {
                continue;
            }
            if scratch.len() > 1 {
                scratch.push(b',');
            }
            let from = member.key.start - 1;
            let shift = |offset: usize| start + scratch.len() + offset - from;
            arranged.push(Member {
                key: shift(member.key.start)..shift(member.key.end),
                value: shift(member.value.start)..shift(member.value.end),
            });
            scratch.extend_from_slice(&self.text[from..member.value.end]);
        }
        scratch.push(b'}');
        self.text.truncate(start);
        self.text.extend_from_slice(&scratch);
        self.scratch = scratch;
        arranged
    }

    fn value(&mut self, json: &mut Jiter<'_>, depth: usize) -> Result<(), BadRecord> {
        let peek = json.peek().map_err(|error| syntax(&error))?;
        match peek {
            Peek::Null => {
                json.known_null().map_err(|error| syntax(&error))?;
                self.text.extend_from_slice(b"null");
            }
            Peek::True | Peek::False => {
                let value = json.known_bool(peek).map_err(|error| syntax(&error))?;
                self.text.extend_from_slice(if value { b"true" } else { b"false" });
            }
            Peek::String => {
                let mut nuls = 0;
                self.text.push(b'"');
                push_escaped(&mut self.text, json.known_str().map_err(|error| syntax(&error))?, &mut nuls);
                self.text.push(b'"');
                self.replaced_nuls += nuls;
            }
            Peek::Array => {
                if depth == MAX_DEPTH {
                    return Err(BadRecord::Depth);
                }
                self.text.push(b'[');
                let mut next = json.known_array().map_err(|error| syntax(&error))?;
                while next.is_some() {
                    self.value(json, depth + 1)?;
                    next = json.array_step().map_err(|error| syntax(&error))?;
                    if next.is_some() {
                        self.text.push(b',');
                    }
                }
                self.text.push(b']');
            }
            Peek::Object => self.object(json, depth, &mut Vec::new())?,
            number => {
                let bytes = json.known_number_bytes(number).map_err(|error| syntax(&error))?;
                if !number::normalise_into(bytes, &mut self.text) {
                    return Err(BadRecord::Number);
                }
            }
        }
        Ok(())
    }
}

/// The canonical form of stored JSON text, for a comparison of what the database really holds.
pub fn canonical(text: &str) -> Result<String, BadRecord> {
    let mut record = Record::default();
    record.read(text.as_bytes())?;
    Ok(record.text().to_owned())
}

/// The string that `escaped`, the inside of a canonical JSON string, stands for.
pub fn unescape(escaped: &str) -> std::borrow::Cow<'_, str> {
    if escaped.as_bytes().contains(&b'\\') {
        let quoted = format!("\"{escaped}\"");
        serde_json::from_str::<String>(&quoted).expect("canonical strings are valid JSON").into()
    } else {
        escaped.into()
    }
}

fn scalar(text: &str) -> Scalar<'_> {
    match text.as_bytes()[0] {
        b'n' => Scalar::Null,
        b't' => Scalar::Bool(true),
        b'f' => Scalar::Bool(false),
        b'"' => Scalar::Escaped(&text[1..text.len() - 1]),
        b'{' | b'[' => Scalar::Nested,
        _ => Scalar::Number(text),
    }
}

/// Writes a string's characters with the shortest JSON escape each; NUL becomes U+FFFD.
fn push_escaped(out: &mut Vec<u8>, text: &str, nuls: &mut u64) {
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (position, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean..position]);
        clean = position + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0 => {
                *nuls += 1;
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[clean..]);
}

fn syntax(error: &JiterError) -> BadRecord {
    BadRecord::Syntax(crate::error::quote(&error.to_string(), 200))
}

fn describe(peek: Peek) -> &'static str {
    match peek {
        Peek::Null => "null",
        Peek::True | Peek::False => "a truth value",
        Peek::String => "a string",
        Peek::Array => "an array",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_of(text: &str) -> String {
        canonical(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn formatting_does_not_matter_and_content_does() {
        let plain = canonical_of(r#"{"b":[1,{"y":null,"x":-5e-05}],"a":"т\u0020\u0000","c":1.0}"#);
        assert_eq!(plain, "{\"a\":\"т \u{fffd}\",\"b\":[1,{\"x\":-0.00005,\"y\":null}],\"c\":1}");
        assert_eq!(
            canonical_of(" { \"c\" : 1e0, \"a\":\"т \\u0000\" , \"b\":[1.00,{\"x\":-0.00005,\"y\":null}] } "),
            plain
        );
        assert_ne!(canonical_of(r#"{"a":[1,2]}"#), canonical_of(r#"{"a":[2,1]}"#));
        assert_ne!(canonical_of(r#"{"a":"1"}"#), canonical_of(r#"{"a":1}"#));
        assert_ne!(canonical_of(r#"{"a":null}"#), canonical_of("{}"));
    }

    #[test]
    fn of_equal_names_the_last_wins() {
        assert_eq!(canonical_of(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn members_are_found_after_sorting_and_dropping() {
        let mut record = Record::default();
        record.read(r#"{"z":"last","pin":"0000","a":{"q":1},"n":12.50,"s":"q\"\\ё"}"#.as_bytes()).unwrap();
        record.drop_members(&["pin", "absent"]);
        assert_eq!(record.text(), r#"{"a":{"q":1},"n":12.5,"s":"q\"\\ё","z":"last"}"#);
        assert_eq!(record.get("pin"), Scalar::Null);
        assert_eq!(record.get("a"), Scalar::Nested);
        assert_eq!(record.get("n"), Scalar::Number("12.5"));
        assert_eq!(record.get("z"), Scalar::Escaped("last"));
        let Scalar::Escaped(escaped) = record.get("s") else { panic!("a string") };
        assert_eq!(unescape(escaped), "q\"\\ё");
        assert_eq!(record.members().last(), Some(("z", r#""z":"last""#)));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in
            ["", "[]", "1", "null", "{", r#"{"a":}"#, r#"{"a":1}x"#, r#"{"a":"\ud800"}"#, "{\"a\":\"\u{1}\"}"]
        {
            assert!(canonical(text).is_err(), "{text}");
        }
        assert!(matches!(canonical(&format!("{{\"a\":{}", "[".repeat(100))), Err(BadRecord::Depth)));
        assert!(matches!(canonical(r#"{"a":1e9999}"#), Err(BadRecord::Number)));
        let mut record = Record::default();
        assert!(record.read(b"{\"a\":\"\xff\"}").is_err());
    }
}
