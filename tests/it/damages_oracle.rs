//! What a damaged answer may do to a table, told from the documents: nothing where any reader can tell that it is damaged;
//! elsewhere no more than what stood at the damaged place.

use super::{
    harness::{Outcome, World},
    process::Dice,
    rows::{Dump, Row},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use zerkalo::sandbox::{Action, Damage, Fault};

/// What can be known of an answer that was harmed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// That it is no answer.
    Sure,
    /// That it is no answer, or that the connection was cut.
    Cut,
    /// That a list is empty which was not.
    Emptied,
    /// Nothing for certain; so many bytes are not what they were.
    Maybe(usize),
    /// All of it, for it is whole: it may be refused or read as it is meant, but for so many records.
    Form(usize),
}

/// What happens to the answer of one list.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) table: &'static str,
    pub(super) fault: Fault,
    pub(super) class: Class,
}

/// What became of a damaged answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was refused, and nothing has changed.
    Refused,
    /// Records of it were rejected, or nothing was deleted for its sake.
    Doubted,
    /// It was read, and some rows are wrong.
    Unnoticed,
    /// It was read, and every row is right.
    Harmless,
}

/// What the database holds: as it lies there, and spelled for comparison.
pub(super) struct Snapshot {
    evidence: Dump,
    pub(super) rows: Dump,
}

impl Snapshot {
    pub(super) fn of(world: &World) -> Self {
        Self { evidence: world.evidence(), rows: world.dump() }
    }
}

fn one<T: Copy>(dice: &mut Dice, of: &[T]) -> T {
    of[index(dice, of.len())]
}

fn index(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(end as u64)).unwrap()
}

fn page(content_type: &str, body: &str) -> Action {
    Action::Body { content_type: content_type.to_owned(), body: body.to_owned().into() }
}

/// What any reader can tell, on an answer that has more than `least` bytes.
pub(super) fn sure(dice: &mut Dice, least: usize) -> (Action, Class) {
    let at = index(dice, 1 << 30);
    let damage = |how| Action::Damage { how, at };
    let action = match dice.below(12) {
        0..=3 => damage(Damage::Tail),
        4 => damage(Damage::Twice),
        5 | 6 => {
            let by =
                one(dice, &["]", "}", " x", "null", "<html/>", "{}", "\0", ",", "[]", "</a>", "{\"a\":1}"]);
            damage(Damage::Followed { by: by.to_owned() })
        }
        7 => damage(Damage::Typed { content_type: "text/html; charset=utf-8".to_owned() }),
        8 => Action::Empty,
        9 => match dice.below(3) {
            0 => Action::Html,
            1 => page(
                "application/json",
                one(dice, &["{\"error\":\"License\"}", "null", "\"OK\"", "true", "0", " "]),
            ),
            _ => page(
                "application/xml",
                one(dice, &["<r><serverState>STARTED</serverState></r>", "<r/>", "OK"]),
            ),
        },
        10 => return (Action::CutClose { at: index(dice, least) }, Class::Sure),
        _ if dice.below(4) == 0 => return (Action::Garbage, Class::Cut),
        _ => return (Action::Cut { at: index(dice, least) }, Class::Cut),
    };
    (action, Class::Sure)
}

/// Anything that can happen to a body.
pub(super) fn any(dice: &mut Dice, least: usize) -> (Action, Class) {
    let at = index(dice, 1 << 30);
    let length = 1 + index(dice, 120);
    // What means something to a reader, what is no text, and anything.
    let mut bytes = b"\0\x01\x1b\xff\xc3\xed\"<>{}[]\\&,: 0-e/'=!".to_vec();
    bytes.push(u8::try_from(dice.below(256)).unwrap());
    let byte = one(dice, &bytes);
    let form = |how| (Action::Damage { how, at }, Class::Form(0));
    let (how, reach) = match dice.below(20) {
        0..=8 => return sure(dice, least),
        9 => return (Action::EmptyList, Class::Emptied),
        10 => match dice.below(6) {
            0 => return form(Damage::Bom),
            1 => return form(Damage::Utf16),
            // One record or two without letters may be broken ones.
            2 | 3 => return (Action::Damage { how: Damage::Windows1251, at }, Class::Form(2)),
            _ => {
                let content_type = one(dice, &["text/plain", "application/octet-stream", ""]).to_owned();
                return form(Damage::Typed { content_type });
            }
        },
        11 | 12 => (Damage::Lost { length }, length),
        13 | 14 => (Damage::Doubled { length }, length),
        15 => (Damage::Exchanged { length }, 2 * length),
        16 | 17 => (Damage::Changed { byte }, 1),
        _ => (Damage::Inserted { byte }, 1),
    };
    (Action::Damage { how, at }, Class::Maybe(reach))
}

/// What tells a row of a table from the others.
fn key(table: &str, row: &Row) -> Vec<Option<String>> {
    let columns: &[&str] = match table {
        "iiko_entity" => &["root_type", "id"],
        "stock_balance" => &["store_id", "product_id"],
        _ => &["id"],
    };
    columns.iter().map(|column| row[*column].clone()).collect()
}

type Keyed<'a> = BTreeMap<Vec<Option<String>>, &'a Row>;

fn keyed<'a>(table: &str, rows: &'a [Row]) -> Keyed<'a> {
    rows.iter().map(|row| (key(table, row), row)).collect()
}

/// No more than half of a table, or of one of its scopes, is gone.
fn deletes_half_at_most(table: &str, before: &Keyed<'_>, after: &Keyed<'_>) -> Result<(), String> {
    let scope = |key: &Vec<Option<String>>| if table == "iiko_entity" { key[0].clone() } else { None };
    let mut scopes: BTreeMap<Option<String>, (usize, usize)> = BTreeMap::new();
    for key in before.keys() {
        let counts = scopes.entry(scope(key)).or_default();
        counts.0 += 1;
        counts.1 += usize::from(!after.contains_key(key));
    }
    match scopes.iter().find(|(_, (rows, gone))| 2 * gone > *rows) {
        Some((scope, (rows, gone))) => Err(format!("{table} {scope:?}: {gone} of {rows} rows are gone")),
        None => Ok(()),
    }
}

/// A run's judge: what was there, what is to be there, what is there, and what the run said.
pub(super) struct Judge<'a> {
    pub(super) before: &'a Snapshot,
    pub(super) after: &'a Snapshot,
    pub(super) hits: &'a [Hit],
    pub(super) truth: &'a Dump,
    pub(super) outcome: &'a Outcome,
    pub(super) log: &'a [Row],
}

impl Judge<'_> {
    fn steps(&self, table: &str) -> Vec<&Value> {
        self.outcome.steps().iter().filter(|step| step["entity"] == table).collect()
    }

    fn is(&self, table: &str, status: &str) -> bool {
        let steps = self.steps(table);
        !steps.is_empty() && steps.iter().all(|step| step["status"] == status)
    }

    /// Whether no byte of a table, and no place of a row, is another one.
    pub(super) fn is_untouched(&self, table: &str) -> bool {
        self.before.evidence[table] == self.after.evidence[table]
    }

    /// The run failed for this table, told of it, and left it alone.
    pub(super) fn refused(&self, table: &str, place: &str) -> Result<(), String> {
        let statuses: Vec<&Value> = self.steps(table).iter().map(|step| &step["status"]).collect();
        if !self.is(table, "error") {
            return Err(format!("{table} is not an error, but {statuses:?}"));
        }
        if !self.is_untouched(table) {
            return Err(format!("{table} was refused, and is not as it was"));
        }
        for step in self.steps(table) {
            let said = step["error"].as_str().unwrap_or_default();
            if !said.contains(place) && !said.contains(table) {
                return Err(format!("nobody can see that `{said}` is about {place} of {table}"));
            }
            let scope = step["scope"].as_str().unwrap_or_default();
            let of_scope = |row: &&Row| row["scope"].as_deref().unwrap_or_default() == scope;
            let is_it = |row: &&Row| row["entity_type"].as_deref() == Some(table) && of_scope(row);
            let row = self.log.iter().find(is_it);
            let told = row.is_some_and(|row| {
                row["status"].as_deref() == Some("error") && row["error_message"].is_some()
            });
            if !told {
                return Err(format!("no log row tells of {table} {scope:?}: {row:?}"));
            }
        }
        Ok(())
    }

    /// What has to be in a table: what the upstreams have, with the names that the mirror has for balances.
    fn truth_of(&self, table: &str) -> Vec<Row> {
        let mut rows = self.truth[table].clone();
        let names_differ = self.hits.iter().any(|hit| ["iiko_store", "iiko_product"].contains(&hit.table));
        if table == "stock_balance" && names_differ {
            let shown = keyed(table, &self.after.rows[table]);
            let names = ["store", "product"].map(|what| {
                let known = self.after.rows[&format!("iiko_{what}")].iter();
                let known: BTreeMap<_, _> =
                    known.map(|row| (row["id"].clone(), row["name"].clone())).collect();
                (format!("{what}_id"), format!("{what}_name"), known)
            });
            for row in &mut rows {
                for (id, name, known) in &names {
                    // A product that is not active is not in the mirror, and its name is that of the answer.
                    let shown = || shown.get(&key(table, row)).and_then(|row| row[name].clone());
                    let name_of_it = known.get(&row[id]).cloned().unwrap_or_else(shown);
                    row.insert(name.clone(), name_of_it);
                }
            }
        }
        rows
    }

    /// How many rows of a table are not what they have to be, at most `most` of them; rows that were there and are not
    /// deleted are none where the run says so.
    fn wrong_rows(&self, table: &str, most: usize) -> Result<usize, String> {
        let truth = self.truth_of(table);
        let (before, after) = (&self.before.rows[table], &self.after.rows[table]);
        let (before, after, truth) = (keyed(table, before), keyed(table, after), keyed(table, &truth));
        deletes_half_at_most(table, &before, &after)?;
        let keeps = self.steps(table).iter().any(|step| step["status"] == "warning");
        let keys: BTreeSet<_> = after.keys().chain(truth.keys()).collect();
        let kept = |key: &Vec<Option<String>>| keeps && !truth.contains_key(key) && before.contains_key(key);
        let wrong: Vec<_> =
            keys.into_iter().filter(|key| after.get(*key) != truth.get(*key) && !kept(key)).collect();
        if wrong.len() > most {
            let show = |key: &Vec<Option<String>>| {
                format!("{key:?}\n  there: {:?}\n  true: {:?}", after.get(key), truth.get(key))
            };
            let some: Vec<String> = wrong.iter().take(2).map(|key| show(key)).collect();
            return Err(format!(
                "{table}: {} of {} rows are wrong, and {most} can be\n{}",
                wrong.len(),
                truth.len(),
                some.join("\n")
            ));
        }
        Ok(wrong.len())
    }

    /// A table whose own answer was whole.
    pub(super) fn undamaged(&self, table: &str) -> Result<(), String> {
        let lacks = |input: &str| self.is(input, "error");
        if table == "stock_balance"
            && (lacks("iiko_product") || lacks("iiko_store"))
            && self.is(table, "skipped")
        {
            return if self.is_untouched(table) {
                Ok(())
            } else {
                Err(format!("{table} was skipped, and is changed"))
            };
        }
        if self.steps(table).iter().any(|step| step["status"] != "success" && step["status"] != "warning") {
            return Err(format!("{table}: its answer was whole, and it is {:?}", self.steps(table)));
        }
        self.wrong_rows(table, 0).map(|_| ())
    }

    /// A table whose answer was damaged so; `again` where it may have been asked for once more.
    pub(super) fn damaged(&self, hit: &Hit, again: bool) -> Result<Fate, String> {
        let table = hit.table;
        let place = hit.fault.on.trim_end_matches('$').trim_start_matches('/');
        let place = place.trim_start_matches("v1/").trim_start_matches("api/");
        if self.is(table, "error") {
            return self.refused(table, place).map(|()| Fate::Refused);
        }
        if table == "stock_balance" && self.is(table, "skipped") {
            return self.undamaged(table).map(|()| Fate::Refused);
        }
        let most = match hit.class {
            Class::Sure | Class::Cut if again => 0,
            Class::Sure | Class::Cut => return self.refused(table, place).map(|()| Fate::Refused),
            Class::Emptied => {
                let kept = |step: &&Value| step["status"] == "warning" || step["delete_blocked"] == 0;
                return if self.is_untouched(table) && self.steps(table).iter().all(kept) {
                    Ok(Fate::Doubted)
                } else {
                    Err(format!(
                        "{table}: an empty list changed it, or was not told: {:?}",
                        self.steps(table)
                    ))
                };
            }
            Class::Form(few) => few,
            Class::Maybe(reach) => 3 + reach / 20,
        };
        let wrong = self.wrong_rows(table, most)?;
        Ok(match wrong {
            _ if self.steps(table).iter().any(|step| step["status"] != "success") => Fate::Doubted,
            0 => Fate::Harmless,
            _ => Fate::Unnoticed,
        })
    }

    /// The exit code is what the README makes of the steps, and nobody has panicked.
    pub(super) fn ended_well(&self) -> Result<(), String> {
        let has = |status: &str| self.outcome.steps().iter().any(|step| step["status"] == status);
        let sure = self.hits.iter().any(|hit| hit.class == Class::Sure && self.is(hit.table, "error"));
        let codes: &[i32] = match (has("error"), has("warning")) {
            (true, _) if sure => &[7],
            (true, _) => &[5, 7],
            (false, true) => &[4],
            (false, false) => &[0],
        };
        let code = self.outcome.code;
        if !codes.iter().any(|expected| code == Some(*expected)) {
            return Err(format!("exit {code:?} in place of one of {codes:?}"));
        }
        if self.outcome.stderr.contains("panicked") {
            return Err(self.outcome.stderr.clone());
        }
        Ok(())
    }
}

/// What came of damaged answers.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) bodies: u64,
    pub(super) runs: u64,
    pub(super) good: u64,
    fates: [u64; 4],
    pub(super) again: u64,
    pub(super) wrong: Vec<String>,
}

impl Figures {
    pub(super) fn count(&mut self, fate: Fate) {
        self.fates[fate as usize] += 1;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [refused, doubted, unnoticed, harmless] = self.fates;
        write!(
            formatter,
            "{} damaged bodies in {} runs: {refused} refused, {doubted} read in part or not believed, {unnoticed} not \
             noticed, {harmless} harmless, {} asked for again; {} undisturbed runs made all good; wrong: {}",
            self.bodies,
            self.runs,
            self.again,
            self.good,
            self.wrong.len()
        )
    }
}
