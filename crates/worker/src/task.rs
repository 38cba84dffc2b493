//! Doing one task: from a claim to what the store keeps. Knows audio, engine and files; changes no row.

mod diarize;
mod doubtful;
mod find_voices;
mod known_speakers;
mod language;
mod prepare;
mod transcribe;

use std::io;

use steno_models::FailureCode;
use steno_runner::{Done, Undone};
use steno_store::{
    Claim, Failure, Files, Postponement, SpoolReader, Store, StoreError, TaskInput, TaskOutput,
};

use crate::Control;
use crate::audio::{AudioError, Spool, SpoolBytes};
use crate::decode_process::{DecodeError, DecodeSettings, MemoryKills};
use crate::engine::{EngineError, Session};
use crate::speaker_networks::SpeakerNetworks;

/// What a worker needs for any task.
pub(crate) struct TaskContext<'a> {
    pub(crate) files: &'a Files,
    pub(crate) decode: &'a DecodeSettings,
    pub(crate) memory_kills: &'a MemoryKills,
    pub(crate) speaker_networks: &'a SpeakerNetworks,
    /// Name of the weights the job is done with.
    pub(crate) model: &'a str,
    pub(crate) control: &'a dyn Control,
}

/// Why a task yielded nothing. Carries the decision what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// The worker is asked to stop, or the job was deleted. The task goes back, or is gone.
    #[error("the task was stopped")]
    Stopped,
    /// The recording is at fault: another try would end the same way.
    #[error("the recording cannot be transcribed")]
    Recording(#[source] AudioError),
    /// A file could not be read or written.
    #[error("cannot work with the files of the job")]
    File(#[source] AudioError),
    /// The process that decodes the recording could not be started, died or hung.
    #[error(transparent)]
    Decoder(DecodeError),
    /// The speaker networks are missing or damaged here.
    #[error("the speaker networks cannot be used: {0:#}")]
    SpeakerNetworks(anyhow::Error),
    /// The store could not be used.
    #[error("cannot work with the store")]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error("the engine failed")]
    Engine(#[source] EngineError),
}

/// What to do about a task that yielded nothing.
#[derive(Debug)]
enum Remedy {
    /// Give it back: it was only stopped.
    Release,
    /// The machine is at fault, not the recording: try again later, at no charge.
    Postpone(Postponement),
    /// The decoder or the engine has failed on the recording: a try is spent, or the job fails.
    Fail(Failure),
}

impl From<TaskError> for Undone {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Store(error) if error.is_fatal() && !error.is_disk_full() => {
                Self::Fatal(error)
            }
            error => match error.remedy() {
                Remedy::Release => Self::Stopped,
                Remedy::Postpone(reason) => Self::Postponed {
                    reason,
                    error: Box::new(error),
                },
                Remedy::Fail(failure) => Self::Failed {
                    failure,
                    error: Box::new(error),
                },
            },
        }
    }
}

impl TaskError {
    /// What to do about it. Only what decoder or engine report about the recording costs a try.
    fn remedy(&self) -> Remedy {
        let (code, message, retryable) = match self {
            Self::Stopped | Self::Store(StoreError::Stopped) => return Remedy::Release,
            Self::File(_) | Self::Store(_) if self.has_lost_file() => {
                (FailureCode::EngineError, "the server has lost the recording; send it again".to_owned(), true)
            }
            Self::File(_) | Self::Store(_) if self.is_disk_full() => return Remedy::Postpone(Postponement::DiskFull),
            Self::File(_) | Self::Store(StoreError::Storage { .. }) => return Remedy::Postpone(Postponement::Files),
            Self::Store(_) => return Remedy::Postpone(Postponement::Store),
            Self::Decoder(DecodeError::Process(_) | DecodeError::OutOfMemory(_)) => return Remedy::Postpone(Postponement::Decoder),
            Self::Engine(error) if error.is_of_machine() => return Remedy::Postpone(Postponement::Engine),
            Self::Recording(error) => (recording_code(error), error.to_string(), false),
            Self::Decoder(_) => (
                FailureCode::WorkerCrashed,
                "decoding the recording took all the memory or time it may have, or crashed the decoder; \
                 convert it to FLAC or WAV and send the new file"
                    .to_owned(),
                true,
            ),
            // Another worker may have the weights.
            Self::Engine(EngineError::ModelUnavailable { model, reason }) => {
                (FailureCode::ModelUnavailable, format!("the model {model} cannot be used: {reason}"), true)
            }
            // The last try ends with a result without speakers instead.
            Self::SpeakerNetworks(_) => {
                (FailureCode::ModelUnavailable, "the server cannot label speakers".to_owned(), true)
            }
            Self::Engine(_) => {
                (FailureCode::EngineError, "the speech engine failed on this recording".to_owned(), true)
            }
        };
        Remedy::Fail(Failure {
            code,
            message,
            retryable,
            reason: None,
        })
    }

    /// Whether a file of the job is gone for certain: only a human could bring it back.
    fn has_lost_file(&self) -> bool {
        let error = match self {
            Self::Store(error) => Some(error),
            Self::File(AudioError::Spool(error)) => {
                error.get_ref().and_then(|error| error.downcast_ref())
            }
            _ => None,
        };
        matches!(error, Some(StoreError::FileLost { .. }))
    }

    fn is_disk_full(&self) -> bool {
        match self {
            Self::File(AudioError::Input(error) | AudioError::Spool(error)) => {
                matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            Self::Store(error) => error.is_disk_full(),
            _ => false,
        }
    }
}

impl From<AudioError> for TaskError {
    fn from(error: AudioError) -> Self {
        match error {
            AudioError::Stopped => Self::Stopped,
            AudioError::Input(_) | AudioError::Spool(_) => Self::File(error),
            _ => Self::Recording(error),
        }
    }
}

impl From<DecodeError> for TaskError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Audio(error) => error.into(),
            _ => Self::Decoder(error),
        }
    }
}

impl From<EngineError> for TaskError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Stopped => Self::Stopped,
            _ => Self::Engine(error),
        }
    }
}

fn recording_code(error: &AudioError) -> FailureCode {
    match error {
        AudioError::UnsupportedMedia(_) | AudioError::NeedsFfmpeg(_) => {
            FailureCode::UnsupportedMedia
        }
        AudioError::EmptyAudio => FailureCode::EmptyAudio,
        AudioError::TooLong { .. } => FailureCode::AudioTooLong,
        AudioError::CorruptAudio(_)
        | AudioError::Stopped
        | AudioError::Input(_)
        | AudioError::Spool(_) => FailureCode::CorruptAudio,
    }
}

/// Opens a spool of the store.
fn open_spool(files: &Files, name: &str) -> Result<Spool, StoreError> {
    Ok(Spool::of(files.open_spool(name)?))
}

impl SpoolBytes for SpoolReader {
    fn bytes(&self) -> u64 {
        self.bytes()
    }

    fn need_until(&mut self, end: u64) {
        self.need_until(end);
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

/// Does the task of a claim. Reads from the store what earlier tasks of the job have found.
pub(crate) fn run(
    claim: &Claim,
    store: &Store,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Done, TaskError> {
    match &claim.task {
        TaskInput::Prepare { audio } => prepare::prepare(claim, audio, context, session),
        TaskInput::Transcribe(span) => {
            let output = transcribe::transcribe(claim, span, context, session)?;
            Ok(Done::new(TaskOutput::Span {
                output,
                model: context.model.to_owned(),
            }))
        }
        // For the courier: a worker claims none.
        TaskInput::Fetch(_) => {
            let kind = claim.task.kind().as_str();
            Err(StoreError::UnknownTaskKind(kind.to_owned()).into())
        }
        TaskInput::Voices(task) => {
            let spool = open_spool(context.files, &task.spool)?;
            let found = find_voices::find_voices(spool, task, claim, context)?;
            Ok(Done::new(TaskOutput::Voices(found)))
        }
        TaskInput::Diarize { spool } => {
            let spool = open_spool(context.files, spool)?;
            let stored = |block| store.found_voices(claim, block);
            Ok(Done::new(TaskOutput::Speakers {
                diarization: diarize::diarize(spool, &stored, claim, context)?,
                model: context.model.to_owned(),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_postponed(error: impl Into<TaskError>) -> bool {
        matches!(error.into().remedy(), Remedy::Postpone(_))
    }

    #[test]
    fn what_the_machine_does_costs_no_try() {
        for number in [
            rustix::io::Errno::ACCESS,
            rustix::io::Errno::NOENT,
            rustix::io::Errno::MFILE,
            rustix::io::Errno::NFILE,
            rustix::io::Errno::NOMEM,
            rustix::io::Errno::IO,
            rustix::io::Errno::NOSPC,
            rustix::io::Errno::PERM,
        ] {
            let error = || io::Error::from(number);
            assert!(is_postponed(AudioError::Input(error())), "{number}");
            assert!(is_postponed(AudioError::Spool(error())), "{number}");
            assert!(is_postponed(DecodeError::Process(error())), "{number}");
            assert!(is_postponed(EngineError::Header(error())), "{number}");
        }
        assert!(is_postponed(EngineError::NoState));
    }

    #[test]
    fn what_is_reported_about_the_recording_does() {
        let lost = || StoreError::FileLost {
            object: "spool/x".to_owned(),
        };
        let unavailable = EngineError::ModelUnavailable {
            model: "small".to_owned(),
            reason: "they are not installed on the server".to_owned(),
        };
        let died = std::os::unix::process::ExitStatusExt::from_raw(9);
        for (error, retryable) in [
            (TaskError::from(AudioError::EmptyAudio), false),
            (
                AudioError::CorruptAudio("no sound".to_owned()).into(),
                false,
            ),
            (DecodeError::Died(died).into(), true),
            (DecodeError::Nonsense.into(), true),
            (unavailable.into(), true),
            (lost().into(), true),
            (AudioError::Spool(io::Error::other(lost())).into(), true),
        ] {
            let Remedy::Fail(failure) = error.remedy() else {
                panic!("not charged: {error}")
            };
            assert_eq!(failure.retryable, retryable, "{error}");
        }
        assert!(matches!(TaskError::Stopped.remedy(), Remedy::Release));
    }
}
