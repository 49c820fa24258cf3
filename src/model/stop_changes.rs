//! What a reading of the stop-list has changed, by name.

use serde::Serialize;
use uuid::Uuid;

/// What entered, left, changed and stayed since the reading before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StopChanges {
    /// New in the stop-list.
    pub entered: Vec<Line>,
    /// No longer in it.
    pub left: Vec<Line>,
    /// With another balance.
    pub changed: Vec<Line>,
    /// As before.
    pub stayed: Vec<Line>,
    /// As before, because the answer does not speak of them.
    pub unconfirmed: Vec<Line>,
}

/// A product in the stop-list of a terminal group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Line {
    /// The product's name, or `unknown:<id>`.
    pub name: String,
    /// The organization's name; its id where the answer has none.
    pub organization: String,
    /// The terminal group's name; its id where the answer has none.
    pub terminal_group: String,
    /// The product.
    pub product_id: Uuid,
    /// The size, if it has one.
    pub size_id: Option<Uuid>,
    /// How much can still be sold, a decimal; of what has left, the last one.
    pub balance: Option<String>,
    /// The balance before, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

impl StopChanges {
    /// Sorts each list by names.
    pub fn sort(&mut self) {
        for list in
            [&mut self.entered, &mut self.left, &mut self.changed, &mut self.stayed, &mut self.unconfirmed]
        {
            // Names in iiko have spaces around them now and then.
            list.sort_by(|one, other| one.name.trim().cmp(other.name.trim()).then_with(|| one.cmp(other)));
        }
    }
}
