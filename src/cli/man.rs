//! `zerkalo man`: the manual pages.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory as _, ValueHint};
use clap_mangen::Man;

use super::Cli;
use crate::{
    cli::printer::Printer,
    error::{Failure, Kind, Result},
};

const EXAMPLES: &str = "\
Examples:
  zerkalo man | man -l -
  zerkalo man --directory /usr/local/share/man/man1";

/// Arguments of `zerkalo man`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Write a page for each command into this directory [default: the first page, to stdout]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
}

/// Prints the first page, or writes all of them.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let Some(directory) = &arguments.directory else {
        let mut page = Vec::new();
        Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| Failure::new(Kind::Internal, "the manual page cannot be made").source(error))?;
        printer.stdout(&String::from_utf8_lossy(&page));
        return Ok(0);
    };
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|error| {
            Failure::new(Kind::Usage, format!("{} cannot be written to", directory.display()))
                .hint("name another directory")
                .source(error)
        })?;
    Ok(0)
}
