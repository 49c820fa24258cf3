//! Deletes what is older than is kept: rows of the log, tombstones, slots, deliveries. Never a document.
//!
//! What is old is counted from the beginning of the business's day, so that of all the runs of a day only the first one
//! finds anything: the morning prunes by itself, at the cost of one look.

use super::mirror;
use crate::{
    error::Result,
    jobs::context::Context,
    model::report::StepReport,
    schedule::first_moment,
    store::{
        LogRow, Store,
        operator::{Expired, Keep},
    },
};
use chrono::{NaiveTime, TimeDelta};

/// What the log calls it.
pub(super) const ENTITY: &str = "prune";

/// For how many days deleted rows are kept.
const TOMBSTONE_DAYS: i64 = 30;

/// Since when everything is kept.
pub fn keep(ctx: &Context) -> Keep {
    let today = first_moment(ctx.business_date.and_time(NaiveTime::MIN), ctx.clock.zone());
    let log_days = i64::try_from(ctx.config.keep.log_days).unwrap_or(i64::MAX);
    let log = TimeDelta::try_days(log_days).and_then(|days| today.checked_sub_signed(days));
    Keep {
        // So many days that no calendar has them: everything is kept.
        log: log.unwrap_or(chrono::DateTime::UNIX_EPOCH),
        tombstones: today - TimeDelta::days(TOMBSTONE_DAYS),
    }
}

/// Deletes what is old, or in a dry run counts it.
pub async fn run(ctx: &Context) -> Result<Expired> {
    let mut store = ctx.database.connect_existing(ctx.access).await?;
    let expired = prune(ctx, store.as_mut()).await?;
    store.close().await?;
    Ok(expired)
}

/// The same, through a connection that is there.
pub(super) async fn prune(ctx: &Context, store: &mut dyn Store) -> Result<Expired> {
    let keep = keep(ctx);
    let expired = store.expired(&keep).await?;
    if ctx.is_dry_run() || expired.total() == 0 {
        return Ok(expired);
    }
    let expired = store.prune(&keep).await?;
    let mut report = StepReport::new(ENTITY, None, None);
    report.counts.deleted = expired.total();
    let row = mirror::log_row(ctx, &report, ctx.started_at, 0);
    let duration_ms = (row.finished_at - row.started_at).num_milliseconds();
    store.log(&[LogRow { duration_ms, ..row }]).await?;
    Ok(expired)
}
