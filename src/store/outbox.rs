//! The outbox of documents: every step of one is committed before the next.

use super::{
    slot::Claim,
    speak::{Answer, Columns, Speak, Statement, Words, moment, text},
};
use crate::{
    documents::{
        Kind as DocumentKind, Payload,
        row::{Change, Row, State, Which},
    },
    error::{Failure, Kind, Result},
};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
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
    /// Reads rows, in the order of their dates and keys, migrating first where that loses nothing.
    async fn documents(&mut self, which: &Which) -> Result<Vec<Row>>;

    /// Reads what documents are made of.
    async fn catalogue(&mut self) -> Result<Catalogue>;

    /// Begins with a slot, if there is one, and writes the rows planned for it, in one transaction. False, and nothing is
    /// written, when another run has begun with the slot meanwhile or has one of the rows.
    async fn plan_documents(&mut self, claim: Option<&Claim>, rows: &[Row]) -> Result<bool>;

    /// Takes a row one step further; durable when this returns. False when the row is not where the step starts from.
    async fn advance(&mut self, key: &str, change: &Change) -> Result<bool>;

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
        let mut conditions = vec![format!("state in ('{}')", wanted_states(which).join("', '"))];
        let mut only = |column: &str, value: Option<String>, parameter: Parameter| {
            if value.is_some() {
                conditions.push(format!("{column} = {}", values.add(value, parameter)));
            }
        };
        only("key", which.key.clone(), Words::text);
        only("kind", which.kind.map(|kind| kind.name().to_owned()), Words::text);
        only("business_date", which.date.map(|date| date.to_string()), Words::date);
        let sql = format!(
            "select key, kind, subject, title, business_date, {}, store_from, coalesce(store_to, account_id), seq,
                 date_incoming, comment, items_json, payload_sha256, state, iiko_id, attempts, last_error, {}, run_id, {}, {}
             from document_outbox where {} order by business_date, key",
            words.stamp("slot_utc"),
            words.stamp("seen_at"),
            words.stamp("created_at"),
            words.stamp("updated_at"),
            conditions.join(" and "),
        );
        self.ask("reading the documents", (sql, values.parameters)).await?.into_iter().map(row).collect()
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
            format!("attempts = attempts + ({})", change.attempts),
            format!("last_error = {}", values.add(change.error.as_ref(), Words::text)),
            format!("run_id = {}", values.add(Some(change.run), Words::uuid)),
            format!("updated_at = {}", values.add(Some(text(change.now)), Words::moment)),
        ];
        let sql =
            format!("update document_outbox set {} where key = $1 and state = $2", assignments.join(", "));
        Ok(self.change("writing down how far a document is", (sql, values.parameters)).await? == 1)
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

/// What a stored row says.
fn row(answer: Answer) -> Result<Row> {
    let mut columns = Columns::new("document_outbox", answer);
    let key = columns.text()?;
    let wrong = |what: &str| {
        Failure::new(Kind::Database, format!("document {key}: `{what}` cannot be read"))
            .hint("somebody else has written to document_outbox; put the row right by hand")
    };
    let kind = DocumentKind::of(&columns.text()?).ok_or_else(|| wrong("kind"))?;
    let (subject, title) = (columns.text()?, columns.text()?);
    let business_date = columns.read(|text| text.parse().ok())?;
    let slot = columns.read_optional(moment)?;
    let (from, to) = (id(&mut columns)?, id(&mut columns)?);
    let sequence = columns.text()?.parse().map_err(|_| wrong("seq"))?;
    let payload = Payload {
        kind,
        number: key.clone(),
        from,
        to,
        date_incoming: NaiveDateTime::parse_from_str(&columns.text()?, DATE_INCOMING)
            .map_err(|_| wrong("date_incoming"))?,
        comment: columns.text()?,
        lines: Payload::read_items(&key, &columns.text()?)?,
    };
    Ok(Row {
        is_intact: payload.sha256() == columns.text()?,
        payload,
        subject,
        title,
        business_date,
        slot,
        sequence,
        state: State::of(&columns.text()?).ok_or_else(|| wrong("state"))?,
        iiko_id: columns.read_optional(|text| text.parse().ok())?,
        attempts: columns.text()?.parse().map_err(|_| wrong("attempts"))?,
        last_error: columns.optional(),
        seen_at: columns.read_optional(moment)?,
        run_id: id(&mut columns)?,
        created_at: columns.read(moment)?,
        updated_at: columns.read(moment)?,
    })
}

fn id(columns: &mut Columns) -> Result<Uuid> {
    columns.read(|text| text.parse().ok())
}

/// The names of the states that a filter wants.
fn wanted_states(which: &Which) -> Vec<&'static str> {
    State::ALL
        .into_iter()
        .filter(|state| !which.unsettled || state.is_open() || *state == State::Unknown)
        .filter(|state| which.state.is_none_or(|wanted| wanted == *state))
        .map(State::name)
        .collect()
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
