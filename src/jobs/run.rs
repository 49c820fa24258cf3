//! What is around every job: locks, whose mirror it is, signals, log-out, the report.

use super::{
    mirror, monitoring,
    notify::{self, Telling},
    slot::{self, Entry},
};
use crate::{
    error::{Failure, Kind, Result, quote},
    files::own,
    jobs::context::Context,
    model::{
        report::{RunReport, Status, StepReport},
        upstream::Upstream,
    },
    process,
    registry::KILLED,
    store::{
        LogRow, Store,
        lock::{self, Locks, Name},
    },
};
use futures_util::FutureExt as _;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    pin::pin,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// How long logging out and writing the last log rows may take after a signal.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// How often a lock that somebody else holds is tried.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Runs `job` under the locks `names`, until it is done, panics, takes too long or is told to stop; then logs out and logs
/// what was not finished, and tells the admins. The report's steps are in the `order` of their entities.
pub(super) async fn guarded(
    ctx: &Context,
    names: Vec<Name>,
    order: &[&str],
    telling: Telling<'_>,
    job: impl AsyncFnOnce(&Locks) -> Result<()>,
) -> RunReport {
    // Held to the very end: whoever takes them next must not meet a session of ours.
    let heartbeat = monitoring::heartbeat(ctx);
    let taken = tokio::select! {
        taken = take(ctx, names) => taken,
        failure = stopped() => Err(failure),
    };
    let locks = match taken {
        Ok(locks) => locks,
        Err(failure) => {
            // Who holds the lock tells of the work.
            let elsewhere = failure.kind == Kind::Locked;
            let report = report(ctx, order, Some(failure));
            if !elsewhere {
                Box::pin(notify::admins(ctx, &report, telling)).await;
                Box::pin(monitoring::ended(ctx, heartbeat.as_ref(), &report)).await;
            }
            return report;
        }
    };
    ctx.locked.replace(locks.watch());
    let mut working = Box::pin(async {
        let failure = work(ctx, Box::pin(job(&locks))).await.err();
        // What failed early has begun, too; but what another host is at that one tells of.
        if failure.as_ref().is_none_or(|failure| failure.kind != Kind::Locked) {
            ctx.at_work.send_replace(true);
        }
        failure
    });
    let mut beginning = Box::pin(monitoring::begins(ctx, heartbeat.as_ref()));
    let failure = tokio::select! {
        failure = &mut working => {
            if *ctx.at_work.borrow() {
                beginning.await;
            }
            failure
        }
        () = &mut beginning => working.await,
    };
    let said = tokio::select! {
        said = last_words(ctx, failure.as_ref()) => said,
        () = stopped_again(failure.as_ref()) => {
            tracing::warn!("stopped a second time; the next run ends the iiko session and logs this one");
            false
        }
    };
    if !said {
        locks.keep_name();
    }
    let report = report(ctx, order, failure);
    if said {
        // Before the slot is done: a run that is killed here is resumed, and knows whom it may have told.
        notify::admins(ctx, &report, telling).await;
    }
    if said && tokio::time::timeout(LAST_WORDS, slot::leave(ctx, report.exit_code())).await.is_err() {
        tracing::warn!("the database takes too long; the next start within the grace resumes the slot");
    }
    if let Some(store) = ctx.kept.take() {
        close(store).await;
    }
    if *ctx.at_work.borrow() {
        Box::pin(monitoring::ended(ctx, heartbeat.as_ref().filter(|_| said), &report)).await;
    }
    report
}

/// What the run did, in the order of its steps.
fn report(ctx: &Context, order: &[&str], failure: Option<Failure>) -> RunReport {
    let mut steps = ctx.reports.take();
    steps.sort_by_key(|report| order.iter().position(|name| *name == report.part()));
    RunReport {
        command: ctx.command.clone(),
        run_id: ctx.run_id,
        dry_run: ctx.is_dry_run(),
        slot: ctx.slot_report.take(),
        started_at: ctx.started_at,
        duration: ctx.started.elapsed(),
        steps,
        failure,
    }
}

/// Does the job until it is done, panics, takes too long or is told to stop.
pub(crate) async fn work(ctx: &Context, job: impl Future<Output = Result<()>>) -> Result<()> {
    let mut job = pin!(AssertUnwindSafe(job).catch_unwind());
    let limit = ctx.config.limits.run;
    let failure = tokio::select! {
        outcome = &mut job => return outcome.unwrap_or_else(|_| {
            Err(Failure::new(Kind::Internal, "a defect in zerkalo stopped the run")
                .hint("what was not finished was rolled back; report this with the log"))
        }),
        () = tokio::time::sleep(limit) => {
            Failure::new(Kind::Unreachable, format!("the run took longer than {} s and was stopped", limit.as_secs()))
                .hint("what was not finished was rolled back; raise ZERKALO_RUN_TIMEOUT if that is normal here")
        }
        failure = stopped() => failure,
    };
    // An answer to a login that nobody hears is a session that nobody can end.
    tokio::select! {
        biased;
        () = ctx.leave() => {}
        _ = &mut job => {}
        () = tokio::time::sleep(LAST_WORDS) => tracing::warn!("the login under way is not answered; its session may stay open"),
        _ = stopped() => {}
    }
    Err(failure)
}

/// Logs out, and logs what was not finished. Whether all was said.
async fn last_words(ctx: &Context, failure: Option<&Failure>) -> bool {
    let words = async { tokio::join!(ctx.log_out(), log_pending(ctx, failure)).1 };
    tokio::time::timeout(LAST_WORDS, words).await.unwrap_or_else(|_| {
        tracing::warn!("stopping took too long; the next run ends the iiko session and logs this one");
        false
    })
}

/// Waits for the signal that cuts the last words short: the second one, of which the first may have ended the work.
async fn stopped_again(failure: Option<&Failure>) {
    if !failure.is_some_and(|failure| matches!(failure.kind, Kind::Signal(_))) {
        stopped().await;
    }
    stopped().await;
}

/// Waits for a signal that asks the process to stop. A second one ends it, whatever it does about the first.
pub async fn stopped() -> Failure {
    process::end_at_second_signal();
    let (number, name) = process::next(&mut process::listen()).await;
    Failure::new(Kind::Signal(number), format!("stopped by {name}"))
        .hint("what was not finished was rolled back; start it again when you like")
}

/// Ends a connection whose work is done.
pub(crate) async fn close(store: Box<dyn Store>) {
    if let Err(failure) = store.close().await {
        tracing::debug!("{failure}");
    }
}

/// Looks at the run's slot. The connection that did keeps other hosts from the job: it is the first lane's.
pub(super) async fn enter(ctx: &Context) -> Result<(Entry, Option<Box<dyn Store>>)> {
    if ctx.slot.is_none() || ctx.is_dry_run() {
        return Ok((Entry::Unscheduled, None));
    }
    let mut store = ctx.database.connect(ctx.access).await?;
    let entry = slot::enter(ctx, store.as_mut()).await;
    if matches!(entry, Ok(Entry::Open(_))) {
        return Ok((entry?, Some(store)));
    }
    close(store).await;
    Ok((entry?, None))
}

/// The lock of the iiko session.
pub(crate) fn session(ctx: &Context) -> Name {
    let iiko = &ctx.config.iiko;
    Name::Iiko {
        base: iiko.base_url.clone().unwrap_or_default(),
        login: iiko.login.clone().unwrap_or_default(),
    }
}

/// All locks of a job, taken at the start.
pub(crate) async fn take(ctx: &Context, names: Vec<Name>) -> Result<Locks> {
    let state = &ctx.config.state_dir;
    let place = |name: &Name| match name {
        Name::Job(_) | Name::Entity(_) => ctx.database.lock_directory(state),
        Name::Iiko { .. } => state.join("locks"),
    };
    ctx.database.check_place()?;
    if names.iter().any(|name| place(name).starts_with(state)) {
        own::in_state(state, "locks").map_err(|error| lock::unusable_place("folder", state, error))?;
    }
    patiently(ctx, async || Locks::take(names.clone(), place, &ctx.holder())).await
}

/// Keeps other hosts from what is called so, as [`Store::try_exclude`] does, waiting for it as long as the run may.
pub(crate) async fn exclude(ctx: &Context, store: &mut dyn Store, names: &[&str]) -> Result<()> {
    patiently(ctx, async || store.try_exclude(names).await).await
}

/// Tries to lock something until nobody else holds it or the run's patience (`--lock-wait`) is over. Nothing is held
/// between two tries, so two that wait do not wait for each other.
async fn patiently<T>(ctx: &Context, mut lock: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut told = None;
    loop {
        let failure = match lock().await {
            Err(failure) if failure.kind == Kind::Locked => failure,
            outcome => return outcome,
        };
        let left = ctx.lock_until.map(|until| until.saturating_duration_since(Instant::now()));
        let Some(left) = left.filter(|left| !left.is_zero()) else { return Err(failure) };
        if told.as_ref() != Some(&failure.message) {
            let left = crate::humanize::duration(left);
            ctx.progress.say(&format!("{}; waiting for it for up to {left}", failure.message));
        }
        told = Some(failure.message);
        tokio::time::sleep(LOOK_AGAIN.min(left)).await;
    }
}

/// Who an upstream is, as the settings name it. Making its client also finds missing settings.
pub(crate) fn identity(ctx: &Context, upstream: Upstream) -> Result<String> {
    Ok(match upstream {
        Upstream::FinTablo => {
            ctx.fintablo()?;
            fintablo_identity(ctx)
        }
        Upstream::IikoCloud => cloud_identity(ctx)?,
        Upstream::GoogleSheets => {
            ctx.sheets()?;
            ctx.config.min_stock.sheet_id.clone().unwrap_or_default()
        }
        Upstream::Iiko => {
            ctx.iiko()?;
            without_scheme(ctx.config.iiko.base_url.as_deref().unwrap_or_default())
        }
    })
}

/// Refuses a database that mirrors another iiko server than the settings name, or none: what is posted is made of the
/// mirror.
pub(super) fn check_identity(ctx: &Context, stored: Option<&String>) -> Result<()> {
    let identity = identity(ctx, Upstream::Iiko)?;
    match stored {
        Some(stored) if *stored == identity => Ok(()),
        Some(stored) => Err(other_source(Upstream::Iiko, stored, &identity)),
        None => Err(Failure::new(Kind::Safety, "this database has no mirror of the iiko server yet")
            .hint("run `zerkalo sync iiko` first")),
    }
}

/// `FinTablo` names no account in any answer, so a digest of the token stands for it.
fn fintablo_identity(ctx: &Context) -> String {
    use secrecy::ExposeSecret as _;
    let token =
        ctx.config.fintablo.token.as_ref().map(|token| token.expose_secret().to_owned()).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(token.as_bytes()));
    format!("{} token {}", without_scheme(&ctx.config.fintablo.base_url), &digest[..8])
}

/// iikoCloud's address, a digest of what is asked with, and the organizations that are asked for: narrowing them to one
/// would close the stop-lists of the others.
fn cloud_identity(ctx: &Context) -> Result<String> {
    let mut wanted: Vec<String> = ctx.config.iiko_cloud.organizations.iter().map(Uuid::to_string).collect();
    wanted.sort_unstable();
    wanted.insert(0, ctx.iiko_cloud()?.identity());
    Ok(wanted.join(" "))
}

fn without_scheme(url: &str) -> String {
    url.split_once("://").map_or(url, |(_, place)| place).to_lowercase()
}

/// Why a database is left alone that mirrors another source than the settings name. A token, a login or an id that opens
/// nothing is a mistyped one and no other source, so it is tried; not at another address, which is told at once.
pub(crate) async fn mismatch(ctx: &Context, upstream: Upstream, stored: &str, identity: &str) -> Failure {
    let place = |identity: &str| identity.split(' ').next().map(str::to_owned);
    if (upstream == Upstream::GoogleSheets || place(stored) == place(identity))
        && let Err(failure) = try_out(ctx, upstream).await
    {
        return failure;
    }
    other_source(upstream, stored, identity)
}

/// Reads a little of an upstream: what the settings name really opens it.
async fn try_out(ctx: &Context, upstream: Upstream) -> Result<()> {
    match upstream {
        Upstream::FinTablo => drop(ctx.fintablo()?.count("category").await?),
        Upstream::IikoCloud => ctx.iiko_cloud()?.try_out().await?,
        Upstream::GoogleSheets => drop(ctx.sheets()?.tabs().await?),
        // Its address is all that tells it from others.
        Upstream::Iiko => {}
    }
    Ok(())
}

fn other_source(upstream: Upstream, stored: &str, identity: &str) -> Failure {
    Failure::new(Kind::Safety, format!("this database mirrors {upstream} {stored}, and the settings name {identity}"))
        .hint(
            "use another DATABASE_SCHEMA (SQLite: another file) for another source; if it is the same one under a new \
             name or token, look at a --dry-run with --adopt-source, then run once with --adopt-source",
        )
}

/// Logs runs that were killed: their lock files still tell of them.
pub(super) async fn log_abandoned(ctx: &Context, store: &mut dyn Store, locks: &Locks) -> Result<()> {
    let runs: BTreeSet<Uuid> = locks.abandoned.iter().map(|(_, holder)| holder.run_id).collect();
    for run in runs {
        store.end_run(run).await?;
    }
    for (entity, holder) in &locks.abandoned {
        let mut report = StepReport::new(KILLED.name, Some(entity), None);
        report.status = Status::Error;
        report.error = Some(format!(
            "process ended without a word (`zerkalo {}`, process {})",
            quote(&holder.command, 80),
            holder.pid
        ));
        let mut row = mirror::log_row(ctx, &report, holder.since, 0);
        row.run_id = holder.run_id;
        row.duration_ms = (row.finished_at - holder.since).num_milliseconds().max(0);
        store.log_if_missing(&row).await?;
    }
    locks.told();
    Ok(())
}

/// Reports and logs the entities whose log row is still missing: those that a stopped run did not get to the end of, and
/// those that failed together with their connection. Whether they are logged.
async fn log_pending(ctx: &Context, failure: Option<&Failure>) -> bool {
    let mut rows: Vec<LogRow> = Vec::new();
    for (part, (step, since)) in ctx.pending.take() {
        let entity = (part != step).then_some(part);
        let reported = |report: &StepReport| report.part() == part;
        let mut reports = ctx.reports.borrow_mut();
        let failed =
            reports.iter().find(|report| reported(report) && report.status == Status::Error).cloned();
        let report = match (failed, failure) {
            (Some(report), _) => report,
            // A dry run logs nothing, so what it has told of an entity stands.
            _ if ctx.is_dry_run() && reports.iter().any(reported) => continue,
            (None, None) => continue,
            (None, Some(failure)) => {
                // What was already told of it is not yet true: its log row is not written.
                reports.retain(|report| !reported(report));
                let mut report = StepReport::new(step, entity, None).failed(failure);
                report.duration_ms = u64::try_from((ctx.clock.now() - since).num_milliseconds()).unwrap_or(0);
                reports.push(report.clone());
                report
            }
        };
        rows.push(mirror::log_row(ctx, &report, since, report.duration_ms));
    }
    if ctx.is_dry_run() || rows.is_empty() {
        return true;
    }
    let log = async {
        let mut store = ctx.database.connect(ctx.access).await?;
        store.end_run(ctx.run_id).await?;
        for row in &rows {
            // A commit that was under way when the signal came has logged itself.
            store.log_if_missing(row).await?;
        }
        store.close().await
    };
    log.await.inspect_err(|failure| tracing::warn!("could not log the stopped run: {failure}")).is_ok()
}
