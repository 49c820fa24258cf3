//! `zerkalo doctor`: try everything that a run needs.

use clap::Args;

use super::{Globals, work};
use crate::{
    cli::printer::Printer,
    clock::Clock,
    config::{self, Environment},
    error::Result,
    jobs::doctor,
    report::doctor as report,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo doctor               try everything, logins included; write nothing
  zerkalo doctor --offline     only what is on this host
  zerkalo doctor --json -q     for monitoring

The exit code is that of the worst problem, by the table of `zerkalo --help`; 4 when there are only warnings.";

/// Arguments of `zerkalo doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Ask no other host
    #[arg(long)]
    pub offline: bool,
}

/// Looks at everything and prints what was found.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let diagnosis = match config::load(&globals.flags(), environment) {
        Err(failure) => doctor::without_settings(failure),
        Ok(loaded) => {
            let clock = Clock::from_environment(loaded.config.timezone)?;
            let runtime = work::runtime()?;
            let diagnosis =
                runtime.block_on(doctor::examine(loaded, clock, printer.clone(), arguments.offline));
            // A name look-up that the system does not answer must not hold up the end.
            runtime.shutdown_background();
            diagnosis
        }
    };
    if printer.is_json() {
        printer.json(&report::to_json(&diagnosis));
    } else {
        printer.stdout(&report::text(
            &diagnosis,
            printer.width(),
            printer.stdout_colour(),
            printer.verbosity().quiet,
        ));
    }
    Ok(diagnosis.exit_code())
}
