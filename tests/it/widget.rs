//! A table that only the tests declare.

use zerkalo::tables::Entity;

/// The tables that only the tests declare.
pub(crate) fn declared() -> impl Iterator<Item = &'static Entity> {
    std::iter::empty()
}
