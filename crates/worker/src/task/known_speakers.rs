//! The recordings of known speakers, decoded. Called by the `diarize` task.
//!
//! Voices are biometric data: they are decoded in memory, and no file is left by a worker that dies.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use steno_models::{JobId, SpeakerReference, Warning, WarningCode, is_long_enough};
use steno_store::Claim;

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, Limits, Recording, SAMPLE_RATE, Selection, Spool, TrackChoice};
use crate::decode_process::{self, DecodeError, DecodeSettings};

/// Longest audio that is decoded of a reference, in seconds.
const MAX_SECONDS: u64 = 60;
/// Processor time for a reference.
const MAX_CPU: Duration = Duration::from_secs(10);

/// The voices of known speakers.
#[derive(Default)]
pub(super) struct KnownSpeakers {
    /// The names of those whose recordings can be used.
    pub(super) names: Vec<String>,
    /// Samples of each.
    pub(super) voices: Vec<Vec<f32>>,
    /// About those whose recordings cannot be used.
    pub(super) warnings: Vec<Warning>,
}

/// Why a reference gives no voice. Machine errors are none of these: they postpone the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unusable {
    /// It is no recording, or has no speech or another length.
    Unfit,
    /// Its decoder took all the memory or time it may have, or crashed.
    BreaksDecoder,
}

impl KnownSpeakers {
    /// Decodes the references of a job.
    pub(super) fn of(claim: &Claim, context: &TaskContext<'_>) -> Result<Self, TaskError> {
        let mut known = Self::default();
        let names = claim.options.known_speaker_names.iter();
        let references = names.zip(&claim.options.known_speaker_references);
        for (index, (name, reference)) in references.enumerate() {
            match decode(reference, claim.job_id, context)? {
                Ok(samples) => {
                    known.names.push(name.clone());
                    known.voices.push(samples);
                }
                Err(reason) => known.warnings.push(reason.warning(index)),
            }
        }
        context.memory_kills.forget(claim.job_id);
        Ok(known)
    }
}

impl Unusable {
    fn warning(self, index: usize) -> Warning {
        let number = index + 1;
        let detail = match self {
            Self::Unfit => format!(
                "the reference of known speaker {number} cannot be used: send 2 to 10 s of speech in a format that is \
                 also accepted for recordings"
            ),
            Self::BreaksDecoder => format!(
                "decoding the reference of known speaker {number} took all the memory or time it may have, or crashed \
                 the decoder; convert it to FLAC or WAV and send the new file"
            ),
        };
        Warning::new(WarningCode::KnownSpeakerUnusable, detail)
    }
}

/// The samples of a reference.
fn decode(
    reference: &SpeakerReference,
    job: JobId,
    context: &TaskContext<'_>,
) -> Result<Result<Vec<f32>, Unusable>, TaskError> {
    let Some(audio) = reference.audio() else {
        return Ok(Err(Unusable::Unfit));
    };
    let (mut input, input_path) = memory_file()?;
    let (_spool, spool_path) = memory_file()?;
    input.write_all(&audio).map_err(DecodeError::Process)?;

    let settings = DecodeSettings {
        limits: Limits {
            max_seconds: MAX_SECONDS,
            max_cpu: MAX_CPU,
            ..context.decode.limits
        },
        ..context.decode.clone()
    };
    let decoded = decode_process::decode_apart(
        &input_path,
        &spool_path,
        &settings,
        Selection::from(TrackChoice::Automatic { skipped: 0 }),
        context.control,
    );
    if let Err(reason) = judge(decoded, || context.memory_kills.note(job))? {
        return Ok(Err(reason));
    }

    let mut spool = Spool::open(&spool_path).map_err(AudioError::Spool)?;
    let seconds = spool.samples() as f64 / f64::from(SAMPLE_RATE);
    if !is_long_enough(seconds) {
        return Ok(Err(Unusable::Unfit));
    }
    let mut samples = vec![0.0; spool.samples() as usize];
    spool.read(0, &mut samples).map_err(AudioError::Spool)?;
    Ok(Ok(samples))
}

/// Decides what an outcome of decoding means for a reference. `is_free` counts a kill for memory and returns whether it costs no try.
fn judge(
    decoded: Result<Recording, DecodeError>,
    is_free: impl FnOnce() -> bool,
) -> Result<Result<(), Unusable>, TaskError> {
    match decoded {
        Ok(recording) if recording.spans.is_empty() => Ok(Err(Unusable::Unfit)),
        Ok(_) => Ok(Ok(())),
        Err(
            error @ (DecodeError::Process(_)
            | DecodeError::Audio(
                AudioError::Stopped | AudioError::Input(_) | AudioError::Spool(_),
            )),
        ) => Err(error.into()),
        Err(error @ DecodeError::OutOfMemory(_)) if is_free() => Err(error.into()),
        Err(DecodeError::Audio(_)) => Ok(Err(Unusable::Unfit)),
        Err(_) => Ok(Err(Unusable::BreaksDecoder)),
    }
}

/// A file that is not on any disk, and its path for another process.
fn memory_file() -> Result<(File, PathBuf), TaskError> {
    let descriptor = rustix::fs::memfd_create("reference", MemfdFlags::CLOEXEC)
        .map_err(|error| DecodeError::Process(error.into()))?;
    let file = File::from(descriptor);
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    Ok((file, path.into()))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use steno_runner::Undone;

    use super::*;

    fn judged(error: DecodeError, is_free: bool) -> Result<Result<(), Unusable>, TaskError> {
        judge(Err(error), || is_free)
    }

    #[test]
    fn errors_of_the_machine_postpone_the_task() {
        let killed = || DecodeError::OutOfMemory(ExitStatus::from_raw(9));
        for error in [
            killed(),
            DecodeError::Process(io::Error::other("no process")),
            AudioError::Input(io::Error::other("no file")).into(),
            AudioError::Spool(io::Error::other("no room")).into(),
        ] {
            let undone = judged(error, true).map_err(Undone::from);
            assert!(
                matches!(undone, Err(Undone::Postponed { .. })),
                "{undone:?}"
            );
        }
        let stopped = judged(AudioError::Stopped.into(), true);
        assert!(matches!(stopped, Err(TaskError::Stopped)));

        let again_and_again = judged(killed(), false).unwrap();
        assert_eq!(again_and_again, Err(Unusable::BreaksDecoder));
    }

    #[test]
    fn a_warning_says_what_is_wrong_with_a_reference() {
        let crashed = judged(DecodeError::Died(ExitStatus::from_raw(6)), true).unwrap();
        assert_eq!(crashed, Err(Unusable::BreaksDecoder));
        let text = judged(AudioError::EmptyAudio.into(), true).unwrap();
        assert_eq!(text, Err(Unusable::Unfit));

        let detail = |reason: Unusable| reason.warning(1).detail;
        assert!(detail(Unusable::Unfit).contains("known speaker 2 cannot be used: send 2 to 10 s"));
        assert!(detail(Unusable::BreaksDecoder).contains("crashed the decoder; convert it"));
    }
}
