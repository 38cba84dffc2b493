//! Limits the processor time for decoding one file, so that a file that puts a decoder into an endless loop fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time added for each second of decoded sound. Decoding normally takes about a hundredth of it.
const SHARE_OF_SOUND: f64 = 0.5;

/// Shared by the file's readers and the code that counts decoded samples. For one thread.
#[derive(Clone, Debug)]
pub(super) struct CpuLimit {
    began: Duration,
    base: Duration,
    decoded_ms: Arc<AtomicU64>,
}

impl CpuLimit {
    /// Starts counting this thread's processor time. `base` is the limit for a file without any sound.
    pub(super) fn begin(base: Duration) -> Self {
        Self {
            began: thread_time(),
            base,
            decoded_ms: Arc::default(),
        }
    }

    /// Records how much sound has been decoded so far.
    pub(super) fn note_decoded(&self, length: Duration) {
        self.decoded_ms
            .store(length.as_millis() as u64, Ordering::Relaxed);
    }

    pub(super) fn is_exceeded(&self) -> bool {
        let decoded = Duration::from_millis(self.decoded_ms.load(Ordering::Relaxed));
        thread_time().saturating_sub(self.began) > self.base + decoded.mul_f64(SHARE_OF_SOUND)
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_without_sound_is_bounded_and_work_with_sound_is_not() {
        let limit = CpuLimit::begin(Duration::from_millis(50));
        let mut turns: u64 = 0;
        while !limit.is_exceeded() {
            turns += 1;
        }
        assert!(turns > 100, "it asked the clock {turns} times");
        limit.note_decoded(Duration::from_hours(1));
        assert!(!limit.is_exceeded());
    }
}
