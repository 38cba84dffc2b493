//! Opens the demuxer of one part of a file, and chooses among its tracks.
//!
//! Called by [`decode`](super). Never decodes.

use std::fs::File;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::CODEC_ID_NULL_AUDIO;
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackFlags, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions, ReadBytes};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::formats::IsoMp4Reader;

use super::super::signature::Signature;
use super::super::{AudioError, TrackChoice};
use super::adts::AdtsReader;
use super::codec::Codec;
use super::mkv::MkvReader;
use super::mp4::{FILE_TYPE, Movie};
use super::parts::{Kind, Part};
use super::pcm::PcmReader;
use super::source::{Source, Watch};
use super::{Access, AudioTrack, Pulled, guarded, reason};

/// The reader of one part.
pub(super) enum Reader {
    /// Samples, with nothing to decode.
    Pcm(PcmReader),
    /// Packets of one or more tracks.
    Packets(PacketReader),
}

/// A demuxer.
pub(super) enum PacketReader {
    Matroska(Box<MkvReader>),
    Adts(Box<AdtsReader>),
    Symphonia {
        format: Box<dyn FormatReader>,
        /// For MP4: what symphonia does not expose.
        movie: Option<Movie>,
        /// It panicked or failed, and must not be called again.
        has_ended: bool,
    },
}

impl Reader {
    /// Opens one part.
    pub(super) fn open(
        file: &File,
        part: Part,
        access: Access,
        watch: &Watch,
        signature: Signature,
    ) -> Result<Self, AudioError> {
        let file = file.try_clone().map_err(AudioError::Input)?;
        let source =
            Source::new(file, part.range, access, watch.clone()).map_err(AudioError::Input)?;
        let damaged = |error: std::io::Error| AudioError::CorruptAudio(error.to_string());
        let symphonia = |format, movie| PacketReader::Symphonia {
            format,
            movie,
            has_ended: false,
        };

        let packets = match part.kind {
            Kind::Pcm(format) => {
                return PcmReader::open(source, format)
                    .map(Self::Pcm)
                    .map_err(damaged);
            }
            Kind::Matroska => {
                PacketReader::Matroska(Box::new(MkvReader::open(source).map_err(damaged)?))
            }
            Kind::Adts => PacketReader::Adts(Box::new(AdtsReader::open(source).map_err(damaged)?)),
            Kind::Probed { open_sizes_at } => symphonia(
                probe(source.with_open_sizes(open_sizes_at), signature, watch)?,
                None,
            ),
            Kind::Movie(movie) if movie.has_file_type => {
                symphonia(probe(source, signature, watch)?, Some(movie))
            }
            Kind::Movie(movie) => {
                symphonia(open_movie(source.with_appendix(FILE_TYPE))?, Some(movie))
            }
        };

        Ok(Self::Packets(packets))
    }
}

impl PacketReader {
    /// The tracks with sound, in the order of the file.
    pub(super) fn audio_tracks(&self) -> Vec<AudioTrack> {
        match self {
            Self::Matroska(reader) => reader.audio_tracks(),
            Self::Adts(reader) => reader.audio_tracks(),
            Self::Symphonia {
                format,
                movie: Some(movie),
                ..
            } if !movie.tracks.is_empty() => movie_tracks(format.as_ref(), movie),
            Self::Symphonia { format, .. } => {
                let is_audio =
                    |track: &&Track| matches!(track.codec_params, Some(CodecParameters::Audio(_)));
                let default = format.default_track(TrackType::Audio).map(|track| track.id);
                let tracks = format.tracks().iter().filter(is_audio);
                tracks
                    .map(|track| audio_track(track, default == Some(track.id)))
                    .collect()
            }
        }
    }

    /// The next packet or event.
    pub(super) fn next(&mut self) -> Pulled {
        match self {
            Self::Matroska(reader) => reader.next().unwrap_or(Pulled::End { truncated: true }),
            Self::Adts(reader) => reader.next().unwrap_or(Pulled::End { truncated: true }),
            Self::Symphonia {
                has_ended: true, ..
            } => Pulled::End { truncated: true },
            Self::Symphonia {
                format,
                movie,
                has_ended,
            } => {
                let packet = match guarded(|| format.next_packet()) {
                    Ok(Some(packet)) => packet,
                    Ok(None) => return Pulled::End { truncated: false },
                    Err(Error::ResetRequired) => return Pulled::NewTracks,
                    Err(_) => {
                        *has_ended = true;
                        return Pulled::End { truncated: true };
                    }
                };

                let tracks = format.tracks();
                let base = tracks
                    .iter()
                    .find(|track| track.id == packet.track_id)
                    .and_then(|track| track.time_base);
                let tick =
                    base.map(|base| f64::from(base.numer.get()) / f64::from(base.denom.get()));
                let seconds = tick.map(|tick| packet.block_dur().get() as f64 * tick);
                // Only here do all tracks share a clock that players follow.
                let at = tick
                    .filter(|_| movie.is_some())
                    .map(|tick| packet.pts.get() as f64 * tick);

                Pulled::Packet {
                    packet,
                    at,
                    seconds,
                    after_damage: false,
                }
            }
        }
    }
}

/// Opens a part whose container symphonia recognises.
fn probe(
    source: Source,
    signature: Signature,
    watch: &Watch,
) -> Result<Box<dyn FormatReader>, AudioError> {
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let probed = guarded(|| {
        symphonia::default::get_probe().probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
    });
    watch.end_step()?;
    match (probed, signature) {
        (Ok(format), _) => Ok(format),
        // A part that is missing is reported as unsupported too, but the kind of file is known.
        (Err(Error::Unsupported(reason)), Signature::Known) if !reason.contains("missing") => {
            Err(AudioError::UnsupportedMedia(reason.into()))
        }
        (Err(error), Signature::Known) => Err(AudioError::CorruptAudio(reason(&error))),
        (Err(_), _) => Err(AudioError::UnsupportedMedia("unknown format".into())),
    }
}

/// Opens a MOV file without a `ftyp` atom, which the probe would not know.
fn open_movie(source: Source) -> Result<Box<dyn FormatReader>, AudioError> {
    let mut stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let opened = guarded(|| {
        // The reader expects to be called behind the first four bytes, as the probe does.
        stream.ignore_bytes(4)?;
        IsoMp4Reader::try_new(stream, FormatOptions::default())
    });
    match opened {
        Ok(format) => Ok(Box::new(format)),
        Err(error) => Err(AudioError::CorruptAudio(reason(&error))),
    }
}

fn audio_track(track: &Track, is_default: bool) -> AudioTrack {
    let parameters = match &track.codec_params {
        Some(CodecParameters::Audio(parameters)) => Ok(parameters.clone()),
        _ => Err(AudioError::UnsupportedMedia(
            "no audio track of a known codec".into(),
        )),
    };
    let is_default = is_default || track.flags.contains(TrackFlags::DEFAULT);
    AudioTrack {
        id: track.id,
        parameters,
        is_default,
        starts_at: 0.0,
    }
}

/// The sound tracks of an MP4 file, also those that symphonia does not take for sound.
fn movie_tracks(format: &dyn FormatReader, movie: &Movie) -> Vec<AudioTrack> {
    let known = |id: u32| {
        format
            .tracks()
            .iter()
            .find(|track| track.id == id)
            .and_then(|track| match &track.codec_params {
                Some(CodecParameters::Audio(known)) if known.codec != CODEC_ID_NULL_AUDIO => {
                    Some(known.clone())
                }
                _ => None,
            })
    };
    let track = |track: &super::mp4::SoundTrack| AudioTrack {
        id: track.id,
        parameters: known(track.id).map_or_else(|| track.parameters(), Ok),
        is_default: track.is_enabled,
        starts_at: track.starts_at,
    };
    movie.tracks.iter().map(track).collect()
}

/// The track to decode: the chosen one, else the default ones before the others, as far as they can be decoded.
pub(super) fn choose(
    tracks: Vec<AudioTrack>,
    choice: TrackChoice,
) -> Result<(AudioTrack, Codec), AudioError> {
    let count = tracks.len();
    let (first, others): (Vec<_>, Vec<_>) = match choice {
        TrackChoice::Number(number) => {
            let chosen = tracks
                .into_iter()
                .nth(usize::from(number).saturating_sub(1));
            (chosen.into_iter().collect(), Vec::new())
        }
        TrackChoice::Automatic { .. } => tracks.into_iter().partition(|track| track.is_default),
    };
    let mut skip = choice.skipped();
    let mut failure = None;
    for track in first.into_iter().chain(others) {
        match open_codec(&track) {
            Ok(_) if skip > 0 => skip -= 1,
            Ok(codec) => return Ok((track, codec)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| choice.absent(count)))
}

fn open_codec(track: &AudioTrack) -> Result<Codec, AudioError> {
    let parameters = track.parameters.as_ref().map_err(AudioError::of_format)?;
    match Codec::new(parameters) {
        Ok(codec) => Ok(codec),
        Err(Error::Unsupported(_)) if parameters.codec == CODEC_ID_AAC => Err(
            AudioError::needs_ffmpeg("AAC of more than two channels or of a rare profile"),
        ),
        Err(Error::Unsupported(reason)) => {
            Err(AudioError::needs_ffmpeg(&format!("this codec ({reason})")))
        }
        Err(error) => Err(AudioError::CorruptAudio(reason(&error))),
    }
}
