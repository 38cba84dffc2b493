//! Files of jobs: recordings as they come, and decoded recordings (spools). Callers know them by name, never by place.
//!
//! [`Files`] is what the rest of Steno sees. `folder.rs` keeps files in the data folder; `upload.rs`, `spool_file.rs` and
//! `spool_reader.rs` are a recording that is received, a spool that is written, and one that is read.

pub(crate) mod ballast;
pub(crate) mod data_dir;
pub(crate) mod folder;
pub(crate) mod names;
pub(crate) mod recording;
pub(crate) mod spool_file;
pub(crate) mod spool_reader;
pub(crate) mod upload;

use std::path::Path;

use steno_models::JobId;

use crate::tx::JobFiles;
use crate::{
    AudioUpload, Claim, DataDir, Recording, SpoolFile, SpoolReader, SpoolRoom, StoreError,
};
use folder::Folder;

/// The files of jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    data: DataDir,
    folder: Folder,
}

/// An entry where files of jobs lie.
pub(crate) enum Entry {
    /// A file with a name that Steno gives.
    Ours(String),
    /// Any other entry, as an operator finds it.
    Foreign(String),
}

/// What became of files that had to be deleted.
#[derive(Default)]
pub(crate) struct Deleted {
    /// Those that are gone for good.
    pub(crate) paths: Vec<String>,
    /// Why the others are not.
    pub(crate) failed: Option<StoreError>,
}

impl Files {
    /// Files in the data folder itself.
    pub fn in_folder(data: &DataDir) -> Self {
        Self {
            data: data.clone(),
            folder: Folder::new(data),
        }
    }

    /// Begins to receive the recording of a new job. Each write leaves `reserve_bytes` of the disk free.
    pub fn begin_upload(
        &self,
        job_id: JobId,
        reserve_bytes: u64,
    ) -> Result<AudioUpload, StoreError> {
        AudioUpload::begin(&self.data, job_id, reserve_bytes)
    }

    /// Makes the recording of this name readable on this machine.
    pub fn open_recording(&self, name: &str) -> Result<Recording, StoreError> {
        Recording::in_folder(&self.folder.path(JobFiles::Audio, name))
    }

    /// Creates the spool of a `prepare` claim, for a recording of `recording_bytes`.
    ///
    /// Fails like a write to a full disk where the decoded recording would probably leave too little free space: jobs need
    /// it to end.
    pub fn create_spool(
        &self,
        claim: &Claim,
        recording_bytes: u64,
        room: SpoolRoom,
    ) -> Result<SpoolFile, StoreError> {
        SpoolFile::create(&self.data, claim, recording_bytes, room)
    }

    /// Opens the spool of this name.
    pub fn open_spool(&self, name: &str) -> Result<SpoolReader, StoreError> {
        SpoolReader::in_folder(&self.folder.path(JobFiles::Spool, name))
    }

    /// Everything where files of this kind lie.
    pub(crate) fn list(&self, files: JobFiles) -> Result<Vec<Entry>, StoreError> {
        self.folder.list(files)
    }

    /// Deletes files by their paths, and makes that durable. One that is gone already counts as deleted.
    pub(crate) fn delete(&self, paths: Vec<String>) -> Result<Deleted, StoreError> {
        self.folder.delete(paths)
    }

    /// Deletes a file that no living process writes and that `is_needed` does not know. Returns whether it did.
    pub(crate) fn delete_if_abandoned(
        &self,
        files: JobFiles,
        name: &str,
        is_needed: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        self.folder.delete_if_abandoned(files, name, is_needed)
    }

    /// Whether a process is writing the recording of a job, or has just stored it and is about to submit it.
    pub(crate) fn is_being_written(&self, job_id: JobId) -> Result<bool, StoreError> {
        self.folder.is_being_written(job_id)
    }

    /// Whether there is a file at a path.
    pub(crate) fn exists(&self, path: &str) -> Result<bool, StoreError> {
        self.folder.exists(path)
    }

    /// What is wrong with a file that cannot be read. One that is not there is not wrong.
    pub(crate) fn why_unreadable(&self, files: JobFiles, name: &str) -> Option<String> {
        self.folder.why_unreadable(files, name)
    }

    /// Copies the file at a path to another folder, durably. Returns false if it is not there.
    pub(crate) fn copy_to(&self, path: &str, target: &Path) -> Result<bool, StoreError> {
        self.folder.copy_to(path, target)
    }
}
