//! Reads iiko to find out what became of a document, and sends nothing.

use super::machine::{Found, advance, documents_of, judge};
use crate::{
    error::{Failure, Kind, Result},
    jobs::context::Context,
    model::documents::{
        payload::Status,
        row::{Change, Row, State},
    },
    store::Store,
};
use chrono::NaiveDate;
use uuid::Uuid;

/// What a look at iiko came to.
#[derive(Debug)]
pub struct Settled {
    /// The row as it is now.
    pub row: Row,
    /// What it was before.
    pub before: State,
    /// What was seen, in one sentence without a full stop.
    pub seen: String,
    /// What is left to do, if something is.
    pub hint: Option<String>,
    /// Drafts of the same number that nobody needs.
    pub leftovers: Vec<Uuid>,
}

/// What iiko has of a row, and the drafts of its number that are not the row's own. The row learns how its document is
/// called there.
async fn look(ctx: &Context, row: &mut Row) -> Result<(Found, Vec<Uuid>)> {
    let found = documents_of(ctx, row, row.iiko_id).await?;
    if let Some(own) = found.iter().find(|document| Some(document.id) == row.iiko_id) {
        row.shown_as(&own.number);
    }
    let drafts = found.iter().filter(|document| document.status == Status::New).map(|document| document.id);
    let drafts: Vec<Uuid> = drafts.filter(|id| Some(*id) != row.iiko_id).collect();
    let judged = match judge(&row.payload, &found) {
        // Of several drafts the row's own is the one that counts.
        Found::Drafts(ids) => match row.iiko_id.filter(|id| ids.contains(id)) {
            Some(id) => Found::Drafts(vec![id]),
            None => Found::Drafts(ids),
        },
        other => other,
    };
    Ok((judged, drafts))
}

/// Reads what iiko has of a document and writes down what follows from it. `today` is the business date: a row of an
/// earlier day of which iiko has nothing is given up.
pub async fn settle(ctx: &Context, store: &mut dyn Store, mut row: Row, today: NaiveDate) -> Result<Settled> {
    if let Some(damage) = row.damage.clone() {
        return damaged(ctx, row, &damage).await;
    }
    let (before, number) = (row.state, row.iiko_number.clone());
    let (found, mut leftovers) = look(ctx, &mut row).await?;
    let is_old = row.business_date < today;
    let (to, id, seen, hint) = match found {
        Found::Processed(id) => (State::Done, Some(id), "iiko has processed it".to_owned(), None),
        Found::Drafts(ids) => {
            let id = ids[0];
            leftovers.retain(|other| *other != id);
            let hint = if is_old {
                format!(
                    "remove draft {} in iiko, then `zerkalo documents reconcile {}` again",
                    row.called(),
                    row.key()
                )
            } else {
                format!("`zerkalo {}` goes on with it today", row.payload.kind.command())
            };
            (State::Drafted, Some(id), "iiko has it as a draft, which moves nothing".to_owned(), Some(hint))
        }
        Found::Foreign(text, id) => {
            let hint = format!(
                "put it right in iiko, then `zerkalo documents reconcile {0}`; if it is to stay so, `zerkalo documents abandon {0}`",
                row.key()
            );
            (State::Unknown, id, text, Some(hint))
        }
        Found::Nothing { deleted: true } => {
            (State::Abandoned, None, "it is deleted in iiko".to_owned(), None)
        }
        Found::Nothing { deleted: false } => nothing(&row, is_old),
    };
    // What is settled stays so: a look back only tells.
    let is_settled = matches!(before, State::Done | State::Abandoned)
        || (before == State::Failed && !matches!(to, State::Done | State::Unknown));
    if (to != before || row.iiko_number != number) && !is_settled {
        let change = Change {
            from: before,
            to,
            iiko_id: id,
            iiko_number: row.iiko_number.clone(),
            attempts: 0,
            error: (to == State::Unknown).then(|| seen.clone()),
            run: ctx.run_id,
            now: ctx.clock.now(),
        };
        advance(store, &mut row, change).await?;
    }
    let hint = if is_settled { None } else { hint };
    Ok(Settled { row, before, seen, hint, leftovers })
}

/// What can be said of a row that somebody has damaged: what iiko has of its number, and that a person has to judge it.
async fn damaged(ctx: &Context, row: Row, damage: &str) -> Result<Settled> {
    let found = documents_of(ctx, &row, row.iiko_id).await?;
    let shown: Vec<String> =
        found.iter().map(|found| format!("{} as {}", found.id, found.status.name())).collect();
    let has = if shown.is_empty() { "no such document".to_owned() } else { shown.join(", ") };
    let hint =
        format!("look at it in iiko; when it is taken care of, `zerkalo documents abandon {}`", row.key());
    let is_open = row.state == State::Unknown;
    Ok(Settled {
        before: row.state,
        seen: format!("{damage}; iiko has {has}"),
        hint: is_open.then_some(hint),
        leftovers: Vec::new(),
        row,
    })
}

/// What follows when iiko has nothing of a row.
fn nothing(row: &Row, is_old: bool) -> (State, Option<Uuid>, String, Option<String>) {
    let seen = "iiko has no such document".to_owned();
    match row.state {
        State::Planned | State::Drafting | State::Drafted if is_old => (State::Abandoned, None, seen, None),
        State::Drafted => (State::Failed, None, seen, None),
        State::Processing | State::Unknown => {
            let hint = format!(
                "if nobody has moved these goods and no request is still on its way, `zerkalo documents abandon {}`",
                row.key()
            );
            (State::Unknown, None, seen, Some(hint))
        }
        other => (other, None, seen, None),
    }
}

/// Refuses to give up what is settled.
pub fn check_unsettled(row: &Row) -> Result<()> {
    if !matches!(row.state, State::Done | State::Abandoned) {
        return Ok(());
    }
    let text = format!("document {}: it is {} already", row.key(), row.state.name());
    Err(Failure::new(Kind::Usage, text).hint("only what is open, unknown or failed can be given up"))
}

/// Gives a document up, because a person has taken care of it. Refused while iiko has it as it was sent.
pub async fn abandon(ctx: &Context, store: &mut dyn Store, mut row: Row) -> Result<Row> {
    let key = row.key().to_owned();
    let refuse = |text: &str, hint: String| {
        Err(Failure::new(Kind::Usage, format!("document {key}: {text}")).hint(hint))
    };
    check_unsettled(&row)?;
    let reconcile = format!("`zerkalo documents reconcile {}` writes that down", row.key());
    match look(ctx, &mut row).await?.0 {
        // Of a damaged row nobody can say that iiko has it as it was sent.
        Found::Processed(_) if row.damage.is_none() => return refuse("iiko has processed it", reconcile),
        Found::Drafts(_) => {
            return refuse("iiko has it as a draft", "remove the draft in iiko first".to_owned());
        }
        Found::Processed(_) | Found::Foreign(..) | Found::Nothing { .. } => {}
    }
    let change = Change {
        from: row.state,
        to: State::Abandoned,
        iiko_id: None,
        iiko_number: row.iiko_number.clone(),
        attempts: 0,
        error: row.last_error.clone(),
        run: ctx.run_id,
        now: ctx.clock.now(),
    };
    advance(store, &mut row, change).await?;
    Ok(row)
}
