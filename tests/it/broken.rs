//! Records that are broken: what can be stored is stored and told once, what cannot is named by its id and name, and the
//! others go on.

use super::{
    documents::{NIGHT, expect, street},
    harness::{Engine, World, on_both},
    rows,
    shelf::{Item, Shelf, counts},
    stoplist::{self, HALL, MOSCOW, sample},
};
use serde_json::Value;
use std::fmt::Write as _;
use zerkalo::{
    engine::{Kind, Table},
    jobs::Options,
    sandbox::{Action, Fault},
    tables::{self, Entity, Feed},
};

on_both!(
    what_is_no_character_is_stored_and_told_once,
    a_record_that_cannot_be_read_is_named_and_the_others_go_on,
    of_many_rejected_records_the_first_are_named,
    every_list_lives_with_bad_records,
    a_root_type_asked_alone_lives_with_bad_records,
    a_balance_that_cannot_be_read_is_named_and_the_others_go_on,
    a_stop_list_lives_with_what_is_no_character,
    a_row_of_a_report_that_is_not_well_formed_is_left_out_and_told,
);

/// The list of these items, `#` in each name replaced by bytes.
fn body(shelf: Shelf, items: &[(Item, &[u8])]) -> Vec<u8> {
    let records: Vec<String> = items.iter().map(|(item, _)| shelf.record(item)).collect();
    let whole = shelf.body(&records);
    let mut pieces = whole.split('#');
    let mut out = pieces.next().unwrap().as_bytes().to_vec();
    let bytes = items.iter().filter(|(item, _)| item.name.contains('#')).map(|(_, bytes)| bytes);
    for (bytes, piece) in bytes.zip(pieces) {
        out.extend_from_slice(bytes);
        out.extend_from_slice(piece.as_bytes());
    }
    out
}

fn named(id: usize, name: &str) -> Item {
    Item { name: name.to_owned(), ..Item::new(id) }
}

/// Spellings of what is no character, each with how many U+FFFD it becomes.
fn no_characters(shelf: Shelf) -> Vec<(&'static [u8], usize)> {
    let raw: [(&[u8], usize); 4] = [(b"\xff", 1), (b"\xd0", 1), (b"\xed\xa0\x80", 3), (b"\0", 1)];
    let spelled: &[(&[u8], usize)] = if shelf.is_xml() {
        &[(b"&#0;", 1), (b"&#x0;", 1), (b"&#xD83C;", 1), (b"&#x110000;", 1)]
    } else {
        &[(b"\\u0000\\u0000", 2), (b"\\ud83c", 1), (b"\\ud83c\\u0041", 1), (b"\\udf55\\ud83c", 2)]
    };
    raw.iter().chain(spelled).copied().collect()
}

fn what_is_no_character_is_stored_and_told_once(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        shelf.put(world, &Item::many(0..12));
        shelf.sync(world, 0);
        let spellings = no_characters(shelf);
        let count = spellings.len();
        let mut items: Vec<(Item, &[u8])> =
            spellings.iter().enumerate().map(|(id, (bytes, _))| (named(id, "т#z"), *bytes)).collect();
        // A control character is one, and nobody forbids it in a database.
        items.push((named(count, "c#"), if shelf.is_xml() { b"&#x1F;" } else { b"\x1f" }));
        items.extend(Item::many(count + 1..11).into_iter().map(|item| (item, &b""[..])));
        let answer = body(shelf, &items);
        shelf.put_bytes(world, answer.clone().into());
        let report = shelf.sync(world, 0);
        assert_eq!(counts(&report), [0, count as u64 + 1, 10 - count as u64, 1], "one is gone, and deleted");
        assert_eq!(
            (report.counts.rejected, report.warnings.len(), report.notes.len()),
            (0, 0, 1),
            "{report:?}"
        );
        let (note, mut expected) = (&report.notes[0], Item::many(0..11));
        assert!(note.starts_with(&format!("{count} records are stored with U+FFFD")), "{note}");
        for (id, (bytes, number)) in spellings.iter().enumerate() {
            let tail = if bytes.ends_with(b"A") || bytes.ends_with(b"\\u0041") { "A" } else { "" };
            expected[id].name = format!("т{}{tail}z", "\u{fffd}".repeat(*number));
            let name = format!("{} ({})", expected[id].name, shelf.id(id));
            assert!(note.contains(&name), "{name} is not in {note}");
        }
        expected[count].name = "c\u{1f}".to_owned();
        assert_eq!(shelf.stored(world), shelf.rows(&expected));
        let logged = |world: &World| world.log().pop().unwrap();
        assert_eq!(logged(world)["error_message"].as_deref(), Some(note.as_str()));
        assert_eq!(logged(world)["status"].as_deref(), Some("success"));
        let before = world.tables_evidence(shelf.name());
        for verify in [false, true] {
            let report = shelf.sync_with(world, 0, &Options { verify, ..Options::default() });
            assert_eq!((counts(&report), report.notes.len()), ([0, 0, 11, 0], 0), "told once: {report:?}");
            assert_eq!(logged(world)["error_message"], None);
        }
        assert_eq!(world.tables_evidence(shelf.name()), before);
    });
}

/// Records of item `id` that cannot be read, and whether their name can be told all the same.
fn unreadable(shelf: Shelf, id: usize) -> Vec<(String, bool)> {
    let record = shelf.record(&named(id, "новое"));
    let number = Item::new(id).number;
    if shelf.is_xml() {
        let field = shelf.number.1;
        return vec![
            (record.replace("новое", "A & B"), false),
            (record.replace("новое", "&unknown;новое"), false),
            (record.replace("новое", "новое &#xZZ;"), false),
            (record.replace("новое", "1 < 2"), false),
            (record.replace("name>", "na&me>"), false),
            (record.replace("<name>", "<name a=b>"), false),
            (record.replace(&format!("</{field}>"), "</nome>"), true),
            (record.replace(&format!("</{field}>"), ""), true),
            (record.replace(&number, &format!("{}{}", "<a>".repeat(100), "</a>".repeat(100))), true),
        ];
    }
    let with = |value: &str| record.replace(&format!(":{number},"), &format!(":{value},"));
    vec![
        (with("01.5"), true),
        (with("NaN"), true),
        (with(""), true),
        (with("1e9999"), true),
        (with(&format!("{}{}", "[".repeat(100), "]".repeat(100))), true),
        (record.replace("\"name\":", "name:"), false),
        (record.replace("новое", "новое\\q"), false),
    ]
}

fn a_record_that_cannot_be_read_is_named_and_the_others_go_on(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let old = Item::many(0..12);
        shelf.put(world, &old);
        shelf.sync(world, 0);
        let bad: Vec<(String, bool)> =
            (0..).map_while(|id| unreadable(shelf, id).into_iter().nth(id)).collect();
        let count = bad.len();
        // Another one changes, one is new, and the last is not there.
        let mut all: Vec<String> = bad.iter().map(|(record, _)| record.clone()).collect();
        all.insert(0, shelf.record(&named(count, "иначе")));
        all.extend(Item::many(count + 1..11).iter().map(|item| shelf.record(item)));
        all.push(shelf.record(&Item::new(20)));
        shelf.put_records(world, &all);
        let report = shelf.sync(world, 4);
        assert_eq!((report.counts.rejected, report.counts.delete_blocked), (count as u64, 1), "{report:#?}");
        assert_eq!(counts(&report), [1, 1, 10, 0], "{report:#?}");
        let said = report.warnings.concat();
        for (id, (record, has_name)) in bad.iter().enumerate() {
            let name = if *has_name { format!("новое ({})", shelf.id(id)) } else { shelf.id(id) };
            assert!(said.contains(&name), "{record}\n{name} is not in {said}");
        }
        let mut expected = old;
        expected[count].name = "иначе".to_owned();
        expected.push(Item::new(20));
        assert_eq!(shelf.stored(world), shelf.rows(&expected));
        let log = world.log().pop().unwrap();
        assert_eq!(
            (log["status"].as_deref(), log["rejected"].clone()),
            (Some("warning"), Some(count.to_string()))
        );
    });
}

fn of_many_rejected_records_the_first_are_named(engine: Engine) {
    Shelf::each(engine, |world, shelf| {
        let many = |item: &Item| Item { number: "<a>x</a>".to_owned(), ..item.clone() };
        let json = |item: &Item| Item { number: "[1]".to_owned(), ..item.clone() };
        let item = |item: &Item| shelf.record(&if shelf.is_xml() { many(item) } else { json(item) });
        let records: Vec<String> = Item::many(0..30).iter().map(item).collect();
        shelf.put_records(world, &records);
        let report = shelf.sync(world, 4);
        let said = report.warnings.concat();
        assert_eq!((report.counts.rejected, report.counts.inserted), (30, 0));
        assert!(said.contains(&format!("Предмет 19 ({}): ", shelf.id(19))), "{said}");
        assert!(!said.contains("Предмет 20 (") && said.contains("; and 10 more"), "{said}");
    });
}

/// The two records of every list: one with a name that is no text as a whole, one that cannot be read.
struct Pair {
    table: &'static Table,
    /// The key's columns as they are sent: the same for both, the number of the record in place of `@`.
    key: Vec<(&'static str, String)>,
    name: &'static str,
    is_xml: bool,
}

impl Pair {
    fn of(entity: &'static Entity) -> Self {
        let table = &entity.table;
        let key = table.key_columns().map(|column| {
            let text = match (column.kind, entity.feed) {
                (Kind::Uuid, _) => "00000000-0000-4000-8000-00000000000@",
                (_, Feed::IikoDirectories { .. }) => "Conception",
                _ => "@",
            };
            (column.fields().next().unwrap(), text.to_owned())
        });
        // What is no name of a row is some other text of it.
        let text = |column: &&zerkalo::engine::Column| {
            column.kind == Kind::Text && !table.key.contains(&column.name)
        };
        let name = table.column("name").or_else(|| table.columns.iter().find(text)).unwrap();
        Self {
            table,
            key: key.collect(),
            name: name.fields().last().unwrap(),
            is_xml: matches!(entity.feed, Feed::IikoXml { .. }),
        }
    }

    fn id(&self, number: usize) -> String {
        self.key[0].1.replace('@', &number.to_string())
    }

    fn record(&self, number: usize, name: &str) -> String {
        let mut members: Vec<(&str, String)> =
            self.key.iter().map(|(field, text)| (*field, text.replace('@', &number.to_string()))).collect();
        members.push((self.name, name.to_owned()));
        let mut out = String::new();
        for (field, text) in members {
            let comma = if out.is_empty() { "" } else { "," };
            let _ = if self.is_xml {
                write!(out, "<{field}>{text}</{field}>")
            } else {
                write!(out, "{comma}\"{field}\":\"{text}\"")
            };
        }
        out
    }
}

/// Makes these the records of a list.
fn put(world: &World, entity: &Entity, records: &[String]) {
    let json = |records: &[String]| {
        format!("[{}]", records.iter().map(|record| format!("{{{record}}}")).collect::<Vec<_>>().join(","))
    };
    let (path, content_type, body) = match entity.feed {
        Feed::IikoJson { path, .. } | Feed::IikoDirectories { path, .. } => {
            (path, "application/json", json(records))
        }
        Feed::IikoXml { path, root, record, .. } => {
            let records = records.iter().map(|inside| format!("<{record}>{inside}</{record}>"));
            (path, "application/xml", format!("<{root}>{}</{root}>", records.collect::<String>()))
        }
        Feed::FinTablo { path, .. } => {
            let body = format!(r#"{{"status":200,"statusText":"\ud800","items":{}}}"#, json(records));
            world.sandbox.clear_faults();
            let answer = Action::Body { content_type: "application/json".to_owned(), body: body.into() };
            world.sandbox.fault(Fault::new(format!("GET /v1/{path}$"), answer).times(usize::MAX));
            return;
        }
        _ => unreachable!("not among the lists"),
    };
    world.sandbox.edit(|world| world.answers.insert(path.to_owned(), (content_type.to_owned(), body.into())));
}

fn every_list_lives_with_bad_records(engine: Engine) {
    let world = World::new(engine);
    for entity in tables::IIKO.iter().chain(tables::FINTABLO) {
        let pair = Pair::of(entity);
        let table = pair.table.name;
        let source = if table.starts_with("ft_") { "fintablo" } else { "iiko" };
        let command = ["sync", source, "--only", table];
        let half = if pair.is_xml { "A&#xD83C;" } else { "A\\ud83c" };
        put(&world, entity, &[pair.record(1, half), pair.record(2, "B")]);
        let step = |outcome: &super::harness::Outcome| {
            let scope = pair.table.scope.map(|_| "Conception");
            outcome.step(table, scope).clone()
        };
        let first = world.expect(0, &command);
        assert_eq!(step(&first)["inserted"], 2, "{table}: {}", first.stdout);
        let id = pair.id(1);
        assert!(step(&first)["notes"][0].as_str().unwrap().contains(&id), "{table}: {}", first.stdout);
        let stored = || {
            let mut texts: Vec<Option<String>> = Vec::new();
            let column =
                pair.table.columns.iter().find(|column| column.fields().last() == Some(pair.name)).unwrap();
            for mut row in world.rows(table) {
                texts.push(row.remove(column.name).unwrap());
            }
            texts.sort();
            texts
        };
        let texts = [Some("A\u{fffd}".to_owned()), Some("B".to_owned())];
        assert_eq!(stored(), texts, "{table}");
        let broken = if pair.is_xml { "C & D" } else { "C\\q" };
        put(&world, entity, &[pair.record(1, half), pair.record(2, broken), pair.record(3, "E")]);
        let second = world.expect(4, &command);
        let step = step(&second);
        assert_eq!(
            (&step["rejected"], &step["inserted"], &step["updated"]),
            (&1.into(), &1.into(), &0.into()),
            "{table}"
        );
        let warning = step["warnings"].to_string();
        assert!(warning.contains(&pair.id(2)), "{table}: {warning}");
        assert_eq!(
            stored(),
            [Some("A\u{fffd}".to_owned()), Some("B".to_owned()), Some("E".to_owned())],
            "{table}"
        );
    }
    world.sandbox.clear_faults();
    world.assert_polite();
}

fn a_root_type_asked_alone_lives_with_bad_records(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko", "--only", "iiko_entity"]);
    let record = |id: u32, name: &str| {
        format!(r#"{{"id":"00000000-0000-4000-8000-{id:012}","rootType":"Conception","name":"{name}"}}"#)
    };
    let body = format!("[{},{},{}]", record(1, "A\\ud83c"), record(2, "B\\q"), record(3, "C"));
    // All at once are refused, and so is every root type but one.
    let no = Action::Status {
        code: 400,
        content_type: "text/plain".to_owned(),
        headers: Vec::new(),
        body: "unknown root type".into(),
    };
    let answer = Action::Body { content_type: "application/json".to_owned(), body: body.into() };
    let place = tables::ROOT_TYPES.iter().position(|name| *name == "Conception").unwrap();
    world.sandbox.fault(Fault::new("entities/list", no.clone()).times(place + 1));
    world.sandbox.fault(Fault::new("entities/list", answer));
    world.sandbox.fault(Fault::new("entities/list", no).times(tables::ROOT_TYPES.len() - place - 1));
    let outcome = world.expect(4, &["sync", "iiko", "--only", "iiko_entity"]);
    let step = outcome.step("iiko_entity", Some("Conception"));
    assert_eq!(
        (&step["rejected"], &step["inserted"], &step["deleted"]),
        (&1.into(), &2.into(), &0.into()),
        "{step}"
    );
    assert!(
        step["warnings"].to_string().contains("00000000-0000-4000-8000-000000000002 Conception"),
        "{step}"
    );
    assert!(step["notes"].to_string().contains("000000000001 Conception"), "{step}");
}

fn a_balance_that_cannot_be_read_is_named_and_the_others_go_on(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning", "--skip", "fintablo"]);
    let (stores, products) = {
        let upstream = world.sandbox.world();
        let ids = |list: &[Value]| -> Vec<String> {
            list.iter().take(4).map(|record| record["id"].as_str().unwrap().to_owned()).collect()
        };
        (ids(&upstream.stores), ids(&upstream.products))
    };
    let unknown = "99999999-0000-4000-8000-000000000001";
    let balance = |product: &str, amount: &str| {
        format!(
            r#"{{"store":"{}","product":"{product}","amount":{amount},"sum":1,"note":"\ud800"}}"#,
            stores[0]
        )
    };
    let before = world.count("stock_balance");
    let list = [
        balance(&products[0], "1.5"),
        balance(&products[1], "01.5"),
        balance(&products[2], "\"много\""),
        balance(&products[3], "0"),
        balance(unknown, "7"),
        format!(r#"{{"store":"{}","product":"x\ud800","amount":1}}"#, stores[0]),
    ];
    world.sandbox.edit(|world| {
        let answer = |body: String| ("application/json".to_owned(), body.into());
        world.answers.insert("v2/reports/balance/stores".to_owned(), answer(format!("[{}]", list.join(","))));
        let products = format!(r#"[{{"id":"{unknown}","name":"Новый\ud800"}}]"#);
        world.answers.insert("v2/entities/products/list".to_owned(), answer(products));
    });
    let outcome = world.expect(4, &["sync", "stock"]);
    let step = outcome.step("stock_balance", None);
    assert_eq!((&step["rejected"], &step["deleted"]), (&3.into(), &0.into()), "{step}");
    let warnings = step["warnings"].to_string();
    for product in [products[1].as_str(), products[2].as_str(), "x\u{fffd}"] {
        assert!(warnings.contains(&format!("{} {product}", stores[0])), "{product}: {warnings}");
    }
    let rows = world.select("stock_balance", ["store_id", "product_id", "product_name", "amount"]);
    let of = |product: &str| {
        let here = |row: &&rows::Row| row["store_id"].as_deref() == Some(&stores[0]);
        rows.iter().filter(here).find(|row| row["product_id"].as_deref() == Some(product)).unwrap()
    };
    assert_eq!(of(&products[0])["amount"].as_deref(), Some("1.5"));
    assert_eq!(
        *of(unknown),
        rows::row([
            ("store_id", Some(stores[0].clone())),
            ("product_id", Some(unknown.to_owned())),
            ("product_name", Some("Новый\u{fffd}".to_owned())),
            ("amount", Some("7".to_owned())),
        ])
    );
    assert!(rows.len() as u64 >= u64::try_from(before).unwrap(), "nothing is deleted");
}

fn a_stop_list_lives_with_what_is_no_character(engine: Engine) {
    let mut world = stoplist::world(engine);
    let item = |number: u32, sku: &str| {
        format!(r#"{{"productId":"{}","balance":0,"sizeId":null,"sku":"{sku}"}}"#, stoplist::product(number))
    };
    let body = format!(
        r#"{{"correlationId":"\ud800","terminalGroupStopLists":[{{"organizationId":"{MOSCOW}","items":[
           {{"terminalGroupId":"{HALL}","items":[{},{}]}}]}}]}}"#,
        item(1, "42\\ud83c"),
        item(2, "43"),
    );
    let answer = Action::Body { content_type: "application/json".to_owned(), body: body.into() };
    world.sandbox.fault(Fault::new("stop_lists$", answer).times(2));
    let first = sample(&mut world, "08:00", 0);
    let step = first.step("active_stoplist", None);
    assert_eq!(step["inserted"], 2, "{step}");
    assert!(step["notes"].to_string().contains(&stoplist::product(1)), "{step}");
    let second = sample(&mut world, "08:05", 0);
    assert_eq!(
        (second.totals(), second.step("active_stoplist", None)["notes"].clone()),
        ([0, 0, 0], Value::Null)
    );
}

fn a_row_of_a_report_that_is_not_well_formed_is_left_out_and_told(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let rows = {
        let upstream = world.sandbox.world();
        let text = |list: &[Value], id: &str, field: &str| {
            list.iter().find(|record| record["id"] == id).unwrap()[field].as_str().unwrap().to_owned()
        };
        let row = |(store, product): &(String, String), name: &str| {
            let account = text(&upstream.stores, store, "name");
            let num = text(&upstream.products, product, "num");
            format!(
                "<r><Account.Name>{account}</Account.Name><Product.TopParent>Расходные материалы</Product.TopParent>\
                 <Product.Name>{name}</Product.Name><Product.Num>{num}</Product.Num><Product.MeasureUnit/>\
                 <FinalBalance.Amount>-1</FinalBalance.Amount><FinalBalance.Money/></r>"
            )
        };
        let mut missing = street.missing.keys();
        let (one, two) = (missing.next().unwrap(), missing.next().unwrap());
        row(one, "Стакан&#0;") + &row(two, "Ложка & вилка")
    };
    let body = format!("<report>{rows}</report>");
    let answer = Action::Body { content_type: "application/xml".to_owned(), body: body.into() };
    world.sandbox.fault(Fault::new("reports/olap", answer));
    let outcome = expect(world, 4, &NIGHT);
    let step = &outcome.json["steps"][0];
    assert_eq!(step["rejected"], 1, "{}", outcome.stdout);
    let warnings = step["warnings"].to_string();
    assert!(warnings.contains("Ложка & вилка") && warnings.contains("Расходные материалы"), "{warnings}");
    assert_eq!(world.sandbox.world().ledger().len(), 1, "the other is moved");
}
