//! The mapping reference: display names of goods in the hidden tab «Маппинг Справочник», and the drop-down over them on
//! the tab «Маппинг Импорт».

use super::nomenclature;
use crate::{
    config::MinStock,
    context::Context,
    error::{Result, quote},
    report::StepReport,
    sheets::{Axis, Cell, Change, Grid, Pauses, Rectangle, Sheets, Tab, Written, a1},
    store::Store,
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
    let sheets = ctx.sheets()?;
    let mut pauses = Pauses::new(&ctx.config.retries);
    loop {
        let look = Look::take(sheets, titles).await?;
        let shown = (0..look.shown.rows.len()).map(|row| look.shown.get(row, 0).text());
        let names = names.beside(shown);
        report.fetched = names.len() as u64;
        let changes = changes(&look, &names, titles, report);
        if changes.is_empty() || ctx.is_dry_run() {
            return Ok(());
        }
        match sheets.change(&changes).await? {
            Written::Done => return Ok(()),
            Written::Unknown(failure) => pauses.rest(failure).await?,
        }
    }
}

/// The tabs as they are.
struct Look {
    reference: Option<Tab>,
    import: Option<Tab>,
    shown: Grid,
    /// The first row that chooses.
    first: usize,
    /// The ranges that the import tab's cells choose from, by row.
    choices: Vec<(usize, String)>,
}

impl Look {
    async fn take(sheets: &dyn Sheets, titles: &MinStock) -> Result<Self> {
        let tabs = sheets.tabs(&[]).await?;
        let find = |title: &str| tabs.iter().find(|tab| tab.title == title).cloned();
        let (reference, import) = (find(&titles.mapping_tab), find(&titles.import_tab));
        let mut ranges = Vec::new();
        ranges.extend(reference.as_ref().map(|tab| format!("{}!A:A", a1::tab(&tab.title))));
        ranges.extend(import.as_ref().map(|tab| format!("{}!A:A", a1::tab(&tab.title))));
        let mut grids = if ranges.is_empty() { Vec::new() } else { sheets.read(&ranges).await? }.into_iter();
        let shown = reference.as_ref().and_then(|_| grids.next()).unwrap_or_default();
        let marks = import.as_ref().and_then(|_| grids.next()).unwrap_or_default();
        let is_mark = |row: &usize| marks.get(*row, 0).text().trim().to_lowercase() == MARK;
        let first = (0..marks.rows.len()).find(is_mark).unwrap_or(1);
        let mut choices = Vec::new();
        if let Some(tab) = import.as_ref().filter(|tab| first < tab.rows) {
            let last = (first + CHOOSING_ROWS).min(tab.rows);
            let range = format!("{}!C{}:C{last}", a1::tab(&tab.title), first + 1);
            let tabs = sheets.tabs(&[range]).await?;
            let seen = tabs.into_iter().find(|seen| seen.id == tab.id).unwrap_or_default();
            let of_column = seen.drop_downs.into_iter().filter(|(_, column, _)| *column == CHOOSING_COLUMN);
            choices = of_column.map(|(row, _, range)| (row, range)).collect();
        }
        Ok(Self { reference, import, shown, first, choices })
    }
}

fn changes(look: &Look, names: &[String], titles: &MinStock, report: &mut StepReport) -> Vec<Change> {
    let mut changes = Vec::new();
    let reference = tab(&mut changes, look.reference.as_ref(), &titles.mapping_tab, true, names.len());
    let import =
        tab(&mut changes, look.import.as_ref(), &titles.import_tab, false, look.first + CHOOSING_ROWS);
    if look.reference.as_ref().is_some_and(|tab| !tab.hidden) {
        changes.push(Change::HideTab(reference, true));
        report.details.push(format!("hide the tab «{}»", titles.mapping_tab));
    }
    let length = names.len().max(look.shown.rows.len());
    let wanted = |row: usize| names.get(row).map_or(Cell::Empty, |name| Cell::Text(name.clone()));
    let differing: Vec<usize> = (0..length).filter(|row| *look.shown.get(*row, 0) != wanted(*row)).collect();
    for run in differing.chunk_by(|one, next| one + 1 == *next) {
        let cells = run.iter().map(|row| vec![wanted(*row)]).collect();
        changes.push(Change::Write { tab: reference, row: run[0], column: 0, cells });
    }
    let new = |row: &&usize| look.shown.get(**row, 0).is_empty();
    report.inserted = differing.iter().filter(new).count() as u64;
    report.deleted = differing.iter().filter(|row| **row >= names.len()).count() as u64;
    report.updated = differing.len() as u64 - report.inserted - report.deleted;
    report.unchanged = (length - differing.len()) as u64;
    report.details.extend(differing.iter().map(|row| match names.get(*row) {
        Some(name) => format!("write A{} «{}»", row + 1, quote(name, 60)),
        None => format!("clear A{}", row + 1),
    }));
    let range = format!("={}!$A$1:$A${}", a1::tab(&titles.mapping_tab), names.len());
    let rows = look.first..look.first + CHOOSING_ROWS;
    let right =
        look.choices.iter().filter(|(row, shown)| rows.contains(row) && same_range(shown, &range)).count();
    if right != CHOOSING_ROWS {
        let cells = Rectangle {
            top: rows.start,
            left: CHOOSING_COLUMN,
            bottom: rows.end,
            right: CHOOSING_COLUMN + 1,
        };
        changes.push(Change::DropDown { tab: import, cells, range });
        report.updated += 1;
        report.details.push(format!(
            "a drop-down on C{}:C{} of «{}»",
            rows.start + 1,
            rows.end,
            titles.import_tab
        ));
    }
    changes
}

/// The tab's number; it is made, or made longer, first. It has room for the drop-down's column.
fn tab(changes: &mut Vec<Change>, tab: Option<&Tab>, title: &str, hidden: bool, rows: usize) -> i32 {
    let columns = CHOOSING_COLUMN + 1;
    let Some(tab) = tab else {
        let tab = a1::tab_number(title);
        changes.push(Change::AddTab { tab, title: title.to_owned(), hidden, rows, columns });
        return tab;
    };
    if tab.rows < rows {
        changes.push(Change::Append { tab: tab.id, axis: Axis::Rows, count: rows - tab.rows });
    }
    if tab.columns < columns && !hidden {
        changes.push(Change::Append { tab: tab.id, axis: Axis::Columns, count: columns - tab.columns });
    }
    tab.id
}

/// Google leaves out quotes that a title does not need.
fn same_range(one: &str, other: &str) -> bool {
    let plain = |range: &str| range.replace('\'', "");
    plain(one) == plain(other)
}
