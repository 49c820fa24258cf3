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
