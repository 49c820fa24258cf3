//! Content hashes: what decides whether a row is written.

use super::{
    record::Record,
    row::{RowHash, Value, Values, push},
    table::{Origin, Table},
};
use std::fmt::Write as _;
use xxhash_rust::xxh3::Xxh3;

/// The hash recipe's version; raising it refills every row of every table once, by updates.
const RECIPE: u8 = 1;

/// A table's recipe: which parts of a fetched record make its hash.
#[derive(Debug, Clone)]
pub struct Recipe {
    fingerprint: RowHash,
    /// Columns that the canonical record does not determine: looked up, or from a member that is dropped.
    beside: Vec<usize>,
    noise: &'static [&'static str],
}

impl Recipe {
    /// The recipe for `table` when the members `dropped` leave its records.
    pub fn new(table: &Table, dropped: &[&str]) -> Self {
        let outside = |origin: &Origin| match origin {
            Origin::Supplied => true,
            Origin::Field(field) => dropped.contains(field),
            Origin::Joined { fields, otherwise } => {
                fields.iter().chain([otherwise]).any(|field| dropped.contains(field))
            }
            Origin::AlwaysFalse => false,
        };
        let beside =
            (0..table.columns.len()).filter(|position| outside(&table.columns[*position].origin)).collect();
        Self { fingerprint: fingerprint(table, dropped), beside, noise: table.noise }
    }

    /// The hash of a record and its pushed column values.
    pub fn hash(&self, record: &Record, values: &[u8]) -> RowHash {
        let mut hasher = Xxh3::new();
        hasher.update(&self.fingerprint);
        if self.noise.is_empty() {
            hasher.update(record.text().as_bytes());
        } else {
            for (_, member) in record.members().filter(|(name, _)| !self.noise.contains(name)) {
                hasher.update(member.as_bytes());
                hasher.update(b",");
            }
        }
        if !self.beside.is_empty() {
            let all: smallvec::SmallVec<[Value<'_>; 24]> = Values::of(values).collect();
            let mut beside = vec![b'\n'];
            self.beside.iter().for_each(|position| push(&mut beside, all[*position]));
            hasher.update(&beside);
        }
        hasher.digest128().to_be_bytes()
    }
}

/// The hash of a table's declaration. A new column, another kind or path, or another set of dropped members changes
/// it, and with it every row's hash: the next run refills every row by updates.
pub fn fingerprint(table: &Table, dropped: &[&str]) -> RowHash {
    let mut text = format!("{RECIPE}\n{}\n", table.name);
    for column in table.columns {
        let _ = writeln!(text, "{} {:?} {:?}", column.name, column.kind, column.origin);
    }
    let _ = writeln!(text, "key {:?}\ndropped {dropped:?}\nnoise {:?}", table.key, table.noise);
    xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_be_bytes()
}

/// What `--verify` compares instead of the row hash alone: the hash together with what the columns really hold.
/// `values` are the pushed columns, `record` the canonical record.
pub fn verified(row_hash: &RowHash, values: &[u8], record: &str) -> RowHash {
    let mut hasher = Xxh3::new();
    hasher.update(row_hash);
    hasher.update(values);
    hasher.update(record.as_bytes());
    hasher.digest128().to_be_bytes()
}

/// A short name for a file that stands for a longer text.
pub fn short(text: &str) -> String {
    hex::encode(&xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_be_bytes()[..6])
}
