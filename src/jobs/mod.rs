//! A job is a list of steps. Steps that share a database connection run one after another in a lane; lanes run side by
//! side.
//!
//! - [`mirror`]: a step that mirrors tables: fetch → plan → apply
//! - [`push`]: a step that writes a tab of the spreadsheet
//! - [`negative_transfer`]: the nightly transfer of what is negative
//! - [`feed`]: which client reads which table
//! - [`min_stock`]: the sheet of min/max levels, both ways
//! - [`mapping`]: the mapping reference
//! - [`nomenclature`]: which products and departments belong in the sheets
//! - [`stoplist_report`]: the evening's report of the stop-list
//! - [`documents`]: the outbox at work: documents that are posted to iiko, each at most once
//! - [`desk`]: documents read back from iiko, and given up
//! - `posting`: what jobs that post documents share
//! - [`notify`]: the message at the end
//! - [`messages`]: messages to chats, each at most once
//! - `alarm`: what was told when the database could keep no record
//! - `monitoring`: heartbeat and metrics
//! - `heartbeat`: who notices a job that did not run
//! - [`prune`]: what is old enough to go
//! - [`restore`]: deleted rows, brought back
//! - [`lanes`]: which steps share a connection, and running them
//! - [`context`]: what one run shares
//! - [`doctor`]: tries everything that a run needs
//! - [`run`]: the locks, signals and the report around a job
//! - [`writeoff`]: a write-off act from a file
//! - [`slot`]: what a scheduled start has to do
//! - [`mod@stoplist`]: what a reading of the stop-list means

/// What the log tells of beside tables.
pub const LOGGED: [&str; 6] = [
    registry::MIN_STOCK_PUSH.name,
    registry::MAPPING.name,
    posting::ENTITY,
    stoplist_report::STEP,
    prune::ENTITY,
    restore::ENTITY,
];

mod alarm;
pub mod context;
pub mod desk;
pub mod doctor;
pub mod documents;
pub mod feed;
mod heartbeat;
pub mod lanes;
pub mod mapping;
pub mod messages;
pub mod min_stock;
pub mod mirror;
mod monitoring;
pub mod negative_transfer;
pub mod nomenclature;
pub mod notify;
mod posting;
pub mod prune;
pub mod push;
pub mod restore;
pub mod run;
pub mod slot;
pub mod stoplist;
pub mod stoplist_report;
pub mod writeoff;

use self::notify::Notify;

use crate::{
    engine::Table,
    error::{Failure, Kind, Result},
    model::{report::StepReport, upstream::Upstream},
    registry,
    tables::{self, Entity, Feed},
};

/// A step of a job.
#[derive(Debug, Clone)]
pub struct Step {
    /// What the operator calls it: `iiko`, `fintablo`, `stock`.
    pub name: &'static str,
    /// What it does.
    pub work: Work,
    /// What it looks up in tables of earlier steps, and without which it makes no sense.
    pub needs: &'static [Need],
    /// Whether it is left out where nothing of its upstream is configured.
    pub optional: bool,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Work {
    /// Mirrors these tables, in order.
    Mirror(Vec<&'static Entity>),
    /// Writes a tab of the spreadsheet.
    Push(Push),
}

/// A tab that a step writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// The nomenclature, into the tab of the min/max levels.
    MinStock,
    /// The products' display names, into the mapping reference.
    Mapping,
}

/// Columns of a table that a step looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The table.
    pub table: &'static Table,
    /// The columns.
    pub columns: &'static [&'static str],
}

/// How steps are run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Compare the columns themselves, not only the hashes.
    pub verify: bool,
    /// Take over a mirror of another source.
    pub adopt_source: bool,
    /// Exact numbers of rows that may be deleted although the guard would not.
    pub allow_delete: Vec<Allowance>,
    /// When the admins are told how it ended.
    pub notify: Notify,
    /// Delete afterwards what is older than is kept.
    pub prune: bool,
}

/// An exact number of rows that one run may delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The table.
    pub table: String,
    /// The scope, for a table that has scopes.
    pub scope: Option<String>,
    /// The number.
    pub rows: u64,
}

impl Options {
    /// The operator's number for a scope of a table.
    pub fn allowed(&self, table: &Table, scope: &str) -> Option<u64> {
        let scope = Some(scope).filter(|scope| !scope.is_empty());
        self.allow_delete
            .iter()
            .find(|allowance| allowance.table == table.name && allowance.scope.as_deref() == scope)
            .map(|allowance| allowance.rows)
    }

    /// Refuses an allowance for what does not exist: it would silently not help.
    pub fn check(&self) -> Result<()> {
        for (place, allowance) in self.allow_delete.iter().enumerate() {
            let same =
                |other: &&Allowance| (&other.table, &other.scope) == (&allowance.table, &allowance.scope);
            if let Some(other) = self.allow_delete[..place].iter().find(same) {
                let scope = allowance.scope.as_ref().map_or_else(String::new, |scope| format!(":{scope}"));
                let text = format!(
                    "--allow-delete is given twice for {}{scope}, with {} and {}",
                    allowance.table, other.rows, allowance.rows
                );
                return Err(
                    Failure::new(Kind::Usage, text).hint("give it once, with the number that the run names")
                );
            }
            let Some(entity) = tables::all().find(|entity| entity.table.name == allowance.table) else {
                return Err(unknown_table(&allowance.table));
            };
            if entity.table.scope.is_some() != allowance.scope.is_some() {
                let form =
                    entity.table.scope.map_or_else(String::new, |scope| format!(":{}", scope.to_uppercase()));
                return Err(Failure::new(
                    Kind::Usage,
                    format!("--allow-delete {}: wrong form", allowance.table),
                )
                .hint(format!("write it as --allow-delete {}{form}=N", allowance.table)));
            }
            if let (Feed::IikoDirectories { root_types, .. }, Some(scope)) =
                (entity.feed, allowance.scope.as_deref())
                && !root_types.contains(&scope)
            {
                return Err(Failure::new(Kind::Usage, format!("--allow-delete: `{scope}` is no root type"))
                    .hint(format!("the root types: {}", root_types.join(", "))));
            }
        }
        Ok(())
    }
}

/// The step `iiko`.
pub fn iiko() -> Step {
    Step {
        name: registry::IIKO.name,
        work: Work::Mirror(tables::IIKO.iter().collect()),
        needs: &[],
        optional: false,
    }
}

/// The step `fintablo`.
pub fn fintablo() -> Step {
    Step {
        name: registry::FINTABLO.name,
        work: Work::Mirror(tables::FINTABLO.iter().collect()),
        needs: &[],
        optional: false,
    }
}

/// The step `stock`: balances, named after stores and products.
pub fn stock() -> Step {
    const NEEDS: &[Need] = &[
        Need { table: &tables::STORE.table, columns: &["name"] },
        Need { table: &tables::PRODUCT.table, columns: &["name"] },
    ];
    Step {
        name: registry::STOCK.name,
        work: Work::Mirror(tables::STOCK.iter().collect()),
        needs: NEEDS,
        optional: false,
    }
}

/// The step `min-stock`: the levels that people type, from the sheet.
pub fn min_stock_pull() -> Step {
    Step {
        name: registry::MIN_STOCK.name,
        work: Work::Mirror(tables::MIN_STOCK.iter().collect()),
        needs: nomenclature::SHEET_NEEDS,
        optional: false,
    }
}

/// The step `stoplist`: what is in the stop-lists of iikoCloud, named after the products.
pub fn stoplist() -> Step {
    Step {
        name: registry::STOPLIST.name,
        work: Work::Mirror(tables::STOPLIST.iter().collect()),
        needs: stoplist::NEEDS,
        optional: false,
    }
}

/// The step `min-stock-push`: the nomenclature, to the sheet.
pub fn min_stock_push() -> Step {
    Step {
        name: registry::MIN_STOCK_PUSH.name,
        work: Work::Push(Push::MinStock),
        needs: nomenclature::SHEET_NEEDS,
        optional: false,
    }
}

/// The step `push-mapping`: display names of goods, to the mapping reference.
pub fn push_mapping() -> Step {
    Step {
        name: registry::MAPPING.name,
        work: Work::Push(Push::Mapping),
        needs: nomenclature::MAPPING_NEEDS,
        optional: false,
    }
}

impl Step {
    /// The tables that it mirrors.
    pub fn entities(&self) -> &[&'static Entity] {
        match &self.work {
            Work::Mirror(entities) => entities,
            Work::Push(_) => &[],
        }
    }

    /// The same step, left out where nothing of its upstream is configured.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// What it is called in reports and locks: its tables' names, or its own.
    pub fn parts(&self) -> Vec<&'static str> {
        match &self.work {
            Work::Mirror(entities) => entities.iter().map(|entity| entity.table.name).collect(),
            Work::Push(_) => vec![self.name],
        }
    }

    /// The upstreams that it asks.
    pub fn upstreams(&self) -> Vec<Upstream> {
        match &self.work {
            Work::Mirror(entities) => entities.iter().map(|entity| entity.feed.upstream()).collect(),
            Work::Push(_) => vec![Upstream::GoogleSheets],
        }
    }

    /// A report of each part, before anything was done.
    fn reports(&self) -> Vec<StepReport> {
        match &self.work {
            Work::Mirror(entities) => {
                let of = |entity: &&Entity| StepReport::new(self.name, Some(entity.table.name), None);
                entities.iter().map(of).collect()
            }
            Work::Push(_) => vec![StepReport::new(self.name, None, None)],
        }
    }

    /// The step with only these of its tables. Fails when one is not its table.
    pub fn only(mut self, names: &[String]) -> Result<Self> {
        if names.is_empty() {
            return Ok(self);
        }
        if let Some(name) =
            names.iter().find(|name| !self.entities().iter().any(|entity| entity.table.name == **name))
        {
            let tables: Vec<&str> = self.entities().iter().map(|entity| entity.table.name).collect();
            return Err(Failure::new(
                Kind::Usage,
                format!("--only: `{name}` is no table of `sync {}`", self.name),
            )
            .hint(format!("its tables: {}", tables.join(", "))));
        }
        if let Work::Mirror(entities) = &mut self.work {
            entities.retain(|entity| names.iter().any(|name| name == entity.table.name));
        }
        Ok(self)
    }
}

fn unknown_table(name: &str) -> Failure {
    let tables: Vec<&str> = tables::all().map(|entity| entity.table.name).collect();
    Failure::new(Kind::Usage, format!("--allow-delete: `{name}` is no mirrored table"))
        .hint(format!("the tables: {}", tables.join(", ")))
}
