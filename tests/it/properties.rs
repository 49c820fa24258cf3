//! What holds of every decimal, key, slot and span, tried on many that chance has made.

use super::process::{Dice, number_from};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;
use zerkalo::{
    decimal::{amount, normalise, significant_digits},
    engine::{
        Table,
        row::{Row, Value, Values, encode_key, key_texts, push},
    },
    model::documents::{Kind, Payload, key},
    report::stoplist::span::{Span, total, union, without},
    schedule::{self, Latest, Schedule, Verdict},
};

/// The dice of a test, the same ones each time.
fn dice() -> Dice {
    Dice(number_from("ZERKALO_TEST_SEED", 20_261_122))
}

fn digits(dice: &mut Dice, most: u64) -> String {
    (0..dice.below(most + 1)).map(|_| char::from(b'0' + u8::try_from(dice.below(10)).unwrap())).collect()
}

/// A decimal as somebody writes it, and the same: its sign, its digits and the power of ten that belongs to them.
fn decimal(dice: &mut Dice) -> (String, (bool, String, i64)) {
    let (whole, fraction) = (digits(dice, 12), digits(dice, 12));
    let whole = if whole.is_empty() && fraction.is_empty() { "0".to_owned() } else { whole };
    let (minus, exponent) = (dice.below(2) == 0, i64::try_from(dice.below(61)).unwrap() - 30);
    let sign = ["", "+"][usize::try_from(dice.below(2)).unwrap()];
    let sign = if minus { "-" } else { sign };
    let mut text = format!("{sign}{whole}");
    if !fraction.is_empty() || dice.below(2) == 0 {
        text = format!("{text}.{fraction}");
    }
    let written = exponent != 0 || dice.below(2) == 0;
    if written {
        text = format!("{text}{}{exponent}", ["e", "E"][usize::try_from(dice.below(2)).unwrap()]);
    }
    (text, (minus, format!("{whole}{fraction}"), exponent - i64::try_from(fraction.len()).unwrap()))
}

/// The plain form of digits and their power of ten, by moving the point one place after the other.
fn plain(minus: bool, digits: &str, exponent: i64) -> String {
    let (mut whole, mut fraction) = (digits.to_owned(), String::new());
    for _ in 0..exponent.abs() {
        if exponent > 0 {
            whole.push('0');
        } else {
            fraction.insert(0, whole.pop().unwrap_or('0'));
        }
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let text = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    if minus && text != "0" { format!("-{text}") } else { text }
}

#[test]
fn a_decimal_has_one_plain_form_and_keeps_its_value() {
    let mut dice = dice();
    for _ in 0..20_000 {
        let (text, (minus, digits, exponent)) = decimal(&mut dice);
        let found = normalise(&text).unwrap_or_else(|| panic!("{text} is a decimal"));
        assert_eq!(found, plain(minus, &digits, exponent), "{text}");
        assert_eq!(normalise(&found).as_ref(), Some(&found), "the plain form is its own");
        let counted = found.chars().filter(char::is_ascii_digit).collect::<String>();
        assert_eq!(significant_digits(&found), counted.trim_matches('0').len(), "{found}");
        // What is read as an amount is shown as it is, to the last digit.
        if let Some(amount) = amount::parse(&text) {
            assert_eq!(amount::show(amount), found);
            assert_eq!(amount::parse(&found), Some(amount));
        } else {
            assert!(found.len() > 28, "{found} fits an amount");
        }
    }
}

#[test]
fn what_is_no_decimal_stays_none() {
    let mut dice = dice();
    for _ in 0..20_000 {
        let (text, _) = decimal(&mut dice);
        let strange = ['x', ',', ' ', '_', '٣', '\0', ':'][usize::try_from(dice.below(7)).unwrap()];
        let place = usize::try_from(dice.below(text.len() as u64 - 1)).unwrap() + 1;
        if place < text.len() {
            let text = format!("{}{strange}{}", &text[..place], &text[place..]);
            assert_eq!(normalise(&text), None, "{text}");
        }
    }
}

/// A table whose key is a uuid, a number and a text.
fn table() -> &'static Table {
    const COLUMNS: &[zerkalo::engine::Column] = &[
        zerkalo::engine::Column::uuid("id", "id"),
        zerkalo::engine::Column::int("number", "number"),
        zerkalo::engine::Column::text("word", "word"),
    ];
    const TABLE: Table =
        Table { key: &["id", "number", "word"], ..Table::keyed_by_id("x", "ключи", COLUMNS) };
    &TABLE
}

fn word(dice: &mut Dice) -> String {
    let signs = ["a", "b", "я", "\0", "\u{1f355}", " ", "\u{ff}"];
    (0..dice.below(4)).map(|_| signs[usize::try_from(dice.below(7)).unwrap()]).collect()
}

#[test]
fn keys_and_rows_read_back_and_no_two_share_their_bytes() {
    let mut dice = dice();
    let mut keys: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for _ in 0..5_000 {
        let id = Uuid::from_u128(u128::from(dice.below(3)) << dice.below(120));
        let number = i64::from_ne_bytes(dice.below(u64::MAX).to_ne_bytes()) >> dice.below(64);
        let word = word(&mut dice);
        let values = [Value::Uuid(id), Value::Int(number), Value::Text(&word)];
        let key = encode_key(values);
        let texts = vec![id.hyphenated().to_string(), number.to_string(), word.clone()];
        assert_eq!(key_texts(table(), &key), texts);
        assert_eq!(keys.entry(key.to_vec()).or_insert_with(|| texts.clone()), &texts, "two keys share bytes");

        let (text, _) = decimal(&mut dice);
        let text = normalise(&text).unwrap();
        let more = [Value::Null, Value::Bool(dice.below(2) == 0), Value::Decimal(&text)];
        let values: Vec<Value<'_>> = values.into_iter().chain(more).collect();
        let mut pushed = Vec::new();
        for value in &values {
            push(&mut pushed, *value);
        }
        assert_eq!(Values::of(&pushed).collect::<Vec<_>>(), values);
        let mut bytes = Vec::new();
        Row::encode(&mut bytes, &[7; 16], &pushed);
        assert_eq!(Row::decode(&bytes).key(&[0, 1, 2]), key);
    }
    assert!(keys.len() > 1_000, "only {} keys", keys.len());
}

#[test]
fn a_documents_number_is_of_what_it_is_about() {
    let mut dice = dice();
    let mut about: BTreeMap<String, (Payload, String, u32)> = BTreeMap::new();
    for _ in 0..2_000 {
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new(dice.below(700));
        let mut payload = Payload {
            kind: if dice.below(2) == 0 { Kind::Transfer } else { Kind::Writeoff },
            number: String::new(),
            date_incoming: day.and_hms_opt(23, 0, 0).unwrap(),
            from: Uuid::from_u128(dice.below(4).into()),
            to: Uuid::from_u128(dice.below(1 << 40).into()),
            comment: word(&mut dice),
            lines: Vec::new(),
        };
        let (subject, sequence) = (word(&mut dice), 1 + u32::try_from(dice.below(3)).unwrap());
        let numbers = |payload: &Payload| -> Vec<String> {
            key::numbers(payload, &subject, sequence).take(12).collect()
        };
        let found = numbers(&payload);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 12, "each is another");
        let begin = format!("{}{}-", found[0].chars().next().unwrap(), day.format("%y%m%d"));
        assert!(found.iter().all(|number| number.len() == 16 && number.starts_with(&begin)), "{found:?}");
        // What it says has no part in it: the same plan gets the same number whoever makes it.
        payload.comment.clear();
        assert_eq!(numbers(&payload), found);
        let known =
            about.entry(found[0].clone()).or_insert_with(|| (payload.clone(), subject.clone(), sequence));
        assert_eq!(known, &(payload, subject.clone(), sequence), "{} is of two documents", found[0]);
    }
}

/// A moment of the thirty years around 2026.
fn moment(dice: &mut Dice) -> DateTime<Utc> {
    let seconds = 1_262_304_000 + i64::try_from(dice.below(30 * 366 * 86_400)).unwrap();
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn time(dice: &mut Dice) -> NaiveTime {
    NaiveTime::from_hms_opt(0, 0, 0).unwrap()
        + TimeDelta::minutes(i64::try_from(dice.below(24 * 60)).unwrap())
}

#[test]
fn a_slot_has_come_and_the_next_one_has_not() {
    let mut dice = dice();
    for _ in 0..1_500 {
        let zone: Tz = TZ_VARIANTS[usize::try_from(dice.below(TZ_VARIANTS.len() as u64)).unwrap()];
        let (now, at) = (moment(&mut dice), time(&mut dice));
        let told = format!("{at} in {zone} at {now}");
        let (latest, next) = (schedule::latest_slot(at, zone, now), schedule::next_slot(at, zone, now));
        assert!(latest <= now && now < next, "{told}: {latest} {next}");
        // A day, give or take what a zone changes its clocks by, and a day that it leaves out.
        assert!(next - latest <= TimeDelta::hours(50), "{told}: {latest} {next}");
        assert_eq!(schedule::latest_slot(at, zone, latest), latest, "{told}");
        assert_eq!(schedule::latest_slot(at, zone, next), next, "{told}");
        assert_eq!(schedule::next_slot(at, zone, latest), next, "{told}");
        // The slot of a start is the same however late it comes.
        let grace = Duration::from_secs(dice.below(90_000));
        let due = Schedule { at, latest: Latest::Grace(grace), day: None };
        let slot = due.slot("job", zone, now);
        assert_eq!((slot.at, slot.business_date()), (latest, latest.with_timezone(&zone).date_naive()));
        assert_eq!(due.slot("job", zone, next - TimeDelta::seconds(1)), slot, "{told}");
        let late = TimeDelta::from_std(grace).unwrap();
        assert_eq!(slot.verdict(latest + late, None), Verdict::Fresh, "{told}");
        let misfired = slot.verdict(latest + late + TimeDelta::seconds(1), None);
        assert!(matches!(misfired, Verdict::Misfire { .. }), "{told}: {misfired:?}");
    }
}

#[test]
fn spans_are_sets_of_moments() {
    let mut dice = dice();
    let zero = moment(&mut dice);
    let at = |second: u64| zero + TimeDelta::seconds(i64::try_from(second).unwrap());
    for _ in 0..5_000 {
        let mut some = |count: u64| -> Vec<Span> {
            let mut one = || at(dice.below(40));
            (0..count).map(|_| Span { from: one(), to: one() }).collect()
        };
        let (spans, others) = (some(6), some(3));
        let covers =
            |spans: &[Span], moment| spans.iter().any(|span| span.from <= moment && moment < span.to);
        let whole = Span { from: at(5), to: at(35) };
        let (joined, holes) = (union(spans.clone()), union(others.clone()));
        let left = without(whole, &holes);
        for second in 0..40 {
            let moment = at(second);
            assert_eq!(covers(&joined, moment), covers(&spans, moment), "{spans:?}");
            let is_left = covers(&[whole], moment) && !covers(&others, moment);
            assert_eq!(covers(&left, moment), is_left, "{others:?}");
        }
        for set in [&joined, &left] {
            assert!(set.windows(2).all(|pair| pair[0].to < pair[1].from), "apart and in order: {set:?}");
            let seconds = (0..40).filter(|second| covers(set, at(*second))).count();
            assert_eq!(total(set), TimeDelta::seconds(i64::try_from(seconds).unwrap()), "{set:?}");
        }
        let cut: Vec<Span> = joined.iter().filter_map(|span| span.within(whole)).collect();
        assert_eq!(total(&cut) + total(&without(whole, &joined)), whole.length());
    }
}

#[test]
fn decimals_are_ordered_as_numbers_are() {
    let mut dice = dice();
    for _ in 0..5_000 {
        let texts = [0; 2].map(|_| amount::parse(&decimal(&mut dice).0));
        let [Some(one), Some(other)] = texts else { continue };
        let (shown, float) = ([one, other].map(amount::show), |text: &str| text.parse::<f64>().unwrap());
        let expected = float(&shown[0]).partial_cmp(&float(&shown[1])).unwrap();
        assert!(expected == Ordering::Equal || one.cmp(&other) == expected, "{shown:?}");
    }
}
