//! What the database holds, as keys and hashes: the only thing whose memory grows with the table.

use super::row::{Key, RowHash};
use hashbrown::{HashMap, hash_map::Entry as Slot};

/// One stored or fetched row.
#[expect(
    clippy::struct_excessive_bools,
    reason = "one byte each in the only structure that there is a million of"
)]
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The stored hash; meaningless unless `stored`.
    old: RowHash,
    /// The first half of the fetched hash; meaningless unless `seen`. Only told apart from another fetched hash of
    /// the same key, where 64 bits are plenty.
    new: u64,
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
#[derive(Debug, Default)]
pub struct Index {
    entries: HashMap<Key, Entry>,
    scopes: Vec<String>,
}

impl Index {
    /// An empty index with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self { entries: HashMap::with_capacity(rows), scopes: Vec::new() }
    }

    /// Adds a stored row. `hash` is `None` for a row that was changed by hand.
    pub fn add_stored(&mut self, key: Key, scope: &str, hash: Option<RowHash>) {
        let scope = self.scope(scope);
        let entry = Entry {
            old: hash.unwrap_or_default(),
            new: 0,
            scope,
            stored: true,
            touched: hash.is_none(),
            seen: false,
            changed: false,
            reading: 0,
        };
        self.entries.insert(key, entry);
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
        let new = u64::from_be_bytes(*hash.first_chunk().expect("a hash has sixteen bytes"));
        match self.entries.entry_ref(key) {
            hashbrown::hash_map::EntryRef::Vacant(slot) => {
                slot.insert(Entry {
                    old: RowHash::default(),
                    new,
                    scope,
                    stored: false,
                    touched: false,
                    seen: true,
                    changed: true,
                    reading,
                });
                Seen::New
            }
            hashbrown::hash_map::EntryRef::Occupied(mut slot) => slot.get_mut().see(hash, new, reading),
        }
    }

    /// Notes that a stored row is still there although what was fetched of it cannot be used.
    pub(super) fn see_unusable(&mut self, key: &Key, reading: u8) {
        if let Slot::Occupied(mut slot) = self.entries.entry(key.clone()) {
            let entry = slot.get_mut();
            if !entry.seen {
                entry.new = u64::from_be_bytes(*entry.old.first_chunk().expect("a hash has sixteen bytes"));
            }
            entry.seen = true;
            entry.reading = reading;
        }
    }

    /// Forgets what was fetched.
    pub(super) fn reset(&mut self) {
        self.entries.retain(|_, entry| {
            entry.seen = false;
            entry.changed = false;
            entry.stored
        });
    }

    /// Every entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }
}

impl Entry {
    /// Whether the row was in the database before the run.
    pub(super) fn is_stored(&self) -> bool {
        self.stored
    }

    fn see(&mut self, hash: &RowHash, new: u64, reading: u8) -> Seen {
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
