//! An upstream: its address and its client.

use super::{
    patience::{Budget, Patience},
    request::{Answer, Request, Trouble},
};
use crate::config::{Limits, Retries};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use std::{cell::Cell, rc::Rc, time::Instant};

/// A server's clock as an answer showed it, and when that was.
type Heard = Rc<Cell<Option<(DateTime<Utc>, Instant)>>>;

/// One upstream. Only reads, and POSTs that are declared to be reads, go through its retries.
#[derive(Debug)]
pub struct Upstream {
    name: &'static str,
    base: String,
    /// The part between the base and a request's path that nobody may see.
    secret_path: SecretString,
    client: reqwest::Client,
    max_answer: u64,
    heard: Heard,
    /// How often it is asked again.
    pub patience: Patience,
}

impl Upstream {
    /// The upstream called `name` at `base`, without a trailing slash.
    pub fn new(
        name: &'static str,
        base: String,
        client: reqwest::Client,
        limits: &Limits,
        retries: Retries,
        budget: Budget,
    ) -> Self {
        let secret_path = SecretString::default();
        let patience = Patience::new(retries, budget);
        let (max_answer, heard) = (limits.max_answer, Heard::default());
        Self { name, base, secret_path, client, max_answer, heard, patience }
    }

    /// The same with a secret, such as `/bot<token>`, between the base URL and every path.
    #[must_use]
    pub fn below(self, secret_path: SecretString) -> Self {
        Self { secret_path, ..self }
    }

    /// The same upstream through another client.
    #[must_use]
    pub fn through(&self, client: reqwest::Client) -> Self {
        Self {
            name: self.name,
            base: self.base.clone(),
            secret_path: self.secret_path.clone(),
            client,
            max_answer: self.max_answer,
            heard: Rc::clone(&self.heard),
            patience: self.patience.clone(),
        }
    }

    /// What messages call it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its base URL, which holds no secret.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request once and waits for the answer's head. Any status is an answer; `secret` is a header that
    /// carries a token and is marked as such.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that sends, and takes the URL out of errors"
    )]
    pub async fn send(
        &self,
        request: &Request,
        secret: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Answer, Trouble> {
        let label = format!("{} {}", self.name, request.path);
        let url = format!("{}{}/{}", self.base, self.secret_path.expose_secret(), request.path);
        let mut builder =
            self.client.request(request.method.clone(), url).header(ACCEPT, request.accept.header());
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        if let Some(form) = &request.form {
            builder = builder.form(form);
        }
        if let Some(json) = &request.json {
            builder = builder.header(CONTENT_TYPE, "application/json").body(json.clone());
        }
        if let Some((name, mut value)) = secret {
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        let response = builder.send().await.map_err(|error| Trouble::transport(&label, error))?;
        let answer_limit = request.max_answer.map_or(self.max_answer, |bytes| bytes.min(self.max_answer));
        let answer = Answer::new(label, response, answer_limit);
        if let Some(date) = answer.date() {
            self.heard.set(Some((date, Instant::now())));
        }
        Ok(answer)
    }

    /// How far the server's clock is ahead of `now`, by the `Date` of its last answer; none when it sends no date.
    pub fn clock_ahead(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let (date, since) = self.heard.get()?;
        Some(date + since.elapsed() - now)
    }

    /// Checks that a good answer has the right content type.
    pub fn expect(&self, answer: &Answer, request: &Request) -> Result<(), Trouble> {
        answer.expect(request.accept)
    }
}
