//! The command line: what can be asked, and who answers.
//!
//! One file a subcommand, with its arguments. Settings are not flags of their own: they come from
//! [`crate::config`], and only the few globals below touch them.

pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod documents;
pub mod full_morning;
pub mod log;
pub mod logging;
pub mod man;
pub mod migrate;
pub mod negative_transfer;
pub mod printer;
pub mod prune;
pub mod push_mapping;
pub mod restore;
pub mod sandbox;
pub mod schedule;
pub mod status;
pub mod stoplist_report;
pub mod sync;
mod unread;
mod work;
pub mod writeoff;

use std::{convert::Infallible, path::PathBuf, process::ExitCode, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};
use secrecy::SecretString;

use crate::{
    cli::printer::{Colour, Printer, Verbosity},
    config::{Environment, Flags},
    error::Result,
    registry::{FULL_MORNING, NEGATIVE_TRANSFER, PUSH_MAPPING, STOPLIST_REPORT, WRITEOFF},
};

const EXAMPLES: &str = "\
Examples:
  zerkalo config init             write a settings file with every default explained
  zerkalo config check            say what is set, where it comes from, what is missing
  zerkalo doctor                  try every login, the database, the clock; write nothing
  zerkalo sync iiko --dry-run     show what would change, write nothing
  zerkalo full-morning -q         what cron runs: mails only trouble

Exit codes:
  0  done                              7  an upstream's answer is invalid
  1  internal error                    8  database or disk
  2  usage or settings                 9  a document may or may not have been processed
  3  some documents were not posted   11  another run holds the lock
  4  done with warnings               12  too late for its slot, skipped
  5  an upstream is unreachable       13  stopped for safety
  6  an upstream refuses us        128+n  stopped by signal n";

/// Mirrors an iiko server and a FinTablo account into SQL.
#[derive(Debug, Parser)]
#[command(name = "zerkalo", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Settings file [default: ~/.config/zerkalo/zerkalo.toml]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Further settings as NAME=value lines; the environment wins over them
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_file: Option<PathBuf>,
    /// Database, without a password: `postgres://user@host/name`, `sqlite:PATH` or a path
    #[arg(long, global = true, value_name = "URL", value_parser = secret)]
    pub database: Option<SecretString>,
    /// Print the result as one JSON object
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice and thrice say still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Wait so long, such as 5m, for another run that holds a lock [default: exit 11 at once]
    #[arg(long, global = true, value_name = "D", value_parser = schedule::duration)]
    pub lock_wait: Option<Duration>,
    /// Write metrics for Prometheus' textfile collector to this file
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metrics_file: Option<PathBuf>,
    /// Colour the output: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    pub color: Colour,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Mirror one source into the database
    Sync(sync::Arguments),
    /// Mirror everything, one step after the other: what cron runs
    FullMorning(full_morning::Arguments),
    /// Write the display names of goods into the mapping reference of the sheet
    PushMapping(push_mapping::Arguments),
    /// Post transfers of what is negative in bars and kitchens: what cron runs at night
    NegativeTransfer(negative_transfer::Arguments),
    /// Tell the readers what was in stop: what cron runs in the evening
    StoplistReport(stoplist_report::Arguments),
    /// Post a write-off act from a file
    Writeoff(writeoff::Arguments),
    /// List, read back and give up documents that were posted to iiko
    Documents(documents::Arguments),
    /// Show how everything is, or check it
    Status(status::Arguments),
    /// Show what runs did before
    Log(log::Arguments),
    /// Bring deleted rows back, or keep deletion off
    Restore(restore::Arguments),
    /// Delete old rows of the log, old slots and old tombstones
    Prune(prune::Arguments),
    /// Bring the database's tables up to this version
    Migrate(migrate::Arguments),
    /// Write, check or show the settings
    Config(config::Arguments),
    /// Try everything that a run needs, and say what is wrong and what to do
    Doctor(doctor::Arguments),
    /// See it work: stand-in servers, a database of its own and two runs
    Demo(demo::Arguments),
    /// Serve stand-in iiko, FinTablo and Telegram servers on loopback
    Sandbox(sandbox::Arguments),
    /// Print what a shell completes
    Completions(completions::Arguments),
    /// Print the manual page, or write all of them
    Man(man::Arguments),
}

impl Command {
    /// The command as it is typed, for reports: `sync iiko`.
    pub fn name(&self) -> String {
        match self {
            Self::Sync(arguments) => format!("sync {}", arguments.source.name()),
            Self::FullMorning(_) => FULL_MORNING.name.to_owned(),
            Self::PushMapping(_) => PUSH_MAPPING.name.to_owned(),
            Self::NegativeTransfer(_) => NEGATIVE_TRANSFER.name.to_owned(),
            Self::StoplistReport(_) => STOPLIST_REPORT.name.to_owned(),
            Self::Writeoff(_) => WRITEOFF.name.to_owned(),
            Self::Documents(arguments) => format!("documents {}", arguments.action.name()),
            Self::Status(_) => "status".to_owned(),
            Self::Log(_) => "log".to_owned(),
            Self::Restore(_) => "restore".to_owned(),
            Self::Prune(_) => "prune".to_owned(),
            Self::Migrate(_) => "migrate".to_owned(),
            Self::Config(arguments) => format!("config {}", arguments.action.name()),
            Self::Doctor(_) => "doctor".to_owned(),
            Self::Demo(_) => "demo".to_owned(),
            Self::Sandbox(_) => "sandbox".to_owned(),
            Self::Completions(_) => "completions".to_owned(),
            Self::Man(_) => "man".to_owned(),
        }
    }

    /// Whether it is asked to print its result as JSON.
    fn prints_json(&self) -> bool {
        matches!(self, Self::StoplistReport(arguments) if arguments.format == stoplist_report::Format::Json)
    }
}

impl Globals {
    /// What the command line says about settings.
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            env_file: self.env_file.clone(),
            database: self.database.clone(),
            metrics_file: self.metrics_file.clone(),
        }
    }

    /// The printer that these options ask for, or their command.
    pub fn printer(&self, command: &Command) -> Printer {
        let verbosity = Verbosity { quiet: self.quiet, verbose: self.verbose };
        Printer::new(verbosity, self.json || command.prints_json(), self.color)
    }
}

/// Any text; held so that `Debug` does not show it.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a value parser")]
fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// Does what the command line asks, prints the result or the failure, and returns the exit code.
pub fn run(cli: &Cli) -> ExitCode {
    let printer = cli.globals.printer(&cli.command);
    let environment = Environment::process();
    let logging = environment.get("ZERKALO_LOG").and_then(|filter| logging::start(&printer, filter));
    let result = logging.and_then(|()| match &cli.command {
        Command::Config(arguments) => config::run(arguments, &cli.globals, &environment, &printer),
        Command::Sync(arguments) => sync::run(arguments, &cli.globals, &environment, &printer),
        Command::FullMorning(arguments) => full_morning::run(arguments, &cli.globals, &environment, &printer),
        Command::PushMapping(arguments) => push_mapping::run(arguments, &cli.globals, &environment, &printer),
        Command::NegativeTransfer(arguments) => {
            negative_transfer::run(arguments, &cli.globals, &environment, &printer)
        }
        Command::StoplistReport(arguments) => {
            stoplist_report::run(arguments, &cli.globals, &environment, &printer)
        }
        Command::Writeoff(arguments) => writeoff::run(arguments, &cli.globals, &environment, &printer),
        Command::Documents(arguments) => documents::run(arguments, &cli.globals, &environment, &printer),
        Command::Status(arguments) => status::run(arguments, &cli.globals, &environment, &printer),
        Command::Log(arguments) => log::run(arguments, &cli.globals, &environment, &printer),
        Command::Restore(arguments) => restore::run(arguments, &cli.globals, &environment, &printer),
        Command::Prune(arguments) => prune::run(arguments, &cli.globals, &environment, &printer),
        Command::Migrate(arguments) => migrate::run(arguments, &cli.globals, &environment, &printer),
        Command::Doctor(arguments) => doctor::run(arguments, &cli.globals, &environment, &printer),
        Command::Demo(arguments) => demo::run(arguments, &printer),
        Command::Sandbox(arguments) => sandbox::run(arguments, &printer),
        Command::Completions(arguments) => Ok(completions::run(arguments, &printer)),
        Command::Man(arguments) => man::run(arguments, &printer),
    });
    ExitCode::from(result.unwrap_or_else(|failure| {
        printer.failure(&failure);
        failure.kind.exit_code()
    }))
}

#[cfg(test)]
mod tests;
