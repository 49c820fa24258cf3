//! - [`expected`]: what the mirror of a world must hold
//! - [`harness`]: a sandbox, a database and the binary, as one value
//! - [`postgres`]: the private server
//! - [`process`]: the binary while it runs: held, signalled, killed
//! - [`rows`]: what a table holds, as text that is equal on both databases

mod expected;
#[expect(dead_code, reason = "the stories that use the rest come in the next commits")]
mod harness;
mod postgres;
mod process;
#[expect(dead_code, reason = "the stories that use the rest come in the next commits")]
mod rows;
mod widget;

mod bad_input;
mod first_run;
mod kills;
mod locks;
mod secrets;
mod signals;
