//! The outbox of documents.

use super::Postgres;
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
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

#[async_trait]
impl OutboxStore for Postgres {
    async fn documents(&mut self, which: &Which) -> Result<Vec<Row>> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(Vec::new());
        }
        let doing = "reading the documents";
        let sql = format!(
            "select {COLUMNS} from document_outbox
             where ($1::text is null or key = $1) and ($2::text is null or kind = $2)
                 and ($3::date is null or business_date = $3) and state = any($4)
             order by business_date, key"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(which.key.as_deref())
            .bind(which.kind.map(Kind::name))
            .bind(which.date)
            .bind(wanted_states(which))
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| failure(doing, error))?;
        rows.iter().map(|row| read(row).map_err(|error| failure(doing, error))?.understand()).collect()
    }

    async fn catalogue(&mut self) -> Result<Catalogue> {
        if self.migrate(false).await? == Found::Nothing {
            return Ok(Catalogue::default());
        }
        catalogue(&mut self.connection).await.map_err(|error| failure("reading stores and products", error))
    }

    async fn plan_documents(&mut self, claim: Option<&Claim>, rows: &[Row]) -> Result<bool> {
        let doing = "writing down the documents";
        let mut transaction = self.connection.begin().await.map_err(|error| failure(doing, error))?;
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
            "update document_outbox set state = $3, iiko_id = coalesce($4, iiko_id), attempts = attempts + $5,
                 last_error = $6, run_id = $7, updated_at = $8
             where key = $1 and state = $2",
        )
        .bind(key)
        .bind(change.from.name())
        .bind(change.to.name())
        .bind(change.iiko_id)
        .bind(i64::from(change.attempts))
        .bind(change.error.as_deref())
        .bind(change.run)
        .bind(change.now)
        .execute(&mut self.connection)
        .await
        .map_err(|error| failure("writing down how far a document is", error))?;
        Ok(done.rows_affected() == 1)
    }

    async fn mark_seen(&mut self, key: &str, now: DateTime<Utc>) -> Result<()> {
        sqlx::query("update document_outbox set seen_at = $2 where key = $1")
            .bind(key)
            .bind(now)
            .execute(&mut self.connection)
            .await
            .map(|_| ())
            .map_err(|error| failure("writing down that a document was seen", error))
    }
}

async fn insert(connection: &mut PgConnection, row: &Row) -> Result<u64, sqlx::Error> {
    let (store_to, account) = match row.payload.kind {
        Kind::Transfer => (Some(row.payload.to), None),
        Kind::Writeoff => (None, Some(row.payload.to)),
    };
    let sql = format!(
        "insert into document_outbox ({COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
             $15, $16, $17, $18, $19, $20, $21, $22) on conflict do nothing"
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(row.key())
        .bind(row.payload.kind.name())
        .bind(&row.subject)
        .bind(&row.title)
        .bind(row.business_date)
        .bind(row.slot)
        .bind(row.payload.from)
        .bind(store_to)
        .bind(account)
        .bind(i64::from(row.sequence))
        .bind(row.payload.date_incoming.format(DATE_INCOMING).to_string())
        .bind(&row.payload.comment)
        .bind(row.payload.items_json())
        .bind(row.payload.sha256())
        .bind(row.state.name())
        .bind(row.iiko_id)
        .bind(i64::from(row.attempts))
        .bind(row.last_error.as_deref())
        .bind(row.seen_at)
        .bind(row.run_id)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

fn read(row: &PgRow) -> Result<Read, sqlx::Error> {
    let (store, account): (Option<Uuid>, Option<Uuid>) =
        (row.try_get("store_to")?, row.try_get("account_id")?);
    Ok(Read {
        key: row.try_get("key")?,
        kind: row.try_get("kind")?,
        subject: row.try_get("subject")?,
        title: row.try_get("title")?,
        business_date: row.try_get("business_date")?,
        slot: row.try_get("slot_utc")?,
        from: row.try_get("store_from")?,
        to: store.or(account).unwrap_or_default(),
        sequence: row.try_get("seq")?,
        date_incoming: row.try_get("date_incoming")?,
        comment: row.try_get("comment")?,
        items_json: row.try_get("items_json")?,
        sha256: row.try_get("payload_sha256")?,
        state: row.try_get("state")?,
        iiko_id: row.try_get("iiko_id")?,
        attempts: row.try_get("attempts")?,
        last_error: row.try_get("last_error")?,
        seen_at: row.try_get("seen_at")?,
        run_id: row.try_get("run_id")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

async fn catalogue(connection: &mut PgConnection) -> Result<Catalogue, sqlx::Error> {
    let named = |row: PgRow| -> Result<Named, sqlx::Error> {
        Ok(Named { id: row.try_get(0)?, name: row.try_get(1)?, code: row.try_get(2)? })
    };
    let mut lists = Vec::new();
    for sql in LISTS {
        let rows = sqlx::query(sql).fetch_all(&mut *connection).await?;
        lists.push(rows.into_iter().map(named).collect::<Result<Vec<_>, _>>()?);
    }
    let (accounts, units, stores) =
        (lists.pop().unwrap_or_default(), lists.pop().unwrap_or_default(), lists.pop().unwrap_or_default());
    let products = sqlx::query(PRODUCTS).fetch_all(&mut *connection).await?;
    let product = |row: PgRow| -> Result<Product, sqlx::Error> {
        Ok(Product {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            num: row.try_get(2)?,
            kind: row.try_get(3)?,
            unit: row.try_get(4)?,
        })
    };
    let runs: Vec<DateTime<Utc>> = sqlx::query_scalar(
        "select last_good_run from mirror_freshness where table_name = any($1) and scope = ''",
    )
    .bind(NEEDED)
    .fetch_all(connection)
    .await?;
    Ok(Catalogue {
        stores,
        units,
        accounts,
        products: products.into_iter().map(product).collect::<Result<_, _>>()?,
        mirrored_at: (runs.len() == NEEDED.len()).then(|| runs.into_iter().min()).flatten(),
    })
}
