//! The small directories of `v2/entities/list`.

use serde_json::{Value, json};

use super::{dice::id, names::ENTITIES};

/// Account types in the order of the accounts' names.
const ACCOUNT_TYPES: [&str; 12] = [
    "OTHER_INCOME",
    "EXPENSES",
    "CASH",
    "COST_OF_GOODS_SOLD",
    "EXPENSES",
    "ACCOUNTS_PAYABLE",
    "INCOME",
    "EMPLOYEES_LIABILITY",
    "OTHER_EXPENSES",
    "EQUITY",
    "INVENTORY_ASSETS",
    "OTHER_EXPENSES",
];

/// The records of all root types, mixed in one list as the server mixes them.
pub(super) fn entities(seed: u64) -> Vec<Value> {
    let mut all = Vec::new();
    for (root_type, names) in ENTITIES {
        all.extend(names.iter().enumerate().map(|(index, name)| entity(seed, root_type, index, name)));
    }
    all
}

/// One record. Codes are missing, empty or filled, as on a real server; the last of a longer list is deleted.
fn entity(seed: u64, root_type: &str, index: usize, name: &str) -> Value {
    let code = match (root_type, index % 3) {
        ("Account", 1) => json!(""),
        ("Account", 2) | ("Conception", _) => Value::Null,
        _ => json!((index + 1).to_string()),
    };
    let deleted = matches!((root_type, index), ("Account", 11) | ("PaymentType", 4) | ("DiscountType", 3));
    let mut entity = json!({"id": id(seed, root_type, index), "rootType": root_type, "deleted": deleted,
        "code": code,
        "name": name});
    match root_type {
        "Account" => {
            let parent = if index == 8 { json!(id(seed, root_type, 1)) } else { Value::Null };
            entity["accountParentId"] = parent;
            entity["parentCorporateId"] = Value::Null;
            entity["type"] = json!(ACCOUNT_TYPES[index % ACCOUNT_TYPES.len()]);
            entity["system"] = json!(index.is_multiple_of(2));
            entity["customTransactionsAllowed"] = json!(false);
        }
        "OrderType" => {
            let services = ["COMMON", "DELIVERY_BY_COURIER", "DELIVERY_PICKUP"];
            entity["orderServiceType"] = json!(services[index % services.len()]);
            entity["defaultForServiceType"] = json!(true);
        }
        "ProductSize" => entity["shortName"] = json!(name.to_lowercase()),
        _ => {}
    }
    entity
}

/// The id of the measure unit called `name`.
pub(super) fn unit<'a>(entities: &'a [Value], name: &str) -> &'a Value {
    let found = entities.iter().find(|entity| entity["rootType"] == "MeasureUnit" && entity["name"] == name);
    found.map_or(&Value::Null, |entity| &entity["id"])
}
