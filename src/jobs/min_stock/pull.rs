//! Sheet → database: the typed levels, as records for the planner.
//!
//! A level is deleted only when its cell is there and empty, or when its product or department is gone. A row or a column
//! that somebody deleted by hand is no empty cell: its levels stay, and the next push brings row or column back with
//! them.

use super::{
    sheet::{HEADER_ROWS, Line, Pair, Sheet},
    typed::{self, Typed},
};
use crate::{
    engine::{Planner, row::Value},
    error::Result,
    jobs::nomenclature::Nomenclature,
    sheets::a1,
};
use hashbrown::{HashMap, HashSet, hash_map::Entry};
use serde_json::json;
use std::cmp::Ordering;
use uuid::Uuid;

/// A product and a department.
pub(super) type Place = (Uuid, Uuid);

/// What the cells of one place say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    /// Both are empty or zero.
    Nothing,
    /// At least one is more than zero; a level that nobody typed is `None`.
    Levels { min: Option<String>, max: Option<String> },
    /// They cannot be used; where and why.
    Bad(String),
}

/// Reads the sheet into the planner. `stored` are the places of which the database holds levels.
pub(super) fn read(
    sheet: &Sheet,
    nomenclature: &Nomenclature,
    stored: &[Place],
    planner: &mut Planner,
) -> Result<()> {
    let readings = readings(sheet);
    let names = Names::new(sheet, nomenclature);
    let mut places: Vec<(&Place, &Reading)> = readings.iter().collect();
    places.sort_unstable_by_key(|(place, _)| **place);
    for ((product, department), reading) in places {
        match reading {
            Reading::Nothing => {}
            Reading::Bad(reason) => {
                planner.refuse([Value::Uuid(*product), Value::Uuid(*department)], reason.clone());
            }
            Reading::Levels { min, max } => {
                let record = json!({ "product": product, "department": department, "min": min, "max": max });
                let supplied = [names.product(*product), names.department(*department)];
                planner.record(record.to_string().as_bytes(), &supplied)?;
            }
        }
    }
    let absent = keep_absent(sheet, nomenclature, stored, planner);
    if absent > 0 {
        planner.warn(
            "",
            format!(
                "{absent} levels have lost their row or column in the sheet: they are kept, and the push brings them back"
            ),
        );
    }
    Ok(())
}

/// Keeps the levels whose row or column is missing although it belongs in the sheet; how many.
fn keep_absent(sheet: &Sheet, nomenclature: &Nomenclature, stored: &[Place], planner: &mut Planner) -> usize {
    let rows: HashSet<Uuid> = sheet.lines.iter().filter_map(product_of).collect();
    let columns: HashSet<Uuid> = sheet.pairs.iter().map(|pair| pair.department).collect();
    let products: HashSet<Uuid> = nomenclature.products.iter().map(|item| item.id).collect();
    let departments: HashSet<Uuid> = nomenclature.departments.iter().map(|item| item.id).collect();
    let mut kept = 0;
    for (product, department) in stored {
        let (has_row, has_column) = (rows.contains(product), columns.contains(department));
        let is_product = || products.contains(product) || nomenclature.is_product_in_doubt(*product);
        let is_department =
            || departments.contains(department) || nomenclature.is_department_in_doubt(*department);
        let comes_back = (has_row || is_product()) && (has_column || is_department());
        if !(has_row && has_column) && comes_back {
            planner.keep([Value::Uuid(*product), Value::Uuid(*department)]);
            kept += 1;
        }
    }
    kept
}

fn product_of(line: &Line) -> Option<Uuid> {
    match line {
        Line::Product(product) => Some(*product),
        _ => None,
    }
}

/// What every place of the sheet says. Of two rows of one product the one with numbers counts; two that differ are
/// refused.
fn readings(sheet: &Sheet) -> HashMap<Place, Reading> {
    let mut readings: HashMap<Place, (Reading, usize)> = HashMap::new();
    for (line, product) in
        sheet.lines.iter().enumerate().filter_map(|(line, kind)| Some((line, product_of(kind)?)))
    {
        let row = HEADER_ROWS + line;
        for pair in &sheet.pairs {
            let reading = reading(sheet, row, pair);
            match readings.entry((product, pair.department)) {
                Entry::Vacant(entry) => drop(entry.insert((reading, row))),
                Entry::Occupied(mut entry) => {
                    let (first, first_row) = entry.get();
                    let merged = match (first, &reading) {
                        (one, other) if one == other => continue,
                        (_, Reading::Nothing) => continue,
                        (Reading::Nothing, _) => reading,
                        _ => Reading::Bad(format!(
                            "{} and {} give one product different levels",
                            a1::cell(*first_row, pair.min),
                            a1::cell(row, pair.min)
                        )),
                    };
                    entry.insert((merged, row));
                }
            }
        }
    }
    readings.into_iter().map(|(place, (reading, _))| (place, reading)).collect()
}

fn reading(sheet: &Sheet, row: usize, pair: &Pair) -> Reading {
    let level = |column: usize| match typed::level(sheet.grid.get(row, column)) {
        Typed::Bad(reason) => Err(format!("{}: {reason}", a1::cell(row, column))),
        Typed::Nothing => Ok(None),
        Typed::Level(number) => Ok(Some(number)),
    };
    let (min, max) = match (level(pair.min), level(pair.max)) {
        (Ok(min), Ok(max)) => (min, max),
        (Err(one), Err(other)) => return Reading::Bad(format!("{one}; {other}")),
        (Err(reason), _) | (_, Err(reason)) => return Reading::Bad(reason),
    };
    let is_zero = |level: &Option<String>| level.as_deref().is_none_or(|level| level == "0");
    if is_zero(&min) && is_zero(&max) {
        return Reading::Nothing;
    }
    if let (Some(least), Some(most)) = (&min, &max)
        && typed::compare(least, most) == Ordering::Greater
    {
        return Reading::Bad(format!("{}: min {least} is more than max {most}", a1::cell(row, pair.min)));
    }
    Reading::Levels { min, max }
}

/// Names for the rows of the database: the nomenclature's, else what the sheet says.
struct Names<'a> {
    nomenclature: &'a Nomenclature,
    products: HashMap<Uuid, &'a str>,
    departments: HashMap<Uuid, &'a str>,
}

impl<'a> Names<'a> {
    fn new(sheet: &'a Sheet, nomenclature: &'a Nomenclature) -> Self {
        let products = sheet.lines.iter().enumerate().filter_map(|(line, kind)| {
            Some((product_of(kind)?, sheet.grid.get(HEADER_ROWS + line, 0).text()))
        });
        let mut departments: HashMap<Uuid, &str> =
            sheet.pairs.iter().map(|pair| (pair.department, sheet.grid.get(1, pair.min).text())).collect();
        departments.extend(nomenclature.departments.iter().map(|item| (item.id, item.name.as_str())));
        Self { nomenclature, products: products.collect(), departments }
    }

    fn product(&self, id: Uuid) -> &str {
        self.nomenclature.product_name(id).or_else(|| self.products.get(&id).copied()).unwrap_or_default()
    }

    fn department(&self, id: Uuid) -> &str {
        self.departments.get(&id).copied().unwrap_or_default()
    }
}
