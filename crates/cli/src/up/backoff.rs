//! How long to wait before a process is started again.

use std::time::Duration;

/// Pauses that double up to a limit.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next pause.
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// Begins again with the first.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500));
        let mut pauses = || (0..5).map(|_| backoff.next_pause().as_millis()).collect::<Vec<_>>();
        assert_eq!(pauses(), [100, 200, 400, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.next_pause().as_millis(), 100);
    }
}
