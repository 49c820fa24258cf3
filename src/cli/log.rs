//! `zerkalo log`: what runs did before.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use serde_json::json;

use super::{Globals, schedule::duration, work};
use crate::{
    cli::printer::Printer,
    config::Environment,
    days,
    error::{Failure, Kind, Result, quote},
    jobs::{LOGGED, context::Context},
    report::history,
    schedule,
    store::{Access, operator::WhichLog},
    tables,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo log
  zerkalo log iiko_product --since 2026-11-20
  zerkalo log --failed --since 24h";

/// Arguments of `zerkalo log`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Only of this table, root type or job
    #[arg(value_name = "ENTITY")]
    pub entity: Option<String>,
    /// Only what ended since this day of the business, or within so long, such as 2026-11-20, 7d or 36h
    #[arg(long, value_name = "D", value_parser = since)]
    pub since: Option<Since>,
    /// Only what failed
    #[arg(long)]
    pub failed: bool,
    /// So many lines at most, the latest ones
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub limit: usize,
}

/// Since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The beginning of a day.
    Day(NaiveDate),
    /// So long ago.
    Ago(TimeDelta),
}

fn since(text: &str) -> Result<Since, String> {
    if text.parse::<NaiveDate>().is_ok() {
        return days::day(text).map(Since::Day);
    }
    let wrong = || "write it as a date such as 2026-11-20, or as 7d, 36h, 90m".to_owned();
    let ago = match text.strip_suffix('d') {
        Some(days) => days.parse().ok().filter(|days| *days >= 0).and_then(TimeDelta::try_days),
        None => duration(text).ok().and_then(|ago| TimeDelta::from_std(ago).ok()),
    };
    ago.map(Since::Ago).ok_or_else(wrong)
}

impl Since {
    fn moment(self, ctx: &Context) -> DateTime<Utc> {
        match self {
            Self::Day(day) => schedule::first_moment(day.and_time(NaiveTime::MIN), ctx.clock.zone()),
            Self::Ago(ago) => ctx.started_at.checked_sub_signed(ago).unwrap_or(DateTime::<Utc>::MIN_UTC),
        }
    }
}

/// Prints the log.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let ctx = work::context(globals, environment, printer, "log", Access::DryRun)?;
    if let Some(Since::Day(day)) = arguments.since {
        days::has_come("--since", day, ctx.business_date)?;
    }
    let lines = if printer.is_json() { arguments.limit } else { history::rows_for(arguments.limit) };
    let which = WhichLog {
        entity: arguments.entity.clone(),
        since: arguments.since.map(|since| since.moment(&ctx)),
        failed: arguments.failed,
        limit: lines,
    };
    let runtime = work::runtime()?;
    let rows = runtime.block_on(async {
        let mut store = ctx.database.connect_existing(ctx.access).await?;
        let rows = store.log_rows(&which).await?;
        store.close().await?;
        Ok::<_, Failure>(rows)
    });
    runtime.shutdown_background();
    let rows = rows?;
    if rows.is_empty() {
        check_name(&which)?;
    }
    if printer.is_json() {
        printer.json(&json!({ "command": "log", "exit_code": 0, "rows": rows }));
        return Ok(0);
    }
    if rows.is_empty() {
        printer.stdout("the log has no such rows");
        return Ok(0);
    }
    let (width, colour) = (printer.width(), printer.stdout_colour());
    printer.stdout(&history::log(&rows, arguments.limit, ctx.clock.zone(), width, colour));
    Ok(0)
}

/// A mistyped table would look as if it had never run.
fn check_name(which: &WhichLog) -> Result<()> {
    let Some(name) = &which.entity else { return Ok(()) };
    let names: Vec<&str> = tables::all().map(|entity| entity.table.name).chain(LOGGED).collect();
    if names.contains(&name.as_str()) || which.since.is_some() || which.failed {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, format!("the log knows no `{}`", quote(name, 60)))
        .hint(format!("the tables and jobs: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_day_or_a_time_ago() {
        assert_eq!(since("2026-11-20"), Ok(Since::Day(NaiveDate::from_ymd_opt(2026, 11, 20).unwrap())));
        assert_eq!(since("36h"), Ok(Since::Ago(TimeDelta::hours(36))));
        assert_eq!(since("7d"), Ok(Since::Ago(TimeDelta::days(7))));
        for wrong in ["yesterday", "20.11.2026", "", "d", "-1d", "99999999999999999d"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
