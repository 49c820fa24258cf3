//! Files, and what they may not be: whoever else writes to this host must not make us wait, follow or overwrite.
//!
//! - [`named`]: files that an operator names, which we only read
//! - [`own`]: files of ours, which nobody else may have put there

pub(crate) mod named;
pub(crate) mod own;

use std::{
    fs::{File, FileType, OpenOptions},
    io::{Error, ErrorKind, Result},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Opens without following a last link, and without waiting for the other end of a pipe or for a device.
fn open(options: &mut OpenOptions, path: &Path) -> Result<File> {
    use rustix::{fs::OFlags, io::Errno};
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed()).open(path).map_err(|error| {
        match Errno::from_io_error(&error) {
            Some(Errno::LOOP) => Error::new(ErrorKind::InvalidInput, "it is a symbolic link"),
            // A socket, or a pipe that is opened for writing and has no reader.
            Some(Errno::NXIO) => unfit("a socket or a pipe"),
            _ => error,
        }
    })
}

/// Refuses what is no regular file.
pub(crate) fn check_regular(kind: FileType) -> Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    Err(unfit(if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a device"
    }))
}

fn unfit(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("it is {what} and is not a regular file"))
}
