//! `zerkalo prune`: delete what is older than is kept.

use clap::Args;
use serde_json::json;

use super::{Globals, work};
use crate::{
    cli::printer::Printer, config::Environment, error::Result, humanize::number, jobs::prune, store::Access,
};

const EXAMPLES: &str = "\
Old log rows, slots, deliveries and samples of the stop-list go (ZERKALO_KEEP_LOG_DAYS, 400 by default), and deleted rows after 30 days.
Documents never go. full-morning does the same by itself.

Examples:
  zerkalo prune --dry-run
  zerkalo prune";

/// Arguments of `zerkalo prune`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Count what would go; delete nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Deletes what is old.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let access = if arguments.dry_run { Access::DryRun } else { Access::Write };
    let ctx = work::context(globals, environment, printer, "prune", access)?;
    let runtime = work::runtime()?;
    let expired = runtime.block_on(prune::run(&ctx));
    runtime.shutdown_background();
    let expired = expired?;
    let keep = prune::keep(&ctx);
    if printer.is_json() {
        printer.json(&json!({
            "command": "prune",
            "run_id": ctx.run_id,
            "dry_run": arguments.dry_run,
            "exit_code": 0,
            "kept_since": { "log": keep.log, "tombstones": keep.tombstones },
            "deleted": expired,
        }));
        return Ok(0);
    }
    let word = if arguments.dry_run { "would go" } else { "went" };
    let day = |moment: chrono::DateTime<chrono::Utc>| moment.with_timezone(&ctx.clock.zone()).date_naive();
    let text = format!(
        "{word}: {} rows of the log, {} slots, {} deliveries and {} samples from before {}; {} tombstones from before {}",
        number(expired.log),
        number(expired.slots),
        number(expired.deliveries),
        number(expired.samples),
        day(keep.log),
        number(expired.tombstones),
        day(keep.tombstones),
    );
    if !printer.verbosity().quiet {
        let dry = if arguments.dry_run { "\ndry run: nothing was written" } else { "" };
        printer.stdout(&format!("{text}{dry}"));
    }
    Ok(0)
}
