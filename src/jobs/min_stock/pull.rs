//! Sheet → database: the typed levels, as records for the planner.
//!
//! A level is deleted only when its cell is there and empty. A row or a column that somebody deleted by hand is no empty
//! cell: its levels stay, and the next push brings row or column back with them, also those of a product or department
//! that the nomenclature no longer has.

use super::{
    sheet::{HEADER_ROWS, Line, Sheet},
    typed::{self, Typed},
};
use crate::{
    engine::{Planner, row::Value},
    error::Result,
    jobs::nomenclature::Nomenclature,
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

/// Reads the sheet into the planner. `stored` are the places of which the database holds levels, `wounded` those where a
/// push that was cut off has left what nobody typed.
pub(super) fn read(
    sheet: &Sheet,
    nomenclature: &Nomenclature,
    stored: &[Place],
    wounded: &HashSet<Place>,
    planner: &mut Planner,
) -> Result<()> {
    let mut readings = readings(sheet);
    readings.retain(|place, _| !wounded.contains(place));
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
    let is_absent = |place: &&Place| wounded.contains(*place) || !sheet.holds(**place);
    let absent: Vec<&Place> = stored.iter().filter(is_absent).collect();
    for (product, department) in &absent {
        planner.keep([Value::Uuid(*product), Value::Uuid(*department)]);
    }
    if !absent.is_empty() {
        let count = absent.len();
        let text = format!(
            "{count} levels have lost their row or column in the sheet: they are kept, and the push brings them back"
        );
        planner.warn("", text);
    }
    Ok(())
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
    let mut readings: HashMap<Place, (Reading, (usize, usize))> = HashMap::new();
    for (line, product) in
        sheet.lines.iter().enumerate().filter_map(|(line, kind)| Some((line, product_of(kind)?)))
    {
        let row = HEADER_ROWS + line;
        for pair in &sheet.pairs {
            let Some(max) = pair.max else { continue };
            let reading = reading(sheet, row, [pair.min, max]);
            match readings.entry((product, pair.department)) {
                Entry::Vacant(entry) => drop(entry.insert((reading, (row, pair.min)))),
                Entry::Occupied(mut entry) => {
                    let (first, first_at) = entry.get();
                    let merged = match (first, &reading) {
                        (one, other) if one == other => continue,
                        (_, Reading::Nothing) => continue,
                        (Reading::Nothing, _) => reading,
                        _ => Reading::Bad(format!(
                            "{} and {} give one product different levels",
                            sheet.address(first_at.0, first_at.1),
                            sheet.address(row, pair.min)
                        )),
                    };
                    entry.insert((merged, (row, pair.min)));
                }
            }
        }
    }
    readings.into_iter().map(|(place, (reading, _))| (place, reading)).collect()
}

fn reading(sheet: &Sheet, row: usize, columns: [usize; 2]) -> Reading {
    let level = |column: usize| match typed::level(sheet.grid.get(row, column)) {
        Typed::Bad(reason) => Err(format!("{}: {reason}", sheet.address(row, column))),
        Typed::Nothing => Ok(None),
        Typed::Level(number) => Ok(Some(number)),
    };
    let (min, max) = match (level(columns[0]), level(columns[1])) {
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
        return Reading::Bad(format!(
            "{}: min {least} is more than max {most}",
            sheet.address(row, columns[0])
        ));
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
