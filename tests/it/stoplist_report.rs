//! The evening's report: to the minute what the history says, in every chat at most once, and never good news where nobody
//! looked.

use super::{
    harness::{Engine, Outcome, World, on_both},
    rows::Row,
    stoplist::{self, BAR, HALL, PIER, edit, sample},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::net::TcpListener;
use zerkalo::sandbox::{self, ADMIN_CHAT, Action, Fault, READERS_CHAT};

on_both!(
    the_report_is_right_to_the_minute_and_sent_once,
    a_day_that_sync_has_read_is_told_as_it_was,
    days_on_which_clocks_are_changed_are_as_long_as_they_are,
    what_nobody_read_is_told_and_is_no_stop,
    a_restaurant_that_nobody_read_is_named,
    a_day_without_a_reading_is_no_good_news,
    a_day_without_stops_has_no_picture,
    a_dry_run_sends_and_writes_nothing,
    a_report_without_readers_says_so,
    a_chat_that_is_refused_does_not_stop_the_others,
    what_may_have_come_is_sent_again_only_when_asked_for,
    what_surely_did_not_come_is_sent_by_the_next_start,
    a_report_in_the_middle_of_the_day_does_not_take_the_evenings_place,
    a_start_that_is_too_late_tells_no_reader,
);

/// 22:00 in Kaliningrad.
pub(super) const TEN: &str = "2026-11-22T20:00:00Z";
/// What cron runs.
pub(super) const EVENING: [&str; 5] = ["stoplist-report", "--scheduled", "22:00", "--grace", "1h"];
/// The readers.
const CHATS: [&str; 2] = [READERS_CHAT, ADMIN_CHAT];

/// A world with a bot, two chats of readers and an empty schema.
pub(super) fn world(engine: Engine) -> World {
    let world = with_readers(World::new(engine));
    world.expect(0, &["migrate"]);
    world
}

/// The world with a bot and two chats of readers.
pub(super) fn with_readers(mut world: World) -> World {
    world.set("TELEGRAM_BASE_URL", world.sandbox.telegram_url());
    world.set("TELEGRAM_BOT_TOKEN", sandbox::Options::default().telegram_token);
    world.set("TELEGRAM_CHAT_IDS", CHATS.join(","));
    world.set("ZERKALO_TEST_NOW", TEN);
    world
}

pub(super) fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// A moment as `SQLite` keeps it and `PostgreSQL` reads it.
fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A stretch of the history: product, terminal group, balance, from, to.
pub(super) fn stretch(
    world: &World,
    (product, group): (u32, u32),
    name: &str,
    balance: &str,
    from: &str,
    to: Option<&str>,
) {
    let (product, group, organization, size) = (id(product), id(group), id(1), id(0));
    let from = stamp(moment(from));
    let to = to.map_or_else(|| "null".to_owned(), |to| format!("'{}'", stamp(moment(to))));
    let done = world.execute(&format!(
        "insert into stoplist_history
             (organization_id, terminal_group_id, product_id, size_id, name, balance, started_at, ended_at)
         values ('{organization}', '{group}', '{product}', '{size}', '{name}', {balance}, '{from}', {to})"
    ));
    assert_eq!(done, 1);
}

/// Readings so many minutes apart.
pub(super) fn readings(world: &World, from: &str, to: &str, minutes: i64) {
    let (mut at, to) = (moment(from), moment(to));
    let mut values = Vec::new();
    while at <= to {
        values.push(format!("('{}', '{}')", id(1), stamp(at)));
        at += TimeDelta::minutes(minutes);
    }
    world.execute(&format!(
        "insert into stoplist_sample (organization_id, taken_at) values {}",
        values.join(", ")
    ));
}

/// A day of Kaliningrad's winter, read without a break: 08:00 is 06:00 UTC, 21:00 is 19:00 UTC.
pub(super) fn usual_day(world: &World) {
    readings(world, "2026-11-22T05:55:00Z", "2026-11-22T19:55:00Z", 5);
    // Two terminals: 08:30–11:00 and 10:15–12:40.
    stretch(world, (1, 1), "Борщ", "0", "2026-11-22T06:30:00Z", Some("2026-11-22T09:00:00Z"));
    stretch(world, (1, 2), "Борщ московский", "0", "2026-11-22T08:15:00Z", Some("2026-11-22T10:40:00Z"));
    // Since yesterday, and still.
    stretch(world, (2, 1), "Том ям", "-1.5", "2026-11-21T12:00:00Z", None);
    // Before the hours, and a limit.
    stretch(world, (3, 1), "Кофе", "0", "2026-11-22T04:00:00Z", Some("2026-11-22T06:00:00Z"));
    stretch(world, (4, 1), "Чай", "2", "2026-11-22T07:00:00Z", None);
    // Seconds count, and a stop is never nothing.
    stretch(world, (5, 1), "Соль", "0", "2026-11-22T18:59:50Z", Some("2026-11-22T19:30:00Z"));
}

pub(super) const USUAL: &str = "📊 Отчёт по стоп-листу за 22.11.2026\n\
     ▫️ Том ям — 13:00\n\
     ▫️ Борщ московский — 04:10\n\
     ▫️ Соль — 00:01\n\
     Всего позиций в стопе сегодня: 3\n\
     Суммарное время: 17:11";

/// What a chat holds: texts, and captions marked as such.
pub(super) fn told(world: &World, chat: &str) -> Vec<String> {
    let world = world.sandbox.world();
    let messages = world.telegram.chats[chat].messages.iter();
    messages
        .map(|message| match &message.photo {
            Some(_) => format!("photo: {}", message.text),
            None => message.text.clone(),
        })
        .collect()
}

fn photo(world: &World, chat: &str) -> Vec<u8> {
    world.sandbox.world().telegram.chats[chat].messages[1].photo.clone().unwrap()
}

/// Texts and photos of each chat.
pub(super) fn counts(world: &World) -> [[usize; 2]; 2] {
    CHATS.map(|chat| {
        let (photos, texts): (Vec<String>, Vec<String>) =
            told(world, chat).into_iter().partition(|told| told.starts_with("photo: "));
        [texts.len(), photos.len()]
    })
}

/// How many messages Telegram was asked to take.
pub(super) fn sends(world: &World) -> usize {
    world.sandbox.journal().iter().filter(|entry| entry.path.contains("/send")).count()
}

/// Key, chat, kind, state and attempts of every delivery.
pub(super) fn deliveries(world: &World) -> Vec<[String; 5]> {
    let text = |row: &Row, name: &str| row[name].clone().unwrap_or_default();
    let rows = world.rows("message_delivery");
    let mut rows: Vec<_> = rows
        .iter()
        .map(|row| ["key", "chat", "kind", "state", "attempts"].map(|name| text(row, name)))
        .collect();
    rows.sort();
    rows
}

fn delivery(key: &str, chat: &str, kind: &str, state: &str, attempts: &str) -> [String; 5] {
    [key, chat, kind, state, attempts].map(str::to_owned)
}

pub(super) fn evening_at(world: &mut World, now: &str) -> Outcome {
    world.set("ZERKALO_TEST_NOW", now);
    world.run(&EVENING)
}

fn the_report_is_right_to_the_minute_and_sent_once(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    let shown = world.home.path().join("day.png");
    let picture = ["--picture", shown.to_str().unwrap()];
    let first = world.expect(0, &[&EVENING[..], &picture].concat());
    let caption = "photo: 📊 Отчёт по стоп-листу за 22.11.2026";
    for chat in CHATS {
        assert_eq!(told(&world, chat), [USUAL, caption], "the text comes first");
        assert!(photo(&world, chat) == std::fs::read(&shown).unwrap());
    }
    assert!(photo(&world, ADMIN_CHAT).starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(first.json["text"], USUAL);
    let minutes: Vec<(&str, i64)> = first.json["day"]["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|product| (product["name"].as_str().unwrap(), product["minutes"].as_i64().unwrap()))
        .collect();
    assert_eq!(minutes, [("Том ям", 780), ("Борщ московский", 250), ("Соль", 1)]);
    let stops = &first.json["day"]["products"][1]["stops"];
    assert_eq!(stops[0]["from"], "2026-11-22T06:30:00Z");
    assert_eq!((stops[0]["to"].as_str(), stops.as_array().unwrap().len()), (Some("2026-11-22T10:40:00Z"), 1));
    let (text, drawn) = ("stoplist-report 2026-11-22", "stoplist-report 2026-11-22 picture");
    let expected = [
        delivery(text, READERS_CHAT, "text", "sent", "1"),
        delivery(text, ADMIN_CHAT, "text", "sent", "1"),
        delivery(drawn, READERS_CHAT, "photo", "sent", "1"),
        delivery(drawn, ADMIN_CHAT, "photo", "sent", "1"),
    ];
    assert_eq!(deliveries(&world), expected);
    let log = world.log_of(first.run_id());
    assert_eq!(log.len(), 1);
    let column = |name: &str| log[0][name].clone().unwrap();
    assert_eq!(
        (column("entity_type"), column("status")),
        ("stoplist-report".to_owned(), "success".to_owned())
    );
    // The same slot once more, and by hand: nobody hears of it twice.
    for now in ["2026-11-22T20:10:00Z", "2026-11-22T20:50:00Z"] {
        let repeat = evening_at(&mut world, now);
        assert_eq!((repeat.code, repeat.json["slot"]["found"].as_str()), (Some(0), Some("done")));
    }
    let by_hand = world.expect(0, &["stoplist-report"]);
    assert_eq!(by_hand.json["steps"][0]["unchanged"], 4);
    let of_first = |delivery: &serde_json::Value| delivery["run_id"] == first.json["run_id"];
    assert!(by_hand.json["deliveries"].as_array().unwrap().iter().all(of_first), "{}", by_hand.json);
    let screen: Outcome = world.command(&["stoplist-report"]).output().unwrap().into();
    let said = "text 0 sent, 2 have it already, photo 0 sent, 2 have it already, exit 0";
    assert!(screen.stdout.contains(said), "{}", screen.stdout);
    let quiet = world.command(&EVENING).arg("-q").output().unwrap();
    let quiet = Outcome::from(quiet);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
    assert_eq!((counts(&world), sends(&world)), ([[1, 1], [1, 1]], 4));
    // The next day is another report.
    readings(&world, "2026-11-23T05:55:00Z", "2026-11-23T19:55:00Z", 20);
    let next = evening_at(&mut world, "2026-11-23T20:00:00Z");
    assert_eq!(next.code, Some(0), "{}", next.stdout);
    assert_eq!(counts(&world), [[2, 2], [2, 2]]);
    let text = &told(&world, ADMIN_CHAT)[2];
    assert!(text.contains("23.11.2026\n▫️ Том ям — 13:00\nВсего позиций в стопе сегодня: 1\n"), "{text}");
}

/// Two organizations are read every 25 minutes; for 75 minutes iikoCloud does not answer.
fn a_day_that_sync_has_read_is_told_as_it_was(engine: Engine) {
    let mut world = with_readers(stoplist::world(engine));
    world.expect(0, &["sync", "iiko"]);
    let (soup, cake) = {
        let world = world.sandbox.world();
        let product = |number: usize| {
            let words = |name: &str| world.products[number][name].as_str().unwrap().split_whitespace();
            // Names in iiko may have spaces too many.
            let text = |name: &str| words(name).collect::<Vec<_>>().join(" ");
            (text("id"), text("name"))
        };
        (product(0), product(1))
    };
    // UTC; 08:00 is 06:00.
    edit(&world, HALL, |hall| hall.stop(&soup.0, 0));
    for time in ["05:40", "06:05"] {
        sample(&mut world, time, 0);
    }
    edit(&world, HALL, |hall| hall.release(&soup.0));
    edit(&world, BAR, |bar| bar.stop(&soup.0, -2));
    sample(&mut world, "06:30", 0);
    edit(&world, BAR, |bar| bar.release(&soup.0));
    edit(&world, PIER, |pier| pier.stop(&cake.0, 0));
    edit(&world, HALL, |hall| hall.stop(&cake.0, 5));
    for time in ["06:55", "07:20"] {
        sample(&mut world, time, 0);
    }
    edit(&world, HALL, |hall| hall.stop(&cake.0, 0));
    for time in ["07:45", "08:10"] {
        sample(&mut world, time, 0);
    }
    for time in ["08:35", "09:00"] {
        world.sandbox.fault(Fault::new("stop_lists", Action::Close).times(2));
        sample(&mut world, time, 5);
    }
    edit(&world, PIER, |pier| pier.release(&cake.0));
    sample(&mut world, "09:25", 0);
    edit(&world, HALL, |hall| hall.release(&cake.0));
    let mut at = moment("2026-11-22T09:50:00Z");
    while at < moment(TEN) {
        sample(&mut world, &at.to_rfc3339(), 0);
        at += TimeDelta::minutes(25);
    }
    assert_eq!(evening_at(&mut world, TEN).code, Some(0));
    let expected = format!(
        "📊 Отчёт по стоп-листу за 22.11.2026\n▫️ {} — 01:40\n▫️ {} — 00:55\n\
         Всего позиций в стопе сегодня: 2\nСуммарное время: 02:35\n\
         ⚠️ Нет данных: 10:10–11:25 (всего 01:15), это время не учтено",
        cake.1, soup.1
    );
    assert_eq!(told(&world, READERS_CHAT)[0], expected);
    assert_eq!(counts(&world), [[1, 1], [1, 1]]);
}

fn days_on_which_clocks_are_changed_are_as_long_as_they_are(engine: Engine) {
    let mut world = world(engine);
    // A working night of 22:00–06:00: on 2011-03-27 two o'clock was three, on 2014-10-26 it was one.
    world.set("STOPLIST_DAY_START", "22:00");
    world.set("STOPLIST_DAY_END", "06:00");
    readings(&world, "2011-03-26T19:55:00Z", "2011-03-27T03:30:00Z", 15);
    stretch(&world, (1, 1), "Вся ночь", "0", "2011-03-26T12:00:00Z", Some("2011-03-27T12:00:00Z"));
    stretch(&world, (2, 1), "С часу до четырёх", "0", "2011-03-26T23:00:00Z", Some("2011-03-27T01:00:00Z"));
    readings(&world, "2014-10-25T18:55:00Z", "2014-10-26T04:30:00Z", 15);
    stretch(&world, (1, 1), "Вся ночь", "0", "2014-10-25T12:00:00Z", Some("2014-10-26T12:00:00Z"));
    stretch(&world, (2, 1), "С часу до трёх", "0", "2014-10-25T22:00:00Z", Some("2014-10-26T01:00:00Z"));
    for (now, date, night, part) in [
        ("2011-03-27T04:00:00Z", "26.03.2011", "07:00", "С часу до четырёх — 02:00"),
        ("2014-10-26T05:00:00Z", "25.10.2014", "09:00", "С часу до трёх — 03:00"),
    ] {
        world.set("ZERKALO_TEST_NOW", now);
        // The latest hours that have begun are those of the evening before.
        let dry = world.expect(0, &["stoplist-report", "--dry-run"]);
        let text = dry.json["text"].as_str().unwrap();
        let expected = format!(
            "📊 Отчёт по стоп-листу за {date}\n▫️ Вся ночь — {night}\n▫️ {part}\nВсего позиций в стопе за день: 2\n"
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(!text.contains("Нет данных"), "{text}");
    }
}

fn what_nobody_read_is_told_and_is_no_stop(engine: Engine) {
    let mut world = world(engine);
    readings(&world, "2026-11-22T05:50:00Z", "2026-11-22T08:00:00Z", 10);
    readings(&world, "2026-11-22T09:25:00Z", "2026-11-22T19:55:00Z", 10);
    stretch(&world, (1, 1), "Борщ", "0", "2026-11-22T07:00:00Z", Some("2026-11-22T10:05:00Z"));
    let first = evening_at(&mut world, TEN);
    assert_eq!(first.code, Some(0), "{}", first.stdout);
    // 09:00–12:05 without 10:00–11:25.
    let expected = "📊 Отчёт по стоп-листу за 22.11.2026\n▫️ Борщ — 01:40\nВсего позиций в стопе сегодня: 1\n\
                    Суммарное время: 01:40\n⚠️ Нет данных: 10:00–11:25 (всего 01:25), это время не учтено";
    assert_eq!(told(&world, ADMIN_CHAT)[0], expected);
    assert_eq!(first.json["day"]["gaps"][0]["from"], "2026-11-22T08:00:00Z");
    // Readings may lie further apart where the operator says so.
    world.set("STOPLIST_MAX_GAP", "5400");
    let dry = world.expect(0, &["stoplist-report", "--dry-run"]);
    assert_eq!(dry.json["day"]["total_minutes"], 185);
    world.set("STOPLIST_DAY_START", "11:30");
    let dry = world.expect(0, &["stoplist-report", "--dry-run"]);
    assert_eq!(dry.json["day"]["total_minutes"], 35);
}

fn a_restaurant_that_nobody_read_is_named(engine: Engine) {
    let mut world = with_readers(stoplist::world(engine));
    sample(&mut world, "06:00", 0);
    // It is called otherwise since; what it is called counts, and not when.
    world.sandbox.edit(|world| world.cloud.organizations[1].name = "Набережная, 2 этаж".to_owned());
    let mut at = moment("2026-11-22T06:25:00Z");
    while at < moment(TEN) {
        if at == moment("2026-11-22T08:05:00Z") {
            // Nobody can ask an organization that has no terminal group.
            world.sandbox.edit(|world| world.cloud.organizations[1].groups.clear());
        }
        sample(&mut world, &at.to_rfc3339(), 0);
        at += TimeDelta::minutes(25);
    }
    let evening = evening_at(&mut world, TEN);
    assert_eq!(evening.code, Some(0), "{}", evening.stdout);
    let said = "⚠️ Нет данных по части заведений (Набережная, 2 этаж): 09:40–21:00 (всего 11:20), это время не учтено";
    assert_eq!(told(&world, READERS_CHAT)[0].lines().last(), Some(said));
    let lacking = serde_json::json!([{ "id": stoplist::SHORE, "name": "Набережная, 2 этаж" }]);
    assert_eq!(evening.json["day"]["lacking"], lacking);
    assert_eq!(world.count("stoplist_organization"), 2);
}

fn a_day_without_a_reading_is_no_good_news(engine: Engine) {
    let mut world = world(engine);
    readings(&world, "2026-11-21T05:55:00Z", "2026-11-21T19:55:00Z", 10);
    stretch(&world, (1, 1), "Борщ", "0", "2026-11-21T07:00:00Z", None);
    let silent = evening_at(&mut world, TEN);
    assert_eq!(silent.code, Some(4), "{}", silent.stdout);
    let warning = silent.step("stoplist-report", None)["warnings"][0].as_str().unwrap().to_owned();
    assert_eq!(warning, "2026-11-22: there is not one reading of the stop-list in the working hours");
    let text = "📊 Отчёт по стоп-листу за 22.11.2026\n\
                ⚠️ Нет данных: за рабочие часы стоп-лист ни разу не удалось получить.";
    for chat in CHATS {
        assert_eq!(told(&world, chat), [text], "and no picture");
    }
    assert_eq!(silent.json["day"]["known"], false);
    // Nothing will come of it any more: the slot is done.
    assert_eq!(evening_at(&mut world, "2026-11-22T20:10:00Z").json["slot"]["found"], "done");
}

fn a_day_without_stops_has_no_picture(engine: Engine) {
    let mut world = world(engine);
    readings(&world, "2026-11-22T05:55:00Z", "2026-11-22T19:55:00Z", 10);
    let shown = world.home.path().join("empty.png");
    world.expect(0, &[&EVENING[..], &["--picture", shown.to_str().unwrap()]].concat());
    for chat in CHATS {
        assert_eq!(told(&world, chat), ["📊 Отчёт по стоп-листу за 22.11.2026\nСегодня стопов не было 🎉"]);
    }
    assert!(std::fs::read(&shown).unwrap().starts_with(b"\x89PNG"), "it is drawn where it is asked for");
    // The same day on the day after is not today.
    world.set("ZERKALO_TEST_NOW", "2026-11-23T12:00:00Z");
    let dry = world.expect(0, &["stoplist-report", "--dry-run", "--date", "2026-11-22"]);
    assert_eq!(dry.json["text"], "📊 Отчёт по стоп-листу за 22.11.2026\nСтопов не было 🎉");
}

fn a_dry_run_sends_and_writes_nothing(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    world.set("TELEGRAM_CHAT_IDS", "");
    let before = world.evidence();
    let dry = world.expect(0, &[&EVENING[..], &["--dry-run"]].concat());
    assert_eq!((dry.json["text"].as_str(), dry.json["dry_run"].as_bool()), (Some(USUAL), Some(true)));
    let plain: Outcome = world.command(&["stoplist-report", "--dry-run"]).output().unwrap().into();
    assert!(plain.stdout.starts_with(USUAL), "{}", plain.stdout);
    assert!(
        plain.stdout.contains("\n\ndry run: nothing was sent, nothing was written\ndone in "),
        "{}",
        plain.stdout
    );
    let json: Outcome =
        world.command(&["stoplist-report", "--dry-run", "--format", "json"]).output().unwrap().into();
    assert_eq!((json.code, json.json["day"]["total_minutes"].as_i64()), (Some(0), Some(1031)));
    assert_eq!(world.evidence(), before);
    assert_eq!((sends(&world), world.count("message_delivery"), world.count("job_slot")), (0, 0, 0));
    // A day that has not come has no report.
    for date in ["2026-11-23", "2030-01-01"] {
        let refused = world.expect(2, &["stoplist-report", "--dry-run", "--date", date]);
        assert!(refused.json["error"].as_str().unwrap().contains("has not come yet"), "{}", refused.json);
    }
    // Nor have hours that have not begun.
    let mut early = world.command(&["stoplist-report", "--dry-run", "--date", "2026-11-22", "--json"]);
    let early: Outcome = early.env("ZERKALO_TEST_NOW", "2026-11-22T05:00:00Z").output().unwrap().into();
    assert_eq!(early.code, Some(2));
    assert!(early.json["error"].as_str().unwrap().contains("have not begun"), "{}", early.json);
}

fn a_report_without_readers_says_so(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    world.set("TELEGRAM_CHAT_IDS", "");
    let refused = evening_at(&mut world, TEN);
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    let said = "TELEGRAM_CHAT_IDS is not set: there is nobody to send the report to";
    assert_eq!(refused.json["error"], said);
    world.set("TELEGRAM_CHAT_IDS", ADMIN_CHAT);
    world.set("TELEGRAM_BOT_TOKEN", "");
    let refused = evening_at(&mut world, TEN);
    assert_eq!(
        (refused.code, refused.json["error"].as_str()),
        (Some(2), Some("TELEGRAM_BOT_TOKEN is not set"))
    );
    assert_eq!((sends(&world), world.count("job_slot")), (0, 0));
}

fn a_chat_that_is_refused_does_not_stop_the_others(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    world.set("TELEGRAM_CHAT_IDS", format!("{READERS_CHAT},777,{ADMIN_CHAT}"));
    world.sandbox.edit(|world| world.telegram.chats.get_mut(READERS_CHAT).unwrap().blocked = true);
    let evening = evening_at(&mut world, TEN);
    assert_eq!(evening.code, Some(4), "{}", evening.stdout);
    assert_eq!(counts(&world), [[0, 0], [1, 1]]);
    assert_eq!(sends(&world), 4, "who has no text gets no picture");
    let warnings = evening.step("stoplist-report", None)["warnings"].to_string();
    for said in [
        "the text to -1001234567890 was not sent (telegram sendMessage: status 403: Forbidden: bot was blocked",
        "the text to 777 was not sent (telegram sendMessage: status 400: Bad Request: chat not found)",
    ] {
        assert!(warnings.contains(said), "{warnings}");
    }
    // The slot is done; by hand, those get it that have not got it.
    assert_eq!(evening_at(&mut world, "2026-11-22T20:10:00Z").json["slot"]["found"], "done");
    world.sandbox.edit(|world| world.telegram.chats.get_mut(READERS_CHAT).unwrap().blocked = false);
    world.expect(4, &["stoplist-report"]);
    assert_eq!(counts(&world), [[1, 1], [1, 1]]);
    // Where nobody takes it, it has failed.
    world.set("TELEGRAM_CHAT_IDS", "777,778");
    assert_eq!(
        world.expect(6, &["stoplist-report"]).json["steps"][0]["error"],
        "no chat has taken the report"
    );
}

fn what_may_have_come_is_sent_again_only_when_asked_for(engine: Engine) {
    for (method, fault, came) in [
        ("sendMessage", Action::CloseAfterEffect, 1),
        ("sendMessage", Action::Garbage, 0),
        ("sendPhoto", Action::CloseAfterEffect, 1),
        ("sendPhoto", Action::Close, 0),
    ] {
        let mut world = world(engine);
        usual_day(&world);
        world.set("TELEGRAM_CHAT_IDS", READERS_CHAT);
        world.sandbox.fault(Fault::new(method, fault.clone()));
        let evening = evening_at(&mut world, TEN);
        assert_eq!(evening.code, Some(4), "{fault:?} {}", evening.stdout);
        let said = evening.step("stoplist-report", None)["warnings"][0].as_str().unwrap().to_owned();
        assert!(said.contains("may or may not have come") && said.contains("--resend"), "{said}");
        let (texts, photos) = if method == "sendMessage" { (came, 1) } else { (1, came) };
        assert_eq!(counts(&world)[0], [texts, photos], "{method} {fault:?}");
        // Neither the slot nor a start by hand sends it again, and both say so.
        assert_eq!(evening_at(&mut world, "2026-11-22T20:10:00Z").code, Some(0));
        let by_hand = world.expect(4, &["stoplist-report"]);
        assert!(by_hand.stdout.contains("may or may not have come"), "{}", by_hand.stdout);
        assert_eq!(sends(&world), 2);
        // An operator who has looked lets it be sent.
        world.expect(0, &["stoplist-report", "--resend"]);
        assert_eq!(sends(&world), 3);
        let after = if method == "sendMessage" { [came + 1, 1] } else { [1, came + 1] };
        assert_eq!(counts(&world)[0], after, "{method} {fault:?}");
        world.expect(0, &["stoplist-report", "--resend"]);
        assert_eq!(sends(&world), 3, "what has come is not sent again");
    }
}

fn what_surely_did_not_come_is_sent_by_the_next_start(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    // A port where nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.set("TELEGRAM_BASE_URL", format!("http://{port}/telegram"));
    let failed = evening_at(&mut world, TEN);
    assert_eq!(failed.code, Some(5), "{}", failed.stdout);
    world.set("TELEGRAM_BASE_URL", world.sandbox.telegram_url());
    // Telegram asks to wait, and is heard; then it takes the texts, and refuses the first picture for too long.
    world.sandbox.fault(Fault::new("sendMessage", Action::TooMany { retry_after: String::new() }));
    let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":86400}}"#;
    let content_type = "application/json".to_owned();
    let status = Action::Status { code: 429, content_type, body: body.into(), headers: Vec::new() };
    world.sandbox.fault(Fault::new("sendPhoto", status));
    let resumed = evening_at(&mut world, "2026-11-22T20:10:00Z");
    assert_eq!((resumed.code, resumed.json["slot"]["found"].as_str()), (Some(5), Some("resumed")));
    assert_eq!(counts(&world), [[1, 0], [1, 1]]);
    let last = evening_at(&mut world, "2026-11-22T20:20:00Z");
    assert_eq!(
        (last.code, last.json["slot"]["found"].as_str()),
        (Some(0), Some("resumed")),
        "{}",
        last.stdout
    );
    assert_eq!(counts(&world), [[1, 1], [1, 1]]);
    assert_eq!(told(&world, READERS_CHAT)[0], USUAL);
    assert_eq!(evening_at(&mut world, "2026-11-22T20:30:00Z").json["slot"]["found"], "done");
}

fn a_report_in_the_middle_of_the_day_does_not_take_the_evenings_place(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    // 12:30 in Kaliningrad.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T10:30:00Z");
    world.expect(0, &["stoplist-report"]);
    let text = told(&world, ADMIN_CHAT).remove(0);
    let expected = "📊 Отчёт по стоп-листу за 22.11.2026\n⏳ День ещё не закончен: данные на 12:30\n\
                    ▫️ Том ям — 04:30\n▫️ Борщ московский — 04:00\nВсего позиций в стопе сегодня: 2\n";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(evening_at(&mut world, TEN).code, Some(0));
    assert_eq!(counts(&world), [[2, 2], [2, 2]]);
    assert_eq!(told(&world, ADMIN_CHAT)[2], USUAL);
}

fn a_start_that_is_too_late_tells_no_reader(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    let late = evening_at(&mut world, "2026-11-22T21:00:01Z");
    assert_eq!(late.code, Some(12));
    let hint = "to send it all the same: zerkalo stoplist-report --date 2026-11-22";
    assert_eq!(late.json["hint"], hint);
    assert_eq!((sends(&world), world.count("message_delivery")), (0, 0));
    // The admins hear of it, once.
    world.set("TELEGRAM_ADMIN_CHAT_IDS", ADMIN_CHAT);
    for minute in [10, 20] {
        assert_eq!(evening_at(&mut world, &format!("2026-11-22T21:{minute}:00Z")).code, Some(12));
    }
    let alarms = told(&world, ADMIN_CHAT);
    let alarm = "📊 Отчёт по стоп-листу за 22.11.2026: запуск опоздал и пропущен\nЗапуск ";
    assert!(alarms.len() == 1 && alarms[0].starts_with(alarm), "{alarms:?}");
    assert_eq!(told(&world, READERS_CHAT), Vec::<String>::new());
    world.set("TELEGRAM_ADMIN_CHAT_IDS", "");
    // A late one within the grace tells of its slot's day, also after midnight.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T22:30:00Z");
    let late = world.expect(0, &["stoplist-report", "--scheduled", "23:30", "--grace", "2h"]);
    assert_eq!(late.json["text"], USUAL);
    assert_eq!(counts(&world), [[1, 1], [2, 1]]);
}
