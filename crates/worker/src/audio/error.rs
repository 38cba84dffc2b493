//! Errors of audio preparation, with messages that say what to do next.
//!
//! Returned by [`prepare`](super::prepare); the task code decides by variant between retry and failure. Never holds a path
//! or a client's file name.

use std::io;

/// Why a file could not be turned into a spool.
///
/// [`AudioError::Input`] and [`AudioError::Spool`] come from the machine and are worth another try; every other variant comes
/// from the file itself and returns the same at each try, except [`AudioError::Stopped`], which the caller asked for.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The container or codec is not known, or the file has no audio track. Holds the reason.
    #[error("this kind of file is not supported ({0}); send WAV, FLAC, MP3, M4A, OGG or WebM")]
    UnsupportedMedia(String),
    /// A format that is known by name and that only ffmpeg decodes. Holds the name.
    #[error(
        "{0} is read only where ffmpeg is installed on the server and STENO_FFMPEG is not off; \
         install it, or send WAV, FLAC, MP3, M4A, OGG or WebM"
    )]
    NeedsFfmpeg(String),
    /// The container is known, yet no sound could be decoded. Holds the reason.
    #[error("the audio is damaged ({0}); export it again and send the new file")]
    CorruptAudio(String),
    /// The file is well formed and holds no samples.
    #[error("the file holds no audio; check the recording and send it again")]
    EmptyAudio,
    /// More audio was decoded than [`Limits`](super::Limits) allow.
    #[error("the audio is longer than {limit_seconds} seconds; split it into shorter files")]
    TooLong {
        /// The most audio allowed, in seconds.
        limit_seconds: u64,
    },
    /// [`Control::should_stop`](super::Control::should_stop) returned true.
    #[error("the work was stopped before the audio was decoded")]
    Stopped,
    /// The input file could not be opened or read.
    #[error("cannot read the uploaded audio; try again")]
    Input(#[source] io::Error),
    /// The spool file could not be written.
    #[error("cannot write the decoded audio; check the free disk space")]
    Spool(#[source] io::Error),
}

impl AudioError {
    /// Whether the file itself cannot be decoded.
    pub(super) fn is_about_the_file(&self) -> bool {
        matches!(
            self,
            Self::CorruptAudio(_) | Self::UnsupportedMedia(_) | Self::NeedsFfmpeg(_)
        )
    }

    /// A format by its name that only ffmpeg decodes.
    pub(super) fn needs_ffmpeg(format: &str) -> Self {
        Self::NeedsFfmpeg(format.to_owned())
    }

    /// A copy of an error about the format, for a second report.
    pub(super) fn of_format(&self) -> Self {
        match self {
            Self::NeedsFfmpeg(format) => Self::NeedsFfmpeg(format.clone()),
            Self::UnsupportedMedia(reason) => Self::UnsupportedMedia(reason.clone()),
            other => Self::CorruptAudio(other.to_string()),
        }
    }
}
