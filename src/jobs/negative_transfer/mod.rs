//! The nightly transfer: what is negative in a restaurant's bar and kitchen comes from its store of consumables.
//!
//! - `names`: stores called `TYPE (RESTAURANT)`
//! - [`plan`]: what is transferred

pub(crate) mod names;
pub mod plan;
