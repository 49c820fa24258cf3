//! People and Google against the sheet: somebody types, sorts and deletes between our reading and our writing, and
//! requests fail at any point. No number is lost or comes to stand beside another product, and the next run finishes.

use super::{
    desk::{Desk, Levels, SHEET, cells, hands, ids, product, shown, type_many},
    harness::{Engine, on_both},
};
use serde_json::json;
use std::io::Write as _;
use zerkalo::sandbox::{Action, Fault, Hands, Rights};

on_both!(
    whatever_people_do_at_any_moment_no_number_is_lost,
    a_number_typed_into_a_row_at_the_moment_of_its_removal_comes_back,
    any_request_may_fail_and_the_next_run_finishes,
    an_answer_that_is_lost_is_looked_for_and_not_repeated,
    a_token_that_expires_is_asked_for_again,
    the_quota_of_a_minute_is_waited_for,
    who_may_not_or_finds_nothing_is_told_whom_to_share_with,
    a_key_that_is_none_is_told,
    few_requests_whatever_the_size,
    a_large_sheet_takes_as_few_requests_as_a_small_one,
    the_mapping_reference_is_written_where_it_differs,
);

/// Makes rows and columns come and go: two products are gone (one with numbers), one is new, one is renamed, a
/// department is new and one without numbers is gone.
fn upheaval(desk: &Desk, typed: &Levels) -> (String, String) {
    let rows = desk.hands(|tab| tab.rows());
    let (products, departments) = ids(&rows);
    let with = products[9].clone();
    let without = products[10].clone();
    assert!(typed.keys().any(|place| place.0 == with) && typed.keys().all(|place| place.0 != without));
    desk.iiko(|world| {
        let like = world.products.iter().find(|it| it["id"] == products[0].as_str()).unwrap().clone();
        world.products.retain(|it| it["id"] != with.as_str() && it["id"] != without.as_str());
        world.products.push(product("77777777-0000-4000-8000-000000000009", "Мммм", &like));
        let renamed = world.products.iter_mut().find(|it| it["id"] == products[40].as_str()).unwrap();
        renamed["name"] = json!("Ааа");
        let mut department =
            world.departments.iter().find(|it| it["id"] == departments[1].as_str()).unwrap().clone();
        (department["id"], department["name"]) =
            (json!("66666666-0000-4000-8000-000000000009"), json!("Вокзал"));
        world.departments.push(department);
    });
    desk.world.expect(0, &["sync", "iiko"]);
    desk.world.sandbox.clear_journal();
    (with, without)
}

/// What somebody does to the tab.
fn meddle(tab: &mut Hands<'_>, what: usize) -> Option<(String, String)> {
    let rows = tab.rows();
    if rows.len() < 30 {
        return None;
    }
    let last = rows.len();
    let (products, departments) = ids(&rows);
    match what % 7 {
        0 => {
            tab.sort_rows(&format!("A4:L{last}"), "B");
        }
        1 => {
            tab.move_row(5, last - 2);
        }
        2 => {
            tab.insert_row(9);
        }
        3 => {
            tab.sort_rows(&format!("A4:L{last}"), "A").move_row(last, 4);
        }
        4 => {
            tab.unmerge().move_column("C", "F").move_column("C", "F");
        }
        5 => {
            let product = &products[what % products.len()];
            let (min, _) = cells(&rows, product, &departments[0]);
            tab.type_in(&min, "777");
            return Some((product.clone(), departments[0].clone()));
        }
        _ => {
            tab.move_row(12, 4).move_row(13, 4).insert_row(20);
        }
    }
    None
}

fn whatever_people_do_at_any_moment_no_number_is_lost(engine: Engine) {
    // At the reads, at the write, and at the look behind it.
    for (request, nth) in [
        ("sandbox-sheet?includeGridData=false", 1),
        ("sandbox-sheet?includeGridData=true", 1),
        ("sandbox-sheet:batchUpdate", 1),
        ("sandbox-sheet?includeGridData=true", 2),
        ("sandbox-sheet:batchUpdate", 2),
    ] {
        for what in 0..7 {
            let desk = Desk::laid_out(engine);
            let typed = type_many(&desk);
            desk.sync(0);
            upheaval(&desk, &typed);
            let (sender, receiver) = std::sync::mpsc::channel();
            desk.world.sandbox.on(request, nth, move |world| {
                hands(world, |tab| drop(sender.send(meddle(tab, what))));
            });
            let outcome = desk.world.run(&["sync", "min-stock", "--push"]);
            let told = format!("{request} {nth}, {what}: {}\n{}", outcome.stdout, outcome.stderr);
            assert!(matches!(outcome.code, Some(0 | 4)), "{told}");
            let mut expected = typed;
            if let Ok(Some(place)) = receiver.try_recv() {
                expected.entry(place).or_default().0 = "777".to_owned();
            }
            assert_eq!(desk.sheet(), expected, "{told}");
            desk.sync(0);
            assert_eq!((desk.sheet(), desk.database()), (expected.clone(), expected), "{told}");
            desk.world.sandbox.clear_journal();
            desk.sync(0);
            assert_eq!(desk.writes(), [], "{told}");
            let names = desk.names();
            let mut sorted = names.clone();
            sorted.truncate(names.iter().position(|name| name == "Нет в номенклатуре").unwrap());
            let shown = sorted.clone();
            sorted.sort_by_key(|name| (name.trim().to_lowercase().replace('ё', "е"), name.clone()));
            assert_eq!(shown, sorted);
        }
    }
}

fn a_number_typed_into_a_row_at_the_moment_of_its_removal_comes_back(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let (_, without) = upheaval(&desk, &typed);
    let department = desk.hands(|tab| ids(&tab.rows()).1[2].clone());
    let place = (without, department);
    let typing = place.clone();
    desk.world.sandbox.on("sandbox-sheet:batchUpdate", 1, move |world| {
        hands(world, |tab| {
            let (min, max) = cells(&tab.rows(), &typing.0, &typing.1);
            tab.type_in(&min, "1,5").type_in(&max, "много");
        });
    });
    desk.world.expect(0, &["sync", "min-stock", "--push"]);
    let mut expected = typed;
    expected.insert(place.clone(), ("1.5".to_owned(), "много".to_owned()));
    assert_eq!(desk.sheet(), expected);
    assert_eq!(desk.names().iter().filter(|name| *name == "Нет в номенклатуре").count(), 1);
    let titles = desk.world.sandbox.edit(|world| world.google.sheet(SHEET).titles().join(" "));
    assert!(titles.contains("Мин остатки (копия)"), "{titles}");
    // Now it is a number like any other, and the copy of an earlier removal does not stand in the way of the next.
    desk.hands(|tab| {
        let (_, max) = cells(&tab.rows(), &place.0, &place.1);
        tab.type_in(&max, "2");
    });
    desk.sync(0);
    desk.hands(|tab| {
        let (min, max) = cells(&tab.rows(), &place.0, &place.1);
        tab.put_text(&min, "").put_text(&max, "");
    });
    desk.sync(0);
    assert!(!ids(&desk.hands(|tab| tab.rows())).0.contains(&place.0));
}

/// A reply of Google's with this status.
fn status(code: u16, message: &str) -> Action {
    let body = json!({ "error": { "code": code, "message": message, "status": "X" } }).to_string();
    Action::Status {
        code,
        content_type: "application/json".to_owned(),
        body: body.into(),
        headers: Vec::new(),
    }
}

fn any_request_may_fail_and_the_next_run_finishes(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    upheaval(&desk, &typed);
    desk.world.expect(0, &["sync", "min-stock"]);
    let (whole, before) = (desk.hands(|tab| tab.rows()), desk.world.sandbox.journal().len());
    assert!(before > 4);
    let faults = [
        status(500, "Internal error"),
        status(503, "Unavailable"),
        Action::Html,
        Action::Cut { at: 20 },
        Action::CutClose { at: 20 },
        Action::Close,
        Action::CloseAfterEffect,
        status(403, "The caller does not have permission"),
        Action::Empty,
    ];
    for (request, steps) in [
        ("google/token", 1),
        ("sandbox-sheet?includeGridData=false", 3),
        ("sandbox-sheet?includeGridData=true", 3),
        ("sandbox-sheet:batchUpdate", 2),
    ] {
        for skip in 0..steps {
            for action in &faults {
                // Something to do: a row is sorted away, a name is wrong, a row is gone.
                desk.hands(|tab| {
                    tab.move_row(4, 30).put_text("A7", "не то").delete_row(50);
                });
                let damaged = desk.sheet();
                desk.world.sandbox.fault(Fault::new(request, action.clone()).skip(skip).times(9));
                let outcome = desk.world.run(&["sync", "min-stock"]);
                desk.world.sandbox.clear_faults();
                let told = format!("{request} after {skip}, {action:?}: {}", outcome.stdout);
                assert!(outcome.code.is_some_and(|code| [0, 4, 5, 6, 7].contains(&code)), "{told}");
                for (place, levels) in &damaged {
                    assert_eq!(desk.sheet().get(place), Some(levels), "{told}");
                }
                let outcome = desk.world.run(&["sync", "min-stock"]);
                assert!(matches!(outcome.code, Some(0 | 4)), "{told}\n{}", outcome.stdout);
                assert_eq!(desk.hands(|tab| tab.rows()), whole, "{told}");
                assert_eq!(desk.database(), typed, "{told}");
            }
        }
    }
    assert_eq!(desk.world.sandbox.violations(), Vec::<String>::new());
}

fn an_answer_that_is_lost_is_looked_for_and_not_repeated(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    upheaval(&desk, &typed);
    desk.world.sandbox.fault(Fault::new("sandbox-sheet:batchUpdate", Action::CloseAfterEffect));
    desk.sync(0);
    assert_eq!(desk.writes().len(), 2, "it was done, so it is not sent again; what told so is removed");
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed));
    desk.world.sandbox.clear_journal();
    desk.sync(0);
    assert_eq!(desk.writes(), []);
}

fn a_token_that_expires_is_asked_for_again(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    upheaval(&desk, &typed);
    for (request, skip) in [
        ("sandbox-sheet?includeGridData=false", 1),
        ("sandbox-sheet?includeGridData=true", 1),
        ("sandbox-sheet:batchUpdate", 0),
    ] {
        desk.hands(|tab| {
            tab.move_row(4, 30);
        });
        desk.world.sandbox.clear_journal();
        desk.world.sandbox.fault(Fault::new(request, Action::ExpireToken).skip(skip));
        desk.sync(0);
        assert_eq!(desk.world.sandbox.faults_waiting(), 0, "{request}");
        let tokens =
            desk.world.sandbox.journal().iter().filter(|entry| entry.path == "/google/token").count();
        assert_eq!(tokens, 2, "{request}");
    }
    assert_eq!(desk.sheet(), typed);
}

fn the_quota_of_a_minute_is_waited_for(engine: Engine) {
    let desk = Desk::laid_out(engine);
    type_many(&desk);
    let quota = || status(429, "Quota exceeded for quota metric 'Read requests'");
    desk.hands(|tab| {
        tab.move_row(4, 30);
    });
    for request in [
        "sandbox-sheet?includeGridData=false",
        "sandbox-sheet?includeGridData=true",
        "sandbox-sheet:batchUpdate",
    ] {
        desk.world.sandbox.fault(Fault::new(request, quota()).times(3));
    }
    desk.sync(0);
    assert_eq!(desk.world.sandbox.faults_waiting(), 0);
    desk.world.sandbox.fault(Fault::new("sandbox-sheet?", quota()).times(4));
    let outcome = desk.sync(5);
    let error = outcome.step("min_stock_level", None)["error"].as_str().unwrap();
    assert!(error.contains("quota of this minute"), "{error}");
}

fn who_may_not_or_finds_nothing_is_told_whom_to_share_with(engine: Engine) {
    let mut desk = Desk::laid_out(engine);
    let rows = desk.hands(|tab| tab.rows());
    let account = "sandbox.iam.gserviceaccount.com";
    desk.iiko(|world| world.google.sheet(SHEET).rights = Rights::None);
    let outcome = desk.sync(6);
    let step = outcome.step("min_stock_level", None);
    assert!(step["error"].as_str().unwrap().contains("may not use the spreadsheet"), "{step}");
    assert!(step["hint"].as_str().unwrap().contains(account), "{step}");
    desk.iiko(|world| {
        world.google.sheet(SHEET).rights = Rights::Reader;
        hands(world, |tab| {
            tab.move_row(4, 30);
        });
    });
    let outcome = desk.sync(6);
    assert_eq!(outcome.step("min_stock_level", None)["status"], "success", "reading is enough for the pull");
    assert!(outcome.step("min-stock-push", None)["hint"].as_str().unwrap().contains(account));
    desk.iiko(|world| world.google.sheet(SHEET).rights = Rights::Writer);
    desk.sync(0);
    assert_eq!(desk.hands(|tab| tab.rows()), rows);

    desk.world.set("MIN_STOCK_SHEET_ID", "no-such-sheet");
    // An id that opens nothing is a mistyped one, not another source.
    let outcome = desk.world.expect(2, &["push-mapping"]);
    let (error, hint) = (outcome.json["error"].as_str().unwrap(), outcome.json["hint"].as_str().unwrap());
    assert!(error.contains("there is no spreadsheet no-such-sheet"), "{error}");
    assert!(hint.contains(account), "{hint}");
    let outcome = desk.world.expect(2, &["push-mapping", "--adopt-source"]);
    let step = outcome.step("push-mapping", None);
    assert!(step["error"].as_str().unwrap().contains("there is no spreadsheet no-such-sheet"), "{step}");
    assert!(step["hint"].as_str().unwrap().contains(account), "{step}");
}

fn a_key_that_is_none_is_told(engine: Engine) {
    let mut desk = Desk::laid_out(engine);
    let file = desk.world.home.path().join("key.json").display().to_string();
    let good = desk.world.sandbox.google_credentials();
    for (content, mode, says) in [
        ("{}", 0o600, "is not the JSON of a service account's key"),
        (good.as_str(), 0o644, "can be read by others"),
        (good.as_str(), 0o600, ""),
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        desk.world.set("GOOGLE_SHEETS_CREDENTIALS", file.clone());
        let outcome = desk.world.expect(if says.is_empty() { 0 } else { 2 }, &["push-mapping"]);
        assert!(outcome.stdout.contains(says), "{}", outcome.stdout);
    }
    desk.world.set("GOOGLE_SHEETS_CREDENTIALS", "/no/such/file");
    let outcome = desk.world.expect(2, &["push-mapping"]);
    assert!(outcome.json["error"].as_str().unwrap().contains("/no/such/file"), "{}", outcome.json);
    let broken = good.replace("MII", "AAA");
    desk.world.set("GOOGLE_SHEETS_CREDENTIALS", broken.clone());
    let outcome = desk.world.expect(2, &["push-mapping"]);
    assert!(!outcome.stdout.contains("AAA") && !outcome.stderr.contains("AAA"), "no part of a key is shown");
}

fn few_requests_whatever_the_size(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.world.sandbox.clear_journal();
    desk.world.expect(0, &["sync", "min-stock", "--pull"]);
    assert!(desk.google().len() < 5, "{:?}", desk.google());
    desk.world.sandbox.clear_journal();
    desk.world.expect(0, &["sync", "min-stock", "--push"]);
    assert_eq!((desk.google().len(), desk.writes().len()), (2, 0));
    desk.hands(|tab| {
        tab.clear();
    });
    desk.world.sandbox.clear_journal();
    desk.world.expect(0, &["sync", "min-stock", "--push"]);
    assert_eq!((desk.google().len(), desk.writes().len()), (6, 2), "it looks at what it did, and tidies up");
    assert_eq!(desk.sheet(), typed);
}

/// `ZERKALO_TEST_SHEET` products by twelve departments, each product with two numbers. Prints how long each step took; a
/// timing is no test.
fn a_large_sheet_takes_as_few_requests_as_a_small_one(engine: Engine) {
    let size: usize = std::env::var("ZERKALO_TEST_SHEET").map_or(300, |size| size.parse().unwrap());
    let desk = Desk::new(engine);
    desk.iiko(|world| {
        let like =
            world.products.iter().find(|it| it["type"] == "GOODS" && it["deleted"] != true).unwrap().clone();
        let id = |number: usize| format!("77777777-0000-4000-8000-{number:012}");
        world.products =
            (0..size).map(|number| product(&id(number), &format!("Товар {number:05}"), &like)).collect();
        let like = world.departments.iter().find(|it| it["type"] == "DEPARTMENT").unwrap().clone();
        world.departments = (0..12)
            .map(|number| {
                let mut department = like.clone();
                department["id"] = json!(format!("66666666-0000-4000-8000-{number:012}"));
                department["name"] = json!(format!("Ресторан {number:02}"));
                department
            })
            .collect();
    });
    desk.world.expect(0, &["sync", "iiko"]);
    let step = |what: &str, arguments: &[&str], most: usize| {
        desk.world.sandbox.clear_journal();
        let started = std::time::Instant::now();
        desk.world.expect(0, arguments);
        let (requests, writes) = (desk.google().len(), desk.writes().len());
        let took = started.elapsed().as_millis();
        let mut out = std::io::stderr().lock();
        let _ = writeln!(out, "{what}: {requests} requests, {writes} of them writes, {took} ms");
        drop(out);
        assert!(requests < 7 && writes <= most, "{what}: {requests} requests, {writes} writes");
    };
    step("first push", &["sync", "min-stock", "--push"], 1);
    desk.hands(|tab| {
        let rows = tab.rows();
        let (_, departments) = ids(&rows);
        assert_eq!((rows.len(), departments.len()), (size + 3, 12));
        for row in 0..size {
            let column = 2 + 2 * (row % 12);
            let cell = |column| zerkalo::upstreams::google_sheets::a1::cell(3 + row, column);
            tab.put_number(&cell(column), row as f64 + 0.5).put_number(&cell(column + 1), row as f64 + 9.0);
        }
    });
    step("first pull", &["sync", "min-stock", "--pull"], 0);
    assert_eq!(desk.database().len(), size);
    step("unchanged pull", &["sync", "min-stock", "--pull"], 0);
    step("unchanged push", &["sync", "min-stock", "--push"], 0);
    desk.iiko(|world| {
        for number in 0..size / 100 {
            world.products[number * 100]["name"] = json!(format!("Ягода {number:05}"));
        }
    });
    desk.world.expect(0, &["sync", "iiko"]);
    step("push with 1 % renamed", &["sync", "min-stock", "--push"], 2);
    assert_eq!(desk.sheet(), desk.database());
}

fn the_mapping_reference_is_written_where_it_differs(engine: Engine) {
    let desk = Desk::new(engine);
    desk.world.expect(0, &["sync", "iiko"]);
    desk.world.sandbox.edit(|world| {
        let mut tab = world.google.sheet(SHEET).open("Маппинг Импорт");
        tab.put_text("A1", "Заметка").put_text("A5", " Товар ").put_text("C9", "рукой вписано");
    });
    desk.world.expect(0, &["push-mapping"]);
    let shown_names = |desk: &Desk| -> Vec<String> {
        desk.world.sandbox.edit(|world| {
            let rows = world.google.sheet(SHEET).tab("Маппинг Справочник").rows();
            rows.iter().map(|row| shown(row.first())).collect()
        })
    };
    let names = shown_names(&desk);
    let mut sorted = names.clone();
    sorted.sort_by_key(|name| name.to_lowercase().replace('ё', "е"));
    assert_eq!(names, sorted);
    let prefixed = |name: &String| ["т_", "п/ф"].iter().any(|prefix| name.to_lowercase().starts_with(prefix));
    assert!(names.len() > 50 && !names.iter().any(prefixed), "{names:?}");
    let (rule, outside, hidden, kept) = desk.world.sandbox.edit(|world| {
        let tab = world.google.sheet(SHEET).tab("Маппинг Импорт");
        let rule = tab.cell("C5").validation.clone();
        let (outside, kept) = (tab.cell("C4").validation.clone(), shown(Some(&tab.value("C9"))));
        assert_eq!(tab.cell("C1004").validation, rule);
        (rule, outside, world.google.sheet(SHEET).tab("Маппинг Справочник").state().hidden, kept)
    });
    let rule = serde_json::to_string(&rule.unwrap()).unwrap();
    assert!(rule.contains("ONE_OF_RANGE") && rule.contains(&format!("$A$1:$A${}", names.len())), "{rule}");
    assert!(outside.is_none() && hidden);
    assert_eq!(kept, "рукой вписано");

    desk.world.sandbox.clear_journal();
    assert_eq!(desk.world.expect(0, &["push-mapping"]).totals(), [0, 0, 0]);
    assert_eq!(desk.writes(), []);
    // Fewer names: what is left over below goes in the same write.
    desk.iiko(|world| {
        let goods = |it: &serde_json::Value| it["type"] == "GOODS";
        let ids: Vec<_> =
            world.products.iter().filter(|it| goods(it)).take(9).map(|it| it["id"].clone()).collect();
        world.products.retain(|it| !ids.contains(&it["id"]));
    });
    desk.world.expect(0, &["sync", "iiko"]);
    desk.world.sandbox.clear_journal();
    desk.world.expect(0, &["push-mapping"]);
    assert_eq!(desk.writes().len(), 1);
    assert!(shown_names(&desk).len() < names.len());
    desk.world.sandbox.clear_journal();
    desk.world.expect(0, &["push-mapping"]);
    assert_eq!(desk.writes(), []);
}
