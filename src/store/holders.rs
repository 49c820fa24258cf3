//! Who holds locks right now, and who held them when it was killed: a look at the lock files that takes no lock, so that
//! it never stands in a run's way.

use super::lock::{Holder, read};
use crate::{
    error::{Failure, Result},
    files::own,
};
use hashbrown::HashSet;
use rustix::process::{Pid, test_kill_process};
use serde::Serialize;
use std::{
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A lock file's word about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The lock: `iiko_product`, `job full-morning`, `iiko-1f0c5b3f9a1c`.
    pub lock: String,
    /// The run.
    #[serde(flatten)]
    pub holder: Holder,
    /// Whether it holds the lock now; else it ended without a word, and the next holder logs that.
    pub held: bool,
}

/// How often the kernel's list is read while a process that lives seems to have let its lock go. The list is read in
/// pieces, and what other programs lock and unlock meanwhile can hide an entry; and a run may have begun just now.
const LOOKS: usize = 4;

/// Reads the lock files of these folders. A folder that is not there yet has none.
pub fn look(folders: &[PathBuf]) -> Result<Vec<Told>> {
    // Before the files are read: a run that ends meanwhile held its lock, and was not killed.
    let held = Held::now();
    let mut told = Vec::new();
    let mut inodes = Vec::new();
    for folder in folders {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(folder, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            let Some(lock) = lock_of(&path) else { continue };
            let mut file = own::look(&path).map_err(|error| unreadable(&path, error))?;
            let inode = file.metadata().map_err(|error| unreadable(&path, error))?.ino();
            let holders = read(&mut file).into_iter();
            told.extend(holders.map(|holder| Told {
                lock: lock.clone(),
                held: held.is(&holder, inode),
                holder,
            }));
            inodes.resize(told.len(), inode);
        }
    }
    for _ in 1..LOOKS {
        if told.iter().all(|told: &Told| told.held || !lives(told.holder.pid)) {
            break;
        }
        let held = Held::now();
        for (told, inode) in told.iter_mut().zip(&inodes) {
            told.held |= held.is(&told.holder, *inode);
        }
    }
    told.sort_by(|one, other| (one.holder.since, &one.lock).cmp(&(other.holder.since, &other.lock)));
    Ok(told)
}

/// What a lock file locks.
fn lock_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".lock")?;
    Some(match (name.strip_prefix("entity-"), name.strip_prefix("job-")) {
        (Some(entity), _) => entity.to_owned(),
        (_, Some(job)) => format!("job {job}"),
        _ => name.to_owned(),
    })
}

/// Which processes hold file locks.
enum Held {
    /// What the kernel says (Linux): processes and files.
    Kernel(HashSet<(u32, u64)>),
    /// The kernel does not say: who lives, holds.
    Alive,
}

impl Held {
    fn now() -> Self {
        std::fs::read_to_string("/proc/locks").map_or(Self::Alive, |text| Self::Kernel(kernel_locks(&text)))
    }

    fn is(&self, holder: &Holder, inode: u64) -> bool {
        match self {
            Self::Kernel(held) => held.contains(&(holder.pid, inode)),
            Self::Alive => lives(holder.pid),
        }
    }
}

/// Whether there is such a process.
fn lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

/// The processes and inodes of `/proc/locks` (`proc_locks(5)`): `1: FLOCK  ADVISORY  WRITE 708 00:13:11352 0 EOF`; one that
/// waits has an arrow behind its number.
fn kernel_locks(text: &str) -> HashSet<(u32, u64)> {
    let lock = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = words.as_slice() else { return None };
        Some((pid.parse().ok()?, file.rsplit(':').next()?.parse().ok()?))
    };
    text.lines().filter_map(lock).collect()
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    let hint = "start this as the user whose runs they are";
    Failure::of_file(format!("cannot read {}", path.display()), hint, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read() {
        let text = "1: FLOCK  ADVISORY  WRITE 708 00:13:11352 0 EOF\n\
                    1: -> FLOCK  ADVISORY  WRITE 709 00:13:11352 0 EOF\n\
                    2: POSIX  ADVISORY  WRITE 710 00:13:11353 0 EOF\n\
                    3: FLOCK  ADVISORY  READ 711 00:13:11354 0 EOF\n\
                    4: FLOCK  ADVISORY  WRITE 712 fd:01:99 0 EOF\nrubbish\n";
        assert_eq!(kernel_locks(text), HashSet::from_iter([(708, 11352), (712, 99)]));
    }

    #[test]
    fn what_a_lock_is_about_is_in_its_files_name() {
        let lock = |name: &str| lock_of(Path::new(name));
        assert_eq!(lock("/x/entity-iiko_product.lock").as_deref(), Some("iiko_product"));
        assert_eq!(lock("/x/job-full-morning.lock").as_deref(), Some("job full-morning"));
        assert_eq!(lock("/x/iiko-0a1b.lock").as_deref(), Some("iiko-0a1b"));
        assert_eq!(lock("/x/readme"), None);
    }
}
