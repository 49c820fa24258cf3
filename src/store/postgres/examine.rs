//! A look at the schema for `zerkalo doctor`; changes nothing.

use super::{Postgres, look::MissingRights};
use crate::{
    error::Result,
    store::{
        database::Examined,
        journal,
        migrate::{Dialect, Found},
        sql::{Execute as _, Row, Sql},
    },
};
use std::collections::HashMap;

impl Postgres {
    /// The server, where the schema stands, and which rights this role lacks.
    pub(in crate::store) async fn examine(&mut self) -> Result<Examined> {
        let found = self.look().await?;
        let sql = Sql::new(
            "select 'PostgreSQL ' || current_setting('server_version') as server,
                 pg_database_size(current_database()) as size, pg_is_in_recovery() as is_standby",
        );
        let seen = |row: &Row| Ok((row.get("server")?, row.get("size")?, row.get("is_standby")?));
        let doing = "looking at the schema and its rights";
        let seen: Vec<(String, i64, bool)> = self.fetch(doing, "the server", sql, seen).await?;
        let (server, size, is_standby) = seen.into_iter().next().unwrap_or_default();
        let MissingRights { words: missing_rights, grants } = self.missing_rights().await?;
        let readable =
            !missing_rights.iter().any(|right| right.starts_with("usage") || right.starts_with("select"));
        let identity = if readable && matches!(found, Found::Version(_)) {
            journal::identity(self).await?
        } else {
            HashMap::new()
        };
        Ok(Examined {
            found,
            dialect: Dialect::Postgres,
            server: Some(server),
            size: size.unsigned_abs(),
            identity,
            missing_rights,
            grants,
            is_standby,
        })
    }
}
