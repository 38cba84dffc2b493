//! Deleting files: those on the `gc` list, and those that no row names.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::named_params;

use super::Store;
use crate::StoreError;
use crate::data_dir::{sync_folder, unlink};

impl Store {
    /// Unlinks the files on the list, makes that durable, then takes them off the list. Done again after a crash.
    pub(super) fn delete_files(&self) -> Result<(), StoreError> {
        let paths: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT path FROM gc")?;
            let paths = statement.query_map([], |row| row.get(0))?;
            Ok(paths.collect::<Result<_, _>>()?)
        })?;
        if paths.is_empty() {
            return Ok(());
        }
        for path in &paths {
            unlink(&self.data.root().join(path))?;
        }
        sync_folder(&self.data.audio())?;
        sync_folder(&self.data.spool())?;
        self.write(|tx, _| {
            let mut forget = tx.prepare_cached("DELETE FROM gc WHERE path = :path")?;
            for path in &paths {
                forget.execute(named_params! {":path": path})?;
            }
            Ok(())
        })
    }

    /// Unlinks files that no row names: an upload whose api died, a spool whose worker died.
    pub(super) fn delete_orphans(&self) -> Result<u32, StoreError> {
        let mut orphans = 0;
        for (folder, needed) in [
            (self.data.audio(), include_str!("../sql/select_audio_names.sql")),
            (self.data.spool(), include_str!("../sql/select_spool_names.sql")),
        ] {
            let candidates = self.unnamed_files(&folder, needed)?;
            for path in candidates {
                // The lock first, the rows second: its writer holds the lock until the row is committed.
                if let Some(_lock) = abandoned(&path)?
                    && self.is_unnamed(&path, needed)?
                {
                    orphans += u32::from(unlink(&path)?);
                }
            }
        }
        Ok(orphans)
    }

    fn unnamed_files(&self, folder: &Path, needed: &str) -> Result<Vec<PathBuf>, StoreError> {
        let mut unnamed = Vec::new();
        let mut names = HashSet::new();
        let entries = fs::read_dir(folder).map_err(StoreError::file("list", folder))?;
        for (index, entry) in entries.enumerate() {
            if index == 0 {
                names = self.needed_names(needed)?;
            }
            let entry = entry.map_err(StoreError::file("list", folder))?;
            if !entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
                unnamed.push(entry.path());
            }
        }
        Ok(unnamed)
    }

    fn needed_names(&self, needed: &str) -> Result<HashSet<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(needed)?;
            let names = statement.query_map(named_params! {":name": None::<&str>}, |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }

    fn is_unnamed(&self, path: &Path, needed: &str) -> Result<bool, StoreError> {
        let name = path.file_name().and_then(|name| name.to_str());
        self.read(|connection| Ok(!connection.prepare_cached(needed)?.exists(named_params! {":name": name})?))
    }
}

/// The file's lock, if no living process holds it. Reading a recording takes no lock.
fn abandoned(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Somebody else was faster.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::file("lock", path)(error)),
    }
}
