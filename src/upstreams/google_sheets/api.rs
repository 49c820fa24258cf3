//! The client: what every request to Google Sheets has in common.

use super::{
    Change, Tab, Written, account,
    refusal::{Asker, Cause, Refusal},
    token::Tokens,
    wire,
};
use crate::{
    config::Config,
    engine::bounds,
    error::{Failure, Kind, Result, quote},
    http::{Accept, Answer, Budget, Request, Retry, Trouble, Upstream, client},
};
use google_sheets4::{
    api::{BatchUpdateSpreadsheetRequest, GridRange, Request as Edit, UnmergeCellsRequest},
    common::remove_json_null_values,
};
use reqwest::header::AUTHORIZATION;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{rc::Rc, time::Duration};

/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 << 20;
/// The most values in it: some 200,000 cells with all their looks.
const MAX_NODES: usize = 3_000_000;

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
    tokens: Tokens,
    quota_wait: Duration,
    id: String,
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
            tokens: Tokens::new(account::key(config)?, config, Rc::clone(&budget))?,
            upstream: Upstream::new("Google Sheets", base, http, &config.limits, retries, budget),
            quota_wait: config.google.quota_wait,
            id,
        })
    }

    /// The e-mail address of the service account, which the spreadsheet is shared with.
    pub fn account(&self) -> &str {
        self.tokens.account()
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
        let mut request = Request::get(format!("v4/spreadsheets/{}", self.id), Accept::Json).query([
            ("includeGridData", with_cells),
            ("fields", fields),
            ("prettyPrint", "false"),
        ]);
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
        let new_token = async || {
            tracing::info!("Google does not take the token any more; asking for another");
            self.tokens.forget();
            Ok(())
        };
        self.upstream.patience.attempts(attempt, new_token).await
    }

    /// Sends a request once and reads its answer to the end.
    async fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<Possible<T>, Trouble> {
        let bearer = self.tokens.bearer().await?;
        let answer = self.upstream.send(request, Some((AUTHORIZATION, bearer))).await.map_err(of_google)?;
        if !answer.status.is_success() {
            return self.refused(answer).await.map(Err);
        }
        self.upstream.expect(&answer, request)?;
        let body = answer.bytes(LONGEST).await?;
        if !bounds::has_at_most(MAX_NODES, &body) {
            let text = format!("Google Sheets: the answer holds more than {MAX_NODES} values");
            let failure = Failure::new(Kind::InvalidAnswer, text);
            return Err(Trouble::fatal(
                failure.hint("nothing was read; make the tab smaller, or look at its ranges"),
            ));
        }
        serde_json::from_slice(&body).map(Ok).map_err(|_| {
            Trouble::transient(
                Failure::new(Kind::InvalidAnswer, "Google Sheets: the answer is cut or not Google's")
                    .hint("nothing was read; check GOOGLE_SHEETS_BASE_URL, then start this again"),
            )
        })
    }

    /// What an answer that is no success means.
    async fn refused(&self, answer: Answer) -> Result<Failure, Trouble> {
        let refusal = Refusal::read(answer).await;
        if refusal.cause == Cause::Impossible {
            return Ok(refusal.impossible());
        }
        Err(refusal.trouble(&Asker {
            account: self.account(),
            spreadsheet: &self.id,
            quota_wait: self.quota_wait,
            clock_ahead: None,
        }))
    }
}

/// The settings of iiko's certificate, which the hint of every upstream names, are none of Google's.
pub(super) fn of_google(mut trouble: Trouble) -> Trouble {
    if trouble.failure.kind == Kind::Refused {
        trouble.failure =
            trouble.failure.hint("a proxy may be answering in Google's place; check the network");
    }
    trouble
}
