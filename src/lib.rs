//! *Zerkalo* (зеркало, mirror) keeps a SQL database as a mirror of a restaurant chain's iiko server and its `FinTablo`
//! account. One binary: cron, a systemd timer or a person starts it; it runs and exits.
//!
//! One way through: **fetch → plan → apply**. A complete, checked answer is compared with what the database holds, by
//! content hash; the plan that comes out is printed (`--dry-run`), refused by the guard, or applied in one transaction
//! with its log row.
//!
//! The house:
//!
//! - [`cli`]: the command line; one file a subcommand
//! - [`config`]: settings: file < environment < flag
//! - [`context`], [`clock`]: what one run shares; the only clock
//! - [`engine`]: a streamed answer → records → plan; knows no HTTP and no SQL dialect
//! - [`tables`]: every mirrored table as data
//! - [`store`]: the only place with SQL: `PostgreSQL`, `SQLite`, migrations, locks
//! - [`http`], [`iiko`], [`fintablo`], [`iiko_cloud`], [`sheets`]: the upstreams
//! - [`telegram`]: messages to chats, each at most once
//! - [`schedule`]: slots, grace, the business date
//! - [`days`]: days that people type and files give
//! - [`documents`]: the outbox: documents that are posted to iiko, each at most once
//! - [`jobs`]: a job is a list of steps; locks, signals and the report around them
//! - [`doctor`]: tries everything that a run needs
//! - [`heartbeat`], [`metrics`]: who notices a job that did not run
//! - [`report`], [`printer`], [`logging`]: what a run says
//! - [`process`]: no core dumps, and the end at a second signal
//! - [`error`]: what can go wrong, and the exit codes
//! - `files`: files that are read because somebody names them, and files of our own
//! - `fuzzing`: every parser as a target of the fuzzers, in builds with the feature for it
//! - `redact`: takes our own secrets out of foreign words
//! - `unread`: stderr when nobody reads it
//! - [`testing`]: where the acceptance stories kill a process, in builds with the feature for it
//! - [`sandbox`]: stand-in upstreams on loopback, for `demo`, for tests, and to try things against

pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod days;
pub mod doctor;
pub mod documents;
pub mod engine;
pub mod error;
mod files;
pub mod fintablo;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod heartbeat;
pub mod http;
pub mod iiko;
pub mod iiko_cloud;
pub mod jobs;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod names;
pub mod printer;
pub mod process;
mod redact;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod sheets;
pub mod store;
pub mod tables;
pub mod telegram;
pub mod testing;
mod unread;
