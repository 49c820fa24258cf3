//! `zerkalo status`: how everything is.

use clap::Args;

use super::{Globals, work};
use crate::{
    cli::printer::Printer,
    config::Environment,
    error::{Failure, Result},
    jobs::{context::Context, slot::by_hand},
    model::documents::row::Which,
    report::{
        documents::DocumentReport,
        status::{
            Found, StatusReport,
            check::{self, Form},
        },
    },
    store::{Access, database::nearest_folder, filesystem::Room, holders},
    upstreams::iiko,
};
use std::{os::unix::fs::MetadataExt as _, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  zerkalo status
  zerkalo status --check             one line; the exit code says what is wrong
  zerkalo status --check --nagios    for Nagios, Icinga and what takes their plugins";

/// Arguments of `zerkalo status`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Print one line and end with an exit code that says whether anything is wrong
    #[arg(long)]
    pub check: bool,
    /// The line and the exit codes of a Nagios plugin: OK 0, WARNING 1, CRITICAL 2, UNKNOWN 3
    #[arg(long, requires = "check")]
    pub nagios: bool,
}

/// Shows how everything is, or checks it. Nothing is asked upstream, and nothing is written.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let look = || {
        let ctx = work::context(globals, environment, printer, "status", Access::DryRun)?;
        let runtime = work::runtime()?;
        let report = runtime.block_on(look(&ctx));
        runtime.shutdown_background();
        report
    };
    let found = look();
    if arguments.check {
        let form = if arguments.nagios { Form::Nagios } else { Form::Plain };
        return Ok(tell(printer, found.as_ref(), form));
    }
    let report = found?;
    if printer.is_json() {
        printer.json(&report.to_json());
    } else if printer.verbosity().quiet {
        printer.stderr(&report.notes(printer.stderr_colour()));
    } else {
        printer.stdout(&report.table(printer.width(), printer.stdout_colour()));
    }
    Ok(0)
}

/// Prints a check's answer; its exit code.
fn tell(printer: &Printer, found: Result<&StatusReport, &Failure>, form: Form) -> u8 {
    if printer.is_json() {
        let (report, exit_code) = check::to_json(found, form);
        printer.json(&report);
        return exit_code;
    }
    let line = check::line(found, form);
    // Cron mails whatever is printed: with `-q` that is only what is wrong. A plugin always says its line.
    if form == Form::Nagios || line.exit_code != 0 || !printer.verbosity().quiet {
        printer.stdout(&line.text);
    }
    line.exit_code
}

async fn look(ctx: &Context) -> Result<StatusReport> {
    let state = &ctx.config.state_dir;
    let mut folders = vec![ctx.database.lock_directory(state), state.join("locks")];
    folders.dedup();
    // Before the database is read: what a run that ends meanwhile has left is read there.
    let (locks, sessions) = (holders::look(&folders)?, iiko::remembered_sessions(state)?);
    let mut store = ctx.database.connect_existing(ctx.access).await?;
    let overview = store.overview().await?;
    let unsettled = Which { unsettled: true, ..Which::default() };
    let documents = store.documents(&unsettled).await?;
    store.close().await?;
    Ok(StatusReport::of(Found {
        config: &ctx.config,
        database: ctx.database.describe(),
        overview,
        documents: documents.iter().map(DocumentReport::of).collect(),
        locks,
        sessions,
        disks: disks(ctx)?,
        by_hand: &|job, slot, now| by_hand(&ctx.config, job, slot, now),
        now: ctx.started_at,
    }))
}

/// The disks of the state directory and of a database that is a file; once where it is the same one.
fn disks(ctx: &Context) -> Result<Vec<Room>> {
    let state = nearest_folder(&ctx.config.state_dir.join("locks"));
    let mut folders = vec![state];
    folders.extend(ctx.database.file().map(nearest_folder));
    let device = |folder: &PathBuf| folder.metadata().ok().map(|data| data.dev());
    folders.dedup_by_key(|folder| device(folder));
    folders.iter().map(|folder| Room::at(folder)).collect()
}
