//! What Telegram takes, and what it refuses.

use super::*;

const ADMIN: &str = ADMIN_CHAT;
const READERS: &str = READERS_CHAT;

async fn bot(sandbox: &Sandbox, token: &str, method: &str, body: &str) -> Seen {
    ask(sandbox, "POST", &format!("/telegram/bot{token}/{method}"), "", body).await
}

async fn send(sandbox: &Sandbox, chat: &str, text: &str) -> Seen {
    bot(sandbox, "123456:demo-token", "sendMessage", &format!("chat_id={chat}&text={text}")).await
}

#[track_caller]
fn assert_refused(seen: &Seen, status: u16, description: &str) {
    let body = seen.json();
    assert_eq!((seen.status, &body["ok"]), (status, &Value::Bool(false)));
    assert_eq!(
        (body["error_code"].as_u64(), body["description"].as_str()),
        (Some(status.into()), Some(description))
    );
}

#[tokio::test]
async fn what_is_sent_is_in_its_chat_and_the_journal_hides_the_token() {
    let sandbox = sandbox().await;
    let me = bot(&sandbox, "123456:demo-token", "getMe", "").await;
    assert_eq!(me.json()["result"]["is_bot"], true);
    let first = send(&sandbox, ADMIN, "%D0%94%D0%B0%0A2").await;
    let second = send(&sandbox, READERS, "b").await;
    assert_eq!(first.json()["result"]["message_id"], 1);
    assert_eq!(second.json()["result"]["chat"]["id"], -1_001_234_567_890_i64);
    assert_eq!(sandbox.world().telegram.messages(ADMIN), ["Да\n2"]);
    assert_eq!(sandbox.world().telegram.messages(READERS), ["b"]);
    let journal = sandbox.journal();
    let seen: Vec<_> = journal.iter().map(|entry| (entry.path.as_str(), entry.write)).collect();
    let sends = ("/telegram/bot***/sendMessage", true);
    assert_eq!(seen, [("/telegram/bot***/getMe", false), sends, sends]);
}

#[tokio::test]
async fn answers_carry_what_libraries_require() {
    let sandbox = sandbox().await;
    let bot = async |method: &str, body: &str| {
        let seen = bot(&sandbox, "123456:demo-token", method, body).await;
        assert_eq!(seen.status, 200, "{}", seen.text());
        seen.json()["result"].clone()
    };
    let me = bot("getMe", "").await;
    assert_eq!((&me["id"], &me["can_join_groups"]), (&Value::from(123_456), &Value::Bool(true)));
    for (id, kind, name) in [(ADMIN, "private", "first_name"), (READERS, "supergroup", "title")] {
        let chat = bot("getChat", &format!("chat_id={id}")).await;
        assert_eq!((chat["type"].as_str(), chat[name].is_string()), (Some(kind), true), "{chat}");
        assert!(chat["accent_color_id"].is_u64() && chat["max_reaction_count"].is_u64(), "{chat}");
        assert_eq!(chat["accepted_gift_types"]["unlimited_gifts"], false);
    }
    let before = sandbox.world().time().timestamp();
    let sent = bot("sendMessage", &format!("chat_id={READERS}&parse_mode=HTML&text=<b>a</b>%26amp;b")).await;
    let date = sent["date"].as_i64().expect("a time");
    assert!(before <= date && date <= sandbox.world().time().timestamp());
    assert_eq!((&sent["text"], &sent["chat"]["type"]), (&Value::from("a&b"), &Value::from("supergroup")));
    assert_eq!(sent["from"]["is_bot"], true);
    assert_eq!(sent["entities"].to_string(), r#"[{"length":1,"offset":0,"type":"bold"}]"#);
    assert_eq!(sandbox.world().telegram.messages(READERS), ["a&b"]);
}

#[tokio::test]
async fn text_that_is_marked_up_wrongly_is_refused_and_not_sent() {
    let sandbox = sandbox().await;
    for (given, said) in [
        (
            "parse_mode=HTML&text=1%20<%202",
            "Bad Request: can't parse entities: Unsupported start tag \"\" at byte offset 2",
        ),
        (
            "parse_mode=MarkdownV2&text=1.5",
            "Bad Request: can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'",
        ),
        ("parse_mode=BBCode&text=1", "Bad Request: unsupported parse_mode"),
        ("parse_mode=HTML&text=<b></b>", "Bad Request: message text is empty"),
    ] {
        let body = format!("chat_id={ADMIN}&{given}");
        assert_refused(&bot(&sandbox, "123456:demo-token", "sendMessage", &body).await, 400, said);
    }
    let body = format!("chat_id={ADMIN}&text=a&reply_markup=%7B%7D");
    let seen = bot(&sandbox, "123456:demo-token", "sendMessage", &body).await;
    assert_refused(&seen, 501, "not played by this stand-in: the parameter reply_markup of sendMessage");
    assert_eq!(sandbox.world().telegram.messages(ADMIN), [""; 0]);
}

#[tokio::test]
async fn json_and_parts_are_taken_like_a_form() {
    let sandbox = sandbox().await;
    let address = "/telegram/bot123456:demo-token";
    let ask = async |method: &str, kind: &str, body: &str| {
        let request = format!(
            "POST {address}/{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        String::from_utf8_lossy(&raw(&sandbox, &request).await).into_owned()
    };
    let json = format!(r#"{{"chat_id": {ADMIN}, "text": "json"}}"#);
    assert!(ask("sendMessage", "application/json", &json).await.contains("\"ok\":true"));
    let part = |name: &str, value: &str| {
        format!("--xy\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts = [part("chat_id", ADMIN), part("text", "parts"), part("photo", "http://a.example/photo.png")];
    let body = format!("{}--xy--\r\n", parts.concat());
    assert!(ask("sendMessage", "multipart/form-data; boundary=xy", &body).await.contains("\"ok\":true"));
    let refused = ask("sendPhoto", "multipart/form-data; boundary=xy", &body).await;
    assert!(refused.contains("wrong file identifier"), "{refused}");
    let refused = ask("sendPhoto", "multipart/form-data; boundary=xy", &body[..body.len() - 8]).await;
    assert!(refused.contains("the last part does not end"), "{refused}");
    let elsewhere = part("photo", "attach://picture");
    let body = format!("{elsewhere}{}--xy--\r\n", part("picture", "GIF89a"));
    let refused =
        ask("sendPhoto", "multipart/form-data; boundary=xy", &(part("chat_id", ADMIN) + &body)).await;
    assert!(refused.contains("wrong file identifier"), "a text is no file, wherever it stands: {refused}");
    let picture =
        "--xy\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"a\"\r\n\r\nGIF89a\r\n";
    let body = format!("{elsewhere}{picture}--xy--\r\n");
    let refused =
        ask("sendPhoto", "multipart/form-data; boundary=xy", &(part("chat_id", ADMIN) + &body)).await;
    assert!(refused.contains("IMAGE_PROCESS_FAILED"), "{refused}");
    let without = format!("{}--xy--\r\n", parts[..2].concat());
    let refused = ask("sendPhoto", "multipart/form-data; boundary=xy", &without).await;
    assert!(refused.contains("there is no photo in the request"), "{refused}");
    assert_eq!(sandbox.world().telegram.messages(ADMIN), ["json", "parts"]);
}

/// The beginning of a PNG with these sides.
fn png(width: u32, height: u32) -> Vec<u8> {
    let head = [b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()];
    [head.concat(), b"\r\n--\r\n\r\n".to_vec()].concat()
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "parts as a client makes them that was not written for this server"
)]
async fn photos_are_kept_as_they_came_and_checked_as_telegram_does() {
    let sandbox = sandbox().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build().expect("a client");
    let url = format!("{}/bot123456:demo-token/sendPhoto", sandbox.telegram_url());
    let send = async |chat: &str, caption: String, photo: Vec<u8>| {
        let file = reqwest::multipart::Part::bytes(photo).file_name("a.png").mime_str("image/png").unwrap();
        let form = reqwest::multipart::Form::new();
        let form = form.text("chat_id", chat.to_owned()).text("caption", caption).part("photo", file);
        let answer = client.post(&url).multipart(form).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        (status, answer["description"].as_str().unwrap_or_default().to_owned())
    };
    let accepted = (200, String::new());
    assert_eq!(send(ADMIN, "Отчёт".to_owned(), png(1080, 2464)).await, accepted);
    assert_eq!(send(READERS, "🌅".repeat(512), png(100, 2000)).await, accepted);
    for (chat, caption, photo, status, said) in [
        (ADMIN, "🌅".repeat(513), png(9, 9), 400, "message caption is too long"),
        (ADMIN, String::new(), png(5000, 5001), 400, "PHOTO_INVALID_DIMENSIONS"),
        (ADMIN, String::new(), png(100, 2001), 400, "PHOTO_INVALID_DIMENSIONS"),
        (ADMIN, String::new(), b"GIF89a".repeat(9), 400, "IMAGE_PROCESS_FAILED"),
        (ADMIN, String::new(), Vec::new(), 400, "there is no photo in the request"),
        (ADMIN, String::new(), [png(9, 9), vec![0; 10 << 20]].concat(), 413, "Request Entity Too Large"),
        ("5", String::new(), png(9, 9), 400, "chat not found"),
    ] {
        let (code, description) = send(chat, caption, photo).await;
        assert!(code == status && description.ends_with(said), "{said}: {code} {description}");
    }
    let world = sandbox.world();
    let kept = |chat: &str| world.telegram.chats[chat].messages.clone();
    assert_eq!((kept(ADMIN).len(), kept(READERS).len()), (1, 1));
    assert_eq!(kept(ADMIN)[0].text, "Отчёт");
    assert_eq!(kept(ADMIN)[0].photo, Some(png(1080, 2464)));
}

#[tokio::test]
async fn refusals_have_telegrams_words_and_no_effect() {
    let sandbox = sandbox().await;
    let text = format!("chat_id={ADMIN}&text=a");
    assert_refused(&bot(&sandbox, "123456:wrong", "sendMessage", &text).await, 401, "Unauthorized");
    assert_refused(&bot(&sandbox, "", "sendMessage", &text).await, 404, "Not Found");
    assert_refused(&send(&sandbox, "5", "a").await, 400, "Bad Request: chat not found");
    assert_refused(&send(&sandbox, "", "a").await, 400, "Bad Request: chat_id is empty");
    assert_refused(&send(&sandbox, ADMIN, "").await, 400, "Bad Request: message text is empty");
    sandbox.edit(|world| world.telegram.chats.get_mut(READERS).unwrap().blocked = true);
    assert_refused(&send(&sandbox, READERS, "a").await, 403, "Forbidden: bot was blocked by the user");
    // An emoji is two units, as Telegram counts.
    let long = |emojis: usize| "%F0%9F%8C%85".repeat(emojis);
    assert_eq!(send(&sandbox, ADMIN, &long(2048)).await.status, 200);
    assert_refused(&send(&sandbox, ADMIN, &long(2049)).await, 400, "Bad Request: message is too long");
    assert_eq!(sandbox.world().telegram.last_message, 1);
    assert!(sandbox.journal().iter().all(|entry| !entry.path.contains("wrong")));
}

#[tokio::test]
async fn a_chat_takes_so_many_messages_at_a_time() {
    let options = Options { telegram_limit: 2, ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox on a free port");
    for _ in 0..2 {
        assert_eq!(send(&sandbox, ADMIN, "a").await.status, 200);
    }
    let refused = send(&sandbox, ADMIN, "a").await;
    let wait = refused.json()["parameters"]["retry_after"].as_u64().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_refused(&refused, 429, &format!("Too Many Requests: retry after {wait}"));
    assert_eq!(send(&sandbox, READERS, "a").await.status, 200, "each chat has its own limit");
}

#[tokio::test]
async fn faults_hit_telegram_too() {
    let sandbox = sandbox().await;
    sandbox.fault(Fault::new("sendMessage", Action::Close));
    sandbox.fault(Fault::new("sendMessage$", Action::CloseAfterEffect));
    assert_eq!(send(&sandbox, ADMIN, "lost").await.status, 0);
    assert_eq!(send(&sandbox, ADMIN, "heard").await.status, 0);
    assert_eq!(sandbox.world().telegram.messages(ADMIN), ["heard"]);
    sandbox.fault(Fault::new("sendMessage", Action::TooMany { retry_after: String::new() }));
    assert_refused(&send(&sandbox, ADMIN, "a").await, 429, "Too Many Requests: retry after 1");
    sandbox.fault(Fault::new("sendMessage", Action::ExpireToken));
    assert_refused(&send(&sandbox, ADMIN, "a").await, 401, "Unauthorized");
}
