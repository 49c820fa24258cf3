//! Shows settings: `config init|check|show`. A secret is shown as present or missing, never as itself.

use std::fmt::Write as _;

use serde::Serialize;
use toml::Value;

use super::{
    Config, Loaded,
    setting::{Setting, SettingKind},
    settings::SETTINGS,
};

/// What stands where a secret would.
pub const HIDDEN: &str = "<hidden>";

/// One setting as `config check` lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The key in the TOML file.
    pub key: &'static str,
    /// The name in the environment.
    pub environment: &'static str,
    /// `default`, `file`, `env-file`, `environment`, `credential`, `NAME_FILE`, `--database`; empty when missing.
    pub source: String,
    /// The value; of a secret `set (hidden)` or `missing`; empty when missing.
    pub value: String,
}

/// Every setting with its source and value.
pub fn rows(loaded: &Loaded) -> Vec<Row> {
    SETTINGS.iter().map(|setting| row(setting, loaded)).collect()
}

fn row(setting: &Setting, loaded: &Loaded) -> Row {
    let origin = loaded.origins.get(setting.key);
    let shown = (setting.get)(&loaded.config).map(|value| match value {
        Value::String(text) => text,
        Value::Array(list) => {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            list.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    });
    let shown = shown.map(|shown| match setting.kind {
        SettingKind::Seconds | SettingKind::SecondsList if shown.is_empty() => "none".to_owned(),
        SettingKind::Seconds | SettingKind::SecondsList => format!("{shown} s"),
        _ => shown,
    });
    // Of the two ways to give the password one is enough, and messages are sent by whoever wants them.
    let telegram = &loaded.config.telegram;
    let needless = match setting.key.split_once('.') {
        Some(("iiko", _)) => loaded.config.iiko.sha1_password.is_some(),
        Some(("monitoring", _)) => true,
        Some(("telegram", _)) => telegram.chat_ids.is_empty() && telegram.admin_chat_ids.is_empty(),
        _ => false,
    };
    // The address of a database is shown without its password; of other secrets only that they are there.
    let value = match shown {
        Some(shown) if !setting.secret || setting.key == "database.url" => shown,
        _ if !setting.secret => String::new(),
        _ if origin.is_some() => "set (hidden)".to_owned(),
        _ if needless => String::new(),
        _ => "missing".to_owned(),
    };
    let source = match origin {
        Some(origin) => origin.name(setting),
        None if value.is_empty() || value == "missing" => String::new(),
        None => "default".to_owned(),
    };
    Row { key: setting.key, environment: setting.environment, source, value }
}

/// The settings in force as a TOML document, with [`HIDDEN`] for secrets.
pub fn toml(config: &Config) -> String {
    let mut out = String::new();
    let mut section = "";
    for setting in SETTINGS {
        let Some(value) = (setting.get)(config) else { continue };
        let name = enter_section(&mut out, &mut section, setting);
        let _ = writeln!(out, "{name} = {value}");
    }
    out
}

/// A commented settings file in which everything is still its default.
pub fn template() -> String {
    let mut out = String::from(
        "# Settings of zerkalo. Lines that begin with `#` show the defaults.\n\
         # The name in brackets sets the same in the environment, which wins over this file.\n\
         # This file may hold secrets: keep it 0600. `zerkalo config check` says what is in force.\n\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        let name = enter_section(&mut out, &mut section, setting);
        let _ = writeln!(out, "# {} [{}]", setting.doc, setting.environment);
        if let SettingKind::Choice(choices) = setting.kind {
            let _ = writeln!(out, "# One of: {}.", choices.join(", "));
        }
        // A path of the user's home is only told: `~` is the shell's, and an empty text means the default.
        if setting.default.starts_with('~') {
            let _ = writeln!(out, "#{name} = \"\"  # {}\n", setting.default);
        } else {
            let _ = writeln!(out, "#{name} = {}\n", template_value(setting));
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn template_value(setting: &Setting) -> String {
    match setting.kind {
        SettingKind::Text | SettingKind::Path | SettingKind::Choice(_) | SettingKind::Bytes => {
            Value::String(setting.default.to_owned()).to_string()
        }
        SettingKind::SecondsList | SettingKind::Tables(_) => format!("[{}]", setting.default),
        SettingKind::List => {
            Value::Array(setting.default.split(',').map(|name| Value::String(name.to_owned())).collect())
                .to_string()
        }
        _ => setting.default.to_owned(),
    }
}

/// Writes the section's head when `setting` is the first of it; returns the key's last part.
fn enter_section<'a>(out: &mut String, current: &mut &'a str, setting: &Setting) -> &'a str
where
    'static: 'a,
{
    let (section, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
    if section != *current {
        let gap = if out.is_empty() || out.ends_with("\n\n") { "" } else { "\n" };
        let _ = writeln!(out, "{gap}[{section}]");
        *current = section;
    }
    name
}

/// Every setting as a table in Markdown: the README's.
#[cfg(test)]
pub(super) fn reference() -> String {
    let mut out = String::from("| setting | environment | default | what it is for |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let secret = if setting.secret { " (secret)" } else { "" };
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let choices = match setting.kind {
            SettingKind::Choice(choices) => format!(" One of `{}`.", choices.join("`, `")),
            _ => String::new(),
        };
        let what = format!("{}{choices}", setting.doc).replace('|', "\\|");
        let _ =
            writeln!(out, "| `{}` | `{}`{secret} | {default} | {what} |", setting.key, setting.environment);
    }
    out
}
