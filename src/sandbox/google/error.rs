//! Refusals in Google's JSON form.

use serde_json::json;

use crate::sandbox::{server::not_played, wire::Reply};

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    code: u16,
    status: &'static str,
    message: String,
    late: bool,
}

/// What a request comes to.
pub(super) type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    fn new(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), late: false }
    }

    /// The same of a request that was carried out before this was found.
    pub(super) fn after_the_effect(self) -> Self {
        Self { late: true, ..self }
    }

    /// Whether the request was carried out before this was found.
    pub(super) fn comes_after_the_effect(&self) -> bool {
        self.late
    }

    /// 400: the request is not what the API describes.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    /// 501: Google may have it, this stand-in has not.
    pub(super) fn unplayed(what: &str) -> Self {
        Self::new(501, "UNIMPLEMENTED", not_played(what))
    }

    /// 401: no token, or one that is not known (any more).
    pub(super) fn unauthenticated() -> Self {
        Self::new(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
             other valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        )
    }

    /// 403: the token was given for something else.
    pub(super) fn scope() -> Self {
        Self::new(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")
    }

    /// 403: the spreadsheet is not shared with the account, or not for writing.
    pub(super) fn denied() -> Self {
        Self::new(403, "PERMISSION_DENIED", "The caller does not have permission")
    }

    /// 404: there is no such spreadsheet.
    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "Requested entity was not found.")
    }

    /// 429: the quota of `what` ("Read" or "Write") requests is used up.
    pub(super) fn quota(what: &str) -> Self {
        let metric = what.to_lowercase();
        Self::new(
            429,
            "RESOURCE_EXHAUSTED",
            format!(
                "Quota exceeded for quota metric '{what} requests' and limit '{what} requests per minute per \
                 user' of service 'sheets.googleapis.com' for consumer 'project_number:1' ({metric})."
            ),
        )
    }

    /// The answer.
    pub(super) fn reply(&self) -> Reply {
        let body = json!({"error": {"code": self.code, "message": self.message, "status": self.status}});
        Reply::new(self.code, "application/json; charset=UTF-8", body.to_string())
    }
}
