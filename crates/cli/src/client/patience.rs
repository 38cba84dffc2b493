//! Trying a call again: while a server restarts, and when it says when to come back.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::CallError;

/// Pause before the second try. It doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause that the server did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to go on, and whether there is reason to.
pub(super) struct Patience {
    limit: Duration,
    /// A server that never answered is more likely not there than restarting: the user wants to know at once.
    answered: Cell<bool>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, answered: Cell::new(false) }
    }

    /// Makes a call until it succeeds, fails for good, or the time is over.
    pub(super) fn with<T>(&self, mut call: impl FnMut() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let mut next_pause = FIRST_PAUSE;
        loop {
            let error = match call() {
                Ok(value) => {
                    self.answered.set(true);
                    return Ok(value);
                }
                Err(error) => error,
            };
            let Some(cause) = error.downcast_ref::<CallError>() else { return Err(error) };
            if cause.is_answer() {
                self.answered.set(true);
            }
            let pause = cause.retry_after().unwrap_or(next_pause);
            if !cause.is_temporary() || !self.answered.get() || began.elapsed() + pause > self.limit {
                return Err(error);
            }
            if next_pause == FIRST_PAUSE {
                let reason = match cause {
                    CallError::Unreachable { url, .. } => format!("the server at {url} does not answer any more"),
                    other => other.to_string(),
                };
                eprintln!("{reason}; trying again for up to {} s", self.limit.as_secs());
            }
            thread::sleep(pause);
            next_pause = (next_pause * 2).min(LONGEST_PAUSE);
        }
    }
}
