//! Requests to Telegram's Bot API. The bot's token is a part of every address, so no address is ever shown.
//!
//! A message is not sent twice: only what surely did not reach Telegram is tried again.

use super::Content;
use crate::{
    config::Config,
    error::{Failure, Kind, Result, quote},
    http::{Accept, Answer, Budget, Part, Request, Retry, Trouble, Upstream, client},
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::{cell::Cell, time::Duration};

/// A client of one bot.
#[derive(Debug)]
pub struct Client {
    upstream: Upstream,
    /// Telegram knows no bot of this token: no chat need be tried.
    refused: Cell<bool>,
}

/// What became of a message.
#[derive(Debug)]
pub enum Sent {
    /// It is in the chat, under this number.
    Delivered(i64),
    /// It surely is not in the chat.
    Refused(Failure),
    /// Telegram knows no bot of this token, so it is in no chat.
    BotRefused(Failure),
    /// It may be in the chat: the request went out, and no answer says what became of it.
    Unknown(Failure),
}

/// The part of an answer that counts (Bot API, "Making requests").
#[derive(Deserialize)]
struct Envelope<R> {
    ok: bool,
    result: Option<R>,
    error_code: Option<u16>,
    description: Option<String>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Message {
    message_id: i64,
}

#[derive(Deserialize, Default)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

/// What an operator can do about a message that may have come.
const LOOK: &str = "look into the chat";

/// More bytes than an answer to a message has.
const LONGEST_ANSWER: usize = 1 << 20;

impl Client {
    /// A client of the configured bot. Fails when the token is missing or TLS cannot be prepared.
    pub fn new(config: &Config, budget: Budget) -> Result<Self> {
        let token = config.telegram.bot_token.as_ref().ok_or_else(|| {
            Failure::new(Kind::Usage, "TELEGRAM_BOT_TOKEN is not set")
                .hint("BotFather shows the bot's token; `zerkalo config check` shows every setting")
        })?;
        let base = config.telegram.base_url.clone();
        let http = client::client(&base, &config.limits, client::Trust::default())?;
        let secret = SecretString::from(format!("/bot{}", token.expose_secret()));
        let upstream = Upstream::new("telegram", base, http, &config.limits, config.retries.clone(), budget);
        Ok(Self { upstream: upstream.below(secret), refused: Cell::default() })
    }

    /// How far Telegram's clock is ahead of `now`, by the `Date` of its last answer; none when it sends no date.
    pub fn clock_ahead(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.upstream.clock_ahead(now)
    }

    /// Asks for something that is no message: `getMe`, `getChat`. Its result.
    pub async fn ask(&self, method: &str, form: &[(&str, &str)]) -> Result<Value> {
        let form = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request::post_form(method, Accept::Json, form);
        let attempt = async || {
            let answer = self.upstream.send(&request, None).await?;
            let (label, status) = (answer.label.clone(), answer.status.as_u16());
            let body = answer.bytes(LONGEST_ANSWER).await?;
            match serde_json::from_slice::<Envelope<Value>>(&body) {
                Ok(Envelope { ok: true, result: Some(result), .. }) => Ok(result),
                Ok(Envelope { error_code: Some(code @ 400..=499), description, parameters, .. }) => {
                    let words = description.unwrap_or_default();
                    Err(refused(&label, code, &words, &parameters).map_or_else(|again| again, Trouble::fatal))
                }
                _ => {
                    let text = format!("{label}: status {status} without an answer of Telegram's");
                    Err(Trouble::transient(
                        Failure::new(Kind::InvalidAnswer, text).hint(
                            "check TELEGRAM_BASE_URL: a proxy or another program may be answering there",
                        ),
                    ))
                }
            }
        };
        self.upstream.patience.attempts(attempt, async || Ok(())).await
    }

    /// Whether Telegram has refused the bot itself.
    pub fn is_refused(&self) -> bool {
        self.refused.get()
    }

    /// Sends a message to a chat. A connection that cannot be made and "too many requests" are waited out, as far as
    /// the run's retries go; nothing else is tried a second time.
    pub async fn send(&self, chat: &str, content: &Content) -> Sent {
        let request = match content {
            Content::Text(text) => {
                let form = [("chat_id", chat), ("text", text)];
                let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
                Request::post_form("sendMessage", Accept::Json, form)
            }
            Content::Photo { png, caption } => {
                let file = Some(("report.png", "image/png"));
                let parts = vec![
                    Part::text("chat_id", chat),
                    Part::text("caption", caption),
                    Part { name: "photo", content: png.clone(), file },
                ];
                Request::post_parts("sendPhoto", Accept::Json, parts)
            }
        };
        let attempt = async || match self.upstream.send(&request, None).await {
            Ok(answer) => judge(answer).await,
            // The server is not the one that it should be, or nothing has left this machine.
            Err(trouble) if trouble.failure.kind == Kind::Refused => {
                let hint = "check TELEGRAM_BASE_URL and this machine's CA certificates";
                Ok(Sent::Refused(trouble.failure.hint(hint)))
            }
            Err(trouble) if !trouble.reached => Err(trouble),
            Err(trouble) => Ok(Sent::Unknown(trouble.failure.hint(LOOK))),
        };
        match self.upstream.patience.attempts(attempt, async || Ok(())).await {
            Ok(sent) => {
                self.refused.set(self.refused.get() || matches!(sent, Sent::BotRefused(_)));
                sent
            }
            Err(failure) => Sent::Refused(failure),
        }
    }
}

/// What an answer says of the message. An answer that is not Telegram's says nothing.
async fn judge(answer: Answer) -> Result<Sent, Trouble> {
    let (label, status) = (answer.label.clone(), answer.status);
    match answer.bytes(LONGEST_ANSWER).await {
        Ok(body) => judge_body(&label, status, &body),
        Err(trouble) => Ok(Sent::Unknown(trouble.failure.hint(LOOK))),
    }
}

fn judge_body(label: &str, status: StatusCode, body: &[u8]) -> Result<Sent, Trouble> {
    let unknown =
        |text: String| Sent::Unknown(Failure::new(Kind::Unreachable, format!("{label}: {text}")).hint(LOOK));
    let Ok(envelope) = serde_json::from_slice::<Envelope<Message>>(body) else {
        return Ok(unknown(format!("status {} without an answer of Telegram's", status.as_u16())));
    };
    match envelope {
        Envelope { ok: true, result: Some(message), .. } if status.is_success() => {
            Ok(Sent::Delivered(message.message_id))
        }
        Envelope { ok: false, error_code: Some(code @ 400..=499), description, parameters, .. } => {
            let failure = refused(label, code, &description.unwrap_or_default(), &parameters)?;
            Ok(if is_of_bot(code) { Sent::BotRefused(failure) } else { Sent::Refused(failure) })
        }
        // A server that fails may have sent the message first.
        Envelope { error_code, description, .. } => {
            let words = quote(&description.unwrap_or_default(), 200);
            Ok(unknown(format!("status {}: {words}", error_code.unwrap_or(status.as_u16()))))
        }
    }
}

/// What a refusal in Telegram's own form means: the message is not in the chat.
fn refused(label: &str, code: u16, description: &str, parameters: &Parameters) -> Result<Failure, Trouble> {
    let words = quote(description, 200);
    let failure = |kind| Failure::new(kind, format!("{label}: status {code}: {words}"));
    if let (429, Some(seconds)) = (code, parameters.retry_after) {
        let failure = failure(Kind::Unreachable).hint("the bot has sent too much to this chat");
        let retry = Retry::After(Duration::from_secs(seconds));
        return Err(Trouble { failure, retry, reached: false });
    }
    let hint = match (code, parameters.migrate_to_chat_id) {
        (_, Some(id)) => format!("the group has another id now: set it to {id}"),
        _ if is_of_bot(code) => "check TELEGRAM_BOT_TOKEN; BotFather shows it after /token".to_owned(),
        (403, _) => "the chat's owner has to unblock the bot, or to take it into the group".to_owned(),
        _ => "check the chat's id; its owner has to write to the bot first".to_owned(),
    };
    Ok(failure(Kind::Refused).hint(hint))
}

/// Whether a refusal is of the bot itself: a token that is not even of the right form has no such address.
const fn is_of_bot(code: u16) -> bool {
    matches!(code, 401 | 404)
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{Kind, Sent, StatusCode, Value, judge_body};

    /// Reads the answer to a message. Only a success that says so has brought it, and only a refusal in Telegram's own form
    /// surely has not.
    pub(crate) fn survive(bytes: &[u8]) {
        // Within a member that nobody reads there may be what is no character.
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return drop(judge_body("telegram sendMessage", StatusCode::OK, bytes));
        };
        for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY] {
            match judge_body("telegram sendMessage", status, bytes) {
                Ok(Sent::Delivered(_)) => assert!(status.is_success() && value["ok"] == true, "{value}"),
                Ok(Sent::Refused(failure) | Sent::BotRefused(failure)) => {
                    assert_eq!(value["ok"], false);
                    crate::fuzzed::check_failure(&failure, Kind::Refused);
                }
                Ok(Sent::Unknown(failure)) => crate::fuzzed::check_failure(&failure, Kind::Unreachable),
                Err(trouble) => assert_eq!(value["error_code"], 429, "{}", trouble.failure),
            }
        }
    }
}
