//! The sheet in states that people leave it in: other titles, other tabs, cells that hold no plain numbers, grids that are too
//! small, rows that are merged. Each run ends with the tab laid out and every number beside its product.

use super::{
    desk::{Desk, Levels, SHEET, TAB, cells, ids, product, type_many},
    harness::{Engine, on_both},
};
use serde_json::json;
use zerkalo::sandbox::{Action, Fault, Hands};

on_both!(
    tabs_are_known_by_their_titles_in_any_case_and_never_by_their_numbers,
    the_tab_of_another_program_is_used_where_it_is_laid_out_the_same,
    levels_of_what_is_gone_stay_until_their_cells_are_emptied,
    a_cleared_tab_is_filled_again_and_does_not_grow,
    a_grid_that_is_too_small_is_made_larger,
    all_products_may_be_exchanged_at_once,
    rows_are_moved_out_of_what_somebody_merged,
    a_day_a_time_and_a_percentage_are_no_levels,
    a_tab_that_is_cleared_before_the_write_is_laid_out_again,
    what_google_finds_impossible_is_told_in_its_words,
    a_push_that_was_killed_is_checked_by_the_next_run,
    headers_labels_and_single_columns_may_be_torn,
    without_ids_nobody_can_tell_whose_the_numbers_are,
);

/// The titles of all tabs.
fn titles(desk: &Desk) -> Vec<String> {
    desk.world
        .sandbox
        .edit(|world| world.google.sheet(SHEET).titles().iter().map(|title| (*title).to_owned()).collect())
}

fn rename(desk: &Desk, title: &str, new: &str) {
    desk.world.sandbox.edit(|world| world.google.sheet(SHEET).rename_tab(title, new));
}

/// The next run has nothing to do, and says so.
fn assert_at_rest(desk: &Desk, levels: &Levels) {
    assert_eq!((&desk.sheet(), &desk.database()), (levels, levels));
    desk.world.sandbox.clear_journal();
    desk.sync(0);
    assert_eq!(desk.writes(), []);
}

fn tabs_are_known_by_their_titles_in_any_case_and_never_by_their_numbers(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    rename(&desk, TAB, "МИН ОСТАТКИ");
    rename(&desk, "Маппинг Справочник", "маппинг справочник");
    let before = titles(&desk);
    desk.world.sandbox.clear_journal();
    desk.sync(0);
    desk.world.expect(0, &["push-mapping"]);
    assert_eq!((titles(&desk), desk.writes()), (before, vec![]));
    rename(&desk, "МИН ОСТАТКИ", TAB);
    // Tabs that were renamed keep their numbers; new ones take others.
    for title in ["маппинг справочник", "Маппинг Импорт"] {
        rename(&desk, title, &format!("{title} старый"));
        desk.world.expect(0, &["push-mapping"]);
        desk.world.expect(0, &["push-mapping"]);
    }
    // A row without numbers goes, so that the tab is copied; then the copy has another title, and another row goes.
    for (place, title) in [(1, "Мин остатки (копия)"), (2, "Мин остатки (копия)")]
    {
        let gone = desk.hands(|tab| ids(&tab.rows()).0[place].clone());
        desk.iiko(|world| world.products.retain(|it| it["id"] != gone.as_str()));
        desk.world.expect(0, &["sync", "iiko"]);
        desk.sync(0);
        rename(&desk, title, &format!("Копия {place}"));
    }
    assert_at_rest(&desk, &typed);
}

fn the_tab_of_another_program_is_used_where_it_is_laid_out_the_same(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    rename(&desk, TAB, "Минимальные остатки");
    let before = titles(&desk);
    let outcome = desk.sync(0);
    let told = outcome.stderr.matches("«Минимальные остатки» is laid out like it and is used").count();
    assert_eq!(told, 1, "{}", outcome.stderr);
    assert_eq!((titles(&desk), desk.database()), (before, typed.clone()));
    // Of two that are laid out so, nobody can tell which is meant.
    desk.world.sandbox.edit(|world| {
        let sheet = world.google.sheet(SHEET);
        let rows = sheet.tab("Минимальные остатки").rows();
        let mut twin = sheet.open("Ещё одна");
        for (row, cells) in rows.iter().take(3).enumerate() {
            for (column, text) in cells.iter().enumerate().filter_map(|(at, cell)| Some((at, cell.as_str()?)))
            {
                twin.put_text(&zerkalo::upstreams::google_sheets::a1::cell(row, column), text);
            }
        }
    });
    desk.sync(4);
    assert!(titles(&desk).contains(&TAB.to_owned()));
    assert_at_rest(&desk, &typed);
}

fn levels_of_what_is_gone_stay_until_their_cells_are_emptied(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let (products, departments) = desk.hands(|tab| ids(&tab.rows()));
    let (gone, closed) = (products[0].clone(), departments[0].clone());
    assert!(typed.contains_key(&(gone.clone(), closed.clone())));
    desk.iiko(|world| {
        world.products.retain(|it| it["id"] != gone.as_str());
        world.departments.retain(|it| it["id"] != closed.as_str());
    });
    desk.world.expect(0, &["sync", "iiko"]);
    desk.sync(0);
    // A living department's columns, the closed one's, and the row of the product that is gone.
    for department in [&departments[1], &closed] {
        desk.hands(|tab| {
            let (column, _) = cells(&tab.rows(), &products[3], department);
            let column = column.trim_end_matches(|character: char| character.is_ascii_digit()).to_owned();
            tab.delete_columns(&column, 2).unwrap();
        });
        desk.sync(4);
        assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed.clone()), "{department}");
    }
    desk.hands(|tab| {
        let row = tab.rows().iter().position(|row| row.get(1).is_some_and(|id| id == gone.as_str())).unwrap();
        tab.delete_row(row + 1);
    });
    desk.sync(4);
    assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed.clone()));
    // Cleared, and cleared again.
    for _ in 0..2 {
        desk.hands(|tab| {
            tab.clear();
        });
        desk.sync(4);
        assert_at_rest(&desk, &typed);
    }
    // Whoever wants to drop a level of something that is gone empties its cells.
    desk.hands(|tab| {
        let (min, max) = cells(&tab.rows(), &gone, &closed);
        tab.put_text(&min, "").put_text(&max, "");
    });
    assert_eq!(desk.sync(0).step("min_stock_level", None)["deleted"], 1);
    let mut left = typed;
    left.remove(&(gone, closed));
    assert_at_rest(&desk, &left);
}

fn a_cleared_tab_is_filled_again_and_does_not_grow(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let size = desk.hands(|tab| tab.size());
    for _ in 0..3 {
        desk.hands(|tab| {
            tab.clear();
        });
        desk.sync(4);
        assert_eq!(desk.hands(|tab| tab.size()), size);
    }
    // The products alone.
    desk.hands(|tab| {
        for row in 4..=tab.rows().len() {
            for column in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"] {
                tab.put_text(&format!("{column}{row}"), "");
            }
        }
    });
    desk.sync(4);
    assert_eq!(desk.hands(|tab| tab.size()), size);
    assert_at_rest(&desk, &typed);
}

fn a_grid_that_is_too_small_is_made_larger(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    for (rows, columns) in [(1, 1), (3, 2), (2, 26), (100, 2), (4, 3)] {
        desk.hands(|tab| {
            tab.state_mut().frozen_rows = 0;
            tab.resize(rows, columns).unwrap();
        });
        desk.hands(|tab| {
            tab.clear();
        });
        desk.sync(4);
        assert_eq!((desk.sheet(), desk.database()), (typed.clone(), typed.clone()), "{rows} × {columns}");
    }
    assert_at_rest(&desk, &typed);
}

fn all_products_may_be_exchanged_at_once(engine: Engine) {
    let desk = Desk::laid_out(engine);
    desk.iiko(|world| {
        let like =
            world.products.iter().find(|it| it["type"] == "GOODS" && it["deleted"] != true).unwrap().clone();
        let id = |number: usize| format!("77777777-0000-4000-8000-{number:012}");
        world.products =
            (1..=5).map(|number| product(&id(number), &format!("Новый {number}"), &like)).collect();
    });
    desk.world.expect(4, &["sync", "iiko"]);
    let all = desk.world.count("iiko_product") - 5;
    // Not one row more than the products take.
    desk.hands(|tab| {
        let (rows, columns) = (tab.rows().len(), tab.size().1);
        tab.resize(rows, columns).unwrap();
    });
    desk.world.run(&["sync", "iiko", "--allow-delete", &format!("iiko_product={all}")]);
    desk.sync(0);
    assert_eq!(desk.names(), ["Новый 1", "Новый 2", "Новый 3", "Новый 4", "Новый 5"]);
    assert_at_rest(&desk, &Levels::new());
}

fn rows_are_moved_out_of_what_somebody_merged(engine: Engine) {
    let desk = Desk::laid_out(engine);
    desk.sync(0);
    let products = desk.hands(|tab| {
        tab.type_in("F21", "5").merge("F21:F22").unwrap();
        ids(&tab.rows()).0
    });
    // The product of row 21 belongs at the end now.
    desk.iiko(|world| {
        let renamed = world.products.iter_mut().find(|it| it["id"] == products[17].as_str()).unwrap();
        renamed["name"] = json!("Яяя последний");
    });
    desk.world.expect(0, &["sync", "iiko"]);
    desk.sync(0);
    assert_eq!(desk.hands(|tab| ids(&tab.rows()).0).last(), Some(&products[17]));
    let levels = desk.sheet();
    assert_eq!(levels.values().collect::<Vec<_>>(), [&(String::new(), "5".to_owned())]);
    assert_at_rest(&desk, &levels);
}

fn a_day_a_time_and_a_percentage_are_no_levels(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    let rows = desk.hands(|tab| tab.rows());
    let places: Vec<_> = typed.keys().cloned().collect();
    let mut named = Vec::new();
    for (place, (text, what)) in places.iter().zip([
        ("1.5", "is a date"),
        ("10%", "is a percentage"),
        ("12:30", "is a time"),
        ("01.05.2026", "is a date"),
    ]) {
        let (min, _) = cells(&rows, &place.0, &place.1);
        desk.hands(|tab| {
            tab.type_in(&min, text);
        });
        named.push((min, what));
    }
    // A number that is typed into a cell that was a day is a day again.
    desk.hands(|tab| {
        tab.type_in(&named[0].0, "3");
    });
    let outcome = desk.sync(4);
    let step = outcome.step("min_stock_level", None);
    assert_eq!((&step["rejected"], &step["updated"]), (&json!(4), &json!(0)), "{step}");
    for (cell, what) in &named {
        let told = step["warnings"].as_array().unwrap().iter().any(|warning| {
            let warning = warning.as_str().unwrap();
            warning.contains(&format!("{cell}: ")) && warning.contains(what)
        });
        assert!(told, "{cell} {what}: {step}");
    }
    assert_eq!((desk.database(), desk.writes()), (typed, vec![]));
}

fn a_tab_that_is_cleared_before_the_write_is_laid_out_again(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    desk.hands(|tab| {
        tab.move_row(4, 30).delete_row(9);
    });
    desk.world.sandbox.on("sandbox-sheet:batchUpdate", 1, |world| {
        world.google.sheet(SHEET).tab(TAB).clear();
    });
    desk.sync(4);
    assert_at_rest(&desk, &typed);
}

fn what_google_finds_impossible_is_told_in_its_words(engine: Engine) {
    let desk = Desk::laid_out(engine);
    desk.hands(|tab| {
        tab.move_row(4, 30);
    });
    let words = "Invalid requests[2].moveDimension: You are trying to edit a protected cell or object.";
    let body = json!({"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}).to_string();
    let action = Action::Status {
        code: 400,
        content_type: "application/json".to_owned(),
        body: body.into(),
        headers: Vec::new(),
    };
    desk.world.sandbox.fault(Fault::new("sandbox-sheet:batchUpdate", action).times(99));
    let outcome = desk.sync(6);
    desk.world.sandbox.clear_faults();
    let error = outcome.step("min-stock-push", None)["error"].as_str().unwrap().to_owned();
    assert!(error.contains("«Мин остатки»") && error.contains(words), "{error}");
    desk.sync(0);
}

fn a_push_that_was_killed_is_checked_by_the_next_run(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let typed = type_many(&desk);
    desk.sync(0);
    desk.hands(|tab| tab.delete_columns("C", 2).unwrap());
    // Somebody sorts before the write, and the run sees nothing of what its request did.
    let last = desk.hands(|tab| tab.rows().len());
    desk.world.sandbox.on("sandbox-sheet:batchUpdate", 1, move |world| {
        world.google.sheet(SHEET).tab(TAB).sort_rows(&format!("A4:J{last}"), "B");
    });
    desk.world
        .sandbox
        .fault(Fault::new("sandbox-sheet?includeGridData=false", Action::Close).skip(2).times(9));
    desk.sync(5);
    desk.world.sandbox.clear_faults();
    assert_ne!(desk.sheet(), typed, "numbers stand beside other products");
    // The next run tells what it finds apart from what people typed.
    desk.sync(4);
    assert_at_rest(&desk, &typed);
}

/// What somebody does to the tab.
type Tear = fn(&mut Hands<'_>);

/// What somebody may do to the headers, the labels, or one column of two.
const TEARS: &[(&str, Tear)] = &[
    ("a department's second column is deleted", |tab| {
        tab.unmerge().delete_column("D");
    }),
    ("a department's first column is deleted", |tab| {
        tab.unmerge().delete_column("C");
    }),
    ("a column is inserted between two that belong together", |tab| {
        tab.insert_column("D");
    }),
    ("a second column is moved away", |tab| {
        tab.unmerge().move_column("D", "J");
    }),
    ("the names of departments are deleted", |tab| {
        tab.delete_row(2);
    }),
    ("the row of МИН and МАКС is deleted", |tab| {
        tab.delete_row(3);
    }),
    ("a row is inserted above the names", |tab| {
        tab.insert_row(2);
    }),
    ("a row is inserted above МИН and МАКС", |tab| {
        tab.insert_row(3);
    }),
    ("a row is inserted above everything", |tab| {
        tab.insert_row(1);
    }),
    ("the names of products are deleted", |tab| {
        tab.delete_column("A");
    }),
    ("a column is inserted before everything", |tab| {
        tab.insert_column("A");
    }),
    ("a column is inserted before the ids", |tab| {
        tab.insert_column("B");
    }),
    ("a pair is copied", |tab| {
        let (rows, size) = (tab.rows(), tab.size());
        tab.resize(size.0, size.1 + 2).unwrap();
        for (row, cells) in rows.iter().enumerate() {
            for (from, to) in [(2, "K"), (3, "L")] {
                match cells.get(from) {
                    Some(serde_json::Value::String(text)) => {
                        tab.put_text(&format!("{to}{}", row + 1), text);
                    }
                    Some(serde_json::Value::Number(number)) => {
                        tab.put_number(&format!("{to}{}", row + 1), number.as_f64().unwrap());
                    }
                    _ => {}
                }
            }
        }
    }),
];

fn headers_labels_and_single_columns_may_be_torn(engine: Engine) {
    let mut wrong = Vec::new();
    for (what, tear) in TEARS {
        let desk = Desk::laid_out(engine);
        let typed = type_many(&desk);
        desk.sync(0);
        let whole = desk.hands(|tab| tab.rows());
        desk.hands(tear);
        let (first, second) =
            (desk.world.run(&["sync", "min-stock"]), desk.world.run(&["sync", "min-stock"]));
        let is_right = desk.hands(|tab| tab.rows()) == whole && desk.database() == typed;
        if !matches!(first.code, Some(0 | 4)) || second.code != Some(0) || !is_right {
            wrong.push(format!("{what}: {} {}", first.stdout, second.stdout));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn without_ids_nobody_can_tell_whose_the_numbers_are(engine: Engine) {
    let torn: [(&str, Tear); 2] = [
        ("row 1 holds no department's id", |tab| {
            tab.delete_row(1);
        }),
        ("no column holds the products' ids", |tab| {
            tab.delete_column("B");
        }),
    ];
    for (what, tear) in torn {
        let desk = Desk::laid_out(engine);
        let typed = type_many(&desk);
        desk.sync(0);
        desk.hands(tear);
        let left = desk.hands(|tab| tab.rows());
        let outcome = desk.sync(7);
        let step = outcome.step("min_stock_level", None);
        assert!(step["error"].as_str().unwrap().contains(what), "{step}");
        assert_eq!((desk.hands(|tab| tab.rows()), desk.database()), (left, typed.clone()));
        // What the hint says, helps.
        assert!(step["hint"].as_str().unwrap().contains("give this tab another title"), "{step}");
        rename(&desk, TAB, "Испорчено");
        desk.sync(4);
        assert_at_rest(&desk, &typed);
    }
}
