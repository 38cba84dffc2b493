//! Splits a file into its parts: one recording, or several that were joined end to end.
//!
//! Called by [`decode`](super) before anything is decoded. Players play joined files to their end; symphonia stops at the first seam. Never
//! trusts a size or a name.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::ops::Range;

use super::super::AudioError;
use super::super::signature::{self, Head, Signature};
use super::pcm::SampleFormat;
use super::riff::{self, Bytes, Section};
use super::wave_format::{self, Content};
use super::{adts, mp4};

/// Most recordings that are joined in one file.
const MAX_PARTS: usize = 10_000;
/// Bytes searched at a time.
const SEARCH_BYTES: usize = 1 << 20;
/// A FLAC file begins with its name and a stream info block of 34 bytes, be it the only block or not.
const FLAC: [[u8; 8]; 2] = [*b"fLaC\0\0\0\x22", *b"fLaC\x80\0\0\x22"];
/// An Ogg page of version 0 that begins a stream, up to its flags.
const OGG_BEGIN: [[u8; 6]; 1] = [*b"OggS\0\x02"];
/// Bytes of an Ogg page before its list of sizes.
const OGG_HEADER: usize = 27;

/// One recording of a file.
pub(super) struct Part {
    pub(super) range: Range<u64>,
    pub(super) kind: Kind,
    /// The header says that there was more.
    pub(super) truncated: bool,
}

/// Which reader a part needs.
pub(super) enum Kind {
    Pcm(SampleFormat),
    Matroska,
    Adts,
    Movie(mp4::Movie),
    /// Symphonia's probe finds the container.
    Probed {
        /// See [`Head::open_sizes_at`](super::signature::Head::open_sizes_at).
        open_sizes_at: Option<[u64; 2]>,
    },
}

/// The parts of a file, in order; at least one. Also what its first bytes say.
pub(super) fn find(file: &mut File) -> Result<(Vec<Part>, Signature), AudioError> {
    let Head {
        signature,
        open_sizes_at,
        bytes: head,
        sound_at,
    } = signature::read(file).map_err(AudioError::Input)?;
    // The sandbox allows no call that takes a path, and the one behind `metadata` does.
    let length = file.seek(SeekFrom::End(0)).map_err(AudioError::Input)?;
    let mut bytes = Bytes::new(file, length);
    let whole = |kind: Kind| {
        vec![Part {
            range: 0..length,
            kind,
            truncated: false,
        }]
    };
    match signature {
        Signature::Empty => return Err(AudioError::EmptyAudio),
        Signature::Foreign(name) => return Err(AudioError::needs_ffmpeg(name)),
        Signature::Known | Signature::Unknown => {}
    }

    let probed = || Kind::Probed {
        open_sizes_at: None,
    };
    let parts = if riff::is_wave(&head) {
        sections(riff::wave_sections(&mut bytes)?, open_sizes_at, length)
    } else if riff::is_w64(&head) {
        sections(riff::w64_sections(&mut bytes)?, None, length)
    } else if head.starts_with(b".snd") {
        sections(vec![au_section(&head, length)?], None, length)
    } else if head.starts_with(b"\x1a\x45\xdf\xa3") {
        whole(Kind::Matroska)
    } else if head.starts_with(b"fLaC") {
        let starts = search(&mut bytes, &FLAC)?;
        cut(&starts, length, probed)
    } else if head.starts_with(b"OggS") {
        let starts = ogg_links(&mut bytes)?;
        cut(&starts, length, probed)
    } else if mp4::is_movie(&head) {
        let movie = mp4::read(&mut bytes)?;
        whole(Kind::Movie(movie))
    } else if adts::is_adts(&bytes.at(sound_at, 2 * 8_192)?) {
        whole(Kind::Adts)
    } else {
        whole(probed())
    };
    Ok((parts, signature))
}

fn au_section(head: &[u8], length: u64) -> Result<Section, AudioError> {
    // Fails for a header that is cut off.
    let content = wave_format::content_of_au(head)?;
    let start = u64::from(u32::from_be_bytes([head[4], head[5], head[6], head[7]])).min(length);
    let range = start..length;
    let declared = u64::from(u32::from_be_bytes([head[8], head[9], head[10], head[11]]));
    let known = declared != u64::from(u32::MAX);
    let truncated = known && declared > range.end - range.start;
    Ok(Section {
        content,
        range,
        truncated,
    })
}

fn sections(sections: Vec<Section>, open_sizes_at: Option<[u64; 2]>, length: u64) -> Vec<Part> {
    let part = |Section {
                    content,
                    range,
                    truncated,
                }| match content {
        Content::Samples(format) => Part {
            range,
            kind: Kind::Pcm(format),
            truncated,
        },
        Content::Mpeg => Part {
            range,
            kind: Kind::Probed {
                open_sizes_at: None,
            },
            truncated,
        },
        Content::Adpcm => Part {
            range: 0..length,
            kind: Kind::Probed { open_sizes_at },
            truncated: false,
        },
    };
    sections.into_iter().map(part).collect()
}

/// Parts from each of `starts` to the next. What is before the first belongs to it.
fn cut(starts: &[u64], length: u64, kind: impl Fn() -> Kind) -> Vec<Part> {
    let mut edges = vec![0];
    edges.extend(starts.iter().copied().skip_while(|start| *start == 0));
    edges.push(length);
    edges
        .windows(2)
        .map(|edge| Part {
            range: edge[0]..edge[1],
            kind: kind(),
            truncated: false,
        })
        .collect()
}

/// Where each link of a chained Ogg file begins. The streams of one link begin with pages in a row.
fn ogg_links(bytes: &mut Bytes<'_>) -> Result<Vec<u64>, AudioError> {
    let mut links = Vec::new();
    let mut behind = None;
    for start in search(bytes, &OGG_BEGIN)? {
        if behind != Some(start) {
            links.push(start);
        }
        let header = bytes.at(start, OGG_HEADER + 255)?;
        let count = header.get(OGG_HEADER - 1).copied().map_or(0, usize::from);
        let sizes = header
            .get(OGG_HEADER..OGG_HEADER + count)
            .unwrap_or_default();
        let content: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
        behind = Some(start + (OGG_HEADER + count) as u64 + content);
    }
    Ok(links)
}

/// Where any of `patterns` is found in the file.
fn search<const N: usize>(
    bytes: &mut Bytes<'_>,
    patterns: &[[u8; N]],
) -> Result<Vec<u64>, AudioError> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let window = bytes.at(at, SEARCH_BYTES + N - 1)?;
        let first = patterns[0][0];
        let mut from = 0;
        while let Some(next) = window[from..].iter().position(|byte| *byte == first) {
            let place = from + next;
            if window
                .get(place..place + N)
                .is_some_and(|here| patterns.iter().any(|pattern| pattern == here))
            {
                found.push(at + place as u64);
                if found.len() > MAX_PARTS {
                    return Err(riff::too_many_parts());
                }
            }
            from = place + 1;
        }
        if window.len() < SEARCH_BYTES + N - 1 {
            return Ok(found);
        }
        at += SEARCH_BYTES as u64;
    }
}
