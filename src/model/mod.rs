//! Plain values that several rooms speak of: no I/O and no rendering.
//!
//! - [`report`]: what a run did
//! - [`stop_changes`]: what a reading of the stop-list has changed
//! - [`diagnosis`]: what the doctor found
//! - [`documents`]: documents and how far they are
//! - [`night`]: what a night's transfers leave out
//! - [`upstream`]: the upstreams that a database mirrors

mod counts;
pub mod diagnosis;
pub mod documents;
pub mod night;
pub mod report;
pub mod stop_changes;
pub mod upstream;

pub use counts::Counts;
