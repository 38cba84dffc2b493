//! Checking: whether rows fit together, and files to rows.

use std::collections::HashSet;

use crate::files::Entry;
use crate::tx::JobFiles;
use crate::{Store, StoreError};

impl Store {
    /// Everything that is wrong with the queue, a line each; empty if nothing is. Reads the whole database. Files that are about
    /// to be deleted, and those of uploads in progress, are not wrong. Entries that Steno did not make, and files it cannot
    /// read, are.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        // The files first: what a row names later was there before its row.
        let mut present = HashSet::new();
        let mut strays = Vec::new();
        for files in JobFiles::ALL {
            for entry in self.files.list(files)? {
                match entry {
                    Entry::Ours(name) => {
                        strays.extend(self.files.why_unreadable(files, &name));
                        present.insert(format!("{}/{name}", files.folder()));
                    }
                    Entry::Foreign(place) => {
                        strays.push(format!(
                            "{place} is not Steno's, which leaves it alone: move it away"
                        ));
                    }
                }
            }
        }

        let (mut problems, needed) = self.read(|tx| Ok((tx.check()?, tx.needed_files()?)))?;
        problems.extend(strays);
        let mut missing = HashSet::new();
        for path in needed {
            if !present.contains(&path) && !self.files.exists(&path)? {
                missing.insert(path);
            }
        }
        if !missing.is_empty() {
            // Its job may have ended since the look at the rows.
            let still_needed = self.read(|tx| tx.needed_files())?;
            let missing = missing.intersection(&still_needed);
            problems.extend(
                missing
                    .map(|path| format!("the file {path} of a job that has not ended is missing")),
            );
        }

        Ok(problems)
    }

    /// Gives space that deleted jobs have left back to the file system. Needs as much memory as the database has (temporary files would
    /// hold text), and keeps others from writing meanwhile.
    pub fn vacuum(&self) -> Result<(), StoreError> {
        self.database.vacuum()
    }
}
