//! The decoded audio of a job while a worker writes it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::data_dir::{create_locked, spool_name, sync_folder, unlink};
use crate::{Claim, DataDir, StoreError, ballast};

/// A spool file of one claim, empty at first. Locked (flock) while this lives, so that the orphan scan leaves it alone
/// until a row names it. Unlinked when dropped, unless [`SpoolFile::keep`] was called.
///
/// Its name carries the claim: a worker that was thought dead and still writes spoils nobody's spool.
#[derive(Debug)]
pub struct SpoolFile {
    name: String,
    path: PathBuf,
    /// Holds the lock.
    file: File,
    kept: bool,
}

impl SpoolFile {
    /// Creates the file for a `prepare` claim. Fails as a full disk does where it is nearly full: the room that is left is for
    /// jobs to end in.
    pub fn create(data: &DataDir, claim: &Claim) -> Result<Self, StoreError> {
        ballast::require_room(data)?;
        let name = spool_name(claim.job_id, claim.id);
        let path = data.spool().join(&name);
        let file = create_locked(&path)?;
        Ok(Self {
            name,
            path,
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
    pub fn sync(&self, data: &DataDir) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(StoreError::file("sync", &self.path))?;
        sync_folder(&data.spool())
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
