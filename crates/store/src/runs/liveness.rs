//! [`Liveness`]: how processes detect that another one is gone without waiting for its lease.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::absence::{Absences, Absent, Look};
use super::lock::{RunLock, is_free};
use super::run::Proof;
use crate::postgres::session::Session;
use crate::tx::Registered;
use crate::{DataDir, Now, Store, StoreError, StoreSettings, clock};

/// Time in which live processes reconnect after a restart of the server, when all do so at once.
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
        /// Runs without a connection.
        absent_runs: Mutex<Absences>,
        /// Processes without a connection that receive uploads.
        absent_uploaders: Mutex<Absences>,
    },
}

/// What is known about the registered runs before their rows are read.
pub(super) enum Suspicion {
    /// The lock of each has to be tried.
    Unknown,
    /// The processes of these are gone. Others may have a lease that is over.
    Gone(HashSet<String>),
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
            absent_runs: Mutex::default(),
            absent_uploaders: Mutex::default(),
        }
    }

    /// What a run is registered with and ends with: its boot, or the lock of its process.
    pub(crate) fn boot_or_lock(&self) -> &str {
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

    /// Looks for runs that may be dead. `None` if there is none. This cheap check runs each second.
    pub(super) fn suspect(&self, now: Now, settings: &StoreSettings) -> Option<Suspicion> {
        match self {
            Self::Local { .. } => Some(Suspicion::Unknown),
            Self::Session {
                session,
                absent_runs,
                ..
            } => {
                let generation = session.generation();
                let asked_at = Instant::now();
                let suspects = session.suspects(now.boot_ms)?;
                let has_overdue = suspects.has_overdue;
                let look = look(session, asked_at, generation, suspects.absent);
                let gone = lock(absent_runs).note(look, restart_grace(settings));
                let is_any = has_overdue || !gone.is_empty();
                is_any.then_some(Suspicion::Gone(gone))
            }
        }
    }

    /// The runs whose processes are known to be gone.
    pub(super) fn gone_runs(
        &self,
        suspicion: Suspicion,
        registered: &[Registered],
    ) -> HashSet<String> {
        match (self, suspicion) {
            (_, Suspicion::Gone(gone)) => gone,
            (Self::Local { data, boot_id }, Suspicion::Unknown) => registered
                .iter()
                .filter(|run| run.boot_id != *boot_id || is_unlocked(data, &run.run_id))
                .map(|run| run.run_id.clone())
                .collect(),
            (Self::Session { .. }, Suspicion::Unknown) => HashSet::new(),
        }
    }

    /// Whether the locks of the files that `process` writes can be tried here: it is this process, or all are on this machine.
    pub(crate) fn is_here(&self, process: &str) -> bool {
        match self {
            Self::Local { .. } => true,
            Self::Session { key, .. } => key == process,
        }
    }

    /// Which of these other processes are gone. It takes two calls to know that of a process.
    pub(crate) fn gone_uploaders(
        &self,
        processes: Vec<String>,
        settings: &StoreSettings,
    ) -> HashSet<String> {
        match self {
            Self::Local { .. } => HashSet::new(),
            Self::Session {
                session,
                absent_uploaders,
                ..
            } => {
                let generation = session.generation();
                let asked_at = Instant::now();
                let Some(absent) = session.absent_processes(processes) else {
                    return HashSet::new();
                };
                let look = look(session, asked_at, generation, absent);
                lock(absent_uploaders).note(look, restart_grace(settings))
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

    /// When [`Store::reclaim_tasks`] has to look again to know whether a process without a connection is gone. `None` if there is
    /// no such process.
    pub fn next_reclaim_at(&self) -> Option<Instant> {
        match &self.liveness {
            Liveness::Local { .. } => None,
            Liveness::Session { absent_runs, .. } => lock(absent_runs).next_look_at(),
        }
    }
}

/// Where a lock cannot be checked, the lease decides.
fn is_unlocked(data: &DataDir, run_id: &str) -> bool {
    is_free(data, run_id).unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot check whether a worker is alive; its lease decides"
        );
        false
    })
}

/// What a look found that was begun at `asked_at` over the connection of that generation and has its answer now.
fn look(session: &Session, asked_at: Instant, generation: u64, absent: Absent) -> Look {
    let since_restart = session
        .since_reconnection()
        .map_or(absent.server_up, |since| since.min(absent.server_up));
    Look {
        asked_at,
        answered_at: Instant::now(),
        generation,
        since_restart,
        absent: absent.names,
    }
}

/// Time after a restart of the server in which no process is taken for gone.
fn restart_grace(settings: &StoreSettings) -> Duration {
    RESTART_GRACE.min(settings.heartbeat_interval())
}

fn lock(absences: &Mutex<Absences>) -> MutexGuard<'_, Absences> {
    absences.lock().unwrap_or_else(PoisonError::into_inner)
}
