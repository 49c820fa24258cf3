//! `zerkalo sandbox`: stand-in servers to try things against.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};

use super::work;
use crate::{
    cli::printer::Printer,
    error::{Failure, Kind, Result},
    sandbox::{self, Options, Sandbox},
};

const EXAMPLES: &str = "\
Examples:
  zerkalo sandbox --port 8017
  zerkalo sandbox --scale 10 --journal requests.jsonl
  zerkalo sandbox --licences 2 --parallel 4
  zerkalo sandbox --google-credentials sandbox.json";

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
    /// How many iiko sessions may be open at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub licences: u16,
    /// How many requests at once iiko takes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
    /// Write every request to this file, a JSON object a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub journal: Option<PathBuf>,
    /// Write the key of Google's stand-in account to this file, mode 0600
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub google_credentials: Option<PathBuf>,
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
            licences: usize::from(arguments.licences),
            parallel: usize::from(arguments.parallel),
            journal: arguments.journal.clone(),
            ledger: arguments.ledger.clone(),
            ..Options::default()
        };
        let (login, password, token) =
            (options.iiko_login.clone(), options.iiko_password.clone(), options.fintablo_token.clone());
        let spreadsheet = options.google_sheets.join(",");
        let bot_token = options.telegram_token.clone();
        let api_login = options.cloud_api_login.clone();
        let sandbox = Sandbox::start(options).await?;
        if let Some(path) = &arguments.google_credentials {
            write_credentials(path, &sandbox.google_credentials())?;
        }
        for file in sandbox.ignored_files() {
            tracing::warn!("{} is named after no endpoint and is not served", file.display());
        }
        printer.stdout(&format!(
            "The stand-in servers of iiko, iikoCloud, FinTablo, Google Sheets and Telegram listen on {}.\nIn another terminal:\n",
            sandbox.addr()
        ));
        let mut settings = vec![
            ("IIKO_BASE_URL", sandbox.iiko_url()),
            ("IIKO_LOGIN", login),
            ("IIKO_PASSWORD", password),
            ("FINTABLO_BASE_URL", sandbox.fintablo_url()),
            ("FINTABLO_TOKEN", token),
            ("IIKO_CLOUD_BASE_URL", sandbox.cloud_url()),
            ("IIKO_CLOUD_API_LOGIN", api_login),
            ("TELEGRAM_BASE_URL", sandbox.telegram_url()),
            ("TELEGRAM_BOT_TOKEN", bot_token),
            ("TELEGRAM_CHAT_IDS", sandbox::READERS_CHAT.to_owned()),
            ("TELEGRAM_ADMIN_CHAT_IDS", sandbox::ADMIN_CHAT.to_owned()),
            ("GOOGLE_SHEETS_BASE_URL", sandbox.google_url()),
            ("MIN_STOCK_SHEET_ID", spreadsheet),
        ];
        if let Some(path) = &arguments.google_credentials {
            settings.push(("GOOGLE_SHEETS_CREDENTIALS", path.display().to_string()));
        }
        for (name, value) in settings {
            printer.stdout(&format!("  export {name}={value}"));
        }
        printer.stdout("  zerkalo full-morning\n");
        if arguments.google_credentials.is_none() {
            printer.stdout("Google's credentials are written with --google-credentials FILE.");
        }
        printer.stdout("Ctrl-C ends it.");
        crate::jobs::run::stopped().await;
        sandbox.stop().await;
        Ok(0)
    })
}

/// Writes the account's key for its owner only. A file that is no such key is not overwritten.
fn write_credentials(path: &Path, credentials: &str) -> Result<()> {
    let other = || {
        Failure::new(Kind::Usage, format!("{} is there already and is no key of a sandbox", path.display()))
            .hint("name another file: --google-credentials FILE")
    };
    let failed = |error: io::Error| {
        Failure::new(Kind::Usage, format!("cannot write the credentials to {}", path.display()))
            .hint("name another file: --google-credentials FILE")
            .source(error)
    };
    match fs::read(path) {
        Ok(known) => {
            let known: serde_json::Value = serde_json::from_slice(&known).map_err(|_| other())?;
            if known["project_id"] != "sandbox" {
                return Err(other());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // Private from its first moment, and whole or not there.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    let mut file =
        builder.permissions(fs::Permissions::from_mode(0o600)).tempfile_in(directory).map_err(failed)?;
    file.write_all(credentials.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_private_and_replace_only_their_like() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.json");
        for text in [r#"{"project_id": "sandbox", "a": 1}"#, r#"{"project_id": "sandbox"}"#] {
            write_credentials(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for text in [r#"{"project_id": "restaurants"}"#, "notes"] {
            fs::write(&path, text).unwrap();
            assert_eq!(write_credentials(&path, "{}").unwrap_err().kind, Kind::Usage);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(write_credentials(&path.join("x"), "{}").unwrap_err().kind, Kind::Usage);
    }
}
