//! Where the command line meets the engine.

use super::{Command, Globals};
use crate::{
    config::{self, Environment},
    error::{Failure, Kind, Result},
    printer::Printer,
};

/// Does `command` and returns the exit code.
pub(super) fn run(
    command: &Command,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    if matches!(command, Command::Sync(_) | Command::FullMorning(_) | Command::Migrate(_)) {
        let loaded = config::load(&globals.flags(), environment)?;
        for warning in &loaded.warnings {
            printer.stderr(&format!("warning: {warning}"));
        }
    }
    Err(Failure::new(Kind::Internal, format!("`{}` is not built yet", command.name())))
}
