//! Deleting files: those on the `gc` list, and those of ours that no row names.
//!
//! Only regular files with names that Steno gives are ever deleted. Whatever else lies in the
//! folders is left alone, and `check` reports it.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::files::data_dir::{sync_folder, unlink};
use crate::files::names::{is_audio_name, is_spool_name};
use crate::sqlite::JobFiles;
use crate::{Store, StoreError};

/// A folder of files that belong to jobs.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Which files they are.
    pub(crate) files: JobFiles,
    is_ours: fn(&OsStr) -> bool,
}

/// A file with a name that Steno gives, or any other entry.
pub(crate) enum Entry {
    Ours(PathBuf),
    Foreign(PathBuf),
}

impl Folder {
    /// Everything in the folder. Never follows a link.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(StoreError::file("list", &self.path))? {
            let entry = entry.map_err(StoreError::file("list", &self.path))?;
            let is_file = match entry.file_type() {
                Ok(kind) => kind.is_file(),
                // It was deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::file("inspect", entry.path())(error)),
            };
            let is_ours = is_file && (self.is_ours)(&entry.file_name());
            entries.push(if is_ours {
                Entry::Ours(entry.path())
            } else {
                Entry::Foreign(entry.path())
            });
        }
        Ok(entries)
    }
}

impl Store {
    /// The folders whose files belong to jobs.
    pub(crate) fn job_folders(&self) -> [Folder; 2] {
        [
            Folder {
                path: self.data.audio(),
                files: JobFiles::Audio,
                is_ours: is_audio_name,
            },
            Folder {
                path: self.data.spool(),
                files: JobFiles::Spool,
                is_ours: is_spool_name,
            },
        ]
    }

    /// Unlinks the files on the list, makes that durable, then takes them off the list. Done again
    /// after a crash. A file that cannot be unlinked stays on the list and keeps no other there.
    pub(crate) fn delete_files(&self) -> Result<(), StoreError> {
        let paths = self.read(|tx| tx.list_gc())?;
        if paths.is_empty() {
            return Ok(());
        }

        let mut failed = None;
        let mut deleted = Vec::with_capacity(paths.len());
        for path in paths {
            match unlink(&self.data.root().join(&path)) {
                Ok(_) => deleted.push(path),
                Err(error) => failed = Some(error),
            }
        }
        sync_folder(&self.data.audio())?;
        sync_folder(&self.data.spool())?;
        self.write(|tx, _| {
            for path in &deleted {
                tx.delete_gc(path)?;
            }
            Ok(())
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Unlinks files of ours that no row names: an upload whose api died, a spool whose worker died.
    /// Adds them to `orphans`. One that cannot be looked at is reported and left.
    pub(crate) fn delete_orphans(&self, orphans: &mut u32) -> Result<(), StoreError> {
        let mut failed = None;
        for folder in self.job_folders() {
            let candidates = match self.unnamed_files(&folder) {
                Ok(candidates) => candidates,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            for path in candidates {
                match self.delete_if_orphan(&path, folder.files) {
                    Ok(was_orphan) => *orphans += u32::from(was_orphan),
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn delete_if_orphan(&self, path: &Path, files: JobFiles) -> Result<bool, StoreError> {
        // The lock first, the rows second: its writer holds the lock until the row is committed.
        let Some(_lock) = lock_if_abandoned(path)? else {
            return Ok(false);
        };
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if self.read(|tx| tx.is_needed(files, name))? {
            return Ok(false);
        }
        unlink(path)
    }

    fn unnamed_files(&self, folder: &Folder) -> Result<Vec<PathBuf>, StoreError> {
        let entries = folder.entries()?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let needed = self.read(|tx| tx.needed_names(folder.files))?;
        let is_needed = |path: &Path| {
            let name = path.file_name().and_then(OsStr::to_str);
            name.is_some_and(|name| needed.contains(name))
        };
        let ours = entries.into_iter().filter_map(|entry| match entry {
            Entry::Ours(path) => Some(path),
            Entry::Foreign(_) => None,
        });
        Ok(ours.filter(|path| !is_needed(path)).collect())
    }
}

/// The file's lock, if no living process holds it. Reading a recording takes no lock.
fn lock_if_abandoned(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Another sweep was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::file("lock", path)(error)),
    }
}
