//! Room that is kept for a full disk: a file that is given up when a job could otherwise neither end nor be deleted.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FallocateFlags;

use crate::data_dir::unlink;
use crate::{DataDir, StoreError};

/// Enough for the write-ahead log of some deletions, each of which frees more than it needs.
const BALLAST_BYTES: u64 = 8 << 20;
/// It is made only where that leaves room for recordings.
const SHARE_OF_FREE_SPACE: u64 = 4;

/// Makes the file if it is missing and there is room.
pub(crate) fn keep(data: &DataDir) -> Result<(), StoreError> {
    let path = data.ballast();
    let has_ballast = path.metadata().is_ok_and(|file| file.len() >= BALLAST_BYTES);
    if has_ballast || data.free_bytes()? < BALLAST_BYTES * SHARE_OF_FREE_SPACE {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(StoreError::file("create", &path))?;
    if let Err(error) = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, BALLAST_BYTES) {
        // Some file systems cannot reserve. Without the ballast, jobs end when there is room again.
        tracing::debug!("no ballast: {error}");
        unlink(&path)?;
    }
    Ok(())
}

/// Gives its room up. Whether there was any.
pub(crate) fn drop(data: &DataDir) -> bool {
    unlink(&data.ballast()).unwrap_or(false)
}
