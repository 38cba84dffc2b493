//! The file as symphonia sees it: what it reads is counted, and a failure of the disk is told from a broken file.
//!
//! Used by [`decode`](super::decode) alone.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use symphonia::core::io::MediaSource;

use super::AudioError;
use super::cpu_limit::CpuLimit;
use super::decode::Access;

/// Pictures of some tens of MB are met; packets of sound are far smaller.
const MAX_PORTION_BYTES: u64 = 64 << 20;

/// Where [`WatchedFile`] leaves a failure of the disk. Symphonia reports broken files as I/O errors too, and only a failure
/// of the disk is worth another try.
#[derive(Clone, Default)]
pub(super) struct ReadError(Arc<Mutex<Option<io::Error>>>);

impl ReadError {
    /// The failure there was, if any.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps `error` and returns a copy of it for symphonia.
    fn keep(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        if kind != io::ErrorKind::Interrupted {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        kind.into()
    }
}

/// Bytes that symphonia may read for one step: up to the first packet, or from one to the next. It takes a tag or a picture into
/// memory whole, twice over, whatever its size; its own limits for them are not in force (0.6.1).
#[derive(Clone, Default)]
pub(super) struct Portion(Arc<AtomicU64>);

impl Portion {
    /// Counts what was read. Whether it is too much.
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64 > MAX_PORTION_BYTES
    }

    /// Ends a step and begins the next.
    pub(super) fn end(&self) -> Result<(), AudioError> {
        if self.0.swap(0, Ordering::Relaxed) > MAX_PORTION_BYTES {
            return Err(AudioError::CorruptAudio(format!(
                "it has more than {} MB in one piece that is no sound, as a picture or a tag",
                MAX_PORTION_BYTES >> 20
            )));
        }
        Ok(())
    }
}

/// Reads and seeks, under its limits.
pub(super) struct WatchedFile {
    pub(super) file: File,
    pub(super) access: Access,
    pub(super) length: u64,
    pub(super) position: u64,
    /// See [`Head::open_sizes_at`](super::signature::Head::open_sizes_at).
    pub(super) open_sizes_at: Option<[u64; 2]>,
    pub(super) error: ReadError,
    pub(super) portion: Portion,
    pub(super) cpu: CpuLimit,
}

impl Read for WatchedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cpu.is_exceeded() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = self.file.read(buffer).map_err(|error| self.error.keep(error))?;
        if self.portion.take(count) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        for at in self.open_sizes_at.into_iter().flatten() {
            for offset in (at..at + 4).filter_map(|at| at.checked_sub(self.position)) {
                if let Some(byte) = buffer[..count].get_mut(offset as usize) {
                    *byte = 0xff;
                }
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for WatchedFile {
    // A failed seek is the file's fault, a made-up offset, and not the disk's.
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.position = self.file.seek(position)?;
        Ok(self.position)
    }
}

impl MediaSource for WatchedFile {
    fn is_seekable(&self) -> bool {
        self.access == Access::Seekable
    }

    fn byte_len(&self) -> Option<u64> {
        (self.access == Access::Seekable).then_some(self.length)
    }
}
