//! A run in its slot: whether there is anything to do, and how it ended.
//!
//! The order that every scheduled job keeps: lock the job ([`crate::store::lock::Name::Job`]), [`enter`], claim, work,
//! [`leave`]. Dry runs have no part in it.

use super::{negative_transfer, run::exclude};
use crate::{
    config::Config,
    error::{Failure, Kind, Result},
    jobs::context::Context,
    model::report::{SlotFound, SlotReport},
    registry::{NEGATIVE_TRANSFER, STOPLIST_REPORT},
    schedule::Verdict,
    store::{Store, slot::Claim},
};
use chrono::{NaiveDateTime, SecondsFormat};

/// What a start has to do.
#[derive(Debug)]
pub enum Entry {
    /// It has no slot: a start by hand, or a dry run.
    Unscheduled,
    /// Another run has done the work.
    Done,
    /// There is work: the claim is to be made when it begins, see [`claim`]. A claim that has `seen` earlier attempts
    /// resumes what they left.
    Open(Claim),
}

/// Looks at this run's slot through a connection, and writes down a misfire. What it found is in the run's report.
/// Fails with exit 11 when the job runs on another host, and with exit 12 when it is too late.
pub async fn enter(ctx: &Context, store: &mut dyn Store) -> Result<Entry> {
    let Some(slot) = ctx.slot.as_ref().filter(|_| !ctx.is_dry_run()) else { return Ok(Entry::Unscheduled) };
    exclude(ctx, store, &[&format!("job {}", slot.job)]).await?;
    let row = store.slot(slot).await?;
    let seen = row.as_ref().map_or(0, |row| row.attempts);
    let verdict = slot.verdict(ctx.begins_at(), row);
    let told = |found: SlotFound, note: Option<String>| {
        ctx.slot_report.replace(Some(SlotReport::new(slot, found, note)));
    };
    match verdict {
        Verdict::Done(row) => {
            let when = row.finished_at.map_or_else(String::new, |at| {
                format!(" at {}", at.to_rfc3339_opts(SecondsFormat::Secs, true))
            });
            told(SlotFound::Done, Some(format!("{slot}: already done by run {}{when}", row.run_id)));
            return Ok(Entry::Done);
        }
        Verdict::Misfire { late, begun } => {
            told(SlotFound::Misfired, None);
            store.misfire_slot(slot, ctx.run_id, ctx.clock.now()).await?;
            let hint = by_hand(&ctx.config, &slot.job, slot.local, ctx.clock.business_now());
            return Err(slot.misfire(late, begun.as_ref()).hint(hint));
        }
        Verdict::Resume(row) => {
            told(SlotFound::Resumed, Some(format!("{slot}: resumes what run {} did not finish", row.run_id)));
        }
        Verdict::Fresh => told(SlotFound::Fresh, None),
    }
    Ok(Entry::Open(Claim { slot: slot.clone(), seen, run: ctx.run_id, now: ctx.clock.now() }))
}

/// What a person can do about a slot that was missed; it and `now` are of the business's time zone.
pub fn by_hand(config: &Config, job: &str, slot: NaiveDateTime, now: NaiveDateTime) -> String {
    let made_up_for = match job {
        _ if job == NEGATIVE_TRANSFER.name => negative_transfer::made_up_for(config, slot.date(), now),
        _ if job == STOPLIST_REPORT.name => {
            Some(format!("to send it all the same: zerkalo {job} --date {}", slot.date()))
        }
        _ => None,
    };
    made_up_for.unwrap_or_else(|| {
        format!(
            "to run it all the same: zerkalo {job}; for this very slot: zerkalo {job} --scheduled {} --date {} --late-ok",
            slot.format("%H:%M"),
            slot.date(),
        )
    })
}

/// Begins with the slot, in a transaction of its own.
pub async fn claim(ctx: &Context, store: &mut dyn Store, entry: &Entry) -> Result<()> {
    let Entry::Open(claim) = entry else { return Ok(()) };
    ctx.locked.borrow().check()?;
    if !store.claim_slot(claim).await? {
        return Err(claim.slot.taken());
    }
    ctx.claimed.set(true);
    Ok(())
}

/// Writes down how the run ended. Its exit code stays what it is: a slot that could not be finished is resumed.
pub async fn leave(ctx: &Context, exit_code: u8) {
    let Some(slot) = ctx.slot.as_ref().filter(|_| ctx.claimed.replace(false)) else { return };
    let finish = async {
        let mut store = ctx.last_connection().await?;
        let ours = store.finish_slot(slot, ctx.run_id, exit_code, ctx.clock.now()).await?;
        ctx.keep(store);
        if ours {
            return Ok(());
        }
        Err(Failure::new(Kind::Database, format!("{slot}: somebody else has taken the slot meanwhile")))
    };
    if let Err(failure) = finish.await {
        tracing::warn!("{failure}; the next start within the grace resumes the slot");
    }
}
