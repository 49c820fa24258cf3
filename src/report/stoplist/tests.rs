use super::*;
use crate::config::Config;
use chrono::{NaiveDateTime, NaiveTime, TimeZone as _};
use std::time::Duration;

const ZONE: Tz = Tz::Europe__Kaliningrad;

fn settings() -> Stoplist {
    Config::default().stoplist
}

fn around(start: &str, end: &str) -> Stoplist {
    let time = |text| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
    Stoplist { day_start: time(start), day_end: time(end), ..settings() }
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A moment on Kaliningrad's wall clocks, the first of two.
fn at(text: &str) -> DateTime<Utc> {
    let format = if text.len() > 16 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    ZONE.from_local_datetime(&NaiveDateTime::parse_from_str(text, format).unwrap())
        .earliest()
        .unwrap()
        .to_utc()
}

/// A time of 2026-11-22.
fn time(text: &str) -> DateTime<Utc> {
    at(&format!("2026-11-22 {text}"))
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn stretch(product: u128, from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> Stretch {
    Stretch {
        organization_id: id(1),
        terminal_group_id: id(1),
        product_id: id(product),
        size_id: Uuid::nil(),
        name: format!("product {product}"),
        balance: Decimal::ZERO,
        started_at: from,
        ended_at: to,
    }
}

/// A stretch of 2026-11-22.
fn stop(product: u128, from: &str, to: &str) -> Stretch {
    stretch(product, time(from), Some(time(to)))
}

/// Readings of an organization every ten minutes.
fn every_ten_minutes(organization: u128, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Sample> {
    let steps = (0..).map(|step| from + TimeDelta::minutes(10 * step)).take_while(|at| *at <= to);
    steps.map(|taken_at| Sample { organization_id: id(organization), taken_at }).collect()
}

/// 2026-11-22, read without a break and told of at 22:00.
fn day(stretches: &[Stretch]) -> Day {
    let samples = every_ten_minutes(1, time("07:55"), time("21:55"));
    told(stretches, &samples, time("22:00"))
}

fn told(stretches: &[Stretch], samples: &[Sample], now: DateTime<Utc>) -> Day {
    let hours = Hours::of(date("2026-11-22"), ZONE, &settings());
    Day::of(hours, now, &settings(), stretches, samples)
}

fn times(day: &Day) -> Vec<(u128, i64)> {
    day.products.iter().map(|product| (product.id.as_u128(), product.minutes())).collect()
}

#[test]
fn a_stop_counts_to_the_minute_within_the_working_hours() {
    let day = day(&[
        stop(1, "10:15", "12:40"),
        // Before, over and after the hours.
        stop(2, "06:00", "08:07"),
        stop(3, "20:58", "23:00"),
        stop(4, "05:00", "08:00"),
        stop(5, "21:00", "22:00"),
        stretch(6, time("19:30"), None),
        stretch(7, at("2026-11-20 12:00"), None),
    ]);
    assert_eq!(times(&day), [(7, 13 * 60), (1, 145), (6, 90), (2, 7), (3, 2)]);
    assert_eq!(day.minutes(), 780 + 145 + 90 + 7 + 2);
    assert!(day.known && day.gaps.is_empty() && !day.is_in_progress());
}

#[test]
fn terminals_and_sizes_are_never_counted_twice() {
    let other = |stretch: Stretch| Stretch { terminal_group_id: id(2), ..stretch };
    let large = |stretch: Stretch| Stretch { size_id: id(9), ..stretch };
    let day = day(&[
        stop(1, "10:00", "11:00"),
        other(stop(1, "10:30", "11:30")),
        large(stop(1, "10:45", "10:50")),
        other(stop(1, "11:30", "11:40")),
        large(stop(1, "15:00", "15:01")),
    ]);
    assert_eq!(times(&day), [(1, 101)]);
    let spans = &day.products[0].stops;
    assert_eq!(spans[0], Span { from: time("10:00"), to: time("11:40") });
    assert_eq!(spans.len(), 2);
}

#[test]
fn a_limit_is_no_stop_unless_it_is_counted() {
    let balance = |text: &str, stretch| Stretch { balance: text.parse().unwrap(), ..stretch };
    let stretches = [
        balance("3", stop(1, "10:00", "11:00")),
        balance("0", stop(1, "11:00", "11:30")),
        balance("-0.5", stop(1, "11:30", "11:45")),
        balance("0.001", stop(2, "10:00", "11:00")),
    ];
    assert_eq!(times(&day(&stretches)), [(1, 45)]);
    let settings = Stoplist { count_limited: true, ..settings() };
    let samples = every_ten_minutes(1, time("07:55"), time("21:55"));
    let hours = Hours::of(date("2026-11-22"), ZONE, &settings);
    let counted = Day::of(hours, time("22:00"), &settings, &stretches, &samples);
    assert_eq!(times(&counted), [(1, 105), (2, 60)]);
}

#[test]
fn the_newest_name_is_shown_and_equals_are_sorted_by_it() {
    let named = |name: &str, stretch| Stretch { name: name.to_owned(), ..stretch };
    let day = day(&[
        named("Старое", stop(1, "10:00", "10:30")),
        named("яблоко", stop(1, "12:00", "12:30")),
        named("Среднее", stop(1, "11:00", "11:30")),
        named("Борщ", stop(2, "10:00", "11:30")),
    ]);
    let shown: Vec<&str> = day.products.iter().map(|product| product.name.as_str()).collect();
    assert_eq!(shown, ["Борщ", "яблоко"]);
}

#[test]
fn what_nobody_read_is_a_gap_and_no_stop() {
    let mut samples = every_ten_minutes(1, time("07:55"), time("12:05"));
    samples.extend(every_ten_minutes(1, time("14:10"), time("21:55")));
    let day = told(&[stop(1, "11:00", "15:00"), stop(2, "12:30", "13:00")], &samples, time("22:00"));
    assert_eq!(day.gaps, [Span { from: time("12:05"), to: time("14:10") }]);
    assert_eq!(times(&day), [(1, 65 + 50)]);
    assert!(day.known && !day.partly);
    // Half an hour is as far apart as readings may lie.
    let apart = |minutes: i64| {
        let mut samples = every_ten_minutes(1, time("07:55"), time("12:05"));
        let next = time("12:05") + TimeDelta::minutes(minutes);
        samples.extend(every_ten_minutes(1, next, time("21:59")));
        told(&[stop(1, "11:00", "15:00")], &samples, time("22:00"))
    };
    assert_eq!((times(&apart(30)), apart(30).gaps.len()), (vec![(1, 240)], 0));
    assert_eq!((times(&apart(31)), apart(31).gaps.len()), (vec![(1, 209)], 1));
}

#[test]
fn the_ends_of_the_day_have_gaps_too() {
    // The first reading ever was at 09:20, and the last one at 20:40.
    let samples = every_ten_minutes(1, time("09:20"), time("20:40"));
    let open = [stretch(1, time("09:20"), None)];
    let gaps = |day: &Day| -> Vec<(String, String)> {
        let local = |at: DateTime<Utc>| at.with_timezone(&ZONE).format("%H:%M").to_string();
        day.gaps.iter().map(|gap| (local(gap.from), local(gap.to))).collect()
    };
    let day = told(&open, &samples, time("22:00"));
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(gaps(&day), [pair("08:00", "09:20"), pair("20:40", "21:00")]);
    assert_eq!(times(&day), [(1, 680)]);
    // A report that is made at 21:05 does not know yet that nobody will read.
    assert_eq!(gaps(&told(&open, &samples, time("21:05"))), [pair("08:00", "09:20")]);
    // A reading before the hours says what they began with, if it is fresh.
    let mut early = every_ten_minutes(1, time("07:45"), time("07:45"));
    early.extend(every_ten_minutes(1, time("08:10"), time("21:50")));
    let over = [stretch(1, time("07:45"), Some(time("08:10")))];
    assert_eq!(times(&told(&over, &early, time("22:00"))), [(1, 10)]);
    early[0].taken_at = time("07:35");
    assert_eq!(gaps(&told(&over, &early, time("22:00"))), [pair("08:00", "08:10")]);
    assert_eq!(times(&told(&over, &early, time("22:00"))), []);
}

#[test]
fn some_seconds_are_no_gap_to_tell_of() {
    // cron reads from 08:00 to 21:00; nobody reads at night.
    let mut samples = every_ten_minutes(1, at("2026-11-21 08:00"), at("2026-11-21 21:00"));
    samples.extend(every_ten_minutes(1, at("2026-11-22 08:00:07"), at("2026-11-22 21:00:07")));
    let day = told(&[], &samples, time("22:00"));
    assert_eq!(message(&day, true), "📊 Отчёт по стоп-листу за 22.11.2026\nСегодня стопов не было 🎉");
    let open = [stretch(1, at("2026-11-21 12:00"), None)];
    assert_eq!(times(&told(&open, &samples, time("22:00"))), [(1, 780)]);
    samples.retain(|sample| sample.taken_at < time("08:00") || sample.taken_at > time("08:05"));
    assert_eq!(told(&open, &samples, time("22:00")).gaps.len(), 1);
}

#[test]
fn without_a_reading_nothing_is_known() {
    let open = [stretch(1, at("2026-11-21 12:00"), None)];
    let nothing = told(&open, &[], time("22:00"));
    assert!(!nothing.known && nothing.products.is_empty());
    let yesterday = every_ten_minutes(1, at("2026-11-21 08:00"), at("2026-11-21 21:00"));
    let nothing = told(&open, &yesterday, time("22:00"));
    assert!(!nothing.known && nothing.products.is_empty(), "{nothing:?}");
    assert_eq!(nothing.gaps, [nothing.hours.span]);
    // One reading in the day says what was at that moment, and no more.
    let once = [Sample { organization_id: id(1), taken_at: time("12:00") }];
    assert!(!told(&open, &once, time("22:00")).known);
}

#[test]
fn another_organizations_gap_does_not_hide_what_is_known() {
    let elsewhere = |stretch: Stretch| Stretch { organization_id: id(2), ..stretch };
    let mut samples = every_ten_minutes(1, time("07:55"), time("21:55"));
    samples.extend(every_ten_minutes(2, time("07:55"), time("10:05")));
    let stretches = [
        stop(1, "09:00", "11:00"),
        elsewhere(stretch(1, time("08:30"), None)),
        elsewhere(stretch(2, time("10:00"), None)),
    ];
    let day = told(&stretches, &samples, time("22:00"));
    assert_eq!(times(&day), [(1, 150), (2, 5)]);
    assert_eq!(day.gaps, [Span { from: time("10:05"), to: time("21:00") }]);
    assert!(day.known && day.partly);
    // One that left the chain long ago has no gaps and no stops any more.
    let left = Sample { organization_id: id(2), taken_at: at("2026-11-14 12:00") };
    let mut samples = every_ten_minutes(1, time("07:55"), time("21:55"));
    samples.push(left);
    let day = told(&stretches, &samples, time("22:00"));
    assert_eq!((times(&day), day.gaps.len(), day.partly), (vec![(1, 120)], 0, false));
}

#[test]
fn a_day_in_progress_ends_now() {
    let samples = every_ten_minutes(1, time("07:55"), time("14:55"));
    let day = told(&[stretch(1, time("14:00"), None)], &samples, time("15:00"));
    assert!(day.is_in_progress());
    assert_eq!((times(&day), day.until), (vec![(1, 60)], time("15:00")));
    assert_eq!(day.gaps, []);
    let late = told(&[stretch(1, time("14:00"), None)], &samples, time("15:26"));
    assert_eq!(times(&late), [(1, 55)]);
    assert_eq!(late.gaps, [Span { from: time("14:55"), to: time("15:26") }]);
}

#[test]
fn hours_may_go_over_midnight() {
    let settings = around("18:00", "02:00");
    let hours = Hours::of(date("2026-11-22"), ZONE, &settings);
    assert_eq!(hours.span, Span { from: time("18:00"), to: at("2026-11-23 02:00") });
    let samples = every_ten_minutes(1, time("17:55"), at("2026-11-23 02:55"));
    let stretches = [
        stretch(1, time("23:10"), Some(at("2026-11-23 01:25"))),
        stretch(2, at("2026-11-23 01:30"), None),
        stop(3, "12:00", "18:20"),
    ];
    let day = Day::of(hours, at("2026-11-23 03:00"), &settings, &stretches, &samples);
    assert_eq!(times(&day), [(1, 135), (2, 30), (3, 20)]);
    // Which hours are the latest: those that have begun.
    let latest = |now| Hours::latest(now, ZONE, &settings).date.to_string();
    assert_eq!(latest(at("2026-11-23 03:00")), "2026-11-22");
    assert_eq!(latest(at("2026-11-23 17:59")), "2026-11-22");
    assert_eq!(latest(at("2026-11-23 18:01")), "2026-11-23");
}

#[test]
fn where_clocks_are_changed_time_is_real() {
    // On 2011-03-27 two o'clock was three: a working night of 22:00–06:00 had seven hours. On 2014-10-26 two o'clock was
    // one: it had nine.
    let settings = around("22:00", "06:00");
    for (evening, morning, length) in [("2011-03-26", "2011-03-27", 7), ("2014-10-25", "2014-10-26", 9)] {
        let hours = Hours::of(date(evening), ZONE, &settings);
        assert_eq!(hours.span.length(), TimeDelta::hours(length), "{evening}");
        let (from, to) = (at(&format!("{evening} 22:00")), at(&format!("{morning} 06:00")));
        assert_eq!(hours.span, Span { from, to });
        let samples = every_ten_minutes(1, from, to);
        let over = [
            stretch(1, from - TimeDelta::hours(1), None),
            stretch(2, at(&format!("{evening} 23:30")), Some(at(&format!("{morning} 04:15")))),
        ];
        let day = Day::of(hours, to + TimeDelta::hours(1), &settings, &over, &samples);
        let usual = 285;
        assert_eq!(times(&day), [(1, length * 60), (2, usual + (length - 8) * 60)], "{evening}");
    }
    // A working day is as long as ever, whatever the night did.
    for day in ["2011-03-27", "2014-10-26"] {
        let hours = Hours::of(date(day), ZONE, &self::settings());
        assert_eq!(hours.span.length(), TimeDelta::hours(13));
        assert_eq!(hours.span.from, at(&format!("{day} 08:00")));
    }
    assert_eq!(
        Hours::of(date("2011-03-27"), ZONE, &self::settings()).span.from.format("%H").to_string(),
        "05"
    );
    assert_eq!(
        Hours::of(date("2014-10-27"), ZONE, &self::settings()).span.from.format("%H").to_string(),
        "06"
    );
}

#[test]
fn times_are_rounded_to_the_nearest_minute_and_lines_add_up() {
    let seconds =
        |product, seconds| stretch(product, time("10:00"), Some(time("10:00") + TimeDelta::seconds(seconds)));
    let day = day(&[seconds(1, 1), seconds(2, 89), seconds(3, 90), seconds(4, 149), seconds(5, 150)]);
    assert_eq!(times(&day), [(5, 3), (3, 2), (4, 2), (1, 1), (2, 1)]);
    assert_eq!(day.minutes(), 9);
    // Pieces are added before they are rounded.
    let pieces = [20, 21, 22].map(|minute| {
        let from = time(&format!("11:{minute}"));
        stretch(1, from, Some(from + TimeDelta::seconds(20)))
    });
    assert_eq!(times(&self::day(&pieces)), [(1, 1)]);
}

#[test]
fn the_text_is_as_staff_know_it() {
    let named = |name: &str, stretch| Stretch { name: name.to_owned(), ..stretch };
    let day =
        day(&[named("Борщ", stop(1, "10:15", "12:40")), named("Соль\nморская", stop(2, "09:00", "20:30"))]);
    assert_eq!(
        message(&day, true),
        "📊 Отчёт по стоп-листу за 22.11.2026\n\
         ▫️ Соль морская — 11:30\n\
         ▫️ Борщ — 02:25\n\
         Всего позиций в стопе сегодня: 2\n\
         Суммарное время: 13:55"
    );
    assert!(message(&day, false).contains("Всего позиций в стопе за день: 2"));
    let nothing = self::day(&[]);
    assert_eq!(message(&nothing, true), "📊 Отчёт по стоп-листу за 22.11.2026\nСегодня стопов не было 🎉");
    assert_eq!(message(&nothing, false), "📊 Отчёт по стоп-листу за 22.11.2026\nСтопов не было 🎉");
}

#[test]
fn the_text_tells_what_nobody_knows() {
    let mut samples = every_ten_minutes(1, time("07:55"), time("10:05"));
    samples.extend(every_ten_minutes(1, time("11:10"), time("21:55")));
    let day = told(&[stop(1, "12:00", "13:00")], &samples, time("22:00"));
    let text = message(&day, true);
    assert!(text.ends_with("\n⚠️ Нет данных: 10:05–11:10 (всего 01:05), это время не учтено"), "{text}");
    let day = told(&[], &samples, time("22:00"));
    let text = message(&day, true);
    assert!(text.contains("\nСтопов не замечено, но данные неполные.\n⚠️ Нет данных: 10:05–11:10"), "{text}");
    assert!(!text.contains("не было"), "{text}");
    // Many gaps are counted.
    let hourly: Vec<Sample> = (8..22)
        .map(|hour| Sample { organization_id: id(1), taken_at: time(&format!("{hour:02}:00")) })
        .collect();
    let text = message(&told(&[], &hourly, time("22:00")), true);
    assert!(
        !told(&[], &hourly, time("22:00")).known && text.contains("Нет данных: за рабочие часы"),
        "{text}"
    );
    let mut pairs = hourly.clone();
    pairs.extend(
        hourly.iter().map(|sample| Sample { taken_at: sample.taken_at + TimeDelta::minutes(5), ..*sample }),
    );
    pairs.extend(every_ten_minutes(2, time("07:55"), time("21:55")));
    let text = message(&told(&[], &pairs, time("22:00")), true);
    // Between 08:05 and 09:00 and so on: thirteen times 55 minutes.
    let said = "⚠️ Нет данных по части заведений: 08:05–09:00, 09:05–10:00, 10:05–11:00, 11:05–12:00, ещё 9 (всего 11:55)";
    assert!(text.contains(said), "{text}");
    assert!(!message(&told(&[], &[], time("22:00")), true).contains("не было"));
}

#[test]
fn the_organizations_that_lack_readings_are_named_where_others_have_them() {
    let whole = |organization| every_ten_minutes(organization, time("07:55"), time("21:55"));
    let cut = |organization| every_ten_minutes(organization, time("07:55"), time("10:05"));
    let text = |day: &Day| message(day, true).lines().last().unwrap().to_owned();
    let names: HashMap<Uuid, String> =
        (1..=9).map(|number| (id(number), format!("Ресторан {number}"))).collect();
    let said = |part: &str| {
        format!("⚠️ Нет данных по части заведений{part}: 10:05–21:00 (всего 10:55), это время не учтено")
    };
    let two = told(&[], &[whole(1), cut(2), cut(3)].concat(), time("22:00"));
    assert_eq!(text(&two), said(""), "nobody knows their names");
    assert_eq!(text(&two.clone().named(&names)), said(" (Ресторан 2, Ресторан 3)"));
    let one_of_two: HashMap<Uuid, String> = HashMap::from([(id(3), "Бар\n«У моря»".to_owned())]);
    assert_eq!(text(&two.named(&one_of_two)), said(" (Бар «У моря», ещё 1)"));
    let many: Vec<Sample> = (2..=9).flat_map(cut).chain(whole(1)).collect();
    let said_of_many = said(" (Ресторан 2, Ресторан 3, Ресторан 4, Ресторан 5, ещё 4)");
    assert_eq!(text(&told(&[], &many, time("22:00")).named(&names)), said_of_many);
    // Where all lack some, it is everywhere.
    let later = every_ten_minutes(1, time("07:55"), time("15:05"));
    let all = told(&[], &[later, cut(2)].concat(), time("22:00")).named(&names);
    assert_eq!(text(&all), said(""));
    let alone = told(&[], &cut(2), time("22:00")).named(&names);
    assert_eq!(text(&alone), said("").replace(" по части заведений", ""));
}

#[test]
fn long_names_of_organizations_do_not_make_the_text_too_long() {
    let whole = every_ten_minutes(1, time("07:55"), time("21:55"));
    let cut = |organization| every_ten_minutes(organization, time("07:55"), time("10:05"));
    let samples: Vec<Sample> = whole.into_iter().chain((2..=9).flat_map(cut)).collect();
    let names: HashMap<Uuid, String> = (2..=9).map(|number| (id(number), "😀".repeat(300))).collect();
    let stops: Vec<Stretch> = (1..=60)
        .map(|product| Stretch { name: "😀".repeat(90), ..stop(product, "09:00", "10:00") })
        .collect();
    let text = message(&told(&stops, &samples, time("22:00")).named(&names), true);
    assert!(text.encode_utf16().count() <= 4000, "{}", text.encode_utf16().count());
    assert!(text.lines().last().unwrap().starts_with("⚠️ Нет данных по части заведений (😀"), "{text}");
    assert!(text.ends_with("это время не учтено"), "{text}");
}

#[test]
fn a_text_of_a_day_in_progress_says_so() {
    let samples = every_ten_minutes(1, time("07:55"), time("14:55"));
    let text = message(&told(&[stretch(1, time("14:00"), None)], &samples, time("15:00")), true);
    assert!(
        text.starts_with("📊 Отчёт по стоп-листу за 22.11.2026\n⏳ День ещё не закончен: данные на 15:00\n"),
        "{text}"
    );
}

#[test]
fn fifty_are_named_and_no_text_is_too_long() {
    let many = |count: u128, name: &str| -> Day {
        let stretches: Vec<Stretch> = (1..=count)
            .map(|product| Stretch { name: format!("{product} {name}"), ..stop(product, "10:00", "12:00") })
            .collect();
        day(&stretches)
    };
    for (count, more) in [
        (50, None),
        (51, Some("…и ещё 1 позиция")),
        (52, Some("…и ещё 2 позиции")),
        (200, Some("…и ещё 150 позиций")),
    ] {
        let text = message(&many(count, "Том ям с креветками"), true);
        assert_eq!(text.matches('▫').count(), 50);
        assert_eq!(text.lines().find(|line| line.starts_with('…')), more);
        assert!(text.contains(&format!(
            "сегодня: {count}\nСуммарное время: {}",
            text::hours(i64::try_from(count).unwrap() * 120)
        )));
    }
    for name in ["длинное ".repeat(40), "🦞".repeat(300)] {
        let text = message(&many(200, &name), true);
        assert!(
            crate::upstreams::telegram::units(&text) <= 4000,
            "{}",
            crate::upstreams::telegram::units(&text)
        );
        let shown = text.matches('▫').count();
        assert!(
            text.contains(&format!("…и ещё {} поз", 200 - shown)) && text.contains("Суммарное время: 400:00")
        );
    }
    assert_eq!(
        message(&many(50, &"длинное ".repeat(40)), true).matches('▫').count(),
        50,
        "long names leave room"
    );
}

#[test]
fn machines_read_the_same() {
    let json = day(&[stop(1, "10:15", "12:40")]).to_json();
    assert_eq!(json["products"][0]["stops"][0]["from"], "2026-11-22T08:15:00Z");
    assert_eq!((json["total_minutes"].as_i64(), json["known"].as_bool()), (Some(145), Some(true)));
    assert_eq!(json["timezone"], "Europe/Kaliningrad");
}

#[test]
fn a_gap_may_be_allowed_to_be_longer() {
    let settings = Stoplist { max_gap: Duration::from_hours(3), ..settings() };
    let mut samples = every_ten_minutes(1, time("07:55"), time("12:05"));
    samples.extend(every_ten_minutes(1, time("14:10"), time("21:55")));
    let hours = Hours::of(date("2026-11-22"), ZONE, &settings);
    let day = Day::of(hours, time("22:00"), &settings, &[stop(1, "11:00", "15:00")], &samples);
    assert_eq!((times(&day), day.gaps.len()), (vec![(1, 240)], 0));
}
