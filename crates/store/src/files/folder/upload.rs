//! A recording on its way into the folder: `audio/<job_id>.part`, or `incoming/<job_id>.fetched.part`, which is renamed when it is
//! complete.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use steno_models::JobId;

use super::Folder;
use crate::StoreError;
use crate::files::data_dir::{create_locked, sync_folder, unlink};
use crate::files::names::{audio_name, fetched_name, fetched_part_name, part_name};
use crate::tx::JobFiles;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 16;

/// A recording that is received. Dropped before [`FolderUpload::store`], it leaves no file.
#[derive(Debug)]
pub(crate) struct FolderUpload {
    part: PathBuf,
    path: PathBuf,
    folder: PathBuf,
    /// Whether a later attempt looks for it under this name.
    can_be_continued: bool,
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
            can_be_continued: false,
            file: Some(file),
        })
    }

    /// Opens what an earlier process has left of the recording of a job that is fetched, or begins it. Uses another name while a
    /// process that has lost its claim still writes the usual file.
    pub(crate) fn begin_download(
        folder: &Folder,
        job_id: JobId,
        new_id: JobId,
    ) -> Result<Self, StoreError> {
        let in_incoming = |name: &str| folder.path(JobFiles::Audio, name);
        let usual = in_incoming(&fetched_part_name(job_id));
        let found = open_abandoned(&usual)?;
        let can_be_continued = !matches!(found, Part::Held);
        let (part, file) = match found {
            Part::Free(file) => (usual, file),
            Part::Absent => (usual.clone(), create_locked(&usual)?),
            Part::Held => {
                let own = in_incoming(&fetched_part_name(new_id));
                (own.clone(), create_locked(&own)?)
            }
        };
        Ok(Self {
            part,
            path: in_incoming(&fetched_name(new_id)),
            folder: folder.incoming(),
            can_be_continued,
            file: Some(file),
        })
    }

    /// Gives `take` all bytes from the start; writes go behind them.
    pub(crate) fn read_back(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), StoreError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut buffer = vec![0; READ_BYTES];
        file.rewind()
            .map_err(StoreError::file("read", &self.part))?;
        loop {
            let read = file
                .read(&mut buffer)
                .map_err(StoreError::file("read", &self.part))?;
            if read == 0 {
                return Ok(());
            }
            take(&buffer[..read]);
        }
    }

    /// Drops what is there.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.set_len(0)
            .and_then(|()| file.rewind())
            .map_err(StoreError::file("empty", &self.part))
    }

    /// Whether a later attempt finds its bytes.
    pub(crate) fn can_be_continued(&self) -> bool {
        self.can_be_continued
    }

    /// Leaves what is there to a process that goes on with it, or to the orphan scan.
    pub(crate) fn leave(mut self) {
        if self.can_be_continued {
            self.file = None;
        }
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

/// A file that is to be written on.
enum Part {
    Absent,
    /// A living process writes it.
    Held,
    /// Its process has ended. Locked now.
    Free(File),
}

fn open_abandoned(path: &Path) -> Result<Part, StoreError> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Part::Absent),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Part::Held),
        Err(TryLockError::Error(error)) => return Err(StoreError::file("lock", path)(error)),
    }

    // Before the lock was taken, the orphan scan may have unlinked it, or its process may have given it its final name.
    let locked = file.metadata().map_err(StoreError::file("inspect", path))?;
    let is_still_there = match path.metadata() {
        Ok(named) => (named.dev(), named.ino()) == (locked.dev(), locked.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(StoreError::file("inspect", path)(error)),
    };
    Ok(if is_still_there {
        Part::Free(file)
    } else {
        Part::Absent
    })
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
