//! Stands in for `avx512` on other architectures, whose processors never have its instructions.

use super::Then;

/// It has no values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Avx512 {}

/// As in `avx512`.
pub(crate) struct IntegerMatrix;

/// As in `avx512`.
pub(crate) struct HalfMatrix;

/// As in `avx512`.
pub(crate) struct ByteHead;

/// As in `avx512`.
#[derive(Default)]
pub(crate) struct AttentionMemory;

/// As in `avx512`.
pub(crate) struct Epilogue<'a> {
    pub(crate) row_scales: &'a [f32],
    pub(crate) column_scales: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) then: Then,
}

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn multiply(self, _: &[u8], _: &IntegerMatrix, _: Epilogue<'_>, _: &mut [f32]) {
        match self {}
    }

    pub(crate) fn integer_peak(self) -> f64 {
        match self {}
    }

    pub(crate) fn halve(self, _: &[f32], _: &mut [u16]) {
        match self {}
    }

    pub(crate) fn convolve(self, _: &[u16], _: usize, _: &HalfMatrix, _: &[f32], _: &mut [f32]) {
        match self {}
    }

    pub(crate) fn attend(
        self,
        _: &[f32],
        _: usize,
        _: usize,
        _: &mut AttentionMemory,
        _: &mut [f32],
    ) {
        match self {}
    }
}

impl Avx512 {
    pub(crate) fn pack_head(self, _: &[f32], _: usize, _: usize) -> ByteHead {
        match self {}
    }

    pub(crate) fn score_bytes(self, _: &[f32], _: &ByteHead, _: &mut [f32]) {
        match self {}
    }

    pub(crate) fn weigh_bytes(self, _: &[f32], _: &ByteHead, _: &mut [f32]) {
        match self {}
    }
}

impl ByteHead {
    pub(crate) fn filled(&self) -> usize {
        0
    }
}

impl IntegerMatrix {
    pub(crate) fn new(_: &[i8], _: usize) -> Self {
        Self
    }

    pub(crate) fn columns(&self) -> usize {
        0
    }
}

impl HalfMatrix {
    pub(crate) fn new(_: &[f32], _: usize) -> Self {
        Self
    }
}
