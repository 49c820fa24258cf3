//! iikoCloud: the stop-lists of all terminal groups as one snapshot.
//!
//! `organizations`, then `terminal_groups`, then `stop_lists`, each in one request for all organizations: one moment for
//! the whole chain. An answer that speaks of what was not asked for is foreign.

pub mod api;
mod lists;

use self::{
    api::{Organizations, StopLists, TerminalGroups},
    lists::read_lists,
};
use crate::{
    clock::Clock,
    error::{Failure, Kind, Result},
};
use chrono::{DateTime, Utc};
use hashbrown::HashSet;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

#[cfg(feature = "fuzzing")]
pub(crate) use lists::fuzzed::survive as survive_lists;

pub use api::{Client, Organization};

/// What iikoCloud says of all stop-lists at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// When the stop-lists were asked for, UTC: right before the request.
    pub taken_at: DateTime<Utc>,
    /// The organizations that the login sees.
    pub organizations: Vec<Organization>,
    /// Their terminal groups, sleeping ones too.
    pub groups: Vec<Group>,
    /// The stop-lists that the answer speaks of, some of them empty; a terminal group may come twice.
    pub lists: Vec<List>,
}

/// A terminal group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: Uuid,
    /// Its organization.
    pub organization_id: Uuid,
    /// Its name.
    pub name: Option<String>,
}

/// The stop-list of a terminal group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its organization.
    pub organization_id: Uuid,
    /// The terminal group.
    pub terminal_group_id: Uuid,
    /// What is in it.
    pub items: Vec<Item>,
}

/// An item of a stop-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its product and its size, the nil uuid for none; nothing when they are not there or no ids.
    pub product: Option<(Uuid, Uuid)>,
    /// How much can still be sold: 0 and below is a stop. Nothing when it is not there or no number.
    pub balance: Option<Decimal>,
    /// The item as it came, every digit and member of it, with the ids of its organization, terminal group and size.
    pub record: String,
}

impl Client {
    /// Asks for the organizations and keeps nothing: the key or login really opens something.
    pub async fn try_out(&self) -> Result<()> {
        let (Organizations { .. }, _) = self.ask("api/1/organizations", &json!({})).await?;
        Ok(())
    }

    /// Reads all stop-lists of these organizations, or of all that the login sees. Fails when an answer is cut or foreign,
    /// and when there is no organization or no terminal group at all.
    pub async fn stop_lists(&self, wanted: &[Uuid], clock: &Clock) -> Result<Snapshot> {
        let body = if wanted.is_empty() { json!({}) } else { json!({ "organizationIds": wanted }) };
        let (Organizations { organizations }, id) = self.ask("api/1/organizations", &body).await?;
        let ids: Vec<Uuid> = organizations.iter().map(|organization| organization.id).collect();
        if ids.is_empty() {
            return Err(unusable("organizations", "there is no organization", &id).hint(
                "iikoWeb shows which organizations the API key or login may see; nothing was changed",
            ));
        }
        if !wanted.is_empty() {
            expect("organizations", ids.iter().copied(), wanted, &id)?;
        }

        let (answer, id): (TerminalGroups, _) =
            self.ask("api/1/terminal_groups", &json!({ "organizationIds": ids })).await?;
        let groups = groups(answer).map_err(|what| unusable("terminal_groups", &what, &id))?;
        expect("terminal_groups", groups.iter().map(|group| group.organization_id), &ids, &id)?;
        if groups.is_empty() {
            return Err(unusable("terminal_groups", "there is no terminal group at all", &id).hint(
                "iikoWeb shows which terminal groups the API key or login may see; nothing was changed",
            ));
        }

        let having: HashSet<Uuid> = groups.iter().map(|group| group.organization_id).collect();
        let asked: Vec<Uuid> = ids.into_iter().filter(|id| having.contains(id)).collect();
        let group_ids: Vec<Uuid> = groups.iter().map(|group| group.id).collect();
        let body = json!({ "organizationIds": asked, "terminalGroupsIds": group_ids, "returnSize": true });
        let taken_at = clock.now();
        let (StopLists { lists }, id) = self.ask("api/1/stop_lists", &body).await?;
        expect("stop_lists", lists.iter().map(|list| list.organization_id), &asked, &id)?;
        let read = lists.into_iter().map(|list| {
            let of_it = groups.iter().filter(|group| group.organization_id == list.organization_id);
            let known: Vec<Uuid> = of_it.map(|group| group.id).collect();
            read_lists(list, &known).map_err(|strange| unusable("stop_lists", &strange.to_string(), &id))
        });
        let lists = read.collect::<Result<Vec<_>>>()?.concat();
        Ok(Snapshot { taken_at, organizations, groups, lists })
    }
}

/// The terminal groups of an answer. A group that sleeps is asked for like the others: it still has its stop-list, and
/// left out it would seem to leave with all its items each night. Fails where a group is said to be of two organizations.
fn groups(answer: TerminalGroups) -> Result<Vec<Group>, String> {
    let mut seen = HashSet::new();
    let mut groups = Vec::new();
    for of in answer.awake.into_iter().chain(answer.asleep.unwrap_or_default()) {
        let organization_id = of.organization_id;
        for group in of.items {
            if group.organization_id.is_some_and(|own| own != organization_id) {
                return Err(format!("terminal group {} is said to be of two organizations", group.id));
            }
            if seen.insert((organization_id, group.id)) {
                groups.push(Group { id: group.id, organization_id, name: group.name });
            }
        }
    }
    Ok(groups)
}

/// Refuses an answer that speaks of an organization that was not asked for.
fn expect(
    method: &str,
    mut organizations: impl Iterator<Item = Uuid>,
    asked: &[Uuid],
    id: &str,
) -> Result<()> {
    match organizations.find(|organization| !asked.contains(organization)) {
        None => Ok(()),
        Some(organization) => {
            Err(unusable(method, &format!("organization {organization} was not asked for"), id))
        }
    }
}

/// A good answer that cannot be used. `id` is its correlation id, as text to append.
fn unusable(method: &str, what: &str, id: &str) -> Failure {
    Failure::new(Kind::InvalidAnswer, format!("iikoCloud api/1/{method}: {what}{id}"))
        .hint("nothing was changed; start this again, and if it stays so, ask iiko's support")
}
