//! Which client reads which table.

use super::{Need, min_stock, nomenclature::look_up, stoplist};
use crate::{
    config::PersonalData,
    engine::{Planner, Remembered, planner::Settings},
    error::Result,
    jobs::context::Context,
    progress::Meter,
    store::Store,
    tables::{Entity, Feed, PRODUCT, STORE},
};
use std::rc::Rc;

/// What a step's feeds need of the database, read before anything is asked upstream.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    stores: Rc<Remembered>,
    products: Rc<Remembered>,
    sheet: min_stock::Lookups,
    stoplist: stoplist::Lookups,
}

impl Lookups {
    /// Takes what this run has fetched, else what the database holds.
    pub(super) async fn gather(
        ctx: &Context,
        store: &mut dyn Store,
        entities: &[&'static Entity],
    ) -> Result<Self> {
        let mut lookups = Self::default();
        for entity in entities {
            match entity.feed {
                Feed::IikoBalances { .. } => {
                    let need = |table| Need { table, columns: &["name"] };
                    lookups.stores = look_up(ctx, store, &need(&STORE.table)).await?;
                    lookups.products = look_up(ctx, store, &need(&PRODUCT.table)).await?;
                }
                Feed::SheetLevels => lookups.sheet = min_stock::Lookups::gather(ctx, store).await?,
                Feed::StopLists => lookups.stoplist = stoplist::Lookups::gather(ctx, store).await?,
                _ => {}
            }
        }
        Ok(lookups)
    }
}

/// How an entity is planned in this run. `later` is what later steps look up.
pub(super) fn settings(ctx: &Context, entity: &Entity, verify: bool, later: &[Need]) -> Settings {
    let table = &entity.table;
    let needs = later.iter().filter(|need| need.table.name == table.name);
    let mut remember: Vec<&'static str> = needs.flat_map(|need| need.columns).copied().collect();
    remember.sort_unstable();
    remember.dedup();
    Settings {
        dropped: match ctx.config.iiko.personal_data {
            PersonalData::Minimal => table.dropped,
            PersonalData::Full => table.dropped_always,
        },
        verify,
        spool_directory: ctx.config.state_dir.join("spool"),
        spool_memory: ctx.config.limits.spool_memory,
        remember,
    }
}

/// Reads one complete answer into the planner. What it says beside the rows is returned.
pub(super) async fn read(
    ctx: &Context,
    entity: &'static Entity,
    lookups: &Lookups,
    planner: &mut Planner,
    meter: &dyn Meter,
) -> Result<Option<stoplist::Outcome>> {
    meter.phase("reading");
    match entity.feed {
        Feed::IikoJson { path, query } => ctx.iiko()?.json_list(path, query, planner, meter).await,
        Feed::IikoXml { path, query, root, record, lists } => {
            ctx.iiko()?.xml_list(path, query, (root, record, lists), planner, meter).await
        }
        Feed::IikoDirectories { path, root_types } => {
            ctx.iiko()?.directories(path, root_types, planner, meter).await
        }
        Feed::IikoBalances { path } => {
            let now = ctx.clock.business_now();
            ctx.iiko()?.balances(path, now, &lookups.stores, &lookups.products, planner, meter).await
        }
        Feed::StopLists => {
            return stoplist::read(ctx, &lookups.stoplist, planner, meter).await.map(Some);
        }
        Feed::SheetLevels => min_stock::read(ctx, &lookups.sheet, planner, meter).await,
        Feed::FinTablo { path, paged: false } => ctx.fintablo()?.list(path, planner, meter).await,
        Feed::FinTablo { path, paged: true } => ctx.fintablo()?.pages(path, planner, meter).await,
    }
    .map(|()| None)
}
