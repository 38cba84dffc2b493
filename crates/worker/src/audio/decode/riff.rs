//! Where the samples lie in WAV, RF64, BW64 and W64 files.
//!
//! Called by [`parts`](super::parts). Recorders that lose power leave sizes unset, programs that append leave them stale, and files are
//! joined end to end: sizes are hints, and the actual content decides. Never reads the samples.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::super::AudioError;
use super::wave_format::{Content, content_of};

/// Sizes from here on mean "until the end" when the file is shorter.
const OPEN_SIZE: u64 = 0x7fff_0000;
/// Bytes in which a lost `data` chunk is searched.
const SEARCH_BYTES: usize = 1 << 20;
/// Share of a second from which bytes behind the samples are more samples.
const STALE_PER_SECOND: u64 = 4;
const W64_RIFF: &[u8; 16] = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
const W64_GUID_TAIL: &[u8; 12] = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";

/// A stretch of the file with samples of one format.
pub(super) struct Section {
    pub(super) content: Content,
    pub(super) range: Range<u64>,
    /// The header says that there were more.
    pub(super) truncated: bool,
}

/// Most reads of a file's structure: some seconds of work. A day of fragmented MP4 takes a tenth of them.
const MAX_READS: u32 = 1_000_000;

/// Reads the file at any position, with a limit on the number of reads: a file of tiny chunks could ask for millions.
pub(super) struct Bytes<'a> {
    file: &'a mut File,
    length: u64,
    reads_left: u32,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(file: &'a mut File, length: u64) -> Self {
        Self {
            file,
            length,
            reads_left: MAX_READS,
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Up to `count` bytes; fewer at the end. Fails after [`MAX_READS`].
    pub(super) fn at(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, AudioError> {
        self.reads_left = self.reads_left.checked_sub(1).ok_or_else(too_many_parts)?;
        let mut bytes = Vec::new();
        let read = |file: &mut File, bytes: &mut Vec<u8>| -> io::Result<()> {
            file.seek(SeekFrom::Start(offset))?;
            file.take(count as u64).read_to_end(bytes)?;
            Ok(())
        };
        if offset < self.length {
            read(self.file, &mut bytes).map_err(AudioError::Input)?;
        }
        Ok(bytes)
    }
}

/// The file has more parts than any recording.
pub(super) fn too_many_parts() -> AudioError {
    AudioError::CorruptAudio("it has far too many parts".into())
}

/// The header fields of one RIFF file.
struct Wave {
    content: Option<Content>,
    /// Where the samples begin and how many bytes the header says there are.
    data: Option<(u64, u64)>,
}

/// Whether a file begins like a RIFF file of sound.
pub(super) fn is_wave(head: &[u8]) -> bool {
    head.len() >= 12
        && [&b"RIFF"[..], b"RF64", b"BW64"].contains(&&head[..4])
        && &head[8..12] == b"WAVE"
}

/// Whether a file begins like Sony's W64.
pub(super) fn is_w64(head: &[u8]) -> bool {
    head.starts_with(W64_RIFF)
}

/// Every section of a RIFF file, and of those joined to its end.
pub(super) fn wave_sections(bytes: &mut Bytes<'_>) -> Result<Vec<Section>, AudioError> {
    let mut sections = Vec::new();
    let mut at = 0;
    loop {
        let head = bytes.at(at, 12)?;
        if !is_wave(&head) {
            break;
        }

        let wave = read_chunks(bytes, at)?;
        let found = wave.content.zip(wave.data);
        let Some((content, (start, declared))) = found else {
            if sections.is_empty() {
                return Err(AudioError::CorruptAudio("its header is incomplete".into()));
            }
            break;
        };

        let covered = at + 8 + u64::from(number(&head, 4)) >= bytes.length();
        let (section, next) = place(bytes, content, start, declared, covered)?;
        sections.push(section);
        at = next;
    }
    Ok(sections)
}

/// Every section of a W64 file.
pub(super) fn w64_sections(bytes: &mut Bytes<'_>) -> Result<Vec<Section>, AudioError> {
    let mut content = None;
    let mut at = 40;
    loop {
        let head = bytes.at(at, 24)?;
        if head.len() < 24 || &head[4..16] != W64_GUID_TAIL {
            return Err(AudioError::CorruptAudio("its header is incomplete".into()));
        }

        let size = long(&head, 16).max(24);
        match (&head[..4], &content) {
            (b"fmt ", _) => content = Some(content_of(&bytes.at(at + 24, 64)?)?),
            (b"data", Some(content)) => {
                let start = at + 24;
                let end = at.saturating_add(size);
                let truncated = end > bytes.length();
                let range = start..end.min(bytes.length());
                return Ok(vec![Section {
                    content: *content,
                    range,
                    truncated,
                }]);
            }
            _ => {}
        }
        at = at.saturating_add(size.saturating_add(7) / 8 * 8);
    }
}

/// Reads chunks up to the samples of the RIFF file that begins at `start`.
fn read_chunks(bytes: &mut Bytes<'_>, start: u64) -> Result<Wave, AudioError> {
    let mut wave = Wave {
        content: None,
        data: None,
    };
    let mut long_size = None;
    let mut at = start + 12;
    loop {
        let head = bytes.at(at, 8)?;
        if head.len() < 8 {
            return search(bytes, start, wave);
        }

        let size = u64::from(number(&head, 4));
        match &head[..4] {
            b"ds64" => {
                let sizes = bytes.at(at + 8, 16)?;
                long_size = (sizes.len() == 16).then(|| long(&sizes, 8));
            }
            b"fmt " => wave.content = Some(content_of(&bytes.at(at + 8, size.min(64) as usize)?)?),
            b"data" => {
                let declared = match long_size {
                    Some(long_size) if size == u64::from(u32::MAX) => long_size,
                    _ => size,
                };
                wave.data = Some((at + 8, declared));
                return Ok(wave);
            }
            _ => {}
        }

        // Chunks begin at even offsets.
        let next = at + 8 + size + size % 2;
        if next > bytes.length() {
            return search(bytes, start, wave);
        }
        at = next;
    }
}

/// Finds the header's fields by their names where a chunk's size leads nowhere.
fn search(bytes: &mut Bytes<'_>, start: u64, mut wave: Wave) -> Result<Wave, AudioError> {
    let found = bytes.at(start + 12, SEARCH_BYTES)?;
    let find = |name: &[u8], from: usize| {
        found[from..]
            .windows(4)
            .position(|four| four == name)
            .map(|at| at + from)
    };
    let mut from = 0;
    if wave.content.is_none() {
        let Some(at) = find(b"fmt ", 0) else {
            return Ok(wave);
        };
        wave.content = Some(content_of(found.get(at + 8..).unwrap_or_default())?);
        from = at;
    }
    if wave.data.is_none() {
        wave.data = find(b"data", from).map(|at| (start + 12 + at as u64 + 8, 0));
    }
    Ok(wave)
}

/// The section of the samples at `start`, and where the next file may begin. `covered` says whether the header accounts for the
/// whole file.
fn place(
    bytes: &mut Bytes<'_>,
    content: Content,
    start: u64,
    declared: u64,
    covered: bool,
) -> Result<(Section, u64), AudioError> {
    let length = bytes.length();
    let rest = length.saturating_sub(start);
    let start = start.min(length);
    let open = (declared == 0 && !covered) || (declared >= OPEN_SIZE && declared > rest);
    if open || declared > rest {
        return Ok((
            Section {
                content,
                range: start..length,
                truncated: !open,
            },
            length,
        ));
    }

    let end = start + declared;
    let (more, next) = follow(bytes, end + declared % 2)?;
    let enough = content.bytes_per_second() / STALE_PER_SECOND;
    let end = if more && length - end >= enough.max(1) {
        length
    } else {
        end
    };
    Ok((
        Section {
            content,
            range: start..end,
            truncated: false,
        },
        next,
    ))
}

/// What is behind the samples: whether it is no chunk, hence more samples; and where the next file may begin.
fn follow(bytes: &mut Bytes<'_>, mut at: u64) -> Result<(bool, u64), AudioError> {
    let mut is_chunk = false;
    loop {
        let head = bytes.at(at, 12)?;
        if head.len() < 8 {
            return Ok((false, bytes.length()));
        }
        if is_wave(&head) {
            return Ok((false, at));
        }

        let named = head[..4]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b" _-".contains(byte));
        let size = u64::from(number(&head, 4));
        let next = at + 8 + size + size % 2;
        if !named || at + 8 + size > bytes.length() {
            return Ok((!is_chunk, bytes.length()));
        }
        is_chunk = true;
        at = next;
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at)) | u64::from(number(bytes, at + 4)) << 32
}
