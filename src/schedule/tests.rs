use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

fn daily(at: &str, latest: Latest) -> Schedule {
    Schedule { at: time(at), latest, day: None }
}

#[track_caller]
fn assert_slot(zone: Tz, scheduled: &str, now: &str, slot: &str) {
    assert_eq!(latest_slot(time(scheduled), zone, utc(now)), utc(slot), "{scheduled} in {zone} at {now}");
}

#[test]
fn the_slot_is_the_latest_one_that_has_come() {
    let zone = Tz::Europe__Kaliningrad;
    assert_slot(zone, "07:00", "2026-11-22T04:59:59.999999Z", "2026-11-21T05:00:00Z");
    assert_slot(zone, "07:00", "2026-11-22T05:00:00Z", "2026-11-22T05:00:00Z");
    assert_slot(zone, "07:00", "2026-11-23T04:59:59Z", "2026-11-22T05:00:00Z");
    // Around the business's midnight, which is not UTC's.
    assert_slot(zone, "23:00", "2026-11-22T21:59:59Z", "2026-11-22T21:00:00Z");
    assert_slot(zone, "23:00", "2026-11-22T22:00:00Z", "2026-11-22T21:00:00Z");
    assert_slot(zone, "00:00", "2026-11-22T21:59:59Z", "2026-11-21T22:00:00Z");
    assert_slot(zone, "00:00", "2026-11-22T22:00:00Z", "2026-11-22T22:00:00Z");
    assert_slot(Tz::Pacific__Kiritimati, "23:00", "2026-11-22T10:00:00Z", "2026-11-22T09:00:00Z");
    assert_slot(Tz::America__Los_Angeles, "23:00", "2026-11-22T06:59:00Z", "2026-11-21T07:00:00Z");
}

#[test]
fn the_zone_is_its_history_not_an_offset() {
    let zone = Tz::Europe__Kaliningrad;
    // On 2011-03-27 Kaliningrad went from +02 to +03 for good: 02:00 to 03:00 was left out.
    assert_slot(zone, "07:00", "2011-03-26T12:00:00Z", "2011-03-26T05:00:00Z");
    assert_slot(zone, "07:00", "2011-03-27T12:00:00Z", "2011-03-27T04:00:00Z");
    assert_slot(zone, "02:30", "2011-03-27T12:00:00Z", "2011-03-27T00:00:00Z");
    assert_slot(zone, "02:30", "2011-03-26T23:59:59Z", "2011-03-26T00:30:00Z");
    assert_slot(zone, "02:30", "2011-03-28T12:00:00Z", "2011-03-27T23:30:00Z");
    // On 2014-10-26 it went back to +02: 01:00 to 02:00 came twice.
    assert_slot(zone, "01:30", "2014-10-25T22:29:59Z", "2014-10-24T22:30:00Z");
    assert_slot(zone, "01:30", "2014-10-25T22:30:00Z", "2014-10-25T22:30:00Z");
    assert_slot(zone, "01:30", "2014-10-25T23:45:00Z", "2014-10-25T22:30:00Z");
    assert_slot(zone, "07:00", "2014-10-26T12:00:00Z", "2014-10-26T05:00:00Z");
}

#[test]
fn a_gap_moves_a_slot_to_its_end_and_a_fold_keeps_the_first() {
    let zone = Tz::Europe__Berlin;
    // 2026-03-29: 02:00 to 03:00 is left out.
    assert_slot(zone, "02:30", "2026-03-29T00:59:59Z", "2026-03-28T01:30:00Z");
    assert_slot(zone, "02:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z");
    assert_slot(zone, "02:30", "2026-03-29T20:00:00Z", "2026-03-29T01:00:00Z");
    let schedule = daily("02:30", Latest::Grace(Duration::from_hours(1)));
    let slot = schedule.slot("full-morning", zone, utc("2026-03-29T01:30:00Z"));
    assert_eq!(slot.local.to_string(), "2026-03-29 03:00:00");
    assert_eq!(slot.business_date().to_string(), "2026-03-29");
    // 2026-10-25: 02:00 to 03:00 comes twice; the second one is no slot of its own.
    assert_slot(zone, "02:30", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z");
    assert_slot(zone, "02:30", "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z");
    assert_slot(zone, "02:30", "2026-10-26T01:29:59Z", "2026-10-25T00:30:00Z");
    assert_slot(zone, "02:30", "2026-10-26T01:30:00Z", "2026-10-26T01:30:00Z");
    // Samoa had no 30 December 2011.
    assert_slot(Tz::Pacific__Apia, "07:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z");
    assert_slot(Tz::Pacific__Apia, "07:00", "2011-12-30T09:59:59Z", "2011-12-29T17:00:00Z");
}

#[test]
fn every_day_has_one_slot() {
    for zone in [Tz::Europe__Kaliningrad, Tz::Europe__Berlin, Tz::Australia__Lord_Howe] {
        for scheduled in ["02:15", "23:00"] {
            let scheduled = time(scheduled);
            let first = utc("2008-01-05T12:00:00Z");
            let mut slots = std::collections::BTreeSet::new();
            for half_days in 0..2 * 15 * 365 {
                let now = first + TimeDelta::hours(12 * half_days);
                let slot = latest_slot(scheduled, zone, now);
                assert!(slot <= now && now - slot < TimeDelta::hours(25), "{zone} {now} {slot}");
                slots.insert(slot);
            }
            let mut days = std::collections::BTreeSet::new();
            for slot in slots {
                // Just before it, it has not come.
                assert!(latest_slot(scheduled, zone, slot - TimeDelta::seconds(1)) < slot, "{zone} {slot}");
                let local = slot.with_timezone(&zone).naive_local();
                assert!(local.time() >= scheduled, "{zone} {local}");
                assert!(days.insert(local.date()), "{zone} {local}: twice a day");
            }
            assert!((15 * 365..=15 * 365 + 1).contains(&days.len()), "{zone} {scheduled}: {}", days.len());
        }
    }
}

/// When a slot at `scheduled` may begin last that must not begin later than `until`, for a start at `now`.
#[track_caller]
fn assert_until(zone: Tz, (scheduled, until): (&str, &str), now: &str, last: &str) {
    let slot = daily(scheduled, Latest::TimeOfDay(time(until))).slot("full-morning", zone, utc(now));
    assert_eq!(slot.at + slot.grace, utc(last), "{scheduled} until {until} in {zone} at {now}");
    let (last, second) = (utc(last), TimeDelta::seconds(1));
    assert!(!slot.is_late(last) && slot.is_late(last + second), "{slot}");
}

#[test]
fn the_last_moment_is_on_the_wall_clock() {
    let zone = Tz::Europe__Kaliningrad;
    assert_until(zone, ("23:00", "23:55"), "2026-11-22T21:00:00Z", "2026-11-22T21:55:00Z");
    assert_until(zone, ("23:00", "23:55"), "2026-11-22T20:59:59Z", "2026-11-21T21:55:00Z");
    // Past midnight, and up to the slot's own time a day later.
    assert_until(zone, ("23:00", "00:30"), "2026-11-22T22:10:00Z", "2026-11-22T22:30:00Z");
    assert_until(zone, ("23:00", "23:00"), "2026-11-22T22:10:00Z", "2026-11-23T21:00:00Z");
    // Berlin, 2026-03-29: what is between 02:00 and 03:00 is left out, and the grace is what it would have been.
    let zone = Tz::Europe__Berlin;
    assert_until(zone, ("02:00", "02:45"), "2026-03-29T01:10:00Z", "2026-03-29T01:45:00Z");
    assert_until(zone, ("01:30", "02:45"), "2026-03-29T01:10:00Z", "2026-03-29T01:45:00Z");
    assert_until(zone, ("01:30", "04:00"), "2026-03-29T01:10:00Z", "2026-03-29T02:00:00Z");
    // 2026-10-25: 02:00 to 03:00 comes twice, and the first one counts for both ends.
    assert_until(zone, ("02:00", "02:45"), "2026-10-25T01:10:00Z", "2026-10-25T00:45:00Z");
    assert_until(zone, ("01:30", "04:00"), "2026-10-25T01:10:00Z", "2026-10-25T03:00:00Z");
    // Kaliningrad on the days of its two changes.
    let zone = Tz::Europe__Kaliningrad;
    assert_until(zone, ("23:00", "23:55"), "2011-03-27T20:10:00Z", "2011-03-27T20:55:00Z");
    assert_until(zone, ("01:15", "01:45"), "2014-10-25T22:20:00Z", "2014-10-25T22:45:00Z");
}

#[test]
fn a_day_can_be_chosen_however_late_it_is() {
    let schedule = Schedule { day: Some("2026-11-20".parse().unwrap()), ..daily("07:00", Latest::Never) };
    let slot = schedule.slot("full-morning", Tz::Europe__Kaliningrad, utc("2026-11-22T12:00:00Z"));
    assert_eq!((slot.at, slot.business_date()), (utc("2026-11-20T05:00:00Z"), "2026-11-20".parse().unwrap()));
    assert!(!slot.is_late(utc("2036-01-01T00:00:00Z")));
    assert_eq!(slot.verdict(utc("2036-01-01T00:00:00Z"), Some(row(SlotState::Misfired, 0))), Verdict::Fresh);
}

fn row(state: SlotState, attempts: i64) -> SlotRow {
    let started_at = (attempts > 0).then(|| utc("2026-11-22T05:00:02Z"));
    SlotRow { state, run_id: Uuid::from_u128(7), started_at, finished_at: None, exit_code: None, attempts }
}

#[test]
fn a_start_is_judged_by_the_row_first_and_then_by_the_clock() {
    let schedule = daily("07:00", Latest::Grace(Duration::from_hours(1)));
    let judge = |now: &str, row: Option<SlotRow>| {
        let now = utc(now);
        schedule.slot("full-morning", Tz::Europe__Kaliningrad, now).verdict(now, row)
    };
    let done = row(SlotState::Done, 1);
    let cut = row(SlotState::Running, 1);
    assert_eq!(judge("2026-11-22T05:00:00Z", None), Verdict::Fresh);
    assert_eq!(judge("2026-11-22T06:00:00.999999Z", None), Verdict::Fresh, "the flags count whole seconds");
    let Verdict::Misfire { late, begun: None } = judge("2026-11-22T06:00:01Z", None) else { panic!() };
    assert_eq!(late, TimeDelta::seconds(3601));
    assert_eq!(judge("2026-11-22T05:30:00Z", Some(cut.clone())), Verdict::Resume(cut.clone()));
    assert_eq!(judge("2026-11-22T05:30:00Z", Some(done.clone())), Verdict::Done(done.clone()));
    assert_eq!(judge("2026-11-22T23:00:00Z", Some(done.clone())), Verdict::Done(done), "done is never late");
    let Verdict::Misfire { begun, .. } = judge("2026-11-22T23:00:00Z", Some(cut.clone())) else { panic!() };
    assert_eq!(begun, Some(cut));
    // A longer grace makes use of a slot that was told off before.
    assert_eq!(judge("2026-11-22T05:30:00Z", Some(row(SlotState::Misfired, 0))), Verdict::Fresh);
    let again = row(SlotState::Misfired, 2);
    assert_eq!(judge("2026-11-22T05:30:00Z", Some(again.clone())), Verdict::Resume(again));
}

#[test]
fn a_misfire_is_one_sentence_that_says_what_to_type() {
    let schedule = daily("23:00", Latest::Grace(Duration::from_mins(55)));
    let slot = schedule.slot("negative-transfer", Tz::Europe__Kaliningrad, utc("2026-11-22T22:30:00Z"));
    let failure = slot.misfire(TimeDelta::minutes(90), None);
    assert_eq!(
        failure.message,
        "negative-transfer of 2026-11-22 23:00: this start is 1 h 30 min late, and no more than 55 min 00 s is allowed"
    );
    assert_eq!(failure.kind.exit_code(), 12);
}

#[test]
fn only_finished_work_makes_a_slot_done() {
    for code in 0..=255 {
        let done = [0, 4].contains(&code);
        assert_eq!(SlotState::after(code) == SlotState::Done, done, "{code}");
    }
    for state in [SlotState::Running, SlotState::Done, SlotState::Misfired] {
        assert_eq!(state.name().parse(), Ok(state));
    }
    assert!("ready".parse::<SlotState>().is_err());
}

#[test]
fn the_next_slot_is_the_first_one_after_now() {
    let next = |now: &str| next_slot(time("07:00"), Tz::Europe__Kaliningrad, utc(now));
    assert_eq!(next("2026-11-22T04:59:59Z"), utc("2026-11-22T05:00:00Z"));
    assert_eq!(next("2026-11-22T05:00:00Z"), utc("2026-11-23T05:00:00Z"));
    assert_eq!(next("2026-11-22T22:30:00Z"), utc("2026-11-23T05:00:00Z"));
}
