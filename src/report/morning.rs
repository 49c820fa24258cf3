//! The morning's message to the admins, in Russian.
//!
//! It says in general words what happened: an upstream's own words stay in the log, where nobody can take them for ours.

use crate::{
    error::Kind,
    humanize::{number, plural},
    model::report::{RunReport, Status, StepReport},
    registry::title,
    tables,
    upstreams::telegram::{LONGEST_TEXT, cut},
};
use chrono::NaiveDate;

/// What an admin reads of a run: a title, a line for each step and problem, counts, the run, and what to type next.
pub fn message(report: &RunReport, date: NaiveDate) -> String {
    let title = format!("🌅 Утренняя синхронизация {}: {}", date.format("%d.%m.%Y"), outcome(report));
    cut(&title, &problems(report), &closing(report), LONGEST_TEXT)
}

fn outcome(report: &RunReport) -> &'static str {
    let done =
        |step: &StepReport| matches!(step.status, Status::Success | Status::Warning) && step.kind.is_none();
    match report.exit_code() {
        0 => "всё в порядке",
        4 => "есть предупреждения",
        12 => "не запускалась",
        _ if report.steps.iter().any(done) => "выполнена частично",
        _ => "не выполнена",
    }
}

/// A line for each step and problem, with the tables that share it.
fn problems(report: &RunReport) -> Vec<String> {
    let mut lines: Vec<(String, Vec<String>, String)> = Vec::new();
    if let Some(failure) = &report.failure {
        lines.push(("❌".to_owned(), Vec::new(), said(failure.kind).to_owned()));
    }
    for step in &report.steps {
        for (mark, words) in problems_of(step) {
            let head = format!("{mark} {}", title(&step.step));
            let name = table_name(step);
            match lines.iter_mut().find(|(known, _, same)| (known, same) == (&head, &words)) {
                Some((_, names, _)) if names.contains(&name) => {}
                Some((_, names, _)) => names.push(name),
                None => lines.push((head, vec![name], words)),
            }
        }
    }
    let line = |(head, names, words): (String, Vec<String>, String)| {
        if names.is_empty() {
            format!("{head} {words}")
        } else {
            format!("{head}: {} — {words}", names.join(", "))
        }
    };
    lines.into_iter().map(line).collect()
}

/// What was not right with a step: a sign, and what happened.
fn problems_of(step: &StepReport) -> Vec<(&'static str, String)> {
    match step.status {
        Status::Error => return vec![("❌", said(step.kind.unwrap_or(Kind::Internal)).to_owned())],
        Status::Skipped => return vec![("⏭", "пропущено".to_owned())],
        Status::Success | Status::Warning => {}
    }
    let rows = |count| format!("{} {}", number(count), plural(count, ["строка", "строки", "строк"]));
    let mut problems = Vec::new();
    if step.counts.delete_blocked > 0 {
        problems.push(format!("нет в ответе сервера, но не удалено: {}", rows(step.counts.delete_blocked)));
    }
    if step.counts.rejected > 0 {
        problems.push(format!("не принято: {}", rows(step.counts.rejected)));
    }
    if problems.is_empty() && step.counts.deleted > 0 && !step.warnings.is_empty() {
        problems.push(format!("удалено много: {}", rows(step.counts.deleted)));
    }
    if problems.is_empty() && (step.status == Status::Warning || !step.warnings.is_empty()) {
        problems.push("есть предупреждения, они в журнале".to_owned());
    }
    problems.into_iter().map(|words| ("⚠️", words)).collect()
}

/// What happened, in words that hold for every failure of a kind.
fn said(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "внутренняя ошибка",
        Kind::Usage => "ошибка в настройках или правах",
        Kind::Partial => "выполнено частично",
        Kind::Warning => "есть предупреждения",
        Kind::Unreachable => "сервер недоступен или не отвечает",
        Kind::Refused => "сервер отказал: пароль, права, лицензия или сертификат",
        Kind::InvalidAnswer => "негодный ответ сервера, ничего не изменено",
        Kind::Database => "ошибка базы данных или диска",
        Kind::Unknown => "неизвестно, выполнено ли",
        Kind::Locked => "занято другим запуском",
        Kind::Misfire => "запуск опоздал и пропущен",
        Kind::Safety => "остановлено для безопасности: база зеркалит другой источник",
        Kind::Signal(_) => "остановлено",
    }
}

fn table_name(step: &StepReport) -> String {
    let name = match step.entity.as_deref() {
        None => return title(&step.step).to_lowercase(),
        Some(table) => tables::named(table).map_or(table, |table| table.title),
    };
    match &step.scope {
        Some(scope) => format!("{name} ({scope})"),
        None => name.to_owned(),
    }
}

fn closing(report: &RunReport) -> String {
    let sum = |count: fn(&StepReport) -> u64| number(report.steps.iter().map(count).sum());
    let mut tables: Vec<&str> = report.steps.iter().filter_map(|step| step.entity.as_deref()).collect();
    tables.sort_unstable();
    tables.dedup();
    let mut lines = Vec::new();
    if !tables.is_empty() {
        lines.push(format!(
            "Таблиц: {}, добавлено строк: {}, изменено: {}, удалено: {}",
            tables.len(),
            sum(|step| step.counts.inserted),
            sum(|step| step.counts.updated),
            sum(|step| step.counts.deleted),
        ));
    }
    let code = report.exit_code();
    lines.push(format!("Запуск {}, код выхода {code}", report.run_id));
    lines.extend(next_command(code).map(|command| format!("Дальше: {command}")));
    lines.join("\n")
}

/// What to type next.
fn next_command(code: u8) -> Option<&'static str> {
    match code {
        0 => None,
        2 | 6 => Some("zerkalo config check"),
        4 | 7 | 13 => Some("zerkalo full-morning --dry-run"),
        8 => Some("zerkalo migrate --dry-run"),
        _ => Some("zerkalo full-morning"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Failure, model::Counts};
    use chrono::DateTime;
    use uuid::Uuid;

    fn run(steps: Vec<StepReport>, failure: Option<Failure>) -> RunReport {
        RunReport {
            command: "full-morning".to_owned(),
            run_id: Uuid::from_u128(1),
            dry_run: false,
            slot: None,
            started_at: DateTime::UNIX_EPOCH,
            duration: std::time::Duration::ZERO,
            steps,
            failure,
        }
    }

    fn told(report: &RunReport) -> String {
        message(report, NaiveDate::from_ymd_opt(2026, 11, 22).unwrap())
    }

    fn step(step: &str, table: &str) -> StepReport {
        StepReport {
            counts: Counts { inserted: 1200, ..Counts::default() },
            ..StepReport::new(step, Some(table), None)
        }
    }

    #[test]
    fn a_message_tells_steps_counts_the_run_and_what_to_type() {
        let down = Failure::new(Kind::Unreachable, "iiko suppliers: <b>\u{202e}evil</b> at http://host");
        let blocked = StepReport {
            counts: Counts { delete_blocked: 4, ..Counts::default() },
            status: Status::Warning,
            warnings: vec!["<i>raw</i>".to_owned()],
            ..StepReport::new("fintablo", Some("ft_direction"), None)
        };
        let skipped = StepReport { status: Status::Skipped, ..step("stock", "stock_balance") };
        let report = run(
            vec![
                step("iiko", "iiko_store"),
                StepReport::new("iiko", Some("iiko_supplier"), None).failed(&down),
                StepReport::new("iiko", Some("iiko_employee"), None).failed(&down),
                blocked,
                skipped,
            ],
            None,
        );
        assert_eq!(
            told(&report),
            "🌅 Утренняя синхронизация 22.11.2026: выполнена частично\n\
             ❌ iiko: поставщики, сотрудники — сервер недоступен или не отвечает\n\
             ⚠️ FinTablo: направления — нет в ответе сервера, но не удалено: 4 строки\n\
             ⏭ Остатки: по складам — пропущено\n\
             Таблиц: 5, добавлено строк: 2 400, изменено: 0, удалено: 0\n\
             Запуск 00000000-0000-0000-0000-000000000001, код выхода 5\n\
             Дальше: zerkalo full-morning"
        );
    }

    #[test]
    fn nothing_but_our_own_words_is_told() {
        let evil = "<b>\u{202e}\u{1b}[2Jevil http://x token";
        for kind in [Kind::Internal, Kind::Refused, Kind::InvalidAnswer, Kind::Database, Kind::Safety] {
            let failure = Failure::new(kind, evil).hint(evil);
            let warned = StepReport {
                warnings: vec![evil.to_owned()],
                counts: Counts { rejected: 1, ..Counts::default() },
                ..step("iiko", "iiko_store")
            };
            let failed = step("iiko", "iiko_product").failed(&failure);
            let text = told(&run(vec![failed, warned], Some(failure)));
            assert!(!text.contains("evil") && !text.contains('\u{202e}'), "{text}");
            assert!(text.contains(said(kind)), "{text}");
        }
    }

    #[test]
    fn the_title_says_how_it_went() {
        assert!(
            told(&run(vec![step("iiko", "iiko_store")], None)).contains("2026: всё в порядке\nТаблиц: 1")
        );
        let late = run(Vec::new(), Some(Failure::new(Kind::Misfire, "late")));
        assert!(told(&late).contains("не запускалась\n❌ запуск опоздал и пропущен\nЗапуск"));
        let lost = run(Vec::new(), Some(Failure::new(Kind::Database, "gone")));
        assert!(told(&lost).ends_with("код выхода 8\nДальше: zerkalo migrate --dry-run"));
    }

    #[test]
    fn however_much_goes_wrong_it_fits() {
        let scoped = |number: u32| StepReport {
            counts: Counts { delete_blocked: number.into(), ..Counts::default() },
            status: Status::Warning,
            ..StepReport::new("iiko", Some("iiko_entity"), Some(&format!("RootType{number}")))
        };
        let text = told(&run((1..500).map(scoped).collect(), None));
        assert!(crate::upstreams::telegram::units(&text) <= LONGEST_TEXT);
        assert!(
            text.contains("…и ещё ") && text.ends_with("Дальше: zerkalo full-morning --dry-run"),
            "{text}"
        );
    }
}
