//! `zerkalo doctor`: tries everything that a run needs, and says of each thing how it is and what to do about it.
//!
//! A check is a name and a small function; all are run in one way, and one that fails does not stop the others. Nothing
//! is written upstream, no row is changed and no database is made.
//!
//! - `host`: settings, secrets, time, state directory
//! - `database`: the mirror's database
//! - `upstreams`: logins, with a real call each

mod database;
mod host;
mod upstreams;

use crate::{
    clock::Clock,
    config::Loaded,
    error::{Failure, Kind, Result},
    jobs::{context::Context, run},
    model::diagnosis::{Diagnosis, Finding, State},
    progress::Progress,
    store::Access,
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use std::{cell::RefCell, panic::AssertUnwindSafe, time::Duration};

/// What a check says, before its name is put to it.
#[derive(Debug)]
struct Said {
    state: State,
    text: String,
    hint: Option<String>,
}

impl Said {
    fn ok(text: impl Into<String>) -> Self {
        Self { state: State::Ok, text: text.into(), hint: None }
    }

    fn warning(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: State::Warning, text: text.into(), hint: Some(hint.into()) }
    }

    fn unset(text: impl Into<String>) -> Self {
        Self { state: State::Unset, text: text.into(), hint: None }
    }

    fn skipped(text: impl Into<String>) -> Self {
        Self { state: State::Skipped, text: text.into(), hint: None }
    }
}

impl From<Failure> for Said {
    fn from(failure: Failure) -> Self {
        Self { state: State::Problem(failure.kind), text: failure.to_string(), hint: failure.hint }
    }
}

/// What the checks look at.
struct Patient {
    ctx: Context,
    loaded: Loaded,
}

type Checking<'a> = LocalBoxFuture<'a, Result<Vec<Said>>>;

/// One thing that a run needs.
struct Check {
    name: &'static str,
    /// Whether it asks another host.
    online: bool,
    look: for<'a> fn(&'a Patient) -> Checking<'a>,
}

const fn check(name: &'static str, look: for<'a> fn(&'a Patient) -> Checking<'a>) -> Check {
    Check { name, online: false, look }
}

const fn online(name: &'static str, look: for<'a> fn(&'a Patient) -> Checking<'a>) -> Check {
    Check { name, online: true, look }
}

/// Every check, in the order in which they are made. A further upstream is a further line.
const CHECKS: &[Check] = &[
    check("settings", |patient| Box::pin(async { Ok(host::settings(patient)) })),
    check("jobs", |patient| Box::pin(async { Ok(host::jobs(patient)) })),
    check("secrets", |patient| Box::pin(async { Ok(host::secrets(patient)) })),
    check("time zone", |patient| Box::pin(async { Ok(host::time_zone(patient)) })),
    check("state directory", |patient| Box::pin(async { host::state_directory(patient) })),
    online("database", |patient| Box::pin(database::look(patient))),
    online("iiko", |patient| Box::pin(upstreams::iiko(patient))),
    online("iiko certificate", |patient| Box::pin(upstreams::certificate(patient))),
    online("iikoCloud", |patient| Box::pin(upstreams::iiko_cloud(patient))),
    online("FinTablo", |patient| Box::pin(upstreams::fintablo(patient))),
    online("Google Sheets", |patient| Box::pin(upstreams::sheet(patient))),
    online("Telegram", |patient| Box::pin(upstreams::telegram(patient))),
    online("clock", |patient| Box::pin(async { host::clock(patient) })),
    check("heartbeat", |patient| Box::pin(async { Ok(host::heartbeat(patient)) })),
    check("metrics file", |patient| Box::pin(async { Ok(host::metrics_file(patient)) })),
];

/// How long one request may take: a person waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one check may take.
const LONGEST: Duration = Duration::from_mins(2);

/// What is found when there are no settings to look at anything with.
pub fn without_settings(failure: Failure) -> Diagnosis {
    let mut findings = vec![named("settings", Said::from(failure))];
    let rest = CHECKS.iter().skip(1);
    findings.extend(rest.map(|check| named(check.name, Said::skipped("the settings cannot be used"))));
    Diagnosis { findings, failure: None }
}

fn named(check: &'static str, said: Said) -> Finding {
    Finding { check, state: said.state, text: said.text, hint: said.hint }
}

/// Looks at everything; with `offline` only at this host. Every request is made once: what a retry would have helped is
/// a finding, too.
pub async fn examine(
    mut loaded: Loaded,
    clock: Clock,
    progress: impl Progress + 'static,
    offline: bool,
) -> Diagnosis {
    let config = &mut loaded.config;
    config.retries.delays.clear();
    config.retries.licence_wait.clear();
    config.limits.total = config.limits.total.min(PATIENCE);
    let ctx = Context::new(config.clone(), clock, progress, "doctor".to_owned(), Access::DryRun);
    let patient = Patient { ctx, loaded };
    let findings = RefCell::new(Vec::new());
    let all = async {
        for check in CHECKS {
            let said = if offline && check.online {
                vec![Said::skipped("--offline")]
            } else {
                look(check, &patient).await
            };
            findings.borrow_mut().extend(said.into_iter().map(|said| named(check.name, said)));
        }
        Ok(())
    };
    let failure = run::work(&patient.ctx, all).await.err();
    patient.ctx.log_out().await;
    Diagnosis { findings: findings.into_inner(), failure }
}

/// Makes one check, whatever becomes of it.
async fn look(check: &Check, patient: &Patient) -> Vec<Said> {
    let looking = AssertUnwindSafe((check.look)(patient)).catch_unwind();
    match tokio::time::timeout(LONGEST, looking).await {
        Ok(Ok(Ok(said))) => said,
        Ok(Ok(Err(failure))) => vec![failure.into()],
        Ok(Err(_)) => vec![
            Failure::new(Kind::Internal, "a defect in zerkalo stopped this check")
                .hint("please report it with the line above")
                .into(),
        ],
        Err(_) => vec![
            Failure::new(Kind::Unreachable, format!("no end of it within {} s", LONGEST.as_secs()))
                .hint("check the network")
                .into(),
        ],
    }
}

#[cfg(test)]
mod tests;
