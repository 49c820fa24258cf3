//! What Google makes of what is typed, and how it shows it.

use chrono::{Datelike as _, NaiveDate, NaiveTime, TimeDelta, Timelike as _};
use serde_json::{Map, Value, json};

use super::grid::{Cell, Entered};

/// Whether numbers of this locale have a decimal comma.
fn comma(locale: &str) -> bool {
    !locale.starts_with("en")
}

/// What is entered when a person types `text`, and the number format that comes with it.
fn typed(text: &str, locale: &str) -> (Option<Entered>, Option<Value>) {
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
    let format = |kind: &str, pattern: &str| Some(json!({"type": kind, "pattern": pattern}));
    if let Some(percent) = plain.strip_suffix('%').and_then(|digits| number(digits.trim_end(), locale)) {
        let pattern = if percent.fract() == 0.0 { "0%" } else { "0.00%" };
        return (Some(Entered::Number(percent / 100.0)), format("PERCENT", pattern));
    }
    if let Some(number) = number(plain, locale) {
        return (Some(Entered::Number(number)), None);
    }
    if let Some((day, pattern)) = date(plain, locale) {
        return (Some(Entered::Number(day)), format("DATE", pattern));
    }
    if let Some((part, pattern)) = time(plain) {
        return (Some(Entered::Number(part)), format("TIME", pattern));
    }
    if let Some((day, hours)) = plain.split_once(' ')
        && let (Some((day, days)), Some((part, hours))) = (date(day, locale), time(hours.trim()))
    {
        return (Some(Entered::Number(day + part)), format("DATE_TIME", &format!("{days} {hours}")));
    }
    (Some(Entered::Text(text.to_owned())), None)
}

impl Cell {
    /// A person types into it. The number format of what is typed comes with it unless the cell has one already: so a `3`
    /// in a cell that once held a day is shown as a day, a `5` among percentages is 5 %, and plain text stays text.
    pub(super) fn type_text(&mut self, text: &str, locale: &str) {
        let (entered, format) = typed(text, locale);
        self.entered = match (self.number_format(), entered) {
            (Some("TEXT"), Some(_)) => Some(Entered::Text(text.to_owned())),
            (Some("PERCENT"), Some(Entered::Number(number))) if format.is_none() => {
                Some(Entered::Number(number / 100.0))
            }
            (_, entered) => entered,
        };
        if let Some(format) = format {
            let mut all = self.format.as_deref().cloned().unwrap_or_default();
            all.entry("numberFormat").or_insert(format);
            self.format = Some(all.into());
        }
    }

    /// The type of its number format.
    fn number_format(&self) -> Option<&str> {
        self.format.as_ref()?.get("numberFormat")?["type"].as_str()
    }
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

/// Reads `1.5`, `1/5`, `01.05.2026`, `2026-05-01` as the number of a day, and gives the pattern in which it is shown.
/// Where the comma is the decimal sign, a number with a point is a day of this year.
fn date(text: &str, locale: &str) -> Option<(f64, &'static str)> {
    let sign = ['.', '/', '-'].into_iter().find(|sign| text.contains(*sign))?;
    let parts: Vec<u32> = text.split(sign).map(str::parse).collect::<Result<_, _>>().ok()?;
    let year = |year: u32| i32::try_from(if year < 100 { year + 2000 } else { year }).ok();
    let this_year = crate::sandbox::world::now().year();
    let (year, month, day, pattern) = match parts.as_slice() {
        [first, month, day] if sign == '-' && *first > 1899 => (year(*first)?, *month, *day, "yyyy-MM-dd"),
        [day, month] if sign != '-' && comma(locale) => (this_year, *month, *day, "dd.MM"),
        [day, month, last] if sign != '-' && comma(locale) => (year(*last)?, *month, *day, "dd.MM.yyyy"),
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(((date - epoch()).num_days() as f64, pattern))
}

/// Reads `9:05` and `23:59:59` as a part of a day, and gives the pattern in which it is shown.
fn time(text: &str) -> Option<(f64, &'static str)> {
    let two = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit());
    let parts: Vec<&str> = text.split(':').collect();
    if !parts.iter().all(|part| two(part)) {
        return None;
    }
    let parts: Vec<u32> = parts.iter().map(|part| part.parse()).collect::<Result<_, _>>().ok()?;
    let (hour, minute, second, pattern) = match parts.as_slice() {
        [hour, minute] => (*hour, *minute, 0, "H:mm"),
        [hour, minute, second] => (*hour, *minute, *second, "H:mm:ss"),
        _ => return None,
    };
    let time = NaiveTime::from_hms_opt(hour, minute, second)?;
    Some((f64::from(time.num_seconds_from_midnight()) / 86_400.0, pattern))
}

/// The pattern of a type of number format that was given none.
pub(super) fn pattern(kind: &str, locale: &str) -> Option<&'static str> {
    Some(match (kind, comma(locale)) {
        ("DATE", true) => "dd.MM.yyyy",
        ("DATE", false) => "M/d/yyyy",
        ("TIME", _) => "H:mm:ss",
        ("DATE_TIME", true) => "dd.MM.yyyy H:mm:ss",
        ("DATE_TIME", false) => "M/d/yyyy H:mm:ss",
        ("PERCENT", _) => "0.00%",
        _ => return None,
    })
}

/// The number formats of days and times.
const DATES: [&str; 3] = ["DATE", "TIME", "DATE_TIME"];

impl Cell {
    /// Whether its number is shown as a day or a time.
    pub(super) fn is_dated(&self) -> bool {
        self.number_format().is_some_and(|kind| DATES.contains(&kind))
            && !matches!(self.entered, Some(Entered::Text(_)))
    }
}

/// A pattern of days and times as chrono has it; minutes are minutes, for no pattern here has months in small letters.
fn moment(pattern: &str) -> String {
    const SIGNS: [(&str, &str); 11] = [
        ("yyyy", "%Y"),
        ("yy", "%y"),
        ("MM", "%m"),
        ("M", "%-m"),
        ("dd", "%d"),
        ("d", "%-d"),
        ("HH", "%H"),
        ("H", "%-H"),
        ("mm", "%M"),
        ("ss", "%S"),
        ("%", "%%"),
    ];
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let (taken, written) = SIGNS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .unwrap_or((&rest[..next.len_utf8()], ""));
        out.push_str(if written.is_empty() { taken } else { written });
        rest = &rest[taken.len()..];
    }
    out
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

/// A number in a number format. Of patterns it knows those of days and times, `0`, `0.00`, `#,##0.00` and `%`; others
/// are shown plainly.
fn pictured(number: f64, format: Option<&Map<String, Value>>, locale: &str) -> String {
    let text = |name: &str| format.and_then(|format| format.get(name)).and_then(Value::as_str);
    let kind = text("type").unwrap_or_default();
    let pattern = text("pattern").or_else(|| pattern(kind, locale)).unwrap_or_default();
    if DATES.contains(&kind) {
        #[expect(clippy::cast_possible_truncation, reason = "seconds that dates have")]
        let seconds = TimeDelta::try_seconds((number * 86_400.0).round() as i64);
        let at = seconds.and_then(|seconds| {
            epoch().and_hms_opt(0, 0, 0).and_then(|epoch| epoch.checked_add_signed(seconds))
        });
        return at.map_or_else(|| plain(number, locale), |at| at.format(&moment(pattern)).to_string());
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
            ("1/5/26", 46143.0),
            ("18:00", 0.75),
            ("0:00:27", 27.0 / 86_400.0),
            ("01.05.2026 18:00", 46143.75),
        ] {
            assert_eq!(number_of(text, "ru_RU"), Some(number), "{text}");
        }
        for text in [
            "10 00",
            "1,2,3",
            "5 шт",
            "'5",
            "32.13.2026",
            "-",
            "1 0000",
            "e3",
            ",",
            "25:00",
            "1:5:5:5",
            "1.15",
        ] {
            assert_eq!(number_of(text, "ru_RU"), None, "{text}");
        }
        let may = number_of("1.5", "ru_RU").unwrap();
        assert!(may > 46_000.0, "1.5 is the first of May: {may}");
        assert_eq!((number_of("1.5", "en_US"), number_of("1,000.5", "en_US")), (Some(1.5), Some(1000.5)));
    }

    #[test]
    fn a_cell_keeps_the_number_format_that_it_has() {
        let mut cell = Cell::default();
        let mut type_in = |text: &str| {
            cell.type_text(text, "ru_RU");
            let value = match &cell.entered {
                Some(Entered::Number(number)) => json_number(*number),
                Some(Entered::Text(text)) => json!(text),
                _ => Value::Null,
            };
            (shown(&value, &cell, "ru_RU"), cell.number_format().map(str::to_owned))
        };
        let (date, percent) = (Some("DATE".to_owned()), Some("PERCENT".to_owned()));
        assert_eq!(type_in("5"), ("5".to_owned(), None));
        assert_eq!(type_in("1.5"), ("01.05".to_owned(), date.clone()));
        assert_eq!(type_in("3"), ("02.01".to_owned(), date.clone()));
        assert_eq!(type_in(""), (String::new(), date));
        cell.format = None;
        let mut type_in = |text: &str| {
            cell.type_text(text, "ru_RU");
            (cell.entered.clone(), cell.number_format().map(str::to_owned))
        };
        assert_eq!(type_in("10%"), (Some(Entered::Number(0.1)), percent.clone()));
        assert_eq!(type_in("50"), (Some(Entered::Number(0.5)), percent));
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
        assert_eq!(show(46143.0, json!({"type": "DATE", "pattern": "dd.MM"})), "01.05");
        assert_eq!(show(0.4, json!({"type": "TIME", "pattern": "H:mm"})), "9:36");
    }
}
