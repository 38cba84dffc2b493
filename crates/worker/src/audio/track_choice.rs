//! Which of a file's audio tracks is transcribed, and whether its channels are mixed or split.

use serde::{Deserialize, Serialize};

use super::AudioError;
use super::sink::MAX_SPLIT_CHANNELS;

/// What is transcribed of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The audio track.
    pub track: TrackChoice,
    /// Whether each channel is transcribed by itself.
    pub splits_channels: bool,
}

impl From<TrackChoice> for Selection {
    fn from(track: TrackChoice) -> Self {
        Self {
            track,
            splits_channels: false,
        }
    }
}

impl Selection {
    /// Channels that the spool may have.
    pub fn max_channels(self) -> u64 {
        if self.splits_channels {
            MAX_SPLIT_CHANNELS as u64
        } else {
            1
        }
    }
}

/// The choice among the audio tracks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrackChoice {
    /// The default track, else the first that can be decoded; of these, the first with sound.
    Automatic {
        /// Decodable tracks to skip.
        skipped: u16,
    },
    /// One track, counted from 1 among the audio tracks in the order of the file.
    Number(u16),
}

impl TrackChoice {
    /// What a job asks for.
    pub fn asked(track: Option<u16>) -> Self {
        track.map_or(Self::Automatic { skipped: 0 }, Self::Number)
    }

    pub(super) fn skipped(self) -> u16 {
        match self {
            Self::Automatic { skipped } => skipped,
            Self::Number(_) => 0,
        }
    }

    /// Checks the choice for a format that has exactly one track.
    pub(super) fn check_single(self) -> Result<(), AudioError> {
        match self {
            Self::Number(number) if number != 1 => Err(self.absent(1)),
            _ => Ok(()),
        }
    }

    /// There is no such track among `count`.
    pub(super) fn absent(self, count: usize) -> AudioError {
        AudioError::UnsupportedMedia(match self {
            Self::Number(number) if count > 0 => {
                format!("it has no audio track {number}, only {count}")
            }
            _ => "no audio track of a known codec".to_owned(),
        })
    }
}
