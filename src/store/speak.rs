//! What both dialects are asked in one text.
//!
//! What is not the bulk of a mirror has one text for both, but for a few [`Words`], and every answer comes as text. On
//! `PostgreSQL` it goes as a simple query, in one turn.

use super::{migrate::Dialect, postgres};
use crate::error::{Failure, Kind, Result};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};

/// An answered row: every column as text.
pub(super) type Answer = Vec<Option<String>>;

/// The words in which the dialects differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words(pub(super) Dialect);

impl Words {
    /// A moment as an RFC 3339 text in UTC.
    pub(super) fn stamp(self, moment: &str) -> String {
        match self.0 {
            Dialect::Sqlite => moment.to_owned(),
            Dialect::Postgres => postgres::stamp(moment),
        }
    }

    /// Parameter `number`, which is a text.
    pub(super) fn text(self, number: usize) -> String {
        self.cast(number, "text")
    }

    /// Parameter `number`, which is a day.
    pub(super) fn date(self, number: usize) -> String {
        self.cast(number, "date")
    }

    /// Parameter `number`, which is a moment.
    pub(super) fn moment(self, number: usize) -> String {
        self.cast(number, "timestamptz")
    }

    /// Parameter `number`, which is a uuid.
    pub(super) fn uuid(self, number: usize) -> String {
        self.cast(number, "uuid")
    }

    fn cast(self, number: usize, kind: &str) -> String {
        match self.0 {
            Dialect::Sqlite => format!("${number}"),
            Dialect::Postgres => format!("${number}::{kind}"),
        }
    }
}

/// A statement and what its `$1`, `$2`, … stand for.
pub(super) type Statement = (String, Vec<String>);

/// A connection that takes statements of either dialect.
#[async_trait]
pub(super) trait Speak: Send {
    /// The words of its dialect.
    fn words(&self) -> Words;

    /// Whether there is a schema of ours, at our version: migrates where this access may and nothing is lost.
    async fn is_ready(&mut self) -> Result<bool>;

    /// Asks; every column of the answer as text.
    async fn ask(&mut self, doing: &str, statement: Statement) -> Result<Vec<Answer>>;

    /// Executes one statement that writes, without a transaction around it; how many rows it touched.
    async fn change(&mut self, doing: &str, (sql, parameters): Statement) -> Result<usize> {
        self.ask(doing, (sql + " returning 1", parameters)).await.map(|touched| touched.len())
    }

    /// Executes statements in one transaction; how many rows each of them touched.
    async fn tell(&mut self, doing: &str, statements: Vec<Statement>) -> Result<Vec<u64>>;
}

/// A moment as a parameter, and as both dialects answer it.
pub(super) fn text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// An answered row, column by column.
pub(super) struct Columns {
    table: &'static str,
    values: std::vec::IntoIter<Option<String>>,
}

impl Columns {
    /// The columns of an answer that comes from `table`.
    pub(super) fn new(table: &'static str, answer: Answer) -> Self {
        Self { table, values: answer.into_iter() }
    }

    /// The next value, if it is there.
    pub(super) fn optional(&mut self) -> Option<String> {
        self.values.next().flatten()
    }

    /// The next value.
    pub(super) fn text(&mut self) -> Result<String> {
        let table = self.table;
        self.optional().ok_or_else(|| unreadable(table))
    }

    /// A value that is there, from its text.
    pub(super) fn read<V>(&mut self, read: impl FnOnce(&str) -> Option<V>) -> Result<V> {
        let text = self.text()?;
        read(&text).ok_or_else(|| unreadable(self.table))
    }

    /// A value that may be missing, from its text.
    pub(super) fn read_optional<V>(&mut self, read: impl FnOnce(&str) -> Option<V>) -> Result<Option<V>> {
        let table = self.table;
        self.optional().map(|text| read(&text).ok_or_else(|| unreadable(table))).transpose()
    }

    /// The next value, a number.
    pub(super) fn count(&mut self) -> Result<i64> {
        self.read(|text| text.parse().ok())
    }
}

/// A moment from a column's text.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc())
}

fn unreadable(table: &str) -> Failure {
    Failure::new(Kind::Database, format!("{table} holds a row that cannot be read"))
        .hint("somebody else has written to it; only zerkalo may")
}
