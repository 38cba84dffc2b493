//! The state of a slot, which its own thread and the supervisor both see.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use steno_store::ClaimId;

/// Connects a running task with the supervisor: signs of life one way, the request to stop the other.
pub struct TaskControl {
    claim: Mutex<Option<ClaimId>>,
    stop: AtomicBool,
    /// When the task last gave a sign of life. Not by the clock of the queue, which jumps with that of the database server.
    alive_at: Mutex<Instant>,
}

impl TaskControl {
    pub(crate) fn new() -> Self {
        Self {
            claim: Mutex::new(None),
            stop: AtomicBool::new(false),
            alive_at: Mutex::new(Instant::now()),
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
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        if self.claim().is_none() {
            return Duration::ZERO;
        }
        now.saturating_duration_since(*self.lock_alive_at())
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
        *self.lock_alive_at() = Instant::now();
    }

    fn lock_alive_at(&self) -> MutexGuard<'_, Instant> {
        self.alive_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Option<ClaimId>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_silent_only_while_it_has_a_task() {
        let control = TaskControl::new();
        let silent_for =
            |seconds| control.silent_for(Instant::now() + Duration::from_secs(seconds));
        assert_eq!(silent_for(9_000), Duration::ZERO);

        control.begin(ClaimId::random());
        assert!(silent_for(9_000) >= Duration::from_secs(9_000));
        assert!(silent_for(0) < Duration::from_secs(9_000));
        control.end();
        assert_eq!(silent_for(9_000), Duration::ZERO);
    }

    #[test]
    fn only_the_claim_that_is_named_is_stopped() {
        let control = TaskControl::new();
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
