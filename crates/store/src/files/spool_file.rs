//! The decoded audio of a job while a worker writes it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::files::ballast;
use crate::files::data_dir::{create_locked, sync_folder, unlink};
use crate::files::names::spool_name;
use crate::{Claim, DataDir, StoreError};

/// How many times larger than the recording its decoded audio probably is at most: speech in Opus at 8 kbit/s grows 32 times.
const EXPANSION: u64 = 32;

/// What a spool may take of the disk.
#[derive(Clone, Copy, Debug)]
pub struct SpoolRoom {
    /// Free space that has to be left.
    pub reserve_bytes: u64,
    /// The largest spool that the limits on recordings allow.
    pub most_bytes: u64,
}

/// A spool file of one claim, empty at first. Locked (flock) while this lives, so that the orphan scan leaves it alone
/// until a row names it. Unlinked when dropped, unless [`SpoolFile::keep`] was called.
///
/// Its name carries the claim: a worker that was considered dead and still writes cannot damage another spool.
#[derive(Debug)]
pub struct SpoolFile {
    name: String,
    path: PathBuf,
    folder: PathBuf,
    /// Holds the lock.
    file: File,
    kept: bool,
}

impl SpoolFile {
    pub(crate) fn create(
        data: &DataDir,
        claim: &Claim,
        recording_bytes: u64,
        room: SpoolRoom,
    ) -> Result<Self, StoreError> {
        let expected_bytes = recording_bytes
            .saturating_mul(EXPANSION)
            .min(room.most_bytes);
        let needed_bytes = room.reserve_bytes.saturating_add(expected_bytes);
        ballast::require_free_space(data, needed_bytes)?;
        let name = spool_name(claim.job_id, claim.id);
        let folder = data.spool();
        let path = folder.join(&name);
        let file = create_locked(&path)?;
        Ok(Self {
            name,
            path,
            folder,
            file,
            kept: false,
        })
    }

    /// Name in `spool/`, for [`crate::Prepared`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what was written survive power loss. Before a row names the file: its spans are read from it as long as the job lives.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(StoreError::file("sync", &self.path))?;
        sync_folder(&self.folder)
    }

    /// A row names the file now, or may do so: it belongs to its job.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be unlinked now is found by the orphan scan.
            let _ = unlink(&self.path);
        }
    }
}
