//! The `zerkalo` binary: parse, choose the TLS provider, run, return the exit code.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::Parser as _;
use zerkalo::{
    cli::{self, Cli, printer},
    error::Kind,
    process,
};

fn main() -> ExitCode {
    process::keep_memory();
    printer::quiet_panics();
    // Fails only when a provider is there already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout, mistakes to stderr; a closed pipe changes neither.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.exit_code()));
        }
    };
    // Nothing is used after a panic but the exit code.
    catch_unwind(AssertUnwindSafe(|| cli::run(&cli)))
        .unwrap_or_else(|_| ExitCode::from(Kind::Internal.exit_code()))
}
