//! A body that came to harm before its length was declared, so that HTTP sees nothing wrong.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::wire::Reply;

/// What happens to the body of an answer. A place is counted in bytes, and from the beginning again where the body is
/// shorter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The end is lost, from the place on.
    Tail,
    /// A piece is lost.
    Lost {
        /// How many bytes.
        length: usize,
    },
    /// A piece stands there twice.
    Doubled {
        /// How many bytes.
        length: usize,
    },
    /// A piece and the one behind it have changed places.
    Exchanged {
        /// How many bytes each of them has.
        length: usize,
    },
    /// A byte is another one.
    Changed {
        /// Which one.
        byte: u8,
    },
    /// A byte is there that was not.
    Inserted {
        /// Which one.
        byte: u8,
    },
    /// The whole body comes twice.
    Twice,
    /// Something follows the end.
    Followed {
        /// What.
        by: String,
    },
    /// The text is UTF-16, with the mark that says so.
    Utf16,
    /// The text is windows-1251; what that has not is a question mark.
    Windows1251,
    /// The mark of UTF-8 stands in front.
    Bom,
    /// The body is whole, and its content type another one; empty for none.
    Typed {
        /// Which one.
        content_type: String,
    },
}

impl Damage {
    /// The answer as it arrives.
    pub(super) fn done_to(&self, reply: Reply, at: usize) -> Reply {
        if let Self::Typed { content_type } = self {
            return Reply { content_type: content_type.clone(), ..reply };
        }
        let body = self.body(&reply.body, at);
        Reply { body, ..reply }
    }

    /// The body as it arrives.
    fn body(&self, body: &Bytes, at: usize) -> Bytes {
        let at = at % body.len().max(1);
        let piece = |length: usize| (at.saturating_add(length)).min(body.len());
        let parts: Vec<&[u8]> = match self {
            Self::Tail => vec![&body[..at]],
            Self::Lost { length } => vec![&body[..at], &body[piece(*length)..]],
            Self::Doubled { length } => vec![&body[..piece(*length)], &body[at..]],
            Self::Exchanged { length } => {
                let (middle, end) = (piece(*length), piece(length.saturating_mul(2)));
                vec![&body[..at], &body[middle..end], &body[at..middle], &body[end..]]
            }
            Self::Changed { byte } => vec![&body[..at], std::slice::from_ref(byte), &body[piece(1)..]],
            Self::Inserted { byte } => vec![&body[..at], std::slice::from_ref(byte), &body[at..]],
            Self::Twice => vec![body, body],
            Self::Followed { by } => vec![body, by.as_bytes()],
            Self::Bom => vec!["\u{feff}".as_bytes(), body],
            Self::Utf16 => {
                let text = String::from_utf8_lossy(body);
                let units = std::iter::once(0xfeff).chain(text.encode_utf16());
                return units.flat_map(u16::to_le_bytes).collect();
            }
            Self::Windows1251 => return String::from_utf8_lossy(body).chars().map(windows_1251).collect(),
            Self::Typed { .. } => vec![body],
        };
        parts.concat().into()
    }
}

/// A character of windows-1251, as far as Russian and English need it.
fn windows_1251(character: char) -> u8 {
    match character {
        'А'..='я' => u8::try_from(u32::from(character) - u32::from('А') + 0xc0).unwrap_or(b'?'),
        'Ё' => 0xa8,
        'ё' => 0xb8,
        '№' => 0xb9,
        '«' => 0xab,
        '»' => 0xbb,
        '—' => 0x97,
        _ => u8::try_from(u32::from(character)).ok().filter(u8::is_ascii).unwrap_or(b'?'),
    }
}
