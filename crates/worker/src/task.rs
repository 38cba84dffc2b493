//! Doing one task: from a claim to what the store is to keep. Knows audio, engine and files; changes no row.

mod language;
mod prepare;
mod transcribe;

use std::io;

use steno_models::FailureCode;
use steno_store::{Claim, DataDir, Failure, Prepared, SpanOutput, SpoolFile, StoreError, TaskKind};

use crate::audio::{AudioError, Control};
use crate::decode_process::{DecodeError, DecodeSettings};
use crate::engine::{EngineError, Session};

/// What a worker needs for any task.
pub(crate) struct TaskContext<'a> {
    pub(crate) data: &'a DataDir,
    pub(crate) decode: &'a DecodeSettings,
    /// Name of the weights the job is done with.
    pub(crate) model: &'a str,
    pub(crate) control: &'a dyn Control,
}

/// What a task yielded.
pub(crate) enum Done {
    /// The plan of a job, or its whole result. The spool is kept when its row is committed.
    Prepared(Box<Prepared>, SpoolFile),
    /// What a span yielded.
    Transcribed(SpanOutput),
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
    /// The process that decodes the recording died or hung. Another try may meet a machine with more room.
    #[error(transparent)]
    Decoder(DecodeError),
    /// The store could not be used.
    #[error("cannot work with the store")]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error("the engine failed")]
    Engine(#[source] EngineError),
}

impl TaskError {
    /// Whether the disk is full: the task can be done when there is room again.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::File(AudioError::Input(error) | AudioError::Spool(error)) => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Store(error) => error.is_disk_full(),
            _ => false,
        }
    }

    /// What the client is told and whether there is another try; `None` if the task was only stopped.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let (code, message, retryable) = match self {
            Self::Stopped => return None,
            Self::Recording(error) => (recording_code(error), error.to_string(), false),
            Self::File(_) | Self::Store(_) => {
                (FailureCode::EngineError, "the server could not read or write its files".to_owned(), true)
            }
            Self::Decoder(DecodeError::Process(_)) => {
                (FailureCode::EngineError, "the server could not start a process to decode in".to_owned(), true)
            }
            Self::Decoder(_) => (
                FailureCode::WorkerCrashed,
                "decoding the recording took all the memory or time it may have, or crashed the decoder; \
                 convert it to FLAC or WAV and send the new file"
                    .to_owned(),
                true,
            ),
            Self::Engine(EngineError::ModelUnavailable { model, reason }) => {
                (FailureCode::ModelUnavailable, format!("the model {model} cannot be used: {reason}"), false)
            }
            Self::Engine(_) => {
                (FailureCode::EngineError, "the speech engine failed on this recording".to_owned(), true)
            }
        };
        Some(Failure { code, message, retryable })
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
        AudioError::UnsupportedMedia(_) | AudioError::NeedsFfmpeg(_) => FailureCode::UnsupportedMedia,
        AudioError::EmptyAudio => FailureCode::EmptyAudio,
        AudioError::TooLong { .. } => FailureCode::AudioTooLong,
        AudioError::CorruptAudio(_) | AudioError::Stopped | AudioError::Input(_) | AudioError::Spool(_) => {
            FailureCode::CorruptAudio
        }
    }
}

/// Does the task of a claim.
pub(crate) fn run(claim: &Claim, context: &TaskContext<'_>, session: &mut dyn Session) -> Result<Done, TaskError> {
    match &claim.task {
        TaskKind::Prepare { audio } => prepare::prepare(claim, audio, context, session),
        TaskKind::Transcribe(span) => transcribe::transcribe(claim, span, context, session).map(Done::Transcribed),
    }
}
