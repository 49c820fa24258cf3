//! What is not set yet: of each upstream, and so of each job.

use super::Config;
use crate::{
    error::{Failure, Kind},
    model::upstream::Upstream,
    registry::{JOBS, Job, Need},
};
use serde::Serialize;

/// A job, and what it cannot do without and is not set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobNeeds {
    /// The job, as its command is typed.
    pub job: &'static str,
    /// The settings' keys; none when it can run.
    pub lacks: Vec<&'static str>,
}

fn absent(pairs: &[(&'static str, bool)]) -> Vec<&'static str> {
    pairs.iter().filter(|(_, is_set)| !is_set).map(|(key, _)| *key).collect()
}

impl Config {
    /// What each upstream still needs before it can be read: itself and the settings' keys.
    pub fn missing(&self) -> Vec<(Upstream, Vec<&'static str>)> {
        [Upstream::Iiko, Upstream::FinTablo, Upstream::GoogleSheets, Upstream::IikoCloud]
            .into_iter()
            .map(|upstream| (upstream, self.missing_of(upstream).0))
            .filter(|(_, keys)| !keys.is_empty())
            .collect()
    }

    /// The keys of an upstream's settings that are not set, and how many it wants.
    fn missing_of(&self, upstream: Upstream) -> (Vec<&'static str>, usize) {
        let of = |pairs: &[(&'static str, bool)]| (absent(pairs), pairs.len());
        match upstream {
            Upstream::Iiko => of(&[
                ("iiko.base_url", self.iiko.base_url.is_some()),
                ("iiko.login", self.iiko.login.is_some()),
                ("iiko.password", self.iiko.sha1_password.is_some()),
            ]),
            Upstream::FinTablo => of(&[("fintablo.token", self.fintablo.token.is_some())]),
            Upstream::GoogleSheets => of(&[
                ("google.credentials", self.google.credentials.is_some()),
                ("min_stock.sheet_id", self.min_stock.sheet_id.is_some()),
            ]),
            // It takes either of two sets.
            Upstream::IikoCloud => {
                let missing = self.iiko_cloud.missing();
                let all = missing.len();
                (missing, all)
            }
        }
    }

    /// Every job, with what it lacks.
    pub fn jobs(&self) -> Vec<JobNeeds> {
        let lacks = |job: &Job| job.needs.iter().flat_map(|need| self.lacks(*need)).collect();
        JOBS.iter().map(|job| JobNeeds { job: job.name, lacks: lacks(job) }).collect()
    }

    fn lacks(&self, need: Need) -> Vec<&'static str> {
        match need {
            Need::Upstream(upstream) => self.missing_of(upstream).0,
            Need::WholeOrNone(upstream) => {
                let (missing, all) = self.missing_of(upstream);
                if missing.len() == all { Vec::new() } else { missing }
            }
            Need::Readers => absent(&[
                ("telegram.bot_token", self.telegram.bot_token.is_some()),
                ("telegram.chat_ids", !self.telegram.chat_ids.is_empty()),
            ]),
        }
    }

    /// That no job can run; none when one can.
    pub fn idle(&self) -> Option<Failure> {
        let is_idle = self.jobs().iter().all(|job| !job.lacks.is_empty());
        let text = "no job can run with these settings yet";
        is_idle.then(|| Failure::new(Kind::Usage, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_says_what_it_needs() {
        let jobs = Config::default().jobs();
        assert!(jobs.iter().all(|needs| !needs.lacks.is_empty()), "{jobs:?}");
        let mut config = Config::default();
        assert_eq!(config.idle().unwrap().kind, Kind::Usage);
        config.min_stock.sheet_id = Some("x".to_owned());
        let morning = config.jobs().into_iter().find(|needs| needs.job == "full-morning").unwrap();
        assert_eq!(morning.lacks.last(), Some(&"google.credentials"), "half of a sheet is a mistake");
        config.fintablo.token = Some("x".into());
        assert!(config.idle().is_none());
    }
}
