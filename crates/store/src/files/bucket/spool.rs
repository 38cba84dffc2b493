//! A spool on its way into the bucket: decoded into a local file, which is sent only if its job has
//! several spans.

use std::path::Path;
use std::sync::Arc;

use super::object::{NewObject, PART_BYTES};
use super::{Bucket, path_of};
use crate::StoreError;
use crate::tx::JobFiles;

/// A spool that is being written.
#[derive(Debug)]
pub(crate) struct BucketSpool(NewObject);

impl BucketSpool {
    pub(crate) fn create(bucket: &Arc<Bucket>, name: &str) -> Result<Self, StoreError> {
        let local = bucket.cache.create(name)?;
        let path = path_of(JobFiles::Spool, name);
        Ok(Self(NewObject::new(bucket, path, local)))
    }

    /// Where the decoder writes it.
    pub(crate) fn path(&mut self) -> &Path {
        self.0.local().path()
    }

    /// Sends it.
    pub(crate) fn send(&mut self, should_stop: &mut dyn FnMut() -> bool) -> Result<(), StoreError> {
        self.0.rewind()?;
        let local = self.0.local();
        let metadata = local.file.metadata();
        let mut rest = metadata
            .map_err(StoreError::file("inspect", local.path()))?
            .len();
        while rest > PART_BYTES {
            self.0.send_part(should_stop)?;
            rest -= PART_BYTES;
        }
        self.0.complete(rest, should_stop)
    }

    pub(crate) fn keep(self) {
        self.0.keep();
    }
}
