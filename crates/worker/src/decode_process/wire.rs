//! What the worker and a process that decodes tell each other.

use std::io;

use serde::{Deserialize, Serialize};

use crate::audio::{AudioError, Limits, Recording};

/// What the process is to keep to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) limits: Limits,
    pub(super) memory_bytes: u64,
}

/// What it says, a JSON value a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// A sign of life.
    Alive,
    /// A wall that could not be put up, and why.
    Unprotected(String),
    /// The spool is written.
    Prepared(Recording),
    /// There is no recording.
    Failed(Failed),
}

/// An [`AudioError`] that can be written down.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failed {
    UnsupportedMedia(String),
    CorruptAudio(String),
    EmptyAudio,
    TooLong { limit_seconds: u64 },
    Stopped,
    Input(IoFailure),
    Spool(IoFailure),
}

/// An [`io::Error`] that can be written down: the system's number where it has one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IoFailure {
    number: Option<i32>,
    message: String,
}

impl From<AudioError> for Failed {
    fn from(error: AudioError) -> Self {
        match error {
            AudioError::UnsupportedMedia(reason) => Self::UnsupportedMedia(reason),
            AudioError::CorruptAudio(reason) => Self::CorruptAudio(reason),
            AudioError::EmptyAudio => Self::EmptyAudio,
            AudioError::TooLong { limit_seconds } => Self::TooLong { limit_seconds },
            AudioError::Stopped => Self::Stopped,
            AudioError::Input(error) => Self::Input(error.into()),
            AudioError::Spool(error) => Self::Spool(error.into()),
        }
    }
}

impl From<Failed> for AudioError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::UnsupportedMedia(reason) => Self::UnsupportedMedia(reason),
            Failed::CorruptAudio(reason) => Self::CorruptAudio(reason),
            Failed::EmptyAudio => Self::EmptyAudio,
            Failed::TooLong { limit_seconds } => Self::TooLong { limit_seconds },
            Failed::Stopped => Self::Stopped,
            Failed::Input(error) => Self::Input(error.into()),
            Failed::Spool(error) => Self::Spool(error.into()),
        }
    }
}

impl From<io::Error> for IoFailure {
    fn from(error: io::Error) -> Self {
        Self { number: error.raw_os_error(), message: error.to_string() }
    }
}

impl From<IoFailure> for io::Error {
    fn from(failure: IoFailure) -> Self {
        failure.number.map_or_else(|| Self::other(failure.message), Self::from_raw_os_error)
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    /// As the worker gets to know of an error in the other process.
    fn told(error: AudioError) -> AudioError {
        let line = serde_json::to_string(&Message::Failed(error.into())).unwrap();
        match serde_json::from_str(&line).unwrap() {
            Message::Failed(failed) => failed.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_full_disk_is_one_on_the_other_side_too() {
        let full = io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());
        let AudioError::Spool(error) = told(AudioError::Spool(full)) else { panic!("another error") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let AudioError::Input(error) = told(AudioError::Input(io::Error::other("odd"))) else {
            panic!("another error")
        };
        assert_eq!(error.to_string(), "odd");
    }

    #[test]
    fn what_is_said_about_a_file_stays_the_same() {
        for error in [
            || AudioError::UnsupportedMedia("a kind".into()),
            || AudioError::CorruptAudio("a reason".into()),
            || AudioError::EmptyAudio,
            || AudioError::TooLong { limit_seconds: 7 },
            || AudioError::Stopped,
        ] {
            assert_eq!(told(error()).to_string(), error().to_string());
        }
    }
}
