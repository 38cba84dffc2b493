//! The decoded audio of a job while a worker writes it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::files::ballast;
use crate::files::data_dir::{create_locked, sync_folder, unlink};
use crate::files::names::spool_name;
use crate::{Claim, DataDir, StoreError, TaskInput};

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
    /// Holds the lock.
    file: File,
    kept: bool,
}

impl SpoolFile {
    /// Creates the file for a `prepare` claim.
    ///
    /// Fails like a write to a full disk where the decoded recording would probably leave too little free space: jobs need
    /// it to end.
    pub fn create(data: &DataDir, claim: &Claim, room: SpoolRoom) -> Result<Self, StoreError> {
        let expected_bytes = expected_bytes(data, claim)?.min(room.most_bytes);
        let needed_bytes = room.reserve_bytes.saturating_add(expected_bytes);
        ballast::require_free_space(data, needed_bytes)?;
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

/// The size that the decoded recording of a claim probably has at most.
fn expected_bytes(data: &DataDir, claim: &Claim) -> Result<u64, StoreError> {
    let TaskInput::Prepare { audio } = &claim.task else {
        return Ok(0);
    };
    let path = data.audio().join(audio);
    let recording = std::fs::metadata(&path).map_err(StoreError::file("inspect", path))?;
    Ok(recording.len().saturating_mul(EXPANSION))
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be unlinked now is found by the orphan scan.
            let _ = unlink(&self.path);
        }
    }
}
