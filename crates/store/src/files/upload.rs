//! A recording on its way into the store. The api writes one for each upload; what is not stored vanishes with it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use steno_models::JobId;

use crate::files::data_dir::{create_locked, sync_folder, unlink};
use crate::files::names::{audio_name, part_name};
use crate::{DataDir, FetchedAudio, StoreError};

/// An upload that is being written to `audio/<job_id>.part`. Dropped before [`AudioUpload::store`], it leaves
/// no file. The file is locked (flock) for as long as this or its [`StoredAudio`] lives, so that the orphan scan of
/// another process can distinguish an upload in progress from one whose process died.
#[derive(Debug)]
pub struct AudioUpload {
    job_id: JobId,
    data: DataDir,
    reserve_bytes: u64,
    file: File,
    folder: PathBuf,
    hash: Sha256,
    bytes: u64,
    stored: bool,
}

/// A recording at rest under its final name, not yet named by any row. Dropped before it is submitted, it is unlinked.
#[derive(Debug)]
pub struct StoredAudio {
    pub(crate) job_id: JobId,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
    path: PathBuf,
    /// Keeps the lock until the row is committed.
    _file: File,
    kept: bool,
}

impl AudioUpload {
    /// Opens the file for a new job.
    pub(crate) fn begin(
        data: &DataDir,
        job_id: JobId,
        reserve_bytes: u64,
    ) -> Result<Self, StoreError> {
        let folder = data.audio();
        let path = folder.join(part_name(job_id));
        let file = create_locked(&path)?;
        Ok(Self {
            job_id,
            data: data.clone(),
            reserve_bytes,
            file,
            folder,
            hash: Sha256::new(),
            bytes: 0,
            stored: false,
        })
    }

    /// The id that the job of this recording will have.
    pub fn job_id(&self) -> JobId {
        self.job_id
    }

    /// Appends a chunk. Fails like a write to a full disk where the reserve would not be left.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        let part = self.folder.join(part_name(self.job_id));
        if self.data.free_bytes()? < self.reserve_bytes {
            return Err(StoreError::file("write", part)(
                std::io::ErrorKind::StorageFull.into(),
            ));
        }
        self.file
            .write_all(chunk)
            .map_err(StoreError::file("write", part))?;
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the recording durable under its final name: fsync, rename, fsync of the folder.
    pub fn store(mut self) -> Result<StoredAudio, StoreError> {
        let part = self.folder.join(part_name(self.job_id));
        let name = audio_name(self.job_id);
        let path = self.folder.join(&name);
        self.file
            .sync_all()
            .map_err(StoreError::file("sync", &part))?;
        std::fs::rename(&part, &path).map_err(StoreError::file("rename", &part))?;
        self.stored = true;
        let file = self
            .file
            .try_clone()
            .map_err(StoreError::file("duplicate handle of", &path))?;
        let stored = StoredAudio {
            job_id: self.job_id,
            name,
            bytes: self.bytes,
            sha256: self.hash.clone().finalize().into(),
            path,
            _file: file,
            kept: false,
        };
        sync_folder(&self.folder)?;
        Ok(stored)
    }
}

impl Drop for AudioUpload {
    fn drop(&mut self) {
        if !self.stored {
            // What cannot be unlinked now is found by the orphan scan.
            let _ = unlink(&self.folder.join(part_name(self.job_id)));
        }
    }
}

impl StoredAudio {
    /// What the finish of a `fetch` task stores of it.
    pub fn fetched(&self) -> FetchedAudio {
        FetchedAudio {
            name: self.name.clone(),
            bytes: self.bytes,
            sha256: self.sha256,
        }
    }

    /// A row names the file now, or may do so: it belongs to its job, and the orphan scan checks whether there is one.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for StoredAudio {
    fn drop(&mut self) {
        if !self.kept {
            let _ = unlink(&self.path);
        }
    }
}
