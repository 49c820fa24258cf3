//! iiko's XML lists: the direct children of one root element, as JSON records.
//!
//! Only direct children are records: an `<employee>` holds a flag element of the same name. An element that repeats
//! becomes a list, an empty one null. A foreign root, a DOCTYPE, another encoding than UTF-8, a second root or a
//! missing end are refused, because a serde parser would read any of them as an empty list.

use crate::{
    error::{Failure, Kind, Result, quote},
    http::{Answer, Trouble},
    testing,
};
use futures_util::stream;
use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};
use std::cell::Cell;
use tokio_util::io::StreamReader;

/// Nesting beyond this is refused; real records have six levels.
const MAX_DEPTH: usize = 64;

/// A record longer than this is refused, in bytes: only whole records are held.
const MAX_RECORD: usize = 64 << 20;

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

/// Hands each record of the answer to `on_record`, as JSON.
pub(super) async fn records(
    answer: Answer,
    form: Form,
    mut on_record: impl FnMut(&[u8]) -> Result<()>,
) -> Result<(), Trouble> {
    let label = answer.label.clone();
    let since_record = Cell::new(0);
    let chunks = stream::try_unfold(answer, async |mut answer| {
        let read = answer.chunk().await;
        let length =
            since_record.get() + read.as_ref().ok().and_then(Option::as_ref).map_or(0, bytes::Bytes::len);
        since_record.set(length);
        let read = if length > MAX_RECORD { Err(too_long(&label)) } else { read };
        match read {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, answer))),
            Err(trouble) => Err(std::io::Error::other(Carried(std::sync::Mutex::new(Some(trouble))))),
        }
    });
    let mut reader = Reader::from_reader(StreamReader::new(Box::pin(chunks)));
    reader.config_mut().expand_empty_elements = true;
    let mut tree =
        Tree { form, label: &label, stack: Vec::new(), root_closed: false, records: 0, foreign_root: None };
    let mut buffer = Vec::new();
    loop {
        let event = reader.read_event_into_async(&mut buffer).await.map_err(|error| tree.broken(&error))?;
        if matches!(event, Event::Eof) {
            break;
        }
        if let Some(record) = tree.take(event)? {
            since_record.set(0);
            on_record(&record)?;
        }
        buffer.clear();
    }
    if tree.root_closed || testing::bug("open-root") {
        return match tree.foreign_root.take().filter(|_| tree.records == 0) {
            Some(root) => Err(tree.foreign(&format!("<{}> without a record", quote(&root, 60)))),
            None => Ok(()),
        };
    }
    Err(if tree.stack.is_empty() { tree.foreign("it is empty") } else { tree.cut() })
}

fn too_long(label: &str) -> Trouble {
    let text = format!("{label}: the answer holds a record of more than {MAX_RECORD} bytes");
    Trouble::fatal(Failure::new(Kind::InvalidAnswer, text).hint("nothing was changed; look at the server"))
}

/// A failed read of the body, carried through the parser's error.
#[derive(Debug, thiserror::Error)]
#[error("the body could not be read")]
struct Carried(std::sync::Mutex<Option<Trouble>>);

#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Map<String, Value>,
    is_nil: bool,
}

struct Tree<'a> {
    form: Form,
    label: &'a str,
    /// The open elements, the root first.
    stack: Vec<Element>,
    root_closed: bool,
    records: usize,
    /// A root that no list was seen to have: without a record it is somebody else's answer.
    foreign_root: Option<String>,
}

/// Roots that an empty list of any root may have; only the first is documented.
const EMPTY_ROOTS: [&str; 3] = ["report", "rows", "data"];

impl Tree<'_> {
    /// Takes the next event; returns a record when it ends one.
    fn take(&mut self, event: Event<'_>) -> Result<Option<Vec<u8>>, Trouble> {
        match event {
            Event::Start(start) => self.open(&start)?,
            Event::End(_) => return self.close(),
            Event::Text(text) => {
                self.push_text(&text.xml10_content())?;
            }
            Event::CData(text) => {
                self.push_text(&text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| self.broken(&error))?;
                match (character, resolve_xml_entity(&reference)) {
                    (Some('\0'), _) => return Err(self.foreign("it holds a NUL character")),
                    (Some(character), _) => self.push_text(character.encode_utf8(&mut [0; 4]))?,
                    (None, Some(text)) => self.push_text(text)?,
                    (None, None) => return Err(self.foreign("it holds an unknown entity")),
                }
            }
            Event::Decl(declaration) => {
                let utf8 = match declaration.encoding() {
                    None => true,
                    Some(Ok(name)) => name.eq_ignore_ascii_case("utf-8"),
                    Some(Err(_)) => false,
                };
                if !utf8 {
                    return Err(self.foreign("it is not UTF-8"));
                }
            }
            Event::DocType(_) => return Err(self.foreign("it declares a document type")),
            Event::Empty(_) => unreachable!("empty elements are expanded"),
            Event::Comment(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(None)
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Trouble> {
        let name = start.name().as_ref().to_owned();
        let expected = match self.stack.len() {
            0 if self.root_closed => return Err(self.foreign("it has a second root")),
            0 => self.form.root,
            1 => Some(self.form.record),
            MAX_DEPTH => return Err(self.foreign("it is nested too deeply")),
            _ => None,
        };
        if expected.is_some_and(|expected| expected != name) {
            let text = format!("<{}> where <{}> is expected", quote(&name, 60), expected.unwrap_or_default());
            return Err(self.foreign(&text));
        }
        if self.stack.is_empty() && self.form.root.is_none() && !EMPTY_ROOTS.contains(&name.as_str()) {
            self.foreign_root = Some(name.clone());
        }
        let is_nil =
            start.try_get_attribute("xsi:nil").ok().flatten().is_some_and(|nil| *nil.value == *"true");
        self.stack.push(Element { name, is_nil, ..Element::default() });
        Ok(())
    }

    fn close(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let Some(element) = self.stack.pop() else {
            return Err(self.foreign("it closes what it did not open"));
        };
        if self.stack.is_empty() {
            self.root_closed = true;
            return Ok(None);
        }
        let lists = self.form.lists;
        if self.stack.len() == 1 {
            self.records += 1;
            let record = serde_json::to_vec(&element.children).expect("a map of JSON values");
            return Ok(Some(record));
        }
        let name = element.name.clone();
        let value = element.into_value();
        let siblings = &mut self.stack.last_mut().expect("more than one is open").children;
        match siblings.get_mut(&name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None if lists.contains(&name.as_str()) => drop(siblings.insert(name, Value::Array(vec![value]))),
            None => drop(siblings.insert(name, value)),
        }
        Ok(None)
    }

    fn push_text(&mut self, text: &str) -> Result<(), Trouble> {
        let depth = self.stack.len();
        if let Some(element) = self.stack.last_mut().filter(|_| depth > 1) {
            element.text.push_str(text);
            return Ok(());
        }
        if text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() {
            return Ok(());
        }
        // Words where records belong are somebody's error message, not an empty list.
        Err(self.foreign(if depth == 1 { "its root holds text" } else { "it is not XML" }))
    }

    fn cut(&self) -> Trouble {
        Trouble::transient(self.failure("the answer is cut: its root element is not closed"))
    }

    fn foreign(&self, why: &str) -> Trouble {
        Trouble::fatal(self.failure(&format!("the answer is not the expected list: {why}")))
    }

    fn broken(&self, error: &quick_xml::Error) -> Trouble {
        if let quick_xml::Error::Io(error) = error
            && let Some(carried) = error.get_ref().and_then(|inner| inner.downcast_ref::<Carried>())
            && let Some(trouble) = carried.0.lock().ok().and_then(|mut slot| slot.take())
        {
            return trouble;
        }
        // A syntax error at the end of the text is a cut; one in its middle is not told apart and may be tried again.
        Trouble::transient(
            self.failure(&format!("the answer is not valid XML: {}", quote(&error.to_string(), 120))),
        )
    }

    fn failure(&self, text: &str) -> Failure {
        Failure::new(Kind::InvalidAnswer, format!("{}: {text}", self.label))
            .hint("nothing was changed; check IIKO_BASE_URL and the server's version")
    }
}

impl Element {
    fn into_value(self) -> Value {
        if !self.children.is_empty() {
            return Value::Object(self.children);
        }
        if self.is_nil || self.text.is_empty() { Value::Null } else { Value::String(self.text) }
    }
}
