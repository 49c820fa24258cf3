//! Document numbers: 16 characters, made of what a document is about, so that the same plan gets the same numbers whoever
//! makes it. iiko publishes no limit of their length; other clients send 8 to 17 characters.
//!
//! A number only names. Which document is which is decided by subject and payload.

use super::payload::Payload;
use sha2::{Digest as _, Sha256};

/// The numbers that a document may have, in the order in which they are tried: the kind's letter, its day, and eight hex
/// digits of a SHA-256 over what it is about; the next eight where another document has the first ones. There is no end of
/// them.
pub fn numbers(payload: &Payload, subject: &str, sequence: u32) -> impl Iterator<Item = String> + use<> {
    let Payload { kind, from, to, date_incoming, .. } = payload;
    let begin = format!("{}{}", kind.letter(), date_incoming.format("%y%m%d"));
    let about = format!("{} {} {} {subject} {sequence}", kind.name(), from.hyphenated(), to.hyphenated());
    (0_u32..).flat_map(move |round| {
        let about = if round == 0 { about.clone() } else { format!("{about} {round}") };
        let digits = hex::encode(Sha256::digest(about.as_bytes()));
        let number = |place: usize| format!("{begin}-{}", &digits[8 * place..8 * (place + 1)]);
        (0..digits.len() / 8).map(number).collect::<Vec<_>>()
    })
}

/// Twelve hex digits of a SHA-256: what an act says, as the subject of its row.
pub fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::payload::tests::payload, *};
    use std::collections::HashSet;
    use uuid::Uuid;

    fn first(payload: &Payload, subject: &str, sequence: u32) -> String {
        numbers(payload, subject, sequence).next().unwrap()
    }

    #[test]
    fn a_number_is_short_and_of_what_the_document_is_about() {
        let payload = payload();
        let number = first(&payload, "a b", 1);
        assert_eq!((number.len(), &number[..8]), (16, "T261122-"));
        assert!(number[8..].chars().all(|sign| sign.is_ascii_hexdigit()), "{number}");
        assert_eq!(number, first(&payload, "a b", 1), "whoever makes it");
        let mut others: HashSet<String> = HashSet::from([number]);
        let act = Payload { kind: super::super::Kind::Writeoff, ..payload.clone() };
        let elsewhere = Payload { to: Uuid::from_u128(3), ..payload.clone() };
        assert!(first(&act, "a b", 1).starts_with("W261122-"));
        for number in [
            first(&act, "a b", 1),
            first(&elsewhere, "a b", 1),
            first(&payload, "c", 1),
            first(&payload, "a b", 2),
        ] {
            assert!(others.insert(number));
        }
        assert_eq!(digest("x").len(), 12);
    }

    #[test]
    fn there_is_always_a_further_number() {
        let payload = payload();
        let numbers: Vec<String> = numbers(&payload, "a b", 1).take(100).collect();
        assert!(numbers.iter().all(|number| number.len() == 16));
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 100);
    }
}
