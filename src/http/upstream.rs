//! An upstream: its address and its client.

use super::{
    patience::{Budget, Patience},
    proxy,
    request::{Answer, Part, Request, Trouble},
};
use crate::{
    config::{Limits, Retries},
    redact,
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue},
    multipart::Form,
};
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
    max_record: usize,
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
        let (max_answer, max_record) = (limits.max_answer, limits.max_record);
        Self { name, base, secret_path, client, max_answer, max_record, heard: Heard::default(), patience }
    }

    /// The same with a secret, such as `/bot<token>`, between the base URL and every path.
    #[must_use]
    pub fn below(self, secret_path: SecretString) -> Self {
        // What is short is no secret but a word, such as `/health`.
        let path = secret_path.expose_secret().trim_start_matches('/');
        if path.len() >= 16 {
            redact::remember(path);
        }
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
            max_record: self.max_record,
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
        let address = proxy::way_to(&self.base);
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
        if let Some(parts) = &request.parts {
            builder = builder.multipart(form_of(parts, &label, &address)?);
        }
        // Where iiko insists, the session is in the address.
        for (_, token) in request.query.iter().filter(|(name, _)| name == "key") {
            redact::remember_passing(token);
        }
        if let Some((name, mut value)) = secret {
            remember(&value);
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        let sent = builder.send().await;
        let response = sent.map_err(|error| Trouble::transport(&label, &address, error))?;
        let answer_limit = request.max_answer.map_or(self.max_answer, |bytes| bytes.min(self.max_answer));
        let answer = Answer::new(label, address, response, (answer_limit, self.max_record));
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

/// Keeps what a header carries out of every message: a session, a token.
fn remember(header: &HeaderValue) {
    let text = String::from_utf8_lossy(header.as_bytes());
    // `Bearer …` and `key=…`.
    redact::remember_passing(text.split_once([' ', '=']).map_or(&*text, |(_, token)| token));
}

/// The parts as the client takes them.
fn form_of(parts: &[Part], label: &str, address: &str) -> Result<Form, Trouble> {
    let mut form = Form::new();
    for part in parts {
        let length = part.content.len() as u64;
        let mut content = reqwest::multipart::Part::stream_with_length(part.content.clone(), length);
        if let Some((name, media_type)) = part.file {
            let typed = content.file_name(name).mime_str(media_type);
            content = typed.map_err(|error| Trouble::transport(label, address, error))?;
        }
        form = form.part(part.name, content);
    }
    Ok(form)
}
