//! The client: google-sheets4, and around it what it lacks: time limits, retries, scopes, one sentence for each error.

use super::{Cell, Change, Grid, Look, Rectangle, Sheets, Tab, Written, account};
use crate::{
    config::Config,
    error::{Failure, Kind, Result, quote},
    http::{Budget, Patience, Retry, Trouble, client::without_roots, tls_refused},
};
use async_trait::async_trait;
use google_sheets4::{
    Delegate, Error,
    api::{BatchUpdateSpreadsheetRequest, CellData, GridRange, Request, Scope, Sheet, UnmergeCellsRequest},
    common::{self, Retry as WireRetry},
    hyper_rustls::{HttpsConnector, HttpsConnectorBuilder},
    hyper_util::{
        client::legacy::{self, connect::HttpConnector},
        rt::TokioExecutor,
    },
    yup_oauth2::{
        ServiceAccountAuthenticator, authenticator::Authenticator, client::CustomHyperClientBuilder,
    },
};
use serde_json::Value;
use std::{cell::OnceCell, time::Duration};

type Connector = HttpsConnector<HttpConnector>;

/// The one scope: reading and writing spreadsheets, no other file. Each further scope would be a further token.
const SCOPE: Scope = Scope::Spreadsheet;

/// What is asked of all tabs. No word of cells: a mask that names them gets them, whatever else the request says.
const TAB_FIELDS: &str =
    "sheets(properties(sheetId,title,hidden,gridProperties(rowCount,columnCount,frozenRowCount)))";

/// What is asked of the tabs whose ranges are named: of cells only how they look.
const LOOK_FIELDS: &str = "sheets(properties(sheetId,title,hidden,gridProperties(rowCount,columnCount,frozenRowCount)),\
merges,data(startRow,startColumn,rowMetadata(hiddenByUser),columnMetadata(pixelSize,hiddenByUser),\
rowData(values(userEnteredFormat(textFormat(bold),horizontalAlignment,borders(left(style),right(style))),\
dataValidation(condition(type,values(userEnteredValue)))))))";

/// A client of one spreadsheet.
pub struct Client {
    hub: OnceCell<(google_sheets4::Sheets<Connector>, Authenticator<Connector>)>,
    config: Config,
    id: String,
    account: String,
    patience: Patience,
}

impl Client {
    /// A client of the configured spreadsheet. Fails when a setting is missing or is no service account's key.
    pub fn new(config: &Config, budget: Budget) -> Result<Self> {
        let id = config.min_stock.sheet_id.clone().ok_or_else(|| {
            Failure::new(Kind::Usage, "MIN_STOCK_SHEET_ID is not set")
                .hint("set it to the part of the sheet's address between /d/ and /edit")
        })?;
        Ok(Self {
            hub: OnceCell::new(),
            account: account::key(config)?.client_email,
            id,
            patience: Patience::new(config.retries.clone(), budget),
            config: config.clone(),
        })
    }

    async fn hub(&self) -> Result<&(google_sheets4::Sheets<Connector>, Authenticator<Connector>)> {
        if let Some(hub) = self.hub.get() {
            return Ok(hub);
        }
        let key = account::key(&self.config)?;
        let connector = connector(&self.config.google.base_url, &self.config)?;
        let tokens = legacy::Client::builder(TokioExecutor::new()).build(connector.clone());
        let requests = legacy::Client::builder(TokioExecutor::new()).build(connector);
        let auth = ServiceAccountAuthenticator::with_client(key, CustomHyperClientBuilder::from(tokens))
            .build()
            .await;
        let auth = auth.map_err(|_| {
            Failure::new(Kind::Usage, "GOOGLE_SHEETS_CREDENTIALS: the private key cannot be used")
                .hint("make a new key for the service account in the Google Cloud console")
        })?;
        let mut hub = google_sheets4::Sheets::new(requests, auth.clone());
        let base = format!("{}/", self.config.google.base_url);
        hub.base_url(base.clone());
        hub.root_url(base);
        hub.user_agent(concat!("zerkalo/", env!("CARGO_PKG_VERSION")).to_owned());
        Ok(self.hub.get_or_init(|| (hub, auth)))
    }

    /// Whether the account may edit the spreadsheet, without editing it: an edit that cannot be done is asked for, of a tab
    /// that is not there. Who may edit is told so (400), and nothing is changed; who may not is refused (403).
    pub async fn try_edit(&self, tabs: &[Tab]) -> Result<()> {
        let (hub, _) = self.hub().await?;
        let absent = (2_000_000_000..i32::MAX).find(|id| tabs.iter().all(|tab| tab.id != *id));
        let refused = std::cell::Cell::new(0);
        let edit = async |witness: &mut Witness| {
            let range = GridRange {
                sheet_id: absent,
                start_row_index: Some(0),
                end_row_index: Some(1),
                start_column_index: Some(0),
                end_column_index: Some(1),
            };
            let unmerge = UnmergeCellsRequest { range: Some(range) };
            let request = BatchUpdateSpreadsheetRequest {
                requests: Some(vec![Request { unmerge_cells: Some(unmerge), ..Request::default() }]),
                ..BatchUpdateSpreadsheetRequest::default()
            };
            let call = hub.spreadsheets().batch_update(request, &self.id).add_scope(SCOPE).delegate(witness);
            let answer = call.doit().await.map(drop);
            refused.set(witness.status);
            answer
        };
        let attempt = async || match self.attempt(&edit).await {
            Err(_) if refused.get() == 400 => Ok(()),
            other => other,
        };
        self.patience.attempts(attempt, async || self.new_token().await).await
    }

    /// The e-mail address of the service account, which the spreadsheet is shared with.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Reads with retries.
    async fn read_retried<T>(&self, read: impl AsyncFn(&mut Witness) -> common::Result<T>) -> Result<T> {
        let attempt = async || self.attempt(&read).await;
        self.patience.attempts(attempt, async || self.new_token().await).await
    }

    async fn attempt<T>(&self, call: &impl AsyncFn(&mut Witness) -> common::Result<T>) -> Result<T, Trouble> {
        let mut witness = Witness::default();
        match tokio::time::timeout(self.config.limits.total, call(&mut witness)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.trouble(error, &witness)),
            Err(_) => Err(Trouble::transient(unreachable_failure("Google Sheets does not answer in time"))),
        }
    }

    async fn new_token(&self) -> Result<()> {
        let (_, auth) = self.hub().await?;
        tracing::info!("Google does not take the token any more; asking for another");
        let scopes = [SCOPE.as_ref()];
        let refreshed = auth.force_refreshed_token(&scopes);
        match tokio::time::timeout(self.config.limits.total, refreshed).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.token_trouble(&error).failure),
            Err(_) => Err(unreachable_failure("Google's token endpoint does not answer in time")),
        }
    }

    fn trouble(&self, error: Error, witness: &Witness) -> Trouble {
        match error {
            Error::HttpError(error) => {
                let reached = !error.is_connect();
                if tls_refused(&error) {
                    let text = "the certificate of the Google Sheets server is not trusted";
                    return Trouble::fatal(Failure::new(Kind::Refused, text).source(error));
                }
                let text = if reached {
                    "Google Sheets: the connection was closed without an answer"
                } else {
                    "Google Sheets: cannot connect"
                };
                Trouble { reached, ..Trouble::transient(unreachable_failure(text).source(error)) }
            }
            Error::MissingToken(error) => match error.downcast_ref::<google_sheets4::yup_oauth2::Error>() {
                Some(error) => self.token_trouble(error),
                None => Trouble::fatal(Failure::new(Kind::Refused, "Google gives no token")),
            },
            Error::BadRequest(body) => self.status_trouble(witness, &message_of(&body)),
            Error::Failure(_) => self.status_trouble(witness, "no reason given"),
            // The text is the answer's: it is not repeated, and an empty one is an answer that broke off.
            Error::JsonDecodeError(text, error) => {
                let what =
                    if text.is_empty() { "the answer breaks off" } else { "the answer is not Google's" };
                Trouble::transient(
                    Failure::new(Kind::InvalidAnswer, format!("Google Sheets: {what}"))
                        .hint("nothing was read; check GOOGLE_SHEETS_BASE_URL, then start this again")
                        .source(error),
                )
            }
            Error::Io(error) => {
                Trouble::transient(unreachable_failure("Google Sheets: the answer breaks off").source(error))
            }
            other => Trouble::fatal(
                Failure::new(Kind::Internal, "google-sheets4 refuses a request of this program")
                    .source(other),
            ),
        }
    }

    /// What a token's refusal means. The error's own text may hold the endpoint's answer, but never a key or a token.
    fn token_trouble(&self, error: &google_sheets4::yup_oauth2::Error) -> Trouble {
        use google_sheets4::yup_oauth2::Error as Auth;
        match error {
            Auth::AuthError(refused) => Trouble::fatal(
                Failure::new(
                    Kind::Refused,
                    format!(
                        "Google refuses the service account {}: {}",
                        self.account,
                        quote(&refused.to_string(), 200)
                    ),
                )
                .hint(
                    "the key may be revoked or this machine's clock wrong; make a new key, or set the clock",
                ),
            ),
            Auth::JSONError(_) => Trouble::transient(
                Failure::new(
                    Kind::InvalidAnswer,
                    "Google's token endpoint: the answer is cut or not Google's",
                )
                .hint("check the network, then start this again"),
            ),
            _ => Trouble {
                reached: false,
                ..Trouble::transient(unreachable_failure("cannot get a token from Google"))
            },
        }
    }

    fn status_trouble(&self, witness: &Witness, message: &str) -> Trouble {
        let (status, account) = (witness.status, &self.account);
        let text = format!("Google Sheets: status {status}: {message}");
        match status {
            401 => Trouble {
                failure: Failure::new(
                    Kind::Refused,
                    format!("Google Sheets refuses the token again (401): {message}"),
                )
                .hint("check the service account in the Google Cloud console"),
                retry: Retry::LogIn,
                reached: false,
            },
            403 => Trouble::fatal(
                Failure::new(
                    Kind::Refused,
                    format!("Google Sheets: {account} may not use the spreadsheet {}: {message}", self.id),
                )
                .hint(format!("share the sheet with {account} as an editor")),
            ),
            404 => Trouble::fatal(
                Failure::new(Kind::Usage, format!("Google Sheets: there is no spreadsheet {}", self.id))
                    .hint(format!(
                        "check MIN_STOCK_SHEET_ID, and share the sheet with {account} as an editor"
                    )),
            ),
            429 => Trouble {
                failure: Failure::new(
                    Kind::Unreachable,
                    format!("Google Sheets: the quota of this minute is used up: {message}"),
                )
                .hint("start this again in a minute; nothing was changed"),
                retry: Retry::After(witness.retry_after.unwrap_or(self.config.google.quota_wait)),
                reached: false,
            },
            500..=599 => Trouble {
                retry: witness.retry_after.map_or(Retry::Yes, Retry::After),
                ..Trouble::transient(
                    Failure::new(Kind::Unreachable, text)
                        .hint("Google has a problem; start this again later"),
                )
            },
            _ => Trouble::fatal(Failure::new(Kind::Refused, text).hint("check the spreadsheet and its tabs")),
        }
    }
}

#[async_trait(?Send)]
impl Sheets for Client {
    async fn tabs(&self, ranges: &[String]) -> Result<Vec<Tab>> {
        let (hub, _) = self.hub().await?;
        let spreadsheet = self.read_retried(async |witness| {
            let mut call = hub
                .spreadsheets()
                .get(&self.id)
                .include_grid_data(!ranges.is_empty())
                .param("fields", if ranges.is_empty() { TAB_FIELDS } else { LOOK_FIELDS })
                .add_scope(SCOPE)
                .delegate(witness);
            for range in ranges {
                call = call.add_ranges(range);
            }
            call.doit().await.map(|(_, spreadsheet)| spreadsheet)
        });
        let sheets = spreadsheet.await?.sheets.unwrap_or_default();
        let tabs: Vec<Tab> = sheets.into_iter().filter_map(tab).collect();
        if tabs.is_empty() {
            return Err(Failure::new(Kind::InvalidAnswer, "Google Sheets: the answer names no tab")
                .hint("nothing was changed; check GOOGLE_SHEETS_BASE_URL"));
        }
        Ok(tabs)
    }

    async fn read(&self, ranges: &[String]) -> Result<Vec<Grid>> {
        let (hub, _) = self.hub().await?;
        let answer = self.read_retried(async |witness| {
            let mut call = hub
                .spreadsheets()
                .values_batch_get(&self.id)
                .value_render_option("UNFORMATTED_VALUE")
                .date_time_render_option("FORMATTED_STRING")
                .major_dimension("ROWS")
                .add_scope(SCOPE)
                .delegate(witness);
            for range in ranges {
                call = call.add_ranges(range);
            }
            call.doit().await.map(|(_, answer)| answer)
        });
        let answers = answer.await?.value_ranges.unwrap_or_default();
        if answers.len() != ranges.len() {
            let text =
                format!("Google Sheets: {} ranges were asked for and {} came", ranges.len(), answers.len());
            return Err(Failure::new(Kind::InvalidAnswer, text).hint("nothing was changed; start this again"));
        }
        let grid = |rows: Vec<Vec<Value>>| Grid {
            rows: rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect(),
        };
        Ok(answers.into_iter().map(|range| grid(range.values.unwrap_or_default())).collect())
    }

    async fn change(&self, changes: &[Change]) -> Result<Written> {
        let (hub, _) = self.hub().await?;
        let write = async |witness: &mut Witness| {
            let request = BatchUpdateSpreadsheetRequest {
                requests: Some(changes.iter().map(Change::request).collect()),
                ..BatchUpdateSpreadsheetRequest::default()
            };
            let call = hub.spreadsheets().batch_update(request, &self.id).add_scope(SCOPE).delegate(witness);
            call.doit().await.map(drop)
        };
        let attempt = async || match self.attempt(&write).await {
            Ok(()) => Ok(Written::Done),
            // Whether it was done is not known, and only a look at the sheet can tell.
            Err(Trouble { failure, retry: Retry::Yes | Retry::After(_), reached: true }) => {
                Ok(Written::Unknown(failure))
            }
            Err(trouble) => Err(trouble),
        };
        self.patience.attempts(attempt, async || self.new_token().await).await
    }
}

/// Sees the status and the Retry-After of a failed request, which the library's errors do not tell.
#[derive(Debug, Default)]
struct Witness {
    status: u16,
    retry_after: Option<Duration>,
}

impl Delegate for Witness {
    fn http_failure(&mut self, response: &common::Response, _: Option<&Value>) -> WireRetry {
        self.status = response.status().as_u16();
        let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        self.retry_after = header.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        WireRetry::Abort
    }
}

fn connector(base: &str, config: &Config) -> Result<Connector> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(config.limits.connect));
    http.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new();
    let builder = if base.starts_with("http://") {
        builder.with_tls_config(without_roots())
    } else {
        builder.with_native_roots().map_err(|error| {
            Failure::new(Kind::Refused, "cannot prepare TLS on this machine")
                .hint("install the CA certificates (Debian: apt-get install ca-certificates)")
                .source(error)
        })?
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

fn unreachable_failure(text: &str) -> Failure {
    Failure::new(Kind::Unreachable, text).hint("check the network, then start this again")
}

/// Google's own sentence in an error body.
fn message_of(body: &Value) -> String {
    let message = body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
    quote(message, 200)
}

fn count(value: Option<i32>) -> usize {
    value.and_then(|value| usize::try_from(value).ok()).unwrap_or(0)
}

fn cell(value: Value) -> Cell {
    match value {
        Value::String(text) if text.is_empty() => Cell::Empty,
        Value::String(text) => Cell::Text(text),
        Value::Number(number) => Cell::Number(decimal(&number)),
        Value::Bool(value) => Cell::Bool(value),
        // Google sends none of these.
        Value::Null | Value::Array(_) | Value::Object(_) => Cell::Empty,
    }
}

/// A number of a cell, of which 15 digits mean something: `0.1 + 0.2` is 0.3 to whoever looks at the sheet.
fn decimal(number: &serde_json::Number) -> String {
    let short = number.as_f64().map(|value| format!("{value:.14e}"));
    short.and_then(|text| crate::engine::number::normalise(&text)).unwrap_or_else(|| number.to_string())
}

fn tab(sheet: Sheet) -> Option<Tab> {
    let properties = sheet.properties?;
    let grid = properties.grid_properties.unwrap_or_default();
    let mut tab = Tab {
        id: properties.sheet_id.unwrap_or(0),
        title: properties.title.unwrap_or_default(),
        hidden: properties.hidden.unwrap_or(false),
        rows: count(grid.row_count),
        columns: count(grid.column_count),
        frozen_rows: count(grid.frozen_row_count),
        ..Tab::default()
    };
    tab.merges = sheet
        .merges
        .unwrap_or_default()
        .into_iter()
        .map(|range| Rectangle {
            top: count(range.start_row_index),
            left: count(range.start_column_index),
            bottom: count(range.end_row_index),
            right: count(range.end_column_index),
        })
        .collect();
    for data in sheet.data.unwrap_or_default() {
        let (top, left) = (count(data.start_row), count(data.start_column));
        for (row, metadata) in data.row_metadata.unwrap_or_default().into_iter().enumerate() {
            if metadata.hidden_by_user == Some(true) {
                tab.hidden_rows.push(top + row);
            }
        }
        let columns = data.column_metadata.unwrap_or_default();
        if left == 0 && columns.len() > tab.column_looks.len() {
            let look = |column: &google_sheets4::api::DimensionProperties| {
                (count(column.pixel_size), column.hidden_by_user.unwrap_or(false))
            };
            tab.column_looks = columns.iter().map(look).collect();
        }
        for (row, cells) in data.row_data.unwrap_or_default().into_iter().enumerate() {
            for (column, cell) in cells.values.unwrap_or_default().into_iter().enumerate() {
                see_cell(&mut tab, top + row, left + column, cell);
            }
        }
    }
    Some(tab)
}

fn see_cell(tab: &mut Tab, row: usize, column: usize, cell: CellData) {
    let format = cell.user_entered_format.unwrap_or_default();
    let borders = format.borders.unwrap_or_default();
    let is_medium = |border: Option<google_sheets4::api::Border>| {
        border.and_then(|border| border.style).as_deref() == Some("SOLID_MEDIUM")
    };
    let look = Look {
        bold: format.text_format.and_then(|text| text.bold).unwrap_or(false),
        centred: format.horizontal_alignment.as_deref() == Some("CENTER"),
        line_left: is_medium(borders.left),
        line_right: is_medium(borders.right),
    };
    if look != Look::default() {
        tab.looks.push((row, column, look));
    }
    let condition = cell.data_validation.and_then(|rule| rule.condition);
    if let Some(condition) = condition.filter(|condition| condition.type_.as_deref() == Some("ONE_OF_RANGE"))
    {
        let range = condition.values.and_then(|values| values.into_iter().next()?.user_entered_value);
        tab.drop_downs.push((row, column, range.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_see_them() {
        for (json, text) in [
            ("5", "5"),
            ("1.5", "1.5"),
            ("0.30000000000000004", "0.3"),
            ("-0.5", "-0.5"),
            ("1000000", "1000000"),
            ("123456789012345", "123456789012345"),
            ("0.000000123", "0.000000123"),
            ("1e3", "1000"),
        ] {
            let number: serde_json::Number = serde_json::from_str(json).unwrap();
            assert_eq!(decimal(&number), text, "{json}");
        }
    }

    #[test]
    fn an_empty_text_is_an_empty_cell() {
        assert_eq!(cell(Value::String(String::new())), Cell::Empty);
        assert_eq!(cell(Value::from("5")), Cell::Text("5".to_owned()));
        assert_eq!(cell(Value::from(5)), Cell::Number("5".to_owned()));
    }
}
