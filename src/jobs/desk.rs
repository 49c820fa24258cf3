//! The operator's desk: documents read back from iiko, and given up.

use super::{
    notify::Telling,
    posting::{self, ENTITY},
    run::guarded,
};
use crate::{
    error::{Failure, Kind, Result},
    jobs::{
        context::Context,
        documents::reconcile::{self, Settled},
    },
    model::{
        documents::row::{Row, State, Which},
        report::{Status, StepReport},
    },
    report::documents::{DocumentReport, Report},
    store::Store,
};
use std::cell::RefCell;

/// Which documents are asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// By key; none for all that are open or unknown.
    pub keys: Vec<String>,
}

/// Reads the outbox and nothing else.
pub async fn list(ctx: &Context, which: &Which) -> Result<Vec<DocumentReport>> {
    let mut store = ctx.database.connect_existing(ctx.access).await?;
    let rows = store.documents(which).await?;
    store.close().await?;
    Ok(rows.iter().map(DocumentReport::of).collect())
}

/// Reads what iiko has of documents and writes down what follows. Nothing is sent. Fails before anything has begun when
/// there is no such document.
pub async fn reconcile(ctx: &Context, asked: &Asked) -> Result<Report> {
    check_asked(ctx, asked, |_| Ok(())).await?;
    let report = RefCell::new(Report::new(ctx.business_date));
    let run = guarded(ctx, posting::names(ctx), &[ENTITY], Telling::NOTHING, async |locks| {
        ctx.iiko()?;
        let mut store = ctx.database.connect(ctx.access).await?;
        posting::open(ctx, locks, store.as_mut()).await?;
        for row in asked_for(ctx, store.as_mut(), asked).await? {
            let step = StepReport::new("reconcile", Some(ENTITY), Some(row.key()));
            let (step, document) =
                match reconcile::settle(ctx, store.as_mut(), row.clone(), ctx.business_date).await {
                    Ok(settled) => told(step, &settled, &report),
                    Err(failure) if failure.kind == Kind::Database => return Err(failure),
                    Err(failure) => (step.failed(&failure), DocumentReport::of(&row)),
                };
            ctx.reports.borrow_mut().push(step);
            report.borrow_mut().documents.push(document);
        }
        finish(ctx, store, "reconcile").await
    });
    let run = run.await;
    Ok(report.into_inner().of(run))
}

/// Gives a document up. Fails before anything has begun when there is no such document, or it is settled.
pub async fn abandon(ctx: &Context, key: &str) -> Result<Report> {
    let asked = Asked { keys: vec![key.to_owned()] };
    check_asked(ctx, &asked, reconcile::check_unsettled).await?;
    let report = RefCell::new(Report::new(ctx.business_date));
    let run = guarded(ctx, posting::names(ctx), &[ENTITY], Telling::NOTHING, async |locks| {
        ctx.iiko()?;
        let mut store = ctx.database.connect(ctx.access).await?;
        posting::open(ctx, locks, store.as_mut()).await?;
        for row in asked_for(ctx, store.as_mut(), &asked).await? {
            let row = reconcile::abandon(ctx, store.as_mut(), row).await?;
            ctx.reports.borrow_mut().push(StepReport::new("abandon", Some(ENTITY), Some(row.key())));
            report.borrow_mut().documents.push(DocumentReport::of(&row));
        }
        finish(ctx, store, "abandon").await
    });
    let run = run.await;
    Ok(report.into_inner().of(run))
}

/// A mistyped number is no run: it is told before there are locks, a session, or a row in the log.
async fn check_asked(ctx: &Context, asked: &Asked, may_be: fn(&Row) -> Result<()>) -> Result<()> {
    let mut store = ctx.database.connect_existing(ctx.access).await?;
    named(store.as_mut(), asked).await?.iter().try_for_each(may_be)?;
    store.close().await
}

/// The documents to work with; of those that cannot be worked with it is written down.
async fn asked_for(ctx: &Context, store: &mut dyn Store, asked: &Asked) -> Result<Vec<Row>> {
    if asked.keys.is_empty() {
        return store.documents(&Which { unsettled: true, ..Which::default() }).await;
    }
    let rows = named(store, asked).await?;
    posting::quarantine(ctx, store, &rows).await?;
    Ok(rows)
}

/// The documents that are asked for by key. Fails when one of them is not there.
async fn named(store: &mut dyn Store, asked: &Asked) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for key in &asked.keys {
        let found = store.documents(&Which { key: Some(key.clone()), ..Which::default() }).await?;
        if found.is_empty() {
            return Err(unknown_key(key));
        }
        rows.extend(found);
    }
    Ok(rows)
}

/// No such document.
pub fn unknown_key(key: &str) -> Failure {
    let key = crate::error::quote(key, 60);
    Failure::new(Kind::Usage, format!("there is no document {key}"))
        .hint("`zerkalo documents list --all` shows them all")
}

fn told(mut step: StepReport, settled: &Settled, report: &RefCell<Report>) -> (StepReport, DocumentReport) {
    let Settled { row, before, seen, hint, leftovers } = settled;
    let moved = if row.state == *before { String::new() } else { format!(" (it was {})", before.name()) };
    let text = format!("{}: {}{moved}: {seen}", row.called(), row.state.name());
    step.counts.updated = u64::from(row.state != *before);
    if row.state == State::Unknown {
        let mut failure = Failure::new(Kind::Unknown, seen.clone());
        failure.hint.clone_from(hint);
        step = step.failed(&failure);
    } else if let Some(hint) = hint {
        step.warnings.push(format!("{}: {seen}", row.state.name()));
        step.hint = Some(hint.clone());
    } else {
        report.borrow_mut().notes.push(text);
    }
    if !leftovers.is_empty() {
        let ids: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
        step.warnings.push(format!("iiko has needless drafts of it; remove them there: {}", ids.join(", ")));
    }
    if step.status == Status::Success && !step.warnings.is_empty() {
        step.status = Status::Warning;
    }
    (step, DocumentReport::of(row))
}

async fn finish(ctx: &Context, mut store: Box<dyn Store>, name: &str) -> Result<()> {
    let mut step = StepReport::new(name, Some(ENTITY), None);
    step.counts.updated = ctx.reports.borrow().iter().map(|report| report.counts.updated).sum();
    posting::log(ctx, store.as_mut(), &step).await?;
    store.close().await
}
