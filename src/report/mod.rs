//! What a run did, as a value, and its renderings: a table for people, JSON for machines, one exit code for cron.

pub mod doctor;
pub mod documents;
mod grid;
pub mod history;
pub mod metrics;
pub mod morning;
pub mod night;
pub mod status;
pub mod stop_changes;
pub mod stoplist;
mod table;

use chrono::SecondsFormat;
use serde_json::{Value, json};

pub use self::table::finished;
use self::table::painted_cell;
use crate::model::report::RunReport;

impl RunReport {
    /// The one object that `--json` prints.
    pub fn to_json(&self) -> Value {
        let mut report = json!({
            "command": self.command,
            "run_id": self.run_id,
            "dry_run": self.dry_run,
            "exit_code": self.exit_code(),
            "started_at": self.started_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            "duration_ms": u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            "steps": self.steps,
        });
        if let Some(slot) = &self.slot {
            report["slot"] = json!(slot);
        }
        if let Some(failure) = &self.failure {
            report["error"] = failure.to_string().into();
            report["hint"] = failure.hint.clone().into();
        }
        report
    }

    /// The result for people: a table no wider than `width` columns, what to look at, and one closing line.
    ///
    /// The notes under the table are not broken, so that a command in a hint can be copied.
    pub fn table(&self, width: u16, colour: bool) -> String {
        table::render(self, width, colour, false)
    }

    /// The same with a line for every scope (`-v`).
    pub fn full_table(&self, width: u16, colour: bool) -> String {
        table::render(self, width, colour, true)
    }

    /// The last line of the table: how long it took, how many rows it touched, and its exit code.
    pub fn closing(&self) -> String {
        table::closing(self)
    }

    /// What is told and needs no look, a line each: nothing is wrong, so `--quiet` is silent about it.
    pub fn remarks(&self, colour: bool) -> String {
        table::remarks(self, colour)
    }

    /// Only the warnings and errors, a line each with its hint; empty when all is well (`--quiet`).
    pub fn notes(&self, colour: bool) -> String {
        table::notes(self, colour)
    }
}

#[cfg(test)]
mod tests;
