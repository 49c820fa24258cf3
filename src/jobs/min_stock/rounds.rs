//! A push as it happens: look, plan, write, look again, until there is nothing left to do.

use super::{
    arrangement::{self, Arrangement, Levels, Wanted},
    draft::{self, Draft, Summary},
    frame::Torn,
    journal::{self, Meant, Spot, Stray, Wound},
    layout, levels,
    look::{self, Look},
    pull::Place,
    sheet::{HEADER_ROWS, LABEL_COLUMNS, Sheet},
    typed::{self, Typed},
};
use crate::{
    error::{Result, quote},
    jobs::{
        context::Context,
        nomenclature::{Item, Nomenclature},
    },
    model::report::StepReport,
    store::Store,
    upstreams::google_sheets::{Axis, Cell, Change, Client, Pauses, Tab, Written, a1, free_number},
};
use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

/// How often a push begins anew because somebody else changes the sheet meanwhile, or an answer was lost.
const ROUNDS: usize = 8;
/// How many changes one request holds at most: each takes 30 kB on its way into google-sheets4's requests. What is left over
/// comes with the next one.
const CHANGES: usize = 1_000;

/// Writes the nomenclature into the tab until there is nothing left to do.
pub(in crate::jobs) async fn push(
    ctx: &Context,
    store: &mut dyn Store,
    report: &mut StepReport,
) -> Result<()> {
    let title = &ctx.config.min_stock.tab;
    a1::check_title("MIN_STOCK_TAB", title)?;
    let mut nomenclature = Nomenclature::read(ctx, store).await?;
    let client = ctx.sheets()?;
    if nomenclature.has_doubts() {
        let sheet = Look::take(client, title).await?.sheet;
        let kept = nomenclature.keep_doubtful(sheet.products(), sheet.departments());
        if kept > 0 {
            report.notes.push(format!(
                "{kept} rows and departments stay as they are, because iiko's records of them cannot be used"
            ));
        }
    }
    let stored = levels(store).await?;
    report.counts.fetched = nomenclature.products.len() as u64;
    let mut push = Push::new(client, title, &nomenclature, stored);
    let mut pauses = Pauses::new(&ctx.config.retries);
    let (mut rounds, mut refusal, mut found) = (0, None, None);
    while rounds < ROUNDS {
        let look = Look::take(push.client, title).await?;
        let wounds = push.learn(&look, report);
        let round = push.plan(&look, &wounds);
        report.counts.unchanged = *found.get_or_insert(look.sheet.lines.len() as u64);
        if round.changes.is_empty() || ctx.is_dry_run() {
            count(report, &round.summary);
            return if ctx.is_dry_run() { Ok(()) } else { push.forget(&look).await };
        }
        match push.client.change(title, &round.changes).await? {
            Written::Done => rounds += usize::from(!round.is_partial),
            Written::Refused(failure) => {
                tracing::info!("{failure}; looking at the sheet again");
                refusal = Some(failure);
                rounds += 1;
                continue;
            }
            Written::Unknown(failure) => {
                pauses.rest(failure).await?;
                rounds += 1;
            }
        }
        refusal = None;
        push.meant.extend(round.journal.map(|number| (number, round.meant)));
        count(report, &round.summary);
    }
    Err(refusal.unwrap_or_else(|| look::restless(title)))
}

/// Adds what a round does to the report.
fn count(report: &mut StepReport, summary: &Summary) {
    report.counts.inserted += summary.inserted;
    report.counts.updated += summary.moved + summary.cells + summary.looks;
    report.counts.deleted += summary.removed;
    report.details.extend(summary.details.iter().cloned());
}

/// What a round does.
struct Round {
    changes: Vec<Change>,
    summary: Summary,
    /// The number of the copy that tells what the changes did, if one is made.
    journal: Option<i32>,
    /// What the changes put right.
    meant: Meant,
    /// Whether more is to come than one request holds.
    is_partial: bool,
}

struct Push<'a> {
    client: &'a Client,
    title: &'a str,
    wanted: Wanted<'a>,
    /// The names of products and departments that the database knows.
    names: HashMap<Uuid, String>,
    /// What this run's requests were to write into old cells, by the number of the copy that tells what they did.
    meant: HashMap<i32, Meant>,
    /// What this run's requests have written beside no product or under no department.
    strays: Vec<Stray>,
    /// The names of products and departments that are gone over which they have written, and what.
    labels: HashMap<Uuid, Cell>,
}

impl<'a> Push<'a> {
    fn new(
        client: &'a Client,
        title: &'a str,
        nomenclature: &'a Nomenclature,
        known: Vec<super::Stored>,
    ) -> Self {
        let (mut names, mut levels, mut stored) = (HashMap::new(), HashMap::new(), HashSet::new());
        for level in known {
            let (product, department) = level.place;
            let [product_name, department_name] = level.names;
            names.extend([(product, product_name), (department, department_name)]);
            stored.extend([product, department]);
            levels.insert(level.place, level.levels);
        }
        let (products, departments) = (&*nomenclature.products, &*nomenclature.departments);
        let wanted = Wanted { products, departments, levels, stored, ..Wanted::default() };
        Self {
            client,
            title,
            wanted,
            names,
            meant: HashMap::new(),
            strays: Vec::new(),
            labels: HashMap::new(),
        }
    }

    /// Takes in what the sheet shows: what an earlier request did wrong, which is returned, and what people typed since.
    fn learn(&mut self, look: &Look, report: &mut StepReport) -> Vec<Wound> {
        let meant = look.journal.after.and_then(|number| self.meant.get(&number));
        let mut wounds = look.journal.wounds(&look.sheet, &self.wanted.levels, meant);
        let mut strays = look.journal.strays(meant, &self.strays);
        strays.append(&mut self.strays);
        strays.dedup();
        for stray in strays {
            if let Some(wound) = stray.find(&look.sheet, &wounds) {
                wounds.push(wound);
                // What is to put it right may miss it, too.
                self.strays.push(stray);
            }
        }
        let spots: HashSet<Spot> = wounds.iter().filter_map(|wound| wound.spot).collect();
        let known: HashSet<Uuid> =
            self.wanted.products.iter().chain(self.wanted.departments).map(|item| item.id).collect();
        // What is no level comes back where this run has removed it, not where somebody else has.
        let is_level = |cell: &Cell| !matches!(typed::level(cell), Typed::Bad(_));
        self.wanted.levels.retain(|place, cells| cells.iter().all(is_level) || look.sheet.holds(*place));
        self.wanted.levels.extend(look.journal.lost(&look.sheet));
        if meant.is_some() {
            self.labels.extend(look.journal.labels(|id| known.contains(&id)));
            report.warnings.extend(look.journal.lost_notes().into_iter().map(|note| {
                let copy = &journal::titles(self.title)[0];
                format!(
                    "the row «{}», which has no product's id, was removed by mistake; it is in the tab «{copy}»",
                    quote(note, 60)
                )
            }));
        }
        for place in look.sheet.places() {
            let seen = look.sheet.levels(place);
            for (side, cell) in seen.iter().enumerate() {
                if let Some(cell) = cell.filter(|_| !spots.contains(&(place, side))) {
                    self.see(place, side, cell);
                }
            }
        }
        self.find_gone(&look.sheet, &known);
        wounds.extend(self.mislabelled(&look.sheet));
        wounds
    }

    /// The names of what is gone that this run has overwritten and that nobody has changed since.
    fn mislabelled(&mut self, sheet: &Sheet) -> Vec<Wound> {
        let mut wounds = Vec::new();
        self.labels.retain(|id, written| {
            let right = self.names.get(id).map_or(Cell::Empty, |name| draft::text(name));
            let at = sheet.row_label(*id).or_else(|| sheet.column_label(*id));
            let at = at.filter(|(row, column)| sheet.grid.get(*row, *column) == written && *written != right);
            wounds.extend(at.map(|(row, column)| {
                let wrong = written.clone();
                Wound { spot: None, row, column, wrong, right }
            }));
            // What is to put it right may miss it.
            at.is_some()
        });
        wounds
    }

    /// Keeps in mind what stands in a cell, unless it is no level.
    fn see(&mut self, place: Place, side: usize, cell: &Cell) {
        if let Typed::Bad(_) = typed::level(cell) {
            return;
        }
        match self.wanted.levels.get_mut(&place) {
            Some(cells) => cells[side].clone_from(cell),
            None if cell.is_empty() => {}
            None => {
                let mut cells = Levels::default();
                cells[side].clone_from(cell);
                self.wanted.levels.insert(place, cells);
            }
        }
    }

    /// The products and departments that the nomenclature does not have and that are needed for their numbers.
    fn find_gone(&mut self, sheet: &Sheet, known: &HashSet<Uuid>) {
        let labels = sheet.rows.keys().map(|id| (*id, sheet.row_label(*id)));
        let labels = labels.chain(sheet.pairs.iter().map(|pair| (pair.department, Some((1, pair.min)))));
        for (id, at) in labels.filter(|(id, _)| !known.contains(id)) {
            let name = at.map_or("", |(row, column)| sheet.grid.get(row, column).text());
            if !name.is_empty() {
                self.names.entry(id).or_insert_with(|| name.to_owned());
            }
        }
        let with_numbers = self.wanted.levels.iter().filter(|(_, cells)| !cells.iter().all(Cell::is_empty));
        let (mut products, mut departments) = (HashSet::new(), HashSet::new());
        for ((product, department), _) in with_numbers {
            products.insert(*product);
            departments.insert(*department);
        }
        let pairs = sheet.pairs.iter().filter(|pair| {
            let mut columns = pair.columns().into_iter().flatten();
            self.wanted.stored.contains(&pair.department)
                || columns.any(|column| sheet.column_has_numbers(column))
        });
        departments.extend(pairs.map(|pair| pair.department));
        let items = |ids: HashSet<Uuid>| {
            let name = |id: Uuid| {
                let at = sheet.column_label(id);
                let shown = at.map(|(row, column)| sheet.grid.get(row, column).text().to_owned());
                shown.or_else(|| self.names.get(&id).cloned()).unwrap_or_default()
            };
            let gone = ids.into_iter().filter(|id| !known.contains(id));
            let mut items: Vec<Item> = gone.map(|id| Item { id, name: name(id) }).collect();
            items.sort_by_key(|item| item.id);
            items
        };
        let (products, departments) = (items(products), items(departments));
        (self.wanted.lost_products, self.wanted.lost_departments) = (products, departments);
    }

    /// Says what has to be changed, looks included.
    fn plan(&self, look: &Look, wounds: &[Wound]) -> Round {
        let mut taken = look.numbers.clone();
        if let (Some(tab), Some(torn)) = (&look.tab, &look.sheet.torn) {
            return self.straighten(look, tab, torn, wounds, taken);
        }
        let (ground, tab) = self.ground(look, &mut taken);
        let arrangement = arrangement::arrangement(&look.sheet, &self.wanted);
        let mut draft = draft::draft(&tab, &look.sheet, &self.wanted, &arrangement, wounds);
        let (changes, is_partial) = self.changes(look, ground, &tab, &arrangement, &mut draft);
        let mut summary = std::mem::take(&mut draft.summary);
        let looks = changes.iter().filter(|change| change.is_look()).count();
        summary.looks = looks as u64;
        if looks > 0 {
            summary.details.push(format!("format {looks} ranges"));
        }
        let mut round = Round { changes, summary, journal: None, meant: Meant::default(), is_partial };
        if look.tab.is_some() && !round.changes.iter().all(Change::is_harmless) {
            round.meant = Meant::by(wounds, &round.changes);
            self.watch(look, &tab, &mut taken, &mut round);
        }
        round
    }

    /// Puts headers and labels where they belong; everything else comes with the next request.
    fn straighten(
        &self,
        look: &Look,
        tab: &Tab,
        torn: &Torn,
        wounds: &[Wound],
        mut taken: Vec<i32>,
    ) -> Round {
        let heal = wounds.iter().filter_map(|wound| {
            let (row, column) = torn.really(wound.row, wound.column)?;
            Some(Change::Write { tab: tab.id, row, column, cells: vec![vec![wound.right.clone()]] })
        });
        let mut changes: Vec<Change> = heal.collect();
        changes.extend(torn.changes(tab));
        let meant = Meant::by(wounds, &changes);
        let details = vec!["put the headers and labels where they belong".to_owned()];
        let summary = Summary { moved: 1, details, ..Summary::default() };
        let mut round = Round { changes, summary, journal: None, meant, is_partial: false };
        self.watch(look, tab, &mut taken, &mut round);
        round
    }

    /// All changes in the order in which they are to be done, and whether some are left for the next request.
    fn changes(
        &self,
        look: &Look,
        ground: Vec<Change>,
        tab: &Tab,
        arrangement: &Arrangement<'_>,
        draft: &mut Draft,
    ) -> (Vec<Change>, bool) {
        let looks = layout::after(tab, draft, arrangement, layout::name_pixels(self.wanted.products));
        let mut changes = ground;
        changes.append(&mut draft.repairs);
        changes.extend(layout::before(tab, &look.sheet, draft));
        changes.append(&mut draft.structure);
        // From here on each change makes sense alone.
        let whole = changes.len().max(CHANGES);
        changes.append(&mut draft.names);
        changes.extend(looks);
        let is_partial = arrangement.partial || changes.len() > whole;
        changes.truncate(whole);
        (changes, is_partial)
    }

    /// What must be there before anything can be put on it: the tab itself, with room for the headers and one more.
    fn ground(&self, look: &Look, taken: &mut Vec<i32>) -> (Vec<Change>, Tab) {
        let (rows, columns) = (HEADER_ROWS + 1, LABEL_COLUMNS + 1);
        let Some(mut tab) = look.tab.clone() else {
            let title = self.title.to_owned();
            let tab = Tab { id: free_number(taken, &title), rows, columns, ..Tab::default() };
            return (vec![Change::AddTab { tab: tab.id, title, hidden: false, rows, columns }], tab);
        };
        let mut changes = Vec::new();
        changes.extend(look.is_debris.then_some(Change::Clear(tab.id)));
        for (axis, size, needed) in [(Axis::Rows, tab.rows, rows), (Axis::Columns, tab.columns, columns)] {
            if size < needed {
                changes.push(Change::Append { tab: tab.id, axis, count: needed - size });
            }
        }
        (tab.rows, tab.columns) = (tab.rows.max(rows), tab.columns.max(columns));
        (changes, tab)
    }

    /// Lets Google copy the tab before and after the changes, see [`journal`].
    fn watch(&self, look: &Look, tab: &Tab, taken: &mut Vec<i32>, round: &mut Round) {
        let [before, after] = journal::titles(self.title).map(|title| {
            let copy = free_number(taken, &title);
            (copy, [Change::CopyTab { tab: tab.id, copy, title }, Change::HideTab(copy, true)])
        });
        let old = [look.journal.before, look.journal.after].into_iter().flatten().map(Change::DeleteTab);
        round.changes.splice(0..0, old.chain(before.1));
        round.changes.extend(after.1);
        round.journal = Some(after.0);
    }

    /// Removes the copy that told what the last request did: it did no harm.
    async fn forget(&self, look: &Look) -> Result<()> {
        let Some(copy) = look.journal.after else { return Ok(()) };
        match self.client.change(self.title, &[Change::DeleteTab(copy)]).await? {
            Written::Done => {}
            // Somebody has removed it, or the next push will.
            Written::Refused(failure) | Written::Unknown(failure) => tracing::info!("{failure}"),
        }
        Ok(())
    }
}
