//! Log lines for calls that were refused: the first few of each kind, then a number now and then. Without a
//! bound, a client that calls in a loop fills the disk with them.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long refusals of a kind are counted together.
const WINDOW: Duration = Duration::from_secs(10);
/// Refusals of a kind that are logged one by one within a window.
const LINES: u64 = 10;

/// Refusals by API key (empty for none) and status. Both are few: keys are in a file, and there are two dozen statuses.
#[derive(Default)]
pub(crate) struct RefusalLog {
    windows: Mutex<HashMap<(String, u16), Window>>,
}

struct Window {
    began: Instant,
    refused: u64,
}

/// Refusals that had no line of their own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unlogged {
    pub(crate) key: String,
    pub(crate) status: u16,
    pub(crate) count: u64,
}

impl RefusalLog {
    /// Notes a refusal. Whether it gets a line of its own.
    pub(crate) fn note(&self, now: Instant, key: &str, status: u16) -> bool {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry((key.to_owned(), status)).or_insert(Window {
            began: now,
            refused: 0,
        });
        window.refused += 1;
        window.refused <= LINES
    }

    /// Ends the windows that are over, and returns what they have left out. To be called about every ten seconds.
    pub(crate) fn end_windows(&self, now: Instant) -> Vec<Unlogged> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let (over, going_on) = mem::take(&mut *windows)
            .into_iter()
            .partition(|(_, window)| now - window.began >= WINDOW);
        *windows = going_on;
        let over: HashMap<_, _> = over;
        let unlogged = over
            .into_iter()
            .filter(|(_, window)| window.refused > LINES);
        unlogged
            .map(|((key, status), window)| Unlogged {
                key,
                status,
                count: window.refused - LINES,
            })
            .collect()
    }

    /// Logs how many refusals had no line of their own.
    pub(crate) fn report(&self) {
        for Unlogged { key, status, count } in self.end_windows(Instant::now()) {
            tracing::warn!(
                key.name = key,
                http.status = status,
                count,
                "{count} more calls were refused with {status}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_has_few_lines_and_a_number() {
        let log = RefusalLog::default();
        let began = Instant::now();
        let lines = (0..100_000)
            .filter(|_| log.note(began, "alice", 429))
            .count();
        assert_eq!(lines, 10);
        assert!(
            log.note(began, "bob", 429) && log.note(began, "alice", 401),
            "kinds do not hide each other"
        );
        assert_eq!(log.end_windows(began), []);

        let unlogged = log.end_windows(began + WINDOW);
        assert_eq!(
            unlogged,
            [Unlogged {
                key: "alice".to_owned(),
                status: 429,
                count: 99_990
            }]
        );
        assert!(log.note(began + WINDOW, "alice", 429), "a new window");
    }
}
