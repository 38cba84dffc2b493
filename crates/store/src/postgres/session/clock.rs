//! [`DatabaseClock`]: the time of the database, kept between two readings of it by this machine's time since boot.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use steno_models::Timestamp;

use super::state::State;
use crate::{Clock, Now};

/// The clock of the database. What the wall clock of this machine says does not matter.
pub(crate) struct DatabaseClock(Arc<State>);

impl DatabaseClock {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Now {
        let host_ms = self.0.host.now().boot_ms;
        let ms = host_ms + self.0.offset_ms.load(Ordering::SeqCst);
        Now {
            wall: Timestamp::from_ms(ms),
            boot_ms: ms,
        }
    }
}

impl State {
    /// Sets the clock by a time of the database that was read between two readings of the time since boot.
    pub(super) fn set_clock(&self, before_ms: i64, database_ms: i64, after_ms: i64) {
        let host_ms = before_ms + (after_ms - before_ms) / 2;
        self.offset_ms
            .store(database_ms - host_ms, Ordering::SeqCst);
    }
}
