//! Compares records with the index as they pass, and keeps only what differs.

use super::{
    frame::Framed,
    hash::{self, Recipe},
    index::{Index, Seen},
    plan::{Answer, Plan, Tally},
    record::{BadRecord, Record, Scalar, unescape},
    remembered::Remembered,
    repair::{self, Letters},
    row::{Key, Row, Value, Values, encode_key, push},
    spool::Spool,
    table::{Column, Kind, Origin, Table},
};
use crate::error::{Failure, Kind as FailureKind, Result, quote};
use hashbrown::HashMap;
use std::path::PathBuf;
use uuid::Uuid;

/// Why a record is rejected of which only the beginning was read.
const OVERSIZED: &str = "it is longer than ZERKALO_MAX_RECORD allows";

/// How a table is planned in this run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Members that leave every record before it is hashed.
    pub dropped: &'static [&'static str],
    /// Compare the stored columns themselves, not only the stored hashes.
    pub verify: bool,
    /// Where a long spool goes.
    pub spool_directory: PathBuf,
    /// How many bytes of changed rows are held in memory.
    pub spool_memory: usize,
    /// Keep these columns of each record for later steps; the table's key is one uuid then.
    pub remember: Vec<&'static str>,
}

/// Collects one table's answer.
#[derive(Debug)]
pub struct Planner {
    table: &'static Table,
    settings: Settings,
    recipe: Recipe,
    key_positions: Vec<usize>,
    scope_position: Option<usize>,
    /// Where a record's name stands, until one has been seen.
    unseen_name: Option<usize>,
    /// How many records kept letters beyond ASCII, and how many of those to be written lost all of them.
    letters: (u64, u64),
    index: Index,
    tallies: Vec<Tally>,
    inserts: Spool,
    updates: Spool,
    /// Keys that came with different contents, and the hash of the last one, which wins.
    conflicts: HashMap<Key, [u8; 16]>,
    remembered: Remembered,
    reading: u8,
    record: Record,
    /// Where each column's member stood in the record before.
    guesses: Vec<usize>,
    values: Vec<u8>,
    row: Vec<u8>,
}

impl Planner {
    /// A planner for `table`, of which the database holds `index`.
    pub fn new(table: &'static Table, settings: Settings, index: Index) -> Self {
        let half = settings.spool_memory / 2;
        let spool = || Spool::new(half, settings.spool_directory.clone());
        let (inserts, updates) = (spool(), spool());
        Self {
            table,
            recipe: Recipe::new(table, settings.dropped),
            key_positions: table.key_positions(),
            scope_position: table.scope.map(|name| {
                table.columns.iter().position(|column| column.name == name).expect("a key column")
            }),
            unseen_name: table.name_position(),
            letters: (0, 0),
            index,
            tallies: Vec::new(),
            inserts,
            updates,
            conflicts: HashMap::new(),
            remembered: Remembered::new(settings.remember.clone()),
            reading: 1,
            record: Record::default(),
            guesses: vec![0; table.columns.len()],
            values: Vec::new(),
            row: Vec::new(),
            settings,
        }
    }

    /// Says that a complete answer for this scope is being read (the empty name for a table without scopes). Only
    /// rows of such a scope can be deleted.
    pub fn answer(&mut self, scope: &str) {
        self.tally(scope).answer = Answer::Complete;
    }

    /// Says that this server does not know the scope.
    pub fn skip(&mut self, scope: &str, reason: &str) {
        self.tally(scope).answer = Answer::Skipped(reason.to_owned());
    }

    /// Says that this scope could not be read, while others were.
    pub fn fail(&mut self, scope: &str, failure: Failure) {
        self.tally(scope).answer = Answer::Failed(failure);
    }

    /// Switches deletion off for the scope, and says why.
    pub fn keep_missing(&mut self, scope: &str, reason: &str) {
        self.tally(scope).keep_missing.push(reason.to_owned());
    }

    /// Says why the scope's answer may not be whole although it looks so: what it lacks is deleted only when the operator
    /// allows it to the row.
    pub fn suspect(&mut self, scope: &str, reason: String) {
        self.tally(scope).suspicion = Some(reason);
    }

    /// Says what the operator should look at.
    pub fn warn(&mut self, scope: &str, warning: String) {
        self.tally(scope).warnings.push(warning);
    }

    /// Forgets what was fetched, for another attempt at the same answer.
    pub fn reset(&mut self) {
        self.index.reset();
        self.tallies.clear();
        self.inserts.clear();
        self.updates.clear();
        self.conflicts.clear();
        self.remembered.clear();
        self.unseen_name = self.table.name_position();
        self.letters = (0, 0);
        self.reading = 1;
    }

    /// How many rows are stored.
    pub fn stored(&self) -> usize {
        self.index.stored()
    }

    /// Whether a stored row was not seen yet, that is: whether the answer so far would delete.
    pub fn would_delete(&self) -> bool {
        self.index.entries().any(|(_, entry)| entry.is_stored() && !entry.seen)
    }

    /// Begins a further reading of the same list. What either reading holds is there; of two contents the later wins
    /// without a warning, because the record was edited in between.
    pub fn read_again(&mut self) {
        self.reading += 1;
    }

    /// Takes one record of a list, which may be longer than is read.
    pub fn framed(&mut self, record: Framed<'_>) -> Result<()> {
        match record {
            Framed::Whole(bytes) => self.record(bytes, &[]),
            Framed::Oversized(head) => {
                self.reject(&|member| repair::member(head, member), OVERSIZED);
                Ok(())
            }
        }
    }

    /// Takes one record, as JSON. `supplied` are the looked-up columns in the order of their declaration.
    ///
    /// A record that cannot be read, lacks a usable key or has a value of the wrong kind is rejected: what is stored of it
    /// stays as it is, and nothing is deleted. Fails when the answer is foreign and nothing of it may be used: when a
    /// record belongs to a scope that was not asked for, or when where it ends is a guess, so that the records behind it
    /// are one, too.
    pub fn record(&mut self, bytes: &[u8], supplied: &[&str]) -> Result<()> {
        if let Err(error) = self.record.read(bytes) {
            if !repair::ends_surely(bytes) {
                return Err(self.unreadable(bytes, &error));
            }
            self.reject(&|member| repair::member(bytes, member), &error.to_string());
            return Ok(());
        }
        self.values.clear();
        let mut bad: Option<String> = None;
        let mut supplied = supplied.iter();
        for (column, guess) in self.table.columns.iter().zip(&mut self.guesses) {
            let error = push_column(&mut self.values, column, &self.record, guess, &mut supplied).err();
            bad = bad.or(error);
        }
        if let Some(position) = self.unseen_name {
            let name = Values::of(&self.values).nth(position);
            self.unseen_name =
                Some(position).filter(|_| matches!(name, None | Some(Value::Null | Value::Text(""))));
        }
        let key = self.key();
        let place = self.scope_of_values()?;
        if let (Ok(key), None, Some(place)) = (&key, &bad, place) {
            return self.compare(key, place);
        }
        let missing = if place.is_none() { self.table.scope } else { key.as_ref().err().copied() };
        let why = bad.or_else(|| missing.map(|field| format!("{field} is missing"))).unwrap_or_default();
        let reason = format!("{}: {why}", self.name());
        self.reject_row(key.as_ref().ok(), place, &reason);
        Ok(())
    }

    /// Says that there is a record that cannot be read, and why. `text` gives its members as far as they can be told: what
    /// is told may not be what it is, so it may be of any row.
    pub fn reject(&mut self, text: &dyn Fn(&str) -> Option<String>, why: &str) {
        let of_column = |column: &Column| column.fields().find_map(text);
        let parts = self.table.key_columns().map(|column| of_column(column).unwrap_or_default());
        let parts: Vec<String> = parts.collect();
        let values = self.table.key_columns().zip(&parts).map(|(column, text)| key_value(column, text));
        let key = values.collect::<Option<Vec<_>>>().map(encode_key);
        let place = match self.table.scope.and_then(|name| self.table.column(name)) {
            None => Some(self.place("")),
            Some(column) => of_column(column).and_then(|scope| self.place_of(&scope)),
        };
        let name = self.table.row_name(|column| of_column(column));
        let name = if name.is_empty() { "one that does not say whose it is".to_owned() } else { name };
        self.reject_row(key.as_ref(), place, &format!("{name}: {why}"));
        self.remembered.doubt_any();
    }

    /// Counts a record that cannot be stored: nothing is deleted on the word of an answer that has holes. One that does not
    /// say its scope may belong to any of them.
    fn reject_row(&mut self, key: Option<&Key>, place: Option<usize>, reason: &str) {
        match key {
            None => self.remembered.doubt_any(),
            Some(key) => {
                self.index.see_unusable(key, self.reading);
                if let Ok(id) = Uuid::from_slice(key) {
                    self.remembered.doubt(id);
                }
            }
        }
        let places = place.map_or(0..self.tallies.len(), |place| place..place + 1);
        for (count, place) in places.enumerate() {
            self.tallies[place].holes += 1;
            if count == 0 {
                self.tallies[place].rejected.push(reason.to_owned());
            }
        }
    }

    fn unreadable(&self, bytes: &[u8], error: &BadRecord) -> Failure {
        let of_column = |column: &Column| column.fields().find_map(|field| repair::member(bytes, field));
        let name = self.table.row_name(of_column);
        let text = format!(
            "{}: a record is no JSON, nor can it be told where it ends: {name}: {error}",
            self.table.name
        );
        Failure::new(FailureKind::InvalidAnswer, text)
            .hint("nothing was changed; start the command again, and if it stays so, look at the upstream")
    }

    /// What a person knows the current record by; what is wrong with its key included.
    fn name(&self) -> String {
        let values: Vec<Value<'_>> = Values::of(&self.values).collect();
        let name = self.table.row_name(|column| {
            let position = self.table.columns.iter().position(|candidate| candidate == column)?;
            let pushed = values[position].to_text().map(std::borrow::Cow::into_owned);
            let told = || Some(self.record.text_of(column.fields().next()?)?.into_owned());
            pushed.or_else(told)
        });
        if name.is_empty() { "one that does not say whose it is".to_owned() } else { name }
    }

    /// Says that a stored row is still there although the answer does not hold its content: it stays as it is.
    pub fn keep<'k>(&mut self, key: impl IntoIterator<Item = Value<'k>>) {
        self.index.see_unusable(&encode_key(key), self.reading);
    }

    /// Says that a row's content cannot be used and why; what is stored of it stays as it is.
    pub fn refuse<'k>(&mut self, key: impl IntoIterator<Item = Value<'k>>, reason: String) {
        self.tally("").rejected.push(reason);
        self.keep(key);
    }

    /// Ends the reading: counts what differs. `allowed` gives the operator's exact number for a scope.
    pub fn finish(self, allowed: impl Fn(&str) -> Option<u64>) -> (Plan, Remembered) {
        let Self {
            table,
            index,
            tallies,
            inserts,
            updates,
            conflicts,
            remembered,
            settings,
            key_positions,
            unseen_name,
            letters,
            ..
        } = self;
        let mut plan = Plan::new(
            table,
            &index,
            tallies,
            inserts,
            updates,
            conflicts,
            key_positions,
            settings.verify,
            allowed,
        );
        plan.has_no_name = unseen_name.is_some();
        plan.letters = letters;
        (plan, remembered)
    }

    /// Compares the current record with what is stored; `place` is its scope's among the tallies.
    fn compare(&mut self, key: &Key, place: usize) -> Result<()> {
        self.record.drop_members(self.settings.dropped);
        let row_hash = self.recipe.hash(&self.record, &self.values);
        let compared = if self.settings.verify {
            hash::verified(&row_hash, &self.values, self.record.text())
        } else {
            row_hash
        };
        if !self.settings.remember.is_empty() {
            self.remember(key);
        }
        let tally = &mut self.tallies[place];
        let seen = self.index.see(key, tally.number, &compared, self.reading);
        if matches!(seen, Seen::Unchanged | Seen::Changed | Seen::New) {
            tally.fetched += 1;
        }
        let may_be_written = !matches!(seen, Seen::Unchanged | Seen::Repeated);
        let is_damaged = may_be_written && self.record.text().contains(char::REPLACEMENT_CHARACTER);
        let replaced = is_damaged.then(|| self.name());
        match repair::letters(self.record.text()) {
            Letters::None => {}
            Letters::Kept => self.letters.0 += 1,
            Letters::Lost => self.letters.1 += u64::from(may_be_written),
        }
        let tally = &mut self.tallies[place];
        let spool = match seen {
            Seen::Unchanged | Seen::Repeated => return Ok(()),
            Seen::New => &mut self.inserts,
            Seen::Changed => &mut self.updates,
            Seen::Conflict { stored, changed, same_reading } => {
                self.conflicts.insert(key.clone(), row_hash);
                if same_reading {
                    tally.conflicts += 1;
                    if let Ok(id) = Uuid::from_slice(key) {
                        self.remembered.doubt(id);
                    }
                }
                if !changed {
                    // The last content is the stored one: what was spooled before is passed over when it is read.
                    return Ok(());
                }
                if stored { &mut self.updates } else { &mut self.inserts }
            }
        };
        if let Some(name) = replaced {
            tally.replaced.push(name);
        }
        push(&mut self.values, Value::Text(self.record.text()));
        self.row.clear();
        Row::encode(&mut self.row, &row_hash, &self.values);
        spool.push(&self.row)
    }

    fn remember(&mut self, key: &Key) {
        let Ok(id) = Uuid::from_slice(key) else { return };
        let text = |column: &str| {
            let position = self.table.columns.iter().position(|candidate| candidate.name == column)?;
            Values::of(&self.values).nth(position)?.to_text().map(std::borrow::Cow::into_owned)
        };
        let values = self.settings.remember.iter().copied().map(text).collect();
        self.remembered.insert(id, values);
    }

    /// The current record's key, or which column of it is not usable.
    fn key(&self) -> Result<Key, &'static str> {
        // Keys stand at the front, so that this decodes little more than the key.
        let value = |(position, name): (&usize, &'static str)| {
            let value = Values::of(&self.values).nth(*position);
            value.filter(|part| !matches!(part, Value::Null | Value::Text(""))).ok_or(name)
        };
        let parts = self.key_positions.iter().zip(self.table.key.iter().copied()).map(value);
        Ok(encode_key(parts.collect::<Result<smallvec::SmallVec<[Value<'_>; 4]>, _>>()?))
    }

    /// The tally of the scope that the current record belongs to; none when it does not say. A record of a scope that
    /// nobody asked for makes the whole answer foreign.
    fn scope_of_values(&mut self) -> Result<Option<usize>> {
        let Some(position) = self.scope_position else { return Ok(Some(self.place(""))) };
        let Some(Value::Text(scope)) = Values::of(&self.values)
            .nth(position)
            // A name with a character that is none is damaged, not another one.
            .filter(
                |scope| !matches!(scope, Value::Text(text) if text.is_empty() || text.contains('\u{fffd}')),
            )
        else {
            return Ok(None);
        };
        if let Some(place) = self.place_of(scope) {
            return Ok(Some(place));
        }
        let column = self.table.scope.unwrap_or_default();
        Err(Failure::new(
            FailureKind::InvalidAnswer,
            format!(
                "{}: a record has {column} «{}», which was not asked for",
                self.table.name,
                quote(scope, 60)
            ),
        )
        .hint("nothing was changed; look at the server's version"))
    }

    fn place_of(&self, scope: &str) -> Option<usize> {
        self.tallies.iter().position(|tally| tally.scope == scope)
    }

    fn tally(&mut self, scope: &str) -> &mut Tally {
        let place = self.place(scope);
        &mut self.tallies[place]
    }

    /// Where a scope's tally stands; it is added when it is new.
    fn place(&mut self, scope: &str) -> usize {
        self.place_of(scope).unwrap_or_else(|| {
            self.tallies.push(Tally::new(scope, self.index.scope(scope)));
            self.tallies.len() - 1
        })
    }
}

/// A key column's value from its text; none for what cannot be one.
fn key_value<'t>(column: &Column, text: &'t str) -> Option<Value<'t>> {
    match column.kind {
        Kind::Uuid => Uuid::try_parse(text.trim()).ok().map(Value::Uuid),
        Kind::Int => text.trim().parse().ok().map(Value::Int),
        _ => Some(Value::Text(text)).filter(|_| !text.is_empty()),
    }
}

/// Pushes a column's value, or NULL and why it cannot be used.
fn push_column<'s>(
    out: &mut Vec<u8>,
    column: &Column,
    record: &Record,
    guess: &mut usize,
    supplied: &mut impl Iterator<Item = &'s &'s str>,
) -> Result<(), String> {
    match column.origin {
        Origin::AlwaysFalse => push(out, Value::Bool(false)),
        Origin::Supplied => match supplied.next() {
            // Looked-up names do not pass through the canonical form, which replaces what PostgreSQL cannot store.
            Some(text) => push(out, Value::Text(&text.replace('\0', "\u{fffd}"))),
            None => push(out, Value::Null),
        },
        Origin::Field(field) => return push_scalar(out, column, field, record.get_near(field, guess)),
        Origin::Joined { fields, otherwise } => {
            let parts: Vec<_> = fields.iter().filter_map(|field| text_of(record.get(field))).collect();
            let joined =
                parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>();
            if joined.is_empty() {
                return push_scalar(out, column, otherwise, record.get(otherwise));
            }
            push(out, Value::Text(&joined.join(" ")));
        }
    }
    Ok(())
}

fn text_of(scalar: Scalar<'_>) -> Option<std::borrow::Cow<'_, str>> {
    match scalar {
        Scalar::Escaped(escaped) => Some(unescape(escaped)),
        _ => None,
    }
}

fn push_scalar(out: &mut Vec<u8>, column: &Column, field: &str, scalar: Scalar<'_>) -> Result<(), String> {
    let text = text_of(scalar);
    let trimmed = text.as_deref().map(str::trim);
    let value = match (column.kind, scalar) {
        (Kind::Text, Scalar::Escaped(_)) => text.as_deref().map(Value::Text),
        (Kind::Text, Scalar::Number(number)) => Some(Value::Text(number)),
        (Kind::Text, Scalar::Bool(value)) => Some(Value::Text(if value { "true" } else { "false" })),
        // An empty string where no text is expected says as much as null.
        (_, Scalar::Null | Scalar::Escaped("")) => Some(Value::Null),
        (Kind::Uuid, Scalar::Escaped(_)) => trimmed
            .filter(|text| text.len() == 36)
            .and_then(|text| Uuid::try_parse(text).ok())
            .map(Value::Uuid),
        (Kind::Bool, Scalar::Bool(value)) => Some(Value::Bool(value)),
        (Kind::Bool, Scalar::Number("0")) => Some(Value::Bool(false)),
        (Kind::Bool, Scalar::Number("1")) => Some(Value::Bool(true)),
        (Kind::Bool, Scalar::Escaped(_)) => match trimmed {
            Some("true" | "1") => Some(Value::Bool(true)),
            Some("false" | "0") => Some(Value::Bool(false)),
            _ => None,
        },
        (Kind::Int, Scalar::Number(number)) => number.parse().ok().map(Value::Int),
        (Kind::Int, Scalar::Escaped(_)) => {
            trimmed.and_then(crate::decimal::normalise).and_then(|text| text.parse().ok()).map(Value::Int)
        }
        (Kind::Decimal, Scalar::Number(number)) => Some(Value::Decimal(number)),
        (Kind::Decimal, Scalar::Escaped(_)) => {
            let number = trimmed
                .map(|text| text.replacen(',', ".", 1))
                .and_then(|text| crate::decimal::normalise(&text));
            if let Some(number) = number {
                push(out, Value::Decimal(&number));
                return Ok(());
            }
            None
        }
        _ => None,
    };
    if let Some(value) = value {
        push(out, value);
        return Ok(());
    }
    push(out, Value::Null);
    let shown = match scalar {
        Scalar::Nested => "a nested value".to_owned(),
        Scalar::Escaped(text) | Scalar::Number(text) => format!("«{}»", quote(text, 40)),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Null => "null".to_owned(),
    };
    Err(format!("{field} is {shown} where {} is expected", describe(column.kind)))
}

fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "a uuid",
        Kind::Text => "text",
        Kind::Bool => "true or false",
        Kind::Int => "a whole number",
        Kind::Decimal => "a number",
    }
}
