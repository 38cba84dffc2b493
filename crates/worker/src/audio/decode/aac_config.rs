//! The configuration of AAC (ISO 14496-3): HE-AAC is read as the plain AAC within it.
//!
//! Called by [`codec`](super::codec) and [`adts`](super::adts). Never sees a frame.

const LOW_COMPLEXITY: u8 = 2;
const SPECTRAL_BAND_REPLICATION: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// The rate of an index, in Hz.
pub(super) fn rate_of(index: u8) -> Option<u32> {
    RATES.get(usize::from(index)).copied()
}

/// Channels of a channel configuration; 0 where it is described elsewhere.
pub(super) fn channels_of(index: u8) -> u16 {
    match index {
        7 => 8,
        1..=6 => u16::from(index),
        _ => 0,
    }
}

/// Reads bits from the front.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn object_type(&mut self) -> Option<u8> {
        let kind = self.take(5)? as u8;
        if kind == 31 {
            Some(32 + self.take(6)? as u8)
        } else {
            Some(kind)
        }
    }

    fn rate(&mut self) -> Option<(u8, u32)> {
        let index = self.take(4)? as u8;
        let rate = if index == 15 {
            self.take(24)?
        } else {
            rate_of(index)?
        };
        Some((index, rate))
    }
}

/// What a configuration says of the AAC within.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Core {
    /// In Hz.
    pub(super) rate: u32,
    /// 0 where it is described elsewhere.
    pub(super) channels: u16,
    /// A configuration of that AAC alone.
    pub(super) config: Vec<u8>,
}

/// The plain AAC of a configuration; `None` when it is of another kind.
pub(super) fn core_of(config: &[u8]) -> Option<Core> {
    let mut bits = Bits {
        bytes: config,
        at: 0,
    };
    let mut kind = bits.object_type()?;
    let (index, rate) = bits.rate()?;
    let channel_index = bits.take(4)? as u8;
    if kind == SPECTRAL_BAND_REPLICATION || kind == PARAMETRIC_STEREO {
        bits.rate()?;
        kind = bits.object_type()?;
    }
    // Frames of 960 samples are left alone, and refused.
    let is_short = bits.take(1)? == 1;
    if kind != LOW_COMPLEXITY || is_short || index == 15 {
        return None;
    }

    let fields =
        u16::from(LOW_COMPLEXITY) << 11 | u16::from(index) << 7 | u16::from(channel_index) << 3;
    Some(Core {
        rate,
        channels: channels_of(channel_index),
        config: fields.to_be_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &[u8], expected: Option<(u32, u16)>) {
        let core = core_of(config);
        assert_eq!(
            core.as_ref().map(|core| (core.rate, core.channels)),
            expected,
            "{config:x?}"
        );
        if let Some(core) = core {
            assert_eq!(
                core_of(&core.config),
                Some(Core { ..core }),
                "it is plain AAC already"
            );
        }
    }

    #[test]
    fn every_kind_of_signalling_gives_the_core() {
        // Plain AAC, 44.1 kHz, stereo.
        check(&[0x12, 0x10], Some((44_100, 2)));
        // The same, and behind it that there is more for a player that knows HE-AAC.
        check(&[0x13, 0x90, 0x56, 0xe5, 0xa0], Some((22_050, 2)));
        // HE-AAC said in front: object type 5, 22.05 kHz core, mono, 44.1 kHz, then object type 2.
        check(&[0x2b, 0x8a, 0x08, 0x00], Some((22_050, 1)));
        // Object type 1 (Main) and too few bytes.
        check(&[0x0a, 0x10], None);
        check(&[0x12], None);
    }
}
