//! Statements of the upkeep: counters, the clock, settings, files, and checks.

use std::collections::HashSet;

use steno_models::{JobId, Status, Timestamp};

use crate::StoreError;
use crate::tx::rows::word;
use crate::tx::{Statement, Tx, parameters, sql};

/// Whose files are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobFiles {
    /// Recordings as they came, uploaded or fetched.
    Audio,
    /// Decoded recordings.
    Spool,
}

impl JobFiles {
    pub(crate) const ALL: [Self; 2] = [Self::Audio, Self::Spool];

    /// Name of their folder, as in the `gc` list.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Spool => "spool",
        }
    }
}

impl Tx<'_> {
    pub(crate) fn count(&self, name: &str, label: &str, value: f64) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => {
                let parameters = parameters! {":name": name, ":label": label, ":value": value};
                self.run(sql!("count", by_backend), parameters)
            }
            Self::Postgres(tx) => {
                tx.count_later(name, label, value);
                Ok(())
            }
        }
    }

    /// Name, label and value of each counter.
    pub(crate) fn list_counters(&self) -> Result<Vec<(String, String, f64)>, StoreError> {
        self.all(sql!("list_counters"), &[], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
    }

    /// Status, number of jobs, and when the oldest was submitted.
    pub(crate) fn queue_depth(&self) -> Result<Vec<(Status, u64, Timestamp)>, StoreError> {
        self.all(sql!("queue_depth"), &[], |row| {
            let count: i64 = row.get(1)?;
            Ok((
                word(row, "status")?,
                count as u64,
                Timestamp::from_ms(row.get(2)?),
            ))
        })
    }

    /// The boot, and by how much the wall clock was ahead of the time since boot.
    pub(crate) fn noted_clock(&self) -> Result<Option<(String, i64)>, StoreError> {
        self.first(sql!("noted_clock"), &[], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    pub(crate) fn note_clock(&self, boot_id: &str, offset_ms: i64) -> Result<(), StoreError> {
        let parameters = parameters! {":boot_id": boot_id, ":offset_ms": offset_ms};
        self.run(sql!("note_clock"), parameters)
    }

    pub(crate) fn move_deadlines(&self, ms: i64) -> Result<(), StoreError> {
        for statement in [
            sql!("move_deadlines_of_jobs"),
            sql!("move_deadlines_of_tasks"),
            sql!("move_deadlines_of_tombstones"),
        ] {
            self.execute(statement, parameters! {":ms": ms})?;
        }
        Ok(())
    }

    pub(crate) fn get_setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.first(sql!("get_setting"), parameters! {":name": name}, |row| {
            row.get(0)
        })
    }

    pub(crate) fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let parameters = parameters! {":name": name, ":value": value};
        self.run(sql!("set_setting"), parameters)
    }

    /// Puts a job's files on the list of what is to be deleted.
    pub(crate) fn list_job_files(&self, job: i64) -> Result<(), StoreError> {
        self.run(sql!("list_job_files"), parameters! {":job": job})
    }

    /// Files to delete, relative to the data folder.
    pub(crate) fn list_gc(&self) -> Result<Vec<String>, StoreError> {
        self.all(sql!("list_gc"), &[], |row| row.get(0))
    }

    /// Takes paths off that list.
    pub(crate) fn delete_gc(&self, paths: &[String]) -> Result<(), StoreError> {
        let paths = serde_json::Value::from(paths).to_string();
        self.run(sql!("delete_gc", by_backend), parameters! {":paths": paths})
    }

    /// Names of files that unfinished jobs need.
    pub(crate) fn needed_names(&self, files: JobFiles) -> Result<HashSet<String>, StoreError> {
        let parameters = parameters! {":name": None::<&str>};
        let names = self.all(names_of(files), parameters, |row| row.get(0))?;
        Ok(names.into_iter().collect())
    }

    /// Whether the recording of this job is still to be fetched.
    pub(crate) fn is_to_be_fetched(&self, job_id: JobId) -> Result<bool, StoreError> {
        let parameters = parameters! {":id": job_id.as_bytes()};
        self.exists(sql!("is_to_be_fetched"), parameters)
    }

    /// Whether an unfinished job needs the file of this name.
    pub(crate) fn is_needed(&self, files: JobFiles, name: &str) -> Result<bool, StoreError> {
        self.exists(names_of(files), parameters! {":name": name})
    }

    /// Every file that unfinished jobs need, relative to the data folder.
    pub(crate) fn needed_files(&self) -> Result<HashSet<String>, StoreError> {
        let mut needed = HashSet::new();
        for files in JobFiles::ALL {
            let names = self.needed_names(files)?;
            needed.extend(
                names
                    .iter()
                    .map(|name| format!("{}/{name}", files.folder())),
            );
        }
        Ok(needed)
    }

    /// What is wrong with the database, a line each.
    pub(crate) fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut problems = match self {
            Self::Sqlite(tx) => tx.check()?,
            // PostgreSQL checks its own files (data_checksums, amcheck).
            Self::Postgres(_) => Vec::new(),
        };
        problems.extend(self.all(sql!("check_rows", by_backend), &[], |row| {
            row.get::<String>(0)
        })?);
        Ok(problems)
    }
}

fn names_of(files: JobFiles) -> Statement {
    match files {
        JobFiles::Audio => sql!("select_audio_names"),
        JobFiles::Spool => sql!("select_spool_names"),
    }
}
