//! The OLAP report.

use super::*;

const REPORT: &str = "reports/olap?report=TRANSACTIONS&from=20.02.2026&to=20.02.2026";
const FIELDS: &str = "groupRow=Account.Name&groupRow=Product.TopParent&groupRow=Product.Name&groupRow=Product.Num\
    &groupRow=Product.MeasureUnit&agr=FinalBalance.Amount&agr=FinalBalance.Money";

/// The text of an element of a row; `None` for an empty one.
fn cell<'a>(row: &'a str, name: &str) -> Option<&'a str> {
    if row.contains(&format!("<{name}/>")) {
        return None;
    }
    let (_, rest) = row.split_once(&format!("<{name}>")).expect("the element");
    Some(rest.split_once(&format!("</{name}>")).expect("its end").0)
}

#[tokio::test]
async fn the_report_shows_what_stores_hold() {
    let (sandbox, token) = session().await;
    let seen = iiko(&sandbox, &token, &format!("{REPORT}&{FIELDS}")).await;
    assert_eq!((seen.status, seen.header("content-type")), (200, Some("application/xml")), "{}", seen.text());
    let text = seen.text();
    let rows: Vec<_> = text.split("<r>").skip(1).collect();
    let short: Vec<_> = (rows.iter())
        .filter(|row| cell(row, "Account.Name") == Some("Бар (Московский)"))
        .filter(|row| cell(row, "Product.TopParent") == Some("Расходные материалы"))
        .filter(|row| cell(row, "FinalBalance.Amount").is_some_and(|amount| amount.starts_with('-')))
        .collect();
    assert!(short.len() >= 7, "{text}");
    let world = sandbox.world();
    let bar = world.stores[0]["id"].as_str().expect("an id");
    for row in short {
        let num = cell(row, "Product.Num").expect("a num");
        let product = world.products.iter().find(|product| product["num"] == num).expect("a product");
        assert_eq!(cell(row, "Product.Name"), product["name"].as_str());
        let amount = cell(row, "FinalBalance.Amount").and_then(Amount::parse).expect("an amount");
        assert_eq!(amount.to_string(), world.balance(bar, product["id"].as_str().expect("an id")));
    }
}

/// The rows of a report.
async fn rows(sandbox: &Sandbox, token: &str, query: &str) -> Vec<String> {
    let seen = iiko(sandbox, token, &format!("{REPORT}&{query}")).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let text = seen.text();
    let rows = text.split("<r>").skip(1).map(|row| row.split_once("</r>").expect("its end").0.to_owned());
    rows.collect()
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let (sandbox, token) = session().await;
    let report = "report=TRANSACTIONS";
    let period = "from=20.02.2026&to=20.02.2026";
    let fields = "groupRow=Account.Name&agr=FinalBalance.Amount";
    let eight = format!("{FIELDS}&groupRow=Product.Type");
    let cases = [
        (400, "report", format!("{period}&{fields}")),
        (501, "SALES", format!("report=SALES&{period}&{fields}")),
        (501, "STOCK", format!("report=STOCK&{period}&{fields}")),
        (400, "from", format!("{report}&to=20.02.2026&{fields}")),
        (400, "to", format!("{report}&from=20.02.2026&{fields}")),
        (400, "Wrong date format", format!("{report}&from=2026-02-20&to=2026-02-20&{fields}")),
        (400, "Wrong date format", format!("{report}&from=20.02.26&to=20.02.26&{fields}")),
        (400, "Wrong period", format!("{report}&from=21.02.2026&to=20.02.2026&{fields}")),
        (400, "groupRow", format!("{report}&{period}&agr=FinalBalance.Amount")),
        (400, "agr", format!("{report}&{period}&groupRow=Account.Name")),
        (501, "Product.Id", format!("{report}&{period}&{fields}&groupRow=Product.Id")),
        (501, "Amount", format!("{report}&{period}&{fields}&agr=Amount")),
        (501, "FinalBalance.Money", format!("{report}&{period}&{fields}&groupRow=FinalBalance.Money")),
        (400, "twice", format!("{report}&{period}&{fields}&groupRow=Account.Name")),
        (400, "at most 7", format!("{report}&{period}&{eight}")),
        (501, "groupCol", format!("{report}&{period}&{fields}&groupCol=Product.Name")),
        (501, "Account.StoreOrAccount", format!("{report}&{period}&{fields}&Account.StoreOrAccount=Store")),
        (501, "summary", format!("{report}&{period}&{fields}&summary=true")),
    ];
    for (status, part, query) in cases {
        let seen = iiko(&sandbox, &token, &format!("reports/olap?{query}")).await;
        assert_eq!((seen.status, seen.text().contains(part)), (status, true), "{query}: {}", seen.text());
    }
    let fine = format!("reports/olap?{report}&{period}&{fields}&summary=false");
    assert_eq!(iiko(&sandbox, &token, &fine).await.status, 200);
    assert_eq!(get(&sandbox, &format!("/resto/api/{fine}")).await.status, 401);
}

#[tokio::test]
async fn rows_hold_what_real_ones_hold() {
    let (sandbox, token) = session().await;
    let all = rows(&sandbox, &token, FIELDS).await;
    let first = |row: &String| row[..row.find('>').expect("an element")].to_owned();
    let firsts: std::collections::BTreeSet<_> = all.iter().map(first).collect();
    assert!(firsts.len() > 5, "the order of the elements varies: {firsts:?}");
    let names: Vec<_> = all.iter().filter_map(|row| cell(row, "Product.Name")).collect();
    assert!(names.iter().any(|name| name.trim() != *name), "names are not trimmed");
    let accounts: Vec<_> = all.iter().filter_map(|row| cell(row, "Account.Name")).collect();
    assert!(accounts.contains(&"Аренда") && accounts.contains(&"Инвестиции "), "all accounts");
    let short_expense = all.iter().any(|row| {
        cell(row, "Account.Name") == Some("Расход продуктов")
            && cell(row, "Product.TopParent") == Some("Расходные материалы")
            && cell(row, "FinalBalance.Amount").is_some_and(|amount| amount.starts_with('-'))
    });
    assert!(short_expense, "an account that is no store is short of consumables too");
    let empty = all.iter().find(|row| cell(row, "Account.Name") == Some("Уставный капитал")).expect("a row");
    let product =
        (cell(empty, "Product.Name"), cell(empty, "Product.Num"), cell(empty, "Product.MeasureUnit"));
    assert_eq!((product, cell(empty, "FinalBalance.Amount")), ((None, None, None), Some("0")));
    let scales: std::collections::BTreeSet<_> = (all.iter())
        .filter_map(|row| cell(row, "FinalBalance.Money"))
        .map(|money| money.split_once('.').map_or(0, |(_, digits)| digits.len()))
        .collect();
    assert_eq!(scales.into_iter().collect::<Vec<_>>(), [0, 9, 18]);
    let unit = all.iter().find(|row| cell(row, "Product.Num") == Some("00031")).expect("a row");
    assert_eq!(cell(unit, "Product.MeasureUnit"), None, "a product without a unit");
}

#[tokio::test]
async fn rows_that_agree_in_all_groups_are_one() {
    let (sandbox, token) = session().await;
    // Without outer spaces the two names are one, as 57 are on a real server.
    let (twins, bar) = sandbox.edit(|world| {
        let name = world.products[151]["name"].clone();
        world.products[165]["name"] = name.clone();
        for product in [151, 165] {
            world.products[product]["parent"] = world.product_groups[0]["id"].clone();
            world.products[product]["mainUnit"] = world.products[0]["mainUnit"].clone();
        }
        let bar = world.stores[0]["id"].as_str().expect("an id").to_owned();
        let twin = |index: usize| world.products[index]["id"].as_str().expect("an id").to_owned();
        ([twin(151), twin(165)], bar)
    });
    let name = sandbox.world().products[151]["name"].as_str().expect("a name").to_owned();
    let twin_rows = async |query: &str| {
        let mut rows = rows(&sandbox, &token, query).await;
        rows.retain(|row| cell(row, "Account.Name") == Some("Бар (Московский)"));
        rows.retain(|row| cell(row, "Product.Name") == Some(name.as_str()));
        rows.iter()
            .map(|row| cell(row, "FinalBalance.Amount").and_then(Amount::parse).expect("an amount"))
            .collect::<Vec<_>>()
    };
    let amount = |product: &str| Amount::parse(&sandbox.world().balance(&bar, product)).expect("a decimal");
    let (first, second) = (amount(&twins[0]), amount(&twins[1]));
    let apart = twin_rows(FIELDS).await;
    assert!(apart == [first, second] || apart == [second, first], "{apart:?}");
    assert_eq!(twin_rows(&FIELDS.replace("&groupRow=Product.Num", "")).await, [first + second]);

    let parents = "groupRow=Account.Name&groupRow=Product.Name&groupRow=Product.TopParent&groupRow=Product.SecondParent\
        &groupRow=Product.Type&agr=FinalBalance.Amount";
    let all = rows(&sandbox, &token, parents).await;
    let twin = all.iter().find(|row| cell(row, "Product.Name") == Some(name.as_str())).expect("a row");
    assert_eq!(cell(twin, "Product.TopParent"), Some("Расходные материалы"));
    assert_eq!((cell(twin, "Product.SecondParent"), cell(twin, "Product.Type")), (None, Some("GOODS")));
    assert!(all.iter().any(|row| cell(row, "Product.SecondParent") == Some("Упаковка")));
    assert!(all.iter().all(|row| !row.contains("FinalBalance.Money")), "only what was asked for");
}

#[tokio::test]
async fn the_report_follows_documents_from_their_day_on() {
    let (sandbox, token) = session().await;
    let (body, amount) = {
        let world = sandbox.world();
        let id = |record: &Value| record["id"].as_str().expect("an id").to_owned();
        let (bar, source, product) = (id(&world.stores[0]), id(&world.stores[2]), id(&world.products[0]));
        let amount = world.balance(&bar, &product);
        let item = format!(r#"{{"productId":"{product}","amount":{}}}"#, amount.trim_start_matches('-'));
        let body = format!(
            r#"{{"dateIncoming":"2026-02-20T23:00","status":"PROCESSED","storeFromId":"{source}","storeToId":"{bar}","items":[{item}]}}"#
        );
        (body, Amount::parse(&amount))
    };
    assert_eq!(post(&sandbox, &token, "v2/documents/internalTransfer", &body).await.status, 200);
    let bar = async |day: &str| {
        let query = format!("reports/olap?report=TRANSACTIONS&from={day}&to={day}&{FIELDS}");
        let text = iiko(&sandbox, &token, &query).await.text();
        let row = text.split("<r>").skip(1).find(|row| {
            cell(row, "Account.Name") == Some("Бар (Московский)") && cell(row, "Product.Num") == Some("00001")
        });
        row.and_then(|row| cell(row, "FinalBalance.Amount").map(str::to_owned)).expect("a row")
    };
    assert_eq!(bar("20.02.2026").await, "0");
    assert_eq!(Amount::parse(&bar("19.02.2026").await), amount);
}

#[tokio::test]
async fn roots_differ_and_rows_may_be_missing() {
    for root in ["rows", "data"] {
        let options = Options { olap_root: root.to_owned(), ..Options::default() };
        let sandbox = Sandbox::start(options).await.expect("a sandbox");
        let token = login(&sandbox).await;
        let whole = iiko(&sandbox, &token, &format!("{REPORT}&{FIELDS}")).await.text();
        assert!(whole.contains(&format!("<{root}><r>")) && whole.ends_with(&format!("</r></{root}>")));
        sandbox.edit(|world| {
            world.balances.clear();
            world.entities.clear();
        });
        let none = iiko(&sandbox, &token, &format!("{REPORT}&{FIELDS}")).await.text();
        assert!(none.ends_with(&format!("\n<{root}/>")), "{none}");
    }
}

#[tokio::test]
async fn a_recorded_report_goes_out_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("olap.xml"), "<report >\n</report>").expect("a file");
    let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let token = login(&sandbox).await;
    assert_eq!(iiko(&sandbox, &token, &format!("{REPORT}&{FIELDS}")).await.text(), "<report >\n</report>");
    assert_eq!(iiko(&sandbox, &token, REPORT).await.status, 400, "what is wrong stays wrong");
}
