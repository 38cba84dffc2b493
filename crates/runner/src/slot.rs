//! The state of a slot, which its own thread and the supervisor both see.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steno_store::{ClaimId, Clock};

/// Connects a running task with the supervisor: signs of life one way, the request to stop the other.
pub struct TaskControl {
    clock: Arc<dyn Clock>,
    claim: Mutex<Option<ClaimId>>,
    stop: AtomicBool,
    /// Time of the last sign of life, in milliseconds since boot.
    alive_at_ms: AtomicI64,
}

impl TaskControl {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let alive_at_ms = AtomicI64::new(clock.now().boot_ms);
        Self {
            clock,
            claim: Mutex::new(None),
            stop: AtomicBool::new(false),
            alive_at_ms,
        }
    }

    /// Whether the task should stop. Each call is a sign of life; a slot that gives none for the stall
    /// limit ends the process.
    pub fn should_stop(&self) -> bool {
        self.note_alive();
        self.stop.load(Ordering::SeqCst)
    }

    /// The claim the slot works on.
    pub(crate) fn claim(&self) -> Option<ClaimId> {
        *self.lock()
    }

    /// Asks the work on `claim` to stop at the next opportunity.
    pub(crate) fn stop_claim(&self, claim: ClaimId) {
        let current = self.lock();
        if *current == Some(claim) {
            self.stop.store(true, Ordering::SeqCst);
        }
    }

    /// Time since the last sign of life of the task; zero while idle.
    pub(crate) fn silent_for(&self, now_boot_ms: i64) -> Duration {
        if self.claim().is_none() {
            return Duration::ZERO;
        }
        Duration::from_millis((now_boot_ms - self.alive_at_ms.load(Ordering::SeqCst)).max(0) as u64)
    }

    pub(crate) fn begin(&self, claim: ClaimId) {
        self.note_alive();
        let mut current = self.lock();
        self.stop.store(false, Ordering::SeqCst);
        *current = Some(claim);
    }

    pub(crate) fn end(&self) {
        *self.lock() = None;
    }

    pub(crate) fn note_alive(&self) {
        self.alive_at_ms
            .store(self.clock.now().boot_ms, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Option<ClaimId>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use steno_store::ManualClock;

    use super::*;

    #[test]
    fn a_slot_is_silent_only_while_it_has_a_task() {
        let clock = Arc::new(ManualClock::at_ms(0));
        let control = TaskControl::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let silent_for = |ms| control.silent_for(clock.now().boot_ms + ms);
        assert_eq!(silent_for(9_000), Duration::ZERO);

        control.begin(ClaimId::random());
        assert_eq!(silent_for(9_000), Duration::from_secs(9));
        control.end();
        assert_eq!(silent_for(9_000), Duration::ZERO);
    }

    #[test]
    fn only_the_claim_that_is_named_is_stopped() {
        let control = TaskControl::new(Arc::new(ManualClock::at_ms(0)));
        let (first, second) = (ClaimId::random(), ClaimId::random());
        control.begin(first);
        control.stop_claim(second);
        assert!(!control.should_stop());
        control.stop_claim(first);
        assert!(control.should_stop());

        control.begin(second);
        assert!(!control.should_stop(), "the next task starts afresh");
    }
}
