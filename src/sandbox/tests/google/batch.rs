//! `spreadsheets.batchUpdate`: tabs, rows and columns.

use super::*;

/// A range of rows or columns of the default tab.
fn lines(dimension: &str, start: usize, end: usize) -> Value {
    json!({"sheetId": 0, "dimension": dimension, "startIndex": start, "endIndex": end})
}

fn insert(dimension: &str, start: usize, end: usize, like_before: bool) -> Value {
    json!({"insertDimension": {"range": lines(dimension, start, end), "inheritFromBefore": like_before}})
}

fn delete(dimension: &str, start: usize, end: usize) -> Value {
    json!({"deleteDimension": {"range": lines(dimension, start, end)}})
}

fn shuffle(dimension: &str, start: usize, end: usize, to: usize) -> Value {
    json!({"moveDimension": {"source": lines(dimension, start, end), "destinationIndex": to}})
}

#[tokio::test]
async fn all_requests_or_none() {
    let desk = Desk::new().await;
    desk.fill(json!([["a"], ["b"], ["c"]])).await;
    let twice = json!([delete("ROWS", 0, 1), {"addSheet": {"properties": {"title": "лист1"}}}]);
    assert_eq!(
        desk.refused(twice).await,
        "Invalid requests[1].addSheet: A sheet with the name \"лист1\" already exists. Please enter another name."
    );
    assert_eq!(desk.rows(), json!([["a"], ["b"], ["c"]]));
    assert!(desk.refused(json!([])).await.contains("at least one request"));
    assert!(desk.refused(json!([{}])).await.contains("requests[0]: No request set"));
    let unknown = desk.refused(json!([{"addPigeon": {}}])).await;
    assert!(unknown.contains("Unknown name \"addPigeon\" at 'requests[0]'"), "{unknown}");
    let field = desk.refused(json!([{"addSheet": {"properties": {"name": "x"}}}])).await;
    assert!(field.contains("Unknown name \"name\" at 'requests[0].add_sheet.properties'"), "{field}");
    let kind = desk.refused(json!([{"deleteSheet": {"sheetId": "x"}}])).await;
    assert_eq!(kind, "Invalid value at 'requests[0].delete_sheet.sheet_id' (TYPE_INT32), \"x\"");
}

#[tokio::test]
async fn rows_move_in_coordinates_of_before() {
    let desk = Desk::new().await;
    desk.fill(json!([["a"], ["b"], ["c"], ["d"]])).await;
    desk.batch(json!([shuffle("ROWS", 0, 2, 3)])).await;
    assert_eq!(desk.rows(), json!([["c"], ["a"], ["b"], ["d"]]));
    desk.batch(json!([shuffle("ROWS", 3, 4, 0)])).await;
    assert_eq!(desk.rows(), json!([["d"], ["c"], ["a"], ["b"]]));
    desk.batch(json!([shuffle("ROWS", 0, 2, 0), shuffle("ROWS", 0, 2, 2)])).await;
    assert_eq!(desk.rows(), json!([["d"], ["c"], ["a"], ["b"]]));
    assert!(desk.refused(json!([shuffle("ROWS", 0, 2, 1)])).await.contains("into themselves"));
    assert!(desk.refused(json!([shuffle("ROWS", 0, 2, 1001)])).await.contains("beyond the grid"));
}

#[tokio::test]
async fn columns_carry_widths_merges_and_formats() {
    let desk = Desk::new().await;
    desk.fill(json!([["a", "b", "c", "d", "e"], [], ["1"]])).await;
    let pair = |from: usize| json!({"startRowIndex": 0, "endRowIndex": 1, "startColumnIndex": from, "endColumnIndex": from + 2});
    let narrow = json!({
        "range": lines("COLUMNS", 1, 3),
        "properties": {"pixelSize": 60, "hiddenByUser": true},
        "fields": "pixelSize,hiddenByUser",
    });
    let bold = json!({
        "range": pair(1),
        "cell": {"userEnteredFormat": {"textFormat": {"bold": true}}},
        "fields": "userEnteredFormat.textFormat.bold",
    });
    desk.batch(json!([
        {"mergeCells": {"range": pair(1), "mergeType": "MERGE_ALL"}},
        {"updateDimensionProperties": narrow},
        {"repeatCell": bold},
        shuffle("COLUMNS", 1, 3, 5),
    ]))
    .await;
    // The merge took the text of its second cell.
    assert_eq!(desk.rows(), json!([["a", "d", "e", "b"], [], ["1"]]));
    desk.look(|tab| {
        assert_eq!(
            (tab.column("B"), tab.column("D"), tab.column("E")),
            ((100, false), (60, true), (60, true))
        );
        assert_eq!(tab.merges(), ["D1:E1"]);
        let bold = |cell: &str| {
            tab.cell(cell).format.as_ref().is_some_and(|format| format["textFormat"]["bold"] == true)
        };
        assert_eq!(["B1", "D1", "E1"].map(bold), [false, true, true]);
    });
    let cut = desk.refused(json!([shuffle("COLUMNS", 3, 4, 0)])).await;
    assert!(cut.contains("crosses a merged cell"), "{cut}");
    let into = desk.refused(json!([shuffle("COLUMNS", 0, 1, 4)])).await;
    assert!(into.contains("crosses a merged cell"), "{into}");
    desk.batch(json!([
        insert("COLUMNS", 4, 5, true),
        insert("COLUMNS", 0, 1, false),
        delete("COLUMNS", 2, 3)
    ]))
    .await;
    desk.look(|tab| {
        assert_eq!(tab.merges(), ["D1:F1"]);
        assert_eq!(tab.column("E"), (60, false), "as wide as the one before, and seen");
    });
    desk.batch(json!([delete("COLUMNS", 4, 6)])).await;
    assert_eq!(desk.look(|tab| tab.merges()), [""; 0], "one cell is no merge");
}

#[tokio::test]
async fn inserted_rows_look_like_a_neighbour() {
    let desk = Desk::new().await;
    let rule = json!({"condition": {"type": "ONE_OF_RANGE", "values": [{"userEnteredValue": "='Маппинг Справочник'!$A$1:$A"}]}});
    desk.look(|tab| {
        tab.type_in("A1", "a").type_in("A2", "b");
    });
    let second = json!({"startRowIndex": 1, "endRowIndex": 2, "startColumnIndex": 0, "endColumnIndex": 1});
    desk.batch(json!([
        {"setDataValidation": {"range": second, "rule": rule}},
        {"repeatCell": {
            "range": second,
            "cell": {"userEnteredFormat": {"horizontalAlignment": "CENTER"}},
            "fields": "userEnteredFormat(horizontalAlignment)",
        }},
        insert("ROWS", 2, 4, true),
        insert("ROWS", 1, 2, true),
    ]))
    .await;
    desk.look(|tab| {
        assert_eq!(json!(tab.rows()), json!([["a"], [], ["b"]]));
        let centred = |cell: &str| tab.cell(cell).format.is_some();
        assert_eq!(
            ["A1", "A2", "A3", "A4", "A5", "A6"].map(centred),
            [false, false, true, true, true, false]
        );
        assert_eq!(tab.cell("A5").validation.as_deref(), Some(&rule), "the range stays as it was typed");
        assert_eq!(tab.size().0, 1003);
    });
    assert!(
        desk.refused(json!([insert("ROWS", 0, 1, true)])).await.contains("inheritFromBefore cannot be true")
    );
    assert!(
        desk.refused(json!([insert("ROWS", 1003, 1004, false)]))
            .await
            .contains("must be less than the grid size (1003) if inheritFromBefore is false.")
    );
    desk.batch(json!([
        insert("ROWS", 1003, 1004, true),
        {"appendDimension": {"sheetId": 0, "dimension": "COLUMNS", "length": 4}},
    ]))
    .await;
    let size = desk.look(|tab| tab.size());
    assert_eq!(size, (1004, 30));
}

#[tokio::test]
async fn frozen_rows_stay_frozen() {
    let desk = Desk::new().await;
    let freeze = |rows: usize| {
        json!({"updateSheetProperties": {
            "properties": {"sheetId": 0, "gridProperties": {"frozenRowCount": rows, "rowCount": 10}},
            "fields": "gridProperties(frozenRowCount,rowCount)",
        }})
    };
    desk.batch(json!([freeze(3)])).await;
    for (request, sentence) in [
        (freeze(10), "You can't freeze all visible rows on the sheet."),
        (delete("ROWS", 3, 10), "Sorry, it is not possible to delete all non-frozen rows."),
        (delete("ROWS", 0, 10), "You can't delete all the rows on the sheet."),
        (delete("COLUMNS", 0, 26), "You can't delete all the columns on the sheet."),
        (
            delete("ROWS", 9, 11),
            "Cannot delete a row that doesn't exist. Tried to delete row index 10 but there are only 10 rows.",
        ),
        (
            shuffle("ROWS", 5, 6, 1),
            "Sorry, it is not possible to move rows between the frozen and the other ones.",
        ),
        (
            shuffle("ROWS", 0, 1, 5),
            "Sorry, it is not possible to move rows between the frozen and the other ones.",
        ),
    ] {
        let error = desk.refused(json!([request])).await;
        assert!(error.ends_with(sentence), "{error}");
    }
    desk.batch(json!([shuffle("ROWS", 5, 6, 3), insert("ROWS", 1, 3, true), delete("ROWS", 0, 1)])).await;
    assert_eq!(desk.look(|tab| tab.state().frozen_rows), 4);
    let across =
        json!([{"mergeCells": {"range": {"startRowIndex": 3, "endRowIndex": 5, "endColumnIndex": 1}}}]);
    assert!(desk.refused(across).await.ends_with("You can't merge frozen and non-frozen rows."));
}

#[tokio::test]
async fn tabs_come_go_and_are_renamed() {
    let desk = Desk::new().await;
    let replies = desk
        .batch(json!([
            {"addSheet": {"properties": {"sheetId": 7, "title": "Б", "index": 0, "gridProperties": {"rowCount": 5, "columnCount": 2}}}},
            {"addSheet": {}},
            {"updateSheetProperties": {"properties": {"sheetId": 7, "title": "Бар", "hidden": true, "index": 2}, "fields": "title,index"}},
            {"updateSheetProperties": {"properties": {"sheetId": 7, "hidden": true}, "fields": "hidden"}},
            {"duplicateSheet": {"sourceSheetId": 7, "newSheetId": 8, "newSheetName": "Копия", "insertSheetIndex": 3}},
        ]))
        .await;
    let properties = &replies[0]["addSheet"]["properties"];
    assert_eq!((&properties["sheetId"], &properties["index"]), (&json!(7), &json!(0)));
    assert_eq!(properties["gridProperties"], json!({"rowCount": 5, "columnCount": 2}));
    assert_eq!(replies[1]["addSheet"]["properties"]["title"], "Лист2");
    assert_eq!(
        (&replies[2], &replies[4]["duplicateSheet"]["properties"]["title"]),
        (&json!({}), &json!("Копия"))
    );
    let titles =
        |desk: &Desk| desk.sandbox.edit(|world| world.google.sheet("sandbox-sheet").titles().join(" "));
    assert_eq!(titles(&desk), "Лист1 Бар Лист2 Копия");
    for (request, sentence) in [
        (json!({"addSheet": {"properties": {"sheetId": 7}}}), "Sheet with ID 7 already exists"),
        (json!({"deleteSheet": {"sheetId": 9}}), "No sheet with id: 9"),
        (
            json!({"updateSheetProperties": {"properties": {"sheetId": 7}, "fields": ""}}),
            "At least one field must be listed",
        ),
        (
            json!({"updateSheetProperties": {"properties": {"sheetId": 7}, "fields": "name"}}),
            "Invalid field: name",
        ),
        (delete("ROWS", 1, 1), "must be after range.startIndex"),
    ] {
        let error = desk.refused(json!([request])).await;
        assert!(error.contains(sentence), "{error}");
    }
    let last = json!([{"deleteSheet": {"sheetId": 8}}, {"deleteSheet": {}}, {"deleteSheet": {"sheetId": 1_500_450_271}}]);
    let error = desk.refused(last).await;
    assert!(
        error.starts_with("Invalid requests[2].deleteSheet: You can't remove all the visible sheets"),
        "{error}"
    );
    assert_eq!(titles(&desk), "Лист1 Бар Лист2 Копия");
}

#[tokio::test]
async fn the_spreadsheet_comes_back_with_the_answer() {
    let desk = Desk::new().await;
    let body = json!({
        "requests": [{"updateSheetProperties": {"properties": {"title": "Новый"}, "fields": "title"}}],
        "includeSpreadsheetInResponse": true,
        "responseRanges": ["Новый!A1:B1"],
        "responseIncludeGridData": true,
    });
    let answer = desk.good(
        "POST",
        ":batchUpdate?fields=updatedSpreadsheet.sheets(properties.title,data.columnMetadata)",
        body,
    );
    let expected = json!([{"properties": {"title": "Новый"}, "data": [{"columnMetadata": [{"pixelSize": 100}, {"pixelSize": 100}]}]}]);
    assert_eq!(answer.await, json!({"updatedSpreadsheet": {"sheets": expected}}));
}

#[tokio::test]
async fn the_answer_is_the_grid_of_right_after_the_request() {
    let desk = Desk::new().await;
    desk.look(|tab| {
        tab.put_text("A1", "а")
            .type_in("B1", "1.5")
            .put_text("A2", "б")
            .type_in("B2", "2,5")
            .type_in("C2", "10%");
    });
    let ask = |fields: &str, grid: bool, ranges: Value| {
        let body = json!({
            "requests": [shuffle("ROWS", 1, 2, 0)],
            "includeSpreadsheetInResponse": true,
            "responseRanges": ranges,
            "responseIncludeGridData": grid,
        });
        (
            if fields.is_empty() {
                ":batchUpdate".to_owned()
            } else {
                format!(":batchUpdate?fields={fields}")
            },
            body,
        )
    };
    // With a mask, what the mask names is what comes, whatever the flag says; every call swaps the two rows once more.
    let mask = "updatedSpreadsheet(sheets(properties(sheetId),data(startRow,startColumn,rowData(values(effectiveValue,\
                effectiveFormat(numberFormat(type)))))))";
    let (target, body) = ask(mask, false, json!(["A1:B2"]));
    let answer = desk.good("POST", &target, body).await;
    let day = desk.look(|tab| tab.value("B2"));
    let text = |text: &str| json!({"effectiveValue": {"stringValue": text}});
    let dated = json!({"numberFormat": {"type": "DATE"}});
    let rows = json!([
        {"values": [text("б"), {"effectiveValue": {"numberValue": 2.5}}]},
        {"values": [text("а"), {"effectiveValue": {"numberValue": day}, "effectiveFormat": dated}]},
    ]);
    let sheet = json!({"properties": {"sheetId": 0}, "data": [{"rowData": rows}]});
    assert_eq!(answer, json!({"updatedSpreadsheet": {"sheets": [sheet]}}));
    // Several ranges come in their order, each with where it begins; replies only where the mask names them.
    let (target, body) = ask(
        "replies,updatedSpreadsheet.sheets.data(startRow,startColumn,rowData/values/formattedValue)",
        false,
        json!(["B2:C2", "лист1!A1:A2"]),
    );
    let data = json!([
        {"startRow": 1, "startColumn": 1, "rowData": [{"values": [{"formattedValue": "2,5"}, {"formattedValue": "10%"}]}]},
        {"rowData": [{"values": [{"formattedValue": "а"}]}, {"values": [{"formattedValue": "б"}]}]},
    ]);
    assert_eq!(
        desk.good("POST", &target, body).await,
        json!({"replies": [{}], "updatedSpreadsheet": {"sheets": [{"data": data}]}})
    );
    let (target, body) = ask("replies", true, json!([]));
    assert_eq!(desk.good("POST", &target, body).await, json!({"replies": [{}]}));
    // Without a mask the flag decides.
    for (grid, fields, cells) in
        [(false, "", false), (true, "", true), (false, "*", true), (true, "updatedSpreadsheet", true)]
    {
        let (target, body) = ask(fields, grid, json!(["A1:C2"]));
        let answer = desk.good("POST", &target, body).await;
        assert_eq!(answer["updatedSpreadsheet"]["sheets"][0].get("data").is_some(), cells, "{grid} {fields}");
        assert_eq!(answer.get("spreadsheetId").is_some(), fields != "updatedSpreadsheet");
    }
    let (target, body) = ask("updatedSpreadsheet.sheets.title", false, json!([]));
    assert!(desk.bad("POST", &target, body).await.contains("Invalid field selection title"));
}

#[tokio::test]
async fn ranges_of_the_answer_are_those_of_after_the_request() {
    for late in [false, true] {
        let desk = Desk::new().await;
        desk.sandbox.edit(|world| world.google.late_refusals = late);
        let rename = |title: &str, range: &str| {
            json!({
                "requests": [{"updateSheetProperties": {"properties": {"title": title}, "fields": "title"}}],
                "includeSpreadsheetInResponse": true,
                "responseRanges": [range],
            })
        };
        desk.good("POST", ":batchUpdate", rename("Б", "Б!A1")).await;
        // It is not certain whether Google has then renamed the tab: it is played either way.
        let error = desk.bad("POST", ":batchUpdate?fields=replies", rename("В", "Б!A1")).await;
        assert_eq!(error, "Unable to parse range: Б!A1");
        let titles = desk.sandbox.edit(|world| world.google.sheet("sandbox-sheet").titles().join(" "));
        assert_eq!(titles, if late { "В" } else { "Б" });
        let range = format!("{titles}!A1001");
        let error = desk.bad("POST", ":batchUpdate", rename(&titles, &range)).await;
        assert!(error.ends_with("exceeds grid limits. Max rows: 1000, max columns: 26"), "{error}");
    }
}

#[tokio::test]
async fn a_column_is_as_wide_as_its_text() {
    let desk = Desk::new().await;
    desk.fill(json!([["Соль морская, крупная", ""]])).await;
    desk.batch(json!([{"autoResizeDimensions": {"dimensions": lines("COLUMNS", 0, 2)}}])).await;
    assert_eq!(desk.look(|tab| (tab.column("A").0, tab.column("B").0)), (157, 100));
}
