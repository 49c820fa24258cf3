//! The disk that a folder is on: whether locks hold there, and how much room is left.

use crate::error::{Failure, Kind, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Less room than this is told of, in bytes.
pub(crate) const LITTLE_ROOM: u64 = 256 << 20;

/// With less room than this no run can be trusted to end well, in bytes.
pub(crate) const NO_ROOM: u64 = 16 << 20;

/// File systems of other hosts, and of programs: `flock` on them is no lock, or one that other hosts do not see. The
/// numbers are those of `linux/magic.h` and of the file systems' own headers.
const FOREIGN: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
];

/// The name of a file system on which locks do not hold; none for a local one.
fn foreign(magic: u64) -> Option<&'static str> {
    FOREIGN.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// Refuses a folder for lock files whose file system is not local. What cannot be told is not refused: opening the file
/// says what is wrong.
pub(crate) fn check_local(folder: &Path) -> Result<()> {
    let Ok(found) = rustix::fs::statfs(folder) else { return Ok(()) };
    // The number is 32 bits wide, in a signed word.
    let magic = found.f_type.cast_unsigned() & 0xffff_ffff;
    let Some(name) = foreign(magic) else { return Ok(()) };
    Err(Failure::new(
        Kind::Usage,
        format!("{} is on a {name} file system, where locks do not hold", folder.display()),
    )
    .hint("set ZERKALO_STATE_DIR, and with SQLite also DATABASE_URL, to a place on a local disk"))
}

/// How much room is left on a folder's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Room {
    /// The folder.
    pub folder: PathBuf,
    /// What a user without privileges may still write there, in bytes.
    #[serde(rename = "free_bytes")]
    pub free: u64,
}

impl Room {
    /// Asks the file system. Fails with [`Kind::Database`] where it does not tell.
    pub fn at(folder: &Path) -> Result<Self> {
        let disk = rustix::fs::statvfs(folder).map_err(|error| {
            Failure::new(Kind::Database, format!("the disk of {} tells nothing", folder.display()))
                .hint("check that the path is right and the disk is there")
                .source(std::io::Error::from(error))
        })?;
        Ok(Self { folder: folder.to_owned(), free: disk.f_bavail.saturating_mul(disk.f_frsize) })
    }

    /// That it is full; none while a run can still be trusted to end well.
    pub fn full(&self) -> Option<Failure> {
        let text = format!("the disk of {} is full: {} free", self.folder.display(), megabytes(self.free));
        (self.free < NO_ROOM).then(|| Failure::new(Kind::Database, text).hint("free some space"))
    }

    /// Whether it will be full soon.
    pub const fn is_little(&self) -> bool {
        self.free < LITTLE_ROOM
    }
}

/// A size as a person reads it.
pub(crate) fn megabytes(bytes: u64) -> String {
    if bytes >= 10 << 30 {
        format!("{} GiB", bytes >> 30)
    } else {
        format!("{} MiB", bytes.div_ceil(1 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        for (magic, name) in
            [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB 2"), (0x6573_5546, "FUSE")]
        {
            assert_eq!(foreign(magic), Some(name));
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(foreign(local), None, "{local:x}");
        }
    }

    #[test]
    fn the_number_is_read_from_the_file_system_itself() {
        // The kernel's own file system is everywhere at this place, and its number is known.
        assert_eq!(rustix::fs::statfs("/proc").unwrap().f_type, 0x9fa0);
        check_local(Path::new("/proc")).unwrap();
        check_local(&std::env::temp_dir()).unwrap();
        check_local(Path::new("/nowhere")).unwrap();
    }
}
