//! `spreadsheets.values` and `spreadsheets.get`.

use super::*;

#[tokio::test]
async fn trailing_blanks_are_not_sent() {
    let desk = Desk::new().await;
    desk.fill(json!([["a", 1.5, true], [], ["", "b", ""], [""]])).await;
    let read = desk.good("GET", "/values:batchGet?ranges=A1:Z&ranges=D1:E5", Value::Null).await;
    assert_eq!(
        read["valueRanges"],
        json!([
            {
                "range": "'Лист1'!A1:Z1000",
                "majorDimension": "ROWS",
                "values": [["a", "1,5", "TRUE"], [], ["", "b"]],
            },
            {"range": "'Лист1'!D1:E5", "majorDimension": "ROWS"},
        ])
    );
    let columns = desk.good("GET", "/values/A1:Z?majorDimension=COLUMNS", Value::Null).await;
    assert_eq!(columns["values"], json!([["a"], ["1,5", "", "b"], ["TRUE"]]));
}

#[tokio::test]
async fn values_are_rendered_as_wanted() {
    let desk = Desk::new().await;
    desk.look(|tab| {
        tab.type_in("A1", "1,5").type_in("B1", "=A1*2").type_in("C1", "01.05.2026").type_in("D1", "'7");
    });
    for (options, expected) in [
        ("", json!(["1,5", "3", "01.05.2026", "7"])),
        ("&valueRenderOption=UNFORMATTED_VALUE", json!([1.5, 3, 46143, "7"])),
        ("&valueRenderOption=FORMULA", json!([1.5, "=A1*2", 46143, "7"])),
        (
            "&valueRenderOption=UNFORMATTED_VALUE&dateTimeRenderOption=FORMATTED_STRING",
            json!([1.5, 3, "01.05.2026", "7"]),
        ),
    ] {
        let read = desk.good("GET", &format!("/values:batchGet?ranges=1:1{options}"), Value::Null).await;
        assert_eq!(read["valueRanges"][0]["values"], json!([expected]), "{options}");
    }
}

#[tokio::test]
async fn raw_and_typed_values_are_told_apart() {
    let desk = Desk::new().await;
    let row = json!([["=1+1", "1,5", "'5", 2, true]]);
    for (option, expected) in
        [("RAW", json!(["=1+1", "1,5", "'5", 2, true])), ("USER_ENTERED", json!(["=1+1", 1.5, "5", 2, true]))]
    {
        let body = json!({"valueInputOption": option, "data": [{"range": "'Лист1'!A1", "values": row}]});
        let written = desk.good("POST", "/values:batchUpdate", body).await;
        assert_eq!(written["totalUpdatedCells"], 5);
        let read = desk.good("GET", "/values/A1:E1?valueRenderOption=FORMULA", Value::Null).await;
        assert_eq!(read["values"], json!([expected]), "{option}");
    }
    // The first was a text, the second a formula.
    assert_eq!(desk.look(|tab| tab.value("A1")), json!(2));
}

#[tokio::test]
async fn null_leaves_and_an_empty_text_clears() {
    let desk = Desk::new().await;
    desk.fill(json!([["a", "b", "c"]])).await;
    let body = json!({"majorDimension": "ROWS", "values": [[null, "", "x", "y"]]});
    let target =
        "/values/%27%D0%9B%D0%B8%D1%81%D1%821%27!A1?valueInputOption=RAW&includeValuesInResponse=true";
    let written = desk.good("PUT", target, body).await;
    assert_eq!(
        written,
        json!({
            "spreadsheetId": "sandbox-sheet",
            "updatedRange": "'Лист1'!A1:D1",
            "updatedRows": 1,
            "updatedColumns": 3,
            "updatedCells": 3,
            "updatedData": {
                "range": "'Лист1'!A1:D1",
                "majorDimension": "ROWS",
                "values": [["a", "", "x", "y"]],
            },
        })
    );
    let cleared = desk.good("POST", "/values/C1:Z:clear", json!({})).await;
    assert_eq!(cleared["clearedRange"], "'Лист1'!C1:Z1000");
    let cleared = desk.good("POST", "/values:batchClear", json!({"ranges": ["B1", "Лист1!5:6"]})).await;
    assert_eq!(cleared["clearedRanges"], json!(["'Лист1'!B1", "'Лист1'!A5:Z6"]));
    assert_eq!(desk.rows(), json!([["a"]]));
}

#[tokio::test]
async fn writes_are_refused_whole() {
    let desk = Desk::new().await;
    let write = |option: &str, range: &str, values: Value| {
        let data = json!([{"range": "A5", "values": [["kept out"]]}, {"range": range, "values": values}]);
        json!({"valueInputOption": option, "data": data})
    };
    for (body, sentence) in [
        (
            write("RAW", "A1:B2", json!([[1], [2], [3]])),
            "Requested writing within range ['Лист1'!A1:B2], but tried writing to row [3]",
        ),
        (
            write("RAW", "A1:B2", json!([[1, 2, 3]])),
            "Requested writing within range ['Лист1'!A1:B2], but tried writing to column [3]",
        ),
        (
            write("RAW", "A1000", json!([[1], [2]])),
            "Range ('Лист1'!A1000:A1001) exceeds grid limits. Max rows: 1000, max columns: 26",
        ),
        (
            write("RAW", "A1:AB2", json!([[1]])),
            "Range ('Лист1'!A1:AB2) exceeds grid limits. Max rows: 1000, max columns: 26",
        ),
        (write("RAW", "Нет!A1", json!([[1]])), "Unable to parse range: Нет!A1"),
        (write("RAW", "A1", json!([[{"a": 1}]])), "Invalid data[1].values[0][0]: {\"a\":1}"),
        (write("TYPED", "A1", json!([[1]])), "Invalid value at 'value_input_option' (TYPE_ENUM), \"TYPED\""),
        (json!({"data": []}), "'valueInputOption' is required but not specified"),
        (
            json!({"valueInputOption": "RAW", "data": [{"range": "A1", "rows": []}]}),
            "Invalid JSON payload received. Unknown name \"rows\" at 'data[0]': Cannot find field.",
        ),
    ] {
        assert_eq!(desk.bad("POST", "/values:batchUpdate", body).await, sentence);
    }
    assert_eq!(desk.rows(), json!([]));
}

#[tokio::test]
async fn what_is_no_range_or_parameter_is_refused() {
    let desk = Desk::new().await;
    for (target, sentence) in [
        (
            "/values:batchGet?ranges=Z1001",
            "Range ('Лист1'!Z1001) exceeds grid limits. Max rows: 1000, max columns: 26",
        ),
        ("/values:batchGet?ranges=%D0%9D%D0%B5%D1%82", "Unable to parse range: Нет"),
        (
            "/values/A1?valueRenderOption=PLAIN",
            "Invalid value at 'value_render_option' (TYPE_ENUM), \"PLAIN\"",
        ),
        ("?includeGridData=yes", "Invalid value at 'includeGridData' (TYPE_BOOL), \"yes\""),
        (
            "?ranges=A1&sheet=1",
            "Invalid JSON payload received. Unknown name \"sheet\": Cannot bind query parameter. Field 'sheet' could \
             not be found in request message.",
        ),
        ("?fields=sheets.title", "Request contains an invalid argument. Invalid field selection title"),
    ] {
        assert_eq!(desk.bad("GET", target, Value::Null).await, sentence);
    }
}

#[tokio::test]
async fn what_is_not_played_is_no_refusal_of_googles() {
    let desk = Desk::new().await;
    let requests = |request: Value| json!({ "requests": [request] });
    let chart = requests(json!({"addChart": {}}));
    let size = requests(json!({"updateDimensionProperties": {"dataSourceSheetRange": {}, "fields": "*"}}));
    let at = |target: &str| format!("{SHEET}{target}");
    for (method, target, body, what) in [
        ("POST", "/google/v4/spreadsheets".to_owned(), json!({}), "POST /google/v4/spreadsheets"),
        (
            "POST",
            at("/sheets/0:copyTo"),
            json!({}),
            "POST /google/v4/spreadsheets/sandbox-sheet/sheets/0:copyTo",
        ),
        ("POST", at(":batchUpdate"), chart, "requests[0].add_chart"),
        ("POST", at(":batchUpdate"), size, "requests[0].update_dimension_properties.data_source_sheet_range"),
        ("GET", at("?key=1"), Value::Null, "the parameter key"),
        ("GET", at("?alt=media"), Value::Null, "alt=media"),
    ] {
        let seen = desk.ask(method, &target, &body).await;
        let message = format!("not played by this stand-in: {what}");
        let error = json!({"code": 501, "status": "UNIMPLEMENTED", "message": message});
        assert_eq!((seen.status, &seen.json()["error"]), (501, &error), "{target}");
    }
}

#[tokio::test]
async fn truth_values_are_taken_as_python_writes_them() {
    let desk = Desk::new().await;
    desk.fill(json!([["a"]])).await;
    let data = async |word: &str| {
        let seen = desk.good("GET", &format!("?includeGridData={word}"), Value::Null).await;
        seen["sheets"][0]["data"].is_array()
    };
    assert!(data("True").await && data("true").await);
    assert!(!data("False").await && !data("false").await);
}

#[tokio::test]
async fn a_spreadsheet_is_described_as_google_does() {
    let desk = Desk::new().await;
    desk.sandbox.edit(|world| {
        let sheet = world.google.sheet("sandbox-sheet");
        sheet.open("Маппинг Справочник").state_mut().hidden = true;
        sheet.tab("Лист1").type_in("B2", "1,5").state_mut().frozen_rows = 1;
    });
    let mapping = desk
        .sandbox
        .edit(|world| world.google.sheet("sandbox-sheet").tab("Маппинг Справочник").state().sheet_id);
    let whole = desk.good("GET", "", Value::Null).await;
    assert_eq!(whole["properties"]["locale"], "ru_RU");
    assert_eq!(
        whole["sheets"],
        json!([
            {"properties": {
                "sheetId": 0,
                "title": "Лист1",
                "index": 0,
                "sheetType": "GRID",
                "gridProperties": {"rowCount": 1000, "columnCount": 26, "frozenRowCount": 1},
            }},
            {"properties": {
                "sheetId": mapping,
                "title": "Маппинг Справочник",
                "index": 1,
                "sheetType": "GRID",
                "gridProperties": {"rowCount": 1000, "columnCount": 26},
                "hidden": true,
            }},
        ])
    );
    let target = "?ranges=A2:C3&fields=sheets(properties.title,data(startRow,startColumn,rowData.values\
                  (userEnteredValue,effectiveValue,formattedValue),columnMetadata))";
    assert_eq!(
        desk.good("GET", target, Value::Null).await,
        json!({"sheets": [{
            "properties": {"title": "Лист1"},
            "data": [{
                "startRow": 1,
                "rowData": [{"values": [{}, {
                    "userEnteredValue": {"numberValue": 1.5},
                    "effectiveValue": {"numberValue": 1.5},
                    "formattedValue": "1,5",
                }]}],
                "columnMetadata": [{"pixelSize": 100}, {"pixelSize": 100}, {"pixelSize": 100}],
            }],
        }]})
    );
    desk.look(|tab| {
        tab.type_in("B2", "1.5").type_in("C2", "10%");
    });
    // A format that was given without a pattern has the locale's, where it has effect.
    let day = json!({"repeatCell": {
        "range": {"startRowIndex": 4, "endRowIndex": 5, "startColumnIndex": 1, "endColumnIndex": 2},
        "cell": {"userEnteredFormat": {"numberFormat": {"type": "DATE"}}},
        "fields": "userEnteredFormat.numberFormat",
    }});
    desk.batch(json!([day])).await;
    let target = "?ranges=B2:C2&ranges=B5&fields=sheets.data.rowData.values(effectiveFormat.numberFormat,\
                  userEnteredFormat(numberFormat/type),formattedValue)";
    let format = |kind: &str, pattern: &str, shown: &str| {
        json!({
            "userEnteredFormat": {"numberFormat": {"type": kind}},
            "effectiveFormat": {"numberFormat": {"type": kind, "pattern": pattern}},
            "formattedValue": shown,
        })
    };
    let mut empty = format("DATE", "dd.MM.yyyy", "");
    empty.as_object_mut().unwrap().remove("formattedValue");
    assert_eq!(
        desk.good("GET", target, Value::Null).await,
        json!({"sheets": [{"data": [
            {"rowData": [{"values": [format("DATE", "dd.MM", "01.05"), format("PERCENT", "0%", "10%")]}]},
            {"rowData": [{"values": [empty]}]},
        ]}]})
    );
    let all = desk.good("GET", "?includeGridData=true&ranges=B2", Value::Null).await;
    assert_eq!(all["sheets"][0]["data"][0]["rowMetadata"], json!([{"pixelSize": 21}]));
}

/// The largest sheet that is to be expected. A release build takes 0.02 to 0.2 s of CPU for each; the limit only
/// tells work that grows with the square of the rows from work that does not, on a busy machine too.
#[tokio::test]
async fn a_large_grid_is_fast() {
    let desk = Desk::new().await;
    desk.batch(json!([{"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 4000}}])).await;
    let rows: Vec<Vec<Value>> =
        (0..5000).map(|row| (0..26).map(|column| json!(f64::from(row * column) / 4.0)).collect()).collect();
    let cells: Vec<Value> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().map(|cell| json!({"userEnteredValue": {"numberValue": cell}}));
            json!({"values": cells.collect::<Vec<_>>()})
        })
        .collect();
    let update = json!({"start": {"rowIndex": 0}, "rows": cells, "fields": "userEnteredValue"});
    let values = json!({"valueInputOption": "RAW", "data": [{"range": "A1", "values": rows}]});
    let batch = json!({"requests": [{"updateCells": update}]});
    for (method, target, body) in [
        ("POST", "/values:batchUpdate", values),
        ("GET", "/values:batchGet?ranges=A1:Z5000&valueRenderOption=UNFORMATTED_VALUE", Value::Null),
        ("POST", ":batchUpdate", batch),
    ] {
        let started = Instant::now();
        let answer = desk.good(method, target, body).await;
        let took = started.elapsed();
        if method == "GET" {
            assert_eq!(answer["valueRanges"][0]["values"].as_array().unwrap().len(), 5000);
        }
        assert!(took < Duration::from_secs(10), "{target} took {took:?}");
    }
}
