//! The outbox of documents.

use super::{Sqlite, stamp};
use crate::{
    documents::{
        Kind,
        row::{Change, Row, Which},
    },
    error::Result,
    store::{
        failure,
        migrate::Found,
        outbox::{
            COLUMNS, Catalogue, DATE_INCOMING, LISTS, NEEDED, Named, OutboxStore, PRODUCTS, Product, Read,
            wanted_states,
        },
        slot::Claim,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, Connection as _, QueryBuilder, Row as _, Sqlite as Driver, SqliteConnection,
    sqlite::SqliteRow,
};
use uuid::Uuid;

#[async_trait]
impl OutboxStore for Sqlite {
    async fn documents(&mut self, which: &Which) -> Result<Vec<Row>> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(Vec::new());
        }
        let doing = "reading the documents";
        let mut query =
            QueryBuilder::<Driver>::new(format!("select {COLUMNS} from document_outbox where state in ("));
        let mut states = query.separated(", ");
        for state in wanted_states(which) {
            states.push_bind(state);
        }
        query.push(")");
        if let Some(key) = &which.key {
            query.push(" and key = ").push_bind(key);
        }
        if let Some(kind) = which.kind {
            query.push(" and kind = ").push_bind(kind.name());
        }
        if let Some(date) = which.date {
            query.push(" and business_date = ").push_bind(date.to_string());
        }
        query.push(" order by business_date, key");
        let rows = query.build().fetch_all(self.connection()).await.map_err(|error| failure(doing, error))?;
        rows.iter().map(|row| read(row).map_err(|error| failure(doing, error))?.understand()).collect()
    }

    async fn catalogue(&mut self) -> Result<Catalogue> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(Catalogue::default());
        }
        catalogue(self.connection()).await.map_err(|error| failure("reading stores and products", error))
    }

    async fn plan_documents(&mut self, claim: Option<&Claim>, rows: &[Row]) -> Result<bool> {
        let doing = "writing down the documents";
        let mut transaction =
            self.connection().begin_with("begin immediate").await.map_err(|error| failure(doing, error))?;
        if let Some(claim) = claim
            && !super::slot::claim(&mut transaction, claim).await.map_err(|error| failure(doing, error))?
        {
            return Ok(false);
        }
        for row in rows {
            let inserted = insert(&mut transaction, row).await.map_err(|error| failure(doing, error))?;
            if inserted != 1 {
                return Ok(false);
            }
        }
        transaction.commit().await.map_err(|error| failure(doing, error))?;
        Ok(true)
    }

    async fn advance(&mut self, key: &str, change: &Change) -> Result<bool> {
        let done = sqlx::query(
            "update document_outbox set state = ?3, iiko_id = coalesce(?4, iiko_id), attempts = attempts + ?5,
                 last_error = ?6, run_id = ?7, updated_at = ?8
             where key = ?1 and state = ?2",
        )
        .bind(key)
        .bind(change.from.name())
        .bind(change.to.name())
        .bind(change.iiko_id.map(text))
        .bind(i64::from(change.attempts))
        .bind(change.error.as_deref())
        .bind(text(change.run))
        .bind(stamp(change.now))
        .execute(self.connection())
        .await
        .map_err(|error| failure("writing down how far a document is", error))?;
        Ok(done.rows_affected() == 1)
    }

    async fn mark_seen(&mut self, key: &str, now: DateTime<Utc>) -> Result<()> {
        sqlx::query("update document_outbox set seen_at = ?2 where key = ?1")
            .bind(key)
            .bind(stamp(now))
            .execute(self.connection())
            .await
            .map(|_| ())
            .map_err(|error| failure("writing down that a document was seen", error))
    }
}

async fn insert(connection: &mut SqliteConnection, row: &Row) -> Result<u64, sqlx::Error> {
    let (store_to, account) = match row.payload.kind {
        Kind::Transfer => (Some(text(row.payload.to)), None),
        Kind::Writeoff => (None, Some(text(row.payload.to))),
    };
    let sql = format!(
        "insert into document_outbox ({COLUMNS})
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(row.key())
        .bind(row.payload.kind.name())
        .bind(&row.subject)
        .bind(&row.title)
        .bind(row.business_date.to_string())
        .bind(row.slot.map(stamp))
        .bind(text(row.payload.from))
        .bind(store_to)
        .bind(account)
        .bind(i64::from(row.sequence))
        .bind(row.payload.date_incoming.format(DATE_INCOMING).to_string())
        .bind(&row.payload.comment)
        .bind(row.payload.items_json())
        .bind(row.payload.sha256())
        .bind(row.state.name())
        .bind(row.iiko_id.map(text))
        .bind(i64::from(row.attempts))
        .bind(row.last_error.as_deref())
        .bind(row.seen_at.map(stamp))
        .bind(text(row.run_id))
        .bind(stamp(row.created_at))
        .bind(stamp(row.updated_at))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// A uuid as it is stored.
fn text(id: Uuid) -> String {
    id.hyphenated().to_string()
}

/// A uuid as it was stored.
fn uuid(text: &str) -> Result<Uuid, sqlx::Error> {
    Uuid::try_parse(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn read(row: &SqliteRow) -> Result<Read, sqlx::Error> {
    let id = |column: &str| -> Result<Option<Uuid>, sqlx::Error> {
        row.try_get::<Option<String>, _>(column)?.as_deref().map(uuid).transpose()
    };
    Ok(Read {
        key: row.try_get("key")?,
        kind: row.try_get("kind")?,
        subject: row.try_get("subject")?,
        title: row.try_get("title")?,
        business_date: row.try_get("business_date")?,
        slot: row.try_get("slot_utc")?,
        from: id("store_from")?.unwrap_or_default(),
        to: id("store_to")?.or(id("account_id")?).unwrap_or_default(),
        sequence: row.try_get("seq")?,
        date_incoming: row.try_get("date_incoming")?,
        comment: row.try_get("comment")?,
        items_json: row.try_get("items_json")?,
        sha256: row.try_get("payload_sha256")?,
        state: row.try_get("state")?,
        iiko_id: id("iiko_id")?,
        attempts: row.try_get("attempts")?,
        last_error: row.try_get("last_error")?,
        seen_at: row.try_get("seen_at")?,
        run_id: id("run_id")?.unwrap_or_default(),
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

async fn catalogue(connection: &mut SqliteConnection) -> Result<Catalogue, sqlx::Error> {
    let named = |row: SqliteRow| -> Result<Named, sqlx::Error> {
        Ok(Named { id: uuid(row.try_get(0)?)?, name: row.try_get(1)?, code: row.try_get(2)? })
    };
    let mut lists = Vec::new();
    for sql in LISTS {
        let rows = sqlx::query(sql).fetch_all(&mut *connection).await?;
        lists.push(rows.into_iter().map(named).collect::<Result<Vec<_>, _>>()?);
    }
    let (accounts, units, stores) =
        (lists.pop().unwrap_or_default(), lists.pop().unwrap_or_default(), lists.pop().unwrap_or_default());
    let products = sqlx::query(PRODUCTS).fetch_all(&mut *connection).await?;
    let product = |row: SqliteRow| -> Result<Product, sqlx::Error> {
        Ok(Product {
            id: uuid(row.try_get(0)?)?,
            name: row.try_get(1)?,
            num: row.try_get(2)?,
            kind: row.try_get(3)?,
            unit: row.try_get::<Option<String>, _>(4)?.as_deref().map(uuid).transpose()?,
        })
    };
    let mut query = QueryBuilder::<Driver>::new(
        "select last_good_run from mirror_freshness where scope = '' and table_name in (",
    );
    let mut tables = query.separated(", ");
    for table in NEEDED {
        tables.push_bind(table);
    }
    query.push(")");
    let runs: Vec<DateTime<Utc>> = query.build_query_scalar().fetch_all(connection).await?;
    Ok(Catalogue {
        stores,
        units,
        accounts,
        products: products.into_iter().map(product).collect::<Result<_, _>>()?,
        mirrored_at: (runs.len() == NEEDED.len()).then(|| runs.into_iter().min()).flatten(),
    })
}
