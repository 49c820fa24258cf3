//! `zerkalo demo`: see it work without a server of one's own.

use std::{
    fmt::Write as _,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use serde_json::json;

use super::full_morning;
use crate::{
    clock::Clock,
    config::{self, Environment, Flags},
    context::Context,
    error::{Failure, Kind, Result},
    jobs::{Options, notify::Notify, run},
    printer::Printer,
    report::RunReport,
    sandbox::{self, Sandbox},
    store::Access,
};

/// Arguments of `zerkalo demo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Keep the database and the settings in this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
}

const NEXT: &str = "\
With your own servers:
  zerkalo config init                 writes ~/.config/zerkalo/zerkalo.toml: fill in your servers
  zerkalo config check                says what is missing
  zerkalo full-morning --dry-run      shows what would change
  zerkalo full-morning                does it; crontab.example has the line for 07:00";

/// Runs two mornings against stand-in servers into a fresh database.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let temporary = tempfile::tempdir().map_err(|error| unwritable(&std::env::temp_dir(), error))?;
    let folder = arguments.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    // The stand-in servers get threads of their own, as real ones would be elsewhere.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(Kind::Internal, "cannot start the asynchronous runtime").source(error)
    })?;
    let (first, second) = runtime.block_on(async {
        let options = sandbox::Options::default();
        let settings = settings_file(folder, &options);
        let sandbox = Sandbox::start(options).await?;
        let settings = settings(&sandbox)?;
        say(
            printer,
            &format!("Stand-in servers of iiko, FinTablo and Google Sheets run on {}.", sandbox.addr()),
        );
        say(printer, "The first morning, into an empty database:\n");
        // On the heap: a run's context is large.
        let first = Box::pin(morning(&settings, printer)).await?;
        print(printer, &first);
        say(printer, "\nThe second morning, with nothing changed upstream:\n");
        let second = Box::pin(morning(&settings, printer)).await?;
        print(printer, &second);
        sandbox.stop().await;
        Ok::<_, Failure>((first, second))
    })?;
    let code = first.exit_code().max(second.exit_code());
    if printer.is_json() {
        printer.json(
            &json!({ "command": "demo", "exit_code": code, "runs": [first.to_json(), second.to_json()] }),
        );
        return Ok(code);
    }
    if arguments.keep.is_some() {
        say(printer, &format!("\nThe database is {}.", folder.join("zerkalo.db").display()));
    }
    say(printer, &format!("\n{NEXT}"));
    Ok(code)
}

async fn morning(settings: &Path, printer: &Printer) -> Result<RunReport> {
    let flags = Flags { config: Some(settings.to_owned()), ..Flags::default() };
    let loaded = config::load(&flags, &Environment::from_iter(Vec::<(&str, &str)>::new()))?;
    let clock = Clock::system(loaded.config.timezone);
    let ctx = Context::new(loaded.config, clock, printer.clone(), "full-morning".to_owned(), Access::Write);
    let options = Options { notify: Notify::Problems, ..Options::default() };
    Ok(run::run(&ctx, full_morning::lanes(&[]), &options).await)
}

/// Writes the settings that lead to the stand-in servers, as an operator would.
fn settings_file<'a>(
    folder: &'a Path,
    options: &sandbox::Options,
) -> impl FnOnce(&Sandbox) -> Result<PathBuf> + use<'a> {
    let (login, password, token) =
        (options.iiko_login.clone(), options.iiko_password.clone(), options.fintablo_token.clone());
    let sheet = options.google_sheets.first().cloned().unwrap_or_default();
    let bot_token = options.telegram_token.clone();
    move |sandbox| {
        let mut text = format!("state_dir = {:?}\n\n", folder.join("state").display().to_string());
        let _ = writeln!(
            text,
            "[database]\nurl = {:?}\n",
            format!("sqlite:{}", folder.join("zerkalo.db").display())
        );
        let _ = writeln!(
            text,
            "[iiko]\nbase_url = {:?}\nlogin = {login:?}\npassword = {password:?}\n",
            sandbox.iiko_url()
        );
        let _ = writeln!(text, "[fintablo]\nbase_url = {:?}\ntoken = {token:?}\n", sandbox.fintablo_url());
        let key = folder.join("google.json");
        write_private(&key, &sandbox.google_credentials())?;
        let key = key.display().to_string();
        let _ = writeln!(text, "[google]\nbase_url = {:?}\ncredentials = {key:?}\n", sandbox.google_url());
        let _ = writeln!(text, "[min_stock]\nsheet_id = {sheet:?}");
        let _ = writeln!(
            text,
            "\n[telegram]\nbase_url = {:?}\nbot_token = {bot_token:?}\nadmin_chat_ids = {:?}",
            sandbox.telegram_url(),
            sandbox::ADMIN_CHAT
        );
        let path = folder.join("zerkalo.toml");
        write_private(&path, &text)?;
        Ok(path)
    }
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| unwritable(path, error))
}

fn say(printer: &Printer, text: &str) {
    if !printer.is_json() && !printer.verbosity().quiet {
        printer.stdout(text);
    }
}

fn print(printer: &Printer, report: &RunReport) {
    if !printer.is_json() {
        printer.report(report);
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(Kind::Usage, format!("cannot write to {}", path.display()))
        .hint("name another directory with --keep DIR")
        .source(error)
}
