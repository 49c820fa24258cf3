//! Numbers as people type them into a sheet.

use crate::{
    decimal,
    error::quote,
    upstreams::google_sheets::{Cell, NumberKind},
};
use chrono::{Days, NaiveDate};
use std::cmp::Ordering;

/// What a cell of the sheet says about a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// Nothing.
    Nothing,
    /// A number that is not negative, normalised.
    Level(String),
    /// Something else; why it cannot be used.
    Bad(String),
}

/// Reads a level: a number, or text with a decimal comma or point and with spaces between the thousands.
pub(super) fn level(cell: &Cell) -> Typed {
    let text = match cell {
        Cell::Empty => return Typed::Nothing,
        Cell::Number(text) => text.clone(),
        Cell::Text(text) => text.chars().filter(|character| !is_space(*character)).collect(),
        Cell::Formatted(text, kind) => return Typed::Bad(formatted(text, *kind)),
        Cell::Bool(_) => return Typed::Bad(format!("{} is no number", cell.text())),
    };
    if text.is_empty() {
        return Typed::Nothing;
    }
    // One comma is a decimal comma; anything with two separators is anybody's guess.
    let plain = text.replacen(',', ".", 1);
    let is_plain = plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    match decimal::normalise(&plain).filter(|_| is_plain && plain.bytes().any(|byte| byte.is_ascii_digit())) {
        None => Typed::Bad(format!("«{}» is no number", quote(cell.text(), 40))),
        Some(number) if number.starts_with('-') => Typed::Bad(format!("{number} is negative")),
        Some(number) => Typed::Level(number),
    }
}

/// Why a number that is shown as something else is none. Nobody can tell what was meant: a Russian sheet makes the 1st of
/// May of `1.5`, and the 2nd of January 1900 of a 3 that is typed into the same cell afterwards.
fn formatted(text: &str, kind: NumberKind) -> String {
    let number: f64 = text.parse().unwrap_or_default();
    let (shown, what) = match kind {
        NumberKind::Plain => (text.to_owned(), "a number"),
        NumberKind::Date => (day(number), "a date"),
        NumberKind::Time => (text.to_owned(), "a time"),
        NumberKind::Percent => (
            format!("{}%", decimal::normalise(&format!("{:.10}", number * 100.0)).unwrap_or_default()),
            "a percentage",
        ),
    };
    format!("«{shown}» is {what}, not a number; give the cell a number's format and type the level again")
}

/// The day of a serial number, as Sheets counts them.
fn day(serial: f64) -> String {
    let first = NaiveDate::from_ymd_opt(1899, 12, 30).expect("a day");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a negative one is day 0, days are whole"
    )]
    let day = first.checked_add_days(Days::new(serial.floor() as u64));
    day.map_or_else(|| serial.to_string(), |day| day.format("%d.%m.%Y").to_string())
}

/// The spaces that keyboards, other programs and Russian number formats put between thousands.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// Compares two normalised numbers that are not negative.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let parts = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (whole.to_owned(), fraction.to_owned())
    };
    let ((left, left_rest), (right, right_rest)) = (parts(left), parts(right));
    left.len().cmp(&right.len()).then(left.cmp(&right)).then(left_rest.cmp(&right_rest))
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{Cell, Ordering, Typed, compare, level};

    /// Reads a cell as a level, which typed once more is the same.
    pub(crate) fn survive(cell: &Cell) {
        if let Typed::Level(text) = level(cell) {
            assert!(!text.starts_with('-'));
            assert_eq!(level(&Cell::Text(text.clone())), Typed::Level(text.clone()));
            assert_eq!(compare(&text, &text), Ordering::Equal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Typed {
        level(&Cell::Text(text.to_owned()))
    }

    #[test]
    fn commas_and_spaces_are_read() {
        for (typed, read) in [
            ("1,5", "1.5"),
            ("1.50", "1.5"),
            ("1 000", "1000"),
            ("1\u{a0}000,25", "1000.25"),
            ("1\u{202f}000", "1000"),
            (" 7 ", "7"),
            ("0", "0"),
            ("+3", "3"),
        ] {
            assert_eq!(text(typed), Typed::Level(read.to_owned()), "{typed}");
        }
        assert_eq!(level(&Cell::Number("2.5".to_owned())), Typed::Level("2.5".to_owned()));
        assert_eq!(text(" \u{a0}"), Typed::Nothing);
        assert_eq!(level(&Cell::Empty), Typed::Nothing);
    }

    #[test]
    fn whatever_is_no_number_is_told() {
        for typed in ["abc", "1,2,3", "1.000,5", "5 шт", "=1+1", "1e3", "01.05.2026", "-", ".", "NaN", "inf"]
        {
            assert!(matches!(text(typed), Typed::Bad(_)), "{typed}: {:?}", text(typed));
        }
        assert_eq!(text("-1"), Typed::Bad("-1 is negative".to_owned()));
        assert_eq!(level(&Cell::Bool(true)), Typed::Bad("true is no number".to_owned()));
        for (number, kind, shown) in [
            ("46143", NumberKind::Date, "«01.05.2026» is a date"),
            ("3", NumberKind::Date, "«02.01.1900» is a date"),
            ("0.5", NumberKind::Time, "«0.5» is a time"),
            ("0.1", NumberKind::Percent, "«10%» is a percentage"),
            ("-99", NumberKind::Date, "«30.12.1899» is a date"),
        ] {
            let Typed::Bad(reason) = level(&Cell::Formatted(number.to_owned(), kind)) else {
                panic!("{number} {kind:?}")
            };
            assert!(reason.starts_with(shown), "{reason}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        for (less, more) in [("9", "10"), ("0", "0.1"), ("1.5", "1.51"), ("1.49", "1.5"), ("0.9", "1")] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        assert_eq!(compare("1.5", "1.5"), Ordering::Equal);
    }
}
