//! A job is a list of steps. Steps that share a database connection run one after another in a lane; lanes run side by
//! side.
//!
//! - [`mirror`]: a step that mirrors tables: fetch → plan → apply
//! - [`negative_transfer`]: the nightly transfer of what is negative
//! - [`feed`]: which client reads which table
//! - [`desk`]: documents read back from iiko, and given up
//! - `posting`: what jobs that post documents share
//! - [`notify`]: the message at the end
//! - [`run`]: the locks, lanes, signals and the report around the steps
//! - [`writeoff`]: a write-off act from a file
//! - [`slot`]: what a scheduled start has to do

pub mod desk;
pub mod feed;
pub mod mirror;
pub mod negative_transfer;
pub mod notify;
mod posting;
pub mod run;
pub mod slot;
pub mod writeoff;

use self::notify::Notify;

use crate::{
    engine::Table,
    error::{Failure, Kind, Result},
    tables::{self, Entity, Feed},
};

/// A step of a job: its name and the tables that it mirrors.
#[derive(Debug, Clone)]
pub struct Step {
    /// What the operator calls it: `iiko`, `fintablo`, `stock`.
    pub name: &'static str,
    /// The tables, in order.
    pub entities: Vec<&'static Entity>,
    /// Tables of earlier steps without which this step makes no sense.
    pub needs: &'static [&'static str],
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
        for allowance in &self.allow_delete {
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
    Step { name: "iiko", entities: tables::IIKO.iter().collect(), needs: &[] }
}

/// The step `fintablo`.
pub fn fintablo() -> Step {
    Step { name: "fintablo", entities: tables::FINTABLO.iter().collect(), needs: &[] }
}

/// The step `stock`: balances, named after stores and products.
pub fn stock() -> Step {
    Step { name: "stock", entities: tables::STOCK.iter().collect(), needs: &["iiko_store", "iiko_product"] }
}

impl Step {
    /// The step with only these of its tables. Fails when one is not its table.
    pub fn only(mut self, names: &[String]) -> Result<Self> {
        if names.is_empty() {
            return Ok(self);
        }
        if let Some(name) =
            names.iter().find(|name| !self.entities.iter().any(|entity| entity.table.name == **name))
        {
            let tables: Vec<&str> = self.entities.iter().map(|entity| entity.table.name).collect();
            return Err(Failure::new(
                Kind::Usage,
                format!("--only: `{name}` is no table of `sync {}`", self.name),
            )
            .hint(format!("its tables: {}", tables.join(", "))));
        }
        self.entities.retain(|entity| names.iter().any(|name| name == entity.table.name));
        Ok(self)
    }
}

fn unknown_table(name: &str) -> Failure {
    let tables: Vec<&str> = tables::all().map(|entity| entity.table.name).collect();
    Failure::new(Kind::Usage, format!("--allow-delete: `{name}` is no mirrored table"))
        .hint(format!("the tables: {}", tables.join(", ")))
}
