//! Deleting what was given up, in the background: the owner of an upload may be async code, which must not wait.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Bucket;

/// Longest time that a process waits at its end. What is left then is done by a sweep.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How many deletions are in progress.
#[derive(Debug, Default)]
pub(super) struct Background {
    running: Mutex<u32>,
    ended: Condvar,
}

/// A deletion in progress, until it is dropped.
struct Running(Arc<Background>);

impl Background {
    fn begin(self: &Arc<Self>) -> Running {
        *self.lock() += 1;
        Running(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.ended.notify_all();
    }
}

impl Bucket {
    /// Runs a deletion in the background.
    pub(super) fn spawn(&self, deletion: impl Future<Output = ()> + Send + 'static) {
        let running = self.background.begin();
        self.runtime().spawn(async move {
            deletion.await;
            drop(running);
        });
    }

    /// Waits until no deletion is in progress, for a few seconds at most.
    pub(crate) fn finish_deletions(&self) {
        let running = self.background.lock();
        let waited = self
            .background
            .ended
            .wait_timeout_while(running, LONGEST_WAIT, |running| *running > 0);
        let (running, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *running > 0 {
            tracing::warn!(
                "{} uploads that were given up are left to the sweep",
                *running
            );
        }
    }
}
