//! Cuts a streamed XML answer into the records of its root, whether they are well-formed or not.
//!
//! What is wrong inside a record leaves the others alone as long as it is sure where the record ends:
//!
//! - A reference, a name or an attribute that is wrong has no part in where tags begin and end.
//! - A `<` that begins no tag is text; a tag that is not closed ends at the next `<`, which no tag may hold.
//! - Tags that do not pair up: the record ends with its own end tag, as soon as its element's tags are closed as often as
//!   they are opened (an `<employee>` holds a flag of that name), and only if the next record or the root's end follows.
//!
//! Everything else would be a guess, and the whole answer is refused: a tag of the record's own name that is not closed, the
//! root's end inside a record, a document type, and whatever else than a record stands in the root.

use super::Form;
use crate::{
    engine::bounds::{HEAD, MAX_DEPTH, MAX_RECORDS},
    error::quote,
};

/// What is wrong with a record of which only the beginning is kept.
const OVERSIZED: &str = "it is longer than ZERKALO_MAX_RECORD allows";

/// Why an answer is no list of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadFrame {
    /// It ends before its root does.
    Cut,
    /// It has another root or other elements, or something else is there than XML.
    Foreign(String),
    /// A record is broken so that where it ends would be a guess.
    Uncertain(&'static str),
}

/// Where in a document the scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Prolog,
    Root,
    Record,
    Epilog,
}

/// What the scan is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lexeme {
    Text,
    /// Behind a `<`, as long as it is not clear what it begins.
    Open,
    Tag {
        quote: Option<u8>,
    },
    /// What ends with this and a `>`.
    Until(&'static [u8]),
    /// Behind `<!`, which is no comment and no CDATA.
    Declaration,
}

const COMMENT: &[u8] = b"<!--";
const CDATA: &[u8] = b"<![CDATA[";
const BOM: &[u8] = "\u{feff}".as_bytes();
/// Roots that an empty list of any root may have; only the first is documented.
const EMPTY_ROOTS: [&str; 3] = ["report", "rows", "data"];

/// Cuts a stream of chunks into records.
#[derive(Debug)]
pub(super) struct Framer {
    form: Form,
    max_record: usize,
    buffer: Vec<u8>,
    position: usize,
    /// Where the markup that is being read begins.
    markup: usize,
    lexeme: Lexeme,
    place: Place,
    root: String,
    records: usize,
    record: Open,
}

/// The record that is being read.
#[derive(Debug, Default)]
struct Open {
    /// Where it begins in the buffer.
    start: usize,
    /// Its open elements, itself first, as long as they pair up.
    elements: Vec<Vec<u8>>,
    /// How many elements of its own name are open, itself included.
    own: usize,
    /// What is wrong with it.
    broken: Option<&'static str>,
    /// Its beginning, once it is longer than allowed and the rest is only passed over.
    head: Option<Vec<u8>>,
}

/// Tells of a record's bytes and what is wrong with its tags, if anything is.
pub(super) type OnRecord<'a, E> = &'a mut dyn FnMut(&[u8], Option<&'static str>) -> Result<(), E>;

impl Framer {
    /// A framer for lists of this form whose records have at most so many bytes.
    pub(super) fn new(form: Form, max_record: usize) -> Self {
        Self {
            form,
            max_record,
            buffer: Vec::new(),
            position: 0,
            markup: 0,
            lexeme: Lexeme::Text,
            place: Place::Prolog,
            root: String::new(),
            records: 0,
            record: Open::default(),
        }
    }

    /// Takes the next chunk and hands each record that is now complete to `on_record`.
    pub(super) fn feed<E: From<BadFrame>>(
        &mut self,
        chunk: &[u8],
        on_record: OnRecord<'_, E>,
    ) -> Result<(), E> {
        self.buffer.extend_from_slice(chunk);
        while self.step(on_record)? {}
        let record = &mut self.record;
        let is_inside = self.place == Place::Record;
        if is_inside && record.head.is_none() && self.buffer.len() - record.start > self.max_record {
            let head = &self.buffer[record.start..record.start + HEAD.min(self.max_record)];
            record.head = Some(head.to_vec());
            record.broken = Some(OVERSIZED);
        }
        let needed = if self.lexeme == Lexeme::Text { self.position } else { self.markup };
        let needed = if is_inside && record.head.is_none() { record.start } else { needed };
        self.buffer.drain(..needed);
        self.position -= needed;
        self.markup = self.markup.saturating_sub(needed);
        self.record.start = self.record.start.saturating_sub(needed);
        Ok(())
    }

    /// How many bytes wait for their end.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Says that the stream has ended.
    pub(super) fn finish(self) -> Result<(), BadFrame> {
        if self.place == Place::Prolog && self.lexeme == Lexeme::Text {
            return Err(BadFrame::Foreign("it is empty".to_owned()));
        }
        if self.place != Place::Epilog || self.lexeme != Lexeme::Text {
            return Err(BadFrame::Cut);
        }
        // A root that no list was seen to have is without a record somebody else's answer.
        let is_known = self.form.root.is_some() || EMPTY_ROOTS.contains(&self.root.as_str());
        if self.records == 0 && !is_known {
            return Err(BadFrame::Foreign(format!("<{}> without a record", quote(&self.root, 60))));
        }
        Ok(())
    }

    /// Advances over one lexeme; false when more bytes are needed.
    fn step<E: From<BadFrame>>(&mut self, on_record: OnRecord<'_, E>) -> Result<bool, E> {
        let rest = &self.buffer[self.position..];
        match self.lexeme {
            Lexeme::Text => {
                let length = memchr::memchr(b'<', rest).unwrap_or(rest.len());
                let is_over = length < rest.len();
                self.text(self.position..self.position + length)?;
                self.position += length;
                if is_over {
                    self.markup = self.position;
                    self.position += 1;
                    self.lexeme = Lexeme::Open;
                }
                Ok(is_over)
            }
            Lexeme::Open => Ok(self.opened()?),
            Lexeme::Tag { quote } => {
                let ends = |byte: &u8| match quote {
                    Some(quote) => *byte == quote || *byte == b'<',
                    None => matches!(byte, b'<' | b'>' | b'"' | b'\''),
                };
                let Some(length) = rest.iter().position(ends) else {
                    self.position = self.buffer.len();
                    return Ok(false);
                };
                let end = rest[length];
                self.position += length;
                match end {
                    b'<' => self.unclosed()?,
                    b'>' => {
                        self.position += 1;
                        self.lexeme = Lexeme::Text;
                        self.tag(on_record)?;
                    }
                    mark => {
                        self.position += 1;
                        self.lexeme = Lexeme::Tag { quote: if quote.is_some() { None } else { Some(mark) } };
                    }
                }
                Ok(true)
            }
            Lexeme::Until(end) => {
                let Some(length) = memchr::memchr(b'>', rest) else {
                    self.position = self.buffer.len();
                    return Ok(false);
                };
                self.position += length + 1;
                // `<!-->` is no comment yet: its two strokes are those that it begins with.
                let opening = if end == b"--" { COMMENT.len() } else { 2 };
                let inside = &self.buffer[self.markup..self.position - 1];
                if inside.len() >= opening + end.len() && inside.ends_with(end) {
                    self.lexeme = Lexeme::Text;
                    self.instruction()?;
                }
                Ok(true)
            }
            Lexeme::Declaration => Err(BadFrame::Foreign("it declares a document type".to_owned()).into()),
        }
    }

    /// Says what a `<` begins; false when more bytes are needed for that.
    fn opened(&mut self) -> Result<bool, BadFrame> {
        let begun = &self.buffer[self.markup..];
        let is_open = |whole: &[u8]| begun.len() < whole.len() && whole.starts_with(begun);
        if begun.len() < 2 || is_open(COMMENT) || is_open(CDATA) {
            self.position = self.buffer.len();
            return Ok(false);
        }
        self.lexeme = match begun[1] {
            b'!' if begun.starts_with(COMMENT) => Lexeme::Until(b"--"),
            b'!' if begun.starts_with(CDATA) => Lexeme::Until(b"]]"),
            b'!' => Lexeme::Declaration,
            b'?' => Lexeme::Until(b"?"),
            b'/' | b'_' | b':' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => Lexeme::Tag { quote: None },
            _ => {
                self.break_record("a `<` begins no tag")?;
                Lexeme::Text
            }
        };
        self.position = self.markup + 1;
        Ok(true)
    }

    /// Notes what is wrong with the open record; outside of one it is wrong with the answer.
    fn break_record(&mut self, why: &'static str) -> Result<(), BadFrame> {
        if self.place != Place::Record {
            return Err(BadFrame::Foreign(format!("{why}, where a record or the end is expected")));
        }
        self.record.broken.get_or_insert(why);
        Ok(())
    }

    fn text(&self, range: std::ops::Range<usize>) -> Result<(), BadFrame> {
        // A byte order mark may come in pieces.
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || BOM.contains(byte);
        if self.place == Place::Record || self.buffer[range].iter().all(is_blank) {
            return Ok(());
        }
        // Words where records belong are somebody's error message, not an empty list.
        let why = if self.place == Place::Root { "its root holds text" } else { "it is not XML" };
        Err(BadFrame::Foreign(why.to_owned()))
    }

    /// A comment, CDATA or a processing instruction has ended.
    fn instruction(&self) -> Result<(), BadFrame> {
        let markup = &self.buffer[self.markup..self.position];
        if self.place == Place::Record || markup.starts_with(COMMENT) {
            return Ok(());
        }
        if markup.starts_with(CDATA) {
            return self.text(self.markup..self.position);
        }
        let declares = markup.strip_prefix(b"<?xml").is_some_and(|rest| rest[0].is_ascii_whitespace());
        let text = String::from_utf8_lossy(markup).to_ascii_lowercase();
        let encoding = text.split_once("encoding").filter(|_| declares).map(|(_, value)| value);
        let named = encoding.and_then(|value| value.split(['"', '\'']).nth(1));
        if encoding.is_some() && named != Some("utf-8") {
            return Err(BadFrame::Foreign("it is not UTF-8".to_owned()));
        }
        Ok(())
    }

    /// A tag stands before a `<` that it cannot hold.
    fn unclosed(&mut self) -> Result<(), BadFrame> {
        let name = name_of(&self.buffer[self.markup..self.position]);
        if name == self.form.record.as_bytes() || name == self.root.as_bytes() {
            return Err(BadFrame::Uncertain("a record's own tag is not closed"));
        }
        self.break_record("a tag is not closed")?;
        self.lexeme = Lexeme::Text;
        Ok(())
    }

    /// A tag has ended.
    fn tag<E: From<BadFrame>>(&mut self, on_record: OnRecord<'_, E>) -> Result<(), E> {
        let tag = &self.buffer[self.markup..self.position];
        let name = name_of(tag);
        let (is_end, is_empty) = (tag[1] == b'/', tag.ends_with(b"/>"));
        let expected = match self.place {
            Place::Prolog if is_end => {
                return Err(BadFrame::Foreign("it closes what it did not open".to_owned()).into());
            }
            Place::Epilog => return Err(BadFrame::Foreign("it has a second root".to_owned()).into()),
            Place::Prolog => self.form.root,
            Place::Root if is_end => Some(self.root.as_str()),
            Place::Root => Some(self.form.record),
            Place::Record => None,
        };
        if let Some(expected) = expected.filter(|expected| name != expected.as_bytes()) {
            let name = quote(&String::from_utf8_lossy(name), 60);
            return Err(BadFrame::Foreign(format!("<{name}> where <{expected}> is expected")).into());
        }
        match self.place {
            Place::Prolog => {
                self.root = String::from_utf8_lossy(name).into_owned();
                self.place = if is_empty { Place::Epilog } else { Place::Root };
            }
            Place::Root if is_end => self.place = Place::Epilog,
            Place::Root => {
                self.record =
                    Open { start: self.markup, elements: vec![name.to_vec()], own: 1, ..Open::default() };
                self.place = Place::Record;
                if is_empty {
                    self.record.own = 0;
                }
            }
            _ if is_end => self.close()?,
            _ if is_empty => {}
            _ => {
                self.record.own += usize::from(name == self.form.record.as_bytes());
                if self.record.elements.len() == MAX_DEPTH {
                    // As of tags that do not pair up, only the record's own are counted.
                    self.record.elements.clear();
                    self.record.broken.get_or_insert("it is nested more than 64 levels deep");
                }
                self.record.elements.push(name.to_vec());
            }
        }
        if self.place == Place::Record && self.record.own == 0 {
            self.records += 1;
            if self.records > MAX_RECORDS {
                let text = format!("it holds more than {MAX_RECORDS} records");
                return Err(BadFrame::Foreign(text).into());
            }
            self.place = Place::Root;
            match self.record.head.take() {
                Some(head) => on_record(&head, self.record.broken)?,
                None => on_record(&self.buffer[self.record.start..self.position], self.record.broken)?,
            }
        }
        Ok(())
    }

    /// An element of the record has ended.
    fn close(&mut self) -> Result<(), BadFrame> {
        let name = name_of(&self.buffer[self.markup..self.position]);
        if name == self.root.as_bytes() && self.root != self.form.record {
            return Err(BadFrame::Uncertain("a record is not closed"));
        }
        let record = &mut self.record;
        if record.elements.pop().as_deref() != Some(name) {
            // From here on nothing pairs up: only the record's own tags are counted.
            record.elements.clear();
            record.broken.get_or_insert("its tags do not pair up");
        }
        record.own -= usize::from(name == self.form.record.as_bytes());
        Ok(())
    }
}

/// The name in a tag, which begins with `<` or `</`.
fn name_of(tag: &[u8]) -> &[u8] {
    let name = tag.strip_prefix(b"</").unwrap_or(&tag[1..]);
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    &name[..name.iter().position(is_end).unwrap_or(name.len())]
}

#[cfg(test)]
mod tests;
