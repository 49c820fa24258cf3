//! The `PostgreSQL` side.
//!
//! Every turn counts on a slow link: one plain connection, the schema's version, whose mirror it is and all indexes in
//! one simple query, and a table's inserts, updates, deletes, tombstones and log rows in one data-modifying statement
//! that rolls itself back when it touched another number of rows than was planned. Larger changes go by `COPY` first,
//! in the same transaction.

mod copy;
mod direct;
mod examine;
mod exclusion;
mod look;
mod statement;
mod write;

pub(super) use self::look::standby_failure;
use self::{
    direct::{Second, application, dial},
    exclusion::Exclusion,
    statement::key_arrays,
    write::key_texts_arrays,
};
use super::{
    Access, Applied, Prepared, Receipt, Store, WriteError,
    condition::Condition,
    failure,
    faults::{self, Fault},
    hold,
    index::Reader,
    journal, labels,
    lock::Name,
    migrate::{self, Dialect, Found, HISTORY},
    objects,
    quoting::{label_query, quoted, text_query},
    sql::{Cells, Execute, Link, Row, Sql},
    texts,
};
use crate::{
    config::address::known_options,
    engine::{Index, Plan, Table, row::Key},
    error::{Failure, Kind as FailureKind, Result},
};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use hashbrown::HashMap;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, PgConnection, Row as _,
    postgres::PgConnectOptions,
};
use std::{
    collections::HashSet,
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

/// How a connection behaves.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How long others who write are waited for.
    pub patience: Duration,
    /// More rows than these are written with `COPY`.
    pub bulk_threshold: usize,
    /// Whose connection it is.
    pub run: Option<Uuid>,
    /// Whether this run has looked already whether its connections are direct.
    pub is_direct: Arc<AtomicBool>,
    /// What the run has learnt of the server.
    pub(in crate::store) condition: Condition,
}

/// A connection to one schema.
#[derive(Debug)]
pub struct Postgres {
    connection: PgConnection,
    options: PgConnectOptions,
    /// The server process behind the connection, once known.
    backend: Option<i32>,
    /// What nobody else may work on while the connection lasts.
    excluded: Vec<Exclusion>,
    /// Tells this connection from others.
    id: Uuid,
    /// A second connection, until it is known that the first one is direct.
    second: Option<Second>,
    /// Whether the schema was seen to be at our version.
    is_current: bool,
    schema: String,
    access: Access,
    bulk_threshold: usize,
    condition: Condition,
    /// Whether this connection waits for others only shortly.
    is_hurried: bool,
}

impl Postgres {
    /// Connects. Fails in one sentence that holds no password.
    pub async fn connect(
        url: &SecretString,
        schema: &str,
        access: Access,
        Connection { patience, bulk_threshold, run, is_direct, condition }: Connection,
    ) -> Result<Self> {
        condition.check()?;
        let (url, strange) = known_options(url.expose_secret());
        if !strange.is_empty() {
            tracing::warn!(
                "DATABASE_URL has options that mean nothing here and are left out: {}",
                strange.join(", ")
            );
        }
        let options = PgConnectOptions::from_str(&url)
            .map_err(|_| {
                Failure::new(FailureKind::Usage, "DATABASE_URL is not a valid PostgreSQL address")
                    .hint("it looks like postgres://user@host:5432/database")
            })?
            .application_name(&application(run))
            .options(direct::SETTINGS)
            .options([
                ("search_path", quoted(schema)),
                ("lock_timeout", format!("{}ms", patience.as_millis())),
                (
                    "default_transaction_read_only",
                    if access == Access::DryRun { "on" } else { "off" }.to_owned(),
                ),
            ])
            .disable_statement_logging();
        let look = access == Access::Write && !is_direct.swap(true, Ordering::Relaxed);
        let second = async { if look { direct::second(&options).await } else { None } };
        let (connection, second) = tokio::join!(dial(&options), second);
        Ok(Self {
            connection: connection.inspect_err(|failure| condition.is_down(failure))?,
            options,
            backend: None,
            excluded: Vec::new(),
            id: Uuid::now_v7(),
            second: second.map(Second::Open),
            is_current: false,
            schema: schema.to_owned(),
            access,
            bulk_threshold,
            condition,
            is_hurried: false,
        })
    }

    /// Migrates as far as this access allows and says where the schema stands then.
    pub async fn migrate(&mut self, by_command: bool) -> Result<Found> {
        self.check_direct().await?;
        let found = self.look().await?;
        if migrate::must_migrate(&found, Dialect::Postgres, self.access == Access::DryRun, by_command)?
            && self.access == Access::Write
        {
            let mut migrator = Dialect::Postgres.migrator();
            // Creating needs a right on the database, also where the schema exists.
            if !self.has_schema().await? {
                migrator.create_schema(self.schema.clone());
            }
            if let Err(error) = migrator.run_direct(None, &mut self.connection, false).await {
                return Err(self.naming_grants(faults::migration(error)).await);
            }
            return self.look().await;
        }
        Ok(found)
    }

    /// Reads version, identity and indexes; `None` when the schema is not there or not at our version.
    async fn read(&mut self, tables: &[&'static Table], verify: bool) -> Result<Option<Prepared>> {
        self.check_direct().await?;
        let mut sql = format!(
            "{};\n{};\nselect max(version) as version from {HISTORY};\n{};\n{};\n",
            self.look_at_session(),
            objects::query(Dialect::Postgres, "current_schema()"),
            journal::IDENTITY,
            hold::QUERY,
        );
        let mut readers: Vec<Reader> = tables.iter().map(|table| Reader::new(table, verify)).collect();
        for reader in &readers {
            sql.push_str(&reader.query(Dialect::Postgres));
            sql.push_str(";\n");
        }
        let mut prepared =
            Prepared { indexes: tables.iter().map(|_| Index::default()).collect(), identity: HashMap::new() };
        let mut statement = 0;
        let mut session = None;
        let mut current = true;
        let mut there = HashSet::new();
        let mut holds = Vec::new();
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut self.connection);
        loop {
            let next = match results.try_next().await {
                Ok(next) => next,
                Err(error) if Fault::of(&error) == Fault::Missing => {
                    // Where our settings did not arrive it is another schema that was looked into.
                    drop(results);
                    return session.map_or(Ok(()), |row| self.check_session(&row)).map(|()| None);
                }
                Err(error) => {
                    drop(results);
                    return Err(self.refused("reading what the tables hold", error).await);
                }
            };
            let Some(next) = next else { break };
            let row = match next {
                Either::Left(_) => {
                    statement += 1;
                    continue;
                }
                Either::Right(row) => row,
            };
            let read = match statement {
                0 => {
                    session = Some(row);
                    Ok(())
                }
                1 => row.try_get("object").map(|object| {
                    there.insert(object);
                }),
                2 => row
                    .try_get::<Option<i64>, _>("version")
                    .map(|version| current = version == Some(Dialect::Postgres.known())),
                3 => {
                    let row = Row::new("source_identity", Cells::Postgres(row));
                    prepared.identity.extend([journal::identity_row(&row)?]);
                    Ok(())
                }
                4 => {
                    holds.push(hold::read(&Row::new("mirror_hold", Cells::Postgres(row)))?);
                    Ok(())
                }
                _ => readers[statement - 5].add(&mut prepared.indexes[statement - 5], &Cells::Postgres(row)),
            };
            read.map_err(|error| failure("reading what the tables hold", error))?;
        }
        drop(results);
        if let Some(row) = session {
            self.check_session(&row)?;
        }
        hold::put(tables, &mut prepared.indexes, holds);
        // Whoever gets nothing here looks at the schema, and is told what it lacks.
        current &= objects::missing(Dialect::Postgres, &there).is_empty();
        self.is_current = current;
        Ok(current.then_some(prepared))
    }

    /// Ends server processes of ours whose client is gone, and waits until they are. The server notices only after a
    /// while that a client has gone, and may commit by then.
    async fn end_backends(&mut self, which: &'static str, application: String, pid: i32) -> Result<()> {
        let doing = "ending what a stopped run was doing";
        let sql = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where application_name = $1 and usename = current_user and pid <> pg_backend_pid() and {which}"
        );
        for _ in 0..100 {
            let left: i64 = sqlx::query_scalar(AssertSqlSafe(sql.as_str()))
                .bind(&application)
                .bind(pid)
                .fetch_one(&mut self.connection)
                .await
                .map_err(|error| failure(doing, error))?;
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Failure::new(FailureKind::Database, format!("the database failed while {doing}: it goes on")))
    }
}

#[async_trait]
impl Execute for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn is_ready(&mut self) -> Result<bool> {
        Ok(self.migrate(false).await? != Found::Nothing)
    }

    async fn link(&mut self) -> Result<Link<'_>> {
        Ok(Link::Postgres(&mut self.connection))
    }

    fn failed(&self, doing: &str, error: sqlx::Error) -> Failure {
        self.condition.failure(doing, error)
    }

    async fn hurry(&mut self) -> Result<(), sqlx::Error> {
        if self.condition.has_waited() && !self.is_hurried {
            sqlx::raw_sql(look::SHORTLY).execute(&mut self.connection).await?;
            self.is_hurried = true;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Postgres {
    async fn try_exclude(&mut self, names: &[&str]) -> Result<()> {
        let added: Vec<Exclusion> = names.iter().map(|name| Exclusion::of(&self.schema, name)).collect();
        for exclusion in added {
            if !self.excluded.contains(&exclusion) {
                self.excluded.push(exclusion);
            }
        }
        self.lock().await
    }

    fn exclude_session(&mut self, session: &Name) {
        self.excluded.push(Exclusion::session(session));
    }

    async fn reconnect(&mut self) -> Result<bool> {
        if self.connection.ping().await.is_ok() {
            return Ok(false);
        }
        self.condition.check()?;
        self.connection = self.dial_again().await.inspect_err(|failure| self.condition.is_down(failure))?;
        self.is_hurried = false;
        if let Some(lost) = self.backend.take() {
            self.end_backends(
                "pid = $2",
                self.options.get_application_name().unwrap_or_default().to_owned(),
                lost,
            )
            .await?;
        }
        self.lock().await?;
        Ok(true)
    }

    async fn prepare(&mut self, tables: &[&'static Table], verify: bool) -> Result<Prepared> {
        if let Some(prepared) = self.read(tables, verify).await? {
            return Ok(prepared);
        }
        if self.migrate(false).await? == Found::Nothing {
            let indexes = tables.iter().map(|_| Index::default()).collect();
            return Ok(Prepared { indexes, identity: HashMap::new() });
        }
        self.read(tables, verify).await?.ok_or_else(|| {
            Failure::new(FailureKind::Database, "the schema is not at our version after migrating it")
                .hint("`zerkalo migrate` shows where it stands")
        })
    }

    async fn apply(&mut self, plan: &mut Plan, receipt: Receipt<'_>) -> Result<Applied> {
        let Err(error) = self.write_plan(plan, receipt).await else { return Ok(Applied::Done) };
        match error {
            WriteError::Moved => Ok(Applied::Conflict),
            WriteError::Spool(failure) => Err(failure),
            WriteError::Sql(error)
                if code(&error).as_deref() == Some("ZK001") || faults::is_same_key(&error) =>
            {
                Ok(Applied::Conflict)
            }
            WriteError::Sql(error) => Err(self.refused(&format!("writing {}", plan.table.name), error).await),
        }
    }

    async fn select(
        &mut self,
        table: &'static Table,
        columns: &[&'static str],
    ) -> Result<Vec<Vec<Option<String>>>> {
        let rows = match self.link().await?.rows(table.name, &Sql::new(text_query(table, columns))).await {
            Ok(rows) => rows,
            Err(error) if self.access == Access::DryRun && code(&error).as_deref() == Some("42P01") => {
                Vec::new()
            }
            Err(error) => return Err(failure(&format!("reading {}", table.name), error)),
        };
        texts(columns, &rows)
    }

    async fn describe(&mut self, table: &'static Table, keys: &[Key]) -> Result<Vec<String>> {
        let sql = Sql::new(format!("{}, {}", label_query(table, "t"), key_arrays(table, &mut 1)));
        let sql = key_texts_arrays(table, keys.iter()).into_iter().fold(sql, Sql::bind);
        let rows = self.link().await?.rows(table.name, &sql).await;
        labels(table, keys, &rows.map_err(|error| failure("naming rows", error))?)
    }

    async fn end_run(&mut self, run: Uuid) -> Result<()> {
        self.end_backends("$2 = 0", application(Some(run)), 0).await
    }

    async fn is_there(&mut self) -> Result<bool> {
        Ok(self.look().await? != Found::Nothing)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().await.map_err(|error| failure("closing the connection", error))
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}
