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
    decreased: Condvar,
}

/// One of the objects that are counted, until it is dropped.
#[derive(Debug)]
pub(super) struct UnsettledObject(Arc<Unsettled>);

impl Unsettled {
    pub(super) fn add(self: &Arc<Self>) -> UnsettledObject {
        *self.lock() += 1;
        UnsettledObject(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnsettledObject {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.decreased.notify_all();
    }
}

impl Bucket {
    /// Runs the deletion of an object in the background.
    pub(super) fn delete_in_background(
        &self,
        unsettled: UnsettledObject,
        deletion: impl Future<Output = ()> + Send + 'static,
    ) {
        self.runtime().spawn(async move {
            deletion.await;
            drop(unsettled);
        });
    }

    /// Waits a few seconds at most until each object whose upload has begun is kept or deleted.
    pub(crate) fn settle_uploads(&self) {
        let count = self.unsettled.lock();
        let waited = self
            .unsettled
            .decreased
            .wait_timeout_while(count, LONGEST_WAIT, |count| *count > 0);
        let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *count > 0 {
            tracing::warn!(
                "{} uploads were neither stored nor deleted in time and are left to the sweep",
                *count
            );
        }
    }
}
