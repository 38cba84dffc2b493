//! What the samples of a WAV or AU file are: PCM that is read here, MP3, or a codec by its name.
//!
//! Called by [`riff`](super::riff), [`parts`](super::parts) and the Matroska reader. Never reads a file.

use super::super::AudioError;
use super::pcm::{Encoding, SampleFormat};
use super::{MAX_CHANNELS, MAX_RATE, MIN_RATE, Shape};

const EXTENSIBLE: u16 = 0xfffe;

/// What a section of samples holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Samples that [`pcm`](super::pcm) reads.
    Samples(SampleFormat),
    /// Frames of MP3 or MP2.
    Mpeg,
    /// Blocks of ADPCM, left to symphonia.
    Adpcm,
}

impl Content {
    /// For samples: how many bytes a second takes. For others nothing is ever taken as more of it.
    pub(super) fn bytes_per_second(self) -> u64 {
        match self {
            Self::Samples(format) => {
                (format.bytes * format.shape.channels) as u64 * u64::from(format.shape.rate)
            }
            Self::Mpeg | Self::Adpcm => u64::MAX,
        }
    }
}

/// Reads a `WAVEFORMATEX`, which may have more bytes behind it.
pub(super) fn content_of(header: &[u8]) -> Result<Content, AudioError> {
    let Some(fields) = header.get(..16) else {
        return Err(AudioError::CorruptAudio("its header is incomplete".into()));
    };
    let short = |at: usize| u16::from_le_bytes([fields[at], fields[at + 1]]);
    let rate = u32::from_le_bytes([fields[4], fields[5], fields[6], fields[7]]);
    let channels = usize::from(short(2));
    let tag = match (short(0), header.get(24..26)) {
        (EXTENSIBLE, Some(sub_format)) => u16::from_le_bytes([sub_format[0], sub_format[1]]),
        (tag, _) => tag,
    };

    match tag {
        0x50 | 0x55 => return Ok(Content::Mpeg),
        0x02 | 0x11 => return Ok(Content::Adpcm),
        _ => {}
    }
    let encoding = match tag {
        1 => Encoding::Signed,
        3 => Encoding::Float,
        6 => Encoding::ALaw,
        7 => Encoding::MuLaw,
        tag => return Err(AudioError::needs_ffmpeg(&codec_name(tag))),
    };

    let shape = checked_shape(rate, channels)?;
    let declared = usize::from(short(14)).div_ceil(8);
    let aligned = usize::from(short(12)) / channels;
    let bytes = if usize::from(short(12)) == aligned * channels && aligned >= declared {
        aligned
    } else {
        declared
    };
    let encoding = if encoding == Encoding::Signed && bytes == 1 {
        Encoding::Unsigned
    } else {
        encoding
    };
    samples(encoding, bytes, false, shape)
}

/// The samples of an AU file, by its header.
pub(super) fn content_of_au(header: &[u8]) -> Result<Content, AudioError> {
    let Some(header) = header.get(..24) else {
        return Err(AudioError::CorruptAudio("its header is incomplete".into()));
    };
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let shape = checked_shape(number(16), number(20) as usize)?;
    let (encoding, bytes) = match number(12) {
        1 => (Encoding::MuLaw, 1),
        2 => (Encoding::Signed, 1),
        3 => (Encoding::Signed, 2),
        4 => (Encoding::Signed, 3),
        5 => (Encoding::Signed, 4),
        6 => (Encoding::Float, 4),
        7 => (Encoding::Float, 8),
        27 => (Encoding::ALaw, 1),
        23..=26 => return Err(AudioError::needs_ffmpeg("G.72x in AU")),
        other => {
            return Err(AudioError::UnsupportedMedia(format!(
                "AU with encoding {other}"
            )));
        }
    };
    samples(encoding, bytes, true, shape)
}

/// Rate and channels within the bounds.
pub(super) fn checked_shape(rate: u32, channels: usize) -> Result<Shape, AudioError> {
    if channels == 0 {
        return Err(AudioError::CorruptAudio(
            "its header says that it has no channels".into(),
        ));
    }
    if channels > MAX_CHANNELS {
        return Err(AudioError::UnsupportedMedia(format!(
            "more than {MAX_CHANNELS} channels"
        )));
    }
    if !(MIN_RATE..=MAX_RATE).contains(&rate) {
        return Err(AudioError::UnsupportedMedia(format!(
            "sample rate of {rate} Hz"
        )));
    }
    Ok(Shape { rate, channels })
}

fn samples(
    encoding: Encoding,
    bytes: usize,
    big_endian: bool,
    shape: Shape,
) -> Result<Content, AudioError> {
    let known = match encoding {
        Encoding::Unsigned | Encoding::ALaw | Encoding::MuLaw => bytes == 1,
        Encoding::Signed => (1..=4).contains(&bytes),
        Encoding::Float => bytes == 4 || bytes == 8,
    };
    if !known {
        return Err(AudioError::UnsupportedMedia(format!(
            "samples of {bytes} bytes"
        )));
    }
    Ok(Content::Samples(SampleFormat {
        encoding,
        bytes,
        big_endian,
        shape,
    }))
}

fn codec_name(tag: u16) -> String {
    let name = match tag {
        0x31 | 0x32 => "GSM 6.10",
        0x45 | 0x64 => "G.726",
        0x65 | 0x28f => "G.722",
        0x42 | 0x111 => "G.723.1",
        0x83 | 0x133 => "G.729",
        0x160..=0x163 => "WMA",
        0x2000 => "AC-3",
        0x2001 => "DTS",
        0xa109 => "Speex",
        0xff | 0x1600..=0x1610 => "AAC",
        _ => return format!("codec 0x{tag:04x} in WAV"),
    };
    format!("{name} in WAV")
}
