//! fetch → plan → apply: the one way through, for every mirrored table.
//!
//! A source hands the records of a complete answer to a [`Planner`], which compares each with the [`Index`] of what
//! the database holds and keeps only what differs. The [`Plan`] that comes out can be printed (`--dry-run`), refused
//! by the guard, or applied by a store in one transaction with its log row.
//!
//! - [`table`]: a mirrored table as data
//! - [`frame`], [`record`]: a streamed answer → records → canonical text
//! - [`repair`]: a record that is not quite one
//! - [`hash`], [`row`], [`index`], [`spool`]: what is compared, what is kept of it and where it waits
//! - [`planner`], [`plan`], [`guard`]: what is done with it
//! - [`restore`]: the plan that brings deleted rows back
//!
//! Nothing here knows HTTP or a SQL dialect.

pub mod bounds;
pub mod frame;
pub mod guard;
pub mod hash;
pub mod index;
pub mod plan;
pub mod planner;
pub mod record;
mod remembered;
pub mod repair;
pub mod restore;
pub mod row;
pub mod spool;
pub mod table;

pub use index::{Hold, Index};
pub use plan::{Plan, ScopePlan};
pub use planner::Planner;
pub use remembered::Remembered;
pub use restore::Restorer;
pub use table::{Column, Deletion, Kind, Table};
