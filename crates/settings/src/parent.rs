//! Ends a child with the process that started it, even when that is killed.

use std::io;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Environment variable with which a process passes its id to a child that has to end with it.
pub const PARENT_VARIABLE: &str = "STENO_PARENT_PID";

/// Environment variable with which `steno transcribe` passes the temporary folder to its `steno up`.
pub const SCRATCH_VARIABLE: &str = "STENO_SCRATCH";

/// Asks the kernel for SIGTERM when the supervisor dies. Without a supervisor, does nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is set by the supervisor, not by users; without a supervisor, the process must not run"
)]
pub fn die_with_parent() {
    let Some(parent) = std::env::var(PARENT_VARIABLE)
        .ok()
        .and_then(|pid| pid.parse::<u32>().ok())
    else {
        return;
    };
    match die_with(parent, Signal::TERM) {
        Ok(true) => {}
        Ok(false) => {
            tracing::error!("the supervisor is gone");
            std::process::exit(1);
        }
        Err(error) => {
            tracing::warn!(%error, "cannot follow the supervisor: this process may outlive it");
        }
    }
}

/// Asks the kernel for `signal` when the process `parent`, which has started this one, ends. False if it has ended already.
pub fn die_with(parent: u32, signal: Signal) -> io::Result<bool> {
    set_parent_process_death_signal(Some(signal))?;
    // It may have died before the request.
    Ok(getppid().is_some_and(|now| now.as_raw_nonzero().get() as u32 == parent))
}
