//! Documents whose effect and answer part ways.

use super::*;

const POST: &str = "POST /resto/api/v2/documents/internalTransfer";

/// A sandbox on which the next document that is posted meets this fault.
async fn faulty(action: Action) -> (Sandbox, String) {
    let (sandbox, token) = session().await;
    sandbox.fault(Fault::new(POST, action));
    (sandbox, token)
}

/// Sends a request and hangs up after so long, without reading the answer.
async fn post_and_die(sandbox: &Sandbox, token: &str, body: &str, patience: Duration) {
    let died = tokio::time::timeout(patience, post(sandbox, token, TRANSFER, body)).await;
    assert!(died.is_err(), "the answer should not have come yet");
}

#[tokio::test]
async fn before_or_after_the_effect() {
    for (action, made) in [(Action::Close, 0), (Action::CloseAfterEffect, 1)] {
        let (sandbox, token) = faulty(action).await;
        let seen = post(&sandbox, &token, TRANSFER, &transfer(&sandbox, "T1", "PROCESSED", "1")).await;
        assert_eq!((seen.status, seen.body.len()), (0, 0));
        assert_eq!(by_number(&sandbox, &token, "T1").await.len(), made);
        assert_eq!(sandbox.world().ledger().len(), made);
        let entries = sandbox.journal();
        let writes: Vec<_> = entries.iter().filter(|entry| entry.write).map(|entry| entry.status).collect();
        assert_eq!(writes, [None]);
    }
}

#[tokio::test]
async fn long_after_the_request() {
    let (sandbox, token) = faulty(Action::Late { delay_ms: 800, hold: false }).await;
    let body = transfer(&sandbox, "T1", "PROCESSED", "1");
    let started = Instant::now();
    assert_eq!(post(&sandbox, &token, TRANSFER, &body).await.status, 0);
    assert!(started.elapsed() < Duration::from_millis(700), "the connection is closed at once");
    assert_eq!(by_number(&sandbox, &token, "T1").await.len(), 0, "the look-up finds nothing");
    assert_eq!((sandbox.late_waiting(), sandbox.faults_waiting()), (1, 0));
    // Whoever posted it has gone, session and all.
    assert_eq!(iiko(&sandbox, &token, "logout").await.status, 200);
    sandbox.settle().await;
    assert_eq!((sandbox.late_waiting(), sandbox.world().ledger().len()), (0, 1));
    let token = login(&sandbox).await;
    assert_eq!(by_number(&sandbox, &token, "T1").await.len(), 1);
}

#[tokio::test]
async fn a_late_edit_meets_the_rules_of_its_moment() {
    let (sandbox, token) = session().await;
    let body = transfer(&sandbox, "T1", "NEW", "1");
    let id = draft(&sandbox, &token, &body).await;
    sandbox.fault(Fault::new(POST, Action::Late { delay_ms: 800, hold: false }));
    let processed = with(&body, &json!({"id": id, "status": "PROCESSED"}));
    assert_eq!(post(&sandbox, &token, TRANSFER, &processed).await.status, 0);
    assert_eq!(by_number(&sandbox, &token, "T1").await[0]["status"], "NEW");
    assert_eq!(post(&sandbox, &token, TRANSFER, &processed).await.status, 200, "a repeat comes first");
    sandbox.settle().await;
    assert_eq!(sandbox.world().ledger().len(), 1, "and the late one is refused");
}

#[tokio::test]
async fn who_may_not_write_does_not_do_so_late_either() {
    let (sandbox, _) = faulty(Action::Late { delay_ms: 0, hold: true }).await;
    let body = transfer(&sandbox, "T1", "NEW", "1");
    assert_eq!(post(&sandbox, "no-token", TRANSFER, &body).await.status, 401);
    sandbox.settle().await;
    assert_eq!(sandbox.world().documents(), []);
}

#[tokio::test]
async fn a_hung_request_has_its_effect_without_its_client() {
    let (sandbox, token) = faulty(Action::Late { delay_ms: 1_000, hold: true }).await;
    let body = transfer(&sandbox, "T1", "PROCESSED", "1");
    post_and_die(&sandbox, &token, &body, Duration::from_millis(300)).await;
    assert_eq!(sandbox.world().ledger(), []);
    sandbox.settle().await;
    assert_eq!(sandbox.world().ledger().len(), 1);

    let (sandbox, token) = faulty(Action::Late { delay_ms: 60, hold: true }).await;
    let seen = post(&sandbox, &token, TRANSFER, &body).await;
    assert_eq!((seen.status, &seen.json()["result"]), (200, &json!("SUCCESS")), "who waits is answered");
    assert_eq!(sandbox.journal().last().and_then(|entry| entry.status), Some(200));

    let (sandbox, token) = faulty(Action::Slow { delay_ms: 5_000 }).await;
    post_and_die(&sandbox, &token, &body, Duration::from_millis(300)).await;
    assert_eq!(sandbox.world().ledger().len(), 1, "only the answer is slow");
}

#[tokio::test]
async fn a_proxy_repeats_the_request() {
    let (sandbox, token) = faulty(Action::Doubled).await;
    let body = transfer(&sandbox, "T1", "NEW", "1");
    let id = draft(&sandbox, &token, &body).await;
    let found = by_number(&sandbox, &token, "T1").await;
    assert_eq!(
        (found.len(), found[1]["id"].as_str()),
        (2, Some(id.as_str())),
        "two drafts, the second answered"
    );

    sandbox.fault(Fault::new(POST, Action::Doubled));
    let processed = with(&body, &json!({"id": id, "status": "PROCESSED"}));
    assert_eq!(
        post(&sandbox, &token, TRANSFER, &processed).await.status,
        409,
        "the edit came through before"
    );
    assert_eq!(sandbox.world().ledger().len(), 1);

    sandbox.fault(Fault::new(POST, Action::Replayed { delay_ms: 100 }));
    let other = transfer(&sandbox, "T2", "NEW", "1");
    let id = draft(&sandbox, &token, &other).await;
    assert_eq!(by_number(&sandbox, &token, "T2").await[0]["id"], id);
    sandbox.settle().await;
    assert_eq!(by_number(&sandbox, &token, "T2").await.len(), 2);
}

#[tokio::test]
async fn what_is_kept_or_answered_is_not_what_was_sent() {
    let patch = json!({"result": "ERROR", "errors": [{"value": "x", "code": "PRODUCT_DELETED"}]});
    let (sandbox, token) = faulty(Action::PatchAnswer { patch }).await;
    let body = transfer(&sandbox, "T1", "NEW", "1");
    let seen = post(&sandbox, &token, TRANSFER, &body).await;
    assert_eq!((seen.status, &seen.json()["result"]), (200, &json!("ERROR")));
    assert_eq!(by_number(&sandbox, &token, "T1").await.len(), 1, "an error, and yet an effect");

    let answer = r#"{"result":"ERROR","errors":[],"response":null}"#;
    let foreign = Action::Body { content_type: "application/json".to_owned(), body: answer.into() };
    sandbox.fault(Fault::new(POST, foreign));
    let other = transfer(&sandbox, "T2", "NEW", "1");
    assert_eq!(post(&sandbox, &token, TRANSFER, &other).await.json()["result"], "ERROR");
    assert_eq!(by_number(&sandbox, &token, "T2").await.len(), 0, "an error without an effect");

    let patch = json!({"response": {"documentNumber": "0815", "comment": null}});
    sandbox.fault(Fault::new(POST, Action::PatchAnswer { patch }));
    let seen = post(&sandbox, &token, TRANSFER, &other).await.json()["response"].clone();
    assert_eq!((&seen["documentNumber"], seen.get("comment")), (&json!("0815"), None));
    assert_eq!(by_number(&sandbox, &token, "T2").await.len(), 1);

    let [_, _, product] = places(&sandbox);
    let patch = json!({"documentNumber": "T9", "items": [{"productId": product, "amount": 3}]});
    sandbox.fault(Fault::new(POST, Action::PatchRequest { patch }));
    draft(&sandbox, &token, &transfer(&sandbox, "T3", "NEW", "1")).await;
    assert_eq!(by_number(&sandbox, &token, "T3").await.len(), 0);
    assert_eq!(by_number(&sandbox, &token, "T9").await[0]["items"][0]["amount"], 3);
}

#[tokio::test]
async fn faults_of_documents_by_the_control_interface() {
    let sandbox = sandbox().await;
    let faults = json!([
        {"on": "internalTransfer", "action": "late", "delay_ms": 5},
        {"on": "internalTransfer", "action": "late", "delay_ms": 5, "hold": true},
        {"on": "internalTransfer", "action": "doubled"},
        {"on": "internalTransfer", "action": "replayed", "delay_ms": 5},
        {"on": "internalTransfer", "action": "patch_request", "patch": {"status": "NEW"}},
        {"on": "internalTransfer", "action": "patch_answer", "patch": {"result": "ERROR"}},
    ]);
    let seen = ask(&sandbox, "POST", "/_sandbox/faults", "", &faults.to_string()).await;
    assert_eq!((seen.status, sandbox.faults_waiting()), (204, 6), "{}", seen.text());
}
