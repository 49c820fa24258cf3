//! Secrets that this process holds, taken out of foreign words: a server that repeats a password in its error text does
//! not get it into a log, a message or the database.

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use secrecy::{ExposeSecret as _, SecretString};

/// What stands where a secret was.
const HIDDEN: &str = "<hidden>";
/// Shorter ones would be found inside ordinary words.
const SHORTEST: usize = 6;

static SECRETS: RwLock<Vec<SecretString>> = RwLock::new(Vec::new());

/// Remembers a secret for as long as the process lives.
pub(crate) fn remember(secret: &str) {
    let secret = secret.trim();
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    if secret.len() >= SHORTEST && !secrets.iter().any(|known| known.expose_secret() == secret) {
        secrets.push(SecretString::from(secret));
        // Of two secrets of which one holds the other the longer one goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }
}

/// The text without the secrets that are remembered.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut shown = Cow::Borrowed(text);
    for secret in secrets.iter().map(SecretString::expose_secret) {
        if shown.contains(secret) {
            shown = Cow::Owned(shown.replace(secret, HIDDEN));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_not_repeated() {
        assert_eq!(redact("login w0rd-redact failed"), "login w0rd-redact failed");
        remember(" w0rd-redact\n");
        remember("w0rd-redact-longer");
        remember("key");
        assert_eq!(redact("login w0rd-redact failed"), "login <hidden> failed");
        assert_eq!(redact("w0rd-redact-longer"), "<hidden>");
        assert_eq!(redact("a key"), "a key", "too short to be told from a word");
    }
}
