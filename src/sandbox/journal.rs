//! What was asked: every request in memory and, if wanted, in an append-only file.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use crate::error::{Failure, Kind, Result};

/// One request. It holds no secret: parameters that carry one are shown as `***`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number, from 1, in the order in which requests were handled.
    pub seq: u64,
    /// When it arrived, in milliseconds since the start of the sandbox.
    pub at_ms: u64,
    /// `iiko`, `fintablo` or `telegram`.
    pub upstream: &'static str,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path without its query; the token of a Telegram bot is shown as `***`.
    pub path: String,
    /// The query; the values of `login`, `pass` and `key` are shown as `***`.
    pub query: String,
    /// Whether the request changes what the upstream holds.
    pub write: bool,
    /// Whether it is a login, a logout or another token call; these are never counted as writes.
    pub session: bool,
    /// What it did to the sessions.
    pub event: Option<SessionEvent>,
    /// The status of the answer; none if the connection was closed instead.
    pub status: Option<u16>,
    /// The rule of the upstream that it broke.
    pub violation: Option<String>,
}

/// What a request did to the sessions of the iiko server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEvent {
    /// A login took a licence slot.
    Opened,
    /// A logout freed it.
    Closed,
}

/// The journal.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    entries: Vec<Entry>,
    file: Option<File>,
}

impl Journal {
    /// A journal that also goes to `file`, after what stands there.
    pub(super) fn open(file: Option<&Path>) -> Result<Self> {
        let file = file.map(|path| append(path, "journal")).transpose()?;
        Ok(Self(Mutex::new(Pages { file, ..Pages::default() })))
    }

    /// Adds `entry` under the next number.
    pub(super) fn add(&self, mut entry: Entry) {
        let mut pages = self.lock();
        pages.last += 1;
        entry.seq = pages.last;
        if let Some(file) = &mut pages.file
            && let Ok(mut line) = serde_json::to_vec(&entry)
        {
            line.push(b'\n');
            // One write a line, so that lines of a process that is killed stay whole. A full disk must not
            // stop the stand-in: the journal in memory is what tests read.
            if let Err(error) = file.write_all(&line) {
                tracing::warn!("sandbox journal: {error}");
            }
        }
        pages.entries.push(entry);
    }

    /// All entries since the last [`Journal::clear`].
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// Forgets the entries; numbers go on, and the file keeps what it has.
    pub(super) fn clear(&self) {
        self.lock().entries.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a file for lines after those that it has; `what` it is for stands in the error.
pub(super) fn append(path: &Path, what: &str) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
        Failure::new(Kind::Usage, format!("cannot write the {what} `{}`", path.display())).source(error)
    })
}

/// The query for the journal, without its secrets.
pub(super) fn redact(query: &[(String, String)]) -> String {
    let secret = |key: &str| ["key", "pass", "password", "login", "token"].contains(&key);
    let pair = |(key, value): &(String, String)| format!("{key}={}", if secret(key) { "***" } else { value });
    query.iter().map(pair).collect::<Vec<_>>().join("&")
}
