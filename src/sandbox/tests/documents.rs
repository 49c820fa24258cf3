//! Documents, and what they do to balances.

mod faults;

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
fn with(body: &str, changes: &Value) -> String {
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

    let processed = with(&body, &json!({"id": id, "status": "PROCESSED"}));
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

/// Makes a draft and gives its id.
async fn draft(sandbox: &Sandbox, token: &str, body: &str) -> String {
    let made = post(sandbox, token, TRANSFER, body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()["response"]["id"].as_str().expect("an id").to_owned()
}

async fn with_options(options: Options) -> (Sandbox, String) {
    let sandbox = Sandbox::start(options).await.expect("a sandbox on a free port");
    let token = login(&sandbox).await;
    (sandbox, token)
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let (sandbox, token) = session().await;
    let good = transfer(&sandbox, "T1", "NEW", "1");
    let unknown = "00000000-0000-4000-8000-000000000001";
    let [from, _, product] = places(&sandbox);
    let gone = sandbox.world().products[24]["id"].clone();
    let foreign = sandbox.world().stores[3]["id"].clone();
    let item = |item: Value| json!({"items": [item]});
    let cases = [
        (409, "dateIncoming", json!({"dateIncoming": null})),
        (409, "status", json!({"status": null})),
        (409, "storeFromId", json!({"storeFromId": null})),
        (409, "storeToId", json!({"storeToId": null})),
        (409, "items", json!({"items": null})),
        (409, "items", json!({"items": []})),
        (409, "productId", item(json!({"amount": 1}))),
        (409, "amount", item(json!({"productId": product}))),
        (409, "больше нуля", item(json!({"productId": product, "amount": 0}))),
        (409, "больше нуля", item(json!({"productId": product, "amount": -1}))),
        (409, "не найден", item(json!({"productId": unknown, "amount": 1}))),
        (409, "удален", item(json!({"productId": gone, "amount": 1}))),
        (409, "не найден", json!({"storeFromId": unknown})),
        (409, "совпадают", json!({"storeToId": from})),
        (409, "разным подразделениям", json!({"storeToId": foreign})),
        (409, "удаленный", json!({"status": "DELETED"})),
        (409, "Cannot find InternalTransfer document by id 0000", json!({"id": unknown})),
        (400, "Malformed InternalTransfer id", json!({"id": "7"})),
        (400, "Malformed storeFromId", json!({"storeFromId": "bar"})),
        (400, "Unknown document status", json!({"status": "new"})),
        (400, "Wrong date format", json!({"dateIncoming": "2026-02-20"})),
        (400, "Wrong date format", json!({"dateIncoming": "2026-02-20T23:00:00+02:00"})),
        (400, "Wrong date format", json!({"dateIncoming": "20.02.2026 23:00"})),
        (400, "Unrecognized field", json!({"externalId": "7"})),
        (400, "Unrecognized field", json!({"accountId": unknown})),
        (400, "Unrecognized field", item(json!({"productId": product, "amount": 1, "unit": "kg"}))),
        (400, "amount", item(json!({"productId": product, "amount": "1"}))),
        (400, "items", json!({"items": {}})),
        (400, "comment", json!({"comment": 7})),
    ];
    for (status, part, changes) in cases {
        let seen = post(&sandbox, &token, TRANSFER, &with(&good, &changes)).await;
        let text = seen.text();
        assert_eq!(seen.status, status, "{changes}: {text}");
        assert!(text.contains(part) && !text.starts_with('{'), "{changes}: {text}");
    }
    let digits = transfer(&sandbox, "T1", "NEW", "0.0000000001");
    assert_eq!(post(&sandbox, &token, TRANSFER, &digits).await.status, 400, "ten decimals");
    assert_eq!(post(&sandbox, &token, TRANSFER, "[]").await.status, 400);
    assert_eq!(post(&sandbox, &token, TRANSFER, "{").await.status, 400);
    assert_eq!(post(&sandbox, &token, &format!("{TRANSFER}?force=true"), &good).await.status, 501);
    let headers = format!("Cookie: key={token}\r\nContent-Type: text/plain\r\n");
    let plain = ask(&sandbox, "POST", "/resto/api/v2/documents/internalTransfer", &headers, &good).await;
    assert_eq!(plain.status, 415);
    let nobody = post(&sandbox, "no-token", TRANSFER, &good).await;
    assert_eq!((nobody.status, nobody.text().as_str()), (401, "Token is expired or invalid"));
    assert_eq!(sandbox.world().documents(), []);
    assert_eq!(post(&sandbox, &token, TRANSFER, &good).await.status, 200, "and the original is fine");
}

#[tokio::test]
async fn what_is_optional_or_read_only_may_be_sent() {
    let (sandbox, token) = session().await;
    let [_, _, product] = places(&sandbox);
    let unit = sandbox.world().products[30]["id"].clone();
    let body = transfer(&sandbox, "", "NEW", "1");
    let items = json!([
        {"num": 9, "productId": product, "amount": 2, "measureUnitId": product, "cost": 1.5, "containerId": null},
        {"productId": unit, "amount": 0.000_000_001},
    ]);
    let body = with(&body, &json!({"documentNumber": null, "comment": null, "items": items}));
    let made = post(&sandbox, &token, TRANSFER, &body).await.json()["response"].clone();
    assert_eq!(made["documentNumber"], "0001");
    assert!(made.get("comment").is_none(), "no key without a comment");
    let items = &made["items"];
    assert_eq!((&items[0]["num"], &items[0]["cost"], &items[1]["num"]), (&json!(1), &Value::Null, &json!(2)));
    assert_ne!(items[0]["measureUnitId"], product, "the server's own unit");
    assert_eq!(items[1]["measureUnitId"], Value::Null, "a product without a unit");
    for (sent, kept) in [
        ("2026-02-20T23:00", "2026-02-20T23:00"),
        ("2026-02-20T23:00:00", "2026-02-20T23:00"),
        ("2026-02-20T23:00:05", "2026-02-20T23:00:05"),
        ("2026-02-20T23:00:05.120", "2026-02-20T23:00:05.120"),
    ] {
        let made = post(&sandbox, &token, TRANSFER, &with(&body, &json!({"dateIncoming": sent}))).await;
        assert_eq!(made.json()["response"]["dateIncoming"], kept);
    }
    let many = transfer(&sandbox, "T9", "NEW", "123456789.123456789");
    let text = post(&sandbox, &token, TRANSFER, &many).await.text();
    assert!(text.contains(r#""amount":123456789.123456789,"#), "{text}");
}

#[tokio::test]
async fn drafts_are_edited_and_deleted() {
    let (sandbox, token) = session().await;
    let [from, to, product] = places(&sandbox);
    let body = transfer(&sandbox, "T1", "NEW", "1");
    let id = draft(&sandbox, &token, &body).await;
    let edited = with(&transfer(&sandbox, "T1", "NEW", "2.5"), &json!({"id": id, "documentNumber": null}));
    let seen = post(&sandbox, &token, TRANSFER, &edited).await.json()["response"].clone();
    assert_eq!((&seen["documentNumber"], &seen["items"][0]["amount"]), (&json!("T1"), &json!(2.5)));
    let deleted = with(&edited, &json!({"status": "DELETED"}));
    assert_eq!(post(&sandbox, &token, TRANSFER, &deleted).await.json()["response"]["status"], "DELETED");
    for status in ["NEW", "PROCESSED"] {
        let seen = post(&sandbox, &token, TRANSFER, &with(&edited, &json!({"status": status}))).await;
        assert_eq!(seen.status, 409, "a deleted document stays so");
    }
    assert_eq!(by_number(&sandbox, &token, "T1").await[0]["status"], "DELETED");
    assert_eq!(sandbox.world().documents().len(), 1);
    assert_eq!(sandbox.world().moved(&from, &to, &product), "0");
}

#[tokio::test]
async fn numbers_need_not_be_unique() {
    let (sandbox, token) = session().await;
    let body = transfer(&sandbox, "T1", "PROCESSED", "0.1");
    let ids = [draft(&sandbox, &token, &body).await, draft(&sandbox, &token, &body).await];
    assert_ne!(ids[0], ids[1]);
    assert_eq!(by_number(&sandbox, &token, "T1").await.len(), 2);
    let [from, to, product] = places(&sandbox);
    assert_eq!(sandbox.world().moved(&from, &to, &product), "0.2", "posted at once, twice");

    let (sandbox, token) = with_options(Options { unique_numbers: true, ..Options::default() }).await;
    let body = with(&body, &json!({"status": "NEW"}));
    let id = draft(&sandbox, &token, &body).await;
    let seen = post(&sandbox, &token, TRANSFER, &body).await;
    assert_eq!((seen.status, seen.text().contains("T1")), (409, true));
    assert_eq!(post(&sandbox, &token, TRANSFER, &with(&body, &json!({"id": id}))).await.status, 200);
}

#[tokio::test]
async fn servers_differ() {
    let (sandbox, token) = with_options(Options { refuse_edit: true, ..Options::default() }).await;
    let body = transfer(&sandbox, "T1", "NEW", "1");
    let id = draft(&sandbox, &token, &body).await;
    let processed = with(&body, &json!({"id": id, "status": "PROCESSED"}));
    assert_eq!(post(&sandbox, &token, TRANSFER, &processed).await.status, 409);
    assert_eq!(
        post(&sandbox, &token, TRANSFER, &with(&processed, &json!({"status": "NEW"}))).await.status,
        200
    );
    assert_eq!(sandbox.world().ledger(), []);

    let (sandbox, token) = with_options(Options { empty_success: true, ..Options::default() }).await;
    let seen = post(&sandbox, &token, TRANSFER, &body).await;
    assert_eq!((seen.status, seen.text().as_str()), (204, ""));
    assert_eq!(by_number(&sandbox, &token, "T1").await.len(), 1);

    let (sandbox, token) = with_options(Options { errors_in_band: true, ..Options::default() }).await;
    let seen = post(&sandbox, &token, TRANSFER, &with(&body, &json!({"storeToId": null}))).await;
    assert_eq!((seen.status, &seen.json()["result"]), (200, &json!("ERROR")));
    assert_eq!(seen.json()["errors"], json!([{"value": "storeToId", "code": "EMPTY_FIELD"}]));
    assert_eq!((&seen.json()["response"]["id"], sandbox.world().documents().len()), (&Value::Null, 0));
}

#[tokio::test]
async fn the_past_may_be_closed() {
    let (sandbox, token) = with_options(Options { refuse_back_dated: true, ..Options::default() }).await;
    // The server's day is that of its own clock and of the restaurants' zone.
    let today = sandbox.edit(|world| {
        world.clock_offset_seconds = 86_400 * 400;
        world.local_time().format("%Y-%m-%dT%H:%M").to_string()
    });
    let body = transfer(&sandbox, "T1", "NEW", "1");
    let seen = post(&sandbox, &token, TRANSFER, &body).await;
    assert_eq!((seen.status, seen.text().contains("задним числом")), (409, true));
    assert_eq!(
        post(&sandbox, &token, TRANSFER, &with(&body, &json!({"dateIncoming": today}))).await.status,
        200
    );
}

#[tokio::test]
async fn documents_are_listed_by_period_status_and_revision() {
    let (sandbox, token) = session().await;
    let first = transfer(&sandbox, "T1", "NEW", "1");
    draft(&sandbox, &token, &first).await;
    draft(&sandbox, &token, &with(&first, &json!({"dateIncoming": "2026-02-21T00:00"}))).await;
    draft(&sandbox, &token, &transfer(&sandbox, "T3", "PROCESSED", "1")).await;
    let list = async |query: &str| {
        let seen = iiko(&sandbox, &token, &format!("{TRANSFER}?{query}")).await;
        assert_eq!(seen.status, 200, "{}", seen.text());
        seen.json()
    };
    let all = list("dateFrom=2026-02-20&dateTo=2026-02-21").await;
    assert_eq!((&all["result"], &all["errors"]), (&json!("SUCCESS"), &json!([])));
    assert_eq!(all["response"].as_array().map(Vec::len), Some(3));
    let count = |answer: &Value| answer["response"].as_array().map(Vec::len);
    assert_eq!(count(&list("dateFrom=2026-02-20&dateTo=2026-02-20").await), Some(2));
    assert_eq!(count(&list("dateFrom=2026-02-20&dateTo=2026-02-20&status=PROCESSED").await), Some(1));
    let revision = all["revision"].as_u64().expect("a number");
    let since = |revision| format!("dateFrom=2026-02-20&dateTo=2026-02-21&revisionFrom={revision}");
    assert_eq!(count(&list(&since(revision)).await), Some(0));
    assert_eq!(count(&list(&since(revision - 1)).await), Some(1), "strictly greater");
    for target in [
        "internalTransfer",
        "internalTransfer?dateFrom=2026-02-20",
        "internalTransfer?dateFrom=20.02.2026&dateTo=20.02.2026",
        "internalTransfer?dateFrom=2026-02-20&dateTo=2026-02-20&status=OLD",
        "internalTransfer/byId?id=1",
        "internalTransfer/byNumber",
    ] {
        assert_eq!(iiko(&sandbox, &token, &format!("v2/documents/{target}")).await.status, 400, "{target}");
    }
    let unknown = "internalTransfer/byId?id=00000000-0000-4000-8000-000000000001";
    assert_eq!(iiko(&sandbox, &token, &format!("v2/documents/{unknown}")).await.status, 404);
    assert!(sandbox.journal().iter().filter(|entry| entry.method == "GET").all(|entry| !entry.write));
}

#[tokio::test]
async fn a_write_off_goes_to_an_account() {
    let (sandbox, token) = session().await;
    let [_, store, product] = places(&sandbox);
    let account = |name: &str| {
        let world = sandbox.world();
        let found =
            world.entities.iter().find(|entity| entity["rootType"] == "Account" && entity["name"] == name);
        found.expect("an account")["id"].as_str().expect("an id").to_owned()
    };
    let (expenses, deleted) = (account("Расход продуктов"), account("Порча"));
    let body = json!({"dateIncoming": DATE, "documentNumber": "W1", "status": "NEW", "storeId": store,
        "accountId": expenses, "items": [{"productId": product, "amount": 0.25, "amountFactor": 1}]})
    .to_string();
    let made = post(&sandbox, &token, WRITEOFF, &body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json()["response"].clone();
    assert_eq!((&made["storeId"], &made["accountId"]), (&json!(store), &json!(expenses)));
    let item = &made["items"][0];
    assert_eq!((&item["amountFactor"], &item["productSizeId"]), (&json!(1), &Value::Null));
    let processed = with(&body, &json!({"id": made["id"], "status": "PROCESSED"}));
    assert_eq!(post(&sandbox, &token, WRITEOFF, &processed).await.status, 200);
    assert_eq!(sandbox.world().moved(&store, &expenses, &product), "0.25");
    assert_eq!(by_number(&sandbox, &token, "W1").await, [Value::Null; 0], "another kind");
    let found = iiko(&sandbox, &token, &format!("{WRITEOFF}/byNumber?documentNumber=W1")).await.json();
    assert_eq!(found[0]["status"], "PROCESSED");
    for (part, changes) in [
        ("удален", json!({"accountId": deleted})),
        ("accountId", json!({"accountId": null})),
        ("Cannot find WriteoffDocument document by id", json!({"id": expenses})),
    ] {
        let seen = post(&sandbox, &token, WRITEOFF, &with(&body, &changes)).await;
        assert_eq!((seen.status, seen.text().contains(part)), (409, true), "{}", seen.text());
    }
    let stray = with(&body, &json!({"storeFromId": store}));
    assert_eq!(post(&sandbox, &token, WRITEOFF, &stray).await.status, 400);
}

#[tokio::test]
async fn balances_follow_documents_from_their_date_on() {
    let (sandbox, token) = session().await;
    let [from, to, product] = places(&sandbox);
    let balance = async |store: &str, timestamp: &str| {
        let target =
            format!("v2/reports/balance/stores?timestamp={timestamp}&store={store}&product={product}");
        iiko(&sandbox, &token, &target).await.text()
    };
    let whole = "v2/reports/balance/stores?timestamp=2026-02-20T23:00:00";
    let rows = iiko(&sandbox, &token, whole).await.len();
    let (source, bar) = {
        let world = sandbox.world();
        (world.balance(&from, &product), world.balance(&to, &product))
    };
    assert!(bar.starts_with('-'), "{bar}");
    draft(&sandbox, &token, &transfer(&sandbox, "T1", "PROCESSED", &bar[1..])).await;
    assert!(balance(&to, DATE).await.contains(r#""amount":0,"#));
    assert!(balance(&to, "2026-02-20T22:59:59").await.contains(&format!(r#""amount":{bar},"#)));
    assert!(balance(&to, "2026-02-20").await.contains(&format!(r#""amount":{bar},"#)), "the day before");
    let less = Amount::parse(&source).expect("a decimal") - Amount::parse(&bar[1..]).expect("a decimal");
    assert!(balance(&from, DATE).await.contains(&format!(r#""amount":{less},"#)));
    assert_eq!(sandbox.world().balance(&from, &product), less.to_string());
    let known = sandbox
        .world()
        .balances
        .iter()
        .any(|row| row["store"] == from.as_str() && row["product"] == product.as_str());
    assert_eq!(iiko(&sandbox, &token, whole).await.len(), rows + usize::from(!known));

    assert!(sandbox.edit(|world| world.delete_document("T1")));
    assert_eq!(sandbox.world().balance(&to, &product), bar, "taken back");
    assert_eq!(sandbox.world().ledger().len(), 2);
    assert!(!sandbox.edit(|world| world.delete_document("T2")));
}

#[tokio::test]
async fn somebody_else_edits_between_the_steps() {
    let (sandbox, token) = session().await;
    sandbox.on("POST /resto/api/v2/documents/internalTransfer", 2, |world| {
        assert!(world.edit_document("T1", |document| document.items[0].amount = Amount::parse("7").unwrap()));
    });
    sandbox.on("POST /resto/api/v2/documents/internalTransfer", 3, |world| {
        assert!(world.delete_document("T1"));
    });
    let body = transfer(&sandbox, "T1", "NEW", "1");
    let id = draft(&sandbox, &token, &body).await;
    assert_eq!(by_number(&sandbox, &token, "T1").await[0]["items"][0]["amount"], 1);
    let other = with(&body, &json!({"documentNumber": "T2"}));
    draft(&sandbox, &token, &other).await;
    assert_eq!(by_number(&sandbox, &token, "T1").await[0]["items"][0]["amount"], 7);
    let processed = with(&body, &json!({"id": id, "status": "PROCESSED"}));
    assert_eq!(post(&sandbox, &token, TRANSFER, &processed).await.status, 409);
    assert_eq!(sandbox.world().ledger(), []);
}

#[tokio::test]
async fn the_ledger_is_also_a_file_and_under_control() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ledger");
    let (sandbox, token) = with_options(Options { ledger: Some(file.clone()), ..Options::default() }).await;
    draft(&sandbox, &token, &transfer(&sandbox, "T1", "PROCESSED", "0.3")).await;
    draft(&sandbox, &token, &transfer(&sandbox, "T2", "NEW", "1")).await;
    sandbox.edit(|world| world.edit_document("T2", |document| document.status = Status::Processed));
    let text = std::fs::read_to_string(&file).expect("a file");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(get(&sandbox, "/_sandbox/ledger").await.json(), Value::from(lines.clone()));
    let [from, to, product] = places(&sandbox);
    let shown = json!({"seq": 1, "document": sandbox.world().documents()[0].id, "number": "T1",
        "kind": "internalTransfer", "from": from, "to": to, "product": product, "amount": "0.3",
        "date": "2026-02-20T23:00", "at": lines[0]["at"]});
    assert_eq!((lines.len(), &lines[0]), (2, &shown));
    let documents = get(&sandbox, "/_sandbox/documents").await.json();
    assert_eq!(
        (documents[1]["number"].as_str(), documents[1]["status"].as_str()),
        (Some("T2"), Some("PROCESSED"))
    );
    assert_eq!(documents[1]["items"][0]["amount"], "1");
}
