//! [`Liveness`]: how processes detect that another one is gone without waiting for its lease.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::lock::{self, RunLock};
use super::run::Proof;
use crate::postgres::session::Session;
use crate::tx::Registered;
use crate::{DataDir, Now, Store, StoreError, StoreSettings, clock};

/// Time in which a live process that lost every connection reconnects.
const RECONNECT_GRACE: Duration = Duration::from_millis(700);
/// The same after a restart of the server, when all processes come at a time.
const RESTART_GRACE: Duration = Duration::from_secs(3);

/// Covers the patience with an expired lease (3 s) and two pauses of a second between checks.
const LEASE_RESERVE: Duration = Duration::from_secs(5);

/// What shows that the process of a run is gone.
pub(crate) enum Liveness {
    /// Locks in the data folder: every process is on this machine.
    Local {
        /// Where the locks are.
        data: DataDir,
        /// The kernel's name for this boot.
        boot_id: String,
    },
    /// The connections of each process to the database, which all hold one lock.
    Session {
        /// The direct connection of this process.
        session: Arc<Session>,
        /// The number of this process's lock.
        key: String,
    },
}

impl Liveness {
    pub(crate) fn local(data: DataDir) -> Self {
        Self::Local {
            data,
            boot_id: clock::boot_id(),
        }
    }

    pub(crate) fn session(session: Arc<Session>) -> Self {
        Self::Session {
            key: session.key().number().to_string(),
            session,
        }
    }

    /// What a run is registered with and ends with: its boot, or the lock of its process.
    pub(super) fn boot_or_lock(&self) -> &str {
        match self {
            Self::Local { boot_id, .. } => boot_id,
            Self::Session { key, .. } => key,
        }
    }

    /// The name of this boot, where times since boot are those of this machine, and the name can be read.
    pub(crate) fn boot_id(&self) -> Option<&str> {
        match self {
            Self::Local { boot_id, .. } => (boot_id != clock::UNKNOWN_BOOT).then_some(boot_id),
            Self::Session { .. } => None,
        }
    }

    /// Begins to prove that this process lives.
    pub(super) fn prove(&self, run_id: &str) -> Result<Proof, StoreError> {
        match self {
            Self::Local { data, .. } => RunLock::take(data, run_id).map(Proof::Lock),
            Self::Session { session, .. } => Ok(Proof::Session(session.prove(run_id))),
        }
    }

    /// How long an expired lease is still valid, so that a worker that was kept from its heartbeat can send it.
    pub(super) fn patience(&self, settings: &StoreSettings) -> Duration {
        match self {
            Self::Local { .. } => settings.heartbeat_interval(),
            Self::Session { .. } => RESTART_GRACE.min(settings.lease / 5),
        }
    }

    /// How much shorter a lease in the database is than the setting. With the patience and the
    /// pauses between checks, a vanished host is found within the setting.
    pub(super) fn lease_reserve(&self, settings: &StoreSettings) -> Duration {
        match self {
            Self::Local { .. } => Duration::ZERO,
            Self::Session { .. } => LEASE_RESERVE.min(settings.lease / 3),
        }
    }

    /// Extends the lease of a run without a transaction, where that is possible. Returns whether the run is registered.
    pub(super) fn extend_lease(&self, run_id: &str, lease_until: i64) -> Option<bool> {
        match self {
            Self::Local { .. } => None,
            Self::Session { session, .. } => session.extend_lease(run_id, lease_until),
        }
    }

    /// Counts the interruptions in which no worker could send a heartbeat.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Local { .. } => 0,
            Self::Session { session, .. } => session.generation(),
        }
    }

    /// Whether any run may be dead. This cheap check runs each second.
    pub(super) fn is_any_suspect(&self, now: Now) -> bool {
        match self {
            Self::Local { .. } => true,
            Self::Session { session, .. } => session
                .suspects(now.boot_ms)
                .is_some_and(|suspects| !suspects.is_empty()),
        }
    }

    /// The runs whose processes are known to be gone. May wait a moment to be sure.
    pub(super) fn gone_runs(
        &self,
        now: Now,
        registered: &[Registered],
        settings: &StoreSettings,
    ) -> HashSet<String> {
        match self {
            Self::Local { data, boot_id } => registered
                .iter()
                .filter(|run| run.boot_id != *boot_id || is_unlocked(data, &run.run_id))
                .map(|run| run.run_id.clone())
                .collect(),
            Self::Session { session, .. } => {
                let restart_grace = RESTART_GRACE.min(settings.heartbeat_interval());
                disconnected_for_long(session, now, restart_grace).unwrap_or_default()
            }
        }
    }
}

impl Store {
    /// Whether this process is one of those that check for dead processes and due work about once a
    /// second. The others do so every few seconds, in case the processes on watch hang.
    pub fn is_on_watch(&self) -> bool {
        match &self.liveness {
            Liveness::Local { .. } => true,
            Liveness::Session { session, .. } => session.is_on_watch(),
        }
    }
}

/// Where a lock cannot be checked, the lease decides.
fn is_unlocked(data: &DataDir, run_id: &str) -> bool {
    lock::is_free(data, run_id).unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot check whether a worker is alive; its lease decides"
        );
        false
    })
}

/// The runs that have no connection in two checks, with time in between to reconnect. `None` if
/// this process lost its own connection meanwhile, because others may then have lost theirs too.
fn disconnected_for_long(
    session: &Session,
    now: Now,
    restart_grace: Duration,
) -> Option<HashSet<String>> {
    let generation = session.generation();
    let first = session.suspects(now.boot_ms)?;
    if first.disconnected.is_empty() {
        return None;
    }

    let since_restart = session
        .since_reconnection()
        .map_or(first.server_up, |since| since.min(first.server_up));
    let grace = RECONNECT_GRACE.max(restart_grace.saturating_sub(since_restart));
    std::thread::sleep(grace);

    let second = session.suspects(now.boot_ms)?;
    let is_same_connection = session.generation() == generation;
    is_same_connection.then(|| &first.disconnected & &second.disconnected)
}
