//! Opening the file, and keeping to it: which file it is, whether it may be written to, and that no connection is used on
//! after an error that ended its transaction.

use super::Sqlite;
use crate::{
    engine::Table,
    error::{Failure, Kind, Result},
    files::{check_regular, own},
    store::{Access, condition::Condition, database::nearest_folder, failure},
};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
use sqlx::{
    ConnectOptions as _, Connection as _, Sqlite as Driver, SqliteConnection, Transaction,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use std::{
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

impl Sqlite {
    /// Opens the file, creating it and its folder on first use, and waiting so long for other writers.
    pub(in crate::store) async fn connect(
        path: &Path,
        access: Access,
        patience: Duration,
        condition: Condition,
    ) -> Result<Self> {
        condition.check_file(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(access == Access::Write)
            .read_only(access == Access::DryRun)
            .busy_timeout(patience)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut store =
            Self { connection: None, options, path: path.to_owned(), patience, access, condition };
        if access == Access::DryRun && !path.exists() {
            return Ok(store);
        }
        check_fit(path)?;
        if access == Access::Write {
            make(path)?;
        }
        store.connection = Some(store.open().await?);
        store.condition.opened(path);
        Ok(store)
    }

    async fn open(&self) -> Result<SqliteConnection> {
        SqliteConnection::connect_with(&self.options).await.map_err(|error| {
            failure(&format!("opening {}", self.path.display()), error).hint(
                "check that the path is a SQLite file and that this user may write to it and its folder",
            )
        })
    }

    /// The connection: to the very file that was opened, and in no transaction. The file ends one by itself on some errors,
    /// a full disk among them, and the driver goes on counting it: then the connection is made anew.
    pub(super) async fn live(&mut self) -> Result<&mut SqliteConnection> {
        self.condition.check_file(&self.path)?;
        let connection = self.connection.as_mut().expect("a dry run without a file asks nothing");
        // A transaction that was given up is rolled back first.
        let is_spoiled = connection.ping().await.is_err() || connection.is_in_transaction();
        if is_spoiled {
            self.connection = Some(self.open().await?);
        }
        Ok(self.connection.as_mut().expect("it was there"))
    }

    /// Begins to write: nobody else does from now on.
    pub(super) async fn begin(&mut self, doing: &str) -> Result<Transaction<'_, Driver>> {
        let condition = self.condition.clone();
        let begun = self.live().await?.begin_with("begin immediate").await;
        begun.map_err(|error| condition.failure_of_file(doing, error))
    }

    /// The same failure with the names of the unique indexes that somebody else has made: the file tells only of columns.
    pub(super) async fn naming_indexes(&mut self, table: &Table, failure: Failure) -> Failure {
        let sql = "select name from pragma_index_list(?) where \"unique\" and origin = 'c' order by name";
        let Ok(connection) = self.live().await else { return failure };
        let found = sqlx::query_scalar::<_, String>(sql).bind(table.name).fetch_all(connection).await;
        match found {
            Ok(names) if !names.is_empty() => failure.hint(format!(
                "zerkalo has no unique index on {} but its key: drop {}, then start this again",
                table.name,
                names.join(" and ")
            )),
            _ => failure,
        }
    }
}

/// Makes the file and its folder where they are not there. It may hold personal data: a new one is for its owner alone.
fn make(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        own::make(folder).map_err(|error| {
            Failure::new(Kind::Database, format!("cannot create the folder {}", folder.display()))
                .hint("set DATABASE_URL to a place that this user may write to")
                .source(error)
        })?;
    }
    check_writable(path)?;
    if !path.exists() {
        let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
        if let Err(error) = file {
            tracing::debug!(%error, "opening the database will say why it cannot be made");
        }
    }
    Ok(())
}

/// Where a path leads: the locks are beside the file itself, whatever it is called.
pub(in crate::store) fn real_path(path: PathBuf) -> PathBuf {
    let mut real = path.clone();
    // As many as the system itself follows.
    for _ in 0..40 {
        match std::fs::read_link(&real) {
            Ok(target) => real = real.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return real,
        }
    }
    path
}

/// Refuses what can be no database: what is no regular file, or has something else than one where its journals belong
/// (opening a pipe would wait for its other end), and a file that has a second name.
pub(in crate::store) fn check_fit(path: &Path) -> Result<()> {
    for end in ["", "-journal", "-wal", "-shm"] {
        let mut place = path.as_os_str().to_owned();
        place.push(end);
        let place = Path::new(&place);
        // Where the path itself is a link, it was followed as far as it leads; a journal is none.
        let Ok(found) = place.symlink_metadata() else { continue };
        check_regular(found.file_type()).map_err(|error| {
            Failure::of_file(
                format!("{} cannot be used", place.display()),
                "DATABASE_URL names an SQLite file, and only SQLite's own files are beside it",
                error,
            )
        })?;
    }
    check_only_name(path)
}

/// Refuses a file that has a second name: whoever came by that one would meet other lock files and another journal.
fn check_only_name(path: &Path) -> Result<()> {
    let Ok(found) = std::fs::metadata(path) else { return Ok(()) };
    let refused = |why: String| {
        Err(Failure::new(Kind::Usage, format!("{} {why}", path.display())).hint(
            "a second name has lock files and a journal of its own, and two runs would spoil the file: keep the database \
             under one name, in a folder that is mounted as a whole",
        ))
    };
    if found.is_file() && found.nlink() > 1 {
        return refused(format!("has {} names (hard links)", found.nlink()));
    }
    let looked = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    match looked {
        Ok(found) if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) => {
            refused("is mounted by itself".to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether the file can be used, and written to, or made.
pub(super) fn check_place(path: &Path) -> Result<()> {
    check_fit(path)?;
    let folder = nearest_folder(path);
    if let Err(error) =
        rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
    {
        return Err(unwritable(&folder, error));
    }
    check_writable(path)
}

/// `SQLite` opens a file that it may not write to for reading, and would say so only after the upstreams were read. It
/// needs the folder, too, for the files beside the database.
fn check_writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [folder, path] {
        match rustix::fs::access(place, rustix::fs::Access::WRITE_OK) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(unwritable(place, error)),
        }
    }
    Ok(())
}

/// A right is missing until a person gives it; a disk that went read-only may be well by the next start.
fn unwritable(place: &Path, error: rustix::io::Errno) -> Failure {
    let kind = match error {
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => Kind::Usage,
        _ => Kind::Database,
    };
    Failure::new(kind, format!("{} cannot be written to", place.display()))
        .hint("check the owner and mode of the file and of its folder, or set DATABASE_URL to another place")
        .source(std::io::Error::from(error))
}
