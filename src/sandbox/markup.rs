//! Marked-up text as Telegram reads it (Bot API, "Formatting options"): what is shown, and which part of it how.

use serde_json::{Value, json};

/// Text without its marks, and its entities; their places are counted in UTF-16 code units.
type Parsed = Result<(String, Vec<Value>), String>;

/// Reads text in a `parse_mode`; what is wrong with it in Telegram's words, without "Bad Request: ".
pub(super) fn parse(text: &str, mode: &str) -> Parsed {
    let parsed = match mode.to_ascii_lowercase().as_str() {
        "" => return Ok((text.to_owned(), Vec::new())),
        "html" => html(text),
        "markdownv2" => markdown_v2(text),
        "markdown" => markdown(text),
        _ => return Err("unsupported parse_mode".to_owned()),
    };
    parsed.map_err(|why| format!("can't parse entities: {why}"))
}

/// What has been read so far.
#[derive(Default)]
struct Shown {
    text: String,
    entities: Vec<Value>,
}

impl Shown {
    fn units(&self) -> usize {
        self.text.encode_utf16().count()
    }

    /// Ends an entity that began at `start`; one of no text is none.
    fn close(&mut self, kind: &str, start: usize, extra: Option<(&str, String)>) {
        let length = self.units() - start;
        if length == 0 {
            return;
        }
        let mut entity = json!({"type": kind, "offset": start, "length": length});
        if let Some((name, value)) = extra {
            entity[name] = value.into();
        }
        self.entities.push(entity);
    }

    /// The entities in the order of their beginnings, the longer ones first.
    fn done(mut self) -> (String, Vec<Value>) {
        let key = |entity: &Value| (entity["offset"].as_u64(), std::cmp::Reverse(entity["length"].as_u64()));
        self.entities.sort_by_key(key);
        (self.text, self.entities)
    }
}

/// An HTML tag that is open: its name, how much was shown before it, and what its entity says beside its kind.
type Tag = (String, usize, Option<(&'static str, String)>);

/// The entity that an HTML tag makes.
fn tag_kind(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "span" | "tg-spoiler" => "spoiler",
        "a" => "text_link",
        "code" => "code",
        "pre" => "pre",
        "blockquote" => "blockquote",
        "tg-emoji" => "custom_emoji",
        _ => return None,
    })
}

fn html(text: &str) -> Parsed {
    let mut shown = Shown::default();
    let mut open: Vec<Tag> = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        if letter == '&' {
            let (decoded, length) = reference(&text[at..]).unwrap_or(('&', 1));
            shown.text.push(decoded);
            at += length;
            continue;
        }
        if letter != '<' {
            shown.text.push(letter);
            at += letter.len_utf8();
            continue;
        }
        let inside = &text[at + 1..];
        let closes = inside.starts_with('/');
        let unclosed =
            || format!("Unclosed {} tag at byte offset {at}", if closes { "end" } else { "start" });
        let is_end = |letter: char| letter == '>' || letter.is_ascii_whitespace();
        let name_end = inside.find(is_end).ok_or_else(unclosed)?;
        let name = inside[usize::from(closes)..name_end].to_ascii_lowercase();
        if !closes && tag_kind(&name).is_none() {
            return Err(format!("Unsupported start tag \"{name}\" at byte offset {at}"));
        }
        let end = inside.find('>').ok_or_else(unclosed)?;
        let attributes = &inside[name_end..end];
        if closes {
            let (expected, start, extra) =
                open.pop().ok_or_else(|| format!("Unexpected end tag at byte offset {at}"))?;
            if !name.is_empty() && name != expected {
                return Err(format!(
                    "Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{name}>\""
                ));
            }
            // An address that is none makes no link.
            if expected != "a" || extra.is_some() {
                shown.close(tag_kind(&expected).unwrap_or_default(), start, extra);
            }
        } else {
            if name == "span" && attribute(attributes, "class").as_deref() != Some("tg-spoiler") {
                return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}"));
            }
            let extra = match name.as_str() {
                "a" => attribute(attributes, "href").map(|url| ("url", url)),
                "tg-emoji" => attribute(attributes, "emoji-id").map(|id| ("custom_emoji_id", id)),
                _ => None,
            };
            open.push((name, shown.units(), extra));
        }
        at += end + 2;
    }
    match open.pop() {
        Some((name, ..)) => Err(format!("Can't find end tag corresponding to start tag \"{name}\"")),
        None => Ok(shown.done()),
    }
}

/// The value of an attribute in quotes.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let value = attributes.split_once(&format!("{name}="))?.1;
    let quote = value.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    value[1..].split_once(quote).map(|(value, _)| value.to_owned())
}

/// The character that a reference at the beginning stands for, and how long the reference is.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.find(';').filter(|end| *end < 12)?;
    let name = &text[1..end];
    let character = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, end + 1))
}

/// The marks of `MarkdownV2`, the longer ones first: the mark, its entity, and Telegram's name for it in an error.
const MARKS: [(&str, &str, &str); 7] = [
    ("```", "pre", "Pre"),
    ("__", "underline", "Underline"),
    ("||", "spoiler", "Spoiler"),
    ("`", "code", "Code"),
    ("_", "italic", "Italic"),
    ("*", "bold", "Bold"),
    ("~", "strikethrough", "Strikethrough"),
];

fn markdown_v2(text: &str) -> Parsed {
    const RESERVED: &str = "_*[]()~`>#+-=|{}.!";
    let mut shown = Shown::default();
    // The mark, where it stands, and how much was shown before it.
    let mut open: Vec<(&str, usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let escaped = rest[letter.len_utf8()..].chars().next();
        let inside = open.last().map_or("", |(mark, ..)| *mark);
        let is_code = inside.starts_with('`');
        if letter == '\\' && escaped.is_some_and(|next| next.is_ascii() && next != '\0') {
            shown.text.extend(escaped);
            at += 2;
        } else if !inside.is_empty() && inside != "[" && rest.starts_with(inside) {
            let (_, _, start) = open.pop().unwrap_or_default();
            let kind = MARKS.iter().find(|(mark, ..)| *mark == inside).map_or("", |(_, kind, _)| kind);
            shown.close(kind, start, None);
            at += inside.len();
        } else if inside == "[" && letter == ']' {
            let (_, _, start) = open.pop().unwrap_or_default();
            at += 1;
            if let Some(address) = text[at..].strip_prefix('(') {
                let end = address
                    .find(')')
                    .ok_or_else(|| format!("Can't find end of a URL at byte offset {}", at + 1))?;
                shown.close("text_link", start, Some(("url", address[..end].to_owned())));
                at += end + 2;
            }
        } else if is_code || !RESERVED.contains(letter) {
            shown.text.push(letter);
            at += letter.len_utf8();
        } else if letter == '[' {
            open.push(("[", at, shown.units()));
            at += 1;
        } else if letter == '>' && (at == 0 || text[..at].ends_with('\n')) {
            // A quotation reaches to the end of its line; where it ends is not played.
            at += 1;
        } else {
            let mark = MARKS.iter().find(|(mark, ..)| rest.starts_with(mark));
            let (mark, ..) = mark.ok_or_else(|| {
                format!("Character '{letter}' is reserved and must be escaped with the preceding '\\'")
            })?;
            open.push((mark, at, shown.units()));
            at += mark.len();
        }
    }
    match open.pop() {
        Some((mark, at, _)) => {
            let name = MARKS.iter().find(|(known, ..)| *known == mark).map_or("TextUrl", |(.., name)| name);
            Err(format!("Can't find end of {name} entity at byte offset {at}"))
        }
        None => Ok(shown.done()),
    }
}

/// The older form, whose marks do not nest.
fn markdown(text: &str) -> Parsed {
    let mut shown = Shown::default();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let escaped = rest[letter.len_utf8()..].chars().next();
        if letter == '\\' && escaped.is_some_and(|next| "_*`[".contains(next)) {
            shown.text.extend(escaped);
            at += 2;
            continue;
        }
        let (mark, end_mark, kind) = match letter {
            '_' => ("_", "_", "italic"),
            '*' => ("*", "*", "bold"),
            '`' if rest.starts_with("```") => ("```", "```", "pre"),
            '`' => ("`", "`", "code"),
            '[' => ("[", "]", "text_link"),
            _ => {
                shown.text.push(letter);
                at += letter.len_utf8();
                continue;
            }
        };
        let start = shown.units();
        let inside = &rest[mark.len()..];
        let unclosed = format!("Can't find end of the entity starting at byte offset {at}");
        let end = inside.find(end_mark).ok_or_else(|| unclosed.clone())?;
        shown.text.push_str(&inside[..end]);
        at += mark.len() + end + end_mark.len();
        if kind != "text_link" {
            shown.close(kind, start, None);
        } else if let Some(address) = text[at..].strip_prefix('(') {
            let end = address.find(')').ok_or_else(|| unclosed.clone())?;
            shown.close(kind, start, Some(("url", address[..end].to_owned())));
            at += end + 2;
        }
    }
    Ok(shown.done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(mode: &str, text: &str, plain: &str, entities: &Value) {
        assert_eq!(parse(text, mode), Ok((plain.to_owned(), entities.as_array().unwrap().clone())), "{text}");
    }

    #[test]
    fn marks_become_entities_in_code_units() {
        let bold = |offset: u32, length: u32| json!({"type": "bold", "offset": offset, "length": length});
        shows("", "<b>1</b>", "<b>1</b>", &json!([]));
        shows("HTML", "🌅 <b>Да</b> &lt;&#38;&#x31; & &nbsp;", "🌅 Да <&1 & &nbsp;", &json!([bold(3, 2)]));
        let link = json!({"type": "text_link", "offset": 0, "length": 3, "url": "http://a.example/?b"});
        shows("html", "<a href=\"http://a.example/?b\">a<b>b</b>c</a>", "abc", &json!([link, bold(1, 1)]));
        shows("html", "<span class='tg-spoiler'></span><b></>", "", &json!([]));
        shows("MarkdownV2", "🌅*a*\\.", "🌅a.", &json!([bold(2, 1)]));
        shows("MarkdownV2", "[abc](http://a.example/?b)", "abc", &json!([link]));
        let code = |length: u32| json!({"type": "code", "offset": 0, "length": length});
        shows("MarkdownV2", "`1.5-x`", "1.5-x", &json!([code(5)]));
        shows("Markdown", "`1.5`\\_ *b* a-b.", "1.5_ b a-b.", &json!([code(3), bold(5, 1)]));
        shows("markdown", "[abc](http://a.example/?b)", "abc", &json!([link]));
    }

    #[test]
    fn what_is_wrong_is_said_in_telegrams_words() {
        for (mode, text, why) in [
            ("HTML", "1 < 2", "Unsupported start tag \"\" at byte offset 2"),
            ("HTML", "1 <2", "Unclosed start tag at byte offset 2"),
            ("HTML", "<b 2", "Unclosed start tag at byte offset 0"),
            ("HTML", "да <x@y.example>", "Unsupported start tag \"x@y.example\" at byte offset 5"),
            ("HTML", "<b>1", "Can't find end tag corresponding to start tag \"b\""),
            ("HTML", "1</b>", "Unexpected end tag at byte offset 1"),
            ("HTML", "<b>1</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""),
            ("HTML", "<b>1</b", "Unclosed end tag at byte offset 4"),
            ("HTML", "<span>1</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
            ("MarkdownV2", "1.5", "Character '.' is reserved and must be escaped with the preceding '\\'"),
            ("MarkdownV2", "да *1", "Can't find end of Bold entity at byte offset 5"),
            ("MarkdownV2", "__1_", "Can't find end of Italic entity at byte offset 3"),
            ("MarkdownV2", "[a](b", "Can't find end of a URL at byte offset 4"),
            ("Markdown", "a_b", "Can't find end of the entity starting at byte offset 1"),
        ] {
            assert_eq!(parse(text, mode), Err(format!("can't parse entities: {why}")), "{mode} {text}");
        }
        assert_eq!(parse("a", "BBCode"), Err("unsupported parse_mode".to_owned()));
    }
}
