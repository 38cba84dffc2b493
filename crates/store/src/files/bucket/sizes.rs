//! Sizes of spools. A spool never changes, so that its size is asked for once.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use object_store::{Error, ObjectStoreExt as _};

use super::{Bucket, path_of};
use crate::StoreError;
use crate::tx::JobFiles;

/// Sizes that are remembered.
const MAX_SIZES: usize = 1024;

impl Bucket {
    /// Size of a spool.
    pub(super) fn size_of(&self, name: &str, path: &str) -> Result<u64, StoreError> {
        if let Some(bytes) = self.sizes().get(name) {
            return Ok(*bytes);
        }
        let key = self.location.key(path);
        let object = self.run("inspect", path, self.client.head(&key))?;
        self.remember_size(name, object.size);
        Ok(object.size)
    }

    /// Remembers the size of a spool, which saves a request.
    pub(super) fn remember_size(&self, name: &str, bytes: u64) {
        let mut sizes = self.sizes();
        if sizes.len() >= MAX_SIZES {
            sizes.clear();
        }
        sizes.insert(name.to_owned(), bytes);
    }

    fn sizes(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Size of a spool, 0 if it is not there.
    pub(crate) fn spool_bytes(&self, name: &str) -> Result<u64, StoreError> {
        match self.size_of(name, &path_of(JobFiles::Spool, name)) {
            Err(StoreError::Storage { source, .. })
                if matches!(*source, Error::NotFound { .. }) =>
            {
                Ok(0)
            }
            found => found,
        }
    }
}
