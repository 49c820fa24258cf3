//! `zerkalo sandbox`: stand-in servers to try things against.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::work;
use crate::{
    error::Result,
    printer::Printer,
    sandbox::{self, Options, Sandbox},
};

const EXAMPLES: &str = "\
Examples:
  zerkalo sandbox --port 8017
  zerkalo sandbox --scale 10 --journal requests.jsonl";

/// Arguments of `zerkalo sandbox`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Loopback port; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub port: u16,
    /// Answers to serve instead of generated ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// How many times the usual number of rows to generate
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub scale: u32,
    /// Where generation starts; the same seed gives the same rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write every request to this file, a JSON object a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub journal: Option<PathBuf>,
    /// Write every move of stock to this file, a JSON object a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ledger: Option<PathBuf>,
}

/// Serves until a signal ends it.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    work::runtime()?.block_on(async {
        let options = Options {
            port: arguments.port,
            seed: arguments.seed,
            scale: usize::try_from(arguments.scale).unwrap_or(usize::MAX),
            data: arguments.data.clone(),
            journal: arguments.journal.clone(),
            ledger: arguments.ledger.clone(),
            ..Options::default()
        };
        let (login, password, token) =
            (options.iiko_login.clone(), options.iiko_password.clone(), options.fintablo_token.clone());
        let bot_token = options.telegram_token.clone();
        let sandbox = Sandbox::start(options).await?;
        for file in sandbox.ignored_files() {
            tracing::warn!("{} is named after no endpoint and is not served", file.display());
        }
        printer.stdout(&format!(
            "The stand-in servers of iiko, FinTablo and Telegram listen on {}.\nIn another terminal:\n",
            sandbox.addr()
        ));
        for (name, value) in [
            ("IIKO_BASE_URL", sandbox.iiko_url()),
            ("IIKO_LOGIN", login),
            ("IIKO_PASSWORD", password),
            ("FINTABLO_BASE_URL", sandbox.fintablo_url()),
            ("FINTABLO_TOKEN", token),
            ("TELEGRAM_BASE_URL", sandbox.telegram_url()),
            ("TELEGRAM_BOT_TOKEN", bot_token),
            ("TELEGRAM_CHAT_IDS", sandbox::READERS_CHAT.to_owned()),
            ("TELEGRAM_ADMIN_CHAT_IDS", sandbox::ADMIN_CHAT.to_owned()),
        ] {
            printer.stdout(&format!("  export {name}={value}"));
        }
        printer.stdout("  zerkalo full-morning\n\nCtrl-C ends it.");
        crate::jobs::run::stopped().await;
        sandbox.stop().await;
        Ok(0)
    })
}
