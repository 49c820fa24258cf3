//! What is not set yet: of each upstream, and so of each job.

use super::Config;
use crate::{
    error::{Failure, Kind},
    model::upstream::Upstream,
    schedule::due::JOBS,
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
        [
            (Upstream::Iiko, self.missing_of_iiko()),
            (Upstream::FinTablo, self.missing_of_fintablo()),
            (Upstream::GoogleSheets, self.missing_of_google()),
            (Upstream::IikoCloud, self.iiko_cloud.missing()),
        ]
        .into_iter()
        .filter(|(_, keys)| !keys.is_empty())
        .collect()
    }

    fn missing_of_iiko(&self) -> Vec<&'static str> {
        absent(&[
            ("iiko.base_url", self.iiko.base_url.is_some()),
            ("iiko.login", self.iiko.login.is_some()),
            ("iiko.password", self.iiko.sha1_password.is_some()),
        ])
    }

    fn missing_of_fintablo(&self) -> Vec<&'static str> {
        absent(&[("fintablo.token", self.fintablo.token.is_some())])
    }

    fn missing_of_google(&self) -> Vec<&'static str> {
        absent(&[
            ("google.credentials", self.google.credentials.is_some()),
            ("min_stock.sheet_id", self.min_stock.sheet_id.is_some()),
        ])
    }

    /// Every job, with what it lacks.
    pub fn jobs(&self) -> Vec<JobNeeds> {
        let lacks = |job| match job {
            "full-morning" => {
                // Without both settings of the sheet its steps are left out; half of them is a mistake.
                let mut google = self.missing_of_google();
                google.truncate(google.len() % 2);
                [self.missing_of_iiko(), self.missing_of_fintablo(), google].concat()
            }
            "sync iiko" | "sync stock" | "negative-transfer" | "writeoff" => self.missing_of_iiko(),
            "sync fintablo" => self.missing_of_fintablo(),
            "sync min-stock" | "push-mapping" => self.missing_of_google(),
            "sync stoplist" => self.iiko_cloud.missing(),
            "stoplist-report" => absent(&[
                ("telegram.bot_token", self.telegram.bot_token.is_some()),
                ("telegram.chat_ids", !self.telegram.chat_ids.is_empty()),
            ]),
            other => unreachable!("nobody has said what {other} needs"),
        };
        JOBS.into_iter().chain(["writeoff"]).map(|job| JobNeeds { job, lacks: lacks(job) }).collect()
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
