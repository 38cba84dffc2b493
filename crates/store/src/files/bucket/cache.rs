//! The folder for files on their way to the bucket or from it: at most one part of each upload, and
//! the recordings and spools that slots of this machine work on. The courier has a folder of its own,
//! because it must not read what others have on its way. Each file is locked (flock) while
//! its process lives, and deleted when the process no longer needs it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Bucket, path_of};
use crate::files::access::FileAccess;
use crate::files::data_dir::{create_folder, create_locked, make_private, unlink};
use crate::files::folder::{is_locked, lock_if_abandoned};
use crate::files::names::{CacheName, note_name};
use crate::tx::JobFiles;
use crate::{DataDir, StoreError};

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    /// The courier's folder, if this process is another one. It sweeps that too.
    incoming: Option<PathBuf>,
}

/// A file in the folder. Deleted when dropped, unless it is left.
#[derive(Debug)]
pub(super) struct CacheFile {
    path: PathBuf,
    /// Holds the lock.
    pub(super) file: File,
    /// Whether it is left to a sweep.
    is_left: bool,
}

impl Cache {
    pub(super) fn in_folder(data: &DataDir) -> Result<Self, StoreError> {
        let (folder, incoming) = match data.access() {
            FileAccess::All => (data.cache(), Some(data.incoming())),
            FileAccess::Downloads => (data.incoming(), None),
        };
        create_folder(&folder)?;
        make_private(&folder)?;
        Ok(Self { folder, incoming })
    }

    pub(super) fn create(&self, name: &str) -> Result<CacheFile, StoreError> {
        let path = self.folder.join(name);
        let file = create_locked(&path)?;
        Ok(CacheFile {
            path,
            file,
            is_left: false,
        })
    }

    /// Whether a living process holds the file of this name.
    pub(super) fn is_held(&self, name: &str) -> Result<bool, StoreError> {
        is_locked(&self.folder.join(name))
    }
}

impl CacheFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it to a sweep when it is dropped. A sweep finds it unlocked then.
    pub(super) fn leave(&mut self) {
        self.is_left = true;
    }

    /// Deletes it now, although it was to be left.
    pub(super) fn delete(mut self) {
        self.is_left = false;
    }

    /// Notes the multipart upload that this file's process has begun, so that it is aborted if the process dies.
    pub(super) fn note_multipart(&self, id: &str) -> Result<(), StoreError> {
        let note = note_name(&self.path);
        fs::write(&note, id).map_err(StoreError::file("write", note))
    }

    /// Forgets the multipart upload: it is complete.
    pub(super) fn forget_multipart(&self) -> Result<(), StoreError> {
        unlink(&note_name(&self.path)).map(drop)
    }
}

impl Drop for CacheFile {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        // The note first: without its file, no sweep would find it. A sweep finds what cannot be
        // unlinked now.
        if unlink(&note_name(&self.path)).is_ok() {
            let _ = unlink(&self.path);
        }
    }
}

impl Bucket {
    /// Deletes files whose process died, and what that process has left in the bucket. Adds them to `swept`.
    pub(crate) fn sweep_cache(
        &self,
        swept: &mut u32,
        is_needed: impl Fn(JobFiles, &str) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.sweep_folder(&self.cache.folder, swept, &is_needed)?;
        match &self.cache.incoming {
            Some(incoming) => self.sweep_folder(incoming, swept, &is_needed),
            None => Ok(()),
        }
    }

    fn sweep_folder(
        &self,
        folder: &Path,
        swept: &mut u32,
        is_needed: &impl Fn(JobFiles, &str) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut failed = None;
        for entry in fs::read_dir(folder).map_err(StoreError::file("list", folder))? {
            let path = entry.map_err(StoreError::file("list", folder))?.path();
            let name = path.file_name().unwrap_or_default();
            let Some(name) = name.to_str().and_then(CacheName::parse) else {
                continue;
            };
            // Local copies are deleted even if the storage does not answer.
            if failed.is_some() && name != CacheName::Recording {
                continue;
            }
            match self.sweep_file(&path, &name, is_needed) {
                Ok(was_abandoned) => *swept += u32::from(was_abandoned),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn sweep_file(
        &self,
        path: &Path,
        name: &CacheName,
        is_needed: impl Fn(JobFiles, &str) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        // Take the lock before reading the rows: the process holds it until the row is committed.
        let Some(_lock) = lock_if_abandoned(path)? else {
            return Ok(false);
        };
        let (files, object) = match name {
            CacheName::Upload(object) => (JobFiles::Audio, object),
            CacheName::Spool(object) => (JobFiles::Spool, object),
            CacheName::Recording => return unlink(path),
        };

        let note = note_name(path);
        match fs::read_to_string(&note) {
            Ok(id) => self.abort_if_unfinished(&path_of(files, object), &id)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::file("read", note)(error)),
        }
        if !is_needed(files, object)? {
            let path = path_of(files, object);
            self.run_briefly("delete", &path, self.delete_object(&path))?;
        }
        unlink(&note)?;
        unlink(path)
    }
}
