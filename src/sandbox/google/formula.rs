//! What a formula comes to. Only what people put into such sheets is known: arithmetic, references and `SUM`; any
//! other formula is shown as `#NAME?`.

use serde_json::Value;

use super::{
    a1,
    grid::{Entered, Spreadsheet},
    typed::json_number,
};

/// What a formula can come to besides values.
pub(super) const ERRORS: [&str; 5] = ["#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#ERROR!"];

/// How many formulas may follow one another; more are a circle.
const DEEPEST: usize = 50;

/// The value of a formula that stands in this tab.
pub(super) fn value(spreadsheet: &Spreadsheet, tab: usize, text: &str) -> Value {
    match calculate(spreadsheet, tab, text, 0) {
        Ok(number) => json_number(number),
        Err(error) => error.into(),
    }
}

fn calculate(spreadsheet: &Spreadsheet, tab: usize, text: &str, depth: usize) -> Result<f64, &'static str> {
    if depth > DEEPEST {
        return Err("#REF!");
    }
    let text = text.strip_prefix('=').unwrap_or(text);
    let mut reader = Reader { spreadsheet, tab, text, depth };
    let number = reader.sum()?;
    if reader.text.trim_start().is_empty() { Ok(number) } else { Err("#ERROR!") }
}

/// Reads a formula from left to right; `text` is what is left of it.
struct Reader<'a> {
    spreadsheet: &'a Spreadsheet,
    tab: usize,
    text: &'a str,
    depth: usize,
}

impl Reader<'_> {
    /// Takes one of these signs if it comes next.
    fn sign(&mut self, signs: &[char]) -> Option<char> {
        self.text = self.text.trim_start();
        let next = self.text.chars().next().filter(|next| signs.contains(next))?;
        self.text = &self.text[next.len_utf8()..];
        Some(next)
    }

    fn sum(&mut self) -> Result<f64, &'static str> {
        let mut sum = self.product()?;
        while let Some(sign) = self.sign(&['+', '-']) {
            let next = self.product()?;
            sum += if sign == '+' { next } else { -next };
        }
        Ok(sum)
    }

    fn product(&mut self) -> Result<f64, &'static str> {
        let mut product = self.factor()?;
        while let Some(sign) = self.sign(&['*', '/']) {
            let next = self.factor()?;
            if sign == '/' && next == 0.0 {
                return Err("#DIV/0!");
            }
            product = if sign == '*' { product * next } else { product / next };
        }
        Ok(product)
    }

    fn factor(&mut self) -> Result<f64, &'static str> {
        if let Some(sign) = self.sign(&['-', '+', '(']) {
            return match sign {
                '-' => self.factor().map(|number| -number),
                '+' => self.factor(),
                _ => {
                    let inner = self.sum()?;
                    self.sign(&[')']).map(|_| inner).ok_or("#ERROR!")
                }
            };
        }
        let end = self.text.find(|letter: char| "+-*/();".contains(letter)).unwrap_or(self.text.len());
        let word = self.text[..end].trim();
        self.text = &self.text[end..];
        if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            return word.replace(',', ".").parse().map_err(|_| "#ERROR!");
        }
        if !self.text.starts_with('(') {
            return self.total(word, true);
        }
        if !["SUM", "СУММ"].contains(&word.to_uppercase().as_str()) {
            return Err("#NAME?");
        }
        let (arguments, rest) = self.text[1..].split_once(')').ok_or("#ERROR!")?;
        self.text = rest;
        arguments.split(';').map(|argument| self.total(argument.trim(), false)).sum()
    }

    /// The sum of the numbers in a range; `scalar` allows one cell only, whose text is an error.
    fn total(&self, reference: &str, scalar: bool) -> Result<f64, &'static str> {
        let tab = &self.spreadsheet.tabs[self.tab];
        let named = if reference.contains('!') {
            reference.to_owned()
        } else {
            format!("{}!{reference}", a1::title(&tab.title))
        };
        let region = a1::find(self.spreadsheet, &named).map_err(|_| "#NAME?")?;
        if scalar && !region.corner {
            return Err("#VALUE!");
        }
        let mut total = 0.0;
        for (row, column) in region.block.cells() {
            total += match &self.spreadsheet.tabs[region.tab].cell(row, column).entered {
                Some(Entered::Number(number)) => *number,
                Some(Entered::Formula(text)) => {
                    calculate(self.spreadsheet, region.tab, text, self.depth + 1)?
                }
                Some(Entered::Text(_)) if scalar => return Err("#VALUE!"),
                _ => 0.0,
            };
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::google::grid::Google;

    #[test]
    fn sums_and_references_are_calculated() {
        let mut google = Google::default();
        let sheet = google.add("x");
        let mut put = |row, entered| sheet.tabs[0].cell_mut(row, 0).entered = Some(entered);
        put(0, Entered::Number(2.0));
        put(1, Entered::Number(1.5));
        put(2, Entered::Text("соль".to_owned()));
        put(3, Entered::Formula("=A4".to_owned()));
        let sheet = &*sheet;
        for (text, expected) in [
            ("=1+2*3", json!(7)),
            ("=-(1,5+0,5)/4", json!(-0.5)),
            ("=A1*A2", json!(3)),
            ("=SUM(A1:A3)", json!(3.5)),
            ("=СУММ(A1;A2;'Лист1'!A1)", json!(5.5)),
            ("=A1+A9", json!(2)),
            ("=A3+1", json!("#VALUE!")),
            ("=1/0", json!("#DIV/0!")),
            ("=A4", json!("#REF!")),
            ("=VLOOKUP(A1)", json!("#NAME?")),
            ("=1+", json!("#NAME?")),
            ("=(1", json!("#ERROR!")),
        ] {
            assert_eq!(value(sheet, 0, text), expected, "{text}");
        }
    }
}
