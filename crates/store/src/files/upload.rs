//! A recording on its way into the store. The api writes one for each upload, and the courier one
//! for each download. A recording that is dropped before it is stored is deleted.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use steno_models::JobId;

use super::Place;
use super::bucket::{BucketUpload, StoredObject};
use super::data_dir::free_bytes;
use super::folder::{FolderUpload, StoredFile};
use super::names::{audio_name, fetched_name};
use crate::{FetchedAudio, StoreError};

/// An upload or download in progress. If it is dropped before [`AudioUpload::store`], its file is deleted. The file is locked (flock) as
/// long as this or its [`StoredAudio`] lives: by that, the sweep of another process knows that it is in use.
#[derive(Debug)]
pub struct AudioUpload {
    job_id: JobId,
    target: Target,
    hash: Sha256,
    bytes: u64,
    /// The folder whose file system needs free space, and how many bytes of it must remain free.
    folder: PathBuf,
    reserve_bytes: u64,
}

#[derive(Debug)]
enum Target {
    Folder(FolderUpload),
    /// A download into the folder, which another process can continue.
    Incoming(FolderUpload),
    Bucket(Box<BucketUpload>),
}

/// A complete recording under its final name, which no row names yet. If it is dropped before it is submitted, it is deleted.
#[derive(Debug)]
pub struct StoredAudio {
    pub(crate) job_id: JobId,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
    stored: Stored,
}

#[derive(Debug)]
enum Stored {
    Folder(StoredFile),
    Bucket(Box<StoredObject>),
}

impl AudioUpload {
    /// `folder` is on the file system that needs free space.
    pub(super) fn begin(
        place: &Place,
        folder: PathBuf,
        job_id: JobId,
        reserve_bytes: u64,
    ) -> Result<Self, StoreError> {
        let target = match place {
            Place::Folder(folder) => Target::Folder(FolderUpload::begin(folder, job_id)?),
            Place::Bucket(bucket) => Target::Bucket(Box::new(BucketUpload::begin(bucket, job_id)?)),
        };
        Ok(Self {
            job_id,
            target,
            hash: Sha256::new(),
            bytes: 0,
            folder,
            reserve_bytes,
        })
    }

    /// Begins to receive the recording of a job that is fetched. [`AudioUpload::read_back`] comes next.
    pub(super) fn begin_download(
        place: &Place,
        folder: PathBuf,
        job_id: JobId,
        reserve_bytes: u64,
    ) -> Result<Self, StoreError> {
        // Another process that has lost its claim may still be storing the same recording.
        let own_id = JobId::random();
        let target = match place {
            Place::Folder(folder) => {
                Target::Incoming(FolderUpload::begin_download(folder, job_id, own_id)?)
            }
            Place::Bucket(bucket) => Target::Bucket(Box::new(BucketUpload::begin(bucket, own_id)?)),
        };
        Ok(Self {
            job_id: own_id,
            target,
            hash: Sha256::new(),
            bytes: 0,
            folder,
            reserve_bytes,
        })
    }

    /// Keeps the bytes that an earlier attempt has left of a download, or deletes them.
    pub(super) fn read_back(&mut self, keep: bool) -> Result<(), StoreError> {
        match &mut self.target {
            Target::Incoming(file) if keep => file.read_back(|bytes| {
                self.hash.update(bytes);
                self.bytes += bytes.len() as u64;
            })?,
            Target::Incoming(file) => file.clear()?,
            Target::Folder(_) | Target::Bucket(_) => {}
        }
        Ok(())
    }

    /// Drops all bytes so far.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        match &mut self.target {
            Target::Folder(file) | Target::Incoming(file) => file.clear()?,
            Target::Bucket(upload) => {
                self.job_id = JobId::random();
                **upload = upload.another(self.job_id)?;
            }
        }
        self.hash.reset();
        self.bytes = 0;
        Ok(())
    }

    /// Whether a later attempt can continue the download. Not in a bucket, and not while another process still has the usual file.
    pub fn can_be_continued(&self) -> bool {
        matches!(&self.target, Target::Incoming(download) if download.can_be_continued())
    }

    /// Ends the download without deleting its bytes, if it can be continued. Other bytes are deleted.
    pub fn leave(self) {
        if let Target::Incoming(download) = self.target {
            download.leave();
        }
    }

    /// The id that the job of this recording will have.
    pub fn job_id(&self) -> JobId {
        self.job_id
    }

    /// Appends a chunk. Fails like a write to a full disk where the reserve would not be left.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        if free_bytes(&self.folder)? < self.reserve_bytes {
            return Err(StoreError::file("write to", &self.folder)(
                std::io::ErrorKind::StorageFull.into(),
            ));
        }
        match &mut self.target {
            Target::Folder(file) | Target::Incoming(file) => file.write(chunk)?,
            Target::Bucket(upload) => upload.write(chunk)?,
        }
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the recording durable under its final name.
    pub fn store(self) -> Result<StoredAudio, StoreError> {
        let (name, stored) = match self.target {
            Target::Folder(file) => (audio_name(self.job_id), Stored::Folder(file.store()?)),
            Target::Incoming(file) => (fetched_name(self.job_id), Stored::Folder(file.store()?)),
            Target::Bucket(upload) => (
                audio_name(self.job_id),
                Stored::Bucket(Box::new(upload.store()?)),
            ),
        };
        Ok(StoredAudio {
            job_id: self.job_id,
            name,
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
            stored,
        })
    }
}

impl StoredAudio {
    /// What the finish of a `fetch` task stores of it.
    pub fn fetched(&self) -> FetchedAudio {
        FetchedAudio {
            name: self.name.clone(),
            bytes: self.bytes,
            sha256: self.sha256,
        }
    }

    /// Fails if the recording may have been deleted as an orphan. Called in the transaction that makes its job.
    pub(crate) fn require_fresh(&self) -> Result<(), StoreError> {
        match &self.stored {
            Stored::Bucket(object) if object.is_too_old() => Err(StoreError::TooLate),
            _ => Ok(()),
        }
    }

    /// A row names the recording now, or may name it: it belongs to its job, and the orphan scan
    /// checks whether there is one.
    pub fn keep(self) {
        match self.stored {
            Stored::Folder(file) => file.keep(),
            Stored::Bucket(object) => object.keep(),
        }
    }
}
