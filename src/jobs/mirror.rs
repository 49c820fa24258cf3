//! A step that mirrors tables: fetch → plan → apply, each table in its own transaction.
//!
//! Answers are read as fast as the upstream allows while earlier tables are written; nothing is read from an upstream
//! inside a transaction.

use super::{
    Need, Options,
    feed::{self, Lookups},
    nomenclature, stoplist,
};
use crate::{
    engine::{Index, Plan, Planner, Remembered, ScopePlan},
    error::{Failure, Kind, Result},
    jobs::context::Context,
    model::{
        report::{Status, StepReport},
        upstream::Upstream,
    },
    progress::Meter,
    report,
    store::{Applied, LogRow, Receipt, Store},
    tables::Entity,
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use hashbrown::HashMap;
use std::{rc::Rc, sync::Arc, time::Instant};
use tokio::sync::mpsc;

/// One table's turn, and what came of reading its answer.
struct Turn {
    begun: Begun,
    read: Result<Read>,
}

/// What an answer leads to.
struct Read {
    plan: Plan,
    /// What later steps look up of it.
    fetched: Remembered,
    /// Beside the rows of a stop-list.
    stoplist: Option<stoplist::Outcome>,
}

/// A table whose turn has begun.
struct Begun {
    entity: &'static Entity,
    meter: Arc<dyn Meter>,
    started_at: DateTime<Utc>,
    started: Instant,
}

/// What a step reads with.
struct Fetcher<'a> {
    ctx: &'a Context,
    step: &'static str,
    options: &'a Options,
    /// Names that its feeds look up.
    lookups: Lookups,
    /// What later steps look up.
    later: &'a [Need],
}

/// What a step writes through.
struct Writer<'a> {
    ctx: &'a Context,
    fetcher: &'a Fetcher<'a>,
    store: &'a mut dyn Store,
    /// Log rows of tables in which nothing changed: they are written together at the end.
    unchanged: Vec<LogRow>,
    /// Upstreams whose identity is stored as soon as they have answered.
    adopt: &'a mut HashMap<Upstream, String>,
}

/// Mirrors tables. `indexes` holds what the database has of them, `adopt` the upstreams whose identity is to be stored once
/// they have answered, `later` what later steps look up.
pub(super) async fn run(
    ctx: &Context,
    (step, entities): (&'static str, &[&'static Entity]),
    options: &Options,
    store: &mut dyn Store,
    mut indexes: HashMap<&'static str, Index>,
    adopt: &mut HashMap<Upstream, String>,
    later: &[Need],
) {
    let lookups = match Lookups::gather(ctx, store, entities).await {
        Ok(lookups) => lookups,
        Err(failure) => {
            // Nobody's turn begins: the run logs what is pending at its end.
            for entity in entities {
                let name = entity.table.name;
                ctx.pending.borrow_mut().insert(name, (step, ctx.clock.now()));
                ctx.reports.borrow_mut().push(StepReport::new(step, Some(name), None).failed(&failure));
            }
            return;
        }
    };
    let fetcher = Fetcher { ctx, step, options, lookups, later };
    let mut writer = Writer { ctx, fetcher: &fetcher, store, unchanged: Vec::new(), adopt };
    let in_flight = entities.iter().map(|entity| match entity.feed.upstream() {
        Upstream::FinTablo => ctx.config.fintablo.max_concurrency,
        Upstream::Iiko | Upstream::IikoCloud | Upstream::GoogleSheets => ctx.config.iiko.max_concurrency,
    });
    let in_flight = in_flight.min().unwrap_or(1).max(1);
    // Few answers wait while another is written: their changed rows are held in memory.
    let (sender, mut turns) = mpsc::channel(2);
    let fetch = async {
        let mut answers = stream::iter(entities.iter().map(|entity| {
            let index = indexes.remove(entity.table.name).unwrap_or_default();
            fetcher.fetch(entity, index)
        }))
        .buffer_unordered(in_flight);
        while let Some(turn) = answers.next().await {
            // The receiver lives as long as this future.
            let _ = sender.send(turn).await;
        }
        drop(sender);
    };
    let write = async {
        while let Some(turn) = turns.recv().await {
            writer.take(turn).await;
        }
    };
    tokio::join!(fetch, write);
    writer.finish().await;
}

impl Fetcher<'_> {
    async fn fetch(&self, entity: &'static Entity, index: Index) -> Turn {
        let meter = self.ctx.progress.meter(entity.table.name);
        let (started_at, started) = (self.ctx.clock.now(), Instant::now());
        self.ctx.pending.borrow_mut().insert(entity.table.name, (self.step, started_at));
        let read = self.read(entity, index, meter.as_ref()).await;
        Turn { begun: Begun { entity, meter, started_at, started }, read }
    }

    async fn read(&self, entity: &'static Entity, index: Index, meter: &dyn Meter) -> Result<Read> {
        // Nothing is asked for that cannot be written any more.
        self.ctx.database.check()?;
        let settings = feed::settings(self.ctx, entity, self.options.verify, self.later);
        let mut planner = Planner::new(&entity.table, settings, index);
        let stoplist = feed::read(self.ctx, entity, &self.lookups, &mut planner, meter).await?;
        let (plan, fetched) = planner.finish(|scope| self.options.allowed(&entity.table, scope));
        tracing::debug!("{plan}");
        let stoplist =
            stoplist.map(|outcome| if keeps_rows(&plan) { outcome.without_deletion() } else { outcome });
        Ok(Read { plan, fetched, stoplist })
    }
}

impl Writer<'_> {
    /// Applies what was fetched, or says why not.
    async fn take(&mut self, Turn { begun, read }: Turn) {
        begun.meter.phase("writing");
        let outcome = match read {
            Ok(read) => self.settle(&begun, read).await,
            Err(failure) => Err(failure),
        };
        let reports = match outcome {
            Ok(reports) => reports,
            Err(failure) => {
                let report =
                    StepReport::new(self.fetcher.step, Some(begun.entity.table.name), None).failed(&failure);
                self.log_failure(&report, &begun).await;
                vec![report]
            }
        };
        let duration_ms = elapsed_ms(begun.started);
        let reports: Vec<StepReport> =
            reports.into_iter().map(|report| StepReport { duration_ms, ..report }).collect();
        begun.meter.done();
        tracing::info!("{}", report::finished(&StepReport::summed(&reports)));
        self.ctx.reports.borrow_mut().extend(reports);
    }

    /// Applies a plan: once more, from a new reading, when somebody else wrote to the table meanwhile or when the
    /// connection was lost and nothing was committed.
    async fn settle(&mut self, begun: &Begun, mut read: Read) -> Result<Vec<StepReport>> {
        let reports = self.reports(&read).await;
        let applied = match self.hand_on(&mut read).await {
            Ok(()) if self.ctx.is_dry_run() => return Ok(reports),
            Ok(()) => self.apply(begun, &mut read, &reports).await,
            Err(failure) => Err(failure),
        };
        match applied {
            Ok(Applied::Done) => Ok(reports),
            Ok(Applied::Conflict) => {
                tracing::warn!(
                    "{}: somebody else writes to this table; planning once more",
                    begun.entity.table.name
                );
                self.apply_again(begun).await
            }
            Err(failure) if failure.kind == Kind::Database && self.store.reconnect().await? => {
                tracing::warn!("{failure}; the connection was lost and is made again");
                // The lost connection may have been lost after its commit.
                if self.store.is_logged(self.ctx.run_id, begun.entity.table.name).await? {
                    self.ctx.pending.borrow_mut().remove(begun.entity.table.name);
                    return Ok(reports);
                }
                self.apply_again(begun).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Refuses a list in which nothing has its name any more: the upstream calls the field otherwise now, or this is a list
    /// of something else.
    async fn check_names(&mut self, plan: &Plan) -> Result<()> {
        if !plan.may_lose_all_names() {
            return Ok(());
        }
        let name = plan.table.name;
        let stored = self.store.select(plan.table, &["name"]).await?;
        let named = stored.iter().flatten().flatten().filter(|text| !text.is_empty()).count();
        if named == 0 {
            return Ok(());
        }
        let text =
            format!("{name}: no record of the answer has a name, and {named} of the stored rows have one");
        Err(Failure::new(Kind::InvalidAnswer, text).hint(format!(
            "nothing was changed; look at the upstream, which may call the field otherwise now; if the names are really gone, \
             empty them in the database, too: update {name} set name = null"
        )))
    }

    /// Refuses a list in another encoding than UTF-8: of its names nothing but U+FFFD would be left.
    fn check_letters(plan: &Plan) -> Result<()> {
        let Some(lost) = plan.loses_all_letters() else { return Ok(()) };
        let text = format!(
            "{}: the answer is not UTF-8: {lost} records of it have lost every letter beyond A to Z, and fewer have kept \
             theirs",
            plan.table.name
        );
        Err(Failure::new(Kind::InvalidAnswer, text).hint(
            "nothing was changed; start this again, and if it stays so, look at the upstream and at the proxy before it, \
             which has to pass its answers on as they are",
        ))
    }

    /// Leaves for later steps what they look up, once the list is known to be one. What the answer does not tell is what the
    /// mirror has of it: before the plan is applied, so that a dry run hands on the same.
    async fn hand_on(&mut self, read: &mut Read) -> Result<()> {
        Self::check_letters(&read.plan)?;
        self.check_names(&read.plan).await?;
        let table = read.plan.table;
        let mut fetched = std::mem::take(&mut read.fetched);
        if !fetched.columns().is_empty() && (keeps_rows(&read.plan) || !fetched.is_whole()) {
            let mirror = nomenclature::stored(self.store, table, fetched.columns()).await?;
            fetched = fetched.completed(mirror);
        }
        self.ctx.fetched.borrow_mut().insert(table.name, Rc::new(fetched));
        Ok(())
    }

    /// One report for each scope of a plan, telling what it does.
    async fn reports(&mut self, Read { plan, stoplist, .. }: &Read) -> Vec<StepReport> {
        let mut reports = Vec::new();
        for scope in &plan.scopes {
            let mut report = report(self.fetcher.step, plan.table.name, scope);
            report.stoplist = stoplist.as_ref().map(|outcome| outcome.report.clone());
            if !scope.missing.is_empty() {
                match self.store.describe(plan.table, &scope.missing).await {
                    Ok(names) => report.missing = names,
                    // A name is a courtesy; the plan does not depend on it.
                    Err(failure) => tracing::warn!("{}: {failure}", plan.table.name),
                }
            }
            reports.push(report);
        }
        reports
    }

    /// Applies a plan with its log rows.
    async fn apply(&mut self, begun: &Begun, read: &mut Read, reports: &[StepReport]) -> Result<Applied> {
        self.ctx.locked.borrow().check()?;
        let upstream = begun.entity.feed.upstream();
        if let Some(identity) = self.adopt.remove(&upstream) {
            self.store.adopt(upstream.name(), &identity, self.ctx.clock.now()).await?;
        }
        let duration_ms = elapsed_ms(begun.started);
        let log: Vec<LogRow> =
            reports.iter().map(|report| log_row(self.ctx, report, begun.started_at, duration_ms)).collect();
        let reading = read.stoplist.as_ref().map(|outcome| &outcome.reading);
        if read.plan.is_empty() && reading.is_none() {
            self.unchanged.extend(log);
            return Ok(Applied::Done);
        }
        let receipt = Receipt { run_id: self.ctx.run_id, now: self.ctx.clock.now(), log: &log, reading };
        let applied = self.store.apply(&mut read.plan, receipt).await?;
        if applied == Applied::Done {
            self.ctx.pending.borrow_mut().remove(begun.entity.table.name);
        }
        Ok(applied)
    }

    /// Fetches, plans and applies once more.
    async fn apply_again(&mut self, begun: &Begun) -> Result<Vec<StepReport>> {
        let entity = begun.entity;
        let mut prepared = self.store.prepare(&[&entity.table], self.fetcher.options.verify).await?;
        let index = prepared.indexes.pop().unwrap_or_default();
        let mut read = self.fetcher.read(entity, index, begun.meter.as_ref()).await?;
        let reports = self.reports(&read).await;
        self.hand_on(&mut read).await?;
        match self.apply(begun, &mut read, &reports).await? {
            Applied::Done => Ok(reports),
            Applied::Conflict => Err(Failure::new(
                Kind::Database,
                format!(
                    "{}: somebody else keeps writing to this table; nothing was changed",
                    entity.table.name
                ),
            )
            .hint("stop the other writer: only zerkalo may write to its tables")),
        }
    }

    /// A failure is logged at once, in a transaction of its own.
    async fn log_failure(&mut self, report: &StepReport, begun: &Begun) {
        if self.ctx.is_dry_run() {
            return;
        }
        let row = log_row(self.ctx, report, begun.started_at, elapsed_ms(begun.started));
        match self.store.log(&[row]).await {
            Ok(()) => {
                if let Some(entity) = &report.entity {
                    self.ctx.pending.borrow_mut().remove(entity.as_str());
                }
            }
            Err(failure) => tracing::warn!("could not log a failure: {failure}"),
        }
    }

    /// Writes the log rows of the tables in which nothing changed.
    async fn finish(&mut self) {
        if self.unchanged.is_empty() {
            return;
        }
        let outcome = self.store.log(&self.unchanged).await;
        let entities: Vec<String> = self.unchanged.drain(..).map(|row| row.entity_type).collect();
        match outcome {
            Ok(()) => {
                let mut pending = self.ctx.pending.borrow_mut();
                for entity in entities {
                    pending.remove(entity.as_str());
                }
            }
            Err(failure) => {
                for report in self.ctx.reports.borrow_mut().iter_mut() {
                    if report.entity.as_ref().is_some_and(|entity| entities.contains(entity)) {
                        *report = report.clone().failed(&failure);
                    }
                }
            }
        }
    }
}

/// Whether rows stay in the database that the answer lacks.
fn keeps_rows(plan: &Plan) -> bool {
    plan.scopes.iter().any(|scope| scope.counts.delete_blocked > 0)
}

fn report(step: &'static str, table: &str, scope: &ScopePlan) -> StepReport {
    let mut report = StepReport::new(step, Some(table), scope.scope.as_deref());
    report.counts = scope.counts;
    report.notes.clone_from(&scope.notes);
    report.warnings.clone_from(&scope.warnings);
    report.hint.clone_from(&scope.hint);
    if let Some(failure) = &scope.failure {
        return report.failed(failure);
    }
    if let Some(reason) = &scope.skipped {
        report.status = Status::Skipped;
        report.error = Some(reason.clone());
    } else if !report.warnings.is_empty() {
        report.status = Status::Warning;
    }
    report
}

pub(super) fn log_row(
    ctx: &Context,
    report: &StepReport,
    started_at: DateTime<Utc>,
    duration_ms: u64,
) -> LogRow {
    let sentences = report.error.iter().chain(&report.warnings).chain(&report.notes);
    let message = sentences.map(String::as_str).collect::<Vec<_>>();
    LogRow {
        run_id: ctx.run_id,
        entity_type: report.entity.clone().unwrap_or_else(|| report.step.clone()),
        scope: report.scope.clone().unwrap_or_default(),
        status: report.status.name(),
        started_at,
        finished_at: ctx.clock.now(),
        duration_ms: i64::try_from(duration_ms).unwrap_or(i64::MAX),
        counts: report.counts,
        error_message: (!message.is_empty()).then(|| message.join("; ")),
        triggered_by: ctx.triggered_by.clone(),
        host: ctx.host.clone(),
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
