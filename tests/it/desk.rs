//! A world with the sheet of min/max levels, and what is in the sheet and in the database by ids.

use super::harness::{Engine, Outcome, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use zerkalo::sandbox::{self, Entry, Hands, World as Upstreams};

/// The tab of the levels.
pub(crate) const TAB: &str = "Мин остатки";
/// The spreadsheet.
pub(crate) const SHEET: &str = "sandbox-sheet";

/// Product and department.
pub(crate) type Place = (String, String);

/// What stands at each place that holds anything: min and max as people see them.
pub(crate) type Levels = BTreeMap<Place, (String, String)>;

/// A world with a sheet.
pub(crate) struct Desk {
    pub(crate) world: World,
}

impl Desk {
    /// With the mirror filled, and the sheet laid out.
    pub(crate) fn laid_out(engine: Engine) -> Self {
        let desk = Self::new(engine);
        desk.world.expect(0, &["full-morning", "--skip", "fintablo"]);
        desk.world.sandbox.clear_journal();
        desk
    }

    /// With everything empty.
    pub(crate) fn new(engine: Engine) -> Self {
        Self::with(
            engine,
            sandbox::Options { google_reads: 10_000, google_writes: 10_000, ..Default::default() },
        )
    }

    /// With a sandbox that is set up otherwise.
    pub(crate) fn with(engine: Engine, options: sandbox::Options) -> Self {
        let mut world = World::with(engine, options);
        world.set("GOOGLE_SHEETS_BASE_URL", world.sandbox.google_url());
        world.set("GOOGLE_SHEETS_CREDENTIALS", world.sandbox.google_credentials());
        world.set("MIN_STOCK_SHEET_ID", SHEET);
        world.set("ZERKALO_GOOGLE_QUOTA_WAIT", "0.01");
        Self { world }
    }

    /// Works in the tab as a person does.
    pub(crate) fn hands<T>(&self, work: impl FnOnce(&mut Hands<'_>) -> T) -> T {
        self.world.sandbox.edit(|world| hands(world, work))
    }

    /// Edits the iiko server.
    pub(crate) fn iiko(&self, edit: impl FnOnce(&mut Upstreams)) {
        self.world.sandbox.edit(edit);
    }

    /// Reads the sheet, and then writes to it.
    pub(crate) fn sync(&self, code: i32) -> Outcome {
        self.world.expect(code, &["sync", "min-stock"])
    }

    /// What the sheet holds, by ids. Fails when a product has two rows or a department two pairs of columns.
    pub(crate) fn sheet(&self) -> Levels {
        self.hands(|tab| levels_of(&tab.rows()))
    }

    /// What the database holds, with empty for what is NULL.
    pub(crate) fn database(&self) -> Levels {
        let sql = "select cast(product_id as text), cast(department_id as text), cast(min_level as text),
                   cast(max_level as text) from min_stock_level";
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let rows = self.world.query(sql);
        let place = |row: &[Option<String>]| ((text(&row[0]), text(&row[1])), (text(&row[2]), text(&row[3])));
        rows.iter().map(|row| place(row)).collect()
    }

    /// The names of column A from row 4 on.
    pub(crate) fn names(&self) -> Vec<String> {
        self.hands(|tab| tab.rows().iter().skip(3).map(|row| shown(row.first())).collect())
    }

    /// The requests that wrote to the spreadsheet since the journal was cleared.
    pub(crate) fn writes(&self) -> Vec<Entry> {
        self.google().into_iter().filter(|entry| entry.write).collect()
    }

    /// The requests to the spreadsheet since the journal was cleared, tokens aside.
    pub(crate) fn google(&self) -> Vec<Entry> {
        let journal = self.world.sandbox.journal().into_iter();
        journal.filter(|entry| entry.path.starts_with("/google/v4") && !entry.session).collect()
    }
}

/// Works in the tab of the levels.
pub(crate) fn hands<T>(world: &mut Upstreams, work: impl FnOnce(&mut Hands<'_>) -> T) -> T {
    work(&mut world.google.sheet(SHEET).tab(TAB))
}

/// The column of a department's first cell, from 0.
fn heads(rows: &[Vec<Value>]) -> Vec<(usize, String)> {
    let first = rows.first().map(Vec::as_slice).unwrap_or_default();
    let heads = first.iter().enumerate().skip(2).map(|(column, id)| (column, shown(Some(id))));
    heads.filter(|(_, id)| !id.is_empty()).collect()
}

/// What stands at each place.
pub(crate) fn levels_of(rows: &[Vec<Value>]) -> Levels {
    let mut levels = Levels::new();
    for row in rows.iter().skip(3) {
        let product = shown(row.get(1));
        for (column, department) in heads(rows).iter().filter(|_| product.len() == 36) {
            let cells = (shown(row.get(*column)), shown(row.get(column + 1)));
            if cells != (String::new(), String::new()) {
                let before = levels.insert((product.clone(), department.clone()), cells);
                assert_eq!(before, None, "{product} has two rows with numbers");
            }
        }
    }
    levels
}

/// The address of a place's first cell, such as `C4`, and of the second.
pub(crate) fn cells(rows: &[Vec<Value>], product: &str, department: &str) -> (String, String) {
    let row = rows.iter().position(|row| shown(row.get(1)) == product).expect("the product has a row");
    let heads = heads(rows);
    let (column, _) = heads.iter().find(|(_, id)| id == department).expect("the department has columns");
    let cell = |column: usize| zerkalo::upstreams::google_sheets::a1::cell(row, column);
    (cell(*column), cell(column + 1))
}

/// The products' ids from row 4 on, and the departments' ids from the left.
pub(crate) fn ids(rows: &[Vec<Value>]) -> (Vec<String>, Vec<String>) {
    let products = rows.iter().skip(3).map(|row| shown(row.get(1))).filter(|id| id.len() == 36);
    (products.collect(), heads(rows).into_iter().map(|(_, id)| id).collect())
}

/// What a cell holds, as text; numbers without a needless fraction.
pub(crate) fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number
            .as_f64()
            .filter(|number| number.fract() == 0.0)
            .map_or_else(|| number.to_string(), |number| format!("{number:.0}")),
        Some(Value::Bool(value)) => value.to_string(),
        _ => String::new(),
    }
}

/// A number for each third place, by place: `(n, n + 10)`.
pub(crate) fn type_many(desk: &Desk) -> Levels {
    desk.hands(|tab| {
        let rows = tab.rows();
        let (products, departments) = ids(&rows);
        let mut typed = Levels::new();
        for (number, product) in products.iter().enumerate() {
            let department = &departments[number % departments.len()];
            if number % 3 == 0 {
                let (min, max) = cells(&rows, product, department);
                tab.type_in(&min, &(number + 1).to_string()).type_in(&max, &(number + 11).to_string());
                let levels = ((number + 1).to_string(), (number + 11).to_string());
                typed.insert((product.clone(), department.clone()), levels);
            }
        }
        typed
    })
}

/// A new product of the nomenclature.
pub(crate) fn product(id: &str, name: &str, like: &Value) -> Value {
    let mut product = like.clone();
    product["id"] = json!(id);
    product["name"] = json!(name);
    product["num"] = json!(id[..8]);
    product
}
