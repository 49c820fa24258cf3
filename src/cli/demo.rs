//! `zerkalo demo`: see it work without a server of one's own.

use std::{
    fmt::Write as _,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use clap::{Args, ValueHint};
use serde_json::json;

use super::full_morning;
use crate::{
    clock::Clock,
    config::{self, Config, Environment, Flags},
    context::Context,
    error::{Failure, Kind, Result},
    jobs::{self, Options, lanes, notify::Notify, stoplist_report},
    printer::{Colour, Printer, Verbosity},
    report::{RunReport, stoplist},
    sandbox::{self, Sandbox, World},
    schedule::first_moment,
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

/// Runs two mornings and an evening against stand-in servers into a fresh database.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let temporary = tempfile::tempdir().map_err(|error| unwritable(&std::env::temp_dir(), error))?;
    let folder = arguments.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    // The stand-in servers get threads of their own, as real ones would be elsewhere.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(Kind::Internal, "cannot start the asynchronous runtime").source(error)
    })?;
    let (first, second, evening) = runtime.block_on(async {
        let options = sandbox::Options::default();
        let settings = settings_file(folder, &options);
        let sandbox = Sandbox::start(options).await?;
        let settings = settings(&sandbox)?;
        say(
            printer,
            &format!(
                "Stand-in servers of iiko, iikoCloud, FinTablo, Google Sheets and Telegram run on {}.",
                sandbox.addr()
            ),
        );
        say(printer, "The first morning, into an empty database:\n");
        // On the heap: a run's context is large.
        let first = Box::pin(morning(&settings, printer)).await?;
        print(printer, &first);
        say(printer, "\nThe second morning, with nothing changed upstream:\n");
        let second = Box::pin(morning(&settings, printer)).await?;
        print(printer, &second);
        say(printer, "\nA day of the stop-list, read every 20 minutes, and its report at 22:00 as the readers get it:\n");
        let evening = Box::pin(evening(&settings, &sandbox, printer)).await?;
        if !printer.is_json() {
            printer.stoplist(&evening);
        }
        sandbox.stop().await;
        Ok::<_, Failure>((first, second, evening))
    })?;
    let code = first.exit_code().max(second.exit_code()).max(evening.exit_code());
    if printer.is_json() {
        let runs = [first.to_json(), second.to_json(), evening.to_json()];
        printer.json(&json!({ "command": "demo", "exit_code": code, "runs": runs }));
        return Ok(code);
    }
    if arguments.keep.is_some() {
        say(printer, &format!("\nThe database is {}.", folder.join("zerkalo.db").display()));
    }
    say(printer, &format!("\n{NEXT}"));
    Ok(code)
}

fn load(settings: &Path) -> Result<Config> {
    let flags = Flags { config: Some(settings.to_owned()), ..Flags::default() };
    Ok(config::load(&flags, &Environment::from_iter(Vec::<(&str, &str)>::new()))?.config)
}

async fn morning(settings: &Path, printer: &Printer) -> Result<RunReport> {
    let config = load(settings)?;
    let clock = Clock::system(config.timezone);
    let ctx = Context::new(config, clock, printer.clone(), "full-morning".to_owned(), Access::Write);
    let options = Options { notify: Notify::Problems, ..Options::default() };
    Ok(lanes::run(&ctx, full_morning::lanes(&[]), &options).await)
}

/// Plays a day of the stop-list with a clock that is moved on, and makes its report.
async fn evening(settings: &Path, sandbox: &Sandbox, printer: &Printer) -> Result<stoplist::Report> {
    let config = load(settings)?;
    let zone = config.timezone;
    let today = Clock::system(zone).business_now().date();
    let at = |moment| first_moment(today.and_time(time(moment)), zone);
    let quiet = Printer::new(Verbosity { quiet: true, verbose: 0 }, false, Colour::Never);
    let context = |command: &str, now: DateTime<Utc>, printer: &Printer| {
        let clock = Clock::fixed(zone, now);
        Context::new(config.clone(), clock, printer.clone(), command.to_owned(), Access::Write)
    };
    let mut now = at((7, 50));
    while now < at((22, 0)) {
        // Nobody reads for an hour in the afternoon, and the report says so.
        if now < at((15, 0)) || now > at((16, 0)) {
            sandbox.edit(|world| show(world, now.with_timezone(&zone).time()));
            let ctx = context("sync stoplist", now, &quiet);
            let report = lanes::run(&ctx, vec![vec![jobs::stoplist()]], &Options::default()).await;
            if report.exit_code() != 0 {
                print(printer, &report);
            }
        }
        now += TimeDelta::minutes(20);
    }
    let ctx = context("stoplist-report", at((22, 0)), printer);
    Ok(stoplist_report::run(&ctx, &stoplist_report::Options::default()).await)
}

/// A time of the demonstration's day.
fn time((hour, minute): (u32, u32)) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).expect("a time of day")
}

/// A dish is in the stop-list of a terminal group, from when and until when.
type Stop = (usize, usize, (u32, u32), (u32, u32));

/// The stop-lists of the day.
const STOPS: [Stop; 7] = [
    (0, 0, (7, 0), (12, 30)),
    (0, 1, (11, 0), (14, 10)),
    (1, 2, (17, 20), (21, 30)),
    (2, 0, (13, 0), (18, 0)),
    (3, 3, (9, 0), (9, 40)),
    (3, 3, (19, 0), (20, 0)),
    (4, 1, (0, 0), (23, 59)),
];

/// Gives every terminal group the stop-list that it has at a time of the day.
fn show(world: &mut World, now: NaiveTime) {
    let dishes =
        world.products.iter().filter(|product| product["type"] == "DISH" && product["deleted"] != true);
    let dishes: Vec<String> = dishes.filter_map(|dish| Some(dish["id"].as_str()?.to_owned())).collect();
    let groups = world.cloud.organizations.iter_mut().flat_map(|organization| &mut organization.groups);
    for (place, group) in groups.enumerate() {
        group.stops.clear();
        let here =
            STOPS.iter().filter(|(_, at, from, to)| *at == place && time(*from) <= now && now < time(*to));
        for dish in here.filter_map(|(dish, ..)| dishes.get(dish * 7)) {
            group.stop(dish, 0);
        }
    }
}

/// Writes the settings that lead to the stand-in servers, as an operator would.
fn settings_file<'a>(
    folder: &'a Path,
    options: &sandbox::Options,
) -> impl FnOnce(&Sandbox) -> Result<PathBuf> + use<'a> {
    let (login, password, token) =
        (options.iiko_login.clone(), options.iiko_password.clone(), options.fintablo_token.clone());
    let sheet = options.google_sheets.first().cloned().unwrap_or_default();
    let (bot_token, api_login) = (options.telegram_token.clone(), options.cloud_api_login.clone());
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
        let _ =
            writeln!(text, "\n[iiko_cloud]\nbase_url = {:?}\napi_login = {api_login:?}", sandbox.cloud_url());
        let _ = writeln!(
            text,
            "\n[telegram]\nbase_url = {:?}\nbot_token = {bot_token:?}\nchat_ids = {:?}\nadmin_chat_ids = {:?}",
            sandbox.telegram_url(),
            sandbox::READERS_CHAT,
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
