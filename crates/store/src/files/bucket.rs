//! Files of jobs in a bucket of S3-compatible storage.
//!
//! Each key is written once. The key of a recording has the random id of its job, the key of a spool has the id of its claim. Called through
//! [`Files`](super::Files) by threads that may block. Requests run on a small runtime of their own.

mod block_on;
mod cache;
mod client;
mod credentials;
mod object;
mod orphans;
mod probe;
mod range_reader;
mod recording;
mod sizes;
mod spool;
#[cfg(test)]
mod tests;
mod unsettled;
mod upload;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use object_store::aws::AmazonS3;
use object_store::{Error, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::location::BucketLocation;
use super::{Deleted, Entry, folder};
use crate::tx::JobFiles;
use crate::{DataDir, StoreError};
use cache::Cache;
use orphans::FirstSeen;
use unsettled::Unsettled;

pub(crate) use probe::probe;
pub(crate) use range_reader::RangeReader;
pub(crate) use recording::RecordingCopy;
pub(crate) use spool::BucketSpool;
pub(crate) use upload::{BucketUpload, StoredObject};

/// Longest time for a list of deletions, and for a request of a sweep: the thread that sweeps sends heartbeats, too. What is left is
/// done by the next sweep.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Pause after a failed request in which deletions are left to the sweep.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Bodies of requests that are in memory at a time, in units of [`object::MEMORY_UNIT`].
const MEMORY_UNITS: usize = 128;
/// Pause between two checks whether a transfer has to stop.
const STOP_TICK: Duration = Duration::from_millis(100);
/// The object that names the queue whose files these are.
const QUEUE_MARK: &str = "queue";

/// A bucket, and the folder for files on their way to it or from it.
pub(crate) struct Bucket {
    client: AmazonS3,
    /// `None` only while this is dropped.
    runtime: Option<Runtime>,
    location: BucketLocation,
    cache: Cache,
    memory: Semaphore,
    failed_at: Mutex<Option<Instant>>,
    /// Sizes of spools, by name. A spool never changes.
    sizes: Mutex<HashMap<String, u64>>,
    first_seen: FirstSeen,
    unsettled: Arc<Unsettled>,
}

impl Bucket {
    /// Contacts no server.
    pub(crate) fn new(data: &DataDir, location: BucketLocation) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("storage")
            .enable_all()
            .build()
            .map_err(StoreError::file("start threads for", data.root()))?;
        Ok(Self {
            client: client::build(&location)?,
            runtime: Some(runtime),
            cache: Cache::in_folder(data)?,
            location,
            memory: Semaphore::new(MEMORY_UNITS),
            failed_at: Mutex::default(),
            sizes: Mutex::default(),
            first_seen: FirstSeen::default(),
            unsettled: Arc::default(),
        })
    }

    /// Marks the place as that of a queue. Fails if it holds the files of another queue, because
    /// each queue would delete the files of the other.
    pub(crate) fn claim_for(&self, queue: &str) -> Result<(), StoreError> {
        let key = self.location.key(QUEUE_MARK);
        let found = self.run("read", QUEUE_MARK, async {
            loop {
                match self.client.get(&key).await {
                    Ok(mark) => return mark.bytes().await,
                    Err(Error::NotFound { .. }) => {
                        self.put_once(&key, queue.to_owned().into()).await?;
                    }
                    Err(error) => return Err(error),
                }
            }
        })?;
        if found.as_ref() == queue.as_bytes() {
            return Ok(());
        }
        Err(StoreError::StorageInUse {
            place: self.location.to_string(),
        })
    }

    pub(crate) fn list(&self, files: JobFiles) -> Result<Vec<Entry>, StoreError> {
        let objects = self.objects(files)?;
        let entries = objects.into_iter().map(|object| {
            let name = object.location.filename().unwrap_or_default().to_owned();
            let is_direct = object.location == self.location.key(&path_of(files, &name));
            if is_direct && folder::is_ours(files, &name) {
                Entry::Ours(name)
            } else {
                Entry::Foreign(format!("s3://{}/{}", self.location.bucket, object.location))
            }
        });
        Ok(entries.collect())
    }

    fn objects(&self, files: JobFiles) -> Result<Vec<ObjectMeta>, StoreError> {
        let prefix = self.location.key(files.folder());
        self.run("list", files.folder(), async {
            let mut listed = Vec::new();
            let mut objects = self.client.list(Some(&prefix));
            while let Some(object) = objects.next().await {
                listed.push(object?);
            }
            Ok(listed)
        })
    }

    /// A file that cannot be deleted does not stop the others, and one that is gone already counts as
    /// deleted. Files that are not reached in time are not deleted.
    pub(crate) fn delete(&self, paths: Vec<String>) -> Deleted {
        let mut deleted = Deleted::default();
        let keyed: Vec<_> = paths
            .into_iter()
            .map(|path| (self.location.key(&path), path))
            .collect();
        let keys: Vec<_> = keyed.iter().map(|(key, _)| Ok(key.clone())).collect();
        let mut left: HashMap<String, String> = keyed
            .into_iter()
            .map(|(key, path)| (key.to_string(), path))
            .collect();
        let all = async {
            let mut deletions = self.client.delete_stream(stream::iter(keys).boxed());
            while let Some(outcome) = deletions.next().await {
                match outcome {
                    Ok(key) => deleted.paths.extend(left.remove(key.as_ref())),
                    // Some servers answer 404 for an object that is gone already. The error of a request for many objects names no key.
                    Err(Error::NotFound { path: key, .. }) if left.contains_key(&key) => {
                        deleted.paths.extend(left.remove(&key));
                    }
                    Err(error) => deleted.failed = Some(self.failure("delete", "files")(error)),
                }
            }
        };
        let is_done = self.block_on(async { tokio::time::timeout(LONGEST_WAIT, all).await });
        if is_done.is_err() && deleted.failed.is_none() {
            deleted.failed = Some(self.failure("delete", "in time")(late()));
        }
        deleted
    }

    /// Whether a request failed a moment ago, so that work that can wait should wait.
    pub(crate) fn is_away(&self) -> bool {
        let failed_at = *self
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < PAUSE_AFTER_FAILURE)
    }

    pub(crate) fn exists(&self, path: &str) -> Result<bool, StoreError> {
        self.run("inspect", path, self.head(path))
    }

    /// Whether the object is there.
    async fn head(&self, path: &str) -> object_store::Result<bool> {
        match self.client.head(&self.location.key(path)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn copy_to(&self, path: &str, target: &Path) -> Result<bool, StoreError> {
        let mut copy = folder::create_private(target)?;
        match self.download(path, &mut copy, target, &mut || false) {
            Ok(_) => {}
            Err(StoreError::Storage { source, .. })
                if matches!(*source, Error::NotFound { .. }) =>
            {
                super::data_dir::unlink(target)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        copy.sync_all().map_err(StoreError::file("sync", target))?;
        Ok(true)
    }

    /// Appends an object to a file. Returns its size.
    fn download(
        &self,
        path: &str,
        file: &mut File,
        at: &Path,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<u64, StoreError> {
        let failed = self.failure("read", path);
        let key = self.location.key(path);
        self.block_on(async {
            let object = match until_stopped(self.client.get(&key), should_stop).await {
                Some(object) => object.map_err(failed)?,
                None => return Err(StoreError::Stopped),
            };
            let bytes = object.meta.size;
            let mut chunks = object.into_stream();
            loop {
                match until_stopped(chunks.next(), should_stop).await {
                    None => return Err(StoreError::Stopped),
                    Some(None) => return Ok(bytes),
                    Some(Some(chunk)) => {
                        let chunk = chunk.map_err(self.failure("read", path))?;
                        file.write_all(&chunk)
                            .map_err(StoreError::file("write", at))?;
                    }
                }
            }
        })
    }

    /// Deletes an object. One that is gone already counts as deleted.
    async fn delete_object(&self, path: &str) -> object_store::Result<()> {
        match self.client.delete(&self.location.key(path)).await {
            Err(error) if !matches!(error, Error::NotFound { .. }) => Err(error),
            _ => Ok(()),
        }
    }

    /// Tells a file of a job that is gone from a place that is out of reach, which has no mark of the queue either.
    fn or_lost(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Storage { object, source, .. }
                if matches!(*source, Error::NotFound { .. })
                    && matches!(self.exists(QUEUE_MARK), Ok(true)) =>
            {
                StoreError::FileLost { object }
            }
            error => error,
        }
    }

    /// Runs a request to its end.
    fn run<T>(
        &self,
        action: &'static str,
        path: &str,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        self.block_on(request).map_err(self.failure(action, path))
    }

    /// Runs a request of a sweep, which does not wait long.
    fn run_briefly<T>(
        &self,
        action: &'static str,
        path: &str,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        self.run(action, path, async {
            tokio::time::timeout(LONGEST_WAIT, request)
                .await
                .unwrap_or_else(|_| Err(late()))
        })
    }

    /// Runs a request that its caller may stop.
    fn run_until_stopped<T>(
        &self,
        action: &'static str,
        path: &str,
        should_stop: &mut dyn FnMut() -> bool,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        self.block_on(until_stopped(request, should_stop))
            .ok_or(StoreError::Stopped)?
            .map_err(self.failure(action, path))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        block_on::block_on(self.runtime(), future)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime
            .as_ref()
            .expect("the runtime is taken when the bucket is dropped")
    }

    /// Makes an error of a failed request.
    fn failure(&self, action: &'static str, path: &str) -> impl FnOnce(Error) -> StoreError {
        let object = format!("{}/{path}", self.location);
        move |source| {
            if !matches!(source, Error::NotFound { .. }) {
                let mut failed_at = self
                    .failed_at
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *failed_at = Some(Instant::now());
            }
            StoreError::Storage {
                action,
                object,
                source: Box::new(source),
            }
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)
    }
}

impl fmt::Debug for Bucket {
    /// The client's own form would show its credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.location)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // The last owner may be async code, which must not wait. The next sweep finishes the
        // cleaning.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The path of a file, as on the `gc` list.
fn path_of(files: JobFiles, name: &str) -> String {
    format!("{}/{name}", files.folder())
}

fn late() -> Error {
    Error::Generic {
        store: "S3",
        source: "no answer in time".into(),
    }
}

/// Waits for a future. `None` if it has to stop before.
async fn until_stopped<T>(
    future: impl Future<Output = T>,
    should_stop: &mut dyn FnMut() -> bool,
) -> Option<T> {
    let mut future = std::pin::pin!(future);
    loop {
        if should_stop() {
            return None;
        }
        if let Ok(value) = tokio::time::timeout(STOP_TICK, future.as_mut()).await {
            return Some(value);
        }
    }
}
