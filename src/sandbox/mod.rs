//! A stateful stand-in of the upstreams on loopback, for `zerkalo sandbox`, `zerkalo demo` and the tests.
//!
//! It is written from the upstreams' own descriptions (the iiko REST API documentation, the FinTablo
//! OpenAPI), shares no type with the client, and enforces the upstreams' rules, so that what runs against it
//! has a fair chance to run against them. Its data is invented but has the quirks of real data.
//!
//! ```text
//! mod.rs        the sandbox as its users see it: options, start, edits, faults, journal
//! server.rs     the listener, the table of upstreams, how a fault changes an answer
//! wire.rs       HTTP/1.1 on a raw socket, whole or damaged
//! flights.rs    requests answered at the same time
//! late.rs       effects that come after their request
//! faults.rs     the queue of faults and of edits at a chosen request
//! damage.rs     what can happen to the body of an answer
//! journal.rs    every request, in memory and in a file
//! control.rs    the control interface
//! world/        the data: a seeded, deterministic world of JSON records
//! recorded.rs   recorded answers in place of the world's
//! render.rs     records as JSON and XML
//! iiko/         the iiko server, under /resto/api
//! fintablo.rs   FinTablo, under /v1
//! google/       Google Sheets, under /google
//! telegram.rs   Telegram's Bot API, under /telegram
//! markup.rs     marked-up text as Telegram reads it
//! cloud.rs      iikoCloud, under /cloud
//! ```
//!
//! What an upstream has and the stand-in does not play is answered with 501 and "not played by this stand-in", in the
//! upstream's form: nobody is to take its words for the upstream's.
//!
//! # The control interface
//!
//! | Request | Does |
//! |---|---|
//! | `GET /_sandbox/journal` | all requests so far, a JSON list of [`Entry`] |
//! | `DELETE /_sandbox/journal` | forgets them |
//! | `POST /_sandbox/faults` | adds a [`Fault`] or a list of them |
//! | `DELETE /_sandbox/faults` | forgets faults and edits that wait |
//! | `GET /_sandbox/documents` | the documents of the iiko server, a JSON list of [`Document`] |
//! | `GET /_sandbox/ledger` | what they moved, a JSON list of [`Move`] |
//! | `GET /_sandbox/state` | open sessions, violations, number of records |
//! | `GET /_sandbox/sheets` | all tabs of all spreadsheets as rows of values |
//!
//! A fault is written as its fields with the name of its [`Action`]:
//!
//! ```json
//! {"on": "products/list", "skip": 1, "times": 2, "action": "cut", "at": 1000}
//! {"on": "v1/deal", "action": "damage", "how": {"lost": {"length": 40}}, "at": 7000}
//! {"on": "employees$", "action": "damage", "how": "twice"}
//! ```
//!
//! See [`Damage`] for what can happen to a body.

mod cloud;
mod control;
mod damage;
mod faults;
mod fintablo;
mod flights;
mod google;
mod iiko;
mod journal;
mod late;
mod markup;
mod multipart;
mod recorded;
mod render;
mod server;
mod stage;
mod telegram;
mod wire;
mod world;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, task::JoinHandle};

use self::faults::Moment;
use crate::error::{Failure, Kind, Result};

#[cfg(feature = "fuzzing")]
pub(crate) use google::range_found;

pub use self::{
    damage::Damage,
    faults::{Action, Fault},
    google::{Cell, Entered, Google, Hands, Rights, Spreadsheet, Tab},
    journal::{Entry, SessionEvent},
    stage::WorldGuard,
    world::{
        ADMIN_CHAT, Amount, Beyond, Chat, Cloud, CloudForm, CloudGroup, CloudOrganization, Document,
        DocumentKind, Item, Message, Move, Paging, READERS_CHAT, Status, Telegram, Total, World,
    },
};

/// How a sandbox is set up.
///
/// Not `Debug`: it holds a password.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, and any of them may be on")]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The seed of the world.
    pub seed: u64,
    /// What products, balances and deals are multiplied by.
    pub scale: usize,
    /// A directory of recorded answers that are served in place of the world's.
    pub data: Option<PathBuf>,
    /// A file to which the journal is appended.
    pub journal: Option<PathBuf>,
    /// A file to which the ledger of stock moves is appended, each line on the disk before its document is
    /// answered.
    pub ledger: Option<PathBuf>,
    /// The iiko login.
    pub iiko_login: String,
    /// The iiko password, in plain; the wire carries its SHA-1.
    pub iiko_password: String,
    /// The FinTablo token.
    pub fintablo_token: String,
    /// How many iiko sessions may be open at once.
    pub licences: usize,
    /// How many requests at once the iiko server takes.
    pub parallel: usize,
    /// Whether the iiko token counts only as the query parameter `key`.
    pub token_in_query_only: bool,
    /// Whether `v2/entities/list` takes several root types at once.
    pub many_root_types: bool,
    /// Root types that this iiko server is too old to know.
    pub unknown_root_types: Vec<String>,
    /// Whether this iiko server refuses to process a draft by a POST with its id.
    pub refuse_edit: bool,
    /// Whether this iiko server refuses documents of earlier days.
    pub refuse_back_dated: bool,
    /// Whether no two documents of a kind may have the same number on this iiko server.
    pub unique_numbers: bool,
    /// Whether this iiko server gives documents numbers of its own, whatever number is sent.
    pub own_numbers: bool,
    /// Whether a document that is not valid is answered with 200 and `"result": "ERROR"` in place of 409.
    pub errors_in_band: bool,
    /// Whether a document that was kept is answered with 204 and no body.
    pub empty_success: bool,
    /// The root element of the OLAP report.
    pub olap_root: String,
    /// How long an iiko session lives.
    pub session_ttl: Duration,
    /// How long every upstream takes to answer. Not zero, so that requests sent at once are seen at once.
    pub latency: Duration,
    /// How many requests FinTablo takes in [`Options::fintablo_window`].
    pub fintablo_limit: usize,
    /// The time over which FinTablo counts requests.
    pub fintablo_window: Duration,
    /// The ids of the spreadsheets that exist and are shared with the service account.
    pub google_sheets: Vec<String>,
    /// How many reads Google takes in [`Options::google_window`].
    pub google_reads: usize,
    /// How many writes Google takes in [`Options::google_window`].
    pub google_writes: usize,
    /// The time over which Google counts requests.
    pub google_window: Duration,
    /// How long a token of Google's lives.
    pub google_token_life: Duration,
    /// The API login of iikoCloud.
    pub cloud_api_login: String,
    /// The API key of iikoCloud.
    pub cloud_api_key: String,
    /// The application's id that belongs to the key.
    pub cloud_app_id: String,
    /// The application's secret that belongs to the key.
    pub cloud_client_secret: String,
    /// How long a token of iikoCloud lives.
    pub cloud_token_life: Duration,
    /// The token of the Telegram bot.
    pub telegram_token: String,
    /// How many messages Telegram takes for one chat in [`Options::telegram_window`].
    pub telegram_limit: usize,
    /// The time over which Telegram counts the messages of a chat.
    pub telegram_window: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            seed: 1,
            scale: 1,
            data: None,
            journal: None,
            ledger: None,
            iiko_login: "demo".to_owned(),
            iiko_password: "demo".to_owned(),
            fintablo_token: "demo-token".to_owned(),
            licences: 1,
            parallel: 1,
            token_in_query_only: false,
            many_root_types: true,
            unknown_root_types: Vec::new(),
            refuse_edit: false,
            refuse_back_dated: false,
            unique_numbers: false,
            own_numbers: false,
            errors_in_band: false,
            empty_success: false,
            olap_root: "report".to_owned(),
            session_ttl: Duration::from_hours(1),
            latency: Duration::from_millis(1),
            fintablo_limit: 300,
            fintablo_window: Duration::from_mins(1),
            google_sheets: vec!["sandbox-sheet".to_owned()],
            google_reads: 60,
            google_writes: 60,
            google_window: Duration::from_mins(1),
            google_token_life: Duration::from_hours(1),
            cloud_api_login: "demo-api-login".to_owned(),
            cloud_api_key: "demo-api-key".to_owned(),
            cloud_app_id: "15".to_owned(),
            cloud_client_secret: "demo-client-secret".to_owned(),
            cloud_token_life: Duration::from_hours(1),
            telegram_token: "123456:demo-token".to_owned(),
            telegram_limit: 20,
            telegram_window: Duration::from_mins(1),
        }
    }
}

/// What the tasks of a sandbox share.
struct Shared {
    options: Options,
    stage: stage::Stage,
    faults: Mutex<faults::Faults>,
    journal: journal::Journal,
    sessions: Mutex<iiko::session::Sessions>,
    rate: Mutex<fintablo::Rate>,
    cloud_tokens: Mutex<iiko::session::Sessions>,
    google: Mutex<google::State>,
    address: SocketAddr,
    chat_rates: Mutex<HashMap<String, fintablo::Rate>>,
    recorded: recorded::Recorded,
    flights: flights::Flights,
    late: late::Late,
    started: Instant,
}

/// A test that panics with a lock held has failed already; the others may go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn world(&self) -> WorldGuard<'_> {
        self.stage.world()
    }

    fn faults(&self) -> MutexGuard<'_, faults::Faults> {
        lock(&self.faults)
    }

    fn sessions(&self) -> MutexGuard<'_, iiko::session::Sessions> {
        lock(&self.sessions)
    }

    fn rate(&self) -> MutexGuard<'_, fintablo::Rate> {
        lock(&self.rate)
    }

    /// Counts a message to a chat; with the limit reached, says for how long.
    fn chat_rate(&self, chat: &str, limit: usize, window: Duration) -> Result<(), Duration> {
        lock(&self.chat_rates).entry(chat.to_owned()).or_default().count(limit, window)
    }
}

/// A running sandbox; it ends when dropped.
pub struct Sandbox {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Sandbox {
    /// Makes the world, reads recorded data and listens. Needs a tokio runtime.
    pub async fn start(options: Options) -> Result<Self> {
        let recorded = options.data.as_deref().map(recorded::Recorded::read).transpose()?.unwrap_or_default();
        let journal = journal::Journal::open(options.journal.as_deref())?;
        let ledger = options.ledger.as_deref().map(|path| journal::append(path, "ledger")).transpose()?;
        let unavailable = |error| {
            Failure::new(Kind::Usage, format!("the sandbox cannot listen on 127.0.0.1:{}", options.port))
                .hint("choose another port, or 0 for a free one")
                .source(error)
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let mut world = World::generate(options.seed, options.scale);
        for id in &options.google_sheets {
            world.google.add(id);
        }
        let shared = Arc::new(Shared {
            stage: stage::Stage::new(world, ledger),
            options,
            faults: Mutex::default(),
            journal,
            sessions: Mutex::default(),
            rate: Mutex::default(),
            cloud_tokens: Mutex::default(),
            google: Mutex::default(),
            address,
            chat_rates: Mutex::default(),
            recorded,
            flights: flights::Flights::default(),
            late: late::Late::default(),
            started: Instant::now(),
        });
        let task = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, task })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// The base URL of the iiko server.
    pub fn iiko_url(&self) -> String {
        format!("http://{}/resto", self.shared.address)
    }

    /// The base URL of FinTablo.
    pub fn fintablo_url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// The base URL of Google, with its last slash: requests go to `v4/spreadsheets/…` behind it.
    pub fn google_url(&self) -> String {
        google::url(self.shared.address)
    }

    /// The file of a service account that this sandbox knows, as Google gives it out.
    pub fn google_credentials(&self) -> String {
        google::credentials(self.shared.address)
    }

    /// The base URL of iikoCloud.
    pub fn cloud_url(&self) -> String {
        format!("http://{}/cloud", self.shared.address)
    }

    /// The base URL of Telegram's Bot API.
    pub fn telegram_url(&self) -> String {
        format!("http://{}/telegram", self.shared.address)
    }

    /// The world, to read and to edit. Answers wait while the guard lives: let it go before waiting for one.
    pub fn world(&self) -> WorldGuard<'_> {
        self.shared.world()
    }

    /// Edits the world.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        edit(&mut self.world())
    }

    /// Adds a fault at the end of the queue.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults().extend([fault]);
    }

    /// Edits the world right before the `nth` request (from 1) that matches `on` is answered; `on` is read
    /// like [`Fault::on`].
    pub fn on(&self, on: &str, nth: usize, edit: impl FnOnce(&mut World) + Send + 'static) {
        self.shared.faults().hook(on, Moment::Before, nth, Box::new(edit));
    }

    /// Edits the world right after the `nth` request (from 1) that matches `on` was carried out, whose answer does not show
    /// it; the next request does.
    pub fn after(&self, on: &str, nth: usize, edit: impl FnOnce(&mut World) + Send + 'static) {
        self.shared.faults().hook(on, Moment::After, nth, Box::new(edit));
    }

    /// Forgets the faults and edits that wait.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// How many faults wait for their request.
    pub fn faults_waiting(&self) -> usize {
        self.shared.faults().waiting()
    }

    /// How many effects are still to come ([`Action::Late`], [`Action::Replayed`]).
    pub fn late_waiting(&self) -> usize {
        self.shared.late.waiting()
    }

    /// Waits until no effect is to come any more.
    pub async fn settle(&self) {
        self.shared.late.settle().await;
    }

    /// All requests since the start or the last [`Sandbox::clear_journal`].
    pub fn journal(&self) -> Vec<Entry> {
        self.shared.journal.entries()
    }

    /// Forgets the requests so far.
    pub fn clear_journal(&self) {
        self.shared.journal.clear();
    }

    /// How many iiko sessions are open.
    pub fn open_sessions(&self) -> usize {
        self.shared.sessions().count(self.shared.options.session_ttl)
    }

    /// How many iiko sessions were open at once at most.
    pub fn most_sessions_at_once(&self) -> usize {
        self.shared.sessions().most()
    }

    /// The rules that clients broke, one line a request.
    pub fn violations(&self) -> Vec<String> {
        let line = |entry: Entry| {
            entry.violation.map(|what| format!("{} {} {}: {what}", entry.upstream, entry.method, entry.path))
        };
        self.journal().into_iter().filter_map(line).collect()
    }

    /// Files of the recorded data that belong to no endpoint.
    pub fn ignored_files(&self) -> &[PathBuf] {
        &self.shared.recorded.ignored
    }

    /// Closes the port and all connections.
    pub async fn stop(mut self) {
        self.task.abort();
        self.shared.late.abort();
        // The only error is that it was aborted, which was the wish.
        let _ = (&mut self.task).await;
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sandbox").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.late.abort();
    }
}
