//! What is around the steps of a job: locks, connections, whose mirror it is, signals, log-out, the report.

use super::{Options, Step, mirror};
use crate::{
    context::Context,
    engine::Index,
    error::{Failure, Kind, Result},
    report::{RunReport, Status, StepReport},
    store::{
        LogRow, Store,
        lock::{Locks, Name},
        migrate::Dialect,
    },
};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, future, stream};
use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};
use std::{panic::AssertUnwindSafe, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long logging out and writing the last log rows may take after a signal.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// Steps that share a connection, in order.
pub type Lane = Vec<Step>;

/// Runs a job: the lanes side by side, and the steps of each one after another. Whatever happens, a signal and a panic
/// included, the iiko session is logged out and every entity that was begun has its log row.
pub async fn run(ctx: &Context, lanes: Vec<Lane>, options: &Options) -> RunReport {
    let work = AssertUnwindSafe(job(ctx, &lanes, options)).catch_unwind();
    let limited = tokio::time::timeout(ctx.config.limits.run, work);
    let outcome = tokio::select! {
        outcome = limited => match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::new(Kind::Internal, "a defect in zerkalo stopped the run")
                .hint("what was not finished was rolled back; report this with the log")),
            Err(_) => Err(Failure::new(
                Kind::Unreachable,
                format!("the run took longer than {} s and was stopped", ctx.config.limits.run.as_secs()),
            )
            .hint("what was not finished was rolled back; raise ZERKALO_RUN_TIMEOUT if that is normal here")),
        },
        failure = stopped() => Err(failure),
    };
    let (steps, failure) = match outcome {
        Ok(steps) => (steps, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let last_words = async {
        ctx.log_out().await;
        if let Some(failure) = &failure {
            log_pending(ctx, failure).await;
        }
    };
    if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
        tracing::warn!("logging out took too long; the next run ends the session");
    }
    RunReport {
        command: ctx.command.clone(),
        run_id: ctx.run_id,
        dry_run: ctx.is_dry_run(),
        started_at: ctx.started_at,
        duration: ctx.started.elapsed(),
        steps,
        failure,
    }
}

/// Waits for a signal that asks the process to stop. A second one ends it at once, as if nobody listened.
pub async fn stopped() -> Failure {
    let listen = |kind| signal(kind).expect("signals can be listened to on a tokio runtime");
    let mut signals: [(Signal, u8, &str); 3] = [
        (listen(SignalKind::terminate()), 15, "SIGTERM"),
        (listen(SignalKind::interrupt()), 2, "SIGINT"),
        (listen(SignalKind::hangup()), 1, "SIGHUP"),
    ];
    let received = future::select_all(signals.iter_mut().map(|(signal, number, name)| {
        Box::pin(async {
            signal.recv().await;
            (*number, *name)
        })
    }));
    let ((number, name), ..) = received.await;
    Failure::new(Kind::Signal(number), format!("stopped by {name}"))
        .hint("what was not finished was rolled back; start it again when you like")
}

async fn job(ctx: &Context, lanes: &[Lane], options: &Options) -> Result<Vec<StepReport>> {
    let locks = lock(ctx, lanes)?;
    let identities = identities(ctx, lanes)?;
    // A connection takes several turns on a slow link, so all are made at once. A file is created by the first one, and
    // what a connection finds missing it migrates: that goes one after another.
    let at_once = if ctx.database.dialect() == Dialect::Postgres { lanes.len() } else { 1 };
    let connecting = stream::iter(lanes).map(|_| ctx.database.connect(ctx.access)).buffered(at_once);
    let stores: Vec<_> = connecting.try_collect().await?;
    let mut opened = Vec::new();
    for (lane, store) in lanes.iter().zip(stores) {
        opened.push(open(lane, options, &identities, store).await?);
    }
    if let Some(first) = opened.first_mut().filter(|_| !ctx.is_dry_run()) {
        log_abandoned(ctx, first.store.as_mut(), &locks).await?;
    }
    let running = lanes.iter().zip(opened).map(|(lane, opened)| run_lane(ctx, lane, options, opened));
    let reports = future::join_all(running).await;
    drop(locks);
    Ok(reports.concat())
}

/// A lane's connection and what it has read of the database.
struct Opened {
    store: Box<dyn Store>,
    indexes: HashMap<&'static str, Index>,
    adopt: HashMap<&'static str, String>,
}

async fn open(
    lane: &Lane,
    options: &Options,
    identities: &HashMap<&'static str, String>,
    mut store: Box<dyn Store>,
) -> Result<Opened> {
    let entities: Vec<_> = lane.iter().flat_map(|step| step.entities.iter().copied()).collect();
    let tables: Vec<_> = entities.iter().map(|entity| &entity.table).collect();
    let prepared = store.prepare(&tables, options.verify).await?;
    let mut adopt = HashMap::new();
    for entity in &entities {
        let upstream = entity.feed.upstream();
        let identity = &identities[upstream];
        match prepared.identity.get(upstream) {
            Some(stored) if stored == identity => {}
            Some(stored) if !options.adopt_source => return Err(other_source(upstream, stored, identity)),
            _ => drop(adopt.insert(upstream, identity.clone())),
        }
    }
    let indexes = tables.iter().map(|table| table.name).zip(prepared.indexes).collect();
    Ok(Opened { store, indexes, adopt })
}

async fn run_lane(ctx: &Context, lane: &Lane, options: &Options, opened: Opened) -> Vec<StepReport> {
    let Opened { mut store, mut indexes, adopt } = opened;
    let mut reports: Vec<StepReport> = Vec::new();
    for step in lane {
        if let Some(needed) = missing_input(step, &reports) {
            reports.extend(skip(ctx, step, needed, store.as_mut()).await);
            continue;
        }
        let wanted = |name: &&'static str| step.entities.iter().any(|entity| entity.table.name == *name);
        let names: Vec<&'static str> = indexes.keys().copied().filter(|name| wanted(name)).collect();
        let taken = names.into_iter().filter_map(|name| indexes.remove_entry(name)).collect();
        reports.extend(mirror::run(ctx, step, options, store.as_mut(), taken, adopt.clone()).await);
    }
    if let Err(failure) = store.close().await {
        tracing::debug!("{failure}");
    }
    reports
}

/// The table that a step needs and that an earlier step of this run could not read.
fn missing_input(step: &Step, reports: &[StepReport]) -> Option<&'static str> {
    let failed = |name: &&&'static str| {
        reports
            .iter()
            .any(|report| report.status == Status::Error && report.entity.as_deref() == Some(**name))
    };
    step.needs.iter().find(failed).copied()
}

async fn skip(ctx: &Context, step: &Step, needed: &str, store: &mut dyn Store) -> Vec<StepReport> {
    let reports: Vec<StepReport> = step
        .entities
        .iter()
        .map(|entity| {
            let mut report = StepReport::new(step.name, Some(entity.table.name), None);
            report.status = Status::Skipped;
            report.error = Some(format!("skipped: {needed} could not be read"));
            report
        })
        .collect();
    if !ctx.is_dry_run() {
        let rows: Vec<LogRow> =
            reports.iter().map(|report| mirror::log_row(ctx, report, ctx.clock.now(), 0)).collect();
        if let Err(failure) = store.log(&rows).await {
            tracing::warn!("could not log a skipped step: {failure}");
        }
    }
    reports
}

/// All locks of a job, taken at the start. A dry run writes nothing, so it needs none but the iiko session's.
fn lock(ctx: &Context, lanes: &[Lane]) -> Result<Locks> {
    let entities: Vec<_> = lanes.iter().flatten().flat_map(|step| step.entities.iter()).collect();
    let mut names = Vec::new();
    if !ctx.is_dry_run() {
        names.extend(entities.iter().map(|entity| Name::Entity(entity.table.name.to_owned())));
    }
    if entities.iter().any(|entity| entity.feed.upstream() == "iiko") {
        let iiko = &ctx.config.iiko;
        let (base, login) =
            (iiko.base_url.clone().unwrap_or_default(), iiko.login.clone().unwrap_or_default());
        names.push(Name::Iiko { base, login });
    }
    let state = &ctx.config.state_dir;
    let place = |name: &Name| match name {
        Name::Entity(_) => ctx.database.lock_directory(state),
        Name::Iiko { .. } => state.join("locks"),
    };
    Locks::take(names, place, &ctx.holder())
}

/// Who the upstreams are. Making the clients here also finds missing settings before anything is touched.
fn identities(ctx: &Context, lanes: &[Lane]) -> Result<HashMap<&'static str, String>> {
    let mut identities = HashMap::new();
    for entity in lanes.iter().flatten().flat_map(|step| &step.entities) {
        let upstream = entity.feed.upstream();
        if identities.contains_key(upstream) {
            continue;
        }
        let identity = if upstream == "fintablo" {
            ctx.fintablo()?;
            fintablo_identity(ctx)
        } else {
            ctx.iiko()?;
            without_scheme(ctx.config.iiko.base_url.as_deref().unwrap_or_default())
        };
        identities.insert(upstream, identity);
    }
    Ok(identities)
}

/// `FinTablo` names no account in any answer, so a digest of the token stands for it.
fn fintablo_identity(ctx: &Context) -> String {
    use secrecy::ExposeSecret as _;
    let token =
        ctx.config.fintablo.token.as_ref().map(|token| token.expose_secret().to_owned()).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(token.as_bytes()));
    format!("{} token {}", without_scheme(&ctx.config.fintablo.base_url), &digest[..8])
}

fn without_scheme(url: &str) -> String {
    url.split_once("://").map_or(url, |(_, place)| place).to_lowercase()
}

fn other_source(upstream: &str, stored: &str, identity: &str) -> Failure {
    Failure::new(Kind::Safety, format!("this database mirrors {upstream} {stored}, and the settings name {identity}"))
        .hint(
            "use another DATABASE_SCHEMA (SQLite: another file) for another source; if it is the same one under a new \
             name or token, look at a --dry-run with --adopt-source, then run once with --adopt-source",
        )
}

/// Logs runs that were killed: their lock files still tell of them.
async fn log_abandoned(ctx: &Context, store: &mut dyn Store, locks: &Locks) -> Result<()> {
    for (entity, holder) in &locks.abandoned {
        let mut report = StepReport::new("killed", Some(entity), None);
        report.status = Status::Error;
        report.error = Some(format!(
            "process ended without a word (`zerkalo {}`, process {})",
            holder.command, holder.pid
        ));
        let mut row = mirror::log_row(ctx, &report, holder.since, 0);
        row.run_id = holder.run_id;
        row.duration_ms = (row.finished_at - holder.since).num_milliseconds().max(0);
        store.log_if_missing(&row).await?;
    }
    Ok(())
}

/// Logs the entities that a stopped run did not get to the end of.
async fn log_pending(ctx: &Context, failure: &Failure) {
    if ctx.is_dry_run() || ctx.pending.borrow().is_empty() {
        return;
    }
    let pending = ctx.pending.take();
    let rows: Vec<LogRow> = pending
        .into_iter()
        .map(|(entity, since)| {
            let report = StepReport::new("stopped", Some(entity), None).failed(failure);
            let duration = (ctx.clock.now() - since).num_milliseconds();
            mirror::log_row(ctx, &report, since, u64::try_from(duration).unwrap_or(0))
        })
        .collect();
    let logged = match ctx.database.connect(ctx.access).await {
        Ok(mut store) => store.log(&rows).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = logged {
        tracing::warn!("could not log the stopped run: {failure}");
    }
}
