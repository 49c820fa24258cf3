//! What Google makes of what is typed, and how it shows it.

use chrono::{Datelike as _, NaiveDate, TimeDelta};
use serde_json::{Map, Value, json};

use super::grid::{Cell, Entered};

/// Whether numbers of this locale have a decimal comma.
fn comma(locale: &str) -> bool {
    !locale.starts_with("en")
}

/// What is entered when a person types `text`, and the number format that comes with it.
pub(super) fn typed(text: &str, locale: &str) -> (Option<Entered>, Option<Value>) {
    if let Some(quoted) = text.strip_prefix('\'') {
        return (Some(Entered::Text(quoted.to_owned())).filter(|_| !quoted.is_empty()), None);
    }
    if text.starts_with('=') && text.len() > 1 {
        return (Some(Entered::Formula(text.to_owned())), None);
    }
    let plain = text.trim();
    match plain.to_lowercase().as_str() {
        "" => return (Some(Entered::Text(text.to_owned())).filter(|_| !text.is_empty()), None),
        "true" | "истина" => return (Some(Entered::Bool(true)), None),
        "false" | "ложь" => return (Some(Entered::Bool(false)), None),
        _ => {}
    }
    if let Some(percent) = plain.strip_suffix('%').and_then(|digits| number(digits.trim_end(), locale)) {
        let pattern = if percent.fract() == 0.0 { "0%" } else { "0.00%" };
        return (
            Some(Entered::Number(percent / 100.0)),
            Some(json!({"type": "PERCENT", "pattern": pattern})),
        );
    }
    if let Some(number) = number(plain, locale) {
        return (Some(Entered::Number(number)), None);
    }
    if let Some(date) = date(plain, locale) {
        return (Some(Entered::Number(date)), Some(json!({"type": "DATE"})));
    }
    (Some(Entered::Text(text.to_owned())), None)
}

/// Reads a number as the locale writes it: `1,5`, `1 000`, `-3`, `1e3`.
fn number(text: &str, locale: &str) -> Option<f64> {
    let (decimal, group): (char, &[char]) =
        if comma(locale) { (',', &[' ', '\u{a0}', '\u{202f}']) } else { ('.', &[',']) };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.parse::<i16>().ok()?)),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once(decimal).unwrap_or((mantissa, ""));
    let numeric = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let mut groups = whole.split(group);
    let first = groups.next().filter(|first| numeric(first))?;
    let mut joined = first.to_owned();
    for group in groups {
        if group.len() != 3 || !numeric(group) || first.is_empty() || first.len() > 3 {
            return None;
        }
        joined.push_str(group);
    }
    if !numeric(fraction) || joined.is_empty() && fraction.is_empty() {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let exponent = exponent.unwrap_or_default();
    format!("{sign}0{joined}.{fraction}0e{exponent}").parse().ok().filter(|number: &f64| number.is_finite())
}

/// The day from which Google counts.
fn epoch() -> NaiveDate {
    NaiveDate::from_ymd_opt(1899, 12, 30).expect("a day that was")
}

/// Reads `1.5`, `01.05.2026`, `2026-05-01` as the number of a day. Where the comma is the decimal sign, a number
/// with a point is a day of this year.
fn date(text: &str, locale: &str) -> Option<f64> {
    let parts: Vec<u32> = text.split(['.', '-']).map(str::parse).collect::<Result<_, _>>().ok()?;
    let year = |year: u32| i32::try_from(if year < 100 { year + 2000 } else { year }).ok();
    let (year, month, day) = match (parts.as_slice(), text.contains('-')) {
        ([day, month], false) if comma(locale) => (crate::sandbox::world::now().year(), *month, *day),
        ([day, month, last], false) if comma(locale) => (year(*last)?, *month, *day),
        ([first, month, day], true) if *first > 1899 => (year(*first)?, *month, *day),
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some((date - epoch()).num_days() as f64)
}

/// How the number formats of days and times look without a pattern; patterns are not read.
const DATES: [(&str, &str); 3] =
    [("DATE", "%d.%m.%Y"), ("TIME", "%H:%M:%S"), ("DATE_TIME", "%d.%m.%Y %H:%M:%S")];

impl Cell {
    /// Whether its number is shown as a day or a time.
    pub(super) fn is_dated(&self) -> bool {
        let kind = self.format.as_ref().and_then(|format| format.get("numberFormat"));
        let kind = kind.and_then(|format| format["type"].as_str());
        DATES.iter().any(|(name, _)| Some(*name) == kind) && !matches!(self.entered, Some(Entered::Text(_)))
    }
}

/// A number as JSON: whole where it is whole.
pub(super) fn json_number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
    if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
}

/// What a value looks like in a cell of this format.
pub(super) fn shown(value: &Value, cell: &Cell, locale: &str) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Value::Number(number) => {
            let format = cell.format.as_ref().and_then(|format| format.get("numberFormat"));
            let number = number.as_f64().unwrap_or_default();
            pictured(number, format.and_then(Value::as_object), locale)
        }
        _ => String::new(),
    }
}

/// A number in a number format. Of patterns it knows `0`, `0.00`, `#,##0.00` and `%`; others are shown plainly.
fn pictured(number: f64, format: Option<&Map<String, Value>>, locale: &str) -> String {
    let text = |name: &str| format.and_then(|format| format.get(name)).and_then(Value::as_str);
    let (kind, pattern) = (text("type").unwrap_or_default(), text("pattern").unwrap_or_default());
    if let Some((_, look)) = DATES.iter().find(|(name, _)| *name == kind) {
        #[expect(clippy::cast_possible_truncation, reason = "seconds that dates have")]
        let seconds = TimeDelta::try_seconds((number * 86_400.0).round() as i64);
        let moment = seconds.and_then(|seconds| {
            epoch().and_hms_opt(0, 0, 0).and_then(|epoch| epoch.checked_add_signed(seconds))
        });
        return moment.map_or_else(|| plain(number, locale), |moment| moment.format(look).to_string());
    }
    let known = !pattern.is_empty() && pattern.chars().all(|letter| "0#,.%".contains(letter));
    if !known {
        return plain(number, locale);
    }
    let percent = pattern.ends_with('%');
    let number = if percent { number * 100.0 } else { number };
    let decimals = pattern.split_once('.').map_or(0, |(_, fraction)| fraction.matches(['0', '#']).count());
    let digits = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut out = String::from(if number < 0.0 { "-" } else { "" });
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && pattern.contains(',') {
            out.push(if comma(locale) { '\u{a0}' } else { ',' });
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push(if comma(locale) { ',' } else { '.' });
        out.push_str(fraction);
    }
    if percent {
        out.push('%');
    }
    out
}

/// A number without a format: up to ten digits.
fn plain(number: f64, locale: &str) -> String {
    let whole = format!("{:.0}", number.abs().trunc()).len();
    let decimals = 10_usize.saturating_sub(whole);
    let mut text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if comma(locale) { text.replace('.', ",") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number_of(text: &str, locale: &str) -> Option<f64> {
        match typed(text, locale).0 {
            Some(Entered::Number(number)) => Some(number),
            _ => None,
        }
    }

    #[test]
    fn a_russian_sheet_reads_numbers_with_a_comma() {
        for (text, number) in [
            ("5", 5.0),
            ("1,5", 1.5),
            (" 1,5 ", 1.5),
            ("1 000", 1000.0),
            ("12\u{a0}345,5", 12345.5),
            ("-0,25", -0.25),
            (",5", 0.5),
            ("1e3", 1000.0),
            ("10%", 0.1),
            ("01.05.2026", 46143.0),
            ("2026-05-01", 46143.0),
        ] {
            assert_eq!(number_of(text, "ru_RU"), Some(number), "{text}");
        }
        for text in ["10 00", "1,2,3", "5 шт", "'5", "32.13.2026", "-", "1 0000", "e3", ","] {
            assert_eq!(number_of(text, "ru_RU"), None, "{text}");
        }
        let may = number_of("1.5", "ru_RU").unwrap();
        assert!(may > 46_000.0, "1.5 is the first of May: {may}");
        assert_eq!((number_of("1.5", "en_US"), number_of("1,000.5", "en_US")), (Some(1.5), Some(1000.5)));
    }

    #[test]
    fn texts_bools_and_formulas_are_told_apart() {
        for (text, entered) in [
            ("", None),
            ("'", None),
            ("'5", Some(Entered::Text("5".to_owned()))),
            ("=1+1", Some(Entered::Formula("=1+1".to_owned()))),
            ("=", Some(Entered::Text("=".to_owned()))),
            ("истина", Some(Entered::Bool(true))),
            (" Соль ", Some(Entered::Text(" Соль ".to_owned()))),
        ] {
            assert_eq!(typed(text, "ru_RU").0, entered, "{text}");
        }
    }

    #[test]
    fn numbers_are_shown_as_the_locale_writes_them() {
        let show = |number: f64, format: Value| {
            let format = json!({"numberFormat": format}).as_object().unwrap().clone();
            let cell = Cell { format: Some(format.into()), ..Cell::default() };
            shown(&json_number(number), &cell, "ru_RU")
        };
        assert_eq!(show(1.5, Value::Null), "1,5");
        assert_eq!(show(1000.0, Value::Null), "1000");
        assert_eq!(show(0.1 + 0.2, Value::Null), "0,3");
        assert_eq!(show(1234.5, json!({"type": "NUMBER", "pattern": "#,##0.00"})), "1\u{a0}234,50");
        assert_eq!(show(0.105, json!({"type": "PERCENT", "pattern": "0.0%"})), "10,5%");
        assert_eq!(show(46143.0, json!({"type": "DATE"})), "01.05.2026");
        assert_eq!(show(46143.75, json!({"type": "DATE_TIME"})), "01.05.2026 18:00:00");
    }
}
