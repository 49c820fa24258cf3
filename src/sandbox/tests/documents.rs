//! Documents, and what they do to balances.

use serde_json::json;

use super::*;

const TRANSFER: &str = "v2/documents/internalTransfer";
const WRITEOFF: &str = "v2/documents/writeoff";
const DATE: &str = "2026-02-20T23:00:00";

/// The ids of the first restaurant's source and bar, and of a product that the bar is short of.
fn places(sandbox: &Sandbox) -> [String; 3] {
    let world = sandbox.world();
    let store = |name: &str| {
        let found = world.stores.iter().find(|store| store["name"] == name).expect("a store");
        found["id"].as_str().expect("an id").to_owned()
    };
    let product = world.products[0]["id"].as_str().expect("an id").to_owned();
    [store("Хоз. товары (Московский)"), store("Бар (Московский)"), product]
}

/// A transfer of one item; `amount` goes into the body as it is.
fn transfer(sandbox: &Sandbox, number: &str, status: &str, amount: &str) -> String {
    let [from, to, product] = places(sandbox);
    let item = format!(r#"{{"productId":"{product}","amount":{amount}}}"#);
    format!(
        r#"{{"dateIncoming":"{DATE}","documentNumber":"{number}","status":"{status}","storeFromId":"{from}","storeToId":"{to}","comment":"Ночь","items":[{item}]}}"#
    )
}

/// The same with other fields; null takes one out.
fn with(body: &str, changes: Value) -> String {
    let mut body: Value = serde_json::from_str(body).expect("a body");
    for (name, value) in changes.as_object().expect("changes") {
        body[name] = value.clone();
        if value.is_null() {
            body.as_object_mut().expect("a body").remove(name);
        }
    }
    body.to_string()
}

async fn by_number(sandbox: &Sandbox, token: &str, number: &str) -> Vec<Value> {
    let seen = iiko(sandbox, token, &format!("{TRANSFER}/byNumber?documentNumber={number}")).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    seen.json().as_array().expect("a bare list").clone()
}

#[tokio::test]
async fn a_draft_becomes_a_processed_document_once() {
    let (sandbox, token) = session().await;
    let [from, to, product] = places(&sandbox);
    let before = sandbox.world().balance(&to, &product);
    let body = transfer(&sandbox, "T1", "NEW", "12.500000001");
    let made = post(&sandbox, &token, TRANSFER, &body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert!(made.text().contains(r#""amount":12.500000001,"#), "{}", made.text());
    let made = made.json();
    assert_eq!((&made["result"], &made["errors"]), (&json!("SUCCESS"), &json!([])));
    let id = made["response"]["id"].as_str().expect("an id").to_owned();
    let unit = sandbox.world().products[0]["mainUnit"].clone();
    let item = json!({"num": 1, "productId": product, "amount": 12.500_000_001, "measureUnitId": unit,
        "containerId": null, "cost": null});
    let expected = json!({"id": id, "dateIncoming": "2026-02-20T23:00", "documentNumber": "T1", "status": "NEW",
        "conceptionId": null, "storeFromId": from, "storeToId": to, "comment": "Ночь", "items": [item]});
    assert_eq!(made["response"], expected);
    assert_eq!(sandbox.world().ledger(), []);
    assert_eq!(sandbox.world().balance(&to, &product), before);

    let processed = with(&body, json!({"id": id, "status": "PROCESSED"}));
    assert_eq!(post(&sandbox, &token, TRANSFER, &processed).await.json()["response"]["status"], "PROCESSED");
    let again = post(&sandbox, &token, TRANSFER, &processed).await;
    assert_eq!(again.status, 409, "only a draft can be edited");
    assert_eq!(sandbox.world().moved(&from, &to, &product), "12.500000001");
    let ledger = sandbox.world().ledger().to_vec();
    assert_eq!((ledger.len(), ledger[0].document.as_str(), ledger[0].seq), (1, id.as_str(), 1));
    let sum = Amount::parse(&before).expect("a decimal") + Amount::parse("12.500000001").expect("a decimal");
    assert_eq!(sandbox.world().balance(&to, &product), sum.to_string());

    let by_id = iiko(&sandbox, &token, &format!("{TRANSFER}/byId?id={id}")).await.json();
    assert_eq!((&by_id["status"], &by_id["id"]), (&json!("PROCESSED"), &json!(id)));
    assert_eq!(by_number(&sandbox, &token, "T1").await, [by_id]);
    assert_eq!(by_number(&sandbox, &token, "T2").await, [Value::Null; 0]);
    let writes: Vec<_> =
        sandbox.journal().iter().filter(|entry| entry.write).map(|entry| entry.status).collect();
    assert_eq!(writes, [Some(200), Some(200), Some(409)]);
    assert_eq!(sandbox.violations(), [""; 0]);
}
