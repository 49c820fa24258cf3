//! Secrets that this process holds, taken out of foreign words: a server that repeats a password in its error text does
//! not get it into a log, a message or the database, whether it repeats it as it is, in an address or in JSON.

use memchr::memmem;
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    borrow::Cow,
    ops::Range,
    sync::{PoisonError, RwLock},
};

/// What stands where a secret was.
const HIDDEN: &str = "<hidden>";
/// Shorter ones would be found inside ordinary words.
const SHORTEST: usize = 6;

static SECRETS: RwLock<Vec<SecretString>> = RwLock::new(Vec::new());

/// Remembers a secret for as long as the process lives.
pub(crate) fn remember(secret: &str) {
    let secret = secret.trim();
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    if secret.len() >= SHORTEST && !secrets.iter().any(|known| known.expose_secret() == secret) {
        secrets.push(SecretString::from(secret));
    }
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
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let secrets = || secrets.iter().map(|secret| secret.expose_secret().as_bytes());
    let mut found = Vec::new();
    for secret in secrets() {
        found.extend(memmem::find_iter(text.as_bytes(), secret).map(|at| at..at + secret.len()));
    }
    for (mark, escape) in ESCAPES {
        if !text.contains(mark) {
            continue;
        }
        let (bytes, places) = read(text, escape);
        for secret in secrets() {
            let range = |at: usize| places[at]..places[at + secret.len()];
            found.extend(memmem::find_iter(&bytes, secret).map(range));
        }
    }
    found
}

/// Adds the bytes that an escape at the beginning of a text stands for, and says how long it is; 0 where there is none.
type Escape = fn(&[u8], &mut Vec<u8>) -> usize;

/// The ways of writing that make a text look different, each with the character without which it has no escapes.
const ESCAPES: [(char, Escape); 3] = [('%', percent), ('+', form), ('\\', json)];

/// What a text says once its escapes are read, and where in it each of these bytes, and their end, is written.
fn read(text: &str, escape: Escape) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut places, mut at) = (Vec::new(), Vec::new(), 0);
    while let rest @ [first, ..] = &text.as_bytes()[at..] {
        let length = escape(rest, &mut bytes);
        if length == 0 {
            bytes.push(*first);
        }
        places.resize(bytes.len(), at);
        at += length.max(1);
    }
    places.push(at);
    (bytes, places)
}

/// An address: `%2F`.
fn percent(text: &[u8], bytes: &mut Vec<u8>) -> usize {
    let mut byte = [0];
    match text {
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

/// JSON: `\n`, `\u00e9`, and `\ud83d\ude00` for what lies beyond 16 bits.
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
    0
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
        assert_eq!(redact("%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C"), "%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C");
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
}
