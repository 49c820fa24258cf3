//! What must stand in the sheet and in the database after people have been at it: kept outside of the product, by following
//! every hand by the ids of the row and the column that it touched.
//!
//! - What somebody typed stands where its product and department stand, and nowhere else.
//! - What somebody deleted with its row, its columns or its tab comes back as the database held it: as it was in the
//!   beginning, or as somebody typed it since, if a run had read that.
//! - The database holds what the sheet holds; where that is no level, it holds one that was there before.

use super::desk::{Levels, Place, TAB, shown};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use zerkalo::sandbox::{Entered, Hands, Spreadsheet};

/// Min and max as the database has them; empty for what is null.
pub(super) type Level = (String, String);

/// The products and the departments that are alive, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Nomenclature {
    pub(super) products: BTreeMap<String, String>,
    pub(super) departments: BTreeMap<String, String>,
}

/// What a cell holds: its text, and the number that a reader may take it for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) text: String,
    pub(super) number: Option<String>,
}

/// What must stand in one cell of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Half {
    /// What was last typed into it, or stood there in the beginning.
    Held(Held),
    /// What the database held when the cell was deleted.
    Stored,
}

/// What must stand at a place.
#[derive(Debug, Clone)]
struct Stand {
    halves: [Half; 2],
    /// What the database may hold: what it held in the beginning, and every level that has stood here since.
    possible: BTreeSet<Option<Level>>,
    /// Numbers that were typed into the deleted cells of a pair that was no level.
    typed: [Option<Held>; 2],
}

/// What must stand everywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Oracle {
    places: BTreeMap<Place, Stand>,
    /// The names of everything that ever was, the last one last.
    names: BTreeMap<String, Vec<String>>,
    /// The number of the tab that people work in; none when somebody has deleted it.
    tab: Option<i64>,
}

/// A tab as it is laid out: which row is whose and which column is whose, from 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) products: Vec<(usize, String)>,
    pub(super) heads: Vec<(usize, String)>,
}

impl Layout {
    pub(super) fn of(tab: &Hands<'_>) -> Self {
        let rows = tab.rows();
        let ids = |cells: Vec<&Value>| -> Vec<(usize, String)> {
            let ids = cells.into_iter().map(|id| shown(Some(id))).enumerate();
            ids.filter(|(_, id)| id.len() == 36).collect()
        };
        let empty = Value::Null;
        let products = ids(rows.iter().map(|row| row.get(1).unwrap_or(&empty)).collect());
        let heads = ids(rows.first().into_iter().flatten().collect());
        let products = products.into_iter().filter(|(row, _)| *row > 2).collect();
        let heads = heads.into_iter().filter(|(column, _)| *column > 1).collect();
        Self { rows, products, heads }
    }

    /// Whether this is a tab of levels.
    fn is_one(&self) -> bool {
        !self.heads.is_empty() && self.text(1, 0) == "Товар" && self.text(1, 1) == "ID товара"
    }

    pub(super) fn text(&self, row: usize, column: usize) -> String {
        shown(self.rows.get(row).and_then(|row| row.get(column)))
    }
}

/// `A`, `Z`, `AA`.
pub(super) fn letters(column: usize) -> String {
    let last = char::from(b'A' + u8::try_from(column % 26).unwrap());
    if column < 26 { last.to_string() } else { format!("{}{last}", letters(column / 26 - 1)) }
}

/// The name of a cell, from 0: `C4`.
pub(super) fn cell(row: usize, column: usize) -> String {
    format!("{}{}", letters(column), row + 1)
}

impl Held {
    /// What a cell of the tab holds. Days, times and percentages are numbers that nobody meant as a level.
    pub(super) fn of(tab: &Hands<'_>, row: usize, column: usize) -> Self {
        let (rows, columns) = tab.size();
        if row >= rows || column >= columns {
            return Self::default();
        }
        let name = cell(row, column);
        let text = shown(Some(&tab.value(&name)));
        let held = tab.cell(&name);
        let kind = held.format.as_ref().and_then(|format| format.get("numberFormat"));
        let odd = kind.is_some_and(|kind| {
            ["DATE", "TIME", "DATE_TIME", "PERCENT"].iter().any(|odd| kind["type"] == *odd)
        });
        let digits: String =
            text.replace(',', ".").chars().filter(|letter| !letter.is_whitespace()).collect();
        let number = match held.entered {
            Some(Entered::Number(_)) if odd => None,
            Some(Entered::Number(_) | Entered::Text(_)) => digits.parse::<f64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| *number >= 0.0).map(|number| shown(Some(&number.into())));
        Self { text, number }
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// The level that two cells make; an error where they make none that can be stored.
fn level(halves: [&Held; 2]) -> Result<Option<Level>, ()> {
    if halves.iter().any(|half| !half.is_empty() && half.number.is_none()) {
        return Err(());
    }
    let [min, max] = halves.map(|half| half.number.clone().unwrap_or_default());
    if let (Ok(min), Ok(max)) = (min.parse::<f64>(), max.parse::<f64>())
        && min > max
    {
        return Err(());
    }
    Ok(Some((min, max)).filter(|level| *level != (String::new(), String::new())))
}

impl Stand {
    fn new(halves: [Held; 2], stored: Option<&Level>) -> Self {
        Self { halves: halves.map(Half::Held), possible: [stored.cloned()].into(), typed: [None, None] }
    }

    /// What must stand here, in a few words.
    fn told(&self) -> String {
        let half = |half: &Half| match half {
            Half::Held(held) => format!("«{}»", held.text),
            Half::Stored => "what was stored".to_owned(),
        };
        let possible = self.possible.iter().map(|level| match level {
            Some((min, max)) => format!("{min}–{max}"),
            None => "none".to_owned(),
        });
        let possible = possible.collect::<Vec<_>>().join(" or ");
        format!(
            "{} and {}; levels that may be stored: {possible}",
            half(&self.halves[0]),
            half(&self.halves[1])
        )
    }

    /// What may stand in a half by what the database may hold.
    fn stored(&self, side: usize) -> BTreeSet<String> {
        let part = |level: &Option<Level>| {
            let (min, max) = level.clone().unwrap_or_default();
            if side == 0 { min } else { max }
        };
        self.possible.iter().map(part).collect()
    }

    fn fits(&self, side: usize, held: &Held) -> bool {
        match &self.halves[side] {
            Half::Held(expected) => expected == held,
            Half::Stored => {
                self.typed[side].as_ref() == Some(held)
                    || (self.stored(side).contains(&held.text) && (held.is_empty() || held.number.is_some()))
            }
        }
    }

    /// Somebody deleted the cell: what comes back is what was stored. A number that could not be stored, because the two
    /// were no level together, may come back as it was typed, for it is beside what it was typed for.
    fn deleted(&mut self) {
        if let [Half::Held(min), Half::Held(max)] = &self.halves
            && level([min, max]).is_err()
        {
            self.typed = [min, max].map(|half| Some(half.clone()).filter(|half| half.number.is_some()));
            for side in [0, 1] {
                if let Some(typed) = &self.typed[side] {
                    let halves =
                        [0, 1].map(|at| if at == side { Half::Held(typed.clone()) } else { Half::Stored });
                    let mut mixed = Self { halves, possible: self.possible.clone(), typed: [None, None] };
                    mixed.remember();
                    self.possible.extend(mixed.possible);
                }
            }
        }
        self.halves = [Half::Stored, Half::Stored];
    }

    /// Remembers the levels that may stand here now.
    fn remember(&mut self) {
        let choices = |side: usize| -> Vec<Held> {
            match &self.halves[side] {
                Half::Held(held) => vec![held.clone()],
                Half::Stored => {
                    let held = |text: String| Held {
                        number: Some(text.clone()).filter(|text| !text.is_empty()),
                        text,
                    };
                    self.stored(side).into_iter().map(held).collect()
                }
            }
        };
        let (left, right) = (choices(0), choices(1));
        let pairs = left.iter().flat_map(|min| right.iter().map(move |max| level([min, max])));
        let new: Vec<_> = pairs.flatten().collect();
        self.possible.extend(new);
    }
}

impl Oracle {
    /// What stands in a tab of levels that is as it should be, and in the database.
    pub(super) fn new(sheet: &mut Spreadsheet, database: &Levels, names: &Nomenclature) -> Self {
        let tab = sheet.tab(TAB);
        let layout = Layout::of(&tab);
        let mut oracle = Self { tab: Some(tab.state().sheet_id), ..Self::default() };
        for (row, product) in &layout.products {
            for (column, department) in &layout.heads {
                let halves = [0, 1].map(|side| Held::of(&tab, *row, column + side));
                let place = (product.clone(), department.clone());
                let stand = Stand::new(halves, database.get(&place));
                oracle.places.insert(place, stand);
            }
        }
        oracle.learn(names);
        oracle
    }

    /// Learns names: the last one is the one that is shown.
    pub(super) fn learn(&mut self, names: &Nomenclature) {
        for (id, name) in names.products.iter().chain(&names.departments) {
            self.names.entry(id.clone()).or_default().push(name.clone());
        }
    }

    /// The last name of a product or a department.
    fn name(&self, id: &str) -> String {
        let last = self.names.get(id).and_then(|names| names.last());
        last.cloned().unwrap_or_else(|| id.to_owned())
    }

    /// The number of the tab that people find when they look for the levels.
    pub(super) fn tab(&mut self, sheet: &mut Spreadsheet) -> Option<i64> {
        let here = self.tab.filter(|tab| sheet.tab_numbered(*tab).is_some());
        self.tab = here.or_else(|| tabs(sheet).first().map(|(_, tab, _)| *tab));
        self.tab
    }

    fn stand(&mut self, product: &str, department: &str) -> &mut Stand {
        let place = (product.to_owned(), department.to_owned());
        self.places.entry(place).or_insert_with(|| Stand::new(Default::default(), None))
    }

    /// Somebody typed into a cell (`side` 0 is min), or emptied it. A cell that was deleted and is coming back may be filled
    /// again after somebody has emptied it: nobody can tell it from one that has not come back yet, and nothing is lost.
    pub(super) fn typed(&mut self, product: &str, department: &str, side: usize, held: Held) {
        let stand = self.stand(product, department);
        let before = stand.halves[side].clone();
        let emptied = held.is_empty();
        stand.halves[side] = Half::Held(held);
        stand.remember();
        if emptied && before == Half::Stored {
            stand.halves[side] = before;
        }
    }

    /// Somebody deleted the cells of these places.
    pub(super) fn deleted(&mut self, which: impl Fn(&Place) -> bool) {
        for (_, stand) in self.places.iter_mut().filter(|(place, _)| which(place)) {
            stand.deleted();
        }
    }

    /// Numbers that stand beside a product or a department for which nobody typed them: the name is what people read.
    pub(super) fn misplaced(&self, sheet: &mut Spreadsheet) -> Vec<String> {
        let mut wrong = Vec::new();
        for (title, _, layout) in tabs(sheet) {
            let tab = sheet.tab(&title);
            let rows = layout.products.iter().map(|(row, id)| (layout.text(*row, 0), id));
            let columns = layout.heads.iter().map(|(column, id)| (layout.text(1, *column), id));
            let labels = rows
                .chain(columns)
                .filter(|(name, id)| !self.names.get(*id).is_some_and(|names| names.contains(name)));
            wrong.extend(labels.map(|(name, id)| format!("{} ({id}) is called «{name}»", self.name(id))));
            for ((row, product), (column, department)) in pairs(&layout) {
                for side in [0, 1] {
                    let held = Held::of(&tab, row, column + side);
                    let place = (product.clone(), department.clone());
                    let fits = self.places.get(&place).is_some_and(|stand| stand.fits(side, &held));
                    if !held.is_empty() && !fits {
                        wrong.push(self.told(&title, Some((row, column + side)), &place, &held));
                    }
                }
            }
        }
        wrong
    }

    fn told(&self, title: &str, at: Option<(usize, usize)>, place: &Place, held: &Held) -> String {
        let at = at
            .map_or_else(|| "nowhere".to_owned(), |(row, column)| format!("«{title}»!{}", cell(row, column)));
        let no_level = if held.number.is_none() && !held.is_empty() { " (no level)" } else { "" };
        let stand = self.places.get(place).map_or_else(|| "nothing".to_owned(), Stand::told);
        format!(
            "{}, {} ({at}) holds «{}»{no_level}: expected {stand}",
            self.name(&place.0),
            self.name(&place.1),
            held.text
        )
    }

    /// Holds the sheet cell for cell and the database row for row against what must be; what is wrong, in sentences.
    pub(super) fn judge(
        &self,
        sheet: &mut Spreadsheet,
        database: &Levels,
        live: &Nomenclature,
    ) -> Vec<String> {
        let found = tabs(sheet);
        let [(title, _, layout)] = found.as_slice() else {
            let titles: Vec<&String> = found.iter().map(|(title, _, _)| title).collect();
            return vec![format!("the tabs of levels are {titles:?}, of {:?}", sheet.titles())];
        };
        let tab = sheet.tab(title);
        let mut wrong = self.rows(layout, database, live);
        wrong.extend(self.columns(&tab, layout, database, live));
        let mut seen = BTreeMap::new();
        for ((row, product), (column, department)) in pairs(layout) {
            let halves = [0, 1].map(|side| Held::of(&tab, row, column + side));
            seen.insert((product, department), ((row, column), halves));
        }
        for (row, cells) in layout.rows.iter().enumerate().skip(3) {
            let ours =
                |column: usize| layout.heads.iter().any(|(head, _)| column == *head || column == head + 1);
            let labelled = layout.products.iter().any(|(labelled, _)| *labelled == row);
            let strays = (2..cells.len()).filter(|column| !(labelled && ours(*column)));
            let strays = strays.filter(|column| !layout.text(row, *column).is_empty());
            wrong.extend(
                strays.map(|column| format!("{} is nobody's and holds something", cell(row, column))),
            );
        }
        let places = self.places.keys().chain(seen.keys()).chain(database.keys()).cloned();
        for place in places.collect::<BTreeSet<_>>() {
            let nowhere = [Held::default(), Held::default()];
            let (at, halves) = seen.get(&place).map_or((None, &nowhere), |(at, halves)| (Some(*at), halves));
            wrong.extend(self.place(title, &place, at, halves, database.get(&place)));
        }
        wrong
    }

    /// Holds one place against what must be.
    fn place(
        &self,
        title: &str,
        place: &Place,
        at: Option<(usize, usize)>,
        halves: &[Held; 2],
        stored: Option<&Level>,
    ) -> Option<String> {
        let nothing = Stand::new(Default::default(), None);
        let stand = self.places.get(place).unwrap_or(&nothing);
        let side = [0, 1].into_iter().find(|side| !stand.fits(*side, &halves[*side]));
        if let Some(side) = side {
            let at = at.map(|(row, column)| (row, column + side));
            return Some(self.told(title, at, place, &halves[side]));
        }
        let level = level([&halves[0], &halves[1]]);
        let both = stand.halves == [Half::Stored, Half::Stored];
        let fits = match &level {
            Ok(level) => stored == level.as_ref() && (!both || stand.possible.contains(level)),
            Err(()) => stand.possible.contains(&stored.cloned()),
        };
        let told = || format!("{} | the database holds {stored:?}", self.told(title, at, place, &halves[0]));
        (!fits).then(told)
    }

    /// Whether something is there for a product or a department that is gone.
    fn kept(&self, database: &Levels, of: impl Fn(&Place) -> bool) -> bool {
        let typed = |(place, stand): (&Place, &Stand)| {
            let held = |half: &Half| matches!(half, Half::Held(held) if !held.is_empty());
            of(place) && stand.halves.iter().any(held)
        };
        self.places.iter().any(typed) || database.keys().any(of)
    }

    /// What is no longer live and has to stand in the tab, sorted.
    fn gone(
        &self,
        database: &Levels,
        live: &BTreeMap<String, String>,
        part: impl Fn(&Place) -> &String,
    ) -> Vec<(String, String)> {
        let ids: BTreeSet<&String> = self.places.keys().map(&part).collect();
        let gone = ids.into_iter().filter(|id| !live.contains_key(*id));
        let kept = gone.filter(|id| self.kept(database, |place| part(place) == *id));
        let mut gone: Vec<_> = kept.map(|id| (self.name(id), id.clone())).collect();
        gone.sort();
        gone
    }

    /// What is wrong with the rows' labels and order.
    fn rows(&self, layout: &Layout, database: &Levels, live: &Nomenclature) -> Vec<String> {
        let mut expected = sorted(&live.products);
        let gone = self.gone(database, &live.products, |place| &place.0);
        let mut found: Vec<(String, String)> =
            (3..layout.rows.len()).map(|row| (layout.text(row, 0), layout.text(row, 1))).collect();
        if !gone.is_empty() {
            expected.push(("Нет в номенклатуре".to_owned(), String::new()));
        }
        // In which order those stand that are gone is not said.
        let from = expected.len().min(found.len());
        found[from..].sort();
        expected.extend(gone);
        differences("row", &expected, &found)
    }

    /// What is wrong with the columns' labels and order, and with how the tab looks.
    fn columns(
        &self,
        tab: &Hands<'_>,
        layout: &Layout,
        database: &Levels,
        live: &Nomenclature,
    ) -> Vec<String> {
        let mut expected = sorted(&live.departments);
        let gone = self.gone(database, &live.departments, |place| &place.1);
        let mut found: Vec<(String, String)> =
            layout.heads.iter().map(|(column, id)| (layout.text(1, *column), id.clone())).collect();
        let from = expected.len().min(found.len());
        found[from..].sort();
        expected.extend(gone);
        let mut wrong = differences("column", &expected, &found);
        let merges = tab.merges();
        for (place, (column, id)) in layout.heads.iter().enumerate() {
            let header = format!("{}:{}", cell(1, *column), cell(1, column + 1));
            let words = (layout.text(2, *column), layout.text(2, column + 1));
            if *column != 2 + 2 * place
                || words != ("МИН".to_owned(), "МАКС".to_owned())
                || !merges.contains(&header)
            {
                wrong.push(format!("the header of {id} at {header} is broken: {words:?}, {merges:?}"));
            }
        }
        let size = layout.rows.iter().take(3).map(Vec::len).max().unwrap_or_default();
        if size > 2 + 2 * layout.heads.len() {
            wrong.push(format!("the header goes on to column {size}: {:?}", &layout.rows[..3]));
        }
        let looks = (tab.row(1).1, tab.column("B").1, tab.state().frozen_rows);
        if looks != (true, true, 3) {
            wrong.push(format!("row 1 and column B are hidden and 3 rows are frozen: {looks:?}"));
        }
        wrong
    }
}

/// Whether something stands in the sheet that cannot be stored: it is named in every run until somebody corrects it.
pub(super) fn unusable(sheet: &mut Spreadsheet) -> bool {
    tabs(sheet).first().is_some_and(|(title, _, layout)| {
        let tab = sheet.tab(title);
        pairs(layout).any(|((row, _), (column, _))| {
            let [min, max] = [0, 1].map(|side| Held::of(&tab, row, column + side));
            level([&min, &max]).is_err()
        })
    })
}

/// Every product's row with every department's column.
fn pairs(layout: &Layout) -> impl Iterator<Item = ((usize, String), (usize, String))> + '_ {
    layout
        .products
        .iter()
        .flat_map(|product| layout.heads.iter().map(move |head| (product.clone(), head.clone())))
}

/// The tabs of levels that people see: the one of the title first.
fn tabs(sheet: &mut Spreadsheet) -> Vec<(String, i64, Layout)> {
    let titles: Vec<String> = sheet.titles().into_iter().map(str::to_owned).collect();
    let mut found: Vec<(String, i64, Layout)> = Vec::new();
    for title in titles {
        let tab = sheet.tab(&title);
        let layout = Layout::of(&tab);
        if !tab.state().hidden && layout.is_one() {
            found.push((title, tab.state().sheet_id, layout));
        }
    }
    found.sort_by_key(|(title, _, _)| title.to_lowercase() != TAB.to_lowercase());
    found
}

/// Names and ids by name, as people sort them.
fn sorted(items: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut sorted: Vec<(String, String)> =
        items.iter().map(|(id, name)| (name.clone(), id.clone())).collect();
    sorted.sort_by_key(|(name, _)| (name.trim().to_lowercase().replace('ё', "е"), name.clone()));
    sorted
}

fn differences(what: &str, expected: &[(String, String)], found: &[(String, String)]) -> Vec<String> {
    let names =
        |list: &[(String, String)]| list.iter().map(|(name, id)| format!("{name} {id}")).collect::<Vec<_>>();
    if expected == found {
        Vec::new()
    } else {
        vec![format!("the {what}s are\n    {:?}\n  and should be\n    {:?}", names(found), names(expected))]
    }
}
