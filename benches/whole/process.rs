//! Runs the binary and measures it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use wait4::Wait4 as _;

/// What one run took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// The most memory that was resident, in kB.
    pub(crate) memory: u64,
    /// What it printed, where that is JSON.
    pub(crate) report: Value,
}

/// Runs a command, which must succeed.
pub(crate) fn run(command: &mut Command) -> Result<Run> {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (ended, memory) = (AtomicBool::new(false), AtomicU64::new(0));
    let status = format!("/proc/{}/status", child.id());
    let (wall, used) = std::thread::scope(|scope| {
        // The kernel's own maximum starts from the size of the process that forks, which here holds the answers.
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let high_water = std::fs::read_to_string(&status).ok().and_then(|text| high_water(&text));
                memory.fetch_max(high_water.unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        let used = child.wait4();
        let wall = started.elapsed();
        ended.store(true, Ordering::Relaxed);
        (wall, used)
    });
    let used = used?;
    let output = std::io::read_to_string(child.stdout.take().context("piped")?)?;
    let errors = std::io::read_to_string(child.stderr.take().context("piped")?)?;
    ensure!(used.status.success(), "{command:?} ended with {}\n{output}\n{errors}", used.status);
    Ok(Run {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        memory: memory.into_inner(),
        report: serde_json::from_str(&output).unwrap_or_default(),
    })
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The runs' medians, each figure for itself.
pub(crate) fn median(runs: &[Run]) -> Run {
    Run {
        wall: middle(runs.iter().map(|run| run.wall)),
        cpu: middle(runs.iter().map(|run| run.cpu)),
        memory: middle(runs.iter().map(|run| run.memory)),
        report: runs.last().map(|run| run.report.clone()).unwrap_or_default(),
    }
}

/// The middle one of some values.
pub(crate) fn middle<T: Ord>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    let middle = values.len() / 2;
    values.swap_remove(middle)
}

impl Run {
    /// Checks what a run says it did in all: rows inserted, updated, deleted.
    pub(crate) fn expect(&self, inserted: u64, updated: u64, deleted: u64) -> Result<()> {
        let steps = self.report["steps"].as_array().context("a report has steps")?;
        let sum = |field: &str| steps.iter().filter_map(|step| step[field].as_u64()).sum::<u64>();
        let done = (sum("inserted"), sum("updated"), sum("deleted"));
        ensure!(done == (inserted, updated, deleted), "inserted, updated, deleted were {done:?}");
        Ok(())
    }
}
