//! Nights for which nothing was found: a name that nothing has, and a report without rows, are no night without negatives.

use super::{
    documents::{NIGHT, expect, street},
    harness::{Engine, Outcome, World, on_both},
    nights::Street,
};
use serde_json::{Value, json};
use zerkalo::sandbox::{self, Action, Fault};

on_both!(
    a_name_that_nothing_has_posts_nothing_and_leaves_the_slot_open,
    what_was_renamed_in_iiko_is_not_nothing,
    one_of_several_names_that_nothing_has_is_told,
    a_store_renamed_since_the_morning_is_told,
    no_restaurant_is_told_as_such,
    a_report_without_rows_is_no_night_without_negatives,
    a_report_without_the_stores_that_take_is_no_night_without_negatives,
    a_row_without_an_amount_is_no_zero,
    what_may_stand_in_a_row_that_cannot_be_read_is_not_called_missing,
    a_source_that_is_a_target_is_refused_before_anything_is_asked,
);

/// A street whose admins are told.
fn told_street(engine: Engine) -> Street {
    let mut street = street(engine, 0);
    let token = sandbox::Options::default().telegram_token;
    street.world.set("TELEGRAM_BASE_URL", street.world.sandbox.telegram_url());
    street.world.set("TELEGRAM_BOT_TOKEN", token);
    street.world.set("TELEGRAM_ADMIN_CHAT_IDS", sandbox::ADMIN_CHAT);
    street
}

/// What the admins were told last.
fn told(world: &World) -> String {
    let world = world.sandbox.world();
    let messages = world.telegram.chats.get(sandbox::ADMIN_CHAT).map(|chat| &chat.messages);
    messages.and_then(|messages| messages.last()).map(|message| message.text.clone()).unwrap_or_default()
}

fn error_of(outcome: &Outcome) -> &str {
    outcome.json["error"].as_str().unwrap_or_default()
}

/// The night is refused for these words, in Russian for those, and nothing was written anywhere.
#[track_caller]
fn assert_refused(world: &World, words: &[&str], russian: &[&str]) {
    let night = expect(world, 13, &NIGHT);
    for word in words {
        assert!(night.stdout.contains(word), "{word}: {}", night.stdout);
    }
    assert!(!error_of(&night).is_empty());
    let text = told(world);
    for word in russian {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("код выхода 13") && !text.contains("Отрицательных остатков нет"), "{text}");
    assert_eq!((world.sandbox.world().documents().len(), world.count("document_outbox")), (0, 0));
    assert_eq!(world.count("job_slot"), 0, "the slot is open for the next start");
    expect(world, 13, &["negative-transfer", "--dry-run"]);
}

#[track_caller]
fn assert_all_moved(street: &Street) {
    assert_eq!(street.world.sandbox.world().ledger().len(), street.missing.len());
}

fn a_name_that_nothing_has_posts_nothing_and_leaves_the_slot_open(engine: Engine) {
    for (setting, wrong, right, words, russian) in [
        (
            "NEGATIVE_TRANSFER_TARGET_PREFIXES",
            "Бар; Кухня",
            "Бар,Кухня",
            &["no store is called `Бар; Кухня (…)`", "Пекарня", "Хоз.товары", "commas"][..],
            &["Склады-получатели", "«Бар; Кухня»", "В iiko есть: ", "Пекарня"][..],
        ),
        (
            "NEGATIVE_TRANSFER_SOURCE_PREFIX",
            "Хозтовары",
            "Хоз. товары",
            &["no store is called `Хозтовары (…)`", "Кухня"],
            &["Склад-источник", "«Хозтовары»"],
        ),
        (
            "NEGATIVE_TRANSFER_PRODUCT_GROUP",
            "Расходные материaлы",
            "Расходные материалы",
            &["no product of the report is in the top group `Расходные материaлы`", "Расходные материалы"],
            &["Группа товаров", "«Расходные материaлы»", "Расходные материалы"],
        ),
    ] {
        let mut street = told_street(engine);
        street.world.set(setting, wrong);
        assert_refused(&street.world, words, russian);
        // The setting is put right: cron's next start does the work.
        street.set_clock(10);
        street.world.set(setting, right);
        expect(&street.world, 0, &NIGHT);
        assert_all_moved(&street);
    }
}

/// Renames what is called so in a list of iiko's.
fn rename(records: &mut [Value], old: &str, new: &str) {
    for record in records {
        if let Some(name) = record["name"].as_str().filter(|name| name.contains(old)) {
            record["name"] = json!(name.replace(old, new));
        }
    }
}

fn what_was_renamed_in_iiko_is_not_nothing(engine: Engine) {
    let street = told_street(engine);
    street.world.sandbox.edit(|world| rename(&mut world.product_groups, "Расходные материалы", "Расходники"));
    // Since the morning, so that the mirror has the old name; and with the new one.
    assert_refused(&street.world, &["`Расходные материалы`", "Расходники"], &["Расходники"]);
    expect(&street.world, 0, &["sync", "iiko"]);
    assert_refused(&street.world, &["`Расходные материалы`", "Расходники"], &["Расходники"]);

    let street = told_street(engine);
    street.world.sandbox.edit(|world| {
        rename(&mut world.stores, "Хоз. товары", "Склад хозтоваров");
        rename(&mut world.stores, "Хоз.товары", "Склад хозтоваров");
    });
    expect(&street.world, 0, &["sync", "iiko", "--only", "iiko_store"]);
    assert_refused(
        &street.world,
        &["no store is called `Хоз. товары (…)`", "Склад хозтоваров"],
        &["Склад хозтоваров"],
    );
}

fn one_of_several_names_that_nothing_has_is_told(engine: Engine) {
    let mut street = told_street(engine);
    street.world.set("NEGATIVE_TRANSFER_TARGET_PREFIXES", "Бар,Лобби,Кухня");
    let night = expect(&street.world, 4, &NIGHT);
    assert_all_moved(&street);
    let warnings = night.steps()[0]["warnings"].to_string();
    assert!(warnings.contains("no store is called `Лобби (…)`"), "{warnings}");
    let text = told(&street.world);
    assert!(text.contains("«Лобби»") && text.contains("✅"), "{text}");
    // A posted night is done.
    let again = expect(&street.world, 0, &NIGHT);
    assert_eq!(again.json["slot"]["found"], "done", "{}", again.json);
    // A restaurant that is there twice is one name, and the same prefix twice is one prefix.
    let mut street = told_street(engine);
    street.world.set("NEGATIVE_TRANSFER_TARGET_PREFIXES", "Бар,бар,Кухня");
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
}

fn a_store_renamed_since_the_morning_is_told(engine: Engine) {
    for name in ["Бар-1 (Набережная)", "Бар (Набережная) 2", "Бар Набережная"]
    {
        let street = told_street(engine);
        street.world.sandbox.edit(|world| rename(&mut world.stores, "Бар (Набережная)", name));
        let night = expect(&street.world, 4, &NIGHT);
        let warnings = night.steps()[0]["warnings"].to_string();
        assert!(warnings.contains("nothing of `Бар (Набережная)`") && warnings.contains(name), "{warnings}");
        assert!(told(&street.world).contains(&format!("«{name}»")), "{}", told(&street.world));
        assert_eq!(street.world.sandbox.world().ledger().len(), 6);
    }
}

fn no_restaurant_is_told_as_such(engine: Engine) {
    let street = told_street(engine);
    street.world.sandbox.edit(|world| {
        for record in &mut world.stores {
            if let Some(name) = record["name"].as_str().filter(|name| name.starts_with("Хоз")) {
                record["name"] = json!(name.replace('(', "(склад "));
            }
        }
    });
    expect(&street.world, 0, &["sync", "iiko", "--only", "iiko_store"]);
    assert_refused(
        &street.world,
        &["no restaurant has a store `Хоз. товары (…)` and one to take from it", "склад Московский"],
        &["Ни у одного ресторана", "склад Московский"],
    );
}

fn empty() -> Fault {
    let body = r#"<?xml version="1.0" encoding="UTF-8"?><report/>"#;
    Fault::new("reports/olap", Action::Body { content_type: "application/xml".to_owned(), body: body.into() })
}

fn a_report_without_rows_is_no_night_without_negatives(engine: Engine) {
    // Where no report had any, none is missing; but nothing was seen, either.
    let mut street = told_street(engine);
    street.world.sandbox.fault(empty());
    let first = expect(&street.world, 4, &NIGHT);
    assert!(first.steps()[0]["warnings"].to_string().contains("has no rows"), "{}", first.json);
    assert!(!told(&street.world).contains("Отрицательных остатков нет"), "{}", told(&street.world));
    street.set_clock(24 * 60);
    expect(&street.world, 0, &["sync", "iiko"]);
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
    let counted = street.world.query(
        "select cast(records_synced as text) from iiko_sync_log where entity_type = 'document_outbox'
         order by id desc limit 1",
    );
    assert_ne!(counted, [[Some("0".to_owned())]], "the rows of the report are counted");
    // Where the last one had some, they are. What posts otherwise has read no report.
    street.set_clock(2 * 24 * 60);
    expect(&street.world, 0, &["sync", "iiko"]);
    expect(&street.world, 0, &["documents", "reconcile"]);
    for _ in 0..2 {
        street.world.sandbox.fault(empty());
        let refused = expect(&street.world, 13, &NIGHT);
        assert!(error_of(&refused).contains("the last one had"), "{}", refused.json);
        let text = told(&street.world);
        assert!(text.contains("Отчёт iiko за") && !text.contains("Отрицательных остатков нет"), "{text}");
    }
    assert_eq!(street.world.count("job_slot"), 2, "the slot is open for the next start");
    street.set_clock(2 * 24 * 60 + 10);
    expect(&street.world, 0, &NIGHT);
    assert!(told(&street.world).contains("Отрицательных остатков нет"), "{}", told(&street.world));
}

fn a_report_without_the_stores_that_take_is_no_night_without_negatives(engine: Engine) {
    let mut street = told_street(engine);
    let all = street.world.sandbox.world().balances.clone();
    street.world.sandbox.edit(|world| {
        world.balances.retain(|row| {
            let store = world.stores.iter().find(|store| store["id"] == row["store"]);
            let name = store.and_then(|store| store["name"].as_str()).unwrap_or_default().to_lowercase();
            !name.starts_with("бар") && !name.starts_with("кухня")
        });
        // Every store but those has something; one of them must, so that the report is not empty.
        let source = world.stores.iter().find(|store| store["name"] == "Хоз. товары (Московский)").unwrap();
        let mut row = all[0].clone();
        (row["store"], row["amount"]) = (source["id"].clone(), json!(5));
        world.balances.push(row);
    });
    assert_refused(
        &street.world,
        &[
            "the report has no row of any target store",
            "`Бар (Набережная)`",
            "the report has `",
            "Хоз. товары (Московский)",
        ],
        &["нет ни одного склада-получателя", "В отчёте есть: ", "Хоз. товары (Московский)"],
    );
    street.world.sandbox.edit(|world| world.balances = all);
    street.set_clock(10);
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
}

fn a_row_without_an_amount_is_no_zero(engine: Engine) {
    let street = told_street(engine);
    let product = street.missing.keys().next().unwrap().1.clone();
    let (account, row) = {
        let world = street.world.sandbox.world();
        let name = |list: &[Value], id: &str, field: &str| {
            list.iter().find(|record| record["id"] == id).unwrap()[field].as_str().unwrap().to_owned()
        };
        let (store, _) = street.missing.keys().next().unwrap();
        let (account, num) = (name(&world.stores, store, "name"), name(&world.products, &product, "num"));
        let row = |account: &str, num: &str, amount: &str| {
            format!(
                "<r><Account.Name>{account}</Account.Name><Product.TopParent>Расходные материалы</Product.TopParent>\
                 <Product.Name>Салфетки &lt;1&gt;</Product.Name><Product.Num>{num}</Product.Num><Product.MeasureUnit/>\
                 <FinalBalance.Amount>{amount}</FinalBalance.Amount><FinalBalance.Money>0</FinalBalance.Money></r>"
            )
        };
        let rows = [row(&account, &num, "-2"), row(&account, "no-amount", ""), row("Аренда", "rent", "")];
        (account, rows.concat())
    };
    let body = format!("<report>{row}</report>");
    let answer = Action::Body { content_type: "application/xml".to_owned(), body: body.into() };
    street.world.sandbox.fault(Fault::new("reports/olap", answer));
    let night = expect(&street.world, 4, &NIGHT);
    let skipped = night.json["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(skipped[0]["store"], account.trim());
    assert!(skipped[0]["reason"].as_str().unwrap().contains("no amount"), "{skipped:?}");
    let text = told(&street.world);
    assert!(text.contains("Салфетки <1> — в отчёте iiko нет количества"), "{text}");
    assert_eq!(street.world.sandbox.world().ledger().len(), 1);
}

fn what_may_stand_in_a_row_that_cannot_be_read_is_not_called_missing(engine: Engine) {
    let street = told_street(engine);
    let row = |group: &str, product: &str| {
        format!(
            "<r><Account.Name>Аренда</Account.Name><Product.TopParent>{group}</Product.TopParent>\
             <Product.Name>{product}</Product.Name><Product.Num>1</Product.Num><Product.MeasureUnit/>\
             <FinalBalance.Amount>-1</FinalBalance.Amount><FinalBalance.Money/></r>"
        )
    };
    let broken = row("Расходные материалы", "Ложка & вилка");
    for (code, rows, words) in [
        (7, broken.clone(), &["1 row of the report cannot be read", "Ложка & вилка"][..]),
        (
            13,
            row("Кухня", "Суп") + &broken,
            &["1 row of the report cannot be read", "no product of the report is"],
        ),
    ] {
        let body = format!("<report>{rows}</report>");
        let answer = Action::Body { content_type: "application/xml".to_owned(), body: body.into() };
        street.world.sandbox.fault(Fault::new("reports/olap", answer));
        let night = expect(&street.world, code, &NIGHT);
        for word in words {
            assert!(error_of(&night).contains(word), "{word}: {}", night.json);
        }
        assert!(!error_of(&night).contains("has no rows"), "{}", night.json);
        let text = told(&street.world);
        assert!(text.contains(&format!("код выхода {code}")), "{text}");
        assert!(!text.contains("Отрицательных остатков нет"), "{text}");
        assert_eq!((street.world.count("document_outbox"), street.world.count("job_slot")), (0, 0));
    }
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
}

fn a_source_that_is_a_target_is_refused_before_anything_is_asked(engine: Engine) {
    let mut street = told_street(engine);
    street.world.set("NEGATIVE_TRANSFER_TARGET_PREFIXES", "Бар,хоз.товары,Кухня");
    for arguments in [&NIGHT[..], &["negative-transfer", "--dry-run"], &["config", "check"]] {
        let refused = expect(&street.world, 2, arguments);
        assert!(error_of(&refused).contains("names `хоз.товары`"), "{}", refused.json);
    }
    assert_eq!(street.world.sandbox.journal(), []);
    assert_eq!(street.world.count("job_slot"), 0, "the slot is open for the next start");
    street.world.set("NEGATIVE_TRANSFER_TARGET_PREFIXES", "Бар,Кухня");
    expect(&street.world, 0, &NIGHT);
    assert_all_moved(&street);
}
