//! Tokens, rights, quotas, faults, the journal.

use bytes::Bytes;
use google_sheets4::{
    Sheets,
    api::{
        BatchUpdateSpreadsheetRequest, BatchUpdateValuesRequest, CellData, GridRange, RepeatCellRequest,
        Request, Scope, ValueRange,
    },
    hyper_util::{
        client::legacy::{Client, connect::HttpConnector},
        rt::TokioExecutor,
    },
    yup_oauth2::{ServiceAccountAuthenticator, client::CustomHyperClientBuilder},
};

use super::*;

#[tokio::test]
async fn the_clients_own_library_gets_through() {
    let sandbox = sandbox().await;
    let title = "Кафе 'У моря' 100%";
    sandbox
        .edit(|world| world.google.sheet("sandbox-sheet").open(title).type_in("B2", "1,5").state().sheet_id);
    let key = serde_json::from_str(&sandbox.google_credentials()).unwrap();
    let builder = Client::builder(TokioExecutor::new());
    let client = CustomHyperClientBuilder::from(builder.build(HttpConnector::new()));
    let auth = ServiceAccountAuthenticator::with_client(key, client);
    let mut hub = Sheets::new(builder.build(HttpConnector::new()), auth.build().await.unwrap());
    hub.base_url(sandbox.google_url());
    let range = "'Кафе ''У моря'' 100%'!A1:B2";
    let body = BatchUpdateValuesRequest {
        value_input_option: Some("USER_ENTERED".to_owned()),
        data: Some(vec![ValueRange {
            range: Some(range.to_owned()),
            values: Some(vec![vec![json!("2,5"), json!("соль")]]),
            ..ValueRange::default()
        }]),
        ..BatchUpdateValuesRequest::default()
    };
    let write = hub.spreadsheets().values_batch_update(body, "sandbox-sheet").add_scope(Scope::Spreadsheet);
    let (_, written) = write.doit().await.unwrap();
    assert_eq!(written.total_updated_cells, Some(2));
    let read = hub.spreadsheets().values_batch_get("sandbox-sheet").add_ranges(range);
    let read = read.value_render_option("UNFORMATTED_VALUE").add_scope(Scope::Spreadsheet);
    let (_, read) = read.doit().await.unwrap();
    let range = &read.value_ranges.unwrap()[0];
    assert_eq!(range.values, Some(vec![vec![json!(2.5), json!("соль")], vec![json!(""), json!(1.5)]]));
    let (_, whole) = hub
        .spreadsheets()
        .get("sandbox-sheet")
        .param("fields", "sheets(properties(sheetId,title))")
        .add_scope(Scope::Spreadsheet)
        .doit()
        .await
        .unwrap();
    let titles: Vec<_> =
        whole.sheets.unwrap().into_iter().map(|sheet| sheet.properties.unwrap().title).collect();
    assert_eq!(titles, [Some("Лист1".to_owned()), Some(title.to_owned())]);
    let clear = Request {
        repeat_cell: Some(RepeatCellRequest {
            range: Some(GridRange {
                sheet_id: whole_id(&sandbox, title),
                end_row_index: Some(1),
                ..GridRange::default()
            }),
            cell: Some(CellData::default()),
            fields: Some("userEnteredValue,userEnteredFormat.numberFormat".parse().unwrap()),
        }),
        ..Request::default()
    };
    let body = BatchUpdateSpreadsheetRequest {
        requests: Some(vec![clear]),
        ..BatchUpdateSpreadsheetRequest::default()
    };
    hub.spreadsheets()
        .batch_update(body, "sandbox-sheet")
        .add_scope(Scope::Spreadsheet)
        .doit()
        .await
        .unwrap();
    let rows = sandbox.edit(|world| world.google.sheet("sandbox-sheet").tab(title).rows());
    assert_eq!(json!(rows), json!([[], ["", 1.5]]));
    let journal = sandbox.journal();
    let kinds: Vec<_> = journal.iter().map(|entry| (entry.session, entry.write)).collect();
    assert_eq!(kinds, [(true, false), (false, true), (false, false), (false, false), (false, true)]);
    assert_eq!(sandbox.violations(), [""; 0]);
}

/// The id of a tab, as the client's library wants it.
fn whole_id(sandbox: &Sandbox, title: &str) -> Option<i32> {
    let id = sandbox.edit(|world| world.google.sheet("sandbox-sheet").tab(title).state().sheet_id);
    i32::try_from(id).ok()
}

#[tokio::test]
async fn an_assertion_must_be_right_in_every_part() {
    let sandbox = sandbox().await;
    let good = claims(&sandbox, SPREADSHEETS);
    let seen = grant(&sandbox, &signed(&sandbox, &good)).await;
    let token = seen.json();
    assert_eq!(
        (seen.status, &token["token_type"], &token["expires_in"]),
        (200, &json!("Bearer"), &json!(3600))
    );
    let again = grant(&sandbox, &signed_in(&sandbox, &good, &BASE64_URL_SAFE_NO_PAD)).await.json();
    assert!(again["access_token"].is_string() && again["access_token"] != token["access_token"]);

    let now = good["iat"].as_i64().unwrap();
    for (field, value, error) in [
        ("iss", json!("somebody@sandbox.iam.gserviceaccount.com"), "invalid_grant"),
        ("aud", json!("https://example.org/token"), "invalid_grant"),
        ("exp", json!(now - 1), "invalid_grant"),
        ("exp", json!(now + 7200), "invalid_grant"),
        ("iat", json!(now + 1000), "invalid_grant"),
        ("iat", json!(null), "invalid_grant"),
        ("scope", json!(""), "invalid_scope"),
        ("scope", json!("spreadsheets"), "invalid_scope"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let seen = grant(&sandbox, &signed(&sandbox, &bad)).await;
        assert_eq!((seen.status, &seen.json()["error"]), (400, &json!(error)), "{field}");
    }
    let mut forged = signed(&sandbox, &good);
    let last = forged.len() - 10;
    forged.replace_range(last..=last, if &forged[last..=last] == "A" { "B" } else { "A" });
    assert_eq!(grant(&sandbox, &forged).await.json()["error_description"], "Invalid JWT Signature.");
    assert_eq!(grant(&sandbox, "a.b").await.status, 400);
    let wrong = ask(&sandbox, "POST", "/google/token", "", "grant_type=password&assertion=x").await;
    assert_eq!(wrong.json()["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn nothing_secret_is_in_the_journal() {
    let desk = Desk::new().await;
    desk.ask("GET", &format!("{SHEET}?access_token={}", desk.token), &Value::Null).await;
    let journal = serde_json::to_string(&desk.sandbox.journal()).unwrap();
    assert!(
        journal.contains("/google/token") && !journal.contains("ya29") && !journal.contains("eyJ"),
        "{journal}"
    );
}

#[tokio::test]
async fn a_token_is_good_for_what_it_was_given_for_and_for_its_time() {
    let options = Options { google_token_life: Duration::from_millis(300), ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let write = json!({"valueInputOption": "RAW", "data": []});
    for (scope, read_status, write_status) in [
        (SPREADSHEETS, 200, 200),
        ("https://www.googleapis.com/auth/spreadsheets.readonly", 200, 403),
        ("https://www.googleapis.com/auth/drive.readonly", 403, 403),
    ] {
        let token = token(&sandbox, scope).await;
        let read = call(&sandbox, &token, "GET", SHEET, &Value::Null).await;
        let written = call(&sandbox, &token, "POST", &format!("{SHEET}/values:batchUpdate"), &write).await;
        assert_eq!((read.status, written.status), (read_status, write_status), "{scope}");
        if written.status == 403 {
            assert_eq!(written.json()["error"]["status"], "PERMISSION_DENIED");
        }
    }
    let token = token(&sandbox, SPREADSHEETS).await;
    tokio::time::sleep(Duration::from_millis(350)).await;
    let late = call(&sandbox, &token, "GET", SHEET, &Value::Null).await;
    assert_eq!((late.status, &late.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    let unknown = call(&sandbox, "ya29.other", "GET", SHEET, &Value::Null).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (401, &json!(401)));
    assert_eq!(get(&sandbox, SHEET).await.status, 401);
}

#[tokio::test]
async fn a_spreadsheet_is_shared_or_not() {
    let desk = Desk::new().await;
    let write = json!({"valueInputOption": "RAW", "data": [{"range": "A1", "values": [["a"]]}]});
    for (rights, read_status, write_status) in
        [(Rights::Writer, 200, 200), (Rights::Reader, 200, 403), (Rights::None, 403, 403)]
    {
        desk.sandbox.edit(|world| world.google.sheet("sandbox-sheet").rights = rights);
        let read = desk.ask("GET", &format!("{SHEET}/values/A1"), &Value::Null).await;
        let written = desk.ask("POST", &format!("{SHEET}/values:batchUpdate"), &write).await;
        assert_eq!((read.status, written.status), (read_status, write_status), "{rights:?}");
    }
    let unknown = desk.ask("GET", "/google/v4/spreadsheets/other", &Value::Null).await;
    let error = unknown.json()["error"].clone();
    assert_eq!(
        error,
        json!({"code": 404, "status": "NOT_FOUND", "message": "Requested entity was not found."})
    );
}

#[tokio::test]
async fn reads_and_writes_have_a_quota_each() {
    let options = Options {
        google_reads: 2,
        google_writes: 1,
        google_window: Duration::from_secs(2),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let token = token(&sandbox, SPREADSHEETS).await;
    let (read, clear) = (format!("{SHEET}/values/A1"), format!("{SHEET}/values/A1:clear"));
    let mut seen = Vec::new();
    for (method, target) in
        [("GET", &read), ("POST", &clear), ("GET", &read), ("GET", &read), ("POST", &clear)]
    {
        seen.push(call(&sandbox, &token, method, target, &Value::Null).await);
    }
    assert_eq!(seen.iter().map(|seen| seen.status).collect::<Vec<_>>(), [200, 200, 200, 429, 429]);
    let error = seen[4].json()["error"].clone();
    assert_eq!((&error["code"], &error["status"]), (&json!(429), &json!("RESOURCE_EXHAUSTED")));
    assert!(
        error["message"].as_str().unwrap().starts_with("Quota exceeded for quota metric 'Write requests'")
    );
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(call(&sandbox, &token, "GET", &read, &Value::Null).await.status, 200);
}

/// Writes one cell under a fault: what was seen, and what A1 then holds.
async fn write_under(action: Action) -> (Seen, Value) {
    let desk = Desk::new().await;
    desk.sandbox.fault(Fault::new("values:batchUpdate", action));
    let body = json!({"valueInputOption": "RAW", "data": [{"range": "A1", "values": [["a"]]}]});
    let seen = desk.ask("POST", &format!("{SHEET}/values:batchUpdate"), &body).await;
    assert_eq!(desk.sandbox.faults_waiting(), 0);
    (seen, desk.look(|tab| tab.value("A1")))
}

#[tokio::test]
async fn faults_hit_writes_before_or_after_their_effect() {
    let refused =
        || Action::Status { code: 503, content_type: String::new(), body: Bytes::new(), headers: Vec::new() };
    for (action, status, done) in [
        (refused(), 503, false),
        (Action::Close, 0, false),
        (Action::CloseAfterEffect, 0, true),
        (Action::Garbage, 0, false),
        (Action::Html, 200, false),
        (Action::Empty, 200, true),
        (Action::Cut { at: 10 }, 200, true),
        (Action::Slow { delay_ms: 50 }, 200, true),
        (Action::ExpireToken, 401, false),
        (Action::TooMany { retry_after: "7".to_owned() }, 429, false),
    ] {
        let (seen, value) = write_under(action.clone()).await;
        assert_eq!((seen.status, value == "a"), (status, done), "{action:?}: {}", seen.text());
    }
    let (expired, _) = write_under(Action::ExpireToken).await;
    assert_eq!(expired.json()["error"]["status"], "UNAUTHENTICATED");
    let (many, _) = write_under(Action::TooMany { retry_after: "7".to_owned() }).await;
    assert_eq!((many.header("retry-after"), &many.json()["error"]["code"]), (Some("7"), &json!(429)));
}

#[tokio::test]
async fn an_emptied_answer_has_no_values() {
    let desk = Desk::new().await;
    desk.fill(json!([["a"]])).await;
    desk.sandbox.fault(Fault::new("GET", Action::EmptyList).times(2));
    let read = desk.good("GET", "/values:batchGet?ranges=A1", Value::Null).await;
    assert_eq!(read["valueRanges"], json!([{"range": "'Лист1'!A1", "majorDimension": "ROWS"}]));
    assert_eq!(desk.good("GET", "?fields=sheets", Value::Null).await, json!({}));
}

#[tokio::test]
async fn somebody_types_between_two_requests() {
    let desk = Desk::new().await;
    desk.sandbox.on("values:batchGet", 2, |world| {
        world.google.sheet("sandbox-sheet").tab("Лист1").type_in("B2", "1,5").insert_row(1);
    });
    for expected in [json!(null), json!([["", 1.5]])] {
        let target = "/values:batchGet?ranges=A3:B3&valueRenderOption=UNFORMATTED_VALUE";
        assert_eq!(desk.good("GET", target, Value::Null).await["valueRanges"][0]["values"], expected);
    }
    // Right after a request: its answer does not show it yet.
    desk.sandbox.after("GET", 2, |world| {
        world.google.sheet("sandbox-sheet").tab("Лист1").type_in("A1", "2");
    });
    for expected in [json!(null), json!(null), json!([["2"]])] {
        assert_eq!(
            desk.good("GET", "/values/A1", Value::Null).await.get("values").cloned().unwrap_or_default(),
            expected
        );
    }
}

#[tokio::test]
async fn the_controls_show_the_sheets() {
    let desk = Desk::new().await;
    desk.look(|tab| {
        tab.type_in("A1", "Соль").type_in("B1", "=1+1");
    });
    let sheets = get(&desk.sandbox, "/_sandbox/sheets").await.json();
    assert_eq!(sheets, json!({"sandbox-sheet": {"Лист1": [["Соль", 2]]}}));
    let state = get(&desk.sandbox, "/_sandbox/state").await.json();
    assert_eq!(state["records"]["google"], json!({"sandbox-sheet": {"tabs": 1, "cells": 2}}));
}

#[tokio::test]
async fn rows_are_appended_below_a_table_and_the_grid_grows() {
    let desk = Desk::new().await;
    desk.fill(json!([["a", "b"], ["c"]])).await;
    let append = async |rows: Value, more: &str| {
        let target = format!("/values/A1:append?valueInputOption=RAW{more}");
        desk.ask("POST", &format!("{SHEET}{target}"), &json!({"values": rows})).await
    };
    let first = append(json!([["d"]]), "").await.json();
    assert_eq!(first["tableRange"], "'Лист1'!A1:B2");
    assert_eq!(first["updates"]["updatedRange"], "'Лист1'!A3");
    let many: Vec<Value> = (0..999).map(|number| json!([number])).collect();
    let second = append(json!(many), "").await;
    assert_eq!(second.status, 200, "{}", second.text());
    assert_eq!(desk.rows().as_array().map(Vec::len), Some(1002));
    assert_eq!(append(json!([["e"]]), "&insertDataOption=INSERT_ROWS").await.status, 501);
}

#[tokio::test]
async fn append_is_a_violation() {
    let desk = Desk::new().await;
    desk.fill(json!([["a"], ["b"], [], ["d"]])).await;
    let target = "/values/A1:append?valueInputOption=RAW";
    let answer = desk.good("POST", target, json!({"values": [["c"]]})).await;
    assert_eq!(answer["updates"]["updatedRange"], "'Лист1'!A3");
    assert_eq!(desk.rows(), json!([["a"], ["b"], ["c"], ["d"]]));
    assert_eq!(desk.sandbox.violations(), [format!("google POST {SHEET}/values/A1:append: values.append")]);
}
