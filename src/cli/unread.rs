//! Stderr, whose reader may have stopped reading: a pipe that is full must not hold up the work.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
};
use std::{
    io::{self, Write as _},
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long a reader may keep a line waiting. While it does not read, the lines after that one wait no more.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a pipe takes at once when it takes anything (pipe(7): `PIPE_BUF`).
const WHOLE: usize = 4096;

/// Lines for stderr, and how many of them nobody has read.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    dropped: AtomicU64,
}

impl Lines {
    /// Writes lines, or drops them where nobody reads. Whoever reads again is told how many are missing. A person at a
    /// `terminal` may have stopped it to read.
    pub(crate) fn write(&self, bytes: &[u8], terminal: bool) {
        let mut out = io::stderr().lock();
        if terminal {
            let _ = out.write_all(bytes);
            return;
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if !takes(&out, if dropped == 0 { PATIENCE } else { Duration::ZERO }) {
            self.dropped.store(dropped + 1, Ordering::Relaxed);
            return;
        }
        self.dropped.store(0, Ordering::Relaxed);
        let missing = match dropped {
            0 => String::new(),
            lines => format!("… {lines} lines are missing here, because nobody read them\n"),
        };
        for chunk in missing.as_bytes().chunks(WHOLE).chain(bytes.chunks(WHOLE)) {
            if !takes(&out, PATIENCE) {
                self.dropped.store(1, Ordering::Relaxed);
                return;
            }
            // A full disk or a closed stderr must not stop the work, and there is nowhere left to complain to.
            if out.write_all(chunk).is_err() {
                return;
            }
        }
    }
}

/// Whether something can be written within a while without waiting for a reader.
fn takes(out: &impl AsFd, patience: Duration) -> bool {
    let Ok(patience) = Timespec::try_from(patience) else { return true };
    let mut asked = [PollFd::new(out, PollFlags::OUT)];
    // What cannot be asked is tried.
    retry_on_intr(|| poll(&mut asked, Some(&patience))).map_or(true, |ready| ready > 0)
}
