//! Where a run shows how far it is, whoever shows it: a terminal, a log, nobody.

use std::sync::Arc;

/// Shows how far a run is.
pub trait Progress {
    /// Shows the progress of one entity until its meter is done or dropped.
    fn meter(&self, entity: &str) -> Arc<dyn Meter>;
    /// Says a line that a person waits for; with `--quiet` nothing.
    fn say(&self, line: &str);
    /// Says what only `-v` asks for.
    fn detail(&self, text: &str);
}

/// The progress of one entity.
pub trait Meter: Send + Sync {
    /// Counts `rows` more rows as read.
    fn add(&self, rows: u64);
    /// What is being done now: "waiting", "reading", "writing".
    fn phase(&self, phase: &str);
    /// The entity is finished.
    fn done(&self);
}
