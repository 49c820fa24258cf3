//! Every parser, fed with bytes as they come.
//!
//! The fuzzers of `fuzz/` call these targets, and so do the tests over their seeds. A target returns whatever it is given; it
//! panics when the parser does, and when the parser contradicts itself or a reader that was not written here.

use crate::{
    config,
    engine::{
        Index, Planner, Table,
        frame::{BadFrame, Framer, Shape},
        planner::Settings,
        record::{BadRecord, Record, canonical},
        row::{Key, RowHash, Value as Column},
    },
    error::Kind,
    fuzzed::{check_failure, cuts, pieces},
    jobs::{
        min_stock,
        writeoff::file::{self, Act},
    },
    sandbox, tables,
    upstreams::{
        fintablo,
        google_sheets::{self as sheets, a1},
        iiko, iiko_cloud, telegram,
    },
};
use rust_decimal::Decimal;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What is done with the bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its seeds' folder.
pub const TARGETS: [(&str, Target); 12] = [
    ("a1", a1),
    ("act", act),
    ("document", iiko::documents::fuzzed::survive),
    ("env_file", env_file),
    ("fintablo", fintablo),
    ("iiko_json", iiko_json),
    ("iiko_xml", iiko_xml),
    ("olap", iiko::olap::fuzzed::survive),
    ("settings", settings),
    ("sheet_grid", sheet_grid),
    ("stop_lists", stop_lists),
    ("telegram", telegram::api::fuzzed::survive),
];

/// Runs the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target has this name");
    target(bytes);
}

/// A list of products.
fn iiko_json(bytes: &[u8]) {
    if let Some((records, _)) = list(bytes, Shape::List) {
        plan(&tables::PRODUCT.table, &records, &[]);
    }
    // What serde_json takes for a list of objects is one, with as many records.
    if let Ok(expected) = serde_json::from_slice::<Vec<Map<String, Value>>>(bytes) {
        let found = list(bytes, Shape::List).expect("a list of objects").0;
        assert_eq!(found.len(), expected.len());
    }
    record(bytes);
}

/// The lists of the iiko server that are XML, whichever it is.
fn iiko_xml(bytes: &[u8]) {
    for entity in tables::IIKO {
        if let tables::Feed::IikoXml { root, record, lists, .. } = entity.feed {
            iiko::survive_xml(bytes, root, record, lists);
        }
    }
}

/// Pages of deals, one a line.
fn fintablo(bytes: &[u8]) {
    let is_paged =
        |entity: &&tables::Entity| matches!(entity.feed, tables::Feed::FinTablo { paged: true, .. });
    let deals = tables::FINTABLO.iter().find(is_paged).expect("deals");
    let pages = bytes.split(|byte| *byte == b'\n').filter_map(|page| list(page, Shape::Member("items")));
    let pages: Vec<_> = pages.collect();
    let records: Vec<Vec<u8>> = pages.iter().flat_map(|(records, _)| records.clone()).collect();
    fintablo::survive_pages(pages);
    plan(&deals.table, &records, &[]);
}

/// The stop-lists of organizations with two terminal groups.
fn stop_lists(bytes: &[u8]) {
    let records = iiko_cloud::survive_lists(bytes, &[Uuid::from_u128(2), Uuid::from_u128(4)]);
    let records: Vec<Vec<u8>> = records.into_iter().map(String::into_bytes).collect();
    plan(&tables::ACTIVE_STOPLIST.table, &records, &["a name"]);
}

/// The tabs of a spreadsheet.
fn sheet_grid(bytes: &[u8]) {
    for tab in sheets::fuzzed_tabs(bytes) {
        tab.grid.filled().for_each(|(_, _, cell)| min_stock::survive_cell(cell));
    }
}

/// The address of a cell, and a range: four bytes say which cell, the rest is the title of a tab and a range at once.
fn a1(bytes: &[u8]) {
    let (Some((place, rest)), title) = (bytes.split_first_chunk::<4>(), bytes.get(4..).unwrap_or_default())
    else {
        return;
    };
    let (Ok(title), [a, b, c, d]) = (std::str::from_utf8(title), *place) else { return };
    sandbox::range_found("x", std::str::from_utf8(rest).expect("the same bytes"));
    let (row, column) = (usize::from(u16::from_le_bytes([a, b])), usize::from(u16::from_le_bytes([c, d])));
    // A new tab has 1000 rows and 26 columns.
    let (row, column) = (row % 1000, column % 26);
    if a1::check_title("min_stock.tab", title).is_ok() {
        let range = format!("{}!{}", a1::tab(title), a1::cell(row, column));
        assert_eq!(sandbox::range_found(title, &range), Some((row, column)), "{range}");
    }
}

/// A write-off act, CSV or JSON. An act that is read is whole, and reads back as the same from the JSON of what it says.
fn act(bytes: &[u8]) {
    let act = match file::parse("act", bytes.to_vec()) {
        Ok(act) => act,
        Err(failure) => return check_failure(&failure, Kind::Usage),
    };
    assert!(!act.store.is_empty() && !act.account.is_empty() && act.date.is_some() && !act.items.is_empty());
    for item in &act.items {
        assert!(item.amount > Decimal::ZERO && !item.names.is_empty(), "{item:?}");
    }
    let again = file::parse("act", json_of(&act).into_bytes()).expect("an act is read from its JSON");
    let said = |act: &Act| {
        let items = act.items.iter().map(|item| (item.names.clone(), item.amount.normalize()));
        (act.store.clone(), act.account.clone(), act.date, act.comment.clone(), items.collect::<Vec<_>>())
    };
    assert_eq!(said(&again), said(&act));
}

fn json_of(act: &Act) -> String {
    let date = match act.date.expect("checked") {
        file::Day::Date(date) => date.format("%Y-%m-%d").to_string(),
        file::Day::Time(time) => time.format("%Y-%m-%dT%H:%M").to_string(),
    };
    let items = act.items.iter().map(|item| {
        let names = item.names.iter().map(|name| match name {
            file::Wanted::Any(text) => ("product", text),
            file::Wanted::Id(text) => ("id", text),
            file::Wanted::Num(text) => ("num", text),
            file::Wanted::Name(text) => ("name", text),
        });
        let mut item_of: Map<String, Value> =
            names.map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))).collect();
        item_of.insert("amount".to_owned(), item.amount.to_string().into());
        Value::Object(item_of)
    });
    serde_json::json!({
        "store": act.store, "account": act.account, "date": date, "comment": act.comment,
        "items": items.collect::<Vec<_>>(),
    })
    .to_string()
}

fn settings(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        config::survive_settings(text);
    }
}

fn env_file(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        config::survive_env_file(text);
    }
}

/// The records and the envelope of an answer that comes in these pieces.
fn framed(pieces: &[&[u8]], shape: Shape) -> Result<(Vec<Vec<u8>>, Vec<u8>), BadFrame> {
    let (mut framer, mut records) = (Framer::new(shape), Vec::new());
    for piece in pieces {
        framer.feed(piece, |record| {
            records.push(record.to_vec());
            Ok::<(), BadFrame>(())
        })?;
    }
    framer.finish().map(|envelope| (records, envelope))
}

/// The records and the envelope of a list; none where it is refused. They do not depend on how it is cut into pieces, and a
/// list that lacks its end is none.
fn list(bytes: &[u8], shape: Shape) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let whole = framed(&[bytes], shape).ok();
    for pieces in pieces(bytes) {
        assert_eq!(framed(&pieces, shape).ok(), whole, "in pieces of {}", pieces[0].len());
    }
    if whole.is_some() {
        for cut in cuts(bytes.trim_ascii_end().len()) {
            assert!(framed(&[&bytes[..cut]], shape).is_err(), "cut at {cut}");
        }
    }
    whole
}

/// A record is what `serde_json` reads, and its canonical form stays as it is.
fn record(bytes: &[u8]) {
    let expected = serde_json::from_slice::<Map<String, Value>>(bytes).ok();
    let mut record = Record::default();
    match (record.read(bytes), &expected) {
        (Ok(()), _) => {}
        (Err(BadRecord::Number | BadRecord::Depth), _) | (Err(_), None) => return,
        (Err(error), Some(_)) => panic!("{error}"),
    }
    let text = record.text();
    assert_eq!(canonical(text).expect("a canonical record is a record"), text);
    assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text}");
    let names: Vec<&str> = record.members().map(|(name, _)| name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    if let (Some(expected), Ok(found)) = (expected, serde_json::from_str::<Map<String, Value>>(text)) {
        assert!(same(&found.into(), &expected.into()), "{text}");
    }
}

/// Whether two values are equal, numbers as far as a float goes, and with U+FFFD for what no database keeps.
fn same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64(), expected.as_f64());
            let (found, expected) = (found.unwrap_or_default(), expected.unwrap_or_default());
            (found - expected).abs() <= expected.abs() * 1e-12
        }
        (Value::String(found), Value::String(expected)) => *found == expected.replace('\0', "\u{fffd}"),
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(one, other)| same(one, other))
        }
        (Value::Object(found), Value::Object(expected)) => {
            let is_kept = |name: &String| !name.contains('\0');
            let is_there = |(name, value)| found.get(name).is_some_and(|found| same(found, value));
            expected.iter().filter(|(name, _)| is_kept(name)).all(is_there)
                && (found.len() == expected.len() || !expected.keys().all(is_kept))
        }
        _ => found == expected,
    }
}

/// Plans a list into an empty table: each row that would be inserted has a key of its own, and the same list again changes
/// nothing.
fn plan(table: &'static Table, records: &[Vec<u8>], supplied: &[&str]) {
    let Some(first) = planned(table, records, supplied, Index::default()) else { return };
    let mut index = Index::default();
    for (key, hash) in &first {
        index.add_stored(key.clone(), "", Some(*hash));
    }
    let again = planned(table, records, supplied, index).expect("what was read is read again");
    assert!(again.is_empty(), "{}: the same list changes {again:?}", table.name);
}

/// The rows that a list would insert or update, by key and hash; none where the list is refused.
fn planned(
    table: &'static Table,
    records: &[Vec<u8>],
    supplied: &[&str],
    index: Index,
) -> Option<Vec<(Key, RowHash)>> {
    let settings = Settings {
        dropped: table.dropped,
        verify: false,
        spool_directory: "/nowhere".into(),
        spool_memory: 1 << 30,
        remember: Vec::new(),
    };
    let mut planner = Planner::new(table, settings, index);
    planner.answer("");
    for record in records {
        if let Err(failure) = planner.record(record, supplied) {
            check_failure(&failure, Kind::InvalidAnswer);
            return None;
        }
    }
    let (mut found, _) = planner.finish(|_| None);
    let (inserted, updated, deleted) = found.totals();
    assert_eq!(deleted, 0, "{found}");
    let mut rows = Vec::new();
    let positions = table.key_positions();
    let mut take = |row: crate::engine::row::Row<'_>| {
        let values: Vec<Column<'_>> = row.values().collect();
        assert_eq!(values.len(), table.columns.len() + 1, "{}", table.name);
        let is_said = |at: &usize| !matches!(values[*at], Column::Null | Column::Text(""));
        assert!(positions.iter().all(is_said), "{}: a row without a key", table.name);
        let Some(Column::Text(text)) = values.last() else { panic!("the last column is the record") };
        assert_eq!(canonical(text).ok().as_deref(), Some(*text));
        rows.push((row.key(&positions), *row.hash()));
    };
    let mut new = found.inserts().expect("rows in memory");
    while new.next_with(&mut take).expect("rows in memory") {}
    let mut changed = found.updates().expect("rows in memory");
    while changed.next_with(&mut take).expect("rows in memory") {}
    assert_eq!(rows.len() as u64, inserted + updated, "{}", table.name);
    let keys: BTreeSet<&[u8]> = rows.iter().map(|(key, _)| key.as_slice()).collect();
    assert_eq!(keys.len(), rows.len(), "{}: two rows of one key", table.name);
    Some(rows)
}
