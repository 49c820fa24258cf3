//! Steps that read what an earlier one fetched: what that could not use is not gone. The mirror's rows stand in, and what
//! the mirror does not have either stays as it is in the sheets.

use super::{
    desk::{Desk, SHEET, ids, type_many},
    harness::{Engine, Outcome, on_both},
};
use serde_json::{Value, json};

on_both!(
    what_is_refused_stays_in_both_sheets,
    what_contradicts_itself_or_is_kept_stays_in_both_sheets,
    what_the_mirror_lacks_too_stays_where_it_is,
    a_record_without_an_id_may_be_of_any_row,
    products_of_a_group_that_nobody_knows_stay_where_they_are,
    balances_keep_the_names_of_what_is_refused,
);

const MAPPING: &str = "Маппинг Справочник";
const MORNING: [&str; 3] = ["full-morning", "--skip", "fintablo"];
const DRY: [&str; 4] = ["full-morning", "--skip", "fintablo", "--dry-run"];

/// A desk with numbers, in step with its database.
fn desk(engine: Engine) -> Desk {
    let desk = Desk::laid_out(engine);
    type_many(&desk);
    desk.sync(0);
    desk
}

/// Both tabs, cell for cell.
fn sheets(desk: &Desk) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let mapping = |desk: &Desk| {
        let mut rows = Vec::new();
        desk.world.sandbox.edit(|world| rows = world.google.sheet(SHEET).tab(MAPPING).rows());
        rows
    };
    (desk.hands(|tab| tab.rows()), mapping(desk))
}

/// A dry run and a real one: neither touches a cell, and no level is lost.
#[track_caller]
fn nothing_moves(desk: &Desk) -> Outcome {
    let before = (sheets(desk), desk.database());
    desk.world.sandbox.clear_journal();
    for command in [&DRY[..], &MORNING] {
        let outcome = desk.world.expect(4, command);
        for step in ["min-stock-push", "push-mapping", "min_stock_level"] {
            assert_eq!(outcome.counts(step), [0, 0, 0], "{command:?} {step}: {}", outcome.json);
        }
        assert_eq!(desk.writes(), [], "{command:?}");
        assert_eq!((sheets(desk), desk.database()), before, "{command:?}");
        if command == MORNING {
            return outcome;
        }
    }
    unreachable!("the last one is the real one")
}

/// Gives every third product of the sheet a parent that is none.
fn refuse_products(desk: &Desk) -> usize {
    let products = desk.hands(|tab| ids(&tab.rows()).0);
    let refused: Vec<&String> = products.iter().step_by(3).collect();
    desk.iiko(|world| {
        for product in &mut world.products {
            if refused.iter().any(|id| product["id"] == id.as_str()) {
                product["parent"] = json!("x");
            }
        }
    });
    refused.len()
}

/// Gives the second department of the sheet a parent that is none.
fn refuse_department(desk: &Desk) {
    let departments = desk.hands(|tab| ids(&tab.rows()).1);
    desk.iiko(|world| {
        let department = world.departments.iter_mut().find(|it| it["id"] == departments[1].as_str());
        department.unwrap()["parentId"] = json!("x");
    });
}

fn what_is_refused_stays_in_both_sheets(engine: Engine) {
    let desk = desk(engine);
    let count = refuse_products(&desk);
    refuse_department(&desk);
    let outcome = nothing_moves(&desk);
    assert_eq!(outcome.step("iiko_product", None)["rejected"], count);
    assert_eq!(outcome.step("iiko_department", None)["rejected"], 1);
    assert_eq!(outcome.step("min-stock-push", None)["notes"], Value::Null, "the mirror knows them all");
}

fn what_contradicts_itself_or_is_kept_stays_in_both_sheets(engine: Engine) {
    let desk = desk(engine);
    let products = desk.hands(|tab| ids(&tab.rows()).0);
    desk.iiko(|world| {
        // Two contents, of which the last would leave the sheet; two more that are gone, which nobody may believe now.
        let mut twin = world.products.iter().find(|it| it["id"] == products[0].as_str()).unwrap().clone();
        twin["type"] = json!("SERVICE");
        world.products.push(twin);
        world.products.retain(|it| it["id"] != products[1].as_str() && it["id"] != products[2].as_str());
    });
    let outcome = nothing_moves(&desk);
    assert_eq!(outcome.step("iiko_product", None)["delete_blocked"], 2);
    // The guard keeps most of them.
    desk.iiko(|world| {
        world.products.pop();
        world.products.truncate(world.products.len() / 3);
    });
    // What was stored last is what the mirror has of the twin.
    let type_of_twin = format!("update iiko_product set product_type = 'GOODS' where id = '{}'", products[0]);
    desk.world.execute(&type_of_twin);
    let before = sheets(&desk);
    let outcome = desk.world.expect(4, &DRY);
    assert!(outcome.step("iiko_product", None)["delete_blocked"].as_u64().unwrap() > 10);
    assert_eq!(outcome.step("min-stock-push", None)["deleted"], 0);
    assert_eq!(outcome.step("push-mapping", None)["deleted"], 0);
    assert_eq!(sheets(&desk), before);
}

fn what_the_mirror_lacks_too_stays_where_it_is(engine: Engine) {
    let desk = desk(engine);
    let count = refuse_products(&desk);
    refuse_department(&desk);
    // The mirror is made anew while iiko's records are as they are; the sheet is older than both.
    for table in ["iiko_product", "iiko_department", "iiko_product_group"] {
        desk.world.execute(&format!("delete from {table}"));
    }
    let outcome = nothing_moves(&desk);
    let note = outcome.step("min-stock-push", None)["notes"][0].as_str().unwrap().to_owned();
    assert!(note.starts_with(&format!("{} rows and departments stay", count + 1)), "{note}");
    nothing_moves(&desk);
    // Back to what they were: they are the same rows.
    let (products, departments) = desk.hands(|tab| ids(&tab.rows()));
    desk.iiko(|world| {
        let like =
            world.products.iter().find(|it| it["id"] == products[1].as_str()).unwrap()["parent"].clone();
        for product in world.products.iter_mut().filter(|it| it["parent"] == "x") {
            product["parent"] = like.clone();
        }
        let department = world.departments.iter_mut().find(|it| it["id"] == departments[1].as_str());
        department.unwrap()["parentId"] = Value::Null;
    });
    let before = (sheets(&desk), desk.database());
    desk.world.expect(0, &MORNING);
    assert_eq!((sheets(&desk), desk.database()), before);
}

fn a_record_without_an_id_may_be_of_any_row(engine: Engine) {
    let desk = desk(engine);
    let (products, departments) = desk.hands(|tab| ids(&tab.rows()));
    desk.iiko(|world| {
        for product in world.products.iter_mut().filter(|it| it["id"] == products[5].as_str()) {
            product["id"] = json!("x");
        }
        let department = world.departments.iter_mut().find(|it| it["id"] == departments[0].as_str());
        department.unwrap()["id"] = json!("");
    });
    nothing_moves(&desk);
    desk.world.execute(&format!("delete from iiko_product where id = '{}'", products[5]));
    desk.world.execute(&format!("delete from iiko_department where id = '{}'", departments[0]));
    nothing_moves(&desk);
}

fn products_of_a_group_that_nobody_knows_stay_where_they_are(engine: Engine) {
    let mut desk = Desk::new(engine);
    let upstream = desk.world.sandbox.world().clone();
    // A group with a group in it that has products.
    let (above, below) = upstream
        .product_groups
        .iter()
        .filter(|group| group["deleted"] != true)
        .find_map(|below| {
            let above = upstream.product_groups.iter().find(|above| above["id"] == below["parent"])?;
            let goods =
                |it: &&Value| it["parent"] == below["id"] && (it["type"] == "GOODS" || it["type"] == "DISH");
            (upstream.products.iter().filter(goods).count() > 2).then(|| (above.clone(), below.clone()))
        })
        .expect("a group in a group");
    desk.world.set("MIN_STOCK_EXPORT_GROUPS", above["id"].as_str().unwrap());
    desk.world.expect(0, &MORNING);
    type_many(&desk);
    desk.sync(0);
    desk.iiko(|world| {
        world.product_groups.iter_mut().find(|it| it["id"] == below["id"]).unwrap()["parent"] = json!("x");
    });
    nothing_moves(&desk);
    desk.world
        .execute(&format!("delete from iiko_product_group where id = '{}'", below["id"].as_str().unwrap()));
    let outcome = nothing_moves(&desk);
    assert!(outcome.step("min-stock-push", None)["notes"][0].is_string(), "{}", outcome.json);
}

fn balances_keep_the_names_of_what_is_refused(engine: Engine) {
    let desk = desk(engine);
    let names = |desk: &Desk| {
        desk.world.select("stock_balance", ["store_id", "product_id", "store_name", "product_name"])
    };
    let before = names(&desk);
    refuse_products(&desk);
    desk.iiko(|world| {
        for store in world.stores.iter_mut().take(2) {
            store["parentId"] = json!("x");
        }
    });
    nothing_moves(&desk);
    assert_eq!(names(&desk), before);
    let stores = desk.world.sandbox.world().stores[..2].to_vec();
    for store in stores {
        let name = store["name"].as_str();
        assert!(before.iter().any(|row| row["store_name"].as_deref() == name), "{store} holds something");
    }
}
