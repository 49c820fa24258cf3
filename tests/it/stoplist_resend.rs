//! Reports that are started again: who has one already gets no second one, and who could get none gets it later.

use super::{
    harness::{Engine, Outcome, World, on_both},
    stoplist_report::{TEN, USUAL, counts, evening_at, sends, told, usual_day, world},
};
use zerkalo::sandbox::{self, ADMIN_CHAT, READERS_CHAT};

on_both!(a_report_by_hand_in_the_middle_of_the_day_is_sent_once, a_wrong_bot_token_is_a_refusal);

fn a_report_by_hand_in_the_middle_of_the_day_is_sent_once(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    let block = |world: &World, blocked: bool| {
        world.sandbox.edit(|world| world.telegram.chats.get_mut(ADMIN_CHAT).unwrap().blocked = blocked);
    };
    // One chat refuses it at 12:30; five minutes later it gets it, and the other one not a second time.
    block(&world, true);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T10:30:00Z");
    world.expect(4, &["stoplist-report"]);
    assert_eq!(counts(&world), [[1, 1], [0, 0]]);
    block(&world, false);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T10:35:00Z");
    let second = world.expect(0, &["stoplist-report"]);
    assert_eq!(counts(&world), [[1, 1], [1, 1]]);
    let by_second = |delivery: &&serde_json::Value| delivery["run_id"] == second.json["run_id"];
    let deliveries = second.json["deliveries"].as_array().unwrap();
    assert_eq!((deliveries.len(), deliveries.iter().filter(by_second).count()), (4, 2));
    assert_eq!(second.step("stoplist-report", None)["unchanged"], 2, "text and picture");
    world.set("ZERKALO_TEST_NOW", "2026-11-22T10:40:00Z");
    let third: Outcome = world.command(&["stoplist-report"]).output().unwrap().into();
    assert_eq!((third.code, counts(&world)), (Some(0), [[1, 1], [1, 1]]));
    let said = "every chat has had this day's report already; --resend sends it as it is now";
    assert!(third.stdout.contains(said), "{}", third.stdout);
    // Who wants it as it is now says so.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T14:00:00Z");
    world.expect(0, &["stoplist-report", "--resend"]);
    assert_eq!(counts(&world), [[2, 2], [2, 2]]);
    assert!(told(&world, READERS_CHAT)[2].contains("данные на 16:00"));
    assert_eq!(evening_at(&mut world, TEN).code, Some(0));
    assert_eq!(counts(&world), [[3, 3], [3, 3]]);
    assert_eq!(told(&world, READERS_CHAT)[4], USUAL);
}

fn a_wrong_bot_token_is_a_refusal(engine: Engine) {
    let mut world = world(engine);
    usual_day(&world);
    world.set("TELEGRAM_BOT_TOKEN", "123456:c4n4ry");
    let failed = evening_at(&mut world, TEN);
    assert_eq!(failed.code, Some(6), "{}", failed.stdout);
    let step = failed.step("stoplist-report", None);
    assert!(step["hint"].as_str().unwrap().contains("TELEGRAM_BOT_TOKEN"), "{step}");
    assert_eq!(sends(&world), 1, "the others need not ask");
    // The slot stays open: with the right token each chat gets it.
    world.set("TELEGRAM_BOT_TOKEN", sandbox::Options::default().telegram_token);
    assert_eq!(evening_at(&mut world, "2026-11-22T20:10:00Z").code, Some(0));
    assert_eq!(counts(&world), [[1, 1], [1, 1]]);
}
