//! `zerkalo config`: write, check or show the settings.

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use serde_json::{Value, json};

use super::Globals;
use crate::{
    cli::printer::Printer,
    config::{Environment, Loaded, Row, hand_over, init_path, load, rows, template, toml},
    error::{Failure, Kind, Result},
    files::own,
};

const EXAMPLES: &str = "\
Examples:
  zerkalo config init
  zerkalo config check --env-file /srv/old/.env
  zerkalo config show --json";

/// Arguments of `zerkalo config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do with the settings.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Write a settings file with every default explained; never overwrites
    Init {
        /// Where to [default: ~/.config/zerkalo/zerkalo.toml]
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Load the settings as a run would; list each with its source
    Check,
    /// Print the settings in force as TOML, without secrets
    Show,
}

impl Action {
    /// The name as it is typed.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Init { .. } => "init",
            Self::Check => "check",
            Self::Show => "show",
        }
    }
}

/// Runs `zerkalo config` and returns the exit code.
pub fn run(
    arguments: &Arguments,
    globals: &Globals,
    environment: &Environment,
    printer: &Printer,
) -> Result<u8> {
    match &arguments.action {
        Action::Init { file } => {
            let path = match file.as_ref().or(globals.config.as_ref()) {
                Some(path) => path.clone(),
                None => init_path(environment)?,
            };
            write_template(&path)?;
            let path = path.display().to_string();
            if printer.is_json() {
                printer.json(&json!({ "command": "config init", "exit_code": 0, "file": path }));
            } else if !printer.verbosity().quiet {
                let next = "  next: set iiko.base_url, iiko.login and the secrets in it";
                printer.stdout(&format!("wrote {path}\n{next}, then run: zerkalo config check"));
            }
        }
        Action::Check => return check(&load(&globals.flags(), environment)?, printer),
        Action::Show => {
            let text = toml(&load(&globals.flags(), environment)?.config);
            if printer.is_json() {
                let settings = ::toml::from_str::<Value>(&text).map_err(|error| {
                    Failure::new(Kind::Internal, "the settings cannot be shown").source(error)
                })?;
                printer.json(&json!({ "command": "config show", "exit_code": 0, "settings": settings }));
            } else {
                printer.stdout(&text);
            }
        }
    }
    Ok(0)
}

fn write_template(path: &Path) -> Result<()> {
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(Kind::Usage, format!("{} is there already", path.display()))
            .hint("write the template beside it: zerkalo config init OTHER-FILE"),
        _ => Failure::new(Kind::Usage, format!("{} cannot be written: {error}", path.display()))
            .hint("name another place: zerkalo config init OTHER-FILE"),
    };
    // Private from its first moment, and so is its folder: it is going to hold secrets.
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        own::make(directory).map_err(|error| failed(&error))?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed(&error))?;
    Write::write_all(&mut file, template().as_bytes()).map_err(|error| failed(&error))?;
    hand_over(path).map_err(|error| failed(&error))
}

/// Shows the settings and what they still lack. Valid are those with which a job can run and none is half
/// done: half of a login is refused wherever it is used.
fn check(loaded: &Loaded, printer: &Printer) -> Result<u8> {
    let (rows, jobs) = (rows(loaded), loaded.config.jobs());
    let idle = loaded.config.idle().map(|idle| idle.hint("`zerkalo config check` says what each job lacks"));
    let refused = idle.or_else(|| loaded.config.iiko_cloud.half());
    let exit_code = refused.as_ref().map_or(0, |refused| refused.kind.exit_code());
    if printer.is_json() {
        printer.json(&json!({
            "command": "config check",
            "exit_code": exit_code,
            "file": loaded.file,
            "files": loaded.files,
            "only_units": loaded.only_units,
            "settings": rows,
            "missing": loaded.config.missing().into_iter().map(|(upstream, keys)| (upstream.title(), keys)).collect::<std::collections::BTreeMap<_, _>>(),
            "jobs": jobs,
            "warnings": loaded.warnings,
        }));
        return Ok(exit_code);
    }
    let mut warnings = String::new();
    for warning in &loaded.warnings {
        let _ = writeln!(warnings, "warning: {warning}");
    }
    if printer.verbosity().quiet {
        printer.stderr(&warnings);
        return refused.map_or(Ok(exit_code), Err);
    }
    let table = table(&rows, printer.width(), printer.stdout_colour());
    let file = loaded.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    let closing = match (refused, loaded.warnings.len()) {
        (Some(refused), _) => refused.message,
        (None, 0) => "settings are valid".to_owned(),
        (None, 1) => "settings are valid, with 1 warning".to_owned(),
        (None, many) => format!("settings are valid, with {many} warnings"),
    };
    let mut lacking = String::new();
    for needs in jobs.iter().filter(|needs| !needs.lacks.is_empty()) {
        let _ = writeln!(lacking, "{} lacks {}", needs.job, needs.lacks.join(", "));
    }
    let mut places = format!("settings file: {file}\n");
    for read in loaded.files.iter().filter(|read| Some(*read) != loaded.file.as_ref()) {
        let _ = writeln!(places, "also read: {}", read.display());
    }
    let (settings, unseen) = loaded.only_units.sentences();
    for told in settings.iter().chain(&unseen) {
        let _ = writeln!(places, "only the units have: {told}");
    }
    printer.stdout(&format!("{table}\n\n{places}{lacking}{warnings}{closing}"));
    Ok(exit_code)
}

/// The settings, each with its source; what is set stands out, what is missing says so.
fn table(rows: &[Row], width: u16, colour: bool) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.style_mut().header_separator.fill = Some('─');
    table.style_mut().header_separator.junction = Some('─');
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(["setting", "source", "value"]);
    for row in rows {
        let unset = matches!(row.source.as_str(), "" | "default");
        let shade = |text: &str| if unset { Cell::new(text).fg(Color::DarkGrey) } else { Cell::new(text) };
        let key = if unset { shade(row.key) } else { shade(row.key).add_attribute(Attribute::Bold) };
        let source = if row.source.is_empty() { "-" } else { &row.source };
        let value = if row.value.is_empty() { "-" } else { &row.value };
        table.add_row([key, shade(source), shade(value)]);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(at < 2)));
        if at < 2 && width >= 60 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use unicode_width::UnicodeWidthStr as _;

    use super::*;
    use crate::config::Flags;

    #[test]
    fn init_writes_a_private_file_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/zerkalo.toml");
        write_template(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let before = fs::read(&path).unwrap();
        let failure = write_template(&path).unwrap_err();
        assert_eq!((failure.kind, fs::read(&path).unwrap()), (Kind::Usage, before));
        assert!(failure.message.ends_with("is there already"));
    }

    #[test]
    fn the_table_of_settings_keeps_to_its_width() {
        let environment = [
            ("HOME", "/home/оператор"),
            ("IIKO_LOGIN", "очень длинное имя пользователя, которому всё разрешено читать на сервере"),
            ("FINTABLO_TOKEN", "c4n4ry"),
        ];
        let loaded = load(&Flags::default(), &environment.into_iter().collect()).unwrap();
        let rows = rows(&loaded);
        for width in [60, 80, 120] {
            let text = table(&rows, width, false);
            for line in text.lines() {
                assert!(line.width() <= usize::from(width), "{width}: {line}");
            }
            assert!(
                text.contains("fintablo.token") && text.contains("set (hidden)") && !text.contains("c4n4ry")
            );
        }
    }

    #[test]
    fn half_of_the_key_of_iiko_cloud_is_refused() {
        let printer = || {
            Printer::new(crate::cli::printer::Verbosity::default(), false, crate::cli::printer::Colour::Never)
        };
        let pairs = [
            ("FINTABLO_TOKEN", "x"),
            ("IIKO_CLOUD_API_KEY", "c4n4ry"),
            ("IIKO_CLOUD_APP_ID", "app"),
            ("IIKO_CLOUD_CLIENT_SECRET", "secret"),
        ];
        let code = |pairs: &[(&'static str, &'static str)]| {
            let home = std::iter::once(("HOME", "/no/such/home"));
            let loaded = load(&Flags::default(), &home.chain(pairs.iter().copied()).collect()).unwrap();
            check(&loaded, &printer()).unwrap()
        };
        assert_eq!((code(&pairs[..1]), code(&pairs)), (0, 0));
        assert_eq!((code(&pairs[..2]), code(&pairs[..3]), code(&[pairs[0], pairs[3]])), (2, 2, 2));
        let login = ("IIKO_CLOUD_API_LOGIN", "login");
        assert_eq!((code(&[pairs[0], login]), code(&[pairs[0], login, pairs[1]])), (0, 2));
    }
}
