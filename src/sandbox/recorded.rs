//! Recorded answers: files named after their endpoint, served as they are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use crate::error::{Failure, Kind, Result};

use super::fintablo;

/// The iiko files and what they record: `products.json` is `v2/entities/products/list`.
const IIKO: [(&str, &str); 12] = [
    ("entities.json", "entities"),
    ("products.json", "products"),
    ("product_groups.json", "product_groups"),
    ("balance_stores.json", "balances"),
    ("departments.xml", "departments"),
    ("stores.xml", "stores"),
    ("groups.xml", "groups"),
    ("terminals.xml", "terminals"),
    ("suppliers.xml", "suppliers"),
    ("employees.xml", "employees"),
    ("roles.xml", "roles"),
    ("olap.xml", "olap"),
];

/// The recorded answers by the name of their list (FinTablo's with `fintablo/` before it).
#[derive(Debug, Default)]
pub(super) struct Recorded {
    answers: BTreeMap<String, Bytes>,
    /// Files that belong to no endpoint.
    pub(super) ignored: Vec<PathBuf>,
}

impl Recorded {
    /// Reads `directory` and its folders `iiko` and `fintablo`.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let mut recorded = Self::default();
        recorded.folder(directory)?;
        for folder in ["iiko", "fintablo"].map(|name| directory.join(name)) {
            if folder.is_dir() {
                recorded.folder(&folder)?;
            }
        }
        Ok(recorded)
    }

    fn folder(&mut self, folder: &Path) -> Result<()> {
        let failed = |error| {
            Failure::new(Kind::Usage, format!("cannot read recorded data in `{}`", folder.display()))
                .source(error)
        };
        let mut files: Vec<_> =
            fs::read_dir(folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
        files.sort_by_key(fs::DirEntry::path);
        for file in files {
            let path = file.path();
            let name = file.file_name().to_string_lossy().into_owned();
            if path.is_dir() || name.starts_with('.') {
                continue;
            }
            match list(&name) {
                Some(list) => {
                    let bytes = fs::read(&path).map_err(failed)?;
                    check(&path, &bytes)?;
                    self.answers.insert(list, bytes.into());
                }
                None => self.ignored.push(path),
            }
        }
        Ok(())
    }

    /// The recorded answer of `list`, byte for byte.
    pub(super) fn whole(&self, list: &str) -> Option<Bytes> {
        self.answers.get(list).cloned()
    }

    /// The records of `list` that `keep` keeps, each byte for byte.
    pub(super) fn records(&self, list: &str, keep: impl Fn(&Value) -> bool) -> Option<Vec<&RawValue>> {
        let body = self.answers.get(list)?;
        let mut records = items(body);
        records.retain(|record| serde_json::from_str(record.get()).is_ok_and(|value| keep(&value)));
        Some(records)
    }
}

/// The list that a file of this name records.
fn list(name: &str) -> Option<String> {
    if let Some((_, list)) = IIKO.iter().find(|(file, _)| *file == name) {
        return Some((*list).to_owned());
    }
    let list = name.strip_suffix(".json")?;
    fintablo::LISTS.iter().any(|known| known.name == list).then(|| format!("fintablo/{list}"))
}

/// Refuses a JSON file that is none: better at the start than as a puzzle in an answer.
fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_slice::<&RawValue>(bytes).map_err(|error| {
            Failure::new(Kind::Usage, format!("recorded answer `{}` is not JSON", path.display()))
                .source(error)
        })?;
    }
    Ok(())
}

/// The records of a bare list or of FinTablo's envelope, unparsed.
pub(super) fn items(body: &Bytes) -> Vec<&RawValue> {
    if let Ok(items) = serde_json::from_slice(body) {
        return items;
    }
    let envelope: BTreeMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    envelope.get("items").and_then(|items| serde_json::from_str(items.get()).ok()).unwrap_or_default()
}

/// A JSON list of unparsed records.
pub(super) fn join(records: &[&RawValue]) -> Bytes {
    let records: Vec<_> = records.iter().map(|record| record.get()).collect();
    format!("[{}]", records.join(",")).into()
}
