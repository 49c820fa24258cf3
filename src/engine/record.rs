//! One record of an answer in canonical form.
//!
//! Canonical means: members sorted by name, insignificant white space gone, numbers as normalised decimals, strings
//! with one spelling for each character, array order kept, no Unicode normalisation. Two records are equal exactly
//! when their canonical bytes are, whatever the server's formatting; the canonical bytes are also what `raw_json`
//! holds.

use super::{
    bounds::{MAX_DEPTH, MAX_NODES, Nodes},
    repair::mended,
};
use crate::decimal;
use jiter::{Jiter, JiterError, Peek};
use std::{borrow::Cow, fmt::Write as _, ops::Range};

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
    /// Too much in it.
    #[error("more than {MAX_NODES} members and elements")]
    Nodes,
}

/// A reusable buffer that holds one record in canonical form.
#[derive(Debug, Default)]
pub struct Record {
    text: String,
    /// While an object is read, its members lie on those of the objects around it; afterwards the record's own remain.
    members: Vec<Member>,
    nodes: Nodes,
    digits: Vec<u8>,
    arranged: String,
    sorted: Vec<Member>,
    /// By number of members, how the last such object was put in order: an upstream writes its records alike, so that
    /// this order is right nearly always, and checking it is cheaper than sorting.
    orders: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

impl Member {
    /// The member as `"name":value`.
    fn whole(&self) -> Range<usize> {
        self.key.start - 1..self.value.end
    }
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
    /// Reads `bytes` as one JSON object; what is no character in it becomes U+FFFD.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), BadRecord> {
        match self.parse(bytes) {
            Err(error @ BadRecord::Syntax(_)) => match mended(bytes) {
                Some(mended) => self.parse(&mended),
                None => Err(error),
            },
            read => read,
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<(), BadRecord> {
        self.text.clear();
        self.members.clear();
        self.nodes = Nodes::default();
        let mut json = Jiter::new(bytes);
        let peek = json.peek().map_err(|error| syntax(&error))?;
        if peek != Peek::Object {
            return Err(BadRecord::NotAnObject(describe(peek)));
        }
        self.object(&mut json, 0)?;
        json.finish().map_err(|error| syntax(&error))
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Scalar<'_> {
        self.get_near(name, &mut 0)
    }

    /// The value of a member that stood at `guess` in the record before; `guess` becomes where it stands now.
    pub fn get_near(&self, name: &str, guess: &mut usize) -> Scalar<'_> {
        if self.members.get(*guess).is_none_or(|member| self.name_of(member) != name) {
            // Members are sorted by name.
            match self.members.binary_search_by(|member| self.name_of(member).cmp(name)) {
                Ok(place) => *guess = place,
                Err(_) => return Scalar::Null,
            }
        }
        scalar(&self.text[self.members[*guess].value.clone()])
    }

    /// The canonical text of each member as `"name":value`, in order, with its unescaped-looking name.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|member| (self.name_of(member), &self.text[member.whole()]))
    }

    /// Removes members by name, as if the upstream had not sent them.
    pub fn drop_members(&mut self, names: &[&str]) {
        if names.is_empty() {
            return;
        }
        let before = self.members.len();
        let text = &self.text;
        self.members.retain(|member| !names.contains(&&text[member.key.clone()]));
        if self.members.len() < before {
            self.rewrite(0, 0);
        }
    }

    /// The text of a member; none when it is missing, null or nested.
    pub fn text_of(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.get(name) {
            Scalar::Escaped(escaped) => Some(unescape(escaped)),
            Scalar::Number(text) => Some(text.into()),
            Scalar::Bool(value) => Some(if value { "true" } else { "false" }.into()),
            Scalar::Null | Scalar::Nested => None,
        }
    }

    fn name_of(&self, member: &Member) -> &str {
        &self.text[member.key.clone()]
    }

    /// Writes an object's members as they come, then puts them in order where they are not. Its members stay on the
    /// stack.
    fn object(&mut self, json: &mut Jiter<'_>, depth: usize) -> Result<(), BadRecord> {
        if depth == MAX_DEPTH {
            return Err(BadRecord::Depth);
        }
        let (start, first) = (self.text.len(), self.members.len());
        self.text.push('{');
        let mut key = json.known_object().map_err(|error| syntax(&error))?.map(|key| self.push_key(key));
        while let Some(range) = key {
            let value_start = self.text.len();
            self.value(json, depth + 1)?;
            self.members.push(Member { key: range, value: value_start..self.text.len() });
            key = json.next_key().map_err(|error| syntax(&error))?.map(|key| {
                self.text.push(',');
                self.push_key(key)
            });
        }
        self.text.push('}');
        let in_order = self.members[first..]
            .windows(2)
            .all(|pair| self.text[pair[0].key.clone()] < self.text[pair[1].key.clone()]);
        if !in_order {
            self.arrange(start, first);
        }
        Ok(())
    }

    /// Writes `"name":` and returns where the name stands.
    fn push_key(&mut self, name: &str) -> Range<usize> {
        self.text.push('"');
        let start = self.text.len();
        push_escaped(&mut self.text, name);
        let end = self.text.len();
        self.text.push_str("\":");
        start..end
    }

    /// Sorts the members from the `first` on by name; of equal names the last one wins.
    fn arrange(&mut self, start: usize, first: usize) {
        let members = &self.members[first..];
        let name = |place: usize| &self.text[members[place].key.clone()];
        if self.orders.len() <= members.len() {
            self.orders.resize_with(members.len() + 1, Vec::new);
        }
        let order = &mut self.orders[members.len()];
        if order.is_empty() || order.windows(2).any(|pair| name(pair[0]) >= name(pair[1])) {
            order.clear();
            order.extend(0..members.len());
            // Equal names stay in the order of their appearance.
            order.sort_unstable_by(|one, other| name(*one).cmp(name(*other)).then(one.cmp(other)));
        }
        self.sorted.clear();
        for (position, place) in order.iter().enumerate() {
            let superseded = order.get(position + 1).is_some_and(|next| name(*next) == name(*place));
            if !superseded {
                self.sorted.push(members[*place].clone());
            }
        }
        self.members.truncate(first);
        self.members.append(&mut self.sorted);
        self.rewrite(start, first);
    }

    /// Rewrites the text from `start` as one object of the members from the `first` on.
    fn rewrite(&mut self, start: usize, first: usize) {
        self.arranged.clear();
        self.arranged.push('{');
        for member in &mut self.members[first..] {
            if self.arranged.len() > 1 {
                self.arranged.push(',');
            }
            let whole = member.whole();
            self.arranged.push_str(&self.text[whole.clone()]);
            let shift = |offset: usize| start + self.arranged.len() + offset - whole.end;
            *member = Member {
                key: shift(member.key.start)..shift(member.key.end),
                value: shift(member.value.start)..shift(member.value.end),
            };
        }
        self.arranged.push('}');
        self.text.truncate(start);
        self.text.push_str(&self.arranged);
    }

    fn value(&mut self, json: &mut Jiter<'_>, depth: usize) -> Result<(), BadRecord> {
        let peek = json.peek().map_err(|error| syntax(&error))?;
        if !self.nodes.count(0) {
            return Err(BadRecord::Nodes);
        }
        match peek {
            Peek::Null => {
                json.known_null().map_err(|error| syntax(&error))?;
                self.text.push_str("null");
            }
            Peek::True | Peek::False => {
                let value = json.known_bool(peek).map_err(|error| syntax(&error))?;
                self.text.push_str(if value { "true" } else { "false" });
            }
            Peek::String => {
                let text = json.known_str().map_err(|error| syntax(&error))?;
                self.text.push('"');
                push_escaped(&mut self.text, text);
                self.text.push('"');
            }
            Peek::Array => {
                if depth == MAX_DEPTH {
                    return Err(BadRecord::Depth);
                }
                self.text.push('[');
                let mut next = json.known_array().map_err(|error| syntax(&error))?;
                while next.is_some() {
                    self.value(json, depth + 1)?;
                    next = json.array_step().map_err(|error| syntax(&error))?;
                    if next.is_some() {
                        self.text.push(',');
                    }
                }
                self.text.push(']');
            }
            Peek::Object => {
                let around = self.members.len();
                self.object(json, depth)?;
                self.members.truncate(around);
            }
            number => {
                let bytes = json.known_number_bytes(number).map_err(|error| syntax(&error))?;
                self.digits.clear();
                if !decimal::normalise_into(bytes, &mut self.digits) {
                    return Err(BadRecord::Number);
                }
                if !self.nodes.count(self.digits.len()) {
                    return Err(BadRecord::Nodes);
                }
                self.text.push_str(std::str::from_utf8(&self.digits).expect("digits, a point and a sign"));
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
pub fn unescape(escaped: &str) -> Cow<'_, str> {
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

/// Writes a string's characters with the shortest JSON escape each; NUL, which PostgreSQL cannot store, becomes U+FFFD.
fn push_escaped(out: &mut String, text: &str) {
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let bytes = text.as_bytes();
    // Nearly every string has nothing to escape; this check has no branch in its loop.
    if !bytes.iter().fold(false, |any, byte| any | special(*byte)) {
        return out.push_str(text);
    }
    let mut clean = 0;
    for (position, byte) in bytes.iter().enumerate() {
        if !special(*byte) {
            continue;
        }
        out.push_str(&text[clean..position]);
        clean = position + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0 => out.push('\u{fffd}'),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(&text[clean..]);
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
            ["", "[]", "1", "null", "{", r#"{"a":}"#, r#"{"a":1}x"#, r#"{"a":"\q"}"#, "{\"a\":\u{1}1}"]
        {
            assert!(canonical(text).is_err(), "{text}");
        }
        assert!(matches!(canonical(&format!("{{\"a\":{}", "[".repeat(100))), Err(BadRecord::Depth)));
        assert!(matches!(canonical(r#"{"a":1e9999}"#), Err(BadRecord::Number)));
        let many =
            |element: &str| canonical(&format!("{{\"a\":[{}1]}}", format!("{element},").repeat(60_000)));
        assert!(many("true").is_ok());
        for element in ["[0]", "{\"b\":0}", "1e900"] {
            assert!(matches!(many(element), Err(BadRecord::Nodes)), "{element}");
        }
    }

    #[test]
    fn what_is_no_character_is_replaced() {
        let mut record = Record::default();
        record.read(b"{\"a\":\"x\xff\\ud83c\x01\\u0000\"}").unwrap();
        assert_eq!(record.text(), "{\"a\":\"x\u{fffd}\u{fffd}\\u0001\u{fffd}\"}");
    }
}
