//! The forms in which stop-lists come.
//!
//! The description has three levels, organization, terminal group, item, and does not require the terminal group's id.
//! Clients have seen items directly below their organization, and an entry for each terminal group that names both. Every
//! form is read in which each item has one place; an answer that leaves a place open or names two is refused, because
//! items of several terminal groups under one id would hide each other's balances.

use super::{Item, List, api::OrganizationList};
use crate::decimal::amount;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An object of an answer, its members as they came.
type Members = BTreeMap<String, Box<RawValue>>;

/// Why an answer is no stop-list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Strange {
    /// It cannot be read.
    #[error("an item has another form than iikoCloud's")]
    Form,
    /// There are several terminal groups, and nothing says of which an item is.
    #[error("an item names no terminal group, and organization {0} has more than one")]
    NoGroup(Uuid),
    /// An item is said to be in two places.
    #[error("an item of organization {0} is said to be in two places")]
    TwoPlaces(Uuid),
    /// A terminal group that nobody spoke of.
    #[error("terminal group {0} was not asked for")]
    Unasked(Uuid),
}

/// The stop-lists of an organization, which has these terminal groups.
pub(super) fn read_lists(list: OrganizationList, known: &[Uuid]) -> Result<Vec<List>, Strange> {
    let organization_id = list.organization_id;
    let whole = list.terminal_group_id;
    let group_of = |named: Option<Uuid>| {
        let stated = |id: &Uuid| !id.is_nil();
        match (whole.filter(stated), named.filter(stated)) {
            (Some(whole), Some(named)) if whole != named => Err(Strange::TwoPlaces(organization_id)),
            (Some(id), _) | (None, Some(id)) if known.contains(&id) => Ok(id),
            (Some(id), _) | (None, Some(id)) => Err(Strange::Unasked(id)),
            (None, None) => match known {
                [only] => Ok(*only),
                _ => Err(Strange::NoGroup(organization_id)),
            },
        }
    };
    let mut lists = Vec::new();
    if let (Some(_), []) = (whole, list.items.as_slice()) {
        // A terminal group that is spoken of has this stop-list, also when it is empty.
        lists.push(List { organization_id, terminal_group_id: group_of(None)?, items: Vec::new() });
    }
    for raw in list.items {
        let members = members_of(&raw)?;
        let named = id_of(&members, "terminalGroupId")?;
        let is_item = members.contains_key("productId");
        let items = match members.get("items") {
            Some(items) if !is_item => serde_json::from_str(items.get()).map_err(|_| Strange::Form)?,
            None if is_item => vec![raw],
            Some(_) | None => return Err(Strange::Form),
        };
        let terminal_group_id = group_of(named)?;
        // One after another: an item's members take more room than its text.
        let read = items
            .into_iter()
            .map(|item: Box<RawValue>| Item::read(organization_id, terminal_group_id, members_of(&item)?));
        lists.push(List { organization_id, terminal_group_id, items: read.collect::<Result<_, _>>()? });
    }
    Ok(lists)
}

impl Item {
    /// Reads an item of this place, which it must not contradict.
    fn read(organization: Uuid, group: Uuid, mut members: Members) -> Result<Self, Strange> {
        for (name, place) in [("organizationId", organization), ("terminalGroupId", group)] {
            if id_of(&members, name)?.is_some_and(|id| !id.is_nil() && id != place) {
                return Err(Strange::TwoPlaces(organization));
            }
            members.insert(name.to_owned(), to_raw_value(&place).expect("an id is JSON"));
        }
        // A size that is no id stays as it came: the planner refuses the record.
        let size = id_of(&members, "sizeId").ok().map(Option::unwrap_or_default);
        if let Some(size) = size {
            members.insert("sizeId".to_owned(), to_raw_value(&size).expect("an id is JSON"));
        }
        let product = id_of(&members, "productId").ok().flatten().filter(|id| !id.is_nil()).zip(size);
        let balance = members.get("balance").and_then(|raw| amount::parse(raw.get().trim_matches('"')));
        let record = serde_json::to_string(&members).expect("JSON texts under names are JSON");
        Ok(Self { product, balance, record })
    }
}

fn members_of(raw: &RawValue) -> Result<Members, Strange> {
    serde_json::from_str(raw.get()).map_err(|_| Strange::Form)
}

/// An id among the members; none where it is missing, null or empty. Fails where it is no id.
fn id_of(members: &Members, name: &str) -> Result<Option<Uuid>, Strange> {
    match members.get(name).map_or("null", |raw| raw.get()) {
        "null" | "\"\"" => Ok(None),
        text => serde_json::from_str(text).map(Some).map_err(|_| Strange::Form),
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{super::api::StopLists, List, Members, Uuid, id_of, read_lists};

    /// Reads the stop-lists of organizations that have these terminal groups; the records of their items.
    pub(crate) fn survive(bytes: &[u8], known: &[Uuid]) -> Vec<String> {
        let mut records = Vec::new();
        let Ok(StopLists { lists }) = serde_json::from_slice(bytes) else { return records };
        for list in lists {
            let organization = list.organization_id;
            let Ok(lists) = read_lists(list, known) else { continue };
            for List { organization_id, terminal_group_id, items } in lists {
                assert_eq!(organization_id, organization);
                assert!(
                    known.contains(&terminal_group_id),
                    "a list is of a terminal group that was asked for"
                );
                for item in items {
                    let members: Members = serde_json::from_str(&item.record).expect("a record is an object");
                    let place = |name: &str| id_of(&members, name).ok().flatten();
                    assert_eq!(place("organizationId"), Some(organization_id), "an item has one place");
                    assert_eq!(place("terminalGroupId"), Some(terminal_group_id), "an item has one place");
                    assert!(item.product.is_none_or(|(product, _)| !product.is_nil()));
                    records.push(item.record);
                }
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;
    use serde_json::json;

    const ORGANIZATION: Uuid = Uuid::from_u128(1);
    const GROUP: Uuid = Uuid::from_u128(2);
    const PRODUCT: Uuid = Uuid::from_u128(3);
    const OTHER: Uuid = Uuid::from_u128(4);

    fn lists_of(known: &[Uuid], list: &str) -> Result<Vec<List>, Strange> {
        let text = format!(r#"{{"organizationId":"{ORGANIZATION}",{list}}}"#);
        read_lists(serde_json::from_str(&text).unwrap(), known)
    }

    fn lists(items: &str) -> Result<Vec<List>, Strange> {
        lists_of(&[GROUP, OTHER], &format!(r#""items":{items}"#))
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
    fn a_form_in_which_each_item_has_one_place_is_understood() {
        let item = |more: &str| format!(r#"{{"productId":"{PRODUCT}","balance":1e1{more}}}"#);
        let named = item(&format!(r#","terminalGroupId":"{GROUP}""#));
        let group = format!(r#""terminalGroupId":"{GROUP}""#);
        for (known, list) in [
            (&[GROUP, OTHER][..], format!(r#""items":[{{{group},"items":[{}]}}]"#, item(""))),
            (&[GROUP, OTHER], format!(r#""items":[{named}]"#)),
            (&[GROUP, OTHER], format!(r#"{group},"items":[{}]"#, item(""))),
            (&[GROUP, OTHER], format!(r#"{group},"items":[{{{group},"items":[{named}]}}]"#)),
            // Where there is one terminal group only, nothing is left open.
            (&[GROUP], format!(r#""items":[{}]"#, item(""))),
            (&[GROUP], format!(r#""items":[{{"items":[{}]}}]"#, item(r#","terminalGroupId":"""#))),
        ] {
            let read = lists_of(known, &list).unwrap_or_else(|strange| panic!("{list}: {strange}"));
            let [one] = read.as_slice() else { panic!("{list}: {read:?}") };
            assert_eq!(one.terminal_group_id, GROUP, "{list}");
            assert_eq!(one.items[0].balance, Some(Decimal::TEN), "{list}");
        }
        let empty = lists_of(&[GROUP, OTHER], &format!(r#"{group},"items":[]"#)).unwrap();
        assert_eq!((empty[0].terminal_group_id, empty[0].items.len()), (GROUP, 0));
        let comma =
            lists(&format!(r#"[{{{group},"items":[{{"productId":"{PRODUCT}","balance":"-1,5"}}]}}]"#));
        assert_eq!(comma.unwrap()[0].items[0].balance, None, "a comma is no decimal point in JSON");
    }

    #[test]
    fn what_leaves_a_place_open_or_names_two_is_refused() {
        let item = |more: &str| format!(r#"{{"productId":"{PRODUCT}","balance":0{more}}}"#);
        let group = |id: Uuid| format!(r#""terminalGroupId":"{id}""#);
        let other = item(&format!(",{}", group(OTHER)));
        let elsewhere = item(&format!(r#","organizationId":"{OTHER}""#));
        let (nobody, two) = (Strange::NoGroup(ORGANIZATION), Strange::TwoPlaces(ORGANIZATION));
        let stranger = Strange::Unasked(PRODUCT);
        for (list, strange) in [
            (format!(r#""items":[{}]"#, item("")), &nobody),
            (format!(r#""items":[{{"items":[{}]}}]"#, item("")), &nobody),
            (format!(r#"{},"items":[{}]"#, group(Uuid::nil()), item("")), &nobody),
            (format!(r#"{},"items":[{other}]"#, group(GROUP)), &two),
            (format!(r#"{},"items":[{{{},"items":[]}}]"#, group(GROUP), group(OTHER)), &two),
            (format!(r#""items":[{{{},"items":[{other}]}}]"#, group(GROUP)), &two),
            (format!(r#"{},"items":[{elsewhere}]"#, group(GROUP)), &two),
            (format!(r#"{},"items":[]"#, group(PRODUCT)), &stranger),
            (format!(r#""items":[{{{},"items":[]}}]"#, group(PRODUCT)), &stranger),
        ] {
            assert_eq!(lists_of(&[GROUP, OTHER], &list).as_ref(), Err(strange), "{list}");
        }
    }

    #[test]
    fn what_is_no_stop_list_is_refused() {
        for items in [
            "[{}]".to_owned(),
            "[1]".to_owned(),
            format!(r#"[{{"terminalGroupId":"{GROUP}","items":null}}]"#),
            format!(r#"[{{"terminalGroupId":"{GROUP}","items":[1]}}]"#),
            format!(r#"[{{"terminalGroupId":"{GROUP}","items":[],"productId":"{PRODUCT}"}}]"#),
            format!(r#"[{{"terminalGroupId":"{GROUP}"}}]"#),
            r#"[{"terminalGroupId":"x","items":[]}]"#.to_owned(),
            format!(r#"[{{"productId":"{PRODUCT}","terminalGroupId":"x"}}]"#),
        ] {
            assert_eq!(lists(&items), Err(Strange::Form), "{items}");
        }
        for item in
            [r#"{"balance":0}"#, r#"{"productId":"x","balance":0}"#, r#"{"productId":null,"sizeId":"x"}"#]
        {
            let lists = lists(&format!(r#"[{{"terminalGroupId":"{GROUP}","items":[{item}]}}]"#)).unwrap();
            assert_eq!(lists[0].items[0].product, None, "{item}");
        }
    }
}
