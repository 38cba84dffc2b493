//! A spool that a worker reads, at any place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::bucket::RangeReader;
use crate::StoreError;

/// An open spool.
#[derive(Debug)]
pub struct SpoolReader(Source);

#[derive(Debug)]
enum Source {
    File { file: File, bytes: u64 },
    Bucket(RangeReader),
}

impl SpoolReader {
    pub(crate) fn in_folder(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::file("open", path))?;
        let metadata = file.metadata().map_err(StoreError::file("inspect", path))?;
        Ok(Self(Source::File {
            file,
            bytes: metadata.len(),
        }))
    }

    pub(crate) fn in_bucket(reader: RangeReader) -> Self {
        Self(Source::Bucket(reader))
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        match &self.0 {
            Source::File { bytes, .. } => *bytes,
            Source::Bucket(reader) => reader.bytes(),
        }
    }

    /// Says that nothing from the offset `end` on will be read soon, so that it is not fetched from a bucket.
    pub fn need_until(&mut self, end: u64) {
        match &mut self.0 {
            Source::File { .. } => {}
            Source::Bucket(reader) => reader.need_until(end),
        }
    }

    /// Fills `buffer` from a place on. Fails with [`io::ErrorKind::UnexpectedEof`] beyond the end.
    pub fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &mut self.0 {
            Source::File { file, .. } => file.read_exact_at(buffer, offset),
            Source::Bucket(reader) => reader.read_exact_at(buffer, offset),
        }
    }
}
