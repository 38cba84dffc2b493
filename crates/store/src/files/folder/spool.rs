//! A spool that is written to the folder, where it stays.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Folder;
use crate::StoreError;
use crate::files::data_dir::{create_locked, sync_folder, unlink};
use crate::tx::JobFiles;

/// A spool that is being written. Unlinked when dropped, unless [`FolderSpool::keep`] was called.
#[derive(Debug)]
pub(crate) struct FolderSpool {
    path: PathBuf,
    folder: PathBuf,
    /// Holds the lock.
    file: File,
    is_kept: bool,
}

impl FolderSpool {
    pub(crate) fn create(folder: &Folder, name: &str) -> Result<Self, StoreError> {
        let path = folder.path(JobFiles::Spool, name);
        let file = create_locked(&path)?;
        Ok(Self {
            path,
            folder: folder.of(JobFiles::Spool),
            file,
            is_kept: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(StoreError::file("sync", &self.path))?;
        sync_folder(&self.folder)
    }

    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for FolderSpool {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be unlinked now is found by the orphan scan.
            let _ = unlink(&self.path);
        }
    }
}
