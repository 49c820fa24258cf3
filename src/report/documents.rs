//! What a run did with documents, as a value, and its renderings: tables for people, JSON for machines, Russian for the
//! staff.

use super::{
    grid::{Column, align, fitting, lines_of, plain},
    history::local,
};
use crate::{
    decimal::amount,
    error::quote,
    humanize::number,
    model::{
        documents::{
            Kind,
            row::{Row, State},
        },
        night::{Short, Skipped, Unmatched},
        report::RunReport,
    },
};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use comfy_table::{Cell, ColumnConstraint};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::fmt::Write as _;
use uuid::Uuid;

/// A document.
#[derive(Debug, Clone, Serialize)]
pub struct DocumentReport {
    /// Its number, which is its key.
    pub key: String,
    /// What it is.
    pub kind: Kind,
    /// Where from and where to, by name.
    pub title: String,
    /// The day that it belongs to.
    pub business_date: NaiveDate,
    /// How far it is.
    pub state: State,
    /// Its id in iiko.
    pub iiko_id: Option<Uuid>,
    /// The number that iiko shows, where it is not ours.
    pub iiko_number: Option<String>,
    /// `dateIncoming`.
    pub date_incoming: String,
    /// `comment`.
    pub comment: String,
    /// What it moves.
    pub lines: Vec<LineReport>,
    /// The sum of the quantities, whatever their units.
    pub total: String,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// When it was touched last.
    #[serde(serialize_with = "to_the_second")]
    pub updated_at: DateTime<Utc>,
}

fn to_the_second<S: Serializer>(moment: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&moment.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A line of a document.
#[derive(Debug, Clone, Serialize)]
pub struct LineReport {
    /// The product.
    pub product_id: Uuid,
    /// Its article.
    pub num: Option<String>,
    /// Its name.
    pub name: String,
    /// How much.
    pub amount: String,
    /// The unit's name.
    pub unit: Option<String>,
    /// The unit's id, if it is sent.
    pub unit_id: Option<Uuid>,
}

impl DocumentReport {
    /// What a row says.
    pub fn of(row: &Row) -> Self {
        let lines = row.payload.lines.iter().map(|line| LineReport {
            product_id: line.product,
            num: line.num.clone(),
            name: line.name.clone(),
            amount: amount::show(line.amount),
            unit: line.unit_name.clone(),
            unit_id: line.unit,
        });
        Self {
            key: row.key().to_owned(),
            kind: row.payload.kind,
            title: row.title.clone(),
            business_date: row.business_date,
            state: row.state,
            iiko_id: row.iiko_id,
            iiko_number: row.iiko_number.clone(),
            date_incoming: row.payload.date_incoming.format("%Y-%m-%dT%H:%M").to_string(),
            comment: row.payload.comment.clone(),
            lines: lines.collect(),
            total: amount::show(row.payload.total()),
            problem: row.last_error.clone().filter(|_| !matches!(row.state, State::Done | State::Planned)),
            updated_at: row.updated_at,
        }
    }

    /// The document as a table: what it moves, and the sum.
    pub fn table(&self, width: u16) -> String {
        let mut table = plain(width);
        table.set_header(["num", "product", "amount", "unit"]);
        for line in &self.lines {
            table.add_row([
                Cell::new(quote(line.num.as_deref().unwrap_or_default(), 40)),
                Cell::new(quote(&line.name, 80)),
                Cell::new(&line.amount),
                Cell::new(quote(line.unit.as_deref().unwrap_or_default(), 20)),
            ]);
        }
        align(&mut table, &[2]);
        // Where there is little room it is the name that is broken.
        for number in [0, 2] {
            if let Some(column) = table.column_mut(number) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        format!("{}\n{}", self.headline(width), lines_of(&table, "  "))
    }

    /// What else is known of it; moments are told in `zone`.
    pub fn details(&self, zone: Tz) -> String {
        let mut out =
            format!("  dateIncoming {}, comment: {}\n", self.date_incoming, quote(&self.comment, 200));
        if let Some(id) = self.iiko_id {
            let _ = writeln!(out, "  iiko's id {id}");
        }
        if let Some(number) = &self.iiko_number {
            let _ = writeln!(out, "  iiko calls it №{}", quote(number, 40));
        }
        if let Some(problem) = &self.problem {
            let _ = writeln!(out, "  {}", quote(problem, 300));
        }
        let _ = writeln!(out, "  touched {}", local(self.updated_at, zone));
        out
    }

    /// The number and what it is about, on a line each where they are wider than `width`.
    fn headline(&self, width: u16) -> String {
        let about = format!(
            "{}  {}  {} line{}, {} in all",
            quote(&self.title, 120),
            self.state.name(),
            number(self.lines.len() as u64),
            if self.lines.len() == 1 { "" } else { "s" },
            self.total
        );
        let line = format!("{}  {about}", self.key);
        if line.chars().count() > usize::from(width) { format!("{}\n  {about}", self.key) } else { line }
    }
}

/// What a run did with documents.
#[derive(Debug)]
pub struct Report {
    /// The run; none until it has ended.
    pub run: Option<RunReport>,
    /// The day that the run belongs to.
    pub business_date: NaiveDate,
    /// The restaurants that take part.
    pub restaurants: Vec<String>,
    /// The documents of the day; in a dry run those that would be made.
    pub documents: Vec<DocumentReport>,
    /// Documents of earlier days that are open.
    pub earlier: Vec<DocumentReport>,
    /// What is negative and not transferred.
    pub skipped: Vec<Skipped>,
    /// Sources that have less than is taken.
    pub short: Vec<Short>,
    /// What matches nothing, and what iiko has.
    pub unmatched: Vec<Unmatched>,
    /// What else is to be told.
    pub notes: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new(business_date: NaiveDate) -> Self {
        Self {
            run: None,
            business_date,
            restaurants: Vec::new(),
            documents: Vec::new(),
            earlier: Vec::new(),
            skipped: Vec::new(),
            short: Vec::new(),
            unmatched: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The report of a run that has ended.
    #[must_use]
    pub fn of(self, run: RunReport) -> Self {
        Self { run: Some(run), ..self }
    }

    /// The run's exit code.
    pub fn exit_code(&self) -> u8 {
        self.run.as_ref().map_or(0, RunReport::exit_code)
    }

    /// The one object that `--json` prints: the run's, and the documents.
    pub fn to_json(&self) -> Value {
        let mut report = self.run.as_ref().map(RunReport::to_json).unwrap_or_default();
        report["business_date"] = json!(self.business_date);
        report["restaurants"] = json!(self.restaurants);
        report["documents"] = json!(self.documents);
        report["earlier"] = json!(self.earlier);
        report["skipped"] = json!(self.skipped);
        report["short"] = json!(self.short);
        report["unmatched"] = json!(self.unmatched);
        report["notes"] = json!(self.notes);
        report
    }

    /// The result for people: a table a restaurant, what is skipped, what is wrong, and one closing line.
    pub fn table(&self, width: u16, colour: bool) -> String {
        let mut out = String::new();
        for (heading, documents) in self.by_restaurant() {
            let _ = writeln!(out, "{}", quote(&heading, 120));
            let mut total = Decimal::ZERO;
            let mut lines = 0;
            for document in &documents {
                let _ = writeln!(out, "{}", document.table(width));
                total += amount::parse(&document.total).unwrap_or_default();
                lines += document.lines.len() as u64;
            }
            let (count, total) = (number(documents.len() as u64), amount::show(total));
            let plural = if documents.len() == 1 { "" } else { "s" };
            let _ =
                writeln!(out, "total: {count} document{plural}, {} lines, {total} in all\n", number(lines));
        }
        self.tell_skipped(&mut out);
        for note in &self.notes {
            let _ = writeln!(out, "{note}");
        }
        if let Some(run) = &self.run {
            out.push_str(&(run.remarks(colour) + &run.notes(colour)));
            if let Some(note) = run.slot.as_ref().and_then(|slot| slot.note.as_ref()) {
                let _ = writeln!(out, "{note}");
            }
            out.push_str(&self.closing(run));
        }
        out
    }

    fn tell_skipped(&self, out: &mut String) {
        if !self.skipped.is_empty() {
            let _ = writeln!(out, "not transferred:");
        }
        for item in &self.skipped {
            let what = match (&item.product, &item.amount) {
                (Some(product), Some(amount)) => format!(": {} ({amount})", quote(product, 80)),
                (Some(product), None) => format!(": {}", quote(product, 80)),
                (None, _) => String::new(),
            };
            let _ = writeln!(out, "  {}{what}: {}", quote(&item.store, 80), item.reason);
        }
        if !self.short.is_empty() {
            let _ = writeln!(out, "taken although there is less of it:");
        }
        for short in &self.short {
            let has = short.has.map_or_else(|| "nobody knows how much".to_owned(), amount::show);
            let taken = amount::show(short.taken);
            let _ = writeln!(
                out,
                "  {}: {}: has {has}, {taken} is taken",
                quote(&short.store, 80),
                quote(&short.product, 80)
            );
        }
    }

    fn closing(&self, run: &RunReport) -> String {
        let mut parts = Vec::new();
        for state in State::ALL {
            let count = self.documents.iter().filter(|document| document.state == state).count();
            if count > 0 {
                parts.push(format!("{} {}", number(count as u64), state.name()));
            }
        }
        if parts.is_empty() {
            parts.push("no documents".to_owned());
        }
        let code = run.exit_code();
        let word = match code {
            0 => "done in",
            4 => "done with warnings in",
            _ if self.documents.iter().any(|document| document.state == State::Done) => {
                "failed in part after"
            }
            _ => "failed after",
        };
        let dry = if run.dry_run { "dry run: nothing was sent, nothing was written\n" } else { "" };
        format!("{dry}{word} {}: {}, exit {code}", crate::humanize::duration(run.duration), parts.join(", "))
    }

    /// The documents by restaurant, in their order.
    pub(super) fn by_restaurant(&self) -> Vec<(String, Vec<&DocumentReport>)> {
        let mut restaurants: Vec<(String, Vec<&DocumentReport>)> = Vec::new();
        for document in &self.documents {
            let name = document.restaurant();
            match restaurants.iter_mut().find(|(known, _)| *known == name) {
                Some((_, documents)) => documents.push(document),
                None => restaurants.push((name, vec![document])),
            }
        }
        restaurants
    }
}

impl DocumentReport {
    /// The restaurant of a transfer: what its target has in brackets. Else the whole title.
    fn restaurant(&self) -> String {
        let target = self.target();
        let name = target.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        name.filter(|_| self.kind == Kind::Transfer).unwrap_or(&self.title).to_owned()
    }

    /// Where the goods go.
    pub(super) fn target(&self) -> &str {
        self.title.rsplit_once(" → ").map_or(self.title.as_str(), |(_, target)| target)
    }
}

/// A number is copied into the next command; it begins with the date. Where there is little room it is the names that
/// are broken.
const LIST: [Column; 7] = [
    Column::text("number", 0),
    Column::text("date", 2),
    Column::text("state", 0),
    Column::text("from → to", 0).enough(12),
    Column::number("lines", 3),
    Column::number("in all", 1),
    Column::text("touched", 4),
];

/// Documents as a list, one line each; moments are told in `zone`.
pub fn list(documents: &[DocumentReport], zone: Tz, width: u16) -> String {
    let cells = |document: &DocumentReport| {
        vec![
            Cell::new(&document.key),
            Cell::new(document.business_date),
            Cell::new(document.state.name()),
            Cell::new(quote(&document.title, 80)),
            Cell::new(number(document.lines.len() as u64)),
            Cell::new(&document.total),
            Cell::new(local(document.updated_at, zone)),
        ]
    };
    let rows: Vec<Vec<Cell>> = documents.iter().map(cells).collect();
    let mut out = fitting(&LIST, &rows, width, false);
    for document in documents {
        if let Some(number) = &document.iiko_number {
            let _ = writeln!(out, "{}: iiko calls it №{}", document.key, quote(number, 40));
        }
        if let Some(problem) = &document.problem {
            let _ = writeln!(out, "{}: {}", document.key, quote(problem, 300));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_is_no_wider_than_the_terminal() {
        let document = DocumentReport {
            key: "T261122-1d4355a8".to_owned(),
            kind: Kind::Transfer,
            title: "Хоз. товары (Московский) → Бар (Московский)".to_owned(),
            business_date: NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(),
            state: State::Done,
            iiko_id: None,
            iiko_number: None,
            date_incoming: "2026-11-22T23:00".to_owned(),
            comment: String::new(),
            lines: Vec::new(),
            total: "0".to_owned(),
            problem: None,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let about = "Хоз. товары (Московский) → Бар (Московский)  done  0 lines, 0 in all";
        assert_eq!(document.headline(120), format!("{}  {about}", document.key));
        assert_eq!(document.headline(80), format!("{}\n  {about}", document.key));
    }
}
