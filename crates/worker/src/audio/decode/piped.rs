//! Samples that another program decoded: an AU stream of 32-bit floats, read from a pipe.
//!
//! Used by [`pipeline`](super::super::pipeline) for what ffmpeg decodes. Trusts the stream no more than a file.

use std::io::{self, Read};

use super::super::AudioError;
use super::Shape;
use super::pcm::SampleFormat;
use super::wave_format::{Content, content_of_au};

/// Bytes of an AU header.
const HEADER: usize = 24;
/// Frames of a block.
const BLOCK_FRAMES: usize = 4_096;
/// Longest text behind the header.
const MAX_NOTE: u64 = 1 << 16;

/// Reads samples from a pipe.
pub(in super::super) struct PipedSamples<R> {
    pipe: R,
    format: SampleFormat,
    bytes: Vec<u8>,
}

impl<R: Read> PipedSamples<R> {
    /// Reads the header. A pipe that is closed before its end means that there is nothing to decode.
    pub(in super::super) fn open(mut pipe: R) -> Result<Self, AudioError> {
        let mut header = [0; HEADER];
        if let Err(error) = pipe.read_exact(&mut header) {
            return Err(match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    AudioError::CorruptAudio("ffmpeg finds no sound in it".into())
                }
                _ => AudioError::Input(error),
            });
        }

        let behind = u64::from(u32::from_be_bytes([
            header[4], header[5], header[6], header[7],
        ]));
        let note = behind.saturating_sub(HEADER as u64).min(MAX_NOTE);
        io::copy(&mut pipe.by_ref().take(note), &mut io::sink()).map_err(AudioError::Input)?;
        match content_of_au(&header)? {
            Content::Samples(format) => Ok(Self {
                pipe,
                format,
                bytes: Vec::new(),
            }),
            Content::Mpeg | Content::Adpcm => {
                Err(AudioError::CorruptAudio("ffmpeg gave no samples".into()))
            }
        }
    }

    /// Puts the next samples into `block`; none are left when it stays empty.
    pub(in super::super) fn next(&mut self, block: &mut Vec<f32>) -> Result<Shape, AudioError> {
        let format = self.format;
        let frame = format.bytes * format.shape.channels;
        self.bytes.clear();
        let limited = self.pipe.by_ref().take((BLOCK_FRAMES * frame) as u64);
        { limited }
            .read_to_end(&mut self.bytes)
            .map_err(AudioError::Input)?;

        block.clear();
        let whole = self.bytes.len() / frame * frame;
        block.extend(
            self.bytes[..whole]
                .chunks_exact(format.bytes)
                .map(|bytes| format.sample(bytes)),
        );
        Ok(format.shape)
    }
}
