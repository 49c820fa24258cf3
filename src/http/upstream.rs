//! An upstream: its address, its client, and how often it is asked again.

use super::request::{Answer, Request, Retry, Trouble};
use crate::{
    config::{Limits, Retries},
    error::{Failure, Kind, Result},
};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    cell::Cell,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    rc::Rc,
    time::Duration,
};

/// The retries that are left in this run, shared by all upstreams.
pub type Budget = Rc<Cell<usize>>;

/// One upstream. Only reads, and POSTs that are declared to be reads, go through its retries.
#[derive(Debug)]
pub struct Upstream {
    name: &'static str,
    base: String,
    /// The part between the base and a request's path that nobody may see.
    secret_path: SecretString,
    client: reqwest::Client,
    max_answer: u64,
    retries: Retries,
    budget: Budget,
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
        Self { name, base, secret_path, client, max_answer: limits.max_answer, retries, budget }
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
            retries: self.retries.clone(),
            budget: Rc::clone(&self.budget),
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

    /// How long a full licence is waited for.
    pub fn retries(&self) -> &Retries {
        &self.retries
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
        let max_answer = request.max_answer.map_or(self.max_answer, |bytes| bytes.min(self.max_answer));
        Ok(Answer::new(label, response, max_answer))
    }

    /// Checks that a good answer has the right content type.
    pub fn expect(&self, answer: &Answer, request: &Request) -> Result<(), Trouble> {
        answer.expect(request.accept)
    }

    /// Makes attempts until one reads its answer to the end, waiting between them as the settings say. `log_in` is
    /// called at most once, when an attempt says that the session is over.
    pub async fn attempts<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Trouble>,
        log_in: impl AsyncFn() -> Result<()>,
    ) -> Result<T> {
        let mut waits = self.retries.delays.iter();
        let mut logged_in = false;
        loop {
            let trouble = match attempt().await {
                Ok(value) => return Ok(value),
                Err(trouble) => trouble,
            };
            let wait = match trouble.retry {
                Retry::No => return Err(trouble.failure),
                Retry::LogIn if logged_in => return Err(trouble.failure),
                Retry::LogIn => {
                    logged_in = true;
                    log_in().await?;
                    continue;
                }
                Retry::Yes => waits.next().map(|wait| self.jittered(*wait)),
                Retry::After(wait) if wait > self.retries.retry_after_max => {
                    let text = format!("{} (asked to wait {} s)", trouble.failure.message, wait.as_secs());
                    return Err(Failure::new(Kind::Unreachable, text).hint("start this again later"));
                }
                Retry::After(wait) => waits.next().map(|_| wait),
            };
            let Some(wait) = wait.filter(|_| self.budget.get() > 0) else { return Err(trouble.failure) };
            self.budget.set(self.budget.get() - 1);
            tracing::info!(wait_ms = wait.as_millis(), "{}; trying again", trouble.failure);
            tokio::time::sleep(wait).await;
        }
    }

    /// A wait spread by the configured share, so that several hosts do not come back at the same moment.
    fn jittered(&self, wait: Duration) -> Duration {
        let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        wait.mul_f64(1.0 + self.retries.jitter * (random * 2.0 - 1.0))
    }
}
