//! What systemd makes of the package's units: each one's file and then its drop-ins, as systemd.unit(5) has it.

use std::{
    collections::BTreeMap,
    fs, iter,
    path::{Path, PathBuf},
};

/// The units as they lie in the repository.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd")
}

/// A unit with all of its files read.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    /// Its drop-ins, in the order in which they are read.
    pub(crate) drop_ins: Vec<PathBuf>,
    /// `Section.Name` and value, in the order in which they are assigned.
    assigned: Vec<(String, String)>,
}

impl Unit {
    /// Reads the unit of this name, such as `zerkalo-check.service`; of an instance, its template.
    pub(crate) fn read(folder: &Path, name: &str) -> Self {
        let mut unit = Self { drop_ins: drop_ins(folder, name), ..Self::default() };
        let file = match name.split_once('@') {
            Some((template, _)) => folder.join(format!("{template}@.service")),
            None => folder.join(name),
        };
        for file in iter::once(&file).chain(&unit.drop_ins) {
            unit.assigned.extend(assignments(&fs::read_to_string(file).unwrap()));
        }
        unit
    }

    /// A setting that has one value: the last assignment; none where that is empty or there is none.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.all(name).pop().filter(|value| !value.is_empty())
    }

    /// A setting that is a list: the words of all assignments since the last empty one.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let mut words = Vec::new();
        for value in self.all(name) {
            if value.is_empty() {
                words.clear();
            }
            words.extend(value.split_whitespace());
        }
        words
    }

    /// A list of other units: an empty assignment does not reset it.
    pub(crate) fn dependencies(&self, name: &str) -> Vec<&str> {
        self.all(name).into_iter().flat_map(str::split_whitespace).collect()
    }

    /// A span of time, in seconds.
    pub(crate) fn seconds(&self, name: &str) -> Option<i64> {
        self.value(name).map(seconds)
    }

    /// What the service starts, without the program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let line = self.value("Service.ExecStart").expect("a service starts something");
        line.split(' ').skip(1).map(str::to_owned).collect()
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.assigned.iter().filter(|(found, _)| found == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    }
}

/// The drop-ins of a unit, sorted by their files' names over all folders; of two with one name the one in the more
/// particular folder counts: `zerkalo-check.service.d` before `zerkalo-.service.d` before `service.d`.
fn drop_ins(folder: &Path, name: &str) -> Vec<PathBuf> {
    let (stem, kind) = name.rsplit_once('.').unwrap();
    let prefixes = stem.rmatch_indices('-').map(|(dash, _)| format!("{}.{kind}.d", &stem[..=dash]));
    let mut found = BTreeMap::new();
    for part in iter::once(format!("{name}.d")).chain(prefixes).chain([format!("{kind}.d")]) {
        let Ok(entries) = fs::read_dir(folder.join(part)) else { continue };
        let paths = entries.map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.extension().is_some_and(|end| end == "conf")) {
            found.entry(path.file_name().unwrap().to_owned()).or_insert(path);
        }
    }
    found.into_values().collect()
}

/// The assignments of one file: `Section.Name` and value.
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut section = "";
    let mut assigned = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        assert!(!line.ends_with('\\'), "this reader does not join lines: {line}");
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').unwrap();
        } else {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no assignment: {line}"));
            assigned.push((format!("{section}.{}", name.trim()), value.trim().to_owned()));
        }
    }
    assigned
}

/// A span of time in whole seconds, as systemd.time(7) writes it: `1h 30min`, `5min`, `90`.
pub(crate) fn seconds(text: &str) -> i64 {
    text.split_whitespace()
        .map(|part| {
            let digits = part.trim_end_matches(|sign: char| sign.is_ascii_alphabetic());
            let unit = match &part[digits.len()..] {
                "" | "s" => 1,
                "min" => 60,
                "h" => 3600,
                "d" => 24 * 3600,
                other => panic!("{text}: {other}"),
            };
            digits.parse::<i64>().unwrap() * unit
        })
        .sum()
}

#[test]
fn drop_ins_are_read_after_the_unit_and_sorted_by_name() {
    let home = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "a-b.service",
        "[Unit]\nOnFailure=x\n[Service]\nRestart=no\nSuccessExitStatus=1\n# Restart=always\n",
    );
    write("a-.service.d/50-x.conf", "[Service]\nRestart=always\nSuccessExitStatus=2 3\n");
    write("a-.service.d/60-y.conf", "[Service]\nRestart=on-abort\n");
    write(
        "a-b.service.d/60-y.conf",
        "[Service]\nSuccessExitStatus=\nSuccessExitStatus=4\n[Unit]\nOnFailure=\n",
    );
    write("service.d/70-z.conf", "[Unit]\nOnFailure=y\nRestart=never\n");
    let unit = Unit::read(home.path(), "a-b.service");
    let names = ["a-.service.d/50-x.conf", "a-b.service.d/60-y.conf", "service.d/70-z.conf"];
    assert_eq!(unit.drop_ins, names.map(|name| home.path().join(name)));
    assert_eq!(unit.value("Service.Restart"), Some("always"));
    assert_eq!(unit.list("Service.SuccessExitStatus"), ["4"]);
    assert_eq!(unit.dependencies("Unit.OnFailure"), ["x", "y"]);
    assert_eq!((unit.value("Unit.OnFailure"), unit.value("Service.Type")), (Some("y"), None));
    assert_eq!(["1h 30min", "90", "18h", "0"].map(seconds), [5400, 90, 64_800, 0]);
}
