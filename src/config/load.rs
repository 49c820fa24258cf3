//! Puts the layers together: file < env-file < environment < flag.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Config, Environment, address,
    address::Reach,
    env_file::EnvFile,
    file::SettingsFile,
    keeper, names, secret,
    setting::Setting,
    settings::SETTINGS,
    units::{self, OnlyUnits},
};
use crate::{
    error::{Failure, Kind, Result, quote},
    files::named,
    names::folded,
    redact,
};

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config FILE`
    pub config: Option<PathBuf>,
    /// `--env-file FILE`
    pub env_file: Option<PathBuf>,
    /// `--database URL`, which must not hold a password
    pub database: Option<SecretString>,
    /// `--metrics-file FILE`
    pub metrics_file: Option<PathBuf>,
}

/// Where a setting's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The TOML file, at this line and column.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Characters, counted from 1.
        column: usize,
    },
    /// The file given by `--env-file`, or what the package's units have for an environment.
    EnvFile {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The process's environment.
    Environment,
    /// A systemd credential.
    Credential(PathBuf),
    /// The file that `NAME_FILE` names.
    SecretFile(PathBuf),
    /// A flag.
    Flag(&'static str),
}

/// Key → origin, for every setting that is not left to its default.
pub type Origins = BTreeMap<&'static str, Origin>;

/// The settings of a run, and how they came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Where each came from.
    pub origins: Origins,
    /// What the operator should know, one sentence each.
    pub warnings: Vec<String>,
    /// The TOML file in use.
    pub file: Option<PathBuf>,
    /// Every file that was read, the strongest first.
    pub files: Vec<PathBuf>,
    /// What the package's units have and this process has not.
    pub only_units: OnlyUnits,
}

/// A setting's text and where it was found.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl Origin {
    /// The short name for a table: `file`, `environment`, `credential`, …
    pub fn name(&self, setting: &Setting) -> String {
        match self {
            Self::File { .. } => "file".to_owned(),
            Self::EnvFile { .. } => "env-file".to_owned(),
            Self::Environment => "environment".to_owned(),
            Self::Credential(_) => "credential".to_owned(),
            Self::SecretFile(_) => format!("{}_FILE", setting.environment),
            Self::Flag(flag) => (*flag).to_owned(),
        }
    }

    /// How a sentence about the value begins.
    pub(super) fn subject(&self, setting: Option<&Setting>) -> String {
        let key = setting.map_or("", |setting| setting.key);
        let name = setting.map_or("", |setting| setting.environment);
        match self {
            Self::File { path, line, column } if key.is_empty() => {
                format!("{}:{line}:{column}", path.display())
            }
            Self::File { path, line, column } => format!("{}:{line}:{column}: {key}", path.display()),
            Self::EnvFile { path, line } => format!("{}:{line}: {name}", path.display()),
            Self::Environment => format!("{name} from the environment"),
            Self::Credential(path) | Self::SecretFile(path) => format!("{name} from {}", path.display()),
            Self::Flag(flag) => (*flag).to_owned(),
        }
    }
}

/// Loads, checks and completes the settings.
///
/// Every failure is [`Kind::Usage`], in one sentence that says which setting and where it came from, and never shows
/// a secret.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded> {
    let mut warnings = Vec::new();
    let mut env_files = Vec::new();
    if let Some(path) = &flags.env_file {
        let file = named::opened(path).map_err(|error| unreadable_env_file(path, &error))?;
        env_files.push((path.clone(), read_env_file(path, &file, environment, &mut warnings)?));
    }
    let named = match (&flags.config, environment.get("ZERKALO_CONFIG")?) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(path)) => Some(PathBuf::from(path)),
        (None, None) => {
            env_files.first().and_then(|(_, file)| file.get("ZERKALO_CONFIG")).map(|(path, _)| path.into())
        }
    };
    let file = SettingsFile::find(named, environment)?;
    let is_packages = match &file.path {
        Some(path) => keeper::of_package(path),
        None => Path::new(keeper::PACKAGE).is_dir(),
    };
    if is_packages {
        env_files.extend(package_environment(flags, environment, &mut warnings)?);
    }
    let mut files: Vec<PathBuf> = env_files.iter().map(|(path, _)| path.clone()).collect();
    files.extend(file.path.clone());
    let mut layers = Layers { flags, environment, env_files, file };

    let mut config = Config::default();
    let mut origins = Origins::new();
    for setting in SETTINGS {
        let Some(Found { text, origin }) = layers.find(setting)? else { continue };
        (setting.set)(&mut config, &text).map_err(|problem| {
            Failure::new(Kind::Usage, format!("{} {}", origin.subject(Some(setting)), problem.message)).hint(
                problem
                    .hint
                    .unwrap_or_else(|| format!("what it is for: {}", setting.doc.trim_end_matches('.'))),
            )
        })?;
        if setting.is_secret(&text) {
            redact::remember(&text);
        }
        origins.insert(setting.key, origin);
    }
    if let Some(hash) = &config.iiko.sha1_password {
        redact::remember(hash.expose_secret());
    }
    for password in address::passwords(config.database.url.expose_secret()) {
        redact::remember(&password);
    }
    complete(&mut config, environment)?;
    check(&config, &origins, &mut warnings)?;
    let secrets = origins.values().filter_map(|origin| match origin {
        Origin::Credential(path) | Origin::SecretFile(path) => Some(path.clone()),
        _ => None,
    });
    let files = secrets.chain(files).collect();
    let only_units = if is_packages { units::only_units(environment)? } else { OnlyUnits::default() };
    Ok(Loaded { config, origins, warnings, file: layers.file.path, files, only_units })
}

/// What systemd gives the package's units, for everybody else who works with the package's settings; none where there is
/// no such file, or where it was named already.
fn package_environment(
    flags: &Flags,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<Option<(PathBuf, EnvFile)>> {
    let path = keeper::package_environment();
    if flags.env_file.as_ref() == Some(&path) {
        return Ok(None);
    }
    match named::opened(&path) {
        Ok(file) => Ok(Some((path.clone(), read_env_file(&path, &file, environment, warnings)?))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable_env_file(&path, &error)),
    }
}

fn unreadable_env_file(path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("the env-file {}", path.display());
    secret::cannot_read(&what, path, error, "check the path after --env-file; it is to be a file in UTF-8")
}

fn read_env_file(
    path: &Path,
    handle: &File,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<EnvFile> {
    let unreadable = |error: std::io::Error| unreadable_env_file(path, &error);
    secret::check_user(path, &handle.metadata().map_err(unreadable)?)?;
    let text = named::text(handle, named::SETTINGS).map_err(unreadable)?;
    let file = EnvFile::read(&text, environment)?;
    let secret =
        |setting: &Setting| file.get(setting.environment).is_some_and(|(text, _)| setting.is_secret(text));
    if SETTINGS.iter().any(secret) {
        secret::check_private(path, &handle.metadata().map_err(unreadable)?)?;
    }
    for line in &file.skipped {
        warnings.push(format!("{}:{line} is not NAME=value and was skipped", path.display()));
    }
    for (name, (_, line)) in &file.values {
        if let Some(why) = names::why_odd(name) {
            warnings.push(format!("{}:{line}: {} {why}", path.display(), quote(name, 60)));
        }
    }
    Ok(file)
}

struct Layers<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    /// The strongest first.
    env_files: Vec<(PathBuf, EnvFile)>,
    file: SettingsFile,
}

impl Layers<'_> {
    /// The value of the strongest layer that has one.
    fn find(&mut self, setting: &Setting) -> Result<Option<Found>> {
        if setting.key == "database.url"
            && let Some(url) = &self.flags.database
        {
            return flag_database(url.expose_secret()).map(Some);
        }
        if setting.key == "monitoring.metrics_file"
            && let Some(path) = &self.flags.metrics_file
        {
            let text = path.to_string_lossy().into_owned();
            return Ok(Some(Found { text, origin: Origin::Flag("--metrics-file") }));
        }
        let name = setting.environment;
        if setting.secret
            && let Some((path, text)) = secret::credential(name, self.environment)?
        {
            return Ok(Some(Found { text, origin: Origin::Credential(path) }));
        }
        let named_file = format!("{name}_FILE");
        let from_file = |path: &str| -> Result<Option<Found>> {
            let path = PathBuf::from(path);
            let text = secret::read_file(name, &path)?;
            Ok(Some(Found { text, origin: Origin::SecretFile(path) }))
        };
        if setting.secret
            && let Some(path) = self.environment.get(&named_file)?
        {
            return from_file(path);
        }
        if let Some(text) = self.environment.get(name)? {
            return Ok(Some(Found { text: text.to_owned(), origin: Origin::Environment }));
        }
        for (path, file) in &self.env_files {
            if setting.secret
                && let Some((path, _)) = file.get(&named_file)
            {
                return from_file(path);
            }
            if let Some((text, line)) = file.get(name) {
                let origin = Origin::EnvFile { path: path.clone(), line };
                return Ok(Some(Found { text: text.to_owned(), origin }));
            }
        }
        Ok(self.file.values.remove(setting.key))
    }
}

fn flag_database(text: &str) -> Result<Found> {
    if address::has_password(text) {
        return Err(Failure::new(
            Kind::Usage,
            "--database must not hold a password: every user of this host can read a command line",
        )
        .hint("put the address into a 0600 file and name it in DATABASE_URL_FILE, or the password into ~/.pgpass"));
    }
    Ok(Found { text: text.to_owned(), origin: Origin::Flag("--database") })
}

/// The two defaults that depend on the user's home.
fn complete(config: &mut Config, environment: &Environment) -> Result<()> {
    let homeless = |what: &str, name: &str| {
        Failure::new(Kind::Usage, format!("there is no home directory (HOME is not set) for {what}"))
            .hint(format!("set {name}"))
    };
    if config.database.url.expose_secret().is_empty() {
        let directory = environment.own_directory("XDG_DATA_HOME", ".local/share")?;
        let path = directory.ok_or_else(|| homeless("the database", "DATABASE_URL"))?.join("zerkalo.db");
        config.database.url = SecretString::from(format!("sqlite:{}", path.display()));
    }
    if config.state_dir.as_os_str().is_empty() {
        // systemd gives several directories with colons between them; the first is the unit's own.
        let unit =
            environment.get("STATE_DIRECTORY")?.and_then(|list| list.split(':').next()).map(PathBuf::from);
        config.state_dir = match unit {
            Some(directory) => directory,
            None => environment
                .own_directory("XDG_STATE_HOME", ".local/state")?
                .ok_or_else(|| homeless("locks and spools", "ZERKALO_STATE_DIR"))?,
        };
    }
    Ok(())
}

/// What only several settings together can violate.
fn check(config: &Config, origins: &Origins, warnings: &mut Vec<String>) -> Result<()> {
    let refuse = |key: &str, what: &str, hint: &str| {
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        let subject = origins.get(key).map_or_else(|| key.to_owned(), |origin| origin.subject(setting));
        Err(Failure::new(Kind::Usage, format!("{subject} {what}")).hint(hint))
    };
    if origins.contains_key("iiko.password") && origins.contains_key("iiko.sha1_password") {
        return refuse(
            "iiko.password",
            "is set, and so is IIKO_SHA1_PASSWORD (iiko.sha1_password)",
            "keep one of them",
        );
    }
    for (key, url) in [
        ("fintablo.base_url", &config.fintablo.base_url),
        ("iiko_cloud.base_url", &config.iiko_cloud.base_url),
        ("google.base_url", &config.google.base_url),
    ] {
        if !address::is_confidential(url) {
            let hint = "the token would travel unencrypted; plain http is for loopback only";
            return refuse(key, "must begin with `https://`", hint);
        }
    }
    // Each is written as a whole: one that is another's, too, would be overwritten.
    let sheet = &config.min_stock;
    for (key, title, others) in [
        ("min_stock.mapping_tab", &sheet.mapping_tab, [&sheet.tab, &sheet.import_tab]),
        ("min_stock.import_tab", &sheet.import_tab, [&sheet.tab, &sheet.mapping_tab]),
    ] {
        let name = |title: &str| title.trim().to_lowercase();
        if others.iter().any(|other| name(other) == name(title)) {
            let hint = "give MIN_STOCK_TAB, MIN_STOCK_MAPPING_TAB and MIN_STOCK_IMPORT_TAB a tab each";
            return refuse(key, "is the title of another tab of the settings, too", hint);
        }
    }
    let telegram = &config.telegram;
    if !address::is_confidential(&telegram.base_url) {
        let hint = "the bot's token would travel unencrypted; plain http is for loopback only";
        return refuse("telegram.base_url", "must begin with `https://`", hint);
    }
    let chats = [&telegram.chat_ids, &telegram.admin_chat_ids];
    if telegram.bot_token.is_none() && chats.iter().any(|chats| !chats.is_empty()) {
        warnings.push("Telegram has chats, but no bot to write to them: set TELEGRAM_BOT_TOKEN".to_owned());
    }
    let transfer = &config.transfer;
    let is_source = |prefix: &&String| folded(prefix) == folded(&transfer.source_prefix);
    if let Some(prefix) = transfer.target_prefixes.iter().find(is_source) {
        let what = format!(
            "names `{}`, and so does NEGATIVE_TRANSFER_SOURCE_PREFIX (transfer.source_prefix)",
            quote(prefix, 60)
        );
        let hint = "nothing is moved from a store into itself; keep it in one of them";
        return refuse("transfer.target_prefixes", &what, hint);
    }
    let Some(base_url) = &config.iiko.base_url else { return Ok(()) };
    match (address::reach(base_url), config.iiko.allow_http) {
        (Reach::Https | Reach::Loopback, _) => {}
        (Reach::Private, true) => warnings.push(
            "iiko is read over plain http: everyone in its network can read the password (IIKO_ALLOW_HTTP)"
                .to_owned(),
        ),
        (Reach::Private, false) => {
            let hint = "IIKO_ALLOW_HTTP=1 allows plain http in a private network";
            return refuse("iiko.base_url", "must begin with `https://`", hint);
        }
        (Reach::Public, _) => {
            let hint = "plain http is possible only in a private network, with the server's address there";
            return refuse("iiko.base_url", "must begin with `https://`", hint);
        }
    }
    if config.iiko.login.is_none() {
        return refuse("iiko.base_url", "is set, but there is no login", "set IIKO_LOGIN (iiko.login)");
    }
    if config.iiko.sha1_password.is_none() {
        warnings
            .push("iiko has an address, but no password: set IIKO_SHA1_PASSWORD or IIKO_PASSWORD".to_owned());
    }
    Ok(())
}
