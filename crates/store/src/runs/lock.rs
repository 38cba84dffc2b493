//! The proof of life on one machine: a lock on a file, which the kernel drops when the process dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::files::data_dir::unlink;
use crate::{DataDir, StoreError};

/// The lock of a run on `run/workers/<run_id>.lock`.
///
/// The kernel drops the lock when the process ends, however it ends. Another process that can take the lock knows that
/// this run is dead, at once and without waiting for its lease.
#[derive(Debug)]
pub(super) struct RunLock {
    path: PathBuf,
    _lock: File,
}

impl RunLock {
    pub(super) fn take(data: &DataDir, run_id: &str) -> Result<Self, StoreError> {
        let path = lock_path(data, run_id);
        let lock = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::file("create", &path))?;
        lock.lock().map_err(StoreError::file("lock", &path))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let _ = unlink(&self.path);
    }
}

/// Whether the lock of a run can be taken, so that its process is gone. Unlinks what it left.
pub(super) fn is_free(data: &DataDir, run_id: &str) -> Result<bool, StoreError> {
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
