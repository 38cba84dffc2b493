//! Half-precision numbers as bit patterns, for the converter. Never allocates.

/// The value of an IEEE 754 binary16 bit pattern; exact.
pub(crate) fn f32_from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        // Zero and subnormals: fraction × 2⁻²⁴, exact in f32.
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The nearest binary16 bit pattern, ties to even; what is too large becomes infinity.
pub(crate) fn f16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00; // not a number
    }
    if magnitude >= 0x4780_0000 {
        return sign | 0x7c00; // 2¹⁶ and above
    }
    if magnitude < 0x3880_0000 {
        // Below 2⁻¹⁴ the result is subnormal: a count of 2⁻²⁴ steps.
        let steps = f64::from(f32::from_bits(magnitude)) * 16_777_216.0;
        return sign | steps.round_ties_even() as u16;
    }
    // Rebias the exponent (127 to 15), then round off 13 bits; a carry into the exponent is the right answer.
    let rebiased = magnitude - (112 << 23);
    let rounded = (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13;
    sign | rounded as u16
}

/// The value of a bfloat16 bit pattern; exact.
pub(crate) fn f32_from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_a_round_trip() {
        for bits in 0..=u16::MAX {
            let value = f32_from_f16(bits);
            if value.is_nan() {
                assert!(f32_from_f16(f16_from_f32(value)).is_nan());
            } else {
                assert_eq!(f16_from_f32(value), bits, "{bits:#06x} is {value}");
            }
        }
    }

    #[test]
    fn halves_round_to_nearest_and_ties_to_even() {
        assert_eq!(f32_from_f16(0x3c00).to_bits(), 1.0_f32.to_bits());
        assert_eq!(
            f16_from_f32(1.0 + 1.0 / 2048.0),
            0x3c00,
            "a tie goes to the even neighbour below"
        );
        assert_eq!(
            f16_from_f32(1.0 + 3.0 / 2048.0),
            0x3c02,
            "a tie goes to the even neighbour above"
        );
        assert_eq!(f16_from_f32(65_519.0), 0x7bff);
        assert_eq!(f16_from_f32(65_520.0), 0x7c00);
        assert_eq!(f16_from_f32(-3.0e-8), 0x8001);
        assert_eq!(f32_from_bf16(0xc040).to_bits(), (-3.0_f32).to_bits());
    }
}
