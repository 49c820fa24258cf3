//! How many rows something has read and written.

use serde::Serialize;
use std::ops::AddAssign;

/// How many rows of a table, or of one scope of it, were read and written; in a plan and in a dry run, how many would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Usable records in the answer.
    pub fetched: u64,
    /// New in the database.
    pub inserted: u64,
    /// Changed in the database.
    pub updated: u64,
    /// Left alone.
    pub unchanged: u64,
    /// Removed from the database.
    pub deleted: u64,
    /// Gone upstream, but kept, because deletion is off or the guard refused to delete so many.
    pub delete_blocked: u64,
    /// Read, but unusable.
    pub rejected: u64,
}

impl Counts {
    /// How many rows are written or deleted.
    pub const fn changed(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }

    /// Each with its name.
    pub const fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("fetched", self.fetched),
            ("inserted", self.inserted),
            ("updated", self.updated),
            ("unchanged", self.unchanged),
            ("deleted", self.deleted),
            ("delete_blocked", self.delete_blocked),
            ("rejected", self.rejected),
        ]
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.fetched += other.fetched;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.delete_blocked += other.delete_blocked;
        self.rejected += other.rejected;
    }
}
