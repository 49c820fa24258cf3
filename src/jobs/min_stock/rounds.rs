//! A push as it happens: look, plan, write, look again, until there is nothing left to do.

use super::{
    layout, levels,
    pull::Place,
    push::{self, Draft, Summary, Wanted},
    sheet::{HEADER_ROWS, LABEL_COLUMNS, Line, Sheet},
    whole,
};
use crate::{
    context::Context,
    error::{Failure, Kind, Result, quote},
    jobs::nomenclature::{Item, Nomenclature},
    report::StepReport,
    sheets::{Axis, Cell, Change, Grid, Pauses, Sheets, Tab, Written, a1},
    store::Store,
};
use hashbrown::HashSet;
use uuid::Uuid;

/// How often a push begins anew because somebody else changes the sheet meanwhile, or an answer was lost.
const ROUNDS: usize = 5;
/// How many changes one request holds at most: each takes 30 kB on its way into google-sheets4's requests.
const CHANGES: usize = 1_000;

/// The products of the rows and the departments of the columns, from the first one.
type Order = (Vec<Option<Uuid>>, Vec<Option<Uuid>>);

/// Writes the nomenclature into the tab until there is nothing left to do.
pub(in crate::jobs) async fn push(
    ctx: &Context,
    store: &mut dyn Store,
    report: &mut StepReport,
) -> Result<()> {
    let title = &ctx.config.min_stock.tab;
    a1::check_title("MIN_STOCK_TAB", title)?;
    let mut nomenclature = Nomenclature::read(ctx, store).await?;
    let sheets = ctx.sheets()?;
    if nomenclature.has_doubts() {
        let push = Push { sheets, title, wanted: Wanted::default(), filled: HashSet::new() };
        let sheet = push.look().await?.sheet;
        let kept = nomenclature.keep_doubtful(sheet.products(), sheet.departments());
        if kept > 0 {
            report.notes.push(format!(
                "{kept} rows and departments stay as they are, because iiko's records of them cannot be used"
            ));
        }
    }
    let wanted = Wanted {
        products: &nomenclature.products,
        departments: &nomenclature.departments,
        levels: levels(store).await?,
        ..Wanted::default()
    };
    report.fetched = nomenclature.products.len() as u64;
    let mut push = Push { sheets, title, wanted, filled: HashSet::new() };
    let mut pauses = Pauses::new(&ctx.config.retries);
    let mut rounds = 0;
    while rounds < ROUNDS {
        let mut look = push.look().await?;
        let mut round = push.plan(&look);
        if round.copies {
            look.copy = push.copy().await?;
            round = push.plan(&look);
        }
        report.unchanged = look.sheet.lines.len() as u64;
        count(report, &round.summary);
        if round.requests.is_empty() || ctx.is_dry_run() {
            return Ok(());
        }
        match push.write(&look, &round, report).await? {
            Outcome::Quiet => return Ok(()),
            Outcome::Restless => rounds += usize::from(!round.partial),
            Outcome::Unknown(failure) => {
                pauses.rest(failure).await?;
                rounds += 1;
            }
        }
    }
    Err(Failure::new(Kind::Unreachable, format!("the tab «{title}» keeps changing while it is written"))
        .hint("nothing is lost; start this again when nobody is working in the sheet"))
}

/// Adds what a round does to the report.
fn count(report: &mut StepReport, summary: &Summary) {
    report.inserted += summary.inserted;
    report.updated += summary.moved + summary.cells + summary.looks;
    report.deleted += summary.removed;
    report.details.extend(summary.details.iter().cloned());
}

/// What a round has read.
struct Look {
    tab: Option<Tab>,
    /// The copy that was made before the last removal; looked for only when there is to be another one.
    copy: Option<Tab>,
    sheet: Sheet,
}

/// What a round does.
struct Round {
    /// The changes of each request.
    requests: Vec<Vec<Change>>,
    summary: Summary,
    /// Whether a copy of the tab is made, because something is removed.
    copies: bool,
    filled: HashSet<Place>,
    order: Order,
    /// Whether more is to come than one round inserts.
    partial: bool,
}

/// What a look after writing says.
enum Outcome {
    /// Everything is as it should be.
    Quiet,
    /// There is more to do.
    Restless,
    /// Nobody knows whether the changes were made.
    Unknown(Failure),
}

struct Push<'a> {
    sheets: &'a dyn Sheets,
    title: &'a str,
    wanted: Wanted<'a>,
    /// Places filled in earlier rounds of this run.
    filled: HashSet<Place>,
}

impl Push<'_> {
    fn copy_title(&self) -> String {
        format!("{} (копия)", self.title)
    }

    async fn look(&self) -> Result<Look> {
        let tabs = match self.sheets.tabs(&layout::ranges(self.title)).await {
            // Google refuses to look at a range of a tab that is not there.
            Err(failure) if failure.kind == Kind::Refused => {
                let tabs = self.sheets.tabs(&[]).await?;
                if tabs.iter().any(|tab| tab.title == self.title) {
                    return Err(failure);
                }
                tabs
            }
            other => other?,
        };
        let tab = tabs.into_iter().find(|tab| tab.title == self.title);
        let grid = match &tab {
            Some(_) => self.sheets.read(&[whole(self.title)]).await?.remove(0),
            None => Grid::default(),
        };
        Ok(Look { tab, copy: None, sheet: Sheet::parse(self.title, grid)? })
    }

    /// The copy that an earlier removal has left: asked for only then, because Google shows the looks of one tab only
    /// without the others.
    async fn copy(&self) -> Result<Option<Tab>> {
        Ok(self.sheets.tabs(&[]).await?.into_iter().find(|tab| tab.title == self.copy_title()))
    }

    /// Says what has to be changed, looks included.
    fn plan(&self, look: &Look) -> Round {
        let (mut first, tab) = self.ground(look);
        let arrangement = push::arrangement(&look.sheet, &self.wanted);
        let mut draft = push::draft(&tab, &look.sheet, &self.wanted, &arrangement);
        if draft.removes {
            first.extend(look.copy.as_ref().map(|copy| Change::DeleteTab(copy.id)));
            let copy = look.copy.as_ref().map_or_else(|| a1::tab_number(&self.copy_title()), |copy| copy.id);
            first.push(Change::CopyTab { tab: tab.id, copy, title: self.copy_title() });
            first.push(Change::HideTab(copy, true));
        }
        first.extend(layout::before(&tab, &draft));
        let looks = layout::after(&tab, &draft, &arrangement, layout::name_pixels(self.wanted.products));
        draft.summary.looks = looks.len() as u64;
        if !looks.is_empty() {
            draft.summary.details.push(format!("format {} ranges", looks.len()));
        }
        let requests = requests(first, std::mem::take(&mut draft.groups), looks);
        let Draft { summary, filled, order, removes, .. } = draft;
        Round { requests, summary, copies: removes, filled, order, partial: arrangement.partial }
    }

    /// What must be there before anything can be put on it: the tab itself, with room for the headers and one more.
    fn ground(&self, look: &Look) -> (Vec<Change>, Tab) {
        let (rows, columns) = (HEADER_ROWS + 1, LABEL_COLUMNS + 1);
        let Some(mut tab) = look.tab.clone() else {
            let tab = Tab { id: a1::tab_number(self.title), rows, columns, ..Tab::default() };
            let title = self.title.to_owned();
            return (vec![Change::AddTab { tab: tab.id, title, hidden: false, rows, columns }], tab);
        };
        let mut changes = Vec::new();
        for (axis, size, needed) in [(Axis::Rows, tab.rows, rows), (Axis::Columns, tab.columns, columns)] {
            if size < needed {
                changes.push(Change::Append { tab: tab.id, axis, count: needed - size });
            }
        }
        (tab.rows, tab.columns) = (tab.rows.max(rows), tab.columns.max(columns));
        (changes, tab)
    }

    /// Sends a round's requests and looks what has become of the tab.
    async fn write(&mut self, look: &Look, round: &Round, report: &mut StepReport) -> Result<Outcome> {
        for changes in &round.requests {
            if let Written::Unknown(failure) = self.sheets.change(changes).await? {
                return Ok(Outcome::Unknown(failure));
            }
        }
        self.filled.extend(round.filled.iter().copied());
        let mut ranges = vec![whole(self.title)];
        ranges.extend(round.copies.then(|| whole(&self.copy_title())));
        let mut grids = self.sheets.read(&ranges).await?.into_iter();
        let sheet = Sheet::parse(self.title, grids.next().unwrap_or_default())?;
        // Whoever moved rows or columns just then may have made us fill other places than those we meant.
        self.wanted.repair =
            if order(&sheet) == trimmed(round.order.clone()) { HashSet::new() } else { self.filled.clone() };
        if let Some(copy) = grids.next() {
            self.bring_back(&Sheet::parse(self.title, copy)?, &sheet, report);
        }
        let arrangement = push::arrangement(&sheet, &self.wanted);
        let tab = look.tab.clone().unwrap_or_default();
        let rest = push::draft(&tab, &sheet, &self.wanted, &arrangement);
        Ok(if rest.groups.is_empty() && !round.partial { Outcome::Quiet } else { Outcome::Restless })
    }

    /// Wants back whatever the copy holds and the tab does not: numbers that somebody typed into a row or column at the
    /// moment when it was removed, or that stood there because somebody sorted just then.
    fn bring_back(&mut self, copy: &Sheet, sheet: &Sheet, report: &mut StepReport) {
        let name = |row: usize, column: usize| copy.grid.get(row, column).text().to_owned();
        let rows: HashSet<Uuid> = order(sheet).0.into_iter().flatten().collect();
        for (line, kind) in copy.lines.iter().enumerate() {
            let row = HEADER_ROWS + line;
            let Line::Product(product) = kind else {
                let there = |other: &Line| *other == Line::Stray;
                if *kind == Line::Stray
                    && sheet.lines.iter().filter(|line| there(line)).count()
                        < copy.lines.iter().filter(|line| there(line)).count()
                {
                    report.warn(format!(
                        "the row «{}», which has no product's id, was removed by mistake; it is in the tab «{}»",
                        quote(&name(row, 0), 60),
                        self.copy_title()
                    ));
                }
                continue;
            };
            for pair in &copy.pairs {
                let cells = [pair.min, pair.max].map(|column| copy.grid.get(row, column).clone());
                let has_row = rows.contains(product);
                let has_columns = sheet.pair(pair.department).is_some();
                if cells.iter().all(Cell::is_empty) || (has_row && has_columns) {
                    continue;
                }
                self.wanted.levels.insert((*product, pair.department), cells);
                if !has_row && !self.wanted.products.iter().any(|item| item.id == *product) {
                    self.wanted.lost_products.push(Item { id: *product, name: name(row, 0) });
                }
                if !has_columns && !self.wanted.departments.iter().any(|item| item.id == pair.department) {
                    self.wanted.lost_departments.push(Item { id: pair.department, name: name(1, pair.min) });
                }
            }
        }
        self.wanted.lost_products.dedup_by_key(|item| item.id);
        self.wanted.lost_departments.sort_by_key(|item| item.id);
        self.wanted.lost_departments.dedup_by_key(|item| item.id);
    }
}

/// Packs changes into as few requests as possible. What moves and what is written into what was moved stays together.
fn requests(first: Vec<Change>, groups: Vec<Vec<Change>>, looks: Vec<Change>) -> Vec<Vec<Change>> {
    let mut groups = groups.into_iter();
    let mut request = first;
    request.extend(groups.next().unwrap_or_default());
    let mut requests = Vec::new();
    for change in groups.flatten().chain(looks) {
        if request.len() >= CHANGES {
            requests.push(std::mem::take(&mut request));
        }
        request.push(change);
    }
    requests.push(request);
    requests.retain(|request| !request.is_empty());
    requests
}

fn order(sheet: &Sheet) -> Order {
    let product = |line: &Line| match line {
        Line::Product(id) => Some(*id),
        _ => None,
    };
    let department =
        |column: usize| sheet.pairs.iter().find(|pair| pair.min == column).map(|pair| pair.department);
    trimmed((
        sheet.lines.iter().map(product).collect(),
        (LABEL_COLUMNS..sheet.width).map(department).collect(),
    ))
}

/// The same without blank ends.
fn trimmed((mut rows, mut columns): Order) -> Order {
    for list in [&mut rows, &mut columns] {
        let used = list.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        list.truncate(used);
    }
    (rows, columns)
}
