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
pub(crate) struct BucketSpool {
    object: NewObject,
    name: String,
}

impl BucketSpool {
    pub(crate) fn create(bucket: &Arc<Bucket>, name: &str) -> Result<Self, StoreError> {
        let local = bucket.cache.create(name)?;
        let path = path_of(JobFiles::Spool, name);
        Ok(Self {
            object: NewObject::new(bucket, path, local),
            name: name.to_owned(),
        })
    }

    /// Where the decoder writes it.
    pub(crate) fn path(&mut self) -> &Path {
        self.object.local().path()
    }

    /// Sends it.
    pub(crate) fn send(&mut self, should_stop: &mut dyn FnMut() -> bool) -> Result<(), StoreError> {
        self.object.rewind()?;
        let local = self.object.local();
        let metadata = local.file.metadata();
        let bytes = metadata
            .map_err(StoreError::file("inspect", local.path()))?
            .len();
        let mut rest = bytes;
        while rest > PART_BYTES {
            self.object.send_part(should_stop)?;
            rest -= PART_BYTES;
        }
        self.object.complete(rest, should_stop)?;

        self.object.bucket().remember_size(&self.name, bytes);
        Ok(())
    }

    pub(crate) fn keep(self) {
        self.object.keep();
    }
}
