//! What the fuzz targets of several rooms share.

use crate::error::{Failure, Kind};

/// Ways to cut an answer into pieces, none of them empty.
pub(crate) fn pieces(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let sizes = if bytes.len() > 2_000 { &[1_021][..] } else { &[1, 7] };
    sizes.iter().filter(|_| !bytes.is_empty()).map(|size| bytes.chunks(*size).collect())
}

/// Lengths to which an answer is cut: all of a short one.
pub(crate) fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by(length / 100 + 1)
}

/// A failure is of the kind that is meant, and one line that does nothing to a terminal.
pub(crate) fn check_failure(failure: &Failure, kind: Kind) {
    let text = failure.to_string();
    assert_eq!(failure.kind, kind, "{text}");
    assert!(!text.chars().any(char::is_control) && !text.is_empty(), "{text:?}");
    assert!(text.len() < 8_000, "{text}");
}
