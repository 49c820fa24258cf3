//! Exact amounts of goods.

use crate::decimal;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

/// Reads a decimal with every digit that it has; `None` when it is none, or has more than the 28 digits that a decimal
/// holds. Zeros at its end do not count.
pub fn parse(text: &str) -> Option<Decimal> {
    let plain = decimal::normalise(text)?;
    let value = Decimal::from_str_exact(&plain).ok()?;
    (show(value) == plain).then_some(value)
}

/// The plain form without needless zeros: `12.5`.
pub fn show(amount: Decimal) -> String {
    amount.normalize().to_string()
}

/// The same as a JSON number.
pub fn number(amount: Decimal) -> Box<RawValue> {
    RawValue::from_string(show(amount)).expect("a plain decimal is a JSON number")
}

/// A decimal as a JSON string, which no reader takes for a float.
pub(crate) mod text {
    use super::{parse, show};
    use rust_decimal::Decimal;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show(*amount))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom("an amount is no decimal"))
    }
}

/// The same for an amount that may be missing.
pub(crate) mod optional_text {
    use super::{parse, show};
    use rust_decimal::Decimal;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(
        amount: &Option<Decimal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => serializer.serialize_some(&show(*amount)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Decimal>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| D::Error::custom("an amount is no decimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_stays() {
        for (text, shown) in [
            ("-12.000000000", "-12"),
            ("425.000000000000000000", "425"),
            ("-0.000847058", "-0.000847058"),
            ("-5e-05", "-0.00005"),
            ("0.1000000000", "0.1"),
            ("123456789.123456789", "123456789.123456789"),
            ("1e20", "100000000000000000000"),
        ] {
            assert_eq!(parse(text).map(show).as_deref(), Some(shown), "{text}");
        }
        for text in ["", "1,5", "abc", "NaN", "1e40", "0.12345678901234567890123456789012"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let sum = parse("0.1").unwrap() + parse("0.2").unwrap();
        assert_eq!(show(sum), "0.3");
    }
}
