//! `zerkalo migrate`: bring the database's tables up to this version.

use clap::Args;

/// Arguments of `zerkalo migrate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// List what would be applied; change nothing
    #[arg(long)]
    pub dry_run: bool,
}
