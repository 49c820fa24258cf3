//! The admins are told of a morning that did not go well: in every chat at most once, and whatever becomes of the
//! message changes nothing of the morning.

use super::{
    harness::{Engine, Outcome, World, block_on, on_both},
    nights::Street,
    process::{Dice, number_from, until},
    rows::Row,
};
use std::{
    io::Write as _,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};
use zerkalo::{
    sandbox::{self, ADMIN_CHAT, Action, Fault, READERS_CHAT},
    store::{Access, Database, delivery::DeliveryState},
    tables,
};

on_both!(
    a_failed_step_is_told_once_for_its_slot,
    what_becomes_of_a_slot_that_was_told_of_is_told,
    a_database_that_is_down_is_told_of_once_in_six_hours,
    a_morning_that_went_well_is_told_only_when_asked_for,
    a_chat_that_is_refused_does_not_stop_the_others,
    a_wait_that_telegram_asks_for_is_kept,
    what_may_have_come_is_not_sent_again,
    what_surely_did_not_come_is_sent_by_the_next_run,
    a_refused_bot_is_one_sentence,
    killed_while_sending_no_chat_hears_twice,
    what_a_killed_run_may_have_said_is_told_by_the_next,
    a_dry_run_tells_nobody,
    without_a_bot_nobody_is_told,
    a_late_start_is_told_and_a_second_one_is_not,
    without_a_slot_the_same_alarm_is_told_once_in_six_hours,
    an_upstreams_words_do_not_reach_a_chat,
    a_night_is_told_in_russian_and_once,
);

/// 07:00 in Kaliningrad.
const SEVEN: &str = "2026-11-22T05:00:00Z";
/// The other admin: a chat of the sandbox, too.
const OTHER: &str = READERS_CHAT;
/// A morning of FinTablo alone, which is quick.
const MORNING: [&str; 7] = ["full-morning", "--scheduled", "07:00", "--skip", "iiko", "--skip", "stock"];

/// A world with a bot and two admins.
fn world(engine: Engine) -> World {
    with(engine, sandbox::Options::default())
}

fn with(engine: Engine, options: sandbox::Options) -> World {
    let token = options.telegram_token.clone();
    let mut world = World::with(engine, options);
    world.set("TELEGRAM_BASE_URL", world.sandbox.telegram_url());
    world.set("TELEGRAM_BOT_TOKEN", token);
    world.set("TELEGRAM_ADMIN_CHAT_IDS", format!("{ADMIN_CHAT},{OTHER}"));
    world.set("ZERKALO_TEST_NOW", SEVEN);
    world
}

/// Makes FinTablo's deals unreadable for the next run.
fn break_deals(world: &World) {
    let action = Action::TooMany { retry_after: String::new() };
    world.sandbox.fault(Fault::new("/v1/deal", action).times(4));
}

/// A morning that fails, whatever becomes of the message.
#[track_caller]
fn failing(world: &World) -> Outcome {
    break_deals(world);
    world.expect(5, &MORNING)
}

fn told(world: &World, chat: &str) -> Vec<String> {
    world.sandbox.world().telegram.messages(chat)
}

/// How many messages the two chats hold.
fn counts(world: &World) -> [usize; 2] {
    [ADMIN_CHAT, OTHER].map(|chat| told(world, chat).len())
}

/// State and attempts of the deliveries to the two chats, of the last key.
fn deliveries(world: &World) -> Vec<[String; 3]> {
    let text = |row: &Row, name: &str| row[name].clone().unwrap_or_default();
    let rows = world.rows("message_delivery");
    let mut rows: Vec<_> =
        rows.iter().map(|row| ["chat", "state", "attempts"].map(|name| text(row, name))).collect();
    rows.sort_by_key(|row| row[0] != ADMIN_CHAT);
    rows
}

fn delivery(chat: &str, state: &str, attempts: &str) -> [String; 3] {
    [chat, state, attempts].map(str::to_owned)
}

/// How many messages Telegram was asked to send.
fn sends(world: &World) -> usize {
    world.sandbox.journal().iter().filter(|entry| entry.path.ends_with("/sendMessage")).count()
}

fn a_failed_step_is_told_once_for_its_slot(engine: Engine) {
    let mut world = world(engine);
    let failed = failing(&world);
    let text = told(&world, ADMIN_CHAT).remove(0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "🌅 Утренняя синхронизация 22.11.2026: выполнена частично");
    assert_eq!(lines[1], "❌ FinTablo: сделки — сервер недоступен или не отвечает");
    assert!(
        lines[2].starts_with(&format!("Таблиц: {}, добавлено строк: ", tables::FINTABLO.len())),
        "{text}"
    );
    assert_eq!(lines[3], format!("Запуск {}, код выхода 5", failed.run_id()));
    assert_eq!(lines[4..], ["Дальше: zerkalo full-morning"]);
    assert_eq!(told(&world, OTHER), [text]);
    assert_eq!(deliveries(&world), [delivery(ADMIN_CHAT, "sent", "1"), delivery(OTHER, "sent", "1")]);
    let row = &world.rows("message_delivery")[0];
    assert!(row["key"].as_deref().unwrap().starts_with("full-morning 2026-11-22T05:00:00Z "));
    assert_eq!((row["kind"].as_deref(), row["run_id"].as_deref()), (Some("text"), Some(failed.run_id())));
    assert!(row["message_id"].is_some() && row["last_error"].is_none());
    // The same slot again: as bad, which nobody hears twice.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:10:00Z");
    failing(&world);
    assert_eq!(counts(&world), [1, 1]);
    // The next slot is told of again.
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:00:00Z");
    failing(&world);
    assert_eq!(counts(&world), [2, 2]);
    assert!(told(&world, ADMIN_CHAT)[1].starts_with("🌅 Утренняя синхронизация 23.11.2026"));
    assert_eq!(sends(&world), 4);
}

fn what_becomes_of_a_slot_that_was_told_of_is_told(engine: Engine) {
    let mut world = world(engine);
    failing(&world);
    // Worse, or otherwise bad, is another message.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:10:00Z");
    break_deals(&world);
    world.sandbox.fault(Fault::new("/v1/goods", Action::Html).times(4));
    world.expect(7, &MORNING);
    assert_eq!(counts(&world), [2, 2]);
    // Whoever has read that it failed is told that it is well now, once.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:20:00Z");
    world.expect(0, &MORNING);
    assert_eq!(counts(&world), [3, 3]);
    assert!(told(&world, OTHER)[2].contains("22.11.2026: всё в порядке"), "{:?}", told(&world, OTHER));
    world.expect(0, &[&MORNING[..], &["--notify", "always"]].concat());
    assert_eq!(counts(&world), [3, 3]);
    // Nobody was told of the next slot's first start, so its good end is no news.
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:00:00Z");
    break_deals(&world);
    world.expect(5, &[&MORNING[..], &["--notify", "never"]].concat());
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:10:00Z");
    world.expect(0, &MORNING);
    assert_eq!(counts(&world), [3, 3]);
    // A slot that failed, and was not made good within its grace.
    world.set("ZERKALO_TEST_NOW", "2026-11-24T05:00:00Z");
    failing(&world);
    world.set("ZERKALO_TEST_NOW", "2026-11-24T09:00:00Z");
    world.expect(12, &MORNING);
    assert_eq!(counts(&world), [5, 5]);
}

/// Nobody can record what was told where the database is what is wrong.
fn a_database_that_is_down_is_told_of_once_in_six_hours(engine: Engine) {
    let mut world = world(engine);
    world.expect(0, &MORNING);
    let database = world.database.clone();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.set("DATABASE_URL", format!("postgres://zerkalo@{closed}/nowhere"));
    let at = |world: &mut World, day: u32, time: &str, number: usize| {
        world.set("ZERKALO_TEST_NOW", format!("2026-11-{day}T{time}Z"));
        let failed = world.expect(8, &MORNING);
        assert!(failed.stderr.contains("the admins are told without a record of it"), "{}", failed.stderr);
        assert_eq!(counts(world), [number, number], "{day} {time}");
    };
    at(&mut world, 23, "05:00:00", 1);
    at(&mut world, 23, "05:10:00", 1);
    let text = told(&world, ADMIN_CHAT).remove(0);
    assert!(text.contains("23.11.2026: не выполнена\n❌ ошибка базы данных или диска\n"), "{text}");
    // Another slot is another alarm.
    at(&mut world, 24, "05:00:00", 2);
    // Where the state directory cannot be written to either, an alarm every few minutes would be read by nobody.
    world.set("ZERKALO_STATE_DIR", "/proc/zerkalo");
    world.set("ZERKALO_TEST_NOW", "2026-11-25T05:00:00Z");
    world.expect(2, &MORNING);
    assert_eq!(counts(&world), [2, 2]);
    // With the database it is told as everything else, although the run could not even take its locks.
    world.set("DATABASE_URL", database);
    for _ in 0..2 {
        let refused = world.run(&MORNING);
        if engine == Engine::Postgres {
            assert_eq!((refused.code, counts(&world)), (Some(2), [3, 3]), "{}", refused.stderr);
        }
    }
}

fn a_morning_that_went_well_is_told_only_when_asked_for(engine: Engine) {
    let mut world = world(engine);
    let quiet = world.command(&MORNING).arg("-q").output().unwrap();
    let quiet = Outcome::from(quiet);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
    assert_eq!((sends(&world), world.count("message_delivery")), (0, 0));
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:00:00Z");
    world.expect(0, &[&MORNING[..], &["--notify", "always"]].concat());
    assert_eq!(counts(&world), [1, 1]);
    let text = told(&world, ADMIN_CHAT).remove(0);
    let well =
        format!("🌅 Утренняя синхронизация 23.11.2026: всё в порядке\nТаблиц: {}", tables::FINTABLO.len());
    assert!(text.starts_with(&well), "{text}");
    world.set("ZERKALO_TEST_NOW", "2026-11-24T05:00:00Z");
    break_deals(&world);
    world.expect(5, &[&MORNING[..], &["--notify", "never"]].concat());
    assert_eq!(counts(&world), [1, 1]);
    // What was only warned of is told, too.
    world.set("ZERKALO_TEST_NOW", "2026-11-25T05:00:00Z");
    world.sandbox.edit(|world| world.fintablo.get_mut("direction").unwrap().truncate(1));
    world.expect(4, &MORNING);
    let text = told(&world, OTHER).remove(1);
    assert!(text.contains("есть предупреждения\n⚠️ FinTablo: направления — нет в ответе"), "{text}");
    assert!(text.ends_with("Дальше: zerkalo full-morning --dry-run"), "{text}");
}

fn a_chat_that_is_refused_does_not_stop_the_others(engine: Engine) {
    let mut world = world(engine);
    world.set("TELEGRAM_ADMIN_CHAT_IDS", format!("{ADMIN_CHAT},777,{OTHER}"));
    world.sandbox.edit(|world| world.telegram.chats.get_mut(ADMIN_CHAT).unwrap().blocked = true);
    let failed = failing(&world);
    for said in [
        "telegram: the message to 100200300 was not sent: telegram sendMessage: status 403: \
         Forbidden: bot was blocked by the user; the chat's owner has to unblock the bot",
        "telegram: the message to 777 was not sent: telegram sendMessage: status 400: Bad Request: chat not found",
    ] {
        assert!(failed.stderr.contains(said), "{}", failed.stderr);
    }
    assert_eq!(counts(&world), [0, 1]);
    let expected =
        [delivery(ADMIN_CHAT, "failed", "1"), delivery(OTHER, "sent", "1"), delivery("777", "failed", "1")];
    assert_eq!(deliveries(&world), expected);
    // The morning's own work is what it was.
    assert_eq!(failed.step("ft_goods", None)["status"], "success");
    let well = world.expect(0, &["full-morning", "--skip", "iiko", "--skip", "stock", "--notify", "always"]);
    assert!(well.stderr.contains("was not sent"), "what could not be told changes no exit code");
    assert_eq!(counts(&world), [0, 2]);
    // A chat that surely got nothing may get it from the run that resumes the slot.
    world.sandbox.edit(|world| world.telegram.chats.get_mut(ADMIN_CHAT).unwrap().blocked = false);
    failing(&world);
    assert_eq!(counts(&world), [1, 2]);
}

fn a_wait_that_telegram_asks_for_is_kept(engine: Engine) {
    let window = Duration::from_secs(1);
    let options =
        sandbox::Options { telegram_limit: 1, telegram_window: window, ..sandbox::Options::default() };
    let mut world = with(engine, options);
    failing(&world);
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:00:00Z");
    // The first wait of one second is asked for by a fault, a further one perhaps by the limit.
    world.sandbox.fault(Fault::new("sendMessage", Action::TooMany { retry_after: String::new() }));
    let since = Instant::now();
    failing(&world);
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(counts(&world), [2, 2]);
    assert!(deliveries(&world).iter().all(|row| row[1..] == ["sent", "1"]), "{:?}", deliveries(&world));
    // A wait that is too long is not kept, and the message surely has not come.
    world.set("ZERKALO_TEST_NOW", "2026-11-24T05:00:00Z");
    thread::sleep(window);
    let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":86400}}"#;
    world.sandbox.fault(status("sendMessage", 429, body));
    let failed = failing(&world);
    assert!(failed.stderr.contains("asked to wait 86400 s"), "{}", failed.stderr);
    assert_eq!(counts(&world), [2, 3]);
}

fn status(on: &str, code: u16, body: &'static str) -> Fault {
    let content_type = "application/json".to_owned();
    Fault::new(on, Action::Status { code, content_type, body: body.into(), headers: Vec::new() })
}

fn what_may_have_come_is_not_sent_again(engine: Engine) {
    let proxy = status("sendMessage", 502, "<html>bad gateway</html>");
    let server = status("sendMessage", 500, r#"{"ok":false,"error_code":500,"description":"Internal"}"#);
    for (fault, came) in [
        (Fault::new("sendMessage", Action::CloseAfterEffect), 1),
        (Fault::new("sendMessage", Action::Close), 0),
        (Fault::new("sendMessage", Action::Garbage), 0),
        (Fault::new("sendMessage", Action::Cut { at: 5 }), 1),
        (Fault::new("sendMessage", Action::Html), 0),
        (proxy, 0),
        (server, 0),
    ] {
        let mut world = world(engine);
        world.set("TELEGRAM_ADMIN_CHAT_IDS", ADMIN_CHAT);
        world.sandbox.fault(fault.clone());
        let failed = failing(&world);
        let said =
            "telegram: the message to 100200300 may or may not have come, and is not sent again: telegram";
        assert!(failed.stderr.contains(said), "{fault:?} {}", failed.stderr);
        assert_eq!(deliveries(&world), [delivery(ADMIN_CHAT, "unknown", "1")], "{fault:?}");
        failing(&world);
        assert_eq!((counts(&world)[0], sends(&world)), (came, 1), "{fault:?}");
        // An operator who has looked lets it be sent.
        let key = world.rows("message_delivery")[0]["key"].clone().unwrap();
        let released = block_on(async {
            let database = Database::new(&world.database.as_str().into(), "public", 2000);
            let mut store = database.connect(Access::Write).await.unwrap();
            let now = chrono::DateTime::parse_from_rfc3339(SEVEN).unwrap().to_utc();
            let other = store
                .release_deliveries("full-morning another", &[DeliveryState::Unknown], now)
                .await
                .unwrap();
            (other, store.release_deliveries(&key, &[DeliveryState::Unknown], now).await.unwrap())
        });
        assert_eq!(released, (0, 1));
        failing(&world);
        assert_eq!((counts(&world)[0], sends(&world)), (came + 1, 2), "{fault:?}");
        assert_eq!(deliveries(&world), [delivery(ADMIN_CHAT, "sent", "2")], "{fault:?}");
    }
}

fn what_surely_did_not_come_is_sent_by_the_next_run(engine: Engine) {
    let mut world = world(engine);
    // A port where nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.set("TELEGRAM_BASE_URL", format!("http://{port}/telegram"));
    let failed = failing(&world);
    assert!(
        failed.stderr.contains("was not sent: telegram sendMessage: cannot connect"),
        "{}",
        failed.stderr
    );
    assert_eq!(deliveries(&world), [delivery(ADMIN_CHAT, "failed", "1"), delivery(OTHER, "failed", "1")]);
    world.set("TELEGRAM_BASE_URL", world.sandbox.telegram_url());
    failing(&world);
    assert_eq!(counts(&world), [1, 1]);
    assert_eq!(deliveries(&world), [delivery(ADMIN_CHAT, "sent", "2"), delivery(OTHER, "sent", "2")]);
}

fn a_refused_bot_is_one_sentence(engine: Engine) {
    let mut world = world(engine);
    world.set("TELEGRAM_BOT_TOKEN", "123456:c4n4ry");
    let failed = failing(&world);
    let said = "the message to 100200300 was not sent: telegram sendMessage: status 401: Unauthorized; \
                check TELEGRAM_BOT_TOKEN";
    assert!(failed.stderr.contains(said), "{}", failed.stderr);
    assert_eq!(
        (failed.stderr.matches("Unauthorized").count(), sends(&world)),
        (1, 1),
        "the others need not ask"
    );
    assert!(!failed.stderr.contains("c4n4ry"));
    assert_eq!(deliveries(&world), [delivery(ADMIN_CHAT, "failed", "1"), delivery(OTHER, "planned", "0")]);
}

fn killed_while_sending_no_chat_hears_twice(engine: Engine) {
    let seed = number_from("ZERKALO_TEST_SEED", 20_261_122);
    let rounds = number_from("ZERKALO_TEST_KILLS", 10).max(20);
    let mut dice = Dice(seed ^ 7);
    let mut world =
        with(engine, sandbox::Options { fintablo_limit: usize::MAX, ..sandbox::Options::default() });
    world.expect(0, &["migrate"]);
    let first = chrono::DateTime::parse_from_rfc3339(SEVEN).unwrap().to_utc();
    let (mut killed, mut cut_off) = (0, 0);
    for round in 0..rounds {
        world.sandbox.clear_faults();
        world.sandbox.clear_journal();
        let before = counts(&world);
        world.set("ZERKALO_TEST_NOW", (first + chrono::Days::new(round)).to_rfc3339());
        for _ in 0..2 {
            world.sandbox.fault(Fault::new(
                "sendMessage",
                match dice.below(4) {
                    0 => Action::CloseAfterEffect,
                    1 => Action::Close,
                    _ => Action::Slow { delay_ms: dice.below(40) },
                },
            ));
        }
        world.sandbox.fault(Fault::new("/v1/deal", Action::TooMany { retry_after: String::new() }).times(99));
        let run = world.start(&MORNING);
        until("the last of the deals is asked for", || {
            world.sandbox.journal().iter().filter(|entry| entry.path == "/v1/deal").count() == 4
        });
        if dice.below(2) == 0 {
            until("a message is sent", || sends(&world) > 0);
        }
        thread::sleep(Duration::from_millis(dice.below(60)));
        killed += u32::from(run.kill());
        thread::sleep(Duration::from_millis(45));
        // Resumed, and killed once more now and then.
        for _ in 0..dice.below(2) {
            let run = world.start(&MORNING);
            thread::sleep(Duration::from_millis(60 + dice.below(200)));
            killed += u32::from(run.kill());
            thread::sleep(Duration::from_millis(45));
        }
        let resumed = world.expect(5, &MORNING);
        cut_off += resumed.stderr.matches("ended before the answer: it may have come").count();
        let heard = counts(&world);
        for (chat, (after, before)) in heard.into_iter().zip(before).enumerate() {
            assert!(after - before <= 1, "round {round}, chat {chat}: {} messages", after - before);
        }
        let key = format!("full-morning {}", (first + chrono::Days::new(round)).format("%Y-%m-%dT%H:%M:%SZ"));
        let rows: Vec<Row> = world
            .rows("message_delivery")
            .into_iter()
            .filter(|row| row["key"].as_deref().unwrap().starts_with(&key))
            .collect();
        assert_eq!(rows.len(), 2, "round {round}");
        for row in rows {
            let (chat, state) = (row["chat"].as_deref().unwrap(), row["state"].as_deref().unwrap());
            let index = usize::from(chat != ADMIN_CHAT);
            let came = heard[index] - before[index];
            assert!(
                matches!((state, came), ("sent", 1) | ("unknown", _)),
                "round {round}: {chat} {state} {came}"
            );
        }
    }
    let told =
        format!("{engine:?}: {killed} kills of seed {seed} around a message, {cut_off} messages cut off");
    let _ = writeln!(std::io::stderr().lock(), "{told}");
    assert!(killed >= 15, "only {killed} runs were still alive when they were killed");
    assert!(cut_off > 0, "no kill came while a message was being sent");
}

fn what_a_killed_run_may_have_said_is_told_by_the_next(engine: Engine) {
    let world = world(engine);
    break_deals(&world);
    let killed = world.start_and_hold(&MORNING, "/sendMessage", Duration::from_secs(20));
    assert_eq!(deliveries(&world), [delivery(ADMIN_CHAT, "sending", "1"), delivery(OTHER, "planned", "0")]);
    assert!(killed.kill());
    // Somebody may have heard of what was wrong: now all is well, and that is told to everybody.
    let resumed = world.expect(0, &MORNING);
    for part in [
        "telegram: the run that sent `full-morning 2026-11-22T05:00:00Z ",
        "` to 100200300 ended before the answer",
    ] {
        assert!(resumed.stderr.contains(part), "{}", resumed.stderr);
    }
    let mut states: Vec<_> = deliveries(&world).into_iter().map(|row| row[1].clone()).collect();
    states.sort_unstable();
    assert_eq!(states, ["planned", "sent", "sent", "unknown"]);
    assert_eq!((counts(&world), sends(&world)), ([2, 1], 3));
}

fn a_dry_run_tells_nobody(engine: Engine) {
    let world = world(engine);
    world.expect(0, &["sync", "fintablo"]);
    world.sandbox.edit(|world| world.fintablo.get_mut("direction").unwrap().truncate(1));
    let arguments = ["full-morning", "--skip", "iiko", "--skip", "stock", "--dry-run"];
    let silent = world.expect(4, &arguments);
    let loud = world.expect(4, &[&arguments[..], &["-v"]].concat());
    let text = "⚠️ FinTablo: направления — нет в ответе сервера, но не удалено: 3 строки";
    assert!(loud.stderr.contains(text) && loud.stderr.contains(ADMIN_CHAT), "{}", loud.stderr);
    assert!(!silent.stderr.contains(text), "{}", silent.stderr);
    assert_eq!((sends(&world), world.count("message_delivery")), (0, 0));
}

fn without_a_bot_nobody_is_told(engine: Engine) {
    let mut world = world(engine);
    for (name, value) in [("TELEGRAM_ADMIN_CHAT_IDS", ""), ("TELEGRAM_BOT_TOKEN", "")] {
        world.set(name, value);
        break_deals(&world);
        let silent = world.expect(5, &MORNING);
        assert!(!silent.stderr.contains("TELEGRAM"), "{}", silent.stderr);
        break_deals(&world);
        let loud = world.expect(5, &[&MORNING[..], &["-v"]].concat());
        assert!(loud.stderr.contains("nobody is told: TELEGRAM_BOT_TOKEN or"), "{}", loud.stderr);
    }
    assert_eq!((sends(&world), world.count("message_delivery")), (0, 0));
}

fn a_late_start_is_told_and_a_second_one_is_not(engine: Engine) {
    let mut world = world(engine);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T09:00:00Z");
    for _ in 0..2 {
        world.expect(12, &MORNING);
        assert_eq!(counts(&world), [1, 1]);
    }
    let text = told(&world, ADMIN_CHAT).remove(0);
    assert!(text.contains("22.11.2026: не запускалась\n❌ запуск опоздал и пропущен\n"), "{text}");
    // Who meets a running morning leaves the telling to it.
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:00:00Z");
    world.sandbox.clear_journal();
    let held = world.start_and_hold(&MORNING, "/v1/deal", Duration::from_secs(2));
    world.expect(11, &MORNING);
    assert_eq!(held.finish().code, Some(0));
    assert_eq!(counts(&world), [1, 1]);
}

fn without_a_slot_the_same_alarm_is_told_once_in_six_hours(engine: Engine) {
    const MORNING: [&str; 5] = ["full-morning", "--skip", "iiko", "--skip", "stock"];
    let mut world = world(engine);
    let at = |world: &mut World, time: &str| {
        world.set("ZERKALO_TEST_NOW", format!("2026-11-22T{time}Z"));
        break_deals(world);
        world.expect(5, &MORNING);
        counts(world)
    };
    assert_eq!(at(&mut world, "05:00:00"), [1, 1]);
    assert_eq!(at(&mut world, "05:30:00"), [1, 1]);
    assert_eq!(at(&mut world, "10:58:00"), [1, 1], "not yet six hours");
    // Another trouble is another alarm, at once.
    break_deals(&world);
    world.sandbox.fault(Fault::new("/v1/goods", Action::TooMany { retry_after: String::new() }).times(4));
    world.expect(5, &MORNING);
    assert_eq!(counts(&world), [2, 2]);
    // Of the silence in between the alarm does not grow older: six hours count from what was told.
    assert_eq!(at(&mut world, "11:01:00"), [3, 3]);
    assert_eq!(at(&mut world, "16:59:00"), [3, 3]);
    assert_eq!(at(&mut world, "17:02:00"), [4, 4]);
    // A good result, where it is asked for, is none of them.
    for number in 5..=6 {
        let done = world.expect(0, &[&MORNING[..], &["--notify", "always"]].concat());
        assert_eq!(counts(&world), [number, number]);
        let key = format!("full-morning run {}", done.run_id());
        assert!(world.rows("message_delivery").iter().any(|row| row["key"].as_deref() == Some(&key)));
    }
    // What was stopped for safety is told every time.
    let url = world.sandbox.fintablo_url();
    world.set("FINTABLO_BASE_URL", url.replace("127.0.0.1", "localhost"));
    for number in 7..=8 {
        world.expect(13, &MORNING);
        assert_eq!(counts(&world), [number, number]);
    }
    world.set("FINTABLO_BASE_URL", url);
    // A single sync is somebody's own affair.
    break_deals(&world);
    world.expect(5, &["sync", "fintablo"]);
    assert_eq!(counts(&world), [8, 8]);
}

fn an_upstreams_words_do_not_reach_a_chat(engine: Engine) {
    let world = world(engine);
    let evil = "<b>evil</b> \u{1b}[2J\u{202e}http://evil.example token";
    let body = format!(r#"{{"status":400,"statusText":"{}"}}"#, evil.replace('\u{1b}', "\\u001b"));
    let content_type = "application/json".to_owned();
    let action = Action::Status { code: 400, content_type, body: body.into(), headers: Vec::new() };
    world.sandbox.fault(Fault::new("/v1/deal", action));
    world.expect(6, &MORNING);
    let text = told(&world, ADMIN_CHAT).remove(0);
    assert!(!text.contains("evil") && !text.chars().any(|sign| sign.is_control() && sign != '\n'), "{text}");
    assert!(
        text.contains("сделки — сервер отказал") && text.contains("Дальше: zerkalo config check"),
        "{text}"
    );
}

fn a_night_is_told_in_russian_and_once(engine: Engine) {
    const NIGHT: [&str; 5] = ["negative-transfer", "--scheduled", "23:00", "--grace", "55m"];
    let mut street = Street::new(engine);
    let token = sandbox::Options::default().telegram_token;
    street.world.set("TELEGRAM_BASE_URL", street.world.sandbox.telegram_url());
    street.world.set("TELEGRAM_BOT_TOKEN", token);
    street.world.set("TELEGRAM_ADMIN_CHAT_IDS", ADMIN_CHAT);
    street.set_clock(0);
    // The second document is answered with an error: it is not done, and the others are.
    let post = "POST /resto/api/v2/documents/internalTransfer";
    street.world.sandbox.fault(status(post, 409, "No right to change documents in the past").skip(1));
    let failed = street.world.expect(3, &NIGHT);
    let text = told(&street.world, ADMIN_CHAT).remove(0);
    let title = format!(
        "🌙 Перемещение расходных материалов за {}",
        street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).format("%d.%m.%Y")
    );
    let lines: Vec<&str> = text.lines().collect();
    let documents: Vec<&str> =
        failed.json["documents"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(lines[0], format!("{title}: проведено частично"));
    assert_eq!(
        lines[1..6],
        [
            "🏠 Московский",
            &format!("❌ Бар: 3 позиции, №{} — не проведён", documents[0]),
            &format!("✅ Кухня: 3 позиции, №{} — проведён", documents[1]),
            "🏠 Набережная",
            &format!("✅ Бар: 3 позиции, №{} — проведён", documents[2]),
        ]
    );
    assert_eq!(lines[6], "⚠️ На складе меньше, чем нужно:");
    let ends =
        [format!("Запуск {}, код выхода 3", failed.run_id()), "Дальше: zerkalo documents list".to_owned()];
    assert_eq!(lines[lines.len() - 2..], ends);
    assert!(!text.contains("No right"), "an upstream's words stay in the log");
    // The slot again, later: it was told of.
    street.set_clock(10);
    street.world.expect(3, &NIGHT);
    assert_eq!(told(&street.world, ADMIN_CHAT).len(), 1);
}
