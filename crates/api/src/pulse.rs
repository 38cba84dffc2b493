//! Checks that the event loops make progress. A hung loop answers no request on its connections, while everything else works.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Pause between two beats of a loop.
const BEAT: Duration = Duration::from_secs(1);

/// The beats of all event loops.
pub(crate) struct Pulse {
    began: Instant,
    /// When each loop last turned, in milliseconds after `began`. A loop that has ended takes its own along.
    beats: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Pulse {
    /// Of no loop yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            beats: Mutex::default(),
        })
    }

    /// Lets the event loop of this thread beat from now on.
    pub(crate) fn join(self: &Arc<Self>) {
        let (pulse, last) = (
            Arc::clone(self),
            Arc::new(AtomicU64::new(self.elapsed_ms())),
        );
        self.beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&last));
        actix_web::rt::spawn(async move {
            loop {
                last.store(pulse.elapsed_ms(), Ordering::Relaxed);
                actix_web::rt::time::sleep(BEAT).await;
            }
        });
    }

    /// For how long the slowest loop has not turned.
    pub(crate) fn silence(&self) -> Duration {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.retain(|last| last.strong_count() > 0);
        let oldest = beats
            .iter()
            .filter_map(Weak::upgrade)
            .map(|last| last.load(Ordering::Relaxed))
            .min();
        let silence = oldest.map_or(0, |oldest| self.elapsed_ms().saturating_sub(oldest));
        Duration::from_millis(silence)
    }

    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// A loop that turns until the sender is dropped, and hangs for as long as the receiver blocks.
    fn start(
        pulse: &Arc<Pulse>,
        hang: Option<mpsc::Receiver<()>>,
    ) -> (tokio::sync::oneshot::Sender<()>, JoinHandle<()>) {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let pulse = Arc::clone(pulse);
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                pulse.join();
                // What a handler must never do.
                hang.map(|hang| hang.recv());
                let _ = stopped.await;
            });
        });
        (stop, thread)
    }

    fn wait_until(what: &str, condition: impl Fn() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
            thread::sleep(BEAT / 20);
        }
    }

    #[test]
    fn a_loop_that_hangs_is_noticed_beside_one_that_turns() {
        let pulse = Pulse::new();
        let turning = start(&pulse, None);
        let began = Instant::now();
        wait_until("three beats", || {
            assert!(pulse.silence() < 10 * BEAT, "it turns");
            began.elapsed() > 3 * BEAT
        });
        let (hang, release) = mpsc::channel::<()>();
        let hanging = start(&pulse, Some(release));
        wait_until("it is noticed", || pulse.silence() > 3 * BEAT);
        drop(hang);
        wait_until("it turns again", || pulse.silence() < 2 * BEAT);
        for (stop, thread) in [turning, hanging] {
            drop(stop);
            thread.join().unwrap();
        }
        assert_eq!(
            pulse.silence(),
            Duration::ZERO,
            "loops that have ended are forgotten"
        );
    }
}
