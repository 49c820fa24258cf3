//! The mode `single`, for servers that refuse to process a draft by its id: processed at once, sent once and never again.

use super::machine::{End, Found, Machine, accepted, documents_of, judge, said};
use crate::{
    error::Result,
    failpoints,
    model::documents::{Row, State, Status},
    upstreams::iiko::documents::Posted,
};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// The longest wait between look-ups after a lost answer.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Machine<'_> {
    /// Sends a document of which nothing was sent yet.
    pub(super) async fn send_at_once(&mut self, row: &mut Row) -> Result<End> {
        let mut tried = 0;
        loop {
            if let Some(end) = self.may_be_sent(row).await? {
                return Ok(end);
            }
            self.advance(row, State::Processing, None, 0, None).await?;
            failpoints::step("processing");
            let posting = self.ctx.posting.lock().await;
            let posted = self.post(row, None, Status::Processed).await;
            failpoints::step("process-sent");
            drop(posting);
            match posted {
                Ok(Posted::Accepted(found)) => {
                    row.shown_as(&found.number);
                    self.advance(row, State::Processing, Some(found.id), 0, None).await?;
                    return match accepted(row, &found, Status::Processed) {
                        None => self.look_for(row, Some(found.id)).await,
                        Some(text) => self.unknown(row, &format!("the answer said that {text}"), None).await,
                    };
                }
                Ok(Posted::Refused(failure)) => return self.failed(row, failure).await,
                Ok(Posted::Unsent(trouble)) => {
                    self.advance(row, State::Planned, None, 0, Some(&trouble.failure)).await?;
                    if !self.ctx.iiko()?.pause(tried, &trouble).await {
                        return Ok(End::Open(trouble.failure));
                    }
                    tried += 1;
                }
                Err(failure) => {
                    self.advance(row, State::Planned, None, 0, Some(&failure)).await?;
                    return Ok(End::Open(failure));
                }
                Ok(Posted::Doubtful(failure, id)) => {
                    tracing::warn!("{}: {failure}; looking for it", row.key());
                    return self.look_for(row, id).await;
                }
                Ok(Posted::Lost(failure)) => {
                    tracing::warn!("{}: {failure}; looking for it", row.key());
                    return self.look_for(row, None).await;
                }
            }
        }
    }

    /// How the turn ends when a document must not be sent; none when it may.
    async fn may_be_sent(&mut self, row: &mut Row) -> Result<Option<End>> {
        let end = match self.look_up(row).await {
            Ok(Found::Nothing { deleted: false }) => None,
            Ok(Found::Nothing { deleted: true }) => {
                let failure = said("somebody has deleted it in iiko");
                Some(self.failed(row, failure).await?)
            }
            Ok(Found::Processed(id)) => Some(self.done(row, id, false, None).await?),
            Ok(Found::Drafts(_)) => {
                Some(self.unknown(row, "iiko has a draft of it that nobody sent", None).await?)
            }
            Ok(Found::Foreign(text, id)) => Some(self.unknown(row, &text, id).await?),
            Err(failure) => Some(End::Open(failure)),
        };
        failpoints::step("looked-up");
        let late = || self.window.over(row.business_date, self.ctx.clock.business_now()).map(End::Late);
        Ok(end.or_else(late))
    }

    /// Looks for a document that was sent as processed, by its number and, where it is known, by its id, for as long as the
    /// settings say. It is never sent again.
    pub(super) async fn look_for(&mut self, row: &mut Row, id: Option<Uuid>) -> Result<End> {
        let time = self.ctx.config.documents.lookup_time;
        let (until, pause) = (Instant::now() + time, LOOK_AGAIN.min(time / 10));
        loop {
            let found = documents_of(self.ctx, row, id).await;
            match found.as_deref().map(|found| judge(&row.payload, found)) {
                Ok(Found::Processed(seen)) => {
                    let shown = found.iter().flatten().find(|document| document.id == seen);
                    if let Some(document) = shown {
                        row.shown_as(&document.number);
                    }
                    return self.done(row, seen, id.is_some(), None).await;
                }
                Ok(Found::Foreign(text, found)) => return self.unknown(row, &text, found).await,
                Ok(Found::Drafts(ids)) => {
                    return self.unknown(row, "iiko has it as a draft only", ids.first().copied()).await;
                }
                Ok(Found::Nothing { deleted: true }) => {
                    return self.unknown(row, "it is deleted in iiko", id).await;
                }
                Ok(Found::Nothing { deleted: false }) => {}
                Err(failure) => tracing::warn!("{}: {failure}", row.key()),
            }
            if Instant::now() + pause > until {
                return self.unknown(row, "the answer was lost, and iiko has no such document", id).await;
            }
            tokio::time::sleep(pause).await;
        }
    }
}
