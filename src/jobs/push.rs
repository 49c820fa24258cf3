//! A step that writes a tab of the spreadsheet: its report, its log row, whose spreadsheet it is.

use super::{Push, Step, mapping, min_stock, mirror};
use crate::{
    error::Result,
    jobs::context::Context,
    model::{
        report::{Status, StepReport},
        upstream::Upstream,
    },
    report,
    store::Store,
};
use hashbrown::HashMap;
use std::time::Instant;

/// Writes the tab. `adopt` holds the upstreams whose identity is to be stored once they have answered.
pub(super) async fn run(
    ctx: &Context,
    step: &Step,
    push: Push,
    store: &mut dyn Store,
    adopt: &mut HashMap<Upstream, String>,
) {
    let meter = ctx.progress.meter(step.name);
    let (started_at, started) = (ctx.clock.now(), Instant::now());
    ctx.pending.borrow_mut().insert(step.name, (step.name, started_at));
    let mut report = StepReport::new(step.name, None, None);
    meter.phase("writing");
    let outcome = write(ctx, push, store, &mut report, adopt).await;
    report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Err(failure) = outcome {
        report = report.failed(&failure);
    }
    meter.done();
    tracing::info!("{}", report::finished(&report));
    if !ctx.is_dry_run() {
        let row = mirror::log_row(ctx, &report, started_at, report.duration_ms);
        match store.log(&[row]).await {
            Ok(()) => drop(ctx.pending.borrow_mut().remove(step.name)),
            Err(failure) if report.status != Status::Error => report = report.failed(&failure),
            Err(failure) => tracing::warn!("could not log a failure: {failure}"),
        }
    }
    ctx.reports.borrow_mut().push(report);
}

async fn write(
    ctx: &Context,
    push: Push,
    store: &mut dyn Store,
    report: &mut StepReport,
    adopt: &mut HashMap<Upstream, String>,
) -> Result<()> {
    ctx.locked.borrow().check()?;
    match push {
        Push::MinStock => min_stock::push(ctx, store, report).await?,
        Push::Mapping => mapping::push(ctx, store, report).await?,
    }
    if let Some(identity) = adopt.remove(&Upstream::GoogleSheets).filter(|_| !ctx.is_dry_run()) {
        store.adopt(Upstream::GoogleSheets.name(), &identity, ctx.clock.now()).await?;
    }
    Ok(())
}
