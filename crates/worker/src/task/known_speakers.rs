//! The recordings of known speakers, decoded. Called by the `diarize` task.
//!
//! Voices are biometric data: they are decoded in memory, and no file is left by a worker that dies.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use steno_models::{SpeakerReference, TranscribeRequest, Warning, WarningCode, is_long_enough};

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, Limits, SAMPLE_RATE, Selection, Spool, TrackChoice};
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

impl KnownSpeakers {
    /// Decodes the references of a job.
    pub(super) fn of(
        options: &TranscribeRequest,
        context: &TaskContext<'_>,
    ) -> Result<Self, TaskError> {
        let mut known = Self::default();
        let names = options.known_speaker_names.iter();
        for (index, (name, reference)) in names.zip(&options.known_speaker_references).enumerate() {
            match decode(reference, context)? {
                Some(samples) => {
                    known.names.push(name.clone());
                    known.voices.push(samples);
                }
                None => known.warnings.push(unusable(index)),
            }
        }
        Ok(known)
    }
}

fn unusable(index: usize) -> Warning {
    let detail = format!(
        "the reference of known speaker {} cannot be used: send 2 to 10 s of speech in a format that is also \
         accepted for recordings",
        index + 1
    );
    Warning::new(WarningCode::KnownSpeakerUnusable, detail)
}

/// The samples of a reference; `None` if it cannot be used.
fn decode(
    reference: &SpeakerReference,
    context: &TaskContext<'_>,
) -> Result<Option<Vec<f32>>, TaskError> {
    let Some(audio) = reference.audio() else {
        return Ok(None);
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
    match decoded {
        Ok(recording) if recording.spans.is_empty() => return Ok(None),
        Ok(_) => {}
        Err(DecodeError::Audio(AudioError::Stopped)) => return Err(TaskError::Stopped),
        Err(error @ DecodeError::Process(_)) => return Err(error.into()),
        Err(_) => return Ok(None),
    }

    let mut spool = Spool::open(&spool_path).map_err(AudioError::Spool)?;
    let seconds = spool.samples() as f64 / f64::from(SAMPLE_RATE);
    if !is_long_enough(seconds) {
        return Ok(None);
    }
    let mut samples = vec![0.0; spool.samples() as usize];
    spool.read(0, &mut samples).map_err(AudioError::Spool)?;
    Ok(Some(samples))
}

/// A file that is not on any disk, and its path for another process.
fn memory_file() -> Result<(File, PathBuf), TaskError> {
    let descriptor = rustix::fs::memfd_create("reference", MemfdFlags::CLOEXEC)
        .map_err(|error| DecodeError::Process(error.into()))?;
    let file = File::from(descriptor);
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    Ok((file, path.into()))
}
