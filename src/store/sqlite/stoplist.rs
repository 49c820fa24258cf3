//! The history of the stop-list.

use super::{Sqlite, stamp};
use crate::{
    error::Result,
    store::{
        failure,
        migrate::Found,
        stoplist::{Reading, STRETCH, Sample, StoplistStore, Stretch, balance},
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

/// The rows of the table that belong to a stretch `h`.
const SAME: &str = "a.product_id = h.product_id and a.terminal_group_id = h.terminal_group_id \
     and a.size_id = h.size_id and a.organization_id = h.organization_id";

/// Lets the history follow the table, in the transaction that wrote the table.
pub(super) async fn follow(connection: &mut SqliteConnection, reading: &Reading) -> Result<(), sqlx::Error> {
    for gone in &reading.gone {
        sqlx::query(
            "update stoplist_history set ended_at = ?3
             where ended_at is null and organization_id = ?1 and terminal_group_id = ?2",
        )
        .bind(gone.organization_id.hyphenated().to_string())
        .bind(gone.terminal_group_id.hyphenated().to_string())
        .bind(stamp(gone.ended_at))
        .execute(&mut *connection)
        .await?;
    }
    let statements = [
        format!(
            "update stoplist_history as h set ended_at = ?2 where h.ended_at is null and h.organization_id = ?1
             and not exists (select 1 from active_stoplist a where {SAME} and a.balance = h.balance)"
        ),
        format!(
            "update stoplist_history as h set name = a.name from active_stoplist a
             where h.ended_at is null and h.organization_id = ?1 and ?2 is not null and {SAME} and h.name <> a.name"
        ),
        format!(
            "insert into stoplist_history
                 (organization_id, terminal_group_id, product_id, size_id, name, balance, started_at)
             select organization_id, terminal_group_id, product_id, size_id, name, balance, ?2 from active_stoplist a
             where a.organization_id = ?1
                 and not exists (select 1 from stoplist_history h where h.ended_at is null and {SAME})
             order by product_id, terminal_group_id, size_id"
        ),
    ];
    for organization in &reading.organizations {
        let organization = organization.hyphenated().to_string();
        let sample =
            "insert into stoplist_sample (organization_id, taken_at) values (?1, ?2) on conflict do nothing";
        let sample = reading.is_sample.then(|| sample.to_owned());
        for statement in statements.iter().chain(&sample) {
            sqlx::query(AssertSqlSafe(statement.as_str()))
                .bind(&organization)
                .bind(stamp(reading.taken_at))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

#[async_trait]
impl StoplistStore for Sqlite {
    async fn stretches(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Stretch>> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(Vec::new());
        }
        let doing = "reading the history of the stop-list";
        let sql = format!(
            "select {STRETCH} from stoplist_history
             where started_at < ?2 and (ended_at is null or ended_at > ?1) order by started_at, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(stamp(from))
            .bind(stamp(to))
            .fetch_all(self.connection())
            .await
            .map_err(|error| failure(doing, error))?;
        rows.iter()
            .map(|row| {
                let (stretch, text) = read(row).map_err(|error| failure(doing, error))?;
                Ok(Stretch { balance: balance(&text)?, ..stretch })
            })
            .collect()
    }

    async fn samples(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Sample>> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(Vec::new());
        }
        let doing = "reading the samples of the stop-list";
        let rows = sqlx::query(
            "select organization_id, taken_at from stoplist_sample where taken_at >= ?1 and taken_at < ?2
             union all
             select organization_id, max(taken_at) from stoplist_sample where taken_at < ?1 group by organization_id
             order by 1, 2",
        )
        .bind(stamp(from))
        .bind(stamp(to))
        .fetch_all(self.connection())
        .await
        .map_err(|error| failure(doing, error))?;
        rows.iter()
            .map(|row| Ok(Sample { organization_id: id(row, 0)?, taken_at: row.try_get(1)? }))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| failure(doing, error))
    }

    async fn last_sample(&mut self) -> Result<Option<DateTime<Utc>>> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(None);
        }
        sqlx::query_scalar("select max(taken_at) from stoplist_sample")
            .fetch_one(self.connection())
            .await
            .map_err(|error| failure("reading the samples of the stop-list", error))
    }
}

/// A stretch without its balance, and the balance's text.
fn read(row: &SqliteRow) -> Result<(Stretch, String), sqlx::Error> {
    let stretch = Stretch {
        organization_id: id(row, 0)?,
        terminal_group_id: id(row, 1)?,
        product_id: id(row, 2)?,
        size_id: id(row, 3)?,
        name: row.try_get(4)?,
        balance: rust_decimal::Decimal::ZERO,
        started_at: row.try_get(6)?,
        ended_at: row.try_get(7)?,
    };
    Ok((stretch, row.try_get(5)?))
}

fn id(row: &SqliteRow, place: usize) -> Result<Uuid, sqlx::Error> {
    let text: &str = row.try_get(place)?;
    Uuid::try_parse(text).map_err(|error| sqlx::Error::Decode(error.into()))
}
