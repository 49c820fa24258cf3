//! Telegram's Bot API: messages and what they are made of.

pub mod api;
mod text;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

pub use api::{Client, Sent};
pub use text::{LONGEST_CAPTION, LONGEST_TEXT, More, cut, cut_after, foreign, units};

/// What a message is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Plain text of at most [`LONGEST_TEXT`] units, see [`cut`].
    Text(String),
    /// A picture.
    Photo {
        /// A PNG of at most 10 MB, width and height together at most 10,000 pixels (Bot API, sendPhoto).
        png: Bytes,
        /// What stands below it: plain text of at most [`LONGEST_CAPTION`] units.
        caption: String,
    },
}

impl Content {
    /// The word for its kind in the database.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Photo { .. } => "photo",
        }
    }

    /// What tells one content from another.
    pub fn digest(&self) -> String {
        match self {
            Self::Text(text) => hex::encode(Sha256::digest(text.as_bytes())),
            Self::Photo { png, caption } => {
                hex::encode(Sha256::new().chain_update(png).chain_update(caption.as_bytes()).finalize())
            }
        }
    }
}
