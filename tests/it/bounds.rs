//! Memory under answers that are made to take it: records of millions of members, lists without end, pages and reports of
//! nothing but brackets. What is too large is rejected by name or refused, and the process stays small.

use super::{
    desk::Desk,
    harness::{Engine, Outcome, World, on_both},
};
use std::{
    fs::{self, File},
    thread,
    time::Duration,
};
use zerkalo::sandbox::{self, Action, Fault};

on_both!(records_without_end_are_rejected_by_name, the_limit_of_a_record_holds_however_a_list_is_asked_for,);

/// What a run may take at its most, in bytes.
const PEAK: u64 = 256 << 20;

/// Runs the binary and sees the most memory that it took, as long as it could be asked.
fn run(world: &World, arguments: &[&str]) -> (Outcome, u64) {
    let file = |name: &str| world.home.path().join(name);
    let mut command = world.command(arguments);
    command.arg("--json").stdout(File::create(file("said")).unwrap());
    let mut child = command.stderr(File::create(file("told")).unwrap()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        // The kernel keeps the mark, so that the last look before the end is enough.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = mark.map_or(peak, |text| text.parse::<u64>().unwrap() << 10);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let text = |name: &str| fs::read_to_string(file(name)).unwrap();
    let stdout = text("said");
    let json = serde_json::from_str(&stdout).unwrap_or_default();
    assert!(peak > 1 << 20, "it was seen while it ran");
    (Outcome { code: status.code(), json, stdout, stderr: text("told") }, peak)
}

/// The same, which must stay in bounds and end with this code.
#[track_caller]
fn bounded(world: &World, code: i32, arguments: &[&str]) -> Outcome {
    let (outcome, peak) = run(world, arguments);
    let what = format!("{arguments:?} {}\n{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.code, Some(code), "{what}");
    assert!(peak < PEAK, "{} MiB: {what}", peak >> 20);

    outcome
}

fn answer(world: &World, on: &str, content_type: &str, body: String) {
    let body = Action::Body { content_type: content_type.to_owned(), body: body.into() };
    world.sandbox.fault(Fault::new(on, body).times(20));
}

fn product(number: usize, more: &str) -> String {
    format!(
        r#"{{"id":"00000000-0000-4000-8000-{number:012}","name":"Товар {number}","num":"{number}","deleted":false{more}}}"#
    )
}

fn the_limit_of_a_record_holds_however_a_list_is_asked_for(engine: Engine) {
    for many_root_types in [true, false] {
        let options = sandbox::Options { many_root_types, ..sandbox::Options::default() };
        let mut world = World::with(engine, options);
        world.set("ZERKALO_MAX_RECORD", "64 KiB");
        world.sandbox.edit(|world| world.entities[0]["x"] = "ж".repeat(64 << 10).into());
        let outcome = world.expect(4, &["sync", "iiko", "--only", "iiko_entity"]);
        let rejected: u64 = outcome.steps().iter().map(|step| step["rejected"].as_u64().unwrap()).sum();
        assert_eq!(rejected, 1, "{many_root_types}: {}", outcome.json);
        assert!(outcome.json.to_string().contains("longer than ZERKALO_MAX_RECORD allows"));
    }
}

fn records_without_end_are_rejected_by_name(engine: Engine) {
    let world = World::new(engine);
    // Members, numbers that grow, depth, and bytes.
    let members = format!(r#","x":{{{}"z":0}}"#, r#""a":1,"#.repeat(2_500_000));
    let numbers = format!(r#","x":[{}0]"#, "1e999,".repeat(95_000));
    let deep = format!(r#","x":{}{}"#, "[".repeat(80), "]".repeat(80));
    let long = format!(r#","x":"{}""#, r#"\"]}"#.repeat(5 << 20));
    let list = [
        product(1, ""),
        product(2, &members),
        product(3, &numbers),
        product(4, &deep),
        product(5, &long),
        product(6, ""),
    ];
    answer(&world, "products/list", "application/json", format!("[{}]", list.join(",")));
    let outcome = bounded(&world, 4, &["sync", "iiko", "--only", "iiko_product"]);
    let step = outcome.step("iiko_product", None);
    assert_eq!((step["inserted"].as_u64(), step["rejected"].as_u64()), (Some(2), Some(4)), "{step}");
    let told = step["warnings"].to_string();
    for (name, why) in [
        ("Товар 2", "more than 100000 members"),
        ("Товар 3", "more than 100000 members"),
        ("Товар 4", "nested more than 64 levels"),
        ("Товар 5", "it is longer than ZERKALO_MAX_RECORD allows"),
    ] {
        let sentence = told.split("; ").find(|sentence| sentence.contains(name)).unwrap_or_default();
        assert!(sentence.contains(why), "{name}: {why}: {told}");
    }

    let role = |number: usize, more: &str| {
        format!("<role><id>00000000-0000-4000-8000-{number:012}</id><name>Роль {number}</name>{more}</role>")
    };
    let list = [
        role(1, ""),
        role(2, &"<a/>".repeat(4_000_000)),
        role(3, &"<a>".repeat(2_000_000)),
        role(4, &format!("<x>{}</x>", "ж".repeat(12 << 20))),
        role(5, ""),
    ];
    let body = format!("<employeeRoles>{}</employeeRoles>", list.concat());
    answer(&world, "employees/roles", "application/xml", body);
    let outcome = bounded(&world, 4, &["sync", "iiko", "--only", "iiko_employee_role"]);
    let step = outcome.step("iiko_employee_role", None);
    assert_eq!((step["inserted"].as_u64(), step["rejected"].as_u64()), (Some(2), Some(3)), "{step}");
    assert!(step["warnings"].to_string().contains("Роль 2"), "{step}");
}

/// `PostgreSQL` gets such rows by COPY, one after another.
#[test]
fn long_records_are_written_few_at_a_time() {
    let world = World::new(Engine::Sqlite);
    let list: Vec<String> =
        (0..48).map(|number| product(number, &format!(r#","x":"{}""#, "y".repeat(2 << 20)))).collect();
    answer(&world, "products/list", "application/json", format!("[{}]", list.join(",")));
    let (outcome, peak) = run(&world, &["sync", "iiko", "--only", "iiko_product"]);
    assert_eq!((outcome.code, outcome.counts("iiko_product")[0]), (Some(0), 48), "{}", outcome.stdout);

    assert!(peak < 144 << 20, "{} MiB for 96 MiB of records", peak >> 20);
}

/// What is held as a whole is bounded, too: pages, stop-lists, reports, tabs, lists of one root type.
#[test]
fn what_is_held_as_a_whole_is_small_or_refused() {
    let mut desk = Desk::laid_out(Engine::Sqlite);
    let options = sandbox::Options::default();
    desk.world.set("TELEGRAM_BASE_URL", desk.world.sandbox.telegram_url());
    desk.world.set("TELEGRAM_BOT_TOKEN", options.telegram_token);
    desk.world.set("TELEGRAM_ADMIN_CHAT_IDS", sandbox::ADMIN_CHAT);
    desk.world.set("ZERKALO_RETRY_DELAYS", "");
    let many = |what: &str, bytes: usize| what.repeat(bytes / what.len());
    let (json, xml) = ("application/json", "application/xml");
    let brackets = |bytes: usize| many("{},", bytes);
    let unknown = |number: usize| {
        format!(
            r#"{{"store":"00000000-0000-4000-8000-000000000001","product":"00000000-0000-4000-9000-{number:012}","amount":1}},"#
        )
    };
    let cell = r#"{"effectiveFormat":{},"userEnteredFormat":{}},"#;
    let stops = r#"{"organizationId":"00000000-0000-4000-8000-000000000001","items":[{"terminalGroupId":"x","items":["#;
    for (on, media, body, arguments) in [
        (
            "/v1/deal",
            json,
            format!(r#"{{"status":200,"items":[{}{{}}]}}"#, brackets(2 << 20)),
            &["sync", "fintablo", "--only", "ft_deal"][..],
        ),
        (
            "entities/list",
            json,
            format!("[{}{{}}]", brackets(30 << 10)),
            &["sync", "iiko", "--only", "iiko_entity"],
        ),
        (
            "balance/stores",
            json,
            format!("[{}{{}}]", (0..120_000).map(unknown).collect::<String>()),
            &["sync", "stock"],
        ),
        (
            "stop_lists",
            json,
            format!(r#"{{"terminalGroupStopLists":[{stops}{}{{}}]}}]}}]}}"#, many(r#"{"a":1},"#, 3 << 20)),
            &["sync", "stoplist"],
        ),
        (
            "google/v4",
            json,
            format!(
                r#"{{"sheets":[{{"properties":{{}},"data":[{{"rowData":[{{"values":[{}{{}}]}}]}}]}}]}}"#,
                many(cell, 12 << 20)
            ),
            &["push-mapping"],
        ),
        (
            "google/v4",
            json,
            format!(
                r#"{{"sheets":[{{"properties":{{}},"data":[{{"rowData":[{{"values":[{}{{}}]}}]}}]}}]}}"#,
                many("{},", 4 << 20)
            ),
            &["push-mapping"],
        ),
        (
            "google/token",
            json,
            format!(r#"{{"access_token":[{}0]}}"#, many("[],", 1 << 20)),
            &["push-mapping"],
        ),
        (
            "reports/olap",
            xml,
            format!("<report>{}</report>", many("<r><a/></r>", 1 << 20)),
            &["negative-transfer", "--dry-run"],
        ),
        ("getMe", json, format!(r#"{{"ok":true,"result":[{}0]}}"#, many("[],", 900 << 10)), &["doctor"]),
    ] {
        answer(&desk.world, on, media, body);
        let (outcome, peak) = run(&desk.world, arguments);
        desk.world.sandbox.clear_faults();
        // Cells without a value are a tab, and the bot may be called anything: both may be read, in bounds.
        let may_be_read = matches!(on, "google/v4" | "getMe");
        assert!(outcome.code != Some(0) || may_be_read, "{on}: {}", outcome.stdout);
        assert!(outcome.code.is_some(), "{on}: ended by a signal");
        assert!(peak < PEAK, "{on}: {} MiB: {}", peak >> 20, outcome.stdout);
    }
}
