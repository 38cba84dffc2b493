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
    /// Whether the file has the name under which a later attempt looks for it.
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

    /// Opens the file of a download, with the bytes of an earlier attempt, or creates it. If a process that has lost its claim still
    /// writes that file, a file of another name is created.
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

    /// Passes all bytes to `take`. Later writes append to them.
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

    /// Ends the download and keeps its bytes, if a later attempt can find them.
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

/// The file of an unfinished download.
enum Part {
    Absent,
    /// A living process writes it.
    Held,
    /// Its process has ended. This process has the lock now.
    Free(File),
}

fn open_abandoned(path: &Path) -> Result<Part, StoreError> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Part::Absent),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    lock_abandoned(file, path)
}

/// Locks a file that was opened at `path`, unless another process has the lock.
fn lock_abandoned(file: File, path: &Path) -> Result<Part, StoreError> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Part::Held),
        Err(TryLockError::Error(error)) => return Err(StoreError::file("lock", path)(error)),
    }

    // Between opening and locking, the orphan scan may have unlinked the file, or its process may have renamed it to its final name.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a file that was opened to continue a download, if `meanwhile` happens to it before it is locked.
    fn locked_after(meanwhile: impl FnOnce(&Path)) -> Part {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.fetched.part");
        std::fs::write(&path, "RIFF").unwrap();
        let file = File::open(&path).unwrap();
        meanwhile(&path);
        lock_abandoned(file, &path).unwrap()
    }

    #[test]
    fn a_file_that_left_its_name_before_it_was_locked_is_not_continued() {
        let renamed = |path: &Path| std::fs::rename(path, path.with_extension("")).unwrap();
        assert!(matches!(locked_after(renamed), Part::Absent));

        let replaced = |path: &Path| {
            renamed(path);
            std::fs::write(path, "RIFF").unwrap();
        };
        assert!(matches!(locked_after(replaced), Part::Absent));

        let deleted = |path: &Path| std::fs::remove_file(path).unwrap();
        assert!(matches!(locked_after(deleted), Part::Absent));
        assert!(matches!(locked_after(|_| ()), Part::Free(_)));
    }
}
