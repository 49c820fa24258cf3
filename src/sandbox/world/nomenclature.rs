//! Product groups, products and their balances.

use serde_json::{Value, json};

use super::{
    decimal,
    dice::{Dice, id},
    directories, names, text,
};

/// How many products and balances a world of scale 1 has.
const PRODUCTS: usize = 300;
const BALANCES: usize = 800;

/// The product groups; one deleted group at the end, which only `includeDeleted` brings.
pub(super) fn groups(seed: u64) -> Vec<Value> {
    let group = |index: usize, name: &str, parent: Option<usize>| {
        json!({"id": id(seed, "product group", index), "deleted": false, "name": name, "description": "",
            "num": format!("G{}", index + 1), "code": "",
            "parent": parent.map(|parent| id(seed, "product group", parent)), "modifiers": [],
            "taxCategory": null,
            "category": null, "accountingCategory": null, "color": grey(170), "fontColor": grey(0),
            "frontImageId": null, "position": if parent.is_some() { json!(index) } else { Value::Null },
            "visibilityFilter": null})
    };
    let mut all: Vec<_> =
        names::GROUPS.iter().enumerate().map(|(index, (name, parent))| group(index, name, *parent)).collect();
    let mut deleted = group(names::GROUPS.len(), "Старое меню", None);
    deleted["deleted"] = json!(true);
    all.push(deleted);
    all
}

/// A shade of grey as the server writes colours.
fn grey(shade: u8) -> Value {
    json!({"red": shade, "green": shade, "blue": shade})
}

/// What a product is: its type, the names of its kind, the groups it may be in, its units.
struct Sort {
    kind: &'static str,
    names: &'static [&'static str],
    variants: &'static [&'static str],
    groups: &'static [usize],
    units: &'static [&'static str],
    /// How many of its kind there were before.
    ordinal: usize,
}

/// How many products make one turn through the sorts.
const TURN: usize = 15;

/// The sort of product `index`, in the proportions of a real nomenclature (consumables are goods of their
/// own).
fn sort(index: usize) -> Sort {
    let (turn, place) = (index / TURN, index % TURN);
    let sort = |kind, names, groups, units, ordinal| {
        let variants: &[&str] = match kind {
            "GOODS" | "PREPARED" | "OUTER" => &names::PACKAGES,
            "DISH" => &names::PORTIONS,
            _ => &[""],
        };
        Sort { kind, names, variants, groups, units, ordinal }
    };
    match place {
        0 | 1 => sort("GOODS", &names::CONSUMABLES, &[0, 4, 5, 6], &["шт"], turn * 2 + place),
        2..=5 => sort("GOODS", &names::GOODS, &[7, 8, 9, 10, 11], &["кг", "л", "шт"], turn * 4 + place - 2),
        6..=9 => sort("DISH", &names::DISHES, &[12, 13, 14], &["порц"], turn * 4 + place - 6),
        10 | 11 => sort("PREPARED", &names::PREPARED, &[3, 15], &["кг", "л"], turn * 2 + place - 10),
        12 | 13 => sort("MODIFIER", &names::MODIFIERS, &[2], &["порц"], turn * 2 + place - 12),
        _ if turn % 3 == 0 => sort("OUTER", &names::GOODS, &[1], &["шт"], turn / 3),
        _ => sort("SERVICE", &names::SERVICES, &[2], &["шт"], turn),
    }
}

/// The name of a product. Some carry a technical prefix or outer spaces, and some are called like the one
/// before.
fn name(index: usize, sort: &Sort, dice: &mut Dice) -> String {
    let number = if sort.ordinal % 23 == 22 { sort.ordinal - 1 } else { sort.ordinal };
    let (base, round) = (sort.names[number % sort.names.len()], number / sort.names.len());
    let (variant, series) = (sort.variants[round % sort.variants.len()], round / sort.variants.len());
    let prefix = if index % TURN == 3 { "т_" } else { "" };
    let series = if series == 0 { String::new() } else { format!(" №{}", series + 1) };
    let name = format!("{prefix}{base}{variant}{series}");
    match dice.below(24) {
        0 => format!(" {name}"),
        1 | 2 => format!("{name} "),
        _ => name,
    }
}

/// The products; every 25th is deleted.
pub(super) fn products(seed: u64, scale: usize, entities: &[Value], groups: &[Value]) -> Vec<Value> {
    let mut dice = Dice::new(seed, "products");
    (0..PRODUCTS * scale).map(|index| product(seed, index, &mut dice, entities, groups)).collect()
}

/// One product with all the keys that a current server writes.
fn product(seed: u64, index: usize, dice: &mut Dice, entities: &[Value], groups: &[Value]) -> Value {
    let sort = sort(index);
    let stored = matches!(sort.kind, "GOODS" | "PREPARED");
    let unit = directories::unit(entities, dice.pick(sort.units)).clone();
    let group = &groups[sort.groups[dice.below(sort.groups.len())]];
    let parent = if dice.percent(98) || index % TURN < 2 { group["id"].clone() } else { Value::Null };
    let category =
        if dice.percent(50) { json!(id(seed, "ProductCategory", dice.below(4))) } else { Value::Null };
    let price = match sort.kind {
        "DISH" => decimal(dice.between(9_000, 150_000) / 500 * 500, 2),
        "MODIFIER" => decimal(dice.between(0, 9_999), 2),
        _ => json!(0),
    };
    let place =
        if sort.kind == "DISH" { json!(id(seed, "CookingPlaceType", dice.below(4))) } else { Value::Null };
    let modifiers = if sort.kind == "DISH" && dice.percent(30) { modifiers(seed, dice) } else { json!([]) };
    let accounting = if dice.percent(99) { json!(id(seed, "AccountingCategory", 0)) } else { Value::Null };
    let excluded = if dice.percent(5) { json!([]) } else { Value::Null };
    json!({
        "id": id(seed, "product", index), "deleted": index % 25 == 24, "name": name(index, &sort, dice),
        "description": if dice.percent(1) { Value::Null } else { json!("") },
        "num": format!("{:05}", index + 1),
        "code": if dice.percent(1) { String::new() } else { (index + 1).to_string() },
        "parent": parent, "modifiers": modifiers, "taxCategory": null, "category": category,
        "accountingCategory": accounting,
        "color": grey(170), "fontColor": grey(0), "frontImageId": null, "position": null,
        "modifierSchemaId": null,
        "mainUnit": if index % 97 == 96 || index == UNITLESS { Value::Null } else { unit }, "excludedSections": excluded,
        "defaultSalePrice": price, "placeType": place, "defaultIncludedInMenu": sort.kind == "DISH",
        "type": sort.kind, "unitWeight": decimal(dice.between(1, 2_500), 3),
        "unitCapacity": if stored { decimal(dice.between(0, 1_000), 3) } else { json!(0) },
        "storeBalanceLevels": levels(seed, stored, dice), "useBalanceForSell": false,
        "containers": containers(seed, index, stored, dice), "productScaleId": null,
        "barcodes": barcodes(index), "coldLossPercent": decimal(dice.between(0, 300), 1), "hotLossPercent": 0,
        "outerEconomicActivityNomenclatureCode": null,
        "allergenGroups": if stored { json!([]) } else { Value::Null },
        "estimatedPurchasePrice": decimal(dice.between(0, 100_000), 2), "canSetOpenPrice": false,
        "notInStoreMovement": sort.kind == "SERVICE",
    })
}

/// A group of modifiers with one child.
fn modifiers(seed: u64, dice: &mut Dice) -> Value {
    let modifier = |index: usize, children: Value| {
        json!({"modifier": id(seed, "product", index), "deleted": false, "defaultAmount": 0,
            "freeOfChargeAmount": 0, "minimumAmount": 0, "maximumAmount": 1, "hideIfDefaultAmount": false,
            "childModifiersHaveMinMaxRestrictions": false, "splittable": false, "childModifiers": children})
    };
    let child = modifier(12 + TURN * dice.below(20), Value::Null);
    json!([modifier(13, json!([child]))])
}

/// The levels at which a store should reorder.
fn levels(seed: u64, stored: bool, dice: &mut Dice) -> Value {
    if !stored || !dice.percent(30) {
        return json!([]);
    }
    json!([{"storeId": id(seed, "store", dice.below(12)), "minBalanceLevel": dice.below(5),
        "maxBalanceLevel": null}])
}

/// Packages in which a product is bought.
fn containers(seed: u64, index: usize, stored: bool, dice: &mut Dice) -> Value {
    if !stored || !dice.percent(12) {
        return json!([]);
    }
    json!([{"id": id(seed, "container", index), "num": "1", "name": "500 гр", "count": 0.5,
        "minContainerWeight": 0,
        "maxContainerWeight": 0, "containerWeight": 0, "fullContainerWeight": 0.5,
        "backwardRecalculation": false,
        "deleted": false, "useInFront": true}])
}

/// Barcodes: mostly none, sometimes an empty list, now and then one.
fn barcodes(index: usize) -> Value {
    match index % 40 {
        39 => json!([]),
        20 => json!([{"barcode": format!("21{index:011}"), "containerId": null}]),
        _ => Value::Null,
    }
}

/// Consumables (of [`PRODUCTS`]) that every bar and kitchen is short of; the last two have the same name.
const SHORT: [usize; 7] = [0, 1, 16, UNITLESS, 46, 151, 165];
/// A consumable without a main unit.
const UNITLESS: usize = 30;

/// Balances: one row a store and product. Among them are what real answers have: an amount of 0, a tiny
/// negative one, a sum of 0 under an amount, deleted products, and a product and a store that no directory
/// knows. The last rows are the consumables that bars and kitchens are [`SHORT`] of.
pub(super) fn balances(seed: u64, scale: usize, stores: &[Value], products: &[Value]) -> Vec<Value> {
    let mut dice = Dice::new(seed, "balances");
    let goods: Vec<_> =
        products.iter().filter(|product| matches!(text(product, "type"), "GOODS" | "PREPARED")).collect();
    let pairs = stores.len() * goods.len();
    let step = (pairs / 2 + 1..pairs).find(|step| coprime(*step, pairs)).unwrap_or(1);
    let short = shortages(seed, stores, products);
    let pair = |row: &Value| (row["store"].clone(), row["product"].clone());
    let taken: Vec<_> = short.iter().map(pair).collect();
    let mut rows = Vec::new();
    for index in 0.. {
        if rows.len() + short.len() == BALANCES * scale {
            break;
        }
        let place = index * step % pairs;
        let (store, product) = (&stores[place % stores.len()], goods[place / stores.len()]);
        let negative = if text(store, "name").starts_with("Хоз") { 2 } else { 25 };
        let (amount, sum) = amount(&mut dice, negative);
        let row = json!({"store": store["id"], "product": product["id"], "amount": amount, "sum": sum});
        if !taken.contains(&pair(&row)) {
            rows.push(row);
        }
    }
    (rows[5]["amount"], rows[5]["sum"]) = (json!(0), json!(0));
    (rows[6]["amount"], rows[6]["sum"]) = (json!(-0.000_05), json!(-0.01));
    (rows[7]["amount"], rows[7]["sum"]) = (json!(-8), json!(0));
    rows[10]["product"] = json!(id(seed, "forgotten product", 0));
    rows[11]["store"] = json!(id(seed, "forgotten store", 0));
    rows.extend(short);
    rows
}

/// What bars and kitchens are short of, each pair once.
fn shortages(seed: u64, stores: &[Value], products: &[Value]) -> Vec<Value> {
    let mut dice = Dice::new(seed, "shortages");
    let mut rows = Vec::new();
    for store in stores {
        if !["Бар", "Кухня"].iter().any(|kind| text(store, "name").starts_with(kind)) {
            continue;
        }
        for (place, index) in SHORT.iter().enumerate() {
            let amount = match place % 3 {
                0 => decimal(-dice.between(1, 400), 0),
                1 => decimal(-dice.between(1, 90_000), 3),
                _ => decimal(-dice.between(1, 90_000_000_000), 9),
            };
            let sum = decimal(-dice.between(0, 5_000_000), 2);
            let product = &products[*index]["id"];
            rows.push(json!({"store": store["id"], "product": product, "amount": amount, "sum": sum}));
        }
    }
    rows
}

/// An amount with up to nine decimals and its sum in money.
fn amount(dice: &mut Dice, negative_percent: u64) -> (Value, Value) {
    let sign = if dice.percent(negative_percent) { -1 } else { 1 };
    let amount = match dice.below(4) {
        0 => decimal(sign * dice.between(1, 400), 0),
        1 => decimal(sign * dice.between(1, 90_000), 2),
        2 => decimal(sign * dice.between(1, 90_000), 3),
        _ => decimal(sign * dice.between(1, 90_000_000_000), 9),
    };
    (amount, decimal(sign * dice.between(1, 5_000_000), 2))
}

/// Whether stepping by `step` visits every one of `count` places.
fn coprime(mut step: usize, mut count: usize) -> bool {
    while count != 0 {
        (step, count) = (count, step % count);
    }
    step == 1
}
