//! Telegram's Bot API under `/telegram/bot<token>/<method>`: the methods that zerkalo uses, with the refusals that its
//! documentation and its users tell of.

use serde_json::{Value, json};

use super::{
    Options, Shared, markup, multipart,
    server::{Access, Answer, Upstream, not_played},
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

/// The largest photo in bytes, the longest sum of its sides and the largest ratio of them (Bot API, sendPhoto).
const LARGEST_PHOTO: usize = 10 << 20;
const LONGEST_SIDES: u32 = 10_000;
const LARGEST_RATIO: u32 = 20;

/// A parameter as it came.
struct Parameter {
    name: String,
    /// Text, or a file's bytes.
    value: Vec<u8>,
    /// It came as a file.
    is_file: bool,
}

impl Parameter {
    fn text(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into(), is_file: false }
    }
}

/// The parameters of a request; they may come in the query, as a form, as JSON or in parts.
fn parameters(request: &Request) -> Result<Vec<Parameter>, Reply> {
    let kind = request.header("content-type").unwrap_or_default();
    let query = request.query.iter().map(|(name, value)| Parameter::text(name, value.as_bytes()));
    let mut parameters: Vec<Parameter> = query.collect();
    if kind.starts_with("multipart/form-data") {
        let parts = multipart::parts(&request.body, kind)
            .map_err(|why| refusal(400, &format!("Bad Request: {why}")))?;
        parameters.extend(parts.into_iter().map(|part| Parameter {
            name: part.name,
            value: part.content,
            is_file: part.file_name.is_some(),
        }));
    } else if kind.starts_with("application/json") {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        for (name, value) in body.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            parameters.push(Parameter::text(name, text));
        }
    } else {
        parameters.extend(request.form().into_iter().map(|(name, value)| Parameter::text(name, value)));
    }
    Ok(parameters)
}

fn parameter(parameters: &[Parameter], name: &str) -> String {
    let value = parameters.iter().find(|parameter| parameter.name == name);
    value.map(|parameter| String::from_utf8_lossy(&parameter.value).into_owned()).unwrap_or_default()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Parameters of the methods that send, which change what arrives and are not played.
const UNPLAYED: [&str; 9] = [
    "business_connection_id",
    "caption_entities",
    "direct_messages_topic_id",
    "entities",
    "has_spoiler",
    "message_thread_id",
    "reply_markup",
    "reply_parameters",
    "suggested_post_parameters",
];

/// A message and what the answer tells of it beside its number, chat and time.
type Drawn = (Message, Value);

/// The message that a request asks to send, or why not.
fn message(method: &str, parameters: &[Parameter]) -> Result<Drawn, Reply> {
    if let Some(unplayed) = parameters.iter().find(|given| UNPLAYED.contains(&given.name.as_str())) {
        let what = format!("the parameter {} of {method}", unplayed.name);
        return Err(refusal(501, &not_played(&what)));
    }
    let mode = parameter(parameters, "parse_mode");
    let shown = |name: &str| {
        let parsed = markup::parse(&parameter(parameters, name), &mode);
        parsed.map_err(|why| refusal(400, &format!("Bad Request: {why}")))
    };
    if method == "sendMessage" {
        let (text, entities) = shown("text")?;
        return match units(&text) {
            0 => Err(refusal(400, "Bad Request: message text is empty")),
            1..=LONGEST_TEXT => {
                let told = with_entities(json!({ "text": text }), "entities", entities);
                Ok((Message { id: 0, text, photo: None }, told))
            }
            _ => Err(refusal(400, "Bad Request: message is too long")),
        };
    }
    // The photo itself, or the name of the part that is it.
    let photo = parameter(parameters, "photo");
    let part = photo.strip_prefix("attach://").unwrap_or("photo");
    let photo = parameters.iter().find(|parameter| parameter.name == part && !parameter.value.is_empty());
    let photo = photo.ok_or_else(|| refusal(400, "Bad Request: there is no photo in the request"))?;
    let (width, height) = check_photo(photo)?;
    let (text, entities) = shown("caption")?;
    if units(&text) > LONGEST_CAPTION {
        return Err(refusal(400, "Bad Request: message caption is too long"));
    }
    let id = format!("photo-{width}x{height}-{}", photo.value.len());
    let size = json!({"file_id": id, "file_unique_id": id, "width": width, "height": height,
        "file_size": photo.value.len()});
    let mut told = with_entities(json!({ "photo": [size] }), "caption_entities", entities);
    if !text.is_empty() {
        told["caption"] = json!(text);
    }
    Ok((Message { id: 0, text, photo: Some(photo.value.clone()) }, told))
}

/// The same with its entities, if there are any.
fn with_entities(mut told: Value, name: &str, entities: Vec<Value>) -> Value {
    if !entities.is_empty() {
        told[name] = entities.into();
    }
    told
}

/// Refuses what is no picture, or too large a one; its sides. A real server takes other formats than PNG, too.
fn check_photo(photo: &Parameter) -> Result<(u32, u32), Reply> {
    if !photo.is_file {
        // A text would be the address or the id of a photo that Telegram has.
        return Err(refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"));
    }
    if photo.value.len() > LARGEST_PHOTO {
        return Err(refusal(413, "Request Entity Too Large"));
    }
    let header = photo.value.get(..24).filter(|header| header.starts_with(b"\x89PNG\r\n\x1a\n"));
    let header = header.ok_or_else(|| refusal(400, "Bad Request: IMAGE_PROCESS_FAILED"))?;
    let side = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let (width, height) = (side(16), side(20));
    let is_thin = width.max(height) > LARGEST_RATIO.saturating_mul(width.min(height));
    if is_thin || width.saturating_add(height) > LONGEST_SIDES {
        return Err(refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"));
    }
    Ok((width, height))
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
    let parameters = parameters(request)?;
    let id = parameter(&parameters, "chat_id");
    let mut world = shared.world();
    let number = world.telegram.last_message + 1;
    chat(&mut world, &id)?;
    let (message, mut told) = message(method, &parameters)?;
    let options = &shared.options;
    shared
        .chat_rate(&id, options.telegram_limit, options.telegram_window)
        .map_err(|wait| too_many(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))?;
    told["message_id"] = number.into();
    told["from"] = me();
    told["chat"] = described(&id);
    told["date"] = world.time().timestamp().into();
    chat(&mut world, &id)?.messages.push(Message { id: number, ..message });
    world.telegram.last_message = number;
    Ok(done(&told))
}

fn answer(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let (token, method) =
        address(&request.path).filter(|(token, _)| !token.is_empty()).ok_or_else(not_found)?;
    if token != shared.options.telegram_token {
        return Err(unauthorized());
    }
    // Names of methods are not case-sensitive (Bot API, "Making requests").
    match method.to_ascii_lowercase().as_str() {
        "getme" => {
            let mut me = me();
            for may in ["can_join_groups", "can_read_all_group_messages", "supports_inline_queries"] {
                me[may] = (may == "can_join_groups").into();
            }
            Ok(done(&me))
        }
        "getchat" => {
            let id = parameter(&parameters(request)?, "chat_id");
            let mut world = shared.world();
            world.telegram.chats.get_mut(&id).ok_or_else(|| refusal(400, "Bad Request: chat not found"))?;
            let mut chat = described(&id);
            chat["accent_color_id"] = 0.into();
            chat["max_reaction_count"] = 11.into();
            chat["accepted_gift_types"] = [
                "unlimited_gifts",
                "limited_gifts",
                "unique_gifts",
                "premium_subscription",
                "gifts_from_channels",
            ]
            .map(|kind| (kind.to_owned(), Value::from(false)))
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into();
            Ok(done(&chat))
        }
        "sendchataction" => {
            let parameters = parameters(request)?;
            chat(&mut shared.world(), &parameter(&parameters, "chat_id"))?;
            if parameter(&parameters, "action") != "typing" {
                return Err(refusal(400, "Bad Request: wrong parameter action in request"));
            }
            Ok(done(&json!(true)))
        }
        "sendmessage" => send(shared, "sendMessage", request),
        "sendphoto" => send(shared, "sendPhoto", request),
        _ => Err(refusal(501, &not_played(&format!("the method {method}")))),
    }
}

/// The bot, as every message of its own tells of it.
fn me() -> Value {
    json!({ "id": 123_456, "is_bot": true, "first_name": "Zerkalo", "username": "zerkalo_demo_bot" })
}

/// A chat, as every message in it tells of it: a group and a channel have a title, a person has a name.
fn described(id: &str) -> Value {
    let (kind, name) = match id.chars().next() {
        Some('@') => ("channel", "title"),
        Some('-') => ("supergroup", "title"),
        _ => ("private", "first_name"),
    };
    // A channel that is called by its name has a number all the same.
    let number = id.parse::<i64>().unwrap_or(-1_000_000_000_001);
    json!({ "id": number, "type": kind, name: format!("Chat {id}") })
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
    fn most_in_flight(&self, _: &Options) -> usize {
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
