//! Where the demonstration is played: the stand-in servers, the settings that lead to them, its clock, and what was run.

use super::unwritable;
use crate::{
    cli::printer::Printer,
    clock::Clock,
    config::{self, Config, Environment, Flags},
    error::{Kind, Result},
    jobs::context::Context,
    model::report::RunReport,
    sandbox::{self, Sandbox},
    schedule::first_moment,
    store::Access,
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::Value;
use std::{fmt::Write as _, io::Write as _, ops::ControlFlow, os::unix::fs::OpenOptionsExt as _, path::Path};

/// The stage.
pub(super) struct Stage<'a> {
    /// The stand-in servers.
    pub(super) sandbox: Sandbox,
    /// Where the runs are shown.
    pub(super) printer: &'a Printer,
    config: Config,
    /// The business's day that is played.
    today: NaiveDate,
    runs: Runs,
}

/// What was run, in its order.
#[derive(Default)]
pub(super) struct Runs {
    /// What `--json` prints of each run.
    pub(super) json: Vec<Value>,
    /// What was not right with any of them.
    kinds: Vec<Kind>,
}

impl<'a> Stage<'a> {
    /// Starts the servers and writes the settings into `folder`, where the database will be too.
    pub(super) async fn open(folder: &Path, printer: &'a Printer) -> Result<Self> {
        let options = sandbox::Options {
            journal: Some(folder.join("requests.jsonl")),
            ledger: Some(folder.join("ledger.jsonl")),
            ..sandbox::Options::default()
        };
        let sandbox = Sandbox::start(options.clone()).await?;
        write_settings(folder, &options, &sandbox)?;
        let flags = Flags { config: Some(folder.join(SETTINGS)), ..Flags::default() };
        let config = config::load(&flags, &Environment::from_iter(Vec::<(&str, &str)>::new()))?.config;
        let today = Clock::system(config.timezone).business_now().date();
        Ok(Self { sandbox, printer, config, today, runs: Runs::default() })
    }

    /// Stops the servers; what was run.
    pub(super) async fn close(self) -> Runs {
        self.sandbox.stop().await;
        self.runs
    }

    /// The moment of the played day at which the business's clocks show `time`.
    pub(super) fn at(&self, time: NaiveTime) -> DateTime<Utc> {
        first_moment(self.today.and_time(time), self.config.timezone)
    }

    /// The time of day at `moment`.
    pub(super) fn time_at(&self, moment: DateTime<Utc>) -> NaiveTime {
        moment.with_timezone(&self.config.timezone).time()
    }

    /// A run that begins now, by the host's clock.
    pub(super) fn run_now(&self, command: &str) -> Context {
        self.context(command, Clock::system(self.config.timezone), self.printer)
    }

    /// A run that begins at `moment`, for us and for the servers, and tells `printer`.
    pub(super) fn run_at(&self, command: &str, moment: DateTime<Utc>, printer: &Printer) -> Context {
        let ahead = moment - Clock::system(self.config.timezone).now();
        self.sandbox.edit(|world| world.clock_offset_seconds = ahead.num_seconds());
        self.context(command, Clock::fixed(self.config.timezone, moment), printer)
    }

    fn context(&self, command: &str, clock: Clock, printer: &Printer) -> Context {
        Context::new(self.config.clone(), clock, printer.clone(), command.to_owned(), Access::Write)
    }

    /// Says what comes next, or what was seen.
    pub(super) fn say(&self, text: &str) {
        if !self.printer.is_json() && !self.printer.verbosity().quiet {
            self.printer.stdout(text);
        }
    }

    /// Shows a run, unless it comes with all others in one JSON object.
    pub(super) fn show(&self, show: impl FnOnce(&Printer)) {
        if !self.printer.is_json() {
            show(self.printer);
        }
    }

    /// Keeps what a run came to. The demonstration breaks off after one that a signal has stopped.
    pub(super) fn keep(&mut self, run: Option<&RunReport>, json: Value) -> ControlFlow<()> {
        self.runs.json.push(json);
        let kinds: Vec<Kind> = run.into_iter().flat_map(RunReport::kinds).collect();
        let is_stopped = kinds.iter().any(|kind| matches!(kind, Kind::Signal(_)));
        self.runs.kinds.extend(kinds);
        if is_stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Runs {
    /// The exit code: that of the worst thing that happened in any of them.
    pub(super) fn exit_code(&self) -> u8 {
        Kind::worst(self.kinds.iter().copied())
    }
}

/// The name of the settings' file.
const SETTINGS: &str = "zerkalo.toml";

/// Writes the settings that lead to the stand-in servers, as an operator would.
fn write_settings(folder: &Path, options: &sandbox::Options, sandbox: &Sandbox) -> Result<()> {
    let text = |path: &Path| path.display().to_string();
    let key = folder.join("google.json");
    write_private(&key, &sandbox.google_credentials())?;
    let database = format!("sqlite:{}", text(&folder.join("zerkalo.db")));
    let sheet = options.google_sheets.first().cloned().unwrap_or_default();
    let sections: [(&str, &[(&str, String)]); 8] = [
        ("", &[("state_dir", text(&folder.join("state")))]),
        ("database", &[("url", database)]),
        (
            "iiko",
            &[
                ("base_url", sandbox.iiko_url()),
                ("login", options.iiko_login.clone()),
                ("password", options.iiko_password.clone()),
            ],
        ),
        ("fintablo", &[("base_url", sandbox.fintablo_url()), ("token", options.fintablo_token.clone())]),
        ("google", &[("base_url", sandbox.google_url()), ("credentials", text(&key))]),
        ("min_stock", &[("sheet_id", sheet)]),
        ("iiko_cloud", &[("base_url", sandbox.cloud_url()), ("api_login", options.cloud_api_login.clone())]),
        (
            "telegram",
            &[
                ("base_url", sandbox.telegram_url()),
                ("bot_token", options.telegram_token.clone()),
                ("chat_ids", sandbox::READERS_CHAT.to_owned()),
                ("admin_chat_ids", sandbox::ADMIN_CHAT.to_owned()),
            ],
        ),
    ];
    let mut out = String::new();
    for (section, settings) in sections {
        if !section.is_empty() {
            let _ = writeln!(out, "\n[{section}]");
        }
        for (name, value) in settings {
            let _ = writeln!(out, "{name} = {value:?}");
        }
    }
    write_private(&folder.join(SETTINGS), &out)
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| unwritable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_run_decides_the_exit_code() {
        let code = |kinds: &[Kind]| Runs { kinds: kinds.to_vec(), ..Runs::default() }.exit_code();
        assert_eq!(code(&[]), 0);
        // Not the largest number.
        assert_eq!(code(&[Kind::Safety, Kind::Unknown, Kind::Locked]), 9);
        assert_eq!(code(&[Kind::Warning, Kind::Internal]), 1);
        assert_eq!(code(&[Kind::Unknown, Kind::Signal(2)]), 9);
    }
}
