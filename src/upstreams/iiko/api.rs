//! The session with an iiko server: one login a run, one request at a time, always logged out.
//!
//! Facts are those of the official iikoServer REST API documentation: login by form with the password's SHA-1, the
//! token as a cookie named `key`, 401 for a session that is over, 403 for a full licence or a missing right, requests
//! strictly one after another, a licence slot held until logout.

use super::session_file::{Login, SessionFile};
use crate::{
    config::{Config, Limits, TokenIn},
    error::{Failure, Kind, Result},
    http::{Accept, Answer, Budget, Request, Retry, Trouble, Upstream, client},
    redact,
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    StatusCode,
    header::{COOKIE, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    cell::{Cell, OnceCell, RefCell},
    path::PathBuf,
    time::Duration,
};
use tokio::sync::{Mutex, Semaphore};

/// The answer to a document is the document, a few hundred lines at most; longer than this it is refused, in bytes.
pub(super) const MAX_DOCUMENT: usize = 16 << 20;

/// A client of one iiko server, with at most one session.
#[derive(Debug)]
pub struct Client {
    upstream: Upstream,
    login: String,
    password: SecretString,
    token_in: TokenIn,
    turns: Semaphore,
    /// Held while logging in, so that concurrent requests wait for one session.
    entrance: Mutex<()>,
    /// Held from sending a login until its answer is heard.
    asking: Mutex<()>,
    token: RefCell<Option<SecretString>>,
    /// Why the login failed. It is not tried again for every table: servers lock a login that fails too often.
    refused: RefCell<Option<Failure>>,
    file: SessionFile,
    /// Sessions of earlier runs that would not end.
    kept: RefCell<Vec<SecretString>>,
    /// When an earlier run sent a login that may have opened a session nobody can end.
    unheard: Cell<Option<DateTime<Utc>>>,
    /// Whether this run has sent such a login.
    lost: Cell<bool>,
    /// Whether the run is being stopped: nothing is asked any more.
    leaving: Cell<bool>,
    /// Like `upstream`, with a connection of its own for every request; made on first use.
    single_use: OnceCell<Upstream>,
    /// Like `upstream`, for reports that the server thinks about for minutes; made on first use.
    patient: OnceCell<Upstream>,
    connect: Connect,
}

/// What a further connection to the server is made with.
#[derive(Debug)]
struct Connect {
    base: String,
    limits: Limits,
    ca_file: Option<PathBuf>,
    tls_pin: Option<String>,
}

/// What came of a request that is sent at most once.
#[derive(Debug)]
pub enum Sent {
    /// A good answer, whole; what it says is still to be read.
    Answered(Vec<u8>),
    /// The server says no in its own words, and so has done nothing.
    Refused(Failure),
    /// No connection, no session, or a server too busy to begin: it has done nothing, and the request may be sent again.
    Unsent(Trouble),
    /// The server may have done what it was asked to do, or may yet do it.
    Lost(Failure),
}

impl Client {
    /// A client for the configured server. Fails when a setting is missing or TLS cannot be prepared.
    pub fn new(config: &Config, budget: Budget) -> Result<Self> {
        let iiko = &config.iiko;
        let missing = |name: &str| {
            Failure::new(Kind::Usage, format!("{name} is not set")).hint(
                "set it in the environment or in zerkalo.toml; `zerkalo config check` shows every setting",
            )
        };
        let base = iiko.base_url.clone().ok_or_else(|| missing("IIKO_BASE_URL"))?;
        let login = iiko.login.clone().ok_or_else(|| missing("IIKO_LOGIN"))?;
        let password = iiko.sha1_password.clone().ok_or_else(|| missing("IIKO_PASSWORD"))?;
        let trust = client::Trust { ca_file: iiko.ca_file.as_deref(), pin: iiko.tls_pin.as_deref() };
        let http = client::client(&base, &config.limits, trust)?;
        let file = SessionFile::new(&config.state_dir, &base, &login);
        let upstream = Upstream::new(
            "iiko",
            format!("{base}/api"),
            http,
            &config.limits,
            config.retries.clone(),
            budget,
        );
        Ok(Self {
            upstream,
            login,
            password,
            token_in: iiko.token_in,
            turns: Semaphore::new(iiko.max_concurrency.max(1)),
            entrance: Mutex::new(()),
            asking: Mutex::new(()),
            token: RefCell::new(None),
            refused: RefCell::new(None),
            file,
            kept: RefCell::new(Vec::new()),
            unheard: Cell::new(None),
            lost: Cell::new(false),
            leaving: Cell::new(false),
            single_use: OnceCell::new(),
            patient: OnceCell::new(),
            connect: Connect {
                base,
                limits: config.limits.clone(),
                ca_file: iiko.ca_file.clone(),
                tls_pin: iiko.tls_pin.clone(),
            },
        })
    }

    /// Sends a request that changes something, once: no retry, and no connection that was used before. The session is
    /// made first.
    pub async fn send_once(&self, request: &Request) -> Result<Sent> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        self.enter().await?;
        let sent = self.send_signed(request).await?;
        if !matches!(&sent, Sent::Unsent(trouble) if trouble.retry == Retry::LogIn) {
            return Ok(sent);
        }
        tracing::info!("the iiko session is over; logging in once more");
        self.enter().await?;
        self.send_signed(request).await
    }

    /// Sends a request once, with the token that is there.
    async fn send_signed(&self, request: &Request) -> Result<Sent> {
        if self.leaving.get() {
            let failure = Failure::new(Kind::Unreachable, "the run is being stopped");
            return Ok(Sent::Unsent(Trouble::fatal(failure)));
        }
        let token = self.token.borrow().clone();
        let (signed, secret) = self.signed(request);
        let answer = match self.single_use()?.send(&signed, secret).await {
            Ok(answer) => answer,
            Err(trouble) if trouble.reached => return Ok(Sent::Lost(trouble.failure)),
            Err(trouble) => return Ok(Sent::Unsent(trouble)),
        };
        let (status, is_html) = (answer.status, answer.is_html());
        let body = match self.check(answer, request).await {
            Ok(answer) => answer.bytes(MAX_DOCUMENT).await,
            Err(trouble) => Err(trouble),
        };
        Ok(match body {
            Ok(body) => Sent::Answered(body),
            Err(trouble) if !is_refusal(status, is_html) => Sent::Lost(trouble.failure),
            // Without a session iiko does nothing.
            Err(trouble) if status == StatusCode::UNAUTHORIZED => {
                self.forget(token.as_ref());
                Sent::Unsent(trouble)
            }
            Err(trouble) if has_no_room(status) => Sent::Unsent(trouble),
            Err(trouble) => Sent::Refused(trouble.failure),
        })
    }

    /// Waits before a request that ended in `trouble` is sent again after `tried` such waits; false, without a wait, when that
    /// makes no sense or the patience of this run is over.
    pub async fn pause(&self, tried: usize, trouble: &Trouble) -> bool {
        self.upstream.patience.pause(tried, trouble).await
    }

    fn single_use(&self) -> Result<&Upstream> {
        let Connect { base, limits, ca_file, tls_pin } = &self.connect;
        let trust = client::Trust { ca_file: ca_file.as_deref(), pin: tls_pin.as_deref() };
        made(&self.single_use, || Ok(self.upstream.through(client::single_use(base, limits, trust)?)))
    }

    /// The upstream that a read goes through: a report is silent for as long as the server works on it.
    fn reading(&self, request: &Request) -> Result<&Upstream> {
        let Some(total) = request.total else { return Ok(&self.upstream) };
        let Connect { base, limits, ca_file, tls_pin } = &self.connect;
        let trust = client::Trust { ca_file: ca_file.as_deref(), pin: tls_pin.as_deref() };
        let limits = Limits { idle: total, total, ..limits.clone() };
        made(&self.patient, || Ok(self.upstream.through(client::client(base, &limits, trust)?)))
    }

    /// How long a report may take.
    pub(super) fn report_time(&self) -> Duration {
        self.connect.limits.olap
    }

    /// How far the server's clock is ahead of `now`, by the `Date` of its last answer; none when it sends no date.
    pub fn clock_ahead(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.upstream.clock_ahead(now)
    }

    /// Sends a request that needs no session, once.
    pub(super) async fn send_open(&self, request: &Request) -> Result<Answer, Trouble> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        self.upstream.send(request, None).await
    }

    /// Reads one answer to its end with `read`, retrying the whole of it where that may help.
    pub async fn read<T>(
        &self,
        request: &Request,
        read: impl AsyncFnMut(Answer) -> Result<T, Trouble>,
    ) -> Result<T> {
        let answer = self.read_if_known(request, read).await?;
        answer.map_err(|text| {
            Failure::new(
                Kind::Refused,
                format!("iiko {}: the server refuses the request (400): {text}", request.path),
            )
            .hint("the server may be older than this request; look at its version")
        })
    }

    /// Like [`Client::read`], but `Ok(Err(the server's words))` when it does not know what is asked (400).
    pub async fn read_if_known<T>(
        &self,
        request: &Request,
        read: impl AsyncFnMut(Answer) -> Result<T, Trouble>,
    ) -> Result<Result<T, String>> {
        let answer = self.read_unless(request, &[StatusCode::BAD_REQUEST], read).await?;
        Ok(answer.map_err(|(_, words)| words))
    }

    /// Like [`Client::read`], but `Ok(Err(status and the server's words))` when it answers with one of `statuses`.
    pub(super) async fn read_unless<T>(
        &self,
        request: &Request,
        statuses: &[StatusCode],
        mut read: impl AsyncFnMut(Answer) -> Result<T, Trouble>,
    ) -> Result<Result<T, (StatusCode, String)>> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        self.enter().await?;
        let sent = RefCell::new(None);
        let upstream = self.reading(request)?;
        upstream
            .patience
            .attempts(
                async || {
                    if self.leaving.get() {
                        // The caller is about to drop this: a request sent now would still be in flight at logout.
                        std::future::pending::<()>().await;
                    }
                    sent.borrow_mut().clone_from(&self.token.borrow());
                    let (request, secret) = self.signed(request);
                    let answer = upstream.send(&request, secret).await?;
                    if statuses.contains(&answer.status) && !answer.is_html() {
                        return Ok(Err((answer.status, answer.excerpt().await)));
                    }
                    let answer = self.check(answer, &request).await?;
                    read(answer).await.map(Ok)
                },
                async || {
                    tracing::info!("the iiko session is over; logging in once more");
                    self.forget(sent.borrow().as_ref());
                    self.enter().await
                },
            )
            .await
    }

    /// Logs out, if there is a session. A failure is only a warning: the token stays in the session file and the next
    /// run logs it out.
    pub async fn log_out(&self) {
        if let Err(failure) = self.try_log_out().await {
            tracing::warn!("could not log out of iiko, the next run will: {failure}");
        }
    }

    /// Logs out, if there is a session.
    pub async fn try_log_out(&self) -> Result<()> {
        let Some(token) = self.token.borrow_mut().take() else { return Ok(()) };
        self.end_session(&token).await?;
        self.file.write(&self.kept.borrow(), Login::None)
    }

    /// Asks for nothing more, and waits until no login is under way: whoever stops before that leaves a session that
    /// nobody can end.
    pub async fn leave(&self) {
        self.leaving.set(true);
        drop(self.asking.lock().await);
    }

    /// Makes sure that there is a session.
    async fn enter(&self) -> Result<()> {
        let _entrance = self.entrance.lock().await;
        if self.token.borrow().is_some() {
            return Ok(());
        }
        if let Some(failure) = self.refused.borrow().as_ref() {
            return Err(failure.again());
        }
        let left = self.file.read()?;
        self.unheard.set(left.login);
        if let Some(since) = left.login {
            tracing::warn!(
                "the answer to the iiko login of {} got lost; if that login opened a session, nobody can end it, and it \
                 holds a licence slot for about an hour from then",
                since.format("%Y-%m-%d %H:%M UTC")
            );
        }
        let mut kept = Vec::new();
        for token in left.sessions {
            tracing::info!("ending the iiko session that was open before");
            // Whatever comes of it, the login below tells whether a slot is free.
            if let Err(failure) = self.end_session(&token).await {
                tracing::warn!(
                    "the iiko session that was open before did not end, so it may hold a licence slot: {failure}; the \
                     next run tries again"
                );
                kept.push(token);
            }
        }
        self.file.write(&kept, Login::Now)?;
        let token = self.log_in().await.inspect_err(|failure| {
            *self.refused.borrow_mut() = Some(failure.again());
        });
        if token.is_err() && !self.lost.get() {
            self.file.write(&kept, left.login.map_or(Login::None, Login::At))?;
        }
        let token = token?;
        *self.token.borrow_mut() = Some(token.clone());
        let sessions = kept.iter().cloned().chain([token]).collect::<Vec<_>>();
        self.kept.replace(kept);
        if let Err(failure) = self.file.write(&sessions, Login::None) {
            // A session that the next run could not end is not kept.
            *self.refused.borrow_mut() = Some(failure.again());
            self.log_out().await;
            return Err(failure);
        }
        Ok(())
    }

    /// A login that may have opened a session, whatever came back, is not sent again: another one would take another slot.
    fn lost(&self, trouble: Trouble, cause: &str) -> Trouble {
        self.lost.set(self.lost.get() || trouble.reached);
        trouble.unrepeatable(&format!(
            "{cause}the server may have opened a session that nobody can end; its licence slot frees itself after about \
             an hour; start this again"
        ))
    }

    async fn log_in(&self) -> Result<SecretString> {
        let form = vec![
            ("login".to_owned(), self.login.clone()),
            ("pass".to_owned(), self.password.expose_secret().to_owned()),
        ];
        let request = Request::post_form("auth", Accept::Text, form);
        let mut waits = self.upstream.patience.retries.licence_wait.iter();
        loop {
            let attempt = async || {
                let _asking = self.asking.lock().await;
                // On a connection that was kept, one that the server has closed looks like an answer that got lost.
                let sent = self.single_use()?.send(&request, None).await;
                let answer = sent.map_err(|trouble| self.lost(trouble, ""))?;
                let (status, is_html) = (answer.status, answer.is_html());
                if status == StatusCode::FORBIDDEN && !is_html {
                    return Ok(Err(answer.excerpt().await));
                }
                match self.token_in(answer, &request).await {
                    Ok(token) => Ok(Ok(token)),
                    Err(trouble) if is_refusal(status, is_html) => Err(trouble),
                    Err(mut trouble) => {
                        if status.is_server_error() {
                            // Whoever answered in the server's place, a later start may find it.
                            trouble.failure.kind = Kind::Unreachable;
                        }
                        Err(self.lost(trouble, cause(status, is_html)))
                    }
                }
            };
            match self.upstream.patience.attempts(attempt, async || Ok(())).await? {
                Ok(token) => return Ok(token),
                Err(text) => {
                    let refused =
                        Failure::new(Kind::Refused, format!("iiko refuses the login (403): {text}"));
                    let refused = refused.hint(if self.unheard.get().is_some() {
                        "a run was killed while it was logging in, or the answer to its login got lost, and its session may hold \
                         the licence slot, which frees itself after about an hour; start this again then"
                    } else {
                        "a licence slot frees itself after about an hour; end other sessions of this login, or raise the \
                         licence"
                    });
                    let Some(wait) = waits.next() else { return Err(refused) };
                    tracing::warn!("{refused}; trying again in {} s", wait.as_secs());
                    tokio::time::sleep(*wait).await;
                }
            }
        }
    }

    /// The token that a login's answer holds.
    async fn token_in(&self, answer: Answer, request: &Request) -> Result<SecretString, Trouble> {
        let answer = self.check(answer, request).await?;
        let label = answer.label.clone();
        token_of(&label, &answer.bytes(4096).await?)
    }

    /// Ends a session. A server that does not know it any more has ended it already.
    async fn end_session(&self, token: &SecretString) -> Result<()> {
        let mut request = Request::post_form("logout", Accept::Text, Vec::new());
        let secret = match self.token_in {
            TokenIn::Cookie => Some((COOKIE, cookie(token))),
            TokenIn::Query => {
                request = request.query([("key", token.expose_secret())]);
                None
            }
        };
        let send = self.upstream.send(&request, secret);
        let answer = match tokio::time::timeout(Duration::from_secs(10), send).await {
            Ok(answer) => answer.map_err(|trouble| trouble.failure)?,
            Err(_) => return Err(Failure::new(Kind::Unreachable, "iiko logout: no answer within 10 s")),
        };
        // A page is a proxy's or a restarting server's: the session may still be open.
        let is_over = answer.status.is_success() || answer.status == StatusCode::UNAUTHORIZED;
        if is_over && !answer.is_html() {
            return Ok(());
        }
        let text = format!("iiko logout: status {}: {}", answer.status.as_u16(), answer.excerpt().await);
        Err(Failure::new(Kind::Refused, text))
    }

    /// Forgets a token that the server does not take any more, unless another request has got a new one meanwhile.
    fn forget(&self, sent: Option<&SecretString>) {
        let mut token = self.token.borrow_mut();
        let is_same = match (token.as_ref(), sent) {
            (Some(token), Some(sent)) => token.expose_secret() == sent.expose_secret(),
            _ => false,
        };
        if is_same {
            token.take();
        }
    }

    /// The request with the token where this server wants it.
    fn signed(&self, request: &Request) -> (Request, Option<(reqwest::header::HeaderName, HeaderValue)>) {
        let token = self.token.borrow();
        let Some(token) = token.as_ref() else { return (request.clone(), None) };
        match self.token_in {
            TokenIn::Cookie => (request.clone(), Some((COOKIE, cookie(token)))),
            TokenIn::Query => (request.clone().query([("key", token.expose_secret())]), None),
        }
    }

    /// Turns every status but success into a failure.
    async fn check(&self, answer: Answer, request: &Request) -> Result<Answer, Trouble> {
        let status = answer.status;
        if status.is_success() {
            self.upstream.expect(&answer, request)?;
            return Ok(answer);
        }
        let label = answer.label.clone();
        if answer.is_html() {
            let text = format!("{label}: status {} with an HTML page, which is not iiko's", status.as_u16());
            return Err(Trouble::transient(Failure::new(Kind::InvalidAnswer, text).hint(
                "this request changed nothing; check IIKO_BASE_URL: a proxy, a wrong port or a restarting server answers so",
            )));
        }
        let retry_after = answer.retry_after();
        let words = answer.excerpt().await;
        Err(match status.as_u16() {
            401 if request.path == "auth" => Trouble::fatal(
                Failure::new(Kind::Refused, format!("iiko refuses the login (401): {words}")).hint(
                    "check IIKO_LOGIN and IIKO_PASSWORD; a server that is just starting answers so, too",
                ),
            ),
            401 => Trouble {
                failure: Failure::new(
                    Kind::Refused,
                    format!("{label}: the session is refused again (401): {words}"),
                )
                .hint("another program may be using the same login"),
                retry: Retry::LogIn,
                reached: true,
            },
            403 => Trouble::fatal(
                Failure::new(Kind::Refused, format!("{label}: permission denied (403): {words}"))
                    .hint("give the iiko user the right that the message names (products need B_EN)"),
            ),
            409 => Trouble::fatal(Failure::new(Kind::Refused, format!("{label}: refused (409): {words}")).hint(
                "the words are the server's own; put right what they name (a right, a date, a store), then start this \
                 again",
            )),
            429 | 500..=599 => Trouble {
                failure: Failure::new(
                    Kind::Unreachable,
                    format!("{label}: status {}: {words}", status.as_u16()),
                )
                .hint("this request changed nothing; the server is overloaded or restarting, start this again later"),
                retry: retry_after.map_or(Retry::Yes, Retry::After),
                reached: true,
            },
            300..=399 => Trouble::fatal(
                Failure::new(Kind::Refused, format!("{label}: the server redirects, which is not followed"))
                    .hint("set IIKO_BASE_URL to the address that it redirects to"),
            ),
            code => Trouble::fatal(
                Failure::new(Kind::Refused, format!("{label}: status {code}: {words}"))
                    .hint("check IIKO_BASE_URL and the server's version"),
            ),
        })
    }
}

/// What the cell holds, made on first use.
fn made<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

/// Whether an answer that is no success proves that iiko has not done what it was asked to do. A page is not iiko's:
/// whoever answers so may have passed the request on.
fn is_refusal(status: StatusCode, is_html: bool) -> bool {
    !is_html && (status.is_client_error() || has_no_room(status))
}

/// Whether iiko says in its own words that it had no room for a request, and so has not begun with it.
fn has_no_room(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 503)
}

/// What to look at where a login's answer is not iiko's.
fn cause(status: StatusCode, is_html: bool) -> &'static str {
    if status.is_redirection() {
        "set IIKO_BASE_URL to the address that it redirects to; "
    } else if is_html || status.is_success() {
        "check IIKO_BASE_URL: a proxy, a wrong port or a restarting server answers so; "
    } else {
        ""
    }
}

fn cookie(token: &SecretString) -> HeaderValue {
    HeaderValue::from_str(&format!("key={}", token.expose_secret()))
        .expect("tokens are checked to be visible ASCII")
}

/// A token is a short visible text; a page or an essay in its place is not iiko's answer.
fn token_of(label: &str, body: &[u8]) -> Result<SecretString, Trouble> {
    let text = String::from_utf8_lossy(body);
    let token = text.trim_start_matches('\u{feff}').trim().trim_matches('"');
    if is_plausible(token) {
        redact::remember_passing(token);
        return Ok(token.into());
    }
    Err(Trouble::fatal(
        Failure::new(Kind::InvalidAnswer, format!("{label}: the answer is not a session token"))
            .hint("check IIKO_BASE_URL: a proxy or another program may be answering there"),
    ))
}

/// Whether a text can be a token, and so can travel in a cookie.
pub(super) fn is_plausible(token: &str) -> bool {
    (10..=200).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b';' | b',' | b'"'))
}
