//! What is found worth a warning, and how bad it is.

use super::{
    ByHand, EntityStatus, Found, JobStatus, LastProblem, Problem, Severity, State, StatusReport, due_at,
    table::{age, apart, runs},
};
use crate::{
    config::Config,
    error::{Kind, quote},
    humanize::number,
    model::{documents::row::State as DocumentState, report::Status, upstream::Upstream},
    registry::{Due, FULL_MORNING, MAPPING, MIN_STOCK_PUSH, due_daily},
    report::history::local,
    schedule::{SlotState, latest_slot, next_slot},
    store::{
        filesystem::{Room, megabytes},
        operator::{Fresh, Latest, Overview, SlotSeen},
    },
    tables,
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use std::{collections::BTreeSet, time::Duration};

/// The steps of the morning that mirror no table.
const STEPS: [&str; 2] = [MIN_STOCK_PUSH.name, MAPPING.name];

pub(super) fn report(found: Found<'_>) -> StatusReport {
    let Found { config, database, overview, documents, locks, sessions, disks, by_hand, now } = found;
    let zone = config.timezone;
    let (locks, killed): (Vec<_>, Vec<_>) = locks.into_iter().partition(|told| told.held);
    let in_use = |name: &str| locks.iter().any(|told| told.lock == format!("iiko-{name}"));
    let here = |run| locks.iter().any(|told| told.holder.run_id == run);
    let mut report = StatusReport {
        database,
        entities: entities(config, &overview, now),
        jobs: jobs(&overview.slots, zone, now),
        documents,
        sessions: sessions.into_iter().filter(|left| !in_use(&left.name)).collect(),
        remote: overview.remote.iter().filter(|remote| !here(remote.run_id)).cloned().collect(),
        blocked: overview.blocked,
        holds: overview.holds,
        tombstones: overview.tombstones,
        locks,
        killed,
        disks,
        problems: Vec::new(),
        now,
        zone,
    };
    let mut problems = of_documents(&report);
    problems.extend(of_slots(config, by_hand, &overview.slots, zone, now));
    problems.extend(of_entities(&report));
    problems.extend(of_deletion(&report));
    problems.extend(of_runs(&report));
    problems.extend(of_hung_runs(&report, config.limits.run));
    problems.extend(of_disks(&report.disks));
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    report.problems = problems;
    report
}

/// Whether there is all that a table's upstream needs.
fn is_configured(config: &Config, upstream: Upstream) -> bool {
    // The stop-list is expected once it has run.
    upstream != Upstream::IikoCloud && config.missing().iter().all(|(lacking, _)| *lacking != upstream)
}

/// Every mirrored table, then the steps that have run.
fn entities(config: &Config, overview: &Overview, now: DateTime<Utc>) -> Vec<EntityStatus> {
    let of_tables = tables::all().map(|table| {
        let expected = is_configured(config, table.feed.upstream());
        entity(config, overview, table.table.name, expected, now)
    });
    let have_run = |name: &&&str| overview.latest.iter().any(|run| run.entity == **name);
    let of_steps = STEPS.iter().filter(have_run).map(|name| {
        let step = entity(config, overview, name, false, now);
        EntityStatus { rows: None, ..step }
    });
    of_tables.chain(of_steps).collect()
}

fn entity(
    config: &Config,
    overview: &Overview,
    name: &str,
    expected: bool,
    now: DateTime<Utc>,
) -> EntityStatus {
    let runs: Vec<&Latest> = overview.latest.iter().filter(|run| run.entity == name).collect();
    // A root type that the server has ceased to know is no longer mirrored, and does not age.
    let skipped = |scope: &str| runs.iter().any(|run| run.scope == scope && run.status == Status::Skipped);
    let fresh: Vec<&Fresh> = overview
        .fresh
        .iter()
        .filter(|fresh| fresh.entity == name && (fresh.scope.is_empty() || !skipped(&fresh.scope)))
        .collect();
    let last_good_run = fresh.iter().map(|fresh| fresh.at).min();
    let since = last_good_run.map(|at| now - at);
    let limit = config.status.max_age.of(name);
    let failed_since =
        |run: &&Latest| run.status == Status::Error && last_good_run.is_none_or(|at| run.at > at);
    let state = if runs.iter().any(failed_since) {
        State::Failed
    } else if since.is_some_and(|age| limit.is_some_and(|limit| is_over(age, limit))) {
        State::Old
    } else if last_good_run.is_none() {
        if expected && limit.is_some() { State::Never } else { State::Off }
    } else if runs.iter().any(|run| run.status == Status::Warning) {
        State::Warning
    } else {
        State::Ok
    };
    let problem = overview.problems.iter().filter(|run| run.entity == name).max_by_key(|run| run.at);
    EntityStatus {
        entity: name.to_owned(),
        scopes: fresh.len().max(1),
        state,
        last_good_run,
        age_s: since.map(|since| since.num_seconds().max(0)),
        max_age_s: limit.map(|limit| limit.as_secs()),
        rows: last_good_run.map(|_| fresh.iter().map(|fresh| fresh.rows).sum()),
        last_problem: problem.map(|run| LastProblem {
            at: run.at,
            status: run.status,
            message: run.message.clone(),
        }),
    }
}

fn is_over(age: TimeDelta, limit: Duration) -> bool {
    age.to_std().is_ok_and(|age| age > limit)
}

fn problem(severity: Severity, kind: Kind, text: String, hint: &str) -> Problem {
    Problem { severity, kind, text, hint: Some(hint.to_owned()) }
}

/// What is wrong with tables and steps. Those of which the same is to be said share a sentence: where an upstream is down,
/// all of its tables are.
fn of_entities(report: &StatusReport) -> Vec<Problem> {
    let mut groups: Vec<Vec<&EntityStatus>> = Vec::new();
    for entity in &report.entities {
        let same = |group: &&mut Vec<&EntityStatus>| {
            let (state, long, message) = said(group[0]);
            said(entity) == (state, long, message)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(entity),
            None => groups.push(vec![entity]),
        }
    }
    groups.iter().filter_map(|group| of_group(group, report.zone)).collect()
}

/// What is to be said of an entity, its name and times aside: its state, whether that is so for long, and its message.
fn said(entity: &EntityStatus) -> (State, bool, Option<&str>) {
    // Twice the limit is no morning that came late.
    let long = entity.max_age_s.zip(entity.age_s).is_some_and(|(limit, age)| age.unsigned_abs() > 2 * limit);
    let message = entity.last_problem.as_ref().and_then(|problem| problem.message.as_deref());
    let message = message.filter(|_| matches!(entity.state, State::Failed | State::Warning));
    (entity.state, long, message)
}

/// How many names a sentence tells.
const NAMED: usize = 4;

fn of_group(group: &[&EntityStatus], zone: Tz) -> Option<Problem> {
    let (state, long, message) = said(group[0]);
    let mut names: Vec<&str> = group.iter().take(NAMED).map(|entity| entity.entity.as_str()).collect();
    let more = format!("{} more", group.len().saturating_sub(NAMED));
    if group.len() > NAMED {
        names.push(&more);
    }
    let name = names.join(", ");
    let oldest = group.iter().filter_map(|entity| entity.age_s).max();
    let at = group.iter().filter_map(|entity| Some(entity.last_problem.as_ref()?.at)).max();
    let at = at.map_or_else(String::new, |at| format!(" at {}", local(at, zone)));
    let message = quote(message.unwrap_or("no word"), 300);
    let severity = if long { Severity::Critical } else { Severity::Warning };
    let command =
        if let [only] = group { format!("zerkalo log {}", only.entity) } else { "zerkalo log".to_owned() };
    Some(match state {
        State::Ok | State::Off => return None,
        State::Warning => {
            problem(Severity::Warning, Kind::Warning, format!("{name}: warned{at}: {message}"), &command)
        }
        State::Failed => {
            let good = oldest.map_or_else(
                || "there never was a good run".to_owned(),
                |oldest| format!("the last good run is {} old", age(oldest)),
            );
            let kind = if long { Kind::Safety } else { Kind::Warning };
            let text = format!("{name}: failed{at}: {message}; {good}");
            problem(severity, kind, text, &format!("{command} --failed"))
        }
        State::Old => {
            let limit = group.iter().filter_map(|entity| entity.max_age_s).min().unwrap_or_default();
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let [old, allowed] = apart(oldest.unwrap_or_default(), limit);
            let text = format!("{name}: the last good run is {old} old, and {allowed} are allowed");
            problem(
                severity,
                Kind::Safety,
                text,
                "look whether cron starts the jobs; to catch up: zerkalo full-morning",
            )
        }
        State::Never => {
            let text = format!("{name}: there never was a good run");
            problem(Severity::Warning, Kind::Warning, text, "zerkalo full-morning")
        }
    })
}

/// Documents that nobody knows about, and those that no run works on.
fn of_documents(report: &StatusReport) -> Vec<Problem> {
    let posting = report.locks.iter().any(|told| told.lock == "document_outbox") || !report.remote.is_empty();
    let hint = "zerkalo documents reconcile";
    report
        .documents
        .iter()
        .filter(|document| document.state == DocumentState::Unknown || !posting)
        .map(|document| {
            let text = format!(
                "document {} ({}) is {} since {}",
                document.key,
                quote(&document.title, 120),
                document.state.name(),
                local(document.updated_at, report.zone)
            );
            if document.state.is_uncertain() {
                problem(Severity::Critical, Kind::Unknown, text, hint)
            } else {
                problem(Severity::Warning, Kind::Warning, text, hint)
            }
        })
        .collect()
}

fn of_deletion(report: &StatusReport) -> Vec<Problem> {
    let zone = report.zone;
    let held = report.holds.iter().map(|hold| {
        let text = format!(
            "deletion is off for {}: held by {} since {}",
            hold.table,
            quote(&hold.by, 80),
            local(hold.since, zone)
        );
        problem(Severity::Warning, Kind::Warning, text, &format!("zerkalo restore {} --release", hold.table))
    });
    let is_held = |name: &str| report.holds.iter().any(|hold| hold.table == name);
    let blocked = report.blocked.iter().filter(|blocked| !is_held(&blocked.entity)).map(|blocked| {
        let scope = if blocked.scope.is_empty() { String::new() } else { format!(":{}", blocked.scope) };
        let (name, rows) = (&blocked.entity, blocked.rows.unsigned_abs());
        let text = format!(
            "deletion is off for {name}{scope} since {}: {} rows are not in the answers and are kept",
            local(blocked.since, zone),
            number(rows)
        );
        let hint =
            format!("zerkalo log {name}; if they are really gone: --allow-delete {name}{scope}={rows}");
        problem(Severity::Warning, Kind::Warning, text, &hint)
    });
    held.chain(blocked).collect()
}

/// Runs that ended without a word, and what they left.
fn of_runs(report: &StatusReport) -> Vec<Problem> {
    let mut runs = BTreeSet::new();
    let killed = report.killed.iter().filter(|told| runs.insert(told.holder.run_id)).map(|told| {
        let holder = &told.holder;
        let text = format!(
            "`zerkalo {}` (process {}, run {}) of {} ended without a word",
            quote(&holder.command, 80),
            holder.pid,
            holder.run_id,
            local(holder.since, report.zone)
        );
        problem(
            Severity::Warning,
            Kind::Warning,
            text,
            "the next run of the same tables logs it; start it again",
        )
    });
    let left = report.sessions.iter().map(|left| {
        let since = local(left.since, report.zone);
        let (text, hint) = if left.is_login_alone {
            (
                format!("the answer to an iiko login of {since} got lost, and a session may be open"),
                "nobody can end it; its licence slot frees itself after about an hour",
            )
        } else {
            (
                format!("an iiko session is left over since {since}"),
                "it may hold the only licence slot; the next run with iiko ends it",
            )
        };
        problem(Severity::Warning, Kind::Warning, text, hint)
    });
    killed.collect::<Vec<_>>().into_iter().chain(left).collect()
}

/// What a run may take beyond its limit: it waits for locks before, and has last words after it.
const SLACK: Duration = Duration::from_mins(5);

/// Runs that hold locks for longer than any run may take: stopped, or stuck where their own limit cannot end them.
fn of_hung_runs(report: &StatusReport, limit: Duration) -> Vec<Problem> {
    let hangs = |since: DateTime<Utc>| is_over(report.now - since, limit + SLACK);
    let words = |since: DateTime<Utc>| {
        let limit = age(i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
        format!("for {}, and a run may take {limit}", age((report.now - since).num_seconds()))
    };
    let here = runs(report).into_iter().filter(|run| hangs(run.holder.since)).map(|run| {
        let (holder, pid) = (run.holder, run.holder.pid);
        let hint = format!("look at it: ps -o pid,stat,etime,args {pid}; to end it: kill -KILL {pid}");
        let text = format!("{run} {}", words(holder.since));
        problem(Severity::Warning, Kind::Warning, text, &hint)
    });
    let elsewhere = report.remote.iter().filter(|run| hangs(run.since)).map(|run| {
        let place = run.address.as_deref().unwrap_or("this host");
        let text =
            format!("run {} from {place} holds locks of the database {}", run.run_id, words(run.since));
        problem(Severity::Warning, Kind::Warning, text, "look at it on its host: zerkalo status")
    });
    here.chain(elsewhere).collect()
}

fn of_disks(disks: &[Room]) -> Vec<Problem> {
    disks
        .iter()
        .filter_map(|room| {
            if let Some(full) = room.full() {
                return Some(problem(Severity::Critical, full.kind, full.message, "free some space"));
            }
            let text =
                format!("the disk of {} has only {} free", room.folder.display(), megabytes(room.free));
            room.is_little().then(|| problem(Severity::Warning, Kind::Warning, text, "free some space soon"))
        })
        .collect()
}

/// The default jobs, then those that are due by somebody's own will.
fn jobs(slots: &[SlotSeen], zone: Tz, now: DateTime<Utc>) -> Vec<JobStatus> {
    let seen = |job: &str| slots.iter().find(|slot| slot.job == job);
    let status = |job: &str, slot: Option<&SlotSeen>, at| JobStatus {
        job: job.to_owned(),
        last_slot: slot.map(|slot| slot.at),
        state: slot.map(|slot| slot.row.state),
        exit_code: slot.and_then(|slot| slot.row.exit_code),
        next_slot: next_slot(at, zone, now),
    };
    let by_default = due_daily().map(|(job, due)| {
        let slot = seen(job.name);
        status(job.name, slot, due_at(&due, slot.map(|slot| slot.at), zone))
    });
    let others = slots.iter().filter(|slot| due_daily().all(|(job, _)| job.name != slot.job));
    let others = others.map(|slot| status(&slot.job, Some(slot), slot.at.with_timezone(&zone).time()));
    by_default.chain(others).collect()
}

/// Slots that were missed, by jobs that may miss none.
fn of_slots(
    config: &Config,
    by_hand: ByHand<'_>,
    slots: &[SlotSeen],
    zone: Tz,
    now: DateTime<Utc>,
) -> Vec<Problem> {
    let watched = |job: &str| {
        let wanted = &config.status.jobs;
        if wanted.is_empty() {
            slots.iter().any(|slot| slot.job == job)
        } else {
            wanted.iter().any(|name| name == job)
        }
    };
    let own = slots.iter().filter(|slot| due_daily().all(|(job, _)| job.name != slot.job)).map(|slot| {
        // Where nobody has written down how late it may begin: an hour is the default.
        let at = slot.at.with_timezone(&zone).time();
        (slot.job.as_str(), Due { at, grace: Duration::from_hours(1) })
    });
    due_daily()
        .map(|(job, due)| (job.name, due))
        .chain(own)
        .filter(|(job, _)| watched(job))
        .filter_map(|(job, due)| {
            let slot = slots.iter().find(|slot| slot.job == job);
            missed(config, by_hand, job, &due, slot, now)
        })
        .collect()
}

/// What is wrong with the slot whose grace ended last.
fn missed(
    config: &Config,
    by_hand: ByHand<'_>,
    job: &str,
    due: &Due,
    seen: Option<&SlotSeen>,
    now: DateTime<Utc>,
) -> Option<Problem> {
    let zone = config.timezone;
    let at = due_at(due, seen.map(|slot| slot.at), zone);
    // The crontab may give it another grace than ours.
    let grace = seen.and_then(|slot| slot.grace).unwrap_or(due.grace);
    // In its last second the job may still begin.
    let slot = latest_slot(at, zone, now - grace - TimeDelta::seconds(1));
    let seen = seen.filter(|seen| seen.at >= slot);
    let shown = local(slot, zone);
    let what = match seen.map(|seen| (&seen.row, seen.row.state)) {
        Some((_, SlotState::Done)) => return None,
        // Another run may begin yet, or one that has begun may still work.
        Some((row, SlotState::Running))
            if seen.is_some_and(|seen| seen.at > slot)
                || row.finished_at.is_none() && !is_over(now - slot, grace + config.limits.run) =>
        {
            return None;
        }
        None => "nobody began with it".to_owned(),
        Some((_, SlotState::Misfired)) => "it was begun too late and skipped".to_owned(),
        Some((row, SlotState::Running)) => match row.exit_code {
            Some(code) => format!("its last run ended with exit {code}"),
            None => format!("run {} began with it and did not finish", row.run_id),
        },
    };
    let text = format!("{job} of {shown} was missed: {what}");
    let local = |moment: DateTime<Utc>| moment.with_timezone(&config.timezone).naive_local();
    let hint = format!("zerkalo log --failed; {}", by_hand(job, local(slot), local(now)));
    // A morning is made up for by the next one, and the tables' age tells of it; nothing else moves the goods.
    let severity = if job == FULL_MORNING.name { Severity::Warning } else { Severity::Critical };
    Some(problem(severity, Kind::Misfire, text, &hint))
}
