//! Cuts a streamed JSON answer into its records, so that memory holds one record and not the answer.
//!
//! The answer is a bare list of objects, or an object with such a list as one member. Only a complete answer of
//! exactly that shape ends without an error: a missing closing bracket, a foreign root or text behind the end are
//! refused, because an answer that was cut must never look like a shorter list.

use super::bounds::{HEAD, MAX_RECORDS};

/// A record of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Framed<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The beginning of one that is longer than allowed.
    Oversized(&'a [u8]),
}

/// The shape of a list answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `[{…}, …]`
    List,
    /// `{"status": 200, "items": [{…}, …]}` with this member's name.
    Member(&'static str),
}

/// A record longer than this is refused where no other limit is set, in bytes.
const MAX_RECORD: usize = 16 << 20;
/// An envelope's other members may not be longer than this in all, in bytes.
const MAX_ENVELOPE: usize = 64 << 10;

/// Why an answer is no complete list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The answer ends before its end: it was cut.
    #[error("the answer is cut: it ends inside the list")]
    Cut,
    /// The answer has another root or other elements than the ones that the endpoint answers with.
    #[error("the answer is not the expected list: {0}")]
    Foreign(&'static str),
    /// A record or the envelope is absurdly long.
    #[error("the answer holds an element of more than {0} bytes")]
    TooLong(usize),
    /// There is no end of records.
    #[error("the answer holds more than {MAX_RECORDS} records")]
    TooMany,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// In the envelope, before a member's name or the closing brace.
    Envelope,
    /// In the envelope, inside another member's value.
    Other,
    /// In the list, before an element or the closing bracket; true when an element must come (after a comma).
    Element(bool),
    /// Inside an element.
    Inside,
    /// After an element.
    Separator,
    /// After the list, inside the envelope.
    Tail,
    End,
}

/// Cuts a stream of chunks into records.
#[derive(Debug)]
pub struct Framer {
    shape: Shape,
    max_record: usize,
    records: usize,
    /// The beginning of the current element, once that is longer than allowed and the rest is only passed over.
    head: Option<Vec<u8>>,
    state: State,
    buffer: Vec<u8>,
    /// Where the scan stands in the buffer.
    position: usize,
    /// Where the current element starts in the buffer.
    start: usize,
    depth: usize,
    in_string: bool,
    envelope: Vec<u8>,
    found_list: bool,
}

impl Framer {
    /// A framer for an answer of `shape`.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            max_record: MAX_RECORD,
            records: 0,
            head: None,
            state: State::Start,
            buffer: Vec::new(),
            position: 0,
            start: 0,
            depth: 0,
            in_string: false,
            envelope: Vec::new(),
            found_list: false,
        }
    }

    /// The same with another limit for a record, in bytes.
    #[must_use]
    pub fn max_record(self, bytes: usize) -> Self {
        Self { max_record: bytes, ..self }
    }

    /// Takes the next chunk and hands each record that is now complete to `on_record`; refuses the answer where one is
    /// longer than allowed.
    pub fn feed<E: From<BadFrame>>(
        &mut self,
        chunk: &[u8],
        mut on_record: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let limit = self.max_record;
        self.feed_framed(chunk, |record| match record {
            Framed::Whole(bytes) => on_record(bytes),
            Framed::Oversized(_) => Err(BadFrame::TooLong(limit).into()),
        })
    }

    /// Takes the next chunk and hands on each record that is now complete, and of one that is longer than allowed its
    /// beginning.
    pub fn feed_framed<E: From<BadFrame>>(
        &mut self,
        chunk: &[u8],
        mut on_record: impl FnMut(Framed<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.buffer.extend_from_slice(chunk);
        while self.step(&mut on_record)? {}
        if self.state == State::Inside
            && self.head.is_none()
            && self.buffer.len() - self.start > self.max_record
        {
            self.head = Some(self.buffer[self.start..self.start + HEAD.min(self.max_record)].to_vec());
        }
        let is_kept = self.state == State::Inside && self.head.is_none();
        let keep_from = if is_kept { self.start } else { self.position };
        self.buffer.drain(..keep_from);
        self.position -= keep_from;
        self.start = 0;
        if self.state != State::Inside && self.buffer.len() > self.max_record {
            return Err(BadFrame::TooLong(self.max_record).into());
        }
        Ok(())
    }

    /// Says that the stream has ended. Returns the envelope without the list, as JSON (`{}` for a bare list).
    pub fn finish(self) -> Result<Vec<u8>, BadFrame> {
        match self.state {
            State::End if self.shape == Shape::List || self.found_list => {
                let mut envelope = self.envelope;
                if envelope.is_empty() {
                    envelope.extend_from_slice(b"{}");
                }
                Ok(envelope)
            }
            State::End => Err(BadFrame::Foreign("the object has no list")),
            State::Start if self.buffer.is_empty() => Err(BadFrame::Foreign("it is empty")),
            _ => Err(BadFrame::Cut),
        }
    }

    /// Advances over one token; false when more bytes are needed.
    fn step<E: From<BadFrame>>(
        &mut self,
        on_record: &mut impl FnMut(Framed<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        match self.state {
            State::Start => self.start_of_answer().map_err(E::from),
            State::Envelope => self.member_name().map_err(E::from),
            State::Other => self.other_value().map_err(E::from),
            State::Element(required) => self.element(required).map_err(E::from),
            State::Inside => {
                let complete = self.scan_value();
                if complete {
                    self.records += 1;
                    if self.records > MAX_RECORDS {
                        return Err(BadFrame::TooMany.into());
                    }
                    let whole = &self.buffer[self.start..self.position];
                    match self.head.take() {
                        Some(head) => on_record(Framed::Oversized(&head))?,
                        None if whole.len() > self.max_record => {
                            on_record(Framed::Oversized(&whole[..HEAD.min(self.max_record)]))?;
                        }
                        None => on_record(Framed::Whole(whole))?,
                    }
                    self.state = State::Separator;
                }
                Ok(complete)
            }
            State::Separator => self.separator().map_err(E::from),
            State::Tail => self.tail().map_err(E::from),
            State::End => match self.skip_space() {
                None => Ok(false),
                Some(_) => Err(BadFrame::Foreign("there is text behind its end").into()),
            },
        }
    }

    /// The next byte that is no white space, without taking it.
    fn skip_space(&mut self) -> Option<u8> {
        while let Some(byte) = self.buffer.get(self.position) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.position += 1;
        }
        None
    }

    fn start_of_answer(&mut self) -> Result<bool, BadFrame> {
        const BOM: &[u8] = "\u{feff}".as_bytes();
        if self.buffer.starts_with(BOM) {
            self.position = BOM.len();
        } else if !self.buffer.is_empty() && self.buffer.len() < BOM.len() && BOM.starts_with(&self.buffer) {
            return Ok(false);
        }
        let Some(byte) = self.skip_space() else { return Ok(false) };
        self.state = match (byte, self.shape) {
            (b'[', Shape::List) => State::Element(false),
            (b'{', Shape::Member(_)) => {
                self.envelope.push(b'{');
                State::Envelope
            }
            (b'<', _) => return Err(BadFrame::Foreign("it is markup, not JSON")),
            (_, Shape::List) => return Err(BadFrame::Foreign("a JSON list is expected")),
            (_, Shape::Member(_)) => return Err(BadFrame::Foreign("a JSON object is expected")),
        };
        self.position += 1;
        Ok(true)
    }

    /// Reads `"name":` and decides whether the list or another value follows.
    fn member_name(&mut self) -> Result<bool, BadFrame> {
        let Some(byte) = self.skip_space() else { return Ok(false) };
        if byte == b'}' && self.envelope == b"{" {
            self.position += 1;
            self.close_envelope();
            return Ok(true);
        }
        if byte != b'"' {
            return Err(BadFrame::Foreign("its envelope is not valid JSON"));
        }
        let Some(length) = string_length(&self.buffer[self.position..]) else { return Ok(false) };
        let after = self.position + length;
        let mut next =
            self.buffer[after..].iter().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace());
        let (Some((_, colon)), Some((offset, first))) = (next.next(), next.next()) else { return Ok(false) };
        if *colon != b':' {
            return Err(BadFrame::Foreign("its envelope is not valid JSON"));
        }
        let Shape::Member(list) = self.shape else { unreachable!("a bare list has no members") };
        let name = &self.buffer[self.position + 1..after - 1];
        if name == list.as_bytes() {
            if *first != b'[' || self.found_list {
                return Err(BadFrame::Foreign("its list member is not one list"));
            }
            self.found_list = true;
            self.state = State::Element(false);
            self.position = after + offset + 1;
        } else {
            if self.envelope.len() > 1 {
                self.envelope.push(b',');
            }
            self.envelope.extend_from_slice(&self.buffer[self.position..after]);
            self.envelope.push(b':');
            self.state = State::Other;
            self.position = after + offset;
            self.start = self.position;
            self.depth = 0;
        }
        Ok(true)
    }

    /// Copies the envelope's other members: a few scalars.
    fn other_value(&mut self) -> Result<bool, BadFrame> {
        while let Some(byte) = self.buffer.get(self.position).copied() {
            if self.depth == 0 && !self.in_string && (byte == b',' || byte == b'}') {
                self.position += 1;
                if byte == b',' {
                    self.state = State::Envelope;
                } else {
                    self.close_envelope();
                }
                return Ok(true);
            }
            if self.envelope.len() > MAX_ENVELOPE {
                return Err(BadFrame::TooLong(MAX_ENVELOPE));
            }
            if self.in_string && byte == b'\\' {
                let Some(escaped) = self.buffer.get(self.position + 1).copied() else { return Ok(false) };
                self.envelope.extend_from_slice(&[byte, escaped]);
                self.position += 2;
                continue;
            }
            match byte {
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.envelope.push(byte);
            self.position += 1;
        }
        Ok(false)
    }

    fn close_envelope(&mut self) {
        self.envelope.push(b'}');
        self.state = State::End;
    }

    fn element(&mut self, required: bool) -> Result<bool, BadFrame> {
        let Some(byte) = self.skip_space() else { return Ok(false) };
        match byte {
            b'{' => {
                self.state = State::Inside;
                self.start = self.position;
                self.depth = 0;
            }
            b']' if !required => {
                self.position += 1;
                self.close_list();
            }
            _ => return Err(BadFrame::Foreign("its elements are not objects")),
        }
        Ok(true)
    }

    fn close_list(&mut self) {
        self.state = if self.shape == Shape::List { State::End } else { State::Tail };
    }

    fn separator(&mut self) -> Result<bool, BadFrame> {
        let Some(byte) = self.skip_space() else { return Ok(false) };
        self.position += 1;
        match byte {
            b',' => self.state = State::Element(true),
            b']' => self.close_list(),
            _ => return Err(BadFrame::Foreign("its elements are not separated by commas")),
        }
        Ok(true)
    }

    fn tail(&mut self) -> Result<bool, BadFrame> {
        let Some(byte) = self.skip_space() else { return Ok(false) };
        self.position += 1;
        match byte {
            b',' => self.state = State::Envelope,
            b'}' => self.close_envelope(),
            _ => return Err(BadFrame::Foreign("its envelope is not valid JSON")),
        }
        Ok(true)
    }

    /// Scans the object at `start`; true when `position` stands behind its closing brace.
    fn scan_value(&mut self) -> bool {
        while self.position < self.buffer.len() {
            if self.in_string {
                let rest = &self.buffer[self.position..];
                let Some(offset) = memchr::memchr2(b'"', b'\\', rest) else {
                    self.position = self.buffer.len();
                    return false;
                };
                if rest[offset] == b'\\' {
                    if offset + 1 >= rest.len() {
                        self.position += offset;
                        return false;
                    }
                    self.position += offset + 2;
                } else {
                    self.in_string = false;
                    self.position += offset + 1;
                }
                continue;
            }
            let byte = self.buffer[self.position];
            self.position += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }
}

/// The length of the JSON string at the start of `bytes`, quotes included; `None` when it is not complete.
pub(super) fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut position = 1;
    loop {
        let offset = memchr::memchr2(b'"', b'\\', bytes.get(position..)?)?;
        if bytes[position + offset] == b'"' {
            return Some(position + offset + 1);
        }
        position += offset + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(shape: Shape, chunks: &[&[u8]]) -> Result<(Vec<String>, String), BadFrame> {
        let mut framer = Framer::new(shape);
        let mut records = Vec::new();
        for chunk in chunks {
            framer.feed(chunk, |record| {
                records.push(String::from_utf8_lossy(record).into_owned());
                Ok::<(), BadFrame>(())
            })?;
        }
        framer.finish().map(|envelope| (records, String::from_utf8_lossy(&envelope).into_owned()))
    }

    const LIST: &str = "\u{feff} [ {\"a\":\"x]}\\\"{\"} ,{\"b\":{\"c\":[1,{}]}}\n] ";
    const ENVELOPE: &str =
        r#"{"status": 200, "note":"a,}\"", "items": [{"id":1},{"id":"2"}], "page":{"of":[1]}}"#;

    #[test]
    fn records_come_out_whole_however_the_chunks_fall() {
        for (shape, text, count) in [(Shape::List, LIST, 2), (Shape::Member("items"), ENVELOPE, 2)] {
            let whole = frame(shape, &[text.as_bytes()]).unwrap();
            assert_eq!(whole.0.len(), count);
            for cut in 1..text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                assert_eq!(frame(shape, &[first, second]).unwrap(), whole, "cut at {cut}");
            }
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(frame(shape, &bytes).unwrap(), whole);
        }
        assert_eq!(
            frame(Shape::Member("items"), &[ENVELOPE.as_bytes()]).unwrap().1,
            r#"{"status":200,"note":"a,}\"","page":{"of":[1]}}"#
        );
    }

    #[test]
    fn of_a_record_that_is_too_long_the_beginning_is_told_and_the_others_are_whole() {
        let long = format!(r#"{{"id":7,"x":"{}"}}"#, "]}\\\"".repeat(5_000));
        let text = format!(r#"[{{"id":1}},{long},{{"id":2}}]"#);
        for size in [1, 7, 4_096, text.len()] {
            let mut framer = Framer::new(Shape::List).max_record(10_000);
            let mut told = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                let take = |record: Framed<'_>| {
                    told.push(match record {
                        Framed::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        Framed::Oversized(head) => {
                            format!("{} {}", head.len(), String::from_utf8_lossy(&head[..9]))
                        }
                    });
                    Ok::<(), BadFrame>(())
                };
                framer.feed_framed(chunk, take).unwrap();
                assert!(framer.buffer.len() <= 10_000 + size, "{}", framer.buffer.len());
            }
            framer.finish().unwrap();
            assert_eq!(told, [r#"{"id":1}"#, r#"4096 {"id":7,""#, r#"{"id":2}"#], "{size}");
            let mut framer = Framer::new(Shape::List).max_record(10_000);
            let fed = text.as_bytes().chunks(size).try_for_each(|chunk| framer.feed(chunk, |_| Ok(())));
            assert_eq!(fed, Err(BadFrame::TooLong(10_000)));
        }
    }

    #[test]
    fn an_answer_that_is_cut_anywhere_is_refused() {
        for (shape, text) in [(Shape::List, LIST.trim_end()), (Shape::Member("items"), ENVELOPE)] {
            for cut in 0..text.len() {
                assert!(frame(shape, &[&text.as_bytes()[..cut]]).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_foreign_answer_is_refused() {
        for text in [
            "",
            "{}",
            "null",
            "\"x\"",
            "<html></html>",
            "[1]",
            "[[]]",
            "[{},]",
            "[{}{}]",
            "[{}]x",
            "[,{}]",
            "nothing",
        ] {
            assert!(frame(Shape::List, &[text.as_bytes()]).is_err(), "{text}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"items":null}"#,
            r#"{"items":{}}"#,
            r#"{"status":200}"#,
            r#"{"items":[]}{}"#,
            r#"{"items":[],"items":[]}"#,
        ] {
            assert!(frame(Shape::Member("items"), &[text.as_bytes()]).is_err(), "{text}");
        }
        assert_eq!(frame(Shape::List, &[b"[]"]).unwrap().0.len(), 0);
        assert_eq!(frame(Shape::Member("items"), &[br#"{"items":[]}"#]).unwrap(), (vec![], "{}".to_owned()));
    }
}
