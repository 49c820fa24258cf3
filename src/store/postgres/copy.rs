//! `COPY`'s binary format: the server parses no text, and nothing is escaped.

use crate::engine::{
    Kind, Table,
    row::{Row, Value},
};
use smallvec::SmallVec;

/// What the rows begin with: a signature, no flags, no further header.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What they end with.
pub(super) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The beginning of the year 2000, PostgreSQL's own epoch, in Unix microseconds.
pub(super) const EPOCH: i64 = 946_684_800_000_000;

/// The version of `jsonb`'s binary form: the text follows.
const JSONB: u8 = 1;

/// One row: the table's columns, the record, the hash and `stamp`, in microseconds since [`EPOCH`].
pub(super) fn push_row(out: &mut Vec<u8>, table: &Table, row: &Row<'_>, stamp: i64) {
    let columns = table.columns.len();
    let count = i16::try_from(columns + 3).expect("a table has a handful of columns");
    out.extend_from_slice(&count.to_be_bytes());
    for (position, value) in row.values().enumerate() {
        debug_assert!(
            table.columns.get(position).is_none_or(|column| fits(column.kind, value)),
            "a column's value is of its kind: the binary format has no conversions"
        );
        match value {
            Value::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            Value::Text(text) if position == columns => {
                sized(out, |out| {
                    out.push(JSONB);
                    out.extend_from_slice(text.as_bytes());
                });
            }
            Value::Text(text) => sized(out, |out| out.extend_from_slice(text.as_bytes())),
            Value::Decimal(text) => sized(out, |out| push_numeric(out, text)),
            Value::Bool(value) => sized(out, |out| out.push(u8::from(value))),
            Value::Int(value) => sized(out, |out| out.extend_from_slice(&value.to_be_bytes())),
            Value::Uuid(value) => sized(out, |out| out.extend_from_slice(value.as_bytes())),
        }
    }
    sized(out, |out| out.extend_from_slice(row.hash()));
    sized(out, |out| out.extend_from_slice(&stamp.to_be_bytes()));
}

fn fits(kind: Kind, value: Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Text(_) => kind == Kind::Text,
        Value::Decimal(_) => kind == Kind::Decimal,
        Value::Bool(_) => kind == Kind::Bool,
        Value::Int(_) => kind == Kind::Int,
        Value::Uuid(_) => kind == Kind::Uuid,
    }
}

/// A field: its length, then what `push` writes.
fn sized(out: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    push(out);
    let length = i32::try_from(out.len() - start - 4).expect("a value is under 2 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A normalised decimal as `numeric`: groups of four digits around the point without those of zeros at either end, the
/// power of the first group, the sign and the number of digits behind the point.
fn push_numeric(out: &mut Vec<u8>, text: &str) {
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |unsigned| (true, unsigned));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let zeros = |missing: usize| std::iter::repeat_n(b'0', missing);
    let mut digits: SmallVec<[u8; 48]> = zeros(whole.len().wrapping_neg() % 4).collect();
    digits.extend_from_slice(whole.as_bytes());
    digits.extend_from_slice(fraction.as_bytes());
    digits.extend(zeros(fraction.len().wrapping_neg() % 4));
    let group = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    let groups: SmallVec<[i16; 12]> = digits.chunks_exact(4).map(group).collect();
    let start = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let end = groups.iter().rposition(|group| *group != 0).map_or(start, |last| last + 1);
    let number = |value: usize| i16::try_from(value).expect("a decimal has at most a thousand digits");
    let weight = if start == end { 0 } else { number(whole.len().div_ceil(4)) - 1 - number(start) };
    let sign = if negative { 0x4000 } else { 0 };
    for part in [number(end - start), weight, sign, number(fraction.len())] {
        out.extend_from_slice(&part.to_be_bytes());
    }
    groups[start..end].iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_the_server_sends_them() {
        // What `select numeric_send(…)` answers.
        for (text, sent) in [
            ("0", "0000000000000000"),
            ("1", "00010000000000000001"),
            ("-1", "00010000400000000001"),
            ("10000", "00010001000000000001"),
            ("12345.6789", "0003000100000004000109291a85"),
            ("0.5", "0001ffff000000011388"),
            ("-0.00005", "0001fffe400000051388"),
            ("100000000000000000000", "00010005000000000001"),
            ("1000000.000001", "00040001000000060064000000000064"),
        ] {
            let mut out = Vec::new();
            push_numeric(&mut out, text);
            assert_eq!(hex::encode(out), sent, "{text}");
        }
    }
}
