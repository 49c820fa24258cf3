//! One entity is never written twice at the same time, and one job never runs twice: the connection that writes holds the
//! advisory lock, so a lost lock is a lost connection and nothing can commit.

use super::{Postgres, SESSION};
use crate::{
    error::{Failure, Kind, Result},
    store::failure,
};
use sqlx::{AssertSqlSafe, Row as _};
use std::time::Duration;

impl Postgres {
    /// Takes the advisory lock of each excluded table and job. A run that has just ended has given its lock files back already, while its
    /// server process may still be ending: it is waited for.
    pub(super) async fn lock(&mut self) -> Result<()> {
        let mut waits = ENDING.iter();
        loop {
            let Some((table, key)) = self.try_lock().await? else { return Ok(()) };
            let Some(wait) = waits.next() else { return Err(self.taken(&table, key).await) };
            // Two that hold a part each must not both wait for the other.
            sqlx::raw_sql("select pg_advisory_unlock_all()")
                .execute(&mut self.connection)
                .await
                .map_err(|error| failure("unlocking the tables", error))?;
            tokio::time::sleep(*wait).await;
        }
    }

    /// Tries each table's advisory lock; the first one that somebody else holds, and its key.
    async fn try_lock(&mut self) -> Result<Option<(String, i64)>> {
        let doing = "locking the tables";
        let keys: Vec<String> = self
            .excluded
            .iter()
            .map(|name| format!("('{name}', {})", advisory_key(&self.schema, name)))
            .collect();
        let sql = format!(
            "{SESSION}; select pg_backend_pid(), name, key, pg_try_advisory_lock(key) from (values {}) as v(name, key)",
            keys.join(", ")
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| failure(doing, error))?;
        for row in rows {
            let read = (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)))();
            let (backend, table, key, is_ours): (i32, String, i64, bool) =
                read.map_err(|error| failure(doing, error))?;
            self.backend = Some(backend);
            if !is_ours {
                return Ok(Some((table, key)));
            }
        }
        Ok(None)
    }

    /// Who holds a table's advisory lock.
    async fn taken(&mut self, table: &str, key: i64) -> Failure {
        let holder = sqlx::query_scalar::<_, String>(
            "select format('%s from %s (server process %s)', nullif(application_name, ''),
                 coalesce(host(client_addr), 'this host'), pid)
             from pg_locks join pg_stat_activity using (pid)
             where locktype = 'advisory' and granted and objsubid = 1 and pg_locks.database =
                 (select oid from pg_database where datname = current_database())
                 and (classid::bigint << 32 | objid::bigint) = $1",
        )
        .bind(key)
        .fetch_optional(&mut self.connection)
        .await;
        let holder = holder.ok().flatten().unwrap_or_else(|| "another run on this database".to_owned());
        Failure::new(Kind::Locked, format!("{table} is being used by {holder}"))
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

/// The advisory lock's key of a table or a job in a schema; the lock is the database's own already.
fn advisory_key(schema: &str, name: &str) -> i64 {
    xxhash_rust::xxh3::xxh3_64(format!("zerkalo {schema} {name}").as_bytes()).cast_signed()
}
