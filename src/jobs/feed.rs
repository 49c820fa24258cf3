//! Which client reads which table.

use crate::{
    config::PersonalData,
    context::Context,
    engine::{Planner, planner::Settings},
    error::Result,
    printer::Meter,
    store::Store,
    tables::{Entity, Feed, PRODUCT, STORE},
};
use hashbrown::HashMap;
use uuid::Uuid;

/// Names by id that a feed looks up.
pub(super) type Names = HashMap<Uuid, String>;

/// What a step's feeds need of the database, read before anything is asked upstream.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    stores: Names,
    products: Names,
}

impl Lookups {
    /// Takes the names from what this run has fetched, else from the database.
    pub(super) async fn gather(
        ctx: &Context,
        store: &mut dyn Store,
        entities: &[&'static Entity],
    ) -> Result<Self> {
        if !entities.iter().any(|entity| matches!(entity.feed, Feed::IikoBalances { .. })) {
            return Ok(Self::default());
        }
        let fetched = |name: &str| ctx.fetched.borrow_mut().remove(name);
        let stores = match fetched(STORE.table.name) {
            Some(names) => names,
            None => store.names(&STORE.table, "name").await?,
        };
        let products = match fetched(PRODUCT.table.name) {
            Some(names) => names,
            None => store.names(&PRODUCT.table, "name").await?,
        };
        Ok(Self { stores, products })
    }
}

/// How an entity is planned in this run. Tables in `remembered` keep their names for a later step.
pub(super) fn settings(ctx: &Context, entity: &Entity, verify: bool, remembered: &[&str]) -> Settings {
    let table = &entity.table;
    Settings {
        dropped: match ctx.config.iiko.personal_data {
            PersonalData::Minimal => table.dropped,
            PersonalData::Full => table.dropped_always,
        },
        verify,
        spool_directory: ctx.config.state_dir.join("spool"),
        spool_memory: ctx.config.limits.spool_memory,
        remember: remembered.contains(&table.name).then_some("name"),
    }
}

/// Reads one complete answer into the planner.
pub(super) async fn read(
    ctx: &Context,
    entity: &'static Entity,
    lookups: &Lookups,
    planner: &mut Planner,
    meter: &Meter,
) -> Result<()> {
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
        Feed::FinTablo { path, page: None } => ctx.fintablo()?.list(path, planner, meter).await,
        Feed::FinTablo { path, page: Some(size) } => ctx.fintablo()?.pages(path, size, planner, meter).await,
    }
}

impl Feed {
    /// The upstream that a feed reads.
    pub fn upstream(&self) -> &'static str {
        match self {
            Self::FinTablo { .. } => "fintablo",
            _ => "iiko",
        }
    }
}
