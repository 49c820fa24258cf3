//! Reads one setting's text. No message here repeats the text: it may be a secret in the wrong place.

use std::{path::PathBuf, time::Duration};

use chrono::NaiveTime;
use chrono_tz::{TZ_VARIANTS, Tz};
use sha1::{Digest as _, Sha1};
use uuid::Uuid;

use super::Ages;
use crate::{registry, schedule, tables};

/// Why a text cannot be a setting's value: the end of a sentence whose subject is the setting.
#[derive(Debug)]
pub(super) struct Problem {
    /// Starts with a verb: "must be …".
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(super) type Read<T> = Result<T, Problem>;

pub(super) fn boolean(text: &str) -> Read<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Problem::new("must be true or false (1 or 0)")),
    }
}

pub(super) fn count(text: &str, least: usize) -> Read<usize> {
    let wrong = || Problem::new(format!("must be a whole number of at least {least}"));
    text.trim().parse().ok().filter(|number| *number >= least).ok_or_else(wrong)
}

pub(super) fn share(text: &str) -> Read<f64> {
    let number: Option<f64> = text.trim().parse().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| Problem::new("must be a number from 0 to 1"))
}

/// A day is longer than any wait or limit that makes sense, and keeps sums far from overflow.
const LONGEST: Duration = Duration::from_hours(24);

fn any_seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number).ok().filter(|duration| *duration <= LONGEST)
}

pub(super) fn seconds(text: &str) -> Read<Duration> {
    any_seconds(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| Problem::new("must be a number of seconds above 0, one day at most"))
}

/// `1,3,7`; `none` for an empty list.
pub(super) fn seconds_list(text: &str) -> Read<Vec<Duration>> {
    if matches!(text.trim(), "" | "none") {
        return Ok(Vec::new());
    }
    let list: Option<Vec<Duration>> = text.split(',').map(any_seconds).collect();
    let wrong = || Problem::new("must be seconds with commas between them, such as `1,3,7`, or `none`");
    list.filter(|list| list.len() <= 100).ok_or_else(wrong)
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// A number of bytes, or of `KiB`, `MiB`, `GiB`.
pub(super) fn bytes(text: &str) -> Read<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor =
        UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim())).map(|(_, factor)| *factor);
    let size = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    let wrong = || Problem::new("must be a size above 0, such as `16 MiB`, or a number of bytes");
    size.filter(|size| (1..=i64::MAX.cast_unsigned()).contains(size)).ok_or_else(wrong)
}

/// The same for what is held in memory.
pub(super) fn memory(text: &str) -> Read<usize> {
    bytes(text).map(|size| usize::try_from(size).unwrap_or(usize::MAX))
}

/// The shortest text that [`bytes()`] reads back.
pub(super) fn shown_bytes(size: u64) -> String {
    let unit = UNITS.iter().find(|(_, factor)| size >= *factor && size.is_multiple_of(*factor));
    let (name, factor) = unit.unwrap_or(&("", 1));
    format!("{} {name}", size / factor).trim_end().to_owned()
}

pub(super) fn choice<T: Copy>(text: &str, names: &[&str], values: &[T]) -> Read<T> {
    let found = names.iter().zip(values).find(|(name, _)| name.eq_ignore_ascii_case(text));
    let wrong = || Problem::new(format!("must be one of: {}", names.join(", ")));
    found.map(|(_, value)| *value).ok_or_else(wrong)
}

/// A path as it is; the shell's `~` would become a directory of that name.
pub(super) fn path(text: &str) -> Read<PathBuf> {
    if text.starts_with('~') {
        return Err(Problem::new("must be a whole path, without `~`"));
    }
    Ok(PathBuf::from(text))
}

/// A name that goes into an HTTP header or form as it is.
pub(super) fn line(text: &str) -> Read<String> {
    if text.chars().any(char::is_control) {
        return Err(Problem::new("must be one line without control characters"));
    }
    Ok(text.to_owned())
}

/// What stands between commas.
pub(super) fn items(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Ids with commas between them.
pub(super) fn uuids(text: &str) -> Read<Vec<Uuid>> {
    let id = |item: &String| {
        Uuid::try_parse(item).map_err(|_| {
            Problem::new("must be ids with commas between them")
                .hint("an id looks like 14000000-0000-4000-8000-000000000001")
        })
    };
    items(&line(text)?).iter().map(id).collect()
}

/// `26h, stock_balance=2h, ft_deal=none`: for everything, and for single tables.
pub(super) fn ages(text: &str) -> Read<Ages> {
    let wrong = || {
        Problem::new(
            "must be a time such as `26h`, and tables with their own: `26h, stock_balance=2h, ft_deal=none`",
        )
    };
    let age = |text: &str| match text.trim() {
        "none" => Ok(None),
        text => schedule::duration(text).filter(|age| !age.is_zero()).map(Some).ok_or_else(wrong),
    };
    let mut ages = Ages::default();
    for item in items(text) {
        let Some((table, limit)) = item.split_once('=') else {
            ages.all = age(&item)?;
            continue;
        };
        if tables::named(table.trim()).is_none() {
            return Err(Problem::new("names a table that is not mirrored")
                .hint("`zerkalo status` shows the tables' names"));
        }
        ages.of.push((table.trim().to_owned(), age(limit)?));
    }
    Ok(ages)
}

/// Jobs with commas between them.
pub(super) fn jobs(text: &str) -> Read<Vec<String>> {
    let jobs = items(&line(text)?);
    let known: Vec<&str> = registry::schedulable().map(|job| job.name).collect();
    if jobs.iter().all(|job| known.contains(&job.as_str())) {
        return Ok(jobs);
    }
    // It would be watched for ever without anybody hearing of it.
    Err(Problem::new("names no job that can be scheduled").hint(format!("the jobs: {}", known.join(", "))))
}

/// The id of a Google spreadsheet, also out of its whole address.
pub(super) fn sheet_id(text: &str) -> Read<String> {
    let id = text.split_once("/d/").map_or(text, |(_, rest)| rest.split('/').next().unwrap_or(rest)).trim();
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Ok(id.to_owned());
    }
    Err(Problem::new("is no spreadsheet id: letters, digits, - and _")
        .hint("it stands in the address between /d/ and /edit"))
}

/// Names with commas between them, at least one.
pub(super) fn list(text: &str) -> Read<Vec<String>> {
    let names: Vec<String> =
        line(text)?.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() { Err(Problem::new("must be names with commas between them")) } else { Ok(names) }
}

pub(super) fn time_of_day(text: &str) -> Read<NaiveTime> {
    NaiveTime::parse_from_str(text.trim(), "%H:%M")
        .map_err(|_| Problem::new("must be a time such as `23:58`"))
}

/// A bearer token: what an HTTP header can carry.
pub(super) fn token(text: &str) -> Read<String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Problem::new("holds a character that no token has (a space, a line break, a letter beyond ASCII)"))
}

/// A bot's token: a number, a colon, and letters, digits, `_` and `-` (Bot API, "Authorizing your bot").
pub(super) fn bot_token(text: &str) -> Read<String> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let fits = |(number, rest): &(&str, &str)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !rest.is_empty()
            && rest.bytes().all(sign)
    };
    if text.split_once(':').as_ref().is_some_and(fits) {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no bot token: it looks like 123456:ABC-def_…")
        .hint("BotFather shows it after /token"))
}

/// Chats with commas or spaces between them: numbers, or names of channels; each one once.
pub(super) fn chats(text: &str) -> Read<Vec<String>> {
    let mut chats: Vec<String> = Vec::new();
    let separator = |sign: char| sign == ',' || sign.is_whitespace();
    for chat in text.split(separator).filter(|chat| !chat.is_empty()) {
        let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_chat = match chat.strip_prefix('@') {
            Some(name) => !name.is_empty() && name.bytes().all(sign),
            None => chat.parse::<i64>().is_ok_and(|id| id != 0 && id.to_string() == chat),
        };
        if !is_chat {
            return Err(Problem::new("must be ids of chats with commas between them")
                .hint("such as `123456789, -1001234567890, @channel`"));
        }
        if !chats.iter().any(|known| known == chat) {
            chats.push(chat.to_owned());
        }
    }
    Ok(chats)
}

pub(super) fn schema(text: &str) -> Read<String> {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let fits = text.starts_with(first) && text.len() <= 63;
    if fits && text.chars().all(|c| first(c) || c.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(Problem::new("must be lower-case letters, digits and `_`, 63 at most, and not begin with a digit"))
}

pub(super) fn sha1_hex(text: &str) -> Read<String> {
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Problem::new("must be the 40 hex digits of a SHA-1")
        .hint("a password as it is typed goes into IIKO_PASSWORD (iiko.password)"))
}

/// What iiko wants instead of the password.
pub(super) fn sha1_of(password: &str) -> String {
    hex::encode(Sha1::digest(password.as_bytes()))
}

/// `sha256:` and 64 hex digits, with or without colons between them.
pub(super) fn tls_pin(text: &str) -> Read<String> {
    let wrong = || {
        Problem::new("must be `sha256:` and the 64 hex digits of a certificate's fingerprint")
            .hint("openssl x509 -in server.pem -noout -fingerprint -sha256")
    };
    let digits =
        text.get(..7).filter(|start| start.eq_ignore_ascii_case("sha256:")).and_then(|_| text.get(7..));
    let digits = digits.ok_or_else(wrong)?.replace(':', "").to_ascii_lowercase();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    Ok(format!("sha256:{digits}"))
}

pub(super) fn time_zone(text: &str) -> Read<Tz> {
    text.parse().map_err(|_| {
        let city = text.rsplit('/').next().unwrap_or(text).trim().replace(' ', "_").to_lowercase();
        let near = TZ_VARIANTS.iter().map(|zone| zone.name()).find(|name| {
            let last = name.rsplit('/').next().unwrap_or(name).to_lowercase();
            city.len() > 2 && last == city
        });
        let hint = near.map_or_else(
            || "such as `Europe/Kaliningrad`; `timedatectl list-timezones` lists them".to_owned(),
            |name| format!("write it as `{name}`"),
        );
        Problem::new("must be the IANA name of a time zone").hint(hint)
    })
}
