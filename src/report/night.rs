//! What staff read of a night of transfers, in Russian.
//!
//! It says in general words what happened: an upstream's own words stay in the log, where nobody can take them for ours.

use super::documents::{DocumentReport, Report};
use crate::{
    decimal::amount,
    error::{Kind, quote},
    humanize::plural,
    model::{
        documents::row::State,
        night::{Unmatched, What},
        report::{RunReport, Status, StepReport},
    },
    upstreams::telegram::{LONGEST_TEXT, cut},
};

/// The message to the admins; none when there is nothing to tell.
pub fn message(report: &Report, run: &RunReport) -> Option<String> {
    let touched: u64 = run.steps.iter().map(|step| step.counts.inserted + step.counts.updated).sum();
    let is_quiet = run.exit_code() == 0 && touched == 0 && !report.documents.is_empty();
    if is_quiet {
        return None;
    }
    let date = report.business_date.format("%d.%m.%Y");
    let title = format!("🌙 Перемещение расходных материалов за {date}: {}", outcome(report, run));
    Some(cut(&title, &lines(report, run), &closing(run), LONGEST_TEXT))
}

fn outcome(report: &Report, run: &RunReport) -> &'static str {
    let is_done = report.documents.iter().any(|document| document.state == State::Done);
    match run.exit_code() {
        0 if report.documents.is_empty() => "перемещать нечего",
        0 => "проведено",
        4 if report.documents.is_empty() => "есть предупреждения",
        4 => "проведено, есть предупреждения",
        9 => "неизвестно, всё ли проведено",
        12 => "не запускалось",
        _ if is_done => "проведено частично",
        _ => "не проведено",
    }
}

fn lines(report: &Report, run: &RunReport) -> Vec<String> {
    let mut lines = Vec::new();
    let is_stopped = report.unmatched.iter().any(|unmatched| unmatched.stops);
    if let Some(failure) = &run.failure {
        let said = if is_stopped {
            "остановлено: не нашлось того, с чем работать"
        } else {
            said(failure.kind)
        };
        lines.push(format!("❌ {said}"));
    }
    lines.extend(report.unmatched.iter().map(|unmatched| not_found(unmatched, report)));
    // Of what was not seen nothing is said.
    let is_seen = !report
        .unmatched
        .iter()
        .any(|unmatched| matches!(unmatched.what, What::Report | What::Stores | What::Store));
    if report.documents.is_empty() && run.failure.is_none() && is_seen && !report.restaurants.is_empty() {
        lines.push(format!("Отрицательных остатков нет: {}.", report.restaurants.join(", ")));
    }
    for (restaurant, documents) in report.by_restaurant() {
        lines.push(format!("🏠 {}", quote(&restaurant, 60)));
        lines.extend(documents.iter().map(|document| told(document)));
    }
    if !report.skipped.is_empty() {
        lines.push("⚠️ Не перемещено:".to_owned());
    }
    for item in &report.skipped {
        let what = match (&item.product, &item.amount) {
            (Some(product), Some(amount)) => format!(": {} ({})", quote(product, 60), with_comma(amount)),
            (Some(product), None) => format!(": {} — в отчёте iiko нет количества", quote(product, 60)),
            (None, _) => " — два склада с одним названием".to_owned(),
        };
        lines.push(format!("▫️ {}{what}", quote(&item.store, 60)));
    }
    if !report.short.is_empty() {
        lines.push("⚠️ На складе меньше, чем нужно:".to_owned());
    }
    for short in &report.short {
        let [has, taken] = [short.has, Some(short.taken)].map(|amount| {
            amount.map_or_else(|| "неизвестно".to_owned(), |amount| with_comma(&amount::show(amount)))
        });
        let (store, product) = (quote(&short.store, 60), quote(&short.product, 60));
        lines.push(format!("▫️ {store}: {product} — есть {has}, нужно {taken}"));
    }
    if !report.earlier.is_empty() {
        lines.push("⚠️ Не закрыто за прошлые дни:".to_owned());
    }
    let earlier = report.earlier.iter().map(|document| {
        format!(
            "▫️ {} №{} — {}",
            document.business_date.format("%d.%m.%Y"),
            number(document),
            state(document.state)
        )
    });
    lines.extend(earlier);
    let whole = |step: &&StepReport| step.scope.is_none() && step.status == Status::Warning;
    if run.steps.iter().filter(whole).any(|step| !step.warnings.is_empty()) {
        lines.push("⚠️ Есть предупреждения, они в журнале.".to_owned());
    }
    lines
}

/// What matches nothing, and what iiko has in its place.
fn not_found(unmatched: &Unmatched, report: &Report) -> String {
    let wanted = quote(&unmatched.wanted, 60);
    let (names, more) = unmatched.names(|name| format!("«{name}»"));
    let more = if more > 0 { format!(" и ещё {more}") } else { String::new() };
    let has = if names.is_empty() {
        String::new()
    } else {
        let place = if unmatched.what == What::Stores { "отчёте" } else { "iiko" };
        format!(" В {place} есть: {}{more}.", names.join(", "))
    };
    let date = report.business_date.format("%d.%m.%Y");
    let said = match unmatched.what {
        What::Source => format!("Склад-источник «{wanted}»: такого склада нет."),
        What::Target => format!("Склады-получатели «{wanted}»: таких складов нет."),
        What::Restaurant => {
            format!("Ни у одного ресторана нет склада «{wanted}» вместе со складом-получателем.")
        }
        What::ProductGroup => format!("Группа товаров «{wanted}»: в отчёте iiko её нет."),
        What::Report if unmatched.stops => {
            format!("Отчёт iiko за {date} пуст, а в прошлый раз строк было {wanted}.")
        }
        What::Report => format!("Отчёт iiko за {date} пуст: об остатках ничего не известно."),
        What::Stores => {
            format!(
                "В отчёте iiko за {date} нет ни одного склада-получателя: об их остатках ничего не известно."
            )
        }
        What::Store => {
            format!("Склад «{wanted}»: в отчёте iiko его нет, а в базе нет того, что там есть. Переименован?")
        }
    };
    format!("⚠️ {said}{has}")
}

fn told(document: &DocumentReport) -> String {
    let count = document.lines.len() as u64;
    let positions = plural(count, ["позиция", "позиции", "позиций"]);
    let kind = document.target().split('(').next().unwrap_or_default().trim();
    let sign = if document.state == State::Done { "✅" } else { "❌" };
    let (kind, number) = (quote(kind, 40), number(document));
    format!("{sign} {kind}: {count} {positions}, №{number} — {}", state(document.state))
}

/// The number under which staff find a document in iiko.
fn number(document: &DocumentReport) -> String {
    match &document.iiko_number {
        Some(number) => format!("{} (у нас {})", quote(number, 40), document.key),
        None => document.key.clone(),
    }
}

/// A decimal as it is written in Russian.
fn with_comma(amount: &str) -> String {
    amount.replace('.', ",")
}

/// How far a document is, for the staff.
fn state(state: State) -> &'static str {
    match state {
        State::Planned => "не отправлен",
        State::Drafting => "не проведён, в iiko может быть черновик",
        State::Drafted => "не проведён, в iiko черновик",
        State::Processing | State::Unknown => "неизвестно, проведён ли: проверьте в iiko",
        State::Done => "проведён",
        State::Failed => "не проведён",
        State::Abandoned => "снят с учёта",
    }
}

/// What happened, in words that hold for every failure of a kind.
fn said(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "внутренняя ошибка",
        Kind::Usage => "ошибка в настройках или правах",
        Kind::Partial => "проведено частично",
        Kind::Warning => "есть предупреждения",
        Kind::Unreachable => "iiko недоступна или не отвечает",
        Kind::Refused => "iiko отказала: пароль, права, лицензия или сертификат",
        Kind::InvalidAnswer => "негодный ответ iiko",
        Kind::Database => "ошибка базы данных или диска",
        Kind::Unknown => "неизвестно, проведено ли",
        Kind::Locked => "занято другим запуском",
        Kind::Misfire => "запуск опоздал и пропущен",
        Kind::Safety => "остановлено для безопасности: данные устарели, слишком велики, или часы расходятся",
        Kind::Signal(_) => "остановлено",
    }
}

fn closing(run: &RunReport) -> String {
    let code = run.exit_code();
    let next = match code {
        0 => None,
        3 | 4 => Some("zerkalo documents list"),
        5 => Some("zerkalo negative-transfer"),
        9 => Some("zerkalo documents reconcile"),
        _ => Some("zerkalo negative-transfer --dry-run"),
    };
    let mut lines = vec![format!("Запуск {}, код выхода {code}", run.run_id)];
    lines.extend(next.map(|command| format!("Дальше: {command}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Failure,
        model::night::{Short, Skipped},
    };
    use chrono::{DateTime, NaiveDate};
    use std::time::Duration;
    use uuid::Uuid;

    fn run(steps: Vec<StepReport>, failure: Option<Failure>) -> RunReport {
        RunReport {
            command: "negative-transfer".to_owned(),
            run_id: Uuid::from_u128(1),
            dry_run: false,
            slot: None,
            started_at: DateTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            steps,
            failure,
        }
    }

    fn document(title: &str, state: State) -> DocumentReport {
        DocumentReport {
            key: "T261122-1d4355a8".to_owned(),
            kind: crate::model::documents::Kind::Transfer,
            title: title.to_owned(),
            business_date: NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(),
            state,
            iiko_id: None,
            iiko_number: None,
            date_incoming: "2026-11-22T23:00".to_owned(),
            comment: String::new(),
            lines: Vec::new(),
            total: "0".to_owned(),
            problem: None,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn report() -> Report {
        Report::new(NaiveDate::from_ymd_opt(2026, 11, 22).unwrap())
    }

    #[test]
    fn staff_read_what_was_moved_and_what_was_not() {
        let mut report = report();
        report.documents = vec![
            document("Хоз. товары (Московский) → Бар (Московский)", State::Done),
            document("Хоз. товары (Московский) → Кухня (Московский)", State::Failed),
        ];
        report.skipped = vec![Skipped {
            store: "Бар (Московский)".to_owned(),
            product: Some("Трубочки".to_owned()),
            num: None,
            amount: Some("2".to_owned()),
            reason: "2 products have this name".to_owned(),
        }];
        report.short = vec![Short {
            store: "Хоз. товары (Московский)".to_owned(),
            product: "Салфетки".to_owned(),
            has: amount::parse("0.5"),
            taken: amount::parse("2").unwrap(),
        }];
        let failed = StepReport::new("negative-transfer", Some("document_outbox"), Some("T"))
            .failed(&Failure::new(Kind::Partial, "no"));
        let text = message(&report, &run(vec![failed], None)).unwrap();
        assert_eq!(
            text,
            "🌙 Перемещение расходных материалов за 22.11.2026: проведено частично\n\
             🏠 Московский\n\
             ✅ Бар: 0 позиций, №T261122-1d4355a8 — проведён\n\
             ❌ Кухня: 0 позиций, №T261122-1d4355a8 — не проведён\n\
             ⚠️ Не перемещено:\n\
             ▫️ Бар (Московский): Трубочки (2)\n\
             ⚠️ На складе меньше, чем нужно:\n\
             ▫️ Хоз. товары (Московский): Салфетки — есть 0,5, нужно 2\n\
             Запуск 00000000-0000-0000-0000-000000000001, код выхода 3\n\
             Дальше: zerkalo documents list"
        );
    }

    #[test]
    fn a_night_with_nothing_to_do_says_for_whom() {
        let mut report = report();
        report.restaurants = vec!["Московский".to_owned(), "Набережная".to_owned()];
        let text = message(&report, &run(Vec::new(), None)).unwrap();
        assert!(
            text.contains("перемещать нечего\nОтрицательных остатков нет: Московский, Набережная."),
            "{text}"
        );
        // Of what was not seen nothing is said.
        let empty = Unmatched { what: What::Report, wanted: "0".to_owned(), has: Vec::new(), stops: false };
        report.unmatched.push(empty);
        let warned =
            StepReport { status: Status::Warning, ..StepReport::new("negative-transfer", None, None) };
        let text = message(&report, &run(vec![warned], None)).unwrap();
        assert!(text.contains("Отчёт iiko за 22.11.2026 пуст") && !text.contains("остатков нет"), "{text}");
        report.unmatched.clear();
        // A repeat that has found everything done tells nobody.
        report.documents = vec![document("А (Б) → В (Б)", State::Done)];
        assert_eq!(message(&report, &run(Vec::new(), None)), None);
        let stopped = run(Vec::new(), Some(Failure::new(Kind::Unknown, "x")));
        assert!(message(&report, &stopped).unwrap().contains("неизвестно"));
    }
}
