//! `zerkalo demo`: see it work without a server of one's own.
//!
//! - [`stage`]: the servers, the settings, the clock, and what was run
//! - [`evening`], [`night`]: what is played after the mornings

mod evening;
mod night;
mod stage;

use self::stage::Stage;
use super::full_morning;
use crate::{
    cli::printer::Printer,
    error::{Failure, Kind, Result},
    files::own,
    jobs::{Options, lanes, notify::Notify},
    registry::FULL_MORNING,
};
use chrono::NaiveTime;
use clap::{Args, ValueHint};
use serde_json::json;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Arguments of `zerkalo demo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Keep the database, the settings and what the servers were asked in this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
}

const NEXT: &str = "\
With your own servers:
  zerkalo config init                  writes the settings for you to fill in
  zerkalo doctor                       tries each login, says what is missing
  zerkalo full-morning --dry-run       shows what would change
  zerkalo negative-transfer --dry-run  shows what would be moved at night
  zerkalo full-morning                 does it; crontab.example has its line";

/// Plays a day against stand-in servers, into a fresh database.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let temporary = tempfile::tempdir().map_err(|error| unwritable(&std::env::temp_dir(), error))?;
    let folder = arguments.keep.as_deref().unwrap_or(temporary.path());
    if folder.to_str().is_none() {
        let text = format!("{} is not UTF-8 text, as the path of a database has to be", folder.display());
        return Err(Failure::new(Kind::Usage, text).hint("name another directory with --keep DIR"));
    }
    own::make(folder).map_err(|error| unwritable(folder, error))?;
    // The stand-in servers get threads of their own, as real ones would be elsewhere.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(Kind::Internal, "cannot start the asynchronous runtime").source(error)
    })?;
    let runs = runtime.block_on(async {
        let mut stage = Stage::open(folder, printer).await?;
        // On the heap: a run's context is large.
        if Box::pin(play(&mut stage)).await.is_continue() {
            stage.say(&closing(arguments.keep.as_deref()));
        }
        Ok::<_, Failure>(stage.close().await)
    })?;
    let code = runs.exit_code();
    if printer.is_json() {
        printer.json(&json!({ "command": "demo", "exit_code": code, "runs": runs.json }));
    }
    Ok(code)
}

/// Two mornings, an evening and a night.
async fn play(stage: &mut Stage<'_>) -> ControlFlow<()> {
    stage.say(&format!(
        "Stand-in servers of iiko, iikoCloud, FinTablo, Google Sheets and Telegram run\non {}.",
        stage.sandbox.addr()
    ));
    stage.say("\nThe first morning, into an empty database:\n");
    morning(stage).await?;
    stage.say("\nThe second morning, with nothing changed upstream:\n");
    morning(stage).await?;
    evening::play(stage).await?;
    night::play(stage).await
}

/// Shows all that a morning did; of one that has changed nothing, that.
async fn morning(stage: &mut Stage<'_>) -> ControlFlow<()> {
    let ctx = stage.run_now(FULL_MORNING.name);
    let options = Options { notify: Notify::Problems, ..Options::default() };
    let report = lanes::run(&ctx, full_morning::lanes(&[]), &options).await;
    if report.changed_nothing() && stage.printer.verbosity().verbose == 0 {
        stage.say(&report.closing());
    } else {
        stage.show(|printer| printer.report(&report));
    }
    stage.keep(Some(&report), report.to_json())
}

/// What is left behind, and what to do next.
fn closing(kept: Option<&Path>) -> String {
    let kept = kept.map_or_else(String::new, |folder| {
        format!(
            "\n{} has the database (zerkalo.db), every request (requests.jsonl) and\nwhat was moved in iiko (ledger.jsonl).\n",
            folder.display()
        )
    });
    format!("{kept}\n{NEXT}")
}

/// A time of the demonstration's day.
fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).expect("a time of day")
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    let message = format!("cannot write to {}", path.display());
    Failure::of_file(message, "name another directory with --keep DIR", error)
}
