//! One entity is never written twice at the same time, and one job never runs twice: the connection that writes holds the
//! advisory lock, so a lost lock is a lost connection and nothing can commit.

use super::{Postgres, direct::SESSION, statement::inline};
use crate::{
    error::{Failure, Kind, Result},
    store::{failure, lock::Name},
};
use sqlx::{AssertSqlSafe, Row as _};
use std::time::Duration;

/// What nobody else may work on while the connection lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exclusion {
    /// What it is called.
    name: String,
    /// Its advisory lock's key; the lock is the database's own already.
    key: i64,
}

impl Exclusion {
    /// A table or a job of a schema.
    pub(super) fn of(schema: &str, name: &str) -> Self {
        Self { name: name.to_owned(), key: key(&format!("zerkalo {schema} {name}")) }
    }

    /// A login's session on an iiko server: schemas share it.
    pub(super) fn session(session: &Name) -> Self {
        Self { name: session.describe(), key: key(&format!("zerkalo {}", session.file_name())) }
    }
}

impl Postgres {
    /// Takes all advisory locks that are excluded, or none. A run that has just ended has given its lock files back
    /// already, while its server process may still be ending: it is waited for.
    pub(super) async fn lock(&mut self) -> Result<()> {
        if self.excluded.is_empty() {
            return Ok(());
        }
        let mut waits = ENDING.iter();
        while let Some(held) = self.try_lock().await? {
            let wait = waits.next();
            let taken = if wait.is_none() { Err(self.taken(&held).await) } else { Ok(()) };
            // Two that hold a part each must not both wait for the other.
            sqlx::raw_sql("select pg_advisory_unlock_all()")
                .execute(&mut self.connection)
                .await
                .map_err(|error| failure("unlocking the tables", error))?;
            taken?;
            tokio::time::sleep(wait.copied().unwrap_or_default()).await;
        }
        self.ask_second();
        Ok(())
    }

    /// Tries each advisory lock; the first one that somebody else holds.
    async fn try_lock(&mut self) -> Result<Option<Exclusion>> {
        let doing = "locking the tables";
        let names: Vec<String> = self.excluded.iter().map(|exclusion| exclusion.name.clone()).collect();
        let keys = self.excluded.iter().enumerate();
        let keys: Vec<String> =
            keys.map(|(at, exclusion)| format!("(${}, {})", at + 1, exclusion.key)).collect();
        let locks = format!(
            "select name, key, pg_try_advisory_lock(key) as is_ours from (values {}) as v(name, key)",
            keys.join(", ")
        );
        let sql = format!("{}; {SESSION}; {}", self.look_at_session(), inline(&locks, &names));
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| failure(doing, error))?;
        let mut rows = rows.iter();
        if let Some(row) = rows.next() {
            self.check_session(row)?;
        }
        for row in rows {
            let read = (|| Ok((row.try_get("name")?, row.try_get("key")?, row.try_get("is_ours")?)))();
            let (name, key, is_ours): (String, i64, bool) = read.map_err(|error| failure(doing, error))?;
            if !is_ours {
                return Ok(Some(Exclusion { name, key }));
            }
        }
        Ok(None)
    }

    /// Who holds an advisory lock.
    async fn taken(&mut self, held: &Exclusion) -> Failure {
        let holder = sqlx::query_scalar::<_, String>(
            "select format('%s from %s (server process %s)', nullif(application_name, ''),
                 coalesce(host(client_addr), 'this host'), pid)
             from pg_locks join pg_stat_activity using (pid)
             where locktype = 'advisory' and granted and objsubid = 1 and pg_locks.database =
                 (select oid from pg_database where datname = current_database())
                 and (classid::bigint << 32 | objid::bigint) = $1",
        )
        .bind(held.key)
        .fetch_optional(&mut self.connection)
        .await;
        let holder = holder.ok().flatten().unwrap_or_else(|| "another run on this database".to_owned());
        Failure::new(Kind::Locked, format!("{} is being used by {holder}", held.name))
            .hint("wait until it has ended, then start this again")
    }
}

/// The waits before each further try to lock what an ending connection may still hold; 0.6 s in all.
const ENDING: [Duration; 4] = [
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

fn key(text: &str) -> i64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes()).cast_signed()
}
