//! What is run, as data: every job with its command, when it is due and what it needs, and every step with its title.

use crate::model::upstream::Upstream;
use chrono::NaiveTime;
use std::time::Duration;

/// A job: what a command, a crontab line or a timer starts.
#[derive(Debug, PartialEq, Eq)]
pub struct Job {
    /// Its command, as it is typed.
    pub name: &'static str,
    /// When it is due every day where nobody says otherwise: what `crontab.example` calls it with, and what
    /// `zerkalo status` expects.
    pub due: Option<Due>,
    /// Whether a crontab or a timer may start it: then it has slots, and a heartbeat tells that it did not run.
    pub is_scheduled: bool,
    /// What it cannot do without.
    pub needs: &'static [Need],
}

/// When a job is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The time of day in the business's time zone.
    pub at: NaiveTime,
    /// How long after it the job may still begin.
    pub grace: Duration,
}

/// What a job cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An upstream, with all its settings.
    Upstream(Upstream),
    /// The same, unless nothing of it is set: then its steps are left out. Half of its settings is a mistake.
    WholeOrNone(Upstream),
    /// A bot, and somebody whom it tells.
    Readers,
}

const NEEDS_IIKO: Need = Need::Upstream(Upstream::Iiko);
const NEEDS_FINTABLO: Need = Need::Upstream(Upstream::FinTablo);
const NEEDS_SHEET: Need = Need::Upstream(Upstream::GoogleSheets);
const NEEDS_CLOUD: Need = Need::Upstream(Upstream::IikoCloud);

const fn due(hour: u32, grace: Duration) -> Due {
    Due { at: NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day"), grace }
}

/// When the morning is due.
pub const MORNING: Due = due(7, Duration::from_hours(1));

/// When the report on the stop-list is due.
pub const EVENING: Due = due(22, Duration::from_hours(1));

/// When the transfers are due: they must have ended before midnight, because balances belong to the day.
pub const NIGHT: Due = due(23, Duration::from_mins(55));

const fn scheduled(name: &'static str, needs: &'static [Need]) -> Job {
    Job { name, due: None, is_scheduled: true, needs }
}

/// The morning.
pub const FULL_MORNING: Job = Job {
    due: Some(MORNING),
    ..scheduled("full-morning", &[NEEDS_IIKO, NEEDS_FINTABLO, Need::WholeOrNone(Upstream::GoogleSheets)])
};

/// The report on the stop-list.
pub const STOPLIST_REPORT: Job = Job { due: Some(EVENING), ..scheduled("stoplist-report", &[Need::Readers]) };

/// The night's transfers.
pub const NEGATIVE_TRANSFER: Job = Job { due: Some(NIGHT), ..scheduled("negative-transfer", &[NEEDS_IIKO]) };

/// The mirror of the iiko server.
pub const SYNC_IIKO: Job = scheduled("sync iiko", &[NEEDS_IIKO]);

/// The mirror of the `FinTablo` account.
pub const SYNC_FINTABLO: Job = scheduled("sync fintablo", &[NEEDS_FINTABLO]);

/// The balances.
pub const SYNC_STOCK: Job = scheduled("sync stock", &[NEEDS_IIKO]);

/// The levels, from the sheet.
pub const SYNC_MIN_STOCK: Job = scheduled("sync min-stock", &[NEEDS_SHEET]);

/// The stop-lists.
pub const SYNC_STOPLIST: Job = scheduled("sync stoplist", &[NEEDS_CLOUD]);

/// The mapping reference, to the sheet.
pub const PUSH_MAPPING: Job = scheduled("push-mapping", &[NEEDS_SHEET]);

/// A write-off act from a file.
pub const WRITEOFF: Job = Job { name: "writeoff", due: None, is_scheduled: false, needs: &[NEEDS_IIKO] };

/// Every job; those that are due come first, in the order of the day.
pub const JOBS: &[Job] = &[
    FULL_MORNING,
    STOPLIST_REPORT,
    NEGATIVE_TRANSFER,
    SYNC_IIKO,
    SYNC_FINTABLO,
    SYNC_STOCK,
    SYNC_MIN_STOCK,
    SYNC_STOPLIST,
    PUSH_MAPPING,
    WRITEOFF,
];

/// Every job that can be scheduled.
pub fn schedulable() -> impl Iterator<Item = &'static Job> {
    JOBS.iter().filter(|job| job.is_scheduled)
}

/// Every job that is due where nobody says otherwise, with when it is.
pub fn due_daily() -> impl Iterator<Item = (&'static Job, Due)> {
    JOBS.iter().filter_map(|job| Some((job, job.due?)))
}

/// What a job does one after the other.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// What the operator calls it.
    pub name: &'static str,
    /// What the staff call it, in Russian.
    pub title: &'static str,
}

/// The iiko server but for its balances.
pub const IIKO: Step = Step { name: "iiko", title: "iiko" };

/// The `FinTablo` account.
pub const FINTABLO: Step = Step { name: "fintablo", title: "FinTablo" };

/// The balances.
pub const STOCK: Step = Step { name: "stock", title: "Остатки" };

/// The levels, from the sheet.
pub const MIN_STOCK: Step = Step { name: "min-stock", title: "Мин. остатки" };

/// The nomenclature, to the sheet.
pub const MIN_STOCK_PUSH: Step = Step { name: "min-stock-push", title: "min-stock-push" };

/// The mapping reference, to the sheet.
pub const MAPPING: Step = Step { name: PUSH_MAPPING.name, title: "Маппинг" };

/// The stop-lists.
pub const STOPLIST: Step = Step { name: "stoplist", title: "stoplist" };

/// A run that ended without a word, told by the next one.
pub const KILLED: Step = Step { name: "killed", title: "Прошлый запуск" };

const STEPS: [Step; 8] = [IIKO, FINTABLO, STOCK, MIN_STOCK, MIN_STOCK_PUSH, MAPPING, STOPLIST, KILLED];

/// What the staff call a step; its name where they have no word for it.
pub fn title(step: &str) -> &str {
    STEPS.iter().find(|known| known.name == step).map_or(step, |known| known.title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_one_thing() {
        let jobs: BTreeSet<&str> = JOBS.iter().map(|job| job.name).collect();
        let steps: BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!((jobs.len(), steps.len()), (JOBS.len(), STEPS.len()));
    }

    #[test]
    fn the_crontab_calls_jobs_when_they_are_due() {
        let crontab = include_str!("../crontab.example");
        for (job, due) in due_daily() {
            let calls = crontab.lines().filter(|line| !line.starts_with('#') && line.contains(job.name));
            let slots: Vec<&str> = calls
                .filter_map(|line| line.split("--scheduled ").nth(1)?.split_whitespace().next())
                .collect();
            let at = due.at.format("%H:%M").to_string();
            assert!(slots.iter().all(|slot| *slot == at), "{}: {slots:?}", job.name);
            assert!(!slots.is_empty() || *job == STOPLIST_REPORT, "{} is not in the crontab", job.name);
        }
    }
}
