//! What others are told of a run: a heartbeat, and a file of metrics. Neither changes what was done or its exit code.

use crate::{context::Context, heartbeat::Heartbeat, metrics, report::RunReport};

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

/// Tells that the run begins.
pub(super) async fn begins(heartbeat: Option<&Heartbeat>) {
    if let Some(heartbeat) = heartbeat {
        heartbeat.begins().await;
    }
}

/// Writes the metrics and tells how the run ended.
pub(super) async fn ended(ctx: &Context, heartbeat: Option<&Heartbeat>, report: &RunReport) {
    if let Some(path) = ctx.config.monitoring.metrics_file.as_deref().filter(|_| !ctx.is_dry_run())
        && let Err(failure) = metrics::write(path, &ctx.config.state_dir, report, ctx.clock.now())
    {
        tracing::warn!("{failure}");
    }
    if let Some(heartbeat) = heartbeat {
        heartbeat.ended(report.exit_code()).await;
    }
}
