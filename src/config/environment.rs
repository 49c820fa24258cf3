//! The process's environment as a value.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt,
    path::PathBuf,
};

use crate::error::{Failure, Kind, Result};

/// Environment names and their values; a test hands in its own.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    unreadable: BTreeSet<String>,
}

impl Environment {
    /// The environment of this process.
    pub fn process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of `name`; an empty one counts as unset, as crontab lines and `.env` files have many.
    ///
    /// Fails with [`Kind::Usage`] when the value is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        if self.unreadable.contains(name) {
            return Err(Failure::new(Kind::Usage, format!("{name} from the environment is not UTF-8 text"))
                .hint("set it again in a UTF-8 locale, or in the settings file"));
        }
        Ok(self.values.get(name).map(String::as_str).filter(|value| !value.is_empty()))
    }

    /// The directory that `name` holds, if it is absolute; the XDG rule is to ignore a relative one.
    pub(super) fn directory(&self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.get(name)?.map(PathBuf::from).filter(|path| path.is_absolute()))
    }

    /// `$xdg/zerkalo`, or `$HOME/otherwise/zerkalo`; none without a home.
    pub(super) fn own_directory(&self, xdg: &str, otherwise: &str) -> Result<Option<PathBuf>> {
        let base = match self.directory(xdg)? {
            Some(base) => Some(base),
            None => self.directory("HOME")?.map(|home| home.join(otherwise)),
        };
        Ok(base.map(|base| base.join("zerkalo")))
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(pairs: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in pairs {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.values.insert(name, value)),
                Err(_) => drop(environment.unreadable.insert(name)),
            }
        }
        environment
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Environment {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        pairs.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }
}

impl fmt::Debug for Environment {
    /// Names only: any value may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}
