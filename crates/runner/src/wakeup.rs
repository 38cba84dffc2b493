//! Waking idle slots without losing a wake-up.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts wake-ups. A slot reads the count, polls for work, and waits only while the count is
/// unchanged: work that arrived after the poll has changed it.
#[derive(Default)]
pub(crate) struct Wakeup {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Wakeup {
    /// The present count. Read it before polling for work.
    pub(crate) fn count(&self) -> u64 {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes every slot.
    pub(crate) fn wake_all(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits until the count differs from `seen`, at most `limit`.
    pub(crate) fn wait(&self, seen: u64, limit: Duration) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            self.changed
                .wait_timeout_while(count, limit, |count| *count == seen),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_between_poll_and_wait_is_not_lost() {
        let wakeup = Wakeup::default();
        let seen = wakeup.count();
        wakeup.wake_all();
        // Waits for an hour if the wake-up is lost.
        wakeup.wait(seen, Duration::from_secs(3600));
        assert_ne!(wakeup.count(), seen);
    }
}
