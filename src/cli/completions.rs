//! `zerkalo completions`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::cli::printer::Printer;

const EXAMPLES: &str = "\
Examples:
  zerkalo completions bash > /etc/bash_completion.d/zerkalo
  zerkalo completions fish > ~/.config/fish/completions/zerkalo.fish
  zerkalo completions zsh > ~/.zfunc/_zerkalo";

/// Arguments of `zerkalo completions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(value_enum, hide_possible_values = true)]
    pub shell: Shell,
}

/// Prints the shell's script.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "zerkalo", &mut script);
    printer.stdout(&String::from_utf8_lossy(&script));
    0
}
