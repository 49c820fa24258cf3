//! Secrets that this process holds, taken out of foreign words: a server that repeats a password in its error text does
//! not get it into a log, a message or the database, however it spells it and wherever it was cut.
//!
//! A secret is looked for as it is, in either case of letters, as hex and inside of base64; and in every reading of the
//! text: as it stands, and with up to three layers of escapes read, of an address, a form, JSON or HTML in any order, and
//! without characters that nobody sees, such as the ends of lines and the zeros of UTF-16.
//! Where a text begins or ends in the middle of a secret, what there is of it goes, too: whoever cut it did so before it
//! came here.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretSlice};
use std::{
    borrow::Cow,
    collections::VecDeque,
    ops::Range,
    sync::{PoisonError, RwLock},
};

/// What stands where a secret was.
const HIDDEN: &str = "<hidden>";
/// Shorter ones would be found inside ordinary words.
const SHORTEST: usize = 6;
/// So many layers of escapes are read: an address in an address in JSON.
const LAYERS: usize = 3;
/// No escape is longer, in bytes.
const LONGEST_ESCAPE: usize = 12;
/// What whoever cuts a text puts at its end.
const CUT_MARKS: [char; 3] = ['…', '.', char::REPLACEMENT_CHARACTER];

/// So many sessions and tokens are remembered; a run has a handful, and every message is searched for each.
const MOST_PASSING: usize = 32;

/// What is looked for: every secret in every alphabet, in small letters.
static NEEDLES: RwLock<Needles> = RwLock::new(Needles { lasting: Vec::new(), passing: VecDeque::new() });

type Spellings = Vec<SecretSlice<u8>>;

struct Needles {
    lasting: Vec<Spellings>,
    /// The latest last.
    passing: VecDeque<Spellings>,
}

impl Needles {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.lasting.iter().chain(&self.passing).flatten().map(ExposeSecret::expose_secret)
    }

    fn knows(&self, secret: &str) -> bool {
        let plain = secret.to_ascii_lowercase();
        let mut secrets = self.lasting.iter().chain(&self.passing);
        secrets.any(|spellings| spellings[0].expose_secret() == plain.as_bytes())
    }
}

/// Remembers a secret for as long as the process lives.
pub(crate) fn remember(secret: &str) {
    add(secret, |needles, spellings| needles.lasting.push(spellings));
}

/// Remembers a secret that a run was given, a session or a token: the latest of them.
pub(crate) fn remember_passing(secret: &str) {
    add(secret, |needles, spellings| {
        if needles.passing.len() == MOST_PASSING {
            needles.passing.pop_front();
        }
        needles.passing.push_back(spellings);
    });
}

fn add(secret: &str, to: impl FnOnce(&mut Needles, Spellings)) {
    let secret = secret.trim();
    if secret.len() < SHORTEST || NEEDLES.read().unwrap_or_else(PoisonError::into_inner).knows(secret) {
        return;
    }
    let spellings = spellings(secret.as_bytes()).into_iter();
    let spellings = spellings.filter(|needle| needle.len() >= SHORTEST).map(SecretSlice::from).collect();
    to(&mut NEEDLES.write().unwrap_or_else(PoisonError::into_inner), spellings);
}

/// A secret as it is, as hex, and what base64 of a text always has of it, wherever in that text it stands.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut spellings = vec![secret.to_vec(), hex::encode(secret).into_bytes()];
    for before in 0..3 {
        let text = [&[0; 2][..before], secret].concat();
        // Characters that also say something of what stands around the secret are not the same everywhere.
        let (first, end) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            spellings.push(encoded.as_bytes()[first..end].to_vec());
        }
    }
    for spelling in &mut spellings {
        spelling.make_ascii_lowercase();
    }
    // Both alphabets of base64 are often the same; the secret itself stays the first.
    spellings[1..].sort_unstable();
    spellings.dedup();
    spellings
}

/// The text without the secrets that are remembered.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let mut found = found(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_unstable_by_key(|range| range.start);
    let (mut shown, mut end) = (String::new(), 0);
    for range in found {
        // Of two secrets that share a part, and of one that is read in two ways, nothing is left.
        if range.start >= end {
            shown.push_str(&text[end..range.start]);
            shown.push_str(HIDDEN);
        }
        end = end.max(range.end);
    }
    shown.push_str(&text[end..]);
    Cow::Owned(shown)
}

/// Where secrets are, in any reading of the text.
fn found(text: &str) -> Vec<Range<usize>> {
    let needles = NEEDLES.read().unwrap_or_else(PoisonError::into_inner);
    if needles.iter().next().is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, reading) in readings(text).into_iter().enumerate() {
        let loose = if number == 0 { 0 } else { LONGEST_ESCAPE };
        let bytes = reading.bytes.to_ascii_lowercase();
        for needle in needles.iter() {
            let mut parts: Vec<Range<usize>> =
                memmem::find_iter(&bytes, needle).map(|at| at..at + needle.len()).collect();
            // The end of a whole one is no beginning that was cut.
            let cut = cut_beginning(&bytes, needle, loose);
            let cut = cut.filter(|cut| parts.iter().all(|whole| whole.start >= cut.end));
            parts.extend(cut.into_iter().chain(cut_end(&bytes, needle)));
            found.extend(parts.iter().map(|part| reading.places[part.start]..reading.places[part.end]));
        }
    }
    // A place inside of a character is none of the text's.
    let floor = |place| (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    let ceil = |place| (place..text.len()).find(|place| text.is_char_boundary(*place)).unwrap_or(text.len());
    found.into_iter().map(|range| floor(range.start)..ceil(range.end)).collect()
}

/// So much of a secret at the end or the beginning of a text is taken for a part of it.
fn least(needle: &[u8]) -> usize {
    needle.len().div_ceil(2).clamp(4, SHORTEST)
}

/// The end of a text in which a secret begins.
fn cut_end(text: &[u8], needle: &[u8]) -> Option<Range<usize>> {
    let from = text.len().saturating_sub(needle.len() - 1);
    let mut begun = memmem::find_iter(&text[from..], &needle[..least(needle)]).map(|at| from + at);
    begun.find(|at| needle.starts_with(&text[*at..])).map(|at| at..text.len())
}

/// The beginning of a text in which a secret ends, with what is left of an escape before it: so many bytes at most.
fn cut_beginning(text: &[u8], needle: &[u8], loose: usize) -> Option<Range<usize>> {
    let least = least(needle);
    let is_of_escape = |byte: &u8| byte.is_ascii_alphanumeric() || b"\\#&%;".contains(byte);
    let loose = text.iter().take(loose).take_while(|byte| is_of_escape(byte)).count();
    (0..=loose).find_map(|skipped| {
        let rest = text.get(skipped..)?;
        // Not the whole of it, which is found anyway.
        let ends = memmem::find_iter(&needle[1..], rest.get(..least)?).map(|at| &needle[at + 1..]);
        let end = ends.into_iter().find(|end| rest.starts_with(end))?;
        Some(0..skipped + end.len())
    })
}

/// What a text says once some of its escapes are read.
struct Reading {
    bytes: Vec<u8>,
    /// Where in the text each of these bytes, and their end, is written.
    places: Vec<usize>,
}

/// Every reading of a text, but for the marks of a cut at its end.
fn readings(text: &str) -> Vec<Reading> {
    let text = text.trim_end_matches(|last: char| CUT_MARKS.contains(&last) || last.is_whitespace());
    let mut readings = vec![Reading { bytes: text.as_bytes().to_vec(), places: (0..=text.len()).collect() }];
    let mut layer = 0..1;
    for _ in 0..LAYERS {
        let before = readings.len();
        for place in layer {
            for (mark, escape) in ESCAPES {
                if !mark(&readings[place].bytes) {
                    continue;
                }
                let reading = readings[place].read(escape);
                if readings.iter().all(|known| known.bytes != reading.bytes) {
                    readings.push(reading);
                }
            }
        }
        layer = before..readings.len();
    }
    readings
}

/// Adds the bytes that an escape at the beginning of a text stands for, and says how long it is; 0 where there is none. An
/// escape that the end of the text cuts stands for nothing.
type Escape = fn(&[u8], &mut Vec<u8>) -> usize;

/// Whether a text may have escapes of one kind.
type Mark = fn(&[u8]) -> bool;

/// The ways of writing that make a text look different.
const ESCAPES: [(Mark, Escape); 5] = [
    (|text| memchr::memchr(b'%', text).is_some(), percent),
    (|text| memchr::memchr(b'+', text).is_some(), form),
    (|text| memchr::memchr(b'\\', text).is_some(), json),
    (|text| memchr::memchr(b'&', text).is_some(), html),
    (|text| (0..text.len()).any(|at| unseen(&text[at..], &mut Vec::new()) > 0), unseen),
];

/// What HTML calls the characters that addresses and passwords are made of.
const ENTITIES: [(&[u8], u8); 34] = [
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"nbsp", b' '),
    (b"Tab", b'\t'),
    (b"NewLine", b'\n'),
    (b"excl", b'!'),
    (b"num", b'#'),
    (b"dollar", b'$'),
    (b"percnt", b'%'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"ast", b'*'),
    (b"plus", b'+'),
    (b"comma", b','),
    (b"period", b'.'),
    (b"sol", b'/'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"equals", b'='),
    (b"quest", b'?'),
    (b"commat", b'@'),
    (b"lsqb", b'['),
    (b"bsol", b'\\'),
    (b"rsqb", b']'),
    (b"Hat", b'^'),
    (b"lowbar", b'_'),
    (b"grave", b'`'),
    (b"lcub", b'{'),
    (b"verbar", b'|'),
    (b"rcub", b'}'),
    (b"shy", b'-'),
];

impl Reading {
    /// The same with one layer of escapes read.
    fn read(&self, escape: Escape) -> Self {
        let (mut bytes, mut places, mut at) = (Vec::new(), Vec::new(), 0);
        while let rest @ [first, ..] = &self.bytes[at..] {
            let length = escape(rest, &mut bytes);
            if length == 0 {
                bytes.push(*first);
            }
            places.resize(bytes.len(), self.places[at]);
            at += length.max(1);
        }
        places.push(self.places[at]);
        Self { bytes, places }
    }
}

/// An address: `%2F`.
fn percent(text: &[u8], bytes: &mut Vec<u8>) -> usize {
    let mut byte = [0];
    match text {
        [b'%'] => 1,
        [b'%', digit] if digit.is_ascii_hexdigit() => 2,
        [b'%', digits @ ..]
            if digits.get(..2).is_some_and(|two| hex::decode_to_slice(two, &mut byte).is_ok()) =>
        {
            bytes.extend(byte);
            3
        }
        _ => 0,
    }
}

/// A form, or the query of an address: like [`percent`], and a space is `+`.
fn form(text: &[u8], bytes: &mut Vec<u8>) -> usize {
    if text.starts_with(b"+") {
        bytes.push(b' ');
        return 1;
    }
    percent(text, bytes)
}

/// What nobody sees stands for nothing: control characters, and what joins, parts or turns others.
fn unseen(text: &[u8], _: &mut Vec<u8>) -> usize {
    match text {
        [first, ..] if first.is_ascii() => usize::from(first.is_ascii_control()),
        // U+0080 to U+009F, the soft hyphen, U+061C.
        [0xc2, 0x80..=0x9f | 0xad, ..] | [0xd8, 0x9c, ..] => 2,
        // U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF.
        [0xe2, 0x80, 0x8b..=0x8f | 0xa8..=0xae, ..]
        | [0xe2, 0x81, 0xa0..=0xaf, ..]
        | [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

/// JSON: `\n`, `\u00e9`, and `\ud83d\ude00` for what lies beyond 16 bits; and what other languages write, `\'`,
/// `\x27` and `\047`.
fn json(text: &[u8], bytes: &mut Vec<u8>) -> usize {
    if !text.starts_with(b"\\") {
        return 0;
    }
    for length in [2, 6, 12] {
        let quoted = text.get(..length).map(|escape| [b"\"", escape, b"\""].concat());
        if let Some(character) = quoted.and_then(|quoted| serde_json::from_slice::<char>(&quoted).ok()) {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return length;
        }
    }
    let mut byte = [0];
    match &text[1..] {
        [b'\'', ..] => {
            bytes.push(b'\'');
            2
        }
        [b'x', digits @ ..]
            if digits.get(..2).is_some_and(|two| hex::decode_to_slice(two, &mut byte).is_ok()) =>
        {
            bytes.extend(byte);
            4
        }
        [first @ b'0'..=b'3', second @ b'0'..=b'7', third @ b'0'..=b'7', ..] => {
            bytes.push(((first - b'0') << 6) | ((second - b'0') << 3) | (third - b'0'));
            4
        }
        rest if rest.len() < 3 && rest.iter().all(|digit| matches!(digit, b'0'..=b'7')) => text.len(),
        // The longest that says nothing yet is the first half of a pair and all but one digit of the second.
        rest if rest.len() < 11 && is_begun(rest) => text.len(),
        _ => 0,
    }
}

/// Whether this is the beginning of what may follow a backslash, in whole the first half of a pair.
fn is_begun(rest: &[u8]) -> bool {
    let (first, second) = rest.split_at(rest.len().min(5));
    let is_unit =
        |part: &[u8]| part.iter().skip(1).all(u8::is_ascii_hexdigit) && matches!(part, [] | [b'u', ..]);
    is_unit(first) && (second.is_empty() || (second[0] == b'\\' && is_unit(&second[1..])))
}

/// HTML and XML: `&amp;`, `&#39;`, `&#x27;`.
fn html(text: &[u8], bytes: &mut Vec<u8>) -> usize {
    const LONGEST: usize = 12;
    let Some(rest) = text.strip_prefix(b"&") else { return 0 };
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let length = rest.iter().take(LONGEST).position(|byte| !is_part(byte));
    let Some(length) = length else {
        return if rest.len() < LONGEST { text.len() } else { 0 };
    };
    let name = &rest[..length];
    let number = name.strip_prefix(b"#").and_then(|number| {
        let (digits, radix) =
            number.strip_prefix(b"x").or(number.strip_prefix(b"X")).map_or((number, 10), |hex| (hex, 16));
        char::from_u32(u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?)
    });
    let named = || ENTITIES.iter().find(|(entity, _)| *entity == name).map(|(_, byte)| char::from(*byte));
    let Some(character) = number.or_else(named).filter(|_| rest[length] == b';') else { return 0 };
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    length + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_not_repeated() {
        assert_eq!(redact("login w0rd-redact failed"), "login w0rd-redact failed");
        remember(" w0rd-redact\n");
        remember("w0rd-redact-longer");
        remember("key");
        assert_eq!(redact("login w0rd-redact failed"), "login <hidden> failed");
        assert_eq!(redact("w0rd-redact-longer"), "<hidden>");
        assert_eq!(redact("a key"), "a key", "too short to be told from a word");
    }

    #[test]
    fn the_latest_sessions_are_remembered() {
        let session = |number: usize| format!("session-of-redact-{number:03}");
        for number in 0..=MOST_PASSING {
            remember_passing(&session(number));
            remember_passing(&session(number));
        }
        assert_eq!(redact(&session(MOST_PASSING)), HIDDEN);
        assert_eq!(redact(&session(MOST_PASSING / 2)), HIDDEN);
        assert!(NEEDLES.read().unwrap().passing.len() <= MOST_PASSING);
    }

    #[test]
    fn a_secret_in_an_address_is_not_repeated() {
        remember("пароль 1/2+3%");
        for repeated in [
            "пароль%201%2F2%2B3%25",
            "%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C%201%2f2%2b3%25",
            "%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C%201/2+3%25",
            "%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C+1%2F2%2B3%25",
        ] {
            assert_eq!(
                redact(&format!("GET /auth?login=a%20b&pass={repeated}&x=%zz%")),
                "GET /auth?login=a%20b&pass=<hidden>&x=%zz%"
            );
        }
        assert_eq!(
            redact("%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C, no"),
            "%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C, no"
        );
    }

    #[test]
    fn a_secret_in_json_is_not_repeated() {
        let secret = "quo\"te\\slash/ключ\t🔑";
        remember(secret);
        let usual = serde_json::to_string(secret).unwrap();
        for repeated in [
            usual.trim_matches('"'),
            r#"quo\"te\\slash\/ключ\t🔑"#,
            r#"quo\"te\\slash/\u043a\u043b\u044E\u0447\u0009\ud83d\udd11"#,
        ] {
            let text = format!(r#"{{"error": "C:\\x \ud83d: login {repeated}\n"}}"#);
            assert_eq!(redact(&text), r#"{"error": "C:\\x \ud83d: login <hidden>\n"}"#);
        }
    }

    #[test]
    fn a_secret_within_another_one_does_not_leave_its_end() {
        remember("w0rd-outer");
        remember("w0rd-outer\"end");
        assert_eq!(redact(r#"w0rd-outer\"end w0rd-outerw0rd-outer"#), "<hidden> <hidden><hidden>");
    }

    /// How a server may write a character of a secret, by turns.
    const WRITERS: [fn(char) -> String; 12] = [
        |letter| letter.to_string(),
        |letter| letter.to_ascii_uppercase().to_string(),
        |letter| percent_of(letter, false),
        |letter| percent_of(letter, true),
        |letter| percent_of(letter, true).replace('%', "%25"),
        |letter| percent_of(letter, false).replace('%', "%2525"),
        |letter| {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}"));
            units.collect::<Vec<_>>().concat()
        },
        |letter| format!("&#{};", u32::from(letter)),
        |letter| format!("&#x{:x};", u32::from(letter)),
        |letter| percent_of(letter, true).replace('%', "&#37;"),
        |letter| percent_of(letter, false).replace('%', "\\u0025"),
        |letter| hex::encode(letter.to_string()).to_uppercase(),
    ];

    fn percent_of(letter: char, upper: bool) -> String {
        let byte = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        letter.to_string().bytes().map(byte).collect()
    }

    /// Secrets of any length and alphabet, the same in every run of the test.
    fn secrets() -> Vec<String> {
        let letters: Vec<char> = "aZ0/+ %&'\"\\;=.-_~:@<>#[]{}пЯ🔑q".chars().collect();
        let mut state = 0x9e37_79b9_u32;
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let mut secrets = vec!["5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8".to_owned()];
        for length in [6, 7, 9, 12, 40] {
            // A beginning and an end of its own, so that no secret of the test is found in another one.
            let inside: String = (0..length).map(|_| letters[next(letters.len())]).collect();
            secrets.push(format!("k{length}Y{inside}j{length}W"));
        }
        secrets
    }

    #[test]
    fn no_spelling_and_no_cut_shows_a_secret() {
        let secrets = secrets();
        for secret in &secrets {
            remember(secret);
        }
        for secret in &secrets {
            for (number, write) in WRITERS.iter().enumerate() {
                let pieces: Vec<String> = secret.chars().map(write).collect();
                let spelled = pieces.concat();
                let whole = format!("ошибка at «{spelled}», ask");
                assert_eq!(redact(&whole), "ошибка at «<hidden>», ask", "{number}: {whole}");
                // Every cut of a short one, and of a long one each third.
                let stride = if secret.len() < 20 { 1 } else { 3 };
                let cuts = (0..=spelled.len()).step_by(stride);
                for cut in cuts.filter(|cut| spelled.is_char_boundary(*cut)) {
                    let mark = ["", "…", "...", "\u{fffd}"][cut / stride % 4];
                    let shown = redact(&format!("at «{}{mark}", &spelled[..cut])).into_owned();
                    let left = shown.strip_prefix("at «").unwrap().trim_end_matches(mark);
                    let what = format!("{number}: cut at {cut}: {shown} of {spelled}");
                    assert_few_are_left(left, &pieces, &what);
                    let shown = redact(&format!("{}», ask", &spelled[cut..])).into_owned();
                    let left = shown.strip_suffix("», ask").unwrap();
                    let backwards: Vec<String> = pieces.iter().rev().cloned().collect();
                    assert_few_are_left(
                        left,
                        &backwards,
                        &format!("{number}: from {cut}: {shown} of {spelled}"),
                    );
                }
            }
        }
    }

    #[test]
    fn octal_digits_and_what_nobody_sees_show_no_secret() {
        const WRITERS: [fn(char) -> String; 5] = [
            |letter| {
                letter.to_string().bytes().fold(String::new(), |text, byte| format!("{text}\\{byte:03o}"))
            },
            |letter| format!("{letter}\0"),
            |letter| format!("{letter}\r\n"),
            |letter| format!("{letter}\u{ad}\u{feff}\u{202e}"),
            |letter| format!("{}\\u0000", percent_of(letter, true)),
        ];
        for secret in &secrets() {
            remember(secret);
            for write in WRITERS {
                let whole = format!("ошибка at «{}», ask", secret.chars().map(write).collect::<String>());
                assert_eq!(redact(&whole), "ошибка at «<hidden>», ask", "{whole}");
            }
        }
    }

    /// What stays of a secret that is cut is shorter than what so many of its characters take.
    fn assert_few_are_left(left: &str, pieces: &[String], what: &str) {
        let most: usize = pieces.iter().take(SHORTEST).map(String::len).sum();
        let few = left.strip_prefix(HIDDEN).or(left.strip_suffix(HIDDEN)).unwrap_or(left);
        assert!(few.len() <= most, "{what}");
    }

    #[test]
    fn base64_around_a_secret_does_not_show_it() {
        for secret in secrets() {
            remember(&secret);
            for before in ["", "a", "ab", "login:", "ключ:"] {
                for after in ["", "x", ":yz"] {
                    let text = format!("{before}{secret}{after}");
                    for encoded in [STANDARD_NO_PAD.encode(&text) + "==", URL_SAFE_NO_PAD.encode(&text)] {
                        for around in [encoded.clone(), percent_encoded(&encoded)] {
                            let shown = redact(&format!("Basic {around}, no")).into_owned();
                            let outside = before.len().div_ceil(3) * 4 + after.len().div_ceil(3) * 4 + 16;
                            assert!(
                                shown.contains(HIDDEN) && shown.len() <= outside + 24,
                                "{shown} of {around}"
                            );
                        }
                        let half = &encoded[..encoded.len() / 2];
                        let tail = STANDARD_NO_PAD.encode(before).len() + 12;
                        let shown = redact(half).into_owned();
                        assert!(shown.ends_with(HIDDEN) || half.len() < tail, "{shown} of {half}");
                    }
                }
            }
        }
    }

    fn percent_encoded(text: &str) -> String {
        text.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D")
    }

    #[test]
    fn ordinary_words_stay() {
        remember("w0rd-of-nobody");
        for text in ["w0r", "50 % off & more \\o/ 1+1", "&#xD800; %zz \\q", "nobod", "100%", "a &", "\\u12"] {
            assert_eq!(redact(text), text);
        }
    }
}
