//! Google Sheets under `/google`: the token endpoint and `v4/spreadsheets`, as the API's description has them.
//!
//! What a request names that the API does not know is refused with 400, and what this stand-in does not play with 501.
//!
//! ```text
//! mod.rs       the upstream: tokens, rights, quotas, which method a request is
//! error.rs     refusals in Google's form
//! token.rs     the token endpoint and the service account
//! quota.rs     requests a minute
//! schema.rs    the API's messages as data (schema.txt), requests checked against them
//! mask.rs      field masks
//! a1.rs        A1 notation
//! grid.rs      the state: spreadsheets, tabs, rows, cells
//! dims.rs      rows and columns that come, go and move
//! cells.rs     cells as the API writes them
//! typed.rs     what is made of what is typed, and how it is shown
//! formula.rs   what a formula comes to
//! values.rs    spreadsheets.values
//! resource.rs  spreadsheets.get
//! batch/       spreadsheets.batchUpdate
//! hands.rs     a person at the sheet, for tests
//! ```

mod a1;
mod batch;
mod cells;
mod dims;
mod error;
mod formula;
mod grid;
mod hands;
mod mask;
mod quota;
mod resource;
mod schema;
mod token;
mod typed;
mod values;

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};

use self::{
    error::{Outcome, Refusal},
    mask::Mask,
    quota::Quota,
    token::{Grant, Tokens},
};
use super::{
    Options, Shared, lock,
    server::{Access, Answer, Upstream},
    wire::{Reply, Request, decode_path},
};

#[cfg(feature = "fuzzing")]
pub(crate) use a1::fuzzed::found as range_found;

pub use self::{
    grid::{Cell, Entered, Google, Rights, Spreadsheet, Tab},
    hands::Hands,
};

/// Where everything of Google's begins.
const PREFIX: &str = "/google/";

/// Google Sheets.
pub(super) struct Sheets;

/// What Google's side keeps besides the spreadsheets.
#[derive(Debug, Default)]
pub(super) struct State {
    tokens: Tokens,
    reads: Quota,
    writes: Quota,
}

/// The base address for a client, with its last slash.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{address}{PREFIX}")
}

/// The service account's file.
pub(super) fn credentials(address: SocketAddr) -> String {
    token::credentials(&token_url(address))
}

fn token_url(address: SocketAddr) -> String {
    format!("{}token", url(address))
}

/// All tabs of all spreadsheets as rows of values, for people and scripts.
pub(super) fn dump(google: &Google) -> Value {
    let sheets = google.spreadsheets.values().map(|sheet| {
        let tabs = sheet.tabs.iter().enumerate();
        let tabs = tabs.map(|(index, tab)| (tab.title.clone(), json!(values::rows(sheet, index))));
        (sheet.id.clone(), Value::Object(tabs.collect()))
    });
    Value::Object(sheets.collect())
}

/// How much there is of every spreadsheet.
pub(super) fn counts(google: &Google) -> Value {
    let sheets = google.spreadsheets.values().map(|sheet| {
        let cells: usize = sheet.tabs.iter().map(Tab::filled).sum();
        (sheet.id.clone(), json!({"tabs": sheet.tabs.len(), "cells": cells}))
    });
    Value::Object(sheets.collect())
}

/// The methods of the API that are played.
#[derive(Debug, PartialEq, Eq)]
enum Method {
    Get,
    BatchUpdate,
    ValuesGet(String),
    ValuesUpdate(String),
    ValuesAppend(String),
    ValuesClear(String),
    ValuesBatchGet,
    ValuesBatchUpdate,
    ValuesBatchClear,
}

impl Method {
    /// The id of the spreadsheet and the method that a request calls.
    fn of(request: &Request) -> Option<(String, Self)> {
        let path = request.path.strip_prefix(PREFIX)?.strip_prefix("v4/spreadsheets/")?;
        let parts: Vec<String> = path.split('/').map(decode_path).collect();
        let (get, post) = (request.method == "GET", request.method == "POST");
        let (id, method) = match parts.as_slice() {
            [id] if post => (id.strip_suffix(":batchUpdate")?, Self::BatchUpdate),
            [id] if get && !id.contains(':') => (id.as_str(), Self::Get),
            [id, last] => {
                let method = match last.as_str() {
                    "values:batchGet" if get => Self::ValuesBatchGet,
                    "values:batchUpdate" if post => Self::ValuesBatchUpdate,
                    "values:batchClear" if post => Self::ValuesBatchClear,
                    _ => return None,
                };
                (id.as_str(), method)
            }
            [id, values, range @ ..] if values == "values" => {
                // A slash in a title is a slash in the path.
                let range = range.join("/");
                let method = match request.method.as_str() {
                    "GET" => Self::ValuesGet(range),
                    "PUT" => Self::ValuesUpdate(range),
                    "POST" => match (range.strip_suffix(":append"), range.strip_suffix(":clear")) {
                        (Some(range), _) => Self::ValuesAppend(range.to_owned()),
                        (_, Some(range)) => Self::ValuesClear(range.to_owned()),
                        _ => return None,
                    },
                    _ => return None,
                };
                (id.as_str(), method)
            }
            _ => return None,
        };
        Some((id.to_owned(), method))
    }

    /// Whether it changes anything.
    fn writes(&self) -> bool {
        !matches!(self, Self::Get | Self::ValuesGet(_) | Self::ValuesBatchGet)
    }

    /// Its parameters and the messages of its body and its answer; no body for a read.
    fn shape(&self) -> (&'static [&'static str], Option<&'static str>, &'static str) {
        const RENDER: [&str; 3] = ["valueRenderOption", "dateTimeRenderOption", "majorDimension"];
        const GET: &[&str] = &RENDER;
        const BATCH_GET: &[&str] = &[RENDER[0], RENDER[1], RENDER[2], "ranges"];
        const UPDATE: &[&str] = &[
            "valueInputOption",
            "includeValuesInResponse",
            "responseValueRenderOption",
            "responseDateTimeRenderOption",
            "insertDataOption",
        ];
        match self {
            Self::Get => (&["ranges", "includeGridData", "excludeTablesInBandedRanges"], None, "Spreadsheet"),
            Self::BatchUpdate => {
                (&[], Some("BatchUpdateSpreadsheetRequest"), "BatchUpdateSpreadsheetResponse")
            }
            Self::ValuesGet(_) => (GET, None, "ValueRange"),
            Self::ValuesBatchGet => (BATCH_GET, None, "BatchGetValuesResponse"),
            Self::ValuesUpdate(_) => (&UPDATE[..4], Some("ValueRange"), "UpdateValuesResponse"),
            Self::ValuesAppend(_) => (UPDATE, Some("ValueRange"), "AppendValuesResponse"),
            Self::ValuesClear(_) => (&[], Some("ClearValuesRequest"), "ClearValuesResponse"),
            Self::ValuesBatchUpdate => (&[], Some("BatchUpdateValuesRequest"), "BatchUpdateValuesResponse"),
            Self::ValuesBatchClear => (&[], Some("BatchClearValuesRequest"), "BatchClearValuesResponse"),
        }
    }
}

/// A request taken apart and checked.
struct Call<'a> {
    query: &'a [(String, String)],
    body: Value,
    mask: Option<Mask>,
}

impl<'a> Call<'a> {
    /// Refuses unknown parameters, bodies and masks.
    fn read(request: &'a Request, method: &Method) -> Outcome<Self> {
        // Parameters that every method of Google's takes.
        const COMMON: [&str; 5] = ["alt", "prettyPrint", "fields", "quotaUser", "$.xgafv"];
        const UNPLAYED: [&str; 6] =
            ["access_token", "callback", "key", "oauth_token", "uploadType", "upload_protocol"];
        let (parameters, input, output) = method.shape();
        let mut mask = None;
        for (name, value) in &request.query {
            if UNPLAYED.contains(&name.as_str()) {
                return Err(Refusal::unplayed(&format!("the parameter {name}")));
            }
            if !COMMON.contains(&name.as_str()) && !parameters.contains(&name.as_str()) {
                return Err(Refusal::invalid(format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field \
                     '{name}' could not be found in request message."
                )));
            }
            if name == "alt" && ["media", "proto"].contains(&value.as_str()) {
                return Err(Refusal::unplayed(&format!("alt={value}")));
            }
            if name == "alt" && value != "json" {
                return Err(Refusal::invalid(format!("Invalid value at 'alt' (TYPE_ENUM), \"{value}\"")));
            }
            if name == "fields" {
                mask = Some(Mask::parse(value, output)?);
            }
        }
        let body = match input {
            None => Value::Null,
            Some(_) if request.body.is_empty() => json!({}),
            Some(message) => {
                let body = serde_json::from_slice(&request.body)
                    .map_err(|error| Refusal::invalid(format!("Invalid JSON payload received. {error}")))?;
                schema::check(message, &body)?;
                body
            }
        };
        Ok(Self { query: &request.query, body, mask })
    }

    /// The parameter `name`.
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All parameters `name`.
    fn parameters(&self, name: &str) -> Vec<&str> {
        self.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A parameter that is true or false.
    fn flag(&self, name: &str) -> Outcome<bool> {
        match self.parameter(name) {
            None => Ok(false),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
            Some(word) => Err(Refusal::invalid(format!("Invalid value at '{name}' (TYPE_BOOL), \"{word}\""))),
        }
    }

    /// How values are wanted.
    fn wanted(&self, render: &str, dates: &str) -> Outcome<values::Wanted> {
        let parameter = |name| self.parameter(name);
        values::Wanted::parse(parameter(render), parameter(dates), parameter("majorDimension"))
    }

    /// The answer of a method that only reads.
    fn look(&self, sheet: &Spreadsheet, method: &Method) -> Outcome<Value> {
        let wanted = || self.wanted("valueRenderOption", "dateTimeRenderOption");
        match method {
            Method::ValuesGet(range) => values::read(sheet, range, wanted()?),
            Method::ValuesBatchGet => {
                let wanted = wanted()?;
                let ranges = self.parameters("ranges").into_iter();
                let ranges: Vec<_> =
                    ranges.map(|range| values::read(sheet, range, wanted)).collect::<Result<_, _>>()?;
                Ok(json!({"spreadsheetId": sheet.id, "valueRanges": ranges}))
            }
            _ => resource::spreadsheet(
                sheet,
                &resource::Wanted {
                    ranges: self.parameters("ranges"),
                    cells: self.flag("includeGridData")?,
                    mask: self.mask.clone(),
                },
            ),
        }
    }

    /// Does what a method that writes is to do.
    fn change(&self, sheet: &mut Spreadsheet, method: &Method) -> Outcome<Value> {
        match method {
            Method::BatchUpdate => batch::update(sheet, &self.body, self.mask.as_ref()),
            Method::ValuesUpdate(range) => self.values(sheet, range),
            Method::ValuesAppend(range) => {
                match self.parameter("insertDataOption") {
                    None | Some("OVERWRITE") => {}
                    Some(option) => return Err(Refusal::unplayed(&format!("insertDataOption={option}"))),
                }
                let (place, table) = values::after(sheet, range, &self.body)?;
                let updates = self.values(sheet, &place)?;
                let mut answer = json!({"spreadsheetId": sheet.id, "updates": updates});
                if let Some(table) = table {
                    answer["tableRange"] = table.into();
                }
                Ok(answer)
            }
            Method::ValuesClear(range) => {
                Ok(json!({"spreadsheetId": sheet.id, "clearedRange": values::clear(sheet, range)?}))
            }
            Method::ValuesBatchClear => {
                let ranges = self.body["ranges"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let cleared: Vec<_> =
                    ranges.map(|range| values::clear(sheet, range)).collect::<Result<_, _>>()?;
                Ok(json!({"spreadsheetId": sheet.id, "clearedRanges": cleared}))
            }
            _ => values::batch_update(sheet, &self.body),
        }
    }

    /// `values.update` at `range`.
    fn values(&self, sheet: &mut Spreadsheet, range: &str) -> Outcome<Value> {
        let raw = values::raw(self.parameter("valueInputOption"))?;
        let echo = self.wanted("responseValueRenderOption", "responseDateTimeRenderOption")?;
        let echo = self.flag("includeValuesInResponse")?.then_some(echo);
        values::write(sheet, range, &self.body, raw, echo)
    }
}

/// Answers a request of the API.
fn answer(shared: &Shared, request: &Request) -> Outcome<Option<Value>> {
    let options = &shared.options;
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some((id, method)) = Method::of(request) else { return Ok(None) };
    {
        let mut state = lock(&shared.google);
        let grant = token.and_then(|token| state.tokens.grant(token)).ok_or_else(Refusal::unauthenticated)?;
        if grant == Grant::Nothing || grant == Grant::Read && method.writes() {
            return Err(Refusal::scope());
        }
        let free = if method.writes() {
            state.writes.take(options.google_writes, options.google_window)
        } else {
            state.reads.take(options.google_reads, options.google_window)
        };
        if !free {
            return Err(Refusal::quota(if method.writes() { "Write" } else { "Read" }));
        }
    }
    let call = Call::read(request, &method)?;
    let mut world = shared.world();
    let sheet = world.google.spreadsheets.get(&id).ok_or_else(Refusal::not_found)?;
    if sheet.rights == Rights::None || sheet.rights == Rights::Reader && method.writes() {
        return Err(Refusal::denied());
    }
    let mut value = if method.writes() {
        // Everything or nothing: what is refused half way was done to a copy.
        let mut copy = sheet.clone();
        let outcome = call.change(&mut copy, &method);
        let late = world.google.late_refusals;
        let done = |refusal: &Refusal| late && refusal.comes_after_the_effect();
        if outcome.as_ref().map_or_else(done, |_| true) {
            world.google.spreadsheets.insert(id, copy);
        }
        outcome?
    } else {
        call.look(sheet, &method)?
    };
    if let Some(mask) = &call.mask {
        mask.prune(&mut value);
    }
    Ok(Some(value))
}

impl Upstream for Sheets {
    fn name(&self) -> &'static str {
        "google"
    }

    fn prefix(&self) -> &'static str {
        PREFIX
    }

    /// Google minds requests a minute, not at once.
    fn most_in_flight(&self, _: &Options) -> usize {
        usize::MAX
    }

    fn crowded(&self) -> Option<Reply> {
        None
    }

    fn access(&self, request: &Request) -> Access {
        if request.path == "/google/token" {
            Access::Session
        } else if request.method == "GET" || request.method == "HEAD" {
            Access::Read
        } else {
            Access::Write
        }
    }

    fn answer(&self, shared: &Shared, request: &Request) -> Answer {
        let reply = if request.path == "/google/token" && request.method == "POST" {
            let url = token_url(shared.address);
            lock(&shared.google).tokens.answer(&request.form(), &url, shared.options.google_token_life)
        } else {
            match answer(shared, request) {
                Ok(Some(value)) => Reply::new(200, "application/json; charset=UTF-8", value.to_string()),
                Ok(None) => Refusal::unplayed(&format!("{} {}", request.method, request.path)).reply(),
                Err(refusal) => refusal.reply(),
            }
        };
        Answer { reply, event: None }
    }

    /// `append` guesses where the table ends, so a row that somebody shifted is written twice.
    fn violation(&self, request: &Request) -> Option<String> {
        let (_, method) = Method::of(request)?;
        matches!(method, Method::ValuesAppend(_)).then(|| "values.append".to_owned())
    }

    fn expire(&self, shared: &Shared) -> Option<Reply> {
        lock(&shared.google).tokens.clear();
        None
    }

    fn licence_full(&self) -> Reply {
        Refusal::denied().reply()
    }

    fn too_many(&self) -> Reply {
        Refusal::quota("Read").reply()
    }

    /// Without rows, values or tabs.
    fn emptied(&self, reply: &Reply) -> Bytes {
        let mut value: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let lists = value.get_mut("valueRanges").and_then(Value::as_array_mut);
        lists.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|range| {
            range.remove("values");
        });
        if let Some(object) = value.as_object_mut() {
            object.remove("values");
            object.remove("sheets");
        }
        value.to_string().into()
    }
}
