//! The sheet of min/max levels: what people type goes to the database, the nomenclature goes to the sheet, and no number
//! is lost or moved to another product.

use super::{
    desk::{Desk, Levels, SHEET, TAB, cells, ids, product, type_many},
    harness::{Engine, on_both},
};
use serde_json::json;

on_both!(
    six_steps_and_nothing_to_do_the_second_time,
    numbers_are_read_as_people_type_them,
    what_is_no_level_is_named_and_the_old_one_stays,
    a_cleared_cell_deletes_its_level_and_a_cleared_sheet_does_not,
    rows_and_columns_may_be_sorted_and_moved_by_hand,
    numbers_travel_with_products_that_are_renamed_and_inserted,
    products_that_are_gone_stay_with_their_numbers_and_only_so,
    departments_that_are_gone_stay_with_their_numbers_and_only_so,
    a_cleared_a_deleted_and_a_damaged_tab,
    rows_and_columns_deleted_by_hand_come_back_with_their_numbers,
    a_row_that_is_there_twice_keeps_what_was_known,
    names_stay_text_to_the_byte,
    a_broken_layout_is_repaired_once,
    a_dry_run_tells_and_writes_nothing,
    foreign_tabs_are_refused,
);

fn six_steps_and_nothing_to_do_the_second_time(engine: Engine) {
    let desk = Desk::new(engine);
    let first = desk.world.expect(0, &["full-morning"]);
    let steps: std::collections::BTreeSet<&str> =
        first.json["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    let six = ["fintablo", "iiko", "min-stock", "min-stock-push", "push-mapping", "stock"];
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), six);
    let (rows, merges) = desk.hands(|tab| (tab.rows(), tab.merges()));
    let (products, departments) = ids(&rows);
    assert_eq!((rows[1][0].as_str(), rows[1][1].as_str()), (Some("Товар"), Some("ID товара")));
    assert_eq!((rows[2][2].as_str(), rows[2][3].as_str()), (Some("МИН"), Some("МАКС")));
    assert!(products.len() > 100 && departments.len() >= 4, "{} {}", products.len(), departments.len());
    assert_eq!(merges.len(), departments.len());
    assert!(desk.hands(|tab| tab.row(1).1 && tab.column("B").1 && tab.column("C") == (60, false)));
    let mut sorted = desk.names();
    sorted.sort_by_key(|name| (name.trim().to_lowercase().replace('ё', "е"), name.clone()));
    assert_eq!(desk.names(), sorted);

    desk.world.sandbox.clear_journal();
    let before = desk.world.evidence();
    let second = desk.world.expect(0, &["full-morning"]);
    assert_eq!(second.totals(), [0, 0, 0]);
    assert_eq!(desk.writes(), []);
    assert_eq!(desk.hands(|tab| tab.rows()), rows);
    assert_eq!(desk.world.evidence(), before);
    assert_eq!(desk.world.sandbox.violations(), Vec::<String>::new());
    assert_eq!(desk.world.sandbox.open_sessions(), 0);
}

fn numbers_are_read_as_people_type_them(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let rows = desk.hands(|tab| tab.rows());
    let (products, departments) = ids(&rows);
    let typed = [
        ("1,5", "3", "1.5", "3"),
        ("1 000", "2 000,25", "1000", "2000.25"),
        ("", "7", "", "7"),
        ("4", "", "4", ""),
        ("0", "5", "0", "5"),
        ("=2+3", "=10/4*4", "5", "10"),
        ("0,1", "0,3", "0.1", "0.3"),
    ];
    let mut expected = Levels::new();
    for (number, (min, max, min_read, max_read)) in typed.iter().enumerate() {
        let (least, most) = cells(&rows, &products[number], &departments[number % departments.len()]);
        desk.hands(|tab| {
            tab.type_in(&least, min).type_in(&most, max);
        });
        let place = (products[number].clone(), departments[number % departments.len()].clone());
        expected.insert(place, ((*min_read).to_owned(), (*max_read).to_owned()));
    }
    // As text, with the spaces that other programs leave behind; and zeros, which are no level.
    let (least, most) = cells(&rows, &products[20], &departments[0]);
    desk.hands(|tab| {
        tab.put_text(&least, " 1\u{a0}234,5 ").put_text(&most, "9\u{202f}999");
    });
    expected.insert((products[20].clone(), departments[0].clone()), ("1234.5".to_owned(), "9999".to_owned()));
    let (least, most) = cells(&rows, &products[21], &departments[0]);
    desk.hands(|tab| {
        tab.type_in(&least, "0").type_in(&most, "0");
    });
    let outcome = desk.world.expect(0, &["sync", "min-stock", "--pull"]);
    assert_eq!(outcome.step("min_stock_level", None)["inserted"], expected.len());
    assert_eq!(desk.database(), expected);
    let names = desk.world.query("select product_name, department_name from min_stock_level");
    assert!(
        names.iter().flatten().all(|name| name.as_ref().is_some_and(|name| !name.is_empty())),
        "{names:?}"
    );
    let again = desk.world.expect(0, &["sync", "min-stock"]);
    assert_eq!(again.totals(), [0, 0, 0]);
    assert_eq!(desk.writes(), [], "a push writes no level");
}

fn what_is_no_level_is_named_and_the_old_one_stays(engine: Engine) {
    let desk = Desk::laid_out(engine);
    type_many(&desk);
    desk.sync(0);
    let before = desk.database();
    let rows = desk.hands(|tab| tab.rows());
    let places: Vec<_> = before.keys().cloned().collect();
    let bad =
        [("abc", "5"), ("-3", "5"), ("9", "5"), ("1,2,3", "9"), ("1.5", "9"), ("5", "много"), ("7 шт", "9")];
    let mut named = Vec::new();
    for ((product, department), (min, max)) in places.iter().zip(bad) {
        let (least, most) = cells(&rows, product, department);
        desk.hands(|tab| {
            tab.type_in(&least, min).type_in(&most, max);
        });
        named.push(if max == "много" { most } else { least });
    }
    // One that is right beside them.
    let (product, department) = &places[bad.len()];
    let (least, _) = cells(&rows, product, department);
    desk.hands(|tab| {
        tab.type_in(&least, "0,5");
    });
    let outcome = desk.sync(4);
    let step = outcome.step("min_stock_level", None);
    assert_eq!((&step["rejected"], &step["updated"]), (&json!(bad.len()), &json!(1)), "{step}");
    let warnings = step["warnings"].to_string();
    for cell in &named {
        assert!(warnings.contains(&format!("{cell}:")), "{cell} is not named in {warnings}");
    }
    let mut expected = before;
    expected.get_mut(&places[bad.len()]).unwrap().0 = "0.5".to_owned();
    assert_eq!(desk.database(), expected);
    assert_eq!(desk.writes(), [], "what people typed stays as they typed it");
}

fn a_cleared_cell_deletes_its_level_and_a_cleared_sheet_does_not(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    assert_eq!(desk.database(), typed);
    let rows = desk.hands(|tab| tab.rows());
    let ((product, department), _) = typed.first_key_value().unwrap();
    let (least, most) = cells(&rows, product, department);
    desk.hands(|tab| {
        tab.put_text(&least, "").put_text(&most, "");
    });
    assert_eq!(desk.sync(0).step("min_stock_level", None)["deleted"], 1);
    let mut left = typed.clone();
    left.remove(&(product.clone(), department.clone()));
    assert_eq!(desk.database(), left);
    assert_eq!(desk.world.count("mirror_tombstone"), 1);
    // Every number but three goes: more than half.
    desk.hands(|tab| {
        for (product, department) in left.keys().skip(3) {
            let (least, most) = cells(&rows, product, department);
            tab.put_text(&least, "").put_text(&most, "");
        }
    });
    let outcome = desk.sync(4);
    let step = outcome.step("min_stock_level", None);
    assert_eq!(step["deleted"], 0);
    let flag = format!("--allow-delete min_stock_level={}", left.len() - 3);
    assert!(step["hint"].as_str().unwrap().contains(&flag), "{step}");
    assert_eq!(desk.database(), left);
    let allowed = format!("min_stock_level={}", left.len() - 3);
    desk.world.expect(0, &["sync", "min-stock", "--allow-delete", &allowed]);
    assert_eq!(desk.database().len(), 3);
}

fn rows_and_columns_may_be_sorted_and_moved_by_hand(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let before = desk.hands(|tab| tab.rows());
    let last = before.len();
    desk.hands(|tab| {
        tab.sort_rows(&format!("A4:J{last}"), "B");
        tab.move_row(10, 4).move_row(5, last).insert_row(7);
    });
    assert_eq!(desk.sheet(), typed);
    let outcome = desk.sync(0);
    assert_eq!(outcome.step("min_stock_level", None)["updated"], 0, "ids are what counts");
    assert_eq!(desk.hands(|tab| tab.rows()), before, "and everything is where it was");
    // Column by column, so that a pair is torn apart on the way.
    let merges = desk.hands(|tab| {
        let merges = tab.merges();
        tab.unmerge().move_column("C", "H").move_column("C", "H");
        merges
    });
    assert_eq!(desk.sheet(), typed);
    desk.sync(0);
    assert_eq!(desk.hands(|tab| (tab.rows(), tab.merges())), (before, merges));
    assert_eq!(desk.database(), typed);
}

fn numbers_travel_with_products_that_are_renamed_and_inserted(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let (products, departments) = desk.hands(|tab| ids(&tab.rows()));
    let new = "77777777-0000-4000-8000-000000000001";
    let new_department = "66666666-0000-4000-8000-000000000001";
    desk.iiko(|world| {
        let like = world.products.iter().find(|it| it["id"] == products[0].as_str()).unwrap().clone();
        for (place, name) in [(0, "Яяя последний"), (30, "  ааа первый "), (60, "Ёлка")]
        {
            world.products.iter_mut().find(|it| it["id"] == products[place].as_str()).unwrap()["name"] =
                json!(name);
        }
        world.products.push(product(new, "Новый товар", &like));
        let mut department =
            world.departments.iter().find(|it| it["id"] == departments[1].as_str()).unwrap().clone();
        department["id"] = json!(new_department);
        department["name"] = json!("Аэропорт");
        world.departments.push(department);
        world.departments.iter_mut().find(|it| it["id"] == departments[0].as_str()).unwrap()["name"] =
            json!("Яхт-клуб");
    });
    let outcome = desk.world.expect(0, &["full-morning", "--skip", "fintablo"]);
    assert_eq!(outcome.step("min_stock_level", None)["deleted"], 0);
    assert_eq!(desk.sheet(), typed);
    let (rows, departments_now) = desk.hands(|tab| (tab.rows(), ids(&tab.rows()).1));
    assert!(ids(&rows).0.contains(&new.to_owned()));
    assert_eq!(departments_now.first().unwrap(), new_department);
    assert_eq!(departments_now.last().unwrap(), &departments[0]);
    let names = desk.names();
    assert_eq!(
        (names.first().unwrap().as_str(), names.last().unwrap().as_str()),
        ("  ааа первый ", "Яяя последний")
    );
    let database: Levels = desk.database();
    assert_eq!(database, typed);
    desk.world.sandbox.clear_journal();
    let before = desk.world.evidence();
    desk.world.expect(0, &["full-morning", "--skip", "fintablo"]);
    assert_eq!((desk.writes(), desk.world.evidence()), (vec![], before));
}

fn products_that_are_gone_stay_with_their_numbers_and_only_so(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let products = desk.hands(|tab| ids(&tab.rows()).0);
    // The first has numbers (each third has), the second none.
    let (with, without) = (products[3].clone(), products[4].clone());
    desk.iiko(|world| world.products.retain(|it| it["id"] != with.as_str() && it["id"] != without.as_str()));
    let outcome = desk.world.expect(0, &["full-morning", "--skip", "fintablo"]);
    assert_eq!(outcome.step("min-stock-push", None)["deleted"], 1);
    let rows = desk.hands(|tab| tab.rows());
    let now = ids(&rows).0;
    assert_eq!(now.last(), Some(&with), "it stands at the bottom");
    assert!(!now.contains(&without));
    assert_eq!(rows[rows.len() - 2][0], "Нет в номенклатуре");
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed.clone()));
    desk.world.sandbox.clear_journal();
    desk.sync(0);
    assert_eq!(desk.writes(), []);
    // Its numbers are cleared: nothing keeps it here.
    let (least, most) = cells(&rows, &with, &typed.keys().find(|place| place.0 == with).unwrap().1);
    desk.hands(|tab| {
        tab.put_text(&least, "").put_text(&most, "");
    });
    assert_eq!(desk.sync(0).step("min_stock_level", None)["deleted"], 1);
    assert!(!ids(&desk.hands(|tab| tab.rows())).0.contains(&with));
    assert!(!desk.names().contains(&"Нет в номенклатуре".to_owned()));
    // Both are back in the nomenclature.
    let mut left = typed.clone();
    left.retain(|place, _| place.0 != with);
    assert_eq!((desk.sheet(), desk.database()), (left.clone(), left));
}

fn departments_that_are_gone_stay_with_their_numbers_and_only_so(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let departments = desk.hands(|tab| ids(&tab.rows()).1);
    let (with, without) = (departments[0].clone(), departments[1].clone());
    let mut typed = type_many(&desk);
    let rows = desk.hands(|tab| tab.rows());
    typed.retain(|(product, department), _| {
        let stays = *department != without;
        if !stays {
            let (least, most) = cells(&rows, product, department);
            desk.hands(|tab| {
                tab.put_text(&least, "").put_text(&most, "");
            });
        }
        stays
    });
    desk.sync(0);
    desk.iiko(|world| {
        world.departments.retain(|it| it["id"] != with.as_str() && it["id"] != without.as_str());
    });
    desk.world.expect(0, &["full-morning", "--skip", "fintablo"]);
    let now = desk.hands(|tab| ids(&tab.rows()).1);
    assert_eq!(now.last(), Some(&with), "it stands on the right");
    assert!(!now.contains(&without));
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed));
    desk.world.sandbox.clear_journal();
    desk.sync(0);
    assert_eq!(desk.writes(), []);
}

fn a_cleared_a_deleted_and_a_damaged_tab(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let before = desk.hands(|tab| tab.rows());
    desk.hands(|tab| {
        tab.clear();
    });
    assert_eq!(desk.sheet(), Levels::new());
    desk.sync(4);
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed.clone()));
    assert_eq!(desk.hands(|tab| tab.rows()), before);
    desk.sync(0);

    desk.iiko(|world| world.google.sheet(SHEET).delete_tab(TAB));
    desk.sync(4);
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed.clone()));
    assert_eq!(desk.hands(|tab| tab.rows()), before);

    // The ids of the departments are gone: nobody can tell what the numbers mean.
    desk.hands(|tab| {
        tab.delete_row(1);
    });
    let damaged = desk.hands(|tab| tab.rows());
    let outcome = desk.sync(7);
    let error = outcome.step("min_stock_level", None)["error"].as_str().unwrap();
    assert!(error.contains("row 1 holds no department's id"), "{error}");
    assert_eq!(desk.hands(|tab| tab.rows()), damaged);
    assert_eq!(desk.database(), typed);
}

fn rows_and_columns_deleted_by_hand_come_back_with_their_numbers(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let before = desk.hands(|tab| tab.rows());
    desk.hands(|tab| {
        tab.delete_row(4).delete_row(6).delete_row(20);
    });
    let outcome = desk.sync(4);
    let step = outcome.step("min_stock_level", None);
    assert!(step["warnings"][0].as_str().unwrap().contains("levels have lost their row"), "{step}");
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed.clone()));
    assert_eq!(desk.hands(|tab| tab.rows()), before);
    desk.hands(|tab| {
        tab.unmerge().delete_column("C").delete_column("C");
    });
    desk.sync(4);
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed));
    assert_eq!(desk.hands(|tab| tab.rows()), before);
    desk.world.sandbox.clear_journal();
    desk.sync(0);
    assert_eq!(desk.writes(), []);
}

fn a_row_that_is_there_twice_keeps_what_was_known(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let rows = desk.hands(|tab| tab.rows());
    let ((product, department), _) = typed.first_key_value().unwrap();
    let (least, _) = cells(&rows, product, department);
    let end = rows.len() + 1;
    let (column, _) = least.split_at(least.find(|character: char| character.is_ascii_digit()).unwrap());
    let name =
        rows.iter().find(|row| row.get(1).is_some_and(|id| id == product.as_str())).unwrap()[0].clone();
    desk.hands(|tab| {
        tab.put_text(&format!("A{end}"), name.as_str().unwrap()).put_text(&format!("B{end}"), product);
        tab.put_number(&format!("{column}{end}"), 99_999.0);
    });
    let outcome = desk.sync(4);
    let warnings = outcome.step("min_stock_level", None)["warnings"].to_string();
    assert!(warnings.contains("give one product different levels"), "{warnings}");
    assert_eq!(desk.database(), typed);
    let twins = ids(&desk.hands(|tab| tab.rows())).0.iter().filter(|id| *id == product).count();
    assert_eq!(twins, 2, "neither is removed: both have numbers");
}

fn names_stay_text_to_the_byte(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let products = desk.hands(|tab| ids(&tab.rows()).0);
    let long = "Ж".repeat(500);
    let names = [
        "=IMPORTXML(\"http://x\")",
        "+7",
        "-1",
        "@x",
        "'апостроф",
        "«кавычки» \"и\" 'ещё'",
        "две\nстроки",
        "\tтабуляция",
        "🍕 пицца 👩‍🍳",
        long.as_str(),
        "0012",
        "1,5",
        "ИСТИНА",
        "01.05.2026",
        "  пробелы  ",
    ];
    desk.iiko(|world| {
        for (id, name) in products.iter().zip(names) {
            let product = world.products.iter_mut().find(|it| it["id"] == id.as_str()).unwrap();
            (product["name"], product["type"]) = (json!(name), json!("GOODS"));
        }
        world.departments.iter_mut().find(|it| it["type"] == "DEPARTMENT").unwrap()["name"] = json!("=1+1");
    });
    desk.world.expect(0, &["full-morning", "--skip", "fintablo"]);
    let shown = desk.names();
    for name in names {
        assert!(shown.iter().any(|shown| shown == name), "{name:?} is not among {shown:?}");
    }
    let texts = desk.hands(|tab| tab.rows());
    assert!(texts.iter().skip(3).all(|row| row[0].is_string()));
    assert!(texts[1].iter().any(|cell| cell == "=1+1"));
    let mapping: Vec<String> = desk.world.sandbox.edit(|world| {
        let rows = world.google.sheet(SHEET).tab("Маппинг Справочник").rows();
        rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
    });
    for name in names {
        assert!(mapping.iter().any(|shown| shown == name.trim()), "{name:?}");
    }
    desk.world.sandbox.clear_journal();
    desk.world.expect(0, &["full-morning", "--skip", "fintablo"]);
    assert_eq!(desk.writes(), []);
}

fn a_broken_layout_is_repaired_once(engine: Engine) {
    let desk = Desk::laid_out(engine);
    type_many(&desk);
    desk.sync(0);
    let before = desk.hands(|tab| (tab.rows(), tab.merges(), tab.row(1), tab.column("B"), tab.column("C")));
    let looks =
        |desk: &Desk| desk.hands(|tab| (tab.cell("C2").format.clone(), tab.cell("C9").format.clone()));
    let formats = looks(&desk);
    desk.hands(|tab| {
        tab.unmerge().unformat("C2").unformat("C9");
        tab.put_text("A2", "").put_text("D3", "максимум");
    });
    desk.sync(0);
    let after = desk.hands(|tab| (tab.rows(), tab.merges(), tab.row(1), tab.column("B"), tab.column("C")));
    assert_eq!(after, before);
    assert_eq!(looks(&desk), formats);
    desk.world.sandbox.clear_journal();
    desk.sync(0);
    assert_eq!(desk.writes(), []);
}

fn a_dry_run_tells_and_writes_nothing(engine: Engine) {
    let desk = Desk::new(engine);
    let planned = desk.world.expect(0, &["full-morning", "--dry-run"]);
    let step = planned.step("min-stock-push", None);
    let inserted = step["inserted"].as_u64().unwrap();
    assert!(inserted > 100, "an empty database plans what the real run would do: {step}");
    assert!(step["details"][0].as_str().unwrap().contains("insert"), "{step}");
    let titles = desk.world.sandbox.edit(|world| world.google.sheet(SHEET).titles().join(" "));
    assert_eq!(titles, "Лист1");
    assert_eq!(desk.writes(), []);
    let real = desk.world.expect(0, &["full-morning"]);
    for step in ["min-stock-push", "push-mapping"] {
        for count in ["inserted", "updated", "deleted"] {
            assert_eq!(planned.step(step, None)[count], real.step(step, None)[count], "{step} {count}");
        }
    }
    type_many(&desk);
    desk.iiko(|world| drop(world.products.remove(0)));
    desk.world.sandbox.clear_journal();
    let (before, rows) = (desk.world.evidence(), desk.hands(|tab| tab.rows()));
    let planned = desk.world.expect(0, &["full-morning", "--dry-run"]);
    assert!(planned.step("min_stock_level", None)["inserted"].as_u64().unwrap() > 10);
    assert_eq!((desk.world.evidence(), desk.hands(|tab| tab.rows())), (before, rows));
    assert_eq!(desk.writes(), []);
}

fn foreign_tabs_are_refused(engine: Engine) {
    let desk = Desk::new(engine);
    desk.world.expect(0, &["sync", "iiko"]);
    let outcome = desk.world.expect(4, &["sync", "min-stock", "--pull"]);
    let warnings = outcome.step("min_stock_level", None)["warnings"].to_string();
    assert!(warnings.contains("there is no tab «Мин остатки»"), "{warnings}");
    desk.world.sandbox.edit(|world| {
        let mut tab = world.google.sheet(SHEET).open(TAB);
        tab.put_text("A1", "Зарплата").put_text("A2", "Иванов").put_number("B2", 50_000.0);
    });
    let rows = desk.hands(|tab| tab.rows());
    for arguments in [&["sync", "min-stock", "--pull"][..], &["sync", "min-stock", "--push"]] {
        let outcome = desk.world.expect(7, arguments);
        let error = outcome.json["steps"][0]["error"].as_str().unwrap();
        assert!(error.contains("is not laid out as expected"), "{error}");
    }
    assert_eq!(desk.hands(|tab| tab.rows()), rows);
    assert_eq!(desk.writes(), []);
}
