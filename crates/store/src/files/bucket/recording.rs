//! A recording from the bucket: a copy for the time of one task, because decoders need a file.

use super::cache::CacheFile;
use super::{Bucket, path_of};
use crate::files::names::copy_name;
use crate::tx::JobFiles;
use crate::{Claim, StoreError};

/// A copy on this machine. Deleted when dropped.
#[derive(Debug)]
pub(crate) struct RecordingCopy(CacheFile);

impl RecordingCopy {
    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

impl Bucket {
    /// Copies a recording. Returns its size, too.
    pub(crate) fn fetch_recording(
        &self,
        claim: &Claim,
        name: &str,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(RecordingCopy, u64), StoreError> {
        let mut copy = self.cache.create(&copy_name(claim.job_id, claim.id))?;
        let at = copy.path().to_owned();
        let path = path_of(JobFiles::Audio, name);
        let bytes = self
            .download(&path, &mut copy.file, &at, should_stop)
            .map_err(|error| self.or_lost(error))?;
        Ok((RecordingCopy(copy), bytes))
    }
}
