//! Writes a plan: one statement in one turn where it is small, `COPY` and steps where it is not.

use super::{
    super::{
        Receipt, WriteError, journal,
        quoting::{all_columns, assignments, key_equals, quoted},
        sql::{Execute as _, Sql},
        stoplist,
    },
    Postgres, copy,
    statement::{Statement, end_array, inline, key_arrays, push_element},
};
use crate::{
    engine::{
        Plan, Table,
        row::{Key, Value, key_texts},
    },
    error::Result,
};
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

impl Postgres {
    /// Writes a plan with its log; what failed is rolled back.
    pub(super) async fn write_plan(
        &mut self,
        plan: &mut Plan,
        receipt: Receipt<'_>,
    ) -> Result<(), WriteError> {
        self.hurry().await?;
        let (inserted, updated, _) = plan.totals();
        let (insert_bytes, update_bytes) = plan.spooled_bytes();
        let over = |rows: u64, bytes: u64| rows > 0 && (rows > self.bulk_threshold as u64 || bytes > ARRAYS);
        let bulk = Bulk { inserted: over(inserted, insert_bytes), updated: over(updated, update_bytes) };
        let in_steps =
            bulk.inserted || bulk.updated || (plan.verify && updated > 0) || receipt.reading.is_some();
        let outcome = if in_steps {
            self.write_in_steps(plan, receipt, bulk).await
        } else {
            self.write(plan, receipt, bulk).await
        };
        if in_steps && outcome.is_err() {
            // The connection may be what failed; then there is nothing left to roll back.
            if let Err(error) = sqlx::raw_sql("rollback").execute(&mut self.connection).await {
                tracing::debug!(%error, "rollback after a failure");
            }
        }
        outcome
    }

    /// Copies all of a plan's inserts, or its updates by way of a temporary table.
    async fn copy(&mut self, plan: &mut Plan, what: Change, now: DateTime<Utc>) -> Result<u64, WriteError> {
        let table = plan.table;
        let target = match what {
            Change::Insert => quoted(table.name),
            Change::Update => {
                let create = format!(
                    "create temporary table zerkalo_update (like {} including defaults) on commit drop",
                    quoted(table.name)
                );
                sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut self.connection).await?;
                "zerkalo_update".to_owned()
            }
        };
        let list = all_columns(table).join(", ");
        let sql = format!("copy {target} ({list}) from stdin (format binary)");
        let mut copy = self.connection.copy_in_raw(&sql).await?;
        let stamp = now.timestamp_micros() - copy::EPOCH;
        let mut buffer = Vec::with_capacity(1 << 17);
        buffer.extend_from_slice(copy::HEADER);
        let mut rows = what.rows(plan)?;
        while rows.next_with(&mut |row| copy::push_row(&mut buffer, table, &row, stamp))? {
            if buffer.len() >= 1 << 16 {
                copy.send(buffer.as_slice()).await?;
                buffer.clear();
            }
        }
        buffer.extend_from_slice(&copy::TRAILER);
        copy.send(buffer.as_slice()).await?;
        let copied = copy.finish().await?;
        if what == Change::Insert {
            return Ok(copied);
        }
        let sql = format!(
            "update {name} t set {set} from zerkalo_update v where {key}",
            name = quoted(table.name),
            set = assignments(table),
            key = key_equals(table, "t", |name| format!("v.{}", quoted(name))),
        );
        Ok(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await?.rows_affected())
    }

    /// Writes what is left of a plan, its tombstones and its log in one statement.
    async fn write(&mut self, plan: &mut Plan, receipt: Receipt<'_>, bulk: Bulk) -> Result<(), WriteError> {
        let statement = self.statement(plan, receipt, bulk)?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// The statement that writes what is left of a plan.
    fn statement(&self, plan: &mut Plan, receipt: Receipt<'_>, bulk: Bulk) -> Result<String> {
        let table = plan.table;
        let planned = plan.totals();
        let mut parameters = vec![
            receipt.now.to_rfc3339(),
            receipt.run_id.to_string(),
            if bulk.inserted { 0 } else { planned.0 }.to_string(),
            if bulk.updated { 0 } else { planned.1 }.to_string(),
            planned.2.to_string(),
        ];
        let backend = self.backend;
        let mut add = |arrays: Vec<String>| {
            let any = !arrays.is_empty();
            parameters.extend(arrays);
            any
        };
        let statement = Statement {
            table,
            backend,
            inserts: !bulk.inserted && add(arrays(plan, Change::Insert)?),
            updates: !bulk.updated && add(arrays(plan, Change::Update)?),
            deletes: !plan.deletes().is_empty() && add(key_texts_arrays(table, plan.deletes().iter())),
            log: journal::insert(receipt.log).as_ref().map(Sql::inlined),
        };
        Ok(inline(&statement.sql(), &parameters))
    }

    /// Several statements in one transaction: for what `COPY` writes, for verified updates, and for a history.
    async fn write_in_steps(
        &mut self,
        plan: &mut Plan,
        receipt: Receipt<'_>,
        bulk: Bulk,
    ) -> Result<(), WriteError> {
        let (inserted, updated, _) = plan.totals();
        sqlx::raw_sql("begin").execute(&mut self.connection).await?;
        if bulk.inserted && self.copy(plan, Change::Insert, receipt.now).await? != inserted {
            return Err(WriteError::Moved);
        }
        if plan.verify {
            self.clear_hashes(plan).await?;
        }
        if bulk.updated && self.copy(plan, Change::Update, receipt.now).await? != updated {
            return Err(WriteError::Moved);
        }
        // In one turn; when the statement fails, the server does not get as far as the commit.
        let history = receipt.reading.map(stoplist::follow).unwrap_or_default();
        let history: Vec<String> = history.iter().map(|sql| sql.inlined() + ";\n").collect();
        let statement = format!("{};\n{}commit", self.statement(plan, receipt, bulk)?, history.concat());
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// A verified row may hold the right hash beside wrong columns. The touch trigger takes an update that leaves the
    /// hash as it was for a hand edit, so the hash goes first.
    async fn clear_hashes(&mut self, plan: &mut Plan) -> Result<(), WriteError> {
        let table = plan.table;
        let positions = table.key_positions();
        let mut keys = Vec::new();
        let mut rows = plan.updates()?;
        while rows.next_with(&mut |row| keys.push(row.key(&positions)))? {}
        let from = key_arrays(table, &mut 1);
        let sql = format!("update {} t set row_hash = null from {from}", quoted(table.name));
        let sql = inline(&sql, &key_texts_arrays(table, keys.iter()));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await?;
        Ok(())
    }
}

/// Rows of more than this many bytes go by `COPY`, however few they are: they are streamed, not held.
const ARRAYS: u64 = 4 << 20;

/// Which parts of a plan went by `COPY`.
#[derive(Debug, Clone, Copy)]
struct Bulk {
    inserted: bool,
    updated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Insert,
    Update,
}

impl Change {
    fn rows(self, plan: &mut Plan) -> Result<crate::engine::plan::Rows<'_>> {
        match self {
            Self::Insert => plan.inserts(),
            Self::Update => plan.updates(),
        }
    }
}

/// A plan's rows as the text of one array a column, for `unnest`; nothing when there are none.
fn arrays(plan: &mut Plan, what: Change) -> Result<Vec<String>> {
    let width = plan.table.columns.len() + 2;
    let mut arrays: Vec<String> = Vec::new();
    let mut rows = what.rows(plan)?;
    while rows.next_with(&mut |row| {
        arrays.resize_with(width, String::new);
        let texts = row.values().map(Value::to_text).chain([Some(hex::encode(row.hash()).into())]);
        arrays.iter_mut().zip(texts).for_each(|(array, text)| push_element(array, text.as_deref()));
    })? {}
    arrays.iter_mut().for_each(end_array);
    Ok(arrays)
}

/// Keys as the text of one array a key column.
pub(super) fn key_texts_arrays<'a>(table: &Table, keys: impl Iterator<Item = &'a Key>) -> Vec<String> {
    let mut arrays = vec![String::new(); table.key.len()];
    for key in keys {
        arrays
            .iter_mut()
            .zip(key_texts(table, key))
            .for_each(|(array, text)| push_element(array, Some(&text)));
    }
    arrays.iter_mut().for_each(end_array);
    arrays
}
