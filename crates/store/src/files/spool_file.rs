//! The decoded audio of a job while a worker writes it.

use std::path::{Path, PathBuf};

use super::Place;
use super::ballast;
use super::bucket::BucketSpool;
use super::folder::FolderSpool;
use super::names::spool_name;
use crate::{Claim, StoreError};

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

/// A spool of one claim, a file of this machine that is empty at first. Locked (flock) while this lives, so that the orphan scan
/// leaves it alone until a row names it. Deleted when dropped, unless [`SpoolFile::keep`] was called.
///
/// Its name carries the claim: a worker that was considered dead and still writes cannot damage another spool.
#[derive(Debug)]
pub struct SpoolFile {
    name: String,
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Folder(FolderSpool),
    Bucket(BucketSpool),
}

impl SpoolFile {
    /// `folder` is where free space is needed.
    pub(super) fn create(
        place: &Place,
        folder: &Path,
        claim: &Claim,
        recording_bytes: u64,
        room: SpoolRoom,
    ) -> Result<Self, StoreError> {
        let expected_bytes = recording_bytes
            .saturating_mul(EXPANSION)
            .min(room.most_bytes);
        let needed_bytes = room.reserve_bytes.saturating_add(expected_bytes);
        ballast::require_free_space(folder, needed_bytes)?;

        let name = spool_name(claim.job_id, claim.id);
        let (path, target) = match place {
            Place::Folder(folder) => {
                let spool = FolderSpool::create(folder, &name)?;
                (spool.path().to_owned(), Target::Folder(spool))
            }
            Place::Bucket(bucket) => {
                let mut spool = BucketSpool::create(bucket, &name)?;
                (spool.path().to_owned(), Target::Bucket(spool))
            }
        };
        Ok(Self { name, path, target })
    }

    /// Its name, for [`crate::Prepared`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the spool durable, and readable for every worker. Call it before a row names the
    /// spool: its spans are read from it as long as the job lives. Fails with
    /// [`StoreError::Stopped`] if it is asked to stop.
    pub fn store(&mut self, should_stop: &mut dyn FnMut() -> bool) -> Result<(), StoreError> {
        match &mut self.target {
            Target::Folder(spool) => spool.sync(),
            Target::Bucket(spool) => spool.send(should_stop),
        }
    }

    /// A row names the spool now, or may name it: it belongs to its job.
    pub fn keep(self) {
        match self.target {
            Target::Folder(spool) => spool.keep(),
            Target::Bucket(spool) => spool.keep(),
        }
    }
}
