//! The token of the running session in a 0600 file, so that the run after a kill -9 can log that session out: a
//! licence may have one slot only, and a session lasts about an hour.

use super::api::is_plausible;
use crate::{
    engine::hash,
    error::{Failure, Kind, Result},
};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// What stands in the file from before a login until its token does. No token has a space.
const LOGGING_IN: &str = "logging in";

/// What an earlier run left over.
#[derive(Debug)]
pub(super) enum LeftOver {
    /// It ended in order.
    Nothing,
    /// A session that can be ended.
    Session(SecretString),
    /// A login whose answer nobody heard: if it opened a session, nobody can end it.
    Login,
}

/// The sessions that are remembered: the name that a session shares with its lock, and since when, UTC. A run that works
/// has one, too.
pub fn remembered(state: &Path) -> Result<Vec<(String, DateTime<Utc>)>> {
    let folder = state.join("sessions");
    let read = || -> std::io::Result<Vec<_>> {
        let mut sessions = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let since = entry.metadata()?.modified()?;
            sessions.push((entry.file_name().to_string_lossy().into_owned(), since.into()));
        }
        sessions.sort();
        Ok(sessions)
    };
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::new(Kind::Usage, format!("cannot read {}", folder.display()))
            .hint("start this as the user whose runs they are")
            .source(error)),
        Ok(sessions) => Ok(sessions),
    }
}

/// Where one server's session is remembered.
#[derive(Debug)]
pub(super) struct SessionFile {
    path: PathBuf,
}

impl SessionFile {
    pub(super) fn new(state: &Path, base: &str, login: &str) -> Self {
        let name = hash::short(&format!("{base} {login}"));
        Self { path: state.join("sessions").join(name) }
    }

    /// What a run left over.
    pub(super) fn read(&self) -> Result<LeftOver> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LeftOver::Nothing),
            Err(error) => return Err(self.failure("read", error)),
        };
        // A power cut may leave anything here; what is no token cannot be logged out.
        let text = String::from_utf8_lossy(&bytes);
        Ok(match text.trim() {
            LOGGING_IN => LeftOver::Login,
            token if is_plausible(token) => LeftOver::Session(token.to_owned().into()),
            _ => LeftOver::Nothing,
        })
    }

    /// Notes that a login is about to be sent.
    pub(super) fn announce(&self) -> Result<()> {
        self.put(LOGGING_IN)
    }

    /// Keeps the session's token.
    pub(super) fn write(&self, token: &SecretString) -> Result<()> {
        self.put(token.expose_secret())
    }

    /// One call writes, over what stands there: whoever is killed leaves the old text or the new one.
    fn put(&self, text: &str) -> Result<()> {
        let folder = self.path.parent().expect("made of two parts");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| {
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .mode(0o600)
                    .open(&self.path)?;
                file.write_all(text.as_bytes())?;
                file.set_len(text.len() as u64)
            })
            .map_err(|error| self.failure("write", error))
    }

    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failure("remove", error)),
            _ => Ok(()),
        }
    }

    fn failure(&self, what: &str, error: std::io::Error) -> Failure {
        let message = format!("cannot {what} the session file {}", self.path.display());
        Failure::of_file(message, "check the owner and mode of that folder, or set ZERKALO_STATE_DIR", error)
    }
}
