//! The tab as it is at one moment, together with what the last push has left beside it.
//!
//! Which tab it is, its title says, compared without case, else its layout: the predecessor's has another title.

use super::{
    journal::{self, Journal},
    sheet::{self, Sheet},
};
use crate::{
    error::{Failure, Kind, Result, quote},
    upstreams::google_sheets::{Client, Tab, a1},
};

/// How often a look begins anew because somebody renames or removes tabs meanwhile.
const TRIES: usize = 5;

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The numbers of all tabs.
    pub(super) numbers: Vec<i32>,
    /// The tab of the levels, without its cells.
    pub(super) tab: Option<Tab>,
    /// Its cells.
    pub(super) sheet: Sheet,
    /// Whether nothing in it is anybody's: a push wrote into it after somebody had cleared it.
    pub(super) is_debris: bool,
    /// Whether the tab has another title than the settings say.
    pub(super) has_other_title: bool,
    /// The copies of the tab that the last push has made.
    pub(super) journal: Journal,
}

impl Look {
    /// Looks at the tab called `title`.
    pub(super) async fn take(client: &Client, title: &str) -> Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            let tabs = client.tabs().await?;
            let numbers = tabs.iter().map(|tab| tab.id).collect();
            let found = match find(client, tabs, title).await? {
                Ok(found) => found,
                Err(refusal) => {
                    last = Some(refusal);
                    continue;
                }
            };
            let ranges: Vec<String> = found.iter().flatten().map(|tab| a1::tab(&tab.title)).collect();
            match client.look(&ranges).await? {
                Ok(seen) => return Self::of(title, numbers, &found, seen),
                Err(refusal) => last = Some(refusal),
            }
        }
        Err(last.expect("every try ends with a refusal").context(format!("the tab «{}»", quote(title, 60))))
    }

    fn of(title: &str, numbers: Vec<i32>, found: &[Option<Tab>; 3], seen: Vec<Tab>) -> Result<Self> {
        let mut seen = seen;
        let mut take = |tab: Option<&Tab>| {
            let place = seen.iter().position(|seen| tab.is_some_and(|tab| tab.id == seen.id))?;
            Some(seen.swap_remove(place))
        };
        let [tab, before, after] = found.each_ref().map(|tab| take(tab.as_ref()));
        let Some(mut tab) = tab else {
            return Ok(Self { numbers, journal: Journal::new(before, after), ..Self::default() });
        };
        let grid = std::mem::take(&mut tab.grid);
        let is_debris = journal::is_debris(before.as_ref(), after.as_ref(), &grid);
        let (sheet, is_debris) = match Sheet::parse(&tab.title, grid) {
            Ok(sheet) => (sheet, false),
            Err(_) if is_debris => (Sheet::default(), true),
            Err(failure) => return Err(failure),
        };
        let has_other_title = !tab.is_called(title);
        Ok(Self {
            numbers,
            tab: Some(tab),
            sheet,
            is_debris,
            has_other_title,
            journal: Journal::new(before, after),
        })
    }
}

/// The tab of the levels and the two copies that a push makes of it, among all tabs.
async fn find(client: &Client, tabs: Vec<Tab>, title: &str) -> Result<Result<[Option<Tab>; 3], Failure>> {
    let called = |title: &str| tabs.iter().find(|tab| tab.is_called(title)).cloned();
    let copies = journal::titles(title).map(|title| called(&title));
    if let Some(tab) = called(title) {
        let [before, after] = copies;
        return Ok(Ok([Some(tab), before, after]));
    }
    let is_copy = |tab: &&Tab| !copies.iter().flatten().any(|copy| copy.id == tab.id);
    let candidates = tabs.iter().filter(|tab| tab.rows >= sheet::HEADER_ROWS).filter(is_copy);
    let ranges: Vec<String> =
        candidates.map(|tab| format!("{}!1:{}", a1::tab(&tab.title), sheet::HEADER_ROWS)).collect();
    let seen = match client.look(&ranges).await? {
        Ok(seen) => seen,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut ours = seen.iter().filter(|tab| sheet::is_laid_out(&tab.grid)).map(|tab| tab.id);
    let tab = match (ours.next(), ours.next()) {
        (Some(id), None) => tabs.iter().find(|tab| tab.id == id).cloned(),
        _ => None,
    };
    let [before, after] = copies;
    Ok(Ok([tab, before, after]))
}

/// What to say where the tab keeps changing.
pub(super) fn restless(title: &str) -> Failure {
    let text = format!("the tab «{}» keeps changing while it is written", quote(title, 60));
    Failure::new(Kind::Unreachable, text)
        .hint("nothing is lost; start this again when nobody is working in the sheet")
}
