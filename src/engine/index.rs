//! What the database holds, as keys and hashes: the only thing whose memory grows with the table.

use super::row::{Key, RowHash};
use crate::error::quote;
use chrono::{DateTime, Utc};
use hashbrown::{DefaultHashBuilder, HashTable};
use serde::Serialize;
use std::{fmt, hash::BuildHasher as _};

/// The first half of a fetched hash: it only tells two fetched contents of one key apart, where 64 bits are plenty.
type HalfHash = [u8; 8];

/// One stored or fetched row.
#[expect(
    clippy::struct_excessive_bools,
    reason = "one byte each in the only structure that there is a million of"
)]
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The stored hash; meaningless unless `stored`.
    old: RowHash,
    /// Meaningless unless `seen`. Bytes, because an integer's alignment would cost four more in each row.
    new: HalfHash,
    pub(super) scope: u16,
    stored: bool,
    /// The stored row was changed by hand: its hash is NULL, which differs from everything.
    touched: bool,
    pub(super) seen: bool,
    pub(super) changed: bool,
    reading: u8,
}

/// How a fetched row compares with what is stored and what was fetched before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Stored with this very content.
    Unchanged,
    /// Not stored.
    New,
    /// Stored with other content.
    Changed,
    /// Fetched before with the same content.
    Repeated,
    /// Fetched before with other content.
    Conflict {
        /// Whether the row is stored.
        stored: bool,
        /// Whether this content differs from what is stored.
        changed: bool,
        /// Whether the earlier one came in this same reading.
        same_reading: bool,
    },
}

/// The rows of a table by key.
///
/// The rows lie in a list and the hash table holds only their places: a table of whole rows would be half empty at
/// worst, and twice there while it grows.
#[derive(Debug, Default)]
pub struct Index {
    /// First the stored rows, then the fetched ones that are not stored.
    rows: Vec<(Key, Entry)>,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// How many rows are stored.
    stored: usize,
    scopes: Vec<String>,
    hold: Option<Hold>,
}

/// An operator keeps deletion off for a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The table.
    pub table: String,
    /// Since when, UTC.
    pub since: DateTime<Utc>,
    /// Who, and on which host.
    pub by: String,
}

impl fmt::Display for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.format("%Y-%m-%d %H:%M:%S UTC");
        write!(formatter, "{} holds deletion off since {since}", quote(&self.by, 80))
    }
}

impl Index {
    /// Adds a stored row. `hash` is `None` for a row that was changed by hand.
    pub fn add_stored(&mut self, key: Key, scope: &str, hash: Option<RowHash>) {
        let scope = self.scope(scope);
        let entry = Entry {
            old: hash.unwrap_or_default(),
            new: HalfHash::default(),
            scope,
            stored: true,
            touched: hash.is_none(),
            seen: false,
            changed: false,
            reading: 0,
        };
        debug_assert_eq!(self.stored, self.rows.len(), "stored rows come before fetched ones");
        if let Some(place) = self.place(&key) {
            self.rows[place].1 = entry;
            return;
        }
        self.insert(key, entry);
        self.stored += 1;
    }

    /// Notes that an operator keeps deletion off.
    pub fn set_hold(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    /// Who keeps deletion off, if anybody does.
    pub(super) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// How many rows are stored.
    pub(super) fn stored(&self) -> usize {
        self.stored
    }

    /// Whether a row with this key is stored, or was added.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.place(key).is_some()
    }

    /// Adds a row whose key is not there.
    fn insert(&mut self, key: Key, entry: Entry) {
        let (rows, hasher) = (&self.rows, &self.hasher);
        let place = u32::try_from(rows.len()).expect("a table has fewer than four thousand million rows");
        self.places
            .insert_unique(hasher.hash_one(&key), place, |place| hasher.hash_one(&rows[*place as usize].0));
        self.rows.push((key, entry));
    }

    fn place(&self, key: &Key) -> Option<usize> {
        let is_it = |place: &u32| self.rows[*place as usize].0 == *key;
        self.places.find(self.hasher.hash_one(key), is_it).map(|place| *place as usize)
    }

    /// The number of a scope, which is added when it is new.
    pub(super) fn scope(&mut self, name: &str) -> u16 {
        let position = self.scopes.iter().position(|scope| scope == name).unwrap_or_else(|| {
            self.scopes.push(name.to_owned());
            self.scopes.len() - 1
        });
        u16::try_from(position).expect("a table has a handful of scopes")
    }

    /// Notes a fetched row.
    pub(super) fn see(&mut self, key: &Key, scope: u16, hash: &RowHash, reading: u8) -> Seen {
        let new = half(hash);
        if let Some(place) = self.place(key) {
            return self.rows[place].1.see(hash, new, reading);
        }
        let entry = Entry {
            old: RowHash::default(),
            new,
            scope,
            stored: false,
            touched: false,
            seen: true,
            changed: true,
            reading,
        };
        self.insert(key.clone(), entry);
        Seen::New
    }

    /// Notes that a stored row is still there although what was fetched of it cannot be used.
    pub(super) fn see_unusable(&mut self, key: &Key, reading: u8) {
        let Some(place) = self.place(key) else { return };
        let entry = &mut self.rows[place].1;
        if !entry.seen {
            entry.new = half(&entry.old);
        }
        entry.seen = true;
        entry.reading = reading;
    }

    /// Forgets what was fetched.
    pub(super) fn reset(&mut self) {
        let stored = self.stored;
        self.rows.truncate(stored);
        self.places.retain(|place| (*place as usize) < stored);
        for (_, entry) in &mut self.rows {
            entry.seen = false;
            entry.changed = false;
        }
    }

    /// Every entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.rows.iter().map(|(key, entry)| (key, entry))
    }
}

fn half(hash: &RowHash) -> HalfHash {
    *hash.first_chunk().expect("a hash has sixteen bytes")
}

impl Entry {
    /// Whether the row was in the database before the run.
    pub(super) fn is_stored(&self) -> bool {
        self.stored
    }

    fn see(&mut self, hash: &RowHash, new: HalfHash, reading: u8) -> Seen {
        if self.seen {
            if self.new == new {
                return Seen::Repeated;
            }
            let same_reading = self.reading == reading;
            self.new = new;
            self.reading = reading;
            self.changed = !self.stored || self.touched || self.old != *hash;
            return Seen::Conflict { stored: self.stored, changed: self.changed, same_reading };
        }
        self.seen = true;
        self.new = new;
        self.reading = reading;
        self.changed = self.touched || self.old != *hash;
        if self.changed { Seen::Changed } else { Seen::Unchanged }
    }
}
