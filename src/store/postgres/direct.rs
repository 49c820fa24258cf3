//! Whether the connection is one to a server process of its own.
//!
//! A pooler that hands out server processes by transaction (`PgBouncer` with `pool_mode = transaction`) would make every
//! advisory lock worthless: the lock stays with a process that somebody else works through next. So it is refused, by
//! what it cannot hide: settings that it did not pass on, a process that another connection has marked or works through
//! as well, a process that changes.

use super::{Postgres, statement::inline};
use crate::{
    error::{Failure, Kind, Result},
    store::failure,
};
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};

impl Postgres {
    /// A query about the server process: its number, the search path, and which connection marked it last; marks it.
    pub(super) fn look_at_session(&self) -> String {
        let sql = "select pg_backend_pid(), current_setting('search_path'),
             coalesce(current_setting('zerkalo.connection', true), ''), set_config('zerkalo.connection', $1, false)";
        inline(sql, &[self.id.to_string()])
    }

    /// Judges the answer to [`Self::look_at_session`], and remembers the server process.
    pub(super) fn check_session(&mut self, row: &PgRow) -> Result<()> {
        let read = (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))();
        let (backend, path, mark): (i32, String, String) =
            read.map_err(|error| failure("looking at the connection", error))?;
        if path != super::quoted(&self.schema) {
            return Err(pooled("the server did not get this connection's settings"));
        }
        if !mark.is_empty() && mark != self.id.to_string() {
            return Err(pooled("another connection has worked through the same server process"));
        }
        if self.backend.is_some_and(|known| known != backend) {
            return Err(pooled("the server process changes from one transaction to the next"));
        }
        self.backend = Some(backend);
        Ok(())
    }

    /// Looks through a second connection, once a run: it must not get the process that holds the locks.
    pub(super) async fn check_direct(&mut self) -> Result<()> {
        let Some(mut second) = self.second.take() else { return Ok(()) };
        let backend: Result<i32, sqlx::Error> = sqlx::raw_sql("select pg_backend_pid()")
            .fetch_one(&mut second)
            .await
            .and_then(|row| row.try_get(0));
        let closed = second.close().await;
        if let Err(error) = closed {
            tracing::debug!(%error, "closing the second connection");
        }
        match backend {
            Ok(backend) if Some(backend) == self.backend => {
                Err(pooled("two connections got the same server process"))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(failure("looking at the connection", error)),
        }
    }
}

/// A second connection; none where the server allows no more.
pub(super) async fn second(options: &sqlx::postgres::PgConnectOptions) -> Option<PgConnection> {
    let dialled = tokio::time::timeout(super::CONNECT, PgConnection::connect_with(options)).await;
    match dialled {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no second connection");
            None
        }
        Err(_) => None,
    }
}

/// The refusal.
pub(super) fn pooled(why: &str) -> Failure {
    let text = format!("DATABASE_URL leads through a pooler, where locks do not hold: {why}");
    Failure::new(Kind::Usage, text).hint(
        "connect to PostgreSQL itself: its own host and port instead of the pooler's (PgBouncer: usually 5432, not 6432)",
    )
}
