//! The only place that prints: results to stdout, everything else to stderr.
//!
//! Whoever reads us may stop reading (`zerkalo … | head`); that neither panics nor fails the work.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, ErrorKind, IsTerminal as _, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    error::{Failure, is_unprintable},
    report::{RunReport, StepReport, documents, duration, number, stoplist},
    unread,
};

/// The width of a result that no terminal shows: a mail, a file.
const WIDTH: u16 = 120;

/// How often a log line tells of an entity that is still running.
const STILL_RUNNING: Duration = Duration::from_secs(5);

/// How much is said beside the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// Warnings and errors only.
    pub quiet: bool,
    /// The number of `-v`.
    pub verbose: u8,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl Colour {
    fn on(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// Prints; a clone prints to the same places.
#[derive(Clone)]
pub struct Printer(Arc<Inner>);

struct Inner {
    verbosity: Verbosity,
    json: bool,
    stdout: Stream,
    stderr: Stream,
    unread: unread::Lines,
    /// Bars to draw over; none where nobody watches.
    bars: Option<MultiProgress>,
    running: Mutex<Vec<Weak<MeterState>>>,
    ticking: AtomicBool,
}

#[derive(Clone, Copy)]
struct Stream {
    terminal: bool,
    colour: bool,
}

impl Printer {
    /// Finds out where stdout and stderr lead.
    pub fn new(verbosity: Verbosity, json: bool, colour: Colour) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let stream = |terminal| Stream { terminal, colour: colour.on(terminal && !dumb) };
        let (stdout, stderr) = (stream(io::stdout().is_terminal()), stream(io::stderr().is_terminal()));
        Self(Arc::new(Inner {
            verbosity,
            json,
            stdout,
            stderr,
            unread: unread::Lines::default(),
            bars: (stderr.terminal && !dumb && !verbosity.quiet).then(MultiProgress::new),
            running: Mutex::default(),
            ticking: AtomicBool::new(false),
        }))
    }

    /// How much is said.
    pub fn verbosity(&self) -> Verbosity {
        self.0.verbosity
    }

    /// Whether the result is one JSON object.
    pub fn is_json(&self) -> bool {
        self.0.json
    }

    /// Whether a person watches stderr.
    pub fn stderr_is_terminal(&self) -> bool {
        self.0.stderr.terminal
    }

    /// Whether stdout is coloured.
    pub fn stdout_colour(&self) -> bool {
        self.0.stdout.colour
    }

    /// Whether stderr is coloured.
    pub fn stderr_colour(&self) -> bool {
        self.0.stderr.colour
    }

    /// The columns of the terminal that stdout is, or 120.
    pub fn width(&self) -> u16 {
        let size = self.0.stdout.terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()));
        size.and_then(Result::ok).map(|size| size.ws_col).filter(|columns| *columns > 0).unwrap_or(WIDTH)
    }

    /// Asks a person a question; no where nobody sits at a terminal.
    pub fn confirms(&self, question: &str) -> bool {
        if !self.stderr_is_terminal() || !io::stdin().is_terminal() {
            return false;
        }
        self.stderr(&format!("{question} [y/N]"));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// Prints a part of the result; a missing line end is added.
    pub fn stdout(&self, text: &str) {
        let text = printable(text, self.0.stdout.colour);
        let result = self.undisturbed(|| write_lines(io::stdout().lock(), &text));
        if let Err(error) = result {
            tracing::warn!("the result could not be printed: {error}");
        }
    }

    /// Prints a message; a missing line end is added.
    pub fn stderr(&self, text: &str) {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.stderr_bytes(format!("{text}{end}").as_bytes());
    }

    /// Writes whole lines to stderr, with the bars out of the way. Where nobody reads them they are dropped.
    pub(crate) fn stderr_bytes(&self, lines: &[u8]) {
        let lines = String::from_utf8_lossy(lines);
        let lines = printable(&lines, self.0.stderr.colour);
        self.undisturbed(|| self.0.unread.write(lines.as_bytes(), self.0.stderr.terminal));
    }

    /// Prints a result as one line of JSON. What is not fit for a terminal is escaped in JSON's own way, so whoever reads
    /// the JSON reads it as it is.
    pub fn json(&self, value: &Value) {
        self.stdout(&escaped(&value.to_string(), |_| false, |unit| format!("\\u{unit:04x}")));
    }

    /// Prints what a run did: JSON, or the table; with `--quiet` only what is wrong, on stderr.
    pub fn report(&self, report: &RunReport) {
        if self.0.json {
            return self.json(&report.to_json());
        }
        if self.0.verbosity.quiet {
            return self.stderr(&report.notes(self.0.stderr.colour));
        }
        let (width, colour) = (self.width(), self.0.stdout.colour);
        self.stdout(&if self.0.verbosity.verbose > 0 {
            report.full_table(width, colour)
        } else {
            report.table(width, colour)
        });
    }

    /// Prints what a run did with documents, in the same ways.
    pub fn documents(&self, report: &documents::Report) {
        if self.0.json {
            return self.json(&report.to_json());
        }
        if self.0.verbosity.quiet {
            let notes = report.run.as_ref().map(|run| run.notes(self.0.stderr.colour));
            return self.stderr(&notes.unwrap_or_default());
        }
        self.stdout(&report.table(self.width(), self.0.stdout.colour));
    }

    /// Prints the report of the stop-list, in the same ways.
    pub fn stoplist(&self, report: &stoplist::Report) {
        if self.0.json {
            return self.json(&report.to_json());
        }
        if self.0.verbosity.quiet {
            let notes = report.run.as_ref().map(|run| run.notes(self.0.stderr.colour));
            return self.stderr(&notes.unwrap_or_default());
        }
        self.stdout(&report.shown(self.0.stdout.colour));
    }

    /// Prints why a command without a run report failed.
    pub fn failure(&self, failure: &Failure) {
        if self.0.json {
            let code = failure.kind.exit_code();
            let hint = &failure.hint;
            return self.json(&json!({ "exit_code": code, "error": failure.to_string(), "hint": hint }));
        }
        let mut text = if self.0.stderr.colour { "\u{1b}[31merror\u{1b}[0m" } else { "error" }.to_owned();
        let _ = write!(text, ": {failure}");
        if let Some(hint) = &failure.hint {
            let _ = write!(text, "\n  hint: {hint}");
        }
        self.stderr(&text);
    }

    /// Shows the progress of one entity until the meter is done or dropped.
    pub fn meter(&self, entity: &str) -> Meter {
        let bar = self.0.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner().with_style(style()).with_prefix(entity.to_owned()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let meter = Meter(Arc::new(MeterState {
            name: entity.to_owned(),
            rows: AtomicU64::new(0),
            phase: Mutex::new("waiting".to_owned()),
            since: Instant::now(),
            finished: AtomicBool::new(false),
            bar,
        }));
        meter.phase("waiting");
        let mut running = lock(&self.0.running);
        running.retain(|meter| meter.strong_count() > 0);
        running.push(Arc::downgrade(&meter.0));
        drop(running);
        if self.0.bars.is_none() && !self.0.verbosity.quiet {
            self.start_ticking();
        }
        meter
    }

    /// Writes with the bars out of the way, so that neither tears the other.
    pub(crate) fn undisturbed<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// One line for each entity that is still running.
    fn running(&self) -> Vec<String> {
        let running = lock(&self.0.running);
        let alive = running.iter().filter_map(Weak::upgrade);
        alive.filter(|meter| !meter.finished.load(Ordering::Relaxed)).map(|meter| meter.line()).collect()
    }

    fn start_ticking(&self) {
        if self.0.ticking.swap(true, Ordering::Relaxed) {
            return;
        }
        let printer = Arc::downgrade(&self.0);
        let tick = move || loop {
            thread::sleep(STILL_RUNNING);
            let Some(inner) = printer.upgrade() else { return };
            for line in Self(inner).running() {
                tracing::info!("{line}");
            }
        };
        // Without the thread the run goes on and only says less.
        let _ = thread::Builder::new().name("progress".to_owned()).spawn(tick);
    }
}

/// The progress of one entity; a clone counts for the same one.
#[derive(Clone)]
pub struct Meter(Arc<MeterState>);

struct MeterState {
    name: String,
    rows: AtomicU64,
    phase: Mutex<String>,
    since: Instant,
    finished: AtomicBool,
    bar: Option<ProgressBar>,
}

impl Meter {
    /// Counts `rows` more rows as read.
    pub fn add(&self, rows: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(bar) = &self.0.bar {
            bar.inc(rows);
        }
    }

    /// What is being done now: "waiting", "reading", "writing".
    pub fn phase(&self, phase: &str) {
        phase.clone_into(&mut lock(&self.0.phase));
        if let Some(bar) = &self.0.bar {
            bar.set_message(phase.to_owned());
        }
    }

    /// The entity is finished: its bar goes, and a log line says what became of it.
    pub fn done(&self, report: &StepReport) {
        self.0.finished.store(true, Ordering::Relaxed);
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
        tracing::info!("{}", finished(report));
    }
}

impl MeterState {
    fn line(&self) -> String {
        let rows = number(self.rows.load(Ordering::Relaxed));
        let since = duration(self.since.elapsed());
        format!("{}: {}, {rows} rows so far, {since}", self.name, lock(&self.phase))
    }
}

impl Drop for MeterState {
    /// A step that was given up leaves no bar behind.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `iiko_product: success, 1 200 fetched, 3 inserted, 1.2 s`; counts of zero are left out.
fn finished(report: &StepReport) -> String {
    let mut line = format!("{}: {}, {} fetched", report.name(), report.status, number(report.counts.fetched));
    for (count, name) in [
        (report.counts.inserted, "inserted"),
        (report.counts.updated, "updated"),
        (report.counts.deleted, "deleted"),
        (report.counts.delete_blocked, "not deleted (guard)"),
        (report.counts.rejected, "rejected"),
    ] {
        if count > 0 {
            let _ = write!(line, ", {} {name}", number(count));
        }
    }
    let _ = write!(line, ", {}", duration(Duration::from_millis(report.duration_ms)));
    line
}

fn style() -> ProgressStyle {
    let rows = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = write!(out, "{:>10}", number(state.pos()));
    };
    ProgressStyle::with_template("{spinner} {prefix:28} {rows} rows  {msg} {elapsed}")
        .expect("the template is a constant")
        .with_key("rows", rows)
}

/// A poisoned lock guards plain text here: nothing that a panic could leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes `text` with a line end; a reader that has gone is no error.
fn write_lines(mut out: impl Write, text: &str) -> io::Result<()> {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The text without what foreign words could do to a terminal: a lock file, a database, a server or a file's name may hold
/// anything. Line ends and tabs are ours; so are colours, where there are any.
fn printable(text: &str, colour: bool) -> Cow<'_, str> {
    let is_ours = |rest: &str| rest.starts_with(['\n', '\t']) || (colour && is_colour(rest));
    escaped(text, is_ours, |unit| format!("\\u{{{unit:x}}}"))
}

/// Whether a text begins with a sequence that does nothing but colour (`ESC [ 1;31 m`).
fn is_colour(text: &str) -> bool {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return false };
    parameters.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == ';').starts_with('m')
}

/// The text with what is unprintable escaped, but for what `is_ours` knows by what the rest of the text begins with.
fn escaped(text: &str, is_ours: impl Fn(&str) -> bool, escape: impl Fn(u32) -> String) -> Cow<'_, str> {
    let is_foreign = |(at, character): &(usize, char)| is_unprintable(*character) && !is_ours(&text[*at..]);
    let Some((first, _)) = text.char_indices().find(is_foreign) else { return Cow::Borrowed(text) };
    let mut out = text[..first].to_owned();
    for (at, character) in text.char_indices().filter(|(at, _)| *at >= first) {
        if is_foreign(&(at, character)) {
            out.push_str(&escape(character.into()));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Says where a panic happened and nothing else: its message may repeat a value, and a value may be a secret.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        let text = format!(
            "error: internal error{}\n  hint: nothing half-done was committed; please report this place",
            place.unwrap_or_default()
        );
        let _ = write_lines(io::stderr().lock(), &text);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        assert!(write_lines(Broken(ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write_lines(Broken(ErrorKind::StorageFull), "x").is_err());
        let mut out = Vec::new();
        for text in ["", "a", "b\n"] {
            write_lines(&mut out, text).unwrap();
        }
        assert_eq!(out, b"a\nb\n");
    }

    #[test]
    fn foreign_words_do_nothing_to_a_terminal() {
        let text = "a\tb\n\u{1b}[31mred\u{1b}[0m \u{1b}[2J \u{1b}]0;x\u{7} \r \u{9b}2J \u{202e}c\u{61c}";
        let bare =
            "a\tb\n\\u{1b}[31mred\\u{1b}[0m \\u{1b}[2J \\u{1b}]0;x\\u{7} \\u{d} \\u{9b}2J \\u{202e}c\\u{61c}";
        assert_eq!(printable(text, false), bare);
        let coloured = bare.replace("\\u{1b}[31m", "\u{1b}[31m").replace("\\u{1b}[0m", "\u{1b}[0m");
        assert_eq!(printable(text, true), coloured);
        assert!(matches!(printable("Хоз. товары\n", false), Cow::Borrowed(_)));
    }

    #[test]
    fn only_what_still_runs_is_told() {
        let printer = Printer::new(Verbosity { quiet: true, verbose: 0 }, false, Colour::Never);
        let product = printer.meter("iiko_product");
        let store = printer.meter("iiko_store");
        let gone = printer.meter("iiko_gone");
        drop(gone);
        product.clone().add(1200);
        product.phase("reading");
        store.done(&StepReport::new("iiko", Some("iiko_store"), None));
        let lines = printer.running();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("iiko_product: reading, 1 200 rows so far, "), "{lines:?}");
    }

    #[test]
    fn a_finished_step_is_one_line() {
        let mut step = StepReport::new("iiko", Some("iiko_entity"), Some("Measure"));
        (step.counts.fetched, step.counts.updated, step.counts.delete_blocked, step.duration_ms) =
            (1200, 3, 9, 1250);
        let expected =
            "iiko_entity (Measure): success, 1 200 fetched, 3 updated, 9 not deleted (guard), 1.2 s";
        assert_eq!(finished(&step), expected);
    }

    #[test]
    fn colour_follows_the_choice_before_the_terminal() {
        assert!(Colour::Always.on(false) && !Colour::Never.on(true) && !Colour::Auto.on(false));
    }
}
