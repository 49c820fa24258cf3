//! What a run has learnt of how its database is: every connection of the run knows it, so nothing is waited for twice.

use super::faults::{Fault, failure};
use crate::error::{Failure, Kind, Result};
use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Shared by the connections of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition(Arc<Learnt>);

#[derive(Debug, Default)]
struct Learnt {
    /// Why nothing is tried there any more.
    down: OnceLock<Failure>,
    /// Whether a wait for another program has run out.
    waited: AtomicBool,
    /// The device and the number of the `SQLite` file that was opened first.
    file: OnceLock<(u64, u64)>,
}

impl Condition {
    /// Fails as the database failed for good before.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.down.get().map_or(Ok(()), |failure| Err(failure.again()))
    }

    /// Nothing is tried there any more.
    pub(super) fn is_down(&self, failure: &Failure) {
        let _ = self.0.down.set(failure.again());
    }

    /// Whether a wait for another program has run out: the next one is short.
    pub(super) fn has_waited(&self) -> bool {
        self.0.waited.load(Ordering::Relaxed)
    }

    /// An error on a server: a table that another program holds is waited for once, the others may still be free.
    pub(super) fn failure(&self, doing: &str, error: sqlx::Error) -> Failure {
        if Fault::of(&error) == Fault::Busy {
            self.0.waited.store(true, Ordering::Relaxed);
        }
        failure(doing, error)
    }

    /// An error on a file, which another program holds as a whole.
    pub(super) fn failure_of_file(&self, doing: &str, error: sqlx::Error) -> Failure {
        let busy = Fault::of(&error) == Fault::Busy;
        let failure = failure(doing, error);
        if busy {
            self.is_down(&failure);
        }
        failure
    }

    /// Fails when the file at `path` is not the one that was opened first: what is written to that one nobody would find.
    pub(super) fn check_file(&self, path: &Path) -> Result<()> {
        self.check()?;
        let Some(opened) = self.0.file.get() else { return Ok(()) };
        if identity(path) == Some(*opened) {
            return Ok(());
        }
        let text =
            format!("the database file {} was deleted or replaced while this run used it", path.display());
        let failure = Failure::new(Kind::Database, text).hint(
            "nothing more is written; keep cleaners, copies and backups that swap files away from it, then start this again",
        );
        self.is_down(&failure);
        Err(failure)
    }

    /// Remembers the file, if it is the first one that is opened.
    pub(super) fn opened(&self, path: &Path) {
        if let Some(found) = identity(path) {
            self.0.file.get_or_init(|| found);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
