//! The mapping reference: display names of goods in the hidden tab «Маппинг Справочник», and the drop-down over them on
//! the tab «Маппинг Импорт».

use super::nomenclature;
use crate::{
    config::MinStock,
    error::{Result, quote},
    jobs::context::Context,
    model::report::StepReport,
    store::Store,
    upstreams::google_sheets::{
        Axis, Cell, Change, Client, Pauses, Possible, Rectangle, Tab, Written, a1, free_number,
    },
};

/// How many rows of the import tab choose from the reference.
const CHOOSING_ROWS: usize = 1_000;
/// The column that chooses, from 0: C.
const CHOOSING_COLUMN: usize = 2;
/// The first cell of the rows that choose begins so.
const MARK: &str = "товар";

/// Writes the reference and the drop-down, where they differ.
pub(super) async fn push(ctx: &Context, store: &mut dyn Store, report: &mut StepReport) -> Result<()> {
    let titles = &ctx.config.min_stock;
    a1::check_title("MIN_STOCK_MAPPING_TAB", &titles.mapping_tab)?;
    a1::check_title("MIN_STOCK_IMPORT_TAB", &titles.import_tab)?;
    let names = nomenclature::display_names(ctx, store).await?;
    let client = ctx.sheets()?;
    let mut pauses = Pauses::new(&ctx.config.retries);
    loop {
        // Somebody may rename or remove a tab between two requests.
        let failure = match Look::take(client, titles).await? {
            Err(refusal) => refusal,
            Ok(look) => {
                let names = names.beside(look.shown());
                report.counts.fetched = names.len() as u64;
                let changes = changes(&look, &names, titles, report);
                if changes.is_empty() || ctx.is_dry_run() {
                    return Ok(());
                }
                match client.change(&titles.mapping_tab, &changes).await? {
                    Written::Done => return Ok(()),
                    Written::Refused(failure) | Written::Unknown(failure) => failure,
                }
            }
        };
        pauses.rest(failure).await?;
    }
}

/// The tabs as they are.
struct Look {
    /// The numbers of all tabs.
    numbers: Vec<i32>,
    /// With its first column.
    reference: Option<Tab>,
    /// With its first column, and the drop-downs of the one that chooses.
    import: Option<Tab>,
    /// The first row that chooses.
    first: usize,
}

impl Look {
    /// The names that the reference shows.
    fn shown(&self) -> impl Iterator<Item = &str> {
        self.reference.iter().flat_map(|tab| (0..tab.grid.rows.len()).map(|row| tab.grid.get(row, 0).text()))
    }

    async fn take(client: &Client, titles: &MinStock) -> Result<Possible<Self>> {
        let tabs = client.tabs().await?;
        let find = |title: &str| tabs.iter().find(|tab| tab.is_called(title));
        let (reference, import) = (find(&titles.mapping_tab), find(&titles.import_tab));
        let column = |tab: &Tab, letter: char| format!("{}!{letter}:{letter}", a1::tab(&tab.title));
        let mut ranges: Vec<String> =
            [reference, import].into_iter().flatten().map(|tab| column(tab, 'A')).collect();
        ranges.extend(import.filter(|tab| tab.columns > CHOOSING_COLUMN).map(|tab| column(tab, 'C')));
        let seen = match client.look(&ranges).await? {
            Ok(seen) => seen,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let see =
            |tab: Option<&Tab>| seen.iter().find(|seen| tab.is_some_and(|tab| tab.id == seen.id)).cloned();
        let (reference, import) = (see(reference), see(import));
        let is_mark = |row: &usize| {
            import.as_ref().is_some_and(|tab| tab.grid.get(*row, 0).text().trim().to_lowercase() == MARK)
        };
        let rows = import.as_ref().map_or(0, |tab| tab.grid.rows.len());
        let first = (0..rows).find(is_mark).unwrap_or(1);
        Ok(Ok(Self { numbers: tabs.iter().map(|tab| tab.id).collect(), reference, import, first }))
    }
}

fn changes(look: &Look, names: &[String], titles: &MinStock, report: &mut StepReport) -> Vec<Change> {
    let mut ground = Ground { changes: Vec::new(), taken: look.numbers.clone() };
    let reference = ground.tab(look.reference.as_ref(), &titles.mapping_tab, true, names.len());
    let import = ground.tab(look.import.as_ref(), &titles.import_tab, false, look.first + CHOOSING_ROWS);
    let mut changes = ground.changes;
    let shown = look.reference.as_ref().map(|tab| &tab.grid);
    let shown = |row: usize| shown.map_or(&Cell::Empty, |grid| grid.get(row, 0));
    if look.reference.as_ref().is_some_and(|tab| !tab.hidden) {
        changes.push(Change::HideTab(reference, true));
        report.details.push(format!("hide the tab «{}»", titles.mapping_tab));
    }
    let length = names.len().max(look.reference.as_ref().map_or(0, |tab| tab.grid.rows.len()));
    let wanted = |row: usize| names.get(row).map_or(Cell::Empty, |name| Cell::Text(name.clone()));
    let differing: Vec<usize> = (0..length).filter(|row| *shown(*row) != wanted(*row)).collect();
    for run in differing.chunk_by(|one, next| one + 1 == *next) {
        let cells = run.iter().map(|row| vec![wanted(*row)]).collect();
        changes.push(Change::Write { tab: reference, row: run[0], column: 0, cells });
    }
    let new = |row: &&usize| shown(**row).is_empty();
    report.counts.inserted = differing.iter().filter(new).count() as u64;
    report.counts.deleted = differing.iter().filter(|row| **row >= names.len()).count() as u64;
    report.counts.updated = differing.len() as u64 - report.counts.inserted - report.counts.deleted;
    report.counts.unchanged = (length - differing.len()) as u64;
    report.details.extend(differing.iter().map(|row| match names.get(*row) {
        Some(name) => format!("write A{} «{}»", row + 1, quote(name, 60)),
        None => format!("clear A{}", row + 1),
    }));
    let title = look.reference.as_ref().map_or(&titles.mapping_tab, |tab| &tab.title);
    let range = format!("={}!$A$1:$A${}", a1::tab(title), names.len());
    let rows = look.first..look.first + CHOOSING_ROWS;
    let choices = look.import.iter().flat_map(|tab| &tab.drop_downs);
    let is_right = |(row, column, shown): &&(usize, usize, String)| {
        *column == CHOOSING_COLUMN && rows.contains(row) && same_range(shown, &range)
    };
    let right = choices.filter(is_right).count();
    if right != CHOOSING_ROWS {
        let cells = Rectangle {
            top: rows.start,
            left: CHOOSING_COLUMN,
            bottom: rows.end,
            right: CHOOSING_COLUMN + 1,
        };
        changes.push(Change::DropDown { tab: import, cells, range });
        report.counts.updated += 1;
        report.details.push(format!(
            "a drop-down on C{}:C{} of «{}»",
            rows.start + 1,
            rows.end,
            titles.import_tab
        ));
    }
    changes
}

/// The changes that make room for the others.
struct Ground {
    changes: Vec<Change>,
    /// The numbers that tabs have.
    taken: Vec<i32>,
}

impl Ground {
    /// The tab's number; it is made, or made longer, first. It has room for the drop-down's column.
    fn tab(&mut self, tab: Option<&Tab>, title: &str, hidden: bool, rows: usize) -> i32 {
        let columns = CHOOSING_COLUMN + 1;
        let Some(tab) = tab else {
            let tab = free_number(&mut self.taken, title);
            self.changes.push(Change::AddTab { tab, title: title.to_owned(), hidden, rows, columns });
            return tab;
        };
        if tab.rows < rows {
            self.changes.push(Change::Append { tab: tab.id, axis: Axis::Rows, count: rows - tab.rows });
        }
        if tab.columns < columns && !hidden {
            let count = columns - tab.columns;
            self.changes.push(Change::Append { tab: tab.id, axis: Axis::Columns, count });
        }
        tab.id
    }
}

/// Google leaves out quotes that a title does not need, and tells titles apart without case.
fn same_range(one: &str, other: &str) -> bool {
    let plain = |range: &str| range.replace('\'', "").to_lowercase();
    plain(one) == plain(other)
}
