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

    /// Wakes one slot that waits. If it finds work, it wakes the others.
    pub(crate) fn wake_one(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_one();
    }

    /// Waits until the count differs from `seen` and this slot is woken.
    pub(crate) fn wait_for_work(&self, seen: u64) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(count, |count| *count == seen));
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
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn a_poll_wakes_one_slot_and_the_slots_that_find_work_wake_the_others() {
        let wakeup = Wakeup::default();
        let seen = wakeup.count();
        let (woken, wakes) = channel();
        thread::scope(|scope| {
            for _ in 0..3 {
                let (wakeup, woken) = (&wakeup, woken.clone());
                scope.spawn(move || {
                    wakeup.wait_for_work(seen);
                    woken.send(()).unwrap();
                    // It has found work.
                    wakeup.wake_one();
                });
            }
            wakeup.wake_one();
            let count = (0..3)
                .take_while(|_| wakes.recv_timeout(Duration::from_secs(10)).is_ok())
                .count();
            // The threads end also if the test fails.
            wakeup.wake_all();
            assert_eq!(count, 3);
        });
    }

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
