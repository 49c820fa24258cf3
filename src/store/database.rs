//! Where the database is, and connecting to it.

use super::{
    Store, lock,
    migrate::{Dialect, Found, Step, must_migrate},
    postgres::{Connection, Postgres},
    sqlite::Sqlite,
};
use crate::error::Result;
use secrecy::{ExposeSecret, SecretString};
use std::{
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
}

#[derive(Debug, Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres { url: SecretString, schema: String },
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
            Place::Sqlite(PathBuf::from(path))
        };
        Self {
            place,
            bulk_threshold,
            patience: Duration::from_secs(30),
            run: None,
            is_direct: Arc::default(),
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

    /// Connects.
    pub async fn connect(&self, access: Access) -> Result<Box<dyn Store>> {
        Ok(match &self.place {
            Place::Sqlite(path) => Box::new(Sqlite::connect(path, access, self.patience).await?),
            Place::Postgres { url, schema } => Box::new(self.postgres(url, schema, access).await?),
        })
    }

    /// Every migration and whether it is applied; changes nothing.
    pub async fn steps(&self) -> Result<Vec<Step>> {
        let found = match &self.place {
            Place::Sqlite(path) => Sqlite::connect(path, Access::DryRun, self.patience).await?.look().await?,
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
                Sqlite::connect(path, Access::Write, self.patience).await?.migrate(true).await?
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
        assert_eq!(database("sqlite:///var/lib/z.db").describe(), "/var/lib/z.db");
        assert_eq!(database("sqlite:z.db").describe(), "z.db");
    }
}
