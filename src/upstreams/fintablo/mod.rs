//! `FinTablo`: from its answers to records.
//!
//! - [`api`]: the account, requests, refusals
//! - `pages`: whether the pages of a list are a snapshot of it

pub mod api;
mod pages;

use self::pages::{Page, Reading, Totals, Turn};
use crate::{
    engine::{Planner, frame::Shape, repair},
    error::{Failure, Kind, Result, quote},
    http::{Accept, Answer, Request, Trouble, list},
    progress::Meter,
};
use serde::Deserialize;

#[cfg(feature = "fuzzing")]
pub(crate) use pages::fuzzed::survive as survive_pages;

pub use api::Client;

/// The size of `deal`'s pages. Another list of exactly this length may be cut by a page limit that nobody documented.
const SUSPICIOUS: usize = 500;

/// A page is held as a whole; more bytes or records than this are none.
const MAX_PAGE: u64 = 64 << 20;
const MAX_ON_A_PAGE: usize = 100_000;

/// More records than this on all pages are no list of deals: each id is remembered until the end was seen.
const MAX_ON_PAGES: usize = 500_000;

/// More pages than this are no list of deals: the server answers every number with something new.
const MAX_PAGES: usize = 2_000;

impl Client {
    /// Reads a list that comes in one answer into the planner.
    pub async fn list(&self, path: &str, planner: &mut Planner, meter: &dyn Meter) -> Result<()> {
        let request = Request::get(path, Accept::Json);
        let read = async |answer: Answer| {
            planner.reset();
            planner.answer("");
            let mut count = 0;
            let headers = answer.headers.clone();
            let label = answer.label.clone();
            let envelope = list::framed(answer, Shape::Member("items"), |record| {
                count += 1;
                meter.add(1);
                planner.framed(record)
            })
            .await?;
            let envelope = checked(&label, envelope)?;
            Ok((count, Totals::read(&headers, &envelope)))
        };
        let (count, totals) = self.read(&request, read).await?;
        for missed in totals.missed(count, 1) {
            planner.keep_missing("", &format!("the list is not whole: {missed}"));
        }
        if count == SUSPICIOUS || (count < planner.stored() && pages::is_round(count)) {
            let reason =
                format!("the list has exactly {count} rows, which may be an undocumented page limit");
            planner.suspect("", reason);
        }
        Ok(())
    }

    /// Reads a list that comes in pages into the planner. Pages are read one after another while others write to the
    /// list, so what they lack is deleted only when two readings prove to be snapshots of the same records; the second is
    /// made only when the first would delete.
    pub async fn pages(&self, path: &str, planner: &mut Planner, meter: &dyn Meter) -> Result<()> {
        planner.reset();
        planner.answer("");
        let first = self.reading(path, planner, meter).await?;
        if !first.doubts().is_empty() || !planner.would_delete() {
            return Ok(());
        }
        planner.read_again();
        let second = self.reading(path, planner, meter).await?;
        if second.doubts().is_empty() && !second.has_ids_of(&first) && planner.would_delete() {
            planner
                .keep_missing("", "two readings of the pages, one after the other, hold different records");
        }
        Ok(())
    }

    /// Reads a list and counts it, keeping nothing: the token really opens the account.
    pub async fn count(&self, path: &str) -> Result<usize> {
        let request = Request::get(path, Accept::Json);
        self.read(&request, async |answer| {
            let mut count = 0;
            items(answer, |_| {
                count += 1;
                Ok(())
            })
            .await?;
            Ok(count)
        })
        .await
    }

    /// Reads all pages once. A reading that is no snapshot switches deletion off.
    async fn reading(&self, path: &str, planner: &mut Planner, meter: &dyn Meter) -> Result<Reading> {
        let mut reading = Reading::default();
        let mut left = MAX_ON_PAGES;
        for number in 1..=MAX_PAGES {
            let page = self.page(path, number).await?;
            left = left.checked_sub(page.records.len()).ok_or_else(|| {
                let text = format!("fintablo {path}: more than {MAX_ON_PAGES} records");
                Failure::new(Kind::InvalidAnswer, text).hint("nothing was changed; ask FinTablo")
            })?;
            match reading.take(&page) {
                Turn::Nothing => {}
                Turn::Records => {
                    for record in &page.records {
                        meter.add(1);
                        planner.record(record, &[])?;
                    }
                }
                Turn::End => {
                    for doubt in reading.doubts() {
                        planner.keep_missing("", &format!("the pages are no snapshot of the list: {doubt}"));
                    }
                    return Ok(reading);
                }
            }
        }
        Err(Failure::new(Kind::InvalidAnswer, format!("fintablo {path}: more than {MAX_PAGES} pages")).hint(
            "nothing was changed; the upstream answers every page number with something new, ask FinTablo",
        ))
    }

    /// Reads one page. It is held as a whole, so that a repeated attempt at it leaves no trace of the first.
    async fn page(&self, path: &str, number: usize) -> Result<Page> {
        let request = Request::get(path, Accept::Json)
            .query([("page", number.to_string().as_str())])
            .max_answer(MAX_PAGE);
        let read = async |answer: Answer| {
            let headers = answer.headers.clone();
            let mut records = Vec::new();
            let envelope = items(answer, |record| {
                if records.len() == MAX_ON_A_PAGE {
                    let text =
                        format!("fintablo {path}: page {number} has more than {MAX_ON_A_PAGE} records");
                    return Err(
                        Failure::new(Kind::InvalidAnswer, text).hint("nothing was changed; ask FinTablo")
                    );
                }
                records.push(record.to_vec());
                Ok(())
            })
            .await?;
            Ok(Page { records, totals: Totals::read(&headers, &envelope) })
        };
        // Without its first page the list itself is not there.
        if number == 1 {
            return self.read(&request, read).await;
        }
        Ok(self.read_if_there(&request, read).await?.unwrap_or_default())
    }
}

/// Hands each item to `on_record` and returns the envelope, checked: an HTTP 200 may still carry another status inside.
async fn items(answer: Answer, on_record: impl FnMut(&[u8]) -> Result<()>) -> Result<Vec<u8>, Trouble> {
    let label = answer.label.clone();
    let envelope = list::records(answer, Shape::Member("items"), on_record).await?;
    checked(&label, envelope)
}

/// An envelope that says what a good one says.
fn checked(label: &str, envelope: Vec<u8>) -> Result<Vec<u8>, Trouble> {
    #[derive(Deserialize)]
    struct Envelope {
        status: Option<i64>,
        #[serde(rename = "statusText")]
        text: Option<String>,
    }
    let refused = |text: String| {
        let failure = Failure::new(Kind::InvalidAnswer, format!("{label}: {text}"));
        Trouble::fatal(
            failure.hint("nothing was changed; start this again, and if it stays so, ask FinTablo"),
        )
    };
    let envelope = repair::mended(&envelope).unwrap_or(envelope);
    let Envelope { status, text } = serde_json::from_slice(&envelope)
        .map_err(|error| refused(format!("the envelope is refused: {error}")))?;
    match status {
        Some(200) => Ok(envelope),
        status => {
            let status = status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
            Err(refused(format!("the answer says {status}: {}", quote(&text.unwrap_or_default(), 120))))
        }
    }
}
