//! A plan: what a run would insert, update and delete, as a value that can be printed, refused or applied.

use super::{
    guard::{Verdict, Weighed, weigh},
    index::{Hold, Index},
    row::{Key, Row, RowHash},
    spool::{Reader, Spool},
    table::{Deletion, Table},
};
use crate::{
    error::{Failure, Result},
    model::Counts,
};
use hashbrown::{HashMap, HashSet};
use std::fmt;

/// What became of one scope's answer.
#[derive(Debug)]
pub enum Answer {
    /// Nobody asked.
    Missing,
    /// A complete answer.
    Complete,
    /// The server does not know the scope; the reason.
    Skipped(String),
    /// It could not be read.
    Failed(Failure),
}

/// What was counted while a scope's records passed.
#[derive(Debug)]
pub struct Tally {
    pub(super) scope: String,
    pub(super) number: u16,
    pub(super) answer: Answer,
    pub(super) fetched: u64,
    pub(super) conflicts: u64,
    /// Records of which nobody knows what they say: any row may be there that the answer seems to lack.
    pub(super) holes: u64,
    /// Records that are not stored, and why.
    pub(super) rejected: Named,
    /// The rows to be written in which U+FFFD stands for what is no character.
    pub(super) replaced: Named,
    pub(super) keep_missing: Vec<String>,
    /// Why the answer may not be whole although it looks so; only a person can know.
    pub(super) suspicion: Option<String>,
    pub(super) warnings: Vec<String>,
}

impl Tally {
    pub(super) fn new(scope: &str, number: u16) -> Self {
        Self {
            scope: scope.to_owned(),
            number,
            answer: Answer::Missing,
            fetched: 0,
            conflicts: 0,
            holes: 0,
            rejected: Named::default(),
            replaced: Named::default(),
            keep_missing: Vec::new(),
            suspicion: None,
            warnings: Vec::new(),
        }
    }
}

/// Records of which the first are named.
#[derive(Debug, Default)]
pub struct Named {
    count: u64,
    first: Vec<String>,
}

impl Named {
    pub(super) fn push(&mut self, name: String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(name);
        }
    }

    /// `2 records WHAT: A; B`; nothing for none.
    fn sentence(&self, what_is: &str, what_are: &str) -> Option<String> {
        let (noun, what) = if self.count == 1 { ("record", what_is) } else { ("records", what_are) };
        let more = self.count - self.first.len() as u64;
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        (self.count > 0).then(|| format!("{} {noun} {what}: {}{more}", self.count, self.first.join("; ")))
    }
}

/// What a run does to one scope.
#[derive(Debug)]
pub struct ScopePlan {
    /// The scope's name; `None` for a table without scopes.
    pub scope: Option<String>,
    /// Why the scope is left out, if it is.
    pub skipped: Option<String>,
    /// Why the scope could not be read, if it could not.
    pub failure: Option<Failure>,
    /// How many rows it reads and writes.
    pub counts: Counts,
    /// The first rows that the answer lacks, by key, whether they are deleted or stay.
    pub missing: Vec<Key>,
    /// What is told once and needs no look.
    pub notes: Vec<String>,
    /// What the operator should look at.
    pub warnings: Vec<String>,
    /// What the operator can do about it.
    pub hint: Option<String>,
}

/// How many rows and records a plan names of each sort.
const NAMED: usize = 20;

/// What is said of records with U+FFFD.
const REPLACED_IN_ONE: &str = "is stored with U+FFFD for what is no character that can be stored";
const REPLACED_IN_MANY: &str = "are stored with U+FFFD for what is no character that can be stored";

/// What a run does to one table.
#[derive(Debug)]
pub struct Plan {
    /// The table.
    pub table: &'static Table,
    /// What is done to each scope, in the order in which they were asked for.
    pub scopes: Vec<ScopePlan>,
    inserts: Spool,
    updates: Spool,
    deletes: Vec<Key>,
    conflicts: HashMap<Key, RowHash>,
    key_positions: Vec<usize>,
    /// Updates may carry a hash that the row has already, because the columns were compared themselves.
    pub verify: bool,
    pub(super) has_no_name: bool,
    /// How many records kept letters beyond ASCII, and how many of those to be written lost all of them.
    pub(super) letters: (u64, u64),
}

impl Plan {
    #[expect(clippy::too_many_arguments, reason = "called once, by the planner that is taken apart for it")]
    pub(super) fn new(
        table: &'static Table,
        index: &Index,
        tallies: Vec<Tally>,
        inserts: Spool,
        updates: Spool,
        conflicts: HashMap<Key, RowHash>,
        key_positions: Vec<usize>,
        verify: bool,
        allowed: impl Fn(&str) -> Option<u64>,
    ) -> Self {
        let mut compared: HashMap<u16, Compared> = HashMap::new();
        for (_, entry) in index.entries() {
            compared.entry(entry.scope).or_default().add(entry.is_stored(), entry.seen, entry.changed);
        }
        let mut deletable = HashSet::new();
        let mut scopes: Vec<ScopePlan> = Vec::new();
        let mut numbers = Vec::new();
        for tally in tallies {
            let compared = compared.remove(&tally.number).unwrap_or_default();
            let number = tally.number;
            let plan = ScopePlan::new(index, table, tally, &compared, &allowed);
            if plan.counts.deleted > 0 {
                deletable.insert(number);
            }
            scopes.push(plan);
            numbers.push(number);
        }
        let mut missing: Vec<(&Key, u16)> = index
            .entries()
            .filter(|(_, entry)| entry.is_stored() && !entry.seen)
            .map(|(key, entry)| (key, entry.scope))
            .collect();
        missing.sort_unstable();
        let answered = scopes
            .iter_mut()
            .zip(&numbers)
            .filter(|(plan, _)| plan.counts.deleted + plan.counts.delete_blocked > 0);
        for (plan, number) in answered {
            let of_scope = missing.iter().filter(|(_, scope)| scope == number);
            plan.missing = of_scope.take(NAMED).map(|(key, _)| (*key).clone()).collect();
        }
        let deletes = missing
            .iter()
            .filter(|(_, scope)| deletable.contains(scope))
            .map(|(key, _)| (*key).clone())
            .collect();
        Self {
            table,
            scopes,
            inserts,
            updates,
            deletes,
            conflicts,
            key_positions,
            verify,
            has_no_name: false,
            letters: (0, 0),
        }
    }

    /// A plan that only inserts rows, each key once.
    pub(super) fn of_inserts(table: &'static Table, inserts: Spool, scope: ScopePlan) -> Self {
        Self {
            table,
            scopes: vec![scope],
            updates: inserts.another(),
            inserts,
            deletes: Vec::new(),
            conflicts: HashMap::new(),
            key_positions: table.key_positions(),
            verify: false,
            has_no_name: false,
            letters: (0, 0),
        }
    }

    /// Whether applying would write no row.
    pub fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.updates.is_empty() && self.deletes.is_empty()
    }

    /// How many rows are inserted, updated and deleted.
    pub fn totals(&self) -> (u64, u64, u64) {
        self.scopes.iter().fold((0, 0, 0), |(inserted, updated, deleted), scope| {
            let counts = &scope.counts;
            (inserted + counts.inserted, updated + counts.updated, deleted + counts.deleted)
        })
    }

    /// Whether rows are to be updated from records none of which has a name, although the table keeps names.
    pub fn may_lose_all_names(&self) -> bool {
        self.has_no_name && self.totals().1 > 1
    }

    /// How many of the rows to be written have lost every letter beyond ASCII, where they are more than two, and more than
    /// the records that kept theirs: one record can be broken, and an answer can be in another encoding.
    pub fn loses_all_letters(&self) -> Option<u64> {
        let (kept, lost) = self.letters;
        (lost > 2 && lost > kept).then_some(lost)
    }

    /// How many bytes the rows to insert and to update take.
    pub fn spooled_bytes(&self) -> (u64, u64) {
        (self.inserts.bytes(), self.updates.bytes())
    }

    /// The keys to delete, sorted.
    pub fn deletes(&self) -> &[Key] {
        &self.deletes
    }

    /// The rows to insert.
    pub fn inserts(&mut self) -> Result<Rows<'_>> {
        Rows::new(&mut self.inserts, &self.conflicts, &self.key_positions)
    }

    /// The rows to update.
    pub fn updates(&mut self) -> Result<Rows<'_>> {
        Rows::new(&mut self.updates, &self.conflicts, &self.key_positions)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inserted, updated, deleted) = self.totals();
        write!(formatter, "{}: insert {inserted}, update {updated}, delete {deleted}", self.table.name)
    }
}

/// Reads spooled rows, each key once: of rows that came with different contents only the last one.
#[derive(Debug)]
pub struct Rows<'a> {
    reader: Reader<'a>,
    conflicts: &'a HashMap<Key, RowHash>,
    key_positions: &'a [usize],
    delivered: HashSet<Key>,
}

impl<'a> Rows<'a> {
    fn new(
        spool: &'a mut Spool,
        conflicts: &'a HashMap<Key, RowHash>,
        key_positions: &'a [usize],
    ) -> Result<Self> {
        Ok(Self { reader: spool.read()?, conflicts, key_positions, delivered: HashSet::new() })
    }

    /// Hands the next row to `take`; false behind the last one.
    pub fn next_with(&mut self, take: &mut dyn FnMut(Row<'_>)) -> Result<bool> {
        loop {
            let Some(row) = self.reader.next_row()? else { return Ok(false) };
            if !self.conflicts.is_empty() {
                let key = row.key(self.key_positions);
                if let Some(last) = self.conflicts.get(&key)
                    && (row.hash() != last || !self.delivered.insert(key))
                {
                    continue;
                }
            }
            take(row);
            return Ok(true);
        }
    }
}

/// How a scope's answer compares with what is stored.
#[derive(Debug, Default)]
struct Compared {
    before: u64,
    missing: u64,
    counts: Counts,
}

impl Compared {
    fn add(&mut self, stored: bool, seen: bool, changed: bool) {
        self.before += u64::from(stored);
        self.counts.inserted += u64::from(!stored && seen);
        self.counts.updated += u64::from(stored && seen && changed);
        self.counts.unchanged += u64::from(stored && seen && !changed);
        self.missing += u64::from(stored && !seen);
    }
}

impl ScopePlan {
    fn new(
        index: &Index,
        table: &Table,
        tally: Tally,
        compared: &Compared,
        allowed: &impl Fn(&str) -> Option<u64>,
    ) -> Self {
        let name = tally.scope.clone();
        let mut plan = Self {
            scope: table.scope.map(|_| name.clone()),
            skipped: None,
            failure: None,
            counts: Counts { fetched: tally.fetched, rejected: tally.rejected.count, ..compared.counts },
            missing: Vec::new(),
            warnings: tally.warnings(),
            notes: tally.replaced.sentence(REPLACED_IN_ONE, REPLACED_IN_MANY).into_iter().collect(),
            hint: None,
        };
        match tally.answer {
            Answer::Complete => {}
            Answer::Skipped(reason) => {
                plan.skipped = Some(reason);
                plan.counts.unchanged = compared.before;
                return plan;
            }
            Answer::Failed(failure) => {
                plan.failure = Some(failure);
                plan.counts.unchanged = compared.before;
                return plan;
            }
            Answer::Missing => unreachable!("a scope is planned because it was asked for"),
        }
        let (mut keep, suspicion) = (tally.keep_missing, tally.suspicion);
        if tally.holes > 0 {
            keep.push(format!("the answer has {} that cannot be stored", records(tally.holes)));
        }
        if tally.conflicts > 0 {
            keep.push(format!("{} came twice with different contents", tally.conflicts));
        }
        if let Some(hold) = index.hold().filter(|_| compared.missing > 0) {
            plan.held(table, compared, hold);
        } else if keep.is_empty() {
            plan.judge(table, compared, allowed(&name), suspicion.as_deref());
        } else {
            keep.extend(suspicion);
            if compared.missing > 0 {
                plan.warnings.push(format!("{} rows are not deleted: {}", compared.missing, keep.join("; ")));
            }
            plan.counts.delete_blocked = compared.missing;
        }
        plan
    }

    /// An operator's word stands above the guard's and above `--allow-delete`.
    fn held(&mut self, table: &Table, compared: &Compared, hold: &Hold) {
        let missing = compared.missing;
        self.counts.delete_blocked = missing;
        self.warnings.push(format!(
            "{missing} of {} rows are not in the answer and are not deleted: {hold}",
            compared.before
        ));
        self.hint =
            Some(format!("to let the next good answer decide: zerkalo restore {} --release", table.name));
    }

    fn judge(&mut self, table: &Table, compared: &Compared, allowed: Option<u64>, suspicion: Option<&str>) {
        let missing = compared.missing;
        if table.deletion == Deletion::Unguarded {
            self.counts.deleted = missing;
            return;
        }
        if missing == 0 {
            self.warnings.extend(suspicion.map(str::to_owned));
        }
        let weighed =
            Weighed { before: compared.before, fetched: self.counts.fetched, missing, suspicion, allowed };
        match weigh(weighed) {
            Verdict::Delete => self.counts.deleted = missing,
            verdict @ (Verdict::DeleteAllowed | Verdict::DeleteLoudly) => {
                self.counts.deleted = missing;
                let is_allowed = verdict == Verdict::DeleteAllowed;
                let allowed = if is_allowed { ", as allowed" } else { "" };
                let kept = if table.tombstones { "; they are kept as tombstones for 30 days" } else { "" };
                let told = if is_allowed { &mut self.notes } else { &mut self.warnings };
                told.push(format!("deletes {missing} of {} rows{allowed}{kept}", compared.before));
            }
            Verdict::Block(block) => {
                self.counts.delete_blocked = missing;
                self.warnings.push(format!(
                    "{missing} of {} rows are not in the answer and are not deleted: {block}",
                    compared.before
                ));
                let scope = self.scope.as_deref().map(|scope| format!(":{scope}")).unwrap_or_default();
                self.hint = Some(format!(
                    "if they are really gone, allow it once: --allow-delete {}{scope}={missing}",
                    table.name
                ));
            }
        }
    }
}

fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

impl Tally {
    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(self.rejected.sentence("is not stored", "are not stored"));
        if self.conflicts > 0 {
            warnings.push(format!(
                "{} ids came twice with different contents; the last one is stored",
                self.conflicts
            ));
        }
        if self.keep_missing.is_empty() { warnings } else { [warnings, self.keep_missing.clone()].concat() }
    }
}
