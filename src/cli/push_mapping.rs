//! `zerkalo push-mapping`: the mapping reference.

use clap::Args;

use super::{
    Globals, schedule,
    schedule::{DayArguments, ScheduleArguments},
    sync::Mirror,
    work,
};
use crate::{cli::printer::Printer, config::Environment, error::Result, jobs, registry::PUSH_MAPPING};

/// Arguments of `zerkalo push-mapping`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Show what would be written; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accept that the database now belongs to another spreadsheet
    #[arg(long)]
    pub adopt_source: bool,
    /// When it is due
    #[command(flatten)]
    pub schedule: ScheduleArguments,
    /// Of which day
    #[command(flatten)]
    pub day: DayArguments,
}

/// Writes the mapping reference.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let mirror = Mirror {
        dry_run: arguments.dry_run,
        adopt_source: arguments.adopt_source,
        verify: false,
        allow_delete: Vec::new(),
    };
    let job = work::Job {
        command: PUSH_MAPPING.name,
        lanes: vec![vec![jobs::push_mapping()]],
        mirror: &mirror,
        notify: jobs::notify::Notify::Never,
        prune: false,
        schedule: arguments.schedule.schedule(schedule::GRACE),
        day: &arguments.day,
    };
    work::mirror(globals, environment, printer, job)
}
