//! Files and folders of ours: locks, sessions, alarms. A name alone is nobody's word: another user may have put a link
//! there, or a further name of a file that is to be overwritten.

use super::{check_regular, open};
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{Error, ErrorKind, Read as _, Result},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// What may be in the state directory. One that has nothing else in it is ours alone, and is closed to others.
const STATE: [&str; 4] = ["alarms", "locks", "metrics.lock", "sessions"];

/// A lock file or a session file is not longer, in bytes.
const LONGEST: u64 = 1 << 16;

/// The state directory, made where it is missing. It is ours, and nobody else may put anything into it. That it is a
/// link is systemd's way (`DynamicUser=`).
pub(crate) fn state(path: &Path) -> Result<()> {
    make(path)?;
    let folder = File::open(path)?;
    let found = folder.metadata()?;
    check_owner(&found)?;
    let mode = found.mode() & 0o7777;
    if !is_open(mode) {
        return Ok(());
    }
    let is_known = |entry: Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| STATE.iter().any(|name| entry.file_name() == *name))
    };
    // One that all users share is not taken away from them.
    if mode & 0o1000 == 0 && fs::read_dir(path)?.all(is_known) {
        return folder.set_permissions(Permissions::from_mode(0o700));
    }
    if mode & 0o022 != 0 {
        return Err(refused(format!("others may write to the folder {} (mode {mode:04o})", path.display())));
    }
    Ok(())
}

/// A folder of that name in the state directory, made where it is missing.
pub(crate) fn in_state(state_directory: &Path, name: &str) -> Result<PathBuf> {
    state(state_directory)?;
    let place = state_directory.join(name);
    folder(&place)?;
    Ok(place)
}

/// A folder that is ours alone, made where it is missing.
pub(crate) fn folder(path: &Path) -> Result<()> {
    make(path)?;
    // A link is refused; so is what has taken the folder's place meanwhile.
    let folder = open(OpenOptions::new().read(true), path)?;
    let found = folder.metadata()?;
    if !found.is_dir() {
        return Err(refused(format!("{} is no folder", path.display())));
    }
    check_owner(&found)?;
    close(&folder, &found, 0o700)
}

/// A file of ours to read and write, made where it is missing.
pub(crate) fn file(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    ours(options.read(true).write(true).create(true).truncate(false).mode(0o600), path)
}

/// What is in a file of ours.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    ours(OpenOptions::new().read(true), path)?.take(LONGEST).read_to_end(&mut read)?;
    Ok(read)
}

/// A file of whoever runs here, to look into.
pub(crate) fn look(path: &Path) -> Result<File> {
    let file = open(OpenOptions::new().read(true), path)?;
    check_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// Makes a folder, and those above it that are missing, for us alone.
pub(crate) fn make(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn ours(options: &mut OpenOptions, path: &Path) -> Result<File> {
    let file = open(options, path)?;
    let found = file.metadata()?;
    check_regular(found.file_type())?;
    check_owner(&found)?;
    if found.nlink() > 1 {
        return Err(refused("it has a further name elsewhere (a hard link)".to_owned()));
    }
    close(&file, &found, 0o600)?;
    Ok(file)
}

/// Refuses what another user could change under our hands. Root may work for every user.
fn check_owner(found: &Metadata) -> Result<()> {
    let us = rustix::process::geteuid().as_raw();
    if us == 0 || found.uid() == us {
        return Ok(());
    }
    Err(refused(format!("it belongs to user {}", found.uid())))
}

/// Closes what others may use.
fn close(file: &File, found: &Metadata, mode: u32) -> Result<()> {
    if is_open(found.mode()) { file.set_permissions(Permissions::from_mode(mode)) } else { Ok(()) }
}

/// Whether others may do anything with it.
const fn is_open(mode: u32) -> bool {
    mode & 0o077 != 0
}

fn refused(text: String) -> Error {
    Error::new(ErrorKind::PermissionDenied, text)
}
