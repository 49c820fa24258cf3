//! Names in a file of `NAME=value` lines that nobody reads, although somebody may think so.

use super::settings::SETTINGS;

/// What the earlier bot had and what takes its place here.
const PREDECESSORS: [(&str, &str); 2] = [
    (
        "IIKO_VERIFY_SSL",
        "certificates are always checked; IIKO_CA_FILE or IIKO_TLS_PIN lets a self-signed server in",
    ),
    ("ORG_ID", "set IIKO_CLOUD_ORG_ID"),
];

/// Names beside those of the settings that mean something.
const OTHERS: [&str; 2] = ["ZERKALO_CONFIG", "ZERKALO_LOG"];

/// How many letters may be wrong, missing or swapped.
const SLIPS: usize = 2;

/// Shorter names resemble too many others.
const SHORTEST: usize = 6;

/// Why a name is worth a warning, as the end of a sentence about it: it is read by nobody, and it looks as if it should be.
pub(super) fn why_odd(name: &str) -> Option<String> {
    if let Some((_, instead)) = PREDECESSORS.iter().find(|(old, _)| *old == name) {
        return Some(format!("is not honoured any more: {instead}"));
    }
    let known = known();
    if name.len() < SHORTEST || known.iter().any(|known| known == name) {
        return None;
    }
    let written = name.to_ascii_uppercase().replace('-', "_");
    let distance = |known: &&String| distance(&written, known);
    let nearest = known.iter().min_by_key(distance).filter(|known| distance(known) <= SLIPS);
    let meant = nearest.or_else(|| {
        // The end of one name alone.
        let mut ending = known.iter().filter(|known| known.ends_with(&format!("_{written}")));
        ending.next().filter(|_| ending.next().is_none())
    });
    meant.map(|meant| format!("is no setting and is not read; {meant} is"))
}

fn known() -> Vec<String> {
    let own = SETTINGS.iter().map(|setting| setting.environment.to_owned());
    let files = SETTINGS.iter().filter(|setting| setting.secret);
    let files = files.map(|setting| format!("{}_FILE", setting.environment));
    own.chain(files).chain(OTHERS.map(str::to_owned)).collect()
}

/// How many letters have to be changed, put in, left out or swapped with their neighbours.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let changed = rows[i][j] + usize::from(a != b);
            let mut least = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_resembles_a_setting_names_it() {
        for (odd, meant) in [
            ("IIKO_PASWORD", "IIKO_PASSWORD"),
            ("IIKO_PASSWROD", "IIKO_PASSWORD"),
            ("iiko_login", "IIKO_LOGIN"),
            ("TELEGRAM_CHAT_ID", "TELEGRAM_CHAT_IDS"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("FINTABLO_TOKEN_FLIE", "FINTABLO_TOKEN_FILE"),
            ("BOT_TOKEN", "TELEGRAM_BOT_TOKEN"),
            ("ORG_ID", "IIKO_CLOUD_ORG_ID"),
            ("IIKO_VERIFY_SSL", "IIKO_TLS_PIN"),
        ] {
            let why = why_odd(odd).unwrap_or_else(|| panic!("{odd} is odd"));
            assert!(why.contains(meant), "{odd}: {why}");
        }
    }

    #[test]
    fn what_is_somebody_elses_is_left_alone() {
        for name in known() {
            assert_eq!(why_odd(&name), None, "{name}");
        }
        for name in [
            "PATH",
            "HTTPS_PROXY",
            "LOG_LEVEL",
            "SENTRY_DSN",
            "REDIS_URL",
            "POSTGRES_PASSWORD",
            "TZ",
            "DEBUG",
        ] {
            assert_eq!(why_odd(name), None, "{name}");
        }
    }
}
