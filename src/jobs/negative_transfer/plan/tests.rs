use super::*;
use crate::{config::Config, jobs::posting::within_caps};

fn named(id: u128, name: &str) -> Named {
    Named { id: Uuid::from_u128(id << 96 | id), name: name.to_owned(), code: String::new() }
}

fn product(id: u128, num: &str, name: &str, kind: &str, unit: Option<u128>) -> Product {
    Product {
        id: Uuid::from_u128(id),
        name: name.to_owned(),
        num: num.to_owned(),
        kind: kind.to_owned(),
        unit: unit.map(Uuid::from_u128),
    }
}

fn row(account: &str, name: &str, num: &str, amount: &str) -> Row {
    Row::from([
        (ACCOUNT, Some(account)),
        (TOP, Some("Расходные материалы")),
        (NAME, Some(name)),
        (NUM, Some(num).filter(|num| !num.is_empty())),
        (UNIT, Some("шт")),
        (AMOUNT, Some(amount)),
        ("FinalBalance.Money", Some("0")),
    ])
}

fn catalogue() -> Catalogue {
    Catalogue {
        stores: vec![
            named(1, "Хоз. товары (Московский)"),
            named(2, "Бар (Московский)"),
            named(3, "Кухня (Московский)"),
            named(4, "Хоз.товары (Амалиенау)"),
            named(5, "бар  (амалиенау)"),
            named(6, "Бар (Без склада)"),
            named(7, "Склад"),
        ],
        products: vec![
            product(11, "001", "Стакан 0,3 ", "GOODS", Some(90)),
            product(12, "002", "Салфетки", "GOODS", None),
            product(13, "003", "Трубочки", "GOODS", Some(90)),
            product(14, "004", "Трубочки", "GOODS", Some(90)),
            product(15, "", "Крышка", "DISH", None),
            product(16, "", "Крышка", "GOODS", None),
        ],
        units: vec![named(91, "шт"), named(92, "кг")],
        ..Catalogue::default()
    }
}

fn planned(catalogue: &Catalogue, rows: &[Row]) -> Plan {
    let settings = Config::default().transfer;
    let date = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
    let input = Input {
        settings: &settings,
        catalogue,
        rows,
        last_rows: 0,
        date,
        date_incoming: date.and_hms_opt(23, 0, 0).unwrap(),
    };
    let plan = plan(&input).unwrap();
    let mut turned = rows.to_vec();
    turned.reverse();
    assert_eq!(
        super::plan(&Input { rows: &turned, ..input }).unwrap(),
        plan,
        "the order of rows does not matter"
    );
    plan
}

fn amounts(document: &Planned) -> Vec<(String, String)> {
    let lines = document.payload.lines.iter();
    lines.map(|line| (line.num.clone().unwrap_or_default(), amount::show(line.amount))).collect()
}

#[test]
fn a_document_for_each_pair_holds_what_is_negative_there() {
    let rows = [
        row("Бар (Московский)", "Стакан 0,3 ", "001", "-12.000000000"),
        row("Бар (Московский)", "Салфетки", "002", "-0.000847058"),
        row("Бар (Московский)", "Трубочки", "003", "5"),
        row("Кухня (Московский)", "Трубочки", "004", "-123456789.123456789"),
        row("БАР (Амалиенау)", "Салфетки", "002", "-1"),
        row("Бар (Без склада)", "Салфетки", "002", "-1"),
        row("Аренда", "Салфетки", "002", "-1"),
        row("Хоз. товары (Московский)", "Салфетки", "002", "0.5"),
    ];
    let plan = planned(&catalogue(), &rows);
    assert_eq!(plan.restaurants, ["Амалиенау", "Московский"]);
    let titles: Vec<String> = plan.documents.iter().map(Planned::title).collect();
    assert_eq!(
        titles,
        [
            "Хоз.товары (Амалиенау) → бар  (амалиенау)",
            "Хоз. товары (Московский) → Бар (Московский)",
            "Хоз. товары (Московский) → Кухня (Московский)"
        ]
    );
    assert_eq!(
        amounts(&plan.documents[1]),
        [("002".into(), "0.000847058".into()), ("001".into(), "12".into())]
    );
    assert_eq!(amounts(&plan.documents[2]), [("004".into(), "123456789.123456789".into())]);
    let payload = &plan.documents[1].payload;
    assert_eq!(payload.comment, "Авто-перемещение расх.мат. (Московский) 22.11.2026");
    assert_eq!(payload.date_incoming.to_string(), "2026-11-22 23:00:00");
    assert_eq!(plan.skipped, []);
    // The source of napkins has enough, of everything else nothing.
    let short: Vec<&str> = plan.short.iter().map(|short| short.product.as_str()).collect();
    assert_eq!(short, ["Салфетки", "Стакан 0,3", "Трубочки"]);
    assert_eq!(plan.short[1].taken, amount::parse("12").unwrap());
}

#[test]
fn a_product_is_told_apart_by_number_or_skipped_and_listed() {
    let rows = [
        row("Бар (Московский)", "Трубочки", "003", "-1"),
        row("Кухня (Московский)", "Трубочки", "", "-2"),
        row("Бар (Московский)", " Крышка ", "", "-3"),
        row("Бар (Московский)", "Неведомое", "", "-4"),
        row("Бар (Московский)", "Салфетки", "999", "-5"),
    ];
    let plan = planned(&catalogue(), &rows);
    let [document] = plan.documents.as_slice() else { panic!("{plan:?}") };
    let products: Vec<u128> = document.payload.lines.iter().map(|line| line.product.as_u128()).collect();
    assert_eq!(products, [16, 12, 13], "goods before other types; a name where the article is not known");
    let skipped: Vec<(&str, &str)> =
        plan.skipped.iter().map(|item| (item.product.as_deref().unwrap(), item.reason.as_str())).collect();
    assert_eq!(
        skipped,
        [
            ("Неведомое", "the mirror has no such product"),
            ("Трубочки", "2 products have this name, and no article tells them apart"),
        ]
    );
    assert_eq!(plan.skipped[1].amount.as_deref(), Some("2"));
}

#[test]
fn a_product_without_a_unit_takes_the_reports() {
    let rows = [
        row("Бар (Московский)", "Салфетки", "002", "-1"),
        row("Бар (Московский)", "Стакан 0,3", "001", "-1"),
    ];
    let plan = planned(&catalogue(), &rows);
    let units: Vec<Option<Uuid>> = plan.documents[0].payload.lines.iter().map(|line| line.unit).collect();
    assert_eq!(units, [Some(named(91, "").id), Some(Uuid::from_u128(90))]);
    let mut without = catalogue();
    without.units.clear();
    assert_eq!(planned(&without, &rows[..1]).documents[0].payload.lines[0].unit, None);
}

#[test]
fn a_new_restaurant_takes_part_by_itself() {
    let mut catalogue = catalogue();
    catalogue.stores.extend([named(20, "Хоз. товары (Новый)"), named(21, "Кухня (Новый)")]);
    let plan = planned(&catalogue, &[row("Кухня (Новый)", "Салфетки", "002", "-1")]);
    assert_eq!(plan.restaurants, ["Амалиенау", "Московский", "Новый"]);
    assert_eq!(plan.documents[0].payload.from, named(20, "").id);
}

#[test]
fn stores_of_one_name_are_skipped_and_listed() {
    let mut catalogue = catalogue();
    catalogue.stores.push(named(30, "Хоз.товары (Московский)"));
    catalogue.stores.push(named(31, "Бар (Амалиенау)"));
    let plan = planned(&catalogue, &[row("Бар (Московский)", "Салфетки", "002", "-1")]);
    assert_eq!(plan.documents, []);
    let stores: Vec<&str> = plan.skipped.iter().map(|item| item.store.as_str()).collect();
    assert_eq!(
        stores,
        ["Бар (Амалиенау)", "Хоз. товары (Московский)", "Хоз.товары (Московский)", "бар  (амалиенау)"]
    );
}

#[test]
fn two_rows_of_one_product_are_not_added_up() {
    let rows =
        [row("Бар (Московский)", "Салфетки", "002", "-1"), row("Бар (Московский)", "Салфетки ", "", "-1")];
    let plan = planned(&catalogue(), &rows);
    assert_eq!((plan.documents.len(), plan.skipped.len()), (0, 2));
    assert_eq!(plan.skipped[0].reason, "two balances are of one product");
}

#[test]
fn what_is_too_much_is_not_believed() {
    let settings = Config::default().transfer;
    let plan = planned(&catalogue(), &[row("Бар (Московский)", "Салфетки", "002", "-10000.000000001")]);
    let document = &plan.documents[0];
    let check = |settings: &Transfer| within_caps(&document.payload, &document.title(), settings);
    let failure = check(&settings).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 13);
    assert_eq!(
        failure.message,
        "Хоз. товары (Московский) → Бар (Московский): 10000.000000001 of Салфетки, and no more than 10000 is believed"
    );
    assert!(check(&Transfer { max_quantity: 10_001, ..settings.clone() }).is_ok());
    assert!(check(&Transfer { max_quantity: 10_001, max_lines: 0, ..settings }).is_err());
}

#[test]
fn an_amount_that_is_none_refuses_the_report() {
    let catalogue = catalogue();
    let settings = Config::default().transfer;
    let date = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
    let rows = [row("Бар (Московский)", "Салфетки", "002", "-1,5")];
    let date_incoming = date.and_hms_opt(23, 0, 0).unwrap();
    let input =
        Input { settings: &settings, catalogue: &catalogue, rows: &rows, last_rows: 0, date, date_incoming };
    assert_eq!(plan(&input).unwrap_err().kind, FailureKind::InvalidAnswer);
}
