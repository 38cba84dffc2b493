//! A worker process's proof of life: a lock the kernel drops when the process dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use uuid::Uuid;

use crate::files::data_dir::unlink;
use crate::{DataDir, StoreError};

/// One run of a worker process: its random id and its lock on `run/workers/<run_id>.lock`.
///
/// The kernel drops the lock when the process ends, however it ends. Another process that can take the lock knows that
/// this run is dead, at once and without waiting for its lease.
#[derive(Debug)]
pub struct WorkerRun {
    id: String,
    path: PathBuf,
    _lock: File,
}

impl WorkerRun {
    /// Begins a run. The row follows with [`crate::Store::register_run`]; a lock without a row has no effect.
    pub fn begin(data: &DataDir) -> Result<Self, StoreError> {
        let id = Uuid::new_v4().simple().to_string();
        let path = lock_path(data, &id);
        let lock = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::file("create", &path))?;
        lock.lock().map_err(StoreError::file("lock", &path))?;
        Ok(Self {
            id,
            path,
            _lock: lock,
        })
    }

    /// The run's id, 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for WorkerRun {
    fn drop(&mut self) {
        let _ = unlink(&self.path);
    }
}

/// Whether the process of a run is gone. Unlinks what it left.
pub(crate) fn is_dead(data: &DataDir, run_id: &str) -> Result<bool, StoreError> {
    let path = lock_path(data, run_id);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    match lock.try_lock() {
        Ok(()) => unlink(&path).map(|_| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(StoreError::file("lock", path)(error)),
    }
}

fn lock_path(data: &DataDir, run_id: &str) -> PathBuf {
    data.workers().join(format!("{run_id}.lock"))
}
