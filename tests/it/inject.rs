//! Runs in which a chosen system call fails: `inject.c`, compiled here and preloaded into the binary.

use super::{
    harness::{Outcome, World},
    process::skip,
};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

/// The errors with which a call can fail, as Linux numbers them.
const ECONNRESET: i32 = 104;
const ECONNREFUSED: i32 = 111;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EPIPE: i32 = 32;

/// The kinds of calls, and how each fails.
pub(crate) const KINDS: [(&str, [i32; 2]); 7] = [
    ("write", [ENOSPC, EIO]),
    ("sync", [EIO, ENOSPC]),
    ("create", [ENOSPC, EIO]),
    ("say", [ENOSPC, EPIPE]),
    ("connect", [ECONNREFUSED, ECONNRESET]),
    ("send", [EPIPE, ECONNRESET]),
    ("recv", [ECONNRESET, EIO]),
];

/// Which calls of a run fail, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failing {
    /// One of [`KINDS`].
    pub(crate) kind: &'static str,
    /// The number of the first call that fails, from 1.
    pub(crate) at: usize,
    /// Whether every later one fails, too: a disk stays full, an upstream stays away.
    pub(crate) lasts: bool,
    /// The number of the error.
    pub(crate) error: i32,
}

impl fmt::Display for Failing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasts = if self.lasts { " and every later one" } else { "" };
        write!(formatter, "{} {}{lasts} fails with error {}", self.kind, self.at, self.error)
    }
}

/// A call that could have failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// One of [`KINDS`].
    pub(crate) kind: String,
    /// A file's path, or `:` and the port of a socket's peer.
    pub(crate) on: String,
    /// Whether it did.
    pub(crate) failed: bool,
}

/// The library, or why there is none.
static LIBRARY: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/inject.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("inject.so");
    // Another run of the tests may read the file that is there.
    let made = library.with_extension(std::process::id().to_string());
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&made, &source])
        .arg("-ldl")
        .output();
    match compiled {
        _ if !cfg!(all(target_os = "linux", target_env = "gnu")) => {
            Err("system calls are made to fail on Linux with glibc only".to_owned())
        }
        Err(error) => Err(format!("no system call is made to fail without a C compiler: cc: {error}")),
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            fs::rename(&made, &library).unwrap();
            Ok(library)
        }
    }
});

/// Whether calls can be made to fail here; says so aloud where they cannot.
pub(crate) fn can_inject() -> bool {
    LIBRARY.as_ref().map_err(|why| skip(why)).is_ok()
}

impl World {
    /// Runs the binary while calls fail, or while they are only counted. It must end by itself, within two minutes.
    #[track_caller]
    pub(crate) fn run_failing(&self, arguments: &[&str], failing: Option<Failing>) -> (Outcome, Vec<Call>) {
        let log = self.home.path().join("calls");
        let _ = fs::remove_file(&log);
        let mut command = self.command(arguments);
        command.arg("--json").env("LD_PRELOAD", LIBRARY.as_ref().unwrap()).env("INJECT_LOG", &log);
        if let Some(Failing { kind, at, lasts, error }) = failing {
            let last = if lasts { usize::MAX >> 1 } else { at };
            let settings = [("AT", at.to_string()), ("LAST", last.to_string()), ("ERRNO", error.to_string())];
            command.env("INJECT_KIND", kind);
            command.envs(settings.map(|(name, value)| (format!("INJECT_{name}"), value)));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_mins(2);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > patience {
                let _ = child.kill();
                panic!("the run does not end: {failing:?}");
            }
            thread::sleep(Duration::from_millis(2));
        }
        let outcome = child.wait_with_output().unwrap().into();
        let calls = fs::read_to_string(&log).unwrap_or_default().lines().map(call).collect();
        (outcome, calls)
    }
}

/// Reads a line of the library's log.
fn call(line: &str) -> Call {
    let (line, failed) = line.strip_suffix(" failed").map_or((line, false), |line| (line, true));
    let mut words = line.splitn(3, ' ').skip(1);
    let mut word = || words.next().unwrap_or_default().to_owned();
    Call { kind: word(), on: word(), failed }
}
