//! Rows that are written by one statement.

use super::push_keys;
use crate::{
    decimal,
    engine::{
        Table,
        row::{Key, Row, Value},
    },
    store::{
        WriteError,
        quoting::{all_columns, assignments, key_equals, quoted},
        sql::stamp,
    },
};
use chrono::{DateTime, Utc};
use sqlx::{
    Arguments as _, AssertSqlSafe, QueryBuilder, Sqlite as Driver, SqliteConnection, sqlite::SqliteArguments,
};
use std::sync::Arc;
use uuid::Uuid;

/// Rows of one insert or update statement. Wider than 60 columns there would be too many bound values.
pub(super) const BATCH: usize = 500;

/// The text of one statement's rows, in bytes, behind which it is written.
const BYTES: usize = 8 << 20;

/// What is done with rows that are stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Insert,
    Update {
        /// The row may hold the right hash beside wrong columns, and the touch trigger takes an update that leaves the
        /// hash as it was for a hand edit, so the hash is cleared first.
        verify: bool,
    },
}

/// Rows that are written by one statement. Every value is bound, so that all full batches share one text, which is
/// prepared once.
pub(super) struct Batch {
    table: &'static Table,
    change: Change,
    stamp: Arc<str>,
    full: Option<Arc<str>>,
    arguments: SqliteArguments,
    rows: usize,
    /// So many bytes of text are in it: few long rows are written as soon as many short ones.
    bytes: usize,
    keys: Vec<Key>,
    positions: Vec<usize>,
}

impl Batch {
    pub(super) fn new(table: &'static Table, change: Change, now: DateTime<Utc>) -> Self {
        Self {
            table,
            change,
            stamp: stamp(now).into(),
            full: None,
            arguments: SqliteArguments::default(),
            rows: 0,
            bytes: 0,
            keys: Vec::new(),
            positions: table.key_positions(),
        }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        for value in row.values() {
            self.bytes += if let Value::Text(text) = value { text.len() } else { 0 };
            bind(&mut self.arguments, value);
        }
        add(&mut self.arguments, row.hash().as_slice());
        add(&mut self.arguments, Arc::clone(&self.stamp));
        if self.change == (Change::Update { verify: true }) {
            self.keys.push(row.key(&self.positions));
        }
        self.rows += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows == BATCH || self.bytes >= BYTES
    }

    /// Writes the rows and returns how many were written.
    pub(super) async fn write(&mut self, connection: &mut SqliteConnection) -> Result<u64, WriteError> {
        if self.rows == 0 {
            return Ok(0);
        }
        if !self.keys.is_empty() {
            let mut query = QueryBuilder::<Driver>::new(format!(
                "update {} set row_hash = null where ",
                quoted(self.table.name)
            ));
            push_keys(&mut query, self.table, &self.keys);
            query.build().execute(&mut *connection).await?;
            self.keys.clear();
        }
        let arguments = std::mem::take(&mut self.arguments);
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let written = if rows == BATCH {
            let sql = Arc::clone(self.full.get_or_insert_with(|| self.change.sql(self.table, BATCH).into()));
            sqlx::query_with(AssertSqlSafe(sql), arguments).execute(connection).await?
        } else {
            let sql = self.change.sql(self.table, rows);
            sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false).execute(connection).await?
        };
        Ok(written.rows_affected())
    }
}

impl Change {
    fn sql(self, table: &Table, rows: usize) -> String {
        let (name, all) = (quoted(table.name), all_columns(table));
        let list = all.join(", ");
        let row = format!("({})", vec!["?"; all.len()].join(", "));
        let values = vec![row; rows].join(", ");
        match self {
            Self::Insert => format!("insert into {name} ({list}) values {values}"),
            Self::Update { .. } => {
                let key = key_equals(table, "t", |name| format!("v.{}", quoted(name)));
                let set = assignments(table);
                format!("with v({list}) as (values {values}) update {name} as t set {set} from v where {key}")
            }
        }
    }
}

fn bind(arguments: &mut SqliteArguments, value: Value<'_>) {
    match value {
        Value::Null => add(arguments, None::<i64>),
        Value::Text(text) => add(arguments, text),
        Value::Bool(value) => add(arguments, i64::from(value)),
        Value::Int(value) => add(arguments, value),
        Value::Uuid(value) => add(arguments, &*value.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        Value::Decimal(text) => match Decimal::of(text) {
            Decimal::Whole(whole) => add(arguments, whole),
            Decimal::Real(real) => add(arguments, real),
            Decimal::Text => add(arguments, text),
        },
    }
}

fn add<'t>(arguments: &mut SqliteArguments, value: impl sqlx::Encode<'t, Driver> + sqlx::Type<Driver>) {
    arguments.add(value).expect("plain values encode");
}

/// How a decimal is bound.
#[derive(Debug)]
enum Decimal {
    Whole(i64),
    Real(f64),
    Text,
}

impl Decimal {
    /// A whole number as such, up to 15 significant digits as a float (which reads back as the very same decimal),
    /// anything longer as text.
    fn of(text: &str) -> Self {
        if let Ok(whole) = text.parse::<i64>() {
            return Self::Whole(whole);
        }
        if decimal::significant_digits(text) <= 15
            && let Ok(real) = text.parse::<f64>()
            && real != 0.0
            && real.is_finite()
        {
            return Self::Real(real);
        }
        Self::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_bound_only_where_it_reads_back_exactly() {
        assert!(matches!(Decimal::of("-0.000847058"), Decimal::Real(_)));
        assert!(matches!(Decimal::of("9600"), Decimal::Whole(9600)));
        assert!(matches!(Decimal::of("9223372036854775808"), Decimal::Text));
        assert!(matches!(Decimal::of("12345678901234.123456789"), Decimal::Text));
        assert!(matches!(Decimal::of("100000000000000000000"), Decimal::Real(_)));
    }
}
