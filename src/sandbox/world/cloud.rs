//! What the stand-in iikoCloud knows: organizations, their terminal groups, and the stop-list of each.

use serde_json::{Value, json};

use super::{
    dice::{Dice, id},
    names::RESTAURANTS,
};

/// What iikoCloud knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cloud {
    /// The organizations that the login sees.
    pub organizations: Vec<CloudOrganization>,
    /// How `stop_lists` is answered.
    pub form: CloudForm,
}

/// How `stop_lists` is answered: the description leaves it open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CloudForm {
    /// Every terminal group, also one with an empty stop-list.
    #[default]
    Whole,
    /// Only terminal groups and organizations with something in their stop-list.
    WithoutEmpty,
    /// The items directly below their organization, as one client has seen them.
    Flat,
    /// The same, and each item names its terminal group.
    FlatNamed,
    /// An entry for each terminal group with something in its stop-list, which names its organization too.
    ByGroup,
}

/// An organization.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CloudOrganization {
    /// Its id; not that of the department on the iiko server.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is switched off: it is not in the answers.
    pub disabled: bool,
    /// Its terminal groups.
    pub groups: Vec<CloudGroup>,
}

/// A terminal group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CloudGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it sleeps: it is among `terminalGroupsInSleep`.
    pub asleep: bool,
    /// Its stop-list, items as they are sent.
    pub stops: Vec<Value>,
}

impl CloudOrganization {
    /// An organization without terminal groups.
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), ..Self::default() }
    }
}

impl CloudGroup {
    /// A terminal group with an empty stop-list.
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), ..Self::default() }
    }

    /// Puts a product into the stop-list, or changes its balance there.
    pub fn stop(&mut self, product: &str, balance: impl Into<Value>) {
        let balance = balance.into();
        match self.stops.iter_mut().find(|item| item["productId"] == product && item["sizeId"].is_null()) {
            Some(item) => item["balance"] = balance,
            None => self.stops.push(json!({"productId": product, "balance": balance, "sizeId": null,
                "sku": null, "dateAdd": null})),
        }
    }

    /// Takes a product out of the stop-list, in all sizes.
    pub fn release(&mut self, product: &str) {
        self.stops.retain(|item| item["productId"] != product);
    }
}

/// A restaurant is an organization with a hall and a delivery; some products are in their stop-lists.
pub(super) fn cloud(seed: u64, products: &[Value], entities: &[Value]) -> Cloud {
    let mut dice = Dice::new(seed, "stop-list");
    let sold: Vec<&Value> =
        (products.iter()).filter(|product| product["deleted"] != true && product["type"] == "DISH").collect();
    let size = entities.iter().find(|entity| entity["rootType"] == "ProductSize").map(|size| &size["id"]);
    let organizations = RESTAURANTS.iter().enumerate().map(|(index, restaurant)| {
        let groups = ["Зал", "Доставка"].iter().enumerate().map(|(place, name)| {
            let mut group = CloudGroup::new(&id(seed, "terminal group", index * 2 + place), name);
            for _ in 0..dice.between(2, 5) {
                let Some(product) = sold.get(dice.below(sold.len().max(1))) else { continue };
                let product = product["id"].as_str().unwrap_or_default();
                group.stop(product, if dice.percent(70) { json!(0) } else { json!(2.5) });
                if let Some(item) = group.stops.last_mut() {
                    item["sku"] = json!(format!("{:05}", dice.below(1000)));
                    item["dateAdd"] = json!("2026-02-20 09:15:22.123");
                    if dice.percent(10) {
                        item["sizeId"] = size.cloned().unwrap_or_default();
                    }
                }
            }
            group
        });
        let mut organization = CloudOrganization::new(&id(seed, "cloud organization", index), restaurant);
        organization.groups = groups.collect();
        organization
    });
    let mut cloud = Cloud { organizations: organizations.collect(), form: CloudForm::Whole };
    // A stop-list outlives its products in the nomenclature.
    if let Some(group) = cloud.organizations.first_mut().and_then(|first| first.groups.first_mut()) {
        group.stop(&id(seed, "forgotten product", 0), -1);
    }
    cloud
}
