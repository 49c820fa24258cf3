//! Requests to iikoCloud (iikoTransport) and the form of its answers, after its public OpenAPI descriptions.
//!
//! Every method is a POST with a JSON body. Those that are asked here only read, and a token costs nothing and is not
//! counted, so all of them go through the retries of reads.

use crate::{
    config::Config,
    engine::{bounds, repair},
    error::{Failure, Kind, Result, quote},
    http::{Accept, Answer, Budget, Request, Retry, Trouble, Upstream, client},
    redact,
};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use uuid::Uuid;

/// The longest answer that is read, in bytes: some 70,000 items of a stop-list.
const LONGEST: u64 = 16 << 20;
/// The most values in it.
const MAX_NODES: usize = 500_000;

/// A client of iikoCloud.
#[derive(Debug)]
pub struct Client {
    upstream: Upstream,
    login: Login,
    /// The token, in memory for this run only.
    token: RefCell<Option<SecretString>>,
}

/// How a token is asked for.
#[derive(Debug)]
enum Login {
    /// `/api/1/access_token`, deprecated.
    ApiLogin(SecretString),
    /// `/api/v2/access_token`.
    ApiKey { key: SecretString, app: String, secret: SecretString },
}

/// The answer of `access_token`.
#[derive(Deserialize)]
struct Token {
    token: String,
}

/// The answer of `organizations`.
#[derive(Debug, Deserialize)]
pub(super) struct Organizations {
    pub(super) organizations: Vec<Organization>,
}

/// An organization; iikoCloud's id is not that of the department on the iiko server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Organization {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Option<String>,
}

/// The answer of `terminal_groups`.
#[derive(Debug, Deserialize)]
pub(super) struct TerminalGroups {
    #[serde(rename = "terminalGroups")]
    pub(super) awake: Vec<OfOrganization<TerminalGroup>>,
    #[serde(rename = "terminalGroupsInSleep", default)]
    pub(super) asleep: Option<Vec<OfOrganization<TerminalGroup>>>,
}

/// What belongs to an organization.
#[derive(Debug, Deserialize)]
pub(super) struct OfOrganization<T> {
    #[serde(rename = "organizationId")]
    pub(super) organization_id: Uuid,
    pub(super) items: Vec<T>,
}

/// A terminal group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct TerminalGroup {
    pub(super) id: Uuid,
    #[serde(rename = "organizationId")]
    pub(super) organization_id: Option<Uuid>,
    pub(super) name: Option<String>,
}

/// The answer of `stop_lists`.
#[derive(Debug, Deserialize)]
pub(super) struct StopLists {
    #[serde(rename = "terminalGroupStopLists")]
    pub(super) lists: Vec<OrganizationList>,
}

/// What it says of an organization. The items are the stop-lists of its terminal groups; clients have seen the items of
/// stop-lists there, and the terminal group beside the organization.
#[derive(Debug, Deserialize)]
pub(super) struct OrganizationList {
    #[serde(rename = "organizationId")]
    pub(super) organization_id: Uuid,
    #[serde(rename = "terminalGroupId")]
    pub(super) terminal_group_id: Option<Uuid>,
    pub(super) items: Vec<Box<RawValue>>,
}

/// What every answer carries, good or bad. It is iiko's support that asks for the id.
#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(rename = "correlationId")]
    correlation_id: Option<String>,
    #[serde(rename = "errorDescription")]
    description: Option<String>,
    error: Option<String>,
}

impl Client {
    /// A client with the configured login. Fails when it is missing or only half of it is there.
    pub fn new(config: &Config, budget: Budget) -> Result<Self> {
        let cloud = &config.iiko_cloud;
        if let Some(refusal) = cloud.refusal() {
            return Err(refusal);
        }
        let newer = (cloud.api_key.clone(), cloud.app_id.clone(), cloud.client_secret.clone());
        let login = match (newer, cloud.api_login.clone()) {
            ((Some(key), Some(app), Some(secret)), _) => Login::ApiKey { key, app, secret },
            (_, Some(login)) => Login::ApiLogin(login),
            _ => unreachable!("what is missing was said above"),
        };
        let base = cloud.base_url.clone();
        let http = client::client(&base, &config.limits, client::Trust::default())?;
        let upstream = Upstream::new("iikoCloud", base, http, &config.limits, config.retries.clone(), budget);
        Ok(Self { upstream, login, token: RefCell::default() })
    }

    /// Who asks, without the secret itself: what the settings name, as a short digest.
    pub fn identity(&self) -> String {
        let (word, secret) = match &self.login {
            Login::ApiLogin(login) => ("login", login.expose_secret()),
            Login::ApiKey { key, .. } => ("key", key.expose_secret()),
        };
        let place = self.upstream.base();
        let place = place.split_once("://").map_or(place, |(_, place)| place).to_lowercase();
        format!("{place} {word} {}", &hex::encode(Sha256::digest(secret.as_bytes()))[..8])
    }

    /// Asks a method that only reads, and understands its whole answer. With it its correlation id, as text to append to a
    /// message.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(T, String)> {
        if self.token.borrow().is_none() {
            self.log_in().await?;
        }
        let request = Request::post_json(path, Accept::Json, body.to_string()).max_answer(LONGEST);
        let attempt = async || {
            let answer = self.upstream.send(&request, Some((AUTHORIZATION, self.bearer()?))).await?;
            self.understand(answer, &request, Retry::LogIn).await
        };
        self.upstream.patience.attempts(attempt, async || self.log_in().await).await
    }

    /// Asks for a token.
    async fn log_in(&self) -> Result<()> {
        let (path, body) = match &self.login {
            Login::ApiLogin(login) => ("api/1/access_token", json!({ "apiLogin": login.expose_secret() })),
            Login::ApiKey { key, app, secret } => (
                "api/v2/access_token",
                json!({ "apiKey": key.expose_secret(), "appId": app, "clientSecret": secret.expose_secret() }),
            ),
        };
        let request = Request::post_json(path, Accept::Json, body.to_string()).max_answer(1 << 20);
        let attempt = async || {
            let answer = self.upstream.send(&request, None).await?;
            let (answer, _): (Token, _) = self.understand(answer, &request, Retry::No).await?;
            Ok(SecretString::from(answer.token))
        };
        let token = self.upstream.patience.attempts(attempt, async || Ok(())).await?;
        redact::remember_passing(token.expose_secret());
        *self.token.borrow_mut() = Some(token);
        Ok(())
    }

    fn bearer(&self) -> Result<HeaderValue> {
        let token = self.token.borrow();
        let token = token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| usable).ok_or_else(|| {
            Failure::new(Kind::InvalidAnswer, "iikoCloud: the token is no token")
                .hint("check IIKO_CLOUD_BASE_URL: another program may be answering there")
        })
    }

    /// Reads a good answer to its end; turns any other into what it means. `unauthorized` is what to do about a 401.
    async fn understand<T: DeserializeOwned>(
        &self,
        answer: Answer,
        request: &Request,
        unauthorized: Retry,
    ) -> Result<(T, String), Trouble> {
        if !answer.status.is_success() {
            return Err(refusal(answer, unauthorized).await);
        }
        self.upstream.expect(&answer, request)?;
        let label = answer.label.clone();
        let body = answer.bytes(usize::MAX).await?;
        if !bounds::has_at_most(MAX_NODES, &body) {
            let text = format!("{label}: the answer holds more than {MAX_NODES} values");
            let failure = Failure::new(Kind::InvalidAnswer, text);
            return Err(Trouble::fatal(failure.hint("nothing was changed; look at IIKO_CLOUD_BASE_URL")));
        }
        // One document, read as a whole: what is no character in it becomes U+FFFD, and what is no JSON refuses it all.
        let body = repair::mended(&body).unwrap_or(body);
        let envelope: Envelope = serde_json::from_slice(&body).unwrap_or_default();
        let understood = serde_json::from_slice(&body).map_err(|error| {
            // serde's own words may quote the answer, and with it a token.
            let what = if error.is_data() {
                "the answer has another form than iikoCloud's"
            } else {
                "the answer is no whole JSON"
            };
            let failure = Failure::new(Kind::InvalidAnswer, format!("{label}: {what}{}", envelope.id()))
                .hint(
                    "nothing was changed; start this again, and if it stays so, look at IIKO_CLOUD_BASE_URL",
                );
            if error.is_eof() { Trouble::transient(failure) } else { Trouble::fatal(failure) }
        })?;
        Ok((understood, envelope.id()))
    }
}

/// What an answer that is not good means.
async fn refusal(answer: Answer, unauthorized: Retry) -> Trouble {
    let (label, status) = (answer.label.clone(), answer.status.as_u16());
    let (is_html, retry_after) = (answer.is_html(), answer.retry_after());
    let body = answer.bytes(1 << 16).await.unwrap_or_default();
    let text = match serde_json::from_slice::<Envelope>(&body) {
        Ok(envelope) => envelope.words(),
        Err(_) => quote(&String::from_utf8_lossy(&body[..body.len().min(4096)]), 200),
    };
    let failure =
        |kind, hint: &str| Failure::new(kind, format!("{label}: status {status}: {text}")).hint(hint);
    match status {
        401 => {
            let hint = "check IIKO_CLOUD_API_KEY or IIKO_CLOUD_API_LOGIN: iikoWeb shows them, and which organizations they may see";
            Trouble { failure: failure(Kind::Refused, hint), retry: unauthorized, reached: true }
        }
        408 | 429 | 500..=599 => Trouble {
            failure: failure(Kind::Unreachable, "nothing was changed; start this again later"),
            retry: retry_after.map_or(Retry::Yes, Retry::After),
            reached: true,
        },
        _ if is_html => Trouble::transient(failure(Kind::InvalidAnswer, "check IIKO_CLOUD_BASE_URL")),
        _ => Trouble::fatal(failure(
            Kind::Refused,
            "nothing was changed; check the rights of the API key or login, and IIKO_CLOUD_ORG_ID",
        )),
    }
}

impl Envelope {
    /// ` (correlationId …)`, where there is one.
    fn id(&self) -> String {
        let id = self.correlation_id.as_deref().map(|id| format!(" (correlationId {})", quote(id, 60)));
        id.unwrap_or_default()
    }

    /// iikoCloud's words about an error.
    fn words(&self) -> String {
        let code = self.error.as_deref().filter(|code| !code.is_empty());
        let words = [self.description.as_deref(), code].into_iter().flatten();
        let words: Vec<String> = words.map(|words| quote(words, 200)).collect();
        let words = if words.is_empty() { "no reason".to_owned() } else { words.join(": ") };
        words + &self.id()
    }
}
