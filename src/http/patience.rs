//! How often an upstream is asked again: the one layer of retries, around a request and the reading of its answer.

use super::request::{Retry, Trouble};
use crate::{
    config::Retries,
    error::{Failure, Kind, Result},
};
use std::{
    cell::Cell,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    rc::Rc,
    time::Duration,
};

/// The retries that are left in this run, shared by all upstreams.
pub type Budget = Rc<Cell<usize>>;

/// The waits between attempts, and the retries that are left.
#[derive(Debug, Clone)]
pub struct Patience {
    /// The settings.
    pub retries: Retries,
    budget: Budget,
}

impl Patience {
    /// Waits as `retries` says while there is something left of `budget`.
    pub fn new(retries: Retries, budget: Budget) -> Self {
        Self { retries, budget }
    }

    /// Makes attempts until one reads its answer to the end, waiting between them as the settings say. `log_in` is
    /// called at most once, when an attempt says that the session is over.
    pub async fn attempts<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Trouble>,
        log_in: impl AsyncFn() -> Result<()>,
    ) -> Result<T> {
        let mut tried = 0;
        let mut logged_in = false;
        loop {
            let trouble = match attempt().await {
                Ok(value) => return Ok(value),
                Err(trouble) => trouble,
            };
            match trouble.retry {
                Retry::No => return Err(trouble.failure),
                Retry::LogIn if logged_in => return Err(trouble.failure),
                Retry::LogIn => {
                    logged_in = true;
                    log_in().await?;
                    continue;
                }
                Retry::After(wait) if wait > self.retries.retry_after_max => {
                    let text = format!("{} (asked to wait {} s)", trouble.failure.message, wait.as_secs());
                    return Err(Failure::new(Kind::Unreachable, text).hint("start this again later"));
                }
                Retry::Yes | Retry::After(_) => {}
            }
            if !self.pause(tried, &trouble).await {
                return Err(trouble.failure);
            }
            tried += 1;
        }
    }

    /// Waits before what ended in `trouble` is tried again after `tried` such waits; false, without a wait, when that makes no
    /// sense or the patience is over.
    pub async fn pause(&self, tried: usize, trouble: &Trouble) -> bool {
        let Some(delay) = self.retries.delays.get(tried).filter(|_| self.budget.get() > 0) else {
            return false;
        };
        let wait = match trouble.retry {
            Retry::Yes => self.jittered(*delay),
            Retry::After(wait) if wait <= self.retries.retry_after_max => wait,
            Retry::After(_) | Retry::No | Retry::LogIn => return false,
        };
        self.budget.set(self.budget.get() - 1);
        tracing::info!(wait_ms = wait.as_millis(), "{}; trying again", trouble.failure);
        tokio::time::sleep(wait).await;
        true
    }

    /// A wait spread by the configured share, so that several hosts do not come back at the same moment.
    fn jittered(&self, wait: Duration) -> Duration {
        let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        wait.mul_f64(1.0 + self.retries.jitter * (random * 2.0 - 1.0))
    }
}
