//! One object on its way into the bucket, in parts. Complete or not there: nothing in between can be read.

use std::io::{Read as _, Seek as _};
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode};

use super::Bucket;
use super::cache::CacheFile;
use super::unsettled::UnsettledObject;
use crate::StoreError;

/// Size of each part but the last. S3 takes parts from 5 MiB and at most 10,000 of them: 78 GiB.
pub(super) const PART_BYTES: u64 = 8 << 20;
/// What bodies are rounded up to when the memory that they take is counted.
pub(super) const MEMORY_UNIT: u64 = 1 << 20;

/// An object that is being written. Dropped before [`NewObject::keep`], it and its parts are deleted.
#[derive(Debug)]
pub(super) struct NewObject {
    bucket: Arc<Bucket>,
    path: String,
    /// Holds the bytes that are not sent yet, and the lock.
    local: Option<CacheFile>,
    multipart: Option<Multipart>,
    sent: u64,
    /// Set before the first request, after which the server may have received something.
    begun: Option<UnsettledObject>,
}

#[derive(Debug)]
struct Multipart {
    id: String,
    parts: Vec<PartId>,
}

impl NewObject {
    pub(super) fn new(bucket: &Arc<Bucket>, path: String, local: CacheFile) -> Self {
        Self {
            bucket: Arc::clone(bucket),
            path,
            local: Some(local),
            multipart: None,
            sent: 0,
            begun: None,
        }
    }

    pub(super) fn bucket(&self) -> &Arc<Bucket> {
        &self.bucket
    }

    pub(super) fn local(&mut self) -> &mut CacheFile {
        self.local
            .as_mut()
            .expect("the file is taken when the object is kept or dropped")
    }

    /// Notes that the server is about to receive something.
    fn begin(&mut self) -> Arc<Bucket> {
        self.begun
            .get_or_insert_with(|| self.bucket.unsettled.add());
        Arc::clone(&self.bucket)
    }

    /// Sends a part of [`PART_BYTES`] from the local file, at its present place.
    pub(super) fn send_part(
        &mut self,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), StoreError> {
        let bucket = self.begin();
        let key = bucket.location.key(&self.path);
        if self.multipart.is_none() {
            let created = bucket.client.create_multipart(&key);
            let id =
                bucket.run_until_stopped("begin to write", &self.path, should_stop, created)?;
            self.multipart = Some(Multipart {
                id: id.clone(),
                parts: Vec::new(),
            });
            // If it cannot be noted, dropping this aborts the upload.
            self.local().note_multipart(&id)?;
        }
        self.send_part_of(&key, PART_BYTES, should_stop)
    }

    fn send_part_of(
        &mut self,
        key: &Path,
        bytes: u64,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), StoreError> {
        let bucket = Arc::clone(&self.bucket);
        let _memory = bucket.block_on(bucket.memory.acquire_many(units(bytes)));
        let body = self.read(bytes)?;
        let Some(multipart) = &mut self.multipart else {
            return Ok(());
        };
        let index = multipart.parts.len();
        let sent = bucket
            .client
            .put_part(key, &multipart.id, index, body.into());
        let part = bucket.run_until_stopped("write", &self.path, should_stop, sent)?;
        multipart.parts.push(part);
        self.sent += bytes;
        Ok(())
    }

    /// Sends the last `rest` bytes of the local file, and makes the object durable.
    pub(super) fn complete(
        &mut self,
        rest: u64,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), StoreError> {
        let bucket = self.begin();
        let key = bucket.location.key(&self.path);
        if self.multipart.is_none() {
            let _memory = bucket.block_on(bucket.memory.acquire_many(units(rest)));
            let body = self.read(rest)?;
            let sent = bucket.put_once(&key, body);
            return bucket.run_until_stopped("write", &self.path, should_stop, sent);
        }

        if rest > 0 {
            self.send_part_of(&key, rest, should_stop)?;
        }
        let Some(Multipart { id, parts }) = self.multipart.take() else {
            return Ok(());
        };
        let completed = bucket.run_until_stopped("write", &self.path, should_stop, async {
            match bucket.client.complete_multipart(&key, &id, parts).await {
                Ok(_) => Ok(()),
                Err(error) => bucket.unless_written(&key, self.sent, error).await,
            }
        });
        if let Err(error) = completed {
            // It will be aborted on drop.
            self.multipart = Some(Multipart {
                id,
                parts: Vec::new(),
            });
            return Err(error);
        }
        self.local().forget_multipart()
    }

    fn read(&mut self, bytes: u64) -> Result<Bytes, StoreError> {
        let local = self.local();
        let path = local.path().to_owned();
        let mut body = vec![0; bytes as usize];
        local
            .file
            .read_exact(&mut body)
            .map_err(StoreError::file("read", path))?;
        Ok(body.into())
    }

    /// Seeks to the start of the local file.
    pub(super) fn rewind(&mut self) -> Result<(), StoreError> {
        let local = self.local();
        let path = local.path().to_owned();
        local.file.rewind().map_err(StoreError::file("read", path))
    }

    /// A row names the object now, or may name it.
    pub(super) fn keep(mut self) {
        self.local = None;
    }
}

impl Drop for NewObject {
    fn drop(&mut self) {
        let Some(mut local) = self.local.take() else {
            return;
        };
        let Some(unsettled) = self.begun.take() else {
            return;
        };
        // Until the object is deleted, the local file is left to a sweep, which finishes the work if
        // this process does not.
        local.leave();
        let bucket = Arc::clone(&self.bucket);
        let path = std::mem::take(&mut self.path);
        let multipart = self.multipart.take();
        self.bucket.delete_in_background(unsettled, async move {
            match bucket.discard(&path, multipart).await {
                Ok(()) => local.delete(),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an upload that was given up is left to the sweep"
                ),
            }
        });
    }
}

impl Bucket {
    /// Writes an object that is not there yet.
    pub(super) async fn put_once(&self, key: &Path, body: Bytes) -> object_store::Result<()> {
        let bytes = body.len() as u64;
        let put = |mode: PutMode| self.client.put_opts(key, body.clone().into(), mode.into());
        let mut outcome = put(PutMode::Create).await;
        if let Err(Error::NotImplemented { .. }) = outcome {
            // Conditional writes are switched off (AWS_CONDITIONAL_PUT): the key is random all the same.
            outcome = put(PutMode::Overwrite).await;
        } else if matches!(outcome, Err(Error::Generic { .. })) {
            // The client does not repeat conditional writes whose answer was lost.
            outcome = put(PutMode::Create).await;
        }
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => self.unless_written(key, bytes, error).await,
        }
    }

    /// No error if the object is there: the request was repeated after a lost answer. Nothing else writes to its key.
    async fn unless_written(
        &self,
        key: &Path,
        bytes: u64,
        error: Error,
    ) -> object_store::Result<()> {
        let may_be_written = matches!(
            error,
            Error::AlreadyExists { .. } | Error::NotFound { .. } | Error::Precondition { .. }
        );
        if may_be_written
            && self
                .client
                .head(key)
                .await
                .is_ok_and(|found| found.size == bytes)
        {
            return Ok(());
        }
        Err(error)
    }

    async fn discard(&self, path: &str, multipart: Option<Multipart>) -> object_store::Result<()> {
        if let Some(multipart) = multipart {
            self.abort_multipart(path, &multipart.id).await?;
        }
        self.delete_object(path).await
    }

    /// Aborts a multipart upload, unless it was completed or is gone.
    pub(super) fn abort_if_unfinished(&self, path: &str, id: &str) -> Result<(), StoreError> {
        let aborted = self.run_briefly("abort the upload of", path, self.abort_multipart(path, id));
        // Some servers have another error than "not found" for an upload that is complete.
        match aborted {
            Err(_) if self.run_briefly("inspect", path, self.head(path))? => Ok(()),
            aborted => aborted,
        }
    }

    async fn abort_multipart(&self, path: &str, id: &str) -> object_store::Result<()> {
        let key = self.location.key(path);
        match self.client.abort_multipart(&key, &id.to_owned()).await {
            Err(error) if !matches!(error, Error::NotFound { .. }) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Memory for a body, in units.
fn units(bytes: u64) -> u32 {
    bytes.div_ceil(MEMORY_UNIT).max(1) as u32
}
