//! The evening's report, killed at any moment: no chat ever hears of it twice.

use super::{
    harness::{Engine, World, on_both},
    process::{Dice, number_from},
    stoplist_report::{EVENING, TEN, counts, deliveries, moment, readings, sends, stretch, with_readers},
};
use chrono::Days;
use std::{fmt::Write as _, io::Write as _, thread, time::Duration};
use zerkalo::sandbox::{self, ADMIN_CHAT, Action, Fault};

on_both!(killed_at_any_moment_no_chat_hears_twice);

/// Every message of the evening is slowed down or cut off at random.
fn disturb(world: &World, dice: &mut Dice) {
    world.sandbox.clear_faults();
    for method in ["sendMessage", "sendMessage", "sendPhoto", "sendPhoto"] {
        let action = match dice.below(6) {
            0 => Action::CloseAfterEffect,
            1 => Action::Close,
            _ => Action::Slow { delay_ms: dice.below(40) },
        };
        world.sandbox.fault(Fault::new(method, action));
    }
}

fn killed_at_any_moment_no_chat_hears_twice(engine: Engine) {
    let seed = number_from("ZERKALO_TEST_SEED", 20_261_122);
    let wanted = number_from("ZERKALO_TEST_EVENINGS", 150);
    let mut dice = Dice(seed ^ 0x16);
    // Weeks of evenings pass in minutes: a chat's limit of messages a minute is not what is tried here.
    let options = sandbox::Options { telegram_limit: 1_000_000, ..sandbox::Options::default() };
    let mut world = with_readers(World::with(engine, options));
    world.expect(0, &["migrate"]);
    world.set("STOPLIST_MAX_GAP", "86400");
    stretch(&world, (1, 1), "Борщ", "0", "2026-11-20T12:00:00Z", None);
    let first = moment(TEN);
    let last = first + Days::new(wanted * 2);
    readings(&world, "2026-11-20T10:00:00Z", &last.to_rfc3339(), 24 * 60);
    let (mut killed, mut cut_off, mut whole, mut round) = (0, 0, 0, 0);
    while killed < wanted {
        round += 1;
        assert!(round < wanted * 2, "only {killed} runs were still alive when they were killed");
        disturb(&world, &mut dice);
        world.sandbox.clear_journal();
        let before = counts(&world);
        let slot = first + Days::new(round);
        world.set("ZERKALO_TEST_NOW", slot.to_rfc3339());
        // Killed once or twice: before, between or while messages are sent.
        for _ in 0..=dice.below(2) {
            let run = world.start(&EVENING);
            if dice.below(3) > 0 {
                let so_many = usize::try_from(dice.below(4)).unwrap();
                let patience = std::time::Instant::now() + Duration::from_millis(400);
                while sends(&world) <= so_many && std::time::Instant::now() < patience {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            thread::sleep(Duration::from_millis(dice.below(40)));
            killed += u64::from(run.kill());
            // A request that was sent before the kill may be handled after it.
            thread::sleep(Duration::from_millis(45));
        }
        world.sandbox.clear_faults();
        let resumed = world.run(&EVENING);
        assert!(matches!(resumed.code, Some(0 | 4)), "round {round}: {}", resumed.stdout);
        cut_off += resumed.stderr.matches("ended before the answer: it may have come").count();
        let heard = counts(&world);
        let key = format!("stoplist-report {}", slot.format("%Y-%m-%d"));
        let rows: Vec<[String; 5]> =
            deliveries(&world).into_iter().filter(|row| row[0].starts_with(&key)).collect();
        assert_eq!(rows.len(), 4, "round {round}: {rows:?}");
        for [key, chat, kind, state, _] in rows {
            let place = (usize::from(chat == ADMIN_CHAT), usize::from(kind == "photo"));
            let came = heard[place.0][place.1] - before[place.0][place.1];
            assert!(came <= 1, "round {round} of seed {seed}: {chat} has {came} times `{key}`");
            let is_told = matches!((state.as_str(), came), ("sent", 1) | ("unknown", _));
            assert!(is_told, "round {round} of seed {seed}: {key} {chat} {state} {came}");
            whole += u64::from(state == "sent");
        }
    }
    let mut told = format!(
        "{engine:?}: {killed} kills of seed {seed} in {round} evenings, {cut_off} messages cut off, "
    );
    let _ = write!(told, "{whole} known to have come");
    let _ = writeln!(std::io::stderr().lock(), "{told}");
    assert!(cut_off > 0, "no kill came while a message was being sent");
    assert!(whole > round, "messages come all the same");
}
