use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::{
    error::{Failure, Kind},
    model::report::{Status, StepReport},
};
use chrono::DateTime;
use std::time::Duration;
use uuid::Uuid;

fn step(entity: &str, scope: Option<&str>) -> StepReport {
    let mut step = StepReport::new("iiko", Some(entity), scope);
    (step.counts.fetched, step.counts.inserted, step.counts.unchanged, step.duration_ms) =
        (1_234_567, 3, 1_234_564, 1234);
    step
}

fn run(steps: Vec<StepReport>) -> RunReport {
    RunReport {
        command: "sync iiko".to_owned(),
        run_id: Uuid::nil(),
        dry_run: false,
        slot: None,
        started_at: DateTime::from_timestamp(1_795_000_000, 123_456_000).unwrap(),
        duration: Duration::from_millis(1250),
        steps,
        failure: None,
    }
}

#[test]
fn the_json_is_the_documented_one() {
    let mut report = run(vec![
        step("iiko_entity", Some("Measure"))
            .failed(&Failure::new(Kind::Unreachable, "iiko did not answer").hint("try again")),
    ]);
    let json = report.to_json();
    assert_eq!(json["exit_code"], 5);
    assert_eq!(json["started_at"], "2026-11-18T11:06:40.123456Z");
    assert_eq!(json["duration_ms"], 1250);
    assert!(json.get("error").is_none() && json.get("hint").is_none());
    let step = json["steps"][0].as_object().unwrap();
    let mut keys: Vec<&str> = step.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let documented = "delete_blocked deleted duration_ms entity error fetched hint inserted rejected scope status \
                      step unchanged updated warnings";
    assert_eq!(keys, documented.split_whitespace().collect::<Vec<_>>());
    assert_eq!((&step["status"], &step["scope"]), (&json!("error"), &json!("Measure")));
    assert_eq!((&step["error"], &step["hint"]), (&json!("iiko did not answer"), &json!("try again")));

    report.failure = Some(Failure::new(Kind::Locked, "another run holds the lock").hint("wait"));
    let json = report.to_json();
    assert_eq!((&json["error"], &json["hint"]), (&json!("another run holds the lock"), &json!("wait")));
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    assert_eq!(run(vec![]).exit_code(), 0);
    assert_eq!(run(vec![step("a", None)]).exit_code(), 0);
    let with = |change: fn(&mut StepReport)| {
        let mut changed = step("b", None);
        change(&mut changed);
        run(vec![step("a", None), changed]).exit_code()
    };
    assert_eq!(with(|step| step.status = Status::Skipped), 0);
    assert_eq!(with(|step| step.status = Status::Warning), 4);
    assert_eq!(with(|step| step.warnings.push("look".to_owned())), 4);
    assert_eq!(with(|step| step.counts.delete_blocked = 1), 4);
    assert_eq!(with(|step| step.counts.rejected = 1), 4);
    assert_eq!(with(|step| step.status = Status::Error), 1);
    assert_eq!(with(|step| step.kind = Some(Kind::InvalidAnswer)), 7);
    let mut report = run(vec![step("a", None).failed(&Failure::new(Kind::InvalidAnswer, "cut"))]);
    report.failure = Some(Failure::new(Kind::Database, "disk full"));
    assert_eq!(report.exit_code(), 8);
}

/// Head, rule, rows, rule, total: what stands before the first empty line.
fn grid(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| !line.is_empty()).collect()
}

fn colourful() -> RunReport {
    let mut blocked = step("fintablo_transaction", None);
    blocked.step = "fintablo".to_owned();
    blocked.status = Status::Warning;
    blocked.warnings.push("120 of 200 rows are gone upstream; none was deleted".to_owned());
    blocked.hint = Some("zerkalo sync fintablo --allow-delete fintablo_transaction=120".to_owned());
    blocked.counts.delete_blocked = 120;
    let failure = Failure::new(Kind::InvalidAnswer, "the answer is a web page");
    let mut steps = vec![
        step("iiko_entity", Some("Measure")),
        step("iiko_entity", Some("Единица измерения 単位")),
        step("iiko_product", None),
        step("iiko_очень_длинное_имя_таблицы_которой_нет", Some("Хозяйственные товары")).failed(&failure),
        blocked,
    ];
    steps[2].duration_ms = 754_000;
    run(steps)
}

#[test]
fn no_line_of_the_table_is_wider_than_it_may_be() {
    let report = colourful();
    for width in [40, 60, 72, 80, 100, 120, 200] {
        for text in [report.table(width, false), report.full_table(width, false)] {
            let lines = grid(&text);
            for line in &lines {
                assert!(line.width() <= usize::from(width), "{width}: {line}");
            }
            assert!(lines[1].chars().all(|c| c == '─'), "{text}");
            assert!(lines.last().unwrap().contains("total"), "{text}");
        }
    }
}

#[test]
fn numbers_stand_under_their_titles_beside_cyrillic_names() {
    let text = colourful().table(160, false);
    let lines = grid(&text);
    let end = |line: &str, part: &str| line.find(part).map(|at| line[..at + part.len()].width());
    let inserted = end(lines[0], "inserted").unwrap();
    for line in lines.iter().filter(|line| line.contains("1 234 567")) {
        let before: usize = inserted - 1;
        let mut width = 0;
        let digit = line.chars().find(|c| {
            let here = width == before;
            width += c.to_string().as_str().width();
            here
        });
        assert!(matches!(digit, Some('3' | '6')), "{line}");
    }
    assert_eq!(end(lines[0], "fetched"), end(lines[4], "1 234 567"));
}

#[test]
fn a_list_of_documents_breaks_no_number_and_no_date() {
    let document = |key: &str, total: &str| documents::DocumentReport {
        key: key.to_owned(),
        kind: crate::model::documents::Kind::Transfer,
        title: "Основной склад → Кухня (Ресторан на набережной)".to_owned(),
        business_date: chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
        state: crate::model::documents::row::State::Processing,
        iiko_id: None,
        iiko_number: None,
        date_incoming: "2026-11-22T23:00".to_owned(),
        comment: String::new(),
        lines: Vec::new(),
        total: total.to_owned(),
        problem: None,
        updated_at: DateTime::from_timestamp(1_795_381_207, 123_456_000).unwrap(),
    };
    // Numbers of an earlier form stay.
    let keys = ["T20261122-b0e5079b-1d4355a8-1", "T20261122-b0e5079b-1d4355a8-2"];
    let documents = [document(keys[0], "1957.108479241"), document(keys[1], "3")];
    for width in [60, 80, 100, 120, 160] {
        let shown = documents::list(&documents, chrono_tz::Tz::Europe__Kaliningrad, width);
        let head = shown.lines().next().unwrap();
        for (title, word) in
            [("date", "2026-11-23"), ("in all", "1957.108479241"), ("touched", "2026-11-22 23:00")]
        {
            assert_eq!(head.contains(title), shown.contains(word), "{width}: {shown}");
        }
        assert!(
            keys.iter().all(|key| shown.contains(key)) && shown.contains("processing"),
            "{width}: {shown}"
        );
        assert!(shown.lines().all(|line| line.width() <= usize::from(width)), "{width}: {shown}");
        assert_eq!(width >= 80, head.contains("in all"), "{width}: {shown}");
        assert_eq!(width >= 120, head.contains("touched"), "{width}: {shown}");
    }
    assert_eq!(serde_json::to_value(&documents[0]).unwrap()["updated_at"], "2026-11-22T21:00:07Z");
}

#[test]
fn calm_scopes_are_one_line() {
    let calm = || run(vec![step("iiko_entity", Some("A")), step("iiko_entity", Some("B")), step("x", None)]);
    let folded = calm().table(120, false);
    assert!(folded.contains("iiko_entity (2 types)") && folded.contains("2 469 134"), "{folded}");
    assert!(!folded.contains("(A)"));
    assert!(calm().full_table(120, false).contains("iiko_entity (A)"));
    let mut troubled = calm();
    troubled.steps[1].status = Status::Warning;
    assert!(troubled.table(120, false).contains("iiko_entity (A)"));
    assert!(calm().table(120, false).ends_with(
        "done in 1.2 s: 2 entities, 9 inserted, 0 updated, 3 703 692 unchanged, 0 deleted, exit 0"
    ));
}

#[test]
fn what_is_wrong_is_said_without_colour() {
    let mut report = colourful();
    report.dry_run = true;
    let text = report.table(120, false);
    assert!(text.contains(
        "warning: fintablo_transaction: 120 of 200 rows are gone upstream; none was deleted\n  hint: zerkalo sync"
    ));
    assert!(text.contains("(Хозяйственные товары): the answer is a web page\n"));
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert!(last[0].starts_with("failed in part after 1.2 s: 4 entities"), "{text}");
    assert!(last[0].ends_with("120 not deleted (guard), exit 7"), "{text}");
    assert_eq!(last[1], "dry run: nothing was written");
    assert!(!text.contains('\u{1b}') && report.table(120, true).contains("\u{1b}["));
    assert!(report.notes(false).starts_with("error: iiko_очень"), "{}", report.notes(false));

    let mut alone = run(vec![]);
    alone.failure = Some(Failure::new(Kind::Locked, "another run holds the lock").hint("--lock-wait 5m"));
    let expected = "error: another run holds the lock\n  hint: --lock-wait 5m\n\nfailed after 1.2 s: exit 11";
    assert_eq!(alone.table(80, false), expected);
}

#[test]
fn a_finished_step_is_one_line() {
    let mut step = StepReport::new("iiko", Some("iiko_entity"), Some("Measure"));
    (step.counts.fetched, step.counts.updated, step.counts.delete_blocked, step.duration_ms) =
        (1200, 3, 9, 1250);
    let expected = "iiko_entity (Measure): success, 1 200 fetched, 3 updated, 9 not deleted (guard), 1.2 s";
    assert_eq!(finished(&step), expected);
}
