//! `zerkalo full-morning`: mirror everything.

use clap::Args;

use super::{
    Globals, schedule,
    schedule::ScheduleArguments,
    sync::{Mirror, Source},
    work,
};
use crate::{
    config::Environment,
    error::Result,
    jobs::{notify::Notify, run::Lane},
    printer::Printer,
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
    /// Leave out a step (iiko, fintablo, stock); repeatable
    #[arg(long, value_enum, value_name = "STEP", hide_possible_values = true)]
    pub skip: Vec<Source>,
    /// How it is mirrored
    #[command(flatten)]
    pub mirror: Mirror,
    /// When the admins are told in Telegram: always, problems or never
    #[arg(long, value_enum, value_name = "WHEN", default_value = "problems", hide_possible_values = true)]
    pub notify: Notify,
    /// When it is due
    #[command(flatten)]
    pub schedule: ScheduleArguments,
}

/// The morning's steps, without those that are skipped: what reads iiko in one lane, FinTablo beside it.
pub(super) fn lanes(skip: &[Source]) -> Vec<Lane> {
    [&[Source::Iiko, Source::Stock][..], &[Source::Fintablo]]
        .into_iter()
        .map(|lane| lane.iter().filter(|source| !skip.contains(source)).map(|source| source.step()).collect())
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
        command: "full-morning",
        lanes: lanes(&arguments.skip),
        mirror: &arguments.mirror,
        notify: arguments.notify,
        schedule: arguments.schedule.schedule(schedule::GRACE),
    };
    work::mirror(globals, environment, printer, job)
}
