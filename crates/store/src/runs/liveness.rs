//! [`Liveness`]: how processes know without waiting for a lease that another one is gone.

use super::lock::{self, RunLock};
use super::run::Proof;
use crate::tx::Registered;
use crate::{DataDir, StoreError, clock};

/// What shows that the process of a run is gone.
pub(crate) enum Liveness {
    /// Locks in the data folder: every process is on this machine.
    Local {
        /// Where the locks are.
        data: DataDir,
        /// The kernel's name for this boot.
        boot_id: String,
    },
}

impl Liveness {
    pub(crate) fn local(data: DataDir) -> Self {
        Self::Local {
            data,
            boot_id: clock::boot_id(),
        }
    }

    /// What ends at the latest with all that it has registered. A run of another period is dead.
    pub(crate) fn period(&self) -> &str {
        match self {
            Self::Local { boot_id, .. } => boot_id,
        }
    }

    /// Begins to prove that this process lives.
    pub(super) fn prove(&self, run_id: &str) -> Result<Proof, StoreError> {
        match self {
            Self::Local { data, .. } => RunLock::take(data, run_id).map(Proof::Lock),
        }
    }

    /// Whether the process of a run is known to be gone. Where that cannot be checked, the lease decides.
    pub(super) fn is_gone(&self, registered: &Registered) -> bool {
        match self {
            Self::Local { data, boot_id } => {
                registered.boot_id != *boot_id || is_unlocked(data, &registered.run_id)
            }
        }
    }
}

fn is_unlocked(data: &DataDir, run_id: &str) -> bool {
    lock::is_free(data, run_id).unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot check whether a worker is alive; its lease decides"
        );
        false
    })
}
