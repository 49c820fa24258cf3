//! `zerkalo sync`: mirror one source.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{Globals, schedule, schedule::ScheduleArguments, work};
use crate::{config::Environment, error::Result, jobs, printer::Printer};

const EXAMPLES: &str = "\
Examples:
  zerkalo sync iiko --dry-run
  zerkalo sync iiko --only iiko_product,iiko_store
  zerkalo sync fintablo --allow-delete ft_deal=120";

/// Arguments of `zerkalo sync`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// What is mirrored: iiko (its catalogues), fintablo (the account) or stock (iiko's balances)
    #[arg(value_enum, hide_possible_values = true)]
    pub source: Source,
    /// Only these tables, with commas between them
    #[arg(long, value_name = "TABLE,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How it is mirrored
    #[command(flatten)]
    pub mirror: Mirror,
    /// When it is due
    #[command(flatten)]
    pub schedule: ScheduleArguments,
}

/// How a mirror run writes.
#[derive(Debug, Args)]
pub struct Mirror {
    /// Show what would change; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Compare every column instead of the rows' hashes, and repair what differs
    #[arg(long)]
    pub verify: bool,
    /// Allow exactly N deletions in a table (or one scope of it) in this run; repeatable
    #[arg(long, value_name = "TABLE[:SCOPE]=N")]
    pub allow_delete: Vec<AllowDelete>,
    /// Accept that the database now belongs to another server or account
    #[arg(long)]
    pub adopt_source: bool,
}

/// What can be mirrored; also the names of `full-morning`'s steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The iiko server's catalogues
    Iiko,
    /// The FinTablo account
    Fintablo,
    /// The stock balances of the iiko server
    Stock,
}

impl Source {
    /// The name as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iiko => "iiko",
            Self::Fintablo => "fintablo",
            Self::Stock => "stock",
        }
    }
}

/// Leave to delete exactly so many rows, although the guard would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowDelete {
    /// The table.
    pub table: String,
    /// One scope of it; none for a table without scopes.
    pub scope: Option<String>,
    /// The number of rows: no more and no fewer.
    pub rows: u64,
}

impl FromStr for AllowDelete {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "write it as TABLE=N or TABLE:SCOPE=N".to_owned();
        let (place, rows) = text.rsplit_once('=').ok_or_else(wrong)?;
        let (table, scope) = match place.split_once(':') {
            Some((table, scope)) => (table, Some(scope)),
            None => (place, None),
        };
        if table.is_empty() || scope.is_some_and(str::is_empty) {
            return Err(wrong());
        }
        let rows = rows.parse().ok().filter(|rows| *rows > 0).ok_or("N must be a whole number above 0")?;
        Ok(Self { table: table.to_owned(), scope: scope.map(str::to_owned), rows })
    }
}

impl Source {
    /// The step that mirrors it.
    pub(super) fn step(self) -> jobs::Step {
        match self {
            Self::Iiko => jobs::iiko(),
            Self::Fintablo => jobs::fintablo(),
            Self::Stock => jobs::stock(),
        }
    }
}

/// Mirrors one source.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let step = arguments.source.step().only(&arguments.only)?;
    let command = format!("sync {}", arguments.source.name());
    let job = work::Job {
        command: &command,
        lanes: vec![vec![step]],
        mirror: &arguments.mirror,
        notify: jobs::notify::Notify::Never,
        schedule: arguments.schedule.schedule(schedule::GRACE),
    };
    work::mirror(globals, environment, printer, job)
}
