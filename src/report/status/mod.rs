//! The state of everything: what was found, what is wrong with it, and its renderings.
//!
//! - [`judge`]: what is found worth a warning
//! - `table`: the screen
//! - [`check`]: one line for monitoring

pub mod check;
mod judge;
mod table;
#[cfg(test)]
mod tests;

use super::documents::DocumentReport;
use crate::{
    config::Config,
    engine::Hold,
    error::Kind,
    registry::Due,
    schedule::SlotState,
    store::{
        filesystem::Room,
        holders::Told,
        operator::{Blocked, Overview, Remote},
    },
    upstreams::iiko::RememberedSession,
};
use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// What a person can do about a slot of a job that was missed, at a moment; both are of the business's time zone.
pub type ByHand<'a> = &'a dyn Fn(&str, NaiveDateTime, NaiveDateTime) -> String;

/// What was found, before anybody judges it.
pub struct Found<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Where the database is.
    pub database: String,
    /// What it tells.
    pub overview: Overview,
    /// Documents that are open or unknown.
    pub documents: Vec<DocumentReport>,
    /// What the lock files tell.
    pub locks: Vec<Told>,
    /// Sessions of iiko that are remembered, and since when.
    pub sessions: Vec<RememberedSession>,
    /// How much room the disks have that a run writes to.
    pub disks: Vec<Room>,
    /// What makes up for a slot.
    pub by_hand: ByHand<'a>,
    /// Now, UTC.
    pub now: DateTime<Utc>,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is wrong.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// Somebody has to look at it now.
    Critical,
}

impl Severity {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Its class; decides the exit code of a check.
    #[serde(serialize_with = "exit_code", rename = "exit_code")]
    pub kind: Kind,
    /// What and where, in one sentence without a full stop.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn exit_code<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(kind.exit_code())
}

/// How a table or a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its last run was good, and not too long ago.
    Ok,
    /// Its last good run had a warning.
    Warning,
    /// It has failed since its last good run.
    Failed,
    /// Its last good run is too long ago.
    Old,
    /// It never had a good run.
    Never,
    /// It never ran, and is not expected to.
    Off,
}

impl State {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Old => "old",
            Self::Never => "never ran",
            Self::Off => "-",
        }
    }
}

/// A table, or a step that mirrors none.
#[derive(Debug, Clone, Serialize)]
pub struct EntityStatus {
    /// Its name.
    pub entity: String,
    /// How many scopes it has.
    pub scopes: usize,
    /// How it is.
    pub state: State,
    /// When its last good run ended; of scopes the oldest.
    pub last_good_run: Option<DateTime<Utc>>,
    /// How long ago that is, in seconds.
    pub age_s: Option<i64>,
    /// How long ago it may be, in seconds.
    pub max_age_s: Option<u64>,
    /// The rows that the last good run left; none for a step without a table.
    pub rows: Option<i64>,
    /// The latest run that failed or warned.
    pub last_problem: Option<LastProblem>,
}

/// The latest run of an entity that failed or warned.
#[derive(Debug, Clone, Serialize)]
pub struct LastProblem {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How.
    pub status: crate::model::report::Status,
    /// What it said.
    pub message: Option<String>,
}

/// A job that has slots.
#[derive(Debug, Clone, Serialize)]
pub struct JobStatus {
    /// The job.
    pub job: String,
    /// Its latest slot.
    pub last_slot: Option<DateTime<Utc>>,
    /// How that is.
    pub state: Option<SlotState>,
    /// How the run of it ended.
    pub exit_code: Option<i64>,
    /// Its next slot.
    pub next_slot: DateTime<Utc>,
}

/// The state of everything.
#[derive(Debug)]
pub struct StatusReport {
    /// Where the database is.
    pub database: String,
    /// Tables and steps.
    pub entities: Vec<EntityStatus>,
    /// Jobs.
    pub jobs: Vec<JobStatus>,
    /// Documents that are open or unknown.
    pub documents: Vec<DocumentReport>,
    /// Where rows are kept that answers lack.
    pub blocked: Vec<Blocked>,
    /// Tables of which an operator keeps deletion off.
    pub holds: Vec<Hold>,
    /// How many deleted rows can be brought back, and since when they are kept.
    pub tombstones: (i64, Option<DateTime<Utc>>),
    /// Who holds locks now.
    pub locks: Vec<Told>,
    /// Runs that ended without a word and are not logged yet.
    pub killed: Vec<Told>,
    /// Runs on other hosts that hold locks of the database.
    pub remote: Vec<Remote>,
    /// Sessions of iiko that are left over.
    pub sessions: Vec<RememberedSession>,
    /// How much room the disks have that a run writes to.
    pub disks: Vec<Room>,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// Now.
    pub now: DateTime<Utc>,
    /// The business's time zone.
    pub zone: Tz,
}

impl StatusReport {
    /// Judges what was found.
    pub fn of(found: Found<'_>) -> Self {
        judge::report(found)
    }

    /// How bad the worst problem is.
    pub fn severity(&self) -> Severity {
        self.problems.iter().map(|problem| problem.severity).max().unwrap_or(Severity::Ok)
    }

    /// The exit code of a check: that of the worst problem.
    pub fn exit_code(&self) -> u8 {
        Kind::worst(self.problems.iter().map(|problem| problem.kind))
    }

    /// The one object that `--json` prints.
    pub fn to_json(&self) -> Value {
        json!({
            "command": "status",
            "database": self.database,
            "now": self.now,
            "time_zone": self.zone.name(),
            "state": self.severity().name(),
            "problems": self.problems,
            "entities": self.entities,
            "jobs": self.jobs,
            "documents": self.documents,
            "deletion_blocked": self.blocked,
            "holds": self.holds,
            "tombstones": { "rows": self.tombstones.0, "since": self.tombstones.1 },
            "locks": self.locks,
            "killed": self.killed,
            "remote_runs": self.remote,
            "left_over_sessions": self.sessions.iter().map(|left| left.since).collect::<Vec<_>>(),
            "disks": self.disks,
        })
    }

    /// The screen: tables no wider than `width`, then what is wrong.
    pub fn table(&self, width: u16, colour: bool) -> String {
        table::render(self, width, colour)
    }

    /// Only what is wrong, a line each with its hint; empty when all is well.
    pub fn notes(&self, colour: bool) -> String {
        table::problems(self, colour)
    }
}

/// The time of day at which a job is due: that of its latest slot, else what it is due by default.
fn due_at(due: &Due, last: Option<DateTime<Utc>>, zone: Tz) -> chrono::NaiveTime {
    last.map_or(due.at, |slot| slot.with_timezone(&zone).time())
}
