//! Plain values: what runs and their parts did, without I/O and without rendering.

mod counts;

pub use counts::Counts;
