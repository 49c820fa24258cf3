//! Where the database is, and connecting to it.

use super::{
    Store,
    condition::Condition,
    lock,
    migrate::{Dialect, Found, Step, must_migrate},
    postgres::{self, Connection, Postgres},
    sqlite::{self, Sqlite},
};
use crate::{
    config::address::server_and_name,
    error::{Failure, Kind, Result},
};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use uuid::Uuid;

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only: create nothing, migrate nothing, write nothing.
    DryRun,
    /// Read and write, migrating where nothing is lost.
    Write,
}

/// A database, not yet connected to.
#[derive(Debug, Clone)]
pub struct Database {
    place: Place,
    bulk_threshold: usize,
    patience: Duration,
    run: Option<Uuid>,
    is_direct: Arc<AtomicBool>,
    condition: Condition,
}

#[derive(Debug, Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres { url: SecretString, schema: String },
}

/// What a look at a database found.
#[derive(Debug)]
pub struct Examined {
    /// Where the schema stands.
    pub found: Found,
    /// Which migrations count.
    pub dialect: Dialect,
    /// The server and its version; none where there is no database yet.
    pub server: Option<String>,
    /// The size of the database in bytes.
    pub size: u64,
    /// Whose mirror it is: upstream → identity.
    pub identity: HashMap<String, String>,
    /// The rights that a run needs and that this user lacks, in words.
    pub missing_rights: Vec<String>,
    /// What the owner has to execute to give them.
    pub grants: Vec<String>,
    /// Whether it is a standby, which takes no changes.
    pub is_standby: bool,
}

impl Examined {
    /// A file that is not there yet.
    pub(super) fn absent(found: Found) -> Self {
        let identity = HashMap::new();
        let (missing_rights, grants) = (Vec::new(), Vec::new());
        Self {
            found,
            dialect: Dialect::Sqlite,
            server: None,
            size: 0,
            identity,
            missing_rights,
            grants,
            is_standby: false,
        }
    }

    /// Refuses what a run would refuse: a standby, a foreign or damaged schema, a newer one, a migration that loses data.
    pub fn check(&self) -> Result<()> {
        if self.is_standby {
            return Err(postgres::standby_failure());
        }
        must_migrate(&self.found, self.dialect, false, false).map(drop)
    }
}

/// The folder that a file is in, or the nearest one above it that exists.
pub fn nearest_folder(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).find(|folder| folder.is_dir());
    above.filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

impl Database {
    /// The database at `url` (`postgres://…`, `sqlite:PATH` or a path), in `schema` where there are schemas. More
    /// than `bulk_threshold` rows of one table are written with `COPY`.
    pub fn new(url: &SecretString, schema: &str, bulk_threshold: usize) -> Self {
        let text = url.expose_secret();
        let place = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Place::Postgres { url: url.clone(), schema: schema.to_owned() }
        } else {
            let path = text.strip_prefix("sqlite:").unwrap_or(text);
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            Place::Sqlite(sqlite::real_path(PathBuf::from(path)))
        };
        Self {
            place,
            bulk_threshold,
            patience: Duration::from_secs(30),
            run: None,
            is_direct: Arc::default(),
            condition: Condition::default(),
        }
    }

    /// The same, waiting so long for other programs that write.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same, with connections that the server can tell to be this run's.
    #[must_use]
    pub fn for_run(self, run: Uuid) -> Self {
        Self { run: Some(run), ..self }
    }

    /// Which dialect it speaks.
    pub fn dialect(&self) -> Dialect {
        match self.place {
            Place::Sqlite(_) => Dialect::Sqlite,
            Place::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Where it is, without a secret: what a person reads.
    pub fn describe(&self) -> String {
        match &self.place {
            Place::Sqlite(path) => path.display().to_string(),
            Place::Postgres { url, schema } => {
                let text = url.expose_secret();
                let tail = text.split_once("://").map_or(text, |(_, tail)| tail);
                let tail = tail.split(['?', '#']).next().unwrap_or_default();
                let place = tail.rsplit_once('@').map_or(tail, |(_, place)| place);
                // Without a host the options name a socket's folder.
                let url = Url::parse(text).ok().filter(|_| place.starts_with('/'));
                let place = url.map_or_else(|| place.to_owned(), |url| server_and_name(&url));
                format!("PostgreSQL {place}, schema {schema}")
            }
        }
    }

    /// Where the lock files of this database's entities are: beside an `SQLite` file, else in the state directory.
    pub fn lock_directory(&self, state: &Path) -> PathBuf {
        match &self.place {
            Place::Sqlite(path) => lock::folder_of(path),
            // Not the role or its password: whoever writes to the schema shares the locks.
            Place::Postgres { .. } => state.join("locks").join(crate::engine::hash::short(&self.describe())),
        }
    }

    /// Refuses a path at which there is something that can be no database, before locks are made beside it.
    pub fn check_place(&self) -> Result<()> {
        self.file().map_or(Ok(()), sqlite::check_fit)
    }

    /// Connects.
    pub async fn connect(&self, access: Access) -> Result<Box<dyn Store>> {
        Ok(match &self.place {
            Place::Sqlite(path) => {
                Box::new(Sqlite::connect(path, access, self.patience, self.condition.clone()).await?)
            }
            Place::Postgres { url, schema } => Box::new(self.postgres(url, schema, access).await?),
        })
    }

    /// Connects to a database that holds a mirror; fails where there is none, and makes none. For whoever looks at what
    /// is there, or mends it: what is not there is not empty.
    pub async fn connect_existing(&self, access: Access) -> Result<Box<dyn Store>> {
        // Opening a file for writing would make it.
        if self.file().is_some_and(|file| !file.exists()) {
            return Err(self.absent());
        }
        let mut store = self.connect(access).await?;
        if store.is_there().await? { Ok(store) } else { Err(self.absent()) }
    }

    fn absent(&self) -> Failure {
        Failure::new(Kind::Usage, format!("there is no database yet at {}", self.describe())).hint(
            "`zerkalo full-morning` makes it; if there should be one, check DATABASE_URL and DATABASE_SCHEMA: `zerkalo \
             config check` shows them",
        )
    }

    /// Fails when the database has failed this run for good: nothing more is tried there, nor read for it.
    pub fn check(&self) -> Result<()> {
        self.condition.check()
    }

    /// Looks at the database and at what this user may do there; creates and changes nothing.
    pub async fn examine(&self) -> Result<Examined> {
        match &self.place {
            Place::Sqlite(path) => {
                Sqlite::connect(path, Access::DryRun, self.patience, self.condition.clone())
                    .await?
                    .examine()
                    .await
            }
            Place::Postgres { url, schema } => {
                self.postgres(url, schema, Access::DryRun).await?.examine().await
            }
        }
    }

    /// The file, where the database is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(path) => Some(path),
            Place::Postgres { .. } => None,
        }
    }

    /// Every migration and whether it is applied; changes nothing.
    pub async fn steps(&self) -> Result<Vec<Step>> {
        let found = match &self.place {
            Place::Sqlite(path) => {
                Sqlite::connect(path, Access::DryRun, self.patience, self.condition.clone())
                    .await?
                    .look()
                    .await?
            }
            Place::Postgres { url, schema } => {
                self.postgres(url, schema, Access::DryRun).await?.look().await?
            }
        };
        self.steps_of(&found)
    }

    /// Runs the missing migrations, also those that lose something.
    pub async fn migrate(&self) -> Result<Vec<Step>> {
        let found = match &self.place {
            Place::Sqlite(path) => {
                Sqlite::connect(path, Access::Write, self.patience, self.condition.clone())
                    .await?
                    .migrate(true)
                    .await?
            }
            Place::Postgres { url, schema } => {
                self.postgres(url, schema, Access::Write).await?.migrate(true).await?
            }
        };
        self.steps_of(&found)
    }

    async fn postgres(&self, url: &SecretString, schema: &str, access: Access) -> Result<Postgres> {
        let connection = Connection {
            patience: self.patience,
            bulk_threshold: self.bulk_threshold,
            run: self.run,
            is_direct: Arc::clone(&self.is_direct),
            condition: self.condition.clone(),
        };
        Postgres::connect(url, schema, access, connection).await
    }

    fn steps_of(&self, found: &Found) -> Result<Vec<Step>> {
        // Refuses what a run would refuse: foreign tables and a newer schema.
        must_migrate(found, self.dialect(), false, true)?;
        Ok(self.dialect().steps(if let Found::Version(version) = found { *version } else { 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_never_shows_the_password() {
        let database = |url: &str| Database::new(&url.into(), "mirror", 2000);
        let text = database("postgres://user:canary@db.example:5432/chain?sslmode=require").describe();
        assert_eq!(text, "PostgreSQL db.example:5432/chain, schema mirror");
        assert!(!format!("{:?}", database("postgres://user:canary@db/x")).contains("canary"));
        let socket = "postgres:///chain?host=%2Frun%2Fpostgresql&user=me&password=canary";
        assert_eq!(database(socket).describe(), "PostgreSQL /run/postgresql/chain, schema mirror");
        assert_eq!(database("sqlite:///var/lib/z.db").describe(), "/var/lib/z.db");
        assert_eq!(database("sqlite:z.db").describe(), "z.db");
    }
}
