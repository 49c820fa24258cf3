//! One entity is never synced twice at the same time, one scheduled job never runs twice, and one iiko login never has
//! two sessions.
//!
//! A lock is a kernel lock (`flock`) on a file that is never removed: it cannot be stale, whoever died. The file's
//! content is only for people and for the next holder, who learns from it that a run ended without a word.

use super::filesystem;
use crate::{
    engine::hash,
    error::{Failure, Kind, Result, quote},
    files::own,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    cell::Cell,
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Who holds a lock, as its file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The run.
    pub run_id: Uuid,
    /// The command as it was typed.
    pub command: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What a lock is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A scheduled job.
    Job(String),
    /// A mirrored table.
    Entity(String),
    /// One login's session on one iiko server.
    Iiko {
        /// The server's base URL.
        base: String,
        /// The login.
        login: String,
    },
}

impl Name {
    pub(super) fn file_name(&self) -> String {
        match self {
            Self::Job(name) => format!("job-{}.lock", name.replace(' ', "-")),
            Self::Entity(name) => format!("entity-{name}.lock"),
            Self::Iiko { base, login } => format!("iiko-{}.lock", hash::short(&format!("{base} {login}"))),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Job(name) => format!("job {name}"),
            Self::Entity(name) => name.clone(),
            Self::Iiko { login, .. } => format!("the iiko session of {login}"),
        }
    }
}

/// Locks that are held; dropping them frees them.
#[derive(Debug, Default)]
pub struct Locks {
    held: Vec<Held>,
    /// Entities whose last holder ended without a word, and who that was.
    pub abandoned: Vec<(String, Holder)>,
    told: Cell<bool>,
    kept: Cell<bool>,
}

/// One lock.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    file: File,
    /// How much of the file tells of others.
    others: u64,
}

/// Which files a run has locked, to find out whether they are still there: a cleaner that deletes one lets another run
/// lock a new file of the same name.
#[derive(Debug, Clone, Default)]
pub struct Watch(Vec<(PathBuf, Identity)>);

/// The device and the number of a file.
type Identity = (u64, u64);

impl Watch {
    /// Fails when a file is gone or is another one: then another run may be at work.
    pub fn check(&self) -> Result<()> {
        let lost = |(path, locked): &&(PathBuf, Identity)| identity(path) != Some(*locked);
        let Some((path, _)) = self.0.iter().find(lost) else { return Ok(()) };
        let text = format!("the lock file {} was deleted while this run held it", path.display());
        Err(Failure::new(Kind::Database, text).hint(
            "another run may have begun meanwhile, so nothing more is written; keep cleaners away from that folder, or \
             move it with ZERKALO_STATE_DIR",
        ))
    }
}

/// Which file is there now.
fn identity(path: &Path) -> Option<Identity> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Locks {
    /// Takes a lock on each name, in sorted order, or none of them. `place` says where a name's lock file is. Fails
    /// with exit 11 and the holder's name when somebody else holds one.
    pub fn take(mut names: Vec<Name>, place: impl Fn(&Name) -> PathBuf, holder: &Holder) -> Result<Self> {
        names.sort();
        let mut locks = Self::default();
        for name in names {
            let path = place(&name).join(name.file_name());
            let mut file = locked(&name, &path)?;
            // A holder that ends in order leaves the file empty. What others left stays above our own line until they
            // are logged: a run that is killed or refused before that must not make them forgotten.
            let mut others = 0;
            if let Name::Entity(entity) = &name {
                let holders = read(&mut file);
                others = if holders.is_empty() { 0 } else { file.metadata().map_or(0, |file| file.len()) };
                locks.abandoned.extend(holders.into_iter().map(|holder| (entity.clone(), holder)));
            }
            append(&mut file, holder).map_err(|error| unusable(&path, error))?;
            locks.held.push(Held { path, file, others });
        }
        Ok(locks)
    }

    /// The files that are locked.
    pub fn watch(&self) -> Watch {
        let file = |held: &Held| {
            Some((held.path.clone(), held.file.metadata().map(|file| (file.dev(), file.ino())).ok()?))
        };
        Watch(self.held.iter().filter_map(file).collect())
    }

    /// This run could not log all that it began: its own name stays, so that the next holder does.
    pub fn keep_name(&self) {
        self.kept.set(true);
    }

    /// Those who ended without a word are logged: their names may go.
    pub fn told(&self) {
        self.told.set(true);
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        if self.kept.get() {
            return;
        }
        for Held { file, others, .. } in &self.held {
            // Our own line would be read as a run that was killed. Closing alone would leave the lock with a child
            // process that has inherited the file and not yet begun its own program.
            let keep = if self.told.get() { 0 } else { *others };
            if let Err(error) = file.set_len(keep).and_then(|()| file.unlock()) {
                tracing::warn!(%error, "could not clear a lock file");
            }
        }
    }
}

/// The folder of an `SQLite` file's locks.
pub(super) fn folder_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".locks");
    PathBuf::from(name)
}

/// The file whose lock is held while an `SQLite` file is migrated.
pub(super) fn schema_file(database: &Path) -> Result<File> {
    open(&folder_of(database).join("schema.lock"))
}

/// Locks the file that is at `path`. One that was deleted and made anew between opening and locking is opened again.
fn locked(name: &Name, path: &Path) -> Result<File> {
    loop {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(name, &mut file)),
            Err(TryLockError::Error(error)) => return Err(unusable(path, error)),
        }
        let ours = file.metadata().map_err(|error| unusable(path, error))?;
        if identity(path) == Some((ours.dev(), ours.ino())) {
            return Ok(file);
        }
    }
}

fn open(path: &Path) -> Result<File> {
    let folder = path.parent().expect("made of a folder and a name");
    own::folder(folder).map_err(|error| unusable(path, error))?;
    filesystem::check_local(folder)?;
    own::file(path).map_err(|error| unusable(path, error))
}

/// The holders that the file tells of, the latest last. Anything else in it is nobody's last word.
pub(super) fn read(file: &mut File) -> Vec<Holder> {
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(0)).and_then(|_| file.take(1 << 16).read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn append(file: &mut File, holder: &Holder) -> std::io::Result<()> {
    file.seek(SeekFrom::End(0))?;
    let line = serde_json::to_string(holder).expect("plain data");
    file.write_all(format!("\n{line}\n").as_bytes())
}

fn taken(name: &Name, file: &mut File) -> Failure {
    let holder = read(file).pop().map_or_else(
        || "another run".to_owned(),
        |holder| {
            format!(
                "`zerkalo {}` (process {}, run {}, since {})",
                quote(&holder.command, 80),
                holder.pid,
                holder.run_id,
                holder.since.format("%Y-%m-%d %H:%M:%S UTC")
            )
        },
    );
    Failure::new(Kind::Locked, format!("{} is being used by {holder}", name.describe()))
        .hint("wait until it has ended, then start this again")
}

fn unusable(path: &Path, error: std::io::Error) -> Failure {
    unusable_place("lock file", path, error)
}

/// That a lock file, or a folder of them, is none that can be trusted.
pub(crate) fn unusable_place(what: &str, path: &Path, error: std::io::Error) -> Failure {
    let hint = "check DATABASE_URL and ZERKALO_STATE_DIR, and the folder's owner and mode: cron's user and the operator \
                share it";
    Failure::of_file(format!("cannot use the {what} {}", path.display()), hint, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str) -> Holder {
        Holder {
            pid: 7,
            run_id: Uuid::from_u128(1),
            command: command.to_owned(),
            since: DateTime::UNIX_EPOCH,
        }
    }

    fn names(entities: &[&str]) -> Vec<Name> {
        entities.iter().map(|name| Name::Entity((*name).to_owned())).collect()
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let place = |_: &Name| folder.path().to_owned();
        let first = Locks::take(names(&["b", "a"]), place, &holder("sync iiko")).unwrap();
        assert!(first.abandoned.is_empty());
        let failure = Locks::take(names(&["c", "b"]), place, &holder("sync stock")).unwrap_err();
        assert_eq!(failure.kind, Kind::Locked);
        assert!(failure.message.contains("b is being used by `zerkalo sync iiko` (process 7"), "{failure}");
        drop(first);
        let second = Locks::take(names(&["b", "c"]), place, &holder("sync stock")).unwrap();
        assert!(second.abandoned.is_empty(), "a holder that ended in order leaves nothing behind");
    }

    #[test]
    fn a_deleted_lock_file_is_noticed_by_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let place = |_: &Name| folder.path().to_owned();
        let locks = Locks::take(names(&["a", "b"]), place, &holder("sync iiko")).unwrap();
        let watch = locks.watch();
        watch.check().unwrap();
        std::fs::remove_file(folder.path().join("entity-b.lock")).unwrap();
        let gone = watch.check().unwrap_err();
        assert!(gone.message.contains("entity-b.lock was deleted while this run held it"), "{gone}");
        // Another run makes a file of the same name: it is not the one that was locked.
        let other = Locks::take(names(&["b"]), place, &holder("sync stock")).unwrap();
        assert_eq!(watch.check().unwrap_err().kind, Kind::Database);
        other.watch().check().unwrap();
    }

    #[test]
    fn what_a_killed_run_left_is_seen_and_garbage_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = |_: &Name| folder.path().to_owned();
        std::fs::write(
            folder.path().join("entity-a.lock"),
            serde_json::to_string(&holder("sync iiko")).unwrap(),
        )
        .unwrap();
        std::fs::write(folder.path().join("entity-b.lock"), b"\xff garbage").unwrap();
        let locks = Locks::take(names(&["a", "b"]), place, &holder("sync stock")).unwrap();
        assert_eq!(locks.abandoned, [("a".to_owned(), holder("sync iiko"))]);
        // What it would leave, killed in its turn before it could log the first one.
        let mut file = File::open(folder.path().join("entity-a.lock")).unwrap();
        assert_eq!(read(&mut file), [holder("sync iiko"), holder("sync stock")]);
        // One that ends in order takes its own name away, and the first one's only when that is logged.
        drop(locks);
        assert_eq!(read(&mut file), [holder("sync iiko")]);
        let locks = Locks::take(names(&["a"]), place, &holder("sync stock")).unwrap();
        locks.told();
        drop(locks);
        assert_eq!(read(&mut file), []);
        let locks = Locks::take(names(&["a"]), place, &holder("sync stock")).unwrap();
        locks.keep_name();
        drop(locks);
        assert_eq!(read(&mut file), [holder("sync stock")]);
    }
}
