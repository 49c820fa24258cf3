//! What people do to the tab of levels, and what the oracle has to know of it.

use super::{
    desk::TAB,
    process::Dice,
    sheet_oracle::{Held, Layout, Oracle, cell, letters},
};
use zerkalo::sandbox::{Hands, Spreadsheet};

/// The title that the predecessor gave the tab.
pub(super) const PREDECESSOR: &str = "Минимальные остатки";

/// Something that a person does; where and to what is chosen when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Type,
    Empty,
    Sort,
    SortSheet,
    MoveRow,
    InsertRow,
    DeleteRow,
    MovePair,
    InsertColumns,
    DeletePair,
    Merge,
    Grow,
    Cut,
    Shrink,
    Rename,
    Predecessor,
    Clear,
    ClearAndShrink,
    DeleteTab,
}

impl Deed {
    /// A deed that anybody may do at any time.
    pub(super) fn any(dice: &mut Dice) -> Self {
        const OFTEN: [Deed; 32] = [
            Deed::Type,
            Deed::Type,
            Deed::Type,
            Deed::Type,
            Deed::Type,
            Deed::Type,
            Deed::Empty,
            Deed::Empty,
            Deed::Sort,
            Deed::Sort,
            Deed::Sort,
            Deed::SortSheet,
            Deed::MoveRow,
            Deed::MoveRow,
            Deed::InsertRow,
            Deed::InsertRow,
            Deed::DeleteRow,
            Deed::DeleteRow,
            Deed::DeleteRow,
            Deed::MovePair,
            Deed::MovePair,
            Deed::InsertColumns,
            Deed::InsertColumns,
            Deed::DeletePair,
            Deed::DeletePair,
            Deed::Merge,
            Deed::Grow,
            Deed::Cut,
            Deed::Shrink,
            Deed::Rename,
            Deed::Clear,
            Deed::DeleteTab,
        ];
        OFTEN[pick(dice, OFTEN.len())]
    }

    /// Does it, tells the oracle, and says what was done.
    pub(super) fn act(self, sheet: &mut Spreadsheet, oracle: &mut Oracle, dice: &mut Dice) -> String {
        let Some(number) = oracle.tab(sheet) else { return format!("{self:?}: there is no tab") };
        let told = match self {
            Self::Rename | Self::Predecessor | Self::DeleteTab => self.with_tab(sheet, number, oracle, dice),
            _ => {
                let mut tab = sheet.tab_numbered(number).expect("it was found");
                let layout = Layout::of(&tab);
                let mut person = Person { tab: &mut tab, layout, oracle, dice };
                match self {
                    Self::Type | Self::Empty => person.type_in(self == Self::Empty),
                    Self::Sort | Self::SortSheet => person.sort(self == Self::SortSheet),
                    Self::MoveRow | Self::InsertRow | Self::DeleteRow => person.with_row(self),
                    Self::MovePair | Self::InsertColumns | Self::DeletePair => person.with_columns(self),
                    Self::Merge => person.merge(),
                    Self::Grow | Self::Cut | Self::Shrink => person.resize(self),
                    _ => person.clear(self == Self::ClearAndShrink),
                }
            }
        };
        format!("{self:?}: {}", told.unwrap_or_else(|why| format!("not done, {why}")))
    }

    /// What is done to the tab as a whole.
    fn with_tab(
        self,
        sheet: &mut Spreadsheet,
        number: i64,
        oracle: &mut Oracle,
        dice: &mut Dice,
    ) -> Result<String, String> {
        let title = sheet.tab_numbered(number).expect("it was found").state().title.clone();
        if self == Self::DeleteTab {
            sheet.delete_tab(&title);
            oracle.deleted(|_| true);
            return Ok(format!("«{title}» is deleted"));
        }
        let titles = [PREDECESSOR, "Остатки 2026", "МИН ОСТАТКИ", TAB];
        let new = if self == Self::Predecessor { PREDECESSOR } else { titles[pick(dice, titles.len())] };
        let same = |other: &&str| other.to_lowercase() == new.to_lowercase() && **other != title;
        if sheet.titles().iter().any(same) {
            return Err(format!("there is a tab «{new}»"));
        }
        sheet.rename_tab(&title, new);
        Ok(format!("«{title}» is «{new}» now"))
    }
}

/// A number below `end`, of which there is at least one.
pub(super) fn pick(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(u64::try_from(end.max(1)).unwrap())).unwrap()
}

/// Somebody with the tab open.
struct Person<'a, 'b> {
    tab: &'a mut Hands<'b>,
    layout: Layout,
    oracle: &'a mut Oracle,
    dice: &'a mut Dice,
}

impl Person<'_, '_> {
    /// Types into a cell whose row and column say what they are, or empties it.
    fn type_in(&mut self, empty: bool) -> Result<String, String> {
        let cells = self.cells(empty);
        if cells.is_empty() {
            return Err("no cell says what it is".to_owned());
        }
        let (row, column, product, department, side) = cells[pick(self.dice, cells.len())].clone();
        let number = 600 + self.dice.below(9000) + 20_000 * u64::try_from(side).unwrap();
        let text = match self.dice.below(20) {
            _ if empty => String::new(),
            0 => "много".to_owned(),
            1 => "1.5".to_owned(),
            2 => "10%".to_owned(),
            3 => "-7".to_owned(),
            4 => format!("'{number}"),
            5 => format!("{number},5"),
            // More than any max.
            6 if side == 0 => "99999".to_owned(),
            _ => number.to_string(),
        };
        self.tab.type_in(&cell(row, column), &text);
        let held = Held::of(self.tab, row, column);
        self.oracle.typed(&product, &department, side, held);
        Ok(format!("«{text}» into {} ({}, {department})", cell(row, column), self.layout.text(row, 0)))
    }

    /// The cells of levels that can be typed into, or those that hold something.
    fn cells(&self, filled: bool) -> Vec<(usize, usize, String, String, usize)> {
        let merges = self.tab.merges();
        let mut cells = Vec::new();
        for (row, product) in &self.layout.products {
            for (head, department) in &self.layout.heads {
                for side in [0, 1] {
                    let column = head + side;
                    let name = cell(*row, column);
                    let below = cell(row.saturating_sub(1), column);
                    let covered = merges.contains(&format!("{below}:{name}")) || column >= self.tab.size().1;
                    let fits = !filled || !self.layout.text(*row, column).is_empty();
                    if !covered && fits {
                        cells.push((*row, column, product.clone(), department.clone(), side));
                    }
                }
            }
        }
        cells
    }

    fn sort(&mut self, sheet: bool) -> Result<String, String> {
        let (last, width) = (self.layout.rows.len(), self.tab.size().1);
        if last < 5 {
            return Err("there is nothing to sort".to_owned());
        }
        let used = self.layout.heads.last().map_or(2, |(head, _)| head + 2).min(width);
        let (column, down) = (letters(pick(self.dice, used)), self.dice.below(2) == 0);
        if sheet {
            self.tab.sort_sheet(&column, down)?;
            return Ok(format!("the whole sheet by {column}, down {down}"));
        }
        let range = format!("A4:{}{last}", letters(width - 1));
        self.tab.sort(&range, &column, down)?;
        Ok(format!("{range} by {column}, down {down}"))
    }

    /// A row, from 0, among those of products.
    fn row(&mut self) -> Result<usize, String> {
        let rows = self.layout.rows.len().saturating_sub(3);
        if rows == 0 { Err("there is no row".to_owned()) } else { Ok(3 + pick(self.dice, rows)) }
    }

    fn with_row(&mut self, deed: Deed) -> Result<String, String> {
        let row = self.row()?;
        let label = self.layout.text(row, 0);
        match deed {
            Deed::MoveRow => {
                let to = self.row()?;
                self.tab.move_rows(row + 1, 1, to + 1)?;
                Ok(format!("row {} ({label}) before row {}", row + 1, to + 1))
            }
            Deed::InsertRow => {
                self.tab.insert_rows(row + 1, 1)?;
                Ok(format!("an empty row {}", row + 1))
            }
            _ => {
                let id = self.layout.text(row, 1);
                self.tab.delete_rows(row + 1, 1)?;
                self.oracle.deleted(|place| place.0 == id);
                Ok(format!("row {} ({label})", row + 1))
            }
        }
    }

    fn with_columns(&mut self, deed: Deed) -> Result<String, String> {
        let heads = self.layout.heads.clone();
        if heads.is_empty() {
            return Err("there is no department".to_owned());
        }
        let (column, department) = heads[pick(self.dice, heads.len())].clone();
        let name = self.layout.text(1, column);
        let mut targets: Vec<usize> = heads.iter().map(|(column, _)| *column).collect();
        targets.extend(heads.last().map(|(column, _)| column + 2));
        let to = targets[pick(self.dice, targets.len())];
        match deed {
            Deed::MovePair => {
                self.tab.move_columns(&letters(column), 2, &letters(to))?;
                Ok(format!("{name} from {} before {}", letters(column), letters(to)))
            }
            Deed::InsertColumns => {
                let count = 1 + pick(self.dice, 2);
                self.tab.insert_columns(&letters(to), count)?;
                Ok(format!("{count} empty from {} on", letters(to)))
            }
            _ => {
                self.tab.delete_columns(&letters(column), 2)?;
                self.oracle.deleted(|place| place.1 == department);
                Ok(format!("{} ({name})", letters(column)))
            }
        }
    }

    /// Makes one cell of two that lie one above the other.
    fn merge(&mut self) -> Result<String, String> {
        let cells = self.cells(false);
        if cells.is_empty() {
            return Err("no cell says what it is".to_owned());
        }
        let (row, column, _, department, side) = cells[pick(self.dice, cells.len())].clone();
        let below = self.layout.products.iter().find(|(below, _)| *below == row + 1).cloned();
        let Some((_, product)) = below else { return Err("there is no product below".to_owned()) };
        let range = format!("{}:{}", cell(row, column), cell(row + 1, column));
        self.tab.merge(&range)?;
        self.oracle.typed(&product, &department, side, Held::default());
        Ok(format!("{range}, which empties the cell of {}", self.layout.text(row + 1, 0)))
    }

    fn resize(&mut self, deed: Deed) -> Result<String, String> {
        let (rows, columns) = self.tab.size();
        let used = self.layout.heads.last().map_or(2, |(head, _)| head + 2);
        let (height, width) = match deed {
            Deed::Grow => (rows + 5, columns + 3),
            Deed::Shrink => (self.layout.rows.len().max(4).min(rows), used.min(columns)),
            _ => (self.layout.rows.len().saturating_sub(1 + pick(self.dice, 2)).max(4), columns),
        };
        let cut = |(at, id): &(usize, String), end: usize| (*at >= end).then(|| id.clone());
        let products: Vec<String> = self.layout.products.iter().filter_map(|row| cut(row, height)).collect();
        self.tab.resize(height, width)?;
        self.oracle.deleted(|place| products.contains(&place.0));
        Ok(format!("from {rows} × {columns} to {height} × {width}"))
    }

    fn clear(&mut self, shrink: bool) -> Result<String, String> {
        self.tab.clear();
        self.oracle.deleted(|_| true);
        if !shrink {
            return Ok("everything".to_owned());
        }
        self.tab.unmerge().state_mut().frozen_rows = 0;
        let (rows, columns) = (1 + pick(self.dice, 3), 1 + pick(self.dice, 2));
        self.tab.resize(rows, columns)?;
        Ok(format!("everything, and the grid is {rows} × {columns}"))
    }
}
