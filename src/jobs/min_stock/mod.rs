//! The sheet «Мин остатки»: the levels that people type go to the database, the nomenclature goes to the sheet.
//!
//! - [`sheet`]: which row belongs to which product, which columns to which department
//! - [`typed`]: numbers as people type them
//! - [`pull`]: sheet → database, an ordinary mirror
//! - [`push`], [`arrange`], [`layout`]: database → sheet, as a value: what is moved, written and formatted
//! - [`rounds`]: looking, writing, and looking again
//!
//! People type, sort and delete at any moment, also between our reading and our writing. So a push looks again after it
//! has written, and goes on until there is nothing to do; and before it removes anything it lets Google copy the tab in
//! the same request, so that a number typed at that very moment can be put back.

mod arrange;
mod layout;
mod pull;
mod push;
mod rounds;
mod sheet;
mod typed;

pub(super) use self::rounds::push;

use self::{pull::Place, push::Levels, sheet::Sheet};
use super::nomenclature::Nomenclature;
use crate::{
    context::Context,
    engine::{Planner, number},
    error::Result,
    printer::Meter,
    sheets::{Cell, Grid, Sheets as _, a1},
    store::Store,
    tables::MIN_STOCK_LEVEL,
};
use hashbrown::HashMap;
use uuid::Uuid;

/// What the pull looks up before it asks Google.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    nomenclature: Nomenclature,
    stored: Vec<Place>,
}

impl Lookups {
    pub(super) async fn gather(ctx: &Context, store: &mut dyn Store) -> Result<Self> {
        let nomenclature = Nomenclature::read(ctx, store).await?;
        let stored = store.select(&MIN_STOCK_LEVEL.table, MIN_STOCK_LEVEL.table.key).await?;
        Ok(Self { nomenclature, stored: stored.iter().filter_map(|row| place(row)).collect() })
    }
}

/// Reads the sheet into the planner.
pub(super) async fn read(
    ctx: &Context,
    lookups: &Lookups,
    planner: &mut Planner,
    meter: &Meter,
) -> Result<()> {
    let title = &ctx.config.min_stock.tab;
    a1::check_title("MIN_STOCK_TAB", title)?;
    let sheets = ctx.sheets()?;
    let grid = match sheets.tabs(&[]).await?.iter().find(|tab| tab.title == *title) {
        Some(_) => sheets.read(&[whole(title)]).await?.remove(0),
        // As long as nobody has typed a number, nothing is missing.
        None if lookups.stored.is_empty() && ctx.makes_tab.get() => Grid::default(),
        None => {
            planner.warn("", format!("there is no tab «{title}»; `zerkalo sync min-stock --push` makes it"));
            Grid::default()
        }
    };
    let sheet = Sheet::parse(title, grid)?;
    meter.add(sheet.lines.len() as u64);
    planner.answer("");
    pull::read(&sheet, &lookups.nomenclature, &lookups.stored, planner)
}

/// The levels that the database holds.
async fn levels(store: &mut dyn Store) -> Result<HashMap<Place, Levels>> {
    let columns = ["product_id", "department_id", "min_level", "max_level"];
    let rows = store.select(&MIN_STOCK_LEVEL.table, &columns).await?;
    let level =
        |text: &Option<String>| text.as_deref().and_then(number::normalise).map_or(Cell::Empty, Cell::Number);
    Ok(rows.iter().filter_map(|row| Some((place(row)?, [level(&row[2]), level(&row[3])]))).collect())
}

/// The place of a row that begins with its key.
fn place(row: &[Option<String>]) -> Option<Place> {
    let id = |text: &Option<String>| Uuid::try_parse(text.as_deref()?).ok();
    Some((id(&row[0])?, id(&row[1])?))
}

fn whole(title: &str) -> String {
    format!("{}!A1:ZZZ", a1::tab(title))
}
