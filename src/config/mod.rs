//! Settings: file < environment < flag, and secrets from where secrets belong.
//!
//! [`SETTINGS`] declares every setting once; loading, `config check|show|init` and the README follow from it.
//! Nothing here reads the process's environment by itself: [`load()`] is given an [`Environment`].

pub(crate) mod address;
mod env_file;
mod environment;
mod file;
mod keeper;
mod load;
mod missing;
mod names;
mod render;
mod secret;
mod setting;
mod settings;
#[cfg(test)]
mod tests;
mod units;
mod value;

use std::{fmt, path::PathBuf, time::Duration};

use chrono::NaiveTime;
use chrono_tz::Tz;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::error::{Failure, Kind};

#[cfg(feature = "fuzzing")]
pub(crate) use self::{
    env_file::fuzzed::survive as survive_env_file, file::fuzzed::survive as survive_settings,
};

pub(crate) use self::secret::read_file as secret_file;
pub use self::{
    environment::Environment,
    file::init_path,
    keeper::hand_over,
    load::{Flags, Loaded, Origin, Origins, load},
    missing::JobNeeds,
    render::{HIDDEN, Row, rows, template, toml},
    setting::{Setting, SettingKind, TableKey},
    settings::SETTINGS,
    units::{OnlyUnits, UnitSetting},
};

/// Every setting of a run, checked and ready to use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the mirror is kept.
    pub database: Database,
    /// The business's time zone; decides business dates.
    pub timezone: Tz,
    /// The directory of locks, spools and the left-over iiko session.
    pub state_dir: PathBuf,
    /// What started the run, for the log, when neither systemd nor a terminal tells.
    pub trigger: Option<String>,
    /// The iiko server.
    pub iiko: Iiko,
    /// The FinTablo account.
    pub fintablo: FinTablo,
    /// iikoCloud, for the stop-list.
    pub iiko_cloud: IikoCloud,
    /// Google Sheets.
    pub google: Google,
    /// The sheets with the min/max levels and the mapping reference.
    pub min_stock: MinStock,
    /// The nightly transfer of what is negative.
    pub transfer: Transfer,
    /// How documents are posted to iiko.
    pub documents: Documents,
    /// What `zerkalo status` finds worth a warning.
    pub status: Status,
    /// For how long what is old is kept.
    pub keep: Keep,
    /// The report of the stop-list.
    pub stoplist: Stoplist,
    /// The Telegram bot.
    pub telegram: Telegram,
    /// Who notices that a job did not run.
    pub monitoring: Monitoring,
    /// What is tried again, when and how often.
    pub retries: Retries,
    /// Time and size limits of requests and runs.
    pub limits: Limits,
}

/// Where the mirror is kept.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`; never empty, by default a file in the user's data directory.
    pub url: SecretString,
    /// The PostgreSQL schema of the mirror's tables; SQLite has none.
    pub schema: String,
    /// The number of changed rows above which they are written by COPY.
    pub bulk_threshold: usize,
    /// How long another program that writes is waited for.
    pub busy_timeout: Duration,
}

impl Database {
    /// The file of an SQLite database; none when the mirror is in PostgreSQL.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        self.url.expose_secret().strip_prefix("sqlite:").map(PathBuf::from)
    }

    /// The URL as it may be shown: without password and options.
    pub fn shown(&self) -> String {
        address::shown_database(self.url.expose_secret())
    }
}

/// The iiko server.
#[derive(Clone, Debug)]
pub struct Iiko {
    /// The address up to and including `/resto`, without a slash at its end.
    pub base_url: Option<String>,
    /// The login of the iiko user that reads.
    pub login: Option<String>,
    /// The SHA-1 of its password, 40 lower-case hex digits; it opens the server as the password does.
    pub sha1_password: Option<SecretString>,
    /// A PEM file of further certificate authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// `sha256:` and 64 lower-case hex digits: trust the certificate of this fingerprint and no other.
    pub tls_pin: Option<String>,
    /// Plain HTTP is accepted in a private network.
    pub allow_http: bool,
    /// How the session token travels.
    pub token_in: TokenIn,
    /// Requests in flight at the same time; iiko's own rule is 1.
    pub max_concurrency: usize,
    /// How much of the employees' personal data is mirrored.
    pub personal_data: PersonalData,
}

/// How iiko's session token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenIn {
    /// In a cookie, which no proxy logs.
    Cookie,
    /// In the query, for servers that insist.
    Query,
}

/// How much of the employees' personal data is mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonalData {
    /// Names and roles; no phone numbers, addresses or documents.
    Minimal,
    /// Everything the server sends.
    Full,
}

/// The FinTablo account.
#[derive(Clone, Debug)]
pub struct FinTablo {
    /// The address, without a slash at its end.
    pub base_url: String,
    /// The API token.
    pub token: Option<SecretString>,
    /// Requests in flight at the same time.
    pub max_concurrency: usize,
    /// Requests started in any 60 seconds.
    pub per_minute: usize,
}

/// iikoCloud, which knows the stop-list. There are two ways to ask it for a token; with both configured the newer one is
/// taken.
#[derive(Clone, Debug)]
pub struct IikoCloud {
    /// The address, without a slash at its end.
    pub base_url: String,
    /// The API login of `/api/1/access_token`, which iiko has declared deprecated.
    pub api_login: Option<SecretString>,
    /// The API key of `/api/v2/access_token`, from iikoWeb.
    pub api_key: Option<SecretString>,
    /// The application's id, from the developers' portal.
    pub app_id: Option<String>,
    /// The application's secret, shown once there.
    pub client_secret: Option<SecretString>,
    /// The organizations whose stop-lists are read; none means all that the login sees.
    pub organizations: Vec<Uuid>,
}

impl IikoCloud {
    /// The settings that are still needed: of the newer way what is missing once something of it is there.
    pub fn missing(&self) -> Vec<&'static str> {
        let newer = [
            ("iiko_cloud.api_key", self.api_key.is_some()),
            ("iiko_cloud.app_id", self.app_id.is_some()),
            ("iiko_cloud.client_secret", self.client_secret.is_some()),
        ];
        if newer.iter().any(|(_, is_set)| *is_set) {
            return newer.iter().filter(|(_, is_set)| !is_set).map(|(key, _)| *key).collect();
        }
        if self.api_login.is_some() { Vec::new() } else { vec!["iiko_cloud.api_login"] }
    }

    /// That the newer way is begun and not whole, which is a mistake whatever else is set.
    pub fn half(&self) -> Option<Failure> {
        let is_begun = self.api_key.is_some() || self.app_id.is_some() || self.client_secret.is_some();
        self.refusal().filter(|_| is_begun)
    }

    /// That nobody can log in with these settings; none where one can.
    pub fn refusal(&self) -> Option<Failure> {
        let missing = self.missing();
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let failure = || {
            Failure::new(Kind::Usage, format!("iikoCloud: {} {verb} not set", missing.join(", "))).hint(
                "set IIKO_CLOUD_API_KEY, IIKO_CLOUD_APP_ID and IIKO_CLOUD_CLIENT_SECRET, or IIKO_CLOUD_API_LOGIN \
                 alone; `zerkalo config check` shows every setting",
            )
        };
        (!missing.is_empty()).then(failure)
    }
}

/// Access to Google Sheets.
#[derive(Clone, Debug)]
pub struct Google {
    /// The service account's key: its JSON, or the path of the file with it.
    pub credentials: Option<SecretString>,
    /// The address of the API, without a slash at its end.
    pub base_url: String,
    /// The wait after "quota exceeded", when the answer names none: the quota is one of each minute.
    pub quota_wait: Duration,
}

/// The spreadsheet with the min/max levels.
#[derive(Clone, Debug)]
pub struct MinStock {
    /// The spreadsheet's id, from its address.
    pub sheet_id: Option<String>,
    /// The tab of the levels.
    pub tab: String,
    /// The tab of the mapping reference.
    pub mapping_tab: String,
    /// The tab with the drop-down over it.
    pub import_tab: String,
    /// Root groups, by id or name, whose products are in the sheet; none means all.
    pub export_groups: Vec<String>,
}

/// The nightly transfer of what is negative.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// How the stores that give are called before their restaurant: `Хоз. товары` of `Хоз. товары (Московский)`.
    pub source_prefix: String,
    /// How the stores that take are called.
    pub target_prefixes: Vec<String>,
    /// The top group of the products.
    pub product_group: String,
    /// After this time of the business's day nothing is processed.
    pub deadline: NaiveTime,
    /// The most lines of one document that are believed.
    pub max_lines: usize,
    /// The largest amount of one line that is believed.
    pub max_quantity: usize,
}

/// How documents are posted to iiko.
#[derive(Clone, Copy, Debug)]
pub struct Documents {
    /// In which steps.
    pub post_mode: PostMode,
    /// How long a document is looked for after a lost answer, where it is posted in one step.
    pub lookup_time: Duration,
}

/// What `zerkalo status` finds worth a warning.
#[derive(Clone, Debug)]
pub struct Status {
    /// How old a table's last good run may be.
    pub max_age: Ages,
    /// The jobs that may miss no slot; none means every job that ever had one.
    pub jobs: Vec<String>,
}

/// Limits of age: for everything, and for single tables. None is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ages {
    all: Option<Duration>,
    of: Vec<(String, Option<Duration>)>,
}

impl Ages {
    /// The limit of a table.
    pub fn of(&self, table: &str) -> Option<Duration> {
        self.of.iter().rev().find(|(name, _)| name == table).map_or(self.all, |(_, age)| *age)
    }
}

impl Default for Ages {
    /// A day, and two hours for a morning that came late.
    fn default() -> Self {
        Self { all: Some(Duration::from_hours(26)), of: Vec::new() }
    }
}

impl fmt::Display for Ages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = |age: Option<Duration>| {
            let Some(seconds) = age.map(|age| age.as_secs()) else { return "none".to_owned() };
            let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            parts.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().concat()
        };
        formatter.write_str(&age(self.all))?;
        self.of.iter().try_for_each(|(table, limit)| write!(formatter, ", {table}={}", age(*limit)))
    }
}

/// For how long what is old is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Days of the log, slots and deliveries.
    pub log_days: usize,
}

/// In which steps a document is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostMode {
    /// As a draft, then processed by its id: the server itself refuses to do it twice.
    TwoPhase,
    /// Processed at once, for servers that refuse to edit a draft. A lost answer is never sent again: a person decides.
    Single,
}

impl PostMode {
    const CHOICES: &'static [&'static str] = &["two-phase", "single"];

    const fn name(self) -> &'static str {
        match self {
            Self::TwoPhase => "two-phase",
            Self::Single => "single",
        }
    }
}

/// The report of the stop-list.
#[derive(Clone, Debug)]
pub struct Stoplist {
    /// How far apart two readings may lie so that the time between them is known.
    pub max_gap: Duration,
    /// Products of which some are left count as stopped, too.
    pub count_limited: bool,
    /// When the working day begins, by the business's clock.
    pub day_start: NaiveTime,
    /// When it ends: on the next day when it is not after the beginning.
    pub day_end: NaiveTime,
}

/// The Telegram bot and whom it writes to.
#[derive(Clone, Debug)]
pub struct Telegram {
    /// The address of the Bot API, without a slash at its end.
    pub base_url: String,
    /// The bot's token; without it no message is sent.
    pub bot_token: Option<SecretString>,
    /// The readers of the reports.
    pub chat_ids: Vec<String>,
    /// Who is told of problems.
    pub admin_chat_ids: Vec<String>,
}

/// Who notices that a job did not run.
#[derive(Clone, Debug)]
pub struct Monitoring {
    /// Where each job says that it begins and how it ended, in the form of healthchecks.io; it opens the check.
    pub heartbeat_url: Option<SecretString>,
    /// The file of metrics for Prometheus' textfile collector.
    pub metrics_file: Option<PathBuf>,
}

/// Where the heartbeat's address names the job.
pub const JOB_PLACE: &str = "{job}";

impl Monitoring {
    /// Whether each job has an address of its own.
    pub fn heartbeat_for_each_job(&self) -> bool {
        self.heartbeat_url.as_ref().is_some_and(|url| url.expose_secret().contains(JOB_PLACE))
    }
}

/// What is tried again, when and how often. Only reads are.
#[derive(Clone, Debug)]
pub struct Retries {
    /// The wait before each further try; as many tries as waits.
    pub delays: Vec<Duration>,
    /// The share by which each wait is made longer or shorter at random, 0 to 1.
    pub jitter: f64,
    /// The longest Retry-After that is obeyed; a longer one fails at once.
    pub retry_after_max: Duration,
    /// Further tries in one run, all requests together.
    pub budget: usize,
    /// The waits while iiko says that all its licence slots are taken.
    pub licence_wait: Vec<Duration>,
}

/// Time and size limits.
#[derive(Clone, Debug)]
pub struct Limits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// One request and its whole answer.
    pub total: Duration,
    /// One OLAP report, silence included.
    pub olap: Duration,
    /// The whole run.
    pub run: Duration,
    /// Bytes of one answer, unpacked.
    pub max_answer: u64,
    /// Bytes of one record of an answer.
    pub max_record: usize,
    /// Bytes of changed rows held in memory before they go to a file.
    pub spool_memory: usize,
}

impl TokenIn {
    const CHOICES: &'static [&'static str] = &["cookie", "query"];

    const fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Query => "query",
        }
    }
}

impl PersonalData {
    const CHOICES: &'static [&'static str] = &["minimal", "full"];

    const fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for TokenIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for PersonalData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Default for Config {
    /// Every default but the two that depend on the user's home: database and state directory are still empty.
    fn default() -> Self {
        let seconds = |list: &[u64]| list.iter().copied().map(Duration::from_secs).collect();
        Self {
            database: Database {
                url: SecretString::from(String::new()),
                schema: "public".to_owned(),
                bulk_threshold: 2000,
                busy_timeout: Duration::from_secs(30),
            },
            timezone: Tz::Europe__Kaliningrad,
            state_dir: PathBuf::new(),
            trigger: None,
            iiko: Iiko {
                base_url: None,
                login: None,
                sha1_password: None,
                ca_file: None,
                tls_pin: None,
                allow_http: false,
                token_in: TokenIn::Cookie,
                max_concurrency: 1,
                personal_data: PersonalData::Minimal,
            },
            fintablo: FinTablo {
                base_url: "https://api.fintablo.ru".to_owned(),
                token: None,
                max_concurrency: 4,
                per_minute: 300,
            },
            iiko_cloud: IikoCloud {
                base_url: "https://api-ru.iiko.services".to_owned(),
                api_login: None,
                api_key: None,
                app_id: None,
                client_secret: None,
                organizations: Vec::new(),
            },
            google: Google {
                credentials: None,
                base_url: "https://sheets.googleapis.com".to_owned(),
                quota_wait: Duration::from_secs(20),
            },
            min_stock: MinStock {
                sheet_id: None,
                tab: "Мин остатки".to_owned(),
                mapping_tab: "Маппинг Справочник".to_owned(),
                import_tab: "Маппинг Импорт".to_owned(),
                export_groups: Vec::new(),
            },
            transfer: Transfer {
                source_prefix: "Хоз. товары".to_owned(),
                target_prefixes: vec!["Бар".to_owned(), "Кухня".to_owned()],
                product_group: "Расходные материалы".to_owned(),
                deadline: NaiveTime::from_hms_opt(23, 58, 0).expect("a time of day"),
                max_lines: 300,
                max_quantity: 10_000,
            },
            documents: Documents { post_mode: PostMode::TwoPhase, lookup_time: Duration::from_mins(10) },
            status: Status { max_age: Ages::default(), jobs: Vec::new() },
            keep: Keep { log_days: 400 },
            stoplist: Stoplist {
                max_gap: Duration::from_mins(30),
                count_limited: false,
                day_start: NaiveTime::from_hms_opt(8, 0, 0).expect("a time of day"),
                day_end: NaiveTime::from_hms_opt(21, 0, 0).expect("a time of day"),
            },
            telegram: Telegram {
                base_url: "https://api.telegram.org".to_owned(),
                bot_token: None,
                chat_ids: Vec::new(),
                admin_chat_ids: Vec::new(),
            },
            monitoring: Monitoring { heartbeat_url: None, metrics_file: None },
            retries: Retries {
                delays: seconds(&[1, 3, 7]),
                jitter: 0.2,
                retry_after_max: Duration::from_mins(2),
                budget: 20,
                licence_wait: seconds(&[60, 60]),
            },
            limits: Limits {
                connect: Duration::from_secs(10),
                idle: Duration::from_secs(30),
                total: Duration::from_mins(2),
                olap: Duration::from_mins(5),
                run: Duration::from_mins(30),
                max_answer: 2 << 30,
                max_record: 16 << 20,
                spool_memory: 16 << 20,
            },
        }
    }
}
