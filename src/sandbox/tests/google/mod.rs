//! Google's side as a client sees it.

mod access;
mod batch;
mod paint;
mod values;

use base64::{
    Engine,
    prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::json;

use super::*;

const SPREADSHEETS: &str = "https://www.googleapis.com/auth/spreadsheets";
const SHEET: &str = "/google/v4/spreadsheets/sandbox-sheet";

/// A sandbox without a quota worth speaking of and a token to write.
struct Desk {
    sandbox: Sandbox,
    token: String,
}

impl Desk {
    async fn new() -> Self {
        let options = Options { google_reads: 10_000, google_writes: 10_000, ..Options::default() };
        let sandbox = Sandbox::start(options).await.expect("a sandbox on a free port");
        let token = token(&sandbox, SPREADSHEETS).await;
        Self { sandbox, token }
    }

    async fn ask(&self, method: &str, target: &str, body: &Value) -> Seen {
        call(&self.sandbox, &self.token, method, target, body).await
    }

    /// A request to the default spreadsheet that must succeed.
    async fn good(&self, method: &str, target: &str, body: Value) -> Value {
        let seen = self.ask(method, &format!("{SHEET}{target}"), &body).await;
        assert_eq!(seen.status, 200, "{}", seen.text());
        seen.json()
    }

    /// A request to the default spreadsheet that must be refused with 400; gives the sentence.
    async fn bad(&self, method: &str, target: &str, body: Value) -> String {
        let seen = self.ask(method, &format!("{SHEET}{target}"), &body).await;
        let error = seen.json()["error"].clone();
        assert_eq!((seen.status, &error["code"]), (400, &json!(400)), "{}", seen.text());
        assert_eq!(error["status"], "INVALID_ARGUMENT");
        error["message"].as_str().expect("a sentence").to_owned()
    }

    /// `batchUpdate`, which must succeed; gives the replies.
    async fn batch(&self, requests: Value) -> Value {
        self.good("POST", ":batchUpdate", json!({"requests": requests})).await["replies"].clone()
    }

    /// `batchUpdate`, which must be refused.
    async fn refused(&self, requests: Value) -> String {
        self.bad("POST", ":batchUpdate", json!({"requests": requests})).await
    }

    /// Looks at the default tab.
    fn look<T>(&self, look: impl FnOnce(&mut Hands<'_>) -> T) -> T {
        self.sandbox.edit(|world| look(&mut world.google.sheet("sandbox-sheet").tab("Лист1")))
    }

    /// Fills the default tab from A1 on.
    async fn fill(&self, rows: Value) {
        let body = json!({"valueInputOption": "RAW", "data": [{"range": "A1", "values": rows}]});
        self.good("POST", "/values:batchUpdate", body).await;
    }

    /// What the default tab holds.
    fn rows(&self) -> Value {
        json!(self.look(|tab| tab.rows()))
    }
}

/// A request with a bearer token, and a JSON body if it is not null.
async fn call(sandbox: &Sandbox, token: &str, method: &str, target: &str, body: &Value) -> Seen {
    let headers = format!("Authorization: Bearer {token}\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(sandbox, method, target, &headers, &body).await
}

/// The claims that a client signs.
fn claims(sandbox: &Sandbox, scope: &str) -> Value {
    let file: Value = serde_json::from_str(&sandbox.google_credentials()).expect("a JSON file");
    let now = crate::sandbox::world::now().timestamp();
    json!({"iss": file["client_email"], "aud": file["token_uri"], "scope": scope, "iat": now, "exp": now + 3595})
}

/// An assertion as yup-oauth2 makes it: base64 with padding.
fn signed(sandbox: &Sandbox, claims: &Value) -> String {
    signed_in(sandbox, claims, &BASE64_URL_SAFE)
}

fn signed_in(sandbox: &Sandbox, claims: &Value, base64: &impl Engine) -> String {
    let file: Value = serde_json::from_str(&sandbox.google_credentials()).expect("a JSON file");
    let key = PrivatePkcs8KeyDer::from_pem_slice(file["private_key"].as_str().unwrap().as_bytes()).unwrap();
    let key: RsaKeyPair = KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut text = base64.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    text.push('.');
    text.push_str(&base64.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    text.push('.');
    text.push_str(&base64.encode(signature));
    text
}

/// Asks for a token with an assertion.
async fn grant(sandbox: &Sandbox, assertion: &str) -> Seen {
    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
        assertion.replace('=', "%3D")
    );
    ask(sandbox, "POST", "/google/token", "", &body).await
}

/// A token for a scope.
async fn token(sandbox: &Sandbox, scope: &str) -> String {
    let seen = grant(sandbox, &signed(sandbox, &claims(sandbox, scope))).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    seen.json()["access_token"].as_str().expect("a token").to_owned()
}
