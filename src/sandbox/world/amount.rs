//! Exact amounts: what stores hold and documents move, without the rounding of floating point.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Neg, Sub},
};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// How many decimals the iiko server keeps.
const DECIMALS: usize = 9;
/// How many billionths make one.
const ONE: i128 = 1_000_000_000;

/// An amount in billionths of its unit, or a sum of money in billionths of a rouble.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    /// Reads a decimal as JSON writes it (`-2.5`, `5e-05`); `None` if it is no number, has more than nine
    /// decimals or is beyond all stores.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if whole.is_empty() || digits.len() > 28 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits: i128 = digits.parse().ok()?;
        let shift = i32::try_from(DECIMALS).ok()? - i32::try_from(fraction.len()).ok()? + exponent;
        let power = 10_i128.checked_pow(shift.unsigned_abs())?;
        let billionths = match shift {
            0.. => digits.checked_mul(power)?,
            _ if digits % power == 0 => digits / power,
            _ => return None,
        };
        Some(Self(if negative { -billionths } else { billionths }))
    }

    /// The amount that a field of a record holds; zero if it holds no number.
    pub(in crate::sandbox) fn of(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::parse(&number.to_string()).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Amount {
    /// Without needless zeros: `-0.5`, `12`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.abs() / ONE, self.0.abs() % ONE);
        if fraction == 0 {
            return write!(formatter, "{sign}{whole}");
        }
        let fraction = format!("{fraction:09}");
        write!(formatter, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Amount {
    /// As text, which loses nothing.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_stay_what_they_are() {
        let cases = [
            ("0", "0"),
            ("-0.0", "0"),
            ("12.500000000", "12.5"),
            ("5e-05", "0.00005"),
            ("1.5E+3", "1500"),
            ("-6626.000000001", "-6626.000000001"),
            ("123456789.123456789", "123456789.123456789"),
            ("0.1000000000", "0.1"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Amount::parse(text).map(|amount| amount.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for text in ["", "-", ".5", "1,5", "0.0000000001", "1e99", "NaN", "\"1\"", "1e", "+1"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
        let sum: Amount = ["0.1", "0.2"].iter().filter_map(|text| Amount::parse(text)).sum();
        assert_eq!(sum.to_string(), "0.3");
    }
}
