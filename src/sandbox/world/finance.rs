//! FinTablo's lists.
//!
//! The OpenAPI description says one type and its examples show another; so ids, amounts and tax numbers are
//! written here as numbers in most records and as strings in some.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{decimal, dice::Dice, names};

/// How many deals a world of scale 1 has: more than one page.
const DEALS: usize = 620;

/// All lists by the last part of their path.
pub(super) fn lists(seed: u64, scale: usize) -> BTreeMap<String, Vec<Value>> {
    let mut dice = Dice::new(seed, "fintablo");
    // Ids differ from seed to seed, so that two accounts are never mistaken for one.
    let base = 1_000 * Dice::new(seed, "fintablo ids").below(900);
    let mut lists = directories(base);
    lists.extend(trade(base, &mut dice));
    lists.insert("employees", (0..12).map(|index| employee(base, index, &mut dice)).collect());
    lists.insert("obligation", (0..25).map(|index| obligation(base, index, &mut dice)).collect());
    lists.insert("deal", (0..DEALS * scale).map(|index| deal(base, index, &mut dice)).collect());
    lists.into_iter().map(|(name, items)| (name.to_owned(), items)).collect()
}

/// A number, as a string in every fourth record.
fn loose(index: usize, number: impl Into<Value>) -> Value {
    let number = number.into();
    if index % 4 == 3 { json!(number.to_string()) } else { number }
}

/// A date as FinTablo writes it.
fn date(index: usize) -> String {
    format!("{:02}.{:02}.{}", 1 + index % 28, 1 + index % 12, 2021 + index % 5)
}

/// The lists that change rarely.
fn directories(base: usize) -> BTreeMap<&'static str, Vec<Value>> {
    let categories = [
        ("Неразнесенное поступление", "income", "operating", json!("income"), 1),
        ("Выручка ресторанов", "income", "operating", json!("income"), 0),
        ("Закупка продуктов", "outcome", "operating", json!("direct-variable"), 0),
        ("Аренда", "outcome", "operating", json!("administrative"), 0),
        ("Реклама ", "outcome", "operating", json!("commercial"), 0),
        ("Кредиты", "outcome", "financial", Value::Null, 0),
        ("Оборудование", "outcome", "investment", Value::Null, 0),
        ("Перевод между счетами", "transfer", "operating", Value::Null, 1),
    ];
    let category = |(index, (name, group, kind, pnl, built_in)): (usize, (&str, &str, &str, Value, i32))| {
        json!({"id": base + 345 + index, "name": name, "group": group, "type": kind, "pnlType": pnl,
            "parentId": if index == 1 { loose(3, base + 345) } else { Value::Null },
            "description": if index == 0 { json!("Статья для поступлений по умолчанию") } else { Value::Null },
            "isBuiltIn": built_in})
    };
    let moneybag = |(index, (name, kind)): (usize, (&str, &str))| {
        json!({"id": base + 375 + index, "name": name, "type": kind,
            "number": if kind == "bank" { json!(format!("407028100000000{index:05}")) } else { Value::Null },
            "currency": if index == 5 { "EUR" } else { "RUB" },
            "balance": loose(index, json!(12_345.67 * (index + 1) as f64)),
            "surplus": 50_000, "surplusTimestamp": 1_622_494_800, "groupId": base + 342 + index % 2,
            "archived": i32::from(index == 4), "hideInTotal": 0, "withoutNds": 0})
    };
    let moneybags = [
        ("Касса Московский", "nal"),
        ("Касса Набережная", "nal"),
        ("Расчётный счёт", "bank"),
        ("Корпоративная карта", "card"),
        ("Старый счёт", "electron"),
        ("Эквайринг", "acquiring"),
    ];
    let direction = |(index, name): (usize, &&str)| {
        json!({"id": base + 237 + index, "name": name,
            "parentId": if index == 3 { json!(base + 237) } else { Value::Null },
            "description": null, "archived": i32::from(index == 2)})
    };
    let pnl = |(index, (name, kind, category)): (usize, (&str, &str, &str))| {
        json!({"id": base + 4573 + index, "name": name, "type": kind, "pnlType": category,
            "comment": "", "categoryId": loose(index, base + 346 + index)})
    };
    let pnl_categories = [
        ("Прочие продажи", "income", "income"),
        ("Продукты", "costprice", "direct-variable"),
        ("Аренда залов", "outcome", "administrative"),
        ("Возвраты гостям", "refund", "refund-income-current"),
    ];
    let status = |(index, name): (usize, &&str)| json!({"id": base + 778 + index, "name": name});
    let partner = |(index, name): (usize, &&str)| {
        let inn = 390_000_000_000_u64 + index as u64 * 1_371;
        json!({"id": loose(index, base + 897 + index), "name": name,
            "inn": if index.is_multiple_of(3) { json!(inn) } else { json!(format!("0{}", inn / 1000)) },
            "groupId": if index.is_multiple_of(2) { json!(base + 142) } else { Value::Null },
            "comment": "Поставщик"})
    };
    BTreeMap::from([
        ("category", categories.into_iter().enumerate().map(category).collect()),
        ("moneybag", moneybags.into_iter().enumerate().map(moneybag).collect()),
        ("direction", names::RESTAURANTS.iter().enumerate().map(direction).collect()),
        ("pnl-category", pnl_categories.into_iter().enumerate().map(pnl).collect()),
        (
            "obligation-status",
            ["В обработке", "На согласовании", "Оплачено"].iter().enumerate().map(status).collect(),
        ),
        ("partner", names::COMPANIES.iter().enumerate().map(partner).collect()),
        (
            "moneybag-group",
            vec![
                json!({"id": base + 342, "name": "Мой бизнес", "isBuiltIn": 1}),
                json!({"id": (base + 343).to_string(), "name": "Личное"}),
            ],
        ),
    ])
}

/// Goods, purchases and services.
fn trade(base: usize, dice: &mut Dice) -> BTreeMap<&'static str, Vec<Value>> {
    let mut goods = |(index, name): (usize, &&str)| {
        json!({"id": base + 785 + index, "name": name, "cost": decimal(dice.between(1_000, 500_000), 2),
            "comment": "", "quantity": if index.is_multiple_of(2) { json!("50") } else { json!(12.5) },
            "startQuantity": if index.is_multiple_of(2) { json!("10") } else { json!(10) },
            "avgCost": "1300.50"})
    };
    let goods: Vec<_> = names::GOODS.iter().take(10).enumerate().map(&mut goods).collect();
    let obtaining = |index: usize| {
        json!({"id": base + 56 + index, "goodsId": base + 785 + index % 10,
            "partnerId": loose(index, base + 897 + index % 10),
            "cost": 50, "quantity": 100 + index, "amount": 50 * (100 + index), "currency": "RUB",
            "date": date(index),
            "comment": format!("Закупка на склад от {}", date(index)), "nds": 500})
    };
    // The description calls directionId a string; its own example is a number.
    let job = |(index, name): (usize, &&str)| {
        let direction =
            [json!(base + 237), json!((base + 238).to_string()), json!(""), Value::Null][index % 4].clone();
        json!({"id": base + 934 + index, "name": name, "cost": 20_000 + 500 * index, "comment": "",
            "directionId": direction})
    };
    let jobs = ["Банкет", "Кейтеринг", "Аренда зала", "Доставка ", "Мастер-класс"];
    BTreeMap::from([
        ("goods", goods),
        ("obtaining", (0..18).map(obtaining).collect()),
        ("job", jobs.iter().enumerate().map(job).collect()),
    ])
}

/// One employee.
fn employee(base: usize, index: usize, dice: &mut Dice) -> Value {
    let [first, _, last] =
        if index % 2 == 1 { names::WOMEN } else { names::MEN }.map(|names| dice.pick(names));
    // The first letter: Cyrillic ones take two bytes.
    let name = format!("{last} {}.", &first[..2]);
    let inn = if index % 2 == 1 {
        json!(format!("0390600{index:05}"))
    } else {
        json!(390_600_000_000_u64 + index as u64)
    };
    let position = json!({"positionId": base + 142 + index, "post": "Менеджер", "department": "Зал",
        "type": "Коммерческий", "directionId": base + 237, "percentage": 100});
    json!({"id": base + 100 + index, "name": name, "date": format!("{:02}.2024", 1 + index % 12),
        "positions": [position],
        "currency": "RUB", "regularfix": loose(index, 87_000 + 1_000 * index), "regularfee": 10_000,
        "regulartax": 13_000,
        "inn": inn,
        "hired": date(index), "fired": if index % 5 == 4 { json!("16.07.2024") } else { Value::Null },
        "comment": null})
}

/// One obligation.
fn obligation(base: usize, index: usize, dice: &mut Dice) -> Value {
    json!({"id": base + 56 + index, "name": format!("Обязательство {}", index + 1),
        "directionId": base + 237 + index % 4,
        "amount": decimal(dice.between(100_000, 9_000_000), 2), "statusId": base + 778 + index % 3,
        "partnerId": base + 897 + index % 10, "categoryId": base + 347,
        "dealId": if index.is_multiple_of(3) { json!(base + 56 + index) } else { Value::Null },
        "currency": "RUB",
        "comment": "за материалы", "actDate": date(index), "nds": loose(index, 500)})
}

/// One deal; the later half of a deal's fields is empty until it is closed.
fn deal(base: usize, index: usize, dice: &mut Dice) -> Value {
    let closed = !dice.percent(30);
    let stage = json!({"id": base + 9_000 + index, "name": "Этап 1", "jobs": [], "goods": [], "amount": 1_000,
        "startDate": date(index)});
    json!({"id": loose(index, base + 56 + index), "name": format!("Банкет {}", index + 1),
        "jobs": [{"id": base + 934 + index % 5, "quantity": 1 + index % 3}], "goods": [{"id": base + 785,
        "quantity": 0.5}],
        "directionId": loose(index / 2, base + 237 + index % 4),
        "amount": decimal(dice.between(50_000, 30_000_000), 2),
        "currency": "RUB",
        "customCostPrice": if index.is_multiple_of(2) { Value::Null } else { json!(2_500) },
        "statusId": base + 12,
        "partnerId": if index % 10 == 9 { Value::Null } else { json!(base + 897 + index % 10) },
        "responsibleId": base + 45,
        "comment": if index.is_multiple_of(6) { json!("Пробный заказ") } else { json!("") },
        "startDate": date(index), "endDate": if closed { json!(date(index + 3)) } else { Value::Null },
        "actDate": if closed { json!(date(index + 3)) } else { json!("") }, "nds": 500,
        "stages": if index.is_multiple_of(50) { json!([stage]) } else { json!([]) }})
}
