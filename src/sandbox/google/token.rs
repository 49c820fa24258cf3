//! The token endpoint: a signed assertion of the service account for an access token (RFC 7523, as Google takes
//! it from service accounts).

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::{
    rsa::KeyPair,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sandbox::{wire::Reply, world::now};

/// The address of the service account.
pub(super) const EMAIL: &str = "zerkalo@sandbox.iam.gserviceaccount.com";
/// Its key, which is no secret: the sandbox listens on loopback only and keeps nothing.
const KEY: &str = include_str!("throw-away-key.pem");
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The audience that Google's own libraries always name, whatever endpoint the file of the account has.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
/// How far the clocks may be apart, and how long an assertion may live, in seconds.
const SKEW: i64 = 300;
const LONGEST: i64 = 3600;

/// Base64 for web addresses; Google takes it with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// Spreadsheets, to read and write.
    Write,
    /// Spreadsheets, to read.
    Read,
    /// Other things only.
    Nothing,
}

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(super) struct Tokens(HashMap<String, (Grant, Instant)>);

impl Tokens {
    /// What a bearer allows; none if it is unknown or has expired.
    pub(super) fn grant(&self, token: &str) -> Option<Grant> {
        let (grant, until) = self.0.get(token)?;
        (Instant::now() < *until).then_some(*grant)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Answers a token request, whose token lives for `life`; `url` is the endpoint's own.
    pub(super) fn answer(&mut self, form: &[(String, String)], url: &str, life: Duration) -> Reply {
        match granted(form, url) {
            Ok(grant) => {
                let token = format!("ya29.sandbox-{}", Uuid::now_v7().simple());
                self.0.insert(token.clone(), (grant, Instant::now() + life));
                let body =
                    json!({"access_token": token, "expires_in": life.as_secs(), "token_type": "Bearer"});
                Reply::new(200, "application/json; charset=utf-8", body.to_string())
            }
            Err((error, description)) => {
                let body = json!({"error": error, "error_description": description});
                Reply::new(400, "application/json; charset=utf-8", body.to_string())
            }
        }
    }
}

/// The name of an error and its description.
type Denial = (&'static str, String);

/// What a request is granted.
fn granted(form: &[(String, String)], url: &str) -> Result<Grant, Denial> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if field("grant_type") != Some(GRANT) {
        return Err(("unsupported_grant_type", "Invalid grant_type".to_owned()));
    }
    let claims = claims(field("assertion").unwrap_or_default())?;
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let invalid = |description: &str| Err(("invalid_grant", description.to_owned()));
    if text("iss") != EMAIL {
        return invalid("Invalid grant: account not found");
    }
    if text("aud") != url && text("aud") != AUDIENCE {
        return invalid("Invalid JWT: Failed audience check. The right audience is the token endpoint.");
    }
    let (Some(issued), Some(expires)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
        return invalid("Invalid JWT: iat and exp are needed");
    };
    let now = now().timestamp();
    if issued > now + SKEW || expires < now || expires - issued > LONGEST || expires <= issued {
        return invalid(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check \
             your iat and exp values in the JWT claim.",
        );
    }
    let scopes: Vec<_> = text("scope").split_whitespace().collect();
    let known = |name: &&str| name.starts_with("https://www.googleapis.com/auth/");
    if scopes.is_empty() || !scopes.iter().all(known) {
        return Err(("invalid_scope", "Invalid OAuth scope or ID token audience provided.".to_owned()));
    }
    let has = |name: &str| scopes.iter().any(|scope| scope.ends_with(name));
    Ok(if has("/auth/spreadsheets") {
        Grant::Write
    } else if has("/auth/spreadsheets.readonly") {
        Grant::Read
    } else {
        Grant::Nothing
    })
}

/// The claims of an assertion that the account's key signed.
fn claims(assertion: &str) -> Result<Value, Denial> {
    let bad = || ("invalid_grant", "Bad Request".to_owned());
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(bad)?;
    let (head, payload) = signed.split_once('.').ok_or_else(bad)?;
    let decode = |text: &str| BASE64.decode(text).map_err(|_| bad());
    let json = |text: &str| serde_json::from_slice::<Value>(&decode(text)?).map_err(|_| bad());
    if json(head)?["alg"] != "RS256" {
        return Err(bad());
    }
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).expect("the file is a key");
    let key = KeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("the key is whole");
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    if key.verify(signed.as_bytes(), &decode(signature)?).is_err() {
        return Err(("invalid_grant", "Invalid JWT Signature.".to_owned()));
    }
    json(payload)
}

/// The service account's file; `url` is the token endpoint.
pub(super) fn credentials(url: &str) -> String {
    let key = &KEY[KEY.find("-----BEGIN").unwrap_or_default()..];
    let file = json!({
        "type": "service_account",
        "project_id": "sandbox",
        "private_key_id": "throw-away",
        "private_key": key,
        "client_email": EMAIL,
        "client_id": "1",
        "auth_uri": url,
        "token_uri": url,
    });
    format!("{file:#}\n")
}
