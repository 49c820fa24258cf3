//! On which kind of file system a folder is: locks hold on a local one only.

use crate::error::{Failure, Kind, Result};
use std::path::Path;

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
pub(super) fn check_local(folder: &Path) -> Result<()> {
    let Ok(found) = rustix::fs::statfs(folder) else { return Ok(()) };
    // The number is 32 bits wide; some platforms keep it in a signed word.
    #[expect(clippy::unnecessary_cast, reason = "its type is the platform's")]
    let magic = found.f_type as u64 & 0xffff_ffff;
    let Some(name) = foreign(magic) else { return Ok(()) };
    Err(Failure::new(
        Kind::Usage,
        format!("{} is on a {name} file system, where locks do not hold", folder.display()),
    )
    .hint("set ZERKALO_STATE_DIR, and with SQLite also DATABASE_URL, to a place on a local disk"))
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
