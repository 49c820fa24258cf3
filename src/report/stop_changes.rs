//! What a reading of the stop-list has changed, by name.

use super::{
    grid::{align, lines_of, plain},
    number,
};
use crate::error::quote;
use serde::Serialize;
use std::fmt::Write as _;
use uuid::Uuid;

/// What entered, left, changed and stayed since the reading before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StopChanges {
    /// New in the stop-list.
    pub entered: Vec<Line>,
    /// No longer in it.
    pub left: Vec<Line>,
    /// With another balance.
    pub changed: Vec<Line>,
    /// As before.
    pub stayed: Vec<Line>,
    /// As before, because the answer does not speak of them.
    pub unconfirmed: Vec<Line>,
}

/// A product in the stop-list of a terminal group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Line {
    /// The product's name, or `unknown:<id>`.
    pub name: String,
    /// The organization's name; its id where the answer has none.
    pub organization: String,
    /// The terminal group's name; its id where the answer has none.
    pub terminal_group: String,
    /// The product.
    pub product_id: Uuid,
    /// The size, if it has one.
    pub size_id: Option<Uuid>,
    /// How much can still be sold, a decimal; of what has left, the last one.
    pub balance: Option<String>,
    /// The balance before, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// How many lines of what stayed are shown; `--json` and `-v` have them all.
const STAYED: usize = 20;

impl StopChanges {
    /// Sorts each list by names.
    pub fn sort(&mut self) {
        for list in
            [&mut self.entered, &mut self.left, &mut self.changed, &mut self.stayed, &mut self.unconfirmed]
        {
            // Names in iiko have spaces around them now and then.
            list.sort_by(|one, other| one.name.trim().cmp(other.name.trim()).then_with(|| one.cmp(other)));
        }
    }

    /// The table for people, no wider than `width`; empty for an empty stop-list.
    pub(super) fn table(&self, width: u16, full: bool) -> String {
        let all = [
            ("entered", &self.entered),
            ("left", &self.left),
            ("changed", &self.changed),
            ("unconfirmed", &self.unconfirmed),
            ("stayed", &self.stayed),
        ];
        let most = |word: &str| if word == "stayed" && !full { STAYED } else { usize::MAX };
        let mut table = plain(width);
        table.set_header(["change", "product", "organization", "terminal group", "balance"]);
        for (word, lines) in all {
            for line in lines.iter().take(most(word)) {
                let balance = line.balance.as_deref().unwrap_or_default();
                let was = line.was.as_deref().map(|was| format!("{was} → ")).unwrap_or_default();
                let names =
                    [&line.name, &line.organization, &line.terminal_group].map(|name| quote(name, 80));
                let [product, organization, group] = names;
                table.add_row([word.to_owned(), product, organization, group, format!("{was}{balance}")]);
            }
        }
        if table.is_empty() {
            return String::new();
        }
        align(&mut table, &[4]);
        let mut out = lines_of(&table, "");
        let more = self.stayed.len().saturating_sub(most("stayed"));
        if more > 0 {
            let _ = writeln!(out, "… and {} more that stayed; -v shows all", number(more as u64));
        }
        out
    }
}
