//! Statements of operators, as simple queries.

use super::{Postgres, statement::inline};
use crate::{
    error::Result,
    store::{
        migrate::{Dialect, Found},
        speak::{Answer, Speak, Statement, Words},
    },
};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, postgres::PgRow};

#[async_trait]
impl Speak for Postgres {
    fn words(&self) -> Words {
        Words(Dialect::Postgres)
    }

    async fn is_ready(&mut self) -> Result<bool> {
        Ok(self.migrate(false).await? != Found::Nothing)
    }

    async fn ask(&mut self, doing: &str, (sql, parameters): Statement) -> Result<Vec<Answer>> {
        let sql = inline(&sql, &parameters);
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await;
        // What a simple query answers is text, whatever its type.
        let texts = |row: &PgRow| (0..row.len()).map(|place| row.try_get_unchecked(place)).collect();
        let rows = rows.and_then(|rows| rows.iter().map(texts).collect());
        rows.map_err(|error| self.condition.failure(doing, error))
    }

    async fn tell(&mut self, doing: &str, statements: Vec<Statement>) -> Result<Vec<u64>> {
        let work = async {
            let mut transaction = self.connection.begin().await?;
            let mut touched = Vec::new();
            for (sql, parameters) in statements {
                let sql = AssertSqlSafe(inline(&sql, &parameters));
                touched.push(sqlx::raw_sql(sql).execute(&mut *transaction).await?.rows_affected());
            }
            transaction.commit().await?;
            Ok(touched)
        };
        work.await.map_err(|error| self.condition.failure(doing, error))
    }
}
