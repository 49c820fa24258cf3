//! The nightly transfer: what is negative in a restaurant's bar and kitchen comes from its store of consumables.
//!
//! - `names`: stores called `TYPE (RESTAURANT)`
//! - [`plan`]: what is transferred
//! - [`unmatched`]: what matches nothing
//!
//! A night is planned once. What a run that was cut off has planned is finished from its frozen documents, never
//! computed again; what belongs to an earlier day is read and told of, never sent.

pub(crate) mod names;
pub mod plan;
pub mod unmatched;

use self::plan::{AGGREGATES, GROUPS, Input, Plan};
use super::{
    notify::{Notify, Telling},
    posting::{self, ENTITY, check_freshness, within_caps},
    run::{self, guarded},
    slot::{self, Entry},
};
use crate::{
    config::Config,
    error::{Failure, Kind, Result},
    failpoints,
    jobs::{
        context::Context,
        documents::{
            machine::{Machine, Window, check_clock},
            reconcile,
        },
    },
    model::{
        documents::{
            Kind as DocumentKind,
            row::{Row, State, Which},
        },
        report::{RunReport, Status, StepReport},
    },
    registry::NEGATIVE_TRANSFER,
    report::{
        documents::{DocumentReport, Report},
        night,
    },
    store::{Store, lock::Locks, slot::Claim},
    upstreams::iiko::olap::Query,
};
use chrono::{NaiveDate, NaiveDateTime, Timelike as _};
use std::cell::RefCell;

/// The step's name, which is the command's.
const STEP: &str = NEGATIVE_TRANSFER.name;

/// How a night is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Make a further document for pairs whose first one is done.
    pub again: bool,
    /// When the admins are told how it ended.
    pub notify: Notify,
}

/// Runs the night.
pub async fn run(ctx: &Context, options: Options) -> Report {
    let report = RefCell::new(Report::new(ctx.business_date));
    let night = Night { ctx, options, report: &report };
    let text = |run: &RunReport| night::message(&report.borrow(), run);
    let telling = Telling { notify: options.notify, text: &text };
    let run =
        guarded(ctx, posting::names(ctx), &[ENTITY], telling, async |locks| night.run(locks).await).await;
    report.into_inner().of(run)
}

struct Night<'a> {
    ctx: &'a Context,
    options: Options,
    report: &'a RefCell<Report>,
}

impl Night<'_> {
    async fn run(&self, locks: &Locks) -> Result<()> {
        let ctx = self.ctx;
        ctx.iiko()?;
        let (entry, store) = run::enter(ctx).await?;
        if matches!(entry, Entry::Done) {
            return Ok(());
        }
        let mut store = match store {
            Some(store) => store,
            None => ctx.database.connect(ctx.access).await?,
        };
        posting::open(ctx, locks, store.as_mut()).await?;
        failpoints::step("entered");
        let outcome = self.work(store.as_mut(), &entry).await;
        let report = match &outcome {
            Ok(step) => step.clone(),
            Err(failure) => StepReport::new(STEP, Some(ENTITY), None).failed(failure),
        };
        posting::log(ctx, store.as_mut(), &report).await?;
        if let Ok(step) = outcome.as_ref() {
            ctx.reports.borrow_mut().insert(0, step.clone());
        }
        failpoints::step("told");
        ctx.keep(store);
        outcome.map(|_| ())
    }

    /// The whole night; its first step.
    async fn work(&self, store: &mut dyn Store, entry: &Entry) -> Result<StepReport> {
        let ctx = self.ctx;
        let mut step = StepReport::new(STEP, Some(ENTITY), None);
        self.tell_of_earlier_days(store, &mut step).await?;
        let today =
            Which { kind: Some(DocumentKind::Transfer), date: Some(ctx.business_date), ..Which::default() };
        let mut rows = store.documents(&today).await?;
        posting::quarantine(ctx, store, &rows).await?;
        let is_planned = match &ctx.slot {
            Some(slot) => rows.iter().any(|row| row.slot == Some(slot.at)),
            None => !rows.is_empty(),
        };
        if is_planned && !self.options.again {
            slot::claim(ctx, store, entry).await?;
            step.counts.unchanged = rows.len() as u64;
            if !rows.iter().any(|row| row.state.is_open()) {
                let text = format!("{} was planned before, and no document of it is open", ctx.business_date);
                self.report.borrow_mut().notes.push(text);
            }
        } else {
            let planned = self.plan(store, &mut rows, &mut step).await?;
            if ctx.is_dry_run() {
                self.report.borrow_mut().documents = planned.iter().map(DocumentReport::of).collect();
                return Ok(settled(step));
            }
            let claim = claim_of(entry);
            if !store.plan_documents(claim, &planned).await? {
                return Err(Failure::new(Kind::Locked, "another run has planned this night meanwhile")
                    .hint("wait until it has ended, then start this again"));
            }
            ctx.claimed.set(claim.is_some());
            failpoints::step("planned");
            step.counts.inserted = planned.len() as u64;
            rows.extend(planned);
        }
        if ctx.is_dry_run() {
            self.report.borrow_mut().documents = rows.iter().map(DocumentReport::of).collect();
            return Ok(settled(step));
        }
        self.finish(store, rows, &mut step).await?;
        Ok(settled(step))
    }

    /// Reads what became of earlier days' documents that may have moved something, and tells of all that are open.
    async fn tell_of_earlier_days(&self, store: &mut dyn Store, step: &mut StepReport) -> Result<()> {
        let ctx = self.ctx;
        let unsettled = Which { unsettled: true, ..Which::default() };
        for mut row in store.documents(&unsettled).await? {
            let is_todays = row.business_date == ctx.business_date
                || row.business_date > ctx.business_date && row.damage.is_none();
            if is_todays && row.payload.kind == DocumentKind::Transfer {
                continue;
            }
            if row.state == State::Processing && !ctx.is_dry_run() {
                match reconcile::settle(ctx, store, row.clone(), ctx.business_date).await {
                    Ok(settled) => row = settled.row,
                    Err(failure) if failure.kind == Kind::Database => return Err(failure),
                    Err(failure) => tracing::warn!("{failure}"),
                }
            }
            if row.state.is_uncertain() {
                self.uncertain(&row);
            } else if row.state.is_open() {
                step.warnings.push(format!(
                    "document {} of {} is {} and is not sent any more: `zerkalo documents reconcile` says what to do",
                    row.key(),
                    row.business_date,
                    row.state.name()
                ));
                self.report.borrow_mut().earlier.push(DocumentReport::of(&row));
            }
        }
        Ok(())
    }

    /// A document of which nobody knows whether it has moved something is told of by every run.
    fn uncertain(&self, row: &Row) {
        let text = row.damage.clone().unwrap_or_else(|| {
            format!("nobody knows whether it has moved something on {}", row.business_date)
        });
        let failure = Failure::new(Kind::Unknown, text)
            .hint(format!("look at it in iiko; then `zerkalo documents reconcile {}`", row.key()));
        let step = StepReport::new(STEP, Some(ENTITY), Some(row.key())).failed(&failure);
        self.ctx.reports.borrow_mut().push(step);
        let mut document = DocumentReport::of(row);
        document.problem = document.problem.or_else(|| Some(failure.to_string()));
        self.report.borrow_mut().earlier.push(document);
    }

    /// Computes what is to be transferred. Pairs that have a document of today are left alone, unless a further one is
    /// asked for and may be made.
    async fn plan(
        &self,
        store: &mut dyn Store,
        rows: &mut Vec<Row>,
        step: &mut StepReport,
    ) -> Result<Vec<Row>> {
        let ctx = self.ctx;
        let catalogue = store.catalogue().await?;
        check_freshness(ctx, &catalogue)?;
        if self.options.again && !ctx.is_dry_run() {
            look_at_unseen(ctx, store, rows, step).await?;
        }
        let date = ctx.business_date;
        let query =
            Query { report: "TRANSACTIONS", days: (date, date), groups: &GROUPS, aggregates: &AGGREGATES };
        let balances = ctx.iiko()?.report(&query).await?;
        failpoints::step("reported");
        step.warnings.extend(check_clock(ctx)?);
        step.counts.fetched = balances.rows.len() as u64;
        step.counts.rejected = balances.rejected.len() as u64;
        step.warnings
            .extend(balances.rejected.iter().map(|row| format!("a row of the report is left out: {row}")));
        let unreadable = unreadable(&balances.rejected);
        if let (Some(text), []) = (&unreadable, balances.rows.as_slice()) {
            return Err(Failure::new(Kind::InvalidAnswer, text.clone())
                .hint("nothing was posted; look at the balances in iiko; the next start within the grace asks again"));
        }
        let input = Input {
            settings: &ctx.config.transfer,
            catalogue: &catalogue,
            rows: &balances.rows,
            last_rows: store.last_report_rows().await?,
            date,
            date_incoming: moment(ctx),
        };
        let plan = plan::plan(&input)?;
        // What nothing seems to match may stand in a row that cannot be read.
        self.tell_of(&plan, step).map_err(|failure| match unreadable {
            Some(text) => failure.context(text),
            None => failure,
        })?;
        if self.options.again && plan.documents.is_empty() {
            let text = "--again: nothing is to be moved, so no further document is made".to_owned();
            self.report.borrow_mut().notes.push(text);
        }
        for document in &plan.documents {
            within_caps(&document.payload, &document.title(), &ctx.config.transfer)?;
        }
        let unsettled = store.documents(&Which { unsettled: true, ..Which::default() }).await?;
        self.admitted(store, &plan, rows, &unsettled, step).await
    }

    /// Puts into the report what the plan is made of, and fails when nothing may be posted because nothing was found.
    fn tell_of(&self, plan: &Plan, step: &mut StepReport) -> Result<()> {
        step.counts.rejected += plan.skipped.len() as u64;
        let told = plan.unmatched.iter().filter(|unmatched| !unmatched.stops);
        step.warnings.extend(told.map(ToString::to_string));
        let mut report = self.report.borrow_mut();
        report.restaurants.clone_from(&plan.restaurants);
        report.skipped.clone_from(&plan.skipped);
        report.short.clone_from(&plan.short);
        report.unmatched.clone_from(&plan.unmatched);
        unmatched::refusal(&plan.unmatched).map_or(Ok(()), Err)
    }

    /// The planned documents that may be made, as rows.
    async fn admitted(
        &self,
        store: &mut dyn Store,
        plan: &Plan,
        rows: &[Row],
        unsettled: &[Row],
        step: &mut StepReport,
    ) -> Result<Vec<Row>> {
        let mut admitted: Vec<Row> = Vec::new();
        for planned in &plan.documents {
            let subject = planned.subject();
            // Of a damaged row the subject may be what is damaged.
            let same = |row: &&Row| row.subject == subject || row.payload.pair() == subject;
            let blocking = unsettled.iter().filter(same).find(|row| row.state.is_uncertain());
            let earlier: Vec<&Row> = rows.iter().filter(|row| row.subject == subject).collect();
            let why = match (blocking, earlier.last()) {
                (Some(row), _) => Some(format!("document {} is {}", row.key(), row.state.name())),
                (None, Some(row)) if !self.options.again => Some(format!(
                    "{} is the document of this day already; --again makes a further one",
                    row.key()
                )),
                (None, _) => earlier.iter().find_map(|row| may_not_follow(row)),
            };
            if let Some(why) = why {
                step.warnings.push(format!("{}: nothing is planned: {why}", planned.title()));
                continue;
            }
            let sequence = 1 + earlier.iter().map(|row| row.sequence).max().unwrap_or(0);
            let mut payload = planned.payload.clone();
            payload.number = posting::free_number(store, &payload, &subject, sequence, &admitted).await?;
            admitted.push(posting::planned(self.ctx, payload, planned.title(), subject, sequence));
        }
        Ok(admitted)
    }

    /// Takes every open document of the day to its end and looks at the balances.
    async fn finish(&self, store: &mut dyn Store, rows: Vec<Row>, step: &mut StepReport) -> Result<()> {
        let ctx = self.ctx;
        let window = window(&ctx.config);
        let mut done = Vec::new();
        for row in rows {
            if row.state == State::Unknown {
                self.uncertain(&row);
                continue;
            }
            if !row.state.is_open() {
                let mut document = DocumentReport::of(&row);
                if row.state == State::Failed {
                    // The night is not whole, however often it is looked at.
                    let text = row.last_error.clone().unwrap_or_else(|| "it failed".to_owned());
                    let failure = Failure::new(Kind::Partial, text)
                        .hint("`zerkalo negative-transfer --again` makes a further document");
                    document.problem = Some(failure.to_string());
                    let report = StepReport::new(STEP, Some(ENTITY), Some(row.key())).failed(&failure);
                    ctx.reports.borrow_mut().push(report);
                }
                self.report.borrow_mut().documents.push(document);
                if row.state == State::Done && row.seen_at.is_none() {
                    done.push(row);
                }
                continue;
            }
            let outcome = Machine { ctx, store: &mut *store, window }.finish(row).await?;
            let (report, document) = posting::told(STEP, &outcome);
            tracing::info!("{}: {}", document.key, document.state.name());
            step.counts.updated += report.counts.updated;
            ctx.reports.borrow_mut().push(report);
            self.report.borrow_mut().documents.push(document);
            if outcome.row.state == State::Done {
                done.push(outcome.row);
            }
        }
        failpoints::step("balances");
        step.warnings.extend(posting::check_balances(ctx, store, &mut done).await?);
        Ok(())
    }
}

/// Says how many rows of the report cannot be read, and names the first of them; none where all can.
fn unreadable(rejected: &[String]) -> Option<String> {
    let (first, rows) = (rejected.first()?, rejected.len());
    let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    Some(format!("{rows} of the report cannot be read, the first of them {first}"))
}

/// Until when a night's documents may be sent.
fn window(config: &Config) -> Window {
    Window { deadline: Some(config.transfer.deadline) }
}

/// What makes up for the night of a day that was missed; none while it can still be run, with `--late-ok`.
pub(crate) fn made_up_for(config: &Config, day: NaiveDate, now: NaiveDateTime) -> Option<String> {
    window(config).over(day, now)?;
    Some(format!(
        "nothing is posted for {day} any more, and nothing has to be: the next evening takes what is negative then; to \
         take it sooner: zerkalo negative-transfer, without --scheduled; for stores that it makes documents of, that \
         day's evening makes none"
    ))
}

/// A run whose step has something to say ends with a warning.
fn settled(mut step: StepReport) -> StepReport {
    if step.status == Status::Success && (!step.warnings.is_empty() || step.counts.rejected > 0) {
        step.status = Status::Warning;
    }
    step
}

fn claim_of(entry: &Entry) -> Option<&Claim> {
    match entry {
        Entry::Open(claim) => Some(claim),
        Entry::Unscheduled | Entry::Done => None,
    }
}

/// `dateIncoming` of the night's documents: the slot's local time, or this start's, to the minute.
fn moment(ctx: &Context) -> NaiveDateTime {
    let local = match &ctx.slot {
        Some(slot) => slot.local,
        None => ctx.started_at.with_timezone(&ctx.clock.zone()).naive_local(),
    };
    let time = local.time().with_second(0).and_then(|time| time.with_nanosecond(0)).unwrap_or_default();
    ctx.business_date.and_time(time)
}

/// Why a further document must not follow this one.
fn may_not_follow(row: &Row) -> Option<String> {
    match row.state {
        State::Failed | State::Abandoned => None,
        State::Done if row.seen_at.is_some() => None,
        State::Done => Some(format!("the balances do not show document {} yet", row.key())),
        open => Some(format!("document {} is {}", row.key(), open.name())),
    }
}

/// Before further documents are made, reads what the earlier ones came to: those that are done in the balances, and those
/// that failed with a draft in iiko, which somebody may have processed.
async fn look_at_unseen(
    ctx: &Context,
    store: &mut dyn Store,
    rows: &mut Vec<Row>,
    step: &mut StepReport,
) -> Result<()> {
    for row in rows.iter_mut().filter(|row| row.state == State::Failed) {
        *row = reconcile::settle(ctx, store, row.clone(), ctx.business_date).await?.row;
    }
    let (mut unseen, rest): (Vec<Row>, Vec<Row>) =
        std::mem::take(rows).into_iter().partition(|row| row.state == State::Done && row.seen_at.is_none());
    step.warnings.extend(posting::check_balances(ctx, store, &mut unseen).await?);
    rows.extend(rest);
    rows.extend(unseen);
    rows.sort_by_key(|row| row.sequence);
    Ok(())
}
