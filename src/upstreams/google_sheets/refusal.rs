//! What Google's refusals mean: its own reasons decide, and a status only where it gives none.
//!
//! The API's errors are those of AIP-193 (`status`, `details` with an `ErrorInfo` that has a `reason`, `Help` with links)
//! and of its older form (`errors` with a `reason` each); the token endpoint's are those of RFC 6749 (`error`,
//! `error_description`).

use crate::{
    error::{Failure, Kind, quote},
    http::{Answer, Retry, Trouble},
};
use chrono::TimeDelta;
use reqwest::Url;
use serde_json::Value;
use std::time::Duration;

/// An error's description is a few hundred bytes.
const LONGEST: usize = 64 << 10;

/// What Google refuses for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The API is not enabled in the account's project.
    Disabled,
    /// Too many requests in a minute.
    Quota,
    /// Too many requests in a day.
    DayQuota,
    /// Google has a problem of its own.
    Ill,
    /// The token is not, or not any more, one that it takes.
    Token,
    /// The account is switched off or gone.
    Account,
    /// The project is suspended, deleted or not paid for.
    Project,
    /// The signed assertion is not taken: the key, or the clock.
    Grant,
    /// The account may not do this with the spreadsheet.
    Denied,
    /// There is no such spreadsheet.
    Missing,
    /// What was asked for cannot be done.
    Impossible,
    /// A page, or whatever else is not Google's.
    Foreign,
    /// Something else.
    Other,
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refusal {
    label: String,
    status: u16,
    is_html: bool,
    retry_after: Option<Duration>,
    /// Google's words.
    message: String,
    /// The address that it gives to put things right.
    link: Option<String>,
    /// What it comes to.
    pub(super) cause: Cause,
}

/// Whose request it was that was refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    /// The account's e-mail address.
    pub(super) account: &'a str,
    /// The spreadsheet's id.
    pub(super) spreadsheet: &'a str,
    /// How long a used-up quota is waited for where Google does not say.
    pub(super) quota_wait: Duration,
    /// How far Google's clock is ahead of this host's, where it tells.
    pub(super) clock_ahead: Option<TimeDelta>,
}

impl Refusal {
    /// Reads an answer's body.
    pub(super) async fn read(answer: Answer) -> Self {
        let (label, status, is_html) = (answer.label.clone(), answer.status.as_u16(), answer.is_html());
        let retry_after = answer.retry_after();
        let body = answer.bytes(LONGEST).await.unwrap_or_default();
        let Said { message, link, cause } = Said::read(status, &body);
        Self { label, status, is_html, retry_after, message, link, cause }
    }

    /// Where it came from, and Google's words.
    pub(super) fn said(&self) -> String {
        format!("{}: status {}: {}", self.label, self.status, self.message)
    }

    /// What is reported, and whether to try again.
    pub(super) fn trouble(self, asker: &Asker<'_>) -> Trouble {
        let Asker { account, spreadsheet, quota_wait, clock_ahead } = *asker;
        let said = self.said();
        let Self { label, status, is_html, retry_after, message, link, cause } = self;
        let place = link.unwrap_or_else(|| "https://console.cloud.google.com/".to_owned());
        let refused = |text: String, hint: String| {
            let failure = Failure::new(Kind::Refused, text).hint(hint);
            Trouble { reached: false, ..Trouble::fatal(failure) }
        };
        let later = |text: String, hint: &str| Failure::new(Kind::Unreachable, text).hint(hint);
        match cause {
            Cause::Disabled => refused(
                format!("the Google Sheets API is not enabled for {account}'s project: {message}"),
                format!("enable it at {place}, wait some minutes, then start this again"),
            ),
            Cause::Quota => Trouble {
                failure: later(
                    format!("Google Sheets: the quota of this minute is used up: {message}"),
                    "start this again in a minute; nothing was changed",
                ),
                retry: Retry::After(retry_after.unwrap_or(quota_wait)),
                reached: false,
            },
            Cause::DayQuota => Trouble {
                failure: later(
                    format!("Google Sheets: the quota of this day is used up: {message}"),
                    "start this again tomorrow, or ask Google for more; nothing was changed",
                ),
                retry: Retry::No,
                reached: false,
            },
            Cause::Ill => Trouble {
                retry: retry_after.map_or(Retry::Yes, Retry::After),
                ..Trouble::transient(later(said, "Google has a problem; start this again later"))
            },
            Cause::Token => Trouble {
                retry: Retry::LogIn,
                ..refused(
                    format!("Google Sheets refuses the token again ({status}): {message}"),
                    "check the service account in the Google Cloud console".to_owned(),
                )
            },
            Cause::Account => refused(
                format!("Google refuses the service account {account}: {message}"),
                format!("the account is disabled or deleted: enable it, or make a new one, at {place}"),
            ),
            Cause::Project => refused(
                format!("Google refuses the project of {account}: {message}"),
                format!("look at the project and its billing at {place}"),
            ),
            Cause::Grant => refused(
                format!("Google refuses the service account {account}: {message}"),
                cure_of_a_grant(&message, clock_ahead),
            ),
            Cause::Denied => refused(
                format!("Google Sheets: {account} may not use the spreadsheet {spreadsheet}: {message}"),
                format!("share the sheet with {account} as an editor"),
            ),
            Cause::Missing => Trouble::fatal(
                Failure::new(Kind::Usage, format!("Google Sheets: there is no spreadsheet {spreadsheet}"))
                    .hint(format!(
                        "check MIN_STOCK_SHEET_ID, and share the sheet with {account} as an editor"
                    )),
            ),
            Cause::Foreign => {
                let text = format!("{label}: status {status} with an answer that is not Google's");
                let failure = Failure::new(Kind::InvalidAnswer, text).hint(
                    "check GOOGLE_SHEETS_BASE_URL and the network: a proxy or another program may be answering there",
                );
                // A page in the upstream's place is often its restart.
                if is_html { Trouble::transient(failure) } else { Trouble::fatal(failure) }
            }
            Cause::Impossible | Cause::Other => {
                refused(said, "check GOOGLE_SHEETS_BASE_URL and the service account".to_owned())
            }
        }
    }

    /// What Google finds impossible, for whoever can do something else instead.
    pub(super) fn impossible(self) -> Failure {
        Failure::new(Kind::Refused, format!("Google Sheets: {}", self.message))
            .hint("look at the tab, then start this again; nothing was changed")
    }
}

/// What to do about a signature that is not taken.
fn cure_of_a_grant(message: &str, clock_ahead: Option<TimeDelta>) -> String {
    let off = clock_ahead.map_or(0, |ahead| ahead.num_seconds());
    let words = message.to_ascii_lowercase();
    if off.abs() > 60 || words.contains("timeframe") || words.contains("short-lived") {
        let side = if off > 0 { "behind" } else { "ahead of" };
        let told =
            if off.abs() > 60 { format!(" (it is {} s {side} Google's)", off.abs()) } else { String::new() };
        return format!("this machine's clock is wrong{told}: set it, then start this again");
    }
    if words.contains("signature") {
        return "the key is not one of the account's any more: make a new key in the Google Cloud console"
            .to_owned();
    }
    "the key may be revoked, or the account deleted; make a new key in the Google Cloud console".to_owned()
}

/// What an error's body says.
struct Said {
    message: String,
    link: Option<String>,
    cause: Cause,
}

impl Said {
    fn read(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &body["error"];
        let text = |value: &Value| value.as_str().map(|text| quote(text, 300));
        // The token endpoint names an error and describes it.
        let of_a_token = error.as_str().map(|name| {
            let described = text(&body["error_description"]);
            described
                .map_or_else(|| quote(name, 60), |description| format!("{}: {description}", quote(name, 60)))
        });
        let message = of_a_token.or_else(|| text(&error["message"]));
        let is_googles = !matches!(error, Value::Null);
        let message = message.unwrap_or_else(|| "no reason given".to_owned());
        let named = reasons(error).into_iter().find_map(|reason| cause_of(reason, &message));
        let cause = named.unwrap_or_else(|| cause_of_status(status, is_googles));
        Self { link: link(error), message, cause }
    }
}

/// The names of an error's reason, the most telling first.
fn reasons(error: &Value) -> Vec<&str> {
    let lists = [&error["details"], &error["errors"]];
    let inner = lists.into_iter().filter_map(Value::as_array).flatten().map(|detail| &detail["reason"]);
    inner.chain([&error["status"], error]).filter_map(Value::as_str).collect()
}

/// What a reason means, however it is spelled: `RATE_LIMIT_EXCEEDED` is `rateLimitExceeded`.
fn cause_of(reason: &str, message: &str) -> Option<Cause> {
    let letters: String = reason.chars().filter(char::is_ascii_alphabetic).collect();
    Some(match letters.to_ascii_lowercase().as_str() {
        "servicedisabled" | "accessnotconfigured" => Cause::Disabled,
        "ratelimitexceeded"
        | "userratelimitexceeded"
        | "quotaexceeded"
        | "resourceexhausted"
        | "slowdown"
        | "toomanyrequests" => {
            if message.to_ascii_lowercase().contains("per day") {
                Cause::DayQuota
            } else {
                Cause::Quota
            }
        }
        "dailylimitexceeded" => Cause::DayQuota,
        "internal"
        | "internalerror"
        | "internalfailure"
        | "servererror"
        | "backenderror"
        | "unavailable"
        | "serviceunavailable"
        | "temporarilyunavailable"
        | "deadlineexceeded"
        | "aborted"
        | "unknown" => Cause::Ill,
        "accountstateinvalid" | "accountdisabled" | "disabledclient" | "deletedclient" | "userdisabled" => {
            Cause::Account
        }
        "invalidgrant" | "invalidclient" | "unauthorizedclient" => {
            let words = message.to_ascii_lowercase();
            let is_off = ["disabled", "not found", "deleted"].iter().any(|word| words.contains(word));
            if is_off { Cause::Account } else { Cause::Grant }
        }
        "consumersuspended" | "consumerinvalid" | "billingdisabled" | "projectdeleted" => Cause::Project,
        "accesstokenexpired" | "unauthenticated" | "autherror" => Cause::Token,
        "permissiondenied" | "forbidden" => Cause::Denied,
        "notfound" => Cause::Missing,
        "invalidargument" | "failedprecondition" | "outofrange" => Cause::Impossible,
        _ => return None,
    })
}

/// What a status means that comes without a reason.
fn cause_of_status(status: u16, is_googles: bool) -> Cause {
    match status {
        429 => Cause::Quota,
        408 | 500..=599 => Cause::Ill,
        _ if !is_googles => Cause::Foreign,
        400 => Cause::Impossible,
        401 => Cause::Token,
        403 => Cause::Denied,
        404 => Cause::Missing,
        _ => Cause::Other,
    }
}

/// The address that an error gives to put things right, if it is Google's.
fn link(error: &Value) -> Option<String> {
    let details = || error["details"].as_array().into_iter().flatten();
    let activation = details().filter_map(|detail| detail["metadata"]["activationUrl"].as_str());
    let help = details().flat_map(|detail| detail["links"].as_array().into_iter().flatten());
    let help = help.filter_map(|link| link["url"].as_str());
    let message = error["message"].as_str().unwrap_or_default().split_whitespace();
    let mut links = activation.chain(help).chain(message);
    links.find_map(|text| {
        let url = Url::parse(text.trim_end_matches(['.', ',', ')'])).ok()?;
        let host = url.host_str()?;
        let is_googles = url.scheme() == "https" && (host == "google.com" || host.ends_with(".google.com"));
        is_googles.then(|| quote(url.as_str(), 300))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(status: u16, body: &Value) -> Said {
        Said::read(status, body.to_string().as_bytes())
    }

    #[test]
    fn the_reason_counts_before_the_status() {
        let api = |code: u16, status: &str, reason: &str| {
            (
                code,
                json!({"error": {"code": code, "message": "words", "status": status, "details": [{"reason": reason}]}}),
            )
        };
        let old = |code: u16, reason: &str| {
            (code, json!({"error": {"code": code, "message": "words", "errors": [{"reason": reason}]}}))
        };
        let token = |code: u16, error: &str, description: &str| {
            (code, json!({"error": error, "error_description": description}))
        };
        for ((status, body), expected) in [
            (api(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), Cause::Disabled),
            (old(403, "accessNotConfigured"), Cause::Disabled),
            (old(403, "rateLimitExceeded"), Cause::Quota),
            (old(403, "userRateLimitExceeded"), Cause::Quota),
            (old(403, "dailyLimitExceeded"), Cause::DayQuota),
            (api(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), Cause::Quota),
            (api(401, "UNAUTHENTICATED", "ACCOUNT_STATE_INVALID"), Cause::Account),
            (api(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"), Cause::Token),
            (api(401, "UNAUTHENTICATED", "WHATEVER"), Cause::Token),
            (api(403, "PERMISSION_DENIED", "CONSUMER_SUSPENDED"), Cause::Project),
            (api(403, "PERMISSION_DENIED", "WHATEVER"), Cause::Denied),
            (api(400, "FAILED_PRECONDITION", "x"), Cause::Impossible),
            (api(409, "ABORTED", "x"), Cause::Ill),
            (api(400, "INTERNAL", "x"), Cause::Ill),
            (token(500, "internal_failure", ""), Cause::Ill),
            (token(400, "internal_failure", ""), Cause::Ill),
            (token(403, "rate_limit_exceeded", ""), Cause::Quota),
            (token(400, "invalid_grant", "Invalid JWT Signature."), Cause::Grant),
            (token(400, "invalid_grant", "Invalid grant: account not found"), Cause::Account),
            (token(401, "disabled_client", "The OAuth client was disabled."), Cause::Account),
            (token(400, "invalid_client", "The OAuth client was disabled."), Cause::Account),
            (token(400, "invalid_scope", ""), Cause::Impossible),
            ((403, json!({"error": {"message": "x"}})), Cause::Denied),
            ((503, json!("<html>")), Cause::Ill),
            ((403, json!("<html>")), Cause::Foreign),
            ((404, json!({})), Cause::Foreign),
        ] {
            assert_eq!(said(status, &body).cause, expected, "{status} {body}");
        }
    }

    #[test]
    fn only_googles_own_address_is_passed_on() {
        let message = |text: &str| said(403, &json!({"error": {"message": text}})).link;
        assert_eq!(
            message(
                "Enable it by visiting https://console.developers.google.com/apis/x?project=1 then retry."
            ),
            Some("https://console.developers.google.com/apis/x?project=1".to_owned())
        );
        for text in ["see https://google.com.evil.example/", "see http://console.google.com/", "see console"]
        {
            assert_eq!(message(text), None, "{text}");
        }
        let metadata =
            json!({"error": {"details": [{"metadata": {"activationUrl": "https://c.google.com/a"}}]}});
        assert_eq!(said(403, &metadata).link.as_deref(), Some("https://c.google.com/a"));
        let help = json!({"error": {"details": [{"links": [{"url": "https://c.google.com/b"}]}]}});
        assert_eq!(said(403, &help).link.as_deref(), Some("https://c.google.com/b"));
    }
}
