//! Lanes: steps that share a connection run one after another, and lanes run side by side.

use super::{
    Need, Options, Push, Step, Work, mirror,
    notify::Telling,
    prune, push,
    run::{close, enter, exclude, guarded, identity, log_abandoned, mismatch, session},
    slot::{self, Entry},
};
use crate::{
    engine::Index,
    error::{Failure, Kind, Result},
    jobs::context::Context,
    model::{
        report::{RunReport, Status, StepReport},
        upstream::Upstream,
    },
    report::morning,
    store::{
        LogRow, Store,
        lock::{Locks, Name},
        migrate::Dialect,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use hashbrown::HashMap;

/// Steps that share a connection, in order.
pub type Lane = Vec<Step>;

/// Runs a job: the lanes side by side, and the steps of each one after another. Whatever happens, a signal and a panic
/// included, the iiko session is logged out and every entity that was begun has its log row.
pub async fn run(ctx: &Context, lanes: Vec<Lane>, options: &Options) -> RunReport {
    let lanes = configured(ctx, lanes);
    let writes_levels = |step: &Step| matches!(step.work, Work::Push(Push::MinStock));
    ctx.makes_tab.set(lanes.iter().flatten().any(writes_levels));
    let order: Vec<&str> = lanes.iter().flatten().flat_map(Step::parts).collect();
    let text = |report: &RunReport| Some(morning::message(report, ctx.business_date));
    let telling = Telling { notify: options.notify, text: &text };
    guarded(ctx, names(ctx, &lanes), &order, telling, async |locks| job(ctx, &lanes, options, locks).await)
        .await
}

/// Does the lanes' work.
async fn job(ctx: &Context, lanes: &[Lane], options: &Options, locks: &Locks) -> Result<()> {
    // A start that has nothing to do asks for nothing but its slot.
    let (entry, first) = enter(ctx).await?;
    if matches!(entry, Entry::Done) {
        return Ok(());
    }
    let identities = identities(ctx, lanes)?;
    let stores = connect(ctx, lanes, first).await?;
    let mut opened = match open_all(ctx, lanes, options, &identities, stores).await {
        Ok(opened) => opened,
        Err(failure) => {
            log_refused(ctx, lanes, &failure).await;
            return Err(failure);
        }
    };
    if let Some(first) = opened.first_mut().filter(|_| !ctx.is_dry_run()) {
        log_abandoned(ctx, first.store.as_mut(), locks).await?;
        slot::claim(ctx, first.store.as_mut(), &entry).await?;
    }
    let running = lanes.iter().zip(opened).enumerate().map(async |(place, (lane, opened))| {
        let mut store = run_lane(ctx, lane, options, opened).await;
        if options.prune && place + 1 == lanes.len() && !ctx.is_dry_run() {
            // The lane's work is done, and the others do not wait; what is old today is old tomorrow, too.
            if let Err(failure) = prune::prune(ctx, store.as_mut()).await {
                tracing::warn!("old rows could not be deleted: {failure}");
            }
        }
        store
    });
    let mut stores = future::join_all(running).await.into_iter();
    ctx.kept.replace(stores.next());
    for store in stores {
        close(store).await;
    }
    Ok(())
}

/// How many connections are made or read from at once. It takes several turns on a slow link, so all of them; but a file is
/// created by the first one.
fn at_once(ctx: &Context, lanes: &[Lane]) -> usize {
    if ctx.database.dialect() == Dialect::Postgres { lanes.len().max(1) } else { 1 }
}

/// A connection for each lane; the first lane may have one already.
async fn connect(
    ctx: &Context,
    lanes: &[Lane],
    first: Option<Box<dyn Store>>,
) -> Result<Vec<Box<dyn Store>>> {
    let others = lanes.iter().skip(usize::from(first.is_some()));
    let others = stream::iter(others).map(|_| ctx.database.connect(ctx.access)).buffered(at_once(ctx, lanes));
    Ok(first.into_iter().chain(others.try_collect::<Vec<_>>().await?).collect())
}

/// Locks and reads what each lane works on.
async fn open_all(
    ctx: &Context,
    lanes: &[Lane],
    options: &Options,
    identities: &HashMap<Upstream, String>,
    stores: Vec<Box<dyn Store>>,
) -> Result<Vec<Opened>> {
    let mut locked = Vec::new();
    // One after another, in the same order everywhere: of two runs that wait for each other's lanes none would go on.
    for (lane, store) in lanes.iter().zip(stores) {
        locked.push((lane, lock(ctx, lane, store).await?));
    }
    ctx.at_work.send_replace(true);
    let reading = stream::iter(locked).map(|(lane, store)| open(ctx, lane, options, identities, store));
    reading.buffered(at_once(ctx, lanes)).try_collect().await
}

/// A lane's connection and what it has read of the database.
struct Opened {
    store: Box<dyn Store>,
    indexes: HashMap<&'static str, Index>,
    adopt: HashMap<Upstream, String>,
}

/// Keeps other hosts from what a lane works on.
async fn lock(ctx: &Context, lane: &Lane, mut store: Box<dyn Store>) -> Result<Box<dyn Store>> {
    if lane.iter().any(|step| step.upstreams().contains(&Upstream::Iiko)) {
        store.exclude_session(&session(ctx));
    }
    let parts: Vec<&str> =
        if ctx.is_dry_run() { Vec::new() } else { lane.iter().flat_map(Step::parts).collect() };
    exclude(ctx, store.as_mut(), &parts).await?;
    Ok(store)
}

/// Reads what the database holds of a lane, and refuses one that is another source's.
async fn open(
    ctx: &Context,
    lane: &Lane,
    options: &Options,
    identities: &HashMap<Upstream, String>,
    mut store: Box<dyn Store>,
) -> Result<Opened> {
    let tables: Vec<_> = lane.iter().flat_map(Step::entities).map(|entity| &entity.table).collect();
    let prepared = store.prepare(&tables, options.verify).await?;
    let mut adopt = HashMap::new();
    for upstream in lane.iter().flat_map(Step::upstreams) {
        let Some(identity) = identities.get(&upstream) else { continue };
        match prepared.identity.get(upstream.name()) {
            Some(stored) if stored == identity => {}
            Some(stored) if !options.adopt_source => {
                return Err(mismatch(ctx, upstream, stored, identity).await);
            }
            _ => drop(adopt.insert(upstream, identity.clone())),
        }
    }
    let indexes = tables.iter().map(|table| table.name).zip(prepared.indexes).collect();
    Ok(Opened { store, indexes, adopt })
}

/// Logs a run that was refused before any entity's turn began, where the database can be reached. Wrong usage and a
/// lock that somebody else holds are not logged.
async fn log_refused(ctx: &Context, lanes: &[Lane], failure: &Failure) {
    if ctx.is_dry_run() || matches!(failure.kind, Kind::Usage | Kind::Locked) {
        return;
    }
    let mut rows = Vec::new();
    for step in lanes.iter().flatten() {
        for report in step.reports() {
            rows.push(mirror::log_row(ctx, &report.failed(failure), ctx.started_at, 0));
        }
    }
    let log = async { ctx.database.connect(ctx.access).await?.log(&rows).await };
    if let Err(failure) = log.await {
        tracing::warn!("could not log a refused run: {failure}");
    }
}

/// Runs a lane's steps; its connection.
async fn run_lane(ctx: &Context, lane: &Lane, options: &Options, opened: Opened) -> Box<dyn Store> {
    let Opened { mut store, mut indexes, mut adopt } = opened;
    for step in lane {
        if let Some((needed, kind)) = missing_input(ctx, step) {
            let what = if kind == Some(Kind::Database) { "written" } else { "read" };
            skip(ctx, step, &format!("skipped: {needed} could not be {what}"), store.as_mut()).await;
            continue;
        }
        match &step.work {
            Work::Mirror(entities) => {
                let names = entities.iter().map(|entity| entity.table.name);
                let taken = names.filter_map(|name| indexes.remove_entry(name)).collect();
                let later: Vec<Need> = lane.iter().flat_map(|later| later.needs).copied().collect();
                let (step, store) = ((step.name, entities.as_slice()), store.as_mut());
                mirror::run(ctx, step, options, store, taken, &mut adopt, &later).await;
            }
            Work::Push(push) => push::run(ctx, step, *push, store.as_mut(), &mut adopt).await,
        }
    }
    store
}

/// The table that a step needs and that failed in an earlier step of this run, and how.
fn missing_input(ctx: &Context, step: &Step) -> Option<(&'static str, Option<Kind>)> {
    let reports = ctx.reports.borrow();
    step.needs.iter().map(|need| need.table.name).find_map(|name| {
        let of_it = |report: &&StepReport| report.entity.as_deref() == Some(name);
        let failed = reports.iter().filter(of_it).find(|report| report.status == Status::Error)?;
        Some((name, failed.kind))
    })
}

/// Whether nothing at all is configured of the spreadsheet that a step needs. Half a configuration is a mistake.
fn is_unconfigured(ctx: &Context, step: &Step) -> bool {
    let (google, min_stock) = (&ctx.config.google, &ctx.config.min_stock);
    step.upstreams().contains(&Upstream::GoogleSheets)
        && google.credentials.is_none()
        && min_stock.sheet_id.is_none()
}

/// The lanes without the steps of which nothing is configured and that may be left out.
fn configured(ctx: &Context, mut lanes: Vec<Lane>) -> Vec<Lane> {
    for step in lanes.iter().flatten().filter(|step| step.optional && is_unconfigured(ctx, step)) {
        tracing::debug!(
            "{} is left out: neither MIN_STOCK_SHEET_ID nor GOOGLE_SHEETS_CREDENTIALS is set",
            step.name
        );
    }
    for lane in &mut lanes {
        lane.retain(|step| !(step.optional && is_unconfigured(ctx, step)));
    }
    lanes.retain(|lane| !lane.is_empty());
    lanes
}

async fn skip(ctx: &Context, step: &Step, reason: &str, store: &mut dyn Store) {
    let mut reports = step.reports();
    for report in &mut reports {
        report.status = Status::Skipped;
        report.error = Some(reason.to_owned());
    }
    if !ctx.is_dry_run() {
        let rows: Vec<LogRow> =
            reports.iter().map(|report| mirror::log_row(ctx, report, ctx.clock.now(), 0)).collect();
        if let Err(failure) = store.log(&rows).await {
            tracing::warn!("could not log a skipped step: {failure}");
        }
    }
    ctx.reports.borrow_mut().extend(reports);
}

/// The locks of a job that mirrors. A dry run writes nothing, so it needs none but the iiko session's.
fn names(ctx: &Context, lanes: &[Lane]) -> Vec<Name> {
    let mut names = Vec::new();
    if !ctx.is_dry_run() {
        names.extend(ctx.slot.as_ref().map(|slot| Name::Job(slot.job.clone())));
        names.extend(lanes.iter().flatten().flat_map(|step| match step.work {
            Work::Mirror(_) => step.parts().into_iter().map(|name| Name::Entity(name.to_owned())).collect(),
            Work::Push(_) => vec![Name::Job(step.name.to_owned())],
        }));
    }
    if lanes.iter().flatten().any(|step| step.upstreams().contains(&Upstream::Iiko)) {
        names.push(session(ctx));
    }
    names
}

/// Who the upstreams are. Making the clients here also finds missing settings before anything is touched.
fn identities(ctx: &Context, lanes: &[Lane]) -> Result<HashMap<Upstream, String>> {
    let mut identities = HashMap::new();
    for step in lanes.iter().flatten() {
        for upstream in step.upstreams() {
            if identities.contains_key(&upstream) {
                continue;
            }
            let identity = identity(ctx, upstream)?;
            identities.insert(upstream, identity);
        }
    }
    Ok(identities)
}
