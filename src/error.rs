//! What can go wrong, and what the process says and returns when it does.
//!
//! Every boundary (HTTP, database, settings, locks) fails with one type, [`Failure`]: a [`Kind`], one sentence that
//! says what and where, and mostly a hint that says what to do next. The kind alone decides the exit code.

use crate::redact::redact;
use rustix::io::Errno;
use std::{error::Error, fmt, io};

/// The result of everything here that can fail.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// The class of a failure; it decides the exit code and whether a machine may simply start the run again.
///
/// The codes are a contract with cron wrappers and monitoring; they are listed in the README and tested one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Not otherwise classed, or a panic (exit 1).
    Internal,
    /// Usage, configuration, permissions, a schema that this binary does not know (exit 2).
    Usage,
    /// Some entities failed while the rest was committed (exit 3).
    Partial,
    /// Finished, with something the operator should look at (exit 4).
    Warning,
    /// An upstream is unreachable, slow, or answers 429/5xx after all retries (exit 5).
    Unreachable,
    /// An upstream refuses us: credentials, rights, licence, TLS (exit 6).
    Refused,
    /// An upstream's answer is cut, foreign or of the wrong shape; nothing changed (exit 7).
    InvalidAnswer,
    /// The database or the disk (exit 8).
    Database,
    /// A side effect may or may not have happened (exit 9).
    Unknown,
    /// Another run holds the lock (exit 11).
    Locked,
    /// The start came too late for its slot and was skipped on purpose (exit 12).
    Misfire,
    /// A plan was refused for safety (exit 13).
    Safety,
    /// Stopped by a signal; the number is the signal's (exit 128 + n).
    Signal(u8),
}

/// Worst first: the order in which one exit code is chosen when several kinds apply.
const SEVERITY: [fn(Kind) -> bool; 13] = [
    |kind| kind == Kind::Unknown,
    |kind| matches!(kind, Kind::Signal(_)),
    |kind| kind == Kind::Database,
    |kind| kind == Kind::Internal,
    |kind| kind == Kind::Usage,
    |kind| kind == Kind::Refused,
    |kind| kind == Kind::InvalidAnswer,
    |kind| kind == Kind::Safety,
    |kind| kind == Kind::Unreachable,
    |kind| kind == Kind::Partial,
    |kind| kind == Kind::Misfire,
    |kind| kind == Kind::Locked,
    |kind| kind == Kind::Warning,
];

impl Kind {
    /// The process exit code of this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Warning => 4,
            Self::Unreachable => 5,
            Self::Refused => 6,
            Self::InvalidAnswer => 7,
            Self::Database => 8,
            Self::Unknown => 9,
            Self::Locked => 11,
            Self::Misfire => 12,
            Self::Safety => 13,
            Self::Signal(number) => 128 + number,
        }
    }

    /// The exit code of a run in which all of `kinds` occurred; 0 for none.
    pub fn worst(kinds: impl IntoIterator<Item = Self>) -> u8 {
        let rank = |kind: &Self| SEVERITY.iter().position(|is| is(*kind)).unwrap_or(SEVERITY.len());
        kinds.into_iter().min_by_key(rank).map_or(0, Self::exit_code)
    }
}

/// A failure: its kind, one sentence for the operator, and what to do next.
///
/// The text never holds a secret, a URL's query or a body; whoever builds one from an upstream's words cuts and
/// escapes them first ([`quote`]).
#[derive(Debug)]
pub struct Failure {
    /// The class; decides the exit code.
    pub kind: Kind,
    /// What and where, in one sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    source: Option<anyhow::Error>,
}

impl Failure {
    /// A failure of `kind`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// A file of ours that cannot be used. `hint` says what to set right; a disk that is full or broken is nothing that
    /// settings mend, and the run may simply be started again.
    pub fn of_file(message: impl Into<String>, hint: &str, error: io::Error) -> Self {
        let (kind, hint) = match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::DQUOT) => {
                (Kind::Database, "the disk is full; free some space, then start this again")
            }
            Some(Errno::IO) => (Kind::Database, "the disk does not work; look into the kernel's log"),
            Some(Errno::MFILE | Errno::NFILE) => {
                (Kind::Database, "too many files are open; see `ulimit -n`, in a unit LimitNOFILE=")
            }
            Some(Errno::FBIG) => {
                (Kind::Database, "no file may be as large; see `ulimit -f`, in a unit LimitFSIZE=")
            }
            _ => (Kind::Usage, hint),
        };
        Self::new(kind, message).hint(hint).source(error)
    }

    /// The same failure with what the operator can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure with its cause, which must not hold a secret.
    #[must_use]
    pub fn source(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure once more, for something else that it stops as well.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { kind: self.kind, message: self.to_string(), hint: self.hint.clone(), source: None }
    }

    /// The same failure, told from further out: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    /// The sentence, and of its causes the deepest one: what the operating system or the server itself said.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(formatter, ": {}", quote(&source.root_cause().to_string(), 300)),
            None => Ok(()),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// Foreign words made fit for a terminal, a log or a chat: without our own secrets, cut to `limit` characters, white space folded, control
/// and direction characters shown escaped.
pub fn quote(text: &str, limit: usize) -> String {
    // Nobody reads further, and what is cut here in the middle of a secret is known for a part of it.
    let longest = limit.saturating_mul(16).saturating_add(8192).min(text.len());
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let mut out = String::new();
    let text = redact(&text[..end]);
    for (count, character) in text.split_whitespace().collect::<Vec<_>>().join(" ").chars().enumerate() {
        if count == limit {
            out.push('…');
            break;
        }
        if is_unprintable(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Whether a character moves the cursor, changes what a terminal does, or turns the direction of what stands around it.
pub fn is_unprintable(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    turns || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_kind_decides_the_exit_code() {
        assert_eq!(Kind::worst([]), 0);
        assert_eq!(Kind::worst([Kind::Warning, Kind::Unreachable]), 5);
        assert_eq!(Kind::worst([Kind::InvalidAnswer, Kind::Refused, Kind::Warning]), 6);
        assert_eq!(Kind::worst([Kind::Signal(15), Kind::Database]), 143);
        assert_eq!(Kind::worst([Kind::Signal(15), Kind::Unknown]), 9);
    }

    #[test]
    fn foreign_words_cannot_move_the_cursor() {
        assert_eq!(quote("a\n\x1b[31mb\u{202e}c", 50), "a \\u{1b}[31mb\\u{202e}c");
        assert_eq!(quote("a\u{61c}b\u{9b}c\u{7f}", 50), "a\\u{61c}b\\u{9b}c\\u{7f}");
        assert_eq!(quote("абвгд", 3), "абв…");
    }
}
