//! A recording on its way into the folder: `audio/<job_id>.part`, which is renamed when it is complete.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use steno_models::JobId;

use super::Folder;
use crate::StoreError;
use crate::files::data_dir::{create_locked, sync_folder, unlink};
use crate::files::names::{audio_name, part_name};
use crate::tx::JobFiles;

/// A recording that is received. Dropped before [`FolderUpload::store`], it leaves no file.
#[derive(Debug)]
pub(crate) struct FolderUpload {
    part: PathBuf,
    path: PathBuf,
    folder: PathBuf,
    /// Holds the lock. `None` once it is stored.
    file: Option<File>,
}

/// A recording in the folder that no row names yet. Dropped before [`StoredFile::keep`], it is unlinked.
#[derive(Debug)]
pub(crate) struct StoredFile {
    path: PathBuf,
    /// Keeps the lock until the row is committed.
    _file: File,
    is_kept: bool,
}

impl FolderUpload {
    pub(crate) fn begin(folder: &Folder, job_id: JobId) -> Result<Self, StoreError> {
        let part = folder.path(JobFiles::Audio, &part_name(job_id));
        let file = create_locked(&part)?;
        Ok(Self {
            part,
            path: folder.path(JobFiles::Audio, &audio_name(job_id)),
            folder: folder.of(JobFiles::Audio),
            file: Some(file),
        })
    }

    pub(crate) fn write(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(chunk)
            .map_err(StoreError::file("write", &self.part))
    }

    /// Makes it durable under its final name: fsync, rename, fsync of the folder.
    pub(crate) fn store(mut self) -> Result<StoredFile, StoreError> {
        if let Some(file) = &self.file {
            file.sync_all()
                .map_err(StoreError::file("sync", &self.part))?;
        }
        std::fs::rename(&self.part, &self.path).map_err(StoreError::file("rename", &self.part))?;
        let file = self
            .file
            .take()
            .expect("the file is taken here alone, and this takes the upload");
        let stored = StoredFile {
            path: self.path.clone(),
            _file: file,
            is_kept: false,
        };
        sync_folder(&self.folder)?;
        Ok(stored)
    }
}

impl Drop for FolderUpload {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What cannot be unlinked now is found by the orphan scan.
            let _ = unlink(&self.part);
        }
    }
}

impl StoredFile {
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for StoredFile {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = unlink(&self.path);
        }
    }
}
