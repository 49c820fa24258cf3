//! A mirrored table as data: what it is called, which columns it has and where in the record each comes from.
//!
//! Nothing here knows HTTP or SQL. The stores make their statements from these declarations, the planner its hashes.

use crate::error::quote;

/// How a column is stored and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `uuid` in PostgreSQL, lower-case hyphenated text in SQLite.
    Uuid,
    /// Text of any length. A number in its place is stored as the number's text.
    Text,
    /// A truth value; the texts `true`/`false` and the numbers 0/1 are accepted too.
    Bool,
    /// A 64-bit integer; its decimal text is accepted too.
    Int,
    /// An exact decimal; its text is accepted too, also with a decimal comma.
    Decimal,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This member of the record.
    Field(&'static str),
    /// The non-empty ones of these members, joined by spaces; if all are empty, the member `otherwise`.
    Joined {
        /// The members to join.
        fields: &'static [&'static str],
        /// The member to take when none of them has text.
        otherwise: &'static str,
    },
    /// Always false: the upstream has no such member (iiko's corporation lists have no deleted flag).
    AlwaysFalse,
    /// Handed over beside the record by the source, in the order of declaration (a name that was looked up).
    Supplied,
}

/// A column of a mirrored table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in the database.
    pub name: &'static str,
    /// How it is stored.
    pub kind: Kind,
    /// Where its value comes from.
    pub origin: Origin,
    /// Whether people and jobs look rows up by it.
    pub indexed: bool,
    /// What it holds, in a short phrase for those who read the database; it is in Russian, as they are.
    pub comment: &'static str,
}

impl Column {
    const fn of(name: &'static str, kind: Kind, origin: Origin) -> Self {
        Self { name, kind, origin, indexed: false, comment: "" }
    }

    /// A column of `kind` that comes from the record's member `field`.
    pub const fn new(name: &'static str, kind: Kind, field: &'static str) -> Self {
        Self::of(name, kind, Origin::Field(field))
    }

    /// The same column with an index of its own.
    #[must_use]
    pub const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// The same column with what it holds in words.
    #[must_use]
    pub const fn comment(self, comment: &'static str) -> Self {
        Self { comment, ..self }
    }

    /// A uuid column.
    pub const fn uuid(name: &'static str, field: &'static str) -> Self {
        Self::new(name, Kind::Uuid, field)
    }

    /// A text column.
    pub const fn text(name: &'static str, field: &'static str) -> Self {
        Self::new(name, Kind::Text, field)
    }

    /// A truth value.
    pub const fn bool(name: &'static str, field: &'static str) -> Self {
        Self::new(name, Kind::Bool, field)
    }

    /// An integer column.
    pub const fn int(name: &'static str, field: &'static str) -> Self {
        Self::new(name, Kind::Int, field)
    }

    /// An exact decimal column.
    pub const fn decimal(name: &'static str, field: &'static str) -> Self {
        Self::new(name, Kind::Decimal, field)
    }

    /// A text column that the source looks up and hands over beside the record.
    pub const fn supplied(name: &'static str) -> Self {
        Self::of(name, Kind::Text, Origin::Supplied)
    }

    /// The members that it comes from, in the order in which they are taken.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> + '_ {
        let (fields, last): (&[&'static str], _) = match &self.origin {
            Origin::Field(field) => (&[], Some(*field)),
            Origin::Joined { fields, otherwise } => (fields, Some(*otherwise)),
            Origin::AlwaysFalse | Origin::Supplied => (&[], None),
        };
        fields.iter().copied().chain(last)
    }

    /// A column that is always false.
    pub const fn always_false(name: &'static str) -> Self {
        Self::of(name, Kind::Bool, Origin::AlwaysFalse)
    }

    /// A text column joined from several members.
    pub const fn joined(
        name: &'static str,
        fields: &'static [&'static str],
        otherwise: &'static str,
    ) -> Self {
        Self::of(name, Kind::Text, Origin::Joined { fields, otherwise })
    }
}

/// When rows that the upstream no longer has are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// When one complete answer lacks them.
    Missing,
    /// When one complete answer lacks them, however many they are: an empty list is as good as any, and the source says
    /// which rows an answer does not speak of.
    Unguarded,
}

/// A mirrored table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name in the database; also its name on the command line and in the log.
    pub name: &'static str,
    /// What staff call it, in Russian and in lower case.
    pub title: &'static str,
    /// Its columns, key columns included; `raw_json`, `row_hash` and `synced_at` are common to all and not listed.
    pub columns: &'static [Column],
    /// The columns of its primary key.
    pub key: &'static [&'static str],
    /// The key column whose value divides the table into scopes, each with its own deletion, guard and log row.
    pub scope: Option<&'static str>,
    /// When rows are deleted.
    pub deletion: Deletion,
    /// Whether deleted rows are kept as tombstones.
    pub tombstones: bool,
    /// Members that are never stored: they leave the record before it is hashed (personal data).
    pub dropped: &'static [&'static str],
    /// Those of them that are not stored even when the operator asks for all personal data.
    pub dropped_always: &'static [&'static str],
    /// Unmapped members that are stored but do not count as a change.
    pub noise: &'static [&'static str],
}

impl Table {
    /// A table keyed by `id`, mirrored with tombstones, in one scope.
    pub const fn keyed_by_id(name: &'static str, title: &'static str, columns: &'static [Column]) -> Self {
        Self {
            name,
            title,
            columns,
            key: &["id"],
            scope: None,
            deletion: Deletion::Missing,
            tombstones: true,
            dropped: &[],
            dropped_always: &[],
            noise: &[],
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns by which a person knows a row: its name, else the names that were looked up for it.
    pub fn label_columns(&self) -> Vec<&'static Column> {
        match self.column("name") {
            Some(name) => vec![name],
            None => self.columns.iter().filter(|column| column.origin == Origin::Supplied).collect(),
        }
    }

    /// What a person knows a row by, from its columns' texts: `name (key)`, or what there is of that.
    pub fn row_name(&self, text: impl Fn(&Column) -> Option<String>) -> String {
        let join = |columns: &mut dyn Iterator<Item = &'static Column>, between: &str, limit: usize| {
            let texts = columns.filter_map(&text).filter(|text| !text.is_empty()).collect::<Vec<_>>();
            quote(&texts.join(between), limit)
        };
        let key = join(&mut self.key_columns(), " ", 160);
        let name = join(&mut self.label_columns().into_iter(), ", ", 60);
        match (name.is_empty(), key.is_empty()) {
            (true, _) => key,
            (false, true) => name,
            (false, false) => format!("{name} ({key})"),
        }
    }

    /// The columns of the key, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.key.iter().map(|name| self.column(name).expect("a table's key names its own columns"))
    }

    /// The position of the column that holds what the upstream calls a row, where the records themselves say it.
    pub(super) fn name_position(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.name == "name" && column.origin != Origin::Supplied)
    }

    /// The position of each key column among the columns.
    pub fn key_positions(&self) -> Vec<usize> {
        self.key
            .iter()
            .map(|name| self.columns.iter().position(|column| column.name == *name))
            .collect::<Option<_>>()
            .expect("a table's key names its own columns")
    }
}
