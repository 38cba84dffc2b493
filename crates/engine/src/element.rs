//! The element types of ggml tensors that Whisper files are published in, and their values as `f32`.

use rten_simd::f16;

/// Values of a block of a quantised type.
const BLOCK: usize = 32;

/// What a tensor's elements are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
}

impl Element {
    /// The type that a file calls by this number.
    pub(crate) fn from_id(id: u32) -> Option<Self> {
        Some(match id {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            _ => return None,
        })
    }

    /// Values that are stored together.
    pub(crate) fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            _ => BLOCK,
        }
    }

    fn block_bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
        }
    }

    /// Bytes of so many elements, which are whole blocks.
    pub(crate) fn bytes(self, elements: usize) -> u64 {
        (elements / self.block_elements()) as u64 * self.block_bytes() as u64
    }

    /// The values of `elements` elements.
    pub(crate) fn to_f32(self, bytes: &[u8], elements: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(elements);
        for block in bytes.chunks_exact(self.block_bytes()) {
            self.push_block(block, &mut values);
        }
        debug_assert_eq!(values.len(), elements);
        values
    }

    fn push_block(self, block: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F32 => {
                let bytes = block.try_into().expect("a block has 4 bytes");
                values.push(f32::from_le_bytes(bytes));
            }
            Self::F16 => values.push(half(block)),
            Self::Q4_0 => {
                let scale = half(block);
                let nibbles = nibbles(&block[2..]);
                values.extend(nibbles.map(|value| (f32::from(value) - 8.0) * scale));
            }
            Self::Q4_1 => {
                let scale = half(block);
                let least = half(&block[2..]);
                let nibbles = nibbles(&block[4..]);
                values.extend(nibbles.map(|value| f32::from(value) * scale + least));
            }
            Self::Q5_0 => {
                let scale = half(block);
                let five = five_bits(&block[2..]);
                values.extend(five.map(|value| (f32::from(value) - 16.0) * scale));
            }
            Self::Q5_1 => {
                let scale = half(block);
                let least = half(&block[2..]);
                let five = five_bits(&block[4..]);
                values.extend(five.map(|value| f32::from(value) * scale + least));
            }
            Self::Q8_0 => {
                let scale = half(block);
                let bytes = block[2..].iter();
                values.extend(bytes.map(|byte| f32::from(byte.cast_signed()) * scale));
            }
        }
    }
}

fn half(bytes: &[u8]) -> f32 {
    f16::from_bits(u16::from_le_bytes([bytes[0], bytes[1]])).to_f32()
}

/// The low halves of all bytes, then the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let low = bytes.iter().map(|byte| byte & 0xF);
    low.chain(bytes.iter().map(|byte| byte >> 4))
}

/// As [`nibbles`], after a word with the fifth bit of each value.
fn five_bits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let high = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let fifth = (0..BLOCK).map(move |at| ((high >> at) & 1) as u8);
    nibbles(&bytes[4..])
        .zip(fifth)
        .map(|(low, fifth)| low | (fifth << 4))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    /// 0.5 as half precision.
    const HALF: [u8; 2] = [0x00, 0x38];

    #[test]
    fn blocks_are_values_in_the_order_of_ggml() {
        let mut q8 = HALF.to_vec();
        q8.extend((0..32).map(|value: i8| (value - 16).cast_unsigned()));
        let found = Element::Q8_0.to_f32(&q8, 32);
        assert_eq!(found[0], -8.0);
        assert_eq!(found[31], 7.5);

        let mut q4 = HALF.to_vec();
        q4.extend([0xF0; 16]);
        let found = Element::Q4_0.to_f32(&q4, 32);
        assert_eq!(found[..16], [-4.0; 16]);
        assert_eq!(found[16..], [3.5; 16]);
    }

    #[test]
    fn the_fifth_bit_counts_sixteen() {
        let mut q5 = HALF.to_vec();
        q5.extend(1_u32.to_le_bytes());
        q5.extend([0; 16]);
        let found = Element::Q5_0.to_f32(&q5, 32);
        assert_eq!(found[0], 0.0);
        assert_eq!(found[1], -8.0);

        let mut q5 = [HALF, HALF].concat();
        q5.extend((1_u32 << 31).to_le_bytes());
        q5.extend([0x10; 16]);
        let found = Element::Q5_1.to_f32(&q5, 32);
        assert_eq!(found[0], 0.5);
        assert_eq!(found[31], 9.0);
    }
}
