//! A scheduled job runs once for its slot, is resumed when it was cut off, and is never begun too late.

use super::{
    harness::{Engine, Outcome, World, block_on, on_both},
    process::Running,
    rows::Row,
};
use rustix::process::Signal;
use std::time::Duration;
use zerkalo::{
    sandbox::{Action, Fault},
    schedule::{Latest, Schedule},
    store::{Access, Database, slot::Claim},
};

on_both!(
    a_morning_is_run_once_for_its_slot,
    a_morning_of_which_every_step_is_skipped_has_nothing_to_do,
    a_start_before_the_slot_belongs_to_yesterdays,
    the_grace_is_counted_to_its_last_second,
    a_machine_that_was_off_makes_up_within_the_grace_only,
    a_killed_run_is_resumed_within_the_grace,
    what_failed_is_tried_again_and_what_only_warned_is_not,
    a_stopped_run_leaves_its_slot_to_the_next,
    of_many_starts_at_once_one_begins,
    another_host_is_kept_out_of_a_running_job,
    of_two_claims_exactly_one_holds,
    a_dry_run_has_no_part_in_the_slot,
    the_day_of_a_run_is_its_slots,
    a_start_by_hand_has_no_slot,
);

/// 07:00 in Kaliningrad on 2026-11-22.
const SEVEN: &str = "2026-11-22T05:00:00Z";
/// What cron runs.
const MORNING: [&str; 5] = ["full-morning", "--scheduled", "07:00", "--grace", "1h"];

/// The morning, started at this moment.
fn morning_at(world: &mut World, now: &str) -> Outcome {
    world.set("ZERKALO_TEST_NOW", now);
    world.sandbox.clear_journal();
    world.run(&MORNING)
}

/// The slots that the database knows: when, state, attempts, exit code.
pub(crate) fn slots(world: &World) -> Vec<[String; 4]> {
    let text = |row: &Row, name: &str| row[name].clone().unwrap_or_default();
    let rows = world.rows("job_slot");
    let mut slots: Vec<_> = rows
        .iter()
        .map(|row| ["slot_utc", "state", "attempts", "exit_code"].map(|name| text(row, name)))
        .map(|[at, state, attempts, code]| [at[..16].replace(' ', "T"), state, attempts, code])
        .collect();
    slots.sort();
    slots
}

fn slot(at: &str, state: &str, attempts: &str, code: &str) -> [String; 4] {
    [at, state, attempts, code].map(str::to_owned)
}

fn a_morning_is_run_once_for_its_slot(engine: Engine) {
    let mut world = World::new(engine);
    let first = morning_at(&mut world, "2026-11-22T05:00:03Z");
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.totals()[0] > 1000);
    assert_eq!(first.json["slot"]["found"], "fresh");
    assert_eq!(first.json["slot"]["at"], SEVEN);
    assert_eq!(first.json["slot"]["business_date"], "2026-11-22");
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "done", "1", "0")]);
    let (log, evidence) = (world.log(), world.evidence());
    for now in
        ["2026-11-22T05:10:00Z", "2026-11-22T05:50:00Z", "2026-11-22T06:00:00Z", "2026-11-23T04:59:59Z"]
    {
        let repeat = morning_at(&mut world, now);
        assert_eq!(repeat.code, Some(0), "{now}: {}", repeat.stdout);
        assert_eq!(repeat.json["slot"]["found"], "done", "{now}: done comes before too late");
        let note = repeat.json["slot"]["note"].as_str().unwrap();
        let said = format!("full-morning of 2026-11-22 07:00: already done by run {} at ", first.run_id());
        assert!(note.starts_with(&said) && note.contains("2026-11-22T05:00:"), "{note}");
        assert_eq!((repeat.steps().len(), world.asked().len()), (0, 0), "nobody is asked anything");
    }
    let quiet: Outcome = world.command(&MORNING).arg("-q").output().unwrap().into();
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
    let loud: Outcome = world.command(&MORNING).output().unwrap().into();
    assert!(loud.stdout.contains("already done by run"), "{}", loud.stdout);
    assert_eq!((world.log(), world.evidence()), (log, evidence));
    // The next day is another slot.
    let next = morning_at(&mut world, "2026-11-23T05:00:00Z");
    assert_eq!((next.code, next.json["slot"]["found"].as_str()), (Some(0), Some("fresh")));
    assert_eq!(slots(&world).len(), 2);
}

fn a_morning_of_which_every_step_is_skipped_has_nothing_to_do(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", "2026-11-23T07:05:00+02:00");
    let mut morning = vec!["full-morning"];
    for step in ["iiko", "fintablo", "stock", "min-stock", "min-stock-push", "push-mapping"] {
        morning.extend(["--skip", step]);
    }
    for more in [&["--dry-run"][..], &[], &["--scheduled", "07:00"]] {
        let outcome = world.start(&[&morning[..], more].concat()).finish_within(Duration::from_secs(20));
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert_eq!(outcome.steps().len(), 0);
    }
    assert_eq!(world.asked(), Vec::<String>::new());
}

fn a_start_before_the_slot_belongs_to_yesterdays(engine: Engine) {
    let mut world = World::new(engine);
    let early = morning_at(&mut world, "2026-11-22T04:59:58Z");
    assert_eq!(early.code, Some(12), "{}", early.stdout);
    let said = early.json["error"].as_str().unwrap();
    let expected =
        "full-morning of 2026-11-21 07:00: this start is 23 h 59 min late, and no more than 1 h 00 min";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(early.json["slot"]["found"], "misfired");
    assert_eq!(slots(&world), [slot("2026-11-21T05:00", "misfired", "0", "12")]);
    assert_eq!((world.asked().len(), world.log().len()), (0, 0));
    assert_eq!(morning_at(&mut world, SEVEN).code, Some(0));
}

fn the_grace_is_counted_to_its_last_second(engine: Engine) {
    for (now, code, state) in [("2026-11-22T06:00:00Z", 0, "done"), ("2026-11-22T06:00:01Z", 12, "misfired")]
    {
        let mut world = World::new(engine);
        assert_eq!(morning_at(&mut world, now).code, Some(code), "{now}");
        assert_eq!(slots(&world)[0][1], state, "{now}");
    }
    // Without --grace it is an hour; a wider one is taken at its word.
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", "2026-11-22T06:30:00Z");
    let late = world.expect(12, &["full-morning", "--scheduled", "07:00"]);
    assert!(late.json["hint"].as_str().unwrap().contains(" --late-ok"), "{}", late.json);
    let wide = world.expect(0, &["full-morning", "--scheduled", "07:00", "--grace", "1h30m"]);
    assert_eq!(wide.json["slot"]["found"], "fresh");
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "done", "1", "0")]);
}

fn a_machine_that_was_off_makes_up_within_the_grace_only(engine: Engine) {
    let mut world = World::new(engine);
    assert_eq!(morning_at(&mut world, "2026-11-22T05:40:00Z").code, Some(0), "off from 06:50 to 07:40");
    for now in ["2026-11-23T07:00:00Z", "2026-11-23T07:10:00Z"] {
        let late = morning_at(&mut world, now);
        assert_eq!(late.code, Some(12), "off from 06:50 to 09:00");
        assert_eq!(world.asked().len(), 0);
        let text: Outcome = world.command(&MORNING).arg("-q").output().unwrap().into();
        assert_eq!((text.code, text.stdout.as_str()), (Some(12), ""));
        assert_eq!(text.stderr.matches("error:").count(), 1, "{}", text.stderr);
    }
    let expected =
        [slot("2026-11-22T05:00", "done", "1", "0"), slot("2026-11-23T05:00", "misfired", "0", "12")];
    assert_eq!(slots(&world), expected);
}

fn a_killed_run_is_resumed_within_the_grace(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", SEVEN);
    let killed = world.start_and_hold(&MORNING, "products/list", Duration::from_secs(30));
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "running", "1", "")]);
    // A repeat while it lives.
    let busy = morning_at(&mut world, "2026-11-22T05:10:00Z");
    assert_eq!(busy.code, Some(11));
    let said = busy.json["error"].as_str().unwrap();
    assert!(said.starts_with("job full-morning is being used by `zerkalo full-morning` (process"), "{said}");
    assert!(killed.kill());
    let resumed = morning_at(&mut world, "2026-11-22T05:20:00Z");
    assert_eq!(resumed.code, Some(0), "{}", resumed.stdout);
    assert_eq!(resumed.json["slot"]["found"], "resumed");
    assert!(resumed.json["slot"]["note"].as_str().unwrap().contains("resumes what run"));
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "done", "2", "0")]);
    // One that nobody resumed in time is told of.
    world.sandbox.clear_journal();
    world.set("ZERKALO_TEST_NOW", "2026-11-23T05:00:00Z");
    let killed = world.start_and_hold(&MORNING, "products/list", Duration::from_secs(30));
    assert!(killed.kill());
    let late = morning_at(&mut world, "2026-11-23T07:00:00Z");
    assert_eq!(late.code, Some(12));
    assert!(
        late.json["error"].as_str().unwrap().ends_with("had begun with it and did not finish"),
        "{late:?}"
    );
    assert_eq!(slots(&world)[1], slot("2026-11-23T05:00", "misfired", "1", "12"));
}

fn what_failed_is_tried_again_and_what_only_warned_is_not(engine: Engine) {
    let mut world = World::new(engine);
    world.sandbox.fault(Fault::new("/v1/deal", Action::TooMany { retry_after: String::new() }).times(4));
    assert_eq!(morning_at(&mut world, SEVEN).code, Some(5));
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "running", "1", "5")]);
    // Most of a table that the first run filled is gone.
    world.sandbox.edit(|world| world.fintablo.get_mut("direction").unwrap().truncate(1));
    let again = morning_at(&mut world, "2026-11-22T05:10:00Z");
    assert_eq!((again.code, again.json["slot"]["found"].as_str()), (Some(4), Some("resumed")));
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "done", "2", "4")]);
    assert_eq!(morning_at(&mut world, "2026-11-22T05:20:00Z").json["slot"]["found"], "done");
    // What is refused before the work begins leaves the slot as it was.
    world.set("FINTABLO_TOKEN", "");
    assert_eq!(morning_at(&mut world, "2026-11-23T05:00:00Z").code, Some(2));
    assert_eq!(slots(&world).len(), 1);
}

fn a_stopped_run_leaves_its_slot_to_the_next(engine: Engine) {
    let mut world = World::new(engine);
    world.set("ZERKALO_TEST_NOW", SEVEN);
    let stopped = world.start_and_hold(&MORNING, "products/list", Duration::from_secs(20));
    stopped.signal(Signal::TERM);
    assert_eq!(stopped.finish_within(Duration::from_secs(10)).code, Some(143));
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "running", "1", "143")]);
    assert_eq!(morning_at(&mut world, "2026-11-22T05:10:00Z").json["slot"]["found"], "resumed");
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "done", "2", "0")]);
}

fn of_many_starts_at_once_one_begins(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["migrate"]);
    for day in 1..=3 {
        world.set("ZERKALO_TEST_NOW", format!("2026-11-0{day}T05:00:00Z"));
        let starts: Vec<Running> = (0..8).map(|_| world.start(&MORNING)).collect();
        let ends: Vec<Outcome> = starts.into_iter().map(Running::finish).collect();
        let worked = ends.iter().filter(|end| !end.steps().is_empty()).count();
        assert_eq!(worked, 1, "day {day}");
        assert!(ends.iter().all(|end| matches!(end.code, Some(0 | 11))), "{ends:?}");
        assert_eq!(slots(&world).len(), day);
        assert_eq!(slots(&world)[day - 1][1..], ["done", "1", "0"]);
    }
    world.assert_polite();
}

fn another_host_is_kept_out_of_a_running_job(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["migrate"]);
    world.set("ZERKALO_TEST_NOW", SEVEN);
    let first = world.start_and_hold(&MORNING, "products/list", Duration::from_secs(4));
    world.set("ZERKALO_STATE_DIR", world.home.path().join("other-host").display().to_string());
    let second = world.expect(11, &MORNING);
    let said = second.json["error"].as_str().unwrap();
    assert!(said.starts_with("job full-morning is being used by"), "{said}");
    assert_eq!(first.finish().code, Some(0));
    assert_eq!(world.expect(0, &MORNING).json["slot"]["found"], "done");
    assert_eq!(slots(&world), [slot("2026-11-22T05:00", "done", "1", "0")]);
}

fn of_two_claims_exactly_one_holds(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let at = chrono::NaiveTime::from_hms_opt(7, 0, 0).unwrap();
    let latest = Latest::Grace(Duration::from_hours(1));
    let schedule = Schedule { at, latest, day: None };
    let day = |day: u64| {
        let now = chrono::DateTime::parse_from_rfc3339(SEVEN).unwrap().to_utc() + chrono::Days::new(day);
        (schedule.slot("story", chrono_tz::Tz::Europe__Kaliningrad, now), now)
    };
    block_on(async {
        let database = Database::new(&world.database.as_str().into(), "public", 2000);
        let mut one = database.connect(Access::Write).await.unwrap();
        let mut two = database.connect(Access::Write).await.unwrap();
        for number in 0..25 {
            let (slot, now) = day(number);
            let claim =
                |run: u128, seen| Claim { slot: slot.clone(), seen, run: uuid::Uuid::from_u128(run), now };
            for seen in 0..3 {
                let (first, second) = (claim(1, seen), claim(2, seen));
                let (first, second) = tokio::join!(one.claim_slot(&first), two.claim_slot(&second));
                let (first, second) = (first.unwrap(), second.unwrap());
                assert!(first != second, "{number} {seen}: {first} {second}");
                let row = one.slot(&slot).await.unwrap().unwrap();
                assert_eq!(row.attempts, seen + 1);
                assert_eq!(row.run_id, uuid::Uuid::from_u128(if first { 1 } else { 2 }));
                // The one that came second cannot end what is not its own.
                let loser = uuid::Uuid::from_u128(if first { 2 } else { 1 });
                assert!(!two.finish_slot(&slot, loser, 0, now).await.unwrap());
            }
            let row = one.slot(&slot).await.unwrap().unwrap();
            assert!(one.finish_slot(&slot, row.run_id, 4, now).await.unwrap());
            assert!(!one.claim_slot(&claim(3, 3)).await.unwrap(), "what is done is not begun again");
            one.misfire_slot(&slot, uuid::Uuid::from_u128(4), now).await.unwrap();
            assert_eq!(two.slot(&slot).await.unwrap().unwrap().state.name(), "done");
            // A claim on what has gone meanwhile is none.
            let (other, _) = day(number + 1000);
            assert!(!one.claim_slot(&Claim { slot: other, ..claim(3, 1) }).await.unwrap());
        }
        one.close().await.unwrap();
        two.close().await.unwrap();
    });
}

fn a_dry_run_has_no_part_in_the_slot(engine: Engine) {
    let mut world = World::new(engine);
    let dry = [&MORNING[..], &["--dry-run"]].concat();
    // Too late, before anything is there, and after the slot is done: a plan is a plan.
    world.set("ZERKALO_TEST_NOW", "2026-11-22T15:00:00Z");
    let plan = world.expect(0, &dry);
    assert!(plan.totals()[0] > 1000 && plan.json["slot"].is_null());
    if engine == Engine::Sqlite {
        assert!(!world.file().exists(), "a dry run creates nothing");
    }
    let jobs = |world: &World| world.files().iter().any(|path| path.ends_with("job-full-morning.lock"));
    assert!(!jobs(&world));
    assert_eq!(morning_at(&mut world, SEVEN).code, Some(0));
    assert!(jobs(&world));
    let before = world.rows("job_slot");
    world.set("ZERKALO_TEST_NOW", "2026-11-22T05:10:00Z");
    assert_eq!(world.expect(0, &dry).steps().len(), plan.steps().len());
    assert_eq!(world.rows("job_slot"), before);
}

fn the_day_of_a_run_is_its_slots(engine: Engine) {
    for zone in ["UTC", "Europe/Moscow", "America/Los_Angeles", "Pacific/Kiritimati", ":/nowhere", ""] {
        let mut world = World::new(engine);
        world.set("TZ", zone);
        // 00:20 on the 23rd in Kaliningrad.
        world.set("ZERKALO_TEST_NOW", "2026-11-22T22:20:00Z");
        let run = world.expect(0, &["sync", "fintablo", "--scheduled", "23:45"]);
        assert_eq!(run.json["slot"]["business_date"], "2026-11-22", "TZ={zone}");
        assert_eq!(run.json["slot"]["at"], "2026-11-22T21:45:00Z", "TZ={zone}");
        let row = &world.rows("job_slot")[0];
        assert_eq!(row["business_date"].as_deref(), Some("2026-11-22"));
        assert_eq!(row["job"].as_deref(), Some("sync fintablo"));
        assert_eq!(row["run_id"].as_deref(), Some(run.run_id()));
    }
}

fn a_start_by_hand_has_no_slot(engine: Engine) {
    let world = World::new(engine);
    let by_hand = world.expect(0, &["full-morning"]);
    assert!(by_hand.json["slot"].is_null());
    assert_eq!(world.count("job_slot"), 0);
    for wrong in [
        &["full-morning", "--grace", "1h"][..],
        &["full-morning", "--scheduled", "7 o'clock"],
        &["full-morning", "--scheduled", "07:00", "--grace", "25h"],
    ] {
        assert_eq!(world.run(wrong).code, Some(2), "{wrong:?}");
    }
}
