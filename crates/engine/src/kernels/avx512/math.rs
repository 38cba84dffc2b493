//! Functions of sixteen values at once.

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_div_ps, _mm512_fmadd_ps, _mm512_max_ps, _mm512_mul_ps,
    _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_ps, _mm512_sub_ps,
};

/// Rounds to whole numbers, without raising exceptions.
const TO_NEAREST: i32 = 8;

/// The exponential function, within 3e-7 of its value. Values below -87 count as -87.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn exponential(x: __m512) -> __m512 {
    let x = _mm512_max_ps(x, _mm512_set1_ps(-87.0));
    let powers = _mm512_mul_ps(x, _mm512_set1_ps(std::f32::consts::LOG2_E));
    let whole = _mm512_roundscale_ps::<TO_NEAREST>(powers);
    let rest = _mm512_sub_ps(powers, whole);

    // 2^rest between -0.5 and 0.5, as a polynomial.
    let mut power = _mm512_set1_ps(1.339_887_4e-3);
    for factor in [
        9.618_437e-3,
        5.550_332_6e-2,
        2.402_264_8e-1,
        6.931_472e-1,
        1.0,
    ] {
        power = _mm512_fmadd_ps(power, rest, _mm512_set1_ps(factor));
    }
    _mm512_scalef_ps(power, whole)
}

/// The exponential function, within 2e-4 of its value: rounding to bfloat16 has ten times that error. Finite values only.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn rough_exponential(x: __m512) -> __m512 {
    let powers = _mm512_mul_ps(x, _mm512_set1_ps(std::f32::consts::LOG2_E));
    let whole = _mm512_roundscale_ps::<TO_NEAREST>(powers);
    let rest = _mm512_sub_ps(powers, whole);

    let mut power = _mm512_set1_ps(5.583_828e-2);
    for factor in [2.426_394_8e-1, 6.931_367e-1, 9.999_246e-1] {
        power = _mm512_fmadd_ps(power, rest, _mm512_set1_ps(factor));
    }
    _mm512_scalef_ps(power, whole)
}

/// GELU in its `tanh` form, as whisper.cpp has it. Differs from the exact form by less than 5e-4.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn gelu(x: __m512) -> __m512 {
    // x * sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 * x^3))
    let linear = _mm512_set1_ps(-1.595_769);
    let cubic = _mm512_set1_ps(-0.044_715 * 1.595_769);
    let square = _mm512_mul_ps(x, x);
    let exponent = _mm512_mul_ps(x, _mm512_fmadd_ps(square, cubic, linear));
    let divisor = _mm512_add_ps(exponential(exponent), _mm512_set1_ps(1.0));
    _mm512_div_ps(x, divisor)
}
