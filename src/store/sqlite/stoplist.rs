//! Writing the history of the stop-list.

use super::stamp;
use crate::store::stoplist::Reading;
use sqlx::{AssertSqlSafe, SqliteConnection};

/// The rows of the table that belong to a stretch `h`.
const SAME: &str = "a.product_id = h.product_id and a.terminal_group_id = h.terminal_group_id \
     and a.size_id = h.size_id and a.organization_id = h.organization_id";

/// Lets the history follow the table, in the transaction that wrote the table.
pub(super) async fn follow(connection: &mut SqliteConnection, reading: &Reading) -> Result<(), sqlx::Error> {
    for gone in &reading.gone {
        sqlx::query(
            "update stoplist_history set ended_at = ?3
             where ended_at is null and organization_id = ?1 and terminal_group_id = ?2",
        )
        .bind(gone.organization_id.hyphenated().to_string())
        .bind(gone.terminal_group_id.hyphenated().to_string())
        .bind(stamp(gone.ended_at))
        .execute(&mut *connection)
        .await?;
    }
    let statements = [
        format!(
            "update stoplist_history as h set ended_at = ?2 where h.ended_at is null and h.organization_id = ?1
             and not exists (select 1 from active_stoplist a where {SAME} and a.balance = h.balance)"
        ),
        format!(
            "update stoplist_history as h set name = a.name from active_stoplist a
             where h.ended_at is null and h.organization_id = ?1 and ?2 is not null and {SAME} and h.name <> a.name"
        ),
        format!(
            "insert into stoplist_history
                 (organization_id, terminal_group_id, product_id, size_id, name, balance, started_at)
             select organization_id, terminal_group_id, product_id, size_id, name, balance, ?2 from active_stoplist a
             where a.organization_id = ?1
                 and not exists (select 1 from stoplist_history h where h.ended_at is null and {SAME})
             order by product_id, terminal_group_id, size_id"
        ),
    ];
    for organization in &reading.organizations {
        let organization = organization.hyphenated().to_string();
        let sample =
            "insert into stoplist_sample (organization_id, taken_at) values (?1, ?2) on conflict do nothing";
        let sample = reading.is_sample.then(|| sample.to_owned());
        for statement in statements.iter().chain(&sample) {
            sqlx::query(AssertSqlSafe(statement.as_str()))
                .bind(&organization)
                .bind(stamp(reading.taken_at))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}
