//! A write-off act as a person writes it: JSON, or CSV with a header.

use crate::{
    days,
    decimal::amount,
    error::{Failure, Kind, Result, quote},
    files::named,
};
use chrono::{NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{collections::BTreeSet, fmt, path::Path};

/// No act is longer, in bytes: some 100,000 lines.
const LONGEST: u64 = 8 << 20;

/// An act, before its names are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Act {
    /// The store, by id or name.
    pub store: String,
    /// The account, by id, code or name.
    pub account: String,
    /// The day, and the time of day if it is told. Never taken from the clock: the same file would say something else after
    /// midnight.
    pub date: Option<Day>,
    /// The comment.
    pub comment: Option<String>,
    /// What is written off.
    pub items: Vec<Item>,
}

/// A day, perhaps with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// The day.
    Date(NaiveDate),
    /// The moment, local time.
    Time(NaiveDateTime),
}

impl Day {
    /// The day.
    pub fn date(self) -> NaiveDate {
        match self {
            Self::Date(date) => date,
            Self::Time(time) => time.date(),
        }
    }
}

/// A line of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it stands in the file: the line of a CSV, the number of a JSON item.
    pub line: u64,
    /// How the product is named, what tells it apart best first. All of them must name the same one.
    pub names: Vec<Wanted>,
    /// How much.
    pub amount: Decimal,
}

/// How a product is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Id, article or name, whichever it is.
    Any(String),
    /// Its id.
    Id(String),
    /// Its article.
    Num(String),
    /// Its name.
    Name(String),
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, text) = match self {
            Self::Any(text) => ("", text),
            Self::Id(text) => ("id ", text),
            Self::Num(text) => ("article ", text),
            Self::Name(text) => ("name ", text),
        };
        write!(formatter, "{what}`{}`", quote(text, 60))
    }
}

/// What is wrong with an act, line by line.
#[derive(Debug, Default)]
pub struct Faults(Vec<(u64, String)>);

impl Faults {
    /// Adds a fault of a line.
    pub fn add(&mut self, line: u64, text: impl Into<String>) {
        self.0.push((line, text.into()));
    }

    /// Fails with all faults, by their lines, if there are any.
    pub fn check(mut self, file: &str) -> Result<()> {
        self.0.sort();
        let told: Vec<String> = self.0.iter().take(10).map(|(line, text)| told(*line, text)).collect();
        if told.is_empty() {
            return Ok(());
        }
        let more = if self.0.len() > told.len() {
            format!("; … and {} more", self.0.len() - told.len())
        } else {
            String::new()
        };
        Err(Failure::new(Kind::Usage, format!("{file}: {}{more}", told.join("; ")))
            .hint("nothing was posted; put the lines right, then start this again with --dry-run"))
    }
}

/// A fault and where it is; what stands outside the items of a JSON has no line.
fn told(line: u64, text: &str) -> String {
    if line == 0 { text.to_owned() } else { format!("line {line}: {text}") }
}

/// Reads an act from a file: JSON when it begins with a brace, else CSV.
pub fn read(path: &Path) -> Result<Act> {
    let name = path.display().to_string();
    let bytes = named::read(path, LONGEST)
        .map_err(|error| unreadable(&name, "the file cannot be read").source(error))?;
    parse(&name, bytes)
}

fn unreadable(file: &str, text: &str) -> Failure {
    Failure::new(Kind::Usage, format!("{file}: {text}"))
        .hint("an act is a JSON object or a CSV with a header; `zerkalo writeoff --help` shows both")
}

/// Reads the act that a file holds.
pub(crate) fn parse(name: &str, bytes: Vec<u8>) -> Result<Act> {
    let unreadable = |text: &str| unreadable(name, text);
    let text = String::from_utf8(bytes).map_err(|_| unreadable("the file is not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}');
    let act = if text.trim_start().starts_with('{') {
        from_json(name, text).map_err(|error| match error {
            Broken::Faults(failure) => failure,
            Broken::Json(error) => unreadable("it is not the JSON of an act").source(error),
        })?
    } else {
        from_csv(name, text, &unreadable)?
    };
    if act.items.is_empty() {
        return Err(unreadable("it has no items"));
    }
    for (is_said, what) in
        [(!act.store.is_empty(), "store"), (!act.account.is_empty(), "account"), (act.date.is_some(), "date")]
    {
        if !is_said {
            return Err(unreadable(&format!("it does not say the {what}")));
        }
    }
    Ok(act)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonAct<'a> {
    store: String,
    account: String,
    date: Option<String>,
    comment: Option<String>,
    #[serde(borrow)]
    items: Vec<JsonItem<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonItem<'a> {
    product: Option<String>,
    id: Option<String>,
    num: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    amount: &'a RawValue,
}

enum Broken {
    Faults(Failure),
    Json(serde_json::Error),
}

fn from_json(file: &str, text: &str) -> Result<Act, Broken> {
    let json: JsonAct<'_> = serde_json::from_str(text).map_err(Broken::Json)?;
    let mut faults = Faults::default();
    let date = json.date.as_deref().and_then(|text| day(text, 0, &mut faults));
    let mut items = Vec::new();
    for (number, item) in json.items.iter().enumerate() {
        let line = number as u64 + 1;
        let names = [&item.product, &item.id, &item.num, &item.name].map(Option::as_deref);
        let text = item.amount.get();
        // A number keeps every digit that it has; a text may have them, too.
        let text = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned());
        items.extend(an_item(line, names, &text, &mut faults));
    }
    faults.check(file).map_err(Broken::Faults)?;
    let (store, account) = (json.store.trim().to_owned(), json.account.trim().to_owned());
    Ok(Act { store, account, date, comment: json.comment, items })
}

fn from_csv(file: &str, text: &str, unreadable: &dyn Fn(&str) -> Failure) -> Result<Act> {
    let header = text.lines().next().unwrap_or_default();
    let separator =
        [b';', b'\t', b','].into_iter().max_by_key(|sign| header.bytes().filter(|byte| byte == sign).count());
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator.unwrap_or(b','))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers =
        reader.headers().map_err(|error| unreadable("its header cannot be read").source(error))?.clone();
    let known = ["store", "account", "date", "comment", "product", "id", "num", "name", "amount"];
    if let Some(other) = headers.iter().find(|name| !known.contains(&name.to_lowercase().as_str())) {
        let text =
            format!("`{}` in its header is no column of an act: {}", quote(other, 40), known.join(", "));
        return Err(unreadable(&text));
    }
    // Of a column that is there twice one cell would be read and the other one not.
    let mut seen = BTreeSet::new();
    if let Some(twice) = headers.iter().find(|name| !seen.insert(name.to_lowercase())) {
        return Err(unreadable(&format!("its header has the column `{}` twice", twice.to_lowercase())));
    }
    let column = |name: &str| headers.iter().position(|header| header.to_lowercase() == name);
    let (mut act, mut comment, mut faults) = (Act::default(), String::new(), Faults::default());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, |position| line_of(text, position));
                faults.add(line, "it has another number of cells than the header");
                continue;
            }
        };
        let line = record.position().map_or(0, |position| line_of(text, position));
        let cell = |name: &str| column(name).and_then(|at| record.get(at)).filter(|text| !text.is_empty());
        same(&mut act.store, cell("store"), "store", line, &mut faults);
        same(&mut act.account, cell("account"), "account", line, &mut faults);
        if let Some(found) = cell("date").and_then(|text| day(text, line, &mut faults)) {
            match act.date {
                Some(date) if date != found => faults.add(line, "an act has one date"),
                _ => act.date = Some(found),
            }
        }
        same(&mut comment, cell("comment"), "comment", line, &mut faults);
        let names = ["product", "id", "num", "name"].map(cell);
        act.items.extend(an_item(line, names, cell("amount").unwrap_or_default(), &mut faults));
    }
    faults.check(file)?;
    act.comment = Some(comment).filter(|comment| !comment.is_empty());
    Ok(act)
}

/// The line on which a record begins; the reader counts the empty lines before it to the record.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + empty.filter(|byte| **byte == b'\n').count() as u64
}

/// A cell that an act has once: said on its first line, and on others left out or the same.
fn same(value: &mut String, cell: Option<&str>, what: &str, line: u64, faults: &mut Faults) {
    match cell {
        Some(text) if value.is_empty() => text.clone_into(value),
        Some(text) if text != value => faults.add(line, format!("an act has one {what}")),
        _ => {}
    }
}

/// One item, of `product`, `id`, `num` and `name`.
fn an_item(line: u64, names: [Option<&str>; 4], text: &str, faults: &mut Faults) -> Option<Item> {
    let [product, id, num, name] = names.map(|text| text.map(str::trim).filter(|text| !text.is_empty()));
    let names = [
        id.map(|id| Wanted::Id(id.to_owned())),
        num.map(|num| Wanted::Num(num.to_owned())),
        product.map(|any| Wanted::Any(any.to_owned())),
        name.map(|name| Wanted::Name(name.to_owned())),
    ];
    let names: Vec<Wanted> = names.into_iter().flatten().collect();
    if names.is_empty() {
        faults.add(line, "it names no product");
        return None;
    }
    let text = text.trim();
    // In a Russian spreadsheet a decimal has a comma.
    let plain = if text.contains('.') { text.to_owned() } else { text.replacen(',', ".", 1) };
    let amount = amount::parse(&plain).filter(|amount| *amount > Decimal::ZERO);
    if amount.is_none() {
        faults.add(line, format!("the amount `{}` is no number above 0", quote(text, 40)));
    }
    Some(Item { line, names, amount: amount? })
}

/// `2026-11-22`, `22.11.2026`, each perhaps with a time.
fn day(text: &str, line: u64, faults: &mut Faults) -> Option<Day> {
    let text = text.trim();
    let date = ["%Y-%m-%d", "%d.%m.%Y"].iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok());
    let time = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let Some(day) = date.map(Day::Date).or(time.map(Day::Time)) else {
        faults.add(line, format!("`{}` is no date such as 2026-11-22", quote(text, 40)));
        return None;
    };
    if let Err(why) = days::meant(text, day.date()) {
        faults.add(line, format!("`{}` is no date: {why}", quote(text, 40)));
        return None;
    }
    Some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Act> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn json_and_csv_say_the_same() {
        let json = written(
            r#"{"store": "Бар (Московский)", "account": "Порча", "date": "2026-11-22", "items": [
                {"num": "00001", "amount": 1.500000001}, {"name": "Крышка 80 мм", "amount": "2,5"}]}"#,
        )
        .unwrap();
        let csv = written(
            "\u{feff}Store;account;date;num;name;amount\n\
             Бар (Московский);Порча;22.11.2026;00001;;1,500000001\n;;;;\"Крышка 80 мм\";2.5\n",
        )
        .unwrap();
        let lines = |act: &Act| act.items.iter().map(|item| item.line).collect::<Vec<_>>();
        assert_eq!((lines(&json), lines(&csv)), (vec![1, 2], vec![2, 3]));
        assert_eq!(json.items[0].names, [Wanted::Num("00001".to_owned())]);
        let products =
            |act: &Act| act.items.iter().map(|item| (item.names.clone(), item.amount)).collect::<Vec<_>>();
        assert_eq!(products(&json), products(&csv));
        assert_eq!((json.store, json.account, json.date), (csv.store, csv.account, csv.date));
        assert_eq!(json.items[0].amount.to_string(), "1.500000001");
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, expected) in [
            ("store,account,num,amount\nA,B,1,1\nA,B,2,x\n", "line 3: the amount `x` is no number above 0"),
            (
                "store,account,num,amount\r\n\r\n\r\nA,B,1,0\r\n",
                "line 4: the amount `0` is no number above 0",
            ),
            ("\n\nstore,account,num,amount\nA,B,1,1\n\nA,B,1\n", "line 6: it has another number of cells"),
            ("store,account,num,amount\nA,B,1,0\n", "line 2: the amount `0` is no number above 0"),
            ("store,account,num,amount\nA,B,,1\n", "line 2: it names no product"),
            ("store,account,num,amount\nA,B,1,1\nC,B,2,1\n", "line 3: an act has one store"),
            (
                "store,account,comment,num,amount\nA,B,x,1,1\n,,,2,1\n,,y,3,1\n",
                "line 4: an act has one comment",
            ),
            ("store,account,num,Num,amount\nA,B,1,2,1\n", "its header has the column `num` twice"),
            ("store,account,num,amount\nA,B,1\n", "line 2: it has another number of cells than the header"),
            ("store,account,date,num,amount\nA,B,soon,1,1\n", "line 2: `soon` is no date such as 2026-11-22"),
            ("store,account,sku,amount\nA,B,1,1\n", "`sku` in its header is no column"),
            ("store,account,num,amount\n", "it has no items"),
            ("num,amount\n1,1\n", "it does not say the store"),
            ("store,account,num,amount\nA,B,1,1\n", "it does not say the date"),
            (r#"{"store":"A","account":"B","items":[{"num":"1","amount":-1}]}"#, "line 1: the amount `-1`"),
            (r#"{"store":"A","items":[]}"#, "it is not the JSON of an act"),
        ] {
            let failure = written(text).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage);
            assert!(failure.to_string().contains(expected), "{text}: {failure}");
        }
    }
}
