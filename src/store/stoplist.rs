//! What was in the stop-list when, and when it was looked at.
//!
//! The history follows the table: in the transaction that writes `active_stoplist`, every stretch is closed that the table
//! no longer shows and one is opened for every row that has none. So after each commit the open stretches are the rows of
//! the table, and a run that is repeated changes nothing.

use super::speak::{Answer, Columns, Speak, moment, text};
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
impl<T: Speak> StoplistStore for T {
    async fn stretches(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Stretch>> {
        if !self.is_ready().await? {
            return Ok(Vec::new());
        }
        let words = self.words();
        let (after, before) = (words.moment(1), words.moment(2));
        // The balance as text, so that no digit is lost.
        let sql = format!(
            "select organization_id, terminal_group_id, product_id, size_id, name, cast(balance as text), {}, {}
             from stoplist_history
             where started_at < {before} and (ended_at is null or ended_at > {after}) order by started_at, id",
            words.stamp("started_at"),
            words.stamp("ended_at"),
        );
        let answers = self.ask("reading the history of the stop-list", (sql, vec![text(from), text(to)]));
        answers.await?.into_iter().map(stretch).collect()
    }

    async fn samples(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Sample>> {
        if !self.is_ready().await? {
            return Ok(Vec::new());
        }
        let words = self.words();
        let (first, end) = (words.moment(1), words.moment(2));
        let sql = format!(
            "select organization_id, {} from stoplist_sample where taken_at >= {first} and taken_at < {end}
             union all
             select organization_id, {} from stoplist_sample where taken_at < {first} group by organization_id
             order by 1, 2",
            words.stamp("taken_at"),
            words.stamp("max(taken_at)"),
        );
        let sample = |answer: Answer| {
            let mut columns = Columns::new("stoplist_sample", answer);
            Ok(Sample { organization_id: id(&mut columns)?, taken_at: columns.read(moment)? })
        };
        let answers = self.ask("reading the samples of the stop-list", (sql, vec![text(from), text(to)]));
        answers.await?.into_iter().map(sample).collect()
    }

    async fn organization_names(&mut self) -> Result<HashMap<Uuid, String>> {
        if !self.is_ready().await? {
            return Ok(HashMap::new());
        }
        let sql = "select organization_id, name from stoplist_organization".to_owned();
        let named = |answer: Answer| {
            let mut columns = Columns::new("stoplist_organization", answer);
            Ok((id(&mut columns)?, columns.text()?))
        };
        let answers = self.ask("reading the names of the organizations", (sql, Vec::new()));
        answers.await?.into_iter().map(named).collect()
    }

    async fn last_sample(&mut self) -> Result<Option<DateTime<Utc>>> {
        if !self.is_ready().await? {
            return Ok(None);
        }
        let sql = format!("select {} from stoplist_sample", self.words().stamp("max(taken_at)"));
        let answers = self.ask("reading the samples of the stop-list", (sql, Vec::new())).await?;
        let last = |answer| Columns::new("stoplist_sample", answer).read_optional(moment);
        answers.into_iter().next().map_or(Ok(None), last)
    }
}

fn stretch(answer: Answer) -> Result<Stretch> {
    let mut columns = Columns::new("stoplist_history", answer);
    Ok(Stretch {
        organization_id: id(&mut columns)?,
        terminal_group_id: id(&mut columns)?,
        product_id: id(&mut columns)?,
        size_id: id(&mut columns)?,
        name: columns.text()?,
        balance: balance(&columns.text()?)?,
        started_at: columns.read(moment)?,
        ended_at: columns.read_optional(moment)?,
    })
}

fn id(columns: &mut Columns) -> Result<Uuid> {
    columns.read(|text| text.parse().ok())
}

/// A stored balance.
fn balance(text: &str) -> Result<Decimal> {
    amount::parse(text).ok_or_else(|| {
        Failure::new(Kind::Database, format!("stoplist_history: `{text}` is no balance"))
            .hint("somebody else has written to stoplist_history; put the balance right by hand")
    })
}
