//! What the package's units have and a person's command has not: systemd's credentials, and drop-ins of `systemctl edit`.
//! With it a unit may work on another database than the one that the person looks at.

use super::{Environment, setting::Setting, settings::SETTINGS};
use crate::{error::Result, files::named};
use serde::Serialize;
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Where systemd looks for credentials.
const STORES: [&str; 4] =
    ["/etc/credstore", "/etc/credstore.encrypted", "/run/credstore", "/run/credstore.encrypted"];

/// Where an administrator's drop-ins are.
const UNITS: [&str; 2] = ["/etc/systemd/system", "/run/systemd/system"];

/// A setting that a unit has from a place that only systemd reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitSetting {
    /// Its name in the environment.
    pub environment: &'static str,
    /// Where it is.
    pub place: PathBuf,
}

/// What only the units have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OnlyUnits {
    /// What is known of it; never a value.
    pub settings: Vec<UnitSetting>,
    /// Folders that this user may not look into: there may be more.
    pub unseen: Vec<PathBuf>,
}

/// Looks for it; a unit itself has it.
pub(super) fn only_units(environment: &Environment) -> Result<OnlyUnits> {
    let mut found = OnlyUnits::default();
    if environment.get("CREDENTIALS_DIRECTORY")?.is_some() {
        return Ok(found);
    }
    for store in STORES.map(Path::new) {
        for setting in SETTINGS.iter().filter(|setting| setting.secret) {
            let place = store.join(format!("zerkalo.{}", setting.environment));
            match place.symlink_metadata() {
                Ok(_) => found.add(setting, place),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    found.unseen.push(store.to_owned());
                    break;
                }
                Err(_) => {}
            }
        }
    }
    for folder in UNITS.map(Path::new) {
        for file in drop_ins(folder) {
            match named::opened(&file).and_then(|file| named::text(&file, named::SETTINGS)) {
                Ok(text) => assigned(&text).for_each(|setting| found.add(setting, file.clone())),
                Err(_) => found.unseen.push(file),
            }
        }
    }
    Ok(found)
}

impl OnlyUnits {
    /// It, in one sentence each: what there is, and where there may be more.
    pub fn sentences(&self) -> (Vec<String>, Vec<String>) {
        let told = self.settings.iter();
        let told =
            told.map(|UnitSetting { environment, place }| format!("{environment} ({})", place.display()));
        let more = self.unseen.iter();
        let more = more.map(|place| format!("{} is closed to this user and may have more", place.display()));
        (told.collect(), more.collect())
    }

    fn add(&mut self, setting: &Setting, place: PathBuf) {
        self.settings.push(UnitSetting { environment: setting.environment, place });
    }
}

/// The drop-ins of our services, in the order of their names.
fn drop_ins(folder: &Path) -> Vec<PathBuf> {
    let entries =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("zerkalo-") && name.ends_with(".service.d")
    };
    let files = entries(folder).filter(is_ours).flat_map(|folder| entries(&folder).collect::<Vec<_>>());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "conf")).collect();
    files.sort();
    files
}

/// The settings that a drop-in gives a unit, in its environment or as a credential.
fn assigned(text: &str) -> impl Iterator<Item = &'static Setting> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    SETTINGS.iter().filter(move |setting| {
        let name = setting.environment;
        lines.iter().any(|line| match line.split_once('=') {
            Some(("Environment", rest)) => rest
                .split([' ', '"', '\''])
                .any(|word| word.split_once('=').is_some_and(|(set, _)| set == name)),
            Some((
                "LoadCredential" | "LoadCredentialEncrypted" | "SetCredential" | "SetCredentialEncrypted",
                rest,
            )) => rest.split(':').next() == Some(name),
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_in_names_the_settings_that_it_gives() {
        let text = "[Service]\n#Environment=IIKO_LOGIN=x\nEnvironment=\"TIMEZONE=Europe/Moscow\" DATABASE_SCHEMA=a\n\
                    LoadCredential=FINTABLO_TOKEN:/root/token\nEnvironment=NOT_DATABASE_URL=x\nNice=5\n";
        let names: Vec<_> = assigned(text).map(|setting| setting.environment).collect();
        assert_eq!(names, ["TIMEZONE", "DATABASE_SCHEMA", "FINTABLO_TOKEN"]);
    }
}
