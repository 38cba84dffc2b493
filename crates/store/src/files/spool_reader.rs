//! A spool that a worker reads, at any place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::StoreError;

/// An open spool.
#[derive(Debug)]
pub struct SpoolReader {
    file: File,
    bytes: u64,
}

impl SpoolReader {
    pub(crate) fn in_folder(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::file("open", path))?;
        let metadata = file.metadata().map_err(StoreError::file("inspect", path))?;
        Ok(Self {
            file,
            bytes: metadata.len(),
        })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fills `buffer` from a place on. Fails with [`io::ErrorKind::UnexpectedEof`] beyond the end.
    pub fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}
