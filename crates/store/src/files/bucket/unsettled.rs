//! Objects that are neither kept nor deleted yet. Those that are given up are deleted in the background: the owner of an upload may be
//! async code, which must not wait.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Bucket;

/// Longest time that a process waits at its end. What is left then is done by a sweep.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How many objects are being written or deleted.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    count: Mutex<u32>,
    fewer: Condvar,
}

/// One of the objects that are counted, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<Unsettled>);

impl Unsettled {
    pub(super) fn add(self: &Arc<Self>) -> Counted {
        *self.lock() += 1;
        Counted(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.fewer.notify_all();
    }
}

impl Bucket {
    /// Runs the deletion of an object in the background.
    pub(super) fn spawn(
        &self,
        counted: Counted,
        deletion: impl Future<Output = ()> + Send + 'static,
    ) {
        self.runtime().spawn(async move {
            deletion.await;
            drop(counted);
        });
    }

    /// Waits until every object that was begun is kept or deleted, for a few seconds at most.
    pub(crate) fn finish_deletions(&self) {
        let count = self.unsettled.lock();
        let waited = self
            .unsettled
            .fewer
            .wait_timeout_while(count, LONGEST_WAIT, |count| *count > 0);
        let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *count > 0 {
            tracing::warn!(
                "{} uploads that were given up are left to the sweep",
                *count
            );
        }
    }
}
