//! What others are told of a run: a heartbeat, and a file of metrics. Neither changes what was done or its exit code.

use crate::{
    jobs::{context::Context, heartbeat::Heartbeat},
    model::report::RunReport,
    report::metrics,
};
use std::time::Duration;

/// The heartbeat of a run, if it has one. A dry run has none: it does no work.
pub(super) fn heartbeat(ctx: &Context) -> Option<Heartbeat> {
    if ctx.is_dry_run() {
        return None;
    }
    Heartbeat::of(&ctx.config, &ctx.command, ctx.run_id).unwrap_or_else(|failure| {
        tracing::warn!("no heartbeat: {failure}");
        None
    })
}

/// Tells that the run begins, when it is at work.
pub(super) async fn begins(ctx: &Context, heartbeat: Option<&Heartbeat>) {
    // The sender lives in the context.
    let _ = ctx.at_work.subscribe().wait_for(|at_work| *at_work).await;
    if let Some(heartbeat) = heartbeat {
        heartbeat.begins().await;
    }
}

/// How long writing the metrics may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes the metrics and tells how the run ended.
pub(super) async fn ended(ctx: &Context, heartbeat: Option<&Heartbeat>, report: &RunReport) {
    let path = ctx.config.monitoring.metrics_file.clone().filter(|_| !ctx.is_dry_run());
    if let Some((path, update)) = path.zip(metrics::Update::of(report, ctx.clock.now())) {
        let state = ctx.config.state_dir.clone();
        // On a thread of its own, for whose end nobody has to wait: another process may hold the file.
        let writing = tokio::task::spawn_blocking(move || metrics::write(&path, &state, &update));
        match tokio::time::timeout(PATIENCE, writing).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(failure))) => tracing::warn!("{failure}"),
            Ok(Err(error)) => tracing::warn!("the metrics file was not written: {error}"),
            Err(_) => tracing::warn!("the metrics file was not written within {} s", PATIENCE.as_secs()),
        }
    }
    if let Some(heartbeat) = heartbeat {
        heartbeat.ended(report.exit_code()).await;
    }
}
