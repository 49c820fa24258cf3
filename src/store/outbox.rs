//! The outbox of documents: every step of one is committed before the next.

use super::{
    slot::Claim,
    speak::{Answer, Columns, Speak, Statement, Words, moment, text},
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

/// The transaction of a plan.
#[async_trait]
pub(super) trait PlanStore: Speak {
    /// Begins with a slot, if there is one, and executes statements that each write one row, in one transaction. False, and
    /// nothing is written, when another run has begun with the slot meanwhile or one of them writes nothing.
    async fn write_plan(
        &mut self,
        doing: &str,
        claim: Option<&Claim>,
        statements: Vec<Statement>,
    ) -> Result<bool>;
}

#[async_trait]
impl<T: PlanStore> OutboxStore for T {
    async fn documents(&mut self, which: &Which) -> Result<Vec<Row>> {
        if !self.is_ready().await? {
            return Ok(Vec::new());
        }
        let words = self.words();
        let mut values = Values::new(words, Vec::new());
        // Kind and state are judged when they are read: what somebody has damaged must not be overlooked.
        let mut conditions = vec![if which.unsettled { UNSETTLED.to_owned() } else { "1 = 1".to_owned() }];
        let mut only = |column: &str, value: Option<String>, parameter: Parameter| {
            if value.is_some() {
                conditions.push(format!("{column} = {}", values.add(value, parameter)));
            }
        };
        only("key", which.key.clone(), Words::text);
        only("business_date", which.date.map(|date| date.to_string()), Words::date);
        let sql = format!(
            "select key, kind, subject, title, business_date, {}, store_from, coalesce(store_to, account_id), seq,
                 date_incoming, comment, items_json, payload_sha256, state, iiko_id, iiko_number, attempts, last_error, {},
                 run_id, {}, {}
             from document_outbox where {} order by business_date, title, seq, key",
            words.stamp("slot_utc"),
            words.stamp("seen_at"),
            words.stamp("created_at"),
            words.stamp("updated_at"),
            conditions.join(" and "),
        );
        let answers = self.ask("reading the documents", (sql, values.parameters)).await?;
        let rows = answers.into_iter().map(row).collect::<Result<Vec<_>>>()?;
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
        let answers = self.ask("reading how long the last report was", (sql.to_owned(), Vec::new())).await?;
        let count = |answer| Columns::new("iiko_sync_log", answer).read(|text| text.parse().ok());
        answers.into_iter().next().map_or(Ok(0), count)
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
        let words = self.words();
        let statements = rows.iter().map(|row| insert(words, row)).collect();
        self.write_plan("writing down the documents", claim, statements).await
    }

    async fn advance(&mut self, key: &str, change: &Change) -> Result<bool> {
        let words = self.words();
        let (from, to) = (change.from.name().to_owned(), change.to.name().to_owned());
        let mut values = Values::new(words, vec![key.to_owned(), from]);
        let assignments = [
            format!("state = {}", values.add(Some(to), Words::text)),
            format!("iiko_id = coalesce({}, iiko_id)", values.add(change.iiko_id, Words::uuid)),
            format!("iiko_number = {}", values.add(change.iiko_number.as_ref(), Words::text)),
            format!("attempts = attempts + ({})", change.attempts),
            format!("last_error = {}", values.add(change.error.as_ref(), Words::text)),
            format!("run_id = {}", values.add(Some(change.run), Words::uuid)),
            format!("updated_at = {}", values.add(Some(text(change.now)), Words::moment)),
        ];
        let sql =
            format!("update document_outbox set {} where key = $1 and state = $2", assignments.join(", "));
        Ok(self.change("writing down how far a document is", (sql, values.parameters)).await? == 1)
    }

    async fn quarantine(&mut self, row: &Row, run: Uuid, now: DateTime<Utc>) -> Result<()> {
        let words = self.words();
        let sql = format!(
            "update document_outbox set state = 'unknown', last_error = $2, run_id = {}, updated_at = {}
             where key = $1 and state <> 'unknown'",
            words.uuid(3),
            words.moment(4),
        );
        let error = row.last_error.clone().unwrap_or_default();
        let parameters = vec![row.key().to_owned(), error, run.to_string(), text(now)];
        self.change("writing down that a document's row is damaged", (sql, parameters)).await.map(|_| ())
    }

    async fn mark_seen(&mut self, key: &str, now: DateTime<Utc>) -> Result<()> {
        let sql = format!("update document_outbox set seen_at = {} where key = $1", self.words().moment(2));
        let parameters = vec![key.to_owned(), text(now)];
        self.change("writing down that a document was seen", (sql, parameters)).await.map(|_| ())
    }
}

/// How `date_incoming` is kept: as it is sent.
const DATE_INCOMING: &str = "%Y-%m-%dT%H:%M";

/// How a parameter is written, by its number.
type Parameter = fn(Words, usize) -> String;

/// The values of a statement while it is written.
struct Values {
    words: Words,
    parameters: Vec<String>,
}

impl Values {
    /// Begins with parameters that the statement names by their numbers.
    fn new(words: Words, parameters: Vec<String>) -> Self {
        Self { words, parameters }
    }

    /// A further value, which may be null.
    fn add(&mut self, value: Option<impl ToString>, parameter: Parameter) -> String {
        let Some(value) = value else { return "null".to_owned() };
        self.parameters.push(value.to_string());
        parameter(self.words, self.parameters.len())
    }
}

/// The statement that writes a new row, if its key, day and subject are free.
fn insert(words: Words, row: &Row) -> Statement {
    let Payload { kind, number, from, to, date_incoming, comment, .. } = &row.payload;
    let (store_to, account) = match kind {
        DocumentKind::Transfer => (Some(to), None),
        DocumentKind::Writeoff => (None, Some(to)),
    };
    let mut values = Values::new(words, Vec::new());
    let columns = [
        ("key", values.add(Some(number), Words::text)),
        ("kind", values.add(Some(kind.name()), Words::text)),
        ("subject", values.add(Some(&row.subject), Words::text)),
        ("title", values.add(Some(&row.title), Words::text)),
        ("business_date", values.add(Some(row.business_date), Words::date)),
        ("slot_utc", values.add(row.slot.map(text), Words::moment)),
        ("store_from", values.add(Some(from), Words::uuid)),
        ("store_to", values.add(store_to, Words::uuid)),
        ("account_id", values.add(account, Words::uuid)),
        ("seq", row.sequence.to_string()),
        ("date_incoming", values.add(Some(date_incoming.format(DATE_INCOMING)), Words::text)),
        ("comment", values.add(Some(comment), Words::text)),
        ("items_json", values.add(Some(row.payload.items_json()), Words::text)),
        ("payload_sha256", values.add(Some(row.payload.sha256()), Words::text)),
        ("state", values.add(Some(row.state.name()), Words::text)),
        ("iiko_id", values.add(row.iiko_id, Words::uuid)),
        ("iiko_number", values.add(row.iiko_number.as_ref(), Words::text)),
        ("attempts", row.attempts.to_string()),
        ("last_error", values.add(row.last_error.as_ref(), Words::text)),
        ("seen_at", values.add(row.seen_at.map(text), Words::moment)),
        ("run_id", values.add(Some(row.run_id), Words::uuid)),
        ("created_at", values.add(Some(text(row.created_at)), Words::moment)),
        ("updated_at", values.add(Some(text(row.updated_at)), Words::moment)),
    ];
    let (names, written): (Vec<&str>, Vec<String>) = columns.into_iter().unzip();
    let sql = format!(
        "insert into document_outbox ({}) values ({}) on conflict do nothing",
        names.join(", "),
        written.join(", ")
    );
    (sql, values.parameters)
}

/// A stored row while it is read: whatever stands there, it is read to its end.
struct Reading {
    columns: Columns,
    damage: Vec<String>,
}

impl Reading {
    /// The next value, which has to be there; `otherwise` and a word about it when it cannot be read.
    fn read<V>(&mut self, name: &str, otherwise: V, read: impl FnOnce(&str) -> Option<V>) -> V {
        let value = self.columns.optional().as_deref().and_then(read);
        value.unwrap_or_else(|| {
            self.damage.push(format!("its `{name}` cannot be read"));
            otherwise
        })
    }

    /// The next value, which may be missing.
    fn read_optional<V>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<V>) -> Option<V> {
        let text = self.columns.optional()?;
        let value = read(&text);
        if value.is_none() {
            self.damage.push(format!("its `{name}` cannot be read"));
        }
        value
    }

    fn text(&mut self, name: &str) -> String {
        self.read(name, String::new(), |text| Some(text.to_owned()))
    }

    fn id(&mut self, name: &str) -> Uuid {
        self.read(name, Uuid::nil(), |text| text.parse().ok())
    }
}

/// What a stored row says. One that cannot be worked with is not refused, or the night would end with it: it is `unknown`, and
/// says why.
fn row(answer: Answer) -> Result<Row> {
    let mut columns = Columns::new("document_outbox", answer);
    let key = columns.text()?;
    let by_letter = if key.starts_with('W') { DocumentKind::Writeoff } else { DocumentKind::Transfer };
    let mut reading = Reading { columns, damage: Vec::new() };
    let kind = reading.read("kind", by_letter, DocumentKind::of);
    let (subject, title) = (reading.text("subject"), reading.text("title"));
    let business_date = reading.read("business_date", NaiveDate::default(), |text| text.parse().ok());
    let slot = reading.read_optional("slot_utc", moment);
    let (from, to) = (reading.id("store_from"), reading.id("store_to"));
    let sequence = reading.read("seq", 1, |text| text.parse().ok().filter(|sequence| *sequence > 0));
    let date_incoming = reading.read("date_incoming", NaiveDateTime::default(), |text| {
        NaiveDateTime::parse_from_str(text, DATE_INCOMING).ok()
    });
    let comment = reading.text("comment");
    let lines = reading.read("items_json", Vec::new(), Payload::read_items);
    let payload = Payload { kind, number: key, from, to, date_incoming, comment, lines };
    let digest = reading.text("payload_sha256");
    let stored = reading.read("state", State::Unknown, State::of);
    let mut row = Row {
        payload,
        subject,
        title,
        business_date,
        slot,
        sequence,
        state: stored,
        iiko_id: reading.read_optional("iiko_id", |text| text.parse().ok()),
        iiko_number: reading.columns.optional(),
        attempts: reading.read("attempts", 0, |text| text.parse().ok()),
        last_error: reading.columns.optional(),
        seen_at: reading.read_optional("seen_at", moment),
        run_id: reading.id("run_id"),
        created_at: reading.read("created_at", DateTime::UNIX_EPOCH, moment),
        updated_at: reading.read("updated_at", DateTime::UNIX_EPOCH, moment),
        damage: None,
    };
    let mut damage = reading.damage;
    if damage.is_empty() {
        damage.extend(row.contradiction(&digest));
    }
    if !damage.is_empty() {
        let damage = format!("its row is damaged: {}", damage.join("; "));
        if stored != State::Abandoned {
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

fn id(columns: &mut Columns) -> Result<Uuid> {
    columns.read(|text| text.parse().ok())
}

/// Reads stores: id, name, code.
const STORES: &str =
    "select id, coalesce(name, ''), coalesce(code, '') from iiko_store where deleted is not true order by id";
/// Reads measure units: the same.
const UNITS: &str = "select id, coalesce(name, ''), coalesce(code, '') from iiko_entity where root_type = 'MeasureUnit' order by id";
/// Reads accounts: the same.
const ACCOUNTS: &str = "select id, coalesce(name, ''), coalesce(code, '') from iiko_entity
     where root_type = 'Account' and deleted is not true order by id";
/// Reads products: id, name, article, type, unit.
const PRODUCTS: &str =
    "select id, coalesce(name, ''), coalesce(num, ''), coalesce(product_type, ''), main_unit
     from iiko_product where deleted is not true order by id";
/// What is being done while the catalogue is read.
const CATALOGUE: &str = "reading stores and products";

async fn list<R>(
    store: &mut (impl Speak + ?Sized),
    sql: &str,
    read: fn(&mut Columns) -> Result<R>,
) -> Result<Vec<R>> {
    let answers = store.ask(CATALOGUE, (sql.to_owned(), Vec::new())).await?;
    answers.into_iter().map(|answer| read(&mut Columns::new("the mirror of iiko", answer))).collect()
}

fn named(columns: &mut Columns) -> Result<Named> {
    Ok(Named { id: id(columns)?, name: columns.text()?, code: columns.text()? })
}

fn product(columns: &mut Columns) -> Result<Product> {
    Ok(Product {
        id: id(columns)?,
        name: columns.text()?,
        num: columns.text()?,
        kind: columns.text()?,
        unit: columns.read_optional(|text| text.parse().ok())?,
    })
}

/// When the tables were mirrored well that decide whether the mirror is fresh enough to plan with: the older moment.
async fn mirrored_at(store: &mut (impl Speak + ?Sized)) -> Result<Option<DateTime<Utc>>> {
    let last = store.words().stamp("last_good_run");
    let sql = format!(
        "select {last} from mirror_freshness where scope = '' and table_name in ('iiko_store', 'iiko_product')"
    );
    let runs = store.ask(CATALOGUE, (sql, Vec::new())).await?;
    let runs = runs.into_iter().map(|answer| Columns::new("mirror_freshness", answer).read(moment));
    Ok(match runs.collect::<Result<Vec<_>>>()?[..] {
        [one, other] => Some(one.min(other)),
        _ => None,
    })
}
