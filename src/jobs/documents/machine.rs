//! Takes a document from its plan to `PROCESSED` in iiko, one committed step after the other.
//!
//! ```text
//! planned ─► drafting ─► drafted ─► processing ─► done
//!    │ look up, send NEW   │ read, send PROCESSED   │ read back
//!    └── single: ──────────┴──────► processing ─────┘
//! ```
//!
//! A step is committed before its request is sent, so a process that dies leaves a row that says what may have happened.
//! Whoever goes on reads iiko first and believes nothing else. `failed` is said only of what has moved nothing, `done`
//! only of what iiko shows as processed with our lines; everything else is open or `unknown`.

use crate::{
    config::PostMode,
    error::{Failure, Kind, Result},
    failpoints,
    jobs::context::Context,
    model::documents::{
        Document,
        payload::{Payload, Status},
        row::{Change, Row, State},
    },
    store::Store,
    upstreams::iiko::documents::Posted,
};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use uuid::Uuid;

/// How many drafts of a document are sent at most. A draft moves nothing, but somebody has to remove the needless ones.
const DRAFTS: u32 = 3;

/// How often a draft is processed in one run while iiko keeps showing it as a draft.
const TRIES: usize = 3;

/// How a document's turn ended.
#[derive(Debug)]
pub enum End {
    /// iiko has it as processed. Whether this run sent it, and with a remark if something was odd.
    Done {
        /// This run sent it; else it was found so.
        moved: bool,
        /// What was odd.
        remark: Option<String>,
    },
    /// Nothing was moved, and it is not tried again.
    Failed(Failure),
    /// Nothing more is sent today; the row stays open.
    Late(String),
    /// It could not go on; the row stays open, and the next start goes on.
    Open(Failure),
    /// Nobody knows, or iiko has something else.
    Unknown(Failure),
}

/// What became of a document.
#[derive(Debug)]
pub struct Outcome {
    /// The row as it is now.
    pub row: Row,
    /// How its turn ended.
    pub end: End,
    /// Drafts of the same number that nobody needs, to be removed in iiko.
    pub leftovers: Vec<Uuid>,
}

/// Until when documents may be sent.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The time of the business's day after which nothing is sent; none for a document that may belong to another day.
    pub deadline: Option<NaiveTime>,
}

impl Window {
    /// Why nothing more of a day's documents may be sent at `now`, both of the business's time zone.
    pub fn over(self, day: NaiveDate, now: NaiveDateTime) -> Option<String> {
        let deadline = self.deadline?;
        if now.date() != day {
            return Some(format!("{day} is over, and no document is back-dated"));
        }
        (now.time() >= deadline).then(|| format!("it is after {}", deadline.format("%H:%M")))
    }
}

/// Takes documents on.
pub struct Machine<'a> {
    /// The run.
    pub ctx: &'a Context,
    /// Its connection.
    pub store: &'a mut dyn Store,
    /// Until when documents may be sent.
    pub window: Window,
}

/// What a look at iiko says of a number.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing of it, or only what somebody deleted.
    Nothing { deleted: bool },
    /// Drafts that are ours, the lowest id first.
    Drafts(Vec<Uuid>),
    /// It is processed.
    Processed(Uuid),
    /// Something else has our number, or it is there twice.
    Foreign(String, Option<Uuid>),
}

impl Machine<'_> {
    /// Takes a document as far as it goes. Fails only when its next step could not be written down.
    pub async fn finish(&mut self, mut row: Row) -> Result<Outcome> {
        let mut leftovers = Vec::new();
        let end = self.run(&mut row, &mut leftovers).await?;
        Ok(Outcome { row, end, leftovers })
    }

    async fn run(&mut self, row: &mut Row, leftovers: &mut Vec<Uuid>) -> Result<End> {
        // Of what was never sent nothing need be read.
        if let Some(why) = self
            .window
            .over(row.business_date, self.ctx.clock.business_now())
            .filter(|_| row.state == State::Planned)
        {
            return Ok(End::Late(why));
        }
        let single = self.ctx.config.documents.post_mode == PostMode::Single;
        if row.state == State::Planned && single {
            return self.send_at_once(row).await;
        }
        if row.state == State::Processing && row.iiko_id.is_none() {
            return self.look_for(row, None).await;
        }
        if matches!(row.state, State::Planned | State::Drafting)
            && let Some(end) = self.draft(row, leftovers).await?
        {
            return Ok(end);
        }
        self.process(row, leftovers).await
    }

    /// Makes sure that iiko has a draft; how the turn ended if it goes no further.
    async fn draft(&mut self, row: &mut Row, leftovers: &mut Vec<Uuid>) -> Result<Option<End>> {
        if row.state == State::Planned {
            self.advance(row, State::Drafting, None, 0, None).await?;
        }
        let mut answer: Option<(Failure, Option<Uuid>)> = None;
        let (mut refused, mut tried) = (false, 0);
        loop {
            let found = match self.look_up(row).await {
                Ok(found) => found,
                Err(failure) => return Ok(Some(End::Open(failure))),
            };
            failpoints::step("looked-up");
            match found {
                Found::Drafts(mut drafts) => {
                    let id = drafts.remove(0);
                    leftovers.extend(drafts);
                    self.advance(row, State::Drafted, Some(id), 0, None).await?;
                    return Ok(None);
                }
                Found::Processed(id) => return self.done(row, id, false, None).await.map(Some),
                Found::Foreign(text, id) => return self.unknown(row, &text, id).await.map(Some),
                Found::Nothing { deleted: true } => {
                    let failure = said("somebody has deleted it in iiko");
                    return self.failed(row, failure).await.map(Some);
                }
                Found::Nothing { deleted: false } => {}
            }
            match answer.take() {
                Some((failure, _)) if refused => return self.failed(row, failure).await.map(Some),
                Some((failure, id)) => return self.unknown(row, &failure.to_string(), id).await.map(Some),
                None => {}
            }
            if let Some(why) = self.window.over(row.business_date, self.ctx.clock.business_now()) {
                return Ok(Some(End::Late(why)));
            }
            if row.attempts >= DRAFTS {
                let failure = said(&format!("the answers to {DRAFTS} drafts were lost, and iiko has none"));
                return self.failed(row, failure).await.map(Some);
            }
            self.advance(row, State::Drafting, None, 1, None).await?;
            failpoints::step("drafting");
            let posting = self.ctx.posting.lock().await;
            let posted = self.post(row, None, Status::New).await;
            failpoints::step("draft-sent");
            match posted {
                Ok(Posted::Accepted(found)) => match accepted(row, &found, Status::New) {
                    None => {
                        row.shown_as(&found.number);
                        self.advance(row, State::Drafted, Some(found.id), 0, None).await?;
                        failpoints::step("drafted");
                        return Ok(None);
                    }
                    Some(text) => answer = Some((said(&text), Some(found.id))),
                },
                Ok(Posted::Doubtful(failure, id)) => answer = Some((failure, id)),
                Ok(Posted::Refused(failure)) => {
                    refused = true;
                    answer = Some((failure, None));
                }
                Ok(Posted::Lost(failure)) => tracing::warn!("{}: {failure}; looking it up", row.key()),
                Ok(Posted::Unsent(trouble)) => {
                    // There is no draft, so it costs none of them.
                    self.advance(row, State::Drafting, None, -1, Some(&trouble.failure)).await?;
                    drop(posting);
                    if !self.ctx.iiko()?.pause(tried, &trouble).await {
                        return Ok(Some(End::Open(trouble.failure)));
                    }
                    tried += 1;
                }
                Err(failure) => {
                    self.advance(row, State::Drafting, None, -1, Some(&failure)).await?;
                    return Ok(Some(End::Open(failure)));
                }
            }
        }
    }

    /// Has a draft processed by its id. iiko does so only with a draft, so a repetition is safe.
    async fn process(&mut self, row: &mut Row, leftovers: &mut Vec<Uuid>) -> Result<End> {
        let id = row.iiko_id.expect("a draft has an id");
        let mut refusal: Option<Failure> = None;
        let mut remark: Option<String> = None;
        let (mut sent, mut tried) = (0, 0);
        let mut is_lost = row.state == State::Processing;
        loop {
            let found = match self.ctx.iiko()?.document_by_id(row.payload.kind, id).await {
                Ok(found) => found,
                Err(failure) if sent > 0 || is_lost => return Ok(End::Unknown(unread(&failure))),
                Err(failure) => return Ok(End::Open(failure)),
            };
            failpoints::step(if sent == 0 { "compared" } else { "verified" });
            let difference = found.as_ref().and_then(|found| row.payload.difference(found));
            if let (Some(found), None) = (&found, &difference) {
                row.shown_as(&found.number);
            }
            match (found.map(|found| found.status), difference) {
                (Some(_), Some(text)) => {
                    return self.unknown(row, &format!("in iiko {text}"), None).await;
                }
                (Some(Status::Processed), None) => {
                    if let Some(text) = self.others(row, leftovers).await {
                        return self.unknown(row, &text, None).await;
                    }
                    return self.done(row, id, sent > 0, remark).await;
                }
                (Some(Status::New), None) => {}
                (Some(Status::Deleted) | None, _) if row.state == State::Drafted => {
                    let failure = said("somebody has removed its draft in iiko");
                    return self.failed(row, failure).await;
                }
                (Some(Status::Deleted), _) => return self.unknown(row, "it is deleted in iiko", None).await,
                (None, _) => return self.unknown(row, "iiko has it no more", None).await,
            }
            match refusal.take() {
                // An earlier request may still be on its way.
                Some(failure) if is_lost => return Ok(End::Unknown(unread(&failure))),
                Some(failure) => return self.failed(row, failure).await,
                None => {}
            }
            if sent == TRIES {
                let failure = said("iiko keeps it as a draft, whatever is sent");
                return Ok(End::Unknown(unread(&failure)));
            }
            if let Some(why) = self.window.over(row.business_date, self.ctx.clock.business_now()) {
                return Ok(End::Late(why));
            }
            self.advance(row, State::Processing, None, 0, None).await?;
            failpoints::step("processing");
            let posting = self.ctx.posting.lock().await;
            let posted = self.post(row, Some(id), Status::Processed).await;
            failpoints::step("process-sent");
            drop(posting);
            match posted {
                Ok(Posted::Accepted(found)) => {
                    remark = accepted(row, &found, Status::Processed)
                        .map(|text| format!("the answer said that {text}"));
                    is_lost |= remark.is_some();
                }
                Ok(Posted::Doubtful(failure, _)) => {
                    is_lost = true;
                    remark = Some(failure.to_string());
                }
                Ok(Posted::Lost(failure)) => {
                    is_lost = true;
                    tracing::warn!("{}: {failure}; reading it", row.key());
                }
                Ok(Posted::Refused(failure)) => {
                    remark = Some(failure.to_string());
                    refusal = Some(failure);
                }
                Ok(Posted::Unsent(trouble)) => {
                    if !self.ctx.iiko()?.pause(tried, &trouble).await {
                        return Ok(End::Open(trouble.failure));
                    }
                    tried += 1;
                    continue;
                }
                Err(failure) => return Ok(End::Open(failure)),
            }
            sent += 1;
        }
    }

    /// Sends a document once, unless the clocks disagree: its date and the day's end come from ours.
    pub(super) async fn post(&self, row: &Row, id: Option<Uuid>, status: Status) -> Result<Posted> {
        check_clock(self.ctx)?;
        self.ctx.iiko()?.post_document(&row.payload, id, status).await
    }

    /// What iiko has of a row's number.
    pub(super) async fn look_up(&self, row: &Row) -> Result<Found> {
        let found = self.ctx.iiko()?.documents_by_number(row.payload.kind, row.key()).await?;
        Ok(judge(&row.payload, &found))
    }

    /// Finds what else iiko has of a processed document's number: drafts that a request on two ways has left, which move
    /// nothing; and what is wrong if there is more than that.
    async fn others(&self, row: &Row, leftovers: &mut Vec<Uuid>) -> Option<String> {
        let found = match self.ctx.iiko() {
            Ok(client) => client.documents_by_number(row.payload.kind, row.key()).await,
            Err(failure) => Err(failure),
        };
        let found = match found {
            Ok(found) => found,
            Err(failure) => {
                // It is processed, whatever else there is; `documents reconcile` looks again.
                tracing::warn!(
                    "{}: could not look for further documents of its number: {failure}",
                    row.key()
                );
                return None;
            }
        };
        let drafts = found.iter().filter(|found| found.status == Status::New).map(|found| found.id);
        *leftovers = drafts.filter(|id| Some(*id) != row.iiko_id).collect();
        match judge(&row.payload, &found) {
            Found::Foreign(text, _) => Some(text),
            _ => None,
        }
    }

    pub(super) async fn done(
        &mut self,
        row: &mut Row,
        id: Uuid,
        moved: bool,
        remark: Option<String>,
    ) -> Result<End> {
        self.advance(row, State::Done, Some(id), 0, None).await?;
        failpoints::step("done");
        Ok(End::Done { moved, remark })
    }

    pub(super) async fn failed(&mut self, row: &mut Row, failure: Failure) -> Result<End> {
        self.advance(row, State::Failed, None, 0, Some(&failure)).await?;
        Ok(End::Failed(failure))
    }

    pub(super) async fn unknown(&mut self, row: &mut Row, text: &str, id: Option<Uuid>) -> Result<End> {
        let failure = Failure::new(Kind::Unknown, text)
            .hint(format!("look at it in iiko; then `zerkalo documents reconcile {}`", row.key()));
        self.advance(row, State::Unknown, id, 0, Some(&failure)).await?;
        Ok(End::Unknown(failure))
    }

    /// Takes a row one step further, durably, before anything else is done.
    pub(super) async fn advance(
        &mut self,
        row: &mut Row,
        to: State,
        iiko_id: Option<Uuid>,
        attempts: i32,
        failure: Option<&Failure>,
    ) -> Result<()> {
        // Of two runs that both believe to be alone, neither may send.
        self.ctx.locked.borrow().check()?;
        let change = Change {
            from: row.state,
            to,
            iiko_id,
            iiko_number: row.iiko_number.clone(),
            attempts,
            error: failure.map(ToString::to_string),
            run: self.ctx.run_id,
            now: self.ctx.clock.now(),
        };
        advance(self.store, row, change).await
    }
}

/// How far this host's clock may be off the server's for documents to be sent.
const CLOCK: TimeDelta = TimeDelta::minutes(10);

/// Refuses a clock that is more than ten minutes off that of the server's last answer. A warning above two minutes, and
/// where the server shows no clock.
pub fn check_clock(ctx: &Context) -> Result<Option<String>> {
    let Some(ahead) = ctx.iiko()?.clock_ahead(ctx.clock.now()) else {
        return Ok(Some(
            "iiko sends no Date, so this host's clock is not compared with the server's".to_owned(),
        ));
    };
    clock_is_right(ahead, "iiko").map_err(|failure| {
        let hint = failure.hint.clone().unwrap_or_default();
        failure.hint(format!("nothing was sent; {hint}, then start this again"))
    })
}

/// Whether this host's clock agrees with a server's that is `ahead` of it: above two minutes a sentence to warn with,
/// above ten a refusal.
pub fn clock_is_right(ahead: TimeDelta, server: &str) -> Result<Option<String>> {
    let off = crate::humanize::duration(ahead.abs().to_std().unwrap_or_default());
    let way = if ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
    let text = format!("this host's clock is {off} {way} the {server} server's");
    if ahead.abs() > CLOCK {
        return Err(Failure::new(Kind::Safety, text)
            .hint("set this host's clock right (timedatectl), or the server's"));
    }
    Ok((ahead.abs() > TimeDelta::minutes(2)).then_some(text))
}

/// Takes a row one step further. Fails when another process has taken it meanwhile.
pub(super) async fn advance(store: &mut dyn Store, row: &mut Row, change: Change) -> Result<()> {
    if !store.advance(row.key(), &change).await? {
        let text = format!("document {}: another run has taken it meanwhile", row.key());
        return Err(Failure::new(Kind::Locked, text).hint("wait until it has ended, then start this again"));
    }
    row.state = change.to;
    row.iiko_id = change.iiko_id.or(row.iiko_id);
    row.iiko_number = change.iiko_number;
    row.attempts = row.attempts.saturating_add_signed(change.attempts);
    row.last_error = change.error;
    row.run_id = change.run;
    row.updated_at = change.now;
    Ok(())
}

/// What is wrong with the document that an answer shows; none when it is ours, and as far as it was sent.
pub(super) fn accepted(row: &Row, found: &Document, wanted: Status) -> Option<String> {
    let other = || format!("its status is {}", found.status.name());
    row.payload.difference(found).or_else(|| (found.status != wanted).then(other))
}

/// What is wrong with a document, where nothing of it has moved.
pub(super) fn said(text: &str) -> Failure {
    Failure::new(Kind::Partial, text)
}

/// A document whose outcome this run could not read. The row stays where it is: the next start reads it.
fn unread(failure: &Failure) -> Failure {
    Failure::new(Kind::Unknown, format!("it may have been processed: {failure}"))
        .hint("start this again within the day, or run `zerkalo documents reconcile`: both only read first")
}

/// What iiko has of a row's number and under an id: a document that has another number there is still the one of its id.
pub(super) async fn documents_of(ctx: &Context, row: &Row, id: Option<Uuid>) -> Result<Vec<Document>> {
    let client = ctx.iiko()?;
    let mut found = client.documents_by_number(row.payload.kind, row.key()).await?;
    if let Some(id) = id
        && !found.iter().any(|document| document.id == id)
        && let Some(document) = client.document_by_id(row.payload.kind, id).await?
    {
        found.push(document);
    }
    Ok(found)
}

/// What the documents of a number are to a payload.
pub(super) fn judge(payload: &Payload, found: &[Document]) -> Found {
    let ours = |found: &&Document| payload.difference(found).is_none();
    let is = |status: Status| move |found: &&Document| found.status == status;
    let processed: Vec<Uuid> =
        found.iter().filter(is(Status::Processed)).filter(ours).map(|found| found.id).collect();
    if let [first, second, ..] = processed[..] {
        return Found::Foreign(format!("iiko has processed it twice: {first} and {second}"), Some(first));
    }
    let foreign = |found: &Document| {
        let text = payload.difference(found).unwrap_or_default();
        Found::Foreign(format!("iiko has a document of this number, and {text}"), Some(found.id))
    };
    if let Some(other) = found.iter().filter(is(Status::Processed)).find(|found| !ours(found)) {
        return foreign(other);
    }
    if let [id] = processed[..] {
        return Found::Processed(id);
    }
    let drafts: Vec<Uuid> = found.iter().filter(is(Status::New)).filter(ours).map(|found| found.id).collect();
    match (drafts.is_empty(), found.iter().find(is(Status::New))) {
        (false, _) => Found::Drafts(drafts),
        (true, Some(other)) => foreign(other),
        (true, None) => Found::Nothing { deleted: !found.is_empty() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decimal::amount, model::documents::payload::tests::payload};

    fn shown(id: u128, status: Status) -> Document {
        let payload = payload();
        let mut lines: Vec<_> =
            payload.lines.iter().map(|line| (line.product, amount::show(line.amount))).collect();
        lines.sort();
        let (number, from, to, date_incoming) =
            (payload.number, payload.from, payload.to, payload.date_incoming);
        Document { id: Uuid::from_u128(id), number, status, date_incoming, from, to, lines }
    }

    fn edited(id: u128, status: Status) -> Document {
        let mut document = shown(id, status);
        document.lines.pop();
        document
    }

    #[test]
    fn what_iiko_has_of_a_number_decides() {
        use Status::{Deleted, New, Processed};
        let judged = |found: &[Document]| judge(&payload(), found);
        assert!(matches!(judged(&[]), Found::Nothing { deleted: false }));
        assert!(matches!(judged(&[shown(1, Deleted)]), Found::Nothing { deleted: true }));
        let Found::Drafts(ids) = judged(&[shown(1, New), shown(2, New), edited(3, New)]) else { panic!() };
        assert_eq!(ids, [Uuid::from_u128(1), Uuid::from_u128(2)], "the lowest id is taken");
        assert!(
            matches!(judged(&[shown(1, New), shown(2, Processed)]), Found::Processed(id) if id.as_u128() == 2)
        );
        for found in [
            vec![shown(1, Processed), shown(2, Processed)],
            vec![shown(1, Processed), edited(2, Processed)],
            vec![shown(1, New), edited(2, Processed)],
            vec![edited(1, New)],
        ] {
            assert!(matches!(judged(&found), Found::Foreign(..)), "{found:?}");
        }
    }
}
