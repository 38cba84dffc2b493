//! An untrusted file to blocks of interleaved samples: symphonia behind a wall.
//!
//! Called by [`pipeline`](super::pipeline). The container is found by content alone, panics of the decoders are caught, and no number
//! of a header is believed. Never skips ahead, never holds more than one packet.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia_adapter_libopus::OpusDecoder;

use super::AudioError;
use super::cpu_limit::CpuLimit;
use super::signature::{self, Head, Signature};
use super::watched_file::{Portion, ReadError, WatchedFile};

const MIN_RATE: u32 = 4_000;
const MAX_RATE: u32 = 384_000;
const MAX_CHANNELS: usize = 8;
const OPUS_RATE: u32 = 48_000;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry.register_audio_decoder::<OpusDecoder>();
    registry
});

/// Rate and channel count of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// In Hz, 4 000 to 384 000.
    pub(super) rate: u32,
    /// 1 to 8.
    pub(super) channels: usize,
}

/// How the container may move about in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anywhere, as most containers need.
    Seekable,
    /// Forward only and of unknown length. Some containers refuse a file shorter than their header says, unless they cannot
    /// know; that is how a cut recording is saved.
    Streamed,
}

/// What one packet gave.
pub(super) enum Step {
    /// The block passed to [`Decoder::next`] holds samples of this shape.
    Block(Shape),
    /// A packet could not be decoded. The block holds silence of its length.
    Lost(Shape),
    /// A packet of another track, or one without samples.
    Nothing,
    /// No more audio.
    End {
        /// The file broke off or could not be read to its end.
        truncated: bool,
    },
}

/// Reads the default audio track of one file.
pub(super) struct Decoder {
    format: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track_id: u32,
    read_error: ReadError,
    portion: Portion,
    /// Shape and frames of the last good block; a bad packet after it becomes as much silence.
    last: Option<(Shape, usize)>,
}

impl Decoder {
    /// Finds container, track and codec.
    pub(super) fn open(path: &Path, access: Access, cpu: &CpuLimit) -> Result<Self, AudioError> {
        let mut file = File::open(path).map_err(AudioError::Input)?;
        let Head { signature, open_sizes_at } = signature::read(&mut file).map_err(AudioError::Input)?;
        match signature {
            Signature::Empty => return Err(AudioError::EmptyAudio),
            // Symphonia takes it for ADTS and finds noise.
            Signature::MpegTs => return Err(AudioError::UnsupportedMedia("MPEG transport stream".into())),
            Signature::Known | Signature::Unknown => {}
        }

        let (read_error, portion) = (ReadError::default(), Portion::default());
        let length = file.metadata().map_err(AudioError::Input)?.len();
        let source = WatchedFile {
            file,
            access,
            length,
            position: 0,
            open_sizes_at,
            error: read_error.clone(),
            portion: portion.clone(),
            cpu: cpu.clone(),
        };
        let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
        let probed = guarded(|| {
            symphonia::default::get_probe().probe(
                &Hint::new(),
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
        });
        if let Some(error) = read_error.take() {
            return Err(AudioError::Input(error));
        }
        if cpu.is_exceeded() {
            return Err(too_costly());
        }
        portion.end()?;
        let format = match (probed, signature) {
            (Ok(format), _) => format,
            // A part that is missing is reported as unsupported too, but the kind of file is known.
            (Err(Error::Unsupported(reason)), Signature::Known) if !reason.contains("missing") => {
                return Err(AudioError::UnsupportedMedia(reason.into()));
            }
            (Err(error), Signature::Known) => return Err(AudioError::CorruptAudio(reason(&error))),
            (Err(_), _) => return Err(AudioError::UnsupportedMedia("unknown format".into())),
        };
        let (track_id, codec) = open_track(format.as_ref())?;
        Ok(Self { format, codec, track_id, read_error, portion, last: None })
    }

    /// Decodes the next packet into `block`, interleaved, whatever the values in the file.
    pub(super) fn next(&mut self, block: &mut Vec<f32>) -> Result<Step, AudioError> {
        block.clear();
        let packet = guarded(|| self.format.next_packet());
        if let Some(error) = self.read_error.take() {
            return Err(AudioError::Input(error));
        }
        self.portion.end()?;
        let packet = match packet {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(Step::End { truncated: false }),
            Err(Error::ResetRequired) => return Ok(self.restart()),
            Err(_) => return Ok(Step::End { truncated: true }),
        };
        if packet.track_id != self.track_id {
            return Ok(Step::Nothing);
        }
        let decoded = guarded(|| {
            let buffer = self.codec.decode(&packet)?;
            let shape = Shape { rate: buffer.spec().rate(), channels: buffer.num_planes() };
            if shape.channels <= MAX_CHANNELS {
                buffer.copy_to_vec_interleaved::<f32>(block);
            }
            Ok(shape)
        });
        match decoded {
            Ok(shape) => self.accept(shape, block),
            Err(Error::LimitError(PANICKED)) => Ok(Step::End { truncated: true }),
            Err(Error::ResetRequired) => Ok(self.restart()),
            // One bad packet is no end.
            Err(_) => Ok(self.fill(block)),
        }
    }

    fn accept(&mut self, shape: Shape, block: &[f32]) -> Result<Step, AudioError> {
        if shape.channels > MAX_CHANNELS {
            return Err(AudioError::UnsupportedMedia(format!("more than {MAX_CHANNELS} channels")));
        }
        if shape.channels == 0 || block.is_empty() {
            return Ok(Step::Nothing);
        }
        if !(MIN_RATE..=MAX_RATE).contains(&shape.rate) {
            return Err(AudioError::UnsupportedMedia(format!("sample rate of {} Hz", shape.rate)));
        }
        self.last = Some((shape, block.len() / shape.channels));
        Ok(Step::Block(shape))
    }

    /// Silence in place of a bad packet keeps the times of what follows right.
    fn fill(&self, block: &mut Vec<f32>) -> Step {
        let Some((shape, frames)) = self.last else { return Step::Nothing };
        block.clear();
        block.resize(frames * shape.channels, 0.0);
        Step::Lost(shape)
    }

    /// A chained OGG begins a new stream with a track list of its own.
    fn restart(&mut self) -> Step {
        match open_track(self.format.as_ref()) {
            Ok((track_id, codec)) => {
                self.track_id = track_id;
                self.codec = codec;
                Step::Nothing
            }
            Err(_) => Step::End { truncated: true },
        }
    }
}

/// The file makes the decoder work without end.
pub(super) fn too_costly() -> AudioError {
    AudioError::CorruptAudio("it takes far too long to decode".into())
}

fn open_track(format: &dyn FormatReader) -> Result<(u32, Box<dyn AudioDecoder>), AudioError> {
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| AudioError::UnsupportedMedia("no audio track of a known codec".into()))?;
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(AudioError::UnsupportedMedia("no audio track of a known codec".into()));
    };
    let mut parameters = parameters.clone();
    if parameters.codec == CODEC_ID_OPUS {
        // WebM may state the rate of the recording; Opus itself always decodes at 48 kHz.
        parameters.sample_rate = Some(OPUS_RATE);
    }
    let track_id = track.id;
    let codec = guarded(|| CODECS.make_audio_decoder(&parameters, &AudioDecoderOptions::default()));
    match codec {
        Ok(codec) => Ok((track_id, codec)),
        Err(Error::Unsupported(reason)) => Err(AudioError::UnsupportedMedia(reason.into())),
        Err(error) => Err(AudioError::CorruptAudio(reason(&error))),
    }
}

/// Symphonia's words without its prefix, which would call damage an unsupported feature.
fn reason(error: &Error) -> String {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::OutOfMemory => "it takes far too much memory".into(),
        Error::DecodeError(reason) | Error::Unsupported(reason) | Error::LimitError(reason) => (*reason).into(),
        other => other.to_string(),
    }
}

const PANICKED: &str = "the decoder panicked";

/// Runs a call into symphonia. After a panic the reader's state is unknown, so each caller ends the file there.
fn guarded<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Error::LimitError(PANICKED)))
}
