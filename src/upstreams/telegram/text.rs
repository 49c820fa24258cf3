//! Texts as Telegram takes them: plain, and no longer than it allows.

use crate::{error::quote, humanize::plural};

/// The longest text of a message, in UTF-16 code units (Bot API, sendMessage).
pub const LONGEST_TEXT: usize = 4096;

/// The longest caption of a photo, in the same units (Bot API, sendPhoto).
pub const LONGEST_CAPTION: usize = 1024;

/// The longest piece of an upstream's words in a message, in characters.
const LONGEST_FOREIGN: usize = 500;

/// The length of a text as Telegram counts it: in UTF-16 code units.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// An upstream's words made fit for a chat: one line of at most 500 characters, in which control and direction
/// characters are shown escaped. Without a parse mode nothing else in them means anything to Telegram.
pub fn foreign(text: &str) -> String {
    quote(text, LONGEST_FOREIGN)
}

/// What is said of lines that are left out: at most so many are shown, and how the others are counted.
#[derive(Debug, Clone, Copy)]
pub struct More {
    /// The most lines that are shown.
    pub most: usize,
    /// What they are: of one, of two to four, of five.
    pub words: [&'static str; 3],
}

/// `head`, as many of `lines` as fit, and `tail`, in at most `limit` units. Where lines are left out, «…и ещё N строк»
/// stands in their place; a single line that is too long is cut.
pub fn cut(head: &str, lines: &[String], tail: &str, limit: usize) -> String {
    let more = More { most: usize::MAX, words: ["строка", "строки", "строк"] };
    cut_after(head, lines, tail, limit, more)
}

/// The same with other words for what is left out.
pub fn cut_after(head: &str, lines: &[String], tail: &str, limit: usize, more: More) -> String {
    let join = |shown: &[String], rest: Option<&str>| {
        let parts = [head].into_iter().chain(shown.iter().map(String::as_str)).chain(rest).chain([tail]);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    };
    for shown in (0..=lines.len().min(more.most)).rev() {
        let left = lines.len() - shown;
        let rest = (left > 0).then(|| format!("…и ещё {left} {}", plural(left as u64, more.words)));
        let text = join(&lines[..shown], rest.as_deref());
        if units(&text) <= limit {
            return text;
        }
    }
    clip(&join(&[], None), limit)
}

/// The beginning of a text, with `…` where it is cut, in at most `limit` units; no character is cut in two.
fn clip(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(1);
    let fits = |character: &char| {
        let fits = character.len_utf16() <= left;
        left = if fits { left - character.len_utf16() } else { 0 };
        fits
    };
    text.chars().take_while(fits).chain(['…']).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize, line: &str) -> Vec<String> {
        vec![line.to_owned(); count]
    }

    #[test]
    fn lengths_are_counted_as_telegram_counts_them() {
        assert_eq!(units("Да"), 2);
        assert_eq!(units("🌅"), 2);
        assert_eq!(units("e\u{301}"), 2);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let text = cut("head", &lines(3, "line"), "tail", 100);
        assert_eq!(text, "head\nline\nline\nline\ntail");
        let text = cut("head", &lines(9, "12345"), "tail", 40);
        assert_eq!(text, "head\n12345\n12345\n…и ещё 7 строк\ntail");
        assert!(units(&text) <= 40);
        assert_eq!(cut("", &lines(1, "a"), "", 10), "a");
        assert_eq!(cut("", &[], "", 10), "");
    }

    #[test]
    fn no_limit_is_ever_passed_and_no_character_is_cut_in_two() {
        for limit in 0..120 {
            for emoji in ["x", "🌅", "я"] {
                let text = cut(&emoji.repeat(9), &lines(7, &emoji.repeat(11)), &emoji.repeat(5), limit);
                assert!(units(&text) <= limit, "{limit}: {text}");
            }
        }
        let long = cut("", &lines(400, &"🌅".repeat(20)), "", LONGEST_TEXT);
        assert!(units(&long) <= LONGEST_TEXT && units(&long) > LONGEST_TEXT - 60);
        assert!(long.ends_with("строк") || long.ends_with("строки") || long.ends_with("строка"));
        assert_eq!(clip("🌅🌅", 3), "🌅…");
        assert_eq!(clip("🌅🌅", 2), "…");
    }

    #[test]
    fn foreign_words_stay_words() {
        let text = foreign("<b>a</b> *b* [c](http://d)\n\u{202e}evil\u{1b}[2J");
        assert_eq!(text, "<b>a</b> *b* [c](http://d) \\u{202e}evil\\u{1b}[2J");
        assert_eq!(foreign(&"я".repeat(900)).chars().count(), 501);
    }
}
