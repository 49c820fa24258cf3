//! Making a connection, and finding out whether it is one to a server process of its own.
//!
//! A pooler that hands out server processes by transaction (`PgBouncer` with `pool_mode = transaction`) would make every
//! advisory lock worthless: the lock stays with a process that somebody else works through next. So it is refused, by
//! what it cannot hide: settings that it did not pass on, a process that another connection has marked or works through
//! as well, a process that changes.

use super::{Postgres, look::WHAT_IT_IS, statement::inline};
use crate::{
    error::{Failure, Kind, Result},
    store::failure,
};
use sqlx::{
    Connection as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

impl Postgres {
    /// A query about the server process: its number, the search path, which connection marked it last, and what the server
    /// is; marks it.
    pub(super) fn look_at_session(&self) -> String {
        let sql = format!(
            "select pg_backend_pid() as backend, current_setting('search_path') as path,
             coalesce(current_setting('zerkalo.connection', true), '') as mark, {WHAT_IT_IS},
             set_config('zerkalo.connection', $1, false)"
        );
        inline(&sql, &[self.id.to_string()])
    }

    /// Judges the answer to [`Self::look_at_session`], and remembers the server process.
    pub(super) fn check_session(&mut self, row: &PgRow) -> Result<()> {
        let read = (|| Ok((row.try_get("backend")?, row.try_get("path")?, row.try_get("mark")?)))();
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
        self.check_server(row)
    }

    /// Looks through a second connection, once a run, when this one has its locks: it must not get the process that holds
    /// them. Other connections need not wait for the answer; this one does, with [`Self::check_direct`], because it has to
    /// be idle meanwhile: a pooler would give a busy one's process to nobody.
    pub(super) fn ask_second(&mut self) {
        self.second = match self.second.take() {
            Some(Second::Open(second)) => Some(Second::Asked(tokio::spawn(process_of(second)))),
            other => other,
        };
    }

    /// Judges what the second connection saw, before anything is read or written.
    pub(super) async fn check_direct(&mut self) -> Result<()> {
        let Some(Second::Asked(answer)) = self.second.take_if(|second| matches!(second, Second::Asked(_)))
        else {
            return Ok(());
        };
        match answer.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)) {
            Ok(backend) if Some(backend) == self.backend => {
                Err(pooled("two connections got the same server process"))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(failure("looking at the connection", error)),
        }
    }
}

/// The second connection of a run.
#[derive(Debug)]
pub(super) enum Second {
    /// Nothing was asked yet.
    Open(PgConnection),
    /// It is asked for its server process.
    Asked(JoinHandle<Result<i32, sqlx::Error>>),
}

/// The server process behind a connection, which is then closed.
async fn process_of(mut connection: PgConnection) -> Result<i32, sqlx::Error> {
    let row = sqlx::raw_sql("select pg_backend_pid() as backend").fetch_one(&mut connection).await?;
    let backend = row.try_get("backend")?;
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closing the second connection");
    }
    Ok(backend)
}

/// What the server calls a run's connections.
pub(super) fn application(run: Option<Uuid>) -> String {
    run.map_or_else(|| "zerkalo".to_owned(), |run| format!("zerkalo {run}"))
}

/// What decides how our statements and the server's answers are read, whatever the role, the database or the server have set
/// (the driver sets `DateStyle`, `TimeZone`, `client_encoding` and `extra_float_digits` itself).
pub(super) const SETTINGS: [(&str, &str); 13] = [
    ("timezone", "UTC"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
    ("standard_conforming_strings", "on"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("quote_all_identifiers", "off"),
    ("exit_on_error", "off"),
    ("row_security", "on"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("idle_in_transaction_session_timeout", "60s"),
    // The outbox counts on it: what is committed is on disk before the next request is sent.
    ("synchronous_commit", "on"),
];

/// Settings that not every server takes: none of them is needed for a right result. A client that is gone is noticed
/// sooner, a link that is dead as well, no statement runs for ever, and no upstream is too slow for the connection.
pub(super) const SESSION: &str = "do $$ declare pair text[]; begin
 foreach pair slice 1 in array array[['statement_timeout', '15min'], ['client_connection_check_interval', '500ms'],
  ['tcp_keepalives_idle', '30'], ['idle_session_timeout', '0'], ['transaction_timeout', '0']] loop
  begin perform set_config(pair[1], pair[2], false); exception when others then null; end;
 end loop;
end $$";

/// The waits before each further try to reach a server that was lost in mid-run: it may be restarting.
pub(super) const RECONNECT: [Duration; 4] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// How long all of these tries may take together.
pub(super) const RECONNECT_TIME: Duration = Duration::from_secs(30);

pub(super) async fn dial(options: &PgConnectOptions) -> Result<PgConnection> {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    match tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) if error.to_string().contains("unsupported startup parameter") => {
            Err(pooled("it does not take this connection's settings"))
        }
        Ok(Err(error)) => Err(failure(&format!("connecting to PostgreSQL at {place}"), error)
            .hint("check that it runs, and DATABASE_URL: host, port, role, password, database")),
        Err(_) => Err(Failure::new(
            Kind::Database,
            format!("PostgreSQL at {place} does not answer within {} s", CONNECT.as_secs()),
        )
        .hint("check that it runs, and DATABASE_URL: host and port")),
    }
}

/// How long connecting may take.
pub(super) const CONNECT: Duration = Duration::from_secs(15);

/// A second connection; none where the server allows no more.
pub(super) async fn second(options: &PgConnectOptions) -> Option<PgConnection> {
    let dialled = tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await;
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
