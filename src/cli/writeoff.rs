//! `zerkalo writeoff`: post a write-off act from a file.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Globals, work};
use crate::{
    cli::printer::Printer,
    config::Environment,
    error::Result,
    jobs::writeoff::{self, Options, file},
    registry::WRITEOFF,
    store::Access,
};

const EXAMPLES: &str = "\
A file is a JSON object, its products by id, num (article) or name:
  {\"store\": \"Бар (Московский)\", \"account\": \"Порча\", \"date\": \"2026-11-22\",
   \"items\": [{\"num\": \"00001\", \"amount\": 1.5}, {\"name\": \"Салфетки\", \"amount\": 2}]}
or a CSV with a header, of the columns store, account, date, comment, product, id, num, name, amount:
  store;account;date;num;amount
  Бар (Московский);Порча;22.11.2026;00001;1,5
  ;;;00047;2

Examples:
  zerkalo writeoff act.csv --dry-run
  zerkalo writeoff act.csv";

/// Arguments of `zerkalo writeoff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The act: JSON, or CSV with a header
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Show the act that would be posted; send and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Post a further act of the same content
    #[arg(long)]
    pub again: bool,
    /// Post an act that is dated more than 31 days back
    #[arg(long)]
    pub back_dated: bool,
}

/// Posts an act.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let act = file::read(&arguments.file)?;
    let access = if arguments.dry_run { Access::DryRun } else { Access::Write };
    let ctx = work::context(globals, environment, printer, WRITEOFF.name, access)?;
    let runtime = work::runtime()?;
    let name = arguments.file.display().to_string();
    let options = Options { again: arguments.again, back_dated: arguments.back_dated };
    let report = runtime.block_on(writeoff::run(&ctx, &name, &act, options));
    runtime.shutdown_background();
    printer.documents(&report);
    Ok(report.exit_code())
}
