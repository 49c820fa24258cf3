//! Access tokens: Google's token endpoint gives one for an assertion that the service account's key has signed (RFC 7523,
//! "Using OAuth 2.0 for Server to Server Applications"). It is asked like every other upstream.

use super::{
    account::Account,
    refusal::{Asker, Cause, Refusal},
};
use crate::{
    clock::Clock,
    config::Config,
    error::{Failure, Kind, Result},
    http::{Accept, Budget, Request, Trouble, Upstream, client},
    redact,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use google_sheets4::api::Scope;
use reqwest::header::HeaderValue;
use rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::Signer,
};
use serde::Deserialize;
use serde_json::json;
use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// The one scope: reading and writing spreadsheets, no other file. Each further scope would be a further token.
const SCOPE: Scope = Scope::Spreadsheet;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// For how long an assertion asks for a token, in seconds: an hour is the most that Google allows.
const LIFE: i64 = 3600 - 5;
/// A token that ends sooner than this is not used any more.
const MARGIN: Duration = Duration::from_mins(1);
/// A token's answer has about a kilobyte.
const LONGEST: usize = 64 << 10;

/// The tokens of one service account.
pub(super) struct Tokens {
    upstream: Upstream,
    path: String,
    key: Account,
    signer: Box<dyn Signer>,
    clock: Clock,
    quota_wait: Duration,
    current: RefCell<Option<Token>>,
}

struct Token {
    bearer: HeaderValue,
    until: Instant,
}

impl Tokens {
    /// The tokens of the account with this key. Fails when the key cannot sign.
    pub(super) fn new(key: Account, config: &Config, budget: Budget) -> Result<Self> {
        let signer = signer(&key.private_key).ok_or_else(|| {
            Failure::new(Kind::Usage, "GOOGLE_SHEETS_CREDENTIALS: the private key cannot be used")
                .hint("make a new key for the service account in the Google Cloud console")
        })?;
        let (base, path) = split(&key.token_uri);
        let http = client::client(base, &config.limits, client::Trust::default())?;
        let retries = config.retries.clone();
        Ok(Self {
            upstream: Upstream::new("Google", base.to_owned(), http, &config.limits, retries, budget),
            path: path.to_owned(),
            key,
            signer,
            clock: Clock::system(config.timezone),
            quota_wait: config.google.quota_wait,
            current: RefCell::default(),
        })
    }

    /// The e-mail address of the account.
    pub(super) fn account(&self) -> &str {
        &self.key.client_email
    }

    /// The header with the token, which is asked for where there is none that lasts.
    pub(super) async fn bearer(&self) -> Result<HeaderValue, Trouble> {
        if let Some(token) = self.current.borrow().as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.bearer.clone());
        }
        // Without a token Google does nothing, so whatever became of this request nothing was changed.
        let token = self.ask().await.map_err(|trouble| Trouble { reached: false, ..trouble })?;
        let bearer = token.bearer.clone();
        *self.current.borrow_mut() = Some(token);
        Ok(bearer)
    }

    /// Forgets a token that Google does not take any more.
    pub(super) fn forget(&self) {
        self.current.take();
    }

    /// Asks for a token once.
    async fn ask(&self) -> Result<Token, Trouble> {
        #[derive(Deserialize)]
        struct Given {
            access_token: String,
            expires_in: Option<u64>,
        }
        let form = [("grant_type", GRANT.to_owned()), ("assertion", self.assertion()?)];
        let form = form.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let request = Request::post_form(self.path.as_str(), Accept::Json, form).max_answer(LONGEST as u64);
        let asked = Instant::now();
        let answer = self.upstream.send(&request, None).await.map_err(super::api::of_google)?;
        if !answer.status.is_success() {
            return Err(self.refused(Refusal::read(answer).await));
        }
        self.upstream.expect(&answer, &request)?;
        let body = answer.bytes(LONGEST).await?;
        let given: Given = serde_json::from_slice(&body).map_err(|_| {
            Trouble::transient(
                Failure::new(
                    Kind::InvalidAnswer,
                    "Google's token endpoint: the answer is cut or not Google's",
                )
                .hint("check the network, then start this again"),
            )
        })?;
        let text = given.access_token.trim_end_matches('.');
        redact::remember_passing(text);
        let bearer = HeaderValue::from_str(&format!("Bearer {text}")).ok().filter(|_| !text.is_empty());
        let bearer = bearer.ok_or_else(|| Failure::new(Kind::Refused, "Google gives no token"))?;
        let life = Duration::from_secs(given.expires_in.unwrap_or(0)).saturating_sub(MARGIN);
        let until = asked.checked_add(life).unwrap_or(asked);
        Ok(Token { bearer, until })
    }

    fn refused(&self, refusal: Refusal) -> Trouble {
        let asker = Asker {
            account: self.account(),
            spreadsheet: "",
            quota_wait: self.quota_wait,
            clock_ahead: self.upstream.clock_ahead(self.clock.now()),
        };
        match refusal.cause {
            // A spreadsheet is not spoken of here.
            Cause::Denied | Cause::Missing | Cause::Token | Cause::Impossible | Cause::Other => {
                Trouble::fatal(
                    Failure::new(Kind::Refused, refusal.said())
                        .hint("check the service account and its key in the Google Cloud console"),
                )
            }
            _ => refusal.trouble(&asker),
        }
    }

    /// What the key signs: who asks for what, of whom, and until when.
    fn assertion(&self) -> Result<String> {
        let now = self.clock.now().timestamp();
        let claims = json!({
            "iss": self.key.client_email,
            "scope": SCOPE.as_ref(),
            "aud": self.key.token_uri,
            "iat": now,
            "exp": now + LIFE,
        });
        let head = json!({"alg": "RS256", "typ": "JWT"});
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{head}.{claims}");
        let signature = self.signer.sign(signed.as_bytes()).map_err(|error| {
            Failure::new(Kind::Usage, "GOOGLE_SHEETS_CREDENTIALS: the private key cannot sign").source(error)
        })?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        // Whoever has the claims lacks nothing but the signature.
        redact::remember_passing(&signature);
        let assertion = format!("{signed}.{signature}");
        redact::remember_passing(&assertion);
        Ok(assertion)
    }
}

fn signer(pem: &str) -> Option<Box<dyn Signer>> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    any_supported_type(&key).ok()?.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
}

/// The scheme and host of an address, and its path without the first slash.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |place| place + 3);
    match url[host..].find('/') {
        Some(slash) => (&url[..host + slash], &url[host + slash + 1..]),
        None => (url, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_asked_where_the_key_says() {
        for (url, expected) in [
            ("https://oauth2.googleapis.com/token", ("https://oauth2.googleapis.com", "token")),
            ("https://accounts.google.com/o/oauth2/token", ("https://accounts.google.com", "o/oauth2/token")),
            ("http://127.0.0.1:8080", ("http://127.0.0.1:8080", "")),
        ] {
            assert_eq!(split(url), expected);
        }
    }

    #[test]
    fn a_key_signs_in_either_of_its_forms() {
        let whole = include_str!("../../sandbox/google/throw-away-key.pem");
        assert!(signer(whole).is_some());
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(whole.as_bytes()).unwrap();
        // The key of PKCS #1 is what PKCS #8 wraps: behind the version and the algorithm, an octet string.
        let inner = &der.secret_pkcs8_der()[26..];
        let pem = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
            base64::engine::general_purpose::STANDARD.encode(inner)
        );
        assert!(signer(&pem).is_some());
        assert!(signer("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_none());
        assert!(signer("").is_none());
    }
}
