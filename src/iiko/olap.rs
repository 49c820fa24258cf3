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
            let mut report = Report::default();
            let mut seen = HashSet::new();
            xml::records(answer, xml::Form { root: None, record: "r", lists: &[] }, |record| {
                if report.rows.len() + report.rejected.len() == MAX_ROWS {
                    return Err(refused(&format!("it has more than {MAX_ROWS} rows")));
                }
                let row = match record {
                    xml::Record::Whole(json) => row(query, json)?,
                    xml::Record::Broken(bytes, why) => {
                        let told = query.groups.iter().filter_map(|field| xml::element(bytes, field));
                        let told = quote(&told.collect::<Vec<_>>().join(", "), 160);
                        report.rejected.push(format!("{told}: {why}"));
                        return Ok(());
                    }
                };
                if !seen.insert(digest(query.groups.iter().map(|field| row.get(field)))) {
                    return Err(refused("two rows have the same groups"));
                }
                report.rows.push(row);
                Ok(())
            })
            .await?;
            Ok(report)
        })
        .await
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
