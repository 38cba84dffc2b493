//! Backing up: a folder from which the queue can go on, made while it runs.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::files::data_dir::{sync_folder, unlink};
use crate::files::folder::Folder;
use crate::sqlite::back_up::detach_copy;
use crate::{DataDir, Store, StoreError};

/// A job that ends while its files are copied makes the copy of the database older than that of the files: it is taken again.
const ROUNDS: u32 = 10;

/// What a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Recordings and decoded recordings of unfinished jobs.
    pub files: u64,
}

impl Store {
    /// Copies the queue to `target`, a folder that is empty or not there: the database as of one moment, and the files that it
    /// needs. To restore, start Steno with `STENO_DATA` set to it, or to a copy. Files are copied, never linked: a change of
    /// owner or mode in the backup must not reach the queue. Where the file system can share blocks, the copy takes no space.
    pub fn back_up(&self, target: &Path) -> Result<Backup, StoreError> {
        if !self.database.is_in_folder() {
            return Err(StoreError::RowsElsewhere);
        }
        if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
            let source = std::io::Error::new(ErrorKind::AlreadyExists, "the folder is not empty");
            return Err(StoreError::file("back up to", target)(source));
        }
        // The existing part of the path; the backup creates the remainder.
        let target = std::path::absolute(target).map_err(StoreError::file("resolve", target))?;
        let real = |path: &Path| {
            path.ancestors()
                .find_map(|path| fs::canonicalize(path).ok())
        };
        if real(&target).is_some_and(|target| {
            real(self.data.root()).is_some_and(|root| target.starts_with(root))
        }) {
            let source = std::io::Error::new(
                ErrorKind::InvalidInput,
                "it lies in the folder that is backed up",
            );
            return Err(StoreError::file("back up to", target)(source));
        }

        let copy = DataDir::create(&target)?;
        let mut copied = HashSet::new();
        for _ in 0..ROUNDS {
            self.copy_files(&copy, &self.read(|tx| tx.needed_files())?, &mut copied)?;
            self.copy_database(&copy)?;
            // Its workers are not those of the copy, and have not died on it.
            let needed = detach_copy(&copy.database())?;
            // What was submitted in between is copied now; what has ended in between is missed, and the database is taken again.
            self.copy_files(&copy, &needed, &mut copied)?;
            if needed.is_subset(&copied) {
                for path in copied.difference(&needed) {
                    unlink(&Folder::of_data(&copy).locate(path))?;
                }
                for folder in [
                    copy.audio(),
                    copy.incoming(),
                    copy.spool(),
                    copy.root().to_owned(),
                ] {
                    sync_folder(&folder)?;
                }
                return Ok(Backup {
                    files: needed.len() as u64,
                });
            }
        }

        let source = std::io::Error::new(
            ErrorKind::ResourceBusy,
            "jobs end faster than they can be copied; try again",
        );

        Err(StoreError::file("back up to", target)(source))
    }

    fn copy_database(&self, copy: &DataDir) -> Result<(), StoreError> {
        let path = copy.database();
        unlink(&path)?;
        self.database.copy_to(&path)?;
        let file = fs::File::open(&path).map_err(StoreError::file("open", &path))?;
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(StoreError::file("protect", &path))?;
        file.sync_all().map_err(StoreError::file("sync", &path))
    }

    fn copy_files(
        &self,
        copy: &DataDir,
        needed: &HashSet<String>,
        copied: &mut HashSet<String>,
    ) -> Result<(), StoreError> {
        for path in needed {
            if copied.contains(path) {
                continue;
            }
            // A missing file is no error: its job has ended meanwhile.
            if self
                .files
                .copy_to(path, &Folder::of_data(copy).locate(path))?
            {
                copied.insert(path.clone());
            }
        }
        Ok(())
    }
}
