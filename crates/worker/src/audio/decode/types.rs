//! What demuxers, decoders and the pipeline hand to each other.

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::packet::Packet;

use super::super::AudioError;

/// Rate and channel count of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Shape {
    /// In Hz, 4 000 to 384 000.
    pub(in super::super) rate: u32,
    /// 1 to 64.
    pub(in super::super) channels: usize,
}

/// How the container may move about in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Access {
    /// Anywhere, as most containers need.
    Seekable,
    /// Forward only and of unknown length. Some containers refuse a file shorter than their header says, unless they cannot
    /// know; that is how a cut recording is saved.
    Streamed,
}

/// What one packet gave.
pub(in super::super) enum Step {
    /// The block passed to [`Decoder::next`](super::Decoder::next) holds samples of this shape.
    Block(Shape),
    /// It holds silence where the file has a gap.
    Gap(Shape),
    /// It holds silence in place of sound that could not be decoded.
    Lost(Shape),
    /// A packet of another track, or one without samples.
    Nothing,
    /// No more audio.
    End {
        /// The file broke off or could not be read to its end.
        truncated: bool,
    },
}

/// A track with sound.
pub(super) struct AudioTrack {
    pub(super) id: u32,
    /// Why it cannot be decoded, where it cannot.
    pub(super) parameters: Result<AudioCodecParameters, AudioError>,
    pub(super) is_default: bool,
    /// Seconds of silence before it.
    pub(super) starts_at: f64,
}

/// What a demuxer gave.
pub(super) enum Pulled {
    Packet {
        packet: Packet,
        /// On the file's clock, in seconds.
        at: Option<f64>,
        /// How long it lasts, if that is known.
        seconds: Option<f64>,
        /// What is missing before it was damaged.
        after_damage: bool,
    },
    /// A packet of a track with sound that could not be unpacked.
    Broken {
        track: u32,
        at: Option<f64>,
    },
    /// A packet of another track.
    Other {
        at: Option<f64>,
    },
    /// Another recording follows, with tracks of its own.
    NewTracks,
    End {
        truncated: bool,
    },
}
