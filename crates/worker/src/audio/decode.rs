//! Decodes an untrusted file to blocks of interleaved samples: demuxers and decoders behind one interface.
//!
//! Called by [`pipeline`](super::pipeline). The container is recognised by its content alone, panics of decoders are caught, and no number
//! in a header is trusted. Never seeks forward. Holds at most one packet; silence before it is kept as a sample count.

mod aac_config;
mod adts;
mod codec;
mod mkv;
mod mp4;
mod opus_streams;
mod parts;
mod pcm;
mod piped;
mod reader;
mod riff;
mod source;
mod timeline;
mod types;
mod wave_format;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use super::cpu_limit::CpuLimit;
use super::signature::Signature;
use super::{AudioError, TrackChoice};
use codec::Codec;
use parts::Part;
pub(super) use piped::PipedSamples;
use reader::Reader;
use source::Watch;
use timeline::Timeline;
pub(super) use types::{Access, Shape, Step};
use types::{AudioTrack, Pulled};

const MIN_RATE: u32 = 4_000;
const MAX_RATE: u32 = 384_000;
const MAX_CHANNELS: usize = 64;
const OPUS_RATE: u32 = 48_000;
/// Sample rate and channels of silence before the first sound.
const SILENT: Shape = Shape {
    rate: 16_000,
    channels: 1,
};

/// Silence that is still to be returned.
struct Silence {
    frames: u64,
    shape: Shape,
    is_damage: bool,
}

/// Reads one track of each recording in a file.
pub(super) struct Decoder {
    file: File,
    access: Access,
    signature: Signature,
    watch: Watch,
    choice: TrackChoice,
    longest_gap: f64,
    parts: VecDeque<Part>,
    /// `None` between parts.
    reader: Option<Reader>,
    /// The current part ended before the length in its header.
    part_truncated: bool,
    /// Decoder of the current part; `None` for plain samples.
    codec: Option<Codec>,
    track: u32,
    timeline: Timeline,
    silence: Option<Silence>,
    /// A block to return after the silence before it.
    held: Option<(Shape, Vec<f32>)>,
    last: Option<(Shape, usize)>,
    /// Tracks of the first part.
    tracks: usize,
}

impl Decoder {
    /// Finds container, track and codec. No gap is longer than `longest_gap` seconds.
    pub(super) fn open(
        file: &File,
        access: Access,
        choice: TrackChoice,
        longest_gap: f64,
        cpu: &CpuLimit,
    ) -> Result<Self, AudioError> {
        // Its position is shared with the caller's handle, which an earlier attempt may have moved.
        let mut file = file.try_clone().map_err(AudioError::Input)?;
        file.rewind().map_err(AudioError::Input)?;
        let (parts, signature) = parts::find(&mut file)?;
        let mut decoder = Self {
            file,
            access,
            signature,
            watch: Watch::new(cpu),
            choice,
            longest_gap,
            parts: parts.into(),
            reader: None,
            part_truncated: false,
            codec: None,
            track: 0,
            timeline: Timeline::default(),
            silence: None,
            held: None,
            last: None,
            tracks: 1,
        };

        decoder.open_part()?;

        Ok(decoder)
    }

    /// How many tracks with sound the file has.
    pub(super) fn tracks(&self) -> usize {
        self.tracks
    }

    /// Decodes the next packet into `block`, interleaved. Samples may have any value, NaN included.
    pub(super) fn next(&mut self, block: &mut Vec<f32>) -> Result<Step, AudioError> {
        block.clear();
        if let Some(step) = self.give_silence(block) {
            return Ok(step);
        }
        if let Some((shape, samples)) = self.held.take() {
            *block = samples;
            return Ok(Step::Block(shape));
        }

        let Some(reader) = &mut self.reader else {
            return Ok(Step::End { truncated: false });
        };
        let pulled = match reader {
            Reader::Pcm(reader) => {
                let shape = reader.next(block);
                self.watch.end_step()?;
                return match shape {
                    Ok(shape) if !block.is_empty() => Ok(Step::Block(shape)),
                    shape => self.end_part(shape.is_err()),
                };
            }
            Reader::Packets(reader) => reader.next(),
        };
        self.watch.end_step()?;
        match pulled {
            Pulled::Packet {
                packet,
                at,
                seconds,
                after_damage,
            } if packet.track_id == self.track => {
                self.take(packet, at, seconds, after_damage, block)
            }
            Pulled::Broken { track, at } if track == self.track => {
                let silence = at.map_or(0.0, |at| self.timeline.begin(at));
                self.add_silence(silence, false);
                self.lose(None);
                Ok(Step::Nothing)
            }
            Pulled::Packet { at, .. } | Pulled::Broken { at, .. } | Pulled::Other { at } => {
                if let Some(at) = at {
                    self.timeline.note_other(at);
                }
                Ok(Step::Nothing)
            }
            Pulled::NewTracks => match self.choose_track() {
                Ok(()) => Ok(Step::Nothing),
                Err(_) => self.end_part(true),
            },
            Pulled::End { truncated } => self.end_part(truncated),
        }
    }

    /// Decodes a packet of the chosen track.
    fn take(
        &mut self,
        packet: Packet,
        at: Option<f64>,
        seconds: Option<f64>,
        after_damage: bool,
        block: &mut Vec<f32>,
    ) -> Result<Step, AudioError> {
        let silence = at.map_or(0.0, |at| self.timeline.begin(at));
        self.add_silence(silence, after_damage);
        let Some(codec) = &mut self.codec else {
            return Ok(Step::Nothing);
        };
        let Ok(shape) = codec.decode(packet, block) else {
            self.lose(seconds);
            block.clear();
            return Ok(Step::Nothing);
        };

        if shape.channels == 0 || block.is_empty() {
            return Ok(Step::Nothing);
        }
        wave_format::checked_shape(shape.rate, shape.channels)?;
        let frames = block.len() / shape.channels;
        self.timeline.give(frames as f64 / f64::from(shape.rate));
        self.last = Some((shape, frames));
        if self.silence.is_some() {
            self.held = Some((shape, std::mem::take(block)));
            return Ok(Step::Nothing);
        }
        Ok(Step::Block(shape))
    }

    /// A packet could not be decoded: silence of its length keeps the times of what follows right.
    fn lose(&mut self, seconds: Option<f64>) {
        let as_before = self
            .last
            .map(|(shape, frames)| frames as f64 / f64::from(shape.rate));
        let seconds = seconds
            .filter(|seconds| *seconds > 0.0)
            .or(as_before)
            .unwrap_or(0.0)
            .min(self.longest_gap);
        self.timeline.give(seconds);
        self.add_silence(seconds, true);
    }

    fn add_silence(&mut self, seconds: f64, is_damage: bool) {
        let shape = self.last.map_or(SILENT, |(shape, _)| shape);
        let frames = (seconds * f64::from(shape.rate)).round() as u64;
        if frames == 0 {
            return;
        }
        let before = self.silence.take().map_or(0, |silence| silence.frames);
        self.silence = Some(Silence {
            frames: before + frames,
            shape,
            is_damage,
        });
    }

    /// Returns up to a second of the pending silence.
    fn give_silence(&mut self, block: &mut Vec<f32>) -> Option<Step> {
        let silence = self.silence.as_mut()?;
        let frames = silence.frames.min(u64::from(silence.shape.rate));
        block.resize(frames as usize * silence.shape.channels, 0.0);
        silence.frames -= frames;
        let step = if silence.is_damage {
            Step::Lost(silence.shape)
        } else {
            Step::Gap(silence.shape)
        };
        if silence.frames == 0 {
            self.silence = None;
        }
        Some(step)
    }

    /// Opens the next part that can be read. Fails only when none was read before.
    fn open_part(&mut self) -> Result<(), AudioError> {
        let Some(part) = self.parts.pop_front() else {
            return Ok(());
        };
        self.part_truncated = part.truncated;
        let opened = Reader::open(&self.file, part, self.access, &self.watch, self.signature);
        self.watch.end_step()?;
        if self.watch.cpu.is_exceeded() {
            return Err(too_costly());
        }
        self.reader = Some(opened?);
        self.choose_track()
    }

    fn choose_track(&mut self) -> Result<(), AudioError> {
        self.timeline = self.timeline.following(self.longest_gap);
        let Some(Reader::Packets(reader)) = &self.reader else {
            return self.choice.check_single();
        };
        let tracks = reader.audio_tracks();
        self.tracks = tracks.len();
        let (track, codec) = reader::choose(tracks, self.choice)?;
        self.track = track.id;
        self.codec = Some(codec);
        self.add_silence(track.starts_at.clamp(0.0, self.longest_gap), false);
        Ok(())
    }

    /// Ends the current part and opens the next one.
    fn end_part(&mut self, truncated: bool) -> Result<Step, AudioError> {
        let truncated = truncated || self.part_truncated;
        self.reader = None;
        self.codec = None;
        let tracks = self.tracks;
        let mut is_broken = truncated;
        while !self.parts.is_empty() {
            let opened = self.open_part();
            self.tracks = tracks;
            match opened {
                Ok(()) => return Ok(Step::Nothing),
                Err(error @ (AudioError::Input(_) | AudioError::Stopped)) => return Err(error),
                // The bytes after a recording may be anything.
                Err(_) => is_broken = true,
            }
        }
        self.reader = None;
        Ok(Step::End {
            truncated: is_broken,
        })
    }
}

/// Decoding used more processor time than allowed.
pub(super) fn too_costly() -> AudioError {
    AudioError::CorruptAudio("it takes far too long to decode".into())
}

/// Symphonia's message without its prefix "unsupported feature", which would be wrong for a damaged file.
fn reason(error: &Error) -> String {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::OutOfMemory => {
            "it takes far too much memory".into()
        }
        Error::DecodeError(reason) | Error::Unsupported(reason) | Error::LimitError(reason) => {
            (*reason).into()
        }
        other => other.to_string(),
    }
}

/// Calls symphonia and catches a panic. After a panic its state is unknown, so it is not called again.
fn guarded<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Error::LimitError("the decoder panicked")))
}
