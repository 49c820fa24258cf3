//! What a run of the report did, as a value, and its renderings: the text that staff read, JSON for machines.

use super::Day;
use crate::{report::RunReport, store::delivery::Delivery};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The report of a day, and who has got it.
#[derive(Debug, Default)]
pub struct Report {
    /// The run; none until it has ended.
    pub run: Option<RunReport>,
    /// The day; none when it could not be read, or need not.
    pub day: Option<Day>,
    /// The text, as it is sent.
    pub text: Option<String>,
    /// Who has got it: the text and the picture, a row for each chat.
    pub deliveries: Vec<Delivery>,
}

impl Report {
    /// The run's exit code.
    pub fn exit_code(&self) -> u8 {
        self.run.as_ref().map_or(0, RunReport::exit_code)
    }

    /// The one object that `--json` prints: the run's, the day, the text, and who has got it.
    pub fn to_json(&self) -> Value {
        let mut report = self.run.as_ref().map(RunReport::to_json).unwrap_or_default();
        report["day"] = self.day.as_ref().map(Day::to_json).into();
        report["text"] = json!(self.text);
        report["deliveries"] = json!(self.deliveries);
        report
    }

    /// The result for people: the text, what is wrong, and one closing line.
    pub fn shown(&self, colour: bool) -> String {
        let mut out = String::new();
        if let Some(text) = &self.text {
            let _ = writeln!(out, "{text}\n");
        }
        let Some(run) = &self.run else { return out };
        out.push_str(&(run.remarks(colour) + &run.notes(colour)));
        if let Some(note) = run.slot.as_ref().and_then(|slot| slot.note.as_ref()) {
            let _ = writeln!(out, "{note}");
        }
        if run.dry_run {
            out.push_str("dry run: nothing was sent, nothing was written\n");
        }
        let code = run.exit_code();
        let word = match code {
            0 => "done in",
            4 => "done with warnings in",
            _ => "failed after",
        };
        let _ = write!(out, "{word} {}: {}exit {code}", crate::report::duration(run.duration), self.sent());
        out
    }

    /// `text: 2 sent; photo: 1 sent, 1 failed, `
    fn sent(&self) -> String {
        let mut kinds: Vec<(&str, Vec<(&str, usize)>)> = Vec::new();
        for delivery in &self.deliveries {
            if kinds.last().is_none_or(|(kind, _)| *kind != delivery.kind) {
                kinds.push((&delivery.kind, Vec::new()));
            }
            let Some((_, states)) = kinds.last_mut() else { continue };
            match states.iter_mut().find(|(state, _)| *state == delivery.state.name()) {
                Some((_, count)) => *count += 1,
                None => states.push((delivery.state.name(), 1)),
            }
        }
        let kind = |(kind, states): &(&str, Vec<(&str, usize)>)| {
            let counts: Vec<String> =
                states.iter().map(|(state, count)| format!("{count} {state}")).collect();
            format!("{kind} {}, ", counts.join(", "))
        };
        kinds.iter().map(kind).collect()
    }
}
