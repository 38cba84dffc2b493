//! Room that is kept for a full disk: a file that is given up, piece by piece, when a job could otherwise neither end nor be deleted.
//! In pieces, because others may take what is given: who only makes the disk fuller stops at the first, who makes room goes on.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

use crate::files::data_dir::{free_bytes, unlink};
use crate::{DataDir, StoreError};

/// Enough for the write-ahead log of some deletions, each of which frees more than it needs.
const BALLAST_BYTES: u64 = 8 << 20;
const PIECE_BYTES: u64 = 1 << 20;
/// It is made only where that leaves room for recordings.
const SHARE_OF_FREE_SPACE: u64 = 4;

/// Makes the file if it is missing and there is room.
pub(crate) fn keep(data: &DataDir) -> Result<(), StoreError> {
    let path = data.ballast();
    let has_ballast = path
        .metadata()
        .is_ok_and(|file| file.len() >= BALLAST_BYTES);
    if has_ballast || data.free_bytes()? < BALLAST_BYTES * SHARE_OF_FREE_SPACE {
        return Ok(());
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(StoreError::file("create", &path))?;
    if let Err(error) = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, BALLAST_BYTES) {
        // Some file systems cannot reserve. Without the ballast, jobs end when there is room again.
        tracing::debug!("no ballast: {error}");
        unlink(&path)?;
    }
    Ok(())
}

/// Gives up a piece of it. Whether there was any.
pub(crate) fn give_up_piece(data: &DataDir) -> bool {
    let path = data.ballast();
    let Ok(file) = OpenOptions::new().write(true).open(&path) else {
        return false;
    };
    let length = file.metadata().map_or(0, |file| file.len());
    length > 0 && file.set_len(length.saturating_sub(PIECE_BYTES)).is_ok()
}

/// Fails like a write to a full disk where less than `bytes` are free, or less than the ballast: for work that can wait.
pub(crate) fn require_free_space(folder: &Path, bytes: u64) -> Result<(), StoreError> {
    if free_bytes(folder)? < bytes.max(BALLAST_BYTES) {
        return Err(StoreError::file("write to", folder)(
            ErrorKind::StorageFull.into(),
        ));
    }
    Ok(())
}
