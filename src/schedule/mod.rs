//! Scheduled moments: which one a start belongs to, and whether it may still be made use of.
//!
//! cron and systemd only pull the trigger. Which slot it was for, whether that slot is done already, and whether it is
//! too late for it is decided here, from one reading of the clock and one row of `job_slot`. So a plain crontab line
//! that fires every ten minutes runs a job once, resumes it when it was cut off, and never runs it too late.

use crate::error::{Failure, Kind};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use std::time::Duration;
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

/// When a job is due every day, and how late it may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The time of day in the business's time zone.
    pub at: NaiveTime,
    /// Until when the job may still begin.
    pub latest: Latest,
    /// The day whose slot is meant; none for the latest one that has come.
    pub day: Option<NaiveDate>,
}

/// Until when a job may still begin for a slot. That second is the last one in which it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latest {
    /// So long after the slot; counted in whole seconds.
    Grace(Duration),
    /// The next time after the slot that wall clocks show this.
    TimeOfDay(NaiveTime),
    /// However late it is: a person has said so.
    Never,
}

/// One scheduled moment of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The job, as its command is typed.
    pub job: String,
    /// The moment.
    pub at: DateTime<Utc>,
    /// The same moment on the business's wall clock.
    pub local: NaiveDateTime,
    /// How long after it the job may still begin; [`Duration::MAX`] for however late it is.
    pub grace: Duration,
}

/// What the database knows of a slot: its row of `job_slot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// How far it is.
    pub state: SlotState,
    /// The run that touched it last.
    pub run_id: Uuid,
    /// When that run began with it; none for a slot that was never begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When that run ended; none while it works, and for one that was killed.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub exit_code: Option<i64>,
    /// How many runs have begun with it.
    pub attempts: i64,
}

/// How far a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SlotState {
    /// Begun, and not done: a run works on it, or one was cut off.
    Running,
    /// Nothing is left to do.
    Done,
    /// Nobody began in time, or nobody finished in time.
    Misfired,
}

/// What a start has to do about its slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has begun with it.
    Fresh,
    /// A run has begun with it and did not finish: what it left is finished.
    Resume(SlotRow),
    /// Nothing is left to do.
    Done(SlotRow),
    /// It is too late.
    Misfire {
        /// How long after the slot the start came.
        late: TimeDelta,
        /// The run that began with it and did not finish.
        begun: Option<SlotRow>,
    },
}

impl SlotState {
    /// The word for it in the database.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The state of a slot whose run ended with this exit code: 0 and 4 leave nothing to do.
    pub const fn after(exit_code: u8) -> Self {
        if matches!(exit_code, 0 | 4) { Self::Done } else { Self::Running }
    }
}

impl Schedule {
    /// The slot that a start of `job` at `now` belongs to; of a chosen day it may be one that has not come yet.
    pub fn slot(&self, job: &str, zone: Tz, now: DateTime<Utc>) -> Slot {
        let at = match self.day {
            Some(day) => first_moment(day.and_time(self.at), zone),
            None => latest_slot(self.at, zone, now),
        };
        let local = at.with_timezone(&zone).naive_local();
        let grace = match self.latest {
            Latest::Grace(grace) => grace,
            Latest::TimeOfDay(time) => {
                (last_start(local.date(), self.at, time, zone) - at).to_std().unwrap_or_default()
            }
            Latest::Never => Duration::MAX,
        };
        Slot { job: job.to_owned(), at, local, grace }
    }
}

impl Slot {
    /// The business date of everything that is done for this slot, however late it is done.
    pub fn business_date(&self) -> NaiveDate {
        self.local.date()
    }

    /// The grace in whole seconds; none where a person gave leave for this slot alone.
    pub fn grace_seconds(&self) -> Option<i64> {
        i64::try_from(self.grace.as_secs()).ok()
    }

    /// Whether a start at `now` is too late for it.
    pub fn is_late(&self, now: DateTime<Utc>) -> bool {
        self.grace_seconds().is_some_and(|grace| (now - self.at).num_seconds() > grace)
    }

    /// What a start at `now` has to do, by what the database knows. A slot that is done is never too late.
    pub fn verdict(&self, now: DateTime<Utc>, row: Option<SlotRow>) -> Verdict {
        match row {
            Some(row) if row.state == SlotState::Done => Verdict::Done(row),
            row if self.is_late(now) => {
                Verdict::Misfire { late: now - self.at, begun: row.filter(|row| row.attempts > 0) }
            }
            Some(row) if row.attempts > 0 => Verdict::Resume(row),
            _ => Verdict::Fresh,
        }
    }

    /// Why a start that came too late does nothing.
    pub fn misfire(&self, late: TimeDelta, begun: Option<&SlotRow>) -> Failure {
        let begun = begun.map_or_else(String::new, |row| {
            format!("; run {} had begun with it and did not finish", row.run_id)
        });
        let [late, allowed] = crate::humanize::apart(late.to_std().unwrap_or_default(), self.grace);
        Failure::new(
            Kind::Misfire,
            format!("{self}: this start is {late} late, and no more than {allowed} is allowed{begun}"),
        )
    }

    /// Why a start does nothing whose slot another one has just taken.
    pub fn taken(&self) -> Failure {
        Failure::new(Kind::Locked, format!("{self}: another start has just begun with it"))
            .hint("wait until it has ended; this start has nothing to do then")
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.job, self.local.format("%Y-%m-%d %H:%M"))
    }
}

/// `1h30m`, `55m`, `90s`: whole numbers, each with its unit; none for anything else.
pub fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
        let number: u32 = rest[..digits].parse().ok()?;
        let seconds = match rest[digits..].chars().next()? {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total += Duration::from_secs(u64::from(number) * seconds);
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(total)
}

/// The first moment after `now` that shows `scheduled` on the wall clocks of `zone`.
pub fn next_slot(scheduled: NaiveTime, zone: Tz, now: DateTime<Utc>) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    let days = (0..=3).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
    let moments = days.map(|day| first_moment(day.and_time(scheduled), zone));
    moments.filter(|moment| *moment > now).min().expect("a scheduled time comes every day")
}

/// The latest moment that shows `scheduled` on the wall clocks of `zone` and is not after `now`.
///
/// Where clocks are put forward over it, it is the first moment after the gap; where they are put back, so that it
/// comes twice, it is the first of the two.
pub fn latest_slot(scheduled: NaiveTime, zone: Tz, now: DateTime<Utc>) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    // A day that the zone leaves out, as Samoa once did, makes the day before yesterday the latest.
    let days = (0..=3).filter_map(|back| today.checked_sub_days(Days::new(back)));
    let moments = days.map(|day| first_moment(day.and_time(scheduled), zone));
    moments.filter(|moment| *moment <= now).max().expect("a scheduled time comes every day")
}

/// The first moment at which the wall clocks of `zone` show `local`, or the first one after it when they never do.
pub fn first_moment(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    // Clocks are changed by whole minutes, and nowhere by more than a day and an hour.
    (0..=26 * 60)
        .find_map(|minutes| zone.from_local_datetime(&(local + TimeDelta::minutes(minutes))).earliest())
        .expect("clocks are nowhere put forward by more than a day")
        .to_utc()
}

/// The last moment at which a slot of `day` at `scheduled` may begin that must not begin later than `time`: on that day,
/// or on the next one when `time` is no later in the day. A time that clocks are put forward over is counted as if they
/// were not; of one that comes twice it is the first.
fn last_start(day: NaiveDate, scheduled: NaiveTime, time: NaiveTime, zone: Tz) -> DateTime<Utc> {
    let days = Days::new(u64::from(time <= scheduled));
    let local = (day + days).and_time(time);
    (0..=26 * 60)
        .map(TimeDelta::minutes)
        .find_map(|gap| Some(zone.from_local_datetime(&(local - gap)).earliest()?.to_utc() + gap))
        .expect("clocks are nowhere put forward by more than a day")
}

#[cfg(test)]
mod tests;
