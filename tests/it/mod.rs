//! - [`expected`]: what the mirror of a world must hold
//! - [`harness`]: a sandbox, a database and the binary, as one value
//! - [`postgres`]: the private server
//! - [`rows`]: what a table holds, as text that is equal on both databases

mod expected;
mod harness;
mod postgres;
mod rows;
mod shelf;
mod widget;

mod answers;
mod changes;
mod dry_run;
mod first_run;
mod guard;
mod hands;
mod pages;
mod records;
mod schema;
mod source;
mod upstream;
