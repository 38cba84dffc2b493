//! Names of the files of jobs. Steno deletes only files whose names it gives itself.

use std::ffi::OsStr;

use steno_models::JobId;

use crate::ClaimId;

/// Name of a recording in `audio/`.
pub(crate) fn audio_name(job_id: JobId) -> String {
    job_id.to_string()
}

/// Name of a recording in `audio/` while it is uploaded.
pub(crate) fn part_name(job_id: JobId) -> String {
    format!("{job_id}.part")
}

/// Name of a decoded recording in `spool/`.
pub(crate) fn spool_name(job_id: JobId, claim: ClaimId) -> String {
    format!("{job_id}.{claim}.pcm")
}

/// Whether Steno gives such names to files in `audio/`.
pub(crate) fn is_audio_name(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let id = name.strip_suffix(".part").unwrap_or(name);
    id.parse()
        .is_ok_and(|job_id: JobId| name == audio_name(job_id) || name == part_name(job_id))
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
    fn only_names_that_steno_gives_are_its_own() {
        let job = JobId::random();
        let claim = ClaimId::random();
        assert!(is_audio_name(OsStr::new(&audio_name(job))));
        assert!(is_audio_name(OsStr::new(&part_name(job))));
        assert!(is_spool_name(OsStr::new(&spool_name(job, claim))));

        let upper = job.to_string().to_uppercase();
        for foreign in [
            "interview.wav",
            "",
            ".part",
            "a.b.pcm",
            &upper,
            &format!("{job}.part.part"),
            &format!("{job}.wav"),
        ] {
            assert!(!is_audio_name(OsStr::new(foreign)), "{foreign}");
            assert!(!is_spool_name(OsStr::new(foreign)), "{foreign}");
        }
    }
}
