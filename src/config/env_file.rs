//! Reads a `.env` file as the Python programs did that wrote it.
//!
//! Written here because the readers at hand refuse what such files hold: an unquoted value with spaces
//! (`PREFIX=Хоз. товары`) or JSON, and a bare `$` in a password. The process's environment is never changed.

use std::collections::BTreeMap;

use super::Environment;
use crate::error::Result;

/// The settings of a `.env` file.
#[derive(Default)]
pub(super) struct EnvFile {
    /// Name → value and line number; a later line wins.
    pub(super) values: BTreeMap<String, (String, usize)>,
    /// Numbers of the lines that are not `NAME=value`.
    pub(super) skipped: Vec<usize>,
}

impl EnvFile {
    /// Reads `text`; `${NAME}` stands for an earlier line's value or the environment's.
    pub(super) fn read(text: &str, environment: &Environment) -> Result<Self> {
        let mut file = Self::default();
        let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut line = 1;
        while !rest.is_empty() {
            let (binding, after) = next_binding(rest);
            match binding {
                Binding::Nothing => {}
                Binding::Broken => file.skipped.push(line),
                Binding::Pair { name, value, expand } => {
                    let value = if expand { file.expand(&value, environment)? } else { value };
                    file.values.insert(name, (value, line));
                }
            }
            line += rest[..rest.len() - after.len()].matches('\n').count();
            rest = after;
        }
        Ok(file)
    }

    pub(super) fn get(&self, name: &str) -> Option<(&str, usize)> {
        self.values
            .get(name)
            .map(|(value, line)| (value.as_str(), *line))
            .filter(|(value, _)| !value.is_empty())
    }

    /// Replaces `${NAME}` and `${NAME:-otherwise}`; every other `$` is itself.
    fn expand(&self, value: &str, environment: &Environment) -> Result<String> {
        let mut out = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                out.push_str("${");
                rest = after;
                continue;
            };
            let (name, otherwise) = name.split_once(":-").unwrap_or((name, ""));
            let found = match self.get(name) {
                Some((value, _)) => Some(value),
                None => environment.get(name)?,
            };
            out.push_str(found.unwrap_or(otherwise));
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }
}

enum Binding {
    Nothing,
    Broken,
    Pair { name: String, value: String, expand: bool },
}

/// The binding that `text` begins with, and what follows its last line.
fn next_binding(text: &str) -> (Binding, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return (Binding::Nothing, after);
    }
    let Some((name, _)) = line.split_once('=') else { return (Binding::Broken, after) };
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '#') {
        return (Binding::Broken, after);
    }
    let pair = |value, expand| Binding::Pair { name: name.to_owned(), value, expand };
    let value = text.split_once('=').map_or("", |(_, value)| value).trim_start_matches([' ', '\t']);
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        let end = value.find('\n').unwrap_or(value.len());
        return (pair(without_comment(&value[..end]).to_owned(), true), after);
    };
    // A quoted value may go on over several lines.
    let Some((value, tail)) = quoted(&value[1..], quote) else { return (Binding::Broken, after) };
    let (end, after) = tail.split_once('\n').unwrap_or((tail, ""));
    let end = end.trim();
    if end.is_empty() || end.starts_with('#') {
        (pair(value, quote == '"'), after)
    } else {
        (Binding::Broken, after)
    }
}

/// An unquoted value ends at white space and `#`.
fn without_comment(value: &str) -> &str {
    let value = value.trim();
    let comment = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, c), next)| c.is_whitespace() && *next == '#');
    match comment {
        Some(((at, _), _)) => value[..at].trim_end(),
        None if value.starts_with('#') => "",
        None => value,
    }
}

/// The text up to the closing `quote`, escapes undone, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return Some((out, &text[at + character.len_utf8()..]));
        }
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next()?.1 {
            escaped if escaped == quote || escaped == '\\' => out.push(escaped),
            'n' if quote == '"' => out.push('\n'),
            't' if quote == '"' => out.push('\t'),
            'r' if quote == '"' => out.push('\r'),
            other => out.extend(['\\', other]),
        }
    }
    None
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{BTreeMap, EnvFile, Environment};
    use std::fmt::Write as _;

    /// Reads an env-file; what it says, written in single quotes, reads back as the same.
    pub(crate) fn survive(text: &str) {
        let environment = Environment::default();
        let file =
            EnvFile::read(text, &environment).expect("an empty environment has nothing that cannot be read");
        let lines = text.matches('\n').count() + 1;
        let mut places = file.skipped.iter().chain(file.values.values().map(|(_, line)| line));
        assert!(places.all(|line| (1..=lines).contains(line)), "a line is one of the file's");
        let mut written = "#\n".to_owned();
        for (name, (value, _)) in &file.values {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            let _ = writeln!(written, "{name}='{value}'");
        }
        let again = EnvFile::read(&written, &environment).expect("as above");
        let said = |file: &EnvFile| -> BTreeMap<String, String> {
            file.values.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect()
        };
        assert_eq!((said(&again), again.skipped.len()), (said(&file), 0), "{written:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predecessors_file_reads_as_its_program_read_it() {
        let text = concat!(
            "\u{feff}# comment\r\n",
            "export IIKO_LOGIN=reader # who\r\n",
            "NEGATIVE_TRANSFER_SOURCE_PREFIX=Хоз. товары\n",
            "GOOGLE_SHEETS_CREDENTIALS={\"type\": \"service_account\", \"n\": \"a#b\"}\n",
            "HASH=a#b\nDOLLAR=pa$word\nSINGLE='a ${HASH} $b'\n",
            "DOUBLE=\"one\\ntwo \\\"x\\\" ${HASH}\" # tail\n",
            "MULTI=\"first\nsecond\"\n",
            "not a binding\nEMPTY=\nTWICE=1\nTWICE=2\n",
            "URL=postgres://${USER_NAME}@${HOST:-db}/x",
        );
        let environment: Environment = [("USER_NAME", "u")].into_iter().collect();
        let file = EnvFile::read(text, &environment).unwrap();
        let value = |name: &str| file.get(name).map(|(value, _)| value);
        assert_eq!(value("IIKO_LOGIN"), Some("reader"));
        assert_eq!(value("NEGATIVE_TRANSFER_SOURCE_PREFIX"), Some("Хоз. товары"));
        assert_eq!(
            value("GOOGLE_SHEETS_CREDENTIALS"),
            Some("{\"type\": \"service_account\", \"n\": \"a#b\"}")
        );
        assert_eq!((value("HASH"), value("DOLLAR")), (Some("a#b"), Some("pa$word")));
        assert_eq!(value("SINGLE"), Some("a ${HASH} $b"));
        assert_eq!(value("DOUBLE"), Some("one\ntwo \"x\" a#b"));
        assert_eq!(file.get("MULTI"), Some(("first\nsecond", 9)));
        assert_eq!(file.skipped, [11]);
        assert_eq!((value("EMPTY"), file.get("TWICE")), (None, Some(("2", 14))));
        assert_eq!(value("URL"), Some("postgres://u@db/x"));
    }

    #[test]
    fn an_open_quote_spoils_its_own_line_only() {
        let file = EnvFile::read("A='open\nB=1\n", &Environment::default()).unwrap();
        assert_eq!(file.skipped, [1]);
        assert_eq!(file.get("B"), Some(("1", 2)));
    }
}
