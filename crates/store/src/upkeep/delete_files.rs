//! Deleting files: those on the `gc` list, and those of ours that no row names.
//!
//! Only files with names that Steno gives are ever deleted. All other files are left alone, and
//! `check` reports them.

use crate::files::Entry;
use crate::files::names::{is_fetched, job_of_fetched_part};
use crate::tx::JobFiles;
use crate::{FileAccess, Now, Store, StoreError};

impl Store {
    /// Deletes the files on the list, makes that durable, then takes them off the list. Done again
    /// after a crash. A file that cannot be deleted stays on the list and does not stop the others.
    /// A process that reaches downloads alone deletes those, and leaves the others on the list.
    pub(crate) fn delete_files(&self) -> Result<(), StoreError> {
        let mut paths = self.read_statements(|tx| tx.list_gc())?;
        if !self.has_all_files() {
            // A bucket has downloads under the same names as uploads.
            let is_in_folder = self.files.folder().is_some();
            paths.retain(|path| is_in_folder && is_fetched(path));
        }
        if paths.is_empty() {
            return Ok(());
        }

        // At another place they would be missing, which counts as deleted.
        self.check_place_of_files()?;
        // A crash must not bring a job back whose files are gone.
        self.database.make_durable()?;
        let deleted = self.files.delete(paths)?;
        // If a crash undoes this, they are deleted once more.
        self.write_soon_durable(|tx, _| tx.delete_gc(&deleted.paths))?;
        deleted.failed.map_or(Ok(()), Err)
    }

    /// Deletes files of ours that no row names: an upload whose api died, a spool whose worker died.
    /// Adds them to `orphans`. One that cannot be looked at is reported and left.
    pub(crate) fn delete_orphans(&self, orphans: &mut u32) -> Result<(), StoreError> {
        let is_needed = |files: JobFiles, name: &str| {
            let is_needed = self.read_statements(|tx| match job_of_fetched_part(name) {
                // A later attempt continues it.
                Some(job_id) => tx.is_to_be_fetched(job_id),
                None => tx.is_needed(files, name),
            })?;
            if !is_needed {
                self.database.make_durable()?;
            }
            Ok(is_needed)
        };
        if let Some(bucket) = self.files.bucket() {
            bucket.sweep_cache(orphans, is_needed)?;
        }
        let Some(folder) = self.files.folder().filter(|_| self.has_all_files()) else {
            return Ok(());
        };

        let mut failed = None;
        for files in JobFiles::ALL {
            let candidates = match self.unnamed_files(files) {
                Ok(candidates) => candidates,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            for name in candidates {
                match folder.delete_if_abandoned(files, &name, || is_needed(files, &name)) {
                    Ok(was_orphan) => *orphans += u32::from(was_orphan),
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Deletes objects without a row that machines which are gone have left. Only apis call it,
    /// because it lists the whole storage; a sweep deletes only what processes of its own machine
    /// have left. Does nothing before the next scan is due, or if the files are in a folder.
    pub fn scan_storage(&self, now: Now) -> Result<u32, StoreError> {
        let Some(bucket) = self.files.bucket() else {
            return Ok(0);
        };
        if !bucket.begin_scan(now) {
            return Ok(0);
        }
        // Without this, an object of another queue might be taken for an orphan.
        bucket.claim_for(&self.queue_name()?)?;
        bucket.delete_orphans(now, |files| {
            let needed = self.read_statements(|tx| tx.needed_names(files))?;
            self.database.make_durable()?;
            Ok(needed)
        })
    }

    pub(super) fn has_all_files(&self) -> bool {
        self.data.access() == FileAccess::All
    }

    fn unnamed_files(&self, files: JobFiles) -> Result<Vec<String>, StoreError> {
        let entries = self.files.list(files)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let needed = self.read_statements(|tx| tx.needed_names(files))?;
        let ours = entries.into_iter().filter_map(|entry| match entry {
            Entry::Ours(name) => Some(name),
            Entry::Foreign(_) => None,
        });
        Ok(ours.filter(|name| !needed.contains(name)).collect())
    }
}
