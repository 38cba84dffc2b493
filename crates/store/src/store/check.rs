//! Checking: whether rows fit together, and files to rows.

use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, named_params};

use super::Store;
use super::files::Entry;
use crate::StoreError;

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
                        present.insert(format!("{}/{name}", folder.name));
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
        let (mut problems, needed) = self.read(|connection| {
            let mut problems = damages(connection)?;
            problems.extend(lines(connection, include_str!("../sql/check_rows.sql"))?);
            Ok((problems, needed_files(connection)?))
        })?;
        problems.extend(strays);
        let is_there =
            |path: &String| present.contains(path) || self.data.root().join(path).exists();
        let missing: HashSet<_> = needed.into_iter().filter(|path| !is_there(path)).collect();
        if !missing.is_empty() {
            // Its job may have ended since the look at the rows.
            let still_needed = self.read(needed_files)?;
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
        let connection = self.writer.get()?;
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
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

fn damages(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut problems = lines(connection, "PRAGMA integrity_check")?;
    problems.retain(|line| line != "ok");
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let strays = statement.query_map([], |row| {
        Ok(format!(
            "a row of {} refers to one of {} that is not there",
            row.get::<_, String>(0)?,
            row.get::<_, String>(2)?
        ))
    })?;
    for stray in strays {
        problems.push(stray?);
    }
    Ok(problems)
}

fn lines(connection: &Connection, query: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(query)?;
    let lines = statement.query_map([], |row| row.get(0))?;
    Ok(lines.collect::<Result<_, _>>()?)
}

/// Files that jobs on a snapshot need, relative to the data folder.
pub(super) fn needed_files(connection: &Connection) -> Result<HashSet<String>, StoreError> {
    let mut needed = HashSet::new();
    for (query, prefix) in [
        (include_str!("../sql/select_audio_names.sql"), "audio/"),
        (include_str!("../sql/select_spool_names.sql"), "spool/"),
    ] {
        let mut statement = connection.prepare(query)?;
        let names = statement.query_map(named_params! {":name": None::<&str>}, |row| {
            row.get::<_, String>(0)
        })?;
        for name in names {
            needed.insert(format!("{prefix}{}", name?));
        }
    }
    Ok(needed)
}
