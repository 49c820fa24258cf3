//! The message at the end of a job. That it could not be sent changes nothing of what was done.

use super::alarm;
use crate::{
    engine::hash,
    error::{Kind, Result},
    jobs::{
        context::Context,
        messages::{self, Message},
    },
    model::report::{RunReport, SlotFound},
    schedule::Slot,
    upstreams::telegram::Content,
};
use chrono::{SecondsFormat, TimeDelta};
use std::time::Duration;

/// When the admins are told how a job ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Notify {
    /// After every run.
    Always,
    /// When something failed, warned or was skipped for want of what failed.
    Problems,
    /// Not at all.
    #[default]
    Never,
}

/// How long telling may take, waits that Telegram asks for included.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long after an alarm the same one is not told again.
const SAME_ALARM: TimeDelta = TimeDelta::hours(6);

/// Whether the admins are told, and what.
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    /// When.
    pub(super) notify: Notify,
    /// What; none when there is nothing to tell.
    pub(super) text: &'a dyn Fn(&RunReport) -> Option<String>,
}

impl Telling<'_> {
    /// Nobody is told.
    pub(super) const NOTHING: Telling<'static> = Telling { notify: Notify::Never, text: &|_| None };
}

/// When a run's message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// In any case.
    Always,
    /// When an earlier run of the slot has told of trouble: whoever has read that is to know how it ended.
    AfterTrouble,
    /// Not at all; but what a killed run was sending is told of.
    Never,
}

/// Tells the admins of a run.
pub(super) async fn admins(ctx: &Context, report: &RunReport, telling: Telling<'_>) {
    let text = (telling.text)(report);
    let Some(sending) = sending(report, telling.notify, text.is_some()) else { return };
    let settings = &ctx.config.telegram;
    if settings.bot_token.is_none() || settings.admin_chat_ids.is_empty() {
        if sending == Sending::Always {
            tracing::debug!("nobody is told: TELEGRAM_BOT_TOKEN or TELEGRAM_ADMIN_CHAT_IDS is not set");
        }
        return;
    }
    let message = text.map(|text| message(ctx, report, text));
    if ctx.is_dry_run() {
        if let Some(message) = message.filter(|_| sending == Sending::Always) {
            would_send(ctx, &message);
        }
        return;
    }
    tokio::select! {
        told = tokio::time::timeout(PATIENCE, send(ctx, message.as_ref(), sending)) => match told {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!("the admins could not be told: {failure}"),
            Err(_) => tracing::warn!("the admins could not be told within {} s", PATIENCE.as_secs()),
        },
        failure = super::run::stopped() => tracing::warn!("{failure} while the admins were being told"),
    }
}

/// When a run's message goes out; none where nobody need be asked.
fn sending(report: &RunReport, notify: Notify, has_text: bool) -> Option<Sending> {
    // Who holds the lock tells of the work, and who stopped the run knows that it was stopped.
    let elsewhere = |kind| matches!(kind, Kind::Locked | Kind::Signal(_));
    let found = report.slot.as_ref().map(|slot| slot.found);
    if report.failure.as_ref().is_some_and(|failure| elsewhere(failure.kind))
        || found == Some(SlotFound::Done)
    {
        return None;
    }
    let resumed = found == Some(SlotFound::Resumed);
    match notify {
        Notify::Always | Notify::Problems if !has_text => resumed.then_some(Sending::Never),
        Notify::Always => Some(Sending::Always),
        Notify::Problems if report.exit_code() != 0 => Some(Sending::Always),
        Notify::Problems => resumed.then_some(Sending::AfterTrouble),
        Notify::Never => resumed.then_some(Sending::Never),
    }
}

/// The message of a run. In a slot the same outcome is told once, and another one again: whoever was told that it failed
/// is to know that it did not, or that it is worse. Without a slot a result is told, unless it is the alarm of an earlier
/// run again: the same command in the same trouble. Those are told once in six hours, but what nobody knows and what was
/// stopped for safety always.
fn message(ctx: &Context, report: &RunReport, text: String) -> Message {
    let trouble = report.trouble();
    let digest = hash::short(&trouble);
    let urgent = [0, Kind::Unknown.exit_code(), Kind::Safety.exit_code()].contains(&report.exit_code());
    let (key, again_after) = match &ctx.slot {
        Some(slot) if trouble.is_empty() => (slot_key(slot), None),
        Some(slot) => (format!("{} {digest}", slot_key(slot)), None),
        None if urgent => (format!("{} run {}", ctx.command, ctx.run_id), None),
        None => (format!("{} alarm {digest}", ctx.command), Some(SAME_ALARM)),
    };
    Message { key, again_after, job: ctx.command.clone(), content: Content::Text(text) }
}

/// How the keys of a slot's messages begin.
fn slot_key(slot: &Slot) -> String {
    format!("{} {}", slot.job, slot.at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// What a real run would send, for `-v`.
fn would_send(ctx: &Context, message: &Message) {
    tracing::debug!("a run would send to {}:", ctx.config.telegram.admin_chat_ids.join(", "));
    if let Content::Text(text) = &message.content {
        ctx.progress.detail(text);
    }
}

/// Sends the message, if it is to be sent, and tells of what a killed run left.
async fn send(ctx: &Context, message: Option<&Message>, sending: Sending) -> Result<()> {
    let chats = &ctx.config.telegram.admin_chat_ids;
    let planning = async {
        let mut store = ctx.last_connection().await?;
        let before = match (&ctx.slot, sending) {
            (Some(slot), Sending::AfterTrouble) => store.was_told(&slot_key(slot)).await?,
            _ => sending == Sending::Always,
        };
        let message = message.filter(|_| before);
        match message {
            Some(message) => messages::plan(ctx, store.as_mut(), message, chats).await?,
            None => messages::give_up_abandoned(ctx, store.as_mut(), &ctx.command).await?,
        }
        Ok((store, message))
    };
    match (planning.await, message) {
        (Ok((mut store, planned)), _) => {
            if let Some(message) = planned {
                let delivered = messages::deliver_planned(ctx, store.as_mut(), message, chats).await?;
                tracing::debug!("told the admins: {delivered:?}");
            }
            ctx.keep(store);
            Ok(())
        }
        (Err(failure), Some(message)) if sending == Sending::Always => {
            tracing::warn!("{failure}; the admins are told without a record of it");
            if alarm::is_new(&ctx.config.state_dir, &message.key, SAME_ALARM, ctx.clock.now())? {
                messages::send_unrecorded(ctx, &message.content, chats).await?;
            }
            Ok(())
        }
        (Err(failure), _) => Err(failure),
    }
}
