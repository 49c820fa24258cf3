//! Every setting, declared once.
#![expect(clippy::unnecessary_wraps, reason = "the getters share one signature")]

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use toml::Value;

use super::{
    Config, PersonalData, PostMode, TokenIn, address,
    setting::{Setting, SettingKind},
    value,
};

const fn setting(
    (key, environment, kind, default): (&'static str, &'static str, SettingKind, &'static str),
    doc: &'static str,
    set: fn(&mut Config, &str) -> value::Read<()>,
    get: fn(&Config) -> Option<Value>,
) -> Setting {
    Setting { key, environment, kind, secret: false, default, doc, set, get }
}

const fn secret(setting: Setting) -> Setting {
    Setting { secret: true, ..setting }
}

fn text(value: impl Into<String>) -> Option<Value> {
    Some(Value::String(value.into()))
}

fn path(value: Option<&PathBuf>) -> Option<Value> {
    value.map(|path| Value::String(path.display().to_string()))
}

fn count(value: usize) -> Option<Value> {
    Some(Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn hidden(value: Option<&SecretString>) -> Option<Value> {
    value.map(|_| Value::String(super::HIDDEN.to_owned()))
}

fn seconds_value(value: Duration) -> Value {
    let whole = i64::try_from(value.as_secs()).unwrap_or(i64::MAX);
    if value.subsec_nanos() == 0 { Value::Integer(whole) } else { Value::Float(value.as_secs_f64()) }
}

fn seconds(value: Duration) -> Option<Value> {
    Some(seconds_value(value))
}

fn seconds_list(values: &[Duration]) -> Option<Value> {
    Some(Value::Array(values.iter().copied().map(seconds_value).collect()))
}

fn list(values: &[String]) -> Option<Value> {
    Some(Value::Array(values.iter().cloned().map(Value::String).collect()))
}

fn chats(list: &[String]) -> Option<Value> {
    (!list.is_empty()).then(|| Value::String(list.join(", ")))
}

fn uuids(list: &[uuid::Uuid]) -> Option<Value> {
    let texts: Vec<String> = list.iter().map(uuid::Uuid::to_string).collect();
    (!texts.is_empty()).then(|| Value::String(texts.join(", ")))
}

use SettingKind::{Bool, Bytes, Choice, Count, List, Path, Seconds, SecondsList, Share, Text};

/// Every setting, in the order of the settings file: top-level keys first, then section by section.
pub const SETTINGS: &[Setting] = &[
    setting(
        ("timezone", "TIMEZONE", Text, "Europe/Kaliningrad"),
        "The business's time zone (IANA name); it decides to which day a run belongs.",
        |config, text| value::time_zone(text).map(|zone| config.timezone = zone),
        |config| text(config.timezone.name()),
    ),
    setting(
        ("state_dir", "ZERKALO_STATE_DIR", Path, "~/.local/state/zerkalo"),
        "The directory for locks, spools and the left-over iiko session; must be on a local disk.",
        |config, text| value::path(text).map(|path| config.state_dir = path),
        |config| path(Some(&config.state_dir)),
    ),
    setting(
        ("trigger", "ZERKALO_TRIGGER", Text, ""),
        "What started the run, for the log, when neither systemd nor a terminal tells: `cron` in a crontab.",
        |config, text| value::line(text).map(|name| config.trigger = Some(name)),
        |config| config.trigger.clone().map(Value::String),
    ),
    secret(setting(
        ("database.url", "DATABASE_URL", Text, "~/.local/share/zerkalo/zerkalo.db"),
        "Where the mirror is kept: `postgres://user@host/name`, `sqlite:PATH` or the path of an SQLite file.",
        |config, text| address::database(text).map(|url| config.database.url = SecretString::from(url)),
        |config| text(config.database.shown()),
    )),
    setting(
        ("database.schema", "DATABASE_SCHEMA", Text, "public"),
        "The PostgreSQL schema of the tables: one for each iiko server.",
        |config, text| value::schema(text).map(|schema| config.database.schema = schema),
        |config| text(config.database.schema.as_str()),
    ),
    setting(
        ("database.bulk_threshold", "ZERKALO_BULK_THRESHOLD", Count { least: 0 }, "2000"),
        "The number of changed rows above which they are written by COPY.",
        |config, text| value::count(text, 0).map(|rows| config.database.bulk_threshold = rows),
        |config| count(config.database.bulk_threshold),
    ),
    setting(
        ("database.busy_timeout", "ZERKALO_BUSY_TIMEOUT", Seconds, "30"),
        "Seconds to wait for another program that writes to the database, once a run.",
        |config, text| value::seconds(text).map(|limit| config.database.busy_timeout = limit),
        |config| seconds(config.database.busy_timeout),
    ),
    setting(
        ("iiko.base_url", "IIKO_BASE_URL", Text, ""),
        "The iiko server, such as `https://chain.iiko.it:443`; `/resto` is added where it is missing.",
        |config, text| address::iiko_base(text).map(|url| config.iiko.base_url = Some(url)),
        |config| config.iiko.base_url.clone().map(Value::String),
    ),
    setting(
        ("iiko.login", "IIKO_LOGIN", Text, ""),
        "The login of the iiko user that reads.",
        |config, text| value::line(text).map(|login| config.iiko.login = Some(login)),
        |config| config.iiko.login.clone().map(Value::String),
    ),
    secret(setting(
        ("iiko.sha1_password", "IIKO_SHA1_PASSWORD", Text, ""),
        "The SHA-1 of that user's password, 40 hex digits; it is as good as the password.",
        |config, text| {
            value::sha1_hex(text).map(|hash| config.iiko.sha1_password = Some(SecretString::from(hash)))
        },
        |config| hidden(config.iiko.sha1_password.as_ref()),
    )),
    secret(setting(
        ("iiko.password", "IIKO_PASSWORD", Text, ""),
        "The password as it is typed, instead of its SHA-1.",
        |config, text| {
            config.iiko.sha1_password = Some(SecretString::from(value::sha1_of(text)));
            Ok(())
        },
        |_| None,
    )),
    setting(
        ("iiko.ca_file", "IIKO_CA_FILE", Path, ""),
        "A PEM file of the authority that signed the server's certificate.",
        |config, text| value::path(text).map(|path| config.iiko.ca_file = Some(path)),
        |config| path(config.iiko.ca_file.as_ref()),
    ),
    setting(
        ("iiko.tls_pin", "IIKO_TLS_PIN", Text, ""),
        "`sha256:` and the fingerprint of a self-signed server's certificate: that one and no other.",
        |config, text| value::tls_pin(text).map(|pin| config.iiko.tls_pin = Some(pin)),
        |config| config.iiko.tls_pin.clone().map(Value::String),
    ),
    setting(
        ("iiko.allow_http", "IIKO_ALLOW_HTTP", Bool, "false"),
        "Accept plain http for a server in a private network, with a warning each run.",
        |config, text| value::boolean(text).map(|yes| config.iiko.allow_http = yes),
        |config| Some(Value::Boolean(config.iiko.allow_http)),
    ),
    setting(
        ("iiko.token_in", "IIKO_TOKEN_IN", Choice(TokenIn::CHOICES), "cookie"),
        "How the session token travels: `query` only for servers that insist.",
        |config, text| {
            let values = [TokenIn::Cookie, TokenIn::Query];
            value::choice(text, TokenIn::CHOICES, &values).map(|token_in| config.iiko.token_in = token_in)
        },
        |config| text(config.iiko.token_in.name()),
    ),
    setting(
        ("iiko.max_concurrency", "IIKO_MAX_CONCURRENCY", Count { least: 1 }, "1"),
        "Requests to iiko at the same time; 1 is iiko's own rule.",
        |config, text| value::count(text, 1).map(|requests| config.iiko.max_concurrency = requests),
        |config| count(config.iiko.max_concurrency),
    ),
    setting(
        ("iiko.personal_data", "IIKO_PERSONAL_DATA", Choice(PersonalData::CHOICES), "minimal"),
        "How much of the employees' personal data is mirrored: names and roles, or everything.",
        |config, text| {
            let values = [PersonalData::Minimal, PersonalData::Full];
            value::choice(text, PersonalData::CHOICES, &values)
                .map(|choice| config.iiko.personal_data = choice)
        },
        |config| text(config.iiko.personal_data.name()),
    ),
    setting(
        ("fintablo.base_url", "FINTABLO_BASE_URL", Text, "https://api.fintablo.ru"),
        "The address of FinTablo's API.",
        |config, text| address::api_base(text).map(|url| config.fintablo.base_url = url),
        |config| text(config.fintablo.base_url.as_str()),
    ),
    secret(setting(
        ("fintablo.token", "FINTABLO_TOKEN", Text, ""),
        "The token of FinTablo's API.",
        |config, text| {
            value::token(text).map(|token| config.fintablo.token = Some(SecretString::from(token)))
        },
        |config| hidden(config.fintablo.token.as_ref()),
    )),
    setting(
        ("fintablo.max_concurrency", "FINTABLO_MAX_CONCURRENCY", Count { least: 1 }, "4"),
        "Requests to FinTablo at the same time.",
        |config, text| value::count(text, 1).map(|requests| config.fintablo.max_concurrency = requests),
        |config| count(config.fintablo.max_concurrency),
    ),
    setting(
        ("fintablo.per_minute", "FINTABLO_PER_MINUTE", Count { least: 1 }, "300"),
        "Requests to FinTablo in any 60 seconds.",
        |config, text| value::count(text, 1).map(|requests| config.fintablo.per_minute = requests),
        |config| count(config.fintablo.per_minute),
    ),
    setting(
        ("iiko_cloud.base_url", "IIKO_CLOUD_BASE_URL", Text, "https://api-ru.iiko.services"),
        "The address of iikoCloud's API, which knows the stop-list.",
        |config, text| address::api_base(text).map(|url| config.iiko_cloud.base_url = url),
        |config| text(config.iiko_cloud.base_url.as_str()),
    ),
    secret(setting(
        ("iiko_cloud.api_login", "IIKO_CLOUD_API_LOGIN", Text, ""),
        "The API login from iikoWeb; iiko has declared it deprecated, and with an API key beside it the key is taken.",
        |config, text| {
            value::token(text).map(|login| config.iiko_cloud.api_login = Some(SecretString::from(login)))
        },
        |config| hidden(config.iiko_cloud.api_login.as_ref()),
    )),
    secret(setting(
        ("iiko_cloud.api_key", "IIKO_CLOUD_API_KEY", Text, ""),
        "The API key from iikoWeb (Integrations, API keys); with it the application's id and secret are needed.",
        |config, text| {
            value::token(text).map(|key| config.iiko_cloud.api_key = Some(SecretString::from(key)))
        },
        |config| hidden(config.iiko_cloud.api_key.as_ref()),
    )),
    setting(
        ("iiko_cloud.app_id", "IIKO_CLOUD_APP_ID", Text, ""),
        "The application's id from iiko's developers' portal.",
        |config, text| value::line(text).map(|id| config.iiko_cloud.app_id = Some(id)),
        |config| config.iiko_cloud.app_id.clone().map(Value::String),
    ),
    secret(setting(
        ("iiko_cloud.client_secret", "IIKO_CLOUD_CLIENT_SECRET", Text, ""),
        "The application's secret, shown once in that portal.",
        |config, text| {
            value::token(text)
                .map(|secret| config.iiko_cloud.client_secret = Some(SecretString::from(secret)))
        },
        |config| hidden(config.iiko_cloud.client_secret.as_ref()),
    )),
    setting(
        ("iiko_cloud.org_id", "IIKO_CLOUD_ORG_ID", Text, ""),
        "The organizations of iikoCloud whose stop-lists are read, ids with commas between them; empty means all.",
        |config, text| value::uuids(text).map(|ids| config.iiko_cloud.organizations = ids),
        |config| uuids(&config.iiko_cloud.organizations),
    ),
    secret(setting(
        ("google.credentials", "GOOGLE_SHEETS_CREDENTIALS", Text, ""),
        "The key of the service account that the sheet is shared with: a JSON file's path, or that JSON itself.",
        |config, text| {
            config.google.credentials = Some(SecretString::from(text.trim()));
            Ok(())
        },
        |config| hidden(config.google.credentials.as_ref()),
    )),
    setting(
        ("google.base_url", "GOOGLE_SHEETS_BASE_URL", Text, "https://sheets.googleapis.com"),
        "The address of the Google Sheets API.",
        |config, text| address::api_base(text).map(|url| config.google.base_url = url),
        |config| text(config.google.base_url.as_str()),
    ),
    setting(
        ("google.quota_wait", "ZERKALO_GOOGLE_QUOTA_WAIT", Seconds, "20"),
        "Seconds to wait when Google says that a minute's quota is used up.",
        |config, text| value::seconds(text).map(|wait| config.google.quota_wait = wait),
        |config| seconds(config.google.quota_wait),
    ),
    setting(
        ("min_stock.sheet_id", "MIN_STOCK_SHEET_ID", Text, ""),
        "The id of the spreadsheet with the min/max levels: the part of its address between /d/ and /edit.",
        |config, text| value::sheet_id(text).map(|id| config.min_stock.sheet_id = Some(id)),
        |config| config.min_stock.sheet_id.clone().map(Value::String),
    ),
    setting(
        ("min_stock.tab", "MIN_STOCK_TAB", Text, "Мин остатки"),
        "The tab of the min/max levels.",
        |config, text| value::line(text).map(|title| config.min_stock.tab = title),
        |config| text(config.min_stock.tab.as_str()),
    ),
    setting(
        ("min_stock.mapping_tab", "MIN_STOCK_MAPPING_TAB", Text, "Маппинг Справочник"),
        "The tab of the mapping reference.",
        |config, text| value::line(text).map(|title| config.min_stock.mapping_tab = title),
        |config| text(config.min_stock.mapping_tab.as_str()),
    ),
    setting(
        ("min_stock.import_tab", "MIN_STOCK_IMPORT_TAB", Text, "Маппинг Импорт"),
        "The tab whose column C chooses from the mapping reference.",
        |config, text| value::line(text).map(|title| config.min_stock.import_tab = title),
        |config| text(config.min_stock.import_tab.as_str()),
    ),
    setting(
        ("min_stock.export_groups", "MIN_STOCK_EXPORT_GROUPS", Text, ""),
        "The root groups whose products are in the sheet, ids or names with commas between them; empty means all.",
        |config, text| value::line(text).map(|groups| config.min_stock.export_groups = value::items(&groups)),
        |config| Some(Value::String(config.min_stock.export_groups.join(", "))),
    ),
    setting(
        ("transfer.source_prefix", "NEGATIVE_TRANSFER_SOURCE_PREFIX", Text, "Хоз. товары"),
        "How the stores that give are called before their restaurant in brackets.",
        |config, text| value::line(text).map(|name| config.transfer.source_prefix = name),
        |config| text(config.transfer.source_prefix.as_str()),
    ),
    setting(
        ("transfer.target_prefixes", "NEGATIVE_TRANSFER_TARGET_PREFIXES", List, "Бар,Кухня"),
        "How the stores that take are called, with commas between them.",
        |config, text| value::list(text).map(|names| config.transfer.target_prefixes = names),
        |config| list(&config.transfer.target_prefixes),
    ),
    setting(
        ("transfer.product_group", "NEGATIVE_TRANSFER_PRODUCT_GROUP", Text, "Расходные материалы"),
        "The top product group of what is transferred.",
        |config, text| value::line(text).map(|name| config.transfer.product_group = name),
        |config| text(config.transfer.product_group.as_str()),
    ),
    setting(
        ("transfer.deadline", "NEGATIVE_TRANSFER_DEADLINE", Text, "23:58"),
        "The time of day after which no document is processed: none is to belong to another day.",
        |config, text| value::time_of_day(text).map(|time| config.transfer.deadline = time),
        |config| text(config.transfer.deadline.format("%H:%M").to_string()),
    ),
    setting(
        ("transfer.max_lines", "NEGATIVE_TRANSFER_MAX_LINES", Count { least: 1 }, "300"),
        "The most lines of one document that are believed; more stops the run for safety.",
        |config, text| value::count(text, 1).map(|lines| config.transfer.max_lines = lines),
        |config| count(config.transfer.max_lines),
    ),
    setting(
        ("transfer.max_quantity", "NEGATIVE_TRANSFER_MAX_QUANTITY", Count { least: 1 }, "10000"),
        "The largest quantity of one line that is believed; more stops the run for safety.",
        |config, text| value::count(text, 1).map(|amount| config.transfer.max_quantity = amount),
        |config| count(config.transfer.max_quantity),
    ),
    setting(
        ("documents.post_mode", "ZERKALO_POST_MODE", Choice(PostMode::CHOICES), "two-phase"),
        "How documents are posted: as a draft that is then processed, so that none moves goods twice; or `single`, for \
         servers that refuse the edit: processed at once and never sent again, so a lost answer waits for a person.",
        |config, text| {
            let values = [PostMode::TwoPhase, PostMode::Single];
            value::choice(text, PostMode::CHOICES, &values).map(|mode| config.documents.post_mode = mode)
        },
        |config| text(config.documents.post_mode.name()),
    ),
    setting(
        ("documents.lookup_time", "ZERKALO_DOCUMENT_LOOKUP_TIME", Seconds, "600"),
        "Seconds for which a document is looked for after a lost answer, where it is posted in one step.",
        |config, text| value::seconds(text).map(|time| config.documents.lookup_time = time),
        |config| seconds(config.documents.lookup_time),
    ),
    setting(
        ("status.max_age", "ZERKALO_STATUS_MAX_AGE", Text, "26h"),
        "How old a table's last good run may be; also for single tables: `26h, stock_balance=2h, ft_deal=none`.",
        |config, text| value::ages(text).map(|ages| config.status.max_age = ages),
        |config| text(config.status.max_age.to_string()),
    ),
    setting(
        ("status.jobs", "ZERKALO_STATUS_JOBS", Text, ""),
        "The jobs that may miss no slot, with commas between them; empty means every job that ever had a slot.",
        |config, text| value::jobs(text).map(|jobs| config.status.jobs = jobs),
        |config| Some(Value::String(config.status.jobs.join(", "))),
    ),
    setting(
        ("keep.log_days", "ZERKALO_KEEP_LOG_DAYS", Count { least: 30 }, "400"),
        "For how many days the log, slots, deliveries and samples of the stop-list are kept.",
        |config, text| value::count(text, 30).map(|days| config.keep.log_days = days),
        |config| count(config.keep.log_days),
    ),
    setting(
        ("stoplist.max_gap", "STOPLIST_MAX_GAP", Seconds, "1800"),
        "Seconds between two readings of the stop-list beyond which nobody knows what was in it meanwhile.",
        |config, text| value::seconds(text).map(|gap| config.stoplist.max_gap = gap),
        |config| seconds(config.stoplist.max_gap),
    ),
    setting(
        ("stoplist.count_limited", "STOPLIST_COUNT_LIMITED", Bool, "false"),
        "Whether the report counts products with a balance above 0, of which some are left, as stopped.",
        |config, text| value::boolean(text).map(|yes| config.stoplist.count_limited = yes),
        |config| Some(Value::Boolean(config.stoplist.count_limited)),
    ),
    setting(
        ("stoplist.day_start", "STOPLIST_DAY_START", Text, "08:00"),
        "When the working day begins that the report of the stop-list tells of.",
        |config, text| value::time_of_day(text).map(|time| config.stoplist.day_start = time),
        |config| text(config.stoplist.day_start.format("%H:%M").to_string()),
    ),
    setting(
        ("stoplist.day_end", "STOPLIST_DAY_END", Text, "21:00"),
        "When it ends; a time that is not after its beginning is one of the next day.",
        |config, text| value::time_of_day(text).map(|time| config.stoplist.day_end = time),
        |config| text(config.stoplist.day_end.format("%H:%M").to_string()),
    ),
    setting(
        ("telegram.base_url", "TELEGRAM_BASE_URL", Text, "https://api.telegram.org"),
        "The address of Telegram's Bot API.",
        |config, text| address::api_base(text).map(|url| config.telegram.base_url = url),
        |config| text(config.telegram.base_url.as_str()),
    ),
    secret(setting(
        ("telegram.bot_token", "TELEGRAM_BOT_TOKEN", Text, ""),
        "The bot's token, as BotFather gave it; without it no message is sent.",
        |config, text| {
            value::bot_token(text).map(|token| config.telegram.bot_token = Some(SecretString::from(token)))
        },
        |config| hidden(config.telegram.bot_token.as_ref()),
    )),
    setting(
        ("telegram.chat_ids", "TELEGRAM_CHAT_IDS", Text, ""),
        "The chats that get reports, with commas between them: numbers (groups have negative ones) or `@channel`.",
        |config, text| value::chats(text).map(|chats| config.telegram.chat_ids = chats),
        |config| chats(&config.telegram.chat_ids),
    ),
    setting(
        ("telegram.admin_chat_ids", "TELEGRAM_ADMIN_CHAT_IDS", Text, ""),
        "The chats that are told of problems, written in the same way.",
        |config, text| value::chats(text).map(|chats| config.telegram.admin_chat_ids = chats),
        |config| chats(&config.telegram.admin_chat_ids),
    ),
    secret(setting(
        ("monitoring.heartbeat_url", "HEARTBEAT_URL", Text, ""),
        "Where each job says that it begins and how it ended, as healthchecks.io has it; `{job}` stands for the job's name.",
        |config, text| {
            let url = address::heartbeat(text)?;
            config.monitoring.heartbeat_url = Some(SecretString::from(url));
            Ok(())
        },
        |config| hidden(config.monitoring.heartbeat_url.as_ref()),
    )),
    setting(
        ("monitoring.metrics_file", "ZERKALO_METRICS_FILE", Path, ""),
        "The file to which each run writes its metrics, for Prometheus' textfile collector; its name ends in .prom.",
        |config, text| value::path(text).map(|path| config.monitoring.metrics_file = Some(path)),
        |config| path(config.monitoring.metrics_file.as_ref()),
    ),
    setting(
        ("retries.delays", "ZERKALO_RETRY_DELAYS", SecondsList, "1, 3, 7"),
        "The seconds before each further try of a read.",
        |config, text| value::seconds_list(text).map(|delays| config.retries.delays = delays),
        |config| seconds_list(&config.retries.delays),
    ),
    setting(
        ("retries.jitter", "ZERKALO_RETRY_JITTER", Share, "0.2"),
        "The share by which each wait is made longer or shorter at random.",
        |config, text| value::share(text).map(|share| config.retries.jitter = share),
        |config| Some(Value::Float(config.retries.jitter)),
    ),
    setting(
        ("retries.retry_after_max", "ZERKALO_RETRY_AFTER_MAX", Seconds, "120"),
        "The longest Retry-After, in seconds, that is obeyed.",
        |config, text| value::seconds(text).map(|wait| config.retries.retry_after_max = wait),
        |config| seconds(config.retries.retry_after_max),
    ),
    setting(
        ("retries.budget", "ZERKALO_RETRY_BUDGET", Count { least: 0 }, "20"),
        "Further tries in one run, all requests together.",
        |config, text| value::count(text, 0).map(|tries| config.retries.budget = tries),
        |config| count(config.retries.budget),
    ),
    setting(
        ("retries.licence_wait", "ZERKALO_LICENCE_WAIT", SecondsList, "60, 60"),
        "The seconds to wait each time iiko says that all its licence slots are taken.",
        |config, text| value::seconds_list(text).map(|waits| config.retries.licence_wait = waits),
        |config| seconds_list(&config.retries.licence_wait),
    ),
    setting(
        ("limits.connect", "ZERKALO_CONNECT_TIMEOUT", Seconds, "10"),
        "Seconds to connect.",
        |config, text| value::seconds(text).map(|limit| config.limits.connect = limit),
        |config| seconds(config.limits.connect),
    ),
    setting(
        ("limits.idle", "ZERKALO_IDLE_TIMEOUT", Seconds, "30"),
        "Seconds between two pieces of an answer.",
        |config, text| value::seconds(text).map(|limit| config.limits.idle = limit),
        |config| seconds(config.limits.idle),
    ),
    setting(
        ("limits.total", "ZERKALO_TOTAL_TIMEOUT", Seconds, "120"),
        "Seconds for one request and its whole answer.",
        |config, text| value::seconds(text).map(|limit| config.limits.total = limit),
        |config| seconds(config.limits.total),
    ),
    setting(
        ("limits.olap", "ZERKALO_OLAP_TIMEOUT", Seconds, "300"),
        "Seconds for one OLAP report, over which the server may think in silence.",
        |config, text| value::seconds(text).map(|limit| config.limits.olap = limit),
        |config| seconds(config.limits.olap),
    ),
    setting(
        ("limits.run", "ZERKALO_RUN_TIMEOUT", Seconds, "1800"),
        "Seconds for the whole run.",
        |config, text| value::seconds(text).map(|limit| config.limits.run = limit),
        |config| seconds(config.limits.run),
    ),
    setting(
        ("limits.max_answer", "ZERKALO_MAX_ANSWER", Bytes, "2 GiB"),
        "The largest answer that is read.",
        |config, text| value::bytes(text).map(|size| config.limits.max_answer = size),
        |config| text(value::shown_bytes(config.limits.max_answer)),
    ),
    setting(
        ("limits.max_record", "ZERKALO_MAX_RECORD", Bytes, "16 MiB"),
        "The longest record of a list that is read.",
        |config, text| value::memory(text).map(|size| config.limits.max_record = size),
        |config| text(value::shown_bytes(config.limits.max_record as u64)),
    ),
    setting(
        ("limits.spool_memory", "ZERKALO_SPOOL_MEMORY", Bytes, "16 MiB"),
        "The changed rows held in memory before they go to a file.",
        |config, text| value::memory(text).map(|size| config.limits.spool_memory = size),
        |config| text(value::shown_bytes(config.limits.spool_memory as u64)),
    ),
];
