//! What is asked, what came back, and what a failed attempt means.

use crate::error::{Failure, Kind, quote};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use std::time::Duration;

/// The kind of answer that is asked for and accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// `application/json`.
    Json,
    /// `application/xml` or `text/xml`.
    Xml,
    /// `text/plain`; asked for with `*/*`, because iiko's text endpoints answer 406 to anything narrower.
    Text,
}

impl Accept {
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml, text/xml",
            Self::Text => "*/*",
        }
    }

    fn matches(self, content_type: &str) -> bool {
        match self {
            Self::Json => content_type.contains("json"),
            Self::Xml => content_type.contains("xml") && !content_type.contains("html"),
            Self::Text => !content_type.contains("html"),
        }
    }
}

/// One request to an upstream. Secrets go into a header or `form`, never into `query` unless a server insists.
#[derive(Clone)]
pub struct Request {
    /// GET, or POST for what the upstream declares so.
    pub method: Method,
    /// Below the upstream's base URL, without a leading slash; also what messages call the request.
    pub path: String,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// A form body.
    pub form: Option<Vec<(String, String)>>,
    /// A JSON body, as it is to be sent.
    pub json: Option<String>,
    /// A body of parts (`multipart/form-data`).
    pub parts: Option<Vec<Part>>,
    /// The accepted kind of answer.
    pub accept: Accept,
    /// How long the request and its whole answer may take, silence included, where the server needs longer than usual.
    pub total: Option<Duration>,
    /// The longest decoded answer in bytes, where that is less than `limits.max_answer`.
    pub max_answer: Option<u64>,
}

impl Request {
    /// A GET request.
    pub fn get(path: impl Into<String>, accept: Accept) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            form: None,
            json: None,
            parts: None,
            accept,
            total: None,
            max_answer: None,
        }
    }

    /// A POST request with a form.
    pub fn post_form(path: impl Into<String>, accept: Accept, form: Vec<(String, String)>) -> Self {
        Self { method: Method::POST, form: Some(form), ..Self::get(path, accept) }
    }

    /// A POST request with a JSON body.
    pub fn post_json(path: impl Into<String>, accept: Accept, json: String) -> Self {
        Self { method: Method::POST, json: Some(json), ..Self::get(path, accept) }
    }

    /// A POST request with a body of parts.
    pub fn post_parts(path: impl Into<String>, accept: Accept, parts: Vec<Part>) -> Self {
        Self { method: Method::POST, parts: Some(parts), ..Self::get(path, accept) }
    }

    /// The same request, refused when its answer is longer than this many bytes.
    #[must_use]
    pub fn max_answer(self, bytes: u64) -> Self {
        Self { max_answer: Some(bytes), ..self }
    }

    /// The same request with so much time for its whole answer.
    #[must_use]
    pub fn total(self, time: Duration) -> Self {
        Self { total: Some(time), ..self }
    }

    /// The same request with these query parameters added.
    #[must_use]
    pub fn query<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.query.extend(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }
}

/// A part of a body.
#[derive(Clone)]
pub struct Part {
    /// The parameter.
    pub name: &'static str,
    /// What it holds.
    pub content: Bytes,
    /// The name and the media type of a file; none for a part of text.
    pub file: Option<(&'static str, &'static str)>,
}

impl Part {
    /// A part of text.
    pub fn text(name: &'static str, text: &str) -> Self {
        Self { name, content: Bytes::copy_from_slice(text.as_bytes()), file: None }
    }
}

impl std::fmt::Debug for Request {
    /// Without the values: a form or a query may hold a password or a token.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Answer {
    /// Upstream and path, for messages.
    pub label: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The longest record that is read of it, in bytes.
    pub max_record: usize,
    /// Where it comes from, for messages.
    address: String,
    response: reqwest::Response,
    left: u64,
}

impl Answer {
    pub(super) fn new(
        label: String,
        address: String,
        mut response: reqwest::Response,
        (max_bytes, max_record): (u64, usize),
    ) -> Self {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        Self { label, status, headers, max_record, address, response, left: max_bytes }
    }

    /// The next piece of the decoded body. Fails when the connection breaks, falls silent, or the body is longer than
    /// `limits.max_answer`.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Trouble> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| Trouble::transport(&self.label, &self.address, error))?;
        let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            Trouble::fatal(
                Failure::new(
                    Kind::InvalidAnswer,
                    format!("{}: the answer is longer than allowed", self.label),
                )
                .hint("raise ZERKALO_MAX_ANSWER if the list is really that long"),
            )
        })?;
        Ok(chunk)
    }

    /// The whole body, which must be no longer than `limit` bytes.
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > limit {
                let text = format!("{}: the answer is longer than {limit} bytes", self.label);
                return Err(Trouble::fatal(Failure::new(Kind::InvalidAnswer, text)));
            }
        }
        Ok(body)
    }

    /// The beginning of the body as one line, for the message about a status.
    pub async fn excerpt(mut self) -> String {
        let mut body = Vec::new();
        while body.len() < 4096 {
            match self.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(4096);
        quote(&String::from_utf8_lossy(&body), 200)
    }

    /// Whether the body is an HTML page: a proxy, a wrong address, an empty Tomcat or a restart, never the upstream.
    pub fn is_html(&self) -> bool {
        self.content_type().contains("html")
    }

    /// Checks the content type of a good answer.
    pub(super) fn expect(&self, accept: Accept) -> Result<(), Trouble> {
        let content_type = self.content_type();
        if content_type.is_empty() || accept.matches(content_type) {
            return Ok(());
        }
        let wanted = Some(accept.header()).filter(|wanted| *wanted != "*/*");
        let wanted = wanted.map_or_else(String::new, |wanted| format!(", not {wanted}"));
        let text = format!("{}: the answer is {}{wanted}", self.label, quote(content_type, 60));
        let failure = Failure::new(Kind::InvalidAnswer, text).hint(
            "this request changed nothing; check the base URL: a proxy or another program may be answering there",
        );
        // A page in the upstream's place is often its restart.
        Err(if self.is_html() { Trouble::transient(failure) } else { Trouble::fatal(failure) })
    }

    /// How long Retry-After asks to wait: seconds, or a date, which counts from the answer's own Date. Nonsense counts
    /// as absent.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER.as_str())?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - self.date()?).to_std().ok()
    }

    /// The server's clock, where it tells.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        Some(DateTime::parse_from_rfc2822(self.header(DATE.as_str())?).ok()?.to_utc())
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok())
    }

    fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What to do after a failed attempt at a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    No,
    /// It may pass.
    Yes,
    /// The upstream names a time.
    After(Duration),
    /// The session is over: log in once, then repeat.
    LogIn,
}

/// A failed attempt.
#[derive(Debug)]
pub struct Trouble {
    /// What is reported when no further attempt is made.
    pub failure: Failure,
    /// Whether a further attempt may pass.
    pub retry: Retry,
    /// Whether the server may have acted on the request although no good answer came.
    pub reached: bool,
}

impl Trouble {
    /// It would fail again.
    pub fn fatal(failure: Failure) -> Self {
        Self { failure, retry: Retry::No, reached: true }
    }

    /// It may pass.
    pub fn transient(failure: Failure) -> Self {
        Self { failure, retry: Retry::Yes, reached: true }
    }

    /// The connection to `address` could not be made, broke or timed out. The URL is taken out of the cause: iiko's and
    /// Telegram's addresses can hold a token.
    pub(super) fn transport(label: &str, address: &str, error: reqwest::Error) -> Self {
        let error = error.without_url();
        let reached = !error.is_connect();
        if tls_refused(&error) {
            let text = format!("{label}: the server's certificate is not trusted ({address})");
            let failure = Failure::new(Kind::Refused, text)
                .hint("for a private authority set IIKO_CA_FILE, for one self-signed server IIKO_TLS_PIN")
                .source(error);
            return Self { reached, ..Self::fatal(failure) };
        }
        let what = if error.is_timeout() {
            "the upstream does not answer in time"
        } else if error.is_connect() {
            "cannot connect"
        } else if error.is_body() || error.is_decode() {
            "the answer breaks off"
        } else {
            "the connection was closed without an answer"
        };
        let failure = Failure::new(Kind::Unreachable, format!("{label}: {what} ({address})"))
            .hint("this request changed nothing; check the network and the base URL, then start this again");
        Self { reached, ..Self::transient(failure.source(error)) }
    }
}

impl Trouble {
    /// The same for a request that must not be repeated once the server may have acted on it.
    #[must_use]
    pub fn unrepeatable(self, hint: &str) -> Self {
        if self.reached {
            Self { retry: Retry::No, failure: self.failure.hint(hint), reached: true }
        } else {
            self
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::fatal(failure)
    }
}

/// Whether an error comes from a certificate that is not trusted, or from TLS at all.
fn tls_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An `io::Error` names as its source what its inner error names, and so passes over that one.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
