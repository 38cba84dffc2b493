//! The place of the files of a queue (`STENO_STORAGE_URL`). All its processes have to have the same one: with another, a process would
//! take files off the list of deletions without deleting them, and would not find recordings.

use std::collections::HashSet;

use crate::files::Entry;
use crate::tx::{JobFiles, Tx};
use crate::{Store, StoreError};

/// The setting that holds it.
const PLACE: &str = "STENO_STORAGE_URL";

impl Store {
    /// Fails with [`StoreError::OtherPlace`] if the files of the queue are at another place than those of this process.
    pub fn check_place_of_files(&self) -> Result<(), StoreError> {
        let own = self.files.to_string();
        match self.read_statements(|tx| tx.get_setting(PLACE))? {
            Some(stored) if stored != own => Err(StoreError::OtherPlace { stored, own }),
            _ => Ok(()),
        }
    }

    /// Compares the place of files in this process's settings with the one that the queue has stored, and stores it if there is
    /// none. A queue moves to another place only if nothing at the old one is needed: no file is to be deleted there, and all files
    /// of unfinished jobs are at the new place. Otherwise the error is [`StoreError::OtherPlace`].
    pub(crate) fn settle_place_of_files(&self) -> Result<(), StoreError> {
        if !self.database.is_in_folder() && self.files.is_in_data_folder() {
            tracing::warn!(
                "the rows are in PostgreSQL, and the recordings in the data folder of this machine alone: \
                 set STENO_STORAGE_URL before processes run on another machine"
            );
        }
        let own = self.files.to_string();
        let (stored, needed) = self.read(|tx| Ok((tx.get_setting(PLACE)?, tx.needed_files()?)))?;
        if stored.as_ref() == Some(&own) {
            return Ok(());
        }

        let is_move = stored.is_some() && !needed.is_empty();
        let present = if is_move && self.has_all_files() {
            self.present_files()?
        } else {
            HashSet::new()
        };
        self.write_in_free_space(|tx, _| {
            if let Some(stored) = tx.get_setting(PLACE)?
                && stored != own
                && !may_leave_place(tx, &present)?
            {
                let own = own.clone();
                return Err(StoreError::OtherPlace { stored, own });
            }
            tx.set_setting(PLACE, &own)
        })
    }

    fn present_files(&self) -> Result<HashSet<String>, StoreError> {
        let mut present = HashSet::new();
        for files in JobFiles::ALL {
            for entry in self.files.list(files)? {
                if let Entry::Ours(name) = entry {
                    present.insert(format!("{}/{name}", files.folder()));
                }
            }
        }
        Ok(present)
    }
}

/// Whether nothing is left to do at the present place, if these files are at the next one.
fn may_leave_place(tx: &Tx<'_>, present: &HashSet<String>) -> Result<bool, StoreError> {
    Ok(tx.list_gc()?.is_empty() && tx.needed_files()?.is_subset(present))
}
