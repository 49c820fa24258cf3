//! `zerkalo full-morning`: mirror everything.

use clap::Args;

use super::sync::{Mirror, Source};

const EXAMPLES: &str = "\
Examples:
  zerkalo full-morning --dry-run
  zerkalo full-morning --skip stock -q";

/// Arguments of `zerkalo full-morning`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Leave out a step (iiko, fintablo, stock); repeatable
    #[arg(long, value_enum, value_name = "STEP", hide_possible_values = true)]
    pub skip: Vec<Source>,
    /// How it is mirrored
    #[command(flatten)]
    pub mirror: Mirror,
}
