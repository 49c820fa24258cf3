//! `zerkalo demo`: see it work without a server of one's own.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Arguments of `zerkalo demo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Keep the database and the settings in this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
}
