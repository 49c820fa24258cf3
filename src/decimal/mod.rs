//! Exact decimals as text.
//!
//! A decimal here is its normalised plain text (`-0.00005`), never a binary float: real answers carry nine decimals
//! and exponents (`-5e-05`), PostgreSQL's `numeric` and the comparison by content hash both want the exact value,
//! and every machine decimal type has a width that some answer exceeds.

pub mod amount;

/// The longest plain form that is accepted, in digits; beyond it a number is an attack or a defect, not a price.
const MAX_DIGITS: i64 = 1_000;

/// Appends the normalised plain form of the decimal in `text` to `out`: no exponent, no `+`, no needless zeros, so
/// that `1`, `1.0` and `1e0` are the same bytes. Returns false, with `out` as it was, when `text` is no decimal or
/// would be longer than a thousand digits.
pub fn normalise_into(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((negative, digits, exponent)) = parse(text) else { return false };
    let start = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    let significant = &digits[start..];
    let end = significant.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    let zeros_cut = i64::try_from(significant.len() - end).expect("a text's length");
    let significant = &significant[..end];
    if significant.is_empty() {
        out.push(b'0');
        return true;
    }
    let exponent = exponent + zeros_cut;
    let count = i64::try_from(significant.len()).expect("a text's length");
    if count + exponent.abs() > MAX_DIGITS {
        return false;
    }
    if negative {
        out.push(b'-');
    }
    let point = count + exponent;
    if exponent >= 0 {
        out.extend_from_slice(significant);
        out.extend((0..exponent).map(|_| b'0'));
    } else if point > 0 {
        let point = usize::try_from(point).expect("checked positive");
        out.extend_from_slice(&significant[..point]);
        out.push(b'.');
        out.extend_from_slice(&significant[point..]);
    } else {
        out.extend_from_slice(b"0.");
        out.extend((point..0).map(|_| b'0'));
        out.extend_from_slice(significant);
    }
    true
}

/// The normalised plain form of a decimal, or `None` when it is none. Outer white space is ignored.
pub fn normalise(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    normalise_into(text.trim().as_bytes(), &mut out)
        .then(|| String::from_utf8(out).expect("digits, a point and a sign are ASCII"))
}

/// The number of significant digits of a normalised decimal.
pub fn significant_digits(normalised: &str) -> usize {
    let digits: Vec<u8> = normalised.bytes().filter(u8::is_ascii_digit).collect();
    let first = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    let last = digits.iter().rposition(|digit| *digit != b'0').map_or(first, |last| last + 1);
    last.saturating_sub(first)
}

/// Sign, all digits without the point, and the power of ten that belongs to them.
fn parse(text: &[u8]) -> Option<(bool, smallvec::SmallVec<[u8; 40]>, i64)> {
    let negative = text.first() == Some(&b'-');
    let mut rest = if negative || text.first() == Some(&b'+') { &text[1..] } else { text };
    let mut digits = smallvec::SmallVec::new();
    let mut exponent = 0_i64;
    let mut seen_point = false;
    while let [first, tail @ ..] = rest {
        match first {
            b'0'..=b'9' => {
                digits.push(*first);
                exponent -= i64::from(seen_point);
            }
            b'.' if !seen_point => seen_point = true,
            b'e' | b'E' => {
                let written = std::str::from_utf8(tail).ok()?.parse::<i32>().ok()?;
                exponent += i64::from(written);
                break;
            }
            _ => return None,
        }
        rest = tail;
    }
    (!digits.is_empty()).then_some((negative, digits, exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_text() {
        for (text, plain) in [
            ("1", "1"),
            ("1.0", "1"),
            ("1e0", "1"),
            ("+1", "1"),
            ("10", "10"),
            ("1E+2", "100"),
            ("-5e-05", "-0.00005"),
            ("0.000", "0"),
            ("-0", "0"),
            ("00042.500", "42.5"),
            ("12345678901234.123456789", "12345678901234.123456789"),
            ("1e20", "100000000000000000000"),
            (" 7 ", "7"),
            (".5", "0.5"),
            ("5.", "5"),
        ] {
            assert_eq!(normalise(text).as_deref(), Some(plain), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".", "1,5", "1e", "0x1", "NaN", "1e1001", "1e-99999999999", "1.2.3", "1 000"] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }

    #[test]
    fn significant_digits_ignore_zeros_around() {
        for (text, count) in [("0", 0), ("100", 1), ("-0.00105", 3), ("123.45", 5)] {
            assert_eq!(significant_digits(text), count, "{text}");
        }
    }
}
