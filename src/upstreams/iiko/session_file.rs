//! The sessions that may be open on an iiko server, in a 0600 file, so that the next run can end or tell of what this one
//! leaves behind: a licence may have one slot only, and a session lasts about an hour.

use super::api::is_plausible;
use crate::{
    engine::hash,
    error::{Failure, Kind, Result},
    files::own,
};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The line of a login that may have opened a session whose token nobody has. No token has a space.
const LOGGING_IN: &str = "logging in";

/// So many sessions that would not end are remembered, the latest; each costs the next run a request.
const MOST: usize = 4;

/// What an earlier run left over.
#[derive(Debug, Default)]
pub(super) struct LeftOver {
    /// Sessions that can be ended.
    pub(super) sessions: Vec<SecretString>,
    /// When a login was sent whose answer nobody heard: if it opened a session, nobody can end it.
    pub(super) login: Option<DateTime<Utc>>,
}

impl LeftOver {
    /// What a file says that was written then. A kill between two steps of writing leaves the end of a line behind a new
    /// one, and a power cut anything; what is no token cannot be logged out.
    fn of(bytes: &[u8], written: Option<SystemTime>) -> Self {
        let mut left = Self::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            match line.trim() {
                line if line.starts_with(LOGGING_IN) => left.login = written.map(DateTime::from),
                token if is_plausible(token) => left.sessions.push(token.to_owned().into()),
                _ => {}
            }
        }
        left
    }
}

/// A login that may have opened a session whose token nobody has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Login {
    /// There is none.
    None,
    /// It is about to be sent.
    Now,
    /// It was sent then.
    At(DateTime<Utc>),
}

/// What is remembered of one login on one server, for whoever looks on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remembered {
    /// The name that it shares with its lock.
    pub name: String,
    /// Since when, UTC.
    pub since: DateTime<Utc>,
    /// Whether all that is known is that a login was sent: a session that it opened can be ended by nobody.
    pub is_login_alone: bool,
}

/// The sessions that are remembered. A run that works has one, too.
pub fn remembered(state: &Path) -> Result<Vec<Remembered>> {
    let folder = state.join("sessions");
    let read = || -> std::io::Result<Vec<_>> {
        let mut sessions = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_file() {
                let left = own::read(&entry.path()).map(|bytes| LeftOver::of(&bytes, found.modified().ok()));
                sessions.push(Remembered {
                    name: entry.file_name().to_string_lossy().into_owned(),
                    since: found.modified()?.into(),
                    is_login_alone: left.is_ok_and(|left| left.login.is_some() && left.sessions.is_empty()),
                });
            }
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

/// Where one server's sessions are remembered.
#[derive(Debug)]
pub(super) struct SessionFile {
    state: PathBuf,
    path: PathBuf,
}

impl SessionFile {
    pub(super) fn new(state: &Path, base: &str, login: &str) -> Self {
        let name = hash::short(&format!("{base} {login}"));
        Self { state: state.to_owned(), path: state.join("sessions").join(name) }
    }

    /// What a run left over.
    pub(super) fn read(&self) -> Result<LeftOver> {
        let read = own::read(&self.path).and_then(|bytes| Ok((bytes, self.path.metadata()?.modified()?)));
        let (bytes, written) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LeftOver::default()),
            Err(error) => return Err(self.failure("read", error)),
        };
        Ok(LeftOver::of(&bytes, Some(written)))
    }

    /// Remembers these sessions and this login, and nothing else. One call writes, over what stands there: whoever is
    /// killed leaves the old text or the new one.
    pub(super) fn write(&self, sessions: &[SecretString], login: Login) -> Result<()> {
        let latest = sessions.iter().skip(sessions.len().saturating_sub(MOST));
        let marked = (!matches!(login, Login::None)).then_some(LOGGING_IN);
        let lines: Vec<&str> = latest.map(ExposeSecret::expose_secret).chain(marked).collect();
        if lines.is_empty() {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failure("remove", error)),
                _ => Ok(()),
            };
        }
        let text = lines.join("\n");
        own::in_state(&self.state, "sessions")
            .and_then(|_| {
                let mut file = own::file(&self.path)?;
                file.write_all(text.as_bytes())?;
                file.set_len(text.len() as u64)?;
                match login {
                    Login::At(time) => file.set_modified(time.into()),
                    Login::None | Login::Now => Ok(()),
                }
            })
            .map_err(|error| self.failure("write", error))
    }

    fn failure(&self, what: &str, error: std::io::Error) -> Failure {
        let message = format!("cannot {what} the session file {}", self.path.display());
        Failure::of_file(message, "check the owner and mode of that folder, or set ZERKALO_STATE_DIR", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_that_may_be_open_is_remembered() {
        let state = tempfile::tempdir().unwrap();
        let file = SessionFile::new(state.path(), "http://iiko", "demo");
        let tokens: Vec<SecretString> = (0..6).map(|n| format!("token-of-session-{n}").into()).collect();
        let read = || {
            let left = file.read().unwrap();
            let sessions = left.sessions.iter().map(|token| token.expose_secret().to_owned());
            (sessions.collect::<Vec<_>>(), left.login.is_some())
        };
        assert_eq!(read(), (vec![], false));
        file.write(&tokens[..2], Login::Now).unwrap();
        assert_eq!(read(), (vec!["token-of-session-0".to_owned(), "token-of-session-1".to_owned()], true));
        // A kill before the rest of the old text was cut off.
        std::fs::write(&file.path, "logging in-session-0").unwrap();
        assert_eq!(read(), (vec![], true));
        file.write(&tokens, Login::None).unwrap();
        assert_eq!(read().0.len(), MOST);
        assert_eq!(read().0[3], "token-of-session-5");
        let then = DateTime::from_timestamp(1_000_000, 0).unwrap();
        file.write(&[], Login::At(then)).unwrap();
        assert_eq!(file.read().unwrap().login, Some(then));
        file.write(&[], Login::None).unwrap();
        assert!(!file.path.exists());
    }
}
