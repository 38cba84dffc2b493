//! Ending with the supervisor: a child of `steno up` must not outlive it, even when it is killed.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Environment variable in which `steno up` tells a child its own process id.
pub const PARENT_VARIABLE: &str = "STENO_PARENT_PID";

/// Asks the kernel for SIGTERM when the supervisor dies. Without a supervisor, does nothing.
pub fn die_with_parent() {
    let Some(parent) = std::env::var(PARENT_VARIABLE).ok().and_then(|pid| pid.parse::<i32>().ok()) else { return };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        tracing::warn!(%error, "cannot follow the supervisor: this process may outlive it");
    }
    // It may have died before the request.
    if getppid().map(Pid::as_raw_nonzero).is_none_or(|now| now.get() != parent) {
        tracing::error!("the supervisor is gone");
        std::process::exit(1);
    }
}
