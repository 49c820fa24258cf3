//! A JSON record that is not quite one: what is mended, what can be told of one that cannot be, and whether it surely
//! ends where it seems to.
//!
//! A character that is none says no less about the record around it: it becomes U+FFFD, and the rest is stored.

/// The record with U+FFFD for what is no character (bytes that are not UTF-8, halves of surrogate pairs) and with an
/// escape for each control character that stands in a string as it is; none when there is nothing to mend.
pub fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let bytes_of_text = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut position, mut in_string) = (0, false);
    while let Some(byte) = bytes_of_text.get(position).copied() {
        let rest = &bytes_of_text[position..];
        let taken = match byte {
            b'\\' if in_string => mend_escape(rest, &mut out),
            0..0x20 if in_string => {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                1
            }
            _ => {
                in_string ^= byte == b'"';
                out.push(byte);
                1
            }
        };
        position += taken;
    }
    (out != bytes).then_some(out)
}

/// What becomes of letters beyond ASCII in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// There are none.
    None,
    /// There are some.
    Kept,
    /// There may have been some, and U+FFFD is all that is left.
    Lost,
}

/// What became of the letters of a record: one in another encoding has lost all of them.
pub fn letters(text: &str) -> Letters {
    let far = |chunk: &[u8]| !chunk.is_ascii();
    let Some(chunk) = text.as_bytes().chunks(64).position(far) else { return Letters::None };
    let start = text.floor_char_boundary(chunk * 64);
    let kept =
        text[start..].chars().any(|letter| !letter.is_ascii() && letter != char::REPLACEMENT_CHARACTER);
    if kept { Letters::Kept } else { Letters::Lost }
}

/// Copies the escape at the start of `rest`, half a surrogate pair as U+FFFD; how many bytes it took.
fn mend_escape(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let taken = match (unit(rest), rest.get(6..).and_then(unit)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
        (Some(0xd800..=0xdfff), _) => {
            out.extend_from_slice(b"\\ufffd");
            return 6;
        }
        (Some(_), _) => 6,
        // Not `\u` and four digits: whoever reads it says what it is.
        (None, _) => rest.len().min(2),
    };
    out.extend_from_slice(&rest[..taken]);
    taken
}

/// The number of the `\uXXXX` at the start of `rest`.
fn unit(rest: &[u8]) -> Option<u16> {
    let digits = rest.strip_prefix(b"\\u")?.get(..4)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Whether a record that cannot be read surely ends where its brackets close: they pair up kind by kind, and every
/// string stands between what may stand around one. A quotation mark too many turns inside and outside round, so that
/// brackets of names count and those of records do not; where such a record ends would be a guess.
pub fn ends_surely(record: &[u8]) -> bool {
    let mut open = Vec::new();
    let (mut position, mut before) = (0, b'[');
    while let Some(byte) = record.get(position).copied() {
        position += 1;
        match byte {
            _ if byte.is_ascii_whitespace() => continue,
            b'"' => {
                let Some(length) = super::frame::string_length(&record[position - 1..]) else { return false };
                position += length - 1;
                let after = record[position..].iter().find(|byte| !byte.is_ascii_whitespace());
                let is_fit = matches!(before, b'{' | b'[' | b',' | b':')
                    && matches!(after, Some(b':' | b',' | b'}' | b']'));
                if !is_fit {
                    return false;
                }
            }
            b'{' | b'[' => open.push(byte),
            b'}' if open.pop() != Some(b'{') => return false,
            b']' if open.pop() != Some(b'[') => return false,
            _ => {}
        }
        before = byte;
    }
    open.is_empty()
}

/// The value of a record's own member as text, as far as it can be told of a record that cannot be read.
pub fn member(record: &[u8], name: &str) -> Option<String> {
    let (mut position, mut depth) = (0, 0_usize);
    loop {
        match record.get(position)? {
            b'"' => {
                let length = super::frame::string_length(&record[position..])?;
                let text = &record[position + 1..position + length - 1];
                position += length;
                let value = record[position..].trim_ascii_start().strip_prefix(b":");
                if let Some(value) = value.filter(|_| depth == 1 && text == name.as_bytes()) {
                    return value_text(value.trim_ascii_start());
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        position += 1;
    }
}

fn value_text(value: &[u8]) -> Option<String> {
    if value.first() == Some(&b'"') {
        let quoted = &value[..super::frame::string_length(value)?];
        let mended = mended(quoted);
        let read = serde_json::from_slice::<String>(mended.as_deref().unwrap_or(quoted));
        return Some(
            read.unwrap_or_else(|_| String::from_utf8_lossy(&quoted[1..quoted.len() - 1]).into_owned()),
        );
    }
    let end = value.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b'{' | b'['));
    let text = String::from_utf8_lossy(value[..end?].trim_ascii()).into_owned();
    (!text.is_empty() && text != "null").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_lost_where_none_but_the_replacement_is_left() {
        let long = "x".repeat(200);
        for (text, expected) in [
            (String::new(), Letters::None),
            (long.clone(), Letters::None),
            (format!("{long}\u{fffd}{long}"), Letters::Lost),
            (format!("\u{fffd}{long}ё"), Letters::Kept),
            (format!("{}ё{long}\u{fffd}", "x".repeat(63)), Letters::Kept),
            ("\u{fffd}\u{fffd} \u{fffd}".to_owned(), Letters::Lost),
        ] {
            assert_eq!(letters(&text), expected, "{text}");
        }
    }

    fn mend(text: &[u8]) -> Option<String> {
        mended(text).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn what_is_no_character_is_mended_and_nothing_else() {
        for (broken, expected) in [
            (&br#"{"a":"\ud800"}"#[..], r#"{"a":"\ufffd"}"#),
            (br#"{"a":"\ud83c\ud800\udf55"}"#, r#"{"a":"\ufffd\ud800\udf55"}"#),
            (br#"{"a":"\udf55\ud83cx"}"#, r#"{"a":"\ufffd\ufffdx"}"#),
            (br#"{"a":"\ud800\u0041\\ud800"}"#, r#"{"a":"\ufffd\u0041\\ud800"}"#),
            (b"{\"a\":\"x\xd0\"}", "{\"a\":\"x\u{fffd}\"}"),
            (b"{\"a\":\"x\ny\0\"}", r#"{"a":"x\u000ay\u0000"}"#),
        ] {
            assert_eq!(mend(broken).as_deref(), Some(expected));
        }
        for whole in
            [r#"{"a":"\ud83c\udf55"}"#, r#"{"a":"\u00zz\q"}"#, "{\n\"a\":\t1}", r#"{"a":"\"#, "{\"a\":\"\\"]
        {
            assert_eq!(mend(whole.as_bytes()), None, "{whole}");
        }
    }

    #[test]
    fn the_end_is_sure_unless_inside_and_outside_may_be_turned_round() {
        for sure in [r#"{"a":01.5,"b":[NaN,{}]}"#, r#"{a:1,"b":"}"}"#, r#"{"a":,}"#, r#"{"a":"\q"}"#] {
            assert!(ends_surely(sure.as_bytes()), "{sure}");
        }
        for guess in [
            r#"{"a":"27" b","c":"}"#,
            r#"{"a":"Bar "X"","b":1}"#,
            r#"{"a":[}"#,
            r#"{"a":{]}}"#,
            r#"{"a":1}}"#,
            r#"{"a":1"#,
            r#"{"a":"C:\","b":1}"#,
            r#"{"a"1}"#,
        ] {
            assert!(!ends_surely(guess.as_bytes()), "{guess}");
        }
    }

    #[test]
    fn members_are_told_as_far_as_they_go() {
        let record =
            r#"{"x":{"id":1,"name":"inner"}, "id" : 7 ,"name":"П\ud800\"ц","n":01.5,"e":null,"t":"\q"}"#;
        let told = |name: &str| member(record.as_bytes(), name);
        assert_eq!(told("id").as_deref(), Some("7"));
        assert_eq!(told("name").as_deref(), Some("П\u{fffd}\"ц"));
        assert_eq!(told("n").as_deref(), Some("01.5"));
        assert_eq!(told("t").as_deref(), Some("\\q"));
        assert_eq!((told("e"), told("absent"), told("x")), (None, None, None));
    }
}
