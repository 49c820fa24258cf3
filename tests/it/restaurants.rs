//! Who takes part in a night of transfers, and which product of which unit is meant.

use super::{
    documents::{NIGHT, expect, street},
    harness::{Engine, on_both},
};
use serde_json::{Value, json};

on_both!(
    a_new_restaurant_takes_part_without_a_setting,
    a_name_that_is_there_twice_is_told_apart_or_listed,
    a_product_without_a_unit_takes_the_reports,
);

fn a_new_restaurant_takes_part_without_a_setting(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    world.sandbox.edit(|world| {
        let [source, bar] = ["0a0a0a0a-1111-4111-8111-000000000001", "0b0b0b0b-1111-4111-8111-000000000002"];
        let parent = world.stores[0]["parentId"].clone();
        for (id, name) in [(source, "Хоз.товары (Новый)"), (bar, "бар  (новый)")] {
            world
                .stores
                .push(json!({"id": id, "parentId": parent, "code": "", "name": name, "type": "STORE"}));
        }
        let product = world.balances[0]["product"].clone();
        world.balances.push(json!({"store": bar, "product": product, "amount": -0.000_847_058, "sum": 0}));
    });
    expect(world, 0, &["sync", "iiko", "--only", "iiko_store"]);
    let night = expect(world, 0, &NIGHT);
    assert!(night.json["restaurants"].as_array().unwrap().contains(&json!("Новый")));
    let world = world.sandbox.world();
    let line = world.ledger().iter().find(|line| line.to.starts_with("0b0b0b0b-")).unwrap();
    assert!(line.from.starts_with("0a0a0a0a-"), "{}", line.from);
    assert_eq!(line.amount.to_string(), "0.000847058", "nine decimals stay exact");
}

/// The lines of a night's documents.
fn lines(night: &Value) -> Vec<Value> {
    let documents = night["documents"].as_array().unwrap().iter();
    documents.flat_map(|document| document["lines"].as_array().unwrap().clone()).collect()
}

fn a_name_that_is_there_twice_is_told_apart_or_listed(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    // Another product of the same name and group: first with an article of its own, then with none.
    let twin = json!("0c0c0c0c-1111-4111-8111-000000000003");
    let mut first = Value::Null;
    world.sandbox.edit(|world| {
        let missing = world.balances[0]["product"].clone();
        first = world.products.iter().find(|product| product["id"] == missing).unwrap().clone();
        let mut second = first.clone();
        (second["id"], second["num"]) = (twin.clone(), json!("T-0001"));
        world.products.push(second);
    });
    let name = json!(first["name"].as_str().unwrap().trim());
    let missing =
        |night: &Value| lines(night).into_iter().filter(|line| line["name"] == name).collect::<Vec<_>>();
    expect(world, 0, &["sync", "iiko", "--only", "iiko_product"]);
    let told_apart = expect(world, 0, &["negative-transfer", "--dry-run"]);
    let found = missing(&told_apart.json);
    assert!(!found.is_empty() && found.iter().all(|line| line["product_id"] == first["id"]), "{found:?}");
    assert_eq!(told_apart.json["skipped"], json!([]));
    world.sandbox.edit(|world| {
        let same = world.products.iter_mut().filter(|product| product["name"] == first["name"]);
        same.for_each(|product| product["num"] = json!(""));
    });
    expect(world, 0, &["sync", "iiko", "--only", "iiko_product"]);
    let night = expect(world, 4, &NIGHT);
    assert_eq!(missing(&night.json), Vec::<Value>::new(), "nobody can tell which one is meant");
    let skipped = night.json["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), found.len());
    assert!(
        skipped.iter().all(|item| item["product"] == name
            && item["reason"] == "2 products have this name, and no article tells them apart"),
        "{skipped:?}"
    );
    let world = world.sandbox.world();
    let moved = world.ledger();
    assert_eq!(moved.len(), street.missing.len() - found.len());
    assert!(moved.iter().all(|line| json!(line.product) != first["id"] && json!(line.product) != twin));
}

fn a_product_without_a_unit_takes_the_reports(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let product = world.sandbox.world().balances[0]["product"].clone();
    let unit_of = |unit: &Value| {
        let mut before = Value::Null;
        world.sandbox.edit(|world| {
            let mut found = world.products.iter_mut().filter(|found| found["id"] == product);
            let place = &mut found.next().unwrap()["mainUnit"];
            before = std::mem::replace(place, unit.clone());
        });
        before
    };
    // The mirror knows it without a unit; by the evening iiko has given it one.
    let unit = unit_of(&Value::Null);
    expect(world, 0, &["sync", "iiko", "--only", "iiko_product"]);
    unit_of(&unit);
    let night = expect(world, 0, &NIGHT);
    let found: Vec<Value> =
        lines(&night.json).into_iter().filter(|line| line["product_id"] == product).collect();
    assert!(!found.is_empty() && found.iter().all(|line| line["unit_id"] == unit), "{unit}: {found:?}");
}
