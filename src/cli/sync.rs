//! `zerkalo sync`: mirror one source.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{
    Globals, schedule,
    schedule::{DayArguments, ScheduleArguments},
    work,
};
use crate::{
    cli::printer::Printer,
    config::Environment,
    error::{Failure, Kind, Result},
    jobs,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo sync iiko --dry-run
  zerkalo sync iiko --only iiko_product,iiko_store
  zerkalo sync fintablo --allow-delete ft_deal=120
  zerkalo sync min-stock --push --dry-run
  zerkalo sync stoplist";

/// Arguments of `zerkalo sync`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// What is mirrored: iiko (its catalogues), fintablo (the account), stock (iiko's balances), min-stock (the
    /// sheet of min/max levels, both ways) or stoplist (iikoCloud's stop-lists, with their history)
    #[arg(value_enum, hide_possible_values = true)]
    pub source: Source,
    /// Only these tables, with commas between them
    #[arg(long, value_name = "TABLE,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// min-stock: only read the levels that were typed into the sheet
    #[arg(long)]
    pub pull: bool,
    /// min-stock: only write the nomenclature into the sheet; with --pull both, which is the default
    #[arg(long)]
    pub push: bool,
    /// How it is mirrored
    #[command(flatten)]
    pub mirror: Mirror,
    /// When it is due
    #[command(flatten)]
    pub schedule: ScheduleArguments,
    /// Of which day
    #[command(flatten)]
    pub day: DayArguments,
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

/// What can be mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The iiko server's catalogues
    Iiko,
    /// The FinTablo account
    Fintablo,
    /// The stock balances of the iiko server
    Stock,
    /// The sheet of min/max levels
    MinStock,
    /// The stop-lists of iikoCloud
    Stoplist,
}

impl Source {
    /// The name as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iiko => "iiko",
            Self::Fintablo => "fintablo",
            Self::Stock => "stock",
            Self::MinStock => "min-stock",
            Self::Stoplist => "stoplist",
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

impl Arguments {
    /// The steps, in order.
    fn steps(&self) -> Result<Vec<jobs::Step>> {
        let step = match self.source {
            Source::Iiko => jobs::iiko(),
            Source::Fintablo => jobs::fintablo(),
            Source::Stock => jobs::stock(),
            Source::Stoplist => jobs::stoplist(),
            Source::MinStock => {
                let both = self.pull == self.push;
                let pull =
                    (both || self.pull).then(|| jobs::min_stock_pull().only(&self.only)).transpose()?;
                return Ok(pull.into_iter().chain((both || self.push).then(jobs::min_stock_push)).collect());
            }
        };
        if self.pull || self.push {
            let text =
                format!("--pull and --push belong to `sync min-stock`, not to `sync {}`", self.source.name());
            return Err(Failure::new(Kind::Usage, text).hint("leave them out"));
        }
        Ok(vec![step.only(&self.only)?])
    }
}

/// Mirrors one source.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let steps = arguments.steps()?;
    let command = format!("sync {}", arguments.source.name());
    let job = work::Job {
        command: &command,
        lanes: vec![steps],
        mirror: &arguments.mirror,
        notify: jobs::notify::Notify::Never,
        prune: false,
        schedule: arguments.schedule.schedule(schedule::GRACE),
        day: &arguments.day,
    };
    work::mirror(globals, environment, printer, job)
}
