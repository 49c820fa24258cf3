//! A look at the file for `zerkalo doctor`; changes nothing.

use super::{Sqlite, open::check_place};
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

impl Sqlite {
    /// What there is at `path`, and whether this user may write to it.
    pub(in crate::store) async fn examine(&mut self) -> Result<Examined> {
        check_place(&self.path)?;
        let found = self.look().await?;
        if self.connection.is_none() {
            return Ok(Examined::absent(found));
        }
        let sql = Sql::new(
            "select 'SQLite ' || sqlite_version() as server, page_count * page_size as size
             from pragma_page_count(), pragma_page_size()",
        );
        let seen = |row: &Row| Ok((row.get("server")?, row.get("size")?));
        let seen: Vec<(String, i64)> = self.fetch("looking at the file", "the file", sql, seen).await?;
        let (server, size) = seen.into_iter().next().unzip();
        let identity = if matches!(found, Found::Version(version) if version > 0) {
            journal::identity(self).await?
        } else {
            HashMap::new()
        };
        Ok(Examined {
            found,
            dialect: Dialect::Sqlite,
            server,
            size: size.map_or(0, i64::unsigned_abs),
            identity,
            missing_rights: Vec::new(),
            grants: Vec::new(),
            is_standby: false,
        })
    }
}
