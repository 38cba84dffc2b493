//! Uncompressed samples to interleaved floats: what WAV, RF64, W64 and AU files hold.
//!
//! Called by [`decode`](super). Float samples are read twice: the first pass finds files whose full scale is 32 768 instead
//! of 1. Never holds more than one block.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::Shape;
use super::source::Source;

/// Frames of a block.
const BLOCK_FRAMES: usize = 4_096;
/// Floats above this are no loud samples but integers.
const INTEGER_ABOVE: f32 = 8.0;
/// Share of the samples with sound that must be above it.
const INTEGER_SHARE: f64 = 0.01;
/// Samples with sound that are enough to know, some ten minutes of them: the whole of a large file would cost too much time.
const ENOUGH_SAMPLES: u64 = 30_000_000;
/// Full scales of integers that are met in files of floats.
const INTEGER_SCALES: [f32; 3] = [32_768.0, 8_388_608.0, 2_147_483_648.0];

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Unsigned 8-bit.
    Unsigned,
    /// Signed, of one to four bytes.
    Signed,
    /// IEEE, of four or eight bytes.
    Float,
    /// G.711 A-law.
    ALaw,
    /// G.711 µ-law.
    MuLaw,
}

/// How the samples of a section are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleFormat {
    pub(super) encoding: Encoding,
    /// Bytes of one sample.
    pub(super) bytes: usize,
    pub(super) big_endian: bool,
    pub(super) shape: Shape,
}

impl SampleFormat {
    fn frame_bytes(self) -> usize {
        self.bytes * self.shape.channels
    }

    /// The sample that these bytes are.
    pub(super) fn sample(self, bytes: &[u8]) -> f32 {
        let mut word = [0; 8];
        for (place, byte) in word.iter_mut().zip(bytes) {
            *place = *byte;
        }
        if self.big_endian {
            word[..self.bytes].reverse();
        }
        match (self.encoding, self.bytes) {
            (Encoding::Unsigned, _) => (f32::from(word[0]) - 128.0) / 128.0,
            (Encoding::ALaw, _) => f32::from(a_law(word[0])) / 32_768.0,
            (Encoding::MuLaw, _) => f32::from(mu_law(word[0])) / 32_768.0,
            (Encoding::Float, 8) => f64::from_le_bytes(word) as f32,
            (Encoding::Float, _) => f32::from_le_bytes([word[0], word[1], word[2], word[3]]),
            (Encoding::Signed, bytes) => {
                let shift = 64 - 8 * bytes as u32;
                let value = (i64::from_le_bytes(word) << shift) >> 32;
                value as f32 / 2_147_483_648.0
            }
        }
    }
}

/// Reads one section of samples.
pub(super) struct PcmReader {
    source: BufReader<Source>,
    format: SampleFormat,
    scale: f32,
    bytes: Vec<u8>,
}

impl PcmReader {
    /// `source` is a view of the samples alone.
    pub(super) fn open(source: Source, format: SampleFormat) -> io::Result<Self> {
        let mut reader = Self {
            source: BufReader::new(source),
            format,
            scale: 1.0,
            bytes: Vec::new(),
        };
        if format.encoding == Encoding::Float {
            reader.scale = reader.find_scale()?;
            reader.source.seek(SeekFrom::Start(0))?;
        }
        Ok(reader)
    }

    /// Puts the next samples into `block`; none are left when it stays empty.
    pub(super) fn next(&mut self, block: &mut Vec<f32>) -> io::Result<Shape> {
        block.clear();
        self.fill()?;
        block.extend(
            self.bytes
                .chunks_exact(self.format.bytes)
                .map(|bytes| self.format.sample(bytes) * self.scale),
        );
        Ok(self.format.shape)
    }

    /// Reads whole frames.
    fn fill(&mut self) -> io::Result<()> {
        let frame = self.format.frame_bytes();
        self.bytes.clear();
        self.source
            .by_ref()
            .take((BLOCK_FRAMES * frame) as u64)
            .read_to_end(&mut self.bytes)?;
        self.bytes.truncate(self.bytes.len() / frame * frame);
        Ok(())
    }

    /// The factor to multiply samples with. A single outlier does not make it a file of integers.
    fn find_scale(&mut self) -> io::Result<f32> {
        let (mut sounding, mut integers, mut peak) = (0_u64, 0_u64, 0.0_f32);
        loop {
            self.fill()?;
            self.source.get_ref().begin_portion();
            if self.bytes.is_empty() || sounding >= ENOUGH_SAMPLES {
                break;
            }
            for bytes in self.bytes.chunks_exact(self.format.bytes) {
                let level = self.format.sample(bytes).abs();
                if level.is_finite() && level <= INTEGER_SCALES[2] {
                    sounding += u64::from(level > 0.0);
                    integers += u64::from(level > INTEGER_ABOVE);
                    peak = peak.max(level);
                }
            }
        }
        if (integers as f64) <= sounding as f64 * INTEGER_SHARE || integers == 0 {
            return Ok(1.0);
        }
        let full = INTEGER_SCALES
            .into_iter()
            .find(|&full| peak <= full)
            .unwrap_or(INTEGER_SCALES[2]);
        Ok(1.0 / full)
    }
}

/// G.711: the inverse of the logarithmic curve, 13 bits of A-law.
fn a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let exponent = (byte >> 4) & 7;
    let mantissa = i16::from(byte & 0x0f) << 4;
    let magnitude = match exponent {
        0 => mantissa + 8,
        _ => (mantissa + 0x108) << (exponent - 1),
    };
    if byte & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// G.711: the inverse of the logarithmic curve, 14 bits of µ-law.
fn mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = (byte >> 4) & 7;
    let magnitude = (((i16::from(byte & 0x0f) << 3) + 0x84) << exponent) - 0x84;
    if byte & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: Encoding, big_endian: bool, bytes: &[u8], expected: f32) {
        let shape = Shape {
            rate: 8_000,
            channels: 1,
        };
        let format = SampleFormat {
            encoding,
            bytes: bytes.len(),
            big_endian,
            shape,
        };
        let sample = format.sample(bytes);
        assert!(
            (sample - expected).abs() < 1e-3,
            "{encoding:?} {bytes:?}: {sample}, not {expected}"
        );
    }

    #[test]
    fn every_encoding_is_read() {
        check(Encoding::Unsigned, false, &[192], 0.5);
        check(Encoding::Signed, false, &[0xc0], -0.5);
        check(Encoding::Signed, false, &[0, 0xc0], -0.5);
        check(Encoding::Signed, true, &[0x40, 0], 0.5);
        check(Encoding::Signed, false, &[0, 0, 0x40], 0.5);
        check(Encoding::Signed, true, &[0xc0, 0, 0, 0], -0.5);
        check(Encoding::Float, true, &0.25_f32.to_be_bytes(), 0.25);
        check(Encoding::Float, false, &(-0.25_f64).to_le_bytes(), -0.25);
        // The ends of both curves, as ITU-T G.711 gives them.
        check(Encoding::MuLaw, false, &[0x80], 32_124.0 / 32_768.0);
        check(Encoding::MuLaw, false, &[0x00], -32_124.0 / 32_768.0);
        check(Encoding::MuLaw, false, &[0xff], 0.0);
        check(Encoding::ALaw, false, &[0xaa], 32_256.0 / 32_768.0);
        check(Encoding::ALaw, false, &[0x2a], -32_256.0 / 32_768.0);
        check(Encoding::ALaw, false, &[0xd5], 8.0 / 32_768.0);
    }
}
