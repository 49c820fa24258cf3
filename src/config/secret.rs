//! Secrets in files: who may read them, and how they are read.

use std::{
    fs::{File, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use super::{Environment, keeper};
use crate::{
    error::{Failure, Kind, Result},
    files::named,
};

/// No password is longer; a wrong path (a database, a device) is not read into memory.
const LONGEST: u64 = 64 << 10;

/// Refuses a file that others may read or write although it holds a secret.
pub(super) fn check_private(path: &Path, metadata: &Metadata) -> Result<()> {
    let shown = path.display();
    let refuse = |message: String, hint: String| Err(Failure::new(Kind::Usage, message).hint(hint));
    let owner = metadata.uid();
    if owner != keeper::us() && owner != 0 {
        let message = format!("{shown} holds a secret and belongs to user {}", keeper::user(owner));
        return refuse(message, keeper::become_keeper(path).unwrap_or_else(|| keeper::make_private(path)));
    }
    if metadata.mode() & 0o077 != 0 {
        let message = format!("{shown} holds a secret and can be read by others");
        return refuse(message, keeper::make_private(path));
    }
    Ok(())
}

/// Refuses that root works with the package's settings: the services, which are another user's, could not use the files
/// that it makes. In a container, where that user has no name, root is all there is.
pub(super) fn check_user(path: &Path, metadata: &Metadata) -> Result<()> {
    let owner = metadata.uid();
    if keeper::us() != 0 || owner == 0 || !keeper::of_package(path) || !keeper::is_known(owner) {
        return Ok(());
    }
    let text = format!("{} is for user {}, not for root", path.display(), keeper::user(owner));
    Err(Failure::new(Kind::Usage, text)
        .hint(keeper::become_keeper(path).unwrap_or_else(|| keeper::make_private(path))))
}

/// A file that cannot be read: for want of rights, which `keeper` knows a remedy for, or for another reason.
pub(super) fn cannot_read(what: &str, path: &Path, error: &std::io::Error, otherwise: &str) -> Failure {
    let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
    let hint = if denied { keeper::make_readable(path) } else { otherwise.to_owned() };
    Failure::new(Kind::Usage, format!("{what} cannot be read: {error}")).hint(hint)
}

/// The secret in the file that the setting `name` names.
pub(crate) fn read_file(name: &str, path: &Path) -> Result<String> {
    let file = named::opened(path).map_err(|error| unreadable(name, path, &error))?;
    check_private(path, &file.metadata().map_err(|error| unreadable(name, path, &error))?)?;
    read(name, path, &file)
}

/// The secret that systemd placed for us, under its exact or its lower-case name.
///
/// Its directory is private to the service; the file's group bits are the mask of an access list, so the mode says
/// nothing here.
pub(super) fn credential(
    name: &str,
    environment: &Environment,
) -> Result<Option<(std::path::PathBuf, String)>> {
    let Some(directory) = environment.directory("CREDENTIALS_DIRECTORY")? else { return Ok(None) };
    for path in [directory.join(name), directory.join(name.to_lowercase())] {
        match named::opened(&path) {
            Ok(file) => {
                let secret = read(name, &path, &file)?;
                return Ok(Some((path, secret)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(name, &path, &error)),
        }
    }
    Ok(None)
}

fn read(name: &str, path: &Path, file: &File) -> Result<String> {
    let text = named::text(file, LONGEST).map_err(|error| unreadable(name, path, &error))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(Failure::new(Kind::Usage, format!("{} (for {name}) is empty", path.display()))
            .hint("put the secret alone into that file"));
    }
    Ok(text.to_owned())
}

fn unreadable(name: &str, path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("{} (for {name})", path.display());
    cannot_read(&what, path, error, "check that path; it is to be a file with the secret alone")
}
