//! What one run shares: settings, clock, database, clients, and what earlier steps fetched.

use crate::{
    clock::Clock,
    config::Config,
    engine::Remembered,
    error::Result,
    http::Budget,
    model::report::{SlotReport, StepReport},
    progress::Progress,
    schedule::{Schedule, Slot},
    store::{
        Access, Database, Store,
        lock::{Holder, Watch},
    },
    upstreams::{fintablo, google_sheets as sheets, iiko, iiko_cloud, telegram},
};
use chrono::{DateTime, NaiveDate, Utc};
use hashbrown::HashMap;
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    io::IsTerminal as _,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use uuid::Uuid;

/// One run.
pub struct Context {
    /// The settings.
    pub config: Config,
    /// The only clock.
    pub clock: Clock,
    /// Where it shows how far it is.
    pub progress: Box<dyn Progress>,
    /// The database.
    pub database: Database,
    /// This run.
    pub run_id: Uuid,
    /// The command as it was typed.
    pub command: String,
    /// Whether anything may be written.
    pub access: Access,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// The same moment on a clock that nobody can set.
    pub started: Instant,
    /// The slot that the run was started for; none by hand.
    pub slot: Option<Slot>,
    /// The day that the run belongs to: its slot's, else today's. Nothing asks the clock for it again.
    pub business_date: NaiveDate,
    /// What was found of the slot.
    pub slot_report: RefCell<Option<SlotReport>>,
    /// Whether this run has begun with its slot and has not yet said how it ended.
    pub claimed: Cell<bool>,
    /// Until when it waits for locks that others hold; not at all unless told to.
    pub lock_until: Option<Instant>,
    /// The files that it has locked.
    pub locked: RefCell<Watch>,
    /// Who started it: `systemd`, a login name, what `ZERKALO_TRIGGER` says, or `unattended`.
    pub triggered_by: String,
    /// This host's name.
    pub host: String,
    /// What earlier steps fetched and later ones look up, by table.
    pub fetched: RefCell<HashMap<&'static str, Rc<Remembered>>>,
    /// Whether this run writes the tab of the levels, and so makes it where it is missing.
    pub makes_tab: Cell<bool>,
    /// What the entities that are finished have to say, in the order in which they were.
    pub reports: RefCell<Vec<StepReport>>,
    /// Entities whose turn has begun and that have no log row yet: their step, and since when.
    pub pending: RefCell<BTreeMap<&'static str, (&'static str, DateTime<Utc>)>>,
    /// The connection that the job left open: it keeps other hosts from the job until its slot is done.
    pub kept: RefCell<Option<Box<dyn Store>>>,
    /// Set when the run has all its locks, on every host: from then on its work is its own.
    pub at_work: watch::Sender<bool>,
    /// Held while a document is sent, until its answer is written down.
    pub posting: tokio::sync::Mutex<()>,
    budget: Budget,
    iiko: OnceCell<iiko::Client>,
    fintablo: OnceCell<fintablo::Client>,
    iiko_cloud: OnceCell<iiko_cloud::Client>,
    sheets: OnceCell<sheets::Client>,
    telegram: OnceCell<telegram::Client>,
}

impl Context {
    /// A run of `command`.
    pub fn new(
        config: Config,
        clock: Clock,
        progress: impl Progress + 'static,
        command: String,
        access: Access,
    ) -> Self {
        let run_id = Uuid::now_v7();
        let started_at = clock.now();
        let database =
            Database::new(&config.database.url, &config.database.schema, config.database.bulk_threshold)
                .patience(config.database.busy_timeout)
                .for_run(run_id);
        Self {
            database,
            run_id,
            command,
            access,
            started_at,
            slot: None,
            business_date: started_at.with_timezone(&clock.zone()).date_naive(),
            slot_report: RefCell::default(),
            claimed: Cell::default(),
            lock_until: None,
            locked: RefCell::default(),
            started: Instant::now(),
            triggered_by: triggered_by(config.trigger.as_deref()),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            fetched: RefCell::default(),
            makes_tab: Cell::default(),
            reports: RefCell::default(),
            pending: RefCell::default(),
            kept: RefCell::default(),
            at_work: watch::Sender::default(),
            posting: tokio::sync::Mutex::default(),
            budget: Rc::new(Cell::new(config.retries.budget)),
            iiko: OnceCell::new(),
            fintablo: OnceCell::new(),
            iiko_cloud: OnceCell::new(),
            sheets: OnceCell::new(),
            telegram: OnceCell::new(),
            config,
            clock,
            progress: Box::new(progress),
        }
    }

    /// The same run, started for the latest slot of a schedule.
    #[must_use]
    pub fn scheduled(mut self, schedule: Option<Schedule>) -> Self {
        if let Some(schedule) = schedule {
            let slot = schedule.slot(&self.command, self.clock.zone(), self.started_at);
            self.business_date = slot.business_date();
            self.slot = Some(slot);
        }
        self
    }

    /// The same run, waiting so long for locks that others hold.
    #[must_use]
    pub fn waiting(mut self, patience: Option<Duration>) -> Self {
        self.lock_until = patience.map(|patience| self.started + patience);
        self
    }

    /// When it begins with its work: at its start, unless it has waited for others.
    pub fn begins_at(&self) -> DateTime<Utc> {
        if self.lock_until.is_some() { self.clock.now() } else { self.started_at }
    }

    /// Whether this run only plans.
    pub fn is_dry_run(&self) -> bool {
        self.access == Access::DryRun
    }

    /// The client of the iiko server, made on first use: one session a run.
    pub fn iiko(&self) -> Result<&iiko::Client> {
        if self.iiko.get().is_none() {
            let client = iiko::Client::new(&self.config, Rc::clone(&self.budget))?;
            return Ok(self.iiko.get_or_init(|| client));
        }
        Ok(self.iiko.get().expect("checked above"))
    }

    /// The client of the `FinTablo` account, made on first use.
    pub fn fintablo(&self) -> Result<&fintablo::Client> {
        if self.fintablo.get().is_none() {
            let client = fintablo::Client::new(&self.config, Rc::clone(&self.budget))?;
            return Ok(self.fintablo.get_or_init(|| client));
        }
        Ok(self.fintablo.get().expect("checked above"))
    }

    /// The client of iikoCloud, made on first use: one token a run.
    pub fn iiko_cloud(&self) -> Result<&iiko_cloud::Client> {
        if self.iiko_cloud.get().is_none() {
            let client = iiko_cloud::Client::new(&self.config, Rc::clone(&self.budget))?;
            return Ok(self.iiko_cloud.get_or_init(|| client));
        }
        Ok(self.iiko_cloud.get().expect("checked above"))
    }

    /// The client of the spreadsheet, made on first use.
    pub fn sheets(&self) -> Result<&sheets::Client> {
        if self.sheets.get().is_none() {
            let client = sheets::Client::new(&self.config, Rc::clone(&self.budget))?;
            return Ok(self.sheets.get_or_init(|| client));
        }
        Ok(self.sheets.get().expect("checked above"))
    }

    /// The client of the Telegram bot, made on first use.
    pub fn telegram(&self) -> Result<&telegram::Client> {
        if self.telegram.get().is_none() {
            let client = telegram::Client::new(&self.config, Rc::clone(&self.budget))?;
            return Ok(self.telegram.get_or_init(|| client));
        }
        Ok(self.telegram.get().expect("checked above"))
    }

    /// A connection for what is written at a run's end: the one that its job left open, made anew where it was lost, or a
    /// new one.
    pub async fn last_connection(&self) -> Result<Box<dyn Store>> {
        let Some(mut store) = self.kept.take() else { return self.database.connect(self.access).await };
        store.reconnect().await?;
        Ok(store)
    }

    /// Leaves a connection open for [`Self::last_connection`].
    pub fn keep(&self, store: Box<dyn Store>) {
        self.kept.replace(Some(store));
    }

    /// Asks for nothing more, and waits until no login and no document is under way.
    pub async fn leave(&self) {
        if let Some(client) = self.iiko.get() {
            client.leave().await;
        }
        drop(self.posting.lock().await);
    }

    /// Ends what must not be left behind: the iiko session.
    pub async fn log_out(&self) {
        if let Some(client) = self.iiko.get() {
            client.log_out().await;
        }
    }

    /// This run, as a lock file shows it.
    pub fn holder(&self) -> Holder {
        Holder {
            pid: std::process::id(),
            run_id: self.run_id,
            command: self.command.clone(),
            since: self.started_at,
        }
    }
}

fn triggered_by(configured: Option<&str>) -> String {
    if std::env::var_os("INVOCATION_ID").is_some() {
        return "systemd".to_owned();
    }
    if std::io::stderr().is_terminal() {
        let login = std::env::var("SUDO_USER")
            .or_else(|_| std::env::var("USER"))
            .or_else(|_| std::env::var("LOGNAME"));
        return login.unwrap_or_else(|_| "terminal".to_owned());
    }
    configured.unwrap_or("unattended").to_owned()
}
