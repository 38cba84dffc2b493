//! A part of the file as a demuxer reads it. Counts the bytes read, and reports disk errors apart from errors in the file.
//!
//! Used by [`decode`](super) alone. Never writes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use symphonia::core::io::MediaSource;

use super::super::AudioError;
use super::super::cpu_limit::CpuLimit;
use super::Access;

/// Pictures of some tens of MB are met; packets of sound are far smaller.
const MAX_PORTION_BYTES: u64 = 64 << 20;

/// Where [`Source`] leaves a failure of the disk. Symphonia reports broken files as I/O errors too, and only a failure
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

/// Bytes that symphonia may read in one step: up to the first packet, or from one to the next. It reads a tag or a picture into
/// memory as a whole, twice, whatever its size; its own limits for them have no effect (0.6.1).
#[derive(Clone, Default)]
pub(super) struct Portion(Arc<AtomicU64>);

impl Portion {
    /// Adds to the bytes read. Returns whether they are too many.
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64 > MAX_PORTION_BYTES
    }

    /// Resets the count.
    fn restart(&self) {
        self.0.store(0, Ordering::Relaxed);
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

/// What all views of one file share: its limits, and what went wrong.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) error: ReadError,
    pub(super) portion: Portion,
    pub(super) cpu: CpuLimit,
}

impl Watch {
    pub(super) fn new(cpu: &CpuLimit) -> Self {
        Self {
            error: ReadError::default(),
            portion: Portion::default(),
            cpu: cpu.clone(),
        }
    }

    /// Ends a step of reading. Fails when the disk failed or one piece of the file was too large.
    pub(super) fn end_step(&self) -> Result<(), AudioError> {
        if let Some(error) = self.error.take() {
            return Err(AudioError::Input(error));
        }
        self.portion.end()
    }
}

/// The bytes `range` of a file, with `appendix` after them, numbered from 0.
pub(super) struct Source {
    file: File,
    range: Range<u64>,
    position: u64,
    access: Access,
    /// See [`Head::open_sizes_at`](super::signature::Head::open_sizes_at).
    open_sizes_at: Option<[u64; 2]>,
    appendix: &'static [u8],
    watch: Watch,
}

impl Source {
    /// A view of `range`, which lies in the file.
    pub(super) fn new(
        mut file: File,
        range: Range<u64>,
        access: Access,
        watch: Watch,
    ) -> io::Result<Self> {
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Self {
            file,
            range,
            position: 0,
            access,
            open_sizes_at: None,
            appendix: &[],
            watch,
        })
    }

    /// Reads the four bytes at each of these offsets as `0xffff_ffff`.
    pub(super) fn with_open_sizes(mut self, offsets: Option<[u64; 2]>) -> Self {
        self.open_sizes_at = offsets;
        self
    }

    /// Adds bytes that are not in the file to its end.
    pub(super) fn with_appendix(mut self, appendix: &'static [u8]) -> Self {
        self.appendix = appendix;
        self
    }

    /// Resets the count: the bytes read so far do not belong to one piece.
    pub(super) fn begin_portion(&self) {
        self.watch.portion.restart();
    }

    fn file_bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Bytes in all.
    pub(super) fn length(&self) -> u64 {
        self.file_bytes() + self.appendix.len() as u64
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.cpu.is_exceeded() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = self.file_bytes().saturating_sub(self.position);
        if left == 0 {
            let read = (self.position - self.file_bytes()).min(self.appendix.len() as u64) as usize;
            let count = self.appendix[read..].len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.appendix[read..read + count]);
            self.position += count as u64;
            return Ok(count);
        }

        let most = left.min(buffer.len() as u64) as usize;
        let count = self
            .file
            .read(&mut buffer[..most])
            .map_err(|error| self.watch.error.keep(error))?;
        if self.watch.portion.take(count) {
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

impl Seek for Source {
    // A seek fails because of a wrong offset in the file, not because of the disk.
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let target = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
            SeekFrom::End(delta) => self.length().checked_add_signed(delta),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        let in_file = self.range.start.checked_add(target.min(self.file_bytes()));
        self.file
            .seek(SeekFrom::Start(in_file.ok_or(io::ErrorKind::InvalidInput)?))?;
        self.position = target;
        Ok(target)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        self.access == Access::Seekable
    }

    fn byte_len(&self) -> Option<u64> {
        (self.access == Access::Seekable).then(|| self.length())
    }
}
