use super::*;
use crate::{config::Config, report::stoplist::Hours};
use chrono::NaiveDate;
use chrono_tz::Tz;
use std::{collections::BTreeSet, io::Cursor};
use uuid::Uuid;

struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    fn of(day: &Day) -> Self {
        let bytes = draw(day).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.len() < 10 << 20, "{}", bytes.len());
        if let Some(folder) = std::env::var_os("ZERKALO_TEST_PICTURES") {
            let name = format!("{}-{}.png", day.products.len(), day.gaps.len());
            std::fs::write(std::path::Path::new(&folder).join(name), &bytes).unwrap();
        }
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        Self { width: info.width, height: info.height, pixels }
    }

    fn pixel(&self, x: u32, y: u32) -> Colour {
        let at = 3 * (y * self.width + x) as usize;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// The columns of a line that are of a colour, as ranges.
    fn ranges(&self, y: u32, colour: Colour) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for x in (0..self.width).filter(|x| self.pixel(*x, y) == colour) {
            match ranges.last_mut() {
                Some(last) if last.1 == x => last.1 = x + 1,
                _ => ranges.push((x, x + 1)),
            }
        }
        ranges
    }

    fn name(&self, row: u32) -> Vec<Colour> {
        let (top, bottom) = row_at(row);
        (top..bottom)
            .flat_map(|y| (MARGIN..PLOT.0).map(move |x| (x, y)))
            .map(|(x, y)| self.pixel(x, y))
            .collect()
    }
}

/// Minutes after the beginning of the hours.
fn span(hours: &Hours, from: i64, to: i64) -> Span {
    let at = |minutes| hours.span.from + TimeDelta::minutes(minutes);
    Span { from: at(from), to: at(to) }
}

fn hours_of(date: &str, start: &str, end: &str) -> Hours {
    let mut settings = Config::default().stoplist;
    let time = |text| chrono::NaiveTime::parse_from_str(text, "%H:%M").unwrap();
    (settings.day_start, settings.day_end) = (time(start), time(end));
    Hours::of(date.parse::<NaiveDate>().unwrap(), Tz::Europe__Kaliningrad, &settings)
}

fn day(products: &[(&str, &[(i64, i64)])]) -> Day {
    let hours = hours_of("2026-11-22", "08:00", "21:00");
    let product = |(name, stops): &(&str, &[(i64, i64)])| Product {
        id: Uuid::nil(),
        name: (*name).to_owned(),
        stops: stops.iter().map(|(from, to)| span(&hours, *from, *to)).collect(),
    };
    let products = products.iter().map(product).collect();
    Day {
        hours,
        until: hours.span.to,
        known: true,
        gaps: Vec::new(),
        partly: false,
        lacking: Vec::new(),
        products,
    }
}

const NAMES: [&str; 10] = [
    "Том ям с креветками и кокосовым молоком, большая порция (доставка)",
    "Борщ",
    "Салат «Цезарь» с курицей",
    "Чизкейк Нью-Йорк",
    "Лосось на гриле с овощами и соусом тартар",
    "Щучьи котлеты",
    "Сырники со сметаной и вареньем из чёрной смородины",
    "Ёжики мясные 🍔 в томате",
    "Латте 0,4 л на безлактозном молоке",
    "Пиво «Балтика» № 7, 0,5 л",
];

/// So many products, each with one to three stops.
fn many(count: usize) -> Day {
    let hours = hours_of("2026-11-22", "08:00", "21:00");
    let product = |number: usize| {
        let length = i64::try_from(780_usize.saturating_sub(3 * number)).unwrap().max(9) / 3;
        let begin = i64::try_from((number * 37) % 240).unwrap();
        let stops = (0..=i64::try_from(number % 3).unwrap())
            .map(|part| span(&hours, begin + part * 180, (begin + part * 180 + length).min(780)))
            .collect();
        Product {
            id: Uuid::nil(),
            name: NAMES[number % 10].to_owned(),
            stops: super::super::span::union(stops),
        }
    };
    Day { products: (0..count).map(product).collect(), ..day(&[]) }
}

#[test]
fn bars_are_where_the_stops_are() {
    let stops: [&[(i64, i64)]; 4] =
        [&[(0, 780)], &[(60, 120), (300, 301), (700, 780)], &[(0, 1)], &[(390, 390 + 195)]];
    let names = ["а", "б", "в", "г"];
    let products: Vec<(&str, &[(i64, i64)])> = names.into_iter().zip(stops).collect();
    let picture = Picture::of(&day(&products));
    // 13 hours are 520 pixels: 40 an hour, two thirds of one a minute.
    let expected: [&[(u32, u32)]; 4] =
        [&[(430, 950)], &[(470, 510), (630, 633), (896, 950)], &[(430, 433)], &[(690, 820)]];
    for (row, expected) in (0..).zip(expected) {
        let (top, bottom) = row_at(row);
        for y in top + BAR_MARGIN..bottom - BAR_MARGIN {
            assert_eq!(picture.ranges(y, STOP), expected, "row {row}, line {y}");
        }
        for y in (top..top + BAR_MARGIN).chain(bottom - BAR_MARGIN..bottom) {
            assert_eq!(picture.ranges(y, STOP), [], "row {row}, line {y}");
        }
    }
}

#[test]
fn two_names_are_two_labels() {
    let stops: &[(i64, i64)] = &[(0, 60)];
    let long = "Суп гороховый с копчёностями и гренками по-домашнему";
    let rows = [("Борщ", stops), ("Борщ", stops), ("Борт", stops), (long, stops), ("Суп гороховый", stops)];
    // Rows of one stripe.
    let spread: Vec<(&str, &[(i64, i64)])> = rows.iter().flat_map(|row| [*row, ("", stops)]).collect();
    let picture = Picture::of(&day(&spread));
    let labels: Vec<_> = [0, 2, 4, 6, 8].map(|row| picture.name(row)).into();
    assert_eq!(labels[0], labels[1], "the same name is the same label");
    let different: BTreeSet<&Vec<Colour>> = labels.iter().collect();
    assert_eq!(different.len(), 4);
    // A long name ends before the hours.
    let (top, bottom) = row_at(6);
    let beside = (top..bottom).flat_map(|y| (NAMES_END..PLOT.0).map(move |x| (x, y)));
    assert!(beside.into_iter().all(|(x, y)| picture.pixel(x, y) == STRIPE));
}

#[test]
fn long_names_keep_the_end_that_tells_them_apart() {
    let canvas = Canvas::new(1, 1, PAPER);
    let named = |names: &[&str]| {
        let stops: &[(i64, i64)] = &[(0, 60)];
        let products: Vec<(&str, &[(i64, i64)])> = names.iter().map(|name| (*name, stops)).collect();
        labels(&canvas, &day(&products).products)
    };
    let soup = "Том ям с креветками и кокосовым молоком, ";
    let labels = named(&[
        &format!("{soup}большая порция"),
        &format!("{soup}маленькая порция"),
        "Лосось на гриле с овощами и соусом тартар",
        &format!("{soup}большая порция"),
        "Борщ",
    ]);
    assert!(labels[0].starts_with("Том ям") && labels[0].ends_with("ольшая порция"), "{labels:?}");
    assert!(labels[1].starts_with("Том ям") && labels[1].ends_with("ленькая порция"), "{labels:?}");
    assert_ne!(labels[0], labels[1]);
    assert_eq!(labels[0], labels[3], "the same name is the same label");
    assert!(labels[2].starts_with("Лосось на гриле с") && labels[2].ends_with('…'), "it is like no other");
    assert_eq!(labels[4], "Борщ");
    for label in &labels {
        assert!(canvas.measure(label, TEXT) <= (NAMES_END - MARGIN) as f32, "{label}");
    }
    // What differs far from both ends gets more of the end; what differs nowhere near it stays as it is.
    let far = named(&[&format!("{soup}с белым рисом отдельно"), &format!("{soup}с чёрным рисом отдельно")]);
    assert_ne!(far[0], far[1]);
}

#[test]
fn gaps_are_hatched_and_stops_lie_over_them() {
    let hours = hours_of("2026-11-22", "08:00", "21:00");
    let gaps = vec![span(&hours, 120, 240)];
    let picture = Picture::of(&Day { gaps, ..day(&[("а", &[(180, 300)]), ("б", &[(600, 660)])]) });
    for row in [0, 1] {
        let (top, bottom) = row_at(row);
        let until = if row == 0 { 550 } else { 590 };
        for y in top + BAR_MARGIN..bottom - BAR_MARGIN {
            for x in 510..until {
                let colour = picture.pixel(x, y);
                assert!([UNKNOWN.0, UNKNOWN.1, GRID].contains(&colour), "{x} {y}: {colour:?}");
            }
            assert!(!picture.ranges(y, UNKNOWN.1).is_empty());
        }
        let middle = u32::midpoint(top, bottom);
        assert_eq!(picture.ranges(middle, STOP), [if row == 0 { (550, 630) } else { (830, 870) }]);
    }
}

#[test]
fn every_full_hour_has_its_line() {
    let lines = |day: &Day| Picture::of(day).ranges(TOP - 5, GRID);
    let usual = lines(&day(&[("а", &[(0, 60)])]));
    assert_eq!(
        usual.iter().map(|(left, _)| *left).collect::<Vec<_>>(),
        (430..=950).step_by(40).collect::<Vec<_>>()
    );
    // A working night in which one hour came twice, and one that had an hour less.
    for (date, hours) in [("2014-10-25", 9), ("2011-03-26", 7)] {
        let night = hours_of(date, "22:00", "06:00");
        let stop = vec![span(&night, 60, 120)];
        let products = vec![Product { id: Uuid::nil(), name: "а".to_owned(), stops: stop }];
        let day = Day { hours: night, until: night.span.to, products, ..day(&[]) };
        assert_eq!(lines(&day).len(), hours + 1, "{date}");
        let bar = Picture::of(&day).ranges(row_at(0).0 + 20, STOP)[0];
        let hour = 520 / u32::try_from(hours).unwrap();
        // A pixel is shared where an hour is no whole number of them.
        assert!((430 + hour..=431 + hour).contains(&bar.0), "{date}: {bar:?}");
        assert!((430 + 2 * hour..=432 + 2 * hour).contains(&bar.1), "{date}: {bar:?}");
    }
}

#[test]
fn pictures_are_what_telegram_takes_however_many_products_there_are() {
    for count in [0, 1, 3, 50, 200] {
        let picture = Picture::of(&many(count));
        assert_eq!(picture.width, WIDTH);
        assert!(picture.width + picture.height <= 10_000, "{count}");
        assert!(picture.height <= 2560 && picture.width / picture.height < 20, "{count}: {}", picture.height);
        assert_eq!(picture.height, height(&many(count)));
    }
    assert_eq!(height(&many(51)), height(&many(5000)));
    let gaps = vec![span(&many(1).hours, 200, 330), span(&many(1).hours, 700, 780)];
    Picture::of(&Day { gaps, ..many(12) });
}

#[test]
fn the_same_day_gives_the_same_bytes() {
    assert_eq!(draw(&many(6)).unwrap(), draw(&many(6)).unwrap());
    assert_ne!(draw(&many(6)).unwrap(), draw(&many(7)).unwrap());
}

#[test]
fn a_day_in_progress_shows_how_far_it_is() {
    let hours = hours_of("2026-11-22", "08:00", "21:00");
    let day = Day { until: span(&hours, 0, 420).to, ..day(&[("а", &[(300, 420)])]) };
    let picture = Picture::of(&day);
    assert_eq!(picture.ranges(TOP - 5, INK), [(710, 712)]);
    assert_eq!(picture.ranges(row_at(0).0 + 20, STOP), [(630, 710)]);
}
