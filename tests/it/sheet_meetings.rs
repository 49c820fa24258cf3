//! A hand at every request boundary: people sort, move, insert, delete, rename, clear and type while a run reads and writes
//! the tab of levels. Whatever they do and whenever, every number stands beside its own product and department afterwards,
//! in the sheet and in the database, and the job is not stuck.

use super::{
    desk::{Desk, Levels, SHEET, TAB, product},
    harness::{Engine, on_both},
    process::{Dice, number_from},
    sheet_deeds::{Deed, pick},
    sheet_oracle::{Nomenclature, Oracle, unusable},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Write as _,
    sync::{Arc, Mutex},
    time::Instant,
};
use zerkalo::{
    jobs::{self, Options},
    model::report::RunReport,
    sandbox::{self, Hands, Spreadsheet, World as Upstreams},
    store::Access,
};

on_both!(a_hand_at_every_request_boundary, known_mistakes_are_caught);

/// What is mirrored in the beginning, and what it can become: (number, name) of products and of departments.
const PRODUCTS: [(u32, &str); 12] = [
    (1, "Авокадо"),
    (2, "Баклажан"),
    (3, "Вишня"),
    (4, "Груша"),
    (5, "Дыня"),
    (6, "Ёжевика"),
    (7, "Жимолость"),
    (8, "Изюм"),
    (9, "Клюква"),
    (10, "Лимон"),
    (11, "Малина"),
    (12, "Огурец"),
];
const DEPARTMENTS: [(u32, &str); 4] =
    [(1, "Амалиенау"), (2, "Московский"), (3, "Набережная"), (4, "Рыбная деревня")];

/// A nomenclature: which of the products and departments of the beginning are gone, and which are new or renamed.
struct Change {
    name: &'static str,
    gone: &'static [u32],
    products: &'static [(u32, &'static str)],
    gone_departments: &'static [u32],
    departments: &'static [(u32, &'static str)],
}

const CHANGES: [Change; 7] = [
    Change { name: "as in the beginning", gone: &[], products: &[], gone_departments: &[], departments: &[] },
    Change {
        name: "products come, go and are renamed",
        gone: &[3, 7],
        products: &[(21, "Арбуз"), (22, "Яблоко"), (9, "Аа клюква")],
        gone_departments: &[],
        departments: &[],
    },
    Change {
        name: "departments come, go and are renamed",
        gone: &[],
        products: &[],
        gone_departments: &[2],
        departments: &[(11, "Вокзал"), (3, "Яхт-клуб")],
    },
    Change {
        name: "everything comes and goes",
        gone: &[1, 3, 7, 12],
        products: &[(21, "Арбуз"), (22, "Яблоко"), (9, "Аа клюква")],
        gone_departments: &[2, 4],
        departments: &[(11, "Вокзал")],
    },
    Change {
        name: "all products are exchanged",
        gone: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        products: &[(31, "Рис"), (32, "Соль"), (33, "Тмин"), (34, "Уксус")],
        gone_departments: &[],
        departments: &[],
    },
    Change {
        name: "two products change names",
        gone: &[7],
        products: &[(4, "Лимон"), (10, "Груша")],
        gone_departments: &[4],
        departments: &[(1, "Я Амалиенау")],
    },
    Change {
        name: "few are left",
        gone: &[1, 2, 5, 6, 7, 8, 9, 10, 11, 12],
        products: &[],
        gone_departments: &[1, 4],
        departments: &[],
    },
];

/// The changes that a meeting may begin with.
const BEGINNINGS: [usize; 3] = [0, 1, 3];

fn id(kind: char, number: u32) -> String {
    format!("{}-0000-4000-8000-{number:012}", kind.to_string().repeat(8))
}

impl Change {
    fn nomenclature(&self) -> Nomenclature {
        let list = |kind: char,
                    all: &[(u32, &str)],
                    gone: &[u32],
                    new: &[(u32, &str)]|
         -> BTreeMap<String, String> {
            let kept = all.iter().filter(|(number, _)| !gone.contains(number));
            kept.chain(new).map(|(number, name)| (id(kind, *number), (*name).to_owned())).collect()
        };
        Nomenclature {
            products: list('7', &PRODUCTS, self.gone, self.products),
            departments: list('6', &DEPARTMENTS, self.gone_departments, self.departments),
        }
    }
}

/// A sheet that is laid out, what it must hold, and where to go back to.
struct Beginning {
    sheet: Spreadsheet,
    oracle: Oracle,
}

/// The world in which all meetings of a database are played; each of them begins anew.
struct Stage {
    desk: Desk,
    nomenclatures: Vec<Nomenclature>,
    beginnings: Vec<Beginning>,
}

/// When a hand acts.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Before this request to the spreadsheet, from 1.
    Request(usize),
    /// Before this request that writes.
    Write(usize),
    /// After this request that writes, which answers as if nobody had done anything.
    Written(usize),
}

/// What hands have to share with the requests at which they act.
struct Scene {
    oracle: Oracle,
    /// Those that have not acted yet, by their number.
    waiting: Vec<Option<(Deed, Dice)>>,
    told: Vec<String>,
}

/// A meeting: how it begins, and who does what before which request of the run.
struct Plot {
    beginning: usize,
    change: usize,
    /// Whether ranges that are not there (any more) are noticed after the write.
    late: bool,
    before: Vec<Deed>,
    hands: Vec<(Turn, Deed, Dice)>,
    dice: Dice,
}

impl Plot {
    fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice(seed ^ number.wrapping_mul(0x9e6c_63d0_876a_3f6b));
        let beginning = pick(&mut dice, BEGINNINGS.len());
        let change = pick(&mut dice, CHANGES.len());
        let late = dice.below(4) == 0;
        let before = match dice.below(16) {
            0..=2 => vec![],
            3 | 4 => vec![Deed::DeletePair],
            5 => vec![Deed::DeletePair, Deed::DeletePair],
            6 => vec![Deed::DeleteRow],
            7 => vec![Deed::DeleteRow, Deed::DeleteRow, Deed::DeletePair],
            8 | 9 => vec![Deed::Clear],
            10 => vec![Deed::DeleteTab],
            11 => vec![Deed::Predecessor],
            12 => vec![Deed::ClearAndShrink],
            13 => vec![Deed::Type, Deed::Type, Deed::Empty, Deed::Type],
            14 => vec![Deed::Sort, Deed::MovePair, Deed::Type],
            _ => vec![Deed::Merge, Deed::Predecessor],
        };
        let mut hands: Vec<(Turn, Deed, Dice)> = Vec::new();
        for hand in 0..=dice.below(2) {
            let again = hand == 1 && dice.below(3) == 0;
            let turn = match dice.below(10) {
                _ if again => hands[0].0,
                0..=3 => Turn::Request(1 + pick(&mut dice, 8)),
                4..=6 => Turn::Write(1 + pick(&mut dice, 2)),
                _ => Turn::Written(1 + pick(&mut dice, 2)),
            };
            hands.push((turn, Deed::any(&mut dice), Dice(dice.below(u64::MAX))));
        }
        Self { beginning, change, late, before, hands, dice }
    }

    fn title(&self) -> String {
        format!(
            "from «{}» to «{}»{}",
            CHANGES[BEGINNINGS[self.beginning]].name,
            CHANGES[self.change].name,
            if self.late { ", late refusals" } else { "" }
        )
    }
}

impl Scene {
    /// A hand acts whose turn it is.
    fn act(&mut self, hand: usize, when: &str, world: &mut Upstreams) {
        let Some((deed, mut dice)) = self.waiting[hand].take() else { return };
        let told = deed.act(world.google.sheet(SHEET), &mut self.oracle, &mut dice);
        self.told.push(format!("{when}: {told}"));
    }
}

impl Stage {
    fn new(engine: Engine) -> Self {
        let options = sandbox::Options {
            google_reads: usize::MAX,
            google_writes: usize::MAX,
            latency: std::time::Duration::ZERO,
            ..Default::default()
        };
        let desk = Desk::with(engine, options);
        let mut stage = Self { desk, nomenclatures: Vec::new(), beginnings: Vec::new() };
        stage.nomenclatures = CHANGES.iter().map(Change::nomenclature).collect();
        for change in (0..CHANGES.len()).rev() {
            stage.set(change);
            // So many at once would not be deleted.
            if change + 1 < CHANGES.len() {
                stage.desk.world.execute("delete from iiko_product; delete from iiko_department");
            }
            stage
                .desk
                .world
                .expect(0, &["sync", "iiko", "--only", "iiko_product,iiko_product_group,iiko_department"]);
            for table in ["iiko_product", "iiko_department"] {
                stage
                    .desk
                    .world
                    .execute(&format!("create table meeting_{table}_{change} as select * from {table}"));
            }
        }
        assert_eq!(stage.run().exit_code(), 0);
        stage.fill();
        for (place, change) in BEGINNINGS.into_iter().enumerate() {
            if place > 0 {
                stage.begin(0, change);
            }
            for _ in 0..2 {
                let report = stage.run();
                assert_eq!(report.exit_code(), 0, "{report:#?}");
            }
            let (database, names) = (stage.desk.database(), stage.nomenclatures[change].clone());
            let (sheet, mut oracle) = stage.desk.world.sandbox.edit(|world| {
                let sheet = world.google.sheet(SHEET);
                (sheet.clone(), Oracle::new(sheet, &database, &names))
            });
            oracle.learn(&stage.nomenclatures[0]);
            oracle.learn(&names);
            let wrong = oracle.judge(&mut sheet.clone(), &database, &names);
            assert!(wrong.is_empty(), "the sheet to begin with, {}: {wrong:#?}", CHANGES[change].name);
            stage
                .desk
                .world
                .execute(&format!("create table meeting_level_{place} as select * from min_stock_level"));
            stage.beginnings.push(Beginning { sheet, oracle });
        }
        stage
    }

    /// Makes iiko have these products and departments.
    fn set(&self, change: usize) {
        let names = &self.nomenclatures[change];
        self.desk.iiko(|world| {
            let goods = |it: &&Value| it["type"] == "GOODS" && it["deleted"] != true;
            let like = world.products.iter().find(goods).unwrap().clone();
            world.products = names.products.iter().map(|(id, name)| product(id, name, &like)).collect();
            // Numbers are unique on an iiko server.
            for (number, product) in world.products.iter_mut().enumerate() {
                product["num"] = json!(format!("{number:05}"));
            }
            let like = world.departments.iter().find(|it| it["type"] == "DEPARTMENT").unwrap().clone();
            world.departments = names
                .departments
                .iter()
                .map(|(id, name)| {
                    let mut department = like.clone();
                    (department["id"], department["name"]) = (json!(id), json!(name));
                    department
                })
                .collect();
        });
    }

    /// Types numbers into half of the places, each of them once only, and none for the last department.
    fn fill(&self) {
        self.desk.hands(|tab| {
            for (row, (product, _)) in PRODUCTS.iter().enumerate() {
                for department in 0..3 {
                    // The seventh product has no numbers.
                    if *product == 7 || (row + department) % 2 == 1 && row % 3 != 0 {
                        continue;
                    }
                    let number = 10 * (row + 1) + department + 1;
                    let cell = |side: usize| super::sheet_oracle::cell(3 + row, 2 + 2 * department + side);
                    if row % 4 != 1 {
                        tab.type_in(&cell(0), &number.to_string());
                    }
                    if row % 4 != 2 {
                        tab.type_in(&cell(1), &format!("{},5", 10_000 + number));
                    }
                }
            }
        });
    }

    /// Sets sheet and levels as they were in a beginning, and the nomenclature as after a change.
    fn begin(&self, beginning: usize, change: usize) {
        let tables = [
            ("min_stock_level", format!("meeting_level_{beginning}")),
            ("iiko_product", format!("meeting_iiko_product_{change}")),
            ("iiko_department", format!("meeting_iiko_department_{change}")),
        ];
        let restore = tables
            .map(|(table, saved)| format!("delete from {table}; insert into {table} select * from {saved};"));
        let forget = "delete from mirror_tombstone; delete from iiko_sync_log;";
        self.desk.world.execute(&format!("{forget} {}", restore.join(" ")));
        let sheet = self.beginnings[beginning].sheet.clone();
        self.desk.iiko(|world| *world.google.sheet(SHEET) = sheet);
    }

    fn run(&self) -> RunReport {
        let steps = vec![jobs::min_stock_pull(), jobs::min_stock_push()];
        self.desk.world.run_here(vec![steps], &Options::default(), Access::Write)
    }

    /// Makes everything as it is before the run of a meeting, and lets the hands wait for their turn.
    fn prepare(&self, plot: Plot) -> Arc<Mutex<Scene>> {
        let sandbox = &self.desk.world.sandbox;
        self.begin(plot.beginning, plot.change);
        let mut oracle = self.beginnings[plot.beginning].oracle.clone();
        oracle.learn(&self.nomenclatures[plot.change]);
        let (turns, waiting): (Vec<Turn>, Vec<_>) =
            plot.hands.into_iter().map(|(turn, deed, dice)| (turn, Some((deed, dice)))).unzip();
        let mut scene = Scene { oracle, waiting, told: Vec::new() };
        let mut dice = plot.dice;
        sandbox.edit(|world| {
            world.google.late_refusals = plot.late;
            for deed in plot.before {
                let told = deed.act(world.google.sheet(SHEET), &mut scene.oracle, &mut dice);
                scene.told.push(format!("before the run: {told}"));
            }
        });
        let scene = Arc::new(Mutex::new(scene));
        for (hand, turn) in turns.into_iter().enumerate() {
            let scene = Arc::clone(&scene);
            let act =
                move |world: &mut Upstreams| scene.lock().unwrap().act(hand, &format!("{turn:?}"), world);
            match turn {
                Turn::Request(nth) => sandbox.on("/google/v4", nth, act),
                Turn::Write(nth) => sandbox.on("POST /google/v4", nth, act),
                Turn::Written(nth) => sandbox.after("POST /google/v4", nth, act),
            }
        }
        scene
    }

    /// Plays a meeting, and says how its run ended and how many requests it took, or what is wrong.
    fn play(&self, seed: u64, number: u64) -> Result<(u8, usize), String> {
        let plot = Plot::of(seed, number);
        let title = format!("meeting {number} of seed {seed}: {}", plot.title());
        let (sandbox, live) = (&self.desk.world.sandbox, &self.nomenclatures[plot.change]);
        let hands = plot.hands.len();
        let scene = self.prepare(plot);
        sandbox.clear_journal();
        let first = self.run();
        let requests = self.desk.google();
        sandbox.clear_faults();
        let mut scene = scene.lock().unwrap();
        sandbox.edit(|world| (0..hands).for_each(|hand| scene.act(hand, "after the run", world)));
        let mut told = vec![title];
        told.extend(scene.told.iter().map(|deed| format!("  {deed}")));
        told.extend(requests.iter().enumerate().map(|(nth, entry)| {
            let path = entry.path.trim_start_matches("/google/v4/spreadsheets/");
            format!("    {}. {} {path} {:?}", nth + 1, entry.method, entry.status)
        }));
        told.push(format!("  the run: {}", ended(&first)));
        let mut wrong = Vec::new();
        if [0, 4].contains(&first.exit_code()) {
            let misplaced = sandbox.edit(|world| scene.oracle.misplaced(world.google.sheet(SHEET)));
            wrong.extend(misplaced.into_iter().map(|wrong| format!("after the run: {wrong}")));
        }
        wrong.extend(self.calm_down(&mut told));
        let database = self.desk.database();
        wrong.extend(sandbox.edit(|world| scene.oracle.judge(world.google.sheet(SHEET), &database, live)));
        if wrong.is_empty() {
            return Ok((first.exit_code(), requests.len()));
        }
        let more = wrong.len().saturating_sub(4);
        wrong.truncate(4);
        told.extend(wrong.into_iter().map(|wrong| format!("  WRONG: {wrong}")));
        told.push(format!("  and {more} more"));
        Err(told.join("\n"))
    }

    /// Runs that nobody disturbs, until one of them has nothing to do: the first repairs, the second may still read what
    /// the first has brought back, and the third must be quiet. What is wrong with them.
    fn calm_down(&self, told: &mut Vec<String>) -> Vec<String> {
        let mut wrong = Vec::new();
        for number in 1..=3 {
            self.desk.world.sandbox.clear_journal();
            let report = self.run();
            told.push(format!("  quiet run {number}: {}", ended(&report)));
            let (code, writes) = (report.exit_code(), self.desk.writes().len());
            if ![0, 4].contains(&code) {
                wrong.push(format!("quiet run {number} is exit {code}"));
            }
            if number > 1 && writes > 0 {
                wrong.push(format!("quiet run {number} writes to the sheet, {writes} requests"));
            }
            let changed = report.steps.iter().any(|step| step.counts.changed() > 0);
            if number < 2 || changed && number < 3 {
                continue;
            }
            let unusable = self.desk.world.sandbox.edit(|world| unusable(world.google.sheet(SHEET)));
            if changed || code != if unusable { 4 } else { 0 } {
                wrong.push(format!(
                    "quiet run {number} is exit {code}, changes {changed}, unusable values {unusable}"
                ));
            }
            break;
        }
        wrong
    }
}

/// How a run ended, in a line.
fn ended(report: &RunReport) -> String {
    let errors = report.steps.iter().flat_map(|step| step.error.iter().chain(&step.warnings));
    let failure = report.failure.iter().map(ToString::to_string);
    let said: Vec<String> = failure.chain(errors.cloned()).collect();
    format!("exit {} {}", report.exit_code(), said.join(" | "))
}

/// `ZERKALO_TEST_MEETINGS` meetings of `ZERKALO_TEST_SEED`; `ZERKALO_TEST_MEETING` plays that one alone.
fn a_hand_at_every_request_boundary(engine: Engine) {
    let seed = number_from("ZERKALO_TEST_SEED", 20_261_122);
    let meetings = number_from("ZERKALO_TEST_MEETINGS", 300);
    let only = env::var("ZERKALO_TEST_MEETING").ok().map(|number| number.parse::<u64>().unwrap());
    let stage = Stage::new(engine);
    let started = Instant::now();
    let (mut codes, mut most, mut wrong) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    let numbers = only.map_or_else(|| (0..meetings).collect(), |number| vec![number]);
    for number in &numbers {
        match stage.play(seed, *number) {
            Ok((code, requests)) => {
                *codes.entry(code).or_insert(0) += 1;
                most.insert(requests);
            }
            Err(told) => wrong.push(told),
        }
    }
    let told = format!(
        "{engine:?}: {} meetings of seed {seed} in {:.1} s, {} of them wrong; exit codes of the runs {codes:?}, requests {most:?}",
        numbers.len(),
        started.elapsed().as_secs_f64(),
        wrong.len(),
    );
    let _ = writeln!(std::io::stderr().lock(), "{told}");
    let shown = number_from("ZERKALO_TEST_MEETINGS_SHOWN", 5);
    let first: Vec<String> = wrong.iter().take(usize::try_from(shown).unwrap()).cloned().collect();
    assert!(wrong.is_empty(), "{told}\n\n{}", first.join("\n\n"));
}

/// A person's work is done.
fn done(_: &mut Hands<'_>) {}

fn known_mistakes_are_caught(engine: Engine) {
    type Mistake = (&'static str, fn(&mut Hands<'_>, &mut Levels));
    const MISTAKES: [Mistake; 12] = [
        ("nothing", |_, _| ()),
        ("rows change their numbers", |tab, _| tab.sort("C4:H15", "C", true).unwrap()),
        ("rows change their names", |tab, _| tab.sort("A4:A15", "A", true).unwrap()),
        ("a number is overwritten", |tab, _| done(tab.type_in("C4", "12"))),
        ("a number is gone", |tab, _| done(tab.type_in("C4", ""))),
        ("a number is nobody's", |tab, _| done(tab.type_in("D17", "5"))),
        ("a row is gone", |tab, _| done(tab.delete_row(12))),
        ("a row is there twice", |tab, _| {
            let id = tab.value("B4").as_str().unwrap().to_owned();
            tab.put_text("B16", &id).put_text("A16", "Авокадо");
        }),
        ("a header is broken", |tab, _| done(tab.unmerge())),
        ("a pair of columns is gone", |tab, _| tab.delete_columns("I", 2).unwrap()),
        ("a level is gone from the database", |_, database| drop(database.pop_first())),
        ("levels of the database are another's", |_, database| {
            let values: Vec<_> = database.values().cloned().collect();
            let others = values.into_iter().cycle().skip(1);
            database.values_mut().zip(others).for_each(|(level, other)| *level = other);
        }),
    ];
    let stage = Stage::new(engine);
    let live = &stage.nomenclatures[0];
    stage.begin(0, 0);
    let database = stage.desk.database();
    for (name, mistake) in MISTAKES {
        let Beginning { sheet, oracle } = &stage.beginnings[0];
        let (mut sheet, mut database) = (sheet.clone(), database.clone());
        let mut tab = sheet.tab(TAB);
        tab.resize(20, 12).unwrap();
        mistake(&mut tab, &mut database);
        let wrong = oracle.judge(&mut sheet, &database, live);
        assert_eq!(wrong.is_empty(), name == "nothing", "{name}: {wrong:#?}");
        let beside = ["rows change their numbers", "rows change their names", "a number is overwritten"];
        assert_eq!(!oracle.misplaced(&mut sheet).is_empty(), beside.contains(&name), "{name}");
    }
}
