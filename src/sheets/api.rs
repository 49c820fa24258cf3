//! The client: what every request to Google Sheets has in common, and what Google's refusals mean.

use super::{Change, Tab, Written, account, wire};
use crate::{
    config::Config,
    error::{Failure, Kind, Result, quote},
    http::{Accept, Answer, Budget, Request, Retry, Trouble, Upstream, client, client::without_roots},
};
use google_sheets4::{
    api::{BatchUpdateSpreadsheetRequest, GridRange, Request as Edit, Scope, UnmergeCellsRequest},
    common::remove_json_null_values,
    hyper_rustls::{HttpsConnector, HttpsConnectorBuilder},
    hyper_util::{
        client::legacy::{self, connect::HttpConnector},
        rt::TokioExecutor,
    },
    yup_oauth2::{
        self, ServiceAccountAuthenticator, authenticator::Authenticator, client::CustomHyperClientBuilder,
    },
};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::OnceCell;

type Connector = HttpsConnector<HttpConnector>;

/// The one scope: reading and writing spreadsheets, no other file. Each further scope would be a further token.
const SCOPE: Scope = Scope::Spreadsheet;

/// What is asked of all tabs. No word of cells: a mask that names them gets them, whatever else the request says.
const TAB_FIELDS: &str =
    "sheets(properties(sheetId,title,hidden,gridProperties(rowCount,columnCount,frozenRowCount)))";

/// What is asked of the tabs whose ranges are named.
const CELL_FIELDS: &str = "sheets(properties(sheetId,title,hidden,gridProperties(rowCount,columnCount,frozenRowCount)),\
merges,data(startRow,startColumn,rowMetadata(hiddenByUser),columnMetadata(pixelSize,hiddenByUser),\
rowData(values(effectiveValue,effectiveFormat(numberFormat(type)),\
userEnteredFormat(textFormat(bold),horizontalAlignment,borders(left(style),right(style))),\
dataValidation(condition(type,values(userEnteredValue)))))))";

/// What Google finds possible, or why it cannot be (400), in Google's words.
pub type Possible<T> = Result<T, Failure>;

/// A client of one spreadsheet.
pub struct Client {
    upstream: Upstream,
    tokens: OnceCell<Authenticator<Connector>>,
    config: Config,
    id: String,
    account: String,
}

impl Client {
    /// A client of the configured spreadsheet. Fails when a setting is missing or is no service account's key.
    pub fn new(config: &Config, budget: Budget) -> Result<Self> {
        let id = config.min_stock.sheet_id.clone().ok_or_else(|| {
            Failure::new(Kind::Usage, "MIN_STOCK_SHEET_ID is not set")
                .hint("set it to the part of the sheet's address between /d/ and /edit")
        })?;
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !id.bytes().all(is_id) {
            return Err(Failure::new(Kind::Usage, "MIN_STOCK_SHEET_ID is no spreadsheet's id")
                .hint("set it to the part of the sheet's address between /d/ and /edit"));
        }
        let base = config.google.base_url.clone();
        let http = client::client(&base, &config.limits, client::Trust::default())?;
        let retries = config.retries.clone();
        Ok(Self {
            upstream: Upstream::new("Google Sheets", base, http, &config.limits, retries, budget),
            tokens: OnceCell::new(),
            account: account::key(config)?.client_email,
            id,
            config: config.clone(),
        })
    }

    /// The e-mail address of the service account, which the spreadsheet is shared with.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// All tabs, without their cells.
    pub async fn tabs(&self) -> Result<Vec<Tab>> {
        let tabs = self.get(TAB_FIELDS, &[]).await??;
        if tabs.is_empty() {
            return Err(Failure::new(Kind::InvalidAnswer, "Google Sheets: the answer names no tab")
                .hint("nothing was changed; check GOOGLE_SHEETS_BASE_URL"));
        }
        Ok(tabs)
    }

    /// The tabs of some ranges with what is in these, all as they are at one moment. Impossible where a range lies in no
    /// tab any more.
    pub async fn look(&self, ranges: &[String]) -> Result<Possible<Vec<Tab>>> {
        if ranges.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        self.get(CELL_FIELDS, ranges).await
    }

    async fn get(&self, fields: &str, ranges: &[String]) -> Result<Possible<Vec<Tab>>> {
        let with_cells = if ranges.is_empty() { "false" } else { "true" };
        let mut request = Request::get(format!("v4/spreadsheets/{}", self.id), Accept::Json)
            .query([("includeGridData", with_cells), ("fields", fields)]);
        request = request.query(ranges.iter().map(|range| ("ranges", range.as_str())));
        let answer: Possible<wire::Spreadsheet> = self.attempts(async || self.call(&request).await).await?;
        Ok(answer.map(|answer| answer.sheets.into_iter().map(Tab::from).collect()))
    }

    /// Does all changes or none, in one request that is sent again only when it was surely not executed. `tab` is what
    /// messages call the tab.
    pub async fn change(&self, tab: &str, changes: &[Change]) -> Result<Written> {
        let request = self.batch(changes.iter().map(Change::request).collect());
        self.attempts(async || match self.call::<Value>(&request).await {
            Ok(Ok(_)) => Ok(Written::Done),
            Ok(Err(refusal)) => Ok(Written::Refused(
                refusal.context(format!("the tab «{}» cannot be changed", quote(tab, 60))),
            )),
            // Whether it was done is not known, and only a look at the sheet can tell.
            Err(Trouble { failure, retry: Retry::Yes | Retry::After(_), reached: true }) => {
                Ok(Written::Unknown(failure))
            }
            Err(trouble) => Err(trouble),
        })
        .await
    }

    /// Whether the account may edit the spreadsheet, without editing it: an edit that cannot be done is asked for, of a tab
    /// that is not there. Who may edit is told so (400), and nothing is changed; who may not is refused (403).
    pub async fn try_edit(&self, tabs: &[Tab]) -> Result<()> {
        let absent = (2_000_000_000..i32::MAX).find(|id| tabs.iter().all(|tab| tab.id != *id));
        let range = GridRange {
            sheet_id: absent,
            start_row_index: Some(0),
            end_row_index: Some(1),
            start_column_index: Some(0),
            end_column_index: Some(1),
        };
        let unmerge = UnmergeCellsRequest { range: Some(range) };
        let request = self.batch(vec![Edit { unmerge_cells: Some(unmerge), ..Edit::default() }]);
        self.attempts(async || self.call::<Value>(&request).await.map(drop)).await
    }

    fn batch(&self, requests: Vec<Edit>) -> Request {
        let body = BatchUpdateSpreadsheetRequest {
            requests: Some(requests),
            ..BatchUpdateSpreadsheetRequest::default()
        };
        let mut body = serde_json::to_value(body).expect("requests are plain data");
        // What is not set, google-sheets4 writes as null. No list of ours holds a null, which would be taken out, too.
        remove_json_null_values(&mut body);
        let path = format!("v4/spreadsheets/{}:batchUpdate", self.id);
        Request::post_json(path, Accept::Json, body.to_string()).query([("fields", "spreadsheetId")])
    }

    async fn attempts<T>(&self, attempt: impl AsyncFnMut() -> Result<T, Trouble>) -> Result<T> {
        self.upstream.patience.attempts(attempt, async || self.new_token().await).await
    }

    /// Sends a request once and reads its answer to the end.
    async fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<Possible<T>, Trouble> {
        let bearer = self.bearer().await?;
        let answer = self.upstream.send(request, Some((AUTHORIZATION, bearer))).await.map_err(of_google)?;
        if !answer.status.is_success() {
            return self.refusal(answer).await.map(Err);
        }
        self.upstream.expect(&answer, request)?;
        let limit = usize::try_from(self.config.limits.max_answer).unwrap_or(usize::MAX);
        let body = answer.bytes(limit).await?;
        serde_json::from_slice(&body).map(Ok).map_err(|_| {
            Trouble::transient(
                Failure::new(Kind::InvalidAnswer, "Google Sheets: the answer is cut or not Google's")
                    .hint("nothing was read; check GOOGLE_SHEETS_BASE_URL, then start this again"),
            )
        })
    }

    async fn tokens(&self) -> Result<&Authenticator<Connector>> {
        if let Some(tokens) = self.tokens.get() {
            return Ok(tokens);
        }
        let key = account::key(&self.config)?;
        let connector = connector(&key.token_uri, &self.config)?;
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        let tokens = ServiceAccountAuthenticator::with_client(key, CustomHyperClientBuilder::from(http));
        let tokens = tokens.build().await.map_err(|_| {
            Failure::new(Kind::Usage, "GOOGLE_SHEETS_CREDENTIALS: the private key cannot be used")
                .hint("make a new key for the service account in the Google Cloud console")
        })?;
        Ok(self.tokens.get_or_init(|| tokens))
    }

    /// The header with the token, which is asked for where there is none yet.
    async fn bearer(&self) -> Result<HeaderValue, Trouble> {
        let scopes = [SCOPE.as_ref()];
        let token = self.tokens().await?.token(&scopes);
        let token = match tokio::time::timeout(self.config.limits.total, token).await {
            Ok(token) => token.map_err(|error| self.token_trouble(&error))?,
            Err(_) => return Err(silent_token()),
        };
        let header = token.token().and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        header.ok_or_else(|| Trouble::fatal(Failure::new(Kind::Refused, "Google gives no token")))
    }

    async fn new_token(&self) -> Result<()> {
        tracing::info!("Google does not take the token any more; asking for another");
        let scopes = [SCOPE.as_ref()];
        let refreshed = self.tokens().await?.force_refreshed_token(&scopes);
        match tokio::time::timeout(self.config.limits.total, refreshed).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.token_trouble(&error).failure),
            Err(_) => Err(silent_token().failure),
        }
    }

    /// What a token's refusal means. The error's own text may hold the endpoint's answer, but never a key or a token.
    fn token_trouble(&self, error: &yup_oauth2::Error) -> Trouble {
        use yup_oauth2::Error as Auth;
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
                ..Trouble::transient(unreachable("cannot get a token from Google"))
            },
        }
    }

    /// What an answer that is no success means.
    async fn refusal(&self, answer: Answer) -> Result<Failure, Trouble> {
        let (status, retry_after) = (answer.status.as_u16(), answer.retry_after());
        let body = answer.bytes(1 << 20).await.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let (message, account) = (message_of(&body.unwrap_or_default()), &self.account);
        if status == 400 {
            return Ok(Failure::new(Kind::Refused, format!("Google Sheets: {message}"))
                .hint("look at the tab, then start this again; nothing was changed"));
        }
        Err(match status {
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
                retry: Retry::After(retry_after.unwrap_or(self.config.google.quota_wait)),
                reached: false,
            },
            500..=599 => Trouble {
                retry: retry_after.map_or(Retry::Yes, Retry::After),
                ..Trouble::transient(
                    Failure::new(Kind::Unreachable, format!("Google Sheets: status {status}: {message}"))
                        .hint("Google has a problem; start this again later"),
                )
            },
            _ => Trouble::fatal(
                Failure::new(Kind::Refused, format!("Google Sheets: status {status}: {message}"))
                    .hint("check GOOGLE_SHEETS_BASE_URL"),
            ),
        })
    }
}

/// The settings of iiko's certificate, which the hint of every upstream names, are none of Google's.
fn of_google(mut trouble: Trouble) -> Trouble {
    if trouble.failure.kind == Kind::Refused {
        trouble.failure =
            trouble.failure.hint("a proxy may be answering in Google's place; check the network");
    }
    trouble
}

fn silent_token() -> Trouble {
    Trouble {
        reached: false,
        ..Trouble::transient(unreachable("Google's token endpoint does not answer in time"))
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

fn unreachable(text: &str) -> Failure {
    Failure::new(Kind::Unreachable, text).hint("check the network, then start this again")
}

/// Google's own sentence in an error body.
fn message_of(body: &Value) -> String {
    let message = body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
    quote(message, 200)
}
