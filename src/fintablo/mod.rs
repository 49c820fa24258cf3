//! `FinTablo`: from its answers to records.

pub mod api;

use crate::{
    engine::{Planner, frame::Shape, repair},
    error::{Failure, Kind, Result, quote},
    http::{Accept, Answer, Request, Trouble, list},
    printer::Meter,
};
use hashbrown::HashSet;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use api::Client;

/// The size of `deal`'s pages. Another list of exactly this length may be cut by a page limit that nobody documented.
const SUSPICIOUS: usize = 500;

/// More pages than this are no list of deals but an upstream that ignores the page number.
const MAX_PAGES: usize = 10_000;

impl Client {
    /// Reads a list that comes in one answer into the planner.
    pub async fn list(&self, path: &str, planner: &mut Planner, meter: &Meter) -> Result<()> {
        let request = Request::get(path, Accept::Json);
        let mut count = 0;
        self.read(&request, async |answer| {
            planner.reset();
            planner.answer("");
            count = 0;
            items(answer, |record| {
                count += 1;
                meter.add(1);
                planner.record(record, &[])
            })
            .await
        })
        .await?;
        if count == SUSPICIOUS {
            planner
                .keep_missing("", "the list has exactly 500 rows, which may be an undocumented page limit");
        }
        Ok(())
    }

    /// Reads a list that comes in pages of `size` into the planner, and a second time when the first reading would
    /// delete: pages are no snapshot, a record deleted meanwhile shifts the rest.
    pub async fn pages(&self, path: &str, size: usize, planner: &mut Planner, meter: &Meter) -> Result<()> {
        planner.reset();
        planner.answer("");
        self.all_pages(path, size, planner, meter).await?;
        if planner.would_delete() {
            planner.read_again();
            self.all_pages(path, size, planner, meter).await?;
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

    async fn all_pages(&self, path: &str, size: usize, planner: &mut Planner, meter: &Meter) -> Result<()> {
        let mut ids = HashSet::new();
        for page in 1..=MAX_PAGES {
            let request = Request::get(path, Accept::Json).query([("page", page.to_string().as_str())]);
            // A page is held as a whole, so that a repeated attempt at it leaves no trace of the first.
            let records = self
                .read(&request, async |answer| {
                    let mut records = Vec::with_capacity(size);
                    items(answer, |record| {
                        records.push(record.to_vec());
                        Ok(())
                    })
                    .await?;
                    Ok(records)
                })
                .await?;
            let mut brings_new = false;
            for record in &records {
                brings_new |= ids.insert(id(record));
                meter.add(1);
                planner.record(record, &[])?;
            }
            if records.len() < size || !brings_new {
                return Ok(());
            }
        }
        Err(Failure::new(Kind::InvalidAnswer, format!("fintablo {path}: more than {MAX_PAGES} pages"))
            .hint("nothing was changed; the upstream may ignore the page number"))
    }
}

/// Hands each item to `on_record` and checks the envelope: an HTTP 200 may still carry another status inside.
async fn items(answer: Answer, on_record: impl FnMut(&[u8]) -> Result<()>) -> Result<(), Trouble> {
    #[derive(Deserialize)]
    struct Envelope {
        status: Option<i64>,
        #[serde(rename = "statusText")]
        text: Option<String>,
    }
    let label = answer.label.clone();
    let envelope = list::records(answer, Shape::Member("items"), on_record).await?;
    let refused = |text: String| {
        let failure = Failure::new(Kind::InvalidAnswer, format!("{label}: {text}"));
        Trouble::fatal(
            failure.hint("nothing was changed; start this again, and if it stays so, ask FinTablo"),
        )
    };
    let mended = repair::mended(&envelope);
    let envelope: Envelope = serde_json::from_slice(mended.as_deref().unwrap_or(&envelope))
        .map_err(|error| refused(format!("the envelope is refused: {error}")))?;
    match envelope.status {
        Some(200) => Ok(()),
        status => {
            let status = status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
            Err(refused(format!(
                "the answer says {status}: {}",
                quote(&envelope.text.unwrap_or_default(), 120)
            )))
        }
    }
}

/// The text of a record's id; the whole record where there is none, which the planner rejects.
fn id(record: &[u8]) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Keyed<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    match serde_json::from_slice::<Keyed<'_>>(record) {
        Ok(keyed) => keyed.id.get().trim_matches('"').as_bytes().to_vec(),
        Err(_) => record.to_vec(),
    }
}
