//! Reads from an MP4 or MOV file what symphonia does not expose: its audio tracks, when each begins, and the names of codecs.
//!
//! Called by [`parts`](super::parts). Reads the `moov` atom alone, and believes no size in it.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW};

use super::super::AudioError;
use super::riff::Bytes;

/// Largest `moov` that is read: that of a day of video.
const MAX_MOOV: u64 = 64 << 20;
/// A `ftyp` atom for files of `QuickTime` that have none. It is added to the end of the file, where symphonia finds it.
pub(super) const FILE_TYPE: &[u8] = b"\0\0\0\x14ftypqt  \0\0\0\0qt  ";

/// A file's tracks with sound, in its order.
#[derive(Debug, Default)]
pub(super) struct Movie {
    pub(super) tracks: Vec<SoundTrack>,
    pub(super) has_file_type: bool,
}

/// One track with sound.
#[derive(Debug)]
pub(super) struct SoundTrack {
    pub(super) id: u32,
    /// The file marks it as enabled, so players play it by default.
    pub(super) is_enabled: bool,
    /// Seconds after the beginning of the track that begins first.
    pub(super) starts_at: f64,
    format: [u8; 4],
    rate: u32,
    channels: u16,
}

impl SoundTrack {
    /// Parameters of a codec that symphonia decodes but does not find in this container.
    pub(super) fn parameters(&self) -> Result<AudioCodecParameters, AudioError> {
        let codec = match &self.format {
            b"ulaw" => CODEC_ID_PCM_MULAW,
            b"alaw" => CODEC_ID_PCM_ALAW,
            _ => return Err(AudioError::needs_ffmpeg(&self.codec_name())),
        };
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(codec)
            .with_sample_rate(self.rate)
            .with_channels(Channels::Discrete(self.channels));
        Ok(parameters)
    }

    fn codec_name(&self) -> String {
        let name = match &self.format {
            b"samr" => "AMR",
            b"sawb" => "AMR-WB",
            b"ac-3" => "AC-3",
            b"ec-3" => "E-AC-3",
            b"ima4" => "IMA ADPCM",
            b"agsm" => "GSM",
            b"QDM2" | b"QDMC" => "QDesign",
            b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" => "DTS",
            b"mp4a" => "this kind of AAC",
            other => return format!("the codec {:?}", String::from_utf8_lossy(other)),
        };
        format!("{name} in MP4 or MOV")
    }
}

/// Whether a file begins with an atom of this container.
pub(super) fn is_movie(head: &[u8]) -> bool {
    let kinds = [
        &b"ftyp"[..],
        b"moov",
        b"mdat",
        b"wide",
        b"free",
        b"skip",
        b"pnot",
    ];
    head.get(4..8).is_some_and(|kind| kinds.contains(&kind))
}

/// Reads the file's `moov`; without one, nothing is known.
pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Movie, AudioError> {
    let mut movie = Movie::default();
    let mut at = 0;
    loop {
        let head = bytes.at(at, 16)?;
        let Some((kind, header, size)) = atom(&head, bytes.length() - at.min(bytes.length()))
        else {
            break;
        };
        match &kind {
            b"ftyp" => movie.has_file_type = true,
            b"moov" if size <= MAX_MOOV => {
                let content = bytes.at(at + header, (size - header) as usize)?;
                movie.tracks = sound_tracks(&content);
            }
            _ => {}
        }
        at = at.saturating_add(size);
    }
    Ok(movie)
}

/// Kind, size of the header and size in all of the atom that `head` begins; `rest` is what is left of the file.
fn atom(head: &[u8], rest: u64) -> Option<([u8; 4], u64, u64)> {
    let kind = *head.get(4..8)?.first_chunk::<4>()?;
    let (header, size) = match be32(head, 0)? {
        0 => (8, rest),
        1 => (
            16,
            u64::from(be32(head, 8)?) << 32 | u64::from(be32(head, 12)?),
        ),
        size => (8, u64::from(size)),
    };
    (size >= header).then_some((kind, header, size))
}

/// The atoms within an atom, up to the first that does not fit.
fn children(mut content: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, header, size) = atom(content, content.len() as u64)?;
        let (child, rest) = content.split_at_checked(usize::try_from(size).ok()?)?;
        content = rest;
        Some((kind, &child[header as usize..]))
    })
}

fn find<'a>(content: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(content, |content, kind| {
        children(content)
            .find(|child| child.0 == **kind)
            .map(|child| child.1)
    })
}

fn sound_tracks(moov: &[u8]) -> Vec<SoundTrack> {
    let scale = find(moov, &[b"mvhd"])
        .and_then(|mvhd| be32(mvhd, if mvhd.first() == Some(&1) { 20 } else { 12 }));
    let scale = f64::from(scale.unwrap_or(0).max(1));
    let tracks: Vec<_> = children(moov)
        .filter(|child| child.0 == *b"trak")
        .map(|child| child.1)
        .collect();
    let start = |track: &&[u8]| {
        find(track, &[b"edts", b"elst"]).map_or(0.0, |edits| empty_ticks(edits) as f64 / scale)
    };
    let first = tracks.iter().map(start).fold(f64::INFINITY, f64::min);

    let read = |track: &&[u8]| {
        let header = find(track, &[b"tkhd"])?;
        let handler = find(track, &[b"mdia", b"hdlr"])?;
        if handler.get(8..12)? != b"soun" {
            return None;
        }
        let entry = find(track, &[b"mdia", b"minf", b"stbl", b"stsd"])?.get(8..)?;
        Some(SoundTrack {
            id: be32(header, if header.first() == Some(&1) { 20 } else { 12 })?,
            is_enabled: header.get(3)? & 1 == 1,
            starts_at: start(track) - first,
            format: *entry.get(4..8)?.first_chunk::<4>()?,
            channels: be32(entry, 22)? as u16,
            rate: be32(entry, 32)? >> 16,
        })
    };
    tracks.iter().filter_map(read).collect()
}

/// How long an edit list shows nothing before the track begins, in ticks of the movie.
fn empty_ticks(edits: &[u8]) -> u64 {
    let long = edits.first() == Some(&1);
    let entries = edits.get(8..).unwrap_or_default();
    let read = |entry: &[u8]| {
        let (ticks, media_at) = match (long, be32(entry, 0)?) {
            (true, high) => (u64::from(high) << 32 | u64::from(be32(entry, 4)?), 8),
            (false, ticks) => (u64::from(ticks), 4),
        };
        Some((ticks, be32(entry, media_at)? == u32::MAX))
    };
    let entries = entries
        .chunks_exact(if long { 20 } else { 12 })
        .filter_map(read);
    entries
        .take_while(|(_, is_empty)| *is_empty)
        .map(|(ticks, _)| ticks)
        .fold(0, u64::saturating_add)
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk::<4>()
        .map(|four| u32::from_be_bytes(*four))
}
