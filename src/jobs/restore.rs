//! Brings deleted rows back, and keeps deletion off for tables while an operator wants it.
//!
//! fetch → plan → apply, like a mirror run; what is fetched are tombstones. A row that is there again is never touched.

use super::{mirror, notify::Telling, run};
use crate::{
    engine::{Restorer, Table, restore::Named, spool::Spool},
    error::{Failure, Kind, Result},
    humanize::number,
    jobs::context::Context,
    model::report::{RunReport, StepReport},
    store::{
        Access, Applied, LogRow, Receipt, Store,
        lock::{Locks, Name},
        operator::{Grave, PAGE},
    },
    tables,
};
use std::{cell::RefCell, time::Instant};
use uuid::Uuid;

/// What the log calls a restoration; the table is its scope. It is no run of the table: the table is not fresher for it.
pub(super) const ENTITY: &str = "restore";

/// Which deleted rows are meant.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// Those that a run deleted.
    Run(Uuid),
    /// All of a table.
    Table(&'static Table),
}

/// What is done about deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The next good answer decides again.
    Decides,
    /// It is kept off until it is released.
    Held,
}

/// What was restored, and what the operator should know of it.
#[derive(Debug)]
pub struct Restored {
    /// The run.
    pub run: RunReport,
    /// Sentences without a full stop.
    pub notes: Vec<String>,
}

/// The table of that name, if its deleted rows are kept.
pub fn table(name: &str) -> Result<&'static Table> {
    let known = || tables::all().map(|entity| &entity.table).filter(|table| table.tombstones);
    let Some(table) = tables::named(name) else {
        let names: Vec<&str> = known().map(|table| table.name).collect();
        let text = format!("`{}` is neither a run nor a mirrored table", crate::error::quote(name, 60));
        return Err(Failure::new(Kind::Usage, text).hint(format!("the tables: {}", names.join(", "))));
    };
    if table.tombstones {
        return Ok(table);
    }
    Err(Failure::new(Kind::Usage, format!("deleted rows of {name} are not kept"))
        .hint("the next run reads them anew"))
}

/// What deleted rows there are.
pub async fn graves(ctx: &Context) -> Result<Vec<Grave>> {
    let mut store = ctx.database.connect_existing(ctx.access).await?;
    let graves = store.graves().await?;
    store.close().await?;
    Ok(graves)
}

/// Brings deleted rows back, each table in a transaction of its own.
pub async fn run(ctx: &Context, what: What, deletion: Deletion) -> Result<Restored> {
    let tables = meant(ctx, what, deletion).await?;
    let notes = RefCell::new(Vec::new());
    let restored = guarded(ctx, &tables, async |store| {
        if deletion == Deletion::Held {
            hold(ctx, store, &tables, &notes).await?;
        }
        for table in &tables {
            let named = restore(ctx, store, table, what).await?;
            tell(ctx, table, &named, deletion, &mut notes.borrow_mut());
        }
        Ok(())
    });
    Ok(Restored { run: restored.await, notes: notes.into_inner() })
}

/// Lets the next good answer decide again which rows of a table are deleted.
pub async fn release(ctx: &Context, table: &'static Table) -> Result<Restored> {
    let mut store = ctx.database.connect_existing(Access::DryRun).await?;
    let holds = store.overview().await?.holds;
    store.close().await?;
    let Some(hold) = holds.into_iter().find(|hold| hold.table == table.name) else {
        return Err(Failure::new(Kind::Usage, format!("nobody holds deletion off for {}", table.name))
            .hint("`zerkalo status` shows the tables that are held"));
    };
    let run = guarded(ctx, &[table], async |store| {
        if !ctx.is_dry_run() {
            store.release(&[table.name]).await?;
        }
        Ok(())
    })
    .await;
    let word = if ctx.is_dry_run() { "would be released" } else { "released" };
    let note = format!("{}: {word} ({hold}); the next good answer decides what is deleted", table.name);
    let notes = if run.exit_code() == 0 { vec![note] } else { Vec::new() };
    Ok(Restored { run, notes })
}

/// The tables that are meant. Fails when there is nothing to do.
async fn meant(ctx: &Context, what: What, deletion: Deletion) -> Result<Vec<&'static Table>> {
    // Read only: the locks that a writer needs are not taken yet.
    let mut store = ctx.database.connect_existing(Access::DryRun).await?;
    let graves = store.graves().await?;
    store.close().await?;
    let nothing = |text: String| {
        Failure::new(Kind::Usage, text).hint("`zerkalo restore` lists what can be brought back")
    };
    match what {
        What::Table(table)
            if deletion == Deletion::Held || graves.iter().any(|grave| grave.table == table.name) =>
        {
            Ok(vec![table])
        }
        What::Table(table) => Err(nothing(format!("no deleted rows of {} are kept", table.name))),
        What::Run(run) => {
            let names = graves.iter().filter(|grave| grave.run_id == run).map(|grave| grave.table.as_str());
            let tables: Vec<_> = names.map(table).collect::<Result<_>>()?;
            if tables.is_empty() {
                return Err(nothing(format!("no rows that run {run} deleted are kept")));
            }
            Ok(tables)
        }
    }
}

/// Does something to tables under their locks.
async fn guarded(
    ctx: &Context,
    tables: &[&'static Table],
    work: impl AsyncFnOnce(&mut dyn Store) -> Result<()>,
) -> RunReport {
    let order: Vec<&str> = tables.iter().map(|table| table.name).collect();
    let names = if ctx.is_dry_run() {
        Vec::new()
    } else {
        order.iter().map(|name| Name::Entity((*name).to_owned())).collect()
    };
    run::guarded(ctx, names, &order, Telling::NOTHING, async |locks: &Locks| {
        let mut store = ctx.database.connect(ctx.access).await?;
        if !ctx.is_dry_run() {
            run::exclude(ctx, store.as_mut(), &order).await?;
            store.prepare(&[], false).await?;
            run::log_abandoned(ctx, store.as_mut(), locks).await?;
        }
        work(store.as_mut()).await?;
        store.close().await
    })
    .await
}

async fn hold(
    ctx: &Context,
    store: &mut dyn Store,
    tables: &[&'static Table],
    notes: &RefCell<Vec<String>>,
) -> Result<()> {
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    if !ctx.is_dry_run() {
        let by = format!("{} on {}", ctx.triggered_by, ctx.host);
        store.hold(&names, &by, ctx.run_id, ctx.clock.now()).await?;
    }
    let word = if ctx.is_dry_run() { "would be off" } else { "is off" };
    for name in names {
        notes
            .borrow_mut()
            .push(format!("{name}: deletion {word} until it is released: zerkalo restore {name} --release"));
    }
    Ok(())
}

/// Restores one table; once more, from a new reading, when somebody else wrote to it meanwhile. A failure is logged.
async fn restore(ctx: &Context, store: &mut dyn Store, table: &'static Table, what: What) -> Result<Named> {
    let started = Instant::now();
    for _ in 0..2 {
        let (report, named, applied) = match attempt(ctx, store, table, what, started).await {
            Ok(attempt) => attempt,
            Err(failure) => {
                let report = StepReport::new(ENTITY, Some(table.name), None).failed(&failure);
                if !ctx.is_dry_run() {
                    let logged = store.log(&[log_row(ctx, &report)]).await;
                    logged.unwrap_or_else(|failure| tracing::warn!("could not log a failure: {failure}"));
                }
                return Err(failure.context(table.name));
            }
        };
        if applied == Applied::Done {
            ctx.reports.borrow_mut().push(report);
            return Ok(named);
        }
        tracing::warn!("{}: somebody else writes to this table; planning once more", table.name);
    }
    Err(Failure::new(
        Kind::Database,
        format!("{}: somebody else keeps writing to this table; nothing was restored", table.name),
    )
    .hint("stop the other writer: only zerkalo may write to its tables"))
}

async fn attempt(
    ctx: &Context,
    store: &mut dyn Store,
    table: &'static Table,
    what: What,
    started: Instant,
) -> Result<(StepReport, Named, Applied)> {
    let index = store.prepare(&[table], false).await?.indexes.pop().unwrap_or_default();
    let spool = Spool::new(ctx.config.limits.spool_memory, ctx.config.state_dir.join("spool"));
    let mut restorer = Restorer::new(table, index, spool);
    let run = if let What::Run(run) = what { Some(run) } else { None };
    let mut before = None;
    loop {
        let page = store.tombstones(table.name, run, before).await?;
        for (_, row) in &page {
            restorer.add(row)?;
        }
        before = page.last().map(|(number, _)| *number);
        if page.len() < PAGE {
            break;
        }
    }
    let (mut plan, named) = restorer.finish();
    let mut report = StepReport::new(ENTITY, Some(table.name), None);
    report.counts = plan.scopes[0].counts;
    report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if ctx.is_dry_run() {
        return Ok((report, named, Applied::Done));
    }
    let log = [log_row(ctx, &report)];
    let receipt = Receipt { run_id: ctx.run_id, now: ctx.clock.now(), log: &log, reading: None };
    let applied = store.apply(&mut plan, receipt).await?;
    Ok((report, named, applied))
}

fn log_row(ctx: &Context, report: &StepReport) -> LogRow {
    let row = mirror::log_row(ctx, report, ctx.started_at, report.duration_ms);
    LogRow { scope: row.entity_type, entity_type: ENTITY.to_owned(), ..row }
}

/// Says what became of a table.
fn tell(ctx: &Context, table: &Table, named: &Named, deletion: Deletion, notes: &mut Vec<String>) {
    let reports = ctx.reports.borrow();
    let Some(report) = reports.last() else { return };
    let mut list = |what: &str, total: u64, names: &[String]| {
        if total > 0 {
            let more = total.saturating_sub(names.len() as u64);
            let more = if more > 0 { format!("\n  … and {} more", number(more)) } else { String::new() };
            let lines = names.iter().map(|name| format!("\n  {name}")).collect::<Vec<_>>().concat();
            notes.push(format!("{}: {what}: {}{lines}{more}", table.name, number(total)));
        }
    };
    list(if ctx.is_dry_run() { "would come back" } else { "came back" }, report.counts.inserted, &named.back);
    list("there again, and left as they are", report.counts.unchanged, &named.there);
    if deletion == Deletion::Decides && report.counts.inserted > 0 {
        notes.push(format!(
            "{}: the next good answer decides again: rows that it lacks are deleted again; --hold keeps them",
            table.name
        ));
    }
}
