//! What goes wrong on purpose, as it arrives.

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::json;

use super::*;

/// A short list that every fault can be tried on.
const ROLES: &str = "employees/roles";

/// Asks for the roles under one fault, and then again without it.
async fn under(action: Action) -> Seen {
    let (sandbox, token) = session().await;
    let whole = iiko(&sandbox, &token, ROLES).await;
    sandbox.fault(Fault::new(ROLES, action));
    let seen = iiko(&sandbox, &token, ROLES).await;
    assert_eq!(sandbox.faults_waiting(), 0);
    let again = iiko(&sandbox, &token, ROLES).await;
    assert!(again.status == 401 || again.body == whole.body, "a fault is gone after its request");
    seen
}

#[tokio::test]
async fn cut_bodies() {
    let cut = under(Action::Cut { at: 100 }).await;
    assert_eq!((cut.status, cut.body.len(), cut.complete), (200, 100, false));
    let cut = under(Action::CutClose { at: 100 }).await;
    assert_eq!((cut.status, cut.body.len(), cut.header("content-length")), (200, 100, None));
    let beyond = under(Action::CutClose { at: 1 << 20 }).await;
    assert!(beyond.text().ends_with("</employeeRoles>"));
}

/// The roles with a damaged body, and as they are.
async fn damaged(how: Damage, at: usize) -> (Vec<u8>, Vec<u8>) {
    let (sandbox, token) = session().await;
    let whole = iiko(&sandbox, &token, ROLES).await;
    sandbox.fault(Fault::new(ROLES, Action::Damage { how, at }));
    let seen = iiko(&sandbox, &token, ROLES).await;
    assert_eq!((seen.status, seen.complete), (200, true), "HTTP sees nothing wrong");
    assert!(seen.header("content-length").is_some());
    (seen.body, whole.body)
}

#[tokio::test]
async fn bodies_that_lost_or_won_a_piece() {
    let (lost, whole) = damaged(Damage::Tail, 100).await;
    assert_eq!(lost, whole[..100]);
    let length = whole.len();
    let (lost, whole) = damaged(Damage::Tail, length + 100).await;
    assert_eq!(lost, whole[..100], "a place is counted from the beginning again");
    let (lost, whole) = damaged(Damage::Lost { length: 7 }, 60).await;
    assert_eq!(lost, [&whole[..60], &whole[67..]].concat());
    let (lost, whole) = damaged(Damage::Lost { length: usize::MAX }, 60).await;
    assert_eq!(lost, whole[..60]);
    let (doubled, whole) = damaged(Damage::Doubled { length: 7 }, 60).await;
    assert_eq!(doubled, [&whole[..67], &whole[60..]].concat());
    let (exchanged, whole) = damaged(Damage::Exchanged { length: 7 }, 60).await;
    assert_eq!(exchanged, [&whole[..60], &whole[67..74], &whole[60..67], &whole[74..]].concat());
    let (exchanged, whole) = damaged(Damage::Exchanged { length: 7 }, length - 9).await;
    assert_eq!(
        exchanged,
        [&whole[..length - 9], &whole[length - 2..], &whole[length - 9..length - 2]].concat()
    );
    let (twice, whole) = damaged(Damage::Twice, 0).await;
    assert_eq!(twice, [whole.clone(), whole].concat());
    let (followed, whole) = damaged(Damage::Followed { by: "]".to_owned() }, 0).await;
    assert_eq!(followed, [&whole[..], b"]"].concat());
}

#[tokio::test]
async fn bodies_with_a_byte_that_is_wrong() {
    let (changed, whole) = damaged(Damage::Changed { byte: 0xff }, 60).await;
    assert_eq!(changed, [&whole[..60], b"\xff", &whole[61..]].concat());
    let (inserted, whole) = damaged(Damage::Inserted { byte: 0 }, 60).await;
    assert_eq!(inserted, [&whole[..60], b"\0", &whole[60..]].concat());
}

#[tokio::test]
async fn bodies_in_other_letters_or_of_another_kind() {
    let (marked, whole) = damaged(Damage::Bom, 0).await;
    assert_eq!(marked, [b"\xef\xbb\xbf", &whole[..]].concat());
    let text = String::from_utf8(whole).expect("UTF-8");
    let (wide, _) = damaged(Damage::Utf16, 0).await;
    let units: Vec<u16> = wide.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    assert_eq!(String::from_utf16(&units).expect("UTF-16"), format!("\u{feff}{text}"));
    let (old, _) = damaged(Damage::Windows1251, 0).await;
    assert_eq!(old.len(), text.chars().count(), "a byte a character");
    let at = text.find("Повар").map(|at| text[..at].chars().count()).expect("a cook");
    assert_eq!(&old[at..at + 5], b"\xcf\xee\xe2\xe0\xf0");
    let (sandbox, token) = session().await;
    let how = Damage::Typed { content_type: "text/html".to_owned() };
    sandbox.fault(Fault::new(ROLES, Action::Damage { how, at: 0 }));
    let seen = iiko(&sandbox, &token, ROLES).await;
    assert_eq!((seen.header("content-type"), seen.text()), (Some("text/html"), text));
}

#[tokio::test]
async fn answers_that_never_come() {
    assert_eq!(under(Action::Close).await.body, b"");
    let garbage = under(Action::Garbage).await;
    assert!(garbage.status == 0 && !garbage.body.is_empty());
    let raw = under(Action::Raw { bytes: "HTTP/1.0 200 OK\r\n\r\n<html>".into() }).await;
    assert_eq!((raw.status, raw.text().as_str()), (200, "<html>"));
}

#[tokio::test]
async fn an_effect_without_an_answer() {
    let sandbox = sandbox().await;
    sandbox.fault(Fault::new("auth", Action::Close));
    sandbox.fault(Fault::new("auth", Action::CloseAfterEffect));
    assert_eq!(try_login(&sandbox, "demo", "demo").await.status, 0);
    assert_eq!(sandbox.open_sessions(), 0);
    assert_eq!(try_login(&sandbox, "demo", "demo").await.status, 0);
    assert_eq!(sandbox.open_sessions(), 1);
    let events: Vec<_> = sandbox.journal().iter().map(|entry| (entry.status, entry.event)).collect();
    assert_eq!(events, [(None, None), (None, Some(SessionEvent::Opened))]);
}

#[tokio::test]
async fn slow_answers() {
    let started = Instant::now();
    assert_eq!(under(Action::Slow { delay_ms: 120 }).await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(120));
    for head in [false, true] {
        let started = Instant::now();
        let seen = under(Action::Drip { bytes_per_second: 10_000, head }).await;
        assert!(seen.complete && seen.body.len() > 1_000);
        assert!(started.elapsed() >= Duration::from_millis(100));
    }
}

#[tokio::test]
async fn foreign_answers() {
    let page = under(Action::Html).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html;charset=UTF-8")));
    let empty = under(Action::Empty).await;
    assert_eq!((empty.body.len(), empty.header("content-type")), (0, Some("application/xml")));
    let list = under(Action::EmptyList).await;
    assert!(list.text().ends_with("<employeeRoles/>"));
    let body = under(Action::Body { content_type: "application/json".to_owned(), body: "null".into() }).await;
    assert_eq!((body.status, body.text().as_str()), (200, "null"));
    let status = under(Action::Status {
        code: 502,
        content_type: "text/html".to_owned(),
        body: "<h1>Bad Gateway</h1>".into(),
        headers: vec![("X-Proxy".to_owned(), "front".to_owned())],
    });
    let status = status.await;
    assert_eq!((status.status, status.header("x-proxy")), (502, Some("front")));
}

#[tokio::test]
async fn empty_lists_of_the_other_kinds() {
    let (sandbox, token) = session().await;
    sandbox.fault(Fault::new("", Action::EmptyList).times(2));
    assert_eq!(iiko(&sandbox, &token, "v2/entities/products/list").await.text(), "[]");
    assert_eq!(fintablo(&sandbox, "goods").await.json(), json!({"status": 200, "items": []}));
}

#[tokio::test]
async fn refusals() {
    let expired = under(Action::ExpireToken).await;
    assert_eq!((expired.status, expired.text().as_str()), (401, "Token is expired or invalid"));
    let full = under(Action::LicenceFull).await;
    assert_eq!(full.status, 403);
    assert!(full.text().starts_with("License enhancement is required"));
    let many = under(Action::TooMany { retry_after: "-5".to_owned() }).await;
    assert_eq!((many.status, many.header("retry-after")), (429, Some("-5")));
    assert_eq!(under(Action::TooMany { retry_after: String::new() }).await.header("retry-after"), None);
    let elsewhere = "http://192.0.2.1/".to_owned();
    let redirect = under(Action::Redirect { location: elsewhere.clone(), code: 308 }).await;
    assert_eq!((redirect.status, redirect.header("location")), (308, Some(elsewhere.as_str())));
}

#[tokio::test]
async fn faults_of_fintablo_speak_its_language() {
    let sandbox = sandbox().await;
    sandbox.fault(Fault::new("/v1/", Action::ExpireToken));
    sandbox.fault(Fault::new("/v1/", Action::TooMany { retry_after: "1".to_owned() }));
    for status in [401, 429] {
        let seen = fintablo(&sandbox, "job").await;
        assert_eq!((seen.status, &seen.json()["status"]), (status, &json!(status)));
        assert!(seen.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn the_queue_is_read_in_order() {
    let (sandbox, token) = session().await;
    let status =
        |code| Action::Status { code, content_type: String::new(), body: Bytes::new(), headers: Vec::new() };
    sandbox.fault(Fault::new("employees$", status(500)));
    sandbox.fault(Fault::new("GET /resto/api/employees", status(502)).skip(1).times(2));
    sandbox.fault(Fault::new("?includeDeleted=true", status(503)));
    let mut seen = Vec::new();
    for path in
        [ROLES, "employees", "employees", "employees?includeDeleted=true", "employees?includeDeleted=true"]
    {
        seen.push(iiko(&sandbox, &token, path).await.status);
    }
    assert_eq!(seen, [200, 500, 502, 502, 503]);
}

#[tokio::test]
async fn the_world_changes_between_two_pages() {
    let sandbox = sandbox().await;
    sandbox.on("/v1/deal", 2, |world| {
        world.fintablo.get_mut("deal").expect("the deals").remove(0);
    });
    let first = fintablo(&sandbox, "deal?page=1").await;
    let second = fintablo(&sandbox, "deal?page=2").await;
    assert_eq!((first.len(), second.len()), (500, 119));
    let ids = |seen: &Seen| seen.json()["items"].as_array().expect("a list").clone();
    assert_ne!(ids(&first)[499]["id"], ids(&second)[0]["id"], "the deal at the border was seen by nobody");
}

#[tokio::test]
async fn faults_by_the_control_interface() {
    let (sandbox, token) = session().await;
    let faults = json!([
        {"on": "roles", "action": "cut", "at": 7},
        {"on": "roles", "times": 2, "action": "status", "code": 503, "body": "later"},
        {"on": "roles", "action": "expire_token"},
        {"on": "suppliers", "action": "damage", "how": {"lost": {"length": 4}}, "at": 9},
        {"on": "suppliers", "action": "damage", "how": "twice"},
    ]);
    assert_eq!(ask(&sandbox, "POST", "/_sandbox/faults", "", &faults.to_string()).await.status, 204);
    assert_eq!(iiko(&sandbox, &token, ROLES).await.body.len(), 7);
    assert_eq!(iiko(&sandbox, &token, ROLES).await.text(), "later");
    let state = get(&sandbox, "/_sandbox/state").await.json();
    assert_eq!((&state["open_sessions"], &state["faults_waiting"]), (&json!(1), &json!(4)));
    let mut lengths = Vec::new();
    for _ in 0..3 {
        lengths.push(iiko(&sandbox, &token, "suppliers").await.body.len());
    }
    assert_eq!(lengths, [lengths[2] - 4, 2 * lengths[2], lengths[2]]);
    assert_eq!(state["records"]["fintablo"]["deal"], 620);
    assert_eq!(ask(&sandbox, "DELETE", "/_sandbox/faults", "", "").await.status, 204);
    assert_eq!(iiko(&sandbox, &token, ROLES).await.status, 200);
    assert_eq!(ask(&sandbox, "POST", "/_sandbox/faults", "", r#"{"action":"explode"}"#).await.status, 400);
    let journal = get(&sandbox, "/_sandbox/journal").await;
    assert_eq!(journal.len(), 7);
    assert_eq!(ask(&sandbox, "DELETE", "/_sandbox/journal", "", "").await.status, 204);
    assert_eq!(sandbox.journal(), []);
}

/// The project's own client library, to see that more than our test's reader understands the answers.
#[expect(clippy::disallowed_methods, reason = "the test wants the bare library, without the client's rules")]
async fn library(sandbox: &Sandbox) -> reqwest::Result<reqwest::Response> {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client.get(format!("{}/v1/job", sandbox.fintablo_url())).bearer_auth("demo-token");
    request.send().await
}

#[tokio::test]
async fn a_real_client_sees_the_damage() {
    let sandbox = sandbox().await;
    let whole = library(&sandbox).await.expect("an answer").text().await.expect("a body");
    assert!(whole.ends_with("]}"));
    sandbox.fault(Fault::new("", Action::Cut { at: 20 }));
    library(&sandbox).await.expect("a head").text().await.expect_err("the body is cut");
    sandbox.fault(Fault::new("", Action::CutClose { at: 20 }));
    assert_eq!(library(&sandbox).await.expect("a head").text().await.expect("seems whole"), whole[..20]);
    sandbox.fault(Fault::new("", Action::Garbage));
    library(&sandbox).await.expect_err("no HTTP");
    sandbox.fault(Fault::new("", Action::GzipBomb { unpacked: 50_000_000 }));
    let mut bomb = library(&sandbox).await.expect("a head");
    let mut unpacked = 0;
    while let Ok(Some(chunk)) = bomb.chunk().await {
        assert!(chunk.iter().all(|byte| b"[ ".contains(byte)));
        unpacked += chunk.len();
    }
    assert!(unpacked > 49_000_000, "{unpacked}");
}

#[tokio::test]
async fn one_more_at_once_is_a_violation() {
    let sandbox = Sandbox::start(Options { latency: Duration::from_millis(80), ..Options::default() })
        .await
        .expect("a sandbox");
    let token = login(&sandbox).await;
    let (first, second) = tokio::join!(iiko(&sandbox, &token, ROLES), iiko(&sandbox, &token, ROLES));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 500]);
    assert_eq!(sandbox.violations(), ["iiko GET /resto/api/employees/roles: 2 requests at once"]);
    sandbox.clear_journal();
    let at_once = async |count| join_all((0..count).map(|_| fintablo(&sandbox, "job"))).await;
    assert!(at_once(4).await.iter().all(|seen| seen.status == 200));
    assert_eq!(sandbox.violations(), [""; 0]);
    assert!(at_once(5).await.iter().all(|seen| seen.status == 200), "only written down");
    assert_eq!(sandbox.violations(), ["fintablo GET /v1/job: 5 requests at once"]);
}

#[tokio::test]
async fn who_hangs_up_and_asks_again_breaks_no_rule() {
    let (sandbox, token) = session().await;
    sandbox.fault(Fault::new(ROLES, Action::Slow { delay_ms: 60_000 }));
    let patience = Duration::from_millis(50);
    tokio::time::timeout(patience, iiko(&sandbox, &token, ROLES)).await.expect_err("it never answers");
    assert_eq!(iiko(&sandbox, &token, ROLES).await.status, 200);
    assert_eq!(sandbox.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_request_after_a_slow_or_large_answer_is_in_order() {
    let (sandbox, token) = session().await;
    let large = ("application/octet-stream".to_owned(), Bytes::from(vec![b' '; 32 << 20]));
    sandbox.edit(|world| world.answers.insert("large".to_owned(), large));
    let begin = async |path: &str| {
        let mut stream = TcpStream::connect(sandbox.addr()).await.expect("a listening sandbox");
        let request = format!("GET /resto/api/{path} HTTP/1.1\r\nCookie: key={token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("an open connection");
        stream
    };
    for _ in 0..8 {
        sandbox.fault(Fault::new(ROLES, Action::Drip { bytes_per_second: 1_000_000, head: false }));
        let (mut stream, mut seen) = (begin(ROLES).await, Vec::new());
        while !seen.ends_with(b"</employeeRoles>") {
            seen.push(stream.read_u8().await.expect("the whole answer"));
        }
        assert_eq!(iiko(&sandbox, &token, "large").await.body.len(), 32 << 20);
        // A client that has seen enough of an answer drops it and asks for something else.
        let mut stream = begin("large").await;
        stream.read_exact(&mut [0; 1000]).await.expect("the beginning of the answer");
        drop(stream);
        assert_eq!(iiko(&sandbox, &token, ROLES).await.status, 200);
    }
    assert_eq!(sandbox.violations(), [""; 0]);
}
