//! The sheet «Мин остатки»: the levels that people type go to the database, the nomenclature goes to the sheet.
//!
//! - [`sheet`]: which row belongs to which product, which columns to which department
//! - [`frame`]: where the headers stand
//! - [`typed`]: numbers as people type them
//! - [`look`], [`journal`]: the tab at one moment, and what the last push did to it
//! - [`pull`]: sheet → database, an ordinary mirror
//! - [`arrangement`], [`ordering`], [`draft`], [`layout`]: database → sheet, as a value: what is moved, written and formatted
//! - [`rounds`]: looking, writing, and looking again
//!
//! People type, sort and delete at any moment, also between our reading and our writing. So a push looks again after it
//! has written, and goes on until there is nothing to do; and each of its requests lets Google copy the tab before and
//! after, so that what it did to other cells than those it meant is known and put right.

mod arrangement;
mod draft;
mod frame;
mod journal;
mod layout;
mod look;
mod ordering;
mod pull;
mod rounds;
mod sheet;
mod typed;

#[cfg(feature = "fuzzing")]
pub(crate) use typed::fuzzed::survive as survive_cell;

pub(super) use self::rounds::push;

use self::{arrangement::Levels, look::Look, pull::Place};
use super::nomenclature::Nomenclature;
use crate::{
    engine::Planner,
    error::{Result, quote},
    jobs::context::Context,
    progress::Meter,
    store::Store,
    tables::MIN_STOCK_LEVEL,
    upstreams::google_sheets::{Cell, a1},
};
use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

/// What the pull looks up before it asks Google.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    nomenclature: Nomenclature,
    stored: Vec<Stored>,
}

impl Lookups {
    pub(super) async fn gather(ctx: &Context, store: &mut dyn Store) -> Result<Self> {
        let nomenclature = Nomenclature::read(ctx, store).await?;
        Ok(Self { nomenclature, stored: levels(store).await? })
    }
}

/// Reads the sheet into the planner.
pub(super) async fn read(
    ctx: &Context,
    lookups: &Lookups,
    planner: &mut Planner,
    meter: &dyn Meter,
) -> Result<()> {
    let title = &ctx.config.min_stock.tab;
    a1::check_title("MIN_STOCK_TAB", title)?;
    let look = Look::take(ctx.sheets()?, title).await?;
    match &look.tab {
        Some(tab) if look.has_other_title => {
            let shown = quote(&tab.title, 60);
            tracing::warn!("there is no tab «{title}»; the tab «{shown}» is laid out like it and is used");
        }
        Some(_) => {}
        // As long as nobody has typed a number, nothing is missing.
        None if lookups.stored.is_empty() && ctx.makes_tab.get() => {}
        None => {
            planner.warn("", format!("there is no tab «{title}»; `zerkalo sync min-stock --push` makes it"));
        }
    }
    meter.add(look.sheet.lines.len() as u64);
    planner.answer("");
    let stored: Vec<Place> = lookups.stored.iter().map(|level| level.place).collect();
    let filled: HashMap<Place, Levels> =
        lookups.stored.iter().map(|level| (level.place, level.levels.clone())).collect();
    let wounds = look.journal.wounds(&look.sheet, &filled, None);
    let wounded: HashSet<Place> = wounds.into_iter().filter_map(|wound| Some(wound.spot?.0)).collect();
    pull::read(&look.sheet, &lookups.nomenclature, &stored, &wounded, planner)
}

/// A level that the database holds.
#[derive(Debug)]
struct Stored {
    place: Place,
    /// Of the product and the department.
    names: [String; 2],
    levels: Levels,
}

/// The levels that the database holds.
async fn levels(store: &mut dyn Store) -> Result<Vec<Stored>> {
    let columns =
        ["product_id", "department_id", "min_level", "max_level", "product_name", "department_name"];
    let rows = store.select(&MIN_STOCK_LEVEL.table, &columns).await?;
    let level = |text: &Option<String>| text.as_deref().map_or(Cell::Empty, Cell::number);
    let id = |text: &Option<String>| Uuid::try_parse(text.as_deref()?).ok();
    let stored = rows.iter().filter_map(|row| {
        Some(Stored {
            place: (id(&row[0])?, id(&row[1])?),
            names: [&row[4], &row[5]].map(|name| name.clone().unwrap_or_default()),
            levels: [level(&row[2]), level(&row[3])],
        })
    });
    Ok(stored.collect())
}
