//! SHA-256 of files, and of bytes on their way to a file. Used by everything that installs or checks weights.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{Progress, Stage, WeightsError};

/// What a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// SHA-256, lower-case hex.
    pub(crate) sha256: String,
    /// Length in bytes.
    pub(crate) size_bytes: u64,
}

/// Hashes the whole file at `path`, reporting [`Stage::Verify`].
pub(crate) fn fingerprint(
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fingerprint, WeightsError> {
    let mut file = File::open(path).map_err(WeightsError::io("open", path))?;
    let total = file
        .metadata()
        .map_err(WeightsError::io("read", path))?
        .len();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let count = file
            .read(&mut buffer)
            .map_err(WeightsError::io("read", path))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        done += count as u64;
        progress(Progress {
            stage: Stage::Verify,
            bytes_done: done,
            bytes_total: Some(total),
        });
    }

    Ok(Fingerprint {
        sha256: hex(&hasher.finalize()),
        size_bytes: done,
    })
}

/// A writer that hashes what it passes on.
pub(crate) struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    written: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Starts with an empty hash.
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            written: 0,
        }
    }

    /// Bytes passed on so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The inner writer, and what has passed through.
    pub(crate) fn finish(self) -> (W, Fingerprint) {
        let fingerprint = Fingerprint {
            sha256: hex(&self.hasher.finalize()),
            size_bytes: self.written,
        };
        (self.inner, fingerprint)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}
