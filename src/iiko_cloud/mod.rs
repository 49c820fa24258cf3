//! iikoCloud: the stop-lists of all terminal groups as one snapshot.
//!
//! `organizations`, then `terminal_groups`, then `stop_lists`, each in one request for all organizations: one moment for
//! the whole chain. An answer that speaks of what was not asked for is foreign.

pub mod api;

use self::api::{GroupList, OfOrganization, Organizations, StopLists, TerminalGroups};
use crate::{
    clock::Clock,
    documents::amount,
    error::{Failure, Kind, Result},
};
use chrono::{DateTime, Utc};
use hashbrown::HashSet;
use rust_decimal::Decimal;
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use std::collections::BTreeMap;
use uuid::Uuid;

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
    /// The terminal group; the nil uuid where the answer names none.
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
        let groups = groups(answer);
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
            let strange = || unusable("stop_lists", "an item has another form than iikoCloud's", &id);
            read_lists(list).ok_or_else(strange)
        });
        let lists = read.collect::<Result<Vec<_>>>()?.concat();
        Ok(Snapshot { taken_at, organizations, groups, lists })
    }
}

/// The terminal groups of an answer. A group that sleeps is asked for like the others: it still has its stop-list, and
/// left out it would seem to leave with all its items each night.
fn groups(answer: TerminalGroups) -> Vec<Group> {
    let all = answer.awake.into_iter().chain(answer.asleep.unwrap_or_default());
    let mut seen = HashSet::new();
    all.flat_map(|OfOrganization { organization_id, items }| {
        items.into_iter().map(move |group| Group { id: group.id, organization_id, name: group.name })
    })
    .filter(|group| seen.insert((group.organization_id, group.id)))
    .collect()
}

/// The stop-lists of an organization: of its terminal groups, or its items themselves where it comes without that level.
fn read_lists(organization: OfOrganization<Box<RawValue>>) -> Option<Vec<List>> {
    let organization_id = organization.organization_id;
    let mut lists = Vec::new();
    for raw in organization.items {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw.get()).ok()?;
        if members.contains_key("items") {
            let group: GroupList = serde_json::from_str(raw.get()).ok()?;
            let terminal_group_id = group.terminal_group_id.unwrap_or_default();
            let read = group.items.iter().map(|item| {
                Some(Item::read(organization_id, terminal_group_id, serde_json::from_str(item.get()).ok()?))
            });
            lists.push(List { organization_id, terminal_group_id, items: read.collect::<Option<_>>()? });
        } else if members.contains_key("productId") {
            let terminal_group_id = id_of(&members, "terminalGroupId")?;
            let items = vec![Item::read(organization_id, terminal_group_id, members)];
            lists.push(List { organization_id, terminal_group_id, items });
        } else {
            return None;
        }
    }
    Some(lists)
}

impl Item {
    fn read(organization: Uuid, group: Uuid, mut members: BTreeMap<String, Box<RawValue>>) -> Self {
        let size = id_of(&members, "sizeId");
        let product = id_of(&members, "productId").filter(|id| !id.is_nil()).zip(size);
        let balance = members.get("balance").and_then(|raw| amount::parse(raw.get().trim_matches('"')));
        let ids =
            [("organizationId", Some(organization)), ("terminalGroupId", Some(group)), ("sizeId", size)];
        for (name, id) in ids {
            // A size that is no id stays as it came: the planner refuses the record.
            if let Some(id) = id {
                members.insert(name.to_owned(), to_raw_value(&id).expect("an id is JSON"));
            }
        }
        let record = serde_json::to_string(&members).expect("JSON texts under names are JSON");
        Self { product, balance, record }
    }
}

/// An id among the members: the nil uuid where it is missing or null, nothing where it is no id.
fn id_of(members: &BTreeMap<String, Box<RawValue>>, name: &str) -> Option<Uuid> {
    match members.get(name).map_or("null", |raw| raw.get()) {
        "null" | "\"\"" => Some(Uuid::nil()),
        text => serde_json::from_str(text).ok(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: Uuid = Uuid::from_u128(1);
    const GROUP: Uuid = Uuid::from_u128(2);
    const PRODUCT: Uuid = Uuid::from_u128(3);

    fn lists(items: &str) -> Option<Vec<List>> {
        let text = format!(r#"{{"organizationId":"{ORGANIZATION}","items":{items}}}"#);
        read_lists(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn an_item_keeps_its_members_and_digits() {
        let item = format!(
            r#"{{"productId":"{PRODUCT}","balance":3.123456789012345678,"sizeId":null,"sku":"00042","new":[1]}}"#
        );
        let grouped = lists(&format!(r#"[{{"terminalGroupId":"{GROUP}","items":[{item}]}}]"#)).unwrap();
        let [list] = grouped.as_slice() else { panic!("one list") };
        assert_eq!((list.organization_id, list.terminal_group_id), (ORGANIZATION, GROUP));
        let [item] = list.items.as_slice() else { panic!("one item") };
        assert_eq!(item.product, Some((PRODUCT, Uuid::nil())));
        assert_eq!(item.balance.map(amount::show).as_deref(), Some("3.123456789012345678"));
        let record: serde_json::Value = serde_json::from_str(&item.record).unwrap();
        assert!(item.record.contains("3.123456789012345678"), "{}", item.record);
        assert_eq!(record["new"], json!([1]));
        assert_eq!(record["sizeId"], json!(Uuid::nil()));
        assert_eq!(record["terminalGroupId"], json!(GROUP));
        assert_eq!(record["organizationId"], json!(ORGANIZATION));
    }

    #[test]
    fn a_list_without_the_level_of_terminal_groups_is_understood() {
        let flat = lists(&format!(
            r#"[{{"productId":"{PRODUCT}","balance":"-1,5"}},{{"productId":"{PRODUCT}","terminalGroupId":"{GROUP}","balance":1e1}}]"#
        ))
        .unwrap();
        let groups: Vec<Uuid> = flat.iter().map(|list| list.terminal_group_id).collect();
        assert_eq!(groups, [Uuid::nil(), GROUP]);
        let balances: Vec<Option<Decimal>> = flat.iter().map(|list| list.items[0].balance).collect();
        assert_eq!(balances, [None, Some(Decimal::TEN)], "a comma is no decimal point in JSON");
    }

    #[test]
    fn what_is_no_stop_list_is_refused() {
        for items in [
            "[{}]",
            "[1]",
            r#"[{"terminalGroupId":null,"items":null}]"#,
            r#"[{"items":[1]}]"#,
            r#"[{"terminalGroupId":"x","items":[]}]"#,
            r#"[{"productId":"x","terminalGroupId":"x"}]"#,
        ] {
            assert_eq!(lists(items), None, "{items}");
        }
        for item in
            [r#"{"balance":0}"#, r#"{"productId":"x","balance":0}"#, r#"{"productId":null,"sizeId":"x"}"#]
        {
            let lists = lists(&format!(r#"[{{"items":[{item}]}}]"#)).unwrap();
            assert_eq!(lists[0].items[0].product, None, "{item}");
        }
    }
}
