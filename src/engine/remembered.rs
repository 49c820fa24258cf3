//! Columns of a table's rows by id: what an earlier step has fetched, or what the database holds.

use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

/// Columns of a table's rows by id, as text.
///
/// An answer may tell of rows that it has no usable record of. Such a row is in doubt: it is not known, and it is not gone.
#[derive(Debug, Default)]
pub struct Remembered {
    columns: Vec<&'static str>,
    rows: HashMap<Uuid, Vec<Option<String>>>,
    /// Rows of which the answer has a record that is not usable, or several that differ.
    doubtful: HashSet<Uuid>,
    /// Whether the answer has a record that does not say whose it is: it may be of any row.
    has_nameless: bool,
}

impl Remembered {
    /// Rows without any, of which these columns are kept.
    pub fn new(columns: Vec<&'static str>) -> Self {
        Self { columns, ..Self::default() }
    }

    /// The columns that are kept.
    pub fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// Adds a row, its values in the order of the columns.
    pub fn insert(&mut self, id: Uuid, values: Vec<Option<String>>) {
        self.rows.insert(id, values);
    }

    /// Says that what was fetched of a row is not to be relied on.
    pub(super) fn doubt(&mut self, id: Uuid) {
        self.doubtful.insert(id);
    }

    /// Says that there is a record that does not say whose it is.
    pub(super) fn doubt_any(&mut self) {
        self.has_nameless = true;
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        *self = Self::new(std::mem::take(&mut self.columns));
    }

    /// Whether all these columns are kept.
    pub fn has(&self, columns: &[&str]) -> bool {
        columns.iter().all(|column| self.columns.contains(column))
    }

    /// A column of a row; nothing for a row that is not there.
    pub fn get(&self, id: Uuid, column: &str) -> Option<&str> {
        let place = self.columns.iter().position(|name| *name == column)?;
        self.rows.get(&id)?.get(place)?.as_deref()
    }

    /// The rows' ids.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.rows.keys().copied()
    }

    /// Whether every row is told of.
    pub fn is_whole(&self) -> bool {
        self.doubtful.is_empty() && !self.has_nameless
    }

    /// Whether a row that is not among these may be there all the same.
    pub fn is_in_doubt(&self, id: Uuid) -> bool {
        !self.rows.contains_key(&id) && (self.has_nameless || self.doubtful.contains(&id))
    }

    /// The same with the mirror's rows for all that the answer does not tell: rows in doubt, and rows that it lacks and
    /// that are kept. Only what the mirror does not have either stays in doubt.
    #[must_use]
    pub fn completed(mut self, mirror: Self) -> Self {
        debug_assert_eq!(self.columns, mirror.columns, "the same columns in the same order");
        for (id, values) in mirror.rows {
            if self.doubtful.contains(&id) {
                self.rows.insert(id, values);
            } else {
                self.rows.entry(id).or_insert(values);
            }
        }
        self.doubtful.retain(|id| !self.rows.contains_key(id));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_speaks_where_the_answer_does_not() {
        let id = Uuid::from_u128;
        let of = |rows: &[(u128, &str)]| {
            let mut of = Remembered::new(vec!["name"]);
            for (number, name) in rows {
                of.insert(id(*number), vec![Some((*name).to_owned())]);
            }
            of
        };
        let mut answer = of(&[(1, "fetched"), (2, "last of two"), (3, "new, last of two")]);
        for number in [2, 3, 4, 5] {
            answer.doubt(id(number));
        }
        assert!(!answer.is_whole());
        let rows = answer.completed(of(&[(1, "old"), (2, "old"), (4, "old"), (6, "kept")]));
        let names: Vec<_> = (1..=7).map(|number| rows.get(id(number), "name")).collect();
        assert_eq!(
            names,
            [Some("fetched"), Some("old"), Some("new, last of two"), Some("old"), None, Some("kept"), None]
        );
        let in_doubt: Vec<u128> = (1..=7).filter(|number| rows.is_in_doubt(id(*number))).collect();
        assert_eq!(in_doubt, [5]);
        let mut nameless = of(&[(1, "fetched")]);
        nameless.doubt_any();
        assert!(!nameless.is_in_doubt(id(1)) && nameless.is_in_doubt(id(2)) && !nameless.is_whole());
    }
}
