//! Nights of transfers that are killed, cut off and answered badly: over the stand-in's ledger every planned line has moved
//! exactly once, or its document is listed as open; never twice.

use super::{
    harness::{Engine, Outcome, World, block_on, on_both},
    process::{Dice, number_from},
};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Europe::Kaliningrad;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::Write as _,
    thread,
    time::Duration,
};
use zerkalo::{
    clock::Clock,
    failpoints::STEPS,
    sandbox::{self, Action, Amount, Fault, Status},
};

on_both!(nights_that_are_killed_move_everything_once, known_mistakes_are_caught);

/// A street of restaurants on one evening after the other, each the day before the last: so an evening never sees the
/// moves of the evenings that were played before it.
pub(super) struct Street {
    pub(super) world: World,
    evening: NaiveDate,
    /// How long the ledger was when the evening began.
    before: usize,
    /// (store, product) → how much is missing there.
    pub(super) missing: BTreeMap<(String, String), Amount>,
}

/// How an evening went wrong.
#[derive(Debug, Clone)]
struct Script {
    /// What happens to each start in its order; later ones are undisturbed.
    starts: Vec<Start>,
    faults: Vec<Fault>,
    single: bool,
    /// The grace of the slot, and when the first start and each further one come after 23:00.
    grace: &'static str,
    minutes: (i64, i64),
}

/// What happens to one start.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// It is killed at its `n`th passage of a step.
    At(&'static str, usize),
    /// It is killed after so many milliseconds.
    After(u64),
    /// Nothing.
    Whole,
}

/// A mistake that a program of this kind makes. It is planted from outside, for the program has no switch for it: what is
/// sent, asked for or remembered is changed into what the mistaken program would send, ask for and remember.
#[derive(Debug, Clone, Copy)]
enum Mistake {
    /// A document is sent as processed, in one request, and sent again without a look: the draft becomes a processed
    /// document on its way, and look-ups find nothing.
    OnePost,
    /// That a document is being processed is written down after the request: a run that dies has not written it down.
    LateCommit,
    /// A start after midnight works for the new day: it is started for the new day's slot.
    NowDate,
}

impl Mistake {
    /// What happens to the requests of every start.
    fn faults(self) -> Vec<Fault> {
        let Self::OnePost = self else { return Vec::new() };
        let patch = json!({ "status": "PROCESSED" });
        let sent = Fault::new(POST, Action::PatchRequest { patch });
        let looked = Fault::new("byNumber", Action::EmptyList);
        [sent, looked].map(|fault| fault.times(usize::MAX)).into()
    }
}

/// What sends a transfer.
const POST: &str = "POST /resto/api/v2/documents/internalTransfer";

/// What came of evenings.
#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    evenings: usize,
    starts: usize,
    kills: usize,
    faults: usize,
    done: usize,
    failed: usize,
    unknown: usize,
    open: usize,
    unplanned: usize,
    drafts: usize,
    lines: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} evenings, {} starts, {} kills, {} faults: {} documents done, {} failed, {} unknown, {} open, {} evenings \
             not planned, {} needless drafts; {} lines moved once, 0 twice",
            self.evenings,
            self.starts,
            self.kills,
            self.faults,
            self.done,
            self.failed,
            self.unknown,
            self.open,
            self.unplanned,
            self.drafts,
            self.lines
        )
    }
}

impl Street {
    /// A street of few restaurants and products, mirrored.
    pub(super) fn new(engine: Engine) -> Self {
        // A session whose token the killed run had not written down must not stop the evening.
        Self::with(engine, sandbox::Options { licences: 100_000, ..sandbox::Options::default() })
    }

    /// The same on servers that are set up otherwise.
    pub(super) fn with(engine: Engine, options: sandbox::Options) -> Self {
        let options = sandbox::Options { latency: Duration::ZERO, ..options };
        let mut world = World::with(engine, options);
        world.set("ZERKALO_DOCUMENT_LOOKUP_TIME", "0.5");
        let evening = true_time().with_timezone(&Kaliningrad).date_naive();
        let mut street = Self { world, evening, before: 0, missing: BTreeMap::new() };
        street.set_clock(0);
        street.world.expect(0, &["sync", "iiko"]);
        street.trim(3, 3);
        street
    }

    /// Leaves `stores` stores of restaurants, with `lines` negative products in each.
    pub(super) fn trim(&mut self, stores: usize, lines: usize) {
        let plan = self.world.expect(0, &["negative-transfer", "--dry-run"]);
        let documents = plan.json["documents"].as_array().unwrap();
        let mut kept = BTreeSet::new();
        self.missing.clear();
        self.world.sandbox.edit(|world| {
            for document in documents.iter().take(stores) {
                let target = document["title"].as_str().unwrap().split(" → ").nth(1).unwrap();
                let store =
                    world.stores.iter().find(|store| store["name"].as_str().unwrap().trim() == target);
                let store = store.unwrap()["id"].as_str().unwrap().to_owned();
                for line in document["lines"].as_array().unwrap().iter().take(lines) {
                    let product = line["product_id"].as_str().unwrap().to_owned();
                    let amount = Amount::parse(line["amount"].as_str().unwrap()).unwrap();
                    kept.insert((store.clone(), product.clone()));
                    self.missing.insert((store.clone(), product), amount);
                }
            }
            let text =
                |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
            world.balances.retain(|row| kept.contains(&(text(row, "store"), text(row, "product"))));
        });
        assert_eq!(self.missing.len(), stores * lines);
        let all = self.missing.iter();
        assert!(all.clone().all(|((store, product), amount)| {
            self.world.sandbox.world().balance(store, product) == format!("-{amount}")
        }));
    }

    /// An account that can be written off to.
    pub(super) fn account(&self) -> String {
        let world = self.world.sandbox.world();
        let mut accounts = world.entities.iter().filter(|entity| entity["rootType"] == "Account");
        let account = accounts.find(|account| account["deleted"] == false && account["type"] == "EXPENSES");
        account.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// The moment so many minutes after 23:00 of the evening.
    pub(super) fn moment(&self, minutes: i64) -> DateTime<Utc> {
        let eleven = self.evening.and_hms_opt(23, 0, 5).unwrap();
        Kaliningrad.from_local_datetime(&eleven).unwrap().to_utc() + TimeDelta::minutes(minutes)
    }

    /// Sets both clocks.
    pub(super) fn set_clock(&mut self, minutes: i64) {
        self.set_moment(self.moment(minutes));
    }

    /// Sets both clocks to this moment.
    pub(super) fn set_moment(&mut self, moment: DateTime<Utc>) {
        self.world.set("ZERKALO_TEST_NOW", moment.to_rfc3339());
        let offset = (moment - true_time()).num_seconds();
        self.world.sandbox.edit(|world| world.clock_offset_seconds = offset);
    }

    /// Goes to the evening before.
    pub(super) fn next_evening(&mut self) {
        self.evening = self.evening.checked_sub_days(Days::new(1)).unwrap();
        self.before = self.world.sandbox.world().ledger().len();
        self.world.sandbox.clear_faults();
        self.world.sandbox.clear_journal();
        // What nobody can know of a played evening must not keep the next one from its pairs.
        self.world.execute(
            "update document_outbox set state = 'abandoned' where state in ('unknown', 'processing')",
        );
    }

    /// Plays an evening and says what is wrong with it.
    fn play(&mut self, script: &Script, mistake: Option<Mistake>) -> Result<Figures, String> {
        self.next_evening();
        if let Some(Mistake::NowDate) = mistake {
            // The day after was not played yet, so all that is dated so is the mistake's.
            self.next_evening();
        }
        self.world.set("ZERKALO_POST_MODE", if script.single { "single" } else { "two-phase" });
        let planted = mistake.map(Mistake::faults).unwrap_or_default();
        for fault in planted.iter().chain(&script.faults) {
            self.world.sandbox.fault(fault.clone());
        }
        let mut figures = Figures { evenings: 1, faults: script.faults.len(), ..Figures::default() };
        let (first, step) = script.minutes;
        let undisturbed = [Start::Whole; 3];
        let mut codes = Vec::new();
        for (number, start) in script.starts.iter().chain(&undisturbed).enumerate() {
            if number == script.starts.len() {
                self.world.sandbox.clear_faults();
                for fault in &planted {
                    self.world.sandbox.fault(fault.clone());
                }
                block_on(self.world.sandbox.settle());
            }
            let minutes = first + step * i64::try_from(number).unwrap();
            self.set_clock(minutes);
            figures.starts += 1;
            let is_new_day = matches!(mistake, Some(Mistake::NowDate)) && minutes >= 60;
            let slot = if is_new_day { "00:00" } else { "23:00" };
            let arguments = ["negative-transfer", "--scheduled", slot, "--grace", script.grace];
            let outcome = self.start(&arguments, *start);
            match outcome.as_ref().and_then(|outcome| outcome.code) {
                None => {
                    figures.kills += 1;
                    if let Some(Mistake::LateCommit) = mistake {
                        self.world.execute(
                            "update document_outbox set state = 'planned' where state = 'processing'",
                        );
                    }
                }
                Some(code) => codes.push(code),
            }
            // Quiet: nothing is left to do, or nobody may do it.
            if number >= script.starts.len() && codes.last().is_some_and(|code| [0, 4, 12].contains(code)) {
                break;
            }
        }
        block_on(self.world.sandbox.settle());
        self.check(figures).map_err(|wrong| format!("{wrong}\nexit codes {codes:?}\n{script:#?}"))
    }

    /// Starts a run; none when it was killed.
    fn start(&mut self, arguments: &[&str], start: Start) -> Option<Outcome> {
        let stop =
            if let Start::At(step, passage) = start { format!("{step}:{passage}") } else { String::new() };
        self.world.set("ZERKALO_TEST_STOP_AT", stop);
        if let Start::After(millis) = start {
            let run = self.world.start(arguments);
            thread::sleep(Duration::from_millis(millis));
            if run.kill() {
                return None;
            }
            return Some(self.world.run(arguments));
        }
        let outcome = self.world.run(arguments);
        outcome.code.is_some().then_some(outcome)
    }

    /// Asserts that the outbox and the ledger of the evening tell the same story.
    #[track_caller]
    pub(super) fn assert_sound(&self) {
        self.sound().unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// Whether the outbox and the ledger of the evening tell the same story.
    pub(super) fn sound(&self) -> Result<(), String> {
        self.check(Figures::default()).map(|_| ())
    }

    /// How many lines moved this evening.
    pub(super) fn moved(&self) -> usize {
        self.world.sandbox.world().ledger().len() - self.before
    }

    /// Holds the ledger against the outbox.
    fn check(&self, mut figures: Figures) -> Result<Figures, String> {
        let date = self.evening.format("%Y-%m-%d").to_string();
        let rows = self.world.query(&format!(
            "select key, state, cast(store_to as text), items_json, coalesce(last_error, '') from document_outbox
             where cast(business_date as text) = '{date}'"
        ));
        let world = self.world.sandbox.world();
        let ledger = &world.ledger()[self.before..];
        let mut moved: BTreeMap<(&str, &str), Vec<Amount>> = BTreeMap::new();
        for line in ledger {
            if line.date != self.evening.and_hms_opt(23, 0, 0).unwrap() {
                return Err(format!("document {} is dated {}", line.number, line.date));
            }
            moved.entry((&line.to, &line.product)).or_default().push(line.amount);
        }
        for ((store, product), amounts) in &moved {
            let planned = self.missing.get(&((*store).to_owned(), (*product).to_owned()));
            if amounts.len() > 1 || planned != amounts.first() {
                return Err(format!("{product} came to {store} as {amounts:?}, and {planned:?} was missing"));
            }
        }
        figures.lines = moved.len();
        figures.unplanned = usize::from(rows.is_empty());
        let mut listed = 0;
        for row in &rows {
            let [key, state, store, items, error] = [0, 1, 2, 3, 4].map(|at| row[at].as_deref().unwrap());
            let items: serde_json::Value = serde_json::from_str(items).unwrap();
            let products = items.as_array().unwrap().iter().map(|item| item["product"].as_str().unwrap());
            let products: Vec<&str> = products.collect();
            let came = products.iter().filter(|product| moved.contains_key(&(store, product))).count();
            listed += came;
            let whole = came == products.len();
            let fits = match state {
                "done" => whole,
                "planned" | "drafting" | "drafted" | "failed" => came == 0,
                "processing" | "unknown" => whole || came == 0,
                _ => false,
            };
            if !fits {
                return Err(format!(
                    "{key} is {state} ({error}), and {came} of {} lines came",
                    products.len()
                ));
            }
            match state {
                "done" => figures.done += 1,
                "failed" => figures.failed += 1,
                "unknown" => figures.unknown += 1,
                _ => figures.open += 1,
            }
        }
        if listed != moved.len() {
            return Err(format!("{} lines moved, and the outbox knows of {listed}", moved.len()));
        }
        let prefix = format!("T{}-", self.evening.format("%y%m%d"));
        let drafts = world.documents().iter().filter(|document| document.number.starts_with(&prefix));
        figures.drafts = drafts.filter(|document| document.status == Status::New).count();
        Ok(figures)
    }
}

/// The time by which the stand-in's clock is set off.
fn true_time() -> DateTime<Utc> {
    Clock::system(Kaliningrad).now()
}

/// What can happen to a request on its way. A request that the network doubles is beyond what a server without two phases
/// can tell, so the single mode is spared that.
fn fault(dice: &mut Dice, single: bool) -> Fault {
    let delay_ms = 20 + dice.below(400);
    let on = match dice.below(10) {
        0 => "reports/olap",
        1 => "byNumber",
        2 => "byId",
        3 => "balance/stores",
        _ => POST,
    };
    let posts = on == POST;
    let action = match dice.below(if posts && !single { 9 } else { 7 }) {
        0 => Action::Close,
        2 if posts => Action::Late { delay_ms, hold: false },
        3 if posts => Action::Late { delay_ms, hold: true },
        4 => Action::Cut { at: usize::try_from(dice.below(120)).unwrap() },
        5 => Action::Html,
        6 => Action::Status {
            code: 500,
            content_type: "text/plain".to_owned(),
            body: "product == null".into(),
            headers: Vec::new(),
        },
        7 => Action::Doubled,
        8 => Action::Replayed { delay_ms },
        _ => Action::CloseAfterEffect,
    };
    let mut fault = Fault::new(on, action);
    fault.skip = usize::try_from(dice.below(6)).unwrap();
    fault
}

/// The scripts: first a kill at every step with each way of losing an answer, then chance.
fn script(number: usize, dice: &mut Dice) -> Script {
    let losses = [None, Some(Action::CloseAfterEffect), Some(Action::Late { delay_ms: 150, hold: false })];
    if number < STEPS.len() * losses.len() {
        let passage = 1 + number % 2;
        let faults =
            losses[number / STEPS.len()].clone().map(|action| Fault::new(POST, action).skip(passage));
        return Script {
            starts: vec![Start::At(STEPS[number % STEPS.len()], passage)],
            faults: faults.into_iter().collect(),
            single: false,
            grace: "55m",
            minutes: (0, 10),
        };
    }
    let single = dice.below(6) == 0;
    let starts = (0..=dice.below(3)).map(|_| match dice.below(5) {
        0 => Start::Whole,
        1 | 2 => Start::After(dice.below(350)),
        _ => {
            let step = STEPS[usize::try_from(dice.below(STEPS.len() as u64)).unwrap()];
            Start::At(step, usize::try_from(1 + dice.below(3)).unwrap())
        }
    });
    let starts: Vec<Start> = starts.collect();
    let faults = (0..dice.below(4)).map(|_| fault(dice, single)).collect();
    // Some evenings come late, some run into the deadline, some go on after midnight.
    let (grace, minutes) = match dice.below(12) {
        0 => ("55m", (56, 1)),
        1 => ("2h", (50, 5)),
        2 => ("2h", (57, 10)),
        _ => ("55m", (0, 5)),
    };
    Script { starts, faults, single, grace, minutes }
}

fn nights_that_are_killed_move_everything_once(engine: Engine) {
    let seed = number_from("ZERKALO_TEST_SEED", 20_261_122);
    let evenings = usize::try_from(number_from("ZERKALO_TEST_NIGHTS", 150)).unwrap();
    let mut street = Street::new(engine);
    let mut dice = Dice(seed);
    let mut sum = Figures::default();
    for number in 0..evenings {
        let script = script(number, &mut dice);
        match street.play(&script, None) {
            Ok(figures) => add(&mut sum, figures),
            Err(wrong) => panic!("evening {number} of seed {seed} on {engine:?}: {wrong}"),
        }
    }
    assert!(
        evenings < 100 || sum.kills > evenings / 3 && sum.done > evenings,
        "the evenings were too quiet: {sum}"
    );
    let _ = writeln!(std::io::stderr().lock(), "{engine:?}, seed {seed}: {sum}");
}

fn add(sum: &mut Figures, more: Figures) {
    sum.evenings += more.evenings;
    sum.starts += more.starts;
    sum.kills += more.kills;
    sum.faults += more.faults;
    sum.done += more.done;
    sum.failed += more.failed;
    sum.unknown += more.unknown;
    sum.open += more.open;
    sum.unplanned += more.unplanned;
    sum.drafts += more.drafts;
    sum.lines += more.lines;
}

/// The harness would see it: each mistake moves something twice or on another day.
fn known_mistakes_are_caught(engine: Engine) {
    let mut street = Street::new(engine);
    for mistake in [Mistake::OnePost, Mistake::LateCommit, Mistake::NowDate] {
        let mut dice = Dice(number_from("ZERKALO_TEST_SEED", 20_261_122));
        let caught = (0..120).find_map(|number| {
            let mut script = script(100 + number, &mut dice);
            script.single = false;
            match mistake {
                Mistake::OnePost => {}
                Mistake::LateCommit => {
                    script.single = true;
                    // The first start dies when it has sent, and the second one comes before that has its effect.
                    script.faults = vec![Fault::new(POST, Action::Late { delay_ms: 2000, hold: false })];
                    script.starts = vec![Start::At("process-sent", 1), Start::Whole];
                    (script.grace, script.minutes) = ("55m", (0, 5));
                }
                Mistake::NowDate => {
                    // The first start dies before it has planned, and the second one comes after midnight.
                    script.starts = vec![Start::At("entered", 1)];
                    (script.grace, script.minutes) = ("2h", (50, 15));
                }
            }
            let wrong = street.play(&script, Some(mistake)).err()?;
            // It is the mistake that is caught, not the evening.
            street.play(&script, None).unwrap_or_else(|wrong| panic!("without {mistake:?}: {wrong}"));
            Some((number, wrong))
        });
        let (number, wrong) = caught.unwrap_or_else(|| panic!("{mistake:?} was not caught"));
        let _ = writeln!(
            std::io::stderr().lock(),
            "{engine:?}: {mistake:?} is caught by evening {number}: {}",
            wrong.lines().next().unwrap_or_default()
        );
    }
}
