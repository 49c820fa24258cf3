//! iiko's XML lists: the direct children of one root element, as JSON records.
//!
//! Only direct children are records: an `<employee>` holds a flag element of the same name. An element that repeats
//! becomes a list, an empty one null. A foreign root, a DOCTYPE, another encoding than UTF-8, a second root or a
//! missing end are refused, because a serde parser would read any of them as an empty list.
//!
//! - `frame`: where a record begins and ends
//!
//! A character that is none, and a reference to one, becomes U+FFFD. A record that is not well-formed is handed on as what
//! it is: read with leniency, it would seem to lack what it only spells wrong.

mod frame;

use self::frame::{BadFrame, Framer};
use crate::{
    engine::bounds::{MAX_DEPTH, MAX_NODES, Nodes},
    error::{Failure, Kind, Result, quote},
    http::{Answer, Trouble},
};
use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};

/// A tag with more attributes than this is refused; real ones have one. Each is compared with those before it.
const MAX_ATTRIBUTES: usize = 64;

/// What a list looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// The root element; none for any that holds records.
    pub(super) root: Option<&'static str>,
    /// The record elements.
    pub(super) record: &'static str,
    /// Child elements that are a list also when there is only one.
    pub(super) lists: &'static [&'static str],
}

/// A record of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Record<'a> {
    /// As JSON.
    Whole(&'a [u8]),
    /// Not well-formed, or too large: its bytes or their beginning, and why.
    Broken(&'a [u8], &'a str),
}

/// Hands each record of the answer to `on_record`.
pub(super) async fn records(
    mut answer: Answer,
    form: Form,
    mut on_record: impl FnMut(Record<'_>) -> Result<()>,
) -> Result<(), Trouble> {
    let label = answer.label.clone();
    let refused = |bad: BadFrame| refused(&label, bad);
    let limit = answer.max_record;
    let mut framer = Framer::new(form, limit);
    let mut take = |bytes: &[u8], broken: Option<&'static str>| {
        let read = broken.map_or_else(|| read(bytes, form.lists), |why| Err(why.to_owned()));
        let taken = match &read {
            Ok(json) => on_record(Record::Whole(json)),
            Err(why) => on_record(Record::Broken(bytes, why)),
        };
        taken.map_err(Stop::Record)
    };
    while let Some(chunk) = answer.chunk().await? {
        framer.feed(&chunk, &mut take).map_err(|stop| match stop {
            Stop::Frame(bad) => refused(bad),
            Stop::Record(failure) => Trouble::fatal(failure),
        })?;
        if framer.waiting() > limit {
            return Err(refused(BadFrame::Foreign(format!("it holds markup of more than {limit} bytes"))));
        }
    }
    framer.finish().map_err(refused)
}

/// Why no further record is read.
enum Stop {
    Frame(BadFrame),
    Record(Failure),
}

impl From<BadFrame> for Stop {
    fn from(bad: BadFrame) -> Self {
        Self::Frame(bad)
    }
}

fn refused(label: &str, bad: BadFrame) -> Trouble {
    let failure = |text: &str| {
        Failure::new(Kind::InvalidAnswer, format!("{label}: {text}"))
            .hint("nothing was changed; check IIKO_BASE_URL and the server's version")
    };
    match bad {
        BadFrame::Cut => Trouble::transient(failure("the answer is cut: its root element is not closed")),
        BadFrame::Foreign(why) => {
            Trouble::fatal(failure(&format!("the answer is not the expected list: {why}")))
        }
        BadFrame::Uncertain(why) => {
            let text =
                format!("the answer is not valid XML, and where its records end would be a guess: {why}");
            Trouble::transient(failure(&text))
        }
    }
}

/// The text of a record's element as far as it can be told of one that is not well-formed.
pub(super) fn element(record: &[u8], name: &str) -> Option<String> {
    let start = format!("<{name}>");
    let begin = memchr::memmem::find(record, start.as_bytes())? + start.len();
    let text = &record[begin..];
    let text = String::from_utf8_lossy(&text[..memchr::memchr(b'<', text)?]).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Map<String, Value>,
    is_nil: bool,
}

/// A record as JSON, or why it is not well-formed.
fn read(bytes: &[u8], lists: &[&str]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    // The open elements, the record first.
    let mut stack: Vec<Element> = Vec::new();
    let mut nodes = Nodes::default();
    loop {
        let event = reader.read_event().map_err(|error| quote(&error.to_string(), 120))?;
        match event {
            Event::Start(_) if !nodes.count(0) => return Err(format!("more than {MAX_NODES} elements")),
            Event::Start(start) if stack.len() < MAX_DEPTH => stack.push(open(&start)?),
            Event::Start(_) => return Err(format!("nested more than {MAX_DEPTH} levels deep")),
            Event::End(_) => {
                let element = stack.pop().ok_or("it closes what it did not open")?;
                match stack.last_mut() {
                    Some(parent) => parent.take(element, lists),
                    None => return Ok(serde_json::to_vec(&element.children).expect("a map of JSON values")),
                }
            }
            Event::Text(text) => push(&mut stack, &text.xml10_content()),
            Event::CData(text) => push(&mut stack, &text.xml10_content()),
            Event::GeneralRef(name) => push(&mut stack, &resolve(&name)?),
            Event::Eof => return Err("its tags do not pair up".to_owned()),
            // The frame has refused declarations, and empty elements are expanded.
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) | Event::Empty(_) => {}
        }
    }
}

fn open(start: &BytesStart<'_>) -> Result<Element, String> {
    let name = start.name().as_ref().to_owned();
    check_name(&name)?;
    let mut is_nil = false;
    for (number, attribute) in start.attributes().enumerate() {
        if number == MAX_ATTRIBUTES {
            return Err(format!("<{}> has more than {MAX_ATTRIBUTES} attributes", quote(&name, 60)));
        }
        let attribute = attribute.map_err(|error| format!("in <{}>: {error}", quote(&name, 60)))?;
        check_name(attribute.key.as_ref())?;
        for reference in attribute.value.split('&').skip(1) {
            let (name, _) = reference.split_once(';').ok_or("an `&` begins no reference")?;
            resolve(name)?;
        }
        is_nil |= attribute.key.as_ref() == "xsi:nil" && *attribute.value == *"true";
    }
    Ok(Element { name, is_nil, ..Element::default() })
}

/// A name with anything else in it is another name than the one that was meant.
fn check_name(name: &str) -> Result<(), String> {
    let is_first = |first: char| first.is_alphabetic() || matches!(first, '_' | ':');
    let is_part = |part: char| part.is_alphanumeric() || matches!(part, '_' | ':' | '.' | '-' | '\u{b7}');
    if name.starts_with(is_first) && name.chars().all(is_part) {
        return Ok(());
    }
    Err(format!("`{}` is no name", quote(name, 60)))
}

/// What a reference stands for: the character that it numbers, U+FFFD where there is none of that number, or the entity of
/// that name.
fn resolve(reference: &str) -> Result<String, String> {
    let unknown = || format!("`&{};` is not known", quote(reference, 20));
    let Some(number) = reference.strip_prefix('#') else {
        return resolve_xml_entity(reference).map(str::to_owned).ok_or_else(unknown);
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(unknown());
    }
    let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    Ok(character.filter(|character| *character != '\0').unwrap_or(char::REPLACEMENT_CHARACTER).to_string())
}

fn push(stack: &mut [Element], text: &str) {
    if let Some(element) = stack.last_mut() {
        element.text.push_str(text);
    }
}

impl Element {
    fn take(&mut self, child: Self, lists: &[&str]) {
        let name = child.name.clone();
        let value = child.into_value();
        match self.children.get_mut(&name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None if lists.contains(&name.as_str()) => {
                drop(self.children.insert(name, Value::Array(vec![value])));
            }
            None => drop(self.children.insert(name, value)),
        }
    }

    fn into_value(self) -> Value {
        if !self.children.is_empty() {
            return Value::Object(self.children);
        }
        if self.is_nil || self.text.is_empty() { Value::Null } else { Value::String(self.text) }
    }
}

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzed {
    use super::{BadFrame, Form, Framer, Map, Value, element, read};

    /// A record's bytes, and its JSON where it is well-formed.
    pub(in crate::upstreams::iiko) type Told = (Vec<u8>, Option<Vec<u8>>);

    /// The records of an answer that comes in these pieces, each with its JSON where it is well-formed; none where the
    /// answer is refused.
    pub(in crate::upstreams::iiko) fn records(pieces: &[&[u8]], form: Form) -> Option<Vec<Told>> {
        let (mut framer, mut records) = (Framer::new(form, 16 << 20), Vec::new());
        let mut take = |bytes: &[u8], broken: Option<&'static str>| {
            let json = if broken.is_some() { None } else { read(bytes, form.lists).ok() };
            records.push((bytes.to_vec(), json));
            Ok::<(), BadFrame>(())
        };
        pieces
            .iter()
            .try_for_each(|piece| framer.feed(piece, &mut take))
            .and_then(|()| framer.finish())
            .ok()?;
        Some(records)
    }

    /// Reads an answer as every list of this form.
    pub(crate) fn survive(
        bytes: &[u8],
        root: &'static str,
        record: &'static str,
        lists: &'static [&'static str],
    ) {
        let form = Form { root: Some(root), record, lists };
        let Some(records) = checked(bytes, form) else { return };
        for (record, json) in &records {
            element(record, "id");
            let json = json.as_deref().map(serde_json::from_slice::<Map<String, Value>>);
            assert!(json.is_none_or(|json| json.is_ok()), "a record is a JSON object");
        }
    }

    /// The records, which do not depend on how the answer is cut into pieces; an answer that lacks its end is none.
    pub(in crate::upstreams::iiko) fn checked(bytes: &[u8], form: Form) -> Option<Vec<Told>> {
        let whole = records(&[bytes], form);
        for pieces in crate::fuzzed::pieces(bytes) {
            assert_eq!(records(&pieces, form), whole, "in pieces of {}", pieces[0].len());
        }
        // What follows the root's last tag may be white space and comments, which an answer may lack.
        let end = memchr::memmem::rfind(bytes, b"</").or_else(|| memchr::memrchr(b'<', bytes));
        if let (Some(_), Some(end)) = (&whole, end.filter(|_| !bytes.ends_with(b"-->"))) {
            for cut in crate::fuzzed::cuts(end) {
                assert_eq!(records(&[&bytes[..cut]], form), None, "cut at {cut}");
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(record: &[u8]) -> Result<String, String> {
        read(record, &["list"]).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn what_can_be_stored_is_stored() {
        for (inside, expected) in [
            (&b"a\xffb\xd0"[..], "\"a\u{fffd}b\u{fffd}\""),
            (b"&#0;&#xD83C;&#x110000;&#99999999999;", "\"\u{fffd}\u{fffd}\u{fffd}\u{fffd}\""),
            (b"&#x1F;&#x41;&#65;&lt;&amp;", r#""\u001fAA<&""#),
            (b"<![CDATA[A & <B>]]>]]>", "\"A & <B>]]>\""),
        ] {
            let record = [&b"<r><name>"[..], inside, b"</name></r>"].concat();
            assert_eq!(json(&record), Ok(format!("{{\"name\":{expected}}}")));
        }
        let nested = "<r a='&#x1F;&lt;'><list>1</list><e/><n xsi:nil=\"true\">x</n><o><p>1</p><p>2</p></o><О.н-1/></r>";
        assert_eq!(
            json(nested.as_bytes()).as_deref(),
            Ok(r#"{"e":null,"list":["1"],"n":null,"o":{"p":["1","2"]},"О.н-1":null}"#)
        );
    }

    #[test]
    fn what_is_not_well_formed_is_never_read_as_something_else() {
        for record in [
            "<r><na&me>x</na&me></r>",
            "<r><name&>x</name&></r>",
            "<r><name &>x</name></r>",
            "<r><name a=b>x</name></r>",
            "<r><name a='&'>x</name></r>",
            "<r><name a='&x;'>x</name></r>",
            "<r><name a='1' a='2'>x</name></r>",
            "<r><name>x</name &></r>",
            "<r &><name>x</name></r>",
            "<r><name>A & B</name></r>",
            "<r><name>A &B; C</name></r>",
            "<r><name>A &nbsp; B</name></r>",
            "<r><name>&#;</name></r>",
            "<r><name>&#x;</name></r>",
            "<r><name>&#xZ;</name></r>",
            "<r><name>&#+1;</name></r>",
            "<r><name>A &</name></r>",
            "<r><n\u{fffd}me>x</n\u{fffd}me></r>",
        ] {
            assert!(json(record.as_bytes()).is_err(), "{record}: {:?}", json(record.as_bytes()));
        }
        let deep = format!("<r>{}{}</r>", "<a>".repeat(100), "</a>".repeat(100));
        assert!(json(deep.as_bytes()).is_err());
        let many = |what: &str, count: usize| json(format!("<r>{}</r>", what.repeat(count)).as_bytes());
        assert!(many("<a/>", 99_000).is_ok());
        assert_eq!(many("<a/>", 101_000).unwrap_err(), "more than 100000 elements");
        let attributes = (0..100).map(|number| format!(" a{number}=''")).collect::<Vec<_>>().concat();
        assert!(json(format!("<r><a{attributes}/></r>").as_bytes()).unwrap_err().contains("attributes"));
    }

    #[test]
    fn elements_are_told_as_far_as_they_go() {
        let record = b"<r><id> 7 </id><name>A & B\xff</nome><e/></r>";
        assert_eq!(element(record, "id").as_deref(), Some("7"));
        assert_eq!(element(record, "name").as_deref(), Some("A & B\u{fffd}"));
        assert_eq!((element(record, "e"), element(record, "absent")), (None, None));
    }
}
