//! A look at the schema for `zerkalo doctor`; changes nothing.

use super::{Postgres, look::MissingRights};
use crate::{
    error::Result,
    store::{
        database::{self, Examined},
        failure,
        migrate::{Dialect, Found},
    },
};
use std::collections::HashMap;

impl Postgres {
    /// The server, where the schema stands, and which rights this role lacks.
    pub(in crate::store) async fn examine(&mut self) -> Result<Examined> {
        let doing = "looking at the schema and its rights";
        let found = self.look().await?;
        let (server, size, is_standby): (String, i64, bool) = sqlx::query_as(
            "select 'PostgreSQL ' || current_setting('server_version'), pg_database_size(current_database()),
                 pg_is_in_recovery()",
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(|error| failure(doing, error))?;
        let MissingRights { words: missing_rights, grants } = self.missing_rights().await?;
        let readable =
            !missing_rights.iter().any(|right| right.starts_with("usage") || right.starts_with("select"));
        let identity = if readable && matches!(found, Found::Version(_)) {
            database::identity(self).await?
        } else {
            HashMap::new()
        };
        Ok(Examined {
            found,
            dialect: Dialect::Postgres,
            server: Some(server),
            size: u64::try_from(size).unwrap_or(0),
            identity,
            missing_rights,
            grants,
            is_standby,
        })
    }
}
