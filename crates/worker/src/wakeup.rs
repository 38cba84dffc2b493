//! Waking idle slots without losing a wake-up.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts wake-ups. A slot notes the count, looks for work, and only waits while the count is still the same: work that
/// came after its look has changed it.
#[derive(Default)]
pub(crate) struct Wakeup {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Wakeup {
    /// The present count, to be noted before the look.
    pub(crate) fn count(&self) -> u64 {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes every slot.
    pub(crate) fn wake_all(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits until the count is another than `seen`, at most `limit`.
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
    fn a_wake_up_between_look_and_wait_is_not_lost() {
        let wakeup = Wakeup::default();
        let seen = wakeup.count();
        wakeup.wake_all();
        // Would wait for an hour if it were lost.
        wakeup.wait(seen, Duration::from_secs(3600));
        assert_ne!(wakeup.count(), seen);
    }
}
