//! What a reading of the stop-list has changed, by name.

use super::grid::{align, lines_of, plain};
use crate::{error::quote, humanize::number, model::stop_changes::StopChanges};
use std::fmt::Write as _;

/// How many lines of what stayed are shown; `--json` and `-v` have them all.
const STAYED: usize = 20;

impl StopChanges {
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
