//! An answer that is cut, foreign or endless is no snapshot: it changes no row, whatever part of it could be read.

use super::{
    harness::{Engine, World, on_both},
    shelf::{Item, Shelf},
};
use bytes::Bytes;
use serde_json::json;
use std::fmt::Write as _;
use zerkalo::{
    jobs::Options,
    model::report::Status,
    sandbox::{Action, Damage, Fault},
};

on_both!(
    an_answer_cut_at_any_byte_changes_nothing,
    a_long_answer_cut_anywhere_changes_nothing,
    an_answer_that_is_no_list_changes_nothing,
    an_xml_answer_that_is_not_the_list_changes_nothing,
    an_envelope_that_does_not_say_200_changes_nothing,
    an_html_page_with_status_200_is_asked_again_and_then_refused,
    an_empty_body_is_no_empty_list,
    an_answer_in_another_encoding_changes_nothing,
    an_answer_longer_than_allowed_is_refused_packed_or_not,
);

/// The rows that every story here begins with; a whole answer without some of them would delete these.
fn stock_up(world: &World, shelf: Shelf) {
    shelf.put(world, &Item::many(0..4));
    shelf.sync(world, 0);
}

/// The run must fail with this code, change nothing and say so in the log.
#[track_caller]
fn assert_refused(world: &World, shelf: Shelf, code: u8, what: &str) {
    let logged = world.count("iiko_sync_log");
    let report = shelf.run(world, &Options::default());
    assert_eq!(report.exit_code(), code, "{} {what}: {report:#?}", shelf.name());
    assert_eq!(report.steps[0].status, Status::Error, "{what}");
    assert_eq!(world.count("iiko_sync_log"), logged + 1, "{what}");
    assert_eq!(world.log().pop().unwrap()["status"].as_deref(), Some("error"), "{what}");
}

/// The next answer, head and all.
fn answer_raw(world: &World, shelf: Shelf, head: &str, body: &[u8]) {
    let content_type = if shelf.is_xml() { "application/xml" } else { "application/json" };
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{head}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    world.sandbox.fault(Fault::new(format!("{}$", shelf.path), Action::Raw { bytes: bytes.into() }));
}

fn an_answer_cut_at_any_byte_changes_nothing(engine: Engine) {
    let three_feeds = Shelf::all().into_iter().take(3);
    for shelf in three_feeds {
        let mut world = World::new(engine);
        stock_up(&world, shelf);
        let before = world.rows(shelf.name());
        world.sandbox.clear_faults();
        world.set("ZERKALO_RETRY_BUDGET", "0");
        let body = shelf.body(&[shelf.record(&Item { name: "ё\"}]".to_owned(), ..Item::new(9) })]);
        for at in 0..body.len() {
            // With its length declared, the connection tells; without, only the content can.
            let declared = format!("Content-Length: {}\r\n", body.len());
            for (head, code) in [(declared.as_str(), 5), ("Connection: close\r\n", 7)] {
                answer_raw(&world, shelf, head, &body.as_bytes()[..at]);
                let report = shelf.run(&world, &Options::default());
                let shown = String::from_utf8_lossy(&body.as_bytes()[..at]);
                assert_eq!(report.exit_code(), code, "cut behind `{shown}`: {report:#?}");
            }
        }
        assert_eq!(world.rows(shelf.name()), before, "{}", shelf.name());
        let errors = world.log().iter().filter(|row| row["status"].as_deref() == Some("error")).count();
        assert_eq!(errors, 2 * body.len());
        assert_eq!(world.sandbox.faults_waiting(), 0);
        answer_raw(&world, shelf, "Connection: close\r\n", body.as_bytes());
        assert_eq!(shelf.sync(&world, 4).counts.inserted, 1, "the whole of it is an answer");
    }
}

fn a_long_answer_cut_anywhere_changes_nothing(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let before = world.evidence();
    world.set("ZERKALO_RETRY_BUDGET", "0");
    for (command, path, reach) in [
        (&["sync", "iiko", "--only", "iiko_product"][..], "products/list", 150_000),
        (&["sync", "iiko", "--only", "iiko_entity"], "entities/list", 5_000),
        (&["sync", "iiko", "--only", "iiko_employee"], "employees$", 20_000),
        (&["sync", "stock"], "balance/stores", 60_000),
        (&["sync", "fintablo", "--only", "ft_deal"], "deal", 80_000),
    ] {
        for step in 1..6 {
            let at = reach / 5 * step - 7 * step;
            world.sandbox.fault(Fault::new(path, Action::Cut { at }));
            world.expect(5, command);
            world.sandbox.fault(Fault::new(path, Action::CutClose { at }));
            world.expect(7, command);
        }
    }
    assert_eq!(world.evidence(), before);
    world.assert_polite();
    world.set("ZERKALO_RETRY_BUDGET", "20");
    world.sandbox.fault(Fault::new("products/list", Action::CutClose { at: 9_000 }).times(3));
    assert_eq!(world.expect(0, &["sync", "iiko"]).totals(), [0, 0, 0], "asked again, the whole answer comes");
    assert_eq!(world.evidence(), before);
}

/// Answers each of `bodies` in turn, which must all be refused.
fn refuse_all(engine: Engine, shelf: Shelf, bodies: &[String]) {
    let mut world = World::new(engine);
    stock_up(&world, shelf);
    let before = world.rows(shelf.name());
    world.set("ZERKALO_RETRY_BUDGET", "0");
    for body in bodies {
        shelf.put_body(&world, body);
        assert_refused(&world, shelf, 7, &body.chars().take(120).collect::<String>());
    }
    assert_eq!(world.rows(shelf.name()), before);
    world.assert_polite();
}

fn an_answer_that_is_no_list_changes_nothing(engine: Engine) {
    let shelf = Shelf::all()[0];
    let record = shelf.record(&Item::new(1));
    let mut bodies: Vec<String> = [
        "{}",
        "null",
        "\"\"",
        "true",
        "0",
        "[[]]",
        "[1]",
        "[null]",
        "[\"a\"]",
        "[}",
        "[,]",
        "{\"items\":[]}",
        "{\"error\":\"License\"}",
        "<html><body>login</body></html>",
        "OK",
        "[] []",
        "[]]",
        "[{]}",
    ]
    .map(str::to_owned)
    .to_vec();
    for (before, after) in [("[", ",]"), ("[", "] x"), ("", ""), ("[", " "), ("[[", "]]"), ("[\u{0}", "]")] {
        bodies.push(format!("{before}{record}{after}"));
    }
    bodies.push(format!("[{record} {record}]"));
    // Where a record ends would be a guess.
    bodies.push(format!("[{},{record}]", record.replace("Предмет", "27\" монитор")));
    bodies.push(format!("[{},{record}]", record.replace("Предмет", "Кафе \"Ромашка\"")));
    bodies.push(format!("[{},{record}]", record.replace("Предмет 1", "C:\\")));
    bodies.push(format!("[{},{record}]", record.replace("1.25", "[")));
    bodies.push(format!("[{},{record}]", record.replace("1.25", "[}]")));
    refuse_all(engine, shelf, &bodies);
}

fn an_xml_answer_that_is_not_the_list_changes_nothing(engine: Engine) {
    let shelf = Shelf::all()[1];
    let record = shelf.record(&Item::new(1));
    let root = |inside: &str| format!("<employeeRoles>{inside}</employeeRoles>");
    let good = root(&record);
    let mut attributes = String::new();
    for number in 0..20_000 {
        let _ = write!(attributes, " a{number}=\"1\"");
    }
    let bombs = "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let bodies = [
        format!("<roles>{record}</roles>"),
        format!("<!DOCTYPE employeeRoles>{good}"),
        format!("{bombs}{}", root("<role><id>&b;</id></role>")),
        format!("{good}{good}"),
        format!("{good}<html/>"),
        format!("{good} text"),
        format!("<?xml version=\"1.0\" encoding=\"windows-1251\"?>{good}"),
        root("<employee><id>1</id></employee>"),
        // Where a record ends would be a guess.
        root(&format!("{}{record}", record.replace("</role>", ""))),
        root(&format!("{}{record}", record.replace("<role>", "<role"))),
        root(&format!("{}{record}", record.replace("</role>", "</role"))),
        root(&format!("{record}</role>{record}")),
        root(&format!("{record}{}", record.replace("</role>", "</rule>"))),
        root(&record.replace("Предмет", "<!DOCTYPE x>")),
        format!("<html{attributes}><body/></html>"),
        "<html><head/><body><form action=\"/login\"/></body></html>".to_owned(),
        "<employees/>".to_owned(),
        "[]".to_owned(),
        "{\"result\":\"ERROR\"}".to_owned(),
        " ".to_owned(),
        "<?xml version=\"1.0\"?>".to_owned(),
        format!("</employeeRoles>{good}"),
    ];
    refuse_all(engine, shelf, &bodies);
}

fn an_envelope_that_does_not_say_200_changes_nothing(engine: Engine) {
    let shelf = Shelf::all()[2];
    let record = shelf.record(&Item::new(1));
    let bodies = [
        "[]".to_owned(),
        format!("[{record}]"),
        "{}".to_owned(),
        r#"{"status":200}"#.to_owned(),
        r#"{"items":[]}"#.to_owned(),
        r#"{"status":200,"items":null}"#.to_owned(),
        r#"{"status":200,"items":{}}"#.to_owned(),
        format!(r#"{{"status":200,"items":{{"1":{record}}}}}"#),
        format!(r#"{{"status":500,"statusText":"Internal","items":[{record}]}}"#),
        r#"{"status":401,"statusText":"Your request was made with invalid credentials."}"#.to_owned(),
        format!(r#"{{"status":200,"items":[{record}],"items":[]}}"#),
        format!(r#"{{"status":200,"items":[{record}]}} {{"#),
        "null".to_owned(),
    ];
    refuse_all(engine, shelf, &bodies);
}

fn an_html_page_with_status_200_is_asked_again_and_then_refused(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let before = world.evidence();
    world.sandbox.clear_journal();
    world.sandbox.fault(Fault::new("products/list", Action::Html).times(4));
    world.sandbox.fault(Fault::new("v1/goods", Action::Html).times(4));
    let outcome = world.expect(7, &["full-morning"]);
    assert_eq!(world.evidence(), before);
    for table in ["iiko_product", "ft_goods"] {
        let step = outcome.step(table, None);
        assert_eq!(step["status"], "error");
        assert!(step["error"].as_str().unwrap().contains("text/html"), "{step}");
    }
    let asked = |path: &str| world.asked().iter().filter(|asked| asked.ends_with(path)).count();
    assert_eq!((asked("/v2/entities/products/list"), asked("/v1/goods")), (4, 4));
    let balances = outcome.step("stock_balance", None);
    assert_eq!(balances["status"], "skipped", "no names without products: {balances}");
    world.sandbox.fault(Fault::new("products/list", Action::Html).times(3));
    world.expect(0, &["full-morning"]);
    assert_eq!(world.evidence(), before);
    world.assert_polite();
}

fn an_answer_in_another_encoding_changes_nothing(engine: Engine) {
    let mut world = World::new(engine);
    // Of a table that is still empty, too.
    world.expect(0, &["full-morning", "--skip", "fintablo"]);
    let before = world.evidence();
    world.set("ZERKALO_RETRY_BUDGET", "0");
    let lists = [
        ("/v2/entities/list$", "iiko_entity"),
        ("/products/list$", "iiko_product"),
        ("/api/employees$", "iiko_employee"),
        ("/corporation/stores$", "iiko_store"),
        ("/v1/deal$", "ft_deal"),
        ("/v1/partner$", "ft_partner"),
    ];
    for how in [Damage::Windows1251, Damage::Utf16] {
        for (path, _) in lists {
            world.sandbox.fault(Fault::new(path, Action::Damage { how: how.clone(), at: 0 }));
        }
        let only = lists.map(|(_, table)| table);
        for (source, tables) in [("iiko", only[..4].join(",")), ("fintablo", only[4..].join(","))] {
            let outcome = world.expect(7, &["sync", source, "--only", &tables]);
            for step in outcome.steps() {
                assert_eq!(step["status"], "error", "{step}");
                let said = step["error"].as_str().unwrap();
                assert!(how != Damage::Windows1251 || said.contains("the answer is not UTF-8"), "{said}");
            }
        }
        assert_eq!(world.evidence(), before);
        assert_eq!(world.sandbox.faults_waiting(), 0);
    }
    // A record or two that lost their letters are broken ones.
    world.sandbox.edit(|world| {
        for (number, group) in world.groups.iter_mut().enumerate() {
            let name = if number < 2 { "Зал".to_owned() } else { format!("hall {number}") };
            *group = json!({ "id": group["id"], "departmentId": group["departmentId"], "name": name });
        }
    });
    let action = Action::Damage { how: Damage::Windows1251, at: 0 };
    world.sandbox.fault(Fault::new("/corporation/groups$", action));
    let outcome = world.expect(0, &["sync", "iiko", "--only", "iiko_group"]);
    let note = outcome.step("iiko_group", None)["notes"][0].as_str().unwrap().to_owned();
    assert!(note.starts_with("2 records are stored with U+FFFD"), "{note}");
    world.expect(0, &["full-morning"]);
    world.assert_polite();
}

fn an_empty_body_is_no_empty_list(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let before = world.evidence();
    world.sandbox.fault(Fault::new("GET /", Action::Empty).times(usize::MAX));
    let outcome = world.expect(7, &["full-morning"]);
    assert!(outcome.steps().iter().all(|step| step["status"] != "success"), "{}", outcome.json);
    assert_eq!(world.evidence(), before);
    world.sandbox.clear_faults();
    world.assert_polite();
}

fn an_answer_longer_than_allowed_is_refused_packed_or_not(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["full-morning"]);
    let before = world.evidence();
    let bomb = Action::GzipBomb { unpacked: 64 << 20 };
    world.set("ZERKALO_MAX_ANSWER", "1 MiB");
    for (path, step) in [("products/list", "iiko"), ("balance", "stock")] {
        world.sandbox.fault(Fault::new(path, bomb.clone()));
        let outcome = world.expect(7, &["sync", step]);
        assert!(outcome.stdout.contains("longer than allowed"), "{}", outcome.stdout);
    }
    for (path, step) in [("employees$", "iiko"), ("v1/goods", "fintablo")] {
        world.sandbox.fault(Fault::new(path, bomb.clone()));
        world.expect(7, &["sync", step]);
    }
    world.set("ZERKALO_MAX_ANSWER", "20 KiB");
    let body = Bytes::from(format!("[{}]", " ".repeat(30 << 10)));
    let answer = Action::Body { content_type: "application/json".to_owned(), body };
    world.sandbox.fault(Fault::new("group/list", answer));
    world.expect(7, &["sync", "iiko", "--only", "iiko_product_group"]);
    assert_eq!(world.evidence(), before);
    world.assert_polite();
}
