//! What a setting is.

use super::{Config, address, value};
use toml::Value;

/// One setting: its names, its kind and how a [`Config`] holds it.
#[derive(Clone, Copy)]
pub struct Setting {
    /// The key in the TOML file, with its section: `iiko.base_url`.
    pub key: &'static str,
    /// The name in the environment.
    pub environment: &'static str,
    /// What its text must be.
    pub kind: SettingKind,
    /// Never shown; also read from a systemd credential and from the file that `NAME_FILE` names.
    pub secret: bool,
    /// The default as a person reads it; empty when there is none.
    pub default: &'static str,
    /// What it is for, in one sentence.
    pub doc: &'static str,
    pub(super) set: fn(&mut Config, &str) -> value::Read<()>,
    /// The value as it may be shown.
    pub(super) get: fn(&Config) -> Option<Value>,
}

/// What a setting's text must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any line of text.
    Text,
    /// A path.
    Path,
    /// `true` or `false`; in the environment also 1, 0, yes, no, on, off.
    Bool,
    /// A whole number.
    Count {
        /// The smallest one accepted.
        least: usize,
    },
    /// A number from 0 to 1.
    Share,
    /// Seconds, fractions allowed.
    Seconds,
    /// Seconds; in the environment with commas between them.
    SecondsList,
    /// A number of bytes, or a text such as `16 MiB`.
    Bytes,
    /// Texts; in the environment with commas between them.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Tables, such as `[[report]]`, each with these keys; in the environment a JSON list of objects.
    Tables(&'static [TableKey]),
}

/// A key of the tables of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableKey {
    /// Its name in each table.
    pub name: &'static str,
    /// What its value must be; further tables, too.
    pub kind: SettingKind,
}

impl SettingKind {
    /// The kind as the TOML file spells it.
    pub const fn toml_name(self) -> &'static str {
        match self {
            Self::Text | Self::Path | Self::Choice(_) => "a string",
            Self::Bool => "true or false",
            Self::Count { .. } => "a whole number",
            Self::Share => "a number from 0 to 1",
            Self::Seconds => "a number of seconds",
            Self::SecondsList => "a list of seconds such as [1, 3, 7]",
            Self::List => "a list of strings",
            Self::Bytes => "a size such as \"16 MiB\"",
            Self::Tables(_) => "tables, each under its name in [[…]]",
        }
    }
}

impl Setting {
    /// Whether `text` as this setting's value must not be read by others. A database's address is a secret only
    /// with a password in it.
    pub(super) fn is_secret(&self, text: &str) -> bool {
        self.secret && (self.key != "database.url" || address::has_password(text))
    }
}
