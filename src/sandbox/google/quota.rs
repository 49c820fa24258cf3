//! Requests a minute, reads and writes counted apart.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The requests of the last window.
#[derive(Debug, Default)]
pub(super) struct Quota(VecDeque<Instant>);

impl Quota {
    /// Counts a request, unless the quota is used up. A refused request does not count.
    pub(super) fn take(&mut self, limit: usize, window: Duration) -> bool {
        let now = Instant::now();
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= window) {
            self.0.pop_front();
        }
        let free = self.0.len() < limit;
        if free {
            self.0.push_back(now);
        }
        free
    }
}
