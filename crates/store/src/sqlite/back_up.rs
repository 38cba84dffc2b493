//! Copies of the database.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::Connection;

use super::{Sqlite, SqliteTx, connection};
use crate::StoreError;
use crate::tx::Tx;
use crate::tx::statement::text;

impl Sqlite {
    /// Writes a copy as of one moment to a path where there is no file yet.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        // The pool's connections for reading may write nothing at all.
        let source = Connection::open(self.path())?;
        connection::configure(&source)?;
        // One statement on one snapshot, in as little space as it takes; deleted rows are not in it.
        source.execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
        Ok(())
    }
}

/// Makes a copy independent of the workers and the files of its original, without a charge. Returns the files that it needs.
pub(crate) fn detach_copy(path: &Path) -> Result<HashSet<String>, StoreError> {
    let copy = Connection::open(path)?;
    copy.execute_batch(text!("sqlite/sql", "detach_copy"))?;
    Tx::Sqlite(SqliteTx::new(&copy)).needed_files()
}
