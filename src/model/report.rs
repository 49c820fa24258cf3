//! What a run did, as a value.

use crate::{
    error::{Failure, Kind},
    model::{Counts, stop_changes::StopChanges},
    schedule::Slot,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::{collections::BTreeSet, fmt, time::Duration};
use uuid::Uuid;

/// How a step ended; in a dry run, how it would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Done.
    Success,
    /// Done, with something the operator should look at.
    Warning,
    /// Nothing of it was committed.
    Error,
    /// Not started, on purpose.
    Skipped,
}

impl Status {
    /// The word for it in tables, JSON and the sync log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }

    /// The status of that name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Success, Self::Warning, Self::Error, Self::Skipped]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What one step did to one entity.
#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    /// `iiko`, `fintablo`, `stock`, …
    pub step: String,
    /// The table's name; none for a step that mirrors no table.
    pub entity: Option<String>,
    /// The part of the table that was mirrored, such as a root type of `iiko_entity`.
    pub scope: Option<String>,
    /// How it ended.
    pub status: Status,
    /// How many rows it has read and written.
    #[serde(flatten)]
    pub counts: Counts,
    /// From the first request to the commit, in milliseconds.
    pub duration_ms: u64,
    /// The first rows that the upstream no longer has, by name and key, whether deleted or kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What is done to a sheet, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What a reading of the stop-list has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stoplist: Option<StopChanges>,
    /// What is told once and needs no look, one sentence each, without a full stop: nothing is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// One sentence each, without a full stop.
    pub warnings: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Why it failed, in one sentence.
    pub error: Option<String>,
    /// The class of the failure; decides the exit code.
    #[serde(skip)]
    pub kind: Option<Kind>,
}

impl StepReport {
    /// A step that succeeded and has not counted anything yet.
    pub fn new(step: impl Into<String>, entity: Option<&str>, scope: Option<&str>) -> Self {
        Self {
            step: step.into(),
            entity: entity.map(str::to_owned),
            scope: scope.map(str::to_owned),
            status: Status::Success,
            counts: Counts::default(),
            duration_ms: 0,
            missing: Vec::new(),
            details: Vec::new(),
            stoplist: None,
            notes: Vec::new(),
            warnings: Vec::new(),
            hint: None,
            error: None,
            kind: None,
        }
    }

    /// What it is about: the table, else the step itself.
    pub fn part(&self) -> &str {
        self.entity.as_deref().unwrap_or(&self.step)
    }

    /// Adds something that the operator should look at.
    pub fn warn(&mut self, warning: String) {
        self.status = Status::Warning;
        self.warnings.push(warning);
    }

    /// The same step, failed.
    #[must_use]
    pub fn failed(mut self, failure: &Failure) -> Self {
        self.status = Status::Error;
        self.error = Some(failure.to_string());
        self.hint.clone_from(&failure.hint);
        self.kind = Some(failure.kind);
        self
    }

    /// The reports of one table's scopes as one, for its progress line.
    pub fn summed(scopes: &[Self]) -> Self {
        let [first, rest @ ..] = scopes else { return Self::new("", None, None) };
        let mut sum = first.clone();
        let rank = |status: Status| {
            [Status::Skipped, Status::Success, Status::Warning, Status::Error]
                .iter()
                .position(|other| *other == status)
        };
        for scope in rest {
            sum.scope = None;
            sum.status = if rank(scope.status) > rank(sum.status) { scope.status } else { sum.status };
            sum.counts += scope.counts;
        }
        sum
    }

    /// `iiko_entity (Measure)`, or the step's name when it mirrors no table.
    pub fn name(&self) -> String {
        match (&self.entity, &self.scope) {
            (Some(entity), Some(scope)) => format!("{entity} ({scope})"),
            (Some(entity), None) => entity.clone(),
            (None, _) => self.step.clone(),
        }
    }

    /// The classes of everything that was not right with this step.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let unclassed = (self.status == Status::Error && self.kind.is_none()).then_some(Kind::Internal);
        let notable = self.status == Status::Warning
            || !self.warnings.is_empty()
            || self.counts.delete_blocked > 0
            || self.counts.rejected > 0;
        [self.kind, unclassed, notable.then_some(Kind::Warning)].into_iter().flatten()
    }
}

/// How a scheduled run found its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotFound {
    /// Nobody had begun with it.
    Fresh,
    /// A run had begun with it, and this one finishes.
    Resumed,
    /// An earlier run had done it.
    Done,
    /// It was too late.
    Misfired,
}

/// What a scheduled run found of its slot.
#[derive(Debug, Clone, Serialize)]
pub struct SlotReport {
    /// The job.
    pub job: String,
    /// The moment, UTC.
    pub at: DateTime<Utc>,
    /// The day that the run belongs to.
    pub business_date: NaiveDate,
    /// How it was found.
    pub found: SlotFound,
    /// What the operator should know of it, in one sentence without a full stop.
    pub note: Option<String>,
}

impl SlotReport {
    /// What was found of a slot.
    pub fn new(slot: &Slot, found: SlotFound, note: Option<String>) -> Self {
        let (job, at, business_date) = (slot.job.clone(), slot.at, slot.business_date());
        Self { job, at, business_date, found, note }
    }
}

/// What a whole run did.
#[derive(Debug)]
pub struct RunReport {
    /// The command as it was typed: `sync iiko`.
    pub command: String,
    /// Identifies the run in the database and the logs.
    pub run_id: Uuid,
    /// Nothing was written.
    pub dry_run: bool,
    /// The slot that it was started for; none by hand and in a dry run.
    pub slot: Option<SlotReport>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// What it did, in the order of its steps.
    pub steps: Vec<StepReport>,
    /// Why the run as a whole failed: its lock, its settings, its database.
    pub failure: Option<Failure>,
}

impl RunReport {
    /// The process exit code: that of the worst thing that happened.
    pub fn exit_code(&self) -> u8 {
        Kind::worst(self.kinds())
    }

    /// The classes of everything that was not right with it.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        let whole = self.failure.iter().map(|failure| failure.kind);
        whole.chain(self.steps.iter().flat_map(StepReport::kinds))
    }

    /// Whether all is well and nothing had to be written.
    pub fn changed_nothing(&self) -> bool {
        let is_same = |step: &StepReport| step.counts.changed() == 0;
        self.exit_code() == 0 && self.steps.iter().all(is_same)
    }

    /// What is wrong, so that the same trouble reads the same in every run: what failed or warned, and in which way. No
    /// counts, times or words of an upstream.
    pub fn trouble(&self) -> String {
        let whole = self.failure.iter().map(|failure| format!("run {}", failure.kind.exit_code()));
        let steps = self.steps.iter().filter(|step| step.kinds().next().is_some());
        let step = |step: &StepReport| format!("{} {}", step.name(), Kind::worst(step.kinds()));
        let lines: BTreeSet<String> = whole.chain(steps.map(step)).collect();
        lines.into_iter().collect::<Vec<_>>().join("\n")
    }
}
