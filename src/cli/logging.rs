//! Log lines on stderr, and the libraries that must not be heard.

use std::io;

use chrono_tz::Tz;
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, filter_fn},
    fmt::{FormatFields, MakeWriter, format::Writer, time::FormatTime},
    layer::{Filter, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::{
    cli::printer::{Printer, Verbosity},
    clock::Clock,
    error::{Failure, Kind, Result},
};

/// Libraries that log requests, statements or tokens below `warn`.
const SEALED: [&str; 5] = ["hyper", "h2", "reqwest", "rustls", "sqlx"];

/// Starts logging to stderr: as loud as `-q` and `-v` say, or as `filter` (`ZERKALO_LOG`) does.
///
/// Fails with [`Kind::Usage`] when `filter` is not a list of tracing directives.
pub fn start(printer: &Printer, filter: Option<&str>) -> Result<()> {
    let filter = match filter.filter(|filter| !filter.is_empty()) {
        Some(filter) => filter.to_owned(),
        None => default_filter(printer.verbosity(), printer.stderr_is_terminal()).to_owned(),
    };
    let layer = lines(
        printer.clone(),
        printer.stderr_colour(),
        // On a terminal the operator has a clock; a log file or a cron mail has none.
        (!printer.stderr_is_terminal()).then(|| Clock::from_environment(Tz::UTC)).transpose()?,
        printer.verbosity().verbose > 1,
    );
    // Only a second start in one process can fail, and then the first one goes on.
    let _ = tracing_subscriber::registry().with(layer.with_filter(sealed(&filter)?)).try_init();
    Ok(())
}

const fn default_filter(verbosity: Verbosity, terminal: bool) -> &'static str {
    match (verbosity.quiet, verbosity.verbose, terminal) {
        // On a terminal the bars and the table say what the lines would.
        (true, ..) | (_, 0, true) => "warn",
        (_, 0, false) => "warn,zerkalo=info",
        (_, 1, _) => "warn,zerkalo=debug",
        (_, 2, _) => "info,zerkalo=trace",
        _ => "trace",
    }
}

/// The operator's filter, below which the sealed libraries stay at `warn`, whatever it says of them or their parts.
fn sealed<S: Subscriber + for<'a> LookupSpan<'a>>(filter: &str) -> Result<impl Filter<S> + use<S>> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::new(Kind::Usage, format!("ZERKALO_LOG is not a log filter: {error}"))
            .hint("such as `info` or `warn,zerkalo=debug`")
    })?;
    let audible = |metadata: &Metadata<'_>| {
        *metadata.level() <= Level::WARN || !SEALED.iter().any(|name| metadata.target().starts_with(name))
    };
    // A directive for a part (`hyper::proto=trace`) outweighs one for the whole, so directives alone cannot seal.
    Ok(filter.and(filter_fn(audible).with_max_level_hint(LevelFilter::TRACE)))
}

fn lines<S, W>(writer: W, colour: bool, clock: Option<Clock>, target: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    tracing_subscriber::fmt::format::DefaultFields: for<'a> FormatFields<'a>,
{
    tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colour)
        .with_target(target)
        .with_timer(Stamp(clock))
}

/// The moment of a line, in UTC and whole seconds; nothing without a clock.
struct Stamp(Option<Clock>);

impl FormatTime for Stamp {
    fn format_time(&self, out: &mut Writer<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(clock) => write!(out, "{}", clock.now().format("%Y-%m-%dT%H:%M:%SZ")),
            None => Ok(()),
        }
    }
}

/// Writes one log line to stderr with the bars out of the way.
pub struct LineWriter<'a>(&'a Printer);

impl io::Write for LineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.stderr_bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Printer {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = lines(move || writer.clone(), false, None, true).with_filter(sealed(filter).unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::trace!(target: "zerkalo::engine", "ours");
            tracing::trace!(target: "hyper::proto", "token hyper");
            tracing::debug!(target: "hyper_util::client", "token hyper_util");
            tracing::info!(target: "sqlx::query", "token sqlx");
            tracing::warn!(target: "rustls::conn", "loud");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn sealed_libraries_stay_quiet_whatever_the_filter_says() {
        for filter in ["trace", "trace,hyper::proto=trace,sqlx::query=trace,hyper_util=debug"] {
            let text = logged(filter);
            assert!(text.contains("ours") && text.contains("loud"), "{text}");
            assert!(!text.contains("token"), "{text}");
        }
        assert!(!logged("warn").contains("ours"));
        assert_eq!(sealed::<tracing_subscriber::Registry>("a=b=c").err().unwrap().kind, Kind::Usage);
    }

    #[test]
    fn cron_gets_lines_where_a_terminal_has_bars() {
        let plain = Verbosity::default();
        assert_eq!(default_filter(plain, true), "warn");
        assert_eq!(default_filter(plain, false), "warn,zerkalo=info");
        assert_eq!(default_filter(Verbosity { quiet: true, verbose: 0 }, false), "warn");
        assert_eq!(default_filter(Verbosity { quiet: false, verbose: 3 }, true), "trace");
    }
}
