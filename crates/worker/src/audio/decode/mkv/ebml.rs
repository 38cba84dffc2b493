//! The bytes of EBML: ids, sizes and values (RFC 8794).

use std::io::{self, ErrorKind, Read};

/// The id at the start of every file.
pub(super) const EBML: u32 = 0x1a45_dfa3;
pub(super) const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;

/// Elements that may stand beside clusters and blocks, and are skipped.
const KNOWN: [u32; 22] = [
    EBML,        // joined file
    0xec,        // Void
    0xbf,        // CRC-32
    0x114d_9b74, // SeekHead
    0x1c53_bb6b, // Cues
    0x1941_a469, // Attachments
    0x1043_a770, // Chapters
    0x1254_c367, // Tags
    0x5854,      // SilentTracks
    0xa7,        // Position
    0xab,        // PrevSize
    0xaf,        // EncryptedBlock
    0x9b,        // BlockDuration
    0xfa,        // ReferencePriority
    0xfb,        // ReferenceBlock
    0xfd,        // ReferenceVirtual
    0xa4,        // CodecState
    0x75a2,      // DiscardPadding
    0x75a1,      // BlockAdditions
    0x8e,        // Slices
    0xa2,        // BlockVirtual
    0xc8,        // ReferenceFrame
];

/// Id and size of an element.
pub(super) struct Header {
    pub(super) id: u32,
    /// `None` where it was never filled in.
    pub(super) size: Option<u64>,
    /// Bytes of the header itself.
    pub(super) length: u64,
}

impl Header {
    pub(super) fn read(source: &mut impl Read) -> io::Result<Self> {
        let (id, id_length) = variable(source, 4, true)?;
        let (size, size_length) = variable(source, 8, false)?;
        let unknown = size == (1 << (7 * size_length)) - 1;
        Ok(Self {
            id: id as u32,
            size: (!unknown).then_some(size),
            length: id_length + size_length,
        })
    }
}

/// Whether an element of this id is skipped rather than taken for damage.
pub(super) fn is_known(id: u32) -> bool {
    KNOWN.contains(&id)
}

/// A number of variable length, with or without its marker bit, and how many bytes it takes. An impossible first byte reads as 0.
fn variable(source: &mut impl Read, longest: u64, keep_marker: bool) -> io::Result<(u64, u64)> {
    let mut first = [0];
    source.read_exact(&mut first)?;
    let length = u64::from(first[0].leading_zeros()) + 1;
    if length > longest {
        return Ok((0, 1));
    }

    let marker = 0x80_u64 >> (length - 1);
    let mut value = u64::from(first[0]);
    if !keep_marker {
        value &= marker - 1;
    }
    for _ in 1..length {
        let mut byte = [0];
        source.read_exact(&mut byte)?;
        value = value << 8 | u64::from(byte[0]);
    }
    Ok((value, length))
}

/// The elements within a master element, up to the first that does not fit.
pub(super) fn children(mut content: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let header = Header::read(&mut content).ok()?;
        let size = usize::try_from(header.size?).ok()?;
        let (child, rest) = content.split_at_checked(size)?;
        content = rest;
        Some((header.id, child))
    })
}

/// The first child with this id.
pub(super) fn find(content: &[u8], id: u32) -> Option<&[u8]> {
    children(content)
        .find(|child| child.0 == id)
        .map(|child| child.1)
}

/// An unsigned integer of up to eight bytes.
pub(super) fn unsigned(content: &[u8]) -> u64 {
    content
        .iter()
        .take(8)
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A float of four or eight bytes; 0 for any other length.
pub(super) fn float(content: &[u8]) -> f64 {
    match content.len() {
        4 => f64::from(f32::from_bits(unsigned(content) as u32)),
        8 => f64::from_bits(unsigned(content)),
        _ => 0.0,
    }
}

/// A number of variable length at the front of `content`, and the bytes behind it.
pub(super) fn leading_number(mut content: &[u8]) -> Option<(u64, u64, &[u8])> {
    match variable(&mut content, 8, false) {
        Ok((value, length)) => Some((value, length, content)),
        Err(error) => {
            debug_assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            None
        }
    }
}
