//! The service account: its key, from the settings, and its e-mail address, which the operator shares the sheet with.

use crate::{
    config::{Config, address::is_confidential, secret_file},
    error::{Failure, Kind, Result},
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use std::path::Path;

/// What counts of the key of a service account. Not shown anywhere, and so without `Debug`.
#[derive(Deserialize)]
pub(super) struct Account {
    /// The key itself, as PEM.
    pub(super) private_key: String,
    /// The account's e-mail address.
    pub(super) client_email: String,
    /// The token endpoint.
    pub(super) token_uri: String,
}

/// The key of the configured account.
pub(super) fn key(config: &Config) -> Result<Account> {
    let name = "GOOGLE_SHEETS_CREDENTIALS";
    let hint = "it is the JSON file that the Google Cloud console gives for a key of a service account, or that JSON \
                itself";
    let given = config.google.credentials.as_ref().ok_or_else(|| {
        Failure::new(Kind::Usage, format!("{name} is not set")).hint(format!("set it: {hint}"))
    })?;
    let given = given.expose_secret().trim();
    let (json, place) = if given.starts_with('{') {
        (given.to_owned(), name.to_owned())
    } else {
        (secret_file(name, Path::new(given))?, format!("{name} ({given})"))
    };
    // serde's message may quote what it could not read, which may be the private key.
    let refuse = |what: &str| Failure::new(Kind::Usage, format!("{place} {what}")).hint(hint);
    let key: Account =
        serde_json::from_str(&json).map_err(|_| refuse("is not the JSON of a service account's key"))?;
    if !key.private_key.contains("PRIVATE KEY") {
        return Err(refuse("holds no private key"));
    }
    if !is_confidential(&key.token_uri) {
        return Err(refuse("names a token address that is not https"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_no_foreign_host_in_the_clear() {
        let mut config = Config::default();
        for (address, is_refused) in [
            ("https://oauth2.googleapis.com/token", false),
            ("http://127.0.0.1:8080/token", false),
            ("http://[::1]:8080/token", false),
            ("http://localhost/token", false),
            ("http://127.0.0.1.example.org/token", true),
            ("http://localhost.example.org/token", true),
            ("http://10.0.0.1/token", true),
            ("ftp://localhost/token", true),
        ] {
            let json = serde_json::json!({
                "type": "service_account", "client_email": "a@b.example", "private_key": "-----BEGIN PRIVATE KEY-----",
                "token_uri": address,
            });
            config.google.credentials = Some(json.to_string().into());
            assert_eq!(key(&config).is_err(), is_refused, "{address}");
        }
    }
}
