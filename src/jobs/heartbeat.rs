//! The heartbeat: a dead man's switch elsewhere is told that a job begins and how it ended, so that somebody notices one
//! that never runs. The form is healthchecks.io's: `/start`, `/<exit code>`, `?rid=<run id>`.
//!
//! The address opens the check, so it is a secret. A ping that fails is a warning and changes nothing.

use crate::{
    config::{Config, JOB_PLACE, Limits, Retries},
    error::{Failure, Kind, Result},
    http::{Accept, Budget, Request, Trouble, Upstream, client},
    registry,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{cell::Cell, rc::Rc, time::Duration};
use uuid::Uuid;

/// How long a ping may take, its second try included.
const PATIENCE: Duration = Duration::from_secs(10);

/// One run's heartbeat.
#[derive(Debug)]
pub(super) struct Heartbeat {
    upstream: Upstream,
    run: Uuid,
}

/// Whether a command is one that a crontab or a timer starts, and so one whose absence somebody should notice.
fn is_watched(command: &str) -> bool {
    registry::schedulable().any(|job| job.name == command)
}

/// The job's name in its address: `sync-stock`, as the slugs of healthchecks.io are.
fn slug(command: &str) -> String {
    command.replace(' ', "-")
}

impl Heartbeat {
    /// The heartbeat of a run of `command`; none where none is set, and for commands that nothing starts by the clock.
    pub(super) fn of(config: &Config, command: &str, run: Uuid) -> Result<Option<Self>> {
        let Some(url) = config.monitoring.heartbeat_url.as_ref().filter(|_| is_watched(command)) else {
            return Ok(None);
        };
        let url = url.expose_secret().replace(JOB_PLACE, &slug(command));
        let (base, path) = split(&url);
        let limits =
            Limits { connect: PATIENCE / 2, idle: PATIENCE, total: PATIENCE, ..config.limits.clone() };
        let http = client::single_use(base, &limits, client::Trust::default())?;
        let retries = Retries { delays: vec![Duration::from_secs(1)], ..config.retries.clone() };
        let budget: Budget = Rc::new(Cell::new(usize::MAX));
        let upstream = Upstream::new("heartbeat", base.to_owned(), http, &limits, retries, budget);
        Ok(Some(Self { upstream: upstream.below(SecretString::from(path)), run }))
    }

    /// Tells that the run begins.
    pub(super) async fn begins(&self) {
        self.ping("start").await;
    }

    /// Tells how the run ended.
    pub(super) async fn ended(&self, exit_code: u8) {
        self.ping(&exit_code.to_string()).await;
    }

    async fn ping(&self, what: &str) {
        let run = self.run.hyphenated().to_string();
        let request = Request::get(what, Accept::Text).query([("rid", run.as_str())]);
        let attempt = async || {
            let answer = self.upstream.send(&request, None).await?;
            let (status, retry) = (answer.status, answer.status.is_server_error() || answer.status == 429);
            if status.is_success() {
                return Ok(());
            }
            // The body is not shown: it may repeat the address.
            let failure =
                Failure::new(Kind::Unreachable, format!("heartbeat {what}: status {}", status.as_u16()));
            Err(if retry { Trouble::transient(failure) } else { Trouble::fatal(failure) })
        };
        let pinging = self.upstream.patience.attempts(attempt, async || Ok(()));
        match tokio::time::timeout(PATIENCE, pinging).await {
            Ok(Ok(())) => tracing::debug!("heartbeat {what}: told"),
            Ok(Err(failure)) => tracing::warn!("{failure}; the job is not touched by that"),
            Err(_) => {
                tracing::warn!(
                    "heartbeat {what}: no answer within {} s; the job is not touched by that",
                    PATIENCE.as_secs()
                );
            }
        }
    }
}

/// The scheme and host of an address, and what is secret of it.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |place| place + 3);
    let end = url[host..].find('/').map_or(url.len(), |place| host + place);
    url.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_the_secret() {
        assert_eq!(
            split("https://hc-ping.com/key/full-morning"),
            ("https://hc-ping.com", "/key/full-morning")
        );
        assert_eq!(split("https://ping.example:8000"), ("https://ping.example:8000", ""));
    }

    #[test]
    fn jobs_with_cron_lines_are_watched_and_handwork_is_not() {
        for command in ["full-morning", "negative-transfer", "stoplist-report", "sync stock", "push-mapping"]
        {
            assert!(is_watched(command), "{command}");
        }
        for command in ["writeoff", "documents reconcile", "migrate", "doctor"] {
            assert!(!is_watched(command), "{command}");
        }
        assert_eq!(slug("sync min-stock"), "sync-min-stock");
    }
}
