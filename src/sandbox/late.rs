//! Effects that come after their request, whether or not its client still waits.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard},
};

use tokio::{sync::watch, task::JoinSet};

use super::lock;

/// The effects that are still to come.
#[derive(Debug, Default)]
pub(super) struct Late {
    tasks: Mutex<JoinSet<()>>,
    waiting: watch::Sender<usize>,
}

impl Late {
    /// Lets `effect` happen in its own time.
    pub(super) fn spawn(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let waiting = self.waiting.clone();
        self.tasks().spawn(async move {
            effect.await;
            waiting.send_modify(|waiting| *waiting -= 1);
        });
    }

    /// How many are still to come.
    pub(super) fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Waits until none is.
    pub(super) async fn settle(&self) {
        // An error would mean that the sender is gone, and it is here.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await;
    }

    /// Gives up those that have not come.
    pub(super) fn abort(&self) {
        self.tasks().abort_all();
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        lock(&self.tasks)
    }
}
