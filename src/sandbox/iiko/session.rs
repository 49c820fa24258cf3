//! Logins: each takes one licence slot until its logout or its end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The open sessions of the iiko server.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Sessions {
    open: BTreeMap<String, Instant>,
    most: usize,
}

impl Sessions {
    /// Opens a session if one of `slots` is free. The life of a session counts from its login; use does not
    /// prolong it.
    pub(in crate::sandbox) fn open(&mut self, slots: usize, life: Duration) -> Option<String> {
        self.expire(life);
        if self.open.len() >= slots {
            return None;
        }
        // Not from the seed: a token left over from an earlier sandbox must not open this one.
        let token = uuid::Uuid::now_v7().to_string();
        self.open.insert(token.clone(), Instant::now());
        self.most = self.most.max(self.open.len());
        Some(token)
    }

    /// Whether `token` is that of a living session.
    pub(in crate::sandbox) fn is_open(&mut self, token: &str, life: Duration) -> bool {
        self.expire(life);
        self.open.contains_key(token)
    }

    /// Closes a session; false if there was none.
    pub(super) fn close(&mut self, token: &str) -> bool {
        self.open.remove(token).is_some()
    }

    /// Forgets all sessions, as a restart does.
    pub(in crate::sandbox) fn forget(&mut self) {
        self.open.clear();
    }

    /// How many sessions live.
    pub(in crate::sandbox) fn count(&mut self, life: Duration) -> usize {
        self.expire(life);
        self.open.len()
    }

    /// How many sessions lived at the same time at most.
    pub(in crate::sandbox) fn most(&self) -> usize {
        self.most
    }

    fn expire(&mut self, life: Duration) {
        self.open.retain(|_, opened| opened.elapsed() < life);
    }
}
