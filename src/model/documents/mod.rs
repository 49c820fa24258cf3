//! Documents posted to iiko, as values.
//!
//! - [`payload`]: what a document says
//! - [`key`]: document numbers
//! - [`row`]: how far a document is

pub mod key;
pub mod payload;
pub mod row;

pub use payload::{Document, Kind, Line, Payload, Status};
pub use row::{Row, State};
