//! A look at the file for `zerkalo doctor`; changes nothing.

use super::{Sqlite, open::check_place};
use crate::{
    error::Result,
    store::{
        database::{self, Examined},
        failure,
        migrate::{Dialect, Found},
    },
};
use std::collections::HashMap;

impl Sqlite {
    /// What there is at `path`, and whether this user may write to it.
    pub(in crate::store) async fn examine(&mut self) -> Result<Examined> {
        check_place(&self.path)?;
        let found = self.look().await?;
        let Some(connection) = self.connection.as_mut() else { return Ok(Examined::absent(found)) };
        let doing = "looking at the file";
        let server: String = sqlx::query_scalar("select 'SQLite ' || sqlite_version()")
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| failure(doing, error))?;
        let size: i64 =
            sqlx::query_scalar("select page_count * page_size from pragma_page_count(), pragma_page_size()")
                .fetch_one(&mut *connection)
                .await
                .map_err(|error| failure(doing, error))?;
        let identity = if matches!(found, Found::Version(version) if version > 0) {
            database::identity(self).await?
        } else {
            HashMap::new()
        };
        Ok(Examined {
            found,
            dialect: Dialect::Sqlite,
            server: Some(server),
            size: u64::try_from(size).unwrap_or(0),
            identity,
            missing_rights: Vec::new(),
            grants: Vec::new(),
            is_standby: false,
        })
    }
}
