//! How large one record, one answer that is held as a whole, and one list may be: memory is bounded by what there is in
//! them, not only by their bytes. Three bytes of JSON or XML can be one more thing to remember.

/// A record with more members and elements than this is refused; real ones have some hundred.
pub const MAX_NODES: usize = 100_000;

/// Nesting beyond this is refused; real records have six levels.
pub const MAX_DEPTH: usize = 64;

/// More records than this are no list of a restaurant chain; what is remembered of each takes some ninety bytes.
pub const MAX_RECORDS: usize = 2_000_000;

/// So much of a record that is too long is kept, to tell which one it is.
pub const HEAD: usize = 4096;

/// Counts the values of a record while it is read.
#[derive(Debug, Default)]
pub struct Nodes(usize);

impl Nodes {
    /// Counts one more, a number by its digits; false when there are too many.
    pub fn count(&mut self, digits: usize) -> bool {
        // Five bytes can be a number of a thousand digits.
        self.0 += 1 + digits / 64;
        self.0 <= MAX_NODES
    }
}

/// Whether a JSON text holds at most so many values. It need not be valid: what is counted is what a parser would make
/// something of before it sees that it is not.
pub fn has_at_most(nodes: usize, json: &[u8]) -> bool {
    let (mut position, mut left) = (0, nodes);
    while let Some(offset) =
        json[position..].iter().position(|byte| matches!(byte, b'"' | b',' | b'{' | b'['))
    {
        position += offset;
        if json[position] == b'"' {
            let Some(length) = super::frame::string_length(&json[position..]) else { return true };
            position += length;
            continue;
        }
        position += 1;
        if left == 0 {
            return false;
        }
        left -= 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_texts_are_not() {
        for (json, nodes) in [("[]", 1), (r#"{"a,[{":"\",[","b":[1,2,{}]}"#, 6), ("[1,2,\"", 3), ("", 0)] {
            assert!(has_at_most(nodes, json.as_bytes()), "{json}");
            assert!(nodes == 0 || !has_at_most(nodes - 1, json.as_bytes()), "{json}");
        }
    }
}
