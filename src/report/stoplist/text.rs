//! The report in words, as Telegram takes it.

use super::{Day, Product, Span, rounded, span};
use crate::{
    error::{Kind, quote},
    model::report::RunReport,
    upstreams::telegram::{More, cut_after},
};
use chrono::{DateTime, NaiveDate, Utc};

/// The longest text, in UTF-16 code units; Telegram allows a little more.
const LONGEST: usize = 4000;

/// How many products are told by name.
pub(super) const MOST: usize = 50;

/// The longest name of a product, in characters: so fifty of them fit.
const LONGEST_NAME: usize = 60;

/// How many gaps are told one by one.
const MOST_GAPS: usize = 4;

/// How many organizations are named that lack readings.
const MOST_PLACES: usize = 4;

/// The longest name of an organization, in characters.
const LONGEST_PLACE: usize = 40;

/// What the admins are told of a run that did not give every reader the report; none when it did.
pub fn alarm(date: NaiveDate, run: &RunReport) -> Option<String> {
    let code = run.exit_code();
    let what = match code {
        0 => return None,
        4 => "есть предупреждения",
        12 => "запуск опоздал и пропущен",
        code if code == Kind::Usage.exit_code() => "не отправлен: ошибка в настройках или правах",
        code if code == Kind::Database.exit_code() => "не отправлен: ошибка базы данных или диска",
        _ => "отправлен не всем или не отправлен",
    };
    let next = if code == 4 { "zerkalo log stoplist-report" } else { "zerkalo stoplist-report" };
    let date = date.format("%d.%m.%Y");
    Some(format!(
        "📊 Отчёт по стоп-листу за {date}: {what}\nЗапуск {}, код выхода {code}\nДальше: {next}",
        run.run_id
    ))
}

/// The message about a day. `today` is whether its readers call it so.
pub fn message(day: &Day, today: bool) -> String {
    let mut head = vec![title(day)];
    if day.is_in_progress() {
        head.push(format!("⏳ День ещё не закончен: данные на {}", clock(day, day.until)));
    }
    if !day.known {
        head.push("⚠️ Нет данных: за рабочие часы стоп-лист ни разу не удалось получить.".to_owned());
        return head.join("\n");
    }
    let lines: Vec<String> = day.products.iter().map(line).collect();
    let mut tail = Vec::new();
    match (lines.len(), today) {
        // Where nobody looked for a while, nobody knows that there was nothing.
        (0, _) if !day.gaps.is_empty() => tail.push("Стопов не замечено, но данные неполные.".to_owned()),
        (0, true) => tail.push("Сегодня стопов не было 🎉".to_owned()),
        (0, false) => tail.push("Стопов не было 🎉".to_owned()),
        (count, today) => {
            let when = if today { "сегодня" } else { "за день" };
            tail.push(format!("Всего позиций в стопе {when}: {count}"));
            tail.push(format!("Суммарное время: {}", hours(day.minutes())));
        }
    }
    tail.extend(missing(day));
    let more = More { most: MOST, words: ["позиция", "позиции", "позиций"] };
    cut_after(&head.join("\n"), &lines, &tail.join("\n"), LONGEST, more)
}

/// The first line, which is also the picture's caption.
pub fn title(day: &Day) -> String {
    format!("📊 Отчёт по стоп-листу за {}", day.hours.date.format("%d.%m.%Y"))
}

fn line(product: &Product) -> String {
    format!("▫️ {} — {}", quote(&product.name, LONGEST_NAME), hours(product.minutes()))
}

/// The line about what nobody knows.
fn missing(day: &Day) -> Option<String> {
    if day.gaps.is_empty() {
        return None;
    }
    let mut parts: Vec<String> = day.gaps.iter().take(MOST_GAPS).map(|gap| between(day, *gap)).collect();
    if let Some(more) = day.gaps.len().checked_sub(MOST_GAPS).filter(|more| *more > 0) {
        parts.push(format!("ещё {more}"));
    }
    let total = hours(rounded(span::total(&day.gaps)));
    let part = if day.partly {
        format!(" по части заведений{}", places(day))
    } else {
        String::new()
    };
    Some(format!("⚠️ Нет данных{part}: {} (всего {total}), это время не учтено", parts.join(", ")))
}

/// Of which organizations nothing is known, in brackets behind a space; nothing where none of them can be named.
fn places(day: &Day) -> String {
    let names = day.lacking.iter().filter_map(|lacking| lacking.name.as_deref());
    let mut parts: Vec<String> = names.take(MOST_PLACES).map(|name| quote(name, LONGEST_PLACE)).collect();
    if parts.is_empty() {
        return String::new();
    }
    if let Some(more) = day.lacking.len().checked_sub(parts.len()).filter(|more| *more > 0) {
        parts.push(format!("ещё {more}"));
    }
    format!(" ({})", parts.join(", "))
}

fn between(day: &Day, span: Span) -> String {
    format!("{}–{}", clock(day, span.from), clock(day, span.to))
}

/// What the business's wall clocks show.
pub(super) fn clock(day: &Day, at: DateTime<Utc>) -> String {
    at.with_timezone(&day.hours.zone).format("%H:%M").to_string()
}

/// Minutes as `HH:MM`; more than a day is more hours.
pub(super) fn hours(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
