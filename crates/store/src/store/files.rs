//! Deleting files: those on the `gc` list, and those of ours that no row names.
//!
//! Only regular files with names that Steno gives are ever deleted. Whatever else lies in the
//! folders is left alone, and `check` reports it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::named_params;

use super::Store;
use crate::StoreError;
use crate::data_dir::{is_audio_name, is_spool_name, sync_folder, unlink};

/// A folder of files that belong to jobs.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Its name in the data folder, as in the `gc` list.
    pub(super) name: &'static str,
    /// Query for the names that unfinished jobs need; with `:name`, only that one.
    needed: &'static str,
    is_ours: fn(&OsStr) -> bool,
}

/// A file with a name that Steno gives, or any other entry.
pub(super) enum Entry {
    Ours(PathBuf),
    Foreign(PathBuf),
}

impl Folder {
    /// Everything in the folder. Never follows a link.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, StoreError> {
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
    pub(super) fn job_folders(&self) -> [Folder; 2] {
        [
            Folder {
                path: self.data.audio(),
                name: "audio",
                needed: include_str!("../sql/select_audio_names.sql"),
                is_ours: is_audio_name,
            },
            Folder {
                path: self.data.spool(),
                name: "spool",
                needed: include_str!("../sql/select_spool_names.sql"),
                is_ours: is_spool_name,
            },
        ]
    }

    /// Unlinks the files on the list, makes that durable, then takes them off the list. Done again
    /// after a crash. A file that cannot be unlinked stays on the list and keeps no other there.
    pub(super) fn delete_files(&self) -> Result<(), StoreError> {
        let paths: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT path FROM gc")?;
            let paths = statement.query_map([], |row| row.get(0))?;
            Ok(paths.collect::<Result<_, _>>()?)
        })?;
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
            let mut forget = tx.prepare_cached("DELETE FROM gc WHERE path = :path")?;
            for path in &deleted {
                forget.execute(named_params! {":path": path})?;
            }
            Ok(())
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Unlinks files of ours that no row names: an upload whose api died, a spool whose worker died.
    /// Adds them to `orphans`. One that cannot be looked at is reported and left.
    pub(super) fn delete_orphans(&self, orphans: &mut u32) -> Result<(), StoreError> {
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
                match self.delete_if_orphan(&path, folder.needed) {
                    Ok(was_orphan) => *orphans += u32::from(was_orphan),
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn delete_if_orphan(&self, path: &Path, needed: &str) -> Result<bool, StoreError> {
        // The lock first, the rows second: its writer holds the lock until the row is committed.
        let Some(_lock) = lock_if_abandoned(path)? else {
            return Ok(false);
        };
        if !self.is_unnamed(path, needed)? {
            return Ok(false);
        }
        unlink(path)
    }

    fn unnamed_files(&self, folder: &Folder) -> Result<Vec<PathBuf>, StoreError> {
        let entries = folder.entries()?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let needed = self.needed_names(folder.needed)?;
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

    fn needed_names(&self, needed: &str) -> Result<HashSet<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(needed)?;
            let names =
                statement.query_map(named_params! {":name": None::<&str>}, |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }

    fn is_unnamed(&self, path: &Path, needed: &str) -> Result<bool, StoreError> {
        let name = path.file_name().and_then(|name| name.to_str());
        self.read(|connection| {
            Ok(!connection
                .prepare_cached(needed)?
                .exists(named_params! {":name": name})?)
        })
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
