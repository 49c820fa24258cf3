//! The evening's report: what was in stop during the working hours, told to the readers' chats.
//!
//! A chat gets the report of a day once, from whichever run: first the text, then the picture. What may have come is not
//! sent again before an operator has looked and asks for it.

use super::{
    mirror,
    notify::{Notify, Telling},
    run::{self, guarded, log_abandoned},
    slot::{self, Entry},
};
use crate::{
    error::{Failure, Kind, Result},
    jobs::{
        context::Context,
        messages::{self, Delivered, Message},
    },
    model::report::{RunReport, Status, StepReport},
    registry::STOPLIST_REPORT,
    report::stoplist::{Day, Hours, Report, alarm, message, picture, title},
    store::{
        Store,
        delivery::{Delivery, DeliveryState},
        lock::{Locks, Name},
    },
    upstreams::telegram::Content,
};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use std::{cell::RefCell, path::PathBuf};

/// The step's name, which is the command's.
pub(super) const STEP: &str = STOPLIST_REPORT.name;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The day on which the working hours begin; the latest that have begun, unless told.
    pub date: Option<NaiveDate>,
    /// Send once more what may or may not have come; of a day that still goes on, also what has come.
    pub resend: bool,
    /// Where the picture is written to.
    pub picture: Option<PathBuf>,
}

/// Makes the report and sends it.
pub async fn run(ctx: &Context, options: &Options) -> Report {
    let report = RefCell::new(Report::default());
    let evening = Evening { ctx, options, report: &report };
    let names = if ctx.is_dry_run() { Vec::new() } else { vec![Name::Job(STEP.to_owned())] };
    let text = |run: &RunReport| alarm(options.date.unwrap_or(ctx.business_date), run);
    let telling = Telling { notify: Notify::Problems, text: &text };
    let run = guarded(ctx, names, &[STEP], telling, async |locks| evening.run(locks).await).await;
    Report { run: Some(run), ..report.into_inner() }
}

struct Evening<'a> {
    ctx: &'a Context,
    options: &'a Options,
    report: &'a RefCell<Report>,
}

/// What is sent, under keys that no other day has.
struct Mail {
    text: Message,
    picture: Option<Message>,
}

impl Evening<'_> {
    async fn run(&self, locks: &Locks) -> Result<()> {
        let ctx = self.ctx;
        let (hours, now) = self.hours()?;
        if !ctx.is_dry_run() {
            check_readers(ctx)?;
        }
        let (entry, store) = run::enter(ctx).await?;
        if matches!(entry, Entry::Done) {
            return Ok(());
        }
        let mut store = match store {
            Some(store) => store,
            None => ctx.database.connect(ctx.access).await?,
        };
        if !ctx.is_dry_run() {
            // A slot's look has excluded the job already.
            if ctx.slot.is_none() {
                run::exclude(ctx, store.as_mut(), &[&format!("job {STEP}")]).await?;
            }
            ctx.at_work.send_replace(true);
            ctx.pending.borrow_mut().insert(STEP, (STEP, ctx.started_at));
        }
        let day = self.day(store.as_mut(), hours, now).await?;
        let mail = self.mail(&day)?;
        let mut step = StepReport::new(STEP, None, None);
        step.counts.fetched = day.products.len() as u64;
        tell_of_gaps(&day, &mut step);
        self.report.borrow_mut().day = Some(day);
        if !ctx.is_dry_run() {
            log_abandoned(ctx, store.as_mut(), locks).await?;
            slot::claim(ctx, store.as_mut(), &entry).await?;
            self.send(store.as_mut(), &mail, &mut step).await?;
            step.duration_ms = u64::try_from(ctx.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            store.log(&[mirror::log_row(ctx, &step, ctx.started_at, step.duration_ms)]).await?;
            ctx.pending.borrow_mut().remove(STEP);
        }
        ctx.reports.borrow_mut().push(step);
        ctx.keep(store);
        Ok(())
    }

    /// The working hours to tell of, and the moment up to which: the slot's, so that a run that resumes it tells the same.
    fn hours(&self) -> Result<(Hours, DateTime<Utc>)> {
        let (ctx, settings) = (self.ctx, &self.ctx.config.stoplist);
        let now = ctx.slot.as_ref().map_or(ctx.started_at, |slot| slot.at);
        let Some(date) = self.options.date else {
            return Ok((Hours::latest(now, ctx.clock.zone(), settings), now));
        };
        let hours = Hours::of(date, ctx.clock.zone(), settings);
        if hours.span.from >= now {
            let text = format!("--date {date}: the working hours of that day have not begun");
            return Err(Failure::new(Kind::Usage, text)
                .hint("without --date it is the latest day whose hours have begun"));
        }
        Ok((hours, now))
    }

    async fn day(&self, store: &mut dyn Store, hours: Hours, now: DateTime<Utc>) -> Result<Day> {
        let settings = &self.ctx.config.stoplist;
        let asked = hours.asked(now, settings);
        let stretches = store.stretches(hours.span.from, hours.span.to.min(now)).await?;
        let samples = store.samples(asked.from, asked.to).await?;
        let day = Day::of(hours, now, settings, &stretches, &samples);
        if day.lacking.is_empty() {
            return Ok(day);
        }
        Ok(day.named(&store.organization_names().await?))
    }

    /// The text and, where there is anything to show, the picture, which is also written where it was asked for.
    fn mail(&self, day: &Day) -> Result<Mail> {
        let ctx = self.ctx;
        let date = day.hours.date;
        let mut key = format!("{STEP} {date}");
        if day.is_in_progress() {
            // The report of the whole day is another one; of those before it a chat gets one, unless somebody asks for more.
            key.push_str(" so far");
        }
        let text = message(day, date == ctx.business_date);
        self.report.borrow_mut().text = Some(text.clone());
        let message =
            |key: String, content| Message { key, again_after: None, job: STEP.to_owned(), content };
        let is_shown = !day.products.is_empty();
        let mut photo = None;
        if is_shown || self.options.picture.is_some() {
            let png = Bytes::from(picture::draw(day)?);
            if let Some(path) = &self.options.picture {
                std::fs::write(path, &png).map_err(|error| {
                    let hint = "name a file in a directory that is there and may be written to";
                    Failure::of_file(format!("--picture: cannot write to {}", path.display()), hint, error)
                })?;
            }
            photo = is_shown.then(|| Content::Photo { png, caption: title(day) });
        }
        Ok(Mail {
            picture: photo.map(|photo| message(format!("{key} picture"), photo)),
            text: message(key, Content::Text(text)),
        })
    }

    /// Sends what is missing, text first; a chat that surely did not get the text gets no picture.
    async fn send(&self, store: &mut dyn Store, mail: &Mail, step: &mut StepReport) -> Result<()> {
        let ctx = self.ctx;
        let chats = &ctx.config.telegram.chat_ids;
        let messages = [Some(&mail.text), mail.picture.as_ref()];
        if self.options.resend {
            // What a killed run was sending counts, too.
            messages::give_up_abandoned(ctx, store, STEP).await?;
            let states: &[DeliveryState] = match &self.report.borrow().day {
                Some(day) if day.is_in_progress() => &[DeliveryState::Unknown, DeliveryState::Sent],
                _ => &[DeliveryState::Unknown],
            };
            for message in messages.into_iter().flatten() {
                let released = store.release_deliveries(&message.key, states, ctx.clock.now()).await?;
                tracing::info!("{released} of `{}` may be sent once more", message.key);
            }
        }
        let mut readers = chats.clone();
        let mut results: Vec<Delivered> = Vec::new();
        for message in messages.into_iter().flatten() {
            let delivered = messages::deliver(ctx, store, message, &readers).await?;
            step.counts.inserted += delivered.sent as u64;
            step.counts.unchanged += delivered.before as u64;
            results.push(delivered);
            let mut deliveries = store.deliveries(&message.key).await?;
            deliveries.retain(|delivery| chats.contains(&delivery.chat));
            step.warnings.extend(deliveries.iter().filter_map(trouble));
            readers.retain(|chat| {
                deliveries.iter().any(|delivery| delivery.chat == *chat && has_come(delivery))
            });
            self.report.borrow_mut().deliveries.extend(deliveries);
        }
        let in_progress = self.report.borrow().day.as_ref().is_some_and(Day::is_in_progress);
        if in_progress
            && step.counts.inserted == 0
            && results.iter().all(|result| result.before == chats.len())
        {
            step.notes.push(
                "every chat has had this day's report already; --resend sends it as it is now".to_owned(),
            );
        }
        if !step.warnings.is_empty() {
            step.status = Status::Warning;
        }
        if let Some(failure) = undelivered(&results) {
            *step = step.clone().failed(&failure);
        }
        Ok(())
    }
}

/// Refuses a run that could tell nobody.
fn check_readers(ctx: &Context) -> Result<()> {
    ctx.telegram()?;
    if !ctx.config.telegram.chat_ids.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, "TELEGRAM_CHAT_IDS is not set: there is nobody to send the report to")
        .hint("set it to the readers' chats, or look at the report with --dry-run"))
}

/// What nobody knows is the operator's affair, too.
fn tell_of_gaps(day: &Day, step: &mut StepReport) {
    if !day.known {
        step.warn(format!(
            "{}: there is not one reading of the stop-list in the working hours",
            day.hours.date
        ));
        step.hint =
            Some("`zerkalo sync stoplist` reads it, every few minutes from cron; look at its log".to_owned());
    }
}

/// Whether a chat has got a message, or may have.
fn has_come(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Sent | DeliveryState::Unknown)
}

/// What an operator has to know of a message that is not in its chat.
fn trouble(delivery: &Delivery) -> Option<String> {
    let (kind, chat) = (&delivery.kind, &delivery.chat);
    let why = delivery.error.as_ref().map_or_else(String::new, |error| format!(" ({error})"));
    match delivery.state {
        DeliveryState::Sent => None,
        DeliveryState::Unknown | DeliveryState::Sending => Some(format!(
            "the {kind} to {chat} may or may not have come{why}; look into the chat, and if it is not there, start \
             this with --resend"
        )),
        DeliveryState::Failed | DeliveryState::Planned => {
            Some(format!("the {kind} to {chat} was not sent{why}"))
        }
    }
}

/// Why the run has failed: something that a later start of the slot may do better, or no chat at all that took it.
fn undelivered(results: &[Delivered]) -> Option<Failure> {
    if let Some(kind) = results.iter().find_map(|delivered| delivered.later) {
        let hint = match kind {
            Kind::Refused => {
                "check TELEGRAM_BOT_TOKEN, then start this again: it is sent to those that have not got it"
            }
            _ => "start this again: it is sent to those that have not got it",
        };
        return Some(Failure::new(kind, "not every chat could be sent the report").hint(hint));
    }
    let first = results.first()?;
    let nobody = first.sent + first.before + first.unknown == 0;
    nobody.then(|| {
        Failure::new(Kind::Refused, "no chat has taken the report")
            .hint("check TELEGRAM_CHAT_IDS; the chats' owners have to let the bot in")
    })
}
