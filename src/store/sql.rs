//! One executor over both dialects: a statement with its values, and rows that are read by the names of their columns.
//!
//! What is not the bulk of a mirror has one text for both. A value is bound as what it is: `PostgreSQL` takes uuids, days and
//! moments as such, `SQLite` the texts that it stores. On `PostgreSQL` a statement with bound values takes two turns, because
//! it is prepared first; one without values is a simple query, in one turn.

use super::migrate::Dialect;
use crate::error::{Failure, Kind, Result};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sqlx::{
    AssertSqlSafe, Connection as _, Encode, PgConnection, Row as _, SqliteConnection, Type,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};
use std::fmt::Write as _;
use uuid::Uuid;

/// A value of a statement; each may be null.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Uuid(Option<Uuid>),
    Day(Option<NaiveDate>),
    Moment(Option<DateTime<Utc>>),
}

macro_rules! values {
    ($($kind:ident: $type:ty),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$kind(Some(value))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$kind(value)
            }
        }
    )*};
}

values!(Text: String, Int: i64, Uuid: Uuid, Day: NaiveDate, Moment: DateTime<Utc>);

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        i64::try_from(number).unwrap_or(i64::MAX).into()
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Value {
    /// The value as text, as `SQLite` stores it, and its type.
    fn text(&self) -> (Option<String>, &'static str) {
        match self {
            Self::Text(text) => (text.clone(), "text"),
            Self::Int(number) => (number.map(|number| number.to_string()), "bigint"),
            Self::Uuid(id) => (id.map(|id| id.to_string()), "uuid"),
            Self::Day(day) => (day.map(|day| day.to_string()), "date"),
            Self::Moment(moment) => (moment.map(stamp), "timestamptz"),
        }
    }
}

/// A moment as `SQLite` stores it: UTC with microseconds, so that texts sort as times do.
pub(super) fn stamp(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The values of a statement while its text is written.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<Value>);

impl Values {
    /// A further value; what the text calls it.
    pub(super) fn add(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }
}

/// A statement, and what its `$1`, `$2`, … stand for.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
    in_one_turn: bool,
}

impl Sql {
    /// A statement whose values follow.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::with(text, Values::default())
    }

    /// A statement with the values that its text was written of.
    pub(super) fn with(text: impl Into<String>, values: Values) -> Self {
        Self { text: text.into(), values: values.0, in_one_turn: false }
    }

    /// A statement that inserts one row.
    pub(super) fn insert<const N: usize>(table: &str, row: [(&str, Value); N]) -> Self {
        let (columns, values): (Vec<&str>, Vec<Value>) = row.into_iter().unzip();
        let places: Vec<String> = (1..=N).map(|number| format!("${number}")).collect();
        let text = format!("insert into {table} ({}) values ({})", columns.join(", "), places.join(", "));
        Self { text, values, in_one_turn: false }
    }

    /// The next value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// More of its text.
    pub(super) fn and(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// For what runs every few minutes, or on every start, over a slow link: the values are written into the text, and so
    /// `PostgreSQL` is asked once.
    pub(super) fn in_one_turn(self) -> Self {
        Self { in_one_turn: true, ..self }
    }

    /// The statement with its values in its text, for `PostgreSQL`. Texts are hex digits there, in which nothing can be read
    /// as SQL.
    pub(super) fn inlined(&self) -> String {
        inline(&self.text, self.values.len() * 64, |out, number| {
            let _ = match self.values[number - 1].text() {
                (None, kind) => write!(out, "null::{kind}"),
                (Some(text), "text") => {
                    push_text(out, &text);
                    Ok(())
                }
                (Some(text), kind) => write!(out, "'{text}'::{kind}"),
            };
        })
    }

    fn is_simple(&self) -> bool {
        self.in_one_turn || self.values.is_empty()
    }

    fn for_sqlite(&self) -> sqlx::query::Query<'_, sqlx::Sqlite, SqliteArguments> {
        let mut arguments = SqliteArguments::default();
        for value in &self.values {
            match value {
                Value::Int(number) => add(&mut arguments, *number),
                other => add(&mut arguments, other.text().0),
            }
        }
        sqlx::query_with(AssertSqlSafe(self.text.as_str()), arguments)
    }

    fn for_postgres(&self) -> sqlx::query::Query<'_, sqlx::Postgres, PgArguments> {
        let mut arguments = PgArguments::default();
        for value in &self.values {
            match value {
                Value::Text(text) => add(&mut arguments, text.as_deref()),
                Value::Int(number) => add(&mut arguments, *number),
                Value::Uuid(id) => add(&mut arguments, *id),
                Value::Day(day) => add(&mut arguments, *day),
                Value::Moment(moment) => add(&mut arguments, *moment),
            }
        }
        sqlx::query_with(AssertSqlSafe(self.text.as_str()), arguments)
    }
}

fn add<'t, A: sqlx::Arguments>(arguments: &mut A, value: impl Encode<'t, A::Database> + Type<A::Database>) {
    arguments.add(value).expect("plain values encode");
}

/// Writes what `$1`, `$2`, … stand for into a text, by their numbers; `length` bytes or so.
pub(super) fn inline(sql: &str, length: usize, mut push: impl FnMut(&mut String, usize)) -> String {
    let mut out = String::with_capacity(sql.len() + length);
    let mut parts = sql.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let number = part[..digits].parse().expect("our texts have `$` only before a parameter's number");
        push(&mut out, number);
        out.push_str(&part[digits..]);
    }
    out
}

/// Writes a text into a statement of `PostgreSQL`.
pub(super) fn push_text(out: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(text.len() * 2 + 40);
    out.push_str("convert_from('\\x");
    // One buffer for it all: a table's rows are here once as text and once as digits.
    for byte in text.bytes() {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
    out.push_str("', 'UTF8')");
}

/// An answered row of a table.
pub(super) struct Row {
    table: &'static str,
    cells: Cells,
}

/// What the driver answers.
pub(super) enum Cells {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn new(table: &'static str, cells: Cells) -> Self {
        Self { table, cells }
    }

    /// The rows that a driver answers.
    pub(super) fn all<R>(table: &'static str, rows: Vec<R>, cells: fn(R) -> Cells) -> Vec<Self> {
        rows.into_iter().map(|row| Self::new(table, cells(row))).collect()
    }

    /// A value that has to be there.
    pub(super) fn get<C: Cell>(&self, column: &str) -> Result<C> {
        self.optional(column)?.ok_or_else(|| self.unreadable())
    }

    /// A value that may be missing.
    pub(super) fn optional<C: Cell>(&self, column: &str) -> Result<Option<C>> {
        let read = match &self.cells {
            Cells::Sqlite(row) => C::of_sqlite(row, column),
            Cells::Postgres(row) => C::of_postgres(row, column),
        };
        read.map_err(|error| {
            tracing::debug!(%error, column, "reading a row");
            self.unreadable()
        })
    }

    /// A value that has to be there, from its text.
    pub(super) fn read<V>(&self, column: &str, read: impl FnOnce(&str) -> Option<V>) -> Result<V> {
        read(&self.get::<String>(column)?).ok_or_else(|| self.unreadable())
    }

    /// That the row holds what zerkalo has not written.
    pub(super) fn unreadable(&self) -> Failure {
        Failure::new(Kind::Database, format!("{} holds a row that cannot be read", self.table))
            .hint("somebody else has written to it; only zerkalo may")
    }
}

/// What a column can be read as.
pub(super) trait Cell: Sized {
    fn of_sqlite(row: &SqliteRow, column: &str) -> Result<Option<Self>, sqlx::Error>;

    fn of_postgres(row: &PgRow, column: &str) -> Result<Option<Self>, sqlx::Error>;
}

macro_rules! cells {
    ($($type:ty as $sqlite:ty),*) => {$(
        impl Cell for $type {
            fn of_sqlite(row: &SqliteRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
                Ok(row.try_get::<Option<$sqlite>, _>(column)?.map(Self::from))
            }

            fn of_postgres(row: &PgRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
                row.try_get(column)
            }
        }
    )*};
}

cells!(
    String as String,
    i64 as i64,
    bool as bool,
    NaiveDate as NaiveDate,
    DateTime<Utc> as DateTime<Utc>,
    Uuid as uuid::fmt::Hyphenated
);

/// A connection as statements are sent over it, in whatever transaction it is in.
pub(super) enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Link<'_> {
    /// Asks for rows that come from `table`.
    pub(super) async fn rows(&mut self, table: &'static str, sql: &Sql) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => {
                Row::all(table, sql.for_sqlite().fetch_all(&mut **connection).await?, Cells::Sqlite)
            }
            Self::Postgres(connection) => {
                let rows = if sql.is_simple() {
                    sqlx::raw_sql(AssertSqlSafe(sql.inlined())).fetch_all(&mut **connection).await?
                } else {
                    sql.for_postgres().fetch_all(&mut **connection).await?
                };
                Row::all(table, rows, Cells::Postgres)
            }
        })
    }

    /// Executes a statement; how many rows it touched.
    pub(super) async fn execute(&mut self, sql: &Sql) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => sql.for_sqlite().execute(&mut **connection).await?.rows_affected(),
            Self::Postgres(connection) => {
                let done = if sql.is_simple() {
                    sqlx::raw_sql(AssertSqlSafe(sql.inlined())).execute(&mut **connection).await?
                } else {
                    sql.for_postgres().execute(&mut **connection).await?
                };
                done.rows_affected()
            }
        })
    }

    /// Executes statements in a transaction of their own; see [`Execute::transact`].
    async fn transact(self, statements: &[Sql], each: Option<u64>) -> Result<Option<Vec<u64>>, sqlx::Error> {
        // A transaction that is dropped is rolled back.
        match self {
            Self::Sqlite(connection) => {
                let mut transaction = connection.begin_with("begin immediate").await?;
                let touched = Link::Sqlite(&mut transaction).execute_all(statements, each).await?;
                if touched.is_some() {
                    transaction.commit().await?;
                }
                Ok(touched)
            }
            Self::Postgres(connection) => {
                let mut transaction = connection.begin().await?;
                let touched = Link::Postgres(&mut transaction).execute_all(statements, each).await?;
                if touched.is_some() {
                    transaction.commit().await?;
                }
                Ok(touched)
            }
        }
    }

    async fn execute_all(
        mut self,
        statements: &[Sql],
        each: Option<u64>,
    ) -> Result<Option<Vec<u64>>, sqlx::Error> {
        let mut touched = Vec::new();
        for sql in statements {
            let rows = self.execute(sql).await?;
            if each.is_some_and(|each| each != rows) {
                return Ok(None);
            }
            touched.push(rows);
        }
        Ok(Some(touched))
    }
}

/// A connection that takes statements of either dialect.
#[async_trait]
pub(super) trait Execute: Send {
    /// Which dialect it speaks.
    fn dialect(&self) -> Dialect;

    /// Whether there is a schema of ours, at our version: migrates where this access may and nothing is lost.
    async fn is_ready(&mut self) -> Result<bool>;

    /// The connection itself.
    async fn link(&mut self) -> Result<Link<'_>>;

    /// A failure, of which the run's other connections learn.
    fn failed(&self, doing: &str, error: sqlx::Error) -> Failure;

    /// Waits for other programs only shortly from now on, when the run has waited as long as it may. A file's failure has
    /// ended the run by then.
    async fn hurry(&mut self) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Asks for rows that come from `table`, and reads each.
    async fn fetch<R: Send>(
        &mut self,
        doing: &str,
        table: &'static str,
        sql: Sql,
        read: impl for<'r> Fn(&'r Row) -> Result<R> + Send,
    ) -> Result<Vec<R>> {
        let rows = self.link().await?.rows(table, &sql).await;
        rows.map_err(|error| self.failed(doing, error))?.iter().map(read).collect()
    }

    /// Executes one statement, without a transaction around it; how many rows it touched.
    async fn execute(&mut self, doing: &str, sql: Sql) -> Result<u64> {
        let touched = self.link().await?.execute(&sql).await;
        touched.map_err(|error| self.failed(doing, error))
    }

    /// Executes statements in one transaction; how many rows each of them touched. With `each` they all have to touch so
    /// many, else nothing is written and there is no answer.
    async fn transact(
        &mut self,
        doing: &str,
        statements: Vec<Sql>,
        each: Option<u64>,
    ) -> Result<Option<Vec<u64>>> {
        let touched = self.link().await?.transact(&statements, each).await;
        touched.map_err(|error| self.failed(doing, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_of_a_value_can_be_read_as_sql() {
        let sql = Sql::new("select $2, $1, $3").bind("'; drop").bind(-1_i64).bind(None::<Uuid>);
        let expected = "select '-1'::bigint, convert_from('\\x273b2064726f70', 'UTF8'), null::uuid";
        assert_eq!(sql.inlined(), expected);
    }
}
