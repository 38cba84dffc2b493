//! The first bytes of a file: which family of containers it claims to be.
//!
//! Called by [`decode`](super::decode) before the probe, to distinguish "damaged" from "not audio", to name formats that only ffmpeg reads, and
//! to refuse what the probe mistakes for another. Never trusts the claim: decoding decides.

use std::io::{self, Read, Seek, SeekFrom};

const LOOK_BYTES: u64 = 4096;
const RIFF_SIZE_AT: usize = 4;
const TS_SYNC: u8 = 0x47;
/// This many sync bytes in a row are taken as a match.
const TS_PACKETS: usize = 4;
/// Where the first packet of an Ogg file begins, when its page holds one packet.
const OGG_PACKET_AT: usize = 28;
/// Formats by the bytes they begin with, that only ffmpeg reads.
const FOREIGN: [(usize, &[u8], &str); 22] = [
    (0, b"#!AMR-WB", "AMR-WB"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"\xfe\x7f\x01\x80", "DTS"),
    (0, b"FLV\x01", "FLV"),
    (8, b"AVI LIST", "AVI"),
    (0, b"\0\0\x01\xba", "MPEG program stream"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "TTA"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"Creative Voice File", "VOC"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (OGG_PACKET_AT, b"Speex   ", "Speex"),
    (0, b"2BIT", "AVR"),
];
/// Compressions of AIFC that are not read here.
const FOREIGN_AIFC: [&[u8; 4]; 6] = [b"ima4", b"MAC3", b"MAC6", b"QDM2", b"QDMC", b"GSM "];

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// The file has no bytes.
    Empty,
    /// A format that only ffmpeg reads, by its name.
    Foreign(&'static str),
    /// A container the decoder knows.
    Known,
    /// Anything else; the probe may still find audio in it (MP3 and ADTS have no fixed start).
    Unknown,
}

/// What is known of a file before it is probed.
pub(super) struct Head {
    pub(super) signature: Signature,
    /// Offsets of a WAV's four-byte sizes that were never filled in. They are read as `0xffff_ffff`, "until the end".
    pub(super) open_sizes_at: Option<[u64; 2]>,
    /// The first bytes themselves.
    pub(super) bytes: Vec<u8>,
    /// Where sound may begin: behind an ID3 tag.
    pub(super) sound_at: u64,
}

/// Reads the first bytes and rewinds.
pub(super) fn read(file: &mut (impl Read + Seek)) -> io::Result<Head> {
    let mut head = Vec::new();
    file.by_ref().take(LOOK_BYTES).read_to_end(&mut head)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Head {
        signature: classify(&head),
        open_sizes_at: open_sizes(&head, length),
        sound_at: behind_tag(&head),
        bytes: head,
    })
}

/// Where an `ID3v2` tag at the front ends; 0 without one.
fn behind_tag(head: &[u8]) -> u64 {
    match head.get(..10) {
        Some([b'I', b'D', b'3', _, _, _, sizes @ ..]) => {
            10 + sizes
                .iter()
                .fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f))
        }
        _ => 0,
    }
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
            return (size == 0 && length > at as u64 + 8)
                .then_some([RIFF_SIZE_AT as u64, at as u64 + 4]);
        }
        // Chunks begin at even offsets.
        at = at
            .checked_add(8)?
            .checked_add(size as usize)?
            .checked_next_multiple_of(2)?;
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
    let starts = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    if let Some((.., name)) = FOREIGN.iter().find(|(at, magic, _)| starts(*at, magic)) {
        return Signature::Foreign(name);
    }
    if is_transport_stream(head, 0, 188) || is_transport_stream(head, 4, 192) {
        return Signature::Foreign("MPEG transport stream");
    }
    if starts(8, b"AIFC")
        && FOREIGN_AIFC
            .iter()
            .any(|codec| compression(head) == Some(codec))
    {
        return Signature::Foreign("compressed AIFC");
    }

    let riff = [&b"RIFF"[..], b"RF64", b"BW64"]
        .iter()
        .any(|magic| starts(0, magic));
    let known = (riff && starts(8, b"WAVE"))
        || (starts(0, b"FORM") && (starts(8, b"AIFF") || starts(8, b"AIFC")))
        || [
            &b"fLaC"[..],
            b"OggS",
            b"caff",
            b"ID3",
            b".snd",
            b"riff\x2e\x91\xcf\x11",
            b"\x1a\x45\xdf\xa3",
        ]
        .iter()
        .any(|magic| starts(0, magic))
        || [&b"ftyp"[..], b"moov", b"mdat", b"wide"]
            .iter()
            .any(|magic| starts(4, magic));
    if known {
        Signature::Known
    } else {
        Signature::Unknown
    }
}

/// The compression that an AIFC file names.
fn compression(head: &[u8]) -> Option<&[u8; 4]> {
    let at = head.windows(4).position(|name| name == b"COMM")?;
    head.get(at + 26..)?.first_chunk()
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
            assert_eq!(classify(&head), Signature::Foreign("MPEG transport stream"));
            head[offset + packet] = 0;
            assert_eq!(classify(&head), Signature::Unknown);
        }
    }

    #[test]
    fn known_containers_are_distinguished_from_text() {
        assert_eq!(classify(b"RIFF\0\0\0\0WAVEfmt "), Signature::Known);
        assert_eq!(classify(b"\0\0\0\x20ftypM4A "), Signature::Known);
        assert_eq!(classify(b"RIFF\0\0\0\0AVI LIST"), Signature::Foreign("AVI"));
        assert_eq!(classify(b"#!AMR\n"), Signature::Foreign("AMR"));
        let aifc =
            |codec: &[u8]| [&b"FORM\0\0\0\0AIFCCOMM\0\0\0\x16"[..], &[0; 18], codec].concat();
        assert_eq!(
            classify(&aifc(b"ima4")),
            Signature::Foreign("compressed AIFC")
        );
        assert_eq!(classify(&aifc(b"sowt")), Signature::Known);
        assert_eq!(
            classify(b"#EXTM3U\nhttp://localhost/\n"),
            Signature::Unknown
        );
        assert_eq!(classify(b""), Signature::Empty);
    }
}
