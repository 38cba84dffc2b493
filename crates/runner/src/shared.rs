//! What the supervisor and its slots share.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use steno_store::{Clock, Store, StoreError, WorkerRun};

use crate::TaskRunner;
use crate::wakeup::Wakeup;

/// Pause before a store operation is tried again, and after a task was postponed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) run: WorkerRun,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runner: Arc<dyn TaskRunner>,
    pub(crate) wakeup: Wakeup,
    /// Set when the process is asked to stop: no more claims.
    pub(crate) draining: AtomicBool,
    /// Set when a store operation has failed: its commit may be complete all the same, with a claim that no slot knows.
    pub(crate) may_have_unheld_claims: AtomicBool,
}

impl Shared {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Retries a store operation until it succeeds: a full disk or a locked database must not cost a
    /// result, and a drain that meets one no try. Gives up on a fatal error. The drain has a limit.
    pub(crate) fn retry<T>(
        &self,
        operation: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            match operation() {
                Err(error) if !error.is_fatal() => {
                    tracing::warn!(
                        error = &error as &dyn Error,
                        "store operation failed; trying again"
                    );
                    self.may_have_unheld_claims.store(true, Ordering::SeqCst);
                    self.pause();
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits a second, or until something changes.
    pub(crate) fn pause(&self) {
        self.wakeup.wait(self.wakeup.count(), RETRY_PAUSE);
    }
}
