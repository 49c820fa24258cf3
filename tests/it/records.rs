//! Records that are doubled, nameless or of the wrong kind: what can be stored is, what cannot is counted, and nothing
//! is deleted on the word of a list that has holes.

use super::{
    harness::{Engine, World, on_both},
    shelf::{Item, Shelf, counts},
};
use zerkalo::model::report::{Status, StepReport};

on_both!(
    an_id_that_comes_twice_alike_is_one_row,
    an_id_that_comes_twice_with_different_contents_keeps_the_last_and_deletes_nothing,
    a_record_without_an_id_is_counted_and_switches_deletion_off,
    a_value_of_the_wrong_kind_rejects_its_record_and_deletes_nothing,
    a_key_in_another_spelling_is_the_same_row,
    numbers_and_texts_are_taken_for_each_other_where_fintablo_mixes_them,
);

/// Ten rows are stored; then the upstream answers with these records.
fn then(world: &World, shelf: Shelf, code: u8, records: &[String]) -> StepReport {
    shelf.put(world, &Item::many(0..10));
    shelf.sync(world, 0);
    shelf.put_records(world, records);
    shelf.sync(world, code)
}

fn records(shelf: Shelf, items: &[Item]) -> Vec<String> {
    items.iter().map(|item| shelf.record(item)).collect()
}

fn an_id_that_comes_twice_alike_is_one_row(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let mut all = records(shelf, &Item::many(1..11));
        all.extend(records(shelf, &Item::many(5..11)));
        all.push(shelf.record_otherwise(&Item::new(6)));
        let report = then(world, shelf, 0, &all);
        assert_eq!(
            (counts(&report), report.counts.fetched),
            ([1, 0, 9, 1], 10),
            "a double is no reason to keep others"
        );
        assert_eq!(shelf.stored(world), shelf.rows(&Item::many(1..11)));
    });
}

fn an_id_that_comes_twice_with_different_contents_keeps_the_last_and_deletes_nothing(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let named = |id: usize, name: &str| Item { name: name.to_owned(), ..Item::new(id) };
        let mut items = Item::many(1..9);
        items.extend([named(3, "first"), named(30, "first"), named(3, "last"), named(30, "last")]);
        let report = then(world, shelf, 4, &records(shelf, &items));
        assert_eq!((counts(&report), report.counts.delete_blocked), ([1, 1, 7, 0], 2));
        assert!(report.warnings.concat().contains("came twice with different contents"), "{report:?}");
        let mut expected = Item::many(0..10);
        expected[3].name = "last".to_owned();
        expected.push(named(30, "last"));
        assert_eq!(shelf.stored(world), shelf.rows(&expected));
        assert_eq!(world.log().pop().unwrap()["status"].as_deref(), Some("warning"));
    });
}

fn a_record_without_an_id_is_counted_and_switches_deletion_off(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let nameless: Vec<String> = if shelf.is_xml() {
            ["<role><name>no id</name></role>", "<role><id/></role>", "<role><id>7</id></role>"]
                .map(str::to_owned)
                .to_vec()
        } else {
            [
                r#"{"name":"no id"}"#,
                r#"{"id":null}"#,
                r#"{"id":""}"#,
                r#"{"id":"x"}"#,
                r#"{"id":{"a":1}}"#,
                // A truth value is no id 1.
                r#"{"id":true}"#,
                "{}",
            ]
            .map(str::to_owned)
            .to_vec()
        };
        let count = nameless.len() as u64;
        let mut all = records(shelf, &Item::many(1..8));
        all.extend(nameless);
        all.extend(records(shelf, &Item::many(10..11)));
        let report = then(world, shelf, 4, &all);
        assert_eq!(
            (counts(&report), report.counts.delete_blocked, report.counts.rejected),
            ([1, 0, 7, 0], 3, count)
        );
        assert!(report.warnings.concat().contains("no id"), "{report:?}");
        assert_eq!(shelf.stored(world), shelf.rows(&Item::many(0..11)));
        let log = world.log().pop().unwrap();
        assert_eq!(log["rejected"], Some(count.to_string()));
        assert_eq!(log["status"].as_deref(), Some("warning"));
    });
}

fn a_value_of_the_wrong_kind_rejects_its_record_and_deletes_nothing(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let numbers: &[&str] = if shelf.is_xml() {
            &["много", "1.2.3", "0x10", "NaN", "<a>1</a>"]
        } else {
            &["\"много\"", "true", "[1]", "{\"a\":1}", "\"1 000\"", "\"NaN\""]
        };
        let mut all = records(shelf, &Item::many(numbers.len()..9));
        for (id, number) in numbers.iter().enumerate() {
            all.push(shelf.record(&Item {
                number: (*number).to_owned(),
                name: "new".to_owned(),
                ..Item::new(id)
            }));
        }
        let report = then(world, shelf, 4, &all);
        assert_eq!(report.counts.rejected, numbers.len() as u64, "{report:?}");
        assert_eq!(report.status, Status::Warning);
        assert_eq!(
            (counts(&report)[3], report.counts.delete_blocked),
            (0, 1),
            "the answer has holes: {report:?}"
        );
        for id in 0..numbers.len() {
            let name = format!("new ({}): {}", shelf.id(id), shelf.number.1);
            assert!(report.warnings.concat().contains(&name), "{name} is not in {report:?}");
        }
        assert_eq!(shelf.stored(world), shelf.rows(&Item::many(0..10)));
    });
}

fn a_key_in_another_spelling_is_the_same_row(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        shelf.put_records(world, &[shelf.record(&Item::new(1)).replace("-4000-", "-4abc-")]);
        shelf.sync(world, 0);
        let before = shelf.stored(world);
        shelf.put_records(world, &[shelf.record(&Item::new(1)).replace("-4000-", "-4ABC-")]);
        let report = shelf.sync(world, 0);
        assert_eq!((report.counts.inserted, report.counts.deleted), (0, 0));
        assert_eq!(shelf.stored(world), before);
    });
}

fn numbers_and_texts_are_taken_for_each_other_where_fintablo_mixes_them(engine: Engine) {
    let world = World::new(engine);
    let list = |world: &World, items: serde_json::Value| {
        world
            .sandbox
            .edit(|world| world.fintablo.insert("partner".to_owned(), items.as_array().unwrap().clone()));
        world.run(&["sync", "fintablo", "--only", "ft_partner"])
    };
    let first = list(
        &world,
        serde_json::json!([
            {"id": 1, "name": "number", "inn": 3_906_012_345_u64, "groupId": "7"},
            {"id": "2", "name": "text", "inn": "0390601234", "groupId": 7},
            {"id": "3", "name": 12, "inn": "", "groupId": ""},
            {"id": 4, "name": null, "inn": null, "groupId": null},
        ]),
    );
    assert_eq!(first.code, Some(0), "{}", first.stdout);
    let row = |id: &str, name: Option<&str>, inn: Option<&str>, group: Option<&str>| {
        super::rows::row(
            [("id", Some(id)), ("name", name), ("inn", inn), ("group_id", group)]
                .map(|(column, value)| (column, value.map(str::to_owned))),
        )
    };
    let mut expected = [
        row("1", Some("number"), Some("3906012345"), Some("7")),
        row("2", Some("text"), Some("0390601234"), Some("7")),
        row("3", Some("12"), Some(""), None),
        row("4", None, None, None),
    ];
    expected.sort();
    assert_eq!(world.select("ft_partner", ["id", "name", "inn", "group_id"]), expected);
    let second = list(
        &world,
        serde_json::json!([{"id": "1", "name": "number", "inn": "3906012345", "groupId": 7.0},
        {"id": 2, "name": "text", "inn": "0390601234", "groupId": 7}, {"id": 3, "name": "12", "inn": "", "groupId": ""},
        {"id": 4}]),
    );
    assert_eq!(second.counts("ft_partner")[0], 0, "an id sent as a number or as text is one key");
    assert_eq!(world.select("ft_partner", ["id", "name", "inn", "group_id"]), expected);
}
