//! `spreadsheets.batchUpdate`: what cells hold and look like.

use super::*;

/// Cells of the default tab, ends excluded.
fn area(top: usize, bottom: usize, left: usize, right: usize) -> Value {
    json!({"startRowIndex": top, "endRowIndex": bottom, "startColumnIndex": left, "endColumnIndex": right})
}

fn text(text: &str) -> Value {
    json!({"userEnteredValue": {"stringValue": text}})
}

#[tokio::test]
async fn cells_are_updated_as_far_as_the_mask_goes() {
    let desk = Desk::new().await;
    desk.fill(json!([["a", "b", "c"], ["d", "e", "f"]])).await;
    let bold = json!({"userEnteredFormat": {"textFormat": {"bold": true, "italic": true}}});
    desk.batch(json!([
        {"repeatCell": {"range": area(0, 2, 0, 3), "cell": bold, "fields": "userEnteredFormat.textFormat"}},
        // From a cell on: only what is sent; a cell without a value is cleared.
        {"updateCells": {
            "start": {"rowIndex": 0, "columnIndex": 1},
            "rows": [{"values": [text("=B"), {}]}, {"values": [{"userEnteredValue": {"numberValue": 2}}]}],
            "fields": "userEnteredValue",
        }},
        // Into a range: what is not sent is cleared.
        {"updateCells": {
            "range": area(1, 2, 0, 3),
            "rows": [{"values": [{"userEnteredFormat": {"textFormat": {"bold": true}}}]}],
            "fields": "userEnteredFormat.textFormat.italic",
        }},
    ]))
    .await;
    assert_eq!(desk.rows(), json!([["a", "=B"], ["d", 2, "f"]]));
    let format = |cell: &str| desk.look(|tab| tab.cell(cell).format.clone().map(|format| json!(*format)));
    assert_eq!(format("B1"), Some(json!({"textFormat": {"bold": true, "italic": true}})));
    assert_eq!(
        (format("A2"), format("C2")),
        (Some(json!({"textFormat": {"bold": true}})), Some(json!({"textFormat": {"bold": true}})))
    );

    let wide = json!({"start": {"columnIndex": 25}, "rows": [{"values": [{}, {}]}], "fields": "*"});
    let high = json!({"range": area(0, 1, 0, 1), "rows": [{}, {}], "fields": "note"});
    let both = json!({"start": {"rowIndex": 1000}, "rows": [{"values": [{}]}], "fields": "*"});
    let formula = json!({"start": {}, "rows": [{"values": [{"userEnteredValue": {"formulaValue": "1"}}]}], "fields": "*"});
    let shown = json!({"start": {}, "rows": [{"values": [{}]}], "fields": "formattedValue"});
    for (update, sentence) in [
        (wide, "Attempting to write column: 26, beyond the last requested column of: 25"),
        (high, "Attempting to write row: 1, beyond the last requested row of: 0"),
        (both, "Attempting to write row: 1000, beyond the last requested row of: 999"),
        (formula, "A formula must begin with '='."),
        (shown, "Field formattedValue is read-only."),
    ] {
        let error = desk.refused(json!([{"updateCells": update}])).await;
        assert_eq!(error, format!("Invalid requests[0].updateCells: {sentence}"));
    }
    let beyond = json!([{"repeatCell": {"range": area(0, 1001, 0, 1), "cell": {}, "fields": "*"}}]);
    assert!(desk.refused(beyond).await.ends_with("range.endRowIndex[1001] is after last row in grid[1000]"));
}

#[tokio::test]
async fn borders_are_drawn_round_and_between() {
    let desk = Desk::new().await;
    let line = |style: &str| json!({"style": style});
    desk.batch(json!([{"updateBorders": {
        "range": area(0, 2, 0, 2), "left": line("SOLID_MEDIUM"), "bottom": line("DOTTED"), "innerVertical": line("SOLID"),
    }}]))
    .await;
    let borders =
        |cell: &str| desk.look(|tab| tab.cell(cell).format.as_ref().map(|format| format["borders"].clone()));
    assert_eq!(borders("A1"), Some(json!({"left": line("SOLID_MEDIUM"), "right": line("SOLID")})));
    assert_eq!(borders("B2"), Some(json!({"left": line("SOLID"), "bottom": line("DOTTED")})));
    desk.batch(json!([{"updateBorders": {"range": area(0, 2, 1, 2), "left": line("NONE")}}])).await;
    assert_eq!(borders("B1"), None);
    let style =
        desk.refused(json!([{"updateBorders": {"range": area(0, 1, 0, 1), "left": line("THICK")}}])).await;
    assert!(style.contains("'requests[0].update_borders.left.style' (TYPE_ENUM)"), "{style}");
}

#[tokio::test]
async fn merges_are_whole_or_refused() {
    let desk = Desk::new().await;
    desk.fill(json!([["a", "b", "c", "d"], ["e", "f", "g", "h"]])).await;
    let merge = |range: Value, kind: &str| json!({"mergeCells": {"range": range, "mergeType": kind}});
    desk.batch(json!([merge(area(0, 2, 0, 2), "MERGE_ROWS"), merge(area(0, 2, 2, 4), "MERGE_COLUMNS")]))
        .await;
    assert_eq!(desk.look(|tab| tab.merges()), ["A1:B1", "C1:C2", "D1:D2", "A2:B2"]);
    assert_eq!(desk.rows(), json!([["a", "", "c", "d"], ["e"]]));
    let partly = "You must select all cells in a merged range to merge or unmerge them.";
    assert!(desk.refused(json!([merge(area(0, 2, 1, 3), "MERGE_ALL")])).await.ends_with(partly));
    assert!(desk.refused(json!([{"unmergeCells": {"range": area(0, 1, 0, 3)}}])).await.ends_with(partly));
    let sort = json!([{"sortRange": {"range": area(0, 2, 0, 4), "sortSpecs": [{"dimensionIndex": 0}]}}]);
    assert!(desk.refused(sort).await.contains("merged cells"));
    desk.batch(json!([{"unmergeCells": {"range": area(0, 2, 0, 3)}}, merge(area(0, 2, 0, 4), "MERGE_ALL")]))
        .await;
    let merges = desk.good("GET", "?fields=sheets.merges", Value::Null).await;
    assert_eq!(merges, json!({"sheets": [{"merges": [area(0, 2, 0, 4)]}]}));
}

#[tokio::test]
async fn rules_are_set_and_taken_away() {
    let desk = Desk::new().await;
    let rule = |range: &str| {
        json!({
            "condition": {"type": "ONE_OF_RANGE", "values": [{"userEnteredValue": range}]},
            "strict": false,
            "showCustomUi": true,
        })
    };
    let set = |rule: Value| json!([{"setDataValidation": {"range": area(1, 1000, 2, 3), "rule": rule}}]);
    desk.batch(set(rule("='Маппинг Справочник'!$A$1:$A$9"))).await;
    let target = "?ranges=C999:C1000&fields=sheets.data.rowData.values.dataValidation.condition.values";
    let shown = desk.good("GET", target, Value::Null).await;
    let values = json!({"dataValidation": {"condition": {"values": [{"userEnteredValue": "='Маппинг Справочник'!$A$1:$A$9"}]}}});
    assert_eq!(shown["sheets"][0]["data"][0]["rowData"], json!([{"values": [values]}, {"values": [values]}]));
    assert!(desk.refused(set(rule("Лист1!A1"))).await.contains("not a valid range"));
    assert!(desk.refused(set(json!({"condition": {"type": "ONE_OF"}}))).await.contains("TYPE_ENUM"));
    desk.batch(json!([{"setDataValidation": {"range": area(0, 1000, 0, 26)}}])).await;
    assert_eq!(desk.look(|tab| tab.cell("C5").validation.clone()), None);
}

#[tokio::test]
async fn cells_are_copied_cut_sorted_and_replaced() {
    let desk = Desk::new().await;
    desk.look(|tab| {
        tab.type_in("A1", "3").type_in("A2", "соль").type_in("A3", "=1+1").type_in("A5", "1");
        tab.type_in("B1", "c")
            .type_in("B2", "s")
            .type_in("B3", "f")
            .type_in("B4", "blank")
            .type_in("B5", "a");
    });
    desk.batch(json!([{"sortRange": {"range": area(0, 5, 0, 2), "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "ASCENDING"}]}}])).await;
    assert_eq!(desk.rows(), json!([[1, "a"], [2, "f"], [3, "c"], ["соль", "s"], ["", "blank"]]));
    desk.batch(json!([
        {"copyPaste": {"source": area(1, 3, 0, 1), "destination": area(0, 1, 3, 5), "pasteType": "PASTE_VALUES", "pasteOrientation": "TRANSPOSE"}},
        {"copyPaste": {"source": area(1, 2, 0, 1), "destination": area(2, 4, 3, 4)}},
        {"cutPaste": {"source": area(3, 5, 0, 2), "destination": {"rowIndex": 0, "columnIndex": 6}}},
    ]))
    .await;
    assert_eq!(
        desk.rows(),
        json!([
            [1, "a", "", 2, 3, "", "соль", "s"],
            [2, "f", "", "", "", "", "", "blank"],
            [3, "c", "", 2],
            ["", "", "", 2]
        ])
    );
    let formula = |cell: &str| desk.look(|tab| matches!(tab.cell(cell).entered, Some(Entered::Formula(_))));
    assert_eq!(["D1", "D3", "D4"].map(formula), [false, true, true]);
    let replies =
        desk.batch(json!([{"findReplace": {"find": "СОЛЬ", "replacement": "7,5", "allSheets": true}}])).await;
    assert_eq!(replies[0]["findReplace"]["occurrencesChanged"], 1);
    assert_eq!(desk.look(|tab| tab.value("G1")), json!(7.5));
}

#[tokio::test]
async fn a_person_sorts_moves_and_deletes() {
    let desk = Desk::new().await;
    desk.look(|tab| {
        tab.put_text("A1", "Товар")
            .put_number("B2", 2.0)
            .put_text("A2", "б")
            .put_number("B3", 1.0)
            .put_text("A3", "а");
        tab.sort_rows("A2:B3", "B");
        assert_eq!(json!(tab.rows()), json!([["Товар"], ["а", 1], ["б", 2]]));
        tab.move_row(3, 2).insert_row(2).move_column("B", "A").type_in("C4", "1.5");
        assert_eq!(json!(tab.rows())[2], json!([2, "б"]));
        assert!(tab.shown("C4") == "01.05", "{}", tab.shown("C4"));
        tab.delete_row(2).delete_column("C").insert_column("A");
        assert_eq!(json!(tab.rows()), json!([["", "", "Товар"], ["", 2, "б"], ["", 1, "а"]]));
        tab.clear();
        assert_eq!(json!(tab.rows()), json!([]));
    });
    desk.fill(json!([["Товар", "", ""], ["а", 1, 2], ["б", 3, 4], ["в"]])).await;
    desk.look(|tab| {
        tab.state_mut().frozen_rows = 1;
        tab.sort_sheet("A", true).unwrap();
        tab.sort("A3:C4", "B", true).unwrap();
        assert_eq!(json!(tab.rows()), json!([["Товар"], ["в"], ["б", 3, 4], ["а", 1, 2]]));
        tab.move_columns("B", 2, "F").unwrap();
        tab.insert_columns("D", 2).unwrap();
        tab.delete_columns("B", 1).unwrap();
        tab.move_rows(3, 2, 2).unwrap();
        assert_eq!(json!(tab.rows())[1], json!(["б", "", "", "", 3, 4]));
        tab.merge("E2:E3").unwrap();
        assert_eq!(json!(tab.rows())[2], json!(["а", "", "", "", "", 2]));
        assert!(tab.merge("A1:A2").unwrap_err().contains("frozen"));
        assert!(tab.move_rows(2, 1, 5).unwrap_err().contains("crosses a merged cell"));
        assert!(tab.sort_sheet("A", false).is_err());
        assert!(tab.delete_rows(2, 999).unwrap_err().contains("non-frozen"));
        tab.resize(2, 5).unwrap();
        assert_eq!((tab.size(), json!(tab.rows())), ((2, 5), json!([["Товар"], ["б", "", "", "", 3]])));
        tab.resize(9, 6).unwrap();
        assert_eq!((tab.size(), tab.merges()), ((9, 6), Vec::new()));
    });
    desk.sandbox.edit(|world| {
        let sheet = world.google.sheet("sandbox-sheet");
        assert!(sheet.tab_numbered(7).is_none() && sheet.tab_numbered(0).is_some());
        sheet.open("Второй").type_in("A1", "x");
        sheet.rename_tab("Второй", "Третий");
        sheet.delete_tab("Лист1");
        assert_eq!(sheet.titles(), ["Третий"]);
    });
}
