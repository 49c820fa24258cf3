//! What an error of the database means: one table of codes for each dialect. README.md has the same table for operators.

use super::migrate::Dialect;
use crate::error::{Failure, Kind};
use sqlx::{error::DatabaseError, postgres::PgDatabaseError};

/// What kind of error it is, and so what cures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Another program holds what is needed, and the wait for it ran out.
    Busy,
    /// The connection is gone, or the server does not take any.
    Lost,
    /// The disk is full.
    Full,
    /// Nothing can be written there at the moment.
    ReadOnly,
    /// The file is damaged, or no database.
    Damaged,
    /// The database cannot work at the moment: memory, connections, its disk, another transaction.
    Unwell,
    /// It does not let this role in.
    Login,
    /// The role may not do it.
    Rights,
    /// Something is not there that has to be.
    Missing,
    /// What somebody else made is in the way: a constraint, an index, a trigger, a view.
    InTheWay,
    /// The database does not take a value.
    Data,
}

/// By SQLSTATE, which begins so; the first match counts.
const POSTGRES: [(&str, Fault); 26] = [
    ("55P03", Fault::Busy),
    ("08", Fault::Lost),
    ("57P01", Fault::Lost),
    ("57P02", Fault::Lost),
    ("57P03", Fault::Lost),
    ("57P05", Fault::Lost),
    ("25P03", Fault::Lost),
    ("25P04", Fault::Lost),
    ("53100", Fault::Full),
    ("25006", Fault::ReadOnly),
    ("XX001", Fault::Damaged),
    ("XX002", Fault::Damaged),
    ("28", Fault::Login),
    ("42501", Fault::Rights),
    ("3D000", Fault::Missing),
    ("3F000", Fault::Missing),
    ("42P01", Fault::Missing),
    ("42703", Fault::Missing),
    ("42704", Fault::Missing),
    ("42883", Fault::Missing),
    ("23", Fault::InTheWay),
    ("P0", Fault::InTheWay),
    ("2BP01", Fault::InTheWay),
    ("0A000", Fault::InTheWay),
    ("22", Fault::Data),
    ("54", Fault::Data),
];

/// By primary result code.
const SQLITE: [(i32, Fault); 14] = [
    (libsqlite::BUSY, Fault::Busy),
    (libsqlite::LOCKED, Fault::Busy),
    (libsqlite::FULL, Fault::Full),
    (libsqlite::READONLY, Fault::ReadOnly),
    (libsqlite::CORRUPT, Fault::Damaged),
    (libsqlite::NOTADB, Fault::Damaged),
    (libsqlite::PERM, Fault::Rights),
    (libsqlite::AUTH, Fault::Rights),
    (libsqlite::CONSTRAINT, Fault::InTheWay),
    (libsqlite::TOOBIG, Fault::Data),
    (libsqlite::MISMATCH, Fault::Data),
    (libsqlite::RANGE, Fault::Data),
    (libsqlite::NOMEM, Fault::Unwell),
    (libsqlite::IOERR, Fault::Unwell),
];

/// `SQLite`'s own numbers.
mod libsqlite {
    pub(super) const ERROR: i32 = 1;
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const AUTH: i32 = 23;
    pub(super) const RANGE: i32 = 25;
    pub(super) const NOTADB: i32 = 26;
    /// The two of a row that is there already under the same primary key.
    pub(super) const SAME_KEY: [i32; 2] = [1555, 2579];
}

impl Fault {
    /// What an error of the driver means.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => Self::of_database(&**error),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Self::Lost,
            _ => Self::Unwell,
        }
    }

    fn of_database(error: &dyn DatabaseError) -> Self {
        let code = error.code().unwrap_or_default();
        if dialect(error) == Dialect::Postgres {
            let known = POSTGRES.iter().find(|(beginning, _)| code.starts_with(beginning));
            return known.map_or(Self::Unwell, |(_, fault)| *fault);
        }
        // The rest of an extended code says more of the same.
        let primary = code.parse::<i32>().unwrap_or_default() & 0xff;
        if primary == libsqlite::ERROR && error.message().starts_with("no such ") {
            return Self::Missing;
        }
        SQLITE.iter().find(|(known, _)| *known == primary).map_or(Self::Unwell, |(_, fault)| *fault)
    }

    /// The exit code's kind: what a machine may start again is the database's, the rest is a person's.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Busy | Self::Lost | Self::Full | Self::ReadOnly | Self::Damaged | Self::Unwell => {
                Kind::Database
            }
            Self::Login | Self::Rights | Self::Missing | Self::InTheWay => Kind::Usage,
            Self::Data => Kind::InvalidAnswer,
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::Busy => {
                "another program has been writing for longer than ZERKALO_BUSY_TIMEOUT; stop it, then start this again"
            }
            Self::Lost | Self::Unwell => {
                "nothing was half written; start this again when the database is well"
            }
            Self::Full => {
                "the disk is full; free some space, then start this again; nothing was half written"
            }
            Self::ReadOnly => {
                "the database cannot be written to; check the file's owner and mode and its disk, or that PostgreSQL is no \
                 standby"
            }
            Self::Damaged => "the database is damaged: put a backup in its place, then start this again",
            Self::Login => "check DATABASE_URL: role, password, database, and what pg_hba.conf says of them",
            Self::Rights => "the role lacks a right: `zerkalo doctor` names it with the grant that gives it",
            Self::Missing => "`zerkalo doctor` names what is missing; put it back, or restore a backup",
            Self::InTheWay => {
                "what the database names was not made by zerkalo: drop it, then start this again"
            }
            Self::Data => {
                "the database does not take what the upstream sent: put the record right there; until then the table stays \
                 as it was"
            }
        }
    }
}

/// A database failure: what was being done, and the database's own words.
pub(crate) fn failure(doing: &str, error: sqlx::Error) -> Failure {
    let fault = Fault::of(&error);
    let failed = Failure::new(fault.kind(), format!("the database failed while {doing}")).hint(fault.hint());
    match error {
        // The server's own sentence, without the driver's words and source lines around it.
        sqlx::Error::Database(error) => failed.source(anyhow::Error::msg(words(&*error, fault))),
        other => failed.source(other),
    }
}

/// What the database said, with what it says apart of the sentence: which key is there already, which constraint it is.
fn words(error: &dyn DatabaseError, fault: Fault) -> String {
    let mut words = error.message().to_owned();
    let mut add = |part: Option<&str>| {
        if let Some(part) = part.filter(|part| !words.contains(*part)) {
            words = format!("{words} ({part})");
        }
    };
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        add(error.constraint());
        add(error.table());
        add(error.column());
        // Of a broken check it is the whole row.
        let tells = error.code() == "23505" || !error.code().starts_with("23");
        add(error.detail().filter(|_| tells));
        add(error.r#where().filter(|_| fault == Fault::Data).and_then(|place| place.lines().next()));
    }
    words
}

fn dialect(error: &dyn DatabaseError) -> Dialect {
    if error.try_downcast_ref::<PgDatabaseError>().is_some() { Dialect::Postgres } else { Dialect::Sqlite }
}

/// Whether a row is there already under the same primary key: somebody else writes to the table. Any other constraint is
/// somebody else's own.
pub(crate) fn is_same_key(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    if !error.is_unique_violation() {
        return false;
    }
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        let ours = [format!("{}_pkey", error.table().unwrap_or_default()), OPEN_STRETCH.to_owned()];
        return error.constraint().is_some_and(|name| ours.iter().any(|our| our == name));
    }
    let code = error.code().unwrap_or_default().parse().unwrap_or_default();
    // Of an index it tells the columns instead of the name.
    libsqlite::SAME_KEY.contains(&code) || error.message().contains(" stoplist_history.")
}

/// The one unique index of ours that is no primary key.
const OPEN_STRETCH: &str = "stoplist_history_open_idx";

/// A failed migration.
pub(super) fn migration(error: sqlx::migrate::MigrateError) -> Failure {
    use sqlx::migrate::MigrateError;
    let text = "a migration failed and was rolled back";
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            let fault = Fault::of(&error);
            let told = failure("migrating", error);
            let hint = told.hint.clone().unwrap_or_default();
            let hint = match fault {
                Fault::InTheWay => {
                    "what the database names is in the way: drop it, run `zerkalo migrate`, then make it anew"
                }
                _ => &hint,
            };
            told.context(text).hint(hint.to_owned())
        }
        other => Failure::new(Kind::Database, text)
            .hint("`zerkalo migrate` shows where the schema stands")
            .source(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_meaning_and_the_readme_tells_it() {
        let (_, readme) = include_str!("../../README.md").split_once("| SQLSTATE").unwrap();
        let row = |fault: Fault| {
            let kind = fault.kind().exit_code();
            move |code: &str| {
                let told =
                    readme.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{code}`")));
                let told = told.unwrap_or_else(|| panic!("README.md has no row with `{code}`"));
                assert!(told.ends_with(&format!("| {kind} |")), "{code}: {told}");
            }
        };
        for (code, fault) in POSTGRES {
            row(fault)(code);
        }
        for (code, fault) in SQLITE {
            row(fault)(&format!("SQLITE {code}"));
        }
    }
}
