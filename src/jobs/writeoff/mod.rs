//! A write-off act from a file, through the same outbox as the transfers.
//!
//! - [`mod@file`]: the act as a person writes it
//! - [`resolve`]: its names looked up

pub mod file;
pub mod resolve;

use self::{file::Act, resolve::resolved};
use super::{
    notify::Telling,
    posting::{self, ENTITY, check_freshness, within_caps},
    run::guarded,
};
use crate::{
    days,
    error::{Failure, Kind, Result},
    failpoints,
    jobs::{
        context::Context,
        documents::machine::{Machine, Window, check_clock},
    },
    model::{
        documents::{
            Kind as DocumentKind, Payload,
            row::{Row, State, Which},
        },
        report::{Status, StepReport},
    },
    registry::WRITEOFF,
    report::documents::{DocumentReport, Report},
    store::{Store, lock::Locks},
};
use chrono::NaiveDateTime;
use rust_decimal::Decimal;
use std::cell::RefCell;

/// The step's name, which is the command's.
const STEP: &str = WRITEOFF.name;

/// How an act is posted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Make a further one of the same content.
    pub again: bool,
    /// Let it be dated more than a month back.
    pub back_dated: bool,
}

/// Posts an act.
pub async fn run(ctx: &Context, file: &str, act: &Act, options: Options) -> Report {
    let report = RefCell::new(Report::new(ctx.business_date));
    let job = Job { ctx, file, act, options, report: &report };
    let run =
        guarded(ctx, posting::names(ctx), &[ENTITY], Telling::NOTHING, async |locks| job.run(locks).await)
            .await;
    report.into_inner().of(run)
}

struct Job<'a> {
    ctx: &'a Context,
    file: &'a str,
    act: &'a Act,
    options: Options,
    report: &'a RefCell<Report>,
}

impl Job<'_> {
    async fn run(&self, locks: &Locks) -> Result<()> {
        let ctx = self.ctx;
        ctx.iiko()?;
        let mut store = ctx.database.connect(ctx.access).await?;
        posting::open(ctx, locks, store.as_mut()).await?;
        let outcome = self.work(store.as_mut()).await;
        let report = match &outcome {
            Ok(step) => step.clone(),
            Err(failure) => StepReport::new(STEP, Some(ENTITY), None).failed(failure),
        };
        posting::log(ctx, store.as_mut(), &report).await?;
        if let Ok(step) = &outcome {
            ctx.reports.borrow_mut().insert(0, step.clone());
        }
        store.close().await?;
        outcome.map(|_| ())
    }

    async fn work(&self, store: &mut dyn Store) -> Result<StepReport> {
        let ctx = self.ctx;
        let mut step = StepReport::new(STEP, Some(ENTITY), None);
        let catalogue = store.catalogue().await?;
        check_freshness(ctx, &catalogue)?;
        let (mut payload, title, subject) = resolved(ctx, self.file, self.act, &catalogue)?;
        within_caps(&payload, &title, &ctx.config.transfer)?;
        let date = payload.date_incoming.date();
        let same = Which { kind: Some(DocumentKind::Writeoff), date: Some(date), ..Which::default() };
        let mut earlier = store.documents(&same).await?;
        posting::quarantine(ctx, store, &earlier).await?;
        earlier.retain(|row| row.subject == subject);
        earlier.sort_by_key(|row| row.sequence);
        let sequence = 1 + earlier.last().map_or(0, |row| row.sequence);
        // A digest may be that of another act, too; of a damaged row nobody can say what it was.
        earlier.retain(|row| row.damage.is_some() || row.payload.moves_the_same(&payload));
        let row = match earlier.pop() {
            Some(row) if !self.options.again || row.state.is_open() || row.state == State::Unknown => row,
            _ => {
                self.check_date(payload.date_incoming)?;
                payload.number = posting::free_number(store, &payload, &subject, sequence, &[]).await?;
                if !ctx.is_dry_run() {
                    self.expect(&mut payload).await?;
                }
                let row = posting::planned(ctx, payload, title, subject, sequence);
                if !ctx.is_dry_run() && !store.plan_documents(None, std::slice::from_ref(&row)).await? {
                    let text = format!("document {}: another run has planned it meanwhile", row.key());
                    return Err(Failure::new(Kind::Locked, text)
                        .hint("wait until it has ended, then start this again"));
                }
                failpoints::step("planned");
                step.counts.inserted = 1;
                row
            }
        };
        if ctx.is_dry_run() {
            self.told_before(&row);
            self.report.borrow_mut().documents.push(DocumentReport::of(&row));
            return Ok(step);
        }
        if row.state.is_open() {
            self.check_date(row.payload.date_incoming)?;
        }
        self.finish(store, row, &mut step).await?;
        if step.status == Status::Success && !step.warnings.is_empty() {
            step.status = Status::Warning;
        }
        Ok(step)
    }

    /// Refuses what is dated ahead, or further back than a slip of the finger may go unnoticed.
    fn check_date(&self, moment: NaiveDateTime) -> Result<()> {
        days::may_be_posted(self.file, moment, self.ctx.clock.business_now(), self.options.back_dated)
    }

    /// Writes down what the balances must show once the act is processed.
    async fn expect(&self, payload: &mut Payload) -> Result<()> {
        let ctx = self.ctx;
        let now = ctx.clock.business_now();
        let balances = ctx.iiko()?.store_balances(&[payload.from], now).await?;
        check_clock(ctx)?;
        if payload.date_incoming > now {
            return Ok(());
        }
        for line in &mut payload.lines {
            let has = match balances.get(&(payload.from, line.product)) {
                Some(text) => crate::decimal::amount::parse(text),
                None => Some(Decimal::ZERO),
            };
            line.expected = has.and_then(|has| has.checked_sub(line.amount));
        }
        Ok(())
    }

    async fn finish(&self, store: &mut dyn Store, row: Row, step: &mut StepReport) -> Result<()> {
        let ctx = self.ctx;
        if !row.state.is_open() {
            self.told_before(&row);
            let mut document = DocumentReport::of(&row);
            let problem = match row.state {
                State::Unknown => Some(Kind::Unknown),
                State::Failed => Some(Kind::Partial),
                _ => None,
            };
            if let Some(kind) = problem {
                let text = row.last_error.clone().unwrap_or_else(|| format!("it is {}", row.state.name()));
                let hint = match kind {
                    Kind::Unknown => {
                        format!("look at it in iiko; then `zerkalo documents reconcile {}`", row.key())
                    }
                    _ => "with --again it is tried as a further document".to_owned(),
                };
                let failure = Failure::new(kind, text).hint(hint);
                document.problem = Some(failure.to_string());
                let report = StepReport::new(STEP, Some(ENTITY), Some(row.key())).failed(&failure);
                ctx.reports.borrow_mut().push(report);
            }
            self.report.borrow_mut().documents.push(document);
            return Ok(());
        }
        let outcome =
            Machine { ctx, store: &mut *store, window: Window { deadline: None } }.finish(row).await?;
        let (report, document) = posting::told(STEP, &outcome);
        step.counts.updated = report.counts.updated;
        ctx.reports.borrow_mut().push(report);
        self.report.borrow_mut().documents.push(document);
        if outcome.row.state == State::Done {
            let warnings = posting::check_balances(ctx, store, &mut [outcome.row]).await?;
            step.warnings.extend(warnings);
        }
        Ok(())
    }

    /// Says that an act of this content was there before.
    fn told_before(&self, row: &Row) {
        let text = match row.state {
            State::Done => format!("already posted as №{}; --again posts a further one", row.called()),
            State::Abandoned => {
                format!("№{} of this content was given up; --again posts a further one", row.called())
            }
            _ => return,
        };
        self.report.borrow_mut().notes.push(text);
    }
}
