//! What changes upstream changes here, row for row, and nothing else does. Told of every kind of feed.

use super::{
    harness::{Engine, on_both},
    rows::{Row, canonical},
    shelf::{Item, Shelf, counts},
};
use zerkalo::jobs::Options;

on_both!(
    the_same_content_in_another_order_and_spelling_writes_nothing,
    one_changed_field_updates_exactly_one_row,
    one_record_gone_deletes_exactly_one_row_and_keeps_a_tombstone,
    decimals_are_exact,
    names_are_kept_to_the_byte,
    a_missing_field_is_null_and_never_a_zero_or_an_empty_text,
);

fn the_same_content_in_another_order_and_spelling_writes_nothing(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let items = Item::many(1..40);
        shelf.put(world, &items);
        assert_eq!(counts(&shelf.sync(world, 0)), [39, 0, 0, 0]);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
        let before = world.rows(shelf.name());

        shelf.put(world, &items);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 39, 0], "the same answer once more");
        let mut shuffled = items.clone();
        shuffled.rotate_left(17);
        shuffled.reverse();
        shelf.put(world, &shuffled);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 39, 0], "another order");
        let otherwise: Vec<String> = shuffled.iter().map(|item| shelf.record_otherwise(item)).collect();
        shelf.put_records(world, &otherwise);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 39, 0], "another spelling");
        assert_eq!(world.rows(shelf.name()), before);
        assert_eq!(world.count("iiko_sync_log"), 4);
        world.assert_polite();
    });
}

fn one_changed_field_updates_exactly_one_row(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let mut items = Item::many(1..30);
        shelf.put(world, &items);
        shelf.sync(world, 0);
        let before = world.rows(shelf.name());
        items[11].name.push('!');
        shelf.put(world, &items);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 1, 28, 0]);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
        let after = world.rows(shelf.name());
        let touched: Vec<&Row> = after.iter().filter(|row| !before.contains(row)).collect();
        assert_eq!(touched.len(), 1, "{}: {touched:?}", shelf.name());
        assert_eq!(touched[0]["id"], Some(shelf.id(12)));

        // A member that no column holds is part of the record, too.
        if !shelf.is_xml() {
            let mut records: Vec<String> = items.iter().map(|item| shelf.record(item)).collect();
            records[3] = records[3].replace("[1,", "[2,");
            shelf.put_records(world, &records);
            assert_eq!(counts(&shelf.sync(world, 0)), [0, 1, 28, 0]);
            let row =
                world.rows(shelf.name()).into_iter().find(|row| row["id"] == Some(shelf.id(4))).unwrap();
            let expected = records[3].replace("\"4.25\"", "4.25");
            assert_eq!(row["raw_json"].as_deref(), Some(canonical(&expected).as_str()));
        }
    });
}

fn one_record_gone_deletes_exactly_one_row_and_keeps_a_tombstone(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let mut items = Item::many(1..30);
        shelf.put(world, &items);
        shelf.sync(world, 0);
        let before = world.rows(shelf.name());
        items.remove(7);
        shelf.put(world, &items);
        assert_eq!(counts(&shelf.sync(world, 0)), [0, 0, 28, 1]);
        let after = world.rows(shelf.name());
        let mut expected = before;
        let gone = expected.iter().position(|row| row["id"] == Some(shelf.id(8))).unwrap();
        let gone = expected.remove(gone);
        assert_eq!(after, expected, "{}", shelf.name());

        let tombstones = world.rows("mirror_tombstone");
        assert_eq!(tombstones.len(), 1);
        let tombstone = &tombstones[0];
        assert_eq!(tombstone["table_name"].as_deref(), Some(shelf.name()));
        assert_eq!(tombstone["key"], Some(format!("[\"{}\"]", shelf.id(8))));
        let row: serde_json::Value = serde_json::from_str(tombstone["row"].as_deref().unwrap()).unwrap();
        assert_eq!(row["name"].as_str(), gone["name"].as_deref(), "the whole row is kept");
        assert!(tombstone["row"].as_deref().unwrap().contains("8.25"), "{tombstone:?}");
        assert_eq!(tombstone["run_id"], world.log().last().unwrap()["run_id"]);

        shelf.put(world, &Item::many(1..30));
        assert_eq!(counts(&shelf.sync(world, 0)), [1, 0, 28, 0], "back again");
        assert_eq!(shelf.stored(world), shelf.rows(&Item::many(1..30)));
    });
}

fn decimals_are_exact(engine: Engine) {
    let numbers = [
        "12345678901234.123456789",
        "-12345678901234.123456789",
        "-5e-05",
        "1e20",
        "1E-9",
        "0.123456789",
        "0.1",
        "-0.3",
        "0.30000000000000004",
        "100.00",
        "-0.0",
        "0",
        "9007199254740993",
        "9223372036854775808",
        "999999999999999.9",
        "123456789012345678901234567890.123456789",
        "1.5e-300",
        "4.35",
        "1e15",
    ];
    Shelf::each(engine, |world, shelf| {
        let items: Vec<Item> = (1..)
            .zip(numbers)
            .map(|(id, number)| Item { number: number.to_owned(), ..Item::new(id) })
            .collect();
        shelf.put(world, &items);
        shelf.sync(world, 0);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
        let verified = shelf.sync_with(world, 0, &Options { verify: true, ..Options::default() });
        assert_eq!(
            counts(&verified),
            [0, 0, numbers.len() as u64, 0],
            "what is stored reads back as it was sent"
        );
        if !shelf.is_xml() {
            let quoted =
                items.iter().map(|item| Item { number: format!("\"{}\"", item.number), ..item.clone() });
            shelf.put(world, &quoted.collect::<Vec<_>>());
            shelf.sync(world, 0);
            assert_eq!(shelf.stored(world), shelf.rows(&items), "numbers sent as strings");
        }
        let negative = world.query(&format!(
            "select cast(id as text) from {} where {} < 0 and {1} > -1",
            shelf.name(),
            shelf.number.0
        ));
        assert_eq!(negative.len(), 2, "short decimals compare as numbers");
    });
}

fn names_are_kept_to_the_byte(engine: Engine) {
    let names = [
        " outer  spaces ",
        "\"quotes\" 'and' `ticks`",
        "🍋\u{200d}🟩 é e\u{301} \u{feff}",
        "tab\tnew\nline\r\nreturn\r",
        "'; drop table iiko_product; --",
        "\\N \\ \\\\ \\. %s {} $1",
        "\u{1b}[31mred\u{7f}\u{202e}",
        "null",
        "",
        "]]> <b>&amp;</b>",
    ];
    Shelf::each(engine, |world, shelf| {
        let mut items: Vec<Item> =
            (1..).zip(names).map(|(id, name)| Item { name: name.to_owned(), ..Item::new(id) }).collect();
        items.push(Item { name: "ж".repeat(5_000), ..Item::new(90) });
        if shelf.is_xml() {
            // Characters that XML has no way to write, and an empty element, which says nothing.
            items.retain(|item| !item.name.contains('\u{1b}') && !item.name.is_empty());
        }
        shelf.put(world, &items);
        shelf.sync(world, 0);
        assert_eq!(shelf.stored(world), shelf.rows(&items));
        let verified = shelf.sync_with(world, 0, &Options { verify: true, ..Options::default() });
        assert_eq!(counts(&verified), [0, 0, items.len() as u64, 0]);
    });
}

fn a_missing_field_is_null_and_never_a_zero_or_an_empty_text(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let empty = if shelf.is_xml() {
            [
                format!("<role><id>{}</id></role>", shelf.id(1)),
                format!("<role><id>{}</id><name/><{1}/></role>", shelf.id(2), shelf.number.1),
            ]
        } else {
            [
                format!(r#"{{"id":"{}"}}"#, shelf.id(1)),
                format!(r#"{{"id":"{}","name":null,"{}":null}}"#, shelf.id(2), shelf.number.1),
            ]
        };
        shelf.put_records(world, &empty);
        shelf.sync(world, 0);
        for row in world.rows(shelf.name()) {
            for (name, value) in &row {
                let set = ["id", "raw_json", "row_hash", "synced_at"].contains(&name.as_str());
                assert_eq!(value.is_some(), set, "{} {name}", shelf.name());
            }
        }
    });
}
