//! Writing what is planned for the outbox.

use super::{Sqlite, slot};
use crate::{
    error::Result,
    store::{outbox::PlanStore, slot::Claim, speak::Statement},
};
use async_trait::async_trait;
use sqlx::AssertSqlSafe;

#[async_trait]
impl PlanStore for Sqlite {
    async fn write_plan(
        &mut self,
        doing: &str,
        claim: Option<&Claim>,
        statements: Vec<Statement>,
    ) -> Result<bool> {
        let condition = self.condition.clone();
        let mut transaction = self.begin(doing).await?;
        let work = async {
            if let Some(claim) = claim
                && !slot::claim(&mut transaction, claim).await?
            {
                return Ok(false);
            }
            for (sql, parameters) in &statements {
                let query = sqlx::query(AssertSqlSafe(sql.as_str()));
                let query = parameters.iter().fold(query, sqlx::query::Query::bind);
                if query.execute(&mut *transaction).await?.rows_affected() != 1 {
                    return Ok(false);
                }
            }
            transaction.commit().await?;
            Ok(true)
        };
        work.await.map_err(|error| condition.failure_of_file(doing, error))
    }
}
