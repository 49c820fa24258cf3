//! Requests to `FinTablo`: a bearer token, at most 300 requests in any 60 seconds, every answer with an
//! `X-Request-Id` that belongs into an error message (official OpenAPI description, v1).

use crate::{
    config::Config,
    error::{Failure, Kind, Result, quote},
    http::{Answer, Budget, Request, Retry, Trouble, Upstream, client},
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{cell::RefCell, collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// The span over which requests are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// A client of one `FinTablo` account.
#[derive(Debug)]
pub struct Client {
    upstream: Upstream,
    token: SecretString,
    per_minute: usize,
    /// When the requests of the last minute began.
    started: RefCell<VecDeque<Instant>>,
    /// The refusal of the token, once known: the other lists need not ask.
    refused: RefCell<Option<Failure>>,
}

impl Client {
    /// A client for the configured account. Fails when the token is missing or TLS cannot be prepared.
    pub fn new(config: &Config, budget: Budget) -> Result<Self> {
        let token = config.fintablo.token.clone().ok_or_else(|| {
            Failure::new(Kind::Usage, "FINTABLO_TOKEN is not set").hint(
                "set it in the environment or in zerkalo.toml; `zerkalo config check` shows every setting",
            )
        })?;
        let base = format!("{}/v1", config.fintablo.base_url);
        let http = client::client(&base, &config.limits, client::Trust::default())?;
        let upstream = Upstream::new("fintablo", base, http, &config.limits, config.retries.clone(), budget);
        let per_minute = config.fintablo.per_minute.max(1);
        Ok(Self { upstream, token, per_minute, started: RefCell::default(), refused: RefCell::default() })
    }

    /// Reads one answer to its end with `read`, retrying the whole of it where that may help.
    pub async fn read<T>(
        &self,
        request: &Request,
        mut read: impl AsyncFnMut(Answer) -> Result<T, Trouble>,
    ) -> Result<T> {
        self.attempts(request, async |answer| read(self.check(answer, request).await?).await).await
    }

    /// Like [`Client::read`], but nothing when `FinTablo` itself says that what is asked for does not exist (404).
    pub async fn read_if_there<T>(
        &self,
        request: &Request,
        mut read: impl AsyncFnMut(Answer) -> Result<T, Trouble>,
    ) -> Result<Option<T>> {
        let read = async |answer: Answer| {
            // A proxy's page in its place says nothing about the list.
            if answer.status == StatusCode::NOT_FOUND && self.upstream.expect(&answer, request).is_ok() {
                return Ok(None);
            }
            read(self.check(answer, request).await?).await.map(Some)
        };
        self.attempts(request, read).await
    }

    /// Sends a request and hands its answer to `take`, again where that may help.
    async fn attempts<T>(
        &self,
        request: &Request,
        mut take: impl AsyncFnMut(Answer) -> Result<T, Trouble>,
    ) -> Result<T> {
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", self.token.expose_secret())).map_err(|_| {
                Failure::new(Kind::Usage, "FINTABLO_TOKEN holds characters that no token has")
                    .hint("copy it again from FinTablo's settings")
            })?;
        bearer.set_sensitive(true);
        if let Some(failure) = self.refused.borrow().as_ref() {
            return Err(failure.again());
        }
        let attempt = async || {
            self.turn().await;
            let answer = self.upstream.send(request, Some((AUTHORIZATION, bearer.clone()))).await?;
            let (id, was_good) = (request_id(&answer), answer.status.is_success());
            take(answer).await.map_err(|mut trouble| {
                // The message about another status names the id already.
                if was_good {
                    trouble.failure = trouble.failure.context(format!("X-Request-Id {id}"));
                }
                trouble
            })
        };
        self.upstream.patience.attempts(attempt, async || Ok(())).await
    }

    /// How far the server's clock is ahead of `now`, by the `Date` of its last answer; none when it sends no date.
    pub fn clock_ahead(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.upstream.clock_ahead(now)
    }

    /// Waits until another request fits into the last 60 seconds.
    async fn turn(&self) {
        loop {
            let now = Instant::now();
            let wait = {
                let mut started = self.started.borrow_mut();
                while started.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
                    started.pop_front();
                }
                if started.len() < self.per_minute {
                    started.push_back(now);
                    return;
                }
                WINDOW.saturating_sub(now.duration_since(started[0]))
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn check(&self, answer: Answer, request: &Request) -> Result<Answer, Trouble> {
        let status = answer.status;
        if status.is_success() {
            self.upstream.expect(&answer, request)?;
            return Ok(answer);
        }
        let is_html = answer.is_html();
        let retry_after = answer.retry_after();
        let label = format!("{} (X-Request-Id {})", answer.label, request_id(&answer));
        let words = words_of(&answer.excerpt().await);
        let failure = |kind, hint: &str| {
            Failure::new(kind, format!("{label}: status {}: {words}", status.as_u16())).hint(hint)
        };
        Err(match status.as_u16() {
            401 | 403 => {
                let refused =
                    failure(Kind::Refused, "check FINTABLO_TOKEN; tokens are made in FinTablo's settings");
                if status == StatusCode::UNAUTHORIZED {
                    *self.refused.borrow_mut() = Some(refused.again());
                }
                Trouble::fatal(refused)
            }
            429 | 500..=599 => Trouble {
                failure: failure(Kind::Unreachable, "nothing was changed; start this again later"),
                retry: retry_after.map_or(Retry::Yes, Retry::After),
                reached: true,
            },
            _ if is_html => Trouble::transient(failure(Kind::InvalidAnswer, "check FINTABLO_BASE_URL")),
            _ => Trouble::fatal(failure(Kind::Refused, "check FINTABLO_BASE_URL")),
        })
    }
}

/// FinTablo's own words in an error answer, `{"status": 400, "statusText": "…"}`; the whole of any other.
fn words_of(body: &str) -> String {
    let answer = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    answer["statusText"].as_str().map_or_else(|| body.to_owned(), |text| quote(text, 200))
}

fn request_id(answer: &Answer) -> String {
    quote(answer.header("x-request-id").unwrap_or("absent"), 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment, Flags};
    use std::{cell::Cell, rc::Rc};

    #[tokio::test(start_paused = true)]
    async fn no_sixty_seconds_see_more_requests_than_allowed() {
        let settings = [
            ("HOME", "/nowhere"),
            ("FINTABLO_TOKEN", "token"),
            ("FINTABLO_BASE_URL", "http://127.0.0.1:9"),
            ("FINTABLO_PER_MINUTE", "5"),
        ];
        let loaded = config::load(&Flags::default(), &Environment::from_iter(settings)).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new(&loaded.config, Rc::new(Cell::new(0))).unwrap();
        let mut starts = Vec::new();
        for pause in [0, 0, 50, 0, 5, 0, 0, 30, 0, 0, 0, 0] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            client.turn().await;
            starts.push(Instant::now());
        }
        for window in starts.windows(6) {
            assert!(window[5] - window[0] >= WINDOW, "{:?}", window[5] - window[0]);
        }
        assert!(starts[4] - starts[0] < WINDOW, "no pacing below the limit");
    }
}
