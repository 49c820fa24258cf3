//! Messages to chats, each at most once.
//!
//! Telegram has no idempotency key, so the record of what was sent is kept here: a row of `message_delivery` says
//! `sending` before the request goes out, and `sent` after the answer. What lies between is `unknown`, and is told, and
//! is not sent again by itself.

use crate::{
    error::{Failure, Kind, Result},
    jobs::context::Context,
    store::{
        Store,
        delivery::{Outcome, Outgoing},
    },
    upstreams::telegram::{Content, Sent},
};
use chrono::TimeDelta;

/// A message to one or more chats.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it is about, such as `full-morning 2026-11-22T05:00Z`: a chat gets at most one message of a key, ever, or
    /// within `again_after`.
    pub key: String,
    /// For an alarm that may be repeated: after how long.
    pub again_after: Option<TimeDelta>,
    /// The job that sends it.
    pub job: String,
    /// What it is made of.
    pub content: Content,
}

impl Message {
    fn outgoing(&self, ctx: &Context) -> Outgoing<'_> {
        Outgoing {
            key: &self.key,
            job: &self.job,
            kind: self.content.kind(),
            body_sha256: self.content.digest(),
            run: ctx.run_id,
            again_after: self.again_after,
        }
    }
}

/// How many chats got a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Chats that have got it now.
    pub sent: usize,
    /// Chats that had got it before.
    pub before: usize,
    /// Chats that surely have not got it.
    pub failed: usize,
    /// Chats that may have got it.
    pub unknown: usize,
    /// Why chats surely have not got it, if a later start may have more luck: the bot or Telegram is at fault, not the
    /// chat.
    pub later: Option<Kind>,
}

/// Sends a message to each chat that has not got it yet; one chat's refusal does not stop the others. What went wrong is
/// a warning in the log and a row in the database, and fails nothing: only the record itself can fail.
pub async fn deliver(
    ctx: &Context,
    store: &mut dyn Store,
    message: &Message,
    chats: &[String],
) -> Result<Delivered> {
    plan(ctx, store, message, chats).await?;
    deliver_planned(ctx, store, message, chats).await
}

/// Writes down that a message is to be sent. Nothing is sent before that.
pub async fn plan(ctx: &Context, store: &mut dyn Store, message: &Message, chats: &[String]) -> Result<()> {
    give_up_abandoned(ctx, store, &message.job).await?;
    store.plan_deliveries(&message.outgoing(ctx), chats, ctx.clock.now()).await
}

/// Sends a message that is planned.
pub async fn deliver_planned(
    ctx: &Context,
    store: &mut dyn Store,
    message: &Message,
    chats: &[String],
) -> Result<Delivered> {
    let outgoing = message.outgoing(ctx);
    let mut delivered = Delivered::default();
    for chat in chats {
        if ctx.telegram()?.is_refused() {
            // The bot itself is refused: the others stay planned.
            delivered.failed += 1;
            delivered.later = Some(Kind::Refused);
            continue;
        }
        match deliver_to(ctx, store, &outgoing, &message.content, chat).await? {
            Some(Sent::Delivered(_)) => delivered.sent += 1,
            Some(Sent::Unknown(_)) => delivered.unknown += 1,
            Some(Sent::Refused(failure)) => {
                delivered.failed += 1;
                delivered.later = delivered.later.or((failure.kind != Kind::Refused).then_some(failure.kind));
            }
            Some(Sent::BotRefused(failure)) => {
                delivered.failed += 1;
                delivered.later = Some(failure.kind);
            }
            None => delivered.before += 1,
        }
    }
    Ok(delivered)
}

/// Tells of messages that a killed run of a job was sending: they may have come, and are not sent again by themselves.
/// An operator who has looked lets them be sent by [`release_deliveries`](crate::store::DeliveryStore).
pub async fn give_up_abandoned(ctx: &Context, store: &mut dyn Store, job: &str) -> Result<()> {
    for (key, chat) in store.abandon_deliveries(job, ctx.run_id, ctx.clock.now()).await? {
        tracing::warn!(
            "telegram: the run that sent `{key}` to {chat} ended before the answer: it may have come"
        );
    }
    Ok(())
}

/// Sends to one chat; none when the chat has got the message before, or may have.
async fn deliver_to(
    ctx: &Context,
    store: &mut dyn Store,
    outgoing: &Outgoing<'_>,
    content: &Content,
    chat: &str,
) -> Result<Option<Sent>> {
    let client = ctx.telegram()?;
    if !store.begin_delivery(outgoing, chat, ctx.clock.now()).await? {
        return Ok(None);
    }
    let sent = client.send(chat, content).await;
    let outcome = match &sent {
        Sent::Delivered(id) => Outcome::Sent(*id),
        Sent::Refused(failure) | Sent::BotRefused(failure) => {
            warn(chat, "was not sent", failure);
            Outcome::Failed(failure.to_string())
        }
        Sent::Unknown(failure) => {
            warn(chat, "may or may not have come, and is not sent again", failure);
            Outcome::Unknown(failure.to_string())
        }
    };
    if !store.end_delivery(outgoing, chat, &outcome, ctx.clock.now()).await? {
        let text = format!("message_delivery: the row of `{}` for {chat} is gone", outgoing.key);
        return Err(Failure::new(Kind::Database, text).hint("somebody else has written to message_delivery"));
    }
    Ok(Some(sent))
}

/// Sends a message of which no record can be kept, to each chat.
pub async fn send_unrecorded(ctx: &Context, content: &Content, chats: &[String]) -> Result<()> {
    let client = ctx.telegram()?;
    for chat in chats.iter().take_while(|_| !client.is_refused()) {
        match client.send(chat, content).await {
            Sent::Delivered(_) => {}
            Sent::Refused(failure) | Sent::BotRefused(failure) => warn(chat, "was not sent", &failure),
            Sent::Unknown(failure) => warn(chat, "may or may not have come", &failure),
        }
    }
    Ok(())
}

fn warn(chat: &str, what: &str, failure: &Failure) {
    let hint = failure.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
    tracing::warn!("telegram: the message to {chat} {what}: {failure}{hint}");
}
