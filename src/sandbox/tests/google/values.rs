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
}
