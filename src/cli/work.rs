//! What the commands that touch the database share.

use super::{
    Globals,
    schedule::{DayArguments, for_slot},
    sync::Mirror,
};
use crate::{
    cli::printer::Printer,
    clock::Clock,
    config::{self, Environment},
    error::{Failure, Kind, Result},
    jobs::{
        Allowance, Options,
        context::Context,
        lanes::{self, Lane},
        notify::Notify,
    },
    process,
    schedule::Schedule,
    store::Access,
};

/// A runtime for one command. One thread is enough: the work is waiting for servers.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(Kind::Internal, "cannot start the asynchronous runtime").source(error)
    })?;
    let within = runtime.enter();
    process::outlive_file_limits();
    drop(within);
    Ok(runtime)
}

/// A run's context, from the settings. Says what the settings warn of.
pub(super) fn context(
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
    command: &str,
    access: Access,
) -> Result<Context> {
    let loaded = config::load(&globals.flags(), environment)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let clock = Clock::from_environment(loaded.config.timezone)?;
    if let Some(warning) = clock.warning() {
        tracing::warn!("{warning}; it is for tests only, unset it");
    }
    let ctx = Context::new(loaded.config, clock, printer.clone(), command.to_owned(), access);
    Ok(ctx.waiting(globals.lock_wait))
}

/// What a command mirrors, and how.
pub(super) struct Job<'a> {
    /// The command as it is typed.
    pub(super) command: &'a str,
    /// Its steps.
    pub(super) lanes: Vec<Lane>,
    /// How they write.
    pub(super) mirror: &'a Mirror,
    /// When the admins are told how it ended.
    pub(super) notify: Notify,
    /// Whether what is old goes afterwards.
    pub(super) prune: bool,
    /// When it is due; none for a start by hand.
    pub(super) schedule: Option<Schedule>,
    /// The slot of which day.
    pub(super) day: &'a DayArguments,
}

/// Runs a job, prints the report and returns its exit code.
pub(super) fn mirror(
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
    job: Job<'_>,
) -> Result<u8> {
    let options = Options { notify: job.notify, prune: job.prune, ..job.mirror.options() };
    options.check()?;
    let access = if job.mirror.dry_run { Access::DryRun } else { Access::Write };
    let ctx = context(globals, environment, printer, job.command, access)?;
    let ctx = for_slot(ctx, printer, job.schedule, job.day.date, job.day.late_ok)?;
    let runtime = runtime()?;
    let report = runtime.block_on(lanes::run(&ctx, job.lanes, &options));
    // A name look-up that the system does not answer must not hold up the end.
    runtime.shutdown_background();
    printer.report(&report);
    Ok(report.exit_code())
}

impl Mirror {
    fn options(&self) -> Options {
        let allowance = |allow: &super::sync::AllowDelete| Allowance {
            table: allow.table.clone(),
            scope: allow.scope.clone(),
            rows: allow.rows,
        };
        Options {
            verify: self.verify,
            adopt_source: self.adopt_source,
            allow_delete: self.allow_delete.iter().map(allowance).collect(),
            ..Options::default()
        }
    }
}
