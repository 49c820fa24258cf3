//! What an answer says of the rows that are known, and what it leaves open.
//!
//! A terminal group that the answer speaks of is what it says, also when that is nothing. One that it does not speak of may
//! have been forgotten by a server that is being restarted: its rows stay, marked with the sample that first lacked it, and
//! leave with the second such sample in a row. An organization without any terminal group says nothing at all.

use crate::{
    engine::row::Value,
    upstreams::iiko_cloud::{Item, Snapshot},
};
use chrono::{DateTime, Utc};
use hashbrown::{HashMap, HashSet};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) organization: Uuid,
    pub(super) group: Uuid,
    pub(super) product: Uuid,
    pub(super) size: Uuid,
}

impl Place {
    /// The values of the table's key, in its order.
    pub(super) fn key(&self) -> [Value<'static>; 4] {
        [self.product, self.group, self.size, self.organization].map(Value::Uuid)
    }
}

/// A row that the database holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: Option<String>,
    pub(super) balance: Option<Decimal>,
    /// The first sample in a row that did not speak of its terminal group.
    pub(super) unconfirmed_since: Option<DateTime<Utc>>,
    /// Its record.
    pub(super) record: String,
}

/// What becomes of the known rows of a terminal group that the answer does not speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// They stay as they are: their organization has no terminal groups, so nobody could be asked.
    Unasked,
    /// They stay, marked with this sample.
    Unconfirmed(DateTime<Utc>),
    /// They leave, as of this sample.
    Gone(DateTime<Utc>),
}

/// The terminal groups of known rows that the answer does not speak of.
pub(super) fn absences(
    known: &BTreeMap<Place, Known>,
    snapshot: &Snapshot,
) -> BTreeMap<(Uuid, Uuid), Absence> {
    let present: HashSet<(Uuid, Uuid)> =
        snapshot.lists.iter().map(|list| (list.organization_id, list.terminal_group_id)).collect();
    let asked: HashSet<Uuid> = snapshot.groups.iter().map(|group| group.organization_id).collect();
    let seen: HashSet<Uuid> = snapshot.organizations.iter().map(|organization| organization.id).collect();
    let mut first: BTreeMap<(Uuid, Uuid), Option<DateTime<Utc>>> = BTreeMap::new();
    for (place, row) in known {
        let group = (place.organization, place.group);
        if !present.contains(&group) {
            // A row without a mark among marked ones was not there before: the group is not gone yet.
            first
                .entry(group)
                .and_modify(|since| *since = (*since).min(row.unconfirmed_since))
                .or_insert(row.unconfirmed_since);
        }
    }
    let absence = |organization: Uuid, since: Option<DateTime<Utc>>| match since {
        _ if seen.contains(&organization) && !asked.contains(&organization) => Absence::Unasked,
        Some(since) => Absence::Gone(since),
        None => Absence::Unconfirmed(snapshot.taken_at),
    };
    first.into_iter().map(|(group, since)| (group, absence(group.0, since))).collect()
}

/// The items of an answer by their place, each once; and the records that have none. Of several items of one place (a
/// product can come once for each size, also where no size is named) the one with the least balance counts.
pub(super) fn items(snapshot: &Snapshot) -> (BTreeMap<Place, &Item>, Vec<&Item>) {
    let mut items: HashMap<Place, &Item> = HashMap::new();
    let mut nowhere = Vec::new();
    // An item without a balance says least of all. The record decides between equals, so that the order does not.
    let rank = |item: &Item| (item.balance.is_none(), item.balance, item.record.clone());
    for list in &snapshot.lists {
        for item in &list.items {
            let Some((product, size)) = item.product else {
                nowhere.push(item);
                continue;
            };
            let (organization, group) = (list.organization_id, list.terminal_group_id);
            let kept = items.entry(Place { organization, group, product, size }).or_insert(item);
            if rank(item) < rank(kept) {
                *kept = item;
            }
        }
    }
    (items.into_iter().collect(), nowhere)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstreams::iiko_cloud::{Group, List, Organization};

    const A: Uuid = Uuid::from_u128(0xa);
    const B: Uuid = Uuid::from_u128(0xb);
    const HALL: Uuid = Uuid::from_u128(1);
    const BAR: Uuid = Uuid::from_u128(2);

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).unwrap()
    }

    fn place(organization: Uuid, group: Uuid, product: u128) -> Place {
        Place { organization, group, product: Uuid::from_u128(product), size: Uuid::nil() }
    }

    fn known(rows: &[(Uuid, Uuid, Option<i64>)]) -> BTreeMap<Place, Known> {
        let row = |(number, (organization, group, since)): (usize, &(Uuid, Uuid, Option<i64>))| {
            let known = Known { unconfirmed_since: since.map(at), ..Known::default() };
            (place(*organization, *group, number as u128 + 1), known)
        };
        rows.iter().enumerate().map(row).collect()
    }

    fn snapshot(organizations: &[Uuid], groups: &[(Uuid, Uuid)], lists: &[(Uuid, Uuid)]) -> Snapshot {
        Snapshot {
            taken_at: at(10),
            organizations: organizations.iter().map(|id| Organization { id: *id, name: None }).collect(),
            groups: groups
                .iter()
                .map(|(organization_id, id)| Group { id: *id, organization_id: *organization_id, name: None })
                .collect(),
            lists: lists
                .iter()
                .map(|(organization, group)| List {
                    organization_id: *organization,
                    terminal_group_id: *group,
                    items: Vec::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_group_that_is_not_spoken_of_leaves_with_the_second_sample() {
        let rows = known(&[(A, HALL, None), (A, BAR, Some(5)), (A, BAR, Some(5)), (B, BAR, None)]);
        let answer = snapshot(&[A], &[(A, HALL), (A, BAR)], &[(A, HALL)]);
        let expected =
            BTreeMap::from([((A, BAR), Absence::Gone(at(5))), ((B, BAR), Absence::Unconfirmed(at(10)))]);
        assert_eq!(absences(&rows, &answer), expected);
    }

    #[test]
    fn one_unmarked_row_keeps_its_group() {
        let rows = known(&[(A, BAR, Some(5)), (A, BAR, None)]);
        let answer = snapshot(&[A], &[(A, HALL)], &[(A, HALL)]);
        assert_eq!(absences(&rows, &answer), BTreeMap::from([((A, BAR), Absence::Unconfirmed(at(10)))]));
    }

    #[test]
    fn an_organization_without_terminal_groups_says_nothing() {
        let rows = known(&[(A, HALL, None), (B, BAR, Some(5))]);
        let answer = snapshot(&[A, B], &[(A, HALL)], &[(A, HALL)]);
        assert_eq!(absences(&rows, &answer), BTreeMap::from([((B, BAR), Absence::Unasked)]));
    }

    #[test]
    fn of_several_items_of_one_place_the_least_balance_counts() {
        let item = |balance: Option<i64>, record: &str| Item {
            product: Some((Uuid::from_u128(1), Uuid::nil())),
            balance: balance.map(Decimal::from),
            record: record.to_owned(),
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let all = [item(Some(3), "a"), item(Some(0), "c"), item(None, "d"), item(Some(0), "b")];
            let mut answer = snapshot(&[A], &[(A, HALL)], &[(A, HALL)]);
            answer.lists[0].items = order.iter().map(|place| all[*place].clone()).collect();
            let (items, nowhere) = items(&answer);
            assert_eq!(items.values().map(|item| item.record.as_str()).collect::<Vec<_>>(), ["b"]);
            assert!(nowhere.is_empty());
        }
    }
}
