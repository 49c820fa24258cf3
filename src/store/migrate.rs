//! The schema's version: which migrations are there, which are missing, and whether the tables are ours at all.

use crate::error::{Failure, Kind, Result};
use sqlx::migrate::Migrator;
use std::borrow::Cow;

/// Our history table; its own name, so that another program's sqlx migrations in the same schema are never mixed up.
pub(super) const HISTORY: &str = "zerkalo_migration";

/// A migration whose name holds this word loses something and is run only by `zerkalo migrate`.
const LOSSY: &str = "lossy";

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// The two dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `PostgreSQL`.
    Postgres,
    /// `SQLite`.
    Sqlite,
}

/// A migration as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Whether it is applied.
    pub applied: bool,
    /// Whether it loses something, and so waits for `zerkalo migrate`.
    pub lossy: bool,
}

impl Dialect {
    fn embedded(self) -> &'static Migrator {
        match self {
            Self::Postgres => &POSTGRES,
            Self::Sqlite => &SQLITE,
        }
    }

    /// The migrator with our history table.
    pub(super) fn migrator(self) -> Migrator {
        let mut migrator = Migrator::with_migrations(self.embedded().iter().cloned().collect());
        migrator.dangerous_set_table_name(Cow::Borrowed(HISTORY));
        migrator
    }

    /// The version that this binary knows.
    pub fn known(self) -> i64 {
        self.embedded().iter().map(|migration| migration.version).max().unwrap_or_default()
    }

    /// Every migration, told apart by what is applied up to `version`.
    pub fn steps(self, version: i64) -> Vec<Step> {
        let step = |migration: &sqlx::migrate::Migration| Step {
            version: migration.version,
            name: migration.description.to_string(),
            applied: migration.version <= version,
            lossy: migration.description.contains(LOSSY),
        };
        self.embedded().iter().map(step).collect()
    }
}

/// What a look at the schema found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// None of our tables.
    Nothing,
    /// Our tables, at this version.
    Version(i64),
    /// Tables of our names that another program made.
    Foreign(Vec<String>),
    /// Our tables at our version, without these objects that its migrations have made.
    Damaged(Vec<String>),
}

/// The names that must not belong to somebody else: every mirrored table and the tool's own.
pub(super) fn our_names() -> Vec<&'static str> {
    let own = [
        "iiko_sync_log",
        "mirror_tombstone",
        "mirror_hold",
        "source_identity",
        "job_slot",
        "message_delivery",
        "document_outbox",
        "stoplist_history",
        "stoplist_sample",
        "stoplist_organization",
    ];
    crate::tables::all().map(|entity| entity.table.name).chain(own).collect()
}

/// Whether a run may go on with what was found: true when it must migrate first.
pub(super) fn must_migrate(found: &Found, dialect: Dialect, dry_run: bool, by_command: bool) -> Result<bool> {
    match found {
        Found::Nothing => Ok(!dry_run),
        Found::Foreign(tables) => Err(Failure::new(
            Kind::Usage,
            format!(
                "the database holds tables of our names that zerkalo did not make: {}",
                tables.join(", ")
            ),
        )
        .hint(match dialect {
            Dialect::Postgres => {
                "nothing was touched; set DATABASE_SCHEMA=zerkalo to mirror into a schema of its own"
            }
            Dialect::Sqlite => "nothing was touched; set DATABASE_URL to another file",
        })),
        Found::Damaged(missing) => Err(Failure::new(
            Kind::Usage,
            format!("the database lacks what its migrations have made: {}", missing.join(", ")),
        )
        .hint(match dialect {
            Dialect::Postgres => {
                "put it back from a backup; or set DATABASE_SCHEMA to a new name for a mirror of its own: documents and \
                 history stay behind in the old one"
            }
            Dialect::Sqlite => {
                "put a backup of the file in its place; or set DATABASE_URL to a new file for a mirror of its own: \
                 documents and history stay behind in the old one"
            }
        })),
        Found::Version(version) => {
            let known = dialect.known();
            if *version > known {
                return Err(Failure::new(
                    Kind::Usage,
                    format!(
                        "the database has schema version {version}, and this zerkalo knows only up to {known}"
                    ),
                )
                .hint("install the newer zerkalo that has been used on it"));
            }
            if *version < known && dry_run {
                return Err(Failure::new(
                    Kind::Usage,
                    format!("the database has schema version {version}, and this zerkalo needs {known}"),
                )
                .hint("run `zerkalo migrate`"));
            }
            let lossy = dialect.steps(*version).into_iter().find(|step| !step.applied && step.lossy);
            match lossy {
                Some(step) if !by_command => Err(Failure::new(
                    Kind::Usage,
                    format!("migration {:04} {} loses data", step.version, step.name),
                )
                .hint("make a backup, then run `zerkalo migrate`")),
                _ => Ok(*version < known),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_have_the_same_migrations() {
        assert_eq!(Dialect::Postgres.steps(0), Dialect::Sqlite.steps(0));
    }

    #[test]
    fn a_newer_or_foreign_schema_is_refused() {
        let known = Dialect::Sqlite.known();
        assert!(!must_migrate(&Found::Version(known), Dialect::Sqlite, false, false).unwrap());
        assert!(must_migrate(&Found::Version(known - 1), Dialect::Sqlite, false, false).unwrap());
        assert!(!must_migrate(&Found::Nothing, Dialect::Sqlite, true, false).unwrap());
        for found in [Found::Version(known + 1), Found::Foreign(vec!["iiko_product".to_owned()])] {
            assert_eq!(must_migrate(&found, Dialect::Sqlite, false, true).unwrap_err().kind, Kind::Usage);
        }
        assert_eq!(
            must_migrate(&Found::Version(known - 1), Dialect::Sqlite, true, false)
                .unwrap_err()
                .hint
                .as_deref(),
            Some("run `zerkalo migrate`")
        );
    }
}
