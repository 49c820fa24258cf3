//! One reading of a list that comes in pages, and whether it is a snapshot of the list.
//!
//! The description says how many records a page holds and that pages are numbered; it leaves open what comes behind the
//! last one. So nothing is concluded from a page's length alone: the end counts as seen only when pages were asked for
//! that lie beyond it, and a reading that contradicts itself or what the server says of the list is no snapshot.

use crate::{decimal, engine::repair};
use hashbrown::{HashMap, HashSet};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// One page of an answer; without records where the server has no such page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The records as they came.
    pub(super) records: Vec<Vec<u8>>,
    /// How long the server says the whole list is.
    pub(super) totals: Totals,
}

/// How long the server says the whole list is; zero where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    rows: u64,
    pages: u64,
    /// The answer says that more stands behind it.
    has_more: bool,
}

/// What to do after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Its records count, and there may be more.
    Records,
    /// It has none; one page further is asked.
    Nothing,
    /// The reading is over.
    End,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// On which page each id stood, counted from 1.
    ids: HashMap<Vec<u8>, usize>,
    /// The length of each page.
    lengths: Vec<Length>,
    totals: Totals,
    /// Why this is no snapshot.
    doubts: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Length {
    rows: usize,
    ids: usize,
}

impl Reading {
    /// Takes the next page.
    pub(super) fn take(&mut self, page: &Page) -> Turn {
        let number = self.lengths.len() + 1;
        self.totals = self.totals.larger(page.totals);
        let behind_empty = self.lengths.last().is_some_and(|before| before.rows == 0);
        let ids: HashSet<Vec<u8>> = page.records.iter().map(|record| id(record)).collect();
        let length = Length { rows: page.records.len(), ids: ids.len() };
        let turn = if ids.is_empty() {
            if behind_empty { Turn::End } else { Turn::Nothing }
        } else {
            if behind_empty {
                self.doubts.push(format!("page {} is empty and page {number} is not", number - 1));
            }
            // What the last page with records says stays.
            self.totals.has_more = page.totals.has_more;
            self.take_ids(number, ids, length.rows)
        };
        self.lengths.push(length);
        if turn == Turn::End {
            self.check_totals();
        }
        turn
    }

    fn take_ids(&mut self, number: usize, ids: HashSet<Vec<u8>>, rows: usize) -> Turn {
        let known: HashSet<usize> = ids.iter().filter_map(|id| self.ids.get(id).copied()).collect();
        let repeated = known.iter().next().copied().filter(|page| {
            let is_whole = self.lengths[page - 1].ids == ids.len();
            known.len() == 1 && is_whole && ids.iter().all(|id| self.ids.contains_key(id))
        });
        if let Some(page) = repeated {
            self.judge_repetition(number, page, rows);
            return Turn::End;
        }
        let twice = ids.iter().filter_map(|id| Some((id, *self.ids.get(id)?))).min();
        if let Some((id, page)) = twice {
            let id = crate::error::quote(&String::from_utf8_lossy(id), 40);
            self.doubts.push(format!("id {id} is on page {page} and on page {number}"));
        }
        let before = self.ids.len();
        for id in ids {
            self.ids.entry(id).or_insert(number);
        }
        if self.ids.len() > before {
            return Turn::Records;
        }
        self.doubts.push(format!("page {number} brings nothing new, so the end of the list was not seen"));
        Turn::End
    }

    /// A server that has no further page may repeat one. So may one that cannot count further, or hears no number at all;
    /// the length of the page tells them apart.
    fn judge_repetition(&mut self, number: usize, page: usize, rows: usize) {
        let filled = self.lengths.iter().filter(|length| length.rows > 0).count();
        let why = if filled == 1 {
            if !is_round(rows) {
                return;
            }
            format!("{rows} records may be all that it shows")
        } else {
            if rows < self.lengths[0].rows {
                return;
            }
            "it is as long as the first one".to_owned()
        };
        self.doubts.push(format!(
            "page {number} repeats page {page} and {why}, so the end of the list was not seen"
        ));
    }

    fn check_totals(&mut self) {
        let pages = self.lengths.iter().filter(|length| length.rows > 0).count();
        self.doubts.extend(self.totals.missed(self.ids.len(), pages));
    }

    /// Why this is no snapshot of the list; nothing where it is one.
    pub(super) fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// Whether two readings saw the same records.
    pub(super) fn has_ids_of(&self, other: &Self) -> bool {
        self.ids.len() == other.ids.len() && self.ids.keys().all(|id| other.ids.contains_key(id))
    }
}

/// Whether somebody may have set this number as the most that one answer, or one page of it, holds.
pub(super) fn is_round(rows: usize) -> bool {
    let is_tidy = match rows {
        0 => false,
        1..100 => rows.is_multiple_of(10) || rows.is_multiple_of(25),
        100..500 => rows.is_multiple_of(50),
        _ => rows.is_multiple_of(100),
    };
    is_tidy || (rows >= 16 && rows.is_power_of_two())
}

impl Totals {
    /// What the head and the envelope of an answer say. Neither is described, so every usual name counts.
    pub(super) fn read(headers: &HeaderMap, envelope: &[u8]) -> Self {
        let mut totals = Self::default();
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            if name == "content-range" {
                // `items 0-99/1730`
                let rows = value.rsplit('/').next().and_then(|rows| rows.trim().parse().ok());
                totals.rows = totals.rows.max(rows.unwrap_or_default());
                continue;
            }
            let name = letters(name.as_str());
            let bare = name.strip_prefix('x').unwrap_or(&name);
            totals.note(bare.strip_prefix("pagination").unwrap_or(bare), value.trim().parse().ok());
        }
        let envelope: Value = serde_json::from_slice(envelope).unwrap_or_default();
        totals.search(&envelope);
        totals
    }

    /// What the server speaks of and did not come.
    pub(super) fn missed(self, rows: usize, pages: usize) -> Vec<String> {
        let missed = |what: &str, told: u64, came: usize| {
            (told > came as u64).then(|| format!("the server speaks of {told} {what} and {came} came"))
        };
        // A list without records may be called one page.
        let pages = missed("pages", self.pages, pages.max(1));
        let more =
            self.has_more.then(|| "the server says that there are more records, and none came".to_owned());
        missed("records", self.rows, rows).into_iter().chain(pages).chain(more).collect()
    }

    /// Looks through the envelope's members, and the objects among them (`_meta`, `pagination`, …).
    fn search(&mut self, value: &Value) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
            let name = letters(name);
            self.has_more |= name == "hasmore" && value.as_bool() == Some(true);
            self.note(&name, number);
            self.search(value);
        }
    }

    fn note(&mut self, name: &str, number: Option<u64>) {
        let Some(number) = number else { return };
        match name {
            "total" | "totalcount" | "totalitems" | "totalrecords" | "totalrows" | "totalresults"
            | "totalelements" | "count" | "itemscount" | "recordcount" | "rowcount" => {
                self.rows = self.rows.max(number);
            }
            "totalpages" | "pagecount" | "pagescount" | "pages" | "pagestotal" | "lastpage" => {
                self.pages = self.pages.max(number);
            }
            _ => {}
        }
    }

    fn larger(self, other: Self) -> Self {
        Self { rows: self.rows.max(other.rows), pages: self.pages.max(other.pages), ..self }
    }
}

/// `X-Total-Count`, `totalCount` and `total_count` alike.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A record's id in one spelling, however it came; the whole record where there is none, which the planner rejects.
fn id(record: &[u8]) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Keyed<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let text = match serde_json::from_slice::<Keyed<'_>>(record) {
        Ok(keyed) => Some(keyed.id.get().trim_matches('"').to_owned()),
        // What the planner mends or names has an id all the same.
        Err(_) => repair::member(record, "id"),
    };
    text.map_or_else(|| record.to_vec(), |text| decimal::normalise(&text).unwrap_or(text).into_bytes())
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{HashSet, HeaderMap, Page, Reading, Totals, Turn, id};

    /// Reads pages, each the records and the envelope of an answer, to the end of the reading.
    pub(crate) fn survive(pages: Vec<(Vec<Vec<u8>>, Vec<u8>)>) {
        let mut reading = Reading::default();
        let (mut ids, mut turn) = (HashSet::new(), Turn::Records);
        let empty = || (Vec::new(), b"{}".to_vec());
        for (records, envelope) in pages.into_iter().chain([empty(), empty()]) {
            ids.extend(records.iter().map(|record| id(record)));
            let page = Page { totals: Totals::read(&HeaderMap::new(), &envelope), records };
            turn = reading.take(&page);
            if turn == Turn::End {
                break;
            }
        }
        assert_eq!(turn, Turn::End, "two empty pages end a reading");
        assert!(reading.ids.len() <= ids.len() && reading.ids.keys().all(|id| ids.contains(id)));
        assert!(reading.has_ids_of(&reading));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ids: std::ops::Range<u32>) -> Page {
        let records = ids.map(|id| format!(r#"{{"id":{id}}}"#).into_bytes()).collect();
        Page { records, totals: Totals::default() }
    }

    /// Reads pages up to the end of the reading, all of them, and says why they are no snapshot.
    fn doubts(pages: &[Page]) -> Vec<String> {
        let mut reading = Reading::default();
        let turns: Vec<Turn> = pages.iter().map(|page| reading.take(page)).collect();
        let (last, before) = turns.split_last().unwrap();
        assert_eq!(*last, Turn::End, "{turns:?}");
        assert!(!before.contains(&Turn::End), "{turns:?}");
        reading.doubts
    }

    #[test]
    fn the_end_is_seen_or_it_is_not() {
        let none = || page(0..0);
        let proven = [
            vec![none(), none()],
            vec![page(0..3), none(), none()],
            vec![page(0..500), page(500..501), none(), none()],
            // The last page again, and the only one.
            vec![page(0..500), page(500..501), page(500..501)],
            vec![page(0..3), page(0..3)],
        ];
        for pages in proven {
            assert_eq!(doubts(&pages), Vec::<String>::new());
        }
        let unproven = [
            (vec![page(0..500), page(0..500)], "500 records may be all"),
            (vec![page(0..20), page(0..20)], "20 records may be all"),
            (vec![page(0..256), page(0..256)], "256 records may be all"),
            (vec![page(0..7), page(7..14), page(7..14)], "as long as the first"),
            (vec![page(0..7), page(7..9), page(0..7)], "as long as the first"),
            (vec![page(0..7), page(7..9), page(0..6)], "brings nothing new"),
            (vec![page(0..7), none(), page(7..9), none(), none()], "page 2 is empty and page 3 is not"),
            (vec![page(0..7), page(6..13), none(), none()], "id 6 is on page 1 and on page 2"),
        ];
        for (pages, why) in unproven {
            let doubts = doubts(&pages);
            assert!(doubts.iter().any(|doubt| doubt.contains(why)), "{why}: {doubts:?}");
        }
    }

    #[test]
    fn a_length_is_round_where_somebody_may_have_set_it() {
        let round: Vec<usize> = (0..=600).filter(|rows| is_round(*rows)).collect();
        let expected = [
            10, 16, 20, 25, 30, 32, 40, 50, 60, 64, 70, 75, 80, 90, 100, 128, 150, 200, 250, 256, 300, 350,
            400, 450, 500, 512, 600,
        ];
        assert_eq!(round, expected);
        assert!([1_000, 1_024, 1_200, 4_096].into_iter().all(is_round));
        assert!(![1_023, 1_025, 1_250, 1_730].into_iter().any(is_round));
    }

    #[test]
    fn an_id_is_the_same_in_every_spelling() {
        for record in [r#"{"id":7}"#, r#"{"id":"7"}"#, r#"{"name":"x","id":7.0}"#, r#"{"id":" 7"}"#] {
            assert_eq!(id(record.as_bytes()), b"7", "{record}");
        }
        assert_eq!(id(b"{\"id\":7,\"name\":\"a\nb\",\"sum\":01}"), b"7", "a record that is not quite one");
        assert_eq!(id(b"{}"), b"{}");
    }

    #[test]
    fn a_total_is_found_wherever_it_stands() {
        let totals = |headers: &[(&'static str, &str)], envelope: &str| {
            let headers =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let Totals { rows, pages, .. } = Totals::read(&headers, envelope.as_bytes());
            (rows, pages)
        };
        assert_eq!(totals(&[], r#"{"status":200}"#), (0, 0));
        assert_eq!(totals(&[("x-total-count", "1730")], "{}"), (1730, 0));
        assert_eq!(
            totals(&[("X-Pagination-Total-Count", "7"), ("X-Pagination-Page-Count", "2")], ""),
            (7, 2)
        );
        assert_eq!(
            totals(&[("content-range", "items 0-99/1730"), ("x-ratelimit-limit", "9999")], ""),
            (1730, 0)
        );
        assert_eq!(totals(&[], r#"{"status":200,"total":"12"}"#), (12, 0));
        assert_eq!(totals(&[], r#"{"_meta":{"totalCount":1730,"pageCount":18,"perPage":100}}"#), (1730, 18));
        assert_eq!(totals(&[("content-range", "items 0-99/*")], r#"{"total":null,"amount":5}"#), (0, 0));
    }

    #[test]
    fn a_total_that_was_not_reached_is_a_doubt() {
        let told = |rows, pages| Page { totals: Totals { rows, pages, has_more: false }, ..page(0..3) };
        let none = || page(0..0);
        assert_eq!(doubts(&[told(3, 1), none(), none()]), Vec::<String>::new());
        assert_eq!(
            doubts(&[told(2, 0), none(), none()]),
            Vec::<String>::new(),
            "one may have gone meanwhile"
        );
        assert_eq!(doubts(&[told(4, 0), none(), none()]).len(), 1);
        assert_eq!(doubts(&[told(0, 2), none(), none()]).len(), 1);
        let empty = Page { totals: Totals { pages: 1, ..Totals::default() }, ..none() };
        assert_eq!(doubts(&[empty, none()]), Vec::<String>::new());
    }

    #[test]
    fn the_last_page_with_records_says_whether_there_are_more() {
        let says = |ids, envelope: &str| Page {
            totals: Totals::read(&HeaderMap::new(), envelope.as_bytes()),
            ..page(ids)
        };
        let none = || page(0..0);
        for more in
            [r#"{"hasMore":true}"#, r#"{"has_more":true}"#, r#"{"meta":{"pagination":{"hasMore":true}}}"#]
        {
            let told = doubts(&[says(0..3, more), none(), none()]);
            assert!(told.iter().any(|doubt| doubt.contains("there are more")), "{more}: {told:?}");
            assert_eq!(doubts(&[says(0..3, more), says(0..3, more)]).len(), 1, "{more}");
            let last = r#"{"hasMore":false}"#;
            assert_eq!(doubts(&[says(0..3, more), says(3..5, last), none(), none()]), Vec::<String>::new());
            assert_eq!(says(0..3, more).totals.missed(3, 1).len(), 1, "a list without pages");
        }
    }
}
