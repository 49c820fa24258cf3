//! `zerkalo documents`: what was posted to iiko, and what is open.

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Globals, work};
use crate::{
    cli::printer::Printer,
    config::Environment,
    days,
    error::Result,
    jobs::{
        context::Context,
        desk::{self, Asked},
    },
    model::documents::row::{State, Which},
    report::documents::{Report, list},
    store::Access,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo documents list
  zerkalo documents show T261122-1d4355a8
  zerkalo documents reconcile";

/// Arguments of `zerkalo documents`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// What is to be done
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with documents.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List documents: those that are open or unknown, or all
    List(List),
    /// Show a document with its lines
    Show(Show),
    /// Read from iiko what became of documents; send nothing
    Reconcile(Reconcile),
    /// Give a document up, because a person has taken care of it
    Abandon(Show),
}

/// Which documents are listed.
#[derive(Debug, Args)]
pub struct List {
    /// Also those that are settled
    #[arg(long)]
    pub all: bool,
    /// Only of this business date
    #[arg(long, value_name = "DATE", value_parser = days::day)]
    pub date: Option<NaiveDate>,
    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<State>,
}

/// One document.
#[derive(Debug, Args)]
pub struct Show {
    /// Its number, as `documents list` shows it
    #[arg(value_name = "NUMBER")]
    pub key: String,
}

/// Which documents are read back.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Their numbers [default: all that are open or unknown]
    #[arg(value_name = "NUMBER")]
    pub keys: Vec<String>,
}

impl Action {
    /// The action as it is typed.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Show(_) => "show",
            Self::Reconcile(_) => "reconcile",
            Self::Abandon(_) => "abandon",
        }
    }
}

fn state(text: &str) -> Result<State, String> {
    State::of(text).ok_or_else(|| format!("the states: {}", State::ALL.map(State::name).join(", ")))
}

/// Does what is asked.
pub(super) fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    let command = format!("documents {}", arguments.action.name());
    let reads = matches!(arguments.action, Action::List(_) | Action::Show(_));
    let access = if reads { Access::DryRun } else { Access::Write };
    let ctx = work::context(globals, environment, printer, &command, access)?;
    let runtime = work::runtime()?;
    let code = match &arguments.action {
        Action::List(wanted) => {
            if let Some(date) = wanted.date {
                days::has_come("--date", date, ctx.business_date)?;
            }
            let which = Which {
                date: wanted.date,
                state: wanted.state,
                unsettled: !wanted.all && wanted.date.is_none() && wanted.state.is_none(),
                ..Which::default()
            };
            runtime.block_on(show(&ctx, printer, &which, None))
        }
        Action::Show(wanted) => {
            let which = Which { key: Some(wanted.key.clone()), ..Which::default() };
            runtime.block_on(show(&ctx, printer, &which, Some(&wanted.key)))
        }
        Action::Reconcile(wanted) => {
            let asked = Asked { keys: wanted.keys.clone() };
            runtime.block_on(desk::reconcile(&ctx, &asked)).map(|report| printed(printer, &report))
        }
        Action::Abandon(wanted) => {
            runtime.block_on(desk::abandon(&ctx, &wanted.key)).map(|report| printed(printer, &report))
        }
    };
    runtime.shutdown_background();
    code
}

/// Prints what a run did with documents; its exit code.
fn printed(printer: &Printer, report: &Report) -> u8 {
    printer.documents(report);
    report.exit_code()
}

/// Prints documents: a list, or one with its lines.
async fn show(ctx: &Context, printer: &Printer, which: &Which, key: Option<&str>) -> Result<u8> {
    let documents = desk::list(ctx, which).await?;
    if let Some(key) = key.filter(|_| documents.is_empty()) {
        return Err(desk::unknown_key(key));
    }
    if printer.is_json() {
        printer.json(&json!({ "command": ctx.command, "exit_code": 0, "documents": documents }));
    } else if key.is_some() {
        for document in &documents {
            printer.stdout(&document.table(printer.width()));
            printer.stdout(&document.details(ctx.clock.zone()));
        }
    } else if documents.is_empty() {
        let all = if which.unsettled { "no document is open or unknown" } else { "no documents" };
        printer.stdout(all);
    } else {
        printer.stdout(&list(&documents, ctx.clock.zone(), printer.width()));
    }
    Ok(0)
}
