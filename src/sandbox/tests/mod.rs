//! The sandbox as a client sees it: bytes on a socket.

mod cloud;
mod documents;
mod faults;
mod google;
mod olap;
mod rules;
mod telegram;

use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

/// An answer taken apart.
#[derive(Debug, Clone, Default)]
struct Seen {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether as many bytes came as the head declared; true without a declaration.
    complete: bool,
}

impl Seen {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// How many records a JSON list or envelope holds.
    fn len(&self) -> usize {
        let value = self.json();
        value.as_array().or_else(|| value["items"].as_array()).expect("a list").len()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Sends raw bytes and reads until the server closes.
async fn raw(sandbox: &Sandbox, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(sandbox.addr()).await.expect("a listening sandbox");
    stream.write_all(request.as_bytes()).await.expect("an open connection");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the end of the answer");
    answer
}

/// A request on a connection of its own.
async fn ask(sandbox: &Sandbox, method: &str, target: &str, headers: &str, body: &str) -> Seen {
    let length = body.len();
    let form = if body.is_empty() || headers.contains("Content-Type") {
        ""
    } else {
        "Content-Type: application/x-www-form-urlencoded\r\n"
    };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{form}{headers}\r\n{body}"
    );
    let bytes = raw(sandbox, &request).await;
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Seen { body: bytes, ..Seen::default() };
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or_default();
    let mut seen = Seen { status, head, body: bytes[end + 4..].to_vec(), complete: true };
    seen.complete = seen.header("content-length").is_none_or(|length| length == seen.body.len().to_string());
    seen
}

async fn get(sandbox: &Sandbox, target: &str) -> Seen {
    ask(sandbox, "GET", target, "", "").await
}

/// Logs in as the options say and gives the token.
async fn login(sandbox: &Sandbox) -> String {
    let seen = try_login(sandbox, "demo", "demo").await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    seen.text()
}

async fn try_login(sandbox: &Sandbox, login: &str, password: &str) -> Seen {
    let body = format!("login={login}&pass={}", hex::encode(Sha1::digest(password)));
    ask(sandbox, "POST", "/resto/api/auth", "", &body).await
}

/// A GET of the iiko server with the token as a cookie.
async fn iiko(sandbox: &Sandbox, token: &str, target: &str) -> Seen {
    ask(sandbox, "GET", &format!("/resto/api/{target}"), &format!("Cookie: key={token}\r\n"), "").await
}

/// A POST of JSON to the iiko server.
async fn post(sandbox: &Sandbox, token: &str, target: &str, body: &str) -> Seen {
    let headers = format!("Cookie: key={token}\r\nContent-Type: application/json\r\n");
    ask(sandbox, "POST", &format!("/resto/api/{target}"), &headers, body).await
}

/// A GET of FinTablo with the right token.
async fn fintablo(sandbox: &Sandbox, target: &str) -> Seen {
    ask(sandbox, "GET", &format!("/v1/{target}"), "Authorization: Bearer demo-token\r\n", "").await
}

async fn sandbox() -> Sandbox {
    Sandbox::start(Options::default()).await.expect("a sandbox on a free port")
}

/// A sandbox and a session on it.
async fn session() -> (Sandbox, String) {
    let sandbox = sandbox().await;
    let token = login(&sandbox).await;
    (sandbox, token)
}
