//! What jobs that post documents share: locks, the connection, the planned row, the check of the balances, the report of a document.

use super::{
    mirror,
    run::{check_identity, exclude, log_abandoned, session},
};
use crate::{
    config::Transfer,
    decimal::amount,
    error::{Failure, Kind, Result, quote},
    jobs::{
        context::Context,
        documents::machine::{End, Outcome},
    },
    model::{
        documents::{
            Kind as DocumentKind, Payload, key,
            row::{Row, State, Which},
        },
        report::{Status, StepReport},
    },
    report::documents::DocumentReport,
    store::{
        Store,
        lock::{Locks, Name},
        outbox::Catalogue,
    },
};
use chrono::TimeDelta;
use hashbrown::HashMap;
use rust_decimal::Decimal;
use uuid::Uuid;

/// The table of the outbox: what its log rows, its lock and its steps are called.
pub(super) const ENTITY: &str = "document_outbox";

/// The locks of a job that posts: the outbox, the slot's job and the iiko session. A dry run only needs the session.
pub(super) fn names(ctx: &Context) -> Vec<Name> {
    let mut names = vec![session(ctx)];
    if !ctx.is_dry_run() {
        names.push(Name::Entity(ENTITY.to_owned()));
        names.extend(ctx.slot.as_ref().map(|slot| Name::Job(slot.job.clone())));
    }
    names
}

/// Makes a connection ready: nobody else works on the outbox, the schema is at our version, and the database mirrors the
/// server that is posted to.
pub(super) async fn open(ctx: &Context, locks: &Locks, store: &mut dyn Store) -> Result<()> {
    store.exclude_session(&session(ctx));
    exclude(ctx, store, if ctx.is_dry_run() { &[] } else { &[ENTITY] }).await?;
    ctx.at_work.send_replace(true);
    let prepared = store.prepare(&[], false).await?;
    check_identity(ctx, prepared.identity.get("iiko"))?;
    if !ctx.is_dry_run() {
        log_abandoned(ctx, store, locks).await?;
        let unsettled = store.documents(&Which { unsettled: true, ..Which::default() }).await?;
        quarantine(ctx, store, &unsettled).await?;
        ctx.pending.borrow_mut().insert(ENTITY, ("documents", ctx.started_at));
    }
    Ok(())
}

/// Writes down of rows that cannot be worked with that they are `unknown`, so that a person can give them up.
pub(super) async fn quarantine(ctx: &Context, store: &mut dyn Store, rows: &[Row]) -> Result<()> {
    for row in rows.iter().filter(|row| row.damage.is_some() && row.state == State::Unknown) {
        tracing::warn!("document {}: {}", row.key(), row.last_error.as_deref().unwrap_or_default());
        if !ctx.is_dry_run() {
            store.quarantine(row, ctx.run_id, ctx.clock.now()).await?;
        }
    }
    Ok(())
}

/// The first number of a document that no other one has, neither in the outbox nor among those that are `planned` with it.
pub(super) async fn free_number(
    store: &mut dyn Store,
    payload: &Payload,
    subject: &str,
    sequence: u32,
    planned: &[Row],
) -> Result<String> {
    for number in key::numbers(payload, subject, sequence) {
        let is_planned = planned.iter().any(|row| row.key() == number);
        let same = Which { key: Some(number.clone()), ..Which::default() };
        if !is_planned && store.documents(&same).await?.is_empty() {
            return Ok(number);
        }
    }
    unreachable!("there is always a further number")
}

/// Writes the log row of a run.
pub(super) async fn log(ctx: &Context, store: &mut dyn Store, report: &StepReport) -> Result<()> {
    if ctx.is_dry_run() {
        return Ok(());
    }
    let row = mirror::log_row(ctx, report, ctx.started_at, report.duration_ms);
    store.log(&[row]).await?;
    ctx.pending.borrow_mut().remove(ENTITY);
    Ok(())
}

/// How old the mirror may be that stores and products are looked up in.
const FRESH: TimeDelta = TimeDelta::hours(24);

/// Refuses to make documents of a mirror that is older than a day.
pub(super) fn check_freshness(ctx: &Context, catalogue: &Catalogue) -> Result<()> {
    let refuse = |text: String| {
        Err(Failure::new(Kind::Safety, text).hint("run `zerkalo sync iiko`, then start this again"))
    };
    let Some(at) = catalogue.mirrored_at else {
        return refuse("the stores and products of iiko were never mirrored well".to_owned());
    };
    let age = ctx.clock.now() - at;
    if age > FRESH {
        let age = crate::humanize::duration(age.to_std().unwrap_or_default());
        return refuse(format!("the mirror of stores and products is {age} old, and 24 h are allowed"));
    }
    Ok(())
}

/// Refuses a document that is larger than is believed.
pub(super) fn within_caps(payload: &Payload, title: &str, settings: &Transfer) -> Result<()> {
    let stop = |text: String, setting: &str| {
        Err(Failure::new(Kind::Safety, format!("{}: {text}", quote(title, 120))).hint(format!(
            "nothing was posted; look at the quantities, and if they are right, raise {setting}"
        )))
    };
    let (lines, cap) = (payload.lines.len(), Decimal::from(settings.max_quantity));
    if lines > settings.max_lines {
        let text = format!("{lines} lines, and no more than {} are believed", settings.max_lines);
        return stop(text, "NEGATIVE_TRANSFER_MAX_LINES");
    }
    match payload.lines.iter().find(|line| line.amount > cap) {
        Some(line) => {
            let (shown, name) = (amount::show(line.amount), quote(&line.name, 60));
            let text = format!("{shown} of {name}, and no more than {cap} is believed");
            stop(text, "NEGATIVE_TRANSFER_MAX_QUANTITY")
        }
        None => Ok(()),
    }
}

/// The row of a new document, of which nothing is sent yet; it belongs to this run's slot, if that has one.
pub(super) fn planned(ctx: &Context, payload: Payload, title: String, subject: String, sequence: u32) -> Row {
    let now = ctx.clock.now();
    Row {
        business_date: payload.date_incoming.date(),
        payload,
        subject,
        title,
        slot: ctx.slot.as_ref().map(|slot| slot.at),
        sequence,
        state: State::Planned,
        iiko_id: None,
        iiko_number: None,
        attempts: 0,
        last_error: None,
        seen_at: None,
        run_id: ctx.run_id,
        created_at: now,
        updated_at: now,
        damage: None,
    }
}

/// What a document's turn came to, as a step of the run and as a document of its report.
pub(super) fn told(step: &str, outcome: &Outcome) -> (StepReport, DocumentReport) {
    let row = &outcome.row;
    let mut report = StepReport::new(step, Some(ENTITY), Some(row.key()));
    report.counts.fetched = row.payload.lines.len() as u64;
    let mut document = DocumentReport::of(row);
    match &outcome.end {
        End::Done { moved, remark } => {
            report.counts.updated = u64::from(*moved);
            report.counts.unchanged = u64::from(!*moved);
            report.warnings.extend(remark.iter().map(|text| format!("processed, but {text}")));
        }
        End::Failed(failure) => report = partial(report, failure.to_string(), failure.hint.clone()),
        End::Late(why) => {
            let hint = match row.state {
                State::Planned => "nothing of it was sent",
                _ => {
                    "iiko may have a draft of it, which moves nothing: remove it there, then `zerkalo documents reconcile`"
                }
            };
            document.problem = Some(why.clone());
            report = partial(report, format!("not processed: {why}"), Some(hint.to_owned()));
        }
        End::Open(failure) | End::Unknown(failure) => report = report.failed(failure),
    }
    if !outcome.leftovers.is_empty() {
        let ids: Vec<String> = outcome.leftovers.iter().map(ToString::to_string).collect();
        report.warnings.push(format!(
            "iiko has needless drafts of it, which move nothing; remove them there: {}",
            ids.join(", ")
        ));
    }
    if let Some(number) = &row.iiko_number {
        report.warnings.push(format!("iiko calls it №{}", quote(number, 40)));
    }
    if report.status == Status::Success && !report.warnings.is_empty() {
        report.status = Status::Warning;
    }
    document.problem = document.problem.or_else(|| report.error.clone());
    (report, document)
}

fn partial(report: StepReport, text: String, hint: Option<String>) -> StepReport {
    let failure = Failure::new(Kind::Partial, text);
    report.failed(&match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

/// Reads the balances again and says where they do not show what was moved. Rows whose every line is there are marked.
/// A balance that cannot be read is a warning: the documents are what they are.
pub(super) async fn check_balances(
    ctx: &Context,
    store: &mut dyn Store,
    rows: &mut [Row],
) -> Result<Vec<String>> {
    let place = |row: &Row| match row.payload.kind {
        DocumentKind::Transfer => row.payload.to,
        DocumentKind::Writeoff => row.payload.from,
    };
    let mut stores: Vec<Uuid> = rows.iter().map(place).collect();
    stores.sort_unstable();
    stores.dedup();
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let balances = match ctx.iiko()?.store_balances(&stores, ctx.clock.business_now()).await {
        Ok(balances) => balances,
        Err(failure) => return Ok(vec![format!("the balances could not be read again: {failure}")]),
    };
    let mut warnings = Vec::new();
    for row in rows {
        let differences = differences(row, place(row), &balances);
        if differences.is_empty() {
            let now = ctx.clock.now();
            store.mark_seen(row.key(), now).await?;
            row.seen_at = Some(now);
        } else {
            let shown = differences.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
            let more = if differences.len() > 3 {
                format!("; … and {} more", differences.len() - 3)
            } else {
                String::new()
            };
            warnings.push(format!("document {}: the balances do not show it: {shown}{more}", row.key()));
        }
    }
    Ok(warnings)
}

fn differences(row: &Row, place: Uuid, balances: &HashMap<(Uuid, Uuid), String>) -> Vec<String> {
    let mut differences = Vec::new();
    for line in &row.payload.lines {
        let Some(expected) = line.expected else { continue };
        let text = balances.get(&(place, line.product));
        let found = text.map_or(Some(Decimal::ZERO), |text| amount::parse(text));
        if found != Some(expected) {
            differences.push(format!(
                "{}: {} in place of {}",
                quote(&line.name, 60),
                text.map_or("0", String::as_str),
                amount::show(expected)
            ));
        }
    }
    differences
}
