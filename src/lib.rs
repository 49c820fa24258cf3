//! *Zerkalo* (зеркало, mirror) keeps a SQL database as a mirror of a restaurant chain's iiko server and its `FinTablo`
//! account. One binary: cron, a systemd timer or a person starts it; it runs and exits.
//!
//! One way through: **fetch → plan → apply**. A complete, checked answer is compared with what the database holds, by
//! content hash; the plan that comes out is printed (`--dry-run`), refused by the guard, or applied in one transaction
//! with its log row.
//!
//! The house, from the ground up; a room uses only rooms above it in this list:
//!
//! - `redact`: takes our own secrets out of foreign words
//! - [`error`]: what can go wrong, and the exit codes
//! - [`clock`], [`days`]: the only clock; days that people type and files give
//! - [`humanize`], [`names`], [`decimal`]: numbers and durations for people, names as people type them, exact decimals
//! - `files`: files that are read because somebody names them, and files of our own
//! - [`process`]: no core dumps, and the end at a second signal
//! - [`progress`]: where a run shows how far it is
//! - [`failpoints`]: where the acceptance stories kill a process, in builds with the feature for it
//! - `fuzzed`: what the fuzz targets of several rooms share, in builds with the feature for it
//! - [`schedule`]: slots, grace, the business date
//! - [`model`]: plain values: reports, documents, findings
//! - [`engine`]: a streamed answer → records → plan; knows no HTTP and no SQL dialect
//! - [`tables`]: every mirrored table as data
//! - [`registry`]: what is run, as data: jobs and steps
//! - [`config`]: settings: file < environment < flag
//! - [`http`]: the only place with requests
//! - [`store`]: the only place with SQL: `PostgreSQL`, `SQLite`, migrations, locks
//! - [`upstreams`]: iiko, iikoCloud, FinTablo, Google Sheets, Telegram
//! - [`report`]: rendering: text, table, JSON, picture, metrics file
//! - [`jobs`]: a job is a list of steps; locks, signals, the outbox, the doctor and the report around them
//! - [`sandbox`]: stand-in upstreams on loopback, for `demo`, for tests, and to try things against
//! - [`cli`]: the command line, one file a subcommand; what is printed and logged
//! - `fuzzing`: every parser as a target of the fuzzers, in builds with the feature for it

pub mod cli;
pub mod clock;
pub mod config;
pub mod days;
pub mod decimal;
pub mod engine;
pub mod error;
pub mod failpoints;
mod files;
#[cfg(feature = "fuzzing")]
mod fuzzed;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod http;
pub mod humanize;
pub mod jobs;
pub mod model;
pub mod names;
pub mod process;
pub mod progress;
mod redact;
pub mod registry;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod store;
pub mod tables;
pub mod upstreams;
