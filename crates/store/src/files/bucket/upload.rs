//! A recording on its way into the bucket: each part is sent as soon as it is complete.

use std::io::Write as _;
use std::sync::Arc;

use steno_models::JobId;

use super::object::{NewObject, PART_BYTES};
use super::{Bucket, path_of};
use crate::files::names::{audio_name, part_name};
use crate::tx::JobFiles;
use crate::{Clock as _, StoreError, SystemClock};

/// Age from which a stored recording can no longer become a job, because the scan for orphans soon
/// deletes it.
const TOO_OLD_MS: i64 = super::orphans::LEAST_AGE_MS / 2;

/// A recording that is received.
#[derive(Debug)]
pub(crate) struct BucketUpload {
    object: NewObject,
    /// Bytes in the local file, less than [`PART_BYTES`].
    staged: u64,
}

/// A recording in the bucket that no row names yet. Dropped before [`StoredObject::keep`], it is deleted.
#[derive(Debug)]
pub(crate) struct StoredObject {
    object: NewObject,
    stored_at_ms: i64,
}

impl BucketUpload {
    pub(crate) fn begin(bucket: &Arc<Bucket>, job_id: JobId) -> Result<Self, StoreError> {
        let local = bucket.cache.create(&part_name(job_id))?;
        let path = path_of(JobFiles::Audio, &audio_name(job_id));
        Ok(Self {
            object: NewObject::new(bucket, path, local),
            staged: 0,
        })
    }

    /// Begins another upload in its place.
    pub(crate) fn another(&self, job_id: JobId) -> Result<Self, StoreError> {
        Self::begin(self.object.bucket(), job_id)
    }

    pub(crate) fn write(&mut self, mut chunk: &[u8]) -> Result<(), StoreError> {
        while !chunk.is_empty() {
            let fitting = (PART_BYTES - self.staged).min(chunk.len() as u64) as usize;
            let (now, later) = chunk.split_at(fitting);
            let local = self.object.local();
            if let Err(error) = local.file.write_all(now) {
                return Err(StoreError::file("write", local.path())(error));
            }
            self.staged += now.len() as u64;
            chunk = later;
            if self.staged == PART_BYTES {
                self.object.rewind()?;
                self.object.send_part(&mut || false)?;
                self.empty_local()?;
            }
        }
        Ok(())
    }

    fn empty_local(&mut self) -> Result<(), StoreError> {
        self.staged = 0;
        self.object.rewind()?;
        let local = self.object.local();
        let emptied = local.file.set_len(0);
        emptied.map_err(StoreError::file("empty", local.path()))
    }

    pub(crate) fn store(mut self) -> Result<StoredObject, StoreError> {
        self.object.rewind()?;
        self.object.complete(self.staged, &mut || false)?;
        // From here on, the local file only holds the lock.
        self.empty_local()?;
        Ok(StoredObject {
            object: self.object,
            stored_at_ms: SystemClock.now().boot_ms,
        })
    }
}

impl StoredObject {
    /// Whether it is too late to submit the recording, because this process was stopped for very long.
    pub(crate) fn is_too_old(&self) -> bool {
        SystemClock.now().boot_ms - self.stored_at_ms > TOO_OLD_MS
    }

    pub(crate) fn keep(self) {
        self.object.keep();
    }
}

impl Bucket {
    /// Whether a process of this machine is receiving the recording of a job, or is about to submit it.
    pub(crate) fn is_being_written(&self, job_id: JobId) -> Result<bool, StoreError> {
        self.cache.is_held(&part_name(job_id))
    }
}
