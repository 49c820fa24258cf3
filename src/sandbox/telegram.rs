//! Telegram's Bot API under `/telegram/bot<token>/<method>`: the methods that zerkalo uses, with the refusals that its
//! documentation and its users tell of.

use serde_json::{Value, json};

use super::{
    Shared,
    server::{Access, Answer, Upstream},
    wire::{Reply, Request},
    world::{Chat, Message, World},
};

/// The longest text and the longest caption, in UTF-16 code units (Bot API, sendMessage and sendPhoto).
const LONGEST_TEXT: usize = 4096;
const LONGEST_CAPTION: usize = 1024;

/// Telegram.
pub(super) struct Telegram;

/// The answer to a request that is refused.
fn refusal(status: u16, description: &str) -> Reply {
    let body = json!({ "ok": false, "error_code": status, "description": description });
    Reply::new(status, "application/json", body.to_string())
}

fn too_many(seconds: u64) -> Reply {
    let body = json!({
        "ok": false,
        "error_code": 429,
        "description": format!("Too Many Requests: retry after {seconds}"),
        "parameters": { "retry_after": seconds },
    });
    Reply::new(429, "application/json", body.to_string())
}

fn done(result: &Value) -> Reply {
    Reply::new(200, "application/json", json!({ "ok": true, "result": result }).to_string())
}

/// A parameter as it came: text, or a file's bytes.
type Parameters = Vec<(String, Vec<u8>)>;

/// The parameters of a request; they may come in the query, as a form, as JSON or in parts.
fn parameters(request: &Request) -> Parameters {
    let kind = request.header("content-type").unwrap_or_default();
    let mut parameters: Parameters =
        request.query.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    if let Some((_, boundary)) =
        kind.split_once("boundary=").filter(|_| kind.starts_with("multipart/form-data"))
    {
        parameters.extend(parts(&request.body, boundary.trim_matches('"')));
    } else if kind.starts_with("application/json") {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        for (name, value) in body.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            parameters.push((name.clone(), text.into_bytes()));
        }
    } else {
        parameters.extend(request.form().into_iter().map(|(name, value)| (name, value.into_bytes())));
    }
    parameters
}

/// The parts of a multipart body, by name (RFC 7578).
fn parts(body: &[u8], boundary: &str) -> Parameters {
    let mark = format!("--{boundary}").into_bytes();
    let mut parts = Vec::new();
    let mut rest = body;
    while let Some(start) = find(rest, &mark) {
        rest = &rest[start + mark.len()..];
        let Some(end) = find(rest, &mark) else { break };
        let part = &rest[..end];
        let Some(head) = find(part, b"\r\n\r\n") else { continue };
        let headers = String::from_utf8_lossy(&part[..head]).into_owned();
        let Some((_, name)) = headers.split_once("name=\"") else { continue };
        let name = name.split('"').next().unwrap_or_default().to_owned();
        let content = &part[head + 4..];
        parts.push((name, content.strip_suffix(b"\r\n").unwrap_or(content).to_vec()));
    }
    parts
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn parameter(parameters: &Parameters, name: &str) -> String {
    let value = parameters.iter().find(|(known, _)| known == name);
    value.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The message that a request asks to send, or why not.
fn message(method: &str, parameters: &Parameters) -> Result<Message, Reply> {
    if method == "sendMessage" {
        let text = parameter(parameters, "text");
        return match units(&text) {
            0 => Err(refusal(400, "Bad Request: message text is empty")),
            1..=LONGEST_TEXT => Ok(Message { id: 0, text, photo: None }),
            _ => Err(refusal(400, "Bad Request: message is too long")),
        };
    }
    let photo = parameters.iter().find(|(name, _)| name == "photo").map(|(_, photo)| photo.clone());
    let photo = photo.filter(|photo| !photo.is_empty());
    let photo = photo.ok_or_else(|| refusal(400, "Bad Request: there is no photo in the request"))?;
    let text = parameter(parameters, "caption");
    if units(&text) > LONGEST_CAPTION {
        return Err(refusal(400, "Bad Request: message caption is too long"));
    }
    Ok(Message { id: 0, text, photo: Some(photo) })
}

/// The chat that a request writes to, or why not.
fn chat<'a>(world: &'a mut World, id: &str) -> Result<&'a mut Chat, Reply> {
    if id.is_empty() {
        return Err(refusal(400, "Bad Request: chat_id is empty"));
    }
    match world.telegram.chats.get_mut(id) {
        None => Err(refusal(400, "Bad Request: chat not found")),
        Some(chat) if chat.blocked => Err(refusal(403, "Forbidden: bot was blocked by the user")),
        Some(chat) => Ok(chat),
    }
}

fn send(shared: &Shared, method: &str, request: &Request) -> Result<Reply, Reply> {
    let parameters = parameters(request);
    let id = parameter(&parameters, "chat_id");
    let mut world = shared.world();
    let number = world.telegram.last_message + 1;
    chat(&mut world, &id)?;
    let message = Message { id: number, ..message(method, &parameters)? };
    let options = &shared.options;
    shared
        .chat_rate(&id, options.telegram_limit, options.telegram_window)
        .map_err(|wait| too_many(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))?;
    let result =
        json!({ "message_id": number, "chat": { "id": id.parse::<i64>().ok() }, "text": message.text });
    chat(&mut world, &id)?.messages.push(message);
    world.telegram.last_message = number;
    Ok(done(&result))
}

fn answer(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let (token, method) =
        address(&request.path).filter(|(token, _)| !token.is_empty()).ok_or_else(not_found)?;
    if token != shared.options.telegram_token {
        return Err(unauthorized());
    }
    // Names of methods are not case-sensitive (Bot API, "Making requests").
    match method.to_ascii_lowercase().as_str() {
        "getme" => Ok(done(
            &json!({ "id": 123_456, "is_bot": true, "first_name": "Zerkalo", "username": "zerkalo_demo_bot" }),
        )),
        "getchat" => {
            let id = parameter(&parameters(request), "chat_id");
            let mut world = shared.world();
            world.telegram.chats.get_mut(&id).ok_or_else(|| refusal(400, "Bad Request: chat not found"))?;
            let kind = if id.starts_with('-') { "supergroup" } else { "private" };
            Ok(done(&json!({ "id": id.parse::<i64>().ok(), "type": kind, "title": format!("Chat {id}") })))
        }
        "sendchataction" => {
            let parameters = parameters(request);
            chat(&mut shared.world(), &parameter(&parameters, "chat_id"))?;
            if parameter(&parameters, "action") != "typing" {
                return Err(refusal(400, "Bad Request: wrong parameter action in request"));
            }
            Ok(done(&json!(true)))
        }
        "sendmessage" => send(shared, "sendMessage", request),
        "sendphoto" => send(shared, "sendPhoto", request),
        _ => Err(not_found()),
    }
}

/// The token and the method in a path.
fn address(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/telegram/bot")?.split_once('/')
}

fn not_found() -> Reply {
    refusal(404, "Not Found")
}

fn unauthorized() -> Reply {
    refusal(401, "Unauthorized")
}

impl Upstream for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn prefix(&self) -> &'static str {
        "/telegram/"
    }

    /// Telegram's limit is by the second (Bots FAQ: about 30), and this is far below it.
    fn most_in_flight(&self) -> usize {
        4
    }

    fn crowded(&self) -> Option<Reply> {
        None
    }

    fn shown_path(&self, request: &Request) -> String {
        match address(&request.path) {
            Some((_, method)) => format!("/telegram/bot***/{method}"),
            None => "/telegram/***".to_owned(),
        }
    }

    fn access(&self, request: &Request) -> Access {
        // An action is shown for a few seconds and kept nowhere.
        let sends = |method: &str| {
            let method = method.to_ascii_lowercase();
            method.starts_with("send") && method != "sendchataction"
        };
        if address(&request.path).is_some_and(|(_, method)| sends(method)) {
            Access::Write
        } else {
            Access::Read
        }
    }

    fn answer(&self, shared: &Shared, request: &Request) -> Answer {
        Answer { reply: answer(shared, request).unwrap_or_else(|refusal| refusal), event: None }
    }

    fn expire(&self, _: &Shared) -> Option<Reply> {
        Some(unauthorized())
    }

    fn licence_full(&self) -> Reply {
        refusal(403, "Forbidden")
    }

    fn too_many(&self) -> Reply {
        too_many(1)
    }
}
