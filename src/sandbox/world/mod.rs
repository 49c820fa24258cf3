//! The state of the stand-in: what the upstreams know, as records that a test can read and edit.
//!
//! A record is a JSON object. XML endpoints render theirs as elements: a string, number or boolean is a text
//! element, an object a nested element, an array repeats the element, `null` leaves it out, and a key that
//! starts with
//! `@` is an attribute of the element it stands in.

mod amount;
mod books;
mod cloud;
mod corporation;
mod dice;
mod directories;
mod finance;
mod names;
mod nomenclature;
mod paging;
mod people;
mod telegram;

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Europe::Kaliningrad;
use serde_json::Value;

pub(super) use self::books::local;
pub use self::cloud::{Cloud, CloudForm, CloudGroup, CloudOrganization};
pub(super) use self::paging::Page;
pub use self::paging::{Beyond, Paging, Total};
pub use self::telegram::{ADMIN_CHAT, Chat, Message, READERS_CHAT, Telegram};
pub use self::{
    amount::Amount,
    books::{Document, DocumentKind, Item, Move, Status},
};
use super::google::Google;

/// What the stand-in upstreams know. Every list may be edited; the next answer shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    /// `v2/entities/list`: the records of all root types.
    pub entities: Vec<Value>,
    /// `v2/entities/products/list`, deleted ones included.
    pub products: Vec<Value>,
    /// `v2/entities/products/group/list`, deleted ones included.
    pub product_groups: Vec<Value>,
    /// `corporation/departments` (XML).
    pub departments: Vec<Value>,
    /// `corporation/stores` (XML).
    pub stores: Vec<Value>,
    /// `corporation/groups` (XML).
    pub groups: Vec<Value>,
    /// `corporation/terminals` (XML).
    pub terminals: Vec<Value>,
    /// `suppliers` (XML).
    pub suppliers: Vec<Value>,
    /// `employees` (XML), deleted ones included.
    pub employees: Vec<Value>,
    /// `employees/roles` (XML).
    pub roles: Vec<Value>,
    /// `v2/reports/balance/stores` before any document: the opening balances. Answers show them and what the
    /// ledger has moved since.
    pub balances: Vec<Value>,
    /// `replication/serverType`.
    pub server_type: String,
    /// FinTablo's lists by the last part of their path (`deal`, `moneybag-group`, …).
    pub fintablo: BTreeMap<String, Vec<Value>>,
    /// How FinTablo pages its deals.
    pub deal_pages: Paging,
    /// Further answers of the iiko server by the path after `/resto/api/`: content type and body. They come
    /// before the endpoints above and obey the same rules of login.
    pub answers: BTreeMap<String, (String, Bytes)>,
    /// Google's spreadsheets; [`World::generate`] makes none.
    pub google: Google,
    /// iikoCloud's organizations with their stop-lists.
    pub cloud: Cloud,
    /// Telegram's chats and what the bot has sent to them.
    pub telegram: Telegram,
    /// How many seconds the servers' clock, and so their `Date` header, is ahead of the true time.
    pub clock_offset_seconds: i64,
    books: books::Books,
}

impl World {
    /// The world of `seed`. `scale` multiplies products, balances and deals; what exists in the smaller world
    /// exists in the larger one under the same id.
    pub fn generate(seed: u64, scale: usize) -> Self {
        let scale = scale.max(1);
        let entities = directories::entities(seed);
        let product_groups = nomenclature::groups(seed);
        let products = nomenclature::products(seed, scale, &entities, &product_groups);
        let departments = corporation::departments(seed);
        let stores = corporation::stores(seed);
        let balances = nomenclature::balances(seed, scale, &stores, &products);
        let roles = people::roles(seed);
        Self {
            cloud: cloud::cloud(seed, &products, &entities),
            entities,
            product_groups,
            products,
            departments,
            stores,
            groups: corporation::groups(seed),
            terminals: corporation::terminals(seed),
            suppliers: people::suppliers(seed),
            employees: people::employees(seed, &roles),
            roles,
            balances,
            server_type: "CHAIN".to_owned(),
            fintablo: finance::lists(seed, scale),
            deal_pages: Paging::default(),
            answers: BTreeMap::new(),
            google: Google::default(),
            telegram: Telegram::default(),
            clock_offset_seconds: 0,
            books: books::Books::new(seed),
        }
    }

    /// The records of one of the iiko server's lists by the path after `/resto/api/`, deleted ones included.
    pub fn list(&self, path: &str) -> Option<&Vec<Value>> {
        Some(match path {
            "v2/entities/list" => &self.entities,
            "v2/entities/products/list" => &self.products,
            "v2/entities/products/group/list" => &self.product_groups,
            "corporation/departments" => &self.departments,
            "corporation/stores" => &self.stores,
            "corporation/groups" => &self.groups,
            "corporation/terminals" => &self.terminals,
            "suppliers" => &self.suppliers,
            "employees" => &self.employees,
            "employees/roles" => &self.roles,
            _ => return None,
        })
    }

    /// The time by the servers' clock.
    pub(super) fn time(&self) -> DateTime<Utc> {
        let offset = TimeDelta::try_seconds(self.clock_offset_seconds).unwrap_or_default();
        now().checked_add_signed(offset).unwrap_or_else(now)
    }

    /// The same on the wall of the restaurants.
    pub(super) fn local_time(&self) -> NaiveDateTime {
        self.time().with_timezone(&Kaliningrad).naive_local()
    }
}

/// The true time.
#[expect(clippy::disallowed_methods, reason = "an upstream has a clock of its own, which is not the tool's")]
pub(super) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A number as JSON, whole where it is whole: the upstreams write `20` and `11.307` in the same field.
fn decimal(units: i64, decimals: u32) -> Value {
    let scale = 10_i64.pow(decimals);
    if units % scale == 0 { Value::from(units / scale) } else { Value::from(units as f64 / scale as f64) }
}

/// A text field of a record; empty where there is none.
fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_gives_one_world() {
        assert_eq!(World::generate(7, 1), World::generate(7, 1));
        assert_ne!(World::generate(7, 1).products, World::generate(8, 1).products);
    }

    #[test]
    fn a_larger_world_holds_the_smaller_one() {
        let (small, large) = (World::generate(7, 1), World::generate(7, 3));
        assert_eq!(large.products.len(), 900);
        assert_eq!(large.balances.len(), 2400);
        assert_eq!(large.fintablo["deal"].len(), 1860);
        assert_eq!(small.products[..], large.products[..small.products.len()]);
        assert_eq!(small.stores, large.stores);
    }

    #[test]
    fn balances_hold_what_real_ones_hold() {
        let world = World::generate(1, 1);
        let products: HashSet<_> = world.products.iter().map(|product| text(product, "id")).collect();
        let stores: HashSet<_> = world.stores.iter().map(|store| text(store, "id")).collect();
        let pairs: HashSet<_> =
            world.balances.iter().map(|row| (text(row, "store"), text(row, "product"))).collect();
        let amounts: Vec<f64> =
            world.balances.iter().map(|row| row["amount"].as_f64().expect("a number")).collect();
        assert_eq!((world.balances.len(), pairs.len()), (800, 800));
        assert_eq!(amounts.iter().filter(|amount| **amount == 0.0).count(), 1);
        assert!(amounts.iter().filter(|amount| **amount < 0.0).count() > 80);
        assert!(amounts.contains(&-0.000_05));
        let unknown = |field: &str, known: &HashSet<&str>| {
            world.balances.iter().filter(|row| !known.contains(text(row, field))).count()
        };
        assert_eq!(unknown("product", &products), 1);
        assert_eq!(unknown("store", &stores), 1);
    }

    #[test]
    fn the_nomenclature_has_the_quirks_of_real_ones() {
        let world = World::generate(1, 1);
        let active: Vec<_> = world.products.iter().filter(|product| product["deleted"] == false).collect();
        let names: HashSet<_> = active.iter().map(|product| text(product, "name")).collect();
        assert!(names.len() < active.len(), "duplicate names");
        assert!(names.iter().any(|name| name.trim() != *name), "outer spaces");
        assert!(active.len() < world.products.len(), "deleted products");
        let root = &world.product_groups[0];
        assert_eq!((text(root, "name"), &root["parent"]), ("Расходные материалы", &Value::Null));
        let nums: HashSet<_> = world.products.iter().map(|product| text(product, "num")).collect();
        assert_eq!(nums.len(), world.products.len());
    }

    #[test]
    fn bars_and_kitchens_are_short_of_consumables() {
        let world = World::generate(1, 1);
        let group = |id: &Value| world.product_groups.iter().find(|group| group["id"] == *id);
        let consumable = |product: &Value| {
            let groups = std::iter::successors(group(&product["parent"]), |above| group(&above["parent"]));
            groups.last().is_some_and(|top| top["name"] == "Расходные материалы")
        };
        for store in &world.stores {
            let short: Vec<_> = (world.balances.iter())
                .filter(|row| row["store"] == store["id"] && Amount::of(&row["amount"]) < Amount::default())
                .filter_map(|row| world.products.iter().find(|product| product["id"] == row["product"]))
                .collect();
            if !["Бар", "Кухня"].iter().any(|kind| text(store, "name").starts_with(kind)) {
                continue;
            }
            let consumables: Vec<_> = short.iter().filter(|product| consumable(product)).collect();
            let names: HashSet<_> = consumables.iter().map(|product| text(product, "name").trim()).collect();
            let nums: HashSet<_> = consumables.iter().map(|product| text(product, "num")).collect();
            let name = text(store, "name");
            assert!(consumables.len() >= 7 && consumables.len() < short.len(), "{name}");
            assert!(names.len() < nums.len(), "{name}: two of one name");
            assert!(consumables.iter().any(|product| product["mainUnit"].is_null()), "{name}");
            let groups: HashSet<_> = consumables.iter().map(|product| text(product, "parent")).collect();
            assert!(groups.len() > 1, "{name}: sub groups");
        }
        assert!(world.balances.iter().any(|row| {
            let amount = row["amount"].to_string();
            amount.starts_with('-') && amount.split_once('.').is_some_and(|(_, digits)| digits.len() == 9)
        }));
    }
}
