//! The token of the running session in a 0600 file, so that the run after a kill -9 can log that session out: a
//! licence may have one slot only, and a session lasts about an hour.

use crate::{
    engine::hash,
    error::{Failure, Kind, Result},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

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

    /// The token that a run left over.
    pub(super) fn read(&self) -> Result<Option<SecretString>> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Ok(Some(text.trim().to_owned().into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failure("read", error)),
        }
    }

    pub(super) fn write(&self, token: &SecretString) -> Result<()> {
        let folder = self.path.parent().expect("made of two parts");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| {
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&self.path)?;
                file.write_all(token.expose_secret().as_bytes())
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
        Failure::new(Kind::Usage, format!("cannot {what} the session file {}", self.path.display()))
            .hint("check the owner and mode of that folder, or set ZERKALO_STATE_DIR")
            .source(error)
    }
}
