//! The corporation's tree: departments, stores, groups of sections, terminals.

use serde_json::{Value, json};

use super::{
    dice::id,
    names::{RESTAURANTS, STORES},
};

/// The corporation, its legal person and the restaurants below it.
pub(super) fn departments(seed: u64) -> Vec<Value> {
    let corporation = id(seed, "corporation", 0);
    let person = id(seed, "jurperson", 0);
    let mut all = vec![
        json!({"id": corporation, "code": "", "name": "Балтийский берег", "type": "CORPORATION",
            "taxpayerIdNumber": ""}),
        json!({"id": person, "parentId": corporation, "code": "", "name": "ООО «Балтийский берег»",
            "type": "JURPERSON", "taxpayerIdNumber": "3900000001",
            "jurPersonAdditionalPropertiesDto": {"taxpayerId": "3900000001",
            "accountingReasonCode": "390001001",
                "legalAddressDto": {"city": "Калининград", "street": "Морская", "house": "1"}}}),
    ];
    all.extend(RESTAURANTS.iter().enumerate().map(|(index, name)| {
        json!({"id": department(seed, index), "parentId": person, "code": (index + 1).to_string(),
            "name": name,
            "type": "DEPARTMENT", "taxpayerIdNumber": "3900000001"})
    }));
    all
}

/// The id of restaurant `index`.
fn department(seed: u64, index: usize) -> String {
    id(seed, "department", index)
}

/// The stores of each restaurant.
pub(super) fn stores(seed: u64) -> Vec<Value> {
    let mut all = Vec::new();
    for (index, store) in STORES.as_flattened().iter().enumerate() {
        all.push(json!({"id": id(seed, "store", index),
            "parentId": department(seed, index / STORES[0].len()), "code": "", "name": store,
            "type": "STORE", "taxpayerIdNumber": ""}));
    }
    all
}

/// A group of sections in each restaurant; the last one is as bare as a live sample was.
pub(super) fn groups(seed: u64) -> Vec<Value> {
    let group = |index: usize| {
        let mut group = json!({"id": id(seed, "group", index),
            "name": format!("Зал ({})", RESTAURANTS[index]),
        "pointOfSaleDtoes": {"pointOfSaleDto": [
            {"id": id(seed, "point of sale", index), "name": "Касса", "main": true,
                "cashRegisterInfo": {"id": id(seed, "register", index),
                "name": format!("ККМ {}", index + 1)}},
            {"id": id(seed, "second point of sale", index), "name": "Касса бара", "main": false},
        ]}});
        if index + 1 < RESTAURANTS.len() {
            group["departmentId"] = json!(department(seed, index));
            group["groupServiceMode"] = json!(if index == 0 { "FAST_FOOD" } else { "TABLE_SERVICE" });
            group["restaurantSectionInfos"] = json!({"restaurantSectionInfo": [
                {"id": id(seed, "bar section", index), "name": "Бар"},
                {"id": id(seed, "kitchen section", index), "name": "Кухня"},
            ]});
        }
        group
    };
    (0..RESTAURANTS.len()).map(group).collect()
}

/// A till in each restaurant and the system's own terminal.
pub(super) fn terminals(seed: u64) -> Vec<Value> {
    let mut all: Vec<_> = (0..RESTAURANTS.len())
        .map(|index| {
            json!({"id": id(seed, "terminal", index), "name": format!("Касса {}", index + 1),
                "computerName": format!("POS-{}", index + 1), "anonymous": false,
                "groupInfo": {"id": id(seed, "group", index),
                    "name": format!("Зал ({})", RESTAURANTS[index])},
                "restaurantSectionIds": {"i": [id(seed, "bar section", index),
                    id(seed, "kitchen section", index)]}})
        })
        .collect();
    all.push(json!({"id": id(seed, "terminal", 999), "name": "BACK", "anonymous": true,
        "restaurantSectionIds": ""}));
    all
}
