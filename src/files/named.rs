//! Files that an operator names: settings, environments, secrets, certificates, acts. A path may be wrong, or somebody
//! else's doing: whatever is there is looked at before it is opened, and nothing of it is waited for.

use super::{check_regular, open};
use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Read as _, Result},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// No settings file and no environment is longer.
pub(crate) const SETTINGS: u64 = 1 << 20;

/// How many links a path may lead through, as the kernel has it.
const LINKS: usize = 40;

/// Opens a regular file for reading. A link on the way to it is followed where it is root's or ours, as those of a
/// Kubernetes secret volume are: nobody else can make it lead elsewhere.
pub(crate) fn opened(path: &Path) -> Result<File> {
    // Before the links are looked at: what a pipe of a shell is called leads nowhere.
    check_regular(path.metadata()?.file_type())?;
    let file = open(OpenOptions::new().read(true), &resolved(path)?)?;
    // Once more on what was opened: the path may have been replaced in between.
    check_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// What is in a file that is no longer than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    rest(&opened(path)?, limit)
}

/// The text in a file that is no longer than `limit` bytes.
pub(crate) fn text(file: &File, limit: u64) -> Result<String> {
    String::from_utf8(rest(file, limit)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// What is in an opened file.
fn rest(file: &File, limit: u64) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    // Not only its size is asked for: what grows meanwhile has an end, too.
    file.take(limit + 1).read_to_end(&mut read)?;
    if read.len() as u64 > limit {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes")));
    }
    Ok(read)
}

/// Where a path leads to, every link on the way looked at. The file itself is no link.
fn resolved(path: &Path) -> Result<PathBuf> {
    let us = rustix::process::geteuid().as_raw();
    let (mut place, mut left, mut links) = (PathBuf::new(), path.to_owned(), 0);
    loop {
        let mut parts = left.components();
        let Some(part) = parts.next() else { return Ok(place) };
        let next = place.join(part);
        let found = next.symlink_metadata()?;
        let behind = parts.as_path();
        if !found.is_symlink() {
            (place, left) = (next, behind.to_owned());
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(Error::new(ErrorKind::InvalidInput, "it leads through too many symbolic links"));
        }
        if found.uid() != 0 && found.uid() != us {
            let text =
                format!("it leads through the symbolic link {} of user {}", next.display(), found.uid());
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        left = next.read_link()?.join(behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("..2026/deep")).unwrap();
        fs::write(at("..2026/token"), "x").unwrap();
        symlink("..2026", at("..data")).unwrap();
        symlink("..data/token", at("token")).unwrap();
        symlink(at("token"), at("..2026/deep/absolute")).unwrap();
        symlink("deep/../../token", at("..2026/up")).unwrap();
        for name in ["token", "..data/token", "..data/deep/absolute", "..data/up", "..data/deep/../token"] {
            assert_eq!(
                resolved(&at(name)).unwrap().canonicalize().unwrap(),
                at(name).canonicalize().unwrap()
            );
            assert_eq!(read(&at(name), 1).unwrap(), b"x", "{name}");
        }
        assert_eq!(read(&at("token"), 0).unwrap_err().to_string(), "it is longer than 0 bytes");
        symlink("round", at("round")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        assert!(opened(&at("round")).is_err());
        assert_eq!(opened(&at("dangling")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_file_is_refused_without_opening_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        symlink(&pipe, folder.path().join("link")).unwrap();
        for (path, what) in [
            (pipe.clone(), "a pipe"),
            (folder.path().join("link"), "a pipe"),
            (folder.path().to_owned(), "a folder"),
            (PathBuf::from("/dev/zero"), "a device"),
        ] {
            let said = opened(&path).unwrap_err().to_string();
            assert_eq!(said, format!("it is {what} and is not a regular file"));
        }
    }
}
