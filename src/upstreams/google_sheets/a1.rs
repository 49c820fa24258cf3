//! Cell addresses as people write them: `C5`, `'Мин остатки'!A1:Z9`.

use crate::error::{Failure, Kind, Result};

/// The letters of a column, from 0: `A`, `Z`, `AA`.
pub fn column(index: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = index + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).expect("less than 26")));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// The address of a cell, row and column from 0: `C5`.
pub fn cell(row: usize, column_index: usize) -> String {
    format!("{}{}", column(column_index), row + 1)
}

/// A tab's title as the beginning of a range: in quotes, with its own quotes doubled.
pub fn tab(title: &str) -> String {
    format!("'{}'", title.replace('\'', "''"))
}

/// Where the search for a new tab's number begins.
pub(super) fn tab_number(title: &str) -> i32 {
    let hash = xxhash_rust::xxh3::xxh3_64(title.as_bytes());
    i32::try_from(hash % 1_000_000_000).expect("less than a thousand million") + 1
}

/// Refuses a title that google-sheets4 cannot send: it puts the range into the URL's path as it is, where these
/// characters mean something else, and would read another tab.
pub fn check_title(setting: &str, title: &str) -> Result<()> {
    let bad = |character: &char| matches!(character, '#' | '?' | '%' | '/') || character.is_control();
    match title.chars().find(bad) {
        None if !title.trim().is_empty() => Ok(()),
        None => Err(Failure::new(Kind::Usage, format!("{setting} is empty")).hint("give the tab's name")),
        Some(character) => Err(Failure::new(
            Kind::Usage,
            format!("{setting}: a tab's name with `{}` cannot be addressed", character.escape_debug()),
        )
        .hint("rename the tab without #, ?, % and /")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_letters() {
        assert_eq!(
            [0, 1, 25, 26, 51, 52, 701, 702].map(column),
            ["A", "B", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
        );
        assert_eq!(cell(4, 2), "C5");
    }

    #[test]
    fn titles_are_quoted_or_refused() {
        assert_eq!(tab("Мин остатки"), "'Мин остатки'");
        assert_eq!(tab("it's"), "'it''s'");
        for title in ["a#b", "a?b", "50%", "a/b", "", "  ", "a\nb"] {
            assert_eq!(check_title("min_stock.tab", title).unwrap_err().kind, Kind::Usage, "{title:?}");
        }
        check_title("min_stock.tab", "Мин остатки").unwrap();
    }
}
