//! What a run of the report did, as a value, and its renderings: the text that staff read, JSON for machines.

use super::Day;
use crate::{
    model::report::RunReport,
    store::delivery::{Delivery, DeliveryState},
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// This run has sent it.
const SENT: &str = "sent";
/// A run before this one has.
const EARLIER: &str = "have it already";

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
        let _ = write!(out, "{word} {}: {}exit {code}", crate::humanize::duration(run.duration), self.sent());
        out
    }

    /// `text 2 sent, photo 1 sent, 1 failed, `; what a chat has from an earlier run was not sent by this one: `text 0 sent,
    /// 2 have it already, `.
    fn sent(&self) -> String {
        let run = self.run.as_ref().map(|run| run.run_id.to_string());
        let mut kinds: Vec<(&str, Vec<(&str, usize)>)> = Vec::new();
        for delivery in &self.deliveries {
            if kinds.last().is_none_or(|(kind, _)| *kind != delivery.kind) {
                kinds.push((&delivery.kind, vec![(SENT, 0)]));
            }
            let Some((_, states)) = kinds.last_mut() else { continue };
            let is_earlier = run.as_ref() != Some(&delivery.run_id);
            let word = match delivery.state {
                DeliveryState::Sent if is_earlier => EARLIER,
                DeliveryState::Sent => SENT,
                other => other.name(),
            };
            match states.iter_mut().find(|(state, _)| *state == word) {
                Some((_, count)) => *count += 1,
                None => states.push((word, 1)),
            }
        }
        let kind = |(kind, states): &(&str, Vec<(&str, usize)>)| {
            // That nothing was sent is said where nothing else is told.
            let says_none = states.iter().all(|(state, count)| *count == 0 || *state == EARLIER);
            let counts: Vec<String> = states
                .iter()
                .filter(|(_, count)| *count > 0 || says_none)
                .map(|(state, count)| match (*state, count) {
                    (EARLIER, 1) => "1 has it already".to_owned(),
                    (state, count) => format!("{count} {state}"),
                })
                .collect();
            format!("{kind} {}, ", counts.join(", "))
        };
        kinds.iter().map(kind).collect()
    }
}
