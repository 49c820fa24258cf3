//! A1 notation: `'Мин остатки'!A1:C`.

use super::{
    error::{Outcome, Refusal},
    grid::{Block, Spreadsheet, Tab},
};

/// Cells that a request names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    /// The place of the tab.
    pub(super) tab: usize,
    /// The cells, within the grid.
    pub(super) block: Block,
    /// Whether only the top left cell was named.
    pub(super) corner: bool,
    /// Whether more was named than the grid has.
    pub(super) beyond: bool,
}

/// The cells that `text` means in this spreadsheet.
pub(super) fn find(spreadsheet: &Spreadsheet, text: &str) -> Outcome<Region> {
    let unknown = || Refusal::invalid(format!("Unable to parse range: {text}"));
    let (title, cells) = split(text).ok_or_else(unknown)?;
    let first = || spreadsheet.tabs.iter().position(|tab| !tab.hidden).unwrap_or_default();
    let (index, span) = match (title, cells) {
        (Some(title), Some(cells)) => {
            (spreadsheet.position(&title).ok_or_else(unknown)?, Some(span(cells).ok_or_else(unknown)?))
        }
        (Some(title), None) => (spreadsheet.position(&title).ok_or_else(unknown)?, None),
        (None, _) => match span(text) {
            Some(span) => (first(), Some(span)),
            None => (spreadsheet.position(text).ok_or_else(unknown)?, None),
        },
    };
    let tab = &spreadsheet.tabs[index];
    let whole = tab.block();
    let Some(span) = span else {
        return Ok(Region { tab: index, block: whole, corner: false, beyond: false });
    };
    let (top, left) = (span.top.unwrap_or(0), span.left.unwrap_or(0));
    if top >= whole.bottom || left >= whole.right {
        return Err(exceeds(tab, text));
    }
    let (bottom, right) = (span.bottom.unwrap_or(whole.bottom), span.right.unwrap_or(whole.right));
    let block = Block { top, left, bottom: bottom.min(whole.bottom), right: right.min(whole.right) };
    let beyond = bottom > whole.bottom || right > whole.right;
    Ok(Region { tab: index, block, corner: span.corner, beyond })
}

/// 400: `range` lies outside of the grid.
pub(super) fn exceeds(tab: &Tab, range: &str) -> Refusal {
    let cells = range.rsplit('!').next().unwrap_or_default();
    Refusal::invalid(format!(
        "Range ({}!{cells}) exceeds grid limits. Max rows: {}, max columns: {}",
        title(&tab.title),
        tab.rows.len(),
        tab.columns.len()
    ))
}

/// Splits off the title of the tab, without its quotes.
fn split(text: &str) -> Option<(Option<String>, Option<&str>)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut end = 0;
        loop {
            end += quoted[end..].find('\'')?;
            if !quoted[end + 1..].starts_with('\'') {
                break;
            }
            end += 2;
        }
        let title = quoted[..end].replace("''", "'");
        return match &quoted[end + 1..] {
            "" => Some((Some(title), None)),
            rest => Some((Some(title), Some(rest.strip_prefix('!')?))),
        };
    }
    Some(match text.rsplit_once('!') {
        Some((title, cells)) => (Some(title.to_owned()), Some(cells)),
        None => (None, None),
    })
}

/// Rows and columns as they were named, from 0 and with the ends after the last.
#[derive(Default)]
struct Span {
    top: Option<usize>,
    left: Option<usize>,
    bottom: Option<usize>,
    right: Option<usize>,
    corner: bool,
}

/// Reads `A1`, `A1:B2`, `A:C`, `2:3`, `A5:B`.
fn span(text: &str) -> Option<Span> {
    let Some((from, to)) = text.split_once(':') else {
        let (column, row) = cell(text)?;
        let (row, column) = (row?, column?);
        return Some(Span {
            top: Some(row),
            left: Some(column),
            bottom: Some(row + 1),
            right: Some(column + 1),
            corner: true,
        });
    };
    let ((left, top), (right, bottom)) = (cell(from)?, cell(to)?);
    let order = |low: Option<usize>, high: Option<usize>| match (low, high) {
        (Some(low), Some(high)) => (Some(low.min(high)), Some(low.max(high) + 1)),
        (low, high) => (low, high.map(|high| high + 1)),
    };
    let ((left, right), (top, bottom)) = (order(left, right), order(top, bottom));
    Some(Span { top, left, bottom, right, corner: false })
}

/// Reads `B5`, `B` or `5`, with or without `$`: the column and the row, from 0.
pub(super) fn cell(text: &str) -> Option<(Option<usize>, Option<usize>)> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let letters = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, digits) = text.split_at(letters);
    let digits = if letters.is_empty() { digits } else { digits.strip_prefix('$').unwrap_or(digits) };
    if letters.len() > 3 || digits.len() > 8 || letters.is_empty() && digits.is_empty() {
        return None;
    }
    let column = letters
        .bytes()
        .fold(0, |column, letter| column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let row = match digits {
        "" => None,
        digits => Some(digits.parse::<usize>().ok()?.checked_sub(1)?),
    };
    Some((column.checked_sub(1), row))
}

/// A title as it stands before `!`, quoted where Google quotes it.
pub(super) fn title(title: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let word = title.chars().all(plain) && !title.starts_with(|letter: char| letter.is_ascii_digit());
    if word && cell(title).is_none() { title.to_owned() } else { format!("'{}'", title.replace('\'', "''")) }
}

/// `A`, `Z`, `AA`, …
fn column(mut index: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + u8::try_from(index % 26).unwrap_or_default()));
        if index < 26 {
            return letters.into_iter().rev().collect();
        }
        index = index / 26 - 1;
    }
}

/// `'Мин остатки'!A1:B2`.
pub(super) fn write(tab: &Tab, block: &Block) -> String {
    let first = format!("{}!{}{}", title(&tab.title), column(block.left), block.top + 1);
    if block.height() == 1 && block.width() == 1 {
        return first;
    }
    format!("{first}:{}{}", column(block.right - 1), block.bottom)
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{super::grid::Google, Block, Tab, find, write};

    /// Where a range lies that names a cell of one tab, row and column from 0; none where it means no cell.
    pub(crate) fn found(title: &str, range: &str) -> Option<(usize, usize)> {
        let mut google = Google::default();
        let sheet = google.add("x");
        sheet.tabs.push(Tab::new(1, title));
        let region = find(sheet, range).ok()?;
        let (tab, Block { top, left, bottom, right }) = (&sheet.tabs[region.tab], region.block);
        assert!(top < bottom && left < right && bottom <= tab.rows.len() && right <= tab.columns.len());
        let again = find(sheet, &write(tab, &region.block)).expect("what is written is read");
        assert_eq!((again.tab, again.block), (region.tab, region.block), "{range}");
        Some((top, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::google::grid::Google;

    #[test]
    fn every_form_is_read_and_written_back() {
        let mut google = Google::default();
        let sheet = google.add("x");
        sheet.tabs.push(Tab::new(1, "Мин остатки"));
        sheet.tabs.push(Tab::new(2, "Кафе 'У моря'!"));
        sheet.tabs.push(Tab::new(3, "Data"));
        for (text, written) in [
            ("Мин остатки!B2:C5", "'Мин остатки'!B2:C5"),
            ("'Мин остатки'!$A:$B", "'Мин остатки'!A1:B1000"),
            ("'Кафе ''У моря''!'!C3", "'Кафе ''У моря''!'!C3"),
            ("'Кафе ''У моря''!'", "'Кафе ''У моря''!'!A1:Z1000"),
            ("Мин остатки", "'Мин остатки'!A1:Z1000"),
            ("Data!2:3", "Data!A2:Z3"),
            ("Data!Z990:AB1005", "Data!Z990:Z1000"),
            ("data!b5:a", "Data!A5:B1000"),
            ("A1", "'Лист1'!A1"),
        ] {
            let region = find(sheet, text).expect(text);
            assert_eq!(write(&sheet.tabs[region.tab], &region.block), written, "{text}");
        }
        for text in ["", "Нет!A1", "A0", "Data!A1:", "'Data!A1", "'Data'A1", "Data!A1001", "Data!AA1", "1"]
        {
            assert!(find(sheet, text).is_err(), "{text}");
        }
    }

    #[test]
    fn columns_go_on_after_z() {
        for (index, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(column(index), letters);
            assert_eq!(cell(letters), Some((Some(index), None)));
        }
    }
}
