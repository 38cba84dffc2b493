//! Whether the event loops of the server still turn: one that hangs answers nobody on its connections, while all else looks well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pause between two beats of a loop.
const BEAT: Duration = Duration::from_secs(1);

/// The beats of all event loops.
pub(crate) struct Pulse {
    began: Instant,
    /// When each loop last turned, in milliseconds after `began`.
    beats: Mutex<Vec<Arc<AtomicU64>>>,
}

impl Pulse {
    /// Of no loop yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), beats: Mutex::default() })
    }

    /// Lets the event loop of this thread beat from now on.
    pub(crate) fn join(self: &Arc<Self>) {
        let (pulse, last) = (Arc::clone(self), Arc::new(AtomicU64::new(self.elapsed_ms())));
        self.lock().push(Arc::clone(&last));
        actix_web::rt::spawn(async move {
            loop {
                last.store(pulse.elapsed_ms(), Ordering::Relaxed);
                actix_web::rt::time::sleep(BEAT).await;
            }
        });
    }

    /// For how long the slowest loop has not turned.
    pub(crate) fn silence(&self) -> Duration {
        let now = self.elapsed_ms();
        let silences = self.lock().iter().map(|last| now.saturating_sub(last.load(Ordering::Relaxed))).max();
        Duration::from_millis(silences.unwrap_or_default())
    }

    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<AtomicU64>>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_loop_that_hangs_is_noticed_beside_one_that_turns() {
        let pulse = Pulse::new();
        let (hang, release) = mpsc::channel::<()>();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (first, second) = (Arc::clone(&pulse), Arc::clone(&pulse));
        let turning = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                first.join();
                let _ = stopped.await;
            });
        });
        let hanging = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                second.join();
                // What a handler must never do.
                let _ = release.recv();
                while second.silence() > BEAT {
                    actix_web::rt::task::yield_now().await;
                }
            });
        });
        let began = Instant::now();
        while pulse.silence() < 2 * BEAT {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody notices");
            thread::yield_now();
        }
        drop(hang);
        hanging.join().unwrap();
        drop(stop);
        turning.join().unwrap();
    }
}
