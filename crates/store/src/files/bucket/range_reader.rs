//! A spool in the bucket, read by ranges. One window of it is kept in memory, so that a span is one request.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt as _;

use super::{Bucket, path_of};
use crate::StoreError;
use crate::tx::JobFiles;

/// Usual size of a window: 32 s of sound, more than the longest span.
const WINDOW_BYTES: u64 = 1 << 20;

/// An open spool.
#[derive(Debug)]
pub(crate) struct RangeReader {
    bucket: Arc<Bucket>,
    path: String,
    bytes: u64,
    window: Bytes,
    window_start: u64,
    /// Nothing beyond this offset is fetched unless it is read.
    needed_end: u64,
}

impl RangeReader {
    pub(crate) fn open(bucket: &Arc<Bucket>, name: &str) -> Result<Self, StoreError> {
        let path = path_of(JobFiles::Spool, name);
        let bytes = bucket
            .size_of(name, &path)
            .map_err(|error| bucket.or_lost(error))?;
        Ok(Self {
            bytes,
            bucket: Arc::clone(bucket),
            path,
            window: Bytes::new(),
            window_start: 0,
            needed_end: u64::MAX,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says that nothing from the offset `end` on will be read soon.
    pub(crate) fn need_until(&mut self, end: u64) {
        self.needed_end = end;
    }

    pub(crate) fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let window_end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || end > window_end {
            self.fetch(offset, end).map_err(io::Error::other)?;
        }
        let from = (offset - self.window_start) as usize;
        buffer.copy_from_slice(&self.window[from..from + buffer.len()]);
        Ok(())
    }

    fn fetch(&mut self, from: u64, to: u64) -> Result<(), StoreError> {
        let window_end = from.saturating_add(WINDOW_BYTES).min(self.needed_end);
        let to = window_end.max(to).min(self.bytes);
        let key = self.bucket.location.key(&self.path);
        let request = self.bucket.client.get_range(&key, from..to);
        let window = self
            .bucket
            .run("read", &self.path, request)
            .map_err(|error| self.bucket.or_lost(error))?;
        if window.len() as u64 != to - from {
            return Err(self.bucket.failure("read", &self.path)(super::late()));
        }
        self.window = window;
        self.window_start = from;
        Ok(())
    }
}
