//! What a night's transfers leave out, and what matches nothing.

use crate::{decimal::amount, error::quote};
use rust_decimal::Decimal;
use serde::Serialize;
use std::fmt;

/// Something negative that is not transferred.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// The store.
    pub store: String,
    /// The product; none for a whole store.
    pub product: Option<String>,
    /// Its article.
    pub num: Option<String>,
    /// How much is missing there.
    pub amount: Option<String>,
    /// Why, in one sentence without a full stop.
    pub reason: String,
}

/// A product of which a source has less than is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Short {
    /// The source.
    pub store: String,
    /// The product.
    pub product: String,
    /// How much it has; none where the report gives no amount.
    #[serde(serialize_with = "amount::optional_text::serialize")]
    pub has: Option<Decimal>,
    /// How much is taken.
    #[serde(serialize_with = "shown")]
    pub taken: Decimal,
}

fn shown<S: serde::Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&amount::show(*amount))
}

/// What matches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// `transfer.source_prefix`.
    Source,
    /// One of `transfer.target_prefixes`.
    Target,
    /// Both have stores, but of no restaurant in common.
    Restaurant,
    /// `transfer.product_group`.
    ProductGroup,
    /// The whole report.
    Report,
    /// Every store that takes, in the report.
    Stores,
    /// A store of the mirror in the report.
    Store,
}

/// Something that matches nothing, and what there is in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// What it is.
    pub what: What,
    /// How it is called; of several stores all their names; of a report how many rows the last one had.
    pub wanted: String,
    /// What iiko has, sorted.
    pub has: Vec<String>,
    /// Whether nothing may be posted because of it.
    pub stops: bool,
}

/// How many names are told at most.
pub const TOLD: usize = 12;

impl Unmatched {
    /// The names that iiko has, each as `show` has it, and how many more there are.
    pub fn names(&self, show: impl Fn(&str) -> String) -> (Vec<String>, usize) {
        let told = self.has.iter().take(TOLD).map(|name| show(&quote(name, 60))).collect();
        (told, self.has.len().saturating_sub(TOLD))
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = quote(&self.wanted, 60);
        match self.what {
            What::Source | What::Target => write!(formatter, "no store is called `{wanted} (…)`")?,
            What::Restaurant => {
                write!(formatter, "no restaurant has a store `{wanted} (…)` and one to take from it")?;
            }
            What::ProductGroup => {
                write!(formatter, "no product of the report is in the top group `{wanted}`")?;
            }
            What::Report if self.stops => {
                write!(formatter, "iiko's report has no rows, and the last one had {wanted}")?;
            }
            What::Report => {
                write!(formatter, "iiko's report has no rows, so nothing is known of the balances")?;
            }
            What::Stores => write!(formatter, "the report has no row of any target store, {}", self.wanted)?,
            What::Store => {
                write!(
                    formatter,
                    "the report has nothing of `{wanted}`, and a store that the mirror does not know"
                )?;
            }
        }
        let (names, more) = self.names(|name| format!("`{name}`"));
        if !names.is_empty() {
            let whose = if self.what == What::Stores { "the report" } else { "iiko" };
            write!(formatter, "; {whose} has {}", names.join(", "))?;
        }
        if more > 0 { write!(formatter, " and {more} more") } else { Ok(()) }
    }
}
