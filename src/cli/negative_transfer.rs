//! `zerkalo negative-transfer`: transfer what is negative.

use chrono::NaiveDate;
use clap::Args;

use super::{
    Globals,
    schedule::{ScheduleArguments, for_slot},
    work,
};
use crate::{
    cli::printer::Printer,
    config::Environment,
    days,
    error::{Failure, Kind, Result},
    jobs::{
        negative_transfer::{self, Options},
        notify::Notify,
    },
    registry::{NEGATIVE_TRANSFER, NIGHT},
    store::Access,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo negative-transfer --dry-run
  zerkalo negative-transfer --scheduled 23:00 --grace 55m -q
  zerkalo negative-transfer --again";

/// Arguments of `zerkalo negative-transfer`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Show the documents that would be posted; send and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The business date [default: the slot's, else today]; another one than today only with --dry-run
    #[arg(long, value_name = "DATE", value_parser = days::day)]
    pub date: Option<NaiveDate>,
    /// Run for today's slot after its grace, without asking; nothing is posted after transfer.deadline
    #[arg(long, requires_all = ["date", "scheduled"])]
    pub late_ok: bool,
    /// Make a further document for stores that had one today, if it is done and the balances show it
    #[arg(long, conflicts_with = "scheduled")]
    pub again: bool,
    /// When the admins are told in Telegram: always, problems or never
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always", hide_possible_values = true)]
    pub notify: Notify,
    /// When it is due
    #[command(flatten)]
    pub schedule: ScheduleArguments,
}

/// Transfers what is negative.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let access = if arguments.dry_run { Access::DryRun } else { Access::Write };
    let schedule = arguments.schedule.schedule(NIGHT.grace);
    let mut ctx = work::context(globals, environment, printer, NEGATIVE_TRANSFER.name, access)?;
    if let Some(date) = arguments.date.filter(|date| *date != ctx.business_date && !arguments.dry_run) {
        let text = format!("--date {date}: today is {}, and no document is back-dated", ctx.business_date);
        return Err(Failure::new(Kind::Usage, text).hint(
            "what is still missing since then a transfer of today takes, without --scheduled; with --dry-run any date \
             can be looked at",
        ));
    }
    ctx = for_slot(ctx, printer, schedule, arguments.date, arguments.late_ok)?;
    ctx.business_date = arguments.date.unwrap_or(ctx.business_date);
    let runtime = work::runtime()?;
    let options = Options { again: arguments.again, notify: arguments.notify };
    let report = runtime.block_on(negative_transfer::run(&ctx, options));
    // A name look-up that the system does not answer must not hold up the end.
    runtime.shutdown_background();
    printer.documents(&report);
    Ok(report.exit_code())
}
