//! How a process that runs tasks is asked to stop, and how it ends.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code for a start that cannot succeed until a person changes something (`EX_CONFIG` of
/// sysexits.h).
pub const EXIT_CONFIG: u8 = 78;
/// Exit code when a restart is the remedy (`EX_TEMPFAIL` of sysexits.h).
pub const EXIT_RESTART: u8 = 75;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop, and every task was finished or given back.
    Drained,
    /// A slot failed or hung: the process must end so that its tasks are reclaimed.
    Broken,
}

impl Ended {
    /// The exit code for `main`.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Drained => ExitCode::SUCCESS,
            Self::Broken => ExitCode::from(EXIT_RESTART),
        }
    }
}

/// A flag that SIGTERM and SIGINT set. SIGHUP is ignored: these processes read no setting again.
pub fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // A second signal ends the process at once, as it would without a handler.
        flag::register_conditional_default(signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    flag::register(SIGHUP, Arc::default())?;
    Ok(stop)
}
