//! `zerkalo stoplist-report`: tell what was in stop today.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueHint};

use super::{
    Globals,
    schedule::{GRACE, ScheduleArguments},
    work,
};
use crate::{
    cli::printer::Printer,
    config::Environment,
    days,
    error::Result,
    jobs::stoplist_report::{self, Options},
    registry::STOPLIST_REPORT,
    store::Access,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo stoplist-report --dry-run --picture day.png
  zerkalo stoplist-report --scheduled 22:00 --grace 1h -q
  zerkalo stoplist-report --date 2026-11-21 --dry-run --format json
  zerkalo stoplist-report --resend";

/// Arguments of `zerkalo stoplist-report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Print the report; send and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The day on which the working hours begin [default: the latest whose hours have begun]
    #[arg(long, value_name = "DATE", conflicts_with = "scheduled", value_parser = days::day)]
    pub date: Option<NaiveDate>,
    /// How the report is printed: text or json, which is what --json prints
    #[arg(long, value_enum, value_name = "FORM", default_value_t, hide_possible_values = true)]
    pub format: Format,
    /// Write the picture to this file, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub picture: Option<PathBuf>,
    /// Send once more what may or may not have come, after a look into the chats; while the working hours go on, also to
    /// chats that have had an earlier report of the day
    #[arg(long, conflicts_with_all = ["scheduled", "dry_run"])]
    pub resend: bool,
    /// When it is due
    #[command(flatten)]
    pub schedule: ScheduleArguments,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// As staff read it.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Makes the report and sends it.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let access = if arguments.dry_run { Access::DryRun } else { Access::Write };
    let schedule = arguments.schedule.schedule(GRACE);
    let ctx = work::context(globals, environment, printer, STOPLIST_REPORT.name, access)?;
    if let Some(date) = arguments.date {
        days::has_come("--date", date, ctx.business_date)?;
    }
    let ctx = ctx.scheduled(schedule);
    let options =
        Options { date: arguments.date, resend: arguments.resend, picture: arguments.picture.clone() };
    let runtime = work::runtime()?;
    let report = runtime.block_on(stoplist_report::run(&ctx, &options));
    // A name look-up that the system does not answer must not hold up the end.
    runtime.shutdown_background();
    printer.stoplist(&report);
    Ok(report.exit_code())
}
