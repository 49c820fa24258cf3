//! Tokens, rights, quotas, faults, the journal.

use google_sheets4::{
    Sheets,
    api::{BatchUpdateValuesRequest, Scope, ValueRange},
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
    let journal = sandbox.journal();
    let kinds: Vec<_> = journal.iter().map(|entry| (entry.session, entry.write)).collect();
    assert_eq!(kinds, [(true, false), (false, true), (false, false), (false, false)]);
}
