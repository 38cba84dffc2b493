//! Checking: whether rows fit together, and files to rows.

use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use crate::upkeep::delete_files::Entry;
use crate::{Store, StoreError};

impl Store {
    /// Everything that is wrong with the queue, a line each; empty if nothing is. Reads the whole database. Files that are about
    /// to be deleted, and those of uploads in progress, are not wrong. Entries that Steno did not make, and files it cannot
    /// read, are.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        // The files first: what a row names later was there before its row.
        let mut present = HashSet::new();
        let mut strays = Vec::new();
        for folder in self.job_folders() {
            for entry in folder.entries()? {
                match entry {
                    Entry::Ours(path) => {
                        let name = path.file_name().unwrap_or_default().display();
                        strays.extend(unreadable(&path));
                        present.insert(format!("{}/{name}", folder.files.folder()));
                    }
                    Entry::Foreign(path) => {
                        strays.push(format!(
                            "{} is not Steno's, which leaves it alone: move it away",
                            path.display()
                        ));
                    }
                }
            }
        }

        let (mut problems, needed) = self.read(|tx| Ok((tx.check()?, tx.needed_files()?)))?;
        problems.extend(strays);
        let is_there =
            |path: &String| present.contains(path) || self.data.root().join(path).exists();
        let missing: HashSet<_> = needed.into_iter().filter(|path| !is_there(path)).collect();
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

/// What is wrong with a file that cannot be opened. One that is gone by now is not wrong.
fn unreadable(path: &Path) -> Option<String> {
    match File::open(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Some(format!("{} cannot be read ({error})", path.display()))
        }
        _ => None,
    }
}
