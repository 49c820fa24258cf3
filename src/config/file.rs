//! The TOML settings file: where it is, and what it may hold.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Environment, keeper,
    load::{Found, Origin},
    secret,
    setting::{Setting, SettingKind, TableKey},
    settings::SETTINGS,
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
        let values = parse(&path, &text, SETTINGS)?;
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

/// Walks the document against the settings that there are. The file's own text is never repeated beyond the name of a key: the
/// parser's picture of the line could show a secret.
fn parse(path: &Path, text: &str, settings: &'static [Setting]) -> Result<BTreeMap<&'static str, Found>> {
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
    let is_section = |name: &str| is_section(settings, name);
    walk("", document.get_ref(), &is_section, &mut |key, offset, value| {
        let setting = settings
            .iter()
            .find(|setting| setting.key == key)
            .ok_or_else(|| unknown(&place(offset), &key, expected(settings, &key)))?;
        let origin = place(offset);
        let text = match (setting.kind, value) {
            (SettingKind::Tables(keys), DeValue::Array(list)) => {
                let explained = |failure: Failure| match &failure.hint {
                    Some(_) => failure,
                    None => failure.hint(meant(setting)),
                };
                tables(&key, list, keys, &place).map_err(explained)?.to_string()
            }
            _ => text_of(value, setting.kind).ok_or_else(|| {
                wrong(&origin.subject(Some(setting)), setting.kind, value).hint(meant(setting))
            })?,
        };
        if !text.is_empty() {
            values.insert(setting.key, Found { text, origin });
        }
        Ok(())
    })?;
    Ok(values)
}

fn unknown(place: &Origin, key: &str, expected: String) -> Failure {
    let text = format!("{}: unknown key `{}`", place.subject(None), shown_key(key));
    Failure::new(Kind::Usage, text).hint(expected)
}

fn wrong(subject: &str, kind: SettingKind, value: &DeValue<'_>) -> Failure {
    let what = format!("must be {}, not {}", kind.toml_name(), article(value.type_str()));
    Failure::new(Kind::Usage, format!("{subject} {what}"))
}

/// The tables of one setting as JSON, each key and its kind checked.
fn tables(
    name: &str,
    list: &[Spanned<DeValue<'_>>],
    keys: &[TableKey],
    place: &dyn Fn(usize) -> Origin,
) -> Result<Json> {
    let item = |item: &Spanned<DeValue<'_>>| {
        let DeValue::Table(table) = item.get_ref() else {
            let subject = format!("{}: {name}", place(item.span().start).subject(None));
            return Err(wrong(&subject, SettingKind::Tables(&[]), item.get_ref()));
        };
        let mut object = serde_json::Map::new();
        walk(&format!("{name}."), table, &|_| false, &mut |path, offset, value| {
            let own = path.rsplit('.').next().unwrap_or(&path);
            let Some(key) = keys.iter().find(|key| format!("{name}.{}", key.name) == path) else {
                let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                return Err(unknown(
                    &place(offset),
                    &path,
                    format!("[[{name}]] takes: {}", names.join(", ")),
                ));
            };
            let value = match (key.kind, value) {
                (SettingKind::Tables(keys), DeValue::Array(list)) => tables(&path, list, keys, place)?,
                (kind, value) => json_of(value, kind)
                    .ok_or_else(|| wrong(&format!("{}: {path}", place(offset).subject(None)), kind, value))?,
            };
            object.insert(own.to_owned(), value);
            Ok(())
        })?;
        Ok(Json::Object(object))
    };
    list.iter().map(item).collect::<Result<_>>().map(Json::Array)
}

type Visit<'a> = dyn FnMut(String, usize, &DeValue<'_>) -> Result<()> + 'a;

fn walk(
    prefix: &str,
    table: &DeTable<'_>,
    is_section: &dyn Fn(&str) -> bool,
    visit: &mut Visit<'_>,
) -> Result<()> {
    // In the order of the file, so that the first mistake is the one that is reported.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if is_section(&name) => {
                walk(&format!("{name}."), inner, is_section, visit)?;
            }
            other => visit(name, key.span().start, other)?,
        }
    }
    Ok(())
}

fn is_section(settings: &[Setting], name: &str) -> bool {
    settings.iter().any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == name))
}

fn meant(setting: &Setting) -> String {
    format!("what it is for: {}", setting.doc.trim_end_matches('.'))
}

fn expected(settings: &[Setting], key: &str) -> String {
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let (place, prefix) = if is_section(settings, section) {
        (format!("[{section}]"), format!("{section}."))
    } else {
        ("the top level".to_owned(), String::new())
    };
    let mut names: Vec<&str> = settings
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

/// The value of a table's key as JSON; none when it is of another kind.
fn json_of(value: &DeValue<'_>, kind: SettingKind) -> Option<Json> {
    let text = text_of(value, kind)?;
    Some(match value {
        DeValue::Boolean(yes) => Json::Bool(*yes),
        DeValue::Integer(_) | DeValue::Float(_) => serde_json::from_str(&text).ok()?,
        DeValue::Array(list) => {
            let kind = if kind == SettingKind::List { SettingKind::Text } else { SettingKind::Seconds };
            list.iter().map(|item| json_of(item.get_ref(), kind)).collect::<Option<_>>()?
        }
        _ => Json::String(text),
    })
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
    use super::{Kind, Path, SETTINGS, parse};
    use crate::config::{Config, render};

    /// Reads a settings file; what `config show` makes of it reads back as the same.
    pub(crate) fn survive(text: &str) {
        let Some(config) = read(text) else { return };
        let shown = render::toml(&config);
        let again = read(&shown).expect("what is shown is a settings file");
        assert_eq!(render::toml(&again), shown);
    }

    fn read(text: &str) -> Option<Config> {
        let values = match parse(Path::new("zerkalo.toml"), text, SETTINGS) {
            Ok(values) => values,
            Err(failure) => {
                crate::fuzzed::check_failure(&failure, Kind::Usage);
                return None;
            }
        };
        let mut config = Config::default();
        for (key, found) in values {
            (SETTINGS.iter().find(|setting| setting.key == key)?.set)(&mut config, &found.text).ok()?;
        }
        Some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "c4n4ry-Pa55";

    const fn key(name: &'static str, kind: SettingKind) -> TableKey {
        TableKey { name, kind }
    }

    const fn setting(key: &'static str, kind: SettingKind) -> Setting {
        let (environment, default, doc) = ("REPORTS", "", "Reports that staff gets.");
        Setting { key, environment, kind, secret: false, default, doc, set: |_, _| Ok(()), get: |_| None }
    }

    const COLUMN: &[TableKey] = &[key("field", SettingKind::Text)];
    const REPORT: &[TableKey] = &[
        key("name", SettingKind::Text),
        key("rows", SettingKind::Count { least: 1 }),
        key("totals", SettingKind::Bool),
        key("groups", SettingKind::List),
        key("delays", SettingKind::SecondsList),
        key("column", SettingKind::Tables(COLUMN)),
    ];
    const DECLARED: &[Setting] =
        &[setting("timezone", SettingKind::Text), setting("report", SettingKind::Tables(REPORT))];

    fn read(text: &str) -> Result<BTreeMap<&'static str, Found>> {
        parse(Path::new("zerkalo.toml"), text, DECLARED)
    }

    #[test]
    fn tables_of_a_list_are_read_with_their_kinds() {
        let found = read(
            "timezone = 'UTC'\n\
             [[report]]\nname = 'Продажи, смена'\nrows = 5\ntotals = true\n\
             groups = ['Бар, кухня', 'Зал']\ndelays = [1, 2.5]\n\
             [[report.column]]\nfield = 'DishName'\n[[report.column]]\nfield = 'Sum'\n\
             [[report]]\ncolumn = [{ field = 'Store' }]\n",
        )
        .unwrap();
        let report: Json = serde_json::from_str(&found["report"].text).unwrap();
        let expected = serde_json::json!([
            {
                "name": "Продажи, смена", "rows": 5, "totals": true, "groups": ["Бар, кухня", "Зал"],
                "delays": [1, 2.5], "column": [{"field": "DishName"}, {"field": "Sum"}],
            },
            {"column": [{"field": "Store"}]},
        ]);
        assert_eq!(report, expected);
        assert_eq!(found["report"].origin.subject(None), "zerkalo.toml:2:3");
        assert_eq!(found["timezone"].text, "UTC");
        assert_eq!(read("report = []").unwrap()["report"].text, "[]");
    }

    #[test]
    fn what_is_wrong_in_a_table_is_told_with_its_place() {
        let meant = "what it is for: Reports that staff gets";
        let takes = "[[report]] takes: name, rows, totals, groups, delays, column";
        for (text, message, hint) in [
            ("[[report]]\nnam = 'c4n4ry-Pa55'", "zerkalo.toml:2:1: unknown key `report.nam`", takes),
            (
                "[[report]]\n[[report.column]]\ntitle = 'c4n4ry-Pa55'",
                "zerkalo.toml:3:1: unknown key `report.column.title`",
                "[[report.column]] takes: field",
            ),
            (
                "[[report]]\nrows = 'c4n4ry-Pa55'",
                "zerkalo.toml:2:1: report.rows must be a whole number, not a string",
                meant,
            ),
            (
                "report = ['c4n4ry-Pa55']",
                "zerkalo.toml:1:11: report must be tables, each under its name in [[…]], not a string",
                meant,
            ),
            (
                "[report]\nname = 'c4n4ry-Pa55'",
                "zerkalo.toml:1:2: report must be tables, each under its name in [[…]], not a table",
                meant,
            ),
            (
                "[[reports]]\nname = 'c4n4ry-Pa55'",
                "zerkalo.toml:1:3: unknown key `reports`",
                "the top level takes: timezone, report",
            ),
        ] {
            let failure = read(text).err().expect("it is wrong");
            assert_eq!((failure.message.as_str(), failure.hint.as_deref()), (message, Some(hint)), "{text}");
            assert!(!format!("{failure:?}").contains(CANARY), "{failure:?}");
        }
    }
}
