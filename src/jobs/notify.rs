//! The message at the end of a job. That it could not be sent changes nothing of what was done.

use crate::{
    context::Context,
    engine::hash,
    error::{Kind, Result},
    report::{RunReport, SlotFound},
    telegram::{self, Content, Message},
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

/// Tells the admins of a run. One message a slot and chat: a run that resumes the slot does not tell again.
pub(super) async fn admins(ctx: &Context, report: &RunReport, telling: Telling<'_>) {
    let text = (telling.text)(report);
    let wanted = match telling.notify {
        _ if text.is_none() => false,
        Notify::Always => true,
        Notify::Problems => report.exit_code() != 0,
        Notify::Never => false,
    };
    // Who holds the lock tells of the work, and who stopped the run knows that it was stopped.
    let elsewhere = |kind| matches!(kind, Kind::Locked | Kind::Signal(_));
    let found = report.slot.as_ref().map(|slot| slot.found);
    if report.failure.as_ref().is_some_and(|failure| elsewhere(failure.kind))
        || found == Some(SlotFound::Done)
    {
        return;
    }
    let settings = &ctx.config.telegram;
    if settings.bot_token.is_none() || settings.admin_chat_ids.is_empty() {
        if wanted {
            tracing::debug!("nobody is told: TELEGRAM_BOT_TOKEN or TELEGRAM_ADMIN_CHAT_IDS is not set");
        }
        return;
    }
    if !wanted && found != Some(SlotFound::Resumed) {
        return;
    }
    let text = text.filter(|_| wanted);
    if ctx.is_dry_run() {
        if let Some(text) = &text {
            would_send(ctx, text);
        }
        return;
    }
    let message = text.map(|text| message(ctx, report, text));
    tokio::select! {
        told = tokio::time::timeout(PATIENCE, send(ctx, message.as_ref())) => match told {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!("the admins could not be told: {failure}"),
            Err(_) => tracing::warn!("the admins could not be told within {} s", PATIENCE.as_secs()),
        },
        failure = super::run::stopped() => tracing::warn!("{failure} while the admins were being told"),
    }
}

/// The message of a run. One in a slot is told once for its slot. One without a slot is a result, and is told, unless it
/// is the alarm of an earlier run again: the same command in the same trouble. Those are told once in six hours, but
/// what nobody knows and what was stopped for safety always.
fn message(ctx: &Context, report: &RunReport, text: String) -> Message {
    let urgent = [0, Kind::Unknown.exit_code(), Kind::Safety.exit_code()].contains(&report.exit_code());
    let (key, again_after) = match &ctx.slot {
        Some(slot) => (format!("{} {}", slot.job, slot.at.to_rfc3339_opts(SecondsFormat::Secs, true)), None),
        None if urgent => (format!("{} run {}", ctx.command, ctx.run_id), None),
        None => {
            let trouble = hash::short(&report.trouble());
            (format!("{} alarm {trouble}", ctx.command), Some(SAME_ALARM))
        }
    };
    Message { key, again_after, job: ctx.command.clone(), content: Content::Text(text) }
}

/// What a real run would send, for `-v`.
fn would_send(ctx: &Context, text: &str) {
    tracing::debug!("a run would send to {}:", ctx.config.telegram.admin_chat_ids.join(", "));
    if ctx.printer.verbosity().verbose > 0 {
        ctx.printer.stderr(text);
    }
}

/// Sends the message, if there is one, and tells of what a killed run left.
async fn send(ctx: &Context, message: Option<&Message>) -> Result<()> {
    let mut store = ctx.last_connection().await?;
    match message {
        Some(message) => {
            let chats = &ctx.config.telegram.admin_chat_ids;
            let delivered = telegram::deliver(ctx, store.as_mut(), message, chats).await?;
            tracing::debug!("told the admins: {delivered:?}");
        }
        None => telegram::give_up_abandoned(ctx, store.as_mut(), &ctx.command).await?,
    }
    ctx.keep(store);
    Ok(())
}
