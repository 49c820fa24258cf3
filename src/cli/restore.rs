//! `zerkalo restore`: bring deleted rows back.

use clap::Args;
use serde_json::json;

use super::{Globals, work};
use crate::{
    cli::printer::Printer,
    config::Environment,
    error::{Failure, Kind, Result},
    jobs::{
        context::Context,
        restore::{self, Deletion, Restored, What},
    },
    report::history,
    store::Access,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo restore                            list what can be brought back
  zerkalo restore iiko_product --dry-run
  zerkalo restore 01a204e8-d02c-774f-a4fa-7007f5d045b0 --hold
  zerkalo restore iiko_product --release";

/// Arguments of `zerkalo restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Rows that this run deleted, or all deleted rows of this table [default: list them]
    #[arg(value_name = "RUN|TABLE")]
    pub what: Option<String>,
    /// Show what would come back; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Delete nothing of the table until it is released
    #[arg(long, requires = "what", conflicts_with = "release")]
    pub hold: bool,
    /// Let the next good answer decide again; restore nothing
    #[arg(long, requires = "what")]
    pub release: bool,
}

/// Brings deleted rows back, or lists them.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let reads = arguments.dry_run || arguments.what.is_none();
    let access = if reads { Access::DryRun } else { Access::Write };
    let ctx = work::context(globals, environment, printer, "restore", access)?;
    let runtime = work::runtime()?;
    let code = match &arguments.what {
        None => runtime.block_on(list(&ctx, printer)),
        Some(what) => runtime.block_on(act(&ctx, printer, arguments, what)),
    };
    runtime.shutdown_background();
    code
}

async fn act(ctx: &Context, printer: &Printer, arguments: &Arguments, what: &str) -> Result<u8> {
    let what = match what.parse() {
        Ok(run) => What::Run(run),
        Err(_) => What::Table(restore::table(what)?),
    };
    let restored = match what {
        What::Table(table) if arguments.release => restore::release(ctx, table).await?,
        What::Run(_) if arguments.release => {
            return Err(Failure::new(Kind::Usage, "--release wants a table")
                .hint("`zerkalo status` shows those that are held"));
        }
        _ => {
            let deletion = if arguments.hold { Deletion::Held } else { Deletion::Decides };
            restore::run(ctx, what, deletion).await?
        }
    };
    print(printer, &restored);
    Ok(restored.run.exit_code())
}

fn print(printer: &Printer, restored: &Restored) {
    if printer.is_json() {
        let mut report = restored.run.to_json();
        report["notes"] = json!(restored.notes);
        return printer.json(&report);
    }
    printer.report(&restored.run);
    if !printer.verbosity().quiet {
        printer.stdout(&restored.notes.join("\n"));
    }
}

async fn list(ctx: &Context, printer: &Printer) -> Result<u8> {
    let graves = restore::graves(ctx).await?;
    if printer.is_json() {
        printer.json(&json!({ "command": ctx.command, "exit_code": 0, "tombstones": graves }));
    } else if graves.is_empty() {
        printer.stdout("no deleted rows are kept");
    } else {
        printer.stdout(&history::graves(&graves, ctx.clock.zone(), printer.width()));
    }
    Ok(0)
}
