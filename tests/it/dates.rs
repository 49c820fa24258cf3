//! Days that a person types or a file gives: none that cannot be meant is posted, or answered as if something were known of it.

use super::{
    documents::{expect, street},
    harness::{Engine, on_both},
    nights::Street,
};
use chrono::{Days, NaiveDate};
use serde_json::Value;
use std::fs;

on_both!(
    an_act_of_a_day_that_cannot_be_meant_is_not_posted,
    an_old_act_is_posted_when_that_is_said,
    what_was_posted_in_time_is_found_however_late,
    what_only_reads_refuses_days_that_cannot_be,
);

/// The evening's day.
fn today(street: &Street) -> NaiveDate {
    street.moment(0).with_timezone(&chrono_tz::Europe::Kaliningrad).date_naive()
}

/// Writes an act of this day and returns where.
fn act(street: &Street, date: &str, is_json: bool) -> String {
    let account = street.account();
    let ((store, product), _) = street.missing.iter().next().unwrap();
    let world = street.world.sandbox.world();
    let num = world.products.iter().find(|record| record["id"] == product.as_str()).unwrap()["num"].clone();
    let num = num.as_str().unwrap();
    let file = street.world.home.path().join("act");
    let text = if is_json {
        format!(
            r#"{{"store":"{store}","account":"{account}","date":"{date}","items":[{{"num":"{num}","amount":1}}]}}"#
        )
    } else {
        format!("store;account;date;num;amount\n{store};{account};{date};{num};1\n")
    };
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn error_of(json: &Value, stderr: &str) -> String {
    json["error"].as_str().unwrap_or(stderr).to_owned()
}

fn an_act_of_a_day_that_cannot_be_meant_is_not_posted(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let day = |form: &str, back: i64| {
        let date = today(&street);
        let date = if back < 0 {
            date + Days::new(back.unsigned_abs())
        } else {
            date - Days::new(back.unsigned_abs())
        };
        date.format(form).to_string()
    };
    for (date, words, is_for_good) in [
        (day("%d.%m.%y", 0), "a year has four digits", true),
        (day("%y-%m-%d", 0), "a year has four digits", true),
        (day("%d.%m.%y 12:00", 0), "a year has four digits", true),
        (day("00%y-%m-%d", 0), "before 2000", true),
        ("31.12.1999".to_owned(), "before 2000", true),
        (day("%d.%m.%Y", -1), "has not come yet", true),
        (day("%Y-%m-%dT23:45", 0), "has not come yet", true),
        (day("%d.%m.%Y", 32), "more than 31 days ago", false),
    ] {
        for is_json in [false, true] {
            let file = act(&street, &date, is_json);
            let more: &[&[&str]] =
                if is_for_good { &[&[], &["--dry-run"], &["--back-dated"]] } else { &[&[], &["--dry-run"]] };
            for flags in more {
                let refused = expect(world, 2, &[&["writeoff", file.as_str()][..], flags].concat());
                let error = error_of(&refused.json, &refused.stderr);
                assert!(error.contains(words), "{date} {flags:?}: {error}");
                assert!(!is_for_good || !refused.stdout.contains("--back-dated"), "{}", refused.stdout);
                assert!(is_for_good || refused.stdout.contains("--back-dated"), "{}", refused.stdout);
            }
        }
    }
    assert_eq!((world.sandbox.world().documents().len(), world.count("document_outbox")), (0, 0));
}

fn an_old_act_is_posted_when_that_is_said(engine: Engine) {
    let street = street(engine, 0);
    for (back, flags) in [(31, &[][..]), (32, &["--back-dated"]), (1000, &["--back-dated"])] {
        let date = today(&street) - Days::new(back);
        let file = act(&street, &date.format("%d.%m.%Y").to_string(), false);
        expect(&street.world, 0, &[&["writeoff", file.as_str()][..], flags].concat());
        let world = street.world.sandbox.world();
        assert_eq!(world.documents().last().unwrap().date.date(), date);
    }
}

fn what_was_posted_in_time_is_found_however_late(engine: Engine) {
    let mut street = street(engine, 0);
    let file = act(&street, &today(&street).format("%Y-%m-%d").to_string(), false);
    expect(&street.world, 0, &["writeoff", &file]);
    street.set_clock(40 * 24 * 60);
    expect(&street.world, 0, &["sync", "iiko"]);
    let again = expect(&street.world, 0, &["writeoff", &file]);
    assert!(again.json["notes"].to_string().contains("already posted"), "{}", again.json);
    assert_eq!(street.world.sandbox.world().documents().len(), 1);
    // One that was planned then and never sent is a new one to iiko.
    expect(&street.world, 2, &["writeoff", &file, "--again"]);
    street.world.execute("update document_outbox set state = 'planned', iiko_id = null");
    street.world.sandbox.edit(|world| {
        let number = world.documents()[0].number.clone();
        assert!(world.delete_document(&number));
    });
    let refused = expect(&street.world, 2, &["writeoff", &file]);
    assert!(error_of(&refused.json, "").contains("more than 31 days ago"), "{}", refused.json);
}

fn what_only_reads_refuses_days_that_cannot_be(engine: Engine) {
    let street = street(engine, 0);
    let world = &street.world;
    let (now, next) = (today(&street).to_string(), (today(&street) + Days::new(1)).to_string());
    for arguments in [
        &["documents", "list", "--date"][..],
        &["log", "--since"],
        &["stoplist-report", "--dry-run", "--date"],
        &["negative-transfer", "--dry-run", "--date"],
        &["full-morning", "--dry-run", "--scheduled", "07:00", "--date"],
        &["full-morning", "--scheduled", "07:00", "--late-ok", "--date"],
        &["sync", "stock", "--scheduled", "07:00", "--late-ok", "--date"],
    ] {
        for (date, words) in [
            ("0026-11-26", "before 2000"),
            ("1999-12-31", "before 2000"),
            ("26-11-26", "a year has four digits"),
            (next.as_str(), "has not come yet"),
        ] {
            let refused = world.expect(2, &[arguments, &[date]].concat());
            let error = error_of(&refused.json, &refused.stderr);
            assert!(error.contains(words), "{arguments:?} {date}: {error}");
        }
    }
    for arguments in [&["documents", "list", "--date"][..], &["log", "--since"]] {
        expect(world, 0, &[arguments, &[now.as_str()]].concat());
    }
    expect(world, 0, &["negative-transfer", "--dry-run", "--date", &now]);
}
