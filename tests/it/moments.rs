//! A job with a slot, started at every moment that matters: on its last second, after midnight, on days whose clocks are
//! changed, on a machine that was off, by a crontab line that fires again and again, by hand.

use super::{
    harness::{Engine, Outcome, World, on_both},
    nights::Street,
};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::{
    ffi::OsStr,
    fs::File,
    io::{Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
};
use zerkalo::sandbox::{self, ADMIN_CHAT};

on_both!(
    a_night_is_begun_from_its_slot_up_to_its_last_second,
    a_machine_that_was_off_at_night_makes_up_or_tells_once,
    a_crontab_line_that_repeats_has_one_effect,
    on_days_of_changed_clocks_the_slot_comes_once,
    a_late_slot_is_run_by_hand_with_leave_only,
    tonights_slot_can_be_run_late_and_yesterdays_cannot,
    a_night_that_was_missed_is_made_up_for_by_the_next_evening,
    a_transfer_by_hand_after_midnight_takes_the_evenings_place,
);

/// The night, told to begin no later than 23:55.
const NIGHT: [&str; 5] = ["negative-transfer", "--scheduled", "23:00", "--not-later-than", "23:55"];

/// A street whose admins can be told.
fn street(engine: Engine) -> Street {
    let mut street = Street::with(engine, sandbox::Options { licences: 100, ..sandbox::Options::default() });
    let options = sandbox::Options::default();
    for (name, value) in [
        ("TELEGRAM_BASE_URL", street.world.sandbox.telegram_url()),
        ("TELEGRAM_BOT_TOKEN", options.telegram_token),
        ("TELEGRAM_ADMIN_CHAT_IDS", ADMIN_CHAT.to_owned()),
    ] {
        street.world.set(name, value);
    }
    street
}

/// What the admins were told of nights that were not begun.
fn alerts(world: &World) -> usize {
    let told = world.sandbox.world().telegram.messages(ADMIN_CHAT);
    told.iter().filter(|text| text.contains("не запускалось")).count()
}

/// A start so many seconds after 23:00 of the evening.
fn start(street: &mut Street, seconds: i64) -> Outcome {
    let eleven = street.moment(0) - TimeDelta::seconds(5);
    street.set_moment(eleven + TimeDelta::seconds(seconds));
    street.world.sandbox.clear_journal();
    street.world.run(&NIGHT)
}

fn a_night_is_begun_from_its_slot_up_to_its_last_second(engine: Engine) {
    let mut street = street(engine);
    for zone in ["UTC", "Europe/Moscow", "America/Los_Angeles", ""] {
        if zone.is_empty() {
            street.world.unset("TZ");
        } else {
            street.world.set("TZ", zone);
        }
        let all = [(55 * 60 + 1, 12), (60 * 60, 12), (55 * 60, 0), (55 * 60 - 1, 0), (0, 0), (-1, 12)];
        // The host's zone changes nothing: the others are tried at the end and at the beginning.
        for (seconds, code) in if zone == "UTC" { &all[..] } else { &all[4..] }.iter().copied() {
            street.next_evening();
            let (moved, told) = (if code == 0 { 9 } else { 0 }, alerts(&street.world));
            let begun = start(&mut street, seconds);
            assert_eq!(begun.code, Some(code), "TZ={zone}, {seconds} s: {} {}", begun.stdout, begun.stderr);
            assert_eq!(street.moved(), moved, "TZ={zone}, {seconds} s");
            assert_eq!(alerts(&street.world), told + usize::from(code == 12), "TZ={zone}, {seconds} s");
            // Whoever starts again finds it done, or is told once more that it is too late, and wakes nobody.
            let again = start(&mut street, seconds);
            assert_eq!((again.code, street.moved()), (Some(code), moved), "TZ={zone}, {seconds} s");
            assert_eq!(street.world.asked(), Vec::<String>::new(), "iiko is not asked again");
            assert_eq!(alerts(&street.world), told + usize::from(code == 12));
        }
        // A second before 23:00 it was yesterday's night that was missed; tonight's own has its turn.
        assert_eq!(start(&mut street, 0).code, Some(0));
        street.next_evening();
    }
}

fn a_machine_that_was_off_at_night_makes_up_or_tells_once(engine: Engine) {
    let mut street = street(engine);
    // Off from 22:50 to 23:40.
    street.next_evening();
    assert_eq!(start(&mut street, 40 * 60).code, Some(0));
    assert_eq!((street.moved(), alerts(&street.world)), (9, 0));
    // Off from 22:50 to 01:00, and then switched off and on a few times more.
    street.next_evening();
    for minutes in [120, 121, 180] {
        let late = start(&mut street, minutes * 60);
        assert_eq!(late.code, Some(12), "{}", late.stderr);
        assert_eq!(late.json["slot"]["found"], "misfired");
        assert_eq!((street.moved(), alerts(&street.world)), (0, 1));
    }
}

fn a_crontab_line_that_repeats_has_one_effect(engine: Engine) {
    let mut street = street(engine);
    street.next_evening();
    let mut found = Vec::new();
    for minutes in (0..60).step_by(10) {
        let quiet = {
            let moment = street.moment(minutes);
            street.set_moment(moment);
            let mut command = street.world.command(&NIGHT);
            Outcome::from(command.arg("-q").output().unwrap())
        };
        assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
        let repeat = start(&mut street, minutes * 60 + 30);
        assert_eq!(repeat.code, Some(0));
        found.push(repeat.json["slot"]["found"].clone());
        assert_eq!((street.moved(), street.world.asked().len()), (9, 0));
    }
    assert_eq!(found, vec!["done"; 6]);
    // At 00:50 it is done all the same: done comes before too late.
    assert_eq!(start(&mut street, 110 * 60).json["slot"]["found"], "done");
    let slots = street.world.query("select cast(attempts as text), state from job_slot");
    assert_eq!(slots, [[Some("1".to_owned()), Some("done".to_owned())]]);
}

fn on_days_of_changed_clocks_the_slot_comes_once(engine: Engine) {
    // Zone, slot, and starts: when, exit code, what is found of which slot.
    type Start<'a> = (&'a str, i32, &'a str, &'a str);
    let days: [(&str, &str, [Start<'_>; 3]); 5] = [
        // 02:00 to 03:00 is left out: the slot is at its end.
        (
            "Europe/Berlin",
            "02:30",
            [
                ("2026-03-29T00:59:59Z", 12, "misfired", "2026-03-28T01:30:00Z"),
                ("2026-03-29T01:00:00Z", 0, "fresh", "2026-03-29T01:00:00Z"),
                ("2026-03-29T01:30:00Z", 0, "done", "2026-03-29T01:00:00Z"),
            ],
        ),
        // 02:00 to 03:00 comes twice: the first one counts, and the second is a repetition.
        (
            "Europe/Berlin",
            "02:30",
            [
                ("2026-10-25T00:29:59Z", 12, "misfired", "2026-10-24T00:30:00Z"),
                ("2026-10-25T00:30:00Z", 0, "fresh", "2026-10-25T00:30:00Z"),
                ("2026-10-25T01:30:00Z", 0, "done", "2026-10-25T00:30:00Z"),
            ],
        ),
        // Kaliningrad went from +02 to +03 on this day, and back on the other one.
        (
            "Europe/Kaliningrad",
            "02:30",
            [
                ("2011-03-26T23:59:59Z", 12, "misfired", "2011-03-26T00:30:00Z"),
                ("2011-03-27T00:00:00Z", 0, "fresh", "2011-03-27T00:00:00Z"),
                ("2011-03-27T00:45:00Z", 0, "done", "2011-03-27T00:00:00Z"),
            ],
        ),
        (
            "Europe/Kaliningrad",
            "01:30",
            [
                ("2014-10-25T22:29:59Z", 12, "misfired", "2014-10-24T22:30:00Z"),
                ("2014-10-25T22:30:00Z", 0, "fresh", "2014-10-25T22:30:00Z"),
                ("2014-10-25T23:30:00Z", 0, "done", "2014-10-25T22:30:00Z"),
            ],
        ),
        (
            "Europe/Kaliningrad",
            "23:00",
            [
                ("2014-10-26T20:59:59Z", 12, "misfired", "2014-10-25T20:00:00Z"),
                ("2014-10-26T21:00:00Z", 0, "fresh", "2014-10-26T21:00:00Z"),
                ("2014-10-26T21:30:00Z", 0, "done", "2014-10-26T21:00:00Z"),
            ],
        ),
    ];
    for (zone, scheduled, starts) in days {
        for host in ["UTC", "Europe/Moscow"] {
            let mut world = World::new(engine);
            world.set("TIMEZONE", zone);
            world.set("TZ", host);
            let job = ["full-morning", "--skip", "iiko", "--skip", "stock", "--scheduled", scheduled];
            for (now, code, found, at) in starts {
                world.set("ZERKALO_TEST_NOW", now);
                let run = world.expect(code, &job);
                assert_eq!(
                    (&run.json["slot"]["found"], &run.json["slot"]["at"]),
                    (&found.into(), &at.into())
                );
            }
        }
    }
}

fn a_late_slot_is_run_by_hand_with_leave_only(engine: Engine) {
    let mut world = World::new(engine);
    let job = ["full-morning", "--skip", "iiko", "--skip", "stock", "--scheduled", "07:00"];
    let by_hand = |more: &[&'static str]| [&job[..], more].concat();
    world.set("ZERKALO_TEST_NOW", "2026-11-22T12:00:00Z");
    world.expect(12, &job);
    let without = world.run(&by_hand(&["--date", "2026-11-22"]));
    assert_eq!(without.code, Some(2));
    assert!(
        without.stderr.contains("add --late-ok") || without.stdout.contains("add --late-ok"),
        "{without:?}"
    );
    for wrong in [&["--late-ok"][..], &["--date", "2026-11-23", "--late-ok"], &["--date", "22.11.2026"]] {
        assert_eq!(world.run(&by_hand(wrong)).code, Some(2), "{wrong:?}");
    }
    assert_eq!(world.run(&["full-morning", "--date", "2026-11-22"]).code, Some(2), "a day needs its slot");
    assert_eq!(world.log().len(), 0);
    // On a terminal it asks; whoever does not say yes has said no.
    for (answer, code) in [("n\n", 2), ("\n", 2), ("y\n", 0)] {
        let (said, ended) = at_terminal(&world, &by_hand(&["--date", "2026-11-20"]), answer);
        let asked = "full-morning of 2026-11-20 07:00 is 55 h 00 min ago, and that is too late for it. Run it all the same?";
        assert!(said.contains(asked), "{said}");
        assert_eq!(ended, Some(code), "{answer}: {said}");
    }
    let run = world.expect(0, &by_hand(&["--date", "2026-11-22", "--late-ok"]));
    assert_eq!(run.json["slot"]["at"], "2026-11-22T05:00:00Z");
    assert_eq!(run.json["slot"]["business_date"], "2026-11-22");
    for more in [&[][..], &["--date", "2026-11-22", "--late-ok"]] {
        assert_eq!(world.expect(0, &by_hand(more)).json["slot"]["found"], "done");
    }
    // A slot that is not late needs no leave.
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:30:00Z");
    assert_eq!(world.expect(0, &by_hand(&["--date", "2026-11-23"])).json["slot"]["found"], "fresh");
}

fn tonights_slot_can_be_run_late_and_yesterdays_cannot(engine: Engine) {
    let mut street = street(engine);
    street.next_evening();
    let today = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).date_naive().to_string();
    assert_eq!(start(&mut street, 56 * 60).code, Some(12));
    let late = [&NIGHT[..], &["--date", &today, "--late-ok"]].concat();
    assert_eq!(street.world.run(&late[..7]).code, Some(2), "in a script it needs both flags");
    assert_eq!(street.moved(), 0);
    street.world.expect(0, &late);
    assert_eq!(street.moved(), 9);
    assert_eq!(street.world.expect(0, &late).json["slot"]["found"], "done");
    // After midnight no document is back-dated, whatever the flags.
    street.next_evening();
    let moment = street.moment(70);
    street.set_moment(moment);
    let yesterday = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).date_naive().to_string();
    let refused = street.world.command(&NIGHT).args(["--date", &yesterday, "--late-ok"]).output().unwrap();
    let refused = Outcome::from(refused);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("no document is back-dated"), "{}", refused.stderr);
    assert_eq!(street.moved(), 0);
}

/// A start so many minutes after 23:00, which comes too late; what it says to do.
fn missed(street: &mut Street, minutes: i64) -> String {
    let late = start(street, minutes * 60);
    assert_eq!((late.code, street.moved()), (Some(12), 0), "{}", late.stderr);
    late.json["hint"].as_str().unwrap().to_owned()
}

/// The first hour of the following day, and its evening.
const PAST_MIDNIGHT: i64 = 70;
const NEXT_EVENING: i64 = 24 * 60;

fn a_night_that_was_missed_is_made_up_for_by_the_next_evening(engine: Engine) {
    let mut street = street(engine);
    street.next_evening();
    // Before midnight there is something to be done about it.
    assert!(missed(&mut street, 56).contains("--late-ok"));
    // Once nothing is posted any more (transfer.deadline), no flag helps.
    for minutes in [59, PAST_MIDNIGHT] {
        let hint = missed(&mut street, minutes);
        assert!(!hint.contains("--late-ok"), "{minutes}: {hint}");
        let day = street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).date_naive();
        assert!(hint.starts_with(&format!("nothing is posted for {day} any more")), "{minutes}: {hint}");
        assert!(hint.contains("the next evening takes what is negative then"), "{minutes}: {hint}");
        let status = street.world.run(&["status"]);
        let problems = status.json["problems"].as_array().unwrap();
        let of_night = |problem: &&serde_json::Value| {
            problem["text"].as_str().unwrap().starts_with("negative-transfer of")
        };
        let told = problems.iter().find(of_night).unwrap_or_else(|| panic!("{}", status.stdout));
        assert!(told["hint"].as_str().unwrap().contains(&hint), "{minutes}: {told}");
    }
    let moment = street.moment(NEXT_EVENING);
    street.set_moment(moment);
    street.world.expect(0, &["sync", "iiko"]);
    street.world.expect(0, &NIGHT);
    assert_eq!(street.moved(), 9);
}

fn a_transfer_by_hand_after_midnight_takes_the_evenings_place(engine: Engine) {
    let mut street = street(engine);
    street.next_evening();
    let hint = missed(&mut street, PAST_MIDNIGHT);
    let said = "to take it sooner: zerkalo negative-transfer, without --scheduled; for stores that it makes documents \
                of, that day's evening makes none";
    assert!(hint.ends_with(said), "{hint}");
    street.world.expect(0, &["negative-transfer"]);
    assert_eq!(street.moved(), 9);
    // What has become negative again by the evening waits for a person or for the next one.
    street.world.sandbox.edit(|world| {
        for row in &mut world.balances {
            row["amount"] = (-5000).into();
        }
    });
    let moment = street.moment(NEXT_EVENING);
    street.set_moment(moment);
    street.world.expect(0, &["sync", "iiko"]);
    let evening = street.world.expect(4, &NIGHT);
    assert!(evening.stdout.contains("is the document of this day already"), "{}", evening.stdout);
    assert_eq!(street.moved(), 9);
}

/// Runs the binary at a terminal of its own, where a person types an answer: what was shown, and the exit code.
fn at_terminal(world: &World, arguments: &[&str], answer: &str) -> (String, Option<i32>) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let open = || File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).unwrap();
    let mut child = world.command(arguments).stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
    let mut screen = File::from(keyboard);
    screen.write_all(answer.as_bytes()).unwrap();
    // The terminal ends with its last process: reading it then fails.
    let mut said = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = screen.read(&mut part) {
        said.extend_from_slice(&part[..read]);
    }
    (String::from_utf8_lossy(&said).into_owned(), child.wait().unwrap().code())
}

#[test]
fn the_moments_are_what_they_are_called() {
    let utc = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
    let local = |moment: DateTime<Utc>| moment.with_timezone(&chrono_tz::Europe::Kaliningrad).to_rfc3339();
    assert_eq!(local(utc("2011-03-27T00:00:00Z")), "2011-03-27T03:00:00+03:00");
    assert_eq!(local(utc("2014-10-25T22:30:00Z")), "2014-10-26T01:30:00+03:00");
    assert_eq!(local(utc("2014-10-25T23:30:00Z")), "2014-10-26T01:30:00+02:00");
}
