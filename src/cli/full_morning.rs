//! `zerkalo full-morning`: mirror everything.

use clap::{Args, ValueEnum};

use super::{
    Globals,
    schedule::{DayArguments, ScheduleArguments},
    sync::Mirror,
    work,
};
use crate::{
    cli::printer::Printer,
    config::Environment,
    error::Result,
    jobs::{self, Step, lanes::Lane, notify::Notify},
    registry::{FULL_MORNING, MORNING},
};

const EXAMPLES: &str = "\
Examples:
  zerkalo full-morning --dry-run
  zerkalo full-morning --scheduled 07:00 --grace 1h -q
  zerkalo full-morning --skip stock -q";

/// Arguments of `zerkalo full-morning`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Leave out a step (iiko, fintablo, stock, min-stock, min-stock-push, push-mapping); repeatable
    #[arg(long, value_enum, value_name = "STEP", hide_possible_values = true)]
    pub skip: Vec<Part>,
    /// How it is mirrored
    #[command(flatten)]
    pub mirror: Mirror,
    /// When the admins are told in Telegram: always, problems or never
    #[arg(long, value_enum, value_name = "WHEN", default_value = "problems", hide_possible_values = true)]
    pub notify: Notify,
    /// When it is due
    #[command(flatten)]
    pub schedule: ScheduleArguments,
    /// Of which day
    #[command(flatten)]
    pub day: DayArguments,
}

/// A step of the morning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The iiko server's catalogues
    Iiko,
    /// The FinTablo account
    Fintablo,
    /// The stock balances
    Stock,
    /// The levels typed into the sheet, to the database
    MinStock,
    /// The nomenclature, to the sheet
    MinStockPush,
    /// The mapping reference, to the sheet
    PushMapping,
}

impl Part {
    fn step(self) -> Step {
        match self {
            Self::Iiko => jobs::iiko(),
            Self::Fintablo => jobs::fintablo(),
            Self::Stock => jobs::stock(),
            Self::MinStock => jobs::min_stock_pull().optional(),
            Self::MinStockPush => jobs::min_stock_push().optional(),
            Self::PushMapping => jobs::push_mapping().optional(),
        }
    }
}

/// What reads iiko, and what needs that.
const FIRST: &[Part] = &[Part::Iiko, Part::Stock, Part::MinStock, Part::MinStockPush, Part::PushMapping];

/// The morning's six steps, without those that are skipped: FinTablo in a lane beside the others.
pub(super) fn lanes(skip: &[Part]) -> Vec<Lane> {
    [FIRST, &[Part::Fintablo]]
        .into_iter()
        .map(|lane| lane.iter().filter(|part| !skip.contains(part)).map(|part| part.step()).collect())
        .filter(|lane: &Lane| !lane.is_empty())
        .collect()
}

/// Runs the morning.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let job = work::Job {
        command: FULL_MORNING.name,
        lanes: lanes(&arguments.skip),
        mirror: &arguments.mirror,
        notify: arguments.notify,
        prune: true,
        schedule: arguments.schedule.schedule(MORNING.grace),
        day: &arguments.day,
    };
    work::mirror(globals, environment, printer, job)
}
