//! Frames of AAC in ADTS, whose rate and channels may change from frame to frame where recordings were joined.
//!
//! Called by [`decode`](super). Skips tags and damage between frames. Never holds more than a few frames.

use std::io::{self, Read};

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::super::AudioError;
use super::aac_config;
use super::source::Source;
use super::{AudioTrack, Pulled};

/// Longest frame, and the header behind it.
const LOOK_BYTES: usize = 8_191 + HEADER_BYTES;
const HEADER_BYTES: usize = 7;
/// Bytes read at a time.
const CHUNK: usize = 32 * 1024;
const TRACK: u32 = 0;
const FRAME_SAMPLES: f64 = 1_024.0;

/// What stays the same from frame to frame of one recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setup {
    rate_index: u8,
    channel_index: u8,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug)]
struct Frame {
    setup: Setup,
    /// Of the header.
    header: usize,
    /// Of header and content.
    length: usize,
    /// One for all but rare encoders.
    blocks: u8,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEADER_BYTES>()?;
        if head[0] != 0xff || head[1] & 0xf6 != 0xf0 {
            return None;
        }

        let header = if head[1] & 1 == 1 {
            HEADER_BYTES
        } else {
            HEADER_BYTES + 2
        };
        let rate_index = head[2] >> 2 & 0x0f;
        let length =
            usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        let setup = Setup {
            rate_index,
            channel_index: (head[2] & 1) << 2 | head[3] >> 6,
        };
        let valid = aac_config::rate_of(rate_index).is_some() && length > header;
        valid.then_some(Self {
            setup,
            header,
            length,
            blocks: (head[6] & 3) + 1,
        })
    }
}

/// Whether bytes begin with two frames in a row.
pub(super) fn is_adts(bytes: &[u8]) -> bool {
    Frame::read(bytes).is_some_and(|frame| {
        bytes
            .get(frame.length..)
            .is_some_and(|next| Frame::read(next).is_some())
    })
}

/// Reads a file of ADTS frames.
pub(super) struct AdtsReader {
    source: Source,
    buffer: Vec<u8>,
    at: usize,
    setup: Option<Setup>,
    /// A frame was found where the one before it ended.
    in_step: bool,
}

impl AdtsReader {
    pub(super) fn open(source: Source) -> io::Result<Self> {
        let mut reader = Self {
            source,
            buffer: Vec::new(),
            at: 0,
            setup: None,
            in_step: false,
        };
        reader.setup = reader.find()?.map(|frame| frame.setup);
        Ok(reader)
    }

    pub(super) fn audio_tracks(&self) -> Vec<AudioTrack> {
        let track = |setup: Setup| AudioTrack {
            id: TRACK,
            parameters: parameters(setup),
            is_default: true,
            starts_at: 0.0,
        };
        self.setup.map(track).into_iter().collect()
    }

    pub(super) fn next(&mut self) -> io::Result<Pulled> {
        let Some(frame) = self.find()? else {
            return Ok(Pulled::End { truncated: false });
        };
        if self.setup != Some(frame.setup) {
            self.setup = Some(frame.setup);
            return Ok(Pulled::NewTracks);
        }

        let bytes = &self.buffer[self.at..];
        let Some(content) = bytes.get(frame.header..frame.length) else {
            return Ok(Pulled::End { truncated: true });
        };
        let content = content.to_vec();
        self.at += frame.length;
        self.in_step = true;
        if frame.blocks > 1 {
            return Ok(Pulled::Broken {
                track: TRACK,
                at: None,
            });
        }
        let rate = aac_config::rate_of(frame.setup.rate_index).unwrap_or(1);
        let packet = Packet::new(TRACK, Timestamp::new(0), Duration::new(0), content);
        let seconds = Some(FRAME_SAMPLES / f64::from(rate));
        Ok(Pulled::Packet {
            packet,
            at: None,
            seconds,
            after_damage: false,
        })
    }

    /// The next frame, at `self.at`. One that does not follow another, or that changes rate or channels, must be followed by
    /// one like it: a damaged header would end the recording otherwise.
    fn find(&mut self) -> io::Result<Option<Frame>> {
        loop {
            self.fill()?;
            let bytes = &self.buffer[self.at..];
            if bytes.len() < HEADER_BYTES {
                return Ok(None);
            }
            let frame = Frame::read(bytes).filter(|frame| {
                let is_expected = self.in_step && self.setup == Some(frame.setup);
                let next = bytes.get(frame.length..).unwrap_or_default();
                is_expected
                    || next.len() < HEADER_BYTES
                    || Frame::read(next).is_some_and(|next| next.setup == frame.setup)
            });
            if frame.is_some() {
                return Ok(frame);
            }
            self.in_step = false;
            self.at += 1;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.buffer.len() - self.at < LOOK_BYTES {
            self.buffer.drain(..self.at);
            self.at = 0;
            self.source.begin_portion();
            let read = self
                .source
                .by_ref()
                .take(CHUNK as u64)
                .read_to_end(&mut self.buffer)?;
            if read == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn parameters(setup: Setup) -> Result<AudioCodecParameters, AudioError> {
    let mut parameters = AudioCodecParameters::new();
    let rate = aac_config::rate_of(setup.rate_index).unwrap_or(0);
    let channels = aac_config::channels_of(setup.channel_index);
    if channels > 2 || channels == 0 {
        return Err(AudioError::needs_ffmpeg("AAC with more than two channels"));
    }
    parameters
        .for_codec(CODEC_ID_AAC)
        .with_sample_rate(rate)
        .with_channels(Channels::Discrete(channels));
    Ok(parameters)
}
