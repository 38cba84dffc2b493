//! Names of the files of jobs. Steno deletes only files whose names it gives itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use steno_models::JobId;

use crate::ClaimId;
use crate::tx::JobFiles;

/// Folder of fetched recordings.
pub(crate) const INCOMING: &str = "incoming";
/// Folder of files on their way to object storage, or from it.
pub(crate) const CACHE: &str = "cache";
/// The folders with files of jobs, all in the data folder.
pub const JOB_FOLDERS: [&str; 4] = [
    JobFiles::Audio.folder(),
    JobFiles::Spool.folder(),
    INCOMING,
    CACHE,
];

/// Ends the name of a recording that is or was fetched.
const FETCHED: &str = ".fetched";
/// Ends the name of a recording that is not complete yet.
const PART: &str = ".part";

/// Name of an uploaded recording in `audio/`.
pub(crate) fn audio_name(job_id: JobId) -> String {
    job_id.to_string()
}

/// Name of an uploaded recording in `audio/` while it is received.
pub(crate) fn part_name(job_id: JobId) -> String {
    format!("{job_id}{PART}")
}

/// Name of a fetched recording in `incoming/`.
pub(crate) fn fetched_name(job_id: JobId) -> String {
    format!("{job_id}{FETCHED}")
}

/// Name of a fetched recording in `incoming/` while it is received.
pub(crate) fn fetched_part_name(job_id: JobId) -> String {
    format!("{job_id}{FETCHED}{PART}")
}

/// Whether a name is that of a fetched recording, complete or not. These are in `incoming/`.
pub(crate) fn is_fetched(name: &str) -> bool {
    name.strip_suffix(PART).unwrap_or(name).ends_with(FETCHED)
}

/// The job of an unfinished download, from the name of its file. `None` for any other name.
pub(crate) fn job_of_fetched_part(name: &str) -> Option<JobId> {
    name.strip_suffix(PART)?.strip_suffix(FETCHED)?.parse().ok()
}

/// Name of a decoded recording in `spool/`.
pub(crate) fn spool_name(job_id: JobId, claim: ClaimId) -> String {
    format!("{job_id}.{claim}.pcm")
}

/// Name of a recording in `cache/` while a claim works on it.
pub(crate) fn copy_name(job_id: JobId, claim: ClaimId) -> String {
    format!("{job_id}.{claim}.in")
}

/// The file beside one in `cache/` that notes its multipart upload.
pub(crate) fn note_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".multipart");
    name.into()
}

/// A file in `cache/`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CacheName {
    /// Part of an upload to the recording of this name.
    Upload(String),
    /// A spool of this name.
    Spool(String),
    /// A recording that a claim works on.
    Recording,
}

impl CacheName {
    /// `None` for a name that Steno does not give.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if is_spool_name(OsStr::new(name)) {
            return Some(Self::Spool(name.to_owned()));
        }
        if let Some(recording) = name.strip_suffix(PART) {
            let is_ours = is_audio_name(OsStr::new(name)) && !is_fetched(name);
            return is_ours.then(|| Self::Upload(recording.to_owned()));
        }
        let (job, claim) = name.strip_suffix(".in")?.split_once('.')?;
        let is_ours = name == copy_name(job.parse().ok()?, claim.parse().ok()?);
        is_ours.then_some(Self::Recording)
    }
}

/// Whether Steno gives such names to files in `audio/` or `incoming/`.
pub(crate) fn is_audio_name(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let id = name.split('.').next().unwrap_or_default();
    id.parse().is_ok_and(|job_id: JobId| {
        [audio_name, part_name, fetched_name, fetched_part_name]
            .iter()
            .any(|give| name == give(job_id))
    })
}

/// Whether Steno gives such names to files in `spool/`.
pub(crate) fn is_spool_name(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let ids = name
        .strip_suffix(".pcm")
        .and_then(|ids| ids.split_once('.'));
    let parsed = ids.and_then(|(job, claim)| Some((job.parse().ok()?, claim.parse().ok()?)));
    parsed.is_some_and(|(job_id, claim)| name == spool_name(job_id, claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_whether_a_recording_was_fetched() {
        let job = JobId::random();
        assert!(is_fetched(&fetched_name(job)));
        assert!(is_fetched(&fetched_part_name(job)));
        assert!(!is_fetched(&audio_name(job)));
        assert!(!is_fetched(&part_name(job)));

        assert_eq!(job_of_fetched_part(&fetched_part_name(job)), Some(job));
        assert_eq!(job_of_fetched_part(&fetched_name(job)), None);
        assert_eq!(job_of_fetched_part(&part_name(job)), None);
    }

    #[test]
    fn only_names_that_steno_gives_are_its_own() {
        let job = JobId::random();
        let claim = ClaimId::random();
        assert!(is_audio_name(OsStr::new(&audio_name(job))));
        assert!(is_audio_name(OsStr::new(&part_name(job))));
        assert!(is_audio_name(OsStr::new(&fetched_name(job))));
        assert!(is_audio_name(OsStr::new(&fetched_part_name(job))));
        assert!(is_spool_name(OsStr::new(&spool_name(job, claim))));

        let part = part_name(job);
        assert_eq!(
            CacheName::parse(&part),
            Some(CacheName::Upload(job.to_string()))
        );
        assert_eq!(
            CacheName::parse(&copy_name(job, claim)),
            Some(CacheName::Recording)
        );
        let spool = spool_name(job, claim);
        assert_eq!(CacheName::parse(&spool), Some(CacheName::Spool(spool)));

        let upper = job.to_string().to_uppercase();
        for foreign in [
            "interview.wav",
            "",
            ".part",
            "a.b.pcm",
            &upper,
            &format!("{job}.part.part"),
            &format!("{job}.wav"),
            &format!("{job}.part.fetched"),
        ] {
            assert!(!is_audio_name(OsStr::new(foreign)), "{foreign}");
            assert!(!is_spool_name(OsStr::new(foreign)), "{foreign}");
            assert_eq!(CacheName::parse(foreign), None, "{foreign}");
        }
    }
}
