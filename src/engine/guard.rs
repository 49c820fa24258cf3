//! The guard: how much of a scope one run may delete.

use std::fmt;

/// What the guard weighs, all of one scope.
#[derive(Debug, Clone, Copy)]
pub struct Weighed<'a> {
    /// Rows in the database before the run.
    pub before: u64,
    /// Usable records in the answer.
    pub fetched: u64,
    /// Rows that the answer lacks: the real set difference, not a difference of counts.
    pub missing: u64,
    /// Why the answer may not be whole although it looks so.
    pub suspicion: Option<&'a str>,
    /// The exact number of rows that the operator has allowed for this run.
    pub allowed: Option<u64>,
}

/// What the guard decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Delete.
    Delete,
    /// Delete what the operator has allowed to the row, and say so: nothing is wrong.
    DeleteAllowed,
    /// Delete, and say loudly that it was much.
    DeleteLoudly,
    /// Delete nothing.
    Block(Block<'a>),
}

/// Why nothing is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block<'a> {
    /// The answer is empty and the table is not.
    Empty,
    /// The answer may not be whole; why.
    Suspect(&'a str),
    /// More than half of the rows would go.
    TooMany,
    /// The operator allowed another number than the one that would be deleted now.
    OtherNumber,
}

impl fmt::Display for Block<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "the answer is empty",
            Self::Suspect(why) => why,
            Self::TooMany => "that is more than half of the rows",
            Self::OtherNumber => "--allow-delete names another number",
        })
    }
}

/// Decides whether the rows that an answer lacks may be deleted: never more than half of a scope, never on an empty
/// or a suspect answer, unless the operator allowed exactly this number. More than 15 % (and more than 20 rows) is said loudly.
pub fn weigh(weighed: Weighed<'_>) -> Verdict<'_> {
    let Weighed { before, fetched, missing, suspicion, allowed } = weighed;
    if missing == 0 {
        return Verdict::Delete;
    }
    let blocked = if fetched == 0 {
        Some(Block::Empty)
    } else if let Some(why) = suspicion {
        Some(Block::Suspect(why))
    } else if missing * 2 > before {
        Some(Block::TooMany)
    } else {
        None
    };
    match (blocked, allowed) {
        (_, Some(rows)) if rows == missing => Verdict::DeleteAllowed,
        (Some(_), Some(_)) => Verdict::Block(Block::OtherNumber),
        (Some(block), None) => Verdict::Block(block),
        (None, _) if missing > 20 && missing * 100 > before * 15 => Verdict::DeleteLoudly,
        (None, _) => Verdict::Delete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(before: u64, fetched: u64, missing: u64, allowed: Option<u64>) -> Verdict<'static> {
        weigh(Weighed { before, fetched, missing, suspicion: None, allowed })
    }

    #[test]
    fn half_is_the_line() {
        assert_eq!(verdict(100, 50, 50, None), Verdict::DeleteLoudly);
        assert_eq!(verdict(100, 49, 51, None), Verdict::Block(Block::TooMany));
        assert_eq!(verdict(1000, 510, 490, None), Verdict::DeleteLoudly);
        assert_eq!(verdict(100, 85, 15, None), Verdict::Delete);
        assert_eq!(verdict(1, 1, 1, None), Verdict::Block(Block::TooMany));
        assert_eq!(verdict(2, 1, 1, None), Verdict::Delete);
    }

    #[test]
    fn a_full_swap_of_ids_is_blocked_although_the_counts_are_equal() {
        assert_eq!(verdict(100, 100, 100, None), Verdict::Block(Block::TooMany));
    }

    #[test]
    fn an_empty_answer_deletes_nothing() {
        assert_eq!(verdict(5, 0, 5, None), Verdict::Block(Block::Empty));
        assert_eq!(verdict(0, 0, 0, None), Verdict::Delete);
    }

    #[test]
    fn a_suspect_answer_deletes_only_what_is_allowed() {
        let verdict = |missing, allowed| {
            weigh(Weighed { before: 100, fetched: 50, missing, suspicion: Some("50 rows"), allowed })
        };
        assert_eq!(verdict(0, None), Verdict::Delete);
        assert_eq!(verdict(1, None), Verdict::Block(Block::Suspect("50 rows")));
        assert_eq!(verdict(60, None), Verdict::Block(Block::Suspect("50 rows")));
        assert_eq!(verdict(1, Some(1)), Verdict::DeleteAllowed);
        assert_eq!(verdict(1, Some(2)), Verdict::Block(Block::OtherNumber));
    }

    #[test]
    fn the_operator_allows_an_exact_number() {
        assert_eq!(verdict(100, 10, 90, Some(90)), Verdict::DeleteAllowed);
        assert_eq!(verdict(100, 10, 90, Some(91)), Verdict::Block(Block::OtherNumber));
        assert_eq!(verdict(5, 0, 5, Some(5)), Verdict::DeleteAllowed);
        assert_eq!(verdict(100, 55, 45, Some(45)), Verdict::DeleteAllowed);
        assert_eq!(verdict(100, 55, 45, Some(44)), Verdict::DeleteLoudly);
        assert_eq!(verdict(100, 99, 1, Some(90)), Verdict::Delete);
    }
}
