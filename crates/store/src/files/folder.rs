//! Files of jobs in a folder: the data folder, or another one. Locks (flock) tell a file in progress from one whose process died.
//!
//! Uploaded recordings are in `audio/`, decoded ones in `spool/`. Recordings that the courier has fetched are in `incoming/`, so that
//! it needs no access to the others. Outside this module, both kinds are [`JobFiles::Audio`]; their names tell them apart.

mod spool;
mod upload;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use steno_models::JobId;

use super::access::FileAccess;
use super::data_dir::{create_folder, make_private, sync_folder, unlink};
use super::names::{
    INCOMING, audio_name, fetched_part_name, is_audio_name, is_fetched, is_spool_name, part_name,
};
use super::{Deleted, Entry};
use crate::tx::JobFiles;
use crate::{DataDir, StoreError};

pub(crate) use spool::FolderSpool;
pub(crate) use upload::{FolderUpload, StoredFile};

/// A folder as the place of files.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The data folder itself.
    pub(crate) fn of_data(data: &DataDir) -> Self {
        Self {
            root: data.root().to_owned(),
        }
    }

    /// Another folder. What `access` reaches in it is made private.
    pub(crate) fn at(root: &Path, access: FileAccess) -> Result<Self, StoreError> {
        let folder = Self {
            root: root.to_owned(),
        };
        create_folder(root)?;
        let paths = match access {
            FileAccess::All => folder.folders(),
            FileAccess::Downloads => vec![folder.incoming()],
        };
        for path in paths {
            create_folder(&path)?;
            make_private(&path)?;
        }
        Ok(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of this name is.
    pub(crate) fn path(&self, files: JobFiles, name: &str) -> PathBuf {
        if files == JobFiles::Audio && is_fetched(name) {
            self.incoming().join(name)
        } else {
            self.of(files).join(name)
        }
    }

    /// Where the file with this path in the `gc` list is.
    pub(crate) fn locate(&self, path: &str) -> PathBuf {
        let recording = path.split_once('/');
        match recording.filter(|(folder, _)| *folder == JobFiles::Audio.folder()) {
            Some((_, name)) => self.path(JobFiles::Audio, name),
            None => self.root.join(path),
        }
    }

    /// The folder of such files, except fetched recordings.
    pub(crate) fn of(&self, files: JobFiles) -> PathBuf {
        self.root.join(files.folder())
    }

    /// The folder of fetched recordings.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.incoming()];
        folders.extend(JobFiles::ALL.map(|files| self.of(files)));
        folders
    }

    /// All such files, and whatever else is in their folders. Never follows a link.
    pub(crate) fn list(&self, files: JobFiles) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.entries(&self.of(files), files)?;
        if files == JobFiles::Audio {
            entries.extend(self.entries(&self.incoming(), files)?);
        }
        Ok(entries)
    }

    fn entries(&self, folder: &Path, files: JobFiles) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(StoreError::file("list", folder))? {
            let entry = entry.map_err(StoreError::file("list", folder))?;
            let is_file = match entry.file_type() {
                Ok(kind) => kind.is_file(),
                // It was deleted meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::file("inspect", entry.path())(error)),
            };
            let name = entry.file_name().into_string();
            entries.push(match name {
                Ok(name)
                    if is_file
                        && is_ours(files, &name)
                        && self.path(files, &name) == entry.path() =>
                {
                    Entry::Ours(name)
                }
                _ => Entry::Foreign(entry.path().display().to_string()),
            });
        }
        Ok(entries)
    }

    /// A file that cannot be unlinked does not stop the others.
    pub(crate) fn delete(&self, paths: Vec<String>) -> Result<Deleted, StoreError> {
        let mut deleted = Deleted::default();
        let mut changed = BTreeSet::new();
        for path in paths {
            match self.unlink(&path) {
                Ok(()) => {
                    changed.extend(self.locate(&path).parent().map(Path::to_owned));
                    deleted.paths.push(path);
                }
                Err(error) => deleted.failed = Some(error),
            }
        }
        // The others may be hidden from this process.
        for folder in changed {
            sync_folder(&folder)?;
        }
        Ok(deleted)
    }

    fn unlink(&self, path: &str) -> Result<(), StoreError> {
        let path = self.locate(path);
        unlink(&path)?;
        if let Some(part) = part_of_fetched(&path) {
            unlink(&part)?;
        }
        Ok(())
    }

    pub(crate) fn delete_if_abandoned(
        &self,
        files: JobFiles,
        name: &str,
        is_needed: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let path = self.path(files, name);
        // Take the lock before reading the rows: the writer holds it until the row is committed.
        let Some(_lock) = lock_if_abandoned(&path)? else {
            return Ok(false);
        };
        if is_needed()? {
            return Ok(false);
        }
        unlink(&path)
    }

    pub(crate) fn is_being_written(&self, job_id: JobId) -> Result<bool, StoreError> {
        for name in [part_name(job_id), audio_name(job_id)] {
            if is_locked(&self.path(JobFiles::Audio, &name))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn exists(&self, path: &str) -> Result<bool, StoreError> {
        let path = self.locate(path);
        path.try_exists()
            .map_err(StoreError::file("inspect", &path))
    }

    /// Size of a spool, 0 if it is not there.
    pub(crate) fn spool_bytes(&self, name: &str) -> Result<u64, StoreError> {
        let path = self.path(JobFiles::Spool, name);
        match fs::metadata(&path) {
            Ok(spool) => Ok(spool.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StoreError::file("inspect", path)(error)),
        }
    }

    pub(crate) fn why_unreadable(&self, files: JobFiles, name: &str) -> Option<String> {
        let path = self.path(files, name);
        match File::open(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Some(format!("{} cannot be read ({error})", path.display()))
            }
            _ => None,
        }
    }

    pub(crate) fn copy_to(&self, path: &str, target: &Path) -> Result<bool, StoreError> {
        let from = self.locate(path);
        match copy_durably(&from, target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::file("copy", from)(error)),
        }
    }
}

/// The path of the unfinished download, from the path of the fetched recording. `None` for an uploaded recording.
fn part_of_fetched(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let job_id = name.split('.').next()?.parse().ok()?;

    is_fetched(name).then(|| path.with_file_name(fetched_part_name(job_id)))
}

/// Whether Steno gives such names to files of this kind.
pub(crate) fn is_ours(files: JobFiles, name: &str) -> bool {
    let name = OsStr::new(name);
    match files {
        JobFiles::Audio => is_audio_name(name),
        JobFiles::Spool => is_spool_name(name),
    }
}

/// The file's lock, if no living process holds it. Reading a recording takes no lock.
pub(crate) fn lock_if_abandoned(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Another sweep was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::file("lock", path)(error)),
    }
}

/// Whether a living process holds the lock of a file.
pub(crate) fn is_locked(path: &Path) -> Result<bool, StoreError> {
    let is_there = path
        .try_exists()
        .map_err(StoreError::file("inspect", path))?;
    // A file that was deleted in between is not locked either; the next sweep sees that.
    Ok(is_there && lock_if_abandoned(path)?.is_none())
}

/// `io::copy` uses `copy_file_range(2)`, which shares blocks where the file system can.
fn copy_durably(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut original = File::open(from)?;
    let mut copy = open_private(to)?;
    std::io::copy(&mut original, &mut copy)?;
    copy.sync_all()
}

/// Creates an empty file that its owner alone can read.
pub(crate) fn create_private(path: &Path) -> Result<File, StoreError> {
    open_private(path).map_err(StoreError::file("create", path))
}

fn open_private(path: &Path) -> std::io::Result<File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}
