//! Reading a JSON list answer record by record.

use super::request::{Answer, Trouble};
use crate::{
    engine::{
        frame::{BadFrame, Framed, Framer, Shape},
        repair,
    },
    error::{Failure, Kind, Result, quote},
};

/// What to do about a record that is too long.
const RAISE: &str = "raise ZERKALO_MAX_RECORD if it is really that long, or mend the record at the upstream";

/// Hands each record of the answer to `on_record` and returns the envelope around the list. Fails when the answer is
/// cut (which may pass), is not the expected list, or holds a record that is longer than allowed (which would not).
pub async fn records(
    answer: Answer,
    shape: Shape,
    mut on_record: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Vec<u8>, Trouble> {
    let (label, limit) = (answer.label.clone(), answer.max_record);
    let on_record = |record: Framed<'_>| match record {
        Framed::Whole(bytes) => on_record(bytes),
        Framed::Oversized(head) => {
            let id = repair::member(head, "id").map(|id| format!(" (id {})", quote(&id, 60)));
            let text = format!("{label}: a record is longer than {limit} bytes{}", id.unwrap_or_default());
            Err(Failure::new(Kind::InvalidAnswer, text).hint(RAISE))
        }
    };
    framed(answer, shape, on_record).await
}

/// The same with the beginning of records that are longer than allowed.
pub async fn framed(
    mut answer: Answer,
    shape: Shape,
    mut on_record: impl FnMut(Framed<'_>) -> Result<()>,
) -> Result<Vec<u8>, Trouble> {
    let label = answer.label.clone();
    let named = |error: BadFrame| refused(&label, &error);
    let mut framer = Framer::new(shape).max_record(answer.max_record);
    while let Some(chunk) = answer.chunk().await? {
        framer.feed_framed(&chunk, |record| on_record(record).map_err(Broken::Record)).map_err(|broken| {
            match broken {
                Broken::Frame(error) => named(error),
                Broken::Record(failure) => Trouble::fatal(failure),
            }
        })?;
    }
    framer.finish().map_err(named)
}

enum Broken {
    Frame(BadFrame),
    Record(Failure),
}

impl From<BadFrame> for Broken {
    fn from(error: BadFrame) -> Self {
        Self::Frame(error)
    }
}

fn refused(label: &str, error: &BadFrame) -> Trouble {
    let failure = Failure::new(Kind::InvalidAnswer, format!("{label}: {error}"))
        .hint("this request changed nothing; start this again, and if it stays so, look at the upstream");
    if *error == BadFrame::Cut { Trouble::transient(failure) } else { Trouble::fatal(failure) }
}
