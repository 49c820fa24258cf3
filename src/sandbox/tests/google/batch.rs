//! `spreadsheets.batchUpdate`.

use super::*;

/// A range of rows or columns of the default tab.
fn lines(dimension: &str, start: usize, end: usize) -> Value {
    json!({"sheetId": 0, "dimension": dimension, "startIndex": start, "endIndex": end})
}

#[tokio::test]
async fn all_requests_or_none() {
    let desk = Desk::new().await;
    desk.fill(json!([["a"], ["b"], ["c"]])).await;
    let error = desk
        .refused(json!([
            {"deleteDimension": {"range": lines("ROWS", 0, 1)}},
            {"addSheet": {"properties": {"title": "лист1"}}},
        ]))
        .await;
    assert_eq!(
        error,
        "Invalid requests[1].addSheet: A sheet with the name \"лист1\" already exists. Please enter another name."
    );
    assert_eq!(desk.rows(), json!([["a"], ["b"], ["c"]]));
}

#[tokio::test]
async fn rows_move_in_coordinates_of_before() {
    let desk = Desk::new().await;
    desk.fill(json!([["a"], ["b"], ["c"], ["d"]])).await;
    let to =
        |index: usize| json!([{"moveDimension": {"source": lines("ROWS", 0, 2), "destinationIndex": index}}]);
    desk.batch(to(3)).await;
    assert_eq!(desk.rows(), json!([["c"], ["a"], ["b"], ["d"]]));
    for same in [0, 2] {
        desk.batch(to(same)).await;
        assert_eq!(desk.rows(), json!([["c"], ["a"], ["b"], ["d"]]));
    }
    assert!(desk.refused(to(1)).await.contains("into themselves"));
}
