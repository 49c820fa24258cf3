//! OLAP reports, version 1: XML, rows keyed by the names of the fields that were asked for.
//!
//! Facts are those of the official iikoServer REST API documentation: `groupRow` and `agr` fields, seven at most, dates as
//! `DD.MM.YYYY`, both included, no summary. The root's name differs between servers and the order of the fields is
//! arbitrary. Values are texts as the server writes them; nothing is guessed from how one looks.

use super::{Client, xml};
use crate::{
    error::{Failure, Kind, Result, quote},
    http::{Accept, Request},
};
use chrono::NaiveDate;
use hashbrown::{HashMap, HashSet};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

/// The longest report that is read, in bytes.
const MAX_REPORT: u64 = 64 << 20;
/// The most rows of it: they are held until the night's documents are planned.
const MAX_ROWS: usize = 100_000;

/// A report of postings.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// `TRANSACTIONS`, ….
    pub report: &'a str,
    /// The first and the last day.
    pub days: (NaiveDate, NaiveDate),
    /// The fields whose values tell the rows apart.
    pub groups: &'a [&'a str],
    /// The fields that are summed up.
    pub aggregates: &'a [&'a str],
}

/// What a report says.
#[derive(Debug, Default)]
pub struct Report {
    /// Its rows.
    pub rows: Vec<Row>,
    /// The rows that cannot be read, by what can be told of their groups, and why.
    pub rejected: Vec<String>,
}

/// A row: the value of each field that was asked for; none where the server has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(HashMap<String, Option<String>>);

impl Row {
    /// The value of a field as the server wrote it; none where it has none.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_deref()
    }
}

impl<const N: usize> From<[(&str, Option<&str>); N]> for Row {
    fn from(fields: [(&str, Option<&str>); N]) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect())
    }
}

impl Client {
    /// Reads a report to its end. Refused when it is cut or foreign, when a row lacks a field, or when two rows have the
    /// same groups; a row that is not well-formed leaves the others alone.
    pub async fn report(&self, query: &Query<'_>) -> Result<Report> {
        let day = |date: NaiveDate| date.format("%d.%m.%Y").to_string();
        let (from, to) = (day(query.days.0), day(query.days.1));
        let request = Request::get("reports/olap", Accept::Xml)
            .query([("report", query.report), ("from", &from), ("to", &to), ("summary", "false")])
            .query(query.groups.iter().map(|field| ("groupRow", *field)))
            .query(query.aggregates.iter().map(|field| ("agr", *field)))
            .total(self.report_time())
            .max_answer(MAX_REPORT);
        self.read(&request, async |answer| {
            let mut reading = Reading { query, seen: HashSet::new(), report: Report::default() };
            xml::records(answer, FORM, |record| reading.take(record)).await?;
            Ok(reading.report)
        })
        .await
    }
}

/// What a report looks like.
const FORM: xml::Form = xml::Form { root: None, record: "r", lists: &[] };

/// What was read of a report so far.
struct Reading<'a> {
    query: &'a Query<'a>,
    seen: HashSet<u128>,
    report: Report,
}

impl Reading<'_> {
    fn take(&mut self, record: xml::Record<'_>) -> Result<()> {
        if self.report.rows.len() + self.report.rejected.len() == MAX_ROWS {
            return Err(refused(&format!("it has more than {MAX_ROWS} rows")));
        }
        let groups = self.query.groups.iter();
        let row = match record {
            xml::Record::Whole(json) => row(self.query, json)?,
            xml::Record::Broken(bytes, why) => {
                let told = groups.filter_map(|field| xml::element(bytes, field));
                let told = quote(&told.collect::<Vec<_>>().join(", "), 160);
                self.report.rejected.push(format!("{told}: {why}"));
                return Ok(());
            }
        };
        if !self.seen.insert(digest(groups.map(|field| row.get(field)))) {
            return Err(refused("two rows have the same groups"));
        }
        self.report.rows.push(row);
        Ok(())
    }
}

/// What tells a row from others, in few bytes.
fn digest<'a>(values: impl Iterator<Item = Option<&'a str>>) -> u128 {
    let mut text = Vec::new();
    for value in values {
        let length = value.map_or(u64::MAX, |value| value.len() as u64);
        text.extend_from_slice(&length.to_le_bytes());
        text.extend_from_slice(value.unwrap_or_default().as_bytes());
    }
    xxh3_128(&text)
}

fn row(query: &Query<'_>, record: &[u8]) -> Result<Row> {
    let mut record: Map<String, Value> =
        serde_json::from_slice(record).map_err(|error| refused("a row cannot be read").source(error))?;
    let mut fields = HashMap::new();
    for field in query.groups.iter().chain(query.aggregates) {
        let value = match record.remove(*field) {
            Some(Value::String(text)) => Some(text),
            Some(Value::Null) => None,
            Some(_) => return Err(refused(&format!("`{}` of a row is no text", quote(field, 60)))),
            None => return Err(refused(&format!("a row lacks `{}`", quote(field, 60)))),
        };
        fields.insert((*field).to_owned(), value);
    }
    Ok(Row(fields))
}

fn refused(why: &str) -> Failure {
    Failure::new(
        Kind::InvalidAnswer,
        format!("iiko reports/olap: the answer is not the expected report: {why}"),
    )
    .hint("nothing was planned; start this again, and if it stays so, look at the server's version")
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{FORM, HashSet, Kind, NaiveDate, Query, Reading, Report, xml};

    /// Reads the report of a night.
    pub(crate) fn survive(bytes: &[u8]) {
        let day = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day");
        let (groups, aggregates) = (["Store", "Product.Name"], ["FinalBalance.Amount", "FinalBalance.Money"]);
        let query =
            Query { report: "TRANSACTIONS", days: (day, day), groups: &groups, aggregates: &aggregates };
        let mut reading = Reading { query: &query, seen: HashSet::new(), report: Report::default() };
        let Some(records) = xml::fuzzed::checked(bytes, FORM) else { return };
        let count = records.len();
        for (bytes, json) in &records {
            let record =
                json.as_deref().map_or(xml::Record::Broken(bytes, "it is broken"), xml::Record::Whole);
            if let Err(failure) = reading.take(record) {
                return crate::fuzzed::check_failure(&failure, Kind::InvalidAnswer);
            }
        }
        let Report { rows, rejected } = reading.report;
        assert_eq!(rows.len() + rejected.len(), count, "each row is there or told of");
        let told: HashSet<_> = rows.iter().map(|row| groups.map(|field| row.get(field))).collect();
        assert_eq!(told.len(), rows.len(), "no two rows are of the same");
    }
}
