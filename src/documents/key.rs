//! Document numbers: made of what a document is about, so that the same document has the same number whoever makes it.

use chrono::NaiveDate;
use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The short names of stores in document numbers: the first eight hex digits of the id.
///
/// Random ids differ in their first digits. Where ids were made by hand and do not, the last eight are taken.
#[derive(Debug, Default)]
pub struct ShortNames(HashMap<Uuid, String>);

impl ShortNames {
    /// Names for all stores that there are.
    pub fn of(stores: impl IntoIterator<Item = Uuid>) -> Self {
        let stores: Vec<Uuid> = stores.into_iter().collect();
        let mut first: HashMap<String, usize> = HashMap::new();
        for store in &stores {
            *first.entry(digits(*store)[..8].to_owned()).or_default() += 1;
        }
        let short = |store: Uuid| {
            let digits = digits(store);
            if first[&digits[..8]] == 1 { digits[..8].to_owned() } else { digits[24..].to_owned() }
        };
        Self(stores.iter().map(|store| (*store, short(*store))).collect())
    }

    fn get(&self, store: Uuid) -> String {
        self.0.get(&store).cloned().unwrap_or_else(|| digits(store)[..8].to_owned())
    }

    /// The number of the `sequence`th transfer of a day from one store to another: `T20261122-0e3c77a1-5b90f2c4-1`.
    pub fn transfer(&self, date: NaiveDate, from: Uuid, to: Uuid, sequence: u32) -> String {
        format!("T{}-{}-{}-{sequence}", date.format("%Y%m%d"), self.get(from), self.get(to))
    }
}

/// The number of a write-off: its date and a digest of what it says, and from the second one of the same content on,
/// which it is.
pub fn writeoff(date: NaiveDate, digest: &str, sequence: u32) -> String {
    let number = format!("W{}-{digest}", date.format("%Y%m%d"));
    if sequence == 1 { number } else { format!("{number}-{sequence}") }
}

/// Twelve hex digits of a SHA-256.
pub fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))[..12].to_owned()
}

fn digits(id: Uuid) -> String {
    id.simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_what_the_document_is_about() {
        let [from, to] = ["0e3c77a1-93b1-4c1e-8a55-b1f0a0c1d2e3", "5b90f2c4-0000-4000-8000-000000000001"]
            .map(|text| Uuid::try_parse(text).unwrap());
        let date = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let number = ShortNames::of([from, to]).transfer(date, from, to, 1);
        assert_eq!(number, "T20261122-0e3c77a1-5b90f2c4-1");
        assert!(ShortNames::of([from, to]).transfer(date, from, to, 9999).len() <= 32);
        assert_eq!(writeoff(date, "0123456789ab", 1), "W20261122-0123456789ab");
        assert_eq!(writeoff(date, "0123456789ab", 2), "W20261122-0123456789ab-2");
        assert_eq!(digest("x").len(), 12);
    }

    #[test]
    fn stores_that_begin_alike_are_told_apart() {
        let [a, b, c] = [
            "0e000000-0000-4000-8000-000000000003",
            "0e000000-0000-4000-8000-000000000004",
            "1f000000-0000-4000-8000-000000000003",
        ]
        .map(|text| Uuid::try_parse(text).unwrap());
        let names = ShortNames::of([a, b, c]);
        assert_eq!([a, b, c].map(|id| names.get(id)), ["00000003", "00000004", "1f000000"]);
    }
}
