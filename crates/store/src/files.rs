//! Files of jobs: recordings as they come, and decoded recordings (spools). Callers know them by name, never by place.
//!
//! [`Files`] is what the rest of Steno sees. `folder/` keeps files in a folder, `bucket/` in
//! S3-compatible storage. In either place, `upload.rs` receives a recording and `recording.rs`
//! reads one; `spool_file.rs` writes a spool and `spool_reader.rs` reads one.

pub(crate) mod access;
pub(crate) mod ballast;
pub(crate) mod bucket;
pub(crate) mod data_dir;
pub(crate) mod folder;
pub(crate) mod location;
pub(crate) mod names;
pub(crate) mod recording;
pub(crate) mod spool_file;
pub(crate) mod spool_reader;
pub(crate) mod upload;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use steno_models::JobId;

use crate::tx::JobFiles;
use crate::{
    AudioUpload, Claim, DataDir, Recording, SpoolFile, SpoolReader, SpoolRoom, StoreError,
};
use bucket::{Bucket, RangeReader};
use folder::Folder;
use location::Location;

/// The files of jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    data: DataDir,
    place: Place,
}

/// Where they are.
#[derive(Clone, Debug)]
enum Place {
    Folder(Folder),
    Bucket(Arc<Bucket>),
}

/// An entry where files of jobs lie.
pub(crate) enum Entry {
    /// A file with a name that Steno gives.
    Ours(String),
    /// Any other entry, as an operator finds it.
    Foreign(String),
}

/// The outcome of a deletion.
#[derive(Default)]
pub(crate) struct Deleted {
    /// Paths of the files that are deleted, durably.
    pub(crate) paths: Vec<String>,
    /// Why the others could not be deleted.
    pub(crate) failed: Option<StoreError>,
}

impl Files {
    /// Files in the data folder itself.
    pub fn in_folder(data: &DataDir) -> Self {
        Self {
            data: data.clone(),
            place: Place::Folder(Folder::of_data(data)),
        }
    }

    /// Files at another place. Contacts no server.
    pub(crate) fn at(data: &DataDir, location: Location) -> Result<Self, StoreError> {
        let place = match location {
            Location::Folder(root) => Place::Folder(Folder::at(&root, data.access())?),
            Location::Bucket(location) => Place::Bucket(Arc::new(Bucket::new(data, location)?)),
        };
        Ok(Self {
            data: data.clone(),
            place,
        })
    }

    /// Begins to receive the recording of a new job. Each write leaves `reserve_bytes` of the disk free.
    pub fn begin_upload(
        &self,
        job_id: JobId,
        reserve_bytes: u64,
    ) -> Result<AudioUpload, StoreError> {
        let folder = self.writable().to_owned();
        AudioUpload::begin(&self.place, folder, job_id, reserve_bytes)
    }

    /// Opens the file for the recording of a job that is fetched. With `keep`, the bytes of an earlier attempt stay in it, and writes
    /// append to them. Without it, they are deleted.
    pub(crate) fn begin_download(
        &self,
        job_id: JobId,
        keep: bool,
        reserve_bytes: u64,
    ) -> Result<AudioUpload, StoreError> {
        let folder = self.writable().to_owned();
        let mut file = AudioUpload::begin_download(&self.place, folder, job_id, reserve_bytes)?;
        file.read_back(keep)?;
        Ok(file)
    }

    /// Makes the recording of a `prepare` claim readable on this machine. Fails with [`StoreError::Stopped`] if it is asked to stop.
    pub fn open_recording(
        &self,
        claim: &Claim,
        name: &str,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Recording, StoreError> {
        match &self.place {
            Place::Folder(folder) => Recording::in_folder(&folder.path(JobFiles::Audio, name)),
            Place::Bucket(bucket) => bucket
                .fetch_recording(claim, name, should_stop)
                .map(Recording::copied),
        }
    }

    /// Creates the spool of a `prepare` claim, for a recording of `recording_bytes`.
    ///
    /// Fails like a write to a full disk if the decoded recording would probably leave too little
    /// free space. Jobs need that space to end.
    pub fn create_spool(
        &self,
        claim: &Claim,
        recording_bytes: u64,
        room: SpoolRoom,
    ) -> Result<SpoolFile, StoreError> {
        SpoolFile::create(&self.place, self.writable(), claim, recording_bytes, room)
    }

    /// Opens the spool of this name.
    pub fn open_spool(&self, name: &str) -> Result<SpoolReader, StoreError> {
        match &self.place {
            Place::Folder(folder) => SpoolReader::in_folder(&folder.path(JobFiles::Spool, name)),
            Place::Bucket(bucket) => RangeReader::open(bucket, name).map(SpoolReader::in_bucket),
        }
    }

    /// Size of the spool of this name, 0 if it is not there.
    pub(crate) fn spool_bytes(&self, name: &str) -> Result<u64, StoreError> {
        match &self.place {
            Place::Folder(folder) => folder.spool_bytes(name),
            Place::Bucket(bucket) => bucket.spool_bytes(name),
        }
    }

    /// Waits a few seconds at most until each upload to the bucket is stored or deleted. To be called when the process ends. The next
    /// process of this machine deletes what is left.
    pub fn settle_uploads(&self) {
        if let Some(bucket) = self.bucket() {
            bucket.settle_uploads();
        }
    }

    /// The folder on this machine that recordings and spools are written to first.
    fn writable(&self) -> &Path {
        match &self.place {
            Place::Folder(folder) => folder.root(),
            Place::Bucket(_) => self.data.root(),
        }
    }

    /// The folder, if they are in one.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Bucket(_) => None,
        }
    }

    /// Whether they are in the data folder itself.
    pub(crate) fn is_in_data_folder(&self) -> bool {
        self.folder()
            .is_some_and(|folder| folder.root() == self.data.root())
    }

    /// The bucket, if they are in one.
    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        match &self.place {
            Place::Folder(_) => None,
            Place::Bucket(bucket) => Some(bucket),
        }
    }

    /// Whether work that can wait should wait, because the storage does not answer.
    pub(crate) fn is_away(&self) -> bool {
        self.bucket().is_some_and(Bucket::is_away)
    }

    /// Lists every entry where files of this kind are kept.
    pub(crate) fn list(&self, files: JobFiles) -> Result<Vec<Entry>, StoreError> {
        match &self.place {
            Place::Folder(folder) => folder.list(files),
            Place::Bucket(bucket) => bucket.list(files),
        }
    }

    /// Deletes files by their paths, and makes that durable. One that is gone already counts as deleted.
    pub(crate) fn delete(&self, paths: Vec<String>) -> Result<Deleted, StoreError> {
        match &self.place {
            Place::Folder(folder) => folder.delete(paths),
            Place::Bucket(bucket) => Ok(bucket.delete(paths)),
        }
    }

    /// Whether a process of this machine is writing the recording of a job, or has just stored it and is about to submit it.
    pub(crate) fn is_being_written(&self, job_id: JobId) -> Result<bool, StoreError> {
        match &self.place {
            Place::Folder(folder) => folder.is_being_written(job_id),
            Place::Bucket(bucket) => bucket.is_being_written(job_id),
        }
    }

    /// Whether there is a file at a path.
    pub(crate) fn exists(&self, path: &str) -> Result<bool, StoreError> {
        match &self.place {
            Place::Folder(folder) => folder.exists(path),
            Place::Bucket(bucket) => bucket.exists(path),
        }
    }

    /// Why a file cannot be read. `None` if it can be read or does not exist.
    pub(crate) fn why_unreadable(&self, files: JobFiles, name: &str) -> Option<String> {
        self.folder()?.why_unreadable(files, name)
    }

    /// Copies the file at a path to another folder, durably. Returns false if it is not there.
    pub(crate) fn copy_to(&self, path: &str, target: &Path) -> Result<bool, StoreError> {
        match &self.place {
            Place::Folder(folder) => folder.copy_to(path, target),
            Place::Bucket(bucket) => bucket.copy_to(path, target),
        }
    }
}

impl fmt::Display for Files {
    /// The place, without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(_) if self.is_in_data_folder() => f.write_str("the data folder"),
            Place::Folder(folder) => write!(f, "file://{}", folder.root().display()),
            Place::Bucket(bucket) => bucket.fmt(f),
        }
    }
}
