//! The chats of the stand-in Telegram.

use std::collections::BTreeMap;

/// The chats that the bot knows. Any other one is not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram {
    /// By id, or by `@name` for a channel.
    pub chats: BTreeMap<String, Chat>,
    /// The number of the last message, counted over all chats.
    pub last_message: i64,
}

/// One chat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chat {
    /// Its owner has blocked the bot.
    pub blocked: bool,
    /// What the bot has sent, in order.
    pub messages: Vec<Message>,
}

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: i64,
    /// The text, or a photo's caption.
    pub text: String,
    /// The photo; none in a message of text.
    pub photo: Option<Vec<u8>>,
}

/// The private chat of an admin.
pub const ADMIN_CHAT: &str = "100200300";

/// The group of those who read reports; a supergroup's id is negative.
pub const READERS_CHAT: &str = "-1001234567890";

impl Default for Telegram {
    fn default() -> Self {
        let chats = [ADMIN_CHAT, READERS_CHAT].map(|id| (id.to_owned(), Chat::default()));
        Self { chats: chats.into(), last_message: 0 }
    }
}

impl Telegram {
    /// The texts that a chat holds, in order; none for a chat that is not there.
    pub fn messages(&self, chat: &str) -> Vec<String> {
        self.chats
            .get(chat)
            .map(|chat| chat.messages.iter().map(|message| message.text.clone()).collect())
            .unwrap_or_default()
    }
}
