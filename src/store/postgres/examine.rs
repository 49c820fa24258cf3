//! A look at the schema for `zerkalo doctor`; changes nothing.

use super::Postgres;
use crate::{
    error::Result,
    store::{
        database::{self, Examined},
        failure,
        migrate::{self, Dialect, Found},
    },
};
use std::collections::HashMap;

/// The rights that a run needs and that the role lacks, in words. Whoever owns the schema has them all.
const MISSING_RIGHTS: &str = "select case
    when n.oid is null and not has_database_privilege(current_database(), 'create')
        then array['create on the database, to make the schema']
    when n.oid is null then '{}'
    else array(
        select 'usage on the schema' where not has_schema_privilege(n.oid, 'usage')
        union all select 'create on the schema' where not has_schema_privilege(n.oid, 'create')
        union all
        select r.name || ' on ' || c.relname
        from pg_class c, unnest(array['select', 'insert', 'update', 'delete']) r (name)
        where c.relnamespace = n.oid and c.relkind in ('r', 'p') and c.relname = any($2)
          and not has_table_privilege(c.oid, r.name)
    )
    end
    from (select) one left join pg_namespace n on n.nspname = $1";

impl Postgres {
    /// The server, where the schema stands, and which rights this role lacks.
    pub(in crate::store) async fn examine(&mut self) -> Result<Examined> {
        let doing = "looking at the schema and its rights";
        let found = self.look().await?;
        let connection = &mut self.connection;
        let (server, size): (String, i64) = sqlx::query_as(
            "select 'PostgreSQL ' || current_setting('server_version'), pg_database_size(current_database())",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failure(doing, error))?;
        let missing_rights: Vec<String> = sqlx::query_scalar(MISSING_RIGHTS)
            .bind(&self.schema)
            .bind(migrate::our_names())
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| failure(doing, error))?;
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
        })
    }
}
