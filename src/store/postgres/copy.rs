//! `COPY`'s text format.

use crate::engine::row::{Row, Value};
use uuid::Uuid;

/// One line of `COPY`'s text format.
pub(super) fn push_row(out: &mut Vec<u8>, row: &Row<'_>, stamp: &str) {
    for value in row.values() {
        match value {
            Value::Null => out.extend_from_slice(b"\\N"),
            Value::Text(text) | Value::Decimal(text) => push_text(out, text),
            Value::Bool(value) => out.push(if value { b't' } else { b'f' }),
            Value::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Uuid(value) => {
                out.extend_from_slice(value.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            }
        }
        out.push(b'\t');
    }
    out.extend_from_slice(b"\\\\x");
    out.extend_from_slice(hex::encode(row.hash()).as_bytes());
    out.push(b'\t');
    out.extend_from_slice(stamp.as_bytes());
    out.push(b'\n');
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (position, byte) in bytes.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'\\' => b"\\\\",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => continue,
        };
        out.extend_from_slice(&bytes[clean..position]);
        out.extend_from_slice(escaped);
        clean = position + 1;
    }
    out.extend_from_slice(&bytes[clean..]);
}
