//! A file of metrics in Prometheus' text form, for the textfile collector of `node_exporter`.
//!
//! Each run puts its command's samples in the place of those of the command's last run, and leaves the others' alone. The
//! file is replaced by renaming, so whoever reads it sees the old one or the new one. Moments are given, not ages: an age
//! would stand still until the next run; `time() - zerkalo_…_timestamp_seconds` is one.

use crate::{
    error::{Failure, Kind, Result},
    files::{named, own},
    model::report::{RunReport, SlotFound, Status, StepReport},
    tables,
};
use chrono::{DateTime, Utc};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{File, Permissions},
    io::{ErrorKind, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// More than all our samples are, in bytes: what is longer is not ours.
const LONGEST: u64 = 4 << 20;

/// A metric's name and what it is; all are gauges.
struct Metric {
    name: &'static str,
    help: &'static str,
}

const RUN_AT: Metric =
    Metric { name: "zerkalo_run_timestamp_seconds", help: "When the command's last run ended." };
const RUN_GOOD: Metric = Metric {
    name: "zerkalo_run_success_timestamp_seconds",
    help: "When the command's last run ended that left nothing to do (exit 0 or 4).",
};
const EXIT_CODE: Metric =
    Metric { name: "zerkalo_run_exit_code", help: "The exit code of the command's last run." };
const DURATION: Metric =
    Metric { name: "zerkalo_run_duration_seconds", help: "How long the command's last run took." };
const STEP_FAILED: Metric = Metric {
    name: "zerkalo_step_failed",
    help: "Whether the entity failed or was skipped in the command's last run.",
};
const STEP_DURATION: Metric = Metric {
    name: "zerkalo_step_duration_seconds",
    help: "How long the entity took in the command's last run.",
};
const ROWS: Metric = Metric {
    name: "zerkalo_step_rows",
    help: "Rows of the entity in the command's last run, by what became of them.",
};
const ENTITY_GOOD: Metric = Metric {
    name: "zerkalo_entity_success_timestamp_seconds",
    help: "When the entity was last mirrored well, by any command.",
};

/// In the order of the file.
const METRICS: [&Metric; 8] =
    [&RUN_AT, &RUN_GOOD, &EXIT_CODE, &DURATION, &STEP_FAILED, &STEP_DURATION, &ROWS, &ENTITY_GOOD];

/// Metric and labels → value.
type Samples = BTreeMap<(&'static str, String), f64>;

/// What a run has to say.
#[derive(Debug)]
pub struct Update {
    /// The labels of the command's own samples.
    command: String,
    /// Whether the run left nothing to do.
    good: bool,
    samples: Samples,
}

/// Writes what a run has to say into the file at `path`, which is a regular file or not there yet. `state` has the lock
/// that keeps two runs from losing each other's samples: it is waited for.
pub fn write(path: &Path, state: &Path, update: &Update) -> Result<()> {
    let failed = |error: std::io::Error| {
        Failure::new(Kind::Database, format!("the metrics file {} cannot be written", path.display()))
            .hint("check ZERKALO_METRICS_FILE, and the folder's owner, mode and free space")
            .source(error)
    };
    let _lock = lock(state).map_err(failed)?;
    let old = match named::opened(path).and_then(|file| named::text(&file, LONGEST)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        // Nobody else's words are kept: the file is ours.
        Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(failed(error)),
    };
    replace(path, &merged(&old, update)).map_err(failed)
}

/// Keeps other runs from the file until it is dropped.
fn lock(state: &Path) -> std::io::Result<File> {
    own::state(state)?;
    let file = own::file(&state.join("metrics.lock"))?;
    file.lock()?;
    Ok(file)
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The collector reads only names that end in .prom.
    let mut file = tempfile::Builder::new().prefix(".zerkalo-").suffix(".tmp").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The file after a run: the command's samples anew, and of the old ones those of other commands and entities.
fn merged(old: &str, update: &Update) -> String {
    let mut samples = parse(old);
    let ours = &update.command;
    samples.retain(|(metric, labels), _| {
        let of_this_command = labels == ours || labels.starts_with(&format!("{ours},"));
        !of_this_command || (*metric == RUN_GOOD.name && !update.good)
    });
    samples.extend(update.samples.clone());
    render(&samples)
}

impl Update {
    /// What a run has to say that ended at `now`. A start that found its slot done says nothing: the run that did the work
    /// has.
    pub fn of(report: &RunReport, now: DateTime<Utc>) -> Option<Self> {
        if report.slot.as_ref().is_some_and(|slot| slot.found == SlotFound::Done) {
            return None;
        }
        let mut samples = Samples::new();
        let command = labels(&[("command", &report.command)]);
        let good = matches!(report.exit_code(), 0 | 4);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
        let now = now.timestamp() as f64;
        let mut set = |metric: &Metric, labels: String, value: f64| {
            samples.insert((metric.name, labels), value);
        };
        set(&RUN_AT, command.clone(), now);
        if good {
            set(&RUN_GOOD, command.clone(), now);
        }
        set(&EXIT_CODE, command.clone(), f64::from(report.exit_code()));
        set(&DURATION, command.clone(), report.duration.as_secs_f64());
        for step in &report.steps {
            let mirrored = matches!(step.status, Status::Success | Status::Warning);
            if let Some(entity) = step.entity.as_deref().filter(|_| mirrored && scope_of(step).is_some()) {
                let scope = scope_of(step).unwrap_or_default();
                set(&ENTITY_GOOD, labels(&[("entity", entity), ("scope", scope)]), now);
            }
        }
        add_steps(&mut samples, report);
        Some(Self { command, good, samples })
    }
}

/// The samples of the steps. Documents have no number among their labels, so that their samples do not grow without
/// end: those of a run are added up.
fn add_steps(samples: &mut Samples, report: &RunReport) {
    let mut add = |metric: &Metric, labels: String, value: f64| {
        *samples.entry((metric.name, labels)).or_default() += value;
    };
    for step in &report.steps {
        let scope = scope_of(step).unwrap_or_default();
        let entity = step.entity.as_deref().unwrap_or_default();
        let own = [
            ("command", report.command.as_str()),
            ("step", &step.step),
            ("entity", entity),
            ("scope", scope),
        ];
        let failed = matches!(step.status, Status::Error | Status::Skipped);
        add(&STEP_FAILED, labels(&own), f64::from(u8::from(failed)));
        add(&STEP_DURATION, labels(&own), step.duration_ms as f64 / 1000.0);
        for (what, rows) in step.counts.named() {
            let [command, name, entity, scope] = own;
            add(&ROWS, labels(&[command, name, entity, scope, ("rows", what)]), rows as f64);
        }
    }
}

/// The scope of a mirrored table's step, empty where the table has none; nothing for a step that mirrors no table.
fn scope_of(step: &StepReport) -> Option<&str> {
    let name = step.entity.as_deref()?;
    tables::named(name)?;
    Some(step.scope.as_deref().unwrap_or_default())
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    pairs.join(",")
}

fn render(samples: &Samples) -> String {
    let mut out = String::new();
    for metric in METRICS {
        let of_it: Vec<_> = samples.iter().filter(|((name, _), _)| *name == metric.name).collect();
        if of_it.is_empty() {
            continue;
        }
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {} gauge", metric.name, metric.help, metric.name);
        for ((name, labels), value) in of_it {
            let _ = writeln!(out, "{name}{{{labels}}} {value}");
        }
    }
    out
}

/// The samples of a file that [`render`] wrote; what is none is left out.
fn parse(text: &str) -> Samples {
    let sample = |line: &str| {
        let (head, value) = line.rsplit_once(' ')?;
        let (name, labels) = head.split_once('{')?;
        let metric = METRICS.iter().find(|metric| metric.name == name)?;
        Some(((metric.name, labels.strip_suffix('}')?.to_owned()), value.parse().ok()?))
    };
    text.lines().filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use uuid::Uuid;

    fn told(command: &str, steps: Vec<StepReport>, seconds: i64) -> Update {
        let report = RunReport {
            command: command.to_owned(),
            run_id: Uuid::nil(),
            dry_run: false,
            slot: None,
            started_at: DateTime::UNIX_EPOCH,
            duration: Duration::from_millis(1500),
            steps,
            failure: None,
        };
        Update::of(&report, DateTime::from_timestamp(seconds, 0).unwrap()).unwrap()
    }

    #[test]
    fn a_command_replaces_its_own_samples_and_keeps_the_others() {
        let mut stock = StepReport::new("stock", Some("stock_balance"), None);
        stock.counts.fetched = 7;
        let first = merged("", &told("sync stock", vec![stock.clone()], 100));
        let failure = Failure::new(Kind::Unreachable, "gone");
        let second = merged(&first, &told("sync iiko", vec![], 200));
        let third = merged(&second, &told("sync stock", vec![stock.failed(&failure)], 300));
        for line in [
            "zerkalo_run_timestamp_seconds{command=\"sync iiko\"} 200",
            "zerkalo_run_timestamp_seconds{command=\"sync stock\"} 300",
            "zerkalo_run_success_timestamp_seconds{command=\"sync stock\"} 100",
            "zerkalo_run_exit_code{command=\"sync stock\"} 5",
            "zerkalo_run_duration_seconds{command=\"sync iiko\"} 1.5",
            "zerkalo_step_failed{command=\"sync stock\",step=\"stock\",entity=\"stock_balance\",scope=\"\"} 1",
            "zerkalo_entity_success_timestamp_seconds{entity=\"stock_balance\",scope=\"\"} 100",
        ] {
            assert!(third.lines().any(|known| known == line), "{line}\n{third}");
        }
        assert!(!third.contains("} 100\nzerkalo_run_timestamp"), "{third}");
        assert_eq!(third.matches("# TYPE zerkalo_run_exit_code gauge").count(), 1);
        assert_eq!(render(&parse(&third)), third, "what is read is what was written");
    }

    #[test]
    fn documents_are_added_up_and_garbage_is_dropped() {
        let document = |number: &str| {
            let mut step = StepReport::new("documents", Some("document_outbox"), Some(number));
            step.counts.updated = 1;
            step
        };
        let update = told("negative-transfer", vec![document("T1"), document("T2")], 1);
        let text = merged("garbage\nzerkalo_run_exit_code{broken 1\nother{} 3\n", &update);
        assert!(!text.contains("T1") && !text.contains("garbage") && !text.contains("other"), "{text}");
        assert!(text.contains("scope=\"\",rows=\"updated\"} 2\n"), "{text}");
    }

    #[test]
    fn a_label_is_one_line() {
        assert_eq!(labels(&[("a", "x\"\\\ny")]), "a=\"x\\\"\\\\\\ny\"");
    }
}
