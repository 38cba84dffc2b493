//! A block of a cluster: its header, and the frames laced into it.

use super::ebml::leading_number;

/// How several frames share a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacing {
    /// One frame.
    None,
    /// Sizes in bytes of 255 and a rest, as Ogg does.
    Xiph,
    /// All of one size.
    Fixed,
    /// Sizes as differences.
    Ebml,
}

/// The header of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockHead {
    pub(super) track: u64,
    /// In ticks after its cluster.
    pub(super) time: i16,
    pub(super) lacing: Lacing,
    /// Bytes of this header.
    pub(super) length: usize,
}

impl BlockHead {
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let (track, length, rest) = leading_number(content)?;
        let [high, low, flags] = *rest.first_chunk::<3>()?;
        let lacing = match flags >> 1 & 3 {
            0 => Lacing::None,
            1 => Lacing::Xiph,
            2 => Lacing::Fixed,
            _ => Lacing::Ebml,
        };
        Some(Self {
            track,
            time: i16::from_be_bytes([high, low]),
            lacing,
            length: length as usize + 3,
        })
    }
}

/// The frames of a block's content behind its header. Empty when the sizes do not fit.
pub(super) fn frames(content: &[u8], lacing: Lacing) -> Vec<&[u8]> {
    if lacing == Lacing::None {
        return vec![content];
    }
    laced(content, lacing).unwrap_or_default()
}

fn laced(content: &[u8], lacing: Lacing) -> Option<Vec<&[u8]>> {
    let (&count, mut rest) = content.split_first()?;
    let sizes_given = usize::from(count);
    let mut sizes: Vec<usize> = Vec::with_capacity(sizes_given);
    match lacing {
        Lacing::None => return None,
        Lacing::Fixed => sizes.resize(sizes_given, rest.len() / (sizes_given + 1)),
        Lacing::Xiph => {
            for _ in 0..sizes_given {
                let mut size = 0;
                loop {
                    let (&byte, behind) = rest.split_first()?;
                    rest = behind;
                    size += usize::from(byte);
                    if byte != 255 {
                        break;
                    }
                }
                sizes.push(size);
            }
        }
        Lacing::Ebml => {
            for index in 0..sizes_given {
                let (value, length, behind) = leading_number(rest)?;
                rest = behind;
                // Differences are stored with half of their range added.
                let middle = (1_i64 << (7 * length - 1)) - 1;
                let size = match index {
                    0 => i64::try_from(value).ok()?,
                    _ => i64::try_from(*sizes.last()?).ok()? + i64::try_from(value).ok()? - middle,
                };
                sizes.push(usize::try_from(size).ok()?);
            }
        }
    }

    let mut frames = Vec::with_capacity(sizes_given + 1);
    for size in sizes {
        let (frame, behind) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = behind;
    }
    frames.push(rest);
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lacing: Lacing, content: &[u8], expected: &[&[u8]]) {
        assert_eq!(frames(content, lacing), expected, "{lacing:?}");
    }

    #[test]
    fn every_lacing_gives_its_frames() {
        check(Lacing::None, b"abc", &[b"abc"]);
        check(Lacing::Fixed, b"\x02abcdef", &[b"ab", b"cd", b"ef"]);
        check(Lacing::Xiph, b"\x02\x01\x02abbccc", &[b"a", b"bb", b"ccc"]);
        // 1, then 1 + (192 - 63) as 0xc0 with one byte: a difference of +1.
        check(Lacing::Ebml, b"\x02\x81\xc0abbccc", &[b"a", b"bb", b"ccc"]);
    }

    #[test]
    fn sizes_that_do_not_fit_give_nothing() {
        check(Lacing::Xiph, b"\x01\xff\xff", &[]);
        check(Lacing::Xiph, b"\x01\x09abc", &[]);
        check(Lacing::Ebml, b"\x02\x81\x80abbccc", &[]);
        check(Lacing::Fixed, b"", &[]);
    }

    #[test]
    fn a_header_is_read() {
        let head = BlockHead::read(b"\x82\xff\xfe\x02frame").unwrap();
        assert_eq!(
            (head.track, head.time, head.lacing, head.length),
            (2, -2, Lacing::Xiph, 4)
        );
        assert!(BlockHead::read(b"\x82\xff").is_none());
    }
}
