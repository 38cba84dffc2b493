//! Waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// Waits until `condition` is true, and fails the test after two minutes.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    within(PATIENCE, what, || condition().then_some(()));
}

/// Waits until `condition` returns a value, and fails the test after `limit`.
pub fn within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
