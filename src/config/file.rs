//! The TOML settings file: where it is, and what it may hold.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    Environment, keeper,
    load::{Found, Origin},
    secret,
    settings::{SETTINGS, Setting, SettingKind},
};
use crate::{
    error::{Failure, Kind, Result, quote},
    files::named,
};

/// The settings of the file in use, by key, and its path.
#[derive(Default)]
pub(super) struct SettingsFile {
    pub(super) path: Option<PathBuf>,
    pub(super) values: BTreeMap<&'static str, Found>,
}

/// The user's own settings file, which `config init` writes when it is given no path.
pub fn init_path(environment: &Environment) -> Result<PathBuf> {
    let directory = environment.own_directory("XDG_CONFIG_HOME", ".config")?;
    directory.map(|directory| directory.join("zerkalo.toml")).ok_or_else(|| {
        Failure::new(Kind::Usage, "there is no home directory to write the settings file to")
            .hint("name it: zerkalo config init /etc/zerkalo/zerkalo.toml")
    })
}

impl SettingsFile {
    /// Reads the file that was named, which must exist, or else the first default one that does.
    pub(super) fn find(named: Option<PathBuf>, environment: &Environment) -> Result<Self> {
        if let Some(path) = named {
            return match open(&path)? {
                Some(file) => Self::read(path, &file),
                None => {
                    Err(Failure::new(Kind::Usage, format!("there is no settings file {}", path.display()))
                        .hint(format!("write one: zerkalo config init {}", path.display())))
                }
            };
        }
        let own = environment.own_directory("XDG_CONFIG_HOME", ".config")?;
        // For every user of the host.
        let system_wide = Path::new(keeper::PACKAGE).join("zerkalo.toml");
        for path in own.map(|own| own.join("zerkalo.toml")).into_iter().chain([system_wide]) {
            if let Some(file) = open(&path)? {
                return Self::read(path, &file);
            }
        }
        Ok(Self::default())
    }

    fn read(path: PathBuf, file: &File) -> Result<Self> {
        secret::check_user(&path, &file.metadata().map_err(|error| unreadable(&path, &error))?)?;
        let text = named::text(file, named::SETTINGS).map_err(|error| unreadable(&path, &error))?;
        let values = parse(&path, &text)?;
        let holds_secret = |(key, found): (&&str, &Found)| {
            SETTINGS.iter().any(|setting| setting.key == *key && setting.is_secret(&found.text))
        };
        if values.iter().any(holds_secret) {
            secret::check_private(&path, &file.metadata().map_err(|error| unreadable(&path, &error))?)?;
        }
        Ok(Self { path: Some(path), values })
    }
}

/// None when there is no such file.
fn open(path: &Path) -> Result<Option<File>> {
    match named::opened(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("the settings file {}", path.display());
    secret::cannot_read(&what, path, error, "check that it is a file in UTF-8; --config names another one")
}

/// Walks the document against [`SETTINGS`]. The file's own text is never repeated beyond the name of a key: the
/// parser's picture of the line could show a secret.
fn parse(path: &Path, text: &str) -> Result<BTreeMap<&'static str, Found>> {
    let place = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Origin::File { path: path.to_owned(), line, column }
    };
    let document = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        Failure::new(
            Kind::Usage,
            format!("{}: not valid TOML: {}", place(start).subject(None), error.message()),
        )
        .hint("`zerkalo config init OTHER-FILE` writes a valid file to compare with")
    })?;
    let mut values = BTreeMap::new();
    walk("", document.get_ref(), &mut |key, offset, value| {
        let setting = setting(&key).ok_or_else(|| {
            Failure::new(
                Kind::Usage,
                format!("{}: unknown key `{}`", place(offset).subject(None), shown_key(&key)),
            )
            .hint(expected(&key))
        })?;
        let origin = place(offset);
        let text = text_of(value, setting.kind).ok_or_else(|| {
            let what = format!("must be {}, not {}", setting.kind.toml_name(), article(value.type_str()));
            Failure::new(Kind::Usage, format!("{} {what}", origin.subject(Some(setting))))
                .hint(format!("what it is for: {}", setting.doc.trim_end_matches('.')))
        })?;
        if !text.is_empty() {
            values.insert(setting.key, Found { text, origin });
        }
        Ok(())
    })?;
    Ok(values)
}

type Visit<'a> = dyn FnMut(String, usize, &DeValue<'_>) -> Result<()> + 'a;

fn walk(prefix: &str, table: &DeTable<'_>, visit: &mut Visit<'_>) -> Result<()> {
    // In the order of the file, so that the first mistake is the one that is reported.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if is_section(&name) => walk(&format!("{name}."), inner, visit)?,
            other => visit(name, key.span().start, other)?,
        }
    }
    Ok(())
}

fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == name))
}

fn expected(key: &str) -> String {
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let (place, prefix) = if is_section(section) {
        (format!("[{section}]"), format!("{section}."))
    } else {
        ("the top level".to_owned(), String::new())
    };
    let mut names: Vec<&str> = SETTINGS
        .iter()
        .filter_map(|setting| setting.key.strip_prefix(prefix.as_str()))
        .map(|rest| rest.split('.').next().unwrap_or(rest))
        .collect();
    names.dedup();
    format!("{place} takes: {}", names.join(", "))
}

/// A name that could be a misplaced secret is not repeated.
fn shown_key(key: &str) -> String {
    let name = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.' || c == '-';
    let plausible = key.len() <= 40 && key.chars().filter(|c| !name(*c)).count() <= key.len() / 4;
    if plausible { quote(key, 40) } else { "…".to_owned() }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// The value as an environment variable would say it; none when it is of another kind.
fn text_of(value: &DeValue<'_>, kind: SettingKind) -> Option<String> {
    match (kind, value) {
        (
            SettingKind::Text | SettingKind::Path | SettingKind::Choice(_) | SettingKind::Bytes,
            DeValue::String(text),
        ) => Some(text.to_string()),
        (SettingKind::Bool, DeValue::Boolean(yes)) => Some(yes.to_string()),
        (SettingKind::Count { .. } | SettingKind::Bytes, DeValue::Integer(_))
        | (SettingKind::Seconds | SettingKind::Share, DeValue::Integer(_) | DeValue::Float(_)) => {
            number(value)
        }
        (SettingKind::List, DeValue::Array(list)) => {
            let texts: Option<Vec<&str>> = list
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.as_ref()),
                    _ => None,
                })
                .collect();
            texts.map(|texts| texts.join(","))
        }
        (SettingKind::SecondsList, DeValue::Array(list)) if list.is_empty() => Some("none".to_owned()),
        (SettingKind::SecondsList, DeValue::Array(list)) => {
            let numbers: Option<Vec<String>> = list.iter().map(|item| number(item.get_ref())).collect();
            numbers.map(|numbers| numbers.join(","))
        }
        _ => None,
    }
}

fn number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{Kind, Path, parse, setting};
    use crate::config::{Config, render};

    /// Reads a settings file; what `config show` makes of it reads back as the same.
    pub(crate) fn survive(text: &str) {
        let Some(config) = read(text) else { return };
        let shown = render::toml(&config);
        let again = read(&shown).expect("what is shown is a settings file");
        assert_eq!(render::toml(&again), shown);
    }

    fn read(text: &str) -> Option<Config> {
        let values = match parse(Path::new("zerkalo.toml"), text) {
            Ok(values) => values,
            Err(failure) => {
                crate::fuzzed::check_failure(&failure, Kind::Usage);
                return None;
            }
        };
        let mut config = Config::default();
        for (key, found) in values {
            (setting(key)?.set)(&mut config, &found.text).ok()?;
        }
        Some(config)
    }
}
