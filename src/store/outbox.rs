//! The outbox of documents: every step of one is committed before the next.

use super::{
    slot::Claim,
    sql::{Cell, Execute, Row as Stored, Sql, Values},
};
use crate::{
    error::Result,
    model::documents::{
        Kind as DocumentKind, Payload,
        row::{Change, Row, State, Which},
    },
};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use uuid::Uuid;

/// What the mirror knows of what documents are made of.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Stores that are not deleted.
    pub stores: Vec<Named>,
    /// Products that are not deleted.
    pub products: Vec<Product>,
    /// Measure units, deleted ones too: a product may still have one.
    pub units: Vec<Named>,
    /// Accounts that are not deleted.
    pub accounts: Vec<Named>,
    /// When the stores and the products were last mirrored well: the older of the two; none when one never was.
    pub mirrored_at: Option<DateTime<Utc>>,
}

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: Uuid,
    /// Its name as it stands in iiko.
    pub name: String,
    /// Its code; empty where it has none.
    pub code: String,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: Uuid,
    /// Its name as it stands in iiko.
    pub name: String,
    /// Its article; empty where it has none.
    pub num: String,
    /// Its type: `GOODS`, `DISH`, ….
    pub kind: String,
    /// Its main unit.
    pub unit: Option<Uuid>,
}

/// The `document_outbox` side of a [`super::Store`].
#[async_trait]
pub trait OutboxStore: Send {
    /// Reads rows, in the order of their dates and titles, migrating first where that loses nothing.
    async fn documents(&mut self, which: &Which) -> Result<Vec<Row>>;

    /// How many rows the last report had that was taken for a night; none where there was none.
    async fn last_report_rows(&mut self) -> Result<u64>;

    /// Reads what documents are made of.
    async fn catalogue(&mut self) -> Result<Catalogue>;

    /// Begins with a slot, if there is one, and writes the rows planned for it, in one transaction. False, and nothing is
    /// written, when another run has begun with the slot meanwhile or has one of the rows.
    async fn plan_documents(&mut self, claim: Option<&Claim>, rows: &[Row]) -> Result<bool>;

    /// Takes a row one step further; durable when this returns. False when the row is not where the step starts from.
    async fn advance(&mut self, key: &str, change: &Change) -> Result<bool>;

    /// Writes down that nobody knows what became of a row that cannot be worked with, whatever its state was.
    async fn quarantine(&mut self, row: &Row, run: Uuid, now: DateTime<Utc>) -> Result<()>;

    /// Writes down that the balances show what a document has moved.
    async fn mark_seen(&mut self, key: &str, now: DateTime<Utc>) -> Result<()>;
}

/// Where documents are.
const TABLE: &str = "document_outbox";

#[async_trait]
impl<T: Execute> OutboxStore for T {
    async fn documents(&mut self, which: &Which) -> Result<Vec<Row>> {
        if !self.is_ready().await? {
            return Ok(Vec::new());
        }
        let mut values = Values::default();
        // Kind and state are judged when they are read: what somebody has damaged must not be overlooked.
        let mut conditions = vec![if which.unsettled { UNSETTLED.to_owned() } else { "1 = 1".to_owned() }];
        if let Some(key) = &which.key {
            conditions.push(format!("key = {}", values.add(key.as_str())));
        }
        if let Some(date) = which.date {
            conditions.push(format!("business_date = {}", values.add(date)));
        }
        let text = format!(
            "select key, kind, subject, title, business_date, slot_utc, store_from,
                 coalesce(store_to, account_id) as store_to, seq, date_incoming, comment, items_json, payload_sha256, state,
                 iiko_id, iiko_number, attempts, last_error, seen_at, run_id, created_at, updated_at
             from document_outbox where {} order by business_date, title, seq, key",
            conditions.join(" and "),
        );
        let rows = self.fetch("reading the documents", TABLE, Sql::with(text, values), row).await?;
        Ok(rows.into_iter().filter(|row| is_wanted(which, row)).collect())
    }

    async fn last_report_rows(&mut self) -> Result<u64> {
        if !self.is_ready().await? {
            return Ok(0);
        }
        // Only a night that has read a report has rows to count. After one with rows none without is taken, so what was last
        // above nothing is the last one.
        let sql = "select records_synced from iiko_sync_log
             where entity_type = 'document_outbox' and records_synced > 0 order by id desc limit 1";
        let doing = "reading how long the last report was";
        let count = |row: &Stored| row.get::<i64>("records_synced");
        let last = self.fetch(doing, "iiko_sync_log", Sql::new(sql), count).await?;
        Ok(last.first().map_or(0, |count| count.unsigned_abs()))
    }

    async fn catalogue(&mut self) -> Result<Catalogue> {
        if !self.is_ready().await? {
            return Ok(Catalogue::default());
        }
        Ok(Catalogue {
            stores: list(self, STORES, named).await?,
            units: list(self, UNITS, named).await?,
            accounts: list(self, ACCOUNTS, named).await?,
            products: list(self, PRODUCTS, product).await?,
            mirrored_at: mirrored_at(self).await?,
        })
    }

    async fn plan_documents(&mut self, claim: Option<&Claim>, rows: &[Row]) -> Result<bool> {
        let statements = claim.map(Claim::sql).into_iter().chain(rows.iter().map(insert)).collect();
        // Each of them writes one row, unless another run has come first.
        let written = self.transact("writing down the documents", statements, Some(1)).await?;
        Ok(written.is_some())
    }

    async fn advance(&mut self, key: &str, change: &Change) -> Result<bool> {
        let sql = Sql::new(
            "update document_outbox set state = $3, iiko_id = coalesce($4, iiko_id), iiko_number = $5,
                 attempts = attempts + $6, last_error = $7, run_id = $8, updated_at = $9
             where key = $1 and state = $2",
        )
        .bind(key)
        .bind(change.from.name())
        .bind(change.to.name())
        .bind(change.iiko_id)
        .bind(change.iiko_number.clone())
        .bind(i64::from(change.attempts))
        .bind(change.error.clone())
        .bind(change.run)
        .bind(change.now);
        Ok(self.execute("writing down how far a document is", sql).await? == 1)
    }

    async fn quarantine(&mut self, row: &Row, run: Uuid, now: DateTime<Utc>) -> Result<()> {
        let sql = Sql::new(
            "update document_outbox set state = 'unknown', last_error = $2, run_id = $3, updated_at = $4
             where key = $1 and state <> 'unknown'",
        );
        let error = row.last_error.clone().unwrap_or_default();
        let sql = sql.bind(row.key()).bind(error).bind(run).bind(now);
        self.execute("writing down that a document's row is damaged", sql).await.map(drop)
    }

    async fn mark_seen(&mut self, key: &str, now: DateTime<Utc>) -> Result<()> {
        let sql = Sql::new("update document_outbox set seen_at = $2 where key = $1").bind(key).bind(now);
        self.execute("writing down that a document was seen", sql).await.map(drop)
    }
}

/// How `date_incoming` is kept: as it is sent.
const DATE_INCOMING: &str = "%Y-%m-%dT%H:%M";

/// The statement that writes a new row, if its key, day and subject are free.
fn insert(row: &Row) -> Sql {
    let Payload { kind, number, from, to, date_incoming, comment, .. } = &row.payload;
    let (store_to, account) = match kind {
        DocumentKind::Transfer => (Some(*to), None),
        DocumentKind::Writeoff => (None, Some(*to)),
    };
    let columns = [
        ("key", number.as_str().into()),
        ("kind", kind.name().into()),
        ("subject", row.subject.as_str().into()),
        ("title", row.title.as_str().into()),
        ("business_date", row.business_date.into()),
        ("slot_utc", row.slot.into()),
        ("store_from", (*from).into()),
        ("store_to", store_to.into()),
        ("account_id", account.into()),
        ("seq", row.sequence.into()),
        ("date_incoming", date_incoming.format(DATE_INCOMING).to_string().into()),
        ("comment", comment.as_str().into()),
        ("items_json", row.payload.items_json().into()),
        ("payload_sha256", row.payload.sha256().into()),
        ("state", row.state.name().into()),
        ("iiko_id", row.iiko_id.into()),
        ("iiko_number", row.iiko_number.clone().into()),
        ("attempts", row.attempts.into()),
        ("last_error", row.last_error.clone().into()),
        ("seen_at", row.seen_at.into()),
        ("run_id", row.run_id.into()),
        ("created_at", row.created_at.into()),
        ("updated_at", row.updated_at.into()),
    ];
    Sql::insert(TABLE, columns).and(" on conflict do nothing")
}

/// A stored row while it is read: whatever stands there, it is read to its end.
struct Reading<'r> {
    row: &'r Stored,
    damage: Vec<String>,
}

impl Reading<'_> {
    /// A column's value, which has to be there; `otherwise` and a word about it when it cannot be read.
    fn read<C: Cell, V>(&mut self, name: &str, otherwise: V, read: impl FnOnce(C) -> Option<V>) -> V {
        let value = self.row.optional(name).ok().flatten().and_then(read);
        value.unwrap_or_else(|| {
            self.damage.push(format!("its `{name}` cannot be read"));
            otherwise
        })
    }

    /// The same, taken as it is stored.
    fn get<C: Cell>(&mut self, name: &str, otherwise: C) -> C {
        self.read(name, otherwise, Some)
    }

    /// A column's value, which may be missing.
    fn optional<C: Cell>(&mut self, name: &str) -> Option<C> {
        self.row.optional(name).unwrap_or_else(|_| {
            self.damage.push(format!("its `{name}` cannot be read"));
            None
        })
    }
}

/// What a stored row says. One that cannot be worked with is not refused, or the night would end with it: it is `unknown`, and
/// says why.
fn row(stored: &Stored) -> Result<Row> {
    let key: String = stored.get("key")?;
    let by_letter = if key.starts_with('W') { DocumentKind::Writeoff } else { DocumentKind::Transfer };
    let mut reading = Reading { row: stored, damage: Vec::new() };
    let payload = Payload {
        kind: reading.read("kind", by_letter, |text: String| DocumentKind::of(&text)),
        number: key,
        from: reading.get("store_from", Uuid::nil()),
        to: reading.get("store_to", Uuid::nil()),
        date_incoming: reading.read("date_incoming", NaiveDateTime::default(), |text: String| {
            NaiveDateTime::parse_from_str(&text, DATE_INCOMING).ok()
        }),
        comment: reading.get("comment", String::new()),
        lines: reading.read("items_json", Vec::new(), |text: String| Payload::read_items(&text)),
    };
    let count = |number: i64| u32::try_from(number).ok();
    let digest = reading.get("payload_sha256", String::new());
    let state = reading.read("state", State::Unknown, |text: String| State::of(&text));
    let mut row = Row {
        payload,
        subject: reading.get("subject", String::new()),
        title: reading.get("title", String::new()),
        business_date: reading.get("business_date", NaiveDate::default()),
        slot: reading.optional("slot_utc"),
        sequence: reading.read("seq", 1, |number| count(number).filter(|sequence| *sequence > 0)),
        state,
        iiko_id: reading.optional("iiko_id"),
        iiko_number: reading.optional("iiko_number"),
        attempts: reading.read("attempts", 0, count),
        last_error: reading.optional("last_error"),
        seen_at: reading.optional("seen_at"),
        run_id: reading.get("run_id", Uuid::nil()),
        created_at: reading.get("created_at", DateTime::UNIX_EPOCH),
        updated_at: reading.get("updated_at", DateTime::UNIX_EPOCH),
        damage: None,
    };
    let mut damage = reading.damage;
    if damage.is_empty() {
        damage.extend(row.contradiction(&digest));
    }
    if !damage.is_empty() {
        let damage = format!("its row is damaged: {}", damage.join("; "));
        if state != State::Abandoned {
            row.state = State::Unknown;
            row.last_error = Some(damage.clone());
        }
        row.damage = Some(damage);
    }
    Ok(row)
}

/// What is open or unknown, and what only says that it is done.
const UNSETTLED: &str =
    "(state not in ('done', 'failed', 'abandoned') or (state = 'done' and iiko_id is null))";

/// Whether a row is one of those that are asked for.
fn is_wanted(which: &Which, row: &Row) -> bool {
    which.kind.is_none_or(|kind| kind == row.payload.kind)
        && which.state.is_none_or(|state| state == row.state)
        && (!which.unsettled || row.state.is_open() || row.state == State::Unknown)
}

/// Reads stores.
const STORES: &str = "select id, coalesce(name, '') as name, coalesce(code, '') as code from iiko_store
     where deleted is not true order by id";
/// Reads measure units.
const UNITS: &str = "select id, coalesce(name, '') as name, coalesce(code, '') as code from iiko_entity
     where root_type = 'MeasureUnit' order by id";
/// Reads accounts.
const ACCOUNTS: &str = "select id, coalesce(name, '') as name, coalesce(code, '') as code from iiko_entity
     where root_type = 'Account' and deleted is not true order by id";
/// Reads products.
const PRODUCTS: &str = "select id, coalesce(name, '') as name, coalesce(num, '') as num,
         coalesce(product_type, '') as kind, main_unit as unit
     from iiko_product where deleted is not true order by id";
/// What is being done while the catalogue is read.
const CATALOGUE: &str = "reading stores and products";

async fn list<R: Send>(
    store: &mut impl Execute,
    sql: &str,
    read: fn(&Stored) -> Result<R>,
) -> Result<Vec<R>> {
    store.fetch(CATALOGUE, "the mirror of iiko", Sql::new(sql), read).await
}

fn named(row: &Stored) -> Result<Named> {
    Ok(Named { id: row.get("id")?, name: row.get("name")?, code: row.get("code")? })
}

fn product(row: &Stored) -> Result<Product> {
    Ok(Product {
        id: row.get("id")?,
        name: row.get("name")?,
        num: row.get("num")?,
        kind: row.get("kind")?,
        unit: row.optional("unit")?,
    })
}

/// When the tables were mirrored well that decide whether the mirror is fresh enough to plan with: the older moment.
async fn mirrored_at(store: &mut impl Execute) -> Result<Option<DateTime<Utc>>> {
    let sql = "select last_good_run from mirror_freshness
         where scope = '' and table_name in ('iiko_store', 'iiko_product')";
    let last = |row: &Stored| row.get::<DateTime<Utc>>("last_good_run");
    Ok(match store.fetch(CATALOGUE, "mirror_freshness", Sql::new(sql), last).await?[..] {
        [one, other] => Some(one.min(other)),
        _ => None,
    })
}
