//! Statements of operators.

use super::Sqlite;
use crate::{
    error::Result,
    store::{
        migrate::{Dialect, Found},
        speak::{Answer, Speak, Statement, Words},
    },
};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row as _, sqlite::SqliteRow};

#[async_trait]
impl Speak for Sqlite {
    fn words(&self) -> Words {
        Words(Dialect::Sqlite)
    }

    async fn is_ready(&mut self) -> Result<bool> {
        Ok(self.migrate(false).await? != Found::Nothing)
    }

    async fn ask(&mut self, doing: &str, (sql, parameters): Statement) -> Result<Vec<Answer>> {
        let query = parameters.iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
        let rows = query.fetch_all(self.live().await?).await;
        // SQLite gives the text of any value.
        let texts = |row: &SqliteRow| (0..row.len()).map(|place| row.try_get_unchecked(place)).collect();
        let rows = rows.and_then(|rows| rows.iter().map(texts).collect());
        rows.map_err(|error| self.failed(doing, error))
    }

    async fn tell(&mut self, doing: &str, statements: Vec<Statement>) -> Result<Vec<u64>> {
        let condition = self.condition.clone();
        let mut transaction = self.begin(doing).await?;
        let work = async {
            let mut touched = Vec::new();
            for (sql, parameters) in &statements {
                let query = sqlx::query(AssertSqlSafe(sql.as_str()));
                let query = parameters.iter().fold(query, sqlx::query::Query::bind);
                touched.push(query.execute(&mut *transaction).await?.rows_affected());
            }
            transaction.commit().await?;
            Ok(touched)
        };
        work.await.map_err(|error| condition.failure_of_file(doing, error))
    }
}
