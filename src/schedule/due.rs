//! When each job is due where nobody says otherwise: what `crontab.example` calls them with, and what `zerkalo status`
//! expects.

use chrono::NaiveTime;
use std::time::Duration;

/// A job that is due every day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The job, as its command is typed.
    pub job: &'static str,
    /// The time of day in the business's time zone.
    pub at: NaiveTime,
    /// How long after it the job may still begin.
    pub grace: Duration,
}

const fn at(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day")
}

/// The morning.
pub const FULL_MORNING: Due = Due { job: "full-morning", at: at(7), grace: Duration::from_hours(1) };

/// The report on the stop-list.
pub const STOPLIST_REPORT: Due = Due { job: "stoplist-report", at: at(22), grace: Duration::from_hours(1) };

/// The night's transfers: they must have ended before midnight, because balances belong to the day.
pub const NEGATIVE_TRANSFER: Due =
    Due { job: "negative-transfer", at: at(23), grace: Duration::from_mins(55) };

/// Every job that is due, in the order of the day.
pub const DUE: [Due; 3] = [FULL_MORNING, STOPLIST_REPORT, NEGATIVE_TRANSFER];

/// Every job that can be scheduled, as its command is typed.
pub const JOBS: [&str; 9] = [
    FULL_MORNING.job,
    STOPLIST_REPORT.job,
    NEGATIVE_TRANSFER.job,
    "sync iiko",
    "sync fintablo",
    "sync stock",
    "sync min-stock",
    "sync stoplist",
    "push-mapping",
];
