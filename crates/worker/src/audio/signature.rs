//! The first bytes of a file: which family of containers it claims to be.
//!
//! Called by [`decode`](super::decode) before the probe, to tell "damaged" from "not audio" and to refuse what the probe mistakes.
//! Never trusts the claim: decoding decides.

use std::io::{self, Read, Seek, SeekFrom};

const LOOK_BYTES: u64 = 4096;
const RIFF_SIZE_AT: usize = 4;
const TS_SYNC: u8 = 0x47;
/// Sync bytes in a row that are no accident.
const TS_PACKETS: usize = 4;

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// Not a single byte.
    Empty,
    /// MPEG transport stream, with packets of 188 or 192 bytes.
    MpegTs,
    /// A container the decoder knows.
    Known,
    /// Anything else; the probe may still find audio in it (MP3 and ADTS have no fixed start).
    Unknown,
}

/// What is known of a file before it is probed.
pub(super) struct Head {
    pub(super) signature: Signature,
    /// Offsets of four bytes each to be read as `0xffff_ffff`, "until the end": a WAV's sizes that were never filled in.
    pub(super) open_sizes_at: Option<[u64; 2]>,
}

/// Reads the first bytes and rewinds.
pub(super) fn read(file: &mut (impl Read + Seek)) -> io::Result<Head> {
    let mut head = Vec::new();
    file.by_ref().take(LOOK_BYTES).read_to_end(&mut head)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Head { signature: classify(&head), open_sizes_at: open_sizes(&head, length) })
}

/// A program that records into a pipe, or that was killed, leaves a WAV's sizes at 0 though samples follow.
fn open_sizes(head: &[u8], length: u64) -> Option<[u64; 2]> {
    if !(head.starts_with(b"RIFF") && head.get(8..12)? == b"WAVE")
        || u64::from(number(head, RIFF_SIZE_AT)?) + 8 >= length
    {
        return None;
    }
    let mut at = 12;
    loop {
        let size = number(head, at + 4)?;
        if head.get(at..at + 4)? == b"data" {
            return (size == 0 && length > at as u64 + 8).then_some([RIFF_SIZE_AT as u64, at as u64 + 4]);
        }
        // Chunks begin at even offsets.
        at = at.checked_add(8)?.checked_add(size as usize)?.checked_next_multiple_of(2)?;
    }
}

fn number(head: &[u8], at: usize) -> Option<u32> {
    let bytes = head.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

fn classify(head: &[u8]) -> Signature {
    if head.is_empty() {
        return Signature::Empty;
    }
    if is_transport_stream(head, 0, 188) || is_transport_stream(head, 4, 192) {
        return Signature::MpegTs;
    }
    let starts = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let known = (starts(0, b"RIFF") && starts(8, b"WAVE"))
        || (starts(0, b"FORM") && (starts(8, b"AIFF") || starts(8, b"AIFC")))
        || [&b"fLaC"[..], b"OggS", b"caff", b"ID3", b"\x1a\x45\xdf\xa3"].iter().any(|magic| starts(0, magic))
        || [&b"ftyp"[..], b"moov"].iter().any(|magic| starts(4, magic));
    if known { Signature::Known } else { Signature::Unknown }
}

fn is_transport_stream(head: &[u8], offset: usize, packet: usize) -> bool {
    (0..TS_PACKETS).all(|index| head.get(offset + index * packet) == Some(&TS_SYNC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_stream_is_seen_by_its_sync_bytes() {
        for (offset, packet) in [(0, 188), (4, 192)] {
            let mut head = vec![0xff; 1000];
            for index in 0..TS_PACKETS {
                head[offset + index * packet] = TS_SYNC;
            }
            assert_eq!(classify(&head), Signature::MpegTs);
            head[offset + packet] = 0;
            assert_eq!(classify(&head), Signature::Unknown);
        }
    }

    #[test]
    fn known_containers_are_told_from_text() {
        assert_eq!(classify(b"RIFF\0\0\0\0WAVEfmt "), Signature::Known);
        assert_eq!(classify(b"\0\0\0\x20ftypM4A "), Signature::Known);
        assert_eq!(classify(b"RIFF\0\0\0\0AVI "), Signature::Unknown);
        assert_eq!(classify(b"#EXTM3U\nhttp://localhost/\n"), Signature::Unknown);
        assert_eq!(classify(b""), Signature::Empty);
    }
}
