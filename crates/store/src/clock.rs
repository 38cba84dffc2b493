//! Time as the store gets it. Binaries own a [`SystemClock`]; tests turn a [`ManualClock`] by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use steno_models::Timestamp;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock: what clients see and deadlines are measured by.
    pub wall: Timestamp,
    /// Milliseconds since boot, suspended time included: what leases are measured by. Never jumps.
    pub boot_ms: i64,
}

/// A source of [`Now`].
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Now;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the only clock of the queue"
    )]
    fn now(&self) -> Now {
        let boot = clock_gettime(ClockId::Boottime);
        // A clock before 1970 reads as 1970.
        let wall_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_millis() as i64);
        Now {
            wall: Timestamp::from_ms(wall_ms),
            boot_ms: boot.tv_sec * 1000 + boot.tv_nsec / 1_000_000,
        }
    }
}

/// The name of a boot that cannot be read.
pub(crate) const UNKNOWN_BOOT: &str = "unknown";

/// The kernel's name for this boot. If it cannot be read (`ProcSubset=pid`), only leases show which runs are dead.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| UNKNOWN_BOOT.to_owned(), |id| id.trim().to_owned())
}

/// A clock that only a test moves.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    boot_ms: AtomicI64,
}

impl ManualClock {
    /// A clock at `wall_ms` milliseconds since 1970, one hour after boot.
    pub fn at_ms(wall_ms: i64) -> Self {
        Self {
            wall_ms: AtomicI64::new(wall_ms),
            boot_ms: AtomicI64::new(3_600_000),
        }
    }

    /// Lets time pass on both clocks.
    pub fn advance_ms(&self, ms: i64) {
        self.jump_wall_ms(ms);
        self.boot_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Moves the wall clock alone, as an administrator or NTP does.
    pub fn jump_wall_ms(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        Now {
            wall: Timestamp::from_ms(self.wall_ms.load(Ordering::SeqCst)),
            boot_ms: self.boot_ms.load(Ordering::SeqCst),
        }
    }
}
