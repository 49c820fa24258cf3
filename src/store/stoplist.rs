//! What was in the stop-list when, and when it was looked at.
//!
//! The history follows the table: in the transaction that writes `active_stoplist`, every stretch is closed that the table
//! no longer shows and one is opened for every row that has none. So after each commit the open stretches are the rows of
//! the table, and a run that is repeated changes nothing.

use super::sql::{Execute, Row, Sql};
use crate::{
    decimal::amount,
    error::{Failure, Kind, Result},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hashbrown::HashMap;
use rust_decimal::Decimal;
use uuid::Uuid;

/// A stretch of one balance of one product on one terminal group, as the history holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The organization of iikoCloud.
    pub organization_id: Uuid,
    /// The terminal group; the nil uuid where iikoCloud names none.
    pub terminal_group_id: Uuid,
    /// The product, by the same id as on the iiko server.
    pub product_id: Uuid,
    /// The size; the nil uuid where there is none.
    pub size_id: Uuid,
    /// The product's name, or `unknown:<id>`.
    pub name: String,
    /// How much could still be sold: 0 and below is a stop, above it a limit.
    pub balance: Decimal,
    /// The sample that first showed it, UTC.
    pub started_at: DateTime<Utc>,
    /// The sample that no longer showed it, UTC; none while it lasts.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A good reading of an organization's stop-lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The organization.
    pub organization_id: Uuid,
    /// When, UTC: right before it was asked.
    pub taken_at: DateTime<Utc>,
}

/// What a complete answer says beside the rows of `active_stoplist`; written in the transaction of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When it was asked, UTC.
    pub taken_at: DateTime<Utc>,
    /// The organizations that it speaks of: their history follows the table.
    pub organizations: Vec<Uuid>,
    /// Whether it is a sample of them: not when rows stay in the table of which nobody knows whether they have left.
    pub is_sample: bool,
    /// What the organizations are called that have a name.
    pub names: Vec<(Uuid, String)>,
    /// What two samples in a row did not speak of: its stretches end with the first of the two.
    pub gone: Vec<Gone>,
}

/// A terminal group that is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Its organization.
    pub organization_id: Uuid,
    /// The terminal group.
    pub terminal_group_id: Uuid,
    /// The first sample that did not speak of it, UTC.
    pub ended_at: DateTime<Utc>,
}

/// The stop-list's side of a [`super::Store`]. A [`Reading`] is written by [`super::Store::apply`].
#[async_trait]
pub trait StoplistStore: Send {
    /// The stretches that overlap `[from, to)`, in the order of their beginnings, migrating first where that loses nothing.
    async fn stretches(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Stretch>>;

    /// The samples in `[from, to)`, and the last one before `from` of each organization, in the order of organizations and
    /// times; migrates first where that loses nothing.
    async fn samples(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Sample>>;

    /// What the organizations are called, as the last reading had it.
    async fn organization_names(&mut self) -> Result<HashMap<Uuid, String>>;

    /// When the last sample of any organization was taken.
    async fn last_sample(&mut self) -> Result<Option<DateTime<Utc>>>;
}

#[async_trait]
impl<T: Execute> StoplistStore for T {
    async fn stretches(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Stretch>> {
        if !self.is_ready().await? {
            return Ok(Vec::new());
        }
        // The balance as text, so that no digit is lost.
        let sql = Sql::new(
            "select organization_id, terminal_group_id, product_id, size_id, name, cast(balance as text) as balance,
                 started_at, ended_at
             from stoplist_history
             where started_at < $2 and (ended_at is null or ended_at > $1) order by started_at, id",
        );
        let sql = sql.bind(from).bind(to);
        self.fetch("reading the history of the stop-list", "stoplist_history", sql, stretch).await
    }

    async fn samples(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Sample>> {
        if !self.is_ready().await? {
            return Ok(Vec::new());
        }
        let sql = Sql::new(
            "select organization_id, taken_at from stoplist_sample where taken_at >= $1 and taken_at < $2
             union all
             select organization_id, max(taken_at) as taken_at from stoplist_sample where taken_at < $1
             group by organization_id
             order by organization_id, taken_at",
        );
        let sample = |row: &Row| {
            Ok(Sample { organization_id: row.get("organization_id")?, taken_at: row.get("taken_at")? })
        };
        let sql = sql.bind(from).bind(to);
        self.fetch("reading the samples of the stop-list", "stoplist_sample", sql, sample).await
    }

    async fn organization_names(&mut self) -> Result<HashMap<Uuid, String>> {
        if !self.is_ready().await? {
            return Ok(HashMap::new());
        }
        let sql = Sql::new("select organization_id, name from stoplist_organization");
        let named = |row: &Row| Ok((row.get("organization_id")?, row.get("name")?));
        let doing = "reading the names of the organizations";
        Ok(self.fetch(doing, "stoplist_organization", sql, named).await?.into_iter().collect())
    }

    async fn last_sample(&mut self) -> Result<Option<DateTime<Utc>>> {
        if !self.is_ready().await? {
            return Ok(None);
        }
        let sql = Sql::new("select max(taken_at) as last from stoplist_sample");
        let last = |row: &Row| row.optional("last");
        let found = self.fetch("reading the samples of the stop-list", "stoplist_sample", sql, last).await?;
        Ok(found.into_iter().next().flatten())
    }
}

fn stretch(row: &Row) -> Result<Stretch> {
    Ok(Stretch {
        organization_id: row.get("organization_id")?,
        terminal_group_id: row.get("terminal_group_id")?,
        product_id: row.get("product_id")?,
        size_id: row.get("size_id")?,
        name: row.get("name")?,
        balance: balance(&row.get::<String>("balance")?)?,
        started_at: row.get("started_at")?,
        ended_at: row.optional("ended_at")?,
    })
}

/// A stored balance.
fn balance(text: &str) -> Result<Decimal> {
    amount::parse(text).ok_or_else(|| {
        Failure::new(Kind::Database, format!("stoplist_history: `{text}` is no balance"))
            .hint("somebody else has written to stoplist_history; put the balance right by hand")
    })
}

/// The rows of the table that belong to a stretch `h`.
const SAME: &str = "a.product_id = h.product_id and a.terminal_group_id = h.terminal_group_id \
     and a.size_id = h.size_id and a.organization_id = h.organization_id";

/// The statements that let the history follow the table, after the table was written and in that transaction.
pub(super) fn follow(reading: &Reading) -> Vec<Sql> {
    let gone = reading.gone.iter().map(|gone| {
        let sql = "update stoplist_history set ended_at = $3
             where ended_at is null and organization_id = $1 and terminal_group_id = $2";
        Sql::new(sql).bind(gone.organization_id).bind(gone.terminal_group_id).bind(gone.ended_at)
    });
    let names = reading.names.iter().map(|(organization, name)| {
        let sql = "insert into stoplist_organization as o (organization_id, name) values ($1, $2)
             on conflict (organization_id) do update set name = excluded.name where o.name <> excluded.name";
        Sql::new(sql).bind(*organization).bind(name.as_str())
    });
    let mut statements: Vec<Sql> = gone.chain(names).collect();
    for organization in &reading.organizations {
        let of_it = |text: String| Sql::new(text).bind(*organization);
        statements.push(
            of_it(format!(
                "update stoplist_history as h set ended_at = $2 where h.ended_at is null and h.organization_id = $1
                 and not exists (select 1 from active_stoplist a where {SAME} and a.balance = h.balance)"
            ))
            .bind(reading.taken_at),
        );
        statements.push(of_it(format!(
            "update stoplist_history as h set name = a.name from active_stoplist a
             where h.ended_at is null and h.organization_id = $1 and {SAME} and h.name <> a.name"
        )));
        statements.push(
            of_it(format!(
                "insert into stoplist_history
                     (organization_id, terminal_group_id, product_id, size_id, name, balance, started_at)
                 select organization_id, terminal_group_id, product_id, size_id, name, balance, $2
                 from active_stoplist a where a.organization_id = $1
                     and not exists (select 1 from stoplist_history h where h.ended_at is null and {SAME})
                 order by product_id, terminal_group_id, size_id"
            ))
            .bind(reading.taken_at),
        );
        if reading.is_sample {
            let sql = "insert into stoplist_sample (organization_id, taken_at) values ($1, $2) on conflict do nothing";
            statements.push(of_it(sql.to_owned()).bind(reading.taken_at));
        }
    }
    statements
}
