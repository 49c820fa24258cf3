//! Repeatable chance: the same seed gives the same world on every machine.
//!
//! Our own generator (splitmix64), because a crate may change its stream in a minor version and with it every
//! expectation of the tests.

/// A stream of repeatable numbers.
pub(super) struct Dice(u64);

impl Dice {
    /// The stream called `stream` of `seed`. Each list has a stream of its own, so that a longer list of one
    /// kind leaves the others as they were.
    pub(super) fn new(seed: u64, stream: &str) -> Self {
        Self(mix(seed ^ hash(stream)))
    }

    /// The next number.
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to `limit - 1`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % limit as u64).expect("less than a usize")
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.abs_diff(low) + 1;
        low.saturating_add_unsigned(self.roll() % width)
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    /// One of `of`, which is not empty.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// The id of the `index`th thing of `kind`: it does not depend on how many others there are.
pub(super) fn id(seed: u64, kind: &str, index: usize) -> String {
    let high = mix(seed ^ hash(kind) ^ (index as u64).wrapping_mul(0xd6e8_feb8_6659_fd93));
    let low = mix(high ^ 0x2545_f491_4f6c_dd1d);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// FNV-1a, to turn a name into a number.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The finisher of splitmix64.
fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
