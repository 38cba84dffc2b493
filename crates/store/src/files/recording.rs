//! A recording that a worker reads.

use std::path::{Path, PathBuf};

use super::bucket::RecordingCopy;
use crate::StoreError;

/// A recording that is readable on this machine for as long as this lives.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    bytes: u64,
    /// `None` where it lies on this machine anyway.
    _copy: Option<RecordingCopy>,
}

impl Recording {
    pub(crate) fn in_folder(path: &Path) -> Result<Self, StoreError> {
        let metadata = std::fs::metadata(path).map_err(StoreError::file("inspect", path))?;
        Ok(Self {
            path: path.to_owned(),
            bytes: metadata.len(),
            _copy: None,
        })
    }

    pub(crate) fn copied((copy, bytes): (RecordingCopy, u64)) -> Self {
        Self {
            path: copy.path().to_owned(),
            bytes,
            _copy: Some(copy),
        }
    }

    /// Where to read it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
