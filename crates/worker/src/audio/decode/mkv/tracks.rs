//! The tracks of a Matroska file: which have sound, in which codec, and how their frames are packed.

use std::io::Read;

use flate2::read::ZlibDecoder;
use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3,
    CODEC_ID_OPUS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW,
    CODEC_ID_PCM_S16BE, CODEC_ID_PCM_S16LE, CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE,
    CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};

use super::super::super::AudioError;
use super::super::AudioTrack;
use super::super::pcm::Encoding;
use super::super::wave_format::{self, Content};
use super::ebml::{children, find, float, unsigned};

const TRACK_ENTRY: u32 = 0xae;
const NUMBER: u32 = 0xd7;
const KIND: u32 = 0x83;
const FLAG_DEFAULT: u32 = 0x88;
const CODEC: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const AUDIO: u32 = 0xe1;
const RATE: u32 = 0xb5;
const CHANNELS: u32 = 0x9f;
const BIT_DEPTH: u32 = 0x6264;
const CONTENT_ENCODINGS: u32 = 0x6d80;
const CONTENT_ENCODING: u32 = 0x6240;
const SCOPE: u32 = 0x5032;
const ENCODING_TYPE: u32 = 0x5033;
const COMPRESSION: u32 = 0x5034;
const ALGORITHM: u32 = 0x4254;
const SETTINGS: u32 = 0x4255;
/// Most bytes one frame or header may grow to.
const MAX_INFLATED: u64 = 4 << 20;

/// A track as the file describes it.
pub(super) struct MkvTrack {
    pub(super) number: u64,
    pub(super) is_audio: bool,
    pub(super) encodings: Encodings,
    is_default: bool,
    codec: String,
    private: Vec<u8>,
    rate: f64,
    channels: u64,
    bits: u64,
}

/// How frames were packed, in the order of unpacking.
#[derive(Clone, Debug, Default)]
pub(super) struct Encodings(Vec<Packing>);

#[derive(Clone, Debug)]
enum Packing {
    Zlib {
        frames: bool,
        private: bool,
    },
    /// Bytes that every frame begins with, left out.
    Stripped(Vec<u8>),
    Unknown,
}

impl Encodings {
    fn read(content: &[u8]) -> Self {
        let read = |encoding: &[u8]| {
            let scope = find(encoding, SCOPE).map_or(1, unsigned);
            let compression = find(encoding, COMPRESSION).unwrap_or_default();
            match (
                find(encoding, ENCODING_TYPE).map_or(0, unsigned),
                find(compression, ALGORITHM).map_or(0, unsigned),
            ) {
                (0, 0) => Packing::Zlib {
                    frames: scope & 1 != 0,
                    private: scope & 2 != 0,
                },
                (0, 3) if scope & 1 != 0 => {
                    Packing::Stripped(find(compression, SETTINGS).unwrap_or_default().to_vec())
                }
                _ => Packing::Unknown,
            }
        };
        let packings = children(content).filter(|child| child.0 == CONTENT_ENCODING);
        let mut packings: Vec<_> = packings.map(|child| read(child.1)).collect();
        // The last packing applied is undone first; real files have only one.
        packings.reverse();
        Self(packings)
    }

    /// The frame as the codec wants it; `None` when it cannot be unpacked.
    pub(super) fn decode(&self, frame: &[u8]) -> Option<Vec<u8>> {
        self.0
            .iter()
            .try_fold(frame.to_vec(), |frame, packing| match packing {
                Packing::Zlib { frames: false, .. } => Some(frame),
                Packing::Zlib { .. } => inflate(&frame),
                Packing::Stripped(bytes) => Some([bytes.as_slice(), &frame].concat()),
                Packing::Unknown => None,
            })
    }

    fn decode_private(&self, private: Vec<u8>) -> Option<Vec<u8>> {
        self.0
            .iter()
            .try_fold(private, |private, packing| match packing {
                Packing::Zlib { private: true, .. } => inflate(&private),
                _ => Some(private),
            })
    }

    fn is_known(&self) -> bool {
        !self
            .0
            .iter()
            .any(|packing| matches!(packing, Packing::Unknown))
    }
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut inflated = Vec::new();
    ZlibDecoder::new(bytes)
        .take(MAX_INFLATED)
        .read_to_end(&mut inflated)
        .ok()?;
    Some(inflated)
}

/// Reads the content of a `Tracks` element.
pub(super) fn read(content: &[u8]) -> Vec<MkvTrack> {
    children(content)
        .filter(|child| child.0 == TRACK_ENTRY)
        .map(|child| MkvTrack::read(child.1))
        .collect()
}

impl MkvTrack {
    fn read(entry: &[u8]) -> Self {
        let audio = find(entry, AUDIO).unwrap_or_default();
        let encodings = Encodings::read(find(entry, CONTENT_ENCODINGS).unwrap_or_default());
        let private = find(entry, CODEC_PRIVATE).unwrap_or_default().to_vec();
        Self {
            number: find(entry, NUMBER).map_or(0, unsigned),
            is_audio: find(entry, KIND).map(unsigned) == Some(2),
            // Absent means set.
            is_default: find(entry, FLAG_DEFAULT)
                .is_none_or(|flag| flag.is_empty() || unsigned(flag) == 1),
            codec: String::from_utf8_lossy(find(entry, CODEC).unwrap_or_default())
                .trim_end_matches('\0')
                .to_owned(),
            private: encodings.decode_private(private).unwrap_or_default(),
            encodings,
            rate: find(audio, RATE).map_or(8_000.0, float),
            channels: find(audio, CHANNELS).map_or(1, unsigned),
            bits: find(audio, BIT_DEPTH).map_or(0, unsigned),
        }
    }

    /// The number in 32 bits, as packets carry it. Files number their tracks from 1.
    pub(super) fn id(&self) -> u32 {
        self.number as u32
    }

    pub(super) fn to_audio_track(&self) -> AudioTrack {
        let parameters = if self.encodings.is_known() {
            self.parameters()
        } else {
            Err(AudioError::UnsupportedMedia(
                "an encrypted Matroska track".into(),
            ))
        };
        AudioTrack {
            id: self.id(),
            parameters,
            is_default: self.is_default,
            starts_at: 0.0,
        }
    }

    fn parameters(&self) -> Result<AudioCodecParameters, AudioError> {
        let mut parameters = AudioCodecParameters::new();
        let damaged = || AudioError::CorruptAudio("a Matroska track has a broken header".into());
        let (codec, extra) = match self.codec.as_str() {
            "A_OPUS" => (CODEC_ID_OPUS, Some(self.private.clone())),
            "A_VORBIS" => (
                CODEC_ID_VORBIS,
                Some(vorbis_headers(&self.private).ok_or_else(damaged)?),
            ),
            "A_FLAC" => (
                CODEC_ID_FLAC,
                Some(flac_stream_info(&self.private).ok_or_else(damaged)?),
            ),
            "A_ALAC" => (CODEC_ID_ALAC, Some(self.private.clone())),
            "A_MPEG/L1" => (CODEC_ID_MP1, None),
            "A_MPEG/L2" => (CODEC_ID_MP2, None),
            "A_MPEG/L3" => (CODEC_ID_MP3, None),
            "A_PCM/INT/LIT" | "A_PCM/INT/BIG" | "A_PCM/FLOAT/IEEE" => (self.pcm()?, None),
            "A_MS/ACM" => (acm(&self.private)?, None),
            aac if aac == "A_AAC" || aac.starts_with("A_AAC/") => (
                CODEC_ID_AAC,
                Some(self.private.clone()).filter(|private| private.len() >= 2),
            ),
            other => return Err(AudioError::needs_ffmpeg(&codec_name(other))),
        };
        let rate = self.rate.round().clamp(0.0, f64::from(u32::MAX)) as u32;
        let channels = u16::try_from(self.channels).unwrap_or(u16::MAX);
        wave_format::checked_shape(rate, usize::from(channels))?;

        parameters
            .for_codec(codec)
            .with_sample_rate(rate)
            .with_channels(Channels::Discrete(channels));
        if let Some(extra) = extra {
            parameters.with_extra_data(extra.into_boxed_slice());
        }
        Ok(parameters)
    }

    fn pcm(&self) -> Result<AudioCodecId, AudioError> {
        Ok(match (self.codec.as_str(), self.bits) {
            ("A_PCM/FLOAT/IEEE", 64) => CODEC_ID_PCM_F64LE,
            ("A_PCM/FLOAT/IEEE", _) => CODEC_ID_PCM_F32LE,
            (_, 8) => CODEC_ID_PCM_U8,
            ("A_PCM/INT/BIG", 24) => CODEC_ID_PCM_S24BE,
            ("A_PCM/INT/BIG", 32) => CODEC_ID_PCM_S32BE,
            ("A_PCM/INT/BIG", _) => CODEC_ID_PCM_S16BE,
            (_, 24) => CODEC_ID_PCM_S24LE,
            (_, 32) => CODEC_ID_PCM_S32LE,
            (_, 0 | 16) => CODEC_ID_PCM_S16LE,
            (_, bits) => {
                return Err(AudioError::UnsupportedMedia(format!(
                    "PCM of {bits} bits in Matroska"
                )));
            }
        })
    }
}

/// The codec of a track that carries a `WAVEFORMATEX`.
fn acm(private: &[u8]) -> Result<AudioCodecId, AudioError> {
    match wave_format::content_of(private)? {
        Content::Mpeg => Ok(CODEC_ID_MP3),
        Content::Adpcm => Err(AudioError::needs_ffmpeg("ADPCM in Matroska")),
        Content::Samples(format) => Ok(match (format.encoding, format.bytes) {
            (Encoding::Unsigned, _) => CODEC_ID_PCM_U8,
            (Encoding::ALaw, _) => CODEC_ID_PCM_ALAW,
            (Encoding::MuLaw, _) => CODEC_ID_PCM_MULAW,
            (Encoding::Float, 8) => CODEC_ID_PCM_F64LE,
            (Encoding::Float, _) => CODEC_ID_PCM_F32LE,
            (Encoding::Signed, 3) => CODEC_ID_PCM_S24LE,
            (Encoding::Signed, 4) => CODEC_ID_PCM_S32LE,
            (Encoding::Signed, _) => CODEC_ID_PCM_S16LE,
        }),
    }
}

fn codec_name(id: &str) -> String {
    let name = match id {
        "A_AC3" | "A_AC3/BSID9" | "A_AC3/BSID10" => "AC-3",
        "A_EAC3" => "E-AC-3",
        "A_TRUEHD" => "TrueHD",
        "A_WAVPACK4" => "WavPack",
        "A_TTA1" => "TTA",
        dts if dts.starts_with("A_DTS") => "DTS",
        other => return format!("the codec {:?}", other.chars().take(20).collect::<String>()),
    };
    format!("{name} in Matroska")
}

/// The identification and setup headers, as symphonia wants them, of three that are laced as in Ogg.
fn vorbis_headers(private: &[u8]) -> Option<Vec<u8>> {
    let headers = super::block::frames(private, super::block::Lacing::Xiph);
    let find = |kind: u8| headers.iter().find(|header| header.first() == Some(&kind));
    Some([*find(1)?, *find(5)?].concat())
}

/// The stream info among FLAC's headers.
fn flac_stream_info(private: &[u8]) -> Option<Vec<u8>> {
    let mut rest = private.strip_prefix(b"fLaC")?;
    loop {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let size = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
        let (content, next) = behind.split_at_checked(size)?;
        let kind = head[0] & 0x7f;
        if kind == 0 {
            return (size == 34).then(|| content.to_vec());
        }
        rest = next;
    }
}
