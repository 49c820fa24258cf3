//! `zerkalo migrate`: bring the database's tables up to this version.

use std::fmt::Write as _;

use clap::Args;
use comfy_table::{Cell, Table, presets};
use serde_json::json;

use super::{Globals, work};
use crate::{
    cli::printer::Printer,
    config::Environment,
    error::{Result, quote},
    jobs::desk,
    model::documents::row::{State, Which},
    store::{Access, migrate::Step},
};

/// Arguments of `zerkalo migrate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// List what would be applied; change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Shows the migrations and runs those that are missing.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let access = if arguments.dry_run { Access::DryRun } else { Access::Write };
    let ctx = work::context(globals, environment, printer, "migrate", access)?;
    let (before, after, unknown) = work::runtime()?.block_on(async {
        let before = ctx.database.steps().await?;
        let after = if arguments.dry_run { before.clone() } else { ctx.database.migrate().await? };
        let has_changed = after.iter().zip(&before).any(|(after, before)| after.applied && !before.applied);
        // A migration may find documents whose rows cannot be worked with.
        let which = Which { state: Some(State::Unknown), ..Which::default() };
        let unknown = if has_changed { desk::list(&ctx, &which).await? } else { Vec::new() };
        Ok::<_, crate::error::Failure>((before, after, unknown))
    })?;
    let state = |before: &Step, after: &Step| match (before.applied, after.applied) {
        (true, _) => "applied before",
        (false, true) => "applied now",
        (false, false) if before.lossy => "missing, loses data",
        (false, false) => "missing",
    };
    let place = ctx.database.describe();
    if printer.is_json() {
        let steps: Vec<_> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| json!({ "version": before.version, "name": before.name, "state": state(before, after) }))
            .collect();
        printer.json(&json!({ "command": "migrate", "dry_run": arguments.dry_run, "exit_code": 0, "database": place, "migrations": steps, "unknown_documents": unknown }));
        return Ok(0);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["migration", "state"]);
    for (before, after) in before.iter().zip(&after) {
        table.add_row([
            Cell::new(format!("{:04} {}", before.version, before.name)),
            Cell::new(state(before, after)),
        ]);
    }
    let tail =
        if arguments.dry_run { "dry run: nothing was written" } else { "the schema is at this version" };
    let mut out = format!("{place}\n{table}\n{tail}");
    for document in unknown {
        let problem = quote(&document.problem.unwrap_or_default(), 300);
        let _ = write!(
            out,
            "\nwarning: document {} is unknown: {problem}\n  hint: zerkalo documents reconcile",
            document.key
        );
    }
    printer.stdout(&out);
    Ok(0)
}
