//! Google, the token endpoint included, is asked like every other upstream: its own reasons decide what is said and done,
//! its answers are bounded, what it repeats of our secrets is not shown, and a proxy sees only what it cannot read.

use super::{
    desk::Desk,
    harness::{Engine, Outcome, on_both},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};
use zerkalo::sandbox::{Action, Fault};

on_both!(
    googles_own_reasons_decide,
    what_passes_is_asked_again_whatever_its_status,
    a_token_endpoint_that_is_none_is_refused_in_bounds,
    what_was_used_at_run_time_is_not_shown,
    a_proxy_sees_only_what_it_cannot_read,
);

fn answer(code: u16, body: &Value) -> Action {
    Action::Status {
        code,
        content_type: "application/json; charset=UTF-8".to_owned(),
        body: body.to_string().into(),
        headers: Vec::new(),
    }
}

/// An error in the API's form, with a reason.
fn refusal(code: u16, status: &str, reason: &str, message: &str) -> Action {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    answer(code, &json!({"error": {"code": code, "message": message, "status": status, "details": details}}))
}

fn oauth(code: u16, error: &str, description: &str) -> Action {
    answer(code, &json!({"error": error, "error_description": description}))
}

/// Runs what asks Google once for a token and once for the tabs.
#[track_caller]
fn push(desk: &Desk, code: i32, what: &str) -> (String, String) {
    let outcome = desk.world.run(&["push-mapping"]);
    assert_eq!(outcome.code, Some(code), "{what}\n{}\n{}", outcome.stdout, outcome.stderr);
    let failed =
        outcome.json["steps"].as_array().into_iter().flatten().find(|step| step["error"].is_string());
    let told = failed.unwrap_or(&outcome.json);
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    (text("error"), text("hint"))
}

fn googles_own_reasons_decide(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let (api, token) = ("google/v4", "google/token");
    let enable = "it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/sheets?project=7 \
                  then retry.";
    for (on, action, code, says, hint) in [
        (
            api,
            refusal(403, "PERMISSION_DENIED", "SERVICE_DISABLED", enable),
            6,
            "the Google Sheets API is not enabled",
            "enable it at https://console.developers.google.com/apis/api/sheets?project=7, wait",
        ),
        (
            api,
            refusal(403, "PERMISSION_DENIED", "X", "no"),
            6,
            "may not use the spreadsheet",
            "share the sheet",
        ),
        (
            api,
            refusal(401, "UNAUTHENTICATED", "ACCOUNT_STATE_INVALID", "off"),
            6,
            "refuses the service account",
            "enable it",
        ),
        (
            api,
            refusal(403, "PERMISSION_DENIED", "CONSUMER_SUSPENDED", "bad"),
            6,
            "refuses the project",
            "billing",
        ),
        (
            token,
            oauth(400, "invalid_grant", "Invalid JWT Signature."),
            6,
            "Invalid JWT Signature",
            "make a new key",
        ),
        (
            token,
            oauth(
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe.",
            ),
            6,
            "refuses the service account",
            "this machine's clock is wrong",
        ),
        (
            token,
            oauth(401, "disabled_client", "The OAuth client was disabled."),
            6,
            "was disabled",
            "the account is disabled",
        ),
        (
            token,
            oauth(400, "invalid_grant", "Invalid grant: account not found"),
            6,
            "account not found",
            "deleted",
        ),
    ] {
        let what = format!("{on} {action:?}");
        desk.world.sandbox.clear_journal();
        desk.world.sandbox.fault(Fault::new(on, action).times(9));
        let (error, told) = push(&desk, code, &what);
        desk.world.sandbox.clear_faults();
        assert!(error.contains(says), "{what}: {error}");
        assert!(told.contains(hint), "{what}: {told}");
        let asked = desk.world.asked().into_iter().filter(|path| path.contains(on)).count();
        assert!(asked <= 1, "{what}: it would be refused again: {asked}");
    }
}

fn what_passes_is_asked_again_whatever_its_status(engine: Engine) {
    let desk = Desk::laid_out(engine);
    let (api, token) = ("google/v4", "google/token");
    for (on, action) in [
        (api, refusal(403, "PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED", "slowly")),
        (
            api,
            answer(
                403,
                &json!({"error": {"code": 403, "message": "x", "errors": [{"reason": "userRateLimitExceeded"}]}}),
            ),
        ),
        (api, refusal(400, "INTERNAL", "X", "Internal error encountered.")),
        (token, answer(500, &json!({"error": "internal_failure"}))),
        (token, answer(400, &json!({"error": "internal_failure"}))),
        (token, answer(403, &json!({"error": "rate_limit_exceeded"}))),
        (token, Action::Html),
        (token, Action::Close),
        (token, Action::Cut { at: 9 }),
    ] {
        let what = format!("{on} {action:?}");
        desk.world.sandbox.fault(Fault::new(on, action).times(2));
        push(&desk, 0, &what);
        assert_eq!(desk.world.sandbox.faults_waiting(), 0, "{what}");
    }
    desk.world.sandbox.fault(Fault::new(token, answer(500, &json!({"error": "internal_failure"}))).times(9));
    let (error, hint) = push(&desk, 5, "it does not pass");
    assert!(error.contains("internal_failure") && hint.contains("Google has a problem"), "{error}: {hint}");
}

fn a_token_endpoint_that_is_none_is_refused_in_bounds(engine: Engine) {
    let mut desk = Desk::laid_out(engine);
    let body = |content_type: &str, body: String| Action::Body {
        content_type: content_type.to_owned(),
        body: body.into(),
    };
    let long = json!({"access_token": "x".repeat(8 << 20), "expires_in": 3600}).to_string();
    let good = json!({"access_token": "ya29.c4n4ry-whatever", "expires_in": 3600}).to_string();
    for (action, code, says) in [
        (body("application/json", long), 7, "token: the answer is longer than allowed"),
        (body("image/png", good), 7, "the answer is image/png"),
        (body("application/json", "[]".to_owned()), 7, "cut or not Google's"),
        (Action::Redirect { location: "http://127.0.0.1:1/".to_owned(), code: 307 }, 7, "not Google's"),
    ] {
        desk.world.sandbox.fault(Fault::new("google/token", action).times(9));
        let (error, _) = push(&desk, code, says);
        desk.world.sandbox.clear_faults();
        assert!(error.contains(says), "{error}");
    }
    desk.world.set("ZERKALO_TOTAL_TIMEOUT", "1");
    desk.world.set("ZERKALO_RETRY_DELAYS", "0");
    desk.world.sandbox.fault(Fault::new("google/token", Action::Slow { delay_ms: 60_000 }).times(2));
    let (error, _) = push(&desk, 5, "silence");
    let place = desk.world.sandbox.google_url().trim_start_matches("http://").to_owned();
    let place = place.split('/').next().unwrap();
    assert!(error.contains(&format!("does not answer in time ({place})")), "{error}");
}

/// Listens on loopback and answers each request, given its head and its body.
fn serve(answer: impl Fn(&str, &str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that goes away is no trouble of this server's.
            let _ = serve_one(&stream, &answer);
        }
    });
    port
}

fn serve_one(mut stream: &TcpStream, answer: &impl Fn(&str, &str) -> String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    stream.write_all(answer(&head, &String::from_utf8_lossy(&body)).as_bytes())
}

fn http(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn what_was_used_at_run_time_is_not_shown(engine: Engine) {
    const TOKEN: &str = "ya29.c4n4ry-access/token+of_Google";
    let mut desk = Desk::laid_out(engine);
    let seen = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&seen);
    // It gives a token the first time and refuses the assertion later, and repeats what it was sent.
    let port = serve(move |head, body| {
        let repeated = format!("{head} {body}");
        if head.starts_with("POST /token") {
            let form = body.rsplit("assertion=").next().unwrap_or_default().to_owned();
            let is_first = noted.lock().unwrap().is_empty();
            *noted.lock().unwrap() = form.clone();
            if is_first {
                return http(
                    "200 OK",
                    &json!({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}),
                );
            }
            let signature = form.rsplit('.').next().unwrap_or_default();
            let description = format!("&{signature} {body}");
            return http(
                "400 Bad Request",
                &json!({"error": "invalid_grant", "error_description": description}),
            );
        }
        http(
            "403 Forbidden",
            &json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": repeated}}),
        )
    });
    let sandbox = desk.world.sandbox.google_url();
    let token = desk.world.sandbox.google_credentials();
    let mut key: Value = serde_json::from_str(&token).unwrap();
    key["token_uri"] = json!(format!("http://127.0.0.1:{port}/token"));
    desk.world.set("GOOGLE_SHEETS_CREDENTIALS", key.to_string());
    desk.world.set("GOOGLE_SHEETS_BASE_URL", format!("http://127.0.0.1:{port}"));
    desk.world.set("ZERKALO_LOG", "trace,hyper=trace,reqwest=trace");
    let run = |desk: &Desk| -> Outcome {
        desk.world.command(&["push-mapping", "-vvv", "--adopt-source"]).output().unwrap().into()
    };
    let told = run(&desk);
    let said = format!("{}{}", told.stdout, told.stderr);
    assert_eq!(told.code, Some(6), "{said}");
    assert!(said.contains("may not use the spreadsheet"), "{said}");
    assert!(!said.contains("c4n4ry") && said.contains("<hidden>"), "{said}");
    desk.world.set("GOOGLE_SHEETS_BASE_URL", sandbox);
    let told = run(&desk);
    let said = format!("{}{}", told.stdout, told.stderr);
    assert_eq!(told.code, Some(6), "{said}");
    assert!(said.contains("refuses the service account") && said.contains("<hidden>"), "{said}");
    let assertion = seen.lock().unwrap().clone();
    let signature = assertion.rsplit('.').next().unwrap();
    assert!(signature.len() > 300, "{assertion}");
    assert!(!said.contains(&signature[..12]) && !said.contains(&assertion[60..90]), "{said}");
    let logged = format!("{:?}", desk.world.log());
    assert!(!logged.contains("c4n4ry") && !logged.contains(&signature[..12]), "{logged}");
}

fn a_proxy_sees_only_what_it_cannot_read(engine: Engine) {
    let mut desk = Desk::laid_out(engine);
    let seen = Arc::new(Mutex::new(Vec::<String>::new()));
    let noted = Arc::clone(&seen);
    let port = serve(move |head, _| {
        noted.lock().unwrap().push(head.to_owned());
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
    });
    let proxy = format!("http://someone:c4n4ry-proxy@127.0.0.1:{port}");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        desk.world.set(name, proxy.clone());
    }
    desk.world.set("TELEGRAM_BASE_URL", desk.world.sandbox.telegram_url());
    desk.world.set("TELEGRAM_BOT_TOKEN", zerkalo::sandbox::Options::default().telegram_token);
    desk.world.set("TELEGRAM_ADMIN_CHAT_IDS", zerkalo::sandbox::ADMIN_CHAT);
    desk.world.expect(0, &["full-morning", "--notify", "always"]);
    desk.world.expect(0, &["sync", "stoplist"]);
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new(), "all of that was for this machine");

    // What goes elsewhere goes through it, in a tunnel: the token, the sheet and the messages alike.
    let mut key: Value = serde_json::from_str(&desk.world.sandbox.google_credentials()).unwrap();
    let here = key["token_uri"].clone();
    let elsewhere = "oauth2.googleapis.invalid";
    for (token_uri, base, asked) in [
        (json!(format!("https://{elsewhere}/token")), desk.world.sandbox.google_url(), elsewhere),
        (here, "https://sheets.googleapis.invalid".to_owned(), "sheets.googleapis.invalid"),
    ] {
        key["token_uri"] = token_uri;
        desk.world.set("GOOGLE_SHEETS_CREDENTIALS", key.to_string());
        desk.world.set("GOOGLE_SHEETS_BASE_URL", base);
        let outcome = desk.world.run(&["push-mapping", "--adopt-source"]);
        assert_eq!(outcome.code, Some(5), "{}", outcome.stdout);
        let told = format!("{asked}:443 through the proxy 127.0.0.1:{port} of HTTPS_PROXY");
        assert!(outcome.stdout.contains(&told), "{}", outcome.stdout);
        assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains("c4n4ry"), "{}", outcome.stderr);
        let heads = std::mem::take(&mut *seen.lock().unwrap());
        assert!(!heads.is_empty());
        for head in heads {
            assert!(head.starts_with(&format!("CONNECT {asked}:443 ")), "{head}");
        }
    }
    desk.world.set("TELEGRAM_BASE_URL", "https://telegram.invalid");
    desk.world.run(&[
        "full-morning",
        "--skip",
        "iiko",
        "--skip",
        "fintablo",
        "--skip",
        "min-stock",
        "--notify",
        "always",
    ]);
    let heads = std::mem::take(&mut *seen.lock().unwrap());
    assert!(heads.iter().any(|head| head.starts_with("CONNECT telegram.invalid:443 ")), "{heads:?}");
    // A host that is exempt is reached without it, and a proxy that is none is not passed over.
    desk.world.set("NO_PROXY", ".googleapis.invalid");
    let outcome = desk.world.run(&["push-mapping", "--adopt-source"]);
    assert!(outcome.stdout.contains("(sheets.googleapis.invalid:443)"), "{}", outcome.stdout);
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
    desk.world.unset("NO_PROXY");
    desk.world.set("HTTPS_PROXY", "socks5://u:c4n4ry@p:1080");
    let outcome = desk.world.expect(2, &["push-mapping", "--adopt-source"]);
    assert!(outcome.stdout.contains("HTTPS_PROXY is not the address of an HTTP proxy"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("c4n4ry") && !outcome.stderr.contains("c4n4ry"), "{}", outcome.stderr);
}
