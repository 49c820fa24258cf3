//! The database side: the only place with SQL.
//!
//! - [`database`]: where the database is, and connecting to it
//! - `condition`: what a run has learnt of how it is
//! - `faults`: what its errors mean
//! - [`postgres`], [`sqlite`]: the two sides of [`Store`]
//! - [`migrate`]: the schema's version, migrations, foreign tables
//! - [`ddl`]: the statements that make a mirrored table, from its declaration
//! - `objects`: what migrations have made, and whether it is still there
//! - [`lock`]: one entity is never synced twice at the same time
//! - [`holders`]: who holds locks right now
//! - [`slot`]: the slots of scheduled jobs
//! - [`outbox`]: the outbox of documents
//! - [`delivery`]: which message was sent to which chat
//! - [`stoplist`]: what was in the stop-list when
//! - [`operator`]: what operators ask and decide
//! - [`journal`]: the log, and whose mirror this is
//! - `index`: reading what a table holds
//! - `sql`: one executor over both dialects

mod condition;
pub mod database;
pub mod ddl;
pub mod delivery;
mod faults;
pub(crate) mod filesystem;
mod hold;
pub mod holders;
mod index;
pub mod journal;
pub mod lock;
pub mod migrate;
mod objects;
pub mod operator;
pub mod outbox;
pub mod postgres;
mod quoting;
pub mod slot;
mod sql;
pub mod sqlite;
pub mod stoplist;

use crate::{
    engine::{
        Index, Plan, Table,
        row::{Key, key_texts},
    },
    error::{Failure, Kind, Result},
    model::Counts,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hashbrown::HashMap;
use serde::Serialize;
use uuid::Uuid;

pub use database::{Access, Database};
pub use delivery::DeliveryStore;
use faults::failure;
pub use journal::JournalStore;
pub use operator::OperatorStore;
pub use outbox::OutboxStore;
pub use slot::SlotStore;
use sql::Row;
pub use stoplist::StoplistStore;

/// One row of `iiko_sync_log`: what one run did to one entity, or to one scope of it.
#[derive(Debug, Clone, Serialize)]
pub struct LogRow {
    /// The run.
    pub run_id: Uuid,
    /// The table's name.
    pub entity_type: String,
    /// The scope; empty for a table without scopes.
    pub scope: String,
    /// `success`, `warning`, `error` or `skipped`.
    pub status: &'static str,
    /// When the entity's turn began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// How long it took, by a monotonic clock.
    pub duration_ms: i64,
    /// How many rows it has read and written.
    #[serde(flatten, serialize_with = "journal::as_columns")]
    pub counts: Counts,
    /// The failure or the warnings.
    pub error_message: Option<String>,
    /// Who started the run.
    pub triggered_by: String,
    /// Where it ran.
    pub host: String,
}

/// What a store found before a run.
#[derive(Debug)]
pub struct Prepared {
    /// What each table holds, in the order asked for.
    pub indexes: Vec<Index>,
    /// Whose mirror this is: upstream → identity.
    pub identity: HashMap<String, String>,
}

/// What became of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Everything is committed.
    Done,
    /// Somebody else wrote to the table between reading the index and applying; nothing is changed.
    Conflict,
}

/// What is written beside a plan, in its transaction.
#[derive(Debug, Clone, Copy)]
pub struct Receipt<'a> {
    /// The run, for the tombstones.
    pub run_id: Uuid,
    /// `synced_at` of every written row, UTC.
    pub now: DateTime<Utc>,
    /// The log rows.
    pub log: &'a [LogRow],
    /// What the history of the stop-list is to follow.
    pub reading: Option<&'a stoplist::Reading>,
}

/// One connection to the mirror's database.
#[async_trait]
pub trait Store:
    JournalStore + SlotStore + DeliveryStore + OutboxStore + OperatorStore + StoplistStore + Send
{
    /// Keeps every other zerkalo, on any host, from working on what is called so (tables, jobs) while this connection
    /// lasts. Fails with exit 11 when another one holds one of them: `jobs::run::exclude` is what waits, as long as the run
    /// may, and is to be used everywhere. An `SQLite` file has one host, where the lock files do.
    async fn try_exclude(&mut self, names: &[&str]) -> Result<()>;

    /// Has the next [`Store::try_exclude`] also keep every other zerkalo, on any host, from a session on the iiko server.
    fn exclude_session(&mut self, session: &lock::Name);

    /// Makes the connection anew if it is lost, with its exclusions, after the lost one has really ended. Whether it was
    /// lost.
    async fn reconnect(&mut self) -> Result<bool>;

    /// Reads what the tables hold and whose mirror this is, migrating first where that loses nothing.
    ///
    /// With `verify` the indexes cover what the columns really hold instead of the stored hash alone. In a dry run
    /// nothing is migrated or created: an absent schema reads as empty, an older one is refused.
    async fn prepare(&mut self, tables: &[&'static Table], verify: bool) -> Result<Prepared>;

    /// Applies a plan and writes its log rows in one transaction. The numbers of rows that were really inserted,
    /// updated and deleted must be the plan's, else nothing is changed.
    async fn apply(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<Applied>;

    /// Writes log rows of entities that changed nothing. What a lost connection had written already is not written twice.
    async fn log(&mut self, rows: &[LogRow]) -> Result<()> {
        let (Err(failure), Some(row)) = (self.insert_log(rows).await, rows.first()) else { return Ok(()) };
        if failure.kind != Kind::Database || !self.reconnect().await? {
            return Err(failure);
        }
        tracing::warn!("{failure}; the connection was lost and is made again");
        // One statement wrote all of them or none, and a run logs an entity once.
        if self.is_logged(row.run_id, &row.entity_type).await? {
            return Ok(());
        }
        self.insert_log(rows).await
    }

    /// Reads these columns of every row, as text, in no order. A table that is not there yet is empty.
    async fn select(
        &mut self,
        table: &'static Table,
        columns: &[&'static str],
    ) -> Result<Vec<Vec<Option<String>>>>;

    /// Names rows for a person: `name (key)`, in the order of the keys.
    async fn describe(&mut self, table: &'static Table, keys: &[Key]) -> Result<Vec<String>>;

    /// Ends what other connections of a run that has ended, or is ending, may still be doing: afterwards it has
    /// happened or it never will.
    async fn end_run(&mut self, run: Uuid) -> Result<()>;

    /// Whether there are tables, of whichever version; makes none.
    async fn is_there(&mut self) -> Result<bool>;

    /// Ends the connection in order.
    async fn close(self: Box<Self>) -> Result<()>;
}

/// Columns of rows that were asked for as text.
fn texts(columns: &[&str], rows: &[Row]) -> Result<Vec<Vec<Option<String>>>> {
    rows.iter().map(|row| columns.iter().map(|column| row.optional(column)).collect()).collect()
}

/// `name (key)` for each key, by the rows that were found of them.
fn labels(table: &Table, keys: &[Key], rows: &[Row]) -> Result<Vec<String>> {
    let read = |row: &Row| {
        let key = table.key.iter().map(|name| row.get(name)).collect::<Result<Vec<String>>>()?;
        Ok((key, row.get::<String>("shown_label")?))
    };
    let names = rows.iter().map(read).collect::<Result<HashMap<_, _>>>()?;
    let label = |key: &Key| {
        let texts = key_texts(table, key);
        match names.get(&texts).filter(|name| !name.is_empty()) {
            Some(name) => format!("{} ({})", crate::error::quote(name, 60), texts.join(" ")),
            None => texts.join(" "),
        }
    };
    Ok(keys.iter().map(label).collect())
}

/// Why a plan could not be written.
enum WriteError {
    /// The database's own error.
    Sql(sqlx::Error),
    /// The spool could not be read.
    Spool(Failure),
    /// Another number of rows than was planned.
    Moved,
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Failure> for WriteError {
    fn from(failure: Failure) -> Self {
        Self::Spool(failure)
    }
}
