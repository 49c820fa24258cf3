//! Rows that are written by one statement.

use super::{push_keys, stamp};
use crate::{
    engine::{
        Table, number,
        row::{Key, Row, Value},
    },
    store::{
        WriteError,
        quoting::{all_columns, assignments, key_equals, quoted},
    },
};
use chrono::{DateTime, Utc};
use sqlx::{QueryBuilder, Sqlite as Driver, SqliteConnection};

/// Rows of one insert or update statement. Wider than 60 columns there would be too many bound values.
pub(super) const BATCH: usize = 500;

/// Rows that are written by one statement.
pub(super) struct Batch {
    table: &'static Table,
    rows: Vec<Vec<Bound>>,
    keys: Vec<Key>,
    positions: Vec<usize>,
}

/// A value as it is bound.
#[derive(Debug, Clone)]
enum Bound {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Batch {
    pub(super) fn new(table: &'static Table) -> Self {
        Self { table, rows: Vec::with_capacity(BATCH), keys: Vec::new(), positions: table.key_positions() }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        let mut bound: Vec<Bound> = row.values().map(Bound::of).collect();
        bound.push(Bound::Blob(row.hash().to_vec()));
        self.keys.push(row.key(&self.positions));
        self.rows.push(bound);
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() == BATCH
    }

    pub(super) async fn insert(
        &mut self,
        connection: &mut SqliteConnection,
        now: DateTime<Utc>,
    ) -> Result<u64, WriteError> {
        if self.rows.is_empty() {
            return Ok(0);
        }
        let list = all_columns(self.table).join(", ");
        let mut query =
            QueryBuilder::<Driver>::new(format!("insert into {} ({list}) ", quoted(self.table.name)));
        let stamp = stamp(now);
        query.push_values(self.rows.drain(..), |mut values, row| {
            for bound in row {
                bound.push_bind(&mut values);
            }
            values.push_bind(stamp.clone());
        });
        self.keys.clear();
        Ok(query.build().execute(connection).await?.rows_affected())
    }

    /// Updates, as one statement. With `verify` the hash is cleared first: the row may hold the right hash beside
    /// wrong columns, and the touch trigger takes an update that leaves the hash as it was for a hand edit.
    pub(super) async fn update(
        &mut self,
        connection: &mut SqliteConnection,
        now: DateTime<Utc>,
        verify: bool,
    ) -> Result<u64, WriteError> {
        if self.rows.is_empty() {
            return Ok(0);
        }
        let name = quoted(self.table.name);
        if verify {
            let mut query = QueryBuilder::<Driver>::new(format!("update {name} set row_hash = null where "));
            push_keys(&mut query, self.table, &self.keys);
            query.build().execute(&mut *connection).await?;
        }
        let all = all_columns(self.table);
        let key = key_equals(self.table, "t", |name| format!("v.{}", quoted(name)));
        let mut query = QueryBuilder::<Driver>::new(format!("with v({}) as (", all.join(", ")));
        let stamp = stamp(now);
        query.push_values(self.rows.drain(..), |mut values, row| {
            for bound in row {
                bound.push_bind(&mut values);
            }
            values.push_bind(stamp.clone());
        });
        self.keys.clear();
        query.push(format!(") update {name} as t set {} from v where {key}", assignments(self.table)));
        Ok(query.build().execute(connection).await?.rows_affected())
    }
}

impl Bound {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Bool(value) => Self::Int(i64::from(value)),
            Value::Int(value) => Self::Int(value),
            Value::Uuid(value) => Self::Text(value.hyphenated().to_string()),
            Value::Decimal(text) => Self::decimal(text),
        }
    }

    /// A whole number as such, up to 15 significant digits as a float (which reads back as the very same decimal),
    /// anything longer as text.
    fn decimal(text: &str) -> Self {
        if let Ok(whole) = text.parse::<i64>() {
            return Self::Int(whole);
        }
        if number::significant_digits(text) <= 15
            && let Ok(real) = text.parse::<f64>()
            && real != 0.0
            && real.is_finite()
        {
            return Self::Real(real);
        }
        Self::Text(text.to_owned())
    }

    fn push_bind(self, values: &mut sqlx::query_builder::Separated<'_, Driver, &'static str>) {
        match self {
            Self::Null => values.push("null"),
            Self::Int(value) => values.push_bind(value),
            Self::Real(value) => values.push_bind(value),
            Self::Text(value) => values.push_bind(value),
            Self::Blob(value) => values.push_bind(value),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_bound_only_where_it_reads_back_exactly() {
        assert!(matches!(Bound::decimal("-0.000847058"), Bound::Real(_)));
        assert!(matches!(Bound::decimal("9600"), Bound::Int(9600)));
        assert!(matches!(Bound::decimal("9223372036854775808"), Bound::Text(_)));
        assert!(matches!(Bound::decimal("12345678901234.123456789"), Bound::Text(_)));
        assert!(matches!(Bound::decimal("100000000000000000000"), Bound::Real(_)));
    }
}
