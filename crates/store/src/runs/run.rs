//! [`WorkerRun`]: one run of a process that claims tasks.

use uuid::Uuid;

use super::lock::RunLock;
use crate::postgres::session::SessionProof;
use crate::{Store, StoreError};

/// One run of a process that claims tasks: its random id, and the proof for other processes that it
/// lives.
#[derive(Debug)]
pub struct WorkerRun {
    id: String,
    _proof: Proof,
}

/// The proof of life, which ends with the process of the run, however it ends.
#[derive(Debug)]
pub(super) enum Proof {
    /// A lock on a file.
    Lock(#[expect(dead_code, reason = "it is held, not read")] RunLock),
    /// The connections of the process to the database.
    Session(#[expect(dead_code, reason = "it is held, not read")] SessionProof),
}

impl WorkerRun {
    /// The run's id, 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Store {
    /// Begins a run. Its row follows with [`Store::register_run`]; a proof of life without a row has no effect.
    pub fn begin_run(&self) -> Result<WorkerRun, StoreError> {
        let id = Uuid::new_v4().simple().to_string();
        let proof = self.liveness.prove(&id)?;
        Ok(WorkerRun { id, _proof: proof })
    }
}
