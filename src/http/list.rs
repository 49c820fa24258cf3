//! Reading a JSON list answer record by record.

use super::request::{Answer, Trouble};
use crate::{
    engine::frame::{BadFrame, Framer, Shape},
    error::{Failure, Kind, Result},
};

/// Hands each record of the answer to `on_record` and returns the envelope around the list. Fails when the answer is
/// cut (which may pass) or is not the expected list (which would not).
pub async fn records(
    mut answer: Answer,
    shape: Shape,
    mut on_record: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Vec<u8>, Trouble> {
    let label = answer.label.clone();
    let named = |error: BadFrame| refused(&label, &error);
    let mut framer = Framer::new(shape);
    while let Some(chunk) = answer.chunk().await? {
        framer.feed(&chunk, |record| on_record(record).map_err(Broken::Record)).map_err(
            |broken| match broken {
                Broken::Frame(error) => named(error),
                Broken::Record(failure) => Trouble::fatal(failure),
            },
        )?;
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
